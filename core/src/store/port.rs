//! The vocabulary between the core and a store: what can be written, what can be asked, what comes back.
//!
//! *Always holds:* a write batch is one transaction. Every [`Op`] is idempotent by its keys, so that a batch whose
//! outcome is unknown is simply run again. Reads see every batch whose `Stored` came before they were asked.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey, Ticket};
use crate::time::Wall;

/// One thing for a store lane to do.
#[derive(Clone, Debug)]
pub struct Request {
    /// Names the request in its `Stored`.
    pub ticket: Ticket,
    /// What to do.
    pub work: Work,
}

/// A write or a read.
#[derive(Clone, Debug)]
pub enum Work {
    /// All of it commits or none of it. Shared, so that a batch can be tried again without copying it.
    Write(Arc<Batch>),
    /// Changes nothing.
    Read(Query),
}

/// Operations that commit together, in order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What to write.
    pub ops: Vec<Op>,
}

/// What comes back for a request.
pub type StoreResult = Result<Answer, StoreError>;

/// The answer to a request that was performed.
#[derive(Clone, Debug)]
pub enum Answer {
    /// One reply for each operation of the batch, in its order.
    Replies(Vec<Reply>),
    /// What a query found.
    Found(Box<Found>),
}

/// Why a request was not performed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Nothing was written; it may work later.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written; there is no room.
    #[error("the store is full")]
    Full,
    /// Nothing was written; the data cannot be trusted.
    #[error("the store is corrupt: {0}")]
    Corrupt(String),
    /// The batch may have been written or not, now or later.
    #[error("the outcome of a commit is unknown: {0}")]
    Unknown(String),
}

/// A store that performs requests. Runs on a lane of the runtime, where it may block.
pub trait Driver: Send {
    /// Writes several batches in one commit, each as if it stood alone: one that fails does not touch its
    /// neighbours. Gives one result for each batch, in their order; after any error but `Unknown`, nothing of
    /// that batch was written.
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult>;

    /// Answers a question.
    ///
    /// # Errors
    /// [`StoreError`], never `Unknown`.
    fn read(&mut self, query: &Query) -> StoreResult;
}

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

    /// Its place in [`Priority::ALL`].
    pub const fn rank(self) -> u8 {
        match self {
            Priority::Now => 0,
            Priority::Next => 1,
            Priority::Low => 2,
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Counters a peer reports of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq)]
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

/// A mesh to be made.
#[derive(Clone, Debug, PartialEq)]
pub struct NewMesh {
    /// Its id; the key of idempotency.
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
}

/// A member of a mesh and its last known state.
#[derive(Clone, Debug, PartialEq)]
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

/// What is kept of a member between its presences.
#[derive(Clone, Debug, PartialEq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// How much waits in one lane of one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LaneCount {
    /// The mailbox.
    pub mailbox: MailboxNo,
    /// The lane.
    pub priority: Priority,
    /// How many deliveries.
    pub messages: u64,
    /// How many bytes of nonce and ciphertext.
    pub bytes: u64,
}

/// Everything a shard needs to decide for a mesh from memory.
#[derive(Clone, Debug, PartialEq)]
pub struct MeshLoad {
    /// The mesh itself.
    pub mesh: MeshRow,
    /// All its members, removed ones included.
    pub members: Vec<MemberRow>,
    /// All its sessions.
    pub sessions: Vec<SessionRow>,
    /// What waits.
    pub queued: Vec<LaneCount>,
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
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A hello that was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Where.
    pub mesh: MeshNo,
    /// Who.
    pub member: MailboxNo,
    /// The session key and display name, when it has a session key.
    pub session: Option<(PublicKey, Option<String>)>,
    /// The presence that begins or goes on; none for a send-only connection.
    pub presence: Option<PresenceRow>,
    /// SHA-256 of the signed bytes and signature: used once.
    pub proof: [u8; 32],
    /// Makes a repeated write of the same hello recognisable from a replay.
    pub proof_by: u64,
    /// Until when the proof is remembered.
    pub proof_until: Wall,
    /// When it came.
    pub at: Wall,
}

