//! A broker is killed at named points of an accept, and started again.
//!
//! The proxy holds the call that writes the message: before the database sees it, or after it has committed
//! and before the broker hears so. The kill is SIGKILL.

use std::time::Duration;

use peermesh_conformance::proxy::Point;
use serde_json::Value;

use crate::ground::{Ground, WRITE};
use crate::peer::{Identity, Peer, Said};
use crate::town::{PATIENCE, Process};

/// Within which a broker that was killed and started again answers a hello: two seconds, and room.
const SUCCESSION: Duration = Duration::from_secs(8);

/// Two members, and a broker that has written for both: the next write is the next message.
fn settled(ground: &Ground) -> (Process, Identity, Identity, Peer) {
    let broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "before-1", "before");
    sender.hears_ack_of("before-1");
    let mut recipient = Peer::joins(ground.town.port, &bob).unwrap();
    let push = recipient.hears_push();
    recipient.acks(&push);
    ground.is_settled();
    (broker, ann, bob, sender)
}

/// Asks for soup again under the same key; whether the answer calls it known, and the message's id.
fn resends(ground: &Ground, ann: &Identity, bob: &Identity, is_known: bool) -> String {
    let mut sender = Peer::joins_within(SUCCESSION, ground.town.port, ann);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    assert!(ack["error"].is_null() && ack["duplicate"] == is_known, "{ack}");
    ack["messageId"].as_str().unwrap().to_owned()
}

/// Whether an ack is among what was said.
fn is_acked(said: &[Said]) -> bool {
    said.iter().any(|said| matches!(said, Said::Message(message) if message["type"] == "ack"))
}

fn id_of(push: &Value) -> &str {
    push["messageId"].as_str().unwrap()
}

/// Phases P4 to P6: nothing has reached the store.
#[test]
fn f_acc_02_a_send_that_did_not_reach_the_store_before_a_kill_is_new_when_it_comes_again() {
    let ground = Ground::new();
    let (broker, ann, bob, mut sender) = settled(&ground);
    let held = ground.proxy.hold(Point::Call, &[WRITE, "soup-1"]);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    held.wait();
    broker.kill();
    held.cut();
    assert!(!is_acked(&sender.hears_end()));
    let _broker = ground.serve();
    let mut recipient = Peer::joins_within(SUCCESSION, ground.town.port, &bob);
    assert!(recipient.hears_no_push_for(Duration::from_millis(300)));
    let id = resends(&ground, &ann, &bob, false);
    assert_eq!(id_of(&recipient.hears_push()), id);
    assert_eq!(ground.stored("soup"), 1);
}

/// Phases P8 and P9: committed, and the ack was lost with the broker.
#[test]
fn f_acc_04_a_message_that_was_committed_before_a_kill_arrives_without_being_sent_again() {
    let ground = Ground::new();
    let (broker, ann, bob, mut sender) = settled(&ground);
    let held = ground.proxy.hold(Point::Reply, &[WRITE, "soup-1"]);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    held.wait();
    broker.kill();
    held.cut();
    assert!(!is_acked(&sender.hears_end()));
    let _broker = ground.serve();
    let mut recipient = Peer::joins_within(SUCCESSION, ground.town.port, &bob);
    let push = recipient.hears_push();
    assert_eq!(push["client_message_id"], "soup-1");
    recipient.acks(&push);
    assert_eq!(resends(&ground, &ann, &bob, true), id_of(&push), "the answer names the first id");
    assert!(recipient.hears_no_push_for(Duration::from_millis(300)), "and there is no second message");
    assert_eq!(ground.stored("soup"), 1);
}

/// Phase P7, the worst case: the call reaches the store when its broker is dead and the next one serves.
#[test]
fn f_acc_03_a_call_that_arrives_after_its_broker_has_been_succeeded_writes_nothing() {
    let ground = Ground::new();
    let (broker, ann, bob, mut sender) = settled(&ground);
    let held = ground.proxy.hold(Point::Call, &[WRITE, "soup-1"]);
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    held.wait();
    broker.kill();
    let _broker = ground.serve();
    let mut recipient = Peer::joins_within(SUCCESSION, ground.town.port, &bob);
    held.release();
    held.wait_for_answer();
    assert!(recipient.hears_no_push_for(Duration::from_millis(300)));
    assert_eq!(ground.stored("soup"), 0, "the fence of the dead broker does not hold");
    let id = resends(&ground, &ann, &bob, false);
    assert_eq!(id_of(&recipient.hears_push()), id);
    assert_eq!(ground.stored("soup"), 1);
}

/// Phases P10 to P12: pushed, and not acknowledged. The lease dies with the broker.
#[test]
fn f_acc_05_a_push_that_was_not_acknowledged_before_a_kill_comes_again_at_once() {
    let ground = Ground::new();
    let (broker, _, bob, mut sender) = settled(&ground);
    let mut recipient = Peer::joins(ground.town.port, &bob).unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    let first = recipient.hears_push();
    assert_eq!(first["messageId"], ack["messageId"]);
    broker.kill();
    let _broker = ground.serve();
    // A lease would last half a minute, and a test waits less.
    let mut recipient = Peer::joins_within(SUCCESSION, ground.town.port, &bob);
    let again = recipient.hears_push();
    assert_eq!(again["messageId"], first["messageId"]);
    recipient.acks(&again);
    assert!(recipient.hears_no_push_for(Duration::from_millis(300)));
}

/// Every message of a burst that was acknowledged before the kill is there after it, and none is there twice.
#[test]
fn f_acc_04_a_burst_that_a_kill_cuts_off_is_whole_after_it() {
    const MESSAGES: usize = 2_000;
    let ground = Ground::new();
    let broker = ground.serve();
    let (ann, bob) = ground.settles();
    let port = ground.town.port;
    let keys: Vec<String> = (0..MESSAGES).map(|number| format!("burst-{number:05}")).collect();
    let (tell, told) = std::sync::mpsc::channel();
    let (to, all) = (bob.pubkey.clone(), keys.clone());
    let sender = std::thread::spawn(move || {
        crate::post::sends_all(port, &ann, &to, all, PATIENCE * 3, |acked| {
            if acked == MESSAGES / 4 {
                tell.send(()).expect("the test waits");
            }
        })
    });
    told.recv_timeout(PATIENCE * 3).unwrap();
    broker.kill();
    let _broker = ground.serve();
    let sent = sender.join().unwrap();
    let recipient = crate::post::Recipient::starts(port, bob);
    let received = recipient.ends();
    assert_eq!(sent.ids.len(), MESSAGES);
    assert!(sent.ids.values().all(|ids| ids.len() == 1), "a key has one id for ever");
    assert_eq!(received.ids, sent.ids);
    assert_eq!(ground.stored("burst"), MESSAGES);
}
