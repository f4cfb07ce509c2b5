//! Meshes, invites, members, hellos and presences: what is written when somebody comes, goes or is
//! administered.

use peermesh_core::ids::{MailboxNo, MeshNo, PresenceId, PublicKey};
use peermesh_core::store::{
    Enrol, EnrolRefusal, Group, Hello, InviteRow, NewMesh, PeerState, PresenceRow, Reply,
};
use peermesh_core::time::Wall;
use rusqlite::{Connection, OptionalExtension, params};

use super::hooks;
use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows;

pub(super) fn create_mesh(conn: &Connection, mesh: &NewMesh) -> Result<Reply, Trouble> {
    let row = params![
        mesh.id.as_str(),
        mesh.slug,
        mesh.name,
        mesh.owner_key.0,
        mesh.owner_secret_sealed,
        mesh.root_key_sealed,
        mesh.created_at.as_millis(),
    ];
    let made = run(conn, sql::MESH_INSERT, row)? > 0;
    inserted_or_existing(made || conn.prepare_cached(sql::MESH_HAS_ID)?.exists([mesh.id.as_str()])?)
}

pub(super) fn create_invite(conn: &Connection, invite: &InviteRow) -> Result<Reply, Trouble> {
    let row = params![
        invite.id.as_str(),
        invite.token_hash,
        invite.mesh.0,
        invite.uses_max,
        invite.uses,
        invite.role.word(),
        invite.expires_at.as_millis(),
        invite.created_at.as_millis(),
        invite.revoked_at.map(Wall::as_millis),
    ];
    let made = run(conn, sql::INVITE_INSERT, row)? > 0;
    inserted_or_existing(made || conn.prepare_cached(sql::INVITE_HAS_ID)?.exists([invite.id.as_str()])?)
}

/// A row that exists under its own id is the same write again; one that was not inserted otherwise met
/// another's slug or token.
fn inserted_or_existing(ours: bool) -> Result<Reply, Trouble> {
    Ok(if ours { Reply::Inserted } else { Reply::Existing })
}

pub(super) fn enrol(conn: &Connection, enrol: &Enrol) -> Result<Reply, Trouble> {
    let mut known = conn.prepare_cached(sql::MEMBER_HAS_ID)?;
    if let Some(n) = known.query_row([enrol.id.as_str()], |row| row.get(0)).optional()? {
        return Ok(Reply::Enrolled { mailbox: MailboxNo(n) });
    }
    if is_taken(conn, enrol.mesh, enrol.key)? {
        return Ok(Reply::EnrolRefused(EnrolRefusal::KeyTaken));
    }
    if run(conn, sql::INVITE_SPEND, [enrol.invite.as_str()])? == 0 {
        return Ok(Reply::EnrolRefused(EnrolRefusal::Exhausted));
    }
    let mailbox = open_mailbox(conn, enrol.mesh, enrol.key, None, None)?;
    let row = params![
        mailbox.0,
        enrol.mesh.0,
        enrol.id.as_str(),
        enrol.name,
        enrol.role.word(),
        rows::json_column::<[Group]>(&[]),
        "push",
        enrol.at.as_millis(),
    ];
    run(conn, sql::MEMBER_INSERT, row)?;
    Ok(Reply::Enrolled { mailbox })
}

pub(super) fn set_revoked(conn: &Connection, member: MailboxNo, at: Option<Wall>) -> Result<(), Trouble> {
    run(conn, sql::MEMBER_REVOKE, (member.0, at.map(Wall::as_millis)))?;
    Ok(())
}

/// Uses up a proof.
pub(super) fn prove(conn: &Connection, proof: &[u8; 32], by: u64, until: Wall) -> Result<Reply, Trouble> {
    if is_anothers(conn, proof, by)? {
        return Ok(Reply::Replayed);
    }
    run(conn, sql::PROOF_SAVE, params![proof, by.cast_signed(), until.as_millis()])?;
    Ok(Reply::Done)
}

/// True when a proof was used by another request.
fn is_anothers(conn: &Connection, proof: &[u8; 32], by: u64) -> Result<bool, Trouble> {
    let mut known = conn.prepare_cached(sql::PROOF_READ)?;
    let known: Option<i64> = known.query_row([proof], |row| row.get(0)).optional()?;
    Ok(known.is_some_and(|known| known != by.cast_signed()))
}

