//! The server's side of one connection of a limit: the broker's own frame layer, and no broker behind it.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use peermesh_core::config::Limits;
use peermesh_core::conn::{Chunk, Connection, Event};
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Output, Outputs};
use peermesh_core::time::Mono;

/// Takes one text, and may say something.
pub(super) type Take<'a> = dyn FnMut(&mut Served, &[u8]) -> io::Result<()> + 'a;

const ID: ConnId = ConnId(1);

/// A connection that agrees to every upgrade.
pub(super) struct Served {
    connection: Connection,
    todo: Outputs,
}

impl Served {
    pub(super) fn new() -> Served {
        Served { connection: Connection::server(&Arc::new(Limits::default())), todo: Outputs::new() }
    }

    /// Takes all that came; gives each text to `take`, and an empty one when the upgrade is agreed. What is
    /// said goes into `out`.
    pub(super) fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        take: &mut Take<'_>,
    ) -> io::Result<usize> {
        let (now, length) = (Mono::START, bytes.len());
        let mut chunk = Chunk::new(bytes);
        while let Some(event) = self.connection.next(now, &mut chunk, ID, &mut self.todo) {
            match event {
                Event::Request(asked) => {
                    let upgrade = asked.upgrade.as_ref().ok_or(io::ErrorKind::InvalidData)?;
                    self.connection.accept(now, &upgrade.accept, ID, &mut self.todo);
                    self.connection.start_keepalive(now);
                    take(self, b"")?;
                }
                Event::Message(text) => take(self, text.as_bytes())?,
                event => return Err(io::Error::other(format!("{event:?}"))),
            }
        }
        self.write(out);
        Ok(length)
    }

    /// Says a text. [`Served::write`] brings it out.
    pub(super) fn say(&mut self, text: &[u8]) {
        self.connection.send(Mono::START, text, ID, &mut self.todo);
    }

    /// The same with a frame that others get too.
    pub(super) fn say_shared(&mut self, frame: &Bytes) {
        self.connection.send_shared(Mono::START, frame, ID, &mut self.todo);
    }

    /// Moves what was said to where it is written from.
    pub(super) fn write(&mut self, out: &mut Vec<u8>) {
        while !self.todo.is_empty() {
            let mut wishes = self.todo.take();
            let before = out.len();
            for wish in &wishes {
                if let Output::Send { bytes, .. } = wish {
                    out.extend_from_slice(self.todo.bytes(bytes));
                }
            }
            wishes.clear();
            self.todo.clear(wishes);
            self.connection.sent(Mono::START, out.len() - before, ID, &mut self.todo);
        }
    }
}
