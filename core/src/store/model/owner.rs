//! Who owns which mesh.

use std::collections::{BTreeMap, BTreeSet};

use super::Model;
use crate::ids::{Epoch, MeshId, MeshNo, Position};
use crate::store::{Adopted, Claimant, Fence, Reply};
use crate::time::Wall;

/// Brokers that share the store, and what each of them owns.
#[derive(Clone, Debug)]
pub(super) struct Owners {
    /// Who writes.
    me: u64,
    last: u64,
    living: BTreeSet<u64>,
    pub(super) scopes: BTreeMap<MeshNo, Scope>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) owner: Option<u64>,
    pub(super) epoch: Epoch,
}

impl Default for Owners {
    fn default() -> Owners {
        Owners { me: 1, last: 1, living: BTreeSet::from([1]), scopes: BTreeMap::new() }
    }
}

impl Owners {
    /// Who writes.
    pub(super) fn me(&self) -> u64 {
        self.me
    }

    pub(super) fn lives(&self, broker: u64) -> bool {
        self.living.contains(&broker)
    }

    /// Meshes of these fences that are not ours under their epoch.
    pub(super) fn lost(&self, fences: &[Fence]) -> Vec<MeshNo> {
        fences.iter().filter(|fence| !self.holds(fence)).map(|fence| fence.mesh).collect()
    }

    fn holds(&self, fence: &Fence) -> bool {
        let scope = self.scopes.get(&fence.mesh);
        scope.is_some_and(|scope| scope.owner == Some(self.me) && scope.epoch == fence.epoch)
    }
}

impl Model {
    /// Another broker joins and gets its number. It owns nothing yet.
    pub fn join(&mut self) -> u64 {
        self.owners.last += 1;
        self.owners.living.insert(self.owners.last);
        self.owners.last
    }

    /// From here on it is this broker that writes. The first one is number 1.
    pub fn act_as(&mut self, broker: u64) {
        self.owners.me = broker;
    }

    /// A broker is dead: what it owns may be taken. Its writes are still judged by their fences.
    pub fn leave(&mut self, broker: u64) {
        self.owners.living.remove(&broker);
    }

    /// A broker that was given up lives after all. Whatever was taken from it meanwhile is not its own again.
    pub fn renew(&mut self, broker: u64) {
        self.owners.living.insert(broker);
    }

    /// The broker that writes dies and is started again.
    pub fn restart(&mut self) {
        self.leave(self.owners.me);
        let again = self.join();
        self.act_as(again);
    }

    /// Nobody owns anything, and no word of an owner of a lost history will ever hold.
    pub(super) fn void_owners(&mut self) {
        for scope in self.owners.scopes.values_mut() {
            *scope = Scope { owner: None, epoch: Epoch(scope.epoch.0 + Adopted::EPOCHS) };
        }
    }

    pub(super) fn claim(&mut self, id: &MeshId, by: Claimant, at: Wall) -> Reply {
        let Some(&no) = self.mesh_ids.get(id) else { return Reply::NoMesh };
        if !self.knows(no, by) {
            return Reply::Stranger;
        }
        let free = Position(self.next);
        let owners = &mut self.owners;
        let scope = owners.scopes.entry(no).or_insert(Scope { owner: None, epoch: Epoch(0) });
        match scope.owner {
            Some(owner) if owner == owners.me => return Reply::Owned { epoch: scope.epoch, free },
            Some(owner) if owners.living.contains(&owner) => return Reply::OwnedElsewhere,
            Some(_) | None => {}
        }
        *scope = Scope { owner: Some(owners.me), epoch: Epoch(scope.epoch.0 + 1) };
        let epoch = scope.epoch;
        for presence in self.presences.values_mut().filter(|presence| presence.mesh == no) {
            presence.ended.get_or_insert(at);
        }
        Reply::Owned { epoch, free }
    }

    fn knows(&self, mesh: MeshNo, by: Claimant) -> bool {
        match by {
            Claimant::Broker => true,
            Claimant::Owner(key) => self.meshes.get(&mesh).is_some_and(|row| row.owner_key == key),
            Claimant::Member(key) => {
                self.keys.get(&(mesh, key)).is_some_and(|mailbox| self.members.contains_key(mailbox))
                    || self.former.contains_key(&(mesh, key))
            }
        }
    }

    pub(super) fn release(&mut self, scopes: &[Fence]) -> Reply {
        for fence in scopes {
            if self.owners.holds(fence)
                && let Some(scope) = self.owners.scopes.get_mut(&fence.mesh)
            {
                scope.owner = None;
            }
        }
        Reply::Done
    }
}
