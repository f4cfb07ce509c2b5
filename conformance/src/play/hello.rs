//! Hellos: made from names, changed as a story wants them, signed (mesh protocol 2.1 and 2.2).

use serde_json::{Map, Value, json};

use crate::keys;
use crate::story::Told;
use crate::story::act::{Changes, Greeting, Peer};
use crate::story::names::Names;

/// How long an attestation is valid, in milliseconds: what clients ask for.
const ATTESTATION_MS: i64 = 12 * 60 * 60 * 1_000;

/// The text of a hello. `stamp` is its time, `now` what `now` means in changes; both Unix milliseconds.
///
/// # Errors
/// When a change cannot be made.
pub(crate) fn hello(peer: &Peer, greeting: &Greeting, names: &Names, stamp: i64, now: i64) -> Told<String> {
    let mut with = Vec::new();
    let (mut signer, mut attester) = (None, None);
    for (path, value) in &greeting.with.set {
        match path.as_str() {
            "signer" => signer = Some(value.text(names)?),
            "attester" => attester = Some(value.text(names)?),
            _ => with.push((path.clone(), value.clone())),
        }
    }
    let with = Changes { set: with, unset: greeting.with.unset.clone() };
    let by_session = peer.session.is_some() && !greeting.legacy;
    let mut hello = if by_session { session(peer, names, stamp) } else { member(peer, names, stamp) };
    apply(&with, &mut hello, names, now)?;
    if by_session {
        sign_session(peer, &mut hello, signer, attester);
    } else {
        sign_member(peer, &mut hello, signer);
    }
    apply(&greeting.then, &mut hello, names, now)?;
    Ok(hello.to_string())
}

/// Makes changes to a message.
///
/// # Errors
/// When a path leads through something that is no object, or a value has none.
pub(crate) fn apply(changes: &Changes, message: &mut Value, names: &Names, now: i64) -> Told<()> {
    for (path, value) in &changes.set {
        let value = value.json(names, now)?;
        let (parent, field) = parent(message, path)?;
        parent.insert(field.to_owned(), value);
    }
    for path in &changes.unset {
        let (parent, field) = parent(message, path)?;
        parent.remove(field);
    }
    Ok(())
}

fn parent<'a, 'b>(message: &'a mut Value, path: &'b str) -> Told<(&'a mut Map<String, Value>, &'b str)> {
    let (outer, field) = path.rsplit_once('.').unwrap_or(("", path));
    let mut at = message;
    for step in outer.split('.').filter(|step| !step.is_empty()) {
        at = at.get_mut(step).ok_or_else(|| format!("there is no {path}"))?;
    }
    let object = at.as_object_mut().ok_or_else(|| format!("there is no {path}"))?;
    Ok((object, field))
}

/// What a name stands for, or a text that names nobody: strangers say hello, too.
pub(crate) fn known(names: &Names, name: &str) -> Value {
    names.find(name).unwrap_or_else(|| Value::from(name.replace('.', "-")))
}

pub(crate) fn mesh_of(peer: &Peer, names: &Names) -> Value {
    names.find(&format!("{}.mesh", peer.name)).unwrap_or_else(|| known(names, "mesh"))
}

fn member(peer: &Peer, names: &Names, stamp: i64) -> Value {
    let name = &peer.name;
    let mut hello = json!({
        "type": "hello",
        "protocolVersion": 1,
        "meshId": mesh_of(peer, names),
        "memberId": known(names, &format!("{name}.member")),
        "pubkey": keys::public(name),
        "displayName": name,
        "sessionId": format!("daemon-{name}"),
        "pid": 1,
        "cwd": format!("/home/{name}"),
        "hostname": format!("{name}-host"),
        "peerType": "ai",
        "channel": "claudemesh-daemon",
        "timestamp": stamp,
    });
    if let Some(session) = &peer.session {
        hello["sessionPubkey"] = keys::public(&peer.identity()).into();
        hello["sessionId"] = format!("{name}-{session}").into();
        hello["channel"] = "claude-code".into();
    }
    hello
}

fn session(peer: &Peer, names: &Names, stamp: i64) -> Value {
    let name = &peer.name;
    let session = peer.session.as_deref().unwrap_or_default();
    let (parent_key, session_key) = (keys::public(name), keys::public(&peer.identity()));
    json!({
        "type": "session_hello",
        "protocolVersion": 1,
        "meshId": mesh_of(peer, names),
        "parentMemberId": known(names, &format!("{name}.member")),
        "parentMemberPubkey": parent_key,
        "sessionPubkey": session_key,
        "parentAttestation": {
            "sessionPubkey": session_key,
            "parentMemberPubkey": parent_key,
            "expiresAt": stamp + ATTESTATION_MS,
        },
        "displayName": format!("{name}-{session}"),
        "sessionId": format!("{name}-{session}"),
        "pid": 2,
        "cwd": format!("/src/{name}/{session}"),
        "hostname": format!("{name}-host"),
        "peerType": "ai",
        "channel": "claudemesh-session",
        "timestamp": stamp,
    })
}

