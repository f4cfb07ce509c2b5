//! `send`: one message, under one key, until the broker has accepted it or refused it for good.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::fingerprint::{DestinationKind, ENVELOPE_VERSION, Layout, Request};
use peermesh_core::ids::{PublicKey, mint_text};
use peermesh_core::rng::Rng;
use peermesh_core::store::{Priority, Reach};
use serde_json::{Value, json};

use super::PeerError;
use super::handover::{self, Goal, Handed, Outcome, Outgoing};
use super::link::LinkError;
use super::peers;
use super::profile::Profile;
use super::receipt::{self, Shelf};
use super::seal::{self, Sealed};
use super::session::{Manner, Session};
use super::target::{self, Target};
use super::via::{self, Via};
use crate::args::Until;
use crate::failure::Failure;
use crate::home::{self, Home};
use crate::terminal::Terminal;

/// From a send to its ack (mesh protocol, client constants).
const ACK: Duration = Duration::from_secs(10);
/// Waits between two tries: the first, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// Between two looks whether the message was delivered.
const LOOK: Duration = Duration::from_millis(200);

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Send<'a> {
    pub(crate) to: &'a str,
    pub(crate) text: &'a str,
    pub(crate) priority: Priority,
    /// How far to wait; none goes as far as it gets without a long wait.
    pub(crate) wait: Option<Until>,
    /// For all tries together.
    pub(crate) timeout: Duration,
    /// The key under which the message is sent once, however often it is tried.
    pub(crate) id: Option<&'a str>,
    /// Names and keys of those who are mentioned.
    pub(crate) mentions: &'a [String],
    /// The id the message had before its broker's store was lost.
    pub(crate) message_id: Option<&'a str>,
    /// Ask for a receipt, and keep it in this file.
    pub(crate) receipt: Option<&'a Path>,
    pub(crate) broker: Option<&'a str>,
    pub(crate) via: Via,
}

impl Send<'_> {
    /// What only the broker itself can be asked for.
    fn needs_broker(&self) -> Option<&'static str> {
        let asked = [
            (self.receipt.is_some(), "--receipt"),
            (!self.mentions.is_empty(), "--mention"),
            (self.message_id.is_some(), "--message-id"),
            (self.text.is_empty(), "an empty text"),
        ];
        asked.into_iter().find(|(is_asked, _)| *is_asked).map(|(_, what)| what)
    }
}

/// Sends one message: hands it to the daemon where one serves this profile, else, or when that fails, to the
/// broker, under the same key.
pub(crate) fn run(
    home: &Home,
    profile: &Profile,
    send: &Send<'_>,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let until = Instant::now() + send.timeout;
    let to = Target::parse(send.to)?;
    let id = match send.id {
        Some(id) => id.to_owned(),
        None => mint_text(&mut Rng::from_seed(home::random::<32>()?)),
    };
    let route = match send.needs_broker() {
        Some(what) if send.via == Via::Daemon => return Err(PeerError::NeedsBroker { what }.into()),
        Some(what) => {
            via::pass_by(profile, send.via, what, terminal)?;
            None
        }
        None => via::find(home, profile, send.via, send.broker, terminal)?,
    };
    let mut is_in_doubt = false;
    if let Some(route) = route {
        let outgoing =
            Outgoing { to: send.to, text: send.text, priority: send.priority, reply_to: None, id: &id };
        let goal = match send.wait {
            None => Goal::Glance,
            Some(Until::Queued) => Goal::Queued,
            Some(Until::Accepted | Until::Delivered) => Goal::Accepted,
        };
        let trouble = match handover::send(&route, &outgoing, goal, until)? {
            Outcome::Handed(handed) => return hand_over(profile, send, &handed, &id, until, terminal),
            Outcome::Refused(error) if route.is_only => return Err(error.into()),
            Outcome::Unanswered(error) if route.is_only => {
                return Err(PeerError::SendRetry { text: error.to_string(), id }.into());
            }
            Outcome::Refused(error) => error,
            Outcome::Unanswered(error) => {
                is_in_doubt = true;
                error
            }
        };
        terminal.remark(&format!("note: {trouble}; sending to the broker instead, under the same key {id}"));
    }
    send_directly(profile, send, to, &id, until, terminal).map_err(|failure| match failure {
        // The daemon may have it all the same, so only the same key is safe.
        Failure::Peer(PeerError::Link(error)) if is_in_doubt && error.may_pass() => {
            PeerError::SendRetry { text: error.to_string(), id: id.clone() }.into()
        }
        failure => failure,
    })
}

