//! `why`: what became of a message, as a short story with the way out.
//!
//! *Always holds:* the story says what the broker said and nothing else; what it does not know is left out.

use serde_json::Value;

use super::peers::field;
use super::profile::Profile;
use super::{PeerError, enquiry};
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::Terminal;

/// Tells the story of one message.
pub(crate) fn run(
    profile: &Profile,
    broker: Option<&str>,
    message: &str,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let is_id = (8..=32).contains(&message.len()) && message.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if !is_id {
        return Err(PeerError::BadMessageId { id: message.to_owned() }.into());
    }
    let facts = enquiry::ask(profile, broker, &format!("/v1/messages/{}", segment(message)))?;
    let lines = story(&facts);
    Ok(terminal.result(&facts, lines.iter().map(String::as_str))?)
}

/// The story, a line for each step and each recipient.
fn story(facts: &Value) -> Vec<String> {
    let rows = facts.get("recipients").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let kept = match field(facts, "durability") {
        "relaxed" => "a crash of the database may lose it",
        _ => "it survives a loss of power",
    };
    let mut lines = vec![
        format!("message {} from {} to {}", field(facts, "messageId"), field(facts, "senderName"), to(facts)),
        format!("accepted {} with priority {}; {kept}", field(facts, "acceptedAt"), field(facts, "priority")),
    ];
    lines.extend(rows.iter().flat_map(|row| recipient(facts, row)));
    lines.extend(others(facts, rows.len()));
    if let Some(expires) = facts.get("expiresAt").and_then(Value::as_str) {
        lines.push(format!("what still waits at {expires} expires"));
    }
    lines
}

/// To whom, with a name where a key has one.
fn to(facts: &Value) -> String {
    let spec = field(facts, "targetSpec");
    let rows = facts.get("recipients").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    match rows.iter().find(|row| field(row, "pubkey") == spec) {
        Some(row) => name(row).to_owned(),
        None => spec.to_owned(),
    }
}

fn name(row: &Value) -> &str {
    let name = field(row, "name");
    if name.is_empty() { field(row, "pubkey") } else { name }
}

fn number(row: &Value, field: &str) -> u64 {
    row.get(field).and_then(Value::as_u64).unwrap_or(0)
}

/// One recipient's part of the story: what is so, and the way out where there is one.
fn recipient(facts: &Value, row: &Value) -> Vec<String> {
    let who = name(row);
    let at = field(row, "settledAt");
    let is_own = field(facts, "role") == "recipient";
    let (what, way_out) = match field(row, "state") {
        "delivered" => (format!("delivered {at}"), None),
        "expired" => (
            format!("expired {at}: nobody took it in time"),
            Some("send it again as a new message".to_owned()),
        ),
        "dead" if field(row, "reason") == "removed" => {
            (format!("dead since {at}: {who} was removed from the mesh"), None)
        }
        "dead" => (
            format!("dead since {at}: it was pushed too often without an acknowledgement"),
            Some(format!("see what is wrong with the client of {who}, then send it again as a new message")),
        ),
        "leased" => {
            let tries = number(row, "attempts");
            let (since, until) = (field(row, "pushedAt"), field(row, "leasedUntil"));
            let what = format!(
                "with {who} since {since}, not acknowledged yet (push {tries}); goes back to the queue {until}"
            );
            (what, None)
        }
        "ending" => ("its end is being written this moment; ask again".to_owned(), None),
        _ => waiting(facts, row, is_own),
    };
    let mut lines = vec![format!("{who}: {what}")];
    lines.extend(way_out.map(|way_out| format!("    way out: {way_out}")));
    lines
}

/// Why a delivery waits.
fn waiting(facts: &Value, row: &Value, is_own: bool) -> (String, Option<String>) {
    let (who, priority) = (name(row), field(facts, "priority"));
    let (because, way_out) = match field(row, "reason") {
        "offline" => (
            format!("no connection of {who} is there to take it"),
            Some(
                if is_own { "peermesh inbox" } else { "none is needed: it is delivered when one comes" }
                    .to_owned(),
            ),
        ),
        "sender" => (
            "only the session that wrote it is connected, and a session gets no mail of its own".to_owned(),
            Some(format!("connect {who} once more")),
        ),
        "status" => (
            format!(
                "{who} is `{}`, and a `{priority}` message waits until {who} is idle",
                field(row, "recipientStatus")
            ),
            Some(if is_own {
                "peermesh status idle".to_owned()
            } else {
                "what cannot wait is sent with --priority now".to_owned()
            }),
        ),
        "rate" => match number(row, "unacknowledged") {
            0 => (format!("the connection of {who} takes no more at the moment"), None),
            count => (
                format!("{who} has not acknowledged {count} other messages, and gets no more until then"),
                Some(format!("see whether the client of {who} is stuck")),
            ),
        },
        "store" => ("the broker waits for its store before it pushes anything".to_owned(), None),
        _ => ("others go first".to_owned(), None),
    };
    let ahead = match number(row, "ahead") {
        0 => String::new(),
        1 => "; 1 message of its priority goes first".to_owned(),
        count => format!("; {count} messages of its priority go first"),
    };
    let before = match number(row, "attempts") {
        0 => String::new(),
        1 => "; it was pushed once before".to_owned(),
        count => format!("; it was pushed {count} times before"),
    };
    (format!("waits, because {because}{ahead}{before}"), way_out)
}

