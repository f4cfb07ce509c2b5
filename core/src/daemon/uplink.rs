//! One socket to a broker: the member's own, or a session's.
//!
//! *Decides* when a broker is dialled and greeted, when a socket counts as usable, and when it is not tried
//! again.
//! *Does not* know what a message means, beyond hellos and the answers to its own questions.
//! *Always holds:* it exists from its first moment to its last whether or not a connection does, so that a
//! first connect that fails recovers like any other. It is open only once the broker has said so.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::LaneKey;
use super::hello::{self, Persona};
use super::setup::{DaemonConfig, Membership};
use crate::config::Limits;
use crate::conn::{Chunk, Connection, Event, Lapse};
use crate::fault::{Advice, Fault, word_of};
use crate::ids::{ConnId, Ticket};
use crate::kit::backoff::Backoff;
use crate::machine::{Closing, Ending, Output, Outputs};
use crate::rng::Rng;
use crate::time::{Mono, Now};
use crate::wire::json;

/// What an uplink is lent for one call.
pub(super) struct Cx<'a, C> {
    pub(super) now: Now,
    pub(super) config: &'a DaemonConfig,
    /// Those of its connection.
    pub(super) limits: &'a Arc<Limits>,
    pub(super) instance: &'a str,
    pub(super) rng: &'a mut Rng,
    /// Numbers dials.
    pub(super) dials: &'a mut u64,
    pub(super) todo: &'a mut Outputs,
    /// What the uplink learned, in order.
    pub(super) heard: &'a mut Vec<(LaneKey, Heard<C>)>,
}

/// What an uplink learned.
#[derive(Debug)]
pub(super) enum Heard<C> {
    /// The broker took the hello; this is its answer.
    Open(Value),
    /// The broker said something that answers no question.
    Said(Value),
    /// A question ended; without an answer when none came in time.
    Answered(C, Option<Value>),
    /// The socket is gone, for this reason, and is tried again.
    Lost(String),
    /// It is gone and is not tried again.
    Stopped(String),
    /// It was asked to end, and has.
    Parted,
}

/// One socket, with the questions that are open on it.
#[derive(Debug)]
pub(super) struct Uplink<C> {
    key: LaneKey,
    /// The session it speaks for; none for the member.
    pub(super) persona: Option<Persona>,
    stage: Stage,
    wire: Option<Wire>,
    backoff: Backoff,
    /// What the broker's last words on this connection mean.
    verdict: Option<(Advice, String)>,
    /// Why the last connection was lost.
    past: Option<String>,
    requests: u64,
    calls: BTreeMap<u64, (Mono, C)>,
    leaving: bool,
    /// Nobody is dialled, since nothing that comes could be kept.
    pub(super) is_shut: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Until it is time to dial.
    Waiting(Mono),
    Dialling(Ticket),
    /// From the stream to the answer to the hello, until then at most.
    Greeting(Mono),
    Open,
    Stopped(String),
}

#[derive(Debug)]
struct Wire {
    conn: ConnId,
    connection: Box<Connection>,
    granted: bool,
    ended: bool,
}

impl<C> Uplink<C> {
    pub(super) fn new(key: LaneKey, persona: Option<Persona>, config: &DaemonConfig, now: Mono) -> Uplink<C> {
        let bounds = &config.bounds;
        Uplink {
            key,
            persona,
            stage: Stage::Waiting(now),
            wire: None,
            backoff: Backoff::new(bounds.uplink_retry_ms_min(), bounds.uplink_retry_ms_max()),
            verdict: None,
            past: None,
            requests: 0,
            calls: BTreeMap::new(),
            leaving: false,
            is_shut: false,
        }
    }

    /// True once messages can be sent and are answered.
    pub(super) fn is_open(&self) -> bool {
        self.stage == Stage::Open && !self.leaving && !self.is_shut && self.wire.is_some()
    }

