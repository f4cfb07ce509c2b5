//! Opens the store that the settings name, as the lanes that the runtime drives.

use super::runtime::Lanes;

/// The embedded store in this directory.
///
/// # Errors
/// Whatever keeps it from being opened; then nothing is left locked.
#[cfg(feature = "sqlite")]
pub(super) fn sqlite(dir: &std::path::Path) -> Result<Lanes, peermesh_store::sqlite::OpenError> {
    /// Reads are rare and short: a mesh on its first use, a status, a list.
    const READERS: usize = 2;
    let store = peermesh_store::sqlite::open(dir, READERS)?;
    Ok(Lanes { writers: vec![store.writer], readers: store.readers, health: None })
}

/// The shared store. It is reached from its own lanes, later: nothing here waits for it.
#[cfg(feature = "postgres")]
pub(super) fn postgres(
    options: &peermesh_store::postgres::Options,
    unfit: peermesh_store::postgres::Unfit,
) -> Lanes {
    let store = peermesh_store::postgres::open(options, unfit);
    Lanes { writers: store.writers, readers: store.readers, health: Some(store.health) }
}
