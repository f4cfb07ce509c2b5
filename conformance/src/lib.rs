//! Stories that every broker must live through, and the drivers that make it live them.
//!
//! A story is a text (`cases/**/*.story`, grammar in `README.md`): who connects, what they send, what they
//! must see. [`story`] reads it, [`play`] lives it, and [`driver`] is what it is lived on: machines in memory
//! under virtual time, or a run on real sockets over a store on disk.
//!
//! Tests with a database find their ground here too: [`server`] starts a Postgres that goes with the test,
//! and [`proxy`] stands in front of it and does what networks do.

#[cfg(feature = "stages")]
pub mod driver;
pub mod echo;
mod jwt;
pub mod keys;
#[cfg(feature = "stages")]
pub mod play;
#[cfg(feature = "stages")]
pub mod proxy;
#[cfg(feature = "stages")]
pub mod server;
pub mod sim;
#[cfg(feature = "stages")]
pub mod story;
