//! A host with a daemon: the real machine between simulated brokers and simulated programs, on a disk of its
//! own, in a process that dies and comes back.
//!
//! This file drives the machine, as a runtime does: a fact goes in, and its wishes are done in order.
//! `host/program.rs` are the programs, `host/attic.rs` is the disk, `host/wire.rs` takes apart what the
//! daemon writes, `host/books.rs` judges it, `host/fate.rs` is how it starts, suffers and ends.

mod attic;
mod books;
mod fate;
mod program;
mod wire;

use std::collections::BTreeMap;
use std::mem;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use peermesh_core::daemon::{Daemon, DaemonConfig};
use peermesh_core::digest::Digest;
use peermesh_core::ids::{ConnId, Ticket};
use peermesh_core::machine::{Closing, Deadline, Ending, Input, Listener, Machine, Output, Outputs};
use peermesh_core::note::Note;
use serde_json::Value;

use super::super::cast::Identity;
use super::super::clock::{Clock, MS, WallClock};
use super::super::dice::Dice;
use super::super::heap::Event;
use super::super::link::LinkNo;
use super::super::oracle::Party;
use super::super::oracle::rules::Rule;
use super::super::tap::{Kind, Sight};
use super::super::world::World;
use attic::Attic;
use books::Books;
pub(in crate::sim) use program::Job;
use program::Program;
use wire::UpTap;

/// See the module's own words.
#[derive(Debug)]
pub(in crate::sim) struct Host {
    place: usize,
    dice: Dice,
    /// Whom its daemon is in which mesh.
    homes: Vec<Home>,
    config: Arc<DaemonConfig>,
    process: Option<Process>,
    /// How many processes there were.
    life: u32,
    wall: WallClock,
    attic: Attic,
    programs: Vec<Program>,
    books: Books,
    agenda: BTreeMap<(u64, u64), Deed>,
    deeds: u64,
    conns: u64,
    is_peaceful: bool,
    digest: Digest,
    todo: Outputs,
}

/// A mesh that the daemon belongs to.
#[derive(Debug)]
struct Home {
    identity: Identity,
    slug: String,
}

/// A daemon's process.
#[derive(Debug)]
struct Process {
    machine: Box<Daemon>,
    clock: Clock,
    digest: Digest,
    deadline: Option<Deadline>,
    wake_at: Option<u64>,
    sockets: BTreeMap<ConnId, Socket>,
}

/// A stream of the daemon.
#[derive(Debug)]
struct Socket {
    end: End,
    /// What it has not read.
    kernel: Vec<u8>,
    granted: bool,
    /// The other side has ended it, and that was told.
    ended: Option<Ending>,
    end_told: bool,
    tap: UpTap,
    /// As whom it said hello, and whether that was taken.
    identity: Option<Identity>,
    is_open: bool,
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Broker(LinkNo),
    Program(usize),
}

/// What is to come on this host.
#[derive(Debug)]
enum Deed {
    Start,
    Wake(u32),
    Dialled(u32, Ticket),
    Opened(u32, ConnId),
    Read(u32, ConnId),
    Sent(u32, ConnId, usize),
    Commit(u32, u64),
    Reply(u32, u64),
    Step(usize),
    Die,
    Upset,
    Relief,
    Jump,
    SetRight,
}

