//! What nearly all traffic is made of, judged and read in one pass: sends and acknowledgements as writers of
//! JSON write them, without spaces, escapes or lists.
//!
//! *Does not* refuse anything: what has another form is for `json::check` and `decode`. *Always holds:* what
//! is read here passes the one and is read alike by the other, whatever the limits are.

use super::inbound::{ClientAck, Inbound, Send, Str};
use crate::wire::plain::plain_run;

/// Digits of a number that is read here: no limit is below that, and a double holds it.
const DIGITS_MAX: usize = 15;

/// Reads a message, if it is one of the common ones in the common form.
pub(crate) fn read(text: &str) -> Option<Inbound<'_>> {
    let mut fields = Fields::default();
    let mut rest = text.strip_prefix('{')?;
    loop {
        let (key, value) = quoted(rest)?;
        rest = fields.take(key, value.strip_prefix(':')?)?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None => return (rest == "}").then_some(fields)?.message(),
        }
    }
}

/// Every field that a common message has, and no other.
#[derive(Default)]
struct Fields<'a> {
    kind: Option<&'a str>,
    id: Option<&'a str>,
    target_spec: Option<&'a str>,
    priority: Option<&'a str>,
    nonce: Option<&'a str>,
    ciphertext: Option<&'a str>,
    key: Option<&'a str>,
    fingerprint: Option<&'a str>,
    reply_to: Option<&'a str>,
    message_id: Option<&'a str>,
    acked_key: Option<&'a str>,
    acked_id: Option<&'a str>,
    enqueued_at: Option<i64>,
    receipt: Option<bool>,
}

impl<'a> Fields<'a> {
    /// Takes the value at the start of `text` for a field that has none yet, and gives what follows it.
    fn take(&mut self, key: &str, text: &'a str) -> Option<&'a str> {
        let slot = match key {
            "type" => &mut self.kind,
            "id" => &mut self.id,
            "targetSpec" => &mut self.target_spec,
            "priority" => &mut self.priority,
            "nonce" => &mut self.nonce,
            "ciphertext" => &mut self.ciphertext,
            "client_message_id" => &mut self.key,
            "request_fingerprint" => &mut self.fingerprint,
            "replyToId" => &mut self.reply_to,
            "message_id" => &mut self.message_id,
            "clientMessageId" => &mut self.acked_key,
            "brokerMessageId" => &mut self.acked_id,
            "enqueued_at" => {
                let (number, rest) = whole(text)?;
                return self.enqueued_at.replace(number).is_none().then_some(rest);
            }
            "receipt" => {
                let said = |word| text.strip_prefix(word);
                let (wanted, rest) = match said("true") {
                    Some(rest) => (true, rest),
                    None => (false, said("false")?),
                };
                return self.receipt.replace(wanted).is_none().then_some(rest);
            }
            _ => return None,
        };
        let (value, rest) = quoted(text)?;
        slot.replace(value).is_none().then_some(rest)
    }

    fn message(self) -> Option<Inbound<'a>> {
        let text = |text: Option<&'a str>| text.map(Str::from);
        Some(match self.kind? {
            "send" => Inbound::Send(Send {
                kind: Str::from("send"),
                id: text(self.id),
                target_spec: text(self.target_spec),
                priority: text(self.priority),
                nonce: text(self.nonce),
                ciphertext: text(self.ciphertext),
                client_message_id: text(self.key),
                request_fingerprint: text(self.fingerprint),
                reply_to_id: text(self.reply_to),
                receipt: self.receipt,
                mentions: None,
                message_id: text(self.message_id),
                enqueued_at: self.enqueued_at,
            }),
            "client_ack" => Inbound::ClientAck(ClientAck {
                client_message_id: text(self.acked_key),
                broker_message_id: text(self.acked_id),
            }),
            _ => return None,
        })
    }
}

/// A text in quotes that stands for itself, and what follows it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let text = text.strip_prefix('"')?;
    // The byte at which a run ends is of ASCII, so nothing is cut in two.
    let (inside, rest) = text.split_at_checked(plain_run(text.as_bytes()))?;
    Some((inside, rest.strip_prefix('"')?))
}

