//! Whole towns, lived through many times: brokers, clients, runners, their store and the network between
//! them, with faults drawn by the seed.
//!
//! `PEERMESH_SEED=7` or `PEERMESH_SEED=7-90` lives through these instead; `PEERMESH_LINES` says how much of
//! the end of a broken one is shown.

use std::env;
use std::ops::RangeInclusive;

use peermesh_conformance::sim::fleet::{Report, run_all};
use peermesh_conformance::sim::{self, Plan};

/// Lines of a broken town's end that are shown.
const LINES: usize = 60;

#[test]
fn what_is_promised_holds_in_every_town() {
    let report = lived(1..=20);
    assert!(report.holds(), "{} runs, state {}", report.runs, report.state);
}

#[test]
fn a_seed_is_lived_the_same_way_twice() {
    assert_eq!(lived(3..=4).state, lived(3..=4).state);
}

fn lived(usual: RangeInclusive<u64>) -> Report {
    let report = run_all(seeds(usual), &Plan::of, &|_| true);
    if let Some(failure) = &report.failure {
        let lines = env::var("PEERMESH_LINES").ok().and_then(|number| number.parse().ok()).unwrap_or(LINES);
        let failure = sim::run(&failure.plan, lines);
        panic!("\n{}\n{:?}\n{}", failure.trace, failure.violation, failure.plan.words());
    }
    report
}

fn seeds(usual: RangeInclusive<u64>) -> RangeInclusive<u64> {
    let Ok(wanted) = env::var("PEERMESH_SEED") else { return usual };
    let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
    let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
    number(first)..=number(last)
}
