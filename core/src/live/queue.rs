//! What waits for one watcher: frames in order, bounded by number and bytes.
//!
//! *Decides* what a later value of an entity replaces. *Does not* decide what happens when a bound is hit.
//! *Always holds:* of one entity of a conflated topic at most one value waits, the newest; it keeps the place
//! of the one it replaced.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use crate::ids::TopicNo;
use crate::time::Mono;

/// See the module's own words.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// None where something was taken out of the middle.
    frames: VecDeque<Option<Waiting>>,
    /// The number of the first of them.
    first: u64,
    count: usize,
    bytes: usize,
    /// Where the value of an entity waits.
    places: BTreeMap<(TopicNo, Box<str>), u64>,
}

/// A frame that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub topic: TopicNo,
    pub offset: u64,
    /// The entity, in topics that conflate.
    pub entity: Option<Box<str>>,
    pub frame: Bytes,
    /// When its publication came.
    pub came: Mono,
}

impl Queue {
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Frames that wait.
    pub(crate) fn len(&self) -> usize {
        self.count
    }

    /// Their bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The place behind the last of them.
    pub(crate) fn end(&self) -> u64 {
        self.first + self.frames.len() as u64
    }

    /// True when nothing waits any more that was put in before that place.
    pub(crate) fn has_left(&self, end: u64) -> bool {
        self.first >= end || self.is_empty()
    }

    /// Puts a frame behind all others.
    pub(crate) fn push(&mut self, waiting: Waiting) {
        if let Some(entity) = &waiting.entity {
            self.places.insert((waiting.topic, entity.clone()), self.end());
        }
        self.count += 1;
        self.bytes += waiting.frame.len();
        self.frames.push_back(Some(waiting));
    }

    /// The value of an entity that waits, for a newer one to take its place.
    pub(crate) fn waiting(&mut self, topic: TopicNo, entity: &str) -> Option<Replace<'_>> {
        let place = *self.places.get(&(topic, entity.into()))?;
        let at = usize::try_from(place.checked_sub(self.first)?).ok()?;
        let waiting = self.frames.get_mut(at)?.as_mut()?;
        Some(Replace { waiting, bytes: &mut self.bytes })
    }

    /// Takes the first.
    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        while let Some(front) = self.frames.pop_front() {
            self.first += 1;
            if let Some(waiting) = front {
                self.forget(&waiting);
                if self.count == 0 {
                    // A watcher that keeps up holds no buffer.
                    self.first = self.end();
                    self.frames = VecDeque::new();
                }
                return Some(waiting);
            }
        }
        None
    }

    /// Drops everything of a topic.
    pub(crate) fn drop_topic(&mut self, topic: TopicNo) {
        for at in 0..self.frames.len() {
            let is_its = self.frames[at].as_ref().is_some_and(|waiting| waiting.topic == topic);
            if is_its && let Some(waiting) = self.frames[at].take() {
                self.forget(&waiting);
            }
        }
    }

    fn forget(&mut self, waiting: &Waiting) {
        self.count -= 1;
        self.bytes -= waiting.frame.len();
        if let Some(entity) = &waiting.entity {
            self.places.remove(&(waiting.topic, entity.clone()));
        }
    }
}

/// A waiting value that a newer one may replace.
#[derive(Debug)]
pub(crate) struct Replace<'a> {
    waiting: &'a mut Waiting,
    bytes: &'a mut usize,
}

impl Replace<'_> {
    pub(crate) fn by(self, offset: u64, frame: Bytes, came: Mono) {
        *self.bytes = *self.bytes - self.waiting.frame.len() + frame.len();
        (self.waiting.offset, self.waiting.frame, self.waiting.came) = (offset, frame, came);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(topic: i64, entity: Option<&str>, offset: u64) -> Waiting {
        let frame = Bytes::from(vec![b'x'; 10]);
        let entity = entity.map(Into::into);
        Waiting { topic: TopicNo(topic), offset, entity, frame, came: Mono::START }
    }

    fn offsets(queue: &mut Queue) -> Vec<u64> {
        std::iter::from_fn(|| queue.pop().map(|waiting| waiting.offset)).collect()
    }

    #[test]
    fn a_later_value_takes_the_place_of_the_one_that_waits() {
        let mut queue = Queue::default();
        for (entity, offset) in [("a", 1), ("b", 2), ("c", 3)] {
            queue.push(waiting(1, Some(entity), offset));
        }
        queue.pop();
        queue.waiting(TopicNo(1), "b").unwrap().by(9, Bytes::from_static(b"four"), Mono::START);
        assert!(queue.waiting(TopicNo(1), "a").is_none() && queue.waiting(TopicNo(2), "b").is_none());
        assert_eq!((queue.len(), queue.bytes()), (2, 14));
        assert_eq!(offsets(&mut queue), [9, 3]);
        assert!(queue.waiting(TopicNo(1), "b").is_none());
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
    }

    #[test]
    fn what_was_put_in_before_a_place_has_left_when_none_of_it_waits_whatever_came_behind() {
        let mut queue = Queue::default();
        for (topic, offset) in [(1, 1), (2, 2), (1, 3)] {
            queue.push(waiting(topic, None, offset));
        }
        let end = queue.end();
        queue.push(waiting(2, None, 4));
        let seen: Vec<(bool, u64)> =
            std::iter::from_fn(|| Some((queue.has_left(end), queue.pop()?.offset))).collect();
        assert_eq!(seen, [(false, 1), (false, 2), (false, 3), (true, 4)]);
        // What was taken out of the middle is passed over.
        for offset in 5..9 {
            queue.push(waiting(if offset == 6 { 2 } else { 1 }, None, offset));
        }
        let end = queue.end();
        assert!(!queue.has_left(end));
        queue.drop_topic(TopicNo(1));
        assert!(!queue.has_left(end));
        assert_eq!(queue.pop().map(|waiting| waiting.offset), Some(6));
        queue.push(waiting(1, None, 9));
        assert!(queue.has_left(end));
    }

    #[test]
    fn what_waits_of_a_topic_goes_with_it() {
        let mut queue = Queue::default();
        for (topic, offset) in [(1, 1), (2, 2), (1, 3), (2, 4)] {
            queue.push(waiting(topic, None, offset));
        }
        queue.drop_topic(TopicNo(1));
        assert_eq!((queue.len(), queue.bytes()), (2, 20));
        queue.push(waiting(2, Some("a"), 5));
        assert!(queue.waiting(TopicNo(2), "a").is_some());
        assert_eq!(offsets(&mut queue), [2, 4, 5]);
    }
}
