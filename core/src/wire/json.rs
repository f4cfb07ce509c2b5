//! A strict look at a JSON message before anybody reads it: one object, within its bounds, with one meaning.
//!
//! *Decides* what two readers could read differently or what only costs: depth, wide objects and arrays, long
//! keys and numbers, repeated keys (after unescaping), integers that a double cannot hold, lone surrogates,
//! NUL.
//! *Does not* know any message. *Always holds:* one pass without recursion; nothing is allocated for a
//! message of ordinary width and depth whose keys need no escapes.

use std::borrow::Cow;
use std::fmt;

use crate::config::{Limits, size};
use crate::kit::few::Few;
use crate::wire::cursor::{Cursor, Number, Slip, SlipKind};

/// Greatest integer that every reader of JSON agrees upon: 2^53 - 1.
const INTEGER_MAX: u64 = 9_007_199_254_740_991;
/// Up to this many keys an object is searched for repetitions pairwise, beyond by sorting.
const PAIRWISE_MAX: usize = 32;

/// Why a text is refused, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw} at byte {at}")]
pub struct JsonFault {
    /// What is wrong.
    pub flaw: Flaw,
    /// Where, in bytes from the start.
    pub at: usize,
}

macro_rules! flaws {
    ($($(#[$doc:meta])* $Flaw:ident = $text:literal;)+) => {
        /// What can be wrong with a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flaw { $($(#[$doc])* $Flaw,)+ }

        impl fmt::Display for Flaw {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Flaw::$Flaw => $text,)+ })
            }
        }
    };
}

flaws! {
    /// The text does not begin with `{`.
    NoObject = "not a JSON object";
    /// The text breaks the grammar.
    Syntax = "not JSON";
    /// The text ends too early.
    Truncated = "unfinished JSON";
    /// Something follows the object.
    Trailing = "text after the JSON object";
    /// Over `json_depth_max`.
    Depth = "JSON nested too deep";
    /// Over `json_keys_max`.
    Keys = "too many keys in an object";
    /// Over `json_items_max`.
    Items = "too many items in an array";
    /// Over `json_key_bytes_max`.
    LongKey = "key too long";
    /// The key stood in the object before.
    RepeatedKey = "repeated key";
    /// Over `json_number_chars_max`.
    LongNumber = "number too long";
    /// An integer beyond 2^53 - 1, a negative zero, or a number that no double holds.
    Range = "number out of range";
    /// A raw control character, or an escaped NUL.
    Control = "control character in a string";
    /// An escape that does not exist.
    Escape = "bad escape";
    /// Half of a surrogate pair.
    Surrogate = "lone surrogate";
}

/// Judges a text.
///
/// # Errors
/// The first flaw, except that repeated keys are found where their object ends.
pub fn check(text: &str, limits: &Limits) -> Result<(), JsonFault> {
    let cursor = Cursor::new(text, false);
    let mut scan = Scan { cursor, limits, open: Few::new(), keys: Few::new() };
    scan.cursor.space();
    if scan.cursor.peek() != Some(b'{') {
        return Err(scan.fault(Flaw::NoObject));
    }
    scan.run()
}

struct Scan<'a> {
    cursor: Cursor<'a>,
    limits: &'a Limits,
    /// The containers around the place, outermost first.
    open: Few<Open, 16>,
    /// The keys of all open objects, outermost first.
    keys: Few<Key, PAIRWISE_MAX>,
}

/// A container that has not ended.
#[derive(Clone, Copy, Default)]
struct Open {
    is_object: bool,
    /// Keys or items so far.
    count: usize,
    /// Where the object's keys begin among all keys.
    first_key: usize,
}

/// A key as it stands in the text, between its quotes.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Key {
    at: u32,
    bytes: u32,
    escaped: bool,
}

