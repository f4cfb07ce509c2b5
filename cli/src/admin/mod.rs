//! Administration of a running broker, over its admin API with a bearer token.

mod api;
mod invite;
mod member;
mod mesh;
mod runner;

use crate::address::AddressError;
use crate::failure::Exit;
use crate::home::HomeError;
use crate::http::HttpError;

pub(crate) use api::{Api, Place};
pub(crate) use invite::{Offer, invite};
pub(crate) use member::{list as list_members, remove as remove_member};
pub(crate) use mesh::{create as create_mesh, list as list_meshes, show as show_mesh};
pub(crate) use runner::{
    Sending, dead as list_dead, events as list_events, list as list_runners, requeue, send as command_runner,
};

/// Why an administrative command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdminError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error("--broker needs the token too: pass --admin-token-file FILE, or set PEERMESH_ADMIN_TOKEN")]
    NoToken,
    #[error("--admin-token-file: {0}; name the file admin-token of the broker's data directory")]
    TokenFile(HomeError),
    #[error("runner {runner} is not connected; --queue 1h keeps the command until it is")]
    Away { runner: String },
    #[error("--wait: at most 8s; the runner's ack can be seen among its events later")]
    LongWait,
    #[error("the command is not JSON: {0}")]
    NoCommand(String),
    #[error("the broker does not accept this admin token; use that broker's data directory or token file")]
    BadToken,
    #[error("{what} does not exist ({message}); see: peermesh {see}")]
    NotFound { what: String, message: String, see: String },
    #[error("there is no admin API at {address}; pass --broker with the port that peers connect to")]
    NoAdmin { address: String },
    #[error("the broker refused: {message} ({code})")]
    Refused { code: String, message: String },
    #[error("the broker cannot do it at the moment: {message} ({code}); try again later")]
    Busy { code: String, message: String },
    #[error("the broker's answer lacks {field}; check that command and broker have the same version")]
    Incomplete { field: &'static str },
}

impl AdminError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            AdminError::Home(error) => error.exit(),
            AdminError::Http(error) => error.exit(),
            AdminError::Address(_)
            | AdminError::NoToken
            | AdminError::TokenFile(_)
            | AdminError::NoCommand(_)
            | AdminError::LongWait => Exit::Usage,
            AdminError::BadToken
            | AdminError::NotFound { .. }
            | AdminError::NoAdmin { .. }
            | AdminError::Refused { .. } => Exit::Refused,
            AdminError::Busy { .. } | AdminError::Away { .. } => Exit::Unreachable,
            AdminError::Incomplete { .. } => Exit::Failed,
        }
    }
}
