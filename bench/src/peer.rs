//! A peer as the bench plays it: its keys and what it says.
//!
//! Its messages have the fields that the daemon's have, with 256 bytes of ciphertext, so that what is
//! counted is what the field would see. What the broker says is searched for by field, not parsed: a load
//! generator that costs as much as the broker measures itself.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};

/// Bytes of every message's ciphertext, before base64.
pub const CIPHERTEXT_BYTES: usize = 256;
/// Bytes of a nonce, before base64.
const NONCE_BYTES: usize = 24;

/// Who a peer is.
#[derive(Debug)]
pub struct Identity {
    mesh_id: String,
    member_id: String,
    key: SigningKey,
    /// The public key on the wire: where others send to.
    pub address: String,
    place: u64,
}

/// The key pair of the peer at a place. Anybody can make it: for benches only.
pub fn key_of(place: u64) -> SigningKey {
    let mut seed = [0x5a; 32];
    seed[..8].copy_from_slice(&place.to_le_bytes());
    SigningKey::from_bytes(&seed)
}

/// Bytes as the wire shows keys and signatures.
pub fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

impl Identity {
    /// The member of that id, whose key follows from its place.
    pub fn new(mesh_id: String, member_id: String, place: u64) -> Identity {
        let key = key_of(place);
        let address = hex(key.verifying_key().as_bytes());
        Identity { mesh_id, member_id, key, address, place }
    }

    /// A `hello` as a daemon says it, at that time in Unix milliseconds.
    pub fn hello(&self, timestamp: i64) -> String {
        let Identity { mesh_id, member_id, address, place, .. } = self;
        let signed = format!("{mesh_id}|{member_id}|{address}|{timestamp}");
        let signature = hex(&self.key.sign(signed.as_bytes()).to_bytes());
        let [who, place_said, signed_by] = [
            format!(r#""meshId":"{mesh_id}","memberId":"{member_id}","pubkey":"{address}""#),
            format!(r#""sessionId":"daemon-{place}","pid":{place},"cwd":"/src/{place}","hostname":"bench""#),
            format!(r#""timestamp":{timestamp},"signature":"{signature}""#),
        ];
        format!(r#"{{"type":"hello","protocolVersion":1,{who},"displayName":"peer-{place}",{place_said},"#)
            + &format!(r#""peerType":"ai","channel":"claudemesh-daemon",{signed_by}}}"#)
    }
}

/// What stands in every send: no broker opens it.
#[derive(Clone, Debug)]
pub struct Sealed {
    /// In base64.
    pub nonce: String,
    /// In base64.
    pub ciphertext: String,
    /// In hexadecimal digits.
    pub fingerprint: String,
}

impl Sealed {
    /// Always the same.
    pub fn new() -> Sealed {
        let base64 = |byte: u8, bytes: usize| data_encoding::BASE64.encode(&vec![byte; bytes]);
        Sealed {
            nonce: base64(0x6e, NONCE_BYTES),
            ciphertext: base64(0xc5, CIPHERTEXT_BYTES),
            fingerprint: hex(&[0xf1; 32]),
        }
    }
}

impl Default for Sealed {
    fn default() -> Sealed {
        Sealed::new()
    }
}

/// Makes the sends of one sender to one recipient, each with a key of its own.
#[derive(Debug)]
pub struct Letters {
    before: String,
    after: String,
    sender: u64,
    count: u64,
}

impl Letters {
    /// Letters of the sender at that place to that address.
    pub fn new(sender: u64, address: &str) -> Letters {
        Letters::with_priority(sender, address, "now")
    }

    /// Letters whose priority no broker knows: they are read, judged and refused.
    pub fn malformed(sender: u64, address: &str) -> Letters {
        Letters::with_priority(sender, address, "whenever")
    }

    fn with_priority(sender: u64, address: &str, priority: &str) -> Letters {
        let Sealed { nonce, ciphertext, fingerprint } = Sealed::new();
        Letters {
            before: format!(r#"{{"type":"send","targetSpec":"{address}","priority":"{priority}","#)
                + &format!(r#""nonce":"{nonce}","ciphertext":"{ciphertext}","#),
            after: format!(r#""request_fingerprint":"{fingerprint}"}}"#),
            sender,
            count: 0,
        }
    }

    /// Writes the next one over `text` and gives its number.
    pub fn next(&mut self, text: &mut String) -> u64 {
        let (number, sender) = (self.count, self.sender);
        self.count += 1;
        text.clear();
        // A key in the form of a UUID: sender and number.
        let key =
            format_args!("{:08x}-0000-4000-8000-{:012x}", sender & 0xffff_ffff, number & 0xffff_ffff_ffff);
        // Writing to a String cannot fail.
        let _ = write!(text, r#"{}"id":"{key}","client_message_id":"{key}",{}"#, self.before, self.after);
        number
    }
}

/// What the broker says to a peer, as far as a bench looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said<'a> {
    /// The hello was accepted.
    Welcome,
    /// A send was accepted.
    Accepted,
    /// A message came.
    Push {
        /// The broker's id of it.
        message_id: &'a str,
        /// The sender's.
        client_id: &'a str,
        /// Its number among its sender's letters.
        number: u64,
    },
    /// A send or a hello was refused.
    Refused,
    /// Something else: who came, who went.
    Other,
}

/// Reads what the broker says.
pub fn hear(text: &str) -> Said<'_> {
    match field(text, r#""type":""#) {
        Some("push") => match (field(text, r#""messageId":""#), field(text, r#""client_message_id":""#)) {
            (Some(message_id), Some(client_id)) => {
                Said::Push { message_id, client_id, number: number(client_id) }
            }
            _ => Said::Other,
        },
        Some("ack") if text.contains(r#""queued":true"#) => Said::Accepted,
        Some("ack" | "error") => Said::Refused,
        Some("hello_ack") => Said::Welcome,
        _ => Said::Other,
    }
}

/// Writes the acknowledgement of a push over `text`.
pub fn acknowledge(text: &mut String, message_id: &str, client_id: &str) {
    text.clear();
    // Writing to a String cannot fail.
    let _ = write!(
        text,
        r#"{{"type":"client_ack","clientMessageId":"{client_id}","brokerMessageId":"{message_id}"}}"#
    );
}

fn field<'a>(text: &'a str, label: &str) -> Option<&'a str> {
    let rest = &text[text.find(label)? + label.len()..];
    rest.find('"').map(|end| &rest[..end])
}

fn number(client_id: &str) -> u64 {
    let tail = client_id.rsplit('-').next().unwrap_or_default();
    u64::from_str_radix(tail, 16).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_json_with_a_key_that_tells_its_number() {
        let (mut letters, mut text) = (Letters::new(7, "ab"), String::new());
        letters.next(&mut text);
        assert_eq!(letters.next(&mut text), 1);
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["id"], value["client_message_id"]);
        assert_eq!(number(value["id"].as_str().unwrap()), 1);
        assert_eq!(value["ciphertext"].as_str().unwrap().len(), 344);
    }

    #[test]
    fn what_the_broker_says_is_told_apart() {
        assert_eq!(hear(r#"{"type":"ack","id":"1","messageId":"m","queued":true}"#), Said::Accepted);
        assert_eq!(hear(r#"{"type":"ack","id":"1","queued":false,"error":"retry: busy"}"#), Said::Refused);
        let push = r#"{"type":"push","messageId":"m","nonce":"x","client_message_id":"a-0f"}"#;
        assert_eq!(hear(push), Said::Push { message_id: "m", client_id: "a-0f", number: 15 });
        assert_eq!(hear(r#"{"type":"push","subtype":"system"}"#), Said::Other);
    }
}
