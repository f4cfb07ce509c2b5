//! The check whether keys, messages and deliveries agree: it finds what a store has lost, and nothing else.

use std::sync::Arc;

use peermesh_conformance::server::Database;
use peermesh_core::ids::{MeshId, Position};
use peermesh_core::store::model::Model;
use peermesh_core::store::{Batch, CheckPart, CheckPlace, Driver, Found, Outcome, Query, Stray, StrayKind};
use peermesh_store::sqlite::Sqlite;

use crate::beside::{memory_dir, open_postgres, open_sqlite};
use crate::desk::{ANN, BOB, Desk, each, mesh};
use crate::{found, replies};

/// How many rows each part has, and what is wrong with them.
pub(crate) fn check(reader: &mut dyn Driver, limit: u32) -> ([u64; CheckPart::ALL.len()], Vec<Stray>) {
    let mut rows = [0; CheckPart::ALL.len()];
    let mut strays = Vec::new();
    let mut place = Some(CheckPlace::START);
    while let Some(at) = place {
        let Found::Checked(page) = found(reader.read(&Query::Check { at, limit })) else { panic!() };
        rows[at.part as usize] += page.rows;
        strays.extend(page.strays);
        assert!(page.next.is_none_or(|next| next != at), "it goes on");
        place = page.next;
    }
    strays.sort_by_key(|stray| (stray.position, stray.kind));
    (rows, strays)
}

/// Five messages: buried, gone, delivered, to two of whom one has it, without a key.
fn lives(desk: &mut Desk) {
    let start = desk.now();
    desk.accepts(desk.message(2).client_id("buried"));
    desk.settles(2, BOB, Outcome::Delivered);
    desk.passes(100);
    assert_eq!(desk.prunes_keys(desk.now(), start, 9), 1);
    desk.accepts(desk.message(3));
    desk.settles(3, BOB, Outcome::Delivered);
    let then = desk.now();
    desk.passes(100);
    desk.accepts(desk.message(11).client_id("a"));
    desk.settles(11, BOB, Outcome::Delivered);
    desk.accepts(desk.message(12).client_id("b").to("*", &[ANN, BOB]));
    desk.settles(12, BOB, Outcome::Dead);
    desk.accepts(desk.message(13));
    // Nothing is left of the third. In SQLite every delivery that waits stands in its lane from there on.
    assert_eq!(desk.prunes_keys(then.after_millis(1), start, 9), 1);
}

const ROWS: [u64; CheckPart::ALL.len()] = [3, 3, 1, 2, 2];

#[test]
fn a_store_that_lost_nothing_agrees_however_long_its_pages_are() {
    each(|desk| {
        assert_eq!(check(desk.driver(), 9), ([0; 5], Vec::new()), "nothing is nothing");
        lives(desk);
        for limit in [1, 2, 3, 100] {
            assert_eq!(check(desk.driver(), limit), (ROWS, Vec::new()), "{limit} rows a page");
        }
    });
}

/// What a store may lose, and what a check says then, each on top of what was lost before. The first is a
/// key, which SQLite still has among those of the second commit that brought one.
const LOSSES: [(&str, &[(StrayKind, u64)]); 6] = [
    ("DELETE FROM dedupe WHERE pos = 11", &[(StrayKind::MessageWithoutKey, 11)]),
    (
        "DELETE FROM tombstone WHERE pos = 2",
        &[(StrayKind::KeyWithoutMessage, 2), (StrayKind::MessageWithoutKey, 11)],
    ),
    (
        "DELETE FROM pending WHERE pos = 13",
        &[
            (StrayKind::KeyWithoutMessage, 2),
            (StrayKind::MessageWithoutKey, 11),
            (StrayKind::RecipientWithoutFate, 13),
        ],
    ),
    (
        "INSERT INTO settled (pos, mailbox, at, outcome) VALUES (12, 1, 5, 0)",
        &[
            (StrayKind::KeyWithoutMessage, 2),
            (StrayKind::MessageWithoutKey, 11),
            (StrayKind::RecipientWithoutFate, 12),
            (StrayKind::RecipientWithoutFate, 13),
        ],
    ),
    (
        "DELETE FROM message WHERE pos = 11",
        &[
            (StrayKind::KeyWithoutMessage, 2),
            (StrayKind::DeliveryWithoutMessage, 11),
            (StrayKind::RecipientWithoutFate, 12),
            (StrayKind::RecipientWithoutFate, 13),
        ],
    ),
    (
        "DELETE FROM message WHERE pos = 12",
        &[
            (StrayKind::KeyWithoutMessage, 2),
            (StrayKind::DeliveryWithoutMessage, 11),
            (StrayKind::KeyWithoutMessage, 12),
            (StrayKind::DeliveryWithoutMessage, 12),
            (StrayKind::DeliveryWithoutMessage, 12),
            (StrayKind::DeliveryWithoutMessage, 12),
            (StrayKind::RecipientWithoutFate, 13),
        ],
    ),
];

fn loses(desk: &mut Desk, execute: &mut dyn FnMut(&str)) {
    lives(desk);
    for (loss, wanted) in LOSSES {
        execute(loss);
        for limit in [1, 100] {
            let (_, strays) = check(desk.driver(), limit);
            let seen: Vec<_> = strays.iter().map(|stray| (stray.kind, stray.position.0)).collect();
            assert_eq!(seen, wanted, "{loss}");
            // Of a tombstone nothing is left that says whose it was.
            let is_told = |stray: &Stray| stray.mesh == (stray.position.0 > 2).then(|| MeshId::new("1"));
            assert!(strays.iter().all(is_told), "{strays:?}");
        }
    }
}

#[test]
fn what_sqlite_has_lost_is_found() {
    let dir = memory_dir();
    let Sqlite { writer, readers: _readers } = open_sqlite(dir.path());
    let beside = rusqlite::Connection::open(dir.path().join("peermesh.db")).unwrap();
    loses(&mut Desk::furnished(writer), &mut |sql| {
        let sql = match sql {
            _ if sql == LOSSES[0].0 => "DELETE FROM fresh WHERE n = 2",
            _ if sql == LOSSES[3].0 => {
                "INSERT INTO settled (pos, mailbox, deliveries) \
                 VALUES (12, 1, x'0c0000000000000001000000000000000500')"
            }
            _ => sql,
        };
        assert_eq!(beside.execute(sql, ()).unwrap(), 1, "{sql}");
    });
}

#[test]
fn what_postgres_has_lost_is_found() {
    let database = Database::fresh();
    let mut store = open_postgres(&database, "one");
    let mut client = database.client();
    client.batch_execute("SET search_path TO mesh").unwrap();
    loses(&mut Desk::furnished(store.writers.remove(0)), &mut |sql| {
        assert_eq!(client.execute(sql, &[]).unwrap(), 1, "{sql}");
    });
}

#[test]
fn the_model_finds_what_it_was_made_to_lose() {
    let mut model = Model::new([7; 32]);
    let message = Desk::furnished(Box::new(Model::new([7; 32]))).message(5).client_id("a");
    replies(&mut model, &[Arc::new(Batch::from(vec![mesh("1", "kitchen"), message.op()]))]);
    model.lose(Position(5));
    let kinds: Vec<_> = check(&mut model, 10).1.into_iter().map(|stray| stray.kind).collect();
    assert_eq!(kinds, [StrayKind::KeyWithoutMessage, StrayKind::DeliveryWithoutMessage]);
}
