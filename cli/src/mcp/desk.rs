//! An agent's session with the daemon: registered, kept, and ended; and what came for it.
//!
//! *Always holds:* a message is marked as seen only once the agent has come back after it was given it. What
//! was given and not marked comes again to the next session.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use peermesh_core::ids::mint_text;
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

use super::tools::Wish;
use crate::home::{self, Home, HomeError};
use crate::peer::PeerError;
use crate::peer::handover::{self, Goal, Outcome, Outgoing};
use crate::peer::letter::{Letter, text};
use crate::peer::mailbox::{self, Post};
use crate::peer::peers;
use crate::peer::profile::Profile;
use crate::peer::via::Route;
use crate::peer::waits::Shown;

/// Messages that wait for the agent in memory; more wait with the daemon.
const WAITING_MAX: usize = 500;
/// For how long a send is tried.
const SEND: Duration = Duration::from_secs(20);
/// How long a call waits for the first look into the inbox, and for trouble to pass.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks whether a wait was called off.
const LOOK: Duration = Duration::from_millis(200);

/// An agent at its place.
#[derive(Debug)]
pub(super) struct Desk {
    home: Home,
    profile: Profile,
    name: String,
    token: String,
    session_id: String,
    key: SigningKey,
    /// Held while the session is registered, so that this happens once.
    registering: Mutex<()>,
    post: Mutex<Tray>,
    changed: Condvar,
}

/// What came.
#[derive(Debug, Default)]
struct Tray {
    waiting: VecDeque<Post>,
    known: Shown,
    /// There was no room for everything: the rest is with the daemon.
    is_short: bool,
    /// Rows that were given to the agent and are not marked.
    given: Vec<String>,
    /// Why nothing comes.
    trouble: Option<String>,
    /// What waited at the beginning is here, or something keeps it away.
    is_ready: bool,
    is_over: bool,
}

impl Desk {
    /// A place for an agent that calls itself so.
    pub(super) fn new(home: Home, profile: Profile, name: String) -> Result<Desk, HomeError> {
        let mut rng = Rng::from_seed(home::random::<32>()?);
        Ok(Desk {
            home,
            profile,
            name,
            token: HEXLOWER.encode(&home::random::<32>()?),
            session_id: format!("mcp-{}", mint_text(&mut rng)),
            key: SigningKey::from_bytes(&home::random::<32>()?),
            registering: Mutex::new(()),
            post: Mutex::new(Tray::default()),
            changed: Condvar::new(),
        })
    }

    /// The way to the daemon as this session, which is registered if it is not known there.
    pub(super) fn route(&self) -> Result<Route, PeerError> {
        let _one = self.registering.lock().unwrap_or_else(PoisonError::into_inner);
        let known = || Route::to(&self.home, &self.profile, Some(self.token.clone()), true);
        match known() {
            Err(PeerError::SessionOver) => {
                self.register(&Route::to(&self.home, &self.profile, None, true)?)?;
                known()
            }
            other => other,
        }
    }

    fn register(&self, route: &Route) -> Result<(), PeerError> {
        let cwd = std::env::current_dir().map(|dir| dir.display().to_string()).unwrap_or_default();
        let body = json!({
            "token": self.token, "session_id": self.session_id, "display_name": self.name,
            "pid": std::process::id(), "cwd": cwd, "role": "agent",
            "presence": {
                "session_pubkey": self.public_key(),
                "session_secret_key": HEXLOWER.encode(&self.key.to_keypair_bytes()),
            },
        });
        route.value("POST", "/v1/sessions/register", Some(&route.in_mesh(body))).map(|_| ())
    }

    fn public_key(&self) -> String {
        HEXLOWER.encode(&self.key.verifying_key().to_bytes())
    }

    /// Ends the session: what the agent was given is marked, and others see it leave.
    pub(super) fn end(&self) {
        let given = {
            let mut tray = self.tray();
            tray.is_over = true;
            mem::take(&mut tray.given)
        };
        self.changed.notify_all();
        // A daemon that is away finds out by itself that this process has ended.
        let known = Route::to(&self.home, &self.profile, Some(self.token.clone()), true);
        let Ok(route) = known else { return };
        let _ = mailbox::mark(&route, &given);
        let _ = route.value("DELETE", &format!("/v1/sessions/{}", self.token), None);
    }

    /// The agent is there, so it has what it was given.
    pub(super) fn came_back(&self) {
        let given = mem::take(&mut self.tray().given);
        if given.is_empty() {
            return;
        }
        let marked = self.route().and_then(|route| mailbox::mark(&route, &given));
        if marked.is_err() {
            self.tray().given.extend(given);
        }
    }

    /// Who is there.
    pub(super) fn list_peers(&self) -> Result<Value, PeerError> {
        let route = self.route()?;
        let own = self.profile.public_key().hex();
        let peers: Vec<Value> = peers::list_by(&route)?.iter().map(|peer| shown(peer, &own)).collect();
        let you = json!({
            "name": self.name, "key": self.public_key(), "member_key": own, "mesh": route.mesh,
        });
        Ok(json!({ "you": you, "peers": peers }))
    }

