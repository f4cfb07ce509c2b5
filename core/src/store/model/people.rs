//! What operations on meshes, members, presences and hooks mean.

use super::{Hook, Mailbox, Member, Model, Presence, Proof};
use crate::ids::{HookId, MailboxNo, MeshNo, PresenceId, PublicKey};
use crate::store::{
    Enrol, EnrolRefusal, FormerKey, Hello, HookRow, InviteRow, NewMesh, PresenceRow, Reply, Rotation,
    RotationRefusal, Status,
};
use crate::time::Wall;

impl Model {
    pub(super) fn create_mesh(&mut self, mesh: &NewMesh) -> Reply {
        if self.mesh_ids.contains_key(&mesh.id) {
            return Reply::Inserted;
        }
        if self.slugs.contains_key(&mesh.slug) {
            return Reply::Existing;
        }
        let no = MeshNo(self.number_after(self.meshes.last_key_value().map(|(last, _)| last.0)));
        self.mesh_ids.insert(mesh.id.clone(), no);
        self.slugs.insert(mesh.slug.clone(), no);
        self.meshes.insert(no, mesh.clone());
        Reply::Inserted
    }

    pub(super) fn create_invite(&mut self, invite: &InviteRow) -> Reply {
        if self.invites.contains_key(&invite.id) {
            return Reply::Inserted;
        }
        if self.tokens.contains_key(&invite.token_hash) {
            return Reply::Existing;
        }
        self.tokens.insert(invite.token_hash, invite.id.clone());
        self.invites.insert(invite.id.clone(), invite.clone());
        Reply::Inserted
    }

    pub(super) fn enrol(&mut self, enrol: &Enrol) -> Reply {
        if let Some(mailbox) = self.member_ids.get(&enrol.id) {
            return Reply::Enrolled { mailbox: *mailbox };
        }
        if self.is_taken(enrol.mesh, enrol.key) {
            return Reply::EnrolRefused(EnrolRefusal::KeyTaken);
        }
        match self.invites.get_mut(&enrol.invite) {
            Some(invite) if invite.uses < invite.uses_max => invite.uses += 1,
            _ => return Reply::EnrolRefused(EnrolRefusal::Exhausted),
        }
        let mailbox = self.open_mailbox(enrol.mesh, enrol.key, None, None);
        self.member_ids.insert(enrol.id.clone(), mailbox);
        let member = Member {
            mesh: enrol.mesh,
            id: enrol.id.clone(),
            name: enrol.name.clone(),
            role: enrol.role,
            role_tag: None,
            default_groups: Vec::new(),
            message_mode: "push".to_owned(),
            joined_at: enrol.at,
            revoked_at: None,
        };
        self.members.insert(mailbox, member);
        Reply::Enrolled { mailbox }
    }

    /// Makes a mailbox; it is its own member's when `member` is none.
    fn open_mailbox(
        &mut self,
        mesh: MeshNo,
        key: PublicKey,
        member: Option<MailboxNo>,
        name: Option<String>,
    ) -> MailboxNo {
        let no = MailboxNo(self.number_after(self.mailboxes.last_key_value().map(|(last, _)| last.0)));
        self.keys.insert((mesh, key), no);
        self.mailboxes.insert(no, Mailbox { mesh, key, member: member.unwrap_or(no), name });
        no
    }

    pub(super) fn set_revoked(&mut self, member: MailboxNo, at: Option<Wall>) -> Reply {
        if let Some(member) = self.members.get_mut(&member) {
            member.revoked_at = at;
        }
        Reply::Done
    }

    /// True for a key that somebody of the mesh has, or that a member had.
    fn is_taken(&self, mesh: MeshNo, key: PublicKey) -> bool {
        self.keys.contains_key(&(mesh, key)) || self.former.contains_key(&(mesh, key))
    }

