//! Whether a key was used before: sends that join one on its way, and sends that would be refused.
//!
//! *Decides* nothing about a send that can be accepted: the store does that, inside the commit. But before a
//! key is refused for any other reason, the store is asked whether it was accepted (I14). *Always holds:* of
//! one key at most one accept or one look is on its way. A look stands behind everything of its sender that
//! was on its way before, so that budgets are settled when it ends; a send without a key waits for that too,
//! since a resend may hold what it is short of.

use super::accept::Denied;
use super::acks::{No, Waiter};
use super::wish::Wish;
use super::{Cx, Mesh, Positions, SendKey, Then, Timer};
use crate::ids::{MailboxNo, Position, PublicKey};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, Likeness, Op, Reply, Target};
use crate::surface::PresenceNo;
use crate::time::Mono;

/// What is on its way under a key.
#[derive(Clone, Copy, Debug)]
pub(super) enum Flight {
    /// The accept of the message at this position.
    Accept(Position),
    /// The look of this number.
    Look(u64),
}

/// A send that would be refused, while the store is asked whether it was accepted before.
#[derive(Debug)]
pub(super) struct Look {
    no: u64,
    /// None where the send has none, and only waits for what is on its way.
    key: Option<SendKey>,
    /// Whose send it is.
    presence: PresenceNo,
    denied: Denied,
    likeness: Likeness,
    /// The send, where it may be accepted after all.
    wish: Option<Wish<'static>>,
    /// Who is to be answered: the sender, and whoever sent the same key again meanwhile.
    pub waiters: Vec<Waiter>,
}

impl Mesh {
    /// Lets a send wait with the one on its way under the same key, if there is one.
    pub(super) fn join_flight(
        &mut self,
        key: &SendKey,
        wish: &Wish<'_>,
        waiter: Waiter,
    ) -> Result<(), Waiter> {
        let Some(flight) = self.in_flight.find(key).copied() else { return Err(waiter) };
        let likeness = Some(Box::new(self.likeness(wish)));
        let waiters = match flight {
            Flight::Accept(position) => match self.place_of(position) {
                Ok(place) => &mut self.accepting[place].waiters,
                Err(_) => return Err(waiter),
            },
            Flight::Look(no) => match self.looks.binary_search_by_key(&no, |look| look.no) {
                Ok(place) => &mut self.looks[place].waiters,
                Err(_) => return Err(waiter),
            },
        };
        self.timers.arm_by(Timer::Undecided, waiter.until);
        waiters.push(Waiter { likeness, ..waiter });
        Ok(())
    }

    /// Asks the store about the key of a send that would be refused.
    pub(super) fn look_up(
        &mut self,
        cx: &mut Cx<'_>,
        (member, key): (MailboxNo, Option<SendKey>),
        wish: Wish<'_>,
        waiter: Waiter,
        denied: Denied,
    ) {
        self.looks_begun += 1;
        let no = self.looks_begun;
        let (until, presence) = (waiter.until, waiter.presence);
        let likeness = self.likeness(&wish);
        let bytes = wish.bytes();
        let has_room = self.looks_bytes + bytes <= cx.config.limits.looks_bytes_max();
        let wish = (has_room && denied.may_pass()).then(|| wish.into_owned());
        self.looks_bytes += wish.as_ref().map_or(0, Wish::bytes);
        // Nothing is known by no key, so a send without one is free when its turn has come.
        let client_message_id = key.as_ref().map_or_else(Box::default, |(_, id)| id.clone());
        let op = Op::Find { mesh: self.no, sender: member, client_message_id };
        if let Some(key) = &key {
            self.in_flight.insert(key.clone(), Flight::Look(no));
        }
        // Numbers grow, so this keeps their order.
        let waiters = vec![waiter];
        self.looks.push_back(Look { no, key, presence, denied, likeness, wish, waiters });
        self.timers.arm_by(Timer::Undecided, until);
        self.stage(cx, op, Then::Looked(no));
    }

    /// The store has answered about a key.
    pub(super) fn looked(&mut self, cx: &mut Cx<'_>, positions: &mut Positions, no: u64, ended: Ended) {
        self.outstanding -= 1;
        let place = self.looks.binary_search_by_key(&no, |look| look.no).ok();
        if let Some(look) = place.and_then(|place| self.looks.remove(place)) {
            if let Some(key) = &look.key {
                self.in_flight.remove(key);
            }
            self.looks_bytes -= look.wish.as_ref().map_or(0, Wish::bytes);
            self.look_ended(cx, positions, look, ended);
        }
        self.rest(cx);
    }

