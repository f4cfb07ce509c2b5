//! A machine that says back what it hears: the connection layer of the broker, with nothing behind it and
//! its bounds as wide as they go, for suites that try what RFC 6455 allows.

use std::collections::BTreeMap;
use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event, Lapse};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Cause, Closing, Deadline, Ending, Input, Machine, Order, Output, Outputs};
use peermesh_core::time::{Mono, Now};
use peermesh_core::wire::http::Response;

/// Every bound that a test of the protocol could meet, and a value that no test does.
const WIDE: [(&str, u64); 11] = [
    ("message_bytes_max", 64 << 20),
    ("outbox_bytes_max", 1 << 30),
    ("outbox_frames_max", 1 << 20),
    ("fragments_max", 1 << 20),
    ("fragments_ms", 600_000),
    ("control_per_second_max", 10_000),
    ("control_burst", 10_000),
    ("stall_ms", 600_000),
    ("close_ms", 10_000),
    ("ping_ms", 600_000),
    ("pong_ms", 1_800_000),
];

/// See the module's own words.
#[derive(Debug)]
pub struct Echo {
    limits: Arc<Limits>,
    conns: BTreeMap<ConnId, Listener>,
}

/// One connection, and whether it may still be read.
#[derive(Debug)]
struct Listener {
    connection: Connection,
    granted: bool,
    ended: bool,
}

impl Default for Echo {
    fn default() -> Echo {
        let mut limits = Limits::default();
        for (name, value) in WIDE {
            limits.set(name, value).unwrap_or_else(|error| panic!("{error}"));
        }
        Echo::within(limits)
    }
}

impl Echo {
    /// One that keeps to these limits.
    pub fn within(limits: Limits) -> Echo {
        Echo { limits: Arc::new(limits), conns: BTreeMap::new() }
    }

    fn with(&mut self, id: ConnId, todo: &mut Outputs, act: impl FnOnce(&mut Listener, &mut Outputs)) {
        let Some(listener) = self.conns.get_mut(&id) else { return };
        act(listener, todo);
        if listener.connection.is_over() {
            self.conns.remove(&id);
        } else if !listener.granted && !listener.ended && !listener.connection.is_full() {
            listener.granted = true;
            todo.push(Output::Read { conn: id });
        }
    }

    fn wake(&mut self, now: Mono, todo: &mut Outputs) {
        let due = |(id, listener): (&ConnId, &Listener)| {
            listener.connection.deadline().filter(|at| *at <= now).map(|_| *id)
        };
        for id in self.conns.iter().filter_map(due).collect::<Vec<_>>() {
            self.with(id, todo, |listener, todo| match listener.connection.wake(now, id, todo) {
                None => {}
                Some(Lapse::Fault(fault)) => listener.connection.close(now, fault, id, todo),
                Some(Lapse::Dead) => listener.connection.abort(id, todo),
            });
        }
    }
}

impl Machine for Echo {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        let now = now.mono;
        match input {
            Input::Opened { conn, .. } => {
                let connection = Connection::server(&self.limits);
                self.conns.insert(conn, Listener { connection, granted: false, ended: false });
                self.with(conn, todo, |_, _| ());
            }
            Input::Received { conn, bytes } => self.with(conn, todo, |listener, todo| {
                listener.granted = false;
                listener.hear(now, Chunk::new(bytes), conn, todo);
            }),
            Input::Sent { conn, bytes } => self.with(conn, todo, |listener, todo| {
                listener.connection.sent(now, bytes, conn, todo);
                if listener.connection.has_kept() {
                    listener.hear(now, Chunk::empty(), conn, todo);
                }
            }),
            Input::Closed { conn, how: Ending::Finished } => self.with(conn, todo, |listener, todo| {
                listener.ended = true;
                listener.connection.ended(now, conn, todo);
            }),
            Input::Closed { conn, how: Ending::Broken } => drop(self.conns.remove(&conn)),
            Input::Order(Order::Drain) => {
                for &conn in self.conns.keys() {
                    todo.push(Output::Close { conn, how: Closing::Both });
                }
                self.conns.clear();
                todo.push(Output::Finished);
            }
            Input::Wake => self.wake(now, todo),
            Input::Stored { .. }
            | Input::Relayed { .. }
            | Input::Adopted { .. }
            | Input::Scraped { .. }
            | Input::Weighed { .. }
            | Input::Forwarded { .. }
            | Input::Dialled { .. }
            | Input::Order(Order::Feed) => {}
        }
        let deadline = self.conns.values().filter_map(|listener| listener.connection.deadline()).min();
        deadline.map(|at| Deadline { at, cause: Cause::Silence })
    }
}

impl Listener {
    /// Answers all that is there, as long as the answers find room.
    fn hear(&mut self, now: Mono, mut chunk: Chunk<'_>, id: ConnId, todo: &mut Outputs) {
        let connection = &mut self.connection;
        loop {
            if connection.is_full() {
                return connection.keep(chunk);
            }
            match connection.next(now, &mut chunk, id, todo) {
                None => return,
                Some(Event::Request(request)) => match &request.upgrade {
                    Some(upgrade) => {
                        connection.accept(now, &upgrade.accept, id, todo);
                        connection.start_keepalive(now);
                        connection.tell_binary();
                    }
                    None => connection.respond(now, &not_found(), id, todo),
                },
                Some(Event::Refused(response)) => connection.respond(now, &response, id, todo),
                Some(Event::Message(text)) => connection.send(now, text.as_bytes(), id, todo),
                Some(Event::Binary(bytes)) => connection.send_binary(now, &bytes, id, todo),
                Some(Event::Broken(fault)) => connection.close(now, fault, id, todo),
                Some(
                    Event::Pong(_)
                    | Event::Goodbye { .. }
                    | Event::Announced(_)
                    | Event::Upgraded
                    | Event::Declined { .. },
                ) => {}
            }
        }
    }
}

fn not_found() -> Response {
    Response { status: 404, headers: Vec::new(), body: b"not found".to_vec() }
}
