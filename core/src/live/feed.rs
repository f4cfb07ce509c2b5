//! Publications that other programs write into the store's feed.
//!
//! *Decides* which rows of the feed are still to be published. The feed is a table with an order; every topic
//! remembers with its publications how far it took it, so that nothing is published twice or left out,
//! whoever owns the topic. A hint that something stands there only saves waiting.
//! *Always holds:* a row is written behind the one before it or not at all (`FedTurn`), so that one whose
//! write was refused is not passed by those that were on their way already. While nobody knows whether a
//! topic is still ours its rows stay where they are.

use super::coming::Visit;
use super::publish::{self, Asker};
use super::topic::Topic;
use super::{After, Cx, Lives, Refusal, Timer, found_of};
use crate::ids::{TopicId, TopicNo};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{Ended, FedRow, LiveFound, LiveQuery, Query};
use crate::wire::live::{Draft, Publish};

/// Between two looks at the feed without a hint, in milliseconds.
const LOOK_MS: u64 = 1_000;
/// Rows of one look.
const PAGE: u32 = 256;

/// How far the feed was read.
#[derive(Debug, Default)]
pub(super) struct Feed {
    /// Up to here it was looked at for all topics; none before the first look.
    seen: Option<u64>,
    looking: bool,
    /// There was a hint meanwhile.
    again: bool,
}

/// How far a topic is with the feed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Catching {
    /// It takes what comes.
    #[default]
    Even,
    /// What stands behind its last row is being read; true when more came meanwhile.
    Behind { more: bool },
}

impl Lives {
    /// There may be something in the feed.
    pub(crate) fn hinted(&mut self, cx: &mut Cx<'_>) {
        self.look_at_feed(cx);
    }

    pub(super) fn look_at_feed(&mut self, cx: &mut Cx<'_>) {
        if !cx.config.live.as_ref().is_some_and(|live| live.has_feed) || self.draining {
            return;
        }
        self.timers.arm(Timer::Feed, cx.now.mono.after_millis(LOOK_MS));
        if std::mem::replace(&mut self.feed.looking, true) {
            self.feed.again = true;
            return;
        }
        let (after, limit) = self.feed.seen.map_or((0, 0), |seen| (seen, PAGE));
        cx.ask(Query::Live(LiveQuery::Feed { topic: None, after, limit }), After::Fed(None));
    }

    /// Reads the rows behind those that were looked at for a topic.
    pub(super) fn catch_up(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        if !cx.config.live.as_ref().is_some_and(|live| live.has_feed) {
            return;
        }
        topic.catching = Catching::Behind { more: false };
        topic.outstanding += 1;
        let (name, after) = (topic.name.clone(), topic.fed_asked);
        let query = LiveQuery::Feed { topic: Some(name), after, limit: PAGE };
        cx.ask(Query::Live(query), After::Fed(Some(no)));
    }

    /// What is in memory is surely ours again: rows that were held back are read.
    pub(crate) fn sure_again(&mut self, cx: &mut Cx<'_>) {
        self.read_refused(cx);
    }

    /// A row of a topic could not be written: it is read again.
    pub(super) fn feed_again(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        topic.refused_feed = true;
        self.timers.arm_by(Timer::Feed, cx.now.mono.after_millis(LOOK_MS));
    }

    pub(super) fn fed(&mut self, cx: &mut Cx<'_>, of: Option<TopicNo>, ended: Ended) {
        let found = found_of(ended);
        match of {
            Some(no) => self.caught_up(cx, no, found),
            None => self.looked(cx, found),
        }
    }

    fn looked(&mut self, cx: &mut Cx<'_>, found: Option<LiveFound>) {
        self.feed.looking = false;
        self.read_refused(cx);
        let Some(LiveFound::Fed { rows, top }) = found else { return };
        let is_full = rows.len() as u64 >= u64::from(PAGE);
        if self.feed.seen.is_none() {
            // What came between a topic's own reading and this first look stands below it.
            let all: Vec<TopicNo> = self.topics.keys().copied().filter(|no| no.0 > 0).collect();
            all.into_iter().for_each(|no| self.read_on(cx, no));
        }
        self.feed.seen = Some(rows.last().map_or_else(|| self.feed.seen.unwrap_or(top), |last| last.id));
        for row in rows {
            let Some(no) = self.by_name.get(&row.topic).copied() else { continue };
            match self.topics.get_mut(&no).map(|topic| &mut topic.catching) {
                Some(Catching::Even) => self.take_row(cx, no, row),
                Some(Catching::Behind { more }) => *more = true,
                None => {}
            }
        }
        if is_full || std::mem::take(&mut self.feed.again) {
            self.look_at_feed(cx);
        }
    }

