//! What one step of a story does or demands, as values.

use std::net::IpAddr;

use peermesh_core::fault::word_of;
use peermesh_core::machine::Listener;
use peermesh_core::store::Status;

use crate::story::given::{Data, Given};
use crate::story::names::Names;
use crate::story::pattern::Pattern;

/// What one step does or demands.
#[derive(Debug)]
pub enum Act {
    /// `let NAME = DATA [signed by NAME]`
    Let(String, Data, Option<String>),
    /// `mesh NAME [with PEER [(role)], …]`
    Mesh(String, Vec<(String, String)>),
    /// `wait LENGTH`, in milliseconds
    Wait(u64),
    /// `clock jumps ±LENGTH`, in milliseconds
    ClockJumps(i64),
    /// `broker restarts|crashes|drains`
    Broker(Fate),
    /// `store …`
    Store(Mood),
    /// `rival …`, `store says …`; meshes by their names
    Share(Sharing),
    /// `feed [N times] {ROW}`: another program writes that for a live topic
    Feed(u32, String),
    /// `process publishes {ROW}`: the broker's own process does
    Within(String),
    /// `http METHOD TARGET [with …] [BODY] -> STATUS …`
    Http(Exchange),
    /// `raw DATA -> DATA`: a stream of its own, that must answer so and end
    Raw(Data, Data),
    /// `runners METHOD TARGET …`: as `http`, on the runners' port, with their secret
    Runners(Exchange),
    /// `live METHOD TARGET …`: as `http`, on the port of live topics, with the operator's token
    Live(Exchange),
    /// `token NAME for USER [lasting LENGTH] {RIGHTS}`, in milliseconds
    Token(String, String, u64, String),
    /// `target …`
    Target(TargetAct),
    /// `metric SERIES VALUE`
    Metric(String, String),
    /// `[no] log "message" [PATTERN]`
    Log(bool, String, Option<Pattern>),
    /// `PEER …`
    Peer(Peer, Deed),
}

/// What happens to the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It drains, ends and starts again.
    Restart,
    /// It ends in the middle of whatever it does, and starts again.
    Crash,
    /// It is told to drain.
    Drain,
    /// `store is copied`: it drains and ends, its store is copied, and it starts again.
    Copy,
    /// `store is restored`: it drains and ends, the copy takes the store's place and is adopted, and it
    /// starts again.
    Restore,
}

/// What the event target does, or must have seen.
#[derive(Debug)]
pub enum TargetAct {
    /// `target answers STATUS [retry_after=TEXT] [after_ms=N]|loses replies|is down|hangs LENGTH|heals`
    Behaves(Manner),
    /// `target sees [with HEADER=…] [PATTERN]`: the next event it was sent
    Sees(Option<Pattern>, Vec<(String, Given)>),
    /// `target sees nothing [for LENGTH]`, in milliseconds
    SeesNothing(u64),
}

/// How the event target behaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Manner {
    /// It answers with this.
    Answers {
        /// The status.
        status: u16,
        /// Its `Retry-After`.
        retry_after: Option<String>,
        /// After so many milliseconds.
        after_ms: u64,
    },
    /// It takes events, and its replies are lost.
    LosesReplies,
    /// Nobody is there.
    Down,
    /// It takes events and says nothing for so long.
    Hangs {
        /// In milliseconds.
        millis: u64,
    },
}

impl Default for Manner {
    fn default() -> Manner {
        Manner::Answers { status: 200, retry_after: None, after_ms: 0 }
    }
}

/// How the store behaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mood {
    /// What goes wrong.
    pub ill: Option<Ill>,
    /// How long each request takes, in milliseconds.
    pub delay_ms: u64,
}

/// What can go wrong with a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ill {
    /// Nothing is performed: unavailable.
    Unavailable,
    /// Nothing is written: no room. Questions are answered.
    Full,
    /// Nothing is performed: the data cannot be trusted.
    Corrupt,
    /// Writes are performed, but their replies are lost: outcome unknown.
    ForgetsReplies,
    /// Writes are not performed, and nobody knows: outcome unknown.
    LosesCommits,
    /// The next write is not performed, because the store is busy; all is well behind it.
    RefusesOne,
}

