//! The mesh surface: meshes, their people and their mail.
//!
//! | to change | look in |
//! |---|---|
//! | what a hello must prove | `hello.rs`; who may then come in: `welcome.rs`; who may not: `refusal.rs` |
//! | which meshes are in memory, and whether they are ours | `residence.rs` |
//! | who is who, who is there | `roster.rs`, `presence.rs` |
//! | what a send must satisfy | `accept.rs`, `wish.rs`, `quota.rs`; to whom it goes: `target.rs` |
//! | whom a send mentions | `mention.rs` |
//! | what becomes of a key that was used before | `known.rs`; how a sender is answered: `acks.rs` |
//! | how long things are kept | `retention.rs`; whether they still agree: `check.rs` |
//! | what a receipt says, and who signs it | `receipts.rs` |
//! | when a message is pushed, by priority and status | `deliver.rs`, `mailbox.rs`, `status.rs` |
//! | under which id a message is known | `names.rs` |
//! | how a delivery ends | `settle.rs`, `late.rs`; how a presence does: `grace.rs` |
//! | what a peer says of itself | `profile.rs`; what it can ask: `answers.rs`, over HTTP `enquiry.rs` |
//! | what became of a message, and why it waits | `fate.rs` |
//! | how a member gets another key | `rotate.rs` |
//! | enrolment and administration | `enrol.rs`, `admin.rs`, `vault.rs` |
//!
//! [`Meshes`] is the entry: it knows which meshes are in memory and passes every fact to the right one.

mod accept;
mod acks;
mod admin;
mod answers;
mod chain;
mod check;
mod deliver;
mod enquiry;
mod enrol;
mod events;
mod fate;
mod features;
mod grace;
mod hear;
mod hello;
mod hook;
mod key_age;
mod known;
mod late;
mod mailbox;
mod mention;
mod names;
mod presence;
mod profile;
mod quota;
mod receipts;
mod refusal;
mod residence;
mod retention;
mod roster;
mod rotate;
mod seat;
mod settle;
mod status;
mod target;
mod turn;
mod vault;
mod welcome;
mod wish;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::{Epoch, MailboxNo, MeshId, MeshNo, Position, PublicKey};
use crate::kit::bucket::Bucket;
use crate::kit::index::{Index, Numbered};
use crate::kit::recent::Recent;
use crate::kit::roll::Roll;
use crate::kit::timers::Timers;
use crate::machine::{Cause, Deadline};
use crate::message_id::MessageIds;
use crate::planted::planted;
use crate::rng::Rng;
use crate::store::{CheckPlace, Fence, MeshLoad, MeshRow, Op, Priority, Settled};
use crate::surface::{self, Peer, PresenceNo, SessionId, Shards};
use crate::time::Now;
use crate::wire::mesh::{Inbound, decode};

pub(crate) use enrol::JoinCall;
pub(crate) use hello::Greeting;
pub(crate) use hook::{Hook, HookFound, HookTarget};
pub(crate) use refusal::Refusal;
pub(crate) use retention::ask_depth;

/// The context of a call into this surface.
pub(crate) type Cx<'a> = surface::Cx<'a, After>;

/// Where this surface goes on when the store has answered.
#[derive(Debug)]
pub(crate) enum After {
    /// Nobody waits.
    Nothing,
    /// A block of positions is ours.
    Positions,
    /// The key that receipts are signed with.
    Signer,
    /// Somebody's mesh was claimed, after so many doubts.
    Claimed(Box<residence::Visit>, u64),
    /// A mesh was looked up for everybody who waits for it.
    Loaded(MeshId, Epoch),
    /// A page of overdue deliveries was read.
    Overdue,
    /// Old rows were removed.
    Pruned,
    /// A page of the check of keys was read, from there.
    Checked(CheckPlace),
    /// How much waits in the whole store.
    Depth,
    /// An admin request that needs no mesh in memory.
    Admin(Box<admin::AdminStep>),
    /// Something of one mesh while it was ours.
    Mesh { fence: Fence, then: Then },
}

