//! What is arriving of all runners together: bounded, and who would go over it is read on when others are
//! done.

use std::collections::BTreeSet;

use super::Broker;
use super::client::{Bound, Client};
use crate::config::size;
use crate::ids::ConnId;
use crate::machine::Listener;
use crate::surface::SessionId;

/// Messages up to this length arrive within one chunk, more or less, and need no room set aside.
pub(super) const SMALL_BYTES: usize = 64 * 1_024;

/// What is arriving from all runners, and who waits until there is room for more.
#[derive(Debug, Default)]
pub(super) struct Inflight {
    bytes: usize,
    waiting: BTreeSet<ConnId>,
    /// Callers that were answered and may ask again.
    pub(super) idle: BTreeSet<ConnId>,
}

impl Broker {
    /// Keeps a connection of a caller that was answered, if there is room for one more.
    pub(super) fn keep_idle(&mut self, id: ConnId) -> bool {
        let has_room = (self.inflight.idle.len() as u64) < self.limits.runner_idle_max();
        if has_room {
            self.inflight.idle.insert(id);
        }
        has_room
    }

    /// Sets room aside for what is arriving; false when the connection has to wait for it. One that is paused
    /// needs no more than it has, and gives back what has come whole.
    pub(super) fn set_aside(&mut self, id: ConnId, client: &mut Client, is_paused: bool) -> bool {
        if client.listener != Listener::Runner {
            return true;
        }
        let arriving = client.connection.arriving_bytes();
        let needed = if arriving > SMALL_BYTES { arriving } else { 0 };
        let needed = if is_paused { needed.min(client.reserved) } else { needed };
        let more = needed.saturating_sub(client.reserved);
        let all = size(self.limits.runner_inflight_share_bytes(self.shards.count));
        if more > 0 && self.inflight.bytes > 0 && self.inflight.bytes.saturating_add(more) > all {
            self.inflight.waiting.insert(id);
            if let Bound::Runner(no) = client.bound {
                self.runners.mute(no, SessionId(id));
            }
            return false;
        }
        self.inflight.waiting.remove(&id);
        let before = std::mem::replace(&mut client.reserved, needed);
        self.inflight.bytes = self.inflight.bytes.saturating_add(needed).saturating_sub(before);
        if needed < before {
            self.resumed.extend(self.inflight.waiting.iter().copied().map(SessionId));
        }
        true
    }

    /// A connection is gone, and what was set aside for it is free.
    pub(super) fn free(&mut self, id: ConnId, reserved: usize) {
        self.inflight.waiting.remove(&id);
        self.inflight.idle.remove(&id);
        if reserved > 0 {
            self.inflight.bytes = self.inflight.bytes.saturating_sub(reserved);
            self.resumed.extend(self.inflight.waiting.iter().copied().map(SessionId));
        }
    }
}
