//! Everything the broker does that can be negotiated, and what meets a requirement.
//!
//! *Always holds:* what is offered and what is judged come from one table, and only what the broker really
//! does is in it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Dialect;
use crate::config::Limits;
use crate::fault::Fault;
use crate::fingerprint::Layout;
use crate::mesh::hear::brief;
use crate::wire::mesh::{Offer, Wanted};

/// Everything the broker does that can be negotiated.
pub(super) fn table(limits: &Limits, dialect: Dialect) -> [Feature; 4] {
    const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
    const DAYS_MIN: u64 = 3;
    const BYTES_MIN: u64 = 1_024;
    const POLICIES: [&str; 3] = ["prefer_newest", "prefer_oldest", "allow_concurrent"];
    // A key is remembered as long as its message.
    let days = limits.dedupe_retention_ms() / DAY_MS;
    // A payload comes in one message, and can be no longer.
    let bytes = limits.payload_bytes_max().min(limits.message_bytes_max());
    let param = |name, since, does| Param { name, since, does };
    [
        Feature {
            name: "client_message_id_dedupe",
            version: if dialect.knows_layouts { 2 } else { 1 },
            newest: 2,
            params: vec![
                param("mode", 1, Does::Word("retention_scoped")),
                param("dedupe_retention_days", 1, Does::Number { has: days, floor: DAYS_MIN }),
                param("request_fingerprint", 1, Does::True),
                param("fingerprint_layouts", 2, Does::Words(Layout::ALL.map(Layout::word))),
            ],
        },
        Feature {
            name: "concurrent_connection_policy",
            version: 1,
            newest: 1,
            params: vec![param("default_policy", 1, Does::Choice("allow_concurrent", POLICIES))],
        },
        Feature { name: "member_keypair_rotated_event", version: 1, newest: 1, params: Vec::new() },
        Feature {
            name: "max_payload",
            version: 1,
            newest: 1,
            params: ["inline_bytes", "blob_bytes"]
                .map(|name| param(name, 1, Does::Number { has: bytes, floor: BYTES_MIN }))
                .into(),
        },
    ]
}

/// One feature of the broker.
pub(super) struct Feature {
    pub name: &'static str,
    /// The version this peer is told of.
    version: u64,
    /// The newest there is.
    newest: u64,
    params: Vec<Param>,
}

/// One parameter of a feature.
struct Param {
    name: &'static str,
    /// The first version that has it.
    since: u64,
    does: Does,
}

/// What the broker does, and what else a peer could name.
enum Does {
    /// That many. Peers have no use for the feature below the floor.
    Number { has: u64, floor: u64 },
    /// This word.
    Word(&'static str),
    /// This word of those. A parameter that peers may leave out of account.
    Choice(&'static str, [&'static str; 3]),
    /// All of these words.
    Words([&'static str; Layout::ALL.len()]),
    /// True, and nothing else.
    True,
}

/// Whether a wanted feature is there as it is wanted. Parameters that bind nobody go to `passed`.
pub(super) fn judge<'a>(
    features: &[Feature],
    wanted: &'a Wanted,
    passed: &mut Passed<'a>,
) -> Result<(), Lack<'a>> {
    let name = wanted.feature.as_str();
    let lack = |(kind, detail)| Lack { kind, feature: name, detail };
    let Some(feature) = features.iter().find(|feature| feature.name == name) else {
        return Err(lack((Kind::Unavailable, "the broker does not do this".to_owned())));
    };
    if let Some(short) = feature.short_of_floor() {
        return Err(lack((Kind::BelowFloor, short)));
    }
    let version = feature.version_for(&wanted.params).map_err(lack)?;
    for (param, value) in wanted.params.iter().filter(|(_, value)| !value.is_null()) {
        let known = feature.params.iter().find(|known| known.name == param && known.since <= version);
        match known.map(|known| (&known.does, known.does.meets(known.name, value))) {
            Some((_, Ok(()))) => {}
            Some((Does::Choice(..), Err((Kind::Invalid, detail)))) => passed.over(name, || detail),
            Some((_, Err(why))) => return Err(lack(why)),
            None if param == "version" => {}
            None => passed.over(name, || format!("the broker knows no {}", brief(param))),
        }
    }
    Ok(())
}

impl Feature {
    pub(super) fn offer(&self) -> Offer {
        let params = self.params.iter().filter(|param| param.since <= self.version);
        let mut params: BTreeMap<&'static str, Value> =
            params.map(|param| (param.name, param.does.shown())).collect();
        params.insert("version", self.version.into());
        Offer { params }
    }