/// Where a mesh goes on.
#[derive(Debug)]
pub(crate) enum Then {
    /// Nobody waits.
    Nothing,
    /// A hello was recorded.
    Welcomed(Box<welcome::Joining>),
    /// A message was accepted.
    Accepted(Position),
    /// The look of this number for a key ended.
    Looked(u64),
    /// A delivery ended.
    Settled(Settled, u64),
    /// A page of a lane was read.
    Page { mailbox: MailboxNo, priority: Priority, after: Position, limit: u64 },
    /// A message was looked up because of an acknowledgement.
    LateAck(Box<late::LateAck>),
    /// A message was looked up for `message_status`.
    Status(Box<answers::StatusAsked>),
    /// What a member gets back was saved.
    Saved(MailboxNo),
    /// An invite was looked up for somebody who wants to join, or spent.
    Enrol(Box<enrol::Enrolling>),
    /// Something an admin asked for was written.
    Admin(Box<admin::AdminStep>),
    /// A member asks over HTTP.
    Enquiry(Box<enquiry::EnquiryStep>),
    /// A member gets another key.
    Rotated(MailboxNo, Box<rotate::Rotating>),
}

/// All meshes of this shard.
#[derive(Debug)]
pub(crate) struct Meshes {
    resident: BTreeMap<MeshNo, Mesh>,
    by_id: Index<MeshId, MeshNo>,
    /// Meshes that are ours and cannot be served yet, and who waits for them.
    loading: BTreeMap<MeshId, residence::Loading>,
    /// Hellos whose mesh is being claimed; whoever is not among them any more must not be seated.
    claiming: BTreeSet<SessionId>,
    /// Claims that have not come back.
    claims: u64,
    /// Who waits until what is in memory is surely ours.
    doubted: Vec<residence::Visit>,
    positions: Positions,
    signer: receipts::Signer,
    retention: retention::Round,
    check: check::Check,
    /// When this process began, by both clocks.
    began: Option<Now>,
    draining: bool,
    shards: Shards,
    /// Meshes whose deadline may have changed in this turn.
    touched: Vec<MeshNo>,
}

/// Positions that are ours to give out, and the ids made of them.
#[derive(Debug, Default)]
struct Positions {
    next: u64,
    end: u64,
    asked: bool,
    ids: Option<MessageIds>,
}

/// One mesh in memory.
#[derive(Debug)]
struct Mesh {
    no: MeshNo,
    /// Since when it is ours.
    epoch: Epoch,
    /// Earlier owners gave out only positions below this.
    floor: Position,
    /// Nobody but the broker itself has needed it yet.
    brief: bool,
    row: MeshRow,
    roster: roster::Roster,
    mailboxes: Roll<MailboxNo, mailbox::Mailbox>,
    names: names::Names,
    chains: chain::Chains,
    signer: receipts::Signer,
    signed: Option<receipts::Signed>,
    /// Connections whose hello is being recorded.
    joining: BTreeSet<SessionId>,
    /// Hellos that wait for their turn.
    turns: turn::Turns,
    /// Sends that wait for their commit, in order of their positions.
    accepting: VecDeque<accept::Accepting>,
    /// Sends that would be refused, while the store is asked for their keys, in order of their numbers.
    looks: VecDeque<known::Look>,
    looks_begun: u64,
    looks_bytes: u64,
    /// The keys of both.
    in_flight: Index<SendKey, known::Flight>,
    buckets: Numbered<MailboxNo, Bucket>,
    /// Keys whose sends took from a budget and were refused.
    spent: Recent<SendKey>,
    /// When this process began, by both clocks.
    began: Now,
    /// Members whose key is being replaced: what they seal themselves is not taken until that is done.
    rotating: BTreeSet<MailboxNo>,
    /// Members whose state is being saved; true when it has changed since.
    saving: BTreeMap<MailboxNo, bool>,
    /// Members whose state the store refused; it must still be saved.
    unsaved: BTreeSet<MailboxNo>,
    timers: Timers<Timer>,
    queued: u64,
    queued_bytes: u64,
    /// The broker is stopping.
    draining: bool,
    /// Continuations that have not come back.
    outstanding: u64,
    /// Questions to the store about acknowledgements.
    late_acks: late::LateAcks,
    /// Ends of deliveries that the store refused to write, with their bytes; they must still be written.
    owed: Vec<(Settled, u64)>,
    next_ping: u64,
}

