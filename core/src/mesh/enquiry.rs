//! What members ask over HTTP: who asks, and the two steps to an answer (mesh protocol 1.7).
//!
//! *Decides* freshness, signature and membership, in this order. *Always holds:* nothing is looked up before
//! the request's proof is recorded, so that a copy of it is refused from then on, by every broker of the
//! store; whoever is not a member of the mesh learns nothing, not even whether it exists (AUT-06).

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::hello::{Proof, verifies};
use super::residence::{Shut, Waiting};
use super::{Cx, Mesh, Meshes, Then};
use crate::ids::{MailboxNo, MeshId, Position};
use crate::message_id::{ID_CHARS, MessageIds, PREFIX_CHARS_MIN};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{Ended, Found, History, Op, Query, Reply, StoreError};
use crate::surface::SessionId;
use crate::time::Wall;
use crate::wire::bookmark::Stop;
use crate::wire::enquiry::{Credential, Enquiry, Question};

/// Somebody who asks, with a proof that was not used yet as far as this broker knows.
#[derive(Debug)]
pub(crate) struct Enquiring {
    pub session: SessionId,
    pub enquiry: Box<Enquiry>,
    pub proof: Proof,
}

/// How far an enquiry got.
#[derive(Debug)]
pub(crate) enum EnquiryStep {
    /// Its proof is being recorded; then this is asked.
    Proving(Enquiring, Query),
    /// Its answer is being looked up.
    Asking(Enquiring),
}

impl EnquiryStep {
    pub(super) fn session(&self) -> SessionId {
        match self {
            EnquiryStep::Proving(one, _) | EnquiryStep::Asking(one) => one.session,
        }
    }
}

/// A refused enquiry.
pub(super) struct Refused {
    pub status: u16,
    pub code: &'static str,
    pub message: &'static str,
}

pub(super) const REVOKED: Refused = Refused {
    status: 401,
    code: "revoked",
    message: "you were removed from this mesh: ask its owner for another invite",
};

const UNAUTHORIZED: Refused = Refused {
    status: 401,
    code: "unauthorized",
    message: "the signature is wrong, or its key is no member's of this mesh",
};

impl Meshes {
    /// Somebody asks for something of a mesh.
    pub(crate) fn enquire(&mut self, cx: &mut Cx<'_>, session: SessionId, enquiry: Box<Enquiry>) {
        if self.draining {
            let message = "this broker is stopping: ask again";
            return refuse(cx, session, &Refused { status: 503, code: "draining", message });
        }
        if cx.store.down.is_some() {
            return turn_away(cx, session, &Shut::down());
        }
        if let Question::Message(id) = &enquiry.question
            && !is_id(id)
        {
            let message = "a message id has 8 to 32 of 0-9, A-Z and a-z";
            return refuse(cx, session, &Refused { status: 400, code: "bad_request", message });
        }
        let credential = &enquiry.credential;
        let skew_ms = cx.now.wall.distance_millis(Wall::from_millis(credential.timestamp));
        if skew_ms > cx.config.limits.hello_skew_ms() {
            return refuse_skewed(cx, session, credential);
        }
        if !verifies(&credential.key.0, &credential.signature, &credential.signed) {
            return refuse_asker(cx, session, credential, &UNAUTHORIZED);
        }
        // What was signed identifies the request: another signature over the same bytes is the same request.
        let proof = Sha256::new().chain_update(credential.key.0).chain_update(&credential.signed);
        let id = MeshId::new(credential.mesh_id.as_str());
        let enquiring = Enquiring { session, enquiry, proof: Proof(proof.finalize().into()) };
        self.visit(cx, id, Waiting::Enquiry(enquiring));
    }
}

