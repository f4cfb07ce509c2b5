//! What may be seen, given what was said: it judges every write, every message that leaves a broker, and in
//! the end the state of everything.
//!
//! It knows more than anybody in the town: what clients sent and heard, and what the store truly holds at
//! that moment. What each rule looks at is told in `oracle/rules.rs`.

mod acks;
mod budget;
mod ending;
mod gate;
pub(super) mod ledger;
pub(super) mod live;
mod mail;
mod rotations;
pub(super) mod rules;
mod runners;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::rc::Rc;

use peermesh_core::config::Limits;
use peermesh_core::ids::{ConnId, MailboxNo, Position};
use peermesh_core::machine::Output;
use peermesh_core::message_id::MessageIds;
use peermesh_core::note::Note;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Request, Work};
use peermesh_core::time::Mono;
use serde_json::Value;

use super::cast::{Cast, Identity, Who};
use super::dice::Dice;
use super::disk::Written;
use super::known::Known;
use super::marks::Tally;
use super::plan::Class;
use super::swarm::{Mix, PeerKind};
use super::tap::{Frame, Kind, Sight};
use super::world::{ADMIN_TOKEN, HOOK_TOKEN, LIVE_SECRET, RUNNER_SECRET};
use gate::Gate;
use ledger::{Attempt, AttemptId, Ledger, Meaning, Sent};
use rules::{Judged, Rule, broken};

/// How everything begins that must not be shown.
pub(super) const SEALED: &str = "U0VBTEVE";

/// Who is at the other end of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Party {
    Peer {
        who: Who,
        kind: PeerKind,
        key: String,
    },
    Runner(usize),
    /// Somebody who sends that command.
    Caller(String),
    /// Somebody who makes another request.
    Plain,
    /// Somebody who wants that key in the place of a member's.
    Rotator {
        who: Who,
        key: String,
    },
    /// Somebody who watches a live topic, by its place among the actors.
    Watcher(usize),
    /// Somebody who publishes to one.
    Publisher,
    /// Somebody who takes the rights of a user of live topics back, who asked at that time, in Unix
    /// milliseconds.
    Revoker {
        user: String,
        asked_ms: i64,
    },
}

/// Something that leaves a broker.
pub(super) struct Said<'a> {
    /// The world's time.
    pub at: u64,
    /// The true time, in Unix milliseconds.
    pub wall_ms: i64,
    /// The broker's.
    pub mono: Mono,
    /// Which broker, as the store numbers them.
    pub number: u64,
    /// Which of its lives this is.
    pub life: u32,
    pub conn: ConnId,
    /// It is written in the turn that decided it: nothing kept it waiting in the broker.
    pub is_prompt: bool,
    /// Whether a connection may keep something waiting in the broker, unseen.
    pub may_hide: &'a dyn Fn(ConnId) -> bool,
}

/// One connection, as far as it can be known.
#[derive(Debug)]
struct Conn {
    node: usize,
    party: Party,
    /// The member's key that vouched for it, as it was when it said hello.
    greeted: Option<String>,
    /// Told by its `hello_ack`.
    presence: Option<String>,
    is_over: bool,
    gate: Gate,
    /// What a client that never acknowledges was pushed since its last pong.
    unponged: Vec<(Position, MailboxNo)>,
}