    /// What this broker has too little of for anybody.
    pub(super) fn short_of_floor(&self) -> Option<String> {
        self.params.iter().find_map(|param| match param.does {
            Does::Number { has, floor } if has < floor => {
                Some(format!("{} is {has}, not {floor} or more", param.name))
            }
            Does::Number { .. } | Does::Word(_) | Does::Choice(..) | Does::Words(_) | Does::True => None,
        })
    }

    /// The version in which a peer speaks of its parameters.
    fn version_for(&self, params: &Map<String, Value>) -> Result<u64, (Kind, String)> {
        let version = params.get("version").filter(|version| !version.is_null());
        let Some(version) = version else { return Ok(self.version) };
        match version.as_u64() {
            None => Err((Kind::Invalid, "version must be an integer".to_owned())),
            Some(version) if (1..=self.version).contains(&version) => Ok(version),
            Some(version) if (1..=self.newest).contains(&version) => {
                Err((Kind::Unavailable, format!("say {}@{version} for version {version}", self.name)))
            }
            Some(version) => Err((Kind::Unavailable, format!("version is {}, not {version}", self.newest))),
        }
    }
}

impl Does {
    fn shown(&self) -> Value {
        match self {
            Does::Number { has, .. } => (*has).into(),
            Does::Word(word) | Does::Choice(word, _) => (*word).into(),
            Does::Words(words) => words.to_vec().into(),
            Does::True => true.into(),
        }
    }

    /// Whether that is as much as a peer wants, and if not, why.
    fn meets(&self, name: &str, wanted: &Value) -> Result<(), (Kind, String)> {
        let invalid = |what: &str| Err((Kind::Invalid, format!("{name} must be {what}")));
        let other = |have: &str, word: &str| {
            Err((Kind::Unavailable, format!("{name} is {have}, not {}", brief(word))))
        };
        match (self, wanted) {
            (Does::Number { has, floor }, wanted) => match wanted.as_u64() {
                Some(wanted) if wanted < *floor => invalid(&format!("{floor} or more")),
                Some(wanted) if wanted <= *has => Ok(()),
                Some(wanted) => Err((Kind::BelowFloor, format!("{name} is {has}, not {wanted}"))),
                None => invalid("an integer"),
            },
            (Does::Word(has) | Does::Choice(has, _), Value::String(word)) if word == has => Ok(()),
            (Does::Word(has), Value::String(word)) => other(has, word),
            (Does::Choice(has, all), Value::String(word)) if all.contains(&word.as_str()) => other(has, word),
            (Does::Word(_) | Does::Choice(..), _) => invalid("a word"),
            (Does::Words(have), Value::Array(wanted)) => {
                for word in wanted {
                    match word.as_str() {
                        Some(word) if have.contains(&word) => {}
                        Some(word) => return other(&have.join("/"), word),
                        None => return invalid("a list of words"),
                    }
                }
                Ok(())
            }
            (Does::Words(_), _) => invalid("a list of words"),
            (Does::True, Value::Bool(true)) => Ok(()),
            (Does::True, _) => invalid("true"),
        }
    }
}

/// A required feature that is not there.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lack<'a> {
    pub kind: Kind,
    pub feature: &'a str,
    /// For the peer's developer.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The broker does not do it, or not like that.
    Unavailable,
    /// What is required is no value of that parameter.
    Invalid,
    /// The broker has less of it.
    BelowFloor,
}

impl Kind {
    pub(super) fn fault(self, dialect: Dialect) -> Fault {
        match (self, dialect.splits_codes) {
            (Kind::Unavailable, _) => Fault::FeatureUnavailable,
            (Kind::Invalid, false) => Fault::FeatureInvalid,
            (Kind::Invalid, true) => Fault::SplitInvalid,
            (Kind::BelowFloor, false) => Fault::FeatureBelowFloor,
            (Kind::BelowFloor, true) => Fault::SplitBelowFloor,
        }
    }
}

/// What was wanted and binds nobody: how often, and the first of it for the log.
#[derive(Debug, Default)]
pub(super) struct Passed<'a> {
    pub first: Option<(&'a str, String)>,
    pub count: u64,
}

