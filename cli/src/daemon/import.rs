//! Takes over the meshes that an existing claudemesh client has joined, as profiles.
//!
//! *Always holds:* its files are only read. A profile that is there already is never replaced. What comes out
//! is told for every mesh.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER_PERMISSIVE;
use peermesh_core::config::Secret;
use peermesh_core::ids::PublicKey;
use serde::Deserialize;
use serde_json::json;

use super::DaemonError;
use crate::address::Address;
use crate::failure::Failure;
use crate::home::{self, Home, HomeError};
use crate::peer::profile::{self, Profile};
use crate::terminal::Terminal;

/// Where the client keeps it, in the user's home.
const CONFIG: &str = ".claudemesh/config.json";

/// What of the file is of use here; everything else is left alone.
#[derive(Deserialize)]
struct Config {
    meshes: Vec<Mesh>,
}

/// One mesh that the client has joined.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Mesh {
    mesh_id: String,
    member_id: String,
    slug: String,
    pubkey: String,
    secret_key: String,
    broker_url: String,
}

/// What became of one mesh.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outcome {
    /// There is a profile of that name from here on.
    Imported,
    /// There was one already, of the same mesh and with the same key.
    There,
    /// It was left alone.
    Refused(String),
}

impl Outcome {
    fn word(&self) -> &'static str {
        match self {
            Outcome::Imported => "imported",
            Outcome::There => "already there",
            Outcome::Refused(_) => "refused",
        }
    }

    fn why(&self) -> Option<&str> {
        match self {
            Outcome::Refused(why) => Some(why),
            Outcome::Imported | Outcome::There => None,
        }
    }
}

/// Imports every mesh of the file, or of the client's own.
pub(super) fn run(
    home: &Home,
    file: Option<&Path>,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let path = match file {
        Some(file) => file.to_owned(),
        None => own(env)?,
    };
    let config = read(&path)?;
    let rows: Vec<(String, Outcome)> =
        config.meshes.iter().map(|mesh| (name_of(mesh), import(home, mesh))).collect();
    let refused = rows.iter().filter(|(_, outcome)| outcome.why().is_some()).count();
    let value: Vec<_> = rows
        .iter()
        .map(|(name, outcome)| json!({ "profile": name, "outcome": outcome.word(), "why": outcome.why() }))
        .collect();
    let lines: Vec<String> = rows
        .iter()
        .map(|(name, outcome)| match outcome.why() {
            Some(why) => format!("{name}: refused: {why}"),
            None => format!("{name}: {}", outcome.word()),
        })
        .collect();
    terminal.result(&json!({ "profiles": value }), lines.iter().map(String::as_str))?;
    if refused == 0 { Ok(()) } else { Err(DaemonError::Unimported { refused, all: rows.len() }.into()) }
}

fn own(env: &dyn Fn(&str) -> Option<String>) -> Result<PathBuf, HomeError> {
    let home = env("HOME").filter(|home| !home.is_empty()).ok_or(HomeError::Nowhere)?;
    Ok(Path::new(&home).join(CONFIG))
}

fn read(path: &Path) -> Result<Config, DaemonError> {
    let bytes = home::read_named(path).map_err(|error| match error {
        HomeError::Io { error, .. } if error.kind() == ErrorKind::NotFound => {
            DaemonError::BadImport { path: path.to_owned(), what: "it is not there".to_owned() }
        }
        error => error.into(),
    })?;
    serde_json::from_slice(&bytes)
        .map_err(|error| DaemonError::BadImport { path: path.to_owned(), what: error.to_string() })
}

/// The profile is called as the mesh is, in letters that a profile may have.
fn name_of(mesh: &Mesh) -> String {
    mesh.slug.to_ascii_lowercase()
}

fn import(home: &Home, mesh: &Mesh) -> Outcome {
    match try_import(home, mesh) {
        Ok(outcome) => outcome,
        Err(error) => Outcome::Refused(error.to_string()),
    }
}

fn try_import(home: &Home, mesh: &Mesh) -> Result<Outcome, Failure> {
    let name = name_of(mesh);
    profile::check_name(&name)?;
    Address::parse(&mesh.broker_url)?;
    if mesh.mesh_id.is_empty() || mesh.member_id.is_empty() {
        return Ok(Outcome::Refused("it names no mesh or no member".to_owned()));
    }
    let Some((seed, public)) = keys(mesh) else {
        let why = "its keys do not belong together; copy the file anew from where it was made";
        return Ok(Outcome::Refused(why.to_owned()));
    };
    if let Some(there) = Profile::find(home, &name)? {
        if there.public_key() == public && there.mesh_id == mesh.mesh_id {
            return Ok(Outcome::There);
        }
        let why = format!("there is a profile {name} already, of another mesh or with another key");
        return Ok(Outcome::Refused(why));
    }
    let member = Some(mesh.member_id.as_str());
    let profile = Profile::of_seed(&name, (&mesh.mesh_id, &mesh.slug), &mesh.broker_url, member, seed);
    profile.create(home)?;
    Ok(Outcome::Imported)
}

