//! One connection of a watcher: what it says, what it is told, and how long its token lasts.
//!
//! *Always holds:* every message counts as a sign of life before it is looked at; messages are answered in
//! order; nothing is done for a connection before its token was shown, nor after it ran out.

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use data_encoding::HEXLOWER;

use super::coming::Visit;
use super::publication::Form;
use super::publish::Asker;
use super::queue::Queue;
use super::{Cx, Identity, Lives, Refusal, Right, Timer, is_gated};
use crate::config::size;
use crate::fault::Fault;
use crate::ids::TopicNo;
use crate::kit::bucket::Bucket;
use crate::note::{Level, Note};
use crate::planted::planted;
use crate::rng::Rng;
use crate::stats::{Counter, Gauge};
use crate::surface::SessionId;
use crate::time::Wall;
use crate::wire::frame::frame_bytes;
use crate::wire::live::{Ask, Inbound, Outbound, event};
use crate::wire::mesh::Encode;

/// See the module's own words.
#[derive(Debug)]
pub(super) struct Watcher {
    /// A random UUID.
    pub id: Arc<str>,
    pub remote: IpAddr,
    pub opened: Wall,
    /// When it last said anything, a pong included.
    pub last_seen: Wall,
    pub form: Form,
    /// None until a token was shown, and where there is no gate.
    pub identity: Option<Identity>,
    pub topics: BTreeSet<TopicNo>,
    /// Topics it waits for.
    pub coming: usize,
    pub queue: Queue,
    /// Topics of which something was dropped that is still to be told, each behind a place in the queue.
    pub gaps: VecDeque<(u64, TopicNo)>,
    /// Bytes its connection can take.
    pub room: usize,
    rate: Bucket,
    bad: Bucket,
    /// It was told that its token runs out.
    warned: bool,
}

impl Watcher {
    /// True when what is sent goes to its connection, and not behind something that waits.
    pub(super) fn takes_at_once(&self) -> bool {
        self.queue.is_empty() && self.room > 0
    }

    /// Says one thing to it, ahead of the publications that wait for it. Those that come later are not to
    /// wait behind it where nobody knows that they do.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, session: SessionId, message: &Outbound<'_>) {
        let (counter, kind) = told(message);
        cx.count(counter);
        let bytes = match self.form {
            Form::Socket => {
                let before = cx.effects.arena.len();
                cx.tell(session, message);
                frame_bytes(cx.effects.arena.len() - before, None)
            }
            Form::Events => {
                let mut text = Vec::new();
                message.encode(&mut text);
                let spot = match message {
                    Outbound::Subscribed(all) => Some((all.epoch, all.offset)),
                    _ => None,
                };
                let frame = event(kind, spot, &text);
                let bytes = frame.len();
                cx.share(vec![session], frame);
                bytes
            }
        };
        self.room = self.room.saturating_sub(bytes);
    }
}

impl Lives {
    /// A connection was accepted. A token that it brought along was shown already.
    pub(crate) fn opened(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        remote: IpAddr,
        shown: Option<Identity>,
    ) {
        if self.draining {
            return cx.end(session, Fault::LiveShuttingDown);
        }
        if self.is_full(cx) || self.accepts.take(cx.now.mono).is_err() {
            cx.count(Counter::Overloaded);
            return cx.end(session, Fault::Overloaded);
        }
        self.enter(cx, session, remote, Form::Socket, None);
        if !is_gated(cx) {
            return;
        }
        match shown {
            Some(identity) => self.authorize(cx, session, None, identity),
            None => {
                let until = cx.now.mono.after_millis(cx.config.limits.live_auth_ms());
                self.timers.arm(Timer::Token(session), until);
            }
        }
    }

    /// True when there are as many watchers as there may be.
    pub(super) fn is_full(&self, cx: &Cx<'_>) -> bool {
        self.watchers.len() as u64 >= cx.config.limits.live_connections_max()
    }

