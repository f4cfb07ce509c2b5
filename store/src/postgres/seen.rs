//! What is known of the owner of a client id, as the write function says it.

use peermesh_core::store::{Likeness, Seen};
use peermesh_core::time::Wall;
use serde::Deserialize;

use super::rare::unhex;
use super::receipts::SaidReceipt;
use crate::rows::{self, BadRow};

/// A row of `mesh.seen`. Bytes are hexadecimal.
#[derive(Debug, Deserialize)]
pub(super) struct SeenRow {
    pos: i64,
    at: i64,
    recip: Option<i64>,
    prio: i64,
    target: Option<String>,
    fp: Option<String>,
    body: String,
    history_available: bool,
    receipt: Option<SaidReceipt>,
}

impl SeenRow {
    /// The same for the core.
    pub(super) fn seen(&self) -> Result<Seen, BadRow> {
        let likeness = Likeness {
            target: rows::target(self.recip, self.target.as_deref().map(text).transpose()?)?,
            priority: rows::priority(self.prio)?,
            fingerprint: self.fp.as_deref().map(text).transpose()?,
            body: rows::bytes_32(&unhex(&self.body)?)?,
        };
        Ok(Seen {
            position: rows::position(self.pos)?,
            at: Wall::from_millis(self.at),
            likeness,
            history_available: self.history_available,
            receipt: self.receipt.as_ref().map(SaidReceipt::row).transpose()?,
        })
    }
}

fn text(hex: &str) -> Result<Box<str>, BadRow> {
    let text = String::from_utf8(unhex(hex)?).map_err(|_| BadRow("a text of a message that is none"))?;
    Ok(text.into())
}
