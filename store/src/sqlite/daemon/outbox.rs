//! Rows of the outbox: written and read.

use peermesh_core::ids::PublicKey;
use peermesh_core::store::{
    Attempt, DaemonFound, DaemonReply, Forgetting, KeptSession, LaneName, OutRow, OutStatus, OutboxLoad,
    OutboxOp, OutboxQuery, Reach, Requeue, RequeueRefusal,
};
use peermesh_core::time::Wall;
use rusqlite::{Connection, Params, Row, params};

use crate::rows::{self, BadRow};
use crate::sqlite::trouble::Trouble;
use crate::sqlite::write::run;

/// The columns of a row as [`row`] takes them.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT seq, id, client_message_id, request_fingerprint, mesh, sender_session_pubkey, \
             target_spec, priority, nonce, ciphertext, reply_to_id, payload_bytes, enqueued_at, \
             next_attempt_at, attempts, refusals, status, last_error, delivered_at, broker_message_id, \
             aborted_at, aborted_by, superseded_by, recipients, online FROM outbox ",
            $rest
        )
    };
}

const INSERT: &str = "INSERT INTO outbox (id, client_message_id, request_fingerprint, mesh, \
    sender_session_pubkey, target_spec, priority, nonce, ciphertext, reply_to_id, payload_bytes, \
    enqueued_at, next_attempt_at, attempts, refusals, status) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const TAKE: &str = "UPDATE outbox SET status = 'inflight', attempts = ?2 \
    WHERE id = ?1 AND (status = 'pending' OR status = 'inflight' AND attempts = ?2)";
const DONE: &str = "UPDATE outbox SET status = 'done', delivered_at = ?3, broker_message_id = ?4, \
    recipients = ?5, online = ?6, last_error = NULL, ciphertext = '' \
    WHERE id = ?1 AND status = 'inflight' AND attempts = ?2";
const AGAIN: &str = "UPDATE outbox SET status = 'pending', next_attempt_at = ?3, last_error = ?4, \
    refusals = ?5 WHERE id = ?1 AND status = 'inflight' AND attempts = ?2";
const DEAD: &str = "UPDATE outbox SET status = 'dead', last_error = ?3 \
    WHERE id = ?1 AND status = 'inflight' AND attempts = ?2";
const INFLIGHT: &str = "SELECT id FROM outbox WHERE status = 'inflight' ORDER BY seq";
const RECLAIM: &str = "UPDATE outbox SET status = 'pending', next_attempt_at = ?2 WHERE id = ?1";
const BURY: &str = "UPDATE outbox SET status = 'dead', last_error = ?2 \
    WHERE status = 'pending' AND mesh = ?1 AND (?3 IS NULL OR enqueued_at < ?3)";
const BURY_LANE: &str = "UPDATE outbox SET status = 'dead', last_error = ?3 \
    WHERE status = 'pending' AND mesh = ?1 AND sender_session_pubkey IS ?2 AND enqueued_at < ?4";
const ABORT: &str = "UPDATE outbox SET status = 'aborted', aborted_at = ?2, aborted_by = ?3, \
    superseded_by = ?4, ciphertext = '' WHERE id = ?1";
/// The planner would take another index.
const FORGET: &str = "DELETE FROM outbox WHERE seq IN (SELECT seq FROM outbox INDEXED BY outbox_ended \
    WHERE status IN ('done', 'dead') AND enqueued_at < ?1 ORDER BY seq LIMIT ?2)";
const LANES: &str = "SELECT DISTINCT mesh, sender_session_pubkey FROM outbox \
    WHERE status IN ('pending', 'inflight') ORDER BY mesh, sender_session_pubkey";
const LOAD: &str = "SELECT count(*), coalesce(sum(octet_length(ciphertext)), 0) FROM outbox \
    WHERE status IN ('pending', 'inflight')";

const SESSION_PUT: &str = "INSERT INTO session (token, about) VALUES (?1, ?2) \
    ON CONFLICT (token) DO UPDATE SET about = excluded.about";
const SESSION_DROP: &str = "DELETE FROM session WHERE token = ?1";
const SESSIONS: &str = "SELECT token, about FROM session ORDER BY token";

