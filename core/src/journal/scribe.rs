//! Writes down what one machine is told, turn after turn, in blocks that each say what state they lead to.
//!
//! *Always holds:* a fact is written down before the machine is told, so that the one that a machine died
//! of is there. A block can be read without those before it.

use std::net::IpAddr;

use bytes::Bytes;

use super::coded::{Coded, Tape, put_counted};
use super::file::{self, FACTS_HEAD_BYTES};
use super::header::Payloads;
use super::shade::{Shade, Stream};
use crate::digest::{Digest, StateHash};
use crate::forward::Forwarded;
use crate::ids::{ConnId, ShardId, Ticket};
use crate::machine::{Closing, Deadline, Ending, Input, Listener, Memory, Order, Output, Outputs};
use crate::store::StoreResult;
use crate::time::{Mono, Now, Wall};

/// Writes down what one machine is told.
#[derive(Debug)]
pub struct Scribe {
    shard: ShardId,
    digest: Digest,
    /// As it was before the turn under way.
    settled: Digest,
    is_in_turn: bool,
    block: Vec<u8>,
    /// Facts before this block.
    first: u64,
    facts: u64,
    /// The time of the last fact of this block.
    last: Now,
    /// Puts other letters in the place of what is sealed.
    shade: Option<Shade>,
    /// Connections that moved on, as far as they were followed.
    departed: Vec<(ConnId, Stream)>,
}

/// A fact as it was written down.
#[derive(Debug)]
pub enum Fact {
    /// `Input::Opened`.
    Opened(ConnId, Listener, IpAddr),
    /// `Input::Received`.
    Received(ConnId, Vec<u8>),
    /// `Input::Sent`.
    Sent(ConnId, usize),
    /// `Input::Closed`.
    Closed(ConnId, Ending),
    /// `Input::Stored`.
    Stored(Ticket, StoreResult),
    /// `Input::Relayed`, without what was said: whoever said it says it again.
    Relayed(ShardId),
    /// `Input::Adopted`, without what came along: whoever let it go lets it go again.
    Adopted(ConnId),
    /// `Input::Scraped`.
    Scraped(ConnId, Bytes),
    /// `Input::Weighed`.
    Weighed(ConnId, Memory),
    /// `Input::Forwarded`.
    Forwarded(Ticket, Forwarded),
    /// `Input::Order`.
    Order(Order),
    /// `Input::Wake`.
    Wake,
}

impl Scribe {
    /// A scribe that has written nothing. Whatever is not kept is replaced under the key, which is the
    /// same for all shards and must not be kept either.
    pub fn new(shard: ShardId, payloads: Payloads, key: [u8; 16]) -> Scribe {
        let (digest, shade) = match payloads {
            Payloads::Full => (Digest::of_sends(), None),
            Payloads::Hash => (Digest::blind(), Some(Shade::new(key))),
        };
        Scribe {
            shard,
            settled: digest.clone(),
            digest,
            is_in_turn: false,
            block: vec![0; FACTS_HEAD_BYTES],
            first: 0,
            facts: 0,
            last: Now::default(),
            shade,
            departed: Vec::new(),
        }
    }

    /// Follows a connection on from where another shard's scribe left it: before the machine is told that it
    /// came.
    pub fn arrives(&mut self, conn: ConnId, stream: Stream) {
        if let Some(shade) = &mut self.shade {
            shade.arrives(conn, stream);
        }
    }

    /// Connections that moved to other shards, for their scribes. There are none where everything is kept.
    pub fn departed(&mut self) -> impl Iterator<Item = (ConnId, Stream)> {
        self.departed.drain(..)
    }

    /// The machine is about to be told this.
    pub fn told(&mut self, now: Now, input: &Input<'_>) {
        self.settled = self.digest.clone();
        self.is_in_turn = true;
        self.facts += 1;
        let is_same_moment = now == self.last;
        let to = &mut self.block;
        to.push(kind(input) | if is_same_moment { SAME_MOMENT } else { 0 });
        if !is_same_moment {
            now.mono.as_nanos().wrapping_sub(self.last.mono.as_nanos()).put(to);
            now.wall.as_millis().wrapping_sub(self.last.wall.as_millis()).put(to);
            self.last = now;
        }
        match (&mut self.shade, input) {
            (Some(shade), Input::Received { conn, bytes }) => {
                put(input, to);
                let start = to.len() - bytes.len();
                shade.stream(*conn, to.get_mut(start..).unwrap_or_default());
            }
            (Some(shade), Input::Stored { ticket, result }) => {
                ticket.put(to);
                shade.answered(result).as_ref().unwrap_or(result).put(to);
            }
            (Some(shade), Input::Closed { conn, how: Ending::Broken }) => {
                shade.leaves(*conn);
                put(input, to);
            }
            (Some(_) | None, _) => put(input, to),
        }
        self.digest.told(now, input);
    }

    /// The machine added this to what was wished for before. Wishes of earlier turns stand before `earlier`.
    pub fn said(&mut self, outputs: &Outputs, earlier: usize, deadline: Option<Deadline>) {
        self.digest.said_since(outputs, earlier, deadline);
        self.is_in_turn = false;
        let Some(shade) = &mut self.shade else { return };
        for wish in outputs.list().get(earlier..).unwrap_or_default() {
            match wish {
                Output::Handoff { conn, .. } => {
                    self.departed.extend(shade.leaves(*conn).map(|stream| (*conn, stream)));
                }
                Output::Close { conn, how: Closing::Both } => {
                    shade.leaves(*conn);
                }
                _ => {}
            }
        }
    }

