//! The world of one run: everything there is, and the one order in which it happens.
//!
//! *Always holds:* what happens depends on the plan alone. Every draw comes from a stream of the seed, every
//! walk is over something ordered, and events of one moment come in the order in which they were put down.

use std::collections::BTreeMap;
use std::sync::Arc;

use peermesh_core::config::{Config, LiveConfig, Pattern, RunnerConfig, Secret, Slow, TopicRule};
use peermesh_core::digest::{Digest, StateHash};
use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::journal::{Payloads, Stream};
use peermesh_core::machine::Outputs;
use peermesh_core::note::Level;
use peermesh_core::store::{Op, Reply, Work};

use crate::jwt;

use super::actor::{Actor, TOPICS, VOLATILE};
use super::cast::Cast;
use super::chaos::Chaos;
use super::clock::{MS, true_wall};
use super::dice::Dice;
use super::disk::{Disk, Step, Written};
use super::heap::{Event, Fact, Heap, Relief};
use super::link::{Link, LinkNo};
use super::marks::Tally;
use super::node::Node;
use super::oracle::Oracle;
use super::oracle::rules::{Rule, Violation};
use super::peace::Peace;
use super::plan::{Class, Plan};
use super::swarm::Mix;
use super::target::Target;
use super::trace::Trace;

/// What the admin API accepts, and what must never be shown.
pub(super) const ADMIN_TOKEN: &str = "admin-token-that-nobody-may-see";
pub(super) const HOOK_TOKEN: &str = "hook-token-that-nobody-may-see";
pub(super) const RUNNER_SECRET: &str = "runner-secret-that-nobody-may-see";
pub(super) const LIVE_SECRET: &str = "live-secret-that-nobody-may-see";
/// When tokens of live topics run out, in Unix seconds: later than any clock here says.
const TOKENS_END: i64 = 8_000_000_000;

/// How often a run tells how far it is, in simulated milliseconds.
const TOLD_EVERY_MS: u64 = 60_000;

pub(super) struct World {
    /// Nanoseconds since the run began.
    pub now: u64,
    pub heap: Heap,
    pub nodes: Vec<Node>,
    /// Never used twice; the connection of a link is its place and one.
    pub links: Vec<Link>,
    /// Those that may not have ended, ascending: a day has many thousands.
    pub open_links: Vec<LinkNo>,
    pub disk: Disk,
    pub target: Target,
    pub actors: Vec<Option<Actor>>,
    pub cast: Cast,
    pub mix: Mix,
    pub config: Arc<Config>,
    pub oracle: Oracle,
    pub tally: Tally,
    pub trace: Trace,
    pub chaos: Chaos,
    /// What the network does.
    pub net: Dice,
    /// Seeds of brokers.
    seeds: Dice,
    pub todo: Outputs,
    /// Time in which nobody was there, in milliseconds.
    pub passed_over_ms: i64,
    pub peace: Option<Peace>,
    /// What went wrong first.
    pub broken: Option<Violation>,
    pub over: bool,
    digest: Digest,
    /// What is kept of every life, where lives are recorded.
    recorded: Option<Payloads>,
    pub recordings: Vec<Vec<u8>>,
    /// Connections between two shards' scribes.
    pub moving: BTreeMap<ConnId, Stream>,
    pub turns: u64,
    /// Turns at this very moment, to notice machines that spin.
    pub turns_at_once: u32,
    /// The connection whose bytes were taken, while that is told.
    pub crediting: Option<ConnId>,
}

impl World {
    pub(super) fn new(plan: &Plan, recorded: Option<Payloads>) -> World {
        World::of(plan, Mix::of(plan), recorded)
    }

