//! Which meshes this life of the process serves.
//!
//! *Does not* check fences: nobody else writes a store whose directory is locked.

use peermesh_core::ids::{Epoch, MeshId, MeshNo};
use peermesh_core::store::{Claimant, Fence, Reply};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, params};

use super::sql;
use super::trouble::Trouble;
use super::write::{run, store_row};
use crate::rows::{self, BadRow};

/// A number that no other life of the process has.
pub(super) fn new_life(conn: &Connection) -> Result<i64, Trouble> {
    Ok(conn.prepare_cached(sql::LIFE)?.query_row((), |row| row.get(0))?)
}

pub(super) fn claim(
    conn: &Connection,
    life: i64,
    id: &MeshId,
    by: Claimant,
    at: Wall,
) -> Result<Reply, Trouble> {
    let mut read = conn.prepare_cached(sql::MESH_NUMBER)?;
    let found = read.query_row([id.as_str()], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let Some((mesh, owner_key)): Option<(i64, Vec<u8>)> = found else { return Ok(Reply::NoMesh) };
    let known = match by {
        Claimant::Broker => true,
        Claimant::Owner(key) => owner_key == key.0,
        Claimant::Member(key) => {
            conn.prepare_cached(sql::MEMBER_HAS_KEY)?.exists(params![mesh, key.0])?
                || conn.prepare_cached(sql::FORMER_HAS_KEY)?.exists(params![mesh, key.0])?
        }
    };
    if !known {
        return Ok(Reply::Stranger);
    }
    let free = rows::position(store_row(conn)?.0)?;
    let epoch = take(conn, life, MeshNo(mesh), at)?;
    Ok(Reply::Owned { epoch, free })
}

/// The epoch of a mesh that this life serves, from here on if not before.
fn take(conn: &Connection, life: i64, mesh: MeshNo, at: Wall) -> Result<Epoch, Trouble> {
    let mut read = conn.prepare_cached(sql::SCOPE_READ)?;
    let scope: Option<(Option<i64>, i64)> =
        read.query_row([mesh.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let epoch = match scope {
        Some((Some(owner), epoch)) if owner == life => return Ok(rows::epoch(epoch)?),
        Some((_, epoch)) => epoch.checked_add(1).ok_or(BadRow("no epochs are left"))?,
        None => 1,
    };
    run(conn, sql::SCOPE_TAKE, (mesh.0, life, epoch))?;
    run(conn, sql::PRESENCE_END_OF_MESH, (mesh.0, at.as_millis()))?;
    Ok(rows::epoch(epoch)?)
}

pub(super) fn release(conn: &Connection, life: i64, scopes: &[Fence]) -> Result<(), Trouble> {
    for Fence { mesh, epoch } in scopes {
        run(conn, sql::SCOPE_RELEASE, (mesh.0, life, rows::count_column(epoch.0)))?;
    }
    Ok(())
}
