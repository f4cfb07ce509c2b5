//! Receipts and the chains they stand in.
//!
//! *Always holds:* a mesh's receipts are numbered in the order of their messages' positions, without a gap;
//! those of one batch share signatures by runs.

use std::collections::BTreeMap;

use peermesh_core::ids::{MeshNo, Position, PublicKey};
use peermesh_core::store::{
    Accept, Accepted, CHAIN_START, Drafts, ReceiptRow, Reply, SignerRow, end_of_run, link,
};
use rusqlite::{Connection, OptionalExtension, params};

use super::sql;
use super::trouble::Trouble;
use super::write::run;
use crate::rows::{self, BadRow};

/// Keeps the key that receipts are signed with, unless there is one, and tells the one that is kept.
pub(super) fn keep_signer(conn: &Connection, signer: &SignerRow) -> Result<Reply, Trouble> {
    run(conn, sql::SIGNER_KEEP, (signer.public.0, &signer.sealed))?;
    let mut read = conn.prepare_cached(sql::SIGNER_READ)?;
    let (public, sealed): (Vec<u8>, Vec<u8>) = read.query_row((), |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(Reply::Signer(Box::new(SignerRow { public: PublicKey(rows::bytes_32(&public)?), sealed })))
}

/// Enters the receipts that a batch asks for, with the places of its replies, and tells them.
pub(super) fn enter(
    conn: &Connection,
    asked: &[(usize, &Accept)],
    replies: &mut [Reply],
) -> Result<(), Trouble> {
    let mut fresh: BTreeMap<MeshNo, BTreeMap<Position, &Drafts>> = BTreeMap::new();
    for (at, accept) in asked {
        let position = rows::position_column(accept.message.position);
        let is_known = matches!(replies[*at], Reply::Known(_));
        if let (Some(drafts), false) = (&accept.receipt, is_known)
            && conn.prepare_cached(sql::MESSAGE_EXISTS)?.exists([position])?
            && !conn.prepare_cached(sql::RECEIPT_AT)?.exists([position])?
        {
            fresh.entry(accept.message.mesh).or_default().insert(accept.message.position, drafts);
        }
    }
    for (mesh, drafts) in fresh {
        extend(conn, mesh, &drafts)?;
    }
    for (at, accept) in asked {
        if !matches!(replies[*at], Reply::Known(_)) {
            let renamed = matches!(replies[*at], Reply::Accepted(Accepted { renamed: true, .. }));
            let receipt = receipt_at(conn, accept.message.position)?;
            replies[*at] = Reply::Accepted(Accepted { renamed, receipt });
        }
    }
    Ok(())
}

fn extend(conn: &Connection, mesh: MeshNo, drafts: &BTreeMap<Position, &Drafts>) -> Result<(), Trouble> {
    let mut read = conn.prepare_cached(sql::CHAIN_READ)?;
    let head: Option<(i64, Vec<u8>)> =
        read.query_row([mesh.0], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
    let (before, mut previous) = match head {
        Some((n, link)) => (rows::count(n)?, rows::bytes_32(&link)?),
        None => (0, CHAIN_START),
    };
    let count = drafts.len() as u64;
    for ((position, drafts), place) in drafts.iter().zip(1..) {
        let position = rows::position_column(*position);
        let draft = drafts.of(conn.prepare_cached(sql::RENAMED_READ)?.exists([position])?);
        let sequence = before + place;
        let link = link(&previous, &draft.head, sequence);
        let (n, ends) = (rows::count_column(sequence), rows::count_column(before + end_of_run(place, count)));
        let row =
            params![mesh.0, n, position, ends, previous, link, draft.hash, draft.epoch.0, draft.content];
        run(conn, sql::RECEIPT_INSERT, row)?;
        previous = link;
    }
    run(conn, sql::CHAIN_SAVE, params![mesh.0, rows::count_column(before + count), previous])?;
    Ok(())
}

/// The receipt of a message.
pub(super) fn receipt_at(conn: &Connection, position: Position) -> Result<Option<Box<ReceiptRow>>, Trouble> {
    let mut read = conn.prepare_cached(sql::RECEIPT_AT)?;
    let mut found = read.query([rows::position_column(position)])?;
    let Some(row) = found.next()? else { return Ok(None) };
    let (mesh, n, ends): (i64, i64, i64) = (row.get(0)?, row.get(1)?, row.get(2)?);
    let mut path = Vec::new();
    let mut end = rows::bytes_32(&row.get::<_, Vec<u8>>(4)?)?;
    let mut behind = conn.prepare_cached(sql::RECEIPT_PATH)?;
    let mut steps = behind.query((mesh, n, ends))?;
    while let Some(step) = steps.next()? {
        path.push(rows::bytes_32(&step.get::<_, Vec<u8>>(0)?)?);
        end = rows::bytes_32(&step.get::<_, Vec<u8>>(1)?)?;
    }
    if i64::try_from(path.len()).ok() != ends.checked_sub(n) {
        return Err(BadRow("a receipt without those that its signature covers").into());
    }
    Ok(Some(Box::new(ReceiptRow {
        sequence: rows::count(n)?,
        previous: rows::bytes_32(&row.get::<_, Vec<u8>>(3)?)?,
        epoch: rows::history_epoch(&row.get::<_, Vec<u8>>(5)?)?,
        content: row.get(6)?,
        path,
        end,
    })))
}

/// Forgets the receipts of messages that are not known any more, with all that share their signatures; one of
/// those that is known keeps them all.
pub(super) fn forget(conn: &Connection, gone: impl Iterator<Item = i64>) -> Result<(), Trouble> {
    if !conn.prepare_cached(sql::RECEIPT_ANY)?.exists(())? {
        return Ok(());
    }
    for position in gone {
        run(conn, sql::RECEIPT_FORGET, [position])?;
    }
    Ok(())
}
