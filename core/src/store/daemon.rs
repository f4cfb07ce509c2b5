//! What a daemon keeps: what programs of its host want sent, and what came for them.
//!
//! *Always holds:* the two are stores of their own, so that one can be damaged without the other. No batch
//! and no question concerns both. Every operation is idempotent by the key its fields name.

mod inbox;
mod outbox;

pub use inbox::{InRow, InboxOp, InboxQuery, Reader, RecipientKind, Sifting};
pub use outbox::{
    Attempt, Forgetting, KeptSession, LaneName, OutRow, OutStatus, OutboxLoad, OutboxOp, OutboxQuery, Reach,
    Requeue, RequeueRefusal,
};

/// A write of a daemon.
#[derive(Clone, Debug, Hash)]
pub enum DaemonOp {
    /// Concerns what is to be sent.
    Outbox(OutboxOp),
    /// Concerns what came.
    Inbox(InboxOp),
}

/// The reply to one of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DaemonReply {
    /// It is so.
    Done,
    /// The row was not there before.
    Inserted,
    /// A message of the same identity was there before.
    Existing,
    /// The key was used before, for this.
    Known(Box<OutRow>),
    /// The row is not in the state that the operation needs: it was left alone.
    Passed,
    /// The row was put in line again.
    Requeued,
    /// It was not.
    NotRequeued(RequeueRefusal),
    /// How many rows it changed.
    Changed {
        /// So many.
        rows: u64,
    },
}

/// A question of a daemon.
#[derive(Clone, Debug, Hash)]
pub enum DaemonQuery {
    /// Concerns what is to be sent.
    Outbox(OutboxQuery),
    /// Concerns what came.
    Inbox(InboxQuery),
}

/// What was found.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum DaemonFound {
    /// Rows of the outbox.
    Out(Vec<OutRow>),
    /// Lanes in which something waits.
    Lanes(Vec<LaneName>),
    /// How much waits.
    Load(OutboxLoad),
    /// Rows of the inbox.
    In(Vec<InRow>),
    /// How much room the inbox takes on its disk, or in memory about.
    Room {
        /// In bytes.
        bytes: u64,
    },
    /// Sessions.
    Sessions(Vec<KeptSession>),
}
