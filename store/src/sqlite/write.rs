//! The one writing connection: batches in, one transaction and one sync out.
//!
//! *Always holds:* a batch is written as a whole or not at all. No operation can break a constraint of the
//! schema (every insert says what happens when its key exists), so one bad message cannot take its neighbours
//! down.

use std::fs::File;
use std::sync::Arc;

use peermesh_core::store::{Answer, Batch, Driver, History, Op, Query, Reply, StoreError, StoreResult};
use peermesh_core::time::Wall;
use rusqlite::{Connection, Params};

use super::arrivals::Arrivals;
use super::checkpoint::Checkpoints;
use super::hooks;
use super::keys::Keys;
use super::mail::Mail;
use super::people;
use super::prune::{self, Old};
use super::read;
use super::receipts;
use super::rotate;
use super::scope;
use super::sql;
use super::trouble::{Distrust, Trouble};
use super::{live, runner};
use crate::rows::{self, BadRow, DedupeKeys, Name};

/// Why a broker's store does not serve a daemon.
pub(super) const NO_DAEMON: &str = "a broker's store keeps nothing of a daemon";

/// Writes, and answers questions when asked to.
pub(super) struct Writer {
    /// Where the log is kept short beside the commits. Declared first, for its thread ends first.
    checkpoints: Option<Checkpoints>,
    // Declared before the lock, so that the file is closed while the lock is still held.
    conn: Connection,
    keys: Keys,
    arrivals: Arrivals,
    life: i64,
    distrust: Distrust,
    _lock: File,
}

impl Driver for Writer {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        match self.commit(batches) {
            Ok(replies) => replies.into_iter().map(|replies| Ok(Answer::Replies(replies))).collect(),
            Err(Failed { may_be_one_batch: true, .. }) if batches.len() > 1 => {
                batches.iter().map(|batch| self.commit_alone(batch)).collect()
            }
            Err(Failed { error, .. }) => batches.iter().map(|_| Err(error.clone())).collect(),
        }
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        read::answer(&self.conn, &self.distrust, query)
    }

    fn rest(&mut self) -> bool {
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.go_on(&self.conn, &self.distrust);
        }
        self.keys.rest(&self.conn).unwrap_or_else(|trouble| {
            self.distrust.note(&trouble);
            false
        })
    }
}

/// Why a transaction was not committed.
struct Failed {
    error: StoreError,
    /// The same batches, each in a transaction of its own, may fare better.
    may_be_one_batch: bool,
}

impl Writer {
    pub(super) fn new(
        conn: Connection,
        lock: File,
        distrust: Distrust,
        secret: &[u8; 32],
        life: i64,
    ) -> Writer {
        let keys = Keys::new(DedupeKeys::new(secret));
        let arrivals = Arrivals::new();
        Writer { checkpoints: None, conn, keys, arrivals, life, distrust, _lock: lock }
    }

    /// Has the log kept short beside the commits from here on, over a connection of its own. Where that
    /// cannot be, commits go on doing so.
    pub(super) fn checkpoint_beside(&mut self, copier: Connection) {
        self.checkpoints = Checkpoints::start(&mut self.conn, copier, &self.distrust).ok();
    }

    /// The connection, for tests that play with the file.
    #[cfg(test)]
    pub(super) fn conn(&self) -> &Connection {
        &self.conn
    }

    /// The connection, for whoever has the store to himself.
    pub(super) fn conn_mut(&mut self) -> &mut Connection {
        &mut self.conn
    }

    /// The copying of the log, for tests that want it early.
    #[cfg(test)]
    pub(super) fn checkpoints(&mut self) -> &mut Checkpoints {
        self.checkpoints.as_mut().unwrap()
    }

    /// What is known of client message ids, for tests that want collisions, or keys that go down early.
    #[cfg(test)]
    pub(super) fn keys(&mut self) -> &mut Keys {
        &mut self.keys
    }

