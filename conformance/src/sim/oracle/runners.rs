//! Runners: events reach the target in order and are not lost, commands are handed over once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use peermesh_core::forward::Forward;
use peermesh_core::ids::{RunnerId, RunnerNo, RunnerSeq};
use peermesh_core::store::model::Model;
use peermesh_core::store::{DeadReason, RunnerOp, RunnerReply};

use super::rules::{Judged, Rule, broken};
use super::{Oracle, Party, Said};
use crate::sim::actor::runner_id;
use crate::sim::marks::{Mark, Tally};
use crate::sim::tap::{Frame, Kind};

/// What is known of runners.
#[derive(Debug, Default)]
pub(super) struct Books {
    commands: BTreeMap<String, Command>,
    /// Places of events that came to the target, of each runner.
    came: BTreeMap<String, BTreeSet<RunnerSeq>>,
    /// The same by the numbers of the store.
    names: BTreeMap<RunnerNo, String>,
    /// Places of events that the target has taken, or refused.
    taken: BTreeMap<String, BTreeSet<RunnerSeq>>,
}

#[derive(Debug, Default)]
struct Command {
    is_keyed: bool,
    may_queue: bool,
    written: u32,
    /// In which lives of brokers, as the store numbers them.
    lives: Vec<u64>,
    /// Its caller was told that nothing was handed over.
    is_refused: bool,
}

impl Oracle {
    /// Somebody sends a command.
    pub(in crate::sim) fn command_asked(&mut self, id: &str, is_keyed: bool, may_queue: bool) {
        let command = Command { is_keyed, may_queue, ..Command::default() };
        self.runners.commands.entry(id.to_owned()).or_insert(command);
    }

    /// Days pass, after which keys of commands and of publications may be forgotten.
    pub(in crate::sim) fn days_pass(&mut self, days_ms: Range<i64>) {
        self.days_ms = days_ms;
        self.runners.commands.clear();
        self.topics.days_pass();
    }

    /// A caller is told that its command was sent: it was, or waits in the broker for its connection (I17).
    pub(super) fn caller_told(&mut self, said: &Said<'_>, status: u16) -> Judged {
        let Some(Party::Caller(id)) = self.conns.get(&said.conn).map(|conn| &conn.party) else {
            return Ok(());
        };
        // What nobody knows any more was asked for before days passed.
        let was_written = self.runners.commands.get(id).is_none_or(|command| command.written > 0);
        let may_wait = || self.conns.keys().any(|conn| *conn != said.conn && (said.may_hide)(*conn));
        match status == 200 && !was_written && !may_wait() {
            true => broken(Rule::I17, format!("{id} is told as sent, and was not")),
            false => Ok(()),
        }
    }

    /// A caller has read its answer (I17).
    pub(in crate::sim) fn command_answered(
        &mut self,
        id: &str,
        status: u16,
        body: &str,
        tally: &mut Tally,
    ) -> Judged {
        let Some(command) = self.runners.commands.get_mut(id) else { return Ok(()) };
        match status {
            202 => tally.mark(Mark::CommandQueued),
            503 if body.contains("not connected") || body.contains("runner_busy") => {
                tally.mark(Mark::CommandAbsent);
                // Under a key it may have been sent by an earlier request.
                if command.written > 0 && !command.is_keyed {
                    return broken(Rule::I17, format!("{id} was sent, and is told as refused: {body}"));
                }
                command.is_refused = !command.is_keyed;
            }
            504 if body.contains("No ack in time") => {
                tally.mark(Mark::CommandUnanswered);
            }
            _ => {}
        }
        Ok(())
    }

