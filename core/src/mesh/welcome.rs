//! Who may come in: from a verified hello to a presence that has its `hello_ack`.
//!
//! *Decides* membership, whose a session key is, capacity, who is replaced by whom, and what is restored.
//! *Always holds:* `hello_ack` is the first thing a peer hears, and it leaves after the hello was recorded,
//! so that a copy of it is refused from then on.

use super::features::{self, Dialect};
use super::hello::{Greeting, Proof};
use super::presence::{Line, Link, Presence, Told};
use super::refusal::{Refusal, refuse};
use super::residence::Waiting;
use super::seat::{Seat, Swap, Swaps};
use super::status::{Source, Standing};
use super::{Cx, Mesh, Meshes, Then, Timer, events};
use crate::fault::Fault;
use crate::ids::{MailboxNo, MeshId, PresenceId, PublicKey};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::{Counter, Gauge};
use crate::store::{Ended, Hello, MemberRow, Op, PresenceKind, PresenceRow, Reply, SessionRow, Status};
use crate::surface::{Effect, Peer, PresenceNo, SessionId};
use crate::wire::mesh::{HelloAck, HelloPeer, MemberProfile};

/// A hello that is being recorded.
#[derive(Debug)]
pub(crate) struct Joining {
    session: SessionId,
    greeting: Greeting,
    member: MailboxNo,
    /// The presence the record names.
    presence: PresenceId,
}

impl Joining {
    /// The mesh was lost while the hello was being recorded.
    pub(super) fn turn_away(&self, cx: &mut Cx<'_>) {
        refuse(cx, self.session, &self.greeting, &Refusal::not_owner());
    }
}

impl Greeting {
    pub(super) fn sends_only(&self) -> bool {
        let capabilities = self.peer().capabilities.as_deref().unwrap_or_default();
        self.kind() == PresenceKind::ControlPlane && capabilities.iter().any(|word| word == "send_only")
    }

    pub(super) fn no_member(&self) -> Refusal {
        let text = match self {
            Greeting::Hello(_) => "pubkey not found in mesh",
            Greeting::Session(_) => "parent pubkey not found in mesh",
        };
        Refusal::new("unauthorized", text, Fault::Unauthorized, Counter::RejectedUnauthorized)
    }
}

impl Meshes {
    /// A connection says hello.
    pub(crate) fn greet(&mut self, cx: &mut Cx<'_>, session: SessionId, greeting: Greeting) {
        if self.draining {
            return cx.end(session, Fault::ShuttingDown);
        }
        let id = MeshId::new(greeting.mesh_id());
        let judged = greeting
            .check_shape()
            .and_then(|()| match self.by_id.find(&id).and_then(|no| self.resident.get(no)) {
                Some(mesh) if cx.store.sure => mesh.check_capacity(cx, &greeting),
                Some(_) | None => Ok(()),
            })
            .and_then(|()| greeting.verify(cx.now.wall, &cx.config.limits))
            .and_then(|proof| match cx.store.down {
                Some(_) => Err(Refusal::no_store()),
                None => Ok(proof),
            });
        match judged {
            Ok(proof) => self.visit(cx, id, Waiting::Hello { session, greeting, proof }),
            Err(refusal) => refuse(cx, session, &greeting, &refusal),
        }
    }
}

