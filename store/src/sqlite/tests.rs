//! What only SQLite can do wrong: the file, the lock, the log, room, and the dedupe hash.

mod arrivals;
mod checkpoint;
mod filter;
mod fresh;
pub(super) mod power;
mod settled;
mod statements;

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::rng::Rng;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Accept, Answer, Batch, Driver, Found, Message, Op, Outcome, Priority, Query, Reply, Settled, StoreError,
    Target,
};
use peermesh_core::time::Wall;
use tempfile::TempDir;

use super::open::{cannot_open, check_library, open_parts};
use super::trouble::Trouble;
use super::write::Writer;
use super::*;
use crate::rows::DedupeKeys;

#[test]
fn f_sto_05_the_first_opener_keeps_the_lock_until_its_writer_is_dropped() {
    let dir = TempDir::new().unwrap();
    let first = open(dir.path(), 1).unwrap();
    let refused = open(dir.path(), 0).unwrap_err().to_string();
    let pid = std::process::id();
    let lock = dir.path().canonicalize().unwrap().join("lock");
    assert!(
        refused.contains(&format!("(pid {pid})")) && refused.contains(lock.to_str().unwrap()),
        "{refused}"
    );
    let Sqlite { writer, readers } = first;
    drop(writer);
    open(dir.path(), 0).unwrap();
    drop(readers);
}

#[test]
fn f_sto_06_a_library_that_is_too_old_is_refused() {
    let refused = check_library(3_051_002).unwrap_err().to_string();
    assert_eq!(refused, "SQLite 3.51.2 can damage its log; build peermesh with SQLite 3.51.3 or newer");
    check_library(3_051_003).unwrap();
    check_library(rusqlite::version_number()).unwrap();
}

#[test]
fn f_sto_06_a_directory_that_is_missing_or_no_directory_is_refused() {
    let dir = TempDir::new().unwrap();
    let missing = dir.path().join("nowhere");
    let refused = open(&missing, 0).unwrap_err();
    assert!(matches!(refused, OpenError::Missing { .. }), "{refused}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let refused = open(&file, 0).unwrap_err();
    assert!(matches!(refused, OpenError::Io { .. }), "{refused}");
}

#[test]
fn f_sto_06_what_cannot_be_written_is_named_with_a_way_out() {
    for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem] {
        let refused = cannot_open(Path::new("/data/lock"), kind.into());
        assert!(matches!(refused, OpenError::ReadOnly { .. }), "{refused}");
        assert!(refused.to_string().contains("/data/lock cannot be written"), "{refused}");
    }
    assert!(matches!(cannot_open(Path::new("x"), io::ErrorKind::Other.into()), OpenError::Io { .. }));
}

#[test]
fn f_sto_15_a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path(), 0).unwrap());
    let conn = rusqlite::Connection::open(dir.path().join("peermesh.db")).unwrap();
    let newer = "INSERT INTO refinery_schema_history VALUES (99, 'later', '2031-01-01T00:00:00Z', '1')";
    conn.execute(newer, ()).unwrap();
    let refused = open(dir.path(), 0).unwrap_err();
    assert!(matches!(refused, OpenError::NewerSchema { found: 99, known: 10, .. }), "{refused}");
    conn.execute("DELETE FROM refinery_schema_history WHERE version = 99", ()).unwrap();
    drop(conn);
    open(dir.path(), 0).unwrap();
}

#[test]
fn f_sto_04_a_file_that_is_no_database_is_refused_by_name_with_a_way_out() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("peermesh.db");
    fs::write(&file, "this was a shopping list, and it was a long one: ".repeat(100)).unwrap();
    let refused = open(dir.path(), 0).unwrap_err();
    assert!(matches!(refused, OpenError::Corrupt { .. }), "{refused}");
    let text = refused.to_string();
    assert!(text.contains("peermesh.db is damaged") && text.contains(".recover"), "{text}");
}

#[test]
fn f_sto_04_a_damaged_page_is_noticed_when_it_is_read() {
    let dir = TempDir::new().unwrap();
    drop(open(dir.path(), 0).unwrap());
    let file = dir.path().join("peermesh.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[4_096..].fill(0xA5);
    fs::write(&file, &bytes).unwrap();
    let seen = open(dir.path(), 0).map(|mut store| store.writer.read(&Query::Ping { hold_ms: 0 }));
    match seen {
        Ok(answer) => assert!(matches!(answer, Err(StoreError::Corrupt(_))), "{answer:?}"),
        Err(refused) => assert!(refused.to_string().contains("damaged"), "{refused}"),
    }
}

#[test]
fn the_files_are_for_this_user_only() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), 1).unwrap();
    write_one(&mut *store.writer, accept(1, "a", None)).unwrap();
    let mut seen = 0;
    for entry in fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", entry.file_name());
        seen += 1;
    }
    assert_eq!(seen, 4, "lock, database, log and its index");
}

