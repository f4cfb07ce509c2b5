//! A second implementation of the standard reads the same bytes and has to agree.
//!
//! Known differences, which the conversations here avoid: we refuse lengths that are spelled longer than
//! needed, bound the number of fragments, and want binary messages in UTF-8.

use std::io::{self, Read, Write};

use peermesh_core::rng::Rng;
use tungstenite::error::{CapacityError, ProtocolError};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use super::cuts::conversation;
use super::end::{End, brief, limits};

/// Bytes to be read; what is written is forgotten.
struct Tape<'a>(&'a [u8]);

impl Read for Tape<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.0.read(into)
    }
}

impl Write for Tape<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What the other implementation reads, in the words of [`End`].
fn oracle(bytes: &[u8]) -> Vec<String> {
    let config = WebSocketConfig::default().max_message_size(Some(65_536)).max_frame_size(Some(65_536));
    let mut context = WebSocketContext::new(Role::Server, Some(config));
    let mut tape = Tape(bytes);
    let mut seen = Vec::new();
    loop {
        let line = match context.read(&mut tape) {
            Ok(Message::Text(text)) => format!("message {}", brief(&text)),
            Ok(Message::Binary(bytes)) => match std::str::from_utf8(&bytes) {
                Ok(text) => format!("message {}", brief(text)),
                Err(_) => "broken BadUtf8".to_owned(),
            },
            Ok(Message::Ping(_) | Message::Frame(_)) => continue,
            Ok(Message::Pong(payload)) => format!("pong {}", String::from_utf8_lossy(&payload)),
            // It takes a forbidden code for a close all the same, but tells what it answers in its place.
            Ok(Message::Close(Some(close))) if close.reason.as_str() == "Protocol violation" => {
                "broken ProtocolError".to_owned()
            }
            Ok(Message::Close(Some(close))) => format!("goodbye {} {}", u16::from(close.code), close.reason),
            Ok(Message::Close(None)) => "goodbye 0 ".to_owned(),
            Err(Error::Io(_) | Error::ConnectionClosed) => return seen,
            Err(Error::Utf8(_)) => "broken BadUtf8".to_owned(),
            Err(Error::Capacity(CapacityError::MessageTooLong { .. })) => "broken TooLarge".to_owned(),
            Err(Error::Protocol(ProtocolError::ReceivedAfterClosing)) => return seen,
            Err(Error::Protocol(_)) => "broken ProtocolError".to_owned(),
            Err(other) => panic!("unexpected: {other:?}"),
        };
        let is_last = line.starts_with("broken") || line.starts_with("goodbye");
        seen.push(line);
        if is_last {
            return seen;
        }
    }
}

#[test]
fn f_frm_05_two_implementations_agree_on_every_conversation() {
    let mut rng = Rng::from_seed([23; 32]);
    let (mut broken, mut parted) = (0, 0);
    for round in 0..1_500 {
        let bytes = conversation(&mut rng);
        let mut server = End::trusting(&limits(&[]));
        server.reads(&bytes);
        let (ours, theirs) = (server.saw(), oracle(&bytes));
        assert_eq!(ours, theirs, "round {round}");
        broken += usize::from(ours.last().is_some_and(|last| last.starts_with("broken")));
        parted += usize::from(ours.last().is_some_and(|last| last.starts_with("goodbye")));
    }
    assert!(broken > 250 && parted > 100, "{broken} {parted}");
}

#[test]
fn f_frm_05_two_implementations_agree_on_conversations_with_one_flipped_bit() {
    let mut rng = Rng::from_seed([29; 32]);
    for round in 0..1_500 {
        let mut bytes = conversation(&mut rng);
        let Some(bits) = u64::try_from(bytes.len().min(400) * 8).ok().filter(|bits| *bits > 0) else {
            continue;
        };
        let bit = rng.below(bits);
        bytes[usize::try_from(bit / 8).unwrap()] ^= 1 << (bit % 8);
        let mut server = End::trusting(&limits(&[]));
        server.reads(&bytes);
        let (ours, theirs) = (server.saw(), oracle(&bytes));
        let agreed = ours == theirs || is_known_difference(&ours, &theirs);
        assert!(agreed, "round {round}, bit {bit}: {ours:?} but {theirs:?}");
    }
}

/// We judge by the header what the other judges when the payload is there, or not at all.
fn is_known_difference(ours: &[String], theirs: &[String]) -> bool {
    let Some((last, before)) = ours.split_last() else { return false };
    last.starts_with("broken") && theirs.starts_with(before)
}
