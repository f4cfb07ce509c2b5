//! The live surface: topics that watchers can trust.
//!
//! | to change | look in |
//! |---|---|
//! | who may do what | `gate.rs` |
//! | what a connection says and is told | `watcher.rs` |
//! | which topics are in memory, and whether they are ours | `residence.rs` |
//! | who waits for one that is not, and for how long | `coming.rs` |
//! | what a topic keeps, and shows to whoever comes | `topic.rs`, `subscribe.rs` |
//! | how a publication comes to its offset | `publish.rs` |
//! | how it goes to watchers, and what becomes of slow ones | `fanout.rs`, `queue.rs`, `publication.rs` |
//! | what is gathered before it goes | `window.rs` |
//! | how things grow old though clocks jump | `clock.rs` |
//! | whether watchers stand where their topics do | `check.rs` |
//! | how watchers are told that the broker stops | `drain.rs` |
//! | who watches | `presence.rs` |
//! | what other programs wrote for topics | `feed.rs` |
//! | what an operator sees and does | `admin.rs` |
//!
//! [`Lives`] is the entry. Without a gate it is a scaffold: every message that is one is answered
//! `not-implemented`.
//!
//! *Always holds:* a publication is told only after its commit. A watcher is shown everything up to an
//! offset, and then gets what follows, or is told that it does not.

mod admin;
mod check;
mod clock;
mod coming;
mod drain;
mod early;
mod fanout;
mod feed;
#[cfg(test)]
mod fixture;
mod gate;
mod presence;
mod publication;
mod publish;
mod queue;
mod residence;
mod subscribe;
mod topic;
mod watcher;
mod window;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use crate::ids::{TopicId, TopicNo};
use crate::kit::bucket::Bucket;
use crate::kit::timers::Timers;
use crate::rng::Rng;
use crate::stats::Gauge;
use crate::store::{Ended, Found, LiveFence, LiveFound, LiveOp, LiveReply, Op, Reply};
use crate::surface::{self, SessionId};
use crate::time::{Mono, Wall};

pub(crate) use gate::{Identity, Right};
pub(crate) use subscribe::Opening;

/// The context of a call into this surface.
pub(crate) type Cx<'a> = surface::Cx<'a, After>;

/// Where this surface goes on when the store has answered.
#[derive(Debug)]
pub(crate) enum After {
    /// Nobody waits.
    Nothing,
    /// A topic was claimed, after so many doubts.
    Claimed(TopicId, u64),
    /// What is kept of a claimed topic was read.
    Loaded(TopicId, Box<residence::Load>, u64),
    /// Whose rights were taken back.
    Revoked,
    /// A user's rights were taken back for an operator.
    TakenBack(SessionId, Box<str>, Wall),
    /// Rows of the feed: of all topics, or of one.
    Fed(Option<TopicNo>),
    /// A publication of one topic was stored while it was ours.
    Appended(LiveFence, u64),
    /// Where topics stand, which were at these offsets.
    Checked(Box<[(TopicNo, u64)]>),
}

/// All topics and watchers of this shard.
#[derive(Debug)]
pub(crate) struct Lives {
    watchers: BTreeMap<SessionId, watcher::Watcher>,
    topics: BTreeMap<TopicNo, topic::Topic>,
    by_name: BTreeMap<TopicId, TopicNo>,
    /// Topics on their way into memory, and who waits for them.
    coming: coming::Coming,
    /// Publications to several topics that wait for the last of them.
    calls: BTreeMap<publish::CallNo, publish::Call>,
    calls_made: u64,
    /// Whose rights were taken back, and until when.
    revoked: BTreeMap<Box<str>, Wall>,
    /// Up to which of them the store was read.
    revoked_read: u64,
    /// A page of them is being read.
    looks_for_revoked: bool,
    /// All of them are known, so that tokens can be judged.
    knows_revoked: bool,
    /// Whoever has shown a token before it could be judged, and what it calls the message. They are not read.
    doorstep: BTreeMap<SessionId, (Option<String>, Identity)>,
    /// Requests that came before tokens could be judged.
    early: Vec<(SessionId, early::Early)>,
    feed: feed::Feed,
    clock: clock::Clock,
    /// Topics made that live in memory only.
    volatile_made: i64,
    /// Who is still to be told that the broker stops.
    parting: VecDeque<SessionId>,
    /// How many of them are told at once.
    parting_step: usize,
    /// Bounds how many watchers are let in.
    accepts: Bucket,
    /// Bytes that wait for all watchers together.
    queued_bytes: usize,
    subscriptions: usize,
    /// When old rows are due to be removed.
    prune_at: Mono,
    timers: Timers<Timer>,
    draining: bool,
    stopped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// A watcher has shown no token, or its token runs out.
    Token(SessionId),
    /// A user may have left a topic.
    Leave(TopicNo),
    /// Nobody has needed a topic for long enough.
    Forget(TopicNo),
    /// Streams of events are due a sign of life.
    Beat,
    /// Rights that were taken back elsewhere are due to be looked for, and what is old to go.
    Sweep,
    /// The feed is due to be looked at.
    Feed,
    /// What was gathered of a topic for so many milliseconds is due.
    Window(TopicNo, u64),
    /// It is due to be looked whether watchers stand where their topics do.
    Check,
    /// More watchers are due to be told that the broker stops.
    Goodbye,
}

