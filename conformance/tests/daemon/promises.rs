//! What the first daemon of this contract got wrong, each shown to be otherwise.

use peermesh_conformance::keys;
use peermesh_core::config::{DaemonLimits, Secret};
use peermesh_core::daemon::{Joined, Membership};
use peermesh_core::machine::{Endpoint, Envelope};
use serde_json::{Value, json};

use crate::host::{Town, token_of};
use crate::world::Place;

/// A registration without a key of its own.
fn bare(name: &str) -> Value {
    json!({
        "token": token_of(name), "session_id": name, "mesh": "demo", "display_name": name, "pid": 70,
    })
}

#[test]
fn two_hosts_of_one_member_do_not_evict_each_other_though_their_pids_are_the_same() {
    let mut town = Town::new();
    let own = town.membership("demo", "ann");
    let bounds = DaemonLimits::default();
    let hosts = ["ann", "ann's other host"].map(|host| {
        // Two hellos of one member in one millisecond are the same bytes, and count as a replay.
        town.world.wait(7);
        town.starts(host, vec![own.clone()], &bounds, &[])
    });
    let bob = town.hosts("bob");
    town.world.wait(60_000);
    let lost: Vec<_> = town.world.notes.iter().filter(|note| note.msg == "broker_lost").collect();
    assert!(lost.is_empty(), "{lost:?}");
    for host in hosts {
        assert_eq!(town.get(host, "/v1/health").body["brokers"]["demo"], "open");
    }
    town.send(bob, "ann", "to whichever", "k1");
    town.world.wait(60_000);
    let got: usize = hosts.map(|host| town.texts(host, None).len()).iter().sum();
    assert_eq!(got, 1, "one of them has it, and it is not lost between them");
}

#[test]
fn what_no_broker_was_told_is_not_said_to_be_done() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let broker = town.broker;
    town.world.kill(broker);
    town.world.wait(100);
    let body = json!({ "key": "k", "value": 1, "summary": "busy" });
    for (method, target) in [("POST", "/v1/state"), ("DELETE", "/v1/memory/x"), ("POST", "/v1/profile")] {
        let got = town.asks(ann, method, target, &[], Some(&body));
        assert_eq!(
            (got.status, &got.body["error"]),
            (502, &json!("broker_unreachable")),
            "{method} {target}"
        );
    }
}

#[test]
fn what_a_broker_refuses_is_not_said_to_be_done() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let body = json!({ "key": "k", "value": 1 });
    for (method, target) in [("POST", "/v1/state"), ("DELETE", "/v1/memory/x")] {
        let got = town.asks(ann, method, target, &[], Some(&body));
        assert_eq!((got.status, &got.body["error"]), (502, &json!("not_supported")), "{method} {target}");
        assert_eq!(got.body["mesh"], "demo");
    }
    town.registers(ann, "one", "ann-one");
    let told = town.post(ann, "/v1/profile", &json!({ "status": "dnd", "summary": "cooks", "bio": "b" }));
    assert_eq!((told.status, &told.body["ok"], &told.body["confirmed"]), (200, &json!(true), &json!(true)));
    let mut applied: Vec<&str> =
        told.body["applied"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    applied.sort_unstable();
    assert_eq!(applied, ["bio", "status", "summary"]);
    let told = town.post(ann, "/v1/profile", &json!({ "status": "hungry", "summary": "eats" }));
    assert_eq!((told.status, &told.body["error"]), (400, &json!("invalid_argument")), "{told:?}");
    assert_eq!(told.body["applied"], json!(["summary"]), "what was refused is not among it");
    // Whether one that says nothing has done it, nobody can tell.
    let broker = town.broker;
    town.world.deafen(broker, true);
    let got = town.post(ann, "/v1/state", &body);
    assert_eq!((got.status, &got.body["ok"], &got.body["confirmed"]), (200, &json!(true), &json!(false)));
}

