//! What a daemon says of itself to a broker (mesh protocol, sections 2.1 and 2.2).
//!
//! *Always holds:* everything that is valid for a time is signed anew for each connection, so that a daemon
//! that runs for weeks is let in as on its first day.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};

use super::setup::{DaemonConfig, Membership};
use crate::ids::PublicKey;
use crate::time::Wall;

/// A session of a program on this host, as its mesh sees it.
#[derive(Clone, Debug)]
pub(super) struct Persona {
    pub(super) key: SigningKey,
    pub(super) session_id: String,
    pub(super) display_name: String,
    pub(super) pid: u32,
    pub(super) cwd: Option<String>,
    pub(super) role: Option<String>,
    pub(super) groups: Vec<String>,
}

impl Persona {
    pub(super) fn public_key(&self) -> PublicKey {
        PublicKey(self.key.verifying_key().to_bytes())
    }
}

/// The hello of a member. `instance` tells this run of the daemon from every other.
pub(super) fn of_member(config: &DaemonConfig, own: &Membership, instance: &str, at: Wall) -> Value {
    let (key, timestamp) = (own.signing_key(), at.as_millis());
    let public = own.public_key().hex();
    let signed = format!("{}|{}|{public}|{timestamp}", own.mesh_id, own.member_id);
    json!({
        "type": "hello",
        "protocolVersion": 1,
        "meshId": own.mesh_id,
        "memberId": own.member_id,
        "pubkey": public,
        "displayName": own.name,
        "sessionId": format!("daemon-{instance}"),
        "pid": config.pid,
        "cwd": config.cwd,
        "hostname": config.hostname,
        "peerType": "ai",
        "channel": "claudemesh-daemon",
        "timestamp": timestamp,
        "signature": sign(&key, &signed),
    })
}

/// The hello of a session, with its member's word for it.
pub(super) fn of_session(config: &DaemonConfig, own: &Membership, persona: &Persona, at: Wall) -> Value {
    let timestamp = at.as_millis();
    let expires_at = at.after_millis(config.bounds.uplink_attestation_ms()).as_millis();
    let (parent, session) = (own.public_key().hex(), persona.public_key().hex());
    let attested = format!("claudemesh-session-attest|{parent}|{session}|{expires_at}");
    let signed = format!("claudemesh-session-hello|{}|{parent}|{session}|{timestamp}", own.mesh_id);
    let mut hello = json!({
        "type": "session_hello",
        "protocolVersion": 1,
        "meshId": own.mesh_id,
        "parentMemberId": own.member_id,
        "parentMemberPubkey": parent,
        "sessionPubkey": session,
        "parentAttestation": {
            "sessionPubkey": session,
            "parentMemberPubkey": parent,
            "expiresAt": expires_at,
            "signature": sign(&own.signing_key(), &attested),
        },
        "displayName": persona.display_name,
        "sessionId": persona.session_id,
        "pid": persona.pid,
        "cwd": persona.cwd.as_deref().unwrap_or(&config.cwd),
        "hostname": config.hostname,
        "peerType": "ai",
        "channel": "claudemesh-session",
        "timestamp": timestamp,
        "signature": sign(&persona.key, &signed),
    });
    if let Some(role) = &persona.role {
        hello["role"] = role.as_str().into();
    }
    if !persona.groups.is_empty() {
        hello["groups"] = persona.groups.iter().map(|name| json!({ "name": name })).collect();
    }
    hello
}

fn sign(key: &SigningKey, text: &str) -> String {
    HEXLOWER.encode(&key.sign(text.as_bytes()).to_bytes())
}
