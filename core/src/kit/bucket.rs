//! A token bucket: take a token, or learn how long to wait.
//!
//! *Always holds:* within any stretch of time no more tokens are taken than the burst plus what the rate lets
//! through, save for one cost above the burst, which is paid off before anything else is taken.

use std::time::Duration;

use crate::time::Mono;

const NANOS_PER_MINUTE: u64 = 60_000_000_000;

/// A rate with a burst, kept as one moment: when the bucket is full again (the generic cell rate algorithm).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    interval_nanos: u64,
    burst: u64,
    full_at: Mono,
}

impl Bucket {
    /// A full bucket of `burst` tokens (at least 1) that gains `per_minute` of them; a rate of 0 means no
    /// limit.
    pub(crate) fn new(per_minute: u64, burst: u64) -> Bucket {
        let interval_nanos = NANOS_PER_MINUTE.checked_div(per_minute).map_or(0, |nanos| nanos.max(1));
        Bucket { interval_nanos, burst: burst.max(1), full_at: Mono::START }
    }

    /// Takes one token.
    ///
    /// # Errors
    /// How long until there is one.
    pub(crate) fn take(&mut self, now: Mono) -> Result<(), Duration> {
        self.take_many(now, 1)
    }

    /// Takes `cost` tokens at once. A cost above the burst needs a full bucket and leaves a debt.
    ///
    /// # Errors
    /// How long until there are enough. Nothing was taken.
    pub(crate) fn take_many(&mut self, now: Mono, cost: u64) -> Result<(), Duration> {
        let spare = self.burst - cost.min(self.burst);
        let allowed = Duration::from_nanos(spare.saturating_mul(self.interval_nanos));
        let owed = self.full_at.since(now);
        if owed > allowed {
            return Err(owed - allowed);
        }
        let price = Duration::from_nanos(cost.saturating_mul(self.interval_nanos));
        self.full_at = self.full_at.max(now).after(price);
        Ok(())
    }

    /// Gives back what was taken for nothing: from here on it is as if it had not been.
    pub(crate) fn give_back(&mut self, cost: u64) {
        let price = Duration::from_nanos(cost.saturating_mul(self.interval_nanos));
        self.full_at = Mono::START.after(self.full_at.since(Mono::START.after(price)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::START.after(Duration::from_secs(seconds))
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_says_how_long_to_wait() {
        let mut bucket = Bucket::new(60, 3);
        assert!((0..3).all(|_| bucket.take(at(5)).is_ok()));
        assert_eq!(bucket.take(at(5)), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(at(6)), Ok(()));
        assert_eq!(bucket.take(at(6)), Err(Duration::from_secs(1)));
    }

    #[test]
    fn a_bucket_never_holds_more_than_its_burst() {
        let mut bucket = Bucket::new(60, 2);
        assert_eq!([(); 3].map(|()| bucket.take(at(1_000)).is_ok()), [true, true, false]);
    }

    #[test]
    fn a_refused_cost_takes_nothing() {
        let mut bucket = Bucket::new(60, 4);
        assert_eq!(bucket.take_many(at(0), 3), Ok(()));
        assert_eq!(bucket.take_many(at(0), 2), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take(at(0)), Ok(()));
    }

    #[test]
    fn a_cost_above_the_burst_needs_a_full_bucket_and_leaves_a_debt() {
        let mut bucket = Bucket::new(60, 4);
        assert_eq!(bucket.take_many(at(0), 10), Ok(()));
        assert_eq!(bucket.take(at(0)), Err(Duration::from_secs(7)));
        assert_eq!(bucket.take_many(at(9), 10), Err(Duration::from_secs(1)));
        assert_eq!(bucket.take_many(at(10), 10), Ok(()));
    }

    #[test]
    fn what_is_given_back_was_never_taken() {
        let (mut one, mut other) = (Bucket::new(60, 5), Bucket::new(60, 5));
        assert!(one.take_many(at(3), 4).is_ok() && one.take(at(3)).is_ok());
        assert!(other.take(at(3)).is_ok());
        one.give_back(4);
        for cost in [4, 1, 2] {
            assert_eq!(one.take_many(at(4), cost), other.take_many(at(4), cost));
        }
        let mut full = Bucket::new(60, 2);
        full.give_back(9);
        assert_eq!([(); 3].map(|()| full.take(at(0)).is_ok()), [true, true, false], "no more than full");
    }

    #[test]
    fn a_rate_of_zero_is_no_limit() {
        let mut bucket = Bucket::new(0, 1);
        assert!((0..1_000).all(|_| bucket.take_many(at(0), 1_000).is_ok()));
    }

    #[test]
    fn f_num_01_a_cost_beyond_all_bounds_does_not_overflow() {
        let mut bucket = Bucket::new(1, u64::MAX);
        assert_eq!(bucket.take_many(at(0), u64::MAX), Ok(()));
        assert!(bucket.take_many(at(1), u64::MAX).is_err());
    }
}
