//! One connection, whatever it serves: bytes in, events out; messages in, bytes out.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::Limits;
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::machine::Outputs;
use crate::rng::Rng;
use crate::time::Mono;
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
    /// Server: a complete request. Answer with `accept` or `respond`; nothing further is read from the bytes before.
    Request(Box<Request>),
    /// Server: no acceptable request. `respond` with this and the connection ends.
    Refused(Box<Response>),
    /// Client: the server agreed to the upgrade.
    Upgraded,
    /// Client: the server did not agree.
    Declined {
        /// The status it answered.
        status: u16,
    },
    /// A message (text, or binary read as text).
    Message(Text<'a>),
    /// A pong, with the payload of the ping it answers.
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

/// One connection: phases, parsing, framing, outbox, keepalive.
#[derive(Debug)]
pub struct Connection {}

impl Connection {
    /// The accepting side of a new stream.
    pub fn server(_limits: &Arc<Limits>) -> Connection {
        todo!()
    }
    /// The dialling side of a new stream. `rng` makes the masks and the key. Sends the upgrade request.
    pub fn client(
        _limits: &Arc<Limits>,
        _rng: Rng,
        _id: ConnId,
        _host: &str,
        _path: &str,
        _now: Mono,
        _todo: &mut Outputs,
    ) -> Connection {
        todo!()
    }
    /// The next event in what was kept and in the chunk; `None` when both are used up (a partial tail is kept).
    pub fn next<'a>(
        &mut self,
        _now: Mono,
        _chunk: &mut Chunk<'a>,
        _id: ConnId,
        _todo: &mut Outputs,
    ) -> Option<Event<'a>> {
        todo!()
    }
    /// Stops for now: keeps the rest of the chunk for the next call of `next`.
    pub fn keep(&mut self, _chunk: Chunk<'_>) {
        todo!()
    }
    /// True when unread bytes are kept (a partial frame, or the rest of a chunk).
    pub fn has_kept(&self) -> bool {
        todo!()
    }
    /// Server: agrees to the upgrade just asked for.
    pub fn accept(&mut self, _now: Mono, _accept: &str, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Server: answers the request just read; the connection ends in good order when the answer is written.
    pub fn respond(&mut self, _now: Mono, _response: &Response, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Sends one text message.
    pub fn send(&mut self, _now: Mono, _text: &[u8], _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Sends a frame made by [`frame_text`], shared among many connections (server role only).
    pub fn send_shared(&mut self, _now: Mono, _frame: &Bytes, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Sends a ping with this payload (at most 125 bytes) besides the keepalive's own.
    pub fn ping(&mut self, _now: Mono, _payload: &[u8], _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Starts the keepalive: pings from now on.
    pub fn start_keepalive(&mut self, _now: Mono) {
        todo!()
    }
    /// Ends the connection: close frame, wait for the peer's, then the stream's end. Without effect once closing.
    pub fn close(&mut self, _now: Mono, _fault: Fault, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// Drops the stream at once.
    pub fn abort(&mut self, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// The kernel took bytes: moves what waits into the window.
    pub fn sent(&mut self, _now: Mono, _bytes: usize, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// The peer sends no more (end of stream). Ends our side when nothing of ours is on its way.
    pub fn ended(&mut self, _now: Mono, _id: ConnId, _todo: &mut Outputs) {
        todo!()
    }
    /// The deadline passed: pings if due, and says what lapsed.
    pub fn wake(&mut self, _now: Mono, _id: ConnId, _todo: &mut Outputs) -> Option<Lapse> {
        todo!()
    }
    /// When `wake` has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        todo!()
    }
    /// True once the stream's end was asked for: forget the connection.
    pub fn is_over(&self) -> bool {
        todo!()
    }
    /// True when messages can be sent.
    pub fn is_open(&self) -> bool {
        todo!()
    }
    /// A connection that has ended: what stays in place of one that moved.
    pub fn over() -> Connection {
        todo!()
    }
    /// True when nothing of ours waits or is on its way, so that the connection may move.
    pub fn is_quiet(&self) -> bool {
        todo!()
    }
    /// Bytes that wait in the outbox, outside the window.
    pub fn waiting_bytes(&self) -> usize {
        todo!()
    }
    /// True when the outbox should be left to drain before more is put in.
    pub fn is_full(&self) -> bool {
        todo!()
    }
    /// When the last pong (or, before any, the start of the keepalive) was.
    pub fn last_pong(&self) -> Mono {
        todo!()
    }
}

/// Encodes one unmasked text frame, to be shared by [`Connection::send_shared`].
pub fn frame_text(_text: &[u8]) -> Bytes {
    todo!()
}
