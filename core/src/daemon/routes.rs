//! What programs of the host may ask (`/v1/…`), and what the daemon answers by itself.
//!
//! *Decides* which request is which; `send.rs`, `shelf.rs` and `relay.rs` do what the larger ones ask.

use serde_json::{Value, json};

use super::drain::After;
use super::local::Caller;
use super::outbox::{self, Answer};
use super::send::refused;
use super::sessions::{self, Registration, Session, Token};
use super::uplink::Uplink;
use super::{Daemon, LaneKey, Membership, Timer};
use crate::config::{Secret, size};
use crate::fault::Fault;
use crate::ids::{ConnId, mint_text};
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::store::{
    DaemonFound, DaemonReply, Ended, Found, KeptSession, OutRow, OutStatus, OutboxOp, OutboxQuery, Reply,
    Requeue, RequeueRefusal,
};
use crate::time::Now;
use crate::wire::admin::decode;
use crate::wire::http::Request;
use crate::wire::json;

/// What can be asked, as `/v1/version` tells it.
const FEATURES: [&str; 11] = [
    "version", "health", "send", "inbox", "events", "peers", "profile", "skills", "state", "memory",
    "sessions",
];
/// The version of the tables, as programs know it.
const SCHEMA_VERSION: u32 = 1;
/// Rows of a page of the outbox that asks for no number, and the most there can be.
const PAGE: (u32, u32) = (50, 500);

/// The pairs behind the `?` of an address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Query<'a>(pub(super) &'a str);

impl Query<'_> {
    /// The first value of that name.
    pub(super) fn find(&self, name: &str) -> Option<String> {
        let mut pairs = self.0.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
        let (_, value) = pairs.find(|(had, _)| *had == name)?;
        decode(&value.replace('+', " "))
    }
}

/// A row that is put in line again, and who waits for it.
#[derive(Debug)]
pub(super) struct Requeued {
    conn: ConnId,
    old: String,
    new: String,
    key: String,
}

/// The longest body of a request, in bytes, by its path.
pub(super) fn body_bytes_max(path: &str) -> usize {
    const KIB: usize = 1_024;
    match path {
        "/v1/sessions/register" | "/v1/inbox/seen" => 64 * KIB,
        "/v1/profile" => 16 * KIB,
        "/v1/outbox/requeue" | "/v1/token" => 4 * KIB,
        _ => 256 * KIB,
    }
}

impl Daemon {
    /// Does what a request asks: an answer, or none when it comes later.
    pub(super) fn route(
        &mut self,
        now: Now,
        caller: Caller,
        request: &Request,
        todo: &mut Outputs,
    ) -> Result<Option<Answer>, Answer> {
        let (path, query) = request.target.split_once('?').unwrap_or((&request.target, ""));
        let (query, Caller { conn, token, is_own }) = (Query(query), caller);
        let parts: Vec<&str> = path.strip_prefix("/v1/").unwrap_or_default().split('/').collect();
        let body = || self.body(request);
        match (&*request.method, parts.as_slice()) {
            ("GET", ["version"]) => Ok(Some(self.version())),
            ("GET", ["health"]) => Ok(Some(self.health())),
            ("POST", ["send"]) => {
                let (body, header) = (body()?, request.header("idempotency-key"));
                self.take_send(conn, token, header, &body).map(|()| None)
            }
            ("GET", ["inbox"]) => self.list_inbox(conn, token, &query).map(|()| None),
            ("POST", ["inbox", "seen"]) => {
                let body = body()?;
                self.mark_seen(now, conn, token, &body).map(|()| None)
            }
            ("DELETE", ["inbox"]) => self.remove_inbox(conn, token, &query, None).map(|()| None),
            ("DELETE", ["inbox", id]) => {
                let id = decode(id).ok_or_else(nothing)?;
                self.remove_inbox(conn, token, &query, Some(id)).map(|()| None)
            }
            ("GET", ["outbox"]) => self.list_outbox(conn, &query).map(|()| None),
            ("POST", ["outbox", "requeue"]) => {
                let body = body()?;
                self.requeue(now, conn, &body).map(|()| None)
            }
            ("GET", ["events"]) => self.listen(now, caller, request, todo),
            ("GET", ["sessions"]) => {
                let all: Vec<Value> = self.sessions.iter().map(Session::shown).collect();
                Ok(Some(Answer::new(200, json!({ "sessions": all }))))
            }
            ("POST", ["token"]) if is_own => {
                let body = body()?;
                self.replace_token(now, &body).map(Some)
            }
            ("GET", ["sessions", "me"]) => Ok(Some(self.me(token))),
            ("POST", ["sessions", "register"]) => {
                let body = body()?;
                self.register(now, &body, todo).map(Some)
            }
            ("DELETE", ["sessions", token]) => self.unregister(now, token, todo).map(Some),
            (method, parts) => self.relay(now, caller, (method, parts), &query, request, todo),
        }
    }

