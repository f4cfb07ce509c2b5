//! The messages of watchers and publishers (live protocol).
//!
//! Strict in what we say. What comes in may hold more fields than are known; a known field of the wrong form
//! makes the whole message none. Data passes as it came, byte for byte.

mod publish;
mod told;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::runner::decode;

pub(crate) use publish::{Broadcast, Draft, Publish};
pub(crate) use told::{
    HistoryPage, Item, Outbound, Position, Positions, Present, Receipt, Shown, Subscribed, Who, event,
};

/// A message of a watcher.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Inbound {
    /// What the watcher calls it.
    pub id: Option<String>,
    pub ask: Ask,
}

/// What a watcher asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Ask {
    Subscribe(Subscribe),
    Unsubscribe { topic: String },
    Auth { token: String },
    Ping,
    Publish(Box<Publish>),
    History(HistoryCall),
    Presence { topic: String },
    PresenceStats { topic: String },
}

/// A wish to watch a topic.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Subscribe {
    pub topic: String,
    /// Go on behind this.
    pub recover: Option<Spot>,
    /// Begin with so many of the last publications.
    pub history: u64,
    /// Tell who joins and leaves.
    pub presence: bool,
    /// Gather publications for so many milliseconds and send them as one message.
    pub window_ms: u64,
}

/// A place in the publications of a topic.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(crate) struct Spot {
    pub epoch: String,
    pub offset: u64,
}

/// A wish to read a topic's publications.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HistoryCall {
    pub topic: String,
    /// Those behind this one; in reverse, those before it.
    pub since: Option<Spot>,
    pub limit: u64,
    pub reverse: bool,
}

/// Publications of one page where the asker says nothing of it.
const PAGE: u64 = 100;

impl Inbound {
    /// Reads a message; `None` when it is none. Without the gate, only subscribing and unsubscribing are.
    pub(crate) fn parse(text: &str, gated: bool) -> Option<Inbound> {
        let Value::Object(fields) = serde_json::from_str(text).ok()? else { return None };
        let id = optional(&fields, "id", |value| value.as_str().map(str::to_owned))?;
        let ask = match fields.get("type")?.as_str()? {
            "subscribe" if gated => Ask::Subscribe(subscribe(&fields)?),
            "subscribe" => {
                Ask::Subscribe(Subscribe { topic: string(&fields, "topic")?, ..Subscribe::default() })
            }
            "unsubscribe" => Ask::Unsubscribe { topic: string(&fields, "topic")? },
            _ if !gated => return None,
            "ping" => Ask::Ping,
            "auth" => Ask::Auth { token: string(&fields, "token")? },
            "publish" => Ask::Publish(Box::new(Publish::parse(text)?)),
            "history" => Ask::History(HistoryCall {
                topic: string(&fields, "topic")?,
                since: optional(&fields, "since", spot)?,
                limit: optional(&fields, "limit", Value::as_u64)?.unwrap_or(PAGE),
                reverse: optional(&fields, "reverse", Value::as_bool)?.unwrap_or(false),
            }),
            "presence" => Ask::Presence { topic: string(&fields, "topic")? },
            "presence-stats" => Ask::PresenceStats { topic: string(&fields, "topic")? },
            _ => return None,
        };
        Some(Inbound { id, ask })
    }
}

fn subscribe(fields: &Map<String, Value>) -> Option<Subscribe> {
    Some(Subscribe {
        topic: string(fields, "topic")?,
        recover: optional(fields, "recover", spot)?,
        history: optional(fields, "history", Value::as_u64)?.unwrap_or(0),
        presence: optional(fields, "presence", Value::as_bool)?.unwrap_or(false),
        window_ms: optional(fields, "window_ms", Value::as_u64)?.unwrap_or(0),
    })
}

fn string(fields: &Map<String, Value>, name: &str) -> Option<String> {
    fields.get(name)?.as_str().map(str::to_owned)
}

/// A field that may be missing; `None` when it is there in another form.
fn optional<T>(
    fields: &Map<String, Value>,
    name: &str,
    read: impl Fn(&Value) -> Option<T>,
) -> Option<Option<T>> {
    match fields.get(name) {
        None => Some(None),
        Some(value) => read(value).map(Some),
    }
}

