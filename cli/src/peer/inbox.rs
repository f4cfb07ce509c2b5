//! `inbox`: what others sent us, each message acknowledged once it stands on standard output.
//!
//! *Always holds:* a message is acknowledged only after it was written and flushed, so one that was cut off
//! comes again. One that cannot be opened is shown as such. System events are no mail and are left out.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::ids::PublicKey;
use peermesh_core::rng::Rng;
use serde_json::{Value, json};

use super::PeerError;
use super::link::LinkError;
use super::profile::Profile;
use super::seal::{self, Sealed};
use super::session::{Manner, Session};
use crate::failure::Failure;
use crate::home;
use crate::terminal::{Terminal, clean};

/// Without a push for this long, what still waits is held back for a reason.
const QUIET: Duration = Duration::from_secs(2);
/// Waits between two connections: the first, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// A connection that held this long was a good one: the waits begin anew.
const STEADY: Duration = Duration::from_secs(30);
/// Ids of shown messages that are remembered, to show a repeated one only once.
const SHOWN_MAX: usize = 1_024;

/// Shows what waits and ends.
pub(crate) fn collect(
    profile: &Profile,
    broker: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut session = Session::open(profile, broker, Manner::Collect)?;
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
pub(crate) fn follow(
    profile: &Profile,
    broker: Option<&str>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let mut reader = Reader::new(profile);
    let mut rng = Rng::from_seed(home::random::<32>()?);
    let mut wait = RECONNECT.0;
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
        if since.elapsed() >= STEADY {
            wait = RECONNECT.0;
        }
        let jittered = jitter(wait, &mut rng);
        // The rest of the text tells a person what to do, which is done here.
        let trouble = trouble.to_string();
        let what = trouble.split(';').next().unwrap_or_default();
        terminal.remark(&format!("{what}; connecting again in {:.1} s", jittered.as_secs_f64()));
        thread::sleep(jittered);
        wait = (wait * 2).min(RECONNECT.1);
    }
}

/// Reads, shows and acknowledges; remembers what was shown across connections.
struct Reader<'a> {
    profile: &'a Profile,
    shown: VecDeque<String>,
    count: u64,
}

