//! `peermesh daemon`: the process that keeps this host in its meshes, and what is done about it.

pub(crate) mod archive;
mod ask;
mod bundle;
pub(crate) mod client;
mod copies;
pub(crate) mod host;
mod import;
mod joined;
pub(crate) mod lock;
pub(crate) mod place;
pub(crate) mod reload;
mod service;
mod socket;
pub(crate) mod stream;
pub(crate) mod token;
mod up;
mod watch;

use std::io;
use std::path::PathBuf;

use clap::{Subcommand, ValueEnum};
use peermesh_core::note::Level;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::home::{Home, HomeError};
use crate::key;
use crate::logs::wall_now;
use crate::terminal::Terminal;

use host::Host;
use lock::Holder;
use place::Place;

/// Names this host where the system's own id is missing or shared by several hosts.
const HOST_ID: &str = "PEERMESH_HOST_ID";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
    /// Start the daemon: a durable outbox and inbox for every program on this host
    #[command(
        alias = "start",
        after_help = "One daemon serves all meshes that were joined with `peermesh join`. Programs reach it\n\
        by daemon/daemon.sock in the data directory; by TCP only where --tcp says so, with the token in\n\
        daemon/local-token.\n\n\
        Exit codes: 1 it runs already, or cannot listen or open its files; 2 no mesh was joined;\n\
        4 the directory was made on another host (see: peermesh daemon accept-host, and --host-policy for\n\
        machines that change on purpose). Where a service keeps the daemon of this directory, only that\n\
        one starts it, and --foreground does.\n\n\
        Examples:\n  peermesh daemon up\n  peermesh daemon up --foreground --tcp 47823"
    )]
    Up(Up),
    /// Stop the daemon; what waits to be sent stays in its outbox
    #[command(alias = "stop", after_help = "Example:\n  peermesh daemon down")]
    Down,
    /// Tell whether the daemon runs and how its brokers are
    #[command(after_help = "Example:\n  peermesh daemon status --json")]
    Status,
    /// Tell the version of the daemon that runs
    #[command(after_help = "Example:\n  peermesh daemon version")]
    Version,
    /// Look at what waits to be sent, and put rows in line again
    #[command(subcommand)]
    Outbox(Outbox),
    /// Let a daemon that runs take up meshes that were joined, and let go of those that were left
    #[command(
        after_help = "`peermesh join` does this by itself. A mesh is left by removing its profile from\n\
        profiles/ in the data directory; what waits to be sent there is given up.\n\n\
        Example:\n  peermesh daemon reload"
    )]
    Reload,
    /// Let the daemon run on this host, after its directory was moved or copied here
    #[command(
        after_help = "A daemon refuses to start where its directory was not made, since two daemons with \n\
        one identity would take each other's messages. Stop the other one first.\n\n\
        Example:\n  peermesh daemon accept-host"
    )]
    AcceptHost,
    /// Replace the token that programs show which come by TCP
    #[command(after_help = "The former token is taken for another minute by a daemon that runs.\n\n\
        Example:\n  peermesh daemon rotate-token")]
    RotateToken,
    /// Take over the meshes that an existing claudemesh client has joined, as profiles
    #[command(
        after_help = "Each mesh becomes a profile that is called as the mesh is. The client's own files are\n\
        only read, and a profile that is there already is never replaced.\n\n\
        Examples:\n  peermesh daemon import\n  peermesh daemon import --from ./config.json --json"
    )]
    Import {
        /// Its configuration [default: ~/.claudemesh/config.json]
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
    },
    /// Copy who this host is into one file that only a passphrase opens
    #[command(
        after_help = "Profiles with their keys, former keys, and the configuration. No messages, and no \n\
        token of this host.\n\n\
        Examples:\n  peermesh daemon backup --to ann.backup\n  \
        peermesh daemon backup --to ann.backup --passphrase-file ./passphrase"
    )]
    Backup {
        /// The file to write, which must not exist
        #[arg(long, value_name = "FILE")]
        to: PathBuf,
        /// Its first line is the passphrase; `-` is standard input [default: ask]
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
    },
    /// Put a copy back, and let the daemon run on this host
    #[command(
        after_help = "The daemon must not run meanwhile, and the host that the copy was made on must not\n\
        go on as the same member.\n\n\
        Examples:\n  peermesh daemon restore --from ann.backup\n  \
        peermesh daemon restore --from ann.backup --replace"
    )]
    Restore {
        /// The file that `peermesh daemon backup` wrote
        #[arg(long, value_name = "FILE")]
        from: PathBuf,
        /// Its first line is the passphrase; `-` is standard input [default: ask]
        #[arg(long, value_name = "FILE")]
        passphrase_file: Option<PathBuf>,
        /// Replace what is here and differs; a key that gives way still opens mail for 7 days
        #[arg(long)]
        replace: bool,
    },
    /// Let the system keep the daemon running, by a unit of this user
    #[command(
        after_help = "Writes a unit for systemd (Linux) or launchd (macOS), after whatever ran by an older\n\
        one was stopped, and prints the command that starts it.\n\n\
        Example:\n  peermesh daemon install-service"
    )]
    InstallService {
        /// Also on a machine that is thrown away after a build
        #[arg(long)]
        allow_ci: bool,
    },
    /// Stop the unit and remove it
    #[command(after_help = "Example:\n  peermesh daemon uninstall-service")]
    UninstallService,
}

