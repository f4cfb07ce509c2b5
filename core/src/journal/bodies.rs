//! What sends are compared by (`Likeness::body`), where their sealed texts have other letters in a recording.
//!
//! The store answers a key that was used before with the digest of what was sealed then, and no letter of it.
//! Whoever lives the recording again has only sends with other letters, whose digests are others too. So each
//! send is remembered by its true digest, and an answer that has the digest of one of them is written down
//! with the one that the recording's letters have. An answer that has the digest of none was to another
//! request, whichever letters there are.
//!
//! *Always holds:* a bounded number of digests is kept, the latest. A store that takes longer to answer than
//! so many sends take to come leaves a recording that says where it differs.

use std::collections::{BTreeMap, VecDeque};

use crate::store::{Likeness, Reply, Seen};

/// Sends of one shard that are remembered. A broker has room for fewer that wait for an answer.
const KEPT: usize = 16_384;

type Body = [u8; 32];

/// Digests of sends, and of what stands in their places.
#[derive(Debug, Default)]
pub(super) struct Bodies {
    shaded: BTreeMap<Body, Body>,
    order: VecDeque<Body>,
}

/// What of a send is compared, as far as its text was followed.
#[derive(Clone, Debug, Default)]
pub(super) struct Parts {
    nonce: Vec<u8>,
    reply_to: Vec<u8>,
    sealed: Vec<u8>,
    shaded: Vec<u8>,
    /// Something is written in a way that is not followed here.
    is_odd: bool,
}

/// A field that is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Nonce,
    ReplyTo,
    Sealed,
}

impl Part {
    /// The field of that name, but for what is sealed.
    pub(super) fn named(name: &[u8]) -> Option<Part> {
        match name {
            b"nonce" => Some(Part::Nonce),
            b"replyToId" => Some(Part::ReplyTo),
            _ => None,
        }
    }
}

impl Parts {
    /// One more letter of a field, and what stands in its place.
    pub(super) fn push(&mut self, part: Part, letter: u8, shaded: u8) {
        match part {
            Part::Nonce => self.nonce.push(letter),
            Part::ReplyTo => self.reply_to.push(letter),
            Part::Sealed => {
                self.sealed.push(letter);
                self.shaded.push(shaded);
            }
        }
    }

    /// The same for a letter behind a backslash, which stays.
    pub(super) fn push_escaped(&mut self, part: Part, letter: u8) {
        match letter {
            b'/' | b'"' | b'\\' => self.push(part, letter, letter),
            _ => self.is_odd = true,
        }
    }
}

impl Bodies {
    /// A whole message came.
    pub(super) fn learn(&mut self, parts: &Parts) {
        if parts.is_odd || parts.sealed.is_empty() {
            return;
        }
        let text = |bytes| std::str::from_utf8(bytes).ok();
        let fields = (text(&parts.nonce), text(&parts.reply_to), text(&parts.sealed), text(&parts.shaded));
        let (Some(nonce), Some(reply_to), Some(sealed), Some(shaded)) = fields else { return };
        let [body, shaded] = [sealed, shaded].map(|text| Likeness::digest(nonce, text, Some(reply_to)));
        if self.shaded.insert(body, shaded).is_none() {
            self.order.push_back(body);
        }
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.shaded.remove(&oldest);
        }
    }

    /// A reply of the store as it is written down, where it tells of a send that is remembered.
    pub(super) fn reply(&self, reply: &Reply) -> Option<Reply> {
        let Reply::Known(seen) = reply else { return None };
        let body = *self.shaded.get(&seen.likeness.body)?;
        let likeness = Likeness { body, ..seen.likeness.clone() };
        Some(Reply::Known(Box::new(Seen { likeness, ..(**seen).clone() })))
    }
}
