//! A client of a Redis stream: appends, and counts an append as arrived when it is answered.

use std::collections::VecDeque;
use std::io::{self, Write as _};

use super::{Heard, PAYLOAD_BYTES, Place, Speaker, Stamp, put_payload, unexpected};

/// One connection.
#[derive(Debug, Default)]
pub struct Client {
    /// Appends without an answer. Answers come in order.
    asked: VecDeque<Stamp>,
}

impl Speaker for Client {
    fn greet(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"*1\r\n$4\r\nPING\r\n");
    }

    fn hear(&mut self, bytes: &mut [u8], _: &mut Vec<u8>, tell: &mut dyn FnMut(Heard)) -> io::Result<usize> {
        let mut at = 0;
        while let Some(end) = memchr::memchr(b'\n', &bytes[at..]) {
            let line = &bytes[at..at + end + 1];
            match line[0] {
                b'+' => tell(Heard::Ready),
                b'$' => {
                    let Some(id) = memchr::memchr(b'\n', &bytes[at + end + 1..]) else { return Ok(at) };
                    self.asked.pop_front().into_iter().for_each(|stamp| tell(Heard::Arrived(stamp)));
                    at += id + 1;
                }
                _ => return Err(unexpected("Redis", line)),
            }
            at += end + 1;
        }
        Ok(at)
    }

    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>) {
        self.asked.push_back(stamp);
        let key = format!("s{to}");
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "*5\r\n$4\r\nXADD\r\n${}\r\n{key}\r\n$1\r\n*\r\n$1\r\nm\r\n${PAYLOAD_BYTES}\r\n",
            key.len()
        );
        put_payload(out, stamp);
        out.extend_from_slice(b"\r\n");
    }
}
