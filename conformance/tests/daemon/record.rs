//! What a daemon remembers of what is over, and what it forgets.

use peermesh_conformance::keys;
use peermesh_core::config::DaemonLimits;
use serde_json::json;

use crate::host::Town;
use crate::world::Place;

const HOUR_MS: u64 = 3_600_000;
/// Of a daemon that remembers what is over for as short a time as may be.
const SHORT: [(&str, u64); 3] =
    [("outbox_retention_ms", 96 * HOUR_MS), ("outbox_age_ms", HOUR_MS), ("outbox_sweep_ms", HOUR_MS)];

/// A host whose daemon keeps to these bounds, and gets through.
fn bounded(town: &mut Town, name: &str, bounds: &[(&str, u64)]) -> Place {
    let mut limits = DaemonLimits::default();
    for (limit, value) in bounds {
        limits.set(limit, *value).unwrap();
    }
    let place = town.hosts_with(name, &limits, &[]);
    town.awaits_open(place);
    place
}

fn rows(town: &mut Town, place: Place) -> Vec<(String, String)> {
    let page = town.get(place, "/v1/outbox?limit=500").body;
    let text = |row: &serde_json::Value, name: &str| row[name].as_str().unwrap().to_owned();
    let rows = page["items"].as_array().unwrap().iter().rev();
    rows.map(|row| (text(row, "client_message_id"), text(row, "status"))).collect()
}

fn pairs<const N: usize>(all: [(&str, &str); N]) -> Vec<(String, String)> {
    all.map(|(key, status)| (key.to_owned(), status.to_owned())).to_vec()
}

#[test]
fn f_dmn_08_a_key_is_known_for_twice_the_time_that_its_message_may_be_tried_and_then_its_row_is_gone() {
    // Keys are known to the broker for three days, so that a message may be tried for two of them.
    let mut town = Town::with(&[("dedupe_retention_ms", 3 * 24 * HOUR_MS)]);
    let (ann, bob) = (bounded(&mut town, "ann", &SHORT), town.hosts("bob"));
    town.send(ann, "bob", "soup?", "k1");
    town.world.wait(95 * HOUR_MS);
    let again = town.send(ann, "bob", "soup?", "k1");
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)), "{again:?}");
    town.world.wait(3 * HOUR_MS);
    assert_eq!(rows(&mut town, ann), [], "its row is gone");
    assert!(town.world.notes.iter().any(|note| note.msg == "outbox_prune_completed"));
    // Its recipient has it still.
    assert_eq!(town.send(ann, "bob", "soup?", "k1").status, 202);
    town.world.wait(10_000);
    assert_eq!(town.status(ann, "k1"), "done");
    assert_eq!(town.texts(bob, None), ["soup?"]);
}

#[test]
fn f_dmn_07_a_key_that_an_operator_put_aside_is_used_for_ever() {
    let mut town = Town::with(&[("dedupe_retention_ms", 3 * 24 * HOUR_MS)]);
    let (ann, bob) = (bounded(&mut town, "ann", &SHORT), town.hosts("bob"));
    let nobody = keys::public("nobody");
    assert_eq!(town.send(ann, &nobody, "hello?", "dead").status, 202);
    town.world.wait(1_000);
    assert_eq!(town.status(ann, "dead"), "dead");
    let id = town.row(ann, "dead")["id"].clone();
    let wish = json!({ "id": id, "new_client_message_id": "dead again" });
    assert_eq!(town.post(ann, "/v1/outbox/requeue", &wish).status, 200);
    town.send(ann, "bob", "soup?", "old");
    town.world.wait(90 * HOUR_MS);
    town.send(ann, "bob", "cake?", "young");
    town.world.wait(10_000);
    let before = pairs([("dead", "aborted"), ("dead again", "dead"), ("old", "done"), ("young", "done")]);
    assert_eq!(rows(&mut town, ann), before);
    town.world.wait(8 * HOUR_MS);
    assert_eq!(rows(&mut town, ann), pairs([("dead", "aborted"), ("young", "done")]));
    assert_eq!(town.send(ann, &nobody, "hello?", "dead").status, 409);
    assert_eq!(town.texts(bob, None), ["soup?", "cake?"]);
}

#[test]
fn f_dmn_08_an_inbox_forgets_what_came_long_ago() {
    let mut town = Town::new();
    let short = [("inbox_retention_ms", 24 * HOUR_MS)];
    let (ann, bob) = (town.hosts("ann"), bounded(&mut town, "bob", &short));
    town.send(ann, "bob", "old", "k1");
    town.world.wait(20 * HOUR_MS);
    town.send(ann, "bob", "young", "k2");
    town.world.wait(3 * HOUR_MS);
    assert_eq!(town.texts(bob, None), ["old", "young"]);
    town.world.wait(3 * HOUR_MS);
    assert_eq!(town.texts(bob, None), ["young"]);
}
