//! How a host begins, what it suffers, and how its daemon ends and comes back.

use std::collections::BTreeMap;
use std::sync::Arc;

use peermesh_core::config::{DaemonLimits, Secret};
use peermesh_core::daemon::{Daemon, DaemonConfig, Membership, Setup};
use peermesh_core::digest::Digest;
use peermesh_core::machine::{Endpoint, Outputs};

use super::attic::{Attic, Mood};
use super::books::Books;
use super::program::Program;
use super::{Deed, End, Home, Host, Process};
use crate::sim::cast::{Cast, Who};
use crate::sim::clock::{Clock, MS, Speed, WallClock};
use crate::sim::dice::Dice;
use crate::sim::disk::Refusal;
use crate::sim::marks::Mark;
use crate::sim::plan::Class;
use crate::sim::swarm::{HostRole, Mix, PeerKind};
use crate::sim::world::World;

/// Bounds of daemons where limits are drawn to be met.
const TINY: &[(&str, u64)] = &[
    ("drain_batch_max", 2),
    ("drain_poll_ms", 100),
    ("drain_ack_ms", 3_000),
    ("drain_retry_ms_base", 50),
    ("drain_retry_ms_max", 3_000),
    ("drain_reclaim_ms", 4_000),
    ("outbox_sweep_ms", 5_000),
    ("outbox_rows_max", 12),
    ("uplink_retry_ms_min", 100),
    ("uplink_retry_ms_max", 3_000),
    ("local_answer_ms", 4_000),
    ("events_kept_max", 6),
    ("local_streams_max", 2),
];

impl Host {
    pub(in crate::sim) fn new(
        place: usize,
        role: &HostRole,
        mix: &Mix,
        cast: &mut Cast,
        mut dice: Dice,
        attic: Dice,
    ) -> Host {
        let member = |(mesh, member): &(usize, usize)| {
            let who = Who { mesh: *mesh, member: *member };
            Home { identity: cast.housed(who, PeerKind::Member), slug: format!("mesh-{mesh}") }
        };
        let homes: Vec<Home> = role.homes.iter().map(member).collect();
        let mut bounds = DaemonLimits::default();
        if mix.has(Class::Tiny) {
            for (name, value) in TINY {
                bounds.set(name, *value).unwrap_or_else(|error| panic!("a bound fits its range: {error}"));
            }
        }
        let membership = |home: &Home| Membership {
            slug: home.slug.clone(),
            mesh_id: cast.meshes[home.identity.who.mesh].id.as_str().to_owned(),
            member_id: cast.member(home.identity.who).id.as_str().to_owned(),
            name: home.identity.name().to_owned(),
            seed: Secret::new(home.identity.seed()),
            former: Vec::new(),
            broker: Endpoint { host: "broker.test".to_owned(), port: 1, tls: false },
            authority: "broker.test".to_owned(),
            path: "/ws".to_owned(),
        };
        let config = DaemonConfig {
            limits: mix.limits.clone(),
            bounds,
            meshes: homes.iter().map(membership).collect(),
            version: "0".to_owned(),
            pid: 40_000,
            cwd: format!("/home/host-{place}"),
            hostname: format!("host-{place}"),
            token: None,
            public_health: false,
            require_features: Vec::new(),
        };
        let mut programs = Vec::new();
        for (no, job) in role.jobs.iter().enumerate() {
            let home = dice.place(homes.len());
            let who = homes[home].identity.who;
            let session = dice.chance(60).then(|| {
                let kind = PeerKind::Session(u8::try_from(no).unwrap_or(0) + 20);
                super::program::Session::new(cast.housed(who, kind), dice.key())
            });
            programs.push(Program::new(*job, home, session));
        }
        Host {
            place,
            homes,
            config: Arc::new(config),
            process: None,
            life: 0,
            wall: WallClock::right(),
            attic: Attic::new(attic),
            programs,
            books: Books::default(),
            agenda: BTreeMap::new(),
            deeds: 0,
            conns: 0,
            is_peaceful: false,
            digest: Digest::new(),
            todo: Outputs::new(),
            dice,
        }
    }

