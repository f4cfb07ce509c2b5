//! The inward half of a connection: bytes to events.

use crate::config::size;
use crate::fault::Fault;
use crate::time::Mono;
use crate::wire::assemble::{Assembler, Found};
use crate::wire::frame::{PONG, Side, frame_bytes, write_frame};
use crate::wire::head::{HeadBounds, HeadReader};
use crate::wire::http::{Progress, RequestReader};
use crate::wire::upgrade::{Answer, read_answer};

use super::event::{Chunk, Event, Text};
use super::kept::Kept;
use super::outbox::Line;
use super::phase::{Phase, Turn};
use super::{Connection, Role};

/// What the peer waits for before it sends a large body.
pub(super) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The HTTP message that is being read.
#[derive(Debug)]
pub(super) enum Reading {
    Request(RequestReader),
    Answer(HeadReader),
}

impl Reading {
    /// True when something of the message has arrived.
    pub(super) fn is_begun(&self) -> bool {
        match self {
            Reading::Request(reader) => reader.head_bytes() > 0,
            Reading::Answer(reader) => !reader.bytes().is_empty(),
        }
    }

    /// Length of the body that is arriving, as announced, in bytes.
    pub(super) fn body_bytes(&self) -> usize {
        match self {
            Reading::Request(reader) => reader.body_bytes(),
            Reading::Answer(_) => 0,
        }
    }
}

impl Connection {
    pub(super) fn read<'a>(&mut self, chunk: &mut Chunk<'a>, line: &mut Line<'_>) -> Option<Event<'a>> {
        loop {
            match self.phase {
                Phase::Http if self.kept.is_empty() && chunk.0.is_empty() => return None,
                Phase::Http => {
                    if let Some(event) = self.read_http(chunk, line) {
                        return Some(event);
                    }
                }
                Phase::Asked if self.streaming => {
                    chunk.0 = &mut [];
                    return None;
                }
                Phase::Asked => {
                    self.kept.take(chunk);
                    return None;
                }
                Phase::Open => match self.find(line.now, chunk) {
                    Found::Starved(_) => return None,
                    found => {
                        if let Some(event) = self.heed(found, line) {
                            return Some(event);
                        }
                    }
                },
                Phase::Closing => match self.find(line.now, chunk) {
                    Found::Starved(_) => return None,
                    Found::Close { .. } => self.turn(Turn::Parted, line),
                    Found::Fault(_) => self.turn(Turn::Broke, line),
                    Found::Text(_)
                    | Found::Joined(_)
                    | Found::Binary(_)
                    | Found::Ping(_)
                    | Found::Pong(_) => (),
                },
                Phase::Broken | Phase::Flushing | Phase::Lingering | Phase::Closed => {
                    self.kept = Kept::default();
                    chunk.0 = &mut [];
                    return None;
                }
            }
        }
    }