    /// Bytes of the block under way.
    pub fn len(&self) -> usize {
        self.block.len()
    }

    /// True when the block under way holds nothing.
    pub fn is_empty(&self) -> bool {
        self.facts == 0
    }

    /// True while the machine has been told something and has not answered.
    pub fn is_in_turn(&self) -> bool {
        self.is_in_turn
    }

    /// Ends the block under way and begins the next in a place of the caller's; `None` when it holds nothing.
    pub fn take_block(&mut self, mut spare: Vec<u8>) -> Option<Vec<u8>> {
        if self.is_empty() {
            return None;
        }
        spare.clear();
        spare.resize(FACTS_HEAD_BYTES, 0);
        let mut block = std::mem::replace(&mut self.block, spare);
        let answered = self.facts - u64::from(self.is_in_turn);
        file::seal_facts(&mut block, self.shard, self.first, self.facts, answered, self.state());
        self.first += self.facts;
        self.facts = 0;
        self.last = Now::default();
        Some(block)
    }

    /// The state after the last turn that ended.
    pub fn state(&self) -> StateHash {
        if self.is_in_turn { self.settled.state() } else { self.digest.state() }
    }

    /// Turns that ended.
    pub fn turns(&self) -> u64 {
        self.digest.turns() - u64::from(self.is_in_turn)
    }
}

/// In the first byte of a fact: its moment is that of the fact before it.
const SAME_MOMENT: u8 = 0x80;

const fn kind(input: &Input<'_>) -> u8 {
    match input {
        Input::Opened { .. } => 0,
        Input::Received { .. } => 1,
        Input::Sent { .. } => 2,
        Input::Closed { .. } => 3,
        Input::Stored { .. } => 4,
        Input::Relayed { .. } => 5,
        Input::Adopted { .. } => 6,
        Input::Scraped { .. } => 7,
        Input::Weighed { .. } => 8,
        Input::Forwarded { .. } => 9,
        Input::Order(_) => 10,
        Input::Wake => 11,
        // A broker dials nobody, so no recording has one.
        Input::Dialled { .. } => 12,
    }
}

fn put(input: &Input<'_>, to: &mut Vec<u8>) {
    match input {
        Input::Opened { conn, listener, remote } => {
            conn.put(to);
            listener.put(to);
            remote.put(to);
        }
        Input::Received { conn, bytes } => {
            conn.put(to);
            put_counted(bytes, to);
        }
        Input::Sent { conn, bytes } => {
            conn.put(to);
            bytes.put(to);
        }
        Input::Closed { conn, how } => {
            conn.put(to);
            how.put(to);
        }
        Input::Stored { ticket, result } => {
            ticket.put(to);
            result.put(to);
        }
        Input::Relayed { from, envelope: _ } => from.put(to),
        Input::Adopted { conn, parcel: _ } => conn.put(to),
        Input::Scraped { conn, page } => {
            conn.put(to);
            page.put(to);
        }
        Input::Weighed { conn, memory } => {
            conn.put(to);
            memory.put(to);
        }
        Input::Forwarded { ticket, result } => {
            ticket.put(to);
            result.put(to);
        }
        Input::Order(order) => order.put(to),
        Input::Dialled { .. } | Input::Wake => {}
    }
}

/// Reads the facts of one block.
#[derive(Debug)]
pub(super) struct Facts {
    /// How many are left.
    pub(super) left: u64,
    last: Now,
    at: usize,
}

impl Facts {
    pub(super) fn new(count: u64) -> Facts {
        Facts { left: count, last: Now::default(), at: 0 }
    }

    /// The next one of the block whose facts these bytes are; `None` when there is none, or none that can be
    /// read.
    pub(super) fn next(&mut self, block: &[u8]) -> Option<(Now, Fact)> {
        self.left = self.left.checked_sub(1)?;
        let mut tape = Tape(block.get(self.at..)?);
        let whole = tape.0.len();
        let tag = u8::take(&mut tape)?;
        if tag & SAME_MOMENT == 0 {
            let mono = self.last.mono.as_nanos().wrapping_add(u64::take(&mut tape)?);
            let wall = self.last.wall.as_millis().wrapping_add(i64::take(&mut tape)?);
            self.last = Now { mono: Mono::from_nanos(mono), wall: Wall::from_millis(wall) };
        }
        let fact = take(tag & !SAME_MOMENT, &mut tape)?;
        self.at += whole - tape.0.len();
        Some((self.last, fact))
    }
}

fn take(kind: u8, from: &mut Tape<'_>) -> Option<Fact> {
    Some(match kind {
        0 => Fact::Opened(Coded::take(from)?, Coded::take(from)?, Coded::take(from)?),
        1 => Fact::Received(Coded::take(from)?, from.counted()?.to_vec()),
        2 => Fact::Sent(Coded::take(from)?, Coded::take(from)?),
        3 => Fact::Closed(Coded::take(from)?, Coded::take(from)?),
        4 => Fact::Stored(Coded::take(from)?, Coded::take(from)?),
        5 => Fact::Relayed(Coded::take(from)?),
        6 => Fact::Adopted(Coded::take(from)?),
        7 => Fact::Scraped(Coded::take(from)?, Coded::take(from)?),
        8 => Fact::Weighed(Coded::take(from)?, Coded::take(from)?),
        9 => Fact::Forwarded(Coded::take(from)?, Coded::take(from)?),
        10 => Fact::Order(Coded::take(from)?),
        11 => Fact::Wake,
        _ => return None,
    })
}
