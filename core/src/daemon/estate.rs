//! What a session leaves behind when it ends: rows that its program was told to be queued.
//!
//! *Decides* how long the socket of such a session stays: until nothing that it sent waits any more.
//! *Always holds:* it is no session from its end on: its token opens nothing, no list of this host has it,
//! and it takes nothing up. Its rows leave by its own socket or not at all, also after a restart, for its key
//! is kept for as long as they are. Mail that still comes by that socket is its member's.

use sha2::{Digest, Sha256};

use super::drain::After;
use super::sessions::{Session, Token};
use super::{Daemon, LaneKey};
use crate::fault::Fault;
use crate::ids::PublicKey;
use crate::machine::Outputs;
use crate::store::{DaemonFound, Ended, Found, KeptSession, LaneName, OutboxOp, OutboxQuery};
use crate::time::Now;

/// What a row says whose session has ended without a key that could send it.
const SESSION_ENDED: &str = "session_ended: its key is gone, and nobody else may send this";

impl Daemon {
    /// A session is over. Its socket ends now, or when nothing waits that it sent.
    pub(super) fn bequeath(&mut self, now: Now, session: Session, todo: &mut Outputs) {
        let Some(public) = session.public_key() else { return };
        let key = LaneKey { mesh: session.mesh, session: Some(public) };
        if !self.uplinks.contains_key(&key) {
            return;
        }
        if self.is_drained(key) {
            return self.part_session(now, key, todo);
        }
        self.estates.insert(key, session);
        self.keep_estate(key);
        self.weigh_estate(key);
    }

    /// Writes down what the next run needs to go on with.
    pub(super) fn keep_estate(&mut self, key: LaneKey) {
        let (member, nonce) = (self.config.meshes[key.mesh].signing_key(), self.nonce());
        let Some(session) = self.estates.get(&key) else { return };
        let about = session.bequeathed(&member, nonce).into();
        let kept = KeptSession { token: self.estate_token(key).hash(), about };
        self.stage_out(OutboxOp::KeepSession(kept), After::EstateKept);
    }

    pub(super) fn estate_kept(&mut self, ended: &Ended) {
        self.estates_unkept |= matches!(ended, Ended::Refused(_));
    }

    /// Writes down what the store refused: before a row goes that may be the last to have it.
    pub(super) fn keep_estates_again(&mut self) {
        if std::mem::take(&mut self.estates_unkept) {
            let keys: Vec<LaneKey> = self.estates.keys().copied().collect();
            keys.into_iter().for_each(|key| self.keep_estate(key));
        }
    }

    /// What an earlier run had of a session that had ended. The sessions that had not are there already.
    pub(super) fn restore_estate(&mut self, now: Now, session: Session) {
        let (Some(public), persona) = (session.public_key(), session.persona()) else { return };
        let key = LaneKey { mesh: session.mesh, session: Some(public) };
        if self.is_estate(key) {
            return;
        }
        if self.uplinks.contains_key(&key) {
            // Whoever has it is a session again.
            return self.forget_sessions(vec![self.estate_token(key).hash()]);
        }
        self.dial(now, key, persona);
        self.estates.insert(key, session);
        self.keep_estate(key);
        self.weigh_estate(key);
    }

    /// Whoever has this key is a session again, or what it left is given up.
    pub(super) fn drop_estate(&mut self, key: LaneKey) {
        if self.estates.remove(&key).is_some() {
            self.forget_sessions(vec![self.estate_token(key).hash()]);
        }
    }

    /// Looks whether anything waits that all such sessions sent.
    pub(super) fn weigh_estates(&mut self) {
        let keys: Vec<LaneKey> = self.estates.keys().copied().collect();
        keys.into_iter().for_each(|key| self.weigh_estate(key));
    }

    fn weigh_estate(&mut self, key: LaneKey) {
        // What is in flight since an earlier run is not pending yet, and will be.
        if !self.in_order {
            return;
        }
        let query = OutboxQuery::Lane { lane: self.lane_name(key), after: 0, limit: 1 };
        self.ask_out(query, After::Weighed(key, self.wakes(key)));
    }

    /// Whether something is pending of such a session is known.
    pub(super) fn estate_weighed(
        &mut self,
        now: Now,
        (key, wakes): (LaneKey, u64),
        ended: Ended,
        todo: &mut Outputs,
    ) {
        let Ended::Found(found) = ended else { return };
        let is_nothing = matches!(*found, Found::Daemon(DaemonFound::Out(rows)) if rows.is_empty());
        // A row may have come since.
        if is_nothing && self.is_at_rest(key) && self.wakes(key) == wakes {
            self.end_estate(now, key, todo);
        }
    }

    /// Ends the sockets of such sessions whose rows have all left.
    pub(super) fn settle_estates(&mut self, now: Now, todo: &mut Outputs) {
        let over: Vec<LaneKey> = self.estates.keys().copied().filter(|key| self.is_drained(*key)).collect();
        over.into_iter().for_each(|key| self.end_estate(now, key, todo));
    }

    /// Rows wait in this lane. Where nobody has the key of its session, and none that has it came back for as
    /// long as a session may be silent, they are given up: they would wait for nothing.
    pub(super) fn lane_found(&mut self, now: Now, mesh: usize, name: LaneName) {
        let key = LaneKey { mesh, session: name.session };
        let is_lost = key.session.is_some() && !self.uplinks.contains_key(&key);
        match is_lost && self.sessions.is_known {
            true => {
                let error: Box<str> = SESSION_ENDED.into();
                let by = self.began.map_or(now, |began| now.aging_since(began));
                let before = by.wall.before_millis(self.bounds.session_idle_ms());
                let after = After::Buried(name.clone(), error.clone());
                self.stage_out(OutboxOp::BuryLane { lane: name, before, error }, after);
            }
            false => self.wake_lane(now, key),
        }
    }

    /// True for a key that speaks for nobody but the rows that its session left.
    pub(super) fn is_estate(&self, key: LaneKey) -> bool {
        self.estates.contains_key(&key)
    }

    fn end_estate(&mut self, now: Now, key: LaneKey, todo: &mut Outputs) {
        if self.is_estate(key) {
            self.drop_estate(key);
            self.part_session(now, key, todo);
        }
    }

    fn part_session(&mut self, now: Now, key: LaneKey, todo: &mut Outputs) {
        let (fault, reason) = (Fault::Disconnected, Fault::Disconnected.row().reason);
        self.with_uplink(now, key, todo, |uplink, cx| uplink.part(fault, reason, cx));
    }

    /// The name under which an estate is kept. It is the hash of no token that anybody can show.
    fn estate_token(&self, key: LaneKey) -> Token {
        let session = key.session.as_ref().map(PublicKey::hex).unwrap_or_default();
        let slug = self.config.meshes[key.mesh].slug.as_str();
        Token::of_hash(Sha256::digest(format!("what {session} left in {slug}")).into())
    }
}
