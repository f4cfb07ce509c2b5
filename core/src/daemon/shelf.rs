//! What programs of the host ask of the inbox (`/v1/inbox`).
//!
//! *Always holds:* a session sees, marks and removes what came for itself or its member, and nothing of other
//! sessions that live. What came for one that has ended is its member's.

use serde_json::{Value, json};

use super::outbox::Answer;
use super::routes::Query;
use super::send::refused;
use super::sessions::{Session, Token};
use super::{Daemon, LaneKey};
use crate::config::size;
use crate::ids::ConnId;
use crate::machine::Outputs;
use crate::planted::planted;
use crate::store::{
    DaemonFound, DaemonReply, Ended, Found, InRow, InboxOp, InboxQuery, Reader, Reply, Sifting,
};
use crate::time::{Now, Wall};

/// Where to go on when the store of the inbox has answered.
#[derive(Debug)]
pub(super) enum After {
    /// A message is on disk.
    Received(LaneKey, Box<InRow>),
    /// A message that could not be kept is on disk after all, or is not.
    Probed(LaneKey, Box<InRow>),
    /// How much room all messages take is known.
    Room,
    /// Old messages are gone.
    Pruned,
    /// A program wants to see so many rows, and to mark them with them.
    Listed(ConnId, Option<Reader>, u32),
    /// What it saw is marked.
    Marked(ConnId, Page),
    /// It marked rows.
    Seen(ConnId),
    /// It removed rows: those that its request meant, or this one.
    Removed(ConnId, Option<String>),
}

/// Rows as a program is shown them.
#[derive(Debug)]
pub(super) struct Page {
    items: Vec<Value>,
    /// Those among them that were not seen.
    unread: Vec<Box<str>>,
    /// There are further rows that were asked for.
    is_cut: bool,
}

/// Rows of a page that asks for no number, and the most there can be.
const PAGE: (u32, u32) = (100, 1_000);

impl Daemon {
    /// What comes of a store request of the inbox.
    pub(super) fn inbox_stored(&mut self, now: Now, after: After, ended: Ended, todo: &mut Outputs) {
        let (conn, answer) = match after {
            After::Received(key, row) => return self.kept(now, key, &row, &ended, todo),
            After::Probed(key, row) => return self.probed(now, key, &row, &ended, todo),
            After::Room => return self.inbox_measured(ended),
            After::Pruned => return self.pruned(&ended),
            After::Listed(conn, reader, limit) => match self.listed(now, conn, reader, limit, ended) {
                Some(answer) => (conn, answer),
                None => return,
            },
            After::Marked(conn, page) => (conn, changed(ended, |marked| page.body(marked))),
            After::Seen(conn) => (conn, changed(ended, |marked| json!({ "marked_seen": marked }))),
            After::Removed(conn, None) => {
                self.measure_inbox();
                (conn, changed(ended, |removed| json!({ "removed": removed })))
            }
            After::Removed(conn, Some(id)) => {
                self.measure_inbox();
                let is_gone = matches!(ended, Ended::Done(Reply::Daemon(DaemonReply::Changed { rows: 0 })));
                let found = changed(ended, |removed| json!({ "removed": removed, "id": id }));
                let missing = || Answer::new(404, json!({ "error": "not found", "id": id }));
                (conn, if is_gone { missing() } else { found })
            }
        };
        self.answer(now, conn, &answer, todo);
    }

