//! Hooks: a peer's agent says from outside what the peer is doing (mesh protocol, hook).
//!
//! *Decides* whose status a hook changes: the one presence with equal pid and directory, or the only one with
//! that directory; otherwise the hook waits a while in the store for a hello of that pid and directory.

use super::presence::Presence;
use super::status::Source;
use super::{Cx, Meshes};
use crate::ids::{PresenceId, ShardId};
use crate::store::{Fence, Status};
use crate::surface::PresenceNo;

/// What a hook says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hook {
    /// Zero when unknown.
    pub pid: i64,
    pub cwd: String,
    pub status: Status,
}

/// A presence that a hook may mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HookTarget {
    pub shard: ShardId,
    /// Its mesh, as it was ours then.
    pub fence: Fence,
    pub presence: PresenceNo,
    pub id: PresenceId,
}

/// Whom a hook may mean, on one shard or on several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct HookFound {
    /// Equal pid and directory; the second one only says that there are several.
    exact: Vec<HookTarget>,
    /// Equal directory.
    same_cwd: Vec<HookTarget>,
}

impl HookFound {
    /// Adds what another shard found.
    pub(crate) fn merge(&mut self, other: HookFound) {
        self.exact.extend(other.exact);
        self.same_cwd.extend(other.same_cwd);
    }

    /// The one presence that is meant, if it is certain.
    pub(crate) fn verdict(&self) -> Option<&HookTarget> {
        match (self.exact.as_slice(), self.same_cwd.as_slice()) {
            ([one], _) => Some(one),
            ([], [one]) => Some(one),
            _ => None,
        }
    }
}

impl Meshes {
    /// Whom on this shard a hook may mean.
    pub(crate) fn find_hooked(&self, shard: ShardId, hook: &Hook) -> HookFound {
        let mut found = HookFound::default();
        for mesh in self.resident.values() {
            for presence in mesh.roster.listed().filter(|presence| presence.cwd == hook.cwd) {
                let target = |presence: &Presence| HookTarget {
                    shard,
                    fence: mesh.fence(),
                    presence: presence.no,
                    id: presence.id.clone(),
                };
                if hook.pid != 0 && presence.pid == hook.pid && found.exact.len() < 2 {
                    found.exact.push(target(presence));
                }
                if found.same_cwd.len() < 2 {
                    found.same_cwd.push(target(presence));
                }
            }
        }
        found
    }

    /// Writes a hook's status to the presence it means.
    pub(crate) fn apply_hook(&mut self, cx: &mut Cx<'_>, fence: Fence, presence: PresenceNo, status: Status) {
        self.with(fence.mesh, |mesh, ids| {
            if mesh.epoch == fence.epoch {
                mesh.write_status(cx, ids, presence, status, Source::Hook);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Epoch, MeshNo};

    fn target(presence: u64) -> HookTarget {
        HookTarget {
            shard: ShardId(0),
            fence: Fence { mesh: MeshNo(1), epoch: Epoch(1) },
            presence: PresenceNo(presence),
            id: PresenceId::new("p"),
        }
    }

    #[test]
    fn f_aut_10_a_hook_means_one_presence_or_none() {
        let found = |exact: &[u64], same: &[u64]| HookFound {
            exact: exact.iter().map(|no| target(*no)).collect(),
            same_cwd: same.iter().map(|no| target(*no)).collect(),
        };
        assert_eq!(found(&[1], &[1, 2]).verdict(), Some(&target(1)));
        assert_eq!(found(&[], &[2]).verdict(), Some(&target(2)));
        assert_eq!(found(&[], &[1, 2]).verdict(), None);
        assert_eq!(found(&[1, 2], &[1, 2]).verdict(), None);
        assert_eq!(found(&[], &[]).verdict(), None);
    }
}
