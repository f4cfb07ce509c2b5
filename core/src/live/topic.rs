//! One topic in memory: its publications within bounds, the latest value of every entity, its watchers.
//!
//! *Decides* what is kept, what a watcher that comes or comes back is shown, and which keys are known.
//! *Always holds:* offsets have no gaps; an older value never stands in place of a newer one; what is shown
//! at an offset holds exactly what was published up to it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::clock::Times;
use super::feed::Catching;
use super::presence::Presence;
use super::publication::{Place, Publication};
use super::publish::Unstored;
use super::window::Window;
use crate::config::{Limits, TopicRule, size};
use crate::ids::TopicId;
use crate::planted::planted;
use crate::store::{FedTurn, LiveFence, LiveKnown, LiveRow, LiveTopic};
use crate::surface::SessionId;
use crate::time::{Mono, Wall};
use crate::wire::live::{Draft, Spot};

/// See the module's own words.
#[derive(Debug)]
pub(super) struct Topic {
    pub name: TopicId,
    /// What its positions are called: another word means that something may be missing.
    pub epoch: Box<str>,
    /// None for one that lives in memory only.
    pub fence: Option<LiveFence>,
    pub rule: TopicRule,
    /// The last offset that was given out.
    pub top: u64,
    /// The next place of a write.
    pub place: u64,
    /// The last row of the feed that stands among its publications.
    pub fed: u64,
    /// The last one that was looked at for it.
    pub fed_asked: u64,
    /// The last one whose write was staged.
    pub fed_staged: u64,
    pub catching: Catching,
    /// A row could not be written.
    pub refused_feed: bool,
    history: VecDeque<Arc<Publication>>,
    history_bytes: usize,
    entities: BTreeMap<Box<str>, Arc<Publication>>,
    entity_bytes: usize,
    pub keys: Keys,
    /// Publications that wait for their commit, in order.
    pub unstored: VecDeque<Unstored>,
    pub watchers: BTreeMap<SessionId, Watch>,
    /// What is gathered for watchers that wish for that, by its time in milliseconds.
    pub windows: BTreeMap<u64, Window>,
    pub presence: Presence,
    /// Publications since it is in memory.
    pub published: u64,
    /// Up to which offset the store was told to forget.
    pub trimmed: u64,
    /// Continuations that have not come back.
    pub outstanding: u64,
}

/// What a watcher wants of a topic, and has.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Watch {
    /// Joins and leaves are told.
    pub presence: bool,
    /// The last offset that left for the watcher.
    pub sent: u64,
    /// What was dropped and is still to be told: from one offset to another.
    pub gap: Option<(u64, u64)>,
    /// Publications are gathered for so many milliseconds.
    pub window_ms: Option<u64>,
}

/// What a watcher that comes is shown.
#[derive(Debug)]
pub(super) enum Start {
    /// The latest value of every entity, and the last publications if they were asked for.
    Fresh { snapshot: Vec<Arc<Publication>>, last: Option<Vec<Arc<Publication>>> },
    /// All that was missed.
    Recovered(Vec<Arc<Publication>>),
    /// The latest value of every entity: what was missed is not here any more.
    Missed(Vec<Arc<Publication>>),
}

impl Topic {
    pub(super) fn new(name: TopicId, epoch: Box<str>, fence: Option<LiveFence>, rule: TopicRule) -> Topic {
        Topic {
            name,
            epoch,
            fence,
            rule,
            top: 0,
            place: fence.map_or(1, |fence| fence.first_place()),
            fed: 0,
            fed_asked: 0,
            fed_staged: 0,
            catching: Catching::default(),
            refused_feed: false,
            history: VecDeque::new(),
            history_bytes: 0,
            entities: BTreeMap::new(),
            entity_bytes: 0,
            keys: Keys::default(),
            unstored: VecDeque::new(),
            watchers: BTreeMap::new(),
            windows: BTreeMap::new(),
            presence: Presence::default(),
            published: 0,
            trimmed: 0,
            outstanding: 0,
        }
    }

