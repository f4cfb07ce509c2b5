//! Canonical JSON (RFC 8785): one text for one value, so that two programs can hash or sign the same bytes.
//!
//! *Decides* what can be canonicalised: JSON in UTF-8 in which no object names a member twice, no string
//! holds half a surrogate pair and no number is beyond a double. Integers beyond 2^53, numbers so small that
//! they become zero, and noncharacters are taken, and come out as an ECMAScript program prints them.
//! *Does not* know what a text is for, nor the bounds of the wire. *Always holds:* one pass without
//! recursion, over a text that is never turned into a tree; what comes out is its own canonical form.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;

use serde::Serialize;

use crate::wire::cursor::{Cursor, Number, Slip, SlipKind};

/// How much a caller takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of the text.
    pub bytes_max: usize,
    /// Objects and arrays inside each other.
    pub depth_max: usize,
}

impl Bounds {
    /// What the tools of this project take: 16 MiB and 128 levels. Memory for a text is at most some ten
    /// times its size.
    pub const TOOLS: Bounds = Bounds { bytes_max: 16 * 1024 * 1024, depth_max: 128 };
}

/// The canonical form of a text, without a line end.
///
/// ```
/// use peermesh_core::jcs::{Bounds, canonicalize};
///
/// let canonical = canonicalize(br#" { "b" : 1.50, "\u0061" : [ 1e3 ] } "#, Bounds::TOOLS).unwrap();
/// assert_eq!(canonical, br#"{"a":[1000],"b":1.5}"#);
/// let refusal = canonicalize(br#"{"a":1,"\u0061":2}"#, Bounds::TOOLS).unwrap_err();
/// assert_eq!(refusal.to_string(), "a name that the object has already, at line 1, column 8 (byte 7)");
/// ```
///
/// # Errors
/// The first flaw, except that a repeated name is found where its object ends.
pub fn canonicalize(text: &[u8], bounds: Bounds) -> Result<Vec<u8>, Refusal> {
    arrange(text, bounds, by_units)
}

/// The text with its values in canonical form and its members in an order of the caller's.
pub(crate) fn arrange(
    text: &[u8],
    bounds: Bounds,
    order: fn(&str, &str) -> Ordering,
) -> Result<Vec<u8>, Refusal> {
    let refusal = |flaw, at| Refusal::new(text, flaw, at);
    if text.len() > bounds.bytes_max {
        return Err(refusal(Flaw::Size, bounds.bytes_max));
    }
    let sound = str::from_utf8(text).map_err(|error| refusal(Flaw::Utf8, error.valid_up_to()))?;
    if sound.starts_with('\u{feff}') {
        return Err(refusal(Flaw::ByteOrderMark, 0));
    }
    let mut writer = Writer {
        cursor: Cursor::new(sound, true),
        depth_max: bounds.depth_max,
        order,
        out: Vec::with_capacity(text.len()),
        open: Vec::new(),
        members: Vec::new(),
        names: String::new(),
    };
    match writer.run() {
        Ok(()) => Ok(writer.out),
        Err(Found { flaw, at }) => Err(refusal(flaw, at)),
    }
}

/// The order of RFC 8785: by UTF-16 code units. It is the order of UTF-8 bytes but for one thing: what takes
/// two units begins with a smaller one than U+E000 to U+FFFF, whose UTF-8 begins with 0xEE or 0xEF.
pub(crate) fn by_units(one: &str, other: &str) -> Ordering {
    let rank = |byte: u8| if matches!(byte, 0xee | 0xef) { byte + 0x10 } else { byte };
    one.bytes().map(rank).cmp(other.bytes().map(rank))
}

/// Why a text has no canonical form, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{flaw}, at line {line}, column {column} (byte {at})")]
pub struct Refusal {
    /// What is wrong.
    pub flaw: Flaw,
    /// Where, in bytes from the start.
    pub at: usize,
    /// The line of it, from 1.
    pub line: usize,
    /// The character of that line, from 1.
    pub column: usize,
}

impl Refusal {
    fn new(text: &[u8], flaw: Flaw, at: usize) -> Refusal {
        let before = text.get(..at).unwrap_or(text);
        let line_at = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        // Every character of UTF-8 has one byte that does not continue another.
        let letters = before[line_at..].iter().filter(|&&byte| byte & 0xc0 != 0x80).count();
        let lines = before[..line_at].iter().filter(|&&byte| byte == b'\n').count();
        Refusal { flaw, at, line: lines + 1, column: letters + 1 }
    }
}

macro_rules! flaws {
    ($($(#[$doc:meta])* $Flaw:ident = $word:literal, $text:literal;)+) => {
        /// What can be wrong with a text.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Flaw { $($(#[$doc])* $Flaw,)+ }

        impl Flaw {
            /// One word for it that programs can compare.
            pub const fn word(self) -> &'static str {
                match self { $(Flaw::$Flaw => $word,)+ }
            }
        }

        impl fmt::Display for Flaw {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Flaw::$Flaw => $text,)+ })
            }
        }
    };
}

