//! Drivers that perform the core's store requests on real databases.
//!
//! `core/src/store/model` says what every operation and question means; a driver here means exactly that, on
//! disk.

#[cfg(feature = "postgres")]
pub mod postgres;
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;