    /// A world of this mix, instead of the one that the plan's seed draws.
    pub(super) fn of(plan: &Plan, mix: Mix, recorded: Option<Payloads>) -> World {
        let mut disk = Disk::new(plan.seed, mix.brokers, mix.shared.then_some(mix.lease_ms));
        let mut cast = Cast::new(&mix.members, &mut disk.model);
        let config = Arc::new(config(&mix));
        let oracle = Oracle::new(&mix, &cast, disk.secret());
        let mut actors = Vec::new();
        for (no, role) in &mix.actors {
            actors.push(Some(Actor::new(plan.seed, actors.len(), *no, role, &mix, &mut cast)));
        }
        let mut world = World {
            now: 0,
            heap: Heap::default(),
            nodes: (0..mix.brokers).map(|_| Node::new()).collect(),
            links: Vec::new(),
            open_links: Vec::new(),
            disk,
            target: Target::new(plan.seed),
            actors,
            cast,
            config,
            oracle,
            tally: Tally::default(),
            trace: Trace::default(),
            chaos: Chaos::new(plan, &mix),
            net: Dice::of(plan.seed, "net", 0),
            seeds: Dice::of(plan.seed, "seeds", 0),
            todo: Outputs::new(),
            passed_over_ms: 0,
            peace: None,
            broken: None,
            over: false,
            digest: Digest::new(),
            recorded,
            recordings: Vec::new(),
            moving: BTreeMap::new(),
            turns: 0,
            turns_at_once: 0,
            crediting: None,
            mix,
        };
        world.begin(plan);
        world
    }

    fn begin(&mut self, plan: &Plan) {
        for node in 0..self.nodes.len() {
            self.heap.put(0, Event::Start(node));
        }
        for actor in 0..self.actors.len() {
            let at = self.net.between(5, 400) * MS;
            self.heap.put(at, Event::Act { actor, token: Actor::BEGIN });
        }
        let first = self.chaos.first();
        for (at, trouble) in first {
            self.heap.put(at, Event::Trouble(trouble));
        }
        self.heap.put(plan.faults_ms() * MS, Event::Peace);
    }

