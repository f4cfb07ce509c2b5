//! Hands a message to the daemon, and looks how far it comes.
//!
//! *Always holds:* a message has one key on every way, and its fingerprint is made of what was typed, in the
//! daemon as here. So whoever did not hear the daemon's answer may send it to the broker as well: the broker
//! takes it once.

use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::store::{Priority, Reach};
use serde_json::{Value, json};

use super::PeerError;
use super::via::{Route, judge};
use crate::http::segment;

/// How long a send that wants nothing special looks whether the broker takes the message.
const GLANCE: Duration = Duration::from_secs(3);
/// Between two looks: the first, and the longest.
const LOOK: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(250));

/// How the daemon's word begins for a message over whose length a broker ended the connection.
const TOO_LARGE: &str = "too_large";

/// What is handed over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outgoing<'a> {
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
    pub(crate) priority: Priority,
    pub(crate) reply_to: Option<&'a str>,
    /// Its key.
    pub(crate) id: &'a str,
}

/// How far somebody waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// Until the daemon has it.
    Queued,
    /// Until the broker has it, unless that takes long.
    Glance,
    /// Until the broker has it.
    Accepted,
}

/// How far it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Handed {
    /// The broker's id, once the broker has it.
    pub(crate) message_id: Option<String>,
    /// The daemon or the broker had it before.
    pub(crate) duplicate: bool,
    /// To whom it goes: a key, a group, or everyone.
    pub(crate) to: String,
    /// Why the broker does not have it.
    pub(crate) waits: Option<String>,
    /// Whom it reached when the broker took it.
    pub(crate) reach: Option<Reach>,
}

/// What came of handing over.
#[derive(Debug)]
pub(crate) enum Outcome {
    Handed(Handed),
    /// The daemon did not take it, and never will under this request: another way may be tried.
    Refused(PeerError),
    /// No answer came, so that the daemon may have it: another way may be tried, under the same key.
    Unanswered(PeerError),
}

/// Hands a message over.
///
/// # Errors
/// What is final on every way: the key was used for another message, or the broker refused the message for
/// good.
pub(crate) fn send(
    route: &Route,
    outgoing: &Outgoing<'_>,
    goal: Goal,
    until: Instant,
) -> Result<Outcome, PeerError> {
    let patience = until.saturating_duration_since(Instant::now());
    let body = body(route, outgoing);
    let answer = match route.put_within("POST", "/v1/send", Some(&body), patience) {
        Ok(answer) => answer,
        Err(error) => return Ok(Outcome::Unanswered(error)),
    };
    match (answer.status, judge(&answer)) {
        (200, Ok(known)) => {
            let message_id = text(&known, "broker_message_id");
            let row = row(route, outgoing.id).ok().flatten();
            let reach = row.as_ref().and_then(reach_of);
            let to = row.map_or_else(|| outgoing.to.to_owned(), |row| text(&row, "to"));
            let message_id = Some(message_id).filter(|id| !id.is_empty());
            Ok(Outcome::Handed(Handed { message_id, duplicate: true, to, waits: None, reach }))
        }
        (_, Ok(_)) => follow(route, outgoing, goal, until).map(Outcome::Handed),
        (409, Err(_)) => Err(conflict(&answer.json(), outgoing.id)),
        (413, Err(error)) => {
            let detail = text(&answer.json(), "detail");
            let detail = if detail.is_empty() { error.to_string() } else { detail };
            Err(PeerError::TooLong { detail })
        }
        // Its time was up; what it was doing may have been done.
        (503 | 504, Err(error)) => Ok(Outcome::Unanswered(error)),
        (502, Err(error)) => {
            let (said, detail) = (answer.json(), text(&answer.json(), "detail"));
            Ok(Outcome::Refused(match said["reason"].as_str() {
                Some("broker_away") => PeerError::NoAnswer { text: detail },
                Some("target") => PeerError::Unroutable { detail },
                _ => error,
            }))
        }
        (_, Err(error)) => Ok(Outcome::Refused(error)),
    }
}

