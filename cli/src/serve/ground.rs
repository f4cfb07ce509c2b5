//! What a broker finds in its data directory, and makes there: the admin token and the key file.
//!
//! The embedded store needs the directory. With a database, a broker does without one, or with one that it
//! can only read: then the token and the key come from settings, or what they open stays closed.

use std::io;

use peermesh_core::config::Secret;
use peermesh_core::note::{Level, Note};

use crate::config::Settings;
use crate::home::{self, Home, HomeError};

/// What a broker stands on besides its store.
#[derive(Debug)]
pub(super) struct Ground {
    /// The data directory, where the broker may write.
    pub(super) home: Option<Home>,
    /// None leaves the admin API closed.
    pub(super) admin_token: Option<Secret>,
    /// None leaves meshes and invites unmade.
    pub(super) vault_key: Option<Secret>,
    /// What the operator should know about it.
    pub(super) notes: Vec<Note>,
}

/// The ground of the embedded store: the directory is made if needed, token and key too.
///
/// # Errors
/// Whatever keeps the directory from being ours, and a token or a key that is damaged.
#[cfg(feature = "sqlite")]
pub(super) fn firm(home: Home, settings: &Settings) -> Result<Ground, HomeError> {
    home.prepare()?;
    let ground = furnish(Place::Writable(home), settings)?;
    Ok(Ground { notes: Vec::new(), ..ground })
}

/// The ground of a broker on a database, which takes what it finds.
///
/// # Errors
/// What somebody has to put right: a directory that is open to others, a token or a key that is damaged.
#[cfg(feature = "postgres")]
pub(super) fn any(home: Result<Home, HomeError>, settings: &Settings) -> Result<Ground, HomeError> {
    let (place, reason) = match home.and_then(look) {
        Ok(Place::Writable(home)) => (Place::Writable(home), None),
        Ok(Place::Readable(home)) => {
            let reason = format!("{} can only be read", home.dir().display());
            (Place::Readable(home), Some(reason))
        }
        Ok(Place::Nowhere) => (Place::Nowhere, None),
        Err(error @ (HomeError::Nowhere | HomeError::Io { .. } | HomeError::Foreign { .. })) => {
            (Place::Nowhere, Some(error.to_string()))
        }
        Err(error) => return Err(error),
    };
    let mut ground = furnish(place, settings)?;
    if let Some(reason) = reason {
        ground.notes.push(Note::new(Level::Info, "no data directory to write").with("reason", reason));
    }
    if ground.admin_token.is_none() {
        let way_out = "set PEERMESH_ADMIN_TOKEN";
        ground.notes.push(Note::new(Level::Warn, "admin API closed").with("way_out", way_out));
    }
    if ground.vault_key.is_none() {
        let way_out = "set PEERMESH_KEY_FILE to the file of 32 bytes that all brokers of this database share";
        let note = Note::new(Level::Warn, "no key file").with("refused", "mesh create, invite, receipts");
        ground.notes.push(note.with("way_out", way_out));
    }
    Ok(ground)
}

/// What the data directory allows.
#[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "the embedded store must write there"))]
enum Place {
    Writable(Home),
    Readable(Home),
    Nowhere,
}

#[cfg(feature = "postgres")]
fn look(home: Home) -> Result<Place, HomeError> {
    if !home::exists(home.dir())? || home.is_writable() {
        home.prepare()?;
        return Ok(Place::Writable(home));
    }
    // Fails where the directory cannot even be entered.
    home::exists(&home.token_path())?;
    Ok(Place::Readable(home))
}

fn furnish(place: Place, settings: &Settings) -> Result<Ground, HomeError> {
    let mut notes = Vec::new();
    let admin_token = match (&settings.admin_token, &place) {
        (Some(token), _) => Some(token.clone()),
        (None, Place::Writable(home)) => Some(Secret::new(home.make_token()?)),
        (None, Place::Readable(home)) => there(home.read_token())?.map(Secret::new),
        (None, Place::Nowhere) => None,
    };
    let vault_key = match (&settings.key_file, &place) {
        (Some(path), _) => Some(home::read_named_key(path)?),
        (None, Place::Writable(home)) => Some(key_of(home, &mut notes)?),
        (None, Place::Readable(home)) => there(home::read_key(&home.key_path()))?,
        (None, Place::Nowhere) => None,
    };
    let home = match place {
        Place::Writable(home) => Some(home),
        Place::Readable(_) | Place::Nowhere => None,
    };
    Ok(Ground { home, admin_token, vault_key, notes })
}

