//! Whole towns, lived through many times: brokers, clients, runners, their store and the network between
//! them, with faults drawn by the seed.
//!
//! `PEERMESH_SEED=7` or `PEERMESH_SEED=7-90` lives through these instead; `PEERMESH_LINES` says how much of
//! the end of a broken one is shown, and with `PEERMESH_SHRINK` it is made small first.
#![allow(clippy::print_stdout, reason = "what came about and how fast is for whoever runs this")]

use std::env;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use peermesh_conformance::sim::fleet::{Report, Watch, run_all};
use peermesh_conformance::sim::shrink::shrink;
use peermesh_conformance::sim::{self, Mark, Outcome, Plan, Without};
use peermesh_core::config::Limits;

/// Seeds of every change and of a long run, ten simulated minutes each.
const SEEDS: RangeInclusive<u64> = 1..=200;
const LONG_SEEDS: RangeInclusive<u64> = 1..=1_000;
/// Simulated seconds for each second of a core, at least.
const SPEED_MIN: u64 = 100;
/// Lines of a broken town's end that are shown.
const LINES: usize = 60;

/// Towns in which something was wrong once: seed, what is left out, and what it was.
const ONCE_BROKEN: &[(u64, &str, &str)] = &[
    (19, "", "what was written while a wall clock was behind counted as old as soon as it was right again"),
    (21, "", "a broker that had slept showed a live topic as it was before another one took it over"),
    (31, "", "a stream of events opened for one whose rights were taken back while its topic was on its way"),
    (55, "", "who watched a live topic at a broker that lost it heard nothing more, and was not told"),
    (110, "", "an event passed an older one that a page had shown before its commit was known of"),
    (340, "", "a delivery ended twice: the store's answer about an acknowledgement was older than its end"),
];

/// The towns of every change, which several tests look at.
static TOWNS: LazyLock<Report> = LazyLock::new(|| lived(seeds(SEEDS), &Plan::of));

#[test]
fn what_is_promised_holds_in_every_town() {
    println!(
        "{} towns, {} simulated seconds, {} simulated seconds for each second of a core; state {}",
        TOWNS.runs,
        TOWNS.simulated_ms / 1_000,
        TOWNS.speed(),
        TOWNS.state
    );
    assert!(TOWNS.holds() && TOWNS.compared > 0 && TOWNS.compared >= TOWNS.runs / 100);
    assert!(TOWNS.speed() >= SPEED_MIN, "{} simulated seconds a second", TOWNS.speed());
}

#[test]
fn what_is_promised_holds_with_the_limits_that_a_broker_has_by_itself() {
    let report = lived(1..=10, &|seed| Plan { limits: Some(Limits::default()), ..Plan::of(seed) });
    assert!(report.tally.count(Mark::Accepted) > 100 && report.tally.count(Mark::Died) > 0);
}

#[test]
fn what_was_wrong_once_holds() {
    for (seed, without, what) in ONCE_BROKEN {
        let without = Without::parse(without).expect("a list of classes");
        let outcome = sim::run(&Plan { without, ..Plan::of(*seed) }, LINES);
        assert_eq!(outcome.violation, None, "{what}\n{}", outcome.trace);
    }
}

/// A seed whose town has hosts with daemons, as the second part of the test sees to.
const HOSTED: u64 = 1;

#[test]
fn f_dmn_06_what_is_queued_while_the_broker_is_away_for_days_arrives_in_order_unless_it_is_too_old() {
    let mut expired = 0;
    for days in [3, 7] {
        let Outcome { violation, tally, trace, .. } = sim::run_away(HOSTED, days, LINES);
        assert_eq!(violation, None, "{days} days\n{trace}");
        let count = |mark| tally.count(mark);
        assert!(count(Mark::OutboxQueued) > 100, "{}", count(Mark::OutboxQueued));
        let ended = [Mark::OutboxDelivered, Mark::OutboxDead, Mark::OutboxExpired].map(count);
        assert!(ended.iter().sum::<u64>() >= count(Mark::OutboxQueued) - count(Mark::OutboxRequeued));
        // A row is given up at an age of six days.
        assert!(days > 6 || ended[2] == 0, "{days} days: {ended:?}");
        expired += ended[2];
    }
    assert!(expired > 0);
}

#[test]
#[ignore = "minutes; ./check --long runs it"]
fn what_is_promised_holds_in_a_thousand_towns_and_everything_comes_about() {
    let report = lived(seeds(LONG_SEEDS), &Plan::of);
    for mark in Mark::ALL {
        println!("{:>9} {}", report.tally.count(*mark), mark.word());
    }
    println!("{} simulated seconds for each second of a core; state {}", report.speed(), report.state);
    assert_eq!(report.tally.missing(), [], "these never came about");
}

#[test]
#[ignore = "minutes; ./check --long runs it"]
fn what_is_promised_holds_for_a_day() {
    let day = |seed| Plan { span_ms: 24 * 3_600_000, limits: Some(Limits::default()), ..Plan::of(seed) };
    assert!(lived(1..=2, &day).holds());
}

fn lived(seeds: RangeInclusive<u64>, plan_of: &(dyn Fn(u64) -> Plan + Sync)) -> Report {
    let report = run_all(seeds, plan_of, &Watch::default());
    if let Some(seed) = report.unlike {
        panic!("seed {seed} ended in another state when it ran again");
    }
    if let Some(failure) = &report.failure {
        let lines = env::var("PEERMESH_LINES").ok().and_then(|number| number.parse().ok()).unwrap_or(LINES);
        let plan = failure.plan.clone();
        let plan =
            if env::var_os("PEERMESH_SHRINK").is_some() { shrink(failure, &|_| {}).plan } else { plan };
        let failure = sim::run(&plan, lines);
        panic!("\n{}\n{:?}\npeermesh sim {}", failure.trace, failure.violation, failure.plan.words());
    }
    report
}

fn seeds(usual: RangeInclusive<u64>) -> RangeInclusive<u64> {
    let Ok(wanted) = env::var("PEERMESH_SEED") else { return usual };
    let (first, last) = wanted.split_once('-').unwrap_or((&wanted, &wanted));
    let number = |text: &str| text.parse().expect("PEERMESH_SEED is a number, or two with a dash");
    number(first)..=number(last)
}
