//! "To whom", as programs of the host write it, to what a broker takes.
//!
//! *Decides* which of those who belong to the mesh is meant; more than one is as wrong as none.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::ids::PublicKey;

/// A recipient before anybody is looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A topic, a group or everybody, taken as it stands: what they say is not sealed.
    Many(String),
    /// One member or session, by key.
    Key(PublicKey),
    /// One of those who belong to the mesh: by the beginning of a key, or by name.
    One(String),
}

impl Target {
    /// Reads a recipient.
    pub(super) fn read(to: &str) -> Target {
        let is_topic = |name: &str| {
            name.len() >= 20
                && name.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'_' | b'-'))
        };
        if to == "*" || to.starts_with('@') || to.strip_prefix('#').is_some_and(is_topic) {
            return Target::Many(to.to_owned());
        }
        match PublicKey::from_hex(&to.to_ascii_lowercase()) {
            Some(key) => Target::Key(key),
            None => Target::One(to.to_owned()),
        }
    }
}

/// The key of the one who is meant.
///
/// # Errors
/// Why nobody is, in words for people.
pub(super) fn resolve(to: &str, roster: &[Value]) -> Result<PublicKey, String> {
    let is_prefix = (16..64).contains(&to.len()) && to.bytes().all(|byte| byte.is_ascii_hexdigit());
    let matches = |peer: &Value| {
        if is_prefix {
            let prefix = to.to_ascii_lowercase();
            ["pubkey", "memberPubkey"].iter().any(|field| text(peer, field).starts_with(&prefix))
        } else {
            text(peer, "displayName").to_lowercase() == to.to_lowercase()
        }
    };
    // A daemon's own connection has its member's name; a session of that name is rather meant.
    let (own, others): (Vec<&Value>, Vec<&Value>) =
        roster.iter().filter(|peer| matches(peer)).partition(|peer| is_control_plane(peer));
    let found = if others.is_empty() { own } else { others };
    let mut by_member: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for peer in found {
        by_member.entry(text(peer, "memberPubkey")).or_default().push(text(peer, "pubkey"));
    }
    let mut members = by_member.into_iter();
    let key = match (members.next(), members.next()) {
        (None, _) => return Err(format!("nobody in this mesh is called {to}")),
        // Several sessions of one member: the message is for the member.
        (Some((member, keys)), None) => {
            if keys.len() == 1 {
                keys[0]
            } else {
                member
            }
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(format!("{to} could be {one} or {other}; send to one of these keys"));
        }
    };
    PublicKey::from_hex(key).ok_or_else(|| format!("{to} has no key that can be written to"))
}

/// True for the connection of a daemon, which is nobody one talks to.
pub(super) fn is_control_plane(peer: &Value) -> bool {
    text(peer, "peerRole") == "control-plane"
}

fn text<'a>(peer: &'a Value, field: &str) -> &'a str {
    peer.get(field).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn peer(name: &str, key: u8, member: u8, role: &str) -> Value {
        let hex = |byte| PublicKey([byte; 32]).hex();
        json!({ "displayName": name, "pubkey": hex(key), "memberPubkey": hex(member), "peerRole": role })
    }

    #[test]
    fn a_recipient_is_read_as_deployed_daemons_read_it() {
        for many in ["*", "@ops", "#abcdefghij0123456789"] {
            assert_eq!(Target::read(many), Target::Many(many.into()));
        }
        assert_eq!(Target::read(&"AB".repeat(32)), Target::Key(PublicKey([0xab; 32])));
        for one in ["bob", "#short", "abcd"] {
            assert_eq!(Target::read(one), Target::One(one.into()));
        }
    }

    #[test]
    fn a_session_is_meant_before_the_daemon_of_the_same_name() {
        let roster = [peer("bob", 2, 2, "control-plane"), peer("Bob", 3, 2, "session")];
        assert_eq!(resolve("bob", &roster), Ok(PublicKey([3; 32])));
        assert_eq!(resolve("bob", &roster[..1]), Ok(PublicKey([2; 32])));
    }

    #[test]
    fn several_sessions_of_one_member_are_the_member_and_two_members_are_an_error() {
        let roster = [peer("bob", 3, 2, "session"), peer("bob", 4, 2, "session")];
        assert_eq!(resolve("bob", &roster), Ok(PublicKey([2; 32])));
        let roster = [peer("bob", 3, 2, "session"), peer("bob", 5, 6, "session")];
        assert!(resolve("bob", &roster).unwrap_err().contains("could be"));
        assert!(resolve("eve", &roster).is_err());
    }

    #[test]
    fn the_beginning_of_a_key_names_its_only_owner() {
        let roster = [peer("bob", 3, 2, "session"), peer("ann", 5, 6, "session")];
        assert_eq!(resolve("0303030303030303", &roster), Ok(PublicKey([3; 32])));
        assert!(resolve("0404040404040404", &roster).is_err());
    }
}
