//! A copy of who this host is, in one file that only a passphrase opens: profiles, their former keys, the
//! configuration, and which host it was made on.
//!
//! *Always holds:* what opens nothing elsewhere is not in it: no token of a program, no key of a broker's
//! store, no messages. Names in it are names and never paths. All is judged before anything is written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use argon2::{Algorithm, Argon2, Params, Version};
use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::DaemonError;
use super::archive;
use super::place::Place;
use crate::home::{self, Home, HomeError};
use crate::peer::profile;

/// Says what the file is.
const FORMAT: &str = "peermesh-backup";
/// The version of the sealed form, and of what is in it.
const VERSION: u32 = 1;
/// What opening costs: memory in KiB, rounds, lanes.
const COST: (u32, u32, u32) = (64 * 1024, 3, 1);
/// More than this a file may not ask for.
const COST_MAX: (u32, u32, u32) = (1024 * 1024, 64, 16);
/// A passphrase has at least so many characters.
pub(super) const PASSPHRASE_CHARS_MIN: usize = 8;

/// What is copied: the text of each file by its name in the data directory.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Bundle {
    version: u32,
    /// When it was made, ISO 8601.
    pub(super) made_at: String,
    pub(super) files: BTreeMap<String, String>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Sealed {
    format: String,
    version: u32,
    memory_kib: u32,
    rounds: u32,
    lanes: u32,
    salt: String,
    nonce: String,
    sealed: String,
}

/// What a file of the bundle is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// The settings.
    Config,
    /// A profile, by its name.
    Profile(String),
    /// The former keys of a profile.
    Archive(String),
    /// Which host it was made on.
    Host,
}

impl Part {
    /// What a name of a bundle means; `None` for any other.
    pub(super) fn named(name: &str) -> Option<Part> {
        let id = |text: &str| {
            let name = text.strip_suffix(".json")?;
            profile::check_name(name).ok().map(str::to_owned)
        };
        match name {
            "peermesh.toml" => Some(Part::Config),
            "daemon/host_fingerprint.json" => Some(Part::Host),
            _ => match name.strip_prefix("profiles/") {
                Some(text) => id(text).map(Part::Profile),
                None => id(name.strip_prefix("daemon/keypair-archive/")?).map(Part::Archive),
            },
        }
    }

    /// Where it lies.
    pub(super) fn path(&self, home: &Home, place: &Place) -> PathBuf {
        match self {
            Part::Config => home.config_path(),
            Part::Profile(name) => home.profiles().join(format!("{name}.json")),
            Part::Archive(name) => place.archive_path(name),
            Part::Host => place.fingerprint_path(),
        }
    }

    fn name(&self) -> String {
        match self {
            Part::Config => "peermesh.toml".to_owned(),
            Part::Profile(name) => format!("profiles/{name}.json"),
            Part::Archive(name) => format!("daemon/keypair-archive/{name}.json"),
            Part::Host => "daemon/host_fingerprint.json".to_owned(),
        }
    }

    /// Says what is wrong with the text, if anything is.
    fn flaw(&self, text: &str) -> Option<String> {
        match self {
            Part::Config => text.parse::<toml::Table>().err().map(|error| error.message().to_owned()),
            Part::Profile(name) => profile::flaw(name, text.as_bytes()),
            Part::Archive(_) => archive::check(text.as_bytes()).err(),
            Part::Host => serde_json::from_str::<Value>(text).err().map(|error| error.to_string()),
        }
    }
}

impl Bundle {
    /// Reads everything that belongs to it.
    pub(super) fn gather(home: &Home, made_at: String) -> Result<Bundle, DaemonError> {
        let place = Place::of(home);
        let names =
            profile::names(home).map_err(|error| DaemonError::BadBundle { what: error.to_string() })?;
        let mut parts = vec![Part::Config, Part::Host];
        parts.extend(names.iter().cloned().map(Part::Profile));
        parts.extend(names.into_iter().map(Part::Archive));
        let mut files = BTreeMap::new();
        for part in parts {
            let path = part.path(home, &place);
            if !home::exists(&path)? {
                continue;
            }
            let text = String::from_utf8(home::read(&path)?).unwrap_or_default();
            if let Some(what) = part.flaw(&text) {
                return Err(DaemonError::BadBundle { what: format!("{}: {what}", path.display()) });
            }
            files.insert(part.name(), text);
        }
        Ok(Bundle { version: VERSION, made_at, files })
    }

    /// Everything in it, if all of it can be trusted.
    pub(super) fn parts(&self) -> Result<Vec<(Part, &str)>, DaemonError> {
        let bad = |what: String| DaemonError::BadBundle { what };
        if self.version != VERSION {
            return Err(bad(format!("its content has version {}, not {VERSION}", self.version)));
        }
        let mut parts = Vec::with_capacity(self.files.len());
        for (name, text) in &self.files {
            let part = Part::named(name).ok_or_else(|| bad(format!("{name} does not belong into it")))?;
            if let Some(what) = part.flaw(text) {
                return Err(bad(format!("{name}: {what}")));
            }
            parts.push((part, text.as_str()));
        }
        Ok(parts)
    }

    /// The id of the host it was made on, if it had one.
    pub(super) fn made_on(&self) -> Option<String> {
        let text = self.files.get(&Part::Host.name())?;
        let host: Value = serde_json::from_str(text).ok()?;
        host["host_id"].as_str().filter(|id| !id.is_empty()).map(str::to_owned)
    }

