//! A watcher of live topics, which may publish too.

use std::io;

use memchr::memmem;

use super::ws::{Socket, put_text};
use super::{Heard, Place, Speaker, Stamp, find_stamp, put_payload};

/// What opens the port of a broker of our own: the operator's token.
pub const SECRET: &str = "the-live-secret-of-the-bench";

/// A connection to the port of live topics.
#[derive(Debug)]
pub struct Watcher {
    socket: Socket,
    topic: String,
    watches: bool,
}

impl Watcher {
    /// One that watches the topic.
    pub fn of(topic: &str, secret: &str) -> Watcher {
        Watcher { socket: Socket::new("/".to_owned(), Some(secret)), topic: topic.to_owned(), watches: true }
    }

    /// One that only publishes to it.
    pub fn publisher(topic: &str, secret: &str) -> Watcher {
        Watcher { watches: false, ..Watcher::of(topic, secret) }
    }
}

impl Speaker for Watcher {
    fn greet(&mut self, out: &mut Vec<u8>) {
        self.socket.greet(out);
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let (topic, watches) = (&self.topic, self.watches);
        self.socket.hear(bytes, out, &mut |text, out| {
            if text.is_empty() {
                if watches {
                    let parts: [&[u8]; 3] =
                        [b"{\"type\":\"subscribe\",\"topic\":\"", topic.as_bytes(), b"\"}"];
                    put_text(out, &parts);
                } else {
                    tell(Heard::Ready);
                }
                return Ok(());
            }
            if let Some(stamp) = find_stamp(text) {
                tell(Heard::Arrived(stamp));
            } else if memmem::find(text, b"\"type\":\"subscribed\"").is_some() {
                tell(Heard::Ready);
            } else if memmem::find(text, b"\"type\":\"error\"").is_some() {
                tell(Heard::Refused);
            }
            Ok(())
        })
    }

    /// Publishes to the topic, wherever its watchers are.
    fn say(&mut self, stamp: Stamp, _: Place, out: &mut Vec<u8>) {
        let mut data = Vec::new();
        put_payload(&mut data, stamp);
        put_text(
            out,
            &[b"{\"type\":\"publish\",\"topic\":\"", self.topic.as_bytes(), b"\",\"data\":\"", &data, b"\"}"],
        );
    }
}
