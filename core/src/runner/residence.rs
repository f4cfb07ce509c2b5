//! Which runners are in memory: claimed on first use, given up when nobody needs them.
//!
//! *Always holds:* what is in memory is ours under the epoch of its fence; a write under another one changes
//! nothing, and the runner is then forgotten here.

use std::collections::{BTreeMap, VecDeque};

use serde_json::{Value, json};

use super::command::{ABSENT, Order};
use super::lane::Lane;
use super::queue::Queue;
use super::{After, CallerNo, Cx, Runner, Runners, Timer, found_of, reply_of};
use crate::config::size;
use crate::fault::Fault;
use crate::ids::{RunnerId, RunnerNo, RunnerSeq};
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::store::{
    Ended, Op, Query, Reply, RunnerFence, RunnerFound, RunnerLoad, RunnerOp, RunnerQuery, RunnerReply,
};
use crate::surface::{Down, SessionId};

/// Who waits for a runner to be in memory.
#[derive(Debug)]
pub(super) enum Visit {
    /// A connection of the runner.
    Link(SessionId),
    /// Somebody who sends it a command.
    Order(SessionId, Box<Order>),
    /// An admin who wants a dead event put back.
    Requeue(SessionId, RunnerSeq),
    /// What it left behind.
    Backlog,
}

/// Runners looked at in one page of a sweep.
const SWEEP_PAGE: u32 = 256;
/// Old rows of a kind that are removed at once.
const PRUNE_PAGE: u32 = 1_000;

impl Runners {
    /// True for runners that this shard serves.
    pub(crate) fn owns(&self, id: &RunnerId) -> bool {
        self.shards.owner_of(id.as_str()) == self.shards.own
    }

    /// Does what a visitor wants as soon as the runner is in memory.
    pub(super) fn visit(&mut self, cx: &mut Cx<'_>, id: RunnerId, visit: Visit) {
        if let Some(no) = self.by_id.get(&id).copied() {
            return self.receive(cx, no, visit);
        }
        // What is known to be away is not waited for.
        if cx.store.down == Some(Down::Away) {
            return turn_away(cx, vec![visit], Fault::Overloaded);
        }
        if let Visit::Order(session, order) = &visit
            && !self.has_room_for(cx, order)
        {
            cx.count(Counter::CommandBusy);
            return super::command::refuse(cx, *session, 503, super::command::BUSY);
        }
        if let Some(visits) = self.claiming.get_mut(&id) {
            return visits.push(visit);
        }
        self.claiming.insert(id.clone(), vec![visit]);
        claim(cx, id);
    }

    /// True while one more command may wait for its runner to be in memory.
    fn has_room_for(&self, cx: &Cx<'_>, order: &Order) -> bool {
        let limits = &cx.config.limits;
        let orders = self.claiming.values().flatten().filter_map(|visit| match visit {
            Visit::Order(_, order) => Some(order.call.text.len()),
            Visit::Link(_) | Visit::Requeue(..) | Visit::Backlog => None,
        });
        let (count, bytes) = orders.fold((0, 0), |(count, bytes), text| (count + 1, bytes + text));
        let fits =
            bytes + order.call.text.len() <= size(limits.runner_inflight_share_bytes(self.shards.count));
        count < limits.runner_callers_max() && fits
    }

    /// A request has waited for too long. What waits for a runner to be in memory is not done any more; of
    /// what has begun this tells how far it has come, as far as that is known.
    pub(crate) fn overdue(&mut self, cx: &mut Cx<'_>, session: SessionId) -> Option<(u16, Value)> {
        for visits in self.claiming.values_mut() {
            visits.retain(|visit| match visit {
                Visit::Order(waiting, _) | Visit::Requeue(waiting, _) => *waiting != session,
                Visit::Link(_) | Visit::Backlog => true,
            });
        }
        let known = self.known_of(session);
        if known.as_ref().is_some_and(|(status, _)| *status == 504) {
            cx.count(Counter::CommandUnanswered);
        }
        known
    }

