//! What may be seen of a daemon: every write of its two stores, every message it gives to a broker, every
//! answer and event for a program.
//!
//! | what is judged | by |
//! |---|---|
//! | what is told to be queued, or acknowledged, is on disk | the disk's own model, when it is said |
//! | a row leaves as itself, in its lane's order, on its own socket | the row, and the rows before it |
//! | a row ends with the truth | the brokers' store, the broker's own refusals, the row's true age |
//! | nobody's rows or events are shown to others | what belongs to the session that asks |

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use peermesh_core::store::{
    Attempt, DaemonOp, DaemonReply, InRow, InboxOp, OutRow, OutStatus, OutboxOp, Priority,
};
use serde_json::Value;

use super::Host;
use super::attic::{Written, id_of};
use super::program::{Letter, Program};
use crate::sim::cast::Identity;
use crate::sim::marks::Mark;
use crate::sim::oracle::ledger::{AttemptId, Meaning};
use crate::sim::oracle::rules::Rule;
use crate::sim::world::World;

/// What is known of one daemon, of all its lives.
#[derive(Debug, Default)]
pub(super) struct Books {
    /// When each row was written, by the true time in Unix milliseconds.
    written_at: BTreeMap<String, i64>,
    /// What was promised under each key.
    promised: BTreeMap<String, (String, String)>,
    /// When that was, by the true time in Unix milliseconds.
    promised_at: BTreeMap<String, i64>,
    /// Keys that were forgotten for their age: whoever uses one again means what he likes.
    forgotten: BTreeSet<String>,
    /// Keys that a broker refused for good.
    refused: BTreeSet<String>,
    /// Rows of which it is known that they were given up.
    dead: BTreeSet<String>,
    /// What came: mesh, recipient and key.
    came: BTreeSet<(String, String, String)>,
    /// Ids of rows that came, with whom they are for and in which mesh.
    ids: BTreeMap<String, (String, String)>,
    /// What came and was not acknowledged in this life.
    unacked: BTreeSet<(String, String, String)>,
    /// How far its clock was off at the start of a life at most, either way, in milliseconds.
    off_ms: i64,
    attempts: u64,
}

/// The shortest age at which a row is given up, in milliseconds: that of the dedupe of brokers here.
const AGE_MS: i64 = 144 * 3_600_000;
/// The shortest age at which a key is forgotten.
const KEY_AGE_MS: i64 = 96 * 3_600_000;
/// What a row may seem to be older than it is, in milliseconds.
const AGE_SLACK_MS: i64 = 60_000;

impl Books {
    pub(super) fn began(&mut self, ahead_ms: i64) {
        self.off_ms = self.off_ms.max(ahead_ms.abs());
    }

    pub(super) fn process_ended(&mut self) {
        self.unacked.clear();
    }

    pub(super) fn has_unacked(&self) -> bool {
        !self.unacked.is_empty()
    }

    /// A broker refused a key for good.
    pub(super) fn is_refused(&mut self, key: &str) {
        self.refused.insert(key.to_owned());
    }
}

impl Host {
    fn breaks(&self, world: &mut World, rule: Rule, text: &str) {
        world.breaks(rule, format!("host {}: {text}", self.place));
    }

    /// A write of the daemon took effect.
    pub(super) fn written(&mut self, world: &mut World, written: Written) {
        for (op, reply) in written {
            match op {
                DaemonOp::Outbox(op) => self.outbox_written(world, &op, &reply),
                DaemonOp::Inbox(op) => self.inbox_written(world, &op, &reply),
            }
        }
    }

