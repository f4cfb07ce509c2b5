//! The files of a daemon against the model, and what only files can do wrong.

use std::collections::BTreeSet;
use std::fs;

use peermesh_core::ids::PublicKey;
use peermesh_core::rng::Rng;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Attempt, Forgetting, InRow, InboxOp, InboxQuery, KeptSession, LaneName, OutRow, OutStatus, OutboxOp,
    OutboxQuery, Priority, Reach, Reader, RecipientKind, Requeue, RequeueRefusal, Sifting,
};
use peermesh_core::time::Wall;
use tempfile::TempDir;

use super::*;

/// Seeds, and operations with each of them.
const SEEDS: u8 = 24;
const OPS: u64 = 200;

/// Every kind of reply that the work must reach.
const REPLIES: [&str; 13] = [
    "changed",
    "done",
    "existing",
    "inserted",
    "key used",
    "known aborted",
    "known dead",
    "known done",
    "known inflight",
    "known pending",
    "no such row",
    "passed",
    "requeued",
];

#[test]
fn the_files_answer_as_the_model_does() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let dir = TempDir::new().unwrap();
        let mut chance = Chance(Rng::from_seed([seed; 32]), vec!["none".into()]);
        let mut model = Model::new([1; 32]);
        let mut store = open_daemon(dir.path(), 0).unwrap();
        for at in 0..OPS {
            let ops = chance.ops(at);
            let batch = [Arc::new(Batch::from(ops.clone()))];
            // Nobody knows sometimes whether it was written, and it is written again.
            for _ in 0..=chance.0.below(2) {
                let (wanted, got) = (model.write(&batch), store.writer.write(&batch));
                assert_eq!(format!("{got:?}"), format!("{wanted:?}"), "seed {seed}, {ops:?}");
                seen.extend(wanted.iter().flat_map(kinds));
            }
            if at % 40 == 39 {
                drop(store);
                store = open_daemon(dir.path(), 0).unwrap();
            }
            for query in chance.queries() {
                let (wanted, got) = (model.read(&query), store.writer.read(&query));
                assert_eq!(format!("{got:?}"), format!("{wanted:?}"), "seed {seed}, {query:?}");
            }
        }
    }
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), REPLIES, "the work did not reach every kind of reply");
}

/// What the replies to a batch are called here.
fn kinds(result: &StoreResult) -> Vec<&'static str> {
    let Ok(Answer::Replies(replies)) = result else { panic!("{result:?}") };
    let kind = |reply: &Reply| match reply {
        Reply::Daemon(DaemonReply::Done) => "done",
        Reply::Daemon(DaemonReply::Inserted) => "inserted",
        Reply::Daemon(DaemonReply::Existing) => "existing",
        Reply::Daemon(DaemonReply::Known(row)) => match row.status {
            OutStatus::Pending => "known pending",
            OutStatus::Inflight => "known inflight",
            OutStatus::Done => "known done",
            OutStatus::Dead => "known dead",
            OutStatus::Aborted => "known aborted",
        },
        Reply::Daemon(DaemonReply::Passed | DaemonReply::NotRequeued(RequeueRefusal::Status(_))) => "passed",
        Reply::Daemon(DaemonReply::Requeued) => "requeued",
        Reply::Daemon(DaemonReply::NotRequeued(RequeueRefusal::Unknown)) => "no such row",
        Reply::Daemon(DaemonReply::NotRequeued(RequeueRefusal::KeyUsed)) => "key used",
        Reply::Daemon(DaemonReply::Changed { .. }) => "changed",
        other => panic!("{other:?}"),
    };
    replies.iter().map(kind).collect()
}

#[test]
fn f_dmn_09_a_damaged_inbox_is_set_aside_and_a_damaged_outbox_is_refused() {
    let dir = TempDir::new().unwrap();
    // The last connection to a file takes its log into it, and only one that may write can.
    drop(open_daemon(dir.path(), 0).unwrap());
    let noise = "this is no database, whatever its name says. ".repeat(400);
    let damage = |name: &str| fs::write(dir.path().join(name), &noise);
    damage("inbox.db").unwrap();
    let store = open_daemon(dir.path(), 0).unwrap();
    let aside = store.set_aside.clone().unwrap();
    assert!(fs::read(&aside).unwrap().starts_with(b"this is no database"), "{}", aside.display());
    drop(store);
    damage("outbox.db").unwrap();
    let refused = open_daemon(dir.path(), 1).unwrap_err().to_string();
    assert!(refused.contains("outbox.db"), "{refused}");
    assert!(fs::read(dir.path().join("outbox.db")).unwrap().starts_with(b"this is no database"));
}

