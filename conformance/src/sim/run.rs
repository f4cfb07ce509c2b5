//! One run: a plan becomes a world, the world goes by, and something can be said about it.

use peermesh_core::digest::StateHash;
use peermesh_core::journal::Payloads;

use super::clock::MS;
use super::marks::Tally;
use super::oracle::rules::Violation;
use super::plan::Plan;
use super::world::World;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The plan it was made of.
    pub plan: Plan,
    /// The state at its end, which is the same in every run of the plan.
    pub state: StateHash,
    /// What went wrong first, if anything did.
    pub violation: Option<Violation>,
    /// Simulated milliseconds that went by.
    pub simulated_ms: u64,
    /// Facts that machines were told.
    pub turns: u64,
    /// What happened.
    pub tally: Tally,
    /// The last things that happened before it went wrong, for a person.
    pub trace: String,
}

/// Runs a plan, and keeps that many of the last things that happen.
pub fn run(plan: &Plan, lines: usize) -> Outcome {
    lived(plan, lines, None, &mut |_| {}).0
}

/// The same; `tell` hears now and then how many milliseconds have gone by since it was told last.
pub(super) fn run_telling(plan: &Plan, lines: usize, tell: &mut dyn FnMut(u64)) -> Outcome {
    lived(plan, lines, None, tell).0
}

/// Runs a plan, and gives a recording of every life of every broker besides.
pub fn run_recorded(plan: &Plan, payloads: Payloads) -> (Outcome, Vec<Vec<u8>>) {
    lived(plan, 0, Some(payloads), &mut |_| {})
}

fn lived(
    plan: &Plan,
    lines: usize,
    recorded: Option<Payloads>,
    tell: &mut dyn FnMut(u64),
) -> (Outcome, Vec<Vec<u8>>) {
    let mut world = World::new(plan, recorded);
    world.trace.keep(lines);
    world.run(tell);
    let outcome = Outcome {
        plan: plan.clone(),
        state: world.state(),
        simulated_ms: world.now / MS,
        turns: world.turns,
        trace: world.trace.shown(),
        violation: world.broken,
        tally: world.tally,
    };
    (outcome, world.recordings)
}
