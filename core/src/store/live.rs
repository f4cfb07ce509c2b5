//! What is kept of live topics: publications within bounds, the latest value of every entity, keys of
//! idempotency, and whose rights were taken back.
//!
//! *Always holds:* a topic has one owner at a time. Every operation on a topic names the epoch since which
//! it is its writer's; under another one it changes nothing and replies [`LiveReply::Lost`]. Offsets are
//! given out by the store, one after the other, so that a write that was refused leaves no gap.

use std::sync::Arc;

use crate::ids::{Epoch, TopicId, TopicNo};
use crate::time::Wall;

/// The word that a topic is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LiveFence {
    /// Which topic.
    pub topic: TopicNo,
    /// Since which change of owner.
    pub epoch: Epoch,
}

impl LiveFence {
    /// The first place of a write under this epoch: there are 2^32 for each.
    pub const fn first_place(&self) -> u64 {
        (self.epoch.0 << 32) + 1
    }
}

/// A write that concerns live topics.
#[derive(Clone, Debug, Hash)]
pub enum LiveOp {
    /// Makes a topic ours under a fresh epoch, unless it is another living broker's. One that was never heard
    /// of is made, and its positions are called `stream`. Its keys of idempotency that say that they are of a
    /// time to come, because a clock ran ahead, are of this moment from here on: they would be known for as
    /// long as it did. Replies `Owned` or `OwnedElsewhere`.
    Claim {
        /// Which.
        topic: TopicId,
        /// What its positions are called if it is made.
        stream: Box<str>,
        /// When.
        at: Wall,
    },
    /// Gives topics up. Those that are not ours under that epoch are left alone. Replies `Done`.
    Release(Vec<LiveFence>),
    /// Keeps publications at the next offsets, all of them or none. One whose place is not behind all earlier
    /// ones is a write that is run again: it stands where it stands, is `Repeated` as it was then, or was
    /// removed meanwhile, which is told as offset 0. A publication is late when its version is no newer than
    /// what is known of its entity, those before it in the same write included; else it is what is known from
    /// here on. Replies `Appended`; `Repeated` when their key of idempotency was used before: then only `fed`
    /// is kept; or `OutOfTurn`.
    Append {
        /// Whose.
        fence: LiveFence,
        /// Their place among the writes to their topic: grows, and is never used twice.
        place: u64,
        /// What, at least one, all of one moment. Whether they are late is found out here.
        rows: Arc<[LiveRow]>,
        /// Their key of idempotency.
        key: Option<Box<LiveKey>>,
        /// Their turn among rows of the feed, if they come from one.
        fed: Option<FedTurn>,
    },
    /// Removes publications up to an offset, that one included. The latest values of entities stay. Replies
    /// `Done`.
    Trim {
        /// Whose.
        fence: LiveFence,
        /// Up to which.
        through: u64,
    },
    /// Takes the rights back that a user was given until then. Replies `Done`.
    Revoke {
        /// Whose.
        user: Box<str>,
        /// Until when.
        at: Wall,
    },
    /// Removes at most `limit` each of keys, of entities that were removed, and of rows of the feed that
    /// their topics took or that are of topics which live in memory only, where they came before a time.
    /// Stands under no epoch. Replies `Pruned`.
    Prune {
        /// Keys older than this go.
        keys_before: Wall,
        /// Removed entities and rows of the feed older than this go.
        gone_before: Wall,
        /// At most this many of each kind.
        limit: u32,
        /// Patterns of topics, and whether those live in memory only that fit it first. Empty where none do.
        volatile: Box<[(Box<str>, bool)]>,
    },
}

impl LiveOp {
    /// The topic it writes to, as its writer owns it; none where it stands under no epoch.
    pub fn fence(&self) -> Option<LiveFence> {
        match self {
            LiveOp::Append { fence, .. } | LiveOp::Trim { fence, .. } => Some(*fence),
            LiveOp::Claim { .. } | LiveOp::Release(_) | LiveOp::Revoke { .. } | LiveOp::Prune { .. } => None,
        }
    }
}

/// The reply to a write that concerns live topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LiveReply {
    /// It is so.
    Done,
    /// The topic is ours.
    Owned(Box<LiveLoad>),
    /// The topic is another living broker's.
    OwnedElsewhere,
    /// They stand there, one after the other.
    Appended {
        /// The last of them at this offset.
        offset: u64,
        /// The offsets of those that are no newer than what was known of their entities.
        late: Vec<u64>,
    },
    /// The key was used before; nothing was written.
    Repeated(LiveKnown),
    /// A row of the feed before it is missing, or it stands itself; nothing was written.
    OutOfTurn {
        /// The last row of the feed that the topic took.
        fed: u64,
    },
    /// The topic is not ours under that epoch; nothing was written.
    Lost,
    /// This many rows went.
    Pruned {
        /// Of the kind of which most went.
        rows: u32,
    },
}

