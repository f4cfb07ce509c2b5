//! What the broker says. Strict: every field of the contract, in a fixed order.

use serde::Serialize;
use serde_json::value::RawValue;

use super::fate::MessageStatusResult;
use super::features::{FeatureAnswer, Features};
use super::inbound::Stats;
use crate::store::{Group, Profile, SavedStats};
use crate::wire::plain::plain_run;

/// Messages that can be written as one JSON text.
pub(crate) trait Encode: Serialize {
    /// Appends the JSON text to `out`.
    fn encode(&self, out: &mut Vec<u8>) {
        // Writing into memory cannot fail, and none of our types refuses to be written.
        serde_json::to_writer(out, self).expect("a message of ours is JSON");
    }
}

macro_rules! encodes {
    ($($name:ident),+) => { $(impl Encode for $name<'_> {})+ };
}

encodes!(ErrorFrame, FeatureAnswer, HelloAck, SystemPush, PeersList, MessageStatusResult);

/// A field's label as it stands between two fields.
macro_rules! label {
    ($name:literal) => {
        concat!(",\"", $name, "\":")
    };
}

/// Every message is an ack and a push, so these two are written by hand: the same bytes as their derives
/// write, without a look at every single one of them.
impl Encode for Ack<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"ack""#);
        put_text(out, label!("id"), Some(self.id));
        put_text(out, label!("messageId"), Some(self.message_id));
        put(out, label!("queued"), Some(&self.queued));
        put_text(out, label!("error"), self.error);
        put_text(out, label!("_reqId"), self.request);
        put(out, label!("recipients"), self.recipients.as_ref());
        put(out, label!("online"), self.online.as_ref());
        put(out, label!("mentioned"), self.mentioned.as_ref());
        put(out, label!("unknown_mentions"), self.unknown_mentions);
        put(out, label!("duplicate"), self.duplicate.as_ref());
        put(out, label!("history_available"), self.history_available.as_ref());
        put_text(out, label!("first_seen_at"), self.first_seen_at);
        put_text(out, label!("durability"), self.durability);
        put(out, label!("retry_after_ms"), self.retry_after_ms.as_ref());
        put_text(out, label!("client_message_id"), self.client_message_id);
        put_text(out, label!("conflict"), self.conflict);
        put_text(out, label!("broker_fingerprint_prefix"), self.broker_fingerprint_prefix);
        put_text(out, label!("broker_message_id"), self.broker_message_id);
        put(out, label!("receipt"), self.receipt);
        put_text(out, label!("receipt_error"), self.receipt_error);
        out.push(b'}');
    }
}

impl Encode for Push<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"type":"push""#);
        put_text(out, label!("messageId"), Some(self.message_id));
        put_text(out, label!("meshId"), Some(self.mesh_id));
        put_text(out, label!("senderPubkey"), Some(self.sender_pubkey));
        put_text(out, label!("senderMemberPubkey"), self.sender_member_pubkey);
        put_text(out, label!("senderMemberId"), Some(self.sender_member_id));
        put_text(out, label!("senderName"), Some(self.sender_name));
        put_text(out, label!("priority"), Some(self.priority));
        put_text(out, label!("nonce"), Some(self.nonce));
        put_text(out, label!("ciphertext"), Some(self.ciphertext));
        put_text(out, label!("createdAt"), Some(self.created_at));
        put_text(out, label!("client_message_id"), self.client_message_id);
        put_text(out, label!("request_fingerprint"), self.request_fingerprint);
        put_text(out, label!("replyToId"), self.reply_to_id);
        out.push(b'}');
    }
}

/// Writes a field, if it is there.
fn put<T: Serialize + ?Sized>(out: &mut Vec<u8>, label: &str, value: Option<&T>) {
    let Some(value) = value else { return };
    out.extend_from_slice(label.as_bytes());
    // Writing into memory cannot fail, and what is put here can be written.
    serde_json::to_writer(out, value).expect("a field of ours is JSON");
}

