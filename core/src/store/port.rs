//! The vocabulary between the core and a store: what can be written, what can be asked, what comes back.
//!
//! *Always holds:* a write batch is one transaction. Every [`Op`] is idempotent by its keys, so that a batch
//! whose outcome is unknown is simply run again. Reads see every batch whose `Stored` came before they were
//! asked.

use std::sync::Arc;

use super::{Found, Op, Query, Reply};
use crate::ids::{Epoch, MeshNo, Ticket};

/// One thing for a store lane to do.
#[derive(Clone, Debug, Hash)]
pub struct Request {
    /// Names the request in its `Stored`.
    pub ticket: Ticket,
    /// What to do.
    pub work: Work,
}

/// A write or a read.
#[derive(Clone, Debug, Hash)]
pub enum Work {
    /// All of it commits or none of it. Shared, so that a batch can be tried again without copying it.
    Write(Arc<Batch>),
    /// Changes nothing.
    Read(Query),
}

/// Operations that commit together, in order.
#[derive(Clone, Debug, Default, Hash)]
pub struct Batch {
    /// What to write.
    pub ops: Vec<Op>,
    /// What must hold for it, checked inside the transaction: ascending, each mesh once. Operations that
    /// concern no mesh, or take one over, stand under no fence.
    pub fences: Vec<Fence>,
}

impl From<Vec<Op>> for Batch {
    /// A batch under no fence.
    fn from(ops: Vec<Op>) -> Batch {
        Batch { ops, fences: Vec::new() }
    }
}

/// The word that a mesh is ours. It stops being true when another broker takes the mesh over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fence {
    /// Which mesh.
    pub mesh: MeshNo,
    /// Since which change of owner.
    pub epoch: Epoch,
}

/// What comes back for a request.
pub type StoreResult = Result<Answer, StoreError>;

/// The answer to a request that was performed.
#[derive(Clone, Debug, Hash)]
pub enum Answer {
    /// One reply for each operation of the batch, in its order.
    Replies(Vec<Reply>),
    /// What a query found.
    Found(Box<Found>),
}

/// Why a request was not performed.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; it may work later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written; too much waits for the store already.
    #[error("the store is busy: {0}")]
    Busy(String),
    /// Nothing was written; these meshes are no longer ours. Ascending, each once.
    #[error("another broker owns a mesh of this batch")]
    Fenced(Vec<MeshNo>),
    /// Nothing was written; there is no room.
    #[error("the store is full")]
    Full,
    /// Nothing was written; the data cannot be trusted.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The batch may have been written or not, now or later.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
}

/// A store that performs requests. Runs on a lane of the runtime, where it may block.
pub trait Driver: Send {
    /// Writes several batches in one commit, each as if it stood alone: one that fails does not touch its
    /// neighbours. Gives one result for each batch, in their order; after any error but `Unknown`, nothing of
    /// that batch was written.
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult>;

    /// Answers a question.
    ///
    /// # Errors
    /// [`StoreError`], never `Unknown`.
    fn read(&mut self, query: &Query) -> StoreResult;

    /// Called when those who waited for a write have their answers: time for what nobody waits for. True when
    /// more of that is left; it is called again when nobody waits by then.
    fn rest(&mut self) -> bool {
        false
    }
}