/// A question that concerns live topics.
#[derive(Clone, Debug, Hash)]
pub enum LiveQuery {
    /// What is kept of a topic. Finds `Topic`.
    Topic {
        /// Which.
        topic: TopicNo,
        /// Publications at most, the last ones.
        history: u32,
        /// Keys that came before this are not wanted.
        keys_since: Wall,
        /// Keys at most, the last ones.
        keys: u32,
    },
    /// Whose rights were taken back, in the order in which that was written last: at most `limit` of them
    /// behind `after`. Finds `Revoked`.
    Revoked {
        /// Those behind this one.
        after: u64,
        /// At most this many.
        limit: u32,
    },
    /// Where topics stand, as far as they are known. Finds `Places`.
    Places {
        /// Which.
        topics: Box<[TopicNo]>,
    },
    /// What other programs wrote for live topics, in order: at most `limit` rows behind `after`. Finds `Fed`.
    Feed {
        /// Of this topic; none for all of them.
        topic: Option<TopicId>,
        /// Those behind this one.
        after: u64,
        /// At most this many.
        limit: u32,
    },
}

/// What was found of live topics.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum LiveFound {
    /// What is kept of a topic.
    Topic(Box<LiveTopic>),
    /// Whose rights were taken back.
    Revoked(Vec<LiveRevoked>),
    /// Where topics stand, by their numbers.
    Places(Vec<LivePlace>),
    /// Rows of the feed.
    Fed {
        /// In order.
        rows: Vec<FedRow>,
        /// The last row there is that no unfinished write may still come before.
        top: u64,
    },
}

/// A topic that is ours.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveLoad {
    /// Its number in this store.
    pub no: TopicNo,
    /// Since when it is ours.
    pub epoch: Epoch,
    /// What its positions are called, for as long as they are kept.
    pub stream: Box<str>,
    /// The last offset that was given out.
    pub top: u64,
    /// The last row of the feed that it took.
    pub fed: u64,
}

/// Rights that were taken back.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveRevoked {
    /// Its place among all of them: behind whatever was written before.
    pub change: u64,
    /// Whose.
    pub user: Box<str>,
    /// Until when.
    pub at: Wall,
}

/// Where a topic stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LivePlace {
    /// Which.
    pub topic: TopicNo,
    /// Since when it is its owner's; another number means another owner.
    pub epoch: Epoch,
    /// The last offset that was given out.
    pub top: u64,
}

/// What is kept of a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct LiveTopic {
    /// Its last publications, in order of their offsets.
    pub history: Vec<(u64, LiveRow)>,
    /// The latest value of every entity, by key; of those that were removed, their removal.
    pub entities: Vec<(u64, LiveRow)>,
    /// Its keys of idempotency, oldest first.
    pub keys: Vec<LiveKnown>,
}

/// A publication.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct LiveRow {
    /// The entity it is about.
    pub key: Option<Box<str>>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
    /// When it came.
    pub at: Wall,
    /// It is no newer than what was known of its entity.
    pub late: bool,
    /// It removes its entity.
    pub gone: bool,
    /// What it says: JSON.
    pub text: Arc<str>,
}

/// A key of idempotency that is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LiveKey {
    /// The hash of the key.
    pub key: [u8; 32],
    /// The hash of what it stands for.
    pub fingerprint: [u8; 32],
    /// A use of the key before this does not count any more.
    pub since: Wall,
}

/// A key of idempotency that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LiveKnown {
    /// The hash of the key.
    pub key: [u8; 32],
    /// The hash of what it stood for.
    pub fingerprint: [u8; 32],
    /// What came of it: the last offset.
    pub offset: u64,
    /// When.
    pub at: Wall,
}

/// A row's turn among those that other programs wrote for a topic: it is published behind the one before it
/// and never without it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FedTurn {
    /// The row's place in the feed.
    pub row: u64,
    /// That of the row before it, which its topic took or was asked to take.
    pub after: u64,
}

impl FedTurn {
    /// True when it is this row's turn in a topic that has taken the feed up to there.
    pub const fn has_come(self, taken: u64) -> bool {
        self.after <= taken && taken < self.row
    }
}

/// Something that another program wrote for a live topic.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FedRow {
    /// Its place in the feed.
    pub id: u64,
    /// Its topic.
    pub topic: TopicId,
    /// The entity it is about.
    pub key: Option<Box<str>>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
    /// What it says: JSON.
    pub text: Arc<str>,
}