    /// Something is written to a runner.
    pub(super) fn runner_said(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        runner: usize,
        frame: &Frame,
        tally: &mut Tally,
    ) -> Judged {
        let retention_ms = i64::try_from(self.limits.runner_retention_ms()).unwrap_or(i64::MAX);
        // A broker that began with a clock so far off takes everything for old, or makes it so.
        let may_forget = self.began_ahead_ms.max(self.began_behind_ms) >= retention_ms;
        if frame.kind == Kind::EventAck {
            let runner = RunnerId::new(runner_id(runner));
            return match model.knows_event(&runner, &frame.event_id) || may_forget {
                true => Ok(()),
                false => broken(Rule::I3, format!("{} is told as stored, and is not", frame.event_id)),
            };
        }
        let Some(command) = self.runners.commands.get_mut(&frame.id) else { return Ok(()) };
        tally.mark(Mark::CommandSent);
        command.written += 1;
        if command.is_refused {
            return broken(Rule::I17, format!("{} is sent after it was refused", frame.id));
        }
        let is_repeated = command.lives.contains(&said.number);
        command.lives.push(said.number);
        if command.is_keyed && may_forget {
            return Ok(());
        }
        // A queued command is sent again when its broker dies, or loses the runner, before that is written.
        if command.written > 1 && (!command.may_queue || is_repeated) {
            return broken(Rule::I17, format!("{} is sent {} times", frame.id, command.written));
        }
        Ok(())
    }

    /// A write on runners took effect.
    pub(super) fn runner_wrote(
        &mut self,
        _at: u64,
        op: &RunnerOp,
        reply: &RunnerReply,
        tally: &mut Tally,
    ) -> Judged {
        if *reply == RunnerReply::Lost {
            // That queued commands were sent cannot be written any more, so they will be sent again.
            let queued = self.runners.commands.values_mut().filter(|command| command.may_queue);
            queued.for_each(|command| command.lives.clear());
            return Ok(());
        }
        match op {
            RunnerOp::Claim { runner } => {
                if let RunnerReply::Owned(load) = reply {
                    self.runners.names.insert(load.no, runner.as_str().to_owned());
                }
                Ok(())
            }
            RunnerOp::Taken { fence, seq } => {
                let Some(name) = self.runners.names.get(&fence.runner) else { return Ok(()) };
                tally.mark(Mark::EventTaken);
                match self.runners.taken.get(name).is_some_and(|taken| taken.contains(seq)) {
                    true => Ok(()),
                    false => broken(Rule::I1, format!("event {seq} of {name} counts as taken, and is not")),
                }
            }
            RunnerOp::Bury { fence, seq, why, .. } => {
                let Some(name) = self.runners.names.get(&fence.runner) else { return Ok(()) };
                tally.mark(Mark::EventDead);
                let came = self.runners.came.get(name).is_some_and(|came| came.contains(seq));
                match *why == DeadReason::Refused && !came {
                    true => broken(Rule::I1, format!("event {seq} of {name} died before it was sent")),
                    false => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    /// An event comes to the target: no older one of its runner may be left behind (I4).
    pub(in crate::sim) fn event_arrived(
        &mut self,
        model: &Model,
        forward: &Forward,
        is_taken: bool,
        tally: &mut Tally,
    ) -> Judged {
        let header = |name| forward.headers.iter().find(|(have, _)| *have == name).map(|(_, value)| value);
        let (Some(runner), Some(seq)) = (header("X-Runner-Id"), header("X-Event-Seq")) else {
            return broken(Rule::Other, "an event without its runner and its place");
        };
        let seq = RunnerSeq(seq.parse().unwrap_or(0));
        let came = self.runners.came.entry(runner.clone()).or_default();
        if !came.insert(seq) {
            tally.mark(Mark::EventRepeated);
        }
        let id = RunnerId::new(runner.as_str());
        let older = model.events_of(&id).take_while(|event| event.seq < seq);
        let left = older.map(|event| event.seq).find(|older| !came.contains(older));
        if is_taken {
            self.runners.taken.entry(runner.clone()).or_default().insert(seq);
        }
        match left {
            Some(left) => broken(Rule::I4, format!("event {seq} of {runner} passes {left}")),
            None => Ok(()),
        }
    }
}
