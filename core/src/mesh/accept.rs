//! A send becomes a message: once, durably, and its sender learns so.
//!
//! *Decides* in this order: budget, form and size, target, room; then the store decides whether the sender's
//! key was used before. *Always holds:* no ack that says accepted leaves before the commit (I3); sends that
//! carry the key of one on its way wait for that one's answer (I2).

use std::sync::Arc;

use super::{Cx, Mesh, Positions, Then, Timer, deliver};
use crate::ids::{MailboxNo, Position};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{Accept, Ended, Message, Op, Priority, Reply, StoreError};
use crate::surface::{Down, Effect, PresenceNo, SessionId};
use crate::time::Mono;
use crate::wire::mesh::{Ack, Send};

/// Room for so many sends under way is kept when none is.
const ACCEPTING_KEPT: usize = 256;

/// A send that waits for its commit.
#[derive(Debug)]
pub(crate) struct Accepting {
    message: Arc<Message>,
    mailboxes: Arc<[MailboxNo]>,
    /// Who is to be answered: the sender, and whoever sent the same key again meanwhile.
    waiters: Vec<Waiter>,
}

#[derive(Debug)]
struct Waiter {
    presence: PresenceNo,
    session: SessionId,
    id: Box<str>,
    /// It is not kept waiting longer than that.
    until: Mono,
}

/// A refused send: the text says by its first word whether trying again can help (mesh protocol, send).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct No {
    pub counter: Counter,
    pub text: String,
}

impl No {
    pub(crate) fn new(counter: Counter, text: impl Into<String>) -> No {
        No { counter, text: text.into() }
    }

    fn of_store(error: &StoreError) -> No {
        match error {
            StoreError::Full => No::down(Down::Full),
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => No::down(Down::Away),
            StoreError::Busy(_) => busy(),
            StoreError::Fenced(_) => No::not_owner(),
            StoreError::Unknown(_) => No::undecided(),
        }
    }

    /// The store refuses, or would.
    fn down(why: Down) -> No {
        match why {
            Down::Full => No::new(Counter::SendStore, "retry: store_full nothing was stored"),
            Down::Away => No::new(Counter::SendStore, "retry: store_down nothing was stored"),
        }
    }

    /// It may be stored or not, now or later.
    fn undecided() -> No {
        No::new(Counter::SendStore, "retry: store_down send the same client_message_id again")
    }

    fn not_owner() -> No {
        No::new(Counter::SendOwner, "retry: not_owner another broker serves this mesh")
    }
}

impl Mesh {
    pub(super) fn send(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        draining: bool,
        (no, session): (PresenceNo, SessionId),
        send: &Send<'_>,
    ) {
        let id = send.id.as_deref().unwrap_or("");
        self.expect_answer(no);
        if draining {
            let no_more = No::new(Counter::SendDraining, "retry: draining this broker is stopping");
            return self.refuse_send(cx, (no, session), id, &no_more);
        }
        if let Err(refusal) = self.accept(cx, positions, (no, session), send) {
            self.refuse_send(cx, (no, session), id, &refusal);
        }
    }

    /// A send whose fields cannot be read is refused like any other.
    pub(super) fn unreadable_send(
        &mut self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        id: &str,
        why: &str,
    ) {
        self.expect_answer(no);
        let refusal = No::new(Counter::SendBad, format!("invalid: schema {why}"));
        self.refuse_send(cx, (no, session), id, &refusal);
    }

    /// Counts something that the peer is to be answered; too many of them, and it is not read on.
    pub(super) fn expect_answer(&mut self, no: PresenceNo) {
        if let Some(line) = self.roster.presence_mut(no).and_then(|presence| presence.line_mut()) {
            line.unanswered += 1;
        }
    }