/// Tells how far the message came by the daemon, and waits on where that was asked for.
fn hand_over(
    profile: &Profile,
    send: &Send<'_>,
    handed: &Handed,
    id: &str,
    until: Instant,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let Handed { message_id, duplicate, to, waits, reach } = handed;
    if to.starts_with(['*', '@']) {
        remark_open(to, terminal);
    }
    let status = if message_id.is_some() { "accepted" } else { "queued" };
    let mut value = json!({
        "message_id": message_id, "client_message_id": id, "to": to, "status": status,
        "duplicate": duplicate, "via": "daemon",
    });
    if let Some(waits) = waits {
        value["waits"] = waits.as_str().into();
    }
    handover::tell_reach(*reach, &mut value);
    let Some(message_id) = message_id else {
        if let Some(waits) = waits {
            terminal.remark(&format!("note: {waits}; the daemon keeps the message and goes on trying"));
        }
        terminal.result(&value, [format!("queued {id}").as_str()])?;
        let is_enough = matches!(send.wait, None | Some(Until::Queued));
        let error = || PeerError::NotAccepted { id: id.to_owned() };
        return if is_enough { Ok(()) } else { Err(error().into()) };
    };
    if send.wait == Some(Until::Delivered) {
        return see_delivered(profile, send, None, (message_id, value), until, terminal);
    }
    remark_absence(*reach, terminal);
    let again = if *duplicate { " (sent before, and not again)" } else { "" };
    Ok(terminal.result(&value, [format!("accepted {message_id}{again}").as_str()])?)
}

fn send_directly(
    profile: &Profile,
    send: &Send<'_>,
    to: Target,
    id: &str,
    until: Instant,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    let shelf = |path: &Path| {
        Shelf::open(path).map_err(|source| PeerError::NoShelf { path: path.to_owned(), source })
    };
    let shelf = send.receipt.map(shelf).transpose()?;
    // Nothing has been sent before the first connection stands, so its failure needs no second try.
    let mut session = Session::open(profile, send.broker, Manner::SendOnly, Some(until))?;
    let (spec, body) = address(profile, &mut session, to, send.text, terminal)?;
    let mut message = message(send, id, &spec, &body)?;
    if !send.mentions.is_empty() {
        message["mentions"] = mentioned(&mut session, send.mentions)?.into();
    }
    let (accepted, session) = accept(profile, send, Some(session), &message, id, until)?;
    let Accepted { message_id, duplicate, unknown_mentions, receipt: given, reach } = accepted;
    if !unknown_mentions.is_empty() {
        terminal.remark(&format!("note: nobody is meant by {}", unknown_mentions.join(", ")));
    }
    let mut value = json!({
        "message_id": message_id, "client_message_id": id, "to": spec, "status": "accepted",
        "duplicate": duplicate, "via": "broker",
    });
    handover::tell_reach(reach, &mut value);
    if let Some(shelf) = shelf {
        value["receipt"] = keep(shelf, given, (id, &message_id), session.broker_key)?;
    }
    if send.wait == Some(Until::Delivered) {
        return see_delivered(profile, send, Some(session), (&message_id, value), until, terminal);
    }
    session.close();
    remark_absence(reach, terminal);
    let again = if duplicate { " (sent before, and not again)" } else { "" };
    Ok(terminal.result(&value, [format!("accepted {message_id}{again}").as_str()])?)
}

/// Tells of a message that the broker has, once every recipient has it too. Whatever keeps us from looking,
/// the message is accepted, and its sender is told so.
fn see_delivered(
    profile: &Profile,
    send: &Send<'_>,
    session: Option<Session>,
    (message_id, mut value): (&str, Value),
    until: Instant,
    terminal: &mut Terminal,
) -> Result<(), Failure> {
    match deliver(profile, send, session, message_id, until) {
        Ok(true) => {
            value["status"] = "delivered".into();
            return Ok(terminal.result(&value, [format!("delivered {message_id}").as_str()])?);
        }
        Ok(false) => {}
        Err(error) => terminal.remark(&format!("note: nobody can say whether it was delivered: {error}")),
    }
    terminal.result(&value, [format!("accepted {message_id}").as_str()])?;
    Err(PeerError::NotDelivered { message_id: message_id.to_owned() }.into())
}