/// Somebody enrolling with an invite that was checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Enrol {
    /// The invite that is spent once.
    pub invite: InviteId,
    /// Where.
    pub mesh: MeshNo,
    /// The new member's id; the key of idempotency.
    pub id: MemberId,
    /// Its key; unique in the mesh among all mailboxes.
    pub key: PublicKey,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When.
    pub at: Wall,
}

/// An invite.
#[derive(Clone, Debug, PartialEq, Eq)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// One mailbox.
    Mailbox(MailboxNo),
    /// `*`, `@group` and the like, as written.
    Spec(Box<str>),
}

/// An accepted message.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A message to be accepted, with the mailboxes it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The message.
    pub message: Arc<Message>,
    /// One delivery row each; fixed here.
    pub mailboxes: Arc<[MailboxNo]>,
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The recipient acknowledged it.
    Delivered,
    /// Nobody took it in time.
    Expired,
    /// It was pushed too often without an acknowledgement, or its recipient was removed.
    Dead,
}

impl Outcome {
    /// All of them; the place in this list is the number in the store.
    pub const ALL: [Outcome; 3] = [Outcome::Delivered, Outcome::Expired, Outcome::Dead];

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Outcome::Delivered => "delivered",
            Outcome::Expired => "expired",
            Outcome::Dead => "dead",
        }
    }

    /// Its place in [`Outcome::ALL`].
    pub const fn rank(self) -> u8 {
        match self {
            Outcome::Delivered => 0,
            Outcome::Expired => 1,
            Outcome::Dead => 2,
        }
    }
}

/// A delivery that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Which message.
    pub position: Position,
    /// For whom.
    pub mailbox: MailboxNo,
    /// In which lane it waited.
    pub priority: Priority,
    /// When.
    pub at: Wall,
    /// How.
    pub outcome: Outcome,
}

/// A write. Each is idempotent by the key its fields name.
#[derive(Clone, Debug)]
pub enum Op {
    /// A process started: presences that an earlier life left open end now. Replies `Done`.
    Started {
        /// When.
        at: Wall,
    },
    /// Takes the next block of positions; a repeated write takes another. Replies `Positions`.
    LeasePositions {
        /// How many.
        count: u64,
    },
    /// Makes a mesh. Replies `Inserted`, or `Existing` when the slug is another mesh's.
    CreateMesh(Box<NewMesh>),
    /// Makes an invite. Replies `Inserted`.
    CreateInvite(Box<InviteRow>),
    /// Spends an invite and makes a member with its mailbox. Replies `Enrolled` or `EnrolRefused`.
    Enrol(Box<Enrol>),
    /// Removes a member (or readmits it with `None`). Replies `Done`.
    SetRevoked {
        /// Who.
        member: MailboxNo,
        /// Since when.
        at: Option<Wall>,
    },
    /// Records a hello: its proof, its session's mailbox, its presence. Replies `Welcome`, `Replayed` or `KeyTaken`.
    Hello(Box<Hello>),
    /// Presences end. Replies `Done`.
    EndPresences {
        /// Which.
        ids: Vec<PresenceId>,
        /// When.
        at: Wall,
    },
    /// Saves what is kept of a member. Replies `Done`.
    SavePeer {
        /// Who.
        member: MailboxNo,
        /// What.
        state: Box<PeerState>,
    },
    /// Accepts a message unless (mesh, sender, client message id) is known. Replies `Inserted`, or `Existing` with
    /// the first message's position. A message of the same position is the same write again: `Inserted`.
    Accept(Accept),
    /// Ends a delivery that is pending: its pending row goes, its settled row comes. Replies `Done`.
    Settle(Settled),
    /// Remembers how often a delivery was tried. Replies `Done`.
    Tried {
        /// Which message.
        position: Position,
        /// For whom.
        mailbox: MailboxNo,
        /// In which lane.
        priority: Priority,
        /// How often.
        tries: u32,
    },
    /// Removes at most `limit` messages accepted before `messages_before` that nobody waits for any more, with their
    /// settled and dedupe rows, and as many ended presences and outlived proofs. Replies `Pruned`.
    Prune {
        /// Messages and ended presences older than this go.
        messages_before: Wall,
        /// Proofs whose time ended before this go.
        proofs_before: Wall,
        /// At most this many rows of each kind.
        limit: u32,
    },
}

