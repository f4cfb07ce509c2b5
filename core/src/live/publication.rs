//! One publication and the forms in which watchers get it.
//!
//! *Always holds:* each form is written once, however many get it; all of them share the bytes.

use std::sync::OnceLock;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::stats::{Counter, Stats};
use crate::store::LiveRow;
use crate::time::{Mono, Wall};
use crate::wire::frame::text_frame;
use crate::wire::live::{Position, Shown, event};
use crate::wire::mesh::Encode;

/// See the module's own words.
#[derive(Debug)]
pub(crate) struct Publication {
    pub offset: u64,
    /// The entity it is about.
    pub key: Option<Box<str>>,
    pub version: Option<u64>,
    pub at: Wall,
    /// When it came, by the clock that does not jump; one that was read from the store came with that.
    pub came: Mono,
    /// When it came, by the time it ages by.
    pub aged: Wall,
    /// It is no newer than what was known of its entity.
    pub late: bool,
    /// It removes its entity.
    pub gone: bool,
    data: Box<RawValue>,
    forms: [OnceLock<Bytes>; 4],
}

/// How a watcher reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// A WebSocket.
    Socket,
    /// A stream of events over HTTP.
    Events,
}

/// What a publication's forms are written with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a> {
    pub topic: &'a str,
    pub epoch: &'a str,
}

impl Publication {
    /// A publication as it was kept; data that is no JSON is shown as `null`.
    pub(crate) fn of(offset: u64, row: &LiveRow, came: Mono, aged: Wall) -> Publication {
        Publication {
            offset,
            key: row.key.clone(),
            version: row.version,
            at: row.at,
            came,
            aged,
            late: row.late,
            gone: row.gone,
            data: RawValue::from_string(row.text.to_string()).unwrap_or_else(|_| RawValue::NULL.to_owned()),
            forms: std::array::from_fn(|_| OnceLock::new()),
        }
    }

    pub(crate) fn data_bytes(&self) -> usize {
        self.data.get().len()
    }

    pub(crate) fn shown(&self) -> Shown<'_> {
        Shown {
            offset: self.offset,
            key: self.key.as_deref(),
            version: self.version,
            at: self.at.as_millis(),
            late: self.late,
            data: &self.data,
        }
    }

    /// The bytes for watchers that read so. `conflated` says that others of its entity were left out.
    pub(crate) fn frame(&self, place: Place<'_>, form: Form, conflated: bool, stats: &mut Stats) -> Bytes {
        let which = usize::from(form == Form::Events) * 2 + usize::from(conflated);
        let write = || {
            stats.count(Counter::LiveEncodes);
            let mut text = Vec::new();
            Position { topic: place.topic, shown: self.shown(), conflated }.encode(&mut text);
            match form {
                Form::Socket => text_frame(&text),
                Form::Events => event("position", Some((place.epoch, self.offset)), &text),
            }
        };
        self.forms[which].get_or_init(write).clone()
    }
}