    /// Makes a record of a connection.
    pub(super) fn enter(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        remote: IpAddr,
        form: Form,
        identity: Option<Identity>,
    ) {
        let limits = &cx.config.limits;
        let (rate, bad) = (limits.live_messages_per_minute_max(), limits.bad_messages_per_minute_max());
        let id: Arc<str> = uuid(cx.rng).into();
        cx.note(Level::Debug, || {
            let note = Note::new(Level::Debug, "connection opened").with("id", &*id);
            note.with("remote", remote.to_string())
        });
        let watcher = Watcher {
            id,
            remote,
            opened: cx.now.wall,
            last_seen: cx.now.wall,
            form,
            identity,
            topics: BTreeSet::new(),
            coming: 0,
            queue: Queue::default(),
            gaps: VecDeque::new(),
            room: size(limits.send_window_bytes()),
            rate: Bucket::new(rate, rate),
            bad: Bucket::new(bad.max(1), bad.max(1)),
            warned: false,
        };
        self.watchers.insert(session, watcher);
        cx.stats.set(Gauge::LiveConnections, i64::try_from(self.watchers.len()).unwrap_or(i64::MAX));
    }

    /// A connection is gone; the close code and reason are known where there were any.
    pub(crate) fn gone(&mut self, cx: &mut Cx<'_>, session: SessionId, close: Option<(u16, &str)>) {
        self.timers.disarm(Timer::Token(session));
        self.doorstep.remove(&session);
        self.part_all(cx, session);
        let Some(watcher) = self.watchers.remove(&session) else { return };
        self.queued_bytes -= watcher.queue.bytes();
        cx.stats.set(Gauge::LiveConnections, i64::try_from(self.watchers.len()).unwrap_or(i64::MAX));
        let (code, reason) = close.unwrap_or((1006, ""));
        cx.note(Level::Debug, || {
            Note::new(Level::Debug, "connection closed")
                .with("id", &*watcher.id)
                .with("code", code)
                .with("reason", reason)
                .with("opened_at", watcher.opened.iso())
                .with("last_seen_at", watcher.last_seen.iso())
        });
    }

    /// A pong came, or a ping.
    pub(crate) fn pong(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        if let Some(watcher) = self.watchers.get_mut(&session) {
            watcher.last_seen = cx.now.wall;
        }
    }

    /// A message came.
    pub(crate) fn hear(&mut self, cx: &mut Cx<'_>, session: SessionId, text: &str) {
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        watcher.last_seen = cx.now.wall;
        let gated = is_gated(cx);
        let Some(Inbound { id, ask }) = Inbound::parse(text, gated) else {
            cx.count(Counter::LiveInvalid);
            if gated && watcher.bad.take(cx.now.mono).is_err() {
                return cx.end(session, Fault::BadMessages);
            }
            return self.refuse(cx, session, None, None, Refusal::Violation);
        };
        let (counter, kind) = kind_of(&ask);
        cx.count(counter);
        let connection = Arc::clone(&watcher.id);
        cx.note(Level::Debug, || {
            Note::new(Level::Debug, "inbound message").with("id", &*connection).with("type", kind)
        });
        if !gated {
            return self.refuse(cx, session, None, None, Refusal::NotImplemented);
        }
        if watcher.rate.take(cx.now.mono).is_err() {
            return self.refuse(cx, session, id.as_deref(), None, Refusal::RateLimited);
        }
        self.act(cx, session, id, ask);
    }

    /// Does what a message asks for.
    fn act(&mut self, cx: &mut Cx<'_>, session: SessionId, id: Option<String>, ask: Ask) {
        if let Ask::Auth { token } = &ask {
            return self.show(cx, session, id.as_deref(), token);
        }
        if ask == Ask::Ping {
            return self.tell(cx, session, &Outbound::Pong { id: id.as_deref() });
        }
        let identity = self.watchers.get(&session).and_then(|watcher| watcher.identity.clone());
        let Some(identity) = identity else {
            return self.refuse(cx, session, id.as_deref(), None, Refusal::Unauthorized);
        };
        let (right, topic) = match &ask {
            Ask::Subscribe(wish) => (Right::Subscribe, &wish.topic),
            Ask::Publish(publish) => (Right::Publish, &publish.topic),
            Ask::History(call) => (Right::History, &call.topic),
            Ask::Presence { topic } | Ask::PresenceStats { topic } => (Right::Presence, topic),
            Ask::Unsubscribe { topic } => return self.unsubscribe(cx, session, id.as_deref(), topic),
            Ask::Auth { .. } | Ask::Ping => return,
        };
        let may = match &ask {
            Ask::Subscribe(wish) => self.may_watch(&identity, wish),
            _ => identity.may(right, topic),
        };
        if !may {
            return self.refuse(cx, session, id.as_deref(), Some(topic), Refusal::Forbidden);
        }
        let asker = Asker::Watcher(session, id);
        let visit = match ask {
            Ask::Subscribe(wish) => return self.wish(cx, asker, session, wish),
            Ask::Publish(publish) => return self.publish(cx, asker, &identity, *publish),
            Ask::History(call) => Visit::History(asker, call),
            Ask::Presence { topic } => Visit::Presence(asker, topic.into()),
            Ask::PresenceStats { topic } => Visit::PresenceStats(asker, topic.into()),
            Ask::Unsubscribe { .. } | Ask::Auth { .. } | Ask::Ping => return,
        };
        self.visit_as(cx, &identity, right, visit);
    }

