//! What becomes of a command: handed over, awaited, or refused.
//!
//! *Always holds:* the answer claims no more than happened (I17). A key of idempotency is written before its
//! command is handed over, so a command runs once under it, whatever dies in between (CMD-02).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::residence::Visit;
use super::{CallerNo, Cx, Runners, Then, Timer, reply_of};
use crate::ids::{RunnerId, RunnerNo, mint_text};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, KeptAnswer, KeyRow, RunnerOp, RunnerReply};
use crate::surface::{Effect, SessionId};
use crate::wire::runner::{CommandCall, Verbatim};

/// A command, and what its caller asks for besides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    pub call: CommandCall,
    /// The hash of a key of idempotency, and of the request as it came.
    pub key: Option<([u8; 32], [u8; 32])>,
    /// How long an ack is waited for, in milliseconds.
    pub wait_ms: Option<u64>,
    /// How long the command may wait for its runner, in milliseconds.
    pub queue_ms: Option<u64>,
}

impl Order {
    /// Hashes for a key and for the body it came with.
    pub(crate) fn key_of(key: &str, body: &[u8]) -> ([u8; 32], [u8; 32]) {
        (Sha256::digest(key.as_bytes()).into(), Sha256::digest(body).into())
    }

    /// True when nothing is asked for that the deployed contract does not know.
    fn is_plain(&self) -> bool {
        self.key.is_none() && self.wait_ms.is_none() && self.queue_ms.is_none()
    }
}

/// Somebody who waits for more than the hand-over.
#[derive(Debug)]
pub(super) struct Caller {
    pub runner: RunnerNo,
    /// All who asked for it under the same key.
    sessions: Vec<SessionId>,
    pub order: Order,
    /// What it is told when the wait ends without an ack.
    state: Standing,
    /// The answer that is being kept.
    answer: Option<KeptAnswer>,
    /// Why its command was not handed over, which it is told once its key may be used again.
    hindered: &'static str,
}

/// How far a command has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    /// Nothing was done.
    Begun,
    Queued,
    Sent,
}

impl Caller {
    /// How far its command has come, for whoever is told no more of it.
    fn reached(&self) -> (u16, Value) {
        let id = self.order.call.id.as_deref();
        if let Some(KeptAnswer { status, body }) = &self.answer {
            return (*status, serde_json::from_str(body).unwrap_or_default());
        }
        match self.state {
            // Its write is on its way, and what comes of that will be done.
            Standing::Begun => (504, unknown(id.unwrap_or(""))),
            Standing::Queued => (202, state_of("queued", id)),
            Standing::Sent => (504, json!({ "error": "No ack in time", "commandId": id, "state": "sent" })),
        }
    }
}

impl Runners {
    /// Somebody sends a command.
    pub(crate) fn order(&mut self, cx: &mut Cx<'_>, session: SessionId, id: RunnerId, mut order: Order) {
        if self.draining {
            return refuse(cx, session, 503, "Server shutting down");
        }
        if !order.is_plain() {
            order.call.ensure_id(|| mint_text(cx.rng));
        }
        let is_here = self.by_id.contains_key(&id) || self.claiming.contains_key(&id);
        // A runner that is not here is not connected. It is only looked up for what must be written.
        let is_plain = order.key.is_none() && order.queue_ms.is_none();
        // Nor can one be whose name is too long to connect with.
        if !is_here && (is_plain || id.as_str().len() as u64 > cx.config.limits.name_bytes_max()) {
            cx.count(Counter::CommandAbsent);
            return refuse(cx, session, 503, ABSENT);
        }
        self.visit(cx, id, Visit::Order(session, Box::new(order)));
    }

    pub(super) fn carry_out(&mut self, cx: &mut Cx<'_>, no: RunnerNo, session: SessionId, order: Order) {
        if order.is_plain() {
            return match self.hand_over(cx, no, &order.call.text) {
                Ok(()) => cx.answer(session, 200, &json!({ "ok": true })),
                Err(why) => {
                    self.tell_hindrance(cx, no, why, order.call.kind.as_deref());
                    refuse(cx, session, 503, why.text());
                }
            };
        }
        let at = self.stamp(cx.now);
        let Some(runner) = self.resident.get_mut(&no) else { return };
        if let Some((key, fingerprint)) = order.key
            && let Some(first) = runner.keyed.get(&key).and_then(|caller| self.callers.get_mut(caller))
        {
            if first.order.key.is_some_and(|(_, used_for)| used_for != fingerprint) {
                cx.count(Counter::CommandConflict);
                return refuse(cx, session, 409, CONFLICT);
            }
            return first.sessions.push(session);
        }
        if self.callers.len() as u64 >= cx.config.limits.runner_callers_max() {
            cx.count(Counter::CommandBusy);
            return refuse(cx, session, 503, BUSY);
        }
        self.callers_made += 1;
        let caller = CallerNo(self.callers_made);
        if let Some((key, fingerprint)) = order.key {
            runner.keyed.insert(key, caller);
            let command = order.call.id.as_deref().unwrap_or("").into();
            let row = KeyRow { key, fingerprint, command, at, answer: None };
            let fence = runner.fence;
            runner.stage(cx, RunnerOp::Begin { fence, key: Box::new(row) }, Then::Begun(caller));
        }
        let is_keyed = order.key.is_some();
        let (sessions, state) = (vec![session], Standing::Begun);
        self.callers
            .insert(caller, Caller { runner: no, sessions, order, state, answer: None, hindered: "" });
        if !is_keyed {
            self.proceed(cx, caller);
        }
    }