    /// What is known of deliveries that came lately, for tests that want them to go down early.
    #[cfg(test)]
    pub(super) fn arrivals(&mut self) -> &mut Arrivals {
        &mut self.arrivals
    }

    /// Writes one batch in a transaction of its own, after the one it shared with others failed.
    fn commit_alone(&mut self, batch: &Arc<Batch>) -> StoreResult {
        let mut replies = self.commit(std::slice::from_ref(batch)).map_err(|failed| failed.error)?;
        Ok(Answer::Replies(replies.pop().unwrap_or_default()))
    }

    /// Writes all batches in one transaction.
    fn commit(&mut self, batches: &[Arc<Batch>]) -> Result<Vec<Vec<Reply>>, Failed> {
        let written = self.write_all(batches);
        if written.is_err() {
            self.keys.fresh.doubt();
            self.arrivals.doubt();
        }
        written
    }

    fn write_all(&mut self, batches: &[Arc<Batch>]) -> Result<Vec<Vec<Reply>>, Failed> {
        self.distrust.check().map_err(|error| Failed { error, may_be_one_batch: false })?;
        self.abandon();
        run(&self.conn, sql::BEGIN, ()).map_err(|trouble| self.refused(&trouble, false))?;
        let replies = self.perform_all(batches).map_err(|trouble| {
            self.abandon();
            self.refused(&trouble, true)
        })?;
        run(&self.conn, sql::COMMIT, ()).map_err(|trouble| {
            self.distrust.note(&trouble);
            let error = trouble.failed_commit(&self.conn, !self.conn.is_autocommit());
            self.abandon();
            Failed { may_be_one_batch: error == StoreError::Full, error }
        })?;
        Ok(replies)
    }

    fn refused(&self, trouble: &Trouble, may_be_one_batch: bool) -> Failed {
        self.distrust.note(trouble);
        Failed { error: trouble.refusal(&self.conn), may_be_one_batch }
    }

    /// Ends what is left of a transaction that failed. When even that does not work it stays open, nothing of
    /// it is written, and the next call tries again.
    fn abandon(&self) {
        if let Err(trouble) = roll_back(&self.conn) {
            self.distrust.note(&trouble);
        }
    }

    fn perform_all(&mut self, batches: &[Arc<Batch>]) -> Result<Vec<Vec<Reply>>, Trouble> {
        self.keys.fresh.begin(&self.conn)?;
        self.arrivals.begin(&self.conn)?;
        let replies = batches.iter().map(|batch| self.perform(batch)).collect::<Result<Vec<_>, _>>()?;
        self.keys.fresh.end(&self.conn)?;
        self.arrivals.end(&self.conn)?;
        Ok(replies)
    }

