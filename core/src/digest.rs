//! A running digest of everything a machine was told and everything it wished for.
//!
//! Two runs that were told the same have the same digest after every turn; the first turn after which they
//! differ is where something else than time and inputs came in. What moves between shards is sealed, so of it
//! only the road counts: its content follows from the digest of the shard it came from.
//!
//! *Does not* withstand somebody who looks for two runs of one digest: it is made to be cheap beside the turn
//! itself, and to notice what happens by accident.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;

use crate::machine::{Deadline, Input, Output, Outputs};
use crate::store::{Answer, StoreResult, Work};
use crate::time::Now;

/// Absorbs the turns of one machine.
///
/// A turn is [`Digest::told`] before `Machine::handle`, because that unmasks what it is lent, and
/// [`Digest::said`] after it, before the list is taken.
#[derive(Clone, Debug)]
pub struct Digest {
    hash: Fold,
    turns: u64,
    eye: Eye,
}

/// What of a turn counts with all its bytes. Of everything else kind, number and length do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eye {
    Everything,
    /// What is sent to peers.
    Sends,
    Nothing,
}

/// What was absorbed so far: 32 hex digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StateHash(pub u128);

impl fmt::Display for StateHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Default for Digest {
    fn default() -> Digest {
        Digest::new()
    }
}

impl Digest {
    /// A digest of nothing.
    pub fn new() -> Digest {
        Digest { hash: Fold::NOTHING, turns: 0, eye: Eye::Everything }
    }

    /// A digest of nothing to which every byte counts that is sent to a peer, and of all else kind, number
    /// and length: cheap enough for a broker that serves.
    pub fn of_sends() -> Digest {
        Digest { eye: Eye::Sends, ..Digest::new() }
    }

    /// A digest of nothing that stays the same when texts are replaced by others of the same length: of what
    /// is received, sent, stored and found, only kind and length count.
    pub fn blind() -> Digest {
        Digest { eye: Eye::Nothing, ..Digest::new() }
    }

    /// A fact comes in.
    pub fn told(&mut self, now: Now, input: &Input<'_>) {
        self.turns += 1;
        self.hash.take(now.mono.as_nanos(), now.wall.as_millis().cast_unsigned());
        let (hash, is_brief) = (&mut self.hash, self.eye != Eye::Everything);
        match input {
            Input::Received { conn, bytes } if is_brief => hash.take_short(1, bytes.len(), conn.0),
            Input::Stored { ticket, result } if is_brief => {
                let (kind, replies) = shape(result);
                hash.take_short(kind, replies, ticket.0);
            }
            Input::Scraped { conn, page } if is_brief => (7_u8, conn, page.len()).hash(hash),
            Input::Opened { conn, listener, remote } => (0_u8, conn, listener, remote).hash(hash),
            Input::Received { conn, bytes } => (1_u8, conn, &**bytes).hash(hash),
            Input::Sent { conn, bytes } => hash.take_short(2, *bytes, conn.0),
            Input::Closed { conn, how } => (3_u8, conn, how).hash(hash),
            Input::Stored { ticket, result } => (4_u8, ticket, result).hash(hash),
            Input::Relayed { from, envelope: _ } => (5_u8, from).hash(hash),
            Input::Adopted { conn, parcel: _ } => (6_u8, conn).hash(hash),
            Input::Scraped { conn, page } => (7_u8, conn, page).hash(hash),
            Input::Weighed { conn, memory } => (8_u8, conn, memory).hash(hash),
            Input::Forwarded { ticket, result } => (9_u8, ticket, result).hash(hash),
            Input::Dialled { dial, result } => (12_u8, dial, result).hash(hash),
            Input::Order(order) => (10_u8, order).hash(hash),
            Input::Wake => 11_u8.hash(hash),
        }
    }

    /// What the machine wished for because of it.
    pub fn said(&mut self, outputs: &Outputs, deadline: Option<Deadline>) {
        self.said_since(outputs, 0, deadline);
    }

