//! How much a sender may send and a mailbox may hold.
//!
//! *Always holds:* in `rate_window_ms` a key spends no more than the dearest send that came under it costs,
//! however often it comes again, and what was accepted before spends nothing (I14). What was spent is not
//! given back because a target or a queue refused.

use super::acks::No;
use super::{Cx, Mesh, SendKey};
use crate::config::size;
use crate::ids::MailboxNo;
use crate::kit::bucket::Bucket;
use crate::planted::planted;
use crate::stats::Counter;

impl Mesh {
    /// Takes from the member's budget what a send to that many mailboxes costs: one for each, but never more
    /// than a full budget holds, so that everybody can be reached. What its key has paid already is not taken
    /// again. Gives what was taken.
    pub(super) fn spend(
        &mut self,
        cx: &Cx<'_>,
        member: MailboxNo,
        key: Option<&SendKey>,
        mailboxes: usize,
    ) -> Result<u64, No> {
        let limits = &cx.config.limits;
        let (rate, burst) = (limits.send_rate_per_minute(), limits.send_burst());
        let cost = (mailboxes as u64).clamp(1, burst.max(1));
        let paid = key.map_or(0, |key| self.spent.amount(cx.now.mono, key));
        if rate == 0 || cost <= paid {
            return Ok(0);
        }
        let cost = cost - paid;
        let bucket = self.buckets.find_or_insert(member, || Bucket::new(rate, burst));
        match bucket.take_many(cx.now.mono, cost) {
            Ok(()) => Ok(cost),
            Err(wait) => {
                let wait_ms = u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX);
                let text = format!(
                    "retry: rate_limit max {rate} msg/min (burst {burst}), come back in {wait_ms} ms"
                );
                Err(No { retry_after_ms: Some(wait_ms), ..No::new(Counter::SendRateLimit, text) })
            }
        }
    }

    /// Gives back what a send took that turned out to have been accepted before.
    pub(super) fn give_back(&mut self, member: MailboxNo, cost: u64) {
        if let Some(bucket) = self.buckets.find_mut(&member) {
            bucket.give_back(cost);
        }
    }

    /// A send that took something was refused: the same key does not take that again for a while.
    pub(super) fn remember_spent(&mut self, cx: &Cx<'_>, key: Option<SendKey>, cost: u64) {
        let limits = &cx.config.limits;
        if let Some(key) = key.filter(|_| cost > 0) {
            let until = cx.now.mono.after_millis(limits.rate_window_ms());
            self.spent.note(cx.now.mono, (key, cost), until, size(limits.rate_keys_max()));
        }
    }

    /// Makes sure that every mailbox and the mesh can hold one more.
    pub(super) fn hold(&self, cx: &Cx<'_>, mailboxes: &[MailboxNo], bytes: u64) -> Result<(), No> {
        let limits = &cx.config.limits;
        let count = mailboxes.len() as u64;
        let full = |what: &str, max: u64| {
            Err(No::new(Counter::SendQueueFull, format!("retry: queue_full the {what} holds at most {max}")))
        };
        if count > limits.recipients_max() {
            let text = format!("invalid: too many recipients, {count} > {}", limits.recipients_max());
            return Err(No::new(Counter::SendNoRecipient, text));
        }
        if planted("queue_without_bound") {
            return Ok(());
        }
        if self.queued + count > limits.queued_per_mesh_max() {
            return full("mesh", limits.queued_per_mesh_max());
        }
        if self.queued_bytes.saturating_add(bytes.saturating_mul(count)) > limits.queued_bytes_per_mesh_max()
        {
            return full("mesh in bytes", limits.queued_bytes_per_mesh_max());
        }
        let queued = |no: &MailboxNo| self.mailboxes.get(*no).map_or(0, |waiting| waiting.queued);
        if mailboxes.iter().any(|no| queued(no) >= limits.queued_per_mailbox_max()) {
            return full("recipient's queue", limits.queued_per_mailbox_max());
        }
        Ok(())
    }
}
