//! Opens a store, or says in words an operator can act on why that cannot be.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use peermesh_core::store::Driver;
use peermesh_migrations::sqlite as migrations;
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::read::Reader;
use super::trouble::{Distrust, Trouble, corrupt_text, is_corrupt};
use super::write::{Writer, store_row};
use super::{Sqlite, place, scope, sql};

/// The oldest SQLite library that may be linked: those before it can damage a log that is reset while it is
/// written.
const SQLITE_MIN: i32 = 3_051_003;

/// How long a statement waits for somebody else's lock. Nobody else writes, so this is about backups and
/// tools.
const BUSY: Duration = Duration::from_secs(5);

/// Pages kept in memory, in KiB and negative, as SQLite wants it. What is written next is near what was
/// written last, and the kernel has a copy of the rest, so a larger cache costs memory and saves no time:
/// SQLite walks through all of it after commits that split pages.
const WRITER_CACHE: i64 = -4_096;
const READER_CACHE: i64 = -4_096;

/// Why the store cannot be opened; the text tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There is no such directory.
    #[error("the data directory {} does not exist; create it, or name another with --data", dir.display())]
    Missing {
        /// The directory.
        dir: PathBuf,
    },
    /// It is not ours to write.
    #[error(
        "{} cannot be written ({source}); give this user write permission there, or name another directory \
         with --data", file.display()
    )]
    ReadOnly {
        /// The file or directory.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another process has it.
    #[error(
        "another process{} uses this data directory and holds {}; stop it first, or name another directory \
         with --data", pid.as_ref().map(|pid| format!(" (pid {pid})")).unwrap_or_default(), file.display()
    )]
    Locked {
        /// The lock file.
        file: PathBuf,
        /// The process, as far as the file tells.
        pid: Option<String>,
    },
    /// The directory is on another machine.
    #[error(
        "{} is on a network file system ({kind}), where SQLite can lose data; name a directory on a local \
         disk with --data", dir.display()
    )]
    NetworkFilesystem {
        /// The directory.
        dir: PathBuf,
        /// The file system.
        kind: String,
    },
    /// The SQLite library has a fault that can lose data.
    #[error("SQLite {found} can damage its log; build peermesh with SQLite {wanted} or newer")]
    SqliteTooOld {
        /// The version that is linked.
        found: String,
        /// The oldest one that will do.
        wanted: String,
    },
    /// A newer program has changed the tables.
    #[error(
        "{} has schema version {found}, but this program knows only up to {known}; start the newer peermesh \
         that wrote it, or restore a backup from before the upgrade", file.display()
    )]
    NewerSchema {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// The newest version this program knows.
        known: i32,
    },
    /// The file is damaged or no database.
    #[error("{text}")]
    Corrupt {
        /// The database.
        file: PathBuf,
        /// What is wrong, and what can be done.
        text: String,
    },
    /// The tables could not be made or brought up to date.
    #[error("the tables in {} could not be brought up to date and were left alone: {detail}", file.display())]
    Migration {
        /// The database.
        file: PathBuf,
        /// What went wrong.
        detail: String,
    },
    /// The system refused.
    #[error("{} cannot be opened: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// SQLite refused.
    #[error("SQLite cannot use {}: {detail}; is the disk full, or another program using it?", file.display())]
    Sqlite {
        /// The database.
        file: PathBuf,
        /// What SQLite said.
        detail: String,
    },
}

/// Opens (and makes or migrates, when needed) the store in `dir`, which must exist, with that many reading
/// connections.
///
/// # Errors
/// [`OpenError`], after which nothing is left locked.
pub fn open(dir: &Path, readers: usize) -> Result<Sqlite, OpenError> {
    let (mut writer, readers, _) = open_parts(dir, readers)?;
    writer.checkpoint_beside(open_copier(dir)?);
    let readers = readers.into_iter().map(|reader| Box::new(reader) as Box<dyn Driver>).collect();
    Ok(Sqlite { writer: Box::new(writer), readers })
}

/// The connection that brings the log's pages to where they belong, and syncs them there.
pub(super) fn open_copier(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join("peermesh.db");
    let copier = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let set_up = copier.pragma_update(None, "synchronous", "FULL");
    set_up.map_err(|error| refused(&file, &error.into()))?;
    Ok(copier)
}

/// The same, as what they are.
pub(super) fn open_parts(dir: &Path, readers: usize) -> Result<(Writer, Vec<Reader>, Distrust), OpenError> {
    let dir = dir.canonicalize().map_err(|source| match source.kind() {
        io::ErrorKind::NotFound => OpenError::Missing { dir: dir.to_owned() },
        _ => OpenError::Io { file: dir.to_owned(), source },
    })?;
    check_library(rusqlite::version_number())?;
    if let Some(kind) = place::network_filesystem(&dir) {
        return Err(OpenError::NetworkFilesystem { dir, kind });
    }
    let lock = take_lock(&dir.join("lock"))?;
    let file = dir.join("peermesh.db");
    make_private(&file)?;
    let mut conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    set_up_writer(&conn, &file)?;
    migrate(&mut conn, &file)?;
    let (_, secret) = store_row(&conn).map_err(|trouble| refused(&file, &trouble))?;
    let life = scope::new_life(&conn).map_err(|trouble| refused(&file, &trouble))?;
    let distrust = Distrust::default();
    let read = |_| {
        let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        Ok(Reader::new(conn, distrust.clone()))
    };
    let readers: Vec<Reader> = (0..readers).map(read).collect::<Result<_, OpenError>>()?;
    Ok((Writer::new(conn, lock, distrust.clone(), &secret, life), readers, distrust))
}

