//! Drivers that perform the core's store requests on real databases.

#[cfg(feature = "sqlite")]
pub mod sqlite;
