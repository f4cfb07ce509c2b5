//! Who is there: what a hello claims, and whether its signatures bear it out (mesh protocol, handshake).
//!
//! *Decides* form, freshness and signatures, in the order and words of the contract's tables of refusals.
//! *Does not* know any mesh: membership, capacity and replay are judged by `welcome.rs`.

use ed25519_dalek::{Signature, VerifyingKey};
use sha2::{Digest, Sha256};

use super::refusal::Refusal;
use crate::config::Limits;
use crate::fault::Fault;
use crate::ids::PublicKey;
use crate::stats::Counter;
use crate::store::PresenceKind;
use crate::time::Wall;
use crate::wire::mesh::{Attestation, Hello, HelloPeer, SessionHello};

/// Either kind of hello, as it came.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Greeting {
    /// By a member's key.
    Hello(Box<Hello>),
    /// By a session's key, with the member's word for it.
    Session(Box<SessionHello>),
}

impl Greeting {
    pub(super) fn kind(&self) -> PresenceKind {
        match self {
            Greeting::Hello(_) => PresenceKind::ControlPlane,
            Greeting::Session(_) => PresenceKind::Session,
        }
    }

    pub(super) fn peer(&self) -> &HelloPeer {
        match self {
            Greeting::Hello(hello) => &hello.named,
            Greeting::Session(hello) => &hello.named,
        }
    }

    pub(crate) fn mesh_id(&self) -> &str {
        match self {
            Greeting::Hello(hello) => &hello.mesh_id,
            Greeting::Session(hello) => &hello.mesh_id,
        }
    }

    /// The member key as written: the one that is looked up, byte for byte.
    pub(crate) fn member_key(&self) -> &str {
        match self {
            Greeting::Hello(hello) => &hello.pubkey,
            Greeting::Session(hello) => &hello.parent_member_pubkey,
        }
    }

    /// The session key, if there is one and it has the right form.
    pub(crate) fn session_key(&self) -> Option<PublicKey> {
        self.session_key_as_written().and_then(PublicKey::from_hex)
    }

    /// The session key in whatever form it came.
    pub(super) fn session_key_as_written(&self) -> Option<&str> {
        match self {
            Greeting::Hello(hello) => hello.session_pubkey.as_deref(),
            Greeting::Session(hello) => Some(&hello.session_pubkey),
        }
    }

    /// Checks that need neither clock nor mesh: rows 1 of `hello`, 1 to 3 of `session_hello`.
    pub(crate) fn check_shape(&self) -> Result<(), Refusal> {
        match self {
            Greeting::Hello(hello) => match hello.session_pubkey.as_deref() {
                None | Some("") => Ok(()),
                Some(key) => PublicKey::from_hex(key).map(|_| ()).ok_or_else(Refusal::session_key),
            },
            Greeting::Session(hello) => {
                PublicKey::from_hex(&hello.session_pubkey).ok_or_else(Refusal::session_key)?;
                PublicKey::from_hex(&hello.parent_member_pubkey).ok_or_else(|| {
                    Refusal::new(
                        "bad_parent_pubkey",
                        "parentMemberPubkey must be 64 lowercase hex chars",
                        Fault::BadParentKey,
                        Counter::RejectedParentKey,
                    )
                })?;
                let binds = hello.parent_attestation.as_ref().is_some_and(|attestation| {
                    attestation.session_pubkey == hello.session_pubkey
                        && attestation.parent_member_pubkey == hello.parent_member_pubkey
                });
                binds.then_some(()).ok_or_else(|| {
                    Refusal::new(
                        "attestation_mismatch",
                        "parentAttestation does not bind the claimed session+parent pubkeys",
                        Fault::AttestationMismatch,
                        Counter::RejectedAttestation,
                    )
                })
            }
        }
    }

    /// Checks freshness and signatures; gives the proof that is good for one use.
    pub(crate) fn verify(&self, now: Wall, limits: &Limits) -> Result<Proof, Refusal> {
        match self {
            Greeting::Hello(hello) => {
                let signed =
                    format!("{}|{}|{}|{}", hello.mesh_id, hello.member_id, hello.pubkey, hello.timestamp);
                signature(
                    PresenceKind::ControlPlane,
                    now,
                    limits,
                    hello.timestamp,
                    &hello.pubkey,
                    &hello.signature,
                    &signed,
                )
            }
            Greeting::Session(hello) => {
                if let Some(attestation) = &hello.parent_attestation {
                    attest(attestation, now, limits)?;
                }
                let signed = format!(
                    "claudemesh-session-hello|{}|{}|{}|{}",
                    hello.mesh_id, hello.parent_member_pubkey, hello.session_pubkey, hello.timestamp
                );
                signature(
                    PresenceKind::Session,
                    now,
                    limits,
                    hello.timestamp,
                    &hello.session_pubkey,
                    &hello.signature,
                    &signed,
                )
            }
        }
    }
}

