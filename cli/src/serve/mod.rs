//! `serve`: puts settings, store, shards and runtime together, and ends them in good order.

mod courier;
mod ground;
mod lanes;
mod record;
#[cfg(feature = "threads")]
mod room;
pub(crate) mod runtime;
pub(crate) mod weight;

use std::fmt;
use std::io::{self, IsTerminal};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::Config;
use peermesh_core::ids::ShardId;
use peermesh_core::machine::{Listener, Machine, Order};
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::Stats;
use rustix::process::{Resource, Rlimit};

use crate::config::{Flags, Settings, Store};
use crate::failure::{Exit, Failure};
use crate::home::{self, BrokerFile, Home, HomeError};
use crate::logs::Logs;
use crate::metrics::{self, Edge};
use crate::report::Reports;
use crate::signals;
use crate::supervisor;
use crate::terminal::Terminal;
use ground::Ground;
use record::Recorder;
use runtime::{Ear, Lanes, Plan};

/// From the first signal to the end of the process, beyond the time that draining may take.
const AFTER_DRAIN: Duration = Duration::from_millis(900);
/// Connections the kernel holds for the listener to take.
const BACKLOG: i32 = 1_024;
/// How long the store may take to answer the last calls, once nobody is connected any more.
const LAST_CALLS: Duration = Duration::from_millis(300);
/// How long the end of a recording may take to be written.
const LAST_BLOCKS: Duration = Duration::from_millis(300);
/// How long the last log lines may take to be written.
const LAST_LINES: Duration = Duration::from_millis(500);
/// How long the last reports may take to be sent, as long as draining left so much.
const LAST_REPORTS: Duration = Duration::from_secs(2);

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] peermesh_store::sqlite::OpenError),
    #[cfg(feature = "postgres")]
    #[error("{error} (database {place}); peermesh doctor tells more")]
    Migrate { place: String, error: peermesh_store::postgres::MigrateError },
    #[error("cannot listen on {address} for {whom}: {error}; {}", way_out(error, whom))]
    Listen { address: SocketAddr, error: io::Error, whom: Whom },
    #[error(transparent)]
    Record(#[from] record::RingError),
    #[error("cannot start {what}: {error}")]
    Start { what: &'static str, error: io::Error },
}

/// Who is listened for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Whom {
    Peers,
    Runners,
    Watchers,
}

impl fmt::Display for Whom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Whom::Peers => "peers",
            Whom::Runners => "runners",
            Whom::Watchers => "watchers of live topics",
        })
    }
}

/// What to do where a port cannot be listened on: each has settings of its own.
fn way_out(error: &io::Error, whom: &Whom) -> String {
    let (host, port) = match whom {
        Whom::Peers => ("--host", "--port"),
        Whom::Runners => ("--host", "PEERMESH_RUNNER_PORT"),
        Whom::Watchers => ("LIVE_WS_HOST", "LIVE_WS_PORT"),
    };
    match error.kind() {
        io::ErrorKind::AddrNotAvailable => format!("choose an address of this machine with {host}"),
        _ => format!("choose another port with {port}, or stop what uses it"),
    }
}

