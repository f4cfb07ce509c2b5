//! Reads a line from front to back: words, quoted strings, pairs, balanced JSON.

use crate::story::Told;
use crate::story::given::{Data, Given};

/// What is left of a line.
#[derive(Clone, Copy, Debug)]
pub struct Scan<'a>(&'a str);

impl<'a> Scan<'a> {
    /// Starts at the front of a line.
    pub fn new(line: &'a str) -> Scan<'a> {
        Scan(line.trim_start())
    }

    /// The rest as it stands.
    pub fn rest(&mut self) -> &'a str {
        std::mem::take(&mut self.0).trim_end()
    }

    /// The rest without taking it.
    pub fn peek(&self) -> &'a str {
        self.0
    }

    /// True at the end of the line.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }

    /// Everything up to the next blank; empty at the end of the line.
    pub fn word(&mut self) -> &'a str {
        let end = self.0.find(char::is_whitespace).unwrap_or(self.0.len());
        self.take(end)
    }

    /// Takes this word if it is next.
    pub fn takes(&mut self, word: &str) -> bool {
        let mut ahead = *self;
        let found = ahead.word() == word;
        if found {
            *self = ahead;
        }
        found
    }

    /// Refuses to leave anything unread.
    ///
    /// # Errors
    /// When something is left.
    pub fn ends(&mut self) -> Told<()> {
        if self.is_done() { Ok(()) } else { Err(format!("did not expect: {}", self.0).into()) }
    }

    /// `name=value` as often as it follows. A value is a word, a quoted string, or balanced JSON.
    ///
    /// # Errors
    /// When a quoted string or a bracket does not end.
    pub fn pairs(&mut self) -> Told<Vec<(String, Given)>> {
        let mut pairs = Vec::new();
        while let Some((name, _)) = self.0.split_once('=') {
            if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || "_.-".contains(c)) {
                break;
            }
            self.0 = &self.0[name.len() + 1..];
            let value = match self.0.chars().next() {
                Some('"') => Given::Quoted(self.string()?.to_owned()),
                Some('{' | '[') => Given::Json(self.json()?.to_owned()),
                Some(_) | None => Given::Word(self.word().to_owned()),
            };
            pairs.push((name.to_owned(), value));
        }
        Ok(pairs)
    }

    /// A quoted string, without its quotes and with its escapes still in it.
    ///
    /// # Errors
    /// When there is none or it does not end.
    pub fn string(&mut self) -> Told<&'a str> {
        let inner =
            self.0.strip_prefix('"').ok_or_else(|| format!("wanted a quoted string at: {}", self.0))?;
        let mut escaped = false;
        for (at, c) in inner.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => {
                    self.0 = inner[at + 1..].trim_start();
                    return Ok(&inner[..at]);
                }
                _ => {}
            }
        }
        Err(format!("a string does not end: {}", self.0).into())
    }

    /// One or more quoted strings, each with an optional `*times`.
    ///
    /// # Errors
    /// When there is none, or a string does not end.
    pub fn data(&mut self) -> Told<Data> {
        let mut data = Data::default();
        loop {
            let text = self.string()?.to_owned();
            let times = match self.0.strip_prefix('*') {
                Some(after) => {
                    let mut number = Scan(after);
                    let word = number.word();
                    self.0 = number.0;
                    word.parse().map_err(|_| format!("{word} is no number of times"))?
                }
                None => 1,
            };
            data.parts.push((text, times));
            if !self.0.starts_with('"') {
                return Ok(data);
            }
        }
    }

    /// A balanced object or array, as it stands.
    ///
    /// # Errors
    /// When there is none or it does not end.
    pub fn json(&mut self) -> Told<&'a str> {
        if !self.0.starts_with(['{', '[']) {
            return Err(format!("wanted {{…}} or […] at: {}", self.0).into());
        }
        let (mut depth, mut in_string, mut escaped) = (0_usize, false, false);
        for (at, c) in self.0.char_indices() {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = in_string,
                '"' => in_string = !in_string,
                '{' | '[' if !in_string => depth += 1,
                '}' | ']' if !in_string => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.take(at + 1));
            }
        }
        Err(format!("a bracket does not end: {}", self.0).into())
    }

    /// A whole number.
    ///
    /// # Errors
    /// When the next word is none.
    pub fn number<N: std::str::FromStr>(&mut self) -> Told<N> {
        let word = self.word();
        word.parse().map_err(|_| format!("{word:?} is no number").into())
    }

    /// A length of time (`200ms`, `3s`, `2m`), in milliseconds.
    ///
    /// # Errors
    /// When the next word is none.
    pub fn millis(&mut self) -> Told<u64> {
        let word = self.word();
        let digits = word.trim_end_matches(char::is_alphabetic);
        let unit = match &word[digits.len()..] {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            _ => return Err(format!("{word:?} is no length of time such as 200ms, 3s or 2m").into()),
        };
        let count: u64 = digits.parse().map_err(|_| format!("{word:?} is no length of time"))?;
        Ok(count * unit)
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, left) = self.0.split_at(bytes);
        self.0 = left.trim_start();
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_end_where_something_else_begins() {
        let mut scan = Scan::new(r#"pid=7 groups=["a b"] cwd="/x y" then signature=bad"#);
        let pairs = scan.pairs().unwrap();
        let wanted = [
            ("pid", Given::Word("7".to_owned())),
            ("groups", Given::Json(r#"["a b"]"#.to_owned())),
            ("cwd", Given::Quoted("/x y".to_owned())),
        ];
        assert!(
            pairs.iter().map(|(name, value)| (name.as_str(), value)).eq(wanted.iter().map(|(n, v)| (*n, v)))
        );
        assert!(scan.takes("then"));
        assert_eq!(scan.rest(), "signature=bad");
    }

    #[test]
    fn json_is_taken_up_to_its_own_end() {
        let mut scan = Scan::new(r#"{"a":"}\"{","b":[1,{}]} -> 200"#);
        assert_eq!(scan.json().unwrap(), r#"{"a":"}\"{","b":[1,{}]}"#);
        assert_eq!(scan.rest(), "-> 200");
        assert!(Scan::new("{\"a\":1").json().is_err());
    }

    #[test]
    fn data_is_strings_with_repetition() {
        let mut scan = Scan::new(r#""GET " "x: y\r\n"*1000 -> end"#);
        assert_eq!(scan.data().unwrap().parts, [("GET ".to_owned(), 1), (r"x: y\r\n".to_owned(), 1_000)]);
        assert_eq!(scan.word(), "->");
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        let times: Vec<_> =
            ["200ms", "3s", "2m"].iter().map(|text| Scan::new(text).millis().unwrap()).collect();
        assert_eq!(times, [200, 3_000, 120_000]);
        assert!(Scan::new("5").millis().is_err() && Scan::new("s").millis().is_err());
    }
}
