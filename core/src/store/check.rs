//! The check whether keys, messages and deliveries agree: what is asked of the store, a page at a time.
//!
//! One commit makes a message with its key and its deliveries, and one commit ends each of them. So rows that
//! do not belong together were not made by any commit: the store lost or changed something by itself.

use crate::ids::{MeshId, Position};

/// What is walked, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckPart {
    /// Keys: each belongs to a message or to a tombstone.
    Keys,
    /// Messages: each is found under its key, and each of its recipients has one delivery.
    Messages,
    /// Tombstones: each is found under its key.
    Tombstones,
    /// Deliveries that wait: each belongs to a message.
    Waiting,
    /// Deliveries that ended: each belongs to a message.
    Ended,
}

impl CheckPart {
    /// All of them, in their order.
    pub const ALL: [CheckPart; 5] =
        [CheckPart::Keys, CheckPart::Messages, CheckPart::Tombstones, CheckPart::Waiting, CheckPart::Ended];

    /// The part behind this one.
    pub fn next(self) -> Option<CheckPart> {
        CheckPart::ALL.get(self as usize + 1).copied()
    }
}

/// Where a check goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckPlace {
    /// In this part.
    pub part: CheckPart,
    /// At this row or the next one behind it, by the columns of the part's order. They mean something to the
    /// store that gave them, and to nobody else.
    pub from: [i64; 3],
}

impl CheckPlace {
    /// Where a check begins.
    pub const START: CheckPlace = CheckPlace::of(CheckPart::Keys);

    /// The beginning of a part.
    pub const fn of(part: CheckPart) -> CheckPlace {
        CheckPlace { part, from: [i64::MIN; 3] }
    }

    /// The first place behind a row, or the beginning of the next part if that was the last one.
    pub fn behind(part: CheckPart, last: Option<[i64; 3]>) -> Option<CheckPlace> {
        let [one, two, three] = match last {
            Some(last) => last,
            None => return part.next().map(CheckPlace::of),
        };
        match three.checked_add(1) {
            Some(three) => Some(CheckPlace { part, from: [one, two, three] }),
            None => part.next().map(CheckPlace::of),
        }
    }
}

/// A page of a check.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CheckPage {
    /// Rows of the part that were looked at.
    pub rows: u64,
    /// What does not belong together.
    pub strays: Vec<Stray>,
    /// Where to go on; none at the end of the store.
    pub next: Option<CheckPlace>,
}

/// Something that no commit can have left so.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stray {
    /// What is wrong.
    pub kind: StrayKind,
    /// The message it is about.
    pub position: Position,
    /// Its mesh, as far as there is a row left that says so.
    pub mesh: Option<MeshId>,
}

/// What can be wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StrayKind {
    /// A key belongs to a message of which nothing is left.
    KeyWithoutMessage,
    /// A message or tombstone has a key under which it is not found.
    MessageWithoutKey,
    /// A recipient of a message has no delivery of it, or one that waits and has ended.
    RecipientWithoutFate,
    /// A delivery belongs to a message that is not there.
    DeliveryWithoutMessage,
}

impl StrayKind {
    /// The word for the log.
    pub const fn word(self) -> &'static str {
        match self {
            StrayKind::KeyWithoutMessage => "key_without_message",
            StrayKind::MessageWithoutKey => "message_without_key",
            StrayKind::RecipientWithoutFate => "recipient_without_fate",
            StrayKind::DeliveryWithoutMessage => "delivery_without_message",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_goes_through_every_part_once_and_ends() {
        let mut seen = Vec::new();
        let mut place = Some(CheckPlace::START);
        while let Some(CheckPlace { part, .. }) = place {
            seen.push(part);
            place = CheckPlace::behind(part, None);
        }
        assert_eq!(seen, CheckPart::ALL);
    }

    #[test]
    fn the_place_behind_a_row_is_the_next_there_can_be() {
        let keys = CheckPart::Keys;
        let behind = |last| CheckPlace::behind(keys, Some(last)).unwrap();
        assert_eq!(behind([1, 2, 3]), CheckPlace { part: keys, from: [1, 2, 4] });
        assert_eq!(behind([1, 2, i64::MAX]), CheckPlace::of(CheckPart::Messages));
    }
}
