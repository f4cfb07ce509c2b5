//! Lengths of time as people type them: `500ms`, `30s`, `5m`, `2h`, `7d`; a bare number means seconds.

use std::time::Duration;

/// A text that is no length of time.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("write a length of time like 500ms, 30s, 5m, 2h or 7d, at most ten years")]
pub(crate) struct SpanError;

/// Reads a length of time of more than nothing and at most ten years.
pub(crate) fn parse(text: &str) -> Result<Duration, SpanError> {
    const LONGEST_MS: u64 = 3_650 * 24 * 60 * 60 * 1_000;
    let digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let unit_ms: u64 = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(SpanError),
    };
    let count: u64 = number.parse().map_err(|_| SpanError)?;
    let ms = count.checked_mul(unit_ms).filter(|&ms| ms > 0 && ms <= LONGEST_MS);
    ms.map(Duration::from_millis).ok_or(SpanError)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_unit_is_read() {
        let spans = ["250ms", "30", "30s", "2m", "1h", "7d"].map(|text| parse(text).unwrap().as_millis());
        assert_eq!(spans, [250, 30_000, 30_000, 120_000, 3_600_000, 604_800_000]);
    }

    #[test]
    fn nothing_endless_or_wordy_is_accepted() {
        for text in ["", "s", "0s", "-1s", "1.5h", "1w", "99999d", "18446744073709551615d"] {
            assert_eq!(parse(text), Err(SpanError), "{text:?}");
        }
    }
}
