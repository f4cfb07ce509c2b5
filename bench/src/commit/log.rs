//! The write-ahead log, watched from outside: which pages every commit wrote into it.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Bytes of one frame of the log: a page with its head.
pub(super) const FRAME_BYTES: u64 = 4_096 + 24;
/// Bytes before the first frame.
const HEAD_BYTES: u64 = 32;

/// Watches the log through the index that SQLite keeps beside it.
pub(super) struct Log {
    log: File,
    index: File,
    /// Names the log since its last restart, and how many frames it held.
    seen: ([u8; 8], u32),
}

impl Log {
    pub(super) fn watch(dir: &Path) -> io::Result<Log> {
        let open = |name: &str| File::open(dir.join(name));
        let mut log =
            Log { log: open("peermesh.db-wal")?, index: open("peermesh.db-shm")?, seen: ([0; 8], 0) };
        log.grown()?;
        Ok(log)
    }

    /// The pages that went into the log since the last call, given that it restarted at most once meanwhile.
    pub(super) fn grown(&mut self) -> io::Result<Vec<u32>> {
        // The head of the index: the number of frames at 16, the log's salt at 32.
        let mut head = [0; 40];
        self.index.seek(SeekFrom::Start(0))?;
        self.index.read_exact(&mut head)?;
        let frames = u32::from_ne_bytes([head[16], head[17], head[18], head[19]]);
        let mut salt = [0; 8];
        salt.copy_from_slice(&head[32..]);
        let before = if salt == self.seen.0 { self.seen.1 } else { 0 };
        self.seen = (salt, frames);
        (before..frames).map(|frame| self.page(frame)).collect()
    }

    /// The page that a frame holds: the first word of the frame's head, most significant byte first.
    fn page(&mut self, frame: u32) -> io::Result<u32> {
        let mut page = [0; 4];
        self.log.seek(SeekFrom::Start(HEAD_BYTES + u64::from(frame) * FRAME_BYTES))?;
        self.log.read_exact(&mut page)?;
        Ok(u32::from_be_bytes(page))
    }
}