flaws! {
    /// More bytes than the caller takes.
    Size = "size", "more bytes than are taken";
    /// The bytes are not UTF-8.
    Utf8 = "utf8", "not UTF-8";
    /// The text begins with U+FEFF.
    ByteOrderMark = "byte_order_mark", "a byte order mark";
    /// The text breaks the grammar of RFC 8259.
    Syntax = "syntax", "not JSON";
    /// The text ends too early.
    Truncated = "truncated", "the text ends too early";
    /// Something follows the value.
    Trailing = "trailing", "text after the value";
    /// More levels than the caller takes.
    Depth = "depth", "nested deeper than is taken";
    /// The name stood in the object before, perhaps written in another way.
    RepeatedName = "repeated_name", "a name that the object has already";
    /// No double is near the number.
    Range = "range", "a number that no double can hold";
    /// A raw control character in a string.
    Control = "control", "a control character that must be escaped";
    /// An escape that does not exist.
    Escape = "escape", "an escape that JSON does not have";
    /// Half of a surrogate pair.
    Surrogate = "surrogate", "half of a surrogate pair";
}

/// A flaw before its line is known.
struct Found {
    flaw: Flaw,
    at: usize,
}

impl From<Slip> for Found {
    fn from(Slip { kind, at }: Slip) -> Found {
        let flaw = match kind {
            SlipKind::Syntax => Flaw::Syntax,
            SlipKind::Truncated => Flaw::Truncated,
            SlipKind::Control => Flaw::Control,
            SlipKind::Escape => Flaw::Escape,
            SlipKind::Surrogate => Flaw::Surrogate,
        };
        Found { flaw, at }
    }
}

/// Writes while it reads. Members stand in `out` as they came until their object ends.
struct Writer<'a> {
    cursor: Cursor<'a>,
    depth_max: usize,
    order: fn(&str, &str) -> Ordering,
    out: Vec<u8>,
    /// The containers around the place, outermost first.
    open: Vec<Open>,
    /// The members of all open objects, outermost first.
    members: Vec<Member>,
    /// Their names without escapes, one after the other.
    names: String,
}

/// A container that has not ended.
struct Open {
    is_object: bool,
    is_empty: bool,
    /// Where the object's members begin among all members, and their names among all names.
    first_member: usize,
    first_name: usize,
}

/// A member of an object that has not ended.
struct Member {
    /// Its name, among the names.
    name: Range<usize>,
    /// Where its name and value stand in what is written. The end is known when the next one begins.
    written: Range<usize>,
    /// Where its name stands in the text.
    at: usize,
}

