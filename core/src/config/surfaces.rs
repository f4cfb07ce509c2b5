//! What runners and live topics need besides limits.

use std::fmt;

use super::{Limits, Secret};
use crate::ids::RunnerId;

/// What serving runners needs besides limits.
#[derive(Clone, Debug)]
pub struct RunnerConfig {
    /// Open everything on the runners' port; more than one while secrets are changed.
    pub secrets: Vec<Secret>,
    /// Runners with a token of their own, which alone lets somebody be that runner.
    pub tokens: Vec<(RunnerId, Secret)>,
    /// Heartbeats go to the event target too.
    pub forwards_heartbeats: bool,
}

/// What serving live topics needs besides limits.
#[derive(Clone, Debug, Default)]
pub struct LiveConfig {
    /// Signs tokens, and is itself the operator's. None means that there is no gate and nothing behind it:
    /// every message is answered `not-implemented`.
    pub secret: Option<Secret>,
    /// How topics are served, by the first pattern that fits; others are served as [`TopicRule`] has it.
    pub rules: Vec<(Pattern, TopicRule)>,
    /// Other programs write publications into a table of the store.
    pub has_feed: bool,
}

/// Names of topics: all that begin with a text, or the one that is it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    is_prefix: bool,
}

impl Pattern {
    /// Reads a pattern: a name, or the beginning of names and a star.
    pub fn new(text: &str) -> Pattern {
        match text.strip_suffix('*') {
            Some(prefix) => Pattern { text: prefix.into(), is_prefix: true },
            None => Pattern { text: text.into(), is_prefix: false },
        }
    }

    /// True for a name that it means.
    pub fn fits(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&*self.text) } else { name == &*self.text }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.text, if self.is_prefix { "*" } else { "" })
    }
}

/// How a topic is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TopicRule {
    /// What becomes of a watcher that does not keep up.
    pub slow: Slow,
    /// It lives in memory only, and ends with the process.
    pub volatile: bool,
    /// How much of it is kept, where that is less than of others.
    pub kept: Kept,
}

impl TopicRule {
    /// Reads how a setting has it: what becomes of slow watchers, and after colons `volatile`, `count=N`,
    /// `bytes=N`, `ms=N` as they are wished for.
    pub fn parse(text: &str) -> Option<TopicRule> {
        let mut words = text.split(':');
        let mut rule = TopicRule { slow: Slow::parse(words.next()?)?, ..TopicRule::default() };
        for word in words {
            let place = match word.split_once('=') {
                None if word == "volatile" => {
                    rule.volatile = true;
                    continue;
                }
                Some(("count", count)) => (&mut rule.kept.count, count),
                Some(("bytes", bytes)) => (&mut rule.kept.bytes, bytes),
                Some(("ms", millis)) => (&mut rule.kept.millis, millis),
                _ => return None,
            };
            *place.0 = Some(place.1.parse().ok()?);
        }
        Some(rule)
    }
}

/// How many publications of a topic are kept for those who come back. What stands here narrows the bounds of
/// all topics and never widens them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// At most so many.
    pub count: Option<u64>,
    /// At most so many bytes of data.
    pub bytes: Option<u64>,
    /// For so many milliseconds.
    pub millis: Option<u64>,
}

impl Kept {
    /// Publications at most.
    pub fn count_max(&self, limits: &Limits) -> u64 {
        self.count.unwrap_or(u64::MAX).min(limits.live_history_max())
    }

    /// Bytes of their data at most.
    pub fn bytes_max(&self, limits: &Limits) -> u64 {
        self.bytes.unwrap_or(u64::MAX).min(limits.live_history_bytes_max())
    }

    /// How long, in milliseconds.
    pub fn millis_max(&self, limits: &Limits) -> u64 {
        self.millis.unwrap_or(u64::MAX).min(limits.live_history_ms())
    }
}

/// What becomes of a watcher that does not keep up with a topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Slow {
    /// Its connection is closed; it comes back and goes on where it was.
    #[default]
    Disconnect,
    /// Of each entity only the latest value waits for it.
    Conflate,
    /// What does not fit is dropped, and it is told so.
    Gap,
}

impl Slow {
    /// All of them.
    pub const ALL: [Slow; 3] = [Slow::Disconnect, Slow::Conflate, Slow::Gap];

    /// The word in settings and answers.
    pub const fn word(self) -> &'static str {
        match self {
            Slow::Disconnect => "disconnect",
            Slow::Conflate => "conflate",
            Slow::Gap => "gap",
        }
    }

    /// Reads the word back.
    pub fn parse(word: &str) -> Option<Slow> {
        Slow::ALL.into_iter().find(|slow| slow.word() == word)
    }
}

impl Limits {
    /// The limits of a watcher's connection: it counts as gone when a pong is overdue, and what waits for it
    /// waits with its topics, so that its connection needs room for answers only.
    #[must_use]
    pub fn of_live(&self) -> Limits {
        let mut limits = self.clone();
        limits.message_bytes_max = self.live_message_bytes_max;
        limits.hello_bytes_max = self.hello_bytes_max.max(self.head_bytes_max + self.live_message_bytes_max);
        let longest = self.live_history_bytes_max.max(self.live_entity_bytes_max);
        limits.outbox_bytes_max =
            self.outbox_bytes_max.max(limits.outbox_bytes_least()).max(longest.saturating_mul(4));
        limits.ping_ms = self.live_ping_ms;
        limits.pong_ms = self.live_ping_ms.saturating_add(self.live_pong_ms);
        limits.close_ms = self.live_drain_ms;
        limits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_name_or_the_beginning_of_names() {
        for (pattern, name, fits) in [
            ("fleet.*", "fleet.7", true),
            ("fleet.*", "fleet", false),
            ("fleet", "fleet", true),
            ("fleet", "fleet.7", false),
            ("*", "", true),
            ("", "", true),
            ("", "a", false),
        ] {
            assert_eq!(Pattern::new(pattern).fits(name), fits, "{pattern} {name}");
        }
    }
}
