//! Profiles: who we are in a mesh, with the secret key that proves it.
//!
//! A profile is one file, `profiles/NAME.json`, 0600 in a 0700 directory. It is written before the broker is
//! asked to enrol its key, so that an answer that gets lost costs nothing: the same join with the same
//! profile goes on.

use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use peermesh_core::config::Secret;
use peermesh_core::ids::PublicKey;
use serde::{Deserialize, Serialize};

use super::PeerError;
use crate::daemon::archive::Archive;
use crate::daemon::place::Place;
use crate::home::{self, Home, HomeError};
use crate::logs::wall_now;

/// One identity in one mesh.
#[derive(Clone, Debug)]
pub(crate) struct Profile {
    /// The name of its file.
    pub(crate) name: String,
    pub(crate) mesh_id: String,
    pub(crate) mesh_slug: String,
    /// Where its broker is.
    pub(crate) broker_url: String,
    /// Missing until the broker has enrolled the key.
    pub(crate) member_id: Option<String>,
    /// What opens mail to keys it had before, the latest first; none until they are asked for.
    pub(crate) former: Vec<Secret>,
    seed: Secret,
    /// What the key is made of that is to replace it; the broker may know it already.
    next: Option<Secret>,
}

/// A profile as its file has it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    mesh_id: String,
    mesh_slug: String,
    broker_url: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    member_id: Option<String>,
    pubkey: String,
    secret_seed: String,
    /// While the key is being replaced.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    next_secret_seed: Option<String>,
}

impl Profile {
    /// A profile with a fresh key that no broker knows yet.
    pub(crate) fn fresh(
        name: &str,
        mesh_id: &str,
        mesh_slug: &str,
        broker_url: &str,
    ) -> Result<Profile, PeerError> {
        let seed = Secret::new(home::random::<32>()?);
        Ok(Profile::of_seed(name, (mesh_id, mesh_slug), broker_url, None, seed))
    }

    /// A profile with a key that its broker knows already, or will soon.
    pub(crate) fn of_seed(
        name: &str,
        (mesh_id, mesh_slug): (&str, &str),
        broker_url: &str,
        member_id: Option<&str>,
        seed: Secret,
    ) -> Profile {
        Profile {
            name: name.to_owned(),
            mesh_id: mesh_id.to_owned(),
            mesh_slug: mesh_slug.to_owned(),
            broker_url: broker_url.to_owned(),
            member_id: member_id.map(str::to_owned),
            former: Vec::new(),
            seed,
            next: None,
        }
    }

    /// The same, with the keys it had before. A file of them that cannot be trusted is set aside, and those
    /// keys open nothing more.
    pub(crate) fn with_former(mut self, home: &Home) -> Result<Profile, HomeError> {
        let (archive, _remarks) = Archive::open(&Place::of(home), &self.name, wall_now())?;
        self.former = archive.secrets();
        Ok(self)
    }

    /// The key that signs hellos and opens mail.
    pub(crate) fn signing_key(&self) -> SigningKey {
        key_of(&self.seed)
    }

    /// The key that is to replace it, if one is.
    pub(crate) fn next_key(&self) -> Option<SigningKey> {
        self.next.as_ref().map(key_of)
    }

    /// Says which key is to replace it; none when that came to nothing.
    pub(crate) fn intend(&mut self, next: Option<Secret>) {
        self.next = next;
    }

    /// From here on it has the key that was to replace the one it had.
    pub(crate) fn take_next(&mut self) {
        if let Some(next) = self.next.take() {
            self.seed = next;
        }
    }

    /// The key others know this member by.
    pub(crate) fn public_key(&self) -> PublicKey {
        PublicKey(self.signing_key().verifying_key().to_bytes())
    }

    /// Writes the profile under a name that is free.
    pub(crate) fn create(&self, home: &Home) -> Result<(), PeerError> {
        home.prepare()?;
        home::prepare_dir(&home.profiles())?;
        Ok(home::publish(&path(home, &self.name), &self.bytes())?)
    }

    /// Writes the profile in place of its earlier self.
    pub(crate) fn update(&self, home: &Home) -> Result<(), PeerError> {
        Ok(home::replace(&path(home, &self.name), &self.bytes())?)
    }

    /// Removes a profile that came to nothing.
    pub(crate) fn discard(&self, home: &Home) {
        let _ = std::fs::remove_file(path(home, &self.name));
    }

    /// The profile of that name, if there is one.
    pub(crate) fn find(home: &Home, name: &str) -> Result<Option<Profile>, PeerError> {
        let path = path(home, name);
        if !home::exists(&path)? {
            return Ok(None);
        }
        parse(name, &home::read(&path)?, &path).map(Some)
    }

