//! Who there is: meshes, their members, and the identities under which these connect.
//!
//! They are written into the store before the first broker starts, as enrolment would have done it.

use std::collections::BTreeMap;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use peermesh_core::ids::{InviteId, MailboxNo, MemberId, MeshId, MeshNo, PublicKey};
use peermesh_core::store::model::Model;
use peermesh_core::store::{Answer, Batch, Driver, Enrol, InviteRow, NewMesh, Op, Reply, Role};
use peermesh_core::time::Wall;

use super::clock::true_wall;
use super::swarm::PeerKind;
use crate::keys;

/// Everybody.
#[derive(Debug, Default)]
pub(super) struct Cast {
    pub meshes: Vec<Mesh>,
    /// Where hooks come from: the key of a peer, its process, its directory.
    pub places: Vec<(String, i64, String)>,
    by_key: BTreeMap<String, Who>,
    /// The first keys of members, by those that they got later.
    first: BTreeMap<String, String>,
}

#[derive(Debug)]
pub(super) struct Mesh {
    pub id: MeshId,
    pub no: MeshNo,
    pub members: Vec<Member>,
}

#[derive(Debug)]
pub(super) struct Member {
    pub id: MemberId,
    /// The key that it has, as far as it knows.
    pub key: PublicKey,
    pub signer: SigningKey,
    pub mailbox: MailboxNo,
    name: String,
}

/// A member, by its places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Who {
    pub mesh: usize,
    pub member: usize,
}

/// Under which a peer connects.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub who: Who,
    pub kind: PeerKind,
    /// The key that others see, as they see it; of a member's own the first one.
    pub hex: String,
    member_hex: String,
    signer: SigningKey,
    name: String,
}

impl Cast {
    /// Makes everybody known to the store.
    pub(super) fn new(members: &[usize], model: &mut Model) -> Cast {
        let mut cast = Cast::default();
        for (place, count) in members.iter().enumerate() {
            let mesh = cast.enrol(place, *count, model);
            cast.meshes.push(mesh);
        }
        cast
    }

    fn enrol(&mut self, place: usize, count: usize, model: &mut Model) -> Mesh {
        let at = Wall::from_millis(true_wall(0, 0));
        let (id, slug) = (MeshId::new(format!("mesh{place}-{}", "0".repeat(26))), format!("mesh-{place}"));
        let owner_key = PublicKey(keys::pair(&slug).verifying_key().to_bytes());
        write(
            model,
            Op::CreateMesh(Box::new(NewMesh {
                id: id.clone(),
                name: slug.clone(),
                slug,
                owner_key,
                owner_secret_sealed: Vec::new(),
                root_key_sealed: Vec::new(),
                created_at: at,
            })),
        );
        let no = MeshNo(i64::try_from(place).unwrap_or(0) + 1);
        let mut members = Vec::new();
        for member in 0..count {
            let name = format!("{}.{place}", NAMES[member % NAMES.len()]);
            let signer = keys::pair(&name);
            let key = PublicKey(signer.verifying_key().to_bytes());
            let invite = InviteId::new(format!("invite-{place}-{member}"));
            let mut token_hash = [0; 32];
            token_hash[..2].copy_from_slice(&[place, member].map(|n| u8::try_from(n).unwrap_or(u8::MAX)));
            let row = InviteRow {
                id: invite.clone(),
                mesh: no,
                token_hash,
                uses_max: 1,
                uses: 0,
                role: Role::Member,
                expires_at: at.after_millis(60_000),
                created_at: at,
                revoked_at: None,
            };
            write(model, Op::CreateInvite(Box::new(row)));
            let id = MemberId::new(format!("member-{place}-{member}"));
            let (mesh, role) = (no, Role::Member);
            let enrol = Enrol { invite, mesh, id: id.clone(), key, name: name.clone(), role, at };
            let Reply::Enrolled { mailbox } = write(model, Op::Enrol(Box::new(enrol))) else {
                panic!("an empty store enrols everybody")
            };
            self.by_key.insert(key.hex(), Who { mesh: place, member });
            members.push(Member { id, key, signer, mailbox, name });
        }
        Mesh { id, no, members }
    }

    pub(super) fn member(&self, who: Who) -> &Member {
        &self.meshes[who.mesh].members[who.member]
    }

    /// The identity of a peer, which hooks may speak of.
    pub(super) fn identity(&mut self, who: Who, kind: PeerKind) -> Identity {
        let identity = self.housed(who, kind);
        let (pid, cwd) = identity.place();
        self.places.push((identity.hex.clone(), pid, cwd));
        identity
    }

    /// The identity of a peer, or of a daemon.
    pub(super) fn housed(&mut self, who: Who, kind: PeerKind) -> Identity {
        let member = self.member(who);
        let name = match kind {
            PeerKind::Member | PeerKind::SendOnly => member.name.clone(),
            PeerKind::Session(no) | PeerKind::Legacy(no) => format!("{}.s{no}", member.name),
        };
        let signer = keys::pair(&name);
        let key = PublicKey(signer.verifying_key().to_bytes());
        let member_hex = member.key.hex();
        self.by_key.insert(key.hex(), who);
        Identity { who, kind, hex: key.hex(), member_hex, signer, name }
    }

