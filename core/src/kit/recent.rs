//! What was noted within a window of time, of which the oldest goes first when there is too much.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::Hash;

use super::index::Index;
use crate::rng::Rng;
use crate::time::Mono;

/// Notes of one window.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    until: Index<K, Mono>,
    /// In the order they end, which is that in which they came.
    order: VecDeque<(Mono, K)>,
}

impl<K: Hash + Eq + Clone> Recent<K> {
    pub(crate) fn new(rng: &mut Rng) -> Recent<K> {
        Recent { until: Index::new(rng), order: VecDeque::new() }
    }

    /// Notes `key` until then, which lies no earlier than that of the note before; one that is noted already
    /// keeps its end.
    pub(crate) fn note(&mut self, now: Mono, key: K, until: Mono, keys_max: usize) {
        self.forget_old(now);
        if self.until.contains(&key) || keys_max == 0 {
            return;
        }
        while self.order.len() >= keys_max
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.until.remove(&oldest);
        }
        self.until.insert(key.clone(), until);
        self.order.push_back((until, key));
    }

    /// Whether `key` was noted and its end has not come.
    pub(crate) fn has<Q: Hash + Eq + ?Sized>(&self, now: Mono, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.until.find(key).is_some_and(|until| *until > now)
    }

    fn forget_old(&mut self, now: Mono) {
        while self.order.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, old)) = self.order.pop_front()
        {
            self.until.remove(&old);
        }
        if self.order.is_empty() {
            self.order.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Mono {
        Mono::START.after_millis(millis)
    }

    #[test]
    fn a_note_lasts_from_its_first_time_to_its_end() {
        let mut recent = Recent::new(&mut Rng::from_seed([0; 32]));
        recent.note(at(0), 'a', at(60), 9);
        assert!(recent.has(at(59), &'a') && !recent.has(at(60), &'a') && !recent.has(at(0), &'b'));
        recent.note(at(50), 'a', at(110), 9);
        assert!(!recent.has(at(60), &'a'), "a note that stands is not put off");
        recent.note(at(60), 'a', at(120), 9);
        assert!(recent.has(at(119), &'a'));
    }

    #[test]
    fn f_dos_03_no_more_is_kept_than_may_be_and_the_oldest_goes_first() {
        let mut recent = Recent::new(&mut Rng::from_seed([0; 32]));
        for key in 0..100_u32 {
            recent.note(at(u64::from(key)), key, at(1_000 + u64::from(key)), 10);
            assert!(recent.order.len() <= 10 && recent.until.len() == recent.order.len());
        }
        assert!(recent.has(at(100), &90) && !recent.has(at(100), &89));
        recent.note(at(5_000), 7, at(6_000), 10);
        assert_eq!(recent.until.len(), 1, "what is old goes with the next note");
        recent.note(at(5_000), 8, at(6_000), 0);
        assert!(!recent.has(at(5_000), &8));
    }
}
