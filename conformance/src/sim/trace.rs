//! The last things that happened, for a person who looks at a failure.

use std::collections::VecDeque;
use std::fmt::Write as _;

use super::clock::MS;

#[derive(Debug, Default)]
pub(super) struct Trace {
    lines: VecDeque<(u64, String)>,
    /// How many are kept. Where nobody looks, nothing is written.
    kept: usize,
}

impl Trace {
    pub(super) fn keep(&mut self, lines: usize) {
        self.kept = lines;
    }

    pub(super) fn add(&mut self, at: u64, line: impl FnOnce() -> String) {
        if self.kept == 0 {
            return;
        }
        if self.lines.len() == self.kept {
            self.lines.pop_front();
        }
        self.lines.push_back((at, line()));
    }

    /// The last lines, each with its time in seconds.
    pub(super) fn shown(&self) -> String {
        let mut text = String::new();
        for (at, line) in &self.lines {
            let millis = at / MS;
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:>8}.{:03} {line}", millis / 1_000, millis % 1_000);
        }
        text
    }
}