/// What recognises a hello that is shown a second time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Proof(pub(crate) [u8; 32]);

/// A hello signed at the wrong time.
fn skewed(kind: PresenceKind) -> Refusal {
    let (text, counter) = match kind {
        PresenceKind::ControlPlane => ("hello rejected: timestamp_skew", Counter::RejectedSkew),
        PresenceKind::Session => ("session_hello rejected: timestamp_skew", Counter::RejectedSessionSkew),
    };
    Refusal::new("timestamp_skew", text, Fault::TimestampSkew, counter)
}

/// A hello signed by somebody else, or not as it stands.
fn forged(kind: PresenceKind) -> Refusal {
    let (text, counter) = match kind {
        PresenceKind::ControlPlane => ("hello rejected: bad_signature", Counter::RejectedSignature),
        PresenceKind::Session => ("session_hello rejected: bad_signature", Counter::RejectedSessionSignature),
    };
    Refusal::new("bad_signature", text, Fault::BadSignature, counter)
}

fn signature(
    kind: PresenceKind,
    now: Wall,
    limits: &Limits,
    timestamp: i64,
    key: &str,
    signature: &str,
    signed: &str,
) -> Result<Proof, Refusal> {
    if now.distance_millis(Wall::from_millis(timestamp)) > limits.hello_skew_ms() {
        return Err(skewed(kind));
    }
    let (key, signature) = shapes(key, signature).ok_or_else(|| Refusal::unreadable(kind))?;
    if !verifies(&key, &signature, signed) {
        return Err(forged(kind));
    }
    // What was signed identifies the hello: another signature over the same bytes is the same hello.
    Ok(Proof(Sha256::new().chain_update(key).chain_update(signed).finalize().into()))
}

fn attest(attestation: &Attestation, now: Wall, limits: &Limits) -> Result<(), Refusal> {
    let refuse = |word: &'static str, fault, counter| {
        Err(Refusal::new(word, format!("attestation rejected: {word}"), fault, counter))
    };
    let Some(until) = attestation.expires_at else {
        return refuse("malformed", Fault::Malformed, Counter::RejectedAttestationMalformed);
    };
    if until <= now.as_millis() {
        return refuse("expired", Fault::Expired, Counter::RejectedAttestationExpired);
    }
    if until > now.after_millis(limits.attestation_ms()).as_millis() {
        return refuse("ttl_too_long", Fault::TtlTooLong, Counter::RejectedAttestationTtl);
    }
    let Some((key, signature)) = shapes(&attestation.parent_member_pubkey, &attestation.signature) else {
        return refuse("malformed", Fault::Malformed, Counter::RejectedAttestationMalformed);
    };
    let signed = format!(
        "claudemesh-session-attest|{}|{}|{}",
        attestation.parent_member_pubkey, attestation.session_pubkey, until
    );
    if verifies(&key, &signature, &signed) {
        Ok(())
    } else {
        refuse("bad_signature", Fault::BadSignature, Counter::RejectedAttestationSignature)
    }
}

fn shapes(key: &str, signature: &str) -> Option<([u8; 32], [u8; 64])> {
    let hex = &data_encoding::HEXLOWER_PERMISSIVE;
    let key = hex.decode(key.as_bytes()).ok()?.try_into().ok()?;
    let signature = hex.decode(signature.as_bytes()).ok()?.try_into().ok()?;
    Some((key, signature))
}

