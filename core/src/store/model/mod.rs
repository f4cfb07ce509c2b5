//! The store as maps in memory: the executable meaning of every operation and question.
//!
//! *Always holds:* every write succeeds at once and nothing is ever lost; whoever wants delays, refusals,
//! unknown outcomes or crashes wraps this driver. A clone is a snapshot. Several brokers may share one model:
//! each acts under the number it joined with.

mod chain;
mod check;
mod daemon;
mod history;
mod live;
mod look;
mod owner;
mod people;
mod read;
mod runner;
mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

pub use look::Fate;

use super::{
    Alive, Answer, Batch, Cursor, Driver, Durability, FormerKey, Group, History, HookRow, InviteRow, Message,
    NewMesh, Outcome, PeerState, Query, Reply, Role, Seen, StoreError, StoreResult,
};
use crate::ids::{
    HistoryEpoch, InviteId, MailboxNo, MemberId, MeshId, MeshNo, Position, PresenceId, PublicKey,
};
use crate::time::Wall;

/// A store that lives as long as the value.
#[derive(Clone, Debug)]
pub struct Model {
    secret: [u8; 32],
    next: u64,
    /// Numbers of meshes, mailboxes and runners are drawn above this.
    numbers: i64,
    commits: u64,
    meshes: BTreeMap<MeshNo, NewMesh>,
    mesh_ids: BTreeMap<MeshId, MeshNo>,
    slugs: BTreeMap<String, MeshNo>,
    mailboxes: BTreeMap<MailboxNo, Mailbox>,
    keys: BTreeMap<(MeshNo, PublicKey), MailboxNo>,
    members: BTreeMap<MailboxNo, Member>,
    member_ids: BTreeMap<MemberId, MailboxNo>,
    former: BTreeMap<(MeshNo, PublicKey), FormerKey>,
    states: BTreeMap<MailboxNo, PeerState>,
    invites: BTreeMap<InviteId, InviteRow>,
    tokens: BTreeMap<[u8; 32], InviteId>,
    presences: BTreeMap<PresenceId, Presence>,
    /// In the order they came.
    hooks: Vec<Hook>,
    owners: owner::Owners,
    runners: runner::Runners,
    chains: chain::Chains,
    lives: live::Lives,
    daemon: daemon::Kept,
    alive: Alive,
    proofs: BTreeMap<[u8; 32], Proof>,
    messages: BTreeMap<Position, Kept>,
    tombstones: BTreeMap<Position, Tombstone>,
    accepted: BTreeMap<ClientKey, Position>,
    /// Messages that are known by the ids of lost ones, with where those stood.
    renamed: BTreeMap<Position, Renamed>,
    pending: BTreeMap<Cursor, u32>,
    settled: BTreeMap<(Position, MailboxNo), (Wall, Outcome)>,
    mentions: BTreeSet<(MailboxNo, Position)>,
}

/// What names a message for its sender.
type ClientKey = (MeshNo, MailboxNo, Box<str>);

#[derive(Clone, Debug)]
struct Mailbox {
    mesh: MeshNo,
    key: PublicKey,
    member: MailboxNo,
    name: Option<String>,
}

#[derive(Clone, Debug)]
struct Member {
    mesh: MeshNo,
    id: MemberId,
    name: String,
    role: Role,
    role_tag: Option<String>,
    default_groups: Vec<Group>,
    message_mode: String,
    joined_at: Wall,
    revoked_at: Option<Wall>,
}

#[derive(Clone, Copy, Debug)]
struct Proof {
    by: u64,
    until: Wall,
}

#[derive(Clone, Debug)]
struct Presence {
    mesh: MeshNo,
    ended: Option<Wall>,
}

#[derive(Clone, Debug)]
struct Hook {
    row: HookRow,
    applied_to: Option<PresenceId>,
}

#[derive(Clone, Debug)]
struct Kept {
    message: Arc<Message>,
    mailboxes: Arc<[MailboxNo]>,
    mentions: Arc<[MailboxNo]>,
}

