//! The short way of what goes to many connections: one lookup for each of them, and nothing else of what a
//! turn of one connection may bring along.
//!
//! *Always holds:* the long way (`Broker::with_client`) would do the same. Where more may follow, it is taken.

use bytes::Bytes;

use super::client::{Bound, Client};
use super::{Broker, Timer};
use crate::config::size;
use crate::ids::ConnId;
use crate::kit::timers::Timers;
use crate::machine::Outputs;
use crate::surface::SessionId;
use crate::time::Now;

impl Client {
    /// Sees to it that its clock comes up in time. One that comes up too early finds nothing to do and is set
    /// again, so that a deadline that only moves away costs nothing.
    pub(super) fn arm(&mut self, id: ConnId, timers: &mut Timers<Timer>) {
        if let Some(at) = self.connection.deadline()
            && self.armed.is_none_or(|armed| at < armed)
        {
            timers.arm(Timer::Conn(id), at);
            self.armed = Some(at);
        }
    }
}

impl Broker {
    /// Sends one frame to many.
    pub(super) fn share(&mut self, now: Now, sessions: &[SessionId], frame: &Bytes, todo: &mut Outputs) {
        for SessionId(id) in sessions {
            let Some(Some(client)) = self.clients.find_mut(id) else { continue };
            client.connection.send_shared(now.mono, frame, *id, todo);
            client.arm(*id, &mut self.timers);
        }
    }

    /// The kernel took bytes of a watcher from whom nothing waits to be read, and who is read on anyway: tells
    /// how many more it can take. None, and nothing is done, where the long way is to be taken.
    pub(super) fn sent_to_watcher(
        &mut self,
        now: Now,
        id: ConnId,
        bytes: usize,
        todo: &mut Outputs,
    ) -> Option<usize> {
        let client = self.clients.find_mut(&id)?.as_mut()?;
        let is_watcher = matches!(client.bound, Bound::Watcher) && client.connection.is_open();
        if !is_watcher || !client.granted || client.ended || client.connection.has_kept() {
            return None;
        }
        client.connection.sent(now.mono, bytes, id, todo);
        client.arm(id, &mut self.timers);
        let room = size(self.limits.send_window_bytes());
        Some(room.saturating_sub(client.connection.unsent_bytes()))
    }
}