fn body(route: &Route, outgoing: &Outgoing<'_>) -> Value {
    let mut body = json!({
        "to": outgoing.to, "message": outgoing.text, "priority": outgoing.priority.word(),
        "client_message_id": outgoing.id,
    });
    if let Some(id) = outgoing.reply_to {
        body["reply_to_id"] = id.into();
    }
    route.in_mesh(body)
}

/// Looks at the row of the message until it came as far as is wanted. The daemon has the message on disk: one
/// that ends meanwhile sends it when it runs again.
fn follow(route: &Route, outgoing: &Outgoing<'_>, goal: Goal, until: Instant) -> Result<Handed, PeerError> {
    let to = outgoing.to.to_owned();
    let mut handed = Handed { message_id: None, duplicate: false, to, waits: None, reach: None };
    let latest = until;
    let until = if goal == Goal::Glance { until.min(Instant::now() + GLANCE) } else { until };
    let (mut pause, mut looks) = (LOOK.0, 0_u32);
    loop {
        let found = match row(route, outgoing.id) {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(handed),
            Err(error) => {
                handed.waits = Some(error.to_string());
                return Ok(handed);
            }
        };
        handed.to = text(&found, "to");
        let error = text(&found, "last_error");
        match found["status"].as_str().unwrap_or_default() {
            "done" => {
                handed.message_id = Some(text(&found, "broker_message_id"));
                (handed.waits, handed.reach) = (None, reach_of(&found));
                return Ok(handed);
            }
            "dead" => return Err(PeerError::SendRefused { text: error }),
            "aborted" => return Err(PeerError::KeyUsed { id: outgoing.id.to_owned() }),
            // It is tried once more and then given up, which is worth waiting for.
            "pending" if error.starts_with(TOO_LARGE) => {
                if Instant::now() + pause >= latest {
                    return Err(PeerError::TooLong { detail: error });
                }
                thread::sleep(pause);
                pause = (pause * 2).min(LOOK.1);
                continue;
            }
            "pending" if !error.is_empty() => handed.waits = Some(error),
            _ => {}
        }
        looks += 1;
        if handed.waits.is_none() && looks > 1 {
            handed.waits = route.absence().unwrap_or_else(|error| Some(error.to_string()));
        }
        let is_enough = match goal {
            Goal::Queued => true,
            Goal::Glance => handed.waits.is_some(),
            Goal::Accepted => false,
        };
        if is_enough || Instant::now() + pause >= until {
            return Ok(handed);
        }
        thread::sleep(pause);
        pause = (pause * 2).min(LOOK.1);
    }
}

fn row(route: &Route, id: &str) -> Result<Option<Value>, PeerError> {
    let page = route.value("GET", &format!("/v1/outbox?key={}", segment(id)), None)?;
    Ok(page["items"].get(0).cloned())
}

/// Why a key cannot be used for this message.
fn conflict(said: &Value, id: &str) -> PeerError {
    let reason = text(said, "reason");
    match said["conflict"].as_str().unwrap_or_default() {
        "outbox_dead_fingerprint_match" => {
            let why = if reason.is_empty() { "no reason is kept".to_owned() } else { reason };
            PeerError::SendRefused {
                text: format!("{why} (under the key {id}; another --id is another message)"),
            }
        }
        _ => PeerError::KeyUsed { id: id.to_owned() },
    }
}

/// Whom a message reached, as a broker's acknowledgement or a row of the outbox says.
pub(crate) fn reach_of(told: &Value) -> Option<Reach> {
    let count = |name: &str| u32::try_from(told.get(name)?.as_u64()?).ok();
    Some(Reach { recipients: count("recipients")?, online: count("online")? })
}

/// Adds it to what a command or an agent is told.
pub(crate) fn tell_reach(reach: Option<Reach>, value: &mut Value) {
    if let Some(Reach { recipients, online }) = reach {
        (value["recipients"], value["online"]) = (recipients.into(), online.into());
    }
}

fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned()
}
