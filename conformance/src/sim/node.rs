//! One broker process: its shards, its clocks, its lives.

use std::collections::VecDeque;
use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::Config;
use peermesh_core::digest::Digest;
use peermesh_core::ids::ShardId;
use peermesh_core::journal::{End, EndReason, Header, Payloads, Scribe};
use peermesh_core::machine::Deadline;
use peermesh_core::stats::Stats;
use peermesh_core::time::Mono;

use super::clock::{Clock, WallClock};
use super::dice::Dice;
use super::heap::Fact;

pub(super) struct Node {
    pub life: u32,
    pub state: State,
    pub shards: Vec<Shard>,
    pub clock: Clock,
    /// The host's wall clock, which outlives its processes.
    pub wall: WallClock,
    /// Who it is in the store, in this life.
    pub number: Option<u64>,
    /// It stands still until then; what comes meanwhile waits, in order.
    pub frozen_until: Option<u64>,
    /// Since when its host stands still with it, steady clock and all.
    pub suspended_at: Option<u64>,
    pub backlog: VecDeque<(u16, Fact)>,
    /// When it was told to drain.
    pub drain_at: Option<u64>,
    pub snapshots: Vec<Stats>,
    /// What its shards are told in this life, where that is recorded.
    pub tape: Option<Vec<u8>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Down,
    Up,
}

pub(super) struct Shard {
    pub machine: Broker,
    pub digest: Digest,
    pub scribe: Option<Scribe>,
    pub deadline: Option<Deadline>,
    /// When a wake-up is due.
    pub wake_at: Option<u64>,
    pub finished: bool,
    /// When it was told something last, by its steady clock.
    pub told_at: Mono,
    /// Requests that the store has: writes, questions.
    pub asked: [u32; 2],
}

impl Node {
    pub(super) fn new() -> Node {
        Node {
            life: 0,
            state: State::Down,
            shards: Vec::new(),
            clock: Clock::start(0, WallClock::right(), 0),
            wall: WallClock::right(),
            number: None,
            frozen_until: None,
            suspended_at: None,
            backlog: VecDeque::new(),
            drain_at: None,
            snapshots: Vec::new(),
            tape: None,
        }
    }

    /// Begins a life, with these clocks.
    pub(super) fn start(
        &mut self,
        clock: Clock,
        number: u64,
        count: u16,
        config: &Arc<Config>,
        dice: &mut Dice,
        recorded: Option<Payloads>,
    ) {
        self.life += 1;
        self.state = State::Up;
        self.clock = clock;
        self.number = Some(number);
        self.frozen_until = None;
        self.suspended_at = None;
        self.drain_at = None;
        self.backlog.clear();
        self.snapshots = vec![Stats::default(); usize::from(count)];
        let seeds: Vec<[u8; 32]> = (0..count).map(|_| dice.key()).collect();
        let shard = |(shard, seed): (u16, &[u8; 32])| {
            let shard = ShardId(shard);
            let setup = Setup { shard, shards: count, config: Arc::clone(config), seed: *seed };
            Shard {
                scribe: recorded.map(|payloads| Scribe::new(shard, payloads, [7; 16])),
                machine: Broker::new(setup),
                digest: Digest::new(),
                deadline: None,
                wake_at: None,
                finished: false,
                told_at: Mono::START,
                asked: [0; 2],
            }
        };
        self.shards = (0..count).zip(&seeds).map(shard).collect();
        self.tape = recorded.map(|payloads| {
            let config = Arc::clone(config);
            Header { began: self.clock.now(0).wall, payloads, seeds, last_ticket: 0, config }.beginning()
        });
    }

    /// What was recorded of this life, as it ends.
    pub(super) fn take_tape(&mut self) -> Option<Vec<u8>> {
        let mut tape = self.tape.take()?;
        for shard in &mut self.shards {
            shard.write_down(&mut tape, 0);
        }
        let scribes = self.shards.iter().filter_map(|shard| shard.scribe.as_ref());
        let shards = scribes.map(|scribe| (scribe.turns(), scribe.state())).collect();
        tape.extend_from_slice(&End { why: EndReason::Finished, shards }.block());
        Some(tape)
    }

    pub(super) fn is_up(&self) -> bool {
        self.state == State::Up
    }

    /// The life of that number goes on.
    pub(super) fn lives(&self, life: u32) -> bool {
        self.is_up() && self.life == life
    }

    pub(super) fn is_over(&self) -> bool {
        self.shards.iter().all(|shard| shard.finished)
    }
}

impl Shard {
    /// Ends the block under way where it holds more than so many bytes.
    pub(super) fn write_down(&mut self, tape: &mut Vec<u8>, bytes: usize) {
        let scribe = self.scribe.as_mut().filter(|scribe| scribe.len() > bytes);
        if let Some(block) = scribe.and_then(|scribe| scribe.take_block(Vec::new())) {
            tape.extend_from_slice(&block);
        }
    }
}
