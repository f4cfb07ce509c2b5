//! The same rows over several runs: the median of each number, as a table for people, as Markdown for
//! `RESULTS.md`, or as JSON for programs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write as _};

use serde_json::{Value, json};

use crate::table::Table;

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// Aligned columns.
    #[default]
    Text,
    /// A table as `RESULTS.md` has them.
    Markdown,
    /// `{"runs":N,"rows":[{"row":NAME,COLUMN:MEDIAN,…},…]}`.
    Json,
}

/// Rows of numbers under a head, each with one value of every run.
#[derive(Debug)]
pub struct Summary {
    first: &'static str,
    columns: Vec<(&'static str, usize)>,
    names: Vec<String>,
    values: BTreeMap<(usize, usize), Vec<f64>>,
}

impl Summary {
    /// A summary whose rows are called `first`, and whose columns have so many digits after the point.
    pub fn new(first: &'static str, columns: &[(&'static str, usize)]) -> Summary {
        Summary { first, columns: columns.to_vec(), names: Vec::new(), values: BTreeMap::new() }
    }

    /// Adds what one run came to in one row.
    pub fn add(&mut self, name: &str, values: &[f64]) {
        let known = self.names.iter().position(|known| known == name);
        let row = known.unwrap_or_else(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        });
        for (column, value) in values.iter().enumerate() {
            self.values.entry((row, column)).or_default().push(*value);
        }
    }

    /// Adds a row of quotients of the medians of two others, for the columns that may be compared so.
    pub fn add_ratio(&mut self, name: &str, above: &str, below: &str, columns: &[&str]) {
        let median = |summary: &Summary, row: &str, column: usize| {
            let row = summary.names.iter().position(|known| known == row)?;
            summary.median(row, column)
        };
        let ratios: Vec<f64> = (0..self.columns.len())
            .map(|column| {
                let is_wanted = columns.contains(&self.columns[column].0);
                let both = median(self, above, column).zip(median(self, below, column));
                both.filter(|_| is_wanted).map_or(f64::NAN, |(above, below)| above / below)
            })
            .collect();
        self.add(name, &ratios);
    }

    fn median(&self, row: usize, column: usize) -> Option<f64> {
        let mut values = self.values.get(&(row, column))?.clone();
        values.retain(|value| value.is_finite());
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        match values.len() {
            0 => None,
            odd if odd % 2 == 1 => Some(values[middle]),
            _ => Some(f64::midpoint(values[middle - 1], values[middle])),
        }
    }

    fn cells(&self, row: usize) -> impl Iterator<Item = String> {
        self.columns.iter().enumerate().map(move |(column, (_, digits))| {
            // A quotient of large numbers is small.
            let shown = |value: f64| if value < 10.0 { (*digits).max(2) } else { *digits };
            self.median(row, column).map_or_else(
                || "–".to_owned(),
                |value| {
                    let digits = if value == 0.0 { 0 } else { shown(value) };
                    with_commas(&format!("{value:.digits$}"))
                },
            )
        })
    }

    /// Prints the medians.
    ///
    /// # Errors
    /// When standard output is gone.
    pub fn print(&self, form: Form, runs: u32) -> io::Result<()> {
        let mut out = io::stdout().lock();
        match form {
            Form::Text => {
                let head: Vec<&str> =
                    [self.first].into_iter().chain(self.columns.iter().map(|(name, _)| *name)).collect();
                let mut table = Table::new(&head);
                for (row, name) in self.names.iter().enumerate() {
                    table.row([name.clone()].into_iter().chain(self.cells(row)));
                }
                writeln!(out, "{table}")
            }
            Form::Markdown => write!(out, "{}", self.markdown()),
            Form::Json => writeln!(out, "{}", self.json(runs)),
        }
    }

    fn markdown(&self) -> String {
        let mut text = format!("| {} |", self.first);
        for (name, _) in &self.columns {
            let _ = write!(text, " {name} |");
        }
        let _ = writeln!(text, "\n|{}", "---|".repeat(self.columns.len() + 1));
        for (row, name) in self.names.iter().enumerate() {
            let cells: Vec<String> = self.cells(row).collect();
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
        text
    }

    fn json(&self, runs: u32) -> Value {
        let rows = self.names.iter().enumerate().map(|(row, name)| {
            let mut value = json!({ "row": name });
            for (column, (name, _)) in self.columns.iter().enumerate() {
                value[*name] = self.median(row, column).map_or(Value::Null, Value::from);
            }
            value
        });
        json!({ "runs": runs, "rows": rows.collect::<Vec<_>>() })
    }
}

fn with_commas(number: &str) -> String {
    let (whole, rest) = number.split_at(number.find('.').unwrap_or(number.len()));
    let mut text = String::new();
    for (place, digit) in whole.chars().enumerate() {
        if place > 0 && (whole.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(',');
        }
        text.push(digit);
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary() -> Summary {
        let mut summary = Summary::new("load", &[("a second", 0), ("CPU us", 1)]);
        for (rate, cpu) in [(10_000.0, 3.0), (30_000.0, 1.0), (20_000.0, 9.0)] {
            summary.add("broker", &[rate, cpu]);
            summary.add("relay", &[rate / 4.0, cpu]);
        }
        summary.add_ratio("broker / relay", "broker", "relay", &["a second"]);
        summary
    }

    #[test]
    fn the_median_of_several_runs_is_shown_and_the_quotient_of_two_rows() {
        let wanted = "| load | a second | CPU us |\n|---|---|---|\n| broker | 20,000 | 3.00 |\n\
                      | relay | 5,000 | 3.00 |\n| broker / relay | 4.00 | – |\n";
        assert_eq!(summary().markdown(), wanted);
    }

    #[test]
    fn programs_are_told_the_numbers_themselves() {
        let said = summary().json(3);
        assert_eq!((&said["runs"], &said["rows"][1]["a second"]), (&3.into(), &5_000.0.into()));
        assert_eq!(said["rows"][2]["CPU us"], Value::Null);
    }

    #[test]
    fn large_numbers_have_commas() {
        for (number, wanted) in [("1", "1"), ("1234", "1,234"), ("1234567.5", "1,234,567.5"), ("123", "123")]
        {
            assert_eq!(with_commas(number), wanted);
        }
    }
}
