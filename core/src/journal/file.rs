//! The file of a recording: a mark, a header, blocks of facts, and an end where there was one.
//!
//! Every block has its length and a check of its bytes before it. *Always holds:* what cannot be read is told
//! apart: no recording, another format, a damaged block, and a file that stops in the middle of a block, as
//! one does whose process was killed.

use super::coded::{Coded, Tape, coded_enums, coded_structs};
use super::header::Header;
use crate::digest::{StateHash, check_of};
use crate::ids::ShardId;

/// What a file begins with.
const MARK: &[u8; 15] = b"peermesh-record";
/// Which way of writing things down follows the mark.
const FORMAT: u8 = 2;
/// Length and check before each block.
const BLOCK_HEAD_BYTES: usize = 4 + 8;
/// That, and what a block of facts says before its facts: kind, shard, first, facts, answered, state.
pub(super) const FACTS_HEAD_BYTES: usize = BLOCK_HEAD_BYTES + 1 + 2 + 8 + 8 + 8 + 16;

const HEADER: u8 = 0;
const FACTS: u8 = 1;
const END: u8 = 2;

/// Why a file is no recording that can be lived again, or only up to a point.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// It begins with something else.
    #[error("it is no recording of a broker")]
    Foreign,
    /// It is of another format.
    #[error("it is a recording of format {0}, and this program reads format 2; use the program that made it")]
    Format(u8),
    /// Its header is not whole.
    #[error("it ends before its header does: the broker was stopped before it had recorded anything")]
    Headless,
    /// Its header names what this program does not know.
    #[error("its header names settings that this program does not know; use the program that made it")]
    Unknown,
    /// Bytes in the middle are not what was written.
    #[error("it is damaged at byte {at}: what stands there is not what was written")]
    Damaged {
        /// Where.
        at: usize,
    },
}

/// What a block holds.
#[derive(Debug)]
pub enum Block<'a> {
    /// Facts of one shard.
    Facts(FactBlock<'a>),
    /// The recording ends.
    End(End),
}

/// Facts of one shard, in their order.
#[derive(Clone, Copy, Debug)]
pub struct FactBlock<'a> {
    /// Whose.
    pub shard: ShardId,
    /// Facts of that shard in earlier blocks.
    pub first: u64,
    /// How many.
    pub facts: u64,
    /// Of them, those that the machine was told and did not die of.
    pub answered: u64,
    /// The state after the last of those.
    pub state: StateHash,
    /// As they were written down.
    pub bytes: &'a [u8],
}

/// How a recording ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub why: EndReason,
    /// Turns and state of each shard.
    pub shards: Vec<(u64, StateHash)>,
}

/// Why a recording ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndReason {
    /// The broker ended in good order.
    Finished,
    /// It had become as long as one may be.
    Full,
    /// The disk did not keep up, and something could not be recorded.
    Slow,
    /// The disk refused.
    Refused,
    /// The broker failed in the middle of a turn.
    Failed,
}

impl EndReason {
    /// The word in answers and log records.
    pub const fn word(self) -> &'static str {
        match self {
            EndReason::Finished => "finished",
            EndReason::Full => "full",
            EndReason::Slow => "hole",
            EndReason::Refused => "refused",
            EndReason::Failed => "failed",
        }
    }
}

coded_enums! {
    EndReason { 0 = Finished, 1 = Full, 2 = Slow, 3 = Refused, 4 = Failed }
}

coded_structs! {
    End { why, shards }
}

impl Coded for StateHash {
    fn put(&self, to: &mut Vec<u8>) {
        self.0.to_le_bytes().put(to);
    }

    fn take(from: &mut Tape<'_>) -> Option<StateHash> {
        Coded::take(from).map(|bytes| StateHash(u128::from_le_bytes(bytes)))
    }
}

impl Header {
    /// The beginning of a file.
    pub fn beginning(&self) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.push(FORMAT);
        bytes.extend_from_slice(&block_of(HEADER, self));
        bytes
    }
}

impl End {
    /// The end of a file.
    pub fn block(&self) -> Vec<u8> {
        block_of(END, self)
    }
}

fn block_of(kind: u8, content: &impl Coded) -> Vec<u8> {
    let mut block = vec![0; BLOCK_HEAD_BYTES];
    block.push(kind);
    content.put(&mut block);
    seal(&mut block);
    block
}

