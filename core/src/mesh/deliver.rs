//! When a message is pushed: to whom, past which gate, for how long.
//!
//! *Decides* the taker of a mailbox, the gate of priority against status (I7), leases and redelivery.
//! *Always holds:* one live lease for each delivery (I8); at most `unacked_pushes_max` of them a mailbox; a
//! lease ends with its connection, its time or its acknowledgement; what comes back goes ahead of what is
//! later.

use super::mailbox::{Item, Lease, Mailbox, Window};
use super::presence::LegacyPush;
use super::{Cx, Mesh, Then, Timer};
use crate::ids::{MailboxNo, Position, PublicKey};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, Found, Message, Op, Outcome, Priority, Query};
use crate::surface::{PresenceNo, PushCopy, SessionId};
use crate::wire::mesh::Push;

/// Bytes of a push besides its nonce and ciphertext, at most: ids, keys, names and their labels.
const PUSH_OVERHEAD_BYTES: usize = 1_024;

impl Mesh {
    /// Pushes what a mailbox may be pushed: called whenever that may have changed.
    pub(super) fn deliver(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, mailbox: MailboxNo) {
        // Another broker may have taken the mesh over: what it lends must not be lent here too (I8).
        if !cx.store.sure {
            return;
        }
        loop {
            // Asked first, since mostly nothing waits: this is called after every push and acknowledgement.
            let Some(waiting) = self.mailboxes.get(mailbox).filter(|waiting| waiting.waits()) else {
                return;
            };
            let is_full = waiting.leased() as u64 >= cx.config.limits.unacked_pushes_max();
            let is_partly_stored = waiting.is_partly_stored();
            if is_full && !planted("pushes_without_bound") {
                return;
            }
            let Some(taker) = self.roster.taker(mailbox, |_| false) else { return };
            let (no, own, open) = (taker.no, taker.mailbox, taker.standing.open_lanes());
            if taker.line().is_none_or(|line| line.room_bytes == 0) && !self.has_room(no) {
                return;
            }
            if is_partly_stored {
                self.ask_pages(cx, mailbox, open);
            }
            let item = self.mailboxes.get_mut(mailbox).and_then(|waiting| waiting.take(open));
            let Some(item) = item else { return };
            self.push(cx, ids, mailbox, (no, own), item);
        }
    }

    /// Pushes whatever one presence can take: its member's mail and its session's.
    pub(super) fn deliver_to(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        member: MailboxNo,
    ) {
        if let Some(mailbox) = self.mailboxes.get_mut(member) {
            mailbox.reconsider();
        }
        self.deliver(cx, ids, member);
        let own = self.roster.presence(no).map(|presence| presence.mailbox);
        if let Some(own) = own.filter(|own| *own != member) {
            self.deliver(cx, ids, own);
        }
    }

    /// True when the taker's connection has room for another push. If not, it is remembered as waiting for
    /// room.
    fn has_room(&mut self, taker: PresenceNo) -> bool {
        let line = self.roster.presence_mut(taker).and_then(|presence| presence.line_mut());
        line.is_some_and(|line| {
            line.starved |= line.room_bytes == 0;
            line.room_bytes > 0
        })
    }