/// Writes a text, if it is there. Nearly none of them needs an escape.
fn put_text(out: &mut Vec<u8>, label: &str, text: Option<&str>) {
    match text {
        Some(plain) if plain_run(plain.as_bytes()) == plain.len() => {
            for part in [label, "\"", plain, "\""] {
                out.extend_from_slice(part.as_bytes());
            }
        }
        _ => put(out, label, text),
    }
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// `error` (3.1).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "error")]
pub(crate) struct ErrorFrame<'a> {
    pub code: &'a str,
    pub message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    #[serde(rename = "_reqId", skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
    /// The broker's clock in Unix milliseconds, when the peer's is what is wrong.
    #[serde(rename = "serverTime", skip_serializing_if = "Option::is_none")]
    pub server_time: Option<i64>,
}

/// `hello_ack` (2.4).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "hello_ack", rename_all = "camelCase")]
pub(crate) struct HelloAck<'a> {
    pub presence_id: &'a str,
    pub member_display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub member_profile: Option<MemberProfile<'a>>,
    #[serde(skip_serializing_if = "is_false")]
    pub restored: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_summary: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_groups: Option<&'a [Group]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_stats: Option<SavedStats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub services: Option<[(); 0]>,
    /// Additive: what the broker does (2.5).
    pub features: Features,
    /// Additive: deliveries that wait for this peer.
    pub queued: u64,
    /// Additive: what is stored may not survive everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'a str>,
    /// Additive: which history the store tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_epoch: Option<String>,
    /// Additive: what verifies receipts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_pubkey: Option<String>,
}

/// What the mesh knows of the member (2.4).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MemberProfile<'a> {
    pub role_tag: Option<&'a str>,
    pub groups: &'a [Group],
    pub message_mode: &'a str,
}

/// `ack` (3.2 and 8.6, and the short form of 3.5). All fields but the first five are additive.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(tag = "type", rename = "ack")]
pub(crate) struct Ack<'a> {
    pub id: &'a str,
    #[serde(rename = "messageId")]
    pub message_id: &'a str,
    pub queued: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<&'a str>,
    #[serde(rename = "_reqId", skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
    /// Mailboxes the message goes to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipients: Option<usize>,
    /// How many of them have somebody connected.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<usize>,
    /// Members it mentions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mentioned: Option<usize>,
    /// Mentions that mean nobody, as sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_mentions: Option<&'a [Box<str>]>,
    /// The message was accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duplicate: Option<bool>,
    /// The message itself is still kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub history_available: Option<bool>,
    /// When it was accepted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_seen_at: Option<&'a str>,
    /// What a stored message survives.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub durability: Option<&'a str>,
    /// When a refused send may come again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after_ms: Option<u64>,
    /// The key of the send, where it is another request's already.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a str>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conflict: Option<&'a str>,
    /// The first digits of the fingerprint of that other request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_fingerprint_prefix: Option<&'a str>,
    /// The id of the message it became.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker_message_id: Option<&'a str>,
    /// The broker's signed word that it accepted the message, to whoever asked for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt: Option<&'a RawValue>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub receipt_error: Option<&'a str>,
}

/// `push` of a message (3.3), with every attribution field.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "push", rename_all = "camelCase")]
pub(crate) struct Push<'a> {
    pub message_id: &'a str,
    pub mesh_id: &'a str,
    pub sender_pubkey: &'a str,
    /// Absent towards the sender's own member, whose clients would drop the push unacknowledged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sender_member_pubkey: Option<&'a str>,
    pub sender_member_id: &'a str,
    pub sender_name: &'a str,
    pub priority: &'a str,
    pub nonce: &'a str,
    pub ciphertext: &'a str,
    pub created_at: &'a str,
    #[serde(rename = "client_message_id", skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a str>,
    #[serde(rename = "request_fingerprint", skip_serializing_if = "Option::is_none")]
    pub request_fingerprint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<&'a str>,
}

/// `push` of a system event (3.3).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "push", rename_all = "camelCase")]
pub(crate) struct SystemPush<'a> {
    pub subtype: &'a str,
    pub event: &'a str,
    pub event_data: &'a serde_json::Value,
    pub message_id: &'a str,
    pub mesh_id: &'a str,
    pub sender_pubkey: &'a str,
    pub priority: &'a str,
    pub nonce: &'a str,
    pub ciphertext: &'a str,
    pub created_at: &'a str,
}

/// `peers_list` (3.6).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "peers_list")]
pub(crate) struct PeersList<'a> {
    pub peers: Vec<PeerRow<'a>>,
    #[serde(rename = "_reqId", skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
}

