//! A place in a JSON text, and the grammar of RFC 8259 from there: one reader of it for all who judge texts.
//!
//! *Decides* what is a string, a number, a word. *Does not* bound anything, nor know what may follow what:
//! that is the business of whoever walks.

use crate::wire::plain::plain_run;

/// Where the grammar is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slip {
    pub(crate) kind: SlipKind,
    /// In bytes from the start.
    pub(crate) at: usize,
}

/// How the grammar is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SlipKind {
    /// Something else must stand here.
    Syntax,
    /// The text ends too early.
    Truncated,
    /// A raw control character, or an escaped NUL where none is wanted.
    Control,
    /// An escape that does not exist.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
}

/// A number as it stands in the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Number<'a> {
    /// Where it begins.
    pub(crate) at: usize,
    /// All of it.
    pub(crate) text: &'a str,
    /// The digits of the whole, when there is neither a fraction nor an exponent.
    pub(crate) whole: Option<&'a str>,
}

/// A place in a text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) text: &'a str,
    bytes: &'a [u8],
    /// In bytes from the start.
    pub(crate) at: usize,
    /// A string may hold an escaped NUL.
    takes_nul: bool,
}

impl<'a> Cursor<'a> {
    /// The start of a text.
    pub(crate) fn new(text: &'a str, takes_nul: bool) -> Cursor<'a> {
        Cursor { text, bytes: text.as_bytes(), at: 0, takes_nul }
    }

    /// Passes a string, whose first quote stands here; true when it holds escapes.
    pub(crate) fn string(&mut self) -> Result<bool, Slip> {
        self.at += 1;
        let mut escaped = false;
        loop {
            self.at += plain_run(self.bytes.get(self.at..).unwrap_or_default());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(escaped);
                }
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return Err(self.slip(SlipKind::Control)),
                None => return Err(self.slip(SlipKind::Truncated)),
            }
        }
    }

    fn escape(&mut self) -> Result<(), Slip> {
        let start = self.at;
        self.at += 2;
        match self.bytes.get(start + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => Ok(()),
            Some(b'u') => {
                let kind = match self.four_hex()? {
                    0 if !self.takes_nul => SlipKind::Control,
                    0xd800..=0xdbff => {
                        if self.bytes.get(self.at..self.at + 2) == Some(b"\\u") {
                            self.at += 2;
                            if (0xdc00..=0xdfff).contains(&self.four_hex()?) {
                                return Ok(());
                            }
                        }
                        SlipKind::Surrogate
                    }
                    0xdc00..=0xdfff => SlipKind::Surrogate,
                    _ => return Ok(()),
                };
                Err(Slip { kind, at: start })
            }
            Some(_) => Err(Slip { kind: SlipKind::Escape, at: start }),
            None => Err(Slip { kind: SlipKind::Truncated, at: self.bytes.len() }),
        }
    }

    fn four_hex(&mut self) -> Result<u32, Slip> {
        let mut value = 0;
        for _ in 0..4 {
            let Some(byte) = self.peek() else { return Err(self.slip(SlipKind::Truncated)) };
            let Some(digit) = char::from(byte).to_digit(16) else { return Err(self.slip(SlipKind::Escape)) };
            value = value * 16 + digit;
            self.at += 1;
        }
        Ok(value)
    }

    /// Passes a number, whose sign or first digit stands here.
    pub(crate) fn number(&mut self) -> Result<Number<'a>, Slip> {
        let at = self.at;
        self.pass(b"-");
        let whole_at = self.at;
        let mut sound = match self.peek() {
            Some(b'0') => {
                self.at += 1;
                true
            }
            _ => self.digits(),
        };
        let whole_end = self.at;
        if self.pass(b".") {
            sound &= self.digits();
        }
        if self.pass(b"eE") {
            self.pass(b"+-");
            sound &= self.digits();
        }
        if !sound {
            return Err(self.unexpected());
        }
        let whole = if whole_end == self.at { self.text.get(whole_at..whole_end) } else { None };
        Ok(Number { at, text: self.text.get(at..self.at).unwrap_or_default(), whole })
    }

    /// Passes digits; false when there is none.
    fn digits(&mut self) -> bool {
        let start = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        self.at > start
    }

    /// Passes one of these bytes, if it stands here.
    pub(crate) fn pass(&mut self, any_of: &[u8]) -> bool {
        let here = self.peek().is_some_and(|byte| any_of.contains(&byte));
        self.at += usize::from(here);
        here
    }

    /// Passes `true`, `false` or `null`.
    pub(crate) fn word(&mut self, word: &str) -> Result<(), Slip> {
        if !self.bytes[self.at..].starts_with(word.as_bytes()) {
            return Err(self.slip(SlipKind::Syntax));
        }
        self.at += word.len();
        Ok(())
    }

    /// Passes white space.
    pub(crate) fn space(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The byte that stands here.
    pub(crate) fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    /// Nothing is left.
    pub(crate) fn is_done(&self) -> bool {
        self.at >= self.bytes.len()
    }

    /// What stands here may not, or nothing stands here.
    pub(crate) fn unexpected(&self) -> Slip {
        self.slip(if self.is_done() { SlipKind::Truncated } else { SlipKind::Syntax })
    }

    fn slip(&self, kind: SlipKind) -> Slip {
        Slip { kind, at: self.at }
    }
}