impl Mesh {
    /// Judges what needs the mesh, and records the hello.
    pub(super) fn welcome(&mut self, cx: &mut Cx<'_>, session: SessionId, greeting: Greeting, proof: Proof) {
        let member = match self.admit(cx, &greeting) {
            Ok(member) => member,
            Err(refusal) => return refuse(cx, session, &greeting, &refusal),
        };
        let hello = self.take_turn(cx, session, member, (greeting, proof));
        let Some((greeting, proof)) = hello else { return };
        let peer = greeting.peer();
        let name = peer.display_name.clone().filter(|name| !name.is_empty());
        let presence = match self.seat_for(&greeting, member) {
            Seat::Same(no) => self.roster.presence(no).map(|presence| presence.id.clone()),
            Seat::Instead(_) | Seat::Fresh => None,
        };
        let presence = presence.unwrap_or_else(|| PresenceId::mint(cx.rng));
        let row = PresenceRow {
            id: presence.clone(),
            kind: greeting.kind(),
            session_id: peer.session_id.clone(),
            pid: peer.pid,
            cwd: peer.cwd.clone(),
            connected_at: cx.now.wall,
        };
        let hello = Hello {
            mesh: self.no,
            member,
            session: greeting.session_key().map(|key| (key, name)),
            presence: (!greeting.sends_only()).then_some(row),
            proof: proof.0,
            proof_by: cx.rng.next_u64(),
            // Whoever captured a hello can show it until its timestamp is too old, on either side of the
            // clock.
            proof_until: cx.now.wall.after_millis(cx.config.limits.hello_skew_ms() * 2),
            at: cx.now.wall,
            hooks_since: cx.now.wall.before_millis(cx.config.limits.pending_status_ms()),
        };
        self.joining.insert(session);
        let joining = Joining { session, greeting, member, presence };
        self.stage(cx, Op::Hello(Box::new(hello)), Then::Welcomed(Box::new(joining)));
    }

    /// The hello was recorded, or not.
    pub(super) fn welcomed(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, joining: Joining, ended: &Ended) {
        let welcome = match ended {
            Ended::Done(Reply::Welcome { mailbox, hooked }) => Ok((*mailbox, *hooked)),
            Ended::Done(Reply::KeyTaken) => Err(Refusal::foreign_session_key()),
            Ended::Done(Reply::Replayed) => Err(Refusal::replayed()),
            Ended::Done(_) | Ended::Found(_) | Ended::Refused(_) => Err(Refusal::no_store()),
        };
        let seated = self.joining.remove(&joining.session);
        let (mailbox, hooked) = match welcome {
            Err(refusal) => return refuse(cx, joining.session, &joining.greeting, &refusal),
            Ok(welcome) => welcome,
        };
        self.know_session(&joining, mailbox);
        if !seated {
            return self.disown(cx, joining.presence);
        }
        // While the hello was recorded its member may have been removed, and others may have come in.
        let still =
            self.admit(cx, &joining.greeting).and_then(|_| self.check_capacity(cx, &joining.greeting));
        match still {
            Err(refusal) => {
                self.disown(cx, joining.presence);
                refuse(cx, joining.session, &joining.greeting, &refusal);
            }
            Ok(()) => self.sit_down(cx, ids, joining, mailbox, hooked),
        }
    }

    /// From here on the key of a recorded session addresses its mailbox, whatever becomes of the connection.
    fn know_session(&mut self, joining: &Joining, mailbox: MailboxNo) {
        if let Some(key) = joining.greeting.session_key() {
            let name = joining.greeting.peer().display_name.clone().filter(|name| !name.is_empty());
            self.roster.add_session(SessionRow { no: mailbox, key, member: joining.member, name });
        }
    }

    /// Ends a recorded presence that nobody takes, unless it is one that was there before.
    fn disown(&mut self, cx: &mut Cx<'_>, recorded: PresenceId) {
        if !self.roster.all().any(|presence| presence.id == recorded) {
            self.end_presences(cx, vec![recorded]);
        }
    }

    /// Row 2 of both tables. Whoever takes over an entry needs no room, and an entry in grace makes room.
    fn check_capacity(&self, cx: &Cx<'_>, greeting: &Greeting) -> Result<(), Refusal> {
        let member =
            PublicKey::from_hex(greeting.member_key()).and_then(|key| self.roster.member_by_key(&key));
        let takes_over = member.is_some_and(|member| self.seat_for(greeting, member.no) != Seat::Fresh);
        let (taken, max) = if greeting.sends_only() {
            let senders = self.roster.all().filter(|presence| presence.send_only).count();
            (senders, cx.config.limits.send_only_per_mesh_max())
        } else {
            let online = self.roster.listed().filter(|presence| presence.line().is_some()).count();
            (online, cx.config.limits.connections_per_mesh_max())
        };
        let taken = taken as u64;
        if takes_over || taken < max { Ok(()) } else { Err(Refusal::capacity(taken, max)) }
    }

