//! `sim`: lives through whole towns on these limits, in simulated time, and tells what did not hold.
//!
//! *Always holds:* the last line on standard output names the seed and the state at the end, which are the
//! same every time; a run that fails is told with the one line that runs it again.

#[cfg(feature = "sim")]
mod towns;

use std::path::PathBuf;

use crate::failure::Exit;
#[cfg(not(feature = "sim"))]
use crate::{failure::Failure, home::Home, terminal::Terminal};
#[cfg(feature = "sim")]
pub(crate) use towns::run;

/// What is to be simulated.
#[derive(Debug, clap::Args)]
pub(crate) struct Sim {
    /// The first seed [default: drawn]
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many seeds, one after the other
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// Simulated hours of each seed [default: ten minutes]
    #[arg(long, value_name = "H", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    hours: Option<u64>,
    /// The same in seconds
    #[arg(
        long,
        value_name = "N",
        conflicts_with = "hours",
        value_parser = clap::value_parser!(u64).range(1..=360_000_000)
    )]
    seconds: Option<u64>,
    /// Leave out classes of faults, or actors by number, with commas between them
    #[arg(long, value_name = "LIST")]
    without: Option<String>,
    /// Let each seed draw limits of its own, most of them tiny, so that every bound is met
    #[arg(long, conflicts_with = "config")]
    draw_limits: bool,
    /// The configuration file [default: $PEERMESH_CONFIG, else DIR/peermesh.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How much is shown of what happened before a failure
    #[arg(long, value_name = "LINES", default_value = "20")]
    lines: usize,
}

/// Why a simulation did not end well.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimError {
    #[cfg(feature = "sim")]
    #[error("--without {word:?} names nothing; use actor-N or one of: {classes}")]
    Unknown { word: String, classes: String },
    #[cfg(feature = "sim")]
    #[error("cannot draw a seed: {0}; name one with --seed")]
    Chance(String),
    #[cfg(feature = "sim")]
    #[error("{rule} does not hold; see it again with: {again}")]
    Broken { rule: String, again: String },
    #[cfg(feature = "sim")]
    #[error("a second run ended in another state; see both with: {again}")]
    Unlike { again: String },
    #[cfg(not(feature = "sim"))]
    #[error("this build has no simulator; `cargo build --release --features sim` makes one that has")]
    Absent,
}

impl SimError {
    /// The code it ends the process with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            #[cfg(feature = "sim")]
            SimError::Unknown { .. } => Exit::Usage,
            _ => Exit::Failed,
        }
    }
}

/// There is nothing to simulate with.
#[cfg(not(feature = "sim"))]
pub(crate) fn run(
    _: Option<&Home>,
    _: &Sim,
    _: &dyn Fn(&str) -> Option<String>,
    _: &mut Terminal,
) -> Result<(), Failure> {
    Err(SimError::Absent.into())
}
