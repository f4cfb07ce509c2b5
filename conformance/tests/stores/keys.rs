//! Keys of idempotency: one message each, known for long enough, and what is known with them.

use peermesh_core::ids::MeshNo;
use peermesh_core::store::{Likeness, Outcome, Priority, Reply, Seen, Target};

use crate::desk::{ANN, BOB, Desk, Draft, MESH, each, known};

#[test]
fn f_acc_08_the_same_client_id_twice_has_one_winner_and_both_replies_name_it() {
    each(|desk| {
        let twice = [desk.message(1).client_id("a"), desk.message(2).client_id("a")];
        let replies = desk.writes(twice.map(Draft::op));
        assert_eq!((&replies[0], known(&replies[1])), (&Reply::Inserted, Some(1)));
        assert_eq!(known(&desk.accepts(desk.message(3).client_id("a"))), Some(1));
        assert_eq!(desk.lane(BOB, Priority::Next), [1]);
        assert!(desk.view(2).is_none() && desk.view(3).is_none());
    });
}

#[test]
fn f_acc_09_the_same_client_id_of_another_sender_or_mesh_is_another_key() {
    each(|desk| {
        desk.found_mesh("other");
        assert_eq!(desk.accepts(desk.message(1).client_id("a")), Reply::Inserted);
        assert_eq!(desk.accepts(desk.message(2).client_id("a").from(BOB)), Reply::Inserted);
        assert_eq!(desk.accepts(desk.message(3).client_id("a").in_mesh(MeshNo(2))), Reply::Inserted);
    });
}

#[test]
fn a_message_without_a_client_id_is_never_a_duplicate() {
    each(|desk| {
        assert_eq!(desk.accepts(desk.message(1)), Reply::Inserted);
        assert_eq!(desk.accepts(desk.message(2)), Reply::Inserted);
        assert_eq!(desk.lane(BOB, Priority::Next), [1, 2]);
    });
}

#[test]
fn f_acc_09_a_known_key_tells_what_came_first_and_not_what_came_now() {
    each(|desk| {
        let first = desk.message(1).client_id("a").fingerprint("print").of(Priority::Now);
        let wanted = Seen::of(&first.message);
        desk.accepts(first);
        desk.passes(5);
        let other = desk.message(2).client_id("a").to("*", &[]).sealed_as("other text");
        assert_eq!(desk.accepts(other), Reply::Known(Box::new(wanted.clone())));
        assert_eq!(desk.finds("a"), Reply::Known(Box::new(wanted.clone())));
        assert!(wanted.history_available && wanted.likeness.target == Target::Mailbox(BOB));
        let texts = ["", "na\u{ef}ve \0 text", "'; DROP TABLE message; --"];
        for (place, text) in (10..).zip(texts) {
            let first =
                desk.message(place).client_id(text).sealed_as(text).answers(text).to("@gr\u{f6}up", &[BOB]);
            let wanted = Seen::of(&first.message);
            desk.accepts(first);
            assert_eq!(desk.finds(text), Reply::Known(Box::new(wanted)), "{text:?}");
        }
    });
}

#[test]
fn a_look_sees_what_was_written_before_it_and_nothing_after_it() {
    each(|desk| {
        assert_eq!(desk.finds("a"), Reply::Free);
        let around = [desk.find("b"), desk.message(1).client_id("a").op(), desk.find("a"), desk.find("b")];
        let replies = desk.writes(around);
        assert_eq!((known(&replies[2]), &replies[3]), (Some(1), &Reply::Free));
        let before = [desk.find("c"), desk.message(2).client_id("c").op(), desk.find("c")];
        let replies = desk.writes(before);
        assert_eq!((&replies[0], &replies[1], known(&replies[2])), (&Reply::Free, &Reply::Inserted, Some(2)));
    });
}

#[test]
fn f_aut_09_a_look_finds_nothing_of_another_sender_or_mesh() {
    each(|desk| {
        desk.found_mesh("other");
        desk.accepts(desk.message(1).client_id("a").from(BOB));
        desk.accepts(desk.message(2).client_id("a").in_mesh(MeshNo(2)));
        assert_eq!(desk.finds("a"), Reply::Free);
        assert_eq!(known(&desk.writes([desk.find_of(MESH, BOB, "a")])[0]), Some(1));
        assert_eq!(known(&desk.writes([desk.find_of(MeshNo(2), ANN, "a")])[0]), Some(2));
    });
}

