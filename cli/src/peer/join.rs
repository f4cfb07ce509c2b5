//! `join`: makes a key, has the broker enrol it with an invite, keeps it as a profile.

use serde_json::{Value, json};

use super::PeerError;
use super::invite::Invite;
use super::profile::{self, Profile};
use crate::address::Address;
use crate::daemon::reload;
use crate::failure::Failure;
use crate::home::Home;
use crate::http::{self, HttpError, Question};
use crate::terminal::Terminal;

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Join<'a> {
    pub(crate) invite: &'a str,
    pub(crate) name: Option<&'a str>,
    /// Replaces the broker that the invite names.
    pub(crate) broker: Option<&'a str>,
}

/// Joins a mesh.
pub(crate) fn run(
    home: &Home,
    join: &Join<'_>,
    env: &dyn Fn(&str) -> Option<String>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let invite = Invite::parse(join.invite)?;
    let named = join.name.map(str::to_owned).unwrap_or_else(|| login_name(env));
    let name = profile::check_name(&named)?;
    let broker = join.broker.map_or_else(|| invite.field("broker_url"), Ok)?;
    let address = Address::parse(broker)?;
    let _turn = profile::take_turn(home, name)?;
    let (mut profile, is_fresh) = claim(home, name, &invite, broker)?;
    let enrolled = enrol(&address, &invite, &profile);
    if is_fresh && enrolled.as_ref().is_err_and(never_arrived) {
        profile.discard(home);
    }
    let (member_id, already) = enrolled?;
    profile.member_id = Some(member_id.clone());
    profile.update(home)?;
    let told = reload::tell(home, &profile, terminal);
    let value = json!({
        "member_id": member_id,
        "mesh_id": profile.mesh_id,
        "pubkey": profile.public_key().hex(),
        "profile": name,
        "already_member": already,
        "daemon": told,
    });
    let said = format!(
        "{} {} as {name} ({})",
        if already { "already a member of" } else { "joined" },
        profile.mesh_slug,
        profile.public_key().hex()
    );
    Ok(terminal.result(&value, [said.as_str()])?)
}

/// The profile to enrol: a fresh one, or the one of that name if it is of the same mesh.
fn claim(home: &Home, name: &str, invite: &Invite, broker: &str) -> Result<(Profile, bool), PeerError> {
    let (mesh_id, slug) = (invite.field("mesh_id")?, invite.field("mesh_slug")?);
    match Profile::find(home, name)? {
        Some(mut profile) if profile.mesh_id == mesh_id => {
            profile.broker_url = broker.to_owned();
            Ok((profile, false))
        }
        Some(profile) => Err(PeerError::ProfileTaken { name: name.into(), mesh: profile.mesh_slug }),
        None => {
            let profile = Profile::fresh(name, mesh_id, slug, broker)?;
            profile.create(home)?;
            Ok((profile, true))
        }
    }
}

/// `POST /join` (mesh protocol, section 1.5): the member's id, and whether it was a member before.
fn enrol(address: &Address, invite: &Invite, profile: &Profile) -> Result<(String, bool), PeerError> {
    let body = json!({
        "invite_token": invite.invite_token,
        "invite_payload": invite.invite_payload,
        "peer_pubkey": profile.public_key().hex(),
        "display_name": profile.name,
    });
    let answer = http::ask(
        address,
        &Question { method: "POST", target: "/join", token: None, body: Some(&body), header: None },
    )?;
    judge(profile, answer.status, &answer.json())
}

fn judge(profile: &Profile, status: u16, said: &Value) -> Result<(String, bool), PeerError> {
    let name = || profile.name.clone();
    let error = || {
        let text = said.get("error").and_then(Value::as_str);
        text.map_or_else(|| format!("status {status}"), str::to_owned)
    };
    match (status, said.get("memberId").and_then(Value::as_str)) {
        (400, None) if error() == "member_key_rotated" => Err(match profile.next_key() {
            Some(_) => PeerError::RotationUnknown { name: name(), why: "it was not ended here".to_owned() },
            None => PeerError::KeyReplaced { name: name() },
        }),
        (200, Some(member)) => Ok((member.to_owned(), said.get("alreadyMember") == Some(&Value::Bool(true)))),
        (429 | 500.., _) => Err(PeerError::JoinFailed { error: error() }),
        (_, _) => Err(PeerError::JoinRefused { error: error() }),
    }
}

