//! The end of a turn: what surfaces wanted becomes frames, store requests and log records.
//!
//! The one place where effects become bytes. Performing one effect may let a connection read on, which may
//! want more, so this goes on until nothing is wanted; every round uses up bytes that were received before.

use super::client::{Bound, Client};
use super::relay::Errand;
use super::{After, Broker, Timer};
use crate::conn::{Chunk, frame_text};
use crate::ids::{ConnId, Ticket};
use crate::machine::{Output, Outputs};
use crate::stats::Counter;
use crate::store::{Ended, StoreResult};
use crate::surface::{Effect, SessionId};
use crate::time::Now;
use crate::wire::http::Response;

/// From this many recipients on, a text is framed once and shared.
const SHARED_FROM: usize = 2;

/// When a batch lets at least so many operations go on, the next one leaves first: telling so many is long
/// enough for the store to notice.
const HELD_FROM: usize = 32;

impl Broker {
    pub(super) fn apply(&mut self, now: Now, todo: &mut Outputs) {
        while !self.effects.list.is_empty() || !self.resumed.is_empty() {
            let mut effects = std::mem::take(&mut self.effects);
            for effect in effects.list.drain(..) {
                self.perform(now, effect, &effects.arena, todo);
            }
            effects.clear();
            if self.effects.list.is_empty() {
                self.effects = effects;
            }
            for SessionId(id) in std::mem::take(&mut self.resumed) {
                self.with_client(now, id, todo, |broker, client, todo| {
                    client.resumes = false;
                    if client.connection.has_kept() {
                        broker.read(now, id, client, Chunk::empty(), todo);
                    }
                });
            }
        }
        for (op, fence, after) in self.work.writes.drain(..) {
            self.commits.stage(op, fence, After::Mesh(after));
        }
        for (query, after) in self.work.questions.drain(..) {
            self.commits.ask(query, After::Mesh(after));
        }
        for (op, fence, after) in self.runner_work.writes.drain(..) {
            self.commits.stage(op, fence, After::Runner(after));
        }
        for (query, after) in self.runner_work.questions.drain(..) {
            self.commits.ask(query, After::Runner(after));
        }
        for (op, fence, after) in self.live_work.writes.drain(..) {
            self.commits.stage(op, fence, After::Live(after));
        }
        for (query, after) in self.live_work.questions.drain(..) {
            self.commits.ask(query, After::Live(after));
        }
        self.arm_runners();
        self.arm_lives();
        self.commits.flush(now.mono, todo);
        let (commits, retries) = self.commits.take_counts();
        self.stats.add(Counter::Commits, commits);
        self.stats.add(Counter::CommitRetries, retries);
        for no in self.meshes.take_touched() {
            match self.meshes.deadline(no) {
                Some(deadline) => self.timers.arm(Timer::Mesh(no), deadline.at),
                None => self.timers.disarm(Timer::Mesh(no)),
            }
        }
        for note in self.notes.drain(..) {
            if let Some(note) = self.sampler.pass(now.mono, note, &self.limits) {
                todo.push(Output::Note(note));
            }
        }
    }

    fn perform(&mut self, now: Now, effect: Effect, arena: &[u8], todo: &mut Outputs) {
        match effect {
            Effect::Tell { session: SessionId(id), text } => {
                self.with_client(now, id, todo, |_, client, todo| {
                    client.connection.send(now.mono, &arena[text], id, todo);
                });
            }
            Effect::TellMany { sessions, text } => self.tell_many(now, &sessions, &arena[text], todo),
            Effect::Answer { session: SessionId(id), status, body } => {
                let headers = vec![("Content-Type", "application/json".to_owned())];
                let response = Response { status, headers, body };
                self.with_client(now, id, todo, |broker, client, todo| {
                    if matches!(client.bound, Bound::Answering) {
                        broker.respond(now, id, client, response, todo);
                    }
                });
            }
            Effect::Bind { session: SessionId(id), peer } => {
                // It may have run out of time in this very turn.
                let bound = self.with_client(now, id, todo, |broker, client, _| {
                    let waits = matches!(client.bound, Bound::Joining(_));
                    if waits {
                        broker.bind(now, id, client, peer);
                    }
                    waits
                });
                if bound != Some(true) {
                    self.with_meshes(now, |meshes, cx| meshes.gone(cx, peer, SessionId(id)));
                }
                self.resumed.push(SessionId(id));
            }
            Effect::Ping { session: SessionId(id), payload } => {
                self.with_client(now, id, todo, |_, client, todo| {
                    client.connection.ping(now.mono, &payload, id, todo);
                });
            }
            Effect::Resume { session } => self.resumed.push(session),
            Effect::Enter { session: SessionId(id), mesh, call } => {
                self.with_client(now, id, todo, |broker, client, _| {
                    // Whoever was told that it took too long waits for nothing any more.
                    if matches!(client.bound, Bound::Answering) {
                        broker.run_errand(now, id, client, Errand::Admin(mesh, call));
                    }
                });
            }
            Effect::Seat { session: SessionId(id), runner } => self.seat(now, id, runner, todo),
            Effect::Share { sessions, frame } => self.share(now, &sessions, &frame, todo),
            Effect::Stream { session: SessionId(id) } => self.begin_stream(now, id, todo),
            Effect::Forward(forward) => todo.push(Output::Forward(forward)),
            Effect::End { session: SessionId(id), fault, reason } => {
                let reason = reason.as_deref().unwrap_or(fault.row().reason);
                self.with_client(now, id, todo, |broker, client, todo| {
                    broker.end_saying(now, id, client, (fault, reason), todo);
                });
            }
        }
    }