    fn outbox_written(&mut self, world: &mut World, op: &OutboxOp, reply: &DaemonReply) {
        let row = id_of(op).and_then(|id| self.attic.row(id));
        match (op, reply) {
            (OutboxOp::Enqueue(new), DaemonReply::Inserted) => {
                world.tally.mark(Mark::OutboxQueued);
                let wall_ms = world.wall_ms();
                self.books.written_at.entry(new.id.as_ref().to_owned()).or_insert(wall_ms);
            }
            (OutboxOp::Requeue(requeue), DaemonReply::Requeued) => {
                let wall_ms = world.wall_ms();
                self.books.written_at.entry(requeue.new_id.as_ref().to_owned()).or_insert(wall_ms);
            }
            (OutboxOp::Settle { outcome: Attempt::Done { .. }, .. }, _) => {
                let Some(row) = row.filter(|row| row.status == OutStatus::Done) else { return };
                world.tally.mark(Mark::OutboxDelivered);
                if !self.is_at_broker(world, &row.lane.mesh, &row.client_message_id) {
                    let text = format!("{} is called done, and no broker has it", row.client_message_id);
                    self.breaks(world, Rule::I3, &text);
                }
            }
            (OutboxOp::Settle { outcome: Attempt::Dead { error }, .. }, _) => {
                let Some(row) = row.filter(|row| row.status == OutStatus::Dead) else { return };
                world.tally.mark(Mark::OutboxDead);
                let key = &*row.client_message_id;
                if !self.books.refused.contains(key) && !error.starts_with("max_attempts") {
                    let text = format!("{key} is given up, and nobody refused it: {error}");
                    self.breaks(world, Rule::I1, &text);
                }
                self.books.dead.insert(row.id.into());
            }
            (OutboxOp::Bury { .. }, DaemonReply::Changed { rows: 1.. }) => self.judge_burial(world),
            (OutboxOp::Forget(_), DaemonReply::Changed { rows: 1.. }) => self.judge_forgetting(world),
            // Nobody came back with the key of their session for a day.
            (OutboxOp::BuryLane { .. }, DaemonReply::Changed { rows: 1.. }) => {
                let dead = self.attic.dead();
                self.books.dead.extend(dead.into_iter().map(|row| row.id.into()));
            }
            (OutboxOp::Reclaim { .. }, DaemonReply::Changed { rows: 1.. }) => {
                world.tally.mark(Mark::OutboxReclaimed);
            }
            _ => {}
        }
    }

    /// Rows were given up because of their age.
    fn judge_burial(&mut self, world: &mut World) {
        for row in self.attic.dead() {
            let id: &str = &row.id;
            if !self.books.dead.insert(id.to_owned()) {
                continue;
            }
            world.tally.mark(Mark::OutboxExpired);
            let began = self.books.written_at.get(id).copied().unwrap_or(0);
            let age_ms = world.wall_ms() - began;
            if age_ms.saturating_add(self.books.off_ms) < AGE_MS - AGE_SLACK_MS {
                let error = row.last_error.unwrap_or_default();
                let text = format!("{} is given up at an age of {age_ms} ms: {error}", row.client_message_id);
                self.breaks(world, Rule::I1, &text);
            }
        }
    }

    /// Rows were forgotten because of their age, and their keys with them.
    fn judge_forgetting(&mut self, world: &mut World) {
        world.tally.mark(Mark::OutboxForgotten);
        let keys: Vec<String> = self.books.promised.keys().cloned().collect();
        for key in keys {
            if self.attic.row_of(&key).is_some() {
                continue;
            }
            let age_ms = world.wall_ms() - self.books.promised_at.remove(&key).unwrap_or(0);
            if age_ms.saturating_add(self.books.off_ms) < KEY_AGE_MS - AGE_SLACK_MS {
                self.breaks(world, Rule::I2, &format!("{key} is forgotten at an age of {age_ms} ms"));
            }
            self.books.promised.remove(&key);
            world.oracle.texts.remove(&key);
            self.books.forgotten.insert(key);
        }
    }

    fn inbox_written(&mut self, world: &mut World, op: &InboxOp, reply: &DaemonReply) {
        let InboxOp::Receive(row) = op else { return };
        let InRow { mesh, recipient, client_message_id, id, .. } = &**row;
        let place = (mesh.as_ref().to_owned(), recipient.hex(), client_message_id.as_ref().to_owned());
        match reply {
            DaemonReply::Inserted => {
                world.tally.mark(Mark::InboxKept);
                self.books.ids.insert(id.as_ref().to_owned(), (mesh.as_ref().to_owned(), recipient.hex()));
                self.books.unacked.insert(place.clone());
                self.books.came.insert(place);
                self.judge_text(world, row);
            }
            DaemonReply::Existing => {
                world.tally.mark(Mark::InboxRepeated);
                if !self.books.came.contains(&place) {
                    let text = format!("{client_message_id} is called known, and never came");
                    self.breaks(world, Rule::I5, &text);
                }
            }
            _ => {}
        }
    }

