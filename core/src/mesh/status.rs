//! What a peer is doing: idle, working, or not to be disturbed (mesh protocol, status and presence).
//!
//! *Decides* what a word from a source changes. A different status always takes effect; rank and freshness
//! only guard who it is attributed to. Nobody but the peer itself ends `dnd`.

use crate::planted::planted;
use crate::store::Status;
use crate::time::Mono;

/// Who says so; a later one in this list ranks higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Nobody: inferred.
    Jsonl,
    /// The peer.
    Manual,
    /// A hook of the peer's agent.
    Hook,
}

/// A status, where it comes from, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub status: Status,
    pub source: Source,
    pub updated: Mono,
}

impl Standing {
    /// How every presence begins.
    pub(crate) fn new(now: Mono) -> Standing {
        Standing { status: Status::Idle, source: Source::Jsonl, updated: now }
    }

    /// Somebody says what the peer does. True when the status is another one than before.
    pub(crate) fn write(&mut self, now: Mono, status: Status, source: Source, fresh_ms: u64) -> bool {
        if source == Source::Hook && self.status == Status::Dnd && !planted("dnd_ended_by_a_hook") {
            return false;
        }
        let changed = status != self.status;
        let fresh = now.millis_since(self.updated) <= fresh_ms;
        if changed || source >= self.source || !fresh {
            self.source = source;
        }
        self.status = status;
        self.updated = now;
        changed
    }

    /// Turns a `working` that nobody confirmed for that long to idle. True when it did.
    pub(crate) fn sweep(&mut self, now: Mono, ttl_ms: u64) -> bool {
        let overdue = self.status == Status::Working && now.millis_since(self.updated) > ttl_ms;
        if overdue {
            *self = Standing::new(now);
        }
        overdue
    }

    /// Which lanes may be delivered: `now` always, `next` and `low` to the idle only.
    pub(crate) fn open_lanes(&self) -> [bool; 3] {
        match self.status {
            Status::Idle => [true; 3],
            Status::Working | Status::Dnd if planted("gate_left_open") => [true; 3],
            Status::Working | Status::Dnd => [true, false, false],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::START.after_millis(seconds * 1_000)
    }

    fn standing(status: Status, source: Source) -> Standing {
        Standing { status, source, updated: at(100) }
    }

    #[test]
    fn another_status_takes_effect_whatever_its_source() {
        let mut standing = standing(Status::Working, Source::Hook);
        assert!(standing.write(at(101), Status::Idle, Source::Jsonl, 30_000));
        assert_eq!(standing, Standing { status: Status::Idle, source: Source::Jsonl, updated: at(101) });
    }

    #[test]
    fn the_same_status_from_below_keeps_a_fresh_attribution_and_replaces_a_stale_one() {
        let mut fresh = standing(Status::Working, Source::Hook);
        assert!(!fresh.write(at(130), Status::Working, Source::Manual, 30_000));
        assert_eq!((fresh.source, fresh.updated), (Source::Hook, at(130)));
        let mut stale = standing(Status::Working, Source::Hook);
        assert!(!stale.write(at(131), Status::Working, Source::Manual, 30_000));
        assert_eq!(stale.source, Source::Manual);
    }

    #[test]
    fn a_hook_never_ends_dnd_but_the_peer_does() {
        let mut standing = standing(Status::Dnd, Source::Manual);
        assert!(!standing.write(at(101), Status::Idle, Source::Hook, 30_000));
        assert_eq!(standing.status, Status::Dnd);
        assert!(standing.write(at(102), Status::Idle, Source::Manual, 30_000));
    }

    #[test]
    fn only_an_overdue_working_is_swept() {
        let mut working = standing(Status::Working, Source::Hook);
        assert!(!working.sweep(at(160), 60_000));
        assert!(working.sweep(at(161), 60_000));
        assert_eq!((working.status, working.source), (Status::Idle, Source::Jsonl));
        assert!(!standing(Status::Dnd, Source::Manual).sweep(at(999), 60_000));
    }
}
