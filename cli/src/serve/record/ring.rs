//! The folder of recordings: a bounded ring of files, of which the oldest go to make room.
//!
//! *Always holds:* only the owner can read it, one broker records in it at a time, and all recordings
//! together stay below their bound.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use peermesh_core::time::Wall;
use rustix::fs::{FlockOperation, flock};

use super::spool::Spool;
use crate::home::{self, HomeError};

/// How the names of recordings end.
const ENDING: &str = "peermesh";
/// Held by the broker that records here.
const LOCK: &str = "lock";

/// Why nothing can be recorded there.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RingError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("cannot record in {dir}: {error}")]
    Io { dir: PathBuf, error: io::Error },
    #[error("another broker records in {dir}; give this one a folder of its own with --record")]
    Taken { dir: PathBuf },
}

/// The folder of recordings.
#[derive(Debug)]
pub(super) struct Ring {
    dir: PathBuf,
    bytes_max: u64,
    made: u64,
    _lock: File,
}

impl Ring {
    /// Takes the folder, which is made if it is not there.
    pub(super) fn open(dir: &Path, bytes_max: u64) -> Result<Ring, RingError> {
        home::prepare_dir(dir)?;
        let io = |error| RingError::Io { dir: dir.to_owned(), error };
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let lock = options.open(dir.join(LOCK)).map_err(io)?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
            rustix::io::Errno::WOULDBLOCK => RingError::Taken { dir: dir.to_owned() },
            error => io(error.into()),
        })?;
        Ok(Ring { dir: dir.to_owned(), bytes_max, made: 0, _lock: lock })
    }

    /// How long one recording may become: half of all, so that the one before it can stay.
    pub(super) fn one_bytes_max(&self) -> u64 {
        self.bytes_max / 2
    }

    /// Makes room for a recording, and its file.
    pub(super) fn begin(&mut self, at: Wall) -> io::Result<(PathBuf, Spool)> {
        self.make_room()?;
        self.made += 1;
        let stamp: String = at.iso().chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("{stamp}-{}-{}.{ENDING}", std::process::id(), self.made);
        let path = self.dir.join(name);
        let spool = Spool::create(&path)?;
        Ok((path, spool))
    }

    /// Removes the oldest recordings until another one fits.
    fn make_room(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == ENDING) {
                kept.push((path.metadata()?.len(), path));
            }
        }
        // Names begin with the time.
        kept.sort_by(|(_, one), (_, other)| other.cmp(one));
        let mut left = self.bytes_max - self.one_bytes_max();
        for (bytes, path) in kept {
            match left.checked_sub(bytes) {
                Some(rest) => left = rest,
                None => {
                    left = 0;
                    fs::remove_file(path)?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_recordings_make_room_and_nothing_else_does() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("ring");
        let mut ring = Ring::open(&place, 100).unwrap();
        fs::write(place.join("notes.txt"), [0; 500]).unwrap();
        let mut paths = Vec::new();
        for at in 0..5 {
            let (path, mut spool) = ring.begin(Wall::from_millis(at)).unwrap();
            spool.put(&[0; 20], false).unwrap();
            spool.show().unwrap();
            paths.push(path);
        }
        let there: Vec<bool> = paths.iter().map(|path| path.exists()).collect();
        assert_eq!(there, [false, false, true, true, true]);
        assert!(place.join("notes.txt").exists());
        assert!(matches!(Ring::open(&place, 100), Err(RingError::Taken { .. })));
        assert_eq!(home::mode_of(&place).unwrap(), 0o700);
    }
}
