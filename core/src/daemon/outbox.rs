//! What a repeated request to send is answered, and how rows of the outbox are shown.
//!
//! *Decides* by the row that a key has, and by nothing else: whoever repeats a request gets the answer of the
//! first one, also when the recipient has become unknown since, or the broker is away.

use serde_json::{Value, json};
use subtle::ConstantTimeEq;

use crate::ids::PublicKey;
use crate::planted::planted;
use crate::store::{Attempt, OutRow, OutStatus, Reach};
use crate::time::Wall;

/// An answer to a program of the host.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Answer {
    pub(super) fn new(status: u16, body: Value) -> Answer {
        Answer { status, body }
    }

    /// A refusal with nothing but its word.
    pub(super) fn error(status: u16, error: &str) -> Answer {
        Answer::new(status, json!({ "error": error }))
    }
}

/// What was asked for under a key, as far as it decides whether two requests are one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Likeness {
    pub(super) client_message_id: String,
    /// The mesh's slug.
    pub(super) mesh: String,
    pub(super) fingerprint: [u8; 32],
}

/// The answer to a request whose key was not used before, once its row is on disk.
pub(super) fn accepted(key: &str) -> Answer {
    Answer::new(202, json!({ "client_message_id": key, "status": "queued" }))
}

/// The answer to a request whose key has a row: every pair of state and likeness has one.
pub(super) fn known(row: &OutRow, asked: &Likeness) -> Answer {
    let key = &asked.client_message_id;
    let is_same = bool::from(row.fingerprint.ct_eq(&asked.fingerprint)) && *row.lane.mesh == *asked.mesh;
    match (row.status, is_same) {
        (OutStatus::Pending, true) => accepted(key),
        (OutStatus::Inflight, true) => {
            Answer::new(202, json!({ "client_message_id": key, "status": "inflight" }))
        }
        (OutStatus::Done, true) => {
            let body = json!({
                "client_message_id": key, "broker_message_id": row.broker_message_id, "duplicate": true,
            });
            Answer::new(200, body)
        }
        (OutStatus::Pending, false) => conflict(row, asked, "outbox_pending_fingerprint_mismatch"),
        (OutStatus::Inflight, false) => conflict(row, asked, "outbox_inflight_fingerprint_mismatch"),
        (OutStatus::Done, false) => conflict(row, asked, "outbox_done_fingerprint_mismatch"),
        (OutStatus::Dead, true) => conflict(row, asked, "outbox_dead_fingerprint_match"),
        (OutStatus::Dead, false) => conflict(row, asked, "outbox_dead_fingerprint_mismatch"),
        (OutStatus::Aborted, true) => conflict(row, asked, "outbox_aborted_fingerprint_match"),
        (OutStatus::Aborted, false) => conflict(row, asked, "outbox_aborted_fingerprint_mismatch"),
    }
}

fn conflict(row: &OutRow, asked: &Likeness, conflict: &str) -> Answer {
    const PREFIX_BYTES: usize = 8;
    let prefix = data_encoding::HEXLOWER.encode(&asked.fingerprint[..PREFIX_BYTES]);
    let mut body = json!({
        "error": "idempotency_key_reused",
        "conflict": conflict,
        "daemon_fingerprint_prefix": prefix,
        "broker_message_id": row.broker_message_id,
    });
    if row.status == OutStatus::Dead {
        body["reason"] = json!(row.last_error);
    }
    Answer::new(409, body)
}

/// The message of a row, as the broker takes it.
pub(super) fn send_frame(row: &OutRow) -> Value {
    let mut frame = json!({
        "type": "send",
        "id": row.client_message_id,
        "client_message_id": match planted("key_made_anew_on_retry") && row.attempts > 1 {
            true => format!("{}-{}", row.client_message_id, row.attempts).into(),
            false => row.client_message_id.clone(),
        },
        "request_fingerprint": data_encoding::HEXLOWER.encode(&row.fingerprint),
        "targetSpec": row.target,
        "priority": row.priority.word(),
        "nonce": row.nonce,
        "ciphertext": row.ciphertext,
        "enqueued_at": row.enqueued_at.as_millis(),
    });
    if let Some(reply_to) = &row.reply_to {
        frame["replyToId"] = json!(reply_to);
    }
    frame
}

/// How a broker's answer ends an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It has the message, under this id of its own, for so many.
    Taken { id: String, reach: Option<Reach> },
    /// It passes, after this time at least, in milliseconds.
    Later { error: String, after_ms: u64 },
    /// It says nothing about whether it passes.
    Unclear { error: String },
    /// The broker ended the connection over the length of what it was sent.
    TooLarge,
    /// It will be refused again.
    Final { error: String },
}

/// Reads an `ack`.
pub(super) fn read_ack(ack: &Value) -> Verdict {
    /// Words of brokers that give no class to their refusals, which mean that nothing will change.
    const FINAL: [&str; 6] =
        ["payload too large", "blocked by recipient grants", "forbidden", "invalid", "schema", "signature"];
    let text = |name: &str| ack.get(name).and_then(Value::as_str).unwrap_or_default();
    let error = text("error").to_owned();
    if error.is_empty() {
        let id = [text("messageId"), text("id")].into_iter().find(|id| !id.is_empty());
        let count = |name: &str| u32::try_from(ack.get(name)?.as_u64()?).ok();
        let reach = |(recipients, online)| Reach { recipients, online };
        let reach = count("recipients").zip(count("online")).map(reach);
        return Verdict::Taken { id: id.unwrap_or_default().to_owned(), reach };
    }
    let after_ms = ack.get("retry_after_ms").and_then(Value::as_u64);
    if error.starts_with("retry:") || after_ms.is_some() {
        return Verdict::Later { error, after_ms: after_ms.unwrap_or(0) };
    }
    let lower = error.to_ascii_lowercase();
    let is_final = ack.get("conflict").is_some() || FINAL.iter().any(|word| lower.contains(word));
    if is_final { Verdict::Final { error } } else { Verdict::Unclear { error } }
}

