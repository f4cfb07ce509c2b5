//! Tells programs of the host what happens, each of them what concerns it (`GET /v1/events`).
//!
//! *Decides* who hears of an event, and what a stream that comes back has missed.
//! *Always holds:* a session hears of messages for itself and for its member, and of nobody else's. A reader
//! that is too slow loses its stream, not memory of the daemon.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use serde_json::{Value, json};

use super::pressure::Level;
use super::sessions::Token;
use super::{Daemon, LaneKey, Timer};
use crate::fault::Fault;
use crate::ids::{ConnId, PublicKey};
use crate::machine::Outputs;
use crate::planted::planted;
use crate::store::RecipientKind;
use crate::time::Now;

/// The head of every stream, with its first words.
const STREAM: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\
    Cache-Control: no-cache, no-transform\r\nConnection: keep-alive\r\nX-Accel-Buffering: no\r\n\r\n\
    : connected\n\n";
const KEEPALIVE: &[u8] = b": keepalive\n\n";

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Message,
    PeerJoin,
    PeerLeave,
    System,
    BrokerStatus,
    OutboxDead,
    OutboxPressure(Level),
    InboxPressure(Level),
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Kind::Message => "message",
            Kind::PeerJoin => "peer_join",
            Kind::PeerLeave => "peer_leave",
            Kind::System => "system",
            Kind::BrokerStatus => "broker_status",
            Kind::OutboxDead => "outbox_dead",
            Kind::OutboxPressure(Level::Normal) => "outbox_pressure_normal",
            Kind::OutboxPressure(Level::High) => "outbox_pressure_high",
            Kind::OutboxPressure(Level::Full) => "outbox_pressure_full",
            Kind::InboxPressure(Level::Normal) => "inbox_pressure_normal",
            Kind::InboxPressure(Level::High) => "inbox_pressure_high",
            Kind::InboxPressure(Level::Full) => "inbox_pressure_full",
        }
    }
}

/// An event and whom it concerns.
#[derive(Clone, Debug)]
struct Told {
    place: u64,
    /// The place of its mesh; none for what concerns the host.
    mesh: Option<usize>,
    /// For whom it came, if it is a message.
    recipient: Option<(RecipientKind, PublicKey)>,
    frame: Bytes,
}

/// Which events a stream shows.
#[derive(Clone, Copy, Debug)]
enum View {
    /// All: a program without a session.
    Host,
    /// Those of a session.
    Session { mesh: usize, session: Option<PublicKey>, member: PublicKey },
}

impl View {
    fn shows(&self, told: &Told) -> bool {
        let View::Session { mesh, session, member } = self else { return true };
        match told.recipient {
            _ if told.mesh.is_some_and(|of| of != *mesh) => false,
            None => true,
            Some(_) if planted("event_told_to_everybody") => true,
            Some((RecipientKind::Session, key)) => *session == Some(key),
            Some((RecipientKind::Member, key)) => *member == key,
        }
    }
}

/// Streams, and what was told last.
#[derive(Debug, Default)]
pub(super) struct Events {
    /// Each with the session it was asked for by.
    streams: BTreeMap<ConnId, (Option<Token>, View)>,
    told: VecDeque<Told>,
    last: u64,
}

impl Events {
    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }

    pub(super) fn leave(&mut self, conn: ConnId) {
        self.streams.remove(&conn);
    }

    pub(super) fn streams(&self) -> Vec<ConnId> {
        self.streams.keys().copied().collect()
    }

    fn streams_of(&self, token: Token) -> Vec<ConnId> {
        let own = self.streams.iter().filter(|(_, (of, _))| *of == Some(token));
        own.map(|(conn, _)| *conn).collect()
    }

    /// The sessions that listen.
    pub(super) fn tokens(&self) -> Vec<Token> {
        self.streams.values().filter_map(|(token, _)| *token).collect()
    }

    /// Those that show an event.
    fn readers(&self, told: &Told) -> Vec<ConnId> {
        let shows = |(_, view): &(Option<Token>, View)| view.shows(told);
        self.streams.iter().filter(|(_, stream)| shows(stream)).map(|(conn, _)| *conn).collect()
    }

    /// What a stream missed since that place; none when that is not known any more.
    fn missed(&self, view: &View, since: u64) -> Option<Vec<Bytes>> {
        let first = self.told.front().map_or(self.last + 1, |told| told.place);
        if since > self.last || since + 1 < first {
            return None;
        }
        let missed = self.told.iter().filter(|told| told.place > since && view.shows(told));
        Some(missed.map(|told| told.frame.clone()).collect())
    }
}

