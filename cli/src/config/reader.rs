//! Finds each setting in its sources, notes where it came from, and gathers what is wrong.

use std::fmt;
use std::path::{Path, PathBuf};

use peermesh_core::config::{ConfigError, Limits, Secret};

use super::file::{self, Entries};
use super::names::{self, PROTOCOL_LIMITS, ProtocolLimit, Setting};
use super::parse::{self, Refused};
use super::{ConfigErrors, chosen_file};

/// One setting as the operator sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// The effective value; `(set)` for a secret, empty for none.
    pub(crate) value: String,
    pub(crate) source: Source,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Flag(&'static str),
    Variable(String),
    File(PathBuf),
    /// It was not given and follows from another.
    Follows(&'static str),
    Default,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Flag(flag) => write!(f, "flag {flag}"),
            Source::Variable(name) => write!(f, "variable {name}"),
            Source::File(path) => write!(f, "file {}", path.display()),
            Source::Follows(name) => write!(f, "follows {name}"),
            Source::Default => f.write_str("default"),
        }
    }
}

/// A value somebody gave.
struct Given {
    text: String,
    source: Source,
    /// What the person who gave it calls it.
    called: String,
}

/// Takes settings one by one; the errors come out at the end, together.
pub(super) struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    path: PathBuf,
    file: Entries,
    rows: Vec<Row>,
    errors: Vec<ConfigError>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(env: &'a dyn Fn(&str) -> Option<String>) -> Reader<'a> {
        let (rows, errors) = (Vec::new(), Vec::new());
        Reader { env, path: PathBuf::new(), file: Entries::new(), rows, errors }
    }

    /// Notes a value that cannot be used.
    pub(super) fn refuse(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// Shows the data directory, which is found before anything else is read.
    pub(super) fn show_data(&mut self, dir: Option<&Path>, by_flag: bool) {
        let source = match self.variable("PEERMESH_DATA") {
            _ if by_flag => Source::Flag("--data"),
            Some(_) => Source::Variable("PEERMESH_DATA".into()),
            None => Source::Default,
        };
        let value = dir.map_or(String::new(), |dir| dir.display().to_string());
        self.rows.push(Row { name: "data".into(), value, source });
    }

    /// Reads the file that the flag or the variable names, else the default one if it is there.
    pub(super) fn read_file(&mut self, flag: Option<&Path>, default: Option<PathBuf>) {
        let asked = flag.map(|path| (path.to_owned(), Source::Flag("--config"))).or_else(|| {
            let path = self.variable("PEERMESH_CONFIG")?;
            Some((PathBuf::from(path), Source::Variable("PEERMESH_CONFIG".into())))
        });
        let source = asked.as_ref().map_or(Source::Default, |(_, source)| source.clone());
        let chosen = chosen_file(asked.as_ref().map(|(path, _)| path.as_path()), default);
        if let Some(path) = &chosen {
            self.file = file::read(path, &mut self.errors);
            self.path.clone_from(path);
        }
        let value = chosen.map_or(String::new(), |path| path.display().to_string());
        self.rows.push(Row { name: "config".into(), value, source });
    }

    /// Takes one setting; a bad value is noted and the default stands in, so that the others are looked at
    /// too.
    pub(super) fn take<T: fmt::Display>(
        &mut self,
        setting: &Setting,
        flag: Option<&str>,
        parse: fn(&str) -> Result<T, Refused>,
        default: T,
    ) -> T {
        let (value, source) = match self.find(setting, flag) {
            None => (default, Source::Default),
            Some(given) => match parse(&given.text) {
                Ok(value) => (value, given.source),
                Err(refused) => {
                    self.errors.push(ConfigError::new(given.called, refused.value, refused.wanted));
                    (default, Source::Default)
                }
            },
        };
        self.rows.push(Row { name: setting.name.into(), value: value.to_string(), source });
        value
    }

    /// Takes a setting that may be missing.
    pub(super) fn take_optional<T>(
        &mut self,
        setting: &Setting,
        parse: fn(&str) -> Result<T, Refused>,
    ) -> Option<T> {
        self.take_shown_as(setting, parse, str::to_owned)
    }

    /// Takes a setting that may be missing, and shows of it what `show` leaves.
    pub(super) fn take_shown_as<T>(
        &mut self,
        setting: &Setting,
        parse: fn(&str) -> Result<T, Refused>,
        show: fn(&str) -> String,
    ) -> Option<T> {
        let given = self.find(setting, None);
        let (shown, source) =
            given.as_ref().map_or((String::new(), Source::Default), |g| (show(&g.text), g.source.clone()));
        self.rows.push(Row { name: setting.name.into(), value: shown, source });
        let given = given?;
        parse(&given.text)
            .map_err(|refused| {
                self.errors.push(ConfigError::new(given.called, refused.value, refused.wanted));
            })
            .ok()
    }

    /// Takes a setting that is neither shown nor repeated in an error.
    pub(super) fn take_secret(&mut self, setting: &Setting) -> Option<Secret> {
        let given = self.find(setting, None);
        let value = if given.is_some() { "(set)" } else { "" };
        let source = given.as_ref().map_or(Source::Default, |given| given.source.clone());
        self.rows.push(Row { name: setting.name.into(), value: value.into(), source });
        let given = given?;
        match parse::word(&given.text) {
            Ok(word) => Some(Secret::new(word)),
            Err(refused) => {
                self.errors.push(ConfigError::new(given.called, "(set)", refused.wanted));
                None
            }
        }
    }

    /// Takes every limit.
    pub(super) fn take_limits(&mut self) -> Limits {
        let mut limits = Limits::default();
        let mut sources = Vec::with_capacity(Limits::NAMES.len());
        for &name in Limits::NAMES {
            sources.push(self.take_limit(&mut limits, name));
        }
        let outbox = limits.outbox_bytes_least().max(limits.outbox_bytes_max());
        for (name, wanted) in
            [("outbox_bytes_max", outbox), ("payload_bytes_max", limits.message_bytes_max())]
        {
            let place = Limits::NAMES.iter().position(|other| *other == name);
            let source = place.and_then(|place| sources.get_mut(place));
            if let Some(source) = source.filter(|source| **source == Source::Default)
                && limits.get(name) != Some(wanted)
                && limits.set(name, wanted).is_ok()
            {
                *source = Source::Follows("message_bytes_max");
            }
        }
        if let Err(mut contradictions) = limits.check() {
            self.errors.append(&mut contradictions);
        }
        for (name, source) in Limits::NAMES.iter().zip(sources) {
            let value = limits.get(name).unwrap_or_default().to_string();
            self.rows.push(Row { name: format!("limits.{name}"), value, source });
        }
        limits
    }

    /// The rows and the last missing piece, or every error.
    pub(super) fn finish<T>(self, piece: Option<T>) -> Result<(Vec<Row>, T), ConfigErrors> {
        match piece {
            Some(piece) if self.errors.is_empty() => Ok((self.rows, piece)),
            Some(_) | None => Err(ConfigErrors(self.errors)),
        }
    }

    /// What somebody gave for a setting, whether it can be used or not.
    pub(super) fn text_of(&self, setting: &Setting) -> Option<String> {
        self.find(setting, None).map(|given| given.text)
    }

    /// True when anything of live topics was given.
    pub(super) fn is_live(&self) -> bool {
        let settings =
            [&names::LIVE_PORT, &names::LIVE_HOST, &names::LIVE_AUTH, &names::LIVE_TOPICS, &names::LIVE_FEED];
        let limits = PROTOCOL_LIMITS.iter().filter(|row| row.variable.starts_with("LIVE_WS_"));
        self.file.contains_key(file::LIVE)
            || settings.into_iter().any(|setting| self.is_given(setting))
            || limits.into_iter().any(|row| self.protocol_variable(row.variable).is_some())
    }

    /// True when somebody gave the setting a value.
    pub(super) fn is_given(&self, setting: &Setting) -> bool {
        self.find(setting, None).is_some()
    }

    fn take_limit(&mut self, limits: &mut Limits, name: &'static str) -> Source {
        let protocol = PROTOCOL_LIMITS.iter().find(|row| row.limit == name);
        let own = self.given_variable(format!("PEERMESH_{}", name.to_ascii_uppercase()));
        let key = format!("limits.{name}");
        let (given, row) = match own {
            Some(given) => (Some(given), None),
            None => match protocol.and_then(|row| self.protocol_variable(row.variable)) {
                Some(given) => (Some(given), protocol),
                None => (self.file.get(&key).map(|text| self.given_in_file(key.clone(), text)), None),
            },
        };
        let Some(given) = given else { return Source::Default };
        match set_limit(limits, name, &given, row) {
            Ok(()) => given.source,
            Err(error) => {
                self.errors.push(error);
                Source::Default
            }
        }
    }

    fn find(&self, setting: &Setting, flag: Option<&str>) -> Option<Given> {
        if let (Some(text), Some(name)) = (flag, setting.flag) {
            return Some(Given { text: text.into(), source: Source::Flag(name), called: name.into() });
        }
        self.given_variable(format!("PEERMESH_{}", setting.name.to_ascii_uppercase()))
            .or_else(|| self.protocol_variable(setting.protocol?))
            .or_else(|| {
                self.file.get(setting.name).map(|text| self.given_in_file(setting.name.to_owned(), text))
            })
    }

    /// A name of the protocol, with our prefix or without.
    fn protocol_variable(&self, name: &str) -> Option<Given> {
        // `PEERMESH_PORT` is the mesh's, though `PORT` alone is the runners'.
        let is_other = names::SETTINGS.iter().any(|setting| setting.name.eq_ignore_ascii_case(name));
        let own = if is_other { None } else { self.given_variable(format!("PEERMESH_{name}")) };
        own.or_else(|| self.given_variable(name.to_owned()))
    }

    fn given_variable(&self, name: String) -> Option<Given> {
        let text = self.variable(&name)?;
        Some(Given { text, source: Source::Variable(name.clone()), called: name })
    }

    fn given_in_file(&self, key: String, text: &str) -> Given {
        Given { text: text.to_owned(), source: Source::File(self.path.clone()), called: key }
    }

    fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }
}

fn set_limit(
    limits: &mut Limits,
    name: &str,
    given: &Given,
    protocol: Option<&ProtocolLimit>,
) -> Result<(), ConfigError> {
    let refuse = |wanted: &str| Err(ConfigError::new(given.called.clone(), &given.text, wanted));
    let (scale, zero) = protocol.map_or((1, true), |row| (row.scale, row.zero));
    let wanted = if zero { "a whole number" } else { "a positive whole number" };
    let is_digits = given.text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = match given.text.parse() {
        Ok(number) if is_digits && (zero || number > 0) => number,
        _ => return refuse(wanted),
    };
    let Some(scaled) = number.checked_mul(scale) else { return refuse(wanted) };
    limits.set(name, scaled).map_err(|error| {
        let unit = if scale == 1 { "" } else { ", in milliseconds" };
        ConfigError::new(given.called.clone(), &given.text, format!("{}{unit}", error.wanted))
    })
}
