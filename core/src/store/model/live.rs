//! What every operation and question on live topics means.

use std::collections::BTreeMap;

use super::Model;
use crate::ids::{Epoch, HistoryEpoch, TopicId, TopicNo};
use crate::store::{
    FedRow, FedTurn, LiveFence, LiveFound, LiveKey, LiveKnown, LiveLoad, LiveOp, LivePlace, LiveQuery,
    LiveReply, LiveRevoked, LiveRow, LiveTopic,
};
use crate::time::Wall;

/// All topics and what is kept of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Lives {
    ids: BTreeMap<TopicId, TopicNo>,
    all: BTreeMap<TopicNo, Kept>,
    /// Until when, and with the place of what was written last of it.
    revoked: BTreeMap<Box<str>, (Wall, u64)>,
    revocations: u64,
    /// What other programs wrote.
    feed: Vec<FedRow>,
}

#[derive(Clone, Debug)]
struct Kept {
    owner: Option<u64>,
    epoch: Epoch,
    stream: Box<str>,
    top: u64,
    place: u64,
    fed: u64,
    /// With the places of their writes.
    history: BTreeMap<u64, (u64, LiveRow)>,
    entities: BTreeMap<Box<str>, (u64, LiveRow)>,
    keys: BTreeMap<[u8; 32], LiveKnown>,
}

impl Model {
    /// Another history begins: the same offset may have meant something else in the one that was lost.
    pub(super) fn rename_streams(&mut self, history: &HistoryEpoch) {
        for (no, kept) in &mut self.lives.all {
            kept.owner = None;
            kept.stream = format!("{}.{}", history.hex(), no.0).into();
        }
    }

    /// Lets another program write something into the feed.
    pub fn feed(&mut self, row: FedRow) {
        self.lives.feed.push(row);
    }

    /// Takes the last publication of a topic out, as if it had never been; false when there is none.
    pub fn lose_publication(&mut self, topic: &TopicId) -> bool {
        let no = self.lives.ids.get(topic);
        let Some(kept) = no.and_then(|no| self.lives.all.get_mut(no)) else { return false };
        let lost = kept.history.remove(&kept.top).is_some();
        kept.top -= u64::from(lost);
        lost
    }

    pub(super) fn apply_live(&mut self, op: &LiveOp) -> LiveReply {
        match op {
            LiveOp::Claim { topic, stream, at } => self.claim_topic(topic, stream, *at),
            LiveOp::Release(fences) => {
                for fence in fences {
                    if let Some(kept) = self.kept_topic(fence) {
                        kept.owner = None;
                    }
                }
                LiveReply::Done
            }
            LiveOp::Append { fence, place, rows, key, fed } => match self.kept_topic(fence) {
                Some(kept) => kept.append(*place, rows, key.as_deref(), *fed),
                None => LiveReply::Lost,
            },
            LiveOp::Trim { fence, through } => match self.kept_topic(fence) {
                Some(kept) => {
                    kept.history.retain(|offset, _| offset > through);
                    LiveReply::Done
                }
                None => LiveReply::Lost,
            },
            LiveOp::Revoke { user, at } => {
                self.lives.revocations += 1;
                let (until, change) = self.lives.revoked.entry(user.clone()).or_insert((*at, 0));
                (*until, *change) = ((*until).max(*at), self.lives.revocations);
                LiveReply::Done
            }
            LiveOp::Prune { keys_before, gone_before, limit, .. } => {
                self.prune_topics(*keys_before, *gone_before, usize::try_from(*limit).unwrap_or(usize::MAX))
            }
        }
    }

    fn claim_topic(&mut self, id: &TopicId, stream: &str, at: Wall) -> LiveReply {
        let next = TopicNo(i64::try_from(self.lives.all.len()).unwrap_or(i64::MAX) + 1);
        let no = *self.lives.ids.entry(id.clone()).or_insert(next);
        let me = self.owners.me();
        let kept = self.lives.all.entry(no).or_insert_with(|| Kept {
            owner: None,
            epoch: Epoch(0),
            stream: stream.into(),
            top: 0,
            place: 0,
            fed: 0,
            history: BTreeMap::new(),
            entities: BTreeMap::new(),
            keys: BTreeMap::new(),
        });
        if kept.owner.is_some_and(|owner| owner != me && self.owners.lives(owner)) {
            return LiveReply::OwnedElsewhere;
        }
        kept.owner = Some(me);
        kept.epoch = Epoch(kept.epoch.0 + 1);
        for known in kept.keys.values_mut() {
            known.at = known.at.min(at);
        }
        let Kept { epoch, stream, top, fed, .. } = kept;
        LiveReply::Owned(Box::new(LiveLoad {
            no,
            epoch: *epoch,
            stream: stream.clone(),
            top: *top,
            fed: *fed,
        }))
    }

    fn kept_topic(&mut self, fence: &LiveFence) -> Option<&mut Kept> {
        let me = self.owners.me();
        let kept = self.lives.all.get_mut(&fence.topic)?;
        (kept.owner == Some(me) && kept.epoch == fence.epoch).then_some(kept)
    }

