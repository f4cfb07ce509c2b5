//! What an answer of the event target means.

use crate::config::Limits;
use crate::forward::Forwarded;
use crate::planted::planted;
use crate::rng::Rng;
use crate::time::{Now, Wall};

/// What becomes of the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The target has it.
    Taken,
    /// The target will never have it.
    Refused(u16),
    /// The target failed on it.
    Failed(u16),
    /// The target asks for patience.
    Later(u16),
    /// Nobody knows whether the target has it.
    Unanswered,
}

impl Verdict {
    pub(super) fn of(result: &Forwarded) -> Verdict {
        match result {
            Forwarded::Failed { .. } if planted("event_taken_without_answer") => Verdict::Taken,
            Forwarded::Failed { .. } => Verdict::Unanswered,
            Forwarded::Answered { status, .. } => match *status {
                200..=299 => Verdict::Taken,
                408 | 425 | 429 => Verdict::Later(*status),
                400..=499 => Verdict::Refused(*status),
                // A redirect is not followed: the target is configured wrongly, and no event is to blame.
                300..=399 => Verdict::Later(*status),
                _ => Verdict::Failed(*status),
            },
        }
    }

    /// The status that was answered.
    pub(super) fn status(self) -> Option<u16> {
        match self {
            Verdict::Refused(status) | Verdict::Failed(status) | Verdict::Later(status) => Some(status),
            Verdict::Taken | Verdict::Unanswered => None,
        }
    }
}

/// The wait before the next try, in milliseconds, after that many tries in a row that came to nothing:
/// between half and all of a span that doubles, and no less than the target asked for.
pub(super) fn wait_ms(rng: &mut Rng, limits: &Limits, failures: u32, asked_ms: Option<u64>) -> u64 {
    let doublings = failures.saturating_sub(1);
    let span = 2_u64.saturating_pow(doublings).saturating_mul(limits.runner_retry_ms_min());
    let span = span.min(limits.runner_retry_ms_max());
    let wait = span / 2 + rng.below(span - span / 2 + 1);
    wait.max(asked_ms.unwrap_or(0).min(limits.runner_retry_after_ms_max()))
}

/// The wait that a target asks for, in milliseconds: seconds, or an HTTP date.
pub(super) fn asked_ms(result: &Forwarded, now: Now) -> Option<u64> {
    let Forwarded::Answered { retry_after: Some(text), .. } = result else { return None };
    let text = text.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(text.parse::<u64>().unwrap_or(u64::MAX).saturating_mul(1_000));
    }
    let at = Wall::from_http_date(text)?;
    u64::try_from(at.as_millis().saturating_sub(now.wall.as_millis())).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Mono;

    fn answered(status: u16, retry_after: Option<&str>) -> Forwarded {
        Forwarded::Answered { status, retry_after: retry_after.map(str::to_owned) }
    }

    #[test]
    fn f_evt_02_only_what_the_target_refuses_for_good_is_dead_at_once() {
        for status in [400, 401, 404, 410, 413, 422, 499] {
            assert_eq!(Verdict::of(&answered(status, None)), Verdict::Refused(status));
        }
        for status in [408, 425, 429, 301, 302, 307] {
            assert_eq!(Verdict::of(&answered(status, None)), Verdict::Later(status));
        }
        for status in [500, 502, 503, 599] {
            assert_eq!(Verdict::of(&answered(status, None)), Verdict::Failed(status));
        }
        assert_eq!(Verdict::of(&answered(204, None)), Verdict::Taken);
        assert_eq!(Verdict::of(&Forwarded::Failed { why: "reset".to_owned() }), Verdict::Unanswered);
    }

    #[test]
    fn waits_double_up_to_the_longest_and_are_spread() {
        let (mut rng, limits) = (Rng::from_seed([1; 32]), Limits::default());
        for (failures, span) in [(1, 1_000), (2, 2_000), (5, 16_000), (7, 60_000), (100, 60_000)] {
            let waits: Vec<u64> = (0..50).map(|_| wait_ms(&mut rng, &limits, failures, None)).collect();
            assert!(waits.iter().all(|wait| (span / 2..=span).contains(wait)), "{failures}: {waits:?}");
            assert!(waits.iter().min() != waits.iter().max());
        }
    }

    #[test]
    fn the_target_may_ask_for_more_patience_within_a_bound() {
        let (mut rng, limits) = (Rng::from_seed([1; 32]), Limits::default());
        assert_eq!(wait_ms(&mut rng, &limits, 1, Some(120_000)), 120_000);
        assert_eq!(wait_ms(&mut rng, &limits, 1, Some(u64::MAX)), 3_600_000);
        let now = Now { mono: Mono::START, wall: Wall::from_millis(1_700_000_000_000) };
        assert_eq!(asked_ms(&answered(429, Some(" 7 ")), now), Some(7_000));
        assert_eq!(asked_ms(&answered(429, Some("Tue, 14 Nov 2023 22:13:50 GMT")), now), Some(30_000));
        assert_eq!(asked_ms(&answered(429, Some("Tue, 14 Nov 2023 22:13:00 GMT")), now), None);
        for nonsense in ["", "soon", "-5", "1.5"] {
            assert_eq!(asked_ms(&answered(429, Some(nonsense)), now), None, "{nonsense}");
        }
    }
}
