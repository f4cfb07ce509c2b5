//! A watcher comes to a topic, and goes.
//!
//! *Always holds:* a watcher is shown everything up to one offset and from there on gets what follows,
//! because both happen in one turn. After the word that it is unsubscribed nothing of the topic comes.

use std::net::IpAddr;
use std::sync::Arc;

use super::coming::Visit;
use super::early::Early;
use super::publication::{Form, Publication};
use super::publish::{Asker, judge_name};
use super::topic::{Start, Watch};
use super::{Cx, Identity, Lives, Refusal, Right};
use crate::config::size;
use crate::fault::Fault;
use crate::ids::{TopicId, TopicNo};
use crate::planted::planted;
use crate::stats::{Counter, Gauge};
use crate::surface::{Effect, SessionId};
use crate::wire::live::{HistoryCall, HistoryPage, Outbound, Shown, Spot, Subscribe, Subscribed};

/// Somebody who wants a topic as a stream of events.
#[derive(Debug)]
pub(crate) struct Opening {
    pub identity: Identity,
    pub remote: IpAddr,
    pub topic: String,
    /// Go on behind this.
    pub last: Option<Spot>,
    /// Gather publications for so many milliseconds.
    pub window_ms: u64,
}

impl Lives {
    /// A watcher wants to watch a topic and may.
    pub(super) fn wish(&mut self, cx: &mut Cx<'_>, asker: Asker, session: SessionId, wish: Subscribe) {
        let limits = &cx.config.limits;
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        if watcher.topics.len() + watcher.coming >= size(limits.live_subscriptions_max()) {
            return self.answer(cx, &asker, Err(Refusal::Limit("subscriptions of one connection")));
        }
        if let Err(why) = judge_name(&wish.topic, limits) {
            return self.answer(cx, &asker, Err(why));
        }
        watcher.coming += 1;
        let Asker::Watcher(_, id) = asker else { return };
        self.visit(cx, Visit::Subscribe(session, id, wish));
    }

    /// Somebody wants a topic as a stream of events, over HTTP.
    pub(crate) fn stream(&mut self, cx: &mut Cx<'_>, session: SessionId, opening: Opening) {
        if self.is_unjudged(&opening.identity) {
            return self.keep_early(cx, session, Early::Stream(Box::new(opening)));
        }
        let asker = Asker::Request(session);
        if self.draining || self.is_full(cx) {
            let why = if self.draining { Refusal::ShuttingDown } else { Refusal::Limit("connections") };
            return self.answer(cx, &asker, Err(why));
        }
        if self.accepts.take(cx.now.mono).is_err() {
            return self.answer(cx, &asker, Err(Refusal::RateLimited));
        }
        if let Err(why) = self.may(&opening.identity, Right::Subscribe, &opening.topic) {
            return self.answer(cx, &asker, Err(why));
        }
        if let Err(why) = judge_name(&opening.topic, &cx.config.limits) {
            return self.answer(cx, &asker, Err(why));
        }
        let identity = opening.identity.clone();
        self.visit_as(cx, &identity, Right::Subscribe, Visit::Stream(session, Box::new(opening)));
    }

    /// The topic of a stream is in memory.
    pub(super) fn seat_stream(&mut self, cx: &mut Cx<'_>, no: TopicNo, session: SessionId, opening: Opening) {
        let Opening { identity, remote, topic, last, window_ms } = opening;
        if self.draining {
            return self.answer(cx, &Asker::Request(session), Err(Refusal::ShuttingDown));
        }
        cx.effects.list.push(Effect::Stream { session });
        self.enter(cx, session, remote, Form::Events, Some(identity));
        self.arm_token(cx, session);
        let recover = last.filter(|_| !planted("stream_begins_anew"));
        let wish = Subscribe { topic, recover, window_ms, ..Subscribe::default() };
        self.seat(cx, no, session, None, &wish);
    }

