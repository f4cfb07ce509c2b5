//! The limits: bytes that come back as they are, and frames that do, by the broker's own frame layer.
//!
//! The echoing end is a process of its own with one thread, so that its costs are seen like a broker's.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::pool::{Hire, Pool};
use super::served::Served;
use super::synced;
use super::ws::{Socket, put_text};
use super::{Heard, PAYLOAD_BYTES, Place, Speaker, Stamp, find_stamp, put_payload};
use crate::process::{Usage, await_port};

/// What is echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Bytes.
    Raw,
    /// Text frames.
    WebSocket,
    /// Bytes, once a second thread has appended them to a file and synced it.
    Synced,
}

impl Kind {
    /// What is echoed, as `peermesh-load echo` is asked for it.
    fn flag(self) -> Option<&'static str> {
        match self {
            Kind::Raw => None,
            Kind::WebSocket => Some("--frames"),
            Kind::Synced => Some("--synced"),
        }
    }
}

/// The process of a limit: an echo, a relay, a bare post office. Ends with the value.
#[derive(Debug)]
pub struct Echo {
    child: Child,
    /// Where it listens.
    pub addr: SocketAddr,
}

impl Echo {
    /// Starts one.
    ///
    /// # Errors
    /// When it does not start.
    pub fn start(kind: Kind, dir: &Path) -> io::Result<Echo> {
        Echo::run("echo", |command| {
            command.args(kind.flag()).arg("--dir").arg(dir);
        })
    }

    /// Starts a relay of runners, which sends events to a target on so many connections.
    ///
    /// # Errors
    /// When it does not start.
    pub fn relay(target: SocketAddr, posts: usize) -> io::Result<Echo> {
        Echo::run("relaying", |command| {
            command.args(["--target", &target.to_string(), "--posts", &posts.to_string()]);
        })
    }

    /// Starts a bare post office, whose store is in `dir`.
    ///
    /// # Errors
    /// When it does not start.
    pub fn office(dir: &Path) -> io::Result<Echo> {
        Echo::run("office", |command| {
            command.arg("--dir").arg(dir);
        })
    }

    fn run(what: &str, more: impl FnOnce(&mut Command)) -> io::Result<Echo> {
        let addr = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
        let program = std::env::current_exe()?.with_file_name("peermesh-load");
        let mut command = Command::new(program);
        command.args([what, "--listen", &addr.to_string()]);
        more(&mut command);
        let child = command.stdin(Stdio::null()).spawn()?;
        let echo = Echo { child, addr };
        await_port(addr)?;
        Ok(echo)
    }

    /// What the system says of it.
    ///
    /// # Errors
    /// When it is gone.
    pub fn usage(&self) -> io::Result<Usage> {
        Usage::of(self.child.id())
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Echoes until its process ends; what is synced goes into a file in `dir`.
///
/// # Errors
/// When it cannot listen.
pub fn serve(listen: SocketAddr, kind: Kind, dir: &Path) -> io::Result<()> {
    let hire: Hire = match kind {
        Kind::Raw => Box::new(|| Box::new(Repeat)),
        Kind::WebSocket => Box::new(|| Box::new(Frames(Served::new()))),
        Kind::Synced => return synced::serve(listen, dir),
    };
    let mut pool = Pool::new()?;
    pool.listen_on(listen, hire)?;
    loop {
        pool.turn(Duration::from_secs(3_600), &mut |_, _| ())?;
    }
}

/// Repeats bytes.
struct Repeat;

impl Speaker for Repeat {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, _: &mut dyn FnMut(Heard)) -> io::Result<usize> {
        out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn say(&mut self, _: Stamp, _: Place, _: &mut Vec<u8>) {}
}

/// Repeats text frames.
struct Frames(Served);

impl Speaker for Frames {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, _: &mut dyn FnMut(Heard)) -> io::Result<usize> {
        self.0.hear(bytes, out, &mut |served, text| {
            if !text.is_empty() {
                served.say(text);
            }
            Ok(())
        })
    }

    fn say(&mut self, _: Stamp, _: Place, _: &mut Vec<u8>) {}
}

/// What speaks to an echo.
#[derive(Debug)]
pub struct Caller {
    socket: Option<Socket>,
    is_ready: bool,
}

impl Caller {
    /// One that speaks that kind.
    pub fn new(kind: Kind) -> Caller {
        let socket = (kind == Kind::WebSocket).then(|| Socket::new("/".to_owned(), None));
        Caller { socket, is_ready: false }
    }
}

impl Speaker for Caller {
    fn greet(&mut self, out: &mut Vec<u8>) {
        match &self.socket {
            Some(socket) => socket.greet(out),
            None => out.push(b'!'),
        }
    }

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        if let Some(socket) = &mut self.socket {
            return socket.hear(bytes, out, &mut |text, _| {
                tell(find_stamp(text).map_or(Heard::Ready, Heard::Arrived));
                Ok(())
            });
        }
        let mut at = 0;
        if !self.is_ready && !bytes.is_empty() {
            (self.is_ready, at) = (true, 1);
            tell(Heard::Ready);
        }
        for payload in bytes[at..].chunks_exact(PAYLOAD_BYTES) {
            find_stamp(payload).into_iter().for_each(|stamp| tell(Heard::Arrived(stamp)));
            at += PAYLOAD_BYTES;
        }
        Ok(at)
    }

    fn say(&mut self, stamp: Stamp, _: Place, out: &mut Vec<u8>) {
        match &self.socket {
            None => put_payload(out, stamp),
            Some(_) => {
                let mut text = Vec::new();
                put_payload(&mut text, stamp);
                put_text(out, &[&text]);
            }
        }
    }
}
