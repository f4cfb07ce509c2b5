//! What was told of the chain of receipts: judges each receipt by itself, and in the end all together.

use std::collections::BTreeMap;

use peermesh_conformance::story::Told;
use peermesh_core::ids::PublicKey;
use peermesh_core::receipt::Receipt;
use peermesh_core::store::CHAIN_START;
use serde_json::Value;

use crate::oracle::{Key, text};

#[derive(Debug, Default)]
pub(crate) struct Chain {
    broker: Option<PublicKey>,
    /// The bytes of each receipt, and what they say.
    told: BTreeMap<Key, (String, Receipt)>,
}

impl Chain {
    /// All brokers of a store have one key, for ever.
    pub(crate) fn greeted(&mut self, welcome: &Value) -> Told<()> {
        // The first of all may come before the store has told the key.
        let Some(told) = welcome["brokerPubkey"].as_str() else { return Ok(()) };
        let told = PublicKey::from_hex(told).ok_or_else(|| format!("{told} is no key"))?;
        let known = *self.broker.get_or_insert(told);
        if known == told {
            Ok(())
        } else {
            Err(format!("the broker's key was {known}, and is {told}").into())
        }
    }

    /// A send that asked for a receipt is answered as accepted.
    pub(crate) fn acked(&mut self, key: &Key, ack: &Value) -> Told<()> {
        let Some(frame) = ack.get("receipt") else {
            // Only a broker that has just begun may owe it, and only for what is known.
            let owes = text(ack, "receipt_error").ends_with("ask again") && ack["duplicate"] == true;
            return if owes { Ok(()) } else { Err(format!("{key:?} has no receipt: {ack}").into()) };
        };
        let frame = frame.to_string();
        let receipt = Receipt::parse(&frame).map_err(|why| format!("{key:?}: {why}: {frame}"))?;
        let content = &receipt.content;
        let fits = content.client_message_id == key.1
            && content.message_id == text(ack, "messageId")
            && content.accepted_at == text(ack, "first_seen_at");
        if !fits {
            return Err(format!("{key:?} has the receipt of something else: {ack}").into());
        }
        let (known, _) = self.told.entry(key.clone()).or_insert_with(|| (frame.clone(), receipt));
        if *known == frame {
            Ok(())
        } else {
            Err(format!("{key:?} has two receipts: {known}, {frame}").into())
        }
    }

    /// Everybody who asked was told: then there is one chain, and it has these receipts and no others.
    pub(crate) fn judge(&self, asked: &[Key]) -> Told<()> {
        let broker = self.broker.ok_or("nobody was told the broker's key")?;
        let mut chain: Vec<(&Key, &Receipt)> =
            self.told.iter().map(|(key, (_, receipt))| (key, receipt)).collect();
        chain.sort_by_key(|(_, receipt)| receipt.sequence);
        let mut last = CHAIN_START;
        for ((key, receipt), place) in chain.iter().zip(1..) {
            receipt.verify(&broker).map_err(|why| format!("{key:?}: {why}"))?;
            if receipt.sequence != place || receipt.previous != last {
                return Err(format!("{key:?} is number {} at place {place}", receipt.sequence).into());
            }
            last = receipt.link;
        }
        match asked.iter().find(|key| !self.told.contains_key(*key)) {
            Some(key) => Err(format!("{key:?} has no receipt").into()),
            None if chain.len() != asked.len() => Err("there are receipts that nobody asked for".into()),
            None => Ok(()),
        }
    }
}
