//! What watchers and publishers are told.

use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;

use crate::wire::mesh::Encode;

/// A publication as watchers see it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Shown<'a> {
    pub offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it came, in Unix milliseconds.
    pub at: i64,
    /// What it says was older than what was known.
    #[serde(skip_serializing_if = "is_false")]
    pub late: bool,
    pub data: &'a RawValue,
}

// By reference because serde wants it so.
fn is_false(value: &bool) -> bool {
    !*value
}

/// A publication on its way to watchers.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "position")]
pub(crate) struct Position<'a> {
    pub topic: &'a str,
    #[serde(flatten)]
    pub shown: Shown<'a>,
    /// Others of its entity were left out before it.
    #[serde(skip_serializing_if = "is_false")]
    pub conflated: bool,
}

impl Encode for Position<'_> {}

/// Publications of a moment, on their way to watchers that wish for them together.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "positions")]
pub(crate) struct Positions<'a> {
    pub topic: &'a str,
    /// The last of their offsets.
    pub offset: u64,
    pub items: Vec<Item<'a>>,
}

impl Encode for Positions<'_> {}

/// One of several publications.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Item<'a> {
    #[serde(flatten)]
    pub shown: Shown<'a>,
    /// Others of its entity were left out before it.
    #[serde(skip_serializing_if = "is_false")]
    pub conflated: bool,
}

/// What a watcher is told besides publications.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Outbound<'a> {
    Error {
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<&'a str>,
    },
    Authorized {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        user: &'a str,
        /// When the token runs out, in Unix milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
    },
    Subscribed(Box<Subscribed<'a>>),
    Unsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        /// Why, where the watcher did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
    },
    Published {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        #[serde(flatten)]
        receipt: Receipt<'a>,
    },
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        page: HistoryPage<'a>,
    },
    Presence {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        who: Who<'a>,
    },
    PresenceStats {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        connections: usize,
        users: usize,
    },
    Join {
        topic: &'a str,
        user: &'a str,
        version: u64,
    },
    Leave {
        topic: &'a str,
        user: &'a str,
        version: u64,
    },
    /// Publications were dropped for this watcher: all from the one to the other offset may be missing.
    Gap {
        topic: &'a str,
        epoch: &'a str,
        from: u64,
        to: u64,
    },
    Refresh {
        within_ms: u64,
    },
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
    },
    GoingAway {
        retry_after_ms: u64,
    },
}

impl Encode for Outbound<'_> {}

/// The answer to a subscription: everything up to an offset; what follows comes by itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subscribed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    pub topic: &'a str,
    pub epoch: &'a str,
    pub offset: u64,
    /// What becomes of a watcher that does not keep up.
    pub slow: &'static str,
    /// Whether all that came since the position asked for is here; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// The latest value of every entity; absent where all that was missed is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Vec<Shown<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publications: Option<Vec<Shown<'a>>>,
    /// Who else watches, where joins and leaves are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Who<'a>>,
    /// For how long publications are gathered; absent where each comes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
}

/// Who watches a topic.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Who<'a> {
    pub topic: &'a str,
    /// Grows with every join and leave.
    pub version: u64,
    pub users: Vec<Present<'a>>,
}

/// A user and the connections it watches by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Present<'a> {
    pub user: &'a str,
    pub connections: Vec<&'a str>,
}

/// One event of a stream of events: its kind, the position that a reader comes back with, its data.
pub(crate) fn event(kind: &str, spot: Option<(&str, u64)>, text: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(text.len() + 64);
    if let Some((epoch, offset)) = spot {
        event.extend_from_slice(format!("id: {epoch}:{offset}\n").as_bytes());
    }
    event.extend_from_slice(b"event: ");
    event.extend_from_slice(kind.as_bytes());
    event.extend_from_slice(b"\ndata: ");
    // A raw line break in JSON is white space, and would end the line here.
    event.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// Where a publication stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Receipt<'a> {
    pub epoch: &'a str,
    /// Of a batch, the last.
    pub offset: u64,
    /// How many stand there, the offset being the last; for a batch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// Its key was known: this is what came first.
    pub duplicate: bool,
}

/// A page of a topic's publications.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HistoryPage<'a> {
    pub topic: &'a str,
    pub epoch: &'a str,
    /// The last offset that was given out.
    pub offset: u64,
    pub publications: Vec<Shown<'a>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_no_more_than_it_knows() {
        let mut text = Vec::new();
        Outbound::Error { code: "not-implemented", message: None, id: None, topic: None }.encode(&mut text);
        assert_eq!(text, br#"{"type":"error","code":"not-implemented"}"#);
    }
}
