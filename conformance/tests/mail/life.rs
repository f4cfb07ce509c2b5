//! One life of a small town: what its peers do, drawn from a seed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use peermesh_conformance::keys;
use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::act::{Ill, Mood, Peer, Sharing};
use peermesh_conformance::story::{Terms, Told};
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

use crate::ground::Ground;
use crate::kinds::{Kind, Kinds};
use crate::oracle::{Key, OTHER, Oracle, member_of, text};

/// Tiny, so that every bound is met.
const LIMITS: &[(&str, u64)] = &[
    ("lane_bytes_max", 1_024),
    ("unacked_sends_max", 4),
    ("queued_per_mailbox_max", 30),
    ("batch_messages_max", 3),
    ("batch_ops_max", 5),
    ("ack_deadline_ms", 40),
    ("commit_retry_ms_min", 5),
    ("commit_retry_ms_max", 10),
    ("reads_in_flight_max", 2),
    ("reads_waiting_max", 16),
    ("health_ms", 50),
    ("lease_ms", LEASE_MS),
    ("legacy_ping_ms", 60),
    ("grace_ms", 400),
    ("mesh_idle_ms", 100),
    ("rate_window_ms", 300),
    ("rate_keys_max", 8),
    ("looks_bytes_max", 2_048),
    ("replacements_max", 1_000),
    ("connections_per_mesh_max", 100),
    ("retention_sweep_ms", 200),
    ("orphan_check_ms", 300),
    ("send_window_bytes", 1_024),
    ("message_bytes_max", 16_384),
    ("outbox_bytes_max", 65_536),
    ("stall_ms", 700),
];
pub(crate) const LEASE_MS: u64 = 250;
/// Deeds of one life before faults stop.
const DEEDS: u64 = 160;
/// Who there is: members, their sessions, and one that never acknowledges.
pub(crate) const IDENTITIES: &[&str] = &["ann", "bob", "bob.s1", "carl.s1", "carl", "dora.tty", "dora"];
const MEMBERS: &[&str] = &["ann", "bob", "carl", "dora"];
const TARGETS: &[&str] = &["ann", "bob", "bob.s1", "carl", "carl.s1", "dora", "*"];
const PRIORITIES: &[&str] = &["now", "next", "low"];

pub(crate) struct Life {
    pub(crate) town: Town,
    /// Time and the store are real: what happens next to each other takes its time, in any order.
    pub(crate) is_real: bool,
    rng: Rng,
    pub(crate) oracle: Oracle,
    pub(crate) kinds: Kinds,
    pub(crate) peers: BTreeMap<&'static str, Mind>,
    pub(crate) by_key: BTreeMap<String, String>,
    count: u64,
    /// Sends of one member at once, where it has a budget.
    pub(crate) burst: Option<u64>,
    /// How long a body may be, in pieces.
    body_max: usize,
    ill: bool,
    /// Nobody knows what becomes of a commit.
    unknown: bool,
    /// Another broker has the mesh.
    robbed: bool,
    /// This broker may not know yet that it lost the mesh, and what it is told is lost with it.
    pub(crate) blind: bool,
    /// What was done, for a person.
    diary: Vec<String>,
}

/// What one identity knows.
#[derive(Debug, Default)]
pub(crate) struct Mind {
    /// Its connections so far.
    number: u32,
    greeted: bool,
    pub(crate) welcome: bool,
    /// It does not read.
    asleep: bool,
    /// Known to be working or not to be disturbed.
    gated: bool,
    /// Pushes that it has not acknowledged: id and sender's key.
    pub(crate) unacked: Vec<(String, String)>,
}

