//! Log records as values. The core makes them; only the edge writes them.

use serde_json::Value;

/// How loud a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Something is wrong on our side.
    Error,
    /// Something is wrong on somebody's side.
    Warn,
    /// What an operator wants to see.
    Info,
    /// Every message.
    Debug,
    /// Every input.
    Trace,
}

impl Level {
    /// The word on the log line.
    pub const fn word(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Level> {
        [Level::Error, Level::Warn, Level::Info, Level::Debug, Level::Trace]
            .into_iter()
            .find(|level| level.word() == word)
    }
}

/// One log record: a fixed message (mesh protocol, logs) and its context.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct Note {
    /// How loud.
    pub level: Level,
    /// The fixed text that names the event, for example `ws hello`.
    pub msg: &'static str,
    /// Context, in the order it was added. Values are data, never part of the text.
    pub fields: Vec<(&'static str, Value)>,
}

impl Note {
    /// A record without context.
    pub const fn new(level: Level, msg: &'static str) -> Note {
        Note { level, msg, fields: Vec::new() }
    }

    /// Adds one field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Value>) -> Note {
        self.fields.push((name, value.into()));
        self
    }
}
