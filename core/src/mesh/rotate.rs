//! How a member gets another key (mesh protocol 1.8).
//!
//! *Decides* freshness, both signatures, membership, and whether the key that signed is the present one, in
//! this order; whether the wanted key is free is the store's to say. *Always holds:* nothing is told before
//! the commit; from then on nobody comes in by the former key or by its word for a session, and whoever came
//! in so is sent away. What the member sealed itself is shown under the key that sealed it, so nothing that
//! it sends is taken while its key changes. A look that began before ends before, for the store has it first.

use serde_json::json;

use super::enquiry::{REVOKED, Refused};
use super::hello::verifies;
use super::presence::Presence;
use super::residence::{Shut, Waiting};
use super::retention::stamp;
use super::{Cx, Mesh, Meshes, Positions, Then, events};
use crate::fault::Fault;
use crate::ids::{MailboxNo, MeshId};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::stats::Counter;
use crate::store::{Ended, FormerKey, MemberRow, Op, Reply, Rotation, RotationRefusal, StoreError};
use crate::surface::{PresenceNo, SessionId};
use crate::wire::rotate::RotateCall;

/// A member that waits for another key.
#[derive(Debug)]
pub(crate) struct Rotating {
    pub session: SessionId,
    pub call: Box<RotateCall>,
}

const UNAUTHORIZED: Refused = Refused {
    status: 401,
    code: "unauthorized",
    message: "the signature is wrong, or its key is no member's of this mesh",
};

const STALE: Refused = Refused {
    status: 409,
    code: "member_key_rotated",
    message: "this key was replaced by another one before",
};

impl Meshes {
    /// Somebody wants another key in the place of a member's.
    pub(crate) fn rotate(&mut self, cx: &mut Cx<'_>, session: SessionId, call: Box<RotateCall>) {
        if self.draining {
            let message = "this broker is stopping: ask again";
            return refuse(cx, session, &Refused { status: 503, code: "draining", message });
        }
        if cx.store.down.is_some() {
            return turn_away(cx, session, &Shut::down());
        }
        if cx.now.wall.distance_millis(call.timestamp) > cx.config.limits.hello_skew_ms() {
            return refuse_skewed(cx, session);
        }
        let [by_old, by_new] = &call.signatures;
        if !verifies(&call.old.0, by_old, &call.signed) {
            return refuse_key(cx, session, &call, &UNAUTHORIZED);
        }
        if !verifies(&call.key.0, by_new, &call.signed) {
            let message = "newSignature: it is not the new key's over this request";
            return refuse_key(
                cx,
                session,
                &call,
                &Refused { status: 401, code: "bad_new_signature", message },
            );
        }
        let id = MeshId::new(call.mesh_id.as_str());
        self.visit(cx, id, Waiting::Rotation(Rotating { session, call }));
    }
}

impl Mesh {
    /// Judges what needs the mesh, and has the key replaced.
    pub(super) fn rotate(&mut self, cx: &mut Cx<'_>, positions: &mut Positions, one: Rotating) {
        let (member, present) = match self.rotator(&one.call) {
            Ok(row) => (row.no, row.key),
            Err(refused) => return refuse_key(cx, one.session, &one.call, &refused),
        };
        let limits = &cx.config.limits;
        let is_busy = self.outstanding >= limits.staged_max() || self.rotating.contains(&member);
        // Whoever has a key that was replaced could ask for ever, and the member would never send again.
        if !is_busy && present != one.call.old {
            let latest = self.roster.latest_former(member).copied();
            let latest = latest.filter(|former| former.key == one.call.old && present == one.call.key);
            return match latest {
                Some(former) => confirm(cx, &one, &former),
                None => refuse_key(cx, one.session, &one.call, &STALE),
            };
        }
        let (grace_ms, former_keys_max) = (limits.former_key_grace_ms(), limits.former_keys_max());
        let position = if is_busy { None } else { positions.next(cx) };
        let Some(below) = position else {
            return turn_away(cx, one.session, &Shut::Store(StoreError::Busy(String::new())));
        };
        let at = stamp(self.began, cx.now);
        let rotation = Rotation {
            mesh: self.no,
            member,
            old: one.call.old,
            key: one.call.key,
            at,
            until: at.after_millis(grace_ms),
            below,
            former_keys_max,
        };
        self.rotating.insert(member);
        self.stage(cx, Op::Rotate(Box::new(rotation)), Then::Rotated(member, Box::new(one)));
    }

    /// The member whose key signed. One that has the wanted key already may ask again, by the key it had.
    fn rotator(&self, call: &RotateCall) -> Result<&MemberRow, Refused> {
        let had = || self.roster.member_by_former_key(&call.old);
        let member = self.roster.member_by_key(&call.old).or_else(had);
        let member = member.filter(|row| row.id.as_str() == call.member_id).ok_or(UNAUTHORIZED)?;
        if member.revoked_at.is_some() { Err(REVOKED) } else { Ok(member) }
    }

