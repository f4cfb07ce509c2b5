//! Loads: who sends what to whom at which pace, and what came of it.
//!
//! | to know | look in |
//! |---|---|
//! | closed and open loops, what is lost and doubled | `traffic.rs` |
//! | what a run came to, as numbers and JSON | `outcome.rs` |
//! | the loads on a mesh, its idle peers, the reference test of the field | `mesh.rs` |
//! | the loads on live topics and on runners | `live.rs`, `runner.rs` |
//! | the same on what stands beside the broker, and on bare echoes | `rival.rs`, `rival/process.rs` |
//! | pictures of waits | `plot.rs` |

pub mod live;
pub mod mesh;
pub mod outcome;
pub mod plot;
pub mod rival;
pub mod runner;
pub mod traffic;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use peermesh_conformance::proxy::Proxy;
use peermesh_conformance::server::{Database, Server as PostgresServer};

use crate::http::SetUpError;
use crate::process::Usage;
use crate::server::{Server, Setup, metric};

pub use outcome::{Mark, Outcome};
pub use traffic::Pace;

/// Between setting up and measuring: what setting up needed for a moment is free again.
pub const SETTLE: Duration = Duration::from_millis(500);

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A stream or a process failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The meshes could not be made.
    #[error(transparent)]
    SetUp(#[from] SetUpError<io::Error>),
}

/// How fast, and how long.
#[derive(Clone, Copy, Debug)]
pub struct Course {
    /// How messages follow each other.
    pub pace: Pace,
    /// How long is measured, after a warm-up of a third of it.
    pub time: Duration,
}

/// Whom the load is on.
#[derive(Debug)]
pub enum Site {
    /// A broker of its own.
    Own(Box<Server>),
    /// One that runs already.
    Other {
        /// Where it listens: the port that the load is on.
        addr: SocketAddr,
        /// What opens it: the admin token, or the secret of the port.
        token: String,
        /// Its process, if it runs on this machine and its costs are wanted.
        process: Option<u32>,
    },
}

impl Site {
    /// Starts a broker.
    ///
    /// # Errors
    /// When it does not start.
    pub fn own(setup: &Setup) -> io::Result<Site> {
        Ok(Site::Own(Box::new(Server::start(setup, None)?)))
    }

    /// The port of peers.
    pub fn mesh(&self) -> SocketAddr {
        match self {
            Site::Own(server) => server.addr,
            Site::Other { addr, .. } => *addr,
        }
    }

    /// What opens the port that the load is on; `own` where the broker is our own.
    pub fn token<'a>(&'a self, own: &'a str) -> &'a str {
        match self {
            Site::Own(_) => own,
            Site::Other { token, .. } => token,
        }
    }

    /// What the system says of the broker; nothing where it is elsewhere.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        match self {
            Site::Own(server) => server.usage(),
            Site::Other { process: Some(process), .. } => Usage::of(*process),
            Site::Other { process: None, .. } => Ok(Usage::default()),
        }
    }

    /// Its counters; commits only of a broker of our own, whose mesh port is known.
    ///
    /// # Errors
    /// When it is gone.
    pub fn mark(&self, shared: Option<&Watched>) -> io::Result<Mark> {
        let usage = self.usage()?;
        let commits = match self {
            Site::Own(server) => metric(server.addr, "peermesh_commits_total")?,
            Site::Other { .. } => 0,
        };
        let mark = Mark { usage, commits, ..Mark::default() };
        shared.map_or(Ok(mark), |shared| shared.mark(mark))
    }
}

/// A Postgres database behind a proxy that counts what is asked of it.
#[derive(Clone, Debug)]
pub struct Watched {
    proxy: Arc<Proxy>,
    database: Arc<Database>,
}

impl Watched {
    /// An empty database on that server.
    pub fn on(server: &PostgresServer) -> Watched {
        let database = server.database();
        Watched { proxy: Arc::new(Proxy::to(database.address())), database: Arc::new(database) }
    }

    /// Where a broker finds it.
    pub fn url(&self) -> String {
        self.database.url_by(self.proxy.port())
    }

    /// The same without the proxy, which takes its time.
    pub fn direct_url(&self) -> String {
        self.database.url().to_owned()
    }

    /// A session of the owner.
    pub fn session(&self) -> postgres::Client {
        self.database.client()
    }

    fn mark(&self, mark: Mark) -> io::Result<Mark> {
        let counts = self.proxy.counts();
        // The server tells its own count about a second late.
        let told =
            "SELECT pg_stat_get_db_xact_commit(oid) FROM pg_database WHERE datname = current_database()";
        let row = self.database.client().query_one(told, &[]).map_err(io::Error::other)?;
        let transactions = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        let statements = counts.calls.values().sum();
        Ok(Mark { statements, round_trips: counts.round_trips, transactions, ..mark })
    }
}
