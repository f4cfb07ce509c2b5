//! How much was noted for each key within a window of time, of which the oldest goes first when there is too
//! much.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::hash::Hash;

use super::index::Index;
use crate::rng::Rng;
use crate::time::Mono;

/// Notes of one window.
#[derive(Debug)]
pub(crate) struct Recent<K> {
    noted: Index<K, Noted>,
    /// In the order they end, which is that in which they came.
    order: VecDeque<(Mono, K)>,
}

/// How much, and until when that counts.
#[derive(Clone, Copy, Debug)]
struct Noted {
    amount: u64,
    until: Mono,
}

impl<K: Hash + Eq + Clone> Recent<K> {
    pub(crate) fn new(rng: &mut Rng) -> Recent<K> {
        Recent { noted: Index::new(rng), order: VecDeque::new() }
    }

    /// Notes so much for `key` until then, which lies no earlier than that of the note before; what is noted
    /// already grows, and keeps its end.
    pub(crate) fn note(&mut self, now: Mono, (key, amount): (K, u64), until: Mono, keys_max: usize) {
        self.forget_old(now);
        if let Some(noted) = self.noted.find_mut(&key) {
            noted.amount = noted.amount.saturating_add(amount);
            return;
        }
        if keys_max == 0 {
            return;
        }
        while self.order.len() >= keys_max
            && let Some((_, oldest)) = self.order.pop_front()
        {
            self.noted.remove(&oldest);
        }
        self.noted.insert(key.clone(), Noted { amount, until });
        self.order.push_back((until, key));
    }

    /// How much is noted for `key`, unless its end has come.
    pub(crate) fn amount<Q: Hash + Eq + ?Sized>(&self, now: Mono, key: &Q) -> u64
    where
        K: Borrow<Q>,
    {
        self.noted.find(key).filter(|noted| noted.until > now).map_or(0, |noted| noted.amount)
    }

    fn forget_old(&mut self, now: Mono) {
        while self.order.front().is_some_and(|(until, _)| *until <= now)
            && let Some((_, old)) = self.order.pop_front()
        {
            self.noted.remove(&old);
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
        recent.note(at(0), ('a', 1), at(60), 9);
        assert_eq!([59, 60].map(|millis| recent.amount(at(millis), &'a')), [1, 0]);
        assert_eq!(recent.amount(at(0), &'b'), 0);
        recent.note(at(50), ('a', 2), at(110), 9);
        assert_eq!(
            [59, 60].map(|millis| recent.amount(at(millis), &'a')),
            [3, 0],
            "it grows, and ends as before"
        );
        recent.note(at(60), ('a', 4), at(120), 9);
        assert_eq!(recent.amount(at(119), &'a'), 4);
    }

    #[test]
    fn f_dos_03_no_more_is_kept_than_may_be_and_the_oldest_goes_first() {
        let mut recent = Recent::new(&mut Rng::from_seed([0; 32]));
        for key in 0..100_u32 {
            recent.note(at(u64::from(key)), (key, 1), at(1_000 + u64::from(key)), 10);
            assert!(recent.order.len() <= 10 && recent.noted.len() == recent.order.len());
        }
        assert_eq!([89, 90].map(|key| recent.amount(at(100), &key)), [0, 1]);
        recent.note(at(5_000), (7, 1), at(6_000), 10);
        assert_eq!(recent.noted.len(), 1, "what is old goes with the next note");
        recent.note(at(5_000), (8, 1), at(6_000), 0);
        assert_eq!(recent.amount(at(5_000), &8), 0);
    }
}