    pub(super) fn claimed(&mut self, cx: &mut Cx<'_>, id: RunnerId, doubts: u64, ended: Ended) {
        // It may have been taken from us since, and nobody asked.
        if doubts != cx.store.doubts {
            return claim(cx, id);
        }
        let visits = self.claiming.remove(&id).unwrap_or_default();
        let load = match reply_of(ended) {
            Some(RunnerReply::Owned(load)) => *load,
            Some(RunnerReply::OwnedElsewhere) => return turn_away(cx, visits, Fault::NotOwner),
            _ => return turn_away(cx, visits, Fault::Overloaded),
        };
        let no = load.no;
        self.by_id.insert(id.clone(), no);
        self.resident.insert(no, Runner::new(id, &load));
        for visit in visits {
            self.receive(cx, no, visit);
        }
        self.move_lane(cx, no);
        self.may_forget(cx, no);
    }

    fn receive(&mut self, cx: &mut Cx<'_>, no: RunnerNo, visit: Visit) {
        match visit {
            Visit::Link(session) => self.seat(cx, no, session),
            Visit::Order(session, order) => self.carry_out(cx, no, session, *order),
            Visit::Requeue(session, seq) => self.requeue(cx, no, session, seq),
            Visit::Backlog => {}
        }
    }

    /// The runner is another broker's: whatever is not stored was not acknowledged and will come again.
    pub(super) fn lose(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.remove(&no) else { return };
        self.by_id.remove(&runner.id);
        self.unstored_bytes = self.unstored_bytes.saturating_sub(runner.unstored_bytes);
        for timer in [Timer::Stale(no), Timer::Retry(no), Timer::Store(no), Timer::Forget(no)] {
            self.timers.disarm(timer);
        }
        if let Some(link) = &runner.link {
            cx.end(link.session, Fault::NotOwner);
        }
        let callers = self.callers.iter().filter(|(_, caller)| caller.runner == no);
        let callers: Vec<CallerNo> = callers.map(|(caller, _)| *caller).collect();
        for caller in callers {
            self.give_up(cx, caller);
        }
        cx.note(Level::Warn, || Note::new(Level::Warn, "runner lost").with("runner_id", runner.id.as_str()));
    }

    /// Under which fences the runners in memory are ours.
    pub(crate) fn fences(&self) -> Vec<RunnerFence> {
        self.resident.values().map(|runner| runner.fence).collect()
    }

    /// The store was asked whether a runner in memory is ours.
    pub(crate) fn judged(&mut self, cx: &mut Cx<'_>, no: RunnerNo, ended: &Ended) {
        if matches!(ended, Ended::Done(Reply::Runner(RunnerReply::Lost))) {
            self.lose(cx, no);
        }
    }

    /// What is in memory is surely ours again: what was held back goes on.
    pub(crate) fn sure_again(&mut self, cx: &mut Cx<'_>) {
        let all: Vec<RunnerNo> = self.resident.keys().copied().collect();
        for no in all {
            self.move_lane(cx, no);
            self.move_queue(cx, no);
        }
    }

    /// The store answers: what was left behind need not wait for its turn.
    pub(crate) fn store_is_back(&mut self, cx: &mut Cx<'_>) {
        if cx.config.runners.is_some() && !self.draining {
            self.timers.arm_by(Timer::Sweep, cx.now.mono);
        }
    }

    /// Arms or disarms the clock after which a runner is forgotten.
    pub(super) fn may_forget(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        let Some(runner) = self.resident.get(&no) else { return };
        if runner.is_needed() {
            self.timers.disarm(Timer::Forget(no));
        } else {
            self.timers.arm_by(Timer::Forget(no), cx.now.mono.after_millis(cx.config.limits.mesh_idle_ms()));
        }
    }

    pub(super) fn forget(&mut self, cx: &mut Cx<'_>, no: RunnerNo) {
        if self.resident.get(&no).is_some_and(|runner| !runner.is_needed())
            && let Some(runner) = self.resident.remove(&no)
        {
            self.by_id.remove(&runner.id);
            cx.stage(Op::Runner(RunnerOp::Release(vec![runner.fence])), None, After::Nothing);
        }
    }

