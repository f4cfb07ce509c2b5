//! The filter before the table of keys: it spares a look, and never hides a key.

use std::collections::BTreeMap;

use peermesh_core::rng::Rng;

use super::super::filter::{Filter, FilterLimits};
use super::fresh::{holders, life};
use super::*;

/// Four blocks first, 64 at most, and slices that need some turns.
const SMALL: FilterLimits = FilterLimits { blocks_min: 4, blocks_max: 64, slice: 400 };
/// Commits of one life.
const COMMITS: u64 = 300;

#[test]
fn f_acc_02_a_key_is_found_however_far_a_filter_is_made() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.keys().filter.set_limits(SMALL);
    writer.keys().fresh.set_gathered_max(600);
    let mut rng = Rng::from_seed([8; 32]);
    let (mut position, mut known, mut sizes) = (0, BTreeMap::new(), Vec::new());
    for commit in 0..COMMITS {
        let ops = life(&mut rng, &mut position, &mut known);
        write(&mut writer, ops).unwrap();
        let is_to_fail = rng.below(3) == 0;
        if is_to_fail {
            fail(&mut writer, commit);
        }
        // As good as a process that begins at this moment.
        if commit < COMMITS / 2 && rng.below(3) == 0 {
            writer.keys().filter = Filter::new();
            writer.keys().filter.set_limits(SMALL);
        }
        if is_to_fail {
            writer.rest();
        }
        let ids: Vec<String> = (1..=position).map(|nth| format!("id{nth}")).collect();
        let wanted: Vec<Option<u64>> = ids.iter().map(|id| known.get(id).copied()).collect();
        assert_eq!(holders(&mut writer, &ids), wanted, "after commit {commit}");
        // A store that has keys already when it is opened.
        for _ in 0..rng.below(5) * u64::from(commit >= 8) {
            writer.rest();
            sizes.push(writer.keys().filter.size());
        }
    }
    // One was outgrown; the largest was made again while commits went on, for keys had gone.
    let sizes: Vec<(usize, usize)> = sizes.into_iter().flatten().collect();
    let largest = SMALL.blocks_max * 64;
    assert!(sizes[0].0 < largest, "{sizes:?}");
    assert!(sizes.windows(2).any(|two| two[0].0 == largest && two[1].1 < two[0].1), "{sizes:?}");
}

#[test]
fn keys_that_a_failed_commit_took_down_are_waited_for() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.keys().fresh.set_gathered_max(100);
    let known = (1..=60).map(|nth| accept_at(nth, &format!("id{nth}"), "text", 1));
    write(&mut writer, known.collect()).unwrap();
    // With these there are a hundred: all go down, and the commit that would make that true fails.
    fail(&mut writer, 0);
    writer.rest();
    let ids: Vec<String> = (1..=60).map(|nth| format!("id{nth}")).collect();
    assert_eq!(holders(&mut writer, &ids), (1..=60).map(Some).collect::<Vec<_>>());
    writer.rest();
    assert_eq!(writer.keys().filter.size().map(|(_, keys)| keys), Some(60));
}

#[test]
fn unknown_keys_are_told_from_known_ones_without_a_look() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let known: Vec<Op> = (1..=10_000).map(|nth| accept_at(nth, &format!("id{nth}"), "text", 1)).collect();
    write(&mut writer, known).unwrap();
    while writer.keys().filter.size().is_none() {
        writer.rest();
    }
    let passed = |writer: &mut Writer, ids: std::ops::RangeInclusive<u64>| {
        let keys = writer.keys();
        let key = |nth: u64| keys.hash.key(MeshNo(1), MailboxNo(1), &format!("id{nth}"));
        ids.filter(|nth| keys.filter.may_have(key(*nth))).count()
    };
    assert_eq!(passed(&mut writer, 1..=10_000), 10_000);
    // Full to a sixth of what it is for: hardly one of a thousand is looked for in vain.
    assert!(passed(&mut writer, 10_001..=20_000) < 10);
    // Full: three of a hundred.
    let more: Vec<Op> = (20_001..=75_000).map(|nth| accept_at(nth, &format!("id{nth}"), "text", 1)).collect();
    write(&mut writer, more).unwrap();
    let in_vain = passed(&mut writer, 100_001..=200_000);
    assert!((1_000..5_000).contains(&in_vain), "{in_vain} of 100,000");
}

/// A commit that fails at its very end: nobody knows any more what is on its way into the table, until it is
/// read again, and a filter that is to be made has to wait for that.
fn fail(writer: &mut Writer, commit: u64) {
    writer.conn_mut().commit_hook(Some(|| true)).unwrap();
    let ops = (0..60).map(|nth| {
        let position = 1_000_000 + 100 * commit + nth;
        accept_at(position, &format!("lost{position}"), "text", 1)
    });
    write(writer, ops.collect()).unwrap_err();
    writer.conn_mut().commit_hook(None::<fn() -> bool>).unwrap();
}
