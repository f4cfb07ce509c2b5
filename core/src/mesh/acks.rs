//! How a sender is answered: accepted, accepted before, taken for another request, or refused.
//!
//! *Always holds:* every send that was read is answered once, and one that is refused reads the same to every
//! client: by its words it is refused for good or for the moment (mesh protocol, send).

use super::mention::Mentioned;
use super::{Cx, Mesh};
use crate::ids::Position;
use crate::message_id::MessageIds;
use crate::planted::planted;
use crate::stats::{Counter, MeshCounter};
use crate::store::{Likeness, ReceiptRow, Seen, StoreError};
use crate::surface::{Down, Effect, PresenceNo, SessionId};
use crate::time::{Mono, Wall};
use crate::wire::mesh::Ack;

/// Somebody who waits for the answer to a send.
#[derive(Debug)]
pub(super) struct Waiter {
    pub presence: PresenceNo,
    pub session: SessionId,
    pub id: Box<str>,
    /// It is not kept waiting longer than that.
    pub until: Mono,
    /// It wants a receipt.
    pub receipt: bool,
    /// What it asked for; none for the one whose send is on its way.
    pub likeness: Option<Box<Likeness>>,
}

/// A refused send: the text says by its first word whether trying again can help (mesh protocol, send).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct No {
    pub counter: Counter,
    pub text: String,
    /// When trying again can help, if that is known.
    pub retry_after_ms: Option<u64>,
}

/// What a sender is told of its message.
pub(super) struct Accepted<'a> {
    pub message_id: &'a str,
    pub at: Wall,
    pub duplicate: bool,
    pub history_available: bool,
    /// Mailboxes it goes to, and how many of them have somebody connected.
    pub reach: Option<(usize, usize)>,
    /// Where it stands in the chain of receipts.
    pub receipt: Option<&'a ReceiptRow>,
    /// Whom it mentions, where that was looked up.
    pub mentioned: Option<&'a Mentioned>,
}

impl No {
    pub(crate) fn new(counter: Counter, text: impl Into<String>) -> No {
        No { counter, text: text.into(), retry_after_ms: None }
    }

    pub(super) fn of_store(error: &StoreError) -> No {
        match error {
            StoreError::Full => No::down(Down::Full),
            StoreError::Unavailable(_) | StoreError::Corrupt(_) => No::down(Down::Away),
            StoreError::Busy(_) => No::busy(),
            StoreError::Fenced(_) => No::not_owner(),
            StoreError::Unknown(_) => No::undecided(),
        }
    }

    /// The store refuses, or would.
    pub(super) fn down(why: Down) -> No {
        match why {
            Down::Full => No::new(Counter::SendStore, "retry: store_full nothing was stored"),
            Down::Away => No::new(Counter::SendStore, "retry: store_down nothing was stored"),
        }
    }

    /// It may be stored or not, now or later.
    pub(super) fn undecided() -> No {
        if planted("unknown_called_refused") {
            return No::new(Counter::SendBad, "invalid: schema");
        }
        No::new(Counter::SendStore, "retry: store_down send the same client_message_id again")
    }

    pub(super) fn not_owner() -> No {
        No::new(Counter::SendOwner, "retry: not_owner another broker serves this mesh")
    }

    pub(super) fn busy() -> No {
        No::new(Counter::SendBusy, "retry: busy too much waits for the store")
    }

    /// It came under the key of another send, of which nothing was stored.
    pub(super) fn overtaken() -> No {
        No::new(Counter::SendBusy, "retry: busy another send of the same client_message_id was refused")
    }
}

impl Mesh {
    /// Counts something that the peer is to be answered; too many of them, and it is not read on.
    pub(super) fn expect_answer(&mut self, no: PresenceNo) {
        if let Some(line) = self.roster.presence_mut(no).and_then(|presence| presence.line_mut()) {
            line.unanswered += 1;
        }
    }