impl<'a> Writer<'a> {
    /// Goes from value to value; the containers around are on a stack of our own.
    fn run(&mut self) -> Result<(), Found> {
        self.cursor.space();
        loop {
            let opened = match self.cursor.peek() {
                Some(b'{') => self.enter(true)?,
                Some(b'[') => self.enter(false)?,
                Some(b'"') => self.string().map(|()| false)?,
                Some(b'-' | b'0'..=b'9') => self.number().map(|()| false)?,
                Some(b't') => self.word("true").map(|()| false)?,
                Some(b'f') => self.word("false").map(|()| false)?,
                Some(b'n') => self.word("null").map(|()| false)?,
                _ => return Err(self.cursor.unexpected().into()),
            };
            if !opened && self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Enters a container up to its first value; false when it is empty and left already.
    fn enter(&mut self, is_object: bool) -> Result<bool, Found> {
        if self.open.len() >= self.depth_max {
            return Err(self.found(Flaw::Depth));
        }
        let (begin, end) = if is_object { (b'{', b'}') } else { (b'[', b']') };
        self.cursor.at += 1;
        self.out.push(begin);
        self.cursor.space();
        if self.cursor.pass(&[end]) {
            self.out.push(end);
            return Ok(false);
        }
        let (first_member, first_name) = (self.members.len(), self.names.len());
        self.open.push(Open { is_object, is_empty: true, first_member, first_name });
        self.next_item()?;
        Ok(true)
    }

    /// Leaves containers that end here and goes on to the next value; true at the end of the text.
    fn after_value(&mut self) -> Result<bool, Found> {
        loop {
            self.cursor.space();
            let Some(open) = self.open.last() else {
                return if self.cursor.is_done() { Ok(true) } else { Err(self.found(Flaw::Trailing)) };
            };
            match (self.cursor.peek(), open.is_object) {
                (Some(b','), _) => {
                    self.cursor.at += 1;
                    self.cursor.space();
                    self.next_item()?;
                    return Ok(false);
                }
                (Some(b'}'), true) => {
                    let (first_member, first_name) = (open.first_member, open.first_name);
                    self.settle(first_member)?;
                    self.names.truncate(first_name);
                    self.out.push(b'}');
                }
                (Some(b']'), false) => self.out.push(b']'),
                _ => return Err(self.cursor.unexpected().into()),
            }
            self.cursor.at += 1;
            self.open.pop();
        }
    }

    /// Begins the next item of the innermost container and, in an object, passes its name.
    fn next_item(&mut self) -> Result<(), Found> {
        let Some(open) = self.open.last_mut() else { return Err(self.cursor.unexpected().into()) };
        let (is_object, is_first) = (open.is_object, open.is_empty);
        open.is_empty = false;
        if is_object && !is_first {
            self.end_member();
        }
        if !is_first {
            self.out.push(b',');
        }
        if is_object {
            self.name()?;
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), Found> {
        let (at, written_at, name_at) = (self.cursor.at, self.out.len(), self.names.len());
        if self.cursor.peek() != Some(b'"') {
            return Err(self.cursor.unexpected().into());
        }
        let escaped = self.cursor.string()?;
        let quoted = self.passed(at);
        if escaped {
            let name = plain(quoted, at)?;
            self.write_leaf(&name);
            self.names.push_str(&name);
        } else {
            self.out.extend_from_slice(quoted.as_bytes());
            self.names.push_str(&quoted[1..quoted.len() - 1]);
        }
        let name = name_at..self.names.len();
        self.members.push(Member { name, written: written_at..written_at, at });
        self.cursor.space();
        if !self.cursor.pass(b":") {
            return Err(self.cursor.unexpected().into());
        }
        self.out.push(b':');
        self.cursor.space();
        Ok(())
    }

    fn end_member(&mut self) {
        if let Some(member) = self.members.last_mut() {
            member.written.end = self.out.len();
        }
    }

    /// Brings the members of an object that ends into order and forgets them.
    fn settle(&mut self, first: usize) -> Result<(), Found> {
        self.end_member();
        let (members, names) = (&mut self.members[first..], self.names.as_str());
        let begins = members.first().map_or(self.out.len(), |member| member.written.start);
        let order =
            |one: &Member, other: &Member| (self.order)(&names[one.name.clone()], &names[other.name.clone()]);
        if !members.is_sorted_by(|one, other| order(one, other) == Ordering::Less) {
            // Of equal names the later one is the one to blame.
            members.sort_unstable_by(|one, other| order(one, other).then(one.at.cmp(&other.at)));
            let twice = members.windows(2).find(|pair| order(&pair[0], &pair[1]) == Ordering::Equal);
            if let Some([_, again]) = twice {
                return Err(Found { flaw: Flaw::RepeatedName, at: again.at });
            }
            let came = self.out.split_off(begins);
            for member in members.iter() {
                if self.out.len() > begins {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(&came[member.written.start - begins..member.written.end - begins]);
            }
        }
        self.members.truncate(first);
        Ok(())
    }

    fn string(&mut self) -> Result<(), Found> {
        let at = self.cursor.at;
        let escaped = self.cursor.string()?;
        let quoted = self.passed(at);
        if escaped {
            self.write_leaf(&plain(quoted, at)?);
        } else {
            self.out.extend_from_slice(quoted.as_bytes());
        }
        Ok(())
    }

    fn number(&mut self) -> Result<(), Found> {
        /// So many digits stand for themselves: every whole number of fifteen digits is a double.
        const DIGITS_EXACT: usize = 15;
        let Number { at, text, whole } = self.cursor.number()?;
        if whole.is_some_and(|digits| digits.len() <= DIGITS_EXACT) && text != "-0" {
            self.out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        let value = text.parse::<f64>().ok().filter(|value| value.is_finite());
        self.write_leaf(&value.ok_or(Found { flaw: Flaw::Range, at })?);
        Ok(())
    }

    fn word(&mut self, word: &str) -> Result<(), Found> {
        self.cursor.word(word)?;
        self.out.extend_from_slice(word.as_bytes());
        Ok(())
    }

    /// Writes a string or a finite number.
    fn write_leaf(&mut self, leaf: &impl Serialize) {
        serde_json_canonicalizer::to_writer(leaf, &mut self.out).expect("a leaf has a canonical form");
    }

    /// The text from there to the place.
    fn passed(&self, from: usize) -> &'a str {
        self.cursor.text.get(from..self.cursor.at).unwrap_or_default()
    }

    fn found(&self, flaw: Flaw) -> Found {
        Found { flaw, at: self.cursor.at }
    }
}

/// A string that the cursor passed, without its quotes and escapes.
fn plain(quoted: &str, at: usize) -> Result<String, Found> {
    serde_json::from_str(quoted).map_err(|_| Found { flaw: Flaw::Escape, at })
}
