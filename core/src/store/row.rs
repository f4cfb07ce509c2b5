//! What is kept: meshes, members, sessions, presences, messages.

use serde::{Deserialize, Serialize};

use crate::ids::{HookId, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey};
use crate::time::Wall;

/// How urgent a message is: `now` disturbs, `next` and `low` wait for an idle recipient.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Priority {
    /// Delivered whatever the recipient does.
    Now,
    /// Delivered when the recipient is idle.
    Next,
    /// Delivered when the recipient is idle and little else waits.
    Low,
}

impl Priority {
    /// All of them, most urgent first; the place in this list is the number in the store.
    pub const ALL: [Priority; 3] = [Priority::Now, Priority::Next, Priority::Low];

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Priority::Now => "now",
            Priority::Next => "next",
            Priority::Low => "low",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Priority> {
        Priority::ALL.into_iter().find(|priority| priority.word() == word)
    }

    /// Its place in [`Priority::ALL`].
    pub const fn rank(self) -> u8 {
        match self {
            Priority::Now => 0,
            Priority::Next => 1,
            Priority::Low => 2,
        }
    }
}

/// What a peer is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Takes everything.
    Idle,
    /// Takes only what is urgent.
    Working,
    /// Takes only what is urgent, and says so itself.
    Dnd,
}

impl Status {
    /// The word on the wire and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Working => "working",
            Status::Dnd => "dnd",
        }
    }

    /// The status of that word.
    pub fn parse(word: &str) -> Option<Status> {
        [Status::Idle, Status::Working, Status::Dnd].into_iter().find(|status| status.word() == word)
    }
}

/// What a hook said that found no presence (mesh protocol, hook).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HookRow {
    /// Its id; the key of idempotency.
    pub id: HookId,
    /// The process it speaks for; zero when unknown.
    pub pid: i64,
    /// Where that process works.
    pub cwd: String,
    /// What the peer does.
    pub status: Status,
    /// When it came.
    pub at: Wall,
}

/// What survives when an answer says "stored".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Durability {
    /// It survives the end of the process and the loss of power.
    #[default]
    Synced,
    /// It survives the end of the process; a crash of the database or its machine may lose the last of it.
    Relaxed,
}

impl Durability {
    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Durability::Synced => "synced",
            Durability::Relaxed => "relaxed",
        }
    }
}

/// What a member may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// May administer the mesh.
    Admin,
    /// May take part.
    Member,
}

impl Role {
    /// The word on the wire and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Role::Admin => "admin",
            Role::Member => "member",
        }
    }
}

/// A group somebody is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Group {
    /// The group's name; `a/b` lies within `a`.
    pub name: String,
    /// What the member is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
}

/// What a peer says of itself (mesh protocol, presence).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Profile {
    /// A picture's address or an emoji.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub avatar: Option<String>,
    /// A title.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bio: Option<String>,
    /// What it can do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Vec<String>>,
}

impl Profile {
    /// Bytes of all its texts, and what parts them.
    pub(crate) fn text_bytes(&self) -> usize {
        let texts = [&self.avatar, &self.title, &self.bio].into_iter().flatten();
        texts.chain(self.capabilities.iter().flatten()).map(|text| text.len() + 1).sum()
    }
}

/// Counters a peer reports of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Hash, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SavedStats {
    /// Messages it received.
    pub messages_in: u64,
    /// Messages it sent.
    pub messages_out: u64,
    /// Tools it called.
    pub tool_calls: u64,
    /// Errors it met.
    pub errors: u64,
}

/// A mesh.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct MeshRow {
    /// Its number in this store.
    pub no: MeshNo,
    /// Its id on the wire.
    pub id: MeshId,
    /// Its short name, unique in the store.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Signs its invites.
    pub owner_key: PublicKey,
    /// The owner's secret key, sealed under the vault key.
    pub owner_secret_sealed: Vec<u8>,
    /// The mesh's root key, sealed under the vault key.
    pub root_key_sealed: Vec<u8>,
    /// When it was made.
    pub created_at: Wall,
    /// Active members, as a list of meshes shows it.
    pub members: u64,
}

/// A member of a mesh and its last known state.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct MemberRow {
    /// The number of its mailbox.
    pub no: MailboxNo,
    /// Its id on the wire.
    pub id: MemberId,
    /// Its key.
    pub key: PublicKey,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// What it is for, as shown to others.
    pub role_tag: Option<String>,
    /// Groups it is in unless its hello says otherwise.
    pub default_groups: Vec<Group>,
    /// `push`, `inbox` or `off`.
    pub message_mode: String,
    /// When it joined.
    pub joined_at: Wall,
    /// When it was removed.
    pub revoked_at: Option<Wall>,
    /// What was saved of its last presence.
    pub state: Option<PeerState>,
}