pub(super) fn hello(conn: &Connection, hello: &Hello) -> Result<Reply, Trouble> {
    if is_anothers(conn, &hello.proof, hello.proof_by)? {
        return Ok(Reply::Replayed);
    }
    let mailbox = match &hello.session {
        None => hello.member,
        Some((key, name)) => match session_mailbox(conn, hello, *key, name.as_deref())? {
            Some(mailbox) => mailbox,
            None => return Ok(Reply::KeyTaken),
        },
    };
    run(
        conn,
        sql::PROOF_SAVE,
        params![hello.proof, hello.proof_by.cast_signed(), hello.proof_until.as_millis()],
    )?;
    let hooked = match &hello.presence {
        None => None,
        Some(presence) => {
            if save_presence(conn, hello, mailbox, presence)? {
                hooks::take(conn, presence)?;
            }
            hooks::taken(conn, presence, hello.hooks_since)?
        }
    };
    Ok(Reply::Welcome { mailbox, hooked })
}

/// The mailbox of a session's key; none when the key is somebody else's or a member's own.
fn session_mailbox(
    conn: &Connection,
    hello: &Hello,
    key: PublicKey,
    name: Option<&str>,
) -> Result<Option<MailboxNo>, Trouble> {
    match mailbox_of(conn, hello.mesh, key)? {
        None if is_former(conn, hello.mesh, key)? => Ok(None),
        None => Ok(Some(open_mailbox(conn, hello.mesh, key, Some(hello.member), name)?)),
        Some((mailbox, member)) if member != hello.member || mailbox == member => Ok(None),
        Some((mailbox, _)) => {
            if name.is_some() {
                run(conn, sql::MAILBOX_RENAME, (mailbox.0, name))?;
            }
            Ok(Some(mailbox))
        }
    }
}

/// Opens the presence; true when it was not there before.
fn save_presence(
    conn: &Connection,
    hello: &Hello,
    mailbox: MailboxNo,
    presence: &PresenceRow,
) -> Result<bool, Trouble> {
    let existed = conn.prepare_cached(sql::PRESENCE_EXISTS)?.exists([presence.id.as_str()])?;
    let row = params![
        presence.id.as_str(),
        hello.mesh.0,
        hello.member.0,
        mailbox.0,
        presence.kind.word(),
        presence.session_id,
        presence.pid,
        presence.cwd,
        presence.connected_at.as_millis(),
    ];
    run(conn, sql::PRESENCE_SAVE, row)?;
    Ok(!existed)
}

/// The mailbox that a key has in a mesh, and whose it is.
fn mailbox_of(
    conn: &Connection,
    mesh: MeshNo,
    key: PublicKey,
) -> Result<Option<(MailboxNo, MailboxNo)>, Trouble> {
    let mut read = conn.prepare_cached(sql::MAILBOX_OF_KEY)?;
    let found =
        read.query_row(params![mesh.0, key.0], |row| Ok((MailboxNo(row.get(0)?), MailboxNo(row.get(1)?))));
    Ok(found.optional()?)
}

/// True for a key that somebody of the mesh has, or that a member had.
pub(super) fn is_taken(conn: &Connection, mesh: MeshNo, key: PublicKey) -> Result<bool, Trouble> {
    Ok(mailbox_of(conn, mesh, key)?.is_some() || is_former(conn, mesh, key)?)
}

fn is_former(conn: &Connection, mesh: MeshNo, key: PublicKey) -> Result<bool, Trouble> {
    Ok(conn.prepare_cached(sql::FORMER_HAS_KEY)?.exists(params![mesh.0, key.0])?)
}

/// Makes a mailbox; it is its own member's when `member` is none.
fn open_mailbox(
    conn: &Connection,
    mesh: MeshNo,
    key: PublicKey,
    member: Option<MailboxNo>,
    name: Option<&str>,
) -> Result<MailboxNo, Trouble> {
    let no: i64 = conn.prepare_cached(sql::MAILBOX_NEXT)?.query_row((), |row| row.get(0))?;
    let member = member.map_or(no, |member| member.0);
    run(conn, sql::MAILBOX_INSERT, params![no, mesh.0, key.0, member, name])?;
    Ok(MailboxNo(no))
}

pub(super) fn end_presences(conn: &Connection, ids: &[PresenceId], at: Wall) -> Result<(), Trouble> {
    for id in ids {
        run(conn, sql::PRESENCE_END, (id.as_str(), at.as_millis()))?;
    }
    Ok(())
}

pub(super) fn save_peer(conn: &Connection, member: MailboxNo, state: &PeerState) -> Result<(), Trouble> {
    let row = params![
        member.0,
        rows::json_column(&state.groups),
        rows::json_column(&state.last_groups),
        rows::json_column(&state.profile),
        state.visible,
        state.summary,
        state.display_name,
        rows::json_column(&state.stats),
        state.last_seen.as_millis(),
    ];
    run(conn, sql::PEER_SAVE, row)?;
    Ok(())
}
