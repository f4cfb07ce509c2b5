//! `live sub`, `live pub`, `live info`: live topics from a terminal.

mod args;
mod sub;

use std::net::{Ipv4Addr, SocketAddr};

use peermesh_core::config::{ConfigError, Secret};
use serde_json::{Value, json};

use crate::address::{Address, AddressError};
use crate::failure::{Exit, Failure};
use crate::http::{self, HttpError, Question};
use crate::peer::link::LinkError;
use crate::terminal::{Terminal, table};

pub(crate) use args::Live;
pub(crate) use sub::{Wish, sub};

/// The variable that names the port of live topics on this machine, and the port without it.
const PORT: &str = "LIVE_WS_PORT";
const PORT_DEFAULT: u16 = 8081;

/// Why a command on live topics failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LiveError {
    #[error("no token; set PEERMESH_LIVE_TOKEN, or LIVE_AUTH_SECRET where the operator works")]
    NoToken,
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Port(#[from] ConfigError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("data: {0}; wanted JSON, like '{{\"x\":1}}' or '\"a text\"'")]
    NoJson(String),
    #[error("--from: {0} is not a position of one topic, like 8f3a0c11d2b94e07:41")]
    NoPosition(String),
    #[error("the broker refused: {message} ({code})")]
    Refused { status: u16, code: String, message: String },
    #[error(
        "the broker does not accept this token, or it has run out; PEERMESH_LIVE_TOKEN must be signed with its \
         LIVE_AUTH_SECRET, or LIVE_AUTH_SECRET be the same here as there"
    )]
    BadToken,
    #[error("no live topics behind this port: start the broker with LIVE_AUTH_SECRET")]
    NoGate,
    #[error("only {seen} of {wanted} publications came in time")]
    TooFew { seen: u64, wanted: u64 },
}

impl LiveError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            LiveError::NoToken
            | LiveError::Address(_)
            | LiveError::Port(_)
            | LiveError::NoJson(_)
            | LiveError::NoPosition(_) => Exit::Usage,
            LiveError::Http(error) => error.exit(),
            LiveError::Link(error) => error.exit(),
            LiveError::Refused { status, .. } if *status >= 429 && *status != 422 => Exit::Unreachable,
            LiveError::Refused { .. } | LiveError::BadToken | LiveError::NoGate => Exit::Refused,
            LiveError::TooFew { .. } => Exit::Timeout,
        }
    }
}

/// The port of live topics and the token that opens it.
#[derive(Debug)]
pub(crate) struct Port {
    address: Address,
    token: Secret,
}

impl Port {
    /// Finds both.
    pub(crate) fn find(
        broker: Option<&str>,
        env: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Port, LiveError> {
        let set = |name: &str| env(name).filter(|value| !value.is_empty());
        let address = match broker {
            Some(url) => Address::parse(url)?,
            None => {
                let port = set(PORT).map_or(Ok(PORT_DEFAULT), |text| port(&text))?;
                Address::from(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
            }
        };
        let token = set("PEERMESH_LIVE_TOKEN").or_else(|| set("LIVE_AUTH_SECRET"));
        Ok(Port { address, token: Secret::new(token.ok_or(LiveError::NoToken)?) })
    }

    fn token(&self) -> &str {
        std::str::from_utf8(self.token.expose()).unwrap_or_default()
    }

    fn ask(&self, method: &'static str, target: &str, body: Option<&Value>) -> Result<Value, LiveError> {
        let question = Question { method, target, token: Some(self.token()), body, header: None };
        let answer = http::ask(&self.address, &question)?;
        let said = answer.json();
        match answer.status {
            200 => Ok(said),
            401 => Err(LiveError::BadToken),
            404 => Err(LiveError::NoGate),
            status => {
                let field = |name: &str| said[name].as_str().unwrap_or_default().to_owned();
                Err(LiveError::Refused { status, code: field("error"), message: field("message") })
            }
        }
    }
}

fn port(text: &str) -> Result<u16, ConfigError> {
    let wanted = "a whole number from 1 to 65535; correct it, or name the broker with --broker";
    text.parse().ok().filter(|&port| port > 0).ok_or_else(|| ConfigError::new(PORT, text, wanted))
}

/// What is published besides the data.
#[derive(Debug)]
pub(crate) struct With<'a> {
    pub(crate) key: Option<&'a str>,
    pub(crate) version: Option<u64>,
    pub(crate) id: Option<&'a str>,
}

/// Publishes once.
pub(crate) fn publish(
    port: &Port,
    topic: &str,
    data: &str,
    with: &With<'_>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let data: Value = serde_json::from_str(data).map_err(|error| LiveError::NoJson(error.to_string()))?;
    let mut body = json!({ "topic": topic, "data": data });
    if let Some(key) = with.key {
        body["key"] = key.into();
    }
    if let Some(version) = with.version {
        body["version"] = version.into();
    }
    if let Some(id) = with.id {
        body["idempotency_key"] = id.into();
    }
    let receipt = port.ask("POST", "/publish", Some(&body))?;
    let again = if receipt["duplicate"] == true { " (it stood there before)" } else { "" };
    let epoch = receipt["epoch"].as_str().unwrap_or_default();
    let line = format!("{topic} is at {epoch}:{}{again}", receipt["offset"]);
    Ok(terminal.result(&receipt, [line.as_str()])?)
}

/// Shows topics.
pub(crate) fn info(port: &Port, terminal: &mut Terminal) -> Result<(), Failure> {
    let said = port.ask("GET", "/topics", None)?;
    let columns = ["topic", "epoch", "offset", "published", "watchers", "users", "slow"];
    let rows = said["topics"].as_array().cloned().unwrap_or_default();
    let cell = |row: &Value, name: &str| match &row[name] {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let cells: Vec<Vec<String>> =
        rows.iter().map(|row| columns.map(|name| cell(row, name)).to_vec()).collect();
    let headings = ["TOPIC", "EPOCH", "OFFSET", "PUBLISHED", "WATCHERS", "USERS", "SLOW"];
    let lines = table(&headings, &cells);
    Ok(terminal.result(&said, lines.iter().map(String::as_str))?)
}