    /// The body of a request: one JSON object with one meaning.
    pub(super) fn body(&self, request: &Request) -> Result<Value, Answer> {
        let bad = || Answer::error(400, "Error: invalid_json");
        let text = std::str::from_utf8(&request.body).map_err(|_| bad())?;
        json::check(text, &self.local_limits).map_err(|fault| {
            Answer::new(400, json!({ "error": "Error: invalid_json", "detail": fault.to_string() }))
        })?;
        serde_json::from_str(text).map_err(|_| bad())
    }

    /// Takes another token for the loopback; the former stays good for a minute.
    fn replace_token(&mut self, now: Now, body: &Value) -> Result<Answer, Answer> {
        let token = body.get("token").and_then(Value::as_str).filter(|token| !token.is_empty());
        let token = token.ok_or_else(|| Answer::error(400, "token is missing"))?;
        if let Some(bearer) = &mut self.bearer {
            bearer.replace(now.mono, Secret::new(token.as_bytes()));
        }
        Ok(Answer::new(200, json!({ "ok": true })))
    }

    fn version(&self) -> Answer {
        let negotiated: serde_json::Map<String, Value> = self
            .config
            .meshes
            .iter()
            .zip(&self.brokers)
            .filter_map(|(mesh, broker)| Some((mesh.slug.clone(), broker.features.clone()?)))
            .collect();
        let meshes: Vec<Value> = self.config.meshes.iter().map(identity).collect();
        Answer::new(
            200,
            json!({
                "daemon_version": self.config.version,
                "meshes": meshes,
                "ipc_api": "v1",
                "ipc_features": FEATURES,
                "schema_version": SCHEMA_VERSION,
                "broker_features_negotiated": negotiated,
            }),
        )
    }

    fn health(&self) -> Answer {
        let (mut brokers, mut reasons) = (serde_json::Map::new(), serde_json::Map::new());
        for (mesh, own) in self.config.meshes.iter().enumerate() {
            let uplink = self.uplinks.get(&LaneKey { mesh, session: None });
            let (status, why) = uplink.map_or(("closed", None), Uplink::standing);
            brokers.insert(own.slug.clone(), status.into());
            if let Some(why) = why {
                reasons.insert(own.slug.clone(), why.into());
            }
        }
        let outbox = json!({ "rows": self.load.rows, "bytes": self.load.bytes });
        let body = json!({
            "ok": true, "pid": self.config.pid, "brokers": brokers, "reasons": reasons, "outbox": outbox,
            "sessions": self.sessions.len(),
        });
        Answer::new(200, body)
    }

    fn listen(
        &mut self,
        now: Now,
        caller: Caller,
        request: &Request,
        todo: &mut Outputs,
    ) -> Result<Option<Answer>, Answer> {
        if self.events.len() >= size(self.bounds.local_streams_max()) {
            return Err(Answer::error(429, "too_many_streams"));
        }
        self.open_stream(now, caller.conn, caller.token, request.header("last-event-id"), todo);
        Ok(None)
    }

    fn me(&self, token: Option<Token>) -> Answer {
        match token.and_then(|token| self.sessions.find(token)) {
            Some(session) => Answer::new(200, json!({ "session": session.shown() })),
            None => Answer::error(401, "no session token"),
        }
    }

    fn register(&mut self, now: Now, body: &Value, todo: &mut Outputs) -> Result<Answer, Answer> {
        let registration = sessions::read(body, |slug| self.mesh_of(slug), &self.bounds, now)?;
        let Registration { token, session, presence_flaw } = registration;
        if let Some(flaw) = presence_flaw {
            let note = Note::new(Level::Warn, "session_presence_dropped").with("why", flaw);
            self.notes.push(note.with("session", session.session_id.as_str()));
        }
        if self.sessions.len() >= size(self.bounds.sessions_max()) && self.sessions.find(token).is_none() {
            return Err(Answer::error(429, "too_many_sessions"));
        }
        let key = session.public_key().map(|key| LaneKey { mesh: session.mesh, session: Some(key) });
        let persona = session.persona();
        let nonce = self.nonce();
        let about = session.kept(&self.config.meshes[session.mesh].signing_key(), nonce).into();
        let mut replaced = Vec::new();
        for (gone_token, gone) in self.sessions.add(token, session) {
            replaced.extend((gone_token != token).then_some(gone_token.hash()));
            let same = gone.public_key().map(|key| LaneKey { mesh: gone.mesh, session: Some(key) });
            if same != key {
                self.end_session(now, &gone, todo);
            }
        }
        if let (Some(key), Some(persona)) = (key, persona) {
            // Whoever registers anew greets anew: its name and groups may be others.
            self.drop_uplink(now, key, todo);
            self.uplinks.insert(key, Uplink::new(key, Some(persona), &self.config, now.mono));
            self.timers.arm(Timer::Uplink(key), now.mono);
        }
        self.has_unlooked = true;
        self.arm_sessions();
        self.forget_sessions(replaced);
        self.stage_out(OutboxOp::KeepSession(KeptSession { token: token.hash(), about }), After::Settled);
        let body = json!({
            "ok": true, "registered_at": now.wall.as_millis(), "presence_accepted": key.is_some(),
        });
        Ok(Answer::new(200, body))
    }

