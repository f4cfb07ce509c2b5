//! `rotate-key`: gives a member another key, with the broker's consent, and has everything here use it.
//!
//! *Decides* the order of steps. The key that is to go joins the archive, then the one that is to come is
//! written into the profile beside it, then the broker is asked, then the profile changes in one step.
//! *Always holds:* whatever ends this between two steps, the profile has a key that the broker knows or is
//! about to know, and the same command goes on with the same two keys.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signer, SigningKey};
use peermesh_core::config::Secret;
use peermesh_core::ids::PublicKey;
use peermesh_core::time::Wall;
use serde_json::{Value, json};

use super::PeerError;
use super::profile::{self, Profile};
use crate::address::Address;
use crate::daemon::archive::Archive;
use crate::daemon::place::Place;
use crate::daemon::reload;
use crate::failure::Failure;
use crate::home::{self, Home, HomeError};
use crate::http::{self, Answer, HttpError, Question};
use crate::logs::wall_now;
use crate::terminal::Terminal;

/// How long a message waits at a broker that is set up as usual: mail that was sealed to a former key at the
/// end of its time comes this much later, in milliseconds.
const MAIL_WAITS_MS: u64 = 7 * 24 * 60 * 60 * 1_000;

/// Another key, in force.
#[derive(Debug)]
struct Done {
    profile: Profile,
    former: PublicKey,
    /// Until when the broker takes mail for the former key, as it said.
    until: String,
    remarks: Vec<String>,
}

/// Replaces the profile's key.
pub(crate) fn run(
    home: &Home,
    profile: &Profile,
    broker: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let address = Address::parse(broker.unwrap_or(&profile.broker_url))?;
    let ask = |body: &Value| {
        let target = "/v1/member/key";
        http::ask(&address, &Question { method: "POST", target, token: None, body: Some(body), header: None })
    };
    let Done { profile, former, until, remarks } = rotate(home, &profile.name, &ask)?;
    remarks.iter().for_each(|remark| terminal.remark(remark));
    let told = reload::tell(home, &profile, terminal);
    let value = json!({
        "profile": profile.name,
        "mesh_id": profile.mesh_id,
        "pubkey": profile.public_key().hex(),
        "former_pubkey": former.hex(),
        "former_until": until,
        "daemon": told,
    });
    let (name, key) = (&profile.name, profile.public_key().hex());
    let said = format!("{name} has the key {key}; mail to the former one comes until {until}");
    Ok(terminal.result(&value, [said.as_str()])?)
}

fn rotate(
    home: &Home,
    name: &str,
    ask: &dyn Fn(&Value) -> Result<Answer, HttpError>,
) -> Result<Done, PeerError> {
    let _turn = profile::take_turn(home, name)?;
    // Another command may have ended what this one would have begun with.
    let mut profile = profile::choose(home, Some(name))?;
    let former = profile.public_key();
    let (mut archive, mut remarks) = keep_key(home, &profile)?;
    let next = intend(home, &mut profile)?;
    let answer = ask(&request(&profile, &next, wall_now()));
    let said = match answer.map_err(|error| unknown(name, &error)).and_then(|answer| judge(name, &answer)) {
        Err(PeerError::KeyTaken) => {
            profile.intend(None);
            profile.update(home)?;
            return Err(PeerError::KeyTaken);
        }
        judged => judged?,
    };
    let until = said["formerUntil"].as_str().unwrap_or_default().to_owned();
    if let Some(at) = Wall::from_iso(&until) {
        archive.prolong(former, at.after_millis(MAIL_WAITS_MS)).map_err(no_archive(name))?;
    }
    profile.take_next();
    profile.update(home)?;
    // The key is in force, whatever becomes of those that make room for it.
    remarks.extend(match archive.make_room() {
        Ok(forced) => forced.iter().map(ToString::to_string).collect(),
        Err(error) => vec![error.to_string()],
    });
    Ok(Done { profile, former, until, remarks })
}

/// The key that is to go joins the archive: from here on what was sealed to it is opened, whatever follows.
fn keep_key(home: &Home, profile: &Profile) -> Result<(Archive, Vec<String>), PeerError> {
    let kept = || {
        let place = Place::prepare(home)?;
        let (mut archive, remarks) = Archive::open(&place, &profile.name, wall_now())?;
        archive.keep_beside(&profile.signing_key(), wall_now())?;
        Ok((archive, remarks.iter().map(ToString::to_string).collect()))
    };
    kept().map_err(no_archive(&profile.name))
}

