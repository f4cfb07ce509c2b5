//! What every operation means; those on people are in `people.rs`, those on owners in `owner.rs`.

use super::{Kept, Model};
use crate::ids::{MailboxNo, Position};
use crate::store::{Accept, Cursor, Message, Op, Reply, Settled};
use crate::time::Wall;

impl Model {
    pub(super) fn apply(&mut self, op: &Op) -> Reply {
        match op {
            Op::Runner(op) => Reply::Runner(self.apply_runner(op)),
            Op::Claim { mesh, by, at } => self.claim(mesh, *by, *at),
            Op::Release(scopes) => self.release(scopes),
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
            Op::KeepHook { hook, stale_before } => self.keep_hook(hook, *stale_before),
            Op::ApplyHook { hook, presence, .. } => self.apply_hook(hook, presence),
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

    fn lease(&mut self, count: u64) -> Reply {
        let first = Position(self.next);
        self.next = self.next.saturating_add(count);
        Reply::Positions { first, count, secret: self.secret }
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
        let ended = self.presences.iter().filter_map(|(id, presence)| Some((presence.ended?, id.clone())));
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
