//! A whole broker on loopback: pairs of peers in a closed loop, and a crowd of idle ones.
//!
//! Every pair keeps `window` messages on their way: a sender sends the next one when the recipient has
//! received one. A message is a `send`, its commit, its `ack`, its `push`, the `client_ack` and that one's
//! commit. Everything is bounded in time and ends by itself.

mod crowd;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use peermesh_conformance::proxy::Proxy;
use peermesh_conformance::server::{Database, Server as PostgresServer};

use crate::http::{SetUpError, found_mesh};
use crate::peer::{Identity, Letters, Said, acknowledge};

use self::crowd::{Crowd, Heard};
use crate::server::{Server, Usage};

pub use crate::server::Cpu;

/// Members of one mesh: what a mesh takes by default.
const MESH_MEMBERS: u64 = 100;
/// From the last send to the last delivery.
const DRAIN_PATIENCE: Duration = Duration::from_secs(5);
/// Between the last connection and the look at the memory: what setting up needed for a moment is free again.
const SETTLE: Duration = Duration::from_millis(1_500);

/// What is to be measured.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The program.
    pub program: PathBuf,
    /// Where its data goes: the disk that is measured.
    pub dir: PathBuf,
    /// Pairs of a sender and a recipient.
    pub pairs: u64,
    /// Messages of a pair on their way.
    pub window: u64,
    /// Peers that only stay connected.
    pub idle: u64,
    /// How long is measured, after a warm-up of a third of it.
    pub time: Duration,
    /// What carries the broker, if not its default.
    pub runtime: Option<String>,
    /// Where it is recorded, if it is.
    pub record: Option<PathBuf>,
    /// The database that the broker keeps its messages in; none for the embedded store.
    pub shared: Option<Arc<Watched>>,
}

/// A Postgres database behind a proxy that counts what is asked of it.
#[derive(Debug)]
pub struct Watched {
    proxy: Proxy,
    database: Database,
}

impl Watched {
    /// An empty database on that server.
    pub fn on(server: &PostgresServer) -> Watched {
        let database = server.database();
        Watched { proxy: Proxy::to(database.address()), database }
    }

