//! Hash lookup that cannot be iterated, so that no order can leak out of it, keyed so that nobody can aim for
//! collisions.
//!
//! Names that peers can choose are hashed by SipHash. Numbers, and what no more than a few of can be there,
//! need less, and are looked up many times for each message.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};

use siphasher::sip::SipHasher13;

use crate::rng::Rng;

/// A map for looking up, never for walking.
pub(crate) struct Index<K, V, S = Keyed> {
    #[allow(clippy::disallowed_types, reason = "wrapped here so that its order stays unseen")]
    map: std::collections::HashMap<K, V, S>,
}

/// A map whose keys are made of nothing but numbers that are given out here.
pub(crate) type Numbered<K, V> = Index<K, V, Spread>;

impl<K: Hash + Eq, V> Index<K, V> {
    /// An empty map, hashed with a key from `rng`.
    pub(crate) fn new(rng: &mut Rng) -> Index<K, V> {
        Index::with(Keyed(rng.next_u64(), rng.next_u64()))
    }

    /// What stands for a long name, under the key of this map.
    pub(crate) fn hash(&self, name: &impl Hash) -> u64 {
        self.map.hasher().hash_one(name)
    }
}

impl<K: Hash + Eq, V> Numbered<K, V> {
    /// An empty map, hashed with a key from `rng`.
    pub(crate) fn numbered(rng: &mut Rng) -> Numbered<K, V> {
        // As many draws as for any other map: what is drawn later does not depend on the kind.
        Index::with(Spread(rng.next_u64() ^ rng.next_u64()))
    }
}

impl<K: Hash + Eq, V, S: BuildHasher> Index<K, V, S> {
    fn with(hasher: S) -> Index<K, V, S> {
        #[allow(clippy::disallowed_types, reason = "wrapped here so that its order stays unseen")]
        let map = std::collections::HashMap::with_hasher(hasher);
        Index { map }
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.map.insert(key, value)
    }

    pub(crate) fn remove<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let gone = self.map.remove(key);
        // A burst must not hold its memory for ever.
        if self.map.capacity() > 1_024 && self.map.len() < self.map.capacity() / 8 {
            self.map.shrink_to(self.map.len() * 2);
        }
        gone
    }

    pub(crate) fn find<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.map.get(key)
    }

    pub(crate) fn find_mut<Q: Hash + Eq + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        self.map.get_mut(key)
    }

    pub(crate) fn contains<Q: Hash + Eq + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.map.contains_key(key)
    }

    pub(crate) fn find_or_insert(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        self.map.entry(key).or_insert_with(make)
    }

    pub(crate) fn len(&self) -> usize {
        self.map.len()
    }
}

impl<K, V, S> fmt::Debug for Index<K, V, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.map.len()).finish()
    }
}

/// SipHash under a key.
pub(crate) struct Keyed(u64, u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
    }
}

/// Spreads numbers over a map.
#[derive(Clone)]
pub(crate) struct Spread(u64);

impl BuildHasher for Spread {
    type Hasher = Spread;

    fn build_hasher(&self) -> Spread {
        self.clone()
    }
}

impl Hasher for Spread {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // Two to the 64th, divided by the golden ratio. Both halves of the product, so that every bit counts
        // everywhere.
        const RATIO: u64 = 0x9e37_79b9_7f4a_7c15;
        let mixed = self.0 ^ number;
        let high = u64::try_from((u128::from(mixed) * u128::from(RATIO)) >> 64).unwrap_or_default();
        self.0 = mixed.wrapping_mul(RATIO) ^ high;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_put_in_is_found_until_it_is_taken_out() {
        let mut index = Index::new(&mut Rng::from_seed([1; 32]));
        index.insert("ann".to_owned(), 1);
        *index.find_or_insert("bob".to_owned(), || 0) += 2;
        assert_eq!((index.find("ann"), index.find("bob"), index.len()), (Some(&1), Some(&2), 2));
        assert_eq!((index.remove("ann"), index.contains("ann")), (Some(1), false));
    }

    #[test]
    fn numbers_are_spread_evenly_however_they_are_given_out() {
        let spread = Spread(Rng::from_seed([1; 32]).next_u64());
        for step in [1_u64, 2, 1_000, 1 << 18, 1 << 32, 1 << 48] {
            // A map looks at the lowest bits for the place, and at the highest to tell keys of one place
            // apart.
            for bits in [0, 57] {
                let mut places = [0; 128];
                for n in 0..12_800_u64 {
                    let place = (spread.hash_one(step.wrapping_mul(n)) >> bits) % 128;
                    places[usize::try_from(place).unwrap()] += 1;
                }
                assert!(places.iter().all(|keys| (25..400).contains(keys)), "{step} {bits}: {places:?}");
            }
        }
        let hash = |pair: (u64, u64)| spread.hash_one(pair);
        assert_ne!(hash((1, 2)), hash((2, 1)));
    }

    #[test]
    fn memory_of_a_burst_is_given_back() {
        let mut index = Index::new(&mut Rng::from_seed([1; 32]));
        for n in 0..100_000 {
            index.insert(n, n);
        }
        for n in 0..100_000 {
            index.remove(&n);
        }
        assert!(index.map.capacity() <= 1_024);
    }
}
