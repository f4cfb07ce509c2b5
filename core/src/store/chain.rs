//! The chain of a mesh's receipts: what a link is, and what a store keeps of each.
//!
//! *Decides* which bytes are hashed. *Does not* know what a receipt says. *Always holds:* the receipts of a
//! mesh are numbered from 1 without a gap, and each link commits to all before it.

use sha2::{Digest, Sha256};

use crate::ids::{HistoryEpoch, PublicKey};

/// What the first link of a chain follows.
pub const CHAIN_START: [u8; 32] = [0; 32];

/// Receipts of one mesh and one commit that share a signature, at most: a receipt that is not the last of
/// them carries 32 bytes for each that follows it.
pub const RUN_MAX: u64 = 64;

/// What a store enters into the chain for a message that asks for a receipt, but for its number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Draft {
    /// What the receipt says, as canonical JSON.
    pub content: Box<str>,
    /// SHA-256 of that.
    pub hash: [u8; 32],
    /// The canonical JSON that is linked, up to its number; behind it stands one brace.
    pub head: Box<str>,
    /// Under which history of the store.
    pub epoch: HistoryEpoch,
}

/// What is entered for a message, whichever id it turns out to have.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Drafts {
    /// Under the id that is made of its position.
    pub plain: Draft,
    /// Under the id it had in a history that is lost, if it wants that.
    pub renamed: Option<Draft>,
}

impl Drafts {
    /// The one that is entered.
    pub fn of(&self, renamed: bool) -> &Draft {
        self.renamed.as_ref().filter(|_| renamed).unwrap_or(&self.plain)
    }
}

/// The key that brokers of a store sign receipts with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SignerRow {
    /// What verifies them.
    pub public: PublicKey,
    /// The secret key, sealed under the vault key.
    pub sealed: Vec<u8>,
}

/// A receipt as it stands in its chain.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ReceiptRow {
    /// Its number, from 1.
    pub sequence: u64,
    /// The link before its own.
    pub previous: [u8; 32],
    /// What it says, as canonical JSON.
    pub content: Box<str>,
    /// Under which history of the store it was entered.
    pub epoch: HistoryEpoch,
    /// [`Draft::hash`] of each receipt behind it, to the one that is signed.
    pub path: Vec<[u8; 32]>,
    /// The link of the one that is signed.
    pub end: [u8; 32],
}

/// A link: SHA-256 of the one before it and of what is linked.
pub fn link(previous: &[u8; 32], head: &str, sequence: u64) -> [u8; 32] {
    let hash = Sha256::new().chain_update(previous).chain_update(head);
    hash.chain_update(sequence.to_string()).chain_update("}").finalize().into()
}

/// Which of `count` receipts that are entered together, counted from 1, is signed for the `place`th.
pub fn end_of_run(place: u64, count: u64) -> u64 {
    (place.div_ceil(RUN_MAX) * RUN_MAX).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_the_hash_of_the_one_before_it_and_of_json_that_ends_with_the_number() {
        let text = br#"{"sequence":7}"#;
        let wanted: [u8; 32] = Sha256::digest([&[9; 32][..], text].concat()).into();
        assert_eq!(link(&[9; 32], r#"{"sequence":"#, 7), wanted);
    }

    #[test]
    fn receipts_that_are_entered_together_share_signatures_by_runs() {
        assert_eq!((end_of_run(1, 1), end_of_run(1, 3), end_of_run(3, 3)), (1, 3, 3));
        assert_eq!((end_of_run(64, 100), end_of_run(65, 100), end_of_run(1, 100)), (64, 100, 64));
        assert_eq!(end_of_run(64, 64), 64);
    }
}
