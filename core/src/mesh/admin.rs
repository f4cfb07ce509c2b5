//! Administration: making meshes, invites and members' ends, as the admin API asks for them.

use ed25519_dalek::SigningKey;
use serde_json::{Value, json};

use super::enrol::{InvitePayload, seconds, token_hash};
use super::residence::Shut;
use super::roster::NoMember;
use super::{After, Cx, Mesh, Meshes, Then, vault};
use crate::ids::{InviteId, MailboxNo, MemberId, MeshId, MeshNo, PublicKey, mint_text};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::store::{Ended, Found, InviteRow, MemberRow, MeshRow, NewMesh, Op, Query, Reply, Role};
use crate::surface::{Effect, SessionId};
use crate::time::Wall;
use crate::wire::admin::AdminCall;
use crate::wire::bookmark::Bookmark;

/// Where an admin request goes on when the store has answered.
#[derive(Debug)]
pub(crate) enum AdminStep {
    /// The mesh was looked up by its slug or id.
    Find {
        session: SessionId,
        call: AdminCall,
    },
    Created {
        session: SessionId,
        mesh: MeshId,
        name: String,
        slug: String,
    },
    Listed {
        session: SessionId,
    },
    Invited {
        session: SessionId,
        token: String,
        payload: Box<InvitePayload>,
    },
    Removed {
        session: SessionId,
        member: MailboxNo,
        id: MemberId,
        name: String,
        at: Wall,
    },
}

/// Meshes of one page of the list.
const PAGE: u32 = 200;

impl Meshes {
    /// An admin asks for something of the mesh with that slug or id, or of all.
    pub(crate) fn admin(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        mesh: Option<String>,
        call: AdminCall,
    ) {
        if cx.store.down.is_some() {
            return turn_away(cx, session, &Shut::down());
        }
        match (mesh, call) {
            (Some(mesh), call) => {
                let step = AdminStep::Find { session, call };
                cx.ask(Query::FindMesh(mesh), After::Admin(Box::new(step)));
            }
            (None, AdminCall::CreateMesh { name, slug }) => create(cx, session, name, slug),
            (None, AdminCall::ListMeshes { after }) => match after.resume(cx.store.history) {
                Ok(place) => {
                    let after = Some(MeshNo(i64::try_from(place).unwrap_or(i64::MAX)));
                    let step = AdminStep::Listed { session };
                    cx.ask(Query::Meshes { after, limit: PAGE }, After::Admin(Box::new(step)));
                }
                Err(stop) => {
                    let (status, code, message) = stop.answer();
                    fail(cx, session, status, code, message);
                }
            },
            (None, _) => fail(cx, session, 404, "not_found", "no mesh was named"),
        }
    }

    /// The mesh is this shard's: the request goes on with it.
    pub(crate) fn admin_in(&mut self, cx: &mut Cx<'_>, session: SessionId, mesh: MeshId, call: AdminCall) {
        self.visit(cx, mesh, super::residence::Waiting::Admin { session, call });
    }

    pub(super) fn admin_stored(&mut self, cx: &mut Cx<'_>, step: AdminStep, ended: Ended) {
        match (step, ended) {
            (step, Ended::Refused(error)) => turn_away(cx, step.session(), &Shut::Store(error)),
            (AdminStep::Find { session, call }, Ended::Found(found)) => match *found {
                Found::MeshId(Some(mesh)) => cx.effects.list.push(Effect::Enter { session, mesh, call }),
                _ => turn_away(cx, session, &Shut::NoMesh),
            },
            (AdminStep::Created { session, mesh, name, slug }, Ended::Done(Reply::Inserted)) => {
                let body = json!({ "mesh_id": mesh.as_str(), "slug": slug, "name": name });
                cx.answer(session, 201, &body);
            }
            (AdminStep::Created { session, slug, .. }, _) => {
                let text = format!("another mesh has the slug {slug:?}: choose one with \"slug\"");
                fail(cx, session, 409, "slug_taken", &text);
            }
            (AdminStep::Listed { session }, Ended::Found(found)) => match *found {
                Found::Meshes(rows) => list(cx, session, &rows),
                _ => turn_away(cx, session, &Shut::NoMesh),
            },
            (step, Ended::Done(_) | Ended::Found(_)) => turn_away(cx, step.session(), &Shut::NoMesh),
        }
    }
}

