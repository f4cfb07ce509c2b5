//! The one place that writes to standard output and standard error.
//!
//! *Always holds:* with `--json`, standard output carries exactly one JSON value (`inbox --follow` and a
//! `live sub` without an end: one a line). Control characters in text never reach a terminal, whoever wrote
//! the text.

use std::io::{self, Write};

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat, stat};
use serde_json::{Value, json};

use crate::failure::Failure;

/// Where a command's results and remarks go.
#[derive(Debug)]
pub(crate) struct Terminal {
    json: bool,
    /// A JSON value was written or begun, so that a failure must not add a second one.
    spoke: bool,
    /// Items written of the array that was begun, if one was.
    listed: Option<usize>,
}

impl Terminal {
    /// Speaks JSON or plain text.
    pub(crate) fn new(json: bool) -> Terminal {
        Terminal { json, spoke: false, listed: None }
    }

    /// Writes a result: the value with `--json`, else the lines.
    pub(crate) fn result<'a>(
        &mut self,
        value: &Value,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<()> {
        if self.json {
            return self.value(value);
        }
        let mut out = io::stdout().lock();
        for line in lines {
            writeln!(out, "{}", clean(line))?;
        }
        out.flush()
    }

    /// Writes one JSON value on a line of its own.
    pub(crate) fn value(&mut self, value: &Value) -> io::Result<()> {
        self.spoke = true;
        let mut out = io::stdout().lock();
        writeln!(out, "{}", json_text(value))?;
        out.flush()
    }

    /// Writes text as it is, which must be our own.
    pub(crate) fn own_text(&mut self, text: &str) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    /// Writes bytes of others as they are, which must be one JSON value: what a command was asked to
    /// transform is for a program, and every byte of it counts.
    pub(crate) fn filtered(&mut self, json: &[u8]) -> io::Result<()> {
        self.spoke = true;
        let mut out = io::stdout().lock();
        out.write_all(json)?;
        out.flush()
    }

    /// Begins a JSON array that [`Terminal::item`] fills, so that each item can be relied on once it is
    /// written.
    pub(crate) fn begin_list(&mut self) -> io::Result<()> {
        if !self.json {
            return Ok(());
        }
        self.spoke = true;
        self.listed = Some(0);
        io::stdout().lock().write_all(b"[")
    }

    /// Writes one item: into the array if one was begun, else on a line of its own.
    pub(crate) fn item<'a>(
        &mut self,
        value: &Value,
        lines: impl IntoIterator<Item = &'a str>,
    ) -> io::Result<()> {
        let Some(listed) = self.listed.as_mut().filter(|_| self.json) else {
            return self.result(value, lines);
        };
        let comma = if *listed > 0 { ",\n" } else { "\n" };
        *listed += 1;
        let mut out = io::stdout().lock();
        write!(out, "{comma}{}", json_text(value))?;
        out.flush()
    }

    /// Ends the array, if one was begun.
    pub(crate) fn end_list(&mut self) -> io::Result<()> {
        if self.listed.take().is_none() {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        out.write_all(b"]\n")?;
        out.flush()
    }

    /// Says something to the person at the terminal, on standard error. Failing to say it is no failure.
    pub(crate) fn remark(&self, text: &str) {
        let _ = writeln!(io::stderr().lock(), "{}", clean(text));
    }

    /// Says why the command failed: a line on standard error, and with `--json` the one value if none was
    /// written.
    pub(crate) fn fail(&mut self, failure: &Failure) {
        let text = failure.to_string();
        for (at, line) in text.lines().enumerate() {
            self.remark(&if at == 0 { format!("peermesh: {line}") } else { line.to_owned() });
        }
        if self.json && !self.spoke {
            let exit = failure.exit();
            let value = json!({ "error": exit.word(), "message": text, "exit": exit as u8 });
            let _ = self.value(&value);
        }
    }
}

/// Makes sure that what is written to standard output comes to somebody, before anything is acknowledged for
/// having been written there.
///
/// In the place of a standard output that is closed, the runtime of Rust opens the null device, for reading
/// too; whoever means to throw output away opens it for writing alone. Where standard output is open for
/// reading alone, that runtime takes every write without a word.
///
/// # Errors
/// [`Failure::Unseen`] where it comes to nobody.
pub(crate) fn check_seen() -> Result<(), Failure> {
    let is_null = |device| stat("/dev/null").is_ok_and(|null| null.st_rdev == device);
    let out = io::stdout();
    let (Ok(flags), Ok(about)) = (fcntl_getfl(&out), fstat(&out)) else { return Err(Failure::Unseen) };
    let is_device = FileType::from_raw_mode(about.st_mode) == FileType::CharacterDevice;
    match flags & OFlags::RWMODE {
        mode if mode == OFlags::WRONLY => Ok(()),
        mode if mode == OFlags::RDWR && !(is_device && is_null(about.st_rdev)) => Ok(()),
        _ => Err(Failure::Unseen),
    }
}

/// Columns of equal width under headings, without trailing spaces.
pub(crate) fn table(headings: &[&str], rows: &[Vec<String>]) -> Vec<String> {
    let clean_rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| clean(cell)).collect()).collect();
    let width = |column: usize| {
        let heading = headings.get(column).map_or(0, |text| text.chars().count());
        clean_rows
            .iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .fold(heading, usize::max)
    };
    let widths: Vec<usize> = (0..headings.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells.zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut headings.iter().copied())];
    lines.extend(clean_rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines
}

/// The text without what could steer a terminal: control characters, and marks that reorder or break lines.
pub(crate) fn clean(text: &str) -> String {
    text.chars().filter(|&letter| !steers(letter)).collect()
}

fn steers(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// JSON that is safe to show: what [`clean`] would drop is escaped, so nothing is lost and nothing steers.
pub(crate) fn json_text(value: &Value) -> String {
    let mut text = String::new();
    for letter in value.to_string().chars() {
        if steers(letter) {
            text.push_str(&format!("\\u{:04x}", u32::from(letter)));
        } else {
            text.push(letter);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s_inj_02_text_of_others_cannot_steer_the_terminal() {
        assert_eq!(clean("a\u{1b}[2Jb\r\nc\u{9b}31m\u{202e}d\u{7f}"), "a[2Jbc31md");
        assert_eq!(clean("grün 🌱"), "grün 🌱");
    }

    #[test]
    fn s_inj_02_json_keeps_such_text_but_escapes_it() {
        let value = json!({ "text": "a\u{9b}\u{202e}\u{1b}b" });
        let shown = json_text(&value);
        assert!(shown.chars().all(|letter| !steers(letter)), "{shown}");
        assert_eq!(serde_json::from_str::<Value>(&shown).unwrap(), value);
    }

    #[test]
    fn a_table_lines_its_columns_up() {
        let rows = vec![vec!["ann".into(), "idle".into()], vec!["robert".into(), "".into()]];
        assert_eq!(table(&["NAME", "STATUS"], &rows), ["NAME    STATUS", "ann     idle", "robert"]);
    }
}
