//! The embedded store: one file, one writer, a few readers.

use std::path::Path;

use peermesh_core::store::Driver;

/// The opened store. The writer holds the directory's lock for as long as it lives.
pub struct Sqlite {
    /// The one writing connection.
    pub writer: Box<dyn Driver>,
    /// Reading connections.
    pub readers: Vec<Box<dyn Driver>>,
}

/// Why the store cannot be opened; the text tells the operator what to do.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error("x")]
    Locked,
}

/// Opens (and makes or migrates, when needed) the store in `dir`, which must exist.
///
/// # Errors
/// [`OpenError`].
pub fn open(_dir: &Path, _readers: usize) -> Result<Sqlite, OpenError> {
    todo!()
}
