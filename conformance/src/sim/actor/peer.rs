//! A peer of a mesh: it connects, comes back, and does whatever its role lets it do.

use std::collections::BTreeSet;

use peermesh_core::machine::Listener;

use super::letters::{Letters, Mailbag};
use crate::sim::cast::{Cast, Identity, Who};
use crate::sim::dice::Dice;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::swarm::{Mix, PeerKind, PeerRole};
use crate::sim::tap::{Frame, Kind, Sight};
use crate::sim::world::World;

#[derive(Debug)]
pub(in crate::sim) struct Peer {
    pub(super) place: usize,
    pub(super) who: Identity,
    pub(super) role: PeerRole,
    pub(super) dice: Dice,
    pub(super) line: Option<Line>,
    /// Older connections that are not over.
    older: Vec<LinkNo>,
    /// What it sends, and what it was sent.
    pub(super) letters: Letters,
    pub(super) bag: Mailbag,
    /// How far its clock is from the true time, in milliseconds, as far as a broker told it.
    offset_ms: i64,
    stamps: BTreeSet<i64>,
    node: usize,
    failures: u32,
    /// A connection is to be made at that time.
    connect_at: Option<u64>,
    was_skewed: bool,
    heard_at: u64,
    pub(super) pace_ms: u64,
    pub(super) is_peaceful: bool,
    /// It was removed, or has left for good.
    is_gone: bool,
    /// What it wants to be, in peace.
    pub(super) is_idle_told: bool,
    /// The last list of peers it was shown, in peace.
    pub(super) list: Option<(u64, Vec<String>)>,
}

/// Its connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    pub link: LinkNo,
    pub stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Asked,
    Greeted,
    Welcome,
    /// It is ending.
    Parting,
}

/// What a peer is woken for.
pub(super) const DEED: u8 = 1;
pub(super) const CONNECT: u8 = 2;
pub(super) const ACK: u8 = 3;
pub(super) const RESEND: u8 = 4;
pub(super) const WATCH: u8 = 5;
pub(super) const READ: u8 = 6;
pub(super) const LIST: u8 = 7;

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: broker.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// The longest wait of a client before it tries again, in milliseconds.
const BACKOFF_MS_MAX: u64 = 4_000;

impl Peer {
    pub(super) fn new(
        place: usize,
        no: u16,
        role: PeerRole,
        mix: &Mix,
        cast: &mut Cast,
        mut dice: Dice,
    ) -> Peer {
        let who = cast.identity(Who { mesh: role.mesh, member: role.member }, role.kind);
        Peer {
            place,
            letters: Letters::new(no),
            bag: Mailbag::default(),
            line: None,
            older: Vec::new(),
            // Clocks of clients are off, now and then by a day.
            offset_ms: *dice.pick(&[0, 0, 0, -20_000, 3_600_000, -86_400_000]),
            stamps: BTreeSet::new(),
            node: dice.place(mix.brokers),
            failures: 0,
            connect_at: None,
            was_skewed: false,
            heard_at: 0,
            pace_ms: dice.between(mix.pace_ms / 2, mix.pace_ms * 2),
            is_peaceful: false,
            is_gone: false,
            is_idle_told: false,
            list: None,
            who,
            role,
            dice,
        }
    }

    pub(super) fn act(&mut self, world: &mut World, token: u8) {
        match token {
            DEED if !self.is_peaceful => {
                self.deed(world);
                let wait = self.dice.around(self.pace_ms);
                world.wake_actor(self.place, wait, DEED);
            }
            CONNECT if self.connect_at.is_some_and(|at| at <= world.now) => self.connect(world),
            ACK => self.ack_due(world),
            RESEND => self.send_due(world),
            WATCH => self.watch(world),
            READ => self.read_on(world),
            LIST => self.ask_list(world),
            crate::sim::actor::Actor::BEGIN => {
                self.connect(world);
                let wait = self.dice.around(self.pace_ms);
                world.wake_actor(self.place, wait, DEED);
                world.wake_actor(self.place, self.watch_ms(world), WATCH);
            }
            _ => {}
        }
    }

    pub(super) fn link(&self) -> Option<LinkNo> {
        self.line.map(|line| line.link)
    }

    /// The stream on which it can speak.
    pub(super) fn speaking(&self) -> Option<LinkNo> {
        self.line.filter(|line| line.stage == Stage::Welcome).map(|line| line.link)
    }

    /// A new connection, whatever becomes of an older one.
    pub(super) fn connect(&mut self, world: &mut World) {
        self.connect_at = None;
        if self.is_gone {
            return;
        }
        if let Some(line) = self.line.take() {
            self.older.push(line.link);
        }
        let Some(link) = world.dial(self.place, self.node, Listener::Mesh) else {
            return self.fail(world);
        };
        let party = Party::Peer { who: self.who.who, kind: self.who.kind, key: self.who.hex.clone() };
        world.oracle.opens(world.links[link.0].conn, world.links[link.0].node, party);
        self.line = Some(Line { link, stage: Stage::Asked });
        self.heard_at = world.now;
        world.write(link, UPGRADE.to_vec(), 0);
    }