fn sign_member(peer: &Peer, hello: &mut Value, signer: Option<String>) {
    let signer = keys::pair(&signer.unwrap_or_else(|| peer.name.clone()));
    let [mesh, member, key, stamp] =
        ["meshId", "memberId", "pubkey", "timestamp"].map(|field| text(&hello[field]));
    sign(hello, keys::sign_hello(&signer, &mesh, &member, &key, &stamp));
}

fn sign_session(peer: &Peer, hello: &mut Value, signer: Option<String>, attester: Option<String>) {
    if let Some(attestation) =
        hello.get_mut("parentAttestation").filter(|attestation| attestation.is_object())
    {
        let attester = keys::pair(&attester.unwrap_or_else(|| peer.name.clone()));
        let fields = ["parentMemberPubkey", "sessionPubkey", "expiresAt"];
        let [parent, session, expires] = fields.map(|field| text(&attestation[field]));
        sign(attestation, keys::sign_attestation(&attester, &parent, &session, &expires));
    }
    let signer = keys::pair(&signer.unwrap_or_else(|| peer.identity()));
    let fields = ["meshId", "parentMemberPubkey", "sessionPubkey", "timestamp"];
    let [mesh, parent, session, stamp] = fields.map(|field| text(&hello[field]));
    sign(hello, keys::sign_session_hello(&signer, &mesh, &parent, &session, &stamp));
}

/// A signature that the story gave itself stays.
fn sign(message: &mut Value, signature: String) {
    if let Some(object) = message.as_object_mut() {
        object.entry("signature").or_insert_with(|| signature.into());
    }
}

/// A value as it stands in signed bytes.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::story::act::{Act, Deed};

    fn hello_of(step: &str) -> Value {
        let Ok(Act::Peer(peer, Deed::Greets(greeting))) = Act::parse(step) else { panic!("{step}") };
        let mut names = Names::default();
        names.set("mesh", "mesh-1");
        names.set("ann.mesh", "mesh-1");
        names.set("ann.member", "mem-1");
        serde_json::from_str(&hello(&peer, &greeting, &names, 1_000, 1_000).unwrap()).unwrap()
    }

    #[test]
    fn a_member_says_hello_with_the_signature_of_its_fields() {
        let hello = hello_of("ann connects with pid=7 !hostname timestamp=now-400");
        assert_eq!((&hello["pid"], &hello["timestamp"]), (&json!(7), &json!(600)));
        assert!(hello.get("hostname").is_none() && hello.get("sessionPubkey").is_none());
        let wanted = keys::sign_hello(&keys::pair("ann"), "mesh-1", "mem-1", &keys::public("ann"), "600");
        assert_eq!(hello["signature"], json!(wanted));
    }

    #[test]
    fn a_session_is_attested_by_its_member() {
        let hello = hello_of("ann.s1 greets with parentAttestation.expiresAt=now+5");
        let (ann, session) = (keys::public("ann"), keys::public("ann.s1"));
        let attested = keys::sign_attestation(&keys::pair("ann"), &ann, &session, "1005");
        assert_eq!(hello["parentAttestation"]["signature"], json!(attested));
        let signed = keys::sign_session_hello(&keys::pair("ann.s1"), "mesh-1", &ann, &session, "1000");
        assert_eq!(hello["signature"], json!(signed));
    }

    #[test]
    fn others_can_sign_and_fields_can_change_after_signing() {
        let honest = hello_of("ann greets");
        assert_ne!(hello_of("ann greets with signer=eve")["signature"], honest["signature"]);
        let forged = hello_of("ann greets then memberId=other");
        assert_eq!(forged["signature"], honest["signature"]);
        assert_eq!(forged["memberId"], "other");
        let session = hello_of("ann.s1 greets with attester=eve");
        assert_ne!(session["parentAttestation"], hello_of("ann.s1 greets")["parentAttestation"]);
    }

    #[test]
    fn a_legacy_client_shows_a_session_key_in_an_ordinary_hello() {
        let hello = hello_of("ann.s1 connects legacy");
        assert_eq!((&hello["type"], &hello["channel"]), (&json!("hello"), &json!("claude-code")));
        assert_eq!(hello["sessionPubkey"], json!(keys::public("ann.s1")));
    }
}