impl Life {
    pub(crate) fn new(seed: u64, ground: Ground) -> Life {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let mut rng = Rng::from_seed(bytes);
        // In some lives mail grows old, in some a few deliveries without an answer are too many, in some
        // messages are long, in some peers fall asleep, and in some budgets are spent all the time.
        let [ages, dies, long, sleeps, strict] = [(); 5].map(|()| rng.below(4) == 0);
        let burst = 1 + rng.below(4);
        // A real machine may stand still for many leases, which says nothing about the broker.
        let tries = match (dies, ground.is_real()) {
            (true, _) => 2,
            (false, true) => 1_000,
            (false, false) => 12,
        };
        let drawn = [
            ("lane_messages_max", 1 + rng.below(4)),
            ("unacked_pushes_max", 1 + rng.below(4)),
            ("message_ttl_ms", if ages { 1_500 } else { 3_600_000 }),
            ("deliveries_max", tries),
            ("send_rate_per_minute", if strict { 300 } else { 0 }),
            ("send_rate_burst", burst),
        ];
        let terms = Terms {
            limits: LIMITS.iter().chain(&drawn).map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            shards: if rng.below(4) == 0 { 2 } else { 1 },
            errors: vec!["db ping failed".to_owned()],
            ..Terms::default()
        };
        let mut town = ground.town(&terms).unwrap_or_else(|said| panic!("{}", said.0));
        town.make_mesh("garden", MEMBERS).unwrap_or_else(|said| panic!("{}", said.0));
        let named = IDENTITIES.iter().chain(MEMBERS);
        Life {
            town,
            is_real: ground.is_real(),
            rng,
            oracle: Oracle::new(ages, dies, sleeps),
            kinds: Kinds::default(),
            burst: strict.then_some(burst),
            peers: IDENTITIES.iter().map(|name| (*name, Mind::default())).collect(),
            by_key: named.map(|name| (keys::public(name), (*name).to_owned())).collect(),
            count: 0,
            body_max: if long { 3_500 } else { 120 },
            ill: false,
            unknown: false,
            robbed: false,
            blind: false,
            diary: Vec::new(),
        }
    }

    /// Faults, then peace, then the last judgement.
    pub(crate) fn live(&mut self) -> Told<()> {
        // A session that was never there has no mailbox, so everybody shows up once.
        for name in IDENTITIES {
            self.greet_until_welcome(name)?;
        }
        for _ in 0..DEEDS {
            self.deed()?;
            self.look()?;
        }
        self.make_peace()?;
        self.judge()
    }

    pub(crate) fn story(&self) -> String {
        let mut story = String::new();
        for line in &self.diary[self.diary.len().saturating_sub(60)..] {
            let _ = writeln!(story, "    {line}");
        }
        story + &self.town.last_notes(30)
    }

    fn deed(&mut self) -> Told<()> {
        match self.rng.below(100) {
            0..=37 => {
                // Where there is a budget, it is spent at once now and then.
                let burst = self.burst.filter(|_| self.rng.below(4) == 0);
                (0..=burst.map_or(0, |burst| burst + 1)).for_each(|_| self.send());
            }
            38..=57 => self.ack()?,
            58..=67 => self.connect()?,
            68..=71 => self.drop(),
            72..=73 => self.stop_or_read(),
            74..=79 => self.change_status()?,
            80..=81 => {
                let crash = self.rng.below(2) == 0;
                self.restart(crash)?;
            }
            82..=86 => self.trouble(),
            87..=89 => self.heal()?,
            90 if !self.is_real => self.rob()?,
            _ => {
                let millis = [1, 5, 20, 60, 300, 900][self.pick(6)];
                self.note(format!("wait {millis}"));
                self.town.wait(millis)?;
            }
        }
        if self.rng.below(3) == 0 {
            self.town.wait(0)?;
        }
        Ok(())
    }

