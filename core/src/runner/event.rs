//! An event from its arrival to its commit: stored first, then acknowledged, then handed to the lane.
//!
//! *Always holds:* what the store refuses stays here and is tried again; meanwhile the runner is read no
//! further, so that little of it waits here (EVT-03).

use std::sync::Arc;

use super::{Cx, Runner, Runners, Then, Timer, reply_of};
use crate::config::{Limits, size};
use crate::ids::{RunnerNo, RunnerSeq};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, EventRow, EventTries, RunnerOp, RunnerReply};
use crate::surface::{Effect, SessionId};
use crate::wire::runner::{EventAck, Glimpse};

/// An event that waits for its commit.
#[derive(Debug)]
pub(super) struct Unstored {
    event: Arc<EventRow>,
    /// Who waits for its acknowledgement.
    session: SessionId,
    /// The store has it; otherwise it was refused.
    staged: bool,
}

/// Ids of events that are longer name nothing.
const ID_BYTES_MAX: usize = 512;
/// Types of events and commands that are longer are shown by their beginning.
const KIND_CHARS_MAX: usize = 64;

impl Runners {
    /// A runner said something.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, text: &str) {
        if !self.resident.get(&no).is_some_and(|runner| runner.is_linked(session)) {
            return;
        }
        let Some(glimpse) = Glimpse::of(text) else {
            cx.count(Counter::RunnerErrors);
            let id = self.resident.get(&no).map(|runner| runner.id.clone());
            return cx.note(Level::Warn, || {
                let note = Note::new(Level::Warn, "runner message not understood");
                note.with("runner_id", id.as_ref().map_or("", |id| id.as_str())).with("bytes", text.len())
            });
        };
        if glimpse.is_command() {
            return;
        }
        cx.count(Counter::RunnerEvents);
        let kind = glimpse.kind.as_deref().unwrap_or("");
        if kind == "runner-status" {
            self.beat(cx, no, session);
            if !cx.config.runners.as_ref().is_some_and(|config| config.forwards_heartbeats) {
                return acknowledge(cx, session, glimpse.id.as_deref());
            }
        }
        if kind == "ack"
            && let Some(command) = &glimpse.command
        {
            self.acked(cx, no, command, text);
        }
        self.keep(cx, no, session, &glimpse, text);
    }

    fn keep(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, glimpse: &Glimpse, text: &str) {
        let at = self.stamp(cx.now);
        let Some(runner) = self.resident.get_mut(&no) else { return };
        let id = glimpse.id.as_deref().filter(|id| !id.is_empty() && id.len() <= ID_BYTES_MAX);
        let kind = shown(glimpse.kind.as_deref());
        let event = Arc::new(EventRow {
            seq: runner.place(),
            id: id.map(Into::into),
            kind: kind.into(),
            at,
            tries: EventTries::default(),
            text: text.into(),
        });
        runner.unstored_bytes += text.len();
        self.unstored_bytes += text.len();
        if planted("event_acked_before_commit") {
            acknowledge(cx, session, glimpse.id.as_deref());
        }
        // What was refused before goes first.
        let staged = runner.unstored.iter().all(|unstored| unstored.staged);
        runner.unstored.push_back(Unstored { event: Arc::clone(&event), session, staged });
        if staged {
            let (fence, seq) = (runner.fence, event.seq);
            runner.stage(cx, RunnerOp::Accept { fence, event }, Then::Accepted(seq));
        }
    }

    pub(super) fn event_stored(&mut self, cx: &mut Cx<'_>, no: RunnerNo, seq: RunnerSeq, ended: Ended) {
        let reply = reply_of(ended);
        let Some(runner) = self.resident.get_mut(&no) else { return };
        let Some(at) = runner.unstored.iter().position(|unstored| unstored.event.seq == seq) else { return };
        let is_new = match reply {
            Some(RunnerReply::Inserted) => true,
            Some(RunnerReply::Known) => false,
            _ => {
                runner.unstored[at].staged = false;
                let retry = cx.now.mono.after_millis(cx.config.limits.runner_store_retry_ms());
                return self.timers.arm_by(Timer::Store(no), retry);
            }
        };
        let Some(Unstored { event, session, .. }) = runner.unstored.remove(at) else { return };
        runner.lane.resolve();
        let length = event.text.len();
        runner.unstored_bytes = runner.unstored_bytes.saturating_sub(length);
        self.unstored_bytes = self.unstored_bytes.saturating_sub(length);
        if runner.is_linked(session) {
            acknowledge(cx, session, event.id.as_deref());
            cx.effects.list.push(Effect::Resume { session });
        }
        if is_new {
            runner.lane.push(&cx.config.limits, event);
        } else {
            cx.count(Counter::RunnerEventsKnown);
        }
        self.move_lane(cx, no);
    }

    /// What the store refused is tried again, oldest first.
    pub(super) fn store_again(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        for op in std::mem::take(&mut runner.owed) {
            runner.stage(cx, op.clone(), Then::Settled(Box::new(op)));
        }
        let mut again = Vec::new();
        for unstored in runner.unstored.iter_mut().filter(|unstored| !unstored.staged) {
            unstored.staged = true;
            again.push(Arc::clone(&unstored.event));
        }
        let fence = runner.fence;
        for event in again {
            let seq = event.seq;
            runner.stage(cx, RunnerOp::Accept { fence, event }, Then::Accepted(seq));
        }
        self.move_lane(cx, no);
    }

    /// Nothing more is read from a runner's connection, until it is asked again whether it is paused.
    pub(crate) fn mute(&mut self, no: RunnerNo, session: SessionId) {
        let link = self.resident.get_mut(&no).and_then(|runner| runner.link.as_mut());
        if let Some(link) = link.filter(|link| link.session == session) {
            link.muted = true;
        }
    }

    /// True while a runner should be read no further.
    pub(crate) fn is_paused(&mut self, limits: &Limits, no: RunnerNo, session: SessionId) -> bool {
        let is_flooded = self.unstored_bytes >= size(limits.runner_inflight_share_bytes(self.shards.count));
        let Some(runner) = self.resident.get_mut(&no) else { return false };
        let is_full = runner.is_full(limits) || is_flooded && runner.unstored_bytes > 0;
        if let Some(link) = runner.link.as_mut().filter(|link| link.session == session) {
            link.muted = is_full;
        }
        is_full
    }
}

impl Unstored {
    pub(super) fn seq(&self) -> RunnerSeq {
        self.event.seq
    }
}

impl Runner {
    fn is_full(&self, limits: &Limits) -> bool {
        self.unstored.len() as u64 >= limits.runner_unstored_max()
            || self.unstored_bytes >= size(limits.runner_lane_bytes_max())
            || self.waiting() >= limits.runner_events_max()
            || self.lane.bytes() >= limits.runner_event_bytes_max()
    }
}

/// A type as it is kept and told: its beginning.
pub(super) fn shown(kind: Option<&str>) -> String {
    kind.into_iter().flat_map(str::chars).take(KIND_CHARS_MAX).collect()
}

/// Tells a runner that its event is stored, if it gave the event an id.
fn acknowledge(cx: &mut Cx<'_>, session: SessionId, id: Option<&str>) {
    if let Some(event_id) = id {
        let timestamp = cx.now.wall.iso();
        cx.tell(session, &EventAck { kind: "event-ack", event_id, timestamp });
    }
}
