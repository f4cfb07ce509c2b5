//! The table of goals: every row measured beside its limit or its rivals in the same run, several times.
//!
//! A run goes through all steps once, so that what is compared was measured minutes apart at most, and runs
//! follow each other, so that a condition that lasts touches all rows. Shown are medians, and of ratios the
//! median of the ratios of each run.
//!
//! | to know | look in |
//! |---|---|
//! | what is measured | `steps.rs`, `durable.rs`, `limits.rs` |
//! | what it is held to | `goals.rs` |
//! | figures, medians and spreads | `figures.rs` |
//! | the page that is written | `page.rs` |
//! | two builds beside each other | `compare.rs` |

mod compare;
mod durable;
mod figures;
mod goals;
mod limits;
mod page;
mod steps;

use std::error::Error;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::server::{Home, Setup};

pub use compare::{Comparison, compare};
pub use figures::Figures;

/// What is measured, and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program `peermesh`.
    pub program: PathBuf,
    /// The same built with threads and the embedded store only, for its size.
    pub small: Option<PathBuf>,
    /// Where files go: on the disk that is measured.
    pub dir: PathBuf,
    /// How often all of it is measured.
    pub runs: usize,
    /// How long each load is measured, after a third of that as warm-up.
    pub time: Duration,
    /// Messages that are in the store before durable messages are measured.
    pub stored: u64,
    /// Large crowds and queues are made that many times smaller: 1 to measure what the goals say.
    pub divisor: u64,
    /// Only steps whose names begin with one of these; empty for all.
    pub only: Vec<String>,
}

impl Plan {
    /// A broker with an empty store, and these variables.
    pub(crate) fn setup(&self, needs: &[(&str, &str)]) -> Setup {
        let more = needs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Setup { program: self.program.clone(), home: Home::Fresh(self.dir.clone()), more }
    }
}

/// Notes what it measures among the figures.
type Measure = fn(&Stage<'_>, &mut Figures) -> Result<(), Box<dyn Error>>;

/// One step of a run: its name and what it does.
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) run: Measure,
}

/// What steps share.
pub(crate) struct Stage<'a> {
    pub(crate) plan: &'a Plan,
    /// The data directory with the stored messages.
    pub(crate) filled: &'a Path,
}

/// Measures everything, tells its progress on standard error, and writes the page after every run, so that
/// what was measured is kept when a later run is broken off.
///
/// # Errors
/// When nothing can be measured or the page cannot be written. A step that fails is told and left out.
pub fn all(plan: &Plan, page: &Path, json: Option<&Path>) -> Result<(), Box<dyn Error>> {
    let began = Instant::now();
    let filled = tempfile::tempdir_in(&plan.dir)?;
    let stage = Stage { plan, filled: filled.path() };
    let mut figures = Figures::default();
    figures.sizes(&plan.program, plan.small.as_deref());
    let is_wanted = |step: &Step| {
        plan.only.is_empty() || plan.only.iter().any(|only| step.name.starts_with(only.as_str()))
    };
    let steps: Vec<Step> = steps::all().into_iter().filter(is_wanted).collect();
    if steps.iter().any(|step| step.name == "durable") {
        tell(began, &format!("filling a store with {} messages", plan.stored))?;
        durable::fill(&stage)?;
    }
    for run in 0..plan.runs {
        figures.begin_run();
        for (number, step) in steps.iter().enumerate() {
            let title = format!(
                "run {} of {}, step {} of {}: {}",
                run + 1,
                plan.runs,
                number + 1,
                steps.len(),
                step.name
            );
            tell(began, &title)?;
            if let Err(error) = (step.run)(&stage, &mut figures) {
                tell(began, &format!("{} is left out: {error}", step.name))?;
                figures.skip(step.name, &error.to_string());
            }
        }
        page::write(page, plan, &figures)?;
        if let Some(json) = json {
            fs::write(json, serde_json::to_string_pretty(&figures.json())?)?;
        }
    }
    tell(began, &format!("written: {}", page.display()))?;
    Ok(())
}

/// One line of progress, with the seconds since the beginning.
fn tell(began: Instant, text: &str) -> io::Result<()> {
    writeln!(io::stderr(), "[{:5} s] {text}", began.elapsed().as_secs())
}
