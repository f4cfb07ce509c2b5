//! Public message ids: 32 base62 characters made from a position and the store's secret.
//!
//! The first 8 characters are a keyed permutation of the position, so that a prefix of 8 or more finds its
//! message without an index; the other 24 are a keyed tag, so that nobody can make up an id.

use std::cell::Cell;
use std::fmt;
use std::hash::Hasher;
use std::ops::Deref;

use sha2::{Digest, Sha256};
use siphasher::sip::SipHasher24;

use crate::ids::{BASE62, MailboxNo, MeshNo, Position};

/// Makes and resolves the message ids of one store.
#[derive(Clone)]
pub struct MessageIds {
    secret: [u8; 32],
    rounds: [(u64, u64); ROUNDS],
    /// The last id made: a message is acked and pushed to all its recipients in one go.
    last: Cell<Option<(Position, MessageId)>>,
}

/// The public id of a message, as text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct MessageId([u8; ID_CHARS]);

/// The shortest prefix that names a message (mesh protocol, `message_status`).
pub const PREFIX_CHARS_MIN: usize = 8;

/// The length of a complete id.
pub const ID_CHARS: usize = 32;

const ROUNDS: usize = 6;
const HALF_BITS: u32 = 24;
const HALF_MASK: u64 = (1 << HALF_BITS) - 1;
/// What eight characters can tell apart.
const DOMAIN: u64 = Position::END.0;

impl MessageIds {
    /// Ids keyed with a store's secret.
    pub fn new(secret: [u8; 32]) -> MessageIds {
        let mut rounds = [(0, 0); ROUNDS];
        for (place, round) in (0_u64..).zip(rounds.iter_mut()) {
            let digest: [u8; 32] = Sha256::new()
                .chain_update(b"peermesh-id-round")
                .chain_update(place.to_be_bytes())
                .chain_update(secret)
                .finalize()
                .into();
            *round = (word(&digest, 0), word(&digest, 8));
        }
        MessageIds { secret, rounds, last: Cell::new(None) }
    }

    /// The id of the message at `position`, which must lie below 62^8.
    pub fn encode(&self, position: Position) -> MessageId {
        match self.last.get() {
            Some((last, id)) if last == position => id,
            _ => {
                let mut text = [0; ID_CHARS];
                base62(self.permute(position.0), &mut text[..PREFIX_CHARS_MIN]);
                self.tag(position, &mut text[PREFIX_CHARS_MIN..]);
                self.last.set(Some((position, MessageId(text))));
                MessageId(text)
            }
        }
    }

    /// The position that an id, or a prefix of at least eight characters, names; `None` when it cannot be an
    /// id of this store.
    pub fn resolve(&self, id: &str) -> Option<Position> {
        let bytes = id.as_bytes();
        if bytes.len() < PREFIX_CHARS_MIN || bytes.len() > ID_CHARS {
            return None;
        }
        let position = self.named_by(&bytes[..PREFIX_CHARS_MIN])?;
        let mut tag = [0; ID_CHARS - PREFIX_CHARS_MIN];
        self.tag(position, &mut tag);
        tag.starts_with(&bytes[PREFIX_CHARS_MIN..]).then_some(position)
    }

    /// A place in a list of one mailbox's, as an opaque text that is good there only.
    pub(crate) fn cursor(&self, mesh: MeshNo, mailbox: MailboxNo, position: Position) -> MessageId {
        let mut text = [0; ID_CHARS];
        base62(self.permute(position.0), &mut text[..PREFIX_CHARS_MIN]);
        self.cursor_tag(mesh, mailbox, position, &mut text[PREFIX_CHARS_MIN..]);
        MessageId(text)
    }

    /// The place that a cursor names; `None` when it is not one of that mailbox's.
    pub(crate) fn resolve_cursor(&self, mesh: MeshNo, mailbox: MailboxNo, cursor: &str) -> Option<Position> {
        let (public, shown) = cursor.as_bytes().split_at_checked(PREFIX_CHARS_MIN)?;
        let position = self.named_by(public)?;
        let mut tag = [0; ID_CHARS - PREFIX_CHARS_MIN];
        self.cursor_tag(mesh, mailbox, position, &mut tag);
        (tag == shown).then_some(position)
    }

    /// The position that eight characters name.
    fn named_by(&self, public: &[u8]) -> Option<Position> {
        let mut value: u64 = 0;
        for byte in public {
            let digit = BASE62.iter().position(|letter| letter == byte)?;
            value = value * 62 + digit as u64;
        }
        Some(Position(self.invert(value)))
    }

    /// A Feistel network over 48 bits, walked until the value falls into the domain again.
    fn permute(&self, position: u64) -> u64 {
        debug_assert!(position < DOMAIN, "a position fits eight characters");
        let mut value = position;
        loop {
            let (mut left, mut right) = (value >> HALF_BITS, value & HALF_MASK);
            for key in &self.rounds {
                (left, right) = (right, left ^ (mix(*key, right) & HALF_MASK));
            }
            value = left << HALF_BITS | right;
            if value < DOMAIN {
                return value;
            }
        }
    }

