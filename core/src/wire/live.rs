//! The messages of watchers and publishers (live protocol).
//!
//! Strict in what we say. What comes in may hold more fields than are known; a known field of the wrong form
//! makes the whole message none. Data passes as it came, byte for byte.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::mesh::Encode;
use super::runner::decode;

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

/// A publication to come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    pub topic: String,
    /// The entity it is about.
    pub key: Option<String>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
    pub idempotency_key: Option<String>,
    /// JSON as it came; `null` removes the entity.
    pub data: String,
}

/// Several at once: the same for many topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broadcast {
    pub topics: Vec<String>,
    /// With an empty topic.
    pub what: Publish,
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

/// The fields of a publication, on whatever way it comes.
#[derive(Deserialize)]
struct Given<'a> {
    topic: Option<String>,
    topics: Option<Vec<String>>,
    key: Option<String>,
    version: Option<u64>,
    idempotency_key: Option<String>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl Given<'_> {
    fn publish(self, topic: String) -> Option<Publish> {
        let Given { key, version, idempotency_key, data, .. } = self;
        // A `null` that stands there removes the entity; one that does not is a mistake.
        let data = data?.get().to_owned();
        Some(Publish { topic, key, version, idempotency_key, data })
    }
}

/// Reads a value that is there, be it `null`.
fn given(text: &str) -> Option<Given<'_>> {
    let mut given: Given<'_> = serde_json::from_str(text).ok()?;
    if given.data.is_none() {
        given.data = serde_json::from_str::<Whole<'_>>(text).ok().map(|whole| whole.data);
    }
    Some(given)
}

#[derive(Deserialize)]
struct Whole<'a> {
    #[serde(borrow)]
    data: &'a RawValue,
}

impl Publish {
    /// Reads a publication; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Publish> {
        let mut given = given(text)?;
        let topic = given.topic.take()?;
        given.publish(topic)
    }

    /// True when it removes its entity.
    pub(crate) fn removes(&self) -> bool {
        self.key.is_some() && self.data == "null"
    }
}

impl Broadcast {
    /// Reads a broadcast; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Broadcast> {
        let mut given = given(text)?;
        let topics = given.topics.take()?;
        Some(Broadcast { topics, what: given.publish(String::new())? })
    }
}

/// A publication as watchers see it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Shown<'a> {
    pub offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// When it came, in Unix milliseconds.
    pub at: i64,
    /// What it says was older than what was known.
    #[serde(skip_serializing_if = "is_false")]
    pub late: bool,
    pub data: &'a RawValue,
}

// By reference because serde wants it so.
fn is_false(value: &bool) -> bool {
    !*value
}

/// A publication on its way to watchers.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(tag = "type", rename = "position")]
pub(crate) struct Position<'a> {
    pub topic: &'a str,
    #[serde(flatten)]
    pub shown: Shown<'a>,
    /// Others of its entity were left out before it.
    #[serde(skip_serializing_if = "is_false")]
    pub conflated: bool,
}

impl Encode for Position<'_> {}

/// Publications of a moment, on their way to watchers that wish for them together.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "positions")]
pub(crate) struct Positions<'a> {
    pub topic: &'a str,
    /// The last of their offsets.
    pub offset: u64,
    pub items: Vec<Item<'a>>,
}

impl Encode for Positions<'_> {}

/// One of several publications.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Item<'a> {
    #[serde(flatten)]
    pub shown: Shown<'a>,
    /// Others of its entity were left out before it.
    #[serde(skip_serializing_if = "is_false")]
    pub conflated: bool,
}

