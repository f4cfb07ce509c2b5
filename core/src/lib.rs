//! x
pub mod broker;
pub mod config;
pub mod conn;
pub mod fault;
pub mod ids;
pub mod kit;
pub mod machine;
pub mod note;
pub mod rng;
pub mod stats;
pub mod store;
pub mod time;
pub mod wire;