/// Serves until a signal says stop.
pub(crate) fn run(
    home: Result<Home, HomeError>,
    flags: &Flags,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let settings = Settings::read(home.as_ref().ok(), flags, env)?;
    let start = |what| move |error| ServeError::Start { what, error };
    let drain = Duration::from_millis(drain_ms(&settings) + settings.limits.close_ms());
    let stop = signals::listen(drain + AFTER_DRAIN).map_err(start("the signal handler"))?;
    let logs = Logs::start(settings.log, io::stderr()).map_err(start("the log writer"))?;
    let reports = Reports::start(settings.reporting.as_ref()).map_err(start("the reports"))?;
    let voice = Voice { logs, reports };
    let (ground, lanes) = match &settings.store {
        #[cfg(feature = "sqlite")]
        Store::Sqlite => {
            let home = home?;
            let ground = ground::firm(home.clone(), &settings)?;
            (ground, lanes::sqlite(home.dir()).map_err(ServeError::from)?)
        }
        #[cfg(feature = "postgres")]
        Store::Postgres(options) => {
            let ground = ground::any(home, &settings)?;
            let lanes = lanes::postgres(options, unfit(&voice, ground.home.clone()));
            (ground, lanes)
        }
    };
    raise_file_limit();
    let mut listeners = vec![(Listener::Mesh, Ear::Tcp(bind(settings.listen, Whom::Peers)?))];
    if let Some(runners) = &settings.runners {
        listeners.push((Listener::Runner, Ear::Tcp(bind(runners.listen, Whom::Runners)?)));
    }
    let live = open_live(&settings, &mut listeners, &voice)?;
    let config = Arc::new(configure(&ground, &settings, &voice.reports));
    let recorder = match &settings.record {
        Some(record) => Some(Arc::new(Recorder::start(record, &config, settings.shards, &voice)?)),
        None => None,
    };
    let plan = plan(&settings, &config, lanes, listeners, &voice, recorder.clone())?;
    let Ground { home, notes, .. } = ground;
    if let Some(home) = &home {
        home.announce(&BrokerFile {
            url: format!("http://{}", settings.reachable()),
            pid: std::process::id(),
        })?;
    }
    voice.note(listening(&settings, &config));
    if let Some(runners) = &settings.runners {
        let note = Note::new(Level::Info, "runners listening").with("port", runners.listen.port());
        voice.note(note.with("target", runners.target.events()));
    }
    notes.into_iter().for_each(|note| voice.note(note));
    let running = runtime::start(settings.runtime, plan).map_err(start("the runtime"))?;
    let running = Arc::new(Mutex::new(running));
    hear_feed(&settings, &running)?;
    if let Some(at) = live {
        voice.note(Note::new(Level::Info, "live server ready").with("port", at.port()));
    }
    supervisor::ready();
    if io::stderr().is_terminal() {
        greeting(home.as_ref(), &settings).iter().for_each(|line| terminal.remark(line));
    }

    let signal = stop.wait();
    let until = Instant::now() + drain + AFTER_DRAIN - LAST_LINES - LAST_CALLS;
    voice.note(Note::new(Level::Info, "shutdown signal").with("signal", signal));
    supervisor::stopping();
    // While this process still holds the store, so that the word of a successor is never taken back.
    if let Some(home) = &home {
        home.withdraw();
    }
    locked(&running).order(Order::Drain);
    // Whoever sent what is left in a store that hangs was not told that it was stored.
    let answered = alone(running).join_within(LAST_CALLS);
    if let Some(recorder) = recorder {
        recorder.finish(LAST_BLOCKS);
    }
    let note = Note::new(Level::Info, "shutdown complete").with("signal", signal);
    voice.note(note.with("store_answered", answered));
    voice.logs.flush(LAST_LINES);
    voice.reports.flush(until.saturating_duration_since(Instant::now()).min(LAST_REPORTS));
    Ok(())
}

/// Where records go: all of them to the log, and some to whoever is told of them besides.
#[derive(Clone)]
struct Voice {
    logs: Logs,
    reports: Reports,
}

impl Voice {
    fn note(&self, note: Note) {
        self.reports.note(&note);
        self.logs.note(note);
    }

    /// Says the last thing before the process ends.
    fn end(&self, note: Note) {
        self.note(note);
        self.logs.flush(LAST_LINES);
        self.reports.flush(LAST_REPORTS);
    }
}

fn configure(ground: &Ground, settings: &Settings, reports: &Reports) -> Config {
    Config {
        limits: settings.limits.clone(),
        public_url: settings.public_url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_sha: settings.git_sha.clone(),
        admin_token: ground.admin_token.clone(),
        hook_token: settings.hook_token.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        vault_key: ground.vault_key.clone(),
        expected_migration: settings.expected_migration.clone(),
        log_level: reports.level().map_or(settings.log, |level| level.max(settings.log)),
        runners: settings.runners.as_ref().map(|runners| runners.config.clone()),
        live: settings.live.as_ref().map(|live| live.config.clone()),
    }
}

