//! What programs of a host want sent, until a broker has it; and the record of it afterwards.

use crate::ids::PublicKey;
use crate::store::Priority;
use crate::time::Wall;

/// Where a row is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OutStatus {
    /// It waits.
    Pending,
    /// It was given to a broker that has not answered.
    Inflight,
    /// A broker has it.
    Done,
    /// It was given up.
    Dead,
    /// An operator put another row in its place.
    Aborted,
}

impl OutStatus {
    /// All of them.
    pub const ALL: [OutStatus; 5] =
        [OutStatus::Pending, OutStatus::Inflight, OutStatus::Done, OutStatus::Dead, OutStatus::Aborted];

    /// The word in the store and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            OutStatus::Pending => "pending",
            OutStatus::Inflight => "inflight",
            OutStatus::Done => "done",
            OutStatus::Dead => "dead",
            OutStatus::Aborted => "aborted",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<OutStatus> {
        OutStatus::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// A line of rows that are sent one after the other: those of one identity in one mesh.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LaneName {
    /// The mesh's slug.
    pub mesh: Box<str>,
    /// The session that sends; none for the member itself.
    pub session: Option<PublicKey>,
}

/// One message on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct OutRow {
    /// Its place in the one order of the outbox; the store gives it, and it is 0 before.
    pub seq: u64,
    /// Names the row for operators.
    pub id: Box<str>,
    /// The key of idempotency, towards the broker too.
    pub client_message_id: Box<str>,
    /// What was asked for, by which a repetition is told from another request.
    pub fingerprint: [u8; 32],
    /// Who sends it where.
    pub lane: LaneName,
    /// To whom, as the broker takes it.
    pub target: Box<str>,
    /// How urgent it is.
    pub priority: Priority,
    /// As it was sealed.
    pub nonce: Box<str>,
    /// As it was sealed; empty once a broker has it or an operator put another row in its place, for nobody
    /// sends it again then.
    pub ciphertext: Box<str>,
    /// The broker's id of the message it answers.
    pub reply_to: Option<Box<str>>,
    /// Length of the text before it was sealed, in bytes.
    pub payload_bytes: u64,
    /// When it was accepted.
    pub enqueued_at: Wall,
    /// Not before this is it tried again.
    pub next_attempt_at: Wall,
    /// How often it was given to a broker.
    pub attempts: u32,
    /// How often a broker refused it without a word whether that passes.
    pub refusals: u32,
    /// Where it is on its way.
    pub status: OutStatus,
    /// What went wrong last.
    pub last_error: Option<Box<str>>,
    /// When a broker took it.
    pub delivered_at: Option<Wall>,
    /// The broker's id of it.
    pub broker_message_id: Option<Box<str>>,
    /// Whom it reached there, where the broker said so.
    pub reach: Option<Reach>,
    /// When it was put aside.
    pub aborted_at: Option<Wall>,
    /// By whom.
    pub aborted_by: Option<Box<str>>,
    /// The row in its place.
    pub superseded_by: Option<Box<str>>,
}

/// Whom a message reached at the moment in which its broker took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reach {
    /// Mailboxes it was put into.
    pub recipients: u32,
    /// How many of them had a connection that takes their mail.
    pub online: u32,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// A broker has it.
    Done {
        /// When it said so.
        at: Wall,
        /// Its id of the message.
        broker_message_id: Box<str>,
        /// Whom it reached, where it said so.
        reach: Option<Reach>,
    },
    /// It is tried again.
    Again {
        /// Not before this.
        next_attempt_at: Wall,
        /// Why.
        error: Box<str>,
        /// How often a broker refused it without a word whether that passes.
        refusals: u32,
    },
    /// It is given up.
    Dead {
        /// Why.
        error: Box<str>,
    },
}

/// How an operator puts a row in line again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Requeue {
    /// Which row.
    pub id: Box<str>,
    /// The row in its place.
    pub new_id: Box<str>,
    /// Its key of idempotency.
    pub new_client_message_id: Box<str>,
    /// When.
    pub at: Wall,
    /// Who wants it.
    pub by: Box<str>,
}

