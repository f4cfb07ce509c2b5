//! What a peer says of itself: status, summary, visibility, profile, counters, groups.

use super::presence::Told;
use super::status::Source;
use super::{Cx, Mesh, Timer, events};
use crate::message_id::MessageIds;
use crate::store::{Group, Status};
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::{Ack, ErrorFrame, JoinGroup, Named, SetProfile, SetStats, SetStatus};

/// The least time between two changes of one peer's visibility that the others are told.
const VISIBILITY_MS: u64 = 1_000;

impl Mesh {
    pub(super) fn set_status(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        (no, session): (PresenceNo, SessionId),
        wish: &SetStatus,
        request: Option<&str>,
    ) {
        let Some(status) = Status::parse(&wish.status) else {
            return refuse(cx, session, request, "invalid_argument", "status must be idle, working or dnd");
        };
        let subjects = self.status_subjects(no);
        if subjects.is_empty() {
            let text = "none of your connections is in the mesh: connect one first";
            return refuse(cx, session, request, "no_presence", text);
        }
        for subject in subjects {
            self.write_status(cx, ids, subject, status, Source::Manual);
        }
        acknowledge(cx, session, request);
    }

    /// Whom a peer's word is about: itself; a connection that only sends speaks for its member's own
    /// connections.
    fn status_subjects(&self, no: PresenceNo) -> Vec<PresenceNo> {
        let Some(speaker) = self.roster.presence(no) else { return Vec::new() };
        if speaker.is_listed() {
            return vec![no];
        }
        let own = self.roster.listed_of(speaker.member).filter(|presence| presence.is_control_plane());
        let own: Vec<PresenceNo> = own.map(|presence| presence.no).collect();
        if own.is_empty() {
            return self
                .roster
                .listed_of(speaker.member)
                .next_back()
                .map(|newest| newest.no)
                .into_iter()
                .collect();
        }
        own
    }

    pub(super) fn write_status(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        status: Status,
        source: Source,
    ) {
        let fresh_ms = cx.config.limits.hook_fresh_ms();
        let Some(presence) = self.roster.presence_mut(no) else { return };
        presence.standing.write(cx.now.mono, status, source, fresh_ms);
        let member = presence.member;
        self.deliver_to(cx, ids, no, member);
    }

    /// Turns every `working` that nobody confirmed to idle; says how many there were.
    pub(super) fn sweep_statuses(&mut self, cx: &mut Cx<'_>, ids: &MessageIds) -> u64 {
        let (now, ttl_ms) = (cx.now.mono, cx.config.limits.status_ttl_ms());
        let mut flipped = Vec::new();
        self.roster.for_each_mut(|presence| {
            if presence.line().is_some() && presence.standing.sweep(now, ttl_ms) {
                flipped.push((presence.no, presence.member));
            }
        });
        for (no, member) in &flipped {
            self.deliver_to(cx, ids, *no, *member);
        }
        flipped.len() as u64
    }

    pub(super) fn set_summary(
        &mut self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        summary: &str,
        request: Option<&str>,
    ) {
        if summary.len() as u64 > cx.config.limits.text_bytes_max() {
            return refuse(cx, session, request, "invalid_argument", "summary is too long");
        }
        if let Some(presence) = self.roster.presence_mut(no) {
            presence.summary = Some(summary.to_owned());
        }
        self.save_peer(cx, no);
        acknowledge(cx, session, request);
    }

    pub(super) fn set_visible(
        &mut self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        visible: bool,
        request: Option<&str>,
    ) {
        let Some(presence) = self.roster.presence_mut(no) else { return };
        let changed = presence.visible != visible;
        presence.visible = visible;
        if changed && presence.is_listed() {
            presence.told.is_stale = true;
            self.save_peer(cx, no);
            self.tell_visibility(cx, no);
        }
        short_ack(cx, session, request);
    }

    /// Tells the others whether a peer shows itself, if that has changed. However often it changes its mind,
    /// they hear of it once in a while, or it could fill their outboxes.
    pub(super) fn tell_visibility(&mut self, cx: &mut Cx<'_>, no: PresenceNo) {
        let Some(presence) = self.roster.presence_mut(no).filter(|presence| presence.told.is_stale) else {
            return;
        };
        let until = presence.told.until;
        if cx.now.mono < until {
            return self.timers.arm(Timer::Visibility(no), until);
        }
        self.tell_visibility_now(cx, no);
    }

