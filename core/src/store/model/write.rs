//! What every operation means; those on people are in `people.rs`, those on owners in `owner.rs`.

use super::{Kept, Model, Tombstone};
use crate::ids::{MailboxNo, Position};
use crate::store::{Accept, Accepted, Cursor, Message, Op, Pruned, Reply, Seen, Settled};
use crate::time::Wall;

impl Model {
    pub(super) fn apply(&mut self, op: &Op) -> Reply {
        match op {
            Op::KeepSigner(signer) => self.keep_signer(signer),
            Op::Runner(op) => Reply::Runner(self.apply_runner(op)),
            Op::Live(op) => Reply::Live(self.apply_live(op)),
            Op::Daemon(op) => Reply::Daemon(self.daemon.apply(op)),
            Op::Claim { mesh, by, at } => self.claim(mesh, *by, *at),
            Op::Release(scopes) => self.release(scopes),
            Op::LeasePositions { count } => self.lease(*count),
            Op::CreateMesh(mesh) => self.create_mesh(mesh),
            Op::CreateInvite(invite) => self.create_invite(invite),
            Op::Enrol(enrol) => self.enrol(enrol),
            Op::SetRevoked { member, at } => self.set_revoked(*member, *at),
            Op::Rotate(rotation) => self.rotate(rotation),
            Op::Hello(hello) => self.hello(hello),
            Op::Prove { proof, by, until } => self.prove(*proof, *by, *until),
            Op::EndPresences { ids, at } => self.end_presences(ids, *at),
            Op::SavePeer { member, state } => {
                self.states.insert(*member, (**state).clone());
                Reply::Done
            }
            Op::KeepHook { hook, stale_before } => self.keep_hook(hook, *stale_before),
            Op::ApplyHook { hook, presence, .. } => self.apply_hook(hook, presence),
            Op::Accept(accept) => match (self.accept(accept), accept.old) {
                (Reply::Inserted, Some(old)) => {
                    let renamed = self.rename(accept, old);
                    Reply::Accepted(Accepted { renamed, receipt: None })
                }
                (reply, _) => reply,
            },
            Op::Find { mesh, sender, client_message_id } => {
                let key = (*mesh, *sender, client_message_id.clone());
                self.accepted.get(&key).map_or(Reply::Free, |position| self.known(*position))
            }
            Op::Settle(settled) => self.settle(settled),
            Op::Tried { position, mailbox, priority, tries } => {
                let cursor = Cursor { mailbox: *mailbox, priority: *priority, position: *position };
                self.pending.entry(cursor).and_modify(|known| *known = *tries);
                Reply::Done
            }
            Op::Prune { messages_before, keys_before, proofs_before, limit, .. } => {
                self.prune(*messages_before, *keys_before, *proofs_before, *limit)
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
        let position = &message.position;
        if self.messages.contains_key(position) || self.tombstones.contains_key(position) {
            return Reply::Inserted;
        }
        if let Some(key) = client_key(message) {
            if let Some(first) = self.accepted.get(&key) {
                return self.known(*first);
            }
            self.accepted.insert(key, message.position);
        }
        for mailbox in &*accept.mailboxes {
            self.pending.insert(cursor(message, *mailbox), 0);
        }
        self.mentions.extend(accept.mentions.iter().map(|member| (*member, *position)));
        let Accept { message, mailboxes, mentions, .. } = accept.clone();
        let kept = Kept { message, mailboxes, mentions };
        self.messages.insert(kept.message.position, kept);
        Reply::Inserted
    }

    fn settle(&mut self, settled: &Settled) -> Reply {
        let Settled { position, mailbox, priority, at, outcome } = *settled;
        if self.pending.remove(&Cursor { mailbox, priority, position }).is_some() {
            self.settled.insert((position, mailbox), (at, outcome));
        }
        Reply::Done
    }

    /// What came first under a key.
    fn known(&self, position: Position) -> Reply {
        let kept = self.messages.get(&position).map(|kept| Seen::of(&kept.message));
        let seen = kept.unwrap_or_else(|| self.tombstones[&position].seen.clone());
        Reply::Known(Box::new(Seen { receipt: self.chains.receipt_at(position), ..seen }))
    }

    fn prune(&mut self, messages_before: Wall, keys_before: Wall, proofs_before: Wall, limit: u32) -> Reply {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let outlived = self.tombstones.values().filter(|tomb| tomb.seen.at < keys_before);
        let outlived: Vec<Position> = outlived.map(|tomb| tomb.seen.position).take(limit).collect();
        for position in &outlived {
            let tomb = self.tombstones.remove(position);
            tomb.into_iter().for_each(|tomb| _ = self.accepted.remove(&tomb.key));
            self.renamed.remove(position);
        }
        let tombstones = outlived.len();
        let over = self.messages.values().filter(|kept| kept.message.at < messages_before);
        let over = over.filter(|kept| !kept.mailboxes.iter().any(|&to| self.waits(&kept.message, to)));
        let over: Vec<Position> = over.map(|kept| kept.message.position).take(limit).collect();
        let tombs = self.tombstones.len();
        for position in &over {
            self.forget(*position, keys_before);
        }
        let buried = self.tombstones.len() - tombs;
        self.forget_receipts();
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
        let [messages, buried, tombstones, presences, proofs] =
            [over.len(), buried, tombstones, ended.len(), outlived.len()]
                .map(|rows| u32::try_from(rows).unwrap_or(u32::MAX));
        Reply::Pruned(Pruned { messages, buried, tombstones, presences, proofs })
    }

    fn waits(&self, message: &Message, mailbox: MailboxNo) -> bool {
        self.pending.contains_key(&cursor(message, mailbox))
    }

    fn forget(&mut self, position: Position, keys_before: Wall) {
        let Some(kept) = self.messages.remove(&position) else { return };
        match client_key(&kept.message) {
            Some(key) if kept.message.at >= keys_before => {
                let seen = Seen { history_available: false, ..Seen::of(&kept.message) };
                self.tombstones.insert(position, Tombstone { key, seen });
            }
            Some(key) => {
                self.accepted.remove(&key);
                self.renamed.remove(&position);
            }
            None => _ = self.renamed.remove(&position),
        }
        for mailbox in &*kept.mailboxes {
            self.settled.remove(&(position, *mailbox));
        }
        for member in &*kept.mentions {
            self.mentions.remove(&(*member, position));
        }
    }
}

pub(super) fn client_key(message: &Message) -> Option<super::ClientKey> {
    let id = message.client_message_id.clone()?;
    Some((message.mesh, message.sender, id))
}

pub(super) fn cursor(message: &Message, mailbox: MailboxNo) -> Cursor {
    Cursor { mailbox, priority: message.priority, position: message.position }
}
