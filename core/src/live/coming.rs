//! Who waits for a topic on its way into memory.
//!
//! *Always holds:* what waits is bounded in bytes. It is done in the order in which it came, as far as
//! whoever asked for it still may. A request whose sender was told that it took too long waits no longer, so
//! that nothing of it is done later. However many wait for a topic, what is said in one turn is bounded: the
//! others are next, and who comes meanwhile waits behind them.

use std::collections::{BTreeMap, VecDeque};

use super::early::Early;
use super::publish::{Asker, CallNo};
use super::subscribe::Opening;
use super::{Cx, Identity, Lives, Refusal, Right};
use crate::config::{Limits, size};
use crate::ids::{TopicId, TopicNo};
use crate::surface::SessionId;
use crate::wire::live::{HistoryCall, Publish, Subscribe};

/// What somebody wants of a topic that has to be in memory for it.
#[derive(Debug)]
pub(super) enum Visit {
    /// A watcher, by what it calls its message.
    Subscribe(SessionId, Option<String>, Subscribe),
    /// The same watcher, behind that.
    Unsubscribe(SessionId, Option<String>, Box<str>),
    /// A request for a stream of events.
    Stream(SessionId, Box<Opening>),
    /// A publication, and the row of the feed that it comes from.
    Publish(Asker, Box<Publish>, Option<u64>),
    History(Asker, HistoryCall),
    Presence(Asker, Box<str>),
    PresenceStats(Asker, Box<str>),
    /// What somebody asked for whose rights may be taken back while it waits.
    Of(Box<Identity>, Right, Box<Visit>),
}

/// What any visit takes besides its data, in bytes.
const VISIT_BYTES: usize = 256;

impl Visit {
    pub(super) fn topic(&self) -> &str {
        match self {
            Visit::Subscribe(_, _, wish) => &wish.topic,
            Visit::Stream(_, opening) => &opening.topic,
            Visit::Publish(_, publish, _) => &publish.topic,
            Visit::History(_, call) => &call.topic,
            Visit::Unsubscribe(_, _, topic) | Visit::Presence(_, topic) | Visit::PresenceStats(_, topic) => {
                topic
            }
            Visit::Of(_, _, visit) => visit.topic(),
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Visit::Publish(_, publish, _) => {
                let data = publish.drafts.iter().map(|draft| draft.data.len()).sum::<usize>();
                VISIT_BYTES * publish.drafts.len().max(1) + data
            }
            Visit::Of(_, _, visit) => visit.bytes(),
            Visit::Subscribe(..)
            | Visit::Unsubscribe(..)
            | Visit::Stream(..)
            | Visit::History(..)
            | Visit::Presence(..)
            | Visit::PresenceStats(..) => VISIT_BYTES,
        }
    }

    /// Who is to be told what came of it.
    fn asker(&self) -> Option<&Asker> {
        match self {
            Visit::Publish(asker, ..)
            | Visit::History(asker, _)
            | Visit::Presence(asker, _)
            | Visit::PresenceStats(asker, _) => Some(asker),
            Visit::Of(_, _, visit) => visit.asker(),
            Visit::Subscribe(..) | Visit::Unsubscribe(..) | Visit::Stream(..) => None,
        }
    }

    /// True for what a request of that connection asks for; `calls` are its requests about several topics.
    fn is_asked_by(&self, session: SessionId, calls: &[CallNo]) -> bool {
        match (self, self.asker()) {
            (Visit::Stream(waiting, _), _) | (_, Some(Asker::Request(waiting))) => *waiting == session,
            (Visit::Of(_, _, visit), None) => visit.is_asked_by(session, calls),
            (_, Some(Asker::Call(no, _))) => calls.contains(no),
            (_, Some(Asker::Watcher(..) | Asker::Feed | Asker::Within(_)) | None) => false,
        }
    }
}

/// Topics on their way into memory, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Coming {
    topics: BTreeMap<TopicId, VecDeque<Visit>>,
    bytes: usize,
    /// Topics that are there while somebody still waits.
    come: VecDeque<TopicNo>,
}

impl Coming {
    pub(super) fn len(&self) -> usize {
        self.topics.len()
    }

    pub(super) fn has(&self, name: &TopicId) -> bool {
        self.topics.contains_key(name)
    }

    /// Lets somebody wait for a topic; gives the visit back where there is no room.
    pub(super) fn push(&mut self, name: &TopicId, visit: Visit, limits: &Limits) -> Result<(), Visit> {
        let bytes = self.bytes + visit.bytes();
        if bytes > size(limits.live_coming_bytes_max()) {
            return Err(visit);
        }
        self.bytes = bytes;
        self.topics.entry(name.clone()).or_default().push_back(visit);
        Ok(())
    }

    /// Gives the first who waits for a topic.
    fn pop(&mut self, name: &TopicId) -> Option<Visit> {
        let visit = self.topics.get_mut(name)?.pop_front();
        match &visit {
            Some(visit) => self.bytes -= visit.bytes(),
            None => _ = self.topics.remove(name),
        }
        visit
    }

    /// True while somebody waits for a topic that is there.
    pub(super) fn has_come(&self) -> bool {
        !self.come.is_empty()
    }

    /// A topic will not come: gives everybody who waited for it.
    pub(super) fn take(&mut self, name: &TopicId) -> VecDeque<Visit> {
        let visits = self.topics.remove(name).unwrap_or_default();
        self.bytes -= visits.iter().map(Visit::bytes).sum::<usize>();
        visits
    }

    fn retain(&mut self, keeps: impl Fn(&Visit) -> bool) {
        for visits in self.topics.values_mut() {
            let before = visits.iter().map(Visit::bytes).sum::<usize>();
            visits.retain(&keeps);
            self.bytes -= before - visits.iter().map(Visit::bytes).sum::<usize>();
        }
    }
}

