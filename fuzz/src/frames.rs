//! RFC 6455 read a second time: the whole stream at once, rule by rule, slowly and plainly.
//!
//! What the core finds while bytes trickle in, this finds by looking at all of them. It shares nothing with
//! the core but the words for what is found.

use peermesh_core::config::Limits;
use peermesh_core::fault::Fault;

use crate::end::Seen;

/// What a stream of frames says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// What its reader sees, a fault last.
    pub seen: Vec<Seen>,
    /// Payloads of the pings that are answered, in order.
    pub pings: Vec<Vec<u8>>,
    /// Why the stream is broken, if it is.
    pub flaw: Option<Flaw>,
}

/// Why a stream is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flaw {
    /// Which rule.
    pub rule: Rule,
    /// The frame that breaks it stands whole in the stream.
    pub is_whole: bool,
}

/// Rules of RFC 6455, and bounds of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Reserved bits are zero (5.2).
    Reserved,
    /// Opcodes are known (5.2).
    Opcode,
    /// Clients mask, servers do not (5.1).
    Mask,
    /// Control frames are whole and short (5.5).
    Control,
    /// A length is spelled as short as it can be (5.2).
    Minimal,
    /// Fragments follow their beginning, and nothing else begins between them (5.4).
    Order,
    /// Text, and the reason of a close, is UTF-8 (8.1).
    Utf8,
    /// A binary message is a text in other clothes, so it is UTF-8 too.
    Binary,
    /// A close frame is empty, or has an allowed code (5.5.1, 7.4).
    Close,
    /// `message_bytes_max`.
    Size,
    /// `fragments_max`.
    Fragments,
    /// `control_burst`.
    Flood,
}

impl Rule {
    /// What the core makes of it.
    pub fn fault(self) -> Fault {
        match self {
            Rule::Utf8 | Rule::Binary => Fault::BadUtf8,
            Rule::Size | Rule::Fragments => Fault::TooLarge,
            Rule::Flood => Fault::ControlFlood,
            Rule::Reserved
            | Rule::Opcode
            | Rule::Mask
            | Rule::Control
            | Rule::Minimal
            | Rule::Order
            | Rule::Close => Fault::ProtocolError,
        }
    }
}

/// Reads a stream as it comes from a client, or from a server.
pub fn read(stream: &[u8], from_client: bool, limits: &Limits) -> Reading {
    let mut reader = Reader { reading: Reading::default(), message: None, controls: 0, from_client, limits };
    let mut rest = stream;
    while let Some(frame) = Frame::read(rest) {
        match reader.take(&frame) {
            Ok(true) => rest = &rest[frame.bytes..],
            Ok(false) => break,
            Err(rule) => {
                reader.reading.seen.push(Seen::Broken(rule.fault()));
                reader.reading.flaw = Some(Flaw { rule, is_whole: frame.is_whole });
                break;
            }
        }
    }
    reader.reading
}

/// A frame, as far as it is there.
struct Frame {
    fin: bool,
    reserved: u8,
    opcode: u8,
    masked: bool,
    /// The seven bits.
    short: u8,
    /// None while the header is not whole.
    length: Option<u64>,
    /// What is there of the payload, unmasked.
    payload: Vec<u8>,
    is_whole: bool,
    /// How long a whole frame is in all.
    bytes: usize,
}

impl Frame {
    /// The frame at the front; none without its first two bytes.
    fn read(stream: &[u8]) -> Option<Frame> {
        let (first, second) = (*stream.first()?, *stream.get(1)?);
        let masked = second >= 0x80;
        let short = second & 0x7f;
        let wide: usize = match short {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let head = 2 + wide + if masked { 4 } else { 0 };
        let mut frame = Frame {
            fin: first >= 0x80,
            reserved: first & 0x70,
            opcode: first & 0x0f,
            masked,
            short,
            length: None,
            payload: Vec::new(),
            is_whole: false,
            bytes: 0,
        };
        if stream.len() < head {
            return Some(frame);
        }
        let spelled = stream[2..2 + wide].iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let length = if wide == 0 { u64::from(short) } else { spelled };
        let mask: [u8; 4] = if masked { stream[head - 4..head].try_into().ok()? } else { [0; 4] };
        let there = usize::try_from(length).unwrap_or(usize::MAX).min(stream.len() - head);
        let payload = &stream[head..head + there];
        frame.length = Some(length);
        frame.payload =
            payload.iter().zip(mask.into_iter().cycle()).map(|(byte, mask)| byte ^ mask).collect();
        frame.is_whole = u64::try_from(there) == Ok(length);
        frame.bytes = head + there;
        Some(frame)
    }

    fn is_control(&self) -> bool {
        self.opcode >= 8
    }
}

/// A message that is not finished.
struct Message {
    is_text: bool,
    bytes: Vec<u8>,
    /// Of how many frames it is so far.
    frames: u64,
}

struct Reader<'a> {
    reading: Reading,
    message: Option<Message>,
    controls: u64,
    from_client: bool,
    limits: &'a Limits,
}

