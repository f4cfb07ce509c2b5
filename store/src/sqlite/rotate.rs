//! Another key for a member, and the one it had before.

use peermesh_core::store::{FormerKey, Reply, Rotation, RotationRefusal};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, params};

use super::people::is_taken;
use super::roster;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows;

pub(super) fn rotate(conn: &Connection, rotation: &Rotation) -> Result<Reply, Trouble> {
    let &Rotation { mesh, member, old, key, at, until, below, former_keys_max } = rotation;
    let mut read = conn.prepare_cached(sql::MAILBOX_KEY)?;
    let current = read.query_row([member.0], |row| Ok(roster::key(row, 0))).optional()?.transpose()?;
    if current == Some(key)
        && let Some(last) = last(conn, rotation)?.filter(|last| last.key == old)
    {
        return Ok(Reply::Rotated(last));
    }
    if current != Some(old) {
        return Ok(Reply::RotationRefused(RotationRefusal::Stale));
    }
    if is_taken(conn, mesh, key)? {
        return Ok(Reply::RotationRefused(RotationRefusal::KeyTaken));
    }
    let mut read = conn.prepare_cached(sql::FORMER_OPEN)?;
    let (open, first): (i64, Option<i64>) =
        read.query_row((member.0, at.as_millis()), |row| Ok((row.get(0)?, row.get(1)?)))?;
    if let Some(free_at) = first.filter(|_| open >= rows::count_column(former_keys_max)) {
        let free_at = Wall::from_millis(free_at);
        return Ok(Reply::RotationRefused(RotationRefusal::Full { free_at }));
    }
    let row =
        params![mesh.0, old.0, member.0, at.as_millis(), until.as_millis(), rows::position_column(below)];
    run(conn, sql::FORMER_INSERT, row)?;
    run(conn, sql::MAILBOX_REKEY, params![member.0, key.0])?;
    Ok(Reply::Rotated(FormerKey { key: old, member, at, until, below }))
}

/// The key that the member had last.
fn last(conn: &Connection, rotation: &Rotation) -> Result<Option<FormerKey>, Trouble> {
    let mut read = conn.prepare_cached(sql::FORMER_LAST)?;
    let mut rows = read.query([rotation.member.0])?;
    rows.next()?.map(roster::former_key).transpose()
}