impl Lives {
    /// The same as `visit`, of what needs a right.
    pub(super) fn visit_as(&mut self, cx: &mut Cx<'_>, identity: &Identity, right: Right, visit: Visit) {
        let name = TopicId::new(visit.topic());
        let visit = match self.by_name.contains_key(&name) && !self.coming.has(&name) {
            true => visit,
            false => Visit::Of(Box::new(identity.clone()), right, Box::new(visit)),
        };
        self.visit(cx, visit);
    }

    /// A topic has come: those who waited for it are let in.
    pub(super) fn has_come(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        self.coming.come.push_back(no);
        self.let_in(cx);
    }

    /// Does what those want who waited, until so much is said in this turn as may wait for one connection.
    pub(super) fn let_in(&mut self, cx: &mut Cx<'_>) {
        if !self.coming.has_come() {
            return;
        }
        let mut said = cx.effects.bytes_from(0);
        while said <= size(cx.config.limits.outbox_bytes_max())
            && let Some(no) = self.coming.come.front().copied()
        {
            let name = self.topics.get(&no).map(|topic| topic.name.clone());
            let Some(visit) = name.and_then(|name| self.coming.pop(&name)) else {
                self.coming.come.pop_front();
                self.may_forget(cx, no);
                continue;
            };
            let place = cx.effects.list.len();
            self.admit(cx, no, visit);
            said += cx.effects.bytes_from(place);
        }
    }

    /// Whether somebody who waited still may: rights are taken back, and fresh tokens open less.
    pub(super) fn may_still(&self, identity: &Identity, right: Right, visit: &Visit) -> Result<(), Refusal> {
        self.may(identity, right, visit.topic())?;
        let Some(Asker::Watcher(session, _)) = visit.asker() else { return Ok(()) };
        let fresh = self.watchers.get(session).and_then(|watcher| watcher.identity.as_ref());
        fresh.map_or(Ok(()), |fresh| self.may(fresh, right, visit.topic()))
    }

    /// Somebody unsubscribes from a topic that is on its way: behind its wish to subscribe, if there is one.
    pub(super) fn unsubscribe_behind(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        id: Option<&str>,
        name: &TopicId,
    ) {
        let visit = Visit::Unsubscribe(session, id.map(str::to_owned), name.as_str().into());
        if self.coming.push(name, visit, &cx.config.limits).is_err() {
            self.refuse(cx, session, id, Some(name.as_str()), Refusal::Unavailable);
        }
    }

    /// A request was told that it took too long: what waits of it is not done any more.
    pub(crate) fn overdue(&mut self, session: SessionId) {
        let calls = self.calls.extract_if(.., |_, call| call.is_of(session));
        let calls: Vec<CallNo> = calls.map(|(no, _)| no).collect();
        self.coming.retain(|visit| !visit.is_asked_by(session, &calls));
        self.early.retain(|(waiting, _): &(SessionId, Early)| *waiting != session);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::TopicRule;
    use crate::ids::ConnId;
    use crate::live::fixture::{Fixture, NOW};
    use crate::live::publication::Publication;
    use crate::live::topic::Topic;
    use crate::store::LiveRow;
    use crate::surface::Effect;
    use crate::time::Mono;

    const ANSWER_BYTES: usize = 30_000;

    fn wish(conn: u64) -> Visit {
        let call = HistoryCall { topic: "t".into(), since: None, limit: 1, reverse: false };
        Visit::History(Asker::Request(SessionId(ConnId(conn))), call)
    }

    /// Who was answered in one turn.
    fn turn(fixture: &mut Fixture, act: impl FnOnce(&mut Lives, &mut Cx<'_>)) -> Vec<u64> {
        let (effects, _) = fixture.turn(act);
        let answered = effects.into_iter().map(|effect| match effect {
            Effect::Answer { session: SessionId(conn), status: 200, .. } => conn.0,
            other => panic!("{other:?}"),
        });
        answered.collect()
    }

    #[test]
    fn those_who_waited_are_answered_in_portions_and_who_comes_meanwhile_is_behind_them() {
        let mut fixture = Fixture::new(&[("outbox_bytes_max", 65_536)]);
        let limits = fixture.config.limits.clone();
        let mut topic = Topic::new(TopicId::new("t"), "e".into(), None, TopicRule::default());
        let text = format!("\"{}\"", "x".repeat(ANSWER_BYTES)).into();
        let row = LiveRow { key: None, version: None, at: NOW.wall, late: false, gone: false, text };
        let publication = Arc::new(Publication::of(1, &row, NOW.mono, NOW.wall));
        topic.apply(&publication, &limits, fixture.lives.clock.read(NOW));
        for conn in 1..=7 {
            fixture.lives.coming.push(&topic.name, wish(conn), &limits).unwrap();
        }
        let come = |lives: &mut Lives, cx: &mut Cx<'_>| {
            lives.settle(TopicNo(1), topic);
            lives.has_come(cx, TopicNo(1));
        };
        assert_eq!(turn(&mut fixture, come), [1, 2, 3]);
        assert_eq!(fixture.lives.deadline(), Some(Mono::START), "the others are next");
        assert!(turn(&mut fixture, |lives, cx| lives.visit(cx, wish(8))).is_empty());
        assert_eq!(turn(&mut fixture, Lives::wake), [4, 5, 6]);
        assert_eq!(turn(&mut fixture, Lives::wake), [7, 8]);
        assert_ne!(fixture.lives.deadline(), Some(Mono::START));
        assert_eq!(turn(&mut fixture, |lives, cx| lives.visit(cx, wish(9))), [9]);
        assert_eq!(fixture.lives.coming.bytes, 0);
    }
}
