//! A connection to the event target that nobody waits for: TCP, and TLS within it where the target wants it.
//!
//! *Always holds:* no call here blocks.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Instant;

use rustix::event::PollFlags;
use rustix::io::{Errno, FdFlags, fcntl_setfd, ioctl_fionbio};
use rustix::net::{AddressFamily, SocketType, connect, socket};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

/// See the module's own words.
pub(super) struct Line {
    stream: TcpStream,
    tls: Option<Box<ClientConnection>>,
    is_connecting: bool,
    /// What the kernel has not taken, of a line without TLS.
    unwritten: Vec<u8>,
    /// An answer's beginning that cannot be read without the rest.
    pub(super) unread: Vec<u8>,
    /// When its last answer was over.
    pub(super) idle_since: Instant,
}

/// How a target that speaks TLS is recognised.
#[derive(Clone)]
pub(super) struct Seal {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

/// Why a line is of no more use.
#[derive(Debug)]
pub(super) enum Trouble {
    Io(io::Error),
    Tls(rustls::Error),
}

/// What there is to read.
pub(super) enum Spoken {
    /// So many bytes.
    Bytes(usize),
    /// Nothing, for the moment.
    Nothing,
    /// Nothing more.
    End,
}

impl Line {
    /// Begins to connect.
    pub(super) fn dial(to: SocketAddr, seal: Option<&Seal>, now: Instant) -> Result<Line, Trouble> {
        let family = if to.is_ipv6() { AddressFamily::INET6 } else { AddressFamily::INET };
        let fd = socket(family, SocketType::STREAM, None).map_err(io::Error::from)?;
        fcntl_setfd(&fd, FdFlags::CLOEXEC).map_err(io::Error::from)?;
        ioctl_fionbio(&fd, true).map_err(io::Error::from)?;
        let is_connecting = match connect(&fd, &to) {
            Ok(()) => false,
            Err(Errno::INPROGRESS) => true,
            Err(error) => return Err(io::Error::from(error).into()),
        };
        let stream = TcpStream::from(fd);
        stream.set_nodelay(true)?;
        let tls = seal.map(|seal| {
            let mut tls = ClientConnection::new(Arc::clone(&seal.config), seal.name.clone())?;
            // An event is as long as it is.
            tls.set_buffer_limit(None);
            Ok(Box::new(tls))
        });
        let tls = tls.transpose().map_err(Trouble::Tls)?;
        let (unwritten, unread) = (Vec::new(), Vec::new());
        Ok(Line { stream, tls, is_connecting, unwritten, unread, idle_since: now })
    }

    /// Writes what can be written, and keeps the rest until the line [is ready](Line::wants).
    pub(super) fn say(&mut self, bytes: &[u8]) -> Result<(), Trouble> {
        if let Some(tls) = &mut self.tls {
            tls.writer().write_all(bytes)?;
            return self.write_on().map(drop);
        }
        if self.is_connecting || !self.unwritten.is_empty() {
            self.unwritten.extend_from_slice(bytes);
            return Ok(());
        }
        let mut at = 0;
        while at < bytes.len() {
            match ready((&self.stream).write(&bytes[at..]))? {
                Some(written) => at += written,
                None => break,
            }
        }
        self.unwritten.extend_from_slice(&bytes[at..]);
        Ok(())
    }

    /// The other side takes more; true once the line is connected.
    pub(super) fn write_on(&mut self) -> Result<bool, Trouble> {
        if self.is_connecting {
            if let Some(error) = self.stream.take_error()? {
                return Err(error.into());
            }
            if self.stream.peer_addr().is_err() {
                return Ok(false);
            }
            self.is_connecting = false;
        }
        match &mut self.tls {
            Some(tls) => while tls.wants_write() && ready(tls.write_tls(&mut &self.stream))?.is_some() {},
            None => {
                let mut at = 0;
                while at < self.unwritten.len()
                    && let Some(written) = ready((&self.stream).write(&self.unwritten[at..]))?
                {
                    at += written;
                }
                self.unwritten.drain(..at);
            }
        }
        Ok(true)
    }

    /// Reads what there is.
    pub(super) fn hear(&mut self, into: &mut [u8]) -> Result<Spoken, Trouble> {
        let Some(tls) = &mut self.tls else {
            return Ok(match ready((&self.stream).read(into))? {
                Some(0) => Spoken::End,
                Some(count) => Spoken::Bytes(count),
                None => Spoken::Nothing,
            });
        };
        loop {
            match tls.reader().read(into) {
                Ok(0) => return Ok(Spoken::End),
                Ok(count) => return Ok(Spoken::Bytes(count)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => return Err(error.into()),
            }
            match ready(tls.read_tls(&mut &self.stream))? {
                Some(0) if tls.is_handshaking() => {
                    return Err(io::Error::from(ErrorKind::UnexpectedEof).into());
                }
                Some(_) => {}
                None => return Ok(Spoken::Nothing),
            }
            if let Err(error) = tls.process_new_packets() {
                // It may hear why.
                let _ = tls.write_tls(&mut &self.stream);
                return Err(Trouble::Tls(error));
            }
            // What cannot be said any more is no reason not to hear.
            while tls.wants_write() && matches!(ready(tls.write_tls(&mut &self.stream)), Ok(Some(_))) {}
        }
    }

    /// Everything was written, and nothing came that was not heard.
    pub(super) fn is_quiet(&mut self) -> bool {
        let Some(tls) = &mut self.tls else { return self.unwritten.is_empty() };
        let state = tls.process_new_packets();
        state.is_ok_and(|state| {
            !tls.wants_write() && state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed()
        })
    }

    /// TLS is spoken, or about to be.
    pub(super) fn is_sealed(&self) -> bool {
        self.tls.is_some()
    }

    pub(super) fn is_connecting(&self) -> bool {
        self.is_connecting
    }

    /// What to wait for.
    pub(super) fn wants(&self) -> PollFlags {
        let has_more = match &self.tls {
            Some(tls) => tls.wants_write(),
            None => !self.unwritten.is_empty(),
        };
        if self.is_connecting {
            PollFlags::OUT
        } else if has_more {
            PollFlags::IN | PollFlags::OUT
        } else {
            PollFlags::IN
        }
    }
}

impl AsFd for Line {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

impl Trouble {
    /// What went wrong, without where it went wrong: the words are kept and reported.
    pub(super) fn told(&self) -> String {
        match self {
            Trouble::Io(error) => error.kind().to_string(),
            Trouble::Tls(rustls::Error::InvalidCertificate(_)) => {
                "a certificate that is not believed".to_owned()
            }
            Trouble::Tls(_) => "no TLS with the target".to_owned(),
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Trouble {
        Trouble::Io(error)
    }
}

/// None where there is nothing to be done for the moment.
fn ready<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(done) => Ok(Some(done)),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(error) => Err(error),
    }
}
