//! What a broker tells whoever watches a live topic or publishes to one: of all fields those that somebody
//! looks at.

use serde::Deserialize;
use serde_json::value::RawValue;

/// A message of the live port.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Heard {
    #[serde(rename = "type")]
    pub kind: HeardKind,
    pub id: String,
    pub topic: String,
    pub epoch: String,
    pub offset: u64,
    pub key: Option<String>,
    pub version: Option<u64>,
    pub late: bool,
    pub data: Option<Box<RawValue>>,
    pub conflated: bool,
    pub duplicate: bool,
    pub recovered: Option<bool>,
    /// What becomes of those who do not keep up.
    pub slow: String,
    pub snapshot: Option<Vec<Item>>,
    pub publications: Option<Vec<Item>>,
    /// A gap reaches from here to there.
    pub from: u64,
    pub to: u64,
    /// Of an error.
    pub code: String,
    /// Who came or went.
    pub user: String,
    /// Who is there.
    pub presence: Option<Present>,
}

/// Who watches a topic.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Present {
    pub version: u64,
    pub users: Vec<User>,
}

/// One of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct User {
    pub user: String,
}

/// The types of messages that are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum HeardKind {
    Subscribed,
    Unsubscribed,
    Position,
    Gap,
    Published,
    Join,
    Leave,
    Error,
    #[default]
    #[serde(other)]
    Other,
}

/// A publication.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Item {
    pub offset: u64,
    pub key: Option<String>,
    pub version: Option<u64>,
    pub late: bool,
    pub data: Option<Box<RawValue>>,
}

impl Item {
    /// What it says: JSON.
    pub(super) fn text(&self) -> &str {
        self.data.as_ref().map_or("null", |data| data.get())
    }
}

impl Heard {
    /// The publication that a `position` is.
    pub(super) fn item(&self) -> Item {
        let Heard { offset, version, late, .. } = *self;
        Item { offset, key: self.key.clone(), version, late, data: self.data.clone() }
    }

    /// As much of it as a person wants to see.
    pub(super) fn shown(&self) -> String {
        let Heard { kind, topic, offset, id, code, recovered, .. } = self;
        match kind {
            HeardKind::Subscribed => format!("subscribed {topic} at {offset}, recovered {recovered:?}"),
            HeardKind::Gap => format!("gap of {topic} from {} to {}", self.from, self.to),
            HeardKind::Error | HeardKind::Unsubscribed => format!("{kind:?} {topic} {id} {code}"),
            HeardKind::Join | HeardKind::Leave => format!("{kind:?} {topic} {}", self.user),
            HeardKind::Position | HeardKind::Published | HeardKind::Other => {
                format!("{kind:?} {topic} {offset} {id}")
            }
        }
    }
}
