//! Puts other letters in the place of what peers seal, before it is written down.
//!
//! *Decides* letter by letter, so that nothing has to be held back: what stands in the place of a letter
//! is a running hash, under a key that nobody keeps, of the text up to it. Texts keep their length, equal
//! texts stay equal, and others differ from their first different letter on.
//!
//! *Does not* touch anything else: the value of `ciphertext` in what comes in over a WebSocket, and in
//! what the store finds of messages; and what the store tells of it in answer to a key that was used before
//! (`bodies.rs`). All else is read by the broker, and must stay for it to behave alike.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bodies::{Bodies, Part, Parts};
use crate::ids::ConnId;
use crate::store::{Answer, Found, Message, MessageView, PendingRow, Reply, StoreResult};

/// The name of what is sealed.
const SEALED: &[u8] = b"ciphertext";
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Shades what one shard hears.
#[derive(Debug)]
pub(super) struct Shade {
    key: Key,
    streams: BTreeMap<ConnId, Stream>,
    bodies: Bodies,
}

/// Two secret numbers; the second is odd.
#[derive(Clone, Copy)]
struct Key(u64, u64);

/// How far one connection's bytes were followed. It moves with its connection.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    stage: Stage,
    text: Text,
}

#[derive(Clone, Debug)]
enum Stage {
    /// In a request's head: how much of the empty line that ends it was seen, and its first letter.
    Head { ended: usize, first: Option<u8> },
    /// In the header of a frame: what was seen of it.
    Frame { head: [u8; 14], length: usize },
    /// In what a frame carries; a message may end with it.
    Load { left: u64, mask: [u8; 4], place: usize, is_text: bool, is_last: bool },
    /// In a body, to the end.
    Body,
}

impl Default for Stage {
    fn default() -> Stage {
        Stage::Head { ended: 0, first: None }
    }
}

/// How far the JSON text of a message was followed.
#[derive(Clone, Debug, Default)]
struct Text {
    place: Place,
    /// The beginning of the last string, and how much of that there was.
    word: [u8; SEALED.len()],
    length: usize,
    is_escaped: bool,
    hash: u64,
    /// Objects and lists that it is in.
    depth: u32,
    /// The last string is the name of this, or its value has begun.
    part: Option<Part>,
    parts: Parts,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    Outside,
    /// In a string.
    Inside,
    /// Behind the name of what is sealed.
    Named,
    /// Behind that and its colon.
    Awaited,
    /// In what is sealed.
    Sealed,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key(…)")
    }
}

impl Shade {
    pub(super) fn new(key: [u8; 16]) -> Shade {
        let number = |half: &[u8]| half.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte));
        let (first, second) = key.split_at(8);
        let key = Key(number(first), number(second) | 1);
        Shade { key, streams: BTreeMap::new(), bodies: Bodies::default() }
    }

    /// Bytes of a connection, as they came.
    pub(super) fn stream(&mut self, conn: ConnId, bytes: &mut [u8]) {
        let key = self.key;
        let stream = self.streams.entry(conn).or_default();
        for byte in bytes {
            let is_over;
            (*byte, is_over) = stream.follow(key, *byte);
            if is_over {
                self.bodies.learn(&std::mem::take(&mut stream.text).parts);
            }
        }
    }

    /// What the store answered, where that holds something sealed or tells of it.
    pub(super) fn answered(&self, result: &StoreResult) -> Option<StoreResult> {
        let found = match result {
            Ok(Answer::Found(found)) => found,
            Ok(Answer::Replies(replies)) => return self.replies(replies),
            Err(_) => return None,
        };
        let shaded = match &**found {
            Found::Pending(rows) => {
                let row =
                    |row: &PendingRow| PendingRow { tries: row.tries, message: self.message(&row.message) };
                Found::Pending(rows.iter().map(row).collect())
            }
            Found::Message(Some(view)) => {
                Found::Message(Some(MessageView { message: self.message(&view.message), ..view.clone() }))
            }
            _ => return None,
        };
        Some(Ok(Answer::Found(Box::new(shaded))))
    }

    fn replies(&self, replies: &[Reply]) -> Option<StoreResult> {
        replies.iter().any(|reply| matches!(reply, Reply::Known(_))).then(|| {
            let shaded =
                replies.iter().map(|reply| self.bodies.reply(reply).unwrap_or_else(|| reply.clone()));
            Ok(Answer::Replies(shaded.collect()))
        })
    }

    fn message(&self, message: &Message) -> Arc<Message> {
        let mut hash = self.key.0;
        let shaded = message.ciphertext.bytes().map(|byte| self.key.letter(&mut hash, byte)).collect();
        // Only ASCII takes the place of ASCII.
        let ciphertext = String::from_utf8(shaded).unwrap_or_default().into();
        Arc::new(Message { ciphertext, ..message.clone() })
    }

    pub(super) fn arrives(&mut self, conn: ConnId, stream: Stream) {
        self.streams.insert(conn, stream);
    }

    pub(super) fn leaves(&mut self, conn: ConnId) -> Option<Stream> {
        self.streams.remove(&conn)
    }
}