    fn accept(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &mut Positions,
        (no, session): (PresenceNo, SessionId),
        send: &Send<'_>,
    ) -> Result<(), No> {
        let Some(sender) = self.roster.presence(no) else { return Err(busy()) };
        let (member, own) = (sender.member, sender.mailbox);
        let until = cx.now.mono.after_millis(cx.config.limits.ack_deadline_ms());
        let waiter = Waiter { presence: no, session, id: send.id.as_deref().unwrap_or("").into(), until };
        self.spend(cx, member)?;
        let form = form(cx, send)?;
        let key = form.key.map(|key| (member, Box::<str>::from(key)));
        if let Some(first) = key.as_ref().and_then(|key| self.in_flight.find(key))
            && let Ok(place) = self.place_of(*first)
        {
            self.accepting[place].waiters.push(waiter);
            self.timers.arm_by(Timer::Undecided, until);
            return Ok(());
        }
        if let Some(down) = cx.store.down {
            return Err(No::down(down));
        }
        let Some(sender) = self.roster.presence(no) else { return Err(busy()) };
        let (target, mailboxes) = self.resolve(sender, form.target)?;
        self.hold(cx, &mailboxes, (form.nonce.len() + form.ciphertext.len()) as u64)?;
        if self.outstanding >= cx.config.limits.staged_max() {
            return Err(busy());
        }
        let position = positions.next(cx).ok_or_else(busy)?;
        let message = Arc::new(Message {
            position,
            mesh: self.no,
            sender: member,
            session: own,
            target,
            priority: form.priority,
            at: cx.now.wall,
            nonce: form.nonce.into(),
            ciphertext: form.ciphertext.into(),
            client_message_id: form.key.map(Into::into),
            request_fingerprint: send
                .request_fingerprint
                .as_deref()
                .filter(|text| !text.is_empty())
                .map(Into::into),
            reply_to: send.reply_to_id.as_deref().filter(|text| !text.is_empty()).map(Into::into),
        });
        self.reserve(&mailboxes, message.queued_bytes());
        if let Some(key) = key {
            self.in_flight.insert(key, position);
        }
        let accept = Accept { message: Arc::clone(&message), mailboxes: Arc::clone(&mailboxes) };
        // Positions grow, so this keeps their order.
        self.accepting.push_back(Accepting { message, mailboxes, waiters: vec![waiter] });
        self.timers.arm_by(Timer::Undecided, until);
        self.stage(cx, Op::Accept(accept), Then::Accepted(position));
        Ok(())
    }

    /// The commit ended: the one place where a sender is told that its message was accepted.
    pub(super) fn accepted(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, position: Position, ended: Ended) {
        let accepting = self.place_of(position).ok().and_then(|place| self.accepting.remove(place));
        let Some(Accepting { message, mailboxes, waiters }) = accepting else { return };
        if self.accepting.is_empty() {
            // A burst must not hold its memory for ever.
            self.accepting.shrink_to(ACCEPTING_KEPT);
        }
        if let Some(key) = &message.client_message_id {
            self.in_flight.remove(&(message.sender, key.clone()));
        }
        match ended {
            Ended::Done(Reply::Existing { position: first }) => {
                self.release_reserved(&mailboxes, message.queued_bytes());
                cx.stats.add(Counter::Duplicate, waiters.len() as u64);
                self.confirm(cx, &ids.encode(first), waiters, None);
            }
            Ended::Done(_) | Ended::Found(_) => {
                cx.count(Counter::Accepted);
                cx.stats.add(Counter::Duplicate, (waiters.len() as u64).saturating_sub(1));
                let online =
                    mailboxes.iter().filter(|no| self.roster.taker(**no, |_| false).is_some()).count();
                let message_id = ids.encode(position);
                cx.note(Level::Debug, || Note::new(Level::Debug, "ws send").with("message_id", &*message_id));
                self.confirm(cx, &message_id, waiters, Some((mailboxes.len(), online)));
                self.post(cx, ids, &message, &mailboxes);
            }
            Ended::Refused(error) => {
                self.release_reserved(&mailboxes, message.queued_bytes());
                let refusal = No::of_store(&error);
                for Waiter { presence, session, id, .. } in waiters {
                    self.refuse_send(cx, (presence, session), &id, &refusal);
                }
            }
        }
    }

    fn place_of(&self, position: Position) -> Result<usize, usize> {
        self.accepting.binary_search_by_key(&position, |accepting| accepting.message.position)
    }

    /// Whoever has waited long enough for a commit is answered. The commit goes on, and what it brings is
    /// delivered; the key stays taken, so that a resend waits for the same commit (I2, I3).
    pub(super) fn answer_undecided(&mut self, cx: &mut Cx<'_>) {
        let now = cx.now.mono;
        let mut late = Vec::new();
        for accepting in &mut self.accepting {
            late.extend(accepting.waiters.extract_if(.., |waiter| waiter.until <= now));
        }
        for Waiter { presence, session, id, .. } in late {
            self.refuse_send(cx, (presence, session), &id, &No::undecided());
        }
        let waiters = self.accepting.iter().flat_map(|accepting| &accepting.waiters);
        if let Some(until) = waiters.map(|waiter| waiter.until).min() {
            self.timers.arm(Timer::Undecided, until);
        }
    }

    /// The mesh is another's: its sends are not ours to decide.
    pub(super) fn answer_lost(&mut self, cx: &mut Cx<'_>) {
        let waiters = std::mem::take(&mut self.accepting).into_iter().flat_map(|one| one.waiters);
        for Waiter { presence, session, id, .. } in waiters {
            self.refuse_send(cx, (presence, session), &id, &No::not_owner());
        }
    }

    /// Puts a committed message into its mailboxes.
    fn post(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, message: &Arc<Message>, mailboxes: &[MailboxNo]) {
        let window = deliver::window(cx);
        for no in mailboxes {
            let wanted = self.roster.taker(*no, |_| false).is_some();
            self.mailbox(*no).add(Arc::clone(message), wanted, window);
            // Its owner may have been removed while the message was on its way to the disk.
            match self.roster.owner(*no).filter(|owner| owner.revoked_at.is_some()).map(|owner| owner.no) {
                Some(removed) => self.bury(cx, removed),
                None => self.deliver(cx, ids, *no),
            }
        }
    }

