//! Stores that fill: what programs hear, what is refused, and what comes back.

use peermesh_core::config::DaemonLimits;
use peermesh_core::store::StoreError;
use serde_json::{Value, json};

use crate::host::Town;
use crate::world::Place;

fn bounded(town: &mut Town, name: &str, limit: &str, value: u64) -> Place {
    let mut bounds = DaemonLimits::default();
    bounds.set(limit, value).unwrap();
    let place = town.hosts_with(name, &bounds, &[]);
    town.awaits_open(place);
    place
}

/// What a stream told of room since the last look: kind and cause.
fn told(town: &mut Town, stream: usize) -> Vec<(String, Value)> {
    let all = town.events(stream).into_iter().filter(|(kind, _)| kind.contains("pressure"));
    all.map(|(kind, about)| (kind, about["cause"].clone())).collect()
}

#[test]
fn f_dmn_08_an_inbox_that_is_full_leaves_messages_to_the_broker_until_there_is_room() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), bounded(&mut town, "bob", "inbox_bytes_max", 4_096));
    let stream = town.listens(bob, None);
    let text = |at: usize| format!("{at}{}", "x".repeat(999));
    for at in 0..7 {
        town.send(ann, "bob", &text(at), &format!("k{at}"));
        town.world.wait(500);
    }
    let kept = town.texts(bob, None).len();
    assert!((3..=5).contains(&kept), "{kept}");
    let kinds: Vec<String> = told(&mut town, stream).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["inbox_pressure_high", "inbox_pressure_full"]);
    assert_eq!(town.get(bob, "/v1/health").body["inbox"]["level"], "full");
    // The broker sends again and again what nobody acknowledged, and none of it is lost or doubled.
    town.world.wait(300_000);
    assert_eq!(town.texts(bob, None).len(), kept);
    let mut seen = Vec::new();
    while seen.len() < 7 {
        let items = town.inbox(bob, None);
        assert!(!items.is_empty(), "only {} came", seen.len());
        for item in items {
            seen.push(item["body"].as_str().unwrap().to_owned());
            let target = format!("/v1/inbox/{}", item["id"].as_str().unwrap());
            assert_eq!(town.asks(bob, "DELETE", &target, &[], None).status, 200);
        }
        town.world.wait(120_000);
    }
    assert_eq!(seen, (0..7).map(text).collect::<Vec<_>>());
    assert!(told(&mut town, stream).iter().any(|(kind, _)| kind == "inbox_pressure_normal"));
    assert_eq!(town.get(bob, "/v1/health").body["inbox"]["level"], "normal");
}

#[test]
fn f_dmn_08_what_a_full_inbox_has_already_comes_no_second_time() {
    let mut town = Town::new();
    let mut bounds = DaemonLimits::default();
    bounds.set("inbox_bytes_max", 1_024).unwrap();
    let own = town.membership("demo", "bob");
    let (ann, bob) = (town.hosts("ann"), town.starts("bob", vec![own.clone()], &bounds, &[]));
    town.awaits_open(bob);
    // The message is kept; the word that it was is lost with the broker.
    town.send(ann, "bob", &"x".repeat(1_000), "k1");
    let broker = town.broker;
    town.world.until(1_000, |world| world.notes.iter().any(|note| note.msg == "storage_pressure"));
    town.world.kill(broker);
    town.world.start(broker);
    town.world.wait(300_000);
    assert_eq!(town.texts(bob, None).len(), 1);
    assert_eq!(town.get(bob, "/v1/health").body["inbox"]["level"], "full");
    assert_eq!(town.get(bob, "/v1/health").body["brokers"]["demo"], "closed");
    // Its broker may still believe that it was not kept. Once it is read and gone, it does not come back.
    town.send(ann, "bob", "small", "k2");
    town.asks(bob, "DELETE", "/v1/inbox?before=2000-01-01T00:00:00Z", &[], None);
    town.world.wait(60_000);
    assert_eq!(town.texts(bob, None).len(), 1, "there is no room yet");
    town.remakes(bob, "bob", vec![own]);
    town.world.wait(300_000);
    assert_eq!(town.texts(bob, None), ["x".repeat(1_000), "small".to_owned()]);
}

#[test]
fn f_dmn_08_a_disk_that_is_full_for_a_day_costs_no_message_and_no_order() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let errors = [StoreError::Full, StoreError::Unavailable("it does not answer".into())];
    for (first, error) in [0, 5].into_iter().zip(errors) {
        town.world.ail(bob, Some(error));
        for at in first..first + 5 {
            town.send(ann, "bob", &at.to_string(), &format!("k{at}"));
            town.world.wait(3_600_000);
        }
        town.world.ail(bob, None);
        town.world.wait(300_000);
    }
    assert_eq!(town.texts(bob, None), (0..10).map(|at| at.to_string()).collect::<Vec<_>>());
}

#[test]
fn f_dmn_08_an_outbox_tells_before_it_refuses_and_when_it_takes_again() {
    let mut town = Town::new();
    let ann = bounded(&mut town, "ann", "outbox_rows_max", 20);
    let stream = town.listens(ann, None);
    let broker = town.broker;
    town.world.kill(broker);
    let sent: Vec<u16> = (0..21).map(|at| town.send(ann, "*", "x", &format!("k{at}")).status).collect();
    assert_eq!(sent.iter().filter(|status| **status == 202).count(), 19, "a twentieth is in reserve");
    let refused = town.send(ann, "*", "x", "k20");
    assert_eq!((refused.status, &refused.body["error"]), (507, &json!("insufficient_storage")));
    let bounds = json!("bounds");
    let wanted = [("outbox_pressure_high", &bounds), ("outbox_pressure_full", &bounds)];
    let heard = told(&mut town, stream);
    assert_eq!(heard.iter().map(|(kind, cause)| (kind.as_str(), cause)).collect::<Vec<_>>(), wanted);
    town.world.start(broker);
    town.world.wait(120_000);
    let last = told(&mut town, stream).pop().unwrap();
    assert_eq!(last, ("outbox_pressure_normal".to_owned(), Value::Null));
    assert_eq!(town.send(ann, "*", "x", "k20").status, 202);
}

#[test]
fn f_dmn_08_a_full_disk_is_told_and_its_end_too() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let stream = town.listens(bob, None);
    town.world.ail(bob, Some(StoreError::Full));
    assert_eq!(town.send(bob, "*", "hello", "b1").status, 507);
    town.send(ann, "bob", "soup?", "k1");
    town.world.wait(1_000);
    let disk = json!("disk");
    let heard = told(&mut town, stream);
    for kind in ["outbox_pressure_full", "inbox_pressure_full"] {
        assert!(heard.contains(&(kind.to_owned(), disk.clone())), "{kind}: {heard:?}");
    }
    town.world.ail(bob, None);
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["soup?"]);
    assert_eq!(town.send(bob, "*", "hello", "b1").status, 202);
    town.world.wait(100);
    let health = town.get(bob, "/v1/health").body;
    assert_eq!((&health["inbox"]["level"], &health["outbox"]["level"]), (&json!("normal"), &json!("normal")));
}
