//! The file of a recording: blocks that are whole pages go past the page cache where the file system lets
//! them.
//!
//! A recording is read once, if ever. To copy it into memory for the kernel to write it back later would cost
//! more than all else about it, and so would it to gather its blocks in one place.
//!
//! *Always holds:* what stands in the file, up to [`Spool::len`], is what was put, without a gap.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use peermesh_core::journal::{FILLING_BYTES_MIN, filling};
use rustix::io::{Errno, pwritev};

/// What a direct write begins and ends at, in memory and in the file: a multiple of any disk's sector.
pub(super) const PAGE_BYTES: usize = 4_096;

/// The file of a recording.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// The same file, for whole pages; none where the file system takes no direct writes.
    direct: Option<File>,
    len: u64,
}

impl Spool {
    /// Makes the file, which must not be there, for its owner alone.
    pub(super) fn create(path: &Path) -> io::Result<Spool> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        Ok(Spool { file, direct: open_direct(path), len: 0 })
    }

    /// Writes blocks one behind the other: `in_haste` into memory, since the disk is behind. Says how many of
    /// them stand in the file, which is all of them unless there is an error.
    pub(super) fn put(&mut self, blocks: &[&[u8]], in_haste: bool) -> (usize, io::Result<()>) {
        let is_whole = !in_haste && blocks.iter().all(|block| is_whole(block));
        let mut written = if is_whole { self.put_directly(blocks) } else { 0 };
        for (nth, block) in blocks.iter().enumerate() {
            let stands = written.min(block.len());
            written -= stands;
            if let Err(error) = self.file.write_all_at(&block[stands..], self.len + stands as u64) {
                return (nth, Err(error));
            }
            self.len += block.len() as u64;
        }
        (blocks.len(), Ok(()))
    }

    /// Bytes of blocks that stand in the file.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Keeps that many bytes of the file and puts `end` behind them.
    pub(super) fn end(self, kept: u64, end: &[u8]) -> io::Result<()> {
        self.file.set_len(kept)?;
        self.file.write_all_at(end, kept)
    }

    /// Says how many bytes could be written so. What goes wrong is found again by writing the rest otherwise.
    fn put_directly(&mut self, blocks: &[&[u8]]) -> usize {
        let Some(direct) = &self.direct else { return 0 };
        let page = PAGE_BYTES as u64;
        let gap = usize::try_from(self.len.next_multiple_of(page) - self.len).unwrap_or_default();
        if gap > 0 {
            let gap = if gap < FILLING_BYTES_MIN { gap + PAGE_BYTES } else { gap };
            if self.file.write_all_at(&filling(gap), self.len).is_err() {
                return 0;
            }
            self.len += gap as u64;
        }
        let slices: Vec<IoSlice<'_>> = blocks.iter().map(|block| IoSlice::new(block)).collect();
        match pwritev(direct, &slices, self.len) {
            Ok(written) => written,
            Err(Errno::INTR) => 0,
            Err(_) => {
                self.direct = None;
                0
            }
        }
    }
}

/// True for what can be written directly.
pub(super) fn is_whole(block: &[u8]) -> bool {
    block.len().is_multiple_of(PAGE_BYTES) && block.as_ptr().align_offset(PAGE_BYTES) == 0
}

#[cfg(target_os = "linux")]
fn open_direct(path: &Path) -> Option<File> {
    let past_the_cache = i32::try_from(rustix::fs::OFlags::DIRECT.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(past_the_cache).open(path).ok()
}

#[cfg(not(target_os = "linux"))]
fn open_direct(_: &Path) -> Option<File> {
    None
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use peermesh_core::ids::{ConnId, ShardId};
    use peermesh_core::journal::{Block, Blocks, Payloads, Scribe};
    use peermesh_core::machine::{Input, Outputs};
    use peermesh_core::time::Now;

    use super::super::{anew, reel, tests};
    use super::*;
    use crate::home;

    /// A block of a recording whose one fact is so many bytes long.
    fn block(scribe: &mut Scribe, length: usize, multiple_of: usize) -> peermesh_core::journal::Sealed {
        let mut bytes = vec![7; length];
        // The first block of a scribe lies where it likes.
        scribe.take_block(reel::room(), 1);
        scribe.told(Now::default(), &Input::Received { conn: ConnId(1), bytes: &mut bytes });
        scribe.said(&Outputs::new(), 0, None);
        scribe.take_block(reel::room(), multiple_of).unwrap()
    }

    #[test]
    fn every_block_is_read_again_whether_it_was_written_directly_or_not() {
        let dir = tempfile::tempdir().unwrap();
        let (header, _) = anew(Payloads::Full, &Arc::new(tests::config()), 1, 0).unwrap();
        for (is_direct, in_haste) in [(true, false), (true, true), (false, false)] {
            let path = dir.path().join(format!("{is_direct}-{in_haste}"));
            let mut spool = Spool::create(&path).unwrap();
            assert_eq!(home::mode_of(&path).unwrap(), 0o600);
            if !is_direct {
                spool.direct = None;
            }
            spool.put(&[&header.beginning()], false).1.unwrap();
            let mut scribe = Scribe::new(ShardId(0), Payloads::Full, [0; 16]);
            let mut put = 0;
            for round in 0..20 {
                // Whole pages together, and after some of them one that is none.
                let whole: Vec<_> =
                    (0..round % 4).map(|nth| block(&mut scribe, 900 * nth + 60_000, PAGE_BYTES)).collect();
                let slices: Vec<&[u8]> = whole.iter().map(peermesh_core::journal::Sealed::block).collect();
                assert!(slices.iter().all(|slice| is_whole(slice)));
                assert_eq!(spool.put(&slices, in_haste).0, slices.len());
                let odd = block(&mut scribe, 4_000 + round, 1);
                spool.put(&[odd.block()], in_haste).1.unwrap();
                put += whole.len() as u64 + 1;
            }
            let length = spool.len();
            spool.end(length, b"torn").unwrap();
            let file = fs::read(&path).unwrap();
            let (_, mut blocks) = Blocks::open(&file).unwrap();
            let mut read = 0;
            while let Some(found) = blocks.next_block().unwrap() {
                let Block::Facts(facts) = found else { panic!("{found:?}") };
                assert_eq!((facts.first, facts.facts), (read, 1));
                read += 1;
            }
            assert_eq!((read, blocks.torn_bytes()), (put, 4));
        }
    }

    #[test]
    fn a_file_that_is_there_is_not_written_over() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("there");
        fs::write(&path, "kept").unwrap();
        assert_eq!(Spool::create(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }
}
