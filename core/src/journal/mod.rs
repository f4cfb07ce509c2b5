//! The flight recorder's format: what machines were told, written down so that it can be lived again.
//!
//! A machine is a function of its seed, its settings and what it is told when, so a recording is those
//! three. `header.rs` has the first two, `scribe.rs` writes the third down, `file.rs` says how it lies in
//! a file, `relive.rs` lives it again; `shade.rs` leaves out what peers seal, `bodies.rs`
//! what is told of that. `coded.rs` and `rows.rs` are values as bytes.
//!
//! *Does not* touch a file or a clock: bytes come out, and bytes go in.

mod bodies;
mod coded;
mod file;
mod header;
mod relive;
mod rows;
mod scribe;
mod shade;

pub use file::{Block, Blocks, End, EndReason, FactBlock, JournalError};
pub use header::{Header, Payloads};
pub use relive::{Relive, ReliveError, Step, Turn, Witness, state_of};
pub use scribe::{Fact, Scribe};
pub use shade::Stream;
