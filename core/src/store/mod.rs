//! The store as the core sees it: requests out, results in.
//!
//! `port.rs` says what passes between the two, `op.rs` what can be written, `query.rs` what can be asked,
//! `row.rs` what is kept, `runner.rs`, `live.rs` and `daemon.rs` all three for runners, live topics and
//! daemons, `likeness.rs` when two sends are one, `chain.rs` what a chain of receipts is made of, `check.rs`
//! what must belong together.
//! `committer.rs` gathers writes into batches. `model` (feature `model`) is the meaning of every operation as
//! maps in memory.

mod chain;
mod check;
pub(crate) mod committer;
mod daemon;
mod likeness;
mod live;
#[cfg(feature = "model")]
pub mod model;
mod op;
mod port;
mod query;
mod row;
mod runner;

pub(crate) use committer::Ended;

pub use chain::{CHAIN_START, Draft, Drafts, RUN_MAX, ReceiptRow, SignerRow, end_of_run, link};
pub use check::{CheckPage, CheckPart, CheckPlace, Stray, StrayKind};
pub use daemon::{
    Attempt, DaemonFound, DaemonOp, DaemonQuery, DaemonReply, Forgetting, InRow, InboxOp, InboxQuery,
    KeptSession, LaneName, OutRow, OutStatus, OutboxLoad, OutboxOp, OutboxQuery, Reach, Reader,
    RecipientKind, Requeue, RequeueRefusal, Sifting,
};
pub use likeness::{Likeness, Seen};
pub use live::{
    FedRow, FedTurn, LiveFence, LiveFound, LiveKey, LiveKnown, LiveLoad, LiveOp, LivePlace, LiveQuery,
    LiveReply, LiveRevoked, LiveRow, LiveTopic,
};
pub use op::{
    Accept, Accepted, Claimant, Enrol, EnrolRefusal, Hello, NewMesh, Op, Pruned, Reply, Rotation,
    RotationRefusal, Settled,
};
pub use port::{Answer, Batch, Driver, Fence, Request, StoreError, StoreResult, Work};
pub use query::{
    Adopted, Alive, Cursor, Found, History, LaneCount, MentionRow, MeshLoad, MessageView, OverdueRow,
    PendingRow, Query, Renamed,
};
pub use row::{
    Durability, FormerKey, Group, HookRow, InviteRow, MemberRow, MeshRow, Message, Outcome, PeerState,
    PresenceKind, PresenceRow, Priority, Profile, Role, SavedStats, SessionRow, Status, Target,
};
pub use runner::{
    CommandRow, DeadReason, DeadRow, EventRow, EventTries, KeptAnswer, KeyRow, RunnerDepth, RunnerFence,
    RunnerFound, RunnerLoad, RunnerOp, RunnerQuery, RunnerReply, RunnerRow,
};
