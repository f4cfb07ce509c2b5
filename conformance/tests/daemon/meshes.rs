//! Meshes that are joined and left while the daemon runs.

use std::collections::BTreeSet;

use peermesh_conformance::keys;
use peermesh_core::config::{DaemonLimits, Secret};
use peermesh_core::daemon::{Joined, Membership};
use peermesh_core::machine::Envelope;
use serde_json::{Value, json};

use crate::host::{Town, token_of};
use crate::world::Place;

/// A host of ann in `demo`, and bob in both meshes.
fn two_meshes() -> (Town, Place, Place, [Membership; 2]) {
    let mut town = Town::new();
    town.founds("other");
    let ann = ["demo", "other"].map(|mesh| town.membership(mesh, "ann"));
    let bob = ["demo", "other"].map(|mesh| town.membership(mesh, "bob"));
    let bounds = DaemonLimits::default();
    let ann_place = town.starts("ann", vec![ann[0].clone()], &bounds, &[]);
    let bob_place = town.starts("bob", bob.into(), &bounds, &[]);
    town.awaits_open(ann_place);
    town.awaits_open_in(bob_place, "other");
    (town, ann_place, bob_place, ann)
}

fn belongs(town: &mut Town, daemon: Place, meshes: &[&Membership]) {
    let meshes = meshes.iter().map(|mesh| (*mesh).clone()).collect();
    town.world.inform(daemon, Envelope::new(Joined(meshes)));
    town.world.wait(5_000);
}

fn send_in(town: &mut Town, daemon: Place, mesh: &str, to: &str, key: &str) -> u16 {
    let body = json!({ "to": keys::public(to), "message": key, "client_message_id": key, "mesh": mesh });
    town.post(daemon, "/v1/send", &body).status
}

fn count(town: &Town, msg: &str) -> usize {
    town.world.notes.iter().filter(|note| note.msg == msg).count()
}

#[test]
fn peers_and_mail_are_those_of_the_mesh_that_is_asked_for() {
    let (mut town, ann, bob, _) = two_meshes();
    let own = json!({
        "token": token_of("one"), "session_id": "one", "mesh": "demo", "display_name": "one", "pid": 70,
    });
    assert_eq!(town.post(bob, "/v1/sessions/register", &own).status, 200);
    for (mesh, key) in [("demo", "k1"), ("other", "k2")] {
        let from = if mesh == "demo" { ann } else { bob };
        send_in(&mut town, from, mesh, "bob", key);
        town.world.wait(1_000);
    }
    let mut meshes = |target: &str, list: &str, session: Option<&str>| {
        let got = match session {
            None => town.get(bob, target),
            Some(session) => town.asks_as(bob, session, "GET", target, None),
        };
        let rows = got.body[list].as_array().unwrap().clone();
        let named = rows.iter().map(|row| row["mesh"].as_str().unwrap().to_owned());
        named.collect::<BTreeSet<String>>().into_iter().collect::<Vec<_>>().join(" ")
    };
    assert_eq!(meshes("/v1/peers?all=true", "peers", None), "demo other");
    assert_eq!(meshes("/v1/peers?all=true&mesh=other", "peers", None), "other");
    assert_eq!(meshes("/v1/peers?all=true", "peers", Some("one")), "demo");
    assert_eq!(meshes("/v1/inbox?mark_seen=false", "items", Some("one")), "demo");
    assert_eq!(meshes("/v1/inbox?mark_seen=false&mesh=demo", "items", None), "demo");
}

