//! Canonical JSON: our single pass against a tree that another implementation writes.
//!
//! Input: a text.

use peermesh_core::jcs::{Bounds, Flaw, canonicalize};
use serde_json::Value;

use crate::tree;

/// Takes the canonical form in two ways.
///
/// # Panics
/// When they differ, or when what comes out is not its own canonical form.
pub fn run(bytes: &[u8]) {
    let bounds = Bounds { bytes_max: Bounds::TOOLS.bytes_max, depth_max: 64 };
    let theirs = tree::read(bytes);
    match canonicalize(bytes, bounds) {
        Ok(canonical) => {
            let value = theirs.unwrap_or_else(|error| panic!("taken, but {error}"));
            assert!(tree::depth(&value) <= bounds.depth_max);
            let other = serde_jcs::to_vec(&value).expect("a tree has a canonical form");
            assert_eq!(String::from_utf8_lossy(&canonical), String::from_utf8_lossy(&other));
            assert_eq!(canonicalize(&canonical, bounds), Ok(canonical));
            check_numbers(&value);
        }
        Err(refusal) => {
            assert!(refusal.at <= bytes.len() && refusal.line >= 1 && refusal.column >= 1);
            let deep = theirs.as_ref().is_ok_and(|value| tree::depth(value) > bounds.depth_max);
            let excused = refusal.flaw == Flaw::Depth && deep;
            assert!(excused || theirs.is_err(), "{refusal}, but taken: {theirs:?}");
        }
    }
}

/// Both implementations print doubles with the same code, so the digits are held to a third one: the standard
/// library prints the fewest digits that read back as the same double, and so must we.
fn check_numbers(value: &Value) {
    match value {
        Value::Number(number) => {
            let double = number.as_f64().expect("a double");
            let shortest = format!("{double:e}");
            let ours = canonicalize(shortest.as_bytes(), Bounds::TOOLS).expect("a number");
            let ours = String::from_utf8(ours).expect("a number is ASCII");
            assert_eq!(ours.parse::<f64>(), Ok(double));
            let (ours, theirs) = (digits(&ours), digits(&shortest));
            // Where the double lies half way between two, ECMAScript wants the even one.
            let is_even = ours.ends_with(['0', '2', '4', '6', '8']) && ours.len() == theirs.len();
            assert!(ours == theirs || is_even, "{ours}, but {theirs}");
        }
        Value::Array(items) => items.iter().for_each(check_numbers),
        Value::Object(fields) => fields.values().for_each(check_numbers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// The digits of a number without its sign, its point, its exponent and the zeros around.
fn digits(number: &str) -> String {
    let mantissa = number.split('e').next().unwrap_or_default();
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    digits.trim_matches('0').to_owned()
}
