//! What is kept of live topics: written and read. The embedded store has no feed.

use std::sync::Arc;

use peermesh_core::ids::{Epoch, TopicId, TopicNo};
use peermesh_core::store::{
    FedTurn, LiveFence, LiveFound, LiveKey, LiveKnown, LiveLoad, LiveOp, LivePlace, LiveQuery, LiveReply,
    LiveRevoked, LiveRow, LiveTopic,
};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows;

/// Performs one operation.
pub(super) fn write(conn: &Connection, life: i64, op: &LiveOp) -> Result<LiveReply, Trouble> {
    if let Some(LiveFence { topic, epoch }) = op.fence() {
        let place = (topic.0, life, rows::count_column(epoch.0));
        if !conn.prepare_cached(sql::TOPIC_IS_OURS)?.exists(place)? {
            return Ok(LiveReply::Lost);
        }
    }
    match op {
        LiveOp::Claim { topic, stream, at } => return claim(conn, life, topic, stream, *at),
        LiveOp::Release(fences) => {
            for LiveFence { topic, epoch } in fences {
                run(conn, sql::TOPIC_RELEASE, (topic.0, life, rows::count_column(epoch.0)))?;
            }
        }
        LiveOp::Append { fence, place, rows: publications, key, fed } => {
            let place = rows::count_column(*place);
            return append(conn, fence.topic.0, place, publications, key.as_deref(), *fed);
        }
        LiveOp::Trim { fence, through } => {
            run(conn, sql::PUBLICATION_TRIM, (fence.topic.0, rows::count_column(*through)))?;
        }
        LiveOp::Revoke { user, at } => {
            run(conn, sql::REVOKE, (user, at.as_millis()))?;
        }
        LiveOp::Prune { keys_before, gone_before, limit, .. } => {
            let keys = run(conn, sql::LIVE_KEY_PRUNE, (keys_before.as_millis(), limit))?;
            let gone = run(conn, sql::ENTITY_PRUNE, (gone_before.as_millis(), limit))?;
            return Ok(LiveReply::Pruned { rows: u32::try_from(keys.max(gone)).unwrap_or(u32::MAX) });
        }
    }
    Ok(LiveReply::Done)
}

fn claim(conn: &Connection, life: i64, id: &TopicId, stream: &str, at: Wall) -> Result<LiveReply, Trouble> {
    let mut take = conn.prepare_cached(sql::TOPIC_CLAIM)?;
    let read = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?));
    let (no, epoch, stream, top, fed): (i64, i64, String, i64, i64) =
        take.query_row((id.as_str(), life, stream), read)?;
    run(conn, sql::LIVE_KEYS_AHEAD, (no, at.as_millis()))?;
    Ok(LiveReply::Owned(Box::new(LiveLoad {
        no: TopicNo(no),
        epoch: Epoch(rows::count(epoch)?),
        stream: stream.into(),
        top: rows::count(top)?,
        fed: rows::count(fed)?,
    })))
}

fn append(
    conn: &Connection,
    topic: i64,
    place: i64,
    publications: &[LiveRow],
    key: Option<&LiveKey>,
    fed: Option<FedTurn>,
) -> Result<LiveReply, Trouble> {
    let last: i64 = conn.prepare_cached(sql::TOPIC_PLACE)?.query_row([topic], |row| row.get(0))?;
    if place <= last {
        let read = |row: &Row<'_>| Ok((rows::count(row.get(0)?)?, row.get(1)?));
        let stand: Vec<(u64, bool)> = all(conn, sql::PUBLICATIONS_OF_PLACE, (topic, place), read)?;
        if let Some((offset, _)) = stand.last() {
            let late = stand.iter().filter(|(_, late)| *late).map(|(offset, _)| *offset);
            return Ok(LiveReply::Appended { offset: *offset, late: late.collect() });
        }
        let gone = LiveReply::Appended { offset: 0, late: Vec::new() };
        return Ok(used(conn, topic, key)?.map_or(gone, LiveReply::Repeated));
    }
    if let Some(FedTurn { row, after }) = fed {
        let turn = (topic, rows::count_column(row), rows::count_column(after));
        if run(conn, sql::TOPIC_FED, turn)? == 0 {
            let taken = conn.prepare_cached(sql::TOPIC_TAKEN)?.query_row([topic], |row| row.get(0))?;
            return Ok(LiveReply::OutOfTurn { fed: rows::count(taken)? });
        }
    }
    if let Some(known) = used(conn, topic, key)? {
        return Ok(LiveReply::Repeated(known));
    }
    let count = rows::count_column(publications.len() as u64);
    let mut next = conn.prepare_cached(sql::TOPIC_NEXT)?;
    let top: i64 = next.query_row((topic, place, count), |row| row.get(0))?;
    let mut lates = Vec::new();
    for (offset, publication) in (top - count + 1..).zip(publications) {
        let LiveRow { key: entity, version, at, gone, text, .. } = publication;
        let version = version.map(rows::count_column);
        let mut late = false;
        if let Some(entity) = entity {
            let value = params![topic, entity, offset, version, at.as_millis(), gone, &**text];
            late = run(conn, sql::ENTITY_PUT, value)? == 0;
        }
        if late {
            lates.push(rows::count(offset)?);
        }
        let columns = params![topic, offset, place, entity, version, at.as_millis(), late, gone, &**text];
        run(conn, sql::PUBLICATION_INSERT, columns)?;
    }
    if let (Some(LiveKey { key, fingerprint, .. }), Some(last)) = (key, publications.last()) {
        run(conn, sql::LIVE_KEY_PUT, params![topic, key, fingerprint, top, last.at.as_millis()])?;
    }
    Ok(LiveReply::Appended { offset: rows::count(top)?, late: lates })
}

