//! The messages of runners and of whoever commands them (runner protocol).
//!
//! Strict in what we say. Of what comes in only the fields that matter here are looked at: commands and
//! events pass as they are, whatever else they hold.

use std::fmt;

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::mesh::Encode;
use crate::ids::{RunnerId, RunnerSeq};
use crate::wire::bookmark::Bookmark;

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
    pub trace: Option<String>,
    pub baggage: Option<String>,
    /// There is a trace, whatever it holds.
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
                    let Trace { trace, baggage } = fields.next_value()?;
                    (glimpse.trace, glimpse.baggage, glimpse.traced) = (trace, baggage, true);
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

struct Trace {
    trace: Option<String>,
    baggage: Option<String>,
}

impl<'de> Deserialize<'de> for Trace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Trace, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        let value: Value = serde_json::from_str(raw.get()).unwrap_or(Value::Null);
        let text = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        Ok(Trace { trace: text("trace"), baggage: text("baggage") })
    }
}

/// What somebody wants to send to a runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CommandCall {
    /// Which runner; none when what stands there names none.
    pub runner: Option<String>,
    /// The command as it is sent.
    pub text: String,
    /// Its type, where it has one.
    pub kind: Option<String>,
    /// Its id, where it has one.
    pub id: Option<String>,
}

/// Why a request is no command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoCommand {
    /// The body is not a JSON object.
    NotJson,
    /// It has no command, or one that says nothing.
    Missing,
}

/// A value that stands there, be it `null`.
fn whatever<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(deserializer).map(Some)
}

/// The runner that is meant where none is named.
pub(crate) const DEFAULT_RUNNER: &str = "default";

impl CommandCall {
    /// Takes a whole body as the command for that runner.
    pub(crate) fn of(runner: &RunnerId, body: &[u8]) -> Result<CommandCall, NoCommand> {
        let command =
            std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str::<&RawValue>(text).ok());
        let command = command.map(RawValue::get).ok_or(NoCommand::NotJson)?;
        let glimpse = Glimpse::of(command).filter(|_| says_something(command)).ok_or(NoCommand::Missing)?;
        let runner = Some(runner.as_str().to_owned());
        Ok(CommandCall { runner, text: command.to_owned(), kind: glimpse.kind, id: glimpse.id })
    }

    /// Reads the body of a request. A trace of the request is written into the command.
    pub(crate) fn parse(
        body: &[u8],
        trace: Option<&str>,
        baggage: Option<&str>,
    ) -> Result<CommandCall, NoCommand> {
        #[derive(serde::Deserialize)]
        struct Body<'a> {
            #[serde(borrow, default, rename = "runnerId", deserialize_with = "whatever")]
            runner: Option<&'a RawValue>,
            #[serde(borrow, default)]
            command: Option<&'a RawValue>,
        }
        let body: Body<'_> = serde_json::from_slice(body).map_err(|_| NoCommand::NotJson)?;
        let command = body.command.map(RawValue::get).filter(|text| says_something(text));
        let command = command.ok_or(NoCommand::Missing)?;
        let glimpse = Glimpse::of(command).ok_or(NoCommand::Missing)?;
        let runner = match body.runner {
            None => Some(DEFAULT_RUNNER.to_owned()),
            Some(named) => serde_json::from_str(named.get()).ok(),
        };
        let mut call = CommandCall {
            runner,
            text: command.to_owned(),
            kind: glimpse.kind.clone(),
            id: glimpse.id.clone(),
        };
        if let Some(trace) = trace.filter(|_| glimpse.is_object) {
            let trace = TraceFields { trace, baggage };
            if glimpse.traced {
                call.replace_trace(&trace);
            } else {
                call.add("_sentry", &trace);
            }
        }
        Ok(call)
    }

    /// Gives a command an id, if it can carry one and has none; tells its id.
    pub(crate) fn ensure_id(&mut self, mint: impl FnOnce() -> String) -> Option<String> {
        if self.id.is_none() && self.text.starts_with('{') {
            let id = mint();
            self.add("id", &id);
            self.id = Some(id);
        }
        self.id.clone()
    }

    /// Adds a field at the front of an object.
    fn add(&mut self, name: &str, value: &impl Serialize) {
        let Some(rest) = self.text.strip_prefix('{') else { return };
        let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
        let value = serde_json::to_string(value).unwrap_or_default();
        self.text = format!("{{\"{name}\":{value}{comma}{rest}");
    }

    fn replace_trace(&mut self, trace: &TraceFields<'_>) {
        if let Ok(mut value) = serde_json::from_str::<Value>(&self.text)
            && let Some(fields) = value.as_object_mut()
        {
            fields.insert("_sentry".to_owned(), serde_json::to_value(trace).unwrap_or_default());
            self.text = value.to_string();
        }
    }
}