impl<'a> Reader<'a> {
    fn new(profile: &'a Profile) -> Reader<'a> {
        Reader { profile, shown: VecDeque::new(), count: 0 }
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
        let mut session = match Session::open(self.profile, broker, Manner::Follow) {
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
        if !self.shown.iter().any(|shown| *shown == id) {
            let letter = Letter::read(self.profile, push);
            terminal_item(terminal, &letter)?;
            self.count += 1;
            if self.shown.len() == SHOWN_MAX {
                self.shown.pop_front();
            }
            self.shown.push_back(id.clone());
        }
        Ok(session.tell(&ack(push, &id)).map_err(PeerError::from)?)
    }
}

fn terminal_item(terminal: &mut Terminal, letter: &Letter) -> std::io::Result<()> {
    let lines = letter.lines();
    terminal.item(&letter.json(), lines.iter().map(String::as_str))
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

/// Half of the wait is fixed and half is drawn, so that many peers do not come back at once.
fn jitter(wait: Duration, rng: &mut Rng) -> Duration {
    let half = u64::try_from(wait.as_millis() / 2).unwrap_or(u64::MAX);
    Duration::from_millis(half.saturating_add(rng.below(half.saturating_add(1))))
}

fn text(push: &Value, field: &str) -> String {
    push.get(field).and_then(Value::as_str).unwrap_or_default().to_owned()
}

/// A message as it is shown.
#[derive(Debug)]
struct Letter {
    id: String,
    from: String,
    from_key: String,
    priority: String,
    sent_at: String,
    to: Option<String>,
    sealed: bool,
    body: Result<String, String>,
}

impl Letter {
    fn read(profile: &Profile, push: &Value) -> Letter {
        let from_key = text(push, "senderPubkey");
        let body = Sealed { nonce: text(push, "nonce"), ciphertext: text(push, "ciphertext") };
        let target = push.get("targetSpec").and_then(Value::as_str);
        let (sealed, body) = open(profile, &from_key, target, &body);
        let name = text(push, "senderName");
        Letter {
            id: text(push, "messageId"),
            from: if name.is_empty() { from_key.chars().take(12).collect() } else { name },
            from_key,
            priority: text(push, "priority"),
            sent_at: text(push, "createdAt"),
            to: target.map(str::to_owned),
            sealed,
            body,
        }
    }

    fn json(&self) -> Value {
        let mut value = json!({
            "message_id": self.id,
            "from": self.from,
            "from_pubkey": self.from_key,
            "priority": self.priority,
            "sent_at": self.sent_at,
            "sealed": self.sealed,
            "text": self.body.as_ref().ok(),
        });
        if let Err(problem) = &self.body {
            value["problem"] = problem.as_str().into();
        }
        if let Some(to) = &self.to {
            value["to"] = to.as_str().into();
        }
        value
    }

    /// The first line names the sender; the lines of the text after its first are indented, so that no text
    /// can pass for a message of its own.
    fn lines(&self) -> Vec<String> {
        let shown = match &self.body {
            Ok(text) => text.replace('\t', " "),
            Err(problem) => format!("(cannot be opened: {problem})"),
        };
        let open = if self.sealed { "" } else { " (not sealed)" };
        let mut parts = shown.split('\n').map(clean);
        let first = parts.next().unwrap_or_default();
        let mut lines = vec![format!("{}  {}{open}: {first}", self.sent_at, self.from)];
        lines.extend(parts.map(|part| format!("    {part}")));
        lines
    }
}

/// Whether the body was sealed, and its text or why there is none.
///
/// A push need not say whom it was addressed to. A body that no key of ours opens but that is plain text was
/// sent to a group or to everyone; it is shown as not sealed.
fn open(
    profile: &Profile,
    from_key: &str,
    target: Option<&str>,
    body: &Sealed,
) -> (bool, Result<String, String>) {
    let is_many = target.is_some_and(|spec| spec.starts_with(['*', '@', '#']));
    let Some(from) = PublicKey::from_hex(from_key).filter(|_| !is_many) else {
        return (false, seal::read_plain(body).map_err(|error| error.to_string()));
    };
    let by_former = || profile.former.iter().find_map(|secret| seal::open_by(secret, from, body).ok());
    match seal::open(&profile.signing_key(), from, body).or_else(|error| by_former().ok_or(error)) {
        Ok(text) => (true, Ok(text)),
        Err(problem) => match seal::read_plainly(body).filter(|_| target.is_none()) {
            Some(text) => (false, Ok(text)),
            None => (true, Err(problem.to_string())),
        },
    }
}

#[cfg(test)]
mod tests {
    use peermesh_core::config::Secret;

    use super::*;

    fn profile(name: &str) -> Profile {
        Profile::fresh(name, "mesh-1", "demo", "ws://x/ws").unwrap()
    }

    fn push(from: &Profile, body: &Sealed) -> Value {
        json!({
            "type": "push", "messageId": "m1", "senderPubkey": from.public_key().hex(), "senderName": "ann",
            "priority": "next", "createdAt": "2026-01-02T03:04:05.678Z", "client_message_id": "c1",
            "nonce": body.nonce, "ciphertext": body.ciphertext,
        })
    }

    #[test]
    fn mail_to_a_key_that_was_replaced_is_opened_by_what_was_kept_of_it() {
        let (ann, old, mut bob) = (profile("ann"), profile("old"), profile("bob"));
        let body = seal::seal(&ann.signing_key(), old.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert!(letter.body.is_err());
        bob.former = vec![Secret::new([9; 32]), Secret::new(old.signing_key().to_scalar_bytes())];
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert_eq!((letter.sealed, letter.body), (true, Ok("soup?".to_owned())));
    }

    #[test]
    fn a_sealed_message_is_shown_with_its_sender() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let body = seal::seal(&ann.signing_key(), bob.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert_eq!(letter.lines(), ["2026-01-02T03:04:05.678Z  ann: soup?"]);
        assert_eq!((&letter.json()["text"], &letter.json()["sealed"]), (&json!("soup?"), &json!(true)));
    }

    #[test]
    fn s_sec_02_a_message_that_does_not_open_is_shown_as_such() {
        let (ann, bob, eve) = (profile("ann"), profile("bob"), profile("eve"));
        let body = seal::seal(&ann.signing_key(), eve.public_key(), "soup?").unwrap();
        let letter = Letter::read(&bob, &push(&ann, &body));
        assert!(letter.lines()[0].contains("cannot be opened"), "{:?}", letter.lines());
        assert_eq!(letter.json()["text"], Value::Null);
        assert!(letter.json()["problem"].as_str().unwrap().contains("not sealed for this profile"));
    }

    #[test]
    fn a_message_to_many_says_that_it_was_not_sealed() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let mut push = push(&ann, &seal::plain("lunch").unwrap());
        assert_eq!(Letter::read(&bob, &push).lines(), ["2026-01-02T03:04:05.678Z  ann (not sealed): lunch"]);
        push["targetSpec"] = "@ops".into();
        assert_eq!(Letter::read(&bob, &push).json()["to"], "@ops");
    }

    #[test]
    fn s_inj_02_a_text_cannot_pass_for_another_message_or_steer_the_terminal() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let nasty = "hi\n2026  bob: send money\u{1b}[2J\r";
        let body = seal::seal(&ann.signing_key(), bob.public_key(), nasty).unwrap();
        let mut push = push(&ann, &body);
        push["senderName"] = "a\u{1b}[31mnn".into();
        let lines: Vec<String> = Letter::read(&bob, &push).lines().iter().map(|line| clean(line)).collect();
        assert_eq!(lines, ["2026-01-02T03:04:05.678Z  a[31mnn: hi", "    2026  bob: send money[2J"]);
    }

    #[test]
    fn an_ack_carries_both_ids() {
        let (ann, bob) = (profile("ann"), profile("bob"));
        let body = seal::seal(&ann.signing_key(), bob.public_key(), "x").unwrap();
        let mut push = push(&ann, &body);
        assert_eq!(ack(&push, "m1")["clientMessageId"], "c1");
        push.as_object_mut().unwrap().remove("client_message_id");
        let ack = ack(&push, "m1");
        assert_eq!((&ack["clientMessageId"], &ack["brokerMessageId"]), (&json!("m1"), &json!("m1")));
    }

    #[test]
    fn waits_between_connections_are_drawn_from_their_upper_half() {
        let mut rng = Rng::from_seed([1; 32]);
        let wait = Duration::from_secs(10);
        assert!((0..100).map(|_| jitter(wait, &mut rng)).all(|drawn| drawn >= wait / 2 && drawn <= wait));
    }
}
