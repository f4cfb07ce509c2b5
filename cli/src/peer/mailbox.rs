//! `inbox` by the daemon: what came for this member, and was not shown yet.
//!
//! *Decides* which rows of the daemon's inbox are ours: those of the session, where this program belongs to
//! one, and its member's; else the member's and those of its sessions that have ended. Mail of sessions that
//! live is left to them.
//! *Always holds:* a row is marked as seen only after it was shown, so one that was cut off comes again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};
use std::{mem, thread};

use peermesh_core::time::Wall;
use serde_json::{Value, json};

use super::PeerError;
use super::letter::{Letter, text};
use super::profile::Profile;
use super::via::Route;
use super::waits::{Shown, Waits};
use crate::daemon::stream::Event;
use crate::failure::Failure;
use crate::http::segment;
use crate::terminal::Terminal;

/// Rows of a page, and pages that are read.
const PAGE: (usize, usize) = (1_000, 20);
/// Rows that are marked as seen by one request.
const MARKED_MAX: usize = 100;
/// How long one look at the stream of events takes.
const LOOK: Duration = Duration::from_secs(60);

/// A message, and the rows it came as: what is sent to everyone comes for a member and for its sessions.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Post {
    /// The row that is shown.
    pub(crate) row: Value,
    /// All of its rows.
    pub(crate) ids: Vec<String>,
}

/// What was not shown yet, in the order in which it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unread {
    pub(crate) posts: Vec<Post>,
    /// There is more, which is older: it comes once these are marked.
    pub(crate) is_cut: bool,
}

/// Shows what was not shown yet and ends. The answer says whether anything could be read: an error before
/// that leaves another way open.
///
/// # Errors
/// When the daemon cannot be read.
pub(super) fn collect(route: &Route, terminal: &mut Terminal) -> Result<Result<(), Failure>, PeerError> {
    let unread = unread(route)?;
    Ok(show(route, &unread, terminal))
}

fn show(route: &Route, unread: &Unread, terminal: &mut Terminal) -> Result<(), Failure> {
    let Unread { posts, is_cut } = unread;
    terminal.begin_list()?;
    let outcome = show_all(route, posts, terminal);
    terminal.end_list()?;
    outcome?;
    if let Ok(Some(absence)) = route.absence() {
        terminal.remark(&format!("note: {absence}; what was sent since then is not here yet"));
    }
    if *is_cut {
        terminal.remark("older messages wait; look again for more");
    } else if posts.is_empty() {
        terminal.remark("no messages");
    }
    Ok(())
}

fn show_all(route: &Route, posts: &[Post], terminal: &mut Terminal) -> Result<(), Failure> {
    let mut shown = Vec::new();
    for post in posts {
        Letter::of_row(&post.row).show(terminal)?;
        shown.extend(post.ids.iter().cloned());
        if shown.len() >= MARKED_MAX {
            mark(route, &mem::take(&mut shown))?;
        }
    }
    Ok(mark(route, &shown)?)
}

/// Shows messages as they come, and comes back whenever the daemon does.
///
/// # Errors
/// What another try does not mend.
pub(super) fn follow(profile: &Profile, route: &Route, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut follower = Follower { route, last: None, shown: Shown::default() };
    let mut waits = Waits::new()?;
    loop {
        let since = Instant::now();
        let trouble = match follower.stay(profile, terminal) {
            Failure::Peer(error @ PeerError::NoDaemon { .. }) => error,
            Failure::Peer(error @ PeerError::DaemonRefused { status: 429 | 503, .. }) => error,
            other => return Err(other),
        };
        let pause = waits.after(since.elapsed());
        let trouble = trouble.to_string();
        // The rest of the text tells a person what to do, which may be done meanwhile.
        terminal.remark(&format!("{trouble}; looking again in {:.1} s", pause.as_secs_f64()));
        thread::sleep(pause);
    }
}

struct Follower<'a> {
    route: &'a Route,
    /// The last event that was heard.
    last: Option<String>,
    shown: Shown,
}

impl Follower<'_> {
    /// One stream, from its beginning to its end, which is always a failure.
    fn stay(&mut self, profile: &Profile, terminal: &mut Terminal) -> Failure {
        let is_first = self.last.is_none();
        let mut stream = match self.route.stream(self.last.take()) {
            Ok(stream) => stream,
            Err(error) => return error.into(),
        };
        terminal.remark(&format!("following the inbox of {} by the daemon; end with Ctrl-C", profile.name));
        // What came before the stream began; later streams tell what they missed.
        if is_first && let Err(failure) = self.catch_up(terminal) {
            return failure;
        }
        loop {
            let outcome = match stream.next(Instant::now() + LOOK) {
                Ok(Some(event)) => self.hear(&event, terminal),
                Ok(None) => Ok(()),
                Err(error) => return self.route.lost(error).into(),
            };
            if let Err(failure) = outcome {
                return failure;
            }
            // Only from here on: what could not be shown is told again.
            self.last.clone_from(&stream.last);
        }
    }

    fn hear(&mut self, event: &Event, terminal: &mut Terminal) -> Result<(), Failure> {
        match event.kind.as_str() {
            "resync" => self.catch_up(terminal),
            "message" if event.body["mesh"] == self.route.mesh => {
                let sessions = match text(&event.body, "recipient_kind").as_str() {
                    "session" => others(self.route)?,
                    _ => BTreeSet::new(),
                };
                if sessions.contains(&text(&event.body, "recipient_pubkey")) {
                    return Ok(());
                }
                self.take(&event.body, &[text(&event.body, "id")], terminal)
            }
            _ => Ok(()),
        }
    }

    fn catch_up(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        loop {
            let Unread { posts, is_cut } = unread(self.route)?;
            let is_over = !is_cut || posts.is_empty();
            for post in posts {
                self.take(&post.row, &post.ids, terminal)?;
            }
            if is_over {
                return Ok(());
            }
        }
    }

    fn take(&mut self, row: &Value, ids: &[String], terminal: &mut Terminal) -> Result<(), Failure> {
        if self.shown.is_first(&identity(row)) {
            Letter::of_row(row).show(terminal)?;
        }
        Ok(mark(self.route, ids)?)
    }
}

