//! The clocks of one process: one that never goes back, and one that does whatever it likes.

use peermesh_core::time::{Mono, Now, Wall};

/// The true wall time when a run begins: 2023-11-14T22:13:20Z.
const BIRTH_MS: i64 = 1_700_000_000_000;

/// Nanoseconds of a millisecond.
pub(super) const MS: u64 = 1_000_000;

/// True time, in Unix milliseconds, at a moment of the world, when so many milliseconds were passed over in
/// which nobody was there.
pub(super) fn true_wall(at: u64, passed_over_ms: i64) -> i64 {
    BIRTH_MS + whole(at / MS) + passed_over_ms
}

/// Clocks of one process. Moments of the world are nanoseconds since the run began.
#[derive(Clone, Debug)]
pub(super) struct Clock {
    /// When the process started.
    born: u64,
    /// How long its host was suspended since, which the steady clock does not count.
    slept: u64,
    passed_over_ms: i64,
    wall: WallClock,
}

/// A host's wall clock.
#[derive(Clone, Copy, Debug)]
pub(super) struct WallClock {
    /// How far it is ahead of true time, in milliseconds, at `since`.
    ahead_ms: i64,
    since: u64,
    speed: Speed,
}

/// How fast a wall clock runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speed {
    True,
    Stopped,
    Double,
}

impl WallClock {
    /// A clock that is right.
    pub(super) fn right() -> WallClock {
        WallClock { ahead_ms: 0, since: 0, speed: Speed::True }
    }

    /// How far it is ahead of true time, in milliseconds.
    pub(super) fn ahead_ms(&self, at: u64) -> i64 {
        let passed = whole(at.saturating_sub(self.since) / MS);
        match self.speed {
            Speed::True => self.ahead_ms,
            Speed::Stopped => self.ahead_ms - passed,
            Speed::Double => self.ahead_ms + passed,
        }
    }

    /// Moves it.
    pub(super) fn jump(&mut self, at: u64, millis: i64) {
        *self = WallClock { ahead_ms: self.ahead_ms(at).saturating_add(millis), since: at, ..*self };
    }

    /// From here on it runs so fast.
    pub(super) fn run(&mut self, at: u64, speed: Speed) {
        *self = WallClock { ahead_ms: self.ahead_ms(at), since: at, speed };
    }
}

impl Clock {
    /// The clocks of a process that starts at that moment, on a host with that wall clock.
    pub(super) fn start(at: u64, wall: WallClock, passed_over_ms: i64) -> Clock {
        Clock { born: at, slept: 0, passed_over_ms, wall }
    }

    pub(super) fn now(&self, at: u64) -> Now {
        let mono = Mono::from_nanos(at.saturating_sub(self.born + self.slept));
        let wall = true_wall(at, self.passed_over_ms).saturating_add(self.wall.ahead_ms(at));
        Now { mono, wall: Wall::from_millis(wall) }
    }

    /// The moment of the world at which the process' steady clock shows that.
    pub(super) fn moment(&self, mono: Mono) -> u64 {
        mono.as_nanos().saturating_add(self.born + self.slept)
    }

    /// The host was suspended for so long.
    pub(super) fn sleep(&mut self, nanos: u64) {
        self.slept += nanos;
    }

    pub(super) fn wall(&mut self) -> &mut WallClock {
        &mut self.wall
    }
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000 * MS;

    #[test]
    fn the_steady_clock_leaves_out_suspension_and_nothing_else() {
        let mut clock = Clock::start(5 * SECOND, WallClock::right(), 0);
        assert_eq!(clock.now(8 * SECOND).mono, Mono::START.after_millis(3_000));
        clock.sleep(2 * SECOND);
        assert_eq!(clock.now(8 * SECOND).mono, Mono::START.after_millis(1_000));
        assert_eq!(clock.moment(Mono::START.after_millis(1_000)), 8 * SECOND);
    }

    #[test]
    fn a_wall_clock_jumps_stops_and_races() {
        let mut wall = WallClock::right();
        wall.jump(SECOND, -3_600_000);
        wall.run(2 * SECOND, Speed::Stopped);
        assert_eq!(wall.ahead_ms(5 * SECOND), -3_603_000);
        wall.run(5 * SECOND, Speed::Double);
        assert_eq!(wall.ahead_ms(6 * SECOND), -3_602_000);
        wall.run(6 * SECOND, Speed::True);
        assert_eq!(wall.ahead_ms(60 * SECOND), -3_602_000);
    }
}
