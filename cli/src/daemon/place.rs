//! Where the daemon of a user keeps what it needs: one directory, 0700, in the data directory.
//!
//! *Does not:* hold what the daemon stores; that is the store's.

use std::path::{Path, PathBuf};

use crate::home::{self, Home, HomeError};

/// The daemon's directory.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    dir: PathBuf,
}

impl Place {
    /// The place in that data directory, which need not exist.
    pub(crate) fn of(home: &Home) -> Place {
        Place { dir: home.dir().join("daemon") }
    }

    /// Makes the directory, or makes sure that it is ours and closed to others.
    pub(crate) fn prepare(home: &Home) -> Result<Place, HomeError> {
        home.prepare()?;
        let place = Place::of(home);
        home::prepare_dir(&place.dir)?;
        Ok(place)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The process id, in a file whose lock is what counts.
    pub(crate) fn pid_path(&self) -> PathBuf {
        self.dir.join("daemon.pid")
    }

    /// The socket of programs on this host.
    pub(crate) fn socket_path(&self) -> PathBuf {
        self.dir.join("daemon.sock")
    }

    /// What programs show that come by TCP.
    pub(crate) fn token_path(&self) -> PathBuf {
        self.dir.join("local-token")
    }

    /// Which host this directory was made on.
    pub(crate) fn fingerprint_path(&self) -> PathBuf {
        self.dir.join("host_fingerprint.json")
    }

    /// The names under which the meshes of profiles are attached.
    pub(crate) fn names_path(&self) -> PathBuf {
        self.dir.join("meshes.json")
    }

    /// The former keys of a profile. The name was checked: it is no path.
    pub(crate) fn archive_path(&self, profile: &str) -> PathBuf {
        self.dir.join("keypair-archive").join(format!("{profile}.json"))
    }

    /// What a daemon that a service manager or a shell started in the background writes.
    pub(crate) fn log_path(&self) -> PathBuf {
        self.dir.join("daemon.log")
    }
}
