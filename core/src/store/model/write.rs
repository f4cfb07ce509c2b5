//! What every operation means.

use super::{Kept, Mailbox, Member, Model, Proof};
use crate::ids::{MailboxNo, MeshNo, Position, PresenceId, PublicKey};
use crate::store::{
    Accept, Cursor, Enrol, EnrolRefusal, Hello, InviteRow, Message, NewMesh, Op, Reply, Settled,
};
use crate::time::Wall;

impl Model {
    pub(super) fn apply(&mut self, op: &Op) -> Reply {
        match op {
            Op::Started { at } => self.start(*at),
            Op::LeasePositions { count } => self.lease(*count),
            Op::CreateMesh(mesh) => self.create_mesh(mesh),
            Op::CreateInvite(invite) => self.create_invite(invite),
            Op::Enrol(enrol) => self.enrol(enrol),
            Op::SetRevoked { member, at } => self.set_revoked(*member, *at),
            Op::Hello(hello) => self.hello(hello),
            Op::EndPresences { ids, at } => self.end_presences(ids, *at),
            Op::SavePeer { member, state } => {
                self.states.insert(*member, (**state).clone());
                Reply::Done
            }
            Op::Accept(accept) => self.accept(accept),
            Op::Settle(settled) => self.settle(settled),
            Op::Tried { position, mailbox, priority, tries } => {
                let cursor = Cursor { mailbox: *mailbox, priority: *priority, position: *position };
                self.pending.entry(cursor).and_modify(|known| *known = *tries);
                Reply::Done
            }
            Op::Prune { messages_before, proofs_before, limit } => {
                self.prune(*messages_before, *proofs_before, *limit)
            }
        }
    }

    fn start(&mut self, at: Wall) -> Reply {
        for ended in self.presences.values_mut() {
            ended.get_or_insert(at);
        }
        Reply::Done
    }

    fn lease(&mut self, count: u64) -> Reply {
        let first = Position(self.next);
        self.next = self.next.saturating_add(count);
        Reply::Positions { first, count, secret: self.secret }
    }

    fn create_mesh(&mut self, mesh: &NewMesh) -> Reply {
        if self.mesh_ids.contains_key(&mesh.id) {
            return Reply::Inserted;
        }
        if self.slugs.contains_key(&mesh.slug) {
            return Reply::Existing { position: Position::ZERO };
        }
        let no = MeshNo(self.meshes.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        self.mesh_ids.insert(mesh.id.clone(), no);
        self.slugs.insert(mesh.slug.clone(), no);
        self.meshes.insert(no, mesh.clone());
        Reply::Inserted
    }

    fn create_invite(&mut self, invite: &InviteRow) -> Reply {
        if self.invites.contains_key(&invite.id) {
            return Reply::Inserted;
        }
        if self.tokens.contains_key(&invite.token_hash) {
            return Reply::Existing { position: Position::ZERO };
        }
        self.tokens.insert(invite.token_hash, invite.id.clone());
        self.invites.insert(invite.id.clone(), invite.clone());
        Reply::Inserted
    }

    fn enrol(&mut self, enrol: &Enrol) -> Reply {
        if let Some(mailbox) = self.member_ids.get(&enrol.id) {
            return Reply::Enrolled { mailbox: *mailbox };
        }
        if self.keys.contains_key(&(enrol.mesh, enrol.key)) {
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
        let no = MailboxNo(self.mailboxes.last_key_value().map_or(1, |(last, _)| last.0 + 1));
        self.keys.insert((mesh, key), no);
        self.mailboxes.insert(no, Mailbox { mesh, key, member: member.unwrap_or(no), name });
        no
    }

    fn set_revoked(&mut self, member: MailboxNo, at: Option<Wall>) -> Reply {
        if let Some(member) = self.members.get_mut(&member) {
            member.revoked_at = at;
        }
        Reply::Done
    }

    fn hello(&mut self, hello: &Hello) -> Reply {
        if self.proofs.get(&hello.proof).is_some_and(|known| known.by != hello.proof_by) {
            return Reply::Replayed;
        }
        let mailbox = match &hello.session {
            None => hello.member,
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
        if let Some(presence) = &hello.presence {
            self.presences.insert(presence.id.clone(), None);
        }
        Reply::Welcome { mailbox }
    }

    fn end_presences(&mut self, ids: &[PresenceId], at: Wall) -> Reply {
        for id in ids {
            if let Some(ended) = self.presences.get_mut(id) {
                ended.get_or_insert(at);
            }
        }
        Reply::Done
    }

    fn accept(&mut self, accept: &Accept) -> Reply {
        let message = &accept.message;
        if self.messages.contains_key(&message.position) {
            return Reply::Inserted;
        }
        if let Some(key) = client_key(message) {
            if let Some(first) = self.accepted.get(&key) {
                return Reply::Existing { position: *first };
            }
            self.accepted.insert(key, message.position);
        }
        for mailbox in &*accept.mailboxes {
            self.pending.insert(cursor(message, *mailbox), 0);
        }
        let kept = Kept { message: message.clone(), mailboxes: accept.mailboxes.clone() };
        self.messages.insert(message.position, kept);
        Reply::Inserted
    }

    fn settle(&mut self, settled: &Settled) -> Reply {
        let Settled { position, mailbox, priority, at, outcome } = *settled;
        if self.pending.remove(&Cursor { mailbox, priority, position }).is_some() {
            self.settled.insert((position, mailbox), (at, outcome));
        }
        Reply::Done
    }

    fn prune(&mut self, messages_before: Wall, proofs_before: Wall, limit: u32) -> Reply {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let over = self.messages.values().filter(|kept| kept.message.at < messages_before);
        let over = over.filter(|kept| !kept.mailboxes.iter().any(|&to| self.waits(&kept.message, to)));
        let over: Vec<Position> = over.map(|kept| kept.message.position).take(limit).collect();
        for position in &over {
            self.forget(*position);
        }
        let ended = self.presences.iter().filter_map(|(id, ended)| Some(((*ended)?, id.clone())));
        let mut ended: Vec<_> = ended.filter(|(at, _)| *at < messages_before).collect();
        ended.sort();
        ended.truncate(limit);
        for (_, id) in &ended {
            self.presences.remove(id);
        }
        let outlived = self.proofs.iter().map(|(proof, known)| (known.until, *proof));
        let mut outlived: Vec<_> = outlived.filter(|(until, _)| *until < proofs_before).collect();
        outlived.sort_unstable();
        outlived.truncate(limit);
        for (_, proof) in &outlived {
            self.proofs.remove(proof);
        }
        let rows = over.len().max(ended.len()).max(outlived.len());
        Reply::Pruned { rows: u32::try_from(rows).unwrap_or(u32::MAX) }
    }

    fn waits(&self, message: &Message, mailbox: MailboxNo) -> bool {
        self.pending.contains_key(&cursor(message, mailbox))
    }

    fn forget(&mut self, position: Position) {
        let Some(kept) = self.messages.remove(&position) else { return };
        if let Some(key) = client_key(&kept.message) {
            self.accepted.remove(&key);
        }
        for mailbox in &*kept.mailboxes {
            self.settled.remove(&(position, *mailbox));
        }
    }
}

fn client_key(message: &Message) -> Option<super::ClientKey> {
    let id = message.client_message_id.clone()?;
    Some((message.mesh, message.sender, id))
}

pub(super) fn cursor(message: &Message, mailbox: MailboxNo) -> Cursor {
    Cursor { mailbox, priority: message.priority, position: message.position }
}
