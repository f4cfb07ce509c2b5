//! Bytes that stand for themselves inside a JSON string.

use crate::config::size;

/// Bytes that are compared at once.
const BLOCK: usize = 32;

/// How many bytes from the start need no escape: none of them is a quote, a backslash or a control character.
pub(crate) fn plain_run(bytes: &[u8]) -> usize {
    let blocks = bytes.as_chunks::<BLOCK>().0;
    let plain = blocks.iter().take_while(|block| is_plain(block)).count() * BLOCK;
    plain + run_in_words(&bytes[plain..])
}

/// Written so that the compiler looks at all bytes together, where the processor can.
fn is_plain(block: &[u8; BLOCK]) -> bool {
    let special = |byte: u8| u8::from(byte == b'"') | u8::from(byte == b'\\') | u8::from(byte < 0x20);
    block.iter().fold(0, |found, byte| found | special(*byte)) == 0
}

/// The same for few bytes, or where one of the next few ends the run.
fn run_in_words(bytes: &[u8]) -> usize {
    let (words, rest) = bytes.as_chunks::<8>();
    for (place, word) in words.iter().enumerate() {
        let marks = marks(u64::from_le_bytes(*word));
        if marks != 0 {
            return place * 8 + size(u64::from(marks.trailing_zeros() / 8));
        }
    }
    words.len() * 8 + rest.iter().take_while(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)).count()
}

/// Marks the high bit of every byte that needs an escape. A byte below its subtrahend borrows into its high
/// bit; a borrow that runs on may mark later bytes too many, but never an earlier one, so the first mark is
/// true.
fn marks(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const HIGHS: u64 = 0x8080_8080_8080_8080;
    let below = |value: u64, least: u64| value.wrapping_sub(ONES * least) & !value & HIGHS;
    below(word ^ (ONES * 0x22), 1) | below(word ^ (ONES * 0x5c), 1) | below(word, 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_at_the_first_byte_that_needs_an_escape_wherever_it_stands() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for length in 0..3 * BLOCK {
                for at in 0..length {
                    let mut bytes: Vec<u8> =
                        (0..length).map(|place| [b'a', b' ', b'!', 0xff][place % 4]).collect();
                    assert_eq!(plain_run(&bytes), length);
                    bytes[at] = special;
                    assert_eq!(plain_run(&bytes), at, "{special:#x} at {at} of {length}");
                    bytes[length - 1] = b'"';
                    assert_eq!(plain_run(&bytes), at);
                }
            }
        }
    }

    #[test]
    fn every_byte_is_judged_as_a_json_writer_judges_it() {
        for byte in 0..=0x7f_u8 {
            let written = serde_json::to_string(&char::from(byte)).unwrap();
            assert_eq!(plain_run(&[byte; BLOCK]) == BLOCK, written.len() == 3, "{byte:#x}");
            assert_eq!(plain_run(&[byte; 8]) == 8, written.len() == 3, "{byte:#x}");
            assert_eq!(plain_run(&[byte]) == 1, written.len() == 3, "{byte:#x}");
        }
    }
}