    /// True from the moment it was asked to end.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving
    }

    pub(super) fn conn(&self) -> Option<ConnId> {
        self.wire.as_ref().map(|wire| wire.conn)
    }

    pub(super) fn awaits(&self, dial: Ticket) -> bool {
        self.stage == Stage::Dialling(dial)
    }

    /// How it stands, in the words of the contract, and why where it is stopped.
    pub(super) fn standing(&self) -> (&'static str, Option<&str>) {
        match &self.stage {
            Stage::Stopped(why) => ("closed", Some(why)),
            Stage::Open | Stage::Waiting(_) | Stage::Dialling(_) | Stage::Greeting(_) if self.is_shut => {
                ("closed", Some("the inbox takes nothing, so nothing is asked for"))
            }
            Stage::Open => ("open", None),
            Stage::Waiting(_) | Stage::Dialling(_) | Stage::Greeting(_) => {
                let word = if self.past.is_some() { "reconnecting" } else { "connecting" };
                (word, self.past.as_deref())
            }
        }
    }

    /// Sends a message; false when nobody is there to take it.
    pub(super) fn send(&mut self, message: &Value, cx: &mut Cx<'_, C>) -> bool {
        let is_open = self.is_open();
        if let Some(wire) = self.wire.as_mut().filter(|_| is_open) {
            wire.connection.send(cx.now.mono, message.to_string().as_bytes(), wire.conn, cx.todo);
        }
        is_open
    }

    /// Asks a question; gives the continuation back when nobody is there to answer.
    pub(super) fn call(&mut self, mut question: Value, call: C, cx: &mut Cx<'_, C>) -> Option<C> {
        self.requests += 1;
        question["_reqId"] = self.requests.to_string().into();
        if !self.send(&question, cx) {
            return Some(call);
        }
        let until = cx.now.mono.after_millis(cx.config.bounds.uplink_reply_ms());
        self.calls.insert(self.requests, (until, call));
        None
    }

    /// The questions that have no answer: nobody will give one any more.
    pub(super) fn open_calls(&mut self) -> Vec<C> {
        std::mem::take(&mut self.calls).into_values().map(|(_, call)| call).collect()
    }

    /// A dial ended.
    pub(super) fn dialled(&mut self, result: Result<ConnId, String>, cx: &mut Cx<'_, C>) {
        let (own, rng) = (membership(cx.config, self.key), Rng::from_seed(cx.rng.key()));
        match result {
            Ok(conn) if self.is_shut => {
                cx.todo.push(Output::Close { conn, how: Closing::Both });
                self.stage = Stage::Waiting(cx.now.mono);
            }
            Ok(conn) => {
                let (host, path) = (&own.authority, &own.path);
                let connection = Connection::client(cx.limits, rng, conn, host, path, cx.now.mono, cx.todo);
                self.wire =
                    Some(Wire { conn, connection: Box::new(connection), granted: false, ended: false });
                let hello_ms = cx.config.bounds.uplink_hello_ms();
                self.stage = Stage::Greeting(cx.now.mono.after_millis(hello_ms));
                self.settle(cx);
            }
            Err(why) => self.lose(why, cx),
        }
    }

    pub(super) fn received(&mut self, bytes: &mut [u8], cx: &mut Cx<'_, C>) {
        let Some(mut wire) = self.wire.take() else { return };
        wire.granted = false;
        let mut chunk = Chunk::new(bytes);
        while let Some(event) = wire.connection.next(cx.now.mono, &mut chunk, wire.conn, cx.todo) {
            self.event(event, &mut wire, cx);
        }
        self.wire = Some(wire);
        self.settle(cx);
    }

    pub(super) fn sent(&mut self, bytes: usize, cx: &mut Cx<'_, C>) {
        if let Some(wire) = &mut self.wire {
            wire.connection.sent(cx.now.mono, bytes, wire.conn, cx.todo);
        }
        self.settle(cx);
    }

    pub(super) fn closed(&mut self, how: Ending, cx: &mut Cx<'_, C>) {
        match how {
            Ending::Finished => {
                if let Some(wire) = &mut self.wire {
                    wire.ended = true;
                    wire.connection.ended(cx.now.mono, wire.conn, cx.todo);
                }
                self.settle(cx);
            }
            Ending::Broken => {
                self.wire = None;
                self.lose("the connection broke".to_owned(), cx);
            }
        }
    }

    /// Looks at every clock of it.
    pub(super) fn wake(&mut self, cx: &mut Cx<'_, C>) {
        let now = cx.now.mono;
        while let Some(entry) = self.calls.first_entry().filter(|entry| entry.get().0 <= now) {
            let (_, call) = entry.remove();
            cx.heard.push((self.key, Heard::Answered(call, None)));
        }
        match self.stage {
            Stage::Waiting(until) if until <= now && !self.leaving && !self.is_shut => {
                *cx.dials += 1;
                let dial = Ticket(*cx.dials);
                self.stage = Stage::Dialling(dial);
                let to = membership(cx.config, self.key).broker.clone();
                cx.todo.push(Output::Dial { dial, to });
            }
            Stage::Greeting(until) if until <= now => {
                self.verdict.get_or_insert((Advice::Later, "the broker did not answer the hello".to_owned()));
                if let Some(wire) = &mut self.wire {
                    wire.connection.abort(wire.conn, cx.todo);
                }
            }
            Stage::Waiting(_) | Stage::Dialling(_) | Stage::Greeting(_) | Stage::Open | Stage::Stopped(_) => {
            }
        }
        if let Some(wire) = &mut self.wire
            && wire.connection.deadline().is_some_and(|at| at <= now)
        {
            match wire.connection.wake(now, wire.conn, cx.todo) {
                None => {}
                Some(Lapse::Fault(fault)) => wire.connection.close(now, fault, wire.conn, cx.todo),
                Some(Lapse::Dead) => wire.connection.abort(wire.conn, cx.todo),
            }
        }
        self.settle(cx);
    }

    /// When [`Uplink::wake`] has something to do.
    pub(super) fn deadline(&self) -> Option<Mono> {
        let own = match &self.stage {
            Stage::Waiting(_) if self.is_shut => None,
            Stage::Waiting(until) | Stage::Greeting(until) if !self.leaving => Some(*until),
            Stage::Waiting(_) | Stage::Greeting(_) | Stage::Dialling(_) | Stage::Open | Stage::Stopped(_) => {
                None
            }
        };
        let wire = self.wire.as_ref().and_then(|wire| wire.connection.deadline());
        let call = self.calls.first_key_value().map(|(_, (until, _))| *until);
        [own, wire, call].into_iter().flatten().min()
    }

    /// Says goodbye, and dials nobody until [`Uplink::reopen`].
    pub(super) fn shut(&mut self, cx: &mut Cx<'_, C>) {
        self.is_shut = true;
        if let Some(wire) = &mut self.wire {
            let fault = Fault::Disconnected;
            wire.connection.close_saying(cx.now.mono, fault, fault.row().reason, wire.conn, cx.todo);
        }
        self.settle(cx);
    }

    /// Dials again.
    pub(super) fn reopen(&mut self, cx: &mut Cx<'_, C>) {
        self.is_shut = false;
        if let Stage::Waiting(_) = self.stage {
            self.stage = Stage::Waiting(cx.now.mono);
        }
    }

    /// Says goodbye with this fault and does not come back.
    pub(super) fn part(&mut self, fault: Fault, reason: &str, cx: &mut Cx<'_, C>) {
        self.leaving = true;
        match &mut self.wire {
            Some(wire) => wire.connection.close_saying(cx.now.mono, fault, reason, wire.conn, cx.todo),
            None => self.lose("it was ended here".to_owned(), cx),
        }
        self.settle(cx);
    }

    fn event(&mut self, event: Event<'_>, wire: &mut Wire, cx: &mut Cx<'_, C>) {
        let now = cx.now;
        match event {
            Event::Upgraded => {
                let own = membership(cx.config, self.key);
                let hello = match &self.persona {
                    None => hello::of_member(cx.config, own, cx.instance, now.wall),
                    Some(persona) => hello::of_session(cx.config, own, persona, now.wall),
                };
                wire.connection.start_keepalive(now.mono);
                wire.connection.send(now.mono, hello.to_string().as_bytes(), wire.conn, cx.todo);
            }
            Event::Message(text) => self.message(&text, wire, cx),
            Event::Declined { status } => {
                self.verdict = Some((Advice::Later, format!("the broker answered status {status}")));
            }
            Event::Goodbye { code, reason } => {
                let advice = advice_after(code, &reason);
                let why = format!("{} ({})", word_of(&reason), code.unwrap_or(1005));
                match &self.verdict {
                    Some((Advice::Never, _)) => {}
                    _ => self.verdict = Some((advice, why)),
                }
            }
            Event::Broken(fault) => {
                self.verdict = Some((Advice::Later, fault.row().when.to_owned()));
                wire.connection.close(now.mono, fault, wire.conn, cx.todo);
            }
            Event::Request(_) | Event::Announced(_) | Event::Refused(_) => {
                wire.connection.abort(wire.conn, cx.todo);
            }
            Event::Pong(_) | Event::Binary(_) => {}
        }
    }

    fn message(&mut self, text: &str, wire: &mut Wire, cx: &mut Cx<'_, C>) {
        // A message that is none, or means two things, is as if it had not come.
        if json::check(text, cx.limits).is_err() {
            return;
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else { return };
        let field = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        match (&self.stage, field("type")) {
            (Stage::Greeting(_), "hello_ack") => {
                self.stage = Stage::Open;
                self.past = None;
                self.backoff.succeed();
                cx.heard.push((self.key, Heard::Open(message)));
            }
            (Stage::Greeting(_), "error") => {
                let code = field("code");
                // A broker that knows no sessions will not learn of them from the next hello either.
                let advice = match code {
                    "unknown_message_type" | "revoked" => Advice::Never,
                    code => advice_of(None, code),
                };
                self.verdict = Some((advice, format!("{code}: {}", field("message"))));
                if advice == Advice::Never {
                    wire.connection.close(cx.now.mono, Fault::Disconnected, wire.conn, cx.todo);
                }
            }
            (Stage::Open, _) => {
                let asked = field("_reqId").parse().ok().and_then(|id: u64| self.calls.remove(&id));
                let heard = match asked {
                    Some((_, call)) => Heard::Answered(call, Some(message)),
                    None => Heard::Said(message),
                };
                cx.heard.push((self.key, heard));
            }
            (Stage::Waiting(_) | Stage::Dialling(_) | Stage::Greeting(_) | Stage::Stopped(_), _) => {}
        }
    }

    /// Draws the conclusions: the connection is over, or may read on.
    fn settle(&mut self, cx: &mut Cx<'_, C>) {
        let Some(wire) = &mut self.wire else { return };
        if wire.connection.is_over() {
            self.wire = None;
            return self.lose("the broker ended the connection".to_owned(), cx);
        }
        if !wire.granted && !wire.ended {
            wire.granted = true;
            cx.todo.push(Output::Read { conn: wire.conn });
        }
    }

    /// There is no connection any more.
    fn lose(&mut self, why: String, cx: &mut Cx<'_, C>) {
        for (_, (_, call)) in std::mem::take(&mut self.calls) {
            cx.heard.push((self.key, Heard::Answered(call, None)));
        }
        if self.leaving {
            return cx.heard.push((self.key, Heard::Parted));
        }
        let verdict = self.verdict.take().filter(|_| !self.is_shut);
        let (advice, why) = verdict.unwrap_or((Advice::Resume, why));
        if advice == Advice::Never {
            self.stage = Stage::Stopped(why.clone());
            return cx.heard.push((self.key, Heard::Stopped(why)));
        }
        let wait_ms = self.backoff.fail(cx.rng);
        self.stage = Stage::Waiting(cx.now.mono.after_millis(wait_ms));
        self.past = Some(why.clone());
        cx.heard.push((self.key, Heard::Lost(why)));
    }
}

/// What a close tells us to do. One over the length of what was sent says nothing against us, once that is
/// not sent again.
fn advice_after(code: Option<u16>, reason: &str) -> Advice {
    if code == Some(Fault::TooLarge.row().code) { Advice::Later } else { advice_of(code, reason) }
}

/// What a close, or a word before it, tells us to do. What the table does not know may pass.
fn advice_of(code: Option<u16>, reason: &str) -> Advice {
    let word = word_of(reason);
    let rows = Fault::ALL.iter().map(|fault| fault.row());
    let mut known = rows.filter(|row| row.reason == word && code.is_none_or(|code| code == row.code));
    known.next().map_or(Advice::Later, |row| row.advice)
}

fn membership(config: &DaemonConfig, key: LaneKey) -> &Membership {
    &config.meshes[key.mesh]
}