#[test]
fn the_connections_are_set_up_as_the_measurements_ask() {
    let dir = TempDir::new().unwrap();
    let (writer, _) = parts(dir.path());
    let ask = |pragma: &str| -> String {
        writer
            .conn()
            .query_row(&format!("SELECT CAST({pragma} AS TEXT) FROM pragma_{pragma}"), (), |row| row.get(0))
            .unwrap()
    };
    for (pragma, wanted) in [
        ("page_size", "4096"),
        ("journal_mode", "wal"),
        ("synchronous", "2"),
        ("locking_mode", "normal"),
        ("foreign_keys", "0"),
        ("temp_store", "2"),
        ("cache_size", "-4096"),
    ] {
        assert_eq!(ask(pragma), wanted, "{pragma}");
    }
    let number =
        |pragma: &str| -> i64 { writer.conn().pragma_query_value(None, pragma, |row| row.get(0)).unwrap() };
    assert_eq!(
        (number("wal_autocheckpoint"), number("mmap_size"), number("busy_timeout")),
        (4_000, 0, 5_000)
    );
}

#[test]
fn f_sto_01_when_there_is_no_room_nothing_of_a_batch_is_written_and_later_all_of_it_is() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    let batch: Vec<Op> = (1..=40).map(|n| accept(n, "long", Some("x".repeat(4_000).as_str()))).collect();
    let pages: i64 = writer.conn().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.conn().pragma_update(None, "max_page_count", pages + 8).unwrap();
    assert_eq!(write(&mut writer, batch.clone()), Err(StoreError::Full));
    assert_eq!(depth(&mut writer), 0);
    writer.conn().pragma_update(None, "max_page_count", pages + 800).unwrap();
    write(&mut writer, batch).unwrap();
    assert_eq!(depth(&mut writer), 40);
}

#[test]
fn f_acc_03_a_commit_that_was_cut_off_is_there_as_a_whole_or_not_at_all() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let log = dir.path().join("peermesh.db-wal");
    write(&mut writer, (1..=5).map(|n| accept(n, "a", Some("text"))).collect()).unwrap();
    let stored = fs::read(&log).unwrap().len();
    write(&mut writer, (6..=25).map(|n| accept(n, "a", Some("text"))).collect()).unwrap();
    let log = fs::read(&log).unwrap();
    let file = fs::read(dir.path().join("peermesh.db")).unwrap();
    let depth_after = |log: &[u8]| {
        let image = memory_dir();
        fs::write(image.path().join("peermesh.db"), &file).unwrap();
        fs::write(image.path().join("peermesh.db-wal"), log).unwrap();
        depth(&mut parts(image.path()).0)
    };
    assert_eq!((depth_after(&log[..stored]), depth_after(&log)), (5, 25));
    for cut in (stored..log.len()).step_by(1_031) {
        assert_eq!(depth_after(&log[..cut]), 5, "cut off at {cut} of {}", log.len());
        let mut torn = log.clone();
        torn[cut..].fill(0x5A);
        assert_eq!(depth_after(&torn), 5, "torn at {cut} of {}", log.len());
    }
}

#[test]
fn f_acc_11_a_batch_that_fails_does_not_touch_those_it_was_merged_with() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    let pages: i64 = writer.conn().pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    writer.conn().pragma_update(None, "max_page_count", pages + 8).unwrap();
    let large = (1..=40).map(|n| accept(n, "long", Some("x".repeat(4_000).as_str()))).collect();
    let batches = [vec![accept(50, "a", None)], large, vec![accept(51, "b", None)]];
    let batches = batches.map(|ops| Arc::new(Batch::from(ops)));
    let results = writer.write(&batches);
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(matches!(results[1], Err(StoreError::Full)), "{results:?}");
    assert_eq!(depth(&mut writer), 2);
}

