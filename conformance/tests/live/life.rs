//! One life of a broker with live topics, drawn from a seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::act::Peer;
use peermesh_conformance::story::{Said, Terms, Told};
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

use crate::watcher::{Knowledge, Published, holds};

/// A topic of each kind.
const TOPICS: [&str; 3] = ["plain", "state", "leaky"];
const WATCHERS: u64 = 4;
/// Deeds of the life before everything is made well.
const DEEDS: usize = 220;

/// See the module's own words.
pub(crate) struct Life {
    town: Town,
    rng: Rng,
    /// Acknowledged publications of each topic, by offset.
    published: BTreeMap<&'static str, BTreeMap<u64, Published>>,
    epochs: BTreeMap<&'static str, String>,
    /// Publications without an answer, by what they are called.
    asked: BTreeMap<String, (&'static str, Value)>,
    made: u64,
    known: BTreeMap<(u64, &'static str), Knowledge>,
    repeated: usize,
    story: String,
}

impl Life {
    pub(crate) fn new(seed: u64) -> Life {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let pairs = |pairs: &[(&str, &str)]| {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let limits = [
            ("live_history_max", 12),
            ("live_queue_frames_max", 4),
            ("send_window_bytes", 1_024),
            ("live_messages_per_minute_max", 1_000_000),
            ("unauthenticated_per_address_max", 10_000),
        ];
        let terms = Terms {
            limits: limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            config: pairs(&[
                ("live_secret", "the-secret-of-live-topics"),
                ("live_topics", "state=conflate,leaky=gap"),
            ]),
            shards: 1 + u16::try_from(seed % 3).unwrap_or(0),
            ..Terms::default()
        };
        Life {
            town: Town::new(&terms).expect("the terms are a configuration"),
            rng: Rng::from_seed(bytes),
            published: BTreeMap::new(),
            epochs: BTreeMap::new(),
            asked: BTreeMap::new(),
            made: 0,
            known: BTreeMap::new(),
            repeated: 0,
            story: String::new(),
        }
    }

    pub(crate) fn live(&mut self) -> Told<()> {
        for _ in 0..DEEDS {
            self.deed()?;
            self.look()?;
        }
        self.make_well()?;
        self.judge()
    }

    /// What was done, for a person.
    pub(crate) fn story(&self) -> String {
        format!("{}{}", self.story, self.town.last_notes(12))
    }

    /// How often what these lives are for came about.
    pub(crate) fn reached(&self) -> [usize; 5] {
        let sum = |count: fn(&Knowledge) -> usize| self.known.values().map(count).sum();
        [sum(|k| k.recovered), sum(|k| k.missed), sum(|k| k.gaps), sum(|k| k.conflated), self.repeated]
    }

    fn deed(&mut self) -> Told<()> {
        let who = 1 + self.rng.below(WATCHERS);
        let peer = watcher(who);
        match self.rng.below(24) {
            0 => {
                self.note(&format!("{who} drops"));
                self.town.cut(&peer);
            }
            1 if self.rng.below(4) == 0 => {
                let crash = self.rng.below(2) == 0;
                self.note(if crash { "the broker crashes" } else { "the broker restarts" });
                self.town.restart(crash)?;
            }
            2 | 3 => {
                self.note(&format!("{who} stops reading"));
                self.town.set_reading(&peer, false);
            }
            4 if self.rng.below(2) == 0 => {
                self.note(&format!("{who} reads again"));
                self.town.set_reading(&peer, true);
            }
            5..=7 => self.come(who)?,
            9 => {
                let millis = self.rng.below(400);
                self.town.wait(millis)?;
            }
            _ => self.publish()?,
        }
        if self.rng.below(3) > 0 {
            self.town.wait(1)?;
        }
        Ok(())
    }

    /// A watcher that is away comes, and goes on where it was in each topic, or begins.
    fn come(&mut self, who: u64) -> Told<()> {
        let peer = watcher(who);
        if !self.town.is_gone(&peer) {
            return Ok(());
        }
        self.note(&format!("{who} comes"));
        self.town.cut(&peer);
        self.town.watch(&peer)?;
        for topic in watched(who).iter().copied() {
            let known = self.known.entry((who, topic)).or_default();
            let mut wish = json!({ "type": "subscribe", "topic": topic });
            if !known.epoch.is_empty() && self.rng.below(5) > 0 {
                wish["recover"] = json!({ "epoch": known.epoch, "offset": known.offset });
            }
            self.town.send(&peer, &wish);
        }
        Ok(())
    }

    fn publish(&mut self) -> Told<()> {
        let peer = publisher();
        if self.town.is_gone(&peer) {
            self.town.cut(&peer);
            self.town.watch(&peer)?;
            // What was sent before and not answered is sent again, under its key.
            for (_, message) in self.asked.values() {
                self.town.send(&peer, message);
                self.repeated += 1;
            }
        }
        self.made += 1;
        let topic = TOPICS[usize::try_from(self.rng.below(3)).unwrap_or(0)];
        let id = format!("p{}", self.made);
        let mut message = json!({
            "type": "publish", "topic": topic, "id": id, "idempotency_key": id, "data": self.made,
        });
        if self.rng.below(4) > 0 {
            message["key"] = format!("e{}", self.rng.below(3)).into();
            if self.rng.below(2) == 0 {
                message["version"] = self.rng.below(self.made + 5).into();
            }
            if self.rng.below(6) == 0 {
                message["data"] = Value::Null;
            }
        }
        if self.rng.below(2) == 0 && !message["data"].is_null() {
            // Long enough to fill what a connection takes at once.
            message["data"] = format!("{}{}", self.made, "x".repeat(700)).into();
        }
        self.note(&format!("publish {message:.120}"));
        let times = 1 + u64::from(self.rng.below(5) == 0);
        for _ in 0..times {
            self.town.send(&peer, &message);
        }
        self.asked.insert(id, (topic, message));
        Ok(())
    }

    /// Everybody looks at what arrived.
    fn look(&mut self) -> Told<()> {
        for message in self.town.take(&publisher()) {
            self.answered(&message)?;
        }
        for who in 1..=WATCHERS {
            let peer = watcher(who);
            for message in self.town.take(&peer) {
                let name = message["topic"].as_str().unwrap_or_default();
                let Some(topic) = TOPICS.into_iter().find(|topic| *topic == name) else { continue };
                let known = self.known.entry((who, topic)).or_default();
                known
                    .learn(&message)
                    .map_err(|Said(said)| Said(format!("{who} at {topic}: {said}; {message}")))?;
            }
            if let Some(said) = self.town.broken(&peer) {
                return Err(said.into());
            }
        }
        Ok(())
    }

    fn answered(&mut self, message: &Value) -> Told<()> {
        if message["type"] == "error" && message["code"] != "shutting-down" {
            return Err(format!("the publisher is refused: {message}").into());
        }
        if message["type"] != "published" {
            return Ok(());
        }
        let (epoch, offset) = (message["epoch"].as_str().unwrap_or_default(), message["offset"].as_u64());
        let (id, offset) = (message["id"].as_str().unwrap_or_default(), offset.ok_or("no offset")?);
        let Some((topic, asked)) = self.asked.get(id).cloned() else {
            // The second answer to what was sent twice.
            return Ok(());
        };
        let before = self.epochs.entry(topic).or_insert_with(|| epoch.to_owned());
        if before != epoch {
            return Err(format!("{topic} was at {before} and is at {epoch}, though nothing was lost").into());
        }
        let one = Published {
            key: asked["key"].as_str().map(str::to_owned),
            version: asked["version"].as_u64(),
            data: asked["data"].clone(),
        };
        let stands = self.published.entry(topic).or_default();
        let first = stands.insert(offset, one.clone());
        if first.is_some_and(|first| first != one) {
            return Err(format!("two publications at offset {offset} of {topic}").into());
        }
        self.asked.remove(id);
        Ok(())
    }

    /// Everybody reads, comes and waits.
    fn make_well(&mut self) -> Told<()> {
        self.note("all is well");
        for _ in 0..20 {
            for who in 1..=WATCHERS {
                self.town.set_reading(&watcher(who), true);
            }
            self.town.wait(500)?;
            self.look()?;
            for who in 1..=WATCHERS {
                self.come(who)?;
            }
            if !self.asked.is_empty() && self.town.is_gone(&publisher()) {
                self.publish()?;
            }
        }
        self.town.wait(1_000)?;
        self.look()
    }

    fn judge(&self) -> Told<()> {
        if let Some((id, _)) = self.asked.first_key_value() {
            return Err(format!("{id} was never answered").into());
        }
        for (topic, published) in &self.published {
            let offsets: Vec<u64> = published.keys().copied().collect();
            let gapless: Vec<u64> = (1..=offsets.len() as u64).collect();
            if offsets != gapless {
                return Err(format!("{topic}: offsets {offsets:?}").into());
            }
            let wanted = holds(published, *topic == "state");
            for who in (1..=WATCHERS).filter(|who| watched(*who).contains(topic)) {
                let known = &self.known[&(who, *topic)];
                if known.offset != offsets.len() as u64 && !known.conflates {
                    return Err(format!("{who} is at {} of {topic}, not {offsets:?}", known.offset).into());
                }
                if !known.has_gap && known.holds != wanted {
                    let said = format!("{who} holds {:?} of {topic}, not {wanted:?}", known.holds);
                    return Err(said.into());
                }
            }
        }
        Ok(())
    }

    fn note(&mut self, deed: &str) {
        let _ = writeln!(self.story, "{deed}");
    }
}

/// What a watcher watches: one that waits for everything never waits long for what conflates.
fn watched(who: u64) -> &'static [&'static str] {
    match who {
        1 => &TOPICS,
        2 => &["state"],
        3 => &["leaky"],
        _ => &["state", "leaky"],
    }
}

fn watcher(number: u64) -> Peer {
    Peer::parse(&format!("watcher{number}")).expect("a name")
}

fn publisher() -> Peer {
    Peer::parse("publisher").expect("a name")
}
