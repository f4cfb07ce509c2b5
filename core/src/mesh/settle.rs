//! How a delivery ends: acknowledged by its recipient, dead, or expired.
//!
//! *Decides* what an acknowledgement means, a pong of a client that never acknowledges included.
//! *Always holds:* one acknowledgement settles one copy (I6); a row whose end could not be written is written
//! later.

use super::mailbox::Mailbox;
use super::presence::LegacyPush;
use super::{Cx, Mesh, Then, Timer};
use crate::ids::{MailboxNo, Position};
use crate::message_id::{ID_CHARS, MessageIds};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, Message, Op, Outcome, Settled};
use crate::surface::{Effect, PresenceNo, SessionId};

impl Mesh {
    /// A recipient says that it has a message: by our id or by the sender's.
    pub(super) fn client_ack(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        broker_id: Option<&str>,
        client_id: Option<&str>,
    ) {
        let Some(presence) = self.roster.presence(no) else { return };
        let Some(session) = presence.session() else { return };
        let anybody = planted("ack_of_anybody_counts").then(|| self.roster.members.keys().next()).flatten();
        let mailboxes = [presence.mailbox, anybody.unwrap_or(presence.member)];
        let whole = |id: &&str| id.len() == ID_CHARS;
        let lent_as = |id: &str| mailboxes.iter().find_map(|no| self.mailboxes.get(*no)?.lent_as(id));
        let named = |id: &str| lent_as(id).or_else(|| self.names.resolve(ids, id));
        let resolve = |id: Option<&str>| id.filter(whole).and_then(named);
        // Our id names one message; the sender's may name several senders' messages, so it is the second
        // choice. Where the sender gave none, clients put ours into its place.
        let position = resolve(broker_id).or_else(|| resolve(client_id));
        let client_id = client_id.filter(|id| !id.is_empty() && position.is_none());
        let is_meant = |message: &Message| match position {
            Some(position) => message.position == position,
            None => client_id.is_some() && message.client_message_id.as_deref() == client_id,
        };
        // One message can lie in both mailboxes of this peer: what it was pushed itself comes first.
        let leased = |mesh: &mut Mesh, no: &MailboxNo| {
            mesh.mailboxes.get_mut(*no).and_then(|waiting| waiting.take_leased(session, is_meant))
        };
        let late = |mesh: &mut Mesh, no: &MailboxNo| {
            mesh.mailboxes.get_mut(*no).and_then(|waiting| match position {
                Some(position) => waiting.take_out(position),
                None => waiting.take_pushed(is_meant),
            })
        };
        let found = mailboxes.iter().find_map(|no| Some((*no, leased(self, no)?)));
        let found = found.or_else(|| mailboxes.iter().find_map(|no| Some((*no, late(self, no)?))));
        let marked = u8::from(found.is_some());
        cx.note(Level::Debug, || Note::new(Level::Debug, "ws client_ack").with("marked", marked));
        if let Some((mailbox, item)) = found {
            self.settle(cx, mailbox, &item.message, Outcome::Delivered);
            return self.deliver(cx, ids, mailbox);
        }
        let stored = |no: &MailboxNo| self.mailboxes.get(*no).is_some_and(Mailbox::is_partly_stored);
        let is_ending = |position: Position| {
            let mut waiting = mailboxes.iter().filter_map(|no| self.mailboxes.get(*no));
            waiting.any(|waiting| waiting.is_ending(position))
        };
        match position.filter(|position| mailboxes.iter().any(stored) && !is_ending(*position)) {
            Some(position) => self.ask_late(cx, (no, session), position, mailboxes),
            None if client_id.is_some() || broker_id.is_some() => cx.count(Counter::UnknownAck),
            None => {}
        }
    }

    /// A delivery ends. The row says so before anybody is told.
    pub(super) fn settle(
        &mut self,
        cx: &mut Cx<'_>,
        mailbox: MailboxNo,
        message: &Message,
        outcome: Outcome,
    ) {
        let owner = planted("wrong_mailbox_settled").then(|| self.roster.owner(mailbox)).flatten();
        let settled = Settled {
            position: message.position,
            mailbox: owner.map_or(mailbox, |owner| owner.no),
            priority: message.priority,
            at: cx.now.wall,
            outcome,
        };
        self.end_row(cx, settled, message.queued_bytes());
    }

    /// Writes that a delivery ended, unless that is being written already.
    pub(super) fn end_row(&mut self, cx: &mut Cx<'_>, settled: Settled, bytes: u64) {
        if self.mailbox(settled.mailbox).begin_end(settled.position) {
            self.stage(cx, Op::Settle(settled), Then::Settled(settled, bytes));
        }
    }

