//! What every surface is lent while it handles something: time, chance, limits, and lists for what it wants
//! done.
//!
//! A surface knows sessions, never sockets or bytes. It does not call the store, the log or a connection: it
//! appends to a list, and the broker performs the lists when the surface returns.

use std::hash::Hasher;
use std::ops::Range;
use std::time::Duration;

use bytes::Bytes;
use serde::Serialize;
use siphasher::sip::SipHasher13;

use crate::config::Config;
use crate::fault::Fault;
use crate::forward::Forward;
use crate::ids::{ConnId, MeshId, Position, RunnerNo, ShardId};
use crate::note::{Level, Note};
use crate::rng::Rng;
use crate::stats::{Counter, Stats, Timing};
use crate::store::{Durability, Fence, History, Op, Query};
use crate::time::Now;
use crate::wire::admin::AdminCall;
use crate::wire::mesh::Encode;

/// A connection as surfaces see it. Never used twice, so an old one cannot be taken for its successor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct SessionId(pub(crate) ConnId);

/// The context of one call into a surface, whose continuations are of type `A`.
pub(crate) struct Cx<'a, A> {
    pub now: Now,
    pub config: &'a Config,
    pub rng: &'a mut Rng,
    pub stats: &'a mut Stats,
    pub notes: &'a mut Vec<Note>,
    pub effects: &'a mut Effects,
    pub work: &'a mut Work<A>,
    pub store: StoreView,
}

/// What is known of the store.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StoreView {
    /// Why it would refuse a write; none while nothing is known against it.
    pub down: Option<Down>,
    /// Our meshes are surely ours. While that is in doubt, nothing is told from memory that another broker
    /// may have changed.
    pub sure: bool,
    /// How often that was in doubt until now. What was claimed before the last doubt and is not in memory yet
    /// was not asked about.
    pub doubts: u64,
    /// What an answer that says "stored" is worth.
    pub durability: Durability,
    /// Which history it tells; none before its first answer.
    pub history: Option<History>,
}

/// Why the store refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Down {
    /// It does not answer.
    Away,
    /// It has no room.
    Full,
}

/// What a surface wants from the store, in order.
#[derive(Debug)]
pub(crate) struct Work<A> {
    pub writes: Vec<(Op, Option<Fence>, A)>,
    pub questions: Vec<(Query, A)>,
}

impl<A> Default for Work<A> {
    fn default() -> Work<A> {
        Work { writes: Vec::new(), questions: Vec::new() }
    }
}

impl<A> Work<A> {
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty() && self.questions.is_empty()
    }
}

/// So much room an arena of texts keeps from one turn to the next, in bytes.
const ARENA_BYTES_KEPT: usize = 4 * 1_024 * 1_024;

/// What a surface wants done to connections, in order. The texts live in one arena.
#[derive(Debug, Default)]
pub(crate) struct Effects {
    pub list: Vec<Effect>,
    pub arena: Vec<u8>,
    /// The last push, and its place in the list.
    pushed: Option<(PushCopy, usize)>,
}

#[derive(Debug)]
pub(crate) enum Effect {
    /// Send one text.
    Tell { session: SessionId, text: Range<usize> },
    /// Send one text to many.
    TellMany { sessions: Vec<SessionId>, text: Range<usize> },
    /// Send one frame, or piece of a stream of events, to many: all share its bytes.
    Share { sessions: Vec<SessionId>, frame: Bytes },
    /// Answer an HTTP request with a stream of events, which is a watcher from here on.
    Stream { session: SessionId },
    /// Answer an HTTP request with JSON.
    Answer { session: SessionId, status: u16, body: Vec<u8> },
    /// The hello was accepted: this connection is a peer of that mesh from here on.
    Bind { session: SessionId, peer: Peer },
    /// Send a ping that carries these bytes.
    Ping { session: SessionId, payload: Bytes },
    /// One more of the session's sends is answered: its reading may go on.
    Resume { session: SessionId },
    /// An admin request belongs to that mesh: pass it to the shard that owns it.
    Enter { session: SessionId, mesh: MeshId, call: AdminCall },
    /// The runner is ours: this connection speaks for it from here on.
    Seat { session: SessionId, runner: RunnerNo },
    /// Send a request to the event target.
    Forward(Box<Forward>),
    /// End the connection. The reason replaces the fault's own and is cut to what a close frame holds.
    End { session: SessionId, fault: Fault, reason: Option<Box<str>> },
}

/// What makes pushes of one message alike: its position, and whether they go to its sender's own member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PushCopy {
    pub position: Position,
    pub to_sender: bool,
}

/// Which presence of which mesh a connection speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub mesh: crate::ids::MeshNo,
    pub presence: PresenceNo,
}

/// A presence's number inside its mesh: grows with every hello, so that it is also its generation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PresenceNo(pub(crate) u64);

