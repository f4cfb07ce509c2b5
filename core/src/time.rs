//! Two clocks that cannot be mixed up: [`Mono`] for durations and deadlines, [`Wall`] for stamps that are kept.

use std::time::Duration;

use time::OffsetDateTime;
use time::macros::format_description;

/// Nanoseconds since the process started. Never goes back, never jumps with the host's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(u64);

impl Mono {
    /// The moment the process started.
    pub const START: Mono = Mono(0);

    /// A moment that many nanoseconds after the start.
    pub const fn from_nanos(nanos: u64) -> Mono {
        Mono(nanos)
    }

    /// Nanoseconds since the start.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The moment `wait` later; the far end of time when that would overflow.
    #[must_use]
    pub fn after(self, wait: Duration) -> Mono {
        Mono(self.0.saturating_add(saturating_nanos(wait)))
    }

    /// The moment that many milliseconds later.
    #[must_use]
    pub fn after_millis(self, millis: u64) -> Mono {
        Mono(self.0.saturating_add(millis.saturating_mul(1_000_000)))
    }

    /// How long ago `earlier` was; zero when it lies ahead.
    pub const fn since(self, earlier: Mono) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// Whole milliseconds since `earlier`; zero when it lies ahead.
    pub const fn millis_since(self, earlier: Mono) -> u64 {
        self.0.saturating_sub(earlier.0) / 1_000_000
    }
}

/// Unix milliseconds, as stamps are kept and shown. Never used to measure a wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Wall(i64);

impl Wall {
    /// A stamp from Unix milliseconds.
    pub const fn from_millis(millis: i64) -> Wall {
        Wall(millis)
    }

    /// Unix milliseconds.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// The stamp that many milliseconds later.
    #[must_use]
    pub fn after_millis(self, millis: u64) -> Wall {
        Wall(self.0.saturating_add(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// The stamp that many milliseconds earlier.
    #[must_use]
    pub fn before_millis(self, millis: u64) -> Wall {
        Wall(self.0.saturating_sub(i64::try_from(millis).unwrap_or(i64::MAX)))
    }

    /// How far two stamps lie apart, in milliseconds.
    pub const fn distance_millis(self, other: Wall) -> u64 {
        self.0.abs_diff(other.0)
    }

    /// ISO 8601 in UTC with milliseconds, as the wire shows times (mesh protocol, conventions).
    pub fn iso(self) -> String {
        let form = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .ok()
            .and_then(|stamp| stamp.format(&form).ok())
            .unwrap_or_else(|| "1970-01-01T00:00:00.000Z".to_owned())
    }
}

/// Both clocks, read once per turn by the runtime and handed in together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Now {
    /// For durations and deadlines.
    pub mono: Mono,
    /// For stamps that are kept or shown.
    pub wall: Wall,
}

fn saturating_nanos(wait: Duration) -> u64 {
    u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_shown_as_iso_8601_in_utc_with_milliseconds() {
        assert_eq!(Wall::from_millis(1_767_323_045_678).iso(), "2026-01-02T03:04:05.678Z");
        assert_eq!(Wall::from_millis(0).iso(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn f_tim_05_arithmetic_saturates_at_both_ends() {
        let end = Mono::from_nanos(u64::MAX);
        assert_eq!(end.after(Duration::from_secs(1)), end);
        assert_eq!(Mono::START.since(end), Duration::ZERO);
        assert_eq!(Wall::from_millis(i64::MAX).after_millis(u64::MAX).as_millis(), i64::MAX);
        assert_eq!(Wall::from_millis(i64::MIN).before_millis(1).as_millis(), i64::MIN);
    }
}
