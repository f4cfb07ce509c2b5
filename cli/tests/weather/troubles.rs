//! Outcomes that the database does not tell, and a database that tells them late.

use std::time::Duration;

use peermesh_conformance::proxy::Point;

use crate::ground::{Ground, WRITE};
use crate::peer::{Peer, Said};
use crate::town::PATIENCE;

#[test]
fn f_acc_07_a_lost_reply_to_a_commit_is_one_ack_one_id_and_one_message() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    let mut recipient = Peer::joins(ground.town.port, &bob).unwrap();
    let lost = ground.proxy.lose(Point::Reply, &[WRITE, "soup-1"]);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    lost.wait();
    assert!(ack["error"].is_null() && ack["queued"] == true, "{ack}");
    let push = recipient.hears_push();
    assert_eq!(push["messageId"], ack["messageId"]);
    recipient.acks(&push);
    assert!(recipient.hears_no_push_for(Duration::from_millis(300)));
    assert_eq!(ground.stored("soup"), 1);
    let second = sender.hears(Duration::from_millis(100));
    let is_ack = matches!(&second, Some(Said::Message(message)) if message["type"] == "ack");
    assert!(!is_ack, "{second:?}");
}

/// The first attempt is on its way while the second is made, and arrives after it.
#[test]
fn f_acc_07_a_commit_that_lands_after_it_was_run_again_changes_nothing() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    let mut recipient = Peer::joins(ground.town.port, &bob).unwrap();
    let held = ground.proxy.hold(Point::Call, &[WRITE, "soup-1"]);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    held.wait();
    held.cut_client();
    let ack = sender.hears_ack_of("soup-1");
    assert!(ack["error"].is_null(), "{ack}");
    let push = recipient.hears_push();
    recipient.acks(&push);
    held.release();
    assert!(recipient.hears_no_push_for(Duration::from_millis(500)));
    assert_eq!(push["messageId"], ack["messageId"]);
    assert_eq!(ground.stored("soup"), 1);
}

/// Every write and every answer takes a while, as it would to another continent.
#[test]
fn f_sto_12_a_slow_store_makes_slow_and_true_acks() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    ground.proxy.delay(Duration::from_millis(250), Duration::from_millis(250));
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    let keys: Vec<String> = (0..50).map(|number| format!("slow-{number}")).collect();
    for key in &keys {
        sender.sends(&bob.pubkey, key, key);
    }
    for key in &keys {
        let ack = sender.hears_ack_of(key);
        assert!(ack["error"].is_null(), "{ack}");
    }
    assert_eq!(crate::ground::health(ground.town.port), Some(200), "slow is not down");
    ground.proxy.delay(Duration::ZERO, Duration::ZERO);
    let mut recipient = Peer::joins_within(PATIENCE, ground.town.port, &bob);
    for _ in &keys {
        let push = recipient.hears_push();
        recipient.acks(&push);
    }
    assert_eq!(ground.stored("slow"), keys.len());
}
