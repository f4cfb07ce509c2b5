//! Whole towns, lived through many times.

use std::ops::RangeInclusive;

use peermesh_conformance::sim::fleet::{Report, run_all};
use peermesh_conformance::sim::{Mark, Plan};

fn seeds(usual: RangeInclusive<u64>) -> RangeInclusive<u64> {
    let Ok(wanted) = std::env::var("PEERMESH_SEED") else { return usual };
    let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
    let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
    number(first)..=number(last)
}

#[test]
fn lives() {
    let report: Report = run_all(seeds(1..=20), &Plan::of, &|_| true);
    for mark in Mark::ALL {
        print!("{} {}; ", report.tally.count(*mark), mark.word());
    }
    println!(
        "{} runs, {} turns, {} simulated seconds per second of a core, state {}",
        report.runs,
        report.turns,
        report.speed(),
        report.state
    );
    if let Some(failure) = &report.failure {
        let lines = std::env::var("PEERMESH_LINES").ok().and_then(|n| n.parse().ok()).unwrap_or(60);
        let failure = &peermesh_conformance::sim::run(&failure.plan, lines);
        let violation = failure.violation.as_ref().unwrap();
        panic!("\n{}\n{violation}\n{}", failure.trace, failure.plan.words());
    }
    assert!(report.holds());
}