fn plan(
    settings: &Settings,
    config: &Arc<Config>,
    lanes: Lanes,
    listeners: Vec<(Listener, Ear)>,
    voice: &Voice,
    recorder: Option<Arc<Recorder>>,
) -> Result<Plan, Failure> {
    let shards = match &recorder {
        Some(recorder) => recorder.machines(),
        None => machines(settings.shards, config)?,
    };
    let (noting, scraping, failing) = (voice.clone(), voice.logs.clone(), voice.clone());
    let instance = settings.instance.clone();
    Ok(Plan {
        listeners,
        shards,
        lanes,
        couriers: courier::couriers(settings, &voice.reports)
            .map_err(|error| ServeError::Start { what: "the courier", error })?,
        note: Arc::new(move |note| noting.note(note)),
        scrape: Arc::new(move |stats: &[Stats], openmetrics| {
            let recorded = recorder.as_ref().map(|recorder| recorder.counts()).unwrap_or_default();
            let edge = Edge { log_records_dropped: scraping.dropped(), recorded, instance: &instance };
            metrics::page(stats, &edge, openmetrics)
        }),
        weigh: Arc::new(weight::weigh),
        fail: Arc::new(move |why| {
            failing.end(Note::new(Level::Error, "broker failed").with("error", why));
            std::process::exit(Exit::Corrupt as i32);
        }),
        // A broker dials nobody.
        secure: None,
    })
}

fn machines(shards: u16, config: &Arc<Config>) -> Result<Vec<Box<dyn Machine + Send>>, Failure> {
    let mut machines: Vec<Box<dyn Machine + Send>> = Vec::with_capacity(usize::from(shards));
    for shard in (0..shards).map(ShardId) {
        let (config, seed) = (Arc::clone(config), home::random::<32>()?);
        machines.push(Box::new(Broker::new(Setup { shard, shards, config, seed })));
    }
    Ok(machines)
}

/// Opens the port of live topics where they are served, and says where it is.
fn open_live(
    settings: &Settings,
    listeners: &mut Vec<(Listener, Ear)>,
    voice: &Voice,
) -> Result<Option<SocketAddr>, ServeError> {
    let Some(live) = &settings.live else { return Ok(None) };
    let (address, whom) = (live.listen, Whom::Watchers);
    let bound = bind(address, whom)?;
    let at = bound.local_addr().map_err(|error| ServeError::Listen { address, error, whom })?;
    // Said once in the life of a process: a record's text is otherwise fixed.
    let starting = format!("live server starting on :{}", at.port()).leak();
    voice.note(Note::new(Level::Info, starting).with("host", at.ip().to_string()));
    listeners.push((Listener::Live, Ear::Tcp(bound)));
    Ok(Some(at))
}

/// Lets every notice of the feed be looked at.
fn hear_feed(settings: &Settings, running: &Arc<Mutex<runtime::Running>>) -> Result<(), ServeError> {
    match (&settings.store, settings.live.as_ref().and_then(|live| live.feed.as_deref())) {
        #[cfg(feature = "postgres")]
        (Store::Postgres(options), Some(channel)) => {
            let running = Arc::downgrade(running);
            let hint = move || {
                if let Some(running) = running.upgrade() {
                    locked(&running).order(Order::Feed);
                }
            };
            peermesh_store::postgres::listen(options, channel, hint)
                .map_err(|error| ServeError::Start { what: "the listener of the feed", error })
        }
        _ => {
            let _ = running;
            Ok(())
        }
    }
}

fn locked(running: &Mutex<runtime::Running>) -> MutexGuard<'_, runtime::Running> {
    running.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The run, once nobody else gives it orders.
fn alone(mut running: Arc<Mutex<runtime::Running>>) -> runtime::Running {
    loop {
        match Arc::try_unwrap(running) {
            Ok(running) => return running.into_inner().unwrap_or_else(PoisonError::into_inner),
            // A hint is being passed on, which takes no time.
            Err(shared) => running = shared,
        }
        std::thread::yield_now();
    }
}

/// From the first signal until open connections are dropped, in milliseconds.
fn drain_ms(settings: &Settings) -> u64 {
    let live = settings.live.as_ref().map_or(0, |_| settings.limits.live_drain_ms());
    settings.limits.drain_ms().max(live)
}

fn bind(address: SocketAddr, whom: Whom) -> Result<TcpListener, ServeError> {
    let refused = |error| ServeError::Listen { address, error, whom };
    let listener = TcpListener::bind(address).map_err(refused)?;
    // The library's queue of 128 overflows when a fleet comes back at once, and the kernel then makes each of
    // them wait a second. A system that will not have a longer one keeps that.
    let _ = rustix::net::listen(&listener, BACKLOG);
    Ok(listener)
}