/// True when the broker certainly does not know the key, so that nothing is lost with it.
fn never_arrived(error: &PeerError) -> bool {
    matches!(
        error,
        PeerError::JoinRefused { .. }
            | PeerError::Http(HttpError::Unreachable { .. } | HttpError::Distrusted { .. })
    )
}

/// The login name as far as it can name a profile.
fn login_name(env: &dyn Fn(&str) -> Option<String>) -> String {
    let login = env("USER").or_else(|| env("LOGNAME")).unwrap_or_default().to_ascii_lowercase();
    let fits =
        |letter: &char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-_".contains(*letter);
    let name: String = login.chars().filter(fits).take(64).collect();
    if name.is_empty() { "peer".into() } else { name }
}

#[cfg(test)]
mod tests {
    use peermesh_core::config::Secret;

    use super::*;

    fn invite(mesh: &str) -> Invite {
        let payload = json!({ "mesh_id": mesh, "mesh_slug": "demo", "broker_url": "ws://127.0.0.1:9/ws" });
        Invite { invite_token: "t".into(), invite_payload: payload }
    }

    fn home() -> (tempfile::TempDir, Home) {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("mesh")), &|_| None).unwrap();
        (dir, home)
    }

    #[test]
    fn a_join_that_was_cut_off_goes_on_with_the_same_key() {
        let (_dir, home) = home();
        let (first, fresh) = claim(&home, "ann", &invite("m1"), "ws://x/ws").unwrap();
        let (again, fresh_again) = claim(&home, "ann", &invite("m1"), "ws://y/ws").unwrap();
        assert!(fresh && !fresh_again);
        assert_eq!(first.public_key(), again.public_key());
        assert_eq!(again.broker_url, "ws://y/ws");
    }

    #[test]
    fn a_profile_of_another_mesh_is_left_alone() {
        let (_dir, home) = home();
        claim(&home, "ann", &invite("m1"), "ws://x/ws").unwrap();
        let error = claim(&home, "ann", &invite("m2"), "ws://x/ws").unwrap_err();
        assert!(matches!(error, PeerError::ProfileTaken { .. }) && error.to_string().contains("--as"));
    }

    #[test]
    fn a_broker_that_is_not_there_leaves_no_profile_behind() {
        let (_dir, home) = home();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let broker = format!("http://127.0.0.1:{port}");
        let url = invite("m1").url();
        let join = Join { invite: &url, name: Some("ann"), broker: Some(&broker) };
        assert!(run(&home, &join, &|_| None, &mut Terminal::new(true)).is_err());
        assert!(Profile::find(&home, "ann").unwrap().is_none());
    }

    #[test]
    fn f_dmn_11_a_join_waits_for_whoever_replaces_the_key_of_its_profile() {
        let (_dir, home) = home();
        let (mut had, _) = claim(&home, "ann", &invite("m1"), "ws://x/ws").unwrap();
        had.intend(Some(Secret::new([9; 32])));
        let turn = profile::take_turn(&home, "ann").unwrap();
        let url = invite("m1").url();
        let join = Join { invite: &url, name: Some("ann"), broker: Some("http://127.0.0.1:9") };
        let error = run(&home, &join, &|_| None, &mut Terminal::new(true)).unwrap_err().to_string();
        assert!(error.contains("another command changes the profile ann"), "{error}");
        // What it would have written back, had it read before, is written by the other one now.
        had.update(&home).unwrap();
        drop(turn);
        let (found, is_fresh) = claim(&home, "ann", &invite("m1"), "ws://x/ws").unwrap();
        assert!(!is_fresh && found.next_key().is_some());
    }

    #[test]
    fn a_key_that_was_replaced_tells_a_join_how_to_end_that() {
        let (_dir, home) = home();
        let (mut profile, _) = claim(&home, "ann", &invite("m1"), "ws://x/ws").unwrap();
        let refused = |profile: &Profile| judge(profile, 400, &json!({ "error": "member_key_rotated" }));
        assert!(matches!(refused(&profile), Err(PeerError::KeyReplaced { .. })));
        profile.intend(Some(Secret::new([9; 32])));
        let error = refused(&profile).unwrap_err().to_string();
        assert!(error.contains("rotate-key --as ann"), "{error}");
    }

    #[test]
    fn the_login_name_becomes_a_profile_name() {
        let named = |user: &str| login_name(&|name| (name == "USER").then(|| user.to_owned()));
        assert_eq!(named("Ann.Smith"), "annsmith");
        assert_eq!(named("../.."), "peer");
    }
}
