//! "To whom", as people type it, to what the wire takes (mesh protocol, section 4.1).

use std::collections::BTreeSet;

use peermesh_core::ids::PublicKey;
use serde_json::Value;

use super::PeerError;

/// A recipient before names are looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// One member or session, by key.
    Key(PublicKey),
    /// `@group` or `*`: text that everyone in it and the broker can read.
    Many(String),
    /// One member, by a name that the list of peers resolves.
    Name(String),
}

/// Names shown in a refusal.
const NAMES_SHOWN: usize = 20;

impl Target {
    pub(super) fn parse(text: &str) -> Result<Target, PeerError> {
        if text == "*" || text.len() > 1 && text.starts_with('@') {
            return Ok(Target::Many(text.to_owned()));
        }
        if text.is_empty() || text.starts_with(['#', '@']) {
            return Err(PeerError::BadTarget { target: text.to_owned() });
        }
        match PublicKey::from_hex(&text.to_ascii_lowercase()) {
            Some(key) => Ok(Target::Key(key)),
            None => Ok(Target::Name(text.to_owned())),
        }
    }
}

/// The member key of the one peer of that name.
pub(super) fn resolve(name: &str, peers: &[Value]) -> Result<PublicKey, PeerError> {
    let text =
        |peer: &Value, field: &str| peer.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let keys: BTreeSet<String> = peers
        .iter()
        .filter(|peer| text(peer, "displayName") == name)
        .map(|peer| text(peer, "memberPubkey"))
        .collect();
    let mut keys = keys.into_iter();
    match (keys.next(), keys.next()) {
        (None, _) => {
            let names: BTreeSet<String> = peers.iter().map(|peer| text(peer, "displayName")).collect();
            Err(PeerError::UnknownPeer { name: name.to_owned(), known: shorten(names) })
        }
        (Some(key), None) => PublicKey::from_hex(&key).ok_or(PeerError::BadKey { key }),
        (Some(one), Some(two)) => {
            let keys = [one, two].into_iter().chain(keys).collect();
            Err(PeerError::AmbiguousPeer { name: name.to_owned(), keys: shorten(keys) })
        }
    }
}

fn shorten(words: BTreeSet<String>) -> String {
    let rest = words.len().saturating_sub(NAMES_SHOWN);
    let mut shown: Vec<String> = words.into_iter().take(NAMES_SHOWN).collect();
    if rest > 0 {
        shown.push(format!("and {rest} more"));
    }
    if shown.is_empty() { "nobody".into() } else { shown.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(byte: u8) -> String {
        PublicKey([byte; 32]).hex()
    }

    #[test]
    fn keys_groups_and_everyone_are_taken_as_they_are() {
        assert_eq!(Target::parse(&key(7).to_uppercase()).unwrap(), Target::Key(PublicKey([7; 32])));
        assert_eq!(Target::parse("*").unwrap(), Target::Many("*".into()));
        assert_eq!(Target::parse("@ops/web").unwrap(), Target::Many("@ops/web".into()));
        assert_eq!(Target::parse("bob").unwrap(), Target::Name("bob".into()));
        for text in ["", "@", "#topic"] {
            assert!(matches!(Target::parse(text), Err(PeerError::BadTarget { .. })), "{text:?}");
        }
    }

    #[test]
    fn a_name_is_the_member_behind_all_its_sessions() {
        let peers = [
            json!({ "displayName": "bob", "pubkey": key(9), "memberPubkey": key(1) }),
            json!({ "displayName": "bob", "pubkey": key(1), "memberPubkey": key(1), "online": false }),
        ];
        assert_eq!(resolve("bob", &peers).unwrap(), PublicKey([1; 32]));
    }

    #[test]
    fn an_unknown_or_ambiguous_name_is_refused_with_the_candidates() {
        let peers = [
            json!({ "displayName": "bob", "pubkey": key(1), "memberPubkey": key(1) }),
            json!({ "displayName": "bob", "pubkey": key(2), "memberPubkey": key(2) }),
            json!({ "displayName": "ann", "pubkey": key(3), "memberPubkey": key(3) }),
        ];
        let error = resolve("bo", &peers).unwrap_err().to_string();
        assert!(error.contains("ann, bob"), "{error}");
        let error = resolve("bob", &peers).unwrap_err().to_string();
        assert!(error.contains(&key(1)) && error.contains(&key(2)), "{error}");
    }

    #[test]
    fn a_large_mesh_does_not_flood_the_refusal() {
        let peers: Vec<Value> = (0..100).map(|n| json!({ "displayName": format!("p{n:03}") })).collect();
        let error = resolve("bob", &peers).unwrap_err().to_string();
        assert!(error.contains("and 80 more") && !error.contains("p050"), "{error}");
    }
}
