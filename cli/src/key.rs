//! Keys under which a thing is done once, as people write them.

/// A text that is no key. Empty, it would count as none, and the same command could do the thing twice.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("give a key, or leave the flag out")]
pub(crate) struct KeyError;

/// Reads a key of at least one letter.
pub(crate) fn parse(text: &str) -> Result<String, KeyError> {
    if text.is_empty() { Err(KeyError) } else { Ok(text.to_owned()) }
}
