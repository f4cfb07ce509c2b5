//! Mail: what is written of it, what senders are told, what recipients are pushed.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use peermesh_core::ids::{MailboxNo, MeshNo, Position, PublicKey};
use peermesh_core::store::model::{Fate, Model};
use peermesh_core::store::{Accept, Message, Op, Outcome, Reply, Settled, Target};
use peermesh_core::time::Mono;

use super::ledger::{Copy, Lent, Mail, Meaning};
use super::rules::{Judged, Rule, broken};
use super::{Oracle, Party, Said, remember};
use crate::sim::cast::{Cast, Who};
use crate::sim::marks::{Mark, Tally};
use crate::sim::swarm::PeerKind;
use crate::sim::tap::Frame;

/// From when a send is judged until it is written, at most, in milliseconds.
pub(super) const SLOWEST_MS: i64 = 600_000;

impl Oracle {
    /// One operation took effect.
    #[allow(clippy::too_many_arguments, reason = "one write, by all that is known of it")]
    pub(super) fn wrote(
        &mut self,
        at: u64,
        wall_ms: i64,
        model: &Model,
        number: u64,
        (op, reply): (&Op, &Reply),
        cast: &Cast,
        tally: &mut Tally,
    ) -> Judged {
        match (op, reply) {
            (Op::Accept(accept), Reply::Inserted | Reply::Accepted(_)) => {
                self.accepted(wall_ms, accept, cast, model, tally)
            }
            (Op::Settle(settled), _) => self.settled(wall_ms, settled, model, tally),
            (Op::Prune { .. }, Reply::Pruned(pruned)) if pruned.most() > 0 => {
                tally.mark(Mark::Pruned);
                self.pruned(wall_ms, model)
            }
            (Op::Claim { mesh, .. }, Reply::Owned { .. }) => {
                let mesh = cast.meshes.iter().position(|known| known.id == *mesh);
                let (Some(mesh), Some(node)) = (mesh, self.nodes.get(&number).copied()) else {
                    return Ok(());
                };
                self.refill(mesh);
                if self.owners.insert(mesh, node).is_some_and(|before| before != node) {
                    tally.mark(Mark::MeshMoved);
                }
                Ok(())
            }
            (Op::Rotate(rotation), Reply::Rotated(former)) => self.rotated(rotation, former, cast, tally),
            (Op::SetRevoked { at: Some(_), .. }, _) => {
                tally.mark(Mark::Removed);
                Ok(())
            }
            (Op::Runner(op), Reply::Runner(reply)) => self.runner_wrote(at, op, reply, tally),
            (Op::Live(op), Reply::Live(reply)) => self.live_wrote((at, wall_ms), op, reply, tally),
            _ => Ok(()),
        }
    }

    /// A message is accepted: once for its key, as it was sent, and for whom it was meant.
    fn accepted(
        &mut self,
        wall_ms: i64,
        accept: &Accept,
        cast: &Cast,
        model: &Model,
        tally: &mut Tally,
    ) -> Judged {
        let message = &accept.message;
        if let Some(known) = self.ledger.mail.get(&message.position) {
            return match *known.message == **message {
                true => Ok(()),
                false => broken(Rule::I9, format!("position {} was given out twice", message.position)),
            };
        }
        let Some(who) = who_of(cast, message.mesh, message.sender) else {
            return broken(Rule::I2, format!("nobody is the sender of {}", message.position));
        };
        let key = message.client_message_id.as_deref().map(|key| (who, key.to_owned()));
        let sent = key.and_then(|key| self.ledger.sent.get(&key));
        let sealed_by = self.sealed_by(message, sent.map(|sent| &sent.sealers))?;
        if let Some(sent) = sent {
            self.judge_target(message, &sent.meanings, (cast, model), tally)?;
        }
        if let Some(key) = message.client_message_id.as_deref() {
            let Some(sent) = self.ledger.sent.get_mut(&(who, key.to_owned())) else {
                return broken(Rule::I2, format!("{key} was accepted of {who:?}, who never sent it"));
            };
            if !sent.meanings.iter().any(|meaning| meaning.became(message)) {
                return broken(Rule::I2, format!("{key} of {who:?} was accepted as something else"));
            }
            if let Some(first) = sent.position.replace(message.position) {
                return broken(Rule::I2, format!("{key} of {who:?} is {first} and {}", message.position));
            }
            if sent.is_refused {
                return broken(Rule::I3, format!("{key} of {who:?} was refused for good and is stored"));
            }
        }
        tally.mark(Mark::Accepted);
        remember(&mut self.recent_ids, &self.ids.encode(message.position));
        self.judge_recipients(who, accept, cast, model)?;
        if accept.mailboxes.len() > 1 {
            tally.mark(Mark::Multicast);
        }
        let copy = || Copy { is_unseen: self.ledger.is_late, ..Copy::default() };
        let copies: BTreeMap<MailboxNo, Copy> =
            accept.mailboxes.iter().map(|mailbox| (*mailbox, copy())).collect();
        self.ledger.accepted_copies += copies.len() as u64;
        let most = self.limits.queued_per_mailbox_max();
        for mailbox in copies.keys() {
            let waiting = self.ledger.waiting.entry(*mailbox).or_default();
            waiting.insert(message.position);
            let unseen = self.ledger.unseen.entry(*mailbox).or_default();
            *unseen += u64::from(self.ledger.is_late);
            if waiting.len() as u64 > most + *unseen {
                return broken(Rule::I10, format!("{} copies wait in mailbox {mailbox}", waiting.len()));
            }
        }
        // It ages from when it was judged, which a slow store or a host that slept can make a while ago, and
        // before the days that passed since; and a broker that began with a clock that was behind can know no
        // better.
        let is_fresh = wall_ms - SLOWEST_MS > self.days_ms.end;
        let judged_ms = if is_fresh { wall_ms } else { self.days_ms.start };
        let oldest_ms = judged_ms - SLOWEST_MS - self.began_behind_ms;
        let at_ms = message.at.as_millis().clamp(oldest_ms.min(wall_ms), wall_ms);
        let mail = Mail { message: Arc::clone(message), at_ms, sealed_by, copies };
        self.ledger.mail.insert(message.position, mail);
        Ok(())
    }

