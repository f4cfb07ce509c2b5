//! What a message costs the database, counted where it passes.

use crate::ground::{Ground, WRITE};
use crate::peer::Peer;
use crate::post::sends_all;
use crate::town::PATIENCE;

#[test]
fn a_message_that_comes_alone_is_one_call_which_commits_by_itself() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "first-1", "soup?");
    sender.hears_ack_of("first-1");
    ground.proxy.count_anew();
    for number in 0..10 {
        let key = format!("soup-{number}");
        sender.sends(&bob.pubkey, &key, "soup?");
        sender.hears_ack_of(&key);
    }
    let counts = ground.proxy.counts();
    assert_eq!(counts.calls_of(WRITE), 10, "{counts:?}");
    assert_eq!(counts.calls_of("BEGIN") + counts.calls_of("COMMIT"), 0, "{counts:?}");
}

#[test]
fn messages_that_come_together_share_a_call_and_a_round_trip() {
    const MESSAGES: usize = 1_000;
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let keys = |word: &str| (0..MESSAGES).map(|number| format!("{word}-{number}")).collect::<Vec<_>>();
    let send = |word| sends_all(ground.town.port, &ann, &bob.pubkey, keys(word), PATIENCE, |_| ());
    // The first ones make connections and prepare statements on them.
    send("first");
    ground.proxy.count_anew();
    let sent = send("then");
    assert_eq!((sent.ids.len(), ground.stored("then")), (MESSAGES, MESSAGES));
    let counts = ground.proxy.counts();
    let calls: u64 = counts.calls.values().sum();
    assert!(counts.calls_of(WRITE) * 4 <= MESSAGES as u64, "{counts:?}");
    assert_eq!(counts.calls_of("BEGIN") + counts.calls_of("COMMIT"), 0, "{counts:?}");
    // A connection that is made meanwhile prepares its own.
    assert!(counts.round_trips <= calls + 8, "{} for {calls} calls", counts.round_trips);
}