    /// What another host sealed is what this one opened.
    fn judge_text(&self, world: &mut World, row: &InRow) {
        let sent = world.oracle.texts.get(&*row.client_message_id);
        let Some((sender, text)) = sent.filter(|(sender, _)| **sender == *row.sender_pubkey) else { return };
        if row.body.as_deref() != Some(text) {
            let text = format!("{} of {sender} says {:?}", row.client_message_id, row.body);
            self.breaks(world, Rule::I2, &text);
        }
    }

    /// Whether brokers have a message of this host.
    pub(super) fn is_at_broker(&self, world: &World, mesh: &str, key: &str) -> bool {
        let Some(home) = self.homes.iter().find(|home| home.slug == mesh) else { return false };
        let who = home.identity.who;
        let (mesh, member) = (world.cast.meshes[who.mesh].no, world.cast.member(who).mailbox);
        world.disk.model.position_of(mesh, member, key).is_some()
    }

    /// The daemon gives a message to a broker.
    pub(super) fn judge_send(&mut self, world: &mut World, by: &Identity, frame: &Value) {
        let text = |name: &str| frame.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = text("client_message_id");
        let Some(row) = self.attic.row_of(key) else {
            return self.breaks(world, Rule::I2, &format!("{key} is sent, and is no row's key"));
        };
        if row.status != OutStatus::Inflight {
            let text = format!("{key} is sent, and its row is {}", row.status.word());
            return self.breaks(world, Rule::I2, &text);
        }
        let lane = row.lane.session.map_or_else(|| by.member_hex().to_owned(), |session| session.hex());
        if lane != by.hex || row.lane.mesh != format!("mesh-{}", by.who.mesh).into() {
            let text = format!("{key} of {lane} leaves on the socket of {}", by.hex);
            return self.breaks(world, Rule::I11, &text);
        }
        if text("targetSpec") != &*row.target || text("ciphertext") != &*row.ciphertext {
            return self.breaks(world, Rule::I2, &format!("{key} is sent as something else"));
        }
        self.judge_lane(world, &row);
        self.books.attempts += 1;
        // A key of the daemon's own making has no answer that is judged.
        let id = AttemptId { actor: self.place, no: u64::MAX - self.books.attempts };
        let id = AttemptId::parse(key).filter(|id| id.actor == self.place).unwrap_or(id);
        let meaning = Meaning {
            target: text("targetSpec").to_owned(),
            priority: Priority::parse(text("priority")).unwrap_or(Priority::Next),
            ciphertext: text("ciphertext").to_owned(),
            reply_to: None,
            fingerprint: Some(text("request_fingerprint").to_owned()),
        };
        let (at, model) = (world.now, &world.disk.model);
        world.oracle.sends(at, model, &world.cast, by.who, id, Some(key), Rc::new(meaning));
    }

    /// Nothing of its lane stands before a row that is sent (I4).
    fn judge_lane(&mut self, world: &mut World, row: &OutRow) {
        let waiting = self.attic.older(row);
        let older = waiting.iter().find(|older| {
            !self.books.refused.contains(&*older.client_message_id)
                && !self.is_at_broker(world, &older.lane.mesh, &older.client_message_id)
        });
        if let Some(older) = older {
            let (key, passed) = (&row.client_message_id, &older.client_message_id);
            let text = format!("{key} passes {passed}, which is {}", older.status.word());
            self.breaks(world, Rule::I4, &text);
        }
    }

