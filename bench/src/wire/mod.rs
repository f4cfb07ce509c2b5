//! What the load generator speaks, and with whom: one thread, many connections, several protocols.
//!
//! | to know | look in |
//! |---|---|
//! | how many streams are read and written on one thread | `pool.rs` |
//! | what a protocol has to do, and how a message is told from others | this file |
//! | the broker's own ports: peers, watchers, runners, callers | `mesh.rs`, `live.rs`, `runner.rs` |
//! | the frames beneath them, and on the other end of a limit | `ws.rs`, `served.rs` |
//! | what stands beside it: NATS, Redis streams, MQTT | `nats.rs`, `redis.rs`, `mqtt.rs` |
//! | the limits: bytes and frames that come back as they are | `echo.rs`, `synced.rs` |
//! | the limits: a relay of runners, a bare post office | `relay.rs`, `office.rs` |
//!
//! Every protocol is spoken by hand and as leanly as its messages allow, because the generator shares the
//! machine with what it measures.

pub mod echo;
pub mod live;
pub mod mesh;
pub mod mqtt;
pub mod nats;
pub mod office;
pub mod pool;
pub mod redis;
pub mod relay;
pub mod runner;
mod served;
mod synced;
pub mod ws;

use std::io;

/// Bytes of what every message carries, whatever the protocol.
pub const PAYLOAD_BYTES: usize = 256;
/// Where a stamp begins. Nothing else that is written here has this byte.
const STAMP_MARK: u8 = b'~';
/// The mark, eight digits of the flow and sixteen of the number.
const STAMP_BYTES: usize = 25;

/// A connection by its place in the pool.
pub type Place = usize;

/// Which message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The flow it belongs to: messages of one sender.
    pub flow: u32,
    /// Its number in that flow, from 0.
    pub number: u64,
}

/// What a connection heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is set up, and may be used.
    Ready,
    /// The server took a message.
    Accepted,
    /// The server refused a message.
    Refused,
    /// A message came.
    Arrived(Stamp),
}

/// One end of a connection, in one protocol.
pub trait Speaker {
    /// What it says at once when the stream is open.
    fn greet(&mut self, out: &mut Vec<u8>);

    /// Whether it needs no answer to be set up.
    fn is_ready_at_once(&self) -> bool {
        false
    }

    /// Takes whole messages from the beginning of `bytes`, writes answers that the protocol wants into `out`,
    /// and gives the number of bytes it took. What it leaves comes again with more.
    ///
    /// # Errors
    /// When the other end says what it must not.
    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, tell: &mut dyn FnMut(Heard))
    -> io::Result<usize>;

    /// Says one message to the connection at another place; in protocols with one destination, to that one.
    fn say(&mut self, stamp: Stamp, to: Place, out: &mut Vec<u8>);
}

/// Appends a payload of [`PAYLOAD_BYTES`]: the stamp, and filling.
pub fn put_payload(out: &mut Vec<u8>, stamp: Stamp) {
    let end = out.len() + PAYLOAD_BYTES;
    put_stamp(out, stamp);
    out.resize(end, b'x');
}

/// Appends a stamp.
pub fn put_stamp(out: &mut Vec<u8>, Stamp { flow, number }: Stamp) {
    out.push(STAMP_MARK);
    put_hex(out, u64::from(flow), 8);
    put_hex(out, number, 16);
}

/// The first stamp in some bytes.
pub fn find_stamp(bytes: &[u8]) -> Option<Stamp> {
    let digits = bytes.get(memchr::memchr(STAMP_MARK, bytes)? + 1..)?;
    let digits = digits.get(..STAMP_BYTES - 1)?;
    let flow = u32::try_from(read_hex(&digits[..8])?).ok()?;
    Some(Stamp { flow, number: read_hex(&digits[8..])? })
}

/// Appends a number with that many hexadecimal digits.
pub(crate) fn put_hex(out: &mut Vec<u8>, number: u64, digits: u32) {
    let digit = |place: u32| usize::try_from(number >> (4 * place) & 15).unwrap_or(0);
    out.extend((0..digits).rev().map(|place| b"0123456789abcdef"[digit(place)]));
}

/// Reads a number of hexadecimal digits.
pub(crate) fn read_hex(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number: u64, byte| {
        let digit = char::from(*byte).to_digit(16)?;
        Some(number << 4 | u64::from(digit))
    })
}

/// The error for an answer that should not be.
pub(crate) fn unexpected(who: &str, said: &[u8]) -> io::Error {
    let said = String::from_utf8_lossy(&said[..said.len().min(300)]).into_owned();
    io::Error::other(format!("{who} said {said:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_found_in_what_surrounds_it() {
        let stamp = Stamp { flow: 0xabc, number: 12_345_678_901 };
        let mut bytes = b"{\"data\":\"".to_vec();
        put_payload(&mut bytes, stamp);
        assert_eq!(bytes.len(), 9 + PAYLOAD_BYTES);
        assert_eq!(find_stamp(&bytes), Some(stamp));
        assert_eq!(find_stamp(&bytes[..20]), None);
        assert_eq!(find_stamp(b"nothing"), None);
    }
}
