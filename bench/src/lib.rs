//! Counts what a message costs, and measures what a broker carries.
//!
//! | to know | look in |
//! |---|---|
//! | instructions and allocations of frames alone | `codec.rs` |
//! | those of a message through a broker in memory, with its store operations | `accept.rs` on `memory.rs` |
//! | processor time, rows and bytes of a message in the embedded store | `commit/` |
//! | one publication to many watchers, beside a plain write of the same frames | `fanout.rs` |
//! | loads on a whole broker over loopback, and on what stands beside it | `load/` on `wire/` |
//! | the table of goals, and the comparison of two builds | `rows/` |
//!
//! Counts come first: they are the same on a busy machine. [`meter`] marks what is counted, so that the peers
//! played here cost nothing in the result.

pub mod accept;
pub mod codec;
pub mod commit;
pub mod fanout;
pub mod http;
pub mod load;
pub mod memory;
pub mod meter;
pub mod peer;
pub mod process;
pub mod rows;
pub mod server;
pub mod summary;
pub mod table;
pub mod wire;