    /// A key that a member may get.
    pub(super) fn spare_key(&mut self, who: Who, no: u32) -> SigningKey {
        let member = &self.meshes[who.mesh].members[who.member];
        let signer = keys::pair(&format!("{}.k{no}", member.name));
        let hex = PublicKey(signer.verifying_key().to_bytes()).hex();
        let first = PublicKey(keys::pair(&member.name).verifying_key().to_bytes()).hex();
        self.by_key.insert(hex.clone(), who);
        self.first.insert(hex, first);
        signer
    }

    /// A member learns that it has another key.
    pub(super) fn rekey(&mut self, who: Who, signer: SigningKey) {
        let member = &mut self.meshes[who.mesh].members[who.member];
        member.key = PublicKey(signer.verifying_key().to_bytes());
        member.signer = signer;
    }

    /// What a key is called here: a member's by the first one that it had.
    pub(super) fn called<'a>(&'a self, hex: &'a str) -> &'a str {
        self.first.get(hex).map_or(hex, String::as_str)
    }

    /// Whose a key is.
    pub(super) fn owner_of(&self, hex: &str) -> Option<Who> {
        self.by_key.get(hex).copied()
    }

    /// The mesh with that number.
    pub(super) fn mesh_of(&self, no: MeshNo) -> Option<usize> {
        self.meshes.iter().position(|mesh| mesh.no == no)
    }
}

const NAMES: [&str; 6] = ["ann", "bob", "carl", "dora", "emma", "finn"];

fn write(model: &mut Model, op: Op) -> Reply {
    match model.write(&[Arc::new(Batch::from(vec![op]))]).pop() {
        Some(Ok(Answer::Replies(mut replies))) => replies.pop().unwrap_or(Reply::Done),
        other => panic!("the model writes everything: {other:?}"),
    }
}

impl Identity {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn member_hex(&self) -> &str {
        &self.member_hex
    }

    /// What its key is made of.
    pub(super) fn seed(&self) -> [u8; 32] {
        self.signer.to_bytes()
    }

    /// Its secret key and its public one, as sessions are registered with.
    pub(super) fn secret_hex(&self) -> String {
        HEXLOWER.encode(&self.signer.to_keypair_bytes())
    }

    /// Where its hooks come from.
    pub(super) fn place(&self) -> (i64, String) {
        let pid = match self.kind {
            PeerKind::Member => 1,
            PeerKind::SendOnly => 2,
            PeerKind::Session(no) | PeerKind::Legacy(no) => 10 + i64::from(no),
        };
        (pid, format!("/home/{}", self.name))
    }

    /// A hello with this time, signed; its attestation is good for so many milliseconds.
    pub(super) fn hello(&self, cast: &Cast, stamp: i64, attested_ms: i64, groups: &str) -> String {
        let mesh = cast.meshes[self.who.mesh].id.as_str();
        let Member { id, key: member_key, signer: parent, .. } = cast.member(self.who);
        let (member, member_hex) = (id.as_str(), member_key.hex());
        let (name, key, member_hex) = (&self.name, &self.hex, &member_hex);
        let (pid, cwd) = self.place();
        let common = format!(
            r#""meshId":"{mesh}","displayName":"{name}","sessionId":"of-{name}","pid":{pid},"cwd":"{cwd}","hostname":"host","groups":[{groups}],"timestamp":{stamp}"#
        );
        let by_member = |extra: &str| {
            let signature = keys::sign_hello(parent, mesh, member, member_hex, &stamp.to_string());
            format!(
                r#"{{"type":"hello",{common},"memberId":"{member}","pubkey":"{member_hex}"{extra},"signature":"{signature}"}}"#
            )
        };
        match self.kind {
            PeerKind::Member => by_member(r#","channel":"claudemesh-daemon""#),
            PeerKind::SendOnly => by_member(r#","channel":"cli","capabilities":["send_only"]"#),
            PeerKind::Legacy(_) => by_member(&format!(r#","channel":"claude-code","sessionPubkey":"{key}""#)),
            PeerKind::Session(_) => {
                let until = stamp + attested_ms;
                let attested = keys::sign_attestation(parent, member_hex, key, &until.to_string());
                let signature =
                    keys::sign_session_hello(&self.signer, mesh, member_hex, key, &stamp.to_string());
                format!(
                    r#"{{"type":"session_hello",{common},"parentMemberId":"{member}","parentMemberPubkey":"{member_hex}","sessionPubkey":"{key}","parentAttestation":{{"sessionPubkey":"{key}","parentMemberPubkey":"{member_hex}","expiresAt":{until},"signature":"{attested}"}},"signature":"{signature}"}}"#
                )
            }
        }
    }
}

/// A key that nobody has.
pub(super) fn stranger() -> String {
    HEXLOWER.encode(&[9; 32])
}
