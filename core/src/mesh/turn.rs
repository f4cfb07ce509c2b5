//! Hellos that wait for their turn, because their member connects again and again (NET-07).
//!
//! *Decides* how often one member may come in. *Does not* refuse anybody: who waits too long is sent away
//! like anybody whose hello is not answered in time. *Always holds:* only verified hellos wait, each with
//! its connection.

use std::collections::BTreeMap;
use std::time::Duration;

use super::hello::{Greeting, Proof};
use super::refusal::{Refusal, refuse};
use super::{Cx, Mesh, Timer};
use crate::ids::MailboxNo;
use crate::kit::bucket::Bucket;
use crate::kit::index::{Index, Numbered};
use crate::rng::Rng;
use crate::surface::SessionId;
use crate::time::Mono;

#[derive(Debug)]
pub(super) struct Turns {
    buckets: Numbered<MailboxNo, Bucket>,
    /// By the moment of their next try.
    waiting: BTreeMap<(Mono, SessionId), (Greeting, Proof)>,
}

impl Turns {
    pub(super) fn new(rng: &mut Rng) -> Turns {
        Turns { buckets: Index::numbered(rng), waiting: BTreeMap::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// A connection that waits is gone.
    pub(super) fn leave(&mut self, session: SessionId) {
        self.waiting.retain(|(_, waits), _| *waits != session);
    }

    /// Everybody who waits is ended otherwise.
    pub(super) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// The mesh was lost: everybody who waits must go elsewhere.
    pub(super) fn turn_away(&mut self, cx: &mut Cx<'_>) {
        for ((_, session), (greeting, _)) in std::mem::take(&mut self.waiting) {
            refuse(cx, session, &greeting, &Refusal::not_owner());
        }
    }

    fn take(&mut self, cx: &Cx<'_>, member: MailboxNo) -> Result<(), Duration> {
        let limits = &cx.config.limits;
        let full = || Bucket::new(limits.hellos_per_minute_max(), limits.hellos_burst());
        self.buckets.find_or_insert(member, full).take(cx.now.mono)
    }

    /// Somebody whose turn may have come.
    fn next(&mut self, now: Mono) -> Option<(SessionId, Greeting, Proof)> {
        let first = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, session), (greeting, proof)) = first.remove_entry();
        Some((session, greeting, proof))
    }
}

impl Mesh {
    /// Gives a verified hello its turn, now or later; what comes back may go on.
    pub(super) fn take_turn(
        &mut self,
        cx: &Cx<'_>,
        session: SessionId,
        member: MailboxNo,
        hello: (Greeting, Proof),
    ) -> Option<(Greeting, Proof)> {
        let Err(wait) = self.turns.take(cx, member) else { return Some(hello) };
        // A wait is never none, so that whoever is looked at in this moment is not looked at again.
        let wait = wait.max(Duration::from_millis(1));
        self.turns.waiting.insert((cx.now.mono.after(wait), session), hello);
        self.await_turns();
        None
    }

    /// Somebody's turn may have come. Whoever finds that it has not waits on. While it is in doubt whether
    /// the mesh is ours, everybody does.
    pub(super) fn turns_came(&mut self, cx: &mut Cx<'_>) {
        if !cx.store.sure {
            let again = cx.now.mono.after_millis(cx.config.limits.health_ms());
            return self.timers.arm(Timer::Turn, again);
        }
        while let Some((session, greeting, proof)) = self.turns.next(cx.now.mono) {
            self.welcome(cx, session, greeting, proof);
        }
        self.await_turns();
    }

    fn await_turns(&mut self) {
        if let Some(((at, _), _)) = self.turns.waiting.first_key_value() {
            self.timers.arm(Timer::Turn, *at);
        }
    }
}
