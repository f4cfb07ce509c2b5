//! What is kept for runners: written and read.

use std::collections::BTreeSet;
use std::sync::Arc;

use peermesh_core::ids::{Epoch, RunnerId, RunnerNo, RunnerSeq};
use peermesh_core::store::{
    CommandRow, DeadReason, DeadRow, EventRow, EventTries, KeptAnswer, KeyRow, RunnerDepth, RunnerFence,
    RunnerFound, RunnerLoad, RunnerOp, RunnerQuery, RunnerReply, RunnerRow,
};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow};

/// Runners that are known to be ours under their fences, within one transaction: nobody else can take them
/// meanwhile, so that each is looked up once.
#[derive(Debug, Default)]
pub(super) struct Ours(BTreeSet<RunnerFence>);

impl Ours {
    fn hold(&mut self, conn: &Connection, life: i64, fence: RunnerFence) -> Result<bool, Trouble> {
        if self.0.contains(&fence) {
            return Ok(true);
        }
        let RunnerFence { runner, epoch } = fence;
        let place = (runner.0, life, rows::count_column(epoch.0));
        let is_ours = conn.prepare_cached(sql::RUNNER_IS_OURS)?.exists(place)?;
        if is_ours {
            self.0.insert(fence);
        }
        Ok(is_ours)
    }
}

/// Performs one operation.
pub(super) fn write(
    conn: &Connection,
    life: i64,
    ours: &mut Ours,
    op: &RunnerOp,
) -> Result<RunnerReply, Trouble> {
    match op.fence() {
        Some(fence) if !ours.hold(conn, life, fence)? => return Ok(RunnerReply::Lost),
        Some(_) => {}
        // What changes owners makes what was known of them old.
        None => *ours = Ours::default(),
    }
    match op {
        RunnerOp::Claim { runner } => return claim(conn, life, runner),
        RunnerOp::Release(fences) => {
            for RunnerFence { runner, epoch } in fences {
                run(conn, sql::RUNNER_RELEASE, (runner.0, life, rows::count_column(epoch.0)))?;
            }
        }
        RunnerOp::Accept { fence, event } => return accept(conn, fence.runner, event),
        RunnerOp::Tried { fence, seq, tries } => {
            let since = tries.failed_since.map(Wall::as_millis);
            let row = params![fence.runner.0, place(*seq), tries.sent, tries.failed, since];
            run(conn, sql::EVENT_TRIED, row)?;
        }
        RunnerOp::Taken { fence, seq } => {
            run(conn, sql::EVENT_DELETE, (fence.runner.0, place(*seq)))?;
        }
        RunnerOp::Bury { fence, seq, at, why, status } => {
            let row = params![fence.runner.0, place(*seq), at.as_millis(), why.word(), status];
            run(conn, sql::EVENT_BURY, row)?;
            run(conn, sql::EVENT_DELETE, (fence.runner.0, place(*seq)))?;
        }
        RunnerOp::Requeue { fence, seq, to, at } => return requeue(conn, fence.runner, *seq, *to, *at),
        RunnerOp::Begin { fence, key } => return begin(conn, fence.runner, key),
        RunnerOp::Answered { fence, key, answer } => {
            run(conn, sql::KEY_ANSWER, params![fence.runner.0, key, answer.status, answer.body])?;
        }
        RunnerOp::Forget { fence, key } => {
            run(conn, sql::KEY_DELETE, params![fence.runner.0, key])?;
        }
        RunnerOp::Queue { fence, command } => {
            let CommandRow { seq, id, expires, text } = &**command;
            let row = params![fence.runner.0, place(*seq), id, expires.as_millis(), &**text];
            run(conn, sql::COMMAND_INSERT, row)?;
            return Ok(RunnerReply::Inserted);
        }
        RunnerOp::Unqueue { fence, seq } => {
            run(conn, sql::COMMAND_DELETE, (fence.runner.0, place(*seq)))?;
        }
        RunnerOp::Prune { before, limit } => {
            let mut most = 0;
            for sql in [sql::SEEN_PRUNE, sql::KEY_PRUNE, sql::DEAD_PRUNE] {
                most = run(conn, sql, (before.as_millis(), limit))?.max(most);
            }
            return Ok(RunnerReply::Pruned { rows: u32::try_from(most).unwrap_or(u32::MAX) });
        }
    }
    Ok(RunnerReply::Done)
}