    fn bytes(&self) -> Vec<u8> {
        let stored = Stored {
            mesh_id: self.mesh_id.clone(),
            mesh_slug: self.mesh_slug.clone(),
            broker_url: self.broker_url.clone(),
            member_id: self.member_id.clone(),
            pubkey: self.public_key().hex(),
            secret_seed: HEXLOWER.encode(self.seed.expose()),
            next_secret_seed: self.next.as_ref().map(|seed| HEXLOWER.encode(seed.expose())),
        };
        let mut bytes = serde_json::to_vec_pretty(&stored).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }
}

/// The profile to act as: the named one, else the only one, or the only one that has joined.
pub(crate) fn choose(home: &Home, asked: Option<&str>) -> Result<Profile, PeerError> {
    let names = names(home)?;
    let name = match (asked, names.as_slice()) {
        (Some(name), _) => check_name(name)?,
        (None, [only]) => only,
        (None, []) => return Err(PeerError::NoProfile { dir: home.profiles() }),
        (None, several) => {
            let unfinished = unfinished(home, several);
            let mut joined = several.iter().filter(|name| !unfinished.contains(name));
            let which = || PeerError::WhichProfile { names: names.join(", ") };
            joined.next().filter(|_| joined.next().is_none()).ok_or_else(which)?
        }
    };
    let profile = Profile::find(home, name)?.ok_or_else(|| PeerError::UnknownProfile {
        name: name.to_owned(),
        names: if names.is_empty() { "none".into() } else { names.join(", ") },
    })?;
    match profile.member_id {
        Some(_) => Ok(profile),
        None => Err(PeerError::Unfinished { name: name.to_owned() }),
    }
}

/// A profile's name is a file's name, so it is an id and never a path.
pub(crate) fn check_name(name: &str) -> Result<&str, PeerError> {
    const LONGEST: usize = 64;
    let fits = (1..=LONGEST).contains(&name.len())
        && !name.starts_with('.')
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'_' | b'-'));
    if fits { Ok(name) } else { Err(PeerError::BadProfileName { name: name.to_owned() }) }
}

