//! How many statements a message costs: a regression shows here before any clock could.

use rusqlite::StatementStatus;

use super::super::sql;
use super::*;

/// Of a commit, whatever it holds: its beginning, the row of keys, the row of deliveries, its end.
const A_COMMIT: i32 = 4;
/// Of a message whose recipient answers: its own row.
const A_MESSAGE: i32 = 1;
/// Of 32 positions: the row that says how deliveries of their messages ended.
const SPAN: u64 = 32;
/// Whether its key is known, while there is no filter that says no.
const A_LOOK: i32 = 1;

#[test]
fn a_message_costs_one_statement_and_a_commit_four() {
    let dir = memory_dir();
    let (mut writer, _) = parts(dir.path());
    let (mut position, mut last) = (0, Vec::new());
    for (messages, look) in [(1, A_LOOK), (1, 0), (16, 0), (256, 0)] {
        // The first life of each size has fewer or more to settle than it accepts.
        life(&mut writer, &mut position, &mut last, messages);
        if look == 0 {
            writer.rest();
        }
        let before = ran(&writer);
        let spans = last.chunk_by(|one, next| one / SPAN == next / SPAN).count();
        life(&mut writer, &mut position, &mut last, messages);
        let [spans, each] = [spans as u64, messages].map(|number| i32::try_from(number).unwrap());
        let wanted = A_COMMIT + spans + (A_MESSAGE + look) * each;
        assert_eq!(ran(&writer) - before, wanted, "{messages} a commit");
    }
}

/// Accepts so many messages and settles those of the life before, in one commit.
fn life(writer: &mut Writer, position: &mut u64, last: &mut Vec<u64>, messages: u64) {
    let settle = |position: u64| {
        Op::Settle(Settled {
            position: Position(position),
            mailbox: MailboxNo(2),
            priority: Priority::Next,
            at: Wall::from_millis(1),
            outcome: Outcome::Delivered,
        })
    };
    let mut ops: Vec<Op> = last.drain(..).map(settle).collect();
    for _ in 0..messages {
        *position += 1;
        ops.push(accept(*position, &format!("key-{position}"), Some("text")));
        last.push(*position);
    }
    write(writer, ops).unwrap();
}

/// Statements that ran so far: every one is prepared once and kept.
fn ran(writer: &Writer) -> i32 {
    let runs =
        |(_, sql): &(&str, &str)| writer.conn().prepare_cached(sql).unwrap().get_status(StatementStatus::Run);
    sql::ALL.iter().map(runs).sum()
}
