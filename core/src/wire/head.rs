//! A whole HTTP head out of bytes that arrive anyhow.
//!
//! *Decides* where a head ends and refuses what two readers could read differently: bare line feeds, bare
//! carriage returns, folded lines. *Always holds:* each byte is looked at once, and no more than the bounds
//! is stored.

use crate::config::{Limits, size};

/// Why a head is refused before it is parsed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeadFlaw {
    /// The first line is over its limit.
    LongLine,
    /// A header line is over its limit.
    LongHeader,
    /// There are too many headers.
    ManyHeaders,
    /// The head as a whole is over its limit.
    LongHead,
    /// A line ended in a line feed alone, or a carriage return stood alone.
    BareLineEnd,
    /// A header went on in the next line.
    Folded,
    /// The first line is empty.
    Empty,
}

/// Bounds of a head, in bytes and lines.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadBounds {
    line: usize,
    header: usize,
    headers: usize,
    total: usize,
}

impl HeadBounds {
    /// What a stranger's request may take: the limits of heads, within all that is read before a hello.
    pub(crate) fn of_request(limits: &Limits) -> HeadBounds {
        let total = limits.head_bytes_max().min(limits.hello_bytes_max());
        HeadBounds { total: size(total), ..HeadBounds::of_response(limits) }
    }

    /// What a server's answer may take.
    pub(crate) fn of_response(limits: &Limits) -> HeadBounds {
        HeadBounds {
            line: size(limits.head_line_bytes_max()),
            header: size(limits.head_header_bytes_max()),
            headers: size(limits.head_headers_max()),
            total: size(limits.head_bytes_max()),
        }
    }
}

/// Gathers one head.
#[derive(Debug, Default)]
pub(crate) struct HeadReader {
    bytes: Vec<u8>,
    /// Bytes of the line in progress, its end not counted.
    line_bytes: usize,
    /// Lines finished.
    lines: usize,
    /// The byte before was a carriage return.
    returned: bool,
}

impl HeadReader {
    /// Takes bytes off the front of `input` up to the end of the head; true when it is complete.
    pub(crate) fn read(&mut self, input: &mut &mut [u8], bounds: HeadBounds) -> Result<bool, HeadFlaw> {
        let mut taken = 0;
        let mut complete = false;
        for &byte in input.iter() {
            taken += 1;
            if self.bytes.len() + taken > bounds.total {
                return Err(HeadFlaw::LongHead);
            }
            if self.step(byte, bounds)? {
                complete = true;
                break;
            }
        }
        let (front, rest) = std::mem::take(input).split_at_mut(taken);
        self.bytes.extend_from_slice(front);
        *input = rest;
        Ok(complete)
    }

    /// The bytes gathered so far: the head, once it is complete.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Judges one byte; true when it ends the head.
    fn step(&mut self, byte: u8, bounds: HeadBounds) -> Result<bool, HeadFlaw> {
        match (std::mem::take(&mut self.returned), byte) {
            (true, b'\n') => self.end_line(bounds),
            (true, _) | (false, b'\n') => Err(HeadFlaw::BareLineEnd),
            (false, b'\r') => {
                self.returned = true;
                Ok(false)
            }
            (false, b' ' | b'\t') if self.line_bytes == 0 && self.lines > 0 => Err(HeadFlaw::Folded),
            (false, _) => {
                self.line_bytes += 1;
                let (bound, flaw) = match self.lines {
                    0 => (bounds.line, HeadFlaw::LongLine),
                    _ => (bounds.header, HeadFlaw::LongHeader),
                };
                if self.line_bytes > bound { Err(flaw) } else { Ok(false) }
            }
        }
    }

    fn end_line(&mut self, bounds: HeadBounds) -> Result<bool, HeadFlaw> {
        if std::mem::take(&mut self.line_bytes) == 0 {
            return if self.lines == 0 { Err(HeadFlaw::Empty) } else { Ok(true) };
        }
        self.lines += 1;
        // The first line is no header.
        if self.lines > bounds.headers + 1 { Err(HeadFlaw::ManyHeaders) } else { Ok(false) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, piece: usize) -> Result<Option<usize>, HeadFlaw> {
        let bounds = HeadBounds { line: 20, header: 30, headers: 2, total: 80 };
        let mut reader = HeadReader::default();
        for part in text.as_bytes().to_vec().chunks_mut(piece) {
            let mut rest = part;
            if reader.read(&mut rest, bounds)? {
                return Ok(Some(reader.bytes().len()));
            }
        }
        Ok(None)
    }

    #[test]
    fn a_head_ends_at_its_empty_line_however_it_is_cut() {
        let head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        for piece in 1..40 {
            assert_eq!(read(&format!("{head}body"), piece), Ok(Some(head.len())), "{piece}");
            assert_eq!(read(&head[..head.len() - 1], piece), Ok(None));
        }
    }

    #[test]
    fn s_hsk_02_each_bound_of_a_head_is_kept_at_its_very_byte() {
        let long = |bytes: usize| "x".repeat(bytes);
        assert_eq!(read(&long(20), 1), Ok(None));
        assert_eq!(read(&long(21), 1), Err(HeadFlaw::LongLine));
        assert_eq!(read(&format!("a\r\n{}", long(30)), 99), Ok(None));
        assert_eq!(read(&format!("a\r\n{}", long(31)), 99), Err(HeadFlaw::LongHeader));
        assert_eq!(read("a\r\nb:\r\nc:\r\n", 99), Ok(None));
        assert_eq!(read("a\r\nb:\r\nc:\r\nd:\r\n", 99), Err(HeadFlaw::ManyHeaders));
        let two = format!("{}\r\n{}\r\n", long(20), long(30));
        assert_eq!(read(&format!("{two}{}", long(26)), 99), Ok(None));
        assert_eq!(read(&format!("{two}{}", long(27)), 99), Err(HeadFlaw::LongHead));
    }

    #[test]
    fn s_hsk_03_line_ends_that_two_readers_could_read_differently_are_refused() {
        assert_eq!(read("GET / HTTP/1.1\n", 99), Err(HeadFlaw::BareLineEnd));
        assert_eq!(read("GET / HTTP/1.1\rX", 99), Err(HeadFlaw::BareLineEnd));
        assert_eq!(read("a\r\nb: c\r\r\n", 99), Err(HeadFlaw::BareLineEnd));
        assert_eq!(read("a\r\nb: c\r\n d", 99), Err(HeadFlaw::Folded));
        assert_eq!(read("a\r\n\tb", 99), Err(HeadFlaw::Folded));
        assert_eq!(read("\r\na", 99), Err(HeadFlaw::Empty));
    }
}
