//! Live topics: nobody is told of what is not stored, offsets have no holes, and a watcher holds what was
//! published or was told that it does not (I16).

mod fleeting;
mod rights;

use std::collections::{BTreeMap, BTreeSet};

use peermesh_core::ids::TopicNo;
use peermesh_core::store::{LiveFence, LiveKey, LiveOp, LiveReply, LiveRow};

use super::rules::{Judged, Rule, broken};
use super::{Oracle, Party, Said};
use crate::sim::actor::{VOLATILE, user_of};
use crate::sim::clock::MS;
use crate::sim::heard::{Heard, HeardKind, Item};
use crate::sim::marks::{Mark, Tally};

/// What is known of live topics.
#[derive(Debug, Default)]
pub(super) struct Topics {
    names: BTreeMap<TopicNo, String>,
    logs: BTreeMap<String, Log>,
    /// What publishers sent, by what they call it.
    sent: BTreeMap<String, Publication>,
    watchers: BTreeMap<usize, Knowledge>,
    /// Topics that no store knows.
    fleeting: fleeting::Fleeting,
    pub(super) rights: rights::Rights,
    /// Keys age by clocks that are not always right here.
    are_keys_unsure: bool,
}

/// All that was ever published to a topic.
#[derive(Debug, Default)]
struct Log {
    epoch: String,
    /// The first stands at offset 1.
    rows: Vec<LiveRow>,
    /// The store has forgotten the rows up to here.
    trimmed: u64,
    /// Offsets of keys of idempotency, and when they were stored.
    keys: BTreeMap<[u8; 32], (u64, u64)>,
    /// The same of what publishers call their publications.
    names: BTreeMap<String, (u64, u64)>,
    /// Offsets behind which others of the same write follow.
    within: BTreeSet<u64>,
    /// The newest publication of every entity, removals included.
    newest: BTreeMap<Box<str>, u64>,
}

/// What somebody published: all of it, or nothing.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Publication {
    pub topic: String,
    pub parts: Vec<Part>,
}

/// One of several that are published together.
#[derive(Clone, Debug)]
pub(in crate::sim) struct Part {
    pub key: Option<String>,
    pub version: Option<u64>,
    /// JSON.
    pub text: String,
}

/// What a watcher may believe of its topic. It outlives connections.
#[derive(Debug, Default)]
pub(in crate::sim) struct Knowledge {
    pub topic: String,
    pub epoch: String,
    pub offset: u64,
    /// The offset of the value that it holds of each entity.
    holds: BTreeMap<String, u64>,
    /// The last offset that it heard of each entity.
    last: BTreeMap<String, u64>,
    /// Offsets may be left out, because later values took their place.
    conflates: bool,
    /// It was told of a gap, so what it holds may be old.
    has_gap: bool,
    /// Who else watches, as far as it was told.
    users: BTreeSet<String>,
    /// How many came and went.
    version: u64,
}

impl Topics {
    pub(super) fn new(are_keys_unsure: bool) -> Topics {
        Topics { are_keys_unsure, ..Topics::default() }
    }

    /// Days pass, after which keys may be forgotten.
    pub(super) fn days_pass(&mut self) {
        for log in self.logs.values_mut() {
            log.keys.clear();
            log.names.clear();
        }
    }
}

impl Oracle {
    /// Somebody publishes something under a name of its own, which is its key of idempotency as well.
    pub(in crate::sim) fn publishes(&mut self, id: &str, what: Publication) {
        self.topics.sent.insert(id.to_owned(), what);
    }

    /// Somebody begins to watch a topic.
    pub(in crate::sim) fn watches(&mut self, watcher: usize, topic: &str) {
        let knowledge = Knowledge { topic: topic.to_owned(), ..Knowledge::default() };
        self.topics.watchers.insert(watcher, knowledge);
    }

    /// What a watcher may believe.
    pub(in crate::sim) fn knowledge(&self, watcher: usize) -> Option<&Knowledge> {
        self.topics.watchers.get(&watcher)
    }

