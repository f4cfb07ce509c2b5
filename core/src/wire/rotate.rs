//! A member's request for another key: the body of `POST /v1/member/key` (mesh protocol 1.8).
//!
//! *Decides* forms only. *Does not* check signatures, nor know any mesh: `mesh/rotate.rs` does.

use data_encoding::HEXLOWER;
use serde::Deserialize;

use crate::ids::PublicKey;
use crate::time::Wall;

/// Where it is posted.
pub(crate) const PATH: &str = "/v1/member/key";

/// A request whose parts have the right form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RotateCall {
    pub mesh_id: String,
    pub member_id: String,
    /// The key that the member has.
    pub old: PublicKey,
    /// The key that it wants.
    pub key: PublicKey,
    pub timestamp: Wall,
    /// By the old key, then by the new one.
    pub signatures: [[u8; 64]; 2],
    /// What both are over.
    pub signed: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    mesh_id: String,
    member_id: String,
    pubkey: String,
    new_pubkey: String,
    timestamp: i64,
    signature: String,
    new_signature: String,
}

/// Reads a body.
///
/// # Errors
/// The sentence that says which part has another form.
pub(crate) fn parse(body: &[u8]) -> Result<RotateCall, String> {
    let body: Body = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    for (field, text) in [("meshId", &body.mesh_id), ("memberId", &body.member_id)] {
        // It would part the signed text elsewhere.
        if text.is_empty() || text.contains('|') {
            return Err(format!("{field}: an id has no | and is not empty"));
        }
    }
    let key = |field: &str, text: &str| {
        let form = || format!("{field}: a key has 64 lower-case hexadecimal digits");
        PublicKey::from_hex(text).ok_or_else(form)
    };
    let signature = |field: &str, text: &str| {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.ok_or_else(|| format!("{field}: a signature has 128 lower-case hexadecimal digits"))
    };
    let (old, new) = (key("pubkey", &body.pubkey)?, key("newPubkey", &body.new_pubkey)?);
    if old == new {
        return Err("newPubkey: this is the key that the member has".to_owned());
    }
    let signatures =
        [signature("signature", &body.signature)?, signature("newSignature", &body.new_signature)?];
    let signed = signed((&body.mesh_id, &body.member_id), old, new, body.timestamp);
    let Body { mesh_id, member_id, .. } = body;
    let timestamp = Wall::from_millis(body.timestamp);
    Ok(RotateCall { mesh_id, member_id, old, key: new, timestamp, signatures, signed })
}

fn signed((mesh_id, member_id): (&str, &str), old: PublicKey, new: PublicKey, timestamp: i64) -> String {
    format!("peermesh-rotate-key|{mesh_id}|{member_id}|{}|{}|{timestamp}", old.hex(), new.hex())
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signer, SigningKey};
    use serde_json::{Value, json};

    use super::*;

    fn good() -> Value {
        let pairs = [1, 2].map(|byte| SigningKey::from_bytes(&[byte; 32]));
        let [old, new] = pairs.each_ref().map(|pair| PublicKey(pair.verifying_key().to_bytes()));
        let text = signed(("mesh-1", "mem-1"), old, new, 1_700_000_000_000);
        let [by_old, by_new] = pairs.map(|pair| HEXLOWER.encode(&pair.sign(text.as_bytes()).to_bytes()));
        json!({
            "meshId": "mesh-1", "memberId": "mem-1", "pubkey": old.hex(), "newPubkey": new.hex(),
            "timestamp": 1_700_000_000_000_i64, "signature": by_old, "newSignature": by_new,
        })
    }

    #[test]
    fn both_signatures_are_over_every_part() {
        let call = parse(good().to_string().as_bytes()).unwrap();
        let (old, new) = (call.old.hex(), call.key.hex());
        let signed = format!("peermesh-rotate-key|mesh-1|mem-1|{old}|{new}|1700000000000");
        assert_eq!(call.signed, signed);
        let vector = [
            "17e1085457345d8b9431d9aa35462ac1899886c9f41be86bc548577aa181ce3b\
             6a89743336c06baa7b5b0a7a66eb24d635afb878a4d29caf8d6a349b22b3f004",
            "126c7b6756a5530aa138551a14ce9717d07e49a3a354b29f013eb0356eda05ca\
             76634663f428710fdda8f8978ec2cab45aa3add975924e2d68447ba6763d9c05",
        ];
        assert_eq!(call.signatures.map(|signature| HEXLOWER.encode(&signature)), vector, "the contract's");
        for (key, signature) in [call.old, call.key].iter().zip(call.signatures) {
            let key = ed25519_dalek::VerifyingKey::from_bytes(&key.0).unwrap();
            let signature = ed25519_dalek::Signature::from_bytes(&signature);
            assert!(key.verify_strict(signed.as_bytes(), &signature).is_ok());
        }
    }

    #[test]
    fn f_aut_08_a_body_of_another_form_names_its_part() {
        let upper = good()["pubkey"].as_str().unwrap().to_uppercase();
        for (field, value, named) in [
            ("meshId", json!("a|b"), "meshId"),
            ("memberId", json!(""), "memberId"),
            ("memberId", Value::Null, "the body"),
            ("pubkey", json!(upper), "pubkey"),
            ("newPubkey", good()["pubkey"].clone(), "newPubkey"),
            ("timestamp", json!("1"), "the body"),
            ("signature", json!("00"), "signature"),
            ("newSignature", json!("zz"), "newSignature"),
        ] {
            let mut body = good();
            body[field] = value;
            let refused = parse(body.to_string().as_bytes()).unwrap_err();
            assert!(refused.starts_with(named), "{field}: {refused}");
        }
        assert!(parse(b"{").is_err() && parse(b"").is_err());
    }
}