/// How the daemon is started.
#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Stay in the foreground, as a service manager wants it
    #[arg(long)]
    pub(crate) foreground: bool,
    /// Listen on this port of the loopback too, for programs that show the token
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "47823")]
    pub(crate) tcp: Option<u16>,
    /// Tell /v1/health on the loopback to programs that show no token
    #[arg(long, requires = "tcp")]
    pub(crate) public_health: bool,
    /// A feature that every broker must have; without it the daemon ends
    #[arg(long = "require", value_name = "FEATURE")]
    pub(crate) require: Vec<String>,
    /// What to do where the directory was made on another host [default: $PEERMESH_HOST_POLICY, else refuse]
    #[arg(long, value_name = "POLICY")]
    pub(crate) host_policy: Option<HostPolicy>,
    /// What is logged: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = level)]
    pub(crate) log_level: Level,
}

/// What a daemon does on a host that its directory was not made on. None of them changes what the directory
/// says of its host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum HostPolicy {
    /// Do not start
    #[default]
    Refuse,
    /// Start, and log a warning
    Warn,
    /// Start
    Allow,
}

impl HostPolicy {
    /// The word on the command line.
    const fn word(self) -> &'static str {
        match self {
            HostPolicy::Refuse => "refuse",
            HostPolicy::Warn => "warn",
            HostPolicy::Allow => "allow",
        }
    }
}

/// What can be done about the outbox.
#[derive(Debug, Subcommand)]
pub(crate) enum Outbox {
    /// List the newest rows
    #[command(after_help = "Examples:\n  peermesh daemon outbox list\n  \
        peermesh daemon outbox list --only failed --json")]
    List {
        /// Only rows in this state
        #[arg(long = "only", value_name = "STATE")]
        which: Option<Which>,
        /// How many at most
        #[arg(long, value_name = "N", default_value = "50", value_parser = page)]
        limit: u32,
    },
    /// Show one row
    #[command(after_help = "Example:\n  peermesh daemon outbox inspect 3hXk2vZrq")]
    Inspect {
        /// The row's id
        id: String,
    },
    /// Send a row anew, under another key, in place of one that was given up or waits
    #[command(after_help = "The row keeps its recipient, its text and its sender.\n\n\
        Example:\n  peermesh daemon outbox requeue 3hXk2vZrq")]
    Requeue {
        /// The row's id
        id: String,
        /// The key of the row in its place [default: a fresh one]
        #[arg(long, value_name = "KEY", value_parser = key::parse)]
        new_client_id: Option<String>,
    },
}

/// A state of a row, as operators call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Which {
    Pending,
    Inflight,
    Done,
    Failed,
    Aborted,
}

/// The rows of a page.
fn page(text: &str) -> Result<u32, String> {
    let rows = text.parse().ok().filter(|rows| (1..=500).contains(rows));
    rows.ok_or_else(|| "a whole number from 1 to 500".to_owned())
}