    /// A caller's key was written, or was used before.
    pub(super) fn key_begun(&mut self, cx: &mut Cx<'_>, caller: CallerNo, ended: Ended) {
        let fingerprint =
            self.callers.get(&caller).and_then(|caller| caller.order.key).map(|(_, fingerprint)| fingerprint);
        match reply_of(ended) {
            Some(RunnerReply::Inserted) => self.proceed(cx, caller),
            Some(RunnerReply::Begun(_)) if planted("command_key_forgotten") => self.proceed(cx, caller),
            Some(RunnerReply::Begun(row)) if Some(row.fingerprint) != fingerprint => {
                cx.count(Counter::CommandConflict);
                self.answer(cx, caller, 409, &json!({ "error": CONFLICT }).to_string());
            }
            Some(RunnerReply::Begun(row)) => match &row.answer {
                Some(kept) => self.answer(cx, caller, kept.status, &kept.body),
                // The broker died before it knew.
                None => self.answer(cx, caller, 504, &unknown(&row.command).to_string()),
            },
            // What was refused is not written. The key itself may be, by an earlier use that stands.
            _ => {
                cx.count(Counter::CommandStore);
                self.answer(cx, caller, 503, &json!({ "error": "Store unavailable" }).to_string());
            }
        }
    }

    /// Hands a caller's command over, or queues it.
    fn proceed(&mut self, cx: &mut Cx<'_>, number: CallerNo) {
        let Some(caller) = self.callers.get_mut(&number) else { return };
        let (no, queue_ms) = (caller.runner, caller.order.queue_ms);
        // It is long, and nobody needs it once it is on its way.
        let text = std::mem::take(&mut caller.order.call.text);
        // What waits goes first.
        let is_behind =
            queue_ms.is_some() && self.resident.get(&no).is_some_and(|runner| runner.queue.count > 0);
        let handed = if is_behind { Err(Hindrance::Busy) } else { self.hand_over(cx, no, &text) };
        match (handed, queue_ms) {
            (Ok(()), _) => self.handed_over(cx, number),
            (Err(_), Some(queue_ms)) => self.enqueue(cx, number, text.into(), queue_ms),
            (Err(why), None) => {
                let kind = self.callers.get_mut(&number).and_then(|caller| caller.order.call.kind.take());
                self.tell_hindrance(cx, no, why, kind.as_deref());
                self.not_handed_over(cx, no, number, why.text());
            }
        }
    }

    fn handed_over(&mut self, cx: &mut Cx<'_>, number: CallerNo) {
        let Some(caller) = self.callers.get_mut(&number) else { return };
        caller.state = Standing::Sent;
        if let Some(wait_ms) = caller.order.wait_ms {
            return self.await_ack(cx, number, wait_ms);
        }
        let body = state_of("sent", caller.order.call.id.as_deref());
        self.conclude(cx, number, 200, &body);
    }

    /// From here on an ack of the runner ends the caller's wait.
    pub(super) fn await_ack(&mut self, cx: &mut Cx<'_>, number: CallerNo, wait_ms: u64) {
        if self.draining {
            return self.ack_overdue(cx, number);
        }
        let Some(caller) = self.callers.get(&number) else { return };
        let id = caller.order.call.id.as_deref().unwrap_or("");
        if let Some(runner) = self.resident.get_mut(&caller.runner) {
            let waiting = runner.awaited.entry(id.into()).or_default();
            if !waiting.contains(&number) {
                waiting.push(number);
            }
        }
        self.timers.arm_by(Timer::Ack(number), cx.now.mono.after_millis(wait_ms));
    }

    /// A caller's command was queued, or could not be.
    pub(super) fn queued(&mut self, cx: &mut Cx<'_>, number: CallerNo) {
        let Some(caller) = self.callers.get_mut(&number) else { return };
        caller.state = Standing::Queued;
        if let Some(wait_ms) = caller.order.wait_ms {
            return self.await_ack(cx, number, wait_ms);
        }
        let body = state_of("queued", caller.order.call.id.as_deref());
        self.conclude(cx, number, 202, &body);
    }