impl<'a> Passed<'a> {
    pub(super) fn over(&mut self, feature: &'a str, detail: impl FnOnce() -> String) {
        self.count += 1;
        self.first.get_or_insert_with(|| (feature, detail()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::offered;
    use super::*;
    use serde_json::json;

    const PLAIN: Dialect = Dialect { splits_codes: false, knows_layouts: false };
    const FLUENT: Dialect = Dialect { splits_codes: true, knows_layouts: true };

    /// The kind of failure and its detail, or how many parameters were passed over.
    fn judged(dialect: Dialect, feature: &str, params: &Value) -> Result<u64, (Kind, String)> {
        let Value::Object(params) = params.clone() else { panic!("{params} is no object") };
        let wanted = Wanted { feature: feature.to_owned(), params };
        let mut passed = Passed::default();
        judge(&table(&Limits::default(), dialect), &wanted, &mut passed)
            .map_err(|lack| (lack.kind, lack.detail))?;
        Ok(passed.count)
    }

    fn kind(dialect: Dialect, feature: &str, params: &Value) -> Option<Kind> {
        judged(dialect, feature, params).err().map(|(kind, _)| kind)
    }

    const DEDUPE: &str = "client_message_id_dedupe";

    #[test]
    fn what_is_offered_meets_itself_in_every_dialect() {
        for dialect in [PLAIN, FLUENT] {
            let offered = offered(&Limits::default(), dialect);
            assert_eq!(offered.len(), 4);
            for (name, offer) in offered {
                assert_eq!(judged(dialect, name, &json!(offer.params)), Ok(0), "{name}");
            }
        }
    }

    #[test]
    fn every_parameter_has_values_that_are_met_unmet_and_no_values_of_it() {
        let days = Limits::default().dedupe_retention_ms() / 86_400_000;
        for (feature, param, met, other, invalid) in [
            (DEDUPE, "version", json!(1), json!(3), json!(1.5)),
            (DEDUPE, "mode", json!("retention_scoped"), json!("permanent"), json!(true)),
            (DEDUPE, "mode", json!("retention_scoped"), json!("made_up"), json!(["permanent"])),
            (DEDUPE, "dedupe_retention_days", json!(days), json!(days + 1), json!(2)),
            (DEDUPE, "fingerprint_layouts", json!(["hex", "raw"]), json!(["hex", "sha3"]), json!([7])),
            (DEDUPE, "fingerprint_layouts", json!([]), json!(["x"]), json!("hex")),
            ("max_payload", "inline_bytes", json!(65_536), json!(65_537), json!(1_023)),
            ("max_payload", "blob_bytes", json!(1_024), json!(1u64 << 40), json!("1024")),
            ("max_payload", "version", json!(1), json!(0), json!(-1)),
        ] {
            let with = |value: &Value| kind(FLUENT, feature, &json!({ param: value }));
            let unmet = match &other {
                Value::Number(_) if param != "version" => Some(Kind::BelowFloor),
                _ => Some(Kind::Unavailable),
            };
            assert_eq!((with(&met), with(&Value::Null)), (None, None), "{param} {met}");
            assert_eq!(with(&other), unmet, "{param} {other}");
            assert_eq!(with(&invalid), Some(Kind::Invalid), "{param} {invalid}");
        }
    }

    #[test]
    fn a_flag_that_is_always_set_cannot_be_required_unset() {
        let flag = |value: Value| kind(PLAIN, DEDUPE, &json!({"request_fingerprint": value}));
        assert_eq!((flag(json!(true)), flag(json!(false))), (None, Some(Kind::Invalid)));
        assert_eq!(flag(json!("true")), Some(Kind::Invalid));
    }

    #[test]
    fn a_second_version_is_only_for_who_says_that_it_knows_it() {
        let second = json!({"version": 2, "fingerprint_layouts": ["raw"]});
        let (kind, detail) = judged(PLAIN, DEDUPE, &second).unwrap_err();
        assert_eq!((kind, detail.contains("client_message_id_dedupe@2")), (Kind::Unavailable, true));
        assert_eq!(judged(FLUENT, DEDUPE, &second), Ok(0));
        // The first version has no layouts, for whoever asks in it.
        let layouts = json!({"version": 1, "fingerprint_layouts": ["sha3"]});
        assert_eq!(judged(FLUENT, DEDUPE, &layouts), Ok(1));
    }

    #[test]
    fn a_choice_that_is_none_binds_nobody_and_another_choice_is_not_there() {
        let policy =
            |word: Value| judged(PLAIN, "concurrent_connection_policy", &json!({"default_policy": word}));
        assert_eq!(policy(json!("allow_concurrent")), Ok(0));
        assert_eq!((policy(json!("whatever")), policy(json!(5))), (Ok(1), Ok(1)));
        assert_eq!(policy(json!("prefer_newest")).unwrap_err().0, Kind::Unavailable);
    }

    #[test]
    fn a_feature_below_its_floor_is_not_offered_and_says_so_to_whoever_requires_it() {
        let mut limits = Limits::default();
        limits.set("payload_bytes_max", 1_023).unwrap();
        assert!(!offered(&limits, PLAIN).contains_key("max_payload"));
        let wanted = Wanted { feature: "max_payload".to_owned(), params: Map::new() };
        let lack = judge(&table(&limits, PLAIN), &wanted, &mut Passed::default()).unwrap_err();
        assert_eq!(lack.kind, Kind::BelowFloor);
        assert_eq!(lack.detail, "inline_bytes is 1023, not 1024 or more");
    }
}