    /// Looks for what others left behind, and lets what has waited too long go.
    pub(super) fn sweep(&mut self, cx: &mut Cx<'_>) {
        self.timers.arm(Timer::Sweep, cx.now.mono.after_millis(cx.config.limits.runner_sweep_ms()));
        if !std::mem::replace(&mut self.looking, true) {
            let query = RunnerQuery::Waiting { after: RunnerNo(0), limit: SWEEP_PAGE };
            cx.ask(Query::Runner(query), After::Waiting);
        }
        if self.shards.own.0 == 0 && !std::mem::replace(&mut self.pruning, true) {
            self.prune(cx);
        }
        let queued: Vec<RunnerNo> =
            self.resident.iter().filter(|(_, runner)| runner.queue.count > 0).map(|(no, _)| *no).collect();
        for no in queued {
            self.move_queue(cx, no);
        }
    }

    fn prune(&self, cx: &mut Cx<'_>) {
        let before = self.aging(cx.now).wall.before_millis(cx.config.limits.runner_retention_ms());
        let prune = RunnerOp::Prune { before, limit: PRUNE_PAGE };
        cx.stage(Op::Runner(prune), None, After::Pruned);
    }

    /// Old rows were removed, page after page: rows come faster than one page a sweep.
    pub(super) fn pruned(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let is_full = matches!(reply_of(ended), Some(RunnerReply::Pruned { rows }) if rows >= PRUNE_PAGE);
        self.pruning = is_full && !self.draining;
        if self.pruning {
            self.prune(cx);
        }
    }

    pub(super) fn backlogs_known(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        self.looking = false;
        let Some(RunnerFound::Waiting(rows)) = found_of(ended) else { return };
        if self.draining {
            return;
        }
        if let Some((last, _)) = rows.last().filter(|_| rows.len() as u64 >= u64::from(SWEEP_PAGE)) {
            self.looking = true;
            let query = RunnerQuery::Waiting { after: *last, limit: SWEEP_PAGE };
            cx.ask(Query::Runner(query), After::Waiting);
        }
        for (_, id) in rows {
            if self.owns(&id) && !self.by_id.contains_key(&id) {
                self.visit(cx, id, Visit::Backlog);
            }
        }
    }
}

fn claim(cx: &mut Cx<'_>, id: RunnerId) {
    let doubts = cx.store.doubts;
    cx.stage(Op::Runner(RunnerOp::Claim { runner: id.clone() }), None, After::Claimed(id, doubts));
}

/// Tells everybody who waited that the runner cannot be served here and now.
fn turn_away(cx: &mut Cx<'_>, visits: Vec<Visit>, fault: Fault) {
    for visit in visits {
        match visit {
            Visit::Link(session) => cx.end(session, fault),
            Visit::Order(session, _) if fault == Fault::NotOwner => {
                cx.count(Counter::CommandElsewhere);
                cx.answer(session, 503, &json!({ "error": ABSENT, "reason": fault.row().reason }));
            }
            Visit::Requeue(session, _) if fault == Fault::NotOwner => {
                let text = "another broker serves this runner: ask that one";
                cx.answer(session, 503, &json!({ "error": fault.row().reason, "message": text }));
            }
            Visit::Order(session, _) | Visit::Requeue(session, _) => {
                cx.count(Counter::CommandStore);
                super::command::refuse(cx, session, 503, "Store unavailable");
            }
            Visit::Backlog => {}
        }
    }
}

impl Runner {
    fn new(id: RunnerId, load: &RunnerLoad) -> Runner {
        Runner {
            id,
            fence: RunnerFence { runner: load.no, epoch: load.epoch },
            next: RunnerSeq::first_of(load.epoch),
            link: None,
            unstored: VecDeque::new(),
            unstored_bytes: 0,
            lane: Lane::new(load.events, load.event_bytes),
            queue: Queue::new(load.commands),
            awaited: BTreeMap::new(),
            keyed: BTreeMap::new(),
            owed: Vec::new(),
            outstanding: 0,
        }
    }

    fn is_needed(&self) -> bool {
        self.link.is_some()
            || self.waiting() > 0
            || self.queue.count > 0
            || !self.awaited.is_empty()
            || !self.keyed.is_empty()
            || !self.owed.is_empty()
            || self.outstanding > 0
    }
}