/// Between two looks for rights that another broker took back, in milliseconds.
const SWEEP_MS: u64 = 2_000;
/// Users whose rights can be taken back: all are remembered, for nobody knows how long their tokens last.
const REVOKED_MAX: usize = 1_000_000;
/// Those of one look.
const REVOKED_PAGE: u32 = 10_000;
/// Between two rounds of removing old rows, in milliseconds: each is a commit, and an idle broker makes none
/// more often.
const PRUNE_MS: u64 = 60_000;
/// Old rows removed in one round.
const PRUNE_PAGE: u32 = 1_000;

impl Lives {
    pub(crate) fn new(rng: &mut Rng) -> Lives {
        Lives {
            watchers: BTreeMap::new(),
            topics: BTreeMap::new(),
            by_name: BTreeMap::new(),
            coming: coming::Coming::default(),
            calls: BTreeMap::new(),
            calls_made: 0,
            revoked: BTreeMap::new(),
            revoked_read: 0,
            looks_for_revoked: false,
            knows_revoked: false,
            doorstep: BTreeMap::new(),
            early: Vec::new(),
            feed: feed::Feed::default(),
            clock: clock::Clock::default(),
            volatile_made: 0,
            parting: VecDeque::new(),
            parting_step: 0,
            accepts: Bucket::new(0, 1),
            queued_bytes: 0,
            subscriptions: 0,
            prune_at: Mono::START,
            timers: Timers::new(rng),
            draining: false,
            stopped: false,
        }
    }

    /// The broker starts.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>) {
        self.clock.read(cx.now);
        let per_minute = cx.config.limits.live_accepts_per_minute_max();
        self.accepts = Bucket::new(per_minute, per_minute / 60);
        if is_gated(cx) {
            self.timers.arm(Timer::Sweep, cx.now.mono);
            self.timers.arm(Timer::Feed, cx.now.mono);
            self.timers.arm(Timer::Check, cx.now.mono.after_millis(cx.config.limits.live_check_ms()));
            self.timers.arm(Timer::Beat, cx.now.mono.after_millis(cx.config.limits.live_ping_ms()));
        }
    }

    /// The next moment at which `wake` has something to do.
    pub(crate) fn deadline(&mut self) -> Option<Mono> {
        if self.coming.has_come() { Some(Mono::START) } else { self.timers.earliest().map(|(at, _)| at) }
    }

    /// The deadline passed.
    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        self.let_in(cx);
        while let Some(timer) = self.timers.due(cx.now.mono) {
            match timer {
                Timer::Token(session) => self.token_due(cx, session),
                Timer::Leave(no) => self.leave(cx, no),
                Timer::Forget(no) => self.forget(cx, no),
                Timer::Beat => self.beat(cx),
                Timer::Sweep => self.sweep(cx),
                Timer::Feed => self.look_at_feed(cx),
                Timer::Window(no, window_ms) => self.end_window(cx, no, window_ms),
                Timer::Check => self.check(cx),
                Timer::Goodbye => self.say_goodbyes(cx),
            }
        }
    }

    /// The store has answered.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, after: After, ended: Ended) {
        match after {
            After::Nothing => {}
            After::Claimed(name, doubts) => self.claimed(cx, name, doubts, ended),
            After::Loaded(name, load, doubts) => self.loaded(cx, name, &load, doubts, ended),
            After::Revoked => self.revocations_known(cx, ended),
            After::TakenBack(session, user, at) => self.taken_back(cx, session, &user, at, &ended),
            After::Fed(of) => self.fed(cx, of, ended),
            After::Appended(fence, place) => self.appended(cx, fence, place, ended),
            After::Checked(asked) => self.checked(cx, &asked, ended),
        }
    }

    fn sweep(&mut self, cx: &mut Cx<'_>) {
        self.timers.arm(Timer::Sweep, cx.now.mono.after_millis(SWEEP_MS));
        let (limits, times) = (&cx.config.limits, self.clock.read(cx.now));
        let is_round = self.prune_at <= cx.now.mono;
        // Now and then all of them, in case the store lost some and gave their places to others.
        if !self.looks_for_revoked {
            self.look_for_revoked(cx, if is_round { 0 } else { self.revoked_read });
        }
        if is_round {
            self.prune_at = cx.now.mono.after_millis(PRUNE_MS);
            let rules = cx.config.live.iter().filter(|live| live.has_feed).flat_map(|live| &live.rules);
            let has_volatile = rules.clone().any(|(_, rule)| rule.volatile);
            let rules = rules.filter(|_| has_volatile);
            let prune = LiveOp::Prune {
                keys_before: times.kept.before_millis(limits.live_keys_ms()),
                gone_before: times.patient.before_millis(limits.live_history_ms()),
                limit: PRUNE_PAGE,
                volatile: rules.map(|(fits, rule)| (fits.to_string().into(), rule.volatile)).collect(),
            };
            cx.stage(Op::Live(prune), None, After::Nothing);
        }
        for topic in self.topics.values_mut() {
            topic.tidy(limits, times);
            topic.bury(limits, times);
        }
        let journaled: Vec<TopicNo> = self.topics.keys().copied().filter(|no| no.0 > 0).collect();
        for no in journaled {
            self.trim(cx, no, 1);
        }
    }

    /// Counts what there is, for the metrics page.
    pub(crate) fn count_up(&self, cx: &mut Cx<'_>) {
        let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        cx.stats.set(Gauge::LiveConnections, count(self.watchers.len()));
        cx.stats.set(Gauge::LiveSubscriptions, count(self.subscriptions));
        cx.stats.set(Gauge::LiveTopics, count(self.topics.len()));
        cx.stats.set(Gauge::LiveQueueBytes, count(self.queued_bytes));
    }

    /// Gives all topics up: the last thing that is written.
    pub(crate) fn release_all(&mut self, cx: &mut Cx<'_>) {
        let fences: Vec<LiveFence> = self.topics.values().filter_map(|topic| topic.fence).collect();
        if !fences.is_empty() {
            cx.stage(Op::Live(LiveOp::Release(fences)), None, After::Nothing);
        }
        self.topics.clear();
        self.by_name.clear();
        self.timers = Timers::new(cx.rng);
    }

    /// The user and the connection's id, where a token was shown.
    fn who_is(&self, session: SessionId) -> Option<(Arc<str>, Arc<str>)> {
        let watcher = self.watchers.get(&session)?;
        Some((Arc::clone(&watcher.identity.as_ref()?.user), Arc::clone(&watcher.id)))
    }
}

