//! System events: what peers are told of each other (mesh protocol, push).

use serde_json::{Value, json};

use super::presence::Presence;
use super::roster::display_name;
use super::{Cx, Mesh};
use crate::ids::mint_text;
use crate::store::{FormerKey, PeerState, PresenceKind};
use crate::surface::{PresenceNo, SessionId};
use crate::wire::mesh::SystemPush;

/// A peer came. By its member's key, other members hear of it; by a session's, siblings do too.
pub(super) fn arrived(
    mesh: &Mesh,
    cx: &mut Cx<'_>,
    no: PresenceNo,
    kind: PresenceKind,
    returned: Option<&PeerState>,
) {
    let Some(peer) = mesh.roster.presence(no) else { return };
    let hears =
        |other: &Presence| other.no != no && (kind == PresenceKind::Session || other.member != peer.member);
    let mut about = about(peer);
    about["groups"] = json!(peer.groups);
    let event = match returned {
        Some(state) => {
            about["lastSeenAt"] = json!(state.last_seen.iso());
            about["summary"] = json!(state.summary);
            "peer_returned"
        }
        None => "peer_joined",
    };
    tell(mesh, cx, mesh.roster.sessions_where(hears), event, &about);
}

/// A peer's grace ended.
pub(super) fn left(mesh: &Mesh, cx: &mut Cx<'_>, gone: &Presence) {
    let others = mesh.roster.sessions_where(|other| other.member != gone.member);
    tell(mesh, cx, others, "peer_left", &about(gone));
}

/// A member has another key than before.
pub(super) fn key_rotated(mesh: &Mesh, cx: &mut Cx<'_>, former: &FormerKey) {
    let Some(row) = mesh.roster.members.get(former.member) else { return };
    let name = display_name(row);
    let about = json!({
        "name": name,
        "displayName": name,
        "memberId": row.id.as_str(),
        "pubkey": row.key.hex(),
        "formerPubkey": former.key.hex(),
        "formerUntil": former.until.iso(),
    });
    let others = mesh.roster.sessions_where(|other| other.member != former.member);
    tell(mesh, cx, others, "member_keypair_rotated", &about);
}

/// A peer shows or hides itself.
pub(super) fn visibility(mesh: &Mesh, cx: &mut Cx<'_>, no: PresenceNo) {
    let Some(peer) = mesh.roster.presence(no) else { return };
    let others = mesh.roster.sessions_where(|other| other.no != no);
    tell(mesh, cx, others, if peer.visible { "peer_visible" } else { "peer_hidden" }, &about(peer));
}

/// Clients differ in which of the two names they read.
fn about(peer: &Presence) -> Value {
    json!({ "name": peer.display_name, "displayName": peer.display_name, "pubkey": peer.shown_key.hex() })
}

fn tell(mesh: &Mesh, cx: &mut Cx<'_>, sessions: Vec<SessionId>, event: &str, about: &Value) {
    if sessions.is_empty() {
        return;
    }
    let message_id = mint_text(cx.rng);
    let push = SystemPush {
        subtype: "system",
        event,
        event_data: about,
        message_id: &message_id,
        mesh_id: mesh.row.id.as_str(),
        sender_pubkey: "system",
        priority: "low",
        nonce: "",
        ciphertext: "",
        created_at: &cx.now.wall.iso(),
    };
    cx.tell_many(sessions, &push);
}