/// The seed and the public key, if they belong together: a secret key is written with its public half behind
/// the seed, or as the seed alone.
fn keys(mesh: &Mesh) -> Option<(Secret, PublicKey)> {
    let secret = HEXLOWER_PERMISSIVE.decode(mesh.secret_key.as_bytes()).ok()?;
    let public = HEXLOWER_PERMISSIVE.decode(mesh.pubkey.as_bytes()).ok()?;
    let (seed, half) = secret.split_at_checked(32)?;
    let seed: [u8; 32] = seed.try_into().ok()?;
    let made = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key().to_bytes();
    let fits = made.as_slice() == public && (half.is_empty() || half == made);
    fits.then(|| (Secret::new(seed), PublicKey(made)))
}

#[cfg(test)]
mod tests {
    use data_encoding::HEXLOWER;
    use serde_json::Value;

    use super::*;

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        (dir, home)
    }

    fn mesh(slug: &str, byte: u8) -> Value {
        let key = ed25519_dalek::SigningKey::from_bytes(&[byte; 32]);
        json!({
            "meshId": format!("mesh-{byte}"), "memberId": "mem-1", "slug": slug, "name": "Demo",
            "pubkey": HEXLOWER.encode(key.verifying_key().as_bytes()),
            "secretKey": HEXLOWER.encode(&key.to_keypair_bytes()),
            "brokerUrl": "wss://mesh.example/ws", "joinedAt": "2026-01-01T00:00:00.000Z", "inviteVersion": 2,
        })
    }

    fn outcome(home: &Home, mesh: Value) -> Outcome {
        import(home, &serde_json::from_value(mesh).unwrap())
    }

    #[test]
    fn a_mesh_becomes_a_profile_with_the_same_key_once() {
        let (_dir, home) = home();
        assert_eq!(outcome(&home, mesh("Demo", 1)), Outcome::Imported);
        assert_eq!(outcome(&home, mesh("Demo", 1)), Outcome::There);
        let profile = profile::choose(&home, Some("demo")).unwrap();
        assert_eq!((profile.mesh_id.as_str(), profile.member_id.as_deref()), ("mesh-1", Some("mem-1")));
        assert_eq!(
            (profile.mesh_slug.as_str(), profile.broker_url.as_str()),
            ("Demo", "wss://mesh.example/ws")
        );
        assert_eq!(HEXLOWER.encode(&profile.public_key().0), mesh("Demo", 1)["pubkey"]);
    }

    #[test]
    fn what_cannot_be_a_profile_is_left_alone_with_the_reason() {
        let (_dir, home) = home();
        outcome(&home, mesh("demo", 1));
        let with = |field: &str, value: &str| {
            let mut mesh = mesh("other", 2);
            mesh[field] = value.into();
            mesh
        };
        for (mesh, words) in [
            (mesh("demo", 2), "already"),
            (mesh("../demo", 2), "cannot name a profile"),
            (mesh("", 2), "cannot name a profile"),
            (with("brokerUrl", "mesh.example"), "not an address"),
            (with("memberId", ""), "no member"),
            (with("pubkey", &"0".repeat(64)), "do not belong together"),
            (with("secretKey", "12"), "do not belong together"),
            (with("secretKey", &"0".repeat(128)), "do not belong together"),
        ] {
            match outcome(&home, mesh) {
                Outcome::Refused(why) => assert!(why.contains(words), "{words}: {why}"),
                other => panic!("{words}: {other:?}"),
            }
        }
        assert_eq!(profile::names(&home).unwrap(), ["demo"]);
        assert_eq!(profile::choose(&home, None).unwrap().mesh_id, "mesh-1");
    }

    #[test]
    fn a_secret_may_be_written_as_the_seed_alone() {
        let (_dir, home) = home();
        let mut short = mesh("demo", 1);
        short["secretKey"] = HEXLOWER.encode(&[1; 32]).into();
        assert_eq!(outcome(&home, short), Outcome::Imported);
    }

    #[test]
    fn a_file_that_is_none_is_named_and_a_good_one_is_not_touched() {
        let (dir, home) = home();
        let path = dir.path().join("config.json");
        let mut terminal = Terminal::new(true);
        let absent = run(&home, Some(&path), &|_| None, &mut terminal).unwrap_err().to_string();
        assert!(absent.contains("config.json") && absent.contains("--from"), "{absent}");
        // A session's own configuration is not the client's.
        let env = |name: &str| {
            let set = [("HOME", "/home/ann"), ("CLAUDEMESH_CONFIG_DIR", "/tmp/session")];
            set.iter().find(|(had, _)| *had == name).map(|(_, value)| (*value).to_owned())
        };
        assert_eq!(own(&env).unwrap(), Path::new("/home/ann/.claudemesh/config.json"));
        std::fs::write(&path, "{\"meshes\":1}").unwrap();
        let error = run(&home, Some(&path), &|_| None, &mut terminal).unwrap_err().to_string();
        assert!(error.contains("config.json"), "{error}");
        let text = json!({ "version": 1, "displayName": "Ann", "meshes": [mesh("demo", 1)] }).to_string();
        std::fs::write(&path, &text).unwrap();
        let before = std::fs::metadata(&path).unwrap();
        run(&home, Some(&path), &|_| None, &mut terminal).unwrap();
        let after = std::fs::metadata(&path).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), text);
        assert_eq!(
            (before.modified().unwrap(), before.permissions()),
            (after.modified().unwrap(), after.permissions())
        );
    }
}
