//! One WebSocket frame: its header, its mask, its encoding.
//!
//! *Decides* what a header alone can decide (RFC 6455, section 5.2): reserved bits and opcodes, masks,
//! lengths.
//! *Always holds:* the verdict does not depend on how the bytes were cut.

use std::io::Cursor;

use bytes::Bytes;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::fault::Fault;

/// Longest payload of a control frame, in bytes.
pub(crate) const CONTROL_BYTES_MAX: usize = 125;

pub(crate) const TEXT: OpCode = OpCode::Data(Data::Text);
pub(crate) const BINARY: OpCode = OpCode::Data(Data::Binary);
pub(crate) const CLOSE: OpCode = OpCode::Control(Control::Close);
pub(crate) const PING: OpCode = OpCode::Control(Control::Ping);
pub(crate) const PONG: OpCode = OpCode::Control(Control::Pong);

/// Which end of the connection we are. A client masks its frames, a server does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

/// What stands before a payload.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) fin: bool,
    pub(crate) opcode: OpCode,
    /// Zeros where there is no mask, which change nothing.
    pub(crate) mask: [u8; 4],
    /// Length of the payload, in bytes.
    pub(crate) length: u64,
    /// Length of the header itself, in bytes.
    pub(crate) size: usize,
}

/// How far a header could be read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// At least this many bytes are needed.
    Short(usize),
    Whole(Header),
}

/// Reads the header at the front of `bytes`, as the given side of the connection.
pub(crate) fn read_header(bytes: &[u8], side: Side) -> Result<Head, Fault> {
    let &[first, second, ..] = bytes else { return Ok(Head::Short(2)) };
    judge_start(first, second, side)?;
    let wide = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let size = 2 + wide + if side == Side::Server { 4 } else { 0 };
    let Some(exact) = bytes.get(..size) else { return Ok(Head::Short(size)) };
    let Ok(Some((parsed, length))) = FrameHeader::parse(&mut Cursor::new(exact)) else {
        return Err(Fault::ProtocolError);
    };
    // A length has one spelling only: two spellings of one frame are two readings of one stream.
    if wide == 2 && length < 126 || wide == 8 && length <= u64::from(u16::MAX) {
        return Err(Fault::ProtocolError);
    }
    let mask = parsed.mask.unwrap_or_default();
    Ok(Head::Whole(Header { fin: parsed.is_final, opcode: parsed.opcode, mask, length, size }))
}

/// Judges what the first two bytes tell, so that a peer need not be waited for.
fn judge_start(first: u8, second: u8, side: Side) -> Result<(), Fault> {
    let (fin, reserved, opcode) = (first & 0x80 != 0, first & 0x70, first & 0x0f);
    let (masked, length) = (second & 0x80 != 0, usize::from(second & 0x7f));
    let sound = match OpCode::from(opcode) {
        OpCode::Data(Data::Reserved(_)) | OpCode::Control(Control::Reserved(_)) => false,
        OpCode::Data(Data::Continue | Data::Text | Data::Binary) => true,
        OpCode::Control(Control::Close | Control::Ping | Control::Pong) => fin && length <= CONTROL_BYTES_MAX,
    };
    if sound && reserved == 0 && masked == (side == Side::Server) {
        Ok(())
    } else {
        Err(Fault::ProtocolError)
    }
}

/// Masks or unmasks a part of a payload that starts `done` bytes into it.
pub(crate) fn apply_mask(bytes: &mut [u8], mask: [u8; 4], done: usize) {
    let mut turned = mask;
    turned.rotate_left(done % 4);
    if turned == [0; 4] {
        return;
    }
    let [a, b, c, d] = turned;
    let key = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (words, rest) = bytes.as_chunks_mut::<8>();
    for word in words {
        *word = (u64::from_ne_bytes(*word) ^ key).to_ne_bytes();
    }
    for (at, byte) in rest.iter_mut().enumerate() {
        *byte ^= turned[at % 4];
    }
}

/// Length of a final frame with that payload, header included, in bytes.
pub(crate) fn frame_bytes(payload_bytes: usize, mask: Option<[u8; 4]>) -> usize {
    let header = FrameHeader { mask, ..FrameHeader::default() };
    header.len(wide(payload_bytes)) + payload_bytes
}

/// Appends a final frame.
/// One unmasked text frame, to be shared by many connections.
pub(crate) fn text_frame(text: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(frame_bytes(text.len(), None));
    write_frame(&mut frame, TEXT, text, None);
    frame.into()
}

pub(crate) fn write_frame(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8], mask: Option<[u8; 4]>) {
    let header = FrameHeader { opcode, mask, ..FrameHeader::default() };
    // Writing to memory cannot fail, and the header's own values are always encodable.
    let written = header.format(wide(payload.len()), out);
    debug_assert!(written.is_ok());
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(mask) = mask {
        apply_mask(&mut out[start..], mask, 0);
    }
}

/// Reads a close frame's payload: its code, if it has one, and its reason.
pub(crate) fn read_close(payload: &[u8]) -> Result<(Option<u16>, &str), Fault> {
    match payload {
        [] => Ok((None, "")),
        [_] => Err(Fault::ProtocolError),
        &[high, low, ref reason @ ..] => {
            let code = u16::from_be_bytes([high, low]);
            if !CloseCode::from(code).is_allowed() {
                return Err(Fault::ProtocolError);
            }
            let reason = std::str::from_utf8(reason).map_err(|_| Fault::BadUtf8)?;
            Ok((Some(code), reason))
        }
    }
}

