//! How a presence ends: its connection goes, it has a while to come back, then it is gone.

use super::mailbox::Mailbox;
use super::presence::{Link, Presence};
use super::{Cx, Mesh, Then, Timer, events};
use crate::fault::Fault;
use crate::ids::MailboxNo;
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Gauge;
use crate::store::{Ended, Op, PeerState, PresenceKind, Profile, SavedStats};
use crate::surface::{PresenceNo, SessionId};
use crate::time::Wall;
use crate::wire::mesh::{ErrorFrame, Stats};

impl Mesh {
    /// A connection ended. The end of one that was replaced before changes nothing.
    pub(super) fn gone(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, no: PresenceNo, session: SessionId) {
        let Some(presence) = self.roster.presence(no) else { return };
        if presence.session() != Some(session) && !planted("old_close_removes_the_new") {
            return;
        }
        if presence.send_only {
            self.roster.remove_presence(no);
            return self.rest(cx);
        }
        let (member, mailbox, id) = (presence.member, presence.mailbox, presence.id.clone());
        let grace_ms = cx.config.limits.grace_ms();
        cx.note(Level::Info, || {
            Note::new(Level::Info, "ws close").with("presence_id", id.as_str()).with("grace_ms", grace_ms)
        });
        cx.stats.shift(Gauge::ConnectionsActive, -1);
        self.release(cx, no, session);
        self.save_peer(cx, no);
        let until = cx.now.mono.after_millis(grace_ms);
        if let Some(presence) = self.roster.presence_mut(no) {
            presence.link = Link::Grace { until };
        }
        if !planted("grace_without_end") {
            self.timers.arm(Timer::Grace(no), until);
        }
        for mailbox in [member, mailbox] {
            self.deliver(cx, ids, mailbox);
            self.unload_if_alone(mailbox);
        }
    }

    /// Nobody is there to take this mail: the store keeps it.
    pub(super) fn unload_if_alone(&mut self, mailbox: MailboxNo) {
        if self.roster.taker(mailbox, |_| false).is_none()
            && let Some(waiting) = self.mailboxes.get_mut(mailbox)
        {
            waiting.unload();
        }
    }

    /// Sessions come and go in a mesh that is never idle: one that left nothing behind leaves no mailbox
    /// either.
    pub(super) fn forget_if_void(&mut self, mailbox: MailboxNo) {
        if self.mailboxes.get(mailbox).is_some_and(Mailbox::is_void) {
            self.mailboxes.remove(mailbox);
        }
    }

    pub(super) fn grace_ended(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, no: PresenceNo) {
        if self.roster.presence(no).is_some_and(|presence| presence.is_over(cx.now.mono)) {
            self.evict(cx, ids, no);
        }
    }

    /// Ends a presence for good and tells the others.
    pub(super) fn evict(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, no: PresenceNo) {
        self.timers.disarm(Timer::Grace(no));
        let Some(gone) = self.roster.remove_presence(no) else { return };
        cx.note(Level::Info, || {
            Note::new(Level::Info, "lease grace expired — evicting").with("presence_id", gone.id.as_str())
        });
        self.end_presences(cx, vec![gone.id.clone()]);
        events::left(self, cx, &gone);
        self.deliver(cx, ids, gone.member);
        self.forget_if_void(gone.mailbox);
        self.rest(cx);
    }

    /// A member was removed: its connections end, its presences too.
    pub(super) fn ban(&mut self, cx: &mut Cx<'_>, member: MailboxNo) {
        let all: Vec<PresenceNo> = self
            .roster
            .all()
            .filter(|presence| presence.member == member)
            .map(|presence| presence.no)
            .collect();
        let mut ended = Vec::new();
        for no in all {
            if let Some(session) = self.roster.presence(no).and_then(Presence::session) {
                cx.end(session, Fault::Banned);
                self.release(cx, no, session);
            }
            self.timers.disarm(Timer::Grace(no));
            let Some(gone) = self.roster.remove_presence(no) else { continue };
            if !gone.send_only {
                cx.note(Level::Info, || {
                    Note::new(Level::Info, "ws evict full").with("presence_id", gone.id.as_str())
                });
                if gone.line().is_some() {
                    cx.stats.shift(Gauge::ConnectionsActive, -1);
                }
                ended.push(gone.id);
            }
        }
        self.end_presences(cx, ended);
    }