    fn invert(&self, public: u64) -> u64 {
        let mut value = public;
        loop {
            let (mut left, mut right) = (value >> HALF_BITS, value & HALF_MASK);
            for key in self.rounds.iter().rev() {
                (left, right) = (right ^ (mix(*key, left) & HALF_MASK), left);
            }
            value = left << HALF_BITS | right;
            if value < DOMAIN {
                return value;
            }
        }
    }

    fn tag(&self, position: Position, text: &mut [u8]) {
        tag_text(Sha256::new().chain_update(self.secret).chain_update(position.0.to_be_bytes()), text);
    }

    fn cursor_tag(&self, mesh: MeshNo, mailbox: MailboxNo, position: Position, text: &mut [u8]) {
        let scope = Sha256::new().chain_update(b"peermesh-cursor").chain_update(self.secret);
        let scope = scope.chain_update(mesh.0.to_be_bytes()).chain_update(mailbox.0.to_be_bytes());
        tag_text(scope.chain_update(position.0.to_be_bytes()), text);
    }
}

/// The text of a keyed hash.
fn tag_text(hash: Sha256, text: &mut [u8]) {
    let digest: [u8; 32] = hash.finalize().into();
    // Eight characters hold 47 of each word's 64 bits, so three words fill the tag.
    for (place, part) in text.chunks_mut(8).enumerate() {
        base62(word(&digest, place * 8) % DOMAIN, part);
    }
}

impl fmt::Debug for MessageIds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MessageIds(…)")
    }
}

impl Deref for MessageId {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(&self.0).expect("base62 is ASCII")
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageId({})", &**self)
    }
}

fn word(digest: &[u8; 32], at: usize) -> u64 {
    digest[at..at + 8].iter().fold(0, |word, byte| word << 8 | u64::from(*byte))
}

fn mix(key: (u64, u64), half: u64) -> u64 {
    let mut hasher = SipHasher24::new_with_keys(key.0, key.1);
    hasher.write_u64(half);
    hasher.finish()
}

fn base62(mut value: u64, text: &mut [u8]) {
    for place in text.iter_mut().rev() {
        *place = BASE62[(value % 62) as usize];
        value /= 62;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_and_each_of_its_prefixes_lead_back_to_the_position() {
        let ids = MessageIds::new([9; 32]);
        for position in [0, 1, 2, 62, 1_000_000, DOMAIN - 1].map(Position) {
            let id = ids.encode(position);
            assert_eq!((id.len(), id), (ID_CHARS, ids.encode(position)));
            assert_eq!(ids.resolve(&id), Some(position));
            assert_eq!(ids.resolve(&id[..8]), Some(position));
            assert_eq!(ids.resolve(&id[..20]), Some(position));
        }
    }

    #[test]
    fn an_id_that_was_made_up_names_nothing() {
        let ids = MessageIds::new([9; 32]);
        let id = ids.encode(Position(7));
        let forged = format!("{}{}", &id[..31], if id.ends_with('A') { 'B' } else { 'A' });
        assert_eq!(ids.resolve(&forged), None);
        assert_eq!(MessageIds::new([8; 32]).resolve(&id), None);
        assert_eq!(ids.resolve(&id[..7]), None);
        assert_eq!(ids.resolve("not-base62!"), None);
        assert_eq!(ids.resolve(&format!("{}A", &*id)), None);
    }

    #[test]
    fn f_iso_01_a_cursor_is_good_for_the_mailbox_and_mesh_it_was_made_for() {
        let ids = MessageIds::new([9; 32]);
        let (mesh, ann) = (MeshNo(1), MailboxNo(2));
        let cursor = ids.cursor(mesh, ann, Position(7));
        assert_eq!(ids.resolve_cursor(mesh, ann, &cursor), Some(Position(7)));
        assert_eq!(ids.resolve_cursor(mesh, MailboxNo(3), &cursor), None);
        assert_eq!(ids.resolve_cursor(MeshNo(2), ann, &cursor), None);
        assert_eq!(MessageIds::new([8; 32]).resolve_cursor(mesh, ann, &cursor), None);
        assert_eq!(ids.resolve_cursor(mesh, ann, &ids.encode(Position(7))), None, "an id is no cursor");
        assert_eq!(ids.resolve(&cursor), None, "nor a cursor an id");
        for wrong in ["", "short", &cursor[..31], "\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}", "!!!!!!!!!!!!"] {
            assert_eq!(ids.resolve_cursor(mesh, ann, wrong), None, "{wrong:?}");
        }
    }

    #[test]
    fn neighbours_do_not_look_alike() {
        let ids = MessageIds::new([9; 32]);
        let (one, two) = (ids.encode(Position(100)), ids.encode(Position(101)));
        let same = one.bytes().zip(two.bytes()).filter(|(a, b)| a == b).count();
        assert!(same < 8, "{one:?} and {two:?}");
    }
}
