//! What is kept for runners: events on their way out, commands that wait, keys of idempotency.
//!
//! *Always holds:* a runner has one owner at a time. Every operation on a runner names the epoch since
//! which it is its writer's; under another one it changes nothing and replies [`RunnerReply::Lost`]. Each
//! is idempotent by the key its fields name.

use std::borrow::Cow;
use std::sync::Arc;

use crate::ids::{Epoch, RunnerId, RunnerNo, RunnerSeq};
use crate::time::Wall;

/// The word that a runner is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunnerFence {
    /// Which runner.
    pub runner: RunnerNo,
    /// Since which change of owner.
    pub epoch: Epoch,
}

/// A write that concerns runners.
#[derive(Clone, Debug, Hash)]
pub enum RunnerOp {
    /// Makes a runner ours under a fresh epoch, unless it is another living broker's. One that was never
    /// heard of is made. Replies `Owned` or `OwnedElsewhere`.
    Claim {
        /// Which.
        runner: RunnerId,
    },
    /// Gives runners up. Those that are not ours under that epoch are left alone. Replies `Done`.
    Release(Vec<RunnerFence>),
    /// Keeps an event until it is taken or dead. Replies `Inserted`, also when the same place is written
    /// again, which brings nothing back that was taken meanwhile; or `Known` when the runner has sent that id
    /// before.
    Accept {
        /// Whose.
        fence: RunnerFence,
        /// What.
        event: Arc<EventRow>,
    },
    /// Remembers how an event fared. Replies `Done`.
    Tried {
        /// Whose.
        fence: RunnerFence,
        /// Which.
        seq: RunnerSeq,
        /// How.
        tries: EventTries,
    },
    /// The target took an event: only its id is kept. Replies `Done`.
    Taken {
        /// Whose.
        fence: RunnerFence,
        /// Which.
        seq: RunnerSeq,
    },
    /// Moves an event to the dead. Replies `Done`.
    Bury {
        /// Whose.
        fence: RunnerFence,
        /// Which.
        seq: RunnerSeq,
        /// When.
        at: Wall,
        /// Why.
        why: DeadReason,
        /// What the target answered last.
        status: Option<u16>,
    },
    /// Moves a dead event to the end of its runner's events, as if it came then and was never tried. Replies
    /// `Requeued`, or `Missing` when it is not dead.
    Requeue {
        /// Whose.
        fence: RunnerFence,
        /// Which.
        seq: RunnerSeq,
        /// Where to.
        to: RunnerSeq,
        /// When.
        at: Wall,
    },
    /// Begins a command under a key of idempotency. Replies `Inserted`, or `Begun` when the key was used.
    Begin {
        /// Whose.
        fence: RunnerFence,
        /// The key and what it stands for.
        key: Box<KeyRow>,
    },
    /// Remembers the answer to the command of a key. Replies `Done`.
    Answered {
        /// Whose.
        fence: RunnerFence,
        /// Which key.
        key: [u8; 32],
        /// What its caller is told from here on.
        answer: KeptAnswer,
    },
    /// Forgets a key whose command was not handed over. Replies `Done`.
    Forget {
        /// Whose.
        fence: RunnerFence,
        /// Which key.
        key: [u8; 32],
    },
    /// Keeps a command for a runner that is away. Replies `Inserted`.
    Queue {
        /// Whose.
        fence: RunnerFence,
        /// What.
        command: Arc<CommandRow>,
    },
    /// A queued command was handed over or has expired. Replies `Done`.
    Unqueue {
        /// Whose.
        fence: RunnerFence,
        /// Which.
        seq: RunnerSeq,
    },
    /// Removes at most `limit` each of event ids, keys and dead events that came before `before`. Stands
    /// under no epoch. Replies `Pruned`.
    Prune {
        /// What is older goes.
        before: Wall,
        /// At most this many of each kind.
        limit: u32,
    },
}

impl RunnerOp {
    /// The runner it writes to, as its writer owns it; none where it stands under no epoch.
    pub fn fence(&self) -> Option<RunnerFence> {
        match self {
            RunnerOp::Accept { fence, .. }
            | RunnerOp::Tried { fence, .. }
            | RunnerOp::Taken { fence, .. }
            | RunnerOp::Bury { fence, .. }
            | RunnerOp::Requeue { fence, .. }
            | RunnerOp::Begin { fence, .. }
            | RunnerOp::Answered { fence, .. }
            | RunnerOp::Forget { fence, .. }
            | RunnerOp::Queue { fence, .. }
            | RunnerOp::Unqueue { fence, .. } => Some(*fence),
            RunnerOp::Claim { .. } | RunnerOp::Release(_) | RunnerOp::Prune { .. } => None,
        }
    }
}

/// The reply to a write that concerns runners.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RunnerReply {
    /// It is so.
    Done,
    /// It was not there before.
    Inserted,
    /// The runner has sent that event before.
    Known,
    /// There is no such thing.
    Missing,
    /// The event waits again.
    Requeued(Box<EventRow>),
    /// The runner is ours.
    Owned(Box<RunnerLoad>),
    /// The runner is another living broker's.
    OwnedElsewhere,
    /// The runner is not ours under that epoch; nothing was written.
    Lost,
    /// The key was used before, for this.
    Begun(Box<KeyRow>),
    /// This many rows went.
    Pruned {
        /// Of the kind of which most went.
        rows: u32,
    },
}

