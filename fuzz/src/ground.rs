//! What every run starts from: a store with one mesh and its members, and the hellos they say.

use std::sync::{Arc, LazyLock};

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use peermesh_core::config::{Config, Limits, LiveConfig, Pattern, RunnerConfig, Secret, Slow, TopicRule};
use peermesh_core::ids::{InviteId, MemberId, MeshId, MeshNo, PublicKey};
use peermesh_core::note::Level;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Enrol, InviteRow, NewMesh, Op, Role};
use peermesh_core::time::Wall;
use serde_json::json;

use crate::watchers::LIVE_SECRET;

/// The broker's wall clock at the start: 2023-11-14T22:13:20Z.
pub const BIRTH_MS: i64 = 1_700_000_000_000;
/// Members of the mesh. Each may have a session of its own, [`Who::session`].
pub const MEMBERS: usize = 3;

const MESH: &str = "meshmeshmeshmeshmeshmeshmeshmesh";

/// The store, to be cloned.
pub static STORE: LazyLock<Model> = LazyLock::new(|| {
    let mut store = Model::new([3; 32]);
    let at = Wall::from_millis(BIRTH_MS - 1_000);
    let mesh = NewMesh {
        id: MeshId::new(MESH),
        slug: "garden".to_owned(),
        name: "garden".to_owned(),
        owner_key: PublicKey([9; 32]),
        owner_secret_sealed: Vec::new(),
        root_key_sealed: Vec::new(),
        created_at: at,
    };
    let invite = InviteRow {
        id: InviteId::new("invite"),
        mesh: MeshNo(1),
        token_hash: [4; 32],
        uses_max: 100,
        uses: 0,
        role: Role::Member,
        expires_at: at,
        created_at: at,
        revoked_at: None,
    };
    let mut ops = vec![Op::CreateMesh(Box::new(mesh)), Op::CreateInvite(Box::new(invite))];
    ops.extend((0..MEMBERS).map(|member| {
        let who = Who { member, session: false };
        Op::Enrol(Box::new(Enrol {
            invite: InviteId::new("invite"),
            mesh: MeshNo(1),
            id: MemberId::new(who.member_id()),
            key: PublicKey(who.pair().verifying_key().to_bytes()),
            name: format!("member {member}"),
            role: Role::Member,
            at,
        }))
    }));
    let written = store.write(&[Arc::new(ops.into())]);
    assert!(written.iter().all(Result::is_ok), "{written:?}");
    store
});

/// A broker that serves everything, within these limits.
pub fn config(limits: &Arc<Limits>) -> Arc<Config> {
    Arc::new(Config {
        limits: Limits::clone(limits),
        public_url: "ws://broker.test/ws".to_owned(),
        version: "0".to_owned(),
        git_sha: "fuzz".to_owned(),
        admin_token: Some(Secret::new("admin")),
        hook_token: None,
        allowed_origins: Vec::new(),
        trusted_proxies: Vec::new(),
        vault_key: Some(Secret::new([7; 32])),
        expected_migration: None,
        log_level: Level::Trace,
        runners: Some(RunnerConfig {
            secrets: vec![Secret::new("runner")],
            tokens: Vec::new(),
            forwards_heartbeats: true,
        }),
        live: Some(LiveConfig {
            secret: Some(Secret::new(LIVE_SECRET)),
            rules: [
                ("fleet.*", Slow::Conflate, false),
                ("logs.*", Slow::Gap, false),
                ("tmp.*", Slow::Disconnect, true),
            ]
            .map(|(pattern, slow, volatile)| {
                (Pattern::new(pattern), TopicRule { slow, volatile, ..TopicRule::default() })
            })
            .to_vec(),
            has_feed: false,
        }),
    })
}

/// Somebody with a key: a member, or its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who {
    /// Which member, below [`MEMBERS`].
    pub member: usize,
    /// Its session instead of itself.
    pub session: bool,
}

impl Who {
    /// The one of that number, whatever it is.
    pub fn of(number: u8) -> Who {
        Who { member: usize::from(number) % MEMBERS, session: number >= 128 }
    }

    /// Everybody.
    pub fn all() -> impl Iterator<Item = Who> {
        (0..MEMBERS).flat_map(|member| [false, true].map(|session| Who { member, session }))
    }

    fn pair(self) -> SigningKey {
        let mut seed = [if self.session { 7 } else { 1 }; 32];
        seed[0] = u8::try_from(self.member).unwrap_or(u8::MAX);
        SigningKey::from_bytes(&seed)
    }

    fn member_id(self) -> String {
        format!("{:0>32}", self.member)
    }

    /// The key that addresses it, in hex.
    pub fn key(self) -> String {
        HEXLOWER.encode(self.pair().verifying_key().as_bytes())
    }

    fn sign(self, text: &str) -> String {
        HEXLOWER.encode(&self.pair().sign(text.as_bytes()).to_bytes())
    }

    /// Its hello at that moment, in Unix milliseconds.
    pub fn hello(self, wall: i64) -> String {
        let (member, own) = (Who { session: false, ..self }, self.key());
        let place = format!("place {}", self.member);
        if !self.session {
            let signature = self.sign(&format!("{MESH}|{}|{own}|{wall}", self.member_id()));
            return json!({"type": "hello", "meshId": MESH, "memberId": self.member_id(), "pubkey": own,
                "sessionId": place, "pid": 1, "cwd": "/", "hostname": "h", "timestamp": wall,
                "capabilities": ["client_message_id_dedupe@2"], "signature": signature})
            .to_string();
        }
        let parent = member.key();
        let until = wall + 3_600_000;
        let attested = member.sign(&format!("claudemesh-session-attest|{parent}|{own}|{until}"));
        let signature = self.sign(&format!("claudemesh-session-hello|{MESH}|{parent}|{own}|{wall}"));
        json!({"type": "session_hello", "meshId": MESH, "parentMemberId": self.member_id(),
            "parentMemberPubkey": parent, "sessionPubkey": own, "sessionId": format!("{place} s"), "pid": 2,
            "cwd": "/", "hostname": "h", "timestamp": wall, "signature": signature,
            "parentAttestation": {"sessionPubkey": own, "parentMemberPubkey": parent, "expiresAt": until,
                "signature": attested}})
        .to_string()
    }
}
