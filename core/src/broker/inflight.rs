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
    /// gets none; whoever gets none gives back what it has, which has come whole.
    pub(super) fn set_aside(&mut self, id: ConnId, client: &mut Client, is_paused: bool) -> bool {
        if client.listener != Listener::Runner {
            return true;
        }
        let arriving = client.connection.arriving_bytes();
        let needed = if arriving > SMALL_BYTES { arriving } else { 0 };
        // A message says at its head how long it is, so more is needed for another one alone: the one before
        // has come.
        let held = if needed > client.reserved { 0 } else { client.reserved };
        let others = self.inflight.bytes.saturating_sub(client.reserved);
        let all = size(self.limits.runner_inflight_share_bytes(self.shards.count));
        let has_room = needed <= held || !is_paused && (others == 0 || others.saturating_add(needed) <= all);
        let kept = if has_room { needed } else { 0 };
        let before = std::mem::replace(&mut client.reserved, kept);
        self.inflight.bytes = others.saturating_add(kept);
        if has_room || is_paused {
            self.inflight.waiting.remove(&id);
        } else {
            self.inflight.waiting.insert(id);
            if let Bound::Runner(no) = client.bound {
                self.runners.mute(no, SessionId(id));
            }
        }
        if kept < before {
            self.resumed.extend(self.inflight.waiting.iter().copied().map(SessionId));
        }
        has_room
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
