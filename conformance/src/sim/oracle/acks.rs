//! What senders are told of what they sent.

use std::sync::Arc;

use peermesh_core::ids::{MailboxNo, Position, PublicKey};
use peermesh_core::store::Message;
use peermesh_core::store::model::Model;

use super::ledger::{AttemptId, Meaning, Sent};
use super::rules::{Judged, Rule, broken};
use super::{Oracle, Said};
use crate::sim::cast::{Cast, Who};
use crate::sim::marks::{Mark, Tally};
use crate::sim::tap::Frame;

impl Oracle {
    /// A sender is told something.
    pub(super) fn acked(
        &mut self,
        said: &Said<'_>,
        model: &Model,
        cast: &Cast,
        ack: &Frame,
        tally: &mut Tally,
    ) -> Judged {
        // What is no send of ours has no id of ours.
        let Some(id) = AttemptId::parse(&ack.id) else { return Ok(()) };
        let Some(mut attempt) = self.ledger.attempts.remove(&id) else {
            return broken(Rule::I3, format!("{id} is answered twice: {ack:?}"));
        };
        if attempt.times > 1 {
            attempt.times -= 1;
            self.ledger.attempts.insert(id, attempt.clone());
        }
        let who = attempt.who;
        let error = ack.error.as_deref().unwrap_or("");
        let mesh = cast.meshes[who.mesh].no;
        let to = |target: &str| model.mailbox_ever(mesh, &PublicKey::from_hex(target)?);
        let Some(key) = attempt.key.as_deref() else {
            if error.is_empty() {
                return self.judge_id(model, ack, &ack.message_id, None).map(|_| ());
            }
            return Ok(());
        };
        if let Some(sent) = self.ledger.sent.get_mut(&(who, key.to_owned())) {
            sent.open = sent.open.saturating_sub(1);
        }
        let stored = model.position_of(mesh, cast.member(who).mailbox, key);
        if error.starts_with("retry: ") {
            return self.put_off(said, attempt.was_known, who, (key, error), stored, tally);
        }
        if error.starts_with("invalid: idempotency_key_reused") {
            tally.mark(Mark::Conflict);
            let id = ack.broker_message_id.as_deref().unwrap_or("");
            let message = self.judge_id(model, ack, id, Some((who, key)))?;
            return match message {
                Some(message) if self.is_surely(who, key, &message, &attempt.meaning, &to) => broken(
                    Rule::I2,
                    format!("{key} of {who:?} is what came first, and is called another request"),
                ),
                Some(_) | None => Ok(()),
            };
        }
        if !error.is_empty() {
            return self.refused(said, attempt.was_known, who, (key, error), stored, tally);
        }
        if ack.queued != true {
            return broken(Rule::I3, format!("{key} of {who:?} is neither accepted nor refused"));
        }
        let Some(message) = self.judge_id(model, ack, &ack.message_id, Some((who, key)))? else {
            // Only its key is kept any more.
            return Ok(());
        };
        let is_same = attempt.meaning.became(&message)
            || self.firsts_of(who, key, &message).any(|first| first.is_same(&attempt.meaning, to));
        if !is_same {
            return broken(Rule::I2, format!("{key} of {who:?} is another request than was accepted"));
        }
        if ack.duplicate == Some(true) {
            tally.mark(Mark::Duplicate);
            if attempt.was_known && self.has_nothing(said, who) {
                tally.mark(Mark::KnownWhileSpent);
            }
            return Ok(());
        }
        let cost = self.ledger.mail.get(&message.position).map_or(1, |mail| mail.copies.len() as u64);
        self.charge(said, who, key, cost)?;
        let sent = self.ledger.sent.get_mut(&(who, key.to_owned()));
        let was_confirmed = sent.is_some_and(|sent| std::mem::replace(&mut sent.is_confirmed, true));
        match was_confirmed {
            true => broken(Rule::I2, format!("{key} of {who:?} is told twice that it is new")),
            false => Ok(()),
        }
    }