#[test]
fn f_acc_06_a_store_that_another_program_locks_is_unavailable_until_it_lets_go() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    writer.conn().busy_timeout(std::time::Duration::ZERO).unwrap();
    let other = rusqlite::Connection::open(dir.path().join("peermesh.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert!(matches!(write_one(&mut writer, accept(1, "a", None)), Err(StoreError::Unavailable(_))));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(write_one(&mut writer, accept(1, "a", None)), Ok(Reply::Inserted));
}

#[test]
fn f_sto_02_a_writer_that_saw_a_failed_sync_and_its_readers_answer_nothing_more() {
    let dir = TempDir::new().unwrap();
    let (mut writer, distrust) = parts(dir.path());
    write_one(&mut writer, accept(1, "a", None)).unwrap();
    let code = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR_FSYNC);
    distrust.note(&Trouble::Sql(rusqlite::Error::SqliteFailure(code, None)));
    assert!(matches!(write_one(&mut writer, accept(2, "b", None)), Err(StoreError::Corrupt(_))));
    assert!(matches!(writer.read(&Query::Depth), Err(StoreError::Corrupt(_))));
}

#[test]
fn a_reader_sees_what_was_stored_before_it_was_asked_and_does_not_write() {
    let dir = TempDir::new().unwrap();
    let mut store = open(dir.path(), 2).unwrap();
    for n in 1..=3 {
        write_one(&mut *store.writer, accept(n, &format!("{n}"), None)).unwrap();
        assert!(store.readers.iter_mut().all(|reader| depth(&mut **reader) == n));
    }
    let refused = write_one(&mut *store.readers[0], accept(9, "z", None));
    assert!(matches!(refused, Err(StoreError::Unavailable(_))));
}

#[test]
fn a_broken_invariant_is_reported_as_corruption_and_never_passed_over() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    write_one(&mut writer, accept(1, "a", None)).unwrap();
    writer.conn().execute("DELETE FROM message", ()).unwrap();
    let lane =
        Query::Pending { mailbox: MailboxNo(2), priority: Priority::Next, after: Position::ZERO, limit: 9 };
    let overdue = Query::Overdue { before: ALWAYS, now: ALWAYS, after: None, limit: 9 };
    for query in [lane, overdue] {
        assert!(matches!(writer.read(&query), Err(StoreError::Corrupt(_))), "{query:?}");
    }
    assert!(matches!(write_one(&mut writer, accept(2, "a", None)), Err(StoreError::Corrupt(_))));
}

#[test]
fn f_acc_13_client_ids_whose_hashes_collide_are_still_told_apart_and_found_after_others_went() {
    for seed in 0..40 {
        let dir = memory_dir();
        let (mut writer, _) = parts(dir.path());
        writer.keys().hash = DedupeKeys::of_few_bits(&[0; 32], 4);
        // Sometimes all are in memory, sometimes most in the table, sometimes some on their way.
        writer.keys().fresh.set_gathered_max([1, 40, 200][seed as usize % 3]);
        let mut model = Model::new([0; 32]);
        let mut rng = Rng::from_seed([seed; 32]);
        let mut position = 0;
        for _ in 0..30 {
            let batch = Arc::new(Batch::from(crowded(&mut rng, &mut position)));
            let wanted = replies(&mut model, &batch);
            assert_eq!(replies(&mut writer, &batch), wanted, "seed {seed}: {batch:#?}");
            // Half of the lives are led with a filter before the keys.
            if seed % 2 == 0 {
                writer.rest();
            }
        }
    }
}

#[test]
fn f_sto_16_old_messages_are_found_behind_any_number_of_young_ones_of_another_shard() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let lease = || Op::LeasePositions { count: 20_000 };
    write(&mut writer, vec![lease(), lease(), lease()]).unwrap();
    // The first block's shard is slow: its messages are young. The second block was used up long ago.
    let at = |position, millis| settled(accept_at(position, &format!("{position}"), "text", millis));
    for round in 0..10 {
        write(&mut writer, (1..=1_000).flat_map(|n| at(round * 1_000 + n, 9_000)).collect()).unwrap();
    }
    write(&mut writer, [at(20_001, 10), at(20_002, 10), at(20_003, 9_000), at(40_001, 20)].concat()).unwrap();
    let before = Wall::from_millis(1_000);
    let mut prune = |limit| match write_one(&mut writer, prune_all(before, limit)) {
        Ok(Reply::Pruned(pruned)) => pruned.most(),
        other => panic!("{other:?}"),
    };
    assert_eq!([prune(2), prune(2), prune(2)], [2, 1, 0]);
}

#[test]
fn blocks_are_forgotten_with_the_last_of_their_messages() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let lease = || Op::LeasePositions { count: 10 };
    write(&mut writer, vec![lease(), lease(), lease()]).unwrap();
    write(&mut writer, [1, 2, 25].map(|n| settled(accept(n, &format!("{n}"), None))).concat()).unwrap();
    let before = Wall::from_millis(20);
    write_one(&mut writer, prune_all(before, 9)).unwrap();
    let mut blocks = writer.conn().prepare("SELECT first FROM block").unwrap();
    let blocks: Vec<i64> = blocks.query_map((), |row| row.get(0)).unwrap().map(Result::unwrap).collect();
    assert_eq!(blocks, [21]);
}

