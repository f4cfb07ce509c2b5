//! `peermesh daemon up`: puts profiles, files, machine and runtime together, and ends them in good order.

use std::fs::{File, OpenOptions};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::config::{DaemonLimits, Limits, Secret};
use peermesh_core::daemon::{Daemon, DaemonConfig, Joined, Membership, Setup};
use peermesh_core::machine::{Envelope, Listener, Machine, Order};
use peermesh_core::note::{Level, Note};
use serde_json::json;

use super::host::{self, Verdict};
use super::lock::{Holder, Lock};
use super::place::Place;
use super::watch::Watched;
use super::{DaemonError, HostPolicy, Up, client, joined, service, socket, this_host, token, watch};
use crate::config::Runtime;
use crate::failure::{Exit, Failure};
use crate::home::{self, Home};
use crate::logs::{Logs, wall_now};
use crate::serve::runtime::{self, Ear, Lanes, Plan};
use crate::serve::weight::weigh;
use crate::terminal::Terminal;
use crate::{signals, supervisor, tls, variables};

/// From the first signal to the end of the process, beyond the time that stopping may take.
const AFTER_STOP: Duration = Duration::from_millis(900);
/// How often profiles are looked at though nobody asked: former keys come to their end.
const LOOKS_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the store and the last log lines may take.
const LAST_CALLS: Duration = Duration::from_millis(300);
/// From the start of a daemon in the background until it answers, and between two looks.
const APPEARS: (Duration, Duration) = (Duration::from_secs(3), Duration::from_millis(100));
/// Says what the flag of that name says.
const HOST_POLICY: &str = "PEERMESH_HOST_POLICY";

/// Starts the daemon: in the background, unless it is to stay.
pub(super) fn run(
    up: &Up,
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let policy = variables::choose(up.host_policy, HOST_POLICY, env)?;
    socket::address(&Place::of(home))?;
    if up.foreground {
        return serve(up, policy, home, env);
    }
    let place = Place::prepare(home)?;
    if !joined::is_any(home)? {
        return Err(DaemonError::NoMesh.into());
    }
    if let Holder::Daemon(pid) = super::lock::holder(&place)? {
        return Err(DaemonError::Running { pid }.into());
    }
    if let Some((unit, start)) = service::keeper(home, env) {
        return Err(DaemonError::Kept { unit, start }.into());
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(place.log_path());
    let log = log.map_err(start("the log file"))?;
    let child = spawn(up, policy, home, &log).map_err(start("the daemon"))?;
    let until = Instant::now() + APPEARS.0;
    while Instant::now() < until {
        if client::ask(&place, "GET", "/v1/version", None).is_ok() {
            let value = json!({ "pid": child, "socket": place.socket_path().display().to_string() });
            let said = format!("the daemon is up (pid {child})");
            return Ok(terminal.result(&value, [said.as_str()])?);
        }
        thread::sleep(APPEARS.1);
    }
    Err(DaemonError::NotAppeared { log: place.log_path() }.into())
}

/// Runs this very program again, with a process group and streams of its own.
fn spawn(up: &Up, policy: HostPolicy, home: &Home, log: &File) -> io::Result<u32> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("daemon").arg("up").arg("--foreground").arg("--data").arg(home.dir());
    if let Some(file) = tls::also_trusted() {
        command.arg("--ca-file").arg(file);
    }
    if let Some(port) = up.tcp {
        command.arg("--tcp").arg(port.to_string());
    }
    for feature in &up.require {
        command.arg("--require").arg(feature);
    }
    if up.public_health {
        command.arg("--public-health");
    }
    command.arg("--host-policy").arg(policy.word());
    command.arg("--log-level").arg(up.log_level.word());
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log.try_clone()?).process_group(0);
    // Whoever starts a daemon does not wait for its end.
    command.spawn().map(|child| child.id())
}

