//! The settings of reports to Sentry. There are none unless its address is set.

use peermesh_core::config::{ConfigError, Secret};

use super::names;
use super::parse::{self, Refused};
use super::reader::Reader;

/// Where reports go, and what stands in all of them.
#[derive(Debug)]
#[cfg_attr(not(feature = "sentry"), allow(dead_code, reason = "only a build that reports reads them"))]
pub(crate) struct Reporting {
    /// The address of a project and its key.
    pub(crate) dsn: Secret,
    pub(crate) release: Option<String>,
    pub(crate) environment: String,
    /// Which part of the traces is reported, from 0 to 1.
    pub(crate) traces: f32,
}

pub(super) fn take(reader: &mut Reader<'_>) -> Option<Reporting> {
    let dsn = reader.take_secret(&names::SENTRY_DSN);
    let release = reader.take_optional(&names::SENTRY_RELEASE, parse::word);
    let environment = reader.take(&names::NODE_ENV, None, parse::word, "development".to_owned());
    let traces = reader.take(&names::SENTRY_TRACES_SAMPLE_RATE, None, rate, 0.0);
    let dsn = dsn?;
    if let Err(wanted) = judge(&dsn) {
        reader.refuse(ConfigError::new("SENTRY_DSN", "(set)", wanted));
        return None;
    }
    Some(Reporting { dsn, release, environment, traces })
}

#[cfg(feature = "sentry")]
fn judge(dsn: &Secret) -> Result<(), &'static str> {
    let dsn = std::str::from_utf8(dsn.expose()).ok().map(str::parse::<sentry::types::Dsn>);
    match dsn {
        Some(Ok(_)) => Ok(()),
        _ => Err("the DSN of a Sentry project, like https://KEY@HOST/NUMBER"),
    }
}

#[cfg(not(feature = "sentry"))]
fn judge(_: &Secret) -> Result<(), &'static str> {
    Err("usable in this build, which reports nothing; use a build with the feature sentry, or unset it")
}

fn rate(text: &str) -> Result<f32, Refused> {
    let rate = text.parse().ok().filter(|rate| (0.0..=1.0).contains(rate));
    rate.ok_or_else(|| parse::refused(text, "a number from 0 to 1"))
}

#[cfg(test)]
mod tests {
    use super::super::{Flags, Settings};
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Option<Reporting>, String> {
        let env = |name: &str| {
            variables.iter().find(|(have, _)| *have == name).map(|(_, value)| (*value).to_owned())
        };
        let settings = Settings::read(None, &Flags::default(), &env).map_err(|errors| errors.to_string())?;
        assert!(!format!("{settings:?}").contains("hunter"));
        Ok(settings.reporting)
    }

    #[test]
    fn nothing_is_reported_unless_an_address_is_set() {
        assert!(read(&[("SENTRY_TRACES_SAMPLE_RATE", "1"), ("NODE_ENV", "production")]).unwrap().is_none());
    }

    #[cfg(feature = "sentry")]
    #[test]
    fn an_address_is_enough_and_the_rest_has_defaults() {
        let dsn = ("SENTRY_DSN", "https://hunter2@o1.ingest.sentry.io/4");
        let plain = read(&[dsn]).unwrap().unwrap();
        assert_eq!((plain.release, plain.environment.as_str()), (None, "development"));
        assert!(plain.traces == 0.0);
        let all =
            [dsn, ("SENTRY_RELEASE", "1.2"), ("NODE_ENV", "test"), ("SENTRY_TRACES_SAMPLE_RATE", "0.5")];
        let all = read(&all).unwrap().unwrap();
        assert_eq!((all.release.as_deref(), all.environment.as_str()), (Some("1.2"), "test"));
        assert!(all.traces > 0.4);
    }

    #[test]
    fn what_cannot_be_used_is_named_without_showing_it() {
        let text = read(&[("SENTRY_DSN", "hunter2"), ("SENTRY_TRACES_SAMPLE_RATE", "2")]).unwrap_err();
        assert!(!text.contains("hunter"), "{text}");
        assert!(
            text.contains("SENTRY_DSN: (set) is not ") && text.contains("RATE: 2 is not a number"),
            "{text}"
        );
    }

    #[cfg(not(feature = "sentry"))]
    #[test]
    fn a_build_that_cannot_report_refuses_an_address() {
        let text = read(&[("SENTRY_DSN", "https://hunter2@o1.ingest.sentry.io/4")]).unwrap_err();
        assert!(text.contains("a build with the feature sentry"), "{text}");
    }
}
