//! `peermesh daemon`: the process that keeps this host in its meshes, and what is done about it.

pub(crate) mod host;
pub(crate) mod lock;
pub(crate) mod place;
pub(crate) mod token;

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
}

/// Why something about the daemon did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DaemonError {
    #[error(transparent)]
    Home(#[from] HomeError),
}

impl DaemonError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            DaemonError::Home(error) => error.exit(),
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
