//! Which way a command takes: by the daemon of this user, where one runs that serves the profile, or straight
//! to the broker.
//!
//! *Decides* whether the daemon speaks for the very member that is meant: by its key, and not by a name, for
//! names of meshes change when profiles come and go.
//! *Always holds:* a program that belongs to a session speaks as that session, or as the member where its
//! caller says so: never as the member because something else did not succeed.

use std::env;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};

use super::PeerError;
use super::link;
use super::profile::Profile;
use crate::daemon::DaemonError;
use crate::daemon::client::{self, Question};
use crate::daemon::place::Place;
use crate::daemon::stream::Stream;
use crate::home::{self, Home, HomeError};
use crate::http::{Answer, segment};
use crate::terminal::Terminal;

/// From a question to the daemon's answer, beyond what the daemon itself may wait for a broker.
const PATIENCE: Duration = Duration::from_secs(10);
/// From the first question to the answer: a daemon that is slower does not serve.
const PROBE: Duration = Duration::from_millis(2_500);
// One that is busy for a moment is not away, and what is asked beside it misses its outbox and inbox.
const _: () = assert!(PROBE.as_millis() >= 2_500);
/// Names of variables with the file that holds a session's token; the second is that of claudemesh clients.
const SESSION_FILES: [&str; 2] = ["PEERMESH_SESSION_TOKEN_FILE", "CLAUDEMESH_IPC_TOKEN_FILE"];

/// What the user wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Via {
    /// The daemon where it runs and can, else the broker
    #[default]
    Auto,
    /// The daemon or nothing
    Daemon,
    /// The broker, as if there were no daemon
    Broker,
}

/// A daemon that serves a profile.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    place: Place,
    /// The mesh's name in the daemon.
    pub(crate) mesh: String,
    /// The token of the session that asks.
    pub(crate) session: Option<String>,
    /// There is no other way.
    pub(crate) is_only: bool,
}

/// The way to the profile's mesh: by the daemon, or none where the broker is to be asked.
///
/// # Errors
/// Where the daemon was demanded and is none, or does not serve the profile; where a session was named that
/// is over.
pub(crate) fn find(
    home: &Home,
    profile: &Profile,
    via: Via,
    broker: Option<&str>,
    terminal: &Terminal,
) -> Result<Option<Route>, PeerError> {
    match (via, broker) {
        (Via::Daemon, Some(_)) => return Err(PeerError::NeedsBroker { what: "--broker" }),
        (Via::Broker, _) => return pass_by(profile, via, "--via broker", terminal).map(|()| None),
        (Via::Auto, Some(_)) => return pass_by(profile, via, "--broker", terminal).map(|()| None),
        (Via::Daemon | Via::Auto, None) => {}
    }
    let session = session_token()?;
    let variable = session.as_ref().map(|(variable, _)| *variable);
    let is_only = via == Via::Daemon || variable.is_some();
    match (Route::to(home, profile, session.map(|(_, token)| token), is_only), variable) {
        (Ok(route), _) => Ok(Some(route)),
        (Err(PeerError::NoDaemon { error }), Some(variable)) if via == Via::Auto => {
            Err(PeerError::SessionNeedsDaemon { variable, error })
        }
        (Err(error), _) if is_only => Err(error),
        // Without a daemon the broker is the usual way, and nothing to speak of.
        (Err(PeerError::NoDaemon { error: DaemonError::Away { .. } }), _) => Ok(None),
        (Err(error), _) => {
            terminal.remark(&format!("note: {error}; asking the broker instead"));
            Ok(None)
        }
    }
}

/// Makes sure that the daemon may be passed by, which `what` asks for: the broker knows the member alone.
///
/// # Errors
/// Where this program belongs to a session, and nobody said that it is to speak as the member.
pub(crate) fn pass_by(
    profile: &Profile,
    via: Via,
    what: &'static str,
    terminal: &Terminal,
) -> Result<(), PeerError> {
    let Some((variable, _)) = session_file() else { return Ok(()) };
    if via != Via::Broker {
        return Err(PeerError::NotAsSession { what, variable });
    }
    let name = &profile.name;
    terminal.remark(&format!("note: this goes as the member {name}, and not as the session of {variable}"));
    Ok(())
}

/// The variable that tells of the session this program belongs to, and the file that holds its token.
fn session_file() -> Option<(&'static str, PathBuf)> {
    let set = |name: &&'static str| Some((*name, env::var_os(name).filter(|file| !file.is_empty())?.into()));
    SESSION_FILES.iter().find_map(set)
}

