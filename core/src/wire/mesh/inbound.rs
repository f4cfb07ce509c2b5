//! What peers say. Unknown fields are ignored; known fields of another type make the message malformed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde_json::Value;

use super::features::FeatureRequest;
use crate::store::Group;

/// Text that is borrowed from the message where it has no escapes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Str<'a>(Cow<'a, str>);

impl std::ops::Deref for Str<'_> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Str<'a> {
    fn from(text: &'a str) -> Str<'a> {
        Str(Cow::Borrowed(text))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Str<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Str<'a>, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Str<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Str<'de>, E> {
                Ok(Str(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// What names a message in its answer: `id` for sends, `_reqId` for everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default)]
pub(crate) struct Named<'a> {
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow, rename = "_reqId")]
    pub request: Option<Str<'a>>,
}

/// `send` (3.2).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Send<'a> {
    #[serde(borrow, rename = "type")]
    pub(super) kind: Str<'a>,
    #[serde(borrow)]
    pub id: Option<Str<'a>>,
    #[serde(borrow)]
    pub target_spec: Option<Str<'a>>,
    #[serde(borrow)]
    pub priority: Option<Str<'a>>,
    #[serde(borrow)]
    pub nonce: Option<Str<'a>>,
    #[serde(borrow)]
    pub ciphertext: Option<Str<'a>>,
    #[serde(borrow, rename = "client_message_id")]
    pub client_message_id: Option<Str<'a>>,
    #[serde(borrow, rename = "request_fingerprint")]
    pub request_fingerprint: Option<Str<'a>>,
    #[serde(borrow)]
    pub reply_to_id: Option<Str<'a>>,
    /// Additive: its sender wants a receipt.
    pub receipt: Option<bool>,
    #[serde(borrow)]
    pub mentions: Option<Vec<Str<'a>>>,
    /// Additive: the id its message had, when it is sent again because the store's history was lost.
    #[serde(borrow, rename = "message_id")]
    pub message_id: Option<Str<'a>>,
    /// Additive: when its sender took it on, in Unix milliseconds.
    #[serde(rename = "enqueued_at")]
    pub enqueued_at: Option<i64>,
}

/// `client_ack` (3.4).
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct ClientAck<'a> {
    #[serde(borrow)]
    pub client_message_id: Option<Str<'a>>,
    #[serde(borrow)]
    pub broker_message_id: Option<Str<'a>>,
}

/// `hello` (2.1). Kept whole, because judging it outlives the bytes it came in. A key, an attestation or its
/// time of another type is read as one that is wrong, for the contract has a word of its own for each.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Hello {
    pub mesh_id: String,
    pub member_id: String,
    #[serde(default, deserialize_with = "text_of_any")]
    pub pubkey: String,
    #[serde(default, deserialize_with = "text_or_none")]
    pub session_pubkey: Option<String>,
    pub timestamp: i64,
    pub signature: String,
    #[serde(flatten)]
    pub named: HelloPeer,
}

/// `session_hello` (2.2).
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionHello {
    pub mesh_id: String,
    #[serde(default)]
    pub parent_member_id: Option<String>,
    #[serde(default, deserialize_with = "text_of_any")]
    pub parent_member_pubkey: String,
    #[serde(default, deserialize_with = "text_of_any")]
    pub session_pubkey: String,
    #[serde(default, deserialize_with = "attestation")]
    pub parent_attestation: Option<Attestation>,
    pub timestamp: i64,
    pub signature: String,
    #[serde(flatten)]
    pub named: HelloPeer,
}

/// A member's word that a session key is its own.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attestation {
    #[serde(default, deserialize_with = "text_of_any")]
    pub session_pubkey: String,
    #[serde(default, deserialize_with = "text_of_any")]
    pub parent_member_pubkey: String,
    /// Unix milliseconds; none when it was no whole number.
    #[serde(default, deserialize_with = "whole_or_none")]
    pub expires_at: Option<i64>,
    #[serde(default, deserialize_with = "text_of_any")]
    pub signature: String,
}

