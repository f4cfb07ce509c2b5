//! Which topics are in memory: claimed on first use, given up when nobody needs them.
//!
//! *Always holds:* what is in memory is ours under the epoch of its fence; a write under another one changes
//! nothing, and the topic is then forgotten here. A topic that lives in memory only is forgotten with
//! everything it had, and its positions are called otherwise when it comes back.

use data_encoding::HEXLOWER;

use super::coming::Visit;
use super::publish::{Asker, judge_name};
use super::topic::Topic;
use super::{After, Cx, Lives, Refusal, Timer, found_of, reply_of};
use crate::config::{TopicRule, size};
use crate::ids::{TopicId, TopicNo};
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::rng::Rng;
use crate::store::{
    Ended, LiveFence, LiveFound, LiveLoad, LiveOp, LiveQuery, LiveReply, LiveTopic, Op, Query, Reply,
};
use crate::surface::{Down, SessionId};
use crate::wire::live::Outbound;

/// What a claim told of a topic.
pub(crate) type Load = LiveLoad;

impl Lives {
    /// Does what a visitor wants as soon as the topic is in memory.
    pub(super) fn visit(&mut self, cx: &mut Cx<'_>, visit: Visit) {
        let name = TopicId::new(visit.topic());
        let limits = &cx.config.limits;
        let is_coming = self.coming.has(&name);
        if !is_coming && let Some(no) = self.by_name.get(&name).copied() {
            return self.admit(cx, no, visit);
        }
        if !is_coming && self.by_name.len() + self.coming.len() >= size(limits.live_topics_max()) {
            return self.turn_away(cx, [visit], Refusal::Limit("topics in memory"));
        }
        if let Err(why) = judge_name(name.as_str(), limits) {
            return self.turn_away(cx, [visit], why);
        }
        let rule = rule_of(cx, name.as_str());
        let is_kept = rule.volatile && planted("volatile_name_kept");
        let stream: Box<str> = if is_kept { name.as_str().into() } else { stream(cx.rng).into() };
        if rule.volatile {
            self.volatile_made += 1;
            let no = TopicNo(-self.volatile_made);
            self.settle(no, Topic::new(name, stream, None, rule));
            self.admit(cx, no, visit);
            return self.may_forget(cx, no);
        }
        // What is known to be away is not waited for.
        let is_away = cx.store.down == Some(Down::Away);
        let kept = if is_away { Err(visit) } else { self.coming.push(&name, visit, limits) };
        if let Err(visit) = kept {
            return self.turn_away(cx, [visit], Refusal::Unavailable);
        }
        if is_coming {
            return;
        }
        self.claim(cx, name, stream);
    }

    fn claim(&mut self, cx: &mut Cx<'_>, name: TopicId, stream: Box<str>) {
        let claim = LiveOp::Claim { topic: name.clone(), stream, at: self.clock.read(cx.now).kept };
        cx.stage(Op::Live(claim), None, After::Claimed(name, cx.store.doubts));
    }

    pub(super) fn claimed(&mut self, cx: &mut Cx<'_>, name: TopicId, doubts: u64, ended: Ended) {
        let why = match reply_of(ended) {
            Some(LiveReply::Owned(load)) => {
                let limits = &cx.config.limits;
                let query = LiveQuery::Topic {
                    topic: load.no,
                    history: u32::try_from(limits.live_history_max()).unwrap_or(u32::MAX),
                    keys_since: self.clock.read(cx.now).kept.before_millis(limits.live_keys_ms()),
                    keys: u32::try_from(limits.live_keys_max()).unwrap_or(u32::MAX),
                };
                return cx.ask(Query::Live(query), After::Loaded(name, load, doubts));
            }
            Some(LiveReply::OwnedElsewhere) => Refusal::NotOwner,
            _ => Refusal::Unavailable,
        };
        let visits = self.coming.take(&name);
        self.turn_away(cx, visits, why);
    }

    pub(super) fn loaded(&mut self, cx: &mut Cx<'_>, name: TopicId, load: &Load, doubts: u64, ended: Ended) {
        // Another broker may have had it since we claimed it, and nobody asked.
        if doubts != cx.store.doubts {
            return self.claim(cx, name, load.stream.clone());
        }
        let fence = LiveFence { topic: load.no, epoch: load.epoch };
        let Some(LiveFound::Topic(kept)) = found_of(ended) else {
            cx.stage(Op::Live(LiveOp::Release(vec![fence])), None, After::Nothing);
            let visits = self.coming.take(&name);
            return self.turn_away(cx, visits, Refusal::Unavailable);
        };
        let rule = rule_of(cx, name.as_str());
        let mut topic = Topic::new(name, load.stream.clone(), Some(fence), rule);
        topic.top = load.top;
        topic.has_fed(load.fed);
        let LiveTopic { history, entities, keys } = *kept;
        let times = self.clock.read(cx.now);
        topic.load(LiveTopic { history, entities, keys }, &cx.config.limits, cx.now.mono, times);
        self.settle(load.no, topic);
        self.has_come(cx, load.no);
        self.catch_up(cx, load.no);
    }

    pub(super) fn settle(&mut self, no: TopicNo, topic: Topic) {
        self.by_name.insert(topic.name.clone(), no);
        self.topics.insert(no, topic);
    }

    /// Does what a visitor wants of a topic in memory, unless that may be old: another broker may have taken
    /// the topic over.
    pub(super) fn admit(&mut self, cx: &mut Cx<'_>, no: TopicNo, visit: Visit) {
        let is_doubtful = no.0 > 0 && !cx.store.sure && !planted("topic_shown_in_doubt");
        match is_doubtful {
            true => self.turn_away(cx, [visit], Refusal::Unavailable),
            false => self.receive(cx, no, visit),
        }
    }

