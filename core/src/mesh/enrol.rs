//! Enrolment: how a key becomes a member (mesh protocol, `POST /join`).

use ed25519_dalek::{Signer, SigningKey};
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest, Sha256};

use super::hello::verifies;
use super::residence::Shut;
use super::{Cx, Mesh, Then};
use crate::ids::{MemberId, PublicKey};
use crate::note::{Level, Note};
use crate::store::{Ended, Enrol, EnrolRefusal, Found, InviteRow, MemberRow, Op, Query, Reply, Role};
use crate::surface::SessionId;
use crate::time::{Mono, Wall};

/// A request to join, with its fields in the right form.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct JoinCall {
    pub payload: InvitePayload,
    token_hash: [u8; 32],
    key: PublicKey,
    name: String,
    /// When it came.
    at: Mono,
}

/// Who is waiting for an answer, and since when.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asker {
    session: SessionId,
    key: PublicKey,
    at: Mono,
}

/// What an invite says, signed by the mesh's owner.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct InvitePayload {
    pub v: i64,
    pub mesh_id: String,
    pub mesh_slug: String,
    pub broker_url: String,
    /// Unix seconds.
    pub expires_at: i64,
    pub mesh_root_key: String,
    pub role: Role,
    pub owner_pubkey: String,
    #[serde(default)]
    pub signature: String,
}

impl InvitePayload {
    fn signed(&self) -> String {
        let InvitePayload {
            v, mesh_id, mesh_slug, broker_url, expires_at, mesh_root_key, owner_pubkey, ..
        } = self;
        let role = self.role.word();
        format!("{v}|{mesh_id}|{mesh_slug}|{broker_url}|{expires_at}|{mesh_root_key}|{role}|{owner_pubkey}")
    }

    pub(super) fn sign(&mut self, owner: &SigningKey) {
        let signature = owner.sign(self.signed().as_bytes());
        self.signature = data_encoding::HEXLOWER.encode(&signature.to_bytes());
    }

    fn is_signed(&self) -> bool {
        let signature = data_encoding::HEXLOWER.decode(self.signature.as_bytes()).ok();
        let signature: Option<[u8; 64]> = signature.and_then(|bytes| bytes.try_into().ok());
        match (PublicKey::from_hex(&self.owner_pubkey), signature) {
            (Some(key), Some(signature)) => verifies(&key.0, &signature, &self.signed()),
            _ => false,
        }
    }
}

/// How far an enrolment got.
#[derive(Debug)]
pub(crate) enum Enrolling {
    /// The invite is being looked up.
    Invited { asker: Asker, call: Box<JoinCall> },
    /// The member is being made.
    Made { asker: Asker, row: Box<MemberRow> },
}

impl Enrolling {
    /// Who waits for it.
    pub(super) fn asker(&self) -> Asker {
        match self {
            Enrolling::Invited { asker, .. } | Enrolling::Made { asker, .. } => *asker,
        }
    }
}

impl JoinCall {
    /// Reads a request's body; the error is the contract's text.
    pub(crate) fn parse(
        body: &serde_json::Value,
        at: Mono,
        name_bytes_max: u64,
    ) -> Result<JoinCall, &'static str> {
        const MISSING: &str = "invite_token, invite_payload, peer_pubkey, display_name required";
        let text =
            |name: &str| body.get(name).and_then(|value| value.as_str()).filter(|text| !text.is_empty());
        let (token, key, name) = (text("invite_token"), text("peer_pubkey"), text("display_name"));
        let payload = body.get("invite_payload").filter(|payload| payload.is_object());
        let (Some(token), Some(key), Some(name), Some(payload)) = (token, key, name, payload) else {
            return Err(MISSING);
        };
        let key = PublicKey::from_hex(key).ok_or("peer_pubkey must be 64 hex chars (32 bytes)")?;
        if name.len() as u64 > name_bytes_max {
            return Err("display_name is too long");
        }
        // A payload with a field missing cannot be what the owner signed.
        let payload = InvitePayload::deserialize(payload).map_err(|_| "invite_bad_signature")?;
        if !payload.is_signed() {
            return Err("invite_bad_signature");
        }
        Ok(JoinCall { payload, token_hash: token_hash(token), key, name: name.to_owned(), at })
    }

    pub(super) fn asker(&self, session: SessionId) -> Asker {
        Asker { session, key: self.key, at: self.at }
    }
}

/// Only the hash of a token is kept.
pub(super) fn token_hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

