//! What became of a message: the answers of `message_status` (3.10) and of `GET /v1/messages/ID` (1.7).

use serde::Serialize;

/// `message_status_result` (3.10).
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "message_status_result", rename_all = "camelCase")]
pub(crate) struct MessageStatusResult<'a> {
    pub message_id: &'a str,
    pub target_spec: &'a str,
    pub delivered: bool,
    pub delivered_at: Option<String>,
    pub recipients: Vec<RecipientRow<'a>>,
    /// Additive, for those who have a part in the message.
    #[serde(flatten)]
    pub facts: Option<MessageFacts<'a>>,
    #[serde(rename = "_reqId", skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
}

/// The answer to `GET /v1/messages/ID` (1.7).
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageStory<'a> {
    /// Complete.
    pub message_id: &'a str,
    pub mesh_id: &'a str,
    pub target_spec: &'a str,
    #[serde(flatten)]
    pub facts: MessageFacts<'a>,
    /// Deliveries that the asker may see, by their state.
    pub states: States,
    /// The first of them: those that have not ended, then the others.
    pub recipients: Vec<RecipientRow<'a>>,
}

/// What is known of a message besides its deliveries.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct MessageFacts<'a> {
    /// `sender`, who sees every delivery, or `recipient`, who sees its own.
    pub role: &'static str,
    pub sender_name: &'a str,
    pub sender_member_id: &'a str,
    pub sender_pubkey: String,
    pub priority: &'static str,
    pub accepted_at: String,
    /// When what still waits then has waited too long; absent when nothing waits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<String>,
    /// What a stored message survives.
    pub durability: &'static str,
    #[serde(rename = "client_message_id", skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to_id: Option<&'a str>,
    /// The moment all of this was so.
    pub as_of: String,
}

/// How many deliveries are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct States {
    pub queued: usize,
    pub leased: usize,
    pub ending: usize,
    pub delivered: usize,
    pub expired: usize,
    pub dead: usize,
}

/// One recipient of a message: `delivered`, `held` (connected, not delivered), `disconnected`, and additively
/// `expired` and `dead`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecipientRow<'a> {
    pub name: &'a str,
    pub pubkey: String,
    pub status: &'static str,
    /// Additive, for those who have a part in the message.
    #[serde(flatten)]
    pub fate: Option<Fate>,
}

/// What became of one delivery, and what it waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Fate {
    /// `queued`, `leased`, `ending`, `delivered`, `expired` or `dead`.
    pub state: &'static str,
    /// Why it waits, or why it is dead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'static str>,
    /// What the peer does that would take it, when that keeps it waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_status: Option<&'static str>,
    /// Pushes to the recipient that were not acknowledged, when those keep it waiting.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unacknowledged: Option<usize>,
    /// How many messages of its priority go first, when that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<usize>,
    /// How often it was pushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attempts: Option<u32>,
    /// When it was pushed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pushed_at: Option<String>,
    /// When it goes back to the queue without an acknowledgement.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leased_until: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settled_at: Option<String>,
}