    /// The broker is stopping: every presence is saved and ends.
    pub(super) fn end_all(&mut self, cx: &mut Cx<'_>) {
        let all: Vec<PresenceNo> = self.roster.listed().map(|presence| presence.no).collect();
        all.iter().for_each(|no| self.save_peer(cx, *no));
        let ended = self.roster.listed().map(|presence| presence.id.clone()).collect();
        self.end_presences(cx, ended);
    }

    /// The mesh is another broker's: everybody is told, and goes there.
    pub(super) fn part(mut self, cx: &mut Cx<'_>) {
        self.answer_lost(cx);
        self.turns.turn_away(cx);
        for presence in self.roster.all() {
            let Some(session) = presence.session() else { continue };
            let (code, message) = ("not_owner", "another broker serves this mesh: come back later");
            cx.tell(session, &ErrorFrame { code, message, id: None, request: None, server_time: None });
            cx.end(session, Fault::NotOwner);
            if presence.is_listed() {
                cx.stats.shift(Gauge::ConnectionsActive, -1);
            }
        }
    }

    fn has_own_connection(&self, member: MailboxNo) -> bool {
        self.roster.listed_of(member).any(Presence::is_control_plane)
    }

    /// Keeps what a member's next hello gets back, and where groups find it while it is away.
    pub(super) fn save_peer(&mut self, cx: &mut Cx<'_>, no: PresenceNo) {
        let Some(presence) = self.roster.presence(no).filter(|presence| presence.is_listed()) else { return };
        let Some(row) = self.roster.members.get(presence.member) else { return };
        let before = row.state.clone().unwrap_or_else(|| nothing_saved(cx.now.wall));
        let (last_groups, last_seen) = (presence.groups.clone(), cx.now.wall);
        let speaks = presence.kind == PresenceKind::ControlPlane
            && (presence.is_control_plane() || !self.has_own_connection(presence.member));
        let state = match speaks {
            // A session, or a short command beside its member's own connection, overwrites nothing of that
            // one's.
            false => PeerState { last_groups, last_seen, ..before },
            true => PeerState {
                groups: last_groups.clone(),
                last_groups,
                profile: presence.profile.clone(),
                visible: presence.visible,
                // What this connection did not speak of is as it was.
                summary: presence.summary.clone().or(before.summary),
                display_name: Some(presence.display_name.clone()),
                stats: presence.stats.as_ref().map_or(before.stats, saved),
                last_seen,
            },
        };
        let member = presence.member;
        if let Some(row) = self.roster.members.get_mut(member) {
            row.state = Some(state);
        }
        match self.saving.get_mut(&member) {
            Some(changed) => *changed = true,
            None => self.write_state(cx, member),
        }
    }

    /// Writes a member's state. One write a member at a time: however often it changes meanwhile, only the
    /// last word follows, so that nobody can fill the memory with words that wait for the store.
    fn write_state(&mut self, cx: &mut Cx<'_>, member: MailboxNo) {
        let state = self.roster.members.get(member).and_then(|row| row.state.clone());
        let Some(state) = state else { return };
        self.saving.insert(member, false);
        self.stage(cx, Op::SavePeer { member, state: Box::new(state) }, Then::Saved(member));
    }

    pub(super) fn saved(&mut self, cx: &mut Cx<'_>, member: MailboxNo, ended: &Ended) {
        let changed = self.saving.remove(&member) == Some(true);
        if let Ended::Refused(_) = ended {
            self.unsaved.insert(member);
            self.timers.arm_by(Timer::Retry, cx.now.mono.after_millis(cx.config.limits.health_ms()));
        } else if changed {
            self.write_state(cx, member);
        }
    }

    /// Writes once more what the store refused.
    pub(super) fn save_again(&mut self, cx: &mut Cx<'_>) {
        for member in std::mem::take(&mut self.unsaved) {
            if !self.saving.contains_key(&member) {
                self.write_state(cx, member);
            }
        }
    }
}

fn nothing_saved(last_seen: Wall) -> PeerState {
    PeerState {
        groups: Vec::new(),
        last_groups: Vec::new(),
        profile: Profile::default(),
        visible: true,
        summary: None,
        display_name: None,
        stats: SavedStats::default(),
        last_seen,
    }
}

/// Clients count on from what they are given back, so their latest word is the sum already.
fn saved(stats: &Stats) -> SavedStats {
    let whole = |number: &Option<serde_json::Number>| {
        number.as_ref().and_then(serde_json::Number::as_u64).unwrap_or(0)
    };
    SavedStats {
        messages_in: whole(&stats.messages_in),
        messages_out: whole(&stats.messages_out),
        tool_calls: whole(&stats.tool_calls),
        errors: whole(&stats.errors),
    }
}
