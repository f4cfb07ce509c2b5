//! Sockets of both families as one: TCP, and Unix sockets of this machine.
//!
//! *Always holds:* who comes in by a Unix socket is the user this process runs as, as far as the kernel can
//! tell.

use std::io::{self, IoSlice, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};

/// A socket that takes connections.
#[derive(Debug)]
pub enum Socket {
    /// Of a network.
    Tcp(TcpListener),
    /// Of this machine, and of this user's programs alone.
    Unix(UnixListener),
}

/// Who came in.
#[derive(Debug)]
pub(crate) enum Arrival {
    /// Somebody, from there.
    Peer(Stream, IpAddr),
    /// Somebody who lost the connection again.
    Nobody,
    /// A program of another user, who was turned away.
    Stranger { uid: u32 },
}

impl Socket {
    /// Takes the next connection.
    pub(crate) fn accept(&self) -> io::Result<Arrival> {
        match self {
            Socket::Tcp(listener) => {
                let (stream, remote) = listener.accept()?;
                let remote = remote.ip().to_canonical();
                Ok(Stream::tcp(stream).map_or(Arrival::Nobody, |stream| Arrival::Peer(stream, remote)))
            }
            Socket::Unix(listener) => {
                let (stream, _) = listener.accept()?;
                if let Some(uid) = stranger(&stream)? {
                    return Ok(Arrival::Stranger { uid });
                }
                let remote = IpAddr::from(Ipv4Addr::LOCALHOST);
                Ok(Stream::unix(stream).map_or(Arrival::Nobody, |stream| Arrival::Peer(stream, remote)))
            }
        }
    }
}

impl AsFd for Socket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Tcp(listener) => listener.as_fd(),
            Socket::Unix(listener) => listener.as_fd(),
        }
    }
}

impl From<TcpListener> for Socket {
    fn from(listener: TcpListener) -> Socket {
        Socket::Tcp(listener)
    }
}

impl From<UnixListener> for Socket {
    fn from(listener: UnixListener) -> Socket {
        Socket::Unix(listener)
    }
}

/// The user at the other end, if it is another than ours.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn stranger(stream: &UnixStream) -> io::Result<Option<u32>> {
    let theirs = rustix::net::sockopt::socket_peercred(stream)?.uid;
    Ok((theirs != rustix::process::geteuid()).then_some(theirs.as_raw()))
}

/// Here the kernel is not asked: the mode of the socket and of its directory is all that keeps others out.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn stranger(_: &UnixStream) -> io::Result<Option<u32>> {
    Ok(None)
}

/// A connected socket of either family. Once it is connected, the same system calls serve both, so it costs
/// nothing to hold them as one.
#[derive(Debug)]
pub(crate) struct Stream(TcpStream);

impl Stream {
    /// # Errors
    /// When the peer is gone already.
    pub(crate) fn tcp(stream: TcpStream) -> io::Result<Stream> {
        // Without this the last small frame of a burst could wait for the peer's delayed ack.
        stream.set_nodelay(true)?;
        Ok(Stream(stream))
    }

    /// # Errors
    /// When the peer is gone already.
    pub(crate) fn unix(stream: UnixStream) -> io::Result<Stream> {
        Ok(Stream(TcpStream::from(OwnedFd::from(stream))))
    }

    pub(crate) fn shutdown(&self, side: Shutdown) -> io::Result<()> {
        self.0.shutdown(side)
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for &Stream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        (&self.0).read(bytes)
    }
}

impl Write for &Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&self.0).write(bytes)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        (&self.0).write_vectored(slices)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
