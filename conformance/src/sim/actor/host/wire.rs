//! What a daemon writes, taken apart: frames for brokers, answers and events for programs of its host.

use serde_json::Value;

/// A daemon's side of a stream to a broker.
#[derive(Debug, Default)]
pub(super) struct UpTap {
    part: Vec<u8>,
    is_open: bool,
}

impl UpTap {
    /// Takes in what was written; gives the messages that are whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Value> {
        self.part.extend_from_slice(bytes);
        let mut messages = Vec::new();
        if !self.is_open {
            let Some(end) = find(&self.part, b"\r\n\r\n") else { return messages };
            self.part.drain(..end + 4);
            self.is_open = true;
        }
        while let Some((op, payload, length)) = frame(&self.part) {
            if op == 1 {
                messages.extend(serde_json::from_slice(&payload));
            }
            self.part.drain(..length);
        }
        messages
    }
}

/// The first frame of a client, if it is whole: its opcode, its payload and its length.
fn frame(bytes: &[u8]) -> Option<(u8, Vec<u8>, usize)> {
    let [first, second, rest @ ..] = bytes else { return None };
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(short), rest),
    };
    let (mask, rest) = rest.split_first_chunk::<4>()?;
    let masked = rest.get(..usize::try_from(length).ok()?)?;
    let payload = masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
    Some((first & 0x0f, payload, bytes.len() - rest.len() + masked.len()))
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|part| part == what)
}

/// Something that a program hears from its daemon.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Heard {
    /// An answer, whole.
    Answer(u16, Value),
    /// An event: its id, its kind and its content.
    Event(String, String, Value),
}

/// A program's side of a stream to its daemon.
#[derive(Debug, Default)]
pub(super) struct HttpTap {
    part: Vec<u8>,
    head: Option<Head>,
}

#[derive(Clone, Copy, Debug)]
struct Head {
    status: u16,
    /// Of its body; none for a stream of events.
    length: Option<usize>,
}

impl HttpTap {
    /// Takes in what was written; gives what is whole.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Heard> {
        self.part.extend_from_slice(bytes);
        let mut heard = Vec::new();
        while let Some(next) = self.next() {
            heard.extend(next);
        }
        heard
    }

    fn next(&mut self) -> Option<Option<Heard>> {
        let Some(head) = self.head else {
            let end = find(&self.part, b"\r\n\r\n")?;
            let text = String::from_utf8_lossy(&self.part[..end]).into_owned();
            self.part.drain(..end + 4);
            let status = text.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
            let of = |line: &str| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            };
            // A word that the body may come is no answer.
            self.head = (status != 100).then(|| Head { status, length: text.lines().find_map(of) });
            return Some(None);
        };
        match head.length {
            Some(length) => {
                let body: Vec<u8> = self.part.get(..length)?.to_vec();
                self.part.drain(..length);
                self.head = None;
                Some(Some(Heard::Answer(head.status, serde_json::from_slice(&body).unwrap_or_default())))
            }
            None => {
                let end = find(&self.part, b"\n\n")?;
                let block = String::from_utf8_lossy(&self.part[..end]).into_owned();
                self.part.drain(..end + 2);
                let field = |name: &str| {
                    let mut lines = block.lines();
                    lines.find_map(|line| line.strip_prefix(name)).unwrap_or_default().to_owned()
                };
                let data = serde_json::from_str(&field("data: ")).unwrap_or_default();
                let is_event = block.starts_with("id: ");
                Some(is_event.then(|| Heard::Event(field("id: "), field("event: "), data)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::tap::put_frame;

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let mut bytes = b"GET /ws HTTP/1.1\r\n\r\n".to_vec();
        put_frame(&mut bytes, true, 1, br#"{"type":"hello"}"#);
        put_frame(&mut bytes, true, 9, b"ping");
        put_frame(&mut bytes, true, 1, format!(r#"{{"type":"{}"}}"#, "x".repeat(200)).as_bytes());
        let mut whole = UpTap::default();
        let all = whole.feed(&bytes);
        let mut tap = UpTap::default();
        let parts: Vec<Value> = bytes.chunks(3).flat_map(|part| tap.feed(part)).collect();
        assert_eq!((all.len(), &parts), (2, &all));
        assert_eq!(all[0]["type"], "hello");
    }

    #[test]
    fn answers_and_events_are_read_however_they_are_cut() {
        let answer =
            b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\nContent-Length: 9\r\n\r\n{\"ok\":12}";
        let stream =
            b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n: connected\n\nid: x-1\nevent: message\ndata: {\"a\":1}\n\n";
        for size in [1, 7, 500] {
            let mut tap = HttpTap::default();
            let heard: Vec<Heard> = answer.chunks(size).flat_map(|part| tap.feed(part)).collect();
            assert_eq!(heard, [Heard::Answer(202, serde_json::json!({ "ok": 12 }))]);
            let mut tap = HttpTap::default();
            let heard: Vec<Heard> = stream.chunks(size).flat_map(|part| tap.feed(part)).collect();
            let data = serde_json::json!({ "a": 1 });
            assert_eq!(heard, [Heard::Event("x-1".to_owned(), "message".to_owned(), data)]);
        }
    }
}
