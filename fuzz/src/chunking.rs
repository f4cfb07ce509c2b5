//! The same bytes, cut elsewhere: what a connection sees, says and does must not change.
//!
//! Input: one byte of switches (`Plan`), one that says how many cuts follow, the cuts (the length of one
//! chunk each, taken over and over), and what arrives.

use std::sync::Arc;

use peermesh_core::config::Limits;

use crate::end::{AGREEMENT, End, Seen, UPGRADE, limits};

/// How the bytes are read, by the bits of the first byte.
#[derive(Clone, Copy, Debug)]
struct Plan {
    /// Bit 0: the dialling side reads.
    client: bool,
    /// Bit 1: the handshake went well before.
    upgraded: bool,
    /// Bit 2: the peer is not known, so that all its bytes together are bounded.
    stranger: bool,
    /// Bit 3: some chunks are put aside and read with the next one.
    pauses: bool,
    /// Bit 4: small bounds.
    small: bool,
}

/// Reads the bytes whole, byte by byte and cut as the input says.
///
/// # Panics
/// When the cuts change anything.
pub fn run(bytes: &[u8]) {
    let &[switches, count, ref rest @ ..] = bytes else { return };
    let bit = |place: u8| switches & 1 << place != 0;
    let plan = Plan { client: bit(0), upgraded: bit(1), stranger: bit(2), pauses: bit(3), small: bit(4) };
    let (cuts, stream) = rest.split_at(rest.len().min(usize::from(count % 32)));
    let limits = match plan.small {
        true => limits(&[("message_bytes_max", 256), ("fragments_max", 3), ("hello_bytes_max", 1_024)]),
        false => limits(&[]),
    };
    let whole = outcome(plan, &limits, stream, &[]);
    assert_eq!(outcome(plan, &limits, stream, &[1]), whole, "byte by byte");
    assert_eq!(outcome(plan, &limits, stream, cuts), whole, "cut at {cuts:?}");
}

/// What was seen and written, and how often our side was ended.
type Outcome = (Vec<Seen>, Vec<u8>, usize);

fn outcome(plan: Plan, limits: &Arc<Limits>, stream: &[u8], cuts: &[u8]) -> Outcome {
    let mut end = if plan.client { End::client(limits) } else { End::server(limits, !plan.stranger) };
    if plan.upgraded {
        end.reads(if plan.client { AGREEMENT } else { UPGRADE });
    }
    let mut lengths = cuts.iter().cycle().map(|cut| usize::from(*cut).max(1));
    let mut rest = stream;
    while !rest.is_empty() {
        let length = lengths.next().unwrap_or(rest.len()).min(rest.len());
        let (chunk, after) = rest.split_at(length);
        if plan.pauses && !cuts.is_empty() && length % 3 == 0 {
            end.keeps(chunk);
        } else {
            end.reads(chunk);
        }
        rest = after;
    }
    end.reads(&[]);
    (end.seen, end.written, end.ended.len())
}