fn claim(conn: &Connection, life: i64, id: &RunnerId) -> Result<RunnerReply, Trouble> {
    let mut take = conn.prepare_cached(sql::RUNNER_CLAIM)?;
    let (no, epoch): (i64, i64) =
        take.query_row((id.as_str(), life), |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut count = conn.prepare_cached(sql::RUNNER_COUNT)?;
    let (events, bytes, commands) =
        count.query_row([no], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(RunnerReply::Owned(Box::new(RunnerLoad {
        no: RunnerNo(no),
        epoch: Epoch(rows::count(epoch)?),
        events: rows::count(events)?,
        event_bytes: rows::count(bytes)?,
        commands: rows::count(commands)?,
    })))
}

fn accept(conn: &Connection, runner: RunnerNo, event: &EventRow) -> Result<RunnerReply, Trouble> {
    let name = event.known_as();
    if run(conn, sql::SEEN_INSERT, params![runner.0, name, place(event.seq), event.at.as_millis()])? == 0 {
        let mut read = conn.prepare_cached(sql::SEEN_READ)?;
        let first: i64 = read.query_row(params![runner.0, name], |row| row.get(0))?;
        let again = first == place(event.seq);
        return Ok(if again { RunnerReply::Inserted } else { RunnerReply::Known });
    }
    insert_event(conn, runner, event)?;
    Ok(RunnerReply::Inserted)
}

fn insert_event(conn: &Connection, runner: RunnerNo, event: &EventRow) -> Result<(), Trouble> {
    let EventRow { seq, id, kind, at, tries, text } = event;
    let row = params![
        runner.0,
        place(*seq),
        id,
        kind,
        at.as_millis(),
        tries.sent,
        tries.failed,
        tries.failed_since.map(Wall::as_millis),
        rows::count_column(text.len() as u64),
        &**text,
    ];
    run(conn, sql::EVENT_INSERT, row)?;
    Ok(())
}

fn requeue(
    conn: &Connection,
    runner: RunnerNo,
    seq: RunnerSeq,
    to: RunnerSeq,
    at: Wall,
) -> Result<RunnerReply, Trouble> {
    if let Some(event) = one(conn, sql::EVENT_READ, (runner.0, place(to)), event)? {
        return Ok(RunnerReply::Requeued(Box::new(event)));
    }
    let dead = one(conn, sql::DEAD_READ, (runner.0, place(seq)), event)?;
    let Some(dead) = dead else { return Ok(RunnerReply::Missing) };
    let event = EventRow { seq: to, at, tries: EventTries::default(), ..dead };
    insert_event(conn, runner, &event)?;
    run(conn, sql::DEAD_DELETE, (runner.0, place(seq)))?;
    Ok(RunnerReply::Requeued(Box::new(event)))
}

fn begin(conn: &Connection, runner: RunnerNo, key: &KeyRow) -> Result<RunnerReply, Trouble> {
    let row = params![runner.0, key.key, key.fingerprint, key.command, key.at.as_millis()];
    if run(conn, sql::KEY_INSERT, row)? > 0 {
        return Ok(RunnerReply::Inserted);
    }
    let known = one(conn, sql::KEY_READ, params![runner.0, key.key], key_row)?;
    let known = known.ok_or(BadRow("a key that is there and cannot be read"))?;
    Ok(RunnerReply::Begun(Box::new(known)))
}

/// Answers one question.
pub(super) fn find(conn: &Connection, query: &RunnerQuery) -> Result<RunnerFound, Trouble> {
    Ok(match query {
        RunnerQuery::Events { runner, after, limit, bytes_max } => {
            let place = (runner.as_str(), place(*after), limit);
            RunnerFound::Events(page(conn, sql::EVENT_PAGE, place, *bytes_max, event, |row| row.text.len())?)
        }
        RunnerQuery::Commands { runner, after, limit, bytes_max } => {
            let place = (runner.0, place(*after), limit);
            let length = |row: &CommandRow| row.text.len();
            RunnerFound::Commands(page(conn, sql::COMMAND_PAGE, place, *bytes_max, command, length)?)
        }
        RunnerQuery::Expired { runner, after, before, limit } => {
            let place = (runner.0, place(*after), limit, before.as_millis());
            RunnerFound::Commands(page(conn, sql::COMMAND_EXPIRED, place, u64::MAX, command, |_| 0)?)
        }
        RunnerQuery::Waiting { after, limit } => {
            let named = |row: &Row<'_>| Ok((RunnerNo(row.get(0)?), RunnerId::new(row.get::<_, String>(1)?)));
            RunnerFound::Waiting(page(conn, sql::RUNNER_WAITING, (after.0, limit), u64::MAX, named, |_| 0)?)
        }
        RunnerQuery::Runners { after, limit } => {
            let rows = page(conn, sql::RUNNER_PAGE, (after.0, limit), u64::MAX, runner_row, |_| 0)?;
            RunnerFound::Runners(rows)
        }
        RunnerQuery::Dead { runner, after, limit } => {
            let place = (runner.as_str(), place(*after), limit);
            RunnerFound::Dead(page(conn, sql::DEAD_PAGE, place, u64::MAX, dead, |_| 0)?)
        }
        RunnerQuery::Depth => {
            let mut read = conn.prepare_cached(sql::RUNNER_DEPTH)?;
            let (events, commands, dead) =
                read.query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
            RunnerFound::Depth(RunnerDepth {
                events: rows::count(events)?,
                commands: rows::count(commands)?,
                dead: rows::count(dead)?,
            })
        }
    })
}

fn page<T>(
    conn: &Connection,
    sql: &str,
    place: impl Params,
    bytes_max: u64,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
    length: impl Fn(&T) -> usize,
) -> Result<Vec<T>, Trouble> {
    let mut select = conn.prepare_cached(sql)?;
    let mut found = select.query(place)?;
    let (mut page, mut bytes) = (Vec::new(), 0_u64);
    while bytes <= bytes_max
        && let Some(row) = found.next()?
    {
        let row = read(row)?;
        bytes = bytes.saturating_add(length(&row) as u64);
        page.push(row);
    }
    Ok(page)
}

fn one<T>(
    conn: &Connection,
    sql: &str,
    place: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Option<T>, Trouble> {
    let mut select = conn.prepare_cached(sql)?;
    select.query_row(place, |row| Ok(read(row))).optional()?.transpose()
}

fn event(row: &Row<'_>) -> Result<EventRow, Trouble> {
    Ok(EventRow {
        seq: seq(row.get(0)?)?,
        id: row.get::<_, Option<String>>(1)?.map(Into::into),
        kind: row.get::<_, String>(2)?.into(),
        at: Wall::from_millis(row.get(3)?),
        tries: EventTries {
            sent: rows::small_count(row.get(4)?)?,
            failed: rows::small_count(row.get(5)?)?,
            failed_since: row.get::<_, Option<i64>>(6)?.map(Wall::from_millis),
        },
        text: Arc::from(row.get::<_, String>(7)?),
    })
}

fn dead(row: &Row<'_>) -> Result<DeadRow, Trouble> {
    let status: Option<i64> = row.get(10)?;
    let status = status.map(|status| u16::try_from(status).map_err(|_| BadRow("a status"))).transpose()?;
    Ok(DeadRow {
        event: event(row)?,
        died: Wall::from_millis(row.get(8)?),
        why: DeadReason::parse(&row.get::<_, String>(9)?).ok_or(BadRow("a reason that is none"))?,
        status,
    })
}

fn command(row: &Row<'_>) -> Result<CommandRow, Trouble> {
    Ok(CommandRow {
        seq: seq(row.get(0)?)?,
        id: row.get::<_, String>(1)?.into(),
        expires: Wall::from_millis(row.get(2)?),
        text: Arc::from(row.get::<_, String>(3)?),
    })
}

fn key_row(row: &Row<'_>) -> Result<KeyRow, Trouble> {
    let status: Option<i64> = row.get(4)?;
    let answer = match (status, row.get::<_, Option<String>>(5)?) {
        (Some(status), Some(body)) => Some(KeptAnswer {
            status: u16::try_from(status).map_err(|_| BadRow("a status"))?,
            body: body.into(),
        }),
        _ => None,
    };
    Ok(KeyRow {
        key: rows::bytes_32(&row.get::<_, Vec<u8>>(0)?)?,
        fingerprint: rows::bytes_32(&row.get::<_, Vec<u8>>(1)?)?,
        command: row.get::<_, String>(2)?.into(),
        at: Wall::from_millis(row.get(3)?),
        answer,
    })
}

fn runner_row(row: &Row<'_>) -> Result<RunnerRow, Trouble> {
    Ok(RunnerRow {
        no: RunnerNo(row.get(0)?),
        id: RunnerId::new(row.get::<_, String>(1)?),
        events: rows::count(row.get(2)?)?,
        commands: rows::count(row.get(3)?)?,
        dead: rows::count(row.get(4)?)?,
    })
}

fn place(seq: RunnerSeq) -> i64 {
    rows::count_column(seq.0)
}

fn seq(column: i64) -> Result<RunnerSeq, BadRow> {
    rows::count(column).map(RunnerSeq)
}
