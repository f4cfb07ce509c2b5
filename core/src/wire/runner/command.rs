//! Commands as their callers send them. They pass as they are, but for an id and a trace.

use serde::Serialize;
use serde::de::{Deserialize, Deserializer, IgnoredAny};
use serde_json::Value;
use serde_json::value::RawValue;

use super::Glimpse;
use crate::ids::RunnerId;
use crate::wire::trace::Trace;

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
    /// The body is not JSON, or neither an object nor an array.
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
    pub(crate) fn parse(body: &[u8], trace: Option<&Trace>) -> Result<CommandCall, NoCommand> {
        #[derive(serde::Deserialize)]
        struct Body<'a> {
            #[serde(borrow, default, rename = "runnerId", deserialize_with = "whatever")]
            runner: Option<&'a RawValue>,
            #[serde(borrow, default)]
            command: Option<&'a RawValue>,
        }
        match body.trim_ascii_start().first() {
            // No body says as little as an empty one, and an array has no field of that name.
            None => return Err(NoCommand::Missing),
            Some(b'[') if serde_json::from_slice::<IgnoredAny>(body).is_ok() => {
                return Err(NoCommand::Missing);
            }
            Some(b'{') => {}
            Some(_) => return Err(NoCommand::NotJson),
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
            if glimpse.traced {
                call.replace_trace(trace);
            } else {
                call.add("_sentry", trace);
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

    fn replace_trace(&mut self, trace: &Trace) {
        if let Ok(mut value) = serde_json::from_str::<Value>(&self.text)
            && let Some(fields) = value.as_object_mut()
        {
            fields.insert("_sentry".to_owned(), serde_json::to_value(trace).unwrap_or_default());
            self.text = value.to_string();
        }
    }
}

/// False for what the web app's language takes as nothing.
fn says_something(text: &str) -> bool {
    let zero = text.parse::<f64>().is_ok_and(|number| number == 0.0);
    !matches!(text, "null" | "false" | "\"\"") && !zero
}

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "d4cda95b652f4a1592b449d5929fda1b-6e0c63257de34c92-1";

    fn call(body: &str) -> Result<CommandCall, NoCommand> {
        CommandCall::parse(body.as_bytes(), None)
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
        for none in ["", " ", "{}", "[]", r#"["r1", {"type": "x"}]"#] {
            assert_eq!(call(none), Err(NoCommand::Missing), "{none}");
        }
        for odd in ["nope", "7", "\"x\"", "null", "[", "{\"command\": 1}}"] {
            assert_eq!(call(odd), Err(NoCommand::NotJson), "{odd}");
        }
        for something in ["1", "true", "\"0\"", "[]", "{}"] {
            assert!(call(&format!("{{\"command\":{something}}}")).is_ok(), "{something}");
        }
    }

    #[test]
    fn a_trace_is_written_into_the_command() {
        let traced = |command: &str, baggage: Option<&str>| {
            let body = format!("{{\"command\":{command}}}");
            CommandCall::parse(body.as_bytes(), Trace::parse(PARENT, baggage).as_ref()).unwrap().text
        };
        let alone = format!(r#"{{"_sentry":{{"trace":"{PARENT}"}}}}"#);
        assert_eq!(traced("{}", None), alone);
        let both = traced(r#"{"type":"x"}"#, Some("b=1"));
        assert_eq!(both, format!(r#"{{"_sentry":{{"trace":"{PARENT}","baggage":"b=1"}},"type":"x"}}"#));
        assert_eq!(traced(r#"{"_sentry":{"trace":"old"}}"#, None), alone);
        assert_eq!(traced("7", None), "7");
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
