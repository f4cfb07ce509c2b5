//! `canonicalize` and `fingerprint`: what people who write clients compare their own bytes with.
//!
//! *Always holds:* nothing is written to standard output before the whole input is known to be good.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use data_encoding::HEXLOWER;
use peermesh_core::fingerprint::{DestinationKind, ENVELOPE_VERSION, FingerprintError, Layout, Request};
use peermesh_core::jcs::{self, Bounds, Refusal};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::args::Priority;
use crate::failure::{Exit, Failure};
use crate::input::bounded;
use crate::terminal::Terminal;

/// Why an input has no canonical form or no fingerprint.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CanonicalError {
    #[error("cannot read standard input: {0}")]
    Input(#[source] io::Error),
    #[error("cannot read {path}: {error}")]
    File { path: PathBuf, error: io::Error },
    #[error("{what} is longer than {bytes_max} bytes, the most that is taken")]
    TooLong { what: String, bytes_max: usize },
    #[error("the input has no canonical form: {0}")]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
}

impl CanonicalError {
    /// One code for all of them: what fails is this text, not the command.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CanonicalError::Input(_)
            | CanonicalError::File { .. }
            | CanonicalError::TooLong { .. }
            | CanonicalError::Refused(_)
            | CanonicalError::Fingerprint(_) => Exit::Failed,
        }
    }
}

/// Writes the canonical form of standard input, and nothing else; or its hash on a line.
pub(crate) fn canonicalize(sha256: bool, terminal: &mut Terminal) -> Result<(), Failure> {
    let text = standard_input()?;
    let canonical = jcs::canonicalize(&text, Bounds::TOOLS).map_err(CanonicalError::from)?;
    if sha256 {
        let hash = HEXLOWER.encode(&Sha256::digest(&canonical));
        return Ok(terminal.result(&json!({ "sha256": hash }), [hash.as_str()])?);
    }
    Ok(terminal.filtered(&canonical)?)
}

/// What a fingerprint is made of, but for the body.
#[derive(Debug, clap::Args)]
pub(crate) struct Outline {
    /// Whom it goes to: a name, a key, @group or *; with --kind, the reference that is hashed
    #[arg(long, value_name = "TO")]
    to: String,
    /// The kind of destination that is hashed [default: topic for a group and for everyone, else dm]
    #[arg(long)]
    kind: Option<Kind>,
    /// How urgent it is
    #[arg(long, default_value = "next")]
    priority: Priority,
    /// The id of the message it answers
    #[arg(long, value_name = "ID")]
    reply_to: Option<String>,
    /// A file with the meta object of the message
    #[arg(long, value_name = "FILE")]
    meta: Option<PathBuf>,
    /// How the body's hash is put in: `raw` bytes, as daemons send it, or `hex` digits
    #[arg(long, default_value = "raw")]
    layout: Digits,
}

/// What kind of place is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    Topic,
    Dm,
    Queue,
}

/// How the body's hash is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Digits {
    Raw,
    Hex,
}

/// Prints the fingerprint of a send.
pub(crate) fn fingerprint(outline: &Outline, terminal: &mut Terminal) -> Result<(), Failure> {
    let meta = outline.meta.as_deref().map(file).transpose()?;
    let body = standard_input()?;
    let (destination_kind, destination_ref) = match outline.kind {
        Some(Kind::Topic) => (DestinationKind::Topic, outline.to.as_str()),
        Some(Kind::Dm) => (DestinationKind::Dm, outline.to.as_str()),
        Some(Kind::Queue) => (DestinationKind::Queue, outline.to.as_str()),
        None => DestinationKind::of(&outline.to),
    };
    let layout = match outline.layout {
        Digits::Raw => Layout::Raw,
        Digits::Hex => Layout::Hex,
    };
    let request = Request {
        envelope_version: ENVELOPE_VERSION,
        destination_kind,
        destination_ref,
        reply_to_id: outline.reply_to.as_deref(),
        priority: outline.priority.in_core(),
        meta: meta.as_deref(),
        body: &body,
    };
    let fingerprint = request.fingerprint(layout).map_err(CanonicalError::from)?.to_string();
    let value = json!({ "request_fingerprint": fingerprint, "layout": layout.word() });
    Ok(terminal.result(&value, [fingerprint.as_str()])?)
}

fn standard_input() -> Result<Vec<u8>, CanonicalError> {
    let text = bounded(io::stdin().lock(), Bounds::TOOLS.bytes_max).map_err(CanonicalError::Input)?;
    text.ok_or_else(|| too_long("standard input".to_owned()))
}

fn file(path: &Path) -> Result<Vec<u8>, CanonicalError> {
    let cannot = |error| CanonicalError::File { path: path.to_owned(), error };
    let text = File::open(path).and_then(|file| bounded(file, Bounds::TOOLS.bytes_max)).map_err(cannot)?;
    text.ok_or_else(|| too_long(path.display().to_string()))
}

fn too_long(what: String) -> CanonicalError {
    CanonicalError::TooLong { what, bytes_max: Bounds::TOOLS.bytes_max }
}
