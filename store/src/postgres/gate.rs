//! What the lanes learn from the health connection: whether they may begin, and who this broker is.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use peermesh_core::store::StoreError;

use crate::rows::DedupeKeys;

/// What is known of the database once it has answered.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Our number among its brokers.
    pub(super) broker: i32,
    /// Hashes client message ids.
    pub(super) keys: DedupeKeys,
}

/// Closed until the database was found fit, and again when it is found unfit later.
#[derive(Clone, Debug)]
pub(super) struct Gate(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: std::sync::RwLock<Result<Known, String>>,
    generation: AtomicU64,
}

impl Gate {
    pub(super) fn new() -> Gate {
        let state = Err("the database has not answered yet".to_owned());
        Gate(Arc::new(Inner { state: state.into(), generation: AtomicU64::new(0) }))
    }

    /// What is known, or why nothing may be asked of the database.
    pub(super) fn pass(&self) -> Result<Known, StoreError> {
        let state = self.0.state.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        state.clone().map_err(StoreError::Unavailable)
    }

    pub(super) fn open(&self, known: Known) {
        self.set(Ok(known));
    }

    pub(super) fn close(&self, why: String) {
        self.set(Err(why));
    }

    fn set(&self, to: Result<Known, String>) {
        *self.0.state.write().unwrap_or_else(std::sync::PoisonError::into_inner) = to;
    }

    /// Counts losses of the database. A connection that was made before the last one is not trusted: it may
    /// be to a server that is gone, and would be found out only by a request whose outcome is then unknown.
    pub(super) fn generation(&self) -> u64 {
        self.0.generation.load(Ordering::Acquire)
    }

    /// The health connection was lost.
    pub(super) fn lose(&self) {
        self.0.generation.fetch_add(1, Ordering::AcqRel);
    }
}