pub(super) struct Oracle {
    limits: Limits,
    ids: MessageIds,
    ledger: Ledger,
    conns: BTreeMap<ConnId, Conn>,
    /// The connection of each key that others see, by the broker's place.
    there: BTreeMap<(usize, String), ConnId>,
    by_presence: BTreeMap<String, ConnId>,
    /// Keys that may be there several times: each of a daemon's lives is somebody of its own.
    pub(super) several: BTreeSet<String>,
    /// Brokers by their numbers in the store, and the numbers of those that live.
    nodes: BTreeMap<u64, usize>,
    living: BTreeMap<usize, u64>,
    /// Presences that ended in this turn.
    closed: Vec<String>,
    /// Connections that were pushed what was pushed again in this turn, and what is to be said of it.
    suspects: Vec<(ConnId, String)>,
    /// When each key was last spoken for by a hook.
    hooked: BTreeMap<String, u64>,
    /// When a connection that only sends last spoke for its member's own ones.
    spoken_for: BTreeMap<Who, u64>,
    /// Whose mesh it was last.
    owners: BTreeMap<usize, usize>,
    budgets: BTreeMap<Who, budget::Budget>,
    starved: BTreeMap<MailboxNo, [u32; 3]>,
    runners: runners::Books,
    topics: live::Topics,
    rotations: rotations::Rotations,
    /// What hosts with daemons have sent under which key, by whom and in clear.
    pub(super) texts: BTreeMap<String, (String, String)>,
    /// Keys that can be written to, for each mesh.
    keys: Vec<Known>,
    recent_ids: Vec<String>,
    recent_keys: Vec<String>,
    /// The furthest that any clock was ahead of the true time when a broker started, in milliseconds: a
    /// broker can know no better.
    began_ahead_ms: i64,
    /// The same for clocks that were behind it.
    began_behind_ms: i64,
    /// The days that passed last, by true time: a store may have held throughout what came before them.
    days_ms: Range<i64>,
    /// What must not be shown.
    secrets: Vec<String>,
}

impl Oracle {
    pub(super) fn new(mix: &Mix, cast: &Cast, secret: [u8; 32]) -> Oracle {
        let keys =
            cast.meshes.iter().map(|mesh| mesh.members.iter().map(|member| member.key.hex()).collect());
        Oracle {
            limits: mix.limits.clone(),
            ids: MessageIds::new(secret),
            ledger: Ledger::default(),
            conns: BTreeMap::new(),
            there: BTreeMap::new(),
            by_presence: BTreeMap::new(),
            several: BTreeSet::new(),
            nodes: BTreeMap::new(),
            living: BTreeMap::new(),
            closed: Vec::new(),
            suspects: Vec::new(),
            hooked: BTreeMap::new(),
            spoken_for: BTreeMap::new(),
            owners: BTreeMap::new(),
            budgets: BTreeMap::new(),
            starved: BTreeMap::new(),
            runners: runners::Books::default(),
            topics: live::Topics::new(mix.has(Class::Jumps)),
            rotations: rotations::Rotations::new(cast),
            texts: BTreeMap::new(),
            keys: keys.collect(),
            recent_ids: Vec::new(),
            recent_keys: Vec::new(),
            began_ahead_ms: 0,
            days_ms: 0..0,
            began_behind_ms: 0,
            secrets: [ADMIN_TOKEN, HOOK_TOKEN, LIVE_SECRET, RUNNER_SECRET, SEALED]
                .map(str::to_owned)
                .to_vec(),
        }
    }

    /// A broker begins a life, with a clock that is so far ahead.
    pub(super) fn began(&mut self, node: usize, number: u64, ahead_ms: i64) {
        self.began_ahead_ms = self.began_ahead_ms.max(ahead_ms);
        self.began_behind_ms = self.began_behind_ms.max(-ahead_ms);
        self.nodes.insert(number, node);
        self.living.insert(node, number);
        self.topics.rights.began(node);
    }

    /// A broker's life ended, and with it all its connections and loans.
    pub(super) fn ended(&mut self, node: usize) {
        self.living.remove(&node);
        self.there.retain(|(place, _), _| *place != node);
        self.conns.values_mut().filter(|conn| conn.node == node).for_each(|conn| conn.is_over = true);
    }

    /// A client opens a stream.
    pub(super) fn opens(&mut self, conn: ConnId, node: usize, party: Party) {
        if let Party::Peer { who, kind, key } = &party
            && *kind != PeerKind::SendOnly
        {
            self.keys[who.mesh].insert(key.clone());
        }
        if let Party::Watcher(watcher) = &party {
            self.topics.rights.comes(conn, node, *watcher);
        }
        let gate = Gate::default();
        self.conns.insert(
            conn,
            Conn { node, party, greeted: None, presence: None, is_over: false, gate, unponged: Vec::new() },
        );
    }

