//! Runs with small machines and real sockets.

mod health;
mod lives;
mod scarcity;
mod streams;
mod world;
