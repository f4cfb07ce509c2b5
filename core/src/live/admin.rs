//! What an operator sees and does: topics, connections, rights that are taken back.

use serde_json::{Value, json};

use super::coming::Visit;
use super::early::Early;
use super::publish::Asker;
use super::watcher::Watcher;
use super::{After, Cx, Identity, Lives, REVOKED_MAX, REVOKED_PAGE, Refusal, Right, Timer, found_of};
use crate::fault::Fault;
use crate::ids::TopicId;
use crate::planted::planted;
use crate::store::{Ended, LiveFound, LiveOp, LiveQuery, LiveRevoked, Op, Query};
use crate::surface::{Effect, SessionId};
use crate::time::Wall;
use crate::wire::live::LiveCall;

/// From a look for rights that were taken back which failed until the next, in milliseconds, while nobody can
/// be let in.
const AGAIN_MS: u64 = 100;

impl Lives {
    /// Somebody asks for something over HTTP whose token was looked at.
    pub(crate) fn request(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        identity: &Identity,
        call: LiveCall,
    ) {
        let asker = Asker::Request(session);
        if self.is_unjudged(identity) {
            return self.keep_early(cx, session, Early::Call(identity.clone(), Box::new(call)));
        }
        if self.is_revoked(identity) {
            return self.answer(cx, &asker, Err(Refusal::Forbidden));
        }
        let needed = match &call {
            LiveCall::Publish(publish) => Some((Right::Publish, publish.topic.as_str())),
            LiveCall::History(call) => Some((Right::History, call.topic.as_str())),
            LiveCall::Presence { topic, .. } => Some((Right::Presence, topic.as_str())),
            LiveCall::Broadcast(_) | LiveCall::Topics => None,
            LiveCall::Connections
            | LiveCall::Revoke { .. }
            | LiveCall::Disconnect { .. }
            | LiveCall::Unsubscribe { .. } => {
                if !identity.is_operator() {
                    return self.answer(cx, &asker, Err(Refusal::Forbidden));
                }
                None
            }
        };
        if needed.is_some_and(|(right, topic)| !identity.may(right, topic)) {
            return self.answer(cx, &asker, Err(Refusal::Forbidden));
        }
        match call {
            LiveCall::Publish(publish) => self.publish(cx, asker, identity, publish),
            LiveCall::Broadcast(broadcast) => self.broadcast(cx, session, broadcast, identity),
            LiveCall::History(call) => {
                self.visit_as(cx, identity, Right::History, Visit::History(asker, call));
            }
            LiveCall::Presence { topic, short: true } => {
                let visit = Visit::PresenceStats(asker, topic.into());
                self.visit_as(cx, identity, Right::Presence, visit);
            }
            LiveCall::Presence { topic, .. } => {
                self.visit_as(cx, identity, Right::Presence, Visit::Presence(asker, topic.into()));
            }
            LiveCall::Topics => {
                let body = json!({ "topics": self.topics_of(identity) });
                cx.answer(session, 200, &body);
            }
            LiveCall::Connections => {
                let body = json!({ "connections": self.connections_shown() });
                cx.answer(session, 200, &body);
            }
            LiveCall::Revoke { user } => {
                if self.revoked.len() >= REVOKED_MAX && !self.revoked.contains_key(user.as_str()) {
                    return self.answer(cx, &asker, Err(Refusal::Limit("users whose rights are taken back")));
                }
                let (user, at): (Box<str>, Wall) = (user.into(), cx.now.wall);
                let op = LiveOp::Revoke { user: user.clone(), at };
                cx.stage(Op::Live(op), None, After::TakenBack(session, user, at));
            }
            LiveCall::Disconnect { user } => {
                let closed = self.end_user(cx, &user, Fault::Disconnected, |_| true);
                cx.answer(session, 200, &json!({ "closed": closed }));
            }
            LiveCall::Unsubscribe { user, topic } => {
                let ended = self.end_subscriptions(cx, &user, &topic);
                cx.answer(session, 200, &json!({ "unsubscribed": ended }));
            }
        }
    }

    /// Ends a user's subscriptions to one topic; it is told so and may subscribe again.
    fn end_subscriptions(&mut self, cx: &mut Cx<'_>, user: &str, topic: &str) -> usize {
        let Some(no) = self.by_name.get(&TopicId::new(topic)).copied() else { return 0 };
        let is_its = |watcher: &Watcher| {
            let is_user = watcher.identity.as_ref().is_some_and(|identity| &*identity.user == user);
            is_user && watcher.topics.contains(&no)
        };
        let theirs = self.watchers.iter().filter(|(_, watcher)| is_its(watcher));
        let sessions: Vec<SessionId> = theirs.map(|(session, _)| *session).collect();
        for session in &sessions {
            self.part_from(cx, *session, no, Some("ended"), None);
        }
        sessions.len()
    }

    /// A user's rights are taken back for good.
    pub(super) fn taken_back(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        user: &str,
        at: Wall,
        ended: &Ended,
    ) {
        if let Ended::Refused(_) = ended {
            return self.answer(cx, &Asker::Request(session), Err(Refusal::Unavailable));
        }
        let closed = self.take_back(cx, user, at);
        cx.answer(session, 200, &json!({ "closed": closed }));
    }

