//! Whoever gives members other keys: one member after the other, now and then by two requests at once, each
//! for a key of its own, of which only one can win.
//!
//! *Always holds:* what was begun is asked for until somebody says which key the member has, for as long as
//! it takes; only then does the member greet by it.

use std::collections::BTreeMap;

use ed25519_dalek::SigningKey;
use peermesh_core::ids::PublicKey;
use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use super::page::Asker;
use crate::keys;
use crate::sim::cast::Who;
use crate::sim::dice::Dice;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::oracle::rules::Rule;
use crate::sim::swarm::{Mix, Role};
use crate::sim::tap::Sight;
use crate::sim::world::World;

/// Between two tries in peace, in milliseconds.
const HURRY_MS: u64 = 700;

#[derive(Debug)]
pub(in crate::sim) struct Rotator {
    asker: Asker,
    members: Vec<Who>,
    count: u32,
    pending: Option<Pending>,
    asked: BTreeMap<usize, Asked>,
    /// How far its clock is from that of the brokers, in milliseconds, as far as one told it.
    offset_ms: i64,
    is_peaceful: bool,
}

/// A member that is to get one of these keys.
#[derive(Debug)]
struct Pending {
    who: Who,
    keys: Vec<SigningKey>,
    /// There was no room for one more former key.
    is_full: bool,
}

#[derive(Debug)]
struct Asked {
    key: String,
    status: Option<u16>,
}

impl Rotator {
    pub(super) fn new(place: usize, mix: &Mix, dice: Dice) -> Rotator {
        // Daemons keep to the keys that their hosts have.
        let of_peer = |role: &Role| match role {
            Role::Peer(peer) => Some(Who { mesh: peer.mesh, member: peer.member }),
            _ => None,
        };
        let mut members: Vec<Who> = mix.actors.iter().filter_map(|(_, role)| of_peer(role)).collect();
        members.dedup();
        Rotator {
            asker: Asker::new(place, mix, dice),
            members,
            count: 0,
            pending: None,
            asked: BTreeMap::new(),
            offset_ms: 0,
            is_peaceful: false,
        }
    }

    pub(super) fn act(&mut self, world: &mut World) {
        self.asker.goes_on_in(world, self.is_peaceful.then_some(HURRY_MS));
        if self.pending.is_none() && !self.is_peaceful && self.asker.dice.chance(40) {
            self.begin(world);
        }
        self.ask(world);
        if !self.is_peaceful && self.asker.dice.chance(30) {
            self.ask(world);
        }
    }

    fn begin(&mut self, world: &mut World) {
        if self.members.is_empty() {
            return;
        }
        let who = *self.asker.dice.pick(&self.members);
        let mut pending = Pending { who, keys: Vec::new(), is_full: false };
        for _ in 0..=u64::from(self.asker.dice.chance(25)) {
            self.count += 1;
            let signer = world.cast.spare_key(who, self.count);
            world.oracle.rotation_asked(who, &hex(&signer));
            pending.keys.push(signer);
        }
        self.pending = Some(pending);
    }

    fn ask(&mut self, world: &mut World) {
        let Some(Pending { who, keys, .. }) = &self.pending else { return };
        let (who, next) = (*who, keys[self.asker.dice.place(keys.len())].clone());
        let member = world.cast.member(who);
        let (mesh, id) = (world.cast.meshes[who.mesh].id.as_str(), member.id.as_str());
        let (old, key) = (member.key.hex(), hex(&next));
        let timestamp = world.wall_ms() + self.offset_ms;
        let parts = [mesh, id, &old, &key, &timestamp.to_string()];
        let body = json!({
            "meshId": mesh, "memberId": id, "pubkey": old, "newPubkey": key, "timestamp": timestamp,
            "signature": keys::sign_rotation(&member.signer, parts),
            "newSignature": keys::sign_rotation(&next, parts),
        });
        let party = Party::Rotator { who, key: key.clone() };
        let target = ("POST", "/v1/member/key");
        let link = self.asker.ask(world, Listener::Mesh, party, target, "", &body.to_string());
        if let Some(link) = link {
            self.asked.insert(link.0, Asked { key, status: None });
        }
    }

    pub(super) fn sees(&mut self, link: LinkNo, sight: &Sight) {
        if let (Some(asked), Sight::Head(status)) = (self.asked.get_mut(&link.0), sight) {
            asked.status = Some(*status);
        }
    }

    /// A request ended. What was cut off, or is about what was settled meanwhile, says nothing.
    pub(super) fn hears(&mut self, world: &mut World, link: LinkNo, body: &[u8]) {
        let Some(Asked { key, status: Some(status) }) = self.asked.remove(&link.0) else { return };
        let Ok(said) = serde_json::from_slice::<Value>(body) else { return };
        let Some(pending) = &mut self.pending else { return };
        let Some(place) = pending.keys.iter().position(|signer| hex(signer) == key) else { return };
        pending.is_full = status == 429;
        match (status, said["error"].as_str().unwrap_or_default()) {
            (200, _) => {
                let Some(mut done) = self.pending.take() else { return };
                world.cast.rekey(done.who, done.keys.swap_remove(place));
            }
            (401, "timestamp_skew") => {
                self.offset_ms = said["serverTime"].as_i64().unwrap_or_default() - world.wall_ms();
            }
            (401, "revoked") => {
                let who = pending.who;
                self.members.retain(|other| *other != who);
                self.pending = None;
            }
            (409, "member_key_rotated") if pending.keys.len() > 1 => world.tally.mark(Mark::RotationLost),
            (429, _) => world.tally.mark(Mark::RotationFull),
            (500.., _) => {}
            (_, error) => {
                world.breaks(Rule::I22, format!("{key} for {:?} is refused: {status} {error}", pending.who));
            }
        }
    }

    pub(super) fn make_peace(&mut self) {
        self.is_peaceful = true;
    }

    pub(super) fn waits_for(&self) -> Option<String> {
        let pending = self.pending.as_ref().filter(|pending| !pending.is_full)?;
        Some(format!("nobody says which key {:?} has", pending.who))
    }
}

fn hex(signer: &SigningKey) -> String {
    PublicKey(signer.verifying_key().to_bytes()).hex()
}