    /// A queued command went out: whoever waits for its ack knows that much.
    pub(super) fn sent_from_queue(&mut self, no: RunnerNo, id: &str) {
        let waiting = self.resident.get(&no).and_then(|runner| runner.awaited.get(id));
        for number in waiting.into_iter().flatten() {
            if let Some(caller) = self.callers.get_mut(number) {
                caller.state = Standing::Sent;
            }
        }
    }

    /// A runner acknowledges a command.
    pub(super) fn acked(&mut self, cx: &mut Cx<'_>, no: RunnerNo, command: &str, ack: &str) {
        let Some(runner) = self.resident.get_mut(&no) else { return };
        for number in runner.awaited.remove(command).unwrap_or_default() {
            let ack: Value = serde_json::from_str(ack).unwrap_or(Value::Null);
            let body = json!({ "ok": true, "commandId": command, "state": "acked", "ack": ack });
            self.conclude(cx, number, 200, &body);
        }
    }

    /// A caller has waited long enough.
    pub(super) fn ack_overdue(&mut self, cx: &mut Cx<'_>, number: CallerNo) {
        let Some(caller) = self.callers.get(&number) else { return };
        let id = caller.order.call.id.clone();
        match caller.state {
            // Its own write is on its way and will be told of.
            Standing::Begun => {}
            Standing::Queued => self.conclude(cx, number, 202, &state_of("queued", id.as_deref())),
            Standing::Sent if caller.answer.is_none() => {
                cx.count(Counter::CommandUnanswered);
                let body = json!({ "error": "No ack in time", "commandId": id, "state": "sent" });
                self.conclude(cx, number, 504, &body);
            }
            Standing::Sent => {}
        }
    }

    /// A caller waits no longer: its runner was lost to another broker, or the store refuses.
    pub(super) fn give_up(&mut self, cx: &mut Cx<'_>, number: CallerNo) {
        let Some(caller) = self.callers.get(&number) else { return };
        let (status, body) = caller.reached();
        if status == 504 && caller.answer.is_none() {
            cx.count(Counter::CommandUnanswered);
        }
        self.answer(cx, number, status, &body.to_string());
    }

    /// What is known of the command of a caller that waits no longer.
    pub(super) fn known_of(&self, session: SessionId) -> Option<(u16, Value)> {
        self.callers.values().find(|caller| caller.sessions.contains(&session)).map(Caller::reached)
    }

    /// Answers a caller for good: what a key is told again is kept first.
    fn conclude(&mut self, cx: &mut Cx<'_>, number: CallerNo, status: u16, body: &Value) {
        let Some(caller) = self.callers.get_mut(&number) else { return };
        let body = body.to_string();
        let Some((key, _)) = caller.order.key else { return self.answer(cx, number, status, &body) };
        if caller.answer.is_some() {
            return;
        }
        let answer = KeptAnswer { status, body: body.into() };
        caller.answer = Some(answer.clone());
        if let Some(runner) = self.resident.get_mut(&caller.runner) {
            let fence = runner.fence;
            runner.stage(cx, RunnerOp::Answered { fence, key, answer }, Then::Kept(number));
        }
    }

    /// A caller's answer was kept; or it was not, and is no less true for that.
    pub(super) fn answer_kept(&mut self, cx: &mut Cx<'_>, _: RunnerNo, number: CallerNo) {
        if let Some(answer) = self.callers.get_mut(&number).and_then(|caller| caller.answer.take()) {
            self.answer(cx, number, answer.status, &answer.body);
        }
    }

    /// Tells everybody who waits under this number, and forgets them.
    pub(super) fn answer(&mut self, cx: &mut Cx<'_>, number: CallerNo, status: u16, body: &str) {
        let Some(caller) = self.callers.remove(&number) else { return };
        self.timers.disarm(Timer::Ack(number));
        if let Some(runner) = self.resident.get_mut(&caller.runner) {
            if let Some((key, _)) = caller.order.key {
                runner.keyed.remove(&key);
            }
            let id = caller.order.call.id.as_deref().unwrap_or("");
            if let Some(waiting) = runner.awaited.get_mut(id) {
                waiting.retain(|other| *other != number);
                if waiting.is_empty() {
                    runner.awaited.remove(id);
                }
            }
        }
        for session in caller.sessions {
            let body = body.as_bytes().to_vec();
            cx.effects.list.push(Effect::Answer { session, status, body });
        }
        self.may_forget(cx, caller.runner);
    }

