//! What came for a host, each message once for each recipient.

use crate::ids::PublicKey;
use crate::store::Priority;
use crate::time::Wall;

/// Whose message it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RecipientKind {
    /// A member's.
    Member,
    /// A session's.
    Session,
}

impl RecipientKind {
    /// The word in the store and on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            RecipientKind::Member => "member",
            RecipientKind::Session => "session",
        }
    }
}

/// One message that came.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InRow {
    /// Its place in the order of arrival; the store gives it, and it is 0 before.
    pub seq: u64,
    /// Names the row for programs of the host.
    pub id: Box<str>,
    /// The sender's key of idempotency, else the broker's id.
    pub client_message_id: Box<str>,
    /// The broker's id.
    pub broker_message_id: Option<Box<str>>,
    /// The mesh's slug.
    pub mesh: Box<str>,
    /// What it is about, where it was sent to a topic.
    pub topic: Option<Box<str>>,
    /// The broker's id of the message it answers.
    pub reply_to: Option<Box<str>>,
    /// The key it was sealed with, as text, for others' brokers may write anything.
    pub sender_pubkey: Box<str>,
    /// The key of the member that sent it.
    pub sender_member_pubkey: Option<Box<str>>,
    /// How the sender calls itself.
    pub sender_name: Box<str>,
    /// How urgent it is.
    pub priority: Priority,
    /// What it says; none when it could not be opened.
    pub body: Option<Box<str>>,
    /// It was sealed for the recipient: nobody but the owner of the sender's key wrote it.
    pub sealed: bool,
    /// When the broker accepted it, as the broker wrote it.
    pub created_at: Option<Box<str>>,
    /// When it came.
    pub received_at: Wall,
    /// When a program of the host showed it.
    pub seen_at: Option<Wall>,
    /// For whom it came.
    pub recipient: PublicKey,
    /// What that is.
    pub recipient_kind: RecipientKind,
}

impl InRow {
    /// About how much room it takes, in bytes.
    pub fn room_bytes(&self) -> u64 {
        /// What stands beside the text.
        const BESIDE_BYTES: u64 = 256;
        let body = self.body.as_deref().map_or(0, str::len);
        u64::try_from(body).unwrap_or(u64::MAX).saturating_add(BESIDE_BYTES)
    }
}

/// Whose rows somebody may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reader {
    /// Everybody's: a program without a session.
    Host,
    /// Those of one mesh, but for what came for these keys.
    AllBut {
        /// The mesh's slug.
        mesh: Box<str>,
        /// Of other sessions that live.
        keys: Vec<PublicKey>,
    },
}

/// Which rows are meant, of those that the reader may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Sifting {
    /// Whose.
    pub reader: Reader,
    /// Of this mesh.
    pub mesh: Option<Box<str>>,
    /// Of this topic.
    pub topic: Option<Box<str>>,
    /// Of this sender, by its key or its member's.
    pub from: Option<Box<str>>,
    /// Received at this time or later.
    pub since: Option<Wall>,
    /// Received before this.
    pub before: Option<Wall>,
    /// Not shown yet.
    pub unread: bool,
}

impl Sifting {
    /// All that the reader may see.
    pub fn all(reader: Reader) -> Sifting {
        Sifting { reader, mesh: None, topic: None, from: None, since: None, before: None, unread: false }
    }
}

/// A write that concerns the inbox.
#[derive(Clone, Debug, Hash)]
pub enum InboxOp {
    /// Keeps a message unless it came before: same mesh, recipient, sender and key. Replies `Inserted`, also
    /// when the same row is written again, or `Existing`.
    Receive(Box<InRow>),
    /// Marks rows as shown; those that are marked keep their time. Replies `Changed`.
    See {
        /// Who shows them.
        reader: Reader,
        /// Which.
        ids: Vec<Box<str>>,
        /// When.
        at: Wall,
    },
    /// Removes rows. Replies `Changed`.
    Remove {
        /// Which.
        sifting: Sifting,
        /// Only these; none for all of them.
        ids: Option<Vec<Box<str>>>,
    },
}

/// A question about the inbox.
#[derive(Clone, Debug, Hash)]
pub enum InboxQuery {
    /// The newest rows: finds `In`.
    List {
        /// Which.
        sifting: Sifting,
        /// At most so many.
        limit: u32,
    },
    /// How much room all rows take: finds `Room`.
    Room,
}