/// A key of idempotency with the member it belongs to.
type SendKey = (MailboxNo, Box<str>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// A mailbox's oldest lease ends.
    Lease(MailboxNo),
    /// A client that never acknowledges is due its ping.
    LegacyPing(PresenceNo),
    /// A presence's grace ends.
    Grace(PresenceNo),
    /// The others may be told that a presence hides or shows itself.
    Visibility(PresenceNo),
    /// Mail waits for a page that could not be read, or for a write that was refused.
    Retry,
    /// Somebody has waited long for the commit of a send.
    Undecided,
    /// A hello's turn comes.
    Turn,
    /// Nobody has needed the mesh for long enough.
    Forget,
}

impl Meshes {
    pub(crate) fn new(rng: &mut Rng, shards: Shards) -> Meshes {
        Meshes {
            resident: BTreeMap::new(),
            by_id: Index::new(rng),
            loading: BTreeMap::new(),
            claiming: BTreeSet::new(),
            claims: 0,
            doubted: Vec::new(),
            positions: Positions::default(),
            signer: receipts::Signer::default(),
            retention: retention::Round::default(),
            check: check::Check::default(),
            began: None,
            draining: false,
            shards,
            touched: Vec::new(),
        }
    }

    /// The process starts: asks for what every send needs.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>) {
        self.began = Some(cx.now);
        // Known before any mesh can be served, since it stands before the positions that all wait for.
        self.ask_signer(cx);
        self.positions.refill(cx);
    }

    /// A peer that said hello says something, which may have been read already.
    pub(crate) fn hear(
        &mut self,
        cx: &mut Cx<'_>,
        peer: Peer,
        session: SessionId,
        text: &str,
        common: Option<Inbound<'_>>,
    ) {
        if let Some(mesh) = self.resident.get_mut(&peer.mesh) {
            touch(&mut self.touched, peer.mesh);
            let message = common.map_or_else(|| decode(text), Ok);
            mesh.hear(cx, &mut self.positions, (peer.presence, session), text, message);
        }
    }

    /// A peer answered a ping.
    pub(crate) fn pong(&mut self, cx: &mut Cx<'_>, peer: Peer, session: SessionId, payload: &[u8]) {
        self.with(peer.mesh, |mesh, ids| mesh.legacy_pong(cx, ids, peer.presence, session, payload));
    }

    /// A peer's connection ended.
    pub(crate) fn gone(&mut self, cx: &mut Cx<'_>, peer: Peer, session: SessionId) {
        self.with(peer.mesh, |mesh, ids| mesh.gone(cx, ids, peer.presence, session));
    }

    /// A connection ended whose hello was still being judged.
    pub(crate) fn abandoned(&mut self, mesh: &MeshId, session: SessionId) {
        self.claiming.remove(&session);
        self.doubted.retain(|visit| !visit.waiting.is_hello_of(session));
        if let Some(loading) = self.loading.get_mut(mesh) {
            loading.line.retain(|one| !one.is_hello_of(session));
        }
        if let Some(mesh) = self.by_id.find(mesh).and_then(|no| self.resident.get_mut(no)) {
            mesh.joining.remove(&session);
            mesh.turns.leave(session);
        }
    }

    /// A peer's connection can take this many bytes.
    pub(crate) fn room(&mut self, cx: &mut Cx<'_>, peer: Peer, session: SessionId, bytes: usize) {
        self.with(peer.mesh, |mesh, ids| mesh.room(cx, ids, peer.presence, session, bytes));
    }

    /// Sends of a peer that are not answered yet.
    pub(crate) fn unanswered(&self, peer: Peer) -> u64 {
        let mesh = self.resident.get(&peer.mesh);
        let line =
            mesh.and_then(|mesh| mesh.roster.presence(peer.presence)).and_then(presence::Presence::line);
        line.map_or(0, |line| line.unanswered)
    }

    /// What the log calls a peer.
    pub(crate) fn presence_id(&self, peer: Peer) -> Option<&str> {
        let presence = self.resident.get(&peer.mesh)?.roster.presence(peer.presence)?;
        Some(presence.id.as_str())
    }

    /// Looks for statuses that nobody confirmed.
    pub(crate) fn sweep_statuses(&mut self, cx: &mut Cx<'_>) {
        let meshes: Vec<MeshNo> = self.resident.keys().copied().collect();
        let flipped: u64 =
            meshes.into_iter().filter_map(|no| self.with(no, |mesh, ids| mesh.sweep_statuses(cx, ids))).sum();
        cx.stats.add(crate::stats::Counter::TtlFlipped, flipped);
        cx.count(if flipped > 0 {
            crate::stats::Counter::SweepFlipped
        } else {
            crate::stats::Counter::SweepClean
        });
    }

    /// The deadline of a mesh passed.
    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>, no: MeshNo) {
        let forget = self.with(no, |mesh, ids| mesh.wake(cx, ids)).unwrap_or(false);
        if forget {
            self.forget(cx, no);
        }
    }

    /// Somebody wants to join a mesh.
    pub(crate) fn join(&mut self, cx: &mut Cx<'_>, session: SessionId, call: Box<JoinCall>) {
        if cx.store.down.is_some() {
            return enrol::turn_away(cx, call.asker(session), &residence::Shut::down());
        }
        let id = MeshId::new(call.payload.mesh_id.as_str());
        self.visit(cx, id, residence::Waiting::Join { session, call });
    }

    /// When a mesh wants to be woken.
    pub(crate) fn deadline(&mut self, no: MeshNo) -> Option<Deadline> {
        let (at, timer) = self.resident.get_mut(&no)?.timers.earliest()?;
        let cause = match timer {
            Timer::Lease(_) => Cause::Lease,
            Timer::LegacyPing(_) => Cause::LegacyPing,
            Timer::Grace(_) => Cause::Grace,
            Timer::Visibility(_) => Cause::Status,
            Timer::Retry | Timer::Undecided => Cause::Commit,
            Timer::Turn => Cause::Silence,
            Timer::Forget => Cause::Retention,
        };
        Some(Deadline { at, cause })
    }

    /// Meshes whose deadline may have changed since the last call.
    pub(crate) fn take_touched(&mut self) -> Vec<MeshNo> {
        std::mem::take(&mut self.touched)
    }

    /// Stops taking work and marks every presence as ended.
    pub(crate) fn drain(&mut self, cx: &mut Cx<'_>) {
        self.draining = true;
        self.claiming.clear();
        self.doubted.retain(|visit| !visit.waiting.is_hello());
        for loading in self.loading.values_mut() {
            loading.line.retain(|one| !one.is_hello());
        }
        for mesh in self.resident.values_mut() {
            mesh.repay(cx);
            mesh.save_again(cx);
            // A hello that is being recorded finds no seat when it is.
            mesh.joining.clear();
            mesh.turns.clear();
            mesh.draining = true;
            mesh.end_all(cx);
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.resident.len()
    }

    fn with<R>(&mut self, no: MeshNo, run: impl FnOnce(&mut Mesh, &MessageIds) -> R) -> Option<R> {
        let (mesh, ids) = (self.resident.get_mut(&no)?, self.positions.ids.as_ref()?);
        touch(&mut self.touched, no);
        Some(run(mesh, ids))
    }
}

