//! Who may do what with which topic.
//!
//! *Decides* whose a token is and what it opens. A token is a JSON Web Token signed with HS256 under the
//! secret of this gate (live protocol, 3.1); the secret itself is the operator's token and opens everything.
//! *Does not* know whether a token was revoked.
//! *Always holds:* what no right names is refused; a token without an end opens nothing.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use serde::de::IgnoredAny;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::config::{Pattern, Secret};
use crate::time::Wall;

/// What can be done with a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Subscribe,
    Publish,
    Presence,
    History,
}

/// Somebody whose token was checked.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub user: Arc<str>,
    pub rights: Rights,
    /// When the token was made; the beginning of time where it does not say.
    pub issued: Wall,
    /// When it runs out; none for the operator.
    pub expires: Option<Wall>,
}

/// What a token opens.
#[derive(Clone, Debug)]
pub(crate) enum Rights {
    /// All of it: the operator's.
    All,
    Of(Arc<Grants>),
}

/// Topics by what may be done with them.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    subscribe: Vec<Pattern>,
    publish: Vec<Pattern>,
    presence: Vec<Pattern>,
    history: Vec<Pattern>,
}

/// The operator's name where names of users stand.
const OPERATOR: &str = "operator";
/// Patterns of one token, of each right.
const PATTERNS_MAX: usize = 256;

#[derive(Deserialize)]
struct Head {
    alg: String,
    /// What a reader has to understand, and this one does not.
    crit: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    /// Seconds, as the standard has it; fractions are allowed there.
    exp: f64,
    iat: Option<f64>,
    nbf: Option<f64>,
    #[serde(default)]
    live: Granted,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Granted {
    subscribe: Vec<String>,
    publish: Vec<String>,
    presence: Vec<String>,
    history: Vec<String>,
}

impl Identity {
    /// Whose a token is; `None` when it opens nothing at this time.
    pub(crate) fn of(token: &str, secret: &Secret, now: Wall) -> Option<Identity> {
        let digest = |bytes: &[u8]| Sha256::digest(bytes);
        if digest(token.as_bytes()).as_slice().ct_eq(digest(secret.expose()).as_slice()).into() {
            let (user, rights) = (OPERATOR.into(), Rights::All);
            return Some(Identity { user, rights, issued: now, expires: None });
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (head, body) = signed.split_once('.')?;
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).ok()?;
        mac.update(signed.as_bytes());
        mac.verify_slice(&BASE64URL_NOPAD.decode(signature.as_bytes()).ok()?).ok()?;
        let head: Head = serde_json::from_slice(&BASE64URL_NOPAD.decode(head.as_bytes()).ok()?).ok()?;
        let claims = BASE64URL_NOPAD.decode(body.as_bytes()).ok()?;
        let claims: Claims = serde_json::from_slice(&claims).ok()?;
        let (expires, issued) = (stamp(claims.exp)?, claims.iat.map_or(Some(Wall::default()), stamp)?);
        let begins = claims.nbf.map_or(Some(Wall::default()), stamp)?;
        let is_plain = head.alg == "HS256" && head.crit.is_none();
        let is_somebodys = !claims.sub.is_empty() && claims.sub != OPERATOR;
        let fits = is_plain && is_somebodys && now < expires && begins <= now;
        let rights = Rights::Of(Arc::new(claims.live.grants()?));
        fits.then(|| Identity { user: claims.sub.into(), rights, issued, expires: Some(expires) })
    }

    /// True when this may be done with that topic.
    pub(crate) fn may(&self, right: Right, topic: &str) -> bool {
        let Rights::Of(grants) = &self.rights else { return true };
        let patterns = match right {
            Right::Subscribe => &grants.subscribe,
            Right::Publish => &grants.publish,
            Right::Presence => &grants.presence,
            Right::History => &grants.history,
        };
        patterns.iter().any(|pattern| pattern.fits(topic))
    }

