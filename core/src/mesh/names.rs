//! Which public id names which message: nearly always the one made of its position.
//!
//! *Decides* under which id a message is known that was lost with its history and sent again: the one it had
//! (STO-14). *Always holds:* two messages never have one id, and a message never changes its own.

use std::collections::BTreeMap;

use crate::ids::Position;
use crate::message_id::{ID_CHARS, MessageId, MessageIds};
use crate::store::Renamed;
use crate::surface::StoreView;
use crate::time::Wall;

/// Messages of one mesh that are known by the ids of lost ones.
#[derive(Debug, Default)]
pub(super) struct Names {
    old_of: BTreeMap<Position, Position>,
    new_of: BTreeMap<Position, Position>,
}

impl Names {
    pub(super) fn new(rows: &[Renamed]) -> Names {
        let mut names = Names::default();
        rows.iter().for_each(|row| names.add(row.position, row.old));
        names
    }

    pub(super) fn len(&self) -> usize {
        self.old_of.len()
    }

    /// From here on the message at `position` has the id of the one that was lost at `old`.
    pub(super) fn add(&mut self, position: Position, old: Position) {
        self.old_of.insert(position, old);
        self.new_of.insert(old, position);
    }

    /// The public id of the message at this position.
    pub(super) fn encode(&self, ids: &MessageIds, position: Position) -> MessageId {
        ids.encode(self.old_of.get(&position).copied().unwrap_or(position))
    }

    /// The position of the message that an id, or a prefix of at least eight characters, names.
    pub(super) fn resolve(&self, ids: &MessageIds, id: &str) -> Option<Position> {
        let named = ids.resolve(id)?;
        Some(self.new_of.get(&named).copied().unwrap_or(named))
    }
}

/// Where the message stood that a sender says it had sent under this id, if that can have been in a history
/// that is lost. What was not sent again `within_ms` after that history ended is out of time.
pub(super) fn lost_at(
    ids: &MessageIds,
    store: &StoreView,
    id: &str,
    now: Wall,
    within_ms: u64,
) -> Option<Position> {
    let history = store.history.filter(|history| now <= history.since.after_millis(within_ms))?;
    let old = ids.resolve(id).filter(|_| id.len() == ID_CHARS)?;
    (old < history.floor).then_some(old)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::HistoryEpoch;
    use crate::store::{Durability, History};

    const AT: Wall = Wall::from_millis(1_000);

    fn store(floor: u64) -> StoreView {
        let history = History { epoch: HistoryEpoch([1; 16]), since: AT, floor: Position(floor) };
        StoreView {
            down: None,
            sure: true,
            doubts: 0,
            durability: Durability::Synced,
            history: Some(history),
        }
    }

    #[test]
    fn f_sto_14_an_id_leads_to_the_message_that_has_it_and_back() {
        let ids = MessageIds::new([9; 32]);
        let names = Names::new(&[Renamed { position: Position(70), old: Position(3) }]);
        let id = names.encode(&ids, Position(70));
        assert_eq!(id, ids.encode(Position(3)));
        assert_eq!(names.resolve(&ids, &id), Some(Position(70)));
        assert_eq!(names.resolve(&ids, &id[..8]), Some(Position(70)));
        assert_eq!(names.resolve(&ids, &ids.encode(Position(71))), Some(Position(71)));
    }

    #[test]
    fn f_sto_14_only_a_whole_id_of_a_lost_history_can_be_had_again_and_only_in_time() {
        let ids = MessageIds::new([9; 32]);
        let id = ids.encode(Position(3));
        assert_eq!(lost_at(&ids, &store(50), &id, AT, 10), Some(Position(3)));
        assert_eq!(lost_at(&ids, &store(3), &id, AT, 10), None, "this history gave it out");
        assert_eq!(lost_at(&ids, &store(50), &id[..8], AT, 10), None);
        assert_eq!(lost_at(&ids, &store(50), &id.replace(|_: char| true, "A"), AT, 10), None);
        assert_eq!(lost_at(&ids, &store(50), &id, AT.after_millis(10), 10), Some(Position(3)));
        assert_eq!(lost_at(&ids, &store(50), &id, AT.after_millis(11), 10), None);
        let unknown = StoreView { history: None, ..store(50) };
        assert_eq!(lost_at(&ids, &unknown, &id, AT, 10), None);
    }
}
