//! What fuzzers throw at the core and its stores, and the second opinions these are held to.
//!
//! Each module is one target: `run` takes any bytes, lets the core read them, and panics where the core
//! breaks a promise or disagrees with somebody who reads the same bytes in another way. Fuzzers call `run`
//! from `fuzz_targets/`; `tests/replay.rs` calls it with every input of the corpora, on any compiler.

pub mod broker_inputs;
pub mod chunking;
pub mod end;
pub mod frames;
pub mod ground;
pub mod http_head;
pub mod jcs;
pub mod messages;
pub mod outbox_restart;
pub mod talk;
pub mod tree;
pub mod watchers;
pub mod world;
pub mod ws_frames;

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also the name of its corpus.
pub const TARGETS: [(&str, Target); 7] = [
    ("http_head", http_head::run),
    ("ws_frames", ws_frames::run),
    ("chunking", chunking::run),
    ("messages", messages::run),
    ("broker_inputs", broker_inputs::run),
    ("jcs", jcs::run),
    ("outbox_restart", outbox_restart::run),
];