/// A text, or the JSON of something else, which then has the wrong form.
fn text_of_any<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::String(text) => text,
        other => other.to_string(),
    })
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Ok(match Value::deserialize(deserializer)? {
        Value::Null => None,
        Value::String(text) => Some(text),
        other => Some(other.to_string()),
    })
}

fn whole_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    Ok(Value::deserialize(deserializer)?.as_i64())
}

fn attestation<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Attestation>, D::Error> {
    Ok(serde_json::from_value(Value::deserialize(deserializer)?).ok())
}

/// What both hellos say of the peer.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HelloPeer {
    pub session_id: String,
    pub pid: i64,
    pub cwd: String,
    #[serde(default)]
    pub display_name: Option<String>,
    #[serde(default)]
    pub hostname: Option<String>,
    #[serde(default)]
    pub channel: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub peer_type: Option<String>,
    #[serde(default)]
    pub groups: Option<Vec<Group>>,
    #[serde(default)]
    pub capabilities: Option<Vec<String>>,
}

/// `set_status` (3.5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct SetStatus {
    pub status: String,
}

/// `set_summary` (3.5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct SetSummary {
    #[serde(default)]
    pub summary: Option<String>,
}

/// `set_visible` (3.5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct SetVisible {
    pub visible: bool,
}

/// `set_profile` (3.5): only given fields change.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct SetProfile {
    #[serde(default)]
    pub avatar: Option<String>,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub bio: Option<String>,
    #[serde(default)]
    pub capabilities: Option<Vec<String>>,
}

/// `set_stats` (3.5).
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
pub(crate) struct SetStats {
    pub stats: Stats,
}

/// Counters a peer reports; kept as the numbers it sent.
#[derive(Clone, Debug, Default, PartialEq, serde::Deserialize, serde::Serialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Stats {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_in: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub messages_out: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool_calls: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uptime: Option<serde_json::Number>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errors: Option<serde_json::Number>,
}

/// `join_group` (3.5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct JoinGroup {
    pub name: String,
    #[serde(default)]
    pub role: Option<String>,
}

/// `leave_group` (3.5).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct LeaveGroup {
    pub name: String,
}

/// `list_peers` (3.6). `all` also lists members without a presence.
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
pub(crate) struct ListPeers {
    #[serde(default)]
    pub all: bool,
}

/// `message_status` (3.10).
#[derive(Clone, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageStatus {
    pub message_id: String,
}

/// A message of a peer that has said hello.
#[derive(Clone, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "nearly every message is a send, and each is passed on by reference"
)]
pub(crate) enum Inbound<'a> {
    Send(Send<'a>),
    ClientAck(ClientAck<'a>),
    SetStatus(SetStatus),
    SetSummary(SetSummary),
    SetVisible(SetVisible),
    SetProfile(SetProfile),
    SetStats(SetStats),
    JoinGroup(JoinGroup),
    LeaveGroup(LeaveGroup),
    ListPeers(ListPeers),
    MessageStatus(MessageStatus),
    FeatureRequest(FeatureRequest),
    /// A second hello on the same connection.
    Hello,
    /// A type that this broker does not know or does not do.
    Other(String),
}

/// Why a message was not understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// What is wrong, for the peer's developer.
    pub text: String,
}

impl From<serde_json::Error> for Malformed {
    fn from(error: serde_json::Error) -> Malformed {
        Malformed { text: error.to_string() }
    }
}

/// The `type` of a message, with what names it.
pub(crate) fn kind_of(text: &str) -> Result<(String, Named<'_>), Malformed> {
    #[derive(serde::Deserialize)]
    struct Kind<'a> {
        #[serde(borrow, rename = "type")]
        kind: Str<'a>,
    }
    let kind: Kind<'_> = serde_json::from_str(text)?;
    // Ids of another type than text name nothing, but do not hide the message's type.
    let named = serde_json::from_str(text).unwrap_or_default();
    Ok((kind.kind.0.into_owned(), named))
}

