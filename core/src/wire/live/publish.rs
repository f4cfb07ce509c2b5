//! What is published: one publication, a batch that stands as a whole, or the same to many topics.
//!
//! *Always holds:* data passes as it came, byte for byte.

use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// A publication to come, or a batch of them that stands as a whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Publish {
    pub topic: String,
    pub idempotency_key: Option<String>,
    /// It came as a batch, be it of one.
    pub is_batch: bool,
    /// In order; at least one.
    pub drafts: Vec<Draft>,
}

/// What one publication is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Draft {
    /// The entity it is about.
    pub key: Option<String>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
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

/// The fields of a publication, on whatever way it comes.
#[derive(Deserialize)]
struct Given<'a> {
    topic: Option<String>,
    topics: Option<Vec<String>>,
    idempotency_key: Option<String>,
    key: Option<String>,
    version: Option<u64>,
    #[serde(borrow, default, deserialize_with = "there")]
    data: Option<&'a RawValue>,
    #[serde(borrow, default)]
    batch: Option<Vec<Drafted<'a>>>,
}

/// One publication of a batch.
#[derive(Deserialize)]
struct Drafted<'a> {
    key: Option<String>,
    version: Option<u64>,
    #[serde(borrow)]
    data: &'a RawValue,
}

/// Reads a value that stands there. A `null` removes an entity; nothing at all is a mistake.
fn there<'a, D: Deserializer<'a>>(from: D) -> Result<Option<&'a RawValue>, D::Error> {
    <&RawValue>::deserialize(from).map(Some)
}

impl Given<'_> {
    fn publish(self, topic: String) -> Option<Publish> {
        let Given { idempotency_key, key, version, data, batch, .. } = self;
        let is_batch = batch.is_some();
        let drafts: Vec<Drafted<'_>> = match (data, batch) {
            (Some(data), None) => vec![Drafted { key, version, data }],
            (None, Some(batch)) if key.is_none() && version.is_none() && !batch.is_empty() => batch,
            _ => return None,
        };
        let drafts = drafts.into_iter().map(|Drafted { key, version, data }| Draft {
            key,
            version,
            data: data.get().to_owned(),
        });
        Some(Publish { topic, idempotency_key, is_batch, drafts: drafts.collect() })
    }
}

impl Publish {
    /// Reads a publication; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Publish> {
        let mut given: Given<'_> = serde_json::from_str(text).ok()?;
        let topic = given.topic.take()?;
        given.publish(topic)
    }

    /// How many it is of, where it came as a batch.
    pub(crate) fn batch_of(&self) -> Option<usize> {
        self.is_batch.then_some(self.drafts.len())
    }
}

impl Draft {
    /// True when it removes its entity.
    pub(crate) fn removes(&self) -> bool {
        self.key.is_some() && self.data == "null"
    }
}

impl Broadcast {
    /// Reads a broadcast; `None` when it is none.
    pub(crate) fn parse(text: &str) -> Option<Broadcast> {
        let mut given: Given<'_> = serde_json::from_str(text).ok()?;
        let topics = given.topics.take()?;
        Some(Broadcast { topics, what: given.publish(String::new())? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_passes_as_it_came_and_a_null_is_there_or_not() {
        let publish = |text: &str| Publish::parse(text);
        let made = publish(r#"{"topic":"a","key":"k","data": {"b":1.50,  "a":12345678901234567890123}}"#);
        assert_eq!(made.unwrap().drafts[0].data, r#"{"b":1.50,  "a":12345678901234567890123}"#);
        assert!(publish(r#"{"topic":"a","key":"k","data":null}"#).unwrap().drafts[0].removes());
        assert_eq!(publish(r#"{"topic":"a","key":"k"}"#), None);
        let many = Broadcast::parse(r#"{"topics":["a","b"],"data":[]}"#).unwrap();
        assert_eq!((many.topics.len(), many.what.drafts[0].data.as_str()), (2, "[]"));
    }

    #[test]
    fn a_batch_is_a_list_of_publications_and_nothing_beside_it() {
        let batch =
            Publish::parse(r#"{"topic":"a","batch":[{"key":"k","data":null},{"data": [1]}]}"#).unwrap();
        assert_eq!((batch.batch_of(), &*batch.drafts[1].data), (Some(2), "[1]"));
        assert!(batch.drafts[0].removes() && !batch.drafts[1].removes());
        for none in [
            r#"{"topic":"a","batch":[]}"#,
            r#"{"topic":"a","batch":[{"key":"k"}]}"#,
            r#"{"topic":"a","batch":[{"data":1}],"data":1}"#,
            r#"{"topic":"a","batch":[{"data":1}],"key":"k"}"#,
            r#"{"topic":"a","batch":{"data":1}}"#,
        ] {
            assert_eq!(Publish::parse(none), None, "{none}");
        }
    }
}