impl Mesh {
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, session: SessionId, call: Box<JoinCall>) {
        let asker = call.asker(session);
        if call.payload.owner_pubkey != self.row.owner_key.hex() {
            return refuse(cx, asker, "invite_owner_mismatch");
        }
        let query = Query::Invite(call.token_hash);
        self.ask(cx, query, Then::Enrol(Box::new(Enrolling::Invited { asker, call })));
    }

    pub(super) fn enrol_stored(&mut self, cx: &mut Cx<'_>, enrolling: Enrolling, ended: Ended) {
        match (enrolling, ended) {
            (Enrolling::Invited { asker, .. } | Enrolling::Made { asker, .. }, Ended::Refused(error)) => {
                turn_away(cx, asker, &Shut::Store(error));
            }
            (Enrolling::Invited { asker, call }, Ended::Found(found)) => match *found {
                Found::Invite(invite) => self.invited(cx, asker, *call, invite),
                _ => refuse(cx, asker, "invite_not_found"),
            },
            (Enrolling::Made { asker, mut row }, Ended::Done(Reply::Enrolled { mailbox })) => {
                row.no = mailbox;
                cx.answer(asker.session, 200, &json!({ "ok": true, "memberId": row.id.as_str() }));
                note(cx, asker, |note| note.with("ok", true));
                self.roster.add_member(*row);
                self.row.members += 1;
            }
            (Enrolling::Made { asker, row }, Ended::Done(Reply::EnrolRefused(EnrolRefusal::KeyTaken))) => {
                // The same request may have come twice, and the other one was faster.
                match self.active(&row.key) {
                    Some(member) => already_member(cx, asker, member),
                    None => refuse(cx, asker, "member_insert_failed"),
                }
            }
            (Enrolling::Made { asker, .. }, Ended::Done(Reply::EnrolRefused(EnrolRefusal::Exhausted))) => {
                refuse(cx, asker, "invite_exhausted");
            }
            (
                Enrolling::Invited { asker, .. } | Enrolling::Made { asker, .. },
                Ended::Done(_) | Ended::Found(_),
            ) => {
                refuse(cx, asker, "member_insert_failed");
            }
        }
    }

    fn active(&self, key: &PublicKey) -> Option<&MemberRow> {
        self.roster.member_by_key(key).filter(|row| row.revoked_at.is_none())
    }

    fn invited(&mut self, cx: &mut Cx<'_>, asker: Asker, call: JoinCall, invite: Option<InviteRow>) {
        let Some(invite) = invite else { return refuse(cx, asker, "invite_not_found") };
        if invite.mesh != self.no {
            return refuse(cx, asker, "invite_mesh_mismatch");
        }
        if invite.revoked_at.is_some() {
            return refuse(cx, asker, "invite_revoked");
        }
        if invite.expires_at <= cx.now.wall {
            return refuse(cx, asker, "invite_expired");
        }
        if let Some(member) = self.active(&call.key) {
            return already_member(cx, asker, member);
        }
        if self.roster.member_by_former_key(&call.key).is_some() {
            return refuse(cx, asker, "member_key_rotated");
        }
        let id = MemberId::mint(cx.rng);
        // The invite's row decides what its users become; the payload only repeats it.
        let enrol = Enrol {
            invite: invite.id,
            mesh: self.no,
            id: id.clone(),
            key: call.key,
            name: call.name.clone(),
            role: invite.role,
            at: cx.now.wall,
        };
        let row = MemberRow {
            no: crate::ids::MailboxNo(0),
            id,
            key: call.key,
            name: call.name,
            role: invite.role,
            role_tag: None,
            default_groups: Vec::new(),
            message_mode: "push".to_owned(),
            joined_at: cx.now.wall,
            revoked_at: None,
            state: None,
        };
        let made = Enrolling::Made { asker, row: Box::new(row) };
        self.stage(cx, Op::Enrol(Box::new(enrol)), Then::Enrol(Box::new(made)));
    }
}

fn already_member(cx: &mut Cx<'_>, asker: Asker, member: &MemberRow) {
    let body = json!({ "ok": true, "memberId": member.id.as_str(), "alreadyMember": true });
    cx.answer(asker.session, 200, &body);
    note(cx, asker, |note| note.with("ok", true).with("already_member", true));
}

/// The mesh is not there, knows another owner key, or cannot be had at this time.
pub(super) fn turn_away(cx: &mut Cx<'_>, asker: Asker, why: &Shut) {
    let later = match why {
        Shut::NoMesh => return refuse(cx, asker, "mesh_not_found"),
        Shut::Stranger => return refuse(cx, asker, "invite_owner_mismatch"),
        Shut::Elsewhere => "not_owner",
        Shut::Store(_) => "store_down",
    };
    cx.answer(asker.session, 503, &json!({ "ok": false, "error": later }));
    note(cx, asker, |note| note.with("ok", false).with("error", later));
}

fn refuse(cx: &mut Cx<'_>, asker: Asker, error: &'static str) {
    cx.answer(asker.session, 400, &json!({ "ok": false, "error": error }));
    note(cx, asker, |note| note.with("ok", false).with("error", error));
}

fn note(cx: &mut Cx<'_>, asker: Asker, tell: impl FnOnce(Note) -> Note) {
    let latency_ms = cx.now.mono.millis_since(asker.at);
    cx.note(Level::Info, || {
        let note =
            Note::new(Level::Info, "join").with("route", "/join").with("pubkey", &asker.key.hex()[..12]);
        tell(note).with("latency_ms", latency_ms)
    });
}

/// A stamp in whole Unix seconds, as invites carry it.
pub(super) fn seconds(at: Wall) -> i64 {
    at.as_millis().div_euclid(1_000)
}
