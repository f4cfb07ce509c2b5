//! The power fails on a daemon's host: of what was written and not synced, any part may be there.

use std::fs;
use std::path::Path;

use peermesh_core::rng::Rng;
use peermesh_core::store::{InRow, InboxOp, InboxQuery, OutStatus, OutboxOp, OutboxQuery};
use tempfile::TempDir;

use super::super::tests::memory_dir;
use super::super::tests::power::{PAGE_BYTES, SECTOR_BYTES, mixed};
use super::tests::{in_row, out_row};
use super::*;

/// Commits to each file in one life, and pages of log after which they are carried over to the file.
const COMMITS: u64 = 30;
const CHECKPOINT_PAGES: i64 = 8;
/// Images of each commit.
const IMAGES: u32 = 3;

/// One of the files.
#[derive(Clone, Copy, Debug)]
enum Side {
    Outbox,
    Inbox,
}

impl Side {
    fn name(self) -> &'static str {
        match self {
            Side::Outbox => "outbox.db",
            Side::Inbox => "inbox.db",
        }
    }

    /// What a program was told to be queued, or a broker to be delivered.
    fn op(self, at: u64) -> Op {
        Op::Daemon(match self {
            Side::Outbox => DaemonOp::Outbox(OutboxOp::Enqueue(Box::new(out_row(at)))),
            Side::Inbox => {
                let row = InRow { client_message_id: format!("k{at}").into(), ..in_row(at) };
                DaemonOp::Inbox(InboxOp::Receive(Box::new(row)))
            }
        })
    }

    /// How many rows a store has that starts from this file and its log.
    fn rows(self, image: &Image) -> usize {
        let dir = memory_dir();
        for (end, bytes) in [("", &image.file), ("-wal", &image.log)] {
            fs::write(dir.path().join(format!("{}{end}", self.name())), bytes).unwrap();
        }
        let mut store = open_daemon(dir.path(), 0).unwrap();
        assert_eq!(store.set_aside, None, "{self:?}: the loss of power is no damage");
        let query = match self {
            Side::Outbox => {
                DaemonQuery::Outbox(OutboxQuery::List { status: Some(OutStatus::Pending), limit: 1_000 })
            }
            Side::Inbox => DaemonQuery::Inbox(InboxQuery::List { sifting: everything(), limit: 1_000 }),
        };
        match store.writer.read(&Query::Daemon(query)).unwrap() {
            Answer::Found(found) => match *found {
                Found::Daemon(DaemonFound::Out(rows)) => rows.len(),
                Found::Daemon(DaemonFound::In(rows)) => rows.len(),
                found => panic!("{found:?}"),
            },
            Answer::Replies(replies) => panic!("{replies:?}"),
        }
    }
}

fn everything() -> peermesh_core::store::Sifting {
    peermesh_core::store::Sifting::all(peermesh_core::store::Reader::Host)
}

/// A file and its log at one moment.
struct Image {
    file: Vec<u8>,
    log: Vec<u8>,
}

fn image(dir: &Path, side: Side) -> Image {
    let read = |end: &str| fs::read(dir.join(format!("{}{end}", side.name()))).unwrap_or_default();
    Image { file: read(""), log: read("-wal") }
}

/// A log as it is before its frames are written: one that begins anew has its head synced by then, so that no
/// frame of its former life counts.
fn begun(before: &[u8], after: &[u8]) -> Vec<u8> {
    const HEAD_BYTES: usize = 32;
    let mut begun = before.to_vec();
    if let (Some(had), Some(has)) = (begun.get_mut(..HEAD_BYTES), after.get(..HEAD_BYTES)) {
        had.copy_from_slice(has);
    }
    begun
}

/// The files of a daemon that carry their logs over often.
fn files(dir: &TempDir) -> Files {
    let migrate_outbox = |conn: &mut Connection| text_of(migrations::outbox().run(conn));
    let migrate_inbox = |conn: &mut Connection| text_of(migrations::inbox().run(conn));
    let outbox = prepare(&dir.path().join("outbox.db"), &migrate_outbox).unwrap();
    let inbox = prepare(&dir.path().join("inbox.db"), &migrate_inbox).unwrap();
    for conn in [&outbox, &inbox] {
        // The settings that these images stand for: the log is synced before a commit is told.
        let full: i64 = conn.query_row("PRAGMA synchronous", (), |row| row.get(0)).unwrap();
        assert_eq!(full, 2);
        conn.pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).unwrap();
    }
    Files { outbox, inbox, distrust: Distrust::default() }
}

#[test]
fn f_dmn_05_what_was_told_to_be_queued_or_delivered_survives_the_loss_of_power_at_any_moment() {
    for side in [Side::Outbox, Side::Inbox] {
        let dir = memory_dir();
        let mut store = files(&dir);
        let mut rng = Rng::from_seed([37; 32]);
        let (mut before, mut carried) = (image(dir.path(), side), 0);
        for commit in 1..=COMMITS {
            let result = store.write(&[Arc::new(Batch::from(vec![side.op(commit)]))]).remove(0);
            assert!(matches!(result, Ok(Answer::Replies(_))), "{result:?}");
            let after = image(dir.path(), side);
            carried += u32::from(after.file != before.file);
            let whole = usize::try_from(commit).unwrap();
            for _ in 0..IMAGES {
                // Until the log is synced nothing is told: the row may be there or not.
                let log = mixed(&mut rng, SECTOR_BYTES, &begun(&before.log, &after.log), &after.log);
                let found = side.rows(&Image { file: before.file.clone(), log });
                assert!(found == whole || found == whole - 1, "{side:?}: {found} within commit {commit}");
                // Afterwards the file may be in the middle of taking it over.
                let file = mixed(&mut rng, PAGE_BYTES, &before.file, &after.file);
                let found = side.rows(&Image { file, log: after.log.clone() });
                assert_eq!(found, whole, "{side:?}: after commit {commit}");
            }
            before = after;
        }
        assert!(carried > 2, "{side:?}: the log was carried over {carried} times only");
    }
}

#[test]
fn f_dmn_08_the_room_of_an_inbox_grows_with_what_comes_and_comes_back_with_what_goes() {
    let dir = memory_dir();
    let mut store = open_daemon(dir.path(), 0).unwrap().writer;
    let room = |store: &mut dyn Driver| {
        let found = store.read(&Query::Daemon(DaemonQuery::Inbox(InboxQuery::Room)));
        match found.unwrap() {
            Answer::Found(found) => match *found {
                Found::Daemon(DaemonFound::Room { bytes }) => bytes,
                found => panic!("{found:?}"),
            },
            Answer::Replies(replies) => panic!("{replies:?}"),
        }
    };
    let write = |store: &mut dyn Driver, op: InboxOp| {
        let batch = Batch::from(vec![Op::Daemon(DaemonOp::Inbox(op))]);
        assert!(store.write(&[Arc::new(batch)]).remove(0).is_ok());
    };
    let empty = room(&mut *store);
    for at in 0..200 {
        let body = Some("x".repeat(10_000).into());
        let row = InRow { client_message_id: format!("k{at}").into(), body, ..in_row(at) };
        write(&mut *store, InboxOp::Receive(Box::new(row)));
    }
    let full = room(&mut *store);
    assert!(full > empty + 2_000_000, "{empty}, {full}");
    write(&mut *store, InboxOp::Remove { sifting: everything(), ids: None });
    assert!(room(&mut *store) < empty + 100_000, "{}", room(&mut *store));
}
