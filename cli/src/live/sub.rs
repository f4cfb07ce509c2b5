//! `live sub`: shows what holds and what follows, and goes on where it was when the connection breaks.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_core::fault::Fault;
use serde_json::{Value, json};

use super::{LiveError, Port};
use crate::failure::Failure;
use crate::peer::link::{Link, LinkError};
use crate::terminal::Terminal;

/// Waits between two connections: the first, and the longest.
const RECONNECT: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// Why a topic is not watched that may be watched a while later, at this broker or another one.
const PASSING: [&str; 5] = ["unavailable", "not-owner", "position-lost", "rate-limited", "shutting-down"];

/// What to watch, and until when.
#[derive(Debug)]
pub(crate) struct Wish<'a> {
    pub(crate) topics: &'a [String],
    pub(crate) from: Option<&'a str>,
    pub(crate) count: Option<u64>,
    pub(crate) timeout: Option<Duration>,
}

impl Wish<'_> {
    /// True when only a signal or a failure ends it. An array would then never be whole.
    fn is_endless(&self) -> bool {
        self.count.is_none() && self.timeout.is_none()
    }
}

/// Watches.
pub(crate) fn sub(port: &Port, wish: &Wish<'_>, terminal: &mut Terminal) -> Result<(), Failure> {
    let mut places = BTreeMap::new();
    if let Some(from) = wish.from {
        let odd = || LiveError::NoPosition(from.to_owned());
        let [topic] = wish.topics else { return Err(odd().into()) };
        let (epoch, offset) = from.rsplit_once(':').ok_or_else(odd)?;
        let offset: u64 = offset.parse().map_err(|_| odd())?;
        places.insert(topic.clone(), (epoch.to_owned(), offset));
    }
    let until = wish.timeout.map(|timeout| Instant::now() + timeout);
    let mut reader = Reader { port, wish, until, places, seen: 0, steady: false, begun: 0 };
    let outcome = reader.follow(terminal);
    terminal.end_list()?;
    outcome?;
    match wish.count {
        Some(wanted) if reader.seen < wanted => Err(LiveError::TooFew { seen: reader.seen, wanted }.into()),
        _ => Ok(()),
    }
}

struct Reader<'a> {
    port: &'a Port,
    wish: &'a Wish<'a>,
    until: Option<Instant>,
    /// Where each topic was left.
    places: BTreeMap<String, (String, u64)>,
    seen: u64,
    /// A topic was watched, over this connection or an earlier one.
    steady: bool,
    /// Topics of the last connection that are watched.
    begun: usize,
}

impl Reader<'_> {
    /// Over as many connections as it takes.
    fn follow(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        let mut wait = RECONNECT.0;
        loop {
            let broken = match self.watch(terminal) {
                Ok(()) => return Ok(()),
                Err(Failure::Live(LiveError::Link(error))) if self.steady && error.may_pass() => error,
                Err(failure) => return Err(failure),
            };
            if self.begun > 0 {
                // It was well for a while.
                wait = RECONNECT.0;
            }
            terminal.remark(&format!("{broken}; going on in {} ms", wait.as_millis()));
            if self.until.is_some_and(|until| Instant::now() + wait >= until) {
                return Ok(());
            }
            thread::sleep(wait);
            wait = (wait * 2).min(RECONNECT.1);
        }
    }

    /// Over one connection; done when all was seen or the time is over.
    fn watch(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        self.begun = 0;
        let mut link = Link::dial(&self.port.address, self.until).map_err(LiveError::from)?;
        link.send(&json!({ "type": "auth", "token": self.port.token() })).map_err(LiveError::from)?;
        for topic in self.wish.topics {
            let mut message = json!({ "type": "subscribe", "topic": topic });
            if let Some((epoch, offset)) = self.places.get(topic) {
                message["recover"] = json!({ "epoch": epoch, "offset": offset });
            }
            link.send(&message).map_err(LiveError::from)?;
        }
        while !self.is_done() || self.begun < self.wish.topics.len() {
            let Some(message) = link.receive(self.until).map_err(ended)? else {
                if self.steady {
                    break;
                }
                return Err(LiveError::from(LinkError::Silent { waited_for: "what holds" }).into());
            };
            self.show(&message, terminal)?;
        }
        link.goodbye();
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.wish.count.is_some_and(|count| self.seen >= count)
    }

    /// What failed before a topic was watched has nothing to show but that failure.
    fn begin(&mut self, terminal: &mut Terminal) -> Result<(), Failure> {
        if !self.steady && !self.wish.is_endless() {
            terminal.begin_list()?;
        }
        self.steady = true;
        Ok(())
    }

    fn show(&mut self, message: &Value, terminal: &mut Terminal) -> Result<(), Failure> {
        let topic = message["topic"].as_str().unwrap_or_default();
        match message["type"].as_str().unwrap_or_default() {
            "error" => {
                let field = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
                if message["code"] == "not-implemented" || message["code"] == "protocol-violation" {
                    return Err(LiveError::NoGate.into());
                }
                return Err(refused(field("code"), field("message")).into());
            }
            "subscribed" => {
                self.begin(terminal)?;
                self.begun += 1;
                let epoch = message["epoch"].as_str().unwrap_or_default().to_owned();
                let place = (epoch, message["offset"].as_u64().unwrap_or_default());
                let way = match message["recovered"].as_bool() {
                    Some(true) => "nothing was missed",
                    Some(false) => "something was missed; this holds",
                    None => "this holds",
                };
                terminal.remark(&format!("{topic} is at {}:{}; {way}", place.0, place.1));
                self.places.insert(topic.to_owned(), place);
                for list in ["snapshot", "publications"] {
                    for one in message[list].as_array().into_iter().flatten() {
                        self.show_one(topic, one, list == "publications", terminal)?;
                    }
                }
            }
            "position" => self.show_one(topic, message, true, terminal)?,
            "gap" => {
                let (from, to) = (&message["from"], &message["to"]);
                terminal.remark(&format!("{topic}: {from} to {to} were dropped"));
            }
            "unsubscribed" => {
                let code = message["code"].as_str().unwrap_or_default().to_owned();
                return Err(refused(code, format!("{topic} is watched no longer")).into());
            }
            _ => {}
        }
        Ok(())
    }

    fn show_one(
        &mut self,
        topic: &str,
        one: &Value,
        counts: bool,
        terminal: &mut Terminal,
    ) -> Result<(), Failure> {
        if counts && self.is_done() {
            return Ok(());
        }
        let offset = one["offset"].as_u64().unwrap_or_default();
        let key = one["key"].as_str().map_or(String::new(), |key| format!(" {key}"));
        let mut value = one.clone();
        value["topic"] = topic.into();
        let line = format!("{topic} {offset}{key} {}", one["data"]);
        terminal.item(&value, [line.as_str()])?;
        if counts {
            self.seen += 1;
            if let Some((_, place)) = self.places.get_mut(topic) {
                *place = (*place).max(offset);
            }
        }
        Ok(())
    }
}

/// Why nothing more is heard: what is told to peers about their mesh is no help here.
fn ended(error: LinkError) -> LiveError {
    match error {
        LinkError::Closed { code, .. } if code == Fault::LiveUnauthorized.row().code => LiveError::BadToken,
        error => error.into(),
    }
}

fn refused(code: String, message: String) -> LiveError {
    if PASSING.contains(&code.as_str()) {
        return LiveError::Link(LinkError::Lost { error: format!("{message} ({code})") });
    }
    LiveError::Refused { status: 403, code, message }
}
