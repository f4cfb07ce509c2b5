//! Publications that are gathered for a moment and sent as one message, for watchers that would rather have
//! few messages than early ones.
//!
//! *Decides* what is sent of a moment: where values replace each other the newest of each entity, else all.
//! *Always holds:* watchers of a topic with the same wish share one moment, so that its message is written
//! once for all of them. Who joins them begins a moment, so that nobody is sent what it was shown before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::fanout::Ready;
use super::publication::{Form, Place, Publication};
use super::{Cx, Lives, Timer};
use crate::config::Limits;
use crate::ids::TopicNo;
use crate::stats::{Counter, Stats};
use crate::surface::SessionId;
use crate::wire::frame::text_frame;
use crate::wire::live::{Item, Positions, event};
use crate::wire::mesh::Encode;

/// Wishes for a moment are met to this many milliseconds, so that there are few kinds of moments.
const STEP_MS: u64 = 100;
/// A moment with so many publications is over.
const ITEMS_MAX: usize = 256;
/// A moment with so many bytes of data is over.
const BYTES_MAX: usize = 64 * 1_024;

/// One moment of one topic.
#[derive(Debug, Default)]
pub(super) struct Window {
    pub(super) watchers: BTreeSet<SessionId>,
    /// With the mark that others of its entity were left out before it.
    items: Vec<(Arc<Publication>, bool)>,
    bytes: usize,
    /// Where the value of an entity stands.
    places: BTreeMap<Box<str>, usize>,
}

/// How long a moment lasts that was wished for; none where each publication is to come by itself.
pub(super) fn length(wished_ms: u64, limits: &Limits) -> Option<u64> {
    let wished_ms = wished_ms.min(limits.live_window_ms_max());
    (wished_ms > 0).then(|| wished_ms.next_multiple_of(STEP_MS))
}

impl Window {
    /// Takes a publication in; true when the moment is over. With `replaces` a later value takes the place of
    /// an earlier one of its entity.
    fn gather(&mut self, publication: &Arc<Publication>, replaces: bool, stats: &mut Stats) -> bool {
        if replaces && publication.late {
            stats.count(Counter::LiveConflated);
            return false;
        }
        self.bytes += publication.data_bytes();
        let entity = publication.key.as_ref().filter(|_| replaces);
        match entity.and_then(|entity| self.places.get(entity)) {
            Some(place) => {
                stats.count(Counter::LiveConflated);
                let before = std::mem::replace(&mut self.items[*place], (Arc::clone(publication), true));
                self.bytes -= before.0.data_bytes();
            }
            None => {
                if let Some(entity) = entity {
                    self.places.insert(entity.clone(), self.items.len());
                }
                self.items.push((Arc::clone(publication), false));
            }
        }
        self.items.len() >= ITEMS_MAX || self.bytes >= BYTES_MAX
    }

    /// True while something is to be sent at its end.
    pub(super) fn is_pending(&self) -> bool {
        !self.items.is_empty()
    }

    fn take(&mut self) -> Vec<(Arc<Publication>, bool)> {
        (self.bytes, self.places) = (0, BTreeMap::new());
        std::mem::take(&mut self.items)
    }
}

impl Lives {
    /// A watcher wishes to have publications together.
    pub(super) fn join_window(&mut self, cx: &mut Cx<'_>, no: TopicNo, session: SessionId, window_ms: u64) {
        self.end_window(cx, no, window_ms);
        if let Some(topic) = self.topics.get_mut(&no) {
            topic.windows.entry(window_ms).or_default().watchers.insert(session);
        }
    }

