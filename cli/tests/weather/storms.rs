//! The database restarts, freezes, turns read-only, or has no connection left.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::server::Server;

use crate::ground::{Ground, health};
use crate::peer::Peer;
use crate::post::{Recipient, sends_all};
use crate::town::PATIENCE;

/// Within which sends are accepted again: five seconds after the database is ready, and room.
const RECOVERY: Duration = Duration::from_secs(15);

#[test]
fn f_sto_07_a_restart_in_the_middle_of_10000_sends_loses_none_and_doubles_none() {
    const MESSAGES: usize = 10_000;
    let server = Server::new();
    let ground = Ground::on(&server);
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let port = ground.town.port;
    let recipient = Recipient::starts(port, bob.clone());
    let keys: Vec<String> = (0..MESSAGES).map(|number| format!("burst-{number:05}")).collect();
    let (tell, told) = channel();
    let sender = thread::spawn(move || {
        sends_all(port, &ann, &bob.pubkey, keys, PATIENCE * 3, |acked| {
            if acked == MESSAGES / 3 || acked == MESSAGES * 2 / 3 {
                tell.send(()).expect("the test waits");
            }
        })
    });
    told.recv_timeout(PATIENCE * 6).unwrap();
    server.restart();
    let ready = [Instant::now()];
    told.recv_timeout(PATIENCE * 6).unwrap();
    server.kill();
    server.start();
    let ready = [ready[0], Instant::now()];
    let sent = sender.join().unwrap();
    let received = recipient.ends();
    assert_eq!(sent.ids.len(), MESSAGES);
    assert!(sent.ids.values().all(|ids| ids.len() == 1), "a key has one id for ever");
    assert_eq!(received.ids, sent.ids);
    assert_eq!(ground.stored("burst"), MESSAGES);
    for ready in ready {
        let first = sent.acked_at.iter().find(|at| **at > ready).expect("sends after the restart");
        assert!(first.duration_since(ready) < RECOVERY, "{:?}", first.duration_since(ready));
    }
}

#[test]
fn f_sto_07_no_connection_is_closed_for_a_short_absence_of_the_store() {
    let server = Server::new();
    let ground = Ground::on(&server);
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    let mut recipient = Peer::joins(ground.town.port, &bob).unwrap();
    server.stop();
    ground.becomes(503, PATIENCE);
    sender.sends(&bob.pubkey, "early-1", "soup?");
    let refusal = sender.hears_ack_of("early-1");
    assert!(refusal["error"].as_str().unwrap_or_default().starts_with("retry: "), "{refusal}");
    server.start();
    ground.becomes(200, RECOVERY);
    sender.sends(&bob.pubkey, "early-1", "soup?");
    let ack = sender.hears_ack_of("early-1");
    assert_eq!(recipient.hears_push()["messageId"], ack["messageId"]);
}

#[test]
fn f_sto_10_a_read_only_store_is_one_that_is_away_and_comes_back() {
    let server = Server::new();
    let ground = Ground::on(&server);
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    server.set("default_transaction_read_only", "on");
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let refusal = sender.hears_ack_of("soup-1");
    assert!(refusal["error"].as_str().unwrap_or_default().starts_with("retry: "), "{refusal}");
    ground.becomes(503, PATIENCE);
    server.set("default_transaction_read_only", "off");
    ground.becomes(200, RECOVERY);
    let mut sender = Peer::joins_within(RECOVERY, ground.town.port, &ann);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    assert!(sender.hears_ack_of("soup-1")["error"].is_null());
    assert_eq!(ground.stored("soup"), 1);
}

/// Others hold all connections when the broker comes, and let go later.
#[test]
fn f_sto_11_a_broker_that_gets_no_connection_waits_for_one() {
    let server = Server::with(&[("max_connections", "8"), ("superuser_reserved_connections", "3")]);
    let ground = Ground::on(&server);
    let until = Instant::now() + PATIENCE;
    let mut others = Vec::new();
    // Sessions that have ended hold their places a little longer.
    while others.len() < 5 {
        others.extend(ground.database.try_client().ok());
        assert!(Instant::now() < until, "only {} connections", others.len());
    }
    let mut broker = ground.start(&ground.town, &[]);
    broker.says("db ping failed");
    assert_eq!(health(ground.town.port), Some(503));
    drop(others);
    ground.becomes(200, RECOVERY);
}

/// Every write waits for somebody else's lock. The health connection is the broker's own and does not.
#[test]
fn f_sto_11_writes_that_cannot_go_on_are_refused_with_retry_and_the_store_is_not_called_lost() {
    let server = Server::new();
    let ground = Ground::on(&server);
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    let mut locker = ground.database.client();
    let mut lock = locker.transaction().unwrap();
    lock.batch_execute("LOCK TABLE mesh.message IN ACCESS EXCLUSIVE MODE").unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let refusal = sender.hears_ack_of("soup-1");
    assert!(refusal["error"].as_str().unwrap_or_default().starts_with("retry: "), "{refusal}");
    assert_eq!(health(ground.town.port), Some(200));
    lock.rollback().unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    assert!(ack["error"].is_null(), "{ack}");
    assert_eq!(ground.stored("soup"), 1);
}

/// SIGSTOP: connections stand, and nothing answers.
#[test]
fn f_sto_12_a_frozen_store_costs_time_and_nothing_else() {
    let server = Server::new();
    let ground = Ground::on(&server);
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let port = ground.town.port;
    let recipient = Recipient::starts(port, bob.clone());
    let keys: Vec<String> = (0..500).map(|number| format!("frost-{number:03}")).collect();
    let (tell, told) = channel();
    let sender = thread::spawn(move || {
        sends_all(port, &ann, &bob.pubkey, keys, PATIENCE * 3, |acked| {
            if acked == 100 {
                tell.send(()).expect("the test waits");
            }
        })
    });
    told.recv_timeout(PATIENCE * 3).unwrap();
    server.freeze();
    ground.becomes(503, PATIENCE);
    server.thaw();
    ground.becomes(200, RECOVERY);
    let sent = sender.join().unwrap();
    let received = recipient.ends();
    assert!(sent.ids.len() == 500 && sent.ids.values().all(|ids| ids.len() == 1));
    assert_eq!(received.ids, sent.ids);
    assert_eq!(ground.stored("frost"), 500);
}
