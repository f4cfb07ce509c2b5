//! Runs with small machines and real sockets. The other runtime's tests take all but this file from here.

mod couriers;
mod dials;
mod endings;
mod health;
mod lives;
mod local;
mod scarcity;
mod streams;
mod world;

/// The runtime under test.
mod runtime {
    pub(crate) use peermesh_runtime_smol::{Lanes, Plan, Running, Secure, start};
}