    /// A token was shown in a message.
    fn show(&mut self, cx: &mut Cx<'_>, session: SessionId, id: Option<&str>, token: &str) {
        let secret = cx.config.live.as_ref().and_then(|live| live.secret.as_ref());
        let shown = secret.and_then(|secret| Identity::of(token, secret, cx.now.wall));
        let known = self.watchers.get(&session).and_then(|watcher| watcher.identity.as_ref());
        match (shown, known) {
            (Some(shown), Some(known)) if shown.user != known.user => {
                self.refuse(cx, session, id, None, Refusal::Forbidden);
            }
            (Some(shown), _) => self.authorize(cx, session, id, shown),
            (None, Some(_)) => {
                cx.count(Counter::BadToken);
                self.refuse(cx, session, id, None, Refusal::Unauthorized);
            }
            (None, None) => {
                cx.count(Counter::BadToken);
                cx.end(session, Fault::LiveUnauthorized);
            }
        }
    }

    /// A connection is somebody's, or has a fresh token. Subscriptions that it does not open end.
    pub(super) fn authorize(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        id: Option<&str>,
        identity: Identity,
    ) {
        if self.is_unjudged(&identity) {
            self.timers.arm(Timer::Token(session), cx.now.mono.after_millis(cx.config.limits.live_auth_ms()));
            self.doorstep.insert(session, (id.map(str::to_owned), identity));
            return;
        }
        if self.is_revoked(&identity) {
            return cx.end(session, Fault::LiveForbidden);
        }
        let (user, expires) = (Arc::clone(&identity.user), identity.expires);
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        watcher.identity = Some(identity);
        watcher.warned = false;
        let topics = watcher.topics.clone();
        let expires = expires.map(Wall::as_millis);
        self.tell(cx, session, &Outbound::Authorized { id, user: &user, expires });
        for no in topics {
            let Some(topic) = self.topics.get_mut(&no) else { continue };
            let identity = self.watchers.get(&session).and_then(|watcher| watcher.identity.as_ref());
            let may = |right| identity.is_some_and(|identity| identity.may(right, topic.name.as_str()));
            let (watches, sees_others) = (may(Right::Subscribe), may(Right::Presence));
            if !watches {
                self.part_from(cx, session, no, Some("forbidden"), None);
            } else if let Some(watch) = topic.watchers.get_mut(&session) {
                watch.presence &= sees_others;
            }
        }
        self.arm_token(cx, session);
    }

    /// True while nobody knows whether the rights of a token were taken back.
    pub(super) fn is_unjudged(&self, identity: &Identity) -> bool {
        !self.knows_revoked && !identity.is_operator()
    }

    /// True for a connection whose token cannot be judged yet.
    pub(crate) fn is_on_doorstep(&self, session: SessionId) -> bool {
        self.doorstep.contains_key(&session)
    }

    pub(super) fn is_revoked(&self, identity: &Identity) -> bool {
        !identity.is_operator()
            && !planted("revoked_opens_again")
            && self.revoked.get(&*identity.user).is_some_and(|until| identity.issued <= *until)
    }

    /// Makes the next moment that matters of a token ours.
    pub(super) fn arm_token(&mut self, cx: &Cx<'_>, session: SessionId) {
        let Some(watcher) = self.watchers.get(&session) else { return };
        let expires = watcher.identity.as_ref().and_then(|identity| identity.expires);
        let Some(expires) = expires else { return self.timers.disarm(Timer::Token(session)) };
        let early = if watcher.warned { 0 } else { cx.config.limits.live_refresh_ms() };
        let left = expires.before_millis(early).as_millis().saturating_sub(cx.now.wall.as_millis());
        let left = u64::try_from(left).unwrap_or(0);
        self.timers.arm(Timer::Token(session), cx.now.mono.after_millis(left));
    }