    pub(super) fn begin(&mut self, world: &mut World) {
        let after = self.dice.between(5, 400) * MS;
        self.put(world, after, Deed::Start);
        for program in 0..self.programs.len() {
            self.step_soon(world, program);
        }
        let mut trouble = |class, deed, every_ms| {
            if world.mix.has(class) {
                let wait = self.dice.around(every_ms) * MS;
                self.put(world, wait, deed);
            }
        };
        trouble(Class::HostDeaths, Deed::Die, 12_000);
        trouble(Class::HostDisk, Deed::Upset, 12_000);
        trouble(Class::Jumps, Deed::Jump, 60_000);
    }

    pub(super) fn start(&mut self, world: &mut World) {
        if self.process.is_some() {
            return;
        }
        self.life += 1;
        let clock = Clock::start(world.now, self.wall, world.passed_over_ms);
        let ahead_ms = self.wall.ahead_ms(world.now);
        self.books.began(ahead_ms);
        let setup = Setup { config: Arc::clone(&self.config), seed: self.dice.key() };
        let machine = Box::new(Daemon::new(setup));
        self.process = Some(Process {
            machine,
            clock,
            digest: Digest::new(),
            deadline: None,
            wake_at: None,
            sockets: BTreeMap::new(),
        });
        let (at, place, life) = (world.now, self.place, self.life);
        world.trace.add(at, || format!("the daemon of host {place} starts (life {life})"));
        self.put(world, 0, Deed::Wake(life));
    }

    /// The process is gone, here and now: its streams end, and what was not committed is lost or not.
    fn die(&mut self, world: &mut World) {
        let Some(process) = self.process.take() else { return };
        world.tally.mark(Mark::HostDied);
        let (at, place) = (world.now, self.place);
        world.trace.add(at, || format!("the daemon of host {place} dies"));
        self.digest.absorb_value(&(process.digest.turns(), process.digest.state()));
        for row in self.attic.inflight() {
            world.tally.mark(Mark::HostDiedInflight);
            if self.is_at_broker(world, &row.lane.mesh, &row.client_message_id) {
                world.tally.mark(Mark::HostDiedUnsettled);
            }
        }
        if self.books.has_unacked() {
            world.tally.mark(Mark::HostDiedUnacked);
        }
        for socket in process.sockets.values() {
            match socket.end {
                End::Broker(link) => world.leave(link),
                End::Program(program) => self.programs[program].is_cut_off(),
            }
        }
        let written = self.attic.die(&mut world.tally);
        self.written(world, written);
        self.books.process_ended();
    }

    pub(super) fn end_process(&mut self, world: &mut World) {
        self.die(world);
        self.put(world, 500 * MS, Deed::Start);
    }

    pub(super) fn die_again(&mut self, world: &mut World) {
        if self.is_peaceful {
            return;
        }
        self.die(world);
        let down_ms = self.dice.around(1_500);
        self.put(world, down_ms * MS, Deed::Start);
        let wait_ms = self.dice.around(world.mix.trouble_ms);
        self.put(world, wait_ms * MS, Deed::Die);
    }

    /// Days pass in which nobody is there: this host neither.
    pub(in crate::sim) fn take_holiday(&mut self, world: &mut World) {
        self.die(world);
        self.put(world, 2_000 * MS, Deed::Start);
    }

    pub(super) fn upset(&mut self, world: &mut World) {
        if self.is_peaceful {
            return;
        }
        let all = [Refusal::Unavailable, Refusal::Busy, Refusal::Full, Refusal::Questions];
        let for_ms = self.dice.around(4_000);
        self.attic.mood = match self.dice.below(3) {
            0 => Mood { slow_ms: *self.dice.pick(&[(5, 60), (100, 800), (500, 3_000)]), ..Mood::default() },
            1 => Mood { refuses: Some(*self.dice.pick(&all)), ..Mood::default() },
            _ => Mood { unknown: *self.dice.pick(&[20, 60, 100]), ..Mood::default() },
        };
        let (at, place, mood) = (world.now, self.place, self.attic.mood.clone());
        world.trace.add(at, || format!("the disk of host {place} is upset for {for_ms} ms: {mood:?}"));
        self.put(world, for_ms * MS, Deed::Relief);
        let wait_ms = self.dice.around(world.mix.trouble_ms);
        self.put(world, (for_ms + wait_ms) * MS, Deed::Upset);
    }