    /// The key was replaced, or not.
    pub(super) fn rotated(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        (member, one): (MailboxNo, &Rotating),
        ended: Ended,
    ) {
        self.rotating.remove(&member);
        let why = match ended {
            Ended::Done(Reply::Rotated(former)) => return self.take_key(cx, ids, one, former),
            Ended::Refused(error) => return turn_away(cx, one.session, &Shut::Store(error)),
            Ended::Done(Reply::RotationRefused(why)) => why,
            Ended::Done(_) | Ended::Found(_) => RotationRefusal::Stale,
        };
        let refused = match why {
            RotationRefusal::Stale => STALE,
            RotationRefusal::KeyTaken => Refused {
                status: 409,
                code: "key_taken",
                message: "newPubkey: somebody of this mesh has this key, or had it: make another",
            },
            RotationRefusal::Full { free_at } => return refuse_full(cx, one.session, &free_at.iso()),
        };
        refuse_key(cx, one.session, &one.call, &refused);
    }

    fn take_key(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, one: &Rotating, former: FormerKey) {
        if self.roster.rekey(former, one.call.key) {
            if !planted("former_key_stays_in") {
                self.send_away(cx, ids, former.member);
            }
            events::key_rotated(self, cx, &former);
            cx.count(Counter::KeysRotated);
            cx.note(Level::Info, || {
                let note = Note::new(Level::Info, "member key rotated");
                let note = note.with("mesh_id", self.row.id.as_str());
                note.with("member_id", one.call.member_id.as_str()).with("pubkey", &one.call.key.hex()[..12])
            });
        }
        confirm(cx, one, &former);
    }

    /// Ends every connection that came in by the former key, or by its word for a session. Their presences
    /// have their grace, so that whoever comes back with the present key goes on.
    fn send_away(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, member: MailboxNo) {
        let mine = self.roster.all().filter(|presence| presence.member == member);
        let open: Vec<(PresenceNo, SessionId)> =
            mine.filter_map(|presence| Some((presence.no, Presence::session(presence)?))).collect();
        for (no, session) in open {
            cx.end(session, Fault::KeyRotated);
            self.gone(cx, ids, no, session);
        }
    }
}

/// Tells that the key was replaced, the first time and whenever that is asked for again.
fn confirm(cx: &mut Cx<'_>, one: &Rotating, former: &FormerKey) {
    let body = json!({
        "memberId": one.call.member_id,
        "pubkey": one.call.key.hex(),
        "formerPubkey": former.key.hex(),
        "rotatedAt": former.at.iso(),
        "formerUntil": former.until.iso(),
    });
    cx.count(Counter::EnquiryAnswered);
    cx.answer(one.session, 200, &body);
}

/// Somebody cannot have the mesh.
pub(super) fn turn_away(cx: &mut Cx<'_>, session: SessionId, why: &Shut) {
    match why {
        Shut::NoMesh | Shut::Stranger => refuse(cx, session, &UNAUTHORIZED),
        Shut::Elsewhere | Shut::Store(_) => super::enquiry::turn_away(cx, session, why),
    }
}

fn refuse_skewed(cx: &mut Cx<'_>, session: SessionId) {
    let message = "the timestamp is too far from the broker's clock";
    let server_time = cx.now.wall.as_millis();
    cx.count(Counter::EnquiryUnauthorized);
    cx.answer(
        session,
        401,
        &json!({ "error": "timestamp_skew", "message": message, "serverTime": server_time }),
    );
}

fn refuse_full(cx: &mut Cx<'_>, session: SessionId, free_at: &str) {
    let message = "too many of the member's former keys still reach it: ask again at retryAt";
    cx.count(Counter::EnquiryUnavailable);
    cx.answer(session, 429, &json!({ "error": "too_many_keys", "message": message, "retryAt": free_at }));
}

/// Says in the log, too, who was refused.
fn refuse_key(cx: &mut Cx<'_>, session: SessionId, call: &RotateCall, refused: &Refused) {
    /// Characters of what nobody vouched for.
    const CLAIM_CHARS: usize = 64;
    cx.note(Level::Warn, || {
        let mesh: String = call.mesh_id.chars().take(CLAIM_CHARS).collect();
        let note = Note::new(Level::Warn, "member key not rotated").with("reason", refused.code);
        note.with("mesh_id", mesh).with("pubkey", &call.old.hex()[..12])
    });
    refuse(cx, session, refused);
}

fn refuse(cx: &mut Cx<'_>, session: SessionId, refused: &Refused) {
    cx.count(match refused.status {
        401 => Counter::EnquiryUnauthorized,
        400 | 409 => Counter::EnquiryBad,
        _ => Counter::EnquiryUnavailable,
    });
    cx.answer(session, refused.status, &json!({ "error": refused.code, "message": refused.message }));
}
