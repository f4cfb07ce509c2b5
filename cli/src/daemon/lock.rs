//! One daemon at a time: a lock on the pid file, which the kernel takes back when its holder ends.
//!
//! *Always holds:* the number in the file only informs. Whether a daemon runs is a question about the lock,
//! so a number that was given to another process since, or that is no number, misleads nobody.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;

use super::place::Place;
use crate::home::HomeError;

/// A file longer than this holds no process id.
const PID_BYTES_MAX: u64 = 32;

/// The right to be the daemon of a place, held until it is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
}

/// Who holds the lock of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holder {
    /// Nobody.
    Nobody,
    /// A daemon, with its process id once it has written it; or a command that keeps daemons away, with none.
    Daemon(Option<u32>),
}

impl Lock {
    /// Takes the lock and writes who has it, or says who has it.
    ///
    /// # Errors
    /// When the file cannot be made, opened or locked for another reason.
    pub(crate) fn take(place: &Place) -> Result<Result<Lock, Holder>, HomeError> {
        Lock::make(place, Some(std::process::id()))
    }

    /// The same for a command that is no daemon: it keeps daemons away, and gives nobody a number to send
    /// signals to.
    ///
    /// # Errors
    /// As [`Lock::take`].
    pub(crate) fn take_namelessly(place: &Place) -> Result<Result<Lock, Holder>, HomeError> {
        Lock::make(place, None)
    }

    fn make(place: &Place, pid: Option<u32>) -> Result<Result<Lock, Holder>, HomeError> {
        let path = place.pid_path();
        let io = |doing| {
            let path = path.clone();
            move |error| HomeError::Io { doing, path, error }
        };
        let mut file = open(&path, true).map_err(io("open"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Ok(Err(Holder::Daemon(pid_in(&mut file)))),
            Err(TryLockError::Error(error)) => return Err(io("lock")(error)),
        }
        let number = pid.map(|pid| pid.to_string()).unwrap_or_default();
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(number.as_bytes()))
            .and_then(|()| file.sync_all());
        written.map_err(io("write"))?;
        Ok(Ok(Lock { file }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // The file stays: whoever waits for its lock must wait for the same file as all others.
        let _ = self.file.set_len(0);
    }
}

/// Who holds the lock, without taking it.
///
/// # Errors
/// When that cannot be found out.
pub(crate) fn holder(place: &Place) -> Result<Holder, HomeError> {
    let path = place.pid_path();
    let io = |error| HomeError::Io { doing: "look at the lock of", path: path.clone(), error };
    let mut file = match open(&path, false) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Holder::Nobody),
        Err(error) => return Err(io(error)),
    };
    // A shared lock disturbs nobody who only looks; a daemon that starts in this moment is told to try again.
    match file.try_lock_shared() {
        Ok(()) => Ok(Holder::Nobody),
        Err(TryLockError::WouldBlock) => Ok(Holder::Daemon(pid_in(&mut file))),
        Err(TryLockError::Error(error)) => Err(io(error)),
    }
}

fn open(path: &PathBuf, make: bool) -> std::io::Result<File> {
    // The bits of a flag are the same in both types; only their sign differs.
    let no_follow = OFlags::NOFOLLOW.bits().cast_signed();
    let mut options = OpenOptions::new();
    options.read(true).write(make).create(make).truncate(false).mode(0o600).custom_flags(no_follow);
    options.open(path)
}