#[test]
fn what_belongs_to_another_store_is_refused_and_changes_nothing() {
    let dir = TempDir::new().unwrap();
    let mut store = open_daemon(dir.path(), 1).unwrap();
    let mixed = vec![
        Op::Daemon(DaemonOp::Outbox(OutboxOp::Enqueue(Box::new(out_row(1))))),
        Op::Daemon(DaemonOp::Inbox(InboxOp::Receive(Box::new(in_row(1))))),
    ];
    let refused = store.writer.write(&[Arc::new(Batch::from(mixed))]).pop().unwrap();
    assert!(matches!(refused, Err(StoreError::Corrupt(_))));
    let load = Query::Daemon(DaemonQuery::Outbox(OutboxQuery::Load));
    let found = format!("{:?}", store.readers[0].read(&load));
    assert!(found.contains("rows: 0"), "{found}");
    assert!(matches!(store.readers[0].read(&Query::Depth), Err(StoreError::Corrupt(_))));
}

/// Draws work from few names, so that it often meets itself; beside its source, the rows that were made.
struct Chance(Rng, Vec<Box<str>>);

impl Chance {
    fn one_of<T: Clone>(&mut self, all: &[T]) -> T {
        let place = self.0.below(u64::try_from(all.len()).unwrap());
        all[usize::try_from(place).unwrap()].clone()
    }

    fn name(&mut self, letter: &str) -> Box<str> {
        format!("{letter}{}", self.0.below(12)).into()
    }

    fn wall(&mut self) -> Wall {
        Wall::from_millis(i64::try_from(self.0.below(20)).unwrap())
    }

    /// A batch, all of it for one of the two stores.
    fn ops(&mut self, at: u64) -> Vec<Op> {
        let is_outbox = self.0.below(10) < 6;
        let first = match is_outbox {
            true => DaemonOp::Outbox(self.outbox_op(at)),
            false => DaemonOp::Inbox(self.inbox_op(at)),
        };
        // What follows looks for what the first one left; only one of them makes the row of this moment.
        let more = (0..self.0.below(3)).map(|_| match is_outbox {
            true => DaemonOp::Outbox(OutboxOp::Take { id: format!("r{at}").into(), attempts: 1 }),
            false => {
                let ids = vec![format!("i{at}").into()];
                DaemonOp::Inbox(InboxOp::See { reader: Reader::Host, ids, at: self.wall() })
            }
        });
        let more: Vec<DaemonOp> = more.collect();
        [first].into_iter().chain(more).map(Op::Daemon).collect()
    }

    fn outbox_op(&mut self, at: u64) -> OutboxOp {
        let made = self.1.clone();
        let id = self.one_of(&made);
        let attempts = u32::try_from(self.0.below(2)).unwrap();
        match self.0.below(15) {
            14 => OutboxOp::Forget(Forgetting {
                before: Wall::from_millis(i64::try_from(self.0.below(5)).unwrap()),
                limit: u32::try_from(self.0.below(4)).unwrap(),
            }),
            12 => {
                let token = [u8::try_from(self.0.below(4)).unwrap(); 32];
                OutboxOp::KeepSession(KeptSession { token, about: self.name("s") })
            }
            13 => OutboxOp::DropSessions(vec![[u8::try_from(self.0.below(4)).unwrap(); 32]]),
            0..4 => {
                let mut row = out_row(at);
                row.client_message_id = format!("k{}", self.0.below(30)).into();
                self.1.push(row.id.clone());
                row.lane = LaneName { mesh: self.name("m"), session: self.one_of(&[None, Some(key_of(1))]) };
                row.enqueued_at = self.wall();
                OutboxOp::Enqueue(Box::new(row))
            }
            4..6 => OutboxOp::Take { id, attempts },
            6..8 => {
                let outcome = match self.0.below(3) {
                    0 => {
                        let reach = self.0.below(2) == 0;
                        let reach = reach.then_some(Reach { recipients: attempts, online: 0 });
                        Attempt::Done { at: self.wall(), broker_message_id: self.name("b"), reach }
                    }
                    1 => {
                        let next_attempt_at = self.wall();
                        Attempt::Again { next_attempt_at, error: self.name("e"), refusals: attempts }
                    }
                    _ => Attempt::Dead { error: self.name("e") },
                };
                OutboxOp::Settle { id, attempts, outcome }
            }
            8 => {
                let lane = LaneName { mesh: self.name("m"), session: self.one_of(&[None, Some(key_of(1))]) };
                OutboxOp::BuryLane { lane, before: self.wall(), error: self.name("e") }
            }
            9 => OutboxOp::Reclaim { next_attempt_at: self.wall(), but: vec![id] },
            10 => {
                let before = Some(self.wall());
                let before = self.one_of(&[None, before]);
                OutboxOp::Bury { mesh: self.name("m"), before, error: self.name("e") }
            }
            _ => OutboxOp::Requeue(Requeue {
                id,
                new_id: format!("n{at}").into(),
                new_client_message_id: format!("k{}", self.0.below(30)).into(),
                at: self.wall(),
                by: self.name("o"),
            }),
        }
    }

