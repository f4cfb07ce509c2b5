//! Keys that follow from names, and what is signed with them (mesh protocol 2.1 and 2.2).

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};

/// The key pair of a name. Whoever knows the name has the key: for stories only.
pub fn pair(name: &str) -> SigningKey {
    let mut seed = [0; 32];
    for (place, byte) in seed.iter_mut().zip(name.bytes().cycle()) {
        *place = byte;
    }
    // Tells names apart that repeat themselves differently often.
    seed[31] = u8::try_from(name.len()).unwrap_or(u8::MAX);
    SigningKey::from_bytes(&seed)
}

/// A name's public key, as 64 lower-case hex digits.
pub fn public(name: &str) -> String {
    hex(&pair(name))
}

/// The signature of a `hello`.
pub fn sign_hello(member: &SigningKey, mesh: &str, member_id: &str, key: &str, timestamp: &str) -> String {
    sign(member, &format!("{mesh}|{member_id}|{key}|{timestamp}"))
}

/// The signature of an attestation, by the member's key.
pub fn sign_attestation(
    member: &SigningKey,
    parent_key: &str,
    session_key: &str,
    expires_at: &str,
) -> String {
    sign(member, &format!("claudemesh-session-attest|{parent_key}|{session_key}|{expires_at}"))
}

/// The signature of a `session_hello`, by the session's key.
pub fn sign_session_hello(
    session: &SigningKey,
    mesh: &str,
    parent_key: &str,
    session_key: &str,
    timestamp: &str,
) -> String {
    sign(session, &format!("claudemesh-session-hello|{mesh}|{parent_key}|{session_key}|{timestamp}"))
}

/// The signature of a request over HTTP, by the member's key.
pub fn sign_request(
    member: &SigningKey,
    (method, target): (&str, &str),
    (mesh, member_id, key, timestamp): (&str, &str, &str, &str),
) -> String {
    sign(member, &format!("peermesh-http|{method}|{target}|{mesh}|{member_id}|{key}|{timestamp}"))
}

/// Either signature of a request for another key: mesh, member, the key it has, the one it wants, the time.
pub fn sign_rotation(pair: &SigningKey, parts: [&str; 5]) -> String {
    sign(pair, &format!("peermesh-rotate-key|{}", parts.join("|")))
}

fn hex(pair: &SigningKey) -> String {
    HEXLOWER.encode(pair.verifying_key().as_bytes())
}

/// A signature over a text, as 128 lower-case hex digits.
pub fn sign(pair: &SigningKey, text: &str) -> String {
    HEXLOWER.encode(&pair.sign(text.as_bytes()).to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_those_of_the_contract() {
        let (member, session) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
        let (member_key, session_key) = (hex(&member), hex(&session));
        assert_eq!(member_key, "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c");
        assert_eq!(session_key, "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394");
        assert_eq!(
            sign_hello(&member, "mesh-1", "mem-1", &member_key, "1700000000000"),
            "a1b3f2372c922782ab3050b3658e909589d5f90bee82c93cdebe6fd423d4fd0f\
             a8f0a43199424ca049ffae0085641950dce0ef519b48a2e792aab4cc99c3a708"
        );
        assert_eq!(
            sign_attestation(&member, &member_key, &session_key, "1700043200000"),
            "d6237c82ab2a8bebc9d2e7ba83f8e89e629888b7cc12406a0f3dd10c4bd83699\
             338b032262f85cb1e4aea3c367726ec89c1e0f2541e37775bedb50fd6a3a8409"
        );
        assert_eq!(
            sign_session_hello(&session, "mesh-1", &member_key, &session_key, "1700000000000"),
            "1c15e58c9d17b414fc12b771d910065ea85683c7f13a6067f2236e561d33c6c4\
             3d02521202f6baf0be7b868b1d1dc1f0f40652e2720d911da61e3ffef9360309"
        );
    }

    #[test]
    fn every_name_has_its_own_key() {
        let keys = ["a", "aa", "ann", "ann.s1", "bob"].map(public);
        for (at, key) in keys.iter().enumerate() {
            assert!(!keys[..at].contains(key));
        }
    }
}
