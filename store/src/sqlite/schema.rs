//! Looks at how far the tables of a store have come, without changing anything.

use std::path::Path;

use peermesh_migrations::sqlite as migrations;
use rusqlite::OpenFlags;

use super::open::{OpenError, cannot_open, connect, refused, schema_version};

/// Names of migrations, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// What the store has.
    pub applied: Vec<String>,
    /// What [`open`](super::open()) will apply.
    pub pending: Vec<String>,
}

/// Looks at the store in `dir`, whether or not a broker uses it. Where there is none, everything is pending.
///
/// # Errors
/// [`OpenError`] when it cannot be read, is damaged, or belongs to a newer program.
pub fn schema(dir: &Path) -> Result<Schema, OpenError> {
    let file = dir.join("peermesh.db");
    let found = if file.try_exists().map_err(|source| cannot_open(&file, source))? {
        let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        schema_version(&conn).map_err(|error| refused(&file, &error.into()))?.unwrap_or(0)
    } else {
        0
    };
    if found > i64::from(migrations::LATEST) {
        return Err(OpenError::NewerSchema { file, found, known: migrations::LATEST });
    }
    let mut applied = migrations::names();
    let pending = applied.split_off(migrations::count_to(found));
    Ok(Schema { applied, pending })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sqlite::open;

    #[test]
    fn everything_is_pending_before_the_first_start_and_nothing_after_it() {
        let dir = tempfile::tempdir().unwrap();
        let before = schema(dir.path()).unwrap();
        assert_eq!((before.applied.len(), &before.pending), (0, &migrations::names()));
        assert!(std::fs::read_dir(dir.path()).unwrap().next().is_none(), "looking makes nothing");
        let store = open(dir.path(), 0).unwrap();
        let running = schema(dir.path()).unwrap();
        drop(store);
        let after = schema(dir.path()).unwrap();
        assert_eq!((&after.applied, after.pending.len()), (&migrations::names(), 0));
        assert_eq!(running, after, "a store in use can be looked at");
    }

    #[test]
    fn f_sto_15_a_store_of_a_newer_program_is_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), 0).unwrap());
        let file = dir.path().join("peermesh.db");
        let newer = "UPDATE refinery_schema_history SET version = 9999 WHERE version = 6";
        rusqlite::Connection::open(file).unwrap().execute(newer, ()).unwrap();
        assert!(matches!(schema(dir.path()), Err(OpenError::NewerSchema { found: 9999, .. })));
    }
}