impl Mesh {
    pub(super) fn admin(&mut self, cx: &mut Cx<'_>, _ids: &MessageIds, session: SessionId, call: AdminCall) {
        match call {
            AdminCall::ShowMesh => {
                let online = self.roster.listed().filter(|presence| presence.line().is_some()).count();
                let mut body = mesh_body(&self.row);
                body["online"] = json!(online);
                body["queued"] = json!(self.queued);
                body["owner_pubkey"] = json!(self.row.owner_key.hex());
                if let Some(key) = self.signer.public() {
                    body["broker_pubkey"] = json!(key.hex());
                }
                if let Some(history) = cx.store.history {
                    body["history_epoch"] = json!(history.epoch.hex());
                    body["history_since"] = json!(history.since.iso());
                }
                cx.answer(session, 200, &body);
            }
            AdminCall::Invite { uses, role, expires_at } => self.invite(cx, session, uses, role, expires_at),
            AdminCall::ListMembers => {
                let members: Vec<Value> =
                    self.roster.members.values().map(|row| self.member_body(row)).collect();
                cx.answer(session, 200, &json!({ "members": members }));
            }
            AdminCall::RemoveMember { who } => self.remove_member(cx, session, &who),
            AdminCall::CreateMesh { .. } | AdminCall::ListMeshes { .. } => {
                turn_away(cx, session, &Shut::NoMesh);
            }
        }
    }

    fn member_body(&self, row: &MemberRow) -> Value {
        let online = self.roster.listed_of(row.no).any(|presence| presence.line().is_some());
        json!({
            "member_id": row.id.as_str(),
            "pubkey": row.key.hex(),
            "name": row.name,
            "role": row.role.word(),
            "joined_at": row.joined_at.iso(),
            "revoked_at": row.revoked_at.map(Wall::iso),
            "online": online,
        })
    }

    fn invite(&mut self, cx: &mut Cx<'_>, session: SessionId, uses: u32, role: Role, expires_at: Wall) {
        let Some(vault_key) = &cx.config.vault_key else { return fail_without_key(cx, session) };
        let owner = vault::open(vault_key, &self.row.owner_secret_sealed);
        let owner = owner.and_then(|seed| Some(SigningKey::from_bytes(&seed.try_into().ok()?)));
        let root = vault::open(vault_key, &self.row.root_key_sealed);
        let (Some(owner), Some(root)) = (owner, root) else {
            let text = "the mesh's keys were sealed under another key file: start the broker with that one";
            return fail(cx, session, 409, "wrong_key_file", text);
        };
        let mut payload = InvitePayload {
            v: 1,
            mesh_id: self.row.id.as_str().to_owned(),
            mesh_slug: self.row.slug.clone(),
            broker_url: cx.config.public_url.clone(),
            expires_at: seconds(expires_at),
            mesh_root_key: data_encoding::BASE64URL_NOPAD.encode(&root),
            role,
            owner_pubkey: self.row.owner_key.hex(),
            signature: String::new(),
        };
        payload.sign(&owner);
        let token = mint_text(cx.rng);
        let row = InviteRow {
            id: InviteId::mint(cx.rng),
            mesh: self.no,
            token_hash: token_hash(&token),
            uses_max: uses,
            uses: 0,
            role,
            expires_at,
            created_at: cx.now.wall,
            revoked_at: None,
        };
        let step = AdminStep::Invited { session, token, payload: Box::new(payload) };
        self.stage(cx, Op::CreateInvite(Box::new(row)), Then::Admin(Box::new(step)));
    }

    fn remove_member(&mut self, cx: &mut Cx<'_>, session: SessionId, who: &str) {
        match self.roster.member_called(who) {
            Err(NoMember::Unknown) => {
                fail(cx, session, 404, "not_found", &format!("no member is called {who:?}"));
            }
            Err(NoMember::Ambiguous) => {
                let text = format!("several members are called {who:?}: use the member id or the key");
                fail(cx, session, 409, "ambiguous", &text);
            }
            Ok(row) => {
                let (member, id, name, at) = (row.no, row.id.clone(), row.name.clone(), cx.now.wall);
                let step = AdminStep::Removed { session, member, id, name, at };
                self.stage(cx, Op::SetRevoked { member, at: Some(at) }, Then::Admin(Box::new(step)));
            }
        }
    }

