//! Who runs on this host: sessions of programs, by the token that each of them shows.
//!
//! *Decides* what a registration must hold, and when a session has been silent for too long.
//! *Always holds:* a token is kept only as its hash, and a session's secret key leaves in no answer.

use std::collections::BTreeMap;
use std::fmt;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::hello::Persona;
use super::outbox::Answer;
use super::setup::Membership;
use super::watch::Seen;
use crate::config::{DaemonLimits, Secret};
use crate::ids::PublicKey;
use crate::kit::bucket::Bucket;
use crate::seal::{self, Sealed};
use crate::time::{Mono, Now, Wall};

/// What a session shows with each request: the hash of its token.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Token([u8; 32]);

impl Token {
    /// Reads 64 hex digits.
    pub(super) fn read(text: &str) -> Option<Token> {
        let is_hex = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
        is_hex.then(|| Token(Sha256::digest(text.to_ascii_lowercase()).into()))
    }
}

impl Token {
    /// As the store keeps it.
    pub(super) const fn hash(self) -> [u8; 32] {
        self.0
    }

    /// As the store kept it.
    pub(super) const fn of_hash(hash: [u8; 32]) -> Token {
        Token(hash)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// One session of a program.
#[derive(Debug)]
pub(super) struct Session {
    /// The first digits of its token, by which people tell it from others.
    token_prefix: String,
    pub(super) session_id: String,
    /// The place of its mesh.
    pub(super) mesh: usize,
    /// The mesh's slug.
    slug: String,
    display_name: String,
    pid: u32,
    /// What is known of its process.
    pub(super) seen: Seen,
    cwd: Option<String>,
    role: Option<String>,
    groups: Vec<String>,
    /// Its own key, where it has one; then it has a socket too.
    pub(super) presence: Option<SigningKey>,
    pub(super) registered_at: Wall,
    used: Mono,
    pub(super) budget: Bucket,
}

impl Session {
    /// The number of its process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// The key others know it by.
    pub(super) fn public_key(&self) -> Option<PublicKey> {
        self.presence.as_ref().map(|key| PublicKey(key.verifying_key().to_bytes()))
    }

    /// How its mesh sees it.
    pub(super) fn persona(&self) -> Option<Persona> {
        Some(Persona {
            key: self.presence.clone()?,
            session_id: self.session_id.clone(),
            display_name: self.display_name.clone(),
            pid: self.pid,
            cwd: self.cwd.clone(),
            role: self.role.clone(),
            groups: self.groups.clone(),
        })
    }

    /// How the store keeps it: its key is sealed with its member's, for that member alone.
    pub(super) fn kept(&self, member: &SigningKey, nonce: [u8; seal::NONCE_BYTES]) -> String {
        self.sealed(member, nonce).to_string()
    }

    fn sealed(&self, member: &SigningKey, nonce: [u8; seal::NONCE_BYTES]) -> Value {
        let mut kept = self.shown();
        if let Some(key) = &self.presence {
            let own = PublicKey(member.verifying_key().to_bytes());
            let sealed = seal::seal(member, own, &HEXLOWER.encode(&key.to_bytes()), nonce);
            kept["sealed"] =
                sealed.map(|sealed| json!([sealed.nonce, sealed.ciphertext])).unwrap_or_default();
        }
        kept
    }

    /// How the store keeps it after its end.
    pub(super) fn bequeathed(&self, member: &SigningKey, nonce: [u8; seal::NONCE_BYTES]) -> String {
        let mut kept = self.sealed(member, nonce);
        kept["ended"] = true.into();
        kept.to_string()
    }

    /// Reads it back; none when it was not kept so, or by another member.
    pub(super) fn restored(
        about: &Value,
        mesh: usize,
        own: &Membership,
        bounds: &DaemonLimits,
        now: Now,
    ) -> Option<Session> {
        let text = |name: &str| about.get(name).and_then(Value::as_str).map(str::to_owned);
        let presence = match about.get("sealed") {
            None => None,
            Some(sealed) => {
                let part = |at: usize| sealed.get(at).and_then(Value::as_str).map(str::to_owned);
                let body = Sealed { nonce: part(0)?, ciphertext: part(1)? };
                let member = Secret::new(own.signing_key().to_scalar_bytes());
                // The member may have got another key while nobody ran.
                let mut keys = std::iter::once(&member).chain(&own.former);
                let seed = keys.find_map(|key| seal::open_own(key, &body).ok())?;
                let seed = HEXLOWER.decode(seed.as_bytes()).ok()?;
                Some(SigningKey::from_bytes(&seed.try_into().ok()?))
            }
        };
        let groups = about.get("groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        Some(Session {
            token_prefix: text("token_prefix")?,
            session_id: text("sessionId")?,
            mesh,
            slug: text("mesh")?,
            display_name: text("displayName")?,
            pid: about.get("pid")?.as_u64()?.try_into().ok()?,
            seen: text("startTime").map_or(Seen::Unlooked, |start| Seen::There(Some(start.into()))),
            cwd: text("cwd"),
            role: text("role"),
            groups: groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            presence,
            registered_at: Wall::from_millis(about.get("registeredAt")?.as_i64()?),
            used: now.mono,
            budget: Bucket::new(bounds.local_requests_per_minute(), bounds.local_requests_burst()),
        })
    }

    /// How programs of the host see it: without anything secret.
    pub(super) fn shown(&self) -> Value {
        let mut shown = json!({
            "sessionId": self.session_id,
            "mesh": self.slug,
            "displayName": self.display_name,
            "pid": self.pid,
            "registeredAt": self.registered_at.as_millis(),
            "token_prefix": self.token_prefix,
        });
        let mut put = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                shown[name] = value;
            }
        };
        put("cwd", self.cwd.as_deref().map(Value::from));
        put("role", self.role.as_deref().map(Value::from));
        put("groups", (!self.groups.is_empty()).then(|| json!(self.groups)));
        if let Seen::There(Some(start)) = &self.seen {
            put("startTime", Some(json!(start)));
        }
        put("presence", self.public_key().map(|key| json!({ "sessionPubkey": key.hex() })));
        shown
    }
}

