//! The runner surface: commands in, events out, nothing lost.
//!
//! | to change | look in |
//! |---|---|
//! | which runners are in memory, and whether they are ours | `residence.rs` |
//! | who is connected, heartbeats | `registry.rs` |
//! | how an event is kept before it is acknowledged | `event.rs` |
//! | when an event goes to the target, and in which order | `forward.rs`, `lane.rs` |
//! | what an answer of the target means | `verdict.rs` |
//! | what becomes of a command | `command.rs`; one that waits for its runner: `queue.rs` |
//! | what an operator sees and does | `admin.rs` |
//!
//! [`Runners`] is the entry: it knows which runners are in memory and passes every fact to the right one.
//!
//! *Always holds:* an event is acknowledged and forwarded only after its commit. Of one runner one event is
//! on its way to the target at a time, and it is the oldest (I4). A command is written to at most one
//! connection for each hand-over (I17).

mod admin;
mod command;
mod event;
mod forward;
mod lane;
mod queue;
mod registry;
mod residence;
mod verdict;

use std::collections::{BTreeMap, VecDeque};

use crate::ids::{RunnerId, RunnerNo, RunnerSeq, Ticket};
use crate::kit::timers::Timers;
use crate::planted::planted;
use crate::rng::Rng;
use crate::stats::Gauge;
use crate::store::{
    Ended, Found, Op, Query, Reply, RunnerFence, RunnerFound, RunnerOp, RunnerQuery, RunnerReply,
};
use crate::surface::{self, SessionId, Shards};
use crate::time::{Mono, Now, Wall};

pub(crate) use command::Order;
pub(crate) use registry::{Connected, Parting};

/// The context of a call into this surface.
pub(crate) type Cx<'a> = surface::Cx<'a, After>;

/// Where this surface goes on when the store has answered.
#[derive(Debug)]
pub(crate) enum After {
    /// Nobody waits.
    Nothing,
    /// Old rows were removed.
    Pruned,
    /// A runner was claimed, after so many doubts.
    Claimed(RunnerId, u64),
    /// Runners were looked for that nobody owns and for which something waits.
    Waiting,
    /// How much there is in the whole store.
    Depth,
    /// An admin asked for rows.
    Listed(SessionId),
    /// Something of one runner while it was ours.
    Of(RunnerFence, Then),
}

/// Where a runner goes on.
#[derive(Debug)]
pub(crate) enum Then {
    /// An event was stored.
    Accepted(RunnerSeq),
    /// How an event fared was written; if not, it still has to be.
    Settled(Box<RunnerOp>),
    /// A page of its events was read.
    Events,
    /// A page of its commands was read.
    Commands,
    /// Commands were looked for whose time is over.
    Expired,
    /// The key of a caller's command was written.
    Begun(CallerNo),
    /// A caller's command was queued.
    Queued(CallerNo),
    /// A caller's answer was kept for others.
    Kept(CallerNo),
    /// The key of a caller whose command was not handed over was forgotten.
    Forgotten(CallerNo, Box<RunnerOp>),
    /// A dead event was put back for an admin.
    Requeued(SessionId),
}

/// A caller that waits for something, by its number in this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct CallerNo(u64);

/// All runners of this shard.
#[derive(Debug)]
pub(crate) struct Runners {
    resident: BTreeMap<RunnerNo, Runner>,
    by_id: BTreeMap<RunnerId, RunnerNo>,
    /// Runners that are being claimed, and who waits for them.
    claiming: BTreeMap<RunnerId, Vec<residence::Visit>>,
    callers: BTreeMap<CallerNo, command::Caller>,
    callers_made: u64,
    /// Requests on their way to the target.
    flying: BTreeMap<Ticket, (RunnerNo, RunnerSeq)>,
    tickets: u64,
    /// Runners whose event waits for one of those to come back.
    ready: VecDeque<RunnerNo>,
    /// When the target last took an event, here or in another shard.
    taken: Option<Mono>,
    /// When other shards were last told of that.
    told: Option<Mono>,
    /// Bytes of events that wait for their commit.
    unstored_bytes: usize,
    timers: Timers<Timer>,
    shards: Shards,
    /// When this process began, by both clocks.
    began: Option<Now>,
    looking: bool,
    /// Old rows are being removed.
    pruning: bool,
    draining: bool,
}