    pub(super) fn rotate(&mut self, rotation: &Rotation) -> Reply {
        let &Rotation { mesh, member, old, key, at, until, below, former_keys_max } = rotation;
        let current = self.mailboxes.get(&member).map(|mailbox| mailbox.key);
        let own = self.former.values().filter(|former| former.member == member);
        let last = own.clone().max_by_key(|former| former.below);
        if let Some(last) = last.filter(|last| current == Some(key) && last.key == old) {
            return Reply::Rotated(*last);
        }
        if current != Some(old) {
            return Reply::RotationRefused(RotationRefusal::Stale);
        }
        if self.is_taken(mesh, key) {
            return Reply::RotationRefused(RotationRefusal::KeyTaken);
        }
        let mut ends: Vec<Wall> = own.map(|former| former.until).filter(|until| *until > at).collect();
        ends.sort();
        if let Some(&free_at) = ends.first().filter(|_| ends.len() as u64 >= former_keys_max) {
            return Reply::RotationRefused(RotationRefusal::Full { free_at });
        }
        let former = FormerKey { key: old, member, at, until, below };
        self.former.insert((mesh, old), former);
        self.keys.remove(&(mesh, old));
        self.keys.insert((mesh, key), member);
        if let Some(mailbox) = self.mailboxes.get_mut(&member) {
            mailbox.key = key;
        }
        Reply::Rotated(former)
    }

    pub(super) fn hello(&mut self, hello: &Hello) -> Reply {
        if self.proofs.get(&hello.proof).is_some_and(|known| known.by != hello.proof_by) {
            return Reply::Replayed;
        }
        let mailbox = match &hello.session {
            None => hello.member,
            Some((key, _)) if self.former.contains_key(&(hello.mesh, *key)) => return Reply::KeyTaken,
            Some((key, name)) => match self.keys.get(&(hello.mesh, *key)) {
                None => self.open_mailbox(hello.mesh, *key, Some(hello.member), name.clone()),
                Some(&known) => {
                    let mailbox = self.mailboxes.get_mut(&known).expect("every key names a mailbox");
                    if mailbox.member != hello.member || known == hello.member {
                        return Reply::KeyTaken;
                    }
                    if name.is_some() {
                        mailbox.name.clone_from(name);
                    }
                    known
                }
            },
        };
        self.proofs.insert(hello.proof, Proof { by: hello.proof_by, until: hello.proof_until });
        let hooked = hello.presence.as_ref().and_then(|row| self.begin_presence(hello, row));
        Reply::Welcome { mailbox, hooked }
    }

    pub(super) fn prove(&mut self, proof: [u8; 32], by: u64, until: Wall) -> Reply {
        match self.proofs.insert(proof, Proof { by, until }) {
            Some(known) if known.by != by => {
                self.proofs.insert(proof, known);
                Reply::Replayed
            }
            Some(_) | None => Reply::Done,
        }
    }

    pub(super) fn end_presences(&mut self, ids: &[PresenceId], at: Wall) -> Reply {
        for id in ids {
            if let Some(presence) = self.presences.get_mut(id) {
                presence.ended.get_or_insert(at);
            }
        }
        Reply::Done
    }

    /// Opens the presence. One that is made here takes all waiting hooks of its process and directory; one
    /// that was there keeps what it took. The newest counts, unless it is too old.
    fn begin_presence(&mut self, hello: &Hello, row: &PresenceRow) -> Option<Status> {
        // It stays of the mesh it began in.
        let mesh = self.presences.get(&row.id).map_or(hello.mesh, |known| known.mesh);
        if self.presences.insert(row.id.clone(), Presence { mesh, ended: None }).is_none() {
            for hook in self.hooks.iter_mut().filter(|hook| hook.waits_for(row.pid, &row.cwd)) {
                hook.applied_to = Some(row.id.clone());
            }
        }
        let taken = self.hooks.iter().filter(|hook| hook.applied_to.as_ref() == Some(&row.id));
        taken.map(|hook| &hook.row).rfind(|row| row.at >= hello.hooks_since).map(|row| row.status)
    }

    pub(super) fn keep_hook(&mut self, row: &HookRow, stale_before: Wall) -> Reply {
        self.hooks.retain(|hook| hook.row.at >= stale_before);
        if !self.hooks.iter().any(|hook| hook.row.id == row.id) {
            self.hooks.push(Hook { row: row.clone(), applied_to: None });
        }
        Reply::Done
    }

    pub(super) fn apply_hook(&mut self, id: &HookId, presence: &PresenceId) -> Reply {
        let waiting = self.hooks.iter_mut().find(|hook| hook.row.id == *id);
        match waiting.map(|hook| &*hook.applied_to.get_or_insert_with(|| presence.clone())) {
            Some(taken) if taken == presence => Reply::Done,
            _ => Reply::Existing,
        }
    }
}

impl Hook {
    fn waits_for(&self, pid: i64, cwd: &str) -> bool {
        self.applied_to.is_none() && self.row.pid == pid && self.row.cwd == cwd
    }
}
