//! When a key was made, if it says so: keys that are too old to be known cannot be taken for new ones.

use crate::time::Wall;

/// The time a key carries: a UUID of version 7 with its dashes, or a ULID.
pub(super) fn made_at(key: &str) -> Option<Wall> {
    let millis = uuid_7(key).or_else(|| ulid(key))?;
    // Nobody made one before there were any: such a key only looks like one, or its clock stood still.
    (millis >= FIRST_MADE).then(|| Wall::from_millis(millis))
}

/// The beginning of 2016, when ULIDs were thought of.
const FIRST_MADE: i64 = 1_451_606_400_000;

/// Digits of a time in milliseconds of 48 bits, in each form.
const UUID_DIGITS: usize = 12;
const ULID_DIGITS: usize = 10;

fn uuid_7(key: &str) -> Option<i64> {
    let bytes = key.as_bytes();
    let is_formed = bytes.len() == 36
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => *byte == b'-',
            14 => *byte == b'7',
            19 => b"89abAB".contains(byte),
            _ => byte.is_ascii_hexdigit(),
        });
    let digits = bytes.iter().filter(|byte| **byte != b'-').take(UUID_DIGITS);
    is_formed.then(|| number(digits, 16, |byte| char::from(byte).to_digit(16)))?
}

fn ulid(key: &str) -> Option<i64> {
    let bytes = key.as_bytes();
    let in_one_case = !key.bytes().any(|byte| byte.is_ascii_lowercase())
        || !key.bytes().any(|byte| byte.is_ascii_uppercase());
    let is_formed = bytes.len() == 26
        && matches!(bytes[0], b'0'..=b'7')
        && in_one_case
        && bytes.iter().all(|byte| crockford(*byte).is_some());
    is_formed.then(|| number(bytes.iter().take(ULID_DIGITS), 32, crockford))?
}

/// A digit of base 32, without the letters that look like others.
fn crockford(byte: u8) -> Option<u32> {
    let digits = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    let place = digits.iter().position(|digit| *digit == byte.to_ascii_uppercase())?;
    u32::try_from(place).ok()
}

fn number<'a>(
    digits: impl Iterator<Item = &'a u8>,
    base: i64,
    digit: impl Fn(u8) -> Option<u32>,
) -> Option<i64> {
    digits.map(|byte| digit(*byte)).try_fold(0, |sum: i64, next| Some(sum * base + i64::from(next?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(key: &str) -> Option<i64> {
        made_at(key).map(Wall::as_millis)
    }

    #[test]
    fn f_acc_12_keys_that_carry_their_time_tell_it() {
        assert_eq!(made("017f22e2-79b0-7cc3-98c4-dc0c0c07398f"), Some(1_645_557_742_000));
        assert_eq!(made("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), Some(1_645_557_742_000));
        assert_eq!(made("01ARZ3NDEKTSV4RRFFQ69G5FAV"), Some(1_469_922_850_259));
        assert_eq!(made("01arz3ndektsv4rrffq69g5fav"), Some(1_469_922_850_259));
    }

    #[test]
    fn f_acc_12_all_other_keys_are_opaque() {
        for key in [
            "",
            "m1",
            "017f22e2-79b0-4cc3-98c4-dc0c0c07398f",
            "017f22e2-79b0-7cc3-78c4-dc0c0c07398f",
            "017f22e279b07cc398c4dc0c0c07398f",
            "017f22e2-79b0-7cc3-98c4-dc0c0c07398g",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FAU",
            "01ARZ3NDEKTSV4RRFFQ69G5fav",
            "00000000000000000000000000",
            "00000000-0000-7000-8000-000000000000",
            "ü1ARZ3NDEKTSV4RRFFQ69G5FA",
        ] {
            assert_eq!(made(key), None, "{key}");
        }
    }
}
