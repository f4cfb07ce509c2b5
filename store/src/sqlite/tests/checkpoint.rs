//! The log is kept short beside the commits, and nothing is lost by it.

use std::time::{Duration, Instant};

use super::super::open::open_copier;
use super::*;

/// How long a busy machine may take to copy some hundred pages a few times.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn a_long_log_is_copied_beside_the_commits_and_begun_anew() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    writer.checkpoint_beside(open_copier(dir.path()).unwrap());
    writer.checkpoints().set_gathered_pages(64);
    let begun = Instant::now();
    let (mut written, mut anew, mut pages) = (0, 0, 0);
    while anew < 3 {
        assert!(begun.elapsed() < PATIENCE, "the log has {pages} pages after {written} commits");
        written += 1;
        let id = format!("key-{written}");
        write_one(&mut writer, accept(written, &id, Some("x".repeat(4_000).as_str()))).unwrap();
        writer.rest();
        let before = std::mem::replace(&mut pages, writer.checkpoints().pages());
        anew += u32::from(pages < before);
    }
    drop(writer);
    let (writer, _) = parts(dir.path());
    let count = |sql: &str| -> i64 { writer.conn().query_row(sql, (), |row| row.get(0)).unwrap() };
    assert_eq!(count("SELECT count(*) FROM message"), i64::try_from(written).unwrap());
    let sound: String = writer.conn().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[test]
fn a_reader_of_an_older_state_delays_the_new_log_and_blocks_no_commit() {
    let dir = TempDir::new().unwrap();
    let (mut writer, _) = parts(dir.path());
    writer.checkpoint_beside(open_copier(dir.path()).unwrap());
    writer.checkpoints().set_gathered_pages(16);
    write_one(&mut writer, accept(1, "first", None)).unwrap();
    let reader = open_copier(dir.path()).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM message").unwrap();
    for n in 2..=40 {
        write_one(&mut writer, accept(n, &format!("key-{n}"), Some("x".repeat(4_000).as_str()))).unwrap();
        writer.rest();
    }
    let seen: i64 = reader.query_row("SELECT count(*) FROM message", (), |row| row.get(0)).unwrap();
    assert_eq!(seen, 1, "a reader's state changed under it");
    assert!(writer.checkpoints().pages() > 40, "the log was begun anew under a reader");
}