/// How many recipients are not listed, and what became of all of them.
fn others(facts: &Value, listed: usize) -> Option<String> {
    const STATES: [&str; 6] = ["queued", "leased", "ending", "delivered", "expired", "dead"];
    let states = facts.get("states")?;
    let all: u64 = STATES.iter().map(|state| number(states, state)).sum();
    if all == 0 {
        return Some("it went to nobody".to_owned());
    }
    let counts = STATES.iter().map(|state| (number(states, state), state)).filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, state)| format!("{count} {state}")).collect();
    (all > listed as u64).then(|| format!("of {all} recipients {listed} are listed: {}", counts.join(", ")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn facts(row: Value) -> Value {
        let mut row = row;
        row["name"] = "bob".into();
        row["pubkey"] = "k2".into();
        json!({
            "messageId": "m1", "senderName": "ann", "targetSpec": "k2", "role": "sender", "priority": "next",
            "acceptedAt": "T1", "durability": "synced", "recipients": [row],
        })
    }

    fn told(row: Value) -> Vec<String> {
        story(&facts(row)).split_off(2)
    }

    #[test]
    fn a_story_begins_with_who_wrote_to_whom_and_what_is_safe() {
        let mut facts = facts(json!({ "state": "delivered", "settledAt": "T2" }));
        let lines = story(&facts);
        assert_eq!(lines[0], "message m1 from ann to bob");
        assert_eq!(lines[1], "accepted T1 with priority next; it survives a loss of power");
        assert_eq!(lines[2..], ["bob: delivered T2"]);
        facts["durability"] = "relaxed".into();
        facts["targetSpec"] = "@ops".into();
        facts["expiresAt"] = "T9".into();
        let lines = story(&facts);
        assert!(lines[0].ends_with("to @ops") && lines[1].ends_with("may lose it"), "{lines:?}");
        assert_eq!(lines[3], "what still waits at T9 expires");
    }

    #[test]
    fn a_message_that_waits_says_why_and_the_way_out() {
        let status =
            json!({ "state": "queued", "reason": "status", "recipientStatus": "working", "ahead": 2 });
        assert_eq!(
            told(status.clone()),
            [
                "bob: waits, because bob is `working`, and a `next` message waits until bob is idle; 2 messages \
                 of its priority go first",
                "    way out: what cannot wait is sent with --priority now",
            ]
        );
        let mut own = facts(status);
        own["role"] = "recipient".into();
        assert_eq!(story(&own).pop().unwrap(), "    way out: peermesh status idle");
        for (reason, words) in [
            ("offline", "no connection of bob is there"),
            ("sender", "only the session that wrote it"),
            ("lane", "others go first"),
            ("store", "waits for its store"),
            ("rate", "takes no more at the moment"),
        ] {
            let lines = told(json!({ "state": "queued", "reason": reason, "attempts": 1 }));
            assert!(lines[0].contains(words) && lines[0].ends_with("pushed once before"), "{lines:?}");
        }
        let lines = told(json!({ "state": "queued", "reason": "rate", "unacknowledged": 32 }));
        assert!(lines[0].contains("has not acknowledged 32 other messages"), "{lines:?}");
    }

    #[test]
    fn a_message_that_is_under_way_or_over_says_since_when() {
        let lines = told(json!({ "state": "leased", "pushedAt": "T2", "leasedUntil": "T3", "attempts": 2 }));
        assert_eq!(
            lines,
            ["bob: with bob since T2, not acknowledged yet (push 2); goes back to the queue T3"]
        );
        let lines = told(json!({ "state": "dead", "reason": "removed", "settledAt": "T4" }));
        assert_eq!(lines, ["bob: dead since T4: bob was removed from the mesh"]);
        let lines = told(json!({ "state": "dead", "reason": "attempts", "settledAt": "T4" }));
        assert!(lines[0].contains("pushed too often") && lines[1].contains("way out"), "{lines:?}");
        assert!(told(json!({ "state": "expired", "settledAt": "T4" }))[0].contains("expired T4"));
        assert!(told(json!({ "state": "ending" }))[0].contains("ask again"));
    }

    #[test]
    fn recipients_that_are_not_listed_are_counted() {
        let mut facts = facts(json!({ "state": "queued", "reason": "offline" }));
        facts["states"] = json!({ "queued": 1, "delivered": 998, "dead": 1 });
        let lines = story(&facts);
        assert!(
            lines.contains(&"of 1000 recipients 1 are listed: 1 queued, 998 delivered, 1 dead".to_owned())
        );
        facts["recipients"] = json!([]);
        facts["states"] = json!({ "queued": 0 });
        assert_eq!(story(&facts)[2], "it went to nobody");
    }
}
