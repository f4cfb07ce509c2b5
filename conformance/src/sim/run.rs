//! One run: a plan becomes a world, the world goes by, and something can be said about it.

use std::collections::BTreeSet;

use peermesh_core::config::Limits;
use peermesh_core::digest::StateHash;
use peermesh_core::journal::Payloads;

use super::clock::MS;
use super::heap::Event;
use super::marks::Tally;
use super::oracle::rules::Violation;
use super::plan::{Class, Plan, Without};
use super::swarm::{Mix, PeerKind, Role};
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

/// Runs a town with hosts in which nothing goes wrong but that all brokers are away for days, and their
/// daemons are not.
pub fn run_away(seed: u64, days: u64, lines: usize) -> Outcome {
    const DAY_MS: u64 = 24 * 3_600_000;
    let away_ms = days * DAY_MS;
    let mut limits = Limits::default();
    // What has gathered for days is not to wait for a budget besides.
    let set = limits.set("send_rate_per_minute", 0);
    assert!(set.is_ok(), "{set:?}");
    let mut without = Without::default();
    without.classes.extend(Class::ALL.iter().filter(|class| **class != Class::Daemons));
    let mut plan = Plan { seed, span_ms: away_ms * 10 / 7 + 1_200_000, limits: Some(limits), without };
    // Hosts, and one peer of each member, for whom mail would wait for ever: who knocks at a closed door for
    // days does nothing else.
    let mut here = BTreeSet::new();
    let mut is_one_more = |role: &Role| match role {
        Role::Peer(peer) => peer.kind == PeerKind::SendOnly || !here.insert((peer.mesh, peer.member)),
        _ => false,
    };
    let actors = Mix::of(&plan).actors;
    plan.without.actors.extend(actors.iter().filter(|(_, role)| is_one_more(role)).map(|(no, _)| *no));
    let mut mix = Mix::of(&plan);
    // Deeds are so far apart that days of them can be lived through.
    mix.pace_ms = 1_800_000;
    let mut world = World::of(&plan, mix, None);
    world.heap.put(300_000 * MS, Event::Away(away_ms));
    world.trace.keep(lines);
    world.run(&mut |_| {});
    outcome(&plan, world)
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
    let recordings = std::mem::take(&mut world.recordings);
    (outcome(plan, world), recordings)
}

fn outcome(plan: &Plan, mut world: World) -> Outcome {
    Outcome {
        plan: plan.clone(),
        state: world.state(),
        simulated_ms: world.now / MS,
        turns: world.turns,
        trace: world.trace.shown(),
        violation: world.broken,
        tally: world.tally,
    }
}
