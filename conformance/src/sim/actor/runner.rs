//! A build runner: it says what happens, again until that is stored, and does what it is told.

use std::collections::VecDeque;

use peermesh_core::machine::Listener;

use crate::sim::clock::MS;
use crate::sim::dice::Dice;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::swarm::Mix;
use crate::sim::tap::{Kind, Sight};
use crate::sim::world::{RUNNER_SECRET, World};

#[derive(Debug)]
pub(in crate::sim) struct Runner {
    place: usize,
    no: usize,
    dice: Dice,
    link: Option<LinkNo>,
    is_open: bool,
    node: usize,
    connect_at: Option<u64>,
    heard_at: u64,
    /// Events that are not acknowledged, oldest first.
    outbox: VecDeque<(String, String)>,
    count: u64,
    pace_ms: u64,
    is_peaceful: bool,
    is_flapping: bool,
}

const DEED: u8 = 1;
const CONNECT: u8 = 2;
const BEAT: u8 = 3;
const AGAIN: u8 = 4;

/// Events without an acknowledgement, at most.
const OUTBOX_MAX: usize = 30;

/// What a runner is called.
pub(in crate::sim) fn runner_id(no: usize) -> String {
    format!("runner-{no}")
}

impl Runner {
    pub(super) fn new(place: usize, no: usize, mix: &Mix, mut dice: Dice) -> Runner {
        Runner {
            place,
            no,
            link: None,
            is_open: false,
            node: dice.place(mix.brokers),
            connect_at: None,
            heard_at: 0,
            outbox: VecDeque::new(),
            count: 0,
            pace_ms: dice.between(mix.pace_ms / 2, mix.pace_ms * 2),
            is_peaceful: false,
            is_flapping: dice.chance(25),
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
            BEAT => self.beat(world),
            AGAIN => {
                // What was not acknowledged in time is said again, on the same connection too.
                self.say_all(world);
                world.wake_actor(self.place, 15_000, AGAIN);
            }
            crate::sim::actor::Actor::BEGIN => {
                self.connect(world);
                world.wake_actor(self.place, 500, DEED);
                world.wake_actor(self.place, 1_000, BEAT);
                world.wake_actor(self.place, 15_000, AGAIN);
            }
            _ => {}
        }
    }

    fn connect(&mut self, world: &mut World) {
        self.connect_at = None;
        (self.link, self.is_open) = (None, false);
        let Some(link) = world.dial(self.place, self.node, Listener::Runner) else { return self.fail(world) };
        let conn = world.links[link.0].conn;
        world.oracle.opens(conn, world.links[link.0].node, Party::Runner(self.no));
        self.link = Some(link);
        self.heard_at = world.now;
        let request = format!(
            "GET /socket?runnerId={} HTTP/1.1\r\nHost: broker.test\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {RUNNER_SECRET}\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            runner_id(self.no)
        );
        world.write(link, request.into_bytes(), 0);
    }

    fn fail(&mut self, world: &mut World) {
        (self.link, self.is_open) = (None, false);
        if world.nodes.len() > 1 && self.dice.chance(60) {
            self.node = (self.node + 1) % world.nodes.len();
        }
        let wait = self.dice.between(100, if self.is_peaceful { 800 } else { 3_000 });
        self.connect_at = Some(world.now + wait * MS);
        world.wake_actor(self.place, wait, CONNECT);
    }

    fn deed(&mut self, world: &mut World) {
        match self.dice.below(100) {
            0..=49 => self.report(world),
            // A build that prints much.
            50..=64 => (0..self.dice.between(4, 16)).for_each(|_| self.report(world)),
            65..=69 if self.is_flapping => {
                if let Some(link) = self.link {
                    world.leave(link);
                    self.fail(world);
                }
            }
            70..=73 => {
                // Nobody will acknowledge it, and nobody says it again.
                self.count += 1;
                let text = format!(r#"{{"type":"log-chunk","n":{}}}"#, self.count);
                if let (Some(link), true) = (self.link, self.is_open) {
                    world.write_text(link, &text);
                }
            }
            _ => {}
        }
    }

    fn report(&mut self, world: &mut World) {
        self.say(world, "build-progress", "");
    }

    fn say(&mut self, world: &mut World, kind: &str, more: &str) {
        if self.outbox.len() >= OUTBOX_MAX {
            return;
        }
        self.count += 1;
        let id = format!("event-{}-{}", self.no, self.count);
        let pad = "x".repeat(self.dice.place(200));
        let text = format!(r#"{{"type":"{kind}","id":"{id}","n":{}{more},"pad":"{pad}"}}"#, self.count);
        self.outbox.push_back((id, text));
        if let (Some(link), true, Some((_, text))) = (self.link, self.is_open, self.outbox.back()) {
            world.write_text(link, text);
        }
    }

    fn say_all(&mut self, world: &mut World) {
        let (Some(link), true) = (self.link, self.is_open) else { return };
        for (_, text) in &self.outbox {
            world.tally.mark(Mark::EventResent);
            world.write_text(link, text);
        }
    }

    /// A heartbeat; and a look whether the broker is still there.
    fn beat(&mut self, world: &mut World) {
        let limits = &world.config.limits;
        let (every, patience) = (limits.runner_stale_ms() / 3, limits.runner_ping_ms() * 3);
        world.wake_actor(self.place, every, BEAT);
        match self.link {
            Some(link) if world.now > self.heard_at + patience * MS => {
                world.leave(link);
                self.fail(world);
            }
            Some(link) if self.is_open => world.write_text(link, r#"{"type":"runner-status"}"#),
            Some(_) => {}
            None if self.connect_at.is_none() => self.fail(world),
            None => {}
        }
    }

    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: Sight) {
        if self.link != Some(link) {
            return;
        }
        self.heard_at = world.now;
        match sight {
            Sight::Head(101) => {
                self.is_open = true;
                self.say_all(world);
            }
            Sight::Head(_) => {
                world.leave(link);
                self.fail(world);
            }
            Sight::Ping(payload) => world.write_control(link, 10, &payload),
            Sight::Close(code, reason) => {
                if reason == "not_owner" {
                    self.node = (self.node + 1) % world.nodes.len();
                }
                world.write_control(link, 8, &code.to_be_bytes());
                self.is_open = false;
            }
            Sight::Message(frame) if frame.kind == Kind::EventAck => {
                self.outbox.retain(|(id, _)| *id != frame.event_id);
            }
            Sight::Live(_) => {}
            Sight::Message(frame) => {
                if self.is_peaceful || self.dice.chance(70) {
                    self.say(world, "ack", &format!(r#","commandId":"{}""#, frame.id));
                }
            }
        }
    }

    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo) {
        if self.link == Some(link) {
            self.fail(world);
        }
    }

    pub(super) fn make_peace(&mut self, world: &mut World) {
        self.is_peaceful = true;
        match self.link {
            Some(link) if world.links[link.0].swallows == [false; 2] => self.say_all(world),
            Some(link) => {
                world.leave(link);
                self.fail(world);
            }
            None => {}
        }
    }

    pub(super) fn waits_for(&self, world: &World) -> Option<String> {
        let id = runner_id(self.no);
        if !self.is_open {
            return Some(format!("{id} is not let in"));
        }
        if let Some((event, _)) = self.outbox.front() {
            return Some(format!("{event} is not acknowledged"));
        }
        let model = &world.disk.model;
        let id = peermesh_core::ids::RunnerId::new(id);
        let event = model.events_of(&id).next();
        event.map(|event| format!("event {} of {id} is not forwarded", event.seq))
    }
}
