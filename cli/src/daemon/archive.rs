//! Keys that a member had before: what was sealed to them is opened for a while after they were replaced.
//!
//! *Always holds:* a key is on disk before whatever it gave way to is used. A file that cannot be trusted is
//! set aside and never overwritten. A key whose time is over opens nothing.
//!
//! *Does not:* erase securely; a disk may keep what a file held.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use ed25519_dalek::{SigningKey, VerifyingKey};
use peermesh_core::config::Secret;
use peermesh_core::ids::PublicKey;
use peermesh_core::seal::box_public;
use peermesh_core::time::Wall;
use serde::{Deserialize, Serialize};

use super::place::Place;
use crate::home::{self, HomeError, mode_of};

/// The schema that is read and written.
const SCHEMA: u32 = 1;
/// Keys that are kept unless the file says otherwise, and the most that a file may ask for.
const KEYS: (usize, usize) = (8, 64);
/// How long a replaced key is kept, in milliseconds.
const GRACE_MS: i64 = 7 * 24 * 60 * 60 * 1_000;

/// The longest it can be kept.
const GRACE_MS_MAX: i64 = 30 * 24 * 60 * 60 * 1_000;

/// The former keys of one profile.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    keys_max: usize,
    /// The one that was replaced last stands first.
    keys: Vec<Former>,
    /// The file holds keys whose time is over.
    has_expired: bool,
}

/// A key that was replaced.
#[derive(Clone, Debug)]
struct Former {
    /// As others knew the member.
    public: PublicKey,
    id: String,
    secret: Secret,
    created_at: i64,
    rotated_out_at: i64,
    expires_at: i64,
}

/// What an operator should know of a file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Remark {
    #[error("keypair_archive_malformed: {what}; the file was set aside as {aside}")]
    Malformed { what: String, aside: String },
    #[error("keypair_archive_duplicate_key_id: {id}; the file was set aside as {aside}")]
    Duplicate { id: String, aside: String },
    #[error("keypair_archive_perms: its mode is {mode:04o}; close it with: chmod 600 {path}")]
    Perms { mode: u32, path: String },
    #[error("keypair_archive_force_expired: {id} made room")]
    ForceExpired { id: String },
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Stored {
    schema_version: u32,
    max_archived_keys: usize,
    keys: Vec<StoredKey>,
}

#[derive(Serialize, Deserialize)]
struct StoredKey {
    ed25519_pubkey: String,
    x25519_pubkey: String,
    x25519_privkey: String,
    key_id: String,
    /// Unix milliseconds, like the two below.
    created_at: i64,
    rotated_out_at: i64,
    expires_at: i64,
}

impl Archive {
    /// The archive of a profile, without the keys whose time is over. One that is not there is empty; so is
    /// one that was set aside, and the remarks say so.
    pub(crate) fn open(place: &Place, profile: &str, now: Wall) -> Result<(Archive, Vec<Remark>), HomeError> {
        let path = place.archive_path(profile);
        let mut archive = Archive { path, keys_max: KEYS.0, keys: Vec::new(), has_expired: false };
        let mut remarks = Vec::new();
        if !home::exists(&archive.path)? {
            return Ok((archive, remarks));
        }
        let mode = mode_of(&archive.path).unwrap_or(0o600);
        if mode != 0o600 {
            remarks.push(Remark::Perms { mode, path: archive.path.display().to_string() });
        }
        match read(&home::read(&archive.path)?) {
            Ok((keys_max, keys)) => {
                archive.keys_max = keys_max;
                let all = keys.len();
                archive.keys = keys;
                archive.keys.retain(|key| key.expires_at > now.as_millis());
                archive.has_expired = archive.keys.len() < all;
            }
            Err(flaw) => {
                let aside = set_aside(&archive.path, now)?;
                remarks.push(match flaw {
                    Flaw::Malformed(what) => Remark::Malformed { what, aside },
                    Flaw::Duplicate(id) => Remark::Duplicate { id, aside },
                });
            }
        }
        Ok((archive, remarks))
    }

    /// The secrets that open what was sealed to former keys, the latest first.
    pub(crate) fn secrets(&self) -> Vec<Secret> {
        self.keys.iter().map(|former| former.secret.clone()).collect()
    }

    /// True for a key that the profile had before, as others know it.
    pub(crate) fn knows(&self, key: PublicKey) -> bool {
        self.keys.iter().any(|former| former.public == key)
    }

