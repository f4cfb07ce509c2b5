//! Runners, the callers that send them commands, and the target that their events go to.

use std::io::{self, Write as _};

use super::ws::{Socket, put_text};
use super::{Heard, Place, Speaker, Stamp, find_stamp, put_stamp, unexpected};

/// What opens the runners' port of a broker of our own.
pub const SECRET: &str = "the-secret-of-the-bench";

/// A runner: hears commands, says events.
#[derive(Debug)]
pub struct Runner {
    socket: Socket,
}

impl Runner {
    /// The runner of that number.
    pub fn new(number: usize, secret: &str) -> Runner {
        Runner { socket: Socket::new(format!("/socket?runnerId=r{number}"), Some(secret)) }
    }
}

impl Speaker for Runner {
    fn greet(&mut self, out: &mut Vec<u8>) {
        self.socket.greet(out);
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        self.socket.hear(bytes, out, &mut |text, _| {
            if text.is_empty() {
                tell(Heard::Ready);
            } else if memchr::memmem::find(text, b"\"event-ack\"").is_some() {
                tell(Heard::Accepted);
            } else if let Some(stamp) = find_stamp(text) {
                tell(Heard::Arrived(stamp));
            }
            Ok(())
        })
    }

    /// Says one event.
    fn say(&mut self, stamp: Stamp, _: Place, out: &mut Vec<u8>) {
        let mut id = Vec::new();
        put_stamp(&mut id, stamp);
        put_text(
            out,
            &[
                b"{\"type\":\"build-stream\",\"id\":\"",
                &id,
                b"\",\"commandId\":\"5a7f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11\",",
                b"\"projectId\":\"8d1f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11\",",
                b"\"timestamp\":\"2026-01-02T03:04:05.678Z\",\"data\":\"{\\\"type\\\":\\\"text-delta\\\",",
                b"\\\"id\\\":\\\"t1\\\",\\\"delta\\\":\\\"a shop that sells bicycles, with a page",
                b" for each\\\"}\"}",
            ],
        );
    }
}

/// A caller: one request at a time on a connection that stays.
#[derive(Debug)]
pub struct Caller {
    secret: String,
}

impl Caller {
    /// One that shows that secret.
    pub fn new(secret: &str) -> Caller {
        Caller { secret: secret.to_owned() }
    }
}

impl Speaker for Caller {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn is_ready_at_once(&self) -> bool {
        true
    }

    fn hear(&mut self, bytes: &mut [u8], _: &mut Vec<u8>, tell: &mut dyn FnMut(Heard)) -> io::Result<usize> {
        let mut at = 0;
        while let Some(message) = Message::read(&bytes[at..]) {
            let is_good = bytes[at..].starts_with(b"HTTP/1.1 2");
            tell(if is_good { Heard::Accepted } else { Heard::Refused });
            at += message.end;
        }
        Ok(at)
    }

    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>) {
        let mut id = Vec::new();
        put_stamp(&mut id, stamp);
        let head = format!("{{\"runnerId\":\"r{to}\",\"command\":{{\"type\":\"start-dev-server\",\"id\":\"");
        let rest = "\",\"projectId\":\"8d1f6a52-6a0c-4d0e-9d59-0f8f5a4f7e11\",\
            \"timestamp\":\"2026-01-02T03:04:05.678Z\",\"payload\":{\"runCommand\":\"pnpm dev\",\
            \"workingDirectory\":\"/home/user/projects/shop\",\"preferredPort\":3101,\
            \"framework\":\"next\"}}}";
        let length = head.len() + id.len() + rest.len();
        // Writing to a Vec cannot fail.
        let _ = write!(
            out,
            "POST /commands HTTP/1.1\r\nHost: bench\r\nContent-Type: application/json\r\n\
             Authorization: Bearer {secret}\r\nContent-Length: {length}\r\n\r\n{head}",
            secret = self.secret
        );
        out.extend_from_slice(&id);
        out.extend_from_slice(rest.as_bytes());
    }
}

/// The target of events: takes everything at once.
#[derive(Debug, Default)]
pub struct Target;

impl Speaker for Target {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let mut at = 0;
        while let Some(message) = Message::read(&bytes[at..]) {
            if !bytes[at..].starts_with(b"POST ") {
                return Err(unexpected("the broker", &bytes[at..]));
            }
            let body = &bytes[at + message.body..at + message.end];
            find_stamp(body).into_iter().for_each(|stamp| tell(Heard::Arrived(stamp)));
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"ok\":true}");
            at += message.end;
        }
        Ok(at)
    }

    fn say(&mut self, _: Stamp, _: Place, _: &mut Vec<u8>) {}
}

/// Where the body of a request or an answer lies.
pub(super) struct Message {
    pub(super) body: usize,
    pub(super) end: usize,
}

impl Message {
    /// The one at the beginning, if all of it has come.
    pub(super) fn read(bytes: &[u8]) -> Option<Message> {
        let body = memchr::memmem::find(bytes, b"\r\n\r\n")? + 4;
        let length = bytes[..body].split(|byte| *byte == b'\n').find_map(|line| {
            let (name, value) = line.split_at_checked(15)?;
            name.eq_ignore_ascii_case(b"content-length:")
                .then(|| std::str::from_utf8(value).ok()?.trim().parse().ok())?
        });
        let end = body + length.unwrap_or(0);
        (bytes.len() >= end).then_some(Message { body, end })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_answered_when_they_are_whole() {
        let (mut target, mut bytes) = (Target, b"POST / HTTP/1.1\r\ncontent-length: 27\r\n\r\n{".to_vec());
        let stamp = Stamp { flow: 1, number: 9 };
        put_stamp(&mut bytes, stamp);
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        assert_eq!(target.hear(&mut bytes, &mut out, &mut |_| ()).unwrap(), 0);
        bytes.push(b'}');
        let taken = target.hear(&mut bytes, &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!((taken, heard), (bytes.len(), vec![Heard::Arrived(stamp)]));
        assert!(out.starts_with(b"HTTP/1.1 200"));
    }
}