fn level(word: &str) -> Result<Level, String> {
    Level::parse(word).ok_or_else(|| "error, warn, info, debug or trace".to_owned())
}

/// Why something about the daemon did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{path} is no configuration of a claudemesh client ({what}); name another with --from")]
    BadImport { path: PathBuf, what: String },
    #[error("{refused} of {all} meshes were not imported; each line above says why")]
    Unimported { refused: usize, all: usize },
    #[error(
        "{os} has no service manager that is known here; let your own run: peermesh daemon up --foreground"
    )]
    NoServiceManager { os: String },
    #[error("{name} is set, so this machine is thrown away after a build; pass --allow-ci if it is not")]
    InCi { name: &'static str },
    #[error("this program cannot be found on disk ({error}); install it, then run the same command again")]
    NoProgram { error: io::Error },
    #[error("there is nothing to copy; join a mesh first: peermesh join INVITE")]
    NothingToBackUp,
    #[error("the copy cannot be used: {what}")]
    BadBundle { what: String },
    #[error("the passphrase is another one, or the file was altered")]
    WrongPassphrase,
    #[error("a passphrase has at least {} characters", bundle::PASSPHRASE_CHARS_MIN)]
    ShortPassphrase,
    #[error("the passphrase cannot be read: {error}")]
    NoPassphrase { error: io::Error },
    #[error("these files hold something else: {files}; pass --replace to replace them")]
    WouldReplace { files: String },
    #[error("the daemon took no other token ({why}); the file has it, so end the daemon and start it again")]
    TokenNotTaken { why: String },
    #[error("{path} is damaged ({what}); put a copy back, or remove it: meshes are then named anew")]
    BadNames { path: PathBuf, what: String },
    #[error("{0}")]
    Store(String),
    #[error("no mesh was joined; join one first: peermesh join INVITE")]
    NoMesh,
    #[error("PEERMESH_RUNTIME: {word} is no runtime of this build; take another or none")]
    NoRuntime { word: String },
    #[error("a daemon runs already{}; stop it with: peermesh daemon down", shown(*pid))]
    Running { pid: Option<u32> },
    #[error(
        "{} keeps this daemon running; start it with: {start}; or remove it with: \
         peermesh daemon uninstall-service",
        unit.display()
    )]
    Kept { unit: PathBuf, start: String },
    #[error("no daemon is running; start one with: peermesh daemon up")]
    NotRunning,
    #[error(
        "this directory was made on another host ({stored}, here {current}); if the daemon there is gone for \
         good, run: peermesh daemon accept-host"
    )]
    OtherHost { stored: String, current: String },
    #[error("cannot listen on {at}: {error}; stop what uses it, or choose another port with --tcp")]
    Listen { at: String, error: io::Error },
    #[error("cannot start {what}: {error}")]
    Start { what: &'static str, error: io::Error },
    #[error("the daemon was started and does not answer; {} says why", log.display())]
    NotAppeared { log: PathBuf },
    #[error("no daemon answers at {}: {error}; start one with: peermesh daemon up", socket.display())]
    Away { socket: PathBuf, error: io::Error },
    #[error("the daemon at {} did not answer: {error}", socket.display())]
    Silent { socket: PathBuf, error: io::Error },
    #[error("{} does not answer as a daemon does ({what})", socket.display())]
    Nonsense { socket: PathBuf, what: String },
    #[error("the daemon refused ({status}): {said}")]
    Refused { status: u16, said: String },
    #[error("there is no row {id}; see: peermesh daemon outbox list")]
    NoRow { id: String },
    #[error("a daemon is about to start, or its directory is being restored; try again")]
    NoPid,
    #[error("the daemon cannot be told to stop: {error}")]
    Signal { error: io::Error },
    #[error("the daemon{} has not stopped; end it by its number", shown(*pid))]
    StillRunning { pid: Option<u32> },
}

fn shown(pid: Option<u32>) -> String {
    pid.map(|pid| format!(" (pid {pid})")).unwrap_or_default()
}

