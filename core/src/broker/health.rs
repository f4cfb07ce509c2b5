//! Whether the store answers, asked every `health_ms` and learned from every failure.

use super::{After, Broker, Timer};
use crate::machine::{Output, Outputs};
use crate::note::{Level, Note};
use crate::store::{Query, StoreError};
use crate::time::Now;

#[derive(Debug, Default)]
pub(super) struct Health {
    up: bool,
    asked: bool,
    failures: u64,
}

impl Health {
    /// False until the store has answered for the first time.
    pub(super) fn is_up(&self) -> bool {
        self.up
    }
}

impl Broker {
    pub(super) fn ask_health(&mut self, now: Now) {
        self.timers.arm(Timer::Health, now.mono.after_millis(self.limits.health_ms()));
        if self.health.asked {
            // The last question is still open: that is an answer too.
            return self.store_is(now, false, "no answer in time");
        }
        self.health.asked = true;
        self.commits.ask(Query::Ping, After::Health);
    }

    pub(super) fn health_known(&mut self, now: Now, alive: bool) {
        self.health.asked = false;
        self.store_is(now, alive, "the store refused");
    }

    /// The question did not reach the store; the next one may.
    pub(super) fn health_unasked(&mut self) {
        self.health.asked = false;
    }

    /// A request failed: no need to wait for the next question.
    pub(super) fn store_failed(&mut self, error: &StoreError, todo: &mut Outputs) {
        if let StoreError::Corrupt(_) = error {
            // Whatever this process believes may not be what is on disk: only a fresh start reads the truth
            // (STO-02).
            return todo.push(Output::Fail { why: error.to_string() });
        }
        if self.health.up {
            self.health.up = false;
            self.health.failures = 1;
            self.notes.push(failed(&error.to_string()));
        }
    }

    fn store_is(&mut self, now: Now, alive: bool, why: &str) {
        let was_up = std::mem::replace(&mut self.health.up, alive);
        if alive && !was_up {
            let failures = std::mem::take(&mut self.health.failures);
            self.notes.push(Note::new(Level::Info, "db healthy").with("prior_failures", failures));
            self.with_meshes(now, super::super::mesh::Meshes::store_is_back);
        }
        if !alive {
            self.health.failures += 1;
            if self.health.failures == 1 {
                self.notes.push(failed(why));
            }
        }
    }
}

/// The first failure of a streak; those that follow are not told again.
fn failed(why: &str) -> Note {
    Note::new(Level::Error, "db ping failed").with("consecutive_failures", 1).with("error", why)
}