    fn unregister(&mut self, now: Now, shown: &str, todo: &mut Outputs) -> Result<Answer, Answer> {
        let token = Token::read(shown).ok_or_else(|| Answer::error(400, "invalid token"))?;
        let prefix = shown[..8].to_ascii_lowercase();
        let gone = self.sessions.remove(token);
        let (status, ok) = if gone.is_some() { (200, true) } else { (404, false) };
        if let Some(gone) = gone {
            self.end_session(now, &gone, todo);
            self.forget_sessions(vec![token.hash()]);
        }
        self.arm_sessions();
        Ok(Answer::new(status, json!({ "ok": ok, "token_prefix": prefix })))
    }

    /// Ends the sessions that were silent for too long.
    pub(super) fn expire_sessions(&mut self, now: Now, todo: &mut Outputs) {
        for (token, gone) in self.sessions.expire(now.mono, self.bounds.session_idle_ms()) {
            self.forget_sessions(vec![token.hash()]);
            let note = Note::new(Level::Info, "session_expired").with("session", gone.session_id.as_str());
            self.notes.push(note);
            self.end_session(now, &gone, todo);
        }
        self.arm_sessions();
    }

    pub(super) fn forget_sessions(&mut self, tokens: Vec<[u8; 32]>) {
        if !tokens.is_empty() {
            self.stage_out(OutboxOp::DropSessions(tokens), After::Settled);
        }
    }

    /// The sessions of an earlier run are known: each gets its socket again.
    pub(super) fn restore_sessions(&mut self, now: Now, ended: Ended) {
        let Ended::Found(found) = ended else { return };
        let Found::Daemon(DaemonFound::Sessions(rows)) = *found else { return };
        let persisted = rows.len();
        let mut revived = 0_u64;
        for KeptSession { token, about } in rows {
            let about: Value = serde_json::from_str(&about).unwrap_or_default();
            let mesh = about.get("mesh").and_then(Value::as_str).and_then(|slug| self.mesh_of(slug));
            let session = mesh.and_then(|mesh| {
                let member = self.config.meshes[mesh].signing_key();
                Session::restored(&about, mesh, &member, &self.bounds, now)
            });
            // Whoever has registered meanwhile is newer than what was kept.
            let known = self.sessions.find(Token::of_hash(token)).is_some();
            let Some(session) = session.filter(|_| !known) else { continue };
            if let (Some(key), Some(persona)) = (session.public_key(), session.persona()) {
                let key = LaneKey { mesh: session.mesh, session: Some(key) };
                self.uplinks.insert(key, Uplink::new(key, Some(persona), &self.config, now.mono));
                self.timers.arm(Timer::Uplink(key), now.mono);
            }
            self.sessions.add(Token::of_hash(token), session);
            self.has_unlooked = true;
            revived += 1;
        }
        self.arm_sessions();
        let note = Note::new(Level::Info, "sessions_rehydrated").with("revived", revived);
        self.notes.push(note.with("persisted", persisted));
    }

    pub(super) fn arm_sessions(&mut self) {
        match self.sessions.deadline(self.bounds.session_idle_ms()) {
            Some(at) => self.timers.arm(Timer::Sessions, at),
            None => self.timers.disarm(Timer::Sessions),
        }
    }

    pub(super) fn end_session(&mut self, now: Now, session: &Session, todo: &mut Outputs) {
        let Some(key) = session.public_key() else { return };
        let key = LaneKey { mesh: session.mesh, session: Some(key) };
        let (fault, reason) = (Fault::Disconnected, Fault::Disconnected.row().reason);
        self.with_uplink(now, key, todo, |uplink, cx| uplink.part(fault, reason, cx));
    }