/// A question that concerns runners.
#[derive(Clone, Debug, Hash)]
pub enum RunnerQuery {
    /// Events that wait, in order: at most `limit`, and none beyond the first that goes over `bytes_max`.
    /// Finds `Events`.
    Events {
        /// Whose.
        runner: RunnerId,
        /// Those behind this one.
        after: RunnerSeq,
        /// How many at most.
        limit: u32,
        /// How long they may be together, in bytes.
        bytes_max: u64,
    },
    /// Commands that wait, in order. Bounds as for `Events`. Finds `Commands`.
    Commands {
        /// Whose.
        runner: RunnerNo,
        /// Those behind this one.
        after: RunnerSeq,
        /// How many at most.
        limit: u32,
        /// How long they may be together, in bytes.
        bytes_max: u64,
    },
    /// Commands whose time was over before `before`, in order, without their texts. Finds `Commands`.
    Expired {
        /// Whose.
        runner: RunnerNo,
        /// Those behind this one.
        after: RunnerSeq,
        /// Whose time was over then.
        before: Wall,
        /// How many at most.
        limit: u32,
    },
    /// Runners for which something waits, by number. Finds `Waiting`.
    Waiting {
        /// Those behind this one.
        after: RunnerNo,
        /// How many at most.
        limit: u32,
    },
    /// Every runner ever heard of, by number. Finds `Runners`.
    Runners {
        /// Those behind this one.
        after: RunnerNo,
        /// How many at most.
        limit: u32,
    },
    /// Dead events of one runner, oldest place first. Finds `Dead`.
    Dead {
        /// Whose.
        runner: RunnerId,
        /// Those behind this one.
        after: RunnerSeq,
        /// How many at most.
        limit: u32,
    },
    /// How much there is in the whole store. Finds `Depth`.
    Depth,
}

/// What was found of runners.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum RunnerFound {
    /// Events that wait.
    Events(Vec<EventRow>),
    /// Commands that wait.
    Commands(Vec<CommandRow>),
    /// Runners for which something waits.
    Waiting(Vec<(RunnerNo, RunnerId)>),
    /// Runners.
    Runners(Vec<RunnerRow>),
    /// Dead events.
    Dead(Vec<DeadRow>),
    /// How much there is.
    Depth(RunnerDepth),
}

/// A runner that is ours, and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunnerLoad {
    /// Its number in this store.
    pub no: RunnerNo,
    /// Since when it is ours. Grows with every claim, so that places made of it are never used twice.
    pub epoch: Epoch,
    /// Events that wait.
    pub events: u64,
    /// Their length, in bytes.
    pub event_bytes: u64,
    /// Commands that wait.
    pub commands: u64,
}

/// An event on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EventRow {
    /// Its place among the events of its runner.
    pub seq: RunnerSeq,
    /// What its runner calls it.
    pub id: Option<Box<str>>,
    /// Its type.
    pub kind: Box<str>,
    /// When it came.
    pub at: Wall,
    /// How it fared.
    pub tries: EventTries,
    /// The event, as it came.
    pub text: Arc<str>,
}

impl EventRow {
    /// What it is known by once it was accepted, so that it is not accepted again though it was taken
    /// meanwhile: what its runner calls it, else its place, written as nobody begins a name.
    pub fn known_as(&self) -> Cow<'_, str> {
        match &self.id {
            Some(id) => Cow::Borrowed(id),
            None => Cow::Owned(format!("\u{1}seq:{}", self.seq.0)),
        }
    }
}

/// How an event fared so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct EventTries {
    /// Times it was sent.
    pub sent: u32,
    /// Times it was answered with 5xx.
    pub failed: u32,
    /// When it was for the first time.
    pub failed_since: Option<Wall>,
}

/// Why an event is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DeadReason {
    /// The target refuses it for good.
    Refused,
    /// The target fails on it again and again, and takes others.
    Poison,
    /// It was too old.
    TooOld,
}

impl DeadReason {
    /// All of them.
    pub const ALL: [DeadReason; 3] = [DeadReason::Refused, DeadReason::Poison, DeadReason::TooOld];

    /// The word in rows, logs and lists.
    pub const fn word(self) -> &'static str {
        match self {
            DeadReason::Refused => "refused",
            DeadReason::Poison => "poison",
            DeadReason::TooOld => "too_old",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<DeadReason> {
        DeadReason::ALL.into_iter().find(|reason| reason.word() == word)
    }
}

/// An event that is not sent any more.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeadRow {
    /// The event.
    pub event: EventRow,
    /// When it died.
    pub died: Wall,
    /// Of what.
    pub why: DeadReason,
    /// What the target answered last.
    pub status: Option<u16>,
}

/// A command that waits for its runner.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommandRow {
    /// Its place among the commands of its runner.
    pub seq: RunnerSeq,
    /// Its id.
    pub id: Box<str>,
    /// From when on it is not handed over any more.
    pub expires: Wall,
    /// The command, as it is sent.
    pub text: Arc<str>,
}

/// A key of idempotency.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeyRow {
    /// The hash of the key.
    pub key: [u8; 32],
    /// The hash of the request.
    pub fingerprint: [u8; 32],
    /// The id of its command.
    pub command: Box<str>,
    /// When it came.
    pub at: Wall,
    /// What its caller was told; none while nobody knows, or if the broker died meanwhile.
    pub answer: Option<KeptAnswer>,
}

/// An answer that is given again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptAnswer {
    /// Its status.
    pub status: u16,
    /// Its body: JSON.
    pub body: Box<str>,
}

/// A runner and what waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RunnerRow {
    /// Its number.
    pub no: RunnerNo,
    /// Its id.
    pub id: RunnerId,
    /// Events that wait.
    pub events: u64,
    /// Commands that wait.
    pub commands: u64,
    /// Dead events.
    pub dead: u64,
}

/// How much there is in the whole store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RunnerDepth {
    /// Events that wait.
    pub events: u64,
    /// Commands that wait.
    pub commands: u64,
    /// Dead events.
    pub dead: u64,
}