    fn read_refused(&mut self, cx: &mut Cx<'_>) {
        let refused = self.topics.iter().filter(|(_, topic)| topic.refused_feed);
        let refused: Vec<TopicNo> = refused.map(|(no, _)| *no).collect();
        for no in refused {
            self.retry_feed(cx, no);
        }
    }

    fn caught_up(&mut self, cx: &mut Cx<'_>, no: TopicNo, found: Option<LiveFound>) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        topic.outstanding = topic.outstanding.saturating_sub(1);
        let more = std::mem::take(&mut topic.catching) == Catching::Behind { more: true };
        let Some(LiveFound::Fed { rows, .. }) = found else {
            return self.feed_again(cx, no);
        };
        let is_full = rows.len() as u64 >= u64::from(PAGE);
        for row in rows {
            self.take_row(cx, no, row);
        }
        // What was refused is read again from there, which is not here.
        if (is_full || more) && self.topics.get(&no).is_some_and(|topic| !topic.refused_feed) {
            self.catch_up(cx, no);
        }
        self.may_forget(cx, no);
    }

    /// There may be more rows of a topic than were looked at.
    fn read_on(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        match self.topics.get_mut(&no).map(|topic| &mut topic.catching) {
            Some(Catching::Even) => self.catch_up(cx, no),
            Some(Catching::Behind { more }) => *more = true,
            None => {}
        }
    }

    /// A publication was written: rows that found no room before it are read on.
    pub(super) fn feed_on(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let waits = |topic: &Topic| topic.refused_feed && !topic.has_rows_on_their_way();
        if self.topics.get(&no).is_some_and(waits) {
            self.retry_feed(cx, no);
        }
    }

    /// Reads a topic's rows again from the last that is written, once nothing of them is on its way.
    fn retry_feed(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        if !topic.has_rows_on_their_way() && topic.catching == Catching::Even {
            topic.refused_feed = false;
            topic.has_fed(topic.fed);
            self.catch_up(cx, no);
        } else {
            topic.refused_feed = true;
            self.timers.arm_by(Timer::Feed, cx.now.mono.after_millis(LOOK_MS));
        }
    }

    fn take_row(&mut self, cx: &mut Cx<'_>, no: TopicNo, row: FedRow) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        if topic.refused_feed || row.id <= topic.fed_asked {
            return;
        }
        if topic.fence.is_some() && !cx.store.sure {
            return self.feed_again(cx, no);
        }
        topic.fed_asked = row.id;
        let FedRow { id, topic: name, key, version, text } = row;
        let publish = Publish {
            topic: TopicId::as_str(&name).to_owned(),
            // Its turn says whether it stands already.
            idempotency_key: None,
            is_batch: false,
            drafts: vec![Draft { key: key.map(Into::into), version, data: text.to_string() }],
        };
        match publish::judge(&publish, &cx.config.limits) {
            Ok(()) => self.admit(cx, no, Visit::Publish(Asker::Feed, Box::new(publish), Some(id))),
            Err(why) => refuse_row(cx, name.as_str(), id, why),
        }
    }
}

/// A row of which no publication can be made, however often it is read: nobody but the operator can be told.
pub(super) fn refuse_row(cx: &mut Cx<'_>, topic: &str, row: u64, why: Refusal) {
    cx.count(Counter::LiveFeedRefused);
    let (code, _, bound) = why.row();
    cx.note(Level::Warn, || {
        let note = Note::new(Level::Warn, "feed row refused").with("topic", topic).with("row", row);
        note.with("why", bound.unwrap_or(code))
    });
}