/// The token of that session, if the program's starter gave it one.
fn session_token() -> Result<Option<(&'static str, String)>, PeerError> {
    let Some((variable, file)) = session_file() else { return Ok(None) };
    let text = match home::read(&file) {
        Ok(text) => text,
        // Who ends a session removes its file.
        Err(HomeError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {
            return Err(PeerError::SessionOver);
        }
        Err(error) => return Err(error.into()),
    };
    let token = String::from_utf8_lossy(&text).trim().to_owned();
    let is_token = token.len() == 64 && token.bytes().all(|digit| digit.is_ascii_hexdigit());
    if is_token { Ok(Some((variable, token))) } else { Err(PeerError::BadSessionFile { path: file }) }
}

impl Route {
    /// The way by the daemon.
    ///
    /// # Errors
    /// When none answers, or it does not serve the profile.
    pub(crate) fn to(
        home: &Home,
        profile: &Profile,
        session: Option<String>,
        is_only: bool,
    ) -> Result<Route, PeerError> {
        let place = Place::of(home);
        let question = Question { patience: PROBE, ..Question::new("GET", "/v1/version", None) };
        let no_daemon = |error| PeerError::NoDaemon { error };
        let version =
            client::put(&place, &question).and_then(|answer| client::judge(&answer)).map_err(no_daemon)?;
        let own = profile.public_key().hex();
        let meshes = version["meshes"].as_array().map(Vec::as_slice).unwrap_or_default();
        let is_ours = |mesh: &&Value| mesh["pubkey"] == own && mesh["mesh_id"] == profile.mesh_id;
        let mesh = meshes.iter().find(is_ours).and_then(|mesh| mesh["mesh"].as_str());
        let mesh = mesh.ok_or_else(|| PeerError::NotServed { name: profile.name.clone() })?.to_owned();
        let route = Route { place, mesh, session, is_only };
        if route.session.is_some() {
            route.check_session()?;
        }
        Ok(route)
    }

    /// A session that is over, or that belongs elsewhere, must not become a program that sees everything.
    fn check_session(&self) -> Result<(), PeerError> {
        let answer = self.put("GET", "/v1/sessions/me", None)?;
        let session = answer.json()["session"].clone();
        match answer.status {
            200 if session["mesh"] == self.mesh => Ok(()),
            200 => {
                let mesh = session["mesh"].as_str().unwrap_or_default().to_owned();
                Err(PeerError::SessionElsewhere { mesh, name: self.mesh.clone() })
            }
            _ => Err(PeerError::SessionOver),
        }
    }

    /// Asks the daemon once.
    ///
    /// # Errors
    /// When no answer came.
    pub(crate) fn put(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Answer, PeerError> {
        self.put_within(method, target, body, PATIENCE)
    }

    /// The same, with less patience.
    ///
    /// # Errors
    /// When no answer came.
    pub(crate) fn put_within(
        &self,
        method: &str,
        target: &str,
        body: Option<&Value>,
        patience: Duration,
    ) -> Result<Answer, PeerError> {
        let session = self.session.as_deref();
        let question = Question { method, target, body, session, patience: patience.min(PATIENCE) };
        client::put(&self.place, &question).map_err(|error| PeerError::NoDaemon { error })
    }

    /// Asks for a value, and takes a refusal as a failure.
    ///
    /// # Errors
    /// When no answer came, or a refusal.
    pub(crate) fn value(&self, method: &str, target: &str, body: Option<&Value>) -> Result<Value, PeerError> {
        judge(&self.put(method, target, body)?)
    }

    /// Asks about this mesh alone. `rest` follows the mesh in the address.
    ///
    /// # Errors
    /// As [`Route::value`].
    pub(crate) fn look(&self, path: &str, rest: &str) -> Result<Value, PeerError> {
        self.value("GET", &format!("{path}?mesh={}{rest}", segment(&self.mesh)), None)
    }

    /// Opens the stream of events.
    ///
    /// # Errors
    /// As [`Stream::open`].
    pub(crate) fn stream(&self, last: Option<String>) -> Result<Stream, PeerError> {
        let opened = Stream::open(&self.place, self.session.as_deref(), last);
        opened.map_err(|error| match error {
            DaemonError::Refused { status, said } => PeerError::DaemonRefused { status, said },
            error => PeerError::NoDaemon { error },
        })
    }

    /// A stream of events ended.
    pub(crate) fn lost(&self, error: std::io::Error) -> PeerError {
        let socket = self.place.socket_path();
        PeerError::NoDaemon { error: DaemonError::Silent { socket, error } }
    }

    /// Why the broker of the mesh is not there, if it is not.
    ///
    /// # Errors
    /// As [`Route::value`].
    pub(crate) fn absence(&self) -> Result<Option<String>, PeerError> {
        let health = self.value("GET", "/v1/health", None)?;
        if health["brokers"][&self.mesh] == "open" {
            return Ok(None);
        }
        let why = health["reasons"][&self.mesh].as_str();
        let why = why.map(|why| format!(" ({why}){}", link::way_back(why)));
        Ok(Some(format!("the broker of {} is away{}", self.mesh, why.unwrap_or_default())))
    }

    /// The daemon's own words for the mesh in a body.
    pub(crate) fn in_mesh(&self, mut body: Value) -> Value {
        body["mesh"] = json!(self.mesh);
        body
    }
}

/// The value of an answer, or the refusal.
///
/// # Errors
/// [`PeerError::DaemonRefused`].
pub(crate) fn judge(answer: &Answer) -> Result<Value, PeerError> {
    client::judge(answer).map_err(|error| match error {
        DaemonError::Refused { status, said } => PeerError::DaemonRefused { status, said },
        error => PeerError::NoDaemon { error },
    })
}
