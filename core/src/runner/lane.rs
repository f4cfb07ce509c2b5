//! The events of one runner that wait for the target, oldest first.
//!
//! A bounded number of them is in memory; the rest is read from the store as the lane empties.
//!
//! *Always holds:* what is in memory is the oldest of all that are stored, without a gap; the count is exact.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::config::{Limits, size};
use crate::ids::RunnerSeq;
use crate::planted::planted;
use crate::store::{EventRow, EventTries};
use crate::time::Mono;

/// See the module's own words.
#[derive(Debug)]
pub(super) struct Lane {
    near: VecDeque<Arc<EventRow>>,
    near_bytes: usize,
    count: u64,
    bytes: u64,
    /// The youngest that left.
    passed: RunnerSeq,
    reading: bool,
    /// The oldest that was stored while a page was read, which may show it or not.
    missed: Option<RunnerSeq>,
    /// The last page began with an event of which nobody knows yet whether it is stored: until that is known
    /// another page would show no more.
    held_up: bool,
    pub state: State,
    /// What became of the oldest here.
    pub tried: Tried,
}

/// Tries of an event that came to nothing, since it was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tried {
    /// The target answered.
    pub answered: u32,
    /// It did not.
    pub unanswered: u32,
    /// When its answer first was that it had failed.
    pub failed: Option<Mono>,
}

impl Tried {
    /// One more.
    pub(super) fn add(&mut self, is_answered: bool) {
        let count = if is_answered { &mut self.answered } else { &mut self.unanswered };
        *count = count.saturating_add(1);
    }

    /// All of them.
    pub(super) fn sum(self) -> u32 {
        self.answered.saturating_add(self.unanswered)
    }
}

/// What the lane's oldest event is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Idle,
    /// It waits for another runner's event to come back.
    Ready,
    /// It is on its way to the target.
    Flying,
    /// It waits for its next try.
    Waiting,
}

impl Lane {
    /// A lane of which everything is in the store.
    pub(super) fn new(count: u64, bytes: u64) -> Lane {
        Lane {
            near: VecDeque::new(),
            near_bytes: 0,
            count,
            bytes,
            passed: RunnerSeq::ZERO,
            reading: false,
            missed: None,
            held_up: false,
            state: State::Idle,
            tried: Tried::default(),
        }
    }

