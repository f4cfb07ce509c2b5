//! Meshes, members and their mailboxes, read back.

use peermesh_core::ids::{MailboxNo, MemberId, MeshId, MeshNo, PublicKey};
use peermesh_core::store::{FormerKey, MemberRow, MeshRow, PeerState, SessionRow};
use peermesh_core::time::Wall;
use postgres::Row;
use postgres::types::Json;
use serde::de::DeserializeOwned;

use super::rare::unhex;
use super::read::column;
use super::trouble::Trouble;
use crate::rows::{self, BadRow};

/// A mesh, from the columns of `mesh_columns!`.
pub(super) fn mesh(row: &Row) -> Result<MeshRow, Trouble> {
    Ok(MeshRow {
        no: MeshNo(column(row, 0)?),
        id: MeshId::new(column::<String>(row, 1)?),
        slug: column(row, 2)?,
        name: column(row, 3)?,
        owner_key: key(column(row, 4)?)?,
        owner_secret_sealed: unhex(column(row, 5)?)?,
        root_key_sealed: unhex(column(row, 6)?)?,
        created_at: Wall::from_millis(column(row, 7)?),
        members: rows::count(column(row, 8)?)?,
    })
}

/// A member, from the columns of `MEMBERS`.
pub(super) fn member(row: &Row) -> Result<MemberRow, Trouble> {
    Ok(MemberRow {
        no: MailboxNo(column(row, 0)?),
        id: MemberId::new(column::<String>(row, 1)?),
        key: key(column(row, 2)?)?,
        name: column(row, 3)?,
        role: rows::role(column(row, 4)?)?,
        role_tag: column(row, 5)?,
        default_groups: json(row, 6)?,
        message_mode: column(row, 7)?,
        joined_at: Wall::from_millis(column(row, 8)?),
        revoked_at: column::<Option<i64>>(row, 9)?.map(Wall::from_millis),
        state: state(row)?,
    })
}

/// A mailbox, from the columns of `MAILBOXES`; a member's own is the one with its member's number.
pub(super) fn mailbox(row: &Row) -> Result<SessionRow, Trouble> {
    Ok(SessionRow {
        no: MailboxNo(column(row, 0)?),
        key: PublicKey(rows::bytes_32(column(row, 1)?)?),
        member: MailboxNo(column(row, 2)?),
        name: column(row, 3)?,
    })
}

/// A key that a member had, from the columns of `FORMER`.
pub(super) fn former(row: &Row) -> Result<FormerKey, Trouble> {
    Ok(FormerKey {
        key: PublicKey(rows::bytes_32(column(row, 0)?)?),
        member: MailboxNo(column(row, 1)?),
        at: Wall::from_millis(column(row, 2)?),
        until: Wall::from_millis(column(row, 3)?),
        below: rows::position(column(row, 4)?)?,
    })
}

/// What was saved of a member's last presence, if anything was.
fn state(row: &Row) -> Result<Option<PeerState>, Trouble> {
    let Some(visible) = column::<Option<bool>>(row, 13)? else { return Ok(None) };
    Ok(Some(PeerState {
        groups: json(row, 10)?,
        last_groups: json(row, 11)?,
        profile: json(row, 12)?,
        visible,
        summary: column(row, 14)?,
        display_name: column(row, 15)?,
        stats: json(row, 16)?,
        last_seen: Wall::from_millis(column::<Option<i64>>(row, 17)?.unwrap_or_default()),
    }))
}

fn key(text: &str) -> Result<PublicKey, BadRow> {
    PublicKey::from_hex(text).ok_or(BadRow("a key that is not 64 hexadecimal digits"))
}

fn json<T: DeserializeOwned>(row: &Row, at: usize) -> Result<T, BadRow> {
    let Json(value) = row.try_get(at).map_err(|_| BadRow("a JSON column that cannot be read"))?;
    Ok(value)
}
