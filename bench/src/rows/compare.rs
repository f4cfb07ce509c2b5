//! Two builds beside each other: the same loads on both, in turns, so that what the machine does meanwhile
//! touches both alike.

use std::error::Error;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::figures::median;
use crate::load::mesh::{self, Town};
use crate::load::{Course, Pace, Site};
use crate::server::{Home, Setup};
use crate::table::Table;

/// What is compared, and how.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The program it is compared with.
    pub before: PathBuf,
    /// The program in question.
    pub after: PathBuf,
    /// Where their data goes.
    pub dir: PathBuf,
    /// Pairs of peers.
    pub pairs: u64,
    /// Messages of each pair on their way.
    pub window: u64,
    /// How often both are measured.
    pub runs: usize,
    /// How long each load is measured, after a third of that as warm-up.
    pub time: Duration,
}

/// Measures and prints: medians of both, and of the quotients of each turn the median, the least and the
/// most. A quotient whose least and most lie on the same side of 1 is a difference.
///
/// # Errors
/// When a load fails.
pub fn compare(plan: &Comparison) -> Result<(), Box<dyn Error>> {
    let mut seen: [Vec<[f64; 5]>; 2] = [Vec::new(), Vec::new()];
    for run in 0..plan.runs {
        writeln!(std::io::stderr(), "turn {} of {}", run + 1, plan.runs)?;
        // Who begins changes, for the first of a turn may find another disk than the second.
        let order = if run % 2 == 0 { [0, 1] } else { [1, 0] };
        for which in order {
            seen[which].push(once(plan, [&plan.before, &plan.after][which])?);
        }
    }
    let mut table = Table::new(&["", "before", "after", "after / before", "least", "most"]);
    for (place, what) in
        ["messages/s", "server CPU us", "p50 us", "p99 us", "RSS MiB at most"].into_iter().enumerate()
    {
        let middle = |which: usize| median(seen[which].iter().map(|run| run[place])).unwrap_or(f64::NAN);
        let quotients: Vec<f64> =
            seen[1].iter().zip(&seen[0]).map(|(after, before)| after[place] / before[place]).collect();
        let [least, most] =
            [f64::min, f64::max].map(|pick| quotients.iter().copied().reduce(pick).unwrap_or(f64::NAN));
        let quotient = median(quotients.into_iter()).unwrap_or(f64::NAN);
        table.row([
            what.to_owned(),
            format!("{:.1}", middle(0)),
            format!("{:.1}", middle(1)),
            format!("{quotient:.3}"),
            format!("{least:.3}"),
            format!("{most:.3}"),
        ]);
    }
    Ok(table.print()?)
}

fn once(plan: &Comparison, program: &Path) -> Result<[f64; 5], Box<dyn Error>> {
    let more = mesh::MORE.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let setup = Setup { program: program.into(), home: Home::Fresh(plan.dir.clone()), more };
    let site = Site::own(&setup)?;
    let town = Town { pairs: plan.pairs, ..Town::default() };
    let course = Course { pace: Pace::Closed { window: plan.window }, time: plan.time };
    let run = mesh::pairs(&site, town, course, None)?.0;
    if !run.is_whole() {
        return Err(format!("{} lost, doubled or refused messages", program.display()).into());
    }
    let peak = crate::load::outcome::float(run.rss_peak_bytes) / 1_048_576.0;
    Ok([run.rate(), run.cpu_us(), run.wait_us(50.0), run.wait_us(99.0), peak])
}
