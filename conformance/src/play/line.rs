//! A peer's end of a byte stream: upgrade, frames in both directions. Written apart from the broker's own
//! codec, so that the two check each other.

use std::collections::VecDeque;

use serde_json::Value;

use crate::driver::{LineId, Stage};
use crate::play::web::Response;
use crate::story::act::FrameSpec;
use crate::story::{Said, Told};

/// What follows the target in the request that asks for an upgrade; the key is the example of RFC 6455.
const UPGRADE: &str = " HTTP/1.1\r\nHost: broker.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
/// What proves that the broker read the key.
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
/// Masks need not be random here.
const MASK: [u8; 4] = [0x5a, 0x01, 0xfe, 0x80];

/// A stream and what was found in it.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) id: LineId,
    /// The upgrade is done.
    pub(crate) open: bool,
    /// What comes is a stream of events, not of frames.
    pub(crate) events_only: bool,
    /// A hello was sent.
    pub(crate) greeted: bool,
    /// Pings are answered.
    pub(crate) answers: bool,
    /// Bytes that are not taken apart yet.
    pub(crate) raw: Vec<u8>,
    /// Messages other than system events.
    pub(crate) frames: VecDeque<Value>,
    /// System events.
    pub(crate) events: VecDeque<Value>,
    /// The type of the first message after the hello.
    pub(crate) first: Option<String>,
    pub(crate) pings: u32,
    pub(crate) pongs: VecDeque<Vec<u8>>,
    pub(crate) close: Option<(u16, String)>,
    /// The story looked at the close frame.
    pub(crate) close_seen: bool,
    /// We sent a close frame.
    pub(crate) closing: bool,
    /// Nothing more will come.
    pub(crate) ended: bool,
    /// The broker it led to has ended, whether its own end was seen or not.
    pub(crate) past: bool,
    /// What the broker did that no broker may do.
    pub(crate) broken: Option<Said>,
}

impl Line {
    pub(crate) fn new(id: LineId) -> Line {
        Line {
            id,
            open: false,
            events_only: false,
            greeted: false,
            answers: true,
            raw: Vec::new(),
            frames: VecDeque::new(),
            events: VecDeque::new(),
            first: None,
            pings: 0,
            pongs: VecDeque::new(),
            close: None,
            close_seen: false,
            closing: false,
            ended: false,
            past: false,
            broken: None,
        }
    }

