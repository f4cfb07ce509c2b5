//! Commands to runners and events from them, through the broker and through a bare relay in the same run.
//!
//! A *command* is a request of a caller, its way to the runner's socket, and the answer to the caller; its
//! wait is from the caller's write to the runner's read. An *event* is what a runner says, its way to the
//! event target, and, from the broker, its acknowledgement; its wait is from the runner's write to the
//! target's read. The broker stores an event before it acknowledges it and sends it on; the relay keeps
//! nothing.

mod load;
mod relay;
mod wire;

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::server::{Cpu, Server, Usage};

pub use self::relay::serve as relay;

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The broker's program.
    pub program: PathBuf,
    /// Where its data goes.
    pub dir: PathBuf,
    /// Runners, each with one connection.
    pub runners: usize,
    /// Callers, each with one command on its way.
    pub callers: usize,
    /// Events of a runner on their way.
    pub window: usize,
    /// How long each load is measured, after a third of that as warm-up.
    pub time: Duration,
}

/// What one load came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// What carried it, and what it was.
    pub name: &'static str,
    /// Commands or events in the measured time.
    pub count: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// What the carrier spent of the processor.
    pub cpu: Cpu,
    /// The carrier's memory at the end, in bytes.
    pub rss_bytes: u64,
    /// Requests that were not answered 200.
    pub refused: u64,
    /// Events that came before an earlier one of their runner.
    pub disordered: u64,
    /// Waits in microseconds, in order.
    waits: Vec<u32>,
}

impl Outcome {
    /// The wait that so many thousandths were no longer than, in microseconds.
    pub fn wait_us(&self, thousandths: usize) -> u32 {
        let place = self.waits.len() * thousandths / 1_000;
        self.waits.get(place.min(self.waits.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

/// Measures both loads on both carriers.
///
/// # Errors
/// When a process does not start or a stream fails.
pub fn run(plan: &Plan) -> io::Result<Vec<Outcome>> {
    let target = load::Target::start()?;
    let mut outcomes = Vec::new();
    let relay = Relay::start(target.addr)?;
    outcomes
        .push(Outcome { name: "relay, commands", ..load::commands(plan, relay.addr, &|| relay.usage())? });
    outcomes.push(Outcome {
        name: "relay, events",
        ..load::events(plan, relay.addr, &target, &|| relay.usage())?
    });
    drop(relay);
    let port = free_addr()?.port().to_string();
    let url = format!("http://{}", target.addr);
    let server = Server::start(
        &plan.program,
        &plan.dir,
        &[("RUNNER_SHARED_SECRET", wire::SECRET), ("PORT", &port), ("RUNNER_EVENT_TARGET_URL", &url)],
    )?;
    let addr = SocketAddr::new(server.addr.ip(), port.parse().map_err(io::Error::other)?);
    outcomes.push(Outcome { name: "broker, commands", ..load::commands(plan, addr, &|| server.usage())? });
    outcomes
        .push(Outcome { name: "broker, events", ..load::events(plan, addr, &target, &|| server.usage())? });
    Ok(outcomes)
}

/// The relay, as a process of its own, so that its costs are seen. Ends with the value.
struct Relay {
    child: Child,
    addr: SocketAddr,
}

impl Relay {
    fn start(target: SocketAddr) -> io::Result<Relay> {
        let addr = free_addr()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["relay", "--listen", &addr.to_string(), "--target", &target.to_string()]);
        let child = command.stdin(Stdio::null()).spawn()?;
        let relay = Relay { child, addr };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(addr).is_err() {
            if Instant::now() >= until {
                return Err(io::ErrorKind::TimedOut.into());
            }
            thread::sleep(Duration::from_millis(10));
        }
        Ok(relay)
    }

    fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A free port, which nobody else is likely to take in the next moment.
fn free_addr() -> io::Result<SocketAddr> {
    TcpListener::bind(("127.0.0.1", 0))?.local_addr()
}
