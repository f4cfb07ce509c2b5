//! Which meshes are in memory: claimed and looked up on first use, forgotten when nobody needs them.
//!
//! *Decides* who may have a mesh, and when it can be served: it is ours, it was read after that, and our
//! positions lie above all that its earlier owners gave out.
//! *Always holds:* what is in memory was read under the epoch it is served under; a mesh that was lost goes
//! from memory before anything else is told of it, and what comes back for it afterwards finds nobody.

use super::enquiry::Enquiring;
use super::hello::{Greeting, Proof};
use super::refusal::{Refusal, refuse};
use super::rotate::{self, Rotating};
use super::{After, Cx, Mesh, Meshes, Then, Timer, admin, enquiry, enrol, retention, touch};
use crate::ids::{Epoch, MeshId, MeshNo, Position, PublicKey};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::store::{Claimant, Ended, Fence, Found, Op, OverdueRow, Query, Reply, StoreError};
use crate::surface::SessionId;
use crate::wire::admin::AdminCall;

/// Somebody who needs a mesh.
#[derive(Debug)]
pub(crate) struct Visit {
    id: MeshId,
    pub(super) waiting: Waiting,
}

/// What for.
#[derive(Debug)]
pub(crate) enum Waiting {
    Hello {
        session: SessionId,
        greeting: Greeting,
        proof: Proof,
    },
    Join {
        session: SessionId,
        call: Box<enrol::JoinCall>,
    },
    Admin {
        session: SessionId,
        call: AdminCall,
    },
    /// A member asks over HTTP.
    Enquiry(Enquiring),
    /// A member wants another key.
    Rotation(Rotating),
    /// Mail of it is overdue.
    Expiry(Vec<OverdueRow>),
}

/// A mesh that is ours and cannot be served yet.
#[derive(Debug)]
pub(super) struct Loading {
    epoch: Epoch,
    /// How often ownership had been in doubt when it was claimed.
    doubts: u64,
    /// Earlier owners gave out only positions below this.
    floor: Position,
    pub line: Vec<Waiting>,
}

/// Why somebody cannot have a mesh.
#[derive(Clone, Debug)]
pub(super) enum Shut {
    /// There is none.
    NoMesh,
    /// It does not know who asks.
    Stranger,
    /// Another broker serves it.
    Elsewhere,
    /// The store refused.
    Store(StoreError),
}

impl Shut {
    /// What is said while the store is known to be down.
    pub(super) fn down() -> Shut {
        Shut::Store(StoreError::Unavailable("it did not answer when it was asked last".to_owned()))
    }
}

impl Waiting {
    pub(super) fn is_hello(&self) -> bool {
        matches!(self, Waiting::Hello { .. })
    }

    pub(super) fn is_hello_of(&self, whose: SessionId) -> bool {
        matches!(self, Waiting::Hello { session, .. } if *session == whose)
    }

    /// Who claims the mesh; none for a hello whose key nobody can have.
    fn claimant(&self) -> Option<Claimant> {
        match self {
            Waiting::Hello { greeting, .. } => {
                PublicKey::from_hex(greeting.member_key()).map(Claimant::Member)
            }
            Waiting::Join { call, .. } => {
                PublicKey::from_hex(&call.payload.owner_pubkey).map(Claimant::Owner)
            }
            Waiting::Enquiry(one) => Some(Claimant::Member(one.enquiry.credential.key)),
            Waiting::Rotation(one) => Some(Claimant::Member(one.call.old)),
            Waiting::Admin { .. } | Waiting::Expiry(_) => Some(Claimant::Broker),
        }
    }
}

impl Meshes {
    /// Lets `waiting` go on with the mesh, now or when it can be served.
    pub(super) fn visit(&mut self, cx: &mut Cx<'_>, id: MeshId, waiting: Waiting) {
        match self.by_id.find(&id).copied() {
            Some(no) => self.enter(cx, no, id, waiting),
            None if cx.store.down.is_some() => self.turn_away(cx, waiting, &Shut::down()),
            None => self.claim(cx, id, waiting),
        }
    }

