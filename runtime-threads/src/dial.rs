//! Dialling: a thread for each dial, which looks the name up, connects, and lays TLS over the stream.
//!
//! *Always holds:* every dial is answered, within [`PATIENCE`], and the shard never waits for it.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::ids::{ShardId, Ticket};
use peermesh_core::machine::Endpoint;

use crate::Secure;
use crate::inbox::Post;
use crate::listen::seat;
use crate::shard::Hub;
use crate::stream::Stream;

/// From the wish to the stream: the name, the connection and TLS together.
const PATIENCE: Duration = Duration::from_secs(10);
/// Dials under way at once, those that nobody waits for any more included: a name server that does not
/// answer holds its thread longer than the dial may last.
const DIALS_MAX: usize = 64;

/// Starts a dial for a shard.
pub(crate) fn dial(hub: &Arc<Hub>, shard: ShardId, dial: Ticket, to: Endpoint) {
    let (line, dialling) = (Line::take(&hub.dials), Arc::clone(hub));
    let started = line.and_then(|line| {
        thread::Builder::new().name("dial".to_owned()).spawn(move || {
            let opened = open(&to, dialling.secure.as_deref(), &line);
            let seated = opened.and_then(|stream| {
                let shards = dialling.shards.get().and_then(Weak::upgrade);
                let shards = shards.ok_or_else(|| io::Error::other("the run is over"))?;
                seat(stream, shard, &shards, &dialling, |shard, link| shard.dialled(link, dial))
            });
            if let Err(error) = seated {
                dialling.post(shard, Post::Undialled { dial, why: error.to_string() });
            }
        })
    });
    if let Err(error) = started {
        hub.post(shard, Post::Undialled { dial, why: error.to_string() });
    }
}

fn open(to: &Endpoint, secure: Option<&Secure>, line: &Arc<Line>) -> io::Result<Stream> {
    let until = Instant::now() + PATIENCE;
    let stream = connect(&look_up(to, until, line)?, until)?;
    match (to.tls, secure) {
        (false, _) => Stream::tcp(stream),
        (true, Some(secure)) => Stream::unix(secure(stream, &to.host, until).map_err(io::Error::other)?),
        (true, None) => Err(io::Error::other("this run speaks no TLS")),
    }
}

/// The addresses of a name. The system's own look-up cannot be ended, so it has a thread that can be left.
fn look_up(to: &Endpoint, until: Instant, line: &Arc<Line>) -> io::Result<Vec<SocketAddr>> {
    if let Ok(ip) = to.host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(ip, to.port)]);
    }
    let (say, hear) = sync_channel(1);
    let (wanted, line) = ((to.host.clone(), to.port), Arc::clone(line));
    thread::Builder::new().name("look-up".to_owned()).spawn(move || {
        let found = wanted.to_socket_addrs().map(Iterator::collect::<Vec<_>>);
        // Whoever asked may have left.
        let _ = say.send(found);
        drop(line);
    })?;
    let found = hear.recv_timeout(left(until)?).map_err(|_| {
        let why = format!("no name server told in time where {} is", to.host);
        io::Error::new(ErrorKind::TimedOut, why)
    })?;
    found.map_err(|error| io::Error::new(error.kind(), format!("nobody knows where {} is: {error}", to.host)))
}

/// A stream to the first address that takes it. Each has its share of the time that is left, so that one that
/// is silent leaves the others theirs.
fn connect(places: &[SocketAddr], until: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(ErrorKind::AddrNotAvailable, "its name has no address");
    let shares = (1..=u32::try_from(places.len()).unwrap_or(u32::MAX)).rev();
    for (place, share) in places.iter().zip(shares) {
        match TcpStream::connect_timeout(place, left(until)? / share) {
            Ok(stream) => return Ok(stream),
            Err(error) => last = io::Error::new(error.kind(), format!("{place}: {error}")),
        }
    }
    Err(last)
}

fn left(until: Instant) -> io::Result<Duration> {
    let left = until.saturating_duration_since(Instant::now());
    if left.is_zero() {
        return Err(io::Error::new(ErrorKind::TimedOut, "it did not answer in time"));
    }
    Ok(left)
}

/// One of the dials that may be under way.
#[derive(Debug)]
struct Line(Arc<AtomicUsize>);

impl Line {
    fn take(under_way: &Arc<AtomicUsize>) -> io::Result<Arc<Line>> {
        let line = Arc::new(Line(Arc::clone(under_way)));
        if under_way.fetch_add(1, Ordering::Relaxed) >= DIALS_MAX {
            return Err(io::Error::other("too many dials are under way"));
        }
        Ok(line)
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
