//! "To whom", as programs of the host write it, to what a broker takes.
//!
//! *Decides* which of those who belong to the mesh is meant; more than one is as wrong as none. A name means
//! a member, whose mail outlives its sessions; a session is written to by its key.

use std::collections::BTreeSet;

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
    let keys: BTreeSet<&str> = match is_prefix {
        true => {
            let prefix = to.to_ascii_lowercase();
            let keys = roster.iter().flat_map(|peer| [text(peer, "pubkey"), text(peer, "memberPubkey")]);
            keys.filter(|key| key.starts_with(&prefix)).collect()
        }
        false => {
            let name = to.to_lowercase();
            let named = roster.iter().filter(|peer| text(peer, "displayName").to_lowercase() == name);
            named.map(|peer| text(peer, "memberPubkey")).collect()
        }
    };
    let mut keys = keys.into_iter();
    let key = match (keys.next(), keys.next()) {
        (None, _) => return Err(format!("nobody in this mesh is called {to}")),
        (Some(key), None) => key,
        (Some(one), Some(other)) => {
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
    fn a_name_is_a_member_whoever_of_its_connections_has_it() {
        let roster = [peer("bob", 2, 2, "control-plane"), peer("Bob", 3, 2, "session")];
        assert_eq!(resolve("bob", &roster), Ok(PublicKey([2; 32])));
        assert_eq!(resolve("bob", &roster[..1]), Ok(PublicKey([2; 32])));
        assert_eq!(resolve("bob", &roster[1..]), Ok(PublicKey([2; 32])));
    }

    #[test]
    fn several_sessions_of_one_member_are_the_member_and_two_members_are_an_error() {
        let roster = [peer("bob", 3, 2, "session"), peer("bob", 4, 2, "session")];
        assert_eq!(resolve("bob", &roster), Ok(PublicKey([2; 32])));
        let roster = [peer("bob", 3, 2, "session"), peer("bob", 5, 6, "session")];
        assert!(resolve("bob", &roster).unwrap_err().contains("could be"));
        // A session that has somebody's name does not take that one's mail.
        let roster = [peer("bob", 3, 2, "session"), peer("bob", 6, 6, "control-plane")];
        assert!(resolve("bob", &roster).unwrap_err().contains("could be"));
        assert!(resolve("eve", &roster).is_err());
    }

    #[test]
    fn the_beginning_of_a_key_names_the_only_key_that_begins_so() {
        let roster =
            [peer("bob", 3, 2, "session"), peer("bob", 4, 2, "session"), peer("ann", 5, 6, "session")];
        assert_eq!(resolve("0303030303030303", &roster), Ok(PublicKey([3; 32])));
        assert_eq!(resolve("0202020202020202", &roster), Ok(PublicKey([2; 32])), "a member's");
        assert!(resolve("0707070707070707", &roster).is_err());
    }
}