    /// Goes on with a mesh that is in memory.
    fn enter(&mut self, cx: &mut Cx<'_>, no: MeshNo, id: MeshId, waiting: Waiting) {
        if !cx.store.sure {
            return match waiting {
                // Until the doubt is over, what was overdue may have ended; a later round asks again.
                Waiting::Expiry(_) => self.expiry_ended(cx, 0),
                waiting => self.doubted.push(Visit { id, waiting }),
            };
        }
        let Some(mesh) = self.resident.get(&no) else { return };
        if self.positions.serve(mesh.floor) {
            return self.visit_resident(cx, no, waiting);
        }
        let (epoch, floor, doubts) = (mesh.epoch, mesh.floor, cx.store.doubts);
        let loading = Loading { epoch, doubts, floor, line: Vec::new() };
        self.loading.entry(id).or_insert(loading).line.push(waiting);
        self.positions.refill(cx);
    }

    fn visit_resident(&mut self, cx: &mut Cx<'_>, no: MeshNo, waiting: Waiting) {
        let (Some(mesh), Some(ids)) = (self.resident.get_mut(&no), self.positions.ids.as_ref()) else {
            return self.turn_away(cx, waiting, &Shut::down());
        };
        touch(&mut self.touched, no);
        mesh.brief &= matches!(waiting, Waiting::Expiry(_));
        match waiting {
            Waiting::Hello { session, greeting, proof } => mesh.welcome(cx, session, greeting, proof),
            Waiting::Join { session, call } => mesh.join(cx, session, call),
            Waiting::Admin { session, call } => mesh.admin(cx, ids, session, call),
            Waiting::Enquiry(one) => mesh.enquire(cx, ids, one),
            Waiting::Rotation(one) => mesh.rotate(cx, &mut self.positions, one),
            Waiting::Expiry(rows) => {
                let expired = mesh.expire(cx, &rows);
                self.expiry_ended(cx, expired);
            }
        }
    }

    fn claim(&mut self, cx: &mut Cx<'_>, id: MeshId, waiting: Waiting) {
        let Some(by) = waiting.claimant() else {
            return self.turn_away(cx, waiting, &Shut::Stranger);
        };
        if let Waiting::Hello { session, .. } = &waiting {
            self.claiming.insert(*session);
        }
        self.claims += 1;
        let op = Op::Claim { mesh: id.clone(), by, at: cx.now.wall };
        cx.stage(op, None, After::Claimed(Box::new(Visit { id, waiting }), cx.store.doubts));
    }

    fn claimed(&mut self, cx: &mut Cx<'_>, visit: Visit, doubts: u64, ended: Ended) {
        self.claims -= 1;
        let Visit { id, waiting } = visit;
        let waits = match &waiting {
            Waiting::Hello { session, .. } => self.claiming.remove(session),
            Waiting::Join { .. }
            | Waiting::Admin { .. }
            | Waiting::Enquiry(_)
            | Waiting::Rotation(_)
            | Waiting::Expiry(_) => true,
        };
        let waiting = waits.then_some(waiting);
        let why = match ended {
            Ended::Done(Reply::Owned { epoch, free }) => {
                let loading = Loading { epoch, doubts, floor: free, line: waiting.into_iter().collect() };
                return self.owned(cx, id, loading);
            }
            Ended::Done(Reply::OwnedElsewhere) => Shut::Elsewhere,
            Ended::Done(Reply::Stranger) => Shut::Stranger,
            Ended::Done(_) | Ended::Found(_) => Shut::NoMesh,
            Ended::Refused(error) => Shut::Store(error),
        };
        if let Some(waiting) = waiting {
            self.turn_away(cx, waiting, &why);
        }
    }

