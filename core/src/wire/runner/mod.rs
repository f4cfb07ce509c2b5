//! The messages of runners and of whoever commands them (runner protocol).
//!
//! Strict in what we say. Of what comes in only the fields that matter here are looked at: commands and
//! events pass as they are, whatever else they hold.

mod admin;
mod command;

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::mesh::Encode;
use super::trace::Trace;

pub(crate) use admin::{RunnerCall, decode};
pub(crate) use command::{CommandCall, DEFAULT_RUNNER, NoCommand};

/// Types of messages that go to runners. One that comes from a runner is ignored.
const COMMANDS: [&str; 11] = [
    "start-build",
    "start-dev-server",
    "stop-dev-server",
    "start-tunnel",
    "stop-tunnel",
    "fetch-logs",
    "runner-health-check",
    "delete-project-files",
    "read-file",
    "write-file",
    "list-files",
];

/// What is looked at in a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Glimpse {
    pub kind: Option<String>,
    pub id: Option<String>,
    pub command: Option<String>,
    /// The trace that the message belongs to.
    pub trace: Option<Trace>,
    /// A field for a trace is there, whatever it holds.
    pub traced: bool,
    /// It is an object.
    pub is_object: bool,
    is_null: bool,
}

impl Glimpse {
    /// Looks at a message; `None` when it is not JSON, or `null`.
    pub(crate) fn of(text: &str) -> Option<Glimpse> {
        let glimpse: Glimpse = serde_json::from_str(text).ok()?;
        (!glimpse.is_null).then_some(glimpse)
    }

    /// True for what goes to runners and never comes from them.
    pub(crate) fn is_command(&self) -> bool {
        self.kind.as_deref().is_some_and(|kind| COMMANDS.contains(&kind))
    }
}

impl<'de> Deserialize<'de> for Glimpse {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Glimpse, D::Error> {
        deserializer.deserialize_any(Glimpser)
    }
}

struct Glimpser;

/// What is no object has nothing to look at.
macro_rules! passed_over {
    ($($visit:ident: $Type:ty),+) => {$(
        fn $visit<E>(self, _: $Type) -> Result<Glimpse, E> {
            Ok(Glimpse::default())
        }
    )+};
}

impl<'de> Visitor<'de> for Glimpser {
    type Value = Glimpse;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    passed_over!(visit_bool: bool, visit_i64: i64, visit_u64: u64, visit_f64: f64, visit_str: &str);

    fn visit_unit<E>(self) -> Result<Glimpse, E> {
        Ok(Glimpse { is_null: true, ..Glimpse::default() })
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Glimpse, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Glimpse::default())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Glimpse, A::Error> {
        let mut glimpse = Glimpse { is_object: true, ..Glimpse::default() };
        // The last of several fields of one name counts, as it does for the programs that write and read
        // them.
        while let Some(Name(name)) = fields.next_key()? {
            match name.as_str() {
                "type" => glimpse.kind = fields.next_value::<Loose>()?.0,
                "id" => glimpse.id = fields.next_value::<Loose>()?.0,
                "commandId" => glimpse.command = fields.next_value::<Loose>()?.0,
                "_sentry" => {
                    let Traced(trace) = fields.next_value()?;
                    (glimpse.trace, glimpse.traced) = (trace, true);
                }
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        Ok(glimpse)
    }
}

#[derive(serde::Deserialize)]
struct Name(String);

/// A text, or anything else and then nothing.
struct Loose(Option<String>);

impl<'de> Deserialize<'de> for Loose {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Loose, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        Ok(Loose(serde_json::from_str(raw.get()).ok()))
    }
}

/// A field for a trace, if one can be read there.
struct Traced(Option<Trace>);

impl<'de> Deserialize<'de> for Traced {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Traced, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let text = |name: &str| value.get(name).and_then(Value::as_str);
        Ok(Traced(text("trace").and_then(|trace| Trace::parse(trace, text("baggage")))))
    }
}

/// The broker has stored an event.
#[derive(Debug, Serialize)]
pub(crate) struct EventAck<'a> {
    #[serde(rename = "type")]
    pub kind: &'static str,
    #[serde(rename = "eventId")]
    pub event_id: &'a str,
    pub timestamp: String,
}

impl Encode for EventAck<'_> {}

/// A command, which passes as it is.
#[derive(Debug)]
pub(crate) struct Verbatim<'a>(pub &'a str);

impl Serialize for Verbatim<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl Encode for Verbatim<'_> {
    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "d4cda95b652f4a1592b449d5929fda1b-6e0c63257de34c92-1";

    #[test]
    fn a_message_is_looked_at_without_being_judged() {
        let text = format!(
            r#"{{"type":"ack","commandId":"c1","id":7,"_sentry":{{"trace":"{PARENT}"}},"x":[1,{{}}]}}"#
        );
        let seen = Glimpse::of(&text).unwrap();
        assert_eq!((seen.kind.as_deref(), seen.command.as_deref(), seen.id), (Some("ack"), Some("c1"), None));
        assert_eq!(seen.trace, Trace::parse(PARENT, None));
        for odd in ["7", "true", "\"x\"", "[1,[2]]", "{}", r#"{"type":{"a":1},"_sentry":3}"#] {
            let seen = Glimpse::of(odd).unwrap();
            assert_eq!((seen.kind, seen.trace), (None, None), "{odd}");
        }
        assert_eq!(Glimpse::of(r#"{"type":"a","type":"b"}"#).unwrap().kind.as_deref(), Some("b"));
    }

    #[test]
    fn what_is_not_json_and_null_are_no_messages() {
        for none in ["", "null", " null ", "{", "{\"a\":1", "{} {}", "nope"] {
            assert_eq!(Glimpse::of(none), None, "{none}");
        }
    }

    #[test]
    fn commands_are_told_from_events_by_their_type() {
        assert!(Glimpse::of(r#"{"type":"start-build"}"#).unwrap().is_command());
        assert!(!Glimpse::of(r#"{"type":"build-stream"}"#).unwrap().is_command());
        assert!(!Glimpse::of("12").unwrap().is_command());
    }
}