    /// As far as its broker knows, a connection has ended or is ending.
    pub(super) fn conn_ended(&mut self, conn: ConnId) {
        let Some(known) = self.conns.get_mut(&conn) else { return };
        known.is_over = true;
        if let Party::Peer { key, .. } = &known.party {
            let place = (known.node, key.clone());
            if self.there.get(&place) == Some(&conn) {
                self.there.remove(&place);
            }
        }
    }

    /// The wishes of a turn, before any is performed: some say what the others rest on.
    pub(super) fn turn_begins(&mut self, wishes: &[Output]) {
        self.closed.clear();
        for wish in wishes {
            let Output::Note(note) = wish else { continue };
            if !matches!(note.msg, "ws close" | "ws evict full" | "hello dedup" | "session_hello dedup") {
                continue;
            }
            let id = note.fields.iter().find(|(name, _)| matches!(*name, "presence_id" | "old_presence"));
            let Some(id) = id.and_then(|(_, id)| id.as_str()) else { continue };
            self.closed.push(id.to_owned());
            let conn = self.by_presence.get(id).copied();
            conn.into_iter().for_each(|conn| self.conn_ended(conn));
        }
    }

    /// Every wish of a turn was performed. Whoever was pushed what somebody else had been pushed may have got
    /// it because that one came and went in this very turn.
    pub(super) fn turn_ends(&mut self) -> Judged {
        for (conn, text) in std::mem::take(&mut self.suspects) {
            if !self.closed.iter().any(|id| self.by_presence.get(id) == Some(&conn)) {
                return broken(Rule::I8, text);
            }
            self.conn_ended(conn);
        }
        Ok(())
    }

    /// A log record shows nothing that it must not (I19).
    pub(super) fn noted(&mut self, note: &Note) -> Judged {
        for (name, value) in &note.fields {
            if let Value::String(text) = value
                && let Some(secret) = self.secrets.iter().find(|secret| text.contains(secret.as_str()))
            {
                return broken(Rule::I19, format!("{:?} shows {secret:?} in {name}", note.msg));
            }
        }
        Ok(())
    }

    /// A request to the store keeps to its bounds (I10).
    pub(super) fn asked(&mut self, request: &Request, open: [u32; 2]) -> Judged {
        let limits = &self.limits;
        if let Work::Write(batch) = &request.work {
            let is_accept =
                |op: &&peermesh_core::store::Op| matches!(op, peermesh_core::store::Op::Accept(_));
            let messages = batch.ops.iter().filter(is_accept).count() as u64;
            if messages > limits.batch_messages_max() || batch.ops.len() as u64 > limits.batch_ops_max() {
                return broken(Rule::I10, format!("a batch of {messages} messages, {} ops", batch.ops.len()));
            }
        }
        // Pings wait behind nobody.
        if open[0] > 1 || u64::from(open[1]) > limits.reads_in_flight_max() + 1 {
            return broken(Rule::I10, format!("{open:?} requests of one shard at once"));
        }
        Ok(())
    }

    /// A client sends something under a key.
    #[allow(clippy::too_many_arguments, reason = "one send, by all that is known of it")]
    pub(super) fn sends(
        &mut self,
        at: u64,
        model: &Model,
        cast: &Cast,
        who: Who,
        id: AttemptId,
        key: Option<&str>,
        meaning: Rc<Meaning>,
    ) {
        let mesh = cast.meshes[who.mesh].no;
        let was_known =
            key.is_some_and(|key| model.position_of(mesh, cast.member(who).mailbox, key).is_some());
        if let Some(key) = key {
            let first = Sent { first_at: at, ..Sent::default() };
            let sent = self.ledger.sent.entry((who, key.to_owned())).or_insert(first);
            sent.open += 1;
            sent.is_refused = false;
            if !sent.meanings.iter().any(|known| **known == *meaning) {
                sent.meanings.push(Rc::clone(&meaning));
            }
            remember(&mut self.recent_keys, key);
        }
        let mut attempt = Attempt { who, key: key.map(str::to_owned), meaning, was_known, times: 1 };
        if let Some(open) = self.ledger.attempts.get(&id) {
            // A daemon sends again under the same id what it has no answer to.
            attempt.times += open.times;
            attempt.was_known &= open.was_known;
        }
        self.ledger.attempts.insert(id, attempt);
    }