impl Mesh {
    /// Judges what needs the mesh, and records the proof.
    pub(super) fn enquire(&mut self, cx: &mut Cx<'_>, ids: &MessageIds, one: Enquiring) {
        let credential = &one.enquiry.credential;
        let member = match self.asker(credential) {
            Ok(member) => member,
            Err(refused) => return refuse_asker(cx, one.session, credential, &refused),
        };
        if self.outstanding >= cx.config.limits.staged_max() {
            return turn_away(cx, one.session, &Shut::Store(StoreError::Busy(String::new())));
        }
        let query = match self.question(cx, ids, member, &one.enquiry.question) {
            Ok(query) => query,
            Err(refused) => return refuse(cx, one.session, &refused),
        };
        let prove = Op::Prove {
            proof: one.proof.0,
            by: cx.rng.next_u64(),
            // A copy can be shown until the timestamp is too old, on either side of the clock.
            until: cx.now.wall.after_millis(cx.config.limits.hello_skew_ms() * 2),
        };
        self.stage(cx, prove, Then::Enquiry(Box::new(EnquiryStep::Proving(one, query))));
    }

    /// The member whose key signed, unless it was removed. A name that is not its own is nobody's.
    fn asker(&self, credential: &Credential) -> Result<MailboxNo, Refused> {
        let had = self.roster.member_by_former_key(&credential.key);
        let member = self.roster.member_by_key(&credential.key).or(had);
        let member = member.filter(|row| row.id.as_str() == credential.member_id).ok_or(UNAUTHORIZED)?;
        match (member.revoked_at, had) {
            (None, None) => Ok(member.no),
            (Some(_), _) => Err(REVOKED),
            (None, Some(_)) => Err(Refused {
                status: 401,
                code: "member_key_rotated",
                message: "this key was replaced: sign with the member's present key",
            }),
        }
    }

    /// What the store is asked.
    fn question(
        &self,
        cx: &Cx<'_>,
        ids: &MessageIds,
        member: MailboxNo,
        question: &Question,
    ) -> Result<Query, Refused> {
        Ok(match question {
            // An id that was made up costs the same question as one that is somebody else's.
            Question::Message(id) => Query::Message(self.names.resolve(ids, id).unwrap_or(Position::ZERO)),
            Question::Mentions { after, limit } => {
                let place = |cursor: &String| self.place_after(ids, member, cursor, cx.store.history);
                let after = after.as_ref().map_or(Ok(Position::ZERO), place)?;
                Query::Mentions { member, after, limit: *limit }
            }
        })
    }

    /// Where a list of a member's goes on.
    fn place_after(
        &self,
        ids: &MessageIds,
        member: MailboxNo,
        cursor: &str,
        history: Option<History>,
    ) -> Result<Position, Refused> {
        let (epoch, place) = cursor.split_once(':').unwrap_or(("", cursor));
        let Some(position) = ids.resolve_cursor(self.no, member, place) else {
            let message = "after: this is not the \"next\" of an earlier page of yours";
            return Err(Refused { status: 400, code: "bad_request", message });
        };
        let stop = match history {
            Some(history) if epoch == history.epoch.hex() => return Ok(position),
            Some(_) => Stop::Gap,
            None => Stop::Unknown,
        };
        let (status, code, message) = stop.answer();
        Err(Refused { status, code, message })
    }

    pub(super) fn enquiry_stored(
        &mut self,
        cx: &mut Cx<'_>,
        ids: &MessageIds,
        step: EnquiryStep,
        ended: Ended,
    ) {
        match (step, ended) {
            (step, Ended::Refused(error)) => turn_away(cx, step.session(), &Shut::Store(error)),
            (EnquiryStep::Proving(one, _), Ended::Done(Reply::Replayed)) => {
                let message = "this request was made before: sign one with the current time";
                let refused = Refused { status: 401, code: "replayed", message };
                refuse_asker(cx, one.session, &one.enquiry.credential, &refused);
            }
            (EnquiryStep::Proving(one, query), Ended::Done(_) | Ended::Found(_)) => {
                self.ask(cx, query, Then::Enquiry(Box::new(EnquiryStep::Asking(one))));
            }
            (EnquiryStep::Asking(one), Ended::Found(found)) => self.answer(cx, ids, &one, *found),
            (EnquiryStep::Asking(one), Ended::Done(_)) => not_found(cx, one.session),
        }
    }

