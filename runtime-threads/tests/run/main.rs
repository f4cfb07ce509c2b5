//! Runs with small machines and real sockets: what every runtime is held to, and what only threads can lack.

#[path = "../../../runtime-smol/tests/run/couriers.rs"]
mod couriers;
#[path = "../../../runtime-smol/tests/run/dials.rs"]
mod dials;
#[path = "../../../runtime-smol/tests/run/endings.rs"]
mod endings;
#[path = "../../../runtime-smol/tests/run/health.rs"]
mod health;
#[path = "../../../runtime-smol/tests/run/lives.rs"]
mod lives;
#[path = "../../../runtime-smol/tests/run/local.rs"]
mod local;
#[path = "../../../runtime-smol/tests/run/scarcity.rs"]
mod scarcity;
mod seats;
#[path = "../../../runtime-smol/tests/run/streams.rs"]
mod streams;
#[path = "../../../runtime-smol/tests/run/world.rs"]
mod world;

/// The runtime under test.
mod runtime {
    use std::io;

    pub(crate) use peermesh_runtime_threads::{Lanes, Plan, Running, Secure};

    /// More connections than any of these tests has.
    const CONNECTIONS: usize = 1_000;

    pub(crate) fn start(plan: Plan) -> io::Result<Running> {
        peermesh_runtime_threads::start(plan, CONNECTIONS)
    }
}