    /// Performs the operations of one batch. The outcome is that of performing them in order; rows of
    /// messages and deliveries are gathered first, to be written in the order of their keys.
    fn perform(&mut self, batch: &Batch) -> Result<Vec<Reply>, Trouble> {
        let conn = &self.conn;
        let mut mail = Mail::new(conn, &mut self.keys, &mut self.arrivals);
        let (mut asked, mut ours) = (Vec::new(), runner::Ours::default());
        let mut replies = vec![Reply::Done; batch.ops.len()];
        for (at, op) in batch.ops.iter().enumerate() {
            match op {
                Op::Runner(op) => replies[at] = Reply::Runner(runner::write(conn, self.life, &mut ours, op)?),
                Op::Live(op) => replies[at] = Reply::Live(live::write(conn, self.life, op)?),
                Op::Daemon(_) => return Err(BadRow(NO_DAEMON).into()),
                Op::Accept(accept) => {
                    asked.extend(accept.receipt.is_some().then_some((at, accept)));
                    mail.accept(at, accept, &mut replies)?;
                }
                Op::KeepSigner(signer) => replies[at] = receipts::keep_signer(conn, signer)?,
                Op::Find { mesh, sender, client_message_id: id } => {
                    mail.find(at, Name { mesh: *mesh, sender: *sender, id });
                }
                Op::Settle(settled) => mail.settle(settled),
                Op::Tried { position, mailbox, priority, tries } => {
                    mail.tried(*position, *mailbox, *priority, *tries);
                }
                &Op::Prune { messages_before, keys_before, proofs_before, now, limit } => {
                    let (keys, arrivals) = mail.written(&mut replies)?;
                    let old = Old { messages_before, keys_before, proofs_before, now, limit };
                    replies[at] = prune::prune(conn, keys, arrivals, old)?;
                }
                Op::LeasePositions { count } => replies[at] = lease(conn, *count)?,
                Op::Claim { mesh, by, at: now } => {
                    replies[at] = scope::claim(conn, self.life, mesh, *by, *now)?;
                }
                Op::Release(scopes) => scope::release(conn, self.life, scopes)?,
                Op::CreateMesh(mesh) => replies[at] = people::create_mesh(conn, mesh)?,
                Op::CreateInvite(invite) => replies[at] = people::create_invite(conn, invite)?,
                Op::Enrol(enrol) => replies[at] = people::enrol(conn, enrol)?,
                Op::SetRevoked { member, at: when } => people::set_revoked(conn, *member, *when)?,
                Op::Rotate(rotation) => replies[at] = rotate::rotate(conn, rotation)?,
                Op::Hello(hello) => replies[at] = people::hello(conn, hello)?,
                Op::Prove { proof, by, until } => {
                    replies[at] = people::prove(conn, proof, *by, *until)?;
                }
                Op::KeepHook { hook, stale_before } => hooks::keep(conn, hook, *stale_before)?,
                Op::ApplyHook { hook, presence, .. } => replies[at] = hooks::apply(conn, hook, presence)?,
                Op::EndPresences { ids, at: when } => people::end_presences(conn, ids, *when)?,
                Op::SavePeer { member, state } => people::save_peer(conn, *member, state)?,
            }
        }
        mail.write(&mut replies)?;
        receipts::enter(conn, &asked, &mut replies)?;
        Ok(replies)
    }
}

/// The store's next free position and its secret.
pub(super) fn store_row(conn: &Connection) -> Result<(i64, [u8; 32]), Trouble> {
    let mut read = conn.prepare_cached(sql::STORE_READ)?;
    let (next, secret): (i64, Vec<u8>) = read.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((next, rows::bytes_32(&secret)?))
}

/// Which history the store tells.
pub(super) fn history(conn: &Connection) -> Result<History, Trouble> {
    let mut read = conn.prepare_cached(sql::HISTORY_READ)?;
    let (epoch, since, floor): (Vec<u8>, i64, i64) =
        read.query_row((), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    let (epoch, since) = (rows::history_epoch(&epoch)?, Wall::from_millis(since));
    Ok(History { epoch, since, floor: rows::position(floor)? })
}

/// Ends a transaction that is still open.
pub(super) fn roll_back(conn: &Connection) -> Result<(), Trouble> {
    if !conn.is_autocommit() {
        run(conn, sql::ROLLBACK, ())?;
    }
    Ok(())
}

/// Runs a statement for its effect and tells how many rows it changed.
pub(super) fn run(conn: &Connection, sql: &str, params: impl Params) -> Result<usize, Trouble> {
    Ok(conn.prepare_cached(sql)?.execute(params)?)
}

fn lease(conn: &Connection, count: u64) -> Result<Reply, Trouble> {
    let (first, secret) = store_row(conn)?;
    let next = first.checked_add(rows::count_column(count)).ok_or(BadRow("no positions are left"))?;
    run(conn, sql::STORE_NEXT, [next])?;
    run(conn, sql::BLOCK_INSERT, [first])?;
    Ok(Reply::Positions { first: rows::position(first)?, count, secret })
}
