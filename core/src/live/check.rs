//! Whether watchers stand where their topics do: looked at now and then, because a watcher that is sent
//! nothing cannot tell that from a topic of which nothing is published.
//!
//! *Decides* which topics have another owner by now, or are not what the store has, and which subscriptions
//! are behind without a reason.
//! *Always holds:* a watcher whose position is in doubt is told so and subscribes again; its connection
//! stays.

use std::collections::BTreeMap;

use super::topic::{Topic, Watch};
use super::{After, Cx, Lives, Timer, found_of};
use crate::config::Slow;
use crate::ids::TopicNo;
use crate::stats::Counter;
use crate::store::{Ended, LiveFound, LivePlace, LiveQuery, Query};
use crate::surface::SessionId;

/// Topics that are asked about in one question.
const PAGE: usize = 1_000;
/// What a watcher is told whose position is in doubt.
const IN_DOUBT: &str = "position-lost";

impl Lives {
    /// It is time to look.
    pub(super) fn check(&mut self, cx: &mut Cx<'_>) {
        self.timers.arm(Timer::Check, cx.now.mono.after_millis(cx.config.limits.live_check_ms()));
        for (no, session) in self.doubtful() {
            cx.count(Counter::LiveResyncs);
            self.part_from(cx, session, no, Some(IN_DOUBT), None);
        }
        let is_watched = |topic: &&Topic| !topic.watchers.is_empty() && topic.unstored.is_empty();
        let watched = self.topics.values().filter(is_watched);
        let asked: Vec<(TopicNo, u64)> =
            watched.filter_map(|topic| Some((topic.fence?.topic, topic.top))).collect();
        for page in asked.chunks(PAGE) {
            let topics = page.iter().map(|(no, _)| *no).collect();
            cx.ask(Query::Live(LiveQuery::Places { topics }), After::Checked(page.into()));
        }
    }

    /// Subscriptions that should have been sent more, and for which nothing waits.
    fn doubtful(&self) -> Vec<(TopicNo, SessionId)> {
        let mut doubtful = Vec::new();
        for (no, topic) in self.topics.iter().filter(|(_, topic)| topic.rule.slow != Slow::Conflate) {
            for (session, watch) in &topic.watchers {
                let waits = self.watchers.get(session).is_none_or(|watcher| !watcher.queue.is_empty());
                if !waits && is_behind(topic, watch) {
                    doubtful.push((*no, *session));
                }
            }
        }
        doubtful
    }

    /// The store has told where the topics stand that were asked about.
    pub(super) fn checked(&mut self, cx: &mut Cx<'_>, asked: &[(TopicNo, u64)], ended: Ended) {
        let Some(LiveFound::Places(places)) = found_of(ended) else { return };
        let places: BTreeMap<TopicNo, LivePlace> =
            places.into_iter().map(|place| (place.topic, place)).collect();
        for (no, top) in asked {
            let Some(topic) = self.topics.get(no) else { continue };
            let Some((fence, place)) = topic.fence.zip(places.get(no)) else { continue };
            let is_still = topic.top == *top && topic.unstored.is_empty();
            if place.epoch > fence.epoch {
                self.lose(cx, *no, "not-owner");
            } else if place.epoch == fence.epoch && place.top != *top && is_still {
                cx.stats.add(Counter::LiveResyncs, topic.watchers.len() as u64);
                self.lose(cx, *no, IN_DOUBT);
            }
        }
    }
}

/// True when a watcher for whom nothing waits was not sent the last publication.
fn is_behind(topic: &Topic, watch: &Watch) -> bool {
    let window = watch.window_ms.and_then(|window_ms| topic.windows.get(&window_ms));
    let is_pending = window.is_some_and(super::window::Window::is_pending);
    watch.gap.is_none() && !is_pending && watch.sent != topic.top
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TopicRule;
    use crate::ids::TopicId;

    #[test]
    fn a_watcher_is_behind_when_nothing_explains_what_it_was_not_sent() {
        let mut topic = Topic::new(TopicId::new("t"), "e".into(), None, TopicRule::default());
        topic.top = 7;
        let watch = Watch { sent: 7, ..Watch::default() };
        assert!(!is_behind(&topic, &watch));
        assert!(is_behind(&topic, &Watch { sent: 6, ..watch }));
        assert!(is_behind(&topic, &Watch { sent: 6, window_ms: Some(100), ..watch }));
        assert!(!is_behind(&topic, &Watch { sent: 6, gap: Some((7, 7)), ..watch }), "it will be told");
    }
}