/// Remembers a mesh whose deadline may have changed; of many things that happen in one, once.
fn touch(touched: &mut Vec<MeshNo>, no: MeshNo) {
    if touched.last() != Some(&no) {
        touched.push(no);
    }
}

impl Positions {
    /// True when what is given out lies above everything that was leased before `floor` was free.
    fn serve(&self, floor: Position) -> bool {
        self.ids.is_some() && self.end >= floor.0
    }

    /// Takes the next position, and asks for more in good time.
    fn next(&mut self, cx: &mut Cx<'_>) -> Option<Position> {
        if self.end - self.next < BLOCK / 2 {
            self.refill(cx);
        }
        let position = (self.next < self.end).then_some(Position(self.next))?;
        self.next += u64::from(!(planted("position_given_twice") && self.next.is_multiple_of(16)));
        Some(position)
    }

    fn refill(&mut self, cx: &mut Cx<'_>) {
        if !self.asked {
            self.asked = true;
            cx.stage(Op::LeasePositions { count: BLOCK }, None, After::Positions);
        }
    }
}

/// Positions leased at once: seconds of the heaviest traffic, and a gap that nobody notices when they are
/// lost.
const BLOCK: u64 = 1 << 18;

impl Mesh {
    fn new(rng: &mut Rng, mut load: MeshLoad, began: Now, epoch: Epoch, floor: Position) -> Mesh {
        let roster = roster::Roster::new(rng, &mut load);
        let mut mesh = Mesh {
            no: load.mesh.no,
            epoch,
            floor,
            brief: true,
            row: load.mesh,
            roster,
            mailboxes: Roll::new(rng),
            names: names::Names::new(&load.renamed),
            chains: chain::Chains::default(),
            signer: receipts::Signer::default(),
            signed: None,
            joining: BTreeSet::new(),
            turns: turn::Turns::new(rng),
            accepting: VecDeque::new(),
            looks: VecDeque::new(),
            looks_begun: 0,
            looks_bytes: 0,
            in_flight: Index::new(rng),
            buckets: Index::numbered(rng),
            spent: Recent::new(rng),
            began,
            rotating: BTreeSet::new(),
            saving: BTreeMap::new(),
            unsaved: BTreeSet::new(),
            timers: Timers::new(rng),
            queued: 0,
            queued_bytes: 0,
            draining: false,
            outstanding: 0,
            late_acks: late::LateAcks::default(),
            owed: Vec::new(),
            next_ping: 0,
        };
        for lane in load.queued {
            mesh.queued += lane.messages;
            mesh.queued_bytes += lane.bytes;
            let messages = if planted("backlog_forgotten") { 0 } else { lane.messages };
            mesh.mailbox(lane.mailbox).expect(lane.priority, messages);
        }
        mesh
    }

