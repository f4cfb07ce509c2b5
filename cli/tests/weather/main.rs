//! Real brokers over a real Postgres, while either of them, or the way between them, breaks; and over SQLite
//! where only the broker does.
//!
//! The bounds that the contract names are checked with room for a busy machine: a test that fails here has
//! found a mechanism that is missing, not one that was a little late.

mod cost;
mod deaths;
#[path = "../field/mod.rs"]
mod field;
mod ground;
mod health;
mod owners;
mod peer;
mod post;
mod retries;
mod runners;
mod storms;
#[path = "../town/mod.rs"]
mod town;
mod troubles;
