//! Standard input: read whole, or refused.

use std::io::{self, Read};

/// The longest text that is read in the place of an argument, in bytes: no broker can be set to take a longer
/// message (`message_bytes_max`), and what this one takes is for it to say.
const TEXT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Why standard input cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    #[error("cannot read standard input: {0}")]
    Io(#[from] io::Error),
    #[error("cannot read standard input: it is longer than {TEXT_BYTES_MAX} bytes, the most that is taken")]
    TooLong,
    #[error(
        "cannot read standard input: it is not UTF-8 after {valid} bytes; convert it with iconv, or make text \
         of it with base64"
    )]
    NoText { valid: usize },
}

/// An argument, or standard input where it is `-`, so that nothing secret has to stand in a list of
/// processes.
///
/// # Errors
/// When standard input cannot be read, is too long, or is no text.
pub(crate) fn argument(text: String) -> Result<String, InputError> {
    if text != "-" {
        return Ok(text);
    }
    let bytes = bounded(io::stdin().lock(), TEXT_BYTES_MAX)?.ok_or(InputError::TooLong)?;
    let mut text = String::from_utf8(bytes)
        .map_err(|error| InputError::NoText { valid: error.utf8_error().valid_up_to() })?;
    text.truncate(text.trim_end_matches(['\r', '\n']).len());
    Ok(text)
}

/// All of it, unless it is longer than that; then no more than that and a byte is read.
///
/// # Errors
/// What the source says.
pub(crate) fn bounded(source: impl Read, bytes_max: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.take(u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() <= bytes_max))
}

#[cfg(test)]
mod tests {
    use peermesh_core::config::Limits;

    use super::*;

    #[test]
    fn a_text_may_be_as_long_as_the_longest_message_that_a_broker_can_be_set_to_take() {
        let row = Limits::TABLE.iter().find(|row| row.name == "message_bytes_max").unwrap();
        assert_eq!(row.max, u64::try_from(TEXT_BYTES_MAX).unwrap());
    }

    #[test]
    fn a_source_is_read_whole_or_not_at_all() {
        assert_eq!(bounded(&b"four"[..], 4).unwrap().as_deref(), Some(&b"four"[..]));
        assert_eq!(bounded(&b"fives"[..], 4).unwrap(), None);
    }
}