    fn confirm(
        &mut self,
        cx: &mut Cx<'_>,
        message_id: &str,
        waiters: Vec<Waiter>,
        reach: Option<(usize, usize)>,
    ) {
        for Waiter { presence, session, id, .. } in waiters {
            let ack = Ack {
                id: &id,
                message_id,
                queued: true,
                error: None,
                request: None,
                recipients: reach.map(|(recipients, _)| recipients),
                online: reach.map(|(_, online)| online),
                durability: cx.durability(),
            };
            self.answer_send(cx, (presence, session), &ack);
        }
    }

    fn refuse_send(&mut self, cx: &mut Cx<'_>, peer: (PresenceNo, SessionId), id: &str, refusal: &No) {
        cx.count(refusal.counter);
        let error = Some(refusal.text.as_str());
        let durability = cx.durability();
        let (message_id, queued, request) = ("", false, None);
        let ack = Ack { id, message_id, queued, error, request, recipients: None, online: None, durability };
        self.answer_send(cx, peer, &ack);
    }

    fn answer_send(&mut self, cx: &mut Cx<'_>, peer: (PresenceNo, SessionId), ack: &Ack<'_>) {
        cx.tell(peer.1, ack);
        self.answered(cx, peer);
    }

    /// One thing less is to be answered; a connection that was not read because of it is read on.
    pub(super) fn answered(&mut self, cx: &mut Cx<'_>, (no, session): (PresenceNo, SessionId)) {
        let line = self.roster.presence_mut(no).and_then(|presence| presence.line_mut());
        let mut was_paused = false;
        if let Some(line) = line.filter(|line| line.session == session) {
            was_paused = line.unanswered >= cx.config.limits.unacked_sends_max();
            line.unanswered = line.unanswered.saturating_sub(1);
        }
        if was_paused {
            cx.effects.list.push(Effect::Resume { session });
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

/// The fields of a send in the form they must have.
struct Form<'a> {
    target: &'a str,
    priority: Priority,
    nonce: &'a str,
    ciphertext: &'a str,
    key: Option<&'a str>,
}

fn form<'a>(cx: &Cx<'_>, send: &'a Send<'_>) -> Result<Form<'a>, No> {
    let bad = |text: &str| No::new(Counter::SendBad, format!("invalid: schema {text}"));
    let target = send
        .target_spec
        .as_deref()
        .filter(|text| !text.is_empty())
        .ok_or_else(|| bad("targetSpec is missing"))?;
    let ciphertext = send.ciphertext.as_deref().ok_or_else(|| bad("ciphertext is missing"))?;
    let nonce = send.nonce.as_deref().unwrap_or("");
    let priority = match send.priority.as_deref() {
        None => Priority::Next,
        Some(word) => Priority::ALL
            .into_iter()
            .find(|priority| priority.word() == word)
            .ok_or_else(|| bad("priority must be now, next or low"))?,
    };
    let short = |text: &str| text.len() as u64 <= cx.config.limits.name_bytes_max();
    let key = send.client_message_id.as_deref().filter(|text| !text.is_empty());
    if !key.is_none_or(short) || !short(target) {
        return Err(bad("targetSpec or client_message_id is too long"));
    }
    if ![&send.request_fingerprint, &send.reply_to_id].into_iter().flatten().all(|text| short(text)) {
        return Err(bad("request_fingerprint or replyToId is too long"));
    }
    Mesh::weigh(cx, nonce, ciphertext, target)?;
    Ok(Form { target, priority, nonce, ciphertext, key })
}

fn busy() -> No {
    No::new(Counter::SendBusy, "retry: busy too much waits for the store")
}

#[cfg(test)]
mod tests {
    /// The words by which clients tell a permanent failure (mesh protocol, send); the first list belongs to
    /// the daemon's member connection, the second to its session connections.
    const PERMANENT: [&[&str]; 2] = [
        &["payload_too_large", "forbidden", "not_found", "invalid", "schema", "auth", "signature"],
        &["unknown", "invalid", "forbidden", "not_authorized", "target_not_found"],
    ];

    #[test]
    fn every_text_of_this_file_that_begins_like_a_refusal_reads_the_same_to_every_client() {
        let sources = [include_str!("accept.rs"), include_str!("quota.rs"), include_str!("target.rs")];
        let mut seen = 0;
        for text in sources.iter().flat_map(|source| source.split('"')) {
            let permanent = text.starts_with("invalid: ") || text.starts_with("forbidden");
            if !permanent && !text.starts_with("retry: ") {
                continue;
            }
            seen += 1;
            for words in PERMANENT {
                let found = words.iter().any(|word| text.to_ascii_lowercase().contains(word));
                assert_eq!(found, permanent, "{text:?} against {words:?}");
            }
        }
        assert!(seen >= 12, "only {seen} texts found");
    }
}