    /// Rows 6 to 8: membership, and whose the keys are.
    fn admit(&self, cx: &Cx<'_>, greeting: &Greeting) -> Result<MailboxNo, Refusal> {
        let key = PublicKey::from_hex(greeting.member_key());
        let had = key.and_then(|key| self.roster.member_by_former_key(&key));
        let member = key.and_then(|key| self.roster.member_by_key(&key)).or(had);
        let member = member.ok_or_else(|| greeting.no_member())?;
        if member.revoked_at.is_some() {
            return Err(Refusal::revoked(&self.row.name));
        }
        if had.is_some() {
            return Err(Refusal::former_key());
        }
        if let Greeting::Session(hello) = greeting
            && hello.parent_member_id.as_deref().is_some_and(|id| !id.is_empty() && id != member.id.as_str())
        {
            return Err(Refusal::new(
                "parent_member_id_mismatch",
                "parentMemberId does not match parentMemberPubkey",
                Fault::ParentMemberMismatch,
                Counter::RejectedParentMember,
            ));
        }
        if greeting.session_key().is_some_and(|key| self.roster.member_by_former_key(&key).is_some()) {
            return Err(Refusal::foreign_session_key());
        }
        if let Some(mailbox) = greeting.session_key().and_then(|key| self.roster.mailbox(&key)) {
            let own_session = self.roster.session_row(mailbox).is_some_and(|row| row.member == member.no);
            if !own_session {
                return Err(Refusal::foreign_session_key());
            }
        }
        if !fits(greeting.peer(), cx) {
            return Err(Refusal::unreadable(greeting.kind()));
        }
        if let Seat::Same(no) | Seat::Instead(no) = self.seat_for(greeting, member.no)
            && self.roster.presence(no).is_some_and(|old| old.swaps.is_held(cx.now.mono))
        {
            return Err(Refusal::conflict());
        }
        Ok(member.no)
    }

    fn sit_down(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        joining: Joining,
        mailbox: MailboxNo,
        hooked: Option<Status>,
    ) {
        let Joining { session, greeting, member, presence } = joining;
        let seat = self.seat_for(&greeting, member);
        if let Seat::Same(no) | Seat::Instead(no) = seat
            && self.is_held_down(cx, ids, no)
        {
            self.disown(cx, presence);
            return refuse(cx, session, &greeting, &Refusal::conflict());
        }
        match seat {
            Seat::Same(no) => self.reattach(cx, ids, no, session, &greeting, presence),
            Seat::Instead(no) => {
                let swaps = self.replace(cx, ids, no, &greeting);
                self.arrive(cx, ids, session, &greeting, (member, mailbox), presence, hooked);
                if let Some(heir) = self.roster.newest_of(member) {
                    heir.swaps = swaps;
                }
            }
            Seat::Fresh => self.arrive(cx, ids, session, &greeting, (member, mailbox), presence, hooked),
        }
    }

    /// Counts a change of hands between open connections. Over the bound the old one has to go too.
    fn is_held_down(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, no: PresenceNo) -> bool {
        let limits = &cx.config.limits;
        let Some(presence) = self.roster.presence_mut(no) else { return false };
        let Some(old) = presence.session() else { return false };
        match presence.swaps.swap(cx.now.mono, limits.replacements_max(), limits.replacements_ms()) {
            Swap::Fine => false,
            Swap::Held => {
                cx.end(old, Fault::SessionConflict);
                self.gone(cx, ids, no, old);
                true
            }
        }
    }

