//! What a broker can do, and whether that is enough (mesh protocol, section 2.5).
//!
//! *Decides* whether a mesh is served by its broker, and for how long a message may be tried: no longer than
//! the broker surely knows its key, or a late attempt would be a second message.

use serde_json::{Value, json};

use super::{Call, Daemon, LaneKey};
use crate::fault::Fault;
use crate::machine::Outputs;
use crate::note::{Level, Note};
use crate::time::Now;

/// A broker must know keys for at least so many days.
const DAYS_MIN: u64 = 3;
const DEDUPE: &str = "client_message_id_dedupe";
const HOUR_MS: u64 = 3_600_000;

/// Why a broker is not enough.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Lack {
    fault: Fault,
    feature: String,
    detail: String,
}

impl Daemon {
    /// A broker took a hello.
    pub(super) fn opened(&mut self, now: Now, key: LaneKey, ack: &Value, todo: &mut Outputs) {
        self.brokers[key.mesh].features = None;
        match ack.get("features").filter(|features| features.is_object()) {
            Some(features) => self.judge(now, key, features.clone(), todo),
            None if self.config.require_features.is_empty() => {
                let slug = self.config.meshes[key.mesh].slug.as_str();
                self.notes.push(Note::new(Level::Warn, "broker_without_features").with("mesh", slug));
                self.lane_open(now, key);
            }
            None => {
                let question = json!({
                    "type": "feature_negotiation_request",
                    "require": self.config.require_features,
                    "optional": [],
                });
                self.with_uplink(now, key, todo, |uplink, cx| uplink.call(question, Call::Negotiate, cx));
            }
        }
    }

    /// A broker answered what it can do, or did not.
    pub(super) fn negotiated(&mut self, now: Now, key: LaneKey, answer: Option<&Value>, todo: &mut Outputs) {
        // A connection that is gone says nothing of its broker; the next one is asked anew.
        if answer.is_none() && !self.uplinks.get(&key).is_some_and(super::Uplink::is_open) {
            return;
        }
        let supported = answer.and_then(|answer| answer.get("supported")).cloned();
        self.judge(now, key, supported.unwrap_or_else(|| json!({})), todo);
    }

    fn judge(&mut self, now: Now, key: LaneKey, features: Value, todo: &mut Outputs) {
        match lack(&features, &self.config.require_features) {
            Some(lack) => self.refuse_broker(now, key, &lack, todo),
            None => {
                if let Some(detail) = oddity(&features) {
                    let slug = self.config.meshes[key.mesh].slug.as_str();
                    let note = Note::new(Level::Warn, "feature_optional_param_invalid").with("mesh", slug);
                    self.notes.push(note.with("feature", DEDUPE).with("detail", detail));
                }
                let days = dedupe_days(&features);
                let broker = &mut self.brokers[key.mesh];
                broker.age_ms = days.map(age_ms);
                broker.features = Some(features);
                self.lane_open(now, key);
            }
        }
    }

    fn refuse_broker(&mut self, now: Now, key: LaneKey, lack: &Lack, todo: &mut Outputs) {
        let word = lack.fault.row().reason;
        let reason = json!({ "kind": word, "feature": lack.feature, "detail": lack.detail }).to_string();
        let slug = self.config.meshes[key.mesh].slug.clone();
        let note = Note::new(Level::Warn, "feature_negotiation_failed").with("mesh", slug.as_str());
        self.notes.push(note.with("reason", reason.as_str()));
        let Lack { feature, detail, .. } = lack;
        let why = format!("the broker of {slug} does not have {feature} as it is needed ({detail})");
        // The process ends once the goodbye has been said.
        self.brokers[key.mesh].lack = Some(why);
        // A close frame holds so many bytes; the kind stands in front, so no cut takes it away.
        let cut = reason.floor_char_boundary(123);
        self.with_uplink(now, key, todo, |uplink, cx| uplink.part(lack.fault, &reason[..cut], cx));
    }
}

/// The first thing that a broker lacks, of what it tells of and what the operator demands.
fn lack(features: &Value, required: &[String]) -> Option<Lack> {
    let lack =
        |fault, feature: &str, detail: String| Some(Lack { fault, feature: feature.to_owned(), detail });
    for feature in required {
        if features.get(feature).is_none() {
            return lack(Fault::FeatureUnavailable, feature, "the broker does not tell of it".to_owned());
        }
        if let Some(detail) = oddity(features).filter(|_| feature == DEDUPE) {
            return lack(Fault::FeatureInvalid, feature, detail);
        }
    }
    let params = features.get(DEDUPE)?.get("params")?;
    let days = params.get("dedupe_retention_days");
    let is_scoped = params.get("mode").and_then(Value::as_str) == Some("retention_scoped");
    if is_scoped && days.is_some_and(|days| days.as_u64().is_none()) {
        return lack(Fault::FeatureInvalid, DEDUPE, "dedupe_retention_days is no whole number".to_owned());
    }
    match days.and_then(Value::as_u64) {
        Some(days) if is_scoped && days < DAYS_MIN => {
            lack(Fault::FeatureBelowFloor, DEDUPE, format!("dedupe_retention_days {days} < {DAYS_MIN}"))
        }
        _ => None,
    }
}

