//! One shard of the server: dispatch only.
//!
//! Facts come in by [`Machine::handle`] and go to the connection or the surface they concern; what those want
//! is gathered and performed once at the end of the turn (`apply.rs`). Shard 0 is also the lobby, where every
//! connection starts (`lobby.rs`); `routes.rs` maps paths to surfaces, `relay.rs` speaks with other shards,
//! `drain.rs` ends the shard in good order.

mod apply;
mod census;
mod client;
mod drain;
mod health;
mod hooks;
mod inflight;
mod live;
mod lobby;
mod relay;
mod routes;
mod runners;
mod sample;
mod share;
mod within;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use crate::config::{Config, Limits, size};
use crate::conn::{Chunk, Connection};
use crate::ids::{ConnId, MeshNo, RunnerNo, ShardId, TopicNo};
use crate::kit::index::{Index, Numbered};
use crate::kit::timers::Timers;
use crate::live::{self as topics, Lives};
use crate::machine::{Cause, Deadline, Ending, Input, Listener, Machine, Order, Output, Outputs};
use crate::mesh::{self, Meshes};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::rng::Rng;
use crate::runner::{self, Runners};
use crate::stats::{Counter, Gauge, Stats};
use crate::store::Ended;
use crate::store::committer::Committer;
use crate::surface::{Cx, Effects, SessionId, Shards, Work};
use crate::time::{Mono, Now};

use client::{Bound, Client};

pub use within::Publication;

/// What a shard is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Which shard it is.
    pub shard: ShardId,
    /// How many there are.
    pub shards: u16,
    /// How it behaves.
    pub config: Arc<Config>,
    /// Where its chance comes from.
    pub seed: [u8; 32],
}

/// One shard of the server: a machine.
#[derive(Debug)]
pub struct Broker {
    shards: Shards,
    config: Arc<Config>,
    limits: Arc<Limits>,
    /// Those of runners' connections.
    runner_limits: Arc<Limits>,
    /// Those of watchers' connections.
    live_limits: Arc<Limits>,
    rng: Rng,
    stats: Stats,
    notes: Vec<Note>,
    effects: Effects,
    work: Work<mesh::After>,
    runner_work: Work<runner::After>,
    live_work: Work<topics::After>,
    clients: Numbered<ConnId, Option<Box<Client>>>,
    /// All of `clients`, oldest first.
    open: BTreeSet<ConnId>,
    lobby: lobby::Lobby,
    meshes: Meshes,
    runners: Runners,
    lives: Lives,
    /// Connections to the listener of live topics.
    live_open: BTreeSet<ConnId>,
    inflight: inflight::Inflight,
    censuses: census::Censuses,
    commits: Committer<After>,
    /// What the last batch lets go on, while the next one leaves ahead of it.
    held: Vec<(After, Ended)>,
    timers: Timers<Timer>,
    /// When the clocks of runners and of live topics come up.
    runners_armed: Option<Mono>,
    lives_armed: Option<Mono>,
    hooks: hooks::Hooks,
    health: health::Health,
    tokens: routes::Tokens,
    sampler: sample::Sampler,
    /// Connections whose reading may go on.
    resumed: Vec<SessionId>,
    last: Option<Now>,
    started: Mono,
    drain: drain::Drain,
}

/// Where the broker goes on when the store has answered.
#[derive(Debug)]
enum After {
    Mesh(mesh::After),
    Runner(runner::After),
    Live(topics::After),
    Health,
    /// Whether a mesh is ours.
    Proof,
    /// Whether a runner is.
    RunnerProof(RunnerNo),
    /// Whether a live topic is.
    LiveProof(TopicNo),
    Hook(hooks::Step),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// A connection's own clock.
    Conn(ConnId),
    /// A connection has not said hello.
    Hello(ConnId),
    Mesh(MeshNo),
    Runners,
    RunnerDepth,
    Lives,
    Status,
    Retention,
    Health,
    /// Hooks that other brokers keep may be for us.
    Hooks,
    Depth,
    Stats,
    Drain,
    /// Requests to the event target have had their time.
    Forwards,
}

