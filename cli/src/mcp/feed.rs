//! Keeps an agent's tray filled: registers its session, reads what was not seen, and hears what comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::desk::Desk;
use crate::daemon::stream::Stream;
use crate::peer::PeerError;
use crate::peer::letter::text;
use crate::peer::mailbox::{self, Post, Unread};
use crate::peer::via::Route;

/// Between two tries to reach the daemon.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one look at the stream takes.
const LOOK: Duration = Duration::from_millis(500);

/// Goes on until the desk is given up.
pub(super) fn run(desk: &Arc<Desk>) {
    let mut last = None;
    loop {
        let trouble = match desk.route() {
            Ok(route) => listen(desk, &route, &mut last),
            Err(error) => error,
        };
        desk.set_trouble(Some(trouble.to_string()));
        if desk.rest(PAUSE) {
            return;
        }
    }
}

/// One stream, to its end.
fn listen(desk: &Desk, route: &Route, last: &mut Option<String>) -> PeerError {
    let resumed = last.take();
    let is_first = resumed.is_none();
    let mut stream = match route.stream(resumed) {
        Ok(stream) => stream,
        Err(error) => return error,
    };
    // What came before the stream began; later streams tell what they missed.
    if is_first && let Err(error) = catch_up(desk, route) {
        return error;
    }
    desk.set_trouble(None);
    loop {
        if let Err(error) = hear(desk, route, &mut stream) {
            return error;
        }
        // Only from here on: what could not be taken is told again.
        last.clone_from(&stream.last);
        if desk.rest(Duration::ZERO) {
            return PeerError::SessionOver;
        }
    }
}

fn hear(desk: &Desk, route: &Route, stream: &mut Stream) -> Result<(), PeerError> {
    let event = stream.next(Instant::now() + LOOK).map_err(|error| route.lost(error))?;
    match event {
        Some(event) if event.kind == "message" && event.body["mesh"] == route.mesh => {
            let ids = vec![text(&event.body, "id")];
            desk.deliver(vec![Post { row: event.body, ids }], false);
        }
        Some(event) if event.kind == "resync" => catch_up(desk, route)?,
        Some(_) | None => {}
    }
    if desk.wants_more() { catch_up(desk, route) } else { Ok(()) }
}

fn catch_up(desk: &Desk, route: &Route) -> Result<(), PeerError> {
    let Unread { posts, is_cut } = mailbox::unread(route)?;
    desk.deliver(posts, is_cut);
    Ok(())
}