/// What another broker does that shares the store, and what the store says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// `rival takes MESH`: a mesh that is nobody's, or a dead broker's
    Takes(String),
    /// `rival robs MESH`: takes for granted that our broker is dead
    Robs(String),
    /// `rival takes runner ID`: as with a mesh
    TakesRunner(String),
    /// `rival robs runner ID`
    RobsRunner(String),
    /// `rival robs topic NAME`
    RobsTopic(String),
    /// `rival dies`
    Dies,
    /// `rival repeats "TEXT" as ID`: accepts a message like the last one that anybody accepted, with this
    /// text
    Repeats {
        /// The text.
        text: String,
        /// Its `client_message_id`.
        id: String,
    },
    /// `rival keeps hook STATUS PID CWD`
    Keeps {
        /// The process.
        pid: i64,
        /// Where it works.
        cwd: String,
        /// What the peer does.
        status: Status,
    },
    /// `rival applies hook N`: the Nth that it kept is for somebody of its own
    Applies {
        /// From 1.
        nth: u32,
    },
    /// `store mislays the last message`: its row is gone, and nothing else of it
    Mislays,
    /// `store mislays the last publication of TOPIC`
    MislaysPublication(String),
    /// `store says [lease_ms=N] [durability=WORD]`
    Says {
        /// How long what is ours stays ours after a ping.
        lease_ms: Option<u64>,
        /// What is stored is worth so much.
        durability: Option<String>,
    },
}

/// Who acts: a name, its session if it is one, and which of several connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// The member, or a nameless stranger.
    pub name: String,
    /// The session; without one it is the member's own connection.
    pub session: Option<String>,
    /// Tells connections of the same identity apart.
    pub number: u32,
}

/// What a peer does or sees.
#[derive(Debug)]
pub enum Deed {
    /// `dials [from ADDRESS]`: a byte stream and nothing more
    Dials(Listener, Option<IpAddr>),
    /// `opens [with HEADER=…] [-> STATUS]`: dials if need be, and asks for the upgrade
    Opens(Vec<(String, Given)>, u16),
    /// `greets` or, when the acknowledgement must follow, `connects`
    Greets(Greeting),
    /// `repeats hello of PEER`: exactly the bytes of that peer's last hello
    Repeats(Peer),
    /// `joins MESH`: enrols with an invite of its own
    Joins(String),
    /// `sends [N times] …`
    Sends(u32, Sending),
    /// `tells WHOM DATA [as ID] [with FIELD=…]`
    Tells(Telling),
    /// `sees [N times] …`
    Sees(u32, Sight),
    /// `hears DATA [PATTERN]`: a push whose ciphertext is that text
    Hears(Data, Option<Pattern>),
    /// `acks [ID]`: the message heard last, or this one
    Acks(Option<String>),
    /// `closes [CODE [REASON]]`
    Closes(u16, String),
    /// `hangs up`: ends its side of the stream
    HangsUp,
    /// `drops`: the stream is gone
    Drops,
    /// `stops reading` or `reads again`
    Reads(bool),
    /// `ignores pings` or `answers pings`
    Answers(bool),
    /// `runs as ID [with HEADER=…] [-> STATUS]`: connects as that runner
    Runs(String, Vec<(String, Given)>, u16),
    /// `PEER watches [PATH] [with HEADER=…] [-> STATUS]`
    Watches(String, Vec<(String, Given)>, u16),
    /// `PEER streams TARGET [with HEADER=…]`
    Streams(String, Vec<(String, Given)>),
    /// `posts|keeps posting TARGET [with HEADER=…] BODY`: to the runners' port; the answer is looked at later
    Posts(Posting),
    /// `gets STATUS [PATTERN]`: the answer to what was posted
    Gets(u16, Option<Pattern>),
    /// `asks TARGET|again …`: a request signed by the member
    Asks(Box<Asking>),
    /// `rotates to NAME|again …`, `begins to rotate to …`: asks for that name's key in the place of its own
    Rotates(Box<Rotating>),
}

/// A request to be signed and made.
#[derive(Debug)]
pub struct Asking {
    /// The request, and what must come back; its target is `again` for the very bytes of the last one.
    pub exchange: Exchange,
    /// Fields changed before signing.
    pub with: Changes,
    /// Fields changed after signing.
    pub then: Changes,
}

/// A request for another key.
#[derive(Debug)]
pub struct Rotating {
    /// Whose key is wanted; `again` for the very bytes of the last such request.
    pub to: String,
    /// Fields changed before signing.
    pub with: Changes,
    /// Fields changed after signing.
    pub then: Changes,
    /// What must come back; none where the answer is looked at later.
    pub wanted: Option<Exchange>,
}

/// A request to the runners' port.
#[derive(Debug)]
pub struct Posting {
    /// On the connection that the peer has, if any, which is then kept.
    pub keeps: bool,
    /// The request target.
    pub target: String,
    /// Its headers.
    pub headers: Vec<(String, Given)>,
    /// Its body.
    pub body: Body,
}

