//! What clients do with streams, and what the network does with what is on them.

use std::net::{IpAddr, Ipv4Addr};

use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Ending, Listener};

use super::clock::MS;
use super::heap::{Event, Fact};
use super::link::{Link, LinkNo, Way};
use super::marks::Mark;
use super::plan::Class;
use super::tap::{Tap, put_frame};
use super::world::World;

impl World {
    /// A client opens a stream to a broker; none when nobody listens there.
    pub(super) fn dial(&mut self, actor: usize, node: usize, listener: Listener) -> Option<LinkNo> {
        if !self.nodes[node].is_up() || self.nodes[node].is_over() {
            return None;
        }
        let (no, life) = (LinkNo(self.links.len()), self.nodes[node].life);
        let conn = ConnId(no.0 as u64 + 1);
        let mut link = Link::new(actor, node, life, conn);
        if listener == Listener::Live {
            link.tap = Tap::of_live();
        }
        if self.mix.has(Class::Delays) && self.peace.is_none() {
            link.delay_ms = *self.net.pick(&[(0, 2), (5, 40), (20, 200), (50, 1_500)]);
        }
        if self.mix.has(Class::Slow) && self.net.chance(30) {
            link.capacity = 2_048;
        }
        self.links.push(link);
        self.open_links.push(no);
        let at = self.arrival(no, Way::Up);
        // Everybody has an address of its own, so that no bound on one concerns another.
        let [.., high, low] = u32::try_from(actor).unwrap_or(0).to_be_bytes();
        let remote = IpAddr::V4(Ipv4Addr::new(10, 1, high, low));
        let fact = Fact::Opened(conn, listener, remote, no);
        self.heap.put(at, Event::Fact { node, life, shard: 0, fact });
        Some(no)
    }

    /// When bytes that leave at this moment arrive.
    fn arrival(&mut self, no: LinkNo, way: Way) -> u64 {
        let (from, to) = self.links[no.0].delay_ms;
        let delay = self.net.between(from * MS, to * MS) + 20_000;
        if delay >= 1_000 * MS {
            self.tally.mark(Mark::Delayed);
        }
        let mut at = (self.now + delay).max(self.links[no.0].stalled_until[way as usize]);
        if self.mix.has(Class::Splits) && self.net.chance(20) && self.peace.is_none() {
            // Small packets that wait for each other arrive at once.
            at = at.next_multiple_of(40 * MS);
        }
        let last = &mut self.links[no.0].last[way as usize];
        *last = at.max(*last);
        *last
    }

    /// A client writes; `messages` says how many messages these are.
    pub(super) fn write(&mut self, no: LinkNo, bytes: Vec<u8>, messages: u32) {
        if self.links[no.0].left {
            return;
        }
        let at = self.arrival(no, Way::Up);
        let link = &mut self.links[no.0];
        link.unread += messages;
        if !link.swallows[Way::Up as usize] {
            self.heap.put(at, Event::Up { link: no, bytes });
        }
    }

    /// A client sends one text message, now and then in fragments.
    pub(super) fn write_text(&mut self, no: LinkNo, text: &str) {
        let mut bytes = Vec::with_capacity(text.len() + 16);
        if self.mix.has(Class::Splits) && text.len() > 20 && self.net.chance(5) {
            let (front, back) = text.as_bytes().split_at(text.len() / 3);
            put_frame(&mut bytes, false, 1, front);
            put_frame(&mut bytes, true, 0, back);
        } else {
            put_frame(&mut bytes, true, 1, text.as_bytes());
        }
        self.write(no, bytes, 1);
    }

    /// A client sends a frame that is no message.
    pub(super) fn write_control(&mut self, no: LinkNo, op: u8, payload: &[u8]) {
        let mut bytes = Vec::new();
        put_frame(&mut bytes, true, op, payload);
        self.write(no, bytes, 0);
    }