fn key_of(home: &Home, notes: &mut Vec<Note>) -> Result<Secret, HomeError> {
    let is_fresh = !home::exists(&home.key_path())?;
    let key = home.make_key()?;
    if is_fresh {
        let note =
            Note::new(Level::Warn, "key file made").with("file", home.key_path().display().to_string());
        let way_out = "every broker of this database needs this same file: name it with PEERMESH_KEY_FILE";
        notes.push(note.with("way_out", way_out));
    }
    Ok(key)
}

/// What a file holds; none where there is no such file.
fn there<T>(found: Result<T, HomeError>) -> Result<Option<T>, HomeError> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(HomeError::Io { error, .. }) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(all(test, feature = "postgres"))]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Flags;

    fn home(dir: &Path) -> Home {
        Home::locate(Some(dir), &|_| None).unwrap()
    }

    fn settings(variables: &[(&str, &str)]) -> Settings {
        let env = |name: &str| {
            variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(None, &Flags::default(), &env).unwrap()
    }

    fn said(ground: &Ground) -> Vec<&'static str> {
        ground.notes.iter().map(|note| note.msg).collect()
    }

    #[test]
    fn a_broker_on_a_database_starts_without_any_directory_and_says_what_stays_closed() {
        for home in [Err(HomeError::Nowhere), Ok(home(Path::new("/dev/null/mesh")))] {
            let ground = any(home, &settings(&[])).unwrap();
            assert!(ground.home.is_none() && ground.admin_token.is_none() && ground.vault_key.is_none());
            assert_eq!(said(&ground), ["no data directory to write", "admin API closed", "no key file"]);
        }
    }

    #[test]
    fn settings_open_what_a_missing_directory_leaves_closed() {
        let dir = tempfile::tempdir().unwrap();
        let key = dir.path().join("shared");
        home::publish(&key, &[7; 32]).unwrap();
        let set = settings(&[("PEERMESH_ADMIN_TOKEN", "t"), ("PEERMESH_KEY_FILE", key.to_str().unwrap())]);
        let ground = any(Err(HomeError::Nowhere), &set).unwrap();
        assert_eq!(ground.admin_token, Some(Secret::new("t")));
        assert_eq!(ground.vault_key, Some(Secret::new([7; 32])));
        assert_eq!(said(&ground), ["no data directory to write"]);
    }

    #[test]
    fn a_key_that_is_made_beside_a_database_is_told_because_other_brokers_need_it() {
        let dir = tempfile::tempdir().unwrap();
        let first = any(Ok(home(&dir.path().join("mesh"))), &settings(&[])).unwrap();
        assert_eq!(said(&first), ["key file made"]);
        let again = any(Ok(home(&dir.path().join("mesh"))), &settings(&[])).unwrap();
        assert_eq!((again.vault_key, again.admin_token), (first.vault_key, first.admin_token));
        assert!(again.home.is_some() && again.notes.is_empty());
    }

    #[test]
    fn a_directory_that_can_only_be_read_gives_what_it_has() {
        let dir = tempfile::tempdir().unwrap();
        let full = home(&dir.path().join("full"));
        full.prepare().unwrap();
        let (token, key) = (full.make_token().unwrap(), full.make_key().unwrap());
        let ground = furnish(Place::Readable(full), &settings(&[])).unwrap();
        assert_eq!((ground.admin_token, ground.vault_key), (Some(Secret::new(token)), Some(key)));
        assert!(ground.home.is_none(), "nothing is written there");
        let empty = home(&dir.path().join("empty"));
        empty.prepare().unwrap();
        let ground = furnish(Place::Readable(empty), &settings(&[])).unwrap();
        assert!(ground.admin_token.is_none() && ground.vault_key.is_none());
    }

    #[test]
    fn a_directory_that_others_can_read_is_refused_with_a_database_too() {
        use std::os::unix::fs::PermissionsExt;

        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("key"), [0; 32]).unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = any(Ok(home(dir.path())), &settings(&[])).unwrap_err();
        assert!(error.to_string().contains("chmod 700"), "{error}");
    }

    #[test]
    fn a_key_file_that_was_named_must_be_there() {
        let set = settings(&[("PEERMESH_KEY_FILE", "/nowhere/key")]);
        let error = any(Err(HomeError::Nowhere), &set).unwrap_err().to_string();
        assert!(error.contains("PEERMESH_KEY_FILE: /nowhere/key"), "{error}");
    }
}
