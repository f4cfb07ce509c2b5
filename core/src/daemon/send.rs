//! Takes what a program of the host wants sent (`POST /v1/send`).
//!
//! *Decides* whether the request can be taken, in this order: its form, its mesh, its key, room, its
//! recipient. A request whose key was used is answered by what became of that one, before anybody is looked
//! up or anything is sealed.
//! *Always holds:* a key is used exactly when its row is in the outbox.

use serde_json::{Value, json};

use super::drain::After;
use super::outbox::{self, Answer, Likeness};
use super::pressure::Level;
use super::sessions::Token;
use super::target::{self, Target};
use super::{Call, Daemon, LaneKey, negotiate};
use crate::fingerprint::{DestinationKind, ENVELOPE_VERSION, Layout, Request};
use crate::ids::{ConnId, PublicKey, mint_text};
use crate::machine::Outputs;
use crate::planted::planted;
use crate::seal::{self, Sealed};
use crate::store::{
    DaemonFound, DaemonReply, Ended, Found, OutRow, OutStatus, OutboxOp, OutboxQuery, Priority, Reply,
    StoreError,
};
use crate::time::{Now, Wall};

/// What a program wants sent.
#[derive(Debug)]
pub(super) struct Wish {
    conn: ConnId,
    likeness: Likeness,
    key: LaneKey,
    to: String,
    message: String,
    priority: Priority,
    reply_to: Option<String>,
}

/// A row that is being written, and who waits for it.
#[derive(Debug)]
pub(super) struct Accepting {
    conn: ConnId,
    likeness: Likeness,
    key: LaneKey,
    bytes: u64,
}

/// Fields of a request that are texts. One of another kind is refused: a key that is a number, taken for
/// none, would make a second message of every repetition.
const TEXTS: [&str; 6] = ["to", "message", "priority", "reply_to_id", "client_message_id", "mesh"];
/// Longest key of idempotency, in bytes: what brokers take.
const KEY_BYTES_MAX: usize = 256;

impl Daemon {
    /// A program wants something sent. `header` is its key of idempotency where the body has none.
    pub(super) fn take_send(
        &mut self,
        conn: ConnId,
        token: Option<Token>,
        header: Option<&str>,
        body: &Value,
    ) -> Result<(), Answer> {
        let is_no_text =
            |name: &&&str| body.get(**name).is_some_and(|had| !had.is_string() && !had.is_null());
        if let Some(name) = TEXTS.iter().find(is_no_text) {
            return Err(Answer::error(400, &format!("{name} is no text")));
        }
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let to = text("to").map(str::trim).filter(|to| !to.is_empty());
        let to = to.ok_or_else(|| Answer::error(400, "to is missing"))?;
        let message = text("message").filter(|message| !message.is_empty());
        let message = message.ok_or_else(|| Answer::error(400, "message is missing"))?;
        let priority = match text("priority") {
            None => Priority::Next,
            Some(word) => Priority::parse(word)
                .ok_or_else(|| Answer::error(400, "priority is none of now, next, low"))?,
        };
        let named = text("client_message_id").or(header).filter(|key| !key.is_empty());
        if named.is_some_and(|key| key.len() > KEY_BYTES_MAX) {
            return Err(Answer::error(400, "client_message_id is too long"));
        }
        let is_fresh = named.is_none();
        let client_message_id = named.map_or_else(|| mint_text(&mut self.rng), str::to_owned);
        let (mesh, session) = self.write_mesh(text("mesh"), token)?;
        let reply_to = text("reply_to_id").filter(|id| !id.is_empty());
        let meta = body.get("meta").filter(|meta| !meta.is_null()).map(Value::to_string);
        let (destination_kind, destination_ref) = DestinationKind::of(to);
        let request = Request {
            envelope_version: ENVELOPE_VERSION,
            destination_kind,
            destination_ref,
            reply_to_id: reply_to,
            priority,
            meta: meta.as_deref().map(str::as_bytes),
            body: message.as_bytes(),
        };
        let fingerprint =
            request.fingerprint(Layout::Raw).map_err(|error| Answer::error(400, &error.to_string()))?;
        let slug = self.config.meshes[mesh].slug.clone();
        let wish = Wish {
            conn,
            likeness: Likeness { client_message_id, mesh: slug, fingerprint: fingerprint.0 },
            key: LaneKey { mesh, session },
            to: to.to_owned(),
            message: message.to_owned(),
            priority,
            reply_to: reply_to.map(str::to_owned),
        };
        // A fresh key has no row; still one way for both keeps one order.
        let key = if is_fresh { "" } else { wish.likeness.client_message_id.as_str() };
        self.ask_out(OutboxQuery::Key(key.into()), After::Looked(Box::new(wish)));
        Ok(())
    }