/// Ends the process when the store turns out to be none that this program can serve from.
#[cfg(feature = "postgres")]
fn unfit(voice: &Voice, home: Option<Home>) -> peermesh_store::postgres::Unfit {
    let voice = voice.clone();
    Arc::new(move |why| {
        let way_out = "peermesh doctor shows what is wrong with it";
        voice.end(Note::new(Level::Error, "store unfit").with("error", why).with("way_out", way_out));
        if let Some(home) = &home {
            home.withdraw();
        }
        std::process::exit(Exit::Failed as i32);
    })
}

/// Sockets are descriptors, and the soft limit of a login shell is far below what the system would allow.
/// Where it cannot be raised, the broker serves within it.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}

/// The first record of a broker (mesh protocol, section 9).
fn listening(settings: &Settings, config: &Config) -> Note {
    let limits = &settings.limits;
    Note::new(Level::Info, "broker listening")
        .with("port", settings.listen.port())
        .with("host", settings.listen.ip().to_string())
        .with("version", config.version.as_str())
        .with("gitSha", config.git_sha.as_str())
        .with("ws_path", "/ws")
        .with("ttl_seconds", limits.status_ttl_ms() / 1_000)
        .with("hook_fresh_seconds", limits.hook_fresh_ms() / 1_000)
        .with("max_connections_per_mesh", limits.connections_per_mesh_max())
        .with("max_message_bytes", limits.message_bytes_max())
        .with("hook_rate_limit_per_min", limits.hook_rate_per_minute())
        .with("shards", settings.shards)
        .with("store", settings.store.word())
        .with("runtime", settings.runtime.word())
}

/// What a person at the terminal is told, line by line.
fn greeting(home: Option<&Home>, settings: &Settings) -> [String; 8] {
    let place = match (&settings.store, home) {
        #[cfg(feature = "sqlite")]
        (Store::Sqlite, Some(home)) => home.dir().display().to_string(),
        _ => format!("its database (store: {})", settings.store.word()),
    };
    let data = home.map(Home::as_flag).unwrap_or_default();
    [
        String::new(),
        format!("peermesh listens on {}; everything it keeps is in {place}", settings.listen),
        "In another terminal, type:".to_owned(),
        format!("  peermesh mesh create demo{data}"),
        format!("  peermesh invite demo --uses 2{data}"),
        format!("  peermesh join INVITE --as ann{data}"),
        "End the broker with Ctrl-C.".to_owned(),
        String::new(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_greeting_names_commands_that_find_the_broker_as_they_stand() {
        let settings = Settings::read(None, &Flags::default(), &|_| None).unwrap();
        let typed = |home: &Home| -> Vec<String> {
            let lines = greeting(Some(home), &settings).into_iter();
            lines.filter_map(|line| line.strip_prefix("  peermesh ").map(str::to_owned)).collect()
        };
        let flagged = Home::locate(Some(std::path::Path::new("/srv/my mesh")), &|_| None).unwrap();
        let commands = typed(&flagged);
        assert_eq!(commands.len(), 3);
        assert!(commands.iter().all(|line| line.ends_with(" --data '/srv/my mesh'")), "{commands:?}");
        let env = |name: &str| (name == "HOME").then(|| "/home/ann".to_owned());
        assert_eq!(typed(&Home::locate(None, &env).unwrap())[0], "mesh create demo");
    }

    #[cfg(feature = "postgres")]
    #[test]
    fn the_first_record_has_the_fields_of_the_protocol() {
        let database =
            |name: &str| (name == "DATABASE_URL").then(|| "postgres://u:hunter2@db/mesh".to_owned());
        let settings = Settings::read(None, &Flags::default(), &database).unwrap();
        let ground = Ground { home: None, admin_token: None, vault_key: None, notes: Vec::new() };
        let reports = Reports::start(None).unwrap();
        let note = listening(&settings, &configure(&ground, &settings, &reports));
        for field in [
            "port",
            "version",
            "gitSha",
            "ws_path",
            "ttl_seconds",
            "hook_fresh_seconds",
            "max_connections_per_mesh",
            "max_message_bytes",
            "hook_rate_limit_per_min",
        ] {
            assert!(note.fields.iter().any(|(name, _)| *name == field), "{field}");
        }
        assert_eq!((note.msg, note.level), ("broker listening", Level::Info));
        assert!(
            note.fields.contains(&("store", "postgres".into())) && !format!("{note:?}").contains("hunter")
        );
    }
}