/// True where there is a gate, and something behind it.
fn is_gated(cx: &Cx<'_>) -> bool {
    cx.config.live.as_ref().is_some_and(|live| live.secret.is_some())
}

/// Why something is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Unauthorized,
    Forbidden,
    Violation,
    NotImplemented,
    Limit(&'static str),
    Conflict,
    AlreadySubscribed,
    RateLimited,
    Unavailable,
    NotOwner,
    ShuttingDown,
}

impl Refusal {
    /// Code, HTTP status and what it means for a person.
    pub(crate) const fn row(self) -> (&'static str, u16, Option<&'static str>) {
        match self {
            Refusal::Unauthorized => ("unauthorized", 401, Some("a token is needed that opens live topics")),
            Refusal::Forbidden => ("forbidden", 403, Some("the token does not allow this")),
            Refusal::Violation => ("protocol-violation", 400, Some("Invalid message envelope")),
            Refusal::NotImplemented => ("not-implemented", 501, None),
            Refusal::Limit(what) => ("limit-exceeded", 422, Some(what)),
            Refusal::Conflict => {
                ("idempotency-conflict", 409, Some("the idempotency key was used for something else"))
            }
            Refusal::AlreadySubscribed => ("already-subscribed", 409, Some("unsubscribe first")),
            Refusal::RateLimited => ("rate-limited", 429, Some("too many messages: slow down")),
            Refusal::Unavailable => ("unavailable", 503, Some("the store does not answer: try again")),
            Refusal::NotOwner => ("not-owner", 503, Some("another broker serves the topic: ask that one")),
            Refusal::ShuttingDown => ("shutting-down", 503, Some("the broker is stopping: try again")),
        }
    }
}

fn reply_of(ended: Ended) -> Option<LiveReply> {
    match ended {
        Ended::Done(Reply::Live(reply)) => Some(reply),
        Ended::Done(_) | Ended::Found(_) | Ended::Refused(_) => None,
    }
}

fn found_of(ended: Ended) -> Option<LiveFound> {
    match ended {
        Ended::Found(found) => match *found {
            Found::Live(found) => Some(found),
            _ => None,
        },
        Ended::Done(_) | Ended::Refused(_) => None,
    }
}