    /// A mesh is ours: it is read, unless it was already. That somebody claimed it who has gone since changes
    /// nothing, so that it is given up in its time like any other.
    fn owned(&mut self, cx: &mut Cx<'_>, id: MeshId, claimed: Loading) {
        let epoch = claimed.epoch;
        if let Some(no) = self.by_id.find(&id).copied() {
            let known = self.resident.get(&no).map(|mesh| mesh.epoch);
            if known == Some(epoch) {
                claimed.line.into_iter().for_each(|one| self.enter(cx, no, id.clone(), one));
                return;
            }
            // It was another's in between.
            known.into_iter().for_each(|epoch| self.lose(cx, Fence { mesh: no, epoch }));
        }
        match self.loading.get_mut(&id) {
            Some(loading) if loading.epoch == epoch => loading.line.extend(claimed.line),
            known => {
                let mut line = known.map(|loading| std::mem::take(&mut loading.line)).unwrap_or_default();
                line.extend(claimed.line);
                self.loading.insert(id.clone(), Loading { line, ..claimed });
                cx.ask(Query::Mesh(id.clone()), After::Loaded(id, epoch));
            }
        }
    }

    fn loaded(&mut self, cx: &mut Cx<'_>, id: &MeshId, epoch: Epoch, ended: Ended) {
        let Some(loading) = self.loading.get(id).filter(|loading| loading.epoch == epoch) else { return };
        let load = match ended {
            Ended::Found(found) => match *found {
                Found::Mesh(load) => load.ok_or(Shut::NoMesh),
                _ => Err(Shut::NoMesh),
            },
            Ended::Done(_) => Err(Shut::NoMesh),
            Ended::Refused(error) => Err(Shut::Store(error)),
        };
        match load {
            // Another broker may have had it since we claimed it, and nobody asked.
            Ok(load) if loading.doubts != cx.store.doubts => {
                cx.stage(Op::Release(vec![Fence { mesh: load.mesh.no, epoch }]), None, After::Nothing);
                let line = self.loading.remove(id).map(|loading| loading.line).unwrap_or_default();
                line.into_iter().for_each(|one| self.visit(cx, id.clone(), one));
            }
            Ok(load) => {
                let mut mesh = Mesh::new(cx.rng, load, self.began.unwrap_or(cx.now), epoch, loading.floor);
                mesh.signer = self.signer.clone();
                self.by_id.insert(id.clone(), mesh.no);
                let no = mesh.no;
                self.resident.insert(no, mesh);
                self.admit(cx, id);
            }
            Err(why) => {
                let line = self.loading.remove(id).map(|loading| loading.line).unwrap_or_default();
                line.into_iter().for_each(|one| self.turn_away(cx, one, &why));
            }
        }
    }

    /// Lets everybody in who waits for a mesh that is in memory, if our positions are good for it.
    fn admit(&mut self, cx: &mut Cx<'_>, id: &MeshId) {
        let Some(no) = self.by_id.find(id).copied() else { return };
        if self.resident.get(&no).is_none_or(|mesh| !self.positions.serve(mesh.floor)) {
            return self.positions.refill(cx);
        }
        let line = self.loading.remove(id).map(|loading| loading.line).unwrap_or_default();
        for one in line {
            self.enter(cx, no, id.clone(), one);
        }
        if let Some(mesh) = self.resident.get_mut(&no) {
            touch(&mut self.touched, no);
            mesh.bury_removed(cx);
            mesh.rest(cx);
        }
    }

    fn positions_leased(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        self.positions.asked = false;
        // Whoever came before our positions were good for its mesh waits in `loading`, as if for the store.
        let ready: Vec<MeshId> = self.loading.keys().filter(|id| self.by_id.contains(*id)).cloned().collect();
        match ended {
            Ended::Done(Reply::Positions { first, count, secret }) => {
                self.positions.next = first.0;
                self.positions.end = first.0.saturating_add(count);
                self.positions.ids.get_or_insert_with(|| MessageIds::new(secret));
                ready.iter().for_each(|id| self.admit(cx, id));
            }
            Ended::Done(_) | Ended::Found(_) => {}
            Ended::Refused(error) => ready.iter().for_each(|id| self.shut(cx, id, &error)),
        }
    }

