//! Newtypes for every identity. No bare text or number travels as an id.

use std::fmt;
use std::sync::Arc;

use crate::rng::Rng;
use data_encoding::HEXLOWER;

/// The 62 letters that row ids are made of, in the order of their values.
pub const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

macro_rules! text_ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes text from outside as an id. Any text is an id; most name nothing.
            pub fn new(text: impl Into<Arc<str>>) -> $name {
                $name(text.into())
            }

            /// Makes a fresh id: 32 random base62 characters.
            pub fn mint(rng: &mut Rng) -> $name {
                $name(mint_text(rng).into())
            }

            /// The id as it stands on the wire.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

text_ids! {
    /// A mesh, as hellos name it.
    MeshId,
    /// A member of a mesh.
    MemberId,
    /// One presence: one session of a peer from its hello to the end of its grace.
    PresenceId,
    /// An invite row.
    InviteId,
    /// A hook that waits for its presence.
    HookId,
    /// A runner, as it calls itself.
    RunnerId,
    /// A live topic, by its name.
    TopicId,
}

macro_rules! number_ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty)),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }
    )+};
}

number_ids! {
    /// One byte stream. Issued by the runtime, unique in the process, never used twice.
    ConnId(u64),
    /// One shard of the process; shard 0 takes every connection first.
    ShardId(u16),
    /// One store request in flight; unique per shard.
    Ticket(u64),
    /// A mesh's small number inside the store.
    MeshNo(i64),
    /// A mailbox's small number inside the store. A member's number is its own mailbox's number.
    MailboxNo(i64),
    /// A message's place in the one order of a store. Grows; may have gaps.
    Position(u64),
    /// A runner's small number inside the store.
    RunnerNo(i64),
    /// A place in the order of one runner's events and commands. Grows; has gaps; is never used twice.
    RunnerSeq(u64),
    /// A live topic's small number inside the store; negative for one that lives in memory only.
    TopicNo(i64),
    /// Which ownership of a mesh: grows with every change of owner.
    Epoch(u64),
}

impl RunnerSeq {
    /// Before everything.
    pub const ZERO: RunnerSeq = RunnerSeq(0);

    /// The first place that a claim under this epoch may give out: there are 2^32 for each.
    pub const fn first_of(epoch: Epoch) -> RunnerSeq {
        RunnerSeq((epoch.0 << 32) + 1)
    }
}

impl Position {
    /// Before every message.
    pub const ZERO: Position = Position(0);
    /// Behind every message: 62^8, as many as the public ids made of positions can tell apart by a prefix of
    /// eight characters.
    pub const END: Position = Position(218_340_105_584_896);
}

/// Names one history of a store. It changes when an operator adopts an older copy, whose later history is
/// lost.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HistoryEpoch(pub [u8; 16]);

impl HistoryEpoch {
    /// Reads exactly 32 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<HistoryEpoch> {
        let mut epoch = [0; 16];
        if text.len() != epoch.len() * 2 {
            return None;
        }
        HEXLOWER.decode_mut(text.as_bytes(), &mut epoch).ok()?;
        Some(HistoryEpoch(epoch))
    }

    /// 32 lower-case hex digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for HistoryEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HistoryEpoch({})", self.hex())
    }
}

impl fmt::Display for HistoryEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// An Ed25519 public key, as 64 lower-case hex digits on the wire.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey(pub [u8; 32]);

impl PublicKey {
    /// How long a key is on the wire.
    pub const HEX_CHARS: usize = 64;

    /// Reads exactly 64 lower-case hex digits.
    pub fn from_hex(text: &str) -> Option<PublicKey> {
        let mut key = [0; 32];
        if text.len() != PublicKey::HEX_CHARS {
            return None;
        }
        HEXLOWER.decode_mut(text.as_bytes(), &mut key).ok()?;
        Some(PublicKey(key))
    }

    /// 64 lower-case hex digits, in a place of the caller's.
    pub fn hex_into<'t>(&self, text: &'t mut [u8; PublicKey::HEX_CHARS]) -> &'t str {
        HEXLOWER.encode_mut_str(&self.0, text)
    }

    /// 64 lower-case hex digits.
    pub fn hex(&self) -> String {
        HEXLOWER.encode(&self.0)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hex())
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.hex())
    }
}

/// 32 random base62 characters (about 190 bits): an id nobody can guess.
pub fn mint_text(rng: &mut Rng) -> String {
    (0..32)
        .map(|_| {
            let place = usize::try_from(rng.below(62)).unwrap_or(0);
            char::from(BASE62[place])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_exactly_64_lower_case_hex_digits() {
        let text = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
        assert_eq!(PublicKey::from_hex(text).map(|key| key.hex()).as_deref(), Some(text));
        assert_eq!(PublicKey::from_hex(&text.to_uppercase()), None);
        assert_eq!(PublicKey::from_hex(&text[..62]), None);
        assert_eq!(PublicKey::from_hex(&format!("{}zz", &text[..62])), None);
    }

    #[test]
    fn minted_ids_are_32_base62_characters_and_differ() {
        let mut rng = Rng::from_seed([3; 32]);
        let (one, two) = (MeshId::mint(&mut rng), MeshId::mint(&mut rng));
        assert_ne!(one, two);
        assert!(one.as_str().len() == 32 && one.as_str().bytes().all(|b| BASE62.contains(&b)));
    }
}