/// A hello to be made and signed.
#[derive(Debug)]
pub struct Greeting {
    /// By `hello` with a session key, as clients do that never acknowledge.
    pub legacy: bool,
    /// The acknowledgement must be the next frame.
    pub awaited: bool,
    /// Fields changed before signing.
    pub with: Changes,
    /// Fields changed after signing.
    pub then: Changes,
}

/// Fields to set (by dotted path), and fields to leave out.
#[derive(Debug, Default)]
pub struct Changes {
    /// Path and value.
    pub set: Vec<(String, Given)>,
    /// Paths.
    pub unset: Vec<String>,
}

/// What a peer sends.
#[derive(Debug)]
pub enum Sending {
    /// JSON as it stands, in one text frame.
    Json(String),
    /// One frame.
    Frame(FrameSpec, Data),
    /// Bytes of the stream.
    Bytes(Data),
}

/// A frame with whatever header the story wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FrameSpec {
    /// The opcode.
    pub op: u8,
    /// The final fragment.
    pub fin: bool,
    /// Reserved bits, as a number from 0 to 7.
    pub rsv: u8,
    /// The payload is masked.
    pub mask: bool,
    /// The length in the header, when it is not the payload's.
    pub length: Option<u64>,
}

impl FrameSpec {
    /// A plain frame of that opcode, as a client must send it.
    pub fn of(op: u8) -> FrameSpec {
        FrameSpec { op, fin: true, rsv: 0, mask: true, length: None }
    }
}

/// A message to somebody.
#[derive(Debug)]
pub struct Telling {
    /// A peer, or a target as the wire has it (`*`, `@group`, …).
    pub whom: String,
    /// The text.
    pub text: Data,
    /// `id` and `client_message_id`.
    pub id: Option<String>,
    /// Other fields.
    pub with: Changes,
}

/// What a peer must see next.
#[derive(Debug)]
pub enum Sight {
    /// A frame of this `type` (any type when empty).
    Frame(String, Option<Pattern>),
    /// A system event of this name, wherever it stands among the events.
    Event(String, Option<Pattern>),
    /// No system event of this name, for that many milliseconds.
    NoEvent(String, u64),
    /// No frame but system events, for that many milliseconds.
    Nothing(u64),
    /// A close frame.
    Close(u16, Option<Reason>),
    /// The end of the stream.
    End,
    /// A ping of the broker.
    Ping,
    /// A pong with this payload.
    Pong(Data),
    /// Bytes of the stream, before or instead of an upgrade.
    Bytes(Data),
}

/// What must stand in a close frame after the code.
#[derive(Debug)]
pub enum Reason {
    /// This text.
    Text(Data),
    /// A JSON object.
    Object(Pattern),
}

impl Reason {
    /// The word by which the table of close codes finds it, unless it follows only as the story is played.
    pub fn word(&self) -> Option<String> {
        match self {
            Reason::Text(text) => {
                let text = String::from_utf8(text.bytes(&Names::default()).ok()?).ok()?;
                Some(word_of(&text).to_owned())
            }
            Reason::Object(Pattern::Object(fields, _)) => {
                fields.iter().find_map(|(name, pattern)| match pattern {
                    Pattern::Text(word) if name == "kind" => Some(word.clone()),
                    _ => None,
                })
            }
            Reason::Object(_) => None,
        }
    }
}

/// An HTTP request and what must come back.
#[derive(Debug, Default)]
pub struct Exchange {
    /// The method.
    pub method: String,
    /// The target.
    pub target: String,
    /// Headers.
    pub headers: Vec<(String, Given)>,
    /// The body.
    pub body: Body,
    /// The status that must come back.
    pub status: u16,
    /// Headers that must come back, by lower-case name.
    pub expect_headers: Vec<(String, Given)>,
    /// The body that must come back.
    pub expect: Expected,
}

/// The body of a request.
#[derive(Debug, Default)]
pub enum Body {
    /// None.
    #[default]
    None,
    /// JSON as it stands.
    Json(String),
    /// Bytes.
    Data(Data),
}

/// The body of a response.
#[derive(Debug, Default)]
pub enum Expected {
    /// Whatever it is.
    #[default]
    Anything,
    /// JSON.
    Json(Pattern),
    /// A part of it.
    Part(Data),
}

impl Act {
    /// How long this step waits for certain, in milliseconds.
    pub fn waits_ms(&self) -> u64 {
        match self {
            Act::Wait(ms) | Act::Peer(_, Deed::Sees(_, Sight::Nothing(ms) | Sight::NoEvent(_, ms))) => *ms,
            _ => 0,
        }
    }
}

impl Peer {
    /// The name its key follows from: the session's, or the member's own.
    pub fn identity(&self) -> String {
        match &self.session {
            Some(session) => format!("{}.{session}", self.name),
            None => self.name.clone(),
        }
    }
}
