//! The runtimes that a broker can be carried by.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;

use peermesh_core::forward::Courier;
use peermesh_core::machine::{Listener, Machine, Memory, Order};
use peermesh_core::note::Note;
use peermesh_core::store::Driver;
use peermesh_runtime_smol as smol;
use peermesh_runtime_threads as threads;

use crate::driver::page;

/// More connections than any story or attack has.
const CONNECTIONS_MAX: usize = 6_000;

/// What carries a broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Runtime {
    /// One thread and one loop for each shard.
    Smol,
    /// One thread for each connection.
    Threads,
}

/// The store's lanes. The runtimes say what each is.
#[derive(Default)]
pub struct Lanes {
    /// Take write batches.
    pub writers: Vec<Box<dyn Driver>>,
    /// Take questions.
    pub readers: Vec<Box<dyn Driver>>,
    /// Takes pings, where they have a lane.
    pub health: Option<Box<dyn Driver>>,
}

impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lanes({} writers, {} readers)", self.writers.len(), self.readers.len())
    }
}

/// What a run is made of.
pub(super) struct Plan {
    pub(super) listeners: Vec<(Listener, TcpListener)>,
    pub(super) shards: Vec<Box<dyn Machine + Send>>,
    pub(super) lanes: Lanes,
    pub(super) couriers: Vec<Box<dyn Courier>>,
    pub(super) note: Arc<dyn Fn(Note) + Send + Sync>,
    pub(super) fail: Arc<dyn Fn(String) + Send + Sync>,
}

/// A run in progress.
pub(super) enum Running {
    Smol(smol::Running),
    Threads(threads::Running),
}

/// The plan as a runtime takes it. The runtimes share no type, so that none depends on the other.
macro_rules! plan_of {
    ($runtime:ident, $plan:expr) => {{
        let Plan { listeners, shards, lanes, couriers, note, fail } = $plan;
        let Lanes { writers, readers, health } = lanes;
        $runtime::Plan {
            listeners: listeners.into_iter().map(|(kind, listener)| (kind, listener.into())).collect(),
            shards,
            lanes: $runtime::Lanes { writers, readers, health },
            couriers,
            note,
            scrape: Arc::new(|snapshots, _| page(snapshots)),
            weigh: Arc::new(|| Memory { rss: 3_000, heap_total: 2_000, heap_used: 1_000 }),
            fail,
            secure: None,
        }
    }};
}

impl Runtime {
    pub(super) fn start(self, plan: Plan) -> io::Result<Running> {
        match self {
            Runtime::Smol => smol::start(plan_of!(smol, plan)).map(Running::Smol),
            Runtime::Threads => {
                threads::start(plan_of!(threads, plan), CONNECTIONS_MAX).map(Running::Threads)
            }
        }
    }
}

impl Running {
    pub(super) fn order(&self, order: Order) {
        match self {
            Running::Smol(running) => running.order(order),
            Running::Threads(running) => running.order(order),
        }
    }

    /// Waits for its end, and panics as it did.
    pub(super) fn join(self) {
        match self {
            Running::Smol(running) => running.join(),
            Running::Threads(running) => running.join(),
        }
    }
}
