//! The event target: it takes what it is sent, or does whatever else a web server can do.

use std::collections::BTreeMap;

use peermesh_core::forward::{Forward, Forwarded};

use super::clock::MS;
use super::dice::Dice;
use super::marks::{Mark, Tally};

pub(super) struct Target {
    pub manner: Manner,
    flights: BTreeMap<u64, Flight>,
    last: u64,
    dice: Dice,
}

/// How it behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    Well,
    Down,
    /// Answers 500, to some or to all.
    Fails(u64),
    /// Refuses some for good.
    Refuses,
    /// Takes events and loses its replies.
    LosesReplies,
    /// Says nothing until the courier gives up.
    Hangs,
    /// Asks for patience.
    Busy,
}

/// An event on its way.
pub(super) struct Flight {
    pub node: usize,
    pub life: u32,
    pub shard: u16,
    pub forward: Box<Forward>,
    result: Option<Forwarded>,
}

/// How long a courier waits for an answer, in milliseconds.
const PATIENCE_MS: u64 = 10_000;

impl Target {
    pub(super) fn new(seed: u64) -> Target {
        let dice = Dice::of(seed, "target", 0);
        Target { manner: Manner::Well, flights: BTreeMap::new(), last: 0, dice }
    }

    /// A courier sets out; gives the name of its way and when it arrives.
    pub(super) fn send(&mut self, at: u64, from: (usize, u32, u16), forward: Box<Forward>) -> (u64, u64) {
        self.last += 1;
        let (node, life, shard) = from;
        self.flights.insert(self.last, Flight { node, life, shard, forward, result: None });
        (self.last, at + self.dice.between(1, 20) * MS)
    }

    /// A courier arrives. Gives when its answer is due, the event if it came, and whether it is taken.
    pub(super) fn arrive(&mut self, at: u64, no: u64, tally: &mut Tally) -> (u64, Option<(&Forward, bool)>) {
        let Some(flight) = self.flights.get_mut(&no) else { return (at, None) };
        let failed = |why: &str| Forwarded::Failed { why: why.to_owned() };
        let status = |status, retry_after: Option<String>| Forwarded::Answered { status, retry_after };
        let soon = at + self.dice.between(1, 30) * MS;
        let (result, due, takes) = match self.manner {
            Manner::Well => (status(200, None), soon, true),
            Manner::Down => {
                tally.mark(Mark::TargetDown);
                (failed("connection refused"), soon, false)
            }
            Manner::Fails(percent) if self.dice.chance(percent) => (status(500, None), soon, false),
            Manner::Fails(_) => (status(204, None), soon, true),
            Manner::Refuses if self.dice.chance(30) => (status(422, None), soon, false),
            Manner::Refuses => (status(200, None), soon, true),
            Manner::LosesReplies => {
                tally.mark(Mark::TargetLostReply);
                (failed("the connection was reset"), soon, true)
            }
            Manner::Hangs => (failed("no answer in time"), at + PATIENCE_MS * MS, self.dice.chance(50)),
            Manner::Busy => (status(429, Some(self.dice.between(1, 4).to_string())), soon, false),
        };
        flight.result = Some(result);
        let came = self.manner != Manner::Down;
        (due, came.then_some((&*flight.forward, takes)))
    }

    /// The answer for a courier is due.
    pub(super) fn answer(&mut self, no: u64) -> Option<(Flight, Forwarded)> {
        let mut flight = self.flights.remove(&no)?;
        let result = flight.result.take()?;
        Some((flight, result))
    }
}
