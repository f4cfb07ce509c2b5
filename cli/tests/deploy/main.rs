//! The files that deploy a broker. No container engine runs in tests, so they are read, held to what their
//! formats ask for, and compared with the program they deploy.

#[path = "../town/mod.rs"]
mod town;

mod alerts;
mod compose;
mod dockerfile;
mod image;
mod workflow;

use std::fs;
use std::path::{Path, PathBuf};

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::Value;

/// The repository.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The one document of a YAML file.
fn yaml(path: &str) -> Value {
    let text = read(path);
    let documents = Yaml::load_from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(documents.len(), 1, "{path} has one document");
    to_json(path, &documents[0])
}

/// What YAML and JSON share, which is all that these files use: no anchor, no tag, no key twice.
fn to_json(path: &str, node: &Yaml<'_>) -> Value {
    match node {
        Yaml::Value(Scalar::Null) => Value::Null,
        Yaml::Value(Scalar::Boolean(value)) => Value::from(*value),
        Yaml::Value(Scalar::Integer(value)) => Value::from(*value),
        Yaml::Value(Scalar::FloatingPoint(value)) => Value::from(value.into_inner()),
        Yaml::Value(Scalar::String(value)) => Value::from(value.as_ref()),
        Yaml::Sequence(items) => items.iter().map(|item| to_json(path, item)).collect(),
        Yaml::Mapping(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let key = key.as_str().unwrap_or_else(|| panic!("{path}: a key that is no text: {key:?}"));
                (key.to_owned(), to_json(path, value))
            });
            Value::Object(entries.collect())
        }
        other => panic!("{path}: {other:?}"),
    }
}

/// The names of an object.
fn names(value: &Value) -> Vec<&str> {
    value.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

/// A text, or a failure that says where one was expected.
fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what} is no text: {value}"))
}

/// `image:tag` with a tag that says a version: `latest` is another image every week.
fn assert_pinned(image: &str) {
    let (name, tag) = image.rsplit_once(':').unwrap_or_else(|| panic!("{image} has no tag"));
    let says_version = tag.contains(|letter: char| letter.is_ascii_digit()) || tag.starts_with("bookworm");
    assert!(!name.is_empty() && says_version, "{image} is not pinned");
}