    /// No token was shown in time, or the one that was runs out or has run out.
    pub(super) fn token_due(&mut self, cx: &mut Cx<'_>, session: SessionId) {
        let Some(watcher) = self.watchers.get_mut(&session) else { return };
        if self.doorstep.remove(&session).is_some() {
            return cx.end(session, Fault::Overloaded);
        }
        let Some(identity) = &watcher.identity else {
            return cx.end(session, Fault::LiveUnauthorized);
        };
        let Some(expires) = identity.expires else { return };
        let left = expires.as_millis().saturating_sub(cx.now.wall.as_millis());
        match u64::try_from(left) {
            Ok(within_ms) if within_ms > 0 => {
                // A clock that was set back may have made it early.
                let is_near = within_ms <= cx.config.limits.live_refresh_ms();
                if is_near && !std::mem::replace(&mut watcher.warned, true) {
                    self.tell(cx, session, &Outbound::Refresh { within_ms });
                }
                self.arm_token(cx, session);
            }
            _ => cx.end(session, Fault::LiveExpired),
        }
    }

    /// Says one thing to a watcher, ahead of the publications that wait for it.
    pub(super) fn tell(&mut self, cx: &mut Cx<'_>, session: SessionId, message: &Outbound<'_>) {
        if let Some(watcher) = self.watchers.get_mut(&session) {
            watcher.tell(cx, session, message);
        }
    }

    /// Refuses something a watcher asked for.
    pub(super) fn refuse(
        &mut self,
        cx: &mut Cx<'_>,
        session: SessionId,
        id: Option<&str>,
        topic: Option<&str>,
        why: Refusal,
    ) {
        let (code, _, message) = why.row();
        self.tell(cx, session, &Outbound::Error { code, message, id, topic });
    }

    /// Streams of events are given a sign of life, so that one whose reader is gone is noticed.
    pub(super) fn beat(&mut self, cx: &mut Cx<'_>) {
        self.timers.arm(Timer::Beat, cx.now.mono.after_millis(cx.config.limits.live_ping_ms()));
        let streams = self.watchers.iter().filter(|(_, watcher)| watcher.form == Form::Events);
        let sessions: Vec<SessionId> = streams.map(|(session, _)| *session).collect();
        if !sessions.is_empty() {
            cx.share(sessions, Bytes::from_static(b":\n\n"));
        }
    }
}

fn kind_of(ask: &Ask) -> (Counter, &'static str) {
    match ask {
        Ask::Subscribe(_) => (Counter::LiveSubscribe, "subscribe"),
        Ask::Unsubscribe { .. } => (Counter::LiveUnsubscribe, "unsubscribe"),
        Ask::Auth { .. } => (Counter::LiveAuth, "auth"),
        Ask::Ping => (Counter::LivePing, "ping"),
        Ask::Publish(_) => (Counter::LivePublish, "publish"),
        Ask::History(_) => (Counter::LiveHistory, "history"),
        Ask::Presence { .. } => (Counter::LivePresence, "presence"),
        Ask::PresenceStats { .. } => (Counter::LivePresenceStats, "presence-stats"),
    }
}

fn told(message: &Outbound<'_>) -> (Counter, &'static str) {
    let counter = match message {
        Outbound::Error { .. } => Counter::ToldError,
        Outbound::Authorized { .. } => Counter::ToldAuthorized,
        Outbound::Subscribed(_) => Counter::ToldSubscribed,
        Outbound::Unsubscribed { .. } => Counter::ToldUnsubscribed,
        Outbound::Published { .. } => Counter::ToldPublished,
        Outbound::History { .. } => Counter::ToldHistory,
        Outbound::Presence { .. } => Counter::ToldPresence,
        Outbound::PresenceStats { .. } => Counter::ToldPresenceStats,
        Outbound::Join { .. } => Counter::ToldJoin,
        Outbound::Leave { .. } => Counter::ToldLeave,
        Outbound::Gap { .. } => Counter::ToldGap,
        Outbound::Refresh { .. } => Counter::ToldRefresh,
        Outbound::Pong { .. } => Counter::ToldPong,
        Outbound::GoingAway { .. } => Counter::ToldGoingAway,
    };
    (counter, counter.series().label.map_or("", |(_, kind)| kind))
}

/// A random UUID, version 4.
fn uuid(rng: &mut Rng) -> String {
    let mut bytes = [0; 16];
    rng.fill(&mut bytes);
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = HEXLOWER.encode(&bytes);
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
