//! Copies of a store, and how one of them takes its place: what an operator does who has lost a disk.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use peermesh_core::ids::HistoryEpoch;
use peermesh_core::time::Wall;
use peermesh_store::postgres::{self, Options};
use peermesh_store::sqlite;
use tempfile::TempDir;

use crate::server::Database;
use crate::story::{Said, Told};

/// Where copies of a store are kept. No broker uses the store meanwhile.
pub trait Attic {
    /// Copies the store.
    ///
    /// # Errors
    /// When that does not work.
    fn copy(&mut self) -> Told<()>;

    /// Puts the copy into the store's place, and adopts it under this name.
    ///
    /// # Errors
    /// When that does not work, or there is no copy.
    fn restore(&mut self, epoch: HistoryEpoch, at: Wall) -> Told<()>;
}

/// Copies of an embedded store.
#[derive(Debug)]
pub struct Folder {
    store: Arc<TempDir>,
    copy: Option<TempDir>,
}

impl Folder {
    /// Of the store in this folder.
    pub fn of(store: &Arc<TempDir>) -> Folder {
        Folder { store: Arc::clone(store), copy: None }
    }
}

impl Attic for Folder {
    fn copy(&mut self) -> Told<()> {
        let copy = TempDir::new().map_err(said)?;
        copy_files(self.store.path(), copy.path()).map_err(said)?;
        self.copy = Some(copy);
        Ok(())
    }

    fn restore(&mut self, epoch: HistoryEpoch, at: Wall) -> Told<()> {
        let copy = self.copy.as_ref().ok_or("there is no copy of the store")?;
        for file in fs::read_dir(self.store.path()).map_err(said)? {
            fs::remove_file(file.map_err(said)?.path()).map_err(said)?;
        }
        copy_files(copy.path(), self.store.path()).map_err(said)?;
        sqlite::adopt(self.store.path(), epoch, at).map(drop).map_err(said)
    }
}

/// Copies of a database.
#[derive(Debug)]
pub struct Databases {
    store: Arc<Database>,
    copy: Option<Database>,
}

impl Databases {
    /// Of this one.
    pub fn of(store: &Arc<Database>) -> Databases {
        Databases { store: Arc::clone(store), copy: None }
    }
}

impl Attic for Databases {
    fn copy(&mut self) -> Told<()> {
        self.copy = Some(self.store.copied());
        Ok(())
    }

    fn restore(&mut self, epoch: HistoryEpoch, at: Wall) -> Told<()> {
        let copy = self.copy.as_ref().ok_or("there is no copy of the store")?;
        self.store.restored_from(copy);
        // The copy remembers a broker that had not ended, so its lease has to run out first.
        let lapse = "UPDATE mesh.broker SET alive_until = clock_timestamp()";
        self.store.client().batch_execute(lapse).map_err(said)?;
        let options = Options::parse(self.store.url()).map_err(said)?;
        postgres::adopt(&options, epoch, at).map(drop).map_err(said)
    }
}

/// Copies the files of a folder that has no folders.
///
/// # Errors
/// What the system said.
pub fn copy_files(from: &Path, to: &Path) -> std::io::Result<()> {
    for file in fs::read_dir(from)? {
        let file = file?;
        fs::copy(file.path(), to.join(file.file_name()))?;
    }
    Ok(())
}

fn said(error: impl std::fmt::Display) -> Said {
    Said(error.to_string())
}
