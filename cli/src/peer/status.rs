//! `status`: shows this member's sessions, or says how it is.

use serde_json::{Value, json};

use super::PeerError;
use super::link::LinkError;
use super::peers::{field, is_online, list};
use super::profile::Profile;
use super::session::{Manner, Session};
use crate::failure::Failure;
use crate::terminal::{Terminal, table};

/// Shows the status of every session of this member.
pub(crate) fn show(profile: &Profile, broker: Option<&str>, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut session = Session::open(profile, broker, Manner::SendOnly, None)?;
    let own = profile.public_key().hex();
    let mut peers = list(&mut session).map_err(PeerError::from)?;
    session.close();
    peers.retain(|peer| field(peer, "memberPubkey") == own && is_online(peer));
    let rows: Vec<Vec<String>> = peers.iter().map(row).collect();
    let lines = if rows.is_empty() {
        vec![format!("{} is offline", profile.name)]
    } else {
        table(&["STATUS", "SESSION", "DIRECTORY", "SINCE"], &rows)
    };
    Ok(terminal.result(&json!({ "sessions": peers }), lines.iter().map(String::as_str))?)
}

/// Gives this member a status.
pub(crate) fn set(
    profile: &Profile,
    broker: Option<&str>,
    status: &str,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut session = Session::open(profile, broker, Manner::SendOnly, None)?;
    let reply = session.call(json!({ "type": "set_status", "status": status }));
    reply.map_err(|error| refusal(error, profile))?;
    session.close();
    let said = format!("{} is {status}", profile.name);
    Ok(terminal.result(&json!({ "status": status }), [said.as_str()])?)
}

fn refusal(error: LinkError, profile: &Profile) -> PeerError {
    match error {
        LinkError::Refused { code, .. } if code == "no_presence" => {
            PeerError::NoPresence { name: profile.name.clone() }
        }
        other => other.into(),
    }
}

fn row(peer: &Value) -> Vec<String> {
    ["status", "sessionId", "cwd", "connectedAt"].map(|name| field(peer, name).to_owned()).to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_member_without_a_session_is_told_how_to_get_one() {
        let profile = Profile::fresh("ann", "m", "s", "ws://x/ws").unwrap();
        let error = refusal(LinkError::refused("no_presence", "no presence"), &profile);
        assert!(error.to_string().contains("inbox --follow --as ann"), "{error}");
        assert_eq!(error.exit(), Exit::Refused);
    }
}