    fn send(&mut self) {
        let Some(name) = self.any(|mind| mind.welcome) else { return };
        // Keys belong to the member: its sessions may use each other's.
        let member = member_of(name);
        let own: Vec<_> = self.oracle.sent.keys().filter(|(sender, _)| sender == member).cloned().collect();
        if !own.is_empty() && self.rng.below(4) == 0 {
            let key = own[self.pick(own.len())].clone();
            return self.repeat(name, &key);
        }
        let target = TARGETS[self.pick(TARGETS.len())];
        if target == name {
            return;
        }
        self.count += 1;
        let (id, priority) = (format!("m{}", self.count), PRIORITIES[self.pick(3)]);
        let spec = if target == "*" { target.to_owned() } else { keys::public(target) };
        let body = "eHh4".repeat(1 + self.pick(self.body_max));
        let mut frame = json!({"type": "send", "id": id, "client_message_id": id, "targetSpec": spec,
            "priority": priority, "nonce": "", "ciphertext": body});
        if self.rng.below(4) == 0 {
            self.kinds.count(Kind::Receipt);
            frame["receipt"] = json!(true);
        }
        let mut other = frame.clone();
        other["id"] = json!(format!("{OTHER}{id}"));
        match self.pick(3) {
            0 => other["ciphertext"] = json!("b3RoZXI="),
            1 => other["priority"] = json!(if priority == "now" { "low" } else { "now" }),
            _ => other["replyToId"] = json!("another"),
        }
        let key = (member.to_owned(), id);
        self.oracle.begins(&key, target, [frame, other]);
        self.kinds.count(Kind::First);
        self.say(name, &key, 0);
        if self.rng.below(4) == 0 {
            self.repeat(name, &key);
        }
    }

    /// Uses a key again, for the same or for something else; now and then in a burst and from several
    /// connections of the member, so that they meet.
    fn repeat(&mut self, name: &'static str, key: &Key) {
        for _ in 0..1 + self.pick(3) {
            let meaning = usize::from(self.rng.below(4) == 0);
            let is_kin = |other: &&str| member_of(other) == member_of(name) && self.peers[*other].welcome;
            let kin: Vec<&'static str> = IDENTITIES.iter().copied().filter(is_kin).collect();
            let name = kin[self.pick(kin.len())];
            // A session drops what it sent itself, so a member's session may not send for another one to it.
            if self.oracle.sent[key].target != name {
                self.kinds.count([Kind::Retry, Kind::Mismatch][meaning]);
                self.say(name, key, meaning);
            }
        }
    }

    fn say(&mut self, name: &'static str, key: &Key, meaning: usize) {
        let line = (name.to_owned(), self.peers[name].number);
        let Some((frame, meets)) = self.oracle.sends(line, key, meaning) else { return };
        if meets {
            self.kinds.count(Kind::TwoConnections);
        }
        if self.unknown {
            self.kinds.count(Kind::UnknownCommit);
        }
        self.note(format!("{name} says {} under {}", ["this", "something else"][meaning], key.1));
        let peer = self.peer(name);
        self.town.send(&peer, &frame);
    }

    fn ack(&mut self) -> Told<()> {
        let Some(name) = self.any(|mind| mind.welcome && !mind.unacked.is_empty()) else { return Ok(()) };
        let (drawn, form) = (self.rng.next_u64(), self.rng.below(3));
        let Some(mind) = self.peers.get_mut(name) else { return Ok(()) };
        let at = usize::try_from(drawn % mind.unacked.len() as u64).unwrap_or(0);
        let (id, key) = mind.unacked.remove(at);
        let frame = match form {
            // Without our id it means the oldest push of that name, which must be this one.
            0 if !key.is_empty() => json!({"type": "client_ack", "clientMessageId": key}),
            1 => json!({"type": "client_ack", "brokerMessageId": id, "clientMessageId": key}),
            _ => json!({"type": "client_ack", "brokerMessageId": id}),
        };
        self.note(format!("{name} acks {key} {id}"));
        let peer = self.peer(name);
        self.town.send(&peer, &frame);
        if form != 0 && self.was_read(name)? && self.has_kin_heard(name)? && !self.blind {
            // While the store fails, the broker has to remember it until it ends; and a real one takes its
            // time.
            self.oracle.done(&id, !self.ill && !self.is_real);
        }
        Ok(())
    }

    /// True when nothing that left before for the member's other connections is on its way to them any more;
    /// on real sockets it may take its time.
    fn has_kin_heard(&mut self, name: &'static str) -> Told<bool> {
        let is_kin = |other: &&str| *other != name && member_of(other) == member_of(name);
        let kin = IDENTITIES.iter().copied().filter(|other| is_kin(other) && self.peers[*other].greeted);
        let mut have_heard = true;
        for other in kin.filter(|_| self.is_real).collect::<Vec<_>>() {
            have_heard &= self.was_read(other)?;
        }
        Ok(have_heard)
    }