fn no_archive(name: &str) -> impl Fn(HomeError) -> PeerError {
    move |source| PeerError::NoArchive { name: name.to_owned(), source }
}

/// The key that is to come, written down before anybody hears of it; the one that was begun with, if one was.
fn intend(home: &Home, profile: &mut Profile) -> Result<SigningKey, PeerError> {
    if let Some(next) = profile.next_key() {
        return Ok(next);
    }
    let seed = home::random::<32>()?;
    profile.intend(Some(Secret::new(seed)));
    profile.update(home)?;
    Ok(SigningKey::from_bytes(&seed))
}

/// What the broker is asked (mesh protocol, section 1.8): signed by both keys over the same text.
fn request(profile: &Profile, next: &SigningKey, at: Wall) -> Value {
    let (mesh, member) = (profile.mesh_id.as_str(), profile.member_id.as_deref().unwrap_or_default());
    let has = profile.public_key().hex();
    let wants = PublicKey(next.verifying_key().to_bytes()).hex();
    let timestamp = at.as_millis();
    let text = format!("peermesh-rotate-key|{mesh}|{member}|{has}|{wants}|{timestamp}");
    let sign = |key: &SigningKey| HEXLOWER.encode(&key.sign(text.as_bytes()).to_bytes());
    json!({
        "meshId": mesh,
        "memberId": member,
        "pubkey": has,
        "newPubkey": wants,
        "timestamp": timestamp,
        "signature": sign(&profile.signing_key()),
        "newSignature": sign(next),
    })
}

fn unknown(name: &str, why: &dyn std::fmt::Display) -> PeerError {
    PeerError::RotationUnknown { name: name.to_owned(), why: why.to_string() }
}

