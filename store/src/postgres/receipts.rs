//! Receipts and the key that signs them, as the write function takes and tells them.

use data_encoding::HEXLOWER;
use peermesh_core::ids::PublicKey;
use peermesh_core::store::{Accept, Accepted, Draft, ReceiptRow, Reply, SignerRow};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rare::unhex;
use crate::rows::{self, BadRow};

/// What enters the receipts that these messages of these batches ask for; none where none does. They come in
/// the order of their positions.
pub(super) fn json<'a>(asked: impl Iterator<Item = (usize, &'a Accept)>) -> Option<Value> {
    let wish = |(batch, accept): (usize, &Accept)| {
        let Accept { message, receipt, .. } = accept;
        let drafts = receipt.as_deref()?;
        Some(json!({
            "batch": batch, "mesh": message.mesh.0, "pos": rows::position_column(message.position),
            "plain": draft(&drafts.plain), "renamed": drafts.renamed.as_ref().map(draft),
        }))
    };
    let wishes: Vec<Value> = asked.filter_map(wish).collect();
    (!wishes.is_empty()).then(|| json!({ "do": "receipts", "of": wishes }))
}

fn draft(draft: &Draft) -> Value {
    json!({
        "content": draft.content, "hash": HEXLOWER.encode(&draft.hash), "head": draft.head,
        "epoch": draft.epoch.hex(),
    })
}

/// The operation that keeps a key.
pub(super) fn keep_signer(signer: &SignerRow) -> Value {
    let sealed = HEXLOWER.encode(&signer.sealed);
    json!({ "do": "keep_signer", "public": signer.public.hex(), "sealed": sealed })
}

/// The key that is kept.
pub(super) fn signer(public: &str, sealed: &str) -> Result<Reply, BadRow> {
    let public = PublicKey::from_hex(public).ok_or(BadRow("a key that is not 64 hexadecimal digits"))?;
    Ok(Reply::Signer(Box::new(SignerRow { public, sealed: unhex(sealed)? })))
}

/// What became of one wish.
#[derive(Debug, Deserialize)]
pub(super) struct SaidAsked {
    renamed: bool,
    receipt: Option<SaidReceipt>,
}

impl SaidAsked {
    /// The same for the core.
    pub(super) fn reply(&self) -> Result<Reply, BadRow> {
        let receipt = self.receipt.as_ref().map(SaidReceipt::row).transpose()?;
        Ok(Reply::Accepted(Accepted { renamed: self.renamed, receipt }))
    }
}

/// A receipt in its chain. Bytes are hexadecimal.
#[derive(Debug, Deserialize)]
pub(super) struct SaidReceipt {
    sequence: i64,
    previous: String,
    content: Box<str>,
    epoch: String,
    path: Vec<String>,
    end: Option<String>,
}

impl SaidReceipt {
    /// The same for the core.
    pub(super) fn row(&self) -> Result<Box<ReceiptRow>, BadRow> {
        let hash = |text: &str| rows::bytes_32(&unhex(text)?);
        let cut_off = || BadRow("a receipt without those that its signature covers");
        Ok(Box::new(ReceiptRow {
            sequence: rows::count(self.sequence)?,
            previous: hash(&self.previous)?,
            content: self.content.clone(),
            epoch: rows::history_epoch(&unhex(&self.epoch)?)?,
            path: self.path.iter().map(|text| hash(text)).collect::<Result<_, _>>()?,
            end: hash(self.end.as_deref().ok_or_else(cut_off)?)?,
        }))
    }
}