    fn url(&self) -> String {
        self.database.url_by(self.proxy.port())
    }
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum LoopbackError {
    /// A stream or the process failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The meshes could not be made.
    #[error(transparent)]
    SetUp(#[from] SetUpError<io::Error>),
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Messages received in the measured time.
    pub messages: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// Time the broker spent on a processor meanwhile.
    pub cpu: Cpu,
    /// Its commits meanwhile.
    pub commits: u64,
    /// Statements that its shared store was asked to run meanwhile, pings included.
    pub statements: u64,
    /// Times it waited for its shared store meanwhile.
    pub round_trips: u64,
    /// Transactions that its shared store committed meanwhile, by that store's own count.
    pub transactions: u64,
    /// Bytes it handed to the disk meanwhile.
    pub disk_bytes: u64,
    /// Times its threads went to sleep meanwhile.
    pub switches: u64,
    /// From send to push, sorted, in microseconds.
    pub waits_us: Vec<u32>,
    /// Accepted and not received when the run ended, over the whole run.
    pub lost: u64,
    /// Received twice, over the whole run.
    pub doubled: u64,
    /// Refused sends, over the whole run.
    pub refused: u64,
    /// Resident memory after the start, with everybody connected, and at the end of the load.
    pub rss_bytes: [u64; 3],
    /// Connected peers.
    pub connections: u64,
    /// How long all hellos together took.
    pub greeting: Duration,
}

impl Outcome {
    /// A wait that this many of a thousand do not exceed.
    pub fn wait_us(&self, of_thousand: usize) -> u32 {
        let at = self.waits_us.len() * of_thousand / 1_000;
        self.waits_us.get(at.min(self.waits_us.len().saturating_sub(1))).copied().unwrap_or(0)
    }
}

/// Starts a broker, connects everybody, measures, ends it.
///
/// # Errors
/// [`LoopbackError`].
pub fn run(plan: &Plan) -> Result<Outcome, LoopbackError> {
    let url = plan.shared.as_ref().map(|shared| shared.url());
    let runtime = plan.runtime.iter().map(|runtime| ("PEERMESH_RUNTIME", runtime.as_str()));
    let record = plan.record.as_ref().map(|dir| dir.display().to_string());
    let record = record.iter().map(|dir| ("PEERMESH_RECORD", dir.as_str()));
    let shared = url.iter().map(|url| ("DATABASE_URL", url.as_str()));
    let more: Vec<_> = shared.chain(runtime).chain(record).collect();
    let mut server = Server::start(&plan.program, &plan.dir, &more)?;
    let people = populate(&mut server, plan.pairs * 2 + plan.idle)?;
    let mut outcome = Outcome { connections: plan.pairs * 2 + plan.idle, ..Outcome::default() };
    std::thread::sleep(SETTLE);
    outcome.rss_bytes[0] = server.usage()?.rss_bytes;
    let mut crowd = Crowd::new()?;
    let greeting = Instant::now();
    crowd.join(server.addr, &people)?;
    outcome.greeting = greeting.elapsed();
    listen(&mut crowd, SETTLE)?;
    outcome.rss_bytes[1] = server.usage()?.rss_bytes;
    if plan.pairs > 0 {
        Load::new(plan, &people).run(&mut server, &mut crowd, plan, &mut outcome)?;
    }
    outcome.rss_bytes[2] = server.usage()?.rss_bytes;
    Ok(outcome)
}

/// Meshes of equal size for everybody. Pairs stand beside each other, so each is within one mesh.
fn populate(server: &mut Server, count: u64) -> Result<Vec<Identity>, LoopbackError> {
    let mut people = Vec::new();
    for first in (0..count).step_by(usize::try_from(MESH_MEMBERS).unwrap_or(1)) {
        let members = MESH_MEMBERS.min(count - first);
        people.extend(found_mesh(server, &format!("bench-{first}"), first, members)?);
    }
    Ok(people)
}

/// Lets everybody hear what comes for a while: who joined, and pings.
fn listen(crowd: &mut Crowd, time: Duration) -> io::Result<()> {
    let until = Instant::now() + time;
    while Instant::now() < until {
        crowd.turn(Duration::from_millis(50), |_, _| ())?;
    }
    Ok(())
}

/// All pairs. Senders have even places, and the recipient of each stands behind it.
struct Load {
    window: u64,
    pairs: Vec<Pair>,
    received: u64,
    accepted: u64,
    refused: u64,
    doubled: u64,
    waits_us: Vec<u32>,
}

struct Pair {
    letters: Letters,
    /// When each letter was sent, by number; none once it was received.
    sent: Vec<Option<Instant>>,
    count: u64,
    received: u64,
}

impl Load {
    fn new(plan: &Plan, people: &[Identity]) -> Load {
        let pair = |place: u64, two: &[Identity]| Pair {
            letters: Letters::new(place, &two[1].address),
            sent: Vec::new(),
            count: 0,
            received: 0,
        };
        let pairs =
            (0..plan.pairs).zip(people.chunks_exact(2)).map(|(place, two)| pair(place, two)).collect();
        Load {
            window: plan.window,
            pairs,
            received: 0,
            accepted: 0,
            refused: 0,
            doubled: 0,
            waits_us: Vec::new(),
        }
    }

    fn run(
        mut self,
        server: &mut Server,
        crowd: &mut Crowd,
        plan: &Plan,
        outcome: &mut Outcome,
    ) -> io::Result<()> {
        self.carry(crowd, plan.time / 3)?;
        let mark = Mark::take(server, plan.shared.as_deref())?;
        let (received, began) = (self.received, Instant::now());
        self.waits_us.clear();
        self.carry(crowd, plan.time)?;
        outcome.elapsed = began.elapsed();
        outcome.messages = self.received - received;
        let end = Mark::take(server, plan.shared.as_deref())?;
        outcome.cpu = end.usage.cpu.since(mark.usage.cpu);
        outcome.commits = end.commits - mark.commits;
        outcome.statements = end.statements - mark.statements;
        outcome.round_trips = end.round_trips - mark.round_trips;
        outcome.transactions = end.transactions.saturating_sub(mark.transactions);
        outcome.disk_bytes = end.usage.disk_bytes - mark.usage.disk_bytes;
        outcome.switches = end.usage.switches.saturating_sub(mark.usage.switches);
        outcome.waits_us = std::mem::take(&mut self.waits_us);
        outcome.waits_us.sort_unstable();
        self.window = 0;
        let until = Instant::now() + DRAIN_PATIENCE;
        while self.received < self.sent() - self.refused && Instant::now() < until {
            self.carry(crowd, Duration::from_millis(20))?;
        }
        outcome.lost = self.sent() - self.refused - self.received;
        (outcome.doubled, outcome.refused) = (self.doubled, self.refused);
        Ok(())
    }

    /// Keeps every pair's window full for a time.
    fn carry(&mut self, crowd: &mut Crowd, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        let (mut text, mut acks) = (String::new(), Vec::new());
        loop {
            let now = Instant::now();
            if now >= until {
                return Ok(());
            }
            for (place, pair) in self.pairs.iter_mut().enumerate() {
                while pair.count - pair.received < self.window {
                    pair.letters.next(&mut text);
                    pair.sent.push(Some(now));
                    pair.count += 1;
                    crowd.say(place * 2, &text);
                }
            }
            crowd.turn((until - now).min(Duration::from_millis(50)), |place, heard| {
                if let Heard::Said(said) = heard {
                    self.hear(place, said, &mut acks);
                }
            })?;
            for (place, ack) in acks.drain(..) {
                crowd.say(place, &ack);
            }
        }
    }

    fn hear(&mut self, place: usize, said: Said<'_>, acks: &mut Vec<(usize, String)>) {
        let Some(pair) = self.pairs.get_mut(place / 2) else { return };
        match said {
            Said::Push { message_id, client_id, number } => {
                let mut ack = String::new();
                acknowledge(&mut ack, message_id, client_id);
                acks.push((place, ack));
                match usize::try_from(number)
                    .ok()
                    .and_then(|number| pair.sent.get_mut(number))
                    .map(Option::take)
                {
                    Some(Some(sent)) => {
                        pair.received += 1;
                        self.received += 1;
                        self.waits_us.push(u32::try_from(sent.elapsed().as_micros()).unwrap_or(u32::MAX));
                    }
                    Some(None) | None => self.doubled += 1,
                }
            }
            Said::Accepted => self.accepted += 1,
            Said::Refused => {
                // Its place in the window is free again; which letter it was does not matter.
                self.refused += 1;
                pair.received += 1;
            }
            Said::Welcome | Said::Other => {}
        }
    }

    fn sent(&self) -> u64 {
        self.pairs.iter().map(|pair| pair.count).sum()
    }
}

/// The broker's counters at one moment.
#[derive(Default)]
struct Mark {
    usage: Usage,
    commits: u64,
    statements: u64,
    round_trips: u64,
    transactions: u64,
}

impl Mark {
    fn take(server: &mut Server, shared: Option<&Watched>) -> io::Result<Mark> {
        let commits = server.metric("peermesh_commits_total")?;
        let mark = Mark { usage: server.usage()?, commits, ..Mark::default() };
        let Some(shared) = shared else { return Ok(mark) };
        let counts = shared.proxy.counts();
        // The server tells its own count about a second late.
        let told =
            "SELECT pg_stat_get_db_xact_commit(oid) FROM pg_database WHERE datname = current_database()";
        let row = shared.database.client().query_one(told, &[]).map_err(io::Error::other)?;
        let transactions = u64::try_from(row.get::<_, i64>(0)).unwrap_or(0);
        let statements = counts.calls.values().sum();
        Ok(Mark { statements, round_trips: counts.round_trips, transactions, ..mark })
    }
}