pub(super) fn check_library(found: i32) -> Result<(), OpenError> {
    let words = |number: i32| format!("{}.{}.{}", number / 1_000_000, number / 1_000 % 1_000, number % 1_000);
    if found < SQLITE_MIN {
        return Err(OpenError::SqliteTooOld { found: words(found), wanted: words(SQLITE_MIN) });
    }
    Ok(())
}

/// Locks the directory until the file is dropped, and leaves our process id in it for whoever comes second.
pub(super) fn take_lock(path: &Path) -> Result<File, OpenError> {
    let broken = |source| cannot_open(path, source);
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let mut file = opened.map_err(broken)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let known = (&file).take(32).read_to_string(&mut pid).is_ok();
            let pid = pid.trim();
            let pid = (known && !pid.is_empty()).then(|| pid.to_owned());
            return Err(OpenError::Locked { file: path.to_owned(), pid });
        }
        Err(TryLockError::Error(source)) => return Err(broken(source)),
    }
    let write_pid = |file: &mut File| {
        file.set_len(0)?;
        file.rewind()?;
        writeln!(file, "{}", std::process::id())
    };
    // The number is only a courtesy: a full disk does not keep the broker from reading what it has.
    write_pid(&mut file).or_else(|source| match source.kind() {
        io::ErrorKind::StorageFull => Ok(()),
        _ => Err(broken(source)),
    })?;
    Ok(file)
}

/// Makes the database file if there is none, for this user's eyes only. SQLite gives its log the same mode.
pub(super) fn make_private(file: &Path) -> Result<(), OpenError> {
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(file);
    made.map(drop).map_err(|source| cannot_open(file, source))
}

pub(super) fn cannot_open(path: &Path, source: io::Error) -> OpenError {
    let file = path.to_owned();
    match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::ReadOnly { file, source }
        }
        _ => OpenError::Io { file, source },
    }
}

/// Opens a connection with what all of them need. NO_MUTEX: a connection has one owner at a time.
pub(super) fn connect(file: &Path, access: OpenFlags) -> Result<Connection, OpenError> {
    let conn = Connection::open_with_flags(file, access | OpenFlags::SQLITE_OPEN_NO_MUTEX);
    let set_up = |conn: &Connection| {
        conn.busy_timeout(BUSY)?;
        conn.set_prepared_statement_cache_capacity(sql::ALL.len());
        // A plan does not depend on what is bound. Otherwise some statements would be prepared again each
        // time.
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        // The build turns foreign keys on; the tables have none, and checking for them would cost every
        // statement.
        conn.pragma_update(None, "foreign_keys", false)?;
        // A fault in mapped memory would end the process; reading reports it.
        conn.pragma_update(None, "mmap_size", 0)?;
        conn.pragma_update(None, "temp_store", "MEMORY")?;
        conn.pragma_update(None, "cache_size", READER_CACHE)
    };
    let conn = conn.and_then(|conn| set_up(&conn).map(|()| conn));
    conn.map_err(|error| refused(file, &error.into()))
}

/// What only the writer sets: the file's form, and that a commit means that the disk has it.
fn set_up_writer(conn: &Connection, file: &Path) -> Result<(), OpenError> {
    let set_up = || -> Result<String, rusqlite::Error> {
        conn.pragma_update(None, "page_size", 4_096)?;
        let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        conn.pragma_update(None, "locking_mode", "NORMAL")?;
        conn.pragma_update(None, "synchronous", "FULL")?;
        conn.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        conn.pragma_update(None, "cache_size", WRITER_CACHE)?;
        Ok(mode)
    };
    let mode = set_up().map_err(|error| refused(file, &error.into()))?;
    if mode != "wal" {
        let detail = format!("it keeps a journal of mode {mode} instead of a write-ahead log");
        return Err(OpenError::Sqlite { file: file.to_owned(), detail });
    }
    Ok(())
}

/// Brings the tables up to date, all in one transaction. The lock sees to it that nobody else does so
/// meanwhile.
fn migrate(conn: &mut Connection, file: &Path) -> Result<(), OpenError> {
    let found = schema_version(conn).map_err(|error| refused(file, &error.into()))?;
    if let Some(found) = found
        && found > i64::from(migrations::LATEST)
    {
        return Err(OpenError::NewerSchema { file: file.to_owned(), found, known: migrations::LATEST });
    }
    let migrated = migrations::runner().run(conn);
    migrated
        .map(drop)
        .map_err(|error| OpenError::Migration { file: file.to_owned(), detail: error.to_string() })
}

/// The version of the newest migration that was applied; none for an empty file.
pub(super) fn schema_version(conn: &Connection) -> Result<Option<i64>, rusqlite::Error> {
    let history = "SELECT 1 FROM sqlite_schema WHERE name = 'refinery_schema_history'";
    if conn.query_row(history, (), |_| Ok(())).optional()?.is_none() {
        return Ok(None);
    }
    conn.query_row("SELECT max(version) FROM refinery_schema_history", (), |row| row.get(0))
}

pub(super) fn refused(file: &Path, trouble: &Trouble) -> OpenError {
    let (file, shown) = (file.to_owned(), file.display().to_string());
    match trouble {
        Trouble::Sql(error @ rusqlite::Error::SqliteFailure(code, _)) if !is_corrupt(*code) => {
            OpenError::Sqlite { file, detail: error.to_string() }
        }
        Trouble::Sql(error) => OpenError::Corrupt { file, text: corrupt_text(&shown, &error.to_string()) },
        Trouble::Row(row) => OpenError::Corrupt { file, text: corrupt_text(&shown, row.0) },
    }
}