    /// Reads on in the HTTP message, from what was kept or else from the chunk.
    fn read_http(&mut self, chunk: &mut Chunk<'_>, line: &mut Line<'_>) -> Option<Event<'static>> {
        let mut reading = self.reading.take()?;
        let mut kept = std::mem::take(&mut self.kept);
        let event = if kept.is_empty() {
            self.read_on(&mut reading, &mut chunk.0, line)
        } else {
            let mut input = kept.unread();
            let event = self.read_on(&mut reading, &mut input, line);
            let left = input.len();
            kept.leave(left);
            event
        };
        self.kept = kept;
        if matches!(event, None | Some(Event::Announced(_))) {
            self.reading = Some(reading);
        }
        event
    }

    fn read_on(
        &mut self,
        reading: &mut Reading,
        input: &mut &mut [u8],
        line: &mut Line<'_>,
    ) -> Option<Event<'static>> {
        match reading {
            Reading::Request(reader) => match reader.read(input, &self.limits) {
                Progress::More => None,
                Progress::Expected => {
                    self.outbox.put(line, CONTINUE.len(), |out| out.extend_from_slice(CONTINUE));
                    None
                }
                Progress::Announced(request) => Some(Event::Announced(request)),
                Progress::Request(request) => {
                    self.bodiless = request.method == "HEAD";
                    let allowance = size(self.limits.hello_bytes_max()).saturating_sub(reader.head_bytes());
                    self.frames = Assembler::new(Side::Server, u64::try_from(allowance).ok());
                    self.turn(Turn::Asked, line);
                    Some(Event::Request(request))
                }
                Progress::Refused(response) => {
                    self.turn(Turn::Asked, line);
                    Some(Event::Refused(response))
                }
            },
            Reading::Answer(reader) => match reader.read(input, HeadBounds::of_response(&self.limits)) {
                Ok(false) => None,
                Ok(true) => Some(self.judge_answer(reader.bytes(), line)),
                Err(_) => Some(self.refuse_answer(line)),
            },
        }
    }

    fn judge_answer(&mut self, head: &[u8], line: &mut Line<'_>) -> Event<'static> {
        let accept = match &self.role {
            Role::Client(client) => client.accept.as_str(),
            Role::Server => "",
        };
        match read_answer(head, accept, size(self.limits.head_headers_max())) {
            Answer::Agreed => {
                self.turn(Turn::Upgraded, line);
                Event::Upgraded
            }
            Answer::Declined(status) => {
                self.turn(Turn::Declined, line);
                Event::Declined { status }
            }
            Answer::Nonsense => self.refuse_answer(line),
        }
    }

    fn refuse_answer(&mut self, line: &mut Line<'_>) -> Event<'static> {
        self.turn(Turn::Declined, line);
        Event::Broken(Fault::ProtocolError)
    }

    /// Finds the next message or control frame, in what was kept first and then in the chunk. From the chunk
    /// only as much is copied as completes a header or a control frame that was cut.
    fn find<'a>(&mut self, now: Mono, chunk: &mut Chunk<'a>) -> Found<'a> {
        while !self.kept.is_empty() {
            let mut input = self.kept.unread();
            let found = self.frames.read(now, &mut input, &self.limits).into_owned();
            let left = input.len();
            self.kept.leave(left);
            match found {
                Found::Starved(need) if left > 0 => {
                    if !self.kept.top_up(chunk, need) {
                        return Found::Starved(need);
                    }
                }
                Found::Starved(_) => break,
                found => return found,
            }
        }
        let found = self.frames.read(now, &mut chunk.0, &self.limits);
        if let Found::Starved(_) = found {
            self.kept.take(chunk);
        }
        found
    }

    /// Acts on what was found in an open connection; what concerns others becomes an event.
    fn heed<'a>(&mut self, found: Found<'a>, line: &mut Line<'_>) -> Option<Event<'a>> {
        match found {
            Found::Starved(_) => None,
            Found::Text(text) => Some(Event::Message(Text::Lent(text))),
            Found::Joined(text) => Some(Event::Message(Text::Kept(text))),
            Found::Binary(bytes) => Some(Event::Binary(bytes)),
            Found::Ping(_) | Found::Pong(_) if self.control.take(line.now).is_err() => {
                Some(self.broken(Fault::ControlFlood, line))
            }
            Found::Ping(payload) => {
                let mask = self.role.mask();
                let mut frame = Vec::with_capacity(frame_bytes(payload.len(), mask));
                write_frame(&mut frame, PONG, &payload, mask);
                self.outbox.put_pong(line, frame.into());
                if !self.heeds_pings {
                    return None;
                }
                self.keepalive.pong(line.now);
                Some(Event::Pong(payload))
            }
            Found::Pong(payload) => {
                self.keepalive.pong(line.now);
                Some(Event::Pong(payload))
            }
            Found::Close { code, reason } => {
                let payload = code.map(u16::to_be_bytes);
                self.part(payload.as_ref().map_or(&[], |code| code.as_slice()), Turn::Parted, line);
                Some(Event::Goodbye { code, reason })
            }
            Found::Fault(fault) => Some(self.broken(fault, line)),
        }
    }

    fn broken(&mut self, fault: Fault, line: &mut Line<'_>) -> Event<'static> {
        self.turn(Turn::Broke, line);
        Event::Broken(fault)
    }
}