    /// What was sent to somebody's key, present or former, goes to whom that was.
    fn judge_target(
        &self,
        message: &Message,
        meanings: &[Rc<Meaning>],
        (cast, model): (&Cast, &Model),
        tally: &mut Tally,
    ) -> Judged {
        let Target::Mailbox(mailbox) = &message.target else { return Ok(()) };
        let (mut is_meant, mut is_former) = (false, false);
        for meaning in meanings.iter().filter(|meaning| meaning.became(message)) {
            let own =
                PublicKey::from_hex(&meaning.target).and_then(|key| model.mailbox_of(message.mesh, &key));
            let had = cast.owner_of(&meaning.target).map(|who| cast.member(who).mailbox);
            is_meant |= own.or(had) == Some(*mailbox);
            is_former |= own.is_none();
        }
        if !is_meant {
            return broken(
                Rule::I11,
                format!("{} goes to {mailbox}, and was not sent there", message.position),
            );
        }
        if is_former {
            tally.mark(Mark::FormerReached);
        }
        Ok(())
    }

    /// A message goes to those it was sent to, and to nobody else.
    fn judge_recipients(&self, who: Who, accept: &Accept, cast: &Cast, model: &Model) -> Judged {
        let members = &cast.meshes[who.mesh].members;
        let owner = |mailbox: &MailboxNo| model.member_of(*mailbox).map(|(member, _)| member);
        let owners: Vec<_> = accept.mailboxes.iter().map(owner).collect();
        let is_member = |one: &Option<MailboxNo>| {
            one.is_some_and(|one| members.iter().any(|member| member.mailbox == one))
        };
        if !owners.iter().all(is_member) {
            return broken(Rule::I11, format!("{} goes to another mesh", accept.message.position));
        }
        match &accept.message.target {
            Target::Mailbox(mailbox) if *accept.mailboxes == [*mailbox] => Ok(()),
            Target::Mailbox(mailbox) => {
                broken(Rule::I11, format!("a message to {mailbox} goes to {:?}", accept.mailboxes))
            }
            Target::Spec(spec) => {
                let sender = members[who.member].mailbox;
                if owners.contains(&Some(sender)) {
                    return broken(Rule::I11, format!("a message to {spec} goes to its own sender"));
                }
                let missing = members.iter().find(|member| {
                    let removed = model.member_of(member.mailbox).is_none_or(|(_, removed)| removed);
                    member.mailbox != sender && !removed && !owners.contains(&Some(member.mailbox))
                });
                match missing {
                    Some(member) if matches!(&**spec, "*" | "@all") => {
                        broken(Rule::I1, format!("a message to everybody misses {}", member.id))
                    }
                    Some(_) | None => Ok(()),
                }
            }
        }
    }

