//! Frames to messages: fragments, control frames in between, UTF-8, size limits.
//!
//! A message that stands whole in one frame of the input is lent from there. Anything else is put together
//! here, unmasked and checked as it arrives, so that no byte is looked at twice however small the pieces are.
//!
//! *Always holds:* the same bytes give the same findings however they are cut; every fault that a header
//! shows is found before its payload is awaited; a finished fragment takes up no more than its own bytes.

use bytes::Bytes;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::append_within;
use super::frame::{Head, Header, Side, apply_mask, read_close, read_header};
use crate::config::{Limits, size};
use crate::fault::Fault;
use crate::time::Mono;

/// What the next bytes were.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// Nothing yet. What is left of the input must grow to at least this many bytes.
    Starved(usize),
    /// A message that stands whole in the input.
    Text(&'a str),
    /// A message that was put together.
    Joined(String),
    /// A binary message, where those are told apart.
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close {
        code: Option<u16>,
        reason: String,
    },
    Fault(Fault),
}

impl Found<'_> {
    /// The same, independent of the input.
    pub(crate) fn into_owned(self) -> Found<'static> {
        match self {
            Found::Starved(need) => Found::Starved(need),
            Found::Text(text) => Found::Joined(text.to_owned()),
            Found::Joined(text) => Found::Joined(text),
            Found::Binary(bytes) => Found::Binary(bytes),
            Found::Ping(payload) => Found::Ping(payload),
            Found::Pong(payload) => Found::Pong(payload),
            Found::Close { code, reason } => Found::Close { code, reason },
            Found::Fault(fault) => Found::Fault(fault),
        }
    }
}

/// Puts messages together.
#[derive(Debug)]
pub(crate) struct Assembler {
    side: Side,
    /// The data frame whose payload is arriving.
    frame: Option<Frame>,
    /// Frames of the message that is not finished; 0 between messages.
    fragments: u64,
    /// When the first frame of a fragmented message came.
    since: Option<Mono>,
    /// What has arrived of the message.
    bytes: Vec<u8>,
    /// How many of these bytes are known to be UTF-8.
    valid: usize,
    /// How many bytes of frames a peer may still send before it has said who it is.
    allowance: Option<u64>,
    /// Binary messages are told apart. Unless they are, they are text.
    tells_binary: bool,
    /// The message that is not finished is not to be text.
    is_binary: bool,
}

#[derive(Debug)]
struct Frame {
    fin: bool,
    mask: [u8; 4],
    length: usize,
    done: usize,
}

impl Assembler {
    /// An assembler for one side; `allowance` bounds all bytes together until [`Assembler::trust`].
    pub(crate) fn new(side: Side, allowance: Option<u64>) -> Assembler {
        Assembler {
            side,
            frame: None,
            fragments: 0,
            since: None,
            bytes: Vec::new(),
            valid: 0,
            allowance,
            tells_binary: false,
            is_binary: false,
        }
    }