    /// Nothing was handed over. The caller is told when its key may be used again, as the answer says.
    pub(super) fn not_handed_over(
        &mut self,
        cx: &mut Cx<'_>,
        no: RunnerNo,
        number: CallerNo,
        why: &'static str,
    ) {
        let Some(caller) = self.callers.get_mut(&number) else { return };
        let (Some((key, _)), Some(runner)) = (caller.order.key, self.resident.get_mut(&no)) else {
            return self.answer(cx, number, 503, &json!({ "error": why }).to_string());
        };
        caller.hindered = why;
        let forget = RunnerOp::Forget { fence: runner.fence, key };
        runner.stage(cx, forget.clone(), Then::Forgotten(number, Box::new(forget)));
    }

    /// A key was forgotten, or still has to be: until then it says that nobody knows.
    pub(super) fn key_forgotten(
        &mut self,
        cx: &mut Cx<'_>,
        no: RunnerNo,
        number: CallerNo,
        forget: RunnerOp,
        ended: Ended,
    ) {
        let is_forgotten = matches!(reply_of(ended), Some(RunnerReply::Done));
        if !is_forgotten {
            self.owe(cx, no, forget);
        }
        let Some(caller) = self.callers.get(&number) else { return };
        if is_forgotten {
            let body = json!({ "error": caller.hindered }).to_string();
            return self.answer(cx, number, 503, &body);
        }
        self.give_up(cx, number);
    }

    /// Writes a command to the runner's connection.
    pub(super) fn hand_over(&mut self, cx: &mut Cx<'_>, no: RunnerNo, text: &str) -> Result<(), Hindrance> {
        let waiting: usize = self.unread_bytes(cx);
        let Some(runner) = self.resident.get_mut(&no) else { return Err(Hindrance::Absent) };
        let Some(link) = &mut runner.link else { return Err(Hindrance::Absent) };
        let in_all = crate::config::size(cx.config.limits.runner_inflight_share_bytes(self.shards.count));
        if link.room < text.len() || waiting.saturating_add(text.len()) > in_all {
            return Err(Hindrance::Busy);
        }
        link.room -= text.len();
        let session = link.session;
        cx.tell(session, &Verbatim(text));
        if planted("command_handed_over_twice") {
            cx.tell(session, &Verbatim(text));
        }
        cx.count(Counter::RunnerCommands);
        let id = runner.id.clone();
        cx.note(Level::Debug, || {
            Note::new(Level::Debug, "runner command").with("runner_id", id.as_str()).with("bytes", text.len())
        });
        Ok(())
    }

    /// A command is not handed over: that a runner is away is no news, that one does not read is.
    fn tell_hindrance(&self, cx: &mut Cx<'_>, no: RunnerNo, why: Hindrance, kind: Option<&str>) {
        cx.count(why.counter());
        if why == Hindrance::Busy
            && let Some(runner) = self.resident.get(&no)
        {
            cx.note(Level::Warn, || {
                Note::new(Level::Warn, "runner command refused")
                    .with("runner_id", runner.id.as_str())
                    .with("command_type", super::event::shown(kind))
                    .with("reason", why.text())
            });
        }
    }

    /// Bytes of commands that runners have not read.
    fn unread_bytes(&self, cx: &Cx<'_>) -> usize {
        let room = super::registry::room_of(&cx.config.limits);
        let links = self.resident.values().filter_map(|runner| runner.link.as_ref());
        links.map(|link| room.saturating_sub(link.room)).fold(0, usize::saturating_add)
    }
}

/// Why a command is not handed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hindrance {
    /// The runner is not connected.
    Absent,
    /// It reads too slowly.
    Busy,
}

pub(super) const ABSENT: &str = "Runner not connected";
pub(super) const BUSY: &str = "runner_busy";
const CONFLICT: &str = "Idempotency-Key was used for another request";

impl Hindrance {
    fn text(self) -> &'static str {
        match self {
            Hindrance::Absent => ABSENT,
            Hindrance::Busy => BUSY,
        }
    }

    fn counter(self) -> Counter {
        match self {
            Hindrance::Absent => Counter::CommandAbsent,
            Hindrance::Busy => Counter::CommandBusy,
        }
    }
}

pub(super) fn refuse(cx: &mut Cx<'_>, session: SessionId, status: u16, error: &str) {
    cx.answer(session, status, &json!({ "error": error }));
}

/// What a caller is told whose command may have been handed over, or may yet be.
fn unknown(id: &str) -> Value {
    json!({ "error": "Outcome unknown", "commandId": id, "state": "unknown" })
}

/// What a caller who asked for more is told of its command.
fn state_of(state: &str, id: Option<&str>) -> Value {
    match id {
        Some(id) => json!({ "ok": true, "commandId": id, "state": state }),
        None => json!({ "ok": true, "state": state }),
    }
}
