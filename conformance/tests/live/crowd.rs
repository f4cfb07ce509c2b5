//! Many watchers of one topic: what a publication costs, and what one that is stalled for ever does to
//! others.

use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::Terms;
use peermesh_conformance::story::act::Peer;
use serde_json::{Value, json};

/// Watchers of one topic.
const CROWD: usize = 1_000;

fn town(topics: &str, limits: &[(&str, u64)]) -> Town {
    let mut terms = Terms { shards: 1, ..Terms::default() };
    let most = [("live_messages_per_minute_max", 1_000_000), ("unauthenticated_per_address_max", 10_000)];
    terms.limits = most.iter().chain(limits).map(|(name, value)| ((*name).to_owned(), *value)).collect();
    terms.config = vec![
        ("live_secret".to_owned(), "the-secret-of-live-topics".to_owned()),
        ("live_topics".to_owned(), topics.to_owned()),
        ("log_level".to_owned(), "info".to_owned()),
    ];
    Town::new(&terms).unwrap()
}

fn peer(number: usize) -> Peer {
    Peer::parse(&format!("w{number}")).unwrap()
}

fn positions(town: &mut Town, number: usize) -> Vec<Value> {
    let mut seen = town.take(&peer(number));
    seen.retain(|message| message["type"] == "position");
    seen
}

fn subscribe(town: &mut Town, number: usize) {
    town.watch(&peer(number)).unwrap();
    town.send(&peer(number), &json!({ "type": "subscribe", "topic": "a" }));
}

fn publish(town: &mut Town, key: &str, data: &Value) {
    town.send(&peer(0), &json!({ "type": "publish", "topic": "a", "key": key, "data": data }));
}

/// Encodes for one publication = distinct forms, not watchers; and a stalled watcher costs its bounded queue.
#[test]
fn f_net_03_property_4_one_watcher_stalled_for_ever_among_a_thousand_changes_nothing_for_the_others() {
    let mut town = town("a=disconnect", &[("live_queue_frames_max", 64), ("send_window_bytes", 1_024)]);
    town.watch(&peer(0)).unwrap();
    (1..=CROWD).for_each(|number| subscribe(&mut town, number));
    town.wait(10).unwrap();
    town.set_reading(&peer(1), false);
    let mut most = 0;
    for round in 0..100 {
        publish(&mut town, "k", &format!("{round}{}", "x".repeat(100)).into());
        town.wait(100).unwrap();
        most = most.max(town.metric("peermesh_live_queue_bytes").unwrap().unwrap());
        for number in [2, CROWD / 2, CROWD] {
            let seen = positions(&mut town, number);
            assert_eq!(seen.len(), 1, "{number} waits for nobody");
            assert_eq!(seen[0]["offset"], round + 1);
        }
    }
    assert_eq!(town.metric("peermesh_live_encodes_total").unwrap(), Some(100));
    assert!(most > 0 && most < 64 * 300, "{most} bytes wait for one watcher");
    town.set_reading(&peer(1), true);
    town.wait(100).unwrap();
    let (code, reason) = town.close_of(&peer(1)).expect("the stalled one is told");
    assert!(code == 4008 && reason.contains("\"offset\":"), "{code} {reason}");
    (3..CROWD).step_by(97).for_each(|number| {
        let seen = positions(&mut town, number);
        assert!(seen.iter().map(|one| one["offset"].as_u64().unwrap()).eq(1..=100), "{number}");
    });
}

#[test]
fn property_5_ten_thousand_updates_of_a_hundred_entities_leave_a_slow_watcher_the_newest_of_each() {
    let mut town = town("a=conflate", &[("send_window_bytes", 1_024)]);
    town.watch(&peer(0)).unwrap();
    subscribe(&mut town, 1);
    town.wait(10).unwrap();
    town.set_reading(&peer(1), false);
    for update in 0..10_000 {
        publish(&mut town, &format!("e{}", update % 100), &update.into());
        if update % 50 == 49 {
            town.wait(1).unwrap();
        }
    }
    town.wait(100).unwrap();
    assert!(town.metric("peermesh_live_queue_bytes").unwrap().unwrap() < 100 * 200);
    town.set_reading(&peer(1), true);
    town.wait(100).unwrap();
    let mut newest = std::collections::BTreeMap::new();
    for one in positions(&mut town, 1) {
        let (key, data) = (one["key"].as_str().unwrap().to_owned(), one["data"].as_u64().unwrap());
        let before = newest.insert(key, data);
        assert!(before.is_none_or(|before| before < data), "of one entity later values come later");
    }
    assert_eq!(newest.len(), 100);
    assert!(newest.values().all(|data| *data >= 9_900), "{newest:?}");
}

/// So that not all of them knock at the next broker at once.
#[test]
fn many_watchers_are_told_one_part_after_the_other_that_the_broker_stops() {
    let mut town = town("a=disconnect", &[("live_drain_ms", 5_000), ("live_retry_ms", 10_000)]);
    for number in 1..=CROWD {
        town.watch(&peer(number)).unwrap();
    }
    town.wait(10).unwrap();
    town.drain();
    let mut told = Vec::new();
    for _ in 0..25 {
        town.wait(100).unwrap();
        told.push((1..=CROWD).filter(|number| town.close_of(&peer(*number)).is_some()).count());
    }
    assert!(told[0] < CROWD / 2 && told.windows(2).all(|two| two[0] <= two[1]), "{told:?}");
    assert_eq!(told.last(), Some(&CROWD), "in the first half of their time: {told:?}");
    let waits: std::collections::BTreeSet<u64> =
        (1..=CROWD).filter_map(|number| town.take(&peer(number)).pop()?["retry_after_ms"].as_u64()).collect();
    assert!(waits.len() > CROWD / 2 && waits.iter().all(|wait| (5_000..=10_000).contains(wait)));
    assert_eq!(town.close_of(&peer(7)), Some((1001, "server shutting down".to_owned())));
}

#[test]
fn what_waits_for_all_watchers_together_is_bounded_and_the_slowest_goes_first() {
    let limits = [("live_queued_bytes_max", 8_192), ("send_window_bytes", 1_024)];
    let mut town = town("a=disconnect", &limits);
    town.watch(&peer(0)).unwrap();
    (1..=3).for_each(|number| subscribe(&mut town, number));
    town.wait(10).unwrap();
    town.set_reading(&peer(2), false);
    for round in 0..30 {
        if round == 10 {
            town.set_reading(&peer(3), false);
        }
        publish(&mut town, "k", &format!("{round}{}", "x".repeat(400)).into());
        town.wait(1).unwrap();
    }
    town.wait(100).unwrap();
    assert!(town.metric("peermesh_live_queue_bytes").unwrap().unwrap() <= 8_192);
    assert!(town.metric("peermesh_live_slow_total{reason=\"ceiling\"}").unwrap() >= Some(1));
    town.set_reading(&peer(2), true);
    town.wait(100).unwrap();
    assert_eq!(town.close_of(&peer(2)).map(|(code, _)| code), Some(4008));
    assert_eq!(positions(&mut town, 1).len(), 30);
}