    /// Reads on to the next finding and takes what it used off the front of `input`.
    pub(crate) fn read<'a>(&mut self, now: Mono, input: &mut &'a mut [u8], limits: &Limits) -> Found<'a> {
        loop {
            if self.frame.is_none() {
                let header = match read_header(input, self.side) {
                    Ok(Head::Whole(header)) => header,
                    Ok(Head::Short(need)) => return Found::Starved(need),
                    Err(fault) => return Found::Fault(fault),
                };
                match header.opcode {
                    OpCode::Control(kind) => return self.control(kind, &header, input),
                    OpCode::Data(kind) => {
                        if let Err(fault) = self.begin(now, kind, &header, limits) {
                            return Found::Fault(fault);
                        }
                        take(input, header.size);
                    }
                }
            }
            if let Some(found) = self.payload(input) {
                return found;
            }
        }
    }

    /// The peer said who it is: only the size of a message bounds it from here on.
    pub(crate) fn trust(&mut self) {
        self.allowance = None;
    }

    /// Binary messages are found as such from here on.
    pub(crate) fn tell_binary(&mut self) {
        self.tells_binary = true;
    }

    /// True while a frame or a message is not finished.
    pub(crate) fn is_partial(&self) -> bool {
        self.fragments > 0
    }

    /// How long the message in progress may get, in bytes: as announced, or up to the limit when it comes in
    /// fragments; 0 between messages.
    pub(crate) fn arriving_bytes(&self, limits: &Limits) -> usize {
        match (&self.since, &self.frame) {
            (Some(_), _) => size(limits.message_bytes_max()),
            (None, Some(frame)) => frame.length,
            (None, None) => 0,
        }
    }

    /// When the last fragment of the message in progress is due.
    pub(crate) fn deadline(&self, limits: &Limits) -> Option<Mono> {
        self.since.map(|since| since.after_millis(limits.fragments_ms()))
    }

    /// Judges the header of a data frame and opens the frame.
    fn begin(&mut self, now: Mono, kind: Data, header: &Header, limits: &Limits) -> Result<(), Fault> {
        let in_order = match kind {
            Data::Continue => self.fragments > 0,
            Data::Text | Data::Binary => self.fragments == 0,
            Data::Reserved(_) => false,
        };
        if !in_order {
            return Err(Fault::ProtocolError);
        }
        let Ok(length) = usize::try_from(header.length) else { return Err(Fault::TooLarge) };
        let total = self.bytes.len().checked_add(length).ok_or(Fault::TooLarge)?;
        if total > size(limits.message_bytes_max()) || self.fragments >= limits.fragments_max() {
            return Err(Fault::TooLarge);
        }
        self.allowance = self.afford(header)?;
        if self.fragments == 0 {
            self.is_binary = self.tells_binary && matches!(kind, Data::Binary);
            self.since = if header.fin { None } else { Some(now) };
        }
        self.fragments += 1;
        self.frame = Some(Frame { fin: header.fin, mask: header.mask, length, done: 0 });
        Ok(())
    }

    /// The allowance after a frame with that header, if there is one at all.
    fn afford(&self, header: &Header) -> Result<Option<u64>, Fault> {
        let Some(left) = self.allowance else { return Ok(None) };
        let cost = u64::try_from(header.size).unwrap_or(u64::MAX).saturating_add(header.length);
        left.checked_sub(cost).map(Some).ok_or(Fault::TooLarge)
    }

    /// Reads the payload of the open frame; `None` when a fragment ended and the next header is due.
    fn payload<'a>(&mut self, input: &mut &'a mut [u8]) -> Option<Found<'a>> {
        let Frame { fin, mask, length, done } = self.frame.take()?;
        let left = length - done;
        let part = take(input, left.min(input.len()));
        apply_mask(part, mask, done);
        if part.len() < left {
            let arrived = done + part.len();
            self.frame = Some(Frame { fin, mask, length, done: arrived });
            return Some(match self.append(part, left) {
                Ok(()) => Found::Starved(1),
                Err(fault) => Found::Fault(fault),
            });
        }
        if fin && done == 0 && self.fragments == 1 {
            self.fragments = 0;
            if self.is_binary {
                return Some(Found::Binary(Bytes::copy_from_slice(part)));
            }
            return Some(std::str::from_utf8(part).map_or(Found::Fault(Fault::BadUtf8), Found::Text));
        }
        if let Err(fault) = self.append(part, left) {
            return Some(Found::Fault(fault));
        }
        if fin { Some(self.finish()) } else { None }
    }

    /// Adds a part of a frame of which `left` bytes had not arrived before, and checks it at once: bad UTF-8
    /// shows as soon as it is there, be it in the middle of a frame.
    fn append(&mut self, part: &[u8], left: usize) -> Result<(), Fault> {
        let total = self.bytes.len() + left;
        append_within(&mut self.bytes, part, total);
        if self.is_binary {
            return Ok(());
        }
        match std::str::from_utf8(&self.bytes[self.valid..]) {
            Ok(rest) => self.valid += rest.len(),
            Err(error) if error.error_len().is_none() => self.valid += error.valid_up_to(),
            Err(_) => return Err(Fault::BadUtf8),
        }
        Ok(())
    }

    /// Hands the message out and forgets it.
    fn finish(&mut self) -> Found<'static> {
        let bytes = std::mem::take(&mut self.bytes);
        (self.fragments, self.since, self.valid) = (0, None, 0);
        if self.is_binary {
            return Found::Binary(bytes.into());
        }
        String::from_utf8(bytes).map_or(Found::Fault(Fault::BadUtf8), Found::Joined)
    }

    /// Reads a control frame, which is short and is waited for as a whole.
    fn control<'a>(&mut self, kind: Control, header: &Header, input: &mut &'a mut [u8]) -> Found<'a> {
        let allowance = match self.afford(header) {
            Ok(allowance) => allowance,
            Err(fault) => return Found::Fault(fault),
        };
        let length = usize::try_from(header.length).unwrap_or(usize::MAX);
        let whole = header.size.saturating_add(length);
        if input.len() < whole {
            return Found::Starved(whole);
        }
        self.allowance = allowance;
        take(input, header.size);
        let payload = take(input, length);
        apply_mask(payload, header.mask, 0);
        match kind {
            Control::Ping => Found::Ping(Bytes::copy_from_slice(payload)),
            Control::Pong => Found::Pong(Bytes::copy_from_slice(payload)),
            Control::Close => match read_close(payload) {
                Ok((code, reason)) => Found::Close { code, reason: reason.to_owned() },
                Err(fault) => Found::Fault(fault),
            },
            Control::Reserved(_) => Found::Fault(Fault::ProtocolError),
        }
    }
}

