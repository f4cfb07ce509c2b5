//! Where a life takes place: real sockets and real time.

use peermesh_conformance::driver::runtime::Runtime;
use peermesh_conformance::driver::sockets::Sockets;
use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::{Terms, Told};

/// What is under a town.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// On threads over SQLite.
    Sqlite,
    /// The same on smol over Postgres, so that lives are lived on both runtimes.
    Postgres,
}

impl Ground {
    pub(crate) fn town(self, terms: &Terms) -> Told<Town> {
        match self {
            Ground::Sqlite => Ok(Town::on(Box::new(Sockets::new(Runtime::Threads, terms)?), terms)),
            Ground::Postgres => Ok(Town::on(Box::new(Sockets::on_postgres(Runtime::Smol, terms)?), terms)),
        }
    }
}
