//! What can be asked, and what is found.

use std::sync::Arc;

use super::{
    CheckPage, CheckPlace, DaemonFound, DaemonQuery, Durability, FormerKey, HookRow, InviteRow, LiveFound,
    LiveQuery, MemberRow, MeshRow, Message, Outcome, Priority, RunnerFound, RunnerQuery, SessionRow, Target,
};
use crate::ids::{HistoryEpoch, MailboxNo, MeshId, MeshNo, Position};
use crate::time::Wall;

/// A question.
#[derive(Clone, Debug, Hash)]
pub enum Query {
    /// Concerns runners. Finds `Runner`.
    Runner(RunnerQuery),
    /// Concerns live topics. Finds `Live`.
    Live(LiveQuery),
    /// Concerns a daemon. Finds `Daemon`.
    Daemon(DaemonQuery),
    /// Answers `Found::Alive` when the store works. What is ours stays ours for a while from here on.
    Ping {
        /// A store that can tell its own end without being asked may answer this much later, in milliseconds,
        /// as long as it lives.
        hold_ms: u64,
    },
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
    /// A page of all pending deliveries of messages accepted before `before`: `Found::Overdue`. In one lane,
    /// positions grow with time; a delivery that stands behind a younger one may be left out until that one
    /// is overdue too, unless that one was accepted by a clock that was ahead.
    Overdue {
        /// Accepted before this.
        before: Wall,
        /// What was accepted after this was so by a clock that was ahead.
        now: Wall,
        /// Start after this; `None` from the beginning.
        after: Option<Cursor>,
        /// At most this many rows.
        limit: u32,
    },
    /// One message and its deliveries: `Found::Message`.
    Message(Position),
    /// A page of the messages that mention a member, in order of positions: `Found::Mentions`.
    Mentions {
        /// Whom, by the mailbox of its own key.
        member: MailboxNo,
        /// Start after this position.
        after: Position,
        /// At most this many.
        limit: u32,
    },
    /// How many deliveries are pending in the whole store: `Found::Depth`.
    Depth,
    /// A page of the check whether keys, messages and deliveries agree: `Found::Checked`.
    Check {
        /// Where it goes on.
        at: CheckPlace,
        /// At about this many rows, recipients of messages included, the page ends.
        limit: u32,
    },
    /// Hooks that wait for a presence and came at or after this time, oldest first: `Found::Hooks`.
    Hooks {
        /// Since when.
        since: Wall,
        /// At most this many.
        limit: u32,
    },
}

/// What a query found.
#[derive(Clone, Debug, PartialEq, Hash)]
pub enum Found {
    /// What was found of runners.
    Runner(RunnerFound),
    /// What was found of live topics.
    Live(LiveFound),
    /// What was found of a daemon.
    Daemon(DaemonFound),
    /// The store works.
    Alive(Alive),
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
    /// A page of mentions. Shorter than the limit means that there are no more.
    Mentions(Vec<MentionRow>),
    /// How many.
    Depth(u64),
    /// A page of the check.
    Checked(CheckPage),
    /// Hooks that wait.
    Hooks(Vec<HookRow>),
}

/// What a store that works says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Alive {
    /// How long our meshes surely stay ours without another ping, in milliseconds from the moment this one
    /// was asked; none where nobody else could take them.
    pub lease_ms: Option<u64>,
    /// What an answer that says "stored" is worth.
    pub durability: Durability,
    /// Which history it tells.
    pub history: History,
    /// The names of the migrations that were applied, oldest first.
    pub migrations: Arc<[String]>,
}

/// Which history a store tells. An operator who restores an older copy adopts it: what came after that copy
/// is lost, and another history begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct History {
    /// Its name.
    pub epoch: HistoryEpoch,
    /// When it began, by the clock of whoever made or adopted the store.
    pub since: Wall,
    /// Earlier histories gave out only positions below this. The first one has nothing below.
    pub floor: Position,
}