    /// The same peer on a newer connection.
    fn reattach(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        no: PresenceNo,
        session: SessionId,
        greeting: &Greeting,
        recorded: PresenceId,
    ) {
        let replaced = self.roster.presence(no).and_then(Presence::session);
        if let Some(old) = replaced {
            cx.end(old, Fault::SessionReplaced);
            self.release(cx, no, old);
            if let (true, Some(same)) = (planted("replaced_is_said_to_leave"), self.roster.presence(no)) {
                events::left(self, cx, same);
            }
        } else {
            cx.stats.shift(Gauge::ConnectionsActive, 1);
            self.timers.disarm(Timer::Grace(no));
        }
        let line = line(cx, session, greeting.peer());
        let Some(presence) = self.roster.presence_mut(no) else { return };
        let stray = (presence.id != recorded).then_some(recorded);
        let peer = greeting.peer();
        presence.cwd.clone_from(&peer.cwd);
        presence.pid = peer.pid;
        if let Some(name) = peer.display_name.as_ref().filter(|name| !name.is_empty()) {
            presence.display_name.clone_from(name);
        }
        if greeting.kind() == PresenceKind::Session {
            presence.session_id.clone_from(&peer.session_id);
        }
        presence.channel.clone_from(&peer.channel);
        presence.link = Link::Online(line);
        let (id, name, member) = (presence.id.clone(), presence.display_name.clone(), presence.member);
        cx.note(Level::Info, || {
            let text = match greeting.kind() {
                PresenceKind::ControlPlane => "ws hello reattach (lease)",
                PresenceKind::Session => "session_hello reattach",
            };
            Note::new(Level::Info, text)
                .with("presence_id", id.as_str())
                .with("session_pubkey", prefix(greeting.session_key()))
                .with("session_id", peer.session_id.as_str())
                .with("was", if replaced.is_some() { "online" } else { "offline" })
        });
        let bound = Peer { mesh: self.no, presence: no };
        cx.effects.list.push(Effect::Bind { session, peer: bound });
        let (row, by_member) =
            (self.roster.members.get(member), greeting.kind() == PresenceKind::ControlPlane);
        let ack = HelloAck {
            presence_id: id.as_str(),
            member_display_name: &name,
            member_profile: row.filter(|_| by_member).map(member_profile),
            restored: false,
            last_summary: None,
            last_seen_at: None,
            restored_groups: None,
            restored_stats: None,
            services: by_member.then_some([]),
            features: features::offered(&cx.config.limits, Dialect::of(peer)),
            queued: self.queued_for(no),
            durability: cx.durability(),
            history_epoch: cx.history_epoch(),
            broker_pubkey: self.signer.public().map(|key| key.hex()),
        };
        cx.tell(session, &ack);
        self.end_presences(cx, stray.into_iter().collect());
        self.deliver_to(cx, ids, no, member);
    }

    /// A peer that was not there.
    #[allow(clippy::too_many_arguments, reason = "the parts of one arrival, each named where it is made")]
    fn arrive(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        session: SessionId,
        greeting: &Greeting,
        (member, mailbox): (MailboxNo, MailboxNo),
        id: PresenceId,
        hooked: Option<Status>,
    ) {
        self.make_room(cx, ids, greeting);
        let no = self.roster.next_presence();
        let line = line(cx, session, greeting.peer());
        let Some(row) = self.roster.members.get(member) else { return };
        let mut presence = seated(cx, no, id, greeting, row, mailbox, line);
        if let Some(status) = hooked.filter(|_| !presence.send_only) {
            presence.apply_hook(cx.now.mono, status, cx.config.limits.hook_fresh_ms());
        }
        let send_only = presence.send_only;
        let queued = self.queued_for_new(&presence);
        let ack_text = ack(cx, &presence, row, greeting, (queued, self.signer.public()));
        cx.note(Level::Info, || {
            Note::new(
                Level::Info,
                if greeting.kind() == PresenceKind::Session { "ws session_hello" } else { "ws hello" },
            )
            .with("mesh_id", self.row.id.as_str())
            .with("member", presence.display_name.as_str())
            .with("presence_id", presence.id.as_str())
            .with("session_id", presence.session_id.as_str())
            .with("session_pubkey", prefix(presence.session_key))
            .with("restored", ack_text.restored)
        });
        cx.effects.list.push(Effect::Bind { session, peer: Peer { mesh: self.no, presence: no } });
        cx.tell(session, &ack_text);
        let returned = ack_text.restored.then(|| row.state.clone()).flatten();
        let name = presence.display_name.clone();
        self.roster.add_presence(presence);
        if send_only {
            return;
        }
        cx.stats.shift(Gauge::ConnectionsActive, 1);
        if mailbox == member
            && let Some(state) = self.roster.members.get_mut(member).and_then(|row| row.state.as_mut())
        {
            state.display_name = Some(name);
        }
        events::arrived(self, cx, no, greeting.kind(), returned.as_ref());
        self.deliver_to(cx, ids, no, member);
    }

