//! What every operation and question on runners means.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Model;
use crate::ids::{Epoch, RunnerId, RunnerNo, RunnerSeq};
use crate::store::{
    Adopted, CommandRow, DeadRow, EventRow, EventTries, KeyRow, RunnerDepth, RunnerFence, RunnerFound,
    RunnerLoad, RunnerOp, RunnerQuery, RunnerReply, RunnerRow,
};
use crate::time::Wall;

/// All runners and what is kept of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Runners {
    ids: BTreeMap<RunnerId, RunnerNo>,
    all: BTreeMap<RunnerNo, Kept>,
}

#[derive(Clone, Debug)]
pub(super) struct Kept {
    id: RunnerId,
    owner: Option<u64>,
    epoch: Epoch,
    pub(super) events: BTreeMap<RunnerSeq, EventRow>,
    /// Every event id, with its first place and time.
    pub(super) seen: BTreeMap<Box<str>, (RunnerSeq, Wall)>,
    dead: BTreeMap<RunnerSeq, DeadRow>,
    pub(super) commands: BTreeMap<RunnerSeq, CommandRow>,
    keys: BTreeMap<[u8; 32], KeyRow>,
}

impl Runners {
    pub(super) fn find(&self, id: &RunnerId) -> Option<&Kept> {
        self.all.get(self.ids.get(id)?)
    }
}

impl Model {
    pub(super) fn apply_runner(&mut self, op: &RunnerOp) -> RunnerReply {
        match op {
            RunnerOp::Claim { runner } => return self.claim_runner(runner),
            RunnerOp::Release(fences) => {
                for fence in fences {
                    if let Some(kept) = self.kept(fence) {
                        kept.owner = None;
                    }
                }
                return RunnerReply::Done;
            }
            RunnerOp::Prune { before, limit } => return self.prune_runners(*before, *limit),
            RunnerOp::Accept { .. }
            | RunnerOp::Tried { .. }
            | RunnerOp::Taken { .. }
            | RunnerOp::Bury { .. }
            | RunnerOp::Requeue { .. }
            | RunnerOp::Begin { .. }
            | RunnerOp::Answered { .. }
            | RunnerOp::Forget { .. }
            | RunnerOp::Queue { .. }
            | RunnerOp::Unqueue { .. } => {}
        }
        match op.fence().and_then(|fence| self.kept(&fence)) {
            Some(kept) => kept.apply(op),
            None => RunnerReply::Lost,
        }
    }

    pub(super) fn void_runners(&mut self) {
        for kept in self.runners.all.values_mut() {
            kept.owner = None;
            kept.epoch = Epoch(kept.epoch.0 + Adopted::EPOCHS);
        }
    }

    pub(super) fn highest_runner_epoch(&self) -> u64 {
        self.runners.all.values().map(|kept| kept.epoch.0).max().unwrap_or(0)
    }

    pub(super) fn highest_runner(&self) -> i64 {
        self.runners.all.last_key_value().map_or(0, |(no, _)| no.0)
    }

    fn claim_runner(&mut self, id: &RunnerId) -> RunnerReply {
        let next = RunnerNo(self.number_after(self.runners.all.last_key_value().map(|(no, _)| no.0)));
        let no = *self.runners.ids.entry(id.clone()).or_insert(next);
        let me = self.owners.me();
        let kept = self.runners.all.entry(no).or_insert_with(|| Kept {
            id: id.clone(),
            owner: None,
            epoch: Epoch(0),
            events: BTreeMap::new(),
            seen: BTreeMap::new(),
            dead: BTreeMap::new(),
            commands: BTreeMap::new(),
            keys: BTreeMap::new(),
        });
        if kept.owner.is_some_and(|owner| owner != me && self.owners.lives(owner)) {
            return RunnerReply::OwnedElsewhere;
        }
        kept.owner = Some(me);
        kept.epoch = Epoch(kept.epoch.0 + 1);
        RunnerReply::Owned(Box::new(RunnerLoad {
            no,
            epoch: kept.epoch,
            events: kept.events.len() as u64,
            event_bytes: kept.events.values().map(|event| event.text.len() as u64).sum(),
            commands: kept.commands.len() as u64,
        }))
    }

