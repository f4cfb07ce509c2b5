//! The local daemon: a durable outbox and inbox for every program on a host.
//!
//! Facts come in by [`Machine::handle`] and go where they concern: `local.rs` serves programs of the host
//! (`routes.rs` says what they may ask, `send.rs` takes what they want sent), `uplink.rs` is one socket to a
//! broker, `drain.rs` sends what the outbox holds, `inbox.rs` keeps what comes, `events.rs` tells of it.
//! `meshes.rs` knows which meshes the host belongs to, `register.rs` which sessions there are, `estate.rs`
//! what those that ended left, `pressure.rs` how full the stores get, `record.rs` what is remembered of rows
//! that are over.
//!
//! *Always holds:* what a program is told to be queued is on disk, and so is what a broker is told to be
//! delivered. Every row and every event belongs to one recipient, and nobody else's session sees it.

mod drain;
mod estate;
mod events;
mod hello;
mod inbox;
mod local;
mod meshes;
mod negotiate;
mod outbox;
mod pressure;
mod record;
mod register;
mod relay;
mod routes;
mod send;
mod sessions;
mod setup;
mod shelf;
mod stop;
mod target;
mod tell;
mod uplink;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::bearer::Bearer;
use crate::config::{DaemonLimits, Limits};
use crate::fault::Fault;
use crate::ids::{ConnId, PublicKey, Ticket};
use crate::kit::bucket::Bucket;
use crate::kit::timers::Timers;
use crate::machine::{Cause, Closing, Deadline, Ending, Input, Machine, Order, Output, Outputs};
use crate::note::{Level, Note};
use crate::rng::Rng;
use crate::store::committer::Committer;
use crate::store::{
    DaemonOp, DaemonQuery, Ended, InboxOp, InboxQuery, Op, OutboxLoad, OutboxOp, OutboxQuery,
};
use crate::store::{Query, StoreResult};
use crate::time::Now;

pub use setup::{DaemonConfig, Joined, Membership, Setup};
pub use watch::Process;

use drain::Lane;
use events::Events;
use local::Local;
use sessions::{Session, Sessions};
use uplink::{Heard, Uplink};

/// One identity in one mesh: a socket to its broker, and the line of what is sent as it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct LaneKey {
    /// The place of the mesh in the configuration.
    mesh: usize,
    /// The session; none for the member itself.
    session: Option<PublicKey>,
}

/// The daemon of one user: a machine.
#[derive(Debug)]
pub struct Daemon {
    config: Arc<DaemonConfig>,
    bounds: DaemonLimits,
    /// Those of connections of programs of the host.
    local_limits: Arc<Limits>,
    /// Those of connections to brokers.
    uplink_limits: Arc<Limits>,
    rng: Rng,
    notes: Vec<Note>,
    /// Tells this run from every other.
    instance: String,
    /// What time it was when this run began.
    began: Option<Now>,
    locals: BTreeMap<ConnId, Option<Box<Local>>>,
    /// Requests whose session cannot be judged yet.
    early: Vec<local::Early>,
    /// Of all programs that show no session.
    budget: Bucket,
    /// What programs on the loopback must show; none means that nobody is let in there.
    bearer: Option<Bearer>,
    uplinks: BTreeMap<LaneKey, Uplink<Call>>,
    dials: u64,
    lanes: BTreeMap<LaneKey, Lane>,
    /// Rows that were marked as being under way, all told.
    marks: u64,
    /// What an earlier run left in flight, or what could not be recorded, stands in line again: before that,
    /// a later row could overtake it.
    in_order: bool,
    load: OutboxLoad,
    pressure: pressure::Pressure,
    /// What the broker of each mesh said last.
    brokers: Vec<Broker>,
    sessions: Sessions,
    /// Sessions that have ended, and of which something waits to be sent.
    estates: BTreeMap<LaneKey, Session>,
    /// The store refused to keep one of them.
    estates_unkept: bool,
    /// Rows that were given up, and of which nobody was told.
    given_up: Vec<drain::GivenUp>,
    /// A session's process was not looked at yet.
    has_unlooked: bool,
    /// What the system does not tell of processes was said.
    has_told_lack: bool,
    events: Events,
    outbox: Committer<drain::After>,
    inbox: Committer<shelf::After>,
    timers: Timers<Timer>,
    /// Questions to several brokers, by their numbers.
    gatherings: BTreeMap<u64, relay::Gathering>,
    gathered: u64,
    /// What was told to brokers, by its numbers.
    tellings: BTreeMap<u64, tell::Telling>,
    told: u64,
    stop: stop::Stop,
}

