//! What every operation and question of a daemon means.

mod inbox;
mod outbox;

use crate::store::{DaemonFound, DaemonOp, DaemonQuery, DaemonReply};

/// All rows of a daemon.
#[derive(Clone, Debug, Default)]
pub(super) struct Kept {
    outbox: outbox::Outbox,
    inbox: inbox::Inbox,
}

impl Kept {
    pub(super) fn apply(&mut self, op: &DaemonOp) -> DaemonReply {
        match op {
            DaemonOp::Outbox(op) => self.outbox.apply(op),
            DaemonOp::Inbox(op) => self.inbox.apply(op),
        }
    }

    pub(super) fn find(&self, query: &DaemonQuery) -> DaemonFound {
        match query {
            DaemonQuery::Outbox(query) => self.outbox.find(query),
            DaemonQuery::Inbox(query) => self.inbox.find(query),
        }
    }
}

fn count(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
