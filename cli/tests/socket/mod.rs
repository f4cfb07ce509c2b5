//! A watcher's socket, as plain as it can be, and plain requests.

#![allow(dead_code, reason = "each test file uses its own part")]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::town::PATIENCE;

/// See the module's own words.
pub(crate) struct Socket(TcpStream);

impl Socket {
    /// Connects, and shows this token in its head.
    pub(crate) fn upgrade(port: u16, token: Option<&str>) -> Socket {
        Socket::over(TcpStream::connect(("127.0.0.1", port)).unwrap(), token)
    }

    /// The same over a connection that is there.
    pub(crate) fn over(mut stream: TcpStream, token: Option<&str>) -> Socket {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let token = token.map_or(String::new(), |token| format!("Authorization: Bearer {token}\r\n"));
        let request = format!(
            "GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{token}\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        Socket(stream)
    }

    /// One frame under a mask of zeros.
    pub(crate) fn says(&mut self, op: u8, payload: &[u8]) {
        let mut frame = vec![0x80 | op];
        match u8::try_from(payload.len()) {
            Ok(short) if short < 126 => frame.push(0x80 | short),
            _ => {
                frame.push(0x80 | 126);
                frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
            }
        }
        frame.extend([0; 4]);
        frame.extend_from_slice(payload);
        self.0.write_all(&frame).unwrap();
    }

    /// Opcode and payload of the next frame.
    pub(crate) fn frame(&mut self) -> (u8, Vec<u8>) {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).unwrap();
        let length = match head[1] {
            126 => {
                let mut length = [0; 2];
                self.0.read_exact(&mut length).unwrap();
                usize::from(u16::from_be_bytes(length))
            }
            short => {
                assert!(short < 126, "a frame of at most 64 KiB");
                usize::from(short)
            }
        };
        let mut payload = vec![0; length];
        self.0.read_exact(&mut payload).unwrap();
        (head[0] & 0x0f, payload)
    }

    /// The next message; pings are left unanswered.
    pub(crate) fn hears(&mut self) -> Value {
        loop {
            let (op, payload) = self.frame();
            assert_ne!(op, 8, "closed: {}", String::from_utf8_lossy(&payload));
            if op == 1 {
                return serde_json::from_slice(&payload).unwrap();
            }
        }
    }
}

/// Status and body of one request.
pub(crate) fn plain(port: u16, request: &str) -> (u16, String) {
    ask(port, request, "")
}

/// The same with more headers, each with the end of its line.
pub(crate) fn ask(port: u16, request: &str, headers: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{request} HTTP/1.1\r\nHost: h\r\n{headers}\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
