//! The messages of feature negotiation (mesh protocol, section 2.5).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::{Deserialize as DeserializeDerive, Serialize};
use serde_json::{Map, Value};

/// `feature_negotiation_request`: what a peer cannot do without, and what it would use.
#[derive(Clone, Debug, PartialEq, DeserializeDerive)]
pub(crate) struct FeatureRequest {
    #[serde(default, deserialize_with = "or_empty")]
    pub require: Vec<Wanted>,
    #[serde(default, deserialize_with = "or_empty")]
    pub optional: Vec<Wanted>,
}

/// Null counts as absent.
fn or_empty<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A feature that somebody wants: its name alone, or `{feature, params}`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub feature: String,
    /// What its parameters must be.
    pub params: Map<String, Value>,
}

impl<'de> Deserialize<'de> for Wanted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Wanted, D::Error> {
        #[derive(DeserializeDerive)]
        struct Whole {
            feature: String,
            #[serde(default, deserialize_with = "or_empty")]
            params: Map<String, Value>,
        }
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Wanted;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a feature, or {feature, params}")
            }
            fn visit_str<E: de::Error>(self, name: &str) -> Result<Wanted, E> {
                Ok(Wanted { feature: name.to_owned(), params: Map::new() })
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Wanted, A::Error> {
                let Whole { feature, params } = Whole::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Wanted { feature, params })
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// What the broker does, by name.
pub(crate) type Features = BTreeMap<&'static str, Offer>;

/// One feature as it is offered.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Offer {
    pub params: BTreeMap<&'static str, Value>,
}

/// `feature_negotiation_response`.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename = "feature_negotiation_response")]
pub(crate) struct FeatureAnswer<'a> {
    pub supported: Features,
    /// Names of required features that are not there, in the order of the request.
    pub missing_required: Vec<&'a str>,
    #[serde(rename = "_reqId", skip_serializing_if = "Option::is_none")]
    pub request: Option<&'a str>,
}

/// Why a connection ends over a required feature: the reason of its close, before it is cut.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LackReason<'a> {
    /// First, so that no cut takes it away.
    pub kind: &'static str,
    pub feature: &'a str,
    pub detail: &'a str,
}

impl LackReason<'_> {
    /// The JSON text of it.
    pub(crate) fn text(&self) -> String {
        // Three texts can always be written.
        serde_json::to_string(self).expect("a reason of ours is JSON")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fault::word_of;

    #[test]
    fn a_feature_is_wanted_by_its_name_or_with_parameters() {
        let text = r#"{"require":["a",{"feature":"b"},{"feature":"c","params":{"version":2},"x":1}]}"#;
        let request: FeatureRequest = serde_json::from_str(text).unwrap();
        let [a, b, c] = &request.require[..] else { panic!("{request:?}") };
        assert_eq!((&*a.feature, &*b.feature, &*c.feature), ("a", "b", "c"));
        assert_eq!((a.params.len(), b.params.len(), c.params["version"].as_u64()), (0, 0, Some(2)));
        assert!(request.optional.is_empty());
        let absent = r#"{"require":null,"optional":[{"feature":"a","params":null}]}"#;
        let request: FeatureRequest = serde_json::from_str(absent).unwrap();
        assert!(request.require.is_empty() && request.optional[0].params.is_empty());
    }

    #[test]
    fn what_is_no_list_of_features_is_malformed() {
        for text in [
            r#"{"require":"a"}"#,
            r#"{"require":[5]}"#,
            r#"{"require":[{}]}"#,
            r#"{"optional":[{"feature":5}]}"#,
            r#"{"optional":[{"feature":"a","params":[]}]}"#,
        ] {
            assert!(serde_json::from_str::<FeatureRequest>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_kind_of_a_reason_survives_every_cut() {
        for kind in ["feature_unavailable", "feature_param_invalid", "feature_param_below_floor"] {
            let text = LackReason { kind, feature: "\"x\"", detail: "y" }.text();
            assert_eq!(word_of(&text), kind);
            assert_eq!(word_of(&text[..40]), kind);
        }
    }
}