    /// Tells somebody that its message is stored.
    pub(super) fn confirm(&mut self, cx: &mut Cx<'_>, waiter: &Waiter, accepted: &Accepted<'_>) {
        let first_seen_at = accepted.at.iso_text();
        let receipt = waiter.receipt.then(|| self.receipt_of(accepted.receipt));
        let ack = Ack {
            id: &waiter.id,
            message_id: accepted.message_id,
            queued: true,
            recipients: accepted.reach.map(|(recipients, _)| recipients),
            online: accepted.reach.map(|(_, online)| online),
            mentioned: accepted.mentioned.map(|them| them.members.len()),
            unknown_mentions: accepted.mentioned.map(|them| &*them.unknown).filter(|them| !them.is_empty()),
            duplicate: Some(accepted.duplicate),
            history_available: Some(accepted.history_available),
            first_seen_at: Some(&first_seen_at),
            durability: Some(cx.store.durability.word()),
            receipt: receipt.as_ref().and_then(|receipt| receipt.as_deref().ok()),
            receipt_error: receipt.as_ref().and_then(|receipt| receipt.as_ref().err()).copied(),
            ..Ack::default()
        };
        self.answer_send(cx, (waiter.presence, waiter.session), &ack);
    }

    /// Tells somebody what came first under its key: its own request, or another one.
    pub(super) fn answer_known(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        (seen, key): (&Seen, &str),
        (waiter, likeness): (&Waiter, &Likeness),
        reach: Option<(usize, usize)>,
    ) {
        let place = seen.position.0 + u64::from(planted("resend_has_another_id"));
        let message_id = &*self.names.encode(ids, Position(place));
        if likeness.is_same_request(&seen.likeness) {
            cx.count(Counter::Duplicate);
            let accepted = Accepted {
                message_id,
                at: seen.at,
                duplicate: true,
                history_available: seen.history_available,
                reach,
                mentioned: None,
                receipt: seen.receipt.as_deref(),
            };
            return self.confirm(cx, waiter, &accepted);
        }
        cx.count(Counter::SendConflict);
        cx.stats.count_of(MeshCounter::FingerprintMismatch, self.row.id.as_str());
        let prefix = seen.likeness.prefix();
        let error = format!("invalid: idempotency_key_reused by another request, fingerprint {prefix}");
        let ack = Ack {
            id: &waiter.id,
            error: Some(&error),
            durability: cx.durability(),
            client_message_id: Some(key),
            conflict: Some("request_fingerprint_mismatch"),
            broker_fingerprint_prefix: Some(&prefix),
            broker_message_id: Some(message_id),
            ..Ack::default()
        };
        self.answer_send(cx, (waiter.presence, waiter.session), &ack);
    }

    pub(super) fn refuse_send(
        &mut self,
        cx: &mut Cx<'_>,
        peer: (PresenceNo, SessionId),
        id: &str,
        refusal: &No,
    ) {
        cx.count(refusal.counter);
        if refusal.counter == Counter::SendRateLimit {
            cx.count(Counter::RateLimitRejection);
        }
        let (error, retry_after_ms) = (Some(refusal.text.as_str()), refusal.retry_after_ms);
        let ack = Ack { id, error, durability: cx.durability(), retry_after_ms, ..Ack::default() };
        self.answer_send(cx, peer, &ack);
    }

    pub(super) fn refuse_all(&mut self, cx: &mut Cx<'_>, waiters: &[Waiter], refusal: &No) {
        for waiter in waiters {
            self.refuse_send(cx, (waiter.presence, waiter.session), &waiter.id, refusal);
        }
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
    fn every_text_that_begins_like_a_refusal_of_a_send_reads_the_same_to_every_client() {
        let sources = [
            include_str!("accept.rs"),
            include_str!("acks.rs"),
            include_str!("known.rs"),
            include_str!("mention.rs"),
            include_str!("quota.rs"),
            include_str!("receipts.rs"),
            include_str!("target.rs"),
            include_str!("wish.rs"),
        ];
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
        assert!(seen >= 16, "only {seen} texts found");
    }
}
