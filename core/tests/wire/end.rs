//! One end of a wire: a connection with the owner's duties, writing down what it sees.

use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event, Lapse};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Closing, Output, Outputs};
use peermesh_core::rng::Rng;
use peermesh_core::time::Mono;
use peermesh_core::wire::http::Response;

const ID: ConnId = ConnId(7);

/// A valid upgrade request.
pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\n\
    Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

pub(crate) fn limits(set: &[(&str, u64)]) -> Arc<Limits> {
    let mut limits = Limits::default();
    for (name, value) in set {
        limits.set(name, *value).unwrap();
    }
    Arc::new(limits)
}

pub(crate) fn ms(millis: u64) -> Mono {
    Mono::START.after_millis(millis)
}

/// A connection whose owner accepts every upgrade, answers every other request with 404, and closes when told
/// to.
pub(crate) struct End {
    pub(crate) conn: Connection,
    pub(crate) now: Mono,
    /// What was seen, one line each.
    pub(crate) seen: Vec<String>,
    /// What was written and not yet looked at.
    pub(crate) written: Vec<u8>,
    /// How our side was ended.
    pub(crate) ended: Vec<Closing>,
    /// The kernel takes every byte at once.
    pub(crate) fluent: bool,
    /// Bytes that the kernel has not taken.
    pub(crate) untaken: usize,
    todo: Outputs,
}

impl End {
    pub(crate) fn server(limits: &Arc<Limits>) -> End {
        End::of(Connection::server(limits), Outputs::new())
    }

    pub(crate) fn client(limits: &Arc<Limits>) -> End {
        let mut todo = Outputs::new();
        let rng = Rng::from_seed([5; 32]);
        let conn = Connection::client(limits, rng, ID, "mesh.example:7900", "/ws", Mono::START, &mut todo);
        let mut end = End::of(conn, todo);
        end.perform();
        end
    }

    /// A server whose upgrade is done and looked at.
    pub(crate) fn open(limits: &Arc<Limits>) -> End {
        let mut end = End::server(limits);
        end.reads(UPGRADE.as_bytes());
        assert_eq!(end.seen, ["request GET /ws"]);
        end.seen.clear();
        end.written.clear();
        end
    }

    /// A server whose peer has said who it is.
    pub(crate) fn trusting(limits: &Arc<Limits>) -> End {
        let mut end = End::open(limits);
        end.does(|conn, now, _, _| conn.start_keepalive(now));
        end
    }

    fn of(conn: Connection, todo: Outputs) -> End {
        End {
            conn,
            now: Mono::START,
            seen: Vec::new(),
            written: Vec::new(),
            ended: Vec::new(),
            fluent: true,
            untaken: 0,
            todo,
        }
    }

    /// One chunk arrives and is read to its end.
    pub(crate) fn reads(&mut self, bytes: &[u8]) {
        let mut copy = bytes.to_vec();
        let mut chunk = Chunk::new(&mut copy);
        while let Some(event) = self.conn.next(self.now, &mut chunk, ID, &mut self.todo) {
            self.seen.push(shown(&event));
            match event {
                Event::Request(request) => match &request.upgrade {
                    Some(upgrade) => self.conn.accept(self.now, &upgrade.accept, ID, &mut self.todo),
                    None => self.conn.respond(self.now, &not_found(), ID, &mut self.todo),
                },
                Event::Announced(_) => panic!("nobody asked to be shown heads"),
                Event::Refused(response) => self.conn.respond(self.now, &response, ID, &mut self.todo),
                Event::Broken(fault) => self.conn.close(self.now, fault, ID, &mut self.todo),
                Event::Upgraded
                | Event::Declined { .. }
                | Event::Message(_)
                | Event::Binary(_)
                | Event::Pong(_)
                | Event::Goodbye { .. } => (),
            }
        }
        self.perform();
    }

    /// Lets the owner act on the connection.
    pub(crate) fn does(&mut self, act: impl FnOnce(&mut Connection, Mono, ConnId, &mut Outputs)) {
        act(&mut self.conn, self.now, ID, &mut self.todo);
        self.perform();
    }

    pub(crate) fn sends(&mut self, text: &str) {
        self.does(|conn, now, id, todo| conn.send(now, text.as_bytes(), id, todo));
    }

