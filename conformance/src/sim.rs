//! The simulator: whole towns in one seeded order of events, with everything that can go wrong, judged after
//! every step.
//!
//! Brokers are the real machines, driven as the runtimes drive them. Clients, runners, the store, the event
//! target and the network between them are actors here. For the first part of a run faults come as the seed
//! draws them, and what must never happen is looked for; then they stop, and everything has to settle.
//!
//! | to see | look in |
//! |---|---|
//! | what a run depends on | `plan.rs`; what a seed draws: `swarm.rs`; who takes part: `cast.rs` |
//! | the order of events | `heap.rs`, `world.rs` |
//! | how a machine is driven | `turn.rs`, `node.rs`, `clock.rs`; how brokers start, stop, die: `fate.rs` |
//! | the network | `link.rs`, `net.rs`, `tap.rs`, `heard.rs` |
//! | the store, the event target | `disk.rs`, `target.rs` |
//! | which fault comes when | `chaos.rs`; that it came: `marks.rs` |
//! | what clients do | `actor.rs` and its folder; hosts with daemons: `actor/host.rs` and its folder |
//! | what must hold | `oracle/rules.rs`, `oracle.rs` and its folder; that it settles: `peace.rs` |
//! | many runs, and smaller ones that fail alike | `fleet.rs`, `shrink.rs` |
//!
//! Daemons are actors too (`actor/host.rs`): the real machine between simulated brokers and simulated
//! programs, on a disk of its own, with its own books.

mod actor;
mod cast;
mod chaos;
mod clock;
mod dice;
mod disk;
mod fate;
pub mod fleet;
mod heap;
mod heard;
mod known;
mod link;
mod marks;
#[cfg(feature = "planted")]
pub mod mutants;
mod net;
mod node;
mod oracle;
mod peace;
mod plan;
mod run;
pub mod shrink;
mod swarm;
mod tap;
mod target;
mod trace;
mod turn;
mod world;

pub use marks::{Mark, Tally};
pub use oracle::rules::{Rule, Violation};
pub use plan::{Class, Plan, Without};
pub use run::{Outcome, run, run_away, run_recorded};
