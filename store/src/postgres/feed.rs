//! Hints that something stands in the feed of live topics: a connection that does nothing but listen.
//!
//! *Always holds:* a hint only saves waiting. What it was for is found by asking for it, so a notice that was
//! lost with its connection is made good by the hint that follows every connection.

use std::io;
use std::thread;
use std::time::Duration;

use super::link::{Connector, Link};
use super::options::Options;
use super::trouble::Trouble;

/// The channel on which the feed's own table says that a row was written.
pub const CHANNEL: &str = "peermesh_live";

/// How long to wait for a notice before the connection is looked at again.
const REST: Duration = Duration::from_secs(30);
/// How long `LISTEN` and a sign of life may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// The first and the longest wait after a connection that failed.
const RETRY_MIN: Duration = Duration::from_millis(200);
const RETRY_MAX: Duration = Duration::from_secs(30);

/// Listens on a thread of its own for as long as the process lives, and calls `hint` with every notice and
/// after every connection. `channel` is a name of letters, digits and underscores.
///
/// # Errors
/// When there is no thread to be had.
pub fn listen(options: &Options, channel: &str, hint: impl Fn() + Send + 'static) -> io::Result<()> {
    let connector = Connector::new(options);
    let sql = format!("LISTEN \"{channel}\"");
    let work = move || {
        let mut retry = RETRY_MIN;
        loop {
            // Whatever ended the connection, the next one is tried.
            let heard = connector.connect().and_then(|mut link| hear(&mut link, &sql, &hint, &mut retry));
            debug_assert!(heard.is_err(), "listening ends with its connection only");
            thread::sleep(retry);
            retry = (retry * 2).min(RETRY_MAX);
        }
    };
    thread::Builder::new().name("live-feed".into()).spawn(work).map(drop)
}

fn hear(link: &mut Link, sql: &str, hint: &impl Fn(), retry: &mut Duration) -> Result<(), Trouble> {
    link.run(PATIENCE, sql)?;
    *retry = RETRY_MIN;
    hint();
    loop {
        if link.hear(REST)? {
            hint();
        } else {
            link.run(PATIENCE, "SELECT 1")?;
        }
    }
}
