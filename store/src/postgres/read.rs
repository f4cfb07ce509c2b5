//! Reading lanes, and what every question asks of the tables.
//!
//! *Always holds:* an answer shows one state of the store, never parts of two: whatever asks more than once
//! does so in one transaction that sees one snapshot.

use std::sync::Arc;
use std::time::Duration;

use peermesh_core::ids::{HookId, InviteId, MailboxNo, MeshId, MeshNo, Position};
use peermesh_core::store::{
    Answer, Batch, Cursor, Driver, Found, HookRow, InviteRow, LaneCount, MentionRow, MeshLoad, Message,
    MessageView, OverdueRow, PendingRow, Priority, Query, Renamed, StoreError, StoreResult,
};
use peermesh_core::time::Wall;
use postgres::Row;
use postgres::types::{FromSql, ToSql};

use super::gate::Gate;
use super::link::Link;
use super::pool::Pool;
use super::rare::{unhex, without_nul};
use super::trouble::Trouble;
use super::{check, people, sql};
use crate::rows::{self, BadRow};

/// Answers questions.
pub(super) struct Reader {
    pool: Pool,
    gate: Gate,
}

impl Reader {
    pub(super) fn new(pool: Pool, gate: Gate) -> Reader {
        Reader { pool, gate }
    }
}

impl Driver for Reader {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        let refusal = || StoreError::Unavailable("this connection only reads".to_owned());
        batches.iter().map(|_| Err(refusal())).collect()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        answer(&self.pool, &self.gate, query)
    }
}

/// Answers one question from one state of the store. One that finds its connection gone is asked again on
/// another, as often as there are connections: all that rested may have ended long ago.
pub(super) fn answer(pool: &Pool, gate: &Gate, query: &Query) -> StoreResult {
    gate.pass()?;
    let mut tries = 0;
    loop {
        let mut pooled = pool.lend()?;
        let mut desk = Desk { link: &mut pooled.link, limit: pool.answer };
        match desk.find(query) {
            Ok(found) => return Ok(Answer::Found(Box::new(found))),
            Err(trouble) if tries < pool.size() && trouble.is_of_connection() && !trouble.is_silence() => {
                tries += 1;
            }
            Err(trouble) => return Err(trouble.refusal()),
        }
    }
}

/// Where questions are answered.
pub(super) struct Desk<'a> {
    link: &'a mut Link,
    limit: Duration,
}

