//! Sealing of messages with the system's chance: the core's sealing (`peermesh_core::seal`) takes its nonces.

use ed25519_dalek::SigningKey;
use peermesh_core::ids::PublicKey;
use peermesh_core::seal;

use super::PeerError;
use crate::home;

pub(crate) use peermesh_core::seal::{Sealed, open, open_by, read_plain, read_plainly};

/// Seals text so that only the recipient can read it.
pub(crate) fn seal(own: &SigningKey, to: PublicKey, text: &str) -> Result<Sealed, PeerError> {
    seal::seal(own, to, text, home::random()?).ok_or_else(|| PeerError::BadKey { key: to.hex() })
}

/// The body of a message to a group or to everyone, which hides nothing.
pub(crate) fn plain(text: &str) -> Result<Sealed, PeerError> {
    Ok(seal::plain(text, home::random()?))
}
