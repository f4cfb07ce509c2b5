//! The connections that lanes borrow.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use peermesh_core::store::{Durability, StoreError};
use r2d2::{ManageConnection, PooledConnection};

use super::fitness::{Fitness, examine};
use super::gate::Gate;
use super::link::{Connector, Link};
use super::options::Options;
use super::trouble::Trouble;

/// Makes connections as they are asked for, never more than it may, and lends them.
#[derive(Clone)]
pub(super) struct Pool {
    pool: r2d2::Pool<Manager>,
    gate: Gate,
    last: LastTrouble,
    /// How long an answer may take.
    pub(super) answer: Duration,
}

/// Why the last attempt to connect failed, if it did.
type LastTrouble = Arc<Mutex<Option<StoreError>>>;

impl Pool {
    pub(super) fn new(options: &Options, gate: &Gate) -> Pool {
        let last = LastTrouble::default();
        let manager = Manager {
            connector: Connector::new(options),
            gate: gate.clone(),
            last: Arc::clone(&last),
            answer: Duration::from_millis(options.waits.answer_ms),
            allow_relaxed: options.allow_relaxed,
        };
        let size = options.writers() + options.readers();
        let pool = r2d2::Pool::builder()
            .max_size(u32::try_from(size).unwrap_or(u32::MAX))
            .min_idle(Some(0))
            .test_on_check_out(false)
            .idle_timeout(None)
            .max_lifetime(None)
            .error_handler(Box::new(r2d2::NopErrorHandler))
            .connection_timeout(Duration::from_millis(options.waits.pool_ms))
            .build_unchecked(manager);
        let answer = Duration::from_millis(options.waits.answer_ms);
        Pool { pool, gate: gate.clone(), last, answer }
    }

    /// How many connections there are at most.
    pub(super) fn size(&self) -> u32 {
        self.pool.max_size()
    }

    /// A connection that was made after the last loss of the database.
    pub(super) fn lend(&self) -> Result<PooledConnection<Manager>, StoreError> {
        loop {
            let mut borrowed = self.pool.get().map_err(|_| {
                let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).clone();
                last.unwrap_or_else(|| StoreError::Busy("no connection was free in time".to_owned()))
            })?;
            if borrowed.generation == self.gate.generation() {
                return Ok(borrowed);
            }
            // Returned to the pool, it is thrown away.
            borrowed.is_stale = true;
        }
    }
}

/// A connection, and how many losses of the database it has not seen.
pub(super) struct Pooled {
    /// The connection.
    pub(super) link: Link,
    generation: u64,
    is_stale: bool,
}

/// Makes the pool's connections.
pub(super) struct Manager {
    connector: Connector,
    gate: Gate,
    last: LastTrouble,
    answer: Duration,
    allow_relaxed: bool,
}

/// The reason is kept where lanes find it; the pool needs none.
#[derive(Debug, thiserror::Error)]
#[error("no connection")]
pub(super) struct NotConnected;

impl Manager {
    fn open(&self) -> Result<Pooled, StoreError> {
        let generation = self.gate.generation();
        let refused = |trouble: Trouble| match trouble.refusal() {
            StoreError::Corrupt(text) => StoreError::Unavailable(text),
            error => error,
        };
        let mut link = self.connector.connect().map_err(refused)?;
        // Another server may answer than the one that was judged when the gate was opened.
        match examine(&mut link, self.answer, self.allow_relaxed).map_err(refused)? {
            Fitness::Fit(Durability::Synced | Durability::Relaxed) => {}
            Fitness::ReadOnly => {
                return Err(StoreError::Unavailable("the server does not take writes".to_owned()));
            }
            Fitness::Unfit(why) => return Err(StoreError::Unavailable(why)),
        }
        Ok(Pooled { link, generation, is_stale: false })
    }
}

impl ManageConnection for Manager {
    type Connection = Pooled;
    type Error = NotConnected;

    fn connect(&self) -> Result<Pooled, NotConnected> {
        let opened = self.open();
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = opened.as_ref().err().cloned();
        opened.map_err(|_| NotConnected)
    }

    fn is_valid(&self, pooled: &mut Pooled) -> Result<(), NotConnected> {
        if self.has_broken(pooled) { Err(NotConnected) } else { Ok(()) }
    }

    fn has_broken(&self, pooled: &mut Pooled) -> bool {
        pooled.is_stale || pooled.link.is_spoiled()
    }
}
