//! `peermesh daemon`: the process that keeps this host in its meshes, and what is done about it.

#[cfg_attr(not(test), expect(dead_code, reason = "a daemon opens mail by it"))]
mod archive;
mod bundle;
mod copies;
pub(crate) mod host;
mod import;
pub(crate) mod lock;
pub(crate) mod place;
mod service;
#[cfg_attr(not(test), expect(dead_code, reason = "a daemon listens on it"))]
pub(crate) mod socket;
pub(crate) mod token;

use std::fmt;
use std::io;
use std::path::PathBuf;

use clap::Subcommand;
use serde_json::json;

use crate::failure::{Exit, Failure};
use crate::home::{Home, HomeError};
use crate::http::{self, Question};
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
        after_help = "The daemon must not run meanwhile, and the host that the copy was made on must not go \n\
        on as the same member.\n\n\
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
    #[error("a daemon runs{}; end it first: peermesh daemon down", Numbered(*pid))]
    Runs { pid: Option<u32> },
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
            DaemonError::Unimported { .. }
            | DaemonError::WrongPassphrase
            | DaemonError::WouldReplace { .. } => Exit::Refused,
            DaemonError::ShortPassphrase => Exit::Usage,
            DaemonError::NoServiceManager { .. } => Exit::Usage,
            DaemonError::BadImport { .. }
            | DaemonError::BadBundle { .. }
            | DaemonError::InCi { .. }
            | DaemonError::NoPassphrase { .. }
            | DaemonError::NothingToBackUp
            | DaemonError::Runs { .. }
            | DaemonError::TokenNotTaken { .. }
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
    let body = json!({ "token": fresh });
    let question =
        Question { method: "POST", target: "/v1/token", token: None, body: Some(&body), header: None };
    match http::ask_local(&place.socket_path(), &question) {
        Ok(answer) if answer.status == 200 => Ok(()),
        Ok(answer) => Err(DaemonError::TokenNotTaken { why: format!("it answered {}", answer.status) }),
        Err(error) => Err(DaemonError::TokenNotTaken { why: error.to_string() }),
    }
}

/// This host, by the name that the operator gives it, or else by what the system says.
pub(crate) fn this_host(env: &dyn Fn(&str) -> Option<String>) -> Host {
    Host::look(env(HOST_ID).filter(|id| !id.is_empty()).as_deref())
}
