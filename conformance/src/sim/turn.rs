//! One turn of a machine: a fact goes in, and what it wishes is done.
//!
//! The third performer beside the two runtimes, and as simple: wishes are done in list order, and nothing
//! else is asked.

use std::mem;

use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Closing, Ending, Input, Machine, Memory, Order, Output, Outputs, Payload};
use peermesh_core::note::{Level, Note};
use peermesh_core::store::{Request, Work};

use super::chaos::Phase;
use super::heap::{Event, Fact};
use super::link::LinkNo;
use super::marks::Mark;
use super::oracle::rules::Rule;
use super::plan::Class;
use super::tap::{Frame, Kind, Nonsense, Sight};
use super::world::World;

/// What every program takes here.
const MEMORY: Memory = Memory { rss: 3_000, heap_total: 2_000, heap_used: 1_000 };
/// Why no dial succeeds here.
const ALONE: &str = "there is nobody to dial";
/// Bytes of one chunk at most.
const CHUNK_BYTES: usize = 64 * 1_024;
/// Turns of one moment before a machine counts as spinning.
pub(super) const TURNS_AT_ONCE_MAX: u32 = 200_000;

impl World {
    /// A fact reaches a shard, or waits until its process goes on.
    pub(super) fn fact(&mut self, node: usize, life: u32, shard: u16, fact: Fact) {
        if !self.nodes[node].lives(life) {
            return;
        }
        if self.nodes[node].frozen_until.is_some() {
            return self.nodes[node].backlog.push_back((shard, fact));
        }
        self.tell_fact(node, shard, fact);
    }

    pub(super) fn tell_fact(&mut self, node: usize, shard: u16, fact: Fact) {
        let input = match fact {
            Fact::Ready(link) => return self.tell_ready(link),
            Fact::Opened(conn, listener, remote, link) => {
                if self.links[link.0].left {
                    return;
                }
                self.links[link.0].is_known = true;
                Input::Opened { conn, listener, remote }
            }
            Fact::Broken(conn) => {
                let Some(link) = self.known(conn) else { return };
                self.links[link.0].is_known = false;
                // The connection may have moved since.
                let shard = self.links[link.0].shard;
                self.oracle.conn_ended(conn);
                return self.tell(node, shard, Input::Closed { conn, how: Ending::Broken });
            }
            Fact::Sent(conn, bytes) => {
                let Some(link) = self.known(conn) else { return };
                let link = &mut self.links[link.0];
                link.credited += bytes as u64;
                let shard = link.shard;
                return self.tell(node, shard, Input::Sent { conn, bytes });
            }
            Fact::Stored(ticket, result, is_write) => {
                self.nodes[node].shards[usize::from(shard)].asked[usize::from(!is_write)] -= 1;
                Input::Stored { ticket, result }
            }
            Fact::Relayed(from, envelope) => Input::Relayed { from, envelope },
            Fact::Adopted(conn, parcel) => Input::Adopted { conn, parcel },
            Fact::Scraped(conn, page) => Input::Scraped { conn, page },
            Fact::Weighed(conn) => Input::Weighed { conn, memory: MEMORY },
            Fact::Forwarded(ticket, result) => Input::Forwarded { ticket, result },
            Fact::Undialled(dial) => Input::Dialled { dial, result: Err(ALONE.to_owned()) },
            Fact::Drain => Input::Order(Order::Drain),
        };
        self.tell(node, shard, input);
    }

    /// One chunk of a stream that can be read, or its end.
    fn tell_ready(&mut self, no: LinkNo) {
        let splits = self.mix.has(Class::Splits) && self.peace.is_none();
        let link = &mut self.links[no.0];
        link.is_ready = false;
        if !link.is_readable() {
            return;
        }
        let (node, shard, conn) = (link.node, link.shard, link.conn);
        link.granted = false;
        if link.kernel.is_empty() {
            link.end_told = true;
            self.oracle.conn_ended(conn);
            return self.tell(node, shard, Input::Closed { conn, how: Ending::Finished });
        }
        let whole = link.kernel.len().min(CHUNK_BYTES);
        let length = match splits {
            true => match self.net.below(10) {
                0 => 1,
                1 | 2 => self.net.between(1, 40).try_into().unwrap_or(1),
                _ => whole,
            },
            false => whole,
        };
        let length = length.min(whole);
        let link = &mut self.links[no.0];
        if length == 1 && whole > 1 {
            self.tally.mark(Mark::ByteByByte);
        }
        if length == whole && link.unread > 1 {
            self.tally.mark(Mark::Merged);
        }
        let rest = link.kernel.split_off(length);
        let mut chunk = mem::replace(&mut link.kernel, rest);
        if link.kernel.is_empty() {
            let unread = mem::take(&mut link.unread);
            if unread > 0 && self.dies_at(node, Phase::Unread) {
                return;
            }
        }
        self.tell(node, shard, Input::Received { conn, bytes: &mut chunk });
    }

