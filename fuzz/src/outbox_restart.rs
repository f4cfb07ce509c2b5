//! The two stores of a daemon through everything that a daemon does to them, through restarts and through the
//! death of its process: the real files answer as the model does.
//!
//! Input: a list of deeds in the form of the crate `arbitrary`.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arbitrary::{Arbitrary, Unstructured};
use peermesh_core::ids::PublicKey;
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Attempt, Batch, DaemonOp, DaemonQuery, Driver, Forgetting, InRow, InboxOp, InboxQuery, KeptSession,
    LaneName, Op, OutRow, OutStatus, OutboxOp, OutboxQuery, Priority, Query, Reach, Reader, RecipientKind,
    Requeue, Sifting,
};
use peermesh_core::time::Wall;
use peermesh_store::sqlite::{DaemonStore, open_daemon};
use tempfile::TempDir;

/// Deeds of one life.
const DEEDS_MAX: usize = 120;

#[derive(Debug, Arbitrary)]
enum Deed {
    /// What one batch writes to the outbox.
    Out(Vec<Out>),
    /// What one batch writes to the inbox.
    In(Vec<In>),
    /// The last batch again: nobody knows whether it was written.
    Again,
    /// The process ends, and another one opens the files.
    Restart,
    /// The process is killed: what it would still have done to its files it does not do.
    Kill,
    /// Somebody asks.
    Ask { of: u8, what: u8, limit: u8 },
}

#[derive(Debug, Arbitrary)]
enum Out {
    Enqueue { id: u8, key: u8, lane: u8, at: u8, text: String },
    Take { id: u8, attempts: u8 },
    Settle { id: u8, attempts: u8, how: u8, at: u8 },
    Reclaim { but: u8, at: u8 },
    Bury { mesh: u8, before: Option<u8> },
    BuryLane { lane: u8, before: u8 },
    Prune { before: u8, limit: u8 },
    Requeue { id: u8, new: u8, key: u8, at: u8 },
    Keep { token: u8, about: String },
    Forget { token: u8 },
}

#[derive(Debug, Arbitrary)]
enum In {
    Receive { id: u8, key: u8, from: u8, mesh: u8, to: u8, at: u8, body: Option<String> },
    See { id: u8, reader: u8, at: u8 },
    Remove { id: Option<u8>, reader: u8, before: Option<u8>, mesh: u8, unread: bool },
}

/// Lives a life.
///
/// # Panics
/// When the files and the model disagree, or the files cannot be opened again.
pub fn run(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let mut life = Life::new();
    for _ in 0..DEEDS_MAX {
        if input.is_empty() {
            break;
        }
        let Ok(deed) = Deed::arbitrary(&mut input) else { break };
        life.does(&deed);
    }
    life.takes_stock();
}

struct Life {
    model: Model,
    store: Option<DaemonStore>,
    dir: TempDir,
    last: Option<Arc<Batch>>,
}

impl Life {
    fn new() -> Life {
        let dir = memory_dir();
        let store = Some(opened(dir.path()));
        Life { model: Model::new([1; 32]), store, dir, last: None }
    }

    fn does(&mut self, deed: &Deed) {
        match deed {
            Deed::Out(ops) => {
                let ops = ops.iter().take(6).map(|op| Op::Daemon(DaemonOp::Outbox(out(op))));
                self.writes(ops.collect());
            }
            Deed::In(ops) => {
                let ops = ops.iter().take(6).map(|op| Op::Daemon(DaemonOp::Inbox(received(op))));
                self.writes(ops.collect());
            }
            Deed::Again => {
                if let Some(batch) = self.last.clone() {
                    self.write(&batch);
                }
            }
            Deed::Restart => {
                self.store = None;
                self.store = Some(opened(self.dir.path()));
                self.takes_stock();
            }
            Deed::Kill => {
                // What stands in the files at this moment is all that there is.
                let dir = memory_dir();
                for entry in fs::read_dir(self.dir.path()).expect("the folder") {
                    let entry = entry.expect("an entry");
                    fs::copy(entry.path(), dir.path().join(entry.file_name())).expect("a copy");
                }
                self.store = Some(opened(dir.path()));
                self.dir = dir;
                self.takes_stock();
            }
            Deed::Ask { of, what, limit } => self.compare(&question(*of, *what, *limit)),
        }
    }

