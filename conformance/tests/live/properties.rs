//! What a live channel promises, one test for each promise, over random interleavings where there are any.
//!
//! The first two and the eighth are lived through in `life.rs` as well, together with everything else.

use std::collections::BTreeMap;

use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::Terms;
use peermesh_conformance::story::act::Peer;
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

use crate::watcher::{Knowledge, Published, holds};

/// Lives of each property.
const SEEDS: std::ops::Range<u64> = 0..40;

fn rng(seed: u64) -> Rng {
    let mut bytes = [7; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    Rng::from_seed(bytes)
}

fn town(topics: &str, limits: &[(&str, u64)]) -> Town {
    let mut terms = Terms { shards: 1, ..Terms::default() };
    let most = [("live_messages_per_minute_max", 1_000_000), ("send_window_bytes", 1_024)];
    terms.limits = most.iter().chain(limits).map(|(name, value)| ((*name).to_owned(), *value)).collect();
    terms.config = vec![
        ("live_secret".to_owned(), "the-secret-of-live-topics".to_owned()),
        ("live_topics".to_owned(), topics.to_owned()),
        ("log_level".to_owned(), "info".to_owned()),
    ];
    Town::new(&terms).unwrap()
}

fn peer(name: &str) -> Peer {
    Peer::parse(name).unwrap()
}

fn publish(town: &mut Town, wish: &Value) -> Value {
    town.ask_live("POST", "/publish", wish).unwrap()
}

/// What one watcher learns of topic `a`, with everything checked that may be.
fn learn(town: &mut Town, name: &str, known: &mut Knowledge) {
    for message in town.take(&peer(name)) {
        known.learn(&message).unwrap_or_else(|said| panic!("{name}: {}; {message}", said.0));
    }
    assert_eq!(town.broken(&peer(name)), None);
}

fn one(rng: &mut Rng, number: u64) -> (Value, Published) {
    let key = (rng.below(4) > 0).then(|| format!("e{}", rng.below(3)));
    let version = (key.is_some() && rng.below(2) > 0).then(|| rng.below(number + 4));
    let data = if key.is_some() && rng.below(6) == 0 { Value::Null } else { json!(number) };
    let mut wish = json!({ "topic": "a", "data": data });
    if let Some(key) = &key {
        wish["key"] = key.as_str().into();
    }
    if let Some(version) = version {
        wish["version"] = version.into();
    }
    (wish, Published { key, version, data })
}

#[test]
fn property_1_a_snapshot_and_what_follows_are_the_state_after_the_same_publications() {
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("b=conflate", &[]));
        let (mut published, mut known) = (BTreeMap::new(), BTreeMap::<u64, Knowledge>::new());
        for _ in 0..60 {
            match rng.below(5) {
                0 => {
                    let who = known.len() as u64;
                    let name = format!("w{who}");
                    town.watch(&peer(&name)).unwrap();
                    // Whether its wish or the next publication is first is for the broker to say.
                    town.send(&peer(&name), &json!({ "type": "subscribe", "topic": "a" }));
                    known.insert(who, Knowledge::default());
                }
                _ => {
                    let (wish, value) = one(&mut rng, published.len() as u64 + 1);
                    let offset = publish(&mut town, &wish)["offset"].as_u64().unwrap();
                    assert_eq!(published.insert(offset, value), None, "seed {seed}");
                }
            }
            if rng.below(3) == 0 {
                town.wait(1).unwrap();
            }
        }
        town.wait(100).unwrap();
        let wanted = holds(&published, false);
        for (who, known) in &mut known {
            learn(&mut town, &format!("w{who}"), known);
            assert_eq!(known.holds, wanted, "seed {seed}, watcher {who}");
        }
    }
}

#[test]
fn property_2_who_comes_back_in_time_sees_each_offset_once_and_who_does_not_is_told_and_shown_what_holds() {
    let mut came = (0, 0);
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("b=gap", &[("live_history_max", 8)]));
        let (mut published, mut known) = (BTreeMap::new(), Knowledge::default());
        for _ in 0..12 {
            town.watch(&peer("ann")).unwrap();
            let mut wish = json!({ "type": "subscribe", "topic": "a" });
            if !known.epoch.is_empty() {
                wish["recover"] = json!({ "epoch": known.epoch, "offset": known.offset });
            }
            town.send(&peer("ann"), &wish);
            for away in [false, true] {
                for _ in 0..rng.below(12) {
                    let (wish, value) = one(&mut rng, published.len() as u64 + 1);
                    let offset = publish(&mut town, &wish)["offset"].as_u64().unwrap();
                    published.insert(offset, value);
                }
                town.wait(20).unwrap();
                if !away {
                    learn(&mut town, "ann", &mut known);
                    assert_eq!(known.holds, holds(&published, false), "seed {seed}");
                    town.cut(&peer("ann"));
                }
            }
        }
        came = (came.0 + known.recovered, came.1 + known.missed);
    }
    assert!(came.0 > 50 && came.1 > 50, "{came:?}");
}

