//! One connection, whatever it serves: bytes in, events out; messages in, bytes out.
//!
//! *Decides* everything RFC 6455 and HTTP/1.1 decide: framing, pongs, the closing handshake, who ends the
//! stream when; and whether a peer is dead, floods or reads too slowly.
//! *Does not* know what a message means, grant reads, or choose when to stop reading: while a connection is
//! not over, its owner goes on granting, so that last words are not lost with unread bytes.
//! *Always holds:* nothing follows a close frame; an idle connection holds no buffer.

mod event;
mod keepalive;
mod kept;
mod outbox;
mod phase;
mod reading;

use std::sync::Arc;

use bytes::Bytes;
use tungstenite::protocol::frame::coding::OpCode;

use crate::config::Limits;
use crate::fault::Fault;
use crate::ids::ConnId;
use crate::kit::bucket::Bucket;
use crate::machine::{Closing, Output, Outputs};
use crate::rng::Rng;
use crate::time::Mono;
use crate::wire::assemble::Assembler;
use crate::wire::frame::{
    BINARY, CLOSE, CONTROL_BYTES_MAX, PING, Side, TEXT, close_payload, frame_bytes, text_frame, write_frame,
};
use crate::wire::head::HeadReader;
use crate::wire::http::{RequestReader, Response, write_response};
use crate::wire::upgrade::{ask, write_agreement};

pub use self::event::{Chunk, Event, Lapse, Text};
use self::keepalive::{Keepalive, Pulse};
use self::kept::Kept;
use self::outbox::{Line, Outbox};
use self::phase::{Phase, Turn};
use self::reading::{CONTINUE, Reading};

/// One connection: phases, parsing, framing, outbox, keepalive.
#[derive(Debug)]
pub struct Connection {
    limits: Arc<Limits>,
    role: Role,
    phase: Phase,
    /// The HTTP message in progress, as long as there is one.
    reading: Option<Box<Reading>>,
    frames: Assembler,
    kept: Kept,
    outbox: Outbox,
    keepalive: Keepalive,
    control: Bucket,
    /// The request was a `HEAD`: its answer has no body.
    bodiless: bool,
    /// The answer to the request is a stream of events, which goes on.
    streaming: bool,
    /// Pings count as pongs do.
    heeds_pings: bool,
    /// The peer sends no more.
    peer_ended: bool,
    /// When the stream is dropped, however far the goodbyes have come.
    end_by: Option<Mono>,
}

#[derive(Debug)]
enum Role {
    Server,
    Client(Box<Client>),
}

/// What only the dialling side needs.
#[derive(Debug)]
struct Client {
    rng: Rng,
    /// What a true server answers to our key.
    accept: String,
}

impl Connection {
    /// The accepting side of a new stream.
    pub fn server(limits: &Arc<Limits>) -> Connection {
        let reading = Reading::Request(RequestReader::default());
        Connection::new(limits, Role::Server, reading, Assembler::new(Side::Server, None))
    }

    /// The accepting side of a new stream, which shows the head of a request before it reads the body.
    pub(crate) fn announcing_server(limits: &Arc<Limits>) -> Connection {
        let reading = Reading::Request(RequestReader::announcing());
        Connection::new(limits, Role::Server, reading, Assembler::new(Side::Server, None))
    }

    /// The dialling side of a new stream. `rng` makes the masks and the key. Sends the upgrade request.
    ///
    /// `message_bytes_max` bounds what is received, so a client that talks to a broker needs more of it than
    /// the broker has: a push carries more fields than the send it comes from.
    pub fn client(
        limits: &Arc<Limits>,
        mut rng: Rng,
        id: ConnId,
        host: &str,
        path: &str,
        now: Mono,
        todo: &mut Outputs,
    ) -> Connection {
        let mut key = [0; 16];
        rng.fill(&mut key);
        let (request, accept) = ask(host, path, key);
        let role = Role::Client(Box::new(Client { rng, accept }));
        let reading = Reading::Answer(HeadReader::default());
        let mut connection = Connection::new(limits, role, reading, Assembler::new(Side::Client, None));
        let mut line = Line { now, conn: id, todo };
        connection.outbox.put(&mut line, request.len(), |out| out.extend_from_slice(&request));
        connection
    }