/// Serves until a signal says stop.
fn serve(
    up: &Up,
    policy: HostPolicy,
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Failure> {
    let bounds = DaemonLimits::default();
    let patience = Duration::from_millis(bounds.daemon_drain_ms()) + AFTER_STOP;
    let carrier = carrier(env)?;
    let stop = signals::listen_and_look(patience).map_err(start("the signal handler"))?;
    let logs = Logs::start(up.log_level, io::stderr()).map_err(start("the log writer"))?;
    let place = Place::prepare(home)?;
    let lock = match Lock::take(&place)? {
        Ok(lock) => lock,
        Err(Holder::Daemon(pid)) => return Err(DaemonError::Running { pid }.into()),
        Err(Holder::Nobody) => return Err(DaemonError::Running { pid: None }.into()),
    };
    check_host(&place, policy, env, &logs)?;
    let meshes = memberships(home, &place, &logs)?;
    if meshes.is_empty() {
        return Err(DaemonError::NoMesh.into());
    }
    let token = up.tcp.map(|_| token::make(&place)).transpose()?;
    let (lanes, set_aside) = open(&place)?;
    if let Some(aside) = set_aside {
        let aside = aside.display().to_string();
        logs.note(Note::new(Level::Error, "inbox_corruption_recovered").with("set_aside", aside));
    }
    let listeners = listen(up, &lock, &place)?;
    let slugs: Vec<String> = meshes.iter().map(|mesh| mesh.slug.clone()).collect();
    let look = Duration::from_millis(bounds.session_look_ms());
    let config = DaemonConfig {
        limits: Limits::default(),
        bounds,
        meshes,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        cwd: std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default(),
        hostname: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        token: token.map(Secret::new),
        public_health: up.public_health,
        require_features: up.require.clone(),
    };
    let daemon = Daemon::new(Setup { config: Arc::new(config), seed: home::random()? });
    let daemon = Watched::new(daemon, look, watch::System::ours());
    let plan = plan(Box::new(daemon), lanes, listeners, &logs);
    let socket_path = place.socket_path().display().to_string();
    let note = Note::new(Level::Info, "daemon_started").with("version", env!("CARGO_PKG_VERSION"));
    let note = note.with("pid", std::process::id()).with("sock", socket_path);
    logs.note(note.with("tcp", up.tcp).with("meshes", slugs));
    let running = runtime::start(carrier, plan).map_err(start("the runtime"))?;

    supervisor::ready();
    let signal = loop {
        match stop.wait_within(LOOKS_AGAIN) {
            None | Some(signals::LOOK) => match memberships(home, &place, &logs) {
                Ok(meshes) => running.tell(Envelope::new(Joined(meshes))),
                Err(error) => {
                    let why = error.to_string();
                    logs.note(Note::new(Level::Error, "profiles_not_read").with("error", why));
                }
            },
            Some(signal) => break signal,
        }
    };
    logs.note(Note::new(Level::Info, "shutdown signal").with("signal", signal));
    supervisor::stopping();
    running.order(Order::Drain);
    let answered = running.join_within(LAST_CALLS);
    socket::remove(&lock, &place);
    let note = Note::new(Level::Info, "shutdown complete").with("signal", signal);
    logs.note(note.with("store_answered", answered));
    logs.flush(LAST_CALLS);
    Ok(())
}

/// Opens the files of outbox and inbox, and says where a damaged inbox was put.
#[cfg(feature = "sqlite")]
fn open(place: &Place) -> Result<(Lanes, Option<PathBuf>), DaemonError> {
    /// Reading connections to the files.
    const READERS: usize = 1;
    let store = peermesh_store::sqlite::open_daemon(place.dir(), READERS);
    let store = store.map_err(|error| DaemonError::Store(error.to_string()))?;
    let lanes = Lanes { writers: vec![store.writer], readers: store.readers, health: None };
    Ok((lanes, store.set_aside))
}

/// A build without the embedded store has nothing to keep messages in.
#[cfg(not(feature = "sqlite"))]
fn open(_: &Place) -> Result<(Lanes, Option<PathBuf>), DaemonError> {
    let why = "this build has no embedded store; use one with the feature sqlite";
    Err(DaemonError::Store(why.to_owned()))
}

/// What carries the daemon: what the user set for brokers too, else what carries those.
fn carrier(env: &dyn Fn(&str) -> Option<String>) -> Result<Runtime, DaemonError> {
    match env("PEERMESH_RUNTIME").filter(|word| !word.is_empty()) {
        None => Ok(Runtime::DEFAULT),
        Some(word) => Runtime::of_word(&word).ok_or(DaemonError::NoRuntime { word }),
    }
}

/// Refuses to run on a host that the directory was not made on, unless the operator wants it to.
fn check_host(
    place: &Place,
    policy: HostPolicy,
    env: &dyn Fn(&str) -> Option<String>,
    logs: &Logs,
) -> Result<(), Failure> {
    let host = this_host(env);
    if let Some(lacks) = host.lacks() {
        logs.note(Note::new(Level::Warn, "fingerprint_lacks").with("what", lacks));
    }
    match host::check(place, &host, wall_now())? {
        Verdict::Other { stored, current } => match policy {
            HostPolicy::Refuse => Err(DaemonError::OtherHost { stored, current }.into()),
            HostPolicy::Warn | HostPolicy::Allow => {
                let level = if policy == HostPolicy::Warn { Level::Warn } else { Level::Debug };
                let note = Note::new(level, "fingerprint_mismatch").with("stored", stored);
                logs.note(note.with("current", current));
                Ok(())
            }
        },
        Verdict::FirstRun | Verdict::Same | Verdict::SameRewritten | Verdict::Unknown { .. } => Ok(()),
    }
}

/// Opens the socket of this user's programs, and the loopback where it was asked for.
fn listen(up: &Up, lock: &Lock, place: &Place) -> Result<Vec<(Listener, Ear)>, DaemonError> {
    let mut listeners = vec![(Listener::Local, Ear::Unix(socket::bind(lock, place)?))];
    if let Some(port) = up.tcp {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let tcp = TcpListener::bind(at);
        let tcp = tcp.map_err(|error| DaemonError::Listen { at: at.to_string(), error })?;
        listeners.push((Listener::LocalTcp, Ear::Tcp(tcp)));
    }
    Ok(listeners)
}

fn plan(daemon: Box<dyn Machine + Send>, lanes: Lanes, listeners: Vec<(Listener, Ear)>, logs: &Logs) -> Plan {
    let (noting, failing) = (logs.clone(), logs.clone());
    Plan {
        listeners,
        shards: vec![daemon],
        lanes,
        couriers: Vec::new(),
        note: Arc::new(move |note| noting.note(note)),
        // A daemon has no page of metrics.
        scrape: Arc::new(|_, _| bytes::Bytes::new()),
        weigh: Arc::new(weigh),
        fail: Arc::new(move |why| {
            failing.note(Note::new(Level::Error, "daemon_failed").with("error", why));
            failing.flush(LAST_CALLS);
            std::process::exit(Exit::Failed as i32);
        }),
        secure: Some(Arc::new(|stream, host, until| {
            tls::secure(stream, host, until).map_err(|error| error.to_string())
        })),
    }
}

/// Every mesh that a profile has joined; what an operator should know of former keys is logged.
fn memberships(home: &Home, place: &Place, logs: &Logs) -> Result<Vec<Membership>, Failure> {
    let (meshes, remarks) = joined::memberships(home, place)?;
    for remark in remarks {
        logs.note(Note::new(Level::Warn, "keypair_archive").with("remark", remark.to_string()));
    }
    Ok(meshes)
}

fn start(what: &'static str) -> impl Fn(io::Error) -> DaemonError {
    move |error| DaemonError::Start { what, error }
}
