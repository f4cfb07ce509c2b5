//! `peers`: who belongs to the mesh, and who is there.

use serde_json::{Value, json};

use super::profile::Profile;
use super::session::{Manner, Session};
use super::via::{self, Route, Via};
use super::{LinkError, PeerError};
use crate::failure::Failure;
use crate::home::Home;
use crate::terminal::{Terminal, table};

/// Lists every session that is there and every member that is not.
pub(crate) fn run(
    home: &Home,
    profile: &Profile,
    (via, broker): (Via, Option<&str>),
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let by_daemon = match via::find(home, profile, via, broker, terminal)? {
        None => None,
        Some(route) => match list_by(&route) {
            Ok(peers) => Some(peers),
            Err(error) if route.is_only => return Err(error.into()),
            Err(error) => {
                terminal.remark(&format!("note: {error}; asking the broker instead"));
                None
            }
        },
    };
    let (peers, way) = match by_daemon {
        Some(peers) => (peers, "daemon"),
        None => {
            let mut session = Session::open(profile, broker, Manner::SendOnly, None)?;
            let peers = list(&mut session).map_err(PeerError::from)?;
            session.close();
            (peers, "broker")
        }
    };
    let own = profile.public_key().hex();
    let rows: Vec<Vec<String>> = peers.iter().map(|peer| row(peer, &own)).collect();
    let lines = table(&["NAME", "STATUS", "KEY", "GROUPS", "SUMMARY"], &rows);
    let value = json!({ "peers": peers, "via": way });
    Ok(terminal.result(&value, lines.iter().map(String::as_str))?)
}

/// Everyone the broker knows in this mesh, as it tells the daemon.
pub(crate) fn list_by(route: &Route) -> Result<Vec<Value>, PeerError> {
    let mut reply = route.look("/v1/peers", "&all=true")?;
    match reply["peers"].take() {
        // We are in it ourselves, so an empty list is none.
        Value::Array(peers) if !peers.is_empty() => Ok(peers),
        _ => {
            let absence = route.absence()?;
            let text = absence.unwrap_or_else(|| "the broker did not answer the daemon".to_owned());
            Err(PeerError::NoAnswer { text })
        }
    }
}

/// Everyone the broker knows in this mesh.
pub(super) fn list(session: &mut Session) -> Result<Vec<Value>, LinkError> {
    let mut reply = session.call(json!({ "type": "list_peers", "all": true }))?;
    match reply.get_mut("peers").map(Value::take) {
        Some(Value::Array(peers)) => Ok(peers),
        _ => Err(LinkError::Nonsense { what: "the list of peers is no list" }),
    }
}

pub(super) fn field<'a>(peer: &'a Value, name: &str) -> &'a str {
    peer.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// False only for a member without a presence.
pub(crate) fn is_online(peer: &Value) -> bool {
    peer.get("online") != Some(&Value::Bool(false))
}

fn row(peer: &Value, own: &str) -> Vec<String> {
    let you = if field(peer, "memberPubkey") == own { " (you)" } else { "" };
    let status = if is_online(peer) { field(peer, "status") } else { "offline" };
    let groups = peer.get("groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let groups: Vec<&str> = groups.iter().map(|group| field(group, "name")).collect();
    vec![
        format!("{}{you}", field(peer, "displayName")),
        status.to_owned(),
        field(peer, "pubkey").to_owned(),
        groups.join(","),
        field(peer, "summary").to_owned(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_without_a_presence_is_offline() {
        let peer = json!({ "displayName": "bob", "pubkey": "k", "memberPubkey": "k", "online": false });
        assert_eq!(row(&peer, "other"), ["bob", "offline", "k", "", ""]);
        let peer = json!({
            "displayName": "ann", "pubkey": "s", "memberPubkey": "k", "status": "working",
            "groups": [{ "name": "ops" }, { "name": "web" }], "summary": null,
        });
        assert_eq!(row(&peer, "k"), ["ann (you)", "working", "s", "ops,web", ""]);
    }
}
