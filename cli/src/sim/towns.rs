//! How many runs are made, watched and told of.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::sim::fleet::{Report, Watch, run_all};
use peermesh_conformance::sim::shrink::shrink;
use peermesh_conformance::sim::{self as simulator, Class, Mark, Outcome, Plan, Without};
use serde_json::{Value, json};

use super::{Sim, SimError};
use crate::config::{Flags, Settings};
use crate::failure::Failure;
use crate::home::Home;
use crate::terminal::Terminal;

/// How often a long run says how far it is.
const REMARK_EVERY: Duration = Duration::from_secs(10);

/// Lives through the seeds, tells what came of them, and fails if a promise did not hold.
pub(crate) fn run(
    home: Option<&Home>,
    wish: &Sim,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let seeds = seeds(wish)?;
    let plan = plan(home, wish, env)?;
    let plan_of = |seed| Plan { seed, ..plan.clone() };
    let report = watched(&seeds, plan.span_ms, &plan_of, terminal);
    let again = |plan: &Plan| again(plan, wish.config.as_deref());
    if let Some(failure) = &report.failure {
        return tell_failure(failure, wish.lines, &again, terminal);
    }
    if let Some(seed) = report.unlike {
        let plan = plan_of(seed);
        return Err(SimError::Unlike { again: again(&plan) }.into());
    }
    let lines = lines(&report, &seeds, plan.span_ms);
    Ok(terminal.result(&value(&report, &seeds), lines.iter().map(String::as_str))?)
}

fn seeds(wish: &Sim) -> Result<RangeInclusive<u64>, SimError> {
    let first = match wish.seed {
        Some(seed) => seed,
        // Four bytes are a number that people can still copy.
        None => u64::from(getrandom::u32().map_err(|error| SimError::Chance(error.to_string()))?),
    };
    Ok(first..=first.saturating_add(wish.seeds - 1))
}

fn plan(home: Option<&Home>, wish: &Sim, env: &dyn Fn(&str) -> Option<String>) -> Result<Plan, Failure> {
    let flags = Flags { config: wish.config.clone(), ..Flags::default() };
    let limits = match wish.draw_limits {
        true => None,
        false => Some(Settings::read(home, &flags, env)?.limits),
    };
    let without = Without::parse(wish.without.as_deref().unwrap_or_default()).map_err(|word| {
        let classes: Vec<_> = Class::ALL.iter().map(|class| class.word()).collect();
        SimError::Unknown { word, classes: classes.join(", ") }
    })?;
    let seconds = wish.seconds.or(wish.hours.map(|hours| hours * 3_600));
    let span_ms = seconds.map_or(Plan::SPAN_MS, |seconds| seconds * 1_000);
    Ok(Plan { seed: 0, span_ms, limits, without })
}

