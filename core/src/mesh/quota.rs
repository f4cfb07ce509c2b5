//! How much a sender may send and a mailbox may hold.

use super::accept::No;
use super::{Cx, Mesh};
use crate::ids::MailboxNo;
use crate::kit::bucket::Bucket;
use crate::stats::Counter;

impl Mesh {
    /// Spends one send of the member's budget.
    pub(super) fn spend(&mut self, cx: &Cx<'_>, member: MailboxNo) -> Result<(), No> {
        let limits = &cx.config.limits;
        let (rate, burst) = (limits.send_rate_per_minute(), limits.send_burst());
        if rate == 0 {
            return Ok(());
        }
        let bucket = self.buckets.find_or_insert(member, || Bucket::new(rate, burst));
        bucket.take(cx.now.mono).map_err(|wait| {
            let wait_ms = wait.as_millis();
            let text =
                format!("retry: rate_limit max {rate} msg/min (burst {burst}), come back in {wait_ms} ms");
            No::new(Counter::SendRateLimit, text)
        })
    }

    /// Refuses a payload that is too large. Lengths count as the contract counts them, in UTF-16 units.
    pub(super) fn weigh(cx: &Cx<'_>, nonce: &str, ciphertext: &str, target: &str) -> Result<(), No> {
        let max = cx.config.limits.payload_bytes_max();
        let Some(units) = units_over([nonce, ciphertext, target], max) else { return Ok(()) };
        let text = format!("invalid: payload_too_large {units} bytes > MAX_MESSAGE_BYTES={max}");
        Err(No::new(Counter::SendTooLarge, text))
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
        if self.queued + count > limits.queued_per_mesh_max() {
            return full("mesh", limits.queued_per_mesh_max());
        }
        if self.queued_bytes.saturating_add(bytes.saturating_mul(count)) > limits.queued_bytes_per_mesh_max()
        {
            return full("mesh in bytes", limits.queued_bytes_per_mesh_max());
        }
        let queued = |no: &MailboxNo| self.mailboxes.get(no).map_or(0, |waiting| waiting.queued);
        if mailboxes.iter().any(|no| queued(no) >= limits.queued_per_mailbox_max()) {
            return full("recipient's queue", limits.queued_per_mailbox_max());
        }
        Ok(())
    }
}

/// The length of the texts in UTF-16 units, if it is over `max`.
fn units_over(texts: [&str; 3], max: u64) -> Option<u64> {
    let sum = |length: fn(&str) -> usize| texts.iter().map(|text| length(text) as u64).sum::<u64>();
    // No text has more units than bytes, so units are counted only when it matters.
    Some(sum(str::len)).filter(|bytes| *bytes > max)?;
    Some(sum(|text| text.encode_utf16().count())).filter(|units| *units > max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_as_long_as_its_utf_16_units_and_not_as_its_bytes() {
        assert_eq!(units_over(["ab", "cd", "e"], 5), None);
        assert_eq!(units_over(["ab", "cd", "ef"], 5), Some(6));
        assert_eq!(units_over(["\u{fc}\u{fc}\u{fc}", "ab", ""], 5), None, "eight bytes are five units");
        assert_eq!(units_over(["\u{1f600}\u{1f600}", "ab", ""], 5), Some(6), "ten bytes are six units");
    }
}