/// Where a lost message stood, whose id another one has.
#[derive(Clone, Copy, Debug)]
struct Renamed {
    mesh: MeshNo,
    old: Position,
}

/// What is left of a message whose key is still to be known.
#[derive(Clone, Debug)]
struct Tombstone {
    key: ClientKey,
    seen: Seen,
}

impl Model {
    /// An empty store with this secret.
    pub fn new(secret: [u8; 32]) -> Model {
        Model {
            secret,
            next: 1,
            numbers: 0,
            commits: 0,
            meshes: BTreeMap::new(),
            mesh_ids: BTreeMap::new(),
            slugs: BTreeMap::new(),
            mailboxes: BTreeMap::new(),
            keys: BTreeMap::new(),
            members: BTreeMap::new(),
            member_ids: BTreeMap::new(),
            former: BTreeMap::new(),
            states: BTreeMap::new(),
            invites: BTreeMap::new(),
            tokens: BTreeMap::new(),
            presences: BTreeMap::new(),
            hooks: Vec::new(),
            owners: owner::Owners::default(),
            runners: runner::Runners::default(),
            chains: chain::Chains::default(),
            lives: live::Lives::default(),
            daemon: daemon::Kept::default(),
            alive: Alive {
                lease_ms: None,
                durability: Durability::Synced,
                history: History {
                    epoch: HistoryEpoch([1; 16]),
                    since: Wall::from_millis(0),
                    floor: Position(1),
                },
                migrations: [
                    "V0001__mesh",
                    "V0002__runner",
                    "V0006__mentions",
                    "V0007__live",
                    "V0008__receipts",
                ]
                .map(str::to_owned)
                .into(),
            },
            proofs: BTreeMap::new(),
            messages: BTreeMap::new(),
            tombstones: BTreeMap::new(),
            accepted: BTreeMap::new(),
            renamed: BTreeMap::new(),
            pending: BTreeMap::new(),
            settled: BTreeMap::new(),
            mentions: BTreeSet::new(),
        }
    }

    /// Which history it tells.
    pub fn history(&self) -> History {
        self.alive.history
    }

    /// Commits so far: calls of `write` that wrote at least one batch.
    pub fn commits(&self) -> u64 {
        self.commits
    }

    /// Messages that are kept.
    pub fn messages(&self) -> usize {
        self.messages.len()
    }

    /// Client message ids that are known though their messages are not kept any more.
    pub fn tombstones(&self) -> usize {
        self.tombstones.len()
    }

    /// Deliveries that wait.
    pub fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Deliveries that ended and are kept.
    pub fn settled(&self) -> usize {
        self.settled.len()
    }

    /// Mentions that are kept.
    pub fn mentions(&self) -> usize {
        self.mentions.len()
    }

    /// Presences that have not ended.
    pub fn open_presences(&self) -> usize {
        self.presences.values().filter(|presence| presence.ended.is_none()).count()
    }

    /// What a ping is answered from here on.
    pub fn says(&mut self, alive: Alive) {
        self.alive = alive;
    }

    /// Loses a message and nothing else, as no store may: what a check must find.
    pub fn lose(&mut self, position: Position) {
        self.messages.remove(&position);
    }

    /// Every kept message with the mailboxes it was accepted for, in order of positions.
    pub fn accepted(&self) -> impl Iterator<Item = (&Arc<Message>, &[MailboxNo])> {
        self.messages.values().map(|kept| (&kept.message, &*kept.mailboxes))
    }
}

impl Driver for Model {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        self.commits += u64::from(!batches.is_empty());
        let mut write_batch = |batch: &Arc<Batch>| {
            let lost = self.owners.lost(&batch.fences);
            if !lost.is_empty() {
                return Err(StoreError::Fenced(lost));
            }
            let mut replies: Vec<Reply> = batch.ops.iter().map(|op| self.apply(op)).collect();
            self.enter_receipts(batch, &mut replies);
            Ok(Answer::Replies(replies))
        };
        batches.iter().map(&mut write_batch).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        Ok(Answer::Found(Box::new(self.find(query))))
    }
}
