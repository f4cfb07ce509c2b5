//! What is kept of live topics: operations as JSON objects, replies, and what questions find.

use std::sync::Arc;

use data_encoding::HEXLOWER;
use peermesh_core::ids::{Epoch, TopicId, TopicNo};
use peermesh_core::store::{
    FedRow, FedTurn, LiveFound, LiveKey, LiveKnown, LiveOp, LivePlace, LiveQuery, LiveRevoked, LiveRow,
    LiveTopic,
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
pub(super) fn json(op: &LiveOp) -> Value {
    let mut value = match op {
        LiveOp::Claim { topic, stream, at } => {
            json!({ "what": "claim", "id": topic.as_str(), "stream": stream, "at": at.as_millis() })
        }
        LiveOp::Release(fences) => {
            let scopes = fences
                .iter()
                .map(|fence| json!({ "topic": fence.topic.0, "epoch": rows::count_column(fence.epoch.0) }));
            json!({ "what": "release", "scopes": scopes.collect::<Vec<_>>() })
        }
        LiveOp::Append { place, rows, key, fed, .. } => append(*place, rows, key.as_deref(), *fed),
        LiveOp::Trim { through, .. } => json!({ "what": "trim", "through": rows::count_column(*through) }),
        LiveOp::Revoke { user, at } => json!({ "what": "revoke", "user": user, "at": at.as_millis() }),
        LiveOp::Prune { keys_before, gone_before, limit, volatile } => json!({
            "what": "prune", "keys_before": keys_before.as_millis(),
            "gone_before": gone_before.as_millis(), "limit": limit, "volatile": volatile,
        }),
    };
    value["do"] = "live".into();
    if let Some(fence) = op.fence() {
        value["topic"] = fence.topic.0.into();
        value["epoch"] = rows::count_column(fence.epoch.0).into();
    }
    value
}

fn append(place: u64, publications: &[LiveRow], key: Option<&LiveKey>, fed: Option<FedTurn>) -> Value {
    let row = |LiveRow { key, version, at, gone, text, .. }: &LiveRow| {
        let version = version.map(rows::count_column);
        json!({ "key": key, "version": version, "at": at.as_millis(), "gone": gone, "body": &**text })
    };
    let all: Vec<Value> = publications.iter().map(row).collect();
    let mut value = json!({ "what": "append", "place": rows::count_column(place), "rows": all });
    if let Some(FedTurn { row, after }) = fed {
        value["fed"] = rows::count_column(row).into();
        value["fed_after"] = rows::count_column(after).into();
    }
    if let Some(LiveKey { key, fingerprint, since }) = key {
        value["idempotency_key"] = HEXLOWER.encode(key).into();
        value["fingerprint"] = HEXLOWER.encode(fingerprint).into();
        value["since"] = since.as_millis().into();
    }
    value
}

/// A key in a reply of the write function.
#[derive(Debug, serde::Deserialize)]
pub(super) struct SaidKnown {
    key: String,
    fingerprint: String,
    offset: i64,
    at: i64,
}

impl SaidKnown {
    pub(super) fn row(self) -> Result<LiveKnown, BadRow> {
        Ok(LiveKnown {
            key: rows::bytes_32(&unhex(&self.key)?)?,
            fingerprint: rows::bytes_32(&unhex(&self.fingerprint)?)?,
            offset: rows::count(self.offset)?,
            at: Wall::from_millis(self.at),
        })
    }
}

impl Desk<'_> {
    pub(super) fn find_live(&mut self, query: &LiveQuery) -> Result<LiveFound, Trouble> {
        Ok(match query {
            LiveQuery::Topic { topic, history, keys_since, keys } => {
                let last = self.ask(sql::PUBLICATION_LAST, &[&topic.0, &i64::from(*history)])?;
                let entities = self.ask(sql::ENTITIES, &[&topic.0])?;
                let since = keys_since.as_millis();
                let known_rows = self.ask(sql::LIVE_KEYS, &[&topic.0, &since, &i64::from(*keys)])?;
                LiveFound::Topic(Box::new(LiveTopic {
                    history: last.iter().rev().map(publication).collect::<Result<_, _>>()?,
                    entities: entities.iter().map(entity).collect::<Result<_, _>>()?,
                    keys: known_rows.iter().rev().map(known).collect::<Result<_, _>>()?,
                }))
            }
            LiveQuery::Revoked { after, limit } => {
                let place = rows::count_column(*after);
                let found = self.ask(sql::REVOKED, &[&place, &i64::from(*limit)])?;
                let read = |row: &Row| {
                    let (change, user) = (rows::count(column(row, 0)?)?, column::<String>(row, 1)?.into());
                    Ok(LiveRevoked { change, user, at: Wall::from_millis(column(row, 2)?) })
                };
                LiveFound::Revoked(found.iter().map(read).collect::<Result<_, Trouble>>()?)
            }
            LiveQuery::Places { topics } => {
                let numbers: Vec<i64> = topics.iter().map(|no| no.0).collect();
                let rows = self.ask(sql::TOPICS_STAND, &[&numbers])?;
                LiveFound::Places(rows.iter().map(place).collect::<Result<_, _>>()?)
            }
            LiveQuery::Feed { topic, after, limit } => {
                let (after, limit) = (rows::count_column(*after), i64::from(*limit));
                let found = match topic {
                    Some(topic) => {
                        let id = without_nul(topic.as_str());
                        self.ask(sql::FEED_OF, &[&id, &after, &limit])?
                    }
                    None => self.ask(sql::FEED, &[&after, &limit])?,
                };
                let top = self.ask(sql::FEED_TOP, &[])?;
                let top = top.first().ok_or(BadRow("no place in the feed"))?;
                LiveFound::Fed {
                    rows: found.iter().map(fed).collect::<Result<_, _>>()?,
                    top: rows::count(column(top, 0)?)?,
                }
            }
        })
    }
}

