//! `invite`: a link by which others join a mesh.

use std::time::Duration;

use serde_json::{Value, json};

use super::AdminError;
use super::api::{Api, text};
use super::mesh::path;
use crate::address::Address;
use crate::failure::Failure;
use crate::logs;
use crate::peer::invite::Invite;
use crate::terminal::Terminal;

/// What an invite grants.
#[derive(Debug)]
pub(crate) struct Offer<'a> {
    /// How many peers may join with it.
    pub(crate) uses: u32,
    pub(crate) role: &'a str,
    /// For how long.
    pub(crate) expires: Duration,
}

/// Makes an invite and prints its link.
pub(crate) fn invite(
    api: &Api,
    mesh: &str,
    offer: &Offer<'_>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let until = logs::wall_now().as_millis() / 1_000;
    let until = until.saturating_add(i64::try_from(offer.expires.as_secs()).unwrap_or(i64::MAX));
    let body = json!({ "uses": offer.uses, "role": offer.role, "expires_at": until });
    let mut answer = api.ask("POST", &format!("{}/invites", path(mesh)), Some(&body))?;
    let invite = Invite {
        invite_token: text(&answer, "invite_token")?.to_owned(),
        invite_payload: match answer.get("invite_payload") {
            Some(payload @ Value::Object(_)) => payload.clone(),
            _ => return Err(AdminError::Incomplete { field: "invite_payload" }.into()),
        },
    };
    if let Some(warning) = reach_warning(&invite) {
        terminal.remark(&warning);
    }
    let url = invite.url();
    answer["url"] = url.as_str().into();
    Ok(terminal.result(&answer, [url.as_str()])?)
}

/// What to say when only this machine can use the invite.
fn reach_warning(invite: &Invite) -> Option<String> {
    let url = invite.field("broker_url").ok()?;
    Address::parse(url).ok().filter(Address::is_loopback)?;
    Some(format!(
        "warning: this invite leads to {url}, so it works on this machine only; \
         for others start the broker with --public-url ws://HOST:PORT/ws"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invite_that_only_works_here_comes_with_a_warning() {
        let invite = |url: &str| Invite {
            invite_token: "t".into(),
            invite_payload: json!({ "mesh_id": "m", "mesh_slug": "demo", "broker_url": url }),
        };
        assert!(reach_warning(&invite("ws://127.0.0.1:7900/ws")).unwrap().contains("--public-url"));
        assert!(reach_warning(&invite("ws://mesh.example:7900/ws")).is_none());
        assert!(reach_warning(&invite("wss://mesh.example/ws")).is_none());
    }
}
