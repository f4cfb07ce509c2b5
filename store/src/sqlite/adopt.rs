//! Makes a store that was restored from an older copy one with a history of its own.
//!
//! *Always holds:* it is done as a whole or not at all, and only while no broker has the store.

use std::path::{Path, PathBuf};

use peermesh_core::ids::HistoryEpoch;
use peermesh_core::store::{Adopted, History};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};

use super::open::{self, OpenError, cannot_open, connect, refused};
use super::sql;
use super::trouble::Trouble;
use super::write::history as history_of;
use crate::rows;

/// Why a store was not adopted. Nothing of it was changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// It cannot be opened, or a broker has it.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// There is none.
    #[error(
        "there is no store in {}; restore the copy there first: peermesh.db, and peermesh.db-wal if the copy has \
         one", dir.display()
    )]
    NoStore {
        /// The directory.
        dir: PathBuf,
    },
    /// It has been adopted too often.
    #[error("no positions are left for another history; move its meshes to a fresh store")]
    Exhausted,
}

/// Adopts the store in `dir`, after it was brought up to date: from here on it tells the history `epoch`.
///
/// # Errors
/// [`AdoptError`], after which nothing is left locked.
pub fn adopt(dir: &Path, epoch: HistoryEpoch, at: Wall) -> Result<Adopted, AdoptError> {
    let file = there(dir)?;
    let (mut writer, _, _) = open::open_parts(dir, 0)?;
    let adopted = write(writer.conn_mut(), epoch, at).map_err(|trouble| refused(&file, &trouble))?;
    adopted.ok_or(AdoptError::Exhausted)
}

/// What [`adopt`] would change.
///
/// # Errors
/// [`AdoptError`], as [`adopt`] would fail.
pub fn adopt_look(dir: &Path) -> Result<Adopted, AdoptError> {
    let file = there(dir)?;
    let _lock = open::take_lock(&dir.join("lock"))?;
    let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    let found = look(&conn).map_err(|trouble| refused(&file, &trouble))?;
    found.ok_or(AdoptError::Exhausted)
}

/// Which history the store in `dir` tells, whether or not a broker uses it; none where there is no store.
///
/// # Errors
/// [`OpenError`] when it cannot be read.
pub fn history(dir: &Path) -> Result<Option<History>, OpenError> {
    let file = dir.join("peermesh.db");
    if !file.try_exists().map_err(|source| cannot_open(&file, source))? {
        return Ok(None);
    }
    let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
    history_of(&conn).map(Some).map_err(|trouble| refused(&file, &trouble))
}

/// The store's file, if there is a store in it: opening it would make one.
fn there(dir: &Path) -> Result<PathBuf, AdoptError> {
    let file = dir.join("peermesh.db");
    if file.try_exists().map_err(|source| cannot_open(&file, source))? {
        let conn = connect(&file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if open::schema_version(&conn).map_err(|error| refused(&file, &error.into()))?.is_some() {
            return Ok(file);
        }
    }
    Err(AdoptError::NoStore { dir: dir.to_owned() })
}

fn look(conn: &Connection) -> Result<Option<Adopted>, Trouble> {
    let mut read = conn.prepare_cached(sql::ADOPT_LOOK)?;
    let (lost, next, runner_epochs): (Vec<u8>, i64, i64) =
        read.query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    Ok(Adopted::after(rows::history_epoch(&lost)?, rows::position(next)?.0, rows::count(runner_epochs)?))
}

fn write(conn: &mut Connection, epoch: HistoryEpoch, at: Wall) -> Result<Option<Adopted>, Trouble> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let Some(adopted) = look(&transaction)? else { return Ok(None) };
    let floor = rows::position_column(adopted.floor);
    transaction.execute(sql::ADOPT_STORE, (epoch.0, at.as_millis(), floor, Adopted::NUMBERS))?;
    let epochs = rows::count_column(Adopted::EPOCHS);
    transaction.execute(sql::ADOPT_SCOPES, [epochs])?;
    transaction.execute(sql::ADOPT_RUNNERS, [epochs])?;
    transaction.execute(sql::ADOPT_TOPICS, [epoch.hex()])?;
    transaction.commit()?;
    Ok(Some(adopted))
}
