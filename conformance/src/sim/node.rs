//! One broker process: its shards, its clocks, its lives.

use std::collections::VecDeque;
use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::Config;
use peermesh_core::digest::Digest;
use peermesh_core::ids::ShardId;
use peermesh_core::machine::Deadline;
use peermesh_core::stats::Stats;

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
    pub backlog: VecDeque<(u16, Fact)>,
    /// When it was told to drain.
    pub drain_at: Option<u64>,
    pub snapshots: Vec<Stats>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Down,
    Up,
}

pub(super) struct Shard {
    pub machine: Broker,
    pub digest: Digest,
    pub deadline: Option<Deadline>,
    /// When a wake-up is due.
    pub wake_at: Option<u64>,
    pub finished: bool,
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
            backlog: VecDeque::new(),
            drain_at: None,
            snapshots: Vec::new(),
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
    ) {
        self.life += 1;
        self.state = State::Up;
        self.clock = clock;
        self.number = Some(number);
        self.frozen_until = None;
        self.drain_at = None;
        self.backlog.clear();
        self.snapshots = vec![Stats::default(); usize::from(count)];
        let shard = |shard| {
            let setup =
                Setup { shard: ShardId(shard), shards: count, config: Arc::clone(config), seed: dice.key() };
            Shard {
                machine: Broker::new(setup),
                digest: Digest::new(),
                deadline: None,
                wake_at: None,
                finished: false,
                asked: [0; 2],
            }
        };
        self.shards = (0..count).map(shard).collect();
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
