//! Outcomes that the database does not tell, and a database that tells them late.

use std::thread;
use std::time::Duration;

use peermesh_conformance::proxy::Point;

use crate::ground::{Ground, WRITE, health};
use crate::peer::{Identity, Peer, Said};
use crate::post::{Recipient, sends_all};
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
    held.wait_for_answer();
    assert!(recipient.hears_no_push_for(Duration::from_millis(500)));
    assert_eq!(push["messageId"], ack["messageId"]);
    assert_eq!(ground.stored("soup"), 1);
}

/// Transactions that push each other aside are the database's own business.
#[test]
fn f_sto_13_a_write_that_another_pushed_aside_is_tried_again_a_few_times() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    // What a sequence has given is not taken back with the transaction.
    let collide = "CREATE SEQUENCE public.tries;
        CREATE FUNCTION public.collide() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF nextval('public.tries') <= (SELECT n FROM public.collisions) THEN
                RAISE serialization_failure; END IF; RETURN NULL; END $$;
        CREATE TABLE public.collisions AS SELECT 3 AS n;
        CREATE TRIGGER collide AFTER INSERT ON mesh.message
            FOR EACH STATEMENT EXECUTE FUNCTION public.collide()";
    let mut database = ground.database.client();
    database.batch_execute(collide).unwrap();
    let mut sender = Peer::joins(ground.town.port, &ann).unwrap();
    sender.sends(&bob.pubkey, "soup-1", "soup?");
    assert!(sender.hears_ack_of("soup-1")["error"].is_null(), "three are within the tries");
    database.batch_execute("UPDATE public.collisions SET n = 1000000").unwrap();
    sender.sends(&bob.pubkey, "soup-2", "soup?");
    let refusal = sender.hears_ack_of("soup-2");
    assert!(refusal["error"].as_str().unwrap_or_default().starts_with("retry: "), "{refusal}");
    let tries: i64 = database.query_one("SELECT last_value FROM public.tries", &[]).unwrap().get(0);
    assert!((6..=30).contains(&tries), "{tries} tries");
    database.batch_execute("UPDATE public.collisions SET n = 0").unwrap();
    sender.sends(&bob.pubkey, "soup-2", "soup?");
    assert!(sender.hears_ack_of("soup-2")["error"].is_null());
    assert_eq!(ground.stored("soup"), 2);
}

/// Every call and every answer takes a while, as it would to another city.
#[test]
fn f_sto_12_a_store_that_is_far_away_makes_slow_and_true_acks() {
    const ONE_WAY: Duration = Duration::from_millis(60);
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    ground.proxy.delay(ONE_WAY, ONE_WAY);
    all_arrive(&ground, &ann, &bob, 200);
}

/// The disk is busy: a batch takes seconds, and what only reads is answered as ever.
#[test]
fn f_sto_12_a_store_that_commits_slowly_makes_slow_and_true_acks() {
    let ground = Ground::new();
    let _broker = ground.serve();
    let (ann, bob) = ground.settles();
    let slow = "CREATE FUNCTION public.nap() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN PERFORM pg_sleep(2); RETURN NULL; END $$;
        CREATE TRIGGER nap AFTER INSERT ON mesh.message FOR EACH STATEMENT EXECUTE FUNCTION public.nap()";
    ground.database.client().batch_execute(slow).unwrap();
    all_arrive(&ground, &ann, &bob, 100);
}

/// Sends so many messages at once, and waits until each is acknowledged and received; meanwhile the broker
/// must not call its store lost.
fn all_arrive(ground: &Ground, ann: &Identity, bob: &Identity, messages: usize) {
    let port = ground.town.port;
    let recipient = Recipient::starts(port, bob.clone());
    let keys: Vec<String> = (0..messages).map(|number| format!("slow-{number}")).collect();
    let (sender, to) = (ann.clone(), bob.pubkey.clone());
    let sender = thread::spawn(move || sends_all(port, &sender, &to, keys, PATIENCE * 3, |_| ()));
    while !sender.is_finished() {
        assert_eq!(health(port), Some(200), "slow is not down");
        thread::sleep(Duration::from_millis(50));
    }
    let sent = sender.join().unwrap();
    let received = recipient.ends();
    assert_eq!((sent.ids.len(), sent.retries.len()), (messages, 0), "{:?}", sent.retries.first());
    assert_eq!(received.ids, sent.ids);
    assert_eq!(ground.stored("slow"), messages);
}