    /// Whether the key was used is known.
    pub(super) fn looked(&mut self, now: Now, wish: Wish, ended: Ended, todo: &mut Outputs) {
        let rows = match ended {
            Ended::Found(found) => match *found {
                Found::Daemon(DaemonFound::Out(rows)) => rows,
                _ => Vec::new(),
            },
            Ended::Done(_) => Vec::new(),
            Ended::Refused(error) => return self.answer(now, wish.conn, &refused(&error), todo),
        };
        if let Some(row) = rows.first() {
            return self.answer(now, wish.conn, &outbox::known(row, &wish.likeness), todo);
        }
        if planted("queued_before_commit") {
            self.answer(now, wish.conn, &outbox::accepted(&wish.likeness.client_message_id), todo);
        }
        if self.outbox_level() == Level::Full {
            return self.answer(now, wish.conn, &no_room(), todo);
        }
        match Target::read(&wish.to) {
            Target::Many(spec) => {
                let body = seal::plain(&wish.message, self.nonce());
                self.enqueue(now, wish, spec, body, todo);
            }
            Target::Key(key) => self.seal_for(now, wish, key, todo),
            Target::One(_) => self.look_up(now, wish, todo),
        }
    }

    /// Asks the broker who belongs to the mesh. Where it is away, the last answer counts.
    fn look_up(&mut self, now: Now, wish: Wish, todo: &mut Outputs) {
        let member = LaneKey { mesh: wish.key.mesh, session: None };
        let question = json!({ "type": "list_peers", "all": true });
        // Its mesh may have been left meanwhile.
        if !self.uplinks.contains_key(&member) {
            return self.roster_came(now, wish, None, todo);
        }
        let call = Call::Route(Box::new(wish));
        let unasked = self.with_uplink(now, member, todo, |uplink, cx| uplink.call(question, call, cx));
        if let Some(Some(Call::Route(wish))) = unasked {
            self.roster_came(now, *wish, None, todo);
        }
    }

    /// Who belongs to the mesh is known, as well as it can be.
    pub(super) fn roster_came(&mut self, now: Now, wish: Wish, answer: Option<Value>, todo: &mut Outputs) {
        let broker = &mut self.brokers[wish.key.mesh];
        if let Some(Value::Array(peers)) =
            answer.and_then(|mut answer| answer.get_mut("peers").map(Value::take))
        {
            broker.roster = peers;
        }
        if broker.roster.is_empty() {
            let detail = "the broker cannot be asked who is meant; send to a key, or try again";
            return self.answer(now, wish.conn, &unroutable("broker_away", detail), todo);
        }
        match target::resolve(&wish.to, &broker.roster) {
            Ok(key) => self.seal_for(now, wish, key, todo),
            Err(detail) => self.answer(now, wish.conn, &unroutable("target", &detail), todo),
        }
    }

    fn seal_for(&mut self, now: Now, wish: Wish, to: PublicKey, todo: &mut Outputs) {
        let nonce = self.nonce();
        let member = self.config.meshes[wish.key.mesh].signing_key();
        let persona = self.uplinks.get(&wish.key).and_then(|uplink| uplink.persona.as_ref());
        let own = match (wish.key.session, persona) {
            (None, _) => &member,
            (Some(_), Some(persona)) => &persona.key,
            (Some(_), None) => {
                let detail = "the session ended before its message was taken";
                return self.answer(now, wish.conn, &unroutable("target", detail), todo);
            }
        };
        match seal::seal(own, to, &wish.message, nonce) {
            Some(body) => self.enqueue(now, wish, to.hex(), body, todo),
            None => {
                let detail = "the recipient's key cannot be written to";
                self.answer(now, wish.conn, &unroutable("target", detail), todo);
            }
        }
    }

    fn enqueue(&mut self, now: Now, wish: Wish, target: String, body: Sealed, todo: &mut Outputs) {
        if self.is_estate(wish.key) || wish.key.session.is_some() && !self.uplinks.contains_key(&wish.key) {
            let detail = "the session ended before its message was taken";
            return self.answer(now, wish.conn, &unroutable("target", detail), todo);
        }
        let count = |text: &str| u64::try_from(text.len()).unwrap_or(u64::MAX);
        let row = OutRow {
            seq: 0,
            id: mint_text(&mut self.rng).into(),
            client_message_id: wish.likeness.client_message_id.as_str().into(),
            fingerprint: wish.likeness.fingerprint,
            lane: self.lane_name(wish.key),
            target: target.into(),
            priority: wish.priority,
            nonce: body.nonce.into(),
            ciphertext: body.ciphertext.into(),
            reply_to: wish.reply_to.map(Into::into),
            payload_bytes: count(&wish.message),
            enqueued_at: self.stamp(now),
            next_attempt_at: now.wall,
            attempts: 0,
            refusals: 0,
            status: OutStatus::Pending,
            last_error: None,
            delivered_at: None,
            broker_message_id: None,
            aborted_at: None,
            aborted_by: None,
            superseded_by: None,
            reach: None,
        };
        // A broker may take no message that is longer than what it takes of one, with all that is around it.
        let length = outbox::send_frame(&row).to_string().len();
        let most = self.brokers[wish.key.mesh].features.as_ref().and_then(negotiate::payload_bytes);
        if let Some(most) = most.filter(|most| length > *most) {
            return self.answer(now, wish.conn, &too_long(length, most), todo);
        }
        let bytes = count(&row.ciphertext);
        let accepting = Accepting { conn: wish.conn, likeness: wish.likeness, key: wish.key, bytes };
        self.lane_expects(accepting.key);
        self.stage_out(OutboxOp::Enqueue(Box::new(row)), After::Enqueued(Box::new(accepting)));
    }