    /// A copy ends, and only as it may.
    fn settled(&mut self, wall_ms: i64, settled: &Settled, model: &Model, tally: &mut Tally) -> Judged {
        let Settled { position, mailbox, outcome, .. } = *settled;
        let Some(mail) = self.ledger.mail.get_mut(&position) else { return Ok(()) };
        let (at_ms, others) = (mail.at_ms, mail.copies.len() > 1);
        let message = Arc::clone(&mail.message);
        let Some(copy) = mail.copies.get_mut(&mailbox) else {
            return broken(Rule::I6, format!("{position} never went to mailbox {mailbox}, and ended there"));
        };
        // A write that is made again changes nothing; one that is followed by the removal of old rows in the
        // same batch may have gone with them.
        let fate = model.fate(&message, mailbox);
        if copy.ended.is_some() || fate.is_some_and(|fate| fate != Fate::Ended(outcome)) {
            return Ok(());
        }
        copy.ended = Some(outcome);
        let (is_acked, is_blurred, pushes, lent) = (copy.is_acked, copy.is_blurred, copy.pushes, copy.lent);
        let is_ponged = copy.is_ponged;
        self.ledger.ended_copies += 1;
        if let Some(waiting) = self.ledger.waiting.get_mut(&mailbox) {
            waiting.remove(&position);
        }
        match outcome {
            Outcome::Delivered => {
                if !is_acked {
                    let text = format!("{position} ended in mailbox {mailbox}, whose owner did not say so");
                    return broken(Rule::I6, text);
                }
                tally.mark(Mark::Delivered);
                if is_ponged {
                    tally.mark(Mark::LegacyAck);
                }
                if others {
                    tally.mark(Mark::OneOfMany);
                }
            }
            Outcome::Dead => {
                // With a small window a push may have waited in the broker until its connection ended,
                // unseen; and one of a blurred copy may have been counted for the other.
                let is_roomy = self.limits.send_window_bytes() >= 32 * 1_024;
                if pushes == 0 && is_roomy && !is_blurred {
                    return broken(Rule::I1, format!("{position} died in mailbox {mailbox} without a push"));
                }
                tally.mark(Mark::DeadDelivery);
            }
            Outcome::Removed => {
                let is_member = model.member_of(mailbox).is_some_and(|(_, removed)| !removed);
                if is_member {
                    let text = format!("{position} was buried in mailbox {mailbox}, whose owner is a member");
                    return broken(Rule::I1, text);
                }
                tally.mark(Mark::Buried);
            }
            Outcome::Expired => {
                if !self.may_expire(at_ms, wall_ms) {
                    let age = wall_ms - at_ms;
                    return broken(Rule::I1, format!("{position} expired at an age of {age} ms"));
                }
                if lent.is_some_and(|lent| self.is_standing(lent, None)) && !is_acked {
                    return broken(Rule::I1, format!("{position} expired while it was out"));
                }
                tally.mark(Mark::Expired);
            }
        }
        Ok(())
    }

    /// True once a message is old enough to expire, as far as a broker can know.
    fn may_expire(&self, at_ms: i64, wall_ms: i64) -> bool {
        let ttl = i64::try_from(self.limits.message_ttl_ms()).unwrap_or(i64::MAX);
        (wall_ms - at_ms).saturating_add(self.began_ahead_ms) >= ttl
    }

    /// Old rows went: only what has ended, and is old.
    fn pruned(&mut self, wall_ms: i64, model: &Model) -> Judged {
        let oldest = i64::try_from(self.limits.retention_ms()).unwrap_or(i64::MAX);
        let gone: Vec<Position> =
            self.ledger.mail.keys().copied().filter(|at| model.message(*at).is_none()).collect();
        for position in gone {
            let Some(mail) = self.ledger.mail.remove(&position) else { continue };
            if let Some((mailbox, _)) = mail.copies.iter().find(|(_, copy)| copy.ended.is_none()) {
                return broken(Rule::I1, format!("{position} was removed while it waits in {mailbox}"));
            }
            let age = wall_ms - mail.at_ms;
            if age.saturating_add(self.began_ahead_ms) < oldest {
                return broken(Rule::I1, format!("{position} was removed at an age of {age} ms"));
            }
            self.ledger.removed_copies += mail.copies.len() as u64;
        }
        for sent in self.ledger.sent.values_mut() {
            let Some(position) = sent.position.filter(|at| !self.ledger.mail.contains_key(at)) else {
                continue;
            };
            if !model.is_known(position) {
                (sent.forgotten, sent.position, sent.is_confirmed) = (Some(position), None, false);
            }
        }
        Ok(())
    }