/// One row of `peers_list`. A member without a presence has `online:false` and no fields of one.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PeerRow<'a> {
    pub pubkey: String,
    pub member_pubkey: String,
    pub display_name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<&'a [Group]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connected_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_role: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer_type: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stats: Option<&'a Stats>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<&'a Profile>,
    /// Additive, only in answers to `all`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online: Option<bool>,
    /// Additive: the list would have been too long with all that this peer says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clipped: Option<bool>,
}

impl PeerRow<'_> {
    /// More bytes than this the row cannot have as JSON.
    pub(crate) fn bytes_at_most(&self) -> usize {
        // Labels, keys, times and numbers; and six bytes for every byte of text that has to be escaped.
        const FRAME_BYTES: usize = 1_024;
        const ESCAPED_BYTES: usize = 6;
        let group = |group: &Group| group.name.len() + group.role.as_deref().map_or(0, str::len) + 8;
        let groups: usize = self.groups.unwrap_or_default().iter().map(group).sum();
        let texts = [
            Some(self.display_name),
            self.summary.flatten(),
            self.session_id,
            self.cwd,
            self.hostname,
            self.peer_type,
            self.channel,
            self.model,
        ];
        let texts: usize = texts.into_iter().flatten().map(str::len).sum();
        let profile = self.profile.map_or(0, Profile::text_bytes);
        FRAME_BYTES + ESCAPED_BYTES * (texts + groups + profile)
    }

    /// Leaves out what its peer wrote at length.
    pub(crate) fn clip(&mut self) {
        self.summary = self.summary.map(|_| None);
        self.groups = self.groups.map(|_| [].as_slice());
        self.cwd = self.cwd.map(|_| "");
        (self.hostname, self.model, self.stats, self.profile) = (None, None, None, None);
        self.clipped = Some(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_its_request_only_when_the_request_had_a_name() {
        let mut out = Vec::new();
        Ack { id: "7", error: Some("invalid: x"), ..Ack::default() }.encode(&mut out);
        assert_eq!(out, br#"{"type":"ack","id":"7","messageId":"","queued":false,"error":"invalid: x"}"#);
    }

    fn written(message: &impl Encode) -> String {
        let mut out = Vec::new();
        message.encode(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_is_written_by_hand_is_what_the_derives_write() {
        let unknown = [Box::from("x"), Box::from("\"")];
        for text in ["", "plain", "with \"quotes\" and \\", "\u{0}\u{1f}\u{7f}\n", "ü € 😀 \u{2028}"] {
            let receipt = RawValue::from_string(r#"{"a":[1]}"#.to_owned()).unwrap();
            for some in [None, Some(text)] {
                let ack = Ack {
                    id: text,
                    message_id: text,
                    queued: some.is_some(),
                    error: some,
                    request: some,
                    recipients: some.map(str::len),
                    online: some.map(|_| usize::MAX),
                    mentioned: some.map(str::len),
                    unknown_mentions: some.map(|_| unknown.as_slice()),
                    duplicate: some.map(str::is_empty),
                    history_available: some.map(str::is_empty),
                    first_seen_at: some,
                    durability: some,
                    retry_after_ms: some.map(|_| u64::MAX),
                    client_message_id: some,
                    conflict: some,
                    broker_fingerprint_prefix: some,
                    broker_message_id: some,
                    receipt: some.map(|_| &*receipt),
                    receipt_error: some,
                };
                assert_eq!(written(&ack), serde_json::to_string(&ack).unwrap());
                let push = Push {
                    message_id: text,
                    mesh_id: text,
                    sender_pubkey: text,
                    sender_member_pubkey: some,
                    sender_member_id: text,
                    sender_name: text,
                    priority: text,
                    nonce: text,
                    ciphertext: text,
                    created_at: text,
                    client_message_id: some,
                    request_fingerprint: some,
                    reply_to_id: some,
                };
                assert_eq!(written(&push), serde_json::to_string(&push).unwrap());
            }
        }
    }

    #[test]
    fn a_summary_that_is_not_set_is_null_in_a_presence_row_and_absent_in_a_member_row() {
        let row = PeerRow { summary: Some(None), ..PeerRow::default() };
        assert!(serde_json::to_string(&row).unwrap().contains(r#""summary":null"#));
        assert!(!serde_json::to_string(&PeerRow::default()).unwrap().contains("summary"));
    }
}
