//! The meshes that this host belongs to, as its profiles say, each under a name of its own.
//!
//! *Always holds:* a name that was given once stays with its profile and that profile's key, whoever else
//! joins the same mesh later, and also after the profile is gone: what waits to be sent stands in the outbox
//! under that name, and nobody else may send it. Only the daemon that runs gives names.

use std::collections::{BTreeMap, BTreeSet};

use peermesh_core::config::Secret;
use peermesh_core::daemon::Membership;
use peermesh_core::ids::PublicKey;
use peermesh_core::machine::Endpoint;
use serde::{Deserialize, Serialize};

use super::DaemonError;
use super::archive::{Archive, Remark};
use super::place::Place;
use crate::address::Address;
use crate::failure::Failure;
use crate::home::{self, Home};
use crate::logs::wall_now;
use crate::peer::PeerError;
use crate::peer::profile::{self, Profile};

/// The schema that is read and written.
const SCHEMA: u32 = 1;

/// Names by profile, as the file has them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    schema_version: u32,
    /// Those of profiles that are gone too: whoever comes back with its key has its name again.
    names: BTreeMap<String, Given>,
    /// Names of members whose profiles gave way to others of the same name: nobody gets them again.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    spent: BTreeSet<String>,
}

/// The name of a profile's mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    mesh_id: String,
    slug: String,
    /// The key of the member it was given to, in hex; none where it was not written down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pubkey: Option<String>,
}

/// A profile that has joined a mesh, with its former keys.
struct Member {
    profile: Profile,
    archive: Archive,
}

impl Member {
    /// True when the name was given to this member, or to it under a key that it had before.
    fn keeps(&self, given: &Given) -> bool {
        let is_own = |key: PublicKey| key == self.profile.public_key() || self.archive.knows(key);
        let key = given.pubkey.as_deref().map(PublicKey::from_hex);
        given.mesh_id == self.profile.mesh_id && key.is_none_or(|key| key.is_some_and(is_own))
    }
}

/// Whether any profile has joined a mesh.
pub(super) fn is_any(home: &Home) -> Result<bool, PeerError> {
    Ok(!members(home)?.is_empty())
}

/// Every mesh that a profile has joined, and what an operator should know of their former keys.
pub(super) fn memberships(home: &Home, place: &Place) -> Result<(Vec<Membership>, Vec<Remark>), Failure> {
    let (mut joined, mut remarks) = (Vec::new(), Vec::new());
    for profile in members(home)? {
        let (archive, remarked) = Archive::open(place, &profile.name, wall_now())?;
        archive.drop_expired()?;
        remarks.extend(remarked);
        joined.push(Member { profile, archive });
    }
    let names = name(home, place, &joined)?;
    let mut meshes = Vec::new();
    for Member { profile, archive } in &joined {
        meshes.push(membership(profile, names[&profile.name].slug.clone(), archive.secrets())?);
    }
    Ok((meshes, remarks))
}

fn members(home: &Home) -> Result<Vec<Profile>, PeerError> {
    let mut joined = Vec::new();
    for name in profile::names(home)? {
        joined.extend(Profile::find(home, &name)?.filter(|profile| profile.member_id.is_some()));
    }
    Ok(joined)
}

/// Gives every profile its name, and keeps those that were given before.
fn name(home: &Home, place: &Place, members: &[Member]) -> Result<BTreeMap<String, Given>, Failure> {
    let path = place.names_path();
    let known = match home::exists(&path)? {
        false => Stored::default(),
        true => {
            let bytes = home::read(&path)?;
            let stored: Result<Stored, _> = serde_json::from_slice(&bytes);
            let bad = |what: String| DaemonError::BadNames { path: path.clone(), what };
            let stored = stored.map_err(|error| bad(error.to_string()))?;
            if stored.schema_version != SCHEMA {
                return Err(bad(format!("its schema is {}, not {SCHEMA}", stored.schema_version)).into());
            }
            stored
        }
    };
    let fresh = named(&known, members);
    if fresh != known {
        let mut text = serde_json::to_string_pretty(&fresh).unwrap_or_default();
        text.push('\n');
        home.prepare()?;
        home::replace(&path, text.as_bytes())?;
    }
    Ok(fresh.names)
}

/// A profile that is alone in its mesh has the mesh's own name, unless that was given to another one before.
fn named(known: &Stored, members: &[Member]) -> Stored {
    let mut stored = Stored { schema_version: SCHEMA, ..known.clone() };
    let mut unnamed = Vec::new();
    for member in members {
        let profile = &member.profile;
        match stored.names.get_mut(&profile.name) {
            Some(given) if member.keeps(given) => given.pubkey = Some(profile.public_key().hex()),
            Some(_) => {
                let gone = stored.names.remove(&profile.name);
                stored.spent.extend(gone.map(|given| given.slug));
                unnamed.push(profile);
            }
            None => unnamed.push(profile),
        }
    }
    for profile in unnamed {
        let own = &profile.mesh_slug;
        let namesakes = members.iter().filter(|member| member.profile.mesh_slug == *own).count();
        let longer = format!("{own}.{}", profile.name);
        let numbered = (2_u64..).map(|count| format!("{longer}.{count}"));
        let short = (namesakes == 1).then(|| own.clone());
        let is_free = |slug: &String| {
            !stored.spent.contains(slug) && stored.names.values().all(|given| given.slug != *slug)
        };
        let mut slugs = short.into_iter().chain([longer.clone()]).chain(numbered);
        let slug = slugs.find(is_free).unwrap_or_default();
        let pubkey = Some(profile.public_key().hex());
        stored.names.insert(profile.name.clone(), Given { mesh_id: profile.mesh_id.clone(), slug, pubkey });
    }
    stored
}