fn take<'a>(input: &mut &'a mut [u8], length: usize) -> &'a mut [u8] {
    let (front, rest) = std::mem::take(input).split_at_mut(length);
    *input = rest;
    front
}

#[cfg(test)]
mod tests {
    use super::super::frame::{PING, TEXT, write_frame};
    use super::*;

    const MASK: [u8; 4] = [9, 8, 7, 6];

    fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::new();
        write_frame(&mut bytes, TEXT, payload, Some(MASK));
        bytes[0] = first;
        bytes
    }

    /// Everything found in the bytes when they arrive in pieces of that size, up to the first fault.
    fn findings(bytes: &[u8], piece: usize, limits: &Limits) -> Vec<Found<'static>> {
        let mut assembler = Assembler::new(Side::Server, None);
        let (mut found, mut waiting) = (Vec::new(), Vec::new());
        for part in bytes.chunks(piece) {
            waiting.extend_from_slice(part);
            loop {
                let mut rest = waiting.as_mut_slice();
                let next = assembler.read(Mono::START, &mut rest, limits).into_owned();
                waiting = rest.to_vec();
                match next {
                    Found::Starved(_) => break,
                    Found::Fault(_) => {
                        found.push(next);
                        return found;
                    }
                    next => found.push(next),
                }
            }
        }
        found
    }

    fn joined(text: &str) -> Found<'static> {
        Found::Joined(text.to_owned())
    }

    #[test]
    fn a_message_in_one_frame_is_lent_from_where_it_stands() {
        let mut bytes = frame(0x81, "größe".as_bytes());
        let place = bytes.as_ptr_range();
        let mut assembler = Assembler::new(Side::Server, None);
        let found = assembler.read(Mono::START, &mut bytes.as_mut_slice(), &Limits::default());
        let Found::Text(text) = found else { panic!("{found:?}") };
        assert_eq!(text, "größe");
        assert!(place.contains(&text.as_ptr()));
        assert!(!assembler.is_partial() && assembler.bytes.capacity() == 0);
    }

    #[test]
    fn fragments_cut_inside_a_letter_are_joined_around_a_ping() {
        let mut bytes = frame(0x01, b"gr\xc3");
        bytes.extend(frame(0x89, b"still there?"));
        bytes.extend(frame(0x00, b""));
        bytes.extend(frame(0x80, b"\xb6\xc3\x9fe"));
        for piece in 1..bytes.len() {
            let ping = Found::Ping(Bytes::from_static(b"still there?"));
            assert_eq!(findings(&bytes, piece, &Limits::default()), [ping, joined("größe")], "{piece}");
        }
    }

    #[test]
    fn f_frm_05_bad_utf_8_is_found_before_its_frame_is_complete() {
        let bytes = frame(0x81, b"ok\xf4\x90\x80\x80 and more to come");
        assert_eq!(findings(&bytes[..9], 1, &Limits::default()), []);
        assert_eq!(findings(&bytes[..10], 1, &Limits::default()), [Found::Fault(Fault::BadUtf8)]);
        for first in [0x01, 0x81, 0x82] {
            let bytes = frame(first, b"\xff");
            assert_eq!(findings(&bytes, 99, &Limits::default()), [Found::Fault(Fault::BadUtf8)]);
        }
    }

    #[test]
    fn a_binary_message_is_a_text_unless_it_is_told_apart() {
        let stream =
            [frame(0x82, b"\xff"), frame(0x02, b"\xc3"), frame(0x80, b"("), frame(0x81, b"a")].concat();
        let mut rest = stream.clone();
        let mut assembler = Assembler::new(Side::Server, None);
        let found = assembler.read(Mono::START, &mut rest.as_mut_slice(), &Limits::default());
        assert_eq!(found, Found::Fault(Fault::BadUtf8));

        let mut rest = stream;
        let mut assembler = Assembler::new(Side::Server, None);
        assembler.tell_binary();
        let (mut input, mut found) = (rest.as_mut_slice(), Vec::new());
        while !input.is_empty() {
            found.push(assembler.read(Mono::START, &mut input, &Limits::default()).into_owned());
        }
        let binary = |bytes: &'static [u8]| Found::Binary(Bytes::from_static(bytes));
        assert_eq!(found, [binary(b"\xff"), binary(b"\xc3("), joined("a")]);
    }

    #[test]
    fn f_frm_05_a_text_that_ends_inside_a_letter_is_refused() {
        let whole = frame(0x81, b"\xc3");
        let mut fragments = frame(0x01, b"\xc3");
        assert_eq!(findings(&fragments, 99, &Limits::default()), []);
        fragments.extend(frame(0x80, b""));
        for (bytes, piece) in [(&whole, 99), (&whole, 1), (&fragments, 99), (&fragments, 1)] {
            assert_eq!(findings(bytes, piece, &Limits::default()), [Found::Fault(Fault::BadUtf8)]);
        }
    }

    #[test]
    fn f_frm_05_frames_out_of_order_are_refused() {
        let fault = [Found::Fault(Fault::ProtocolError)];
        assert_eq!(findings(&frame(0x80, b"x"), 99, &Limits::default()), fault);
        let mut twice = frame(0x01, b"x");
        twice.extend(frame(0x81, b"y"));
        assert_eq!(findings(&twice, 99, &Limits::default()), fault);
    }

    #[test]
    fn f_frm_01_a_length_over_the_limit_is_refused_by_its_header() {
        let fault = [Found::Fault(Fault::TooLarge)];
        let mut limits = Limits::default();
        limits.set("message_bytes_max", 300).unwrap();
        assert_eq!(findings(&frame(0x81, &[b'x'; 300]), 7, &limits), [joined(&"x".repeat(300))]);
        assert_eq!(findings(&frame(0x81, &[b'x'; 301])[..8], 7, &limits), fault);
        for length in [1 << 40, (1 << 63) - 1, u64::MAX] {
            let mut header = vec![0x81, 0xff];
            header.extend(length.to_be_bytes());
            header.extend(MASK);
            assert_eq!(findings(&header, 99, &limits), fault, "{length}");
        }
    }

    #[test]
    fn f_frm_02_fragments_are_bounded_in_total_and_in_number() {
        let mut limits = Limits::default();
        limits.set("message_bytes_max", 300).unwrap();
        limits.set("fragments_max", 3).unwrap();
        let mut large = frame(0x01, &[b'x'; 200]);
        large.extend(&frame(0x80, &[b'x'; 101])[..6]);
        assert_eq!(findings(&large, 99, &limits), [Found::Fault(Fault::TooLarge)]);
        let mut many = [frame(0x01, b"a"), frame(0x00, b"b")].concat();
        assert_eq!(findings(&[many.clone(), frame(0x80, b"c")].concat(), 99, &limits), [joined("abc")]);
        many.extend(frame(0x00, b"c"));
        many.extend(frame(0x80, b""));
        assert_eq!(findings(&many, 99, &limits), [Found::Fault(Fault::TooLarge)]);
    }

    #[test]
    fn f_frm_02_fragments_take_up_their_own_bytes_and_partial_frames_at_most_twice_what_came() {
        let limits = Limits::default();
        let mut assembler = Assembler::new(Side::Server, None);
        assembler.read(Mono::START, &mut frame(0x01, b"a").as_mut_slice(), &limits);
        for _ in 0..20 {
            assembler.read(Mono::START, &mut frame(0x00, b"abc").as_mut_slice(), &limits);
        }
        assert_eq!((assembler.bytes.len(), assembler.bytes.capacity()), (61, 61));
        let mut long = frame(0x00, &[b'x'; 60_000]);
        assembler.read(Mono::START, &mut &mut long[..1_008], &limits);
        assert_eq!(assembler.bytes.len(), 1_061);
        assert!(assembler.bytes.capacity() <= 2_122);
    }

    #[test]
    fn f_frm_02_a_fragmented_message_has_a_deadline_and_a_whole_one_has_none() {
        let limits = Limits::default();
        let mut assembler = Assembler::new(Side::Server, None);
        assembler.read(Mono::START, &mut &mut frame(0x81, b"abc")[..7], &limits);
        assert_eq!(assembler.deadline(&limits), None);
        assembler = Assembler::new(Side::Server, None);
        assembler.read(Mono::START, &mut frame(0x01, b"abc").as_mut_slice(), &limits);
        assert_eq!(assembler.deadline(&limits), Some(Mono::START.after_millis(limits.fragments_ms())));
        assembler.read(Mono::START, &mut frame(0x80, b"").as_mut_slice(), &limits);
        assert_eq!(assembler.deadline(&limits), None);
    }

    #[test]
    fn f_hsk_01_a_stranger_has_an_allowance_for_all_its_frames_together() {
        let limits = Limits::default();
        let mut ping = Vec::new();
        write_frame(&mut ping, PING, b"1234", Some(MASK));
        let mut assembler = Assembler::new(Side::Server, Some(25));
        let mut read = |mut bytes: Vec<u8>, trusted: bool| {
            if trusted {
                assembler.trust();
            }
            assembler.read(Mono::START, &mut bytes.as_mut_slice(), &limits).into_owned()
        };
        assert_eq!(read(frame(0x81, b"hello"), false), joined("hello"));
        assert_eq!(read(ping.clone(), false), Found::Ping(Bytes::from_static(b"1234")));
        assert_eq!(read(ping.clone(), false), Found::Fault(Fault::TooLarge));
        assert_eq!(read(frame(0x81, b"hello"), false), Found::Fault(Fault::TooLarge));
        assert_eq!(read(frame(0x81, b"hello"), true), joined("hello"));
    }
}
