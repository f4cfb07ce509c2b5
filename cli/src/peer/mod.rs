//! What a peer does in a mesh: join it, see who is there, send, receive, ask, say how it is.

mod enquiry;
pub(crate) mod handover;
pub(crate) mod inbox;
pub(crate) mod invite;
pub(crate) mod join;
pub(crate) mod letter;
pub(crate) mod link;
pub(crate) mod mailbox;
pub(crate) mod mentions;
pub(crate) mod peers;
pub(crate) mod profile;
mod receipt;
pub(crate) mod rotate;
mod seal;
pub(crate) mod send;
mod session;
pub(crate) mod status;
mod target;
pub(crate) mod via;
pub(crate) mod waits;
pub(crate) mod why;

use std::path::PathBuf;

use peermesh_core::fingerprint::FingerprintError;

use crate::address::AddressError;
use crate::daemon::DaemonError;
use crate::failure::Exit;
use crate::home::HomeError;
use crate::http::HttpError;

pub(crate) use link::LinkError;

/// Why a peer's command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PeerError {
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Address(#[from] AddressError),
    #[error(transparent)]
    Link(#[from] LinkError),
    #[error("there is no profile in {dir}; join a mesh first: peermesh join INVITE")]
    NoProfile { dir: PathBuf },
    #[error("there are several profiles ({names}); choose one with --as NAME")]
    WhichProfile { names: String },
    #[error("there is no profile {name}; there is: {names}")]
    UnknownProfile { name: String, names: String },
    #[error("{name} never finished joining; run the same peermesh join again")]
    Unfinished { name: String },
    #[error("{name} cannot name a profile; use up to 64 of a-z 0-9 . _ - and no dot in front")]
    BadProfileName { name: String },
    #[error("{path} is damaged: {what}; restore it, or remove it and join under another name")]
    DamagedProfile { path: PathBuf, what: String },
    #[error("profile {name} belongs to mesh {mesh} already; choose another name with --as")]
    ProfileTaken { name: String, mesh: String },
    #[error("{key} is no key that can be written to; check it with: peermesh peers")]
    BadKey { key: String },
    #[error("this is no invite ({what}); copy the whole link that peermesh invite printed")]
    BadInvite { what: &'static str },
    #[error("the broker did not accept the invite: {error}; ask for another one")]
    JoinRefused { error: String },
    #[error("the broker could not enrol us: {error}; run the same peermesh join again")]
    JoinFailed { error: String },
    #[error("nobody here is called {name}; there is: {known}")]
    UnknownPeer { name: String, known: String },
    #[error("several peers are called {name}; send to one of the keys {keys}")]
    AmbiguousPeer { name: String, keys: String },
    #[error("{target} is no name, key, @group or *; topics are not supported by this version")]
    BadTarget { target: String },
    #[error(transparent)]
    Fingerprint(#[from] FingerprintError),
    #[error("the broker refused the message for good: {text}")]
    SendRefused { text: String },
    #[error("the message is not accepted yet: {text}; send it again with --id {id}")]
    SendRetry { text: String, id: String },
    #[error(
        "the message {message_id} is accepted but not delivered yet; the broker keeps it and goes on trying"
    )]
    NotDelivered { message_id: String },
    #[error("the message {message_id} is accepted, but there is no receipt of it: {why}")]
    NoReceipt { message_id: String, why: String },
    #[error("nothing was sent: receipts cannot be kept in {}: {source}; choose another file", path.display())]
    NoShelf { path: PathBuf, source: std::io::Error },
    #[error(
        "the message {message_id} is accepted, but its receipt cannot be kept: {source}; the same send with \
         the same --id gets it again"
    )]
    ReceiptLost { message_id: String, source: std::io::Error },
    #[error("{id} is no message id; use the 8 to 32 letters and digits that peermesh send printed")]
    BadMessageId { id: String },
    #[error("no message of yours has this id, or it was removed by age; check the id and --as")]
    NoMessage,
    #[error("{text} does not name one member; mention a name or a key: peermesh peers")]
    BadMention { text: String },
    #[error("the broker does not know us: {text}; check --as and --broker")]
    NotAMember { text: String },
    #[error("our clock and the broker's are too far apart; set the clock of this machine")]
    WrongClock,
    #[error("another command asked the same in the same moment; try again")]
    AskedBefore,
    #[error("the broker cannot use what was asked: {text}")]
    BadQuestion { text: String },
    #[error("the broker has no answer yet: {text}; try again")]
    NoAnswer { text: String },
    #[error("the broker answered {status} and knows no such question; it must be a newer peermesh")]
    NoAnswers { status: u16 },
    #[error("{name} has no session to give a status to; start one with: peermesh inbox --follow --as {name}")]
    NoPresence { name: String },
    #[error("{error}")]
    NoDaemon { error: DaemonError },
    #[error(
        "the daemon does not serve {name}; if it was joined since the daemon started: peermesh daemon reload"
    )]
    NotServed { name: String },
    #[error("the daemon refused ({status}): {said}")]
    DaemonRefused { status: u16, said: String },
    #[error("the message is too long: {detail}")]
    TooLong { detail: String },
    #[error("{detail}; see: peermesh peers")]
    Unroutable { detail: String },
    #[error("{what} is for the broker and not for the daemon; leave out --via daemon")]
    NeedsBroker { what: &'static str },
    #[error("the daemon has the message and goes on trying; wait on with the same send and --id {id}")]
    NotAccepted { id: String },
    #[error("the key {id} was used for another message; send this one under another --id, or none")]
    KeyUsed { id: String },
    #[error(
        "the session of this program has ended; start another, or unset PEERMESH_SESSION_TOKEN_FILE and \
         CLAUDEMESH_IPC_TOKEN_FILE"
    )]
    SessionOver,
    #[error(
        "the session of this program belongs to {mesh}, and not to {name}; choose the profile of {mesh} with \
         --as, or pass --via broker to go as the member"
    )]
    SessionElsewhere { mesh: String, name: String },
    #[error(
        "{error}; this program belongs to a session ({variable}), which only the daemon speaks for: to go as \
         the member, pass --via broker"
    )]
    SessionNeedsDaemon { variable: &'static str, error: DaemonError },
    #[error(
        "{what} is for the broker, which does not know the session of this program ({variable}); to go as \
         the member, pass --via broker"
    )]
    NotAsSession { what: &'static str, variable: &'static str },
    #[error("{} holds no token of a session (64 hex digits)", path.display())]
    BadSessionFile { path: PathBuf },
    #[error(
        "key_rotation_aborted_archive_write_failed: the key of {name} cannot be kept for what was sealed to \
         it: {source}; nothing was changed"
    )]
    NoArchive { name: String, source: HomeError },
    #[error("another command changes the profile {name}; wait until it has ended")]
    Busy { name: String },
    #[error(
        "{name} has another key by now, and this host does not know it; if you did not replace it elsewhere, \
         somebody has your key: have the mesh's owner remove the member, and join again under another name"
    )]
    KeyReplaced { name: String },
    #[error("the key that was made is another member's; run the same command again: it makes another one")]
    KeyTaken,
    #[error("too many former keys of {name} still reach it; one more can be replaced after {after}")]
    TooManyKeys { name: String, after: String },
    #[error(
        "whether the broker has the new key is not known ({why}); run peermesh rotate-key --as {name} again: \
         it goes on where this one ended"
    )]
    RotationUnknown { name: String, why: String },
    #[error("another inbox of {name} took over; only one can follow at a time")]
    Replaced { name: String },
}