    /// The row is on disk, or is not.
    pub(super) fn enqueued(&mut self, now: Now, accepting: &Accepting, ended: Ended, todo: &mut Outputs) {
        let Accepting { conn, likeness, key, bytes } = accepting;
        self.lane_got(*key);
        let answer = match ended {
            Ended::Done(Reply::Daemon(DaemonReply::Inserted)) => {
                self.load.rows += 1;
                self.load.bytes += bytes;
                match self.brokers[key.mesh].is_left {
                    true => self.bury_mesh(likeness.mesh.as_str().into()),
                    false => self.wake_lane(now, *key),
                }
                outbox::accepted(&likeness.client_message_id)
            }
            Ended::Done(Reply::Daemon(DaemonReply::Known(row))) => outbox::known(&row, likeness),
            Ended::Refused(error) => refused(&error),
            Ended::Done(_) | Ended::Found(_) => Answer::error(500, "internal"),
        };
        self.answer(now, *conn, &answer, todo);
    }

    /// The time that stands for the beginning of a row's age. A wall clock that fell behind while this runs
    /// makes nothing old.
    pub(super) fn stamp(&self, now: Now) -> Wall {
        self.began.map_or(now, |began| now.stamping_since(began)).wall
    }

    /// The mesh that something is to be done in, and the session that does it: the one that is named, else
    /// the session's, else the only one.
    ///
    /// # Errors
    /// The answer to a request that names none, or one that was not joined.
    pub(super) fn write_mesh(
        &self,
        named: Option<&str>,
        token: Option<Token>,
    ) -> Result<(usize, Option<PublicKey>), Answer> {
        let session = token.and_then(|token| self.sessions.find(token));
        let named = named.map(str::trim).filter(|slug| !slug.is_empty());
        let attached: Vec<usize> = self.attached().collect();
        let mesh = match (named, session, attached.as_slice()) {
            (Some(slug), _, _) => self
                .mesh_of(slug)
                .ok_or_else(|| Answer::new(404, json!({ "error": "mesh_not_attached", "mesh": slug })))?,
            (None, Some(session), _) => session.mesh,
            (None, None, [only]) => *only,
            (None, None, _) => {
                let slug = |mesh: &usize| self.config.meshes[*mesh].slug.as_str();
                let attached: Vec<&str> = attached.iter().map(slug).collect();
                let detail = "several meshes are joined: name one";
                let body = json!({ "error": "mesh_required", "detail": detail, "attached": attached });
                return Err(Answer::new(400, body));
            }
        };
        // A session speaks as itself in its own mesh only.
        let own = session.filter(|session| session.mesh == mesh);
        Ok((mesh, own.and_then(super::sessions::Session::public_key)))
    }

    pub(super) fn nonce(&mut self) -> [u8; seal::NONCE_BYTES] {
        let mut nonce = [0; seal::NONCE_BYTES];
        self.rng.fill(&mut nonce);
        nonce
    }
}

/// `reason` is `broker_away` where the same request may succeed later, and `target` where it names nobody.
fn unroutable(reason: &str, detail: &str) -> Answer {
    Answer::new(502, json!({ "error": "route_failed", "reason": reason, "detail": detail }))
}

/// Here, and not by the broker, so that a program hears of it at once.
fn too_long(length: usize, most: usize) -> Answer {
    let detail = format!(
        "the message is {length} bytes long as it goes to the broker, sealed, and the broker takes {most}; \
         shorten it, or send it in parts"
    );
    Answer::new(413, json!({ "error": "payload_too_large", "detail": detail }))
}

fn no_room() -> Answer {
    let detail = "too much waits to be sent, or the disk is full";
    Answer::new(507, json!({ "error": "insufficient_storage", "detail": detail }))
}

/// The answer to a request that the store could not serve.
pub(super) fn refused(error: &StoreError) -> Answer {
    match error {
        StoreError::Full => no_room(),
        StoreError::Unavailable(_)
        | StoreError::Busy(_)
        | StoreError::Fenced(_)
        | StoreError::Corrupt(_)
        | StoreError::Unknown(_) => {
            Answer::new(503, json!({ "error": "store_unavailable", "detail": error.to_string() }))
        }
    }
}