#[test]
fn a_reader_of_events_that_does_not_read_loses_its_stream_and_nobody_else_does() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let (slow, quick) = (town.listens(ann, None), town.listens(ann, None));
    town.world.stall(slow);
    let mut heard = 0;
    for at in 0..60 {
        town.send(bob, "ann", &format!("{at}{}", "x".repeat(40_000)), &format!("k{at}"));
        town.world.wait(1_500);
        heard += town.events(quick).iter().filter(|(kind, _)| kind == "message").count();
    }
    assert_eq!(heard, 60);
    assert!(town.world.read(slow).1, "who does not read is let go");
    assert!(!town.world.read(quick).1);
}

#[test]
fn a_session_without_a_key_sees_its_members_mail_in_inbox_and_stream_alike() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.registers(ann, "one", "ann-one");
    assert_eq!(town.post(ann, "/v1/sessions/register", &bare("bare")).body["presence_accepted"], false);
    let stream = town.listens(ann, Some("bare"));
    town.send(bob, &keys::public("one"), "for one", "k1");
    town.send(bob, &keys::public("ann"), "for ann", "k2");
    town.world.wait(1_000);
    let all = town.events(stream).into_iter().filter(|(kind, _)| kind == "message");
    let heard: Vec<Value> = all.map(|(_, about)| about["body"].clone()).collect();
    assert_eq!(
        (json!(heard), json!(town.texts(ann, Some("bare")))),
        (json!(["for ann"]), json!(["for ann"]))
    );
}

#[test]
fn a_session_sends_in_its_own_mesh_when_it_names_none() {
    let mut town = Town::new();
    town.founds("other");
    let own = ["demo", "other"].map(|mesh| town.membership(mesh, "ann"));
    let ann = town.starts("ann", own.into(), &DaemonLimits::default(), &[]);
    let bob = town.hosts("bob");
    town.awaits_open(ann);
    town.registers(ann, "one", "ann-one");
    let body = json!({ "to": keys::public("bob"), "message": "hello", "client_message_id": "k1" });
    assert_eq!(town.post(ann, "/v1/send", &body).body["error"], "mesh_required");
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
    town.world.wait(1_000);
    assert_eq!(town.texts(bob, None), ["hello"]);
}

#[test]
fn f_dmn_06_a_mesh_whose_broker_is_away_and_a_session_without_its_socket_hold_nobody_up() {
    let mut town = Town::new();
    town.founds("other");
    let own = town.membership("demo", "ann");
    let away = Endpoint { host: "nowhere.test".to_owned(), port: 7900, tls: false };
    let far = Membership { broker: away, ..town.membership("other", "ann") };
    let ann = town.starts("ann", vec![far, own], &DaemonLimits::default(), &[]);
    let bob = town.hosts("bob");
    town.awaits_open(ann);
    town.registers(ann, "one", "ann-one");
    let send = |town: &mut Town, mesh: &str, key: &str| {
        let body =
            json!({ "to": keys::public("bob"), "message": key, "client_message_id": key, "mesh": mesh });
        town.post(ann, "/v1/send", &body).status
    };
    for at in 0..40 {
        assert_eq!(send(&mut town, "other", &format!("far{at}")), 202);
    }
    let broker = town.broker;
    town.world.deafen(broker, true);
    let body = json!({ "to": keys::public("bob"), "message": "of one", "client_message_id": "one1" });
    town.asks_as(ann, "one", "POST", "/v1/send", Some(&body));
    town.asks(ann, "DELETE", &format!("/v1/sessions/{}", token_of("one")), &[], None);
    town.world.deafen(broker, false);
    for at in 0..5 {
        assert_eq!(send(&mut town, "demo", &format!("near{at}")), 202);
    }
    town.world.wait(60_000);
    let wanted: Vec<String> = (0..5).map(|at| format!("near{at}")).collect();
    let texts: Vec<String> = town.texts(bob, None).into_iter().filter(|text| text != "of one").collect();
    assert_eq!(texts, wanted);
    assert_eq!(town.status(ann, "far0"), "pending");
}