    fn tell_many(&mut self, now: Now, sessions: &[SessionId], text: &[u8], todo: &mut Outputs) {
        let shared = (sessions.len() >= SHARED_FROM).then(|| frame_text(text));
        for SessionId(id) in sessions {
            self.with_client(now, *id, todo, |_, client, todo| match &shared {
                Some(frame) => client.connection.send_shared(now.mono, frame, *id, todo),
                None => client.connection.send(now.mono, text, *id, todo),
            });
        }
    }

    /// Answers an HTTP request; the connection ends after it, unless it may be asked again. It never is after
    /// a request that was at fault.
    pub(super) fn respond(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        mut response: Response,
        todo: &mut Outputs,
    ) {
        self.leave_lobby(id, client);
        super::routes::finish(&mut response, client);
        let is_good = !(400..500).contains(&response.status);
        if client.keeps && is_good && !client.ended && !self.drain.is_on() && self.keep_idle(id) {
            client.bound = Bound::Lobby;
            (client.served, client.resumes) = (true, true);
            let idle_ms = self.limits.runner_idle_ms();
            self.timers.arm(Timer::Hello(id), now.mono.after_millis(idle_ms));
            client.connection.respond_and_listen(now.mono, &response, idle_ms, id, todo);
            return self.resumed.push(SessionId(id));
        }
        client.bound = Bound::Closing;
        self.timers.disarm(Timer::Hello(id));
        client.connection.respond(now.mono, &response, id, todo);
        if client.ended {
            client.connection.ended(now.mono, id, todo);
        }
    }

    pub(super) fn stored(&mut self, now: Now, ticket: Ticket, result: StoreResult, todo: &mut Outputs) {
        let mut released = Vec::new();
        self.commits.stored(now.mono, ticket, result, &mut released);
        for fence in self.commits.take_lost() {
            self.with_meshes(now, |meshes, cx| meshes.lose(cx, fence));
        }
        if released.len() >= HELD_FROM && self.commits.is_ready(now.mono) {
            self.held = released;
        } else {
            self.go_on(now, released, todo);
        }
    }

    /// Goes on with what waited for the next batch to leave, ahead of any other fact.
    pub(super) fn go_on_with_held(&mut self, now: Now, todo: &mut Outputs) {
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.go_on(now, held, todo);
            self.apply(now, todo);
        }
    }

    /// True when no work is with the store, and none waits for what the store has said.
    pub(super) fn is_settled(&self) -> bool {
        self.commits.is_idle() && self.held.is_empty()
    }

    /// Goes on behind writes and questions that have ended, in the order in which they were staged.
    fn go_on(&mut self, now: Now, released: Vec<(After, Ended)>, todo: &mut Outputs) {
        for (after, ended) in released {
            match after {
                After::Health => self.health_known(now, ended),
                After::Proof => {
                    self.learn_failure(&ended, todo);
                    self.proven(now, &ended);
                }
                // What was lost is lost before what is sure goes on.
                After::RunnerProof(no) => {
                    self.learn_failure(&ended, todo);
                    self.with_runners(now, |runners, cx| runners.judged(cx, no, &ended));
                    self.proven(now, &ended);
                }
                After::LiveProof(no) => {
                    self.learn_failure(&ended, todo);
                    self.with_lives(now, |lives, cx| lives.judged(cx, no, &ended));
                    self.proven(now, &ended);
                }
                After::Hook(step) => {
                    self.learn_failure(&ended, todo);
                    self.hook_stored(now, step, ended, todo);
                }
                After::Runner(after) => {
                    self.learn_failure(&ended, todo);
                    self.with_runners(now, |runners, cx| runners.stored(cx, after, ended));
                }
                After::Live(after) => {
                    self.learn_failure(&ended, todo);
                    self.with_lives(now, |lives, cx| lives.stored(cx, after, ended));
                }
                After::Mesh(after) => {
                    self.learn_failure(&ended, todo);
                    self.with_meshes(now, |meshes, cx| meshes.stored(cx, after, ended));
                }
            }
        }
    }

    fn learn_failure(&mut self, ended: &Ended, todo: &mut Outputs) {
        if let Ended::Refused(error) = ended {
            self.store_failed(error, todo);
        }
    }
}
