//! Carries bytes, time and store results to machines and their wishes away, on smol.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use bytes::Bytes;
use peermesh_core::machine::{Machine, Order};
use peermesh_core::note::Note;
use peermesh_core::stats::Stats;
use peermesh_core::store::Driver;

/// Everything a run needs.
pub struct Plan {
    /// Where connections come in. Shard 0 takes them all.
    pub listener: TcpListener,
    /// One machine for each shard; its place is its `ShardId`.
    pub shards: Vec<Box<dyn Machine + Send>>,
    /// The store's lanes: one thread for each driver.
    pub lanes: Lanes,
    /// Takes log records. Must not block.
    pub note: Arc<dyn Fn(Note) + Send + Sync>,
    /// Renders the metrics page from the latest snapshot of each shard; true asks for `OpenMetrics`.
    pub scrape: Arc<dyn Fn(&[Stats], bool) -> Bytes + Send + Sync>,
}

/// Drivers that share the work: writes go to the writers' queue, reads to the readers'.
pub struct Lanes {
    /// Take write batches; each takes all that wait (up to a bound) in one call.
    pub writers: Vec<Box<dyn Driver>>,
    /// Take questions.
    pub readers: Vec<Box<dyn Driver>>,
}

/// A run in progress.
pub struct Running {}

/// Starts the run on threads of its own.
///
/// # Errors
/// When a thread or the listener cannot be set up.
pub fn start(_plan: Plan) -> io::Result<Running> {
    todo!()
}

impl Running {
    /// Hands an order to every shard.
    pub fn order(&self, _order: Order) {
        todo!()
    }
    /// Waits until every shard has finished.
    pub fn join(self) {
        todo!()
    }
}
