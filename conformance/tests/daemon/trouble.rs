//! Deaths, full disks, and brokers that are not enough.

use peermesh_conformance::keys;
use peermesh_core::config::DaemonLimits;
use peermesh_core::store::StoreError;
use serde_json::json;

use crate::host::Town;

/// A moment at which a process may end: so many milliseconds after a request.
const MOMENTS: [u64; 5] = [0, 1, 2, 5, 50];

#[test]
fn f_dmn_02_a_sender_that_dies_at_any_moment_loses_and_doubles_nothing() {
    for moment in MOMENTS {
        let mut town = Town::new();
        let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
        let accepted = town.send(ann, "bob", "soup?", "k1").status == 202;
        assert!(accepted);
        town.world.wait(moment);
        town.world.kill(ann);
        town.world.start(ann);
        // The program repeats what it asked for, since it may not have heard the answer.
        let again = town.send(ann, "bob", "soup?", "k1");
        assert!(matches!(again.status, 200 | 202), "{again:?}");
        town.world.wait(120_000);
        assert_eq!(town.status(ann, "k1"), "done", "after {moment} ms");
        assert_eq!(town.texts(bob, None), ["soup?"], "after {moment} ms");
    }
}

#[test]
fn f_dmn_03_what_was_in_flight_without_an_answer_is_sent_again_and_stays_one_message() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let broker = town.broker;
    // The broker takes the message and cannot say so.
    town.send(ann, "bob", "soup?", "k1");
    town.world.kill(broker);
    town.world.kill(ann);
    town.world.start(ann);
    town.world.start(broker);
    town.world.wait(120_000);
    assert_eq!(
        (town.status(ann, "k1"), town.texts(bob, None)),
        ("done".to_owned(), vec!["soup?".to_owned()])
    );
}

#[test]
fn f_dmn_02_what_an_earlier_run_left_in_flight_is_never_overtaken() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.send(ann, "bob", "0", "k0");
    town.world.wait(1_000);
    // The broker falls silent, so that one row is in flight and the others wait.
    let broker = town.broker;
    town.world.deafen(broker, true);
    for at in 1..4 {
        town.send(ann, &keys::public("bob"), &at.to_string(), &format!("k{at}"));
    }
    assert_eq!(town.status(ann, "k1"), "inflight");
    town.world.kill(ann);
    town.world.deafen(broker, false);
    // The socket is open long before the outbox has come to order.
    town.world.slow_down(ann, 3_000);
    town.world.start(ann);
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["0", "1", "2", "3"]);
}

#[test]
fn f_dmn_04_a_recipient_that_dies_at_any_moment_gets_everything_once() {
    for moment in MOMENTS {
        let mut town = Town::new();
        let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
        for at in 0..5 {
            town.send(ann, "bob", &at.to_string(), &format!("k{at}"));
        }
        town.world.wait(moment);
        town.world.kill(bob);
        town.world.wait(1_000);
        town.world.start(bob);
        town.world.wait(180_000);
        assert_eq!(town.texts(bob, None), ["0", "1", "2", "3", "4"], "after {moment} ms");
    }
}

#[test]
fn f_dmn_08_what_cannot_be_kept_is_not_accepted_and_not_acknowledged() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.world.ail(bob, Some(StoreError::Full));
    assert_eq!(town.send(bob, "ann", "hello", "b1").status, 507);
    town.send(ann, "bob", "soup?", "k1");
    town.world.wait(10_000);
    town.world.ail(bob, None);
    assert_eq!(town.status(bob, "b1"), "none");
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["soup?"], "the broker sends again what nobody acknowledged");
    assert_eq!(town.send(bob, "ann", "hello", "b1").status, 202);
}

#[test]
fn f_dmn_08_an_outbox_that_is_full_says_so_before_it_accepts() {
    let mut town = Town::new();
    let mut bounds = DaemonLimits::default();
    bounds.set("outbox_rows_max", 2).unwrap();
    let ann = town.hosts_with("ann", &bounds, &[]);
    town.awaits_open(ann);
    let broker = town.broker;
    town.world.kill(broker);
    for (key, status) in [("k1", 202), ("k2", 202), ("k3", 507), ("k1", 202)] {
        assert_eq!(town.send(ann, "*", "x", key).status, status, "{key}");
    }
    town.world.start(broker);
    town.world.wait(60_000);
    assert_eq!(town.send(ann, "*", "x", "k3").status, 202);
}

