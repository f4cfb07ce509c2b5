//! As much of Postgres' wire format as it takes to see calls and their ends.

use std::collections::BTreeMap;

/// How the next message is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A length and a code: the first messages of a client.
    First,
    /// A letter and a length: all others.
    Lettered,
    /// One letter: the answer to a question about encryption.
    Letter,
}

/// A client's first messages, by their codes.
const ASKS_FOR_TLS: u32 = 80_877_103;
const ASKS_FOR_GSS: u32 = 80_877_104;

/// A stream cut into whole messages.
#[derive(Debug, Default)]
pub(super) struct Messages {
    unread: Vec<u8>,
}

impl Messages {
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.unread.extend_from_slice(bytes);
    }

    /// The next whole message with its head.
    pub(super) fn next(&mut self, form: Form) -> Option<Vec<u8>> {
        let letter = usize::from(form == Form::Lettered);
        let length = match form {
            Form::Letter => 1,
            Form::First | Form::Lettered => letter + number_at(&self.unread, letter)? as usize,
        };
        (!self.unread.is_empty() && self.unread.len() >= length)
            .then(|| self.unread.drain(..length).collect())
    }

    /// Everything, whole or not.
    pub(super) fn take_rest(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.unread)
    }
}

/// Whether a first message asks for encryption, which is answered by one letter.
pub(super) fn asks_for_encryption(first: &[u8]) -> bool {
    matches!(number_at(first, 4), Some(ASKS_FOR_TLS | ASKS_FOR_GSS))
}

/// A statement that is executed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) sql: String,
    /// The parameters as the client sent them.
    parameters: Vec<u8>,
}

impl Call {
    /// Whether the text is a part of the SQL or of a parameter.
    pub(super) fn contains(&self, part: &str) -> bool {
        let part = part.as_bytes();
        self.sql
            .as_bytes()
            .windows(part.len())
            .chain(self.parameters.windows(part.len()))
            .any(|at| at == part)
    }
}

/// What a client has prepared, and so what its calls mean.
#[derive(Debug, Default)]
pub(super) struct Prepared {
    statements: BTreeMap<Vec<u8>, String>,
    portals: BTreeMap<Vec<u8>, Call>,
}

impl Prepared {
    /// What this message executes, if it executes anything.
    pub(super) fn call_in(&mut self, message: &[u8]) -> Option<Call> {
        let (letter, body) = (message[0], &message[5..]);
        let mut words = body.split(|byte| *byte == 0);
        let mut word = || words.next().unwrap_or_default().to_vec();
        match letter {
            b'Q' => Some(Call { sql: text(&word()), parameters: Vec::new() }),
            b'P' => {
                let (name, sql) = (word(), text(&word()));
                self.statements.insert(name, sql);
                None
            }
            b'B' => {
                let (portal, statement) = (word(), word());
                let sql = self.statements.get(&statement).cloned().unwrap_or_default();
                self.portals.insert(portal, Call { sql, parameters: body.to_vec() });
                None
            }
            b'E' => Some(self.portals.get(&word()).cloned().unwrap_or_default()),
            _ => None,
        }
    }
}

/// Whether a client waits for an answer after this message.
pub(super) fn ends_request(message: &[u8]) -> bool {
    matches!(message[0], b'S' | b'Q')
}

/// Whether the server has performed all of a request after this message.
pub(super) fn ends_answer(message: &[u8]) -> bool {
    message[0] == b'Z'
}

fn number_at(bytes: &[u8], place: usize) -> Option<u32> {
    let bytes = bytes.get(place..place + 4)?;
    bytes.try_into().ok().map(u32::from_be_bytes)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::{Form, Messages, Prepared};

    fn lettered(letter: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap();
        [&[letter], &length.to_be_bytes()[..], body].concat()
    }

    #[test]
    fn messages_are_found_wherever_the_stream_was_cut() {
        let stream = [lettered(b'P', b"s\0SELECT 1\0\0\0"), lettered(b'S', b"")].concat();
        let mut messages = Messages::default();
        let mut found = Vec::new();
        for byte in stream {
            messages.push(&[byte]);
            found.extend(messages.next(Form::Lettered));
        }
        assert_eq!(found, [lettered(b'P', b"s\0SELECT 1\0\0\0"), lettered(b'S', b"")]);
    }

    #[test]
    fn a_call_is_known_by_what_was_prepared_under_its_name() {
        let mut prepared = Prepared::default();
        assert_eq!(prepared.call_in(&lettered(b'P', b"s1\0SELECT 1\0\0\0")), None);
        assert_eq!(prepared.call_in(&lettered(b'P', b"s2\0SELECT 2\0\0\0")), None);
        assert_eq!(prepared.call_in(&lettered(b'B', b"\0s1\0\0\0\0\x01\0\0\0\x04soup\0\0")), None);
        let call = prepared.call_in(&lettered(b'E', b"\0\0\0\0\0")).unwrap();
        assert_eq!(call.sql, "SELECT 1");
        assert!(call.contains("soup") && call.contains("LECT") && !call.contains("SELECT 2"));
        assert_eq!(prepared.call_in(&lettered(b'Q', b"COMMIT\0")).unwrap().sql, "COMMIT");
    }
}
