//! Commands that wait for a runner that is away: durable, bounded, and not for ever.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CallerNo, Cx, Runners, Then, Timer, age_ms, found_of, reply_of};
use crate::ids::{RunnerNo, RunnerSeq};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{CommandRow, Ended, RunnerFound, RunnerOp, RunnerQuery, RunnerReply};

/// The queue of one runner. Its commands are in the store alone.
#[derive(Debug)]
pub(super) struct Queue {
    /// Commands that wait.
    pub count: u64,
    /// The youngest that left.
    passed: RunnerSeq,
    reading: bool,
    /// It is to be looked at again after the page that is being read.
    again: bool,
    /// Commands are looked for whose time is over while an older one waits.
    sorting_out: bool,
    /// Those that were dropped, and whether that is written. What is being read may show them all the same.
    dropped: BTreeMap<RunnerSeq, bool>,
}

/// Commands of one page, and their length together, in bytes.
const PAGE: u32 = 16;
const PAGE_BYTES: u64 = 1_024 * 1_024;
/// Commands that are dropped at once while an older one waits.
const DROPPED_AT_ONCE: u32 = 256;

impl Queue {
    pub(super) fn new(count: u64) -> Queue {
        let (passed, dropped) = (RunnerSeq::ZERO, BTreeMap::new());
        Queue { count, passed, reading: false, again: false, sorting_out: false, dropped }
    }

    /// Something was read, or written: forgets what nothing can show any more.
    fn tidy(&mut self) {
        if !self.reading && !self.sorting_out {
            self.dropped.retain(|_, is_written| !*is_written);
        }
    }

    /// It is written that a command waits no longer.
    pub(super) fn unqueued(&mut self, seq: RunnerSeq) {
        if let Some(is_written) = self.dropped.get_mut(&seq) {
            *is_written = true;
            self.tidy();
        }
    }
}

impl Runners {
    pub(super) fn enqueue(&mut self, cx: &mut Cx<'_>, number: CallerNo, text: Arc<str>, queue_ms: u64) {
        let expires = self.stamp(cx.now).after_millis(queue_ms);
        let Some(caller) = self.callers.get(&number) else { return };
        let (no, id) = (caller.runner, caller.order.call.id.as_deref().unwrap_or("").into());
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if runner.queue.count >= cx.config.limits.runner_commands_max() {
            cx.count(Counter::CommandQueueFull);
            return self.not_handed_over(cx, no, number, "runner_queue_full");
        }
        let command = Arc::new(CommandRow { seq: runner.place(), id, expires, text });
        let fence = runner.fence;
        // Counted from here on, so that the bound holds for those that come before the commit.
        runner.queue.count += 1;
        runner.stage(cx, RunnerOp::Queue { fence, command }, Then::Queued(number));
    }

    pub(super) fn command_queued(&mut self, cx: &mut Cx<'_>, no: RunnerNo, number: CallerNo, ended: Ended) {
        if !matches!(reply_of(ended), Some(RunnerReply::Inserted)) {
            if let Some(runner) = self.resident.get_mut(&no) {
                runner.queue.count = runner.queue.count.saturating_sub(1);
            }
            cx.count(Counter::CommandStore);
            return self.not_handed_over(cx, no, number, "Store unavailable");
        }
        self.queued(cx, number);
        self.move_queue(cx, no);
    }

    /// Hands over what waits, as far as it can be, and drops what has waited too long.
    pub(super) fn move_queue(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if runner.queue.count == 0 || self.draining || !cx.store.sure {
            return;
        }
        if runner.queue.reading {
            runner.queue.again = true;
            return;
        }
        runner.queue.reading = true;
        let after = runner.queue.passed;
        let query = RunnerQuery::Commands { runner: no, after, limit: PAGE, bytes_max: PAGE_BYTES };
        runner.ask(cx, query, Then::Commands);
    }

    pub(super) fn commands_read(&mut self, cx: &mut Cx<'_>, no: RunnerNo, ended: Ended) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.queue.reading = false;
        let again = std::mem::take(&mut runner.queue.again);
        let Some(RunnerFound::Commands(rows)) = found_of(ended) else {
            let retry = cx.now.mono.after_millis(cx.config.limits.runner_store_retry_ms());
            return self.timers.arm_by(Timer::Store(no), retry);
        };
        let now = self.aging(cx.now);
        let is_whole = rows.len() as u64 >= u64::from(PAGE) || again;
        for row in rows {
            let is_over = age_ms(now, row.expires) > 0;
            let is_dropped = self.resident.get(&no).is_some_and(|it| it.queue.dropped.contains_key(&row.seq));
            if !is_over && !is_dropped && self.hand_over(cx, no, &row.text).is_err() {
                return self.sort_out(cx, no);
            }
            let Some(runner) = self.resident.get_mut(&no) else { return };
            runner.queue.passed = row.seq;
            if is_dropped {
                continue;
            }
            if is_over {
                self.drop_command(cx, no, &row);
            } else {
                self.unqueue(cx, no, row.seq);
                self.sent_from_queue(no, &row.id);
            }
        }
        if let Some(runner) = self.resident.get_mut(&no) {
            runner.queue.tidy();
        }
        if is_whole {
            self.move_queue(cx, no);
        }
    }

    /// The oldest command has to wait: those behind it are looked through for such as may not wait longer.
    fn sort_out(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let before = self.aging(cx.now).wall;
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.queue.tidy();
        if !std::mem::replace(&mut runner.queue.sorting_out, true) {
            let after = runner.queue.passed;
            let query = RunnerQuery::Expired { runner: no, after, before, limit: DROPPED_AT_ONCE };
            runner.ask(cx, query, Then::Expired);
        }
    }

    pub(super) fn expired_read(&mut self, cx: &mut Cx<'_>, no: RunnerNo, ended: Ended) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.queue.sorting_out = false;
        let Some(RunnerFound::Commands(rows)) = found_of(ended) else { return };
        for row in rows {
            let Some(runner) = self.resident.get_mut(&no) else { return };
            let queue = &mut runner.queue;
            if row.seq > queue.passed && queue.dropped.insert(row.seq, false).is_none() {
                self.drop_command(cx, no, &row);
            }
        }
        if let Some(runner) = self.resident.get_mut(&no) {
            runner.queue.tidy();
        }
    }

    fn drop_command(&mut self, cx: &mut Cx<'_>, no: RunnerNo, row: &CommandRow) {
        cx.count(Counter::CommandExpired);
        self.tell_expiry(cx, no, row);
        self.unqueue(cx, no, row.seq);
    }

    /// A command waits no longer.
    fn unqueue(&mut self, cx: &mut Cx<'_>, no: RunnerNo, seq: RunnerSeq) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        runner.queue.count = runner.queue.count.saturating_sub(1);
        let op = RunnerOp::Unqueue { fence: runner.fence, seq };
        runner.stage(cx, op.clone(), Then::Settled(Box::new(op)));
    }

    fn tell_expiry(&self, cx: &mut Cx<'_>, no: RunnerNo, row: &CommandRow) {
        let id = self.resident.get(&no).map(|runner| runner.id.clone());
        cx.note(Level::Warn, || {
            let note = Note::new(Level::Warn, "runner command expired");
            note.with("runner_id", id.as_ref().map_or("", |id| id.as_str())).with("command_id", &*row.id)
        });
    }
}
