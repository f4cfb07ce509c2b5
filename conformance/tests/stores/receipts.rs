//! Chains of receipts: the same for every store.

use peermesh_core::ids::{MeshNo, PublicKey};
use peermesh_core::store::{
    Accepted, CHAIN_START, Op, Outcome, RUN_MAX, ReceiptRow, Reply, Seen, SignerRow, link,
};

use crate::desk::{BOB, Desk, chain_draft, each};

#[test]
fn receipts_of_a_mesh_are_numbered_from_one_and_each_follows_the_one_before() {
    each(|desk| {
        desk.found_mesh("other");
        let one = receipt(desk.accepts(desk.message(1).client_id("a").receipted("one")));
        assert_eq!(desk.accepts(desk.message(2).client_id("b")), Reply::Inserted, "it did not ask");
        let other = desk.message(3).client_id("a").in_mesh(MeshNo(2)).receipted("elsewhere");
        let other = receipt(desk.accepts(other));
        let two = receipt(desk.accepts(desk.message(4).client_id("c").receipted("two")));
        assert_eq!((one.sequence, two.sequence, other.sequence), (1, 2, 1));
        assert_eq!((one.previous, other.previous), (CHAIN_START, CHAIN_START));
        assert_eq!(two.previous, one.end, "alone in their commits, so each is signed by itself");
        assert_eq!(one.end, link(&CHAIN_START, &chain_draft("one").head, 1));
        assert_eq!(two.end, link(&one.end, &chain_draft("two").head, 2));
        assert_eq!((&one.content, one.epoch), (&chain_draft("one").content, chain_draft("one").epoch));
    });
}

#[test]
fn receipts_of_one_commit_share_its_end_in_the_order_of_positions() {
    each(|desk| {
        let ops = [3, 1, 2].map(|position| {
            desk.message(position).client_id(&position.to_string()).receipted(&position.to_string()).op()
        });
        let rows = desk.writes(ops).into_iter().map(receipt).collect::<Vec<_>>();
        assert_eq!(rows.iter().map(|row| row.sequence).collect::<Vec<_>>(), [3, 1, 2]);
        let hash = |position: u64| chain_draft(&position.to_string()).hash;
        assert_eq!(rows[1].path, [hash(2), hash(3)]);
        assert_eq!((&rows[2].path, &rows[0].path), (&vec![hash(3)], &vec![]));
        assert!(rows.iter().all(|row| row.end == rows[0].end));
        assert_eq!(rows[0].end, link(&rows[0].previous, &chain_draft("3").head, 3));
    });
}

#[test]
fn what_a_receipt_says_is_kept_byte_by_byte() {
    each(|desk| {
        // In canonical JSON a zero byte is an escape, which a database must not take for its own.
        let odd = r#"\u0000 " \ ü ␀ 😀 \\n"#;
        let draft = chain_draft(odd);
        let row = receipt(desk.accepts(desk.message(1).client_id("a\0b").receipted(odd)));
        assert_eq!((&row.content, row.end), (&draft.content, link(&CHAIN_START, &draft.head, 1)));
        let Reply::Known(seen) = desk.finds("a\0b") else { panic!("it is not known") };
        assert_eq!(seen.receipt.as_deref(), Some(&row));
    });
}

#[test]
fn a_long_commit_is_signed_in_runs() {
    each(|desk| {
        let count = RUN_MAX + 2;
        let op = |position: u64| {
            desk.message(position).client_id(&position.to_string()).receipted(&position.to_string()).op()
        };
        let ops: Vec<Op> = (1..=count).map(op).collect();
        let rows: Vec<ReceiptRow> = desk.writes_all(ops).into_iter().map(receipt).collect();
        let ends: Vec<u64> = rows.iter().map(ReceiptRow::end_sequence).collect();
        assert!(ends[..64].iter().all(|end| *end == RUN_MAX) && ends[64..] == [count, count], "{ends:?}");
        assert_eq!(rows[64].previous, rows[0].end);
    });
}

#[test]
fn a_write_that_is_run_again_and_a_key_that_is_sent_again_tell_the_same_receipt() {
    each(|desk| {
        let both = |desk: &Desk| {
            [("a", 1), ("b", 2)].map(|(id, at)| desk.message(at).client_id(id).receipted(id).op())
        };
        let first = desk.writes(both(desk));
        assert_eq!(desk.writes(both(desk)), first);
        let rows: Vec<ReceiptRow> = first.into_iter().map(receipt).collect();
        // Something follows it in the chain meanwhile.
        desk.accepts(desk.message(3).client_id("c").receipted("c"));
        let known = |reply: Reply| match reply {
            Reply::Known(seen) => seen.receipt.map(|row| *row),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            known(desk.accepts(desk.message(4).client_id("a").receipted("new"))),
            Some(rows[0].clone())
        );
        assert_eq!(known(desk.accepts(desk.message(5).client_id("b"))), Some(rows[1].clone()));
        assert_eq!(known(desk.finds("a")), Some(rows[0].clone()));
        desk.accepts(desk.message(6).client_id("d"));
        assert_eq!(known(desk.accepts(desk.message(7).client_id("d").receipted("late"))), None);
        let next = receipt(desk.accepts(desk.message(8).client_id("e").receipted("e")));
        assert_eq!(next.sequence, 4, "what was not accepted takes no number");
    });
}

#[test]
fn a_receipt_outlives_its_message_and_the_chain_outlives_its_receipts() {
    each(|desk| {
        let start = desk.now();
        let ops = ["a", "b"].map(|id| {
            let position = if id == "a" { 1 } else { 2 };
            desk.message(position).client_id(id).receipted(id).op()
        });
        let rows: Vec<ReceiptRow> = desk.writes(ops).into_iter().map(receipt).collect();
        desk.settles(1, BOB, Outcome::Delivered);
        desk.passes(100);
        // The first one goes with its key, and stays told while the other one, which shares its end, waits.
        assert_eq!(desk.prunes_keys(desk.now(), start, 9), 1);
        let seen = |desk: &mut Desk, id: &str| match desk.finds(id) {
            Reply::Known(seen) => *seen,
            other => panic!("{other:?}"),
        };
        let Seen { receipt: of_a, history_available, .. } = seen(desk, "a");
        assert_eq!((of_a.as_deref(), history_available), (Some(&rows[0]), false));
        assert_eq!(desk.prunes_keys(desk.now(), desk.now(), 9), 1);
        assert_eq!(desk.finds("a"), Reply::Free);
        assert_eq!(seen(desk, "b").receipt.as_deref(), Some(&rows[1]), "all of its path is there");
        desk.settles(2, BOB, Outcome::Delivered);
        assert_eq!(desk.prunes(desk.now(), 9), 1);
        let next = receipt(desk.accepts(desk.message(3).client_id("a").receipted("c")));
        assert_eq!((next.sequence, next.previous), (3, rows[1].end));
    });
}

#[test]
fn the_key_that_was_kept_first_stays() {
    each(|desk| {
        let row = |n: u8| Box::new(SignerRow { public: PublicKey([n; 32]), sealed: vec![n; 5] });
        let first = Reply::Signer(row(1));
        assert_eq!(
            desk.writes([Op::KeepSigner(row(1)), Op::KeepSigner(row(2))]),
            [first.clone(), first.clone()]
        );
        assert_eq!(desk.writes([Op::KeepSigner(row(3))]), [first]);
    });
}

fn receipt(reply: Reply) -> ReceiptRow {
    match reply {
        Reply::Accepted(Accepted { receipt: Some(row), .. }) => *row,
        other => panic!("{other:?}"),
    }
}