/// The reply to one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// It is so.
    Done,
    /// It was not there before.
    Inserted,
    /// It was there before; for an accept, at this position.
    Existing {
        /// The first message's position; zero where there is no message.
        position: Position,
    },
    /// Positions `first .. first + count` are ours. `secret` is the store's own, the same for its whole life.
    Positions {
        /// The first of them.
        first: Position,
        /// How many.
        count: u64,
        /// What public message ids are keyed with.
        secret: [u8; 32],
    },
    /// The invite was spent and the member made.
    Enrolled {
        /// The new mailbox.
        mailbox: MailboxNo,
    },
    /// Nothing was written.
    EnrolRefused(EnrolRefusal),
    /// The hello stands.
    Welcome {
        /// The session's mailbox, or the member's when it has no session key.
        mailbox: MailboxNo,
    },
    /// The proof was used before; nothing was written.
    Replayed,
    /// The session key is another member's, or a member's own; nothing was written.
    KeyTaken,
    /// So many rows went, over all kinds; fewer than asked for means that none are left.
    Pruned {
        /// The largest number removed of one kind.
        rows: u32,
    },
}

/// Why an enrolment was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolRefusal {
    /// The invite has no use left.
    Exhausted,
    /// The key is in the mesh already.
    KeyTaken,
}

/// A place in the order (mailbox, priority, position).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// The mailbox.
    pub mailbox: MailboxNo,
    /// The lane.
    pub priority: Priority,
    /// The message.
    pub position: Position,
}

/// A question.
#[derive(Clone, Debug)]
pub enum Query {
    /// Answers `Found::Alive` when the store works.
    Ping,
    /// Everything of one mesh: `Found::Mesh`.
    Mesh(MeshId),
    /// The mesh with this slug or id: `Found::MeshId`.
    FindMesh(String),
    /// All meshes in order of their numbers, after this one: `Found::Meshes`.
    Meshes {
        /// Start after this number; `None` from the beginning.
        after: Option<MeshNo>,
        /// At most this many.
        limit: u32,
    },
    /// The invite with this token hash: `Found::Invite`.
    Invite([u8; 32]),
    /// A page of one lane, in order of positions: `Found::Pending`.
    Pending {
        /// Whose.
        mailbox: MailboxNo,
        /// Which lane.
        priority: Priority,
        /// Start after this position.
        after: Position,
        /// At most this many.
        limit: u32,
    },
    /// A page of all pending deliveries of messages accepted before `before`: `Found::Overdue`.
    Overdue {
        /// Accepted before this.
        before: Wall,
        /// Start after this; `None` from the beginning.
        after: Option<Cursor>,
        /// At most this many rows.
        limit: u32,
    },
    /// One message and its deliveries: `Found::Message`.
    Message(Position),
    /// How many deliveries are pending in the whole store: `Found::Depth`.
    Depth,
}

/// What a query found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found {
    /// The store works.
    Alive,
    /// The mesh, if there is one.
    Mesh(Option<MeshLoad>),
    /// Its id, if there is one.
    MeshId(Option<MeshId>),
    /// A page of meshes.
    Meshes(Vec<MeshRow>),
    /// The invite, if there is one.
    Invite(Option<InviteRow>),
    /// A page of a lane. Shorter than the limit means that the lane ends here.
    Pending(Vec<PendingRow>),
    /// A page of overdue deliveries. Shorter than the limit means that there are no more.
    Overdue(Vec<OverdueRow>),
    /// The message, if it is still kept.
    Message(Option<MessageView>),
    /// How many.
    Depth(u64),
}

/// A delivery that waits, with its message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingRow {
    /// How often it was pushed, as far as that was remembered.
    pub tries: u32,
    /// The message.
    pub message: Arc<Message>,
}

/// A delivery that waited too long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OverdueRow {
    /// Where it waits.
    pub cursor: Cursor,
    /// In which mesh.
    pub mesh: MeshId,
    /// Bytes of nonce and ciphertext.
    pub bytes: u64,
}

/// A message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// The message.
    pub message: Arc<Message>,
    /// Mailboxes it still waits for, with the number of tries as far as remembered.
    pub pending: Vec<(MailboxNo, u32)>,
    /// Deliveries that ended.
    pub settled: Vec<(MailboxNo, Wall, Outcome)>,
}
