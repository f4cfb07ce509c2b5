//! Who takes whose seat: which presence a hello continues or replaces, and how often that may happen.
//!
//! *Decides* by the same member only: a session key that was seen, or the same place (session id and host)
//! without one, is the same peer; another session of the same place takes over.

use super::Mesh;
use super::hello::Greeting;
use super::presence::Presence;
use crate::ids::MailboxNo;
use crate::surface::PresenceNo;
use crate::time::Mono;

/// What a hello means for the presences there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seat {
    /// The same peer came back, or a newer connection of it takes over.
    Same(PresenceNo),
    /// Another session under the same session id takes the place of this one.
    Instead(PresenceNo),
    /// Somebody else.
    Fresh,
}

impl Mesh {
    /// Which entry a hello continues or replaces. Only one of the same member's; none for who only sends.
    pub(super) fn seat_for(&self, greeting: &Greeting, member: MailboxNo) -> Seat {
        if greeting.sends_only() {
            return Seat::Fresh;
        }
        let (peer, session_key) = (greeting.peer(), greeting.session_key());
        let same_place = |old: &Presence| old.session_id == peer.session_id && old.hostname == peer.hostname;
        let mut instead = Seat::Fresh;
        for old in self.roster.listed_of(member) {
            let same = match session_key {
                Some(key) => old.session_key == Some(key),
                None => old.session_key.is_none() && same_place(old),
            };
            if same {
                return Seat::Same(old.no);
            }
            if same_place(old) {
                instead = Seat::Instead(old.no);
            }
        }
        instead
    }
}

/// How often a presence changed hands, and whether it is held down for it (NET-06).
#[derive(Debug, Default)]
pub(crate) struct Swaps {
    recent: Vec<Mono>,
    held_until: Option<Mono>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swap {
    Fine,
    Held,
}

impl Swaps {
    pub(super) fn is_held(&self, now: Mono) -> bool {
        self.held_until.is_some_and(|until| now < until)
    }

    pub(super) fn swap(&mut self, now: Mono, max: u64, window_ms: u64) -> Swap {
        self.recent.retain(|at| now.millis_since(*at) < window_ms);
        self.recent.push(now);
        if self.recent.len() as u64 <= max {
            return Swap::Fine;
        }
        self.recent.clear();
        self.held_until = Some(now.after_millis(window_ms));
        Swap::Held
    }
}
