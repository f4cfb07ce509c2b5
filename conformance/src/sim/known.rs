//! Keys that can be written to.

use std::collections::BTreeSet;

use super::dice::Dice;

/// Keys in the order in which they became known, each once. A day knows many thousands.
#[derive(Debug, Default)]
pub(super) struct Known {
    order: Vec<String>,
    all: BTreeSet<String>,
}

impl Known {
    pub(super) fn insert(&mut self, key: String) {
        if self.all.insert(key.clone()) {
            self.order.push(key);
        }
    }

    /// One that is wanted; none when there is none.
    pub(super) fn pick(&self, dice: &mut Dice, is_wanted: impl Fn(&str) -> bool) -> Option<&str> {
        let (before, after) = self.order.split_at(dice.place(self.order.len().max(1)).min(self.order.len()));
        after.iter().chain(before).map(String::as_str).find(|key| is_wanted(key))
    }
}

impl FromIterator<String> for Known {
    fn from_iter<I: IntoIterator<Item = String>>(keys: I) -> Known {
        let mut known = Known::default();
        keys.into_iter().for_each(|key| known.insert(key));
        known
    }
}
