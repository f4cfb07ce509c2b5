//! Who takes whose seat: which presence a hello continues or replaces, and how often that may happen.
//!
//! *Decides* by the same member only: a session key that was seen, or the same place (session id and host) without
//! one, is the same peer; another session of the same place takes over.

use super::Mesh;
use super::hello::Greeting;
use super::presence::Presence;
use crate::ids::{MailboxNo, PublicKey};
use crate::surface::PresenceNo;
use crate::time::Mono;
use crate::wire::mesh::HelloPeer;

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

/// What names a peer across its connections.
#[derive(Clone, Copy)]
pub(super) struct Identity<'a> {
    member: MailboxNo,
    session_key: Option<PublicKey>,
    peer: &'a HelloPeer,
}

impl Mesh {
    /// Which entry a hello continues or replaces. Only one of the same member's.
    pub(super) fn seat(&self, identity: &Identity<'_>) -> Seat {
        let peer = identity.peer;
        let same_place = |old: &Presence| old.session_id == peer.session_id && old.hostname == peer.hostname;
        let mut instead = Seat::Fresh;
        for old in self.roster.listed_of(identity.member) {
            let same = match identity.session_key {
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

pub(super) fn identity(greeting: &Greeting, member: MailboxNo) -> Identity<'_> {
    Identity { member, session_key: greeting.session_key(), peer: greeting.peer() }
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