fn membership(profile: &Profile, slug: String, former: Vec<Secret>) -> Result<Membership, PeerError> {
    let address = Address::parse(&profile.broker_url)?;
    let (host, port) = address.endpoint();
    Ok(Membership {
        slug,
        mesh_id: profile.mesh_id.clone(),
        member_id: profile.member_id.clone().unwrap_or_default(),
        name: profile.name.clone(),
        seed: Secret::new(profile.signing_key().to_bytes()),
        former,
        broker: Endpoint { host: host.to_owned(), port, tls: address.is_tls() },
        authority: address.authority(),
        path: address.socket_path().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joins(home: &Home, name: &str, slug: &str) {
        joins_with(home, name, slug, name.as_bytes()[0]);
    }

    fn joins_with(home: &Home, name: &str, slug: &str, seed: u8) -> Profile {
        let (url, seed) = ("ws://127.0.0.1:7900/ws", Secret::new([seed; 32]));
        let profile = Profile::of_seed(name, (&format!("id-{slug}"), slug), url, Some("mem-1"), seed);
        profile.create(home).unwrap();
        profile
    }

    fn leaves(home: &Home, name: &str) {
        std::fs::remove_file(home.profiles().join(format!("{name}.json"))).unwrap();
    }

    fn slugs(home: &Home) -> Vec<String> {
        let place = Place::prepare(home).unwrap();
        memberships(home, &place).unwrap().0.into_iter().map(|mesh| mesh.slug).collect()
    }

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        (dir, home)
    }

    #[test]
    fn a_name_stays_with_its_profile_whoever_joins_the_same_mesh() {
        let (_dir, home) = home();
        joins(&home, "bob", "demo");
        assert_eq!(slugs(&home), ["demo"]);
        joins(&home, "ann", "demo");
        assert_eq!(slugs(&home), ["demo.ann", "demo"]);
        leaves(&home, "bob");
        joins(&home, "cid", "demo");
        assert_eq!(slugs(&home), ["demo.ann", "demo.cid"]);
    }

    #[test]
    fn a_name_that_went_with_its_profile_comes_to_nobody_but_that_member() {
        let (_dir, home) = home();
        joins(&home, "bob", "demo");
        assert_eq!(slugs(&home), ["demo"]);
        leaves(&home, "bob");
        joins(&home, "ann", "demo");
        assert_eq!(slugs(&home), ["demo.ann"], "what bob's outbox holds stands under the other name");
        joins(&home, "bob", "demo");
        assert_eq!(slugs(&home), ["demo.ann", "demo"]);
    }

    #[test]
    fn a_profile_that_was_joined_anew_is_another_member_unless_its_former_key_is_kept() {
        let (_dir, home) = home();
        let mut given = Vec::new();
        for seed in [1, 2, 3, 1] {
            joins_with(&home, "ann", "demo", seed);
            given.extend(slugs(&home));
            leaves(&home, "ann");
        }
        assert_eq!(given, ["demo", "demo.ann", "demo.ann.2", "demo.ann.3"]);
        let former = joins_with(&home, "cid", "demo", 4);
        assert_eq!(slugs(&home), ["demo.cid"]);
        let (mut archive, _) = Archive::open(&Place::of(&home), "cid", wall_now()).unwrap();
        archive.keep(&former.signing_key(), wall_now()).unwrap();
        leaves(&home, "cid");
        joins_with(&home, "cid", "demo", 5);
        assert_eq!(slugs(&home), ["demo.cid"], "it is the same member with another key");
    }

    #[test]
    fn names_that_were_given_before_keys_were_written_down_stay() {
        let (_dir, home) = home();
        joins(&home, "bob", "demo");
        let place = Place::prepare(&home).unwrap();
        let text = r#"{"schema_version":1,"names":{"bob":{"mesh_id":"id-demo","slug":"mine"}}}"#;
        home::replace(&place.names_path(), text.as_bytes()).unwrap();
        assert_eq!(slugs(&home), ["mine"]);
        assert!(std::fs::read_to_string(place.names_path()).unwrap().contains("pubkey"));
    }

    #[test]
    fn several_profiles_that_come_at_once_are_told_apart() {
        let (_dir, home) = home();
        for (name, slug) in [("ann", "demo"), ("bob", "demo"), ("cid", "other")] {
            joins(&home, name, slug);
        }
        assert_eq!(slugs(&home), ["demo.ann", "demo.bob", "other"]);
    }

    #[test]
    fn a_file_of_names_that_is_damaged_is_not_guessed_at() {
        let (_dir, home) = home();
        joins(&home, "ann", "demo");
        let place = Place::prepare(&home).unwrap();
        for text in ["{", "{\"schema_version\":2,\"names\":{}}"] {
            home::replace(&place.names_path(), text.as_bytes()).unwrap();
            let refused = memberships(&home, &place).unwrap_err().to_string();
            assert!(refused.contains("meshes.json is damaged"), "{refused}");
        }
    }
}
