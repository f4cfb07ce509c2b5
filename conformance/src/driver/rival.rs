//! A model store that another broker shares, and what a story lets that one do.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use data_encoding::BASE64;
use peermesh_core::ids::{HistoryEpoch, HookId, MeshId, Position, PresenceId, RunnerId, TopicId};
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Accept, Alive, Answer, Batch, Claimant, Driver, Durability, FedRow, History, HookRow, LiveOp, LiveReply,
    Message, Op, Query, Reply, RunnerOp, RunnerReply, StoreResult,
};
use peermesh_core::time::Wall;

use crate::driver::Fed;
use crate::story::act::Sharing;
use crate::story::{Said, Told};

/// The model, as our broker and another one see it. A clone is the same store.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Model>>);

/// Who is who in a shared store.
#[derive(Clone, Copy, Debug)]
pub struct Sides {
    /// Our broker's number in this life.
    ours: u64,
    /// The other one's, once it has done something.
    rival: Option<u64>,
    /// The next position it gives out.
    free: Position,
    hooks: u32,
    /// Rows that were written into the feed.
    fed: u64,
}

impl Default for Sides {
    fn default() -> Sides {
        Sides { ours: 1, rival: None, free: Position::ZERO, hooks: 0, fed: 0 }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Shared {
    /// A store of its own for one broker, to begin with.
    pub fn new() -> Shared {
        Shared(Arc::new(Mutex::new(Model::new([9; 32]))))
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Our broker died and is started again.
    pub fn restart(&self, sides: &mut Sides) {
        let mut model = self.model();
        model.leave(sides.ours);
        sides.ours = model.join();
        model.act_as(sides.ours);
    }

    /// The store as it is.
    pub fn snapshot(&self) -> Model {
        self.model().clone()
    }

    /// Puts a copy into the store's place, and adopts it. No broker lives meanwhile.
    ///
    /// # Errors
    /// When it cannot be adopted.
    pub fn restore(&self, sides: &mut Sides, copy: Model, epoch: HistoryEpoch, at: Wall) -> Told<()> {
        let mut model = self.model();
        *model = copy;
        sides.rival = None;
        model.adopt(epoch, at).map(drop).ok_or_else(|| Said("the store cannot be adopted".to_owned()))
    }

    /// Another program writes something into the feed.
    pub fn feed(&self, sides: &mut Sides, row: Fed) {
        sides.fed += 1;
        let Fed { topic, key, version, data } = row;
        self.model().feed(FedRow {
            id: sides.fed,
            topic: TopicId::new(topic),
            key: key.map(Into::into),
            version,
            text: data.to_string().into(),
        });
    }

    /// The other broker does something, or the store says something else of itself.
    ///
    /// # Errors
    /// When it cannot.
    pub fn perform(&self, sides: &mut Sides, sharing: &Sharing, now: Wall) -> Told<()> {
        let mut model = self.model();
        let rival = *sides.rival.get_or_insert_with(|| model.join());
        let ops = match sharing {
            Sharing::Says { lease_ms, durability } => {
                let alive = alive(model.history(), *lease_ms, durability.as_deref());
                model.says(alive);
                return Ok(());
            }
            Sharing::Mislays => {
                let last = model.accepted().last().ok_or("nobody has accepted anything")?;
                let position = last.0.position;
                model.lose(position);
                return Ok(());
            }
            Sharing::MislaysPublication(topic) => {
                let lost = model.lose_publication(&TopicId::new(topic.as_str()));
                return if lost { Ok(()) } else { Err("nothing of it is kept".into()) };
            }
            Sharing::Dies => {
                model.leave(rival);
                sides.rival = None;
                return Ok(());
            }
            Sharing::Takes(mesh) => take(mesh, now),
            Sharing::Robs(mesh) => {
                model.leave(sides.ours);
                take(mesh, now)
            }
            Sharing::TakesRunner(id) => take_runner(id),
            Sharing::RobsRunner(id) => {
                model.leave(sides.ours);
                take_runner(id)
            }
            Sharing::RobsTopic(name) => {
                model.leave(sides.ours);
                let (topic, stream) = (TopicId::new(name.as_str()), "rival".into());
                vec![Op::Live(LiveOp::Claim { topic, stream, at: now })]
            }
            Sharing::Repeats { text, id } => {
                let last = model.accepted().last().ok_or("nobody has accepted anything")?;
                let message = Message {
                    position: sides.free,
                    ciphertext: BASE64.encode(text.as_bytes()).into(),
                    client_message_id: Some(id.as_str().into()),
                    at: now,
                    ..Message::clone(last.0)
                };
                sides.free.0 += 1;
                vec![Op::Accept(Accept {
                    message: Arc::new(message),
                    mailboxes: last.1.into(),
                    mentions: Arc::default(),
                    old: None,
                    receipt: None,
                })]
            }
            Sharing::Keeps { pid, cwd, status } => {
                sides.hooks += 1;
                let id = HookId::new(format!("rival-{}", sides.hooks));
                let row = HookRow { id, pid: *pid, cwd: cwd.clone(), status: *status, at: now };
                vec![Op::KeepHook { hook: Box::new(row), stale_before: Wall::from_millis(0) }]
            }
            Sharing::Applies { nth } => {
                let hook = HookId::new(format!("rival-{nth}"));
                vec![Op::ApplyHook { hook, presence: PresenceId::new("one of the rival's"), at: now }]
            }
        };
        model.act_as(rival);
        let reply = model.write(&[Arc::new(Batch::from(ops))]).pop();
        model.act_as(sides.ours);
        match reply {
            Some(Ok(Answer::Replies(replies))) => judge(sides, &replies),
            other => Err(Said(format!("the other broker cannot: {other:?}"))),
        }
    }
}

/// What a broker writes when somebody needs a mesh: the claim, and the positions it will give out.
fn take(mesh: &str, at: Wall) -> Vec<Op> {
    vec![Op::Claim { mesh: MeshId::new(mesh), by: Claimant::Broker, at }, Op::LeasePositions { count: 1_000 }]
}

fn take_runner(id: &str) -> Vec<Op> {
    vec![Op::Runner(RunnerOp::Claim { runner: RunnerId::new(id) })]
}

fn judge(sides: &mut Sides, replies: &[Reply]) -> Told<()> {
    for reply in replies {
        match reply {
            Reply::Owned { .. } | Reply::Done | Reply::Inserted => {}
            Reply::Runner(RunnerReply::Owned(_)) | Reply::Live(LiveReply::Owned(_)) => {}
            Reply::Positions { first, .. } => sides.free = *first,
            other => return Err(Said(format!("the other broker cannot: {other:?}"))),
        }
    }
    Ok(())
}

fn alive(history: History, lease_ms: Option<u64>, durability: Option<&str>) -> Alive {
    let relaxed = durability == Some(Durability::Relaxed.word());
    Alive {
        lease_ms,
        durability: if relaxed { Durability::Relaxed } else { Durability::Synced },
        history,
        migrations: Arc::new(["V0001__mesh".to_owned()]),
    }
}

impl Default for Shared {
    fn default() -> Shared {
        Shared::new()
    }
}

impl Driver for Shared {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        self.model().write(batches)
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        self.model().read(query)
    }
}
