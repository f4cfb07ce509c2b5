//! Lives a recording again: the same machines, the same facts, and the same states or a word where they
//! differ.
//!
//! Shards are lived side by side. What they say to each other is not in the recording: it is made again,
//! and a fact that brings something from another shard waits until that shard has said it. Beyond that
//! they take turns by the clock that they shared.

use std::collections::{BTreeMap, VecDeque};

use super::file::{Block, Blocks, End, EndReason, FactBlock, JournalError};
use super::header::{Header, Payloads};
use super::scribe::{Fact, Facts};
use crate::broker::Broker;
use crate::digest::{Digest, StateHash};
use crate::ids::{ConnId, ShardId};
use crate::machine::{Envelope, Input, Machine, Output, Outputs, Parcel};
use crate::time::Now;

/// A recording being lived again.
#[derive(Debug)]
pub struct Relive<'a> {
    header: Header,
    shards: Vec<Shard<'a>>,
    envelopes: BTreeMap<(ShardId, ShardId), VecDeque<Envelope>>,
    parcels: BTreeMap<(ShardId, ConnId), VecDeque<Parcel>>,
    end: Option<End>,
    torn_bytes: usize,
    damage: Option<JournalError>,
    is_warned: bool,
    todo: Outputs,
}

#[derive(Debug)]
struct Shard<'a> {
    machine: Broker,
    digest: Digest,
    blocks: VecDeque<FactBlock<'a>>,
    /// Reads the first of them.
    facts: Option<Facts>,
    next: Option<(Now, Fact)>,
}

/// Somebody who watches.
pub trait Witness {
    /// A shard is about to be told this.
    fn told(&mut self, at: Turn, fact: &Fact);

    /// It answered this. What moves between shards is not in it any more.
    fn said(&mut self, at: Turn, outputs: &Outputs);
}

impl Witness for () {
    fn told(&mut self, _: Turn, _: &Fact) {}

    fn said(&mut self, _: Turn, _: &Outputs) {}
}

/// One turn of one shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turn {
    /// Whose.
    pub shard: ShardId,
    /// The how manieth, from 1.
    pub number: u64,
    /// When.
    pub now: Now,
}

/// How far a recording was lived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One turn further.
    Lived,
    /// The broker failed in the turn that comes next; it is lived by the next step.
    Fatal,
    /// To its end.
    Ended,
}

/// Why a recording cannot be lived on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReliveError {
    /// The file cannot be read on.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Facts are missing.
    #[error("shard {shard}: facts {from} to {to} are missing from the recording")]
    Hole {
        /// Of which shard.
        shard: ShardId,
        /// The first that is missing, from 1.
        from: u64,
        /// The last.
        to: u64,
    },
    /// A fact is not what facts look like.
    #[error(
        "shard {shard}: what it was told in turn {turn} cannot be read; use the program that recorded it"
    )]
    Unreadable {
        /// Of which shard.
        shard: ShardId,
        /// In which turn.
        turn: u64,
    },
    /// What was lived is not what was recorded.
    #[error(
        "shard {shard}: after turn {turn} the state is {found}, and the recording says {wanted}; \
         it differs somewhere from turn {from} on"
    )]
    Differs {
        /// Of which shard.
        shard: ShardId,
        /// The first turn that may differ.
        from: u64,
        /// The turn after which it was noticed.
        turn: u64,
        /// What it should be.
        wanted: StateHash,
        /// What it is.
        found: StateHash,
    },
    /// Shards wait for what nobody says.
    #[error("shard {shard}: in turn {turn} another shard should have said something, and has not")]
    Silent {
        /// Which shard waits.
        shard: ShardId,
        /// For its turn.
        turn: u64,
    },
}

/// The state of a whole broker: turns and state of each shard, in their order.
pub fn state_of(shards: &[(u64, StateHash)]) -> StateHash {
    let mut all = Digest::new();
    all.absorb_value(&shards);
    all.state()
}