    /// Seals it.
    pub(super) fn seal(&self, passphrase: &str) -> Result<Vec<u8>, DaemonError> {
        let (salt, nonce) = (home::random::<16>()?, home::random::<24>()?);
        let cipher = cipher(passphrase, &salt, COST)?;
        let text = serde_json::to_vec(self).unwrap_or_default();
        let sealed = cipher.encrypt(&Nonce::from(nonce), text.as_slice());
        let sealed = sealed.map_err(|_| DaemonError::BadBundle { what: "it is too large".to_owned() })?;
        let (memory_kib, rounds, lanes) = COST;
        let file = Sealed {
            format: FORMAT.to_owned(),
            version: VERSION,
            memory_kib,
            rounds,
            lanes,
            salt: BASE64.encode(&salt),
            nonce: BASE64.encode(&nonce),
            sealed: BASE64.encode(&sealed),
        };
        let mut text = serde_json::to_vec_pretty(&file).unwrap_or_default();
        text.push(b'\n');
        Ok(text)
    }

    /// Opens what was sealed.
    pub(super) fn open(bytes: &[u8], passphrase: &str) -> Result<Bundle, DaemonError> {
        let bad = |what: &str| DaemonError::BadBundle { what: what.to_owned() };
        let file: Sealed = serde_json::from_slice(bytes).map_err(|error| bad(&error.to_string()))?;
        if file.format != FORMAT || file.version != VERSION {
            return Err(bad("another program or another version made it"));
        }
        let cost = (file.memory_kib, file.rounds, file.lanes);
        if cost.0 > COST_MAX.0 || cost.1 > COST_MAX.1 || cost.2 > COST_MAX.2 {
            return Err(bad("to open it would cost more than it may"));
        }
        let decode = |text: &str| BASE64.decode(text.as_bytes()).map_err(|_| bad("it is damaged"));
        let nonce: [u8; 24] = decode(&file.nonce)?.try_into().map_err(|_| bad("it is damaged"))?;
        let sealed = decode(&file.sealed)?;
        let cipher = cipher(passphrase, &decode(&file.salt)?, cost)?;
        let text = cipher.decrypt(&Nonce::from(nonce), sealed.as_slice());
        let text = text.map_err(|_| DaemonError::WrongPassphrase)?;
        serde_json::from_slice(&text).map_err(|error| bad(&error.to_string()))
    }
}

fn cipher(passphrase: &str, salt: &[u8], cost: (u32, u32, u32)) -> Result<XSalsa20Poly1305, DaemonError> {
    let bad = |error: argon2::Error| DaemonError::BadBundle { what: error.to_string() };
    let params = Params::new(cost.0, cost.1, cost.2, Some(32)).map_err(bad)?;
    let mut key = [0; 32];
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase.as_bytes(), salt, &mut key)
        .map_err(bad)?;
    Ok(XSalsa20Poly1305::new(&Key::from(key)))
}

/// Reads a bundle's file, which may lie anywhere and belong to anybody.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, HomeError> {
    home::read_named(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(files: &[(&str, &str)]) -> Bundle {
        let files = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
        Bundle { version: VERSION, made_at: "2026-01-01T00:00:00.000Z".to_owned(), files }
    }

    #[test]
    fn only_the_passphrase_opens_it_and_nothing_of_it_shows() {
        let bundle = bundle(&[("peermesh.toml", "port = 7900 # precious\n")]);
        let sealed = bundle.seal("correct horse").unwrap();
        assert!(!String::from_utf8_lossy(&sealed).contains("precious"));
        assert_eq!(Bundle::open(&sealed, "correct horse").unwrap(), bundle);
        assert!(matches!(Bundle::open(&sealed, "correct hors"), Err(DaemonError::WrongPassphrase)));
        assert_ne!(bundle.seal("correct horse").unwrap(), sealed, "each has its own salt");
        let mut file: Value = serde_json::from_slice(&sealed).unwrap();
        let change = |file: &Value| Bundle::open(file.to_string().as_bytes(), "correct horse");
        file["rounds"] = 4.into();
        assert!(matches!(change(&file), Err(DaemonError::WrongPassphrase)));
        file["memory_kib"] = u32::MAX.into();
        assert!(matches!(change(&file), Err(DaemonError::BadBundle { .. })), "no file may take all memory");
        file["format"] = "other".into();
        assert!(matches!(change(&file), Err(DaemonError::BadBundle { .. })));
        assert!(matches!(Bundle::open(b"{", "x"), Err(DaemonError::BadBundle { .. })));
    }

    #[test]
    fn s_loc_02_a_name_in_a_bundle_is_never_a_path_and_never_a_secret_of_this_host() {
        for name in [
            "../peermesh.toml",
            "profiles/../../.bashrc",
            "profiles/.hidden.json",
            "profiles/a/b.json",
            "profiles/ann",
            "daemon/keypair-archive/../local-token.json",
            "daemon/local-token",
            "admin-token",
            "key",
            "/etc/passwd",
            "",
        ] {
            assert_eq!(Part::named(name), None, "{name:?}");
            assert!(bundle(&[(name, "{}")]).parts().is_err(), "{name:?}");
        }
        for part in
            [Part::Config, Part::Host, Part::Profile("ann".to_owned()), Part::Archive("ann-2".to_owned())]
        {
            assert_eq!(Part::named(&part.name()), Some(part));
        }
    }

    #[test]
    fn one_bad_part_spoils_the_whole() {
        for (name, text) in [
            ("peermesh.toml", "port = "),
            ("profiles/ann.json", "{}"),
            ("daemon/keypair-archive/ann.json", "{}"),
            ("daemon/host_fingerprint.json", "{"),
        ] {
            let why = bundle(&[("peermesh.toml", ""), (name, text)]).parts().unwrap_err().to_string();
            assert!(why.contains(name), "{why}");
        }
    }
}