    /// The same where earlier turns had put that many wishes into the list.
    pub fn said_since(&mut self, outputs: &Outputs, earlier: usize, deadline: Option<Deadline>) {
        let wishes = outputs.list().get(earlier..).unwrap_or_default();
        wishes.len().hash(&mut self.hash);
        for wish in wishes {
            match (self.eye, wish) {
                (Eye::Everything, _) | (Eye::Sends, Output::Send { .. }) => self.absorb(wish, outputs),
                (Eye::Sends | Eye::Nothing, _) => self.absorb_shape(wish, outputs),
            }
        }
        match deadline {
            Some(Deadline { at, cause }) => {
                cause.hash(&mut self.hash);
                self.hash.take(at.as_nanos(), 1);
            }
            None => self.hash.take(0, 0),
        }
    }

    fn absorb_shape(&mut self, output: &Output, arena: &Outputs) {
        let hash = &mut self.hash;
        match output {
            Output::Send { conn, bytes } => hash.take_short(1, arena.bytes(bytes).len(), conn.0),
            Output::Store(request) => match &request.work {
                Work::Write(batch) => (3_u8, request.ticket, batch.ops.len()).hash(hash),
                Work::Read(query) => (4_u8, request.ticket, query).hash(hash),
            },
            Output::Forward(forward) => (8_u8, forward.ticket, forward.body.len()).hash(hash),
            Output::Note(note) => (9_u8, note.level, note.msg).hash(hash),
            Output::Read { .. }
            | Output::Close { .. }
            | Output::Relay { .. }
            | Output::Handoff { .. }
            | Output::Scrape { .. }
            | Output::Weigh { .. }
            | Output::Dial { .. }
            | Output::Stats(_)
            | Output::Finished
            | Output::Fail { .. } => self.absorb(output, arena),
        }
    }

    fn absorb(&mut self, output: &Output, arena: &Outputs) {
        let hash = &mut self.hash;
        match output {
            Output::Read { conn } => hash.take_short(0, 0, conn.0),
            Output::Send { conn, bytes } => {
                let bytes = arena.bytes(bytes);
                hash.take_short(1, bytes.len(), conn.0);
                hash.write(bytes);
            }
            Output::Close { conn, how } => (2_u8, conn, how).hash(hash),
            Output::Store(request) => (3_u8, request).hash(hash),
            Output::Relay { to, envelope: _ } => (4_u8, to).hash(hash),
            Output::Handoff { conn, to, parcel: _ } => (5_u8, conn, to).hash(hash),
            Output::Scrape { conn, openmetrics } => (6_u8, conn, openmetrics).hash(hash),
            Output::Weigh { conn } => (7_u8, conn).hash(hash),
            Output::Forward(forward) => (8_u8, forward).hash(hash),
            Output::Dial { dial, to } => (13_u8, dial, to).hash(hash),
            Output::Note(note) => (9_u8, note).hash(hash),
            Output::Stats(stats) => (10_u8, stats).hash(hash),
            Output::Finished => 11_u8.hash(hash),
            Output::Fail { why } => (12_u8, why).hash(hash),
        }
    }

    /// Absorbs anything else that belongs to the state of a run.
    pub fn absorb_value(&mut self, value: &impl Hash) {
        value.hash(&mut self.hash);
    }

    /// Turns so far.
    pub fn turns(&self) -> u64 {
        self.turns
    }

    /// The state after the last turn.
    pub fn state(&self) -> StateHash {
        StateHash(self.hash.state())
    }
}

/// The kind of what came of a request, and its length, without what was found.
fn shape(result: &StoreResult) -> (u8, usize) {
    match result {
        Ok(Answer::Replies(replies)) => (4, replies.len()),
        Ok(Answer::Found(_)) => (24, 0),
        Err(_) => (44, 0),
    }
}

/// A check of bytes that are kept: it notices what a disk does to them.
pub(crate) fn check_of(bytes: &[u8]) -> u64 {
    let mut fold = Fold::NOTHING;
    fold.write(bytes);
    fold.finish()
}

