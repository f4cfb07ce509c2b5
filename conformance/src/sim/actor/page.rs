//! Whoever makes one request at a time: callers of runners, hooks, operators.

use std::collections::BTreeMap;

use peermesh_core::machine::Listener;

use super::runner::runner_id;
use crate::sim::dice::Dice;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::swarm::{Mix, Role};
use crate::sim::tap::Sight;
use crate::sim::world::{ADMIN_TOKEN, HOOK_TOKEN, RUNNER_SECRET, World};

/// What all of them are.
#[derive(Debug)]
pub(super) struct Asker {
    place: usize,
    pub(super) dice: Dice,
    pace_ms: u64,
    is_stopped: bool,
}

impl Asker {
    pub(super) fn new(place: usize, mix: &Mix, dice: Dice) -> Asker {
        Asker { place, dice, pace_ms: mix.pace_ms * 2, is_stopped: false }
    }

    /// Arms the next deed; false when there are none any more.
    fn goes_on(&mut self, world: &mut World) -> bool {
        if self.is_stopped {
            return false;
        }
        self.goes_on_in(world, None);
        true
    }

    /// Arms the next deed, in so many milliseconds where that is said.
    pub(super) fn goes_on_in(&mut self, world: &mut World, wait_ms: Option<u64>) {
        let wait = wait_ms.unwrap_or_else(|| self.dice.around(self.pace_ms));
        world.wake_actor(self.place, wait, 1);
    }

    pub(super) fn ask(
        &mut self,
        world: &mut World,
        listener: Listener,
        party: Party,
        (method, target): (&str, &str),
        headers: &str,
        body: &str,
    ) -> Option<LinkNo> {
        let node = self.dice.place(world.nodes.len());
        let link = world.dial(self.place, node, listener)?;
        world.oracle.opens(world.links[link.0].conn, node, party);
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: broker.test\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world.write(link, request.into_bytes(), 0);
        Some(link)
    }
}

/// Somebody who commands runners.
#[derive(Debug)]
pub(in crate::sim) struct Caller {
    asker: Asker,
    runners: usize,
    count: u64,
    asked: BTreeMap<usize, Asked>,
    /// Keyed requests that may be made again: key, target and body.
    keyed: Vec<(String, String, String, String)>,
}

#[derive(Debug)]
struct Asked {
    command: String,
    status: Option<u16>,
}

impl Caller {
    pub(super) fn new(place: usize, mix: &Mix, dice: Dice) -> Caller {
        let is_runner = |role: &Role| matches!(role, Role::Runner(_));
        let runners = mix.actors.iter().filter(|(_, role)| is_runner(role)).count();
        let asker = Asker::new(place, mix, dice);
        Caller { asker, runners, count: 0, asked: BTreeMap::new(), keyed: Vec::new() }
    }

    pub(super) fn act(&mut self, world: &mut World) {
        if !self.asker.goes_on(world) {
            return;
        }
        if !self.keyed.is_empty() && self.asker.dice.chance(20) {
            let place = self.asker.dice.place(self.keyed.len());
            let (command, headers, target, body) = self.keyed[place].clone();
            world.tally.mark(Mark::CommandKeyed);
            return self.post(world, command, &headers, &target, &body);
        }
        self.count += 1;
        let command = format!("command-{}", self.count);
        let runner = runner_id(self.asker.dice.place(self.runners.max(1)));
        let pad = "y".repeat(self.asker.dice.place(300));
        let body = format!(
            r#"{{"runnerId":"{runner}","command":{{"type":"start-build","id":"{command}","pad":"{pad}"}}}}"#
        );
        let (is_keyed, waits, queues) = {
            let dice = &mut self.asker.dice;
            (dice.chance(40), dice.chance(40), dice.chance(35))
        };
        let mut target = "/commands?".to_owned();
        if waits {
            target += &format!("wait=ack&timeout_ms={}&", self.asker.dice.between(50, 4_000));
        }
        if queues {
            target += &format!("queue={}", self.asker.dice.between(1_000, 60_000));
        }
        let mut headers = format!("Authorization: Bearer {RUNNER_SECRET}\r\n");
        if is_keyed {
            headers += &format!("Idempotency-Key: key-of-{command}\r\n");
            self.keyed.push((command.clone(), headers.clone(), target.clone(), body.clone()));
        }
        world.oracle.command_asked(&command, is_keyed, queues);
        self.post(world, command, &headers, &target, &body);
    }