/// Runs the seeds, and says now and then how far they are.
fn watched(
    seeds: &RangeInclusive<u64>,
    span_ms: u64,
    plan_of: &(dyn Fn(u64) -> Plan + Sync),
    terminal: &Terminal,
) -> Report {
    let (watch, began) = (Watch::default(), Instant::now());
    let (done, over) = mpsc::channel();
    let all = seeds.end().saturating_sub(*seeds.start()).saturating_add(1);
    thread::scope(|scope| {
        let runs = scope.spawn(|| {
            let report = run_all(seeds.clone(), plan_of, &watch);
            // Nobody listens once a failure has ended this function.
            let _ = done.send(());
            report
        });
        while let Err(RecvTimeoutError::Timeout) = over.recv_timeout(REMARK_EVERY) {
            let ended = watch.ended.load(Ordering::SeqCst);
            let simulated_s = watch.simulated_ms.load(Ordering::SeqCst) / 1_000;
            let speed = simulated_s / began.elapsed().as_secs().max(1);
            let wanted_s = span_ms.saturating_mul(all) / 1_000;
            terminal.remark(&format!(
                "{ended} of {all} seeds done, {simulated_s} of about {wanted_s} simulated seconds, {speed} a second"
            ));
        }
        runs.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// The one line that runs a plan again.
fn again(plan: &Plan, config: Option<&Path>) -> String {
    let config = config.map(|path| format!(" --config {}", path.display())).unwrap_or_default();
    format!("peermesh sim {}{config}", plan.words())
}

/// Makes a failed run small, and tells of it.
fn tell_failure(
    failure: &Outcome,
    lines: usize,
    again: &dyn Fn(&Plan) -> String,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    terminal.remark(&format!("seed {} fails; looking for less that fails alike", failure.plan.seed));
    let smallest = shrink(failure, &|plan| terminal.remark(&format!("so far: {}", plan.words())));
    let shown = simulator::run(&smallest.plan, lines);
    let (value, told, error) = broken(&shown, again(&shown.plan));
    terminal.result(&value, told.iter().map(String::as_str))?;
    Err(error.into())
}

/// What did not hold, for a program and for a person, and the failure that ends with how it is seen again.
fn broken(shown: &Outcome, again: String) -> (Value, Vec<String>, SimError) {
    let (rule, text) = match &shown.violation {
        Some(violation) => (format!("{:?}", violation.rule), violation.text.clone()),
        None => (String::new(), String::new()),
    };
    let state = shown.state.to_string();
    let seconds = shown.simulated_ms / 1_000;
    let promise = shown.violation.as_ref().map(|violation| violation.rule.how());
    let value = json!({
        "holds": false, "seed": shown.plan.seed, "state": state, "rule": rule, "what": text,
        "promise": promise, "simulated_seconds": seconds, "again": again,
        "trace": shown.trace.lines().collect::<Vec<_>>(),
    });
    let mut told: Vec<String> = shown.trace.lines().map(str::to_owned).collect();
    told.extend(promise.map(|promise| format!("{rule}: {promise}")));
    told.push(format!("but after {seconds} simulated seconds: {text}"));
    told.push(format!("seed {} state {state}", shown.plan.seed));
    (value, told, SimError::Broken { rule, again })
}

fn lines(report: &Report, seeds: &RangeInclusive<u64>, span_ms: u64) -> Vec<String> {
    let (seen, all) = (Mark::ALL.len() - report.tally.missing().len(), Mark::ALL.len());
    let named = match seeds.start() == seeds.end() {
        true => format!("seed {}", seeds.start()),
        false => format!("seeds {}-{}", seeds.start(), seeds.end()),
    };
    vec![
        format!(
            "{} messages accepted, {} acknowledged, {} pushed again, {} broker deaths; {seen} of {all} kinds of \
             trouble came about",
            report.tally.count(Mark::Accepted),
            report.tally.count(Mark::Delivered),
            report.tally.count(Mark::Redelivered),
            report.tally.count(Mark::Died),
        ),
        format!(
            "{} simulated seconds and {} turns, {} simulated seconds for each second of a core",
            report.simulated_ms / 1_000,
            report.turns,
            report.speed()
        ),
        format!("every promise held, with faults for {} seconds of each run", span_ms / 10 * 7 / 1_000),
        format!("{named} state {}", report.state),
    ]
}

fn value(report: &Report, seeds: &RangeInclusive<u64>) -> Value {
    let happened: BTreeMap<_, _> = Mark::ALL
        .iter()
        .map(|mark| (mark.word(), report.tally.count(*mark)))
        .filter(|(_, count)| *count > 0)
        .collect();
    json!({
        "holds": true, "seed": seeds.start(), "seeds": report.runs, "state": report.state.to_string(),
        "simulated_seconds": report.simulated_ms / 1_000, "turns": report.turns, "speed": report.speed(),
        "compared": report.compared, "happened": happened,
    })
}

#[cfg(test)]
mod tests {
    use peermesh_conformance::sim::{Rule, Violation};
    use peermesh_core::config::Limits;

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn what_does_not_hold_ends_with_the_line_that_shows_it_again() {
        let without = Without::parse("cuts,actor-0").unwrap();
        let plan = Plan { seed: 7, span_ms: 5_000, limits: Some(Limits::default()), without };
        let mut shown = simulator::run(&plan, 3);
        shown.violation = Some(Violation { rule: Rule::I4, text: "2 passes 1".to_owned() });
        let line = again(&shown.plan, Some(Path::new("small.toml")));
        let (value, told, error) = broken(&shown, line);
        let wanted = "peermesh sim --seed 7 --seconds 5 --without cuts,actor-0 --config small.toml";
        assert_eq!((&value["again"], &value["rule"]), (&wanted.into(), &"I4".into()));
        assert_eq!(error.to_string(), format!("I4 does not hold; see it again with: {wanted}"));
        assert_eq!(error.exit(), Exit::Failed);
        assert_eq!(told.len(), 3 + shown.trace.lines().count());
        assert_eq!(told.last(), Some(&format!("seed 7 state {}", shown.state)));
    }
}