    fn push(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        mailbox: MailboxNo,
        (taker, own): (PresenceNo, MailboxNo),
        mut item: Item,
    ) {
        let limits = &cx.config.limits;
        if u64::from(item.tries) >= limits.deliveries_max() {
            return self.settle(cx, mailbox, &item.message, Outcome::Dead);
        }
        // A session drops what it sent itself, so such mail waits for another connection of its member.
        let wrote_it = |own: MailboxNo| own == item.message.session && own != mailbox;
        // Whoever stands in for it has a gate of its own.
        let lane = usize::from(item.message.priority.rank());
        let cannot = |presence: &super::presence::Presence| {
            wrote_it(presence.mailbox) || !presence.standing.open_lanes()[lane]
        };
        let taker = if wrote_it(own) {
            let stand_in = self.roster.taker(mailbox, cannot).map(|presence| presence.no);
            stand_in.filter(|taker| self.has_room(*taker))
        } else {
            Some(taker)
        };
        let Some(taker) = taker else {
            if let Some(waiting) = self.mailboxes.get_mut(mailbox) {
                waiting.set_aside(item);
            }
            return;
        };
        let redelivered = item.pushed;
        item.tries += 1;
        item.pushed = true;
        let bytes = item.message.nonce.len() + item.message.ciphertext.len() + PUSH_OVERHEAD_BYTES;
        let Some(presence) = self.roster.presence_mut(taker) else { return };
        let to_sender = presence.member == item.message.sender;
        let Some(line) = presence.line_mut() else { return };
        line.room_bytes = line.room_bytes.saturating_sub(bytes);
        let session = line.session;
        let legacy = !line.acknowledges;
        if legacy {
            let ping_at = cx.now.mono.after_millis(limits.legacy_ping_ms());
            let position = item.position();
            line.legacy.push_back(LegacyPush { mailbox, position, ping_at, pinged: None });
            self.timers.arm_by(Timer::LegacyPing(taker), ping_at);
        }
        let id = self.names.encode(ids, item.position());
        self.tell_push(cx, &id, session, to_sender, &item.message);
        cx.count(match item.message.priority {
            Priority::Now => Counter::RoutedNow,
            Priority::Next => Counter::RoutedNext,
            Priority::Low => Counter::RoutedLow,
        });
        if redelivered {
            cx.count(Counter::Redelivered);
        }
        let until = match (planted("lease_for_ever"), planted("lease_of_no_length")) {
            (true, _) => cx.now.mono.after_millis(u64::MAX),
            (_, true) => cx.now.mono.after_millis(1),
            _ => cx.now.mono.after_millis(cx.config.limits.lease_ms()),
        };
        if let Some(waiting) = self.mailboxes.get_mut(mailbox) {
            waiting.lend(item, id, session, until);
        }
        self.timers.arm_by(Timer::Lease(mailbox), until);
    }

    fn tell_push(
        &mut self,
        cx: &mut Cx<'_>,
        message_id: &str,
        session: SessionId,
        to_sender: bool,
        message: &Message,
    ) {
        cx.note(Level::Debug, || Note::new(Level::Debug, "ws push").with("message_id", message_id));
        let copy = PushCopy { position: message.position, to_sender };
        if cx.push_too(session, copy) {
            return;
        }
        let sender = self.roster.members.get(message.sender);
        let (mut sender_key, mut member_key) = ([0; PublicKey::HEX_CHARS], [0; PublicKey::HEX_CHARS]);
        let push = Push {
            message_id,
            mesh_id: self.row.id.as_str(),
            sender_pubkey: hex_into(
                self.roster.sealing_key(message.session, message.position),
                &mut sender_key,
            ),
            sender_member_pubkey: (!to_sender).then(|| hex_into(sender.map(|row| row.key), &mut member_key)),
            sender_member_id: sender.map_or("", |row| row.id.as_str()),
            sender_name: self.roster.name_of(message.session),
            priority: message.priority.word(),
            nonce: &message.nonce,
            ciphertext: &message.ciphertext,
            created_at: &message.at.iso(),
            client_message_id: message.client_message_id.as_deref(),
            request_fingerprint: message.request_fingerprint.as_deref(),
            reply_to_id: message.reply_to.as_deref(),
        };
        cx.push(session, copy, &push);
    }

    /// The oldest lease of a mailbox may have ended.
    pub(super) fn leases_lapsed(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, mailbox: MailboxNo) {
        let Some(waiting) = self.mailboxes.get_mut(mailbox) else { return };
        for lease in waiting.lapsed(cx.now.mono) {
            self.take_back(cx, mailbox, lease, true);
        }
        if let Some(until) = self.mailboxes.get(mailbox).and_then(Mailbox::lease_end) {
            self.timers.arm(Timer::Lease(mailbox), until);
        }
        self.deliver(cx, ids, mailbox);
    }

    /// The connection of a presence ended: its leases end with it, and its mail may go elsewhere.
    pub(super) fn release(&mut self, cx: &mut Cx<'_>, no: PresenceNo, session: SessionId) {
        let Some(presence) = self.roster.presence(no) else { return };
        // When this broker stops, nobody died of a message.
        let counts = !self.draining && presence.line().is_none_or(|line| line.acknowledges);
        for mailbox in
            [Some(presence.member), (presence.mailbox != presence.member).then_some(presence.mailbox)]
        {
            let Some((mailbox, waiting)) = mailbox.and_then(|no| Some((no, self.mailboxes.get_mut(no)?)))
            else {
                continue;
            };
            for (place, lease) in waiting.released(session).into_iter().enumerate() {
                // A receiver works in order, so the first unacknowledged message is the one it may have died
                // of.
                self.take_back(cx, mailbox, lease, counts && place == 0);
            }
        }
    }

