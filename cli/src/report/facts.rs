//! Which log records are worth a report, and what it says.
//!
//! What is no error by itself is a breadcrumb: it goes along with the next event. Texts and tags are those
//! that the SentryVibe broker had, so that rules made for it go on working.

use peermesh_core::note::{Level, Note};
use sentry::protocol::{Breadcrumb, Event, Exception, Map, Value};

/// What a log record becomes.
#[derive(Debug, PartialEq)]
pub(super) enum Fact {
    Crumb(Breadcrumb),
    Event(Box<Event<'static>>),
}

/// True for records that may become something; cheaper than to find out.
pub(super) fn matters(note: &Note) -> bool {
    note.level == Level::Error
        || match note.msg {
            "runner connected"
            | "runner disconnected"
            | "runner stale"
            | "runner lost"
            | "shutdown signal"
            | "runner command refused"
            | "runner message not understood"
            | "runner connection broken"
            | "runner event dead" => true,
            "runner event not taken" => forward_fails(note).is_some(),
            _ => false,
        }
}

/// What a record becomes, if anything.
pub(super) fn of(note: &Note) -> Option<Fact> {
    Some(match note.msg {
        "runner connected" => crumb(note, "Runner connected"),
        "runner disconnected" => crumb(note, "Runner disconnected"),
        "runner stale" => crumb(note, "Stale connection removed"),
        "runner lost" => crumb(note, "Another broker serves the runner"),
        "shutdown signal" => crumb(note, "Told to stop"),
        "runner command refused" => failure(
            "CommandError",
            "Failed to send command",
            &tags(note, &["runner_id", "command_type"], &[]),
        ),
        "runner message not understood" => {
            let source = [("source", "websocket_message")];
            failure("MessageError", "A message was no JSON", &tags(note, &["runner_id"], &source))
        }
        "runner connection broken" => {
            let source = [("source", "websocket_error")];
            failure("ConnectionError", &field(note, "reason"), &tags(note, &["runner_id"], &source))
        }
        "runner event not taken" => match forward_fails(note)? {
            Failing::Answered => {
                let tags = tags(note, &["event_type", "status"], &[]);
                message(sentry::Level::Warning, "Failed to forward event", tags)
            }
            Failing::Unanswered => {
                let tags = tags(note, &["event_type"], &[("source", "forward_event")]);
                failure("ForwardError", &field(note, "error"), &tags)
            }
        },
        "runner event dead" => {
            let tags = tags(note, &["event_type", "reason", "status"], &[]);
            message(sentry::Level::Error, "Event dropped after max retry attempts", tags)
        }
        // What else it tells may name places.
        _ if note.level == Level::Error => message(sentry::Level::Fatal, note.msg, Map::new()),
        _ => return None,
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failing {
    Answered,
    Unanswered,
}

/// How an event that was not taken fails, where that was not reported already: by its first answer, or by its
/// third try without one.
fn forward_fails(note: &Note) -> Option<Failing> {
    const TRIES: u64 = 3;
    let count = |name: &str| value(note, name).and_then(Value::as_u64).unwrap_or_default();
    let is_answered = value(note, "status").is_some_and(Value::is_u64);
    match (is_answered, count("answered"), count("unanswered")) {
        (true, 1, _) => Some(Failing::Answered),
        (false, _, TRIES) => Some(Failing::Unanswered),
        _ => None,
    }
}

fn crumb(note: &Note, text: &str) -> Fact {
    let fields = ["runner_id", "code", "last_heartbeat_age_ms", "signal"];
    let data =
        fields.into_iter().filter_map(|name| Some((called(name).to_owned(), value(note, name)?.clone())));
    let level = if note.level == Level::Warn { sentry::Level::Warning } else { sentry::Level::Info };
    Fact::Crumb(Breadcrumb {
        category: Some("connection".to_owned()),
        message: Some(text.to_owned()),
        level,
        data: data.collect(),
        ..Breadcrumb::default()
    })
}

fn message(level: sentry::Level, text: &str, tags: Map<String, String>) -> Fact {
    let event = Event { message: Some(text.to_owned()), level, tags, ..Event::default() };
    Fact::Event(Box::new(event))
}

fn failure(kind: &str, text: &str, tags: &Map<String, String>) -> Fact {
    let exception = Exception { ty: kind.to_owned(), value: Some(text.to_owned()), ..Exception::default() };
    let event = Event { exception: vec![exception].into(), tags: tags.clone(), ..Event::default() };
    Fact::Event(Box::new(event))
}

/// These fields of a record, where it has them, and more besides.
fn tags(note: &Note, fields: &[&str], more: &[(&str, &str)]) -> Map<String, String> {
    let own = fields.iter().filter(|name| value(note, name).is_some_and(|value| !value.is_null()));
    let own = own.map(|name| (called(name).to_owned(), field(note, name)));
    own.chain(more.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))).collect()
}

/// What the reports call a field.
fn called(name: &str) -> &str {
    match name {
        "runner_id" => "runnerId",
        "command_type" => "commandType",
        "event_type" => "eventType",
        "status" => "statusCode",
        "last_heartbeat_age_ms" => "lastHeartbeatAge",
        other => other,
    }
}

fn value<'a>(note: &'a Note, name: &str) -> Option<&'a Value> {
    note.fields.iter().find(|(have, _)| *have == name).map(|(_, value)| value)
}