    /// An id in an ack is that of the message of its key, and the store has it (I2, I3).
    fn judge_id(
        &self,
        model: &Model,
        ack: &Frame,
        id: &str,
        key: Option<(Who, &str)>,
    ) -> Result<Option<Arc<Message>>, super::rules::Violation> {
        let violation = |rule, text: String| Err(super::rules::Violation { rule, text });
        let Some(position) = self.ids.resolve(id) else {
            return violation(Rule::I2, format!("{id:?} is no message id: {ack:?}"));
        };
        if let Some((who, key)) = key {
            let sent: Option<&Sent> = self.ledger.sent.get(&(who, key.to_owned()));
            let forgotten = sent.and_then(|sent| sent.forgotten);
            match sent.and_then(|sent| sent.position).or(forgotten) {
                Some(first) if first == position && forgotten == Some(position) => return Ok(None),
                Some(first) if first == position => {}
                Some(first) => {
                    return violation(
                        Rule::I2,
                        format!("{key} of {who:?} is {first}, and is told as {position}"),
                    );
                }
                None => {
                    return violation(Rule::I3, format!("{key} of {who:?} is told as stored, and is not"));
                }
            }
        }
        match model.message(position) {
            Some((message, _)) => Ok(Some(Arc::clone(message))),
            None if model.is_known(position) => Ok(None),
            None => violation(Rule::I3, format!("{position} is told as stored, and is not")),
        }
    }

    /// What was sent under a key and may have become this message.
    fn firsts_of(&self, who: Who, key: &str, message: &Message) -> impl Iterator<Item = &Meaning> {
        let sent = self.ledger.sent.get(&(who, key.to_owned()));
        let meanings = sent.into_iter().flat_map(|sent| &sent.meanings).map(|meaning| &**meaning);
        meanings.filter(|meaning| meaning.became(message))
    }

    /// Whether a message can only have come of a request like this one: of nothing else that was sent under
    /// its key, for what is alike but for the target leaves messages that look alike here.
    fn is_surely(
        &self,
        who: Who,
        key: &str,
        message: &Message,
        meaning: &Meaning,
        to: &dyn Fn(&str) -> Option<MailboxNo>,
    ) -> bool {
        let mut firsts = self.firsts_of(who, key, message);
        meaning.became(message) && firsts.all(|first| first.is_same(meaning, to))
    }

    /// A sender is told to try again.
    fn put_off(
        &mut self,
        said: &Said<'_>,
        was_known: bool,
        who: Who,
        (key, error): (&str, &str),
        stored: Option<Position>,
        tally: &mut Tally,
    ) -> Judged {
        let of_budget = error.starts_with("retry: rate_limit");
        let of_room = error.starts_with("retry: queue_full");
        if error.starts_with("retry: key_rotating") {
            tally.mark(Mark::KeyRotating);
        }
        // The key may have been removed since, because it was old.
        if was_known && stored.is_some() && (of_budget || of_room) {
            return broken(Rule::I14, format!("{key} of {who:?} was accepted before, and is told {error:?}"));
        }
        if of_budget {
            self.is_spent(said, who);
            tally.mark(Mark::RateLimited);
        }
        if of_room {
            tally.mark(Mark::QueueFull);
        }
        if let Some(sent) = self.ledger.sent.get_mut(&(who, key.to_owned())) {
            let says_nothing = error.ends_with("nothing was stored");
            // What this says is worth nothing while another send of the key may be on its way, or was
            // accepted by another broker meanwhile.
            let is_alone = sent.open == 0 && sent.meanings.len() == 1 && !sent.is_confirmed;
            let is_sure = says_nothing && is_alone && !sent.is_murky;
            sent.is_murky |= !says_nothing && !of_budget && !of_room;
            if is_sure && stored.is_some() && !was_known {
                return broken(Rule::I3, format!("{key} of {who:?} is stored, and is told {error:?}"));
            }
        }
        Ok(())
    }

    /// A sender is refused for good.
    fn refused(
        &mut self,
        said: &Said<'_>,
        was_known: bool,
        who: Who,
        (key, error): (&str, &str),
        stored: Option<Position>,
        tally: &mut Tally,
    ) -> Judged {
        if error.starts_with("invalid: key_expired") {
            tally.mark(Mark::KeyExpired);
        }
        if error.starts_with("invalid: target_not_found") {
            tally.mark(Mark::NoTarget);
            self.charge(said, who, key, 1)?;
        }
        let Some(sent) = self.ledger.sent.get_mut(&(who, key.to_owned())) else { return Ok(()) };
        if was_known && stored.is_some() {
            return broken(Rule::I14, format!("{key} of {who:?} was accepted before, and is told {error:?}"));
        }
        if sent.open == 0 && sent.meanings.len() == 1 && !sent.is_murky && !sent.is_confirmed {
            if stored.is_some() {
                return broken(Rule::I3, format!("{key} of {who:?} is stored, and is told {error:?}"));
            }
            sent.is_refused = true;
        }
        Ok(())
    }
}
