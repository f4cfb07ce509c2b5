//! Who is connected: one connection for each runner, the newest.
//!
//! *Always holds:* a connection is known by its session, which is never used twice; so the late end of an
//! older one changes nothing (NET-05).

use super::residence::Visit;
use super::{Cx, Runner, Runners, Timer};
use crate::config::{Limits, size};
use crate::fault::Fault;
use crate::ids::{RunnerId, RunnerNo};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::surface::{Effect, SessionId};
use crate::time::{Mono, Wall};

/// The connection of a runner.
#[derive(Debug)]
pub(super) struct Link {
    pub session: SessionId,
    /// The last heartbeat, by both clocks.
    beat: Mono,
    beat_wall: Wall,
    /// How many bytes it can take.
    pub room: usize,
    /// Nothing is read from it, so that nothing can be heard.
    pub muted: bool,
}

/// How a connection of a runner ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Parting {
    /// With a close frame that had this code, theirs or ours.
    Closed(u16),
    /// The runner broke the protocol.
    Broken(Fault),
    /// Without a word.
    Silent,
}

impl Parting {
    /// The close code, as the other end of a socket would be shown it.
    fn code(self) -> u16 {
        const SILENT: u16 = 1006;
        match self {
            Parting::Closed(code) => code,
            Parting::Broken(fault) => fault.row().code,
            Parting::Silent => SILENT,
        }
    }
}

/// A runner that is connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Connected {
    /// Its connection; grows from one connection to the next.
    pub session: SessionId,
    pub id: RunnerId,
    pub last_heartbeat: Wall,
    pub last_heartbeat_age_ms: u64,
}

impl Runners {
    /// A runner connected. It is seated as soon as it is ours.
    pub(crate) fn greet(&mut self, cx: &mut Cx<'_>, session: SessionId, id: RunnerId) {
        if self.draining {
            return cx.end(session, Fault::ServerShuttingDown);
        }
        self.visit(cx, id, Visit::Link(session));
    }

    /// A connection that waited to be seated is gone.
    pub(crate) fn abandoned(&mut self, id: &RunnerId, session: SessionId) {
        if let Some(visits) = self.claiming.get_mut(id) {
            visits.retain(|visit| !matches!(visit, Visit::Link(waiting) if *waiting == session));
        }
    }

    pub(super) fn seat(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if self.draining {
            return cx.end(session, Fault::ServerShuttingDown);
        }
        let room = room_of(&cx.config.limits);
        let link = Link { session, beat: cx.now.mono, beat_wall: cx.now.wall, room, muted: false };
        if let Some(older) = runner.link.replace(link) {
            cx.count(Counter::RunnerReplaced);
            cx.end(older.session, Fault::RunnerReplaced);
        }
        cx.effects.list.push(Effect::Seat { session, runner: no });
        let id = runner.id.clone();
        cx.note(Level::Info, || Note::new(Level::Info, "runner connected").with("runner_id", id.as_str()));
        self.arm_stale(cx, no);
        self.timers.disarm(Timer::Forget(no));
        self.move_queue(cx, no);
    }

    /// A connection ended.
    pub(crate) fn gone(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, parting: Parting) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if runner.is_linked(session) {
            runner.link = None;
            self.timers.disarm(Timer::Stale(no));
            if let Parting::Broken(fault) = parting {
                cx.count(Counter::RunnerErrors);
                cx.note(Level::Warn, || {
                    let note = Note::new(Level::Warn, "runner connection broken");
                    note.with("runner_id", runner.id.as_str()).with("reason", fault.row().reason)
                });
            }
            cx.note(Level::Info, || {
                let note = Note::new(Level::Info, "runner disconnected");
                note.with("runner_id", runner.id.as_str()).with("code", parting.code())
            });
            self.may_forget(cx, no);
        }
    }

    /// A runner gave a sign of life.
    pub(crate) fn beat(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId) {
        let link = self.resident.get_mut(&no).and_then(|runner| runner.link.as_mut());
        if let Some(link) = link.filter(|link| link.session == session) {
            (link.beat, link.beat_wall) = (cx.now.mono, cx.now.wall);
            self.arm_stale(cx, no);
        }
    }

    /// That many bytes wait for a connection.
    pub(crate) fn unread(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, bytes: usize) {
        let link = self.resident.get_mut(&no).and_then(|runner| runner.link.as_mut());
        if let Some(link) = link.filter(|link| link.session == session) {
            link.room = room_of(&cx.config.limits).saturating_sub(bytes);
            self.move_queue(cx, no);
        }
    }

    /// The last heartbeat may be too old.
    pub(super) fn stale(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        let Some(link) = &mut runner.link else { return };
        if link.muted {
            // Whatever it said meanwhile waits to be read.
            (link.beat, link.beat_wall) = (cx.now.mono, cx.now.wall);
            return self.arm_stale(cx, no);
        }
        let silent_ms = cx.now.mono.millis_since(link.beat);
        cx.count(Counter::RunnerStale);
        cx.end(link.session, Fault::HeartbeatTimeout);
        runner.link = None;
        let id = runner.id.clone();
        cx.note(Level::Warn, || {
            let note = Note::new(Level::Warn, "runner stale").with("runner_id", id.as_str());
            note.with("last_heartbeat_age_ms", silent_ms)
        });
        self.may_forget(cx, no);
    }

    fn arm_stale(&mut self, cx: &Cx<'_>, no: RunnerNo) {
        self.timers.arm(Timer::Stale(no), cx.now.mono.after_millis(cx.config.limits.runner_stale_ms()));
    }

    /// Who is connected here.
    pub(crate) fn connected(&self, cx: &Cx<'_>) -> Vec<Connected> {
        let linked = self.resident.values().filter_map(|runner| Some((runner, runner.link.as_ref()?)));
        let connected = linked.map(|(runner, link)| Connected {
            session: link.session,
            id: runner.id.clone(),
            last_heartbeat: link.beat_wall,
            last_heartbeat_age_ms: cx.now.mono.millis_since(link.beat),
        });
        connected.collect()
    }

    /// Events that the target has not taken, of the runners here.
    pub(crate) fn waiting(&self) -> u64 {
        self.resident.values().map(Runner::waiting).sum()
    }
}

/// How many bytes a connection can take while nothing waits for it.
pub(super) fn room_of(limits: &Limits) -> usize {
    size(limits.runner_message_bytes_max().saturating_mul(2))
}

impl Runner {
    pub(super) fn is_linked(&self, session: SessionId) -> bool {
        self.link.as_ref().is_some_and(|link| link.session == session)
    }
}
