//! The data directory: where everything lies, and that nobody else can read it.
//!
//! *Always holds:* the directory is 0700 and ours before anything is written into it; secret files are 0600
//! from their first moment; no link is followed, but those that the operator named.

mod private;

use std::io;
use std::path::{Path, PathBuf};

use data_encoding::BASE64URL_NOPAD;
use peermesh_core::config::Secret;
use serde::{Deserialize, Serialize};

use crate::address::{Address, AddressError};
use crate::failure::Exit;

pub(crate) use private::{mode_of, prepare_dir, publish, publish_first, read, read_named, replace};

/// The configuration file, which an operator may write before the first start.
const CONFIG_FILE: &str = "peermesh.toml";

/// The data directory of this user or of this broker.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    dir: PathBuf,
    /// It was asked for by its flag, which other commands need too.
    by_flag: bool,
}

/// What is wrong with the data directory or a file in it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HomeError {
    #[error("no data directory is known; pass --data DIR, or set PEERMESH_DATA, XDG_DATA_HOME or HOME")]
    Nowhere,
    #[error("cannot {doing} {path}: {error}")]
    Io { doing: &'static str, path: PathBuf, error: io::Error },
    #[error("cannot make the directory {path}: {error}; name another by --data (of recordings, by --record)")]
    Make { path: PathBuf, error: io::Error },
    #[error("{path} is open to other users (mode {mode:04o}); run: chmod {wanted:o} {path}")]
    Open { path: PathBuf, mode: u32, wanted: u32 },
    #[error("{path} belongs to another user; choose another directory with --data")]
    Foreign { path: PathBuf },
    #[error("{path} is not a {wanted}; move it away or choose another --data")]
    Kind { path: PathBuf, wanted: &'static str },
    #[error("{path} is too long for the name of a socket; choose a shorter data directory with --data")]
    Long { path: PathBuf },
    #[error("{path} holds {bytes} bytes instead of 32; restore the key file that belongs to this store")]
    KeyLength { path: PathBuf, bytes: usize },
    #[error("PEERMESH_KEY_FILE: {path} {what}; name a file of 32 bytes that the broker may read")]
    NamedKey { path: PathBuf, what: String },
    #[error("the key file {path} is gone; restore it, or name it with PEERMESH_KEY_FILE")]
    KeyLost { path: PathBuf },
    #[error("{path} holds no admin token; remove it and restart the broker to get a fresh one")]
    NoToken { path: PathBuf },
    #[error("no broker is running on {path}; start one with: peermesh serve")]
    NoBroker { path: PathBuf },
    #[error("{path} is damaged ({what}); restart the broker, which writes it again")]
    BrokerFile { path: PathBuf, what: String },
    #[error("the system gives no randomness: {0}")]
    Chance(String),
}

impl HomeError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            HomeError::Nowhere => Exit::Usage,
            HomeError::NoBroker { .. } => Exit::Unreachable,
            HomeError::Io { .. }
            | HomeError::Make { .. }
            | HomeError::Open { .. }
            | HomeError::Foreign { .. }
            | HomeError::Kind { .. }
            | HomeError::Long { .. }
            | HomeError::KeyLength { .. }
            | HomeError::NamedKey { .. }
            | HomeError::KeyLost { .. }
            | HomeError::NoToken { .. }
            | HomeError::BrokerFile { .. }
            | HomeError::Chance(_) => Exit::Failed,
        }
    }
}

impl Home {
    /// The directory that was asked for, else the user's own.
    pub(crate) fn locate(
        flag: Option<&Path>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Home, HomeError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let dir = flag
            .map(Path::to_owned)
            .or_else(|| set("PEERMESH_DATA"))
            .or_else(|| set("XDG_DATA_HOME").filter(|dir| dir.is_absolute()).map(|dir| dir.join("peermesh")))
            .or_else(|| set("HOME").map(|dir| dir.join(".local/share/peermesh")))
            .ok_or(HomeError::Nowhere)?;
        Ok(Home { dir, by_flag: flag.is_some() })
    }