    /// True while some send has no answer.
    pub(super) fn has_open_sends(&self) -> bool {
        self.ledger.sent.values().any(|sent| sent.open > 0)
    }

    /// A write took effect.
    pub(super) fn written(
        &mut self,
        at: u64,
        wall_ms: i64,
        model: &Model,
        written: &Written,
        cast: &Cast,
        tally: &mut Tally,
    ) -> Judged {
        self.ledger.is_late = written.is_late;
        for (op, reply) in written.batch.ops.iter().zip(&written.replies) {
            self.wrote(at, wall_ms, model, written.number, (op, reply), cast, tally)?;
        }
        Ok(())
    }

    /// Something leaves a broker.
    pub(super) fn said(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        cast: &Cast,
        sight: &Sight,
        tally: &mut Tally,
    ) -> Judged {
        match sight {
            Sight::Message(frame) => self.message(said, model, cast, frame, tally),
            Sight::Close(..) => {
                self.conn_ended(said.conn);
                Ok(())
            }
            Sight::Head(status) => {
                self.rights_taken_back(said, *status, tally);
                self.rotation_told(said.conn, *status, cast)?;
                self.caller_told(said, *status)
            }
            Sight::Live(heard) => self.live_said(said, heard, tally),
            Sight::Ping(_) => Ok(()),
        }
    }

    fn message(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        cast: &Cast,
        frame: &Frame,
        tally: &mut Tally,
    ) -> Judged {
        let Some(conn) = self.conns.get(&said.conn) else { return Ok(()) };
        match &conn.party {
            Party::Runner(runner) => {
                let runner = *runner;
                self.runner_said(said, model, runner, frame, tally)
            }
            Party::Caller(_)
            | Party::Plain
            | Party::Watcher(_)
            | Party::Publisher
            | Party::Rotator { .. }
            | Party::Revoker { .. } => Ok(()),
            Party::Peer { who, .. } => {
                let who = *who;
                self.judge_key(said, model, cast, frame)?;
                match frame.kind {
                    Kind::HelloAck => {
                        self.welcomed(said, frame);
                        Ok(())
                    }
                    Kind::Ack if frame.request.is_some() => {
                        self.status_told(said, frame);
                        Ok(())
                    }
                    Kind::Ack => self.acked(said, model, cast, frame, tally),
                    Kind::Push if frame.subtype.is_empty() => {
                        self.pushed(said, model, cast, who, frame, tally)
                    }
                    Kind::Push => self.event_told(said, cast, frame),
                    Kind::MessageStatusResult => self.status_shown(cast, who, frame),
                    Kind::Error | Kind::PeersList | Kind::EventAck | Kind::Other => Ok(()),
                }
            }
        }
    }

    /// A peer is let in: an older connection of it counts no more.
    fn welcomed(&mut self, said: &Said<'_>, frame: &Frame) {
        let Some(conn) = self.conns.get_mut(&said.conn) else { return };
        conn.presence = Some(frame.presence_id.clone());
        let Party::Peer { kind, key, .. } = &conn.party else { return };
        if *kind == PeerKind::SendOnly {
            return;
        }
        let place = (conn.node, key.clone());
        if self.several.contains(key) {
            // A daemon's life that comes back is the presence it was.
            let older = self.by_presence.insert(frame.presence_id.clone(), said.conn);
            older.filter(|older| *older != said.conn).into_iter().for_each(|older| self.conn_ended(older));
            return;
        }
        if let Some(older) = self.there.get(&place).copied().filter(|older| *older != said.conn) {
            self.conn_ended(older);
        }
        self.there.insert(place, said.conn);
        self.by_presence.insert(frame.presence_id.clone(), said.conn);
    }

