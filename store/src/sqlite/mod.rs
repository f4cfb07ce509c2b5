//! The embedded store: one file, one writer, a few readers.
//!
//! The directory holds `peermesh.db` with its log (`-wal`, `-shm`) and `lock`, which the writer keeps locked
//! for as long as it lives, so that two brokers never write one store.

mod adopt;
mod arrivals;
mod check;
mod checkpoint;
mod daemon;
mod filter;
mod fresh;
mod hooks;
mod keys;
mod live;
mod mail;
mod open;
mod overdue;
mod people;
mod place;
mod prune;
mod read;
mod receipts;
mod roster;
mod rotate;
mod runner;
mod schema;
mod scope;
mod settled;
mod sql;
mod trouble;
mod write;

#[cfg(test)]
mod tests;

use peermesh_core::store::Driver;

pub use adopt::{AdoptError, adopt, adopt_look, history};
pub use daemon::{DaemonStore, open_daemon};
pub use open::{OpenError, open};
pub use schema::{Schema, schema};

/// The opened store. The writer holds the directory's lock for as long as it lives.
pub struct Sqlite {
    /// The one writing connection.
    pub writer: Box<dyn Driver>,
    /// Reading connections.
    pub readers: Vec<Box<dyn Driver>>,
}

impl std::fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sqlite").field("readers", &self.readers.len()).finish_non_exhaustive()
    }
}