#[derive(Serialize)]
struct TraceFields<'a> {
    trace: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    baggage: Option<&'a str>,
}

/// False for what the web app's language takes as nothing.
fn says_something(text: &str) -> bool {
    let zero = text.parse::<f64>().is_ok_and(|number| number == 0.0);
    !matches!(text, "null" | "false" | "\"\"") && !zero
}

/// Something an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RunnerCall {
    /// Who is connected.
    Connected,
    /// Every runner ever heard of, behind this one.
    List { after: Bookmark },
    /// Events of one runner that wait, behind this place.
    Events { runner: RunnerId, after: Bookmark },
    /// Dead events of one runner, behind this place.
    Dead { runner: RunnerId, after: Bookmark },
    /// Puts a dead event back.
    Requeue { runner: RunnerId, seq: RunnerSeq },
    /// Sends a command, which is the body.
    Send { runner: RunnerId },
}

impl RunnerCall {
    /// The paths of the admin API below this one are about runners.
    pub(crate) const PATH: &str = "/admin/runners";

    /// What is asked for; `None` when nothing that exists.
    pub(crate) fn parse(method: &str, target: &str) -> Option<RunnerCall> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let segments: Vec<String> =
            path.strip_prefix(RunnerCall::PATH)?.split('/').map(decode_segment).collect::<Option<_>>()?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let after = query.split('&').find_map(|pair| pair.strip_prefix("after="));
        let runner = |id: &str| RunnerId::new(id);
        let place = || after.map_or(Some(Bookmark::START), Bookmark::parse);
        Some(match (method, segments.as_slice()) {
            ("GET", [""]) => RunnerCall::List { after: place()? },
            ("GET", ["", "connections"]) => RunnerCall::Connected,
            ("GET", ["", id, "events"]) => RunnerCall::Events { runner: runner(id), after: place()? },
            ("GET", ["", id, "dead"]) => RunnerCall::Dead { runner: runner(id), after: place()? },
            ("POST", ["", id, "dead", seq, "requeue"]) => {
                RunnerCall::Requeue { runner: runner(id), seq: RunnerSeq(seq.parse().ok()?) }
            }
            ("POST", ["", id, "commands"]) => RunnerCall::Send { runner: runner(id) },
            _ => return None,
        })
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

/// A value of a query, decoded as forms are; `None` when it cannot be.
pub(crate) fn decode(value: &str) -> Option<String> {
    decode_with(value, b' ')
}

fn decode_segment(value: &str) -> Option<String> {
    decode_with(value, b'+')
}

fn decode_with(value: &str, plus: u8) -> Option<String> {
    let mut bytes = value.bytes();
    let mut plain = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let pair = [bytes.next()?, bytes.next()?];
                plain.extend(data_encoding::HEXUPPER_PERMISSIVE.decode(&pair).ok()?);
            }
            b'+' => plain.push(plus),
            other => plain.push(other),
        }
    }
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(body: &str) -> Result<CommandCall, NoCommand> {
        CommandCall::parse(body.as_bytes(), None, None)
    }

    #[test]
    fn a_message_is_looked_at_without_being_judged() {
        let seen =
            Glimpse::of(r#"{"type":"ack","commandId":"c1","id":7,"_sentry":{"trace":"t"},"x":[1,{}]}"#);
        let seen = seen.unwrap();
        assert_eq!((seen.kind.as_deref(), seen.command.as_deref(), seen.id), (Some("ack"), Some("c1"), None));
        assert_eq!((seen.trace.as_deref(), seen.baggage), (Some("t"), None));
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

    #[test]
    fn a_command_passes_as_it_is() {
        let got = call(r#"{"runnerId":"r1","command": {"type":"x", "data":{"n":1.50}, "id":"c"} }"#).unwrap();
        assert_eq!(got.text, r#"{"type":"x", "data":{"n":1.50}, "id":"c"}"#);
        assert_eq!((got.runner.as_deref(), got.id.as_deref()), (Some("r1"), Some("c")));
        assert_eq!(call(r#"{"command":7}"#).unwrap().runner.as_deref(), Some("default"));
        assert_eq!(call(r#"{"command":7,"runnerId":null}"#).unwrap().runner, None);
        assert_eq!(call(r#"{"command":7,"runnerId":3}"#).unwrap().runner, None);
    }

    #[test]
    fn a_command_that_says_nothing_is_missing() {
        for nothing in ["null", "false", "0", "-0", "0.0", "\"\""] {
            assert_eq!(call(&format!("{{\"command\":{nothing}}}")), Err(NoCommand::Missing), "{nothing}");
        }
        assert_eq!(call("{}"), Err(NoCommand::Missing));
        assert_eq!(call("nope"), Err(NoCommand::NotJson));
        for something in ["1", "true", "\"0\"", "[]", "{}"] {
            assert!(call(&format!("{{\"command\":{something}}}")).is_ok(), "{something}");
        }
    }

    #[test]
    fn a_trace_is_written_into_the_command() {
        let traced = |command: &str, baggage: Option<&str>| {
            let body = format!("{{\"command\":{command}}}");
            CommandCall::parse(body.as_bytes(), Some("t-1"), baggage).unwrap().text
        };
        assert_eq!(traced("{}", None), r#"{"_sentry":{"trace":"t-1"}}"#);
        let both = traced(r#"{"type":"x"}"#, Some("b"));
        assert_eq!(both, r#"{"_sentry":{"trace":"t-1","baggage":"b"},"type":"x"}"#);
        assert_eq!(traced(r#"{"_sentry":{"trace":"old"}}"#, None), r#"{"_sentry":{"trace":"t-1"}}"#);
        assert_eq!(traced("7", None), "7");
    }

    #[test]
    fn an_admin_asks_by_path() {
        let parse = |method: &str, rest: &str| RunnerCall::parse(method, &format!("/admin/runners{rest}"));
        let after = Bookmark::new(None, 7);
        assert_eq!(parse("GET", "?after=7"), Some(RunnerCall::List { after }));
        assert_eq!(parse("GET", "/connections"), Some(RunnerCall::Connected));
        let runner = RunnerId::new("a/b+c");
        let seq = RunnerSeq(9);
        assert_eq!(parse("POST", "/a%2Fb+c/dead/9/requeue"), Some(RunnerCall::Requeue { runner, seq }));
        assert_eq!(parse("GET", "/a/dead?after=x"), None);
        assert_eq!(parse("DELETE", "/a"), None);
        assert_eq!(parse("GET", "x"), None);
    }

    #[test]
    fn a_command_without_an_id_is_given_one_where_it_can_carry_it() {
        let mut command = call(r#"{"command":{"type":"x"}}"#).unwrap();
        assert_eq!(command.ensure_id(|| "m".to_owned()).as_deref(), Some("m"));
        assert_eq!(command.text, r#"{"id":"m","type":"x"}"#);
        assert_eq!(command.ensure_id(|| "n".to_owned()).as_deref(), Some("m"));
        assert_eq!(call(r#"{"command":7}"#).unwrap().ensure_id(|| "m".to_owned()), None);
    }
}