fn judge(name: &str, answer: &Answer) -> Result<Value, PeerError> {
    let body = answer.json();
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let own = || name.to_owned();
    match (answer.status, text("error").as_str()) {
        (200, _) if body.get("formerUntil").is_some_and(Value::is_string) => Ok(body),
        (401, "timestamp_skew") => Err(PeerError::WrongClock),
        (401, _) => Err(PeerError::NotAMember { text: text("message") }),
        (409, "member_key_rotated") => Err(PeerError::KeyReplaced { name: own() }),
        (409, "key_taken") => Err(PeerError::KeyTaken),
        (429, "too_many_keys") => Err(PeerError::TooManyKeys { name: own(), after: text("retryAt") }),
        (400, _) => Err(PeerError::BadQuestion { text: text("message") }),
        (500.., _) => Err(unknown(name, &text("message"))),
        (status, _) => Err(PeerError::NoAnswers { status }),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};
    use std::io;
    use std::os::unix::fs::PermissionsExt;

    use ed25519_dalek::{Signature, Verifier, VerifyingKey};

    use super::*;
    use crate::failure::Exit;

    /// The part of a broker that matters here: one member's key, and the one it had last.
    struct Broker {
        key: RefCell<String>,
        former: RefCell<String>,
        rotations: Cell<u32>,
        /// The next answer is lost, before it did anything or after.
        loses: Cell<Option<bool>>,
    }

    impl Broker {
        fn of(profile: &Profile) -> Broker {
            let key = RefCell::new(profile.public_key().hex());
            Broker { key, former: RefCell::default(), rotations: Cell::new(0), loses: Cell::new(None) }
        }

        fn ask(&self, body: &Value) -> Result<Answer, HttpError> {
            let lost =
                || HttpError::Lost { address: "x".into(), error: io::ErrorKind::ConnectionReset.into() };
            let loses = self.loses.take();
            if loses == Some(false) {
                return Err(lost());
            }
            let text = |name: &str| body[name].as_str().unwrap().to_owned();
            let (old, new) = (text("pubkey"), text("newPubkey"));
            let signed = ["meshId", "memberId", "pubkey", "newPubkey"].map(text).join("|");
            let signed = format!("peermesh-rotate-key|{signed}|{}", body["timestamp"]);
            for (key, signature) in [(&old, "signature"), (&new, "newSignature")] {
                let key = VerifyingKey::from_bytes(&PublicKey::from_hex(key).unwrap().0).unwrap();
                let signature = HEXLOWER.decode(text(signature).as_bytes()).unwrap();
                key.verify(signed.as_bytes(), &Signature::from_slice(&signature).unwrap()).unwrap();
            }
            let is_again = *self.key.borrow() == new && *self.former.borrow() == old;
            if !is_again && *self.key.borrow() != old {
                let body = json!({ "error": "member_key_rotated", "message": "" });
                return Ok(Answer { status: 409, body: body.to_string().into_bytes() });
            }
            if !is_again {
                self.key.replace(new);
                self.former.replace(old);
                self.rotations.set(self.rotations.get() + 1);
            }
            match loses {
                Some(_) => Err(lost()),
                None => {
                    let until = wall_now().after_millis(MAIL_WAITS_MS).iso();
                    let body = json!({ "formerUntil": until }).to_string().into_bytes();
                    Ok(Answer { status: 200, body })
                }
            }
        }

        fn knows(&self, profile: &Profile) -> bool {
            *self.key.borrow() == profile.public_key().hex()
        }
    }

    fn joined() -> (tempfile::TempDir, Home, Profile, Broker) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        let seed = Secret::new([7; 32]);
        let profile = Profile::of_seed("ann", ("m1", "demo"), "ws://x/ws", Some("mem-1"), seed);
        profile.create(&home).unwrap();
        let broker = Broker::of(&profile);
        (dir, home, profile, broker)
    }

    fn archived(home: &Home, key: PublicKey) -> bool {
        Archive::open(&Place::of(home), "ann", wall_now()).unwrap().0.knows(key)
    }

    /// The same command once more ends with the broker's key in the profile, and loses none.
    fn ends_well(home: &Home, had: &Profile, broker: &Broker) {
        let done = rotate(home, "ann", &|body| broker.ask(body)).unwrap();
        assert_eq!(done.former, had.public_key());
        let now = profile::choose(home, Some("ann")).unwrap();
        assert!(broker.knows(&now) && now.next_key().is_none());
        assert_ne!(now.public_key(), had.public_key());
        assert_eq!(broker.rotations.get(), 1);
        assert!(archived(home, had.public_key()) && !archived(home, now.public_key()));
    }

    #[test]
    fn f_dmn_11_a_rotation_that_ends_between_two_steps_is_ended_by_the_same_command() {
        for steps in 0..=4 {
            let (_dir, home, had, broker) = joined();
            let mut profile = had.clone();
            let kept = (steps > 0).then(|| keep_key(&home, &profile).unwrap());
            let next = (steps > 1).then(|| intend(&home, &mut profile).unwrap());
            let asked = next.filter(|_| steps > 2);
            let answer = asked.map(|next| broker.ask(&request(&profile, &next, wall_now())).unwrap());
            if let (Some((mut archive, _)), Some(answer), true) = (kept, answer, steps > 3) {
                let until = Wall::from_iso(answer.json()["formerUntil"].as_str().unwrap()).unwrap();
                archive.prolong(had.public_key(), until).unwrap();
            }
            // Until the command is run again everything here goes on with the key it had.
            let found = profile::choose(&home, Some("ann")).unwrap();
            assert_eq!(found.public_key(), had.public_key(), "after {steps} steps");
            assert_eq!(broker.knows(&had), steps < 3);
            ends_well(&home, &had, &broker);
        }
    }

    #[test]
    fn f_dmn_11_a_rotation_without_an_answer_is_asked_for_again_with_the_same_keys() {
        for was_done in [false, true] {
            let (_dir, home, had, broker) = joined();
            broker.loses.set(Some(was_done));
            let error = rotate(&home, "ann", &|body| broker.ask(body)).unwrap_err();
            assert_eq!(error.exit(), Exit::Unreachable);
            assert!(error.to_string().contains("rotate-key --as ann"), "{error}");
            assert_eq!(profile::choose(&home, Some("ann")).unwrap().public_key(), had.public_key());
            ends_well(&home, &had, &broker);
        }
    }

    #[test]
    fn f_dmn_11_without_an_archive_nobody_is_asked_and_nothing_changes() {
        let (_dir, home, had, broker) = joined();
        let place = Place::prepare(&home).unwrap();
        let archive = place.archive_path("ann").parent().unwrap().to_owned();
        // A folder that others can read is none that secrets are written into.
        std::fs::create_dir(&archive).unwrap();
        std::fs::write(archive.join("other"), "").unwrap();
        std::fs::set_permissions(&archive, std::fs::Permissions::from_mode(0o755)).unwrap();
        let error = rotate(&home, "ann", &|body| broker.ask(body)).unwrap_err();
        assert!(error.to_string().starts_with("key_rotation_aborted_archive_write_failed"), "{error}");
        assert!(broker.knows(&had) && broker.rotations.get() == 0);
        let found = profile::choose(&home, Some("ann")).unwrap();
        assert_eq!((found.public_key(), found.next_key().is_none()), (had.public_key(), true));
    }

    #[test]
    fn f_dmn_11_a_rotation_that_is_refused_makes_no_former_key_give_way() {
        let (_dir, home, had, broker) = joined();
        let (mut archive, _) = Archive::open(&Place::prepare(&home).unwrap(), "ann", wall_now()).unwrap();
        let keys: Vec<SigningKey> = (20..28).map(|byte| SigningKey::from_bytes(&[byte; 32])).collect();
        let public = |key: &SigningKey| PublicKey(key.verifying_key().to_bytes());
        for (key, ago_ms) in keys.iter().zip([80, 70, 60, 50, 40, 30, 20, 10]) {
            archive.keep(key, wall_now().before_millis(ago_ms * 1_000)).unwrap();
        }
        let full = |_: &Value| {
            let body = json!({ "error": "too_many_keys", "retryAt": "2026-01-01" });
            Ok(Answer { status: 429, body: body.to_string().into_bytes() })
        };
        for _ in 0..3 {
            assert!(matches!(rotate(&home, "ann", &full), Err(PeerError::TooManyKeys { .. })));
            assert!(keys.iter().all(|key| archived(&home, public(key))));
        }
        // The one that goes is the oldest, it is named, and it goes only for a key that is in force.
        let done = rotate(&home, "ann", &|body| broker.ask(body)).unwrap();
        let there: Vec<bool> = keys.iter().map(|key| archived(&home, public(key))).collect();
        assert_eq!(there, [false, true, true, true, true, true, true, true]);
        assert!(done.remarks.iter().any(|remark| remark.contains("force_expired")), "{:?}", done.remarks);
        assert!(archived(&home, had.public_key()));
    }

    #[test]
    fn a_key_that_somebody_else_replaced_is_said_to_be_lost() {
        let (_dir, home, had, broker) = joined();
        broker.key.replace("f".repeat(64));
        let error = rotate(&home, "ann", &|body| broker.ask(body)).unwrap_err();
        assert!(matches!(error, PeerError::KeyReplaced { .. }) && error.exit() == Exit::Refused);
        assert_eq!(profile::choose(&home, Some("ann")).unwrap().public_key(), had.public_key());
    }

    #[test]
    fn one_command_at_a_time_replaces_a_key() {
        let (_dir, home, _, broker) = joined();
        let turn = profile::take_turn(&home, "ann").unwrap();
        let error = rotate(&home, "ann", &|body| broker.ask(body)).unwrap_err();
        assert!(matches!(error, PeerError::Busy { .. }), "{error}");
        drop(turn);
        assert!(rotate(&home, "ann", &|body| broker.ask(body)).is_ok());
    }

    #[test]
    fn every_refusal_has_its_exit_code_and_a_way_out() {
        for (status, body, exit, words) in [
            (401, r#"{"error":"timestamp_skew"}"#, Exit::Failed, "clock"),
            (401, r#"{"error":"revoked","message":"you were removed"}"#, Exit::Refused, "removed"),
            (409, r#"{"error":"key_taken"}"#, Exit::Failed, "again"),
            (429, r#"{"error":"too_many_keys","retryAt":"2026-01-01"}"#, Exit::Refused, "2026-01-01"),
            (503, r#"{"error":"store_down","message":"ask later"}"#, Exit::Unreachable, "ask later"),
            (404, "not found", Exit::Failed, "newer"),
        ] {
            let answer = Answer { status, body: body.as_bytes().to_vec() };
            let error = judge("ann", &answer).unwrap_err();
            assert_eq!(error.exit(), exit, "{error}");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