/// Accepted is not delivered: whoever waits for an answer should know that nobody is there to give one.
fn remark_absence(reach: Option<Reach>, terminal: &Terminal) {
    match reach {
        Some(Reach { recipients: 0, .. }) => terminal.remark("note: it went to nobody"),
        Some(Reach { online: 0, .. }) => {
            terminal.remark("note: nobody it is for is connected now; the broker keeps it until they are");
        }
        Some(_) | None => {}
    }
}

fn remark_open(spec: &str, terminal: &Terminal) {
    terminal.remark(&format!("note: a message to {spec} is not sealed; the broker can read it"));
}

/// The message on the wire. Its fingerprint says what the user asked for, in the layout of deployed daemons
/// and with the recipient as it was typed: the same command under the same id is sealed anew, and this tells
/// the broker that it is the same.
fn message(send: &Send<'_>, id: &str, spec: &str, body: &Sealed) -> Result<Value, PeerError> {
    let (destination_kind, destination_ref) = DestinationKind::of(send.to);
    let request = Request {
        envelope_version: ENVELOPE_VERSION,
        destination_kind,
        destination_ref,
        reply_to_id: None,
        priority: send.priority,
        meta: None,
        body: send.text.as_bytes(),
    };
    let mut message = json!({
        "type": "send",
        "id": id,
        "client_message_id": id,
        "request_fingerprint": request.fingerprint(Layout::Raw)?.to_string(),
        "targetSpec": spec,
        "priority": send.priority.word(),
        "nonce": body.nonce,
        "ciphertext": body.ciphertext,
    });
    if send.receipt.is_some() {
        message["receipt"] = true.into();
    }
    if let Some(before) = send.message_id {
        message["message_id"] = before.into();
    }
    Ok(message)
}

/// The keys of those who are mentioned, so that a name means one member or is refused.
fn mentioned(session: &mut Session, mentions: &[String]) -> Result<Vec<String>, PeerError> {
    let mut known = None;
    let mut key_of = |text: &String| {
        let name = text.strip_prefix('@').unwrap_or(text);
        let key = match Target::parse(name) {
            Ok(Target::Key(key)) => key,
            Ok(Target::Name(name)) => {
                let peers = match &mut known {
                    Some(peers) => peers,
                    place @ None => place.insert(peers::list(session)?),
                };
                target::resolve(&name, peers)?
            }
            Ok(Target::Many(_)) | Err(_) => return Err(PeerError::BadMention { text: text.clone() }),
        };
        Ok(key.hex())
    };
    mentions.iter().map(&mut key_of).collect()
}

/// Where the message goes on the wire, and its body for that.
fn address(
    profile: &Profile,
    session: &mut Session,
    to: Target,
    text: &str,
    terminal: &Terminal,
) -> Result<(String, Sealed), PeerError> {
    let key = match to {
        Target::Many(spec) => {
            remark_open(&spec, terminal);
            return Ok((spec, seal::plain(text)?));
        }
        Target::Key(key) => key,
        Target::Name(name) => target::resolve(&name, &peers::list(session)?)?,
    };
    Ok((key.hex(), seal::seal(&profile.signing_key(), key, text)?))
}

/// Tries until the broker has the message: the same key each time, so that it is stored once.
fn accept(
    profile: &Profile,
    send: &Send<'_>,
    mut session: Option<Session>,
    message: &Value,
    id: &str,
    until: Instant,
) -> Result<(Accepted, Session), PeerError> {
    let mut wait = RETRY.0;
    loop {
        let (trouble, told) = match attempt(profile, send, session.take(), message, id, until) {
            Ok((Verdict::Accepted(accepted), session)) => return Ok((accepted, session)),
            Ok((Verdict::Refused(text), _)) => return Err(PeerError::SendRefused { text }),
            Ok((Verdict::Later(text, told), live)) => {
                session = Some(live);
                (text, told)
            }
            Err(PeerError::Link(LinkError::Closed { code: 1009, .. })) => {
                let detail = "the broker takes no message of this length; send it in parts".to_owned();
                return Err(PeerError::TooLong { detail });
            }
            Err(PeerError::Link(error)) if error.may_pass() => (error.to_string(), Duration::ZERO),
            Err(error) => return Err(error),
        };
        let pause = wait.max(told);
        if Instant::now() + pause >= until {
            return Err(PeerError::SendRetry { text: trouble, id: id.to_owned() });
        }
        thread::sleep(pause);
        wait = (wait * 2).min(RETRY.1);
    }
}

