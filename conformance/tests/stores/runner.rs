//! What is kept for runners: the drivers against the model, and what each operation means.

use std::collections::HashSet;
use std::sync::Arc;

use peermesh_core::ids::{Epoch, RunnerId, RunnerNo, RunnerSeq};
use peermesh_core::rng::Rng;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Batch, CommandRow, DeadReason, Driver, EventRow, EventTries, Found, KeptAnswer, KeyRow, Op, Query, Reply,
    RunnerFence, RunnerFound, RunnerLoad, RunnerOp, RunnerQuery, RunnerReply,
};
use peermesh_core::time::Wall;

use crate::beside::{Beside, OnPostgres, OnSqlite};
use crate::{found, replies};

const RUNNERS: [&str; 3] = ["default", "r\u{e9}mote one", "r3"];

#[test]
fn sqlite_keeps_for_runners_what_the_model_keeps() {
    (0..60).for_each(|seed| live(seed, Box::new(OnSqlite::new())));
}

#[test]
fn postgres_keeps_for_runners_what_the_model_keeps() {
    (0..10).for_each(|seed| live(seed, Box::new(OnPostgres::new())));
}

/// The same random work for both, some of it twice, with a restart half way.
fn live(seed: u64, mut store: Box<dyn Beside>) {
    let mut model = Model::new([1; 32]);
    let mut work =
        Work { rng: Rng::from_seed([u8::try_from(seed).unwrap(); 32]), fences: Vec::new(), now: 1_000 };
    let mut seen = HashSet::new();
    for round in 0..40 {
        let ops: Vec<Op> = (0..=work.rng.below(12)).map(|_| Op::Runner(work.op())).collect();
        let batch = [Arc::new(Batch::from(ops))];
        let wanted = replies(&mut model, &batch);
        assert_eq!(replies(store.writer(), &batch), wanted, "seed {seed}, round {round}: {batch:#?}");
        for reply in wanted.into_iter().flatten() {
            let Reply::Runner(reply) = reply else { panic!("{reply:?}") };
            seen.insert(std::mem::discriminant(&reply));
            if let RunnerReply::Owned(load) = reply {
                work.fences.push(RunnerFence { runner: load.no, epoch: load.epoch });
            }
        }
        if round == 20 {
            model.restart();
            store.reopen();
        }
        for query in questions() {
            let wanted = found(model.read(&query));
            assert_eq!(found(store.reader().read(&query)), wanted, "seed {seed}, round {round}: {query:?}");
        }
    }
    assert!(seen.len() >= 6, "the work reached only {} kinds of replies", seen.len());
}

fn questions() -> Vec<Query> {
    let mut all = vec![
        RunnerQuery::Waiting { after: RunnerNo(0), limit: 2 },
        RunnerQuery::Runners { after: RunnerNo(0), limit: 9 },
        RunnerQuery::Runners { after: RunnerNo(1), limit: 1 },
        RunnerQuery::Depth,
    ];
    for name in RUNNERS {
        let (runner, after) = (RunnerId::new(name), RunnerSeq::ZERO);
        for bytes_max in [0, 25, 1_000_000] {
            all.push(RunnerQuery::Events { runner: runner.clone(), after, limit: 5, bytes_max });
        }
        all.push(RunnerQuery::Dead { runner, after, limit: 50 });
    }
    for runner in (1..=3).map(RunnerNo) {
        all.push(RunnerQuery::Commands { runner, after: RunnerSeq(2), limit: 3, bytes_max: 40 });
        let before = Wall::from_millis(500);
        all.push(RunnerQuery::Expired { runner, after: RunnerSeq(2), before, limit: 3 });
    }
    all.into_iter().map(Query::Runner).collect()
}

struct Work {
    rng: Rng,
    fences: Vec<RunnerFence>,
    now: i64,
}

impl Work {
    fn op(&mut self) -> RunnerOp {
        self.now += i64::try_from(self.rng.below(20)).unwrap();
        let at = Wall::from_millis(self.now);
        let Some(fence) = self.fence() else {
            return RunnerOp::Claim { runner: self.runner() };
        };
        let seq = RunnerSeq(1 + self.rng.below(8));
        match self.rng.below(20) {
            0 => RunnerOp::Claim { runner: self.runner() },
            1 if self.rng.below(4) == 0 => RunnerOp::Release(vec![fence]),
            2..=7 => {
                let id = (self.rng.below(3) > 0).then(|| format!("e{}", self.rng.below(6)).into());
                let tries = EventTries::default();
                let text = format!("{{\"n\":{},\"x\":\"\\u0000\u{1f980}\"}}", seq.0).into();
                let event = EventRow { seq, id, kind: "log-chunk".into(), at, tries, text };
                RunnerOp::Accept { fence, event: Arc::new(event) }
            }
            8 => {
                let tries = EventTries { sent: 3, failed: 2, failed_since: Some(at) };
                RunnerOp::Tried { fence, seq, tries }
            }
            9 => RunnerOp::Taken { fence, seq },
            10 | 11 => {
                let status = (self.rng.below(2) == 0).then_some(422);
                RunnerOp::Bury { fence, seq, at, why: DeadReason::Refused, status }
            }
            12 | 13 => RunnerOp::Requeue { fence, seq, to: RunnerSeq(20 + self.rng.below(4)), at },
            14 => {
                let (key, fingerprint) = (self.key(), [9; 32]);
                let row = KeyRow { key, fingerprint, command: "c1".into(), at, answer: None };
                RunnerOp::Begin { fence, key: Box::new(row) }
            }
            15 => {
                let answer = KeptAnswer { status: 200, body: "{\"ok\":true}".into() };
                RunnerOp::Answered { fence, key: self.key(), answer }
            }
            16 => RunnerOp::Forget { fence, key: self.key() },
            17 => {
                let (id, expires) = ("c".into(), Wall::from_millis(self.now + 5));
                let command = CommandRow { seq, id, expires, text: "{\"type\":\"start-build\"}".into() };
                RunnerOp::Queue { fence, command: Arc::new(command) }
            }
            18 => RunnerOp::Unqueue { fence, seq },
            _ => RunnerOp::Prune { before: Wall::from_millis(self.now - 300), limit: 3 },
        }
    }

