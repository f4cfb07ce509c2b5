//! Tells a daemon that runs to look at the profiles again: a mesh that was joined is taken up without a
//! restart, and one that was left is let go.

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use super::lock::{Holder, holder};
use super::place::Place;
use super::{DaemonError, client};
use crate::failure::Failure;
use crate::home::Home;
use crate::peer::profile::Profile;
use crate::terminal::Terminal;

/// Until a daemon has taken a mesh up, and between two looks.
const TAKES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_millis(50));

/// What became of the word to the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// None runs: its next start reads the profiles.
    NotRunning,
    /// It has the mesh.
    TakenUp,
    /// It was told, and has not shown the mesh so far.
    Unseen,
}

impl Told {
    fn word(self) -> &'static str {
        match self {
            Told::NotRunning => "not running",
            Told::TakenUp => "taken up",
            Told::Unseen => "told",
        }
    }
}

/// Tells a daemon that runs what a profile is from here on, and gives the word for what became of that. That
/// it could not be told is remarked: the profile stands all the same.
pub(crate) fn tell(home: &Home, profile: &Profile, terminal: &Terminal) -> &'static str {
    match joined(home, profile) {
        Ok(told) => told.word(),
        Err(error) => {
            terminal.remark(&format!("the daemon was not told ({error}); run: peermesh daemon reload"));
            "not told"
        }
    }
}

/// Tells a daemon that a profile has joined a mesh, and waits a moment until it has taken it up.
///
/// # Errors
/// When it runs and cannot be told.
fn joined(home: &Home, profile: &Profile) -> Result<Told, DaemonError> {
    let place = Place::of(home);
    if !signal(&place)? {
        return Ok(Told::NotRunning);
    }
    let (own, until) = (profile.public_key().hex(), Instant::now() + TAKES.0);
    while Instant::now() < until {
        let version = client::value(&place, "GET", "/v1/version", None).unwrap_or_default();
        let meshes = version["meshes"].as_array().map(Vec::as_slice).unwrap_or_default();
        // By its key, for the mesh may be attached already, as another member.
        let is_ours = |mesh: &Value| mesh["pubkey"] == own && mesh["mesh_id"] == profile.mesh_id;
        if meshes.iter().any(is_ours) {
            return Ok(Told::TakenUp);
        }
        thread::sleep(TAKES.1);
    }
    Ok(Told::Unseen)
}

/// `peermesh daemon reload`
pub(super) fn run(home: &Home, terminal: &mut Terminal) -> Result<(), Failure> {
    if !signal(&Place::of(home))? {
        return Err(DaemonError::NotRunning.into());
    }
    let value: Value = json!({ "told": true });
    Ok(terminal.result(&value, ["the daemon looks at the profiles again"])?)
}

/// Sends the signal; false when nobody is there to hear it.
fn signal(place: &Place) -> Result<bool, DaemonError> {
    let until = Instant::now() + TAKES.0;
    loop {
        match holder(place)? {
            Holder::Nobody => return Ok(false),
            Holder::Daemon(pid) => {
                let number = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
                if let Some(number) = number {
                    let told = kill_process(number, Signal::USR1);
                    return told.map(|()| true).map_err(|error| DaemonError::Signal { error: error.into() });
                }
            }
        }
        // One that is about to start has not said its number yet.
        if Instant::now() >= until {
            return Err(DaemonError::NoPid);
        }
        thread::sleep(TAKES.1);
    }
}