/// Reads one message. The text has passed the JSON bounds before.
pub(crate) fn decode(text: &str) -> Result<Inbound<'_>, Malformed> {
    // Sends are nearly all of the traffic, so the first pass reads one. What it finds to be something else it
    // has at least told the type of, unless a field has the name but not the type of a send's.
    let kind = match serde_json::from_str::<Send<'_>>(text) {
        Ok(send) if &*send.kind == "send" => return Ok(Inbound::Send(send)),
        Ok(Send { kind: Str(kind), .. }) if !kind.is_empty() => kind,
        Ok(_) | Err(_) => Cow::Owned(kind_of(text)?.0),
    };
    Ok(match &*kind {
        "send" => Inbound::Send(serde_json::from_str(text)?),
        "client_ack" => Inbound::ClientAck(serde_json::from_str(text)?),
        "set_status" => Inbound::SetStatus(serde_json::from_str(text)?),
        "set_summary" => Inbound::SetSummary(serde_json::from_str(text)?),
        "set_visible" => Inbound::SetVisible(serde_json::from_str(text)?),
        "set_profile" => Inbound::SetProfile(serde_json::from_str(text)?),
        "set_stats" => Inbound::SetStats(serde_json::from_str(text)?),
        "join_group" => Inbound::JoinGroup(serde_json::from_str(text)?),
        "leave_group" => Inbound::LeaveGroup(serde_json::from_str(text)?),
        "list_peers" => Inbound::ListPeers(serde_json::from_str(text)?),
        "message_status" => Inbound::MessageStatus(serde_json::from_str(text)?),
        "feature_negotiation_request" => Inbound::FeatureRequest(serde_json::from_str(text)?),
        "hello" | "session_hello" => Inbound::Hello,
        _ => Inbound::Other(kind.into_owned()),
    })
}

impl<'a> Named<'a> {
    /// What names a request that has been read already; ids of another type than text name nothing.
    pub(crate) fn of_rpc(text: &'a str) -> Named<'a> {
        serde_json::from_str(text).unwrap_or_default()
    }
}

impl Named<'_> {
    /// What names the message at `text`, as far as it can be read.
    pub(crate) fn of(text: &str) -> Named<'static> {
        let Ok(Value::Object(fields)) = serde_json::from_str(text) else { return Named::default() };
        let take = |name: &str| match fields.get(name) {
            Some(Value::String(text)) => Some(Str(Cow::Owned(text.clone()))),
            _ => None,
        };
        Named { id: take("id"), request: take("_reqId") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_send_is_read_without_copying() {
        let text = r#"{"type":"send","id":"1","targetSpec":"*","nonce":"","ciphertext":"YQ==","x":[1]}"#;
        let Ok(Inbound::Send(send)) = decode(text) else { panic!("a send") };
        assert!(matches!(send.ciphertext, Some(Str(Cow::Borrowed("YQ==")))));
        assert_eq!(send.client_message_id, None);
    }

    #[test]
    fn a_field_of_another_type_makes_the_message_malformed_but_keeps_its_name() {
        let text = r#"{"type":"send","id":"7","targetSpec":5}"#;
        assert!(decode(text).is_err());
        assert_eq!(Named::of(text).id.as_deref(), Some("7"));
        assert!(decode(r#"{"id":"7"}"#).is_err());
    }

    #[test]
    fn a_type_that_is_not_known_is_told_apart_from_nonsense() {
        let other = Ok(Inbound::Other("get_file".to_owned()));
        assert_eq!(decode(r#"{"type":"get_file","id":"3"}"#), other);
        assert_eq!(decode(r#"{"type":"get_file","id":3}"#), other);
        assert_eq!(decode(r#"{"type":""}"#), Ok(Inbound::Other(String::new())));
        assert!(decode("{}").is_err() && decode(r#"{"type":7}"#).is_err());
    }

    #[test]
    fn a_hello_is_read_with_and_without_its_optional_fields() {
        let text = r#"{"type":"hello","meshId":"m","memberId":"a","pubkey":"k","sessionId":"s","pid":1,
            "cwd":"/","timestamp":5,"signature":"g"}"#;
        let hello: Hello = serde_json::from_str(text).unwrap();
        assert_eq!((hello.timestamp, hello.named.pid, hello.named.groups), (5, 1, None));
        assert!(serde_json::from_str::<Hello>(&text.replace("\"pid\":1,", "")).is_err());
    }
}