    /// A deadline may have come.
    pub(super) fn wake_shard(&mut self, node: usize, life: u32, shard: u16) {
        if !self.nodes[node].lives(life) {
            return;
        }
        let place = usize::from(shard);
        self.nodes[node].shards[place].wake_at = None;
        if self.nodes[node].frozen_until.is_some() {
            return;
        }
        let now = self.nodes[node].clock.now(self.now).mono;
        let deadline = self.nodes[node].shards[place].deadline;
        if self.nodes[node].shards[place].digest.turns() == 0
            || deadline.is_some_and(|deadline| deadline.at <= now)
        {
            self.tell(node, shard, Input::Wake);
        } else {
            self.arm(node, shard);
        }
    }

    /// Sees to it that a shard is woken in time.
    pub(super) fn arm(&mut self, node: usize, shard: u16) {
        let life = self.nodes[node].life;
        let moment = {
            let (clock, shard) = (&self.nodes[node].clock, &self.nodes[node].shards[usize::from(shard)]);
            let Some(deadline) = shard.deadline.filter(|_| !shard.finished) else { return };
            clock.moment(deadline.at).max(self.now)
        };
        let place = &mut self.nodes[node].shards[usize::from(shard)];
        if place.wake_at.is_none_or(|at| moment < at) {
            place.wake_at = Some(moment);
            self.heap.put(moment, Event::Wake { node, life, shard });
        }
    }

    fn tell(&mut self, node: usize, shard: u16, input: Input<'_>) {
        let life = self.nodes[node].life;
        let was_stored = matches!(input, Input::Stored { .. });
        self.crediting = match input {
            Input::Sent { conn, .. } => Some(conn),
            _ => None,
        };
        let mut todo = mem::take(&mut self.todo);
        let now = self.nodes[node].clock.now(self.now);
        let place = &mut self.nodes[node].shards[usize::from(shard)];
        if place.finished {
            self.todo = todo;
            return;
        }
        assert!(place.told_at <= now.mono, "the steady clock of broker {node} went back");
        place.told_at = now.mono;
        place.digest.told(now, &input);
        if let Some(scribe) = &mut place.scribe {
            if let Input::Adopted { conn, .. } = &input
                && let Some(stream) = self.moving.remove(conn)
            {
                scribe.arrives(*conn, stream);
            }
            scribe.told(now, &input);
        }
        place.deadline = place.machine.handle(now, input, &mut todo);
        place.digest.said(&todo, place.deadline);
        if let Some(scribe) = &mut place.scribe {
            scribe.said(&todo, 0, place.deadline);
            self.moving.extend(scribe.departed());
        }
        self.write_down(node, shard);
        self.turns += 1;
        self.turns_at_once += 1;
        if self.turns_at_once > TURNS_AT_ONCE_MAX {
            let deadline = self.nodes[node].shards[usize::from(shard)].deadline;
            self.breaks(Rule::Other, format!("broker {node} spins: {deadline:?}"));
        }
        self.arm(node, shard);
        let mut wishes = todo.take();
        self.oracle.turn_begins(&wishes);
        let phase = self.phase_of(node, &wishes);
        if !phase.is_some_and(|phase| self.dies_at(node, phase)) {
            for wish in wishes.drain(..) {
                if was_stored && matches!(wish, Output::Send { .. }) && self.dies_at(node, Phase::BeforeAck) {
                    break;
                }
                self.perform(node, shard, wish, &todo);
                if !self.nodes[node].lives(life) {
                    break;
                }
            }
        }
        let told = self.oracle.turn_ends();
        self.judge(told);
        wishes.clear();
        todo.clear(wishes);
        self.todo = todo;
        self.check_drain(node);
    }

    fn perform(&mut self, node: usize, shard: u16, wish: Output, arena: &Outputs) {
        let life = self.nodes[node].life;
        match wish {
            Output::Read { conn } => {
                if let Some(link) = self.known(conn) {
                    if mem::replace(&mut self.links[link.0].granted, true) {
                        self.breaks(Rule::I10, format!("{conn} was granted a second chunk before the first"));
                    }
                    self.may_read(link);
                }
            }
            Output::Send { conn, bytes } => self.send(node, conn, &bytes, arena),
            Output::Close { conn, how } => {
                self.oracle.conn_ended(conn);
                if let Some(link) = self.known(conn) {
                    self.close(link, how == Closing::Both);
                }
            }
            Output::Store(request) => self.ask_store(node, shard, request),
            Output::Relay { to, envelope } => {
                let fact = Fact::Relayed(peermesh_core::ids::ShardId(shard), envelope);
                self.heap.put(self.now, Event::Fact { node, life, shard: to.0, fact });
            }
            Output::Handoff { conn, to, parcel } => {
                if let Some(link) = self.known(conn) {
                    self.links[link.0].shard = to.0;
                    let fact = Fact::Adopted(conn, parcel);
                    self.heap.put(self.now, Event::Fact { node, life, shard: to.0, fact });
                }
            }
            Output::Scrape { conn, openmetrics: _ } => {
                let page = bytes::Bytes::from_static(b"# a page\n");
                self.heap.put(self.now, Event::Fact { node, life, shard, fact: Fact::Scraped(conn, page) });
            }
            Output::Weigh { conn } => {
                self.heap.put(self.now, Event::Fact { node, life, shard, fact: Fact::Weighed(conn) });
            }
            Output::Forward(forward) => {
                let (no, at) = self.target.send(self.now, (node, life, shard), forward);
                self.heap.put(at, Event::Arrive(no));
            }
            Output::Dial { dial, to: _ } => {
                self.heap.put(self.now, Event::Fact { node, life, shard, fact: Fact::Undialled(dial) });
            }
            Output::Note(note) => self.note(node, &note),
            Output::Stats(stats) => self.nodes[node].snapshots[usize::from(shard)] = *stats,
            Output::Finished => {
                self.nodes[node].shards[usize::from(shard)].finished = true;
                if self.nodes[node].is_over() {
                    self.drained(node);
                }
            }
            Output::Fail { why } => {
                self.trace.add(self.now, || format!("broker {node} gives up: {why}"));
                self.die(node, 2_000);
            }
        }
    }

