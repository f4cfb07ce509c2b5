//! The peermesh broker as deterministic state machines: no clock, no socket, no file, no thread, no chance of
//! its own.
//!
//! A machine is a pure function of (state, time, one input) to (state, a list of outputs, one deadline).
//! Whoever carries it does nothing else:
//!
//! ```text
//!            Opened, Received, Sent, Closed, Stored, Forwarded, Relayed, Adopted, Scraped, Weighed,
//!            Order, Wake
//!                    │
//!                    ▼
//!   now ──► Machine::handle ──► deadline: wake me then, if nothing happens before
//!                    │
//!                    ▼
//!            Read, Send, Close, Store, Forward, Relay, Handoff, Scrape, Weigh, Note, Stats, Finished, Fail
//!            (in this order)
//! ```
//!
//! ```
//! # use peermesh_core::machine::{Deadline, Input, Machine, Output, Outputs};
//! # use peermesh_core::time::Now;
//! fn turn(machine: &mut dyn Machine, now: Now, fact: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
//!     let deadline = machine.handle(now, fact, todo);
//!     let wishes = todo.take();
//!     for wish in &wishes {
//!         match wish {
//!             Output::Send { conn, bytes } => println!("{} bytes to {conn}", todo.bytes(bytes).len()),
//!             other => println!("{other:?}"),
//!         }
//!     }
//!     todo.clear(wishes);
//!     deadline
//! }
//! ```
//!
//! # How a message passes through
//!
//! 1. [`conn`] turns received bytes into events: HTTP requests, WebSocket messages, pongs, faults ([`wire`]
//!    knows the formats).
//! 2. [`broker`] is one shard: it finds the connection and hands the message to the surface it speaks to. It
//!    decides nothing about meaning.
//! 3. `mesh` is the surface: `mesh/accept.rs` judges a send and stages its write; nobody is told yet.
//! 4. [`store`] gathers writes into batches; a batch is one transaction, and its answer comes back as an
//!    input.
//! 5. `mesh/accept.rs` tells the sender, and `mesh/deliver.rs` pushes: **the gate of priority against
//!    status** is `Standing::open_lanes` in `mesh/status.rs`, asked at every push.
//! 6. `broker/apply.rs` makes frames of what surfaces want, the only place that does.
//!
//! # What may be touched where
//!
//! | file | knows | must not know |
//! |---|---|---|
//! | `kit/` | mechanisms: timers, lookup, buckets, fair turns | any domain word |
//! | `wire/` | bytes and texts of each format | policy, connections |
//! | `conn/` | one connection of either role | what a message means |
//! | `store/` | operations, questions, batches | what they are for |
//! | `mesh/` | people and mail, as sessions | sockets, bytes, other surfaces |
//! | `runner/` | runners, their commands and events, as sessions | sockets, bytes, other surfaces |
//! | `broker/` | which connection speaks to which surface | what a message means |
//! | `journal/` | how to write down what a broker was told, and how to live it again | files, clocks |
//!
//! Five laws hold everywhere: the core touches nothing; same seed and inputs give the same bytes; nothing is
//! said before it is durable; everything has a limit ([`config::Limits`]); calls go down and facts come back
//! as values.

pub mod bearer;
pub mod broker;
pub mod config;
pub mod conn;
pub mod daemon;
pub mod digest;
pub mod fault;
pub mod fingerprint;
pub mod forward;
pub mod ids;
pub mod jcs;
pub mod journal;
mod kit;
mod live;
pub mod machine;
mod mesh;
pub mod message_id;
pub mod note;
pub mod planted;
pub mod receipt;
pub mod rng;
mod runner;
pub mod seal;
pub mod stats;
pub mod store;
mod surface;
pub mod time;
pub mod wire;
