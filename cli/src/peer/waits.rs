//! How a reader that stays behaves: how long it waits before it connects again, and what it has shown.

use std::collections::VecDeque;
use std::time::Duration;

use peermesh_core::rng::Rng;

use crate::home::{self, HomeError};

/// Waits between two connections: the first, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A connection that held this long was a good one: the waits begin anew.
const STEADY: Duration = Duration::from_secs(30);
/// Messages that are remembered, to show a repeated one only once.
const SHOWN_MAX: usize = 1_024;

/// Waits that grow.
#[derive(Debug)]
pub(super) struct Waits {
    rng: Rng,
    wait: Duration,
}

impl Waits {
    pub(super) fn new() -> Result<Waits, HomeError> {
        Ok(Waits { rng: Rng::from_seed(home::random::<32>()?), wait: RECONNECT.0 })
    }

    /// How long to wait after a connection that held so long.
    pub(super) fn after(&mut self, held: Duration) -> Duration {
        if held >= STEADY {
            self.wait = RECONNECT.0;
        }
        let drawn = jitter(self.wait, &mut self.rng);
        self.wait = (self.wait * 2).min(RECONNECT.1);
        drawn
    }
}

/// Half of the wait is fixed and half is drawn, so that many peers do not come back at once.
fn jitter(wait: Duration, rng: &mut Rng) -> Duration {
    let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
    Duration::from_millis(half.saturating_add(rng.below(half.saturating_add(1))))
}

/// What was shown last.
#[derive(Debug, Default)]
pub(crate) struct Shown(VecDeque<String>);

impl Shown {
    /// Remembers a message; false when it was shown before.
    pub(crate) fn is_first(&mut self, id: &str) -> bool {
        if self.0.iter().any(|shown| shown == id) {
            return false;
        }
        if self.0.len() == SHOWN_MAX {
            self.0.pop_front();
        }
        self.0.push_back(id.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_between_connections_are_drawn_from_their_upper_half() {
        let mut rng = Rng::from_seed([1; 32]);
        let wait = Duration::from_secs(10);
        assert!((0..100).map(|_| jitter(wait, &mut rng)).all(|drawn| drawn >= wait / 2 && drawn <= wait));
    }

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew_after_a_good_connection() {
        let mut waits = Waits { rng: Rng::from_seed([1; 32]), wait: RECONNECT.0 };
        let last = (0..20).map(|_| waits.after(Duration::ZERO)).last().unwrap();
        assert!(last >= RECONNECT.1 / 2 && last <= RECONNECT.1);
        assert!(waits.after(STEADY) <= RECONNECT.0);
    }

    #[test]
    fn a_message_is_shown_once_while_it_is_remembered() {
        let mut shown = Shown::default();
        assert!(shown.is_first("a") && !shown.is_first("a"));
        (0..SHOWN_MAX).for_each(|n| assert!(shown.is_first(&n.to_string())));
        assert!(shown.is_first("a"));
    }
}
