//! Tells of most keys of client message ids that nobody has them, without a look at any table.
//!
//! Almost every message brings a key that is nowhere yet, and to learn that costs a search in memory and a
//! page of a large table: a fifth of what the whole message costs. So keys are also kept in a Bloom filter of
//! blocks: a key sets one bit in each word of one block, which is one line of the processor's cache. A filter
//! is made anew from the table, a slice at a time while nobody waits, when a process begins and when keys
//! have become too many for the last one; commits go on meanwhile.
//!
//! *Decides:* when a filter is made, how large it is.
//! *Always holds:* whatever is in [`Fresh`] or in the table `dedupe` is in the filter, once there is one. A
//! key that was forgotten stays in it: it may be wrong only by having somebody look.

use rusqlite::Connection;

use super::fresh::Fresh;
use super::sql;
use super::trouble::Trouble;

/// Keys for each block of a full filter: eight bits a key, with which 3 of 100 unknown keys are looked for.
const KEYS_PER_BLOCK: usize = 64;
/// Blocks of the first filter: 64 KiB, for 65,536 keys.
const BLOCKS_MIN: usize = 1_024;
/// Blocks of the largest: 16 MiB, for 16,777,216 keys. With more of them more are looked for in vain. While
/// another filter is made there are two.
const BLOCKS_MAX: usize = 262_144;
/// A filter that is too small is followed by one of so many times its size.
const GROWTH: usize = 4;
/// Keys that are read from the table in one go: they take about as long as a small commit.
const SLICE: usize = 2_048;

/// Which keys may be somewhere.
pub(super) struct Filter {
    whole: Option<Bits>,
    making: Option<Making>,
    limits: FilterLimits,
}

/// How large a filter is, and how fast it is made.
#[derive(Clone, Copy)]
pub(super) struct FilterLimits {
    pub blocks_min: usize,
    pub blocks_max: usize,
    pub slice: usize,
}

/// A filter that is not whole yet.
struct Making {
    bits: Bits,
    /// Keys of the table that were read.
    read: usize,
    /// The least key of the table that was not read; nothing when there is none.
    next: Option<i64>,
}

struct Bits {
    blocks: Box<[[u64; 8]]>,
    /// Keys that came, also such as looked known: a filter that is overfull is to be made again too.
    keys: usize,
    /// Another one is to be made when there are so many.
    keys_max: usize,
}

impl Filter {
    /// Nothing is known: every key may be there.
    pub(super) fn new() -> Filter {
        let limits = FilterLimits { blocks_min: BLOCKS_MIN, blocks_max: BLOCKS_MAX, slice: SLICE };
        Filter { whole: None, making: None, limits }
    }

    /// False when a key is certainly nowhere.
    pub(super) fn may_have(&self, key: i64) -> bool {
        self.whole.as_ref().is_none_or(|bits| bits.have(key))
    }

    /// A key comes.
    pub(super) fn add(&mut self, key: i64) {
        for bits in self.whole.iter_mut().chain(self.making.as_mut().map(|making| &mut making.bits)) {
            bits.add(key);
        }
    }

    /// To be called when nobody waits: goes on with the filter that is being made, or begins with one where
    /// one is wanted. What is in doubt is waited for. True when there is more to do.
    pub(super) fn go_on(&mut self, conn: &Connection, fresh: &Fresh) -> Result<bool, Trouble> {
        let blocks = match &self.whole {
            Some(bits) if bits.keys < bits.keys_max => return Ok(false),
            Some(bits) => bits.blocks.len(),
            None => self.limits.blocks_min,
        };
        if !fresh.is_known() {
            return Ok(false);
        }
        let making = self.making.get_or_insert_with(|| Making::begin(blocks, fresh));
        making.read(conn, self.limits.slice)?;
        let (blocks, wanted) = (making.bits.blocks.len(), making.blocks_wanted(self.limits.blocks_max));
        if wanted > blocks {
            self.making = Some(Making::begin(wanted, fresh));
        } else if making.next.is_none() {
            self.whole = self.making.take().map(Making::end);
        }
        Ok(self.making.is_some())
    }

