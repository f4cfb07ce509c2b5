//! The socket of programs on this host: 0600 from its first moment, in a directory that is ours alone.
//!
//! *Always holds:* a socket is only removed by whoever holds the lock, so that nobody takes the place of a
//! daemon that runs.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;

use rustix::fs::{Mode, fchmod};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketType, bind as bind_to, listen, socket};

use super::lock::Lock;
use super::place::Place;
use crate::home::{self, HomeError};

/// Connections that wait until they are accepted.
const BACKLOG: i32 = 128;

/// The address of the socket.
///
/// # Errors
/// [`HomeError::Long`] when its path is longer than the system lets one be.
pub(crate) fn address(place: &Place) -> Result<SocketAddrUnix, HomeError> {
    let path = place.socket_path();
    SocketAddrUnix::new(&path).map_err(|error| match error {
        Errno::NAMETOOLONG => HomeError::Long { path },
        error => HomeError::Io { doing: "listen on", path, error: error.into() },
    })
}

/// Listens. A socket that a killed daemon left is removed before.
///
/// # Errors
/// When something else has its name, or its path is too long for the system.
pub(crate) fn bind(_lock: &Lock, place: &Place) -> Result<UnixListener, HomeError> {
    let (path, address) = (place.socket_path(), address(place)?);
    home::prepare_dir(place.dir())?;
    if let Ok(about) = fs::symlink_metadata(&path) {
        if !about.file_type().is_socket() {
            return Err(HomeError::Kind { path, wanted: "socket" });
        }
        fs::remove_file(&path).map_err(|error| HomeError::Io {
            doing: "remove",
            path: path.clone(),
            error,
        })?;
    }
    let listening = || -> io::Result<UnixListener> {
        let made = socket(AddressFamily::UNIX, SocketType::STREAM, None)?;
        fcntl_setfd(&made, FdFlags::CLOEXEC)?;
        // Where the system takes the mode of a socket from here, there is no moment at which others could
        // come in. Where it does not, the directory keeps them out until the mode is set below.
        let _ = fchmod(&made, Mode::RUSR | Mode::WUSR);
        bind_to(&made, &address)?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        listen(&made, BACKLOG)?;
        Ok(UnixListener::from(made))
    };
    listening().map_err(|error| HomeError::Io { doing: "listen on", path: path.clone(), error })
}

/// Removes the socket of a daemon that ends.
pub(crate) fn remove(_lock: &Lock, place: &Place) {
    let _ = fs::remove_file(place.socket_path());
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::home::{Home, mode_of};

    fn place() -> (tempfile::TempDir, Place, Lock) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        let lock = Lock::take(&place).unwrap().unwrap();
        (dir, place, lock)
    }

    #[test]
    fn s_loc_01_the_socket_is_ours_alone_and_one_that_was_left_makes_room() {
        let (_dir, place, lock) = place();
        for _ in 0..2 {
            // Dropped without a goodbye, as by a kill: the name stays.
            let listener = bind(&lock, &place).unwrap();
            UnixStream::connect(place.socket_path()).unwrap();
            listener.accept().unwrap();
            assert_eq!(mode_of(&place.socket_path()).unwrap(), 0o600);
        }
        assert!(UnixStream::connect(place.socket_path()).is_err(), "nobody listens any more");
        remove(&lock, &place);
        assert!(!place.socket_path().exists());
    }

    #[test]
    fn f_dmn_09_what_is_no_socket_is_not_removed() {
        let (dir, place, lock) = place();
        let target = dir.path().join("target");
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, place.socket_path()).unwrap();
        assert!(matches!(bind(&lock, &place), Err(HomeError::Kind { .. })));
        fs::remove_file(place.socket_path()).unwrap();
        fs::write(place.socket_path(), "precious").unwrap();
        assert!(matches!(bind(&lock, &place), Err(HomeError::Kind { .. })));
        assert_eq!(fs::read(place.socket_path()).unwrap(), b"precious");
    }

    #[test]
    fn a_path_that_is_too_long_for_a_socket_is_named_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("m".repeat(120))), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        let lock = Lock::take(&place).unwrap().unwrap();
        let error = bind(&lock, &place).unwrap_err().to_string();
        assert!(error.contains("daemon.sock") && error.contains("--data"), "{error}");
    }
}
