//! Loads on a mesh: pairs of peers, one that speaks to all, a crowd that only stays connected, and the
//! reference test of the field.
//!
//! A message is a `send`, its commit, its `ack`, its `push`, the `client_ack` and that one's commit.

use std::net::SocketAddr;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::outcome::float;
use super::traffic::{Flow, To, Traffic, Until};
use super::{Course, LoadError, Mark, Outcome, SETTLE, Site, Watched};
use crate::http::{ADMIN_TOKEN, SetUpError, found_mesh_as};
use crate::peer::Identity;
use crate::process::{Usage, reserve_files};
use crate::wire::Place;
use crate::wire::echo::Echo;
use crate::wire::mesh::{EVERYBODY, Peer};
use crate::wire::pool::Pool;

/// Members of one mesh: what a mesh takes by default.
const MESH_MEMBERS: u64 = 100;
/// Meshes that are set up at once: their commits are shared.
const BUILDERS: usize = 16;
/// Sends of one peer on their way while a queue is filled: half of what a broker reads without an answer.
const FILL_WINDOW: u64 = 32;
/// The longest that filling a queue, or the reference test, may take.
const PATIENCE: Duration = Duration::from_secs(300);
/// Absent members that a queue is for: none has more than the bound of a mailbox by default.
const ABSENT: u64 = 20;

/// What a broker of our own needs besides: members that send and come as fast as they can.
pub const MORE: &[(&str, &str)] =
    &[("SEND_RATE_LIMIT_PER_MIN", "0"), ("PEERMESH_HELLOS_PER_MINUTE_MAX", "1000000")];

/// Who is there.
#[derive(Clone, Copy, Debug, Default)]
pub struct Town {
    /// Pairs of a sender and a recipient.
    pub pairs: u64,
    /// Peers that only stay connected.
    pub idle: u64,
    /// Meshes over which all of them are spread; 0 for as many as have a hundred members each.
    pub meshes: u64,
    /// Messages that are queued for absent members before the measuring begins. Only in a town of one mesh.
    pub queued: u64,
}

/// What the memory and the hellos of a town came to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Census {
    /// Connected peers.
    pub connections: u64,
    /// The broker before anybody was connected.
    pub before: Usage,
    /// With everybody connected.
    pub after: Usage,
    /// How long all hellos together took.
    pub greeting: Duration,
}

impl Census {
    /// Memory for each connection, in bytes.
    pub fn bytes_each(&self) -> f64 {
        float(self.after.rss_bytes.saturating_sub(self.before.rss_bytes)) / float(self.connections.max(1))
    }

    /// Hellos a second, each signed, checked and recorded.
    pub fn hellos_per_second(&self) -> f64 {
        float(self.connections) / self.greeting.as_secs_f64().max(1e-9)
    }

    /// All of it, with units in the names.
    pub fn json(&self) -> Value {
        json!({
            "connections": self.connections,
            "rss_bytes_before": self.before.rss_bytes,
            "rss_bytes_each": self.bytes_each().round(),
            "hellos_per_second": self.hellos_per_second().round(),
        })
    }
}

/// Connects a town and lets its pairs speak.
///
/// # Errors
/// [`LoadError`].
pub fn pairs(
    site: &Site,
    town: Town,
    course: Course,
    shared: Option<&Watched>,
) -> Result<(Outcome, Census), LoadError> {
    let Built { mut pool, flows, people, census } = connect(site, town)?;
    if town.queued > 0 {
        queue(site, &mut pool, town, people)?;
    }
    let mut traffic = Traffic::new(&flows);
    let outcome = if flows.is_empty() {
        Outcome::default()
    } else {
        traffic.measure(&mut pool, course, &mut || site.mark(shared))?
    };
    Ok((outcome, census))
}

/// Carries so many messages, so that they are in the store.
///
/// # Errors
/// [`LoadError`].
pub fn fill(site: &Site, messages: u64) -> Result<Outcome, LoadError> {
    let Built { mut pool, flows, .. } = connect(site, Town { pairs: 50, ..Town::default() })?;
    let each = messages.div_ceil(flows.len() as u64);
    let mut traffic = Traffic::new(&flows);
    let filled = traffic.exhaust(&mut pool, FILL_WINDOW, each, PATIENCE, &mut || site.mark(None))?;
    if filled.lost > 0 {
        let what = format!("{} of {messages} messages were carried in {PATIENCE:?}", filled.arrivals);
        return Err(std::io::Error::other(what).into());
    }
    Ok(filled)
}

