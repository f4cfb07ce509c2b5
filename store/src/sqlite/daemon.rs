//! The two files of a daemon: `outbox.db` and `inbox.db`, one writer, a few readers.
//!
//! *Always holds:* an outbox that is damaged is left as it is and refused, for what it holds was promised to
//! somebody. An inbox that is damaged is set aside whole, and a fresh one takes its place: the broker sends
//! again what was not acknowledged.

mod inbox;
mod outbox;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use peermesh_core::store::{
    Answer, Batch, DaemonFound, DaemonOp, DaemonQuery, DaemonReply, Driver, Found, Op, Query, Reply,
    StoreError, StoreResult,
};
use peermesh_migrations::daemon as migrations;
use rusqlite::{Connection, OpenFlags};

use super::open::{OpenError, check_library, connect, make_private, refused, schema_version};
use super::trouble::{Distrust, Trouble};
use super::write::{roll_back, run};
use super::{place, sql};

/// The opened files of a daemon.
pub struct DaemonStore {
    /// The one that writes.
    pub writer: Box<dyn Driver>,
    /// Those that read.
    pub readers: Vec<Box<dyn Driver>>,
    /// Where a damaged inbox was put, if it was.
    pub set_aside: Option<PathBuf>,
}

impl std::fmt::Debug for DaemonStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let DaemonStore { readers, set_aside, .. } = self;
        f.debug_struct("DaemonStore").field("readers", &readers.len()).field("set_aside", set_aside).finish()
    }
}

/// Opens (and makes or migrates, when needed) the files in `dir`, which must exist and be the caller's alone
/// for as long as they are used.
///
/// # Errors
/// [`OpenError`]; then nothing was changed but for an inbox that was set aside.
pub fn open_daemon(dir: &Path, readers: usize) -> Result<DaemonStore, OpenError> {
    check_library(rusqlite::version_number())?;
    if let Some(kind) = place::network_filesystem(dir) {
        return Err(OpenError::NetworkFilesystem { dir: dir.to_owned(), kind });
    }
    let migrate_outbox = |conn: &mut Connection| text_of(migrations::outbox().run(conn));
    let migrate_inbox = |conn: &mut Connection| text_of(migrations::inbox().run(conn));
    let (out_file, in_file) = (dir.join("outbox.db"), dir.join("inbox.db"));
    let outbox = prepare(&out_file, &migrate_outbox)?;
    let (inbox, set_aside) = match prepare(&in_file, &migrate_inbox) {
        Ok(inbox) => (inbox, None),
        Err(OpenError::Corrupt { .. }) => {
            let aside = set_aside(&in_file)?;
            (prepare(&in_file, &migrate_inbox)?, Some(aside))
        }
        Err(error) => return Err(error),
    };
    let read = |_| {
        let open = |file: &Path| connect(file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let files = Files { outbox: open(&out_file)?, inbox: open(&in_file)?, distrust: Distrust::default() };
        Ok(Box::new(files) as Box<dyn Driver>)
    };
    let readers = (0..readers).map(read).collect::<Result<_, OpenError>>()?;
    let writer = Box::new(Files { outbox, inbox, distrust: Distrust::default() });
    Ok(DaemonStore { writer, readers, set_aside })
}

/// Opens one file for writing, whole and up to date.
fn prepare(file: &Path, migrate: &Migrate) -> Result<Connection, OpenError> {
    make_private(file)?;
    let mut conn = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let set_up = |conn: &Connection| -> Result<(String, String), rusqlite::Error> {
        let mode = conn.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
        // What is told to be queued, or to be delivered, must survive the loss of power.
        conn.pragma_update(None, "synchronous", "FULL")?;
        let health = conn.query_row("PRAGMA quick_check(1)", (), |row| row.get(0))?;
        Ok((mode, health))
    };
    let (mode, health) = set_up(&conn).map_err(|error| refused(file, &error.into()))?;
    if health != "ok" {
        let text = super::trouble::corrupt_text(&file.display().to_string(), &health);
        return Err(OpenError::Corrupt { file: file.to_owned(), text });
    }
    if mode != "wal" {
        let detail = format!("it keeps a journal of mode {mode} instead of a write-ahead log");
        return Err(OpenError::Sqlite { file: file.to_owned(), detail });
    }
    let found = schema_version(&conn).map_err(|error| refused(file, &error.into()))?;
    if let Some(found) = found.filter(|found| *found > i64::from(migrations::LATEST)) {
        return Err(OpenError::NewerSchema { file: file.to_owned(), found, known: migrations::LATEST });
    }
    migrate(&mut conn).map_err(|detail| OpenError::Migration { file: file.to_owned(), detail })?;
    Ok(conn)
}

/// Brings the tables of one file up to date.
type Migrate = dyn Fn(&mut Connection) -> Result<(), String>;

fn text_of<T, E: std::fmt::Display>(result: Result<T, E>) -> Result<(), String> {
    result.map(drop).map_err(|error| error.to_string())
}

/// Puts a file and its log aside under a name of this moment.
fn set_aside(file: &Path) -> Result<PathBuf, OpenError> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let with = |end: &str| {
        let mut name = OsString::from(file);
        name.push(end);
        PathBuf::from(name)
    };
    let aside = format!(".corrupt-{seconds}");
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (with(end), with(&format!("{aside}{end}")));
        match fs::rename(&from, to) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(OpenError::Io { file: from, source: error });
            }
            Ok(()) | Err(_) => {}
        }
    }
    Ok(with(&aside))
}