impl Broker {
    /// A shard that knows nothing yet. Its first `handle` (a `Wake` at start) asks the store for what it
    /// needs.
    pub fn new(setup: Setup) -> Broker {
        let Setup { shard, shards, config, seed } = setup;
        let mut rng = Rng::from_seed(seed);
        let shards = Shards { own: shard, count: shards };
        let limits = Arc::new(config.limits.clone());
        let runner_limits = Arc::new(limits.of_runners());
        let live_limits = Arc::new(limits.of_live());
        Broker {
            shards,
            stats: Stats::of_shards(shards.count),
            notes: Vec::new(),
            effects: Effects::default(),
            work: Work::default(),
            runner_work: Work::default(),
            live_work: Work::default(),
            clients: Index::numbered(&mut rng),
            open: BTreeSet::new(),
            lobby: lobby::Lobby::default(),
            meshes: Meshes::new(&mut rng, shards),
            runners: Runners::new(&mut rng, shards),
            lives: Lives::new(&mut rng),
            live_open: BTreeSet::new(),
            inflight: inflight::Inflight::default(),
            censuses: census::Censuses::default(),
            commits: Committer::new(&limits),
            held: Vec::new(),
            timers: Timers::new(&mut rng),
            runners_armed: None,
            lives_armed: None,
            hooks: hooks::Hooks::new(&mut rng, &limits),
            health: health::Health::default(),
            tokens: routes::Tokens::new(&mut rng),
            sampler: sample::Sampler::default(),
            resumed: Vec::new(),
            last: None,
            started: Mono::START,
            drain: drain::Drain::default(),
            config,
            limits,
            runner_limits,
            live_limits,
            rng,
        }
    }

    /// Numbers its requests from behind `first` on, where answers to earlier ones may still come.
    #[must_use]
    pub fn asking_from(mut self, first: u64) -> Broker {
        self.commits.number_from(first);
        self.runners.number_from(first);
        self
    }

    fn is_first(&self) -> bool {
        self.shards.own == ShardId(0)
    }

    fn start(&mut self, now: Now) {
        self.started = now.mono;
        let first = self.is_first();
        self.with_meshes(now, Meshes::start);
        self.start_runners(now);
        self.start_live(now);
        self.timers.arm(Timer::Health, now.mono);
        self.timers.arm(Timer::Status, now.mono.after_millis(self.limits.status_sweep_ms()));
        self.timers.arm(Timer::Retention, now.mono.after_millis(self.limits.retention_sweep_ms()));
        self.timers.arm(Timer::Stats, now.mono);
        if first {
            self.timers.arm(Timer::Depth, now.mono);
            self.timers.arm(Timer::Hooks, now.mono.after_millis(self.limits.hook_sweep_ms()));
        }
    }

