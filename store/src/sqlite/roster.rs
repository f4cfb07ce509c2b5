//! Members and sessions of a mesh, read back.

use peermesh_core::ids::{MailboxNo, MemberId, MeshNo, PublicKey};
use peermesh_core::store::{FormerKey, MemberRow, PeerState, SessionRow};
use peermesh_core::time::Wall;
use rusqlite::{Connection, Row};

use super::sql;
use super::trouble::Trouble;
use crate::rows::{self, BadRow};

/// All members of a mesh, by number.
pub(super) fn members(conn: &Connection, mesh: MeshNo) -> Result<Vec<MemberRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::MEMBERS)?;
    let mut rows = read.query([mesh.0])?;
    let mut members = Vec::new();
    while let Some(row) = rows.next()? {
        members.push(member(row)?);
    }
    Ok(members)
}

/// All mailboxes of a mesh, by number; a member's own is the one with its member's number.
pub(super) fn mailboxes(conn: &Connection, mesh: MeshNo) -> Result<Vec<SessionRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::MAILBOXES)?;
    let mut rows = read.query([mesh.0])?;
    let mut mailboxes = Vec::new();
    while let Some(row) = rows.next()? {
        mailboxes.push(SessionRow {
            no: MailboxNo(row.get(0)?),
            key: key(row, 1)?,
            member: MailboxNo(row.get(2)?),
            name: row.get(3)?,
        });
    }
    Ok(mailboxes)
}

/// The keys that members of a mesh had, each member's in the order they were replaced.
pub(super) fn former(conn: &Connection, mesh: MeshNo) -> Result<Vec<FormerKey>, Trouble> {
    let mut read = conn.prepare_cached(sql::FORMER_OF_MESH)?;
    let mut rows = read.query([mesh.0])?;
    let mut former = Vec::new();
    while let Some(row) = rows.next()? {
        former.push(former_key(row)?);
    }
    Ok(former)
}

/// One of them, from the columns of `FORMER_OF_MESH`.
pub(super) fn former_key(row: &Row<'_>) -> Result<FormerKey, Trouble> {
    Ok(FormerKey {
        key: key(row, 0)?,
        member: MailboxNo(row.get(1)?),
        at: Wall::from_millis(row.get(2)?),
        until: Wall::from_millis(row.get(3)?),
        below: rows::position(row.get(4)?)?,
    })
}

/// A public key in a column.
pub(super) fn key(row: &Row<'_>, column: usize) -> Result<PublicKey, Trouble> {
    let bytes = row.get_ref(column)?.as_blob().map_err(|_| BadRow("a key that is not bytes"))?;
    Ok(PublicKey(rows::bytes_32(bytes)?))
}

fn member(row: &Row<'_>) -> Result<MemberRow, Trouble> {
    Ok(MemberRow {
        no: MailboxNo(row.get(0)?),
        id: MemberId::new(row.get::<_, String>(1)?),
        key: key(row, 2)?,
        name: row.get(3)?,
        role: rows::role(&row.get::<_, String>(4)?)?,
        role_tag: row.get(5)?,
        default_groups: rows::json(&row.get::<_, String>(6)?)?,
        message_mode: row.get(7)?,
        joined_at: Wall::from_millis(row.get(8)?),
        revoked_at: row.get::<_, Option<i64>>(9)?.map(Wall::from_millis),
        state: state(row)?,
    })
}

/// What was saved of a member's last presence, if anything was.
fn state(row: &Row<'_>) -> Result<Option<PeerState>, Trouble> {
    let Some(groups) = row.get::<_, Option<String>>(10)? else { return Ok(None) };
    Ok(Some(PeerState {
        groups: rows::json(&groups)?,
        last_groups: rows::json(&row.get::<_, String>(11)?)?,
        profile: rows::json(&row.get::<_, String>(12)?)?,
        visible: row.get(13)?,
        summary: row.get(14)?,
        display_name: row.get(15)?,
        stats: rows::json(&row.get::<_, String>(16)?)?,
        last_seen: Wall::from_millis(row.get(17)?),
    }))
}
