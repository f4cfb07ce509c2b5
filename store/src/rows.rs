//! The core's values as columns and back, whatever the database.

use std::hash::Hasher;

use peermesh_core::ids::{Epoch, HistoryEpoch, MailboxNo, MeshNo, Position};
use peermesh_core::store::{Message, Outcome, Priority, Role, Status, Target};
use serde::Serialize;
use serde::de::DeserializeOwned;
use siphasher::sip::SipHasher24;

/// A row that none of our writes could have made: the text names what is wrong with it.
#[derive(Debug)]
pub(crate) struct BadRow(pub(crate) &'static str);

/// A position as a column. Positions are leased from zero upwards and never reach the end of the signed
/// range.
pub(crate) fn position_column(position: Position) -> i64 {
    i64::try_from(position.0).unwrap_or(i64::MAX)
}

pub(crate) fn position(column: i64) -> Result<Position, BadRow> {
    u64::try_from(column).map(Position).map_err(|_| BadRow("a negative position"))
}

pub(crate) fn epoch(column: i64) -> Result<Epoch, BadRow> {
    u64::try_from(column).map(Epoch).map_err(|_| BadRow("a negative epoch"))
}

/// A length or count as a column.
pub(crate) fn count_column(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

pub(crate) fn count(column: i64) -> Result<u64, BadRow> {
    u64::try_from(column).map_err(|_| BadRow("a negative count"))
}

pub(crate) fn small_count(column: i64) -> Result<u32, BadRow> {
    u32::try_from(column).map_err(|_| BadRow("a count out of range"))
}

pub(crate) fn priority(column: i64) -> Result<Priority, BadRow> {
    let known = Priority::ALL.into_iter().find(|priority| i64::from(priority.rank()) == column);
    known.ok_or(BadRow("an unknown priority"))
}

pub(crate) fn outcome(column: i64) -> Result<Outcome, BadRow> {
    let known = Outcome::ALL.into_iter().find(|outcome| i64::from(outcome.rank()) == column);
    known.ok_or(BadRow("an unknown outcome"))
}

pub(crate) fn role(column: &str) -> Result<Role, BadRow> {
    let known = [Role::Admin, Role::Member].into_iter().find(|role| role.word() == column);
    known.ok_or(BadRow("an unknown role"))
}

pub(crate) fn status(column: &str) -> Result<Status, BadRow> {
    Status::parse(column).ok_or(BadRow("an unknown status"))
}

/// 32 bytes: a key or a hash.
pub(crate) fn bytes_32(column: &[u8]) -> Result<[u8; 32], BadRow> {
    column.try_into().map_err(|_| BadRow("a key or hash that is not 32 bytes"))
}

pub(crate) fn history_epoch(column: &[u8]) -> Result<HistoryEpoch, BadRow> {
    column.try_into().map(HistoryEpoch).map_err(|_| BadRow("a history whose name is not 16 bytes"))
}

/// A value as JSON text. Our own types have nothing that JSON cannot say, so there is no failure to report.
pub(crate) fn json_column<T: Serialize + ?Sized>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

pub(crate) fn json<T: DeserializeOwned>(column: &str) -> Result<T, BadRow> {
    serde_json::from_str(column).map_err(|_| BadRow("a JSON column that cannot be read"))
}

/// The mailboxes of a message as one column: eight bytes each, ascending, each once.
pub(crate) fn mailboxes_column(mailboxes: &[MailboxNo]) -> Vec<u8> {
    let mut sorted = mailboxes.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    sorted.iter().flat_map(|mailbox| mailbox.0.to_le_bytes()).collect()
}

pub(crate) fn mailboxes(column: &[u8]) -> Result<Vec<MailboxNo>, BadRow> {
    let (chunks, rest) = column.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(BadRow("a list of mailboxes that is cut off"));
    }
    Ok(chunks.iter().map(|bytes| MailboxNo(i64::from_le_bytes(*bytes))).collect())
}

/// A client's message id with those it belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Name<'a> {
    pub(crate) mesh: MeshNo,
    pub(crate) sender: MailboxNo,
    pub(crate) id: &'a str,
}