/// Reads what was not shown yet, page by page.
///
/// # Errors
/// When the daemon cannot be read.
pub(crate) fn unread(route: &Route) -> Result<Unread, PeerError> {
    let others = others(route)?;
    let mut is_cut = false;
    let (mut rows, mut ids): (Vec<Value>, BTreeSet<String>) = (Vec::new(), BTreeSet::new());
    let mut before = String::new();
    for _ in 0..PAGE.1 {
        let rest = format!("&unread_only=true&mark_seen=false&limit={}{before}", PAGE.0);
        let mut page = route.look("/v1/inbox", &rest)?;
        let Value::Array(items) = page["items"].take() else { break };
        let count = items.len();
        // A page that is full of bytes says so; daemons that do not know that fill it with rows.
        is_cut = page["more"].as_bool().unwrap_or(count >= PAGE.0);
        // The next page ends at the time of this one's last row, which may be others' as well.
        let Some(last) = items.last().map(|row| text(row, "received_at")) else { break };
        before = format!("&before={}", segment(&just_after(&last)));
        let fresh: Vec<Value> = items.into_iter().filter(|row| ids.insert(text(row, "id"))).collect();
        let is_over = fresh.is_empty() || !is_cut;
        rows.extend(fresh.into_iter().filter(|row| !others.contains(&text(row, "recipient_pubkey"))));
        if is_over {
            break;
        }
    }
    rows.reverse();
    Ok(Unread { posts: gather(rows), is_cut })
}

/// Puts rows of one message together, in the order of the first of them.
fn gather(rows: Vec<Value>) -> Vec<Post> {
    let mut posts: Vec<Post> = Vec::new();
    let mut places = BTreeMap::new();
    for row in rows {
        let id = text(&row, "id");
        match places.get(&identity(&row)).and_then(|place: &usize| posts.get_mut(*place)) {
            Some(post) => post.ids.push(id),
            None => {
                places.insert(identity(&row), posts.len());
                posts.push(Post { row, ids: vec![id] });
            }
        }
    }
    posts
}

/// Marks rows as seen.
///
/// # Errors
/// When the daemon cannot be told.
pub(crate) fn mark(route: &Route, ids: &[String]) -> Result<(), PeerError> {
    for ids in ids.chunks(MARKED_MAX) {
        route.value("POST", "/v1/inbox/seen", Some(&json!({ "ids": ids })))?;
    }
    Ok(())
}

/// What tells a message from others: its sender and the key it was sent under.
pub(crate) fn identity(row: &Value) -> String {
    format!("{} {}", text(row, "sender_pubkey"), text(row, "client_message_id"))
}

/// Keys of sessions that live and have their own mail. To a session the daemon shows nothing of others.
fn others(route: &Route) -> Result<BTreeSet<String>, PeerError> {
    if route.session.is_some() {
        return Ok(BTreeSet::new());
    }
    let all = route.value("GET", "/v1/sessions", None)?;
    let sessions = all["sessions"].as_array().map(Vec::as_slice).unwrap_or_default();
    let ours = sessions.iter().filter(|session| session["mesh"] == route.mesh);
    Ok(ours.map(|session| text(&session["presence"], "sessionPubkey")).collect())
}

/// The time one millisecond later, so that rows of the same moment are read again rather than left out.
fn just_after(iso: &str) -> String {
    let at = Wall::from_iso(iso).unwrap_or_default();
    at.after_millis(1).iso()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_for_a_member_and_its_session_is_one_message() {
        let row = |id: &str, key: &str| json!({ "id": id, "sender_pubkey": "s", "client_message_id": key });
        let posts = gather(vec![row("1", "a"), row("2", "b"), row("3", "a")]);
        let ids: Vec<&[String]> = posts.iter().map(|post| post.ids.as_slice()).collect();
        assert_eq!(ids, [&["1".to_owned(), "3".to_owned()][..], &["2".to_owned()][..]]);
    }

    #[test]
    fn the_next_page_reaches_back_to_the_moment_of_the_last_row() {
        assert_eq!(just_after("2026-01-02T03:04:05.678Z"), "2026-01-02T03:04:05.679Z");
    }
}
