//! Why a command did not do what it was asked, and the exit code that says so.
//!
//! *Always holds:* the text is one line that says what is wrong and the way out.

use std::io;
use std::process::ExitCode;

use peermesh_core::config::ConfigError;

use crate::address::AddressError;
use crate::admin::AdminError;
use crate::adopt::AdoptError;
use crate::canonical::CanonicalError;
use crate::config::ConfigErrors;
use crate::daemon::DaemonError;
use crate::home::HomeError;
use crate::http::HttpError;
use crate::input::InputError;
use crate::live::LiveError;
use crate::peer::PeerError;
use crate::prove::ProveError;
use crate::replay::ReplayError;
use crate::serve::ServeError;
use crate::sim::SimError;

/// Any failure of any command.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Admin(#[from] AdminError),
    #[error(transparent)]
    Adopt(#[from] AdoptError),
    #[error(transparent)]
    Canonical(#[from] CanonicalError),
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    #[error(transparent)]
    Daemon(#[from] DaemonError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Input(#[from] InputError),
    #[error(transparent)]
    Live(#[from] LiveError),
    #[error(transparent)]
    Peer(#[from] PeerError),
    #[error(transparent)]
    Prove(#[from] ProveError),
    #[error(transparent)]
    Replay(#[from] ReplayError),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error(transparent)]
    Sim(#[from] SimError),
    #[error(transparent)]
    Variable(#[from] ConfigError),
    #[error("cannot write to standard output: {0}")]
    Output(#[from] io::Error),
    #[error(
        "standard output is closed, or is the null device, and mail that nobody sees is not acknowledged; open \
         a file or a pipe there, or throw the mail away with >/dev/null"
    )]
    Unseen,
    #[error("{failed} of {all} checks failed; each line above names its way out")]
    Unwell { failed: usize, all: usize },
    #[error("{count} migrations are missing; apply them with: peermesh migrate")]
    Pending { count: usize },
    #[cfg(feature = "mcp")]
    #[error("the server for agents ended: {why}")]
    Agent { why: String },
    #[error("the broker answered {status}; its answer is printed above")]
    Unhealthy { status: u16 },
}

impl Failure {
    /// The code this failure ends the process with.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Address(_) | Failure::Config(_) | Failure::Variable(_) => Exit::Usage,
            Failure::Admin(error) => error.exit(),
            Failure::Adopt(error) => error.exit(),
            Failure::Canonical(error) => error.exit(),
            Failure::Daemon(error) => error.exit(),
            Failure::Home(error) => error.exit(),
            Failure::Http(error) => error.exit(),
            Failure::Live(error) => error.exit(),
            Failure::Peer(error) => error.exit(),
            Failure::Prove(error) => error.exit(),
            Failure::Replay(error) => error.exit(),
            Failure::Sim(error) => error.exit(),
            #[cfg(feature = "mcp")]
            Failure::Agent { .. } => Exit::Failed,
            Failure::Serve(_)
            | Failure::Input(_)
            | Failure::Output(_)
            | Failure::Unseen
            | Failure::Unwell { .. }
            | Failure::Pending { .. }
            | Failure::Unhealthy { .. } => Exit::Failed,
        }
    }
}

/// What the process tells its parent. The help shows the same table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Something failed that fits no other row.
    Failed = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Not found, or refused for good: the same command will fail again.
    Refused = 3,
    /// The broker cannot be reached or has no room: the same command may work later.
    Unreachable = 4,
    /// What was waited for did not happen in time.
    Timeout = 5,
    /// The broker ended because its store cannot be trusted any more: start it again, or repair the store.
    Corrupt = 6,
}

impl Exit {
    /// The word in the JSON form of a failure.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Exit::Done => "done",
            Exit::Failed => "failed",
            Exit::Usage => "usage",
            Exit::Refused => "refused",
            Exit::Unreachable => "unreachable",
            Exit::Timeout => "timeout",
            Exit::Corrupt => "corrupt",
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}