/// Keeps the receipt of a message, if it is one.
fn keep(
    mut shelf: Shelf,
    given: Result<Value, String>,
    message: (&str, &str),
    broker: Option<PublicKey>,
) -> Result<Value, PeerError> {
    let message_id = || message.1.to_owned();
    let sound = given.and_then(|given| receipt::check(&given, message, broker).map(|()| given));
    let given = sound.map_err(|why| PeerError::NoReceipt { message_id: message_id(), why })?;
    shelf.keep(&given).map_err(|source| PeerError::ReceiptLost { message_id: message_id(), source })?;
    Ok(given)
}

/// A message that the broker has.
#[derive(Debug, PartialEq, Eq)]
struct Accepted {
    message_id: String,
    /// It had it before.
    duplicate: bool,
    /// Mentions that mean nobody.
    unknown_mentions: Vec<String>,
    /// Its receipt, or why there is none.
    receipt: Result<Value, String>,
    /// Whom it reached, where the broker says so.
    reach: Option<Reach>,
}

/// What one ack says.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Accepted(Accepted),
    Refused(String),
    /// A refusal that may pass, and how long it surely lasts.
    Later(String, Duration),
}

fn attempt(
    profile: &Profile,
    send: &Send<'_>,
    session: Option<Session>,
    message: &Value,
    id: &str,
    until: Instant,
) -> Result<(Verdict, Session), PeerError> {
    let mut session = match session {
        Some(session) => session,
        None => Session::open(profile, send.broker, Manner::SendOnly, Some(until))?,
    };
    match session.submit(message, id, until.min(Instant::now() + ACK)) {
        Ok(ack) => Ok((read_ack(&ack), session)),
        Err(LinkError::Refused { message, .. }) => Ok((sort_refusal(message, Duration::ZERO), session)),
        Err(error) => Err(error.into()),
    }
}

fn read_ack(ack: &Value) -> Verdict {
    let text = |field: &str| ack.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    match text("error") {
        error if error.is_empty() => {
            let duplicate = ack.get("duplicate") == Some(&Value::Bool(true));
            let unknown = ack.get("unknown_mentions").and_then(Value::as_array).into_iter().flatten();
            let unknown_mentions = unknown.filter_map(Value::as_str).map(str::to_owned).collect();
            let why = || match text("receipt_error") {
                why if why.is_empty() => "this broker gives none".to_owned(),
                why => why,
            };
            let receipt = ack.get("receipt").filter(|receipt| receipt.is_object()).cloned();
            let (message_id, receipt) = (text("messageId"), receipt.ok_or_else(why));
            let reach = handover::reach_of(ack);
            Verdict::Accepted(Accepted { message_id, duplicate, unknown_mentions, receipt, reach })
        }
        error => {
            let told_ms = ack.get("retry_after_ms").and_then(Value::as_u64).unwrap_or(0);
            sort_refusal(error, Duration::from_millis(told_ms))
        }
    }
}

/// The first word of a refusal says whether it passes (mesh protocol, section 3.2).
fn sort_refusal(error: String, told: Duration) -> Verdict {
    if error.starts_with("retry:") { Verdict::Later(error, told) } else { Verdict::Refused(error) }
}

