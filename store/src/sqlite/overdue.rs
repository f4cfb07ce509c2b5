//! Deliveries that waited too long, lane by lane.
//!
//! There is no index on time: it would be written for every message. Positions of one lane are handed out by
//! one shard in the order of its clock, so a lane's overdue deliveries stand at its front, and the walk
//! leaves a lane at the first one that is not, save for those of a clock that was ahead. It costs a few steps
//! for each lane that is not empty, and for each delivery that came lately.

use peermesh_core::ids::{MailboxNo, MeshId, Position};
use peermesh_core::store::{Cursor, OverdueRow, Priority};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension};

use super::arrivals;
use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow};

/// Up to `limit` deliveries of messages accepted before `before`, in the order of cursors, after `after`.
pub(super) fn overdue(
    conn: &Connection,
    (before, now): (Wall, Wall),
    after: Option<Cursor>,
    limit: u32,
) -> Result<Vec<OverdueRow>, Trouble> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut found = Vec::new();
    let mut lane = match after {
        None => (i64::MIN, -1),
        Some(cursor) => {
            let lane = (cursor.mailbox, cursor.priority);
            front_of_lane(conn, lane, cursor.position, (before, now), limit, &mut found)?;
            (cursor.mailbox.0, i64::from(cursor.priority.rank()))
        }
    };
    let mut next = conn.prepare_cached(sql::LANE_NEXT)?;
    while found.len() < limit {
        let Some(at) = next.query_row(lane, |row| Ok((row.get(0)?, row.get(1)?))).optional()? else { break };
        lane = at;
        let from = (MailboxNo(lane.0), rows::priority(lane.1)?);
        front_of_lane(conn, from, Position::ZERO, (before, now), limit, &mut found)?;
    }
    found.extend(arrived(conn, before, after, limit)?);
    found.sort_by_key(|row| row.cursor);
    found.truncate(limit);
    Ok(found)
}

/// The same of deliveries that came lately and are in no lane yet.
fn arrived(
    conn: &Connection,
    before: Wall,
    after: Option<Cursor>,
    limit: usize,
) -> Result<Vec<OverdueRow>, Trouble> {
    let (mut found, mut read) = (Vec::new(), conn.prepare_cached(sql::MESSAGE_AGE)?);
    let place = |at: Cursor| [at.mailbox.0, at.priority.rank().into(), rows::position_column(at.position)];
    let after = after.map_or([i64::MIN; 3], place);
    arrivals::each_waiting(
        conn,
        |arrival| arrival.order() > after,
        |arrival| {
            let mut message = read.query([arrival.position])?;
            let row = message.next()?.ok_or(BadRow("a delivery without its message"))?;
            if row.get::<_, i64>(0)? < before.as_millis() {
                let mesh: Option<String> = row.get(1)?;
                let mesh = MeshId::new(mesh.ok_or(BadRow("a message without its mesh"))?);
                found.push(OverdueRow {
                    cursor: arrival.cursor()?,
                    mesh,
                    bytes: rows::count(arrival.bytes)?,
                });
            }
            Ok(found.len() < limit)
        },
    )?;
    Ok(found)
}

/// Appends the overdue deliveries at the front of one lane, after a position.
fn front_of_lane(
    conn: &Connection,
    (mailbox, priority): (MailboxNo, Priority),
    after: Position,
    (before, now): (Wall, Wall),
    limit: usize,
    found: &mut Vec<OverdueRow>,
) -> Result<(), Trouble> {
    let mut read = conn.prepare_cached(sql::LANE_AGES)?;
    let mut waiting = read.query((mailbox.0, priority.rank(), rows::position_column(after)))?;
    while found.len() < limit
        && let Some(row) = waiting.next()?
    {
        let at: Option<i64> = row.get(2)?;
        let at = at.ok_or(BadRow("a delivery without its message"))?;
        if at >= before.as_millis() {
            if at > now.as_millis() {
                continue;
            }
            break;
        }
        let mesh: Option<String> = row.get(3)?;
        let mesh = MeshId::new(mesh.ok_or(BadRow("a message without its mesh"))?);
        let cursor = Cursor { mailbox, priority, position: rows::position(row.get(0)?)? };
        found.push(OverdueRow { cursor, mesh, bytes: rows::count(row.get(1)?)? });
    }
    Ok(())
}
