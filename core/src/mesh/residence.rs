//! Which meshes are in memory: looked up on first use, forgotten when nobody needs them.

use super::hello::{Greeting, Proof};
use super::{After, Cx, Mesh, Meshes, PendingHooks, Then, enrol, retention};
use crate::ids::{MeshId, MeshNo};
use crate::message_id::MessageIds;
use crate::store::{Ended, Found, Query, Reply};
use crate::surface::SessionId;
use crate::wire::admin::AdminCall;

/// Somebody who needs a mesh that is being looked up.
#[derive(Debug)]
pub(crate) enum Waiting {
    Hello { session: SessionId, greeting: Greeting, proof: Proof },
    Join { session: SessionId, call: Box<enrol::JoinCall> },
    Admin { session: SessionId, call: AdminCall },
}

impl Waiting {
    pub(super) fn session(&self) -> SessionId {
        match self {
            Waiting::Hello { session, .. }
            | Waiting::Join { session, .. }
            | Waiting::Admin { session, .. } => *session,
        }
    }
}

impl Meshes {
    /// Lets `waiting` go on with the mesh, now or when it has been looked up.
    pub(super) fn visit(&mut self, cx: &mut Cx<'_>, id: MeshId, waiting: Waiting) {
        match self.by_id.find(&id).copied() {
            Some(no) if self.positions.ids.is_some() => self.visit_resident(cx, no, waiting),
            _ => {
                let line = self.loading.entry(id.clone()).or_default();
                line.push(waiting);
                if line.len() == 1 {
                    cx.ask(Query::Mesh(id.clone()), After::Loaded(id));
                }
            }
        }
    }

    fn visit_resident(&mut self, cx: &mut Cx<'_>, no: MeshNo, waiting: Waiting) {
        self.with(no, |mesh, ids| match waiting {
            Waiting::Hello { session, greeting, proof } => mesh.welcome(cx, session, greeting, proof),
            Waiting::Join { session, call } => mesh.join(cx, session, call),
            Waiting::Admin { session, call } => mesh.admin(cx, ids, session, call),
        });
    }

    /// The store has answered.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, after: After, ended: Ended) {
        match after {
            After::Nothing => {}
            After::Started => self.started |= matches!(ended, Ended::Done(_)),
            After::Positions => self.positions_leased(cx, &ended),
            After::Loaded(id) => self.loaded(cx, &id, ended),
            After::Overdue => self.overdue_read(cx, ended),
            After::Pruned => self.pruned(cx, &ended),
            After::Depth => retention::depth_read(cx, &ended),
            After::Admin(step) => self.admin_stored(cx, *step, ended),
            After::Mesh { mesh: no, then } => {
                let (mesh, ids) = (self.resident.get_mut(&no), self.positions.ids.as_ref());
                if let (Some(mesh), Some(ids)) = (mesh, ids) {
                    self.touched.push(no);
                    mesh.stored(cx, ids, &mut self.hooks, then, ended);
                }
            }
        }
    }

    fn positions_leased(&mut self, cx: &mut Cx<'_>, ended: &Ended) {
        self.positions.asked = false;
        if let Ended::Done(Reply::Positions { first, count, secret }) = ended {
            self.positions.next = first.0;
            self.positions.end = first.0.saturating_add(*count);
            if self.positions.ids.is_none() {
                self.positions.ids = Some(MessageIds::new(*secret));
            }
        }
        // Whoever came before the first block waits in `loading`, as if for the store.
        if self.positions.ids.is_some() {
            let ready: Vec<MeshId> =
                self.loading.keys().filter(|id| self.by_id.contains(*id)).cloned().collect();
            for id in ready {
                self.admit(cx, &id);
            }
        }
    }

    /// Asks again for what could not be had while the store was away.
    pub(crate) fn store_is_back(&mut self, cx: &mut Cx<'_>) {
        if !self.started {
            self.close_earlier_life(cx);
        }
        if self.positions.ids.is_none() || self.positions.next >= self.positions.end {
            self.positions.refill(cx);
        }
    }

    fn loaded(&mut self, cx: &mut Cx<'_>, id: &MeshId, ended: Ended) {
        let load = match ended {
            Ended::Found(found) => match *found {
                Found::Mesh(load) => load,
                _ => None,
            },
            Ended::Done(_) => None,
            Ended::Refused(error) => {
                let waiting = self.loading.remove(id).unwrap_or_default();
                waiting.into_iter().for_each(|one| self.turn_away(cx, one, Some(&error)));
                return;
            }
        };
        let Some(load) = load else {
            let waiting = self.loading.remove(id).unwrap_or_default();
            waiting.into_iter().for_each(|one| self.turn_away(cx, one, None));
            return;
        };
        if !self.by_id.contains(id) {
            let mesh = Mesh::new(cx.rng, load);
            self.by_id.insert(id.clone(), mesh.no);
            self.resident.insert(mesh.no, mesh);
        }
        if self.positions.ids.is_some() {
            self.admit(cx, id);
        }
    }

    fn admit(&mut self, cx: &mut Cx<'_>, id: &MeshId) {
        let Some(no) = self.by_id.find(id).copied() else { return };
        for one in self.loading.remove(id).unwrap_or_default() {
            self.visit_resident(cx, no, one);
        }
        let idle_ms = cx.config.limits.mesh_idle_ms();
        if let Some(mesh) = self.resident.get_mut(&no) {
            self.touched.push(no);
            mesh.bury_removed(cx);
            mesh.rest(cx.now.mono, idle_ms);
        }
    }
}

impl Mesh {
    pub(super) fn stored(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        hooks: &mut PendingHooks,
        then: Then,
        ended: Ended,
    ) {
        self.outstanding -= 1;
        match then {
            Then::Nothing => {}
            Then::Welcomed(joining) => self.welcomed(cx, ids, hooks, *joining, &ended),
            Then::Accepted(position) => self.accepted(cx, ids, position, ended),
            Then::Settled(settled, bytes) => self.settled(cx, settled, bytes, &ended),
            Then::Page { mailbox, priority, after, limit } => {
                self.page_read(cx, ids, mailbox, priority, after, limit, ended);
            }
            Then::LateAck { asker, position, mailboxes } => {
                self.late_ack(cx, position, mailboxes, ended);
                self.answered(cx, asker);
            }
            Then::Saved(member) => self.saved(cx, member),
            Then::Status(asked) => {
                self.status_found(cx, &asked, ended);
                self.answered(cx, asked.asker);
            }
            Then::Enrol(enrolling) => self.enrol_stored(cx, *enrolling, ended),
            Then::Admin(step) => self.admin_written(cx, *step, &ended),
        }
        self.rest(cx.now.mono, cx.config.limits.mesh_idle_ms());
    }
}
