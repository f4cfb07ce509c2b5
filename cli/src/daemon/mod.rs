//! `peermesh daemon`: the process that keeps this host in its meshes, and what is done about it.

pub(crate) mod host;
mod import;
pub(crate) mod lock;
pub(crate) mod place;
mod service;
pub(crate) mod token;

use std::fmt;
use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::home::{Home, HomeError};
use crate::logs::wall_now;
use crate::terminal::Terminal;

use host::Host;
use place::Place;

/// Names this host where the system's own id is missing or shared by several hosts.
const HOST_ID: &str = "PEERMESH_HOST_ID";

/// The subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Daemon {
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
        after_help = "Each mesh becomes a profile that is called as the mesh is. The client's own files are \n\
        only read, and a profile that is there already is never replaced.\n\n\
        Examples:\n  peermesh daemon import\n  peermesh daemon import --from ./config.json --json"
    )]
    Import {
        /// Its configuration [default: ~/.claudemesh/config.json]
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
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
    #[error("a daemon runs{} and does not end; end it, then run the same command again", Numbered(*pid))]
    StillRunning { pid: Option<u32> },
}

struct Numbered(Option<u32>);

impl fmt::Display for Numbered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |pid| write!(f, " (process {pid})"))
    }
}

impl DaemonError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            DaemonError::Home(error) => error.exit(),
            DaemonError::Unimported { .. } => Exit::Refused,
            DaemonError::NoServiceManager { .. } => Exit::Usage,
            DaemonError::BadImport { .. }
            | DaemonError::InCi { .. }
            | DaemonError::NoProgram { .. }
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
        Daemon::AcceptHost => accept_host(home, env, terminal),
        Daemon::RotateToken => rotate_token(home, terminal),
        Daemon::Import { from } => import::run(home, from.as_deref(), env, terminal),
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

fn rotate_token(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    let place = Place::prepare(home)?;
    token::rotate(&place)?;
    let path = place.token_path().display().to_string();
    let said = format!("{path} holds another token");
    Ok(terminal.result(&json!({ "token_file": path }), [said.as_str()])?)
}

/// This host, by the name that the operator gives it, or else by what the system says.
pub(crate) fn this_host(env: &dyn Fn(&str) -> Option<String>) -> Host {
    Host::look(env(HOST_ID).filter(|id| !id.is_empty()).as_deref())
}