    /// Bounds that tests can reach.
    #[cfg(test)]
    pub(super) fn set_limits(&mut self, limits: FilterLimits) {
        self.limits = limits;
    }

    /// For how many keys the filter that is in use is, and how many it has.
    #[cfg(test)]
    pub(super) fn size(&self) -> Option<(usize, usize)> {
        self.whole.as_ref().map(|bits| (bits.blocks.len() * KEYS_PER_BLOCK, bits.keys))
    }
}

impl Making {
    /// Begins with what is not in the table, and may come into it before it is read to its end.
    fn begin(blocks: usize, fresh: &Fresh) -> Making {
        let mut bits = Bits::new(blocks);
        fresh.keys().for_each(|key| bits.add(key));
        Making { bits, read: 0, next: Some(i64::MIN) }
    }

    /// Reads a slice of the table.
    fn read(&mut self, conn: &Connection, slice: usize) -> Result<(), Trouble> {
        let Some(first) = self.next else { return Ok(()) };
        let mut read = conn.prepare_cached(sql::DEDUPE_KEYS)?;
        let mut rows = read.query((first, i64::try_from(slice).unwrap_or(i64::MAX)))?;
        let (mut count, mut last) = (0, None);
        while let Some(row) = rows.next()? {
            let key = row.get(0)?;
            self.bits.add(key);
            (count, last) = (count + 1, Some(key));
        }
        self.read += count;
        // Keys that are the same end a slice together or are read again, which changes no bit.
        self.next = last.filter(|_| count == slice).and_then(|key: i64| key.checked_add(1));
        Ok(())
    }

    /// How large it has to be to last until there are twice as many keys.
    fn blocks_wanted(&self, blocks_max: usize) -> usize {
        let (mut blocks, keys) = (self.bits.blocks.len(), self.keys_expected());
        while blocks < blocks_max && blocks * KEYS_PER_BLOCK < keys.saturating_mul(2) {
            blocks = blocks.saturating_mul(GROWTH).min(blocks_max);
        }
        blocks
    }

    /// How many keys it will have. They are hashes, so what was read of their range tells of the rest.
    fn keys_expected(&self) -> usize {
        let Some(next) = self.next else { return self.bits.keys };
        let passed = u128::from(next.abs_diff(i64::MIN)).max(1);
        let in_table = ((self.read as u128) << 64) / passed;
        usize::try_from(in_table)
            .unwrap_or(usize::MAX)
            .saturating_add(self.bits.keys)
            .saturating_sub(self.read)
    }

    /// Where the largest is still too small, it is made again when half of its keys may be forgotten ones.
    fn end(self) -> Bits {
        let keys_max = self.bits.keys_max.max(self.bits.keys.saturating_mul(2));
        Bits { keys_max, ..self.bits }
    }
}

impl Bits {
    fn new(blocks: usize) -> Bits {
        let keys_max = blocks.saturating_mul(KEYS_PER_BLOCK);
        Bits { blocks: vec![[0; 8]; blocks].into_boxed_slice(), keys: 0, keys_max }
    }

    fn add(&mut self, key: i64) {
        let at = self.block_of(key);
        self.blocks[at].iter_mut().zip(bits(key)).for_each(|(word, bit)| *word |= bit);
        self.keys += 1;
    }

    fn have(&self, key: i64) -> bool {
        self.blocks[self.block_of(key)].iter().zip(bits(key)).all(|(word, bit)| word & bit != 0)
    }

    /// Keys are hashes: their upper half chooses the block, and their lower 48 bits choose eight of its own.
    fn block_of(&self, key: i64) -> usize {
        let (upper, blocks) = (key.cast_unsigned() >> 32, self.blocks.len() as u64);
        usize::try_from((upper * blocks) >> 32).unwrap_or_default()
    }
}

/// The bit of a key in each word of its block.
fn bits(key: i64) -> impl Iterator<Item = u64> {
    (0..8).map(move |word| 1 << ((key.cast_unsigned() >> (6 * word)) & 63))
}
