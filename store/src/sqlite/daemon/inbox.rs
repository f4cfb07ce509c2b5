//! Rows of the inbox: written and read.

use peermesh_core::ids::PublicKey;
use peermesh_core::store::{
    DaemonFound, DaemonReply, InRow, InboxOp, InboxQuery, Reader, RecipientKind, Sifting,
};
use peermesh_core::time::Wall;
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use crate::rows::{self, BadRow};
use crate::sqlite::trouble::Trouble;
use crate::sqlite::write::run;

const INSERT: &str = "INSERT INTO inbox (id, client_message_id, broker_message_id, mesh, topic, reply_to_id, \
    sender_pubkey, sender_member_pubkey, sender_name, priority, body, created_at, received_at, \
    recipient_pubkey, recipient_kind, sealed) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)";
const KNOWN: &str = "SELECT id FROM inbox WHERE mesh = ?1 AND recipient_pubkey = ?2 AND sender_pubkey = ?3 \
    AND client_message_id = ?4";
const SELECT: &str = "SELECT seq, id, client_message_id, broker_message_id, mesh, topic, reply_to_id, \
    sender_pubkey, sender_member_pubkey, sender_name, priority, body, created_at, received_at, seen_at, \
    recipient_pubkey, recipient_kind, sealed FROM inbox WHERE ";

/// Performs one operation.
pub(super) fn write(conn: &Connection, op: &InboxOp) -> Result<DaemonReply, Trouble> {
    match op {
        InboxOp::Receive(row) => receive(conn, row),
        InboxOp::See { reader, ids, at } => {
            let unread = Sifting { unread: true, ..Sifting::all(reader.clone()) };
            let mut clause = Clause::of(&unread, Some(ids));
            clause.values.push(at.as_millis().into());
            let sql = format!("UPDATE inbox SET seen_at = ?{} WHERE {}", clause.values.len(), clause.text());
            changed(conn, &sql, clause.values)
        }
        InboxOp::Remove { sifting, ids } => {
            let clause = Clause::of(sifting, ids.as_deref());
            changed(conn, &format!("DELETE FROM inbox WHERE {}", clause.text()), clause.values)
        }
    }
}

/// Answers one question.
pub(super) fn find(conn: &Connection, query: &InboxQuery) -> Result<DaemonFound, Trouble> {
    match query {
        InboxQuery::List { sifting, limit } => list(conn, sifting, *limit),
        // What was removed leaves pages behind that the next rows take.
        InboxQuery::Room => {
            let pragma = |name: &str| -> Result<u64, Trouble> {
                Ok(rows::count(conn.query_row(&format!("PRAGMA {name}"), (), |row| row.get(0))?)?)
            };
            let used = pragma("page_count")?.saturating_sub(pragma("freelist_count")?);
            Ok(DaemonFound::Room { bytes: used.saturating_mul(pragma("page_size")?) })
        }
    }
}

fn list(conn: &Connection, sifting: &Sifting, limit: u32) -> Result<DaemonFound, Trouble> {
    let mut clause = Clause::of(sifting, None);
    clause.values.push(i64::from(limit).into());
    let place = clause.values.len();
    let sql = format!("{SELECT}{} ORDER BY received_at DESC, seq DESC LIMIT ?{place}", clause.text());
    let mut read = conn.prepare_cached(&sql)?;
    let mut found = read.query(params_from_iter(clause.values))?;
    let mut rows = Vec::new();
    while let Some(found) = found.next()? {
        rows.push(row(found)?);
    }
    Ok(DaemonFound::In(rows))
}

fn receive(conn: &Connection, row: &InRow) -> Result<DaemonReply, Trouble> {
    let recipient = row.recipient.hex();
    let mut read = conn.prepare_cached(KNOWN)?;
    let key = params![row.mesh, recipient, row.sender_pubkey, row.client_message_id];
    let known: Option<Box<str>> = read.query_row(key, |row| row.get(0)).optional()?;
    match known {
        // The same row again is the same write, of which nobody knew whether it had been done.
        Some(id) if id == row.id => return Ok(DaemonReply::Inserted),
        Some(_) => return Ok(DaemonReply::Existing),
        None => {}
    }
    let values = params![
        row.id,
        row.client_message_id,
        row.broker_message_id,
        row.mesh,
        row.topic,
        row.reply_to,
        row.sender_pubkey,
        row.sender_member_pubkey,
        row.sender_name,
        row.priority.rank(),
        row.body,
        row.created_at,
        row.received_at.as_millis(),
        recipient,
        row.recipient_kind.word(),
        row.sealed,
    ];
    run(conn, INSERT, values)?;
    Ok(DaemonReply::Inserted)
}

