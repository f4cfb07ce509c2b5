//! What a broker writes on a stream, taken apart where it is written.
//!
//! Read once, before the network does anything to it: the oracle sees what left the broker and when, and the
//! client is given the same messages once their bytes have arrived.

use serde::Deserialize;
use serde_json::Value;

use super::heard::Heard;

/// A message of the broker: of all of its fields those that somebody looks at.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Frame {
    #[serde(rename = "type")]
    pub kind: Kind,
    pub id: String,
    pub message_id: String,
    /// Whether a send is; in other messages how many are.
    pub queued: Value,
    pub error: Option<String>,
    pub duplicate: Option<bool>,
    #[serde(rename = "client_message_id")]
    pub client_message_id: Option<String>,
    #[serde(rename = "broker_message_id")]
    pub broker_message_id: Option<String>,
    #[serde(rename = "retry_after_ms")]
    pub retry_after_ms: Option<u64>,
    pub recipients: Option<Value>,
    #[serde(rename = "_reqId")]
    pub request: Option<String>,
    pub mesh_id: String,
    pub sender_pubkey: String,
    pub priority: String,
    pub ciphertext: String,
    pub subtype: String,
    pub event: String,
    pub event_data: Value,
    pub code: String,
    pub server_time: Option<i64>,
    pub presence_id: String,
    pub peers: Vec<PeerRow>,
    pub event_id: String,
}

/// One row of a list of peers.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct PeerRow {
    pub pubkey: String,
    pub status: String,
}

/// The types of messages that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Kind {
    HelloAck,
    Ack,
    Push,
    Error,
    PeersList,
    MessageStatusResult,
    #[serde(rename = "event-ack")]
    EventAck,
    #[default]
    #[serde(other)]
    Other,
}

/// Something that stands on a stream.
#[derive(Clone, Debug)]
pub(super) enum Sight {
    /// The answer to the upgrade, or to a request; its body comes with the end of the stream.
    Head(u16),
    Message(Box<Frame>),
    /// A message about live topics.
    Live(Box<Heard>),
    Ping(Vec<u8>),
    Close(u16, String),
}

impl Sight {
    /// As much of it as a person wants to see.
    pub(super) fn shown(&self) -> String {
        match self {
            Sight::Head(status) => format!("HTTP {status}"),
            Sight::Ping(_) => "ping".to_owned(),
            Sight::Live(heard) => heard.shown(),
            Sight::Close(code, reason) => format!("close {code} {reason}"),
            Sight::Message(frame) => {
                let Frame { kind, id, message_id, priority, event, error, code, .. } = &**frame;
                let words = [id.as_str(), message_id, priority, event, error.as_deref().unwrap_or(""), code];
                let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
                format!("{kind:?} {}", words.join(" "))
            }
        }
    }
}

/// Takes one stream apart.
#[derive(Debug, Default)]
pub(super) struct Tap {
    part: Vec<u8>,
    is_open: bool,
    is_plain: bool,
    /// A stream of events, not of frames.
    is_events: bool,
    /// Messages are about live topics.
    is_live: bool,
    /// Bytes that were taken apart.
    done: u64,
}

/// Bytes that no broker may write.
#[derive(Debug)]
pub(super) struct Nonsense(pub String);

impl Tap {
    /// For a stream of the live port.
    pub(super) fn of_live() -> Tap {
        Tap { is_live: true, ..Tap::default() }
    }

    /// Takes in what was written; gives each thing with where it ends on the stream.
    pub(super) fn feed(&mut self, bytes: &[u8], into: &mut Vec<(u64, Sight)>) -> Result<(), Nonsense> {
        if self.part.is_empty() {
            let used = self.read(bytes, into)?;
            self.part.extend_from_slice(&bytes[used..]);
            return Ok(());
        }
        let mut whole = std::mem::take(&mut self.part);
        whole.extend_from_slice(bytes);
        let used = self.read(&whole, into)?;
        whole.drain(..used);
        self.part = whole;
        Ok(())
    }

