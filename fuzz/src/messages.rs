//! Messages of a peer that has said hello: the bounds of JSON against a tree of it, and what is answered.
//!
//! Input: messages, one a line.

use std::sync::{Arc, LazyLock};

use peermesh_core::config::Limits;
use peermesh_core::wire::json::{Flaw, check};
use serde_json::{Number, Value};

use crate::end::limits;
use crate::ground::Who;
use crate::talk::{Heard, Talk};
use crate::tree;
use crate::world::World;

/// Small where a fuzzer should meet them.
static LIMITS: LazyLock<Arc<Limits>> = LazyLock::new(|| {
    limits(&[
        ("json_depth_max", 5),
        ("json_keys_max", 32),
        ("json_items_max", 16),
        ("json_key_bytes_max", 32),
        ("groups_per_peer_max", 4),
        ("negotiated_features_max", 4),
        ("name_bytes_max", 24),
        ("text_bytes_max", 64),
        ("bad_messages_per_minute_max", 10_000),
    ])
});

/// Codes of errors that a peer may be answered.
const CODES: &[&str] = &[
    "bad_request",
    "not_supported",
    "invalid_argument",
    "feature_unavailable",
    "feature_param_invalid",
    "feature_param_below_floor",
    "limit",
    "not_found",
    "unavailable",
];

/// Sends each line and looks at what comes back.
///
/// # Panics
/// When a line is judged wrongly, or answered in a way that no peer expects.
pub fn run(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let mut world = World::new(&LIMITS);
    let mut talk = Talk::greet(&mut world, Who { member: 0, session: false });
    world.settle();
    let welcome = talk.hears(&mut world);
    assert!(
        matches!(&welcome[..], [Heard::Message(hello, _)] if hello["type"] == "hello_ack"),
        "{welcome:?}"
    );
    for line in text.lines().take(64) {
        let is_sound = judge(line);
        talk.says(&mut world, line);
        world.settle();
        let heard = talk.hears(&mut world);
        if heard.iter().any(|heard| matches!(heard, Heard::Close(..))) {
            return judge_end(line, &heard);
        }
        assert!(world.is_open(talk.conn));
        if !is_sound {
            assert!(
                matches!(&heard[..], [Heard::Message(error, _)] if error["code"] == "bad_request"),
                "{heard:?}"
            );
        }
        heard.iter().for_each(|heard| judge_answer(line, heard));
    }
}

/// Whether a line is within the bounds of JSON; panics where a tree of it says something else.
fn judge(line: &str) -> bool {
    let (tree, verdict) = (tree::read(line.as_bytes()), check(line, &LIMITS));
    let Ok(tree) = tree else {
        assert!(verdict.is_err(), "taken, but no JSON: {line}");
        return false;
    };
    let bounds = Bounds::of(&tree);
    match verdict {
        Ok(()) => {
            assert!(tree.is_object(), "no object: {line}");
            let depth_max = usize::try_from(LIMITS.json_depth_max()).unwrap_or(0);
            assert!(tree::depth(&tree) <= depth_max, "too deep: {line}");
            assert!(bounds.keys as u64 <= LIMITS.json_keys_max(), "too wide: {line}");
            assert!(bounds.items as u64 <= LIMITS.json_items_max(), "too long: {line}");
            assert!(bounds.key_bytes as u64 <= LIMITS.json_key_bytes_max(), "a long key: {line}");
            assert!(!bounds.has_nul && !bounds.is_out_of_range, "a value: {line}");
        }
        Err(fault) => {
            let excused = match fault.flaw {
                Flaw::NoObject => !tree.is_object(),
                Flaw::Depth => tree::depth(&tree) as u64 > LIMITS.json_depth_max(),
                Flaw::Keys => bounds.keys as u64 > LIMITS.json_keys_max(),
                Flaw::Items => bounds.items as u64 > LIMITS.json_items_max(),
                // Escapes and the many ways to write a number are gone from the tree.
                Flaw::LongKey | Flaw::LongNumber => line.len() > 20,
                Flaw::Range => bounds.is_out_of_range,
                Flaw::Control => bounds.has_nul,
                Flaw::Syntax
                | Flaw::Truncated
                | Flaw::Trailing
                | Flaw::RepeatedKey
                | Flaw::Escape
                | Flaw::Surrogate => false,
            };
            assert!(excused, "{fault}, but it is JSON: {line}");
        }
    }
    verdict.is_ok()
}

/// The extremes of a tree.
#[derive(Debug, Default)]
struct Bounds {
    keys: usize,
    items: usize,
    key_bytes: usize,
    has_nul: bool,
    is_out_of_range: bool,
}

impl Bounds {
    fn of(tree: &Value) -> Bounds {
        let mut bounds = Bounds::default();
        bounds.widen(tree);
        bounds
    }

    fn widen(&mut self, value: &Value) {
        match value {
            Value::Null | Value::Bool(_) => {}
            Value::Number(number) => self.is_out_of_range |= !is_exact(number),
            Value::String(text) => self.has_nul |= text.contains('\0'),
            Value::Array(items) => {
                self.items = self.items.max(items.len());
                items.iter().for_each(|item| self.widen(item));
            }
            Value::Object(fields) => {
                self.keys = self.keys.max(fields.len());
                for (key, value) in fields {
                    self.key_bytes = self.key_bytes.max(key.len());
                    self.has_nul |= key.contains('\0');
                    self.widen(value);
                }
            }
        }
    }
}

/// Every integer up to 2^53 - 1 is what it looks like to any reader, and no whole number is minus zero.
fn is_exact(number: &Number) -> bool {
    const MAX: u64 = (1 << 53) - 1;
    match (number.as_u64(), number.as_i64(), number.as_f64()) {
        (Some(whole), ..) => whole <= MAX,
        (None, Some(whole), _) => whole.unsigned_abs() <= MAX,
        // What is left is a fraction, or written with an exponent, or minus zero.
        (None, None, Some(double)) => double != 0.0 || double.is_sign_positive(),
        (None, None, None) => false,
    }
}

fn judge_answer(line: &str, heard: &Heard) {
    let Heard::Message(answer, text) = heard else { return };
    assert_eq!(check(text, &Limits::default()), Ok(()), "{text}");
    let asked = tree::read(line.as_bytes()).unwrap_or_default();
    match answer["type"].as_str().expect("a type") {
        "error" => {
            let code = answer["code"].as_str().expect("a code");
            assert!(CODES.contains(&code), "{text}");
        }
        "ack" | "push" => return,
        "peers_list" | "message_status_result" | "feature_negotiation_response" => {}
        other => panic!("{other}: {text}"),
    }
    if let Some(request) = asked["_reqId"].as_str() {
        assert_eq!(answer["_reqId"], request, "{text}");
    }
}

/// Only a peer that cannot do without something that is missing is sent away.
fn judge_end(line: &str, heard: &[Heard]) {
    assert!(line.contains("feature_negotiation_request") || line.contains('\\'), "{heard:?}");
    let Some(Heard::Close(code, _)) = heard.last() else { panic!("{heard:?}") };
    assert!(matches!(code, 4010..=4012), "{heard:?}");
}