    /// Events that wait.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// Their length, in bytes.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn oldest(&self) -> Option<&Arc<EventRow>> {
        self.near.front()
    }

    /// An event was stored.
    pub(super) fn push(&mut self, limits: &Limits, event: Arc<EventRow>) {
        let is_near = !self.has_more();
        self.count += 1;
        self.bytes += event.text.len() as u64;
        if self.reading && event.seq > self.passed {
            self.missed = Some(self.missed.map_or(event.seq, |missed| missed.min(event.seq)));
        }
        let place = self.near.iter().rposition(|near| near.seq < event.seq).map_or(0, |place| place + 1);
        // Nothing goes ahead of an event that was sent.
        let is_begun = matches!(self.state, State::Flying | State::Waiting);
        let place = place.max(usize::from(is_begun)).min(self.near.len());
        let fits = (self.near.len() as u64) < limits.runner_lane_events_max()
            && self.near_bytes < size(limits.runner_lane_bytes_max());
        // No page would show what lies behind us.
        if place < self.near.len() || event.seq < self.passed || is_near && fits {
            self.near_bytes += event.text.len();
            self.near.insert(place, event);
        }
    }

    /// The oldest left for good.
    pub(super) fn pop(&mut self) -> Option<Arc<EventRow>> {
        let event = self.near.pop_front()?;
        self.near_bytes = self.near_bytes.saturating_sub(event.text.len());
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(event.text.len() as u64);
        self.passed = self.passed.max(event.seq);
        self.tried = Tried::default();
        Some(event)
    }

    /// Remembers how the oldest fared.
    pub(super) fn set_tries(&mut self, tries: EventTries) {
        if let Some(event) = self.near.front_mut() {
            Arc::make_mut(event).tries = tries;
            if planted("event_passed_on_retry") {
                self.near.rotate_left(1);
            }
        }
    }

    /// The store holds more than is in memory.
    fn has_more(&self) -> bool {
        (self.near.len() as u64) < self.count
    }

    /// Behind which place the next page is to be read, if one is needed and none is on its way.
    pub(super) fn wanted_page(&mut self) -> Option<RunnerSeq> {
        if !self.near.is_empty() || !self.has_more() || self.reading || self.held_up {
            return None;
        }
        self.reading = true;
        Some(self.passed)
    }

    /// It is known what became of an event that was to be stored.
    pub(super) fn resolve(&mut self) {
        self.held_up = false;
    }

    /// A page was read; nothing where it could not be. It may show events whose commits are not known of yet,
    /// the oldest of which is `unstored`: they are counted once they are.
    pub(super) fn take_page(&mut self, page: Option<Vec<EventRow>>, unstored: Option<RunnerSeq>) {
        self.reading = false;
        let missed = self.missed.take();
        let Some(mut page) = page else { return };
        if let Some(unstored) = unstored
            && let Some(known) = page.iter().position(|event| event.seq >= unstored)
            && !planted("page_counts_the_uncommitted")
        {
            self.held_up = known == 0;
            page.truncate(known);
            if self.held_up {
                return;
            }
        }
        match missed {
            // The page may show what came later and not this: all behind it is read again.
            Some(missed) if page.iter().all(|event| event.seq != missed) => {
                page.retain(|event| event.seq < missed);
            }
            Some(_) => {}
            // There is less than was thought.
            None if page.is_empty() => (self.count, self.bytes) = (0, 0),
            None => {}
        }
        for event in page.into_iter().filter(|event| event.seq > self.passed) {
            self.near_bytes += event.text.len();
            self.near.push_back(Arc::new(event));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Wall;

    fn event(seq: u64) -> EventRow {
        EventRow {
            seq: RunnerSeq(seq),
            id: None,
            kind: "log-chunk".into(),
            at: Wall::from_millis(0),
            tries: EventTries::default(),
            text: "x".repeat(10).into(),
        }
    }

    fn limits(events: u64) -> Limits {
        let mut limits = Limits::default();
        limits.set("runner_lane_events_max", events).unwrap();
        limits
    }

    fn drained(lane: &mut Lane, store: &[u64]) -> Vec<u64> {
        let mut seen = Vec::new();
        loop {
            while let Some(event) = lane.pop() {
                seen.push(event.seq.0);
            }
            let Some(after) = lane.wanted_page() else { return seen };
            let page = store.iter().filter(|seq| **seq > after.0).take(2).map(|seq| event(*seq)).collect();
            lane.take_page(Some(page), None);
        }
    }

    #[test]
    fn what_does_not_fit_is_read_back_in_order() {
        let mut lane = Lane::new(0, 0);
        for seq in 1..=7 {
            lane.push(&limits(3), Arc::new(event(seq)));
        }
        assert_eq!((lane.near.len(), lane.count(), lane.bytes()), (3, 7, 70));
        assert_eq!(drained(&mut lane, &[1, 2, 3, 4, 5, 6, 7]), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!((lane.count(), lane.bytes()), (0, 0));
    }

    #[test]
    fn what_is_stored_late_takes_its_place() {
        let mut lane = Lane::new(0, 0);
        for seq in [1, 3, 2] {
            lane.push(&limits(9), Arc::new(event(seq)));
        }
        assert_eq!(drained(&mut lane, &[]), [1, 2, 3]);
    }

    #[test]
    fn a_page_that_missed_an_event_is_used_only_up_to_it() {
        let mut lane = Lane::new(2, 20);
        assert_eq!(lane.wanted_page(), Some(RunnerSeq::ZERO));
        lane.push(&limits(9), Arc::new(event(3)));
        lane.push(&limits(9), Arc::new(event(4)));
        lane.take_page(Some(vec![event(1), event(2), event(4)]), None);
        assert_eq!(lane.near.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(drained(&mut lane, &[3, 4]), [1, 2, 3, 4]);
    }

    #[test]
    fn what_a_page_shows_before_its_commit_is_known_is_counted_once() {
        let mut lane = Lane::new(1, 10);
        lane.wanted_page();
        lane.take_page(Some(vec![event(1), event(2), event(3)]), Some(RunnerSeq(2)));
        assert_eq!((lane.near.len(), lane.count()), (1, 1));
        lane.push(&limits(1), Arc::new(event(4)));
        lane.pop();
        lane.wanted_page();
        lane.take_page(Some(vec![event(2), event(3), event(4)]), Some(RunnerSeq(2)));
        assert_eq!(lane.wanted_page(), None, "what nobody knows yet is waited for");
        lane.resolve();
        lane.push(&limits(1), Arc::new(event(2)));
        lane.push(&limits(1), Arc::new(event(3)));
        assert_eq!(drained(&mut lane, &[2, 3, 4]), [2, 3, 4]);
        assert_eq!((lane.count(), lane.bytes()), (0, 0));
    }

    #[test]
    fn what_comes_back_from_the_dead_is_not_passed_over() {
        let mut lane = Lane::new(4, 40);
        lane.wanted_page();
        lane.take_page(Some(vec![event(1), event(5)]), None);
        lane.state = State::Flying;
        lane.push(&limits(9), Arc::new(event(3)));
        assert_eq!(lane.near.iter().map(|event| event.seq.0).collect::<Vec<_>>(), [1, 3, 5]);
        lane.push(&limits(9), Arc::new(event(0)));
        assert_eq!(lane.oldest().unwrap().seq, RunnerSeq(1), "what was sent stays the oldest");
        lane.state = State::Idle;
        while lane.pop().is_some() {}
        lane.push(&limits(9), Arc::new(event(4)));
        assert_eq!(drained(&mut lane, &[1, 3, 5, 6, 7]), [4, 6, 7]);
    }

    #[test]
    fn a_lane_that_was_thought_longer_than_it_is_ends() {
        let mut lane = Lane::new(2, 20);
        assert!(lane.wanted_page().is_some());
        assert!(lane.wanted_page().is_none(), "one page at a time");
        lane.take_page(None, None);
        assert!(lane.wanted_page().is_some(), "a page that could not be read is asked for again");
        lane.take_page(Some(Vec::new()), None);
        assert_eq!((lane.count(), lane.wanted_page()), (0, None));
    }
}
