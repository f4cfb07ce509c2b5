//! `replay`: lives a recording again, and says what state it leads to and what happened in it.

mod story;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use peermesh_core::digest::StateHash;
use peermesh_core::journal::{EndReason, JournalError, Relive, ReliveError, Step, Turn, state_of};
use serde_json::{Value, json};

use crate::failure::{Exit, Failure};
use crate::terminal::Terminal;
use story::Story;

/// Why a recording was not lived to where it should be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReplayError {
    #[error("cannot read {path}: {error}; recordings lie where `peermesh serve --record DIR` put them")]
    Read { path: PathBuf, error: io::Error },
    #[error("--until: {0} is not msg: and at least the first 8 characters of a message's id")]
    Until(String),
    #[error("{path}: {error}")]
    Journal { path: PathBuf, error: JournalError },
    #[error("{path}: {error}; the {turns} turns before that are as they were")]
    Relive { path: PathBuf, turns: u64, error: Box<ReliveError> },
    #[error("{path}: {error}; it was recorded by peermesh {theirs} and this is {ours}: use that one")]
    Other { path: PathBuf, error: Box<ReliveError>, theirs: String, ours: &'static str },
    #[error("{path}: it ends before the state that it says it ended in; a part of it is missing")]
    Short { path: PathBuf },
    #[error("{path}: no message {id} in this recording; it was accepted before or after, or elsewhere")]
    Unknown { path: PathBuf, id: String },
    #[error("{path}: the broker failed in turn {turn}, and this one did not")]
    Survived { path: PathBuf, turn: u64 },
}

impl ReplayError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            ReplayError::Until(_) => Exit::Usage,
            ReplayError::Read { error, .. } if error.kind() == io::ErrorKind::NotFound => Exit::Refused,
            ReplayError::Unknown { .. } => Exit::Refused,
            ReplayError::Read { .. }
            | ReplayError::Journal { .. }
            | ReplayError::Relive { .. }
            | ReplayError::Other { .. }
            | ReplayError::Short { .. }
            | ReplayError::Survived { .. } => Exit::Failed,
        }
    }
}

/// Lives a recording again.
pub(crate) fn run(
    path: &Path,
    until: Option<&str>,
    explains: bool,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let wanted = until.map(message_named).transpose()?;
    let file = fs::read(path).map_err(|error| ReplayError::Read { path: path.to_owned(), error })?;
    let journal = |error| ReplayError::Journal { path: path.to_owned(), error };
    let mut relive = Relive::open(&file).map_err(journal)?;
    let mut story = Story::new(wanted, explains);
    let mut stopped = None;
    let is_fatal = loop {
        match relive.step(&mut story).map_err(|error| differs(path, &relive, error))? {
            Step::Ended => break false,
            Step::Fatal => break true,
            Step::Lived => {}
        }
        if let (None, Some(turn)) = (stopped, story.reached) {
            stopped = Some((turn, relive.state()));
            if !explains {
                break false;
            }
        }
    };
    if let (Some(id), None) = (wanted, stopped) {
        return Err(ReplayError::Unknown { path: path.to_owned(), id: id.to_owned() }.into());
    }
    if explains || stopped.is_none() {
        compare(path, &relive)?;
    }
    let report = Report { path, relive: &relive, story: &story, stopped, is_fatal };
    terminal.result(&report.value(), report.lines().iter().map(String::as_str))?;
    if !is_fatal {
        return Ok(());
    }
    terminal.remark("the broker failed in the turn that comes next; here it is again");
    let turn = relive.shards().iter().map(|(turns, _)| turns).sum::<u64>() + 1;
    // A machine that fails as it did ends this process as it ended that one.
    let _ = relive.step(&mut story);
    Err(ReplayError::Survived { path: path.to_owned(), turn }.into())
}

fn message_named(until: &str) -> Result<&str, ReplayError> {
    const LEAST: usize = peermesh_core::message_id::PREFIX_CHARS_MIN;
    let id = until.strip_prefix("msg:");
    let is_id = |id: &&str| id.len() >= LEAST && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    id.filter(is_id).ok_or_else(|| ReplayError::Until(until.to_owned()))
}

