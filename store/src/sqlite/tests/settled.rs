//! Deliveries that ended: many to a row, found one by one.

use rusqlite::Connection;

use super::super::settled::{End, add, each_from, forget, of_message};
use super::*;

/// The version that put many into one row.
const TOGETHER: i32 = 10;

fn end(position: i64, mailbox: i64, outcome: Outcome) -> End {
    End { position, mailbox, at: 1_700_000_000_000 - position % 100, outcome: outcome.rank() }
}

/// Tables as they were before a version, and what makes them what they are now.
fn tables_before(version: i32) -> (Connection, Vec<String>) {
    let conn = Connection::open_in_memory().unwrap();
    let runner = peermesh_migrations::sqlite::runner();
    let mut steps: Vec<_> = runner.get_migrations().iter().collect();
    steps.sort_by_key(|step| step.version());
    let (before, after) = steps.into_iter().partition::<Vec<_>, _>(|step| step.version() < version);
    for step in before {
        conn.execute_batch(step.sql().unwrap()).unwrap();
    }
    (conn, after.into_iter().map(|step| step.sql().unwrap().to_owned()).collect())
}

fn all_from(conn: &Connection, from: (i64, i64)) -> Vec<End> {
    let mut all = Vec::new();
    each_from(conn, from, |end| {
        all.push(end);
        Ok(true)
    })
    .unwrap();
    all
}

#[test]
fn deliveries_that_ended_before_the_tables_changed_are_found_like_later_ones() {
    let (conn, changes) = tables_before(TOGETHER);
    let known = [
        end(1, 7, Outcome::Delivered),
        end(31, 1, Outcome::Expired),
        end(31, 2, Outcome::Dead),
        end(32, i64::MAX, Outcome::Removed),
        end(i64::MAX, 1, Outcome::Delivered),
    ];
    for End { position, mailbox, at, outcome } in known {
        let row = (position, mailbox, at, outcome);
        conn.execute("INSERT INTO settled (pos, mailbox, at, outcome) VALUES (?1, ?2, ?3, ?4)", row).unwrap();
    }
    changes.iter().for_each(|change| conn.execute_batch(change).unwrap());
    assert_eq!(all_from(&conn, (i64::MIN, i64::MIN)), known);
    assert_eq!(of_message(&conn, 31).unwrap(), known[1..3]);
    let later = [end(2, 1, Outcome::Dead), end(31, 3, Outcome::Delivered), end(64, 1, Outcome::Delivered)];
    // As they come: in any order.
    add(&conn, later.into_iter().rev().collect()).unwrap();
    let mut wanted = [&known[..], &later].concat();
    wanted.sort_unstable();
    assert_eq!(all_from(&conn, (i64::MIN, i64::MIN)), wanted);
    assert_eq!(all_from(&conn, (31, 2)), wanted[3..]);
}

#[test]
fn what_is_forgotten_takes_nothing_of_its_neighbours_with_it() {
    let (conn, changes) = tables_before(TOGETHER);
    changes.iter().for_each(|change| conn.execute_batch(change).unwrap());
    let mut wanted = Vec::new();
    // Three commits, each of which ends one delivery of every message.
    for mailbox in 1..=3 {
        let ended: Vec<End> = (0..100).map(|position| end(position, mailbox, Outcome::Delivered)).collect();
        wanted.extend(ended.iter().copied());
        add(&conn, ended).unwrap();
    }
    wanted.sort_unstable();
    for gone in [vec![0], vec![99, 40, 41], (1..38).collect(), vec![200]] {
        forget(&conn, gone.iter().copied()).unwrap();
        wanted.retain(|end| !gone.contains(&end.position));
        assert_eq!(all_from(&conn, (i64::MIN, i64::MIN)), wanted, "{gone:?}");
    }
    forget(&conn, 0..100).unwrap();
    let rows: i64 = conn.query_row("SELECT count(*) FROM settled", (), |row| row.get(0)).unwrap();
    assert_eq!(rows, 0);
}

#[test]
fn a_delivery_that_is_said_to_have_ended_and_waits_keeps_nobody_from_ending() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    write(&mut writer, vec![accept(1, "a", None), accept(2, "b", Some("text"))]).unwrap();
    add(writer.conn(), vec![end(1, 2, Outcome::Delivered)]).unwrap();
    let ends = [1, 2].map(|n| settled(accept(n, "a", None)).remove(1));
    write(&mut writer, ends.to_vec()).unwrap();
    assert_eq!(depth(&mut writer), 0);
    for position in [1, 2] {
        assert_eq!(of_message(writer.conn(), position).unwrap().len(), 1);
    }
}

#[test]
fn f_sto_04_a_row_that_is_cut_off_or_of_another_span_is_no_fate() {
    for (damage, named) in
        [("substr(deliveries, 2)", "cut off"), ("CAST(x'20' || substr(deliveries, 2) AS BLOB)", "span")]
    {
        let dir = memory_dir();
        let (mut writer, _) = parts(dir.path());
        write(&mut writer, settled(accept(1, "a", None))).unwrap();
        let damage = format!("UPDATE settled SET deliveries = {damage}");
        assert_eq!(writer.conn().execute(&damage, ()).unwrap(), 1);
        let seen = writer.read(&Query::Message(Position(1)));
        assert!(matches!(&seen, Err(StoreError::Corrupt(why)) if why.contains(named)), "{seen:?}");
    }
}
