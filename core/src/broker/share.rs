//! The short way of what goes to many connections: one lookup for each of them, and nothing else of what a
//! turn of one connection may bring along.
//!
//! *Always holds:* the long way (`Broker::with_client`) would do the same. Where more may follow, it is
//! taken.

use bytes::Bytes;

use super::client::{Bound, Client};
use super::{Broker, Timer};
use crate::config::size;
use crate::ids::ConnId;
use crate::kit::timers::Timers;
use crate::machine::{Deadline, Outputs};
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

    /// The kernel took bytes of a watcher for whom nothing waits, from whom nothing waits to be read and who
    /// is read on anyway, while nothing else is to be done: the whole turn. Tells the next deadline; none,
    /// and nothing is done, where the long way is to be taken.
    pub(super) fn sent_to_watcher(
        &mut self,
        now: Now,
        id: ConnId,
        bytes: usize,
        todo: &mut Outputs,
    ) -> Option<Option<Deadline>> {
        let deadline = self.deadline();
        if !self.is_still() || deadline.is_some_and(|deadline| deadline.at <= now.mono) {
            return None;
        }
        let client = self.clients.find_mut(&id)?.as_mut()?;
        let is_watcher = matches!(client.bound, Bound::Watcher) && client.connection.is_open();
        let is_read_on = client.granted && !client.ended && !client.connection.has_kept();
        let room = self.lives.idle_room(SessionId(id)).filter(|_| is_watcher && is_read_on)?;
        client.connection.sent(now.mono, bytes, id, todo);
        *room = size(self.limits.send_window_bytes()).saturating_sub(client.connection.unsent_bytes());
        // Nothing of its clock can have come nearer, and that of others has not changed.
        Some(deadline)
    }

    /// True when nothing waits for the end of this turn.
    fn is_still(&self) -> bool {
        let has_work = !self.work.is_empty() || !self.runner_work.is_empty() || !self.live_work.is_empty();
        let has_effects = !self.effects.list.is_empty() || !self.resumed.is_empty();
        !has_work && !has_effects && self.notes.is_empty() && !self.drain.is_on()
    }
}
