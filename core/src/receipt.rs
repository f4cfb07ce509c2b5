//! Receipts: a broker's signed word that it accepted a message, checked by anybody who has its public key
//! (mesh protocol, section 8.10).
//!
//! *Decides* what a receipt says, which bytes are signed, and whether one receipt is sound by itself.
//! *Does not* know the others of its chain: whoever has them compares their links.
//! *Always holds:* the same message has the same receipt, byte for byte, however often it is asked for.

use data_encoding::HEXLOWER;
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::ids::{HistoryEpoch, MeshId, PublicKey};
use crate::jcs::{self, Bounds};
use crate::store::{CHAIN_START, Draft, RUN_MAX, ReceiptRow, link};

/// Bytes of a receipt's text, at most, that is read.
pub const BYTES_MAX: usize = 64 * 1024;

/// What a receipt says of its message. Fields stand in the order of canonical JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Content {
    /// When it was accepted, by the broker's clock.
    pub accepted_at: String,
    /// What was sealed, as brokers tell resends by it (section 8.4); hexadecimal.
    pub body_sha256: String,
    /// The sender's key of idempotency.
    pub client_message_id: String,
    /// The message's id.
    pub message_id: String,
    /// The sender's fingerprint, as sent.
    pub request_fingerprint: Option<String>,
    /// Whose key it is.
    pub sender_member_id: String,
}

impl Content {
    /// What a store enters for it into the chain of this mesh.
    pub fn draft(&self, mesh: &MeshId, epoch: HistoryEpoch) -> Draft {
        // Texts and nothing else, in the order of their names: what is written is canonical.
        let content = serde_json::to_string(self).unwrap_or_default();
        let hash = Sha256::digest(content.as_bytes()).into();
        Draft { content: content.into(), hash, head: head(&hash, epoch, mesh).into(), epoch }
    }
}

/// What is linked, up to the number.
fn head(hash: &[u8; 32], epoch: HistoryEpoch, mesh: &MeshId) -> String {
    let mesh = serde_json::to_string(mesh.as_str()).unwrap_or_default();
    let hash = HEXLOWER.encode(hash);
    format!(r#"{{"content_sha256":"{hash}","history_epoch":"{epoch}","mesh_id":{mesh},"sequence":"#)
}

/// What a broker signs: that the chain of a mesh has this link at this place.
fn signed_text(mesh: &MeshId, sequence: u64, end: &[u8; 32]) -> String {
    format!("peermesh-receipts|{mesh}|{sequence}|{}", HEXLOWER.encode(end))
}

/// Signs the end of a run of receipts.
pub fn sign(key: &SigningKey, mesh: &MeshId, row: &ReceiptRow) -> [u8; 64] {
    key.sign(signed_text(mesh, row.end_sequence(), &row.end).as_bytes()).to_bytes()
}

/// The text of a receipt, as an ack carries it: canonical JSON.
pub fn write(mesh: &MeshId, row: &ReceiptRow, signature: &[u8; 64]) -> String {
    let path: Vec<String> = row.path.iter().map(|hash| format!("\"{}\"", HEXLOWER.encode(hash))).collect();
    format!(
        r#"{{"content":{},"history_epoch":"{}","mesh_id":{},"path":[{}],"previous":"{}","sequence":{},"signature":"{}"}}"#,
        row.content,
        row.epoch,
        serde_json::to_string(mesh.as_str()).unwrap_or_default(),
        path.join(","),
        HEXLOWER.encode(&row.previous),
        row.sequence,
        HEXLOWER.encode(signature),
    )
}

impl ReceiptRow {
    /// The number of the receipt whose link is signed.
    pub fn end_sequence(&self) -> u64 {
        self.sequence + self.path.len() as u64
    }
}

/// A receipt that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What it says.
    pub content: Content,
    /// In which mesh.
    pub mesh: MeshId,
    /// Under which history of the store.
    pub epoch: HistoryEpoch,
    /// Its place in the chain of the mesh, from 1.
    pub sequence: u64,
    /// The link before its own.
    pub previous: [u8; 32],
    /// Its own link.
    pub link: [u8; 32],
    path: Vec<[u8; 32]>,
    signature: [u8; 64],
}

/// Why something is no receipt of a broker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// It cannot be read.
    #[error("this is no receipt: {0}")]
    Form(String),
    /// It reads like one, but the broker did not sign it.
    #[error("the broker's key did not sign this: it was changed, or is another broker's")]
    Signature,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text<'a> {
    #[serde(borrow)]
    content: &'a RawValue,
    history_epoch: String,
    mesh_id: String,
    path: Vec<String>,
    previous: String,
    sequence: u64,
    signature: String,
}

