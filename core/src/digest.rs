//! A running digest of everything a machine was told and everything it wished for.
//!
//! Two runs that were told the same have the same digest after every turn; the first turn after which they
//! differ is where something else than time and inputs came in. What moves between shards is sealed, so of it
//! only the road counts: its content follows from the digest of the shard it came from.

use std::fmt;
use std::hash::{Hash, Hasher};

use siphasher::sip128::{Hasher128, SipHasher13};

use crate::machine::{Deadline, Input, Output, Outputs};
use crate::time::Now;

/// Absorbs the turns of one machine.
///
/// A turn is [`Digest::told`] before `Machine::handle`, because that unmasks what it is lent, and
/// [`Digest::said`] after it, before the list is taken.
#[derive(Clone, Debug)]
pub struct Digest {
    hash: Portable,
    turns: u64,
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
        Digest { hash: Portable(SipHasher13::new()), turns: 0 }
    }

    /// A fact comes in.
    pub fn told(&mut self, now: Now, input: &Input<'_>) {
        self.turns += 1;
        (self.turns, now).hash(&mut self.hash);
        let hash = &mut self.hash;
        match input {
            Input::Opened { conn, listener, remote } => (0_u8, conn, listener, remote).hash(hash),
            Input::Received { conn, bytes } => (1_u8, conn, &**bytes).hash(hash),
            Input::Sent { conn, bytes } => (2_u8, conn, bytes).hash(hash),
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
        outputs.list().len().hash(&mut self.hash);
        for output in outputs.list() {
            self.absorb(output, outputs);
        }
        deadline.hash(&mut self.hash);
    }

    fn absorb(&mut self, output: &Output, arena: &Outputs) {
        let hash = &mut self.hash;
        match output {
            Output::Read { conn } => (0_u8, conn).hash(hash),
            Output::Send { conn, bytes } => (1_u8, conn, arena.bytes(bytes)).hash(hash),
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
        StateHash(self.hash.0.finish128().as_u128())
    }
}

/// Hashes numbers by their bytes in one order, so that a digest does not depend on the machine that makes it.
#[derive(Clone, Debug)]
struct Portable(SipHasher13);

macro_rules! in_one_order {
    ($($write:ident: $Number:ty),+ $(,)?) => {$(
        fn $write(&mut self, number: $Number) {
            self.0.write(&number.to_le_bytes());
        }
    )+};
}

impl Hasher for Portable {
    fn finish(&self) -> u64 {
        self.0.finish()
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }

    in_one_order!(
        write_u16: u16, write_u32: u32, write_u64: u64, write_u128: u128,
        write_i16: i16, write_i32: i32, write_i64: i64, write_i128: i128,
    );

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
    fn a_state_is_shown_by_32_hex_digits() {
        let mut digest = Digest::new();
        digest.told(at(0), &Input::Wake);
        digest.said(&Outputs::new(), None);
        assert_eq!((digest.state().to_string().len(), digest.turns()), (32, 1));
        assert_eq!(StateHash(10).to_string(), format!("{}a", "0".repeat(31)));
    }
}