    /// The body of a plain answer.
    pub(super) fn body(&self) -> &[u8] {
        if self.is_plain { &self.part } else { &[] }
    }

    fn read(&mut self, bytes: &[u8], into: &mut Vec<(u64, Sight)>) -> Result<usize, Nonsense> {
        let mut used = 0;
        if !self.is_open && !self.is_plain && !self.is_events {
            let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(0) };
            let head = std::str::from_utf8(&bytes[..end]).unwrap_or_default();
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            let Some(status) = status else { return Err(Nonsense(format!("a head that is none: {head}"))) };
            if status == 100 {
                self.done += (end + 4) as u64;
                return Ok(end + 4 + self.read(&bytes[end + 4..], into)?);
            }
            self.is_events = status == 200 && head.contains("text/event-stream");
            (self.is_open, self.is_plain) = (status == 101, status != 101 && !self.is_events);
            used = end + 4;
            self.done += used as u64;
            into.push((self.done, Sight::Head(status)));
        }
        while self.is_events {
            let Some(end) = bytes[used..].windows(2).position(|two| two == b"\n\n") else { break };
            let sight = event(&bytes[used..used + end])?;
            used += end + 2;
            self.done += (end + 2) as u64;
            into.push((self.done, sight));
        }
        while self.is_open {
            let Some((op, payload, length)) = frame(&bytes[used..])? else { break };
            used += length;
            self.done += length as u64;
            if let Some(sight) = sight(op, payload, self.is_live)? {
                into.push((self.done, sight));
            }
        }
        Ok(used)
    }
}

/// A whole frame: its opcode, its payload and its length.
type Framed<'a> = (u8, &'a [u8], usize);

/// The first frame, if it is whole.
fn frame(bytes: &[u8]) -> Result<Option<Framed<'_>>, Nonsense> {
    let [head, second, rest @ ..] = bytes else { return Ok(None) };
    if head & 0xf0 != 0x80 || second & 0x80 != 0 {
        return Err(Nonsense(format!("a frame with the header {head:#x} {second:#x}")));
    }
    let (length, start) = match second {
        126 => match rest {
            [a, b, ..] => (u64::from(u16::from_be_bytes([*a, *b])), 4),
            _ => return Ok(None),
        },
        127 => match rest.first_chunk::<8>() {
            Some(bytes) => (u64::from_be_bytes(*bytes), 10),
            None => return Ok(None),
        },
        short => (u64::from(*short), 2),
    };
    let end = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(start);
    Ok(bytes.get(start..end).map(|payload| (head & 0x0f, payload, end)))
}

fn sight(op: u8, payload: &[u8], is_live: bool) -> Result<Option<Sight>, Nonsense> {
    match op {
        1 => {
            let read = match is_live {
                true => serde_json::from_slice(payload).map(Sight::Live),
                false => serde_json::from_slice(payload).map(Sight::Message),
            };
            let nonsense = |error| Nonsense(format!("{error} in {}", String::from_utf8_lossy(payload)));
            read.map(Some).map_err(nonsense)
        }
        8 => {
            let (code, reason) = payload.split_at(payload.len().min(2));
            let code = code.try_into().map_or(1005, u16::from_be_bytes);
            Ok(Some(Sight::Close(code, String::from_utf8_lossy(reason).into_owned())))
        }
        9 => Ok(Some(Sight::Ping(payload.to_vec()))),
        10 => Ok(None),
        _ => Err(Nonsense(format!("a frame with opcode {op}"))),
    }
}

