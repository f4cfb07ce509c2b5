//! A connection that has said hello: who we are is settled, and requests get their replies.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use ed25519_dalek::Signer;
use peermesh_core::ids::PublicKey;
use peermesh_core::time::Wall;
use serde_json::{Value, json};

use super::PeerError;
use super::link::{Link, LinkError, within};
use super::profile::Profile;
use crate::address::Address;
use crate::{home, logs};

/// From a hello to its answer (mesh protocol, client constants).
const HELLO: Duration = Duration::from_secs(5);
/// From a request to its reply.
const REPLY: Duration = Duration::from_secs(5);
/// Hellos that are tried when another command signed in the very same millisecond.
const HELLO_TRIES: u32 = 5;

/// What the connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// One short command: no mail comes, nobody sees us.
    SendOnly,
    /// Takes what waits and leaves.
    Collect,
    /// Stays.
    Follow,
}

/// A connection after its hello.
#[derive(Debug)]
pub(crate) struct Session {
    link: Link,
    /// What its user has left; none is as long as each answer may take.
    until: Option<Instant>,
    requests: u64,
    /// Pushes that came while a reply was awaited.
    pushes: VecDeque<Value>,
    /// Deliveries that waited for this member at hello.
    pub(crate) queued: u64,
    /// What verifies the broker's receipts, if it told that.
    pub(crate) broker_key: Option<PublicKey>,
}