/// Fills in what stands before the facts of a block.
pub(super) fn seal_facts(
    block: &mut [u8],
    shard: ShardId,
    first: u64,
    facts: u64,
    answered: u64,
    state: StateHash,
) {
    let mut head = Vec::with_capacity(FACTS_HEAD_BYTES);
    head.resize(BLOCK_HEAD_BYTES, 0);
    head.push(FACTS);
    head.extend_from_slice(&shard.0.to_le_bytes());
    for number in [first, facts, answered] {
        head.extend_from_slice(&number.to_le_bytes());
    }
    head.extend_from_slice(&state.0.to_le_bytes());
    if let Some(place) = block.get_mut(..FACTS_HEAD_BYTES) {
        place.copy_from_slice(&head);
    }
    seal(block);
}

/// Fills in length and check, which cover all that follows them.
fn seal(block: &mut [u8]) {
    let Some((head, content)) = block.split_first_chunk_mut::<BLOCK_HEAD_BYTES>() else { return };
    let length = u32::try_from(content.len()).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&check_of(content).to_le_bytes());
}

/// The blocks of a file, in their order.
#[derive(Clone, Debug)]
pub struct Blocks<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Blocks<'a> {
    /// Reads mark and header.
    ///
    /// # Errors
    /// [`JournalError`] when the file is none that can be lived again.
    pub fn open(file: &'a [u8]) -> Result<(Header, Blocks<'a>), JournalError> {
        let Some((mark, rest)) = file.split_first_chunk::<{ MARK.len() }>() else {
            return Err(if MARK.starts_with(file) && !file.is_empty() {
                JournalError::Headless
            } else {
                JournalError::Foreign
            });
        };
        match rest.first() {
            _ if mark != MARK => return Err(JournalError::Foreign),
            None => return Err(JournalError::Headless),
            Some(&FORMAT) => {}
            Some(&other) => return Err(JournalError::Format(other)),
        }
        let mut blocks = Blocks { file, at: MARK.len() + 1 };
        let Some(content) = blocks.content()? else { return Err(JournalError::Headless) };
        let mut tape = Tape(content);
        if u8::take(&mut tape) != Some(HEADER) {
            return Err(JournalError::Damaged { at: MARK.len() + 1 });
        }
        let header = Header::take(&mut tape).filter(|_| tape.is_at_end()).ok_or(JournalError::Unknown)?;
        Ok((header, blocks))
    }

    /// The next block; `None` where the file ends, be it in the middle of a block.
    ///
    /// # Errors
    /// [`JournalError::Damaged`] when what stands there is not what was written.
    pub fn next_block(&mut self) -> Result<Option<Block<'a>>, JournalError> {
        let at = self.at;
        let Some(content) = self.content()? else { return Ok(None) };
        block_in(content).map(Some).ok_or(JournalError::Damaged { at })
    }

    /// Bytes behind the last whole block.
    pub fn torn_bytes(&self) -> usize {
        self.file.len() - self.at
    }

    fn content(&mut self) -> Result<Option<&'a [u8]>, JournalError> {
        let rest = self.file.get(self.at..).unwrap_or_default();
        let Some((head, rest)) = rest.split_first_chunk::<BLOCK_HEAD_BYTES>() else { return Ok(None) };
        let [a, b, c, d, check @ ..] = *head;
        let length = usize::try_from(u32::from_le_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        let Some(content) = rest.get(..length) else { return Ok(None) };
        if check_of(content) != u64::from_le_bytes(check) {
            return Err(JournalError::Damaged { at: self.at });
        }
        self.at += BLOCK_HEAD_BYTES + length;
        Ok(Some(content))
    }
}

fn block_in(content: &[u8]) -> Option<Block<'_>> {
    let mut tape = Tape(content);
    match u8::take(&mut tape)? {
        FACTS => {
            let shard = ShardId(u16::from_le_bytes(<[u8; 2]>::take(&mut tape)?));
            let mut number = || <[u8; 8]>::take(&mut tape).map(u64::from_le_bytes);
            let (first, facts, answered) = (number()?, number()?, number()?);
            let state = StateHash::take(&mut tape)?;
            Some(Block::Facts(FactBlock { shard, first, facts, answered, state, bytes: tape.0 }))
        }
        END => End::take(&mut tape).filter(|_| tape.is_at_end()).map(Block::End),
        _ => None,
    }
}