    pub(super) fn up(&mut self, no: LinkNo, mut bytes: Vec<u8>) {
        let link = &mut self.links[no.0];
        if !self.nodes[link.node].lives(link.life) || link.swallows[Way::Up as usize] || link.hung_up {
            return;
        }
        if let Some(cut) = link.cut_in.take() {
            if cut < bytes.len() {
                bytes.truncate(cut);
                link.kernel.append(&mut bytes);
                self.tally.mark(Mark::LinkCutMidFrame);
                self.may_read(no);
                return self.cut(no, true, true);
            }
            link.cut_in = Some(cut - bytes.len());
        }
        link.kernel.append(&mut bytes);
        self.may_read(no);
    }

    pub(super) fn up_end(&mut self, no: LinkNo, how: Ending) {
        let link = &mut self.links[no.0];
        if !self.nodes[link.node].lives(link.life) || link.swallows[Way::Up as usize] {
            return;
        }
        match how {
            Ending::Finished => {
                link.hung_up = true;
                self.may_read(no);
            }
            Ending::Broken => {
                let (node, life, shard, conn) = (link.node, link.life, link.shard, link.conn);
                self.fact(node, life, shard, Fact::Broken(conn));
            }
        }
    }

    /// Lets the broker know that there is something to read, if it may.
    pub(super) fn may_read(&mut self, no: LinkNo) {
        let link = &mut self.links[no.0];
        if link.is_readable() && !link.is_ready {
            link.is_ready = true;
            let (node, life, shard) = (link.node, link.life, link.shard);
            self.heap.put(self.now, Event::Fact { node, life, shard, fact: Fact::Ready(no) });
        }
    }

    /// Lets the kernel take what it can, and sends it on its way.
    pub(super) fn flow_down(&mut self, no: LinkNo) {
        let more = self.links[no.0].room();
        if more == 0 {
            return;
        }
        let at = self.arrival(no, Way::Down);
        let link = &mut self.links[no.0];
        link.taken += more;
        let (node, life, shard, conn, upto) = (link.node, link.life, link.shard, link.conn, link.taken);
        let goes = !link.swallows[Way::Down as usize] && !link.left;
        let soon = self.now + self.net.between(5, 300) * 1_000;
        let bytes = usize::try_from(more).unwrap_or(usize::MAX);
        self.heap.put(soon, Event::Fact { node, life, shard, fact: Fact::Sent(conn, bytes) });
        if goes {
            self.heap.put(at, Event::Down { link: no, upto });
        }
    }

    pub(super) fn down(&mut self, no: LinkNo, upto: u64) {
        let link = &mut self.links[no.0];
        if link.left || link.over || link.swallows[Way::Down as usize] {
            return;
        }
        let stalled = link.stalled_until[Way::Down as usize];
        if stalled > self.now {
            return self.heap.put(stalled, Event::Down { link: no, upto });
        }
        link.arrivable = link.arrivable.max(upto);
        if link.reading {
            self.arrive(no);
        }
    }

    /// The client takes what has arrived.
    fn arrive(&mut self, no: LinkNo) {
        let link = &mut self.links[no.0];
        link.arrived = link.arrivable;
        let actor = link.actor;
        if let Some(bytes) = self.links[no.0].arrived_bytes() {
            self.with_actor(actor, |actor, world| actor.takes(world, no, bytes));
        }
        while let Some(sight) = self.links[no.0].next_sight() {
            if self.links[no.0].left {
                return;
            }
            self.with_actor(actor, |actor, world| actor.sees(world, no, sight));
        }
        self.flow_down(no);
    }

    /// The broker's end arrives at the client.
    pub(super) fn down_end(&mut self, no: LinkNo) {
        let link = &mut self.links[no.0];
        if link.left || link.over {
            return;
        }
        if link.sights.is_empty() || link.swallows[Way::Down as usize] || !link.reading {
            let body = link.tap.body().to_vec();
            let actor = link.actor;
            link.forget_sights();
            self.with_actor(actor, |actor, world| actor.loses(world, no, &body));
        } else {
            // What was written before is still on its way.
            let at = link.last[Way::Down as usize].max(self.now) + MS;
            if link.arrived >= link.taken {
                link.sights.clear();
            }
            self.heap.put(at, Event::DownEnd { link: no });
        }
    }