/// One runner in memory.
#[derive(Debug)]
struct Runner {
    id: RunnerId,
    fence: RunnerFence,
    /// The next place among its events and commands.
    next: RunnerSeq,
    link: Option<registry::Link>,
    /// Events that wait for their commit, in order.
    unstored: VecDeque<event::Unstored>,
    unstored_bytes: usize,
    lane: lane::Lane,
    queue: queue::Queue,
    /// Callers that wait for an ack, by the id of their command.
    awaited: BTreeMap<Box<str>, Vec<CallerNo>>,
    /// Callers whose key is being used.
    keyed: BTreeMap<[u8; 32], CallerNo>,
    /// Writes that the store refused and that must still be made, in order.
    owed: Vec<RunnerOp>,
    /// Continuations that have not come back.
    outstanding: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Timer {
    /// A runner's last heartbeat is too old.
    Stale(RunnerNo),
    /// Its oldest event may be tried again.
    Retry(RunnerNo),
    /// What the store refused may be tried again.
    Store(RunnerNo),
    /// Nobody has needed it for long enough.
    Forget(RunnerNo),
    /// A caller has waited long enough for an ack.
    Ack(CallerNo),
    /// Backlogs without an owner are due to be looked for.
    Sweep,
}

impl Runners {
    pub(crate) fn new(rng: &mut Rng, shards: Shards) -> Runners {
        Runners {
            resident: BTreeMap::new(),
            by_id: BTreeMap::new(),
            claiming: BTreeMap::new(),
            callers: BTreeMap::new(),
            callers_made: 0,
            flying: BTreeMap::new(),
            tickets: 0,
            ready: VecDeque::new(),
            taken: None,
            told: None,
            unstored_bytes: 0,
            timers: Timers::new(rng),
            shards,
            began: None,
            looking: false,
            pruning: false,
            draining: false,
        }
    }

    /// Numbers requests to the event target from behind `first` on.
    pub(crate) fn number_from(&mut self, first: u64) {
        self.tickets = first;
    }

    /// The broker starts: what was left behind is looked for at once.
    pub(crate) fn start(&mut self, cx: &mut Cx<'_>) {
        self.began = Some(cx.now);
        self.timers.arm(Timer::Sweep, cx.now.mono);
    }

    /// The time by which events, commands and keys age.
    fn aging(&self, now: Now) -> Now {
        now.aging_since(self.began.unwrap_or(now))
    }

    /// What is written beside rows that age by it.
    fn stamp(&self, now: Now) -> Wall {
        if planted("stamp_by_the_wall_clock") {
            return now.wall;
        }
        now.stamping_since(self.began.unwrap_or(now)).wall
    }

    /// The next moment at which `wake` has something to do.
    pub(crate) fn deadline(&mut self) -> Option<Mono> {
        self.timers.earliest().map(|(at, _)| at)
    }

    /// The deadline passed.
    pub(crate) fn wake(&mut self, cx: &mut Cx<'_>) {
        while let Some(timer) = self.timers.due(cx.now.mono) {
            match timer {
                Timer::Stale(no) => self.stale(cx, no),
                Timer::Retry(no) => self.retry(cx, no),
                Timer::Store(no) => self.store_again(cx, no),
                Timer::Forget(no) => self.forget(cx, no),
                Timer::Ack(caller) => self.ack_overdue(cx, caller),
                Timer::Sweep => self.sweep(cx),
            }
        }
    }

    /// The store has answered.
    pub(crate) fn stored(&mut self, cx: &mut Cx<'_>, after: After, ended: Ended) {
        match after {
            After::Nothing => {}
            After::Pruned => self.pruned(cx, ended),
            After::Claimed(id, doubts) => self.claimed(cx, id, doubts, ended),
            After::Waiting => self.backlogs_known(cx, ended),
            After::Depth => depth_known(cx, ended),
            After::Listed(session) => admin::listed(cx, session, ended),
            After::Of(fence, then) => {
                let Some(runner) = self.resident.get_mut(&fence.runner) else { return };
                if runner.fence != fence {
                    return;
                }
                runner.outstanding = runner.outstanding.saturating_sub(1);
                if matches!(ended, Ended::Done(Reply::Runner(RunnerReply::Lost))) {
                    return self.lose(cx, fence.runner);
                }
                self.go_on(cx, fence.runner, then, ended);
                self.may_forget(cx, fence.runner);
            }
        }
    }