/// Which rows are remembered no more. What waits is none of them, and what an operator put aside neither: its
/// key stays used for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Forgetting {
    /// Those that are done or dead and were accepted before this.
    pub before: Wall,
    /// At most so many rows at once.
    pub limit: u32,
}

/// Why a row is not put in line again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequeueRefusal {
    /// There is no such row.
    Unknown,
    /// It is done, aborted, or on its way to a broker at this moment.
    Status(OutStatus),
    /// The key was used before.
    KeyUsed,
}

/// A session of a program, for a daemon that starts again.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct KeptSession {
    /// The hash of its token.
    pub token: [u8; 32],
    /// What it is, as the daemon writes it: its secret is sealed in there.
    pub about: Box<str>,
}

/// A write that concerns the outbox.
#[derive(Clone, Debug, Hash)]
pub enum OutboxOp {
    /// Accepts a row unless its key was used. Replies `Inserted`, also when the same row is written again, or
    /// `Known`.
    Enqueue(Box<OutRow>),
    /// Marks a pending row as given to a broker, for the so-manieth time. Replies `Done`, also when that is
    /// so already, or `Passed`.
    Take {
        /// Which.
        id: Box<str>,
        /// Attempts including this one.
        attempts: u32,
    },
    /// Ends that attempt. A row that is not in flight for that attempt is left alone. A row that a broker has
    /// loses its body. Replies `Done`.
    Settle {
        /// Which.
        id: Box<str>,
        /// Which attempt.
        attempts: u32,
        /// What became of it.
        outcome: Attempt,
    },
    /// Makes rows pending again that are in flight, but for those that somebody waits for. Replies `Changed`.
    Reclaim {
        /// They may be tried from then on.
        next_attempt_at: Wall,
        /// Whose answers are awaited.
        but: Vec<Box<str>>,
    },
    /// Gives up what waits in a mesh and was accepted before. Replies `Changed`.
    Bury {
        /// The mesh's slug.
        mesh: Box<str>,
        /// Accepted before this; what waits without end is buried whole.
        before: Option<Wall>,
        /// Why.
        error: Box<str>,
    },
    /// Gives up what waits in a lane and was accepted before. Replies `Changed`.
    BuryLane {
        /// Which.
        lane: LaneName,
        /// Accepted before this.
        before: Wall,
        /// Why.
        error: Box<str>,
    },
    /// Forgets rows that came to their end, the oldest of them first. Replies `Changed`.
    Forget(Forgetting),
    /// Puts a row in line again, in place of the old one, with its routing. Replies `Requeued`, also when
    /// that was done already, or `NotRequeued`.
    Requeue(Requeue),
    /// Remembers a session, in place of what was known under its token. Replies `Done`.
    KeepSession(KeptSession),
    /// Forgets sessions. Replies `Done`.
    DropSessions(Vec<[u8; 32]>),
}

/// A question about the outbox.
#[derive(Clone, Debug, Hash)]
pub enum OutboxQuery {
    /// The row of a key: finds `Out`, of one row at most.
    Key(Box<str>),
    /// The row of an id: finds `Out`, of one row at most.
    Row(Box<str>),
    /// What is pending in a lane, in order: finds `Out`.
    Lane {
        /// Which.
        lane: LaneName,
        /// After this place.
        after: u64,
        /// At most so many.
        limit: u32,
    },
    /// Lanes in which something is pending or in flight: finds `Lanes`.
    Lanes,
    /// The newest rows: finds `Out`.
    List {
        /// In this state; none for all.
        status: Option<OutStatus>,
        /// At most so many.
        limit: u32,
    },
    /// How much is pending or in flight: finds `Load`.
    Load,
    /// All sessions that are remembered, in order of their tokens: finds `Sessions`.
    Sessions,
}

/// How much waits in the outbox.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct OutboxLoad {
    /// Rows.
    pub rows: u64,
    /// Length of their sealed bodies, in bytes.
    pub bytes: u64,
}
