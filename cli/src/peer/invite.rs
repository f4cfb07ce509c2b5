//! Invite links: `peermesh:join:` and the base64url of what `POST /join` takes.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::PeerError;

/// In front of every link.
const PREFIX: &str = "peermesh:join:";

/// An invite as its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Invite {
    pub(crate) invite_token: String,
    /// Signed by the mesh's owner; passed on exactly as it is.
    pub(crate) invite_payload: Value,
}

impl Invite {
    /// Reads a link, or the JSON that `invite --json` printed.
    pub(crate) fn parse(text: &str) -> Result<Invite, PeerError> {
        let text = text.trim();
        let bad = |what| PeerError::BadInvite { what };
        let invite: Invite = match text.strip_prefix(PREFIX) {
            Some(packed) => {
                let packed = packed.trim_end_matches('=');
                let json =
                    BASE64URL_NOPAD.decode(packed.as_bytes()).map_err(|_| bad("its end is missing"))?;
                serde_json::from_slice(&json).map_err(|_| bad("its content is damaged"))?
            }
            None if text.starts_with('{') => {
                serde_json::from_str(text).map_err(|_| bad("it lacks invite_token or invite_payload"))?
            }
            None => return Err(bad("it does not begin with peermesh:join:")),
        };
        for field in ["mesh_id", "mesh_slug", "broker_url"] {
            invite.field(field)?;
        }
        Ok(invite)
    }

    /// The link.
    pub(crate) fn url(&self) -> String {
        let json = serde_json::to_vec(self).unwrap_or_default();
        format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&json))
    }

    /// One text of the payload.
    pub(crate) fn field(&self, name: &str) -> Result<&str, PeerError> {
        let text = self.invite_payload.get(name).and_then(Value::as_str);
        text.ok_or(PeerError::BadInvite { what: "its payload is incomplete" })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn invite() -> Invite {
        let payload = json!({
            "v": 1, "mesh_id": "mesh-1", "mesh_slug": "demo", "broker_url": "ws://127.0.0.1:7900/ws",
            "expires_at": 1_800_000_000, "mesh_root_key": "k", "role": "member", "owner_pubkey": "00",
            "signature": "ff",
        });
        Invite { invite_token: "token".into(), invite_payload: payload }
    }

    #[test]
    fn a_link_gives_back_the_invite_it_was_made_of() {
        let url = invite().url();
        assert!(url.starts_with("peermesh:join:") && !url.contains(['+', '/', '=', ' ']), "{url}");
        assert_eq!(Invite::parse(&format!(" {url}\n")).unwrap(), invite());
    }

    #[test]
    fn the_printed_json_is_an_invite_too() {
        let mut printed = serde_json::to_value(invite()).unwrap();
        printed["url"] = "peermesh:join:x".into();
        assert_eq!(Invite::parse(&printed.to_string()).unwrap(), invite());
    }

    #[test]
    fn what_is_no_invite_is_refused() {
        let url = invite().url();
        for text in ["", "demo", "peermesh:join:", "peermesh:join:!!", &url[..url.len() - 9], "{}"] {
            assert!(matches!(Invite::parse(text), Err(PeerError::BadInvite { .. })), "{text:?}");
        }
    }
}