    /// Answers whoever is still a member.
    fn answer(&self, cx: &mut Cx<'_>, ids: &MessageIds, one: &Enquiring, found: Found) {
        let member = match self.asker(&one.enquiry.credential) {
            Ok(member) => member,
            Err(refused) => return refuse_asker(cx, one.session, &one.enquiry.credential, &refused),
        };
        match (&one.enquiry.question, found) {
            (Question::Message(_), Found::Message(view)) => {
                let view = view.filter(|view| self.is_told(view));
                match view.and_then(|view| self.message_body(cx, ids, &view, member)) {
                    Some(body) => answer(cx, one.session, &body),
                    None => not_found(cx, one.session),
                }
            }
            (Question::Mentions { after, limit }, Found::Mentions(rows)) => {
                let body = self.mentions_body(cx, ids, member, (after.as_deref(), *limit), &rows);
                answer(cx, one.session, &body);
            }
            (Question::Message(_) | Question::Mentions { .. }, _) => not_found(cx, one.session),
        }
    }
}

/// True for what can be the id of a message, or a prefix that is long enough.
pub(super) fn is_id(text: &str) -> bool {
    (PREFIX_CHARS_MIN..=ID_CHARS).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn answer(cx: &mut Cx<'_>, session: SessionId, body: &Value) {
    cx.count(Counter::EnquiryAnswered);
    cx.answer(session, 200, body);
}

/// The same for a message that is not there, one of another mesh, and one that the asker has no part in.
fn not_found(cx: &mut Cx<'_>, session: SessionId) {
    let message = "no message of yours has this id, or it was removed by age";
    refuse(cx, session, &Refused { status: 404, code: "not_found", message });
}

/// Somebody cannot have the mesh.
pub(super) fn turn_away(cx: &mut Cx<'_>, session: SessionId, why: &Shut) {
    let later = |code, message| Refused { status: 503, code, message };
    let refused = match why {
        Shut::NoMesh | Shut::Stranger => UNAUTHORIZED,
        Shut::Elsewhere | Shut::Store(StoreError::Fenced(_)) => {
            later("not_owner", "another broker serves this mesh: ask that one, or later")
        }
        Shut::Store(StoreError::Full) => later("store_full", "the store has no room: ask again later"),
        Shut::Store(StoreError::Busy(_)) => later("busy", "too much waits for the store: ask again later"),
        Shut::Store(_) => later("store_down", "the store does not answer: ask again later"),
    };
    refuse(cx, session, &refused);
}

fn refuse_skewed(cx: &mut Cx<'_>, session: SessionId, credential: &Credential) {
    let message = "the timestamp is too far from the broker's clock";
    let refused = Refused { status: 401, code: "timestamp_skew", message };
    let body = json!({ "error": refused.code, "message": message, "serverTime": cx.now.wall.as_millis() });
    log(cx, credential, &refused);
    cx.count(Counter::EnquiryUnauthorized);
    cx.answer(session, refused.status, &body);
}

fn refuse_asker(cx: &mut Cx<'_>, session: SessionId, credential: &Credential, refused: &Refused) {
    log(cx, credential, refused);
    refuse(cx, session, refused);
}

fn refuse(cx: &mut Cx<'_>, session: SessionId, refused: &Refused) {
    cx.count(match refused.status {
        400 | 410 => Counter::EnquiryBad,
        401 => Counter::EnquiryUnauthorized,
        404 => Counter::EnquiryNotFound,
        _ => Counter::EnquiryUnavailable,
    });
    cx.answer(session, refused.status, &json!({ "error": refused.code, "message": refused.message }));
}

fn log(cx: &mut Cx<'_>, credential: &Credential, refused: &Refused) {
    /// Characters of what nobody vouched for.
    const CLAIM_CHARS: usize = 64;
    cx.note(Level::Warn, || {
        let mesh: String = credential.mesh_id.chars().take(CLAIM_CHARS).collect();
        let note = Note::new(Level::Warn, "member request rejected").with("reason", refused.code);
        note.with("mesh_id", mesh).with("pubkey", &credential.key.hex()[..12])
    });
}