/// A registration that can be used.
#[derive(Debug)]
pub(super) struct Registration {
    pub(super) token: Token,
    pub(super) session: Session,
    /// A presence was asked for and could not be used, for this reason.
    pub(super) presence_flaw: Option<&'static str>,
}

/// Reads a registration. `place` finds a mesh by its slug.
///
/// # Errors
/// The answer to one that cannot be used.
pub(super) fn read(
    body: &Value,
    place: impl Fn(&str) -> Option<usize>,
    bounds: &DaemonLimits,
    now: Now,
) -> Result<Registration, Answer> {
    let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    let missing = |name: &str| Answer::error(400, &format!("{name} is missing or has the wrong form"));
    let need = |name: &str| text(name).ok_or_else(|| missing(name));
    let token_text = need("token")?;
    let token = Token::read(token_text).ok_or_else(|| missing("token"))?;
    let (session_id, slug, display_name) = (need("session_id")?, need("mesh")?, need("display_name")?);
    let pid = body.get("pid").and_then(Value::as_u64).and_then(|pid| u32::try_from(pid).ok());
    let pid = pid.filter(|pid| *pid != 0).ok_or_else(|| missing("pid"))?;
    let mesh =
        place(slug).ok_or_else(|| Answer::new(404, json!({ "error": "mesh_not_attached", "mesh": slug })))?;
    let (presence, presence_flaw) = match body.get("presence").filter(|presence| !presence.is_null()) {
        None => (None, None),
        Some(presence) => match read_presence(presence) {
            Ok(key) => (Some(key), None),
            Err(flaw) => (None, Some(flaw)),
        },
    };
    let groups = body.get("groups").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let session = Session {
        token_prefix: token_text[..8].to_ascii_lowercase(),
        session_id: session_id.to_owned(),
        mesh,
        slug: slug.to_owned(),
        display_name: display_name.to_owned(),
        pid,
        seen: Seen::Unlooked,
        cwd: text("cwd").map(str::to_owned),
        role: text("role").map(str::to_owned),
        groups: groups.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        presence,
        registered_at: now.wall,
        used: now.mono,
        budget: Bucket::new(bounds.local_requests_per_minute(), bounds.local_requests_burst()),
    };
    Ok(Registration { token, session, presence_flaw })
}

/// The session's key, if secret and public one belong together.
fn read_presence(presence: &Value) -> Result<SigningKey, &'static str> {
    let text = |name: &str| presence.get(name).and_then(Value::as_str).unwrap_or_default();
    let public = PublicKey::from_hex(&text("session_pubkey").to_ascii_lowercase());
    let public = public.ok_or("session_pubkey is not 64 hex digits")?;
    let secret = HEXLOWER.decode(text("session_secret_key").to_ascii_lowercase().as_bytes());
    let secret: Option<[u8; 64]> = secret.ok().and_then(|secret| secret.try_into().ok());
    let secret = secret.ok_or("session_secret_key is not 128 hex digits")?;
    let mut seed = [0; 32];
    seed.copy_from_slice(&secret[..32]);
    let key = SigningKey::from_bytes(&seed);
    let is_pair = key.verifying_key().to_bytes() == public.0 && secret[32..] == public.0;
    if is_pair { Ok(key) } else { Err("session_secret_key is not the key of session_pubkey") }
}

/// All sessions.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    /// Those of an earlier run are among them.
    pub(super) is_known: bool,
    all: BTreeMap<Token, Session>,
}

impl Sessions {
    /// Adds a session, and hands back those that it takes the place of: of the same token, of the same id, or
    /// of the same key.
    pub(super) fn add(&mut self, token: Token, session: Session) -> Vec<(Token, Session)> {
        let gone = self.like(token, &session);
        let gone = gone.into_iter().filter_map(|token| Some((token, self.all.remove(&token)?))).collect();
        self.all.insert(token, session);
        gone
    }