    /// A connection that has ended: what stays behind of one that moved to another shard.
    pub(crate) fn over(limits: &Arc<Limits>) -> Connection {
        let mut connection = Connection::server(limits);
        connection.phase = Phase::Closed;
        connection.reading = None;
        connection
    }

    /// The next event in what was kept and in the chunk; `None` when both are used up (a partial tail is
    /// kept).
    pub fn next<'a>(
        &mut self,
        now: Mono,
        chunk: &mut Chunk<'a>,
        id: ConnId,
        todo: &mut Outputs,
    ) -> Option<Event<'a>> {
        self.read(chunk, &mut Line { now, conn: id, todo })
    }

    /// Stops for now: keeps the rest of the chunk for the next call of `next`.
    pub fn keep(&mut self, mut chunk: Chunk<'_>) {
        match self.phase {
            Phase::Http | Phase::Asked | Phase::Open | Phase::Closing => self.kept.take(&mut chunk),
            Phase::Broken | Phase::Flushing | Phase::Lingering | Phase::Closed => (),
        }
    }

    /// True when bytes are kept that no event has told of: a part of a head, of a body, of a frame or of a
    /// message, or the rest of a chunk.
    pub fn has_kept(&self) -> bool {
        let head_begun = self.reading.as_ref().is_some_and(|reading| reading.is_begun());
        head_begun || !self.kept.is_empty() || self.frames.is_partial()
    }

    /// Length of the request body that is arriving, as announced, in bytes; 0 when there is none.
    pub fn body_bytes(&self) -> usize {
        self.reading.as_ref().map_or(0, |reading| reading.body_bytes())
    }

    /// Length of what is arriving and is not complete, as announced, in bytes: of a body, or of a message. A
    /// message in fragments counts as the longest there may be.
    pub(crate) fn arriving_bytes(&self) -> usize {
        self.body_bytes().max(self.frames.arriving_bytes(&self.limits))
    }

    /// Server that shows heads: the body of the request just shown is wanted.
    pub(crate) fn await_body(&mut self, now: Mono, id: ConnId, todo: &mut Outputs) {
        let waits = match self.reading.as_deref_mut() {
            Some(Reading::Request(reader)) => reader.take_expects(),
            Some(Reading::Answer(_)) | None => false,
        };
        if waits {
            let mut line = Line { now, conn: id, todo };
            self.outbox.put(&mut line, CONTINUE.len(), |out| out.extend_from_slice(CONTINUE));
        }
    }

    /// Server: agrees to the upgrade just asked for. Until `start_keepalive` the peer's head and frames
    /// together may be `hello_bytes_max` long; what is over is [`Fault::TooLarge`].
    pub fn accept(&mut self, now: Mono, accept: &str, id: ConnId, todo: &mut Outputs) {
        let mut line = Line { now, conn: id, todo };
        if self.phase == Phase::Asked {
            let mut agreement = Vec::new();
            write_agreement(&mut agreement, accept);
            self.outbox.put(&mut line, agreement.len(), |out| out.extend_from_slice(&agreement));
            self.turn(Turn::Upgraded, &mut line);
        }
    }

    /// Server: answers the request just read, or refuses to wait for one; the connection ends in good order
    /// when the answer is written. Without effect after an upgrade.
    pub fn respond(&mut self, now: Mono, response: &Response, id: ConnId, todo: &mut Outputs) {
        let mut line = Line { now, conn: id, todo };
        match self.phase {
            Phase::Http | Phase::Asked => {
                let mut answer = Vec::new();
                write_response(&mut answer, response, !self.bodiless, None);
                self.outbox.put_last(&mut line, answer.len(), |out| out.extend_from_slice(&answer));
                self.turn(Turn::Answered, &mut line);
            }
            Phase::Open
            | Phase::Broken
            | Phase::Closing
            | Phase::Flushing
            | Phase::Lingering
            | Phase::Closed => (),
        }
    }

    /// Server that shows heads: answers the request just read and listens for the next one, which the peer is
    /// told to begin within `idle_ms`. Where the peer sends no more it is answered for the last time.
    pub(crate) fn respond_and_listen(
        &mut self,
        now: Mono,
        response: &Response,
        idle_ms: u64,
        id: ConnId,
        todo: &mut Outputs,
    ) {
        if self.phase != Phase::Asked || self.peer_ended {
            return self.respond(now, response, id, todo);
        }
        let mut line = Line { now, conn: id, todo };
        let mut answer = Vec::new();
        write_response(&mut answer, response, !self.bodiless, Some(idle_ms / 1_000));
        self.outbox.put_last(&mut line, answer.len(), |out| out.extend_from_slice(&answer));
        self.reading = Some(Box::new(Reading::Request(RequestReader::announcing())));
        self.turn(Turn::Kept, &mut line);
    }

    /// Sends one text message. Without effect unless the connection is open.
    pub fn send(&mut self, now: Mono, text: &[u8], id: ConnId, todo: &mut Outputs) {
        self.send_frame(TEXT, text, &mut Line { now, conn: id, todo });
    }

    /// Sends one binary message. Without effect unless the connection is open.
    pub fn send_binary(&mut self, now: Mono, bytes: &[u8], id: ConnId, todo: &mut Outputs) {
        self.send_frame(BINARY, bytes, &mut Line { now, conn: id, todo });
    }

    /// Server: answers the request just read with a stream that goes on: what is shared with
    /// [`Connection::send_shared`] is written as it is. Nothing more is read of the peer.
    pub(crate) fn begin_stream(&mut self, now: Mono, head: &[u8], id: ConnId, todo: &mut Outputs) {
        if self.phase == Phase::Asked {
            self.streaming = true;
            let mut line = Line { now, conn: id, todo };
            self.outbox.put(&mut line, head.len(), |out| out.extend_from_slice(head));
        }
    }

    /// Sends a frame made by [`frame_text`], shared among many connections (server role only).
    pub fn send_shared(&mut self, now: Mono, frame: &Bytes, id: ConnId, todo: &mut Outputs) {
        debug_assert!(matches!(self.role, Role::Server), "a client masks every frame for itself");
        if self.phase == Phase::Open || self.is_streaming() {
            self.outbox.put_shared(&mut Line { now, conn: id, todo }, frame);
        }
    }

    /// Sends a ping with this payload (at most 125 bytes) besides the keepalive's own, which carry none.
    pub fn ping(&mut self, now: Mono, payload: &[u8], id: ConnId, todo: &mut Outputs) {
        let payload = payload.get(..CONTROL_BYTES_MAX).unwrap_or(payload);
        self.send_frame(PING, payload, &mut Line { now, conn: id, todo });
    }

    /// Starts the keepalive and its pings. From here on the peer counts as having said who it is:
    /// `hello_bytes_max` does not bind it, only `message_bytes_max` does.
    pub fn start_keepalive(&mut self, now: Mono) {
        self.keepalive.start(now, &self.limits);
        self.frames.trust();
    }

    /// A ping of the peer is as good a sign of life as a pong from here on.
    pub(crate) fn heed_pings(&mut self) {
        self.heeds_pings = true;
    }

    /// Binary messages are [`Event::Binary`] from here on. No surface asks for it, to which they are text in
    /// other clothes; for what is to behave as any WebSocket does. To be called once the connection is open.
    pub fn tell_binary(&mut self) {
        self.frames.tell_binary();
    }

    /// Ends the connection: close frame, wait for the peer's, then the stream's end. A peer that reads too
    /// slowly loses what waits for it. Before an upgrade the stream is dropped. Without effect once closing.
    pub fn close(&mut self, now: Mono, fault: Fault, id: ConnId, todo: &mut Outputs) {
        self.close_saying(now, fault, fault.row().reason, id, todo);
    }

    /// True while the answer to a request goes on.
    pub(crate) fn is_streaming(&self) -> bool {
        self.streaming && self.phase == Phase::Asked
    }

    /// Bytes that the kernel has not taken: with the runtime, or waiting.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.outbox.unsent_bytes()
    }

    /// The same with another reason than the fault's own, cut to the 123 bytes that a close frame holds. A
    /// peer that reads too slowly and is told where it stands is told so behind what that counts.
    pub fn close_saying(&mut self, now: Mono, fault: Fault, reason: &str, id: ConnId, todo: &mut Outputs) {
        let mut line = Line { now, conn: id, todo };
        match self.phase {
            Phase::Asked if self.streaming && fault != Fault::SlowConsumer => {
                if fault == Fault::LiveForbidden && self.outbox.drop_waiting() {
                    // The rest of an event would be one more, and nothing can follow without it.
                    return self.turn(Turn::Dropped, &mut line);
                }
                self.end_by = Some(now.after_millis(self.limits.close_ms()));
                let code = fault.row().code;
                let last = format!("event: close\ndata: {{\"code\":{code},\"reason\":\"{reason}\"}}\n\n");
                self.outbox.put_last(&mut line, last.len(), |out| out.extend_from_slice(last.as_bytes()));
                self.turn(Turn::Answered, &mut line);
            }
            Phase::Http | Phase::Asked => self.turn(Turn::Dropped, &mut line),
            Phase::Open | Phase::Broken => {
                let is_slow = fault == Fault::SlowConsumer && reason == fault.row().reason;
                if is_slow || fault == Fault::LiveForbidden {
                    self.outbox.drop_waiting();
                }
                self.end_by = Some(now.after_millis(self.limits.close_ms()));
                self.part(&close_payload(fault.row().code, reason), Turn::Closed, &mut line);
            }
            Phase::Closing | Phase::Flushing | Phase::Lingering | Phase::Closed => (),
        }
    }

    /// Drops the stream at once.
    pub fn abort(&mut self, id: ConnId, todo: &mut Outputs) {
        // Dropping waits for nothing, so any time will do.
        self.turn(Turn::Dropped, &mut Line { now: Mono::START, conn: id, todo });
    }

    /// The kernel took bytes: moves what waits into the window.
    pub fn sent(&mut self, now: Mono, bytes: usize, id: ConnId, todo: &mut Outputs) {
        let mut line = Line { now, conn: id, todo };
        if self.phase != Phase::Closed {
            self.outbox.sent(&mut line, bytes);
            self.settle(&mut line);
        }
    }

    /// The peer sends no more (end of stream). Ends our side when nothing of ours is on its way; a request
    /// that is not answered yet still is.
    pub fn ended(&mut self, now: Mono, id: ConnId, todo: &mut Outputs) {
        self.peer_ended = true;
        if self.is_streaming() {
            return self.abort(id, todo);
        }
        let mut line = Line { now, conn: id, todo };
        // Nothing is asked any more, but the answer to what was asked before is on its way.
        if self.phase == Phase::Http && !self.outbox.is_idle() {
            self.shift(Turn::Answered, &mut line);
        }
        self.settle(&mut line);
    }

    /// The deadline passed: pings if due, and says what lapsed.
    pub fn wake(&mut self, now: Mono, id: ConnId, todo: &mut Outputs) -> Option<Lapse> {
        let is_due = |deadline: Option<Mono>| deadline.is_some_and(|deadline| deadline <= now);
        match self.phase {
            Phase::Http | Phase::Asked | Phase::Open if is_due(self.outbox.deadline()) => {
                Some(Lapse::Fault(Fault::SlowConsumer))
            }
            Phase::Http | Phase::Asked => None,
            Phase::Open if is_due(self.frames.deadline(&self.limits)) => {
                Some(Lapse::Fault(Fault::FragmentTimeout))
            }
            Phase::Open => match self.keepalive.wake(now, &self.limits) {
                Pulse::Quiet => None,
                Pulse::Dead => Some(Lapse::Dead),
                Pulse::Ping => {
                    self.ping(now, &[], id, todo);
                    None
                }
            },
            Phase::Closing | Phase::Flushing | Phase::Lingering => {
                if is_due(self.deadline()) {
                    Some(Lapse::Dead)
                } else {
                    None
                }
            }
            Phase::Broken | Phase::Closed => None,
        }
    }

    /// When `wake` has something to do.
    pub fn deadline(&self) -> Option<Mono> {
        match self.phase {
            Phase::Http | Phase::Asked => self.outbox.deadline(),
            Phase::Open => {
                let all = [
                    self.outbox.deadline(),
                    self.frames.deadline(&self.limits),
                    self.keepalive.deadline(&self.limits),
                ];
                all.into_iter().flatten().min()
            }
            // A response may take its time as long as the peer reads on.
            Phase::Closing | Phase::Flushing | Phase::Lingering => self.end_by.or(self.outbox.deadline()),
            Phase::Broken | Phase::Closed => None,
        }
    }

    /// True once the stream's end was asked for: forget the connection.
    pub fn is_over(&self) -> bool {
        self.phase == Phase::Closed
    }

    /// True when messages can be sent.
    pub fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    /// True when nothing of ours waits or is on its way, so that the connection may move to another shard.
    pub fn is_quiet(&self) -> bool {
        self.outbox.is_idle()
    }

    /// Bytes that wait in the outbox, outside the window.
    pub fn waiting_bytes(&self) -> usize {
        self.outbox.waiting_bytes()
    }

    /// True when the outbox should be left to drain before more is put in: more than half of its bound in
    /// bytes or in frames waits.
    pub fn is_full(&self) -> bool {
        self.outbox.is_full()
    }

    /// When the last pong (or, before any, the start of the keepalive) was.
    pub fn last_pong(&self) -> Mono {
        self.keepalive.last_pong()
    }
}