    /// Nobody is said to have left who is there (I13).
    fn event_told(&mut self, said: &Said<'_>, cast: &Cast, frame: &Frame) -> Judged {
        if frame.event != "peer_left" || !said.is_prompt {
            return Ok(());
        }
        let Some(node) = self.nodes.get(&said.number) else { return Ok(()) };
        let key = cast.called(frame.event_data["pubkey"].as_str().unwrap_or_default());
        match self.there.get(&(*node, key.to_owned())) {
            Some(conn) => broken(Rule::I13, format!("{key} is said to have left, and is there on {conn}")),
            None => Ok(()),
        }
    }

    /// The fate of a message is told to nobody of another mesh (I11).
    fn status_shown(&self, cast: &Cast, who: Who, frame: &Frame) -> Judged {
        let mail = self.ids.resolve(&frame.message_id).and_then(|position| self.ledger.mail.get(&position));
        match mail.and_then(|mail| cast.mesh_of(mail.message.mesh)) {
            Some(mesh) if mesh != who.mesh => {
                broken(Rule::I11, format!("{who:?} is told the fate of {}", frame.message_id))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The mailboxes whose mail a connection may be given: its own session's, and its member's.
    fn mailboxes(model: &Model, cast: &Cast, who: Who, key: &str) -> [Option<MailboxNo>; 2] {
        let mesh = &cast.meshes[who.mesh];
        let own =
            peermesh_core::ids::PublicKey::from_hex(key).and_then(|key| model.mailbox_of(mesh.no, &key));
        let member = mesh.members[who.member].mailbox;
        [own.filter(|own| *own != member), Some(member)]
    }

    /// Hooks may have changed what a peer is.
    pub(super) fn hooked(&mut self, at: u64, key: &str) {
        self.hooked.insert(key.to_owned(), at);
    }

    /// Keys that somebody of a mesh may write to.
    pub(super) fn keys_of(&self, mesh: usize) -> &Known {
        &self.keys[mesh]
    }

    /// An id of some message, whoever it is for.
    pub(super) fn some_message_id(&self, dice: &mut Dice) -> Option<String> {
        (!self.recent_ids.is_empty()).then(|| dice.pick(&self.recent_ids).clone())
    }

    /// A key that somebody used.
    pub(super) fn some_key(&self, dice: &mut Dice) -> Option<String> {
        (!self.recent_keys.is_empty()).then(|| dice.pick(&self.recent_keys).clone())
    }

    /// A recipient says that it has a message.
    pub(super) fn acks(
        &mut self,
        model: &Model,
        cast: &Cast,
        by: &Identity,
        id: Option<&str>,
        key: Option<&str>,
    ) {
        let mailboxes = Oracle::mailboxes(model, cast, by.who, &by.hex);
        let position = id.and_then(|id| self.ids.resolve(id));
        for mailbox in mailboxes.into_iter().flatten() {
            let Some(waiting) = self.ledger.waiting.get(&mailbox) else { continue };
            let meant = waiting.iter().copied().filter(|at| match (position, key) {
                (Some(position), _) => *at == position,
                (None, Some(key)) => {
                    let mail = self.ledger.mail.get(at);
                    mail.is_some_and(|mail| mail.message.client_message_id.as_deref() == Some(key))
                }
                (None, None) => false,
            });
            for position in meant.collect::<Vec<_>>() {
                if let Some(copy) = self.ledger.copy(position, mailbox) {
                    copy.is_acked = true;
                }
            }
        }
    }

    /// A pong of a client that never acknowledges says that it has what it was sent.
    pub(super) fn pongs(&mut self, conn: ConnId) {
        let pushed = self.conns.get_mut(&conn).map(|conn| std::mem::take(&mut conn.unponged));
        for (position, mailbox) in pushed.unwrap_or_default() {
            if let Some(copy) = self.ledger.copy(position, mailbox) {
                (copy.is_acked, copy.is_ponged) = (true, true);
            }
        }
    }
}

/// Keeps the last few.
fn remember(list: &mut Vec<String>, text: &str) {
    const KEPT: usize = 60;
    if list.len() == KEPT {
        list.remove(0);
    }
    list.push(text.to_owned());
}