/// What adopting an older copy changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Adopted {
    /// The history that was lost in part.
    pub lost: HistoryEpoch,
    /// The first position that the copy had not leased.
    pub next: Position,
    /// The first one that is given out from here on.
    pub floor: Position,
}

impl Adopted {
    /// Positions that are passed over, because the lost history may have given them out: more than a broker
    /// accepts in ten years of ten thousand messages a second.
    pub const POSITIONS: u64 = 1 << 40;
    /// Numbers of meshes, mailboxes and runners that are passed over.
    pub const NUMBERS: i64 = 1 << 32;
    /// Changes of a mesh's or a runner's owner that are passed over, and lives of brokers.
    pub const EPOCHS: u64 = 1 << 20;

    /// What adopting a copy changes that had leased all positions below `next`, and whose runners have had at
    /// most this many owners. `None` when another history would not find room: for its positions in the ids
    /// of messages, or for its owners in the places of runners' events.
    pub fn after(lost: HistoryEpoch, next: u64, runner_epochs: u64) -> Option<Adopted> {
        // As many as are passed over must be left for this history.
        const LIVES: u64 = Position::END.0 - Adopted::POSITIONS;
        // Places of runners are 31 bits of epoch and 32 of number, and signed.
        const RUNNER_EPOCHS_END: u64 = 1 << 30;
        let floor = next.checked_add(Adopted::POSITIONS).filter(|floor| *floor <= LIVES)?;
        runner_epochs.checked_add(Adopted::EPOCHS).filter(|epochs| *epochs <= RUNNER_EPOCHS_END)?;
        Some(Adopted { lost, next: Position(next), floor: Position(floor) })
    }
}

/// A place in the order (mailbox, priority, position).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The mailbox.
    pub mailbox: MailboxNo,
    /// The lane.
    pub priority: Priority,
    /// The message.
    pub position: Position,
}

/// A delivery that waits, with its message.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PendingRow {
    /// How often it was pushed, as far as that was remembered.
    pub tries: u32,
    /// The message.
    pub message: Arc<Message>,
}

/// A delivery that waited too long.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OverdueRow {
    /// Where it waits.
    pub cursor: Cursor,
    /// In which mesh.
    pub mesh: MeshId,
    /// Bytes of nonce and ciphertext.
    pub bytes: u64,
}

/// A message that mentions somebody, without what was sealed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MentionRow {
    /// Its place in the store's order.
    pub position: Position,
    /// When it was accepted.
    pub at: Wall,
    /// Where.
    pub mesh: MeshNo,
    /// The sender's member mailbox.
    pub sender: MailboxNo,
    /// The sending session's mailbox; the same as `sender` when the connection had no session key.
    pub session: MailboxNo,
    /// How urgent.
    pub priority: Priority,
    /// To whom.
    pub target: Target,
}

/// A message and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MessageView {
    /// The message.
    pub message: Arc<Message>,
    /// Mailboxes it still waits for, with the number of tries as far as remembered.
    pub pending: Vec<(MailboxNo, u32)>,
    /// Deliveries that ended.
    pub settled: Vec<(MailboxNo, Wall, Outcome)>,
}

/// Everything a shard needs to decide for a mesh from memory.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct MeshLoad {
    /// The mesh itself.
    pub mesh: MeshRow,
    /// All its members, removed ones included.
    pub members: Vec<MemberRow>,
    /// Keys that its members had before: each member's in the order they were replaced.
    pub former: Vec<FormerKey>,
    /// All its sessions.
    pub sessions: Vec<SessionRow>,
    /// What waits.
    pub queued: Vec<LaneCount>,
    /// Messages that are known by the ids of lost ones, in order of their positions.
    pub renamed: Vec<Renamed>,
}

/// A message that was lost with its history and sent again: it is known by the id it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Renamed {
    /// Where it is.
    pub position: Position,
    /// Where it was: its public id is made of this.
    pub old: Position,
}

/// How much waits in one lane of one mailbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
