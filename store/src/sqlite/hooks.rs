//! Hooks that wait for their presence.

use peermesh_core::ids::{HookId, PresenceId};
use peermesh_core::store::{HookRow, PresenceRow, Reply, Status};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, params};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows;

pub(super) fn keep(conn: &Connection, hook: &HookRow, stale_before: Wall) -> Result<(), Trouble> {
    run(conn, sql::HOOK_FORGET_OLD, [stale_before.as_millis()])?;
    let row = params![hook.id.as_str(), hook.pid, hook.cwd, hook.status.word(), hook.at.as_millis()];
    run(conn, sql::HOOK_KEEP, row)?;
    Ok(())
}

/// Gives a presence all hooks that wait for its process and directory.
pub(super) fn take(conn: &Connection, presence: &PresenceRow) -> Result<(), Trouble> {
    run(conn, sql::HOOK_TAKE, params![presence.cwd, presence.pid, presence.id.as_str()])?;
    Ok(())
}

/// What the newest hook says that a presence took, unless it is older than `since`.
pub(super) fn taken(
    conn: &Connection,
    presence: &PresenceRow,
    since: Wall,
) -> Result<Option<Status>, Trouble> {
    let mut read = conn.prepare_cached(sql::HOOK_TAKEN)?;
    let place = params![presence.id.as_str(), since.as_millis()];
    let status: Option<String> = read.query_row(place, |row| row.get(0)).optional()?;
    Ok(status.as_deref().map(rows::status).transpose()?)
}

pub(super) fn apply(conn: &Connection, hook: &HookId, presence: &PresenceId) -> Result<Reply, Trouble> {
    let mut apply = conn.prepare_cached(sql::HOOK_APPLY)?;
    let owner: Option<String> =
        apply.query_row([hook.as_str(), presence.as_str()], |row| row.get(0)).optional()?;
    let ours = owner.is_some_and(|owner| owner == presence.as_str());
    Ok(if ours { Reply::Done } else { Reply::Existing })
}

/// Hooks that wait and are not older than `since`.
pub(super) fn waiting(conn: &Connection, since: Wall, limit: u32) -> Result<Vec<HookRow>, Trouble> {
    let mut read = conn.prepare_cached(sql::HOOKS)?;
    let mut found = read.query((since.as_millis(), limit))?;
    let mut hooks = Vec::new();
    while let Some(row) = found.next()? {
        hooks.push(HookRow {
            id: HookId::new(row.get::<_, String>(0)?),
            pid: row.get(1)?,
            cwd: row.get(2)?,
            status: rows::status(&row.get::<_, String>(3)?)?,
            at: Wall::from_millis(row.get(4)?),
        });
    }
    Ok(hooks)
}