/// Makes a close frame's payload, with as much of the reason as fits in whole characters.
pub(crate) fn close_payload(code: u16, reason: &str) -> Vec<u8> {
    let mut payload = code.to_be_bytes().to_vec();
    let fits = reason.floor_char_boundary(CONTROL_BYTES_MAX - payload.len());
    payload.extend_from_slice(&reason.as_bytes()[..fits]);
    payload
}

fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    fn header_of(bytes: &[u8]) -> Header {
        match read_header(bytes, Side::Server) {
            Ok(Head::Whole(header)) => header,
            other => panic!("no whole header: {other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read_back_at_every_length_that_changes_the_header() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let mut bytes = Vec::new();
            let payload = vec![b'x'; length];
            write_frame(&mut bytes, TEXT, &payload, Some(MASK));
            assert_eq!(bytes.len(), frame_bytes(length, Some(MASK)));
            let header = header_of(&bytes);
            assert_eq!((header.fin, header.opcode, header.mask), (true, TEXT, MASK));
            assert_eq!((header.length, header.size + length), (wide(length), bytes.len()));
            apply_mask(&mut bytes[header.size..], MASK, 0);
            assert_eq!(bytes[header.size..], payload);
        }
    }

    #[test]
    fn a_masked_text_reads_as_the_standard_shows_it() {
        let mut bytes = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
        let header = header_of(&bytes);
        apply_mask(&mut bytes[6..], header.mask, 0);
        assert_eq!(&bytes[6..], b"Hello");
    }

    #[test]
    fn a_mask_can_be_applied_piece_by_piece() {
        let whole: Vec<u8> = (0..=255).collect();
        let mut at_once = whole.clone();
        apply_mask(&mut at_once, MASK, 0);
        for cut in 0..40 {
            let mut pieces = whole.clone();
            let (front, back) = pieces.split_at_mut(cut);
            apply_mask(front, MASK, 0);
            apply_mask(back, MASK, cut);
            assert_eq!(pieces, at_once, "cut at {cut}");
        }
    }

    #[test]
    fn a_header_says_how_many_bytes_it_lacks() {
        assert_eq!(read_header(&[], Side::Server), Ok(Head::Short(2)));
        assert_eq!(read_header(&[0x81], Side::Server), Ok(Head::Short(2)));
        assert_eq!(read_header(&[0x81, 0x81, 1], Side::Server), Ok(Head::Short(6)));
        assert_eq!(read_header(&[0x81, 0xfe], Side::Server), Ok(Head::Short(8)));
        assert_eq!(read_header(&[0x81, 0x7f], Side::Client), Ok(Head::Short(10)));
    }

    #[test]
    fn a_reason_is_cut_to_123_bytes_between_two_characters() {
        let reason_of = |reason: &str| {
            let payload = close_payload(4010, reason);
            (payload.len(), String::from_utf8(payload[2..].to_vec()).unwrap())
        };
        assert_eq!(reason_of(&"x".repeat(123)), (125, "x".repeat(123)));
        assert_eq!(reason_of(&"x".repeat(124)), (125, "x".repeat(123)));
        assert_eq!(reason_of(&"\u{fc}".repeat(62)), (124, "\u{fc}".repeat(61)));
    }

    #[test]
    fn f_frm_05_reserved_bits_and_opcodes_and_bad_control_frames_are_refused_by_two_bytes() {
        for first in [0xc1, 0xa1, 0x91, 0x83, 0x87, 0x8b, 0x8f] {
            assert_eq!(read_header(&[first, 0x80], Side::Server), Err(Fault::ProtocolError), "{first:x}");
        }
        assert_eq!(read_header(&[0x09, 0x80], Side::Server), Err(Fault::ProtocolError), "fragmented ping");
        assert_eq!(read_header(&[0x89, 0xfe], Side::Server), Err(Fault::ProtocolError), "long ping");
    }

    #[test]
    fn f_frm_05_a_mask_is_asked_of_clients_and_refused_of_servers() {
        assert_eq!(read_header(&[0x81, 0x05], Side::Server), Err(Fault::ProtocolError));
        assert_eq!(read_header(&[0x81, 0x85], Side::Client), Err(Fault::ProtocolError));
    }

    #[test]
    fn f_frm_01_a_length_spelled_longer_than_needed_is_refused() {
        let short = [0x81, 0xfe, 0, 125, 0, 0, 0, 0];
        let long = [0x81, 0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0, 0, 0];
        assert_eq!(read_header(&short, Side::Server), Err(Fault::ProtocolError));
        assert_eq!(read_header(&long, Side::Server), Err(Fault::ProtocolError));
    }

    #[test]
    fn f_frm_05_a_close_payload_has_no_code_or_an_allowed_one_and_a_reason_in_utf_8() {
        assert_eq!(read_close(&[]), Ok((None, "")));
        assert_eq!(read_close(&[0x03, 0xe8, b'x']), Ok((Some(1000), "x")));
        assert_eq!(read_close(&[0x03]), Err(Fault::ProtocolError));
        assert_eq!(read_close(&[0x03, 0xe8, 0xff]), Err(Fault::BadUtf8));
        for code in [0_u16, 999, 1004, 1005, 1006, 1014, 1015, 1016, 2999, 5000, 65_535] {
            assert_eq!(read_close(&code.to_be_bytes()), Err(Fault::ProtocolError), "{code}");
        }
        for code in [1000_u16, 1001, 1011, 3000, 4999] {
            assert_eq!(read_close(&code.to_be_bytes()), Ok((Some(code), "")), "{code}");
        }
    }
}