    /// True when nothing can be done with it any more.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.past || self.close.is_some()
    }

    /// Takes what arrived; answers pings and the close frame.
    pub(crate) fn pump(&mut self, stage: &mut dyn Stage) {
        self.ended = stage.read(self.id, &mut self.raw) || self.ended;
        while self.events_only && self.broken.is_none() {
            let Some(end) = self.raw.windows(2).position(|pair| pair == b"\n\n") else { return };
            let event: Vec<u8> = self.raw.drain(..end + 2).collect();
            if let Err(said) = self.take_event(&event) {
                self.broken = Some(said);
            }
        }
        while self.open && self.broken.is_none() {
            let Some((op, payload)) = self.frame() else { return };
            if let Err(said) = self.take(op, payload, stage) {
                self.broken = Some(said);
            }
        }
    }

    /// Asks for the upgrade.
    pub(crate) fn ask(&mut self, target: &str, headers: &[(String, String)], stage: &mut dyn Stage) {
        let mut request = format!("GET {target}{UPGRADE}");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        stage.write(self.id, request.as_bytes());
    }

    /// Looks at the answer to the upgrade; none while it is not complete.
    pub(crate) fn answer(&mut self) -> Option<Told<u16>> {
        let (response, len) = match Response::read(&self.raw, self.ended)? {
            Ok(read) => read,
            Err(said) => return Some(Err(said)),
        };
        self.raw.drain(..len);
        if response.status == 101 {
            if response.header("sec-websocket-accept") != Some(ACCEPT) {
                return Some(Err(format!("the accept key is wrong: {:?}", response.headers).into()));
            }
            self.open = true;
        }
        Some(Ok(response.status))
    }

    pub(crate) fn send_text(&self, text: &str, stage: &mut dyn Stage) {
        self.send(&FrameSpec::of(1), text.as_bytes(), stage);
    }

    pub(crate) fn send(&self, spec: &FrameSpec, payload: &[u8], stage: &mut dyn Stage) {
        stage.write(self.id, &encode(spec, payload));
    }

    pub(crate) fn send_close(&mut self, code: u16, reason: &str, stage: &mut dyn Stage) {
        self.closing = true;
        let payload = [&code.to_be_bytes(), reason.as_bytes()].concat();
        self.send(&FrameSpec::of(8), &payload, stage);
    }

    /// What is to be seen, for a person who expected something else.
    pub(crate) fn shown(&self) -> String {
        if let Some(Said(said)) = &self.broken {
            return said.clone();
        }
        match (self.frames.front(), &self.close, self.ended) {
            (Some(frame), _, _) => format!("saw {frame}"),
            (None, Some((code, reason)), _) => format!("saw close {code} {reason}"),
            (None, None, true) => "saw the end of the stream".to_owned(),
            (None, None, false) if !self.raw.is_empty() => {
                format!("saw bytes {:?}", String::from_utf8_lossy(&self.raw))
            }
            (None, None, false) => "saw nothing".to_owned(),
        }
    }

    /// The next complete frame.
    fn frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let (&head, &second) = (self.raw.first()?, self.raw.get(1)?);
        let (len, start) = match second & 0x7f {
            126 => (u64::from(u16::from_be_bytes(self.raw.get(2..4)?.try_into().ok()?)), 4),
            127 => (u64::from_be_bytes(self.raw.get(2..10)?.try_into().ok()?), 10),
            short => (u64::from(short), 2),
        };
        let end = start + usize::try_from(len).ok()?;
        let payload = self.raw.get(start..end)?.to_vec();
        self.raw.drain(..end);
        if second & 0x80 != 0 || head & 0xf0 != 0x80 {
            self.broken =
                Some(format!("the broker sent a frame with the header {head:#x} {second:#x}").into());
        }
        Some((head & 0x0f, payload))
    }

    fn take(&mut self, op: u8, payload: Vec<u8>, stage: &mut dyn Stage) -> Told<()> {
        if self.close.is_some() {
            return Err(format!("a frame after the close frame: op {op}").into());
        }
        match op {
            1 => self.take_message(&payload)?,
            8 => {
                let (code, reason) = payload.split_at(payload.len().min(2));
                let code = code.try_into().map_or(1005, u16::from_be_bytes);
                let reason =
                    String::from_utf8(reason.to_vec()).map_err(|_| "a close reason that is no text")?;
                self.close = Some((code, reason));
                if !self.closing {
                    self.closing = true;
                    self.send(&FrameSpec::of(8), &payload, stage);
                }
            }
            9 => {
                self.pings += 1;
                if self.answers {
                    self.send(&FrameSpec::of(10), &payload, stage);
                }
            }
            10 => self.pongs.push_back(payload),
            _ => return Err(format!("the broker sent a frame with opcode {op}").into()),
        }
        Ok(())
    }

    /// One event of a stream: its data is a message, with the event's id as `_id`; or it is the last.
    fn take_event(&mut self, event: &[u8]) -> Told<()> {
        let event = std::str::from_utf8(event).map_err(|_| "an event that is no text")?;
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        let Some(data) = field("data") else {
            return if event.starts_with(':') { Ok(()) } else { Err(format!("no event: {event:?}").into()) };
        };
        let mut message: Value = serde_json::from_str(data).map_err(|_| format!("no JSON: {data}"))?;
        match field("event") {
            Some("close") => {
                let code = message["code"].as_u64().and_then(|code| u16::try_from(code).ok());
                let reason = message["reason"].as_str().unwrap_or_default().to_owned();
                self.close = Some((code.ok_or("a close without a code")?, reason));
            }
            Some(kind) if message["type"] == kind => {
                if let Some(id) = field("id") {
                    message["_id"] = id.into();
                }
                self.frames.push_back(message);
            }
            _ => return Err(format!("an event of another type than its data: {event:?}").into()),
        }
        Ok(())
    }

    fn take_message(&mut self, payload: &[u8]) -> Told<()> {
        let shown = || String::from_utf8_lossy(payload).into_owned();
        let message: Value =
            serde_json::from_slice(payload).map_err(|_| format!("the broker sent no JSON: {}", shown()))?;
        let kind =
            message["type"].as_str().ok_or_else(|| format!("a message without a type: {}", shown()))?;
        if self.greeted && self.first.is_none() {
            self.first = Some(kind.to_owned());
        }
        if kind == "push" && message["subtype"] == "system" {
            self.events.push_back(message);
        } else {
            self.frames.push_back(message);
        }
        Ok(())
    }
}

