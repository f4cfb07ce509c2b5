//! Sealing of direct messages: NaCl box between the X25519 forms of two Ed25519 keys (mesh protocol, section
//! 3.2).
//!
//! Text to a group or to everyone is not sealed: it is plain base64, which the broker can read.

use crypto_box::aead::Aead;
use crypto_box::{Nonce, PublicKey as BoxKey, SalsaBox, SecretKey as BoxSecret};
use data_encoding::BASE64;
use ed25519_dalek::{SigningKey, VerifyingKey};

use crate::config::Secret;
use crate::ids::PublicKey;

/// Length of a nonce, in bytes.
pub const NONCE_BYTES: usize = 24;

/// A body as the wire carries it: both parts in base64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// Drawn for this body alone.
    pub nonce: String,
    /// What only the recipient can read; or what everybody can.
    pub ciphertext: String,
}

/// Why a body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The sender's key is none.
    #[error("its sender's key is no key")]
    Key,
    /// A part is not base64, or a nonce of another length.
    #[error("it is not base64")]
    Base64,
    /// The seal does not open.
    #[error("it was not sealed for this profile by that sender, or it was altered")]
    Seal,
    /// It opened, and is not UTF-8.
    #[error("it is not text")]
    Text,
}

/// Seals text so that only the recipient can read it; `None` when its key is none that can be written to. No
/// nonce may be used for two bodies.
pub fn seal(own: &SigningKey, to: PublicKey, text: &str, nonce: [u8; NONCE_BYTES]) -> Option<Sealed> {
    let ciphertext = pair(own, to)?.encrypt(&Nonce::from(nonce), text.as_bytes()).ok()?;
    Some(Sealed { nonce: BASE64.encode(&nonce), ciphertext: BASE64.encode(&ciphertext) })
}

/// Opens what `from` sealed for us.
///
/// # Errors
/// [`OpenError`] when it was not sealed so.
pub fn open(own: &SigningKey, from: PublicKey, body: &Sealed) -> Result<String, OpenError> {
    open_between(&pair(own, from).ok_or(OpenError::Key)?, body)
}

fn open_between(between: &SalsaBox, body: &Sealed) -> Result<String, OpenError> {
    let nonce = BASE64.decode(body.nonce.as_bytes()).map_err(|_| OpenError::Base64)?;
    let nonce: [u8; NONCE_BYTES] = nonce.try_into().map_err(|_| OpenError::Base64)?;
    let ciphertext = BASE64.decode(body.ciphertext.as_bytes()).map_err(|_| OpenError::Base64)?;
    let text = between.decrypt(&Nonce::from(nonce), ciphertext.as_slice()).map_err(|_| OpenError::Seal)?;
    String::from_utf8(text).map_err(|_| OpenError::Text)
}

/// Opens what `from` sealed for a key of which only the secret for boxes is left: 32 bytes.
///
/// # Errors
/// [`OpenError`] when it was not sealed so.
pub fn open_by(secret: &Secret, from: PublicKey, body: &Sealed) -> Result<String, OpenError> {
    let own = box_secret(secret).ok_or(OpenError::Key)?;
    open_between(&between(&own, from).ok_or(OpenError::Key)?, body)
}

/// Opens what somebody sealed for itself, by the secret for boxes of the key that did.
///
/// # Errors
/// [`OpenError`] when it was not sealed so.
pub fn open_own(secret: &Secret, body: &Sealed) -> Result<String, OpenError> {
    let own = box_secret(secret).ok_or(OpenError::Key)?;
    open_between(&SalsaBox::new(&own.public_key(), &own), body)
}

/// The public half of a secret for boxes, which has 32 bytes.
pub fn box_public(secret: &Secret) -> Option<[u8; 32]> {
    box_secret(secret).map(|secret| *secret.public_key().as_bytes())
}

/// The body of a message to a group or to everyone, which hides nothing.
pub fn plain(text: &str, nonce: [u8; NONCE_BYTES]) -> Sealed {
    Sealed { nonce: BASE64.encode(&nonce), ciphertext: BASE64.encode(text.as_bytes()) }
}

/// Reads such a body.
///
/// # Errors
/// [`OpenError`] when it is not base64 of UTF-8.
pub fn read_plain(body: &Sealed) -> Result<String, OpenError> {
    let bytes = BASE64.decode(body.ciphertext.as_bytes()).map_err(|_| OpenError::Base64)?;
    String::from_utf8(bytes).map_err(|_| OpenError::Text)
}

/// Reads a body of which nobody says whether it was sealed: sealed bytes are practically never text without
/// control characters.
pub fn read_plainly(body: &Sealed) -> Option<String> {
    let is_plain = |letter: char| !letter.is_control() || matches!(letter, '\n' | '\t' | '\r');
    read_plain(body).ok().filter(|text| !text.is_empty() && text.chars().all(is_plain))
}

