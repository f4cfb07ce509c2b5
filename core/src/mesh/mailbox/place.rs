//! Where one delivery of a mailbox is, for whoever asks what became of it.

use super::{Item, Mailbox};
use crate::ids::Position;
use crate::store::Priority;
use crate::time::Mono;

/// Where a delivery is whose row the store has, as far as memory knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// With a connection.
    Leased {
        /// Until then.
        until: Mono,
        /// How often it was pushed, this time included.
        tries: u32,
    },
    /// Kept from the only connection there is, which wrote it.
    Aside {
        /// How often it was pushed.
        tries: u32,
    },
    /// In its lane.
    Lane {
        /// How many of its lane go first.
        ahead: usize,
        /// How often it was pushed.
        tries: u32,
    },
    /// Beyond what is in memory of its lane.
    Stored,
    /// Its end is being written, or was a moment ago.
    Ending,
}

impl Mailbox {
    /// Where the delivery at this position is, which was still pending when the store was asked.
    pub(crate) fn place_of(&self, position: Position, priority: Priority) -> Place {
        let is_meant = |item: &&Item| item.position() == position;
        if self.ending.contains(&position) || self.gone.contains(&position) {
            return Place::Ending;
        }
        if let Some(lease) = self.leases.iter().find(|lease| lease.item.position() == position) {
            return Place::Leased { until: lease.until, tries: lease.item.tries };
        }
        if let Some(item) = self.aside.iter().find(is_meant) {
            return Place::Aside { tries: item.tries };
        }
        let lane = &self.lanes[usize::from(priority.rank())];
        match lane.items.binary_search_by_key(&position, Item::position) {
            Ok(ahead) => Place::Lane { ahead, tries: lane.items[ahead].tries },
            Err(_) if position > lane.tail && (lane.more || lane.loading) => Place::Stored,
            Err(_) => Place::Ending,
        }
    }
}
