//! The configuration file: TOML, known keys only, every value brought to the text a variable would hold.

use std::collections::BTreeMap;
use std::path::Path;
use std::{fs, io};

use peermesh_core::config::{ConfigError, Limits};
use toml::{Table, Value};

use super::names;

/// Keys and values of the file; limits under `limits.` and their name.
pub(super) type Entries = BTreeMap<String, String>;

/// The entry that stands for a table `live` with whatever keys.
pub(super) const LIVE: &str = "live";

/// Reads the file; what cannot be used goes to `errors`.
pub(super) fn read(path: &Path, errors: &mut Vec<ConfigError>) -> Entries {
    let readable = |why: String| format!("a readable TOML file ({why})");
    let parsed = match fs::read_to_string(path) {
        Ok(text) => {
            text.parse::<Table>().map_err(|error| readable(error.to_string().trim_end().replace('\n', " ")))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err("there; `peermesh config` lists what can stand in it".to_owned())
        }
        Err(error) => Err(readable(error.to_string())),
    };
    match parsed {
        Ok(table) => sort(table, path, errors),
        Err(wanted) => {
            errors.push(ConfigError::new(path.display().to_string(), "the file", wanted));
            Entries::new()
        }
    }
}

fn sort(table: Table, path: &Path, errors: &mut Vec<ConfigError>) -> Entries {
    let mut entries = Entries::new();
    let mut unknown = |key: &str| {
        errors.push(ConfigError::new(path.display().to_string(), key, "a setting; see `peermesh config`"));
    };
    let mut wrong = Vec::new();
    let mut put = |key: String, value: &Value| match plain(value) {
        Some(text) => {
            entries.insert(key, text);
        }
        None => {
            let wanted = "a text, a whole number, true, false or a list of texts";
            wrong.push(ConfigError::new(key, value.type_str(), wanted));
        }
    };
    for (key, value) in table {
        match value {
            Value::Table(limits) if key == "limits" => {
                for (name, value) in limits {
                    if Limits::NAMES.contains(&name.as_str()) {
                        put(format!("limits.{name}"), &value);
                    } else {
                        unknown(&format!("limits.{name}"));
                    }
                }
            }
            Value::Table(live) if key == "live" => {
                for (name, value) in live {
                    match names::LIVE_KEYS.iter().find(|(key, _)| *key == name) {
                        Some((_, setting)) => put((*setting).to_owned(), &value),
                        None => unknown(&format!("live.{name}")),
                    }
                }
                put(LIVE.to_owned(), &Value::Boolean(true));
            }
            value if names::SETTINGS.iter().any(|setting| setting.name == key) => put(key, &value),
            _ => unknown(&key),
        }
    }
    errors.append(&mut wrong);
    entries
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(is_so) => Some(is_so.to_string()),
        Value::Array(items) => {
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.map(|texts| texts.join(","))
        }
        Value::Float(_) | Value::Datetime(_) | Value::Table(_) => None,
    }
}
