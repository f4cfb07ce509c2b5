//! Where a life takes place.

use peermesh_conformance::driver::runtime::Runtime;
use peermesh_conformance::driver::sockets::Sockets;
use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::{Terms, Told};

/// What is under a town.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ground {
    /// The machines over the model, under virtual time.
    Memory,
    /// Real sockets and time over SQLite.
    Sqlite(Runtime),
    /// The same over Postgres.
    Postgres(Runtime),
}

impl Ground {
    pub(crate) fn is_real(self) -> bool {
        self != Ground::Memory
    }

    pub(crate) fn town(self, terms: &Terms) -> Told<Town> {
        match self {
            Ground::Memory => Town::new(terms),
            Ground::Sqlite(runtime) => Ok(Town::on(Box::new(Sockets::new(runtime, terms)?), terms)),
            Ground::Postgres(runtime) => Ok(Town::on(Box::new(Sockets::on_postgres(runtime, terms)?), terms)),
        }
    }
}