impl Name<'_> {
    /// The name of a message, if it has one.
    pub(crate) fn of(message: &Message) -> Option<Name<'_>> {
        let id = message.client_message_id.as_deref()?;
        Some(Name { mesh: message.mesh, sender: message.sender, id })
    }

    /// Where it would like to stand.
    pub(crate) fn home(&self, keys: &DedupeKeys) -> i64 {
        keys.key(self.mesh, self.sender, self.id)
    }

    /// Whether these columns are this name.
    #[cfg(feature = "sqlite")]
    pub(crate) fn is(&self, mesh: i64, sender: i64, id: Option<&str>) -> bool {
        (mesh, sender, id) == (self.mesh.0, self.sender.0, Some(self.id))
    }
}

/// Whom a message is for, from its columns `recip` and `target`.
pub(crate) fn target(recip: Option<i64>, target: Option<Box<str>>) -> Result<Target, BadRow> {
    match (recip, target) {
        (Some(mailbox), _) => Ok(Target::Mailbox(MailboxNo(mailbox))),
        (None, Some(text)) => Ok(Target::Spec(text)),
        (None, None) => Err(BadRow("a message without a target")),
    }
}

/// Where a client's message id is looked up: 64 bits of a keyed hash, so that nobody can aim for a collision.
#[derive(Clone, Debug)]
pub(crate) struct DedupeKeys {
    hasher: SipHasher24,
    mask: u64,
}

impl DedupeKeys {
    /// Keys derived from the store's secret.
    pub(crate) fn new(secret: &[u8; 32]) -> DedupeKeys {
        let derive = |label: &[u8]| {
            let (head, tail) = secret.split_at(16);
            let mut hasher = SipHasher24::new_with_key(head.try_into().unwrap_or(&[0; 16]));
            hasher.write(tail);
            hasher.write(label);
            hasher.finish()
        };
        DedupeKeys {
            hasher: SipHasher24::new_with_keys(derive(b"dedupe 0"), derive(b"dedupe 1")),
            mask: u64::MAX,
        }
    }

    /// The key of a message's (mesh, sender, client message id).
    pub(crate) fn key(&self, mesh: MeshNo, sender: MailboxNo, client_message_id: &str) -> i64 {
        let mut hasher = self.hasher;
        hasher.write(&mesh.0.to_le_bytes());
        hasher.write(&sender.0.to_le_bytes());
        hasher.write(client_message_id.as_bytes());
        (hasher.finish() & self.mask).cast_signed()
    }

    /// Keys of so few bits that collisions are the rule.
    #[cfg(test)]
    pub(crate) fn of_few_bits(secret: &[u8; 32], bits: u32) -> DedupeKeys {
        DedupeKeys { mask: (1 << bits) - 1, ..DedupeKeys::new(secret) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mailboxes_are_kept_once_each_and_ascending() {
        let column = mailboxes_column(&[MailboxNo(7), MailboxNo(-1), MailboxNo(7), MailboxNo(i64::MAX)]);
        assert_eq!(mailboxes(&column).unwrap(), [MailboxNo(-1), MailboxNo(7), MailboxNo(i64::MAX)]);
        assert!(mailboxes(&column[1..]).is_err());
        assert!(mailboxes(&[]).unwrap().is_empty());
    }

    #[test]
    fn words_and_numbers_are_read_back_and_strangers_refused() {
        for known in Priority::ALL {
            assert_eq!(priority(i64::from(known.rank())).unwrap(), known);
        }
        for known in Outcome::ALL {
            assert_eq!(outcome(i64::from(known.rank())).unwrap(), known);
        }
        assert_eq!(role("admin").unwrap(), Role::Admin);
        assert!(priority(3).is_err() && outcome(-1).is_err() && role("owner").is_err());
    }

    #[test]
    fn the_dedupe_key_depends_on_the_secret_and_on_all_three_names() {
        let keys = DedupeKeys::new(&[1; 32]);
        let one = keys.key(MeshNo(1), MailboxNo(2), "a");
        assert_eq!(one, DedupeKeys::new(&[1; 32]).key(MeshNo(1), MailboxNo(2), "a"));
        for other in [
            keys.key(MeshNo(2), MailboxNo(2), "a"),
            keys.key(MeshNo(1), MailboxNo(1), "a"),
            keys.key(MeshNo(1), MailboxNo(2), "b"),
            DedupeKeys::new(&[2; 32]).key(MeshNo(1), MailboxNo(2), "a"),
        ] {
            assert_ne!(one, other);
        }
    }
}