fn field(note: &Note, name: &str) -> String {
    match value(note, name) {
        Some(Value::String(text)) => text.clone(),
        Some(value) => value.to_string(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(note: &Note) -> Event<'static> {
        assert!(matters(note), "{note:?}");
        match of(note) {
            Some(Fact::Event(event)) => *event,
            other => panic!("{note:?} became {other:?}"),
        }
    }

    fn not_taken(status: Option<u16>, answered: u32, unanswered: u32) -> Note {
        Note::new(Level::Info, "runner event not taken")
            .with("runner_id", "r1")
            .with("event_id", "e1")
            .with("event_type", "log-chunk")
            .with("answered", answered)
            .with("unanswered", unanswered)
            .with("status", status)
            .with("error", status.is_none().then_some("timeout"))
    }

    #[test]
    fn lives_of_connections_are_breadcrumbs() {
        let note = Note::new(Level::Info, "runner disconnected").with("runner_id", "r1").with("code", 1006);
        assert!(matters(&note));
        let Some(Fact::Crumb(crumb)) = of(&note) else { panic!() };
        assert_eq!(crumb.message.as_deref(), Some("Runner disconnected"));
        assert_eq!((&crumb.data["runnerId"], &crumb.data["code"]), (&Value::from("r1"), &Value::from(1006)));
    }

    #[test]
    fn an_event_that_is_not_taken_is_reported_once_for_its_answers_and_once_for_want_of_them() {
        let answered = event(&not_taken(Some(500), 1, 0));
        assert_eq!(answered.message.as_deref(), Some("Failed to forward event"));
        assert_eq!((answered.level, answered.tags["statusCode"].as_str()), (sentry::Level::Warning, "500"));
        assert_eq!(answered.tags["eventType"], "log-chunk");
        let unanswered = event(&not_taken(None, 1, 3));
        assert_eq!(unanswered.exception[0].value.as_deref(), Some("timeout"));
        assert_eq!(unanswered.tags["source"], "forward_event");
        for (status, answered, silent) in [(Some(500), 2, 0), (None, 0, 1), (None, 0, 2), (None, 0, 4)] {
            let note = not_taken(status, answered, silent);
            assert!(!matters(&note) && of(&note).is_none(), "{note:?}");
        }
    }

    #[test]
    fn what_is_broken_is_told_with_whose_it_is_and_with_nothing_of_what_it_said() {
        let note = Note::new(Level::Warn, "runner message not understood");
        let said = event(&note.with("runner_id", "r1").with("bytes", 9));
        assert_eq!(
            (said.tags["runnerId"].as_str(), said.tags["source"].as_str()),
            ("r1", "websocket_message")
        );
        let note = Note::new(Level::Error, "store unfit").with("error", "/home/ann: damaged");
        let said = event(&note);
        assert_eq!((said.message.as_deref(), said.level), (Some("store unfit"), sentry::Level::Fatal));
        assert!(said.tags.is_empty() && said.extra.is_empty());
        let dead = Note::new(Level::Warn, "runner event dead").with("event_type", "error");
        let said = event(&dead.with("status", None::<u16>).with("reason", "too_old"));
        assert_eq!(said.tags.keys().collect::<Vec<_>>(), ["eventType", "reason"]);
    }

    #[test]
    fn what_happens_all_day_is_not_reported() {
        for msg in ["runner command", "runner refused", "ws hello", "db healthy"] {
            let note = Note::new(Level::Info, msg);
            assert!(!matters(&note) && of(&note).is_none(), "{msg}");
        }
    }
}