impl Session {
    /// Dials the profile's broker, or the one that was asked for, and says hello. Neither that nor any reply
    /// is waited for beyond `until`.
    pub(crate) fn open(
        profile: &Profile,
        broker: Option<&str>,
        manner: Manner,
        until: Option<Instant>,
    ) -> Result<Session, PeerError> {
        let address = Address::parse(broker.unwrap_or(&profile.broker_url))?;
        let mut tries = 0;
        loop {
            tries += 1;
            match greet(profile, &address, manner, until) {
                Err(LinkError::Refused { code, .. }) if code == "replayed" && tries < HELLO_TRIES => {
                    std::thread::sleep(Duration::from_millis(3));
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    /// Sends a request and waits for its reply.
    pub(crate) fn call(&mut self, mut request: Value) -> Result<Value, LinkError> {
        self.requests += 1;
        let id = self.requests.to_string();
        if let Value::Object(fields) = &mut request {
            fields.insert("_reqId".into(), id.as_str().into());
        }
        self.link.send(&request)?;
        self.reply_to("_reqId", &id, within(REPLY, self.until))
    }

    /// Sends a message that is answered by its `id`.
    pub(crate) fn submit(&mut self, message: &Value, id: &str, until: Instant) -> Result<Value, LinkError> {
        self.link.send(message)?;
        self.reply_to("id", id, until)
    }

    /// Sends what gets no answer.
    pub(crate) fn tell(&mut self, message: &Value) -> Result<(), LinkError> {
        self.link.send(message)
    }

    /// The next push; `None` when none came until then.
    pub(crate) fn push(&mut self, until: Option<Instant>) -> Result<Option<Value>, LinkError> {
        loop {
            let message = match self.pushes.pop_front() {
                Some(push) => return Ok(Some(push)),
                None => self.link.receive(until)?,
            };
            match message {
                Some(message) if kind(&message) == "push" => return Ok(Some(message)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Ends in good order: everything sent before has been read by the broker.
    pub(crate) fn close(self) {
        self.link.goodbye();
    }

    fn reply_to(&mut self, field: &str, id: &str, until: Instant) -> Result<Value, LinkError> {
        while let Some(message) = self.link.receive(Some(until))? {
            if kind(&message) == "push" {
                self.pushes.push_back(message);
            } else if message.get(field).and_then(Value::as_str) == Some(id) {
                return match kind(&message) {
                    "error" => Err(refusal(&message)),
                    _ => Ok(message),
                };
            }
        }
        Err(LinkError::Silent { waited_for: "a reply" })
    }
}

fn greet(
    profile: &Profile,
    address: &Address,
    manner: Manner,
    until: Option<Instant>,
) -> Result<Session, LinkError> {
    let mut link = Link::dial(address, until)?;
    let nonsense = |_| LinkError::Nonsense { what: "no randomness" };
    let random = HEXLOWER.encode(&home::random::<8>().map_err(nonsense)?);
    link.send(&hello(profile, manner, &random, logs::wall_now()))?;
    let answered = within(HELLO, until);
    while let Some(message) = link.receive(Some(answered))? {
        match kind(&message) {
            "hello_ack" => {
                let queued = message.get("queued").and_then(Value::as_u64).unwrap_or(0);
                let broker_key = message.get("brokerPubkey").and_then(Value::as_str);
                let broker_key = broker_key.and_then(PublicKey::from_hex);
                return Ok(Session { link, until, requests: 0, pushes: VecDeque::new(), queued, broker_key });
            }
            "error" => return Err(refusal(&message)),
            _ => {}
        }
    }
    Err(LinkError::Silent { waited_for: "the answer to our hello" })
}

/// The hello of a profile (mesh protocol, section 2.1).
///
/// A receiving session has a fixed id, so that the next one of the same profile takes its place instead of
/// standing beside it; one that only collects does not push a following one aside.
fn hello(profile: &Profile, manner: Manner, random: &str, at: Wall) -> Value {
    let member = profile.member_id.as_deref().unwrap_or_default();
    let (key, timestamp) = (profile.public_key().hex(), at.as_millis());
    let signed = format!("{}|{member}|{key}|{timestamp}", profile.mesh_id);
    let signature = profile.signing_key().sign(signed.as_bytes());
    let cwd = std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let mut hello = json!({
        "type": "hello",
        "protocolVersion": 1,
        "meshId": profile.mesh_id,
        "memberId": member,
        "pubkey": key,
        "pid": std::process::id(),
        "cwd": cwd,
        "hostname": host,
        "timestamp": timestamp,
        "signature": HEXLOWER.encode(&signature.to_bytes()),
    });
    let (session, capabilities) = match manner {
        Manner::SendOnly => (format!("peermesh-{random}"), json!(["send_only"])),
        Manner::Collect => ("peermesh-inbox".to_owned(), json!([])),
        Manner::Follow => ("peermesh-follow".to_owned(), json!([])),
    };
    if let Value::Object(fields) = &mut hello {
        fields.insert("sessionId".into(), session.into());
        fields.insert("channel".into(), "peermesh".into());
        fields.insert("capabilities".into(), capabilities);
    }
    hello
}

fn refusal(message: &Value) -> LinkError {
    let text = |field: &str| message.get(field).and_then(Value::as_str).unwrap_or_default();
    LinkError::refused(text("code"), text("message"))
}

fn kind(message: &Value) -> &str {
    message.get("type").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use ed25519_dalek::{Signature, Verifier};

    use super::*;

    #[test]
    fn a_hello_is_signed_over_mesh_member_key_and_time() {
        let mut profile = Profile::fresh("ann", "mesh-1", "demo", "ws://127.0.0.1:7900/ws").unwrap();
        profile.member_id = Some("mem-1".into());
        let hello = hello(&profile, Manner::SendOnly, "00ff", Wall::from_millis(1_700_000_000_000));
        let signed = format!("mesh-1|mem-1|{}|1700000000000", profile.public_key().hex());
        let bytes = HEXLOWER.decode(hello["signature"].as_str().unwrap().as_bytes()).unwrap();
        let signature = Signature::from_slice(&bytes).unwrap();
        assert!(profile.signing_key().verifying_key().verify(signed.as_bytes(), &signature).is_ok());
        assert_eq!(hello["capabilities"], json!(["send_only"]));
        assert!(hello.get("sessionPubkey").is_none());
    }

    #[test]
    fn receiving_sessions_of_a_profile_keep_their_id() {
        let profile = Profile::fresh("ann", "m", "s", "ws://x/ws").unwrap();
        let id = |manner, random| hello(&profile, manner, random, Wall::default())["sessionId"].clone();
        assert_eq!(id(Manner::Follow, "1"), id(Manner::Follow, "2"));
        assert_ne!(id(Manner::Follow, "1"), id(Manner::Collect, "1"));
        assert_ne!(id(Manner::SendOnly, "1"), id(Manner::SendOnly, "2"));
    }
}