    fn prune_topics(&mut self, keys_before: Wall, gone_before: Wall, limit: usize) -> LiveReply {
        let (mut keys, mut gone) = (Vec::new(), Vec::new());
        for (no, kept) in &self.lives.all {
            keys.extend(kept.keys.values().map(|known| (known.at, *no, known.key)));
            let removed = kept.entities.iter().filter(|(_, (_, row))| row.gone);
            gone.extend(removed.map(|(key, (_, row))| (row.at, *no, key.clone())));
        }
        keys.retain(|(at, ..)| *at < keys_before);
        gone.retain(|(at, ..)| *at < gone_before);
        keys.sort();
        gone.sort();
        keys.truncate(limit);
        gone.truncate(limit);
        let rows = keys.len().max(gone.len());
        for (_, no, key) in keys {
            self.lives.all.get_mut(&no).map(|kept| kept.keys.remove(&key));
        }
        for (_, no, key) in gone {
            self.lives.all.get_mut(&no).map(|kept| kept.entities.remove(&key));
        }
        LiveReply::Pruned { rows: u32::try_from(rows).unwrap_or(u32::MAX) }
    }

    pub(super) fn find_live(&self, query: &LiveQuery) -> LiveFound {
        let size = |limit: u32| usize::try_from(limit).unwrap_or(usize::MAX);
        match query {
            LiveQuery::Topic { topic, history, keys_since, keys } => {
                let kept = self.lives.all.get(topic);
                let topic = kept.map(|kept| kept.show(size(*history), *keys_since, size(*keys)));
                LiveFound::Topic(Box::new(topic.unwrap_or_default()))
            }
            LiveQuery::Revoked { after, limit } => {
                let all = self.lives.revoked.iter().map(|(user, (at, change))| LiveRevoked {
                    change: *change,
                    user: user.clone(),
                    at: *at,
                });
                let mut rows: Vec<LiveRevoked> = all.filter(|row| row.change > *after).collect();
                rows.sort_by_key(|row| row.change);
                rows.truncate(size(*limit));
                LiveFound::Revoked(rows)
            }
            LiveQuery::Places { topics } => {
                let known = topics.iter().filter_map(|no| Some((*no, self.lives.all.get(no)?)));
                let place =
                    |(topic, kept): (TopicNo, &Kept)| LivePlace { topic, epoch: kept.epoch, top: kept.top };
                let mut places: Vec<LivePlace> = known.map(place).collect();
                places.sort_by_key(|place| place.topic);
                LiveFound::Places(places)
            }
            LiveQuery::Feed { topic, after, limit } => {
                let wanted =
                    |row: &&FedRow| row.id > *after && topic.as_ref().is_none_or(|t| row.topic == *t);
                let rows = self.lives.feed.iter().filter(wanted).take(size(*limit)).cloned().collect();
                LiveFound::Fed { rows, top: self.lives.feed.last().map_or(0, |row| row.id) }
            }
        }
    }
}

impl Kept {
    fn append(
        &mut self,
        place: u64,
        rows: &[LiveRow],
        key: Option<&LiveKey>,
        fed: Option<FedTurn>,
    ) -> LiveReply {
        if place <= self.place {
            let same = self.history.iter().filter(|(_, (written, _))| *written == place);
            let same: Vec<(u64, bool)> = same.map(|(offset, (_, row))| (*offset, row.late)).collect();
            if let Some((offset, _)) = same.last() {
                let late = same.iter().filter(|(_, late)| *late).map(|(offset, _)| *offset);
                return LiveReply::Appended { offset: *offset, late: late.collect() };
            }
            let known = self.used(key).map(LiveReply::Repeated);
            return known.unwrap_or(LiveReply::Appended { offset: 0, late: Vec::new() });
        }
        if let Some(turn) = fed {
            if !turn.has_come(self.fed) {
                return LiveReply::OutOfTurn { fed: self.fed };
            }
            self.fed = turn.row;
        }
        if let Some(known) = self.used(key) {
            return LiveReply::Repeated(known);
        }
        self.place = place;
        let mut late = Vec::new();
        for row in rows {
            self.top += 1;
            let offset = self.top;
            let known = row.key.as_ref().and_then(|entity| self.entities.get(entity));
            let version = known.and_then(|(_, row)| row.version);
            let is_late = row.version.zip(version).is_some_and(|(version, known)| version <= known);
            let row = LiveRow { late: is_late, ..row.clone() };
            if is_late {
                late.push(offset);
            } else if let Some(entity) = row.key.clone() {
                self.entities.insert(entity, (offset, row.clone()));
            }
            self.history.insert(offset, (place, row));
        }
        let offset = self.top;
        if let (Some(LiveKey { key, fingerprint, .. }), Some(last)) = (key.copied(), rows.last()) {
            self.keys.insert(key, LiveKnown { key, fingerprint, offset, at: last.at });
        }
        LiveReply::Appended { offset, late }
    }

    /// What a key of idempotency was used for.
    fn used(&self, key: Option<&LiveKey>) -> Option<LiveKnown> {
        let key = key?;
        self.keys.get(&key.key).filter(|known| known.at >= key.since).copied()
    }

    fn show(&self, history: usize, keys_since: Wall, keys: usize) -> LiveTopic {
        let skip = self.history.len().saturating_sub(history);
        let rows = self.history.iter().skip(skip).map(|(offset, (_, row))| (*offset, row.clone()));
        let known = self.keys.values().copied();
        let mut known: Vec<LiveKnown> = known.filter(|known| known.at >= keys_since).collect();
        known.sort_by_key(|known| (known.at, known.offset));
        LiveTopic {
            history: rows.collect(),
            entities: self.entities.values().cloned().collect(),
            keys: known.split_off(known.len().saturating_sub(keys)),
        }
    }
}