    /// It has no connection and will try again.
    pub(super) fn fail(&mut self, world: &mut World) {
        self.line = None;
        self.failures = (self.failures + 1).min(10);
        if world.nodes.len() > 1 && self.dice.chance(60) {
            self.node = (self.node + 1) % world.nodes.len();
        }
        // Who does something every half an hour is in no hurry to.
        let longest = if self.is_peaceful { 1_000 } else { BACKOFF_MS_MAX.max(self.pace_ms / 16) };
        let wait = (100_u64 << self.failures).min(longest);
        let wait = self.dice.between(wait / 2, wait);
        self.connect_in(world, wait);
    }

    fn connect_in(&mut self, world: &mut World, millis: u64) {
        self.connect_at = Some(world.now + millis * crate::sim::clock::MS);
        world.wake_actor(self.place, millis, CONNECT);
    }

    fn greet(&mut self, world: &mut World, link: LinkNo) {
        let mut stamp = world.wall_ms() + self.offset_ms;
        // What is signed twice is one hello shown twice.
        while !self.stamps.insert(stamp) {
            stamp += 1;
        }
        let groups = match self.dice.below(3) {
            0 => "",
            1 => r#"{"name":"team"}"#,
            _ => r#"{"name":"team/ui","role":"lead"}"#,
        };
        let longest = i64::try_from(world.config.limits.attestation_ms()).unwrap_or(i64::MAX);
        let hello = self.who.hello(&world.cast, stamp, longest.min(7_200_000) / 2, groups);
        let member_key = world.cast.member(self.who.who).key.hex();
        world.oracle.greets(world.links[link.0].conn, &member_key);
        world.write_text(link, &hello);
        self.line = Some(Line { link, stage: Stage::Greeted });
    }

    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: Sight) {
        let is_current = self.link() == Some(link);
        if is_current {
            self.heard_at = world.now;
        }
        match sight {
            Sight::Head(101) if is_current => self.greet(world, link),
            Sight::Head(_) => {
                world.leave(link);
                self.loses(world, link);
            }
            Sight::Live(_) => {}
            Sight::Message(frame) => self.hears(world, link, &frame),
            Sight::Ping(payload) => {
                world.oracle.pongs(world.links[link.0].conn);
                world.write_control(link, 10, &payload);
            }
            Sight::Close(code, reason) => self.is_told_goodbye(world, link, code, &reason),
        }
    }

    fn hears(&mut self, world: &mut World, link: LinkNo, frame: &Frame) {
        match frame.kind {
            Kind::HelloAck if self.link() == Some(link) => self.is_welcome(world, link),
            Kind::Ack if frame.request.is_some() => {}
            Kind::Ack => self.is_answered(world, frame),
            Kind::Push if frame.subtype.is_empty() => self.receives(world, link, frame),
            Kind::Error if frame.code == "timestamp_skew" => {
                self.was_skewed = true;
                if let Some(theirs) = frame.server_time {
                    self.offset_ms = theirs - world.wall_ms();
                }
            }
            // Its clock is wrong, or the broker's is, and nobody says how much: it asks somebody else.
            Kind::Error if matches!(frame.code.as_str(), "expired" | "ttl_too_long") => self.offset_ms = 0,
            Kind::PeersList => {
                let called = |hex: &str| world.cast.called(hex).to_owned();
                let mut peers: Vec<String> = frame.peers.iter().map(|peer| called(&peer.pubkey)).collect();
                peers.sort_unstable();
                self.list = Some((world.now, peers));
                // A hook that was still on its way when peace came may have had the last word.
                let own = frame.peers.iter().find(|peer| called(&peer.pubkey) == self.who.hex);
                if self.is_peaceful && own.is_some_and(|own| own.status != "idle") {
                    self.be_idle(world);
                }
            }
            Kind::HelloAck
            | Kind::Push
            | Kind::Error
            | Kind::MessageStatusResult
            | Kind::EventAck
            | Kind::Other => {}
        }
    }

    fn is_welcome(&mut self, world: &mut World, link: LinkNo) {
        self.line = Some(Line { link, stage: Stage::Welcome });
        self.failures = 0;
        world.tally.mark(Mark::Reconnected);
        if std::mem::take(&mut self.was_skewed) {
            world.tally.mark(Mark::SkewedHello);
        }
        self.is_idle_told = false;
        if self.is_peaceful {
            self.be_idle(world);
        }
        self.send_all(world);
        self.ack_due(world);
    }

    /// The broker ends a connection and says why.
    fn is_told_goodbye(&mut self, world: &mut World, link: LinkNo, code: u16, reason: &str) {
        world.write_control(link, 8, &code.to_be_bytes());
        let is_current = self.link() == Some(link);
        match (code, reason) {
            (1000, "session_replaced") => world.tally.mark(Mark::Replaced),
            (4009, _) => world.tally.mark(Mark::SwapConflict),
            (4008, _) => world.tally.mark(Mark::SlowConsumer),
            (4002, _) => self.is_gone = true,
            (1013, "not_owner") => {
                world.tally.mark(Mark::TurnedAway);
                self.node = (self.node + 1) % world.nodes.len();
            }
            _ => {}
        }
        if is_current {
            self.line = Some(Line { link, stage: Stage::Parting });
        } else if reason == "session_replaced" && self.role.has_twin && !self.is_peaceful {
            // The other one of the two does not give in at once.
            if self.dice.chance(60) {
                let wait = self.dice.between(10, 1_500);
                self.connect_in(world, wait);
            }
        }
    }

    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo) {
        self.older.retain(|older| *older != link);
        if self.link() != Some(link) {
            return world.tally.mark(Mark::LateClose);
        }
        let was_over = self.failures;
        self.fail(world);
        // Whoever was in comes back soon.
        if was_over == 0 {
            self.failures = 0;
        }
    }

    /// It ends its connection, in one way or another, and comes back.
    pub(super) fn part(&mut self, world: &mut World) {
        let Some(line) = self.line else { return };
        let wait = self.dice.around(800);
        match self.dice.below(4) {
            0 => {
                world.write_control(line.link, 8, &1000_u16.to_be_bytes());
                self.line = Some(Line { stage: Stage::Parting, ..line });
            }
            1 if world.mix.has(crate::sim::plan::Class::HalfCloses) => {
                world.tally.mark(Mark::HalfClose);
                world.hang_up(line.link);
                self.line = Some(Line { stage: Stage::Parting, ..line });
            }
            _ => {
                world.leave(line.link);
                self.line = None;
                self.connect_in(world, wait);
            }
        }
    }

    /// Notices that nothing has been heard for too long.
    fn watch(&mut self, world: &mut World) {
        let every_ms = self.watch_ms(world);
        world.wake_actor(self.place, every_ms, WATCH);
        let silent = world.now.saturating_sub(self.heard_at);
        if let Some(line) = self.line
            && silent >= every_ms * crate::sim::clock::MS
            && world.links[line.link.0].reading
        {
            world.tally.mark(Mark::Stale);
            world.leave(line.link);
            self.fail(world);
        }
        let dead: Vec<LinkNo> =
            self.older.iter().copied().filter(|older| world.links[older.0].swallows != [false; 2]).collect();
        for older in dead {
            world.leave(older);
            self.older.retain(|other| *other != older);
        }
        if self.line.is_none() && self.connect_at.is_none() && !self.is_gone {
            self.connect_in(world, 100);
        }
    }

    fn watch_ms(&self, world: &World) -> u64 {
        world.config.limits.ping_ms() * 2 + 4_000
    }

    fn read_on(&mut self, world: &mut World) {
        let links = self.older.iter().copied().chain(self.link());
        for link in links.collect::<Vec<_>>() {
            if !world.links[link.0].reading {
                world.set_reading(link, true);
            }
        }
    }

    pub(super) fn make_peace(&mut self, world: &mut World) {
        self.is_peaceful = true;
        self.read_on(world);
        // Whoever swallows everything is given up, and whoever is one too many.
        for older in std::mem::take(&mut self.older) {
            world.leave(older);
        }
        match self.line {
            Some(line) if world.links[line.link.0].swallows == [false; 2] => {
                if line.stage == Stage::Welcome {
                    self.be_idle(world);
                }
            }
            _ => {
                if let Some(line) = self.line.take() {
                    world.leave(line.link);
                }
                self.connect_in(world, 50);
            }
        }
        self.bag.hurry(world.now);
        self.ack_due(world);
        self.send_all(world);
        if self.who.kind != PeerKind::SendOnly {
            world.wake_actor(self.place, 1_000, LIST);
        }
    }

    pub(super) fn leave_for_good(&mut self, world: &mut World) {
        self.is_gone = true;
        self.connect_at = None;
        if let Some(line) = self.line.take() {
            world.leave(line.link);
        }
    }

    /// What is missing until everything of this peer has settled.
    pub(super) fn waits_for(&self) -> Option<String> {
        let name = self.who.name();
        if self.is_gone {
            return None;
        }
        if self.speaking().is_none() {
            return Some(format!("{name} is not let in"));
        }
        if let Some(key) = self.letters.open().next() {
            return Some(format!("{name} has no answer to {key}"));
        }
        (!self.bag.is_empty()).then(|| format!("{name} has not acknowledged everything"))
    }

    /// True for whoever others see, as long as it is connected.
    pub(in crate::sim) fn listed_key(&self) -> Option<(usize, String)> {
        let is_listed = self.who.kind != PeerKind::SendOnly && self.speaking().is_some();
        is_listed.then(|| (self.who.who.mesh, self.who.hex.clone()))
    }

    /// What it was shown of who is there, and when.
    pub(in crate::sim) fn last_list(&self) -> Option<(usize, u64, &[String])> {
        let (at, list) = self.list.as_ref()?;
        Some((self.who.who.mesh, *at, list))
    }

    pub(in crate::sim) fn name(&self) -> &str {
        self.who.name()
    }

    pub(in crate::sim) fn key(&self) -> &str {
        &self.who.hex
    }
}
