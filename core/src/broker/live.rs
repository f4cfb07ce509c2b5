//! The port of live topics: its paths, its gate, its streams (live protocol).
//!
//! *Always holds:* without a gate there is nothing behind a path: every upgrade is accepted and every plain
//! request is 404 with an empty body. With one, nothing of a body is read before its sender has shown a
//! token. When the broker stops, watchers are the first to be told.

mod page;

use serde_json::json;

use super::client::{Bound, Client};
use super::relay::{Errand, LiveErrand};
use super::routes::{json as answer, shows_token};
use super::{Broker, Timer};
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::live::{After, Identity, Lives, Opening, Refusal};
use crate::machine::Outputs;
use crate::stats::Counter;
use crate::surface::{Cx, SessionId};
use crate::time::Now;
use crate::wire::http::{Request, Response};
use crate::wire::live::{LiveCall, Spot, parameter};

/// The head of a stream of events.
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nCache-Control: no-store\r\n\
                        X-Accel-Buffering: no\r\nConnection: close\r\n\r\n";

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Page,
    Stream,
    Call,
}

impl Broker {
    /// Calls into the live surface with everything it is lent.
    pub(super) fn with_lives<R>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Lives, &mut Cx<'_, After>) -> R,
    ) -> R {
        let mut cx = Cx {
            now,
            config: &self.config,
            rng: &mut self.rng,
            stats: &mut self.stats,
            notes: &mut self.notes,
            effects: &mut self.effects,
            work: &mut self.live_work,
            store: self.health.view(now),
        };
        call(&mut self.lives, &mut cx)
    }

    /// Live topics are served where they are wished for, by one shard.
    pub(super) fn start_live(&mut self, now: Now) {
        if self.config.live.is_some() && self.is_live_shard() {
            self.with_lives(now, Lives::start);
        }
    }

    /// Makes the surface's next deadline ours.
    pub(super) fn arm_lives(&mut self) {
        let at = self.lives.deadline();
        if at != self.lives_armed {
            self.timers.set(Timer::Lives, at);
            self.lives_armed = at;
        }
    }

    /// The head of a request whose body follows: who may not ask is refused before it is read.
    pub(super) fn announced_live(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        match self.judge_live(now, request) {
            Ok((Wanted::Call, _)) => client.connection.await_body(now.mono, id, todo),
            Ok((Wanted::Page | Wanted::Stream, _)) => self.respond(now, id, client, nothing(), todo),
            Err(response) => self.respond(now, id, client, response, todo),
        }
    }

    pub(super) fn route_live(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        todo: &mut Outputs,
    ) {
        if let Some(upgrade) = &request.upgrade {
            return self.watch(now, id, client, request, &upgrade.accept, todo);
        }
        let (wanted, identity) = match self.judge_live(now, request) {
            Ok(wanted) => wanted,
            Err(response) => return self.respond(now, id, client, response, todo),
        };
        let (path, query) = split(&request.target);
        let errand = match (wanted, identity) {
            (Wanted::Stream, Some(identity)) => parameter(query, "topic").map(|topic| {
                let last = request.header("last-event-id").map(Spot::of_event);
                let window_ms = parameter(query, "window_ms").and_then(|text| text.parse().ok()).unwrap_or(0);
                let remote = client.remote;
                LiveErrand::Stream(Box::new(Opening { identity, remote, topic, last, window_ms }))
            }),
            (Wanted::Call, Some(identity)) => LiveCall::parse(path, query, &request.body)
                .map(|call| LiveErrand::Call(identity, Box::new(call))),
            (Wanted::Page | Wanted::Stream | Wanted::Call, _) => {
                return self.respond(now, id, client, page::page(), todo);
            }
        };
        match errand {
            Some(errand) => self.run_errand(now, id, client, Errand::Live(errand)),
            None => self.respond(now, id, client, refusal(Refusal::Violation), todo),
        }
    }

    /// What a request asks for and whose it is, if its sender may.
    fn judge_live(&mut self, now: Now, request: &Request) -> Result<(Wanted, Option<Identity>), Response> {
        let secret = self.config.live.as_ref().and_then(|live| live.secret.as_ref());
        let Some(secret) = secret else { return Err(nothing()) };
        let (path, query) = split(&request.target);
        let wanted = match (request.method.as_str(), path) {
            ("GET" | "HEAD", "/") => return Ok((Wanted::Page, None)),
            ("GET", "/events") => Wanted::Stream,
            ("GET", "/topics" | "/connections" | "/history" | "/presence" | "/presence-stats") => {
                Wanted::Call
            }
            ("POST", "/publish" | "/broadcast" | "/revoke" | "/disconnect" | "/unsubscribe") => Wanted::Call,
            _ => return Err(nothing()),
        };
        if shows_token(query) {
            self.stats.count(Counter::UrlToken);
            let text = "a URL is written down in many places: put the token into the Authorization header";
            return Err(answer(400, &json!({ "error": "token_in_url", "message": text })));
        }
        let identity = bearer(request).and_then(|token| Identity::of(token, secret, now.wall));
        match identity {
            Some(identity) => Ok((wanted, Some(identity))),
            None => {
                self.stats.count(Counter::BadToken);
                Err(refusal(Refusal::Unauthorized))
            }
        }
    }

    /// A WebSocket is accepted first and refused afterwards, so that a browser learns why.
    fn watch(
        &mut self,
        now: Now,
        id: ConnId,
        client: &mut Client,
        request: &Request,
        accept: &str,
        todo: &mut Outputs,
    ) {
        let secret = self.config.live.as_ref().and_then(|live| live.secret.as_ref());
        let shown = secret.and(bearer(request));
        let identity = shown.zip(secret).and_then(|(token, secret)| Identity::of(token, secret, now.wall));
        self.stats.count(Counter::ConnectionsTotal);
        client.connection.accept(now.mono, accept, id, todo);
        if shown.is_some() && identity.is_none() {
            self.stats.count(Counter::BadToken);
            return self.end(now, id, client, Fault::LiveUnauthorized, todo);
        }
        self.run_errand(now, id, client, Errand::Live(LiveErrand::Watch(identity)));
    }

    /// Does what a connection wants of live topics, where they live.
    pub(super) fn run_for_live(&mut self, now: Now, id: ConnId, client: &mut Client, errand: LiveErrand) {
        let session = SessionId(id);
        self.resumed.push(session);
        match errand {
            LiveErrand::Watch(identity) => {
                client.bound = Bound::Watcher;
                client.connection.start_keepalive(now.mono);
                client.connection.heed_pings();
                self.leave_lobby(id, client);
                self.timers.disarm(Timer::Hello(id));
                let remote = client.remote;
                self.with_lives(now, |lives, cx| lives.opened(cx, session, remote, identity));
            }
            LiveErrand::Stream(opening) => {
                self.await_live(now, id, client);
                self.with_lives(now, |lives, cx| lives.stream(cx, session, *opening));
            }
            LiveErrand::Call(identity, call) => {
                self.await_live(now, id, client);
                self.with_lives(now, |lives, cx| lives.request(cx, session, &identity, *call));
            }
        }
    }

    fn await_live(&mut self, now: Now, id: ConnId, client: &mut Client) {
        client.bound = Bound::Answering;
        self.leave_lobby(id, client);
        self.timers.arm(Timer::Hello(id), now.mono.after_millis(self.limits.ack_deadline_ms()));
    }

    /// The topic of a stream is there: its request is a watcher from here on.
    pub(super) fn begin_stream(&mut self, now: Now, id: ConnId, todo: &mut Outputs) {
        let begun = self.with_client(now, id, todo, |broker, client, todo| {
            let waits = matches!(client.bound, Bound::Answering);
            if waits {
                client.bound = Bound::Watcher;
                broker.timers.disarm(Timer::Hello(id));
                client.connection.begin_stream(now.mono, STREAM, id, todo);
            }
            waits
        });
        if begun != Some(true) {
            self.with_lives(now, |lives, cx| lives.gone(cx, SessionId(id), None));
        }
    }

    pub(super) fn watcher_gone(&mut self, now: Now, id: ConnId, client: &Client) {
        let close = client.farewell.as_ref().map(|(code, reason)| (*code, &**reason));
        self.with_lives(now, |lives, cx| lives.gone(cx, SessionId(id), close));
    }

    /// The broker stops: watchers are told before anybody else.
    pub(super) fn drain_live(&mut self, now: Now, todo: &mut Outputs) {
        if !self.drain.is_on() || self.config.live.is_none() || !self.is_live_shard() {
            return;
        }
        if !self.lives.is_draining() {
            self.with_lives(now, Lives::drain);
            self.apply(now, todo);
        }
        if self.live_open.is_empty() {
            self.with_lives(now, Lives::stopped);
            self.apply(now, todo);
        }
    }
}

fn split(target: &str) -> (&str, &str) {
    target.split_once('?').unwrap_or((target, ""))
}

fn bearer(request: &Request) -> Option<&str> {
    request.header("authorization").and_then(|value| value.strip_prefix("Bearer ")).map(str::trim)
}

fn nothing() -> Response {
    Response { status: 404, headers: Vec::new(), body: Vec::new() }
}

fn refusal(why: Refusal) -> Response {
    let (code, status, message) = why.row();
    answer(status, &json!({ "error": code, "message": message }))
}
