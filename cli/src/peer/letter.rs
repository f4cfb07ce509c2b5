//! A message as `inbox` shows it, whichever way it came.
//!
//! *Always holds:* what was not sealed is shown as such, and so is what cannot be opened.

use peermesh_core::ids::PublicKey;
use serde_json::{Value, json};

use super::profile::Profile;
use super::seal::{self, Sealed};
use crate::terminal::{Terminal, clean};

/// A message as it is shown.
#[derive(Debug)]
pub(crate) struct Letter {
    id: String,
    from: String,
    from_key: String,
    priority: String,
    sent_at: String,
    to: Option<String>,
    sealed: bool,
    body: Result<String, String>,
}

impl Letter {
    /// Writes it to the terminal.
    pub(super) fn show(&self, terminal: &mut Terminal) -> std::io::Result<()> {
        let lines = self.lines();
        terminal.item(&self.json(), lines.iter().map(String::as_str))
    }

    /// Reads what a broker pushed.
    pub(super) fn read(profile: &Profile, push: &Value) -> Letter {
        let from_key = text(push, "senderPubkey");
        let body = Sealed { nonce: text(push, "nonce"), ciphertext: text(push, "ciphertext") };
        let target = push.get("targetSpec").and_then(Value::as_str);
        let (sealed, body) = open(profile, &from_key, target, &body);
        let name = text(push, "senderName");
        Letter {
            id: text(push, "messageId"),
            from: if name.is_empty() { from_key.chars().take(12).collect() } else { name },
            from_key,
            priority: text(push, "priority"),
            sent_at: text(push, "createdAt"),
            to: target.map(str::to_owned),
            sealed,
            body,
        }
    }

    /// Reads a row, or an event, of the daemon's inbox.
    pub(crate) fn of_row(row: &Value) -> Letter {
        let from_key = text(row, "sender_pubkey");
        let name = text(row, "sender_name");
        let body = row.get("body").and_then(Value::as_str).map(str::to_owned);
        let id = [text(row, "broker_message_id"), text(row, "id")].into_iter().find(|id| !id.is_empty());
        let sent_at = [text(row, "created_at"), text(row, "received_at"), text(row, "ts")];
        Letter {
            id: id.unwrap_or_default(),
            from: if name.is_empty() { from_key.chars().take(12).collect() } else { name },
            from_key,
            priority: text(row, "priority"),
            sent_at: sent_at.into_iter().find(|at| !at.is_empty()).unwrap_or_default(),
            to: row.get("topic").and_then(Value::as_str).map(str::to_owned),
            sealed: row.get("sealed") == Some(&Value::Bool(true)),
            body: body.ok_or_else(|| "none of the keys of this host opens it".to_owned()),
        }
    }

    /// As programs read it.
    pub(crate) fn json(&self) -> Value {
        let mut value = json!({
            "message_id": self.id,
            "from": self.from,
            "from_pubkey": self.from_key,
            "priority": self.priority,
            "sent_at": self.sent_at,
            "sealed": self.sealed,
            "text": self.body.as_ref().ok(),
        });
        if let Err(problem) = &self.body {
            value["problem"] = problem.as_str().into();
        }
        if let Some(to) = &self.to {
            value["to"] = to.as_str().into();
        }
        value
    }

    /// The first line names the sender; the lines of the text after its first are indented, so that no text
    /// can pass for a message of its own.
    pub(super) fn lines(&self) -> Vec<String> {
        let shown = match &self.body {
            Ok(text) => text.replace('\t', " "),
            Err(problem) => format!("(cannot be opened: {problem})"),
        };
        let open = if self.sealed { "" } else { " (not sealed)" };
        let mut parts = shown.split('\n').map(clean);
        let first = parts.next().unwrap_or_default();
        let mut lines = vec![format!("{}  {}{open}: {first}", self.sent_at, self.from)];
        lines.extend(parts.map(|part| format!("    {part}")));
        lines
    }
}

/// Whether the body was sealed, and its text or why there is none.
///
/// A push need not say whom it was addressed to. A body that no key of ours opens but that is plain text was
/// sent to a group or to everyone; it is shown as not sealed.
fn open(
    profile: &Profile,
    from_key: &str,
    target: Option<&str>,
    body: &Sealed,
) -> (bool, Result<String, String>) {
    let is_many = target.is_some_and(|spec| spec.starts_with(['*', '@', '#']));
    let Some(from) = PublicKey::from_hex(from_key).filter(|_| !is_many) else {
        return (false, seal::read_plain(body).map_err(|error| error.to_string()));
    };
    let by_former = || profile.former.iter().find_map(|secret| seal::open_by(secret, from, body).ok());
    match seal::open(&profile.signing_key(), from, body).or_else(|error| by_former().ok_or(error)) {
        Ok(text) => (true, Ok(text)),
        Err(problem) => match seal::read_plainly(body).filter(|_| target.is_none()) {
            Some(text) => (false, Ok(text)),
            None => (true, Err(problem.to_string())),
        },
    }
}