#[test]
fn what_none_of_our_keys_opens_is_kept_and_marked_and_never_shown_as_text() {
    let mut town = Town::new();
    let own = town.membership("demo", "ann");
    let ann = town.starts("ann", vec![own], &DaemonLimits::default(), &[]);
    let bob = town.hosts("bob");
    town.awaits_open(ann);
    // Sealed with one key and sent by another, as after a change of keys.
    let changed = town.membership("demo", "ann2");
    let broker = town.broker;
    town.world.kill(broker);
    town.send(ann, &keys::public("bob"), "secret", "k1");
    town.world.start(broker);
    town.remakes(ann, "ann", vec![changed]);
    town.world.wait(120_000);
    let items = town.inbox(bob, None);
    assert_eq!(
        (items.len(), &items[0]["decrypt_failed"], &items[0]["body"]),
        (1, &json!(true), &Value::Null)
    );
    // It was acknowledged: nothing comes again.
    town.world.wait(120_000);
    assert_eq!(town.inbox(bob, None).len(), 1);
}

#[test]
fn what_waits_while_a_member_gets_another_key_is_sealed_with_that_one() {
    let mut town = Town::new();
    let own = town.membership("demo", "ann");
    let bounds = DaemonLimits::default();
    let ann = town.starts("ann", vec![own], &bounds, &[]);
    let bob = town.hosts("bob");
    town.awaits_open(ann);
    let broker = town.broker;
    town.world.kill(broker);
    town.send(ann, &keys::public("bob"), "sealed before", "k1");
    town.send(ann, "*", "open to all", "k2");
    town.world.start(broker);
    let former = Secret::new(keys::pair("ann").to_scalar_bytes());
    let changed = Membership { former: vec![former], ..town.membership("demo", "ann2") };
    town.world.inform(ann, Envelope::new(Joined(vec![changed])));
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["sealed before", "open to all"]);
    let item = &town.inbox(bob, None)[0];
    assert_eq!(item["sender_pubkey"], keys::public("ann2"));
}

#[test]
fn one_sender_cannot_use_up_the_key_of_another_and_answers_name_what_they_answer() {
    let mut town = Town::new();
    let (ann, bob, cid) = (town.hosts("ann"), town.hosts("bob"), town.hosts("cid"));
    town.send(ann, "cid", "of ann", "the-same-key");
    let body = json!({
        "to": "cid", "message": "of bob", "client_message_id": "the-same-key", "reply_to_id": "m-7",
    });
    assert_eq!(town.post(bob, "/v1/send", &body).status, 202);
    town.world.wait(1_000);
    let mut texts = town.texts(cid, None);
    texts.sort();
    assert_eq!(texts, ["of ann", "of bob"]);
    let items = town.inbox(cid, None);
    let of_bob = items.iter().find(|item| item["body"] == "of bob").unwrap();
    assert_eq!(of_bob["reply_to_id"], "m-7");
}

#[test]
fn a_restart_makes_no_session_younger_and_its_groups_are_known_to_its_mesh() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let pair = keys::pair("one");
    let mut body = bare("one");
    body["groups"] = json!(["cooks"]);
    body["presence"] = json!({
        "session_pubkey": keys::public("one"),
        "session_secret_key": data_encoding::HEXLOWER.encode(&pair.to_keypair_bytes()),
    });
    town.post(ann, "/v1/sessions/register", &body);
    town.world.wait(2_000);
    let me = |town: &mut Town| town.asks_as(ann, "one", "GET", "/v1/sessions/me", None).body;
    let before = me(&mut town);
    let peers = town.get(ann, "/v1/peers").body;
    assert_eq!(peers["peers"][0]["groups"][0]["name"], "cooks", "{peers}");
    town.world.wait(3_600_000);
    town.world.kill(ann);
    town.world.start(ann);
    town.awaits_open(ann);
    assert_eq!(me(&mut town), before);
}

#[test]
fn own_arrivals_are_not_told_and_others_are_told_once_for_the_host() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    town.registers(ann, "one", "ann-one");
    let stream = town.listens(ann, None);
    let joins = |town: &mut Town| -> Vec<String> {
        let all = town.events(stream).into_iter().filter(|(kind, _)| kind == "peer_join");
        all.map(|(_, about)| about["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    town.registers(ann, "two", "ann-two");
    assert_eq!(joins(&mut town), Vec::<String>::new(), "ours are no news");
    let bob: Place = town.hosts("bob");
    town.registers(bob, "bobs", "bob-one");
    assert_eq!(joins(&mut town).iter().filter(|name| *name == "bob-one").count(), 1);
}
