//! What becomes of brokers: they start, stand still, drain and die.

use peermesh_core::machine::Output;
use peermesh_core::store::{Op, Work};

use super::chaos::Phase;
use super::clock::{MS, Speed};
use super::heap::{Event, Fact, Relief};
use super::marks::Mark;
use super::oracle::rules::Rule;
use super::world::World;

impl World {
    /// A broker dies here and now, and is started again after so many milliseconds.
    pub(super) fn die(&mut self, node: usize, down_ms: u64) {
        if !self.nodes[node].is_up() {
            return;
        }
        self.tally.mark(Mark::Died);
        if self.nodes[node].drain_at.is_some() {
            self.tally.mark(Mark::DiedDraining);
        }
        self.trace.add(self.now, || format!("broker {node} dies, for {down_ms} ms"));
        self.end_life(node);
        self.heap.put(self.now + down_ms * MS, Event::Start(node));
    }

    /// The process is gone: its streams end, what the store has of it is decided there.
    fn end_life(&mut self, node: usize) {
        let life = self.nodes[node].life;
        self.absorb(node);
        let place = &mut self.nodes[node];
        place.state = super::node::State::Down;
        place.shards.clear();
        place.backlog.clear();
        place.drain_at = None;
        self.oracle.ended(node);
        let (written, late) = self.disk.die(self.now, (node, life), &mut self.tally);
        for write in written {
            self.written(Some(write));
        }
        for (no, at) in late {
            self.heap.put(at, Event::Land(no));
        }
        let is_told = self.peace.is_some() || self.chaos.dice.chance(85);
        for no in self.open_links.clone() {
            let link = &mut self.links[no.0];
            if link.node != node || link.life != life || link.over || link.left {
                continue;
            }
            link.is_known = false;
            if is_told {
                let soon = self.chaos.dice.between(0, 50) * MS;
                self.heap.put(self.now + soon, Event::DownEnd { link: no });
            } else {
                // Its host is gone too: nobody tells the client.
                link.swallows = [true; 2];
            }
        }
    }

    /// A broker is told to stop in good order.
    pub(super) fn drain(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        if !place.is_up() || place.drain_at.is_some() || place.frozen_until.is_some() {
            return;
        }
        place.drain_at = Some(self.now);
        let life = place.life;
        self.trace.add(self.now, || format!("broker {node} is told to drain"));
        if self.oracle.has_open_sends() {
            self.tally.mark(Mark::DrainedBusy);
        }
        for shard in self.shard_ids() {
            let fact = Fact::Drain;
            self.heap.put(self.now, Event::Fact { node, life, shard: shard.0, fact });
        }
    }

    /// All shards of a broker have finished: its process ends, and a new one starts.
    pub(super) fn drained(&mut self, node: usize) {
        self.tally.mark(Mark::Drained);
        self.trace.add(self.now, || format!("broker {node} has drained"));
        if self.nodes[node].drain_at.is_none() {
            self.breaks(Rule::I20, format!("broker {node} finished though nobody told it to"));
        }
        self.end_life(node);
        let down_ms = self.chaos.dice.around(1_500);
        self.heap.put(self.now + down_ms * MS, Event::Start(node));
    }

    /// A broker that drains has to end in time.
    pub(super) fn check_drain(&mut self, node: usize) {
        let Some(began) = self.nodes[node].drain_at else { return };
        let bound_ms = self.config.drain_ms() + self.config.limits.close_ms() + 1_000;
        if self.now > began + bound_ms * MS {
            self.breaks(Rule::I20, format!("broker {node} still drains {bound_ms} ms after it was told to"));
        }
    }