impl DaemonError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            DaemonError::Home(error) => error.exit(),
            DaemonError::NoMesh
            | DaemonError::NoRuntime { .. }
            | DaemonError::NoServiceManager { .. }
            | DaemonError::ShortPassphrase => Exit::Usage,
            // The code by which service managers know that starting again will not help.
            DaemonError::OtherHost { .. } => Exit::Unreachable,
            DaemonError::NoRow { .. }
            | DaemonError::Refused { .. }
            | DaemonError::Unimported { .. }
            | DaemonError::WouldReplace { .. }
            | DaemonError::WrongPassphrase => Exit::Refused,
            DaemonError::BadBundle { .. }
            | DaemonError::BadNames { .. }
            | DaemonError::BadImport { .. }
            | DaemonError::InCi { .. }
            | DaemonError::NoPassphrase { .. }
            | DaemonError::NoProgram { .. }
            | DaemonError::NothingToBackUp
            | DaemonError::TokenNotTaken { .. }
            | DaemonError::Store(_)
            | DaemonError::Running { .. }
            | DaemonError::Kept { .. }
            | DaemonError::NotRunning
            | DaemonError::Listen { .. }
            | DaemonError::Start { .. }
            | DaemonError::NotAppeared { .. }
            | DaemonError::Away { .. }
            | DaemonError::Silent { .. }
            | DaemonError::Nonsense { .. }
            | DaemonError::NoPid
            | DaemonError::Signal { .. }
            | DaemonError::StillRunning { .. } => Exit::Failed,
        }
    }
}

/// Runs one of the subcommands.
pub(crate) fn run(
    command: &Daemon,
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match command {
        Daemon::Up(up) => up::run(up, home, env, terminal),
        Daemon::Down => ask::down(home, terminal),
        Daemon::Status => ask::status(home, terminal),
        Daemon::Reload => reload::run(home, terminal),
        Daemon::Version => ask::version(home, terminal),
        Daemon::Outbox(command) => ask::outbox(command, home, terminal),
        Daemon::AcceptHost => accept_host(home, env, terminal),
        Daemon::RotateToken => rotate_token(home, terminal),
        Daemon::Import { from } => import::run(home, from.as_deref(), env, terminal),
        Daemon::Backup { to, passphrase_file } => {
            copies::backup(home, to, passphrase_file.as_deref(), terminal)
        }
        Daemon::Restore { from, passphrase_file, replace } => {
            copies::restore(home, from, passphrase_file.as_deref(), *replace, env, terminal)
        }
        Daemon::InstallService { allow_ci } => service::install(home, *allow_ci, env, terminal),
        Daemon::UninstallService => service::uninstall(home, env, terminal),
    }
}

fn accept_host(
    home: &Home,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let (place, host) = (Place::prepare(home)?, this_host(env));
    let before = host::look(&place, &host)?;
    let prefix = host::accept(&place, &host, wall_now())?;
    let value = json!({ "fingerprint_prefix": prefix, "before": before.to_string() });
    let said = format!("this host is accepted: {prefix} ({before})");
    Ok(terminal.result(&value, [said.as_str()])?)
}

/// The file first: whoever reads it afterwards has a token that the daemon takes, or takes from its next
/// start on.
fn rotate_token(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place::prepare(home)?;
    let fresh = token::rotate(&place)?;
    let runs = lock::holder(&place)? != Holder::Nobody;
    if runs {
        tell_token(&place, &fresh)?;
    }
    let path = place.token_path().display().to_string();
    let said = format!("{path} holds another token");
    Ok(terminal.result(&json!({ "token_file": path, "daemon_told": runs }), [said.as_str()])?)
}

fn tell_token(place: &Place, fresh: &str) -> Result<(), DaemonError> {
    let told = client::value(place, "POST", "/v1/token", Some(&json!({ "token": fresh })));
    told.map(|_| ()).map_err(|error| DaemonError::TokenNotTaken { why: error.to_string() })
}

/// This host, by the name that the operator gives it, or else by what the system says.
pub(crate) fn this_host(env: &dyn Fn(&str) -> Option<String>) -> Host {
    Host::look(env(HOST_ID).filter(|id| !id.is_empty()).as_deref())
}