/// An attempt that ends as given up.
pub(super) fn dead(error: &str) -> Attempt {
    Attempt::Dead { error: error.into() }
}

/// A row as `/v1/outbox` shows it: nothing of what it says.
pub(super) fn item(row: &OutRow) -> Value {
    let iso = |at: Option<Wall>| at.map(Wall::iso);
    json!({
        "id": row.id,
        "client_message_id": row.client_message_id,
        "status": row.status.word(),
        "attempts": row.attempts,
        "enqueued_at": row.enqueued_at.iso(),
        "next_attempt_at": row.next_attempt_at.iso(),
        "delivered_at": iso(row.delivered_at),
        "broker_message_id": row.broker_message_id,
        "last_error": row.last_error,
        "aborted_at": iso(row.aborted_at),
        "aborted_by": row.aborted_by,
        "superseded_by": row.superseded_by,
        "recipients": row.reach.map(|reach| reach.recipients),
        "online": row.reach.map(|reach| reach.online),
        "payload_bytes": row.payload_bytes,
        "mesh": row.lane.mesh,
        "to": row.target,
        "sender_session_pubkey": row.lane.session.as_ref().map(PublicKey::hex),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{LaneName, Priority};

    fn row(status: OutStatus) -> OutRow {
        OutRow {
            seq: 1,
            id: "r1".into(),
            client_message_id: "k".into(),
            fingerprint: [7; 32],
            lane: LaneName { mesh: "demo".into(), session: None },
            target: "*".into(),
            priority: Priority::Next,
            nonce: "".into(),
            ciphertext: "".into(),
            reply_to: None,
            payload_bytes: 2,
            enqueued_at: Wall::default(),
            next_attempt_at: Wall::default(),
            attempts: 0,
            refusals: 0,
            status,
            last_error: Some("why".into()),
            delivered_at: None,
            broker_message_id: Some("b1".into()),
            aborted_at: None,
            aborted_by: None,
            superseded_by: None,
            reach: None,
        }
    }

    fn asked(byte: u8, mesh: &str) -> Likeness {
        Likeness { client_message_id: "k".into(), mesh: mesh.into(), fingerprint: [byte; 32] }
    }

    #[test]
    fn f_dmn_01_every_state_and_likeness_has_its_answer() {
        for (status, same, other) in [
            (OutStatus::Pending, 202, "outbox_pending_fingerprint_mismatch"),
            (OutStatus::Inflight, 202, "outbox_inflight_fingerprint_mismatch"),
            (OutStatus::Done, 200, "outbox_done_fingerprint_mismatch"),
            (OutStatus::Dead, 409, "outbox_dead_fingerprint_mismatch"),
            (OutStatus::Aborted, 409, "outbox_aborted_fingerprint_mismatch"),
        ] {
            assert_eq!(known(&row(status), &asked(7, "demo")).status, same, "{status:?}");
            let refused = known(&row(status), &asked(8, "demo"));
            assert_eq!((refused.status, &refused.body["conflict"]), (409, &json!(other)));
            assert_eq!(refused.body["daemon_fingerprint_prefix"], "0808080808080808");
            assert_eq!(refused.body["broker_message_id"], "b1");
        }
        let dead = known(&row(OutStatus::Dead), &asked(7, "demo"));
        let (conflict, reason) = (&dead.body["conflict"], &dead.body["reason"]);
        assert_eq!((conflict, reason), (&json!("outbox_dead_fingerprint_match"), &json!("why")));
    }

    #[test]
    fn the_same_request_in_another_mesh_is_another_request() {
        assert_eq!(known(&row(OutStatus::Pending), &asked(7, "other")).status, 409);
    }

    #[test]
    fn only_an_answer_that_says_nothing_counts_as_unclear() {
        let read = |ack: Value| read_ack(&ack);
        let taken = |id: &str, reach| Verdict::Taken { id: id.into(), reach };
        assert_eq!(read(json!({ "id": "k", "messageId": "m" })), taken("m", None));
        assert_eq!(read(json!({ "id": "k", "messageId": "", "error": "" })), taken("k", None));
        let told = json!({ "id": "k", "messageId": "m", "recipients": 2, "online": 1 });
        assert_eq!(read(told), taken("m", Some(Reach { recipients: 2, online: 1 })));
        let later = read(json!({ "error": "retry: rate_limit", "retry_after_ms": 70 }));
        assert_eq!(later, Verdict::Later { error: "retry: rate_limit".into(), after_ms: 70 });
        assert!(matches!(read(json!({ "error": "rate_limit: max 60 msg/min" })), Verdict::Unclear { .. }));
        assert!(matches!(read(json!({ "error": "no connected peer for target" })), Verdict::Unclear { .. }));
        for error in [
            "invalid: target_not_found",
            "payload too large: 70000 bytes > MAX_MESSAGE_BYTES=65536",
            "blocked by recipient grants",
        ] {
            assert!(matches!(read(json!({ "error": error })), Verdict::Final { .. }), "{error}");
        }
    }
}