    /// Sessions of the same token, of the same id, or of the same key.
    pub(super) fn like(&self, token: Token, session: &Session) -> Vec<Token> {
        let key = session.public_key();
        let is_same = |had: &Token, other: &Session| {
            *had == token
                || other.session_id == session.session_id && other.mesh == session.mesh
                || key.is_some() && other.public_key() == key
        };
        self.all.iter().filter(|(had, other)| is_same(had, other)).map(|(had, _)| *had).collect()
    }

    pub(super) fn remove(&mut self, token: Token) -> Option<Session> {
        self.all.remove(&token)
    }

    pub(super) fn find(&self, token: Token) -> Option<&Session> {
        self.all.get(&token)
    }

    pub(super) fn find_mut(&mut self, token: Token) -> Option<&mut Session> {
        self.all.get_mut(&token)
    }

    pub(super) fn tokens(&self) -> Vec<Token> {
        self.all.keys().copied().collect()
    }

    /// The session of a request, which counts as a sign of life.
    pub(super) fn touch(&mut self, token: Token, now: Mono) -> Option<&mut Session> {
        let session = self.all.get_mut(&token)?;
        session.used = now;
        Some(session)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Session> {
        self.all.values()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Those of a mesh.
    pub(super) fn of_mesh(&self, mesh: usize) -> Vec<Token> {
        self.all.iter().filter(|(_, session)| session.mesh == mesh).map(|(token, _)| *token).collect()
    }

    /// Those that were silent for too long, with their ids.
    pub(super) fn silent(&self, now: Mono, idle_ms: u64) -> Vec<(Token, String)> {
        let is_over = |session: &Session| session.used.after_millis(idle_ms) <= now;
        let over = self.all.iter().filter(|(_, session)| is_over(session));
        over.map(|(token, session)| (*token, session.session_id.clone())).collect()
    }

    /// When the next one has been silent for too long.
    pub(super) fn deadline(&self, idle_ms: u64) -> Option<Mono> {
        self.all.values().map(|session| session.used.after_millis(idle_ms)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(byte: u8) -> Value {
        let key = SigningKey::from_bytes(&[byte; 32]);
        let (public, secret) = (key.verifying_key().to_bytes(), key.to_keypair_bytes());
        json!({
            "token": format!("{byte:02x}").repeat(32), "session_id": format!("s{byte}"), "mesh": "demo",
            "display_name": "ann", "pid": 7,
            "presence": {
                "session_pubkey": HEXLOWER.encode(&public), "session_secret_key": HEXLOWER.encode(&secret),
            },
        })
    }

    fn register(body: &Value) -> Result<Registration, Answer> {
        read(body, |slug| (slug == "demo").then_some(0), &DaemonLimits::default(), Now::default())
    }

    #[test]
    fn a_session_is_shown_without_its_secret_and_without_its_token() {
        let body = body(5);
        let registration = register(&body).unwrap();
        let shown = registration.session.shown().to_string() + &format!("{registration:?}");
        for secret in [&body["token"], &body["presence"]["session_secret_key"]] {
            assert!(!shown.contains(secret.as_str().unwrap()));
        }
        assert!(registration.session.shown().to_string().contains("\"token_prefix\":\"05050505\""));
    }

    #[test]
    fn a_presence_whose_keys_do_not_belong_together_is_dropped_and_the_session_stays() {
        let mut forged = body(5);
        forged["presence"]["session_pubkey"] = body(6)["presence"]["session_pubkey"].clone();
        let registration = register(&forged).unwrap();
        assert!(registration.session.presence.is_none() && registration.presence_flaw.is_some());
    }

    #[test]
    fn what_is_missing_is_named_and_a_mesh_that_was_not_joined_is_refused() {
        for field in ["token", "session_id", "mesh", "display_name", "pid"] {
            let mut lacking = body(5);
            lacking.as_object_mut().unwrap().remove(field);
            let refused = register(&lacking).unwrap_err();
            assert!(refused.status == 400 && refused.body["error"].as_str().unwrap().starts_with(field));
        }
        let mut foreign = body(5);
        foreign["mesh"] = "other".into();
        assert_eq!(register(&foreign).unwrap_err().status, 404);
    }

    #[test]
    fn a_key_has_one_session_and_silence_ends_it() {
        let mut sessions = Sessions::default();
        let Registration { token, session, .. } = register(&body(5)).unwrap();
        assert!(sessions.add(token, session).is_empty());
        let mut again = body(5);
        again["token"] = "ab".repeat(32).into();
        again["session_id"] = "other".into();
        let Registration { token, session, .. } = register(&again).unwrap();
        assert_eq!(sessions.add(token, session).len(), 1);
        assert_eq!(sessions.len(), 1);
        let at = |millis| Mono::START.after_millis(millis);
        assert!(sessions.touch(token, at(50)).is_some());
        assert!(sessions.silent(at(149), 100).is_empty());
        assert_eq!(sessions.silent(at(150), 100).len(), 1);
    }
}