    /// The peer ends its side.
    pub(crate) fn loses_the_peer(&mut self) {
        self.does(Connection::ended);
    }

    /// The kernel takes bytes.
    pub(crate) fn takes(&mut self, bytes: usize) {
        self.untaken -= bytes;
        self.does(|conn, now, id, todo| conn.sent(now, bytes, id, todo));
    }

    /// Time passes up to that moment; the connection is woken at each of its deadlines until something
    /// lapses.
    pub(crate) fn waits_until(&mut self, moment: Mono) -> Option<Lapse> {
        while let Some(deadline) = self.conn.deadline().filter(|deadline| *deadline <= moment) {
            self.now = self.now.max(deadline);
            let lapse = self.conn.wake(self.now, ID, &mut self.todo);
            self.perform();
            if lapse.is_some() {
                return lapse;
            }
        }
        self.now = moment;
        None
    }

    /// What was written since the last look.
    pub(crate) fn wrote(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.written)
    }

    /// What was seen since the last look.
    pub(crate) fn saw(&mut self) -> Vec<String> {
        std::mem::take(&mut self.seen)
    }

    fn perform(&mut self) {
        while !self.todo.is_empty() {
            let wishes = self.todo.take();
            let mut taken = 0;
            for wish in &wishes {
                match wish {
                    Output::Send { bytes, .. } => {
                        let bytes = self.todo.bytes(bytes);
                        assert!(self.ended.is_empty(), "bytes after the end of our side");
                        self.written.extend_from_slice(bytes);
                        taken += bytes.len();
                    }
                    Output::Close { how, .. } => self.ended.push(*how),
                    other => panic!("a connection cannot wish for {other:?}"),
                }
            }
            self.todo.clear(wishes);
            self.untaken += taken;
            if self.fluent && taken > 0 {
                self.untaken -= taken;
                self.conn.sent(self.now, taken, ID, &mut self.todo);
            }
        }
    }
}

/// Carries bytes between two ends, in pieces of that size, until nothing moves.
pub(crate) fn carry(one: &mut End, two: &mut End, piece: usize) {
    loop {
        let (to_two, to_one) = (one.wrote(), two.wrote());
        if to_one.is_empty() && to_two.is_empty() {
            return;
        }
        to_two.chunks(piece).for_each(|part| two.reads(part));
        to_one.chunks(piece).for_each(|part| one.reads(part));
    }
}

fn shown(event: &Event<'_>) -> String {
    match event {
        Event::Request(request) => format!("request {} {}", request.method, request.target),
        Event::Announced(request) => format!("announced {} {}", request.method, request.target),
        Event::Refused(response) => format!("refused {}", response.status),
        Event::Upgraded => "upgraded".to_owned(),
        Event::Declined { status } => format!("declined {status}"),
        Event::Message(text) => format!("message {}", brief(text)),
        Event::Binary(bytes) => format!("binary {bytes:?}"),
        Event::Pong(payload) => format!("pong {}", String::from_utf8_lossy(payload)),
        Event::Goodbye { code, reason } => format!("goodbye {} {reason}", code.unwrap_or_default()),
        Event::Broken(fault) => format!("broken {fault:?}"),
    }
}

/// A text as itself, or a long one as its beginning, its length and a sum.
pub(crate) fn brief(text: &str) -> String {
    if text.len() <= 80 {
        return text.to_owned();
    }
    let start: String = text.chars().take(8).collect();
    let sum = text.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{start}… {} bytes, sum {sum:x}", text.len())
}

fn not_found() -> Response {
    Response { status: 404, headers: Vec::new(), body: b"not found".to_vec() }
}

/// A masked frame, as a client sends it, with any first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mask = [0x11, 0x22, 0x44, 0x88];
    let mut bytes = vec![first];
    match payload.len() {
        length @ 0..126 => bytes.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..65_536 => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(0x80 | 127);
            bytes.extend(u64::try_from(length).unwrap().to_be_bytes());
        }
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().enumerate().map(|(at, byte)| byte ^ mask[at % 4]));
    bytes
}

/// A close frame as the server writes it.
pub(crate) fn close_frame(code: u16, reason: &str) -> Vec<u8> {
    let length = u8::try_from(reason.len() + 2).unwrap();
    [&[0x88, length], code.to_be_bytes().as_slice(), reason.as_bytes()].concat()
}