    /// A message is pushed.
    pub(super) fn pushed(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        cast: &Cast,
        who: Who,
        push: &Frame,
        tally: &mut Tally,
    ) -> Judged {
        let Some(Party::Peer { kind, key, .. }) = self.conns.get(&said.conn).map(|conn| conn.party.clone())
        else {
            return Ok(());
        };
        let shown = format!("{} to {key} on {}", push.message_id, said.conn);
        if push.mesh_id != cast.meshes[who.mesh].id.as_str() || kind == PeerKind::SendOnly {
            return broken(Rule::I11, format!("{shown}: of another mesh, or to somebody who only sends"));
        }
        let Some(position) = self.ids.resolve(&push.message_id) else {
            return broken(Rule::I2, format!("{shown} is no message id"));
        };
        let Some(mail) = self.ledger.mail.get(&position) else {
            return broken(Rule::I3, format!("{shown} is pushed and not stored"));
        };
        let message = Arc::clone(&mail.message);
        let is_itself = *push.ciphertext == *message.ciphertext
            && push.priority == message.priority.word()
            && push.client_message_id.as_deref() == message.client_message_id.as_deref();
        if !is_itself || who_of(cast, message.mesh, message.sender) != cast.owner_of(&push.sender_pubkey) {
            return broken(Rule::I2, format!("{shown} is not what was sent"));
        }
        if let Some(sealer) = &mail.sealed_by {
            if *sealer != push.sender_pubkey {
                let by = &push.sender_pubkey;
                return broken(Rule::I22, format!("{shown} was sealed by {sealer} and is shown under {by}"));
            }
            if *sealer != self.key_of(message.sender) {
                tally.mark(Mark::SealedBefore);
            }
        }
        let mailboxes = Oracle::mailboxes(model, cast, who, &key);
        let copies = &mail.copies;
        let mine: Vec<MailboxNo> =
            mailboxes.into_iter().flatten().filter(|mailbox| copies.contains_key(mailbox)).collect();
        if mine.is_empty() {
            return broken(Rule::I11, format!("{shown} is for somebody else"));
        }
        if mine.len() > 1 {
            // A member's own copy and its session's look the same.
            let copies = self.ledger.mail.get_mut(&position).map(|mail| &mut mail.copies);
            for (_, copy) in copies.into_iter().flatten().filter(|(mailbox, _)| mine.contains(mailbox)) {
                copy.is_blurred = true;
            }
        }
        if let (PeerKind::Legacy(_), Some(conn)) = (kind, self.conns.get_mut(&said.conn)) {
            conn.unponged.extend(mine.iter().map(|mailbox| (position, *mailbox)));
        }
        let copies = self.ledger.mail.get(&position).map(|mail| &mail.copies);
        let ended = mine.iter().all(|mailbox| copies.is_none_or(|copies| copies[mailbox].ended.is_some()));
        let lent = mine.iter().find_map(|mailbox| Some((*mailbox, copies?.get(mailbox)?.lent?.conn)));
        let picked = self.pick_copy(said, position, &mine).or_else(|| {
            let (mailbox, conn) = lent.filter(|_| said.is_prompt && !ended)?;
            self.suspects.push((conn, format!("{shown} is pushed while an earlier push stands")));
            Some(mailbox)
        });
        let Some(mailbox) = picked else {
            return match said.is_prompt && ended {
                false => Ok(()),
                true => broken(Rule::I5, format!("{shown} is pushed after it has ended")),
            };
        };
        self.judge_owner(said, model, message.mesh, &shown)?;
        self.judge_gate(said, message.priority, &shown)?;
        self.judge_order(said, model, &message, mailbox, &shown)?;
        self.judge_share(said, model, (mailbox, position, message.priority), tally)?;
        self.count_turn(&mine, message.priority);
        self.lend(said, position, mailbox, &shown, tally)
    }

    /// The copy that a push is of: one that waits and is not out.
    fn pick_copy(&self, said: &Said<'_>, position: Position, mine: &[MailboxNo]) -> Option<MailboxNo> {
        mine.iter().copied().find(|mailbox| {
            let Some(copy) = self.ledger.mail.get(&position).and_then(|mail| mail.copies.get(mailbox)) else {
                return false;
            };
            let stands = copy.lent.is_some_and(|lent| !copy.is_acked && self.is_standing(lent, Some(said)));
            copy.ended.is_none() && (!stands || copy.is_blurred)
        })
    }