/// Performs one operation.
pub(super) fn write(conn: &Connection, op: &OutboxOp) -> Result<DaemonReply, Trouble> {
    match op {
        OutboxOp::Enqueue(row) => enqueue(conn, row),
        OutboxOp::Take { id, attempts } => match run(conn, TAKE, params![id, attempts])? {
            0 => Ok(DaemonReply::Passed),
            _ => Ok(DaemonReply::Done),
        },
        OutboxOp::Settle { id, attempts, outcome } => {
            match outcome {
                Attempt::Done { at, broker_message_id, reach } => {
                    let (recipients, online) =
                        (reach.map(|reach| reach.recipients), reach.map(|reach| reach.online));
                    let at = at.as_millis();
                    run(conn, DONE, params![id, attempts, at, broker_message_id, recipients, online])?
                }
                Attempt::Again { next_attempt_at, error, refusals } => {
                    run(conn, AGAIN, params![id, attempts, next_attempt_at.as_millis(), error, refusals])?
                }
                Attempt::Dead { error } => run(conn, DEAD, params![id, attempts, error])?,
            };
            Ok(DaemonReply::Done)
        }
        OutboxOp::Reclaim { next_attempt_at, but } => {
            let mut rows = 0;
            for id in texts(conn, INFLIGHT)?.iter().filter(|id| !but.contains(id)) {
                run(conn, RECLAIM, params![id, next_attempt_at.as_millis()])?;
                rows += 1;
            }
            Ok(DaemonReply::Changed { rows })
        }
        OutboxOp::Bury { mesh, before, error } => {
            let before = before.map(Wall::as_millis);
            let rows = run(conn, BURY, params![mesh, error, before])?;
            Ok(DaemonReply::Changed { rows: u64::try_from(rows).unwrap_or(u64::MAX) })
        }
        OutboxOp::BuryLane { lane, before, error } => {
            let session = lane.session.map(|key| key.hex());
            let rows = run(conn, BURY_LANE, params![lane.mesh, session, error, before.as_millis()])?;
            Ok(DaemonReply::Changed { rows: u64::try_from(rows).unwrap_or(u64::MAX) })
        }
        OutboxOp::Forget(Forgetting { before, limit }) => {
            let rows = run(conn, FORGET, params![before.as_millis(), limit])?;
            Ok(DaemonReply::Changed { rows: u64::try_from(rows).unwrap_or(u64::MAX) })
        }
        OutboxOp::Requeue(requeue) => put_in_line(conn, requeue),
        OutboxOp::KeepSession(KeptSession { token, about }) => {
            run(conn, SESSION_PUT, params![token, about])?;
            Ok(DaemonReply::Done)
        }
        OutboxOp::DropSessions(tokens) => {
            for token in tokens {
                run(conn, SESSION_DROP, [token])?;
            }
            Ok(DaemonReply::Done)
        }
    }
}

/// Answers one question.
pub(super) fn find(conn: &Connection, query: &OutboxQuery) -> Result<DaemonFound, Trouble> {
    Ok(match query {
        OutboxQuery::Key(key) => DaemonFound::Out(by_key(conn, key)?.into_iter().collect()),
        OutboxQuery::Row(id) => DaemonFound::Out(by_id(conn, id)?.into_iter().collect()),
        OutboxQuery::Lane { lane, after, limit } => {
            let page = select!(
                "WHERE status = 'pending' AND mesh = ?1 AND sender_session_pubkey IS ?2 AND seq > ?3 \
                 ORDER BY seq LIMIT ?4"
            );
            let session = lane.session.map(|key| key.hex());
            DaemonFound::Out(all(conn, page, params![lane.mesh, session, rows::count_column(*after), limit])?)
        }
        OutboxQuery::Lanes => {
            let mut read = conn.prepare_cached(LANES)?;
            let mut found = read.query(())?;
            let mut lanes = Vec::new();
            while let Some(row) = found.next()? {
                lanes.push(LaneName { mesh: row.get(0)?, session: session(row, 1)? });
            }
            DaemonFound::Lanes(lanes)
        }
        OutboxQuery::List { status: None, limit } => {
            DaemonFound::Out(all(conn, select!("ORDER BY seq DESC LIMIT ?1"), [limit])?)
        }
        OutboxQuery::List { status: Some(status), limit } => {
            let page = select!("WHERE status = ?1 ORDER BY seq DESC LIMIT ?2");
            DaemonFound::Out(all(conn, page, params![status.word(), limit])?)
        }
        OutboxQuery::Sessions => {
            let mut read = conn.prepare_cached(SESSIONS)?;
            let found =
                read.query_map((), |row| Ok(KeptSession { token: row.get(0)?, about: row.get(1)? }))?;
            DaemonFound::Sessions(found.collect::<Result<_, _>>()?)
        }
        OutboxQuery::Load => {
            let mut read = conn.prepare_cached(LOAD)?;
            let (count, bytes): (i64, i64) = read.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
            DaemonFound::Load(OutboxLoad { rows: rows::count(count)?, bytes: rows::count(bytes)? })
        }
    })
}

fn enqueue(conn: &Connection, row: &OutRow) -> Result<DaemonReply, Trouble> {
    match by_key(conn, &row.client_message_id)? {
        Some(known) if known.id == row.id => Ok(DaemonReply::Inserted),
        Some(known) => Ok(DaemonReply::Known(Box::new(known))),
        None => {
            insert(conn, row)?;
            Ok(DaemonReply::Inserted)
        }
    }
}

