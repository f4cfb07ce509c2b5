//! Frames alone: what it costs to read one text from bytes, to judge it, and to write one.

use std::hint::black_box;
use std::sync::Arc;

use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event, frame_text};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Output, Outputs};
use peermesh_core::rng::Rng;
use peermesh_core::time::Mono;
use peermesh_core::wire::json;

use crate::meter::{Meter, Step};
use crate::peer::Letters;

/// The one connection of this bench.
const ID: ConnId = ConnId(1);
/// Frames before the counting begins.
const WARM_UP: u64 = 32;

/// What the frames of a run came to.
#[derive(Debug)]
pub struct Frames {
    /// Frames read, and as many written and shared.
    pub frames: u64,
    /// Bytes of one text.
    pub text_bytes: u64,
    /// What every step allocated for them.
    pub meter: Meter,
}

/// Reads, judges and writes that many frames, each of a `send`.
///
/// # Panics
/// When a frame does not come through as it is.
pub fn frames(mut meter: Meter, frames: u64) -> Frames {
    let mut ends = Ends::new();
    let mut letters = Letters::new(1, &"ab".repeat(32));
    let mut text = String::new();
    for frame in 0..WARM_UP + frames {
        if frame == WARM_UP {
            meter.reset();
        }
        letters.next(&mut text);
        ends.carry(&mut meter, &text);
    }
    Frames { frames, text_bytes: text.len() as u64, meter }
}

/// Both ends of one connection.
struct Ends {
    limits: Arc<Limits>,
    client: Connection,
    server: Connection,
    todo: Outputs,
}

impl Ends {
    /// An upgraded connection.
    fn new() -> Ends {
        let (limits, mut todo) = (Arc::new(Limits::default()), Outputs::new());
        let rng = Rng::from_seed([1; 32]);
        let client = Connection::client(&limits, rng, ID, "bench", "/ws", Mono::START, &mut todo);
        let server = Connection::server(&limits);
        let mut ends = Ends { limits, client, server, todo };
        let mut request = take(&mut ends.client, &mut ends.todo);
        let mut chunk = Chunk::new(&mut request);
        let asked = ends.server.next(Mono::START, &mut chunk, ID, &mut ends.todo);
        let Some(Event::Request(asked)) = asked else { panic!("{asked:?} is no request") };
        let upgrade = asked.upgrade.as_ref().expect("a client asks for an upgrade");
        ends.server.accept(Mono::START, &upgrade.accept, ID, &mut ends.todo);
        let mut agreement = take(&mut ends.server, &mut ends.todo);
        let mut chunk = Chunk::new(&mut agreement);
        let agreed = ends.client.next(Mono::START, &mut chunk, ID, &mut ends.todo);
        assert!(matches!(agreed, Some(Event::Upgraded)), "{agreed:?}");
        ends.server.start_keepalive(Mono::START);
        ends
    }

    /// One text to the server, and the same text back, twice.
    fn carry(&mut self, meter: &mut Meter, text: &str) {
        let Ends { limits, client, server, todo } = self;
        client.send(Mono::START, text.as_bytes(), ID, todo);
        let mut bytes = take(client, todo);
        let mut chunk = Chunk::new(&mut bytes);
        let event = meter.run(Step::Read, || server.next(Mono::START, &mut chunk, ID, todo));
        let Some(Event::Message(read)) = event else { panic!("{event:?} is no message") };
        assert_eq!(&*read, text);
        let sound = meter.run(Step::Check, || json::check(black_box(&read), limits));
        assert_eq!(sound, Ok(()));
        meter.run(Step::Write, || server.send(Mono::START, text.as_bytes(), ID, todo));
        take(server, todo);
        let frame = frame_text(text.as_bytes());
        meter.run(Step::Share, || server.send_shared(Mono::START, &frame, ID, todo));
        take(server, todo);
    }
}

/// What a connection wants to send, with its credit returned.
fn take(connection: &mut Connection, todo: &mut Outputs) -> Vec<u8> {
    let mut wishes = todo.take();
    let mut bytes = Vec::new();
    for wish in &wishes {
        if let Output::Send { bytes: payload, .. } = wish {
            bytes.extend_from_slice(todo.bytes(payload));
        }
    }
    wishes.clear();
    todo.clear(wishes);
    connection.sent(Mono::START, bytes.len(), ID, todo);
    bytes
}