    /// A mesh cannot be served after all.
    fn shut(&mut self, cx: &mut Cx<'_>, id: &MeshId, error: &StoreError) {
        let line = self.loading.remove(id).map(|loading| loading.line).unwrap_or_default();
        line.into_iter().for_each(|one| self.turn_away(cx, one, &Shut::Store(error.clone())));
        if let Some(no) = self.by_id.find(id).copied() {
            self.forget(cx, no);
        }
    }

    /// Nobody needs a mesh any more: anybody may have it. While claims are on their way, one of them may
    /// count on it.
    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, no: MeshNo) {
        if self.claims > 0
            && let Some(mesh) = self.resident.get_mut(&no)
        {
            touch(&mut self.touched, no);
            let again = cx.now.mono.after_millis(cx.config.limits.health_ms());
            return mesh.timers.arm(Timer::Forget, again);
        }
        if let Some(mesh) = self.remove(no) {
            cx.stage(Op::Release(vec![mesh.fence()]), None, After::Nothing);
        }
    }

    /// The shard ends: everything is given up, and nothing of it is left in memory.
    pub(crate) fn release_all(&mut self, cx: &mut Cx<'_>) {
        let all: Vec<MeshNo> = self.resident.keys().copied().collect();
        let fences: Vec<Fence> =
            all.into_iter().filter_map(|no| self.remove(no)).map(|mesh| mesh.fence()).collect();
        if !fences.is_empty() {
            cx.stage(Op::Release(fences), None, After::Nothing);
        }
    }

    /// A mesh is another broker's: whoever is here must go there.
    pub(crate) fn lose(&mut self, cx: &mut Cx<'_>, fence: Fence) {
        if self.resident.get(&fence.mesh).is_none_or(|mesh| mesh.epoch != fence.epoch) {
            return;
        }
        let Some(mesh) = self.remove(fence.mesh) else { return };
        cx.note(Level::Warn, || Note::new(Level::Warn, "mesh lost").with("mesh_id", mesh.row.id.as_str()));
        let line = self.loading.remove(&mesh.row.id).map(|loading| loading.line).unwrap_or_default();
        line.into_iter().for_each(|one| self.turn_away(cx, one, &Shut::Elsewhere));
        mesh.part(cx);
    }

    fn remove(&mut self, no: MeshNo) -> Option<Mesh> {
        let mesh = self.resident.remove(&no)?;
        self.by_id.remove(&mesh.row.id);
        touch(&mut self.touched, no);
        Some(mesh)
    }

    /// The words that what is in memory is ours.
    pub(crate) fn fences(&self) -> Vec<Fence> {
        self.resident.values().map(Mesh::fence).collect()
    }

    /// What is in memory is surely ours, after it was in doubt.
    pub(crate) fn sure_again(&mut self, cx: &mut Cx<'_>) {
        let all: Vec<MeshNo> = self.resident.keys().copied().collect();
        for no in all {
            self.with(no, |mesh, ids| mesh.retry(cx, ids));
        }
        for Visit { id, waiting } in std::mem::take(&mut self.doubted) {
            self.visit(cx, id, waiting);
        }
    }

    /// Asks again for what could not be had while the store was away.
    pub(crate) fn store_is_back(&mut self, cx: &mut Cx<'_>) {
        self.ask_signer(cx);
        if self.positions.ids.is_none() || self.positions.next >= self.positions.end {
            self.positions.refill(cx);
        }
    }

    /// Somebody cannot have the mesh.
    pub(super) fn turn_away(&mut self, cx: &mut Cx<'_>, waiting: Waiting, why: &Shut) {
        match waiting {
            Waiting::Hello { session, greeting, .. } => {
                let refusal = match why {
                    Shut::NoMesh | Shut::Stranger => greeting.no_member(),
                    Shut::Elsewhere => Refusal::not_owner(),
                    Shut::Store(_) => Refusal::no_store(),
                };
                refuse(cx, session, &greeting, &refusal);
            }
            Waiting::Join { session, call } => enrol::turn_away(cx, call.asker(session), why),
            Waiting::Admin { session, .. } => admin::turn_away(cx, session, why),
            Waiting::Enquiry(one) => enquiry::turn_away(cx, one.session, why),
            Waiting::Rotation(one) => rotate::turn_away(cx, one.session, why),
            // Its owner sees to it, or a later round does.
            Waiting::Expiry(_) => self.expiry_ended(cx, 0),
        }
    }

    /// The store has answered.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, after: After, ended: Ended) {
        match after {
            After::Nothing => {}
            After::Positions => self.positions_leased(cx, ended),
            After::Signer => self.signer_kept(cx, ended),
            After::Claimed(visit, doubts) => self.claimed(cx, *visit, doubts, ended),
            After::Loaded(id, epoch) => self.loaded(cx, &id, epoch, ended),
            After::Overdue => self.overdue_read(cx, ended),
            After::Pruned => self.pruned(cx, &ended),
            After::Checked(at) => self.checked(cx, at, ended),
            After::Depth => retention::depth_read(cx, &ended),
            After::Admin(step) => self.admin_stored(cx, *step, ended),
            After::Mesh { fence, then } => {
                if let Then::Settled(settled, _) = &then {
                    self.retention.has_ended(settled);
                }
                let mesh = self.resident.get_mut(&fence.mesh).filter(|mesh| mesh.epoch == fence.epoch);
                match (mesh, self.positions.ids.as_ref(), then) {
                    (Some(mesh), Some(_), Then::Looked(no)) => {
                        touch(&mut self.touched, fence.mesh);
                        mesh.looked(cx, &mut self.positions, no, ended);
                    }
                    (Some(mesh), Some(ids), then) => {
                        touch(&mut self.touched, fence.mesh);
                        mesh.stored(cx, ids, then, ended);
                    }
                    (_, _, then) => orphaned(cx, then),
                }
            }
        }
    }
}

