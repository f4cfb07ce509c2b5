//! What is kept for runners: operations as JSON objects, replies, and what questions find.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use peermesh_core::ids::{RunnerId, RunnerNo, RunnerSeq};
use peermesh_core::store::{
    CommandRow, DeadReason, DeadRow, EventRow, EventTries, KeptAnswer, KeyRow, RunnerDepth, RunnerFound,
    RunnerOp, RunnerQuery, RunnerRow,
};
use peermesh_core::time::Wall;
use postgres::Row;
use serde_json::{Value, json};

use super::rare::{unhex, without_nul};
use super::read::{Desk, column};
use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow};

/// An operation as the write function performs it.
pub(super) fn json(op: &RunnerOp) -> Value {
    let mut value = match op {
        RunnerOp::Claim { runner } => json!({ "what": "claim", "id": runner.as_str() }),
        RunnerOp::Release(fences) => {
            let scopes = fences
                .iter()
                .map(|fence| json!({ "runner": fence.runner.0, "epoch": rows::count_column(fence.epoch.0) }));
            json!({ "what": "release", "scopes": scopes.collect::<Vec<_>>() })
        }
        RunnerOp::Accept { event, .. } => accept(event),
        RunnerOp::Tried { seq, tries, .. } => json!({
            "what": "tried", "seq": place(*seq), "sent": tries.sent, "failed": tries.failed,
            "failed_since": tries.failed_since.map(Wall::as_millis),
        }),
        RunnerOp::Taken { seq, .. } => json!({ "what": "taken", "seq": place(*seq) }),
        RunnerOp::Bury { seq, at, why, status, .. } => json!({
            "what": "bury", "seq": place(*seq), "at": at.as_millis(), "why": why.word(), "status": status,
        }),
        RunnerOp::Requeue { seq, to, at, .. } => json!({
            "what": "requeue", "seq": place(*seq), "to": place(*to), "at": at.as_millis(),
        }),
        RunnerOp::Begin { key, .. } => json!({
            "what": "begin", "key": HEXLOWER.encode(&key.key), "command": key.command,
            "fingerprint": HEXLOWER.encode(&key.fingerprint), "at": key.at.as_millis(),
        }),
        RunnerOp::Answered { key, answer, .. } => json!({
            "what": "answered", "key": HEXLOWER.encode(key), "status": answer.status, "answer": answer.body,
        }),
        RunnerOp::Forget { key, .. } => json!({ "what": "forget", "key": HEXLOWER.encode(key) }),
        RunnerOp::Queue { command, .. } => json!({
            "what": "queue", "seq": place(command.seq), "id": command.id,
            "expires": command.expires.as_millis(), "body": &*command.text,
        }),
        RunnerOp::Unqueue { seq, .. } => json!({ "what": "unqueue", "seq": place(*seq) }),
        RunnerOp::Prune { before, limit } => {
            json!({ "what": "prune", "before": before.as_millis(), "limit": limit })
        }
    };
    value["do"] = "runner".into();
    if let Some(fence) = op.fence() {
        value["runner"] = fence.runner.0.into();
        value["epoch"] = rows::count_column(fence.epoch.0).into();
    }
    value
}

fn accept(event: &EventRow) -> Value {
    json!({
        "what": "accept", "seq": place(event.seq), "known_as": event.known_as(), "id": event.id,
        "kind": event.kind, "at": event.at.as_millis(), "sent": event.tries.sent, "failed": event.tries.failed,
        "failed_since": event.tries.failed_since.map(Wall::as_millis), "body": &*event.text,
    })
}

/// An event in a reply of the write function.
#[derive(Debug, serde::Deserialize)]
pub(super) struct SaidEvent {
    seq: i64,
    id: Option<Box<str>>,
    kind: Box<str>,
    at: i64,
    sent: i64,
    failed: i64,
    failed_since: Option<i64>,
    body: Box<str>,
}

impl SaidEvent {
    pub(super) fn row(self) -> Result<EventRow, BadRow> {
        Ok(EventRow {
            seq: seq(self.seq)?,
            id: self.id,
            kind: self.kind,
            at: Wall::from_millis(self.at),
            tries: tries(self.sent, self.failed, self.failed_since)?,
            text: Arc::from(self.body),
        })
    }
}

/// A key in a reply of the write function.
#[derive(Debug, serde::Deserialize)]
pub(super) struct SaidKey {
    key: String,
    fingerprint: String,
    command: Box<str>,
    at: i64,
    status: Option<u16>,
    answer: Option<Box<str>>,
}

impl SaidKey {
    pub(super) fn row(self) -> Result<KeyRow, BadRow> {
        Ok(KeyRow {
            key: rows::bytes_32(&unhex(&self.key)?)?,
            fingerprint: rows::bytes_32(&unhex(&self.fingerprint)?)?,
            command: self.command,
            at: Wall::from_millis(self.at),
            answer: self.status.zip(self.answer).map(|(status, body)| KeptAnswer { status, body }),
        })
    }
}

