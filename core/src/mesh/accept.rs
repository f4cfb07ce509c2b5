//! A send becomes a message: once, durably, and its sender learns so.
//!
//! *Decides* in this order: whether the key is on its way already; form, size and age; the target; the
//! budget; room. Then the store decides whether the sender's key was used before, and what would be refused
//! is looked up first (`known.rs`). *Always holds:* no ack that says accepted leaves before the commit (I3);
//! sends that carry the key of one on its way wait for that one's answer (I2).

use std::sync::Arc;

use super::acks::{Accepted, No, Waiter};
use super::known::Flight;
use super::mention::Mentioned;
use super::retention::{age_by, stamp};
use super::wish::Wish;
use super::{Cx, Mesh, Positions, SendKey, Then, Timer, deliver, names};
use crate::ids::{MailboxNo, Position};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{self, Accept, Drafts, Ended, Likeness, Message, Op, ReceiptRow, Reply, Seen, Target};
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::Send;

/// Room for so many sends under way is kept when none is.
const ACCEPTING_KEPT: usize = 256;

/// A send that waits for its commit.
#[derive(Debug)]
pub(super) struct Accepting {
    message: Arc<Message>,
    mailboxes: Arc<[MailboxNo]>,
    /// Whom it mentions.
    mentioned: Option<Box<Mentioned>>,
    /// Where it was before its history was lost.
    old: Option<Position>,
    /// What it took from its sender's budget.
    spent: u64,
    /// Who is to be answered: the sender, and whoever sent the same key again meanwhile.
    pub waiters: Vec<Waiter>,
}

/// A send that may become a message.
pub(super) struct Passed {
    position: Position,
    member: MailboxNo,
    session: MailboxNo,
    target: Target,
    mailboxes: Arc<[MailboxNo]>,
    mentioned: Option<Box<Mentioned>>,
    old: Option<Position>,
    receipt: Option<Box<Drafts>>,
    spent: u64,
}

/// A send that may not, and what it took from its sender's budget before that was known.
#[derive(Debug)]
pub(super) struct Denied {
    pub no: No,
    pub spent: u64,
}

impl Denied {
    /// Whether the same send may be accepted once it is known what became of those before it: what turns out
    /// to have been accepted before gives back its share of the budget and of the queues.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self.no.counter, Counter::SendRateLimit | Counter::SendQueueFull)
    }
}