    /// Calls into the mesh surface with everything it is lent.
    fn with_meshes<R>(
        &mut self,
        now: Now,
        call: impl FnOnce(&mut Meshes, &mut Cx<'_, mesh::After>) -> R,
    ) -> R {
        let mut cx = Cx {
            now,
            config: &self.config,
            rng: &mut self.rng,
            stats: &mut self.stats,
            notes: &mut self.notes,
            effects: &mut self.effects,
            work: &mut self.work,
            store: self.health.view(now),
        };
        call(&mut self.meshes, &mut cx)
    }

    /// Runs `act` on a connection, if it is still there, and forgets it if that was its end.
    fn with_client<R>(
        &mut self,
        now: Now,
        id: ConnId,
        todo: &mut Outputs,
        act: impl FnOnce(&mut Broker, &mut Client, &mut Outputs) -> R,
    ) -> Option<R> {
        let mut client = self.clients.find_mut(&id)?.take()?;
        let done = act(self, &mut client, todo);
        // Only here is the rest of a chunk kept, so that it moves along.
        if matches!(client.bound, Bound::Moving(_)) {
            self.move_on(id, &mut client, todo);
        }
        if client.connection.is_over() {
            self.depart(now, id, &mut client);
            self.forget(id, &client);
            return Some(done);
        }
        client.arm(id, &mut self.timers);
        self.grant(id, &mut client, todo);
        if let Some(place) = self.clients.find_mut(&id) {
            *place = Some(client);
        }
        Some(done)
    }

    /// Lets the peer send on, unless there is a reason not to.
    fn grant(&mut self, id: ConnId, client: &mut Client, todo: &mut Outputs) {
        if client.granted || client.ended {
            return;
        }
        let is_paused = self.is_paused(id, client);
        if self.set_aside(id, client, is_paused) && !is_paused {
            client.granted = !planted("two_chunks_granted");
            todo.push(Output::Read { conn: id });
        }
    }

    /// True while nothing more of a peer should be read.
    fn is_paused(&mut self, id: ConnId, client: &Client) -> bool {
        match &client.bound {
            _ if client.resumes => true,
            Bound::Joining(_) | Bound::Seating(_) | Bound::Answering | Bound::Moving(_) => true,
            Bound::Runner(no) => {
                client.connection.is_full() || self.runners.is_paused(&self.limits, *no, SessionId(id))
            }
            Bound::Peer(peer) => {
                client.connection.is_full()
                    || self.meshes.unanswered(*peer) >= self.limits.unacked_sends_max()
            }
            Bound::Watcher => client.connection.is_full() || self.lives.is_on_doorstep(SessionId(id)),
            Bound::Lobby | Bound::Closing => false,
        }
    }

    /// True when so much is to be said that it is said before more of a connection is read: one chunk may
    /// hold more questions than memory can answers. What one round adds for peers fits into an outbox that is
    /// not full, one answer of the greatest length included.
    fn has_much_to_say(&self, client: &Client) -> bool {
        let Effects { list, arena, .. } = &self.effects;
        let outbox = size(self.limits.outbox_bytes_max());
        match client.bound {
            Bound::Peer(_) => {
                arena.len() > outbox / 8 || list.len() > size(self.limits.outbox_frames_max()) / 4
            }
            Bound::Watcher => arena.len() > outbox,
            _ => false,
        }
    }

    fn opened(&mut self, now: Now, id: ConnId, listener: Listener, remote: IpAddr, todo: &mut Outputs) {
        if self.drain.is_on() {
            return todo.push(Output::Close { conn: id, how: crate::machine::Closing::Both });
        }
        let connection = match listener {
            // A broker has no local listener, and nobody to serve there.
            Listener::Local | Listener::LocalTcp => {
                return todo.push(Output::Close { conn: id, how: crate::machine::Closing::Both });
            }
            Listener::Mesh => Connection::server(&self.limits),
            Listener::Runner => Connection::announcing_server(&self.runner_limits),
            Listener::Live => Connection::announcing_server(&self.live_limits),
        };
        let client = Client::new(connection, listener, remote);
        self.enter_lobby(now, id, client, todo);
        self.with_client(now, id, todo, |_, _, _| ());
    }

    fn received(&mut self, now: Now, id: ConnId, bytes: &mut [u8], todo: &mut Outputs) {
        self.with_client(now, id, todo, |broker, client, todo| {
            client.granted = false;
            broker.read(now, id, client, Chunk::new(bytes), todo);
        });
    }

    /// Reads on until the bytes are used up or there is a reason to stop.
    fn read(&mut self, now: Now, id: ConnId, client: &mut Client, mut chunk: Chunk<'_>, todo: &mut Outputs) {
        loop {
            if self.has_much_to_say(client) {
                client.resumes = true;
                self.resumed.push(SessionId(id));
            }
            if self.is_paused(id, client) {
                return client.connection.keep(chunk);
            }
            let Some(event) = client.connection.next(now.mono, &mut chunk, id, todo) else { return };
            self.event(now, id, client, event, todo);
        }
    }

    fn closed(&mut self, now: Now, id: ConnId, how: Ending, todo: &mut Outputs) {
        let Some(Some(_)) = self.clients.find(&id) else { return };
        match how {
            Ending::Finished => {
                self.with_client(now, id, todo, |broker, client, todo| {
                    client.ended = true;
                    if !matches!(client.bound, Bound::Answering | Bound::Moving(_)) {
                        broker.depart(now, id, client);
                        client.connection.ended(now.mono, id, todo);
                    }
                });
            }
            Ending::Broken => {
                if let Some(mut client) = self.clients.find_mut(&id).and_then(Option::take) {
                    self.depart(now, id, &mut client);
                    self.forget(id, &client);
                }
            }
        }
    }

    /// The surface a connection belonged to learns that it is gone.
    fn depart(&mut self, now: Now, id: ConnId, client: &mut Client) {
        let session = SessionId(id);
        match std::mem::replace(&mut client.bound, Bound::Closing) {
            Bound::Peer(peer) => self.with_meshes(now, |meshes, cx| meshes.gone(cx, peer, session)),
            Bound::Joining(mesh) => self.meshes.abandoned(&mesh, session),
            Bound::Runner(no) => {
                let parting = client.parting;
                self.with_runners(now, |runners, cx| runners.gone(cx, no, session, parting));
            }
            Bound::Seating(runner) => self.runners.abandoned(&runner, session),
            Bound::Watcher => self.watcher_gone(now, id, client),
            Bound::Lobby | Bound::Answering | Bound::Moving(_) | Bound::Closing => {}
        }
        self.leave_lobby(id, client);
    }

    fn forget(&mut self, id: ConnId, client: &Client) {
        self.leave_lobby(id, client);
        self.free(id, client.reserved);
        self.censuses.remove(&id);
        self.timers.disarm(Timer::Conn(id));
        self.timers.disarm(Timer::Hello(id));
        self.clients.remove(&id);
        self.open.remove(&id);
        self.live_open.remove(&id);
        self.stats.set(Gauge::Sockets, i64::try_from(self.open.len()).unwrap_or(i64::MAX));
    }

    fn wake(&mut self, now: Now, todo: &mut Outputs) {
        while let Some(timer) = self.timers.due(now.mono) {
            match timer {
                Timer::Conn(id) => self.lapse(now, id, todo),
                Timer::Hello(id) => self.hello_timeout(now, id, todo),
                Timer::Mesh(no) => self.with_meshes(now, |meshes, cx| meshes.wake(cx, no)),
                Timer::Runners => {
                    self.runners_armed = None;
                    self.with_runners(now, Runners::wake);
                }
                Timer::Lives => {
                    self.lives_armed = None;
                    self.with_lives(now, Lives::wake);
                }
                Timer::RunnerDepth => {
                    self.with_runners(now, |_, cx| runner::ask_depth(cx));
                    self.timers.arm(Timer::RunnerDepth, now.mono.after_millis(self.limits.depth_ms()));
                }
                Timer::Status => {
                    self.with_meshes(now, Meshes::sweep_statuses);
                    self.timers.arm(Timer::Status, now.mono.after_millis(self.limits.status_sweep_ms()));
                }
                Timer::Retention => {
                    let first = self.is_first();
                    self.with_meshes(now, |meshes, cx| meshes.tidy(cx, first));
                    self.timers
                        .arm(Timer::Retention, now.mono.after_millis(self.limits.retention_sweep_ms()));
                }
                Timer::Health => self.ask_health(now),
                Timer::Hooks => {
                    self.ask_hooks(now);
                    self.timers.arm(Timer::Hooks, now.mono.after_millis(self.limits.hook_sweep_ms()));
                }
                Timer::Depth => {
                    self.with_meshes(now, |_, cx| mesh::ask_depth(cx));
                    self.timers.arm(Timer::Depth, now.mono.after_millis(self.limits.depth_ms()));
                }
                Timer::Stats => {
                    self.with_runners(now, |runners, cx| runners.count_up(cx));
                    self.with_lives(now, |lives, cx| lives.count_up(cx));
                    self.publish(todo);
                    self.timers.arm(Timer::Stats, now.mono.after_millis(self.limits.stats_ms()));
                }
                Timer::Drain => self.drain_timeout(now, todo),
                Timer::Forwards => self.runners.give_up_forwards(),
            }
        }
    }

    /// A snapshot of the counters, for whoever renders them.
    fn publish(&mut self, todo: &mut Outputs) {
        self.stats.set(Gauge::MeshesResident, i64::try_from(self.meshes.len()).unwrap_or(i64::MAX));
        todo.push(Output::Stats(Box::new(self.stats.clone())));
    }

    /// A wall clock that jumps must not make mail expire in masses: removal waits until people have noticed
    /// (TIM-01).
    fn watch_clock(&mut self, now: Now) {
        const JUMP_MS: u64 = 5_000;
        const PAUSE_MS: u64 = 30_000;
        if let Some(last) = self.last {
            let passed = last.wall.after_millis(now.mono.millis_since(last.mono));
            if passed.distance_millis(now.wall) > JUMP_MS {
                self.stats.count(Counter::ClockJumps);
                self.notes.push(
                    Note::new(Level::Warn, "clock jumped").with("jump_ms", passed.distance_millis(now.wall)),
                );
                if !self.drain.is_on() {
                    self.timers.arm(Timer::Retention, now.mono.after_millis(PAUSE_MS));
                }
                self.may_have_slept(now);
            }
        }
        self.last = Some(now);
    }

    fn deadline(&mut self) -> Option<Deadline> {
        if !self.held.is_empty() {
            return Some(Deadline { at: Mono::START, cause: Cause::Continue });
        }
        let timer = self.timers.earliest().map(|(at, timer)| {
            let cause = match timer {
                Timer::Conn(_) | Timer::Hello(_) => Cause::Silence,
                Timer::Mesh(no) => {
                    self.meshes.deadline(no).map_or(Cause::Continue, |deadline| deadline.cause)
                }
                Timer::Status => Cause::Status,
                Timer::Retention => Cause::Retention,
                Timer::Health => Cause::Health,
                Timer::Hooks => Cause::Hook,
                Timer::Runners => Cause::Runner,
                Timer::Lives => Cause::Live,
                Timer::Stats | Timer::Depth | Timer::RunnerDepth => Cause::Stats,
                Timer::Drain | Timer::Forwards => Cause::Drain,
            };
            Deadline { at, cause }
        });
        let commit = self.commits.deadline().map(|at| Deadline { at, cause: Cause::Commit });
        timer.into_iter().chain(commit).min()
    }
}

impl Machine for Broker {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        if self.last.is_none() {
            self.start(now);
        }
        self.watch_clock(now);
        self.go_on_with_held(now, todo);
        match input {
            Input::Opened { conn, listener, remote } => self.opened(now, conn, listener, remote, todo),
            Input::Received { conn, bytes } => self.received(now, conn, bytes, todo),
            Input::Sent { conn, bytes } => match self.sent_to_watcher(now, conn, bytes, todo) {
                Some(deadline) => return deadline,
                None => self.sent(now, conn, bytes, todo),
            },
            Input::Closed { conn, how } => self.closed(now, conn, how, todo),
            Input::Stored { ticket, result } => self.stored(now, ticket, result, todo),
            Input::Relayed { from, envelope } => self.relayed(now, from, envelope, todo),
            Input::Adopted { conn, parcel } => self.adopted(now, conn, parcel, todo),
            Input::Scraped { conn, page } => self.scraped(now, conn, &page, todo),
            Input::Weighed { conn, memory } => self.weighed(now, conn, memory, todo),
            Input::Forwarded { ticket, result } => self.forwarded(now, ticket, &result, todo),
            // A broker dials nobody.
            Input::Dialled { .. } => {}
            Input::Order(Order::Drain) => self.begin_drain(now),
            Input::Order(Order::Feed) if self.is_live_shard() => self.with_lives(now, Lives::hinted),
            Input::Order(Order::Feed) => {}
            Input::Wake => {}
        }
        self.wake(now, todo);
        self.apply(now, todo);
        self.go_on_draining(now, todo);
        self.deadline()
    }
}