    /// A process stands still. Where its host does, its steady clock does too, and its wall clock is left to
    /// hardware, which runs.
    pub(super) fn freeze(&mut self, node: usize, millis: u64, suspends: bool) {
        let place = &mut self.nodes[node];
        if !place.is_up() || place.frozen_until.is_some() || place.drain_at.is_some() {
            return;
        }
        let until = self.now + millis * MS;
        place.frozen_until = Some(until);
        place.suspended_at = suspends.then_some(self.now);
        if suspends {
            place.clock.wall().run(self.now, Speed::True);
            place.wall = *place.clock.wall();
        }
        self.tally.mark(if suspends { Mark::Suspended } else { Mark::Frozen });
        self.trace.add(self.now, || format!("broker {node} stands still for {millis} ms"));
        self.heap.put(until, Event::Relief(Relief::Thaw(node)));
    }

    pub(super) fn thaw(&mut self, node: usize) {
        let place = &mut self.nodes[node];
        if place.frozen_until.is_none_or(|until| until > self.now) {
            return;
        }
        place.frozen_until = None;
        if let Some(since) = place.suspended_at.take() {
            // Peace may wake it before its time; and its clock is not asked before it goes on.
            place.clock.sleep(self.now - since);
        }
        let life = place.life;
        self.trace.add(self.now, || format!("broker {node} goes on"));
        if self.nodes[node].number.is_some_and(|number| self.disk.has_lapsed(self.now, number)) {
            self.tally.mark(Mark::LeaseLapsed);
        }
        // A process that was stopped finds its timers due before it looks at what came.
        for shard in self.shard_ids() {
            self.wake_shard(node, life, shard.0);
        }
        while self.nodes[node].lives(life)
            && let Some((shard, fact)) = self.nodes[node].backlog.pop_front()
        {
            self.tell_fact(node, shard, fact);
        }
    }

    /// The step of a message's way that a list of wishes stands for.
    pub(super) fn phase_of(&self, node: usize, wishes: &[Output]) -> Option<Phase> {
        let armed = self.chaos.doom(node)?;
        let ops = wishes.iter().filter_map(|wish| match wish {
            Output::Store(request) => match &request.work {
                Work::Write(batch) => Some(&batch.ops),
                Work::Read(_) => None,
            },
            _ => None,
        });
        let mut ops = ops.flatten();
        match armed {
            Phase::Judged => ops.any(|op| matches!(op, Op::Accept(_))).then_some(armed),
            Phase::AckRead => ops.any(|op| matches!(op, Op::Settle(_))).then_some(armed),
            Phase::Unread
            | Phase::InTransaction
            | Phase::Committing
            | Phase::Committed
            | Phase::BeforeAck
            | Phase::Pushing
            | Phase::Settling => None,
        }
    }

    /// True when a broker was meant to die at this step, and does.
    pub(super) fn dies_at(&mut self, node: usize, phase: Phase) -> bool {
        if self.chaos.doom(node) != Some(phase) || !self.nodes[node].is_up() {
            return false;
        }
        self.chaos.clear_doom();
        self.tally.mark(phase.mark());
        self.trace.add(self.now, || format!("broker {node} dies: {}", phase.mark().word()));
        let down_ms = self.chaos.dice.around(1_000);
        self.die(node, down_ms);
        true
    }

    /// The same for a write whose moment has come.
    pub(super) fn dies_in_store(&mut self, no: u64) -> bool {
        let Some((node, Work::Write(batch))) = self.disk.work(no) else { return false };
        let Some(phase) = self.chaos.doom(node) else { return false };
        let accepts = batch.ops.iter().any(|op| matches!(op, Op::Accept(_)));
        let settles = batch.ops.iter().any(|op| matches!(op, Op::Settle(_)));
        let meant = match phase {
            Phase::InTransaction | Phase::Committing => accepts,
            Phase::Settling => settles && !accepts,
            _ => false,
        };
        if phase == Phase::InTransaction && meant {
            // Rolled back: nothing of it is ever written.
            self.disk.forget(no);
        }
        meant && self.dies_at(node, phase)
    }

    /// The same for a write that was made, and whose answer is due.
    pub(super) fn dies_before_reply(&mut self, no: u64) -> bool {
        let Some((node, Work::Write(batch))) = self.disk.work(no) else { return false };
        let accepts = batch.ops.iter().any(|op| matches!(op, Op::Accept(_)));
        accepts && self.dies_at(node, Phase::Committed)
    }
}
