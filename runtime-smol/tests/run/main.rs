//! Runs with small machines and real sockets.

mod lives;
mod scarcity;
mod streams;
mod world;