    fn ask_store(&mut self, node: usize, shard: u16, request: Request) {
        let place = &mut self.nodes[node];
        let Some(number) = place.number else { return };
        let is_write = matches!(request.work, Work::Write(_));
        place.shards[usize::from(shard)].asked[usize::from(!is_write)] += 1;
        let told = self.oracle.asked(&request, place.shards[usize::from(shard)].asked);
        self.judge(told);
        let from = (node, self.nodes[node].life, shard, number);
        let (no, at) = self.disk.submit(self.now, from, request);
        self.heap.put(at, Event::Commit(no));
    }

    fn send(&mut self, node: usize, conn: ConnId, payload: &Payload, arena: &Outputs) {
        let Some(no) = self.known(conn) else { return };
        let bytes = arena.bytes(payload);
        let link = &mut self.links[no.0];
        link.written += bytes.len() as u64;
        if let Some(raw) = &mut link.raw {
            raw.extend_from_slice(bytes);
        }
        let mut sights = Vec::new();
        if let Err(Nonsense(what)) = link.tap.feed(bytes, &mut sights) {
            return self.breaks(Rule::Other, format!("broker {node} wrote {what}"));
        }
        let out = link.out();
        if out > self.config.limits.send_window_bytes() {
            self.breaks(Rule::I10, format!("{conn} has {out} bytes with the runtime"));
        }
        let is_mail = |frame: &Frame| frame.kind == Kind::Push && frame.subtype.is_empty();
        let is_push = |(_, sight): &(u64, Sight)| matches!(sight, Sight::Message(frame) if is_mail(frame));
        let pushes = sights.iter().any(is_push);
        for (end, sight) in sights {
            self.said(node, no, &sight);
            let link = &mut self.links[no.0];
            if !link.over && !link.left {
                link.sights.push_back((end, sight));
            }
        }
        self.flow_down(no);
        if pushes {
            self.dies_at(node, Phase::Pushing);
        }
    }

    /// Something left the broker.
    fn said(&mut self, node: usize, no: LinkNo, sight: &Sight) {
        let Some(number) = self.nodes[node].number else { return };
        let (links, window) = (&self.links, self.config.limits.send_window_bytes());
        let conn = links[no.0].conn;
        let may_hide = |conn: ConnId| {
            let place = usize::try_from(conn.0).unwrap_or(usize::MAX).wrapping_sub(1);
            links.get(place).is_some_and(|link| link.is_known && link.may_hide(window))
        };
        let said = super::oracle::Said {
            at: self.now,
            wall_ms: super::clock::true_wall(self.now, self.passed_over_ms),
            mono: self.nodes[node].clock.now(self.now).mono,
            number,
            life: self.nodes[node].life,
            conn,
            is_prompt: self.crediting != Some(conn),
            may_hide: &may_hide,
        };
        let told = self.oracle.said(&said, &self.disk.model, &self.cast, sight, &mut self.tally);
        self.judge(told);
        self.trace.add(self.now, || format!("  {node} > {conn}: {}", sight.shown()));
    }

    fn note(&mut self, node: usize, note: &Note) {
        if note.level == Level::Error && note.msg != "db ping failed" {
            self.breaks(Rule::Other, format!("broker {node} logged an error: {note:?}"));
        }
        let told = self.oracle.noted(note);
        self.judge(told);
        let at = self.now;
        self.trace.add(at, || {
            let fields: Vec<String> =
                note.fields.iter().map(|(name, value)| format!("{name}={value}")).collect();
            format!("  | {node} {} {} {}", note.level.word(), note.msg, fields.join(" "))
        });
    }

    /// The link of a connection that the runtime still knows.
    pub(super) fn known(&self, conn: ConnId) -> Option<LinkNo> {
        let place = usize::try_from(conn.0).ok()?.checked_sub(1)?;
        self.links.get(place).filter(|link| link.is_known).map(|_| LinkNo(place))
    }
}