/// Strict verification: small-order keys and malleable signatures do not pass.
pub(crate) fn verifies(key: &[u8; 32], signature: &[u8; 64], signed: &str) -> bool {
    VerifyingKey::from_bytes(key)
        .is_ok_and(|key| key.verify_strict(signed.as_bytes(), &Signature::from_bytes(signature)).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const M: &str = "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c";
    const S: &str = "8139770ea87d175f56a35466c34c7ecccb8d8a91b4ee37a25df60f5b8fc9b394";
    const NOW: Wall = Wall::from_millis(1_700_000_000_000);

    fn hello() -> Hello {
        Hello {
            mesh_id: "mesh-1".to_owned(),
            member_id: "mem-1".to_owned(),
            pubkey: M.to_owned(),
            session_pubkey: None,
            timestamp: NOW.as_millis(),
            signature: "a1b3f2372c922782ab3050b3658e909589d5f90bee82c93cdebe6fd423d4fd0fa8f0a43199424ca049ffae0085641950dce0ef519b48a2e792aab4cc99c3a708".to_owned(),
            named: Default::default(),
        }
    }

    fn session_hello() -> SessionHello {
        SessionHello {
            mesh_id: "mesh-1".to_owned(),
            parent_member_id: None,
            parent_member_pubkey: M.to_owned(),
            session_pubkey: S.to_owned(),
            parent_attestation: Some(Attestation {
                session_pubkey: S.to_owned(),
                parent_member_pubkey: M.to_owned(),
                expires_at: Some(1_700_043_200_000),
                signature: "d6237c82ab2a8bebc9d2e7ba83f8e89e629888b7cc12406a0f3dd10c4bd83699338b032262f85cb1e4aea3c367726ec89c1e0f2541e37775bedb50fd6a3a8409".to_owned(),
            }),
            timestamp: NOW.as_millis(),
            signature: "1c15e58c9d17b414fc12b771d910065ea85683c7f13a6067f2236e561d33c6c43d02521202f6baf0be7b868b1d1dc1f0f40652e2720d911da61e3ffef9360309".to_owned(),
            named: Default::default(),
        }
    }

    fn judged(greeting: &Greeting, now: Wall) -> Result<(), &'static str> {
        greeting
            .check_shape()
            .and_then(|()| greeting.verify(now, &Limits::default()))
            .map(|_| ())
            .map_err(|no| no.code)
    }

    #[test]
    fn the_contracts_vectors_verify() {
        assert_eq!(judged(&Greeting::Hello(Box::new(hello())), NOW), Ok(()));
        assert_eq!(judged(&Greeting::Session(Box::new(session_hello())), NOW), Ok(()));
    }

    #[test]
    fn a_changed_field_breaks_the_signature() {
        let other = Hello { member_id: "mem-2".to_owned(), ..hello() };
        assert_eq!(judged(&Greeting::Hello(Box::new(other)), NOW), Err("bad_signature"));
        let other = SessionHello { mesh_id: "mesh-2".to_owned(), ..session_hello() };
        assert_eq!(judged(&Greeting::Session(Box::new(other)), NOW), Err("bad_signature"));
    }

    #[test]
    fn the_edges_of_skew_and_of_an_attestations_life_are_where_the_contract_puts_them() {
        let at = |millis| Wall::from_millis(NOW.as_millis() + millis);
        assert_eq!(judged(&Greeting::Hello(Box::new(hello())), at(60_000)), Ok(()));
        assert_eq!(judged(&Greeting::Hello(Box::new(hello())), at(60_001)), Err("timestamp_skew"));
        assert_eq!(judged(&Greeting::Hello(Box::new(hello())), at(-60_001)), Err("timestamp_skew"));
        let session = || Greeting::Session(Box::new(session_hello()));
        assert_eq!(judged(&session(), at(43_200_000)), Err("expired"));
        assert_eq!(judged(&session(), at(43_200_000 - 86_400_001)), Err("ttl_too_long"));
    }

    #[test]
    fn f_aut_04_a_small_order_key_signs_nothing() {
        // The identity point with an all-zero scalar passes a lax check for any message.
        let key = format!("01{}", "00".repeat(31));
        let signature = format!("01{}", "00".repeat(63));
        let forged = Hello { pubkey: key, signature, ..hello() };
        assert_eq!(judged(&Greeting::Hello(Box::new(forged)), NOW), Err("bad_signature"));
    }

    #[test]
    fn forms_are_judged_before_signatures_and_in_the_contracts_order() {
        let upper = Hello { session_pubkey: Some(S.to_uppercase()), ..hello() };
        assert_eq!(judged(&Greeting::Hello(Box::new(upper)), NOW), Err("bad_session_pubkey"));
        let empty = Hello { session_pubkey: Some(String::new()), ..hello() };
        assert_eq!(judged(&Greeting::Hello(Box::new(empty)), NOW), Ok(()));
        let parent = SessionHello { parent_member_pubkey: "x".to_owned(), ..session_hello() };
        assert_eq!(judged(&Greeting::Session(Box::new(parent)), NOW), Err("bad_parent_pubkey"));
        let unbound = SessionHello { parent_attestation: None, ..session_hello() };
        assert_eq!(judged(&Greeting::Session(Box::new(unbound)), NOW), Err("attestation_mismatch"));
        let short = Hello { signature: "00".to_owned(), ..hello() };
        assert_eq!(judged(&Greeting::Hello(Box::new(short)), NOW), Err("malformed"));
    }
}
