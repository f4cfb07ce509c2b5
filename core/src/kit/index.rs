//! Hash lookup that cannot be iterated, so that no order can leak out of it, keyed so that nobody can aim for
//! collisions.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{BuildHasher, Hash};

use siphasher::sip::SipHasher13;

use crate::rng::Rng;

/// A map for looking up, never for walking.
pub(crate) struct Index<K, V> {
    #[allow(clippy::disallowed_types, reason = "wrapped here so that its order stays unseen")]
    map: std::collections::HashMap<K, V, Keyed>,
}

impl<K: Hash + Eq, V> Index<K, V> {
    /// An empty map, hashed with a key from `rng`.
    pub(crate) fn new(rng: &mut Rng) -> Index<K, V> {
        let keyed = Keyed(rng.next_u64(), rng.next_u64());
        #[allow(clippy::disallowed_types, reason = "wrapped here so that its order stays unseen")]
        let map = std::collections::HashMap::with_hasher(keyed);
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

impl<K, V> fmt::Debug for Index<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Index").field("len", &self.map.len()).finish()
    }
}

struct Keyed(u64, u64);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        SipHasher13::new_with_keys(self.0, self.1)
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