#[test]
fn property_3_a_publication_that_is_sent_again_after_a_kill_has_one_offset_and_one_answer() {
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("b=gap", &[]));
        let mut answers: BTreeMap<u64, Value> = BTreeMap::new();
        for round in 0..20 {
            let number = if rng.below(2) == 0 { round } else { rng.below(round + 1) };
            let wish = json!({ "topic": "a", "data": number, "idempotency_key": format!("k{number}") });
            if rng.below(3) == 0 {
                // Its answer is lost with the broker, before the commit or behind it.
                town.watch(&peer("ann")).unwrap();
                let mut message = wish.clone();
                message["type"] = "publish".into();
                town.send(&peer("ann"), &message);
                if rng.below(2) == 0 {
                    town.wait(1).unwrap();
                }
                town.restart(true).unwrap();
                town.cut(&peer("ann"));
            }
            let mut answer = publish(&mut town, &wish);
            answer["duplicate"].take();
            let first = answers.entry(number).or_insert_with(|| answer.clone());
            assert_eq!(*first, answer, "seed {seed}, {number}");
        }
        let offsets: Vec<u64> = answers.values().map(|answer| answer["offset"].as_u64().unwrap()).collect();
        let top = town.ask_live("GET", "/history?topic=a", &Value::Null).unwrap()["offset"].as_u64().unwrap();
        assert_eq!(offsets.len() as u64, top, "seed {seed}: nothing stands that nobody was told of");
    }
}

#[test]
fn property_6_after_the_word_that_rights_were_taken_back_nothing_reaches_their_user() {
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("a=conflate", &[]));
        let token = town.token("ann", r#"{"subscribe": ["*"]}"#).unwrap();
        let names = ["ann#1", "ann#2", "ann#3"];
        for name in names {
            if rng.below(2) == 0 {
                town.watch_with(&peer(name), &token).unwrap();
                let window_ms = 100 * rng.below(3);
                let wish = json!({ "type": "subscribe", "topic": "a", "window_ms": window_ms });
                town.send(&peer(name), &wish);
            } else {
                town.stream(&peer(name), "/events?topic=a", &token).unwrap();
            }
        }
        town.wait(20).unwrap();
        for name in names {
            town.take(&peer(name));
            if rng.below(2) == 0 {
                town.set_reading(&peer(name), false);
            }
        }
        for number in 0..rng.below(30) {
            let data = format!("{number}{}", "x".repeat(300));
            publish(&mut town, &json!({ "topic": "a", "key": format!("e{number}"), "data": data }));
        }
        let said = town.ask_live("POST", "/revoke", &json!({ "user": "ann" })).unwrap();
        assert_eq!(said, json!({ "closed": 3 }), "seed {seed}");
        let secret = "what comes behind the word";
        publish(&mut town, &json!({ "topic": "a", "data": secret }));
        for name in names {
            town.set_reading(&peer(name), true);
        }
        town.wait(500).unwrap();
        publish(&mut town, &json!({ "topic": "a", "data": secret }));
        town.wait(500).unwrap();
        for name in names {
            let seen = town.take(&peer(name));
            assert!(!seen.iter().any(|one| one.to_string().contains(secret)), "seed {seed}: {seen:?}");
            assert!(town.is_gone(&peer(name)), "seed {seed}, {name}");
        }
    }
}

#[test]
fn property_7_a_publication_is_written_once_for_each_form_however_many_watch() {
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("b=gap", &[]));
        let token = town.token("ann", r#"{"subscribe": ["*"]}"#).unwrap();
        let mut forms = std::collections::BTreeSet::new();
        for number in 0..30 {
            let name = peer(&format!("w{number}"));
            let window_ms = 100 * rng.below(3).saturating_sub(1);
            let is_stream = rng.below(2) == 0;
            if is_stream {
                town.stream(&name, &format!("/events?topic=a&window_ms={window_ms}"), &token).unwrap();
            } else {
                town.watch_with(&name, &token).unwrap();
                let wish = json!({ "type": "subscribe", "topic": "a", "window_ms": window_ms });
                town.send(&name, &wish);
            }
            forms.insert((is_stream, window_ms));
        }
        town.wait(20).unwrap();
        publish(&mut town, &json!({ "topic": "a", "data": 1 }));
        publish(&mut town, &json!({ "topic": "a", "data": 2 }));
        town.wait(1_500).unwrap();
        let alone = forms.iter().filter(|(_, window_ms)| *window_ms == 0).count() as u64;
        let together = forms.len() as u64 - alone;
        let encodes = town.metric("peermesh_live_encodes_total").unwrap();
        assert_eq!(encodes, Some(2 * alone + together), "seed {seed}: {forms:?}");
    }
}

#[test]
fn property_8_a_restart_keeps_the_name_of_positions_where_the_journal_survived_and_changes_it_where_not() {
    for seed in SEEDS {
        let (mut rng, mut town) = (rng(seed), town("gone=disconnect:volatile", &[]));
        let mut places: BTreeMap<&str, Value> = BTreeMap::new();
        for _ in 0..12 {
            if rng.below(3) == 0 {
                let crash = rng.below(2) == 0;
                town.restart(crash).unwrap();
                // What lived in memory only begins again under another name.
                let gone = publish(&mut town, &json!({ "topic": "gone", "data": 0 }));
                assert_eq!(gone["offset"], 1, "seed {seed}");
                assert_ne!(places.insert("gone", gone["epoch"].clone()), Some(gone["epoch"].clone()));
            }
            let topic = ["kept", "gone"][usize::try_from(rng.below(2)).unwrap()];
            let answer = publish(&mut town, &json!({ "topic": topic, "data": 1 }));
            let epoch = places.entry(topic).or_insert_with(|| answer["epoch"].clone());
            assert_eq!(*epoch, answer["epoch"], "seed {seed}, {topic}");
        }
    }
}
