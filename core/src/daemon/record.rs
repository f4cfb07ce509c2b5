//! What is remembered of messages that have come to their end.
//!
//! *Decides* for how long: their keys answer repetitions meanwhile, and those that were given up can be put
//! in line again.
//! *Always holds:* what waits is never forgotten, nor what an operator put aside. A key outlives the time in
//! which its message may be tried by as much again, and with it what its broker knows of it.

use super::Daemon;
use super::drain::After;
use crate::note::{Level, Note};
use crate::store::{DaemonReply, Ended, Forgetting, OutboxOp, Reply};
use crate::time::Now;

/// Rows that are forgotten in one write: others wait for it.
const PAGE: u32 = 1_000;

impl Daemon {
    /// Forgets what is too old. A clock that runs ahead makes nothing older.
    pub(super) fn forget_ended(&mut self, now: Now) {
        let by = self.began.map_or(now, |began| now.aging_since(began));
        let bounds = &self.bounds;
        let tried_ms = self.brokers.iter().filter_map(|broker| broker.age_ms);
        let tried_ms = tried_ms.fold(bounds.outbox_age_ms(), u64::max);
        let kept_ms = bounds.outbox_retention_ms().max(tried_ms.saturating_mul(2));
        let forgetting = Forgetting { before: by.wall.before_millis(kept_ms), limit: PAGE };
        self.stage_out(OutboxOp::Forget(forgetting), After::Forgotten);
    }

    pub(super) fn forgotten(&mut self, now: Now, ended: &Ended) {
        match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Changed { rows: rows @ 1.. })) => {
                self.notes.push(Note::new(Level::Info, "outbox_prune_completed").with("removed", *rows));
                if *rows >= u64::from(PAGE) {
                    self.forget_ended(now);
                }
            }
            Ended::Done(_) | Ended::Found(_) => {}
            Ended::Refused(error) => {
                let note = Note::new(Level::Warn, "outbox_prune_failed");
                self.notes.push(note.with("error", error.to_string()));
            }
        }
    }
}