impl Key {
    /// What stands in the place of a letter, after those that went into the hash before.
    fn letter(self, hash: &mut u64, letter: u8) -> u8 {
        if !(letter.is_ascii_alphanumeric() || letter == b'+' || letter == b'/') {
            return letter;
        }
        let mixed = (*hash ^ u64::from(letter)).wrapping_mul(self.1);
        *hash = mixed ^ (mixed >> 29);
        LETTERS[usize::from((*hash >> 40).to_le_bytes()[0] & 63)]
    }
}

impl Stream {
    /// What stands in the place of a byte, and whether a message ends with it.
    fn follow(&mut self, key: Key, byte: u8) -> (u8, bool) {
        match &mut self.stage {
            Stage::Head { ended, first } => {
                const END: &[u8; 4] = b"\r\n\r\n";
                let first = *first.get_or_insert(byte);
                *ended = if byte == END[*ended] { *ended + 1 } else { usize::from(byte == END[0]) };
                if *ended == END.len() {
                    // Only what is asked for with GET can become a WebSocket.
                    self.stage = if first == b'G' { Stage::FRAME } else { Stage::Body };
                }
                (byte, false)
            }
            Stage::Frame { head, length } => {
                if let Some(place) = head.get_mut(*length) {
                    *place = byte;
                }
                *length += 1;
                let mut is_over = false;
                if let Some(Load { stage, begins, ends }) = load_of(&head[..(*length).min(14)]) {
                    self.stage = stage;
                    is_over = ends;
                    if begins {
                        self.text = Text::default();
                    }
                }
                (byte, is_over)
            }
            Stage::Load { left, mask, place, is_text, is_last } => {
                let key_byte = mask[*place & 3];
                let shaded = if *is_text { self.text.follow(key, byte ^ key_byte) ^ key_byte } else { byte };
                *place += 1;
                *left -= 1;
                let is_over = *left == 0 && *is_last;
                if *left == 0 {
                    self.stage = Stage::FRAME;
                }
                (shaded, is_over)
            }
            Stage::Body => (byte, false),
        }
    }
}

impl Stage {
    const FRAME: Stage = Stage::Frame { head: [0; 14], length: 0 };
}

/// What follows a whole frame header.
struct Load {
    stage: Stage,
    /// A message begins there.
    begins: bool,
    /// One ends here: the last frame of it carries nothing.
    ends: bool,
}

fn load_of(head: &[u8]) -> Option<Load> {
    let [first, second, rest @ ..] = head else { return None };
    let (opcode, is_masked) = (first & 0x0f, second & 0x80 != 0);
    let (is_text, is_last) = (opcode < 2, opcode < 2 && first & 0x80 != 0);
    let (length, rest) = match second & 0x7f {
        126 => rest.split_first_chunk().map(|(length, rest)| (u16::from_be_bytes(*length).into(), rest))?,
        127 => rest.split_first_chunk().map(|(length, rest)| (u64::from_be_bytes(*length), rest))?,
        short => (u64::from(short), rest),
    };
    let mask = if is_masked { *rest.first_chunk()? } else { [0; 4] };
    let stage = match length {
        0 => Stage::FRAME,
        left => Stage::Load { left, mask, place: 0, is_text, is_last },
    };
    Some(Load { stage, begins: opcode == 1, ends: length == 0 && is_last })
}

