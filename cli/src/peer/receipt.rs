//! The file in which a sender keeps receipts, one a line.
//!
//! *Always holds:* the file could be written before anything is sent, and a receipt that is kept is one of
//! the message that was sent.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use peermesh_core::ids::PublicKey;
use peermesh_core::receipt::Receipt;
use serde_json::Value;

/// A file of receipts.
#[derive(Debug)]
pub(super) struct Shelf {
    file: File,
    /// An earlier line was cut off.
    is_torn: bool,
}

impl Shelf {
    /// Opens it, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Shelf> {
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(0))? > 0 {
            file.seek(SeekFrom::End(-1))?;
            file.read_exact(&mut last)?;
        }
        Ok(Shelf { file, is_torn: last != [b'\n'] })
    }

    /// Keeps a receipt on a line of its own, for good.
    pub(super) fn keep(&mut self, receipt: &Value) -> io::Result<()> {
        let before = if self.is_torn { "\n" } else { "" };
        self.file.write_all(format!("{before}{receipt}\n").as_bytes())?;
        self.file.sync_all()
    }
}

/// Whether a receipt is one of the message that was sent under `key` and accepted as `message_id`, and signed
/// by the broker that has said hello, if that told its key.
pub(super) fn check(
    receipt: &Value,
    (key, message_id): (&str, &str),
    broker: Option<PublicKey>,
) -> Result<(), String> {
    let read = Receipt::parse(&receipt.to_string()).map_err(|error| error.to_string())?;
    if read.content.client_message_id != key || read.content.message_id != message_id {
        return Err("what the broker gave is the receipt of another message".to_owned());
    }
    broker.map_or(Ok(()), |broker| read.verify(&broker)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use std::fs;

    use ed25519_dalek::SigningKey;
    use peermesh_core::ids::{HistoryEpoch, MeshId};
    use peermesh_core::receipt::{self, Content};
    use peermesh_core::store::{CHAIN_START, ReceiptRow, link};
    use serde_json::json;

    use super::*;

    #[test]
    fn receipts_stand_on_lines_of_their_own_even_behind_one_that_was_cut_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("receipts");
        let mut shelf = Shelf::open(&path).unwrap();
        shelf.keep(&json!({"n": 1})).unwrap();
        shelf.keep(&json!({"n": 2})).unwrap();
        Shelf::open(&path).unwrap().keep(&json!({"n": 3})).unwrap();
        fs::write(&path, format!("{}{{\"n\":", fs::read_to_string(&path).unwrap())).unwrap();
        Shelf::open(&path).unwrap().keep(&json!({"n": 4})).unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        assert_eq!(kept, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":\n{\"n\":4}\n");
        assert!(Shelf::open(&dir.path().join("nowhere/receipts")).is_err());
    }

    #[test]
    fn only_the_receipt_of_what_was_sent_is_taken_and_only_from_the_broker_that_was_met() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let (mesh, epoch) = (MeshId::new("m"), HistoryEpoch([1; 16]));
        let content = Content {
            accepted_at: "2026-01-01T00:00:00.000Z".into(),
            body_sha256: "b".into(),
            client_message_id: "k".into(),
            message_id: "id".into(),
            request_fingerprint: None,
            sender_member_id: "ann".into(),
        };
        let draft = content.draft(&mesh, epoch);
        let end = link(&CHAIN_START, &draft.head, 1);
        let row = ReceiptRow {
            sequence: 1,
            previous: CHAIN_START,
            content: draft.content,
            epoch,
            path: Vec::new(),
            end,
        };
        let text = receipt::write(&mesh, &row, &receipt::sign(&key, &mesh, &row));
        let receipt: Value = serde_json::from_str(&text).unwrap();
        let broker = Some(PublicKey(key.verifying_key().to_bytes()));
        assert_eq!(check(&receipt, ("k", "id"), broker), Ok(()));
        assert_eq!(check(&receipt, ("k", "id"), None), Ok(()));
        assert!(check(&receipt, ("other", "id"), broker).is_err());
        assert!(check(&receipt, ("k", "other"), broker).is_err());
        assert!(check(&receipt, ("k", "id"), Some(PublicKey([0; 32]))).is_err());
        assert!(check(&json!({}), ("k", "id"), broker).is_err());
    }
}