/// A whole number that is not negative, and what follows it.
fn whole(text: &str) -> Option<(i64, &str)> {
    let digits = text.bytes().take(DIGITS_MAX + 1).take_while(u8::is_ascii_digit).count();
    let (number, rest) = text.split_at_checked(digits)?;
    let is_plain = digits <= DIGITS_MAX && (digits == 1 || !number.starts_with('0'));
    Some((number.parse().ok().filter(|_| is_plain)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Limits;
    use crate::wire::json;
    use crate::wire::mesh::decode;

    /// Limits as tight as they can be.
    fn tight() -> Limits {
        let mut limits = Limits::default();
        for (name, value) in [
            ("json_depth_max", 2),
            ("json_keys_max", 32),
            ("json_items_max", 16),
            ("json_key_bytes_max", 32),
            ("json_number_chars_max", 16),
        ] {
            limits.set(name, value).expect("the least of its range");
        }
        limits
    }

    /// Whether it is read; what is read here is read like that the long way, too.
    fn is_common(text: &str) -> bool {
        let Some(message) = read(text) else { return false };
        assert_eq!(json::check(text, &tight()), Ok(()), "{text}");
        assert_eq!(decode(text), Ok(message), "{text}");
        true
    }

    #[test]
    fn what_clients_write_is_common() {
        for text in [
            r#"{"type":"send","id":"1","targetSpec":"*","priority":"now","nonce":"AA","ciphertext":"YQ=="}"#,
            r#"{"id":"1","type":"send","client_message_id":"k","request_fingerprint":"f","replyToId":"m"}"#,
            r#"{"type":"send","message_id":"m","receipt":true,"enqueued_at":1700000000000}"#,
            r#"{"type":"send","receipt":false,"enqueued_at":0,"id":"ÿ€😀","ciphertext":""}"#,
            r#"{"type":"client_ack","clientMessageId":"k","brokerMessageId":"m"}"#,
            r#"{"type":"client_ack","brokerMessageId":"m","id":"1"}"#,
        ] {
            assert!(is_common(text), "{text}");
        }
    }

    #[test]
    fn everything_else_is_left_to_the_long_way() {
        for text in [
            "",
            "{",
            "{}",
            r#"{"type":"send""#,
            r#"{"type":"send",}"#,
            r#"{"type":"send"} "#,
            r#"{"type":"send"}}"#,
            r#" {"type":"send"}"#,
            r#"{ "type":"send"}"#,
            r#"{"type":"send","type":"send"}"#,
            r#"{"type":"send","id":"1","id":"1"}"#,
            r#"{"type":"send","receipt":true,"receipt":true}"#,
            r#"{"type":"send","id":7}"#,
            r#"{"type":"send","id":null}"#,
            r#"{"type":"send","id":"a\"b"}"#,
            r#"{"type":"send","id":"\u0041"}"#,
            "{\"type\":\"send\",\"id\":\"\u{1}\"}",
            r#"{"type":"send","mentions":[]}"#,
            r#"{"type":"send","other":"1"}"#,
            r#"{"type":"send","enqueued_at":01}"#,
            r#"{"type":"send","enqueued_at":-1}"#,
            r#"{"type":"send","enqueued_at":1.5}"#,
            r#"{"type":"send","enqueued_at":1e3}"#,
            r#"{"type":"send","enqueued_at":1000000000000000}"#,
            r#"{"type":"send","receipt":truefalse}"#,
            r#"{"type":"set_status","id":"1"}"#,
            r#"{"id":"1"}"#,
        ] {
            assert!(!is_common(text), "{text}");
        }
    }

    #[test]
    fn pieces_in_any_order_are_read_alike_or_not_at_all() {
        const PIECES: &[&str] = &[
            r#""type":"send""#,
            r#""type":"client_ack""#,
            r#""id":"i""#,
            r#""targetSpec":"*""#,
            r#""ciphertext":"c""#,
            r#""clientMessageId":"k""#,
            r#""brokerMessageId":"b""#,
            r#""client_message_id":"k""#,
            r#""enqueued_at":12"#,
            r#""receipt":true"#,
            r#""receipt":1"#,
            r#""id":5"#,
            r#""mentions":["a"]"#,
            "{",
            "}",
            ",",
            ",",
            ",",
            ":",
            "\"",
            " ",
            "\\",
        ];
        let mut state: u64 = 7;
        let mut below = |bound: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % bound
        };
        let mut common = 0;
        for _ in 0..200_000 {
            let mut text = String::from("{");
            for place in 0..1 + below(5) {
                if place > 0 && below(16) > 0 {
                    text.push(',');
                }
                let piece = below(PIECES.len() as u64);
                text.push_str(PIECES[usize::try_from(piece).unwrap_or(0)]);
            }
            text.push('}');
            common += u32::from(is_common(&text));
        }
        assert!(common > 1_000, "{common}");
    }
}
