//! Ends the daemon in good order: streams of events first, then sockets, then what the store still owes.

use super::{Daemon, LaneKey, Timer};
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::machine::{Output, Outputs};
use crate::time::Now;

/// How far the end has come.
#[derive(Debug, Default)]
pub(super) struct Stop {
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Running,
    /// No further work is taken.
    Stopping,
    /// It is over.
    Finished,
}

impl Stop {
    pub(super) fn is_on(&self) -> bool {
        self.stage != Stage::Running
    }
}

impl Daemon {
    pub(super) fn begin_stop(&mut self, now: Now, todo: &mut Outputs) {
        if self.stop.is_on() {
            return;
        }
        self.stop.stage = Stage::Stopping;
        self.timers.arm(Timer::Stop, now.mono.after_millis(self.bounds.daemon_drain_ms()));
        // A subscriber would otherwise keep the process.
        for conn in self.events.streams() {
            self.end_stream(now, conn, Fault::ShuttingDown, todo);
        }
        self.dismiss_idle(todo);
        let keys: Vec<LaneKey> = self.uplinks.keys().copied().collect();
        for key in keys {
            let (fault, reason) = (Fault::Disconnected, Fault::Disconnected.row().reason);
            self.with_uplink(now, key, todo, |uplink, cx| uplink.part(fault, reason, cx));
        }
    }

    /// Ends once nothing is left to be done.
    pub(super) fn go_on_stopping(&mut self, todo: &mut Outputs) {
        let is_quiet = self.uplinks.is_empty() && self.locals.is_empty();
        let is_stored = self.outbox.is_idle() && self.inbox.is_idle();
        if self.stop.stage == Stage::Stopping && is_quiet && is_stored {
            self.finish(todo);
        }
    }

    /// It has lasted long enough: whoever is left is dropped.
    pub(super) fn stop_now(&mut self, todo: &mut Outputs) {
        let conns: Vec<ConnId> = self.locals.keys().copied().collect();
        for conn in conns {
            self.drop_local(conn, todo);
        }
        self.finish(todo);
    }

    fn finish(&mut self, todo: &mut Outputs) {
        if self.stop.stage != Stage::Finished {
            self.stop.stage = Stage::Finished;
            todo.push(Output::Finished);
        }
    }
}