    /// Makes the directory if needed; refuses one that others can read or that is not ours.
    pub(crate) fn prepare(&self) -> Result<(), HomeError> {
        prepare_dir(&self.dir)
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a command that is typed next needs after it to come here, wherever it is typed.
    pub(crate) fn as_flag(&self) -> String {
        if !self.by_flag {
            return String::new();
        }
        let dir = std::path::absolute(&self.dir).unwrap_or_else(|_| self.dir.clone());
        format!(" --data {}", quoted(&dir.display().to_string()))
    }

    pub(crate) fn token_path(&self) -> PathBuf {
        self.dir.join("admin-token")
    }

    pub(crate) fn key_path(&self) -> PathBuf {
        self.dir.join("key")
    }

    pub(crate) fn lock_path(&self) -> PathBuf {
        self.dir.join("lock")
    }

    pub(crate) fn config_path(&self) -> PathBuf {
        self.dir.join(CONFIG_FILE)
    }

    pub(crate) fn profiles(&self) -> PathBuf {
        self.dir.join("profiles")
    }

    fn store_path(&self) -> PathBuf {
        self.dir.join("peermesh.db")
    }

    fn broker_path(&self) -> PathBuf {
        self.dir.join("broker")
    }

    /// The admin token of the broker on this directory.
    pub(crate) fn read_token(&self) -> Result<String, HomeError> {
        read_token(&self.token_path())
    }

    /// The admin token; made on first use: 32 random bytes in base64url.
    pub(crate) fn make_token(&self) -> Result<String, HomeError> {
        let path = self.token_path();
        if !exists(&path)? {
            let token = BASE64URL_NOPAD.encode(&random::<32>()?);
            // Another process that starts at the same time may be first; its token is as good.
            publish_first(&path, format!("{token}\n").as_bytes())?;
        }
        self.read_token()
    }

    /// The key that encrypts the secrets in the store; made before the store is. A store without its key has
    /// lost it, and a fresh key would not open what is in there.
    pub(crate) fn make_key(&self) -> Result<Secret, HomeError> {
        let path = self.key_path();
        if !exists(&path)? {
            if exists(&self.store_path())? {
                return Err(HomeError::KeyLost { path });
            }
            publish_first(&path, &random::<32>()?)?;
        }
        read_key(&path)
    }

    /// Leaves word where the broker on this directory listens.
    pub(crate) fn announce(&self, broker: &BrokerFile) -> Result<(), HomeError> {
        let text = serde_json::to_string(broker).unwrap_or_default();
        replace(&self.broker_path(), format!("{text}\n").as_bytes())
    }

    /// Takes the word of this process back, and no other's. A file left behind does no harm: it names a
    /// broker that does not answer.
    pub(crate) fn withdraw(&self) {
        if self.broker().is_ok_and(|broker| broker.pid == std::process::id()) {
            let _ = std::fs::remove_file(self.broker_path());
        }
    }

    /// True when files can be made in the directory, which must exist.
    #[cfg(feature = "postgres")]
    pub(crate) fn is_writable(&self) -> bool {
        use rustix::fs::Access;
        rustix::fs::access(&self.dir, Access::WRITE_OK | Access::EXEC_OK).is_ok()
    }

    /// Where the broker on this directory listens.
    pub(crate) fn broker(&self) -> Result<BrokerFile, HomeError> {
        let path = self.broker_path();
        if !exists(&path)? {
            return Err(HomeError::NoBroker { path: self.dir.clone() });
        }
        let damaged = |what: String| HomeError::BrokerFile { path: path.clone(), what };
        serde_json::from_slice(&read(&path)?).map_err(|error| damaged(error.to_string()))
    }

    /// The address of the broker on this directory.
    pub(crate) fn broker_address(&self) -> Result<Address, HomeError> {
        let broker = self.broker()?;
        Address::parse(&broker.url).map_err(|error: AddressError| HomeError::BrokerFile {
            path: self.broker_path(),
            what: error.to_string(),
        })
    }
}

/// A text as a shell takes it for one word.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "/._-+:,@%=".contains(letter);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The file by which commands on the same machine find a running broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct BrokerFile {
    /// For example `http://127.0.0.1:7900`.
    pub(crate) url: String,
    /// The broker's process.
    pub(crate) pid: u32,
}