/// One event of a stream of events; a remark is a sign of life, as a ping is.
fn event(bytes: &[u8]) -> Result<Sight, Nonsense> {
    let text = std::str::from_utf8(bytes).map_err(|_| Nonsense("an event that is no text".to_owned()))?;
    if text == ":" {
        return Ok(Sight::Ping(Vec::new()));
    }
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name));
    let (Some(kind), Some(data)) = (field("event: "), field("data: ")) else {
        return Err(Nonsense(format!("an event that is none: {text}")));
    };
    if kind == "close" {
        let code = serde_json::from_str::<Value>(data).ok().and_then(|data| data["code"].as_u64());
        return Ok(Sight::Close(
            code.and_then(|code| u16::try_from(code).ok()).unwrap_or(1005),
            data.to_owned(),
        ));
    }
    let heard: Box<Heard> =
        serde_json::from_str(data).map_err(|error| Nonsense(format!("{error} in {data}")))?;
    if let Some(id) = field("id: ")
        && !id.ends_with(&format!(":{}", heard.offset))
    {
        return Err(Nonsense(format!("event {id} is at {}", heard.offset)));
    }
    Ok(Sight::Live(heard))
}

/// Appends a client's frame to `out`; the mask need not be random here.
pub(super) fn put_frame(out: &mut Vec<u8>, fin: bool, op: u8, payload: &[u8]) {
    const MASK: [u8; 4] = [0x5a, 0x01, 0xfe, 0x80];
    out.push(u8::from(fin) << 7 | op);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 126 => out.push(0x80 | short),
        (_, Ok(middle)) => {
            out.push(0x80 | 126);
            out.extend(middle.to_be_bytes());
        }
        _ => {
            out.push(0x80 | 127);
            out.extend((payload.len() as u64).to_be_bytes());
        }
    }
    out.extend(MASK);
    out.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_taken_apart_however_it_is_cut() {
        let mut stream = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n".to_vec();
        let ack = br#"{"type":"ack","id":"7","messageId":"m","queued":true,"duplicate":false}"#;
        stream.extend([0x81, u8::try_from(ack.len()).unwrap()]);
        stream.extend(ack);
        stream.extend([0x89, 1, b'x', 0x88, 4, 3, 0xe8, b'o', b'k']);
        let mut at_once = Vec::new();
        Tap::default().feed(&stream, &mut at_once).unwrap();
        let (mut tap, mut bit_by_bit) = (Tap::default(), Vec::new());
        for byte in &stream {
            tap.feed(&[*byte], &mut bit_by_bit).unwrap();
        }
        for sights in [&at_once, &bit_by_bit] {
            let ends: Vec<u64> = sights.iter().map(|(end, _)| *end).collect();
            assert_eq!(ends.last(), Some(&(stream.len() as u64)));
            let [
                (_, Sight::Head(101)),
                (_, Sight::Message(ack)),
                (_, Sight::Ping(ping)),
                (_, Sight::Close(1000, why)),
            ] = sights.as_slice()
            else {
                panic!("{sights:?}")
            };
            assert_eq!(
                (ack.kind, ack.id.as_str(), ping.as_slice(), why.as_str()),
                (Kind::Ack, "7", &b"x"[..], "ok")
            );
        }
        assert!(tap.part.is_empty());
    }

    #[test]
    fn a_stream_of_events_is_taken_apart_too() {
        let mut stream = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n".to_vec();
        stream.extend(b"id: e:7\nevent: position\ndata: {\"type\":\"position\",\"offset\":7}\n\n:\n\n");
        stream.extend(b"event: close\ndata: {\"code\":1001,\"reason\":\"x\"}\n\n");
        let mut sights = Vec::new();
        Tap::of_live().feed(&stream, &mut sights).unwrap();
        let [
            (_, Sight::Head(200)),
            (_, Sight::Live(heard)),
            (_, Sight::Ping(_)),
            (end, Sight::Close(1001, _)),
        ] = sights.as_slice()
        else {
            panic!("{sights:?}")
        };
        assert_eq!((heard.offset, *end), (7, stream.len() as u64));
    }

    #[test]
    fn what_no_broker_may_write_is_told() {
        let open = b"HTTP/1.1 101 x\r\n\r\n";
        for bad in [&[0x81, 0x80][..], &[0x01, 0], &[0x83, 0], &[0x81, 1, b'{']] {
            let mut tap = Tap::default();
            tap.feed(open, &mut Vec::new()).unwrap();
            assert!(tap.feed(bad, &mut Vec::new()).is_err(), "{bad:?}");
        }
    }
}