    pub(super) fn settled(&mut self, cx: &mut Cx<'_>, settled: Settled, bytes: u64, ended: &Ended) {
        if let Ended::Refused(_) = ended {
            if planted("end_refused_and_forgotten") {
                return;
            }
            // The recipient has it: the row must still go, or it would be delivered again after a restart.
            self.owed.push((settled, bytes));
            return self.timers.arm_by(Timer::Retry, cx.now.mono.after_millis(cx.config.limits.health_ms()));
        }
        cx.count(match settled.outcome {
            Outcome::Delivered => Counter::SettledDelivered,
            Outcome::Expired => Counter::SettledExpired,
            Outcome::Dead | Outcome::Removed => Counter::SettledDead,
        });
        self.queued = self.queued.saturating_sub(1);
        self.queued_bytes = self.queued_bytes.saturating_sub(bytes);
        self.mailbox(settled.mailbox).ended(settled.position);
        self.late_acks.end(&settled);
    }

    /// Writes once more what the store refused.
    pub(super) fn repay(&mut self, cx: &mut Cx<'_>) {
        for (settled, bytes) in std::mem::take(&mut self.owed) {
            self.stage(cx, Op::Settle(settled), Then::Settled(settled, bytes));
        }
    }

    /// A member was removed: what waits for it or its sessions is dead.
    pub(super) fn bury(&mut self, cx: &mut Cx<'_>, member: MailboxNo) {
        let mine = |(no, waiting): (MailboxNo, &Mailbox)| (waiting.member == member).then_some(no);
        let mailboxes: Vec<MailboxNo> = self.mailboxes.iter().filter_map(mine).collect();
        for mailbox in mailboxes {
            let Some(waiting) = self.mailboxes.get_mut(mailbox) else { continue };
            for item in waiting.empty() {
                self.settle(cx, mailbox, &item.message, Outcome::Removed);
            }
            self.ask_pages(cx, mailbox, [true; 3]);
        }
    }

    /// Ends what still waits for removed members: a crash or the store may have come between.
    pub(super) fn bury_removed(&mut self, cx: &mut Cx<'_>) {
        let removed = self.roster.members.values().filter(|row| row.revoked_at.is_some());
        let removed: Vec<MailboxNo> = removed.map(|row| row.no).collect();
        for member in removed {
            self.bury(cx, member);
        }
    }

    /// A client that never acknowledges is due the ping whose pong does it.
    pub(super) fn legacy_ping(&mut self, cx: &mut Cx<'_>, no: PresenceNo) {
        let token = self.next_ping;
        self.next_ping += 1;
        let now = cx.now.mono;
        let Some(line) = self.roster.presence_mut(no).and_then(|presence| presence.line_mut()) else {
            return;
        };
        let due = line.legacy.iter_mut().filter(|push| push.pinged.is_none() && push.ping_at <= now);
        if due.map(|push| push.pinged = Some(token)).count() > 0 {
            let payload = bytes::Bytes::copy_from_slice(&token.to_be_bytes());
            cx.effects.list.push(Effect::Ping { session: line.session, payload });
        }
        if let Some(next) = line.legacy.iter().find(|push| push.pinged.is_none()) {
            self.timers.arm(Timer::LegacyPing(no), next.ping_at);
        }
    }

    /// Its pong says that it has read everything before the ping.
    pub(super) fn legacy_pong(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        session: SessionId,
        payload: &[u8],
    ) {
        let Ok(token) = payload.try_into().map(u64::from_be_bytes) else { return };
        let line = self.roster.presence_mut(no).and_then(|presence| presence.line_mut());
        let Some(line) = line.filter(|line| line.session == session) else { return };
        if !line.legacy.iter().any(|push| push.pinged == Some(token)) {
            // No ping of ours, or one whose pong came before.
            return;
        }
        let (done, kept) =
            line.legacy.drain(..).partition(|push| push.pinged.is_some_and(|pinged| pinged <= token));
        line.legacy = kept;
        let done: std::collections::VecDeque<LegacyPush> = done;
        for LegacyPush { mailbox, position, .. } in done {
            let item = self.mailboxes.get_mut(mailbox).and_then(|waiting| waiting.take_out(position));
            if let Some(item) = item {
                self.settle(cx, mailbox, &item.message, Outcome::Delivered);
                self.deliver(cx, ids, mailbox);
            }
        }
    }
}
