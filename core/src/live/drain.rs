//! The broker stops: watchers are told when to come back, and closed.
//!
//! *Always holds:* nobody is let in meanwhile. Where there is a gate, many watchers are told one part after
//! the other over half of the time they have, each with another time to come back, so that not all of them
//! connect somewhere at once.

use super::{Cx, Lives, Timer, is_gated};
use crate::config::size;
use crate::fault::Fault;
use crate::note::{Level, Note};
use crate::wire::live::Outbound;

/// Between two parts, in milliseconds.
const STEP_MS: u64 = 50;
/// So few are told all at once.
const FEW: usize = 100;

impl Lives {
    /// The broker was told to stop.
    pub(crate) fn drain(&mut self, cx: &mut Cx<'_>) {
        self.draining = true;
        cx.note(Level::Info, || Note::new(Level::Info, "live server stopping"));
        self.parting = self.watchers.keys().copied().collect();
        let parts = size(cx.config.limits.live_drain_ms() / 2 / STEP_MS).max(1);
        let gated = is_gated(cx);
        let all = self.parting.len();
        self.parting_step = if gated { all.div_ceil(parts).max(FEW) } else { all };
        self.say_goodbyes(cx);
    }

    /// Tells the next of them.
    pub(super) fn say_goodbyes(&mut self, cx: &mut Cx<'_>) {
        let longest = cx.config.limits.live_retry_ms();
        for session in self.parting.drain(..self.parting_step.min(self.parting.len())).collect::<Vec<_>>() {
            if is_gated(cx) {
                let retry_after_ms = longest / 2 + cx.rng.below(longest / 2 + 1);
                self.tell(cx, session, &Outbound::GoingAway { retry_after_ms });
            }
            cx.end(session, Fault::LiveShuttingDown);
        }
        if !self.parting.is_empty() {
            self.timers.arm(Timer::Goodbye, cx.now.mono.after_millis(STEP_MS));
        }
    }

    /// True from when the broker was told to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining
    }

    /// The last connection is gone, for good.
    pub(crate) fn stopped(&mut self, cx: &mut Cx<'_>) {
        if self.draining && !std::mem::replace(&mut self.stopped, true) {
            cx.note(Level::Info, || Note::new(Level::Info, "live server stopped"));
        }
    }
}