#[test]
fn a_mesh_that_is_joined_while_the_daemon_runs_is_taken_up_and_others_notice_nothing() {
    let (mut town, ann, bob, [demo, other]) = two_meshes();
    let stream = town.listens(ann, None);
    assert_eq!(send_in(&mut town, ann, "other", "bob", "k0"), 404, "it was not joined yet");
    let opened = count(&town, "broker_open");
    belongs(&mut town, ann, &[&demo, &other]);
    assert_eq!(count(&town, "broker_open"), opened + 1, "the socket of the first mesh stays");
    let health = town.get(ann, "/v1/health").body;
    assert_eq!(health["brokers"], json!({ "demo": "open", "other": "open" }));
    assert_eq!(send_in(&mut town, ann, "other", "bob", "k1"), 202);
    assert_eq!(town.send(ann, "bob", "x", "k2").body["error"], "mesh_required", "there is a choice by now");
    town.world.wait(1_000);
    assert_eq!(town.texts(bob, None), ["k1"]);
    assert_eq!(town.inbox(bob, None)[0]["mesh"], "other");
    let told = |(kind, about): &(String, Value)| kind == "broker_status" && about["mesh"] == "other";
    assert!(town.events(stream).iter().any(told));
    // Told the same once more, it does nothing.
    belongs(&mut town, ann, &[&demo, &other]);
    assert_eq!(count(&town, "broker_open"), opened + 1);
}

#[test]
fn a_mesh_that_is_left_gives_up_what_waits_and_ends_its_sessions_and_can_be_joined_again() {
    let (mut town, ann, bob, [demo, other]) = two_meshes();
    belongs(&mut town, ann, &[&demo, &other]);
    town.registers(ann, "one", "ann-one");
    let stream = town.listens(ann, Some("one"));
    let broker = town.broker;
    town.world.deafen(broker, true);
    assert_eq!(send_in(&mut town, ann, "demo", "bob", "k1"), 202);
    assert_eq!(send_in(&mut town, ann, "other", "bob", "k2"), 202);
    assert_eq!(town.status(ann, "k1"), "inflight");
    belongs(&mut town, ann, &[&other]);
    town.world.deafen(broker, false);
    town.world.wait(60_000);
    let row = town.row(ann, "k1");
    assert_eq!((&row["status"], &row["last_error"]), (&json!("dead"), &json!("no_broker_for_mesh:demo")));
    assert_eq!(town.status(ann, "k2"), "done");
    assert_eq!(town.get(ann, "/v1/health").body["brokers"], json!({ "other": "open" }));
    assert_eq!(send_in(&mut town, ann, "demo", "bob", "k3"), 404);
    assert_eq!(town.asks_as(ann, "one", "GET", "/v1/inbox", None).status, 401, "its sessions have ended");
    assert!(town.world.read(stream).1, "and so have their streams");
    assert_eq!(town.registers(ann, "one", "ann-one").status, 404);

    belongs(&mut town, ann, &[&other, &demo]);
    assert_eq!(send_in(&mut town, ann, "demo", "bob", "k4"), 202);
    assert_eq!(town.registers(ann, "one", "ann-one").status, 200);
    town.world.wait(60_000);
    assert_eq!(town.status(ann, "k4"), "done");
    assert!(town.texts(bob, None).contains(&"k4".to_owned()));
    // What came before stays readable, and no session of before comes back with a restart.
    town.world.kill(ann);
    town.world.start(ann);
    town.world.wait(5_000);
    assert_eq!(town.get(ann, "/v1/sessions").body["sessions"].as_array().unwrap().len(), 1);
}

#[test]
fn f_dmn_02_a_row_that_was_being_marked_when_its_mesh_was_left_and_joined_again_is_sent_once() {
    let (mut town, ann, bob, [demo, _]) = two_meshes();
    town.world.slow_down(ann, 400);
    let body = json!({ "to": keys::public("bob"), "message": "k1", "client_message_id": "k1" });
    let listener = peermesh_core::machine::Listener::Local;
    let asked = town.begins(ann, listener, "POST", "/v1/send", &[], Some(&body));
    // The row is on disk after one write; its mark takes the next.
    town.world.wait(500);
    town.world.inform(ann, Envelope::new(Joined(Vec::new())));
    town.world.inform(ann, Envelope::new(Joined(vec![demo])));
    town.world.wait(120_000);
    assert!(matches!(town.ends(asked).status, 202 | 504));
    let row = town.row(ann, "k1");
    let texts = town.texts(bob, None);
    match row["status"].as_str().unwrap() {
        "done" => assert_eq!(texts, ["k1"]),
        // Leaving gave it up, and says so.
        "dead" => assert_eq!((row["last_error"].as_str(), texts.len()), (Some("no_broker_for_mesh:demo"), 0)),
        status => panic!("{status}: {row}"),
    }
}