/// Both files, to write or to read.
struct Files {
    outbox: Connection,
    inbox: Connection,
    distrust: Distrust,
}

impl Driver for Files {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        batches.iter().map(|batch| self.commit(batch)).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        self.distrust.check()?;
        let (conn, found) = match query {
            Query::Daemon(DaemonQuery::Outbox(query)) => (&self.outbox, outbox::find(&self.outbox, query)),
            Query::Daemon(DaemonQuery::Inbox(query)) => (&self.inbox, inbox::find(&self.inbox, query)),
            _ => return Err(foreign()),
        };
        let found: DaemonFound = found.map_err(|trouble| self.refusal(conn, &trouble))?;
        Ok(Answer::Found(Box::new(Found::Daemon(found))))
    }
}

impl Files {
    /// Writes a batch, which concerns one of the files, in one transaction.
    fn commit(&self, batch: &Batch) -> StoreResult {
        self.distrust.check()?;
        let conn = match batch.ops.first() {
            Some(Op::Daemon(DaemonOp::Outbox(_))) => &self.outbox,
            Some(Op::Daemon(DaemonOp::Inbox(_))) => &self.inbox,
            Some(_) => return Err(foreign()),
            None => return Ok(Answer::Replies(Vec::new())),
        };
        let begun = roll_back(conn).and_then(|()| run(conn, sql::BEGIN, ()));
        begun.map_err(|trouble| self.refusal(conn, &trouble))?;
        let replies: Result<Vec<Reply>, StoreError> =
            batch.ops.iter().map(|op| self.perform(conn, op).map(Reply::Daemon)).collect();
        let replies = match replies {
            Ok(replies) => replies,
            Err(error) => {
                self.abandon(conn);
                return Err(error);
            }
        };
        run(conn, sql::COMMIT, ()).map_err(|trouble| {
            self.distrust.note(&trouble);
            let error = trouble.failed_commit(conn, !conn.is_autocommit());
            self.abandon(conn);
            error
        })?;
        Ok(Answer::Replies(replies))
    }

    fn perform(&self, conn: &Connection, op: &Op) -> Result<DaemonReply, StoreError> {
        let is_outbox = std::ptr::eq(conn, &raw const self.outbox);
        let done = match op {
            Op::Daemon(DaemonOp::Outbox(op)) if is_outbox => outbox::write(conn, op),
            Op::Daemon(DaemonOp::Inbox(op)) if !is_outbox => inbox::write(conn, op),
            _ => return Err(foreign()),
        };
        done.map_err(|trouble| self.refusal(conn, &trouble))
    }

    fn refusal(&self, conn: &Connection, trouble: &Trouble) -> StoreError {
        self.distrust.note(trouble);
        trouble.refusal(conn)
    }

    /// Ends what is left of a transaction that failed; when even that fails, the next call tries again.
    fn abandon(&self, conn: &Connection) {
        if let Err(trouble) = roll_back(conn) {
            self.distrust.note(&trouble);
        }
    }
}

fn foreign() -> StoreError {
    StoreError::Corrupt("the store of a daemon was asked for something else".to_owned())
}

#[cfg(test)]
mod power;
#[cfg(test)]
mod tests;
