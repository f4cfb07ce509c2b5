//! Serves programs of the host over HTTP, one request a connection.
//!
//! *Decides* who is let in, in the order of the contract: no token in the address, a host that is this one,
//! no web page, the token where the stream is not the user's own, a budget, room. All of it is judged before
//! the body is read.
//! *Always holds:* trust follows the listener that a stream came in by, and nothing that its request says.

use bytes::Bytes;
use serde_json::Value;

use super::outbox::Answer;
use super::sessions::Token;
use super::{Daemon, Timer};
use crate::config::size;
use crate::conn::{Chunk, Connection, Event, Lapse};
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::machine::{Closing, Ending, Listener, Output, Outputs};
use crate::note::{Level, Note};
use crate::time::{Mono, Now};
use crate::wire::http::{Request, Response};

/// One program's connection.
#[derive(Debug)]
pub(super) struct Local {
    connection: Connection,
    listener: Listener,
    stage: Stage,
    granted: bool,
    ended: bool,
    /// When it must have come to its next stage.
    until: Mono,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    /// Its request is read.
    Reading,
    /// Its request is worked on.
    Answering,
    /// Its answer is a stream of events.
    Streaming,
    /// It is answered.
    Closing,
}

/// Who asks, once it is let in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caller {
    pub(super) conn: ConnId,
    /// Its session, if it showed one.
    pub(super) token: Option<Token>,
    /// The kernel says that it is a program of the same user.
    pub(super) is_own: bool,
}

/// What a request shows of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    /// Nothing: it speaks for the host.
    Nothing,
    /// The token of one that is alive.
    Live(Token),
    /// Something else, which is no token of a session that is known.
    Strange,
}

/// A request that came before the sessions of an earlier run were known.
#[derive(Debug)]
pub(super) struct Early {
    conn: ConnId,
    listener: Listener,
    request: Box<Request>,
}

const SESSION_SCHEME: &str = "claudemesh-session";
const BEARER_SCHEME: &str = "bearer";

impl Daemon {
    pub(super) fn local_opened(&mut self, now: Now, conn: ConnId, listener: Listener, todo: &mut Outputs) {
        let is_full = self.locals.len() >= size(self.bounds.local_connections_max());
        let is_local = matches!(listener, Listener::Local | Listener::LocalTcp);
        if self.stop.is_on() || is_full || !is_local {
            return todo.push(Output::Close { conn, how: Closing::Both });
        }
        let local = Local {
            connection: Connection::announcing_server(&self.local_limits),
            listener,
            stage: Stage::Reading,
            granted: false,
            ended: false,
            until: now.mono.after_millis(self.bounds.local_request_ms()),
        };
        self.locals.insert(conn, Some(Box::new(local)));
        self.with_local(now, conn, todo, |_, _, _| ());
    }

    pub(super) fn local_received(&mut self, now: Now, conn: ConnId, bytes: &mut [u8], todo: &mut Outputs) {
        let mut asked = None;
        self.with_local(now, conn, todo, |daemon, local, todo| {
            local.granted = false;
            let mut chunk = Chunk::new(bytes);
            while let Some(event) = local.connection.next(now.mono, &mut chunk, conn, todo) {
                asked = asked.take().or(daemon.local_event(now, conn, local, event, todo));
            }
            local.connection.keep(chunk);
        });
        // Its connection is in its place again, so that the answer may come at once or later alike.
        if let Some((listener, request)) = asked {
            self.serve(now, Early { conn, listener, request }, todo);
        }
    }

    /// The sessions of an earlier run are known, so that tokens can be judged.
    pub(super) fn serve_early(&mut self, now: Now, todo: &mut Outputs) {
        for early in std::mem::take(&mut self.early) {
            self.serve(now, early, todo);
        }
    }