    fn post(&mut self, world: &mut World, command: String, headers: &str, target: &str, body: &str) {
        if let Some(link) = self.asker.ask(
            world,
            Listener::Runner,
            Party::Caller(command.clone()),
            ("POST", target),
            headers,
            body,
        ) {
            self.asked.insert(link.0, Asked { command, status: None });
        }
    }

    pub(super) fn sees(&mut self, link: LinkNo, sight: &Sight) {
        if let (Some(asked), Sight::Head(status)) = (self.asked.get_mut(&link.0), sight) {
            asked.status = Some(*status);
        }
    }

    /// A request ended.
    pub(super) fn hears(&mut self, world: &mut World, link: LinkNo, body: &[u8]) {
        let Some(Asked { command, status: Some(status) }) = self.asked.remove(&link.0) else { return };
        let body = String::from_utf8_lossy(body);
        let told = world.oracle.command_answered(&command, status, &body, &mut world.tally);
        world.judge(told);
    }

    pub(super) fn stop(&mut self) {
        self.asker.is_stopped = true;
    }
}

/// Somebody whose hooks say what peers are doing.
#[derive(Debug)]
pub(in crate::sim) struct Hooker {
    asker: Asker,
}

impl Hooker {
    pub(super) fn new(place: usize, mix: &Mix, dice: Dice) -> Hooker {
        Hooker { asker: Asker::new(place, mix, dice) }
    }

    pub(super) fn act(&mut self, world: &mut World) {
        if !self.asker.goes_on(world) || world.cast.places.is_empty() {
            return;
        }
        let (key, pid, cwd) = self.asker.dice.pick(&world.cast.places).clone();
        let status = *self.asker.dice.pick(&["idle", "working", "dnd", "idle"]);
        let pid = if self.asker.dice.chance(80) { pid } else { 0 };
        world.oracle.hooked(world.now, &key);
        world.tally.mark(Mark::HookSpoke);
        let body = format!(r#"{{"cwd":"{cwd}","pid":{pid},"status":"{status}"}}"#);
        let headers = if world.mix.hook_token {
            format!("Authorization: Bearer {HOOK_TOKEN}\r\n")
        } else {
            String::new()
        };
        self.asker.ask(world, Listener::Mesh, Party::Plain, ("POST", "/hook/set-status"), &headers, &body);
    }

    pub(super) fn stop(&mut self) {
        self.asker.is_stopped = true;
    }
}

/// Somebody who looks after the broker.
#[derive(Debug)]
pub(in crate::sim) struct Operator {
    asker: Asker,
    has_removed: bool,
}

impl Operator {
    pub(super) fn new(place: usize, mix: &Mix, dice: Dice) -> Operator {
        Operator { asker: Asker::new(place, mix, dice), has_removed: false }
    }

    pub(super) fn act(&mut self, world: &mut World) {
        if !self.asker.goes_on(world) {
            return;
        }
        let headers = format!("Authorization: Bearer {ADMIN_TOKEN}\r\n");
        let member = world.cast.meshes[0].members.last().filter(|_| world.cast.meshes[0].members.len() > 2);
        let member = member.map(|member| member.id.as_str().to_owned());
        let (method, target) = match (self.asker.dice.below(20), member) {
            (0..=4, _) => ("GET", "/health".to_owned()),
            (5..=9, _) => ("GET", "/metrics".to_owned()),
            (10..=12, _) => ("GET", "/admin/meshes".to_owned()),
            (13..=15, _) => ("GET", "/admin/meshes/mesh-0/members".to_owned()),
            (16, Some(member)) if !self.has_removed && world.now > 60_000 * crate::sim::clock::MS => {
                self.has_removed = true;
                ("DELETE", format!("/admin/meshes/mesh-0/members/{member}"))
            }
            _ => ("GET", "/health/ready".to_owned()),
        };
        self.asker.ask(world, Listener::Mesh, Party::Plain, (method, &target), &headers, "");
    }

    pub(super) fn stop(&mut self) {
        self.asker.is_stopped = true;
    }
}