    /// The broker ends its side, or drops the stream.
    pub(super) fn close(&mut self, no: LinkNo, both: bool) {
        let at = self.arrival(no, Way::Down);
        let link = &mut self.links[no.0];
        if both {
            link.is_known = false;
            link.written = link.taken;
        }
        if !link.swallows[Way::Down as usize] {
            self.heap.put(at, Event::DownEnd { link: no });
        }
    }

    /// The client ends its side and reads on.
    pub(super) fn hang_up(&mut self, no: LinkNo) {
        self.end_up(no, Ending::Finished);
    }

    /// The client drops the stream.
    pub(super) fn leave(&mut self, no: LinkNo) {
        if !self.links[no.0].left {
            self.end_up(no, Ending::Broken);
            self.links[no.0].left = true;
            self.links[no.0].sights.clear();
        }
    }

    fn end_up(&mut self, no: LinkNo, how: Ending) {
        let at = self.arrival(no, Way::Up);
        let link = &self.links[no.0];
        if !link.left && !link.swallows[Way::Up as usize] {
            self.heap.put(at, Event::UpEnd { link: no, how });
        }
    }

    /// The client stops reading, or reads on.
    pub(super) fn set_reading(&mut self, no: LinkNo, reading: bool) {
        self.links[no.0].reading = reading;
        if reading {
            // What has arrived meanwhile is taken in a turn of its own: its actor is busy.
            let upto = self.links[no.0].arrivable;
            self.heap.put(self.now, Event::Down { link: no, upto });
        }
    }

    /// The network cuts a stream, and tells of it whom it tells.
    pub(super) fn cut(&mut self, no: LinkNo, tells_broker: bool, tells_client: bool) {
        let link = &mut self.links[no.0];
        if link.over || link.left && !link.is_known {
            return;
        }
        self.tally.mark(Mark::LinkCut);
        let link = &mut self.links[no.0];
        if link.is_mid_frame() {
            self.tally.mark(Mark::LinkCutMidFrame);
        }
        let link = &mut self.links[no.0];
        link.swallows = [true; 2];
        let (node, life, shard, conn) = (link.node, link.life, link.shard, link.conn);
        if tells_broker {
            self.heap.put(self.now, Event::Fact { node, life, shard, fact: Fact::Broken(conn) });
        }
        if tells_client {
            self.heap.put(self.now, Event::DownEnd { link: no });
        }
        if !tells_broker && !tells_client {
            self.tally.mark(Mark::HalfOpen);
        }
    }

    /// One direction, or both, lose everything from here on.
    pub(super) fn swallow(&mut self, no: LinkNo, ways: &[Way]) {
        for way in ways {
            self.links[no.0].swallows[*way as usize] = true;
        }
        self.tally.mark(if ways.len() == 2 { Mark::HalfOpen } else { Mark::OneWay });
    }

    /// One direction stands still for a while.
    pub(super) fn stall(&mut self, no: LinkNo, way: Way, until: u64) {
        self.links[no.0].stalled_until[way as usize] = until;
        self.tally.mark(Mark::Stalled);
    }

    pub(super) fn flow_again(&mut self, no: LinkNo, way: Way) {
        self.links[no.0].stalled_until[way as usize] = 0;
    }

    /// Streams that both sides use.
    pub(super) fn live_links(&mut self) -> Vec<LinkNo> {
        let (links, nodes) = (&self.links, &self.nodes);
        self.open_links.retain(|no| !links[no.0].left && !links[no.0].over);
        let live = |link: &Link| link.is_known && nodes[link.node].lives(link.life);
        self.open_links.iter().copied().filter(|no| live(&links[no.0])).collect()
    }
}