    /// The mailbox of that number, made when it is first needed.
    fn mailbox(&mut self, no: MailboxNo) -> &mut mailbox::Mailbox {
        let roster = &self.roster;
        self.mailboxes.get_or_insert(no, || {
            mailbox::Mailbox::new(roster.session_row(no).map_or(no, |session| session.member))
        })
    }

    /// The word that this mesh is ours.
    fn fence(&self) -> Fence {
        Fence { mesh: self.no, epoch: self.epoch }
    }

    fn stage(&mut self, cx: &mut Cx<'_>, op: Op, then: Then) {
        self.outstanding += 1;
        let fence = self.fence();
        cx.stage(op, Some(fence), After::Mesh { fence, then });
    }

    fn ask(&mut self, cx: &mut Cx<'_>, query: crate::store::Query, then: Then) {
        self.outstanding += 1;
        cx.ask(query, After::Mesh { fence: self.fence(), then });
    }

    /// Something is due. True when nobody needs this mesh in memory any more.
    fn wake(&mut self, cx: &mut Cx<'_>, ids: &MessageIds) -> bool {
        while let Some(timer) = self.timers.due(cx.now.mono) {
            match timer {
                Timer::Lease(mailbox) => self.leases_lapsed(cx, ids, mailbox),
                Timer::LegacyPing(presence) => self.legacy_ping(cx, presence),
                Timer::Grace(presence) => self.grace_ended(cx, ids, presence),
                Timer::Visibility(presence) => self.tell_visibility(cx, presence),
                Timer::Retry => self.retry(cx, ids),
                Timer::Undecided => self.answer_undecided(cx),
                Timer::Turn => self.turns_came(cx),
                Timer::Forget if self.is_idle() => return true,
                Timer::Forget => {}
            }
        }
        false
    }

    /// True when nothing here would be lost or late if the mesh were read again from the store.
    fn is_idle(&self) -> bool {
        let nobody = self.roster.all().next().is_none() && self.outstanding == 0;
        nobody && self.turns.is_empty() && self.owed.is_empty() && self.unsaved.is_empty()
    }

    /// Starts the time after which an unneeded mesh is forgotten. One that only the broker itself has looked
    /// at is not kept from others.
    fn rest(&mut self, cx: &Cx<'_>) {
        if self.is_idle() {
            let idle_ms = if self.brief { 0 } else { cx.config.limits.mesh_idle_ms() };
            self.timers.arm(Timer::Forget, cx.now.mono.after_millis(idle_ms));
        }
    }
}

/// A key as the wire shows it, or nothing for a mailbox that is gone.
fn hex(key: Option<PublicKey>) -> String {
    key.map(|key| key.hex()).unwrap_or_default()
}
