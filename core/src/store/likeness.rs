//! When two sends under one key are the same request (mesh protocol, section 8.4).
//!
//! *Always holds:* what two sends are compared by outlives their texts: it is kept for as long as the key is.

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use super::{Message, Priority, ReceiptRow, Target};
use crate::ids::Position;
use crate::planted::planted;
use crate::time::Wall;

/// What came first under a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Seen {
    /// Its place in the store's order.
    pub position: Position,
    /// When it was accepted.
    pub at: Wall,
    /// What a repetition of it is told by.
    pub likeness: Likeness,
    /// The message itself is still kept.
    pub history_available: bool,
    /// Where it stands in the chain of receipts, if it asked for that.
    pub receipt: Option<Box<ReceiptRow>>,
}

impl Seen {
    /// What a message will be known as.
    pub fn of(message: &Message) -> Seen {
        let (position, at) = (message.position, message.at);
        Seen { position, at, likeness: Likeness::of(message), history_available: true, receipt: None }
    }
}

/// What a send is told from another one by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Likeness {
    /// To whom.
    pub target: Target,
    /// How urgent.
    pub priority: Priority,
    /// The sender's fingerprint, as sent.
    pub fingerprint: Option<Box<str>>,
    /// [`Likeness::digest`] of what was sealed.
    pub body: [u8; 32],
}

impl Likeness {
    /// The likeness of a message.
    pub fn of(message: &Message) -> Likeness {
        let Message { target, priority, request_fingerprint, nonce, ciphertext, reply_to, .. } = message;
        Likeness {
            target: target.clone(),
            priority: *priority,
            fingerprint: request_fingerprint.clone(),
            body: Likeness::digest(nonce, ciphertext, reply_to.as_deref()),
        }
    }

    /// SHA-256 of the length of the nonce in bytes (eight bytes, greatest first), the nonce, the length of
    /// the ciphertext, the ciphertext, and the id of the message that is answered.
    pub fn digest(nonce: &str, ciphertext: &str, reply_to: Option<&str>) -> [u8; 32] {
        let mut hash = Sha256::new();
        for text in [nonce, ciphertext] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        hash.update(reply_to.unwrap_or_default());
        hash.finalize().into()
    }

    /// Whether the two are one request. Where both senders say what was asked of them, that decides, because
    /// a request may be sealed again; else what was sealed must be the same.
    pub fn is_same_request(&self, other: &Likeness) -> bool {
        if planted("conflict_answered_duplicate") || planted("same_request_called_conflict") {
            return planted("conflict_answered_duplicate");
        }
        let same_asked = match (&self.fingerprint, &other.fingerprint) {
            (Some(one), Some(two)) => one == two,
            _ => self.body == other.body,
        };
        same_asked && self.target == other.target && self.priority == other.priority
    }

    /// The first 16 hexadecimal digits of the fingerprint; of what was sealed, where the sender gave none.
    pub fn prefix(&self) -> String {
        let given = self.fingerprint.as_deref().and_then(|text| text.get(..PREFIX_CHARS));
        let is_hex = |text: &&str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match given.filter(is_hex) {
            Some(prefix) => prefix.to_ascii_lowercase(),
            None => HEXLOWER.encode(&self.body[..PREFIX_CHARS / 2]),
        }
    }
}

/// Digits of a fingerprint that tell people apart what was asked.
const PREFIX_CHARS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::MailboxNo;

    fn likeness(fingerprint: Option<&str>, ciphertext: &str) -> Likeness {
        Likeness {
            target: Target::Mailbox(MailboxNo(1)),
            priority: Priority::Next,
            fingerprint: fingerprint.map(Into::into),
            body: Likeness::digest("n", ciphertext, None),
        }
    }

    #[test]
    fn f_acc_09_two_fingerprints_decide_and_one_alone_does_not() {
        let same = |one: &Likeness, two: &Likeness| {
            assert_eq!(one.is_same_request(two), two.is_same_request(one));
            one.is_same_request(two)
        };
        assert!(same(&likeness(Some("f"), "a"), &likeness(Some("f"), "b")), "sealed again");
        assert!(!same(&likeness(Some("f"), "a"), &likeness(Some("g"), "a")));
        assert!(same(&likeness(Some("f"), "a"), &likeness(None, "a")));
        assert!(!same(&likeness(Some("f"), "a"), &likeness(None, "b")));
        assert!(same(&likeness(None, "a"), &likeness(None, "a")));
        assert!(!same(&likeness(None, "a"), &likeness(None, "b")));
    }

    #[test]
    fn f_acc_09_another_target_or_class_is_another_request_whatever_the_fingerprints_say() {
        let one = likeness(Some("f"), "a");
        let others = [
            Likeness { target: Target::Mailbox(MailboxNo(2)), ..one.clone() },
            Likeness { target: Target::Spec("*".into()), ..one.clone() },
            Likeness { priority: Priority::Now, ..one.clone() },
        ];
        assert!(others.iter().all(|other| !one.is_same_request(other)));
    }

    #[test]
    fn what_was_sealed_is_told_apart_wherever_its_texts_are_cut() {
        let texts = [("", "ab", None), ("a", "b", None), ("ab", "", None), ("", "a", Some("b"))];
        let mut seen = Vec::new();
        for (nonce, ciphertext, reply_to) in texts {
            let digest = Likeness::digest(nonce, ciphertext, reply_to);
            assert!(!seen.contains(&digest), "{nonce:?} {ciphertext:?} {reply_to:?}");
            seen.push(digest);
        }
    }

    #[test]
    fn a_prefix_is_sixteen_digits_whatever_the_fingerprint_is() {
        let hex = "1F5858CCC9C4C70FC1D3AD90D7382A32F4C6E407AEDC42CBC18B79D32B93A419";
        assert_eq!(likeness(Some(hex), "a").prefix(), "1f5858ccc9c4c70f");
        let body = likeness(None, "a").prefix();
        assert_eq!(body.len(), 16);
        for odd in ["short", "", "zzzzzzzzzzzzzzzzzz", "n\u{e4}n\u{e4}n\u{e4}n\u{e4}n\u{e4}n\u{e4}"] {
            assert_eq!(likeness(Some(odd), "a").prefix(), body, "{odd:?}");
        }
    }
}