    /// The topic that a watcher wants is in memory.
    pub(super) fn seat(
        &mut self,
        cx: &mut Cx<'_>,
        no: TopicNo,
        session: SessionId,
        id: Option<&str>,
        wish: &Subscribe,
    ) {
        let Some(watcher) = self.watchers.get_mut(&session) else { return self.may_forget(cx, no) };
        watcher.coming = watcher.coming.saturating_sub(1);
        // It may have waited, and its token may be another one by this time.
        let identity = watcher.identity.clone();
        if !identity.is_some_and(|identity| self.may_watch(&identity, wish)) {
            self.refuse(cx, session, id, Some(&wish.topic), Refusal::Forbidden);
            return self.may_forget(cx, no);
        }
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        if !watcher.topics.insert(no) {
            return self.refuse(cx, session, id, Some(&wish.topic), Refusal::AlreadySubscribed);
        }
        self.subscriptions += 1;
        self.join(cx, no, session);
        let window_ms = super::window::length(wish.window_ms, &cx.config.limits);
        if let Some(window_ms) = window_ms {
            self.join_window(cx, no, session, window_ms);
        }
        let times = self.clock.read(cx.now);
        let Some(topic) = self.topics.get_mut(&no) else { return };
        topic.tidy(&cx.config.limits, times);
        let (presence, sent) = (wish.presence, topic.top);
        topic.watchers.insert(session, Watch { presence, sent, gap: None, window_ms });
        let start = topic.start(wish.recover.as_ref(), size(wish.history));
        let Lives { topics, watchers, .. } = self;
        let Some((topic, watcher)) = topics.get(&no).zip(watchers.get_mut(&session)) else { return };
        let who = wish.presence.then(|| topic.presence.who(topic.name.as_str()));
        let (snapshot, publications, recovered) = match &start {
            Start::Fresh { snapshot, last } => (Some(shown(snapshot)), last.as_deref().map(shown), None),
            Start::Recovered(missed) => (None, Some(shown(missed)), Some(true)),
            Start::Missed(snapshot) => (Some(shown(snapshot)), None, Some(false)),
        };
        let all = Subscribed {
            id,
            topic: topic.name.as_str(),
            epoch: &topic.epoch,
            offset: topic.top,
            slow: topic.rule.slow.word(),
            recovered,
            snapshot,
            publications,
            presence: who,
            window_ms,
        };
        watcher.tell(cx, session, &Outbound::Subscribed(Box::new(all)));
        match recovered {
            Some(true) => cx.count(Counter::LiveRecovered),
            Some(false) => cx.count(Counter::LiveMissed),
            None => {}
        }
        self.count_subscriptions(cx);
    }

    pub(super) fn unsubscribe(&mut self, cx: &mut Cx<'_>, session: SessionId, id: Option<&str>, name: &str) {
        let topic = TopicId::new(name);
        match self.by_name.get(&topic).copied() {
            _ if self.coming.has(&topic) => self.unsubscribe_behind(cx, session, id, &topic),
            Some(no) => self.part_from(cx, session, no, None, Some(id)),
            None => self.tell(cx, session, &Outbound::Unsubscribed { id, topic: name, code: None }),
        }
    }

    /// A watcher watches a topic no longer; it is told so where it asked for that, or why.
    pub(super) fn part_from(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        no: TopicNo,
        code: Option<&'static str>,
        asked: Option<Option<&str>>,
    ) {
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        let user = watcher.identity.as_ref().map(|identity| Arc::clone(&identity.user));
        if watcher.topics.remove(&no) {
            self.subscriptions -= 1;
            let before = watcher.queue.bytes();
            watcher.queue.drop_topic(no);
            watcher.gaps.retain(|(_, of)| *of != no);
            self.queued_bytes -= before - watcher.queue.bytes();
            let watch = self.topics.get_mut(&no).and_then(|topic| topic.watchers.remove(&session));
            if let Some(window_ms) = watch.and_then(|watch| watch.window_ms) {
                self.leave_window(no, session, window_ms);
            }
            if let Some(user) = user {
                self.part(cx, no, session, &user);
            }
        }
        if code.is_some() || asked.is_some() {
            let Some(topic) = self.topics.get(&no) else { return };
            let name = topic.name.clone();
            let told = Outbound::Unsubscribed { id: asked.flatten(), topic: name.as_str(), code };
            self.tell(cx, session, &told);
            self.end_stream(cx, session, code);
        }
        self.count_subscriptions(cx);
        self.may_forget(cx, no);
    }

