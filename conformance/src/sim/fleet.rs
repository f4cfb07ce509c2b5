//! Many runs, side by side, added up.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use peermesh_core::digest::{Digest, StateHash};
use rustix::time::{ClockId, clock_gettime};

use super::marks::Tally;
use super::plan::Plan;
use super::run::{Outcome, run, run_telling};

/// What came of many runs.
#[derive(Clone, Debug)]
pub struct Report {
    /// Runs that ended.
    pub runs: u64,
    /// The first by its seed that went wrong, if one did.
    pub failure: Option<Box<Outcome>>,
    /// A seed whose second run ended in another state (I18).
    pub unlike: Option<u64>,
    /// Runs that were made twice.
    pub compared: u64,
    /// Everything that happened.
    pub tally: Tally,
    /// Simulated milliseconds in sum.
    pub simulated_ms: u64,
    /// Facts that machines were told.
    pub turns: u64,
    /// Time that cores spent on runs, in sum.
    pub spent: Duration,
    /// The states of all runs, in the order of their seeds, as one.
    pub state: StateHash,
}

impl Report {
    /// Simulated seconds for each second of one core.
    pub fn speed(&self) -> u64 {
        let seconds = self.spent.as_secs_f64().max(0.001);
        // Rounding is what is wanted of a figure that is shown.
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive figure, rounded"
        )]
        let speed = (Duration::from_millis(self.simulated_ms).as_secs_f64() / seconds) as u64;
        speed
    }

    /// True when every run held, and those that were made twice were alike.
    pub fn holds(&self) -> bool {
        self.failure.is_none() && self.unlike.is_none()
    }
}

/// Of so many runs one is made twice and compared.
const COMPARED_EVERY: u64 = 100;

/// How far runs are, for somebody who watches them from elsewhere.
#[derive(Debug, Default)]
pub struct Watch {
    /// Runs that ended.
    pub ended: AtomicU64,
    /// Simulated milliseconds that went by, in sum.
    pub simulated_ms: AtomicU64,
    /// A run failed: those under way are the last.
    failed: AtomicBool,
}

/// Runs the plan of each seed on as many threads as there are cores. When a run fails, those under way are
/// the last.
pub fn run_all(seeds: RangeInclusive<u64>, plan_of: &(dyn Fn(u64) -> Plan + Sync), watch: &Watch) -> Report {
    let first = *seeds.start();
    let next = AtomicU64::new(first);
    let ends: Mutex<Vec<End>> = Mutex::new(Vec::new());
    let spent = AtomicU64::new(0);
    let work = || {
        while !watch.failed.load(Ordering::SeqCst) {
            let seed = next.fetch_add(1, Ordering::SeqCst);
            if !seeds.contains(&seed) {
                return;
            }
            let began = thread_nanos();
            let plan = plan_of(seed);
            let outcome = run_telling(&plan, 0, &mut |millis| {
                watch.simulated_ms.fetch_add(millis, Ordering::SeqCst);
            });
            spent.fetch_add(thread_nanos().saturating_sub(began), Ordering::SeqCst);
            let is_compared = (seed - first).is_multiple_of(COMPARED_EVERY);
            let is_alike = !is_compared || run(&plan, 0).state == outcome.state;
            let fails = outcome.violation.is_some() || !is_alike;
            let end = End { seed, outcome, is_compared, is_alike };
            ends.lock().unwrap_or_else(PoisonError::into_inner).push(end);
            watch.ended.fetch_add(1, Ordering::SeqCst);
            if fails {
                watch.failed.store(true, Ordering::SeqCst);
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    let mut ends = ends.into_inner().unwrap_or_else(PoisonError::into_inner);
    ends.sort_by_key(|end| end.seed);
    add_up(ends, Duration::from_nanos(spent.into_inner()))
}

/// Time that a core has spent on this thread. What else the machine does meanwhile does not count.
fn thread_nanos() -> u64 {
    let spent = clock_gettime(ClockId::ThreadCPUTime);
    let [seconds, nanos] = [spent.tv_sec, spent.tv_nsec].map(|part| u64::try_from(part).unwrap_or(0));
    seconds.saturating_mul(1_000_000_000).saturating_add(nanos)
}

/// A run that ended.
struct End {
    seed: u64,
    outcome: Outcome,
    is_compared: bool,
    is_alike: bool,
}

fn add_up(ends: Vec<End>, spent: Duration) -> Report {
    let mut digest = Digest::new();
    let mut report = Report {
        runs: 0,
        failure: None,
        unlike: None,
        compared: 0,
        tally: Tally::default(),
        simulated_ms: 0,
        turns: 0,
        spent,
        state: StateHash::default(),
    };
    for End { seed, outcome, is_compared, is_alike } in ends {
        report.runs += 1;
        report.compared += u64::from(is_compared);
        report.tally.add(&outcome.tally);
        report.simulated_ms += outcome.simulated_ms;
        report.turns += outcome.turns;
        digest.absorb_value(&(seed, outcome.state));
        if !is_alike {
            report.unlike.get_or_insert(seed);
        }
        if outcome.violation.is_some() && report.failure.is_none() {
            report.failure = Some(Box::new(outcome));
        }
    }
    report.state = digest.state();
    report
}
