//! Serves [`Echo`] on a loopback port until it is killed: `echo RUNTIME [PORT]`. The first line it writes is
//! where it listens.

use std::env::args;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::process::ExitCode;
use std::sync::Arc;

use peermesh_conformance::echo::Echo;
use peermesh_core::machine::{Listener, Machine, Memory};

/// Carries a machine until the process ends.
type Carry = fn(TcpListener, Box<dyn Machine + Send>) -> io::Result<()>;

/// A runtime by its crate, and what its `start` takes besides the plan, which is the same for all of them.
macro_rules! on {
    ($runtime:ident $(, $more:expr)*) => {
        |listener, machine| {
            let nothing = Memory { rss: 0, heap_total: 0, heap_used: 0 };
            $runtime::start($runtime::Plan {
                listeners: vec![(Listener::Mesh, listener.into())],
                shards: vec![machine],
                lanes: $runtime::Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
                couriers: Vec::new(),
                note: Arc::new(|_| ()),
                scrape: Arc::new(|_, _| Default::default()),
                weigh: Arc::new(move || nothing),
                fail: Arc::new(|why| panic!("{why}")),
                secure: None,
            } $(, $more)*)?
            .join();
            Ok(())
        }
    };
}

/// More connections than any suite has.
const CONNECTIONS_MAX: usize = 256;

const RUNTIMES: &[(&str, Carry)] =
    &[("smol", on!(peermesh_runtime_smol)), ("threads", on!(peermesh_runtime_threads, CONNECTIONS_MAX))];

fn main() -> ExitCode {
    let wanted = args().nth(1).unwrap_or_default();
    let port = args().nth(2).and_then(|port| port.parse().ok()).unwrap_or(0);
    let Some((_, carry)) = RUNTIMES.iter().find(|(name, _)| *name == wanted) else {
        let names: Vec<&str> = RUNTIMES.iter().map(|(name, _)| *name).collect();
        return complain(2, &format!("usage: echo RUNTIME [PORT]; runtimes: {}", names.join(", ")));
    };
    let served = TcpListener::bind(("127.0.0.1", port)).and_then(|listener| {
        writeln!(io::stdout(), "{}", listener.local_addr()?)?;
        carry(listener, Box::<Echo>::default())
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(1, &format!("echo: {error}")),
    }
}

fn complain(code: u8, why: &str) -> ExitCode {
    // Nobody reads it if standard error is closed.
    let _ = writeln!(io::stderr(), "{why}");
    ExitCode::from(code)
}
