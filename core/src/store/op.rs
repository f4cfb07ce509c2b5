//! What can be written, and what comes back for it. Each operation is idempotent by the key its fields name.

use std::sync::Arc;

use super::{
    DaemonOp, DaemonReply, Drafts, Fence, FormerKey, HookRow, InviteRow, LiveOp, LiveReply, Message, Outcome,
    PeerState, PresenceRow, Priority, ReceiptRow, Role, RunnerOp, RunnerReply, Seen, SignerRow, Status,
};
use crate::ids::{
    Epoch, HookId, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey,
};
use crate::time::Wall;

/// A write. Each is idempotent by the key its fields name.
#[derive(Clone, Debug, Hash)]
pub enum Op {
    /// Makes a mesh ours, unless it is a living broker's. Open presences that its last owner left end. What
    /// is ours already stays so, under its epoch. Replies `Owned`, `OwnedElsewhere`, `NoMesh` or `Stranger`.
    Claim {
        /// Which mesh.
        mesh: MeshId,
        /// Who needs it; nothing is written for somebody the mesh does not know.
        by: Claimant,
        /// When.
        at: Wall,
    },
    /// Gives meshes up: anybody may claim them from here on. Those that are not ours under that epoch are
    /// left alone. Replies `Done`.
    Release(Vec<Fence>),
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
    /// Puts another key in the place of a member's own; its mailbox stays, and all that waits there. The same
    /// rotation again is the same write. Replies `Rotated` or `RotationRefused`.
    Rotate(Box<Rotation>),
    /// Records a hello: its proof, its session's mailbox, its presence. A hook that waits for that presence
    /// is applied to it. Replies `Welcome`, `Replayed` or `KeyTaken`.
    Hello(Box<Hello>),
    /// Uses up the proof of a request that is no hello. Replies `Done` or `Replayed`.
    Prove {
        /// SHA-256 of the key and the signed bytes: used once.
        proof: [u8; 32],
        /// Makes a repeated write of the same request recognisable from a replay.
        by: u64,
        /// Until when the proof is remembered.
        until: Wall,
    },
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
    /// Keeps a hook that found no presence, and forgets those that came before `stale_before`. Replies
    /// `Done`.
    KeepHook {
        /// What it says.
        hook: Box<HookRow>,
        /// Until when older ones came.
        stale_before: Wall,
    },
    /// Applies a waiting hook to a presence that was there already. Replies `Done`, or `Existing` when it is
    /// another presence's or gone.
    ApplyHook {
        /// Which hook.
        hook: HookId,
        /// To which presence.
        presence: PresenceId,
        /// When.
        at: Wall,
    },
    /// Accepts a message unless (mesh, sender, client message id) is known. Replies `Inserted`, or `Known`
    /// with what came first under that id. A message of the same position is the same write again:
    /// `Inserted`. One that asks for more is told what became of that by `Accepted` instead of `Inserted`.
    Accept(Accept),
    /// Looks for what was accepted under (mesh, sender, client message id) by everything that was written
    /// before. Changes nothing. Replies `Known` or `Free`.
    Find {
        /// Where.
        mesh: MeshNo,
        /// The sender's member mailbox.
        sender: MailboxNo,
        /// Its key of idempotency.
        client_message_id: Box<str>,
    },
    /// Ends a delivery that waits, and says how in a row of its own; to others nothing happens. Replies
    /// `Done`.
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
    /// Keeps the key that receipts are signed with, unless there is one. Replies `Signer` with the one that
    /// is kept.
    KeepSigner(Box<SignerRow>),
    /// Concerns runners. Replies `Runner`.
    Runner(RunnerOp),
    /// Concerns live topics. Replies `Live`.
    Live(LiveOp),
    /// Concerns a daemon. Replies `Daemon`.
    Daemon(DaemonOp),
    /// Removes at most `limit` messages accepted before `messages_before` that nobody waits for any more,
    /// with their settled rows, and as many ended presences and outlived proofs. The client message id of a
    /// message goes with it if it was accepted before `keys_before`; else it stays known, and what is left of
    /// its message goes by a later call, at most `limit` of them. What stands behind a younger one of the
    /// same block, or behind thousands that are still waited for or were accepted by a clock that was ahead,
    /// may be left for a later call. Replies `Pruned`.
    Prune {
        /// Messages and ended presences older than this go.
        messages_before: Wall,
        /// Client message ids older than this go, unless their messages stay.
        keys_before: Wall,
        /// Proofs whose time ended before this go.
        proofs_before: Wall,
        /// What was accepted after this was so by a clock that was ahead.
        now: Wall,
        /// At most this many rows of each kind.
        limit: u32,
    },
}