    /// True when the broker has read what a peer sent so far. What arrives meanwhile is judged by what was
    /// known.
    fn was_read(&mut self, name: &'static str) -> Told<bool> {
        let peer = self.peer(name);
        // Unanswered sends may keep the broker from reading: an answer shows that it did.
        self.count += 1;
        let read = format!("read-{}", self.count);
        self.town.send(&peer, &json!({"type": "list_peers", "_reqId": read}));
        self.town.wait(if self.is_real { 40 } else { 10 })?;
        let frames = self.town.take(&peer);
        for frame in &frames {
            self.hear(name, frame)?;
        }
        Ok(frames.iter().any(|frame| frame["_reqId"] == read))
    }

    /// A connection for somebody, in place of the one there may be.
    fn connect(&mut self) -> Told<()> {
        let name = IDENTITIES[self.pick(IDENTITIES.len())];
        if self.peers[name].welcome && self.rng.below(3) > 0 {
            return Ok(());
        }
        let cut_first = self.rng.below(2) == 0;
        let old = self.peer(name);
        if cut_first {
            self.town.cut(&old);
        }
        self.greet(name)?;
        if !cut_first {
            // The newer connection wins; what arrived on the older one is not looked at any more.
            self.town.wait(0)?;
            self.town.cut(&old);
        }
        Ok(())
    }

    pub(crate) fn greet(&mut self, name: &'static str) -> Told<()> {
        self.note(format!("{name} connects"));
        let Some(mind) = self.peers.get_mut(name) else { return Ok(()) };
        *mind = Mind { number: mind.number + 1, greeted: true, ..Mind::default() };
        let peer = self.peer(name);
        self.town.greet(&peer, name.ends_with("tty"))
    }

    fn drop(&mut self) {
        let Some(name) = self.any(|mind| mind.greeted) else { return };
        self.note(format!("{name} drops"));
        let peer = self.peer(name);
        self.town.cut(&peer);
        self.forget(name);
    }

    fn stop_or_read(&mut self) {
        if !self.oracle.sleeps {
            return;
        }
        let Some(name) = self.any(|mind| mind.welcome) else { return };
        let peer = self.peer(name);
        let Some(mind) = self.peers.get_mut(name) else { return };
        mind.asleep = !mind.asleep;
        self.town.set_reading(&peer, !mind.asleep);
        let line = format!("{name} {}", if mind.asleep { "stops reading" } else { "reads again" });
        self.note(line);
    }

    fn forget(&mut self, name: &str) {
        if let Some(mind) = self.peers.get_mut(name) {
            *mind = Mind { number: mind.number, ..Mind::default() };
        }
    }

    fn change_status(&mut self) -> Told<()> {
        let Some(name) = self.any(|mind| mind.welcome) else { return Ok(()) };
        let status = ["idle", "working", "dnd", "idle"][self.pick(4)];
        self.note(format!("{name} is {status}"));
        let peer = self.peer(name);
        self.look_at(name)?;
        self.town.send(&peer, &json!({"type": "set_status", "status": status}));
        if let Some(mind) = self.peers.get_mut(name) {
            mind.gated = false;
        }
        let read = self.was_read(name)?;
        if let Some(mind) = self.peers.get_mut(name) {
            mind.gated = read && status != "idle";
        }
        Ok(())
    }

    fn restart(&mut self, crash: bool) -> Told<()> {
        self.note(format!("broker {}", if crash { "crashes" } else { "restarts" }));
        self.look()?;
        if crash {
            self.kinds.count(Kind::Crash);
            self.town.restart(true)?;
        } else {
            self.heal()?;
            self.town.restart(false)?;
        }
        self.oracle.broker_ended();
        for name in IDENTITIES {
            self.look_at(name)?;
            let peer = self.peer(name);
            self.town.cut(&peer);
            self.forget(name);
        }
        Ok(())
    }

    fn trouble(&mut self) {
        let ills = [Ill::Unavailable, Ill::Full, Ill::ForgetsReplies, Ill::LosesCommits];
        let ill = ills.get(self.pick(6)).copied();
        self.unknown = matches!(ill, Some(Ill::ForgetsReplies | Ill::LosesCommits));
        let delay_ms = if ill.is_none() { 1 + self.rng.below(40) } else { 0 };
        self.note(format!("store {ill:?} {delay_ms} ms"));
        self.town.set_mood(Mood { ill, delay_ms });
        self.ill = true;
    }