fn box_secret(secret: &Secret) -> Option<BoxSecret> {
    <[u8; 32]>::try_from(secret.expose()).ok().map(BoxSecret::from_bytes)
}

fn pair(own: &SigningKey, other: PublicKey) -> Option<SalsaBox> {
    between(&BoxSecret::from_bytes(own.to_scalar_bytes()), other)
}

fn between(own: &BoxSecret, other: PublicKey) -> Option<SalsaBox> {
    let other = VerifyingKey::from_bytes(&other.0).ok().filter(|key| !key.is_weak())?;
    let public = BoxKey::from_bytes(other.to_montgomery().to_bytes());
    Some(SalsaBox::new(&public, own))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> (SigningKey, PublicKey) {
        let key = SigningKey::from_bytes(&[byte; 32]);
        let public = PublicKey(key.verifying_key().to_bytes());
        (key, public)
    }

    #[test]
    fn what_was_sealed_to_a_key_is_opened_by_its_secret_for_boxes_alone() {
        let (ann, bob) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let public = |key: &SigningKey| PublicKey(key.verifying_key().to_bytes());
        let body = seal(&ann, public(&bob), "soup?", [7; NONCE_BYTES]).unwrap();
        let secret = Secret::new(bob.to_scalar_bytes());
        assert_eq!(open_by(&secret, public(&ann), &body).as_deref(), Ok("soup?"));
        assert_eq!(open_by(&Secret::new([3; 32]), public(&ann), &body), Err(OpenError::Seal));
        assert_eq!(open_by(&Secret::new(*b"short"), public(&ann), &body), Err(OpenError::Key));
        let note = seal(&bob, public(&bob), "eggs", [8; NONCE_BYTES]).unwrap();
        assert_eq!(open_own(&secret, &note).as_deref(), Ok("eggs"));
        assert_eq!(open_own(&Secret::new([3; 32]), &note), Err(OpenError::Seal));
        assert_eq!(box_public(&secret), Some(bob.verifying_key().to_montgomery().to_bytes()));
    }

    #[test]
    fn what_ann_seals_for_bob_bob_opens_and_nobody_else() {
        let ((ann, ann_public), (bob, bob_public), (eve, _)) = (key(1), key(2), key(3));
        let sealed = seal(&ann, bob_public, "grüße", [1; NONCE_BYTES]).unwrap();
        assert_eq!(open(&bob, ann_public, &sealed).as_deref(), Ok("grüße"));
        assert_eq!(open(&eve, ann_public, &sealed), Err(OpenError::Seal));
        assert_eq!(open(&bob, bob_public, &sealed), Err(OpenError::Seal), "the sender is part of the seal");
        assert_eq!(read_plainly(&sealed), None);
    }

    #[test]
    fn an_altered_body_does_not_open() {
        let ((ann, ann_public), (bob, bob_public)) = (key(1), key(2));
        let sealed = seal(&ann, bob_public, "pay 1", [2; NONCE_BYTES]).unwrap();
        let mut bytes = BASE64.decode(sealed.ciphertext.as_bytes()).unwrap();
        bytes[0] ^= 1;
        let altered = Sealed { ciphertext: BASE64.encode(&bytes), ..sealed.clone() };
        assert_eq!(open(&bob, ann_public, &altered), Err(OpenError::Seal));
        let short = Sealed { nonce: "AAAA".into(), ..sealed };
        assert_eq!(open(&bob, ann_public, &short), Err(OpenError::Base64));
    }

    /// Made by another implementation of NaCl's box and of the key conversion, for the same two keys.
    #[test]
    fn a_body_sealed_elsewhere_opens_here() {
        let ((_, ann_public), (bob, _)) = (key(1), key(2));
        let body = Sealed {
            nonce: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".into(),
            ciphertext: "BNtWFGI4gbWx1eKnsHlp2rcQuII+FMWOpIe6DV7bbqp/1Q==".into(),
        };
        assert_eq!(open(&bob, ann_public, &body).as_deref(), Ok("the build is green"));
    }

    #[test]
    fn plain_bodies_are_readable_by_everyone() {
        let body = plain("to all", [3; NONCE_BYTES]);
        assert_eq!(BASE64.decode(body.nonce.as_bytes()).unwrap().len(), NONCE_BYTES);
        assert_eq!(read_plain(&body).as_deref(), Ok("to all"));
    }

    #[test]
    fn s_aut_04_a_key_of_small_order_is_no_recipient() {
        let (ann, _) = key(1);
        let mut small = [0; 32];
        small[0] = 1;
        assert_eq!(seal(&ann, PublicKey(small), "x", [4; NONCE_BYTES]), None);
    }
}