/// What is known of a mesh's broker.
#[derive(Debug, Default)]
struct Broker {
    /// From its acceptance until a message is given up, in milliseconds, where the broker lets us know.
    age_ms: Option<u64>,
    /// Features it told of.
    features: Option<serde_json::Value>,
    /// Why the daemon ends when the goodbye to it is said.
    lack: Option<String>,
    /// Who belongs to the mesh, when it was asked last.
    roster: Vec<serde_json::Value>,
    /// This host does not belong to its mesh any more.
    is_left: bool,
}

/// What a question to a broker is for.
#[derive(Debug)]
enum Call {
    /// A recipient is looked for.
    Route(Box<send::Wish>),
    /// A program asked something that brokers answer.
    Relay(relay::Relay),
    /// A program told something.
    Tell(tell::Hearing),
    /// Features were asked for.
    Negotiate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    Local(ConnId),
    Uplink(LaneKey),
    Lane(LaneKey),
    Reclaim,
    Restore,
    Sweep,
    Prune,
    Probe,
    Keepalive,
    Sessions,
    Stop,
}

impl Daemon {
    /// A daemon that knows nothing yet. Its first `handle` (a `Wake` at start) asks the store for what waits
    /// and dials its brokers.
    pub fn new(setup: Setup) -> Daemon {
        let Setup { config, seed } = setup;
        let mut rng = Rng::from_seed(seed);
        let bounds = config.bounds.clone();
        let mut instance = [0; 8];
        rng.fill(&mut instance);
        Daemon {
            local_limits: Arc::new(config.limits.of_locals(&bounds)),
            uplink_limits: Arc::new(config.limits.of_uplinks(&bounds)),
            notes: Vec::new(),
            instance: data_encoding::HEXLOWER.encode(&instance),
            began: None,
            locals: BTreeMap::new(),
            early: Vec::new(),
            bearer: config.token.clone().map(Bearer::new),
            budget: Bucket::new(bounds.local_requests_per_minute(), bounds.local_requests_burst()),
            uplinks: BTreeMap::new(),
            dials: 0,
            lanes: BTreeMap::new(),
            marks: 0,
            in_order: false,
            load: OutboxLoad::default(),
            pressure: pressure::Pressure::default(),
            brokers: config.meshes.iter().map(|_| Broker::default()).collect(),
            sessions: Sessions::default(),
            estates: BTreeMap::new(),
            estates_unkept: false,
            given_up: Vec::new(),
            has_unlooked: false,
            has_told_lack: false,
            events: Events::default(),
            outbox: Committer::one_of(&config.limits, 0, 2),
            inbox: Committer::one_of(&config.limits, 1, 2),
            timers: Timers::new(&mut rng),
            gatherings: BTreeMap::new(),
            gathered: 0,
            tellings: BTreeMap::new(),
            told: 0,
            stop: stop::Stop::default(),
            bounds,
            config,
            rng,
        }
    }

    fn start(&mut self, now: Now) {
        self.began = Some(now);
        // Nobody else has the outbox, so whatever is in flight was an earlier run's.
        self.reclaim(now);
        self.ask_out(OutboxQuery::Sessions, drain::After::Sessions);
        self.measure_inbox();
        for mesh in 0..self.config.meshes.len() {
            self.dial(now, LaneKey { mesh, session: None }, None);
        }
        self.timers.arm(Timer::Sweep, now.mono.after_millis(self.bounds.outbox_sweep_ms()));
        self.timers.arm(Timer::Prune, now.mono);
    }

    fn stage_out(&mut self, op: OutboxOp, after: drain::After) {
        self.outbox.stage(Op::Daemon(DaemonOp::Outbox(op)), None, after);
    }

    fn ask_out(&mut self, query: OutboxQuery, after: drain::After) {
        self.outbox.ask(Query::Daemon(DaemonQuery::Outbox(query)), after);
    }

    fn stage_in(&mut self, op: InboxOp, after: shelf::After) {
        self.inbox.stage(Op::Daemon(DaemonOp::Inbox(op)), None, after);
    }

    fn ask_in(&mut self, query: InboxQuery, after: shelf::After) {
        self.inbox.ask(Query::Daemon(DaemonQuery::Inbox(query)), after);
    }