/// The names of all profiles, sorted.
pub(crate) fn names(home: &Home) -> Result<Vec<String>, PeerError> {
    let dir = home.profiles();
    if !home::exists(&dir)? {
        return Ok(Vec::new());
    }
    let io = |error| HomeError::Io { doing: "read", path: dir.clone(), error };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).map_err(io)? {
        let file = entry.map_err(io)?.file_name();
        let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
        names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Those of them that were made by a join that never finished. One that cannot be read is none of them.
pub(crate) fn unfinished(home: &Home, names: &[String]) -> Vec<String> {
    let has_joined = |name: &String| match Profile::find(home, name) {
        Ok(profile) => profile.is_none_or(|profile| profile.member_id.is_some()),
        Err(_) => true,
    };
    names.iter().filter(|name| !has_joined(name)).cloned().collect()
}

/// Keeps other commands from changing the same profile meanwhile; ends when the file is closed. What is read
/// of a profile under it may be written back: a key that somebody else has put there is not lost.
///
/// # Errors
/// [`PeerError::Busy`] while another command has its turn.
pub(crate) fn take_turn(home: &Home, name: &str) -> Result<File, PeerError> {
    home.prepare()?;
    home::prepare_dir(&home.profiles())?;
    let path = home.profiles().join(format!("{name}.lock"));
    let io = |doing| {
        let path = path.clone();
        move |error| HomeError::Io { doing, path, error }
    };
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&path).map_err(io("open"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(PeerError::Busy { name: name.to_owned() }),
        Err(TryLockError::Error(error)) => Err(io("lock")(error).into()),
    }
}

/// What is wrong with the text of a profile, if anything is.
pub(crate) fn flaw(name: &str, bytes: &[u8]) -> Option<String> {
    match parse(name, bytes, Path::new("")) {
        Ok(_) => None,
        Err(PeerError::DamagedProfile { what, .. }) => Some(what),
        Err(error) => Some(error.to_string()),
    }
}

fn key_of(seed: &Secret) -> SigningKey {
    let mut bytes = [0; 32];
    // It has this length since it was made or read.
    bytes.copy_from_slice(seed.expose());
    SigningKey::from_bytes(&bytes)
}

fn path(home: &Home, name: &str) -> PathBuf {
    home.profiles().join(format!("{name}.json"))
}

fn parse(name: &str, bytes: &[u8], path: &Path) -> Result<Profile, PeerError> {
    let damaged = |what: String| PeerError::DamagedProfile { path: path.to_owned(), what };
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| damaged(error.to_string()))?;
    let seed = |text: &str| {
        let seed = HEXLOWER.decode(text.as_bytes()).ok().filter(|seed| seed.len() == 32);
        seed.map(Secret::new).ok_or_else(|| damaged("its secret is not 64 hex digits".into()))
    };
    let profile = Profile {
        name: name.to_owned(),
        mesh_id: stored.mesh_id,
        mesh_slug: stored.mesh_slug,
        broker_url: stored.broker_url,
        member_id: stored.member_id,
        former: Vec::new(),
        seed: seed(&stored.secret_seed)?,
        next: stored.next_secret_seed.as_deref().map(seed).transpose()?,
    };
    if profile.public_key().hex() != stored.pubkey {
        return Err(damaged("its keys do not belong together".into()));
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::mode_of;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        (dir, home)
    }

    fn joined(home: &Home, name: &str) -> Profile {
        let mut profile = Profile::fresh(name, "mesh-1", "demo", "ws://127.0.0.1:7900/ws").unwrap();
        profile.create(home).unwrap();
        profile.member_id = Some("mem-1".into());
        profile.update(home).unwrap();
        profile
    }

    #[test]
    fn a_profile_survives_its_file_and_only_its_owner_reads_it() {
        let (_dir, home) = home();
        let ann = joined(&home, "ann");
        let back = choose(&home, None).unwrap();
        assert_eq!((back.public_key(), back.member_id.as_deref()), (ann.public_key(), Some("mem-1")));
        assert_eq!(mode_of(&home.profiles()).unwrap(), 0o700);
        assert_eq!(mode_of(&home.profiles().join("ann.json")).unwrap(), 0o600);
    }

    #[test]
    fn with_several_profiles_one_must_be_named() {
        let (_dir, home) = home();
        assert!(matches!(choose(&home, None), Err(PeerError::NoProfile { .. })));
        joined(&home, "bob");
        joined(&home, "ann");
        let error = choose(&home, None).unwrap_err();
        assert!(error.to_string().contains("ann, bob"), "{error}");
        assert_eq!(choose(&home, Some("bob")).unwrap().name, "bob");
        let error = choose(&home, Some("cid")).unwrap_err();
        assert!(error.to_string().contains("ann, bob"), "{error}");
    }

    #[test]
    fn an_existing_profile_is_never_overwritten_by_a_fresh_one() {
        let (_dir, home) = home();
        let ann = joined(&home, "ann");
        assert!(Profile::fresh("ann", "m", "s", "ws://x/ws").unwrap().create(&home).is_err());
        assert_eq!(choose(&home, None).unwrap().public_key(), ann.public_key());
    }

    #[test]
    fn a_profile_that_never_finished_joining_is_not_used() {
        let (_dir, home) = home();
        Profile::fresh("ann", "m", "s", "ws://x/ws").unwrap().create(&home).unwrap();
        assert!(matches!(choose(&home, None), Err(PeerError::Unfinished { .. })));
    }

    #[test]
    fn a_join_that_never_finished_does_not_stand_beside_the_only_profile_that_has() {
        let (_dir, home) = home();
        let ann = joined(&home, "ann");
        for name in ["bob", "tls"] {
            Profile::fresh(name, "m", "s", "wss://x/ws").unwrap().create(&home).unwrap();
        }
        assert_eq!(choose(&home, None).unwrap().public_key(), ann.public_key());
        assert!(matches!(choose(&home, Some("tls")), Err(PeerError::Unfinished { .. })));
        assert_eq!(unfinished(&home, &names(&home).unwrap()), ["bob", "tls"]);
        // Whether one that is damaged has joined cannot be told, so it is not passed over.
        home::replace(&home.profiles().join("bob.json"), b"torn").unwrap();
        assert!(matches!(choose(&home, None), Err(PeerError::WhichProfile { .. })));
    }

    #[test]
    fn s_loc_02_a_name_is_never_a_path() {
        for name in ["", ".", "..", ".ann", "../ann", "a/b", "Ann", "a\0b", &"a".repeat(65)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name("ann-2.test_x").is_ok());
    }

    #[test]
    fn a_profile_whose_keys_do_not_belong_together_is_refused() {
        let (_dir, home) = home();
        let ann = joined(&home, "ann");
        let text = String::from_utf8(ann.bytes()).unwrap();
        let other = Profile::fresh("x", "m", "s", "ws://x/ws").unwrap();
        let forged = text.replace(&ann.public_key().hex(), &other.public_key().hex());
        home::replace(&home.profiles().join("ann.json"), forged.as_bytes()).unwrap();
        assert!(matches!(choose(&home, None), Err(PeerError::DamagedProfile { .. })));
    }

    #[test]
    fn the_secret_is_not_shown() {
        let (_dir, home) = home();
        let ann = joined(&home, "ann");
        let seed = HEXLOWER.encode(ann.seed.expose());
        assert!(!format!("{ann:?}").contains(&seed));
    }
}