    pub(super) fn jump(&mut self, world: &mut World) {
        const HOUR_MS: i64 = 3_600_000;
        if self.is_peaceful {
            return;
        }
        let by_ms = *self.dice.pick(&[HOUR_MS, -HOUR_MS, 87_600 * HOUR_MS, -87_600 * HOUR_MS, 4_000]);
        let at = world.now;
        let clock = self.process.as_mut().map_or(&mut self.wall, |process| process.clock.wall());
        clock.jump(at, by_ms);
        self.wall = *clock;
        world.tally.mark(Mark::HostClockJumped);
        let place = self.place;
        world.trace.add(at, || format!("the clock of host {place} jumps by {by_ms} ms"));
        let for_ms = self.dice.around(15_000);
        self.put(world, for_ms * MS, Deed::SetRight);
        let wait_ms = self.dice.around(world.mix.trouble_ms * 3);
        self.put(world, (for_ms + wait_ms) * MS, Deed::Jump);
    }

    pub(super) fn set_right(&mut self, at: u64) {
        let clock = self.process.as_mut().map_or(&mut self.wall, |process| process.clock.wall());
        clock.run(at, Speed::True);
        let ahead = clock.ahead_ms(at);
        clock.jump(at, -ahead);
        self.wall = *clock;
    }

    /// Faults have stopped.
    pub(in crate::sim) fn make_peace(&mut self, world: &mut World) {
        self.is_peaceful = true;
        self.attic.mood = Mood::default();
        self.set_right(world.now);
        self.put(world, 0, Deed::Start);
        for program in 0..self.programs.len() {
            self.programs[program].make_peace();
            self.step_soon(world, program);
        }
    }

    /// What is missing until everything of this host has settled.
    pub(in crate::sim) fn waits_for(&mut self, world: &World) -> Option<String> {
        let place = self.place;
        let Some(process) = &self.process else { return Some(format!("host {place} has no daemon")) };
        let is_gone = |home: &Home| {
            let mailbox = world.cast.member(home.identity.who).mailbox;
            world.disk.model.member_of(mailbox).is_none_or(|(_, removed)| removed)
        };
        let open: Vec<&str> = process
            .sockets
            .values()
            .filter(|socket| socket.is_open)
            .filter_map(|socket| socket.identity.as_ref())
            .map(|identity| identity.hex.as_str())
            .collect();
        let sessions = self.programs.iter().filter_map(|program| {
            let session = program.session.as_ref()?;
            Some((&self.homes[program.home], &session.identity))
        });
        let members = self.homes.iter().map(|home| (home, &home.identity));
        for (home, identity) in members.chain(sessions) {
            if !is_gone(home) && !open.contains(&identity.hex.as_str()) {
                return Some(format!("{} of host {place} is not let in", identity.name()));
            }
        }
        // What waits for a mesh whose member was removed takes room from all until it is too old.
        let is_whole = !self.homes.iter().any(is_gone);
        if let Some(key) = self.programs.iter().find_map(Program::unanswered).filter(|_| is_whole) {
            return Some(format!("a program of host {place} has no answer to {key}"));
        }
        let gone: Vec<&str> =
            self.homes.iter().filter(|home| is_gone(home)).map(|home| home.slug.as_str()).collect();
        let waiting = self.attic.waiting();
        let row = waiting.iter().find(|row| !gone.contains(&&*row.lane.mesh))?;
        let (key, status, lane) = (&row.client_message_id, row.status.word(), &row.lane);
        let who = lane.session.map_or_else(|| "the member".to_owned(), |session| session.hex());
        let mesh = &lane.mesh;
        Some(format!("{key} of {who} in {mesh} (host {place}) is {status} after {} attempts", row.attempts))
    }
}
