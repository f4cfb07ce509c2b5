//! Values as a story gives them, and what they come to once its names are known.

use serde_json::Value;

use crate::story::names::{Names, Place, sole_name};
use crate::story::{Said, Told};

/// The right side of `name=value`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Given {
    /// `"a text"`: a text whatever it looks like.
    Quoted(String),
    /// `{…}` or `[…]`.
    Json(String),
    /// A word: a number, `true`, `false`, `null`, `now`, `now+MS`, `now-MS`, a name's value; else a text.
    Word(String),
}

/// Bytes put together from quoted strings: each has escapes and names in it, and may be repeated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Data {
    /// Strings and how often each is repeated.
    pub parts: Vec<(String, usize)>,
}

impl Given {
    /// As text, for headers and settings.
    ///
    /// # Errors
    /// When a name in it has no value.
    pub fn text(&self, names: &Names) -> Told<String> {
        match self {
            Given::Quoted(text) => utf8(unescape(&names.fill(text, Place::Quoted)?)?),
            Given::Json(text) | Given::Word(text) => names.fill(text, Place::Plain),
        }
    }

    /// As JSON, for fields of a message; `now` is the broker's time in Unix milliseconds.
    ///
    /// # Errors
    /// When a name in it has no value, or it is not the JSON it seems to be.
    pub fn json(&self, names: &Names, now: i64) -> Told<Value> {
        match self {
            Given::Quoted(_) => self.text(names).map(Value::from),
            Given::Json(text) => {
                let text = names.fill(text, Place::Json)?;
                serde_json::from_str(&text).map_err(|error| Said(format!("{text}: {error}")))
            }
            Given::Word(word) => {
                if let Some(offset) = word.strip_prefix("now") {
                    let offset: i64 = if offset.is_empty() { Ok(0) } else { offset.parse() }
                        .map_err(|_| format!("{word}: wanted now, now+MS or now-MS"))?;
                    return Ok(Value::from(now + offset));
                }
                if let Some(value) = sole_name(word).and_then(|name| names.find(name)) {
                    return Ok(value);
                }
                let text = names.fill(word, Place::Plain)?;
                Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
            }
        }
    }
}

impl Data {
    /// The bytes.
    ///
    /// # Errors
    /// When a name in it has no value, or an escape is none.
    pub fn bytes(&self, names: &Names) -> Told<Vec<u8>> {
        let mut bytes = Vec::new();
        for (text, times) in &self.parts {
            bytes.extend(unescape(&names.fill(text, Place::Quoted)?)?.repeat(*times));
        }
        Ok(bytes)
    }

    /// The bytes as text.
    ///
    /// # Errors
    /// As [`Data::bytes`], and when they are not UTF-8.
    pub fn text(&self, names: &Names) -> Told<String> {
        utf8(self.bytes(names)?)
    }
}

fn utf8(bytes: Vec<u8>) -> Told<String> {
    String::from_utf8(bytes).map_err(|_| "wanted text, not bytes".into())
}

/// Replaces escapes: `\n \r \t \0 \\ \"`, `\xHH` for one byte, `\u{HEX}` for one character.
///
/// # Errors
/// When a backslash is followed by something else.
pub fn unescape(text: &str) -> Told<Vec<u8>> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((plain, after)) = rest.split_once('\\') {
        bytes.extend_from_slice(plain.as_bytes());
        let bad = || Said(format!("no such escape: \\{after}"));
        let kind = after.chars().next().ok_or_else(bad)?;
        rest = &after[kind.len_utf8()..];
        match kind {
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            '0' => bytes.push(0),
            '\\' | '"' => bytes.extend_from_slice(kind.to_string().as_bytes()),
            'x' => {
                let hex = rest.get(..2).ok_or_else(bad)?;
                bytes.push(u8::from_str_radix(hex, 16).map_err(|_| bad())?);
                rest = &rest[2..];
            }
            'u' => {
                let (hex, after) =
                    rest.strip_prefix('{').and_then(|inner| inner.split_once('}')).ok_or_else(bad)?;
                let code = u32::from_str_radix(hex, 16).map_err(|_| bad())?;
                let c = char::from_u32(code).ok_or_else(bad)?;
                bytes.extend_from_slice(c.to_string().as_bytes());
                rest = after;
            }
            _ => return Err(bad()),
        }
    }
    bytes.extend_from_slice(rest.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_word_is_what_it_looks_like_and_a_quoted_text_is_text() {
        let mut names = Names::default();
        names.set("m1", "abc");
        names.set("n", 5);
        let word = |text: &str| Given::Word(text.to_owned()).json(&names, 1_000).unwrap();
        assert_eq!(
            [word("7"), word("true"), word("x7"), word("$m1"), word("$n")],
            [json!(7), json!(true), json!("x7"), json!("abc"), json!(5)]
        );
        assert_eq!([word("now"), word("now-400"), word("now+1")], [json!(1_000), json!(600), json!(1_001)]);
        assert_eq!(Given::Quoted("7".to_owned()).json(&names, 0).unwrap(), json!("7"));
        assert_eq!(
            Given::Json(r#"{"a":["$m1"]}"#.to_owned()).json(&names, 0).unwrap(),
            json!({"a": ["abc"]})
        );
        assert!(Given::Word("$unknown".to_owned()).json(&names, 0).is_err());
    }

    #[test]
    fn data_repeats_and_names_keep_their_exact_value() {
        let mut names = Names::default();
        names.set("x", "a\\\"\n\u{7}");
        let data = Data { parts: vec![("<$x>".to_owned(), 2), (r"\x00".to_owned(), 3)] };
        assert_eq!(data.bytes(&names).unwrap(), b"<a\\\"\n\x07><a\\\"\n\x07>\0\0\0");
    }

    #[test]
    fn escapes_give_bytes() {
        assert_eq!(unescape(r#"a\r\n\x81\xFF\"\\\u{20ac}"#).unwrap(), b"a\r\n\x81\xff\"\\\xe2\x82\xac");
        assert!(unescape(r"\q").is_err() && unescape("\\").is_err() && unescape(r"\x8").is_err());
    }
}