    fn writes(&mut self, ops: Vec<Op>) {
        let batch = Arc::new(Batch::from(ops));
        self.write(&batch);
        self.last = Some(batch);
    }

    fn write(&mut self, batch: &Arc<Batch>) {
        let batches = std::slice::from_ref(batch);
        let Some(store) = &mut self.store else { return };
        let (wanted, got) = (self.model.write(batches), store.writer.write(batches));
        assert_eq!(format!("{got:?}"), format!("{wanted:?}"), "{batch:?}");
    }

    fn compare(&mut self, query: &Query) {
        let Some(store) = &mut self.store else { return };
        let (wanted, got) = (self.model.read(query), store.readers[0].read(query));
        assert_eq!(format!("{got:?}"), format!("{wanted:?}"), "{query:?}");
    }

    /// Everything there is.
    fn takes_stock(&mut self) {
        let all = [
            OutboxQuery::List { status: None, limit: u32::MAX },
            OutboxQuery::Lanes,
            OutboxQuery::Load,
            OutboxQuery::Sessions,
        ];
        for query in all {
            self.compare(&Query::Daemon(DaemonQuery::Outbox(query)));
        }
        let shelf = InboxQuery::List { sifting: Sifting::all(Reader::Host), limit: u32::MAX };
        self.compare(&Query::Daemon(DaemonQuery::Inbox(shelf)));
    }
}

/// A directory in memory where there is one: this is about meaning, not about the disk.
fn memory_dir() -> TempDir {
    TempDir::new_in("/dev/shm").or_else(|_| TempDir::new()).expect("a folder")
}

fn opened(dir: &Path) -> DaemonStore {
    let store = open_daemon(dir, 1).unwrap_or_else(|error| panic!("the files do not open again: {error}"));
    assert_eq!(store.set_aside, None, "the inbox was damaged");
    store
}

/// One of few names, so that deeds often meet.
fn name(letter: &str, no: u8) -> Box<str> {
    format!("{letter}{}", no % 12).into()
}

fn wall(at: u8) -> Wall {
    Wall::from_millis(at.into())
}

fn key(no: u8) -> PublicKey {
    PublicKey([no % 3; 32])
}

fn lane(no: u8) -> LaneName {
    LaneName { mesh: name("m", no % 2), session: (no & 4 != 0).then(|| key(no)) }
}

fn out(op: &Out) -> OutboxOp {
    match op {
        Out::Enqueue { id, key, lane: no, at, text } => OutboxOp::Enqueue(Box::new(OutRow {
            seq: 0,
            // A row has one key for ever, so its id goes with its key.
            id: format!("r{}-{}", id % 2, key % 12).into(),
            client_message_id: name("k", *key),
            fingerprint: [*id; 32],
            lane: lane(*no),
            target: "*".into(),
            priority: Priority::Next,
            nonce: "n".into(),
            ciphertext: text.as_str().into(),
            reply_to: (id & 8 != 0).then(|| "x".into()),
            payload_bytes: u64::from(*at),
            enqueued_at: wall(*at),
            next_attempt_at: wall(*at),
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
        })),
        Out::Take { id, attempts } => OutboxOp::Take { id: row(*id), attempts: u32::from(attempts % 3) },
        Out::Settle { id, attempts, how, at } => {
            let outcome = match how % 3 {
                0 => {
                    let reach = Reach { recipients: 1, online: u32::from(*how % 2) };
                    Attempt::Done {
                        at: wall(*at),
                        broker_message_id: name("b", *how),
                        reach: (how % 4 > 0).then_some(reach),
                    }
                }
                1 => Attempt::Again {
                    next_attempt_at: wall(*at),
                    error: name("e", *how),
                    refusals: u32::from(*how),
                },
                _ => Attempt::Dead { error: name("e", *how) },
            };
            OutboxOp::Settle { id: row(*id), attempts: u32::from(attempts % 3), outcome }
        }
        Out::Reclaim { but, at } => OutboxOp::Reclaim { next_attempt_at: wall(*at), but: vec![row(*but)] },
        Out::Bury { mesh, before } => {
            OutboxOp::Bury { mesh: name("m", mesh % 2), before: before.map(wall), error: "old".into() }
        }
        Out::BuryLane { lane: no, before } => {
            OutboxOp::BuryLane { lane: lane(*no), before: wall(*before), error: "over".into() }
        }
        Out::Prune { before, limit } => {
            OutboxOp::Forget(Forgetting { before: wall(*before), limit: u32::from(*limit) })
        }
        Out::Requeue { id, new, key, at } => OutboxOp::Requeue(Requeue {
            id: row(*id),
            new_id: format!("r{}-{}", new % 2, key % 12).into(),
            new_client_message_id: name("k", *key),
            at: wall(*at),
            by: "operator".into(),
        }),
        Out::Keep { token, about } => {
            OutboxOp::KeepSession(KeptSession { token: [token % 4; 32], about: about.as_str().into() })
        }
        Out::Forget { token } => OutboxOp::DropSessions(vec![[token % 4; 32], [9; 32]]),
    }
}