    /// Keeps a key that gives way; the oldest make room.
    ///
    /// # Errors
    /// When it could not be written: then it must not be replaced.
    pub(crate) fn keep(&mut self, key: &SigningKey, now: Wall) -> Result<Vec<Remark>, HomeError> {
        self.put(key, now);
        self.make_room()
    }

    /// Keeps a key that is about to be replaced. Nothing makes room for it: whether it will be is not known,
    /// and if not, the oldest key still opens what comes for it.
    ///
    /// # Errors
    /// When it could not be written: then it must not be replaced.
    pub(crate) fn keep_beside(&mut self, key: &SigningKey, now: Wall) -> Result<(), HomeError> {
        self.put(key, now);
        self.write()
    }

    /// The oldest keys over the most that are kept go.
    ///
    /// # Errors
    /// When it could not be written: then they are there until the next time.
    pub(crate) fn make_room(&mut self) -> Result<Vec<Remark>, HomeError> {
        let forced = self.keys.split_off(self.keys_max.min(self.keys.len()));
        self.write()?;
        Ok(forced.into_iter().map(|former| Remark::ForceExpired { id: former.id }).collect())
    }

    fn put(&mut self, key: &SigningKey, now: Wall) {
        let public = PublicKey(key.verifying_key().to_bytes());
        self.keys.retain(|former| former.public != public);
        let at = now.as_millis();
        self.keys.insert(
            0,
            Former {
                public,
                id: public.hex().chars().take(16).collect(),
                secret: Secret::new(key.to_scalar_bytes()),
                created_at: at,
                rotated_out_at: at,
                expires_at: at.saturating_add(GRACE_MS),
            },
        );
        self.keys.sort_by_key(|former| std::cmp::Reverse(former.rotated_out_at));
    }

    /// Keeps a former key for as long as mail may be sealed to it: until then, and no longer than 30 days.
    ///
    /// # Errors
    /// When it could not be written: then it is kept as long as before.
    pub(crate) fn prolong(&mut self, public: PublicKey, until: Wall) -> Result<(), HomeError> {
        let Some(former) = self.keys.iter_mut().find(|former| former.public == public) else { return Ok(()) };
        let most = former.rotated_out_at.saturating_add(GRACE_MS_MAX);
        let expires_at = until.as_millis().min(most);
        if expires_at <= former.expires_at {
            return Ok(());
        }
        former.expires_at = expires_at;
        self.write()
    }

    /// Takes keys whose time is over out of the file too, where there are any.
    pub(crate) fn drop_expired(&self) -> Result<(), HomeError> {
        if self.has_expired { self.write() } else { Ok(()) }
    }

    /// Writes the keys that are left; a file without any is removed.
    pub(crate) fn write(&self) -> Result<(), HomeError> {
        if self.keys.is_empty() {
            let _ = std::fs::remove_file(&self.path);
            return Ok(());
        }
        if let Some(dir) = self.path.parent() {
            home::prepare_dir(dir)?;
        }
        let stored = Stored {
            schema_version: SCHEMA,
            max_archived_keys: self.keys_max,
            keys: self.keys.iter().map(Former::stored).collect(),
        };
        let mut text = serde_json::to_string_pretty(&stored).unwrap_or_default();
        text.push('\n');
        home::replace(&self.path, text.as_bytes())
    }
}

impl Former {
    fn stored(&self) -> StoredKey {
        StoredKey {
            ed25519_pubkey: self.public.hex(),
            x25519_pubkey: HEXLOWER.encode(&box_public(&self.secret).unwrap_or_default()),
            x25519_privkey: HEXLOWER.encode(self.secret.expose()),
            key_id: self.id.clone(),
            created_at: self.created_at,
            rotated_out_at: self.rotated_out_at,
            expires_at: self.expires_at,
        }
    }