fn insert(conn: &Connection, row: &OutRow) -> Result<(), Trouble> {
    let values = params![
        row.id,
        row.client_message_id,
        row.fingerprint,
        row.lane.mesh,
        row.lane.session.map(|key| key.hex()),
        row.target,
        row.priority.rank(),
        row.nonce,
        row.ciphertext,
        row.reply_to,
        rows::count_column(row.payload_bytes),
        row.enqueued_at.as_millis(),
        row.next_attempt_at.as_millis(),
        row.attempts,
        row.refusals,
        row.status.word(),
    ];
    run(conn, INSERT, values).map(drop)
}

/// Both halves stand in the transaction of the batch.
fn put_in_line(conn: &Connection, requeue: &Requeue) -> Result<DaemonReply, Trouble> {
    let Some(old) = by_id(conn, &requeue.id)? else {
        return Ok(DaemonReply::NotRequeued(RequeueRefusal::Unknown));
    };
    if old.superseded_by.as_ref() == Some(&requeue.new_id) {
        return Ok(DaemonReply::Requeued);
    }
    if !matches!(old.status, OutStatus::Pending | OutStatus::Dead) {
        return Ok(DaemonReply::NotRequeued(RequeueRefusal::Status(old.status)));
    }
    if by_key(conn, &requeue.new_client_message_id)?.is_some() {
        return Ok(DaemonReply::NotRequeued(RequeueRefusal::KeyUsed));
    }
    let at = requeue.at.as_millis();
    run(conn, ABORT, params![requeue.id, at, requeue.by, requeue.new_id])?;
    let new = OutRow {
        id: requeue.new_id.clone(),
        client_message_id: requeue.new_client_message_id.clone(),
        enqueued_at: requeue.at,
        next_attempt_at: requeue.at,
        attempts: 0,
        refusals: 0,
        status: OutStatus::Pending,
        ..old
    };
    insert(conn, &new)?;
    Ok(DaemonReply::Requeued)
}

fn by_key(conn: &Connection, key: &str) -> Result<Option<OutRow>, Trouble> {
    Ok(all(conn, select!("WHERE client_message_id = ?1"), [key])?.pop())
}

fn by_id(conn: &Connection, id: &str) -> Result<Option<OutRow>, Trouble> {
    Ok(all(conn, select!("WHERE id = ?1"), [id])?.pop())
}

fn all(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<OutRow>, Trouble> {
    let mut read = conn.prepare_cached(sql)?;
    let mut found = read.query(params)?;
    let mut rows = Vec::new();
    while let Some(found) = found.next()? {
        rows.push(row(found)?);
    }
    Ok(rows)
}

fn row(row: &Row<'_>) -> Result<OutRow, Trouble> {
    let wall = |at: Option<i64>| at.map(Wall::from_millis);
    let status: String = row.get(16)?;
    let reach = match (row.get(23)?, row.get(24)?) {
        (Some(recipients), Some(online)) => {
            Some(Reach { recipients: rows::small_count(recipients)?, online: rows::small_count(online)? })
        }
        _ => None,
    };
    Ok(OutRow {
        seq: rows::count(row.get(0)?)?,
        id: row.get(1)?,
        client_message_id: row.get(2)?,
        fingerprint: row.get(3)?,
        lane: LaneName { mesh: row.get(4)?, session: session(row, 5)? },
        target: row.get(6)?,
        priority: rows::priority(row.get(7)?)?,
        nonce: row.get(8)?,
        ciphertext: row.get(9)?,
        reply_to: row.get(10)?,
        payload_bytes: rows::count(row.get(11)?)?,
        enqueued_at: Wall::from_millis(row.get(12)?),
        next_attempt_at: Wall::from_millis(row.get(13)?),
        attempts: rows::small_count(row.get(14)?)?,
        refusals: rows::small_count(row.get(15)?)?,
        status: OutStatus::parse(&status).ok_or(BadRow("a state of the outbox is none"))?,
        last_error: row.get(17)?,
        delivered_at: wall(row.get(18)?),
        broker_message_id: row.get(19)?,
        aborted_at: wall(row.get(20)?),
        aborted_by: row.get(21)?,
        superseded_by: row.get(22)?,
        reach,
    })
}

fn session(row: &Row<'_>, column: usize) -> Result<Option<PublicKey>, Trouble> {
    let text: Option<String> = row.get(column)?;
    let key = |text: String| PublicKey::from_hex(&text).ok_or(BadRow("a session's key is none"));
    Ok(text.map(key).transpose()?)
}

fn texts(conn: &Connection, sql: &str) -> Result<Vec<Box<str>>, Trouble> {
    let mut read = conn.prepare_cached(sql)?;
    let found = read.query_map((), |row| row.get(0))?;
    Ok(found.collect::<Result<_, _>>()?)
}