    /// `GET /v1/outbox`
    fn list_outbox(&mut self, conn: ConnId, query: &Query<'_>) -> Result<(), Answer> {
        let limit = match query.find("limit") {
            None => PAGE.0,
            Some(limit) => {
                let limit = limit.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
                limit.ok_or_else(|| Answer::error(400, "limit is no number from 1 to 500"))?
            }
        };
        let asked = match (query.find("id"), query.find("key"), query.find("status")) {
            (Some(id), _, _) => OutboxQuery::Row(id.into()),
            (None, Some(key), _) => OutboxQuery::Key(key.into()),
            (None, None, None) => OutboxQuery::List { status: None, limit },
            (None, None, Some(word)) => {
                let bad = || Answer::error(400, "status is none of pending, inflight, done, dead, aborted");
                let status = OutStatus::parse(&word).ok_or_else(bad)?;
                OutboxQuery::List { status: Some(status), limit }
            }
        };
        self.ask_out(asked, After::Listed(conn));
        Ok(())
    }

    pub(super) fn rows_listed(&mut self, now: Now, conn: ConnId, ended: Ended, todo: &mut Outputs) {
        let rows: Vec<OutRow> = match ended {
            Ended::Found(found) => match *found {
                Found::Daemon(DaemonFound::Out(rows)) => rows,
                _ => Vec::new(),
            },
            Ended::Done(_) => Vec::new(),
            Ended::Refused(error) => return self.answer(now, conn, &refused(&error), todo),
        };
        let items: Vec<Value> = rows.iter().map(outbox::item).collect();
        self.answer(now, conn, &Answer::new(200, json!({ "items": items })), todo);
    }

    /// `POST /v1/outbox/requeue`
    fn requeue(&mut self, now: Now, conn: ConnId, body: &Value) -> Result<(), Answer> {
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let id = text("id").ok_or_else(|| Answer::error(400, "id is missing"))?;
        let key = text("new_client_message_id").map(str::to_owned);
        let key = key.unwrap_or_else(|| mint_text(&mut self.rng));
        let new = mint_text(&mut self.rng);
        let requeue = Requeue {
            id: id.into(),
            new_id: new.as_str().into(),
            new_client_message_id: key.as_str().into(),
            at: self.stamp(now),
            by: text("aborted_by").unwrap_or("operator").into(),
        };
        let requeued = Requeued { conn, old: id.to_owned(), new, key };
        self.stage_out(OutboxOp::Requeue(requeue), After::Requeued(Box::new(requeued)));
        Ok(())
    }

    pub(super) fn requeued(&mut self, now: Now, requeued: Requeued, ended: &Ended, todo: &mut Outputs) {
        let Requeued { conn, old, new, key } = requeued;
        let answer = match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Requeued)) => {
                // Which lane it is in stands in its row.
                self.ask_out(OutboxQuery::Lanes, After::Lanes);
                self.ask_out(OutboxQuery::Load, After::Load);
                let body = json!({
                    "aborted_row_id": old, "new_row_id": new, "new_client_message_id": key,
                });
                Answer::new(200, body)
            }
            Ended::Done(Reply::Daemon(DaemonReply::NotRequeued(why))) => {
                let error = match why {
                    RequeueRefusal::Unknown => "no such row".to_owned(),
                    RequeueRefusal::Status(status) => format!("the row is {}", status.word()),
                    RequeueRefusal::KeyUsed => "new_client_message_id was used before".to_owned(),
                };
                Answer::new(409, json!({ "error": error, "id": old }))
            }
            Ended::Refused(error) => refused(error),
            Ended::Done(_) | Ended::Found(_) => Answer::error(500, "internal"),
        };
        self.answer(now, conn, &answer, todo);
    }
}

/// Who the daemon is in a mesh, so that a program can tell whether it speaks for the member that is meant.
fn identity(mesh: &Membership) -> Value {
    json!({
        "mesh": mesh.slug, "mesh_id": mesh.mesh_id, "member_id": mesh.member_id,
        "pubkey": mesh.public_key().hex(),
    })
}

/// What a path that leads nowhere is answered, whatever the method.
pub(super) fn nothing() -> Answer {
    Answer::error(404, "not found")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_an_address_are_read_as_they_were_meant() {
        let query = Query("mesh=a%2Fb&since=2026-01-02T03:04:05%2E000Z&x=a+b&mesh=other");
        assert_eq!(query.find("mesh").as_deref(), Some("a/b"));
        assert_eq!(query.find("x").as_deref(), Some("a b"));
        assert_eq!((query.find("none"), query.find("since").map(|text| text.len())), (None, Some(24)));
    }
}
