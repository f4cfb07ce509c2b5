//! As much of WebSocket as a load needs: an upgrade, text frames both ways, pings answered.
//!
//! Frames are masked with zeros: the server has to unmask them all the same, and the generator saves the
//! work.

use std::io;

use super::unexpected;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
/// The longest head of a frame that a client sends: two bytes, a length of eight, a mask.
const HEAD_BYTES: usize = 14;

/// Takes one text, and may write an answer.
pub type Take<'a> = dyn FnMut(&[u8], &mut Vec<u8>) -> io::Result<()> + 'a;

/// A client's side of one connection.
#[derive(Debug)]
pub struct Socket {
    target: String,
    bearer: Option<String>,
    is_open: bool,
}

impl Socket {
    /// A socket that asks for `target`, with a token if the port wants one.
    pub fn new(target: String, bearer: Option<&str>) -> Socket {
        Socket { target, bearer: bearer.map(str::to_owned), is_open: false }
    }

    /// Writes the request to upgrade.
    pub fn greet(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(format!("GET {} HTTP/1.1\r\nHost: bench\r\n", self.target).as_bytes());
        out.extend_from_slice(
            b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        );
        if let Some(bearer) = &self.bearer {
            out.extend_from_slice(format!("Authorization: Bearer {bearer}\r\n").as_bytes());
        }
        out.extend_from_slice(b"\r\n");
    }

    /// Takes whole frames; gives each text to `take`, and an empty one when the upgrade is agreed.
    ///
    /// # Errors
    /// When the server refuses the upgrade or closes.
    pub fn hear(&mut self, bytes: &[u8], out: &mut Vec<u8>, take: &mut Take<'_>) -> io::Result<usize> {
        let mut at = 0;
        if !self.is_open {
            let Some(end) = memchr::memmem::find(bytes, b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                return Err(unexpected("the server", bytes));
            }
            (self.is_open, at) = (true, end + 4);
            take(b"", out)?;
        }
        while let Some(frame) = Frame::read(&bytes[at..]) {
            let payload = &bytes[at + frame.head..at + frame.head + frame.length];
            match frame.kind {
                TEXT => take(payload, out)?,
                PING => put_frame(out, PONG, &[payload]),
                PONG => {}
                CLOSE => return Err(unexpected("the server closed and", payload)),
                _ => return Err(unexpected("the server", &bytes[at..])),
            }
            at += frame.head + frame.length;
        }
        Ok(at)
    }
}

/// Appends one masked text frame of several parts.
pub fn put_text(out: &mut Vec<u8>, parts: &[&[u8]]) {
    put_frame(out, TEXT, parts);
}

fn put_frame(out: &mut Vec<u8>, kind: u8, parts: &[&[u8]]) {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    out.reserve(HEAD_BYTES + length);
    out.push(0x80 | kind);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short @ ..126), _) => out.push(0x80 | short),
        (_, Ok(long)) => {
            out.push(0x80 | 126);
            out.extend(long.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((length as u64).to_be_bytes());
        }
    }
    out.extend([0; 4]);
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

/// Where a frame of a server lies: such frames have no mask.
struct Frame {
    kind: u8,
    head: usize,
    length: usize,
}

impl Frame {
    /// The frame at the beginning, if all of it has come.
    fn read(bytes: &[u8]) -> Option<Frame> {
        let [first, second, ..] = *bytes else { return None };
        let (head, length) = match second & 0x7f {
            126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
            127 => (10, usize::try_from(u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?)).ok()?),
            short => (2, usize::from(short)),
        };
        (bytes.len() >= head + length).then_some(Frame { kind: first & 0x0f, head, length })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_taken_when_they_are_whole_and_pings_are_answered() {
        let mut socket = Socket::new("/".to_owned(), None);
        let mut bytes = b"HTTP/1.1 101 Switching Protocols\r\n\r\n".to_vec();
        bytes.extend([0x89, 1, b'p', 0x81, 2, b'h', b'i', 0x81, 5, b'c']);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        let taken = socket
            .hear(&bytes, &mut out, &mut |text, _| {
                heard.push(text.to_vec());
                Ok(())
            })
            .unwrap();
        assert_eq!(taken, bytes.len() - 3, "half a frame stays");
        assert_eq!(heard, [b"".to_vec(), b"hi".to_vec()]);
        assert_eq!(out, [0x8a, 0x81, 0, 0, 0, 0, b'p']);
    }

    #[test]
    fn a_refused_upgrade_is_an_error() {
        let mut socket = Socket::new("/".to_owned(), None);
        let answer = b"HTTP/1.1 401 Unauthorized\r\n\r\n";
        assert!(socket.hear(answer, &mut Vec::new(), &mut |_, _| Ok(())).is_err());
    }
}