    /// At capacity the oldest entry in grace makes room for a newcomer.
    fn make_room(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, greeting: &Greeting) {
        if greeting.sends_only() {
            return;
        }
        let max = cx.config.limits.connections_per_mesh_max();
        while self.roster.listed().count() as u64 >= max {
            let Some(oldest) = self.roster.oldest_in_grace() else { return };
            self.evict(cx, ids, oldest);
        }
    }

    /// Another session of the same place takes over: the old one goes without a word to the others. Leaves
    /// how often the place changed hands.
    fn replace(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, no: PresenceNo, by: &Greeting) -> Swaps {
        let Some(old) = self.roster.presence(no) else { return Swaps::default() };
        let (session, id) = (old.session(), old.id.clone());
        cx.note(Level::Info, || {
            let text = match by.kind() {
                PresenceKind::ControlPlane => "hello dedup",
                PresenceKind::Session => "session_hello dedup",
            };
            let note = Note::new(Level::Info, text).with("old_presence", id.as_str());
            note.with("session_id", by.peer().session_id.as_str())
        });
        if let Some(session) = session {
            cx.end(session, Fault::SessionReplaced);
            self.release(cx, no, session);
            cx.stats.shift(Gauge::ConnectionsActive, -1);
        }
        self.timers.disarm(Timer::Grace(no));
        self.tell_visibility_now(cx, no);
        let Some(gone) = self.roster.remove_presence(no) else { return Swaps::default() };
        self.end_presences(cx, vec![gone.id]);
        self.deliver(cx, ids, gone.mailbox);
        self.unload_if_alone(gone.mailbox);
        self.forget_if_void(gone.mailbox);
        self.deliver(cx, ids, gone.member);
        gone.swaps
    }

    pub(super) fn end_presences(&mut self, cx: &mut Cx<'_>, ids: Vec<PresenceId>) {
        if !ids.is_empty() {
            let at = cx.now.wall;
            self.stage(cx, Op::EndPresences { ids, at }, Then::Nothing);
        }
    }
}

fn line(cx: &Cx<'_>, session: SessionId, peer: &HelloPeer) -> Line {
    let room = crate::config::size(cx.config.limits.outbox_bytes_max() / 2);
    let acknowledges = peer.channel.as_deref() != Some("claude-code");
    Line::new(session, acknowledges, Dialect::of(peer), room)
}

/// Texts and lists of a hello within their bounds.
fn fits(peer: &HelloPeer, cx: &Cx<'_>) -> bool {
    let limits = &cx.config.limits;
    let short = |text: &str| text.len() as u64 <= limits.name_bytes_max();
    let names = [&peer.display_name, &peer.hostname, &peer.channel, &peer.model, &peer.peer_type];
    let groups = peer.groups.as_deref().unwrap_or_default();
    names.into_iter().flatten().all(|text| short(text))
        && short(&peer.session_id)
        && peer.cwd.len() as u64 <= limits.text_bytes_max()
        && groups.len() as u64 <= limits.groups_per_peer_max()
        && groups.iter().all(|group| short(&group.name) && group.role.as_deref().is_none_or(short))
}