    /// Sends a message.
    pub(super) fn send(&self, wish: &Wish) -> Result<Value, PeerError> {
        let route = self.route()?;
        let fresh = || Ok::<_, PeerError>(mint_text(&mut Rng::from_seed(home::random::<32>()?)));
        let id = wish.key.clone().map_or_else(fresh, Ok)?;
        let outgoing = Outgoing {
            to: &wish.to,
            text: &wish.text,
            priority: wish.priority,
            reply_to: wish.reply_to.as_deref(),
            id: &id,
        };
        let handed = match handover::send(&route, &outgoing, Goal::Glance, Instant::now() + SEND)? {
            Outcome::Handed(handed) => handed,
            Outcome::Refused(error) => return Err(error),
            Outcome::Unanswered(error) => return Err(PeerError::SendRetry { text: error.to_string(), id }),
        };
        let status = if handed.message_id.is_some() { "accepted" } else { "queued" };
        let mut value = json!({
            "status": status, "message_id": handed.message_id, "key": id, "to": handed.to,
            "duplicate": handed.duplicate,
        });
        if let Some(waits) = handed.waits {
            value["waits"] = waits.into();
        }
        handover::tell_reach(handed.reach, &mut value);
        Ok(value)
    }

    /// Gives what came, and waits for something until then, unless it is called off.
    ///
    /// # Errors
    /// Why nothing can come.
    pub(super) fn receive(
        &self,
        until: Instant,
        limit: usize,
        is_called_off: &dyn Fn() -> bool,
    ) -> Result<Value, String> {
        let soon = Instant::now() + GRACE;
        let mut tray = self.tray();
        while tray.waiting.is_empty() && !tray.is_over && !is_called_off() {
            let until = match (&tray.trouble, tray.is_ready) {
                // It may pass by itself; if not, the agent should hear of it before long.
                (Some(_), _) => until.min(soon),
                (None, false) => until.max(soon),
                (None, true) => until,
            };
            let left = until.saturating_duration_since(Instant::now()).min(LOOK);
            if left.is_zero() {
                break;
            }
            tray = self.changed.wait_timeout(tray, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        if is_called_off() {
            return Err("the wait was called off".to_owned());
        }
        if tray.waiting.is_empty()
            && let Some(trouble) = &tray.trouble
        {
            return Err(trouble.clone());
        }
        let count = limit.min(tray.waiting.len());
        let given: Vec<Post> = tray.waiting.drain(..count).collect();
        tray.given.extend(given.iter().flat_map(|post| post.ids.iter().cloned()));
        let messages: Vec<Value> = given.iter().map(|post| message(&post.row)).collect();
        Ok(json!({ "messages": messages, "more": tray.waiting.len() }))
    }

    /// Puts what came into the tray. What does not fit stays with the daemon, which may have more.
    pub(super) fn deliver(&self, posts: Vec<Post>, has_more: bool) {
        let mut tray = self.tray();
        tray.is_short |= has_more;
        for post in posts {
            if tray.waiting.len() >= WAITING_MAX {
                tray.is_short = true;
                break;
            }
            if tray.known.is_first(&mailbox::identity(&post.row)) {
                tray.waiting.push_back(post);
            } else {
                tray.join(post);
            }
        }
        self.changed.notify_all();
    }

    /// True once when there is room again for what stayed with the daemon.
    pub(super) fn wants_more(&self) -> bool {
        let mut tray = self.tray();
        let wants = tray.is_short && tray.waiting.is_empty();
        tray.is_short &= !wants;
        wants
    }

    /// Says why nothing comes, or that it does again.
    pub(super) fn set_trouble(&self, trouble: Option<String>) {
        let mut tray = self.tray();
        (tray.trouble, tray.is_ready) = (trouble, true);
        drop(tray);
        self.changed.notify_all();
    }

    /// Waits so long, or until the end; true at the end.
    pub(super) fn rest(&self, pause: Duration) -> bool {
        let tray = self.tray();
        let waited = self.changed.wait_timeout_while(tray, pause, |tray| !tray.is_over);
        waited.unwrap_or_else(PoisonError::into_inner).0.is_over
    }

    fn tray(&self) -> MutexGuard<'_, Tray> {
        self.post.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Tray {
    /// Takes rows of a message that is known: it came for the member and for the session, or was read twice.
    fn join(&mut self, post: Post) {
        let name = mailbox::identity(&post.row);
        let waiting = self.waiting.iter_mut().find(|waiting| mailbox::identity(&waiting.row) == name);
        let ids = match waiting {
            Some(waiting) => &mut waiting.ids,
            None => &mut self.given,
        };
        for id in post.ids {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
    }
}

/// A peer as agents see it.
fn shown(peer: &Value, own: &str) -> Value {
    let groups = peer["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let groups: Vec<String> = groups.iter().map(|group| text(group, "name")).collect();
    let status = if peers::is_online(peer) { text(peer, "status") } else { "offline".to_owned() };
    json!({
        "name": text(peer, "displayName"), "key": text(peer, "pubkey"), "status": status,
        "summary": text(peer, "summary"), "groups": groups,
        "is_daemon": text(peer, "peerRole") == "control-plane",
        "is_your_member": text(peer, "memberPubkey") == own,
    })
}

/// A message as agents see it.
fn message(row: &Value) -> Value {
    let mut message = Letter::of_row(row).json();
    if let Some(id) = row["reply_to_id"].as_str() {
        message["reply_to"] = id.into();
    }
    message
}