    fn take_back(&mut self, cx: &mut Cx<'_>, mailbox: MailboxNo, lease: Lease, counts: bool) {
        let mut item = lease.item;
        if !counts {
            item.tries = item.tries.saturating_sub(1);
        }
        if u64::from(item.tries) >= cx.config.limits.deliveries_max() {
            return self.settle(cx, mailbox, &item.message, Outcome::Dead);
        }
        let (position, priority, tries) = (item.position(), item.message.priority, item.tries);
        if counts {
            self.stage(cx, Op::Tried { position, mailbox, priority, tries }, Then::Nothing);
        }
        if let Some(waiting) = self.mailboxes.get_mut(mailbox) {
            waiting.put_back(item);
        }
    }

    /// Asks for the next page of every lane that runs low.
    pub(super) fn ask_pages(&mut self, cx: &mut Cx<'_>, mailbox: MailboxNo, open: [bool; 3]) {
        let window = window(cx);
        while let Some((priority, after, limit)) =
            self.mailboxes.get_mut(mailbox).and_then(|waiting| waiting.page_wanted(open, window))
        {
            let page = u32::try_from(limit).unwrap_or(u32::MAX);
            let query = Query::Pending { mailbox, priority, after, limit: page };
            self.ask(cx, query, Then::Page { mailbox, priority, after, limit });
        }
    }

    #[allow(clippy::too_many_arguments, reason = "a page is named by what was asked for")]
    pub(super) fn page_read(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        mailbox: MailboxNo,
        priority: Priority,
        after: Position,
        limit: u64,
        ended: Ended,
    ) {
        let Some(waiting) = self.mailboxes.get_mut(mailbox) else { return };
        let rows = match ended {
            Ended::Found(found) => match *found {
                Found::Pending(rows) => Some(rows),
                _ => None,
            },
            Ended::Done(_) | Ended::Refused(_) => None,
        };
        match rows {
            Some(rows) => {
                let complete = (rows.len() as u64) < limit;
                waiting.fill(priority, after, rows, complete, window(cx));
                let member = waiting.member;
                if self.roster.members.get(member).is_some_and(|row| row.revoked_at.is_some()) {
                    return self.bury(cx, member);
                }
                self.deliver(cx, ids, mailbox);
                if self.roster.taker(mailbox, |_| false).is_none()
                    && let Some(waiting) = self.mailboxes.get_mut(mailbox)
                {
                    waiting.unload();
                }
            }
            None => {
                waiting.unfilled(priority);
                self.timers.arm_by(Timer::Retry, cx.now.mono.after_millis(cx.config.limits.health_ms()));
            }
        }
    }

    /// Tries again what the store refused.
    pub(super) fn retry(&mut self, cx: &mut Cx<'_>, ids: &MessageIds) {
        self.repay(cx);
        self.save_again(cx);
        self.bury_removed(cx);
        let all: Vec<MailboxNo> = self.mailboxes.keys().collect();
        for mailbox in all {
            match self.roster.removed_owner(mailbox) {
                Some(removed) => self.bury(cx, removed),
                None => self.deliver(cx, ids, mailbox),
            }
        }
    }

    /// A connection can take this many bytes.
    pub(super) fn room(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        session: SessionId,
        bytes: usize,
    ) {
        let Some(presence) = self.roster.presence_mut(no) else { return };
        let member = presence.member;
        let Some(line) = presence.line_mut().filter(|line| line.session == session) else { return };
        line.room_bytes = bytes;
        if line.starved && bytes > 0 {
            line.starved = false;
            self.deliver_to(cx, ids, no, member);
        }
    }

    /// Deliveries that wait for a presence: its member's and its session's.
    pub(super) fn queued_for(&self, no: PresenceNo) -> u64 {
        self.roster.presence(no).map_or(0, |presence| self.queued_for_new(presence))
    }

    pub(super) fn queued_for_new(&self, presence: &super::presence::Presence) -> u64 {
        let queued = |mailbox: MailboxNo| self.mailboxes.get(mailbox).map_or(0, |waiting| waiting.queued);
        let own = if presence.mailbox == presence.member { 0 } else { queued(presence.mailbox) };
        queued(presence.member) + own
    }
}

/// How much of a lane is kept in memory.
pub(super) fn window(cx: &Cx<'_>) -> Window {
    Window { messages: cx.config.limits.lane_messages_max(), bytes: cx.config.limits.lane_bytes_max() }
}

/// A key as the wire shows it, or nothing for a mailbox that is gone.
fn hex_into(key: Option<PublicKey>, text: &mut [u8; PublicKey::HEX_CHARS]) -> &str {
    key.map_or("", |key| key.hex_into(text))
}