/// Two lanes of a product folded onto itself, which take sixteen bytes at a step. Numbers are taken by their
/// value and texts by their bytes, so that a digest does not depend on the machine that makes it.
#[derive(Clone, Debug)]
struct Fold {
    one: u64,
    two: u64,
}

/// Bytes that `Fold::take_long` takes at a step.
const WIDE_BYTES: usize = 64;
/// The fractions of the square roots of 5, 7, 11 and 13.
const ODDS: [u64; 4] =
    [0x3c6e_f372_fe94_f82b, 0xa54f_f53a_5f1d_36f1, 0x510e_527f_ade6_82d1, 0x9b05_688c_2b3e_6c1f];

impl Fold {
    /// The fractions of the square roots of 2 and 3, as good as any.
    const NOTHING: Fold = Fold { one: 0x6a09_e667_f3bc_c908, two: 0xbb67_ae85_84ca_a73b };

    fn take(&mut self, first: u64, second: u64) {
        self.one = fold(self.one ^ first, second ^ ODDS[0]);
        self.two = fold(self.two ^ second, first ^ ODDS[1]);
    }

    /// A fact or a wish of which little counts.
    fn take_short(&mut self, kind: u8, length: usize, number: u64) {
        self.take(u64::from(kind) << 56 ^ length as u64, number);
    }

    /// A long text, by four products that do not wait for each other.
    fn take_long(&mut self, bytes: &[u8]) {
        let (one, two) = (self.one, self.two);
        let mut lanes = [one, two, one.rotate_left(32), two.rotate_left(32)];
        for wide in bytes.chunks_exact(WIDE_BYTES) {
            for ((lane, part), odd) in lanes.iter_mut().zip(wide.chunks_exact(16)).zip(ODDS) {
                *lane = fold(*lane ^ word(part), word(&part[8..]) ^ odd);
            }
        }
        self.take(lanes[0], lanes[1]);
        self.take(lanes[2], lanes[3]);
    }

    fn state(&self) -> u128 {
        let mut last = self.clone();
        last.take(self.two, self.one);
        u128::from(last.one) << 64 | u128::from(last.two)
    }
}

fn fold(one: u64, two: u64) -> u64 {
    let product = (u128::from(one) * u128::from(two)).to_le_bytes();
    word(&product) ^ word(&product[8..])
}

/// The number that the first eight bytes are, the least first; what is missing counts as nothing.
fn word(bytes: &[u8]) -> u64 {
    match bytes.first_chunk() {
        Some(whole) => u64::from_le_bytes(*whole),
        None => bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    }
}

macro_rules! by_value {
    ($($write:ident: $Number:ty),+ $(,)?) => {$(
        fn $write(&mut self, number: $Number) {
            self.take(number.into(), mem::size_of::<$Number>() as u64);
        }
    )+};
}

