//! Rows of the feed under everything at once: the store refuses, forgets and delays, clocks jump, the broker
//! crashes, and publishers use what keys they like. Each row is published once and in its order (live
//! protocol, section 5.3).

use std::collections::BTreeMap;

use peermesh_conformance::driver::Fed;
use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::act::{Ill, Mood, Sharing};
use peermesh_conformance::story::{Said, Terms, Told};
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

const LIVES: u64 = 60;
const DEEDS: usize = 120;
const TOPICS: [&str; 2] = ["fleet", "chat"];
const MONTH_MS: u64 = 30 * 24 * 3_600_000;

#[test]
fn f_top_01_every_row_of_the_feed_is_published_once_and_in_its_order_whatever_happens() {
    let mut resyncs = 0;
    for seed in 1..=LIVES {
        let mut life = Life::new(seed);
        if let Err(Said(said)) = life.live() {
            panic!("\n\nseed {seed}: {said}\n{}", life.town.last_notes(30));
        }
        resyncs += usize::from(life.refused > 0) + usize::from(life.jumped > 0);
    }
    assert!(resyncs > 60, "few lives had trouble: {resyncs}");
}

struct Life {
    town: Town,
    rng: Rng,
    /// Numbers of the rows that can be published, in order.
    written: BTreeMap<&'static str, Vec<u64>>,
    made: u64,
    refused: u32,
    jumped: u32,
}

impl Life {
    fn new(seed: u64) -> Life {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        let limits = [
            ("live_unstored_max", 8),
            ("live_batch_max", 8),
            ("live_name_bytes_max", 16),
            ("live_history_max", 10_000),
            ("live_history_ms", MONTH_MS),
            ("health_ms", 100),
            ("batch_ops_max", 5),
        ];
        let config = [("live_secret", "the-secret-of-live-topics"), ("live_feed", "on")];
        let terms = Terms {
            limits: limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            config: config.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
            errors: vec!["db ping failed".to_owned()],
            shards: 1 + u16::try_from(seed % 3).unwrap_or(0),
            ..Terms::default()
        };
        Life {
            town: Town::new(&terms).expect("the terms are a configuration"),
            rng: Rng::from_seed(bytes),
            written: BTreeMap::new(),
            made: 0,
            refused: 0,
            jumped: 0,
        }
    }

    fn live(&mut self) -> Told<()> {
        self.town.share(&Sharing::Says { lease_ms: Some(60_000), durability: None })?;
        for _ in 0..DEEDS {
            self.deed()?;
        }
        self.town.set_mood(Mood::default());
        self.town.wait(3_000)?;
        for topic in TOPICS {
            // Whoever asks needs the topic, and so gets it into memory.
            self.town.ask_live("GET", &format!("/history?topic={topic}"), &Value::Null)?;
        }
        self.town.wait(5_000)?;
        for topic in TOPICS {
            let target = format!("/history?topic={topic}&limit=10000");
            let kept = self.town.ask_live("GET", &target, &Value::Null)?;
            let kept = kept["publications"].as_array().ok_or("no publications")?;
            let seen: Vec<u64> = kept.iter().filter_map(|one| one["data"].as_u64()).collect();
            let wanted = self.written.remove(topic).unwrap_or_default();
            if seen != wanted {
                return Err(format!("{topic} has\n{seen:?}, written were\n{wanted:?}").into());
            }
        }
        Ok(())
    }

    fn deed(&mut self) -> Told<()> {
        match self.rng.below(14) {
            0..=3 => self.write()?,
            4 => {
                let ill = [Ill::Unavailable, Ill::Full, Ill::ForgetsReplies, Ill::LosesCommits];
                let ill = ill[self.below(ill.len())];
                self.town.set_mood(Mood { ill: Some(ill), delay_ms: 0 });
            }
            5 => self.town.set_mood(Mood { ill: None, delay_ms: self.rng.below(400) }),
            6 | 7 => {
                self.refused += 1;
                self.town.set_mood(Mood { ill: Some(Ill::RefusesOne), delay_ms: self.rng.below(300) });
            }
            8 => self.town.set_mood(Mood::default()),
            9 => {
                self.jumped += 1;
                self.town.jump(10_000)?;
            }
            10 if self.rng.below(4) == 0 => self.town.restart(true)?,
            11 => {
                // The very keys that rows might be thought to have. It may well be refused.
                let key = format!("feed:{}", self.rng.below(self.made + 5));
                let body = json!({ "topic": self.topic(), "data": "no number", "idempotency_key": key });
                let _ = self.town.ask_live("POST", "/publish", &body);
            }
            _ => {
                let millis = self.rng.below(500);
                self.town.wait(millis)?;
            }
        }
        Ok(())
    }

    /// Some rows of which no publication can be made are among them.
    fn write(&mut self) -> Told<()> {
        for _ in 0..=self.rng.below(12) {
            self.made += 1;
            let (topic, is_odd) = (self.topic(), self.rng.below(8) == 0);
            let key = is_odd.then(|| "a name of more than sixteen bytes".to_owned());
            self.town.feed(Fed { topic: topic.to_owned(), key, version: None, data: self.made.into() })?;
            if !is_odd {
                self.written.entry(topic).or_default().push(self.made);
            }
        }
        Ok(())
    }

    fn topic(&mut self) -> &'static str {
        TOPICS[self.below(TOPICS.len())]
    }

    fn below(&mut self, count: usize) -> usize {
        usize::try_from(self.rng.below(count as u64)).unwrap_or(0)
    }
}
