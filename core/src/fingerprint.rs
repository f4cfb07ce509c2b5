//! The fingerprint of a request to send (mesh protocol, section 8.3): a sender's own claim that two sends
//! mean the same, however often they were sealed.
//!
//! *Decides* which bytes are hashed. *Does not* judge a fingerprint that somebody else made: the body never
//! reaches a broker in clear, so a broker compares the text it got.

use std::cmp::Ordering;
use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest, Sha256};

use crate::jcs::{self, Bounds, Refusal};
use crate::store::Priority;

/// The version of the envelope that clients send.
pub const ENVELOPE_VERSION: u32 = 1;

/// What somebody asks to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// [`ENVELOPE_VERSION`].
    pub envelope_version: u32,
    /// What kind of place it goes to.
    pub destination_kind: DestinationKind,
    /// The name of a topic, the key of a recipient, the id of a queue; with [`Layout::Raw`] the recipient as
    /// the user wrote it.
    pub destination_ref: &'a str,
    /// The broker's id of the message it answers.
    pub reply_to_id: Option<&'a str>,
    /// How urgent it is.
    pub priority: Priority,
    /// Attributes of the message: the text of a JSON object.
    pub meta: Option<&'a [u8]>,
    /// The body before it is sealed.
    pub body: &'a [u8],
}

impl Request<'_> {
    /// The fingerprint in one of the layouts.
    ///
    /// # Errors
    /// When the fields could be read in two ways, or the attributes have no canonical form.
    pub fn fingerprint(&self, layout: Layout) -> Result<Fingerprint, FingerprintError> {
        let reply_to_id = self.reply_to_id.unwrap_or_default();
        for (field, text) in [("destination_ref", self.destination_ref), ("reply_to_id", reply_to_id)] {
            if text.contains('\0') {
                return Err(FingerprintError::Nul { field });
            }
        }
        let meta = self.meta.map(|meta| layout.meta(meta)).transpose()?.unwrap_or_default();
        let mut hash = Sha256::new();
        let version = self.envelope_version.to_string();
        let kind = self.destination_kind.word();
        for text in [&version, kind, self.destination_ref, reply_to_id, self.priority.word()] {
            hash.update(text);
            hash.update([0]);
        }
        hash.update(meta);
        hash.update([0]);
        let body = Sha256::digest(self.body);
        match layout {
            Layout::Raw => hash.update(body),
            Layout::Hex => hash.update(HEXLOWER.encode(&body)),
        }
        Ok(Fingerprint(hash.finalize().into()))
    }
}

/// The kinds of places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DestinationKind {
    /// A topic; with [`Layout::Raw`] also a group, and everybody.
    Topic,
    /// One recipient; with [`Layout::Raw`] whatever is no topic.
    Dm,
    /// A queue.
    Queue,
}

impl DestinationKind {
    /// All of them.
    pub const ALL: [DestinationKind; 3] =
        [DestinationKind::Topic, DestinationKind::Dm, DestinationKind::Queue];

    /// The word that is hashed.
    pub const fn word(self) -> &'static str {
        match self {
            DestinationKind::Topic => "topic",
            DestinationKind::Dm => "dm",
            DestinationKind::Queue => "queue",
        }
    }

    /// Kind and reference of a recipient as a user writes it, in the manner of [`Layout::Raw`]: `@x` is the
    /// topic `x`, `*` the topic `*`, and everything else a direct message to that text.
    pub fn of(to: &str) -> (DestinationKind, &str) {
        match to.strip_prefix('@') {
            Some(name) => (DestinationKind::Topic, name),
            None if to == "*" => (DestinationKind::Topic, to),
            None => (DestinationKind::Dm, to),
        }
    }
}

/// Which bytes are hashed: two versions of one schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// What deployed daemons send: the hash of the body as 32 bytes; attributes as a script prints an object
    /// whose names it sorted; an empty object is `{}`.
    Raw,
    /// The text of the schema: the hash of the body as 64 hexadecimal digits; attributes in canonical form;
    /// an empty object is nothing.
    Hex,
}

impl Layout {
    /// Both of them.
    pub const ALL: [Layout; 2] = [Layout::Raw, Layout::Hex];

    /// The word for it.
    pub const fn word(self) -> &'static str {
        match self {
            Layout::Raw => "raw",
            Layout::Hex => "hex",
        }
    }

    fn meta(self, text: &[u8]) -> Result<Vec<u8>, FingerprintError> {
        let order = match self {
            Layout::Raw => by_script,
            Layout::Hex => jcs::by_units,
        };
        let meta = jcs::arrange(text, Bounds::TOOLS, order).map_err(FingerprintError::Meta)?;
        match (meta.first(), self) {
            (Some(b'{'), Layout::Hex) if meta.len() == 2 => Ok(Vec::new()),
            (Some(b'{'), _) => Ok(meta),
            _ => Err(FingerprintError::MetaNoObject),
        }
    }
}

/// SHA-256 of a request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint(pub [u8; 32]);

/// 64 lower-case hexadecimal digits, as on the wire.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// Why a request has no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FingerprintError {
    /// Fields are told apart by NUL, so none may hold one.
    #[error("{field} holds a NUL character, which separates the fields")]
    Nul {
        /// Which one.
        field: &'static str,
    },
    /// The attributes are no JSON, or JSON that two readers could read differently.
    #[error("meta has no canonical form: {0}")]
    Meta(Refusal),
    /// The attributes are JSON, but not an object.
    #[error("meta must be a JSON object")]
    MetaNoObject,
}