    /// Takes over what was kept of it.
    pub(super) fn load(&mut self, kept: LiveTopic, limits: &Limits, came: Mono, times: Times) {
        for (offset, row) in kept.entities {
            self.set_entity(&Arc::new(Publication::of(offset, &row, came, times.aged(row.at))));
        }
        for (offset, row) in kept.history {
            self.remember(Arc::new(Publication::of(offset, &row, came, times.aged(row.at))));
        }
        self.trimmed = self.history.front().map_or(self.top, |first| first.offset.saturating_sub(1));
        for known in kept.keys {
            self.keys.learn(known, times.aged(known.at), size(limits.live_keys_max()));
        }
        self.tidy(limits, times);
    }

    pub(super) fn place_of(&self) -> Place<'_> {
        Place { topic: self.name.as_str(), epoch: &self.epoch }
    }

    /// Takes a publication in, at the offset it was given.
    pub(super) fn apply(&mut self, publication: &Arc<Publication>, limits: &Limits, times: Times) {
        self.top = publication.offset;
        self.published += 1;
        if !publication.late || planted("late_value_overwrites") {
            self.set_entity(publication);
        }
        self.remember(Arc::clone(publication));
        self.tidy(limits, times);
    }

    /// True when a value is no newer than what is known of its entity.
    pub(super) fn is_late(&self, row: &LiveRow) -> bool {
        let known = row.key.as_ref().and_then(|entity| self.entities.get(entity));
        row.version
            .zip(known.and_then(|known| known.version))
            .is_some_and(|(version, known)| version <= known && !planted("volatile_late_unjudged"))
    }

    /// True when there is room for the values of the entities that these are about.
    pub(super) fn has_room_for(&self, drafts: &[Draft], limits: &Limits) -> bool {
        let mut latest: BTreeMap<&str, usize> = BTreeMap::new();
        for draft in drafts {
            latest.extend(draft.key.as_deref().map(|entity| (entity, draft.data.len())));
        }
        let (mut count, mut bytes) = (self.entities.len(), self.entity_bytes);
        for (entity, data_bytes) in &latest {
            let before = self.entities.get(*entity);
            count += usize::from(before.is_none());
            bytes = bytes + data_bytes - before.map_or(0, |before| before.data_bytes());
        }
        let fits = count <= size(limits.live_entities_max()) && bytes <= size(limits.live_entity_bytes_max());
        latest.is_empty() || fits
    }

    /// What a watcher is shown that comes, or comes back from that position.
    pub(super) fn start(&self, recover: Option<&Spot>, last: usize) -> Start {
        let Some(spot) = recover else {
            let skip = self.history.len().saturating_sub(last);
            let last = (last > 0).then(|| self.history.iter().skip(skip).cloned().collect());
            return Start::Fresh { snapshot: self.snapshot(), last };
        };
        match self.since(spot) {
            Some(missed) => Start::Recovered(missed),
            None => Start::Missed(self.snapshot()),
        }
    }

    /// Everything behind a position; `None` when it is not all there. Where values replace each other,
    /// a position does not say what its watcher has.
    fn since(&self, spot: &Spot) -> Option<Vec<Arc<Publication>>> {
        let is_ours = spot.epoch == *self.epoch && spot.offset <= self.top;
        let oldest = self.history.front().map_or(self.top + 1, |first| first.offset);
        let reaches = spot.offset + 1 >= oldest || planted("recovered_with_a_hole");
        if !is_ours || self.rule.slow == crate::config::Slow::Conflate || !reaches {
            return None;
        }
        Some(self.history.iter().filter(|one| one.offset > spot.offset).cloned().collect())
    }

    /// The latest value of every entity, by key.
    pub(super) fn snapshot(&self) -> Vec<Arc<Publication>> {
        self.entities.values().filter(|publication| !publication.gone).cloned().collect()
    }

    /// A page of publications: behind an offset, or in reverse before it.
    pub(super) fn page(&self, since: Option<u64>, limit: usize, reverse: bool) -> Vec<Arc<Publication>> {
        if reverse {
            let before = since.unwrap_or(u64::MAX);
            let older = self.history.iter().rev().filter(|one| one.offset < before);
            return older.take(limit).cloned().collect();
        }
        let after = since.unwrap_or(0);
        self.history.iter().filter(|one| one.offset > after).take(limit).cloned().collect()
    }

    /// The offset up to which nothing is kept.
    pub(super) fn forgotten(&self) -> u64 {
        self.history.front().map_or(self.top, |first| first.offset - 1)
    }

    /// Drops what is over the bounds or too old.
    pub(super) fn tidy(&mut self, limits: &Limits, times: Times) {
        let kept = self.rule.kept;
        let since = times.steady.before_millis(kept.millis_max(limits));
        let is_over = |topic: &Topic| {
            topic.history.len() > size(kept.count_max(limits))
                || topic.history_bytes > size(kept.bytes_max(limits))
                || topic.history.front().is_some_and(|first| first.aged < since)
        };
        while is_over(self)
            && let Some(dropped) = self.history.pop_front()
        {
            self.history_bytes -= dropped.data_bytes();
        }
        self.keys.forget_before(times.steady.before_millis(limits.live_keys_ms()));
    }

    /// Forgets entities that were removed so long ago that nothing older can still come.
    pub(super) fn bury(&mut self, limits: &Limits, times: Times) {
        let since = times.steady.before_millis(limits.live_history_ms());
        self.entities.retain(|_, publication| !publication.gone || publication.aged >= since);
        self.entity_bytes = self.entities.values().map(|publication| publication.data_bytes()).sum();
    }

    /// It has taken the feed up to that row, and nothing of it is on its way.
    pub(super) fn has_fed(&mut self, row: u64) {
        (self.fed, self.fed_asked, self.fed_staged) = (row, row, row);
    }

    /// The turn of a row of the feed, which is about to be written.
    pub(super) fn turn_of(&mut self, row: u64) -> FedTurn {
        FedTurn { row, after: std::mem::replace(&mut self.fed_staged, row) }
    }

    /// True while rows of the feed wait for their commit.
    pub(super) fn has_rows_on_their_way(&self) -> bool {
        self.unstored.iter().any(Unstored::is_fed)
    }

    pub(super) fn is_needed(&self) -> bool {
        !self.watchers.is_empty()
            || !self.unstored.is_empty()
            || self.outstanding > 0
            || self.presence.has_leaving()
    }

    fn remember(&mut self, publication: Arc<Publication>) {
        self.history_bytes += publication.data_bytes();
        self.history.push_back(publication);
    }

    fn set_entity(&mut self, publication: &Arc<Publication>) {
        let Some(key) = &publication.key else { return };
        self.entity_bytes += publication.data_bytes();
        if let Some(before) = self.entities.insert(key.clone(), Arc::clone(publication)) {
            self.entity_bytes -= before.data_bytes();
        }
    }
}

/// Keys of idempotency, oldest first, with the time they age by.
#[derive(Debug, Default)]
pub(super) struct Keys {
    known: BTreeMap<[u8; 32], LiveKnown>,
    order: VecDeque<(Wall, [u8; 32])>,
}

impl Keys {
    pub(super) fn find(&self, key: &[u8; 32]) -> Option<&LiveKnown> {
        self.known.get(key)
    }

    pub(super) fn learn(&mut self, known: LiveKnown, aged: Wall, max: usize) {
        self.order.push_back((aged, known.key));
        self.known.insert(known.key, known);
        while self.order.len() > max
            && let Some((_, key)) = self.order.pop_front()
        {
            self.known.remove(&key);
        }
    }

    fn forget_before(&mut self, since: Wall) {
        while self.order.front().is_some_and(|(at, _)| *at < since)
            && let Some((_, key)) = self.order.pop_front()
        {
            self.known.remove(&key);
        }
    }
}