    /// Mostly the newest ownership, sometimes one that is over.
    fn fence(&mut self) -> Option<RunnerFence> {
        let newest = self.fences.len().checked_sub(1)?;
        let back = usize::try_from(self.rng.below(3)).unwrap();
        self.fences.get(newest.saturating_sub(back)).copied()
    }

    fn runner(&mut self) -> RunnerId {
        RunnerId::new(RUNNERS[usize::try_from(self.rng.below(3)).unwrap()])
    }

    fn key(&mut self) -> [u8; 32] {
        [u8::try_from(self.rng.below(3)).unwrap(); 32]
    }
}

/// A commit of unknown outcome may come about after it was repeated and the event was taken.
#[test]
fn f_acc_07_an_event_that_was_taken_is_not_brought_back_by_its_own_late_commit() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let first = owned(&mut *store, RunnerOp::Claim { runner: RunnerId::new("r1") });
        let fence = RunnerFence { runner: first.no, epoch: first.epoch };
        let (seq, tries) = (RunnerSeq::first_of(first.epoch), EventTries::default());
        for (seq, id) in [(seq, None), (RunnerSeq(seq.0 + 1), Some("e1".into()))] {
            let (kind, at) = ("error".into(), Wall::from_millis(5));
            let event = EventRow { seq, id, kind, at, tries, text: "{}".into() };
            let accept = RunnerOp::Accept { fence, event: Arc::new(event) };
            assert_eq!(writes(&mut *store, accept.clone()), RunnerReply::Inserted);
            assert_eq!(writes(&mut *store, RunnerOp::Taken { fence, seq }), RunnerReply::Done);
            assert_eq!(writes(&mut *store, accept), RunnerReply::Inserted, "it was, once");
        }
        let claimed = owned(&mut *store, RunnerOp::Claim { runner: RunnerId::new("r1") });
        assert_eq!((claimed.events, claimed.event_bytes), (0, 0));
    }
}

#[test]
fn what_is_told_of_a_runner_when_it_is_claimed_is_what_waits_for_it() {
    for mut store in [Box::new(OnSqlite::new()) as Box<dyn Beside>, Box::new(OnPostgres::new())] {
        let claim = || RunnerOp::Claim { runner: RunnerId::new("r1") };
        let first = owned(&mut *store, claim());
        assert_eq!((first.no, first.epoch, first.events), (RunnerNo(1), Epoch(1), 0));
        let fence = RunnerFence { runner: first.no, epoch: first.epoch };
        let event = EventRow {
            seq: RunnerSeq::first_of(first.epoch),
            id: Some("e1".into()),
            kind: "error".into(),
            at: Wall::from_millis(5),
            tries: EventTries::default(),
            text: "{\"a\":\"\u{e9}\"}".into(),
        };
        let accept = RunnerOp::Accept { fence, event: Arc::new(event.clone()) };
        assert_eq!(writes(&mut *store, accept.clone()), RunnerReply::Inserted);
        assert_eq!(writes(&mut *store, accept.clone()), RunnerReply::Inserted, "the same write again");
        store.reopen();
        assert_eq!(writes(&mut *store, accept.clone()), RunnerReply::Lost, "it was another life's");
        let second = owned(&mut *store, claim());
        assert_eq!((second.epoch, second.events, second.event_bytes), (Epoch(2), 1, 10));
        assert_eq!(writes(&mut *store, accept), RunnerReply::Lost, "it was another epoch's");
        let query = RunnerQuery::Events {
            runner: RunnerId::new("r1"),
            after: RunnerSeq::ZERO,
            limit: 9,
            bytes_max: 0,
        };
        let Found::Runner(RunnerFound::Events(rows)) = found(store.reader().read(&Query::Runner(query)))
        else {
            panic!("no events")
        };
        assert_eq!(rows, [event]);
    }
}

fn writes(store: &mut dyn Beside, op: RunnerOp) -> RunnerReply {
    match replies(store.writer(), &[Arc::new(Batch::from(vec![Op::Runner(op)]))]).remove(0).remove(0) {
        Reply::Runner(reply) => reply,
        other => panic!("{other:?}"),
    }
}

fn owned(store: &mut dyn Beside, op: RunnerOp) -> RunnerLoad {
    match writes(store, op) {
        RunnerReply::Owned(load) => *load,
        other => panic!("{other:?}"),
    }
}