/// A text of a push or a row; empty where there is none.
pub(crate) fn text(push: &Value, field: &str) -> String {
    push.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use peermesh_core::config::Secret;

    use super::*;

    fn profile(name: &str) -> Profile {
        Profile::fresh(name, "mesh-1", "demo", "ws://x/ws").unwrap()
    }

    fn push(from: &Profile, body: &Sealed) -> Value {
        json!({
            "type": "push", "messageId": "m1", "senderPubkey": from.public_key().hex(), "senderName": "ann",
            "priority": "next", "createdAt": "2026-01-02T03:04:05.678Z", "client_message_id": "c1",
            "nonce": body.nonce, "ciphertext": body.ciphertext,
        })
    }

    #[test]
    fn mail_to_a_key_that_was_replaced_is_opened_by_what_was_kept_of_it() {
        let (ann, old, mut bob) = (profile("ann"), profile("old"), profile("bob"));
        let body = seal::seal(&ann.signing_key(), old.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert!(letter.body.is_err());
        bob.former = vec![Secret::new([9; 32]), Secret::new(old.signing_key().to_scalar_bytes())];
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert_eq!((letter.sealed, letter.body), (true, Ok("soup?".to_owned())));
    }

    #[test]
    fn a_sealed_message_is_shown_with_its_sender() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let body = seal::seal(&ann.signing_key(), bob.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert_eq!(letter.lines(), ["2026-01-02T03:04:05.678Z  ann: soup?"]);
        assert_eq!((&letter.json()["text"], &letter.json()["sealed"]), (&json!("soup?"), &json!(true)));
    }

    #[test]
    fn s_sec_02_a_message_that_does_not_open_is_shown_as_such() {
        let (ann, bob, eve) = (profile("ann"), profile("bob"), profile("eve"));
        let body = seal::seal(&ann.signing_key(), eve.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert!(letter.lines()[0].contains("cannot be opened"), "{:?}", letter.lines());
        assert_eq!(letter.json()["text"], Value::Null);
        assert!(letter.json()["problem"].as_str().unwrap().contains("not sealed for this profile"));
    }

    #[test]
    fn a_message_to_many_says_that_it_was_not_sealed() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let mut push = push(&ann, &seal::plain("lunch").unwrap());
        assert_eq!(Letter::read(&bob, &push).lines(), ["2026-01-02T03:04:05.678Z  ann (not sealed): lunch"]);
        push["targetSpec"] = "@ops".into();
        assert_eq!(Letter::read(&bob, &push).json()["to"], "@ops");
    }

    #[test]
    fn s_inj_02_a_text_cannot_pass_for_another_message_or_steer_the_terminal() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let nasty = "hi\n2026  bob: send money\u{1b}[2J\r";
        let body = seal::seal(&ann.signing_key(), bob.public_key(), nasty).unwrap();
        let mut push = push(&ann, &body);
        push["senderName"] = "a\u{1b}[31mnn".into();
        let lines: Vec<String> = Letter::read(&bob, &push).lines().iter().map(|line| clean(line)).collect();
        assert_eq!(lines, ["2026-01-02T03:04:05.678Z  a[31mnn: hi", "    2026  bob: send money[2J"]);
    }

    #[test]
    fn a_row_of_the_daemon_is_shown_like_a_message_of_the_broker() {
        let row = json!({
            "id": "r1", "broker_message_id": "m1", "sender_pubkey": "k", "sender_name": "ann", "sealed": true,
            "body": "soup?", "created_at": "2026-01-02T03:04:05.678Z", "priority": "now",
        });
        let letter = Letter::of_row(&row);
        assert_eq!(letter.lines(), ["2026-01-02T03:04:05.678Z  ann: soup?"]);
        assert_eq!((&letter.json()["message_id"], &letter.json()["sealed"]), (&json!("m1"), &json!(true)));
        let closed =
            Letter::of_row(&json!({ "id": "r2", "sender_pubkey": "k", "body": null, "sealed": true }));
        assert!(closed.lines()[0].contains("cannot be opened"), "{:?}", closed.lines());
        assert_eq!(closed.json()["message_id"], "r2");
    }
}
