//! Hellos that are turned away: what the peer is told, and what the log says of it (mesh protocol 2.3 and 9).

use super::Cx;
use super::hello::Greeting;
use crate::fault::Fault;
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::PresenceKind;
use crate::surface::SessionId;
use crate::wire::mesh::ErrorFrame;

/// A refused hello: an `error` frame, then a close.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub code: &'static str,
    pub message: String,
    pub fault: Fault,
    pub counter: Counter,
    /// Connections there are, and how many there may be, when that is the reason.
    room: Option<(u64, u64)>,
}

/// Characters of a key in the log.
const KEY_PREFIX: usize = 12;
/// Characters of a text that nobody vouched for in the log.
const CLAIM_CHARS: usize = 64;

impl Refusal {
    pub(crate) fn new(
        code: &'static str,
        message: impl Into<String>,
        fault: Fault,
        counter: Counter,
    ) -> Refusal {
        Refusal { code, message: message.into(), fault, counter, room: None }
    }

    pub(crate) fn session_key() -> Refusal {
        Refusal::new(
            "bad_session_pubkey",
            "sessionPubkey must be 64 lowercase hex chars",
            Fault::BadSessionKey,
            Counter::RejectedSessionKey,
        )
    }

    /// A session key of the right form that is not the member's to use.
    pub(super) fn foreign_session_key() -> Refusal {
        Refusal {
            message: "sessionPubkey is another member's session or a member key".to_owned(),
            ..Refusal::session_key()
        }
    }

    /// A hello whose fields are missing or of another type.
    pub(crate) fn unreadable(kind: PresenceKind) -> Refusal {
        let (text, counter) = match kind {
            PresenceKind::ControlPlane => ("hello rejected: malformed", Counter::RejectedMalformed),
            PresenceKind::Session => ("session_hello rejected: malformed", Counter::RejectedSessionMalformed),
        };
        Refusal::new("malformed", text, Fault::Malformed, counter)
    }

    pub(super) fn capacity(existing: u64, cap: u64) -> Refusal {
        let refusal = Refusal::new(
            "capacity",
            "mesh at connection capacity",
            Fault::Capacity,
            Counter::RejectedCapacity,
        );
        Refusal { room: Some((existing, cap)), ..refusal }
    }

    pub(super) fn revoked(mesh: &str) -> Refusal {
        Refusal::new(
            "revoked",
            format!("You've been removed from \"{mesh}\". Contact the mesh owner to rejoin."),
            Fault::Banned,
            Counter::RejectedRevoked,
        )
    }

    /// By a key that its member had before, or with that key's word for a session.
    pub(super) fn former_key() -> Refusal {
        Refusal::new(
            "member_key_rotated",
            "this key was replaced: greet with the member's present key",
            Fault::KeyRotated,
            Counter::RejectedFormerKey,
        )
    }

    pub(super) fn replayed() -> Refusal {
        Refusal::new(
            "replayed",
            "this hello was used before: sign one with the current time",
            Fault::Replayed,
            Counter::RejectedReplayed,
        )
    }

    pub(super) fn no_store() -> Refusal {
        Refusal::new(
            "overloaded",
            "the store does not answer: come back later",
            Fault::Overloaded,
            Counter::RejectedStore,
        )
    }

    pub(super) fn not_owner() -> Refusal {
        Refusal::new(
            "not_owner",
            "another broker serves this mesh: come back later",
            Fault::NotOwner,
            Counter::RejectedOwner,
        )
    }

    pub(super) fn conflict() -> Refusal {
        Refusal::new(
            "session_conflict",
            "two clients keep replacing each other under this session",
            Fault::SessionConflict,
            Counter::RejectedConflict,
        )
    }

    /// How the log calls it.
    pub(crate) fn note(&self, kind: PresenceKind) -> Note {
        let by_session = kind == PresenceKind::Session;
        let either = |hello, session| if by_session { session } else { hello };
        let (level, text) = match self.counter {
            Counter::RejectedRevoked => {
                (Level::Info, either("hello rejected: revoked", "session_hello rejected: revoked parent"))
            }
            Counter::RejectedCapacity => {
                (Level::Warn, either("mesh at capacity", "mesh at capacity (session_hello)"))
            }
            Counter::RejectedAttestation
            | Counter::RejectedAttestationExpired
            | Counter::RejectedAttestationTtl
            | Counter::RejectedAttestationSignature
            | Counter::RejectedAttestationMalformed => (Level::Warn, "session_hello attestation rejected"),
            Counter::RejectedSkew
            | Counter::RejectedMalformed
            | Counter::RejectedSignature
            | Counter::RejectedSessionSkew
            | Counter::RejectedSessionMalformed
            | Counter::RejectedSessionSignature => {
                (Level::Warn, either("hello sig rejected", "session_hello sig rejected"))
            }
            _ => (Level::Warn, either("hello rejected", "session_hello rejected")),
        };
        let note = Note::new(level, text).with("reason", self.code);
        match self.room {
            Some((existing, cap)) => note.with("existing", existing).with("cap", cap),
            None => note,
        }
    }
}

/// Refuses a hello: the `error` frame, then the close.
pub(super) fn refuse(cx: &mut Cx<'_>, session: SessionId, greeting: &Greeting, refusal: &Refusal) {
    let server_time = (refusal.fault == Fault::TimestampSkew).then_some(cx.now.wall.as_millis());
    let frame =
        ErrorFrame { code: refusal.code, message: &refusal.message, id: None, request: None, server_time };
    cx.tell(session, &frame);
    cx.end(session, refusal.fault);
    cx.count(refusal.counter);
    cx.note(Level::Info, || {
        let note = refusal
            .note(greeting.kind())
            .with("mesh_id", clipped(greeting.mesh_id(), CLAIM_CHARS))
            .with("pubkey", clipped(greeting.member_key(), KEY_PREFIX));
        let session_key = greeting.session_key_as_written();
        let note = match session_key {
            Some(key) => note.with("session_pubkey", clipped(key, KEY_PREFIX)),
            None => note,
        };
        match (&refusal.fault, &greeting.peer().display_name) {
            (Fault::Banned, Some(name)) => note.with("display_name", clipped(name, CLAIM_CHARS)),
            _ => note,
        }
    });
}

fn clipped(text: &str, chars: usize) -> String {
    text.chars().take(chars).collect()
}
