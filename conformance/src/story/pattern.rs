//! Patterns for JSON: what must be there, what must not, what is remembered.
//!
//! A pattern is JSON in which quotes may be left out. Objects may hold more fields than the pattern lists;
//! lists must have the same length unless `...` stands for any number of items. `_` is anything, `!field`
//! must be absent, `~"x"` is a text that contains x, and `$name` is the name's value or, while it has none,
//! gives it one.

use serde_json::Value;

use crate::story::given::unescape;
use crate::story::names::{Names, Place, sole_name};
use crate::story::scan::Scan;
use crate::story::{Said, Told};

/// What a JSON value must look like.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// `_`
    Any,
    /// `$name`
    Name(String),
    /// A text, with names in it.
    Text(String),
    /// `~"part"`
    Has(String),
    /// A number, `true`, `false` or `null`.
    Exact(Value),
    /// Items in order; `None` is `...`.
    List(Vec<Option<Pattern>>),
    /// Fields that must match, and fields that must be absent.
    Object(Vec<(String, Pattern)>, Vec<String>),
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// When the text is no pattern.
    pub fn parse(text: &str) -> Told<Pattern> {
        let mut reader = Reader(text.trim());
        let pattern = reader.pattern()?;
        if reader.0.is_empty() { Ok(pattern) } else { Err(format!("did not expect: {}", reader.0).into()) }
    }

    /// Holds a value against the pattern. Names that have no value yet get theirs if all of it matches.
    ///
    /// # Errors
    /// Where and why it does not match.
    pub fn holds(&self, value: &Value, names: &mut Names) -> Told<()> {
        let mut learned = names.clone();
        self.compare(value, &mut learned, "")?;
        *names = learned;
        Ok(())
    }

    fn compare(&self, value: &Value, names: &mut Names, at: &str) -> Told<()> {
        let differs = |wanted: &str| Said(format!("{}: wanted {wanted}, saw {value}", place(at)));
        let fits = match self {
            Pattern::Any => return Ok(()),
            Pattern::Name(name) => {
                let known = names.find(name);
                if known.is_none() {
                    names.set(name, value.clone());
                }
                return match known {
                    Some(known) if known != *value => Err(differs(&format!("${name} = {known}"))),
                    _ => Ok(()),
                };
            }
            Pattern::Text(text) => return text_fits(text, value, names, |have, text| have == text, &differs),
            Pattern::Has(text) => {
                return text_fits(text, value, names, |have, text| have.contains(text), &differs);
            }
            Pattern::Exact(exact) => exact == value,
            Pattern::List(items) => {
                let list = value.as_array().ok_or_else(|| differs("a list"))?;
                return compare_lists(items, list, names, at);
            }
            Pattern::Object(fields, absent) => {
                let object = value.as_object().ok_or_else(|| differs("an object"))?;
                for (name, pattern) in fields {
                    let at = format!("{at}.{name}");
                    let field = object
                        .get(name)
                        .ok_or_else(|| format!("{}: wanted it, but it is not there", place(&at)))?;
                    pattern.compare(field, names, &at)?;
                }
                if let Some(name) = absent.iter().find(|name| object.contains_key(*name)) {
                    return Err(format!("{}: must not be there", place(&format!("{at}.{name}"))).into());
                }
                true
            }
        };
        if fits { Ok(()) } else { Err(differs(&self.shown())) }
    }

    fn shown(&self) -> String {
        match self {
            Pattern::Exact(exact) => exact.to_string(),
            other => format!("{other:?}"),
        }
    }
}

fn place(at: &str) -> &str {
    if at.is_empty() { "the whole" } else { at }
}

fn text_fits(
    text: &str,
    value: &Value,
    names: &Names,
    fits: impl Fn(&str, &str) -> bool,
    differs: &impl Fn(&str) -> Said,
) -> Told<()> {
    let text = names.fill(text, Place::Plain)?;
    match value {
        Value::String(have) if fits(have, &text) => Ok(()),
        _ => Err(differs(&format!("{text:?}"))),
    }
}

fn compare_lists(items: &[Option<Pattern>], values: &[Value], names: &mut Names, at: &str) -> Told<()> {
    let Some((first, rest)) = items.split_first() else {
        return match values {
            [] => Ok(()),
            more => Err(format!("{}: {} items more than wanted: {more:?}", place(at), more.len()).into()),
        };
    };
    match (first, values.split_first()) {
        (None, None) => compare_lists(rest, values, names, at),
        (None, Some((_, after))) => {
            let mut learned = names.clone();
            if compare_lists(rest, values, &mut learned, at).is_ok() {
                *names = learned;
                return Ok(());
            }
            compare_lists(items, after, names, at)
        }
        (Some(pattern), None) => Err(format!("{}: wanted one more item: {pattern:?}", place(at)).into()),
        (Some(pattern), Some((value, after))) => {
            pattern.compare(value, names, &format!("{at}[]"))?;
            compare_lists(rest, after, names, at)
        }
    }
}

/// What is left of a pattern's text.
struct Reader<'a>(&'a str);

