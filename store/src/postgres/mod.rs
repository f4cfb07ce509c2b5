//! The shared store: one Postgres database, any number of brokers.
//!
//! Lanes borrow connections from a bounded pool; one more connection, the health connection, keeps this
//! process registered as a broker, and its end is how the loss of the database is noticed. Nothing connects
//! before the first ping: that one brings the tables up to date, judges the server, registers the broker and
//! opens the gate for the lanes, which answer `Unavailable` until then.
//!
//! *Always holds:* a batch is one transaction, and in it stand the fences it was written under. A broker's
//! session keeps advisory locks, so a pool in front of the server that hands sessions around between
//! transactions cannot work.

mod adopt;
mod call;
mod check;
mod feed;
mod fitness;
mod gate;
mod health;
mod inspect;
mod line;
mod link;
mod live;
mod migrate;
mod options;
mod people;
mod pool;
mod rare;
mod read;
mod receipts;
mod runner;
mod seen;
mod sql;
mod tls;
mod trouble;
mod url;
mod write;

use std::sync::Arc;

use peermesh_core::store::Driver;

pub use adopt::{AdoptError, adopt, adopt_look};
pub use feed::{CHANNEL, listen};
pub use inspect::{Server, Unfitness, inspect};
pub use migrate::{MigrateError, Report, migrate};
pub use options::{Options, OptionsError, Waits};

/// Says why this process cannot serve from the database at all, once. It is not asked for again.
pub type Unfit = Arc<dyn Fn(String) + Send + Sync>;

/// The drivers of a store that may not have been reached yet.
pub struct Postgres {
    /// Writing lanes, at most two.
    pub writers: Vec<Box<dyn Driver>>,
    /// Reading lanes.
    pub readers: Vec<Box<dyn Driver>>,
    /// The lane of the health connection: it alone makes the store usable, by being pinged.
    pub health: Box<dyn Driver>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres")
            .field("writers", &self.writers.len())
            .field("readers", &self.readers.len())
            .finish_non_exhaustive()
    }
}

/// Makes the drivers, without touching the network. `unfit` is called when the first answer of the database
/// shows that this program must not serve from it: its tables are a newer program's, cannot be brought up to
/// date, or the server may lose what it confirmed.
pub fn open(options: &Options, unfit: Unfit) -> Postgres {
    let gate = gate::Gate::new();
    let pool = pool::Pool::new(options, &gate);
    let writer = |_| Box::new(write::Writer::new(pool.clone(), gate.clone())) as Box<dyn Driver>;
    let reader = |_| Box::new(read::Reader::new(pool.clone(), gate.clone())) as Box<dyn Driver>;
    Postgres {
        writers: (0..options.writers()).map(writer).collect(),
        readers: (0..options.readers()).map(reader).collect(),
        health: Box::new(health::Health::new(options, gate, unfit)),
    }
}

/// Every statement this driver runs, by name, for whoever wants to ask the planner about them.
pub fn statements() -> &'static [(&'static str, &'static str)] {
    sql::ALL
}