fn spot(value: &Value) -> Option<Spot> {
    serde_json::from_value(value.clone()).ok()
}

impl Spot {
    /// Reads `epoch:offset`, as streams of events number what they send.
    pub(crate) fn parse(text: &str) -> Option<Spot> {
        let (epoch, offset) = text.rsplit_once(':')?;
        Some(Spot { epoch: epoch.to_owned(), offset: offset.parse().ok()? })
    }

    /// The position that a reader of events comes back with. What is none stands for one that is unknown, so
    /// that the reader is told that it missed something; a refusal would keep browsers away for good.
    pub(crate) fn of_event(text: &str) -> Spot {
        Spot::parse(text).unwrap_or_else(|| Spot { epoch: String::new(), offset: 0 })
    }
}

/// What is asked for over HTTP.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum LiveCall {
    Publish(Publish),
    Broadcast(Broadcast),
    History(HistoryCall),
    Presence {
        topic: String,
        /// Numbers only.
        short: bool,
    },
    Topics,
    Connections,
    Revoke {
        user: String,
    },
    Disconnect {
        user: String,
    },
    /// End a user's subscriptions to one topic.
    Unsubscribe {
        user: String,
        topic: String,
    },
}

#[derive(Deserialize)]
struct Named {
    user: String,
    #[serde(default)]
    topic: Option<String>,
}

impl LiveCall {
    /// Reads a request; `None` when its query or its body is none. Paths are judged before.
    pub(crate) fn parse(path: &str, query: &str, body: &[u8]) -> Option<LiveCall> {
        let text = || std::str::from_utf8(body).ok();
        let named = || serde_json::from_slice::<Named>(body).ok();
        Some(match path {
            "/publish" => LiveCall::Publish(Publish::parse(text()?)?),
            "/broadcast" => LiveCall::Broadcast(Broadcast::parse(text()?)?),
            "/topics" => LiveCall::Topics,
            "/connections" => LiveCall::Connections,
            "/revoke" => LiveCall::Revoke { user: named()?.user },
            "/disconnect" => LiveCall::Disconnect { user: named()?.user },
            "/unsubscribe" => {
                let Named { user, topic } = named()?;
                LiveCall::Unsubscribe { user, topic: topic? }
            }
            "/presence" => LiveCall::Presence { topic: parameter(query, "topic")?, short: false },
            "/presence-stats" => LiveCall::Presence { topic: parameter(query, "topic")?, short: true },
            "/history" => LiveCall::History(HistoryCall {
                topic: parameter(query, "topic")?,
                since: match parameter(query, "since") {
                    Some(text) => Some(Spot::parse(&text)?),
                    None => None,
                },
                limit: match parameter(query, "limit") {
                    Some(text) => text.parse().ok()?,
                    None => PAGE,
                },
                reverse: parameter(query, "reverse").is_some_and(|text| text == "true"),
            }),
            _ => return None,
        })
    }
}

/// A parameter of a query, decoded; `None` when it is missing or cannot be read.
pub(crate) fn parameter(query: &str, name: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    decode(pairs.find(|(have, _)| *have == name)?.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_gate_a_message_is_a_subscription_or_its_end_whatever_else_it_holds() {
        let ask = |text: &str| Inbound::parse(text, false).map(|inbound| inbound.ask);
        let wanted = Ask::Subscribe(Subscribe { topic: "foo".into(), ..Subscribe::default() });
        assert_eq!(ask(r#"{"type":"subscribe","topic":"foo","recover":7,"more":[{}]}"#), Some(wanted));
        assert_eq!(
            ask(r#"{"type":"unsubscribe","topic":""}"#),
            Some(Ask::Unsubscribe { topic: String::new() })
        );
        for none in [
            "",
            "null",
            "[]",
            r#""subscribe""#,
            r#"{"type":"subscribe"}"#,
            r#"{"type":"subscribe","topic":1}"#,
            r#"{"type":"subscribe","topic":"a","id":null}"#,
            r#"{"type":"publish","topic":"a","data":1}"#,
            r#"{"topic":"a"}"#,
        ] {
            assert_eq!(ask(none), None, "{none}");
        }
    }
}
