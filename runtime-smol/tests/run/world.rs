//! What the tests of a run share: machines written as closures, and peers on real sockets.

use std::io::Read;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use crate::runtime::{Lanes, Plan, Running, start};
use bytes::Bytes;
use peermesh_core::machine::{Deadline, Input, Listener, Machine, Memory, Outputs};
use peermesh_core::store::Driver;
use peermesh_core::time::Now;

/// How long a test waits for something that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// A machine that is one closure.
pub(crate) struct Act<F>(pub F);

impl<F: FnMut(Now, Input<'_>, &mut Outputs) -> Option<Deadline>> Machine for Act<F> {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        (self.0)(now, input, todo)
    }
}

/// Boxes a closure as a machine.
pub(crate) fn machine<F>(act: F) -> Box<dyn Machine + Send>
where
    F: FnMut(Now, Input<'_>, &mut Outputs) -> Option<Deadline> + Send + 'static,
{
    Box::new(Act(act))
}

/// A run on a loopback port.
pub(crate) struct World {
    pub(crate) running: Running,
    pub(crate) addr: SocketAddr,
    pub(crate) notes: mpsc::Receiver<peermesh_core::note::Note>,
    /// Why machines could not go on.
    pub(crate) failures: mpsc::Receiver<String>,
}

impl World {
    pub(crate) fn of(machines: Vec<Box<dyn Machine + Send>>) -> World {
        World::with_store(machines, Vec::new(), Vec::new())
    }

    pub(crate) fn with_store(
        shards: Vec<Box<dyn Machine + Send>>,
        writers: Vec<Box<dyn Driver>>,
        readers: Vec<Box<dyn Driver>>,
    ) -> World {
        World::with_lanes(shards, Lanes { writers, readers, health: None })
    }

    pub(crate) fn with_lanes(shards: Vec<Box<dyn Machine + Send>>, lanes: Lanes) -> World {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let (note, notes) = mpsc::channel();
        let (fail, failures) = mpsc::channel();
        let running = start(Plan {
            listeners: vec![(Listener::Mesh, listener.into())],
            shards,
            lanes,
            couriers: Vec::new(),
            note: Arc::new(move |record| note.send(record).unwrap_or_default()),
            scrape: Arc::new(|stats, openmetrics| Bytes::from(format!("{} {openmetrics}", stats.len()))),
            weigh: Arc::new(|| Memory { rss: 1, heap_total: 1, heap_used: 1 }),
            fail: Arc::new(move |why| fail.send(why).unwrap_or_default()),
            secure: None,
        })
        .unwrap();
        World { running, addr, notes, failures }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        stream
    }
}

/// Everything up to the end of the stream.
pub(crate) fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    bytes
}
