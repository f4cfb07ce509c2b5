//! What becomes of a store whose history was lost, and of messages that are sent again after that.

use super::{Model, Renamed};
use crate::ids::{HistoryEpoch, Position};
use crate::store::{Accept, Adopted, History};
use crate::time::Wall;

impl Model {
    /// An operator adopts the store, which is an older copy of one that is lost: another history begins. No
    /// broker may be alive. `None`, and nothing is changed, when too few positions or runner epochs are left.
    pub fn adopt(&mut self, epoch: HistoryEpoch, at: Wall) -> Option<Adopted> {
        let highest = self.highest_runner_epoch();
        let adopted = Adopted::after(self.alive.history.epoch, self.next, highest)?;
        let numbers = [
            self.meshes.last_key_value().map_or(0, |(no, _)| no.0),
            self.mailboxes.last_key_value().map_or(0, |(no, _)| no.0),
            self.highest_runner(),
        ];
        self.numbers = numbers.into_iter().fold(self.numbers, i64::max).saturating_add(Adopted::NUMBERS);
        self.next = adopted.floor.0;
        self.alive.history = History { epoch, since: at, floor: adopted.floor };
        self.void_owners();
        self.void_runners();
        self.rename_streams(&epoch);
        Some(adopted)
    }

    /// A number above `last` that no history has given out.
    pub(super) fn number_after(&self, last: Option<i64>) -> i64 {
        last.unwrap_or(0).max(self.numbers) + 1
    }

    /// Lets a message that is kept have the id it had, if it is free. Tells whether it has it.
    pub(super) fn rename(&mut self, accept: &Accept, old: Position) -> bool {
        let Accept { message, .. } = accept;
        let has = |renamed: &Renamed| renamed.old == old;
        let is_free = old < self.alive.history.floor
            && !self.messages.contains_key(&old)
            && !self.tombstones.contains_key(&old)
            && !self.renamed.values().any(has);
        if is_free && self.messages.contains_key(&message.position) {
            let renamed = Renamed { mesh: message.mesh, old };
            self.renamed.entry(message.position).or_insert(renamed);
        }
        self.renamed.get(&message.position).is_some_and(has)
    }
}