    pub(super) fn local_sent(&mut self, now: Now, conn: ConnId, bytes: usize, todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            local.connection.sent(now.mono, bytes, conn, todo);
        });
    }

    pub(super) fn local_closed(&mut self, now: Now, conn: ConnId, how: Ending, todo: &mut Outputs) {
        match how {
            Ending::Finished => {
                self.with_local(now, conn, todo, |_, local, todo| {
                    local.ended = true;
                    // Whoever has asked gets the answer, though it will ask nothing more.
                    if local.stage != Stage::Answering {
                        local.connection.ended(now.mono, conn, todo);
                    }
                });
            }
            Ending::Broken => self.forget_local(conn),
        }
    }

    /// The clock of a connection.
    pub(super) fn local_lapse(&mut self, now: Now, conn: ConnId, todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            match local.connection.wake(now.mono, conn, todo) {
                None => {}
                Some(Lapse::Fault(fault)) => local.connection.close(now.mono, fault, conn, todo),
                Some(Lapse::Dead) => local.connection.abort(conn, todo),
            }
            let waits = matches!(local.stage, Stage::Reading | Stage::Answering);
            if waits && local.until <= now.mono {
                let answer = match local.stage {
                    Stage::Reading => Answer::error(408, "no request came in time"),
                    Stage::Answering | Stage::Streaming | Stage::Closing => {
                        Answer::error(504, "the answer did not come in time; ask again under the same key")
                    }
                };
                local.respond(now, conn, &answer, todo);
            }
        });
    }

    /// Answers a request, if its program still waits.
    pub(super) fn answer(&mut self, now: Now, conn: ConnId, answer: &Answer, todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            if local.stage == Stage::Answering {
                local.respond(now, conn, answer, todo);
            }
        });
    }

    /// Answers a request with a stream that goes on.
    pub(super) fn begin_stream(&mut self, now: Now, conn: ConnId, head: &[u8], todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            if local.stage != Stage::Answering {
                return;
            }
            local.stage = Stage::Streaming;
            local.connection.begin_stream(now.mono, head, conn, todo);
            if local.ended {
                local.connection.ended(now.mono, conn, todo);
            }
        });
    }

    /// Sends a part of such a stream.
    pub(super) fn share(&mut self, now: Now, conn: ConnId, frame: &Bytes, todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            local.connection.send_shared(now.mono, frame, conn, todo);
        });
    }

    pub(super) fn end_stream(&mut self, now: Now, conn: ConnId, fault: Fault, todo: &mut Outputs) {
        self.with_local(now, conn, todo, |_, local, todo| {
            local.stage = Stage::Closing;
            local.connection.close(now.mono, fault, conn, todo);
        });
    }

    /// Drops those that have not asked anything.
    pub(super) fn dismiss_idle(&mut self, todo: &mut Outputs) {
        let idle = |local: &Local| local.stage == Stage::Reading;
        let conns: Vec<ConnId> = self
            .locals
            .iter()
            .filter(|(_, local)| local.as_ref().is_some_and(|local| idle(local)))
            .map(|(conn, _)| *conn)
            .collect();
        for conn in conns {
            self.drop_local(conn, todo);
        }
    }

    pub(super) fn drop_local(&mut self, conn: ConnId, todo: &mut Outputs) {
        if let Some(Some(mut local)) = self.locals.remove(&conn) {
            local.connection.abort(conn, todo);
        }
        self.forget_local(conn);
    }

    fn forget_local(&mut self, conn: ConnId) {
        self.locals.remove(&conn);
        self.early.retain(|early| early.conn != conn);
        self.events.leave(conn);
        self.timers.disarm(Timer::Local(conn));
    }

    /// Runs `act` on a connection, if it is still there, and forgets it if that was its end.
    fn with_local(
        &mut self,
        now: Now,
        conn: ConnId,
        todo: &mut Outputs,
        act: impl FnOnce(&mut Daemon, &mut Local, &mut Outputs),
    ) {
        let Some(mut local) = self.locals.get_mut(&conn).and_then(Option::take) else { return };
        act(self, &mut local, todo);
        if local.connection.is_over() {
            return self.forget_local(conn);
        }
        let own = matches!(local.stage, Stage::Reading | Stage::Answering).then_some(local.until);
        match [own, local.connection.deadline()].into_iter().flatten().min() {
            // What is due was looked at; what is left of it comes with the next moment.
            Some(at) => self.timers.arm(Timer::Local(conn), at.max(now.mono.after_millis(1))),
            None => self.timers.disarm(Timer::Local(conn)),
        }
        // Nobody reads what is said before the answer: it need not come.
        let has_said_more = local.stage == Stage::Answering && local.connection.has_kept();
        if !local.granted && !local.ended && !has_said_more {
            local.granted = true;
            todo.push(Output::Read { conn });
        }
        self.locals.insert(conn, Some(local));
    }

    /// Acts on what a connection found; a complete request is handed back.
    fn local_event(
        &mut self,
        now: Now,
        conn: ConnId,
        local: &mut Local,
        event: Event<'_>,
        todo: &mut Outputs,
    ) -> Option<(Listener, Box<Request>)> {
        match event {
            Event::Announced(request) => {
                let body_bytes = local.connection.body_bytes();
                match self.admit(now, conn, local.listener, body_bytes, &request) {
                    Ok(_) => local.connection.await_body(now.mono, conn, todo),
                    Err(answer) => local.respond(now, conn, &answer, todo),
                }
                None
            }
            Event::Request(request) => {
                local.stage = Stage::Answering;
                local.until = now.mono.after_millis(self.bounds.local_answer_ms());
                Some((local.listener, request))
            }
            Event::Refused(response) => {
                local.stage = Stage::Closing;
                local.connection.respond(now.mono, &response, conn, todo);
                None
            }
            Event::Goodbye { .. }
            | Event::Message(_)
            | Event::Binary(_)
            | Event::Pong(_)
            | Event::Upgraded
            | Event::Declined { .. }
            | Event::Broken(_) => {
                local.connection.abort(conn, todo);
                None
            }
        }
    }

    /// Does what a request asks; the answer may come later.
    fn serve(&mut self, now: Now, asked: Early, todo: &mut Outputs) {
        let Early { conn, listener, request } = &asked;
        // One with a body was judged by its head, and may have lost its session meanwhile.
        let judged = match request.body.is_empty() {
            true => self.admit(now, *conn, *listener, 0, request),
            // While its body came others may have been let in, who are worked on by now.
            false if self.is_busy(*conn) => Err(busy()),
            false => self.caller(*conn, *listener, request),
        };
        let done = match judged {
            Ok(None) => return self.early.push(asked),
            Ok(Some(caller)) => self.route(now, caller, request, todo),
            Err(refusal) => Err(refusal),
        };
        match done {
            Ok(Some(answer)) | Err(answer) => self.answer(now, *conn, &answer, todo),
            Ok(None) => {}
        }
    }

    /// Judges a request by its head, as [`Daemon::caller`] does.
    fn admit(
        &mut self,
        now: Now,
        conn: ConnId,
        listener: Listener,
        body_bytes: usize,
        request: &Request,
    ) -> Result<Option<Caller>, Answer> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        if query.split('&').any(|pair| pair.split('=').next() == Some("token")) {
            self.notes.push(Note::new(Level::Warn, "ipc_token_in_query_string_rejected"));
            return Err(Answer::error(400, "a token does not belong into an address"));
        }
        if !is_this_host(request.header("host").unwrap_or_default()) {
            return Err(Answer::error(403, "forbidden host"));
        }
        if request.header("origin").is_some() {
            return Err(Answer::error(403, "forbidden origin"));
        }
        let is_open = self.config.public_health && (&*request.method, path) == ("GET", "/v1/health");
        if listener == Listener::LocalTcp && !is_open {
            self.check_bearer(now, request)?;
        }
        if body_bytes > super::routes::body_bytes_max(path).min(size(self.bounds.local_body_bytes_max())) {
            return Err(Answer::error(413, "Error: payload_too_large"));
        }
        let budget = match self.shown(request) {
            Shown::Live(token) => self.sessions.touch(token, now.mono).map(|session| &mut session.budget),
            Shown::Nothing | Shown::Strange => None,
        };
        let budget = budget.unwrap_or(&mut self.budget);
        if budget.take(now.mono).is_err() {
            return Err(Answer::error(429, "rate_limited"));
        }
        if self.is_busy(conn) {
            return Err(busy());
        }
        self.caller(conn, listener, request)
    }

    /// True when as many requests as may be are worked on besides that of this connection.
    fn is_busy(&self, conn: ConnId) -> bool {
        let others = self.locals.iter().filter(|(other, _)| **other != conn);
        let working = others.filter_map(|(_, local)| local.as_ref());
        let working = working.filter(|local| local.stage == Stage::Answering).count();
        working >= size(self.bounds.local_requests_max())
    }

    fn check_bearer(&mut self, now: Now, request: &Request) -> Result<(), Answer> {
        let shown = credentials(request, BEARER_SCHEME).next();
        let shown = shown.ok_or_else(|| Answer::error(401, "missing bearer token"))?;
        if self.bearer.as_ref().is_some_and(|bearer| bearer.is_good(now.mono, shown.as_bytes())) {
            return Ok(());
        }
        self.notes.push(Note::new(Level::Warn, "ipc_bearer_mismatch"));
        Err(Answer::error(401, "invalid bearer token"))
    }

    /// Who asks; none while that cannot be said.
    ///
    /// # Errors
    /// The answer to a request that is one session's matter and shows none that is alive. What an ended
    /// session may see is not what the whole host may.
    fn caller(&self, conn: ConnId, listener: Listener, request: &Request) -> Result<Option<Caller>, Answer> {
        let shown = self.shown(request);
        if !self.sessions.is_known && super::routes::is_of_all_sessions(request) {
            return Ok(None);
        }
        let token = match shown {
            Shown::Nothing => None,
            Shown::Live(token) => Some(token),
            Shown::Strange if !super::routes::is_of_a_session(request) => None,
            Shown::Strange if !self.sessions.is_known => return Ok(None),
            Shown::Strange => return Err(Answer::error(401, "unknown session")),
        };
        Ok(Some(Caller { conn, token, is_own: listener == Listener::Local }))
    }

    fn shown(&self, request: &Request) -> Shown {
        let mut all = credentials(request, SESSION_SCHEME).map(Token::read);
        match all.next() {
            None => Shown::Nothing,
            Some(Some(token))
                if self.sessions.find(token).is_some() && all.all(|also| also == Some(token)) =>
            {
                Shown::Live(token)
            }
            Some(_) => Shown::Strange,
        }
    }
}

