//! The meshes that this host belongs to, as its profiles say, each under a name of its own.
//!
//! *Always holds:* a name that was given once stays with its profile, whoever else joins the same mesh later:
//! what waits to be sent stands in the outbox under that name. Only the daemon that runs gives names.

use std::collections::BTreeMap;

use peermesh_core::config::Secret;
use peermesh_core::daemon::Membership;
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
#[derive(Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Stored {
    schema_version: u32,
    names: BTreeMap<String, Given>,
}

/// The name of a profile's mesh.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Given {
    mesh_id: String,
    slug: String,
}

/// Whether any profile has joined a mesh.
pub(super) fn is_any(home: &Home) -> Result<bool, PeerError> {
    Ok(!members(home)?.is_empty())
}

/// Every mesh that a profile has joined, and what an operator should know of their former keys.
pub(super) fn memberships(home: &Home, place: &Place) -> Result<(Vec<Membership>, Vec<Remark>), Failure> {
    let members = members(home)?;
    let names = name(home, place, &members)?;
    let mut remarks = Vec::new();
    let mut meshes = Vec::new();
    for profile in &members {
        let (archive, remarked) = Archive::open(place, &profile.name, wall_now())?;
        archive.drop_expired()?;
        remarks.extend(remarked);
        meshes.push(membership(profile, names[&profile.name].slug.clone(), archive.secrets())?);
    }
    Ok((meshes, remarks))
}

/// The name that a profile's mesh has here, once the daemon has given it one.
pub(super) fn given(place: &Place, profile: &str) -> Option<String> {
    let stored: Stored = serde_json::from_slice(&home::read(&place.names_path()).ok()?).ok()?;
    stored.names.get(profile).map(|given| given.slug.clone())
}

fn members(home: &Home) -> Result<Vec<Profile>, PeerError> {
    let mut joined = Vec::new();
    for name in profile::names(home)? {
        joined.extend(Profile::find(home, &name)?.filter(|profile| profile.member_id.is_some()));
    }
    Ok(joined)
}

/// Gives every profile its name, and keeps those that were given before.
fn name(home: &Home, place: &Place, members: &[Profile]) -> Result<BTreeMap<String, Given>, Failure> {
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
    let names = named(&known.names, members);
    let fresh = Stored { schema_version: SCHEMA, names };
    if fresh != known {
        let mut text = serde_json::to_string_pretty(&fresh).unwrap_or_default();
        text.push('\n');
        home.prepare()?;
        home::replace(&path, text.as_bytes())?;
    }
    Ok(fresh.names)
}

/// A profile that is alone in its mesh has the mesh's own name, unless another one was given it before.
fn named(known: &BTreeMap<String, Given>, members: &[Profile]) -> BTreeMap<String, Given> {
    let keeps = |profile: &Profile| {
        known.get(&profile.name).filter(|given| given.mesh_id == profile.mesh_id).cloned()
    };
    let is_alone =
        |profile: &Profile| members.iter().filter(|other| other.mesh_slug == profile.mesh_slug).count() == 1;
    let is_taken = |slug: &str| members.iter().filter_map(keeps).any(|given| given.slug == slug);
    let give = |profile: &Profile| {
        let own = profile.mesh_slug.clone();
        let slug = match is_alone(profile) && !is_taken(&own) {
            true => own,
            false => format!("{own}.{}", profile.name),
        };
        Given { mesh_id: profile.mesh_id.clone(), slug }
    };
    members
        .iter()
        .map(|profile| (profile.name.clone(), keeps(profile).unwrap_or_else(|| give(profile))))
        .collect()
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
        let seed = Secret::new([u8::try_from(name.len()).unwrap(); 32]);
        let url = "ws://127.0.0.1:7900/ws";
        Profile::of_seed(name, (&format!("id-{slug}"), slug), url, Some("mem-1"), seed).create(home).unwrap();
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
        std::fs::remove_file(home.profiles().join("bob.json")).unwrap();
        joins(&home, "cid", "demo");
        assert_eq!(
            slugs(&home),
            ["demo.ann", "demo.cid"],
            "a name that went with its profile comes to nobody"
        );
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