/// One peer sends to everybody: `watchers` others of its mesh.
///
/// # Errors
/// [`LoadError`].
pub fn broadcast(site: &Site, watchers: u64, course: Course) -> Result<Outcome, LoadError> {
    reserve_files(watchers + 1)?;
    let people = populate(site, &[watchers + 1])?;
    let (mut pool, count) = (Pool::new()?, people.len());
    pool.join(site.mesh(), Peer::all(people, count))?;
    let mut traffic = Traffic::new(&[to_everybody(watchers)]);
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.measure(&mut pool, course, &mut || site.mark(None))?)
}

/// The same pairs at a bare post office, whose store is in `dir`.
///
/// # Errors
/// [`LoadError`].
pub fn bare_pairs(dir: &Path, pairs: u64, course: Course) -> Result<Outcome, LoadError> {
    let place = |number: u64| Place::try_from(number).unwrap_or(Place::MAX);
    let flows: Vec<Flow> = (0..pairs).map(|pair| Flow::pair(place(2 * pair), place(2 * pair + 1))).collect();
    bare(dir, 2 * pairs, &flows, course)
}

/// The same broadcast at a bare post office, whose store is in `dir`.
///
/// # Errors
/// [`LoadError`].
pub fn bare_broadcast(dir: &Path, watchers: u64, course: Course) -> Result<Outcome, LoadError> {
    bare(dir, watchers + 1, &[to_everybody(watchers)], course)
}

fn bare(dir: &Path, people: u64, flows: &[Flow], course: Course) -> Result<Outcome, LoadError> {
    reserve_files(people)?;
    let office = Echo::office(dir)?;
    // It asks nobody for a mesh or a member.
    let person = |place: u64| Identity::new(format!("{:026}", 0), format!("{place:026}"), place);
    let people: Vec<Identity> = (0..people).map(person).collect();
    let (mut pool, count) = (Pool::new()?, people.len());
    pool.join(office.addr, Peer::all(people, count))?;
    let mut traffic = Traffic::new(flows);
    traffic.listen(&mut pool, SETTLE)?;
    let mark = || Ok(Mark { usage: office.usage()?, ..Mark::default() });
    Ok(traffic.measure(&mut pool, course, &mut || mark())?)
}

fn to_everybody(watchers: u64) -> Flow {
    let copies = u32::try_from(watchers).unwrap_or(u32::MAX);
    Flow { from: 0, to: To::One(EVERYBODY), copies, until: Until::Arrival }
}

/// The reference test: every peer sends `each` messages to random others, as fast as its window lets it.
///
/// # Errors
/// [`LoadError`].
pub fn reference(
    site: &Site,
    peers: u64,
    each: u64,
    window: u64,
    shared: Option<&Watched>,
) -> Result<Outcome, LoadError> {
    reserve_files(peers)?;
    let people = populate(site, &[peers])?;
    let (mut pool, count) = (Pool::new()?, people.len());
    pool.join(site.mesh(), Peer::all(people, count))?;
    let flow = |from| Flow { from, to: To::Any(count), copies: 1, until: Until::Arrival };
    let mut traffic = Traffic::new(&(0..count).map(flow).collect::<Vec<_>>());
    traffic.listen(&mut pool, SETTLE)?;
    Ok(traffic.exhaust(&mut pool, window, each, PATIENCE, &mut || site.mark(shared))?)
}

/// A connected town.
struct Built {
    pool: Pool,
    flows: Vec<Flow>,
    /// How many are connected; absent members stand behind them.
    people: usize,
    census: Census,
}