impl Scan<'_> {
    /// Goes from value to value; the containers around are on a stack of our own.
    fn run(&mut self) -> Result<(), JsonFault> {
        loop {
            let opened = match self.cursor.peek() {
                Some(b'{') => self.enter(true)?,
                Some(b'[') => self.enter(false)?,
                Some(b'"') => self.cursor.string().map(|_| false)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| false)?,
                Some(b't') => self.cursor.word("true").map(|()| false)?,
                Some(b'f') => self.cursor.word("false").map(|()| false)?,
                Some(b'n') => self.cursor.word("null").map(|()| false)?,
                _ => return Err(self.unexpected()),
            };
            if !opened && self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Enters a container up to its first value; false when it is empty and left already.
    fn enter(&mut self, is_object: bool) -> Result<bool, JsonFault> {
        if self.open.len() >= size(self.limits.json_depth_max()) {
            return Err(self.fault(Flaw::Depth));
        }
        self.open.push(Open { is_object, count: 0, first_key: self.keys.len() });
        self.cursor.at += 1;
        self.cursor.space();
        if self.cursor.peek() == Some(if is_object { b'}' } else { b']' }) {
            self.cursor.at += 1;
            self.open.pop();
            return Ok(false);
        }
        self.next_item()?;
        Ok(true)
    }

    /// Leaves containers that end here and goes on to the next value; true at the end of the text.
    fn after_value(&mut self) -> Result<bool, JsonFault> {
        loop {
            self.cursor.space();
            let Some(open) = self.open.last() else {
                return if self.cursor.is_done() { Ok(true) } else { Err(self.fault(Flaw::Trailing)) };
            };
            match (self.cursor.peek(), open.is_object) {
                (Some(b','), _) => {
                    self.cursor.at += 1;
                    self.cursor.space();
                    self.next_item()?;
                    return Ok(false);
                }
                (Some(b'}'), true) => self.refuse_repeated(open.first_key)?,
                (Some(b']'), false) => (),
                _ => return Err(self.unexpected()),
            }
            self.cursor.at += 1;
            self.open.pop();
        }
    }

    /// Counts the next item of the innermost container and, in an object, reads its key.
    fn next_item(&mut self) -> Result<(), JsonFault> {
        let Some(open) = self.open.last_mut() else { return Err(self.unexpected()) };
        open.count += 1;
        let (count, is_object) = (open.count, open.is_object);
        let (bound, flaw) = match is_object {
            true => (self.limits.json_keys_max(), Flaw::Keys),
            false => (self.limits.json_items_max(), Flaw::Items),
        };
        if count > size(bound) {
            return Err(self.fault(flaw));
        }
        if is_object {
            self.key()?;
        }
        Ok(())
    }

    fn key(&mut self) -> Result<(), JsonFault> {
        let start = self.cursor.at;
        if self.cursor.peek() != Some(b'"') {
            return Err(self.unexpected());
        }
        let escaped = self.cursor.string()?;
        let (from, bytes) = (start + 1, self.cursor.at - start - 2);
        if bytes > size(self.limits.json_key_bytes_max()) {
            return Err(JsonFault { flaw: Flaw::LongKey, at: start });
        }
        let (Ok(at), Ok(bytes)) = (u32::try_from(from), u32::try_from(bytes)) else {
            return Err(JsonFault { flaw: Flaw::LongKey, at: start });
        };
        self.keys.push(Key { at, bytes, escaped });
        self.cursor.space();
        if self.cursor.peek() != Some(b':') {
            return Err(self.unexpected());
        }
        self.cursor.at += 1;
        self.cursor.space();
        Ok(())
    }

    /// Forgets the keys of an object that ends, unless one of them stands there twice.
    fn refuse_repeated(&mut self, first: usize) -> Result<(), JsonFault> {
        let keys = self.keys.slice().get(first..).unwrap_or_default();
        let twice = match keys.len() {
            0..=PAIRWISE_MAX => keys
                .iter()
                .enumerate()
                .find(|&(at, key)| keys[..at].iter().any(|other| self.same(*key, *other))),
            _ => None,
        };
        let twice = match twice {
            Some((_, key)) => Some(*key),
            None if keys.len() > PAIRWISE_MAX => self.twice_in_many(keys),
            None => None,
        };
        if let Some(key) = twice {
            return Err(JsonFault { flaw: Flaw::RepeatedKey, at: size(key.at.into()) });
        }
        self.keys.truncate(first);
        Ok(())
    }

    fn twice_in_many(&self, keys: &[Key]) -> Option<Key> {
        let mut sorted: Vec<(Cow<'_, str>, Key)> = keys.iter().map(|key| (self.plain(*key), *key)).collect();
        sorted.sort_unstable_by(|(one, a), (two, b)| one.cmp(two).then(a.at.cmp(&b.at)));
        sorted.windows(2).find(|pair| pair[0].0 == pair[1].0).map(|pair| pair[1].1)
    }

    fn same(&self, one: Key, two: Key) -> bool {
        if one.escaped || two.escaped {
            return self.plain(one) == self.plain(two);
        }
        one.bytes == two.bytes && self.raw(one) == self.raw(two)
    }

    fn raw(&self, key: Key) -> &str {
        let (from, bytes) = (size(key.at.into()), size(key.bytes.into()));
        self.cursor.text.get(from..from + bytes).unwrap_or_default()
    }

    /// The key without escapes. They are known to be sound.
    fn plain(&self, key: Key) -> Cow<'_, str> {
        let raw = self.raw(key);
        if !key.escaped {
            return Cow::Borrowed(raw);
        }
        Cow::Owned(serde_json::from_str(&format!("\"{raw}\"")).unwrap_or_else(|_| raw.to_owned()))
    }

    fn number(&mut self) -> Result<(), JsonFault> {
        let Number { at, text, whole } = self.cursor.number()?;
        if text.len() > size(self.limits.json_number_chars_max()) {
            return Err(JsonFault { flaw: Flaw::LongNumber, at });
        }
        let in_range = match whole {
            Some(digits) => digits.parse::<u64>().is_ok_and(|value| value <= INTEGER_MAX) && text != "-0",
            None => text.parse::<f64>().is_ok_and(f64::is_finite),
        };
        if in_range { Ok(()) } else { Err(JsonFault { flaw: Flaw::Range, at }) }
    }

    fn unexpected(&self) -> JsonFault {
        self.cursor.unexpected().into()
    }

    fn fault(&self, flaw: Flaw) -> JsonFault {
        JsonFault { flaw, at: self.cursor.at }
    }
}

impl From<Slip> for JsonFault {
    fn from(Slip { kind, at }: Slip) -> JsonFault {
        let flaw = match kind {
            SlipKind::Syntax => Flaw::Syntax,
            SlipKind::Truncated => Flaw::Truncated,
            SlipKind::Control => Flaw::Control,
            SlipKind::Escape => Flaw::Escape,
            SlipKind::Surrogate => Flaw::Surrogate,
        };
        JsonFault { flaw, at }
    }
}

/// How deep a JSON text is nested, whose grammar was looked at before. A plain value is not.
pub(crate) fn depth(text: &str) -> u64 {
    let (mut depth, mut deepest) = (0_u64, 0);
    let (mut in_text, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            b'[' | b'{' if !in_text => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !in_text => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::depth;

    #[test]
    fn brackets_count_but_not_those_inside_texts() {
        for (text, wanted) in
            [("1", 0), ("[]", 1), (r#"{"a":[{}],"b":[]}"#, 3), (r#"["[[[", "\"[[", "\\"]"#, 1)]
        {
            assert_eq!(depth(text), wanted, "{text}");
        }
    }
}