/// A key that a member had before. It stays the member's: nobody else of the mesh can have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FormerKey {
    /// The key.
    pub key: PublicKey,
    /// Whose it was.
    pub member: MailboxNo,
    /// When it was replaced.
    pub at: Wall,
    /// Until when it addresses the member's mailbox.
    pub until: Wall,
    /// What the member itself sent at a lower position was sealed with this key or an earlier one.
    pub below: Position,
}

/// What is kept of a member between its presences.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct PeerState {
    /// Groups that a hello without groups gets back.
    pub groups: Vec<Group>,
    /// Groups of the last presence of any kind: where `@group` finds the member while it is away.
    pub last_groups: Vec<Group>,
    /// Its profile.
    pub profile: Profile,
    /// Whether it showed itself.
    pub visible: bool,
    /// Its last summary.
    pub summary: Option<String>,
    /// Its last display name.
    pub display_name: Option<String>,
    /// Its counters.
    pub stats: SavedStats,
    /// When it was last there.
    pub last_seen: Wall,
}

/// A session key that was seen in a mesh: a mailbox of its own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SessionRow {
    /// The number of its mailbox.
    pub no: MailboxNo,
    /// Its key.
    pub key: PublicKey,
    /// Whose session it is.
    pub member: MailboxNo,
    /// The display name it last used.
    pub name: Option<String>,
}

/// How a presence came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PresenceKind {
    /// By `hello`.
    ControlPlane,
    /// By `session_hello`.
    Session,
}

impl PresenceKind {
    /// The word on the wire and in the store.
    pub const fn word(self) -> &'static str {
        match self {
            PresenceKind::ControlPlane => "control-plane",
            PresenceKind::Session => "session",
        }
    }
}

/// A presence to be recorded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PresenceRow {
    /// Its id; the key of idempotency.
    pub id: PresenceId,
    /// How it came to be.
    pub kind: PresenceKind,
    /// The session id of its hello.
    pub session_id: String,
    /// The process it speaks for.
    pub pid: i64,
    /// Where that process works.
    pub cwd: String,
    /// When it connected.
    pub connected_at: Wall,
}

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InviteRow {
    /// Its id; the key of idempotency.
    pub id: InviteId,
    /// Where it leads.
    pub mesh: MeshNo,
    /// SHA-256 of the token that its holder shows.
    pub token_hash: [u8; 32],
    /// How often it can be used.
    pub uses_max: u32,
    /// How often it was used.
    pub uses: u32,
    /// What its users become.
    pub role: Role,
    /// Until when.
    pub expires_at: Wall,
    /// When it was made.
    pub created_at: Wall,
    /// When it was taken back.
    pub revoked_at: Option<Wall>,
}

/// Whom a message was sent to, as its sender put it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Target {
    /// One mailbox.
    Mailbox(MailboxNo),
    /// `*`, `@group` and the like, as written.
    Spec(Box<str>),
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Message {
    /// Its place in the store's order; its public id is derived from it.
    pub position: Position,
    /// Where.
    pub mesh: MeshNo,
    /// The sender's member mailbox.
    pub sender: MailboxNo,
    /// The sending session's mailbox; the same as `sender` when the connection had no session key.
    pub session: MailboxNo,
    /// To whom.
    pub target: Target,
    /// How urgent.
    pub priority: Priority,
    /// When it was accepted.
    pub at: Wall,
    /// Base64, as sent.
    pub nonce: Box<str>,
    /// Base64, as sent.
    pub ciphertext: Box<str>,
    /// The sender's key of idempotency.
    pub client_message_id: Option<Box<str>>,
    /// The sender's fingerprint, as sent.
    pub request_fingerprint: Option<Box<str>>,
    /// The message it answers, as sent.
    pub reply_to: Option<Box<str>>,
}

impl Message {
    /// Bytes that count against the queue's bound.
    pub fn queued_bytes(&self) -> u64 {
        (self.nonce.len() + self.ciphertext.len()) as u64
    }
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The recipient acknowledged it.
    Delivered,
    /// Nobody took it in time.
    Expired,
    /// It was pushed too often without an acknowledgement.
    Dead,
    /// Its recipient was removed.
    Removed,
}

impl Outcome {
    /// All of them; the place in this list is the number in the store.
    pub const ALL: [Outcome; 4] = [Outcome::Delivered, Outcome::Expired, Outcome::Dead, Outcome::Removed];

    /// The word on the wire, the same for both ways to be dead.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Expired => "expired",
            Outcome::Dead | Outcome::Removed => "dead",
        }
    }

    /// Its place in [`Outcome::ALL`].
    pub const fn rank(self) -> u8 {
        match self {
            Outcome::Delivered => 0,
            Outcome::Expired => 1,
            Outcome::Dead => 2,
            Outcome::Removed => 3,
        }
    }
}