    /// The daemon tells a broker that it has a message.
    pub(super) fn judge_ack(&mut self, world: &mut World, by: &Identity, frame: &Value) {
        let text = |name: &str| frame.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (key, id) = (text("clientMessageId"), text("brokerMessageId"));
        let place = (format!("mesh-{}", by.who.mesh), by.hex.clone(), key.unwrap_or_default().to_owned());
        if !self.books.came.contains(&place) {
            let text = format!("{key:?} is acknowledged for {}, and is not on disk", by.hex);
            return self.breaks(world, Rule::I3, &text);
        }
        self.books.unacked.remove(&place);
        world.oracle.acks(&world.disk.model, &world.cast, by, id, key);
    }

    /// A program is told what became of what it wants sent.
    pub(super) fn judge_answer(
        &mut self,
        world: &mut World,
        place: usize,
        letter: &Letter,
        status: u16,
        body: &Value,
    ) {
        let key = &letter.key;
        let content = (letter.to.clone(), letter.text.clone());
        let conflict = body["conflict"].as_str().unwrap_or_default();
        let row = self.attic.row_of(key);
        let promised = self.books.promised.get(key).cloned();
        if status == 409 {
            world.tally.mark(Mark::ProgramConflict);
            if conflict.ends_with("_mismatch") && promised.is_some_and(|first| first == content) {
                let text = format!("{key} is what came first, and is called {conflict}");
                self.breaks(world, Rule::I2, &text);
            }
            return;
        }
        let Some(row) = row else {
            let text = format!("{key} is told to be {body}, and is not on disk");
            return self.breaks(world, Rule::I3, &text);
        };
        if promised.as_ref().is_some_and(|first| *first != content) {
            return self.breaks(world, Rule::I2, &format!("{key} is another request, and is told {body}"));
        }
        if promised.is_some() {
            world.tally.mark(Mark::ProgramRepeated);
        }
        if status == 200 {
            let told = body["broker_message_id"].as_str().unwrap_or_default();
            if Some(told) != row.broker_message_id.as_deref() || row.status != OutStatus::Done {
                return self.breaks(world, Rule::I3, &format!("{key} is told to be done: {body}"));
            }
        }
        self.books.promised.insert(key.clone(), content);
        let wall_ms = world.wall_ms();
        self.books.promised_at.entry(key.clone()).or_insert(wall_ms);
        // A broker may know it with what it meant first.
        if self.books.forgotten.contains(key) {
            return;
        }
        let sender = match row.lane.session {
            Some(session) => session.hex(),
            None => self.homes[self.home_of(place)].identity.hex.clone(),
        };
        world.oracle.texts.insert(key.clone(), (sender, letter.text.clone()));
    }

    fn home_of(&self, place: usize) -> usize {
        self.programs[place].home
    }

    /// A program is shown rows of the inbox, for which it asked then.
    pub(super) fn judge_list(&mut self, world: &mut World, place: usize, body: &Value, since: u64) {
        for item in body["items"].as_array().into_iter().flatten() {
            let id = item["id"].as_str().unwrap_or_default();
            self.judge_shown(world, place, id, since);
        }
    }

    /// A program is told of a message.
    pub(super) fn judge_event(&mut self, world: &mut World, place: usize, data: &Value) {
        self.judge_shown(world, place, data["id"].as_str().unwrap_or_default(), world.now);
    }

    /// A message is on disk, and for the one who is shown it (I11), which was decided then or later.
    fn judge_shown(&mut self, world: &mut World, place: usize, id: &str, since: u64) {
        let Some((mesh, recipient)) = self.books.ids.get(id) else {
            return self.breaks(world, Rule::I3, &format!("{id} is shown, and never came"));
        };
        let Some(own) = self.own_keys(place) else { return };
        // Mail for a session that ended is its member's, and one that had not registered since a restart may
        // count as such.
        let is_over = |program: &Program| {
            let hex = program.session.as_ref().map(|session| &session.identity.hex);
            hex == Some(recipient) && (program.known_in != self.life || since < program.known_since)
        };
        let is_left = self.programs.iter().any(is_over);
        if !own.contains(recipient) && !is_left || *mesh != self.homes[self.home_of(place)].slug {
            let text = format!("{id} is for {recipient} and is shown to {}", own[0]);
            self.breaks(world, Rule::I11, &text);
        }
    }
}
