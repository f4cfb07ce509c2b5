//! What becomes of messages that ask for a receipt, and of the key that signs receipts.

use std::collections::BTreeMap;

use super::Model;
use crate::ids::{HistoryEpoch, MeshNo, Position};
use crate::store::{
    Accepted, Batch, CHAIN_START, Drafts, Op, ReceiptRow, Reply, SignerRow, end_of_run, link,
};

/// All chains.
#[derive(Clone, Debug, Default)]
pub(super) struct Chains {
    signer: Option<SignerRow>,
    /// The last receipt of each mesh: its number and its link. They stay when the receipt goes.
    heads: BTreeMap<MeshNo, (u64, [u8; 32])>,
    receipts: BTreeMap<(MeshNo, u64), Entered>,
    places: BTreeMap<Position, (MeshNo, u64)>,
}

/// A receipt in its chain.
#[derive(Clone, Debug)]
struct Entered {
    position: Position,
    previous: [u8; 32],
    link: [u8; 32],
    hash: [u8; 32],
    content: Box<str>,
    epoch: HistoryEpoch,
    /// The number of the one that is signed for it.
    end: u64,
}

impl Chains {
    /// The receipt of a message.
    pub(super) fn receipt_at(&self, position: Position) -> Option<Box<ReceiptRow>> {
        let (mesh, sequence) = *self.places.get(&position)?;
        let own = &self.receipts[&(mesh, sequence)];
        let behind = |n: u64| &self.receipts[&(mesh, n)];
        Some(Box::new(ReceiptRow {
            sequence,
            previous: own.previous,
            content: own.content.clone(),
            epoch: own.epoch,
            path: (sequence + 1..=own.end).map(|n| behind(n).hash).collect(),
            end: behind(own.end).link,
        }))
    }
}

impl Model {
    pub(super) fn keep_signer(&mut self, signer: &SignerRow) -> Reply {
        Reply::Signer(Box::new(self.chains.signer.get_or_insert_with(|| signer.clone()).clone()))
    }

    /// Enters the receipts that a batch asks for, and tells them.
    pub(super) fn enter_receipts(&mut self, batch: &Batch, replies: &mut [Reply]) {
        let asked = batch.ops.iter().zip(replies.iter()).filter_map(|(op, reply)| match op {
            Op::Accept(accept) if !matches!(reply, Reply::Known(_)) => {
                Some((&accept.message, accept.receipt.as_deref()?))
            }
            _ => None,
        });
        let mut fresh: BTreeMap<MeshNo, Vec<(Position, &Drafts)>> = BTreeMap::new();
        for (message, drafts) in asked {
            let position = message.position;
            if self.messages.contains_key(&position) && !self.chains.places.contains_key(&position) {
                fresh.entry(message.mesh).or_default().push((position, drafts));
            }
        }
        for (mesh, mut drafts) in fresh {
            drafts.sort_by_key(|(position, _)| *position);
            drafts.dedup_by_key(|(position, _)| *position);
            self.enter(mesh, &drafts);
        }
        for (op, reply) in batch.ops.iter().zip(replies) {
            let Op::Accept(accept) = op else { continue };
            let (Some(_), false) = (&accept.receipt, matches!(reply, Reply::Known(_))) else { continue };
            let renamed = matches!(reply, Reply::Accepted(Accepted { renamed: true, .. }));
            let receipt = self.chains.receipt_at(accept.message.position);
            *reply = Reply::Accepted(Accepted { renamed, receipt });
        }
    }

    fn enter(&mut self, mesh: MeshNo, drafts: &[(Position, &Drafts)]) {
        let (before, mut previous) = self.chains.heads.get(&mesh).copied().unwrap_or((0, CHAIN_START));
        for ((position, own), place) in drafts.iter().zip(1..) {
            let draft = own.of(self.renamed.contains_key(position));
            let sequence = before + place;
            let link = link(&previous, &draft.head, sequence);
            let entered = Entered {
                position: *position,
                previous,
                link,
                hash: draft.hash,
                content: draft.content.clone(),
                epoch: draft.epoch,
                end: before + end_of_run(place, count(drafts)),
            };
            self.chains.receipts.insert((mesh, sequence), entered);
            self.chains.places.insert(*position, (mesh, sequence));
            self.chains.heads.insert(mesh, (sequence, link));
            previous = link;
        }
    }

    /// Forgets receipts whose messages are not known any more, with all that share a signature.
    pub(super) fn forget_receipts(&mut self) {
        let is_known = |entered: &Entered| {
            self.messages.contains_key(&entered.position) || self.tombstones.contains_key(&entered.position)
        };
        let known = self.chains.receipts.iter().filter(|(_, entered)| is_known(entered));
        let kept: Vec<(MeshNo, u64)> = known.map(|((mesh, _), entered)| (*mesh, entered.end)).collect();
        self.chains.receipts.retain(|(mesh, _), entered| kept.contains(&(*mesh, entered.end)));
        let receipts = &self.chains.receipts;
        self.chains.places.retain(|_, place| receipts.contains_key(place));
    }
}

fn count<T>(list: &[T]) -> u64 {
    list.len() as u64
}
