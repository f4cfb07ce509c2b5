//! Two brokers on one database: a mesh has one owner, whoever sleeps, dies or comes back.

use std::time::Duration;

use rustix::process::Signal;

use crate::ground::{Ground, health_becomes};
use crate::peer::{Peer, Said};
use crate::town::{PATIENCE, Town};

/// Within which another broker takes the meshes of one that is gone: ten seconds, and room.
const TAKEOVER: Duration = Duration::from_secs(30);

/// Within which a broker that was killed and started again answers a hello: two seconds, and room.
const SUCCESSION: Duration = Duration::from_secs(8);

/// Whether a peer was told that another broker owns its mesh.
fn is_not_owner(said: &[Said]) -> bool {
    let error = said.iter().any(|said| matches!(said, Said::Message(m) if m["code"] == "not_owner"));
    error && matches!(said.last(), Some(Said::Close { code: 1013, .. }))
}

#[test]
fn a_mesh_has_one_owner_and_the_other_broker_turns_its_peers_away() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut at_owner = Peer::joins(ground.town.port, &ann).unwrap();
    let (other, _proxy, _broker_b) = ground.serve_another();
    let refused = Peer::joins(other.port, &bob).unwrap_err();
    assert!(is_not_owner(&refused), "{refused:?}");
    at_owner.sends(&bob.pubkey, "soup-1", "soup?");
    assert!(at_owner.hears_ack_of("soup-1")["error"].is_null());
}

#[test]
fn f_sto_15_two_brokers_that_start_at_once_on_an_empty_database_both_serve() {
    let ground = Ground::new();
    let other = Town::new();
    let brokers = [ground.start(&ground.town, &[]), ground.start(&other, &[])];
    for port in [ground.town.port, other.port] {
        health_becomes(port, 200, PATIENCE);
    }
    let applied = "SELECT count(*), count(DISTINCT version) FROM mesh.schema_history";
    let row = ground.database.client().query_one(applied, &[]).unwrap();
    assert!(row.get::<_, i64>(0) > 0 && row.get::<_, i64>(0) == row.get::<_, i64>(1));
    drop(brokers);
}

/// SIGSTOP is the worst death: the owner comes back and knows nothing of it.
#[test]
fn an_owner_that_slept_through_its_lease_is_fenced_and_its_peers_are_sent_away() {
    let ground = Ground::new();
    let sleeper = ground.serve();
    let (ann, bob) = ground.settles();
    let mut at_sleeper = Peer::joins(ground.town.port, &ann).unwrap();
    at_sleeper.sends(&bob.pubkey, "before-1", "soup?");
    at_sleeper.hears_ack_of("before-1");
    let (other, _proxy, _broker_b) = ground.serve_another();
    sleeper.freeze();
    // It will be the first that the sleeper reads.
    at_sleeper.sends(&bob.pubkey, "late-1", "soup?");
    let mut at_heir = Peer::joins_within(TAKEOVER, other.port, &bob);
    let before = at_heir.hears_push();
    assert_eq!(before["client_message_id"], "before-1");
    at_heir.acks(&before);
    sleeper.thaw();
    let told = at_sleeper.hears_end();
    let acked = |said: &Said| matches!(said, Said::Message(m) if m["type"] == "ack" && m["error"].is_null());
    assert!(!told.iter().any(acked), "a write of the fenced broker was accepted: {told:?}");
    assert!(is_not_owner(&told), "{told:?}");
    assert_eq!(ground.stored("late"), 0);
    // The heir goes on, and takes the send that was refused.
    let mut ann_at_heir = Peer::joins_within(PATIENCE, other.port, &ann);
    ann_at_heir.sends(&bob.pubkey, "late-1", "soup?");
    let ack = ann_at_heir.hears_ack_of("late-1");
    assert!(ack["error"].is_null(), "{ack}");
    assert_eq!(at_heir.hears_push()["messageId"], ack["messageId"]);
    // Until its store has answered again, it would say that it is in trouble, and not whose the mesh is.
    ground.becomes(200, PATIENCE);
    let refused = Peer::joins(ground.town.port, &ann).unwrap_err();
    assert!(is_not_owner(&refused), "{refused:?}");
}

#[test]
fn a_killed_owner_that_starts_again_owns_its_meshes_at_once() {
    let ground = Ground::new();
    let broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    let (_other, _proxy, _broker_b) = ground.serve_another();
    broker.kill();
    let _broker = ground.start(&ground.town, &[]);
    let mut recipient = Peer::joins_within(SUCCESSION, ground.town.port, &bob);
    assert_eq!(recipient.hears_push()["messageId"], ack["messageId"]);
}

#[test]
fn a_broker_that_ends_in_good_order_leaves_its_meshes_to_the_other_at_once() {
    let ground = Ground::new();
    let mut broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    let (other, _proxy, _broker_b) = ground.serve_another();
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(PATIENCE).code(), Some(0));
    let mut recipient = Peer::joins_within(SUCCESSION, other.port, &bob);
    assert_eq!(recipient.hears_push()["messageId"], ack["messageId"]);
}

#[test]
fn an_owner_that_is_gone_for_good_is_succeeded_by_the_other() {
    let ground = Ground::new();
    let broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    let ack = sender.hears_ack_of("soup-1");
    let (other, _proxy, _broker_b) = ground.serve_another();
    broker.kill();
    let mut recipient = Peer::joins_within(TAKEOVER, other.port, &bob);
    assert_eq!(recipient.hears_push()["messageId"], ack["messageId"]);
}
