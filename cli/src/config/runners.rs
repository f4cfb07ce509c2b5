//! The settings of the runners' port. It is on where its secret is set.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use peermesh_core::config::{ConfigError, RunnerConfig, Secret};
use peermesh_core::ids::RunnerId;

use super::names;
use super::parse::{self, Refused};
use super::reader::Reader;

/// Everything about runners that the operator can decide, but for limits.
#[derive(Debug)]
pub(crate) struct Runners {
    /// Where they come in.
    pub(crate) listen: SocketAddr,
    /// Where their events go.
    pub(crate) target: Target,
    /// What they must bring along.
    pub(crate) config: RunnerConfig,
}

/// The program that takes events.
#[derive(Clone, Debug)]
pub(crate) struct Target(String);

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Target {
    /// Where events are posted.
    pub(crate) fn events(&self) -> String {
        format!("{}/api/runner/events", self.0)
    }
}

/// Whether something is done, as a setting says it.
struct YesNo(bool);

impl fmt::Display for YesNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0 { "yes" } else { "no" })
    }
}

pub(super) fn take(reader: &mut Reader<'_>, host: IpAddr) -> Option<Runners> {
    let port = reader.take(&names::RUNNER_PORT, None, parse::port, 4000);
    let local = Target("http://localhost:3000".to_owned());
    let target = reader.take(&names::RUNNER_EVENT_TARGET_URL, None, target, local);
    let heartbeats = reader.take(&names::RUNNER_FORWARD_HEARTBEATS, None, yes_no, YesNo(true));
    let secret = reader.take_secret(&names::RUNNER_SHARED_SECRET);
    let next = reader.take_secret(&names::RUNNER_SHARED_SECRET_NEXT);
    let given = reader.take_secret(&names::RUNNER_TOKENS);
    let tokens = given.map(|given| tokens(&given)).unwrap_or_else(|| Some(Vec::new()));
    if tokens.is_none() {
        let wanted = "runners and their tokens: ID:TOKEN,ID:TOKEN";
        reader.refuse(ConfigError::new("RUNNER_TOKENS", "(set)", wanted));
    }
    let config = RunnerConfig {
        secrets: secret.clone().into_iter().chain(next).collect(),
        tokens: tokens.unwrap_or_default(),
        forwards_heartbeats: heartbeats.0,
    };
    secret.map(|_| Runners { listen: SocketAddr::new(host, port), target, config })
}

/// A base address over HTTP, with or without a path. One slash at its end is dropped, as it always was.
fn target(text: &str) -> Result<Target, Refused> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or(""));
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains(['?', '#']);
    match host {
        Some(host) if !host.is_empty() && !host.contains('@') && is_plain => {
            Ok(Target(text.strip_suffix('/').unwrap_or(text).to_owned()))
        }
        _ => Err(parse::refused(text, "an address like http://localhost:3000")),
    }
}

fn yes_no(text: &str) -> Result<YesNo, Refused> {
    match text {
        "yes" | "true" | "1" => Ok(YesNo(true)),
        "no" | "false" | "0" => Ok(YesNo(false)),
        _ => Err(parse::refused(text, "yes or no")),
    }
}

fn tokens(given: &Secret) -> Option<Vec<(RunnerId, Secret)>> {
    let text = std::str::from_utf8(given.expose()).ok()?;
    let pairs = text.split(',').map(|pair| {
        let (id, token) = pair.split_once(':')?;
        let is_pair = !id.is_empty() && !token.is_empty();
        is_pair.then(|| (RunnerId::new(id), Secret::new(token)))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, Settings};
    use super::*;

    fn settings(variables: &[(&str, &str)]) -> Result<Settings, super::super::ConfigErrors> {
        let env = |name: &str| {
            variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        Settings::read(None, &Flags::default(), &env)
    }

    #[test]
    fn runners_are_served_where_their_secret_is_set() {
        assert!(settings(&[("PORT", "4100")]).unwrap().runners.is_none());
        let runners = settings(&[("RUNNER_SHARED_SECRET", "s")]).unwrap().runners.unwrap();
        assert_eq!(
            (runners.listen.port(), runners.target.to_string()),
            (4000, "http://localhost:3000".into())
        );
        assert_eq!(runners.target.events(), "http://localhost:3000/api/runner/events");
        assert!(runners.config.forwards_heartbeats && runners.config.secrets.len() == 1);
    }

    #[test]
    fn the_runners_port_is_never_the_meshs() {
        let secret = ("RUNNER_SHARED_SECRET", "s");
        let port = |variables: &[(&str, &str)]| {
            let settings = settings(variables).unwrap();
            (settings.listen.port(), settings.runners.unwrap().listen.port())
        };
        assert_eq!(port(&[secret, ("PORT", "4100"), ("BROKER_PORT", "7901")]), (7901, 4100));
        assert_eq!(port(&[secret, ("PEERMESH_PORT", "7902")]), (7902, 4000));
        assert_eq!(port(&[secret, ("PORT", "4100"), ("PEERMESH_RUNNER_PORT", "4200")]), (7900, 4200));
    }

    #[test]
    fn secrets_tokens_and_the_age_of_events_are_read() {
        let settings = settings(&[
            ("RUNNER_SHARED_SECRET", "old"),
            ("RUNNER_SHARED_SECRET_NEXT", "new"),
            ("RUNNER_TOKENS", "r1:one,r2:two:three"),
            ("RUNNER_EVENT_MAX_AGE_HOURS", "1"),
            ("RUNNER_EVENT_TARGET_URL", "https://app.example/base/"),
            ("RUNNER_FORWARD_HEARTBEATS", "no"),
        ]);
        let settings = settings.unwrap();
        assert_eq!(settings.limits.runner_event_age_ms(), 3_600_000);
        let runners = settings.runners.unwrap();
        assert_eq!(runners.config.secrets.len(), 2);
        assert_eq!(runners.config.tokens[1], (RunnerId::new("r2"), Secret::new("two:three")));
        assert_eq!(runners.target.to_string(), "https://app.example/base");
        assert!(!runners.config.forwards_heartbeats);
    }

    #[test]
    fn f_inj_03_only_a_plain_address_over_http_can_be_the_target() {
        for odd in [
            "localhost:3000",
            "ftp://app.example",
            "file:///etc/passwd",
            "http://",
            "http://user:word@app.example",
            "http://app.example?to=http://other",
            "http://app.example/#x",
            "http://app.example/a b",
            "http://app.example\r\nX: y",
        ] {
            assert!(target(odd).is_err(), "{odd:?}");
        }
        for fine in ["http://127.0.0.1:3000", "https://app.example/base", "http://[::1]:3000/"] {
            assert!(target(fine).is_ok(), "{fine}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_named_without_showing_it() {
        let wrong = [
            ("RUNNER_TOKENS", "no-colon-in-it"),
            ("RUNNER_EVENT_TARGET_URL", "localhost:3000"),
            ("RUNNER_FORWARD_HEARTBEATS", "perhaps"),
        ];
        let text = settings(&wrong).unwrap_err().to_string();
        assert!(!text.contains("no-colon-in-it"), "{text}");
        assert!(wrong.iter().all(|(name, _)| text.contains(name)), "{text}");
    }
}