fn connect(site: &Site, town: Town) -> Result<Built, LoadError> {
    let connections = town.pairs * 2 + town.idle;
    reserve_files(connections)?;
    let meshes = if town.meshes == 0 { connections.div_ceil(MESH_MEMBERS).max(1) } else { town.meshes };
    let share = |whole: u64, mesh: u64| whole / meshes + u64::from(mesh < whole % meshes);
    let absent = if town.queued > 0 { ABSENT } else { 0 };
    let sizes: Vec<u64> = (0..meshes)
        .map(|mesh| 2 * share(town.pairs, mesh) + share(town.idle, mesh) + share(absent, mesh))
        .collect();
    let (mut flows, mut place) = (Vec::new(), 0);
    for mesh in 0..meshes {
        let first = usize::try_from(place).unwrap_or(0);
        let pairs = usize::try_from(share(town.pairs, mesh)).unwrap_or(0);
        flows.extend((0..pairs).map(|pair| Flow::pair(first + 2 * pair, first + 2 * pair + 1)));
        place += 2 * share(town.pairs, mesh) + share(town.idle, mesh);
    }
    let everybody = populate(site, &sizes)?;
    let people = usize::try_from(connections).unwrap_or(usize::MAX);
    let mut pool = Pool::new()?;
    thread::sleep(SETTLE);
    let before = site.usage()?;
    let greeting = Instant::now();
    pool.join(site.mesh(), Peer::all(everybody, people))?;
    let greeting = greeting.elapsed();
    Traffic::new(&[]).listen(&mut pool, SETTLE)?;
    let census = Census { connections, before, after: site.usage()?, greeting };
    Ok(Built { pool, flows, people, census })
}

/// Fills the queues of the absent members.
fn queue(site: &Site, pool: &mut Pool, town: Town, people: usize) -> Result<(), LoadError> {
    let absent = usize::try_from(ABSENT).unwrap_or(0);
    let senders = usize::try_from(town.pairs.min(ABSENT)).unwrap_or(1).min(absent);
    // A number that the measured flows never reach, so that their keys are not taken.
    let flow = |sender: usize| Flow {
        from: 2 * sender,
        to: To::One(people + sender),
        copies: 1,
        until: Until::Answer,
    };
    let flows: Vec<Flow> = (0..senders).map(flow).collect();
    let each = town.queued.div_ceil(senders as u64);
    let mut traffic = Traffic::new(&flows).from_number(1 << 40);
    let filled = traffic.exhaust(pool, FILL_WINDOW, each, PATIENCE, &mut || site.mark(None))?;
    if filled.accepted < town.queued {
        return Err(std::io::Error::other(format!(
            "{} of {} messages were queued, {} refused: the bounds of queues are too low",
            filled.accepted, town.queued, filled.refused
        ))
        .into());
    }
    Ok(())
}

/// Meshes of these sizes, and all their members in order.
fn populate(site: &Site, sizes: &[u64]) -> Result<Vec<Identity>, LoadError> {
    let (addr, token) = (site.mesh(), site.token(ADMIN_TOKEN));
    // Meshes of an earlier load on the same broker keep their names.
    let born = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let born = born.as_micros();
    let mut firsts = Vec::new();
    let mut count = 0;
    for size in sizes {
        firsts.push((count, *size));
        count += size;
    }
    let build =
        |&(first, size): &(u64, u64)| build(addr, token, &format!("bench-{born}-{first}"), first, size);
    let per_builder = firsts.len().div_ceil(BUILDERS).max(1);
    let built: Vec<Result<Vec<Identity>, SetUpError<std::io::Error>>> = thread::scope(|scope| {
        let parts: Vec<_> = firsts
            .chunks(per_builder)
            .map(|part| scope.spawn(move || part.iter().map(build).collect::<Result<Vec<_>, _>>()))
            .collect();
        let join = |part: thread::ScopedJoinHandle<'_, Result<Vec<Vec<Identity>>, _>>| {
            part.join()
                .expect("a builder does not panic")
                .map(|meshes| meshes.into_iter().flatten().collect())
        };
        parts.into_iter().map(join).collect()
    });
    let mut people = Vec::new();
    for part in built {
        people.extend(part?);
    }
    Ok(people)
}

fn build(
    mut addr: SocketAddr,
    token: &str,
    name: &str,
    first: u64,
    size: u64,
) -> Result<Vec<Identity>, SetUpError<std::io::Error>> {
    found_mesh_as(&mut addr, token, name, first, size)
}
