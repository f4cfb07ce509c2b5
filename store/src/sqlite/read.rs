//! Reading connections, and what every question asks of the tables.
//!
//! *Always holds:* an answer shows one state of the store, never parts of two: whatever asks more than once
//! does so in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use peermesh_core::ids::{InviteId, MailboxNo, MeshId, MeshNo, Position};
use peermesh_core::store::{
    Alive, Answer, Batch, Driver, Durability, Found, InviteRow, LaneCount, MentionRow, MeshLoad, MeshRow,
    Message, MessageView, PendingRow, Priority, Query, Renamed, StoreError, StoreResult,
};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, Row};

use super::arrivals::{self, Arrival};
use super::prune::mailboxes_of;
use super::trouble::{Distrust, Trouble};
use super::write::{history, roll_back, run};
use super::{check, hooks, live, overdue, roster, runner, settled, sql};
use crate::rows::{self, BadRow};

/// Answers questions.
pub(super) struct Reader {
    conn: Connection,
    distrust: Distrust,
}

impl Reader {
    pub(super) fn new(conn: Connection, distrust: Distrust) -> Reader {
        Reader { conn, distrust }
    }
}

impl Driver for Reader {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let refusal = || StoreError::Unavailable("this connection only reads".to_owned());
        batches.iter().map(|_| Err(refusal())).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        answer(&self.conn, &self.distrust, query)
    }
}

/// Answers one question from one state of the store.
pub(super) fn answer(conn: &Connection, distrust: &Distrust, query: &Query) -> StoreResult {
    distrust.check()?;
    let found = in_one_state(conn, || find(conn, query)).map_err(|trouble| trouble.refusal(conn))?;
    Ok(Answer::Found(Box::new(found)))
}

fn in_one_state(conn: &Connection, find: impl FnOnce() -> Result<Found, Trouble>) -> Result<Found, Trouble> {
    roll_back(conn)?;
    run(conn, sql::BEGIN_READ, ())?;
    let found = find();
    // Nothing was changed. A transaction left open would go on showing this state for ever.
    roll_back(conn)?;
    found
}

fn find(conn: &Connection, query: &Query) -> Result<Found, Trouble> {
    Ok(match query {
        Query::Runner(query) => Found::Runner(runner::find(conn, query)?),
        Query::Live(query) => Found::Live(live::find(conn, query)?),
        Query::Daemon(_) => return Err(BadRow(super::write::NO_DAEMON).into()),
        Query::Ping { .. } => {
            let history = history(conn)?;
            let migrations = peermesh_migrations::sqlite::names().into();
            Found::Alive(Alive { lease_ms: None, durability: Durability::Synced, history, migrations })
        }
        Query::Mesh(id) => Found::Mesh(load(conn, id)?),
        Query::FindMesh(name) => Found::MeshId(find_mesh(conn, name)?),
        Query::Meshes { after, limit } => Found::Meshes(meshes(conn, *after, *limit)?),
        Query::Invite(hash) => Found::Invite(invite(conn, hash)?),
        Query::Pending { mailbox, priority, after, limit } => {
            Found::Pending(lane(conn, *mailbox, *priority, *after, *limit)?)
        }
        Query::Overdue { before, now, after, limit } => {
            Found::Overdue(overdue::overdue(conn, (*before, *now), *after, *limit)?)
        }
        Query::Message(position) => Found::Message(view(conn, *position)?),
        Query::Mentions { member, after, limit } => Found::Mentions(mentions(conn, *member, *after, *limit)?),
        Query::Depth => {
            let depth = conn.prepare_cached(sql::PENDING_DEPTH)?.query_row((), |row| row.get(0))?;
            Found::Depth(rows::count(depth)? + arrivals::waiting(conn, |_| true)?.len() as u64)
        }
        Query::Check { at, limit } => Found::Checked(check::page(conn, *at, *limit)?),
        Query::Hooks { since, limit } => Found::Hooks(hooks::waiting(conn, *since, *limit)?),
    })
}

fn load(conn: &Connection, id: &MeshId) -> Result<Option<MeshLoad>, Trouble> {
    let mut read = conn.prepare_cached(sql::MESH_READ)?;
    let mut found = read.query([id.as_str()])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let mesh = mesh(row)?;
    let members = roster::members(conn, mesh.no)?;
    let former = roster::former(conn, mesh.no)?;
    let mailboxes = roster::mailboxes(conn, mesh.no)?;
    let queued = count_lanes(conn, &mailboxes.iter().map(|mailbox| mailbox.no).collect())?;
    let sessions = mailboxes.into_iter().filter(|mailbox| mailbox.no != mailbox.member).collect();
    let renamed = renamed(conn, mesh.no)?;
    Ok(Some(MeshLoad { mesh, members, former, sessions, queued, renamed }))
}

