//! The choice of runtime: one plan, carried by an executor or by plain threads.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use peermesh_core::forward::Courier;
use peermesh_core::machine::{Envelope, Listener, Machine, Memory, Order};
use peermesh_core::note::Note;
use peermesh_core::stats::Stats;
use peermesh_core::store::Driver;

use crate::config::Runtime;

/// Everything a run needs, whatever carries it. The runtimes say what each part is.
pub(crate) struct Plan {
    pub(crate) listeners: Vec<(Listener, Ear)>,
    pub(crate) shards: Vec<Box<dyn Machine + Send>>,
    pub(crate) lanes: Lanes,
    pub(crate) couriers: Vec<Box<dyn Courier>>,
    pub(crate) note: Arc<dyn Fn(Note) + Send + Sync>,
    pub(crate) scrape: Arc<Scrape>,
    pub(crate) weigh: Arc<dyn Fn() -> Memory + Send + Sync>,
    pub(crate) fail: Arc<dyn Fn(String) + Send + Sync>,
    /// Lays TLS over what is dialled; none where nobody is.
    pub(crate) secure: Option<Arc<Secure>>,
}

/// Where connections come in.
#[derive(Debug)]
pub(crate) enum Ear {
    /// By a network.
    Tcp(TcpListener),
    /// On this machine, from programs of this user.
    Unix(UnixListener),
}

/// Lays TLS over a stream to this host, until then.
pub(crate) type Secure = dyn Fn(TcpStream, &str, Instant) -> Result<UnixStream, String> + Send + Sync;

/// Makes the metrics page of one snapshot for each shard; true asks for `OpenMetrics`.
pub(crate) type Scrape = dyn Fn(&[Stats], bool) -> Bytes + Send + Sync;

/// The store's lanes.
pub(crate) struct Lanes {
    pub(crate) writers: Vec<Box<dyn Driver>>,
    pub(crate) readers: Vec<Box<dyn Driver>>,
    pub(crate) health: Option<Box<dyn Driver>>,
}

/// A run in progress.
pub(crate) enum Running {
    #[cfg(feature = "smol")]
    Smol(peermesh_runtime_smol::Running),
    #[cfg(feature = "threads")]
    Threads(peermesh_runtime_threads::Running),
}

/// The plan as a runtime takes it. The crates share no type, so that none depends on the other.
macro_rules! plan_of {
    ($runtime:ident, $plan:expr) => {{
        let Plan { listeners, shards, lanes, couriers, note, scrape, weigh, fail, secure } = $plan;
        let Lanes { writers, readers, health } = lanes;
        let lanes = $runtime::Lanes { writers, readers, health };
        let socket = |ear| match ear {
            Ear::Tcp(listener) => listener.into(),
            Ear::Unix(listener) => listener.into(),
        };
        let listeners = listeners.into_iter().map(|(kind, ear)| (kind, socket(ear))).collect();
        $runtime::Plan { listeners, shards, lanes, couriers, note, scrape, weigh, fail, secure }
    }};
}

/// Starts the run.
///
/// # Errors
/// What the runtime says.
pub(crate) fn start(runtime: Runtime, plan: Plan) -> io::Result<Running> {
    match runtime {
        #[cfg(feature = "smol")]
        Runtime::Smol => {
            peermesh_runtime_smol::start(plan_of!(peermesh_runtime_smol, plan)).map(Running::Smol)
        }
        #[cfg(feature = "threads")]
        Runtime::Threads => {
            let room = crate::serve::room::look();
            (plan.note)(room.note());
            let plan = plan_of!(peermesh_runtime_threads, plan);
            peermesh_runtime_threads::start(plan, room.connections()).map(Running::Threads)
        }
    }
}

impl Running {
    /// Hands an order to every shard.
    pub(crate) fn order(&self, order: Order) {
        match self {
            #[cfg(feature = "smol")]
            Running::Smol(running) => running.order(order),
            #[cfg(feature = "threads")]
            Running::Threads(running) => running.order(order),
        }
    }

    /// Tells the first shard's machine something that only it knows to read.
    pub(crate) fn tell(&self, envelope: Envelope) {
        match self {
            #[cfg(feature = "smol")]
            Running::Smol(running) => running.tell(envelope),
            #[cfg(feature = "threads")]
            Running::Threads(running) => running.tell(envelope),
        }
    }

    /// Waits until every shard has finished, and then at most `patience` for the store's lanes; false when
    /// one of them still waits for its store.
    pub(crate) fn join_within(self, patience: Duration) -> bool {
        match self {
            #[cfg(feature = "smol")]
            Running::Smol(running) => running.join_within(patience),
            #[cfg(feature = "threads")]
            Running::Threads(running) => running.join_within(patience),
        }
    }
}