impl Connection {
    fn new(limits: &Arc<Limits>, role: Role, reading: Reading, frames: Assembler) -> Connection {
        let per_minute = limits.control_per_second_max().saturating_mul(60);
        Connection {
            limits: Arc::clone(limits),
            role,
            phase: Phase::Http,
            reading: Some(Box::new(reading)),
            frames,
            kept: Kept::default(),
            outbox: Outbox::new(Arc::clone(limits)),
            keepalive: Keepalive::default(),
            control: Bucket::new(per_minute, limits.control_burst()),
            bodiless: false,
            streaming: false,
            heeds_pings: false,
            peer_ended: false,
            end_by: None,
        }
    }

    fn send_frame(&mut self, opcode: OpCode, payload: &[u8], line: &mut Line<'_>) {
        if self.phase == Phase::Open {
            let mask = self.role.mask();
            let length = frame_bytes(payload.len(), mask);
            self.outbox.put(line, length, |out| write_frame(out, opcode, payload, mask));
        }
    }

    /// Writes our close frame, after everything that waits, and takes the turn that follows from it.
    fn part(&mut self, payload: &[u8], turn: Turn, line: &mut Line<'_>) {
        let mask = self.role.mask();
        let length = frame_bytes(payload.len(), mask);
        self.outbox.put_last(line, length, |out| write_frame(out, CLOSE, payload, mask));
        self.turn(turn, line);
    }

