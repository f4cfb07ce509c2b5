//! Counts what a message costs, and measures what a broker carries.
//!
//! | to know | look in |
//! |---|---|
//! | instructions and allocations of frames alone | `codec.rs` |
//! | those of a message through a broker in memory, with its store operations | `accept.rs` on `memory.rs` |
//! | processor time, rows and bytes of a message in the embedded store | `commit.rs` |
//! | messages a second, processor time and memory of a whole broker on loopback | `loopback/` |
//! | one publication to many watchers, beside a plain write of the same frames | `fanout.rs` |
//! | commands and events of runners through it, beside a bare relay | `runners/` |
//!
//! Counts come first: they are the same on a busy machine. [`meter`] marks what is counted, so that the peers
//! played here cost nothing in the result.

pub mod accept;
pub mod codec;
pub mod commit;
pub mod fanout;
pub mod http;
pub mod loopback;
pub mod memory;
pub mod meter;
pub mod peer;
pub mod runners;
pub(crate) mod server;
pub mod summary;
pub mod table;
