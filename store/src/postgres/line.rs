//! The stream to the server: plain or TLS, and in any case one that does not wait for ever.
//!
//! The client library bounds how long a TCP connection may take to be made, and nothing after that: whatever
//! accepts and then keeps silent, a stopped server or a middlebox that lost its memory, would hold a lane for
//! good. So every stream has a [`Deadline`] that its owner sets before each request.
//!
//! The library is told that TLS is required and begins at once (`SslNegotiation::Direct`). It then hands over
//! the bare socket, and the question whether the server speaks TLS is asked here.

use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use postgres::Socket;
use postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_postgres_rustls::MakeRustlsConnect;

/// Until when the other side must have answered, shared by a stream and its owner. None while nothing is
/// asked.
#[derive(Clone, Debug, Default)]
pub(super) struct Deadline(Arc<Mutex<Option<Instant>>>);

impl Deadline {
    /// The answer to what is asked next must come within this time.
    pub(super) fn within(&self, limit: Duration) {
        self.set(Some(Instant::now() + limit));
    }

    pub(super) fn clear(&self) {
        self.set(None);
    }

    fn set(&self, to: Option<Instant>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = to;
    }

    fn at(&self) -> Option<Instant> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the stream of one connection.
#[derive(Clone)]
pub(super) struct Door {
    /// None when TLS is not wanted.
    pub(super) tls: Option<MakeRustlsConnect>,
    /// Whether a server without TLS is refused.
    pub(super) is_tls_required: bool,
    /// Covers everything between the TCP connection and the server's readiness.
    pub(super) deadline: Deadline,
    /// How long that may take.
    pub(super) handshake: Duration,
}

/// A stream to be made to one host.
pub(super) struct Opening {
    door: Door,
    domain: String,
}

type Failure = Box<dyn Error + Send + Sync>;
type Encrypted = <MakeRustlsConnect as MakeTlsConnect<Watched>>::Stream;

impl MakeTlsConnect<Socket> for Door {
    type Stream = Line;
    type TlsConnect = Opening;
    type Error = Failure;

    fn make_tls_connect(&mut self, domain: &str) -> Result<Opening, Failure> {
        Ok(Opening { door: self.clone(), domain: domain.to_owned() })
    }
}

impl TlsConnect<Socket> for Opening {
    type Stream = Line;
    type Error = Failure;
    type Future = Pin<Box<dyn Future<Output = Result<Line, Failure>> + Send>>;

    fn connect(self, socket: Socket) -> Self::Future {
        self.door.deadline.within(self.door.handshake);
        let watched = Watched { socket, deadline: self.door.deadline.clone(), sleep: None };
        Box::pin(self.knock(watched))
    }
}

/// Asks a server whether it speaks TLS: length, then a number that no protocol version has.
const TLS_REQUEST: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

impl Opening {
    async fn knock(mut self, mut stream: Watched) -> Result<Line, Failure> {
        let Some(tls) = &mut self.door.tls else { return Ok(Line::Plain(stream)) };
        stream.write_all(&TLS_REQUEST).await?;
        // Exactly one byte: what an intruder sent behind it in the clear must not be read as the server's.
        match stream.read_u8().await? {
            b'S' => {
                let connect = MakeTlsConnect::<Watched>::make_tls_connect(tls, &self.domain)?;
                Ok(Line::Encrypted(Box::new(connect.connect(stream).await?)))
            }
            b'N' if !self.door.is_tls_required => Ok(Line::Plain(stream)),
            b'N' => Err("the server does not offer TLS".into()),
            _ => Err("the server does not answer as Postgres does".into()),
        }
    }
}

/// The stream of one connection.
pub(super) enum Line {
    /// As it is.
    Plain(Watched),
    /// Within TLS.
    Encrypted(Box<Encrypted>),
}

impl Line {
    fn either(self: Pin<&mut Self>) -> Pin<&mut dyn Stream> {
        let stream: &mut dyn Stream = match self.get_mut() {
            Line::Plain(stream) => stream,
            Line::Encrypted(stream) => &mut **stream,
        };
        Pin::new(stream)
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

impl TlsStream for Line {
    fn channel_binding(&self) -> ChannelBinding {
        match self {
            Line::Plain(_) => ChannelBinding::none(),
            Line::Encrypted(stream) => stream.channel_binding(),
        }
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.either().poll_read(cx, buf)
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.either().poll_write(cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.either().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.either().poll_shutdown(cx)
    }
}

/// A socket that fails at its deadline.
pub(super) struct Watched {
    socket: Socket,
    deadline: Deadline,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Watched {
    /// Fails once it is too late; until then, sees to it that the task is woken at the deadline.
    fn unless_overdue<T>(
        &mut self,
        cx: &mut Context<'_>,
        progress: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        let (Poll::Pending, Some(at)) = (&progress, self.deadline.at()) else { return progress };
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if sleep.deadline() != at {
            sleep.as_mut().reset(at);
        }
        let overdue = || io::Error::new(io::ErrorKind::TimedOut, "no answer in time");
        sleep.as_mut().poll(cx).map(|()| Err(overdue()))
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_read(cx, buf);
        this.unless_overdue(cx, progress)
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_write(cx, buf);
        this.unless_overdue(cx, progress)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_flush(cx);
        this.unless_overdue(cx, progress)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let progress = Pin::new(&mut this.socket).poll_shutdown(cx);
        this.unless_overdue(cx, progress)
    }
}