/// Looks until every recipient has the message; false when time is up.
fn deliver(
    profile: &Profile,
    send: &Send<'_>,
    mut session: Option<Session>,
    message_id: &str,
    until: Instant,
) -> Result<bool, PeerError> {
    let question = json!({ "type": "message_status", "messageId": message_id });
    loop {
        let look = match session.take() {
            Some(session) => Ok(session),
            None => Session::open(profile, send.broker, Manner::SendOnly, Some(until)),
        };
        let reply = look.and_then(|mut live| Ok((live.call(question.clone())?, live)));
        match reply {
            Ok((reply, live)) if reply.get("delivered") == Some(&Value::Bool(true)) => {
                live.close();
                return Ok(true);
            }
            Ok((_, live)) => session = Some(live),
            // The message is safe with the broker; only the looking is tried again.
            Err(PeerError::Link(error)) if error.may_pass() => {}
            Err(error) => return Err(error),
        }
        if Instant::now() + LOOK >= until {
            return Ok(false);
        }
        thread::sleep(LOOK);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ack_without_an_error_is_an_acceptance() {
        let accepted = |duplicate, unknown: &[&str]| {
            let unknown_mentions = unknown.iter().map(ToString::to_string).collect();
            let (message_id, receipt) = ("m1".into(), Err("this broker gives none".into()));
            let reach = None;
            Verdict::Accepted(Accepted { message_id, duplicate, unknown_mentions, receipt, reach })
        };
        let mut ack = json!({ "type": "ack", "id": "k", "messageId": "m1", "queued": true });
        assert_eq!(read_ack(&ack), accepted(false, &[]));
        ack["error"] = "".into();
        assert_eq!(read_ack(&ack), accepted(false, &[]));
        ack["duplicate"] = true.into();
        assert_eq!(read_ack(&ack), accepted(true, &[]));
        ack["unknown_mentions"] = json!(["x"]);
        assert_eq!(read_ack(&ack), accepted(true, &["x"]));
        let receipt = |ack: &Value| match read_ack(ack) {
            Verdict::Accepted(accepted) => accepted.receipt,
            other => panic!("{other:?}"),
        };
        ack["receipt"] = json!({"a": 1});
        assert_eq!(receipt(&ack), Ok(json!({"a": 1})));
        let ack = json!({ "messageId": "m1", "queued": true, "receipt_error": "no key" });
        assert_eq!(receipt(&ack), Err("no key".into()));
    }

    #[test]
    fn a_send_carries_the_fingerprint_of_what_was_typed_however_it_is_sealed() {
        let send = Send {
            to: "*",
            text: "hello",
            priority: Priority::Next,
            wait: None,
            timeout: ACK,
            id: None,
            mentions: &[],
            message_id: None,
            receipt: None,
            broker: None,
            via: Via::Broker,
        };
        let [one, other] = ["hello", "sealed otherwise"]
            .map(|text| message(&send, "k", "@all", &seal::plain(text).unwrap()).unwrap());
        assert_ne!(one["ciphertext"], other["ciphertext"]);
        let vector = "9b55907cae4bc96ed4d690cba1c531b95b3ab6e31019458f5aaacfc7386f4a30";
        assert_eq!(
            (&one["request_fingerprint"], &other["request_fingerprint"]),
            (&vector.into(), &vector.into())
        );
    }

    #[test]
    fn what_is_accepted_stays_accepted_where_nobody_can_say_whether_it_was_delivered() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let url = format!("ws://127.0.0.1:{port}/ws");
        let seed = peermesh_core::config::Secret::new([1; 32]);
        let profile = Profile::of_seed("ann", ("m1", "demo"), &url, Some("mem-1"), seed);
        let send = Send {
            to: "*",
            text: "hello",
            priority: Priority::Next,
            wait: Some(Until::Delivered),
            timeout: LOOK,
            id: None,
            mentions: &[],
            message_id: None,
            receipt: None,
            broker: None,
            via: Via::Daemon,
        };
        let (message_id, to) = (Some("m-1".to_owned()), "@all".to_owned());
        let handed = Handed { message_id, duplicate: false, to, waits: None, reach: None };
        let until = Instant::now() + LOOK;
        let failure = hand_over(&profile, &send, &handed, "k", until, &mut Terminal::new(true)).unwrap_err();
        assert!(
            matches!(&failure, Failure::Peer(PeerError::NotDelivered { message_id }) if message_id == "m-1")
        );
    }

    #[test]
    fn only_a_refusal_that_says_retry_is_tried_again() {
        let refused = |error: &str| read_ack(&json!({ "type": "ack", "queued": false, "error": error }));
        assert_eq!(refused("retry: x"), Verdict::Later("retry: x".into(), Duration::ZERO));
        let told = json!({ "type": "ack", "error": "retry: rate_limit", "retry_after_ms": 1_500 });
        assert!(matches!(read_ack(&told), Verdict::Later(_, told) if told == Duration::from_millis(1_500)));
        assert!(matches!(refused("invalid: payload_too_large (70000 bytes)"), Verdict::Refused(_)));
        assert!(matches!(refused("forbidden"), Verdict::Refused(_)));
    }
}