    /// Calls into an uplink with everything it is lent, and acts on what it learned.
    fn with_uplink<R>(
        &mut self,
        now: Now,
        key: LaneKey,
        todo: &mut Outputs,
        call: impl FnOnce(&mut Uplink<Call>, &mut uplink::Cx<'_, Call>) -> R,
    ) -> Option<R> {
        let mut heard = Vec::new();
        let uplink = self.uplinks.get_mut(&key)?;
        let mut cx = uplink::Cx {
            now,
            config: &self.config,
            limits: &self.uplink_limits,
            instance: &self.instance,
            rng: &mut self.rng,
            dials: &mut self.dials,
            todo,
            heard: &mut heard,
        };
        let done = call(uplink, &mut cx);
        match uplink.deadline() {
            Some(at) => self.timers.arm(Timer::Uplink(key), at),
            None => self.timers.disarm(Timer::Uplink(key)),
        }
        for (key, heard) in heard {
            self.heard(now, key, heard, todo);
        }
        Some(done)
    }

    fn heard(&mut self, now: Now, key: LaneKey, heard: Heard<Call>, todo: &mut Outputs) {
        let slug = self.config.meshes[key.mesh].slug.clone();
        let note = |level, msg| Note::new(level, msg).with("mesh", slug.as_str());
        match heard {
            Heard::Open(ack) => {
                self.notes.push(note(Level::Info, "broker_open"));
                self.tell_status(now, key, "open", todo);
                self.opened(now, key, &ack, todo);
            }
            Heard::Said(message) => self.said(now, key, &message, todo),
            Heard::Answered(call, answer) => self.answered(now, key, call, answer, todo),
            Heard::Lost(why) => {
                if why.starts_with(Fault::TooLarge.row().reason) {
                    self.lane_burst(now, key);
                }
                self.notes.push(note(Level::Warn, "broker_lost").with("why", why));
                self.lane_lost(now, key);
                let status = self.uplinks.get(&key).map_or("closed", |uplink| uplink.standing().0);
                self.tell_status(now, key, status, todo);
            }
            Heard::Stopped(why) => {
                self.notes.push(note(Level::Error, "broker_refused").with("why", why));
                self.lane_lost(now, key);
                self.tell_status(now, key, "closed", todo);
            }
            Heard::Parted => {
                self.lane_lost(now, key);
                self.lanes.remove(&key);
                self.uplinks.remove(&key);
                self.timers.disarm(Timer::Uplink(key));
                if let Some(why) = self.brokers[key.mesh].lack.take() {
                    todo.push(Output::Fail { why });
                }
            }
        }
    }

    /// A broker said something that answers no question.
    fn said(&mut self, now: Now, key: LaneKey, message: &serde_json::Value, todo: &mut Outputs) {
        match message.get("type").and_then(serde_json::Value::as_str) {
            Some("ack") => self.acked(now, key, message),
            Some("push") => self.pushed(now, key, message, todo),
            Some("feature_negotiation_response") => self.negotiated(now, key, Some(message), todo),
            Some(_) | None => {}
        }
    }

    fn answered(
        &mut self,
        now: Now,
        key: LaneKey,
        call: Call,
        answer: Option<serde_json::Value>,
        todo: &mut Outputs,
    ) {
        match call {
            Call::Route(wish) => self.roster_came(now, *wish, answer, todo),
            Call::Relay(relay) => self.relayed(now, relay, answer, todo),
            Call::Tell(hearing) => self.hearing_ended(now, key, &hearing, answer.as_ref(), todo),
            Call::Negotiate => self.negotiated(now, key, answer.as_ref(), todo),
        }
    }

    /// Drops a socket without a word, where there is one.
    fn drop_uplink(&mut self, now: Now, key: LaneKey, todo: &mut Outputs) {
        self.lane_lost(now, key);
        let Some(mut uplink) = self.uplinks.remove(&key) else { return };
        if let Some(conn) = uplink.conn() {
            todo.push(Output::Close { conn, how: Closing::Both });
        }
        // What a broker can do is asked anew of the next connection.
        for call in uplink.open_calls().into_iter().filter(|call| !matches!(call, Call::Negotiate)) {
            self.answered(now, key, call, None, todo);
        }
    }

    fn uplink_of(&self, conn: ConnId) -> Option<LaneKey> {
        self.uplinks.iter().find(|(_, uplink)| uplink.conn() == Some(conn)).map(|(key, _)| *key)
    }

    fn dialled(&mut self, now: Now, dial: Ticket, result: Result<ConnId, String>, todo: &mut Outputs) {
        let waiting = self.uplinks.iter().find(|(_, uplink)| uplink.awaits(dial)).map(|(key, _)| *key);
        match (waiting, result) {
            (Some(key), result) => {
                self.with_uplink(now, key, todo, |uplink, cx| uplink.dialled(result, cx));
            }
            // Nobody wants it any more.
            (None, Ok(conn)) => todo.push(Output::Close { conn, how: Closing::Both }),
            (None, Err(_)) => {}
        }
    }

    fn received(&mut self, now: Now, conn: ConnId, bytes: &mut [u8], todo: &mut Outputs) {
        match self.uplink_of(conn) {
            Some(key) => {
                self.with_uplink(now, key, todo, |uplink, cx| uplink.received(bytes, cx));
            }
            None => self.local_received(now, conn, bytes, todo),
        }
    }

    fn sent(&mut self, now: Now, conn: ConnId, bytes: usize, todo: &mut Outputs) {
        match self.uplink_of(conn) {
            Some(key) => {
                self.with_uplink(now, key, todo, |uplink, cx| uplink.sent(bytes, cx));
            }
            None => self.local_sent(now, conn, bytes, todo),
        }
    }

    fn closed(&mut self, now: Now, conn: ConnId, how: Ending, todo: &mut Outputs) {
        match self.uplink_of(conn) {
            Some(key) => {
                self.with_uplink(now, key, todo, |uplink, cx| uplink.closed(how, cx));
            }
            None => self.local_closed(now, conn, how, todo),
        }
    }

    fn stored(&mut self, now: Now, ticket: Ticket, result: StoreResult, todo: &mut Outputs) {
        if self.outbox.owns(ticket) {
            self.pressure.outbox_wrote(&result);
            let mut released: Vec<(drain::After, Ended)> = Vec::new();
            self.outbox.stored(now.mono, ticket, result, &mut released);
            for (after, ended) in released {
                self.outbox_stored(now, after, ended, todo);
            }
        } else {
            let mut released: Vec<(shelf::After, Ended)> = Vec::new();
            self.inbox.stored(now.mono, ticket, result, &mut released);
            for (after, ended) in released {
                self.inbox_stored(now, after, ended, todo);
            }
        }
    }

    fn wake(&mut self, now: Now, todo: &mut Outputs) {
        while let Some(timer) = self.timers.due(now.mono) {
            match timer {
                Timer::Local(id) => self.local_lapse(now, id, todo),
                Timer::Uplink(key) => {
                    self.with_uplink(now, key, todo, Uplink::wake);
                }
                Timer::Lane(key) => self.lane_due(now, key),
                Timer::Reclaim => self.reclaim(now),
                Timer::Restore => self.ask_out(OutboxQuery::Sessions, drain::After::Sessions),
                Timer::Sweep => self.sweep_outbox(now),
                Timer::Prune => self.prune_inbox(now),
                Timer::Probe => self.probe_inbox(),
                Timer::Keepalive => self.keep_streams_alive(now, todo),
                Timer::Sessions => self.expire_sessions(now, todo),
                Timer::Stop => self.stop_now(todo),
            }
        }
    }

    fn deadline(&mut self) -> Option<Deadline> {
        let timer = self.timers.earliest().map(|(at, timer)| {
            let cause = match timer {
                Timer::Local(_) | Timer::Keepalive | Timer::Sessions => Cause::Local,
                Timer::Uplink(_) => Cause::Uplink,
                Timer::Lane(_) | Timer::Reclaim | Timer::Restore | Timer::Sweep => Cause::Outbox,
                Timer::Probe => Cause::Commit,
                Timer::Prune => Cause::Retention,
                Timer::Stop => Cause::Drain,
            };
            Deadline { at, cause }
        });
        let commits = [self.outbox.deadline(), self.inbox.deadline()];
        let commits = commits.into_iter().flatten().map(|at| Deadline { at, cause: Cause::Commit });
        timer.into_iter().chain(commits).min()
    }
}

impl Machine for Daemon {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        if self.began.is_none() {
            self.start(now);
        }
        match input {
            Input::Opened { conn, listener, remote: _ } => self.local_opened(now, conn, listener, todo),
            Input::Received { conn, bytes } => self.received(now, conn, bytes, todo),
            Input::Sent { conn, bytes } => self.sent(now, conn, bytes, todo),
            Input::Closed { conn, how } => self.closed(now, conn, how, todo),
            Input::Stored { ticket, result } => self.stored(now, ticket, result, todo),
            Input::Dialled { dial, result } => self.dialled(now, dial, result, todo),
            Input::Order(Order::Drain) => self.begin_stop(now, todo),
            Input::Relayed { from: _, envelope } => {
                if let Some(Joined(meshes)) = envelope.open() {
                    self.take_up(now, meshes, todo);
                }
            }
            // A daemon has one shard, no target, no page of metrics and no feed.
            Input::Adopted { .. }
            | Input::Scraped { .. }
            | Input::Weighed { .. }
            | Input::Forwarded { .. }
            | Input::Order(Order::Feed)
            | Input::Wake => {}
        }
        self.wake(now, todo);
        self.end_turn(now, todo)
    }
}

impl Daemon {
    /// Ends a turn: what was staged is written, and what there is to say is said.
    fn end_turn(&mut self, now: Now, todo: &mut Outputs) -> Option<Deadline> {
        self.settle_estates(now, todo);
        self.tell_given_up(now, todo);
        self.tell_pressure(now, todo);
        self.outbox.flush(now.mono, todo);
        self.inbox.flush(now.mono, todo);
        todo_notes(&mut self.notes, todo);
        self.go_on_stopping(todo);
        self.deadline()
    }
}

fn todo_notes(notes: &mut Vec<Note>, todo: &mut Outputs) {
    notes.drain(..).for_each(|note| todo.push(Output::Note(note)));
}