impl PeerError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            PeerError::Home(error) => error.exit(),
            PeerError::Http(error) => error.exit(),
            PeerError::Link(error) => error.exit(),
            PeerError::Address(_)
            | PeerError::WhichProfile { .. }
            | PeerError::BadProfileName { .. }
            | PeerError::BadMessageId { .. }
            | PeerError::NeedsBroker { .. }
            | PeerError::NotAsSession { .. }
            | PeerError::BadSessionFile { .. }
            | PeerError::BadQuestion { .. } => Exit::Usage,
            PeerError::NoProfile { .. }
            | PeerError::UnknownProfile { .. }
            | PeerError::Unfinished { .. }
            | PeerError::ProfileTaken { .. }
            | PeerError::BadKey { .. }
            | PeerError::BadInvite { .. }
            | PeerError::JoinRefused { .. }
            | PeerError::UnknownPeer { .. }
            | PeerError::AmbiguousPeer { .. }
            | PeerError::BadTarget { .. }
            | PeerError::BadMention { .. }
            | PeerError::NoMessage
            | PeerError::NotAMember { .. }
            | PeerError::SendRefused { .. }
            | PeerError::NoReceipt { .. }
            | PeerError::NoPresence { .. }
            | PeerError::NotServed { .. }
            | PeerError::KeyUsed { .. }
            | PeerError::TooLong { .. }
            | PeerError::Unroutable { .. }
            | PeerError::SessionOver
            | PeerError::KeyReplaced { .. }
            | PeerError::TooManyKeys { .. }
            | PeerError::SessionElsewhere { .. }
            | PeerError::Replaced { .. } => Exit::Refused,
            PeerError::JoinFailed { .. }
            | PeerError::SendRetry { .. }
            | PeerError::AskedBefore
            | PeerError::RotationUnknown { .. }
            | PeerError::NoAnswer { .. } => Exit::Unreachable,
            PeerError::NotDelivered { .. } | PeerError::NotAccepted { .. } => Exit::Timeout,
            PeerError::NoDaemon { error: DaemonError::Nonsense { .. } } => Exit::Failed,
            PeerError::NoDaemon { .. } | PeerError::SessionNeedsDaemon { .. } => Exit::Unreachable,
            PeerError::DaemonRefused { status, .. } => match status {
                429 | 502 | 503 | 507 => Exit::Unreachable,
                504 => Exit::Timeout,
                _ => Exit::Refused,
            },
            PeerError::DamagedProfile { .. }
            | PeerError::Fingerprint(_)
            | PeerError::ReceiptLost { .. }
            | PeerError::NoArchive { .. }
            | PeerError::Busy { .. }
            | PeerError::KeyTaken
            | PeerError::NoShelf { .. }
            | PeerError::WrongClock
            | PeerError::NoAnswers { .. } => Exit::Failed,
        }
    }
}
