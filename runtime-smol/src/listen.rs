//! A listener: a task of shard 0 that accepts streams and hands them to it.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::rc::Weak;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_lite::future::yield_now;
use peermesh_core::machine::Listener;
use peermesh_core::note::{Level, Note};

use crate::shard::Shard;
use crate::stream::{Arrival, Socket};

/// How long the listener rests when the process has no room for another stream.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Streams turned away before each rest.
const REFUSED_MAX: u32 = 1_024;

/// Accepts until the shard is gone.
pub(crate) async fn accept(kind: Listener, listener: Async<Socket>, shard: Weak<RefCell<Shard>>) {
    let mut reserve = Reserve::new();
    let mut failing = false;
    loop {
        let accepted = listener.read_with(Socket::accept).await;
        let Some(shard) = shard.upgrade() else { return };
        match accepted {
            Ok(Arrival::Peer(stream, remote)) => {
                failing = false;
                if let Ok(stream) = Async::new(stream) {
                    shard.borrow_mut().open(stream, kind, remote);
                }
            }
            Ok(Arrival::Nobody) => {}
            Ok(Arrival::Stranger { uid }) => shard.borrow().refuse(uid),
            // The peer gave up before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => {
                if !failing {
                    let note = Note::new(Level::Error, "accept failed").with("error", error.to_string());
                    shard.borrow().note(note);
                }
                failing = true;
                drop(shard);
                reserve.refuse(listener.get_ref());
                Timer::after(BACK_OFF).await;
                continue;
            }
        }
        // A burst of connects must not keep the shard from its turns.
        drop(shard);
        yield_now().await;
    }
}

/// A descriptor held back, so that streams can be accepted and closed when no other is left: their peers
/// learn at once that there is no room, instead of waiting in the kernel's queue.
struct Reserve(Option<File>);

impl Reserve {
    fn new() -> Reserve {
        Reserve(File::open("/dev/null").ok())
    }

    /// Turns away who waits.
    fn refuse(&mut self, listener: &Socket) {
        self.0 = None;
        for _ in 0..REFUSED_MAX {
            if listener.accept().is_err() {
                break;
            }
        }
        *self = Reserve::new();
    }
}
