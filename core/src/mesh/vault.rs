//! Keeps a mesh's own secrets encrypted in the store.

use crypto_secretbox::aead::{Aead, KeyInit};
use crypto_secretbox::{Key, Nonce, XSalsa20Poly1305};

use crate::config::Secret;
use crate::rng::Rng;

const NONCE_BYTES: usize = 24;

/// Encrypts `plain` under the vault key: nonce, then box.
pub(super) fn seal(key: &Secret, rng: &mut Rng, plain: &[u8]) -> Option<Vec<u8>> {
    let mut nonce = [0; NONCE_BYTES];
    rng.fill(&mut nonce);
    let sealed = cipher(key)?.encrypt(Nonce::from_slice(&nonce), plain).ok()?;
    Some([nonce.as_slice(), &sealed].concat())
}

/// Decrypts what `seal` made; `None` under another key or when it was changed.
pub(super) fn open(key: &Secret, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
    cipher(key)?.decrypt(Nonce::from_slice(nonce), sealed).ok()
}

fn cipher(key: &Secret) -> Option<XSalsa20Poly1305> {
    (key.expose().len() == 32).then(|| XSalsa20Poly1305::new(Key::from_slice(key.expose())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_under_its_key_and_unchanged() {
        let (key, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let sealed = seal(&key, &mut Rng::from_seed([3; 32]), b"owner").unwrap();
        assert_eq!(open(&key, &sealed).as_deref(), Some(b"owner".as_slice()));
        assert_eq!(open(&other, &sealed), None);
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert_eq!(open(&key, &changed), None);
        assert_eq!(open(&key, &sealed[..10]), None);
        assert!(!sealed.windows(5).any(|part| part == b"owner"));
    }
}
