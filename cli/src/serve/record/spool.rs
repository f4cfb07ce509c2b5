//! The file of a recording: takes blocks, and writes them in chunks that go past the page cache where the
//! file system lets them.
//!
//! A recording is read once, if ever. Memory for the kernel to write it back from would cost more than all
//! else about it, and so would many small writes.
//!
//! *Always holds:* what stands in the file, up to [`Spool::written`], is what was put, without a gap.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// Bytes that are written at once. What is not a whole chunk yet is written whenever [`Spool::show`] is
/// called.
const CHUNK_BYTES: usize = 1_024 * 1_024;
/// What a direct write begins at, in memory and in the file: a multiple of any disk's block.
const ALIGNED_BYTES: usize = 4_096;

/// The file of a recording.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    /// The same file, for whole chunks; none where the file system takes no direct writes.
    direct: Option<File>,
    room: Box<[u8]>,
    /// Where the chunk begins in its room.
    start: usize,
    /// Bytes of the chunk that were put.
    filled: usize,
    /// Of them, those that stand in the file.
    shown: usize,
    /// Bytes of the file before the chunk.
    before: u64,
}

impl Spool {
    /// Makes the file, which must not be there, for its owner alone.
    pub(super) fn create(path: &Path) -> io::Result<Spool> {
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        let room = vec![0; CHUNK_BYTES + ALIGNED_BYTES].into_boxed_slice();
        let start = room.as_ptr().align_offset(ALIGNED_BYTES).min(ALIGNED_BYTES);
        Ok(Spool { file, direct: open_direct(path), room, start, filled: 0, shown: 0, before: 0 })
    }

    /// Takes bytes, and writes what makes a whole chunk: `in_haste` into memory, since the disk is behind.
    pub(super) fn put(&mut self, mut bytes: &[u8], in_haste: bool) -> io::Result<()> {
        while !bytes.is_empty() {
            let place = &mut self.room[self.start + self.filled..self.start + CHUNK_BYTES];
            let (now, later) = bytes.split_at(bytes.len().min(place.len()));
            place[..now.len()].copy_from_slice(now);
            self.filled += now.len();
            bytes = later;
            if self.filled == CHUNK_BYTES {
                self.write_chunk(in_haste)?;
            }
        }
        Ok(())
    }

    /// Writes what was put and does not stand in the file yet.
    pub(super) fn show(&mut self) -> io::Result<()> {
        while self.shown < self.filled {
            let rest = &self.room[self.start + self.shown..self.start + self.filled];
            match self.file.write_at(rest, self.written()) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.shown += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Bytes that stand in the file.
    pub(super) fn written(&self) -> u64 {
        self.before + self.shown as u64
    }

    /// Bytes that were put.
    pub(super) fn len(&self) -> u64 {
        self.before + self.filled as u64
    }

    /// Keeps that many bytes of the file and puts `end` behind them.
    pub(super) fn end(self, kept: u64, end: &[u8]) -> io::Result<()> {
        self.file.set_len(kept)?;
        self.file.write_all_at(end, kept)
    }

    fn write_chunk(&mut self, in_haste: bool) -> io::Result<()> {
        let chunk = &self.room[self.start..self.start + CHUNK_BYTES];
        let direct = self.direct.as_ref().filter(|_| !in_haste);
        match direct.map(|direct| direct.write_at(chunk, self.before)) {
            Some(Ok(written)) => self.shown = self.shown.max(written),
            // What goes wrong is found again by writing the rest otherwise, unless it was for this way alone.
            Some(Err(error)) if error.kind() != io::ErrorKind::Interrupted => self.direct = None,
            Some(Err(_)) | None => {}
        }
        self.show()?;
        self.before += CHUNK_BYTES as u64;
        (self.filled, self.shown) = (0, 0);
        Ok(())
    }
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

    use super::*;
    use crate::home;

    /// Lengths below, at and above a chunk's, none of them like another.
    const LENGTHS: [usize; 6] = [1, 4_095, 65_600, CHUNK_BYTES - 3, CHUNK_BYTES + 7, 3 * CHUNK_BYTES];

    #[test]
    fn the_file_is_always_a_beginning_of_what_was_put_whether_written_directly_or_not() {
        let dir = tempfile::tempdir().unwrap();
        for is_direct in [true, false] {
            let path = dir.path().join(format!("{is_direct}"));
            let mut spool = Spool::create(&path).unwrap();
            assert_eq!(home::mode_of(&path).unwrap(), 0o600);
            if !is_direct {
                spool.direct = None;
            }
            let mut put = Vec::new();
            for (nth, length) in LENGTHS.iter().cycle().take(24).enumerate() {
                let bytes: Vec<u8> =
                    (0..*length).map(|at| ((at * 7 + nth * 31) >> 3).to_le_bytes()[0]).collect();
                spool.put(&bytes, nth % 4 == 2).unwrap();
                put.extend_from_slice(&bytes);
                if nth % 5 == 3 {
                    spool.show().unwrap();
                    assert_eq!(spool.written(), spool.len());
                }
                let stands = usize::try_from(spool.written()).unwrap();
                assert_eq!((spool.len(), put.len() - stands < CHUNK_BYTES), (put.len() as u64, true));
                assert!(fs::read(&path).unwrap().starts_with(&put[..stands]), "{nth}");
            }
            spool.show().unwrap();
            let kept = spool.len() - 5;
            spool.end(kept, b"the end").unwrap();
            put.truncate(put.len() - 5);
            put.extend_from_slice(b"the end");
            assert!(fs::read(&path).unwrap() == put);
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