    fn go_on(&mut self, cx: &mut Cx<'_>, no: RunnerNo, then: Then, ended: Ended) {
        match then {
            Then::Accepted(seq) => self.event_stored(cx, no, seq, ended),
            Then::Settled(op) => self.event_settled(cx, no, *op, ended),
            Then::Events => self.events_read(cx, no, ended),
            Then::Commands => self.commands_read(cx, no, ended),
            Then::Expired => self.expired_read(cx, no, ended),
            Then::Begun(caller) => self.key_begun(cx, caller, ended),
            Then::Queued(caller) => self.command_queued(cx, no, caller, ended),
            Then::Kept(caller) => self.answer_kept(cx, no, caller),
            Then::Forgotten(caller, op) => self.key_forgotten(cx, no, caller, *op, ended),
            Then::Requeued(session) => self.event_requeued(cx, no, session, ended),
        }
    }

    /// The broker stops: nothing further goes to the target, and callers learn what is known.
    pub(crate) fn drain(&mut self, cx: &mut Cx<'_>) {
        self.draining = true;
        self.timers.disarm(Timer::Sweep);
        let waiting: Vec<CallerNo> = self.callers.keys().copied().collect();
        for caller in waiting {
            self.ack_overdue(cx, caller);
        }
    }

    /// True when no request to the target is waited for.
    pub(crate) fn is_idle(&self) -> bool {
        self.flying.is_empty()
    }

    /// Requests to the target have had their time: what comes of them is not heard, and their events go
    /// again, under the same ids, with whoever serves their runners next.
    pub(crate) fn give_up_forwards(&mut self) {
        self.flying.clear();
    }

    /// Gives all runners up: the last thing that is written.
    pub(crate) fn release_all(&mut self, cx: &mut Cx<'_>) {
        let fences: Vec<RunnerFence> = self.resident.values().map(|runner| runner.fence).collect();
        if !fences.is_empty() {
            cx.stage(Op::Runner(RunnerOp::Release(fences)), None, After::Nothing);
        }
        self.resident.clear();
        self.by_id.clear();
        self.timers = Timers::new(cx.rng);
    }

    /// Counts what waits, for the metrics page.
    pub(crate) fn count_up(&self, cx: &mut Cx<'_>) {
        let connected = self.resident.values().filter(|runner| runner.link.is_some()).count();
        cx.stats.set(Gauge::RunnerConnections, i64::try_from(connected).unwrap_or(i64::MAX));
        let waiting: u64 = self.resident.values().map(Runner::waiting).sum();
        cx.stats.set(Gauge::RunnerEventsWaiting, i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}

/// Asks how much there is in the whole store, for the metrics page.
pub(crate) fn ask_depth(cx: &mut Cx<'_>) {
    cx.ask(Query::Runner(RunnerQuery::Depth), After::Depth);
}

fn depth_known(cx: &mut Cx<'_>, ended: Ended) {
    if let Ended::Found(found) = ended
        && let Found::Runner(RunnerFound::Depth(depth)) = *found
    {
        let gauge = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        cx.stats.set(Gauge::RunnerEventsDead, gauge(depth.dead));
        cx.stats.set(Gauge::RunnerCommandsWaiting, gauge(depth.commands));
    }
}

impl Runner {
    /// Writes something of this runner; `then` comes back when that is done.
    fn stage(&mut self, cx: &mut Cx<'_>, op: RunnerOp, then: Then) {
        self.outstanding += 1;
        cx.stage(Op::Runner(op), None, After::Of(self.fence, then));
    }

    /// Asks something about this runner.
    fn ask(&mut self, cx: &mut Cx<'_>, query: RunnerQuery, then: Then) {
        self.outstanding += 1;
        cx.ask(Query::Runner(query), After::Of(self.fence, then));
    }

    /// The next place among its events and commands.
    fn place(&mut self) -> RunnerSeq {
        let place = self.next;
        self.next = RunnerSeq(place.0 + 1);
        place
    }

    /// Events that the target has not taken.
    fn waiting(&self) -> u64 {
        self.lane.count() + self.unstored.len() as u64
    }
}

/// What the store said to a write on runners; `None` when it was refused.
fn reply_of(ended: Ended) -> Option<RunnerReply> {
    match ended {
        Ended::Done(Reply::Runner(reply)) => Some(reply),
        Ended::Done(_) | Ended::Found(_) | Ended::Refused(_) => None,
    }
}

/// What the store found of runners; `None` when it was refused.
fn found_of(ended: Ended) -> Option<RunnerFound> {
    match ended {
        Ended::Found(found) => match *found {
            Found::Runner(found) => Some(found),
            _ => None,
        },
        Ended::Done(_) | Ended::Refused(_) => None,
    }
}

/// How long ago that was, in milliseconds; zero when it lies ahead.
fn age_ms(now: Now, at: Wall) -> u64 {
    u64::try_from(now.wall.as_millis().saturating_sub(at.as_millis())).unwrap_or(0)
}