    fn read(stored: StoredKey) -> Result<Former, String> {
        let key = |text: &str| {
            let bytes = HEXLOWER.decode(text.as_bytes()).ok()?;
            <[u8; 32]>::try_from(bytes).ok()
        };
        let StoredKey { key_id: id, created_at, rotated_out_at, expires_at, .. } = stored;
        let wrong = |what: &str| format!("key {id}: {what}");
        let public = key(&stored.ed25519_pubkey).ok_or_else(|| wrong("no public key"))?;
        let secret = key(&stored.x25519_privkey).map(Secret::new).ok_or_else(|| wrong("no secret key"))?;
        let boxed = key(&stored.x25519_pubkey).ok_or_else(|| wrong("no key for boxes"))?;
        let point = VerifyingKey::from_bytes(&public).map_err(|_| wrong("no public key"))?;
        if box_public(&secret) != Some(boxed) || point.to_montgomery().to_bytes() != boxed {
            return Err(wrong("its keys do not belong together"));
        }
        Ok(Former { public: PublicKey(public), id, secret, created_at, rotated_out_at, expires_at })
    }
}

/// What is wrong with a file.
enum Flaw {
    Malformed(String),
    Duplicate(String),
}

/// How many keys the file may hold, and those that it does.
pub(super) fn check(bytes: &[u8]) -> Result<(), String> {
    match read(bytes) {
        Ok(_) => Ok(()),
        Err(Flaw::Malformed(what)) => Err(what),
        Err(Flaw::Duplicate(id)) => Err(format!("key id {id} stands there twice")),
    }
}

fn read(bytes: &[u8]) -> Result<(usize, Vec<Former>), Flaw> {
    let malformed = |what: String| Flaw::Malformed(what);
    let stored: Stored = serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
    if stored.schema_version != SCHEMA {
        return Err(malformed(format!("its schema is {}, not {SCHEMA}", stored.schema_version)));
    }
    if !(1..=KEYS.1).contains(&stored.max_archived_keys) {
        return Err(malformed(format!("max_archived_keys is not from 1 to {}", KEYS.1)));
    }
    let mut seen = BTreeSet::new();
    for key in &stored.keys {
        if !seen.insert(&key.key_id) {
            return Err(Flaw::Duplicate(key.key_id.clone()));
        }
    }
    let keys: Result<Vec<Former>, String> = stored.keys.into_iter().map(Former::read).collect();
    Ok((stored.max_archived_keys, keys.map_err(malformed)?))
}