impl Daemon {
    /// Makes the answer to a request a stream of events. `last` is the id of the last event that the program
    /// saw on an earlier one.
    pub(super) fn open_stream(
        &mut self,
        now: Now,
        conn: ConnId,
        token: Option<Token>,
        last: Option<&str>,
        todo: &mut Outputs,
    ) {
        let view = self.view_of(token);
        let place = last.map(|last| self.place_of(last));
        let missed = match place {
            None => Some(Vec::new()),
            Some(place) => place.and_then(|place| self.events.missed(&view, place)),
        };
        self.events.streams.insert(conn, (token, view));
        self.begin_stream(now, conn, STREAM, todo);
        match missed {
            Some(frames) => frames.iter().for_each(|frame| self.share(now, conn, frame, todo)),
            None => {
                let body = json!({ "ts": now.wall.iso(), "reason": "position_lost" });
                let frame = self.frame("resync", &body);
                self.share(now, conn, &frame, todo);
            }
        }
        self.timers.arm_by(Timer::Keepalive, now.mono.after_millis(self.bounds.local_keepalive_ms()));
    }

    /// What a program may hear of.
    fn view_of(&self, token: Option<Token>) -> View {
        match token.and_then(|token| self.sessions.find(token)) {
            None => View::Host,
            Some(session) => View::Session {
                mesh: session.mesh,
                session: session.public_key(),
                member: self.config.meshes[session.mesh].public_key(),
            },
        }
    }

    /// A session is another than it was: its streams show what is its own from here on.
    pub(super) fn show_streams_anew(&mut self, token: Token) {
        let view = self.view_of(Some(token));
        for conn in self.events.streams_of(token) {
            self.events.streams.insert(conn, (Some(token), view));
        }
    }

    /// A session is over, and so are its streams.
    pub(super) fn end_streams_of(&mut self, now: Now, token: Token, todo: &mut Outputs) {
        for conn in self.events.streams_of(token) {
            self.events.leave(conn);
            self.end_stream(now, conn, Fault::Disconnected, todo);
        }
    }

    /// Tells everybody whom an event concerns. `fields` come after its time.
    pub(super) fn tell(
        &mut self,
        now: Now,
        kind: Kind,
        mesh: Option<usize>,
        recipient: Option<(RecipientKind, PublicKey)>,
        fields: Value,
        todo: &mut Outputs,
    ) {
        let mut body = json!({ "ts": now.wall.iso() });
        if let Some(mesh) = mesh {
            body["mesh"] = self.config.meshes[mesh].slug.as_str().into();
        }
        if let (Value::Object(body), Value::Object(fields)) = (&mut body, fields) {
            body.extend(fields);
        }
        self.events.last += 1;
        let frame = self.frame(kind.word(), &body);
        let told = Told { place: self.events.last, mesh, recipient, frame };
        for conn in self.events.readers(&told) {
            self.share(now, conn, &told.frame, todo);
        }
        self.events.told.push_back(told);
        let most = usize::try_from(self.bounds.events_kept_max()).unwrap_or(usize::MAX);
        while self.events.told.len() > most {
            self.events.told.pop_front();
        }
    }

    pub(super) fn tell_status(&mut self, now: Now, key: LaneKey, status: &str, todo: &mut Outputs) {
        if key.session.is_none() {
            self.tell(now, Kind::BrokerStatus, Some(key.mesh), None, json!({ "status": status }), todo);
        }
    }

    pub(super) fn keep_streams_alive(&mut self, now: Now, todo: &mut Outputs) {
        let frame = Bytes::from_static(KEEPALIVE);
        for conn in self.events.streams() {
            self.share(now, conn, &frame, todo);
        }
        if self.events.len() > 0 {
            self.timers.arm(Timer::Keepalive, now.mono.after_millis(self.bounds.local_keepalive_ms()));
        }
    }

    /// An event on the wire. Its id names this run, so that a place of an earlier one is told apart.
    fn frame(&self, kind: &str, body: &Value) -> Bytes {
        format!("id: {}-{}\nevent: {kind}\ndata: {body}\n\n", self.instance, self.events.last).into()
    }

    /// The place that an id names, if it is of this run.
    fn place_of(&self, id: &str) -> Option<u64> {
        let (instance, place) = id.trim().split_once('-')?;
        place.parse().ok().filter(|_| instance == self.instance)
    }
}