impl Mesh {
    pub(super) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        peer: (PresenceNo, SessionId),
        send: &Send<'_>,
    ) {
        self.expect_answer(peer.0);
        if let Err(refusal) = self.take(cx, positions, peer, send) {
            self.refuse_send(cx, peer, send.id.as_deref().unwrap_or(""), &refusal);
        }
    }

    /// A send whose fields cannot be read is refused like any other.
    pub(super) fn unreadable_send(
        &mut self,
        cx: &mut Cx<'_>,
        peer: (PresenceNo, SessionId),
        id: &str,
        why: &str,
    ) {
        self.expect_answer(peer.0);
        let refusal = No::new(Counter::SendBad, format!("invalid: schema {why}"));
        self.refuse_send(cx, peer, id, &refusal);
    }

    fn take(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        (no, session): (PresenceNo, SessionId),
        send: &Send<'_>,
    ) -> Result<(), No> {
        let wish = Wish::read(send)?;
        let Some(member) = self.roster.presence(no).map(|sender| sender.member) else {
            return Err(No::busy());
        };
        let until = cx.now.mono.after_millis(cx.config.limits.ack_deadline_ms());
        let id = send.id.as_deref().unwrap_or("").into();
        let receipt = wish.receipt;
        let mut waiter = Waiter { presence: no, session, id, until, likeness: None, receipt };
        let key: Option<SendKey> = wish.key.as_deref().map(|key| (member, key.into()));
        if let Some(key) = &key {
            waiter = match self.join_flight(key, &wish, waiter) {
                Ok(()) => return Ok(()),
                Err(waiter) => waiter,
            };
            // Nobody can tell whether it was accepted before.
            if let Some(down) = cx.store.down {
                return Err(No::down(down));
            }
        }
        match self.judge(cx, positions, no, (&wish, key.as_ref()), 0) {
            Ok(passed) => {
                let mut waiters = vec![waiter];
                if let (true, Some(ids)) = (planted("ack_before_commit"), &positions.ids) {
                    let (message_id, at) = (&*self.names.encode(ids, passed.position), cx.now.wall);
                    let (duplicate, history_available) = (false, true);
                    let accepted = Accepted {
                        message_id,
                        at,
                        duplicate,
                        history_available,
                        reach: None,
                        mentioned: None,
                        receipt: None,
                    };
                    waiters.drain(..).for_each(|waiter| self.confirm(cx, &waiter, &accepted));
                }
                self.stage_accept(cx, wish, key, passed, waiters);
            }
            Err(denied) if planted("dedupe_behind_the_budget") => return Err(self.deny(cx, key, denied)),
            Err(denied) if key.is_some() || denied.may_pass() && self.in_flight.len() > 0 => {
                self.look_up(cx, (member, key), wish, waiter, denied);
            }
            Err(denied) => return Err(self.deny(cx, None, denied)),
        }
        Ok(())
    }

    /// Whether a send may become a message, unless its key is known. `paid` is what it took from the budget
    /// when it was judged before.
    pub(super) fn judge(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        no: PresenceNo,
        (wish, key): (&Wish<'_>, Option<&SendKey>),
        paid: u64,
    ) -> Result<Passed, Denied> {
        let denied = |spent| move |no| Denied { no, spent };
        let limits = &cx.config.limits;
        if self.draining {
            let text = "retry: draining this broker is stopping";
            return Err(denied(paid)(No::new(Counter::SendDraining, text)));
        }
        wish.measure(limits).map_err(denied(paid))?;
        self.check_receipt(cx, wish).map_err(denied(paid))?;
        if let Some(down) = cx.store.down {
            return Err(denied(paid)(No::down(down)));
        }
        if self.outstanding >= limits.staged_max() {
            return Err(denied(paid)(No::busy()));
        }
        let known_since = age_by(self.began, cx.now).before_millis(limits.dedupe_retention_ms());
        wish.check_age(known_since).map_err(denied(paid))?;
        let Some(sender) = self.roster.presence(no) else { return Err(denied(paid)(No::busy())) };
        let (member, session) = (sender.member, sender.mailbox);
        let is_held = session == member && self.rotating.contains(&member);
        if is_held && !planted("sealed_while_rotating") {
            let text = "retry: key_rotating the key that sealed this is being replaced";
            return Err(denied(paid)(No::new(Counter::SendBusy, text)));
        }
        let resolved = self.resolve(sender, &wish.target, age_by(self.began, cx.now));
        let count = resolved.as_ref().map_or(1, |(_, mailboxes)| mailboxes.len());
        let spent = match paid {
            0 => self.spend(cx, member, key, count).map_err(denied(0))?,
            paid => paid,
        };
        let (target, mailboxes) = resolved.map_err(denied(spent))?;
        let mentioned = self.mentioned(member, &wish.mentions, cx).map_err(denied(spent))?;
        self.hold(cx, &mailboxes, wish.bytes()).map_err(denied(spent))?;
        let link = self.link(cx, positions, wish).map_err(denied(spent))?;
        match positions.next(cx) {
            Some(position) => {
                if let Some(link) = link {
                    self.chains.add(limits, position, link);
                }
                let old = self.place_before(cx, positions, wish);
                let drafts = |ids| self.drafts(cx, ids, (wish, member), (position, old));
                let receipt = positions.ids.as_ref().and_then(drafts);
                Ok(Passed { position, member, session, target, mailboxes, mentioned, old, receipt, spent })
            }
            None => {
                self.give_back(member, spent);
                Err(denied(0)(No::busy()))
            }
        }
    }

    /// Where a send was before its history was lost, if it says so and can have its id again.
    fn place_before(&self, cx: &Cx<'_>, positions: &Positions, wish: &Wish<'_>) -> Option<Position> {
        // Whoever has no key cannot send the same again.
        let (id, _) = (wish.message_id.as_deref()?, wish.key.as_ref()?);
        let limits = &cx.config.limits;
        let has_room = (self.names.len() as u64) < limits.renamed_per_mesh_max();
        let within_ms = limits.dedupe_retention_ms();
        let ids = positions.ids.as_ref().filter(|_| has_room)?;
        names::lost_at(ids, &cx.store, id, cx.now.wall, within_ms)
    }

    /// Stages a message, for the store to decide whether its key is known.
    pub(super) fn stage_accept(
        &mut self,
        cx: &mut Cx<'_>,
        wish: Wish<'_>,
        key: Option<SendKey>,
        passed: Passed,
        waiters: Vec<Waiter>,
    ) {
        let Passed { position, member, session, target, mailboxes, mentioned, old, receipt, spent } = passed;
        let message = Arc::new(Message {
            position,
            mesh: self.no,
            sender: member,
            session,
            target,
            priority: wish.priority,
            at: stamp(self.began, cx.now),
            nonce: wish.nonce.into(),
            ciphertext: wish.ciphertext.into(),
            client_message_id: wish.key.map(Into::into),
            request_fingerprint: wish.fingerprint.map(Into::into),
            reply_to: wish.reply_to.map(Into::into),
        });
        self.reserve(&mailboxes, message.queued_bytes());
        if let Some(key) = key {
            self.in_flight.insert(key, Flight::Accept(position));
        }
        if let Some(until) = waiters.iter().map(|waiter| waiter.until).min() {
            self.timers.arm_by(Timer::Undecided, until);
        }
        let mentions = mentioned.as_ref().map(|them| Arc::clone(&them.members)).unwrap_or_default();
        let (kept, to) = (Arc::clone(&message), Arc::clone(&mailboxes));
        let accept = Accept { message: kept, mailboxes: to, mentions, old, receipt };
        // Positions grow, so this keeps their order.
        self.accepting.push_back(Accepting { message, mailboxes, mentioned, old, spent, waiters });
        self.stage(cx, Op::Accept(accept), Then::Accepted(position));
    }

    /// The commit ended: the one place where a sender is told that its message was accepted.
    pub(super) fn accepted(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, position: Position, ended: Ended) {
        let accepting = self.place_of(position).ok().and_then(|place| self.accepting.remove(place));
        let Some(accepting) = accepting else { return };
        let Accepting { message, mailboxes, mentioned, old, spent, waiters } = accepting;
        if self.accepting.is_empty() {
            // A burst must not hold its memory for ever.
            self.accepting.shrink_to(ACCEPTING_KEPT);
        }
        let key = message.client_message_id.as_ref().map(|key| (message.sender, key.clone()));
        if let Some(key) = &key {
            self.in_flight.remove(key);
        }
        match ended {
            Ended::Done(Reply::Known(seen)) => {
                self.release_reserved(&mailboxes, message.queued_bytes());
                self.give_back(message.sender, spent);
                self.answer_all(cx, ids, &seen, (&message, &waiters), None);
            }
            ended @ (Ended::Done(_) | Ended::Found(_)) => {
                let asked = match ended {
                    Ended::Done(Reply::Accepted(asked)) => asked,
                    _ => store::Accepted::default(),
                };
                old.filter(|_| asked.renamed).into_iter().for_each(|old| self.names.add(position, old));
                cx.count(Counter::Accepted);
                let online =
                    mailboxes.iter().filter(|no| self.roster.taker(**no, |_| false).is_some()).count();
                let message_id = self.names.encode(ids, position);
                cx.note(Level::Debug, || Note::new(Level::Debug, "ws send").with("message_id", &*message_id));
                let reach = Some((mailboxes.len(), online));
                let told = (&*message, &*message_id, asked.receipt);
                self.welcome_message(cx, ids, told, waiters, (reach, mentioned.as_deref()));
                self.post(cx, ids, &message, (&mailboxes, online));
            }
            Ended::Refused(error) => {
                self.release_reserved(&mailboxes, message.queued_bytes());
                self.remember_spent(cx, key, spent);
                self.refuse_all(cx, &waiters, &No::of_store(&error));
            }
        }
    }

    /// Tells the sender that its message was accepted, and whoever joined it what that means for them.
    fn welcome_message(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        (message, message_id, receipt): (&Message, &str, Option<Box<ReceiptRow>>),
        mut waiters: Vec<Waiter>,
        (reach, mentioned): (Option<(usize, usize)>, Option<&Mentioned>),
    ) {
        for waiter in waiters.extract_if(.., |waiter| waiter.likeness.is_none()) {
            let (at, duplicate, history_available) = (message.at, false, true);
            let receipt = receipt.as_deref();
            let accepted =
                Accepted { message_id, at, duplicate, history_available, reach, mentioned, receipt };
            self.confirm(cx, &waiter, &accepted);
        }
        if !waiters.is_empty() {
            let seen = Seen { receipt, ..Seen::of(message) };
            self.answer_all(cx, ids, &seen, (message, &waiters), reach);
        }
    }

    /// Tells those who wait for a message what came first under its key.
    fn answer_all(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        seen: &Seen,
        (message, waiters): (&Message, &[Waiter]),
        reach: Option<(usize, usize)>,
    ) {
        let own = waiters.iter().any(|waiter| waiter.likeness.is_none()).then(|| Likeness::of(message));
        let key = message.client_message_id.as_deref().unwrap_or_default();
        for waiter in waiters {
            if let Some(likeness) = waiter.likeness.as_deref().or(own.as_ref()) {
                self.answer_known(cx, ids, (seen, key), (waiter, likeness), reach);
            }
        }
    }

    /// Where a message stands among those on their way to the disk. They come back in the order in which they
    /// went, so it mostly is the first.
    pub(super) fn place_of(&self, position: Position) -> Result<usize, usize> {
        if self.accepting.front().is_some_and(|first| first.message.position == position) {
            return Ok(0);
        }
        self.accepting.binary_search_by_key(&position, |accepting| accepting.message.position)
    }

    /// Puts a committed message into its mailboxes, of which so many have somebody connected.
    fn post(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        message: &Arc<Message>,
        (mailboxes, online): (&[MailboxNo], usize),
    ) {
        let window = deliver::window(cx);
        for no in mailboxes {
            let is_online = |no| self.roster.taker(no, |_| false).is_some();
            let wanted = online == mailboxes.len() || online > 0 && is_online(*no);
            self.mailbox(*no).add(Arc::clone(message), wanted, window);
            // Its owner may have been removed while the message was on its way to the disk. Nobody who is
            // connected was.
            let removed = if wanted { None } else { self.roster.removed_owner(*no) };
            match removed {
                Some(removed) => self.bury(cx, removed),
                None => self.deliver(cx, ids, *no),
            }
        }
    }

    fn reserve(&mut self, mailboxes: &[MailboxNo], bytes: u64) {
        self.queued += mailboxes.len() as u64;
        self.queued_bytes += bytes * mailboxes.len() as u64;
        for no in mailboxes {
            self.mailbox(*no).queued += 1;
        }
    }

    fn release_reserved(&mut self, mailboxes: &[MailboxNo], bytes: u64) {
        self.queued = self.queued.saturating_sub(mailboxes.len() as u64);
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes * mailboxes.len() as u64);
        for no in mailboxes {
            let waiting = self.mailbox(*no);
            waiting.queued = waiting.queued.saturating_sub(1);
        }
    }
}