fn changed(conn: &Connection, sql: &str, values: Vec<Value>) -> Result<DaemonReply, Trouble> {
    let rows = run(conn, sql, params_from_iter(values))?;
    Ok(DaemonReply::Changed { rows: u64::try_from(rows).unwrap_or(u64::MAX) })
}

/// What follows a `WHERE`. Only places of values are put into the text, never a value.
struct Clause {
    conditions: Vec<String>,
    values: Vec<Value>,
}

impl Clause {
    fn of(sifting: &Sifting, ids: Option<&[Box<str>]>) -> Clause {
        let Sifting { reader, mesh, topic, from, since, before, unread } = sifting;
        let mut clause = Clause { conditions: vec!["1".to_owned()], values: Vec::new() };
        if let Reader::AllBut { mesh, keys } = reader {
            clause.need("mesh = ?", [text(mesh)]);
            clause.need_one_of("recipient_pubkey NOT", keys.iter().map(|key| key.hex().into()));
        }
        if let Some(mesh) = mesh {
            clause.need("mesh = ?", [text(mesh)]);
        }
        if let Some(topic) = topic {
            clause.need("topic = ?", [text(topic)]);
        }
        if let Some(from) = from {
            clause.need("(sender_pubkey = ? OR sender_member_pubkey = ?)", [text(from), text(from)]);
        }
        if let Some(since) = since {
            clause.need("received_at >= ?", [since.as_millis().into()]);
        }
        if let Some(before) = before {
            clause.need("received_at < ?", [before.as_millis().into()]);
        }
        if *unread {
            clause.need("seen_at IS NULL", []);
        }
        if let Some(ids) = ids {
            clause.need_one_of("id", ids.iter().map(|id| text(id)));
        }
        clause
    }

    /// Adds a condition; each `?` of it takes the next of the values.
    fn need<const N: usize>(&mut self, condition: &str, values: [Value; N]) {
        let mut parts = condition.split('?');
        let mut numbered = parts.next().unwrap_or_default().to_owned();
        for (value, part) in values.into_iter().zip(parts) {
            self.values.push(value);
            numbered.push_str(&format!("?{}{part}", self.values.len()));
        }
        self.conditions.push(numbered);
    }

    fn need_one_of(&mut self, column: &str, values: impl Iterator<Item = Value>) {
        let mut places = Vec::new();
        for value in values {
            self.values.push(value);
            places.push(format!("?{}", self.values.len()));
        }
        self.conditions.push(format!("{column} IN ({})", places.join(", ")));
    }

    fn text(&self) -> String {
        self.conditions.join(" AND ")
    }
}

fn text(text: &str) -> Value {
    text.to_owned().into()
}

fn row(row: &Row<'_>) -> Result<InRow, Trouble> {
    let (recipient, kind): (String, String) = (row.get(15)?, row.get(16)?);
    let recipient = PublicKey::from_hex(&recipient).ok_or(BadRow("a recipient's key is none"))?;
    let kinds = [RecipientKind::Member, RecipientKind::Session];
    let recipient_kind = kinds.into_iter().find(|known| known.word() == kind);
    Ok(InRow {
        seq: rows::count(row.get(0)?)?,
        id: row.get(1)?,
        client_message_id: row.get(2)?,
        broker_message_id: row.get(3)?,
        mesh: row.get(4)?,
        topic: row.get(5)?,
        reply_to: row.get(6)?,
        sender_pubkey: row.get(7)?,
        sender_member_pubkey: row.get(8)?,
        sender_name: row.get(9)?,
        priority: rows::priority(row.get(10)?)?,
        body: row.get(11)?,
        sealed: row.get(17)?,
        created_at: row.get(12)?,
        received_at: Wall::from_millis(row.get(13)?),
        seen_at: row.get::<_, Option<i64>>(14)?.map(Wall::from_millis),
        recipient,
        recipient_kind: recipient_kind.ok_or(BadRow("a kind of recipient is none"))?,
    })
}
