//! What a daemon needs to know before it starts: who it is in which mesh, and how it behaves.

use std::sync::Arc;

use ed25519_dalek::SigningKey;

use crate::config::{DaemonLimits, Limits, Secret};
use crate::ids::PublicKey;
use crate::machine::Endpoint;

/// What a daemon is made with.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Who it is and how it behaves.
    pub config: Arc<DaemonConfig>,
    /// Where its chance comes from.
    pub seed: [u8; 32],
}

/// Who a daemon is and how it behaves.
#[derive(Clone, Debug)]
pub struct DaemonConfig {
    /// The bounds of its connections, messages and commits.
    pub limits: Limits,
    /// All its other bounds.
    pub bounds: DaemonLimits,
    /// The meshes it belongs to. Two of one slug are the first of them.
    pub meshes: Vec<Membership>,
    /// The program's version.
    pub version: String,
    /// The process.
    pub pid: u32,
    /// The directory it was started in.
    pub cwd: String,
    /// The host's name.
    pub hostname: String,
    /// What programs on the loopback must show; none means that nobody is let in there.
    pub token: Option<Secret>,
    /// Whether the loopback tells its health to those who show nothing.
    pub public_health: bool,
    /// Features without which the daemon does not serve a mesh, even where a broker tells of none.
    pub require_features: Vec<String>,
}

/// One identity in one mesh.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The mesh's name among those of this host.
    pub slug: String,
    /// The mesh, as its broker knows it.
    pub mesh_id: String,
    /// The member, as its broker knows it.
    pub member_id: String,
    /// How the member calls itself.
    pub name: String,
    /// The 32 bytes its key is made of. Others make none: such a membership cannot greet.
    pub seed: Secret,
    /// Secrets for boxes of keys that the member had before, the latest first: 32 bytes each.
    pub former: Vec<Secret>,
    /// Where the broker is.
    pub broker: Endpoint,
    /// Host and port as the `Host` header has them.
    pub authority: String,
    /// The path of the broker's socket.
    pub path: String,
}

/// What the program around a daemon tells it while it runs: the meshes that this host belongs to from here
/// on, all of them.
#[derive(Clone, Debug)]
pub struct Joined(pub Vec<Membership>);

impl Membership {
    /// Whether a broker sees the same member in both.
    pub(super) fn greets_as(&self, other: &Membership) -> bool {
        let Membership { slug, mesh_id, member_id, name, seed, former: _, broker, authority, path } = self;
        (slug, mesh_id, member_id, name) == (&other.slug, &other.mesh_id, &other.member_id, &other.name)
            && (seed, broker, authority, path) == (&other.seed, &other.broker, &other.authority, &other.path)
    }

    /// Whether this is the same member, under the same key or a later one: what the former one queued may go
    /// on in its name.
    pub(super) fn succeeds(&self, former: &Membership) -> bool {
        let secret = Secret::new(former.signing_key().to_scalar_bytes());
        self.mesh_id == former.mesh_id && (self.seed == former.seed || self.former.contains(&secret))
    }

    /// The key that signs hellos and opens mail.
    pub fn signing_key(&self) -> SigningKey {
        let mut seed = [0; 32];
        if self.seed.expose().len() == seed.len() {
            seed.copy_from_slice(self.seed.expose());
        }
        SigningKey::from_bytes(&seed)
    }

    /// The key others know the member by.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.signing_key().verifying_key().to_bytes())
    }
}
