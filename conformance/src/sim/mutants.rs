//! The proof that the simulator finds what is wrong: defects are planted one at a time, and each must be
//! found within a number of seeds.
//!
//! *Always holds:* a defect counts as caught only by a seed that holds without it.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::thread;

use peermesh_core::planted::{DEFECTS, plant};

use super::oracle::rules::Violation;
use super::plan::Plan;
use super::run::run;

/// What became of one planted defect.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// Its name.
    pub name: &'static str,
    /// What goes wrong with it.
    pub what: &'static str,
    /// The first seed that found it, and what it saw; none when all of them missed it.
    pub caught: Option<(u64, Violation)>,
    /// The last things that happened before that, for a person.
    pub trace: String,
}

/// Plants each defect whose name contains `wanted` and runs seeds from 1 on until one finds it. Keeps that
/// many lines of what led to it; `progress` is told of each as it is decided.
pub fn hunt(wanted: &str, seeds_max: u64, lines: usize, progress: &(dyn Fn(&Mutant) + Sync)) -> Vec<Mutant> {
    let defects = DEFECTS.iter().filter(|(name, _)| name.contains(wanted));
    let left: Mutex<Vec<_>> = Mutex::new(defects.rev().collect());
    let found = Mutex::new(Vec::new());
    // The lock is let go of before its defect is planted.
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop().copied();
    let work = || {
        while let Some((name, what)) = next() {
            let caught = (1..=seeds_max).find_map(|seed| catch(name, seed, lines));
            let (caught, trace) = match caught {
                Some((seed, violation, trace)) => (Some((seed, violation)), trace),
                None => (None, String::new()),
            };
            let mutant = Mutant { name, what, caught, trace };
            progress(&mutant);
            found.lock().unwrap_or_else(PoisonError::into_inner).push(mutant);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get) {
            scope.spawn(work);
        }
    });
    let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    found.sort_by_key(|mutant| mutant.name);
    found
}

/// What a seed sees of a defect, if it sees anything.
fn catch(defect: &'static str, seed: u64, lines: usize) -> Option<(u64, Violation, String)> {
    plant(Some(defect));
    let outcome = run(&Plan::of(seed), lines);
    plant(None);
    let violation = outcome.violation?;
    let holds_without = run(&Plan::of(seed), 0).violation.is_none();
    holds_without.then_some((seed, violation, outcome.trace))
}

/// The table of what was found, as `MUTANTS.md` keeps it.
pub fn table(mutants: &[Mutant]) -> String {
    let mut table = String::from("| Defect | What goes wrong | | Seeds | Rule |\n|---|---|---|---|---|\n");
    for Mutant { name, what, caught, .. } in mutants {
        let row = match caught {
            Some((seeds, violation)) => format!("caught | {seeds} | {:?}", violation.rule),
            None => "**missed** | – | –".to_owned(),
        };
        table.push_str(&format!("| `{name}` | {what} | {row} |\n"));
    }
    table
}