impl Receipt {
    /// Reads a receipt, however its JSON is laid out.
    ///
    /// # Errors
    /// [`ReceiptError::Form`].
    pub fn parse(text: &str) -> Result<Receipt, ReceiptError> {
        let form = |why: &str| ReceiptError::Form(why.to_owned());
        let bounds = Bounds { bytes_max: BYTES_MAX, depth_max: 4 };
        // A name twice could be read in two ways, and whoever compares texts must see the same.
        let canonical = jcs::canonicalize(text.as_bytes(), bounds).map_err(|why| form(&why.to_string()))?;
        let canonical = str::from_utf8(&canonical).map_err(|_| form("it is not UTF-8"))?;
        let read: Text<'_> = serde_json::from_str(canonical).map_err(|why| form(&why.to_string()))?;
        let content: Content =
            serde_json::from_str(read.content.get()).map_err(|why| form(&why.to_string()))?;
        let epoch = HistoryEpoch::from_hex(&read.history_epoch);
        let epoch = epoch.ok_or_else(|| form("history_epoch is not 32 hexadecimal digits"))?;
        let hash = |name: &str, text: &str| {
            unhex(text).ok_or_else(|| form(&format!("{name} is not 64 hexadecimal digits")))
        };
        let signature = HEXLOWER.decode(read.signature.as_bytes()).ok();
        let signature = signature.and_then(|bytes| bytes.try_into().ok());
        let path = read.path.iter().map(|text| hash("path", text)).collect::<Result<Vec<_>, _>>()?;
        if read.sequence == 0 || path.len() as u64 >= RUN_MAX {
            return Err(form("its sequence is 0, or its path too long"));
        }
        let (mesh, previous) = (MeshId::new(read.mesh_id), hash("previous", &read.previous)?);
        if (read.sequence == 1) != (previous == CHAIN_START) {
            return Err(form("the first of a chain, and no other, follows nothing"));
        }
        let own = Sha256::digest(read.content.get().as_bytes()).into();
        Ok(Receipt {
            content,
            link: link(&previous, &head(&own, epoch, &mesh), read.sequence),
            mesh,
            epoch,
            sequence: read.sequence,
            previous,
            path,
            signature: signature.ok_or_else(|| form("signature is not 128 hexadecimal digits"))?,
        })
    }

    /// Whether the broker with this key has signed that the chain goes through this receipt.
    ///
    /// # Errors
    /// [`ReceiptError::Signature`].
    pub fn verify(&self, key: &PublicKey) -> Result<(), ReceiptError> {
        let mut end = self.link;
        let mut sequence = self.sequence;
        for hash in &self.path {
            sequence = sequence.checked_add(1).ok_or(ReceiptError::Signature)?;
            end = link(&end, &head(hash, self.epoch, &self.mesh), sequence);
        }
        let key = VerifyingKey::from_bytes(&key.0).map_err(|_| ReceiptError::Signature)?;
        let text = signed_text(&self.mesh, sequence, &end);
        let signature = Signature::from_bytes(&self.signature);
        key.verify_strict(text.as_bytes(), &signature).map_err(|_| ReceiptError::Signature)
    }
}