    /// Another broker takes the mesh over, though this one lives and does not know yet.
    fn rob(&mut self) -> Told<()> {
        if self.robbed {
            return Ok(());
        }
        self.note("another broker robs the garden".to_owned());
        self.town.wait(0)?;
        self.look()?;
        self.town.share(&Sharing::Robs("garden".to_owned()))?;
        self.oracle.broker_ended();
        (self.robbed, self.blind, self.ill) = (true, true, true);
        Ok(())
    }

    pub(crate) fn heal(&mut self) -> Told<()> {
        self.note("store heals".to_owned());
        self.town.set_mood(Mood::default());
        if self.robbed {
            self.town.share(&Sharing::Dies)?;
            self.robbed = false;
        }
        if self.ill {
            // What was under way before still takes its time.
            self.town.wait(60)?;
        }
        (self.ill, self.unknown) = (false, false);
        Ok(())
    }

    /// Takes what arrived for everybody.
    pub(crate) fn look(&mut self) -> Told<()> {
        IDENTITIES.iter().try_for_each(|name| self.look_at(name))
    }

    pub(crate) fn look_at(&mut self, name: &'static str) -> Told<()> {
        let peer = self.peer(name);
        for frame in self.town.take(&peer) {
            self.hear(name, &frame)?;
        }
        if let Some(broken) = self.town.broken(&peer) {
            return Err(format!("{name}: {broken}").into());
        }
        if self.peers[name].greeted && self.town.is_gone(&peer) {
            self.note(format!("{name} is gone"));
            self.town.cut(&peer);
            self.forget(name);
        }
        Ok(())
    }

    pub(crate) fn hear(&mut self, name: &'static str, frame: &Value) -> Told<()> {
        let kind = text(frame, "type");
        let Some(mind) = self.peers.get_mut(name) else { return Ok(()) };
        match kind.as_str() {
            "hello_ack" => {
                mind.welcome = true;
                // Nobody is welcomed but by an owner.
                self.blind &= self.robbed;
                self.oracle.chain.greeted(frame)?;
            }
            "ack" => {
                let line = (name.to_owned(), mind.number);
                if text(frame, "error").starts_with("retry: rate_limit") {
                    self.kinds.count(Kind::Saturated);
                }
                self.oracle.acked(&line, frame)?;
            }
            "push" => {
                if !mind.welcome {
                    return Err(format!("{name} got mail before its welcome: {frame}").into());
                }
                let gated = mind.gated;
                let (id, key) = (text(frame, "messageId"), text(frame, "client_message_id"));
                if !mind.unacked.iter().any(|(other, _)| *other == id) {
                    mind.unacked.push((id, key.clone()));
                }
                self.note(format!("{name} hears {key}"));
                let sender = text(frame, "senderPubkey");
                let sender = self.by_key.get(&sender).ok_or_else(|| format!("who is {sender}?"))?.clone();
                self.oracle.pushed(name, gated, &sender, frame)?;
            }
            // Refused hellos and answers that nobody waits for.
            _ => {}
        }
        Ok(())
    }

    fn any(&mut self, fits: impl Fn(&Mind) -> bool) -> Option<&'static str> {
        let names: Vec<_> = self.peers.iter().filter(|(_, mind)| fits(mind)).map(|(name, _)| *name).collect();
        if names.is_empty() { None } else { Some(names[self.pick(names.len())]) }
    }

    pub(crate) fn peer(&self, name: &str) -> Peer {
        let (member, session) = match name.split_once('.') {
            Some((member, session)) => (member, Some(session.to_owned())),
            None => (name, None),
        };
        Peer { name: member.to_owned(), session, number: self.peers[name].number }
    }

    pub(crate) fn pick(&mut self, bound: usize) -> usize {
        usize::try_from(self.rng.below(bound as u64)).unwrap_or(0)
    }

    pub(crate) fn note(&mut self, line: String) {
        self.diary.push(line);
    }
}
