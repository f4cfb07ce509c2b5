//! `serve`: puts settings, store, shards and runtime together, and ends them in good order.

use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Secret};
use peermesh_core::ids::ShardId;
use peermesh_core::machine::{Machine, Order};
use peermesh_core::note::{Level, Note};
use peermesh_core::stats::Stats;
use peermesh_runtime_smol::{Lanes, Plan};
use peermesh_store::sqlite::{self, OpenError, Sqlite};
use rustix::process::{Resource, Rlimit};

use crate::config::{Flags, Settings};
use crate::failure::{Exit, Failure};
use crate::home::{self, BrokerFile, Home};
use crate::logs::Logs;
use crate::terminal::Terminal;
use crate::{metrics, signals};

/// Reading connections of the store. Reads are rare and short: a mesh on its first use, a status, a list.
const READERS: usize = 2;
/// From the first signal to the end of the process, beyond the time that draining may take.
const AFTER_DRAIN: Duration = Duration::from_secs(1);
/// Connections the kernel holds for the listener to take.
const BACKLOG: i32 = 1_024;
/// How long the last log lines may take to be written.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Why the broker does not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeError {
    #[error(transparent)]
    Store(#[from] OpenError),
    #[error("cannot listen on {address}: {error}; choose another port with --port, or stop what uses it")]
    Listen { address: SocketAddr, error: io::Error },
    #[error("cannot start {what}: {error}")]
    Start { what: &'static str, error: io::Error },
}

/// Serves until a signal says stop.
pub(crate) fn run(
    home: &Home,
    flags: &Flags,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &Terminal,
) -> Result<(), Failure> {
    let settings = Settings::read(home, flags, env)?;
    let start = |what| move |error| ServeError::Start { what, error };
    let drain = Duration::from_millis(settings.limits.drain_ms());
    let stop = signals::listen(drain + AFTER_DRAIN).map_err(start("the signal handler"))?;
    home.prepare()?;
    let config = Arc::new(configure(home, &settings)?);
    let store = sqlite::open(home.dir(), READERS).map_err(ServeError::from)?;
    raise_file_limit();
    let listener = TcpListener::bind(settings.listen)
        .map_err(|error| ServeError::Listen { address: settings.listen, error })?;
    // The library's queue of 128 overflows when a fleet comes back at once, and the kernel then makes each of
    // them wait a second. A system that will not have a longer one keeps that.
    let _ = rustix::net::listen(&listener, BACKLOG);
    let logs = Logs::start(settings.log, io::stderr()).map_err(start("the log writer"))?;
    let plan = plan(&settings, &config, store, listener, &logs)?;
    let running = peermesh_runtime_smol::start(plan).map_err(start("the runtime"))?;
    let url = format!("http://{}", reachable(settings.listen));
    home.announce(&BrokerFile { url, pid: std::process::id() })?;
    logs.note(listening(&settings, &config));
    if io::stderr().is_terminal() {
        greet(home, &settings, terminal);
    }

    let signal = stop.wait();
    logs.note(Note::new(Level::Info, "shutdown signal").with("signal", signal));
    // While this process still holds the lock, so that the word of a successor is never taken back.
    home.withdraw();
    running.order(Order::Drain);
    running.join();
    logs.note(Note::new(Level::Info, "shutdown complete").with("signal", signal));
    logs.flush(LAST_LINES);
    Ok(())
}

fn configure(home: &Home, settings: &Settings) -> Result<Config, Failure> {
    let admin_token = match &settings.admin_token {
        Some(token) => token.clone(),
        None => Secret::new(home.make_token()?),
    };
    let vault_key = match &settings.key_file {
        Some(path) => home::read_key(path)?,
        None => home.make_key()?,
    };
    Ok(Config {
        limits: settings.limits.clone(),
        public_url: settings.public_url.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        git_sha: settings.git_sha.clone(),
        admin_token,
        hook_token: settings.hook_token.clone(),
        allowed_origins: settings.allowed_origins.clone(),
        trusted_proxies: settings.trusted_proxies.clone(),
        vault_key,
        log_level: settings.log,
    })
}

fn plan(
    settings: &Settings,
    config: &Arc<Config>,
    store: Sqlite,
    listener: TcpListener,
    logs: &Logs,
) -> Result<Plan, Failure> {
    let mut shards: Vec<Box<dyn Machine + Send>> = Vec::with_capacity(usize::from(settings.shards));
    for shard in (0..settings.shards).map(ShardId) {
        let (config, seed) = (Arc::clone(config), home::random::<32>()?);
        shards.push(Box::new(Broker::new(Setup { shard, shards: settings.shards, config, seed })));
    }
    let (noting, scraping, failing) = (logs.clone(), logs.clone(), logs.clone());
    Ok(Plan {
        listener,
        shards,
        lanes: Lanes { writers: vec![store.writer], readers: store.readers },
        note: Arc::new(move |note| noting.note(note)),
        scrape: Arc::new(move |stats: &[Stats], openmetrics| {
            metrics::page(stats, scraping.dropped(), openmetrics)
        }),
        fail: Arc::new(move |why| {
            failing.note(Note::new(Level::Error, "broker failed").with("error", why));
            failing.flush(LAST_LINES);
            std::process::exit(Exit::Corrupt as i32);
        }),
    })
}

/// Sockets are descriptors, and the soft limit of a login shell is far below what the system would allow.
/// Where it cannot be raised, the broker serves within it.
fn raise_file_limit() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let _ = rustix::process::setrlimit(Resource::Nofile, raised);
}

/// Where programs on this machine reach what listens there.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
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
}

fn greet(home: &Home, settings: &Settings, terminal: &Terminal) {
    let dir = home.dir().display();
    for line in [
        format!("\npeermesh listens on {}; everything it keeps is in {dir}", settings.listen),
        "In another terminal, type:".to_owned(),
        "  peermesh mesh create demo".to_owned(),
        "  peermesh invite demo --uses 2".to_owned(),
        "  peermesh join INVITE --as ann".to_owned(),
        "End the broker with Ctrl-C.\n".to_owned(),
    ] {
        for part in line.split('\n') {
            terminal.remark(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_on_every_address_is_reached_by_loopback() {
        let at = |text: &str| reachable(text.parse().unwrap()).to_string();
        assert_eq!(at("0.0.0.0:7900"), "127.0.0.1:7900");
        assert_eq!(at("[::]:7900"), "[::1]:7900");
        assert_eq!(at("192.0.2.7:7900"), "192.0.2.7:7900");
    }

    #[test]
    fn the_first_record_has_the_fields_of_the_protocol() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        home.prepare().unwrap();
        let settings = Settings::read(&home, &Flags::default(), &|_| None).unwrap();
        let config = configure(&home, &settings).unwrap();
        let note = listening(&settings, &config);
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
    }
}