#[test]
fn f_acc_13_pruning_takes_old_messages_that_nobody_waits_for_and_frees_their_client_ids() {
    each(|desk| {
        for position in 1..=3 {
            desk.accepts(desk.message(position).client_id(&format!("id-{position}")));
        }
        desk.settles(1, BOB, Outcome::Delivered);
        desk.settles(3, BOB, Outcome::Expired);
        assert_eq!(desk.prunes(desk.now(), 9), 0, "accepted just at the limit is not before it");
        desk.passes(1);
        assert_eq!(desk.prunes(desk.now(), 1), 1);
        assert_eq!(desk.prunes(desk.now(), 9), 1);
        assert_eq!(desk.prunes(desk.now(), 9), 0);
        assert!(desk.view(1).is_none() && desk.view(3).is_none());
        assert_eq!(desk.lane(BOB, Priority::Next), [2]);
        assert_eq!(desk.accepts(desk.message(4).client_id("id-1")), Reply::Inserted);
        assert_eq!(known(&desk.accepts(desk.message(5).client_id("id-2"))), Some(2));
        assert!(desk.view(4).unwrap().settled.is_empty());
    });
}

#[test]
fn f_acc_13_a_key_outlives_its_message_until_its_own_time_is_over() {
    each(|desk| {
        let start = desk.now();
        let first = desk.message(1).client_id("a").fingerprint("print").to("@ops", &[BOB]);
        let likeness = Likeness::of(&first.message);
        let gone = Seen { history_available: false, ..Seen::of(&first.message) };
        desk.writes([first.op(), desk.message(2).op()]);
        desk.settles(1, BOB, Outcome::Delivered);
        desk.settles(2, BOB, Outcome::Delivered);
        desk.passes(100);
        assert_eq!(desk.prunes_keys(desk.now(), start, 9), 2);
        assert!(desk.view(1).is_none() && desk.view(2).is_none(), "neither is kept as a message");
        assert_eq!(desk.finds("a"), Reply::Known(Box::new(gone.clone())));
        assert_eq!(desk.accepts(desk.message(3).client_id("a")), Reply::Known(Box::new(gone)));
        assert!(desk.view(3).is_none() && !likeness.is_same_request(&Likeness::of(&desk.message(3).message)));
        assert_eq!(desk.prunes_keys(desk.now(), start, 9), 0, "its own time is not over");
        assert_eq!(desk.prunes_keys(start, desk.now(), 9), 1);
        assert_eq!(desk.finds("a"), Reply::Free);
        assert_eq!(desk.accepts(desk.message(4).client_id("a")), Reply::Inserted);
    });
}

#[test]
fn f_acc_13_a_key_stays_known_for_as_long_as_its_message_is_kept() {
    each(|desk| {
        desk.accepts(desk.message(1).client_id("waits"));
        desk.accepts(desk.message(2).client_id("young"));
        desk.settles(2, BOB, Outcome::Delivered);
        let start = desk.now();
        desk.passes(100);
        // Whatever the time of keys says: one message is still waited for, the other one's time is not over.
        assert_eq!(desk.prunes_keys(start, desk.now(), 9), 0);
        assert_eq!([desk.finds("waits"), desk.finds("young")].map(|reply| known(&reply)), [Some(1), Some(2)]);
        assert_eq!(desk.prunes(desk.now(), 9), 1);
        assert_eq!([desk.finds("waits"), desk.finds("young")].map(|reply| known(&reply)), [Some(1), None]);
    });
}

#[test]
fn f_sto_16_keys_go_a_bounded_page_at_a_time() {
    each(|desk: &mut Desk| {
        let start = desk.now();
        for position in 1..=5 {
            desk.accepts(desk.message(position).client_id(&format!("id-{position}")));
            desk.settles(position, BOB, Outcome::Delivered);
        }
        desk.passes(100);
        assert_eq!(desk.prunes_keys(desk.now(), start, 9), 5);
        assert_eq!([2, 2, 2, 2].map(|limit| desk.prunes_keys(start, desk.now(), limit)), [2, 2, 1, 0]);
    });
}
