//! Ending in good order (I20): refuse new work, finish what is in flight, say goodbye, give up what is ours,
//! end.
//!
//! There is one drain for all surfaces. Within a shard, goodbyes are said surface by surface (`GOODBYES`);
//! what is written last gives meshes and runners up; sockets that listen stay to the end of the process, and
//! whoever comes meanwhile is hung up on.

use super::{Broker, Timer};
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::machine::{Listener, Output, Outputs};
use crate::planted::planted;
use crate::time::{Mono, Now};

#[derive(Debug, Default)]
pub(super) struct Drain {
    stage: Stage,
    /// It lasts no longer than that.
    until: Mono,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Stage {
    #[default]
    Serving,
    /// Commits in flight are awaited, and their acks.
    Finishing,
    /// Everybody was told; their goodbyes are awaited.
    Closing,
    /// Others may have the meshes as soon as this is written: the last thing that is (LIF-01).
    Releasing,
    /// Over.
    Finished,
}

impl Drain {
    pub(super) fn is_on(&self) -> bool {
        self.stage != Stage::Serving
    }
}

/// Whose goodbyes come first, and which. Live watchers, who lose nothing, belong before runners, whose work
/// goes on without us; peers, who may still be told something, come last.
const GOODBYES: [(Listener, Fault); 3] = [
    (Listener::Live, Fault::LiveShuttingDown),
    (Listener::Runner, Fault::ServerShuttingDown),
    (Listener::Mesh, Fault::ShuttingDown),
];

impl Broker {
    pub(super) fn begin_drain(&mut self, now: Now) {
        if self.drain.is_on() {
            return;
        }
        self.drain.stage = Stage::Finishing;
        for timer in [Timer::Status, Timer::Retention, Timer::Hooks, Timer::Depth, Timer::RunnerDepth] {
            self.timers.disarm(timer);
        }
        let patience = now.mono.after_millis(self.config.drain_ms());
        self.drain.until = patience.after_millis(self.limits.close_ms());
        if !planted("drain_waits_for_ever") {
            self.timers.arm(Timer::Drain, patience);
        }
        self.timers.arm(Timer::Forwards, now.mono.after_millis(self.limits.runner_goodbye_ms()));
        self.with_meshes(now, super::super::mesh::Meshes::drain);
        self.with_runners(now, super::super::runner::Runners::drain);
    }

    /// Takes the next step once the one before is done.
    pub(super) fn go_on_draining(&mut self, now: Now, todo: &mut Outputs) {
        self.drain_live(now, todo);
        if self.drain.stage == Stage::Finishing && self.is_settled() {
            self.say_goodbye(now, todo);
        }
        let is_quiet = self.open.is_empty() && self.is_settled() && self.runners.is_idle();
        if self.drain.stage == Stage::Closing && is_quiet {
            self.drain.stage = Stage::Releasing;
            self.with_meshes(now, super::super::mesh::Meshes::release_all);
            self.with_runners(now, super::super::runner::Runners::release_all);
            self.with_lives(now, super::super::live::Lives::release_all);
            self.apply(now, todo);
        }
        if self.drain.stage == Stage::Releasing && self.is_settled() {
            self.finish(todo);
        }
    }

    fn say_goodbye(&mut self, now: Now, todo: &mut Outputs) {
        self.drain.stage = Stage::Closing;
        let all: Vec<ConnId> = self.open.iter().copied().collect();
        for (listener, fault) in GOODBYES {
            let came_in =
                |id: &ConnId| matches!(self.clients.find(id), Some(Some(c)) if c.listener == listener);
            let theirs: Vec<ConnId> = all.iter().copied().filter(came_in).collect();
            for id in theirs {
                self.dismiss(now, id, fault, todo);
            }
        }
        self.apply(now, todo);
    }

    fn dismiss(&mut self, now: Now, id: ConnId, fault: Fault, todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| {
            // Watchers are told by their own surface, which takes its time.
            if matches!(client.bound, super::Bound::Watcher) {
                return;
            }
            if client.connection.is_open() {
                broker.end(now, id, client, fault, todo);
            } else if matches!(client.bound, super::Bound::Lobby) {
                broker.depart(now, id, client);
                client.connection.abort(id, todo);
            }
        });
    }

    /// It has lasted long enough: whoever is left is dropped.
    pub(super) fn drain_timeout(&mut self, now: Now, todo: &mut Outputs) {
        if self.drain.stage == Stage::Finishing {
            self.say_goodbye(now, todo);
            return self.timers.arm(Timer::Drain, self.drain.until);
        }
        let all: Vec<ConnId> = self.open.iter().copied().collect();
        for id in all {
            self.with_client(now, id, todo, |_, client, todo| client.connection.abort(id, todo));
        }
        if now.mono < self.drain.until {
            // What is left is the store's, and it has the rest of the time.
            return self.timers.arm(Timer::Drain, self.drain.until);
        }
        self.finish(todo);
    }

    fn finish(&mut self, todo: &mut Outputs) {
        if self.drain.stage != Stage::Finished {
            self.drain.stage = Stage::Finished;
            todo.push(Output::Finished);
        }
    }
}