impl Desk<'_> {
    pub(super) fn find_runner(&mut self, query: &RunnerQuery) -> Result<RunnerFound, Trouble> {
        Ok(match query {
            RunnerQuery::Events { runner, after, limit, bytes_max } => {
                let id = without_nul(runner.as_str());
                let size = rows::count_column(*bytes_max);
                let place = (place(*after), i64::from(*limit));
                let rows = self.ask(sql::EVENT_PAGE, &[&id, &place.0, &place.1, &size])?;
                RunnerFound::Events(rows.iter().map(event).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Commands { runner, after, limit, bytes_max } => {
                let size = rows::count_column(*bytes_max);
                let place = (place(*after), i64::from(*limit));
                let rows = self.ask(sql::COMMAND_PAGE, &[&runner.0, &place.0, &place.1, &size])?;
                RunnerFound::Commands(rows.iter().map(command).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Expired { runner, after, before, limit } => {
                let (place, before) = ((place(*after), i64::from(*limit)), before.as_millis());
                let rows = self.ask(sql::COMMAND_EXPIRED, &[&runner.0, &place.0, &place.1, &before])?;
                RunnerFound::Commands(rows.iter().map(command).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Waiting { after, limit } => {
                let rows = self.ask(sql::RUNNER_WAITING, &[&after.0, &i64::from(*limit)])?;
                RunnerFound::Waiting(rows.iter().map(named).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Runners { after, limit } => {
                let rows = self.ask(sql::RUNNER_PAGE, &[&after.0, &i64::from(*limit)])?;
                RunnerFound::Runners(rows.iter().map(runner_row).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Dead { runner, after, limit } => {
                let id = without_nul(runner.as_str());
                let rows = self.ask(sql::DEAD_PAGE, &[&id, &place(*after), &i64::from(*limit)])?;
                RunnerFound::Dead(rows.iter().map(dead).collect::<Result<_, _>>()?)
            }
            RunnerQuery::Depth => {
                let rows = self.ask(sql::RUNNER_DEPTH, &[])?;
                let row = rows.first().ok_or(BadRow("no count"))?;
                RunnerFound::Depth(RunnerDepth {
                    events: rows::count(column(row, 0)?)?,
                    commands: rows::count(column(row, 1)?)?,
                    dead: rows::count(column(row, 2)?)?,
                })
            }
        })
    }
}

fn event(row: &Row) -> Result<EventRow, Trouble> {
    let id: Option<String> = column(row, 1)?;
    let (kind, body): (String, String) = (column(row, 2)?, column(row, 7)?);
    Ok(EventRow {
        seq: seq(column(row, 0)?)?,
        id: id.map(Into::into),
        kind: kind.into(),
        at: Wall::from_millis(column(row, 3)?),
        tries: tries(column(row, 4)?, column(row, 5)?, column(row, 6)?)?,
        text: Arc::from(body),
    })
}

fn dead(row: &Row) -> Result<DeadRow, Trouble> {
    let (why, status): (String, Option<i32>) = (column(row, 9)?, column(row, 10)?);
    let status = status.map(|status| u16::try_from(status).map_err(|_| BadRow("a status"))).transpose()?;
    Ok(DeadRow {
        event: event(row)?,
        died: Wall::from_millis(column(row, 8)?),
        why: DeadReason::parse(&why).ok_or(BadRow("a reason that is none"))?,
        status,
    })
}

fn command(row: &Row) -> Result<CommandRow, Trouble> {
    let (id, body): (String, String) = (column(row, 1)?, column(row, 3)?);
    Ok(CommandRow {
        seq: seq(column(row, 0)?)?,
        id: id.into(),
        expires: Wall::from_millis(column(row, 2)?),
        text: Arc::from(body),
    })
}

fn named(row: &Row) -> Result<(RunnerNo, RunnerId), Trouble> {
    let id: String = column(row, 1)?;
    Ok((RunnerNo(column(row, 0)?), RunnerId::new(id)))
}

fn runner_row(row: &Row) -> Result<RunnerRow, Trouble> {
    let (no, id) = named(row)?;
    Ok(RunnerRow {
        no,
        id,
        events: rows::count(column(row, 2)?)?,
        commands: rows::count(column(row, 3)?)?,
        dead: rows::count(column(row, 4)?)?,
    })
}

fn tries(sent: i64, failed: i64, since: Option<i64>) -> Result<EventTries, BadRow> {
    Ok(EventTries {
        sent: rows::small_count(sent)?,
        failed: rows::small_count(failed)?,
        failed_since: since.map(Wall::from_millis),
    })
}

fn place(seq: RunnerSeq) -> i64 {
    rows::count_column(seq.0)
}

fn seq(column: i64) -> Result<RunnerSeq, BadRow> {
    rows::count(column).map(RunnerSeq)
}