fn encode(spec: &FrameSpec, payload: &[u8]) -> Vec<u8> {
    let len = spec.length.unwrap_or(payload.len() as u64);
    let masked = if spec.mask { 0x80 } else { 0 };
    let mut frame = vec![(u8::from(spec.fin) << 7) | (spec.rsv << 4) | spec.op];
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short), _) if short < 126 => frame.push(masked | short),
        (_, Ok(middle)) => {
            frame.push(masked | 126);
            frame.extend(middle.to_be_bytes());
        }
        _ => {
            frame.push(masked | 127);
            frame.extend(len.to_be_bytes());
        }
    }
    if spec.mask {
        frame.extend(MASK);
        frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    } else {
        frame.extend(payload);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_have_the_header_that_a_story_asks_for() {
        let spec = FrameSpec { op: 2, fin: false, rsv: 4, mask: false, length: None };
        assert_eq!(encode(&spec, b"hi"), [0x42, 2, b'h', b'i']);
        let plain = encode(&FrameSpec::of(1), b"ab");
        assert_eq!(plain[..6], [0x81, 0x82, 0x5a, 0x01, 0xfe, 0x80]);
        assert_eq!([plain[6] ^ 0x5a, plain[7] ^ 0x01], *b"ab");
        let lying = FrameSpec { length: Some(u64::MAX), mask: false, ..FrameSpec::of(1) };
        assert_eq!(encode(&lying, b"")[1..], [127, 255, 255, 255, 255, 255, 255, 255, 255]);
        let unmasked = FrameSpec { mask: false, ..FrameSpec::of(1) };
        assert_eq!(encode(&unmasked, &[0; 126])[..4], [0x81, 126, 0, 126]);
        assert_eq!(encode(&unmasked, &[0; 70_000])[..10], [0x81, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
    }

    #[test]
    fn frames_of_the_broker_are_taken_apart_however_they_arrive() {
        let mut line = Line::new(LineId(0));
        let sent = [&[0x81, 2, b'{', b'}'][..], &[0x81, 126, 0, 130], &[b'x'; 130], &[0x88, 0]].concat();
        let mut found = Vec::new();
        for byte in sent {
            line.raw.push(byte);
            found.extend(line.frame().map(|(op, payload)| (op, payload.len())));
        }
        assert_eq!(found, [(1, 2), (1, 130), (8, 0)]);
        assert!(line.broken.is_none());
    }

    #[test]
    fn a_masked_or_fragmented_frame_of_the_broker_is_a_fault() {
        for bytes in [[0x81, 0x80], [0x01, 0x00], [0xc1, 0x00]] {
            let mut line = Line::new(LineId(0));
            line.raw.extend(bytes);
            line.frame();
            assert!(line.broken.is_some(), "{bytes:?}");
        }
    }
}
