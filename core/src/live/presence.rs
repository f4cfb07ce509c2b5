//! Who watches a topic: users, each by one connection or several.
//!
//! *Always holds:* a user has left only when nothing of it came back for a while, so that a connection that
//! flaps is no news. The version grows with every join and leave that was told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Cx, Lives, Timer};
use crate::config::size;
use crate::ids::TopicNo;
use crate::planted::planted;
use crate::surface::SessionId;
use crate::time::Mono;
use crate::wire::live::{Outbound, Present, Who};

/// The users of one topic.
#[derive(Debug, Default)]
pub(super) struct Presence {
    users: BTreeMap<Arc<str>, User>,
    version: u64,
}

#[derive(Debug, Default)]
struct User {
    connections: BTreeMap<SessionId, Arc<str>>,
    /// When it has left if nothing of it comes back.
    leaves: Option<Mono>,
}

impl Presence {
    /// True when a user is news.
    fn join(&mut self, user: &Arc<str>, session: SessionId, connection: &Arc<str>) -> bool {
        let is_news = !self.users.contains_key(user);
        let entry = self.users.entry(Arc::clone(user)).or_default();
        entry.leaves = None;
        entry.connections.insert(session, Arc::clone(connection));
        self.version += u64::from(is_news);
        is_news
    }

    /// When the user has left, if that was its last connection.
    fn part(&mut self, user: &Arc<str>, session: SessionId, leaves: Mono) -> Option<Mono> {
        let entry = self.users.get_mut(user)?;
        entry.connections.remove(&session);
        if entry.connections.is_empty() || planted("left_by_one_connection") {
            entry.leaves = Some(leaves);
        }
        entry.leaves
    }

    /// Takes users who have left by now.
    fn left(&mut self, now: Mono) -> Vec<Arc<str>> {
        let is_due = |user: &User| user.leaves.is_some_and(|at| at <= now);
        let gone: Vec<Arc<str>> =
            self.users.iter().filter(|(_, user)| is_due(user)).map(|(name, _)| Arc::clone(name)).collect();
        for name in &gone {
            self.users.remove(name);
        }
        gone
    }

    fn next_leave(&self) -> Option<Mono> {
        self.users.values().filter_map(|user| user.leaves).min()
    }

    /// True while somebody may still be gone for good.
    pub(super) fn has_leaving(&self) -> bool {
        self.next_leave().is_some()
    }

    /// Users, those included of whom nobody knows yet whether they have left.
    pub(super) fn users(&self) -> usize {
        self.users.len()
    }

    pub(super) fn who<'a>(&'a self, topic: &'a str) -> Who<'a> {
        let users = self.users.iter().map(|(user, entry)| Present {
            user,
            connections: entry.connections.values().map(|connection| &**connection).collect(),
        });
        Who { topic, version: self.version, users: users.collect() }
    }
}

impl Lives {
    /// A watcher came to a topic.
    pub(super) fn join(&mut self, cx: &mut Cx<'_>, no: TopicNo, session: SessionId) {
        let Some((user, connection)) = self.who_is(session) else { return };
        let Some(topic) = self.topics.get_mut(&no) else { return };
        if topic.presence.join(&user, session, &connection) {
            self.tell_presence(cx, no, &user, true, Some(session));
        }
    }

    /// A watcher left a topic.
    pub(super) fn part(&mut self, cx: &mut Cx<'_>, no: TopicNo, session: SessionId, user: &Arc<str>) {
        let leaves = cx.now.mono.after_millis(cx.config.limits.live_presence_ms());
        let Some(topic) = self.topics.get_mut(&no) else { return };
        if let Some(at) = topic.presence.part(user, session, leaves) {
            self.timers.arm_by(Timer::Leave(no), at);
        }
    }

    /// Users may have left a topic.
    pub(super) fn leave(&mut self, cx: &mut Cx<'_>, no: TopicNo) {
        let Some(topic) = self.topics.get_mut(&no) else { return };
        for user in topic.presence.left(cx.now.mono) {
            let Some(topic) = self.topics.get_mut(&no) else { return };
            topic.presence.version += 1;
            self.tell_presence(cx, no, &user, false, None);
        }
        let next = self.topics.get(&no).and_then(|topic| topic.presence.next_leave());
        if let Some(at) = next {
            self.timers.arm_by(Timer::Leave(no), at);
        }
        self.may_forget(cx, no);
    }

    /// Tells those who want to know, while there are few enough users.
    fn tell_presence(
        &mut self,
        cx: &mut Cx<'_>,
        no: TopicNo,
        user: &Arc<str>,
        joined: bool,
        but: Option<SessionId>,
    ) {
        let Some(topic) = self.topics.get(&no) else { return };
        if topic.presence.users() > size(cx.config.limits.live_presence_max()) {
            return;
        }
        let wants = topic.watchers.iter().filter(|(session, watch)| watch.presence && Some(**session) != but);
        let sessions: BTreeSet<SessionId> = wants.map(|(session, _)| *session).collect();
        let (name, version) = (topic.name.clone(), topic.presence.version);
        for session in sessions {
            let topic = name.as_str();
            let told = if joined {
                Outbound::Join { topic, user, version }
            } else {
                Outbound::Leave { topic, user, version }
            };
            self.tell(cx, session, &told);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::ConnId;

    #[test]
    fn a_user_has_left_when_its_last_connection_stays_away() {
        let mut presence = Presence::default();
        let (ann, id): (Arc<str>, Arc<str>) = ("ann".into(), "c".into());
        let at = |millis: u64| Mono::START.after_millis(millis);
        let (one, two) = (SessionId(ConnId(1)), SessionId(ConnId(2)));
        assert!(presence.join(&ann, one, &id) && !presence.join(&ann, two, &id));
        assert_eq!(presence.part(&ann, one, at(50)), None);
        assert_eq!(presence.part(&ann, two, at(60)), Some(at(60)));
        assert!(!presence.join(&ann, one, &id), "it was not away for long enough");
        presence.part(&ann, one, at(90));
        assert_eq!((presence.left(at(89)).len(), presence.users()), (0, 1));
        assert_eq!((presence.left(at(90)).len(), presence.users()), (1, 0));
        assert!(presence.join(&ann, one, &id));
    }
}