/// One of the ids that rows have.
fn row(no: u8) -> Box<str> {
    format!("r{}-{}", no >> 7, no % 12).into()
}

fn reader(no: u8) -> Reader {
    match no % 3 {
        0 => Reader::Host,
        1 => Reader::AllBut { mesh: name("m", no % 2), keys: Vec::new() },
        _ => Reader::AllBut { mesh: name("m", no % 2), keys: vec![key(0), key(1)] },
    }
}

fn received(op: &In) -> InboxOp {
    match op {
        In::Receive { id, key: no, from, mesh, to, at, body } => {
            let (from, mesh, to) = (from % 3, mesh % 2, to % 3);
            InboxOp::Receive(Box::new(InRow {
                seq: 0,
                // What a row is told from others by goes with its id.
                id: format!("i{}-{}-{from}-{mesh}-{to}", id % 2, no % 12).into(),
                client_message_id: name("k", *no),
                broker_message_id: Some(name("b", *id)),
                mesh: name("m", mesh),
                topic: None,
                reply_to: None,
                sender_pubkey: name("s", from),
                sender_member_pubkey: Some(name("s", 9)),
                sender_name: "ann".into(),
                priority: Priority::Low,
                body: body.as_deref().map(Into::into),
                sealed: id % 2 == 0,
                created_at: None,
                received_at: wall(*at),
                seen_at: None,
                recipient: key(to),
                recipient_kind: if to == 0 { RecipientKind::Member } else { RecipientKind::Session },
            }))
        }
        In::See { id, reader: who, at } => {
            let ids = (0..3).map(|to| format!("i{}-{}-0-0-{to}", id % 2, id % 12).into()).collect();
            InboxOp::See { reader: reader(*who), ids, at: wall(*at) }
        }
        In::Remove { id, reader: who, before, mesh, unread } => {
            let mesh = (mesh & 4 != 0).then(|| name("m", mesh % 2));
            let sifting =
                Sifting { mesh, before: before.map(wall), unread: *unread, ..Sifting::all(reader(*who)) };
            let ids = id.map(|id| vec![format!("i{}-{}-0-0-0", id % 2, id % 12).into()]);
            InboxOp::Remove { sifting, ids }
        }
    }
}

fn question(of: u8, what: u8, limit: u8) -> Query {
    let limit = u32::from(limit);
    let outbox = |query| Query::Daemon(DaemonQuery::Outbox(query));
    match of % 6 {
        0 => outbox(OutboxQuery::Key(name("k", what))),
        1 => outbox(OutboxQuery::Row(row(what))),
        2 => outbox(OutboxQuery::Lane { lane: lane(what), after: u64::from(of), limit }),
        3 => {
            let status = OutStatus::ALL.get(usize::from(what % 6)).copied();
            outbox(OutboxQuery::List { status, limit })
        }
        4 => outbox(OutboxQuery::Load),
        _ => {
            let from = (what & 8 != 0).then(|| name("s", what % 3));
            let since = (what & 16 != 0).then(|| wall(of));
            let sifting = Sifting { from, since, unread: what & 32 != 0, ..Sifting::all(reader(what)) };
            Query::Daemon(DaemonQuery::Inbox(InboxQuery::List { sifting, limit }))
        }
    }
}
