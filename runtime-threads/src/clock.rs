//! Both clocks, and the one alarm of a shard.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use peermesh_core::time::{Mono, Now, Wall};

use crate::inbox::Inbox;

/// Where the monotonic clock of a run begins; the same for all its shards.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    pub(crate) fn start() -> Clock {
        Clock(Instant::now())
    }

    /// Reads both clocks.
    pub(crate) fn now(self) -> Now {
        let mono = u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let wall = match SystemTime::now().duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |millis| -millis),
        };
        Now { mono: Mono::from_nanos(mono), wall: Wall::from_millis(wall) }
    }

    /// The host's moment for a deadline; none when it lies beyond what the host can count.
    pub(crate) fn instant(self, at: Mono) -> Option<Instant> {
        self.0.checked_add(at.since(Mono::START))
    }
}

/// Wakes the thread of a shard no later than asked.
///
/// Deadlines move later with almost every turn, and waking a thread costs more than a turn's other
/// bookkeeping. So an alarm that is set too early stays set: it costs one empty turn when it goes off.
#[derive(Debug, Default)]
pub(crate) struct Alarm {
    set: Option<Instant>,
}

impl Alarm {
    /// Makes sure that the thread that waits at `inbox` is woken at `at` or earlier.
    pub(crate) fn wake_by(&mut self, at: Instant, inbox: &Inbox) {
        if self.set.is_some_and(|set| set <= at && set > Instant::now()) {
            return;
        }
        inbox.wake_by(at);
        self.set = Some(at);
    }
}
