//! What can be written, and what comes back for it. Each operation is idempotent by the key its fields name.

use std::sync::Arc;

use super::{InviteRow, Message, Outcome, PeerState, PresenceRow, Priority, Role};
use crate::ids::{InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey};
use crate::time::Wall;

/// A write. Each is idempotent by the key its fields name.
#[derive(Clone, Debug)]
pub enum Op {
    /// A process started: presences that an earlier life left open end now. It is written before any hello
    /// of this life, for it ends every presence that is open. Replies `Done`.
    Started {
        /// When.
        at: Wall,
    },
    /// Takes the next block of positions; a repeated write takes another. A block is used by one shard, in
    /// order, for messages whose times do not go back. Replies `Positions`.
    LeasePositions {
        /// How many.
        count: u64,
    },
    /// Makes a mesh. Replies `Inserted`, or `Existing` when the slug is another mesh's.
    CreateMesh(Box<NewMesh>),
    /// Makes an invite. Replies `Inserted`, or `Existing` when the token is another invite's.
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
    /// Records a hello: its proof, its session's mailbox, its presence. Replies `Welcome`, `Replayed` or
    /// `KeyTaken`.
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
    /// Accepts a message unless (mesh, sender, client message id) is known. Replies `Inserted`, or `Existing`
    /// with the first message's position. A message of the same position is the same write again: `Inserted`.
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
    /// Removes at most `limit` messages accepted before `messages_before` that nobody waits for any more,
    /// with their settled and dedupe rows, and as many ended presences and outlived proofs. What stands
    /// behind a younger message of the same block, or behind thousands that are still waited for, may be left
    /// for a later call. Replies `Pruned`.
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

/// A message to be accepted, with the mailboxes it goes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accept {
    /// The message.
    pub message: Arc<Message>,
    /// One delivery row each; fixed here.
    pub mailboxes: Arc<[MailboxNo]>,
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
