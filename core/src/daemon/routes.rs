//! What programs of the host may ask (`/v1/…`), and what the daemon answers by itself.
//!
//! *Decides* which request is which; `send.rs`, `shelf.rs`, `relay.rs` and `register.rs` do what the larger
//! ones ask.

use serde_json::{Value, json};

use super::drain::After;
use super::local::Caller;
use super::outbox::{self, Answer};
use super::send::refused;
use super::sessions::{Session, Token};
use super::uplink::Uplink;
use super::{Daemon, LaneKey, Membership};
use crate::config::{Secret, size};
use crate::ids::{ConnId, mint_text};
use crate::machine::Outputs;
use crate::store::{
    DaemonFound, DaemonReply, Ended, Found, OutRow, OutStatus, OutboxOp, OutboxQuery, Reply, Requeue,
    RequeueRefusal,
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

/// Whether it depends on which sessions there are, or makes other ones, so that those of an earlier run must
/// be known.
pub(super) fn is_of_all_sessions(request: &Request) -> bool {
    matches!(
        (&*request.method, parts(request).as_slice()),
        ("GET", ["sessions"]) | ("POST", ["sessions", "register"]) | ("DELETE", ["sessions", _])
    )
}

/// The parts of its path behind the version.
fn parts(request: &Request) -> Vec<&str> {
    let path = request.target.split_once('?').map_or(&*request.target, |(path, _)| path);
    path.split('/').skip(2).collect()
}

/// Whether it matters which session asks.
pub(super) fn is_of_a_session(request: &Request) -> bool {
    !matches!(
        (&*request.method, parts(request).as_slice()),
        ("GET", ["version" | "health" | "sessions"])
            | ("POST", ["token"] | ["sessions", "register"])
            | ("DELETE", ["sessions", _])
    )
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
                self.register(now, conn, &body, todo).map(|()| None)
            }
            ("DELETE", ["sessions", token]) => self.unregister(now, conn, token, todo).map(|()| None),
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
            .attached()
            .filter_map(|mesh| {
                Some((self.config.meshes[mesh].slug.clone(), self.brokers[mesh].features.clone()?))
            })
            .collect();
        let meshes: Vec<Value> = self.attached().map(|mesh| identity(&self.config.meshes[mesh])).collect();
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
        for mesh in self.attached() {
            let own = &self.config.meshes[mesh];
            let uplink = self.uplinks.get(&LaneKey { mesh, session: None });
            let (status, why) = uplink.map_or(("closed", None), Uplink::standing);
            brokers.insert(own.slug.clone(), status.into());
            if let Some(why) = why {
                reasons.insert(own.slug.clone(), why.into());
            }
        }
        let (out_level, in_level) = self.pressure.words();
        let outbox = json!({ "rows": self.load.rows, "bytes": self.load.bytes, "level": out_level });
        let inbox = json!({ "bytes": self.pressure.inbox_bytes, "level": in_level });
        let body = json!({
            "ok": true, "pid": self.config.pid, "brokers": brokers, "reasons": reasons, "outbox": outbox,
            "inbox": inbox,
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
