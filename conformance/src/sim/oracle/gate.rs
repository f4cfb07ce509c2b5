//! What may be pushed to whom (I7): the gate of priority against status, and that nothing waits for ever
//! behind what is more urgent.

use peermesh_core::ids::{ConnId, MailboxNo, Position};
use peermesh_core::store::model::Model;
use peermesh_core::store::{Priority, Status};
use peermesh_core::time::Mono;

use super::rules::{Judged, Rule, broken};
use super::{Oracle, Party, Said};
use crate::sim::cast::Who;
use crate::sim::clock::MS;
use crate::sim::marks::{Mark, Tally};
use crate::sim::tap::Frame;

/// What a peer surely counts as.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Gate {
    /// Told to the peer, and when by the broker's clock.
    known: Option<(Status, Mono)>,
    /// Changes that were sent and not confirmed.
    open: u32,
}

/// Pushes to a mailbox that may pass a class that waits for an idle peer.
const PASSED_MAX: u32 = 48;

/// How long a hook, or a word for others, may take effect after it was sent.
const HOOK_MS: u64 = 180_000;

impl Oracle {
    /// A peer changes its status; one that only sends changes that of its member's own connection.
    pub(in crate::sim) fn status_sent(&mut self, at: u64, conn: ConnId, who: Who, for_others: bool) {
        if let Some(known) = self.conns.get_mut(&conn) {
            known.gate.known = None;
            known.gate.open += 1;
        }
        if for_others {
            self.spoken_for.insert(who, at);
            let same = |party: &Party| matches!(party, Party::Peer { who: other, .. } if *other == who);
            for known in self.conns.values_mut().filter(|known| same(&known.party)) {
                // Nothing is told of it on theirs, so nothing is known of them from here on.
                (known.gate.known, known.gate.open) = (None, u32::MAX / 2);
            }
        }
    }

    /// A peer is told that its status counts.
    pub(super) fn status_told(&mut self, said: &Said<'_>, frame: &Frame) {
        let request = frame.request.as_deref().and_then(|request| request.strip_prefix("st:"));
        let Some((word, _)) = request.and_then(|request| request.split_once(':')) else { return };
        let Some(conn) = self.conns.get_mut(&said.conn) else { return };
        conn.gate.open = conn.gate.open.saturating_sub(1);
        let status = Status::parse(word).filter(|_| conn.gate.open == 0 && said.is_prompt);
        conn.gate.known = status.map(|status| (status, said.mono));
    }

    /// What the peer on a connection surely counts as. A word for others that is on its way may be about a
    /// connection that came after it.
    fn known(&self, said: &Said<'_>) -> Option<(Status, Mono)> {
        let conn = self.conns.get(&said.conn)?;
        let Party::Peer { who, .. } = &conn.party else { return None };
        let is_spoken_for = self.spoken_for.get(who).is_some_and(|at| said.at < at + HOOK_MS * MS);
        conn.gate.known.filter(|_| !is_spoken_for)
    }

    /// A push goes to a peer that may be pushed it.
    pub(super) fn judge_gate(&mut self, said: &Said<'_>, priority: Priority, shown: &str) -> Judged {
        let Some(conn) = self.conns.get(&said.conn) else { return Ok(()) };
        let Some((status, since)) = self.known(said).filter(|_| said.is_prompt) else { return Ok(()) };
        let Party::Peer { key, .. } = &conn.party else { return Ok(()) };
        let is_hooked = self.hooked.get(key).is_some_and(|at| said.at < at + HOOK_MS * MS);
        let is_shut = match status {
            Status::Idle => false,
            // Nobody but the peer itself ends that.
            Status::Dnd => true,
            Status::Working => !is_hooked && said.mono.millis_since(since) <= self.limits.status_ttl_ms(),
        };
        if is_shut && priority != Priority::Now {
            return broken(
                Rule::I7,
                format!("{shown} is {} and is pushed {}", status.word(), priority.word()),
            );
        }
        Ok(())
    }

    /// No class is passed over for long while its peer is idle.
    pub(super) fn judge_share(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        (mailbox, position, priority): (MailboxNo, Position, Priority),
        tally: &mut Tally,
    ) -> Judged {
        let is_idle = matches!(self.known(said), Some((Status::Idle, _)));
        let mut passed = self.starved.get(&mailbox).copied().unwrap_or_default();
        for class in [Priority::Next, Priority::Low] {
            let rank = usize::from(class.rank());
            let waits = |at: &Position| *at != position && !self.is_out(*at, mailbox);
            let is_passed = class != priority && is_idle;
            let first = is_passed.then(|| model.waiting(mailbox, class).find(waits)).flatten();
            let Some(first) = first else {
                passed[rank] = 0;
                continue;
            };
            passed[rank] += 1;
            if priority == Priority::Now {
                tally.mark(Mark::NowFlood);
            }
            if passed[rank] > PASSED_MAX {
                let class = class.word();
                let id = self.ids.encode(first);
                let id: &str = &id;
                let text = format!("{id} ({first}, {class}) waits in mailbox {mailbox} while others pass");
                return broken(Rule::I7, text);
            }
        }
        self.starved.insert(mailbox, passed);
        Ok(())
    }

    /// A push whose message lies in several mailboxes of its peer may be the turn of any of them.
    pub(super) fn count_turn(&mut self, mailboxes: &[MailboxNo], priority: Priority) {
        for mailbox in mailboxes {
            if let Some(passed) = self.starved.get_mut(mailbox) {
                passed[usize::from(priority.rank())] = 0;
            }
        }
    }

    /// True unless a copy surely waits: a push of one that looks like another may have counted for that, and
    /// its broker may not know of it.
    fn is_out(&self, position: Position, mailbox: MailboxNo) -> bool {
        let copy = self.ledger.mail.get(&position).and_then(|mail| mail.copies.get(&mailbox));
        copy.is_none_or(|copy| copy.lent.is_some() || copy.is_blurred || copy.is_unseen)
    }
}