impl Desk<'_> {
    fn find(&mut self, query: &Query) -> Result<Found, Trouble> {
        Ok(match query {
            Query::Runner(query) => Found::Runner(self.in_one_state(|desk| desk.find_runner(query))?),
            Query::Live(query) => Found::Live(self.in_one_state(|desk| desk.find_live(query))?),
            Query::Daemon(_) => return Err(BadRow("a broker's store keeps nothing of a daemon").into()),
            // Pings have a connection of their own.
            Query::Ping { .. } => return Err(BadRow("a ping on a connection of the pool").into()),
            Query::Mesh(id) => Found::Mesh(self.in_one_state(|desk| desk.load(id))?),
            Query::FindMesh(name) => Found::MeshId(self.find_mesh(name)?),
            Query::Meshes { after, limit } => Found::Meshes(self.meshes(*after, *limit)?),
            Query::Invite(hash) => Found::Invite(self.invite(hash)?),
            Query::Pending { mailbox, priority, after, limit } => {
                Found::Pending(self.lane(*mailbox, *priority, *after, *limit)?)
            }
            Query::Overdue { before, now, after, limit } => {
                Found::Overdue(self.overdue((*before, *now), *after, *limit)?)
            }
            Query::Message(position) => Found::Message(self.in_one_state(|desk| desk.view(*position))?),
            Query::Mentions { member, after, limit } => {
                Found::Mentions(self.mentions(*member, *after, *limit)?)
            }
            Query::Depth => {
                let depth = self.ask(sql::DEPTH, &[])?;
                let depth = depth.first().ok_or(BadRow("no count"))?;
                Found::Depth(rows::count(column(depth, 0)?)?)
            }
            Query::Check { at, limit } => Found::Checked(check::page(self, *at, *limit)?),
            Query::Hooks { since, limit } => Found::Hooks(self.hooks(*since, *limit)?),
        })
    }

    pub(super) fn ask(
        &mut self,
        sql: &'static str,
        params: &[&(dyn ToSql + Sync)],
    ) -> Result<Vec<Row>, Trouble> {
        self.link.query(self.limit, sql, params)
    }

    fn in_one_state<T>(&mut self, find: impl FnOnce(&mut Self) -> Result<T, Trouble>) -> Result<T, Trouble> {
        self.link.run(self.limit, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?;
        let found = find(self);
        // Nothing was changed; a connection that is gone has ended its transaction by itself.
        if !self.link.is_spoiled() {
            self.link.run(self.limit, "ROLLBACK")?;
        }
        found
    }

    fn load(&mut self, id: &MeshId) -> Result<Option<MeshLoad>, Trouble> {
        let Some(row) = self.link.query_opt(self.limit, sql::MESH_READ, &[&without_nul(id.as_str())])? else {
            return Ok(None);
        };
        let mesh = people::mesh(&row)?;
        let members = self.ask(sql::MEMBERS, &[&mesh.id.as_str()])?;
        let members = members.iter().map(people::member).collect::<Result<_, _>>()?;
        let former = self.ask(sql::FORMER, &[&mesh.no.0])?;
        let former = former.iter().map(people::former).collect::<Result<_, _>>()?;
        let mailboxes = self.ask(sql::MAILBOXES, &[&mesh.no.0])?;
        let mailboxes: Vec<_> = mailboxes.iter().map(people::mailbox).collect::<Result<_, _>>()?;
        let sessions = mailboxes.into_iter().filter(|mailbox| mailbox.no != mailbox.member).collect();
        let queued = self.ask(sql::LANES, &[&mesh.no.0])?;
        let queued = queued.iter().map(lane_count).collect::<Result<_, _>>()?;
        let renamed = self.ask(sql::RENAMED, &[&mesh.no.0])?;
        let renamed = renamed.iter().map(renamed_row).collect::<Result<_, _>>()?;
        Ok(Some(MeshLoad { mesh, members, former, sessions, queued, renamed }))
    }

    fn find_mesh(&mut self, name: &str) -> Result<Option<MeshId>, Trouble> {
        let found = self.ask(sql::MESH_FIND, &[&without_nul(name)])?;
        let id: Option<String> = found.first().map(|row| column(row, 0)).transpose()?.flatten();
        Ok(id.map(MeshId::new))
    }

    fn meshes(
        &mut self,
        after: Option<MeshNo>,
        limit: u32,
    ) -> Result<Vec<peermesh_core::store::MeshRow>, Trouble> {
        let page = self.ask(sql::MESH_PAGE, &[&after.map_or(0, |no| no.0), &i64::from(limit)])?;
        page.iter().map(people::mesh).collect()
    }

    fn invite(&mut self, hash: &[u8; 32]) -> Result<Option<InviteRow>, Trouble> {
        let token = data_encoding::HEXLOWER.encode(hash);
        let found = self.ask(sql::INVITE_READ, &[&token])?;
        found.first().map(invite).transpose()
    }

    fn lane(
        &mut self,
        mailbox: MailboxNo,
        priority: Priority,
        after: Position,
        limit: u32,
    ) -> Result<Vec<PendingRow>, Trouble> {
        let place = (rank(priority), rows::position_column(after), i64::from(limit));
        let page = self.ask(sql::LANE_PAGE, &[&mailbox.0, &place.0, &place.1, &place.2])?;
        let row = |row: &Row| {
            let tries: i32 = column(row, 0)?;
            Ok(PendingRow {
                tries: rows::small_count(i64::from(tries))?,
                message: Arc::new(message(row, 1)?),
            })
        };
        page.iter().map(row).collect()
    }

    fn overdue(
        &mut self,
        (before, now): (Wall, Wall),
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<Vec<OverdueRow>, Trouble> {
        // Without a place to go on from, the walk begins before the first lane.
        let recip = after.map_or(i64::MIN, |after| after.mailbox.0);
        let prio = after.map_or(-1, |after| rank(after.priority));
        let position = after.map(|after| rows::position_column(after.position));
        let times: [i64; 2] = [before, now].map(Wall::as_millis);
        let page =
            self.ask(sql::OVERDUE, &[&times[0], &times[1], &recip, &prio, &position, &i64::from(limit)])?;
        page.iter().map(overdue_row).collect()
    }

    fn view(&mut self, position: Position) -> Result<Option<MessageView>, Trouble> {
        let place = rows::position_column(position);
        // A message that is not there costs as many questions as one that is, so that the time an answer
        // takes tells nobody whether there is one.
        let row = self.link.query_opt(self.limit, sql::MESSAGE_READ, &[&place])?;
        let message = row.as_ref().map(|row| message(row, 0)).transpose()?;
        let mailboxes: Option<Vec<i64>> = row.as_ref().map(|row| column(row, MESSAGE_COLUMNS)).transpose()?;
        let lane = message.as_ref().map_or(0, |message| rank(message.priority));
        let waiting = self.ask(sql::MESSAGE_PENDING, &[&mailboxes.unwrap_or_default(), &lane, &place])?;
        let waiting = waiting.iter().map(|row| {
            let tries: i32 = column(row, 1)?;
            Ok::<_, Trouble>((MailboxNo(column(row, 0)?), rows::small_count(i64::from(tries))?))
        });
        let pending = waiting.collect::<Result<_, _>>()?;
        let ended = self.ask(sql::MESSAGE_SETTLED, &[&place])?;
        let ended = ended.iter().map(|row| {
            let outcome: i16 = column(row, 2)?;
            let at = Wall::from_millis(column(row, 1)?);
            Ok::<_, Trouble>((MailboxNo(column(row, 0)?), at, rows::outcome(i64::from(outcome))?))
        });
        let settled = ended.collect::<Result<_, _>>()?;
        Ok(message.map(|message| MessageView { message: Arc::new(message), pending, settled }))
    }

    fn mentions(
        &mut self,
        member: MailboxNo,
        after: Position,
        limit: u32,
    ) -> Result<Vec<MentionRow>, Trouble> {
        let place = (rows::position_column(after), i64::from(limit));
        let page = self.ask(sql::MENTION_PAGE, &[&member.0, &place.0, &place.1])?;
        page.iter().map(mention).collect()
    }

    fn hooks(&mut self, since: Wall, limit: u32) -> Result<Vec<HookRow>, Trouble> {
        let page = self.ask(sql::HOOKS, &[&since.as_millis(), &i64::from(limit)])?;
        let row = |row: &Row| {
            Ok(HookRow {
                id: HookId::new(column::<String>(row, 0)?),
                pid: column(row, 1)?,
                cwd: column(row, 2)?,
                status: rows::status(column(row, 3)?)?,
                at: Wall::from_millis(column(row, 4)?),
            })
        };
        page.iter().map(row).collect()
    }
}

/// A column, whatever its type; one of another type than it should be is not to be trusted.
pub(super) fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, BadRow> {
    row.try_get(at).map_err(|_| BadRow("a column that does not have its type"))
}

fn rank(priority: Priority) -> i16 {
    i16::from(priority.rank())
}

fn priority(row: &Row, at: usize) -> Result<Priority, BadRow> {
    rows::priority(i64::from(column::<i16>(row, at)?))
}

fn renamed_row(row: &Row) -> Result<Renamed, Trouble> {
    let (position, old) = (rows::position(column(row, 0)?)?, rows::position(column(row, 1)?)?);
    Ok(Renamed { position, old })
}

fn lane_count(row: &Row) -> Result<LaneCount, Trouble> {
    Ok(LaneCount {
        mailbox: MailboxNo(column(row, 0)?),
        priority: priority(row, 1)?,
        messages: rows::count(column(row, 2)?)?,
        bytes: rows::count(column(row, 3)?)?,
    })
}

fn overdue_row(row: &Row) -> Result<OverdueRow, Trouble> {
    let bytes: i32 = column(row, 3)?;
    Ok(OverdueRow {
        cursor: Cursor {
            mailbox: MailboxNo(column(row, 0)?),
            priority: priority(row, 1)?,
            position: rows::position(column(row, 2)?)?,
        },
        mesh: MeshId::new(column::<String>(row, 4)?),
        bytes: rows::count(i64::from(bytes))?,
    })
}

fn invite(row: &Row) -> Result<InviteRow, Trouble> {
    Ok(InviteRow {
        id: InviteId::new(column::<String>(row, 0)?),
        mesh: MeshNo(column(row, 1)?),
        token_hash: rows::bytes_32(&unhex(column(row, 2)?)?)?,
        uses_max: rows::small_count(column(row, 3)?)?,
        uses: rows::small_count(column(row, 4)?)?,
        role: rows::role(column(row, 5)?)?,
        expires_at: Wall::from_millis(column(row, 6)?),
        created_at: Wall::from_millis(column(row, 7)?),
        revoked_at: column::<Option<i64>>(row, 8)?.map(Wall::from_millis),
    })
}

/// How many columns `message` reads.
const MESSAGE_COLUMNS: usize = 13;

/// The message whose columns begin at `first`.
fn message(row: &Row, first: usize) -> Result<Message, Trouble> {
    let position: Option<i64> = column(row, first)?;
    let position = position.ok_or(BadRow("a delivery without its message"))?;
    Ok(Message {
        position: rows::position(position)?,
        at: Wall::from_millis(column(row, first + 1)?),
        mesh: MeshNo(column(row, first + 2)?),
        sender: MailboxNo(column(row, first + 3)?),
        session: MailboxNo(column(row, first + 4)?),
        priority: priority(row, first + 5)?,
        target: rows::target(column(row, first + 6)?, text(row, first + 7)?)?,
        client_message_id: text(row, first + 8)?,
        request_fingerprint: text(row, first + 9)?,
        reply_to: text(row, first + 10)?,
        nonce: text(row, first + 11)?.unwrap_or_default(),
        ciphertext: text(row, first + 12)?.unwrap_or_default(),
    })
}

fn mention(row: &Row) -> Result<MentionRow, Trouble> {
    let position: Option<i64> = column(row, 0)?;
    Ok(MentionRow {
        position: rows::position(position.ok_or(BadRow("a mention without its message"))?)?,
        at: Wall::from_millis(column(row, 1)?),
        mesh: MeshNo(column(row, 2)?),
        sender: MailboxNo(column(row, 3)?),
        session: MailboxNo(column(row, 4)?),
        priority: priority(row, 5)?,
        target: rows::target(column(row, 6)?, text(row, 7)?)?,
    })
}

/// A text that is kept as bytes.
fn text(row: &Row, at: usize) -> Result<Option<Box<str>>, BadRow> {
    let Some(bytes) = column::<Option<&[u8]>>(row, at)? else { return Ok(None) };
    let text = std::str::from_utf8(bytes).map_err(|_| BadRow("a text of a message that is none"))?;
    Ok(Some(text.into()))
}