    /// `GET /v1/inbox`
    pub(super) fn list_inbox(
        &mut self,
        conn: ConnId,
        token: Option<Token>,
        query: &Query<'_>,
    ) -> Result<(), Answer> {
        let limit = match query.find("limit") {
            None => PAGE.0,
            Some(limit) => {
                let limit = limit.parse().ok().filter(|limit| (1..=PAGE.1).contains(limit));
                limit.ok_or_else(|| Answer::error(400, "limit is no number from 1 to 1000"))?
            }
        };
        let time = |name: &'static str| match query.find(name) {
            None => Ok(None),
            Some(text) => {
                let bad = || Answer::error(400, &format!("{name} is no time like 2026-01-02T03:04:05.678Z"));
                Wall::from_iso_loosely(&text).map(Some).ok_or_else(bad)
            }
        };
        let reader = self.reader(token);
        let sifting = Sifting {
            mesh: self.context_mesh(query, token)?,
            topic: query.find("topic").map(Into::into),
            from: query.find("from").map(|from| from.to_ascii_lowercase().into()),
            since: time("since")?,
            before: time("before")?,
            unread: query.find("unread_only").as_deref() == Some("true"),
            ..Sifting::all(reader.clone())
        };
        let marks = query.find("mark_seen").as_deref() != Some("false");
        let after = After::Listed(conn, marks.then_some(reader), limit);
        // One more tells whether there are more.
        self.ask_in(InboxQuery::List { sifting, limit: limit.saturating_add(1) }, after);
        Ok(())
    }

    /// `POST /v1/inbox/seen`
    pub(super) fn mark_seen(
        &mut self,
        now: Now,
        conn: ConnId,
        token: Option<Token>,
        body: &Value,
    ) -> Result<(), Answer> {
        let ids = body.get("ids").and_then(Value::as_array).filter(|ids| !ids.is_empty());
        let ids: Option<Vec<Box<str>>> =
            ids.and_then(|ids| ids.iter().map(|id| id.as_str().map(Into::into)).collect());
        let ids = ids.ok_or_else(|| Answer::error(400, "ids is no list of ids"))?;
        let op = InboxOp::See { reader: self.reader(token), ids, at: now.wall };
        self.stage_in(op, After::Seen(conn));
        Ok(())
    }

    /// `DELETE /v1/inbox` and `DELETE /v1/inbox/:id`
    pub(super) fn remove_inbox(
        &mut self,
        conn: ConnId,
        token: Option<Token>,
        query: &Query<'_>,
        id: Option<String>,
    ) -> Result<(), Answer> {
        let before = match query.find("before") {
            None => None,
            Some(text) => {
                Some(Wall::from_iso_loosely(&text).ok_or_else(|| Answer::error(400, "before is no time"))?)
            }
        };
        let mesh = match id {
            Some(_) => None,
            None => self.context_mesh(query, token)?,
        };
        let sifting = Sifting { mesh, before, ..Sifting::all(self.reader(token)) };
        let ids = id.as_deref().map(|id| vec![id.into()]);
        self.stage_in(InboxOp::Remove { sifting, ids }, After::Removed(conn, id));
        Ok(())
    }

    /// Rows were found: answers, or marks them first.
    fn listed(
        &mut self,
        now: Now,
        conn: ConnId,
        reader: Option<Reader>,
        limit: u32,
        ended: Ended,
    ) -> Option<Answer> {
        let rows = match ended {
            Ended::Found(found) => match *found {
                Found::Daemon(DaemonFound::In(rows)) => rows,
                _ => Vec::new(),
            },
            Ended::Done(_) => Vec::new(),
            Ended::Refused(error) => return Some(refused(&error)),
        };
        let page = Page::of(&rows, size(limit.into()), size(self.bounds.local_page_bytes_max()));
        match reader {
            Some(reader) if !page.unread.is_empty() => {
                let op = InboxOp::See { reader, ids: page.unread.clone(), at: now.wall };
                self.stage_in(op, After::Marked(conn, page));
                None
            }
            Some(_) | None => Some(Answer::new(200, page.body(0))),
        }
    }

    /// Whose rows a program may see. A session without a key of its own sees its member's.
    fn reader(&self, token: Option<Token>) -> Reader {
        let token = token.filter(|_| !planted("session_reads_everything"));
        let Some(session) = token.and_then(|token| self.sessions.find(token)) else { return Reader::Host };
        let siblings = self.sessions.iter().filter(|other| other.mesh == session.mesh);
        let own = session.public_key();
        let keys = siblings.filter_map(Session::public_key).filter(|key| Some(*key) != own).collect();
        Reader::AllBut { mesh: self.config.meshes[session.mesh].slug.as_str().into(), keys }
    }

    /// The mesh that a question is about: the one that is named, else the session's, else all.
    fn context_mesh(&self, query: &Query<'_>, token: Option<Token>) -> Result<Option<Box<str>>, Answer> {
        let named = query.find("mesh").filter(|slug| !slug.trim().is_empty());
        if let Some(slug) = named {
            let unknown = || Answer::new(404, json!({ "error": "mesh_not_attached", "mesh": slug }));
            let mesh = self.mesh_of(slug.trim()).ok_or_else(unknown)?;
            return Ok(Some(self.config.meshes[mesh].slug.as_str().into()));
        }
        let session = token.and_then(|token| self.sessions.find(token));
        Ok(session.map(|session| self.config.meshes[session.mesh].slug.as_str().into()))
    }
}

/// The answer to a write that changes rows.
fn changed(ended: Ended, body: impl FnOnce(u64) -> Value) -> Answer {
    match ended {
        Ended::Done(Reply::Daemon(DaemonReply::Changed { rows })) => Answer::new(200, body(rows)),
        Ended::Refused(error) => refused(&error),
        Ended::Done(_) | Ended::Found(_) => Answer::error(500, "internal"),
    }
}

impl Page {
    /// As many rows as fit, and one at least.
    fn of(rows: &[InRow], rows_max: usize, bytes_max: usize) -> Page {
        let mut page = Page { items: Vec::new(), unread: Vec::new(), is_cut: false };
        let mut bytes = 0_usize;
        for row in rows {
            let item = item(row);
            bytes = bytes.saturating_add(item.to_string().len());
            let is_over = page.items.len() >= rows_max || !page.items.is_empty() && bytes > bytes_max;
            if is_over {
                page.is_cut = true;
                break;
            }
            page.items.push(item);
            page.unread.extend(row.seen_at.is_none().then(|| row.id.clone()));
        }
        page
    }

    fn body(self, marked: u64) -> Value {
        json!({ "items": self.items, "marked_seen": marked, "more": self.is_cut })
    }
}

/// A row as programs see it. What could not be opened says so, and says nothing else.
fn item(row: &InRow) -> Value {
    json!({
        "id": row.id,
        "client_message_id": row.client_message_id,
        "broker_message_id": row.broker_message_id,
        "mesh": row.mesh,
        "topic": row.topic,
        "sender_pubkey": row.sender_pubkey,
        "sender_member_pubkey": row.sender_member_pubkey,
        "sender_name": row.sender_name,
        "body": row.body,
        "decrypt_failed": row.body.is_none(),
        "sealed": row.sealed,
        "priority": row.priority.word(),
        "received_at": row.received_at.iso(),
        "created_at": row.created_at,
        "reply_to_id": row.reply_to,
        "seen_at": row.seen_at.map(Wall::iso),
        "recipient_pubkey": row.recipient.hex(),
        "recipient_kind": row.recipient_kind.word(),
    })
}