/// A present that no clock is ahead of.
pub(super) const ALWAYS: Wall = Wall::from_millis(i64::MAX);

/// Removes what is old, keys included.
pub(super) fn prune_all(before: Wall, limit: u32) -> Op {
    Op::Prune { messages_before: before, keys_before: before, proofs_before: before, now: ALWAYS, limit }
}

/// Messages with few client ids, most of which end at once, and now and then the removal of some old ones.
fn crowded(rng: &mut Rng, position: &mut u64) -> Vec<Op> {
    let mut ops = Vec::new();
    for _ in 0..8 {
        *position += 1;
        let id = format!("id-{}", rng.below(60));
        if rng.below(4) == 0 {
            ops.push(find(&id));
        }
        let accept = accept(*position, &id, None);
        ops.extend(if rng.below(4) > 0 { settled(accept) } else { vec![accept] });
    }
    let before = Wall::from_millis(i64::try_from(*position).unwrap());
    let keys_before = before.before_millis(i64::try_from(rng.below(40)).unwrap().cast_unsigned());
    let (messages_before, proofs_before) = (before, before);
    ops.push(Op::Prune { messages_before, keys_before, proofs_before, now: ALWAYS, limit: 5 });
    ops
}

/// A directory in memory where there is one, for tests that write much and ask nothing of the disk.
pub(super) fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

pub(super) fn parts(dir: &Path) -> (Writer, trouble::Distrust) {
    let (writer, _, distrust) = open_parts(dir, 0).unwrap();
    (writer, distrust)
}

pub(super) fn write(driver: &mut dyn Driver, ops: Vec<Op>) -> Result<Vec<Reply>, StoreError> {
    match driver.write(&[Arc::new(Batch::from(ops))]).remove(0)? {
        Answer::Replies(replies) => Ok(replies),
        Answer::Found(found) => panic!("{found:?}"),
    }
}

fn write_one(driver: &mut dyn Driver, op: Op) -> Result<Reply, StoreError> {
    write(driver, vec![op]).map(|mut replies| replies.remove(0))
}

fn replies(driver: &mut dyn Driver, batch: &Arc<Batch>) -> Vec<Reply> {
    write(driver, batch.ops.clone()).unwrap()
}

fn depth(driver: &mut dyn Driver) -> u64 {
    match driver.read(&Query::Depth) {
        Ok(Answer::Found(found)) => match *found {
            Found::Depth(depth) => depth,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// A message from the first mailbox to the second, accepted at the millisecond of its position.
pub(super) fn accept(position: u64, client_id: &str, text: Option<&str>) -> Op {
    let client_id = format!("{client_id}{}", if text.is_some() { position } else { 0 });
    accept_at(position, &client_id, text.unwrap_or("text"), i64::try_from(position).unwrap())
}

fn accept_at(position: u64, client_id: &str, text: &str, millis: i64) -> Op {
    let message = Message {
        position: Position(position),
        mesh: MeshNo(1),
        sender: MailboxNo(1),
        session: MailboxNo(1),
        target: Target::Mailbox(MailboxNo(2)),
        priority: Priority::Next,
        at: Wall::from_millis(millis),
        nonce: "nonce".into(),
        ciphertext: text.into(),
        client_message_id: Some(client_id.into()),
        request_fingerprint: None,
        reply_to: None,
    };
    Op::Accept(Accept {
        message: Arc::new(message),
        mailboxes: Arc::from([MailboxNo(2)]),
        mentions: Arc::default(),
        old: None,
        receipt: None,
    })
}

/// A look for a client id as `accept` makes it of this one without a text.
pub(super) fn find(client_id: &str) -> Op {
    let client_message_id = format!("{client_id}0").into();
    Op::Find { mesh: MeshNo(1), sender: MailboxNo(1), client_message_id }
}

/// An accept and the end of its delivery.
pub(super) fn settled(accept: Op) -> Vec<Op> {
    let Op::Accept(accepted) = &accept else { panic!("{accept:?}") };
    let (position, mailbox, priority) = (accepted.message.position, MailboxNo(2), Priority::Next);
    let (at, outcome) = (Wall::from_millis(0), Outcome::Delivered);
    vec![accept, Op::Settle(Settled { position, mailbox, priority, at, outcome })]
}