    /// Asks whose rights were taken back, behind those that are known.
    pub(super) fn look_for_revoked(&mut self, cx: &mut Cx<'_>, after: u64) {
        self.looks_for_revoked = true;
        cx.ask(Query::Live(LiveQuery::Revoked { after, limit: REVOKED_PAGE }), After::Revoked);
    }

    /// Whose rights were taken back, here or by another broker.
    pub(super) fn revocations_known(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        self.looks_for_revoked = false;
        let Some(LiveFound::Revoked(rows)) = found_of(ended) else {
            if !self.knows_revoked {
                self.timers.arm_by(Timer::Sweep, cx.now.mono.after_millis(AGAIN_MS));
                self.send_early_away(cx);
            }
            return;
        };
        let is_page = rows.len() as u64 >= u64::from(REVOKED_PAGE);
        for LiveRevoked { change, user, at } in rows {
            self.revoked_read = change;
            if self.revoked.get(&user).is_none_or(|known| *known < at) {
                self.take_back(cx, &user, at);
            }
        }
        if is_page {
            return self.look_for_revoked(cx, self.revoked_read);
        }
        self.knows_revoked = true;
        for (session, (id, identity)) in std::mem::take(&mut self.doorstep) {
            self.authorize(cx, session, id.as_deref(), identity);
            cx.effects.list.push(Effect::Resume { session });
        }
        self.let_early_in(cx);
    }

    /// Ends every connection of a user whose token was made by then. A clock that fell behind gives nothing
    /// back that was taken before.
    fn take_back(&mut self, cx: &mut Cx<'_>, user: &str, at: Wall) -> usize {
        let known = self.revoked.get(user).copied();
        let until = known.map_or(at, |known| known.max(at));
        self.revoked.insert(user.into(), until);
        self.end_user(cx, user, Fault::LiveForbidden, |identity| {
            identity.issued <= until && !planted("revoked_and_told_on")
        })
    }

    /// Ends a user's connections; nothing of what waits for them is sent. Tells how many there were.
    fn end_user(
        &mut self,
        cx: &mut Cx<'_>,
        user: &str,
        fault: Fault,
        fits: impl Fn(&Identity) -> bool,
    ) -> usize {
        let is_its =
            |identity: &Identity| !identity.is_operator() && &*identity.user == user && fits(identity);
        let theirs = self.watchers.iter().filter(|(_, one)| one.identity.as_ref().is_some_and(is_its));
        let sessions: Vec<SessionId> = theirs.map(|(session, _)| *session).collect();
        for session in &sessions {
            self.part_all(cx, *session);
            cx.end(*session, fault);
        }
        sessions.len()
    }

    /// Topics in memory, as far as somebody may watch them.
    fn topics_of(&self, identity: &Identity) -> Vec<Value> {
        let visible =
            self.topics.values().filter(|topic| identity.may(Right::Subscribe, topic.name.as_str()));
        let shown = visible.map(|topic| {
            json!({
                "topic": topic.name.as_str(),
                "epoch": topic.epoch,
                "offset": topic.top,
                "published": topic.published,
                "watchers": topic.watchers.len(),
                "users": topic.presence.users(),
                "slow": topic.rule.slow.word(),
                "volatile": topic.rule.volatile,
            })
        });
        shown.collect()
    }

    fn connections_shown(&self) -> Vec<Value> {
        let shown = self.watchers.values().map(|watcher| {
            let topics = watcher.topics.iter().filter_map(|no| self.topics.get(no));
            json!({
                "id": &*watcher.id,
                "user": watcher.identity.as_ref().map(|identity| &*identity.user),
                "remote": watcher.remote.to_string(),
                "openedAt": watcher.opened.iso(),
                "lastSeenAt": watcher.last_seen.iso(),
                "topics": topics.map(|topic| topic.name.as_str()).collect::<Vec<_>>(),
                "queuedFrames": watcher.queue.len(),
                "queuedBytes": watcher.queue.bytes(),
            })
        });
        shown.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::fixture::Fixture;
    use crate::live::gate::Rights;
    use crate::store::Found;

    #[test]
    fn f_aut_07_no_token_is_judged_before_all_are_known_whose_rights_were_taken_back() {
        let mut fixture = Fixture::new(&[]);
        let page = u64::from(REVOKED_PAGE);
        let rows = |changes: std::ops::RangeInclusive<u64>| {
            let row = |change: u64| LiveRevoked {
                change,
                user: format!("u{change}").into(),
                at: Wall::from_millis(5),
            };
            Ended::Found(Box::new(Found::Live(LiveFound::Revoked(changes.map(row).collect()))))
        };
        let ann = |change: u64| Identity {
            user: format!("u{change}").into(),
            rights: Rights::Of(Default::default()),
            issued: Wall::from_millis(4),
            expires: None,
        };
        let (_, asked) = fixture.turn(|lives, cx| lives.revocations_known(cx, rows(1..=page)));
        assert!(fixture.lives.is_unjudged(&ann(1)), "there may be more");
        let [Query::Live(LiveQuery::Revoked { after, .. })] = asked[..] else { panic!("{asked:?}") };
        assert_eq!(after, page);
        let (_, asked) = fixture.turn(|lives, cx| lives.revocations_known(cx, rows(page + 1..=page + 1)));
        assert!(asked.is_empty() && !fixture.lives.is_unjudged(&ann(1)));
        let revoked = [1, page, page + 1, page + 2].map(|change| fixture.lives.is_revoked(&ann(change)));
        assert_eq!(revoked, [true, true, true, false]);
    }
}