    fn kept(&mut self, fence: &RunnerFence) -> Option<&mut Kept> {
        let me = self.owners.me();
        let kept = self.runners.all.get_mut(&fence.runner)?;
        (kept.owner == Some(me) && kept.epoch == fence.epoch).then_some(kept)
    }

    fn prune_runners(&mut self, before: Wall, limit: u32) -> RunnerReply {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut most = 0;
        let mut seen: Vec<(Wall, RunnerNo, Box<str>)> = Vec::new();
        let mut keys = Vec::new();
        let mut dead = Vec::new();
        for (no, kept) in &self.runners.all {
            seen.extend(kept.seen.iter().map(|(id, (_, at))| (*at, *no, id.clone())));
            keys.extend(kept.keys.values().map(|key| (key.at, *no, key.key)));
            dead.extend(kept.dead.values().map(|row| (row.died, *no, row.event.seq)));
        }
        for (_, no, id) in oldest(seen, before, limit, &mut most) {
            self.runners.all.get_mut(&no).map(|kept| kept.seen.remove(&id));
        }
        for (_, no, key) in oldest(keys, before, limit, &mut most) {
            self.runners.all.get_mut(&no).map(|kept| kept.keys.remove(&key));
        }
        for (_, no, seq) in oldest(dead, before, limit, &mut most) {
            self.runners.all.get_mut(&no).map(|kept| kept.dead.remove(&seq));
        }
        RunnerReply::Pruned { rows: u32::try_from(most).unwrap_or(u32::MAX) }
    }

    pub(super) fn find_runner(&self, query: &RunnerQuery) -> RunnerFound {
        let all = &self.runners.all;
        let from = |after: RunnerNo| (Bound::Excluded(after), Bound::Unbounded);
        match query {
            RunnerQuery::Events { runner, after, limit, bytes_max } => {
                let kept = self.runners.ids.get(runner).and_then(|no| all.get(no));
                let rows =
                    kept.map(|kept| page(&kept.events, *after, *limit, *bytes_max, |row| row.text.len()));
                RunnerFound::Events(rows.unwrap_or_default())
            }
            RunnerQuery::Commands { runner, after, limit, bytes_max } => {
                let rows = all
                    .get(runner)
                    .map(|kept| page(&kept.commands, *after, *limit, *bytes_max, |row| row.text.len()));
                RunnerFound::Commands(rows.unwrap_or_default())
            }
            RunnerQuery::Expired { runner, after, before, limit } => {
                let place = (Bound::Excluded(*after), Bound::Unbounded);
                let rows = all.get(runner).into_iter().flat_map(|kept| kept.commands.range(place));
                let expired = rows.map(|(_, row)| row).filter(|row| row.expires < *before);
                let textless = expired.map(|row| CommandRow { text: "".into(), ..row.clone() });
                RunnerFound::Commands(textless.take(size(*limit)).collect())
            }
            RunnerQuery::Waiting { after, limit } => {
                let waiting = all.range(from(*after)).filter(|(_, kept)| kept.waits());
                RunnerFound::Waiting(
                    waiting.map(|(no, kept)| (*no, kept.id.clone())).take(size(*limit)).collect(),
                )
            }
            RunnerQuery::Runners { after, limit } => {
                let rows = all.range(from(*after)).map(|(no, kept)| kept.row(*no));
                RunnerFound::Runners(rows.take(size(*limit)).collect())
            }
            RunnerQuery::Dead { runner, after, limit } => {
                let kept = self.runners.ids.get(runner).and_then(|no| all.get(no));
                let rows = kept.map(|kept| page(&kept.dead, *after, *limit, u64::MAX, |_| 0));
                RunnerFound::Dead(rows.unwrap_or_default())
            }
            RunnerQuery::Depth => {
                let rows = all.iter().map(|(no, kept)| kept.row(*no));
                RunnerFound::Depth(rows.fold(RunnerDepth::default(), |sum, row| RunnerDepth {
                    events: sum.events + row.events,
                    commands: sum.commands + row.commands,
                    dead: sum.dead + row.dead,
                }))
            }
        }
    }
}