/// What is odd about what a broker tells of keys, where it tells of them: then nothing but its days, which
/// bound a message's age all the same, is relied on.
fn oddity(features: &Value) -> Option<String> {
    let params = features.get(DEDUPE)?.get("params").unwrap_or(&Value::Null);
    let (version, mode, compares) = (&params["version"], &params["mode"], &params["request_fingerprint"]);
    if !version.is_null() && !matches!(version.as_u64(), Some(1 | 2)) {
        return Some(format!("version is {version}; known are 1 and 2"));
    }
    if !matches!(mode.as_str(), Some("retention_scoped" | "permanent")) {
        return Some(format!("mode is {mode}; known are \"retention_scoped\" and \"permanent\""));
    }
    (*compares != Value::Bool(true)).then(|| format!("request_fingerprint is {compares} and not true"))
}

/// For how many days a broker knows keys, where it says so and they are not for ever.
fn dedupe_days(features: &Value) -> Option<u64> {
    let params = features.get(DEDUPE)?.get("params")?;
    params.get("dedupe_retention_days")?.as_u64().filter(|_| params["mode"] != "permanent")
}

/// How long a message may be as it is sent, where a broker says so: no broker takes less than what it takes
/// of recipient, nonce and body together.
pub(super) fn payload_bytes(features: &Value) -> Option<usize> {
    let bytes = features.get("max_payload")?.get("params")?.get("inline_bytes")?.as_u64()?;
    usize::try_from(bytes).ok()
}

/// How long a message may be tried: a tenth of the time that its key is known stays in reserve, and a day at
/// least.
fn age_ms(days: u64) -> u64 {
    let hours = days.saturating_mul(24);
    let reserve = hours.div_ceil(10).max(24);
    hours.saturating_sub(reserve).saturating_mul(HOUR_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features(days: &Value) -> Value {
        let mode = "retention_scoped";
        let params = json!({ "mode": mode, "dedupe_retention_days": days, "request_fingerprint": true });
        json!({ DEDUPE: { "params": params } })
    }

    #[test]
    fn what_a_broker_tells_in_unknown_words_is_as_if_it_had_not_been_told_where_it_is_demanded() {
        let (demanded, sound) = ([DEDUPE.to_owned()], features(&json!(7)));
        assert_eq!((lack(&sound, &demanded), oddity(&sound)), (None, None));
        for (param, value) in
            [("mode", json!("some")), ("version", json!(3)), ("request_fingerprint", json!(false))]
        {
            let mut odd = sound.clone();
            odd[DEDUPE]["params"][param] = value;
            assert!(oddity(&odd).unwrap().starts_with(param), "{odd}");
            assert_eq!(lack(&odd, &demanded).unwrap().fault, Fault::FeatureInvalid, "{odd}");
            assert_eq!((lack(&odd, &[]), dedupe_days(&odd)), (None, Some(7)), "its days still bound the age");
        }
        let mut forever = sound;
        forever[DEDUPE]["params"]["mode"] = "permanent".into();
        assert_eq!((lack(&forever, &demanded), dedupe_days(&forever)), (None, None));
    }

    #[test]
    fn a_message_is_given_up_well_before_its_key_is_forgotten() {
        let hours = |days| age_ms(days) / HOUR_MS;
        assert_eq!([3, 7, 30, 365].map(hours), [48, 144, 648, 7_884]);
    }

    #[test]
    fn a_broker_that_knows_keys_for_too_short_is_refused() {
        assert_eq!(lack(&features(&json!(3)), &[]), None);
        assert_eq!(lack(&features(&json!(2)), &[]).unwrap().fault, Fault::FeatureBelowFloor);
        assert_eq!(lack(&features(&json!("x")), &[]).unwrap().fault, Fault::FeatureInvalid);
    }

    #[test]
    fn a_broker_that_tells_of_nothing_is_refused_only_where_something_is_demanded() {
        assert_eq!(lack(&json!({}), &[]), None);
        assert_eq!(lack(&json!({}), &[DEDUPE.to_owned()]).unwrap().fault, Fault::FeatureUnavailable);
    }
}