fn set_aside(path: &Path, now: Wall) -> Result<String, HomeError> {
    let aside = format!("{}.malformed-{}", path.display(), now.as_millis());
    std::fs::rename(path, &aside).map_err(|error| HomeError::Io {
        doing: "set aside",
        path: path.to_owned(),
        error,
    })?;
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::home::Home;

    const DAY: i64 = 24 * 60 * 60 * 1_000;

    fn place() -> (tempfile::TempDir, Place) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let place = Place::prepare(&home).unwrap();
        (dir, place)
    }

    fn key(byte: u8) -> SigningKey {
        SigningKey::from_bytes(&[byte; 32])
    }

    fn open(place: &Place, day: i64) -> (Archive, Vec<Remark>) {
        Archive::open(place, "ann", Wall::from_millis(day * DAY)).unwrap()
    }

    fn held(archive: &Archive) -> Vec<PublicKey> {
        archive.keys.iter().map(|former| former.public).collect()
    }

    fn public(byte: u8) -> PublicKey {
        PublicKey(key(byte).verifying_key().to_bytes())
    }

    fn stored(place: &Place) -> Value {
        serde_json::from_slice(&home::read(&place.archive_path("ann")).unwrap()).unwrap()
    }

    #[test]
    fn f_dmn_11_a_key_is_on_disk_before_its_successor_and_until_its_time_is_over() {
        let (_dir, place) = place();
        let (mut archive, remarks) = open(&place, 0);
        assert!(archive.keys.is_empty() && remarks.is_empty(), "one that is not there is empty");
        archive.keep(&key(1), Wall::from_millis(0)).unwrap();
        archive.keep(&key(2), Wall::from_millis(3 * DAY)).unwrap();
        assert_eq!(mode_of(&place.archive_path("ann")).unwrap(), 0o600);
        for (day, left) in [(3, vec![public(2), public(1)]), (7, vec![public(2)]), (10, vec![])] {
            let (archive, remarks) = open(&place, day);
            assert_eq!((held(&archive), remarks), (left, vec![]), "day {day}");
        }
        assert_eq!(open(&place, 3).0.secrets()[0].expose(), key(2).to_scalar_bytes());
        open(&place, 3).0.drop_expired().unwrap();
        assert_eq!(stored(&place)["keys"].as_array().unwrap().len(), 2);
        open(&place, 8).0.drop_expired().unwrap();
        assert_eq!(stored(&place)["keys"].as_array().unwrap().len(), 1, "one whose time is over goes");
        open(&place, 10).0.drop_expired().unwrap();
        assert!(!place.archive_path("ann").exists(), "a file without keys goes");
    }

    #[test]
    fn a_key_is_kept_while_its_broker_takes_mail_for_it_and_no_longer_than_thirty_days() {
        let (_dir, place) = place();
        open(&place, 0).0.keep(&key(1), Wall::from_millis(0)).unwrap();
        for (until, kept) in [(3, 7), (14, 14), (10, 14), (90, 30)] {
            open(&place, 0).0.prolong(public(1), Wall::from_millis(until * DAY)).unwrap();
            let days = [kept - 1, kept].map(|day| held(&open(&place, day).0).len());
            assert_eq!(days, [1, 0], "until day {until}");
        }
        open(&place, 0).0.prolong(public(2), Wall::from_millis(90 * DAY)).unwrap();
        assert_eq!(held(&open(&place, 0).0), [public(1)], "one that is not there does not come");
    }

    #[test]
    fn the_oldest_make_room_and_are_named() {
        let (_dir, place) = place();
        let (mut archive, _) = open(&place, 0);
        for byte in 1..=8 {
            assert_eq!(archive.keep(&key(byte), Wall::from_millis(byte.into())).unwrap(), []);
        }
        let id: String = public(1).hex().chars().take(16).collect();
        let forced = archive.keep(&key(9), Wall::from_millis(9)).unwrap();
        assert_eq!(forced, [Remark::ForceExpired { id }]);
        let (archive, _) = open(&place, 0);
        assert_eq!(held(&archive), (2..=9).rev().map(public).collect::<Vec<_>>());
    }

    #[test]
    fn f_dmn_09_a_file_that_cannot_be_trusted_is_set_aside_and_the_next_one_starts_empty() {
        let (_dir, place) = place();
        let (mut archive, _) = open(&place, 0);
        archive.keep(&key(1), Wall::from_millis(0)).unwrap();
        archive.keep(&key(2), Wall::from_millis(0)).unwrap();
        let good = stored(&place);
        let with = |change: &dyn Fn(&mut Value)| {
            let mut file = good.clone();
            change(&mut file);
            file.to_string()
        };
        let rows = [
            ("{".to_owned(), "keypair_archive_malformed"),
            (with(&|file| file["schema_version"] = 2.into()), "its schema is 2"),
            (with(&|file| file["max_archived_keys"] = 0.into()), "max_archived_keys"),
            (with(&|file| file["keys"][0]["x25519_privkey"] = "00".into()), "no secret key"),
            (
                with(&|file| file["keys"][0]["x25519_privkey"] = "11".repeat(32).into()),
                "do not belong together",
            ),
            (
                with(&|file| file["keys"][0]["ed25519_pubkey"] = public(3).hex().into()),
                "do not belong together",
            ),
            (
                with(&|file| file["keys"][0]["key_id"] = file["keys"][1]["key_id"].clone()),
                "keypair_archive_duplicate_key_id",
            ),
        ];
        for (day, (text, words)) in (0..).zip(rows) {
            home::replace(&place.archive_path("ann"), text.as_bytes()).unwrap();
            let (archive, remarks) = open(&place, day);
            let said = remarks[0].to_string();
            assert!(archive.keys.is_empty() && said.contains(words), "{words}: {said}");
            let aside = format!("{}.malformed-{}", place.archive_path("ann").display(), day * DAY);
            assert!(said.contains(&aside), "{said}");
            assert_eq!(std::fs::read_to_string(aside).unwrap(), text);
            assert!(!place.archive_path("ann").exists());
        }
    }

    #[test]
    fn a_file_that_others_can_read_is_read_with_a_warning_and_left_as_it_is() {
        use std::os::unix::fs::PermissionsExt;
        let (_dir, place) = place();
        open(&place, 0).0.keep(&key(1), Wall::from_millis(0)).unwrap();
        let path = place.archive_path("ann");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        let (archive, remarks) = open(&place, 0);
        assert_eq!(archive.keys.len(), 1);
        assert!(remarks[0].to_string().contains("keypair_archive_perms: its mode is 0644"), "{remarks:?}");
        assert_eq!(mode_of(&path).unwrap(), 0o644);
    }
}
