//! Keyed deadlines, one earliest.
//!
//! Moving a deadline into the future costs a lookup, not a heap operation: the heap entry is corrected when
//! it comes up. Keys are numbers that are given out here, or few. Equal times come up in the order of their
//! keys.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hash::Hash;

use super::index::{Index, Numbered};
use crate::rng::Rng;
use crate::time::Mono;

#[derive(Debug)]
pub(crate) struct Timers<K> {
    slots: Numbered<K, Slot>,
    heap: BinaryHeap<Reverse<(Mono, K)>>,
    /// The earliest, while nothing has happened that may have changed it.
    known: Option<(Mono, K)>,
}

#[derive(Debug)]
struct Slot {
    /// When the key is due.
    at: Mono,
    /// When its entry in the heap comes up; never later than `at`.
    heaped: Mono,
}

impl<K: Copy + Ord + Hash> Timers<K> {
    pub(crate) fn new(rng: &mut Rng) -> Timers<K> {
        Timers { slots: Index::numbered(rng), heap: BinaryHeap::new(), known: None }
    }

    /// Makes `key` due at `at`, whatever it was due at before.
    pub(crate) fn arm(&mut self, key: K, at: Mono) {
        self.known = self.known.filter(|known| known.1 != key && *known < (at, key));
        match self.slots.find_mut(&key) {
            Some(slot) if slot.heaped <= at => slot.at = at,
            Some(slot) => {
                *slot = Slot { at, heaped: at };
                self.heap.push(Reverse((at, key)));
            }
            None => {
                self.slots.insert(key, Slot { at, heaped: at });
                self.heap.push(Reverse((at, key)));
            }
        }
    }

    /// Makes `key` due at that time, or forgets it.
    pub(crate) fn set(&mut self, key: K, at: Option<Mono>) {
        match at {
            Some(at) => self.arm(key, at),
            None => self.disarm(key),
        }
    }

    /// Makes `key` due at `at` unless it is due earlier.
    pub(crate) fn arm_by(&mut self, key: K, at: Mono) {
        if self.slots.find(&key).is_none_or(|slot| at < slot.at) {
            self.arm(key, at);
        }
    }

    /// Forgets `key`.
    pub(crate) fn disarm(&mut self, key: K) {
        self.known = self.known.filter(|known| known.1 != key);
        self.slots.remove(&key);
    }

    /// Takes one key that is due.
    pub(crate) fn due(&mut self, now: Mono) -> Option<K> {
        let (at, key) = self.earliest()?;
        if at > now {
            return None;
        }
        self.heap.pop();
        self.slots.remove(&key);
        self.known = None;
        Some(key)
    }

    /// The earliest deadline and its key.
    pub(crate) fn earliest(&mut self) -> Option<(Mono, K)> {
        if self.known.is_none() {
            self.known = self.look();
        }
        self.known
    }

    /// Brings the earliest up in the heap.
    fn look(&mut self) -> Option<(Mono, K)> {
        loop {
            let Reverse((heaped, key)) = *self.heap.peek()?;
            match self.slots.find_mut(&key) {
                Some(slot) if slot.heaped == heaped && slot.at == heaped => return Some((heaped, key)),
                Some(slot) if slot.heaped == heaped => {
                    slot.heaped = slot.at;
                    let at = slot.at;
                    self.heap.pop();
                    self.heap.push(Reverse((at, key)));
                }
                _ => {
                    self.heap.pop();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Mono {
        Mono::from_nanos(nanos)
    }

    #[test]
    fn keys_come_up_in_order_of_their_times() {
        let mut timers = Timers::new(&mut Rng::from_seed([1; 32]));
        timers.arm('b', at(20));
        timers.arm('a', at(10));
        timers.arm('c', at(10));
        assert_eq!(timers.due(at(9)), None);
        assert_eq!(
            [timers.due(at(20)), timers.due(at(20)), timers.due(at(20))],
            [Some('a'), Some('c'), Some('b')]
        );
        assert_eq!(timers.earliest(), None);
    }

    #[test]
    fn the_last_word_on_a_key_counts() {
        let mut timers = Timers::new(&mut Rng::from_seed([1; 32]));
        timers.arm('a', at(10));
        timers.arm('a', at(30));
        timers.arm_by('a', at(40));
        assert_eq!(timers.earliest(), Some((at(30), 'a')));
        timers.arm('a', at(5));
        assert_eq!(timers.earliest(), Some((at(5), 'a')));
        timers.disarm('a');
        assert_eq!(timers.earliest(), None);
        timers.arm('a', at(7));
        assert_eq!((timers.due(at(7)), timers.due(at(99))), (Some('a'), None));
    }
}
