//! What goes into a connection and what comes out of it.

use std::ops::Deref;

use bytes::Bytes;

use crate::fault::Fault;
use crate::wire::http::{Request, Response};

/// A chunk of received bytes that is being read, front to back.
#[derive(Debug)]
pub struct Chunk<'a>(pub(crate) &'a mut [u8]);

impl<'a> Chunk<'a> {
    /// Takes a chunk for reading.
    pub fn new(bytes: &'a mut [u8]) -> Chunk<'a> {
        Chunk(bytes)
    }

    /// A chunk without bytes, to go on with what a connection kept.
    pub fn empty() -> Chunk<'static> {
        Chunk(&mut [])
    }
}

/// A text message, lent from the chunk where possible.
#[derive(Debug)]
pub enum Text<'a> {
    /// It stood in one frame of the chunk.
    Lent(&'a str),
    /// It was put together.
    Kept(String),
}

impl Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        match self {
            Text::Lent(text) => text,
            Text::Kept(text) => text,
        }
    }
}

/// What a connection found in its bytes.
#[derive(Debug)]
pub enum Event<'a> {
    /// Server: a complete request. Answer with `accept` or `respond`; nothing is read before that.
    Request(Box<Request>),
    /// Server that shows heads: a request whose body follows. `respond` to refuse it unread, or
    /// `await_body` and read on.
    Announced(Box<Request>),
    /// Server: no acceptable request. `respond` with this and the connection ends.
    Refused(Box<Response>),
    /// Client: the server agreed to the upgrade.
    Upgraded,
    /// Client: the server did not agree.
    Declined {
        /// The status it answered.
        status: u16,
    },
    /// A message: text, or binary read as text.
    Message(Text<'a>),
    /// A binary message, where those are told apart.
    Binary(Bytes),
    /// A pong, with the payload of the ping it answers; or a ping, where those are heeded.
    Pong(Bytes),
    /// The peer's close frame; it is answered already.
    Goodbye {
        /// Its code, when it had one.
        code: Option<u16>,
        /// Its reason.
        reason: String,
    },
    /// The peer broke the protocol. `close` with this; nothing further is read.
    Broken(Fault),
}

/// What a connection's own clock says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lapse {
    /// End it with this fault (`close`).
    Fault(Fault),
    /// The peer is dead, or did not say goodbye in time: drop the stream (`abort`).
    Dead,
}