impl<'a> Relive<'a> {
    /// Reads a whole file. One that is damaged can be lived up to the damage.
    ///
    /// # Errors
    /// [`JournalError`] when it is no recording that can be lived again.
    pub fn open(file: &'a [u8]) -> Result<Relive<'a>, JournalError> {
        let (header, mut blocks) = Blocks::open(file)?;
        let digest = match header.payloads {
            Payloads::Full => Digest::of_sends(),
            Payloads::Hash => Digest::blind(),
        };
        let lives = header.machines().into_iter().map(|machine| Shard {
            machine,
            digest: digest.clone(),
            blocks: VecDeque::new(),
            facts: None,
            next: None,
        });
        let mut shards: Vec<Shard<'a>> = lives.collect();
        let (mut end, mut damage) = (None, None);
        while end.is_none() && damage.is_none() {
            let at = file.len() - blocks.torn_bytes();
            match blocks.next_block() {
                Ok(Some(Block::Facts(block))) => match shards.get_mut(usize::from(block.shard.0)) {
                    Some(shard) => shard.blocks.push_back(block),
                    None => damage = Some(JournalError::Damaged { at }),
                },
                Ok(Some(Block::End(found))) => end = Some(found),
                Ok(None) => break,
                Err(error) => damage = Some(error),
            }
        }
        let torn_bytes = blocks.torn_bytes();
        let (envelopes, parcels, todo) = (BTreeMap::new(), BTreeMap::new(), Outputs::new());
        Ok(Relive { header, shards, envelopes, parcels, end, torn_bytes, damage, is_warned: false, todo })
    }

    /// What the recording begins with.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// How it ended; `None` when it was cut off.
    pub fn end(&self) -> Option<&End> {
        self.end.as_ref()
    }

    /// Bytes at the end of the file that belong to a block that was never finished.
    pub fn torn_bytes(&self) -> usize {
        self.torn_bytes
    }

    /// Turns and state of each shard, as far as it was lived.
    pub fn shards(&self) -> Vec<(u64, StateHash)> {
        self.shards.iter().map(|shard| (shard.digest.turns(), shard.digest.state())).collect()
    }

    /// The state of all of it, as far as it was lived.
    pub fn state(&self) -> StateHash {
        state_of(&self.shards())
    }

    /// Lives everything that is left but a turn that the broker failed in.
    ///
    /// # Errors
    /// [`ReliveError`] where it cannot be lived on.
    pub fn to_the_end(&mut self, witness: &mut impl Witness) -> Result<Step, ReliveError> {
        loop {
            match self.step(witness)? {
                Step::Lived => {}
                over @ (Step::Fatal | Step::Ended) => return Ok(over),
            }
        }
    }

    /// Lives one turn. After [`Step::Fatal`], the next step lives the turn that the broker failed in.
    ///
    /// # Errors
    /// [`ReliveError`] where it cannot be lived on.
    pub fn step(&mut self, witness: &mut impl Witness) -> Result<Step, ReliveError> {
        let Some(place) = self.choose()? else { return self.ended() };
        if self.shards[place].is_fatal() && !std::mem::replace(&mut self.is_warned, true) {
            return Ok(Step::Fatal);
        }
        let Some((now, fact)) = self.shards[place].next.take() else { return Ok(Step::Ended) };
        let shard = ShardId(u16::try_from(place).unwrap_or(u16::MAX));
        let turn = Turn { shard, number: self.shards[place].digest.turns() + 1, now };
        witness.told(turn, &fact);
        self.live(shard, place, now, fact);
        witness.said(turn, &self.todo);
        let spent = self.todo.take();
        self.todo.clear(spent);
        self.shards[place].check(shard)?;
        Ok(Step::Lived)
    }

    /// The shard whose turn is next: the earliest by the clock of those that wait for nothing, and one that
    /// failed in it last.
    fn choose(&mut self) -> Result<Option<usize>, ReliveError> {
        for (no, shard) in (0..).map(ShardId).zip(&mut self.shards) {
            shard.look_ahead(no)?;
        }
        let ready = self.shards.iter().enumerate().filter_map(|(place, shard)| {
            let (now, fact) = shard.next.as_ref()?;
            self.is_ready(place, fact).then(|| (shard.is_fatal(), now.mono, place))
        });
        Ok(ready.min().map(|(_, _, place)| place))
    }

    fn is_ready(&self, place: usize, fact: &Fact) -> bool {
        let own = ShardId(u16::try_from(place).unwrap_or(u16::MAX));
        match fact {
            Fact::Relayed(from) => self.envelopes.contains_key(&(*from, own)),
            Fact::Adopted(conn) => self.parcels.contains_key(&(own, *conn)),
            Fact::Opened(..)
            | Fact::Received(..)
            | Fact::Sent(..)
            | Fact::Closed(..)
            | Fact::Stored(..)
            | Fact::Scraped(..)
            | Fact::Weighed(..)
            | Fact::Forwarded(..)
            | Fact::Order(_)
            | Fact::Wake => true,
        }
    }

    /// Nobody can go on: at the end of the recording, at damage, or because something was never said. A
    /// recording that was cut off may lack it; one with an end does not.
    fn ended(&self) -> Result<Step, ReliveError> {
        if let Some(damage) = &self.damage {
            return Err(damage.clone().into());
        }
        let waiting = (0..).map(ShardId).zip(&self.shards).find(|(_, shard)| shard.next.is_some());
        match waiting {
            Some((shard, waits)) if self.end.as_ref().is_some_and(|end| end.why == EndReason::Finished) => {
                Err(ReliveError::Silent { shard, turn: waits.digest.turns() + 1 })
            }
            Some(_) | None => Ok(Step::Ended),
        }
    }

    fn live(&mut self, own: ShardId, place: usize, now: Now, fact: Fact) {
        let mut received;
        let input = match fact {
            Fact::Opened(conn, listener, remote) => Input::Opened { conn, listener, remote },
            Fact::Received(conn, bytes) => {
                received = bytes;
                Input::Received { conn, bytes: &mut received }
            }
            Fact::Sent(conn, bytes) => Input::Sent { conn, bytes },
            Fact::Closed(conn, how) => Input::Closed { conn, how },
            Fact::Stored(ticket, result) => Input::Stored { ticket, result },
            Fact::Relayed(from) => match take_first(&mut self.envelopes, &(from, own)) {
                Some(envelope) => Input::Relayed { from, envelope },
                None => return,
            },
            Fact::Adopted(conn) => match take_first(&mut self.parcels, &(own, conn)) {
                Some(parcel) => Input::Adopted { conn, parcel },
                None => return,
            },
            Fact::Scraped(conn, page) => Input::Scraped { conn, page },
            Fact::Weighed(conn, memory) => Input::Weighed { conn, memory },
            Fact::Forwarded(ticket, result) => Input::Forwarded { ticket, result },
            Fact::Order(order) => Input::Order(order),
            Fact::Wake => Input::Wake,
        };
        let (shard, todo) = (&mut self.shards[place], &mut self.todo);
        shard.digest.told(now, &input);
        let deadline = shard.machine.handle(now, input, todo);
        shard.digest.said(todo, deadline);
        for wish in todo.take() {
            match wish {
                Output::Relay { to, envelope } => {
                    self.envelopes.entry((own, to)).or_default().push_back(envelope);
                }
                Output::Handoff { conn, to, parcel } => {
                    self.parcels.entry((to, conn)).or_default().push_back(parcel);
                }
                other => todo.push(other),
            }
        }
    }
}

impl<'a> Shard<'a> {
    /// Reads the next fact, if none waits.
    fn look_ahead(&mut self, own: ShardId) -> Result<(), ReliveError> {
        while self.next.is_none() {
            let Some(block) = self.blocks.front().copied() else { return Ok(()) };
            match self.facts.as_mut() {
                None => {
                    let lived = self.digest.turns();
                    if block.first != lived {
                        return Err(ReliveError::Hole { shard: own, from: lived + 1, to: block.first });
                    }
                    self.facts = Some(Facts::new(block.facts));
                }
                Some(facts) if facts.left == 0 => {
                    self.blocks.pop_front();
                    self.facts = None;
                }
                Some(facts) => {
                    let turn = self.digest.turns() + 1;
                    let fact = facts.next(block.bytes);
                    self.next = Some(fact.ok_or(ReliveError::Unreadable { shard: own, turn })?);
                }
            }
        }
        Ok(())
    }

    /// True when the broker did not answer the next fact.
    fn is_fatal(&self) -> bool {
        self.blocks.front().is_some_and(|block| self.digest.turns() == block.first + block.answered)
    }

    /// At the end of what a block's state stands for, compares.
    fn check(&self, own: ShardId) -> Result<(), ReliveError> {
        let Some(block) = self.blocks.front() else { return Ok(()) };
        let (turn, found) = (self.digest.turns(), self.digest.state());
        if turn != block.first + block.answered || found == block.state {
            return Ok(());
        }
        let (from, wanted) = (block.first + 1, block.state);
        Err(ReliveError::Differs { shard: own, from, turn, wanted, found })
    }
}

fn take_first<K: Ord, T>(queues: &mut BTreeMap<K, VecDeque<T>>, key: &K) -> Option<T> {
    let queue = queues.get_mut(key)?;
    let first = queue.pop_front();
    if queue.is_empty() {
        queues.remove(key);
    }
    first
}
