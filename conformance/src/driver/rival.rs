//! A model store that another broker shares, and what a story lets that one do.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use peermesh_core::ids::{HookId, MeshId, PresenceId};
use peermesh_core::store::model::Model;
use peermesh_core::store::{
    Alive, Answer, Batch, Claimant, Driver, Durability, HookRow, Op, Query, Reply, StoreResult,
};
use peermesh_core::time::Wall;

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
    hooks: u32,
}

impl Default for Sides {
    fn default() -> Sides {
        Sides { ours: 1, rival: None, hooks: 0 }
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

    /// The other broker does something, or the store says something else of itself.
    ///
    /// # Errors
    /// When it cannot.
    pub fn perform(&self, sides: &mut Sides, sharing: &Sharing, now: Wall) -> Told<()> {
        let mut model = self.model();
        let rival = *sides.rival.get_or_insert_with(|| model.join());
        match sharing {
            Sharing::Says { lease_ms, durability } => {
                let mut alive = Alive {
                    lease_ms: *lease_ms,
                    durability: Durability::Synced,
                    migrations: Arc::new(["V0001__mesh".to_owned()]),
                };
                if durability.as_deref() == Some(Durability::Relaxed.word()) {
                    alive.durability = Durability::Relaxed;
                }
                model.says(alive);
                return Ok(());
            }
            Sharing::Dies => {
                model.leave(rival);
                sides.rival = None;
                return Ok(());
            }
            Sharing::Robs(_) => model.leave(sides.ours),
            Sharing::Takes(_) | Sharing::Keeps { .. } | Sharing::Applies { .. } => {}
        }
        let op = match sharing {
            Sharing::Takes(mesh) | Sharing::Robs(mesh) => {
                Op::Claim { mesh: MeshId::new(mesh.as_str()), by: Claimant::Broker, at: now }
            }
            Sharing::Keeps { pid, cwd, status } => {
                sides.hooks += 1;
                let id = HookId::new(format!("rival-{}", sides.hooks));
                let row = HookRow { id, pid: *pid, cwd: cwd.clone(), status: *status, at: now };
                Op::KeepHook { hook: Box::new(row), stale_before: Wall::from_millis(0) }
            }
            Sharing::Applies { nth } => {
                let hook = HookId::new(format!("rival-{nth}"));
                Op::ApplyHook { hook, presence: PresenceId::new("one of the rival's"), at: now }
            }
            Sharing::Says { .. } | Sharing::Dies => return Ok(()),
        };
        model.act_as(rival);
        let reply = model.write(&[Arc::new(Batch::from(vec![op]))]).pop();
        model.act_as(sides.ours);
        match reply {
            Some(Ok(Answer::Replies(replies)))
                if matches!(replies.first(), Some(Reply::Owned { .. } | Reply::Done)) =>
            {
                Ok(())
            }
            other => Err(Said(format!("the other broker cannot: {other:?}"))),
        }
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