impl Text {
    fn follow(&mut self, key: Key, byte: u8) -> u8 {
        match (self.place, byte) {
            (Place::Inside | Place::Sealed, _) if self.is_escaped => {
                self.is_escaped = false;
                if let Some(part) = self.part {
                    self.parts.push_escaped(part, byte);
                }
            }
            (Place::Inside | Place::Sealed, b'\\') => {
                self.is_escaped = true;
                // What has an escape in it is not the name.
                self.length = SEALED.len() + 1;
            }
            (Place::Inside, b'"') => {
                let name = self.word.get(..self.length).unwrap_or_default();
                self.place = if name == SEALED { Place::Named } else { Place::Outside };
                self.part = Part::named(name).filter(|_| self.depth == 1 && self.part.is_none());
            }
            (Place::Inside, _) => {
                if let Some(part) = self.part {
                    self.parts.push(part, byte, byte);
                }
                if let Some(place) = self.word.get_mut(self.length) {
                    *place = byte;
                }
                self.length = self.length.saturating_add(1);
            }
            (Place::Sealed, b'"') => (self.place, self.part) = (Place::Outside, None),
            (Place::Sealed, _) => {
                let shaded = key.letter(&mut self.hash, byte);
                if let Some(part) = self.part {
                    self.parts.push(part, byte, shaded);
                }
                return shaded;
            }
            (Place::Awaited, b'"') => {
                (self.place, self.hash) = (Place::Sealed, key.0);
                self.part = (self.depth == 1).then_some(Part::Sealed);
            }
            (Place::Outside | Place::Named, b'"') => (self.place, self.length) = (Place::Inside, 0),
            (Place::Named, b':') => self.place = Place::Awaited,
            (Place::Outside, b':') => {}
            (Place::Named | Place::Awaited | Place::Outside, b' ' | b'\t' | b'\r' | b'\n') => {}
            (Place::Named | Place::Awaited | Place::Outside, _) => {
                match byte {
                    b'{' | b'[' => self.depth += 1,
                    b'}' | b']' => self.depth = self.depth.saturating_sub(1),
                    _ => {}
                }
                (self.place, self.part) = (Place::Outside, None);
            }
        }
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &[u8] = b"GET /ws HTTP/1.1\r\nHost: x\r\n\r\n";

    fn frame(first: u8, text: &str) -> Vec<u8> {
        let mask = [7, 99, 200, 1];
        let mut frame = vec![first, 0x80 | 126];
        frame.extend_from_slice(&u16::try_from(text.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(&mask);
        frame.extend(text.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    /// The texts of the frames behind the head, after a shade has seen them in pieces of that length.
    fn shaded(frames: &[Vec<u8>], piece: usize) -> Vec<String> {
        let mut shade = Shade::new([3; 16]);
        let mut bytes = [HEAD.to_vec(), frames.concat()].concat();
        bytes.chunks_mut(piece).for_each(|piece| shade.stream(ConnId(1), piece));
        let mut rest = bytes.strip_prefix(HEAD).unwrap();
        let texts = frames.iter().map(|frame| {
            let (this, others) = rest.split_at(frame.len());
            rest = others;
            let mask = &this[4..8];
            let text = this[8..].iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask);
            String::from_utf8(text.collect()).unwrap()
        });
        texts.collect()
    }

    #[test]
    fn what_is_sealed_gets_other_letters_of_the_same_length_wherever_its_bytes_are_cut() {
        let send = |text: &str| {
            frame(0x81, &format!(r#"{{"type":"send","nonce":"ciphertext","ciphertext" : "{text}","x":"y"}}"#))
        };
        let frames = [send("c2VjcmV0IQ=="), frame(0x8a, "pong"), send("c2VjcmV0IQ=="), send("c2VjcmV1IQ==")];
        let whole = shaded(&frames, usize::MAX);
        for piece in [1, 3, 50] {
            assert_eq!(shaded(&frames, piece), whole);
        }
        assert!(!whole[0].contains("c2Vj") && whole[0].contains(r#"=="#), "{}", whole[0]);
        assert!(whole[0].starts_with(r#"{"type":"send","nonce":"ciphertext","ciphertext" : ""#));
        assert!(whole[0].ends_with(r#"","x":"y"}"#));
        assert_eq!((&whole[0], whole[1].as_str()), (&whole[2], "pong"));
        assert_ne!(whole[0], whole[3]);
        let same = whole[0].bytes().zip(whole[3].bytes()).take_while(|(one, other)| one == other).count();
        assert!(whole[0][..same].ends_with(&whole[3][same - 7..same]), "alike up to the first difference");
    }

    #[test]
    fn a_message_in_fragments_is_one_text_and_other_strings_stay() {
        let frames = [
            frame(0x01, r#"{"a":"cipher\"text","ciphertext":"AAAA"#),
            frame(0x89, "ping"),
            frame(0x80, r#"AAAA","b":["ciphertext","AAAA"]}"#),
        ];
        let texts = shaded(&frames, 5);
        assert!(texts[0].starts_with(r#"{"a":"cipher\"text","ciphertext":""#) && !texts[0].ends_with("AAAA"));
        assert!(!texts[2].starts_with("AAAA") && texts[2].ends_with(r#"","b":["ciphertext","AAAA"]}"#));
    }

    #[test]
    fn what_the_store_finds_is_shaded_like_what_came_in() {
        let mut hash = Shade::new([3; 16]).key.0;
        let shade = Shade::new([3; 16]);
        let letters: String =
            "c2VjcmV0".bytes().map(|byte| char::from(shade.key.letter(&mut hash, byte))).collect();
        let texts = shaded(&[frame(0x81, r#"{"ciphertext":"c2VjcmV0"}"#)], 64);
        assert_eq!(texts[0], format!(r#"{{"ciphertext":"{letters}"}}"#));
    }

    #[test]
    fn a_body_is_left_alone() {
        let mut shade = Shade::new([3; 16]);
        let request = b"POST /hook HTTP/1.1\r\n\r\n\x81\x05{\"ciphertext\":\"AAAA\"}".to_vec();
        let mut bytes = request.clone();
        shade.stream(ConnId(1), &mut bytes);
        assert_eq!(bytes, request);
    }
}