    fn look_ended(&mut self, cx: &mut Cx<'_>, positions: &mut Positions, look: Look, ended: Ended) {
        let Look { key, presence, denied, likeness, wish, waiters, .. } = look;
        match ended {
            Ended::Done(Reply::Known(seen)) => {
                let (Some((member, id)), Some(ids)) = (key, &positions.ids) else { return };
                self.give_back(member, denied.spent);
                for waiter in &waiters {
                    let likeness = waiter.likeness.as_deref().unwrap_or(&likeness);
                    self.answer_known(cx, ids, (&seen, &id), (waiter, likeness), None);
                }
            }
            Ended::Done(_) | Ended::Found(_) if waiters.is_empty() => {
                self.remember_spent(cx, key, denied.spent);
            }
            Ended::Done(_) | Ended::Found(_) => match wish {
                Some(wish) => {
                    match self.judge(cx, positions, presence, (&wish, key.as_ref()), denied.spent) {
                        Ok(passed) => self.stage_accept(cx, wish, key, passed, waiters),
                        Err(denied) => self.look_denied(cx, key, denied, &likeness, &waiters),
                    }
                }
                None => self.look_denied(cx, key, denied, &likeness, &waiters),
            },
            Ended::Refused(error) => {
                self.remember_spent(cx, key, denied.spent);
                self.refuse_all(cx, &waiters, &No::of_store(&error));
            }
        }
    }

    /// Nobody has used the key, so the send is refused, and with it whoever sent the same.
    fn look_denied(
        &mut self,
        cx: &mut Cx<'_>,
        key: Option<SendKey>,
        denied: Denied,
        likeness: &Likeness,
        waiters: &[Waiter],
    ) {
        let refusal = self.deny(cx, key, denied);
        for waiter in waiters {
            let is_same = waiter.likeness.as_ref().is_none_or(|other| likeness.is_same_request(other));
            let refusal = if is_same { refusal.clone() } else { No::overtaken() };
            self.refuse_all(cx, std::slice::from_ref(waiter), &refusal);
        }
    }

    /// A send is refused for good: what it spent is spent, once for its key.
    pub(super) fn deny(&mut self, cx: &mut Cx<'_>, key: Option<SendKey>, denied: Denied) -> No {
        if denied.spent > 0 {
            cx.count(Counter::SpentThenRefused);
        }
        if let (true, Some((member, _))) = (planted("budget_refunded"), &key) {
            self.give_back(*member, denied.spent);
        }
        self.remember_spent(cx, key, denied.spent);
        denied.no
    }

    /// What a send is told from others by, even if its target is not there any more.
    fn likeness(&self, wish: &Wish<'_>) -> Likeness {
        let mailbox = PublicKey::from_hex(&wish.target).and_then(|key| self.roster.mailbox_ever(&key));
        Likeness {
            target: mailbox.map_or_else(|| Target::Spec((&*wish.target).into()), Target::Mailbox),
            priority: wish.priority,
            fingerprint: wish.fingerprint.as_deref().map(Into::into),
            body: Likeness::digest(&wish.nonce, &wish.ciphertext, wish.reply_to.as_deref()),
        }
    }

    /// Whoever has waited long enough for a commit or a look is answered. Both go on, and what a commit
    /// brings is delivered; the key stays taken, so that a resend waits for the same commit (I2, I3).
    pub(super) fn answer_undecided(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let mut late = Vec::new();
        for waiters in self.all_waiters() {
            late.extend(waiters.extract_if(.., |waiter| waiter.until <= now));
        }
        self.refuse_all(cx, &late, &No::undecided());
        let next: Option<Mono> = self.all_waiters().flatten().map(|waiter| waiter.until).min();
        if let Some(until) = next {
            self.timers.arm(Timer::Undecided, until);
        }
    }

    /// The mesh is another's: its sends are not ours to decide.
    pub(super) fn answer_lost(&mut self, cx: &mut Cx<'_>) {
        let mut waiters: Vec<Waiter> = Vec::new();
        self.all_waiters().for_each(|some| waiters.append(some));
        self.accepting.clear();
        self.looks.clear();
        self.looks_bytes = 0;
        self.refuse_all(cx, &waiters, &No::not_owner());
    }

    fn all_waiters(&mut self) -> impl Iterator<Item = &mut Vec<Waiter>> {
        let accepting = self.accepting.iter_mut().map(|accepting| &mut accepting.waiters);
        accepting.chain(self.looks.iter_mut().map(|look| &mut look.waiters))
    }
}