impl<A> Cx<'_, A> {
    /// Sends one message.
    pub(crate) fn tell(&mut self, session: SessionId, message: &impl Encode) {
        let text = self.effects.encode(message);
        self.effects.list.push(Effect::Tell { session, text });
    }

    /// Sends what the last effect sends to one more session, if that was a push of the same copy.
    pub(crate) fn push_too(&mut self, session: SessionId, copy: PushCopy) -> bool {
        let Some((pushed, place)) = self.effects.pushed else { return false };
        if pushed != copy || place + 1 != self.effects.list.len() {
            return false;
        }
        match self.effects.list.last_mut() {
            Some(Effect::TellMany { sessions, .. }) => sessions.push(session),
            Some(last @ Effect::Tell { .. }) => {
                let Effect::Tell { session: first, text } = &*last else { return false };
                *last = Effect::TellMany { sessions: vec![*first, session], text: text.clone() };
            }
            _ => return false,
        }
        true
    }

    /// Sends a push, which others may be sent too.
    pub(crate) fn push(&mut self, session: SessionId, copy: PushCopy, message: &impl Encode) {
        self.effects.pushed = Some((copy, self.effects.list.len()));
        self.tell(session, message);
    }

    /// Sends one message to many.
    pub(crate) fn tell_many(&mut self, sessions: Vec<SessionId>, message: &impl Encode) {
        if sessions.is_empty() {
            return;
        }
        let text = self.effects.encode(message);
        self.effects.list.push(Effect::TellMany { sessions, text });
    }

    /// Sends one frame, or piece of a stream of events, to many: all share its bytes.
    pub(crate) fn share(&mut self, sessions: Vec<SessionId>, frame: Bytes) {
        self.effects.list.push(Effect::Share { sessions, frame });
    }

    /// Answers an HTTP request with JSON.
    pub(crate) fn answer(&mut self, session: SessionId, status: u16, body: &impl Serialize) {
        // Nothing that is answered has keys other than texts, which is all that can fail here.
        let body = serde_json::to_vec(body).unwrap_or_default();
        self.effects.list.push(Effect::Answer { session, status, body });
    }

    /// Ends a connection.
    pub(crate) fn end(&mut self, session: SessionId, fault: Fault) {
        self.effects.list.push(Effect::End { session, fault, reason: None });
    }

    /// Ends a connection with more to say than the fault's own word.
    pub(crate) fn end_saying(&mut self, session: SessionId, fault: Fault, reason: impl Into<Box<str>>) {
        self.effects.list.push(Effect::End { session, fault, reason: Some(reason.into()) });
    }

    /// Writes something, if `fence` holds then; `after` comes back when that is done.
    pub(crate) fn stage(&mut self, op: Op, fence: Option<Fence>, after: A) {
        self.work.writes.push((op, fence, after));
    }

    /// Asks something; `after` comes back with the answer.
    pub(crate) fn ask(&mut self, query: Query, after: A) {
        self.work.questions.push((query, after));
    }

    /// Adds a log record, made only if somebody will see it.
    pub(crate) fn note(&mut self, level: Level, make: impl FnOnce() -> Note) {
        if level <= self.config.log_level {
            self.notes.push(make());
        }
    }

    /// Counts that a publication took that long to so many watchers.
    pub(crate) fn time_delivery(&mut self, took: Duration, watchers: usize) {
        self.stats.time(Timing::LiveDelivery, took, watchers as u64);
    }

    pub(crate) fn count(&mut self, counter: Counter) {
        self.stats.count(counter);
    }

    /// Which history peers meet.
    pub(crate) fn history_epoch(&self) -> Option<String> {
        self.store.history.map(|history| history.epoch.hex())
    }

    /// What answers say of the durability of what is stored, where it is less than all.
    pub(crate) fn durability(&self) -> Option<&'static str> {
        (self.store.durability != Durability::Synced).then(|| self.store.durability.word())
    }
}

impl Effects {
    /// Forgets the texts, once everything is performed.
    pub(crate) fn clear(&mut self) {
        self.arena.clear();
        self.arena.shrink_to(ARENA_BYTES_KEPT);
        self.pushed = None;
    }

    /// Bytes of what is said from that place of the list on.
    pub(crate) fn bytes_from(&self, place: usize) -> usize {
        let said = self.list.iter().skip(place).map(|effect| match effect {
            Effect::Tell { text, .. } | Effect::TellMany { text, .. } => text.len(),
            Effect::Share { frame, .. } => frame.len(),
            Effect::Answer { body, .. } => body.len(),
            _ => 0,
        });
        said.sum()
    }

    fn encode(&mut self, message: &impl Encode) -> Range<usize> {
        let start = self.arena.len();
        message.encode(&mut self.arena);
        start..self.arena.len()
    }
}

/// Which shard owns what.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shards {
    pub own: ShardId,
    pub count: u16,
}

impl Shards {
    /// The shard that owns a mesh: the same in every process with that many shards.
    pub(crate) fn owner(self, mesh: &MeshId) -> ShardId {
        self.owner_of(mesh.as_str())
    }

    /// The shard that owns whatever is named so.
    pub(crate) fn owner_of(self, name: &str) -> ShardId {
        let mut hasher = SipHasher13::new();
        hasher.write(name.as_bytes());
        let shard = hasher.finish() % u64::from(self.count.max(1));
        ShardId(u16::try_from(shard).unwrap_or(0))
    }

    pub(crate) fn owns(self, mesh: &MeshId) -> bool {
        self.owner(mesh) == self.own
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_said_much_leaves_no_large_arena() {
        let mut effects = Effects::default();
        effects.arena.resize(3 * ARENA_BYTES_KEPT, b'x');
        effects.clear();
        assert!(effects.arena.is_empty() && effects.arena.capacity() <= ARENA_BYTES_KEPT);
    }
}
