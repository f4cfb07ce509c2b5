//! Growing waits, drawn so that many who wait for the same thing do not come at once.

use crate::rng::Rng;

/// Doubles from a first wait up to a longest one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Backoff {
    first_ms: u64,
    most_ms: u64,
    failures: u32,
}

impl Backoff {
    /// A wait that nothing has failed for yet.
    pub(crate) const fn new(first_ms: u64, most_ms: u64) -> Backoff {
        Backoff { first_ms, most_ms, failures: 0 }
    }

    /// The wait after one more failure, in milliseconds: from the upper half of what is due.
    pub(crate) fn fail(&mut self, rng: &mut Rng) -> u64 {
        let due = 2_u64.saturating_pow(self.failures).saturating_mul(self.first_ms).min(self.most_ms);
        self.failures = self.failures.saturating_add(1);
        spread(due, rng)
    }

    /// It worked: the next wait is the first again.
    pub(crate) fn succeed(&mut self) {
        self.failures = 0;
    }
}

/// A wait from the upper half of `due_ms`, in milliseconds.
pub(crate) fn spread(due_ms: u64, rng: &mut Rng) -> u64 {
    due_ms - rng.below(due_ms / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let mut rng = Rng::from_seed([1; 32]);
        let mut backoff = Backoff::new(1_000, 30_000);
        for due in [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000] {
            let wait = backoff.fail(&mut rng);
            assert!((due / 2..=due).contains(&wait), "{wait} of {due}");
        }
        backoff.succeed();
        assert!(backoff.fail(&mut rng) <= 1_000);
    }

    #[test]
    fn waits_of_many_differ() {
        let mut rng = Rng::from_seed([2; 32]);
        let waits: std::collections::BTreeSet<u64> = (0..32).map(|_| spread(10_000, &mut rng)).collect();
        assert!(waits.len() > 16);
    }
}
