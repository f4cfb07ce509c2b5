//! Keeps what comes: opens it, writes it down, and acknowledges it once it is on disk.
//!
//! *Decides* what a push is: an event that is only told, a message, an echo of ours, or something that cannot
//! be opened, which is kept and marked as such.
//! *Always holds:* nothing is acknowledged before it is durable, and a repetition is acknowledged too. Only a
//! message that was not there before is told of.

use serde_json::{Value, json};

use super::events::Kind;
use super::shelf::After;
use super::{Daemon, LaneKey, Timer};
use crate::ids::{PublicKey, mint_text};
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::seal::{self, Sealed};
use crate::store::{DaemonReply, Ended, InRow, InboxOp, Priority, Reader, RecipientKind, Reply, Sifting};
use crate::time::Now;

impl Daemon {
    /// A broker pushed something.
    pub(super) fn pushed(&mut self, now: Now, key: LaneKey, push: &Value, todo: &mut Outputs) {
        let text = |name: &str| push.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        if text("subtype") == Some("system") {
            // Every socket of a mesh hears the same, so one of them tells it.
            if key.session.is_none() {
                self.event_came(now, key, push, todo);
            }
            return;
        }
        let broker_id = text("messageId").map(Box::from);
        let named = text("client_message_id").or_else(|| text("messageId")).map(Box::from);
        let client_message_id = named.unwrap_or_else(|| mint_text(&mut self.rng).into());
        let (sealed, body) = self.open(key, push);
        let row = InRow {
            seq: 0,
            id: mint_text(&mut self.rng).into(),
            client_message_id,
            broker_message_id: broker_id,
            mesh: self.config.meshes[key.mesh].slug.as_str().into(),
            topic: text("topic").map(Box::from),
            reply_to: text("replyToId").map(Box::from),
            sender_pubkey: text("senderPubkey").unwrap_or_default().into(),
            sender_member_pubkey: text("senderMemberPubkey").map(Box::from),
            sender_name: sender_name(push).into(),
            priority: text("priority").and_then(Priority::parse).unwrap_or(Priority::Next),
            body: body.map(Box::from),
            sealed,
            created_at: text("createdAt").map(Box::from),
            received_at: now.wall,
            seen_at: None,
            recipient: self.own_key(key),
            recipient_kind: match key.session {
                Some(_) => RecipientKind::Session,
                None => RecipientKind::Member,
            },
        };
        if self.is_echo(key, &row) {
            return self.acknowledge(now, key, &row, todo);
        }
        // Without our word the broker sends it again.
        if self.pressure.is_inbox_shut || self.is_inbox_full() {
            return;
        }
        if planted("inbox_acked_before_commit") {
            self.acknowledge(now, key, &row, todo);
        }
        self.stage_in(InboxOp::Receive(Box::new(row.clone())), After::Received(key, Box::new(row)));
    }