    /// A stream of events is of one topic: without it, its reader would wait for ever.
    fn end_stream(&self, cx: &mut Cx<'_>, session: SessionId, code: Option<&'static str>) {
        let is_stream = self.watchers.get(&session).is_some_and(|watcher| watcher.form == Form::Events);
        if is_stream {
            let is_lost = code == Some("not-owner");
            cx.end(session, if is_lost { Fault::NotOwner } else { Fault::Disconnected });
        }
    }

    /// A watcher watches nothing any more.
    pub(super) fn part_all(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        let Some(watcher) = self.watchers.get(&session) else { return };
        for no in watcher.topics.clone() {
            self.part_from(cx, session, no, None, None);
        }
    }

    /// Whether somebody may watch a topic in the way that is wished for.
    pub(super) fn may_watch(&self, identity: &Identity, wish: &Subscribe) -> bool {
        let may = |right| self.may(identity, right, &wish.topic).is_ok();
        let may_look_back = wish.history == 0 || may(Right::History);
        may(Right::Subscribe) && may_look_back && (!wish.presence || may(Right::Presence))
    }

    /// Whether somebody may do that, and still may.
    pub(super) fn may(&self, identity: &Identity, right: Right, topic: &str) -> Result<(), Refusal> {
        let is_so = identity.may(right, topic) && !self.is_revoked(identity);
        if is_so { Ok(()) } else { Err(Refusal::Forbidden) }
    }

    /// A page of what a topic keeps.
    pub(super) fn show_history(&mut self, cx: &mut Cx<'_>, no: TopicNo, asker: &Asker, call: &HistoryCall) {
        let times = self.clock.read(cx.now);
        let Lives { topics, watchers, .. } = self;
        let Some(topic) = topics.get_mut(&no) else { return };
        topic.tidy(&cx.config.limits, times);
        // A position under another word says nothing about these.
        let since = call.since.as_ref().filter(|spot| spot.epoch == *topic.epoch).map(|spot| spot.offset);
        let limit = size(call.limit.min(cx.config.limits.live_history_max()));
        let page = topic.page(since, limit, call.reverse);
        let publications = shown(&page);
        let (name, epoch) = (topic.name.as_str(), &topic.epoch);
        let page = HistoryPage { topic: name, epoch, offset: topic.top, publications };
        match asker {
            Asker::Watcher(session, id) => {
                if let Some(watcher) = watchers.get_mut(session) {
                    watcher.tell(cx, *session, &Outbound::History { id: id.as_deref(), page });
                }
            }
            Asker::Request(session) => {
                cx.answer(*session, 200, &page);
            }
            Asker::Call(..) | Asker::Feed | Asker::Within(_) => {}
        }
        self.may_forget(cx, no);
    }

    /// Who watches a topic.
    pub(super) fn show_presence(&mut self, cx: &mut Cx<'_>, no: TopicNo, asker: &Asker, is_short: bool) {
        let Lives { topics, watchers, .. } = self;
        let Some(topic) = topics.get(&no) else { return };
        let name = topic.name.as_str();
        let (connections, users) = (topic.watchers.len(), topic.presence.users());
        match asker {
            Asker::Watcher(session, id) => {
                let Some(watcher) = watchers.get_mut(session) else { return };
                let id = id.as_deref();
                let told = match is_short {
                    true => Outbound::PresenceStats { id, topic: name, connections, users },
                    false => Outbound::Presence { id, who: topic.presence.who(name) },
                };
                watcher.tell(cx, *session, &told);
            }
            Asker::Request(session) if is_short => {
                let body = serde_json::json!({ "topic": name, "connections": connections, "users": users });
                cx.answer(*session, 200, &body);
            }
            Asker::Request(session) => {
                cx.answer(*session, 200, &topic.presence.who(name));
            }
            Asker::Call(..) | Asker::Feed | Asker::Within(_) => {}
        }
        self.may_forget(cx, no);
    }

    fn count_subscriptions(&self, cx: &mut Cx<'_>) {
        cx.stats.set(Gauge::LiveSubscriptions, i64::try_from(self.subscriptions).unwrap_or(i64::MAX));
    }
}

fn shown(publications: &[Arc<Publication>]) -> Vec<Shown<'_>> {
    publications.iter().map(|publication| publication.shown()).collect()
}
