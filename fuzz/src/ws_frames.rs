//! Frames, read by three: the core, [the rules of RFC 6455](crate::frames) and tungstenite's own context.
//!
//! Input: one byte of switches (bit 0: the dialling side reads; bit 1: small bounds), then frames.

use std::io::{self, Read, Write};

use peermesh_core::config::Limits;
use tungstenite::error::CapacityError;
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};
use tungstenite::{Error, Message};

use crate::end::{AGREEMENT, End, Seen, UPGRADE, limits};
use crate::frames::{self, Flaw, Reading, Rule};

/// Lets all three read the frames.
///
/// # Panics
/// When they disagree.
pub fn run(bytes: &[u8]) {
    let Some((switches, stream)) = bytes.split_first() else { return };
    let (from_client, small) = (switches & 1 == 0, switches & 2 != 0);
    let limits = match small {
        true => limits(&[("message_bytes_max", 256), ("fragments_max", 3)]),
        false => limits(&[]),
    };
    let mut end = if from_client { End::server(&limits, true) } else { End::client(&limits) };
    end.reads(if from_client { UPGRADE } else { AGREEMENT });
    end.forget();
    end.reads(stream);
    let expected = frames::read(stream, from_client, &limits);
    assert_eq!(end.seen, expected.seen, "{:?}", expected.flaw);
    judge_written(&end.written, &expected, from_client, &limits);
    compare(&expected, &oracle(stream, from_client, &limits));
}

/// Every ping is answered, and an end is said to whoever said or caused it.
fn judge_written(written: &[u8], expected: &Reading, from_client: bool, limits: &Limits) {
    let said = frames::read(written, !from_client, limits);
    assert_eq!((said.flaw, said.pings.len()), (None, 0), "what we write is sound");
    let mut wanted: Vec<Seen> = expected.pings.iter().cloned().map(Seen::Pong).collect();
    match expected.seen.last() {
        Some(Seen::Goodbye(code, _)) => wanted.push(Seen::Goodbye(*code, String::new())),
        Some(Seen::Broken(fault)) => {
            let row = fault.row();
            wanted.push(Seen::Goodbye(Some(row.code), row.reason.to_owned()));
        }
        _ => {}
    }
    assert_eq!(said.seen, wanted);
}

/// What the other implementation says.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Seen(Seen),
    Broken,
}

impl Said {
    /// It takes a forbidden code for a close all the same, and tells what it answers in its place, which
    /// looks like a peer that says just this.
    fn of(seen: Seen) -> Said {
        match seen {
            Seen::Goodbye(Some(1002), reason) if reason == "Protocol violation" => Said::Broken,
            seen => Said::Seen(seen),
        }
    }
}

/// Up to a fault both see the same. At a fault the other one stops too, unless it judges only whole frames
/// or does not know the rule.
fn compare(ours: &Reading, theirs: &[Said]) {
    let sound = ours.seen.len() - usize::from(ours.flaw.is_some());
    let whole: Vec<Said> = ours.seen[..sound].iter().cloned().map(Said::of).collect();
    let Some(Flaw { rule, is_whole }) = ours.flaw else {
        return assert_eq!(theirs, whole);
    };
    assert!(theirs.len() >= whole.len() && theirs[..whole.len()] == whole, "{theirs:?} but {whole:?}");
    let is_ours_alone = matches!(rule, Rule::Minimal | Rule::Fragments | Rule::Flood | Rule::Binary);
    let stops = matches!(theirs[whole.len()..], [Said::Broken]);
    let waits = theirs.len() == whole.len() && !is_whole;
    assert!(stops || waits || is_ours_alone, "{rule:?}, whole: {is_whole}, but {theirs:?}");
}

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

fn oracle(stream: &[u8], from_client: bool, limits: &Limits) -> Vec<Said> {
    let bytes_max = usize::try_from(limits.message_bytes_max()).ok();
    let config = WebSocketConfig::default()
        .read_buffer_size(1_024)
        .max_message_size(bytes_max)
        .max_frame_size(bytes_max);
    let role = if from_client { Role::Server } else { Role::Client };
    let mut context = WebSocketContext::new(role, Some(config));
    let mut tape = Tape(stream);
    let mut said = Vec::new();
    loop {
        let next = match context.read(&mut tape) {
            Ok(Message::Text(text)) => Said::Seen(Seen::Message(text.as_str().to_owned())),
            // To us a binary message is a text in other clothes.
            Ok(Message::Binary(bytes)) => match String::from_utf8(bytes.to_vec()) {
                Ok(text) => Said::Seen(Seen::Message(text)),
                Err(_) => Said::Broken,
            },
            Ok(Message::Ping(_) | Message::Frame(_)) => continue,
            Ok(Message::Pong(payload)) => Said::Seen(Seen::Pong(payload.to_vec())),
            Ok(Message::Close(close)) => Said::of(match close {
                Some(close) => Seen::Goodbye(Some(close.code.into()), close.reason.as_str().to_owned()),
                None => Seen::Goodbye(None, String::new()),
            }),
            Err(Error::Io(_) | Error::ConnectionClosed) => return said,
            Err(
                Error::Utf8(_) | Error::Protocol(_) | Error::Capacity(CapacityError::MessageTooLong { .. }),
            ) => Said::Broken,
            Err(other) => panic!("unexpected: {other:?}"),
        };
        let is_last = matches!(next, Said::Broken | Said::Seen(Seen::Goodbye(..)));
        said.push(next);
        if is_last {
            return said;
        }
    }
}
