//! The power fails: of what was written and not synced, any part may be there.

use std::fs;
use std::path::Path;

use peermesh_core::rng::Rng;
use peermesh_core::store::Op;

use tempfile::TempDir;

use super::super::write::Writer;
use super::{accept, depth, memory_dir, parts, write};

/// Messages of one commit.
const MESSAGES: u64 = 5;
/// Commits of one life, and pages of log after which they are carried over to the file.
const COMMITS: u64 = 60;
const CHECKPOINT_PAGES: i64 = 12;
/// What a disk writes as a whole, or not.
pub(in crate::sqlite) const SECTOR_BYTES: usize = 512;
pub(in crate::sqlite) const PAGE_BYTES: usize = 4_096;

#[test]
fn f_sto_03_everything_that_was_acknowledged_survives_the_loss_of_power_at_any_moment() {
    crash_images(2);
}

#[test]
#[ignore = "ten thousand images take minutes"]
fn f_sto_03_everything_that_was_acknowledged_survives_ten_thousand_losses_of_power() {
    crash_images(84);
}

/// The file and its log, as they were after a commit.
pub(super) struct Moment {
    file: Vec<u8>,
    log: Vec<u8>,
}

fn crash_images(images_per_commit: u32) {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.conn().pragma_update(None, "wal_autocheckpoint", CHECKPOINT_PAGES).unwrap();
    let mut rng = Rng::from_seed([31; 32]);
    let (mut before, mut carried) = (moment(dir.path()), 0);
    for commit in 1..=COMMITS {
        let first = (commit - 1) * MESSAGES + 1;
        let ops: Vec<Op> = (first..first + MESSAGES).map(|n| accept(n, "a", Some("text"))).collect();
        write(&mut writer, ops).unwrap();
        let after = moment(dir.path());
        carried += u32::from(after.file != before.file);
        for _ in 0..images_per_commit {
            // The log is written first. Until it is synced nothing is acknowledged.
            let log = mixed(&mut rng, SECTOR_BYTES, &before.log, &after.log);
            let found = messages(&Moment { file: before.file.clone(), log });
            let whole = found == commit * MESSAGES;
            assert!(whole || found == (commit - 1) * MESSAGES, "{found} in the middle of commit {commit}");
            // Then it may be carried over to the file, of which any page may be there or not.
            let file = mixed(&mut rng, PAGE_BYTES, &before.file, &after.file);
            let found = messages(&Moment { file, log: after.log.clone() });
            assert_eq!(found, commit * MESSAGES, "after commit {commit}");
        }
        before = after;
    }
    assert!(carried > 5, "the log was carried over {carried} times only");
}

pub(super) fn moment(dir: &Path) -> Moment {
    let read = |name: &str| fs::read(dir.join(name)).unwrap_or_default();
    Moment { file: read("peermesh.db"), log: read("peermesh.db-wal") }
}

/// Each piece as it was before or as it is after; of what is new at the end, any part may be missing.
pub(in crate::sqlite) fn mixed(rng: &mut Rng, piece: usize, before: &[u8], after: &[u8]) -> Vec<u8> {
    let mut mixed = before.to_vec();
    // Some disks lose nearly everything, others nearly nothing.
    let odds = 1 + rng.below(8);
    for (nth, new) in after.chunks(piece).enumerate() {
        let at = nth * piece;
        if rng.below(9) < odds && before.get(at..at + new.len()) != Some(new) {
            mixed.resize(mixed.len().max(at + new.len()), 0);
            mixed[at..at + new.len()].copy_from_slice(new);
        }
    }
    mixed
}

/// How many messages a store finds that starts from there.
fn messages(image: &Moment) -> u64 {
    let (_dir, mut writer) = started_from(image);
    let verdict: String = writer.conn().query_row("PRAGMA integrity_check", (), |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    depth(&mut writer)
}

/// A store that starts from there, in a directory of its own.
pub(super) fn started_from(image: &Moment) -> (TempDir, Writer) {
    let dir = memory_dir();
    fs::write(dir.path().join("peermesh.db"), &image.file).unwrap();
    fs::write(dir.path().join("peermesh.db-wal"), &image.log).unwrap();
    let (writer, _) = parts(dir.path());
    (dir, writer)
}