#[test]
fn a_broker_that_knows_keys_long_enough_is_enough_and_its_absence_at_the_start_heals_by_itself() {
    let mut town = Town::new();
    let broker = town.broker;
    town.joins("bob");
    town.world.serve(None);
    let ann = town.hosts_with("ann", &DaemonLimits::default(), &["client_message_id_dedupe"]);
    town.world.wait(300_000);
    let health = town.get(ann, "/v1/health").body;
    assert_eq!(health["brokers"]["demo"], "reconnecting");
    assert_eq!(health["reasons"]["demo"], "nobody listens");
    town.world.serve(Some(broker));
    town.awaits_open(ann);
    assert!(town.world.failures.is_empty());
}

#[test]
fn a_demand_that_a_broker_does_not_meet_ends_the_daemon_with_its_reason() {
    let mut town = Town::new();
    let ann = town.hosts_with("ann", &DaemonLimits::default(), &["telepathy"]);
    town.world.wait(10_000);
    assert!(town.world.is_over(ann));
    assert!(town.world.failures[0].contains("telepathy"), "{:?}", town.world.failures);
}

#[test]
fn a_stop_ends_streams_first_and_loses_nothing_that_waits() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let stream = town.begins(ann, peermesh_core::machine::Listener::Local, "GET", "/v1/events", &[], None);
    town.world.wait(100);
    let broker = town.broker;
    town.world.kill(broker);
    town.send(ann, "bob", "later", "k1");
    assert_eq!(town.send(ann, "bob", "later", "k1").status, 502, "nobody knows bob yet");
    town.send(ann, &keys::public("bob"), "later", "k1");
    town.world.drain(ann);
    assert!(town.world.until(3_000, |world| world.is_over(ann)), "a stop has a bound");
    assert!(town.world.read(stream).1, "its streams have ended");
    town.world.start(broker);
    town.world.start(ann);
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["later"]);
}

#[test]
fn a_member_that_was_removed_stops_knocking_and_shows_why() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let token = format!("Bearer {}", peermesh_conformance::driver::ADMIN_TOKEN);
    let broker = town.broker;
    let headers = [("Authorization", token.as_str())];
    let target = "/admin/meshes/demo/members/ann";
    let at = peermesh_core::machine::Listener::Mesh;
    let removed = town.asks_at(broker, at, "DELETE", target, &headers, None);
    assert_eq!(removed.status, 200, "{removed:?}");
    town.world.wait(60_000);
    let health = town.get(ann, "/v1/health").body;
    assert_eq!(health["brokers"]["demo"], "closed", "{health}");
    assert!(health["reasons"]["demo"].as_str().unwrap().contains("banned"), "{health}");
    assert_eq!(json!(town.send(ann, "*", "hello", "k1").status), json!(202), "it waits for another day");
}

#[test]
fn a_message_that_is_too_long_is_refused_at_once_and_holds_up_nobody() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let key = keys::public("bob");
    let refused = town.send(ann, &key, &"x".repeat(60_000), "k1");
    let detail = refused.body["detail"].as_str().unwrap_or_default().to_owned();
    assert!(refused.status == 413 && detail.contains("65536"), "{refused:?}");
    assert_eq!(town.send(ann, &key, "short", "k1").status, 202, "the key is free");
    town.world.wait(2_000);
    assert_eq!(town.texts(bob, None), ["short"]);
}

#[test]
fn a_message_that_bursts_the_connection_is_given_up_and_what_follows_it_arrives() {
    // The broker goes away before it tells how much it takes, and comes back with less.
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let key = keys::public("bob");
    let broker = town.broker;
    town.world.kill(broker);
    town.world.kill(ann);
    town.world.start(ann);
    town.world.wait(100);
    assert_eq!(town.send(ann, &key, &"x".repeat(150_000), "long").status, 202);
    assert_eq!(town.send(ann, &key, "short", "short").status, 202);
    town.world.start(broker);
    town.world.wait(120_000);
    assert_eq!((town.status(ann, "long"), town.status(ann, "short")), ("dead".into(), "done".into()));
    assert_eq!(town.texts(bob, None), ["short"]);
}

#[test]
fn a_socket_that_fell_silent_is_given_up_within_seventy_five_seconds_and_mail_goes_by_another() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let broker = town.broker;
    town.world.deafen(broker, true);
    town.send(ann, "*", "soup?", "k1");
    let is_open = |town: &mut Town| town.get(ann, "/v1/health").body["brokers"]["demo"] == "open";
    assert!(is_open(&mut town), "nobody has noticed yet");
    town.world.wait(75_000);
    assert!(!is_open(&mut town), "a half-dead socket counts as one");
    town.world.deafen(broker, false);
    town.awaits_open(ann);
    town.world.wait(60_000);
    assert_eq!(town.status(ann, "k1"), "done");
    assert_eq!(town.texts(bob, None), ["soup?"]);
}