fn renamed(conn: &Connection, mesh: MeshNo) -> Result<Vec<Renamed>, Trouble> {
    let mut read = conn.prepare_cached(sql::RENAMED)?;
    let mut found = read.query([mesh.0])?;
    let mut renamed = Vec::new();
    while let Some(row) = found.next()? {
        let (position, old) = (rows::position(row.get(0)?)?, rows::position(row.get(1)?)?);
        renamed.push(Renamed { position, old });
    }
    Ok(renamed)
}

fn mesh(row: &Row<'_>) -> Result<MeshRow, Trouble> {
    Ok(MeshRow {
        no: MeshNo(row.get(0)?),
        id: MeshId::new(row.get::<_, String>(1)?),
        slug: row.get(2)?,
        name: row.get(3)?,
        owner_key: roster::key(row, 4)?,
        owner_secret_sealed: row.get(5)?,
        root_key_sealed: row.get(6)?,
        created_at: Wall::from_millis(row.get(7)?),
        members: rows::count(row.get(8)?)?,
    })
}

/// What waits for these mailboxes.
fn count_lanes(conn: &Connection, mailboxes: &BTreeSet<MailboxNo>) -> Result<Vec<LaneCount>, Trouble> {
    let mut lanes = BTreeMap::new();
    let mut read = conn.prepare_cached(sql::PENDING_COUNT)?;
    for mailbox in mailboxes {
        let mut found = read.query([mailbox.0])?;
        while let Some(row) = found.next()? {
            let count = (rows::count(row.get(1)?)?, rows::count(row.get(2)?)?);
            lanes.insert((*mailbox, row.get::<_, i64>(0)?), count);
        }
    }
    for arrival in arrivals::waiting(conn, |arrival| mailboxes.contains(&MailboxNo(arrival.recip)))? {
        let (messages, bytes) = lanes.entry((MailboxNo(arrival.recip), arrival.rank)).or_default();
        *messages += 1;
        *bytes += rows::count(arrival.bytes)?;
    }
    let count = |((mailbox, rank), (messages, bytes))| {
        Ok(LaneCount { mailbox, priority: rows::priority(rank)?, messages, bytes })
    };
    lanes.into_iter().map(count).collect()
}

fn find_mesh(conn: &Connection, name: &str) -> Result<Option<MeshId>, Trouble> {
    for sql in [sql::MESH_HAS_SLUG, sql::MESH_HAS_ID] {
        let mut read = conn.prepare_cached(sql)?;
        if let Some(id) = read.query_row([name], |row| row.get::<_, String>(0)).optional()? {
            return Ok(Some(MeshId::new(id)));
        }
    }
    Ok(None)
}

fn meshes(conn: &Connection, after: Option<MeshNo>, limit: u32) -> Result<Vec<MeshRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::MESH_PAGE)?;
    let mut page = read.query((after.map_or(0, |no| no.0), limit))?;
    let mut meshes = Vec::new();
    while let Some(row) = page.next()? {
        meshes.push(mesh(row)?);
    }
    Ok(meshes)
}

fn invite(conn: &Connection, hash: &[u8; 32]) -> Result<Option<InviteRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::INVITE_READ)?;
    let mut found = read.query([hash])?;
    let Some(row) = found.next()? else { return Ok(None) };
    Ok(Some(InviteRow {
        id: InviteId::new(row.get::<_, String>(0)?),
        mesh: MeshNo(row.get(1)?),
        token_hash: rows::bytes_32(&row.get::<_, Vec<u8>>(2)?)?,
        uses_max: rows::small_count(row.get(3)?)?,
        uses: rows::small_count(row.get(4)?)?,
        role: rows::role(&row.get::<_, String>(5)?)?,
        expires_at: Wall::from_millis(row.get(6)?),
        created_at: Wall::from_millis(row.get(7)?),
        revoked_at: row.get::<_, Option<i64>>(8)?.map(Wall::from_millis),
    }))
}

