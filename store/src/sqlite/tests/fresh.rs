//! Client message ids on their way into their table: found and forgotten wherever they are, also by the next
//! process.

use std::collections::BTreeMap;

use peermesh_core::rng::Rng;
use peermesh_core::store::{CheckPart, CheckPlace};

use super::power::{moment, started_from};
use super::*;

/// Commits of one life.
const COMMITS: u64 = 120;

#[test]
fn f_acc_02_a_process_that_dies_with_keys_on_their_way_down_leaves_every_one_of_them() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.keys().fresh.set_gathered_max(600);
    let mut rng = Rng::from_seed([7; 32]);
    let (mut position, mut known, mut rows_seen) = (0, BTreeMap::new(), Vec::new());
    for commit in 0..COMMITS {
        let ops = life(&mut rng, &mut position, &mut known);
        write(&mut writer, ops).unwrap();
        let (_dir, mut next) = started_from(&moment(dir.path()));
        let count = |table| -> i64 {
            let sql = format!("SELECT count(*) FROM {table}");
            next.conn().query_row(&sql, (), |row| row.get(0)).unwrap()
        };
        rows_seen.push((count("fresh"), count("dedupe")));
        if commit % 10 == 0 {
            assert_eq!(strays(&mut next), (known.len() as u64, 0), "after commit {commit}");
        }
        // Ids that were forgotten are free, wherever they were.
        let ids: Vec<String> = (1..=position).map(|nth| format!("id{nth}")).collect();
        let wanted: Vec<Option<u64>> = ids.iter().map(|id| known.get(id).copied()).collect();
        assert_eq!(holders(&mut next, &ids), wanted, "after commit {commit}");
    }
    // Keys gathered and went down several times, and there were moments half way.
    let turns = rows_seen.windows(2).filter(|two| two[1].0 < two[0].0).count();
    let half_way = rows_seen.windows(2).filter(|two| two[1].0 > two[0].0 && two[1].1 != two[0].1).count();
    assert!(turns >= 3 && half_way >= 3, "{rows_seen:?}");
}

#[test]
fn a_message_that_comes_alone_after_a_burst_does_not_wait_for_the_keys_of_the_burst() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.keys().fresh.set_gathered_max(1_000);
    let come = |writer: &mut Writer, positions: std::ops::Range<u64>| -> i64 {
        let accepts = positions.map(|position| accept(position, "id", Some("text"))).collect();
        write(writer, accepts).unwrap();
        writer.conn().query_row("SELECT count(*) FROM dedupe", (), |row| row.get(0)).unwrap()
    };
    assert_eq!(come(&mut writer, 0..900), 0);
    // A thousand have gathered, and twice as many go down as came with the commit.
    assert_eq!(come(&mut writer, 900..1_000), 200);
    assert_eq!(come(&mut writer, 1_000..1_001), 232);
    assert_eq!(come(&mut writer, 1_001..1_002), 264);
}

#[test]
fn keys_that_were_on_their_way_down_when_a_process_died_are_down_soon_however_short_the_next_life_is() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    writer.keys().fresh.set_gathered_max(10_000);
    let come = |writer: &mut Writer, positions: std::ops::Range<u64>| {
        let accepts = positions.map(|position| accept(position, "id", Some("text"))).collect();
        write(writer, accepts).unwrap();
    };
    come(&mut writer, 0..9_990);
    come(&mut writer, 9_990..10_000);
    drop(writer);
    let (mut writer, _) = parts(dir.path());
    writer.keys().fresh.set_gathered_max(10_000);
    for position in 10_000..10_128 {
        come(&mut writer, position..position + 1);
    }
    let count = |table| -> i64 {
        writer.conn().query_row(&format!("SELECT count(*) FROM {table}"), (), |row| row.get(0)).unwrap()
    };
    assert_eq!((count("dedupe"), count("fresh")), (10_001, 127), "but for those that have come since");
}

#[test]
fn keys_that_a_failed_transaction_would_have_claimed_are_free() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    write(&mut writer, vec![accept(1, "kept", None)]).unwrap();
    let pages = "PRAGMA max_page_count = 1";
    writer.conn().query_row(pages, (), |row| row.get::<_, i64>(0)).unwrap();
    let large = "x".repeat(4 << 20);
    let full = write(&mut writer, vec![accept_at(2, "lost", &large, 2)]).unwrap_err();
    assert_eq!(full, StoreError::Full);
    writer.conn().query_row("PRAGMA max_page_count = 1000000", (), |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(write(&mut writer, vec![accept_at(3, "lost", "text", 3)]).unwrap(), [Reply::Inserted]);
    assert_eq!(holders(&mut writer, &["lost".to_owned()]), [Some(3)]);
    assert!(matches!(&*write(&mut writer, vec![find("kept")]).unwrap(), [Reply::Known(_)]));
}

/// Some messages, a few of them under ids that are known; and now and then the old ones go.
pub(super) fn life(rng: &mut Rng, position: &mut u64, known: &mut BTreeMap<String, u64>) -> Vec<Op> {
    let mut ops = Vec::new();
    for _ in 0..rng.below(90) {
        *position += 1;
        let (position, fresh) = (*position, format!("id{position}"));
        let again = known.keys().nth(usize::try_from(rng.below(2_000)).unwrap()).cloned();
        let id = again.unwrap_or(fresh);
        ops.extend(settled(accept_at(position, &id, "text", i64::try_from(position).unwrap())));
        known.entry(id).or_insert(position);
    }
    if rng.below(3) == 0 {
        let before = position.saturating_sub(300 + rng.below(900));
        ops.push(prune_all(Wall::from_millis(i64::try_from(before).unwrap()), 10_000));
        known.retain(|_, position| *position >= before);
    }
    ops
}

/// Whose these client message ids are.
pub(super) fn holders(writer: &mut Writer, ids: &[String]) -> Vec<Option<u64>> {
    let find =
        |id: &String| Op::Find { mesh: MeshNo(1), sender: MailboxNo(1), client_message_id: (**id).into() };
    let replies = write(writer, ids.iter().map(find).collect()).unwrap();
    let holder = |reply| match reply {
        Reply::Known(seen) => Some(seen.position.0),
        Reply::Free => None,
        other => panic!("{other:?}"),
    };
    replies.into_iter().map(holder).collect()
}

/// How many keys a check sees, and how much does not belong together.
fn strays(writer: &mut Writer) -> (u64, usize) {
    let (mut place, mut keys, mut strays) = (Some(CheckPlace::START), 0, 0);
    while let Some(at) = place {
        let Ok(Answer::Found(found)) = writer.read(&Query::Check { at, limit: 100 }) else { panic!() };
        let Found::Checked(page) = *found else { panic!("{found:?}") };
        keys += if at.part == CheckPart::Keys { page.rows } else { 0 };
        strays += page.strays.len();
        place = page.next;
    }
    (keys, strays)
}
