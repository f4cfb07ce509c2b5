//! Stores that are held against the model, opened where nobody else is.

use std::path::Path;
use std::sync::Arc;

use peermesh_conformance::server::Database;
use peermesh_core::store::{Driver, Query};
use peermesh_store::postgres::{self, Options, Postgres};
use peermesh_store::sqlite::{self, Sqlite};
use tempfile::TempDir;

use crate::found;

/// A store that lives through the same as the model.
pub(crate) trait Beside {
    fn writer(&mut self) -> &mut dyn Driver;
    fn reader(&mut self) -> &mut dyn Driver;
    /// Ends the process and starts it again, as far as the store can tell.
    fn reopen(&mut self);
}

pub(crate) struct OnSqlite {
    /// None only while it is closed and opened again.
    open: Option<Sqlite>,
    dir: TempDir,
}

impl OnSqlite {
    pub(crate) fn new() -> OnSqlite {
        let dir = memory_dir();
        OnSqlite { open: Some(open_sqlite(dir.path())), dir }
    }
}

impl Beside for OnSqlite {
    fn writer(&mut self) -> &mut dyn Driver {
        &mut *self.open.as_mut().unwrap().writer
    }

    fn reader(&mut self) -> &mut dyn Driver {
        &mut *self.open.as_mut().unwrap().readers[0]
    }

    fn reopen(&mut self) {
        self.open = None;
        self.open = Some(open_sqlite(self.dir.path()));
    }
}

pub(crate) struct OnPostgres {
    open: Option<Postgres>,
    database: Database,
}

impl OnPostgres {
    pub(crate) fn new() -> OnPostgres {
        let database = Database::fresh();
        OnPostgres { open: Some(open_postgres(&database, "one")), database }
    }

    /// Lets another program write for a live topic.
    pub(crate) fn feeds(&mut self, topic: &str, key: Option<&str>, version: Option<i64>, data: &str) {
        let insert =
            "INSERT INTO mesh.live_feed (topic, key, version, data) VALUES ($1, $2, $3, $4::text::json)";
        self.database.client().execute(insert, &[&topic, &key, &version, &data]).unwrap();
    }
}

impl Beside for OnPostgres {
    fn writer(&mut self) -> &mut dyn Driver {
        &mut *self.open.as_mut().unwrap().writers[0]
    }

    fn reader(&mut self) -> &mut dyn Driver {
        &mut *self.open.as_mut().unwrap().readers[0]
    }

    fn reopen(&mut self) {
        self.open = None;
        self.open = Some(open_postgres(&self.database, "one"));
    }
}

/// A directory in memory where there is one: these stories are about meaning, not about the disk.
pub(crate) fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).unwrap()
}

pub(crate) fn open_sqlite(dir: &Path) -> Sqlite {
    sqlite::open(dir, 1).unwrap()
}

/// The store of a broker of that name, ready for work.
pub(crate) fn open_postgres(database: &Database, name: &str) -> Postgres {
    let mut options = Options::parse(database.url()).unwrap();
    name.clone_into(&mut options.instance);
    let mut store = postgres::open(&options, Arc::new(|why| panic!("{why}")));
    found(store.health.read(&Query::Ping { hold_ms: 0 }));
    store
}