fn pid_in(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(PID_BYTES_MAX).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Lines};
    use std::process::{Child, ChildStdout, Command, Stdio};

    use super::*;
    use crate::home::{Home, mode_of};

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        (dir, place)
    }

    #[test]
    fn f_dmn_09_a_recycled_or_garbled_pid_keeps_nobody_out() {
        let (_dir, place) = place();
        for found in ["", "1", "no number", "99999999999999999999", &"9".repeat(4_000)] {
            std::fs::write(place.pid_path(), found).unwrap();
            assert_eq!(holder(&place).unwrap(), Holder::Nobody, "{found:?}");
            let lock = Lock::take(&place).unwrap().expect("nobody holds it");
            let ours = Holder::Daemon(Some(std::process::id()));
            assert_eq!(holder(&place).unwrap(), ours);
            assert_eq!(Lock::take(&place).unwrap().unwrap_err(), ours);
            drop(lock);
            assert_eq!(holder(&place).unwrap(), Holder::Nobody);
        }
    }

    #[test]
    fn a_command_that_keeps_daemons_away_is_nobody_to_send_signals_to() {
        let (_dir, place) = place();
        // A daemon that was killed has left its number, which another process may have since.
        std::fs::write(place.pid_path(), "1").unwrap();
        let lock = Lock::take_namelessly(&place).unwrap().expect("nobody holds it");
        assert_eq!(holder(&place).unwrap(), Holder::Daemon(None));
        assert_eq!(Lock::take(&place).unwrap().unwrap_err(), Holder::Daemon(None));
        drop(lock);
        assert_eq!(holder(&place).unwrap(), Holder::Nobody);
    }

    #[test]
    fn s_loc_01_the_pid_file_is_ours_alone_and_no_link_is_followed() {
        let (dir, place) = place();
        drop(Lock::take(&place).unwrap().unwrap());
        assert_eq!(mode_of(&place.pid_path()).unwrap(), 0o600);
        std::fs::remove_file(place.pid_path()).unwrap();
        let target = dir.path().join("target");
        std::fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, place.pid_path()).unwrap();
        assert!(Lock::take(&place).is_err());
        assert_eq!(std::fs::read(&target).unwrap(), b"precious");
    }

    /// A process that takes the lock of a data directory, says so, and keeps it until its input ends.
    struct Other {
        child: Child,
        /// Kept, or it could not write its last lines.
        lines: Lines<BufReader<ChildStdout>>,
    }

    impl Other {
        fn start(data: &std::path::Path) -> Other {
            let mut child = Command::new(std::env::current_exe().unwrap())
                .args(["--ignored", "--exact", "daemon::lock::tests::the_child", "--nocapture"])
                .env("PEERMESH_TEST_DATA", data)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let lines = BufReader::new(child.stdout.take().unwrap()).lines();
            Other { child, lines }
        }

        fn said(&mut self) -> String {
            let told = |line: String| Some(line.split_once("lock: ")?.1.to_owned());
            self.lines.by_ref().map_while(Result::ok).find_map(told).unwrap()
        }

        fn end(mut self) {
            drop(self.child.stdin.take());
            assert!(self.child.wait().unwrap().success());
        }
    }

    #[test]
    #[ignore = "the test below starts it twice"]
    fn the_child() {
        let data = std::env::var_os("PEERMESH_TEST_DATA").unwrap();
        let home = Home::locate(Some(std::path::Path::new(&data)), &|_| None).unwrap();
        let lock = Lock::take(&Place::prepare(&home).unwrap()).unwrap();
        let said = match &lock {
            Ok(_) => "taken".to_owned(),
            Err(holder) => format!("{holder:?}"),
        };
        let mut out = std::io::stdout();
        out.write_all(format!("\nlock: {said}\n").as_bytes()).unwrap();
        out.flush().unwrap();
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        drop(lock);
    }

    #[test]
    fn f_dmn_09_of_two_processes_one_is_the_daemon_and_a_killed_one_leaves_the_lock_free() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("mesh");
        let mut first = Other::start(&data);
        assert_eq!(first.said(), "taken");
        let mut second = Other::start(&data);
        assert_eq!(second.said(), format!("Daemon(Some({}))", first.child.id()));
        second.end();
        first.child.kill().unwrap();
        first.child.wait().unwrap();
        let mut third = Other::start(&data);
        assert_eq!(third.said(), "taken", "the number of the dead is still in the file");
        third.end();
    }
}
