//! The load on live topics: one publisher, many watchers.

use std::net::SocketAddr;
use std::time::Duration;

use super::traffic::{Flow, To, Traffic, Until};
use super::{Course, LoadError, Outcome, SETTLE, Site};
use crate::process::reserve_files;
use crate::wire::Speaker;
use crate::wire::live::{SECRET, Watcher};
use crate::wire::pool::Pool;

/// The topic.
const TOPIC: &str = "bench.volatile";

/// Publications on their way while others read nothing, and the longest that all of it may take.
const STALLED_WINDOW: u64 = 64;
const STALLED_PATIENCE: Duration = Duration::from_secs(60);

/// What a broker of our own needs besides: no bound on publications, and a topic that is not stored.
pub const MORE: &[(&str, &str)] = &[
    ("PEERMESH_LIVE_TOPICS", "bench.volatile=disconnect:volatile"),
    ("PEERMESH_LIVE_MESSAGES_PER_MINUTE_MAX", "100000000"),
    ("PEERMESH_LIVE_ACCEPTS_PER_MINUTE_MAX", "10000000"),
];

/// One connection publishes so many, one watches, and others are connected and read nothing: what the broker
/// keeps for them shows in its memory. The window is what the one that watches may be behind.
///
/// # Errors
/// [`LoadError`].
pub fn stalled(site: &Site, watchers: usize, publications: u64) -> Result<Outcome, LoadError> {
    reserve_files(watchers as u64 + 2)?;
    let (addr, secret) = (port(site), site.token(SECRET));
    let mut speakers: Vec<Box<dyn Speaker>> = vec![Box::new(Watcher::publisher(TOPIC, secret))];
    speakers.extend((0..=watchers).map(|_| Box::new(Watcher::of(TOPIC, secret)) as Box<dyn Speaker>));
    let mut pool = Pool::new()?;
    pool.join(addr, speakers)?;
    (2..watchers + 2).try_for_each(|place| pool.deafen(place))?;
    let mut traffic = Traffic::new(&[Flow::pair(0, 1)]);
    Ok(traffic.exhaust(&mut pool, STALLED_WINDOW, publications, STALLED_PATIENCE, &mut || site.mark(None))?)
}

/// One connection publishes to a topic that is not stored, others watch it.
///
/// # Errors
/// [`LoadError`].
pub fn fanout(site: &Site, watchers: u64, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(watchers + 1)?;
    let (addr, secret) = (port(site), site.token(SECRET));
    let mut speakers: Vec<Box<dyn Speaker>> = vec![Box::new(Watcher::publisher(TOPIC, secret))];
    speakers.extend((0..watchers).map(|_| Box::new(Watcher::of(TOPIC, secret)) as Box<dyn Speaker>));
    let mut pool = Pool::new()?;
    pool.join(addr, speakers)?;
    let copies = u32::try_from(watchers).unwrap_or(u32::MAX);
    let flow = Flow { from: 0, to: To::One(0), copies, until: Until::Arrival };
    let mut traffic = Traffic::new(&[flow]);
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.measure(&mut pool, course, &mut || site.mark(None))?)
}

fn port(site: &Site) -> SocketAddr {
    match site {
        Site::Own(server) => server.live,
        Site::Other { addr, .. } => *addr,
    }
}
