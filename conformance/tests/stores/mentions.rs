//! Mentions: kept and found with their messages, one range of positions a member.

use peermesh_core::ids::{MailboxNo, Position};
use peermesh_core::store::{Found, MentionRow, Op, Outcome, Priority, Query, Reply, Target};

use crate::desk::{ANN, BOB, Desk, MESH, each};

/// The positions of a page of a member's mentions.
fn page(desk: &mut Desk, member: MailboxNo, after: u64, limit: u32) -> Vec<u64> {
    rows(desk, member, after, limit).iter().map(|row| row.position.0).collect()
}

fn rows(desk: &mut Desk, member: MailboxNo, after: u64, limit: u32) -> Vec<MentionRow> {
    match desk.asks(&Query::Mentions { member, after: Position(after), limit }) {
        Found::Mentions(rows) => rows,
        other => panic!("{other:?}"),
    }
}

#[test]
fn f_dos_04_a_members_mentions_are_read_in_order_and_in_pages_and_nobody_elses_are_among_them() {
    each(|desk| {
        for position in [4, 1, 3] {
            desk.accepts(desk.message(position).mentioning(&[BOB]));
        }
        desk.accepts(desk.message(2).mentioning(&[ANN]));
        desk.accepts(desk.message(5).mentioning(&[ANN, BOB]));
        desk.accepts(desk.message(6));
        assert_eq!(page(desk, BOB, 0, 2), [1, 3]);
        assert_eq!(page(desk, BOB, 3, 2), [4, 5]);
        assert!(page(desk, BOB, 5, 2).is_empty());
        assert_eq!(page(desk, ANN, 0, 99), [2, 5]);
        assert!(page(desk, MailboxNo(9), 0, 99).is_empty());
    });
}

#[test]
fn a_mention_tells_of_its_message_what_was_not_sealed() {
    each(|desk| {
        let draft = desk.message(1).of(Priority::Now).to("@cooks", &[ANN]).mentioning(&[BOB]);
        desk.accepts(draft);
        let row = MentionRow {
            position: Position(1),
            at: desk.now(),
            mesh: MESH,
            sender: ANN,
            session: ANN,
            priority: Priority::Now,
            target: Target::Spec("@cooks".into()),
        };
        assert_eq!(rows(desk, BOB, 0, 9), [row]);
    });
}

#[test]
fn f_acc_07_a_resend_and_a_repeated_write_mention_nobody_again() {
    each(|desk| {
        desk.accepts(desk.message(1).client_id("a").mentioning(&[BOB]));
        // The same write again, and the key again with other mentions.
        desk.accepts(desk.message(1).client_id("a").mentioning(&[BOB]));
        let again = desk.accepts(desk.message(2).client_id("a").mentioning(&[ANN, BOB]));
        assert!(matches!(again, Reply::Known(_)), "{again:?}");
        assert_eq!((page(desk, BOB, 0, 9), page(desk, ANN, 0, 9)), (vec![1], vec![]));
        let both = [desk.message(3).client_id("b"), desk.message(4).client_id("b")];
        desk.writes(both.map(|draft| draft.mentioning(&[ANN]).op()));
        assert_eq!(page(desk, ANN, 0, 9), [3], "of two under one key in one batch, the first");
    });
}

#[test]
fn a_mention_goes_with_its_message_and_does_not_come_back() {
    each(|desk| {
        for (position, id) in [(1, "a"), (2, "b")] {
            desk.accepts(desk.message(position).client_id(id).mentioning(&[ANN, BOB]));
        }
        desk.settles(1, BOB, Outcome::Delivered);
        desk.passes(10);
        let (now, long_ago) = (desk.now(), desk.now().before_millis(1_000));
        assert_eq!(desk.prunes_keys(now, long_ago, 9), 1, "the other one is still waited for");
        assert_eq!((page(desk, ANN, 0, 9), page(desk, BOB, 0, 9)), (vec![2], vec![2]));
        // The write whose tombstone is left, once more.
        desk.accepts(desk.message(1).client_id("a").mentioning(&[ANN, BOB]));
        assert_eq!(page(desk, ANN, 0, 9), [2]);
    });
}

#[test]
fn f_aut_03_a_proof_serves_one_request_however_often_that_is_written() {
    each(|desk| {
        let until = desk.now().after_millis(500);
        let prove = |proof: u8, by| Op::Prove { proof: [proof; 32], by, until };
        assert_eq!(desk.writes([prove(1, u64::MAX), prove(1, u64::MAX)]), [Reply::Done, Reply::Done]);
        assert_eq!(desk.writes([prove(1, 2), prove(2, 2)]), [Reply::Replayed, Reply::Done]);
        // Hellos and requests share one record.
        assert_eq!(desk.writes([desk.hello(ANN, 1, None)]), [Reply::Replayed]);
        assert_eq!(desk.writes([desk.hello(ANN, 3, None), prove(3, 7)])[1], Reply::Replayed);
        desk.passes(501);
        assert_eq!(desk.prunes(desk.now(), 9), 3, "they are forgotten when a copy would be stale");
    });
}

#[test]
fn a_delivery_that_ended_because_its_recipient_was_removed_is_told_from_one_nobody_took() {
    each(|desk| {
        desk.accepts(desk.message(1).to("*", &[ANN, BOB]));
        desk.settles(1, ANN, Outcome::Dead);
        desk.settles(1, BOB, Outcome::Removed);
        let wanted = [(ANN, desk.now(), Outcome::Dead), (BOB, desk.now(), Outcome::Removed)];
        assert_eq!(desk.view(1).unwrap().settled, wanted);
    });
}