fn seated(
    cx: &Cx<'_>,
    no: PresenceNo,
    id: PresenceId,
    greeting: &Greeting,
    row: &MemberRow,
    mailbox: MailboxNo,
    line: Line,
) -> Presence {
    let peer = greeting.peer();
    let state = match greeting {
        Greeting::Hello(_) => row.state.as_ref(),
        Greeting::Session(_) => None,
    };
    let session_key = greeting.session_key();
    let saved_groups = state.map(|state| state.groups.clone()).filter(|groups| !groups.is_empty());
    let groups = match (&peer.groups, greeting) {
        (Some(groups), Greeting::Session(_)) => groups.clone(),
        (Some(groups), Greeting::Hello(_)) if !groups.is_empty() => groups.clone(),
        _ => saved_groups.unwrap_or_else(|| row.default_groups.clone()),
    };
    let visible = state.is_none_or(|state| state.visible);
    Presence {
        no,
        id,
        kind: greeting.kind(),
        member: row.no,
        mailbox,
        session_key,
        shown_key: session_key.unwrap_or(row.key),
        display_name: peer
            .display_name
            .clone()
            .filter(|name| !name.is_empty())
            .unwrap_or_else(|| row.name.clone()),
        session_id: peer.session_id.clone(),
        pid: peer.pid,
        cwd: peer.cwd.clone(),
        hostname: peer.hostname.clone(),
        channel: peer.channel.clone(),
        model: peer.model.clone(),
        peer_type: peer.peer_type.clone(),
        groups,
        visible,
        told: Told { is_stale: false, until: cx.now.mono },
        profile: state.map(|state| state.profile.clone()).unwrap_or_default(),
        summary: None,
        stats: None,
        standing: Standing::new(cx.now.mono),
        swaps: Swaps::default(),
        connected_at: cx.now.wall,
        send_only: greeting.sends_only(),
        link: Link::Online(line),
    }
}

fn ack<'a>(
    cx: &Cx<'_>,
    presence: &'a Presence,
    row: &'a MemberRow,
    greeting: &Greeting,
    (queued, broker): (u64, Option<PublicKey>),
) -> HelloAck<'a> {
    let by_member = matches!(greeting, Greeting::Hello(_)) && !presence.send_only;
    let state = row.state.as_ref().filter(|_| by_member);
    let asked_for_groups = greeting.peer().groups.as_ref().is_some_and(|groups| !groups.is_empty());
    HelloAck {
        presence_id: presence.id.as_str(),
        member_display_name: &presence.display_name,
        member_profile: Some(member_profile(row)),
        restored: state.is_some(),
        last_summary: state.and_then(|state| state.summary.as_deref()),
        last_seen_at: state.map(|state| state.last_seen.iso()),
        restored_groups: state
            .map(|state| state.groups.as_slice())
            .filter(|groups| !asked_for_groups && !groups.is_empty()),
        restored_stats: state.map(|state| state.stats),
        services: by_member.then_some([]),
        features: features::offered(&cx.config.limits, Dialect::of(greeting.peer())),
        queued,
        durability: cx.durability(),
        history_epoch: cx.history_epoch(),
        broker_pubkey: broker.map(|key| key.hex()),
    }
}

fn member_profile(row: &MemberRow) -> MemberProfile<'_> {
    MemberProfile {
        role_tag: row.role_tag.as_deref(),
        groups: &row.default_groups,
        message_mode: &row.message_mode,
    }
}

/// What the log shows of a key.
fn prefix(key: Option<PublicKey>) -> Option<String> {
    key.map(|key| key.hex().chars().take(12).collect())
}

impl Presence {
    /// A hook that came before this presence speaks for it.
    pub(super) fn apply_hook(&mut self, now: crate::time::Mono, status: Status, fresh_ms: u64) -> bool {
        self.standing.write(now, status, Source::Hook, fresh_ms)
    }
}
