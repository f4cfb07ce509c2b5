//! Drivers that perform the core's store requests on real databases.
//!
//! `core/src/store/model` says what every operation and question means; a driver here means exactly that, on
//! disk.

#[cfg(feature = "postgres")]
pub mod postgres;
#[cfg_attr(not(feature = "sqlite"), allow(dead_code, reason = "each store uses the columns it has"))]
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;