    /// A write on live topics took effect.
    pub(super) fn live_wrote(
        &mut self,
        at: u64,
        op: &LiveOp,
        reply: &LiveReply,
        tally: &mut Tally,
    ) -> Judged {
        match (op, reply) {
            (LiveOp::Claim { topic, .. }, LiveReply::Owned(load)) => {
                self.topics.names.insert(load.no, topic.as_str().to_owned());
                let log = self.topics.logs.entry(topic.as_str().to_owned()).or_default();
                if log.epoch.is_empty() {
                    log.epoch = load.stream.to_string();
                }
                match *log.epoch == *load.stream && load.top == log.top() {
                    true => Ok(()),
                    false => broken(Rule::I9, format!("{topic} is taken over as {load:?}")),
                }
            }
            (LiveOp::Append { fence, rows, key, .. }, LiveReply::Appended { offset, late })
                if *offset > 0 =>
            {
                tally.mark(if late.is_empty() { Mark::LivePublished } else { Mark::LiveLate });
                if rows.len() > 1 {
                    tally.mark(Mark::LiveBatch);
                }
                let keys_ms = (!self.topics.are_keys_unsure).then(|| self.limits.live_keys_ms());
                let first = offset + 1 - rows.len() as u64;
                let rows = rows.iter().zip(first..).map(|(row, offset)| {
                    let late = late.contains(&offset);
                    (offset, LiveRow { late, ..row.clone() })
                });
                self.topics.appended(at, fence, rows.collect(), key.as_deref(), keys_ms)
            }
            (LiveOp::Trim { fence, through }, LiveReply::Done) => {
                let name = self.topics.names.get(&fence.topic);
                if let Some(log) = name.and_then(|name| self.topics.logs.get_mut(name)) {
                    log.trimmed = log.trimmed.max(*through);
                }
                Ok(())
            }
            (LiveOp::Append { .. }, LiveReply::Repeated(_)) => {
                tally.mark(Mark::LiveRepeated);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Something about live topics leaves a broker: it is stored (I3), and a start shows what holds (I16).
    pub(super) fn live_said(&mut self, said: &Said<'_>, heard: &Heard, tally: &mut Tally) -> Judged {
        self.topics.rights.told(said.conn, heard)?;
        let topic = match &self.conns.get(&said.conn).map(|conn| &conn.party) {
            Some(Party::Watcher(watcher)) => self.topics.watchers.get(watcher).map(|known| &known.topic),
            Some(Party::Publisher) => self.topics.sent.get(&heard.id).map(|sent| &sent.topic),
            Some(_) | None => None,
        };
        if topic.is_some_and(|topic| topic == VOLATILE) {
            let sent = self.topics.sent.get(&heard.id);
            let node = self.conns.get(&said.conn).map_or(0, |conn| conn.node);
            return self.topics.fleeting.said(said, node, heard, sent, tally);
        }
        let Some(log) = topic.and_then(|topic| self.topics.logs.get(topic)) else { return Ok(()) };
        match heard.kind {
            HeardKind::Position => log.stands(&heard.item()),
            HeardKind::Published => log.receipt(heard, self.topics.sent.get(&heard.id)),
            HeardKind::Subscribed => log.shows(heard),
            HeardKind::Gap if heard.to > log.top() => {
                broken(Rule::I16, format!("{}, and {} is the last", heard.shown(), log.top()))
            }
            _ => Ok(()),
        }
    }

    /// A watcher hears something: it follows from what it heard before. `asked` says that it wanted to go on
    /// where it was.
    pub(in crate::sim) fn watcher_hears(
        &mut self,
        watcher: usize,
        heard: &Heard,
        asked: bool,
        tally: &mut Tally,
    ) -> Judged {
        let Some(known) = self.topics.watchers.get_mut(&watcher) else { return Ok(()) };
        let learned = match heard.kind {
            HeardKind::Subscribed => known.begin(heard, asked, tally),
            HeardKind::Position => {
                if heard.conflated {
                    tally.mark(Mark::LiveConflated);
                }
                known.follow(&heard.item())
            }
            HeardKind::Gap => {
                tally.mark(Mark::LiveGap);
                known.skip(heard.from, heard.to)
            }
            HeardKind::Join => {
                tally.mark(Mark::LiveJoined);
                known.meet(heard, true)
            }
            HeardKind::Leave => {
                tally.mark(Mark::LiveLeft);
                known.meet(heard, false)
            }
            HeardKind::Unsubscribed | HeardKind::Published | HeardKind::Error | HeardKind::Other => Ok(()),
        };
        learned.or_else(|text| broken(Rule::I16, format!("watcher {watcher}: {text}: {}", heard.shown())))
    }

    /// What a watcher still misses, in peace.
    pub(in crate::sim) fn watcher_misses(&self, watcher: usize) -> Option<String> {
        let known = self.topics.watchers.get(&watcher)?;
        let topic = &known.topic;
        let there = self
            .topics
            .watchers
            .iter()
            .filter(|(_, other)| (&other.topic, &other.epoch) == (topic, &known.epoch));
        let there: BTreeSet<String> = there.map(|(other, _)| user_of(*other)).collect();
        if known.version > 0 && known.users != there {
            return Some(format!(
                "watcher {watcher} thinks that {:?} watch {topic}, not {there:?}",
                known.users
            ));
        }
        if topic == VOLATILE {
            let top = self.topics.fleeting.top(&known.epoch);
            return (known.offset < top)
                .then(|| format!("watcher {watcher} is at {} of {topic}, not {top}", known.offset));
        }
        let log = self.topics.logs.get(topic)?;
        if !known.conflates && known.offset != log.top() {
            return Some(format!("watcher {watcher} is at {} of {topic}, not {}", known.offset, log.top()));
        }
        let (wanted, holds) = (log.holds(log.top()), &known.holds);
        let is_same = known.has_gap || holds.iter().map(|(key, at)| (key.as_str(), *at)).eq(wanted.clone());
        (!is_same).then(|| format!("watcher {watcher} holds {holds:?} of {topic}, not {wanted:?}"))
    }
}

impl Topics {
    /// What one write brought stands: at the next offsets, once for its key, and late where it says so.
    fn appended(
        &mut self,
        at: u64,
        fence: &LiveFence,
        rows: Vec<(u64, LiveRow)>,
        key: Option<&LiveKey>,
        keys_ms: Option<u64>,
    ) -> Judged {
        let Some(name) = self.names.get(&fence.topic) else { return Ok(()) };
        let log = self.logs.entry(name.clone()).or_default();
        let [(first, _), ..] = rows[..] else { return Ok(()) };
        if first <= log.top() {
            // A write that is made again stands where it stands. Of what was forgotten since nobody asks
            // whether it was late.
            let stands =
                |(offset, row): &(u64, LiveRow)| *offset <= log.trimmed || log.row(*offset) == Some(row);
            return match rows.iter().all(stands) {
                true => Ok(()),
                false => broken(Rule::I9, format!("offset {first} of {name} is given out twice")),
            };
        }
        if first != log.top() + 1 {
            return broken(Rule::I9, format!("{name} goes from {} to {first}", log.top()));
        }
        let is_fresh = |then: u64| keys_ms.is_some_and(|keys_ms| at < then + keys_ms * MS);
        if let Some(key) = key
            && let Some((before, then)) = log.keys.insert(key.key, (first, at))
            && is_fresh(then)
        {
            return broken(Rule::I2, format!("one key stands at {before} and at {first} of {name}"));
        }
        // All of a write have one name.
        if let Some(id) = rows.iter().find_map(|(_, row)| published(&row.text))
            && let Some((before, then)) = log.names.insert(id.to_owned(), (first, at))
            && is_fresh(then)
        {
            return broken(Rule::I2, format!("{id} stands at {before} and at {first} of {name}"));
        }
        let last = first + rows.len() as u64 - 1;
        log.within.extend(first..last);
        for (offset, row) in rows {
            log.judge_late(offset, &row, name)?;
            if let Some(entity) = row.key.clone().filter(|_| !row.late) {
                log.newest.insert(entity, offset);
            }
            log.rows.push(row);
        }
        Ok(())
    }
}

/// What its publisher calls it; what removes an entity does not say so.
fn published(text: &str) -> Option<&str> {
    text.strip_prefix('"')?.split(' ').next()
}

impl Log {
    fn top(&self) -> u64 {
        self.rows.len() as u64
    }

    fn row(&self, offset: u64) -> Option<&LiveRow> {
        self.rows.get(usize::try_from(offset.checked_sub(1)?).ok()?)
    }

    /// A version that is no greater than what is known of its entity is late, and no other.
    fn judge_late(&self, offset: u64, row: &LiveRow, name: &str) -> Judged {
        let newest = row.key.as_ref().and_then(|entity| self.newest.get(entity));
        let known = newest.and_then(|offset| self.row(*offset));
        let is_late =
            row.version.zip(known.and_then(|known| known.version)).is_some_and(|(new, old)| new <= old);
        // That an entity was removed is forgotten after a while, and its version with it.
        let is_unsure = known.is_some_and(|known| known.gone);
        match row.late == is_late || is_unsure {
            true => Ok(()),
            false => broken(Rule::I16, format!("offset {offset} of {name} counts as late: {}", row.late)),
        }
    }

    /// What is told stands there.
    fn stands(&self, item: &Item) -> Judged {
        let Some(row) = self.row(item.offset) else {
            return broken(Rule::I3, format!("offset {} is told and not stored", item.offset));
        };
        let is_same = row.key.as_deref() == item.key.as_deref()
            && (row.version, row.late) == (item.version, item.late)
            && *row.text == *item.text();
        match is_same {
            true => Ok(()),
            false => broken(Rule::I2, format!("{item:?} is not what stands there: {row:?}")),
        }
    }

    /// A publisher is told where its publication stands: it does.
    fn receipt(&self, heard: &Heard, sent: Option<&Publication>) -> Judged {
        let Some(sent) = sent else { return Ok(()) };
        let first = (heard.offset + 1).saturating_sub(sent.parts.len() as u64);
        for (part, offset) in sent.parts.iter().zip(first..) {
            let Some(row) = self.row(offset) else {
                let text = format!("{} is told as stored at {offset}, and is not", heard.id);
                return broken(Rule::I3, text);
            };
            // Where values are conflated, what names no entity is about one without a name.
            let is_same = row.key.as_deref().unwrap_or_default() == part.key.as_deref().unwrap_or_default()
                && row.version == part.version
                && *row.text == *part.text;
            if !is_same || heard.epoch != self.epoch {
                return broken(Rule::I2, format!("{} is told to stand where {row:?} does", heard.id));
            }
        }
        Ok(())
    }

    /// A watcher is shown what holds, or all that it missed.
    fn shows(&self, heard: &Heard) -> Judged {
        if heard.epoch != self.epoch || heard.offset > self.top() {
            let text = format!("{} under {}, not {}", heard.shown(), heard.epoch, self.epoch);
            return broken(Rule::I9, text);
        }
        if self.within.contains(&heard.offset) {
            return broken(Rule::I16, format!("{} shows a part of what stands as a whole", heard.shown()));
        }
        heard.snapshot.iter().chain(&heard.publications).flatten().try_for_each(|item| self.stands(item))?;
        let Some(snapshot) = &heard.snapshot else { return Ok(()) };
        let shown: BTreeMap<&str, u64> =
            snapshot.iter().map(|item| (item.key.as_deref().unwrap_or_default(), item.offset)).collect();
        let holds = self.holds(heard.offset);
        match shown == holds {
            true => Ok(()),
            false => broken(Rule::I16, format!("{} shows {shown:?}, not {holds:?}", heard.shown())),
        }
    }

    /// The offset of every entity's value after the publication at that offset, by entity.
    fn holds(&self, offset: u64) -> BTreeMap<&str, u64> {
        let mut holds: BTreeMap<&str, u64> = BTreeMap::new();
        for (row, at) in self.rows.iter().zip(1..=offset) {
            match row.key.as_deref() {
                Some(entity) if row.gone && !row.late => _ = holds.remove(entity),
                Some(entity) if !row.late => _ = holds.insert(entity, at),
                Some(_) | None => {}
            }
        }
        holds
    }
}

impl Knowledge {
    fn begin(&mut self, heard: &Heard, asked: bool, tally: &mut Tally) -> Result<(), &'static str> {
        self.conflates = heard.slow == "conflate";
        if let Some(present) = &heard.presence {
            self.version = present.version;
            self.users = present.users.iter().map(|there| there.user.clone()).collect();
        }
        match heard.recovered {
            None if asked => return Err("nothing is said of what was missed"),
            Some(true) => {
                tally.mark(Mark::LiveRecovered);
                if heard.epoch != self.epoch {
                    return Err("recovered under another epoch");
                }
                for item in heard.publications.iter().flatten() {
                    self.follow(item)?;
                }
                return if self.offset == heard.offset {
                    Ok(())
                } else {
                    Err("recovered and not up to date")
                };
            }
            Some(false) => tally.mark(Mark::LiveMissed),
            None => {}
        }
        if heard.epoch == self.epoch && heard.offset < self.offset {
            return Err("the topic went back");
        }
        (self.epoch, self.offset, self.has_gap) = (heard.epoch.clone(), heard.offset, false);
        let Some(snapshot) = &heard.snapshot else { return Err("a start without what holds") };
        let shown = snapshot.iter().map(|item| (item.key.clone().unwrap_or_default(), item.offset));
        self.holds = shown.collect();
        self.last = self.holds.clone();
        Ok(())
    }

    fn follow(&mut self, item: &Item) -> Result<(), &'static str> {
        if self.conflates {
            self.offset = self.offset.max(item.offset);
        } else if item.offset == self.offset + 1 {
            self.offset = item.offset;
        } else {
            return Err("a silent hole, or something twice");
        }
        let Some(key) = item.key.clone() else { return Ok(()) };
        if self.last.insert(key.clone(), item.offset).is_some_and(|last| last >= item.offset) {
            return Err("an entity goes back");
        }
        if !item.late {
            match item.data {
                Some(_) => _ = self.holds.insert(key, item.offset),
                None => _ = self.holds.remove(&key),
            }
        }
        Ok(())
    }

    /// Somebody came or went: one after the other, and nobody twice.
    fn meet(&mut self, heard: &Heard, comes: bool) -> Result<(), &'static str> {
        self.version += 1;
        if heard.version != Some(self.version) {
            return Err("somebody came or went without a word");
        }
        let is_news =
            if comes { self.users.insert(heard.user.clone()) } else { self.users.remove(&heard.user) };
        if is_news { Ok(()) } else { Err("who came was there, or who left was not") }
    }

    fn skip(&mut self, from: u64, to: u64) -> Result<(), &'static str> {
        if from != self.offset + 1 || to < from {
            return Err("a gap that is not where something is missing");
        }
        (self.offset, self.has_gap) = (to, true);
        Ok(())
    }
}