    fn receive(&mut self, cx: &mut Cx<'_>, no: TopicNo, visit: Visit) {
        match visit {
            Visit::Unsubscribe(session, id, _) => self.part_from(cx, session, no, None, Some(id.as_deref())),
            Visit::Subscribe(session, id, wish) => self.seat(cx, no, session, id.as_deref(), &wish),
            Visit::Stream(session, opening) => self.seat_stream(cx, no, session, *opening),
            Visit::Publish(asker, publish, fed) => self.accept(cx, no, asker, *publish, fed),
            Visit::History(asker, call) => self.show_history(cx, no, &asker, &call),
            Visit::Presence(asker, _) => self.show_presence(cx, no, &asker, false),
            Visit::PresenceStats(asker, _) => self.show_presence(cx, no, &asker, true),
            Visit::Of(identity, right, visit) => match self.may_still(&identity, right, &visit) {
                Ok(()) => self.receive(cx, no, *visit),
                Err(why) => {
                    self.turn_away(cx, [*visit], why);
                    self.may_forget(cx, no);
                }
            },
        }
    }

    /// Tells everybody who waited that the topic cannot be served here and now.
    fn turn_away(&mut self, cx: &mut Cx<'_>, visits: impl IntoIterator<Item = Visit>, why: Refusal) {
        for visit in visits {
            match visit {
                Visit::Subscribe(session, id, wish) => {
                    if let Some(watcher) = self.watchers.get_mut(&session) {
                        watcher.coming = watcher.coming.saturating_sub(1);
                    }
                    self.refuse(cx, session, id.as_deref(), Some(&wish.topic), why);
                }
                Visit::Unsubscribe(session, id, topic) => {
                    let (id, topic) = (id.as_deref(), &*topic);
                    self.tell(cx, session, &Outbound::Unsubscribed { id, topic, code: None });
                }
                Visit::Of(_, _, visit) => self.turn_away(cx, [*visit], why),
                Visit::Stream(session, _) => self.answer(cx, &Asker::Request(session), Err(why)),
                Visit::Publish(asker, ..)
                | Visit::History(asker, _)
                | Visit::Presence(asker, _)
                | Visit::PresenceStats(asker, _) => self.answer(cx, &asker, Err(why)),
            }
        }
    }

    /// Under which fences the topics in memory are ours.
    pub(crate) fn fences(&self) -> Vec<LiveFence> {
        self.topics.values().filter_map(|topic| topic.fence).collect()
    }

    /// The store was asked whether a topic in memory is ours.
    pub(crate) fn judged(&mut self, cx: &mut Cx<'_>, no: TopicNo, ended: &Ended) {
        if matches!(ended, Ended::Done(Reply::Live(LiveReply::Lost))) && !planted("lost_topic_kept") {
            self.lose(cx, no, "not-owner");
        }
    }

    /// The topic is another broker's, or not what was thought: whoever watches it is told why it is not sent
    /// any more.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_>, no: TopicNo, why: &'static str) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        let name = topic.name.clone();
        let unstored = std::mem::take(&mut topic.unstored);
        let sessions: Vec<SessionId> = topic.watchers.keys().copied().collect();
        for one in unstored {
            self.answer_all(cx, one.askers(), Refusal::NotOwner);
        }
        for session in sessions {
            self.part_from(cx, session, no, Some(why), None);
        }
        self.topics.remove(&no);
        self.by_name.remove(&name);
        let waiting = self.coming.take(&name);
        self.turn_away(
            cx,
            waiting,
            if why == "not-owner" { Refusal::NotOwner } else { Refusal::Unavailable },
        );
        for timer in [Timer::Leave(no), Timer::Forget(no)] {
            self.timers.disarm(timer);
        }
        cx.note(Level::Warn, || {
            Note::new(Level::Warn, "live topic lost").with("topic", name.as_str()).with("why", why)
        });
    }

    /// Arms or disarms the clock after which a topic is forgotten.
    pub(super) fn may_forget(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let Some(topic) = self.topics.get(&no) else { return };
        if topic.is_needed() {
            self.timers.disarm(Timer::Forget(no));
        } else {
            self.timers.arm_by(Timer::Forget(no), cx.now.mono.after_millis(cx.config.limits.mesh_idle_ms()));
        }
    }

    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let is_needed = |topic: &Topic| topic.is_needed() || self.coming.has(&topic.name);
        if self.topics.get(&no).is_none_or(is_needed) {
            return;
        }
        self.trim(cx, no, 1);
        if let Some(topic) = self.topics.remove(&no) {
            self.by_name.remove(&topic.name);
            if let Some(fence) = topic.fence {
                cx.stage(Op::Live(LiveOp::Release(vec![fence])), None, After::Nothing);
            }
        }
    }

    /// Lets the store forget what the history has dropped, if that is enough to be worth a write.
    pub(super) fn trim(&mut self, cx: &mut Cx<'_>, no: TopicNo, step: u64) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        let Some(fence) = topic.fence else { return };
        let through = topic.forgotten();
        if through >= topic.trimmed.saturating_add(step) {
            topic.trimmed = through;
            cx.stage(Op::Live(LiveOp::Trim { fence, through }), None, After::Nothing);
        }
    }
}

/// How a topic is served.
fn rule_of(cx: &Cx<'_>, name: &str) -> TopicRule {
    let rules = cx.config.live.iter().flat_map(|live| &live.rules);
    rules.clone().find(|(pattern, _)| pattern.fits(name)).map(|(_, rule)| *rule).unwrap_or_default()
}

/// A fresh word for the positions of a topic.
fn stream(rng: &mut Rng) -> String {
    HEXLOWER.encode(&rng.next_u64().to_be_bytes())
}