    pub(crate) fn is_operator(&self) -> bool {
        matches!(self.rights, Rights::All)
    }
}

impl Granted {
    fn grants(self) -> Option<Grants> {
        let read = |texts: Vec<String>| {
            let fits = texts.len() <= PATTERNS_MAX;
            fits.then(|| texts.iter().map(|text| Pattern::new(text)).collect())
        };
        Some(Grants {
            subscribe: read(self.subscribe)?,
            publish: read(self.publish)?,
            presence: read(self.presence)?,
            history: read(self.history)?,
        })
    }
}

/// A time in seconds as a stamp; `None` for what is no time within the next ten thousand years.
fn stamp(seconds: f64) -> Option<Wall> {
    const SECONDS_MAX: f64 = 3.0e11;
    let is_time = (0.0..SECONDS_MAX).contains(&seconds);
    #[allow(clippy::cast_possible_truncation, reason = "the range was checked, and fractions do not count")]
    is_time.then(|| Wall::from_millis((seconds * 1_000.0) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Wall = Wall::from_millis(1_700_000_000_000);

    fn secret() -> Secret {
        Secret::new("a secret of some length")
    }

    fn token(head: &str, claims: &str) -> String {
        let part = |text: &str| BASE64URL_NOPAD.encode(text.as_bytes());
        let signed = format!("{}.{}", part(head), part(claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(secret().expose()).unwrap();
        mac.update(signed.as_bytes());
        format!("{signed}.{}", BASE64URL_NOPAD.encode(&mac.finalize().into_bytes()))
    }

    fn opens(head: &str, claims: &str) -> Option<Identity> {
        Identity::of(&token(head, claims), &secret(), NOW)
    }

    const HEAD: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

    #[test]
    fn a_token_opens_what_it_names_and_nothing_else() {
        let ann = r#"{"sub":"ann","exp":1700000100,"live":{"subscribe":["fleet.*"],"publish":["fleet.7"]}}"#;
        let ann = opens(HEAD, ann).unwrap();
        assert_eq!((&*ann.user, ann.expires), ("ann", Some(Wall::from_millis(1_700_000_100_000))));
        assert!(ann.may(Right::Subscribe, "fleet.8") && ann.may(Right::Publish, "fleet.7"));
        assert!(!ann.may(Right::Publish, "fleet.8") && !ann.may(Right::Subscribe, "chat"));
        assert!(!ann.may(Right::History, "fleet.7") && !ann.may(Right::Presence, "fleet.7"));
    }

    #[test]
    fn aut_a_token_that_ran_out_begins_later_or_is_signed_otherwise_opens_nothing() {
        assert!(opens(HEAD, r#"{"sub":"ann","exp":1700000001}"#).is_some());
        for (head, claims) in [
            (HEAD, r#"{"sub":"ann","exp":1700000000}"#),
            (HEAD, r#"{"sub":"ann"}"#),
            (HEAD, r#"{"exp":1700000001}"#),
            (HEAD, r#"{"sub":"ann","exp":1700000009,"nbf":1700000001}"#),
            (HEAD, r#"{"sub":"operator","exp":1700000009}"#),
            (HEAD, r#"{"sub":"","exp":1700000009}"#),
            (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, r#"{"sub":"ann","exp":1700000009}"#),
            (HEAD, r#"{"sub":"ann","exp":1e300}"#),
            (r#"{"alg":"none"}"#, r#"{"sub":"ann","exp":1700000009}"#),
            (r#"{"alg":"RS256"}"#, r#"{"sub":"ann","exp":1700000009}"#),
            ("{}", r#"{"sub":"ann","exp":1700000009}"#),
        ] {
            assert!(opens(head, claims).is_none(), "{head} {claims}");
        }
        let right = token(HEAD, r#"{"sub":"ann","exp":1700000009}"#);
        let (signed, _) = right.rsplit_once('.').unwrap();
        for forged in [format!("{signed}."), signed.to_owned(), format!("{signed}.AAAA"), String::new()] {
            assert!(Identity::of(&forged, &secret(), NOW).is_none(), "{forged}");
        }
        assert!(Identity::of(&right, &Secret::new("another"), NOW).is_none());
    }

    #[test]
    fn the_secret_itself_is_the_operators() {
        let operator = Identity::of("a secret of some length", &secret(), NOW).unwrap();
        assert!(operator.is_operator() && operator.may(Right::Publish, "anything"));
    }
}
