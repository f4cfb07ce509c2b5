//! Runs with small machines and real sockets.

mod couriers;
mod health;
mod lives;
mod scarcity;
mod streams;
mod world;