/// The reply to one operation.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// To an operation on runners.
    Runner(RunnerReply),
    /// To an operation on live topics.
    Live(LiveReply),
    /// To an operation of a daemon.
    Daemon(DaemonReply),
    /// It is so.
    Done,
    /// It was not there before.
    Inserted,
    /// The message was not there before, and asked for more than to be kept.
    Accepted(Accepted),
    /// The key that receipts are signed with.
    Signer(Box<SignerRow>),
    /// It was there before.
    Existing,
    /// The client message id was used before.
    Known(Box<Seen>),
    /// Nobody has used the client message id.
    Free,
    /// Positions `first .. first + count` are ours. `secret` is the store's own, the same for its whole life.
    Positions {
        /// The first of them.
        first: Position,
        /// How many.
        count: u64,
        /// What public message ids are keyed with.
        secret: [u8; 32],
    },
    /// The mesh is ours.
    Owned {
        /// Under this epoch.
        epoch: Epoch,
        /// The first position that nobody has leased: earlier owners gave out only lower ones.
        free: Position,
    },
    /// The mesh is a living broker's; nothing was written.
    OwnedElsewhere,
    /// No mesh has that id; nothing was written.
    NoMesh,
    /// The mesh does not know the claimant; nothing was written.
    Stranger,
    /// The invite was spent and the member made.
    Enrolled {
        /// The new mailbox.
        mailbox: MailboxNo,
    },
    /// Nothing was written.
    EnrolRefused(EnrolRefusal),
    /// The member has the key that it wanted; this is the one it had before.
    Rotated(FormerKey),
    /// Nothing was written.
    RotationRefused(RotationRefusal),
    /// The hello stands.
    Welcome {
        /// The session's mailbox, or the member's when it has no session key.
        mailbox: MailboxNo,
        /// What the newest hook says that waited for this presence.
        hooked: Option<Status>,
    },
    /// The proof was used before; nothing was written.
    Replayed,
    /// The session key is another member's, or a member's own; nothing was written.
    KeyTaken,
    /// So many rows went.
    Pruned(Pruned),
}

/// What one removal of old rows removed, of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Pruned {
    /// Messages, with their settled rows.
    pub messages: u32,
    /// Of these, those of which a tombstone is left.
    pub buried: u32,
    /// Tombstones; their keys are known no more.
    pub tombstones: u32,
    /// Ended presences.
    pub presences: u32,
    /// Outlived proofs.
    pub proofs: u32,
}

impl Pruned {
    /// The largest number removed of one kind; less than the limit means that none are left.
    pub fn most(&self) -> u32 {
        self.messages.max(self.tombstones).max(self.presences).max(self.proofs)
    }
}

/// Why an enrolment was not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EnrolRefusal {
    /// The invite has no use left.
    Exhausted,
    /// The key is in the mesh already.
    KeyTaken,
}

/// Another key for a member, proved with both keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rotation {
    /// Where.
    pub mesh: MeshNo,
    /// Whose.
    pub member: MailboxNo,
    /// The key that the member has; with `key` this is the key of idempotency.
    pub old: PublicKey,
    /// The key that it wants: one that nobody of the mesh has or had.
    pub key: PublicKey,
    /// When.
    pub at: Wall,
    /// Until when the old key still addresses the mailbox.
    pub until: Wall,
    /// The member sealed nothing with its old key at this position or above.
    pub below: Position,
    /// So many former keys of one member may address its mailbox.
    pub former_keys_max: u64,
}

/// Why a key was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RotationRefusal {
    /// The member has neither of the two keys: another rotation was first.
    Stale,
    /// Somebody of the mesh has the wanted key, or had it.
    KeyTaken,
    /// Too many former keys still address the mailbox.
    Full {
        /// When the first of them does no more.
        free_at: Wall,
    },
}

/// A hello that was verified.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
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
    /// Hooks that came before this do not count any more.
    pub hooks_since: Wall,
}

/// Whose wish it is that a mesh be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Claimant {
    /// The holder of a key that a member of the mesh has or had, removed or not.
    Member(PublicKey),
    /// Somebody with the word of this key, which must be the mesh's owner key.
    Owner(PublicKey),
    /// The broker itself, or its operator.
    Broker,
}

/// Somebody enrolling with an invite that was checked.
#[derive(Clone, Debug, PartialEq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Hash)]
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Accept {
    /// The message.
    pub message: Arc<Message>,
    /// One delivery row each; fixed here.
    pub mailboxes: Arc<[MailboxNo]>,
    /// Member mailboxes of those whom its sender mentions, ascending, each once. They are found by
    /// `Query::Mentions` for as long as the message is kept.
    pub mentions: Arc<[MailboxNo]>,
    /// The message was lost with its history, where it stood here. It is known by the id it had from there
    /// on, if that place lies below the floor of this history and nothing else has it.
    pub old: Option<Position>,
    /// It asks for a receipt: it is entered into the chain of its mesh when it is accepted, in the order of
    /// positions.
    pub receipt: Option<Box<Drafts>>,
}

/// What became of what a message asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Accepted {
    /// It is known by the id it had.
    pub renamed: bool,
    /// Where it stands in the chain.
    pub receipt: Option<Box<ReceiptRow>>,
}

/// A delivery that ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