fn lane(
    conn: &Connection,
    mailbox: MailboxNo,
    priority: Priority,
    after: Position,
    limit: u32,
) -> Result<Vec<PendingRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::LANE_PAGE)?;
    let mut page = read.query((mailbox.0, priority.rank(), rows::position_column(after), limit))?;
    let mut lane = Vec::new();
    while let Some(row) = page.next()? {
        lane.push(PendingRow { tries: rows::small_count(row.get(0)?)?, message: Arc::new(message(row, 1)?) });
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let lane_of =
        |arrival: &Arrival| arrival.recip == mailbox.0 && arrival.rank == i64::from(priority.rank());
    let after = rows::position_column(after);
    // Behind a full page nothing is wanted.
    let last = lane.last().filter(|_| lane.len() >= limit);
    let last = last.map_or(i64::MAX, |row| rows::position_column(row.message.position));
    let wanted = |arrival: &Arrival| lane_of(arrival) && arrival.position > after && arrival.position < last;
    let (mut read, mut left) = (conn.prepare_cached(sql::MESSAGE_READ)?, limit);
    arrivals::each_waiting(conn, wanted, |Arrival { position, .. }| {
        if left == 0 {
            return Ok(false);
        }
        left -= 1;
        let mut found = read.query([position])?;
        let row = found.next()?.ok_or(BadRow("a delivery without its message"))?;
        lane.push(PendingRow { tries: 0, message: Arc::new(message(row, 0)?) });
        Ok(left > 0)
    })?;
    lane.sort_by_key(|row| row.message.position);
    lane.truncate(limit);
    Ok(lane)
}

fn view(conn: &Connection, position: Position) -> Result<Option<MessageView>, Trouble> {
    let column = rows::position_column(position);
    let mut read = conn.prepare_cached(sql::MESSAGE_READ)?;
    let mut found = read.query([column])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let message = message(row, 0)?;
    let mut pending = Vec::new();
    let mut tries = conn.prepare_cached(sql::PENDING_READ)?;
    let mailboxes = mailboxes_of(row.get(6)?, row.get(13)?)?;
    for mailbox in &mailboxes {
        let mailbox = *mailbox;
        let waits = tries.query_row((mailbox.0, message.priority.rank(), column), |row| row.get(0));
        if let Some(tries) = waits.optional()? {
            pending.push((mailbox, rows::small_count(tries)?));
        }
    }
    let ended = settled::of_message(conn, column)?.into_iter().map(|end| {
        Ok((MailboxNo(end.mailbox), Wall::from_millis(end.at), rows::outcome(end.outcome.into())?))
    });
    let settled: Vec<_> = ended.collect::<Result<_, BadRow>>()?;
    // Mostly the tables know all of them.
    if pending.len() + settled.len() < mailboxes.len() {
        let arrived = arrivals::waiting(conn, |arrival| arrival.position == column)?;
        pending.extend(arrived.into_iter().map(|arrival| (MailboxNo(arrival.recip), 0)));
        pending.sort_unstable();
    }
    Ok(Some(MessageView { message: Arc::new(message), pending, settled }))
}

fn mentions(
    conn: &Connection,
    member: MailboxNo,
    after: Position,
    limit: u32,
) -> Result<Vec<MentionRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::MENTION_PAGE)?;
    let mut page = read.query((member.0, rows::position_column(after), limit))?;
    let mut mentions = Vec::new();
    while let Some(row) = page.next()? {
        let position: Option<i64> = row.get(0)?;
        mentions.push(MentionRow {
            position: rows::position(position.ok_or(BadRow("a mention without its message"))?)?,
            at: Wall::from_millis(row.get(1)?),
            mesh: MeshNo(row.get(2)?),
            sender: MailboxNo(row.get(3)?),
            session: MailboxNo(row.get(4)?),
            priority: rows::priority(row.get(5)?)?,
            target: rows::target(row.get(6)?, row.get(7)?)?,
        });
    }
    Ok(mentions)
}

/// The message whose columns begin at `first`.
pub(super) fn message(row: &Row<'_>, first: usize) -> Result<Message, Trouble> {
    let position: Option<i64> = row.get(first)?;
    let position = position.ok_or(BadRow("a delivery without its message"))?;
    Ok(Message {
        position: rows::position(position)?,
        at: Wall::from_millis(row.get(first + 1)?),
        mesh: MeshNo(row.get(first + 2)?),
        sender: MailboxNo(row.get(first + 3)?),
        session: MailboxNo(row.get(first + 4)?),
        priority: rows::priority(row.get(first + 5)?)?,
        target: rows::target(row.get(first + 6)?, row.get(first + 7)?)?,
        client_message_id: row.get(first + 8)?,
        request_fingerprint: row.get(first + 9)?,
        reply_to: row.get(first + 10)?,
        nonce: row.get(first + 11)?,
        ciphertext: row.get(first + 12)?,
    })
}