#[test]
fn what_one_member_queued_is_never_sent_by_another_one_that_gets_the_name_of_its_mesh() {
    let (mut town, ann, bob, [_, other]) = two_meshes();
    let broker = town.broker;
    town.world.kill(broker);
    let body = json!({ "to": "*", "message": "of ann", "client_message_id": "k1" });
    assert_eq!(town.post(ann, "/v1/send", &body).status, 202);
    // The same name for somebody else, and for the same key in another mesh.
    let cid = town.stranger("demo", "cid");
    belongs(&mut town, ann, &[&cid]);
    let row = town.row(ann, "k1");
    assert_eq!((&row["status"], &row["last_error"]), (&json!("dead"), &json!("no_broker_for_mesh:demo")));
    let body = json!({ "to": "*", "message": "of cid", "client_message_id": "k2" });
    assert_eq!(town.post(ann, "/v1/send", &body).status, 202);
    belongs(&mut town, ann, &[&Membership { slug: "demo".to_owned(), ..other }]);
    assert_eq!(town.status(ann, "k2"), "dead");
    town.world.start(broker);
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), Vec::<String>::new());
    let body = json!({ "to": "*", "message": "of ann in other", "client_message_id": "k3" });
    assert_eq!(town.post(ann, "/v1/send", &body).status, 202);
    town.world.wait(2_000);
    assert_eq!(town.texts(bob, None), ["of ann in other"]);
    assert_eq!(town.inbox(bob, None)[0]["mesh"], "other");
}

#[test]
fn a_member_with_another_key_greets_anew_and_its_sessions_outlive_that_and_the_daemon() {
    let (mut town, ann, bob, [mut demo, _]) = two_meshes();
    town.registers(ann, "one", "ann-one");
    let before = count(&town, "broker_open");
    demo.name = "ann of another name".to_owned();
    belongs(&mut town, ann, &[&demo]);
    assert_eq!(count(&town, "broker_open"), before + 2, "member and session greet anew");
    let body = json!({ "to": keys::public("bob"), "message": "hello", "client_message_id": "a1" });
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
    town.world.wait(1_000);
    let got = town.inbox(bob, None);
    assert_eq!((&got[0]["sender_pubkey"], got.len()), (&json!(keys::public("one")), 1));

    let former = Secret::new(keys::pair("ann").to_scalar_bytes());
    let changed = Membership { former: vec![former], ..town.membership("demo", "ann2") };
    belongs(&mut town, ann, &[&changed]);
    let me = |town: &mut Town| town.asks_as(ann, "one", "GET", "/v1/sessions/me", None).body;
    // What the store holds of the session is sealed with the later key alone.
    let alone = Membership { former: Vec::new(), ..changed.clone() };
    town.remakes(ann, "ann", vec![alone]);
    assert_eq!(me(&mut town)["session"]["presence"]["sessionPubkey"], keys::public("one"));

    // And the same where the key was replaced while no daemon ran.
    let later = Secret::new(keys::pair("ann2").to_scalar_bytes());
    let last = Membership { former: vec![later], ..town.membership("demo", "ann3") };
    town.remakes(ann, "ann", vec![last.clone()]);
    town.remakes(ann, "ann", vec![Membership { former: Vec::new(), ..last }]);
    assert_eq!(me(&mut town)["session"]["presence"]["sessionPubkey"], keys::public("one"));
}