impl Kept {
    fn apply(&mut self, op: &RunnerOp) -> RunnerReply {
        match op {
            RunnerOp::Accept { event, .. } => return self.accept(event),
            RunnerOp::Tried { seq, tries, .. } => {
                self.events.entry(*seq).and_modify(|event| event.tries = *tries);
            }
            RunnerOp::Taken { seq, .. } => {
                self.events.remove(seq);
            }
            RunnerOp::Bury { seq, at, why, status, .. } => {
                if let Some(event) = self.events.remove(seq) {
                    let dead = DeadRow { event, died: *at, why: *why, status: *status };
                    self.dead.entry(*seq).or_insert(dead);
                }
            }
            RunnerOp::Requeue { seq, to, at, .. } => return self.requeue(*seq, *to, *at),
            RunnerOp::Begin { key, .. } => match self.keys.get(&key.key) {
                Some(known) => return RunnerReply::Begun(Box::new(known.clone())),
                None => {
                    self.keys.insert(key.key, (**key).clone());
                    return RunnerReply::Inserted;
                }
            },
            RunnerOp::Answered { key, answer, .. } => {
                self.keys.entry(*key).and_modify(|known| known.answer = Some(answer.clone()));
            }
            RunnerOp::Forget { key, .. } => {
                self.keys.remove(key);
            }
            RunnerOp::Queue { command, .. } => {
                self.commands.entry(command.seq).or_insert_with(|| (**command).clone());
                return RunnerReply::Inserted;
            }
            RunnerOp::Unqueue { seq, .. } => {
                self.commands.remove(seq);
            }
            RunnerOp::Claim { .. } | RunnerOp::Release(_) | RunnerOp::Prune { .. } => {}
        }
        RunnerReply::Done
    }

    fn accept(&mut self, event: &Arc<EventRow>) -> RunnerReply {
        let name = event.known_as();
        match self.seen.get(&*name) {
            Some((first, _)) if *first == event.seq => return RunnerReply::Inserted,
            Some(_) => return RunnerReply::Known,
            None => self.seen.insert(name.into(), (event.seq, event.at)),
        };
        self.events.entry(event.seq).or_insert_with(|| (**event).clone());
        RunnerReply::Inserted
    }

    fn requeue(&mut self, seq: RunnerSeq, to: RunnerSeq, at: Wall) -> RunnerReply {
        if let Some(event) = self.events.get(&to) {
            return RunnerReply::Requeued(Box::new(event.clone()));
        }
        let Some(dead) = self.dead.remove(&seq) else { return RunnerReply::Missing };
        let event = EventRow { seq: to, at, tries: EventTries::default(), ..dead.event };
        self.events.insert(to, event.clone());
        RunnerReply::Requeued(Box::new(event))
    }

    fn waits(&self) -> bool {
        !self.events.is_empty() || !self.commands.is_empty()
    }

    fn row(&self, no: RunnerNo) -> RunnerRow {
        RunnerRow {
            no,
            id: self.id.clone(),
            events: self.events.len() as u64,
            commands: self.commands.len() as u64,
            dead: self.dead.len() as u64,
        }
    }
}

fn page<T: Clone>(
    rows: &BTreeMap<RunnerSeq, T>,
    after: RunnerSeq,
    limit: u32,
    bytes_max: u64,
    bytes: impl Fn(&T) -> usize,
) -> Vec<T> {
    let mut total = 0_u64;
    let behind = rows.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, row)| row);
    let fits = behind.take(size(limit)).take_while(|row| {
        let is_over = total > bytes_max;
        total = total.saturating_add(bytes(row) as u64);
        !is_over
    });
    fits.cloned().collect()
}

fn oldest<T: Ord>(
    mut rows: Vec<(Wall, RunnerNo, T)>,
    before: Wall,
    limit: usize,
    most: &mut usize,
) -> Vec<(Wall, RunnerNo, T)> {
    rows.retain(|(at, _, _)| *at < before);
    rows.sort();
    rows.truncate(limit);
    *most = rows.len().max(*most);
    rows
}

fn size(limit: u32) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