    fn inbox_op(&mut self, at: u64) -> InboxOp {
        match self.0.below(6) {
            0..3 => {
                let mut row = in_row(at);
                row.client_message_id = self.name("k");
                row.mesh = self.name("m");
                row.sender_pubkey = self.name("s");
                row.recipient = self.one_of(&[key_of(1), key_of(2)]);
                row.received_at = self.wall();
                row.topic = self.one_of(&[None, Some("t".into())]);
                InboxOp::Receive(Box::new(row))
            }
            3..5 => {
                let reader = self.sifting().reader;
                InboxOp::See { reader, ids: vec![self.id_before(at), self.id_before(at)], at: self.wall() }
            }
            _ => {
                let ids = Some(vec![self.id_before(at)]);
                InboxOp::Remove { sifting: self.sifting(), ids: self.one_of(&[None, ids]) }
            }
        }
    }

    fn id_before(&mut self, at: u64) -> Box<str> {
        format!("i{}", self.0.below(at + 1)).into()
    }

    fn sifting(&mut self) -> Sifting {
        let reader = Reader::AllBut { mesh: self.name("m"), keys: vec![key_of(1)] };
        let (mesh, from, at) = (self.name("m"), self.name("s"), self.wall());
        Sifting {
            reader: self.one_of(&[Reader::Host, reader]),
            mesh: self.one_of(&[None, Some(mesh)]),
            topic: self.one_of(&[None, Some("t".into())]),
            from: self.one_of(&[None, Some(from)]),
            since: self.one_of(&[None, Some(at)]),
            before: self.one_of(&[None, Some(at)]),
            unread: self.one_of(&[false, true]),
        }
    }

    fn queries(&mut self) -> Vec<Query> {
        let lane = LaneName { mesh: self.name("m"), session: self.one_of(&[None, Some(key_of(1))]) };
        let made = self.1.clone();
        let id = self.one_of(&made);
        let out = [
            OutboxQuery::Key(self.name("k")),
            OutboxQuery::Row(id),
            OutboxQuery::Lane { lane, after: self.0.below(5), limit: 3 },
            OutboxQuery::Lanes,
            OutboxQuery::List { status: self.one_of(&[None, Some(OutStatus::Dead)]), limit: 5 },
            OutboxQuery::Load,
            OutboxQuery::Sessions,
        ];
        let shelf = InboxQuery::List { sifting: self.sifting(), limit: 5 };
        let out = out.into_iter().map(|query| Query::Daemon(DaemonQuery::Outbox(query)));
        out.chain([Query::Daemon(DaemonQuery::Inbox(shelf))]).collect()
    }
}

fn key_of(byte: u8) -> PublicKey {
    PublicKey([byte; 32])
}

pub(super) fn out_row(at: u64) -> OutRow {
    OutRow {
        seq: 0,
        id: format!("r{at}").into(),
        client_message_id: format!("k{at}").into(),
        fingerprint: [7; 32],
        lane: LaneName { mesh: "m1".into(), session: None },
        target: "*".into(),
        priority: Priority::Low,
        nonce: "n".into(),
        ciphertext: format!("text {at}").into(),
        reply_to: Some("x".into()),
        payload_bytes: at,
        enqueued_at: Wall::from_millis(1),
        next_attempt_at: Wall::from_millis(2),
        attempts: 0,
        refusals: 0,
        status: OutStatus::Pending,
        last_error: None,
        delivered_at: None,
        broker_message_id: None,
        aborted_at: None,
        aborted_by: None,
        superseded_by: None,
        reach: None,
    }
}

pub(super) fn in_row(at: u64) -> InRow {
    InRow {
        seq: 0,
        id: format!("i{at}").into(),
        client_message_id: "k".into(),
        broker_message_id: Some("b".into()),
        mesh: "m1".into(),
        topic: None,
        reply_to: None,
        sender_pubkey: "s1".into(),
        sender_member_pubkey: Some("s2".into()),
        sender_name: "ann".into(),
        priority: Priority::Now,
        body: Some("hello".into()),
        sealed: at.is_multiple_of(2),
        created_at: None,
        received_at: Wall::from_millis(3),
        seen_at: None,
        recipient: key_of(1),
        recipient_kind: RecipientKind::Session,
    }
}