impl Local {
    fn respond(&mut self, now: Now, conn: ConnId, answer: &Answer, todo: &mut Outputs) {
        self.stage = Stage::Closing;
        let headers = vec![("Content-Type", "application/json".to_owned())];
        let response = Response { status: answer.status, headers, body: text_of(&answer.body) };
        self.connection.respond(now.mono, &response, conn, todo);
        if self.ended {
            self.connection.ended(now.mono, conn, todo);
        }
    }
}

fn busy() -> Answer {
    Answer::error(429, "daemon_busy")
}

fn text_of(body: &Value) -> Vec<u8> {
    body.to_string().into_bytes()
}

/// What stands behind a scheme in any `Authorization` header: over TCP there are two of them.
fn credentials<'a>(request: &'a Request, scheme: &'static str) -> impl Iterator<Item = &'a str> {
    request.headers("authorization").filter_map(move |value| {
        let (head, rest) = value.split_once(' ').unwrap_or((value, ""));
        head.eq_ignore_ascii_case(scheme).then(|| rest.trim())
    })
}

/// True when a `Host` header names this host by itself, with any port.
fn is_this_host(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map_or("", |(name, _)| name),
        None => host.rsplit_once(':').map_or(host, |(name, port)| {
            if port.bytes().all(|digit| digit.is_ascii_digit()) && !name.contains(':') { name } else { host }
        }),
    };
    matches!(name, "localhost" | "127.0.0.1" | "::1") || host.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_web_01_only_names_of_this_very_host_are_let_in() {
        for host in ["", "localhost", "localhost:47823", "127.0.0.1", "127.0.0.1:1", "[::1]:47823", "::1"] {
            assert!(is_this_host(host), "{host}");
        }
        for host in ["evil.test", "localhost.evil.test", "evil.test:80", "127.0.0.1.evil.test", "[::2]:1"] {
            assert!(!is_this_host(host), "{host}");
        }
    }
}
