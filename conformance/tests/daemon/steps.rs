//! Death at every single step: before each thing that a daemon has done, one after the other, it is killed
//! once.

use peermesh_core::machine::Listener;
use serde_json::json;

use crate::host::Town;
use crate::world::Place;

/// More than any of these takes: a run that is not over by then has not come to its end.
const STEPS_MAX: u32 = 2_000;
/// Texts that are sent.
const TEXTS: [&str; 3] = ["a", "b", "c"];

/// Who dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Mortal {
    Sender,
    Recipient,
    Broker,
}

/// Has programs of ann ask for everything at once while somebody dies before each of its steps in turn, until
/// there is none left. Gives the number of steps.
fn dies_at_every_step(who: Mortal) -> u32 {
    for step in 0..STEPS_MAX {
        let mut town = Town::new();
        let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
        let mortal = match who {
            Mortal::Sender => ann,
            Mortal::Recipient => bob,
            Mortal::Broker => town.broker,
        };
        let died = asks_while_it_dies(&mut town, ann, mortal, step);
        for (at, text) in TEXTS.iter().enumerate() {
            // A program that heard no answer asks again under the same key.
            let again = town.send(ann, "bob", text, &format!("k{at}"));
            assert!(matches!(again.status, 200 | 202), "step {step}: {again:?}");
        }
        town.world.wait(180_000);
        let mut texts = town.texts(bob, None);
        texts.sort();
        assert_eq!(texts, TEXTS, "step {step}");
        for at in 0..TEXTS.len() {
            assert_eq!(town.status(ann, &format!("k{at}")), "done", "step {step}");
        }
        if !died {
            return step;
        }
    }
    panic!("it does not come to its end");
}

fn asks_while_it_dies(town: &mut Town, ann: Place, mortal: Place, step: u32) -> bool {
    town.world.dies_after(mortal, Some(step));
    for (at, text) in TEXTS.iter().enumerate() {
        let body = json!({ "to": "bob", "message": text, "client_message_id": format!("k{at}") });
        town.begins(ann, Listener::Local, "POST", "/v1/send", &[], Some(&body));
    }
    town.world.wait(5_000);
    let died = town.world.is_over(mortal);
    town.world.dies_after(mortal, None);
    if died {
        town.world.start(mortal);
    }
    // Whoever has to, greets again, and knows who is there.
    town.world.wait(60_000);
    town.awaits_open(ann);
    died
}

#[test]
fn f_dmn_01_a_sender_that_dies_at_any_step_from_request_to_answer_loses_and_doubles_nothing() {
    let steps = dies_at_every_step(Mortal::Sender);
    // Three rows are looked up, written, marked, sent and settled, and three requests are answered.
    assert!(steps >= 18, "{steps}");
}

#[test]
fn f_dmn_04_a_recipient_that_dies_at_any_step_from_push_to_acknowledgement_loses_and_doubles_nothing() {
    let steps = dies_at_every_step(Mortal::Recipient);
    assert!(steps >= 6, "{steps}");
}

#[test]
fn f_dmn_03_a_broker_that_dies_at_any_step_between_them_loses_and_doubles_nothing() {
    let steps = dies_at_every_step(Mortal::Broker);
    assert!(steps >= 9, "{steps}");
}

#[test]
fn f_dmn_04_what_was_said_to_be_seen_stays_so_whatever_step_it_dies_before() {
    for step in 0..STEPS_MAX {
        let mut town = Town::new();
        let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
        town.send(ann, "bob", "a", "k0");
        town.world.wait(1_000);
        let ids = json!({ "ids": [town.inbox(bob, None)[0]["id"]] });
        town.world.dies_after(bob, Some(step));
        let asked = town.begins(bob, Listener::Local, "POST", "/v1/inbox/seen", &[], Some(&ids));
        town.world.wait(1_000);
        let was_told = town.world.read(asked).0.starts_with(b"HTTP/1.1 200 ");
        let died = town.world.is_over(bob);
        town.world.dies_after(bob, None);
        if died {
            town.world.start(bob);
            town.world.wait(180_000);
        }
        let rows = town.inbox(bob, None);
        assert_eq!((rows.len(), &rows[0]["body"]), (1, &json!("a")), "step {step}");
        assert!(!was_told || rows[0]["seen_at"].is_string(), "step {step}");
        if !died {
            assert!(was_told && step >= 2, "{step}");
            return;
        }
    }
    panic!("it does not come to its end");
}