    /// A message is on disk, or is not.
    pub(super) fn kept(&mut self, now: Now, key: LaneKey, row: &InRow, ended: &Ended, todo: &mut Outputs) {
        match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Inserted)) => {
                self.inbox_grew(row);
                self.acknowledge(now, key, row, todo);
                // Mail for a session that has ended is its member's.
                let recipient = Some(match self.is_estate(key) {
                    true => (RecipientKind::Member, self.config.meshes[key.mesh].public_key()),
                    false => (row.recipient_kind, row.recipient),
                });
                self.tell(now, Kind::Message, Some(key.mesh), recipient, fields(row), todo);
            }
            Ended::Done(_) => self.acknowledge(now, key, row, todo),
            // Without our word the broker sends it again.
            Ended::Found(_) | Ended::Refused(_) => {
                self.inbox_refused(now, key, row, ended);
                let note = Note::new(Level::Error, "inbox_insert_failed").with("mesh", &*row.mesh);
                self.notes.push(match ended {
                    Ended::Refused(error) => note.with("error", error.to_string()),
                    Ended::Found(_) | Ended::Done(_) => note,
                });
            }
        }
    }

    /// Removes what is old. A clock that runs ahead makes nothing older.
    pub(super) fn prune_inbox(&mut self, now: Now) {
        let by = self.began.map_or(now, |began| now.aging_since(began));
        let before = Some(by.wall.before_millis(self.bounds.inbox_retention_ms()));
        let sifting = Sifting { before, ..Sifting::all(Reader::Host) };
        self.stage_in(InboxOp::Remove { sifting, ids: None }, After::Pruned);
        self.timers.arm(Timer::Prune, now.mono.after_millis(self.bounds.inbox_sweep_ms()));
    }

    pub(super) fn pruned(&mut self, ended: &Ended) {
        let days = self.bounds.inbox_retention_ms() / 86_400_000;
        match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Changed { rows })) => {
                let note = Note::new(Level::Info, "inbox_prune_completed").with("removed", *rows);
                self.notes.push(note.with("retention_days", days));
                self.measure_inbox();
            }
            Ended::Done(_) | Ended::Found(_) => {}
            Ended::Refused(error) => {
                self.notes
                    .push(Note::new(Level::Warn, "inbox_prune_failed").with("error", error.to_string()));
            }
        }
    }

    pub(super) fn acknowledge(&mut self, now: Now, key: LaneKey, row: &InRow, todo: &mut Outputs) {
        let mut ack = json!({ "type": "client_ack", "clientMessageId": row.client_message_id });
        if let Some(id) = &row.broker_message_id {
            ack["brokerMessageId"] = json!(id);
        }
        // Where the socket is gone the broker sends it again, and hears then that we have it.
        self.with_uplink(now, key, todo, |uplink, cx| uplink.send(&ack, cx));
    }

    /// Tells of what happened in a mesh, unless it was ourselves.
    fn event_came(&mut self, now: Now, key: LaneKey, push: &Value, todo: &mut Outputs) {
        let Some(event) = push.get("event").and_then(Value::as_str) else { return };
        let about = push.get("eventData").cloned().unwrap_or_default();
        let subject = about.get("pubkey").and_then(Value::as_str).and_then(PublicKey::from_hex);
        let is_ours = |subject: PublicKey| {
            subject == self.config.meshes[key.mesh].public_key()
                || self.sessions.iter().any(|session| session.public_key() == Some(subject))
                || self.is_estate(LaneKey { mesh: key.mesh, session: Some(subject) })
        };
        if subject.is_some_and(is_ours) {
            return;
        }
        let (kind, fields) = match (event, &about) {
            ("peer_joined", Value::Object(about)) => (Kind::PeerJoin, Value::Object(about.clone())),
            ("peer_left", Value::Object(about)) => (Kind::PeerLeave, Value::Object(about.clone())),
            _ => (Kind::System, json!({ "eventData": about })),
        };
        let mut fields = fields;
        fields["event"] = event.into();
        self.tell(now, kind, Some(key.mesh), None, fields, todo);
    }

    /// Whether a message was sealed, and what it says; nothing when none of our keys opens it.
    fn open(&self, key: LaneKey, push: &Value) -> (bool, Option<String>) {
        let text = |name: &str| push.get(name).and_then(Value::as_str).unwrap_or_default();
        let body = Sealed { nonce: text("nonce").to_owned(), ciphertext: text("ciphertext").to_owned() };
        let mesh = &self.config.meshes[key.mesh];
        let member = mesh.signing_key();
        let session = self.uplinks.get(&key).and_then(|uplink| uplink.persona.as_ref());
        let own = session.map(|persona| &persona.key).into_iter().chain([&member]);
        let from = PublicKey::from_hex(text("senderPubkey"));
        let opened = from.and_then(|from| {
            let current = own.into_iter().find_map(|key| seal::open(key, from, &body).ok());
            let by_former = |secret| seal::open_by(secret, from, &body).ok();
            current.or_else(|| mesh.former.iter().find_map(by_former))
        });
        match opened {
            Some(text) => (true, Some(text)),
            None => {
                let plain = seal::read_plainly(&body);
                (plain.is_none(), plain)
            }
        }
    }

    /// Ours come back where a broker sends what is meant for all to their sender too.
    fn is_echo(&self, key: LaneKey, row: &InRow) -> bool {
        let own = self.own_key(key).hex();
        match key.session {
            // Siblings have the same member, so only the session's own key tells.
            Some(_) => *row.sender_pubkey == own,
            None => row.sender_member_pubkey.as_deref() == Some(&own),
        }
    }

    fn own_key(&self, key: LaneKey) -> PublicKey {
        key.session.unwrap_or_else(|| self.config.meshes[key.mesh].public_key())
    }
}

fn sender_name(push: &Value) -> &str {
    let text = |name: &str| push.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("senderName") {
        "" => text("senderPubkey").get(..8).unwrap_or_default(),
        name => name,
    }
}

/// A message as an event tells of it, after its time and mesh.
fn fields(row: &InRow) -> Value {
    json!({
        "id": row.id,
        "client_message_id": row.client_message_id,
        "broker_message_id": row.broker_message_id,
        "sender_pubkey": row.sender_pubkey,
        "sender_member_pubkey": row.sender_member_pubkey,
        "sender_name": row.sender_name,
        "topic": row.topic,
        "reply_to_id": row.reply_to,
        "priority": row.priority.word(),
        "body": row.body,
        "decrypt_failed": row.body.is_none(),
        "sealed": row.sealed,
        "created_at": row.created_at,
        "recipient_pubkey": row.recipient.hex(),
        "recipient_kind": row.recipient_kind.word(),
    })
}
