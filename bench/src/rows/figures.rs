//! Figures by name and run, their medians, and ratios between them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::load::Outcome;
use crate::load::outcome::float;

const MIB: f64 = 1_048_576.0;

/// What was measured so far.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    runs: usize,
    values: BTreeMap<String, BTreeMap<usize, f64>>,
    skipped: BTreeSet<(String, String)>,
}

impl Figures {
    /// What follows belongs to the next run.
    pub(crate) fn begin_run(&mut self) {
        self.runs += 1;
    }

    /// Runs so far.
    pub fn runs(&self) -> usize {
        self.runs
    }

    /// Notes one figure of this run.
    pub(crate) fn put(&mut self, name: impl Into<String>, value: f64) {
        self.values.entry(name.into()).or_default().insert(self.runs, value);
    }

    /// Notes what a load came to, under names that begin with `name`.
    pub(crate) fn put_outcome(&mut self, name: &str, outcome: &Outcome) {
        for (what, value) in [
            ("rate", outcome.rate()),
            ("cpu", outcome.cpu_us()),
            ("cpu.kernel", outcome.each(outcome.cpu.kernel)),
            ("cpu.shards", outcome.each(outcome.cpu.shards)),
            ("cpu.store", outcome.each(outcome.cpu.store)),
            ("generator", outcome.each(outcome.generator_cpu)),
            ("p50", outcome.wait_us(50.0)),
            ("p99", outcome.wait_us(99.0)),
            ("rss", float(outcome.rss_bytes) / MIB),
            ("peak", float(outcome.rss_peak_bytes) / MIB),
            ("lost", float(outcome.lost)),
            ("doubled", float(outcome.doubled)),
            ("refused", float(outcome.refused)),
            ("disordered", float(outcome.disordered)),
            ("seconds", outcome.elapsed.as_secs_f64()),
        ] {
            self.put(format!("{name}.{what}"), value);
        }
    }

    /// Notes that something could not be measured, and why.
    pub(crate) fn skip(&mut self, what: &str, why: &str) {
        self.skipped.insert((what.to_owned(), why.to_owned()));
    }

    /// What could not be measured, and why.
    pub(crate) fn skipped(&self) -> impl Iterator<Item = &(String, String)> {
        self.skipped.iter()
    }

    /// Notes the sizes of the programs.
    pub(crate) fn sizes(&mut self, whole: &Path, small: Option<&Path>) {
        let size = |path: &Path| fs::metadata(path).map(|about| float(about.len()) / MIB);
        for (name, path) in [("size.all", Some(whole)), ("size.small", small)] {
            if let Some(Ok(size)) = path.map(size) {
                self.values.entry(name.to_owned()).or_default().insert(0, size);
            }
        }
    }

    /// The median of a figure over the runs that have it.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        median(self.values.get(name)?.values().copied())
    }

    /// The greatest of a figure over all runs.
    pub(crate) fn most(&self, name: &str) -> Option<f64> {
        self.values.get(name)?.values().copied().reduce(f64::max)
    }

    /// The sum of all figures whose names end so.
    pub(crate) fn sum_of(&self, end: &str) -> f64 {
        let wanted = self.values.iter().filter(|(name, _)| name.ends_with(end));
        wanted.flat_map(|(_, values)| values.values()).sum()
    }

    /// The median of the quotients of two figures of the same run.
    pub(crate) fn ratio(&self, above: &str, below: &str) -> Option<f64> {
        let (above, below) = (self.values.get(above)?, self.values.get(below)?);
        median(above.iter().filter_map(|(run, value)| Some(value / below.get(run)?)))
    }

    /// The greatest quotient of two figures of the same run, less the least, over the median.
    pub(crate) fn spread(&self, name: &str) -> Option<f64> {
        let values = self.values.get(name)?.values();
        let most = values.clone().copied().reduce(f64::max)?;
        Some((most - values.copied().reduce(f64::min)?) / self.median(name)?)
    }

    /// Every figure of every run.
    pub(crate) fn json(&self) -> Value {
        let values: BTreeMap<&String, Vec<f64>> =
            self.values.iter().map(|(name, values)| (name, values.values().copied().collect())).collect();
        json!({ "runs": self.runs, "figures": values, "skipped": self.skipped })
    }
}

/// The middle of some values, or the mean of the two in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_run() {
        let mut figures = Figures::default();
        for (ours, theirs) in [(10.0, 5.0), (30.0, 10.0), (4.0, 1.0)] {
            figures.begin_run();
            figures.put("ours", ours);
            figures.put("theirs", theirs);
        }
        assert_eq!((figures.median("ours"), figures.ratio("ours", "theirs")), (Some(10.0), Some(3.0)));
        assert_eq!(figures.ratio("ours", "nobody"), None);
    }
}
