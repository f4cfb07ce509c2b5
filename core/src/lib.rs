//! x
pub mod broker;
pub mod config;
pub mod conn;
pub mod fault;
pub mod ids;
pub(crate) mod kit;
pub mod machine;
mod mesh;
pub mod message_id;
pub mod note;
pub mod rng;
pub mod stats;
pub mod store;
mod surface;
pub mod time;
pub mod wire;
