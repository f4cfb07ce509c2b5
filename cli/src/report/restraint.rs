//! How often the same is reported: a runner that says nonsense all day is not worth more than a few reports.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Reports of one kind in one window.
const MOST: u32 = 10;
const WINDOW: Duration = Duration::from_secs(60);

/// Counts reports by their kind.
#[derive(Debug, Default)]
pub(super) struct Restraint(BTreeMap<&'static str, Count>);

#[derive(Debug)]
struct Count {
    since: Instant,
    made: u32,
    left_out: u64,
}

impl Restraint {
    /// Whether one more of a kind is reported; then also how many were left out before it.
    pub(super) fn admit(&mut self, kind: &'static str, now: Instant) -> Option<u64> {
        let count = self.0.entry(kind).or_insert(Count { since: now, made: 0, left_out: 0 });
        if now.saturating_duration_since(count.since) >= WINDOW {
            (count.since, count.made) = (now, 0);
        }
        if count.made >= MOST {
            count.left_out += 1;
            return None;
        }
        count.made += 1;
        Some(std::mem::take(&mut count.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_of_each_kind_are_reported_in_a_minute_and_the_rest_is_counted() {
        let (mut restraint, start) = (Restraint::default(), Instant::now());
        for _ in 0..MOST {
            assert_eq!(restraint.admit("a", start), Some(0));
        }
        assert_eq!((restraint.admit("a", start), restraint.admit("a", start)), (None, None));
        assert_eq!(restraint.admit("b", start), Some(0), "another kind");
        assert_eq!(restraint.admit("a", start + WINDOW), Some(2));
    }
}