/// Reads a token from a file of ours.
pub(crate) fn read_token(path: &Path) -> Result<String, HomeError> {
    token_in(path, read(path)?)
}

/// Reads an admin token from the file that the operator named.
pub(crate) fn read_named_token(path: &Path) -> Result<String, HomeError> {
    token_in(path, read_named(path)?)
}

fn token_in(path: &Path, bytes: Vec<u8>) -> Result<String, HomeError> {
    let text = String::from_utf8(bytes).unwrap_or_default();
    let token = text.trim();
    if token.is_empty() || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HomeError::NoToken { path: path.to_owned() });
    }
    Ok(token.to_owned())
}

/// Reads the 32 bytes of a key file.
pub(crate) fn read_key(path: &Path) -> Result<Secret, HomeError> {
    let bytes = read(path)?;
    if bytes.len() != 32 {
        return Err(HomeError::KeyLength { path: path.to_owned(), bytes: bytes.len() });
    }
    Ok(Secret::new(bytes))
}

/// Reads the 32 bytes of the key file that the operator named.
pub(crate) fn read_named_key(path: &Path) -> Result<Secret, HomeError> {
    let unfit = |what| HomeError::NamedKey { path: path.to_owned(), what };
    match read_named(path) {
        Ok(bytes) if bytes.len() == 32 => Ok(Secret::new(bytes)),
        Ok(bytes) => Err(unfit(format!("holds {} bytes", bytes.len()))),
        Err(HomeError::Io { error, .. }) => Err(unfit(format!("cannot be read ({error})"))),
        Err(HomeError::Kind { wanted, .. }) => Err(unfit(format!("is not a {wanted}"))),
        Err(error) => Err(error),
    }
}

/// Randomness from the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], HomeError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| HomeError::Chance(error.to_string()))?;
    Ok(bytes)
}

