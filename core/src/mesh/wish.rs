//! What a send asks for, in the form it must have.

use std::borrow::Cow;

use super::acks::No;
use super::key_age;
use crate::config::Limits;
use crate::message_id::ID_CHARS;
use crate::stats::Counter;
use crate::store::Priority;
use crate::time::Wall;
use crate::wire::mesh::Send;

/// A send that can be read.
#[derive(Clone, Debug)]
pub(super) struct Wish<'a> {
    pub target: Cow<'a, str>,
    pub priority: Priority,
    pub nonce: Cow<'a, str>,
    pub ciphertext: Cow<'a, str>,
    /// Its sender's key of idempotency.
    pub key: Option<Cow<'a, str>>,
    pub fingerprint: Option<Cow<'a, str>>,
    pub reply_to: Option<Cow<'a, str>>,
    /// Whom its sender mentions, as written.
    pub mentions: Vec<Cow<'a, str>>,
    /// The id that its message had in a history that is lost, as its sender says.
    pub message_id: Option<Cow<'a, str>>,
    /// It asks for a receipt.
    pub receipt: bool,
    /// When its sender took it on, as far as it says.
    enqueued_at: Option<Wall>,
}

impl<'a> Wish<'a> {
    /// Reads a send. One that cannot be read was never accepted, whatever its key.
    pub(super) fn read(send: &'a Send<'_>) -> Result<Wish<'a>, No> {
        let bad = |text: &str| No::new(Counter::SendBad, format!("invalid: schema {text}"));
        let some = |text: Option<&'a str>| text.filter(|text| !text.is_empty()).map(Cow::Borrowed);
        let target = some(send.target_spec.as_deref()).ok_or_else(|| bad("targetSpec is missing"))?;
        let ciphertext = send.ciphertext.as_deref().ok_or_else(|| bad("ciphertext is missing"))?;
        let priority = match send.priority.as_deref() {
            None => Priority::Next,
            Some(word) => Priority::ALL
                .into_iter()
                .find(|priority| priority.word() == word)
                .ok_or_else(|| bad("priority must be now, next or low"))?,
        };
        Ok(Wish {
            target,
            priority,
            nonce: Cow::Borrowed(send.nonce.as_deref().unwrap_or("")),
            ciphertext: Cow::Borrowed(ciphertext),
            key: some(send.client_message_id.as_deref()),
            fingerprint: some(send.request_fingerprint.as_deref()),
            reply_to: some(send.reply_to_id.as_deref()),
            mentions: send.mentions.iter().flatten().map(|text| Cow::Borrowed(&**text)).collect(),
            message_id: some(send.message_id.as_deref()).filter(|id| id.len() == ID_CHARS),
            receipt: send.receipt == Some(true),
            enqueued_at: send.enqueued_at.map(Wall::from_millis),
        })
    }

    /// The same with texts of its own.
    pub(super) fn into_owned(self) -> Wish<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Wish {
            target: own(self.target),
            priority: self.priority,
            nonce: own(self.nonce),
            ciphertext: own(self.ciphertext),
            key: self.key.map(own),
            fingerprint: self.fingerprint.map(own),
            reply_to: self.reply_to.map(own),
            mentions: self.mentions.into_iter().map(own).collect(),
            message_id: self.message_id.map(own),
            receipt: self.receipt,
            enqueued_at: self.enqueued_at,
        }
    }

    /// Bytes of its body.
    pub(super) fn bytes(&self) -> u64 {
        (self.nonce.len() + self.ciphertext.len()) as u64
    }

    /// Refuses names and payloads that are too long.
    pub(super) fn measure(&self, limits: &Limits) -> Result<(), No> {
        let bad = |text: &str| No::new(Counter::SendBad, format!("invalid: schema {text}"));
        let short = |text: Option<&Cow<'_, str>>| {
            text.is_none_or(|text| text.len() as u64 <= limits.name_bytes_max())
        };
        if !short(Some(&self.target)) || !short(self.key.as_ref()) {
            return Err(bad("targetSpec or client_message_id is too long"));
        }
        if !short(self.fingerprint.as_ref()) || !short(self.reply_to.as_ref()) {
            return Err(bad("request_fingerprint or replyToId is too long"));
        }
        let (mentions, mentions_max) = (self.mentions.len() as u64, limits.mentions_max());
        if mentions > mentions_max {
            return Err(bad(&format!("mentions has {mentions} entries, at most {mentions_max} are taken")));
        }
        if !self.mentions.iter().all(|text| short(Some(text))) {
            return Err(bad("an entry of mentions is too long"));
        }
        let max = limits.payload_bytes_max();
        // Lengths count as the contract counts them, in UTF-16 units.
        match units_over([&self.nonce, &self.ciphertext, &self.target], max) {
            None => Ok(()),
            Some(units) => {
                let text = format!("invalid: payload_too_large {units} bytes > MAX_MESSAGE_BYTES={max}");
                Err(No::new(Counter::SendTooLarge, text))
            }
        }
    }

    /// Refuses a key that says that it is older than keys are known for sure.
    pub(super) fn check_age(&self, known_since: Wall) -> Result<(), No> {
        let Some(key) = &self.key else { return Ok(()) };
        if key_age::made_at(key).into_iter().chain(self.enqueued_at).all(|made| made >= known_since) {
            return Ok(());
        }
        let text = "invalid: key_expired the client_message_id is older than keys are known";
        Err(No::new(Counter::SendKeyExpired, text))
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

    #[test]
    fn f_acc_12_a_key_is_as_old_as_the_oldest_time_that_comes_with_it() {
        let send = |key: &'static str, at: Option<i64>| {
            let text = serde_json::json!({"type": "send", "targetSpec": "*", "ciphertext": "",
                "enqueued_at": at, "client_message_id": key});
            let text = text.to_string();
            let send: Send<'_> = serde_json::from_str(&text).unwrap();
            Wish::read(&send).unwrap().check_age(Wall::from_millis(1_645_557_742_000)).is_ok()
        };
        let uuid = "017f22e2-79b0-7cc3-98c4-dc0c0c07398f";
        assert!(send("opaque", None) && send(uuid, None), "just young enough");
        assert!(!send("017f22e2-79af-7cc3-98c4-dc0c0c07398f", None));
        assert!(send("opaque", Some(1_645_557_742_000)) && !send("opaque", Some(1_645_557_741_999)));
        assert!(!send(uuid, Some(0)));
        assert!(send("", Some(0)), "what has no key cannot have been sent before");
    }
}