/// What went wrong; where it may be this program's doing, that is said.
fn differs(path: &Path, relive: &Relive<'_>, error: ReliveError) -> ReplayError {
    let (theirs, ours) = (relive.header().version().to_owned(), env!("CARGO_PKG_VERSION"));
    let path = path.to_owned();
    let may_be_ours = matches!(error, ReliveError::Differs { .. } | ReliveError::Silent { .. });
    let (turns, error) = (relive.shards().iter().map(|(turns, _)| turns).sum(), Box::new(error));
    match may_be_ours && theirs != ours {
        true => ReplayError::Other { path, error, theirs, ours },
        false => ReplayError::Relive { path, turns, error },
    }
}

/// A recording of a broker that ended in good order leads to the state it ended in.
fn compare(path: &Path, relive: &Relive<'_>) -> Result<(), ReplayError> {
    match relive.end() {
        Some(end) if end.why == EndReason::Finished && end.shards != relive.shards() => {
            Err(ReplayError::Short { path: path.to_owned() })
        }
        Some(_) | None => Ok(()),
    }
}

/// What is said in the end.
struct Report<'a> {
    path: &'a Path,
    relive: &'a Relive<'a>,
    story: &'a Story<'a>,
    /// Where the message was accepted, and the state after that.
    stopped: Option<(Turn, StateHash)>,
    is_fatal: bool,
}

impl Report<'_> {
    fn value(&self) -> Value {
        let (relive, story) = (self.relive, self.story);
        let shards = relive.shards();
        let rows: Vec<Value> = shards
            .iter()
            .map(|(turns, state)| json!({ "turns": turns, "state_hash": state.to_string() }))
            .collect();
        let mut value = json!({
            "file": self.path.display().to_string(),
            "version": relive.header().version(),
            "began": relive.header().began.iso(),
            "payloads": relive.header().payloads.word(),
            "ended": self.ended(),
            "torn_bytes": relive.torn_bytes(),
            "last": story.last().map(|turn| turn.now.wall.iso()),
            "turns": shards.iter().map(|(turns, _)| turns).sum::<u64>(),
            "shards": rows,
            "state_hash": state_of(&shards).to_string(),
        });
        if let Some((turn, state)) = self.stopped {
            value["until"] = json!({
                "message_id": story.message_id(),
                "shard": turn.shard.0,
                "turn": turn.number,
                "at": turn.now.wall.iso(),
                "state_hash": state.to_string(),
            });
        }
        if let Some(steps) = story.values() {
            value[if self.stopped.is_some() { "steps" } else { "records" }] = steps;
        }
        value
    }

    fn lines(&self) -> Vec<String> {
        let (relive, story) = (self.relive, self.story);
        let header = relive.header();
        let mut lines = story.lines();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut row = |name: &str, value: String| lines.push(format!("{name:<12}{value}"));
        row("recording", format!("{} (peermesh {})", self.path.display(), header.version()));
        row("began", header.began.iso());
        row("ended", self.ended().to_owned());
        if relive.torn_bytes() > 0 {
            row("torn", format!("{} bytes of a block that was never finished", relive.torn_bytes()));
        }
        if let Some((turn, state)) = self.stopped {
            let (id, at) = (story.message_id().unwrap_or_default(), turn.now.wall.iso());
            row("until", format!("message {id}, in turn {} of shard {} at {at}", turn.number, turn.shard));
            row("state then", state.to_string());
        }
        if let Some(last) = story.last() {
            row("lived to", last.now.wall.iso());
        }
        let shards = relive.shards();
        row("turns", shards.iter().map(|(turns, _)| turns).sum::<u64>().to_string());
        if shards.len() > 1 {
            for (shard, (turns, state)) in shards.iter().enumerate() {
                row(&format!("  shard {shard}"), format!("{state}, {turns} turns"));
            }
        }
        row("state hash", state_of(&shards).to_string());
        lines
    }

    fn ended(&self) -> &'static str {
        match self.relive.end() {
            Some(end) => end.why.word(),
            None if self.is_fatal => EndReason::Failed.word(),
            None => "cut off",
        }
    }
}