    fn turn(&mut self, turn: Turn, line: &mut Line<'_>) {
        self.shift(turn, line);
        self.settle(line);
    }

    /// Draws the conclusions from what holds: all is written, the peer has ended.
    fn settle(&mut self, line: &mut Line<'_>) {
        loop {
            let before = self.phase;
            if self.outbox.is_idle() {
                self.shift(Turn::Flushed, line);
            }
            if self.peer_ended {
                self.shift(Turn::Ended, line);
            }
            // Phases only go forward, so this ends.
            if self.phase == before {
                return;
            }
        }
    }

    /// Changes the phase, and does what entering the next one demands.
    fn shift(&mut self, turn: Turn, line: &mut Line<'_>) {
        let (before, next) = (self.phase, self.phase.after(turn));
        if before == next {
            return;
        }
        self.phase = next;
        let end_by = line.now.after_millis(self.limits.close_ms());
        match next {
            Phase::Http | Phase::Asked | Phase::Open | Phase::Closing => (),
            Phase::Broken => self.forget_input(),
            Phase::Flushing => {
                self.forget_input();
                if before >= Phase::Open {
                    self.end_by.get_or_insert(end_by);
                }
            }
            Phase::Lingering => {
                self.end_by.get_or_insert(end_by);
                line.todo.push(Output::Close { conn: line.conn, how: Closing::Write });
            }
            Phase::Closed => {
                self.forget_input();
                self.outbox = Outbox::new(Arc::clone(&self.limits));
                line.todo.push(Output::Close { conn: line.conn, how: Closing::Both });
            }
        }
    }

    fn forget_input(&mut self) {
        self.reading = None;
        self.kept = Kept::default();
        self.frames = Assembler::new(Side::Server, None);
    }
}

impl Role {
    /// A fresh mask for the next frame, where frames are masked.
    fn mask(&mut self) -> Option<[u8; 4]> {
        match self {
            Role::Server => None,
            Role::Client(client) => {
                let mut mask = [0; 4];
                client.rng.fill(&mut mask);
                Some(mask)
            }
        }
    }
}

/// Encodes one unmasked text frame, to be shared by [`Connection::send_shared`].
pub fn frame_text(text: &[u8]) -> Bytes {
    text_frame(text)
}

#[cfg(test)]
mod tests;