impl Reader<'_> {
    /// Takes a frame; false when nothing after it is read.
    fn take(&mut self, frame: &Frame) -> Result<bool, Rule> {
        self.judge_start(frame)?;
        let Some(length) = frame.length else { return Ok(false) };
        let least = match frame.short {
            126 => 126,
            127 => 65_536,
            _ => 0,
        };
        if length < least {
            return Err(Rule::Minimal);
        }
        if frame.is_control() { self.control(frame) } else { self.data(frame, length) }
    }

    fn judge_start(&self, frame: &Frame) -> Result<(), Rule> {
        match frame.opcode {
            0..=2 => {}
            8..=10 if frame.fin && frame.short <= 125 => {}
            8..=10 if frame.fin && frame.length.is_some_and(|length| length <= 125) => {
                return Err(Rule::Minimal);
            }
            8..=10 => return Err(Rule::Control),
            _ => return Err(Rule::Opcode),
        }
        if frame.reserved != 0 {
            return Err(Rule::Reserved);
        }
        if frame.masked == self.from_client { Ok(()) } else { Err(Rule::Mask) }
    }

    fn data(&mut self, frame: &Frame, length: u64) -> Result<bool, Rule> {
        if self.message.is_some() == (frame.opcode != 0) {
            return Err(Rule::Order);
        }
        let begun = Message { is_text: frame.opcode == 1, bytes: Vec::new(), frames: 0 };
        let mut message = self.message.take().unwrap_or(begun);
        if length.saturating_add(message.bytes.len() as u64) > self.limits.message_bytes_max() {
            return Err(Rule::Size);
        }
        if message.frames >= self.limits.fragments_max() {
            return Err(Rule::Fragments);
        }
        message.bytes.extend_from_slice(&frame.payload);
        message.frames += 1;
        let is_finished = frame.is_whole && frame.fin;
        match std::str::from_utf8(&message.bytes) {
            Ok(text) if is_finished => self.reading.seen.push(Seen::Message(text.to_owned())),
            Ok(_) => self.message = Some(message),
            // A letter may be cut, as long as something may follow.
            Err(error) if error.error_len().is_none() && !is_finished => self.message = Some(message),
            Err(_) => return Err(if message.is_text { Rule::Utf8 } else { Rule::Binary }),
        }
        Ok(frame.is_whole)
    }

    fn control(&mut self, frame: &Frame) -> Result<bool, Rule> {
        if !frame.is_whole {
            return Ok(false);
        }
        if frame.opcode == 8 {
            let goodbye = self.close(&frame.payload)?;
            self.reading.seen.push(goodbye);
            return Ok(false);
        }
        self.controls += 1;
        if self.controls > self.limits.control_burst() {
            return Err(Rule::Flood);
        }
        if frame.opcode == 9 {
            self.reading.pings.push(frame.payload.clone());
        } else {
            self.reading.seen.push(Seen::Pong(frame.payload.clone()));
        }
        Ok(true)
    }

    fn close(&self, payload: &[u8]) -> Result<Seen, Rule> {
        let [high, low, reason @ ..] = payload else {
            return if payload.is_empty() {
                Ok(Seen::Goodbye(None, String::new()))
            } else {
                Err(Rule::Close)
            };
        };
        let code = u16::from_be_bytes([*high, *low]);
        // Those that RFC 6455 and its registry give out, and those for libraries and applications.
        if !matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999) {
            return Err(Rule::Close);
        }
        let reason = std::str::from_utf8(reason).map_err(|_| Rule::Utf8)?;
        Ok(Seen::Goodbye(Some(code), reason.to_owned()))
    }
}
