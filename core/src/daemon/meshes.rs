//! Which meshes this host belongs to: those it starts with, and those that are joined or left while it runs.
//!
//! *Always holds:* a mesh keeps its place for as long as the daemon runs, also after it was left, so that
//! nothing that comes late for one mesh is taken for another's. What was told again and has not changed is
//! left alone: its sockets stay open and its rows in their lanes.

use std::sync::Arc;

use super::drain::{After, no_broker};
use super::hello::Persona;
use super::setup::Membership;
use super::uplink::Uplink;
use super::{Broker, Daemon, LaneKey, Timer};
use crate::fault::Fault;
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::store::{LaneName, OutboxOp, OutboxQuery};
use crate::time::Now;

impl Daemon {
    /// The places of the meshes that this host belongs to.
    pub(super) fn attached(&self) -> impl Iterator<Item = usize> {
        self.brokers.iter().enumerate().filter(|(_, broker)| !broker.is_left).map(|(mesh, _)| mesh)
    }

    /// The place of a mesh that this host belongs to.
    pub(super) fn mesh_of(&self, slug: &str) -> Option<usize> {
        self.attached().find(|mesh| self.config.meshes[*mesh].slug == slug)
    }

    /// This host belongs to these meshes from here on, and to no others.
    pub(super) fn take_up(&mut self, now: Now, joined: Vec<Membership>, todo: &mut Outputs) {
        if self.stop.is_on() {
            return;
        }
        // Another member under the same name has nothing to do with what the former one queued.
        let is_left = |mesh: &usize| {
            let had = &self.config.meshes[*mesh];
            !joined.iter().find(|own| own.slug == had.slug).is_some_and(|own| own.succeeds(had))
        };
        let left: Vec<usize> = self.attached().filter(is_left).collect();
        for mesh in left {
            self.leave_mesh(now, mesh, todo);
        }
        let mut taken: Vec<String> = Vec::new();
        for own in joined {
            // Two of one slug are the first of them.
            if !taken.contains(&own.slug) {
                taken.push(own.slug.clone());
                self.take_up_one(now, own, todo);
            }
        }
    }

    fn take_up_one(&mut self, now: Now, own: Membership, todo: &mut Outputs) {
        let had = self.config.meshes.iter().position(|mesh| mesh.slug == own.slug);
        let slug = own.slug.clone();
        let config = Arc::make_mut(&mut self.config);
        let (mesh, what) = match had {
            None => {
                config.meshes.push(own);
                self.brokers.push(Broker::default());
                (config.meshes.len() - 1, "mesh_joined")
            }
            Some(mesh) => {
                let is_same = config.meshes[mesh].greets_as(&own);
                config.meshes[mesh] = own;
                if is_same && !self.brokers[mesh].is_left {
                    return;
                }
                let was_left = self.brokers[mesh].is_left;
                self.brokers[mesh] = Broker::default();
                (mesh, if was_left { "mesh_joined" } else { "mesh_changed" })
            }
        };
        self.notes.push(Note::new(Level::Info, what).with("mesh", slug.as_str()));
        self.seal_sessions_anew(mesh);
        let keys: Vec<LaneKey> = self.uplinks.keys().filter(|key| key.mesh == mesh).copied().collect();
        for key in keys {
            // Whoever vouches is another, so everybody greets anew, but for those who are on their way out.
            let uplink = self.uplinks.get(&key).filter(|uplink| !uplink.is_leaving());
            let persona = uplink.and_then(|uplink| uplink.persona.clone());
            self.drop_uplink(now, key, todo);
            if persona.is_some() {
                self.dial(now, key, persona);
            }
        }
        self.dial(now, LaneKey { mesh, session: None }, None);
        // Rows of before may wait for this very mesh.
        self.ask_out(OutboxQuery::Lanes, After::Lanes);
    }

    /// Opens a socket.
    pub(super) fn dial(&mut self, now: Now, key: LaneKey, persona: Option<Persona>) {
        let mut uplink = Uplink::new(key, persona, &self.config, now.mono);
        uplink.is_shut = self.pressure.is_inbox_shut;
        self.uplinks.insert(key, uplink);
        self.timers.arm(Timer::Uplink(key), now.mono);
    }

    /// This host belongs to a mesh no longer: its sockets and sessions end, and what waits for it is given up
    /// with that reason.
    fn leave_mesh(&mut self, now: Now, mesh: usize, todo: &mut Outputs) {
        let slug = self.config.meshes[mesh].slug.clone();
        self.notes.push(Note::new(Level::Info, "mesh_left").with("mesh", slug.as_str()));
        for token in self.sessions.of_mesh(mesh) {
            self.drop_session(now, token, todo);
        }
        let left: Vec<LaneKey> = self.estates.keys().filter(|key| key.mesh == mesh).copied().collect();
        left.into_iter().for_each(|key| self.drop_estate(key));
        self.tell_status(now, LaneKey { mesh, session: None }, "closed", todo);
        let keys: Vec<LaneKey> = self.uplinks.keys().filter(|key| key.mesh == mesh).copied().collect();
        for key in keys {
            let (fault, reason) = (Fault::Disconnected, Fault::Disconnected.row().reason);
            self.lane_lost(now, key);
            self.with_uplink(now, key, todo, |uplink, cx| uplink.part(fault, reason, cx));
        }
        self.brokers[mesh].is_left = true;
        self.drop_lanes(mesh);
        self.bury_mesh(slug.as_str().into());
        self.ask_out(OutboxQuery::Load, After::Load);
    }

    /// Gives up what waits for a mesh that this host does not belong to.
    pub(super) fn bury_mesh(&mut self, mesh: Box<str>) {
        let error: Box<str> = no_broker(&mesh).into();
        let after = After::Buried(LaneName { mesh: mesh.clone(), session: None }, error.clone());
        self.stage_out(OutboxOp::Bury { mesh, before: None, error }, after);
    }
}