/// What a key of idempotency was used for.
fn used(conn: &Connection, topic: i64, key: Option<&LiveKey>) -> Result<Option<LiveKnown>, Trouble> {
    let Some(LiveKey { key, since, .. }) = key else { return Ok(None) };
    one(conn, sql::LIVE_KEY_READ, params![topic, key, since.as_millis()], known)
}

/// Answers one question.
pub(super) fn find(conn: &Connection, query: &LiveQuery) -> Result<LiveFound, Trouble> {
    Ok(match query {
        LiveQuery::Topic { topic, history, keys_since, keys } => {
            let mut found = LiveTopic {
                history: all(conn, sql::PUBLICATION_LAST, (topic.0, history), publication)?,
                entities: all(conn, sql::ENTITIES, [topic.0], entity)?,
                keys: all(conn, sql::LIVE_KEYS, (topic.0, keys_since.as_millis(), keys), known)?,
            };
            found.history.reverse();
            found.keys.reverse();
            LiveFound::Topic(Box::new(found))
        }
        LiveQuery::Revoked { after, limit } => {
            let read = |row: &Row<'_>| {
                let (change, user) = (rows::count(row.get(0)?)?, row.get::<_, String>(1)?.into());
                Ok(LiveRevoked { change, user, at: Wall::from_millis(row.get(2)?) })
            };
            LiveFound::Revoked(all(conn, sql::REVOKED, (rows::count_column(*after), limit), read)?)
        }
        LiveQuery::Places { topics } => {
            let mut places = Vec::new();
            for topic in topics {
                let read = |row: &Row<'_>| {
                    let (epoch, top) = (rows::count(row.get(0)?)?, rows::count(row.get(1)?)?);
                    Ok(LivePlace { topic: *topic, epoch: Epoch(epoch), top })
                };
                places.extend(one(conn, sql::TOPIC_STANDS, [topic.0], read)?);
            }
            places.sort_by_key(|place| place.topic);
            LiveFound::Places(places)
        }
        LiveQuery::Feed { .. } => LiveFound::Fed { rows: Vec::new(), top: 0 },
    })
}

fn all<T>(
    conn: &Connection,
    sql: &str,
    place: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, Trouble>,
) -> Result<Vec<T>, Trouble> {
    let mut select = conn.prepare_cached(sql)?;
    let mut found = select.query(place)?;
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        rows.push(read(row)?);
    }
    Ok(rows)
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

fn publication(row: &Row<'_>) -> Result<(u64, LiveRow), Trouble> {
    let late = row.get(6)?;
    let (offset, value) = entity(row)?;
    Ok((offset, LiveRow { late, ..value }))
}

/// A row with the columns offset, key, version, at, gone, body.
fn entity(row: &Row<'_>) -> Result<(u64, LiveRow), Trouble> {
    let version: Option<i64> = row.get(2)?;
    let value = LiveRow {
        key: row.get::<_, Option<String>>(1)?.map(Into::into),
        version: version.map(rows::count).transpose()?,
        at: Wall::from_millis(row.get(3)?),
        late: false,
        gone: row.get(4)?,
        text: Arc::from(row.get::<_, String>(5)?),
    };
    Ok((rows::count(row.get(0)?)?, value))
}

fn known(row: &Row<'_>) -> Result<LiveKnown, Trouble> {
    Ok(LiveKnown {
        key: rows::bytes_32(&row.get::<_, Vec<u8>>(0)?)?,
        fingerprint: rows::bytes_32(&row.get::<_, Vec<u8>>(1)?)?,
        offset: rows::count(row.get(2)?)?,
        at: Wall::from_millis(row.get(3)?),
    })
}