    pub(super) fn leave_window(&mut self, no: TopicNo, session: SessionId, window_ms: u64) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        let Some(window) = topic.windows.get_mut(&window_ms) else { return };
        window.watchers.remove(&session);
        if window.watchers.is_empty() {
            topic.windows.remove(&window_ms);
            self.timers.disarm(Timer::Window(no, window_ms));
        }
    }

    /// A publication goes into every moment of its topic.
    pub(super) fn gather(&mut self, cx: &mut Cx<'_>, no: TopicNo, publication: &Arc<Publication>) {
        let Lives { topics, timers, .. } = self;
        let Some(topic) = topics.get_mut(&no).filter(|topic| !topic.windows.is_empty()) else { return };
        let replaces = topic.rule.slow == crate::config::Slow::Conflate;
        let mut full = Vec::new();
        for (window_ms, window) in &mut topic.windows {
            let is_first = !window.is_pending();
            if window.gather(publication, replaces, cx.stats) {
                full.push(*window_ms);
            } else if is_first && window.is_pending() {
                timers.arm(Timer::Window(no, *window_ms), cx.now.mono.after_millis(*window_ms));
            }
        }
        for window_ms in full {
            self.end_window(cx, no, window_ms);
        }
    }

    /// A moment is over: what was gathered goes to its watchers, to those who are behind one by one.
    pub(super) fn end_window(&mut self, cx: &mut Cx<'_>, no: TopicNo, window_ms: u64) {
        self.timers.disarm(Timer::Window(no, window_ms));
        let Lives { topics, watchers, queued_bytes, .. } = self;
        let Some(topic) = topics.get_mut(&no) else { return };
        let Some(window) = topic.windows.get_mut(&window_ms).filter(|window| window.is_pending()) else {
            return;
        };
        let (items, sessions) = (window.take(), window.watchers.clone());
        let newest = items.iter().map(|(one, _)| one.offset).max().unwrap_or(0);
        let message = Message { items: &items, newest, forms: Default::default() };
        let (mut ready, mut slow) = (Ready::default(), Vec::new());
        let mut watches = std::mem::take(&mut topic.watchers);
        for session in sessions {
            let (Some(watch), Some(watcher)) = (watches.get_mut(&session), watchers.get_mut(&session)) else {
                continue;
            };
            if watcher.takes_at_once() && watch.gap.is_none() {
                let frame = message.frame(topic.place_of(), watcher.form, cx.stats);
                watcher.room = watcher.room.saturating_sub(frame.len());
                watch.sent = newest;
                ready.push(session, watcher.form);
                continue;
            }
            let before = watcher.queue.bytes();
            let (limits, stats) = (&cx.config.limits, &mut *cx.stats);
            let mut hold =
                |one: &Publication| super::fanout::hold(topic, no, watch, watcher, one, limits, stats);
            let kept = items.iter().all(|(one, _)| hold(one));
            *queued_bytes = *queued_bytes + watcher.queue.bytes() - before;
            if !kept {
                slow.push(session);
            }
        }
        topic.watchers = watches;
        let counter = if items.len() == 1 { Counter::ToldPosition } else { Counter::ToldPositions };
        for (sessions, form) in ready.by_form() {
            cx.stats.add(counter, sessions.len() as u64);
            for (one, _) in &items {
                cx.time_delivery(cx.now.mono.since(one.came), sessions.len());
            }
            let frame = message.frame(topic.place_of(), form, cx.stats);
            cx.share(sessions, frame);
        }
        self.close_all_slow(cx, no, &slow);
    }
}

/// What was gathered, in the forms in which watchers get it.
struct Message<'a> {
    items: &'a [(Arc<Publication>, bool)],
    newest: u64,
    forms: [OnceLock<Bytes>; 2],
}

impl Message<'_> {
    /// The bytes for watchers that read so, written once. A lone publication looks like any other.
    fn frame(&self, place: Place<'_>, form: Form, stats: &mut Stats) -> Bytes {
        if let [(one, conflated)] = self.items {
            return one.frame(place, form, *conflated, stats);
        }
        let write = || {
            stats.count(Counter::LiveEncodes);
            let items = self.items.iter();
            let items = items.map(|(one, conflated)| Item { shown: one.shown(), conflated: *conflated });
            let message = Positions { topic: place.topic, offset: self.newest, items: items.collect() };
            let mut text = Vec::new();
            message.encode(&mut text);
            match form {
                Form::Socket => text_frame(&text),
                Form::Events => event("positions", Some((place.epoch, self.newest)), &text),
            }
        };
        self.forms[usize::from(form == Form::Events)].get_or_init(write).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::LiveRow;
    use crate::time::{Mono, Wall};

    fn publication(offset: u64, key: &str, late: bool) -> Arc<Publication> {
        let (at, text) = (Wall::from_millis(1), "1".into());
        let row = LiveRow { key: Some(key.into()), version: None, at, late, gone: false, text };
        Arc::new(Publication::of(offset, &row, Mono::START, at))
    }

    fn gathered(window: &mut Window) -> Vec<(u64, bool)> {
        window.take().iter().map(|(one, conflated)| (one.offset, *conflated)).collect()
    }

    #[test]
    fn of_an_entity_the_newest_is_sent_in_the_place_of_the_first_and_where_nothing_is_replaced_all() {
        let mut stats = Stats::default();
        let all = [(1, "a", false), (2, "b", false), (3, "a", false), (4, "a", true)];
        for (replaces, wanted) in [
            (true, vec![(3, true), (2, false)]),
            (false, vec![(1, false), (2, false), (3, false), (4, false)]),
        ] {
            let mut window = Window::default();
            for (offset, key, late) in all {
                assert!(!window.gather(&publication(offset, key, late), replaces, &mut stats));
            }
            assert_eq!(gathered(&mut window), wanted);
            assert!(!window.is_pending() && window.bytes == 0);
        }
        assert_eq!(stats.counter(Counter::LiveConflated), 2);
    }

    #[test]
    fn a_moment_ends_early_when_much_was_gathered() {
        let mut window = Window::default();
        let mut over =
            (1..).map(|n| window.gather(&publication(n, "a", false), false, &mut Stats::default()));
        assert_eq!(over.position(|over| over), Some(ITEMS_MAX - 1));
    }

    #[test]
    fn a_wish_is_met_in_steps_and_within_the_limit() {
        let limits = Limits::default();
        let met = [0, 1, 100, 101, 5_000].map(|wished| length(wished, &limits));
        assert_eq!(met, [None, Some(100), Some(100), Some(200), Some(1_000)]);
    }
}
