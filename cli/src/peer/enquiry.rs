//! Questions that the broker answers over HTTP, each signed by the member (mesh protocol, section 1.7).

use std::thread;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ed25519_dalek::Signer;
use peermesh_core::time::Wall;
use serde_json::Value;

use super::PeerError;
use super::profile::Profile;
use crate::address::Address;
use crate::http::{self, Answer, Question};
use crate::logs;

/// Signatures that are tried when another command asked the same in the very same millisecond.
const TRIES: u32 = 5;

/// Asks the profile's broker, or the one that is named, and gives its answer.
pub(super) fn ask(profile: &Profile, broker: Option<&str>, target: &str) -> Result<Value, PeerError> {
    let address = Address::parse(broker.unwrap_or(&profile.broker_url))?;
    let mut tries = 0;
    loop {
        tries += 1;
        let shown = authorization(profile, target, logs::wall_now());
        let header = Some(("Authorization", shown.as_str()));
        let question = Question { method: "GET", target, token: None, body: None, header };
        let answer = http::ask(&address, &question)?;
        match judge(&answer) {
            Err(PeerError::AskedBefore) if tries < TRIES => thread::sleep(Duration::from_millis(3)),
            judged => return judged,
        }
    }
}

/// The header that says who asks for that target.
fn authorization(profile: &Profile, target: &str, at: Wall) -> String {
    let member = profile.member_id.as_deref().unwrap_or_default();
    let asker = format!("{}|{member}|{}|{}", profile.mesh_id, profile.public_key().hex(), at.as_millis());
    let signature = profile.signing_key().sign(format!("peermesh-http|GET|{target}|{asker}").as_bytes());
    format!("Peermesh {asker}|{}", HEXLOWER.encode(&signature.to_bytes()))
}

fn judge(answer: &Answer) -> Result<Value, PeerError> {
    let body = answer.json();
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (answer.status, text("error").as_str()) {
        (200, _) if body.is_object() => Ok(body),
        (401, "replayed") => Err(PeerError::AskedBefore),
        (401, "timestamp_skew") => Err(PeerError::WrongClock),
        (401, _) => Err(PeerError::NotAMember { text: text("message") }),
        (404, "not_found") => Err(PeerError::NoMessage),
        (400, _) => Err(PeerError::BadQuestion { text: text("message") }),
        (503, _) => Err(PeerError::NoAnswer { text: text("message") }),
        (status, _) => Err(PeerError::NoAnswers { status }),
    }
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier};

    use super::*;
    use crate::failure::Exit;

    #[test]
    fn a_request_is_signed_over_method_target_and_who_asks() {
        let mut profile = Profile::fresh("ann", "mesh-1", "demo", "ws://127.0.0.1:7900/ws").unwrap();
        profile.member_id = Some("mem-1".into());
        let shown = authorization(&profile, "/v1/mentions?limit=2", Wall::from_millis(1_700_000_000_000));
        let key = profile.public_key().hex();
        let asker = format!("mesh-1|mem-1|{key}|1700000000000");
        let signature = shown.strip_prefix(&format!("Peermesh {asker}|")).expect(&shown);
        let signature = HEXLOWER.decode(signature.as_bytes()).unwrap();
        let signed = format!("peermesh-http|GET|/v1/mentions?limit=2|{asker}");
        let key = profile.signing_key().verifying_key();
        assert!(key.verify(signed.as_bytes(), &Signature::from_slice(&signature).unwrap()).is_ok());
    }

    #[test]
    fn every_refusal_has_its_exit_code_and_a_way_out() {
        let judged = |status, body: &str| {
            judge(&Answer { status, body: body.as_bytes().to_vec() }).map_err(|error| (error.exit(), error))
        };
        assert_eq!(judged(200, "{\"a\":1}").unwrap()["a"], 1);
        for (status, body, exit, words) in [
            (401, r#"{"error":"timestamp_skew"}"#, Exit::Failed, "clock"),
            (401, r#"{"error":"revoked","message":"you were removed"}"#, Exit::Refused, "removed"),
            (404, r#"{"error":"not_found"}"#, Exit::Refused, "by age"),
            (404, "not found", Exit::Failed, "newer"),
            (400, r#"{"error":"bad_request","message":"after: x"}"#, Exit::Usage, "after: x"),
            (503, r#"{"error":"store_down","message":"ask later"}"#, Exit::Unreachable, "ask later"),
        ] {
            let (code, error) = judged(status, body).unwrap_err();
            assert_eq!(code, exit, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
