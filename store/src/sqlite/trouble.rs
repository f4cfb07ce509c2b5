//! What SQLite's errors mean for whoever waits: nothing was written, no room, not to be trusted.

use std::sync::{Arc, OnceLock};

use peermesh_core::store::StoreError;
use rusqlite::{Connection, Error, ErrorCode, ffi};

use crate::rows::BadRow;

/// Why something was not performed.
#[derive(Debug)]
pub(super) enum Trouble {
    Sql(Error),
    Row(BadRow),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Trouble {
        Trouble::Sql(error)
    }
}

impl From<BadRow> for Trouble {
    fn from(row: BadRow) -> Trouble {
        Trouble::Row(row)
    }
}

impl Trouble {
    /// What to tell the core when nothing of the request was written.
    pub(super) fn refusal(&self, conn: &Connection) -> StoreError {
        let corrupt =
            |detail: &str| StoreError::Corrupt(corrupt_text(conn.path().unwrap_or_default(), detail));
        let error = match self {
            Trouble::Row(BadRow(what)) => return corrupt(what),
            Trouble::Sql(error) => error,
        };
        match error {
            Error::SqliteFailure(code, _) if code.code == ErrorCode::DiskFull => StoreError::Full,
            Error::SqliteFailure(code, _) if is_corrupt(*code) => corrupt(&error.to_string()),
            Error::SqliteFailure(..) => StoreError::Unavailable(error.to_string()),
            Error::QueryReturnedNoRows => corrupt("a row that always exists is missing"),
            // Everything else is about a value that does not have the type its column has.
            _ => corrupt(&error.to_string()),
        }
    }

    /// What to tell the core when COMMIT failed. As long as the transaction is open, nothing was written; the
    /// caller rolls it back. When SQLite has ended it by itself, the last frame may be in the log or not,
    /// unless there was no room for it.
    pub(super) fn failed_commit(&self, conn: &Connection, still_open: bool) -> StoreError {
        let refusal = self.refusal(conn);
        match refusal {
            StoreError::Unavailable(why) if !still_open => StoreError::Unknown(why),
            StoreError::Unavailable(_)
            | StoreError::Full
            | StoreError::Corrupt(_)
            | StoreError::Busy(_)
            | StoreError::Fenced(_)
            | StoreError::Unknown(_) => refusal,
        }
    }

    /// True when the disk did not confirm a sync. What it holds is not known from here on, and a later sync
    /// that succeeds proves nothing about the earlier bytes.
    pub(super) fn is_failed_sync(&self) -> bool {
        let Trouble::Sql(Error::SqliteFailure(code, _)) = self else { return false };
        matches!(code.extended_code, ffi::SQLITE_IOERR_FSYNC | ffi::SQLITE_IOERR_DIR_FSYNC)
    }
}

/// True when the file is damaged, or no database at all.
pub(super) fn is_corrupt(code: ffi::Error) -> bool {
    matches!(code.code, ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase)
        || matches!(code.extended_code, ffi::SQLITE_IOERR_CORRUPTFS | ffi::SQLITE_IOERR_DATA)
}

/// Names the damaged file and a way to save what is in it.
pub(super) fn corrupt_text(file: &str, detail: &str) -> String {
    format!(
        "{file} is damaged ({detail}). Stop the broker, keep a copy of the data directory, and either restore \
         a backup or save what can be read with: sqlite3 '{file}' .recover | sqlite3 '{file}.recovered'"
    )
}

/// The reason, once there is one, not to trust this store until the process has started again. Shared by the
/// writer and its readers.
#[derive(Clone, Debug, Default)]
pub(super) struct Distrust(Arc<OnceLock<String>>);

impl Distrust {
    /// Refuses when the store is not trusted.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.0.get().map_or(Ok(()), |why| Err(StoreError::Corrupt(why.clone())))
    }

    /// Stops trusting the store after a failed sync.
    pub(super) fn note(&self, trouble: &Trouble) {
        if trouble.is_failed_sync() {
            let why = "the disk did not confirm a sync, so what it holds is not known; start the broker \
                       again, and it will recover from its log";
            self.0.get_or_init(|| why.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sqlite(code: i32) -> Trouble {
        Trouble::Sql(Error::SqliteFailure(ffi::Error::new(code), None))
    }

    #[test]
    fn f_sto_01_a_full_disk_is_told_apart_from_other_failures() {
        let conn = Connection::open_in_memory().unwrap();
        assert_eq!(sqlite(ffi::SQLITE_FULL).refusal(&conn), StoreError::Full);
        for code in [ffi::SQLITE_BUSY, ffi::SQLITE_LOCKED, ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_READONLY] {
            assert!(matches!(sqlite(code).refusal(&conn), StoreError::Unavailable(_)), "{code}");
        }
    }

    #[test]
    fn f_sto_04_damage_is_named_with_its_file_and_a_way_to_repair_it() {
        let dir = tempfile::tempdir().unwrap();
        let conn = Connection::open(dir.path().join("peermesh.db")).unwrap();
        for trouble in [
            sqlite(ffi::SQLITE_CORRUPT),
            sqlite(ffi::SQLITE_CORRUPT_INDEX),
            sqlite(ffi::SQLITE_NOTADB),
            sqlite(ffi::SQLITE_IOERR_CORRUPTFS),
            Trouble::Sql(Error::QueryReturnedNoRows),
            Trouble::Row(BadRow("a negative count")),
        ] {
            let StoreError::Corrupt(text) = trouble.refusal(&conn) else { panic!("{trouble:?}") };
            assert!(text.contains("peermesh.db is damaged") && text.contains(".recover"), "{text}");
        }
    }

    #[test]
    fn f_acc_07_a_failed_commit_is_unknown_unless_it_surely_wrote_nothing() {
        let conn = Connection::open_in_memory().unwrap();
        let busy = sqlite(ffi::SQLITE_BUSY);
        assert!(matches!(busy.failed_commit(&conn, true), StoreError::Unavailable(_)));
        for code in [ffi::SQLITE_IOERR_WRITE, ffi::SQLITE_IOERR_FSYNC] {
            assert!(matches!(sqlite(code).failed_commit(&conn, false), StoreError::Unknown(_)));
        }
        assert_eq!(sqlite(ffi::SQLITE_FULL).failed_commit(&conn, false), StoreError::Full);
    }

    #[test]
    fn f_sto_02_after_a_failed_sync_nothing_is_trusted() {
        let distrust = Distrust::default();
        let reader = distrust.clone();
        distrust.note(&sqlite(ffi::SQLITE_IOERR_WRITE));
        assert_eq!(reader.check(), Ok(()));
        distrust.note(&sqlite(ffi::SQLITE_IOERR_FSYNC));
        assert!(matches!(reader.check(), Err(StoreError::Corrupt(_))));
    }
}