/// What was lost while the store had it: whoever waits for it must go elsewhere.
fn orphaned(cx: &mut Cx<'_>, then: Then) {
    match then {
        Then::Welcomed(joining) => joining.turn_away(cx),
        Then::Enrol(enrolling) => enrol::turn_away(cx, enrolling.asker(), &Shut::Elsewhere),
        Then::Admin(step) => admin::turn_away(cx, step.session(), &Shut::Elsewhere),
        Then::Enquiry(step) => enquiry::turn_away(cx, step.session(), &Shut::Elsewhere),
        Then::Rotated(_, one) => rotate::turn_away(cx, one.session, &Shut::Elsewhere),
        // Their connections ended with the mesh.
        Then::Nothing
        | Then::Accepted(_)
        | Then::Looked(_)
        | Then::Settled(..)
        | Then::Page { .. }
        | Then::LateAck(_)
        | Then::Status(_)
        | Then::Saved(_) => {}
    }
}

impl Mesh {
    pub(super) fn stored(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, then: Then, ended: Ended) {
        self.outstanding -= 1;
        match then {
            // A look needs positions as well: `looked`.
            Then::Nothing | Then::Looked(_) => {}
            Then::Welcomed(joining) => self.welcomed(cx, ids, *joining, &ended),
            Then::Accepted(position) => self.accepted(cx, ids, position, ended),
            Then::Settled(settled, bytes) => self.settled(cx, settled, bytes, &ended),
            Then::Page { mailbox, priority, after, limit } => {
                self.page_read(cx, ids, mailbox, priority, after, limit, ended);
            }
            Then::LateAck(asked) => {
                self.late_ack(cx, &asked, ended);
                self.answered(cx, asked.asker);
            }
            Then::Saved(member) => self.saved(cx, member, &ended),
            Then::Status(asked) => {
                self.status_found(cx, &asked, ended);
                self.answered(cx, asked.asker);
            }
            Then::Enrol(enrolling) => self.enrol_stored(cx, *enrolling, ended),
            Then::Admin(step) => self.admin_written(cx, *step, &ended),
            Then::Enquiry(step) => self.enquiry_stored(cx, ids, *step, ended),
            Then::Rotated(member, one) => self.rotated(cx, ids, (member, &one), ended),
        }
        self.rest(cx);
    }
}
