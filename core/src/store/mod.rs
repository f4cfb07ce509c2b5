//! The store as the core sees it: requests out, results in.
//!
//! [`port`] is the vocabulary, `committer` gathers writes into batches, `model` (feature `model`) is the meaning of
//! every operation as maps in memory.

pub(crate) mod committer;
#[cfg(feature = "model")]
pub mod model;
mod port;

pub(crate) use committer::Ended;

pub use port::{
    Accept, Answer, Batch, Cursor, Driver, Enrol, EnrolRefusal, Found, Group, Hello, InviteRow, LaneCount,
    MemberRow, MeshLoad, MeshRow, Message, MessageView, NewMesh, Op, Outcome, OverdueRow, PeerState,
    PendingRow, PresenceKind, PresenceRow, Priority, Profile, Query, Reply, Request, Role, SavedStats,
    SessionRow, Settled, StoreError, StoreResult, Target, Work,
};
