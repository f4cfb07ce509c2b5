//! A map that is looked up by hash and walked in the order of its keys.
//!
//! What is asked for many times with every message and walked now and then: a lookup costs a multiplication
//! and a probe instead of a way down a tree, and no order of hashes can be seen.

use std::collections::BTreeSet;
use std::fmt;
use std::hash::Hash;

use super::index::{Index, Numbered};
use crate::rng::Rng;

/// A map whose keys are numbers that are given out here.
pub(crate) struct Roll<K, V> {
    /// Boxed, so that the table stays small and growing it moves no value.
    values: Numbered<K, Box<V>>,
    /// The same keys.
    order: BTreeSet<K>,
}

impl<K: Copy + Ord + Hash, V> Roll<K, V> {
    /// An empty roll, hashed with a key from `rng`.
    pub(crate) fn new(rng: &mut Rng) -> Roll<K, V> {
        Roll { values: Index::numbered(rng), order: BTreeSet::new() }
    }

    /// Puts a value in, and gives the one that it replaces.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        self.order.insert(key);
        self.values.insert(key, Box::new(value)).map(|former| *former)
    }

    pub(crate) fn remove(&mut self, key: K) -> Option<V> {
        let gone = self.values.remove(&key)?;
        self.order.remove(&key);
        Some(*gone)
    }

    pub(crate) fn get(&self, key: K) -> Option<&V> {
        self.values.find(&key).map(|value| &**value)
    }

    pub(crate) fn get_mut(&mut self, key: K) -> Option<&mut V> {
        self.values.find_mut(&key).map(|value| &mut **value)
    }

    pub(crate) fn get_or_insert(&mut self, key: K, make: impl FnOnce() -> V) -> &mut V {
        let Roll { values, order } = self;
        values.find_or_insert(key, || {
            order.insert(key);
            Box::new(make())
        })
    }

    /// The keys, ascending.
    pub(crate) fn keys(&self) -> impl Iterator<Item = K> {
        self.order.iter().copied()
    }

    /// Everything, by ascending key.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (K, &V)> {
        self.keys().filter_map(|key| Some((key, self.get(key)?)))
    }

    /// The values, by ascending key.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.iter().map(|(_, value)| value)
    }

    /// Changes every value, by ascending key.
    pub(crate) fn for_each_mut(&mut self, mut change: impl FnMut(&mut V)) {
        for key in &self.order {
            if let Some(value) = self.values.find_mut(key) {
                change(value);
            }
        }
    }
}

impl<K, V> fmt::Debug for Roll<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roll").field("len", &self.order.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_roll_is_walked_as_a_tree_would_be_whatever_was_put_in_and_taken_out() {
        let mut rng = Rng::from_seed([1; 32]);
        let (mut roll, mut model) = (Roll::new(&mut rng), BTreeMap::new());
        for round in 0..4_000_u64 {
            let key = rng.next_u64() % 200;
            match rng.next_u64() % 4 {
                0 => assert_eq!(roll.insert(key, round), model.insert(key, round)),
                1 => assert_eq!(roll.remove(key), model.remove(&key)),
                2 => {
                    *roll.get_or_insert(key, || round) += 1;
                    *model.entry(key).or_insert(round) += 1;
                }
                _ => {
                    if let Some(value) = roll.get_mut(key) {
                        *value += 1;
                    }
                    model.entry(key).and_modify(|value| *value += 1);
                }
            }
            if round % 100 == 0 {
                roll.for_each_mut(|value| *value *= 2);
                model.values_mut().for_each(|value| *value *= 2);
            }
            assert_eq!(roll.get(key), model.get(&key));
            assert!(roll.iter().eq(model.iter().map(|(key, value)| (*key, value))), "round {round}");
        }
        roll.keys().collect::<Vec<_>>().into_iter().for_each(|key| assert!(roll.remove(key).is_some()));
        assert!(roll.keys().next().is_none() && roll.values().next().is_none());
    }
}
