//! Log records that strangers can cause as often as they like, and which of them are written (DOS-05).
//!
//! *Decides* by message and reason, both from closed sets: so many a minute of each are written, and the next
//! one that is says how many were left out. *Does not* touch counters, which count all of them.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config::Limits;
use crate::kit::bucket::Bucket;
use crate::note::Note;
use crate::time::Mono;

/// Records of requests and hellos that nobody has vouched for.
const OF_STRANGERS: [&str; 16] = [
    "hello rejected",
    "hello rejected: revoked",
    "hello sig rejected",
    "hook",
    "hook rate limited",
    "http",
    "join",
    "mesh at capacity",
    "mesh at capacity (session_hello)",
    "member key not rotated",
    "member request rejected",
    "runner refused",
    "session_hello attestation rejected",
    "session_hello rejected",
    "session_hello rejected: revoked parent",
    "session_hello sig rejected",
];

/// Kinds of records that are told apart.
const KINDS_MAX: usize = 64;

/// How much of each kind was written.
#[derive(Debug, Default)]
pub(super) struct Sampler {
    kinds: BTreeMap<(&'static str, String), Kind>,
}

#[derive(Debug)]
struct Kind {
    bucket: Bucket,
    left_out: u64,
}

impl Sampler {
    /// The record, if it is to be written.
    pub(super) fn pass(&mut self, now: Mono, note: Note, limits: &Limits) -> Option<Note> {
        let Some(reason) = stranger(&note) else { return Some(note) };
        let known = self.kinds.contains_key(&(note.msg, reason.clone()));
        // Reasons are few. Were they not, the log would still not grow with them.
        let reason = if known || self.kinds.len() < KINDS_MAX { reason } else { String::new() };
        let rate = limits.stranger_logs_per_minute_max();
        let kind = self.kinds.entry((note.msg, reason));
        let kind = kind.or_insert_with(|| Kind { bucket: Bucket::new(rate, rate), left_out: 0 });
        if kind.bucket.take(now).is_err() {
            kind.left_out = kind.left_out.saturating_add(1);
            return None;
        }
        match std::mem::take(&mut kind.left_out) {
            0 => Some(note),
            left_out => Some(note.with("left_out", left_out)),
        }
    }
}

/// The reason, when it is a record of a stranger's doing.
fn stranger(note: &Note) -> Option<String> {
    let field = |name| note.fields.iter().find(|(have, _)| *have == name).map(|(_, value)| value);
    let is_his = OF_STRANGERS.contains(&note.msg);
    // What found its presence, or let somebody in, has limits of its own.
    let succeeded = field("ok") == Some(&Value::Bool(true)) || field("pending") == Some(&Value::Bool(false));
    let reason = field("reason").or(field("error")).and_then(Value::as_str).unwrap_or_default();
    (is_his && !succeeded).then(|| reason.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::note::Level;

    fn refused(reason: &str) -> Note {
        Note::new(Level::Warn, "hello sig rejected").with("reason", reason).with("pubkey", "k")
    }

    fn at(seconds: u64) -> Mono {
        Mono::START.after_millis(seconds * 1_000)
    }

    #[test]
    fn f_dos_05_records_of_strangers_are_sampled_by_reason_and_none_is_left_out_in_silence() {
        let mut limits = Limits::default();
        limits.set("stranger_logs_per_minute_max", 6).unwrap();
        let mut sampler = Sampler::default();
        let mut pass = |seconds, note| sampler.pass(at(seconds), note, &limits);
        let written = (0..1_000).filter_map(|_| pass(0, refused("bad_signature"))).count();
        assert_eq!(written, 6);
        assert_eq!(pass(0, refused("timestamp_skew")), Some(refused("timestamp_skew")), "another reason");
        assert_eq!(pass(9, refused("bad_signature")), None);
        let next = pass(10, refused("bad_signature"));
        assert_eq!(next, Some(refused("bad_signature").with("left_out", 995)));
    }

    #[test]
    fn f_dos_05_what_strangers_cannot_cause_is_always_written() {
        let mut limits = Limits::default();
        limits.set("stranger_logs_per_minute_max", 1).unwrap();
        let mut sampler = Sampler::default();
        let joined = || Note::new(Level::Info, "join").with("ok", true);
        let hooked = || Note::new(Level::Info, "hook").with("pending", false);
        let said = || Note::new(Level::Info, "ws hello");
        for _ in 0..10 {
            for note in [joined(), hooked(), said()] {
                assert_eq!(sampler.pass(at(0), note.clone(), &limits), Some(note));
            }
        }
    }

    #[test]
    fn f_dos_05_kinds_of_records_are_bounded() {
        let (mut sampler, limits) = (Sampler::default(), Limits::default());
        for reason in 0..1_000 {
            let _ = sampler.pass(at(0), refused(&reason.to_string()), &limits);
        }
        assert!(sampler.kinds.len() <= KINDS_MAX + 1);
    }
}