/// True when something of that name is there, a dangling link included.
pub(crate) fn exists(path: &Path) -> Result<bool, HomeError> {
    match std::fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(HomeError::Io { doing: "look at", path: path.to_owned(), error }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nowhere(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_flag_comes_before_the_variable_before_the_users_directory() {
        let env = |name: &str| match name {
            "PEERMESH_DATA" => Some("/a".to_owned()),
            "HOME" => Some("/home/ann".to_owned()),
            _ => None,
        };
        assert_eq!(Home::locate(Some(Path::new("/f")), &env).unwrap().dir(), Path::new("/f"));
        assert_eq!(Home::locate(None, &env).unwrap().dir(), Path::new("/a"));
        let env = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        assert_eq!(Home::locate(None, &env).unwrap().dir(), Path::new("/home/ann/.local/share/peermesh"));
        assert!(matches!(Home::locate(None, &nowhere), Err(HomeError::Nowhere)));
    }

    #[test]
    fn a_directory_from_the_flag_is_named_to_whoever_types_the_next_command() {
        let shown = |dir: &str| Home::locate(Some(Path::new(dir)), &nowhere).unwrap().as_flag();
        assert_eq!(shown("/srv/mesh-1"), " --data /srv/mesh-1");
        assert_eq!(shown("/srv/ann's mesh"), r" --data '/srv/ann'\''s mesh'");
        let here = std::env::current_dir().unwrap().join("mesh");
        assert_eq!(shown("mesh"), format!(" --data {}", quoted(here.to_str().unwrap())));
        let env = |name: &str| (name == "PEERMESH_DATA").then(|| "/a".to_owned());
        assert_eq!(Home::locate(None, &env).unwrap().as_flag(), "");
    }

    #[test]
    fn what_is_set_for_a_session_of_another_client_moves_no_directory() {
        let env = |name: &str| match name {
            "HOME" => Some("/home/ann".to_owned()),
            name => name.starts_with("CLAUDEMESH_").then(|| "/tmp/session".to_owned()),
        };
        assert_eq!(Home::locate(None, &env).unwrap().dir(), Path::new("/home/ann/.local/share/peermesh"));
    }

    #[test]
    fn token_and_key_are_made_once_and_only_we_can_read_them() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &nowhere).unwrap();
        home.prepare().unwrap();
        let (token, key) = (home.make_token().unwrap(), home.make_key().unwrap());
        assert_eq!((token.len(), key.expose().len()), (43, 32));
        assert_eq!((home.make_token().unwrap(), home.make_key().unwrap()), (token, key));
        assert_eq!(mode_of(home.dir()).unwrap(), 0o700);
        assert_eq!(mode_of(&home.token_path()).unwrap(), 0o600);
        assert_eq!(mode_of(&home.key_path()).unwrap(), 0o600);
    }

    #[test]
    fn a_running_broker_is_found_by_the_word_it_left() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &nowhere).unwrap();
        home.prepare().unwrap();
        assert!(matches!(home.broker_address(), Err(HomeError::NoBroker { .. })));
        let (url, pid) = ("http://127.0.0.1:7900".to_owned(), std::process::id());
        home.announce(&BrokerFile { url: url.clone(), pid: pid + 1 }).unwrap();
        home.withdraw();
        assert_eq!(home.broker_address().unwrap().endpoint(), ("127.0.0.1", 7900), "that was another's word");
        home.announce(&BrokerFile { url, pid }).unwrap();
        home.withdraw();
        assert!(matches!(home.broker_address(), Err(HomeError::NoBroker { .. })));
    }

    #[test]
    fn a_store_that_lost_its_key_gets_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &nowhere).unwrap();
        home.prepare().unwrap();
        home.make_key().unwrap();
        std::fs::write(home.store_path(), "").unwrap();
        assert!(home.make_key().is_ok());
        std::fs::remove_file(home.key_path()).unwrap();
        let error = home.make_key().unwrap_err();
        assert!(error.to_string().contains("PEERMESH_KEY_FILE") && !home.key_path().exists(), "{error}");
    }

    #[test]
    fn secrets_that_the_operator_named_may_be_links_and_ours_may_not() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        // As a secret is mounted: each file leads to one in a directory that is swapped as a whole.
        std::fs::create_dir(at("..2026")).unwrap();
        std::os::unix::fs::symlink("..2026", at("..data")).unwrap();
        for (name, bytes) in [("key", &[7; 32][..]), ("token", b"t\n")] {
            std::fs::write(at("..2026").join(name), bytes).unwrap();
            std::os::unix::fs::symlink(Path::new("..data").join(name), at(name)).unwrap();
        }
        assert_eq!(read_named_key(&at("key")).unwrap(), Secret::new([7; 32]));
        assert_eq!(read_named_token(&at("token")).unwrap(), "t");
        assert!(read_key(&at("key")).is_err() && read_token(&at("token")).is_err());
        for (name, words) in
            [("..data", "is not a regular file"), ("token", "holds 2 bytes"), ("no", "cannot be read")]
        {
            let error = read_named_key(&at(name)).unwrap_err().to_string();
            assert!(error.starts_with("PEERMESH_KEY_FILE: /") && error.contains(words), "{error}");
        }
    }

    #[test]
    fn a_key_file_of_another_length_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        publish(&path, b"short").unwrap();
        assert!(matches!(read_key(&path), Err(HomeError::KeyLength { bytes: 5, .. })));
    }
}