fn publication(row: &Row) -> Result<(u64, LiveRow), Trouble> {
    let late = column(row, 6)?;
    let (offset, value) = entity(row)?;
    Ok((offset, LiveRow { late, ..value }))
}

/// A row with the columns offset, key, version, at, gone, body.
fn entity(row: &Row) -> Result<(u64, LiveRow), Trouble> {
    let (key, version): (Option<String>, Option<i64>) = (column(row, 1)?, column(row, 2)?);
    let body: String = column(row, 5)?;
    let value = LiveRow {
        key: key.map(Into::into),
        version: version.map(rows::count).transpose()?,
        at: Wall::from_millis(column(row, 3)?),
        late: false,
        gone: column(row, 4)?,
        text: Arc::from(body),
    };
    Ok((rows::count(column(row, 0)?)?, value))
}

fn known(row: &Row) -> Result<LiveKnown, Trouble> {
    let (key, fingerprint): (Vec<u8>, Vec<u8>) = (column(row, 0)?, column(row, 1)?);
    Ok(LiveKnown {
        key: rows::bytes_32(&key)?,
        fingerprint: rows::bytes_32(&fingerprint)?,
        offset: rows::count(column(row, 2)?)?,
        at: Wall::from_millis(column(row, 3)?),
    })
}

fn place(row: &Row) -> Result<LivePlace, Trouble> {
    let (epoch, top): (i64, i64) = (column(row, 1)?, column(row, 2)?);
    let topic = TopicNo(column(row, 0)?);
    Ok(LivePlace { topic, epoch: Epoch(rows::count(epoch)?), top: rows::count(top)? })
}

fn fed(row: &Row) -> Result<FedRow, Trouble> {
    let (topic, key): (String, Option<String>) = (column(row, 1)?, column(row, 2)?);
    let (version, body): (Option<i64>, String) = (column(row, 3)?, column(row, 4)?);
    Ok(FedRow {
        id: rows::count(column(row, 0)?)?,
        topic: TopicId::new(topic),
        key: key.map(Into::into),
        // A number that no publication may have is none.
        version: version.and_then(|version| u64::try_from(version).ok()),
        text: Arc::from(body),
    })
}
