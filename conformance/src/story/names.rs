//! What the names in a story stand for: `$ann.key`, `$m1`.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::keys;
use crate::story::Told;

/// Values by name. Every `….key` has a value without being set: the public key of the name before it.
#[derive(Clone, Debug, Default)]
pub struct Names(BTreeMap<String, Value>);

/// Where a value is put in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Into plain text.
    Plain,
    /// Into JSON: a text is escaped as the inside of a JSON string.
    Json,
    /// Into a quoted string of a story, whose escapes are replaced afterwards.
    Quoted,
}

impl Names {
    /// Gives a name its value.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.0.insert(name.into(), value.into());
    }

    /// The value of a name, if it has one.
    pub fn find(&self, name: &str) -> Option<Value> {
        let derived = || name.strip_suffix(".key").map(|owner| Value::from(keys::public(owner)));
        self.0.get(name).cloned().or_else(derived)
    }

    /// Puts values in for `$name`; `$$` is a dollar sign.
    ///
    /// # Errors
    /// When a name has no value.
    pub fn fill(&self, text: &str, place: Place) -> Told<String> {
        let (mut filled, mut rest) = (String::new(), text);
        while let Some((plain, after)) = rest.split_once('$') {
            filled.push_str(plain);
            if let Some(after) = after.strip_prefix('$') {
                filled.push('$');
                rest = after;
                continue;
            }
            let (name, after) = after.split_at(name_len(after));
            let value = self.find(name).ok_or_else(|| format!("${name} has no value"))?;
            match (value, place) {
                (Value::String(text), Place::Plain) => filled.push_str(&text),
                (Value::String(text), Place::Json) => {
                    let quoted = Value::from(text).to_string();
                    filled.push_str(&quoted[1..quoted.len() - 1]);
                }
                (Value::String(text), Place::Quoted) => {
                    filled.push_str(&text.replace('\\', r"\\").replace('"', "\\\""));
                }
                (other, _) => filled.push_str(&other.to_string()),
            }
            rest = after;
        }
        filled.push_str(rest);
        Ok(filled)
    }
}

/// The name that a whole text consists of, if it is `$name`.
pub fn sole_name(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    (!name.is_empty() && name_len(name) == name.len()).then_some(name)
}

/// How far a name reaches: letters, digits, `_` and `-`, and dots between them.
fn name_len(text: &str) -> usize {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.".contains(c))).unwrap_or(text.len());
    text[..end].trim_end_matches('.').len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_put_in_as_their_place_demands() {
        let mut names = Names::default();
        names.set("m1", "a\"b");
        names.set("n", 7);
        names.set("list", serde_json::json!([1, "x"]));
        assert_eq!(names.fill("<$m1> $n.", Place::Plain).unwrap(), "<a\"b> 7.");
        assert_eq!(
            names.fill(r#"{"id":"$m1","l":$list}"#, Place::Json).unwrap(),
            r#"{"id":"a\"b","l":[1,"x"]}"#
        );
        assert_eq!(names.fill("5 $$", Place::Plain).unwrap(), "5 $");
        assert!(names.fill("$nobody", Place::Plain).is_err());
    }

    #[test]
    fn keys_need_not_be_set() {
        let names = Names::default();
        assert_eq!(names.find("bob.s1.key"), Some(Value::from(keys::public("bob.s1"))));
        assert_eq!(sole_name("$bob.key"), Some("bob.key"));
        assert_eq!((sole_name("$a b"), sole_name("a"), sole_name("$")), (None, None, None));
    }
}