impl Host {
    /// Something of the agenda is due.
    pub(in crate::sim) fn act(&mut self, world: &mut World, token: u8) {
        if token == super::Actor::BEGIN {
            return self.begin(world);
        }
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= world.now) {
            let deed = entry.remove();
            self.happen(world, deed);
        }
    }

    fn put(&mut self, world: &mut World, after: u64, deed: Deed) {
        let at = world.now + after;
        self.deeds += 1;
        self.agenda.insert((at, self.deeds), deed);
        world.heap.put(at, Event::Act { actor: self.place, token: 1 });
    }

    /// A moment that something next door takes, in nanoseconds.
    fn soon(&mut self) -> u64 {
        self.dice.between(5, 400) * 1_000
    }

    fn happen(&mut self, world: &mut World, deed: Deed) {
        match deed {
            Deed::Start => self.start(world),
            Deed::Wake(life) if life == self.life => self.wake(world),
            Deed::Dialled(life, dial) if life == self.life => self.dialled(world, dial),
            Deed::Opened(life, conn) if life == self.life => {
                let remote = IpAddr::V4(Ipv4Addr::LOCALHOST);
                self.tell(world, Input::Opened { conn, listener: Listener::Local, remote });
            }
            Deed::Read(life, conn) if life == self.life => self.read(world, conn),
            Deed::Sent(life, conn, bytes) if life == self.life && self.socket(conn).is_some() => {
                self.tell(world, Input::Sent { conn, bytes });
            }
            Deed::Commit(life, no) if life == self.life => self.commit(world, no),
            Deed::Reply(life, no) if life == self.life => {
                if let Some((ticket, result)) = self.attic.take_answer(no) {
                    self.tell(world, Input::Stored { ticket, result });
                }
            }
            // What an earlier process waited for.
            Deed::Wake(_)
            | Deed::Dialled(..)
            | Deed::Opened(..)
            | Deed::Read(..)
            | Deed::Sent(..)
            | Deed::Commit(..)
            | Deed::Reply(..) => {}
            Deed::Step(program) => self.step(world, program),
            Deed::Die => self.die_again(world),
            Deed::Upset => self.upset(world),
            Deed::Relief => self.attic.mood = attic::Mood::default(),
            Deed::Jump => self.jump(world),
            Deed::SetRight => self.set_right(world.now),
        }
    }

    fn socket(&mut self, conn: ConnId) -> Option<&mut Socket> {
        self.process.as_mut()?.sockets.get_mut(&conn)
    }

    /// One turn of the daemon.
    fn tell(&mut self, world: &mut World, input: Input<'_>) {
        let Some(process) = &mut self.process else { return };
        let mut todo = mem::take(&mut self.todo);
        let now = process.clock.now(world.now);
        process.digest.told(now, &input);
        process.deadline = process.machine.handle(now, input, &mut todo);
        process.digest.said(&todo, process.deadline);
        world.turns += 1;
        world.turns_at_once += 1;
        if world.turns_at_once > super::super::turn::TURNS_AT_ONCE_MAX {
            let deadline = process.deadline;
            world.breaks(Rule::Other, format!("the daemon of host {} spins: {deadline:?}", self.place));
        }
        self.arm(world);
        let life = self.life;
        let mut wishes = todo.take();
        for wish in wishes.drain(..) {
            if self.life != life || self.process.is_none() {
                break;
            }
            self.perform(world, wish, &todo);
        }
        wishes.clear();
        todo.clear(wishes);
        self.todo = todo;
    }

    /// Sees to it that the daemon is woken in time.
    fn arm(&mut self, world: &mut World) {
        let Some(process) = &mut self.process else { return };
        let Some(deadline) = process.deadline else { return };
        let moment = process.clock.moment(deadline.at).max(world.now);
        if process.wake_at.is_none_or(|at| moment < at) {
            process.wake_at = Some(moment);
            let life = self.life;
            self.put(world, moment - world.now, Deed::Wake(life));
        }
    }

    fn wake(&mut self, world: &mut World) {
        let Some(process) = &mut self.process else { return };
        process.wake_at = None;
        let now = process.clock.now(world.now).mono;
        match process.digest.turns() == 0 || process.deadline.is_some_and(|deadline| deadline.at <= now) {
            true => self.tell(world, Input::Wake),
            false => self.arm(world),
        }
    }

    fn perform(&mut self, world: &mut World, wish: Output, arena: &Outputs) {
        let life = self.life;
        match wish {
            Output::Read { conn } => {
                if let Some(socket) = self.socket(conn) {
                    socket.granted = true;
                    self.may_read(world, conn);
                }
            }
            Output::Send { conn, bytes } => self.send(world, conn, arena.bytes(&bytes)),
            Output::Close { conn, how } => self.close(world, conn, how),
            Output::Store(request) => {
                let (no, at) = self.attic.submit(world.now, request);
                self.put(world, at - world.now, Deed::Commit(life, no));
            }
            Output::Dial { dial, to: _ } => {
                let after = self.dice.between(1, 30) * MS;
                self.put(world, after, Deed::Dialled(life, dial));
            }
            Output::Note(note) => self.note(world, &note),
            Output::Finished => self.end_process(world),
            Output::Fail { why } => {
                world.breaks(Rule::Other, format!("the daemon of host {} gave up: {why}", self.place));
            }
            // A daemon has one shard, no page and no target.
            Output::Relay { .. }
            | Output::Handoff { .. }
            | Output::Scrape { .. }
            | Output::Weigh { .. }
            | Output::Forward(_)
            | Output::Stats(_) => {}
        }
    }

    fn note(&mut self, world: &mut World, note: &Note) {
        let told = world.oracle.noted(note);
        world.judge(told);
        let (at, place) = (world.now, self.place);
        world.trace.add(at, || {
            let fields: Vec<String> =
                note.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("  | host {place} {} {} {}", note.level.word(), note.msg, fields.join(" "))
        });
    }

    fn commit(&mut self, world: &mut World, no: u64) {
        let Some((answer_at, written)) = self.attic.step(world.now, no, &mut world.tally) else { return };
        self.written(world, written);
        let life = self.life;
        self.put(world, answer_at - world.now, Deed::Reply(life, no));
    }

    /// A dial reaches some broker, or nobody.
    fn dialled(&mut self, world: &mut World, dial: Ticket) {
        let node = self.dice.place(world.nodes.len());
        let Some(link) = world.dial(self.place, node, Listener::Mesh) else {
            return self.tell(world, Input::Dialled { dial, result: Err("nobody listens there".to_owned()) });
        };
        world.links[link.0].raw = Some(Vec::new());
        let conn = self.add_socket(End::Broker(link));
        self.tell(world, Input::Dialled { dial, result: Ok(conn) });
    }

    fn add_socket(&mut self, end: End) -> ConnId {
        self.conns += 1;
        let conn = ConnId(self.conns);
        let socket = Socket {
            end,
            kernel: Vec::new(),
            granted: false,
            ended: None,
            end_told: false,
            tap: UpTap::default(),
            identity: None,
            is_open: false,
        };
        if let Some(process) = &mut self.process {
            process.sockets.insert(conn, socket);
        }
        conn
    }

    /// Lets the daemon know that there is something to read, if it may.
    fn may_read(&mut self, world: &mut World, conn: ConnId) {
        let Some(socket) = self.socket(conn) else { return };
        let is_readable =
            socket.granted && (!socket.kernel.is_empty() || socket.ended.is_some() && !socket.end_told);
        if is_readable {
            let (life, soon) = (self.life, self.soon());
            self.put(world, soon, Deed::Read(life, conn));
        }
    }

    fn read(&mut self, world: &mut World, conn: ConnId) {
        let splits = world.mix.has(super::super::plan::Class::Splits) && !self.is_peaceful;
        let few = self.dice.between(1, 40);
        let is_split = splits && self.dice.chance(20);
        let Some(socket) = self.socket(conn).filter(|socket| socket.granted) else { return };
        if !socket.kernel.is_empty() {
            socket.granted = false;
            let whole = socket.kernel.len();
            let length = if is_split { whole.min(usize::try_from(few).unwrap_or(1)) } else { whole };
            let rest = socket.kernel.split_off(length);
            let mut chunk = mem::replace(&mut socket.kernel, rest);
            return self.tell(world, Input::Received { conn, bytes: &mut chunk });
        }
        if let (Some(how), false) = (socket.ended, socket.end_told) {
            socket.end_told = true;
            self.tell(world, Input::Closed { conn, how });
        }
    }

    fn send(&mut self, world: &mut World, conn: ConnId, bytes: &[u8]) {
        let (life, soon) = (self.life, self.soon());
        let Some(socket) = self.socket(conn) else { return };
        match socket.end {
            End::Broker(link) => {
                let messages = socket.tap.feed(bytes);
                for message in &messages {
                    self.says(world, conn, link, message);
                }
                world.write(link, bytes.to_vec(), u32::try_from(messages.len()).unwrap_or(u32::MAX));
            }
            End::Program(program) => {
                if !self.hears(world, program, conn, bytes) {
                    return;
                }
            }
        }
        self.put(world, soon, Deed::Sent(life, conn, bytes.len()));
    }

    /// The daemon says something to a broker.
    fn says(&mut self, world: &mut World, conn: ConnId, link: LinkNo, message: &Value) {
        let text = |name: &str| message.get(name).and_then(Value::as_str).unwrap_or_default();
        let kind = text("type");
        let (at, place) = (world.now, self.place);
        world.trace.add(at, || format!("  host {place} < {kind} {}", text("id")));
        if matches!(kind, "hello" | "session_hello") {
            let hex = if kind == "hello" { text("pubkey") } else { text("sessionPubkey") };
            let identity = self.identity_of(text("meshId"), hex, world);
            let Some(identity) = identity else {
                return world.breaks(Rule::I11, format!("host {place} says hello as {hex}"));
            };
            if kind == "hello" {
                world.oracle.several.insert(identity.hex.clone());
            }
            let party = Party::Peer { who: identity.who, kind: identity.kind, key: identity.hex.clone() };
            world.oracle.opens(world.links[link.0].conn, world.links[link.0].node, party);
            if let Some(socket) = self.socket(conn) {
                socket.identity = Some(identity);
            }
            return;
        }
        let identity = self.socket(conn).and_then(|socket| socket.identity.clone());
        let Some(identity) = identity else { return };
        match kind {
            "send" => self.judge_send(world, &identity, message),
            "client_ack" => self.judge_ack(world, &identity, message),
            _ => {}
        }
    }

    /// Whom the daemon may be: a member, or a session of one of the programs.
    fn identity_of(&self, mesh: &str, hex: &str, world: &World) -> Option<Identity> {
        let members = self.homes.iter().map(|home| &home.identity);
        let sessions = self.programs.iter().filter_map(|program| program.session.as_ref());
        let mut all = members.chain(sessions.map(|session| &session.identity));
        all.find(|one| one.hex == hex && world.cast.meshes[one.who.mesh].id.as_str() == mesh).cloned()
    }

    fn close(&mut self, world: &mut World, conn: ConnId, how: Closing) {
        let Some(socket) = self.socket(conn) else { return };
        let end = socket.end;
        match (end, how) {
            (End::Broker(link), Closing::Both) => world.leave(link),
            (End::Broker(link), _) => world.hang_up(link),
            (End::Program(program), _) => self.hung_up(world, program, conn),
        }
        if how == Closing::Both
            && let Some(process) = &mut self.process
        {
            process.sockets.remove(&conn);
        } else if let End::Program(_) = end {
            // Whoever has its answer ends its side too.
            self.ends(world, conn, Ending::Finished);
        }
    }

    /// The other side of a stream has ended it.
    fn ends(&mut self, world: &mut World, conn: ConnId, how: Ending) {
        let Some(socket) = self.socket(conn) else { return };
        if socket.ended.is_some() {
            return;
        }
        socket.ended = Some(how);
        if how == Ending::Broken {
            socket.end_told = true;
            if let Some(process) = &mut self.process {
                process.sockets.remove(&conn);
            }
            return self.tell(world, Input::Closed { conn, how });
        }
        self.may_read(world, conn);
    }

    fn conn_of(&self, link: LinkNo) -> Option<ConnId> {
        let sockets = &self.process.as_ref()?.sockets;
        sockets.iter().find(|(_, socket)| socket.end == End::Broker(link)).map(|(conn, _)| *conn)
    }

    /// Bytes of a broker have arrived.
    pub(in crate::sim) fn takes(&mut self, world: &mut World, link: LinkNo, mut bytes: Vec<u8>) {
        let Some(conn) = self.conn_of(link) else { return };
        if let Some(socket) = self.socket(conn) {
            socket.kernel.append(&mut bytes);
        }
        self.may_read(world, conn);
    }

    /// What stands on a stream of a broker has arrived.
    pub(in crate::sim) fn sees(&mut self, link: LinkNo, sight: &Sight) {
        let Some(conn) = self.conn_of(link) else { return };
        match sight {
            Sight::Message(frame) if frame.kind == Kind::HelloAck => {
                if let Some(socket) = self.socket(conn) {
                    socket.is_open = true;
                }
            }
            Sight::Message(frame) if frame.kind == Kind::Ack => {
                let error = frame.error.as_deref().unwrap_or_default();
                if !error.is_empty() && !error.starts_with("retry:") {
                    self.books.is_refused(&frame.id);
                }
            }
            Sight::Close(..) => {
                if let Some(socket) = self.socket(conn) {
                    socket.is_open = false;
                }
            }
            Sight::Message(_) | Sight::Head(_) | Sight::Live(_) | Sight::Ping(_) => {}
        }
    }

    /// A stream of a broker has ended.
    pub(in crate::sim) fn loses(&mut self, world: &mut World, link: LinkNo) {
        let Some(conn) = self.conn_of(link) else { return };
        let how = if world.links[link.0].swallows == [false; 2] { Ending::Finished } else { Ending::Broken };
        if let Some(socket) = self.socket(conn) {
            socket.is_open = false;
        }
        self.ends(world, conn, how);
    }

    /// Those of its identities that others see, with their meshes.
    pub(in crate::sim) fn listed(&self) -> Vec<(usize, String, String)> {
        let sockets = self.process.iter().flat_map(|process| process.sockets.values());
        let open = sockets.filter(|socket| socket.is_open).filter_map(|socket| socket.identity.as_ref());
        open.map(|one| (one.who.mesh, one.hex.clone(), one.name().to_owned())).collect()
    }

    /// The state of its daemons, of all lives.
    pub(in crate::sim) fn absorb_into(&self, digest: &mut Digest) {
        let current = self.process.as_ref().map(|process| (process.digest.turns(), process.digest.state()));
        digest.absorb_value(&(self.place, self.digest.state(), current));
    }
}