    /// Lets everything happen. `tell` hears of the milliseconds that went by, about a minute at a time.
    pub(super) fn run(&mut self, tell: &mut dyn FnMut(u64)) {
        let mut told = 0;
        while !self.over && self.broken.is_none() {
            let Some((at, event)) = self.heap.take() else { break };
            if at > self.now {
                self.now = at;
                self.turns_at_once = 0;
            }
            if self.now - told >= TOLD_EVERY_MS * MS {
                tell((self.now - told) / MS);
                told = self.now;
            }
            self.happen(event);
        }
        tell((self.now - told) / MS);
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Fact { node, life, shard, fact } => self.fact(node, life, shard, fact),
            Event::Wake { node, life, shard } => self.wake_shard(node, life, shard),
            Event::Up { link, bytes } => self.up(link, bytes),
            Event::UpEnd { link, how } => self.up_end(link, how),
            Event::Down { link, upto } => self.down(link, upto),
            Event::DownEnd { link } => self.down_end(link),
            Event::Act { actor, token } => self.with_actor(actor, |actor, world| actor.act(world, token)),
            Event::Commit(no) => self.commit(no),
            Event::Reply(no) => self.reply(no),
            Event::Land(no) => {
                let landed = self.disk.land(self.now, no, &mut self.tally);
                self.written(landed);
            }
            Event::Arrive(no) => self.event_arrives(no),
            Event::Answer(no) => {
                if let Some((flight, result)) = self.target.answer(no) {
                    let fact = Fact::Forwarded(flight.forward.ticket, result);
                    self.fact(flight.node, flight.life, flight.shard, fact);
                }
            }
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::Relief(relief) => self.relieve(relief),
            Event::Start(node) => self.start(node),
            Event::Away(millis) => (0..self.nodes.len()).for_each(|node| self.die(node, millis)),
            Event::Peace => self.make_peace(),
            Event::Look => self.look(),
        }
    }

    /// True time, in Unix milliseconds.
    pub(super) fn wall_ms(&self) -> i64 {
        true_wall(self.now, self.passed_over_ms)
    }

    /// A fresh token of a user of live topics. Where clocks jump it does not say when it was made.
    pub(super) fn token_of(&self, user: &str) -> String {
        let wall_ms = self.wall_ms();
        let made = match self.mix.has(Class::Jumps) {
            true => String::new(),
            false => format!(r#""iat":{}.{:03},"#, wall_ms / 1_000, wall_ms % 1_000),
        };
        let live = r#"{"subscribe":["*"],"presence":["*"],"history":["*"]}"#;
        let claims = format!(r#"{{"sub":"{user}",{made}"exp":{TOKENS_END},"live":{live}}}"#);
        jwt::signed(LIVE_SECRET, &claims)
    }

    /// Lets an actor do something with the world it is part of.
    pub(super) fn with_actor(&mut self, place: usize, act: impl FnOnce(&mut Actor, &mut World)) {
        if let Some(mut actor) = self.actors.get_mut(place).and_then(Option::take) {
            act(&mut actor, self);
            self.actors[place] = Some(actor);
        }
    }

    /// Wakes an actor after so many milliseconds.
    pub(super) fn wake_actor(&mut self, actor: usize, after_ms: u64, token: u8) {
        self.heap.put(self.now + after_ms * MS, Event::Act { actor, token });
    }

    fn commit(&mut self, no: u64) {
        if self.dies_in_store(no) {
            return;
        }
        match self.disk.step(self.now, no, &mut self.tally) {
            Step::Void => {}
            Step::Wait(at) => self.heap.put(at, Event::Commit(no)),
            Step::Done { answer_at, written, late } => {
                self.written(written);
                if let Some((no, at)) = late {
                    self.heap.put(at, Event::Land(no));
                }
                self.heap.put(answer_at, Event::Reply(no));
            }
        }
    }

    fn reply(&mut self, no: u64) {
        if self.dies_before_reply(no) {
            return;
        }
        let Some(answered) = self.disk.take_answer(no) else { return };
        let is_write = matches!(answered.work, Work::Write(_));
        let fact = Fact::Stored(answered.ticket, answered.result, is_write);
        self.fact(answered.node, answered.life, answered.shard, fact);
    }

    /// A write took effect.
    pub(super) fn written(&mut self, written: Option<Written>) {
        let Some(written) = written else { return };
        let at = self.now;
        for (op, reply) in written.batch.ops.iter().zip(&written.replies) {
            self.trace.add(at, || written_shown(written.number, op, reply));
        }
        let (oracle, disk, tally) = (&mut self.oracle, &self.disk, &mut self.tally);
        let wall_ms = true_wall(at, self.passed_over_ms);
        let told = oracle.written(at, wall_ms, &disk.model, &written, &self.cast, tally);
        self.judge(told);
    }

    fn event_arrives(&mut self, no: u64) {
        let (due, taken) = self.target.arrive(self.now, no, &mut self.tally);
        let told = match taken {
            Some((forward, is_taken)) => {
                self.oracle.event_arrived(&self.disk.model, forward, is_taken, &mut self.tally)
            }
            None => Ok(()),
        };
        self.judge(told);
        self.heap.put(due, Event::Answer(no));
    }

    /// Keeps the first thing that went wrong.
    pub(super) fn judge(&mut self, told: Result<(), Violation>) {
        if let (Err(violation), None) = (told, &self.broken) {
            self.broken = Some(violation);
        }
    }

    pub(super) fn breaks(&mut self, rule: Rule, text: String) {
        self.judge(Err(Violation { rule, text }));
    }

    /// A broker starts.
    fn start(&mut self, place: usize) {
        if self.nodes[place].is_up() {
            return;
        }
        let before = self.nodes[place].number;
        let number = self.disk.join(self.now, before);
        let node = &mut self.nodes[place];
        let clock = super::clock::Clock::start(self.now, node.wall, self.passed_over_ms);
        node.start(clock, number, self.mix.shards, &self.config, &mut self.seeds, self.recorded);
        let life = node.life;
        self.trace.add(self.now, || format!("broker {place} starts (life {life})"));
        let ahead_ms = node.wall.ahead_ms(self.now);
        self.oracle.began(place, number, ahead_ms);
        for shard in 0..self.mix.shards {
            self.heap.put(self.now, Event::Wake { node: place, life, shard });
        }
    }

    /// Ends a block of a recording once it is long enough, so that recordings are of many blocks.
    pub(super) fn write_down(&mut self, node: usize, shard: u16) {
        const BLOCK_BYTES: usize = 4_096;
        let node = &mut self.nodes[node];
        if let (Some(tape), Some(shard)) = (&mut node.tape, node.shards.get_mut(usize::from(shard))) {
            shard.write_down(tape, BLOCK_BYTES);
        }
    }

    /// What a life was told and said becomes part of the run's own digest.
    pub(super) fn absorb(&mut self, place: usize) {
        self.recordings.extend(self.nodes[place].take_tape());
        for shard in &self.nodes[place].shards {
            self.digest.absorb_value(&(place, shard.digest.turns(), shard.digest.state()));
        }
    }

    /// The state of the whole run.
    pub(super) fn state(&mut self) -> StateHash {
        for place in 0..self.nodes.len() {
            self.absorb(place);
        }
        for actor in self.actors.iter().flatten() {
            if let Actor::Host(host) = actor {
                host.absorb_into(&mut self.digest);
            }
        }
        self.digest.absorb_value(&(self.now, self.turns));
        let waiting: Vec<_> = self.disk.model.all_waiting().collect();
        let kept = (self.disk.model.messages(), self.disk.model.settled(), self.disk.model.commits());
        self.digest.absorb_value(&(kept, waiting));
        self.digest.state()
    }

    pub(super) fn shard_ids(&self) -> impl Iterator<Item = ShardId> + use<> {
        (0..self.mix.shards).map(ShardId)
    }

    /// The end of a fault has come.
    fn relieve(&mut self, relief: Relief) {
        match relief {
            Relief::Thaw(node) => self.thaw(node),
            Relief::Flow(link, way) => self.flow_again(link, way),
            Relief::Clock(node) => self.set_clock_right(node),
            Relief::Store(node) => {
                if self.peace.is_none() {
                    self.disk.moods[node] = super::disk::Mood::default();
                }
            }
            Relief::Target => self.target.manner = super::target::Manner::Well,
        }
    }
}

/// As much of a write as a person wants to see.
fn written_shown(number: u64, op: &Op, reply: &Reply) -> String {
    let brief = |text: String| text.chars().take(160).collect::<String>();
    format!("  {number} wrote {} -> {}", brief(format!("{op:?}")), brief(format!("{reply:?}")))
}

/// A topic of each kind: whoever does not keep up is closed, gets the newest of each entity, or is told of
/// gaps; and one that lives in memory only.
fn live() -> LiveConfig {
    let slow = [Slow::Disconnect, Slow::Conflate, Slow::Gap, Slow::Disconnect];
    let rules = TOPICS.iter().zip(slow);
    let rules = rules.map(|(name, slow)| {
        let volatile = *name == VOLATILE;
        (Pattern::new(name), TopicRule { slow, volatile, ..TopicRule::default() })
    });
    LiveConfig { secret: Some(Secret::new(LIVE_SECRET)), rules: rules.collect(), has_feed: false }
}

fn config(mix: &Mix) -> Config {
    let runners = RunnerConfig {
        secrets: vec![Secret::new(RUNNER_SECRET)],
        tokens: Vec::new(),
        forwards_heartbeats: false,
    };
    Config {
        limits: mix.limits.clone(),
        public_url: "ws://broker.test/ws".to_owned(),
        version: "0.1.0".to_owned(),
        git_sha: "simulated".to_owned(),
        admin_token: Some(Secret::new(ADMIN_TOKEN)),
        hook_token: mix.hook_token.then(|| Secret::new(HOOK_TOKEN)),
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        vault_key: Some(Secret::new([7; 32])),
        expected_migration: None,
        log_level: Level::Info,
        runners: mix.has(Class::Runners).then_some(runners),
        live: mix.has(Class::Live).then(live),
    }
}
