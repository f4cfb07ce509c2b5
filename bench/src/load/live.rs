//! The load on live topics: one publisher, many watchers.

use super::traffic::{Flow, Until};
use super::traffic::{To, Traffic};
use super::{Course, LoadError, Outcome, SETTLE, Site};
use crate::process::reserve_files;
use crate::wire::Speaker;
use crate::wire::live::{SECRET, Watcher};
use crate::wire::pool::Pool;

/// The topic.
const TOPIC: &str = "bench.volatile";

/// What a broker of our own needs besides: no bound on publications, and a topic that is not stored.
pub const MORE: &[(&str, &str)] = &[
    ("PEERMESH_LIVE_TOPICS", "bench.volatile=disconnect:volatile"),
    ("PEERMESH_LIVE_MESSAGES_PER_MINUTE_MAX", "100000000"),
    ("PEERMESH_LIVE_ACCEPTS_PER_MINUTE_MAX", "10000000"),
];

/// One connection publishes to a topic that is not stored, others watch it.
///
/// # Errors
/// [`LoadError`].
pub fn fanout(site: &Site, watchers: u64, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(watchers + 1)?;
    let addr = match site {
        Site::Own(server) => server.live,
        Site::Other { addr, .. } => *addr,
    };
    let secret = site.token(SECRET);
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