    pub(super) fn admin_written(&mut self, cx: &mut Cx<'_>, step: AdminStep, ended: &Ended) {
        match (step, ended) {
            (step, Ended::Refused(error)) => turn_away(cx, step.session(), &Shut::Store(error.clone())),
            (AdminStep::Invited { session, token, payload }, _) => {
                cx.answer(session, 201, &json!({ "invite_token": token, "invite_payload": *payload }));
            }
            (AdminStep::Removed { session, member, id, name, at }, _) => {
                if let Some(row) = self.roster.members.get_mut(member) {
                    if row.revoked_at.is_none() {
                        self.row.members = self.row.members.saturating_sub(1);
                    }
                    row.revoked_at = Some(at);
                }
                self.ban(cx, member);
                self.bury(cx, member);
                cx.answer(session, 200, &json!({ "removed": id.as_str(), "name": name }));
                cx.note(Level::Info, || {
                    Note::new(Level::Info, "member removed").with("member", name.as_str())
                });
            }
            (step @ (AdminStep::Find { .. } | AdminStep::Created { .. } | AdminStep::Listed { .. }), _) => {
                turn_away(cx, step.session(), &Shut::NoMesh);
            }
        }
    }
}

impl AdminStep {
    pub(super) fn session(&self) -> SessionId {
        match self {
            AdminStep::Find { session, .. }
            | AdminStep::Created { session, .. }
            | AdminStep::Listed { session }
            | AdminStep::Invited { session, .. }
            | AdminStep::Removed { session, .. } => *session,
        }
    }
}

fn create(cx: &mut Cx<'_>, session: SessionId, name: String, slug: String) {
    let Some(key) = &cx.config.vault_key else { return fail_without_key(cx, session) };
    let seed = cx.rng.key();
    let owner = SigningKey::from_bytes(&seed);
    let root = cx.rng.key();
    let sealed = (vault::seal(key, cx.rng, &seed), vault::seal(key, cx.rng, &root));
    let (Some(owner_secret_sealed), Some(root_key_sealed)) = sealed else {
        return fail(cx, session, 500, "bad_key_file", "the key file does not hold a 32-byte key");
    };
    let mesh = NewMesh {
        id: MeshId::mint(cx.rng),
        slug: slug.clone(),
        name: name.clone(),
        owner_key: PublicKey(owner.verifying_key().to_bytes()),
        owner_secret_sealed,
        root_key_sealed,
        created_at: cx.now.wall,
    };
    let step = AdminStep::Created { session, mesh: mesh.id.clone(), name, slug };
    cx.stage(Op::CreateMesh(Box::new(mesh)), None, After::Admin(Box::new(step)));
}

fn list(cx: &mut Cx<'_>, session: SessionId, rows: &[MeshRow]) {
    let full = rows.len() >= PAGE as usize;
    let next = rows.last().filter(|_| full).and_then(|row| u64::try_from(row.no.0).ok());
    let next = next.map(|place| Bookmark::new(cx.store.history, place).to_string());
    let meshes: Vec<Value> = rows.iter().map(mesh_body).collect();
    cx.answer(session, 200, &json!({ "meshes": meshes, "next": next }));
}

fn mesh_body(row: &MeshRow) -> Value {
    json!({
        "mesh_id": row.id.as_str(),
        "slug": row.slug,
        "name": row.name,
        "members": row.members,
        "created_at": row.created_at.iso(),
    })
}

/// The mesh is not there, or cannot be had at this time.
pub(super) fn turn_away(cx: &mut Cx<'_>, session: SessionId, why: &Shut) {
    match why {
        Shut::NoMesh | Shut::Stranger => fail(cx, session, 404, "not_found", "no mesh has that slug or id"),
        Shut::Elsewhere => {
            fail(cx, session, 503, "not_owner", "another broker serves this mesh: ask that one, or later");
        }
        Shut::Store(error) => fail(cx, session, 503, "store_down", &error.to_string()),
    }
}

/// Without the key file nothing can be sealed or opened.
fn fail_without_key(cx: &mut Cx<'_>, session: SessionId) {
    let text = "this broker has no key file: start it with the one that all brokers of this store share, or \
                with a data directory it may write to";
    fail(cx, session, 409, "no_key_file", text);
}

fn fail(cx: &mut Cx<'_>, session: SessionId, status: u16, code: &str, message: &str) {
    cx.answer(session, status, &json!({ "error": code, "message": message }));
}