impl Reader<'_> {
    fn pattern(&mut self) -> Told<Pattern> {
        match self.0.chars().next() {
            Some('{') => self.object(),
            Some('[') => self.list(),
            Some('"') => {
                let text = self.string()?;
                Ok(match sole_name(&text) {
                    Some(name) => Pattern::Name(name.to_owned()),
                    None => Pattern::Text(text),
                })
            }
            Some('~') => {
                self.skip(1);
                Ok(Pattern::Has(self.string()?))
            }
            _ => {
                let word = self.bare()?;
                Ok(if word == "_" {
                    Pattern::Any
                } else if let Some(name) = sole_name(&word) {
                    Pattern::Name(name.to_owned())
                } else {
                    // Whatever is no JSON is a text without its quotes.
                    serde_json::from_str(&word).map_or(Pattern::Text(word), Pattern::Exact)
                })
            }
        }
    }

    fn object(&mut self) -> Told<Pattern> {
        let (mut fields, mut absent) = (Vec::new(), Vec::new());
        self.items('}', |reader| {
            if reader.0.starts_with("...") {
                reader.skip(3);
            } else if reader.0.starts_with('!') {
                reader.skip(1);
                absent.push(reader.key()?);
            } else {
                let key = reader.key()?;
                reader.expect(':')?;
                fields.push((key, reader.pattern()?));
            }
            Ok(())
        })?;
        Ok(Pattern::Object(fields, absent))
    }

    fn list(&mut self) -> Told<Pattern> {
        let mut items = Vec::new();
        self.items(']', |reader| {
            if reader.0.starts_with("...") {
                reader.skip(3);
                items.push(None);
            } else {
                items.push(Some(reader.pattern()?));
            }
            Ok(())
        })?;
        Ok(Pattern::List(items))
    }

    /// What stands between brackets, with commas in between.
    fn items(&mut self, end: char, mut item: impl FnMut(&mut Self) -> Told<()>) -> Told<()> {
        self.skip(1);
        loop {
            if self.0.starts_with(end) {
                self.skip(1);
                return Ok(());
            }
            item(self)?;
            if !self.0.starts_with(end) {
                self.expect(',')?;
            }
        }
    }

    fn key(&mut self) -> Told<String> {
        if self.0.starts_with('"') { self.string() } else { self.bare() }
    }

    fn string(&mut self) -> Told<String> {
        let mut scan = Scan::new(self.0);
        let text = unescape(scan.string()?)?;
        self.0 = scan.peek();
        String::from_utf8(text).map_err(|_| "a pattern is text, not bytes".into())
    }

    fn bare(&mut self) -> Told<String> {
        let end = self.0.find(|c: char| c.is_whitespace() || ",:{}[]\"".contains(c)).unwrap_or(self.0.len());
        let word = self.0[..end].to_owned();
        if word.is_empty() {
            return Err(format!("wanted a pattern at: {}", self.0).into());
        }
        self.skip(end);
        Ok(word)
    }

    fn expect(&mut self, c: char) -> Told<()> {
        if !self.0.starts_with(c) {
            return Err(format!("wanted {c} at: {}", self.0).into());
        }
        self.skip(c.len_utf8());
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        self.0 = self.0[bytes..].trim_start();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn holds(pattern: &str, value: &Value) -> Result<Names, String> {
        let mut names = Names::default();
        names.set("known", "k");
        let pattern = Pattern::parse(pattern).map_err(|said| said.0)?;
        pattern.holds(value, &mut names).map_err(|said| said.0)?;
        Ok(names)
    }

    #[test]
    fn listed_fields_must_be_equal_and_others_may_be_there() {
        let frame = json!({"type": "ack", "id": "c1", "queued": true, "n": 1.5, "none": null});
        assert!(holds("{type: ack, queued: true, n: 1.5, none: null, id: _}", &frame).is_ok());
        assert!(holds(r#"{"type":"ack","id":"c1"}"#, &frame).is_ok());
        let error = holds("{queued: false}", &frame).unwrap_err();
        assert_eq!(error, ".queued: wanted false, saw true");
        assert_eq!(holds("{error: _}", &frame).unwrap_err(), ".error: wanted it, but it is not there");
        assert_eq!(holds("{!id}", &frame).unwrap_err(), ".id: must not be there");
        assert!(holds("{!error, id: ~\"c\"}", &frame).is_ok());
        assert!(holds("{id: ~x}", &frame).is_err(), "a part is quoted");
    }

    #[test]
    fn a_name_without_a_value_learns_it_and_one_with_a_value_is_compared() {
        let names = holds("{a: $m1, b: $m1}", &json!({"a": "x", "b": "x"})).unwrap();
        assert_eq!(names.find("m1"), Some(json!("x")));
        assert!(holds("{a: $m1, b: \"$m1\"}", &json!({"a": "x", "b": "y"})).is_err());
        assert!(holds("[$known, \"<$known>\"]", &json!(["k", "<k>"])).is_ok());
        assert!(holds("[$known]", &json!(["x"])).is_err());
    }

    #[test]
    fn lists_have_their_length_unless_dots_stand_for_more() {
        let list = json!([1, 2, {"name": "bob"}, 4]);
        assert!(holds("[1, 2, {name: bob}, 4]", &list).is_ok());
        assert!(holds("[1, 2]", &list).is_err());
        assert!(holds("[1, ...]", &list).is_ok());
        assert!(holds("[..., {name: bob}, ...]", &list).is_ok());
        assert!(holds("[..., 2]", &list).is_err());
        assert!(holds("[]", &json!([])).is_ok());
    }

    #[test]
    fn a_text_that_is_no_pattern_is_refused() {
        for text in ["{a: }", "{a}", "[1", "{a: 1} b", "", "{a: \"x}"] {
            assert!(Pattern::parse(text).is_err(), "{text}");
        }
    }
}