/// What a watcher is told besides publications.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Outbound<'a> {
    Error {
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        topic: Option<&'a str>,
    },
    Authorized {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        user: &'a str,
        /// When the token runs out, in Unix milliseconds.
        #[serde(skip_serializing_if = "Option::is_none")]
        expires: Option<i64>,
    },
    Subscribed(Box<Subscribed<'a>>),
    Unsubscribed {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        /// Why, where the watcher did not ask for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<&'static str>,
    },
    Published {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        #[serde(flatten)]
        receipt: Receipt<'a>,
    },
    History {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        page: HistoryPage<'a>,
    },
    Presence {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        #[serde(flatten)]
        who: Who<'a>,
    },
    PresenceStats {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        topic: &'a str,
        connections: usize,
        users: usize,
    },
    Join {
        topic: &'a str,
        user: &'a str,
        version: u64,
    },
    Leave {
        topic: &'a str,
        user: &'a str,
        version: u64,
    },
    /// Publications were dropped for this watcher: all from the one to the other offset may be missing.
    Gap {
        topic: &'a str,
        epoch: &'a str,
        from: u64,
        to: u64,
    },
    Refresh {
        within_ms: u64,
    },
    GoingAway {
        retry_after_ms: u64,
    },
}

impl Encode for Outbound<'_> {}

/// The answer to a subscription: everything up to an offset; what follows comes by itself.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Subscribed<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<&'a str>,
    pub topic: &'a str,
    pub epoch: &'a str,
    pub offset: u64,
    /// What becomes of a watcher that does not keep up.
    pub slow: &'static str,
    /// Whether all that came since the position asked for is here; absent where none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recovered: Option<bool>,
    /// The latest value of every entity; absent where all that was missed is here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Vec<Shown<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publications: Option<Vec<Shown<'a>>>,
    /// Who else watches, where joins and leaves are told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence: Option<Who<'a>>,
    /// For how long publications are gathered; absent where each comes by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub window_ms: Option<u64>,
}

/// Who watches a topic.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Who<'a> {
    pub topic: &'a str,
    /// Grows with every join and leave.
    pub version: u64,
    pub users: Vec<Present<'a>>,
}

/// A user and the connections it watches by.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Present<'a> {
    pub user: &'a str,
    pub connections: Vec<&'a str>,
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

/// One event of a stream of events: its kind, the position that a reader comes back with, its data.
pub(crate) fn event(kind: &str, spot: Option<(&str, u64)>, text: &[u8]) -> Bytes {
    let mut event = Vec::with_capacity(text.len() + 64);
    if let Some((epoch, offset)) = spot {
        event.extend_from_slice(format!("id: {epoch}:{offset}\n").as_bytes());
    }
    event.extend_from_slice(b"event: ");
    event.extend_from_slice(kind.as_bytes());
    event.extend_from_slice(b"\ndata: ");
    // A raw line break in JSON is white space, and would end the line here.
    event.extend(text.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
    event.extend_from_slice(b"\n\n");
    event.into()
}

/// Where a publication stands.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Receipt<'a> {
    pub epoch: &'a str,
    pub offset: u64,
    /// Its key was known: this is what came first.
    pub duplicate: bool,
}

/// A page of a topic's publications.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct HistoryPage<'a> {
    pub topic: &'a str,
    pub epoch: &'a str,
    /// The last offset that was given out.
    pub offset: u64,
    pub publications: Vec<Shown<'a>>,
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

    #[test]
    fn data_passes_as_it_came_and_a_null_is_there_or_not() {
        let publish = |text: &str| Publish::parse(text);
        let made = publish(r#"{"topic":"a","key":"k","data": {"b":1.50,  "a":12345678901234567890123}}"#);
        assert_eq!(made.unwrap().data, r#"{"b":1.50,  "a":12345678901234567890123}"#);
        assert!(publish(r#"{"topic":"a","key":"k","data":null}"#).unwrap().removes());
        assert_eq!(publish(r#"{"topic":"a","key":"k"}"#), None);
        let many = Broadcast::parse(r#"{"topics":["a","b"],"data":[]}"#).unwrap();
        assert_eq!((many.topics.len(), many.what.data.as_str()), (2, "[]"));
    }

    #[test]
    fn an_error_says_no_more_than_it_knows() {
        let mut text = Vec::new();
        Outbound::Error { code: "not-implemented", message: None, id: None, topic: None }.encode(&mut text);
        assert_eq!(text, br#"{"type":"error","code":"not-implemented"}"#);
    }
}
