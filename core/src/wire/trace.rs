//! Trace contexts that pass through: parsed and written anew, never copied (fault INJ-04).
//!
//! What cannot be read as a trace is none, and a request or an event then simply belongs to no trace.

use serde::Serialize;

/// A place in a trace, as the headers `sentry-trace` and `baggage` tell it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Trace {
    /// `TRACE-SPAN` or `TRACE-SPAN-SAMPLED`: 32 and 16 lower-case hex digits, then 0 or 1.
    #[serde(rename = "trace")]
    parent: String,
    /// `NAME=VALUE,NAME=VALUE`; none where nothing of that form was told.
    #[serde(skip_serializing_if = "Option::is_none")]
    baggage: Option<String>,
}

/// Members of a baggage, and its length in bytes: what its standard asks everybody to carry.
const MEMBERS_MAX: usize = 64;
const BAGGAGE_BYTES_MAX: usize = 8_192;

impl Trace {
    /// Reads both headers; `None` when the first names no place in a trace.
    pub(crate) fn parse(parent: &str, baggage: Option<&str>) -> Option<Trace> {
        let parent = parse_parent(parent.trim_matches([' ', '\t']))?;
        Some(Trace { parent, baggage: baggage.and_then(parse_baggage) })
    }

    /// The value of `sentry-trace`.
    pub(crate) fn parent(&self) -> &str {
        &self.parent
    }

    /// The value of `baggage`.
    pub(crate) fn baggage(&self) -> Option<&str> {
        self.baggage.as_deref()
    }
}

fn parse_parent(text: &str) -> Option<String> {
    let mut parts = text.split('-');
    let (trace, span) = (parse_id(parts.next()?, 32)?, parse_id(parts.next()?, 16)?);
    let sampled = match (parts.next(), parts.next()) {
        (None, None) => "",
        (Some("0"), None) => "-0",
        (Some("1"), None) => "-1",
        _ => return None,
    };
    Some(format!("{trace}-{span}{sampled}"))
}

/// Hex digits of that many that are not all zero.
fn parse_id(text: &str, digits: usize) -> Option<String> {
    let is_id = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_id && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

/// The members that have a name and a value, without whatever else was said of them.
fn parse_baggage(text: &str) -> Option<String> {
    let mut baggage = String::new();
    for member in text.split(',').take(MEMBERS_MAX) {
        let plain = member.split(';').next().unwrap_or("");
        let Some((name, value)) = plain.split_once('=') else { continue };
        let (name, value) = (name.trim_matches([' ', '\t']), value.trim_matches([' ', '\t']));
        let is_member = !name.is_empty() && name.bytes().all(is_token) && value.bytes().all(is_octet);
        if is_member && baggage.len() + member.len() < BAGGAGE_BYTES_MAX {
            let comma = if baggage.is_empty() { "" } else { "," };
            baggage.extend([comma, name, "=", value]);
        }
    }
    (!baggage.is_empty()).then_some(baggage)
}

/// What names in headers are made of (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// What values of a baggage are made of: visible, and no mark of the list.
fn is_octet(byte: u8) -> bool {
    byte.is_ascii_graphic() && !b"\",;\\".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "d4cda95b652f4a1592b449d5929fda1b";
    const SPAN: &str = "6e0c63257de34c92";

    fn parent(text: &str) -> Option<String> {
        Trace::parse(text, None).map(|trace| trace.parent)
    }

    fn baggage(text: &str) -> Option<String> {
        Trace::parse(&format!("{TRACE}-{SPAN}"), Some(text)).unwrap().baggage
    }

    #[test]
    fn a_place_in_a_trace_is_two_ids_and_perhaps_a_decision() {
        for rest in ["", "-0", "-1"] {
            let text = format!("{TRACE}-{SPAN}{rest}");
            assert_eq!(parent(&text), Some(text.clone()));
            assert_eq!(parent(&format!(" {}\t", text.to_uppercase())), Some(text));
        }
    }

    #[test]
    fn f_inj_04_what_is_no_place_in_a_trace_is_none() {
        let zero = "0".repeat(32);
        for odd in [
            String::new(),
            "t-1".to_owned(),
            TRACE.to_owned(),
            format!("{TRACE}-{SPAN}-2"),
            format!("{TRACE}-{SPAN}-"),
            format!("{TRACE}-{SPAN}-1-1"),
            format!("{TRACE}-{SPAN}\r\nX-Forged: 1"),
            format!("{TRACE}0-{SPAN}"),
            format!("{zero}-{SPAN}"),
            format!("{TRACE}-{}", &zero[..16]),
            format!("{}é-{SPAN}", &TRACE[..30]),
        ] {
            assert_eq!(parent(&odd), None, "{odd:?}");
        }
    }

    #[test]
    fn baggage_keeps_the_members_that_have_a_name_and_a_value() {
        assert_eq!(
            baggage(" a=1 , sentry-release = app%401.2;public ,b=").as_deref(),
            Some("a=1,sentry-release=app%401.2,b=")
        );
        for odd in ["", "a", "=1", "a b=1", "a=\"1\"", "a=1\r\nX: y", "a=\u{e4}", ";", ",,"] {
            assert_eq!(baggage(odd), None, "{odd:?}");
        }
        assert_eq!(baggage(&"a=1,".repeat(100)).unwrap().split(',').count(), MEMBERS_MAX);
        let long = format!("a=1,b={},c=3", "x".repeat(BAGGAGE_BYTES_MAX));
        assert_eq!(baggage(&long).as_deref(), Some("a=1,c=3"));
    }

    #[test]
    fn f_inj_04_whatever_is_told_only_what_a_header_can_hold_comes_out() {
        // Chance enough for texts, and the same in every run.
        let mut chance = 1_u64;
        let mut below = |bound: usize| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(chance >> 33).unwrap() % bound
        };
        let alphabet: Vec<char> = "0189afAF-=,; \t\r\n\0\"\\é%:x".chars().collect();
        for _ in 0..20_000 {
            let mut text =
                |length: usize| -> String { (0..length).map(|_| alphabet[below(alphabet.len())]).collect() };
            let (start, rest, list) = (text(3), text(2), text(40));
            let trace = Trace::parse(&format!("{start}{TRACE}-{SPAN}{rest}"), Some(&list));
            let Some(trace) = trace else { continue };
            assert!(trace.parent.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-'));
            assert!(trace.baggage.iter().all(|list| list.bytes().all(|byte| byte.is_ascii_graphic())));
            let again = Trace::parse(&trace.parent, trace.baggage.as_deref());
            assert_eq!(again.as_ref(), Some(&trace), "{start:?} {rest:?} {list:?}");
        }
    }
}
