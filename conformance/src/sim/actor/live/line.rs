//! A client's connection to the live port, and its way back to it.

use peermesh_core::machine::Listener;

use crate::sim::clock::MS;
use crate::sim::dice::Dice;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::oracle::rules::Rule;
use crate::sim::swarm::Mix;
use crate::sim::tap::Sight;
use crate::sim::world::{LIVE_SECRET, World};

pub(super) const CONNECT: u8 = 2;
pub(super) const BEAT: u8 = 3;

/// What a request for a WebSocket holds besides.
const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Codes with which a broker may refuse a client that does nothing wrong.
const FAIR: [&str; 4] = ["unavailable", "not-owner", "shutting-down", "rate-limited"];

/// See the module's own words.
#[derive(Debug)]
pub(super) struct Line {
    pub place: usize,
    pub dice: Dice,
    pub link: Option<LinkNo>,
    pub is_open: bool,
    pub heard_at: u64,
    pub is_peaceful: bool,
    /// What it shows at the door.
    pub token: String,
    /// What it asks for, and with what other headers, if it is no upgrade.
    pub request: Option<(String, String)>,
    node: usize,
    connect_at: Option<u64>,
    pace_ms: u64,
}

impl Line {
    pub(super) fn new(place: usize, mix: &Mix, mut dice: Dice) -> Line {
        Line {
            place,
            link: None,
            is_open: false,
            heard_at: 0,
            is_peaceful: false,
            token: LIVE_SECRET.to_owned(),
            request: None,
            node: dice.place(mix.brokers),
            connect_at: None,
            pace_ms: dice.between(mix.pace_ms / 2, mix.pace_ms * 2),
            dice,
        }
    }

    pub(super) fn begin(&mut self, world: &mut World, party: Party) {
        self.connect(world, party);
        world.wake_actor(self.place, 1_000, BEAT);
    }

    pub(super) fn act(&mut self, world: &mut World, token: u8, party: Party) {
        match token {
            CONNECT if self.connect_at.is_some_and(|at| at <= world.now) => self.connect(world, party),
            BEAT => self.beat(world),
            _ => {}
        }
    }

    /// Wakes its owner for the next deed.
    pub(super) fn wake_later(&mut self, world: &mut World, token: u8) {
        let wait = self.dice.around(self.pace_ms);
        world.wake_actor(self.place, wait, token);
    }

    fn connect(&mut self, world: &mut World, party: Party) {
        self.connect_at = None;
        (self.link, self.is_open) = (None, false);
        let Some(link) = world.dial(self.place, self.node, Listener::Live) else { return self.fail(world) };
        world.oracle.opens(world.links[link.0].conn, world.links[link.0].node, party);
        self.link = Some(link);
        self.heard_at = world.now;
        let plain = self.request.as_ref().map(|(target, headers)| (target.as_str(), headers.as_str()));
        let (target, headers) = plain.unwrap_or(("/", UPGRADE));
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: broker.test\r\nAuthorization: Bearer {}\r\n{headers}\r\n",
            self.token
        );
        world.write(link, request.into_bytes(), 0);
    }

    fn fail(&mut self, world: &mut World) {
        (self.link, self.is_open) = (None, false);
        if world.nodes.len() > 1 && self.dice.chance(40) {
            self.node = (self.node + 1) % world.nodes.len();
        }
        let wait = self.dice.between(100, if self.is_peaceful { 800 } else { 3_000 });
        self.connect_at = Some(world.now + wait * MS);
        world.wake_actor(self.place, wait, CONNECT);
    }

    /// Leaves, and comes back.
    pub(super) fn give_up(&mut self, world: &mut World) {
        if let Some(link) = self.link {
            world.leave(link);
            self.fail(world);
        }
    }

    /// Looks whether the broker is still there.
    fn beat(&mut self, world: &mut World) {
        let patience = world.config.limits.live_ping_ms() * 3;
        world.wake_actor(self.place, world.config.limits.live_ping_ms(), BEAT);
        match self.link {
            Some(_) if world.now > self.heard_at + patience * MS => self.give_up(world),
            Some(_) => {}
            None if self.connect_at.is_none() => self.fail(world),
            None => {}
        }
    }

    /// The broker refuses something: it comes back later, or elsewhere.
    pub(super) fn is_refused(&mut self, world: &mut World, code: &str) {
        if !FAIR.contains(&code) {
            return world.breaks(Rule::Other, format!("a client of live topics is refused: {code:?}"));
        }
        if code == "not-owner" {
            world.tally.mark(Mark::LiveElsewhere);
            self.node = (self.node + 1) % world.nodes.len();
        }
        self.give_up(world);
    }

    pub(super) fn is_told_goodbye(&mut self, world: &mut World, link: LinkNo, code: u16) {
        world.write_control(link, 8, &code.to_be_bytes());
        self.is_open = false;
    }

    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: &Sight) {
        match sight {
            Sight::Ping(payload) => world.write_control(link, 10, payload),
            Sight::Head(_) => self.give_up(world),
            Sight::Live(_) | Sight::Message(_) | Sight::Close(..) => {}
        }
    }

    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo) {
        if self.link == Some(link) {
            self.fail(world);
        }
    }

    /// Faults have stopped: a connection that swallows everything is given up.
    pub(super) fn make_peace(&mut self, world: &mut World) {
        self.is_peaceful = true;
        if self.link.is_some_and(|link| world.links[link.0].swallows != [false; 2]) {
            self.give_up(world);
        }
    }
}
