//! The time by which what is kept of topics grows old, whatever a wall clock does (TIM-01).
//!
//! *Always holds:* in memory things age by the time that has truly passed, so that a clock that jumps makes
//! nothing old and keeps nothing for ever. What is written is stamped by a clock that never goes back and is
//! never behind the wall clock: the next process, which knows nothing but that, takes nothing for older than
//! it is.

use crate::planted::planted;
use crate::time::{Now, Wall};

/// See the module's own words.
#[derive(Debug, Default)]
pub(super) struct Clock {
    /// When this process began, by both clocks.
    began: Option<Now>,
    /// When the wall clock was last ahead of what is stamped.
    ahead: Option<Now>,
}

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Times {
    /// By the time that has passed since the process began.
    pub steady: Wall,
    /// By the stamps of what is written.
    pub kept: Wall,
    /// By which rows of the store are old that no memory counts for: a clock that runs ahead makes none so.
    pub patient: Wall,
}

impl Clock {
    pub(super) fn read(&mut self, now: Now) -> Times {
        if planted("age_by_the_wall_clock") {
            return Times { steady: now.wall, kept: now.wall, patient: now.wall };
        }
        let passed_since = |then: Now| then.wall.after_millis(now.mono.millis_since(then.mono));
        let began = *self.began.get_or_insert(now);
        let kept = passed_since(*self.ahead.get_or_insert(now));
        if now.wall > kept {
            self.ahead = Some(now);
        }
        Times { steady: passed_since(began), kept: kept.max(now.wall), patient: now.aging_since(began).wall }
    }
}

impl Times {
    /// When something came that was stamped so, by the steady time. What is of a time to come came just then.
    pub(super) fn aged(&self, stamp: Wall) -> Wall {
        let age = self.kept.as_millis().saturating_sub(stamp.as_millis());
        self.steady.before_millis(u64::try_from(age).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mono;

    #[test]
    fn stamps_never_go_back_and_age_by_the_time_that_passed() {
        let mut clock = Clock::default();
        let mut at = |mono_ms: u64, wall_ms: i64| {
            let mono = Mono::START.after_millis(mono_ms);
            let times = clock.read(Now { mono, wall: Wall::from_millis(wall_ms) });
            (times.steady.as_millis(), times.kept.as_millis(), times.patient.as_millis())
        };
        assert_eq!(at(0, 1_000), (1_000, 1_000, 1_000));
        assert_eq!(at(10, 1_010), (1_010, 1_010, 1_010));
        assert_eq!(at(20, 9_020), (1_020, 9_020, 1_020), "it jumps ahead");
        assert_eq!(at(30, 1_030), (1_030, 9_030, 1_030), "and back");
        assert_eq!(at(40, 10), (1_040, 9_040, 10), "and further back");
        assert_eq!(at(50, 9_060), (1_050, 9_060, 1_050));
    }

    #[test]
    fn what_was_stamped_keeps_its_age() {
        let (steady, kept) = (Wall::from_millis(1_000), Wall::from_millis(9_000));
        let times = Times { steady, kept, patient: steady };
        let aged = [8_900, 9_000, 99_000].map(|stamp| times.aged(Wall::from_millis(stamp)).as_millis());
        assert_eq!(aged, [900, 1_000, 1_000]);
    }
}