    /// A push counts until its time ends, its connection does, or its broker.
    pub(super) fn is_standing(&self, lent: Lent, said: Option<&Said<'_>>) -> bool {
        let lives =
            self.nodes.get(&lent.number).is_some_and(|node| self.living.get(node) == Some(&lent.number));
        let is_open = self.conns.get(&lent.conn).is_some_and(|conn| !conn.is_over);
        let in_time = match said {
            Some(said) if said.number == lent.number => {
                said.mono < lent.at.after_millis(self.limits.lease_ms())
            }
            // Another broker has it by right, which is looked at elsewhere; or nobody can tell the time.
            Some(_) => false,
            None => false,
        };
        lives && is_open && in_time
    }

    /// Only the owner of a mesh pushes (I8).
    fn judge_owner(&self, said: &Said<'_>, model: &Model, mesh: MeshNo, shown: &str) -> Judged {
        match model.owner_of(mesh) {
            // What waited in the broker was pushed while the mesh was its own, whoever has it since, or
            // nobody.
            _ if !said.is_prompt => Ok(()),
            Some((owner, _)) if owner == said.number => Ok(()),
            owner => {
                broken(Rule::I8, format!("{shown} is pushed by {}, and the mesh is {owner:?}'s", said.number))
            }
        }
    }

    /// First pushes of a lane come in order (I4).
    fn judge_order(
        &self,
        said: &Said<'_>,
        model: &Model,
        message: &Message,
        mailbox: MailboxNo,
        shown: &str,
    ) -> Judged {
        let copy = |position: &Position| self.ledger.mail.get(position)?.copies.get(&mailbox);
        let is_first = copy(&message.position).is_some_and(|copy| copy.pushes == 0 && !copy.is_blurred);
        // What a member's session writes to the member waits for another connection of it.
        let is_own = model.member_of(mailbox).is_some_and(|(member, _)| member == message.sender);
        if !is_first || is_own || !said.is_prompt {
            return Ok(());
        }
        let older = model.waiting(mailbox, message.priority).take_while(|at| *at < message.position);
        for position in older {
            let Some(mail) = self.ledger.mail.get(&position) else { continue };
            // It may have expired a moment ago, and only its row does not say so yet.
            let is_young = !self.may_expire(mail.at_ms, said.wall_ms);
            let is_passed = is_young
                && mail.message.session == message.session
                && copy(&position).is_some_and(|copy| {
                    let is_known = !copy.is_blurred && !copy.is_unseen;
                    copy.pushes == 0 && copy.ended.is_none() && !copy.is_acked && is_known
                });
            if is_passed && !self.may_be_hidden(said) {
                return broken(Rule::I4, format!("{shown} ({}) passes {position}", message.position));
            }
        }
        Ok(())
    }

    /// A push may wait in the broker for another connection, unseen.
    fn may_be_hidden(&self, said: &Said<'_>) -> bool {
        self.conns.keys().any(|conn| *conn != said.conn && (said.may_hide)(*conn))
    }

    /// The push stands from here on.
    fn lend(
        &mut self,
        said: &Said<'_>,
        position: Position,
        mailbox: MailboxNo,
        shown: &str,
        tally: &mut Tally,
    ) -> Judged {
        // What waited in the broker was lent some time ago; how long nobody can tell.
        let at = if said.is_prompt { said.mono } else { Mono::START };
        let lent = Lent { conn: said.conn, number: said.number, at };
        if let Some(copy) = self.ledger.copy(position, mailbox) {
            copy.pushes += 1;
            if copy.pushes > 1 {
                tally.mark(Mark::Redelivered);
            }
            if copy.lent.is_some() && copy.is_acked {
                tally.mark(Mark::LateAck);
            }
            copy.lent = Some(lent);
        }
        let out = self.ledger.lent_of(mailbox).filter(|(_, copy, lent)| {
            !copy.is_acked
                && !copy.is_blurred
                && lent.number == said.number
                && self.is_standing(*lent, Some(said))
        });
        let count = out.count() as u64;
        if said.is_prompt && count > self.limits.unacked_pushes_max() {
            return broken(Rule::I8, format!("{shown} is push {count} that stands for mailbox {mailbox}"));
        }
        Ok(())
    }
}

/// Whose mailbox a message came from.
fn who_of(cast: &Cast, mesh: MeshNo, sender: MailboxNo) -> Option<Who> {
    let mesh = cast.mesh_of(mesh)?;
    let member = cast.meshes[mesh].members.iter().position(|member| member.mailbox == sender)?;
    Some(Who { mesh, member })
}
