//! What this process itself publishes to live topics: a port for other surfaces, and for whoever runs the
//! broker.
//!
//! A surface publishes where it stands ([`Broker::publish_within`]), a program that runs a broker by telling
//! its first shard ([`Publication::seal`]); from there it goes to the shard where topics live.
//! *Does not* tell anybody what came of it: a publication is there once or not at all, and the log says why
//! it is not. Who needs more writes a row of the feed, or asks over HTTP under a key. Nor does a recording
//! hold what a program tells a shard, so that a replay does without it.

use serde_json::Value;

use super::Broker;
use super::relay::Word;
use crate::machine::{Envelope, Outputs};
use crate::time::Now;
use crate::wire::live::{Draft, Publish};

/// Something that this process itself publishes to a live topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// Where.
    pub topic: String,
    /// The entity it is about.
    pub key: Option<String>,
    /// Grows with the age of what it says of that entity.
    pub version: Option<u64>,
    /// What it says.
    pub data: Value,
}

impl Publication {
    /// Closes it for the first shard of a broker.
    pub fn seal(self) -> Envelope {
        Envelope::new(Word::Publish(self))
    }
}

impl Broker {
    /// Publishes to a live topic, wherever topics live. Without a gate there are none, and nothing is done.
    pub(super) fn publish_within(&mut self, now: Now, publication: Publication, todo: &mut Outputs) {
        if !self.is_live_shard() {
            return self.relay(self.live_shard(), Word::Publish(publication), todo);
        }
        let Publication { topic, key, version, data } = publication;
        let drafts = vec![Draft { key, version, data: data.to_string() }];
        let publish = Publish { topic, idempotency_key: None, is_batch: false, drafts };
        self.with_lives(now, |lives, cx| lives.publish_within(cx, publish));
    }
}