fn unhex(text: &str) -> Option<[u8; 32]> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EPOCH: HistoryEpoch = HistoryEpoch([7; 16]);

    fn content(n: &str) -> Content {
        Content {
            accepted_at: "2023-11-14T22:13:20.000Z".into(),
            body_sha256: HEXLOWER.encode(&[1; 32]),
            client_message_id: format!("c{n}"),
            message_id: format!("m{n}"),
            request_fingerprint: None,
            sender_member_id: "a".into(),
        }
    }

    /// A chain of so many receipts that were entered together.
    fn chain(key: &SigningKey, count: u64) -> Vec<String> {
        let mesh = MeshId::new("mesh-1");
        let drafts: Vec<Draft> = (1..=count).map(|n| content(&n.to_string()).draft(&mesh, EPOCH)).collect();
        let mut links = vec![CHAIN_START];
        for (draft, sequence) in drafts.iter().zip(1..) {
            links.push(link(links.last().unwrap(), &draft.head, sequence));
        }
        let row = |(draft, place): (&Draft, usize)| ReceiptRow {
            sequence: place as u64,
            previous: links[place - 1],
            content: draft.content.clone(),
            epoch: EPOCH,
            path: drafts[place..].iter().map(|draft| draft.hash).collect(),
            end: links[drafts.len()],
        };
        let rows: Vec<ReceiptRow> = drafts.iter().zip(1..).map(row).collect();
        rows.iter().map(|row| write(&mesh, row, &sign(key, &mesh, row))).collect()
    }

    #[test]
    fn every_receipt_of_a_run_is_sound_by_itself_and_they_follow_each_other() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let broker = PublicKey(key.verifying_key().to_bytes());
        let texts = chain(&key, 3);
        let receipts: Vec<Receipt> = texts.iter().map(|text| Receipt::parse(text).unwrap()).collect();
        for (place, receipt) in receipts.iter().enumerate() {
            assert_eq!(receipt.verify(&broker), Ok(()), "{place}");
            let before = place.checked_sub(1).map_or(CHAIN_START, |before| receipts[before].link);
            assert_eq!(receipt.previous, before);
            assert_eq!(receipt.content.client_message_id, format!("c{}", place + 1));
        }
        assert_eq!(receipts[0].verify(&PublicKey([0; 32])), Err(ReceiptError::Signature));
    }

    #[test]
    fn the_vector_of_the_protocol_comes_out() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let texts = chain(&key, 2);
        let [first, second] = [0, 1].map(|place| Receipt::parse(&texts[place]).unwrap());
        let broker = HEXLOWER.encode(key.verifying_key().as_bytes());
        assert_eq!(broker, "6e7a1cdd29b0b78fd13af4c5598feff4ef2a97166e3ca6f2e4fbfccd80505bf1");
        let own = content("1").draft(&first.mesh, EPOCH).hash;
        let own = HEXLOWER.encode(&own);
        assert_eq!(own, "aafc1e8ea8360c3c9ef976ace79a0181c3d2260bc99fee24874770b21dedd2d4");
        let path: Vec<String> = first.path.iter().map(|hash| HEXLOWER.encode(hash)).collect();
        assert_eq!(path, ["71d587139801ae7d40a7058927947f0087dfe913ed11928367c4d28470d74a13"]);
        assert_eq!(second.previous, first.link);
        let [link_1, link_2] = [&first, &second].map(|receipt| HEXLOWER.encode(&receipt.link));
        assert_eq!(link_1, "3b449f204036a69c6e7921b5a2f8e8b921b261428ca58436f526340ba7d1eaeb");
        assert_eq!(link_2, "ddc96b7d46d2875f9faf5cbc3246f60224c7cc26fa2cb1c6b31fa210038b9242");
        let signature = HEXLOWER.encode(&first.signature);
        let (r, s) = signature.split_at(64);
        assert_eq!(r, "1cbd2e321432a013efae48d6c3eac4990b553d9d90551a693adb114032a8c666");
        assert_eq!(s, "b249c10cc4256e4a21caa6d3c7f1f1d794ed57e57c8f7daf541f985115f3d709");
        assert_eq!(second.signature, first.signature);
    }

    #[test]
    fn what_is_written_is_canonical_and_any_other_layout_of_it_reads_the_same() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let odd =
            Content { request_fingerprint: Some("\u{1}\"\\\u{7f}€😀\n".into()), ..content("ü\u{0}") };
        let draft = odd.draft(&MeshId::new("m\"1"), EPOCH);
        let canonical = |text: &str| jcs::canonicalize(text.as_bytes(), Bounds::TOOLS).unwrap();
        assert_eq!(draft.content.as_bytes(), canonical(&draft.content));
        let whole = format!("{}1}}", draft.head);
        assert_eq!(whole.as_bytes(), canonical(&whole));
        let text = chain(&key, 2).remove(0);
        assert_eq!(text.as_bytes(), canonical(&text));
        let pretty: serde_json::Value = serde_json::from_str(&text).unwrap();
        let pretty = serde_json::to_string_pretty(&pretty).unwrap();
        assert_eq!(Receipt::parse(&pretty), Receipt::parse(&text));
    }

    #[test]
    fn whatever_is_changed_in_a_receipt_is_noticed() {
        let key = SigningKey::from_bytes(&[5; 32]);
        let broker = PublicKey(key.verifying_key().to_bytes());
        let text = chain(&key, 3).remove(1);
        let sound = |text: &str| Receipt::parse(text).and_then(|receipt| receipt.verify(&broker));
        assert_eq!(sound(&text), Ok(()));
        for (place, byte) in text.bytes().enumerate() {
            // Another digit, letter or sign in every place.
            let other = if byte == b'0' { '1' } else { '0' };
            let changed = format!("{}{other}{}", &text[..place], &text[place + 1..]);
            assert!(sound(&changed).is_err(), "{changed}");
        }
        let doubled = text.replacen(r#""mesh_id""#, r#""mesh_id":"other","mesh_id""#, 1);
        assert!(matches!(sound(&doubled), Err(ReceiptError::Form(_))), "a name twice");
    }
}