macro_rules! by_bits {
    ($($write:ident: $Number:ty),+ $(,)?) => {$(
        fn $write(&mut self, number: $Number) {
            self.take(u64::from(number.cast_unsigned()), mem::size_of::<$Number>() as u64);
        }
    )+};
}

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        let state = self.state().to_le_bytes();
        word(&state) ^ word(&state[8..])
    }

    fn write(&mut self, bytes: &[u8]) {
        let (long, rest) = bytes.split_at(bytes.len() - bytes.len() % WIDE_BYTES);
        if !long.is_empty() {
            self.take_long(long);
        }
        let mut chunks = rest.chunks_exact(16);
        for chunk in &mut chunks {
            self.take(word(chunk), word(&chunk[8..]));
        }
        let rest = chunks.remainder();
        let (first, second) = rest.split_at(rest.len().min(8));
        self.take(word(first), word(second) ^ (bytes.len() as u64).rotate_right(8));
    }

    by_value!(write_u8: u8, write_u16: u16, write_u32: u32, write_u64: u64);
    by_bits!(write_i8: i8, write_i16: i16, write_i32: i32, write_i64: i64);

    fn write_u128(&mut self, number: u128) {
        self.write(&number.to_le_bytes());
    }

    fn write_i128(&mut self, number: i128) {
        self.write(&number.to_le_bytes());
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_isize(&mut self, number: isize) {
        self.write_i64(number as i64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, Ticket};
    use crate::store::{Answer, Reply, StoreError};
    use crate::time::{Mono, Wall};

    fn at(millis: u64) -> Now {
        Now { mono: Mono::START.after_millis(millis), wall: Wall::from_millis(0) }
    }

    fn turn(now: Now, input: &Input<'_>, wish: Option<Output>) -> StateHash {
        let (mut digest, mut outputs) = (Digest::new(), Outputs::new());
        digest.told(now, input);
        wish.into_iter().for_each(|wish| outputs.push(wish));
        digest.said(&outputs, None);
        digest.state()
    }

    #[test]
    fn time_inputs_and_outputs_each_change_the_digest() {
        let conn = ConnId(7);
        let stored = |result| Input::Stored { ticket: Ticket(1), result };
        let mut states = vec![
            turn(at(0), &Input::Wake, None),
            turn(at(1), &Input::Wake, None),
            turn(at(0), &Input::Received { conn, bytes: &mut [1, 2] }, None),
            turn(at(0), &Input::Received { conn, bytes: &mut [1, 3] }, None),
            turn(at(0), &stored(Ok(Answer::Replies(vec![Reply::Done]))), None),
            turn(at(0), &stored(Err(StoreError::Full)), None),
            turn(at(0), &Input::Wake, Some(Output::Read { conn })),
            turn(at(0), &Input::Wake, Some(Output::Finished)),
        ];
        assert_eq!(turn(at(0), &Input::Wake, None), states[0]);
        states.sort();
        states.dedup();
        assert_eq!(states.len(), 8);
    }

    #[test]
    fn what_is_sent_counts_by_its_bytes_wherever_they_lie() {
        let said = |fill: &dyn Fn(&mut Outputs)| {
            let (mut digest, mut outputs) = (Digest::new(), Outputs::new());
            fill(&mut outputs);
            digest.said(&outputs, None);
            digest.state()
        };
        let shared = |text: &'static [u8]| crate::machine::Payload::Shared(bytes::Bytes::from_static(text));
        let copied = said(&|outputs| outputs.send_copy(ConnId(1), b"abc"));
        assert_eq!(
            copied,
            said(&|outputs| outputs.push(Output::Send { conn: ConnId(1), bytes: shared(b"abc") }))
        );
        assert_ne!(copied, said(&|outputs| outputs.send_copy(ConnId(1), b"abd")));
    }

    #[test]
    fn a_blind_digest_sees_kinds_and_lengths_alone() {
        let told = |mut digest: Digest, bytes: &mut [u8]| {
            digest.told(at(0), &Input::Received { conn: ConnId(1), bytes });
            let mut outputs = Outputs::new();
            outputs.send_copy(ConnId(1), bytes);
            digest.said(&outputs, None);
            digest.state()
        };
        let blind = told(Digest::blind(), &mut [4, 5, 6]);
        assert_eq!(blind, told(Digest::blind(), &mut [1, 2, 3]));
        assert_ne!(blind, told(Digest::blind(), &mut [1, 2]));
        assert_ne!(told(Digest::new(), &mut [1, 2, 3]), told(Digest::new(), &mut [1, 2, 4]));
    }

    #[test]
    fn every_byte_and_the_length_of_a_text_count() {
        let mut seen: Vec<u64> = (0..300).map(|length| check_of(&vec![0; length])).collect();
        let long = [7; 300];
        for place in 0..long.len() {
            let mut other = long;
            other[place] ^= 1;
            seen.push(check_of(&other));
        }
        let all = seen.len();
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), all);
    }

    #[test]
    fn a_state_is_shown_by_32_hex_digits() {
        let mut digest = Digest::new();
        digest.told(at(0), &Input::Wake);
        digest.said(&Outputs::new(), None);
        assert_eq!((digest.state().to_string().len(), digest.turns()), (32, 1));
        assert_eq!(StateHash(10).to_string(), format!("{}a", "0".repeat(31)));
    }
}