    /// The same without waiting, since nobody will be there who could be told of later.
    pub(super) fn tell_visibility_now(&mut self, cx: &mut Cx<'_>, no: PresenceNo) {
        if let Some(presence) = self.roster.presence_mut(no).filter(|presence| presence.told.is_stale) {
            presence.told = Told { is_stale: false, until: cx.now.mono.after_millis(VISIBILITY_MS) };
            events::visibility(self, cx, no);
        }
    }

    pub(super) fn set_profile(
        &mut self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        wish: SetProfile,
        request: Option<&str>,
    ) {
        let limits = &cx.config.limits;
        let long = |text: &String| text.len() as u64 > limits.text_bytes_max();
        let capabilities = wish.capabilities.as_deref().unwrap_or_default();
        let texts = [&wish.avatar, &wish.title, &wish.bio];
        if texts.into_iter().flatten().any(long)
            || capabilities.len() as u64 > limits.groups_per_peer_max()
            || capabilities.iter().any(long)
        {
            return refuse(cx, session, request, "invalid_argument", "a text of the profile is too long");
        }
        if let Some(presence) = self.roster.presence_mut(no) {
            let profile = &mut presence.profile;
            let merge = |field: &mut Option<String>, wish: Option<String>| {
                if wish.is_some() {
                    *field = wish;
                }
            };
            merge(&mut profile.avatar, wish.avatar);
            merge(&mut profile.title, wish.title);
            merge(&mut profile.bio, wish.bio);
            if wish.capabilities.is_some() {
                profile.capabilities = wish.capabilities;
            }
        }
        self.save_peer(cx, no);
        short_ack(cx, session, request);
    }

    pub(super) fn set_stats(&mut self, no: PresenceNo, wish: SetStats) {
        if let Some(presence) = self.roster.presence_mut(no) {
            presence.stats = Some(wish.stats);
        }
    }

    pub(super) fn join_group(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        (no, session): (PresenceNo, SessionId),
        wish: JoinGroup,
        request: Option<&str>,
    ) {
        let limits = &cx.config.limits;
        let short = |text: &str| !text.is_empty() && text.len() as u64 <= limits.name_bytes_max();
        if !short(&wish.name) || !wish.role.as_deref().is_none_or(short) {
            return refuse(cx, session, request, "invalid_argument", "name or role is empty or too long");
        }
        let groups_max = limits.groups_per_peer_max();
        let Some(presence) = self.roster.presence_mut(no) else { return };
        let group = Group { name: wish.name, role: wish.role };
        match presence.groups.iter().position(|mine| mine.name == group.name) {
            Some(at) => presence.groups[at] = group,
            None if presence.groups.len() as u64 >= groups_max => {
                return refuse(cx, session, request, "limit", "in too many groups");
            }
            None => presence.groups.push(group),
        }
        let member = presence.member;
        self.save_peer(cx, no);
        self.deliver_to(cx, ids, no, member);
        acknowledge(cx, session, request);
    }

    pub(super) fn leave_group(
        &mut self,
        cx: &mut Cx<'_>,
        (no, session): (PresenceNo, SessionId),
        name: &str,
        request: Option<&str>,
    ) {
        if let Some(presence) = self.roster.presence_mut(no) {
            presence.groups.retain(|mine| mine.name != name);
        }
        self.save_peer(cx, no);
        acknowledge(cx, session, request);
    }
}

/// The `ack` of requests that have no answer of their own, sent only to those who can tell it apart.
fn acknowledge(cx: &mut Cx<'_>, session: SessionId, request: Option<&str>) {
    if request.is_some() {
        short_ack(cx, session, request);
    }
}

fn short_ack(cx: &mut Cx<'_>, session: SessionId, request: Option<&str>) {
    let id = request.unwrap_or("");
    let ack = Ack { id, request, durability: cx.durability(), ..Ack::default() };
    cx.tell(session, &ack);
}

pub(super) fn refuse(cx: &mut Cx<'_>, session: SessionId, request: Option<&str>, code: &str, message: &str) {
    cx.tell(session, &ErrorFrame { code, message, id: request, request, server_time: None });
}

/// A message that could not be read is answered under the name it has, if any.
pub(super) fn misunderstood(cx: &mut Cx<'_>, session: SessionId, named: &Named<'_>, why: &str) {
    let (id, request) = (named.id.as_deref(), named.request.as_deref());
    let message = format!("not understood: {why}");
    let id = id.or(request);
    cx.tell(session, &ErrorFrame { code: "bad_request", message: &message, id, request, server_time: None });
}