/// The order in which a script prints the members of an object that it filled in sorted order: first those
/// whose names it takes for places in an array, as numbers, then the others by UTF-16 code units.
fn by_script(one: &str, other: &str) -> Ordering {
    match (array_place(one), array_place(other)) {
        (Some(one), Some(other)) => one.cmp(&other),
        (Some(_), None) => Ordering::Less,
        (None, Some(_)) => Ordering::Greater,
        (None, None) => jcs::by_units(one, other),
    }
}

/// A number from 0 to 2^32 - 2, written as such and in no other way.
fn array_place(name: &str) -> Option<u32> {
    let is_plain = name.bytes().all(|byte| byte.is_ascii_digit()) && (name == "0" || !name.starts_with('0'));
    name.parse().ok().filter(|&place| is_plain && place < u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELLO: Request<'_> = Request {
        envelope_version: ENVELOPE_VERSION,
        destination_kind: DestinationKind::Topic,
        destination_ref: "*",
        reply_to_id: None,
        priority: Priority::Next,
        meta: None,
        body: b"hello",
    };

    fn text(request: Request<'_>, layout: Layout) -> String {
        request.fingerprint(layout).unwrap().to_string()
    }

    #[test]
    fn the_vectors_of_the_protocol_come_out_in_both_layouts() {
        assert_eq!(
            text(HELLO, Layout::Raw),
            "9b55907cae4bc96ed4d690cba1c531b95b3ab6e31019458f5aaacfc7386f4a30"
        );
        assert_eq!(
            text(HELLO, Layout::Hex),
            "1f5858ccc9c4c70fc1d3ad90d7382a32f4c6e407aedc42cbc18b79d32b93a419"
        );
        let (destination_kind, destination_ref) = DestinationKind::of("alice");
        let meta = br#"{ "b": [true, null], "a": 1 }"#;
        let to_alice = Request {
            destination_kind,
            destination_ref,
            priority: Priority::Now,
            meta: Some(meta),
            body: b"hi",
            ..HELLO
        };
        assert_eq!(
            text(to_alice, Layout::Raw),
            "a5160ca73e40a5c60426b4e47626f55224b8da1304fc4366d33ed5555d40e4d9"
        );
    }

    #[test]
    fn every_field_counts() {
        let others = [
            Request { envelope_version: 2, ..HELLO },
            Request { destination_kind: DestinationKind::Queue, ..HELLO },
            Request { destination_ref: "x", ..HELLO },
            Request { reply_to_id: Some("m1"), ..HELLO },
            Request { priority: Priority::Low, ..HELLO },
            Request { meta: Some(b"{\"a\":1}"), ..HELLO },
            Request { body: b"hello ", ..HELLO },
        ];
        for layout in Layout::ALL {
            let mut seen = vec![text(HELLO, layout)];
            for other in others {
                let fingerprint = text(other, layout);
                assert!(!seen.contains(&fingerprint), "{other:?}");
                seen.push(fingerprint);
            }
        }
    }

    #[test]
    fn an_empty_object_is_nothing_in_one_layout_and_itself_in_the_other() {
        let empty = Request { meta: Some(b" { } "), ..HELLO };
        assert_eq!(text(empty, Layout::Hex), text(HELLO, Layout::Hex));
        assert_ne!(text(empty, Layout::Raw), text(HELLO, Layout::Raw));
    }

    #[test]
    fn names_like_numbers_stand_first_in_the_raw_layout_at_every_depth() {
        let text = br#"{"a":0,"10":0,"9":{"b":0,"4294967295":0,"4294967294":0,"01":0,"-1":0},"":0}"#;
        let raw = Layout::Raw.meta(text).unwrap();
        assert_eq!(
            String::from_utf8(raw).unwrap(),
            r#"{"9":{"4294967294":0,"-1":0,"01":0,"4294967295":0,"b":0},"10":0,"":0,"a":0}"#
        );
        let hex = Layout::Hex.meta(text).unwrap();
        assert_eq!(
            String::from_utf8(hex).unwrap(),
            r#"{"":0,"10":0,"9":{"-1":0,"01":0,"4294967294":0,"4294967295":0,"b":0},"a":0}"#
        );
    }

    #[test]
    fn a_request_that_could_be_read_in_two_ways_has_no_fingerprint() {
        let refused = |request: Request<'_>| request.fingerprint(Layout::Raw).unwrap_err().to_string();
        assert!(refused(Request { destination_ref: "a\0b", ..HELLO }).contains("destination_ref"));
        assert!(refused(Request { reply_to_id: Some("\0"), ..HELLO }).contains("reply_to_id"));
        assert!(refused(Request { meta: Some(b"[]"), ..HELLO }).contains("object"));
        assert!(refused(Request { meta: Some(b"{\"a\":1,\"a\":1}"), ..HELLO }).contains("column 8"));
    }

    #[test]
    fn a_recipient_is_read_as_deployed_daemons_read_it() {
        assert_eq!(DestinationKind::of("@ops"), (DestinationKind::Topic, "ops"));
        assert_eq!(DestinationKind::of("*"), (DestinationKind::Topic, "*"));
        for to in ["bob", "#id", "**", "a@b", ""] {
            assert_eq!(DestinationKind::of(to), (DestinationKind::Dm, to));
        }
    }
}
