//! `inbox`: what others sent us, each message acknowledged once it stands on standard output.
//!
//! *Always holds:* a message is acknowledged only after it was written and flushed, so one that was cut off
//! comes again. One that cannot be opened is shown as such. System events are no mail and are left out.

use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::letter::{Letter, text};
use super::link::LinkError;
use super::profile::Profile;
use super::session::{Manner, Session};
use super::via::{self, Via};
use super::waits::{Shown, Waits};
use super::{PeerError, mailbox};
use crate::daemon::DaemonError;
use crate::failure::Failure;
use crate::home::Home;
use crate::terminal::{Terminal, check_seen};

/// Without a push for this long, what still waits is held back for a reason.
const QUIET: Duration = Duration::from_secs(2);
/// Shows what waits: by the daemon where one has the mail, else from the broker.
pub(crate) fn run(
    home: &Home,
    profile: &Profile,
    follows: bool,
    (via, broker): (Via, Option<&str>),
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    check_seen()?;
    match via::find(home, profile, via, broker, terminal)? {
        Some(route) if follows => return mailbox::follow(profile, &route, terminal),
        Some(route) => match mailbox::collect(&route, terminal) {
            Ok(outcome) => return outcome,
            // What a daemon has is acknowledged, and no broker has it: an answer that cannot be read leads
            // nowhere else.
            Err(error @ PeerError::NoDaemon { error: DaemonError::Nonsense { .. } }) => {
                return Err(error.into());
            }
            Err(error @ PeerError::NoDaemon { .. }) if !route.is_only => {
                terminal.remark(&format!("note: {error}; asking the broker instead"));
            }
            Err(error) => return Err(error.into()),
        },
        None => {}
    }
    let profile = profile.clone().with_former(home)?;
    if follows { follow(&profile, broker, terminal) } else { collect(&profile, broker, terminal) }
}

/// Shows what waits and ends.
fn collect(profile: &Profile, broker: Option<&str>, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut session = Session::open(profile, broker, Manner::Collect, None)?;
    let waiting = session.queued;
    let mut reader = Reader::new(profile);
    terminal.begin_list()?;
    let outcome = reader.drain(&mut session, waiting, terminal);
    terminal.end_list()?;
    outcome?;
    session.close();
    if reader.count < waiting {
        let held = waiting - reader.count;
        terminal.remark(&format!(
            "{held} more wait: this member is busy (see: peermesh status), or another inbox holds them"
        ));
    } else if reader.count == 0 {
        terminal.remark("no messages");
    }
    Ok(())
}

/// Shows messages as they come, and comes back whenever the connection breaks.
fn follow(profile: &Profile, broker: Option<&str>, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut reader = Reader::new(profile);
    let mut waits = Waits::new()?;
    loop {
        let since = Instant::now();
        let trouble = match reader.stay(broker, terminal) {
            Failure::Peer(PeerError::Link(error)) => error,
            other => return Err(other),
        };
        if is_replaced(&trouble) {
            return Err(PeerError::Replaced { name: profile.name.clone() }.into());
        }
        if !trouble.may_pass() {
            return Err(PeerError::Link(trouble).into());
        }
        let pause = waits.after(since.elapsed());
        // The rest of the text tells a person what to do, which is done here.
        let trouble = trouble.to_string();
        let what = trouble.split(';').next().unwrap_or_default();
        terminal.remark(&format!("{what}; connecting again in {:.1} s", pause.as_secs_f64()));
        thread::sleep(pause);
    }
}

/// Reads, shows and acknowledges; remembers what was shown across connections.
struct Reader<'a> {
    profile: &'a Profile,
    shown: Shown,
    count: u64,
}

impl<'a> Reader<'a> {
    fn new(profile: &'a Profile) -> Reader<'a> {
        Reader { profile, shown: Shown::default(), count: 0 }
    }

    fn drain(&mut self, session: &mut Session, waiting: u64, terminal: &mut Terminal) -> Result<(), Failure> {
        while self.count < waiting {
            match session.push(Some(Instant::now() + QUIET)).map_err(PeerError::from)? {
                Some(push) => self.take(session, &push, terminal)?,
                None => break,
            }
        }
        Ok(())
    }

    /// One connection, from hello to its end, which is always a failure.
    fn stay(&mut self, broker: Option<&str>, terminal: &mut Terminal) -> Failure {
        let mut session = match Session::open(self.profile, broker, Manner::Follow, None) {
            Ok(session) => session,
            Err(error) => return error.into(),
        };
        terminal.remark(&format!("following the inbox of {}; end with Ctrl-C", self.profile.name));
        loop {
            let taken = match session.push(None) {
                Ok(Some(push)) => self.take(&mut session, &push, terminal),
                Ok(None) => Ok(()),
                Err(error) => return PeerError::from(error).into(),
            };
            if let Err(failure) = taken {
                return failure;
            }
        }
    }

    fn take(&mut self, session: &mut Session, push: &Value, terminal: &mut Terminal) -> Result<(), Failure> {
        if is_event(push) {
            return Ok(());
        }
        let id = text(push, "messageId");
        if self.shown.is_first(&id) {
            Letter::read(self.profile, push).show(terminal)?;
            self.count += 1;
        }
        Ok(session.tell(&ack(push, &id)).map_err(PeerError::from)?)
    }
}

fn ack(push: &Value, id: &str) -> Value {
    let client = push.get("client_message_id").and_then(Value::as_str).unwrap_or(id);
    json!({ "type": "client_ack", "clientMessageId": client, "brokerMessageId": id })
}

/// System pushes tell of peers coming and going; they carry no text and want no acknowledgement.
fn is_event(push: &Value) -> bool {
    text(push, "subtype") == "system" || text(push, "senderPubkey") == "system"
}

fn is_replaced(error: &LinkError) -> bool {
    matches!(error, LinkError::Closed { reason, .. } if reason == "session_replaced")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_carries_both_ids() {
        let mut push = json!({ "type": "push", "messageId": "m1", "client_message_id": "c1" });
        assert_eq!(ack(&push, "m1")["clientMessageId"], "c1");
        push.as_object_mut().unwrap().remove("client_message_id");
        let ack = ack(&push, "m1");
        assert_eq!((&ack["clientMessageId"], &ack["brokerMessageId"]), (&json!("m1"), &json!("m1")));
    }
}
