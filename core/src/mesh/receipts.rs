//! Receipts for senders that ask for one: whether this broker can sign them, what they say, and the one
//! signature of each run.
//!
//! *Decides* nothing about the chain: the store does that, inside the commit. *Always holds:* nothing is
//! signed before it is stored, and nothing that nobody asked for.

use std::fmt;
use std::sync::Arc;

use data_encoding::HEXLOWER;
use ed25519_dalek::SigningKey;
use serde_json::value::RawValue;

use super::acks::No;
use super::wish::Wish;
use super::{After, Cx, Mesh, Meshes, vault};
use crate::ids::{MailboxNo, Position, PublicKey};
use crate::message_id::MessageIds;
use crate::note::{Level, Note};
use crate::receipt::{self, Content};
use crate::stats::Counter;
use crate::store::{Drafts, Ended, Likeness, Op, ReceiptRow, Reply, SignerRow};

/// What receipts are signed with.
#[derive(Clone, Default)]
pub(super) enum Signer {
    /// The store has not told yet.
    #[default]
    Unknown,
    /// With this.
    Ready(Arc<SigningKey>),
    /// Not by this broker: the first word of a refusal, and the rest of it.
    Refused(&'static str, &'static str),
}

/// The last signature of a mesh, for those that share it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Signed {
    end: [u8; 32],
    signature: [u8; 64],
}

impl Signer {
    /// What verifies them.
    pub(super) fn public(&self) -> Option<PublicKey> {
        match self {
            Signer::Ready(key) => Some(PublicKey(key.verifying_key().to_bytes())),
            Signer::Unknown | Signer::Refused(..) => None,
        }
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Signer::Unknown => "Unknown",
            Signer::Ready(_) => "Ready",
            Signer::Refused(word, _) => word,
        })
    }
}

impl Meshes {
    /// Asks the store for the key of all its brokers, and offers one for the case that it has none.
    pub(super) fn ask_signer(&mut self, cx: &mut Cx<'_>) {
        if !matches!(self.signer, Signer::Unknown) {
            return;
        }
        let Some(vault_key) = &cx.config.vault_key else {
            self.signer = Signer::Refused("no_key_file", "this broker has no key file to sign receipts with");
            return;
        };
        let seed = cx.rng.key();
        let Some(sealed) = vault::seal(vault_key, cx.rng, &seed) else {
            self.signer = Signer::Refused("bad_key_file", "the key file does not hold a 32-byte key");
            return;
        };
        let public = PublicKey(SigningKey::from_bytes(&seed).verifying_key().to_bytes());
        cx.stage(Op::KeepSigner(Box::new(SignerRow { public, sealed })), None, After::Signer);
    }

    /// The store has told it.
    pub(super) fn signer_kept(&mut self, cx: &mut Cx<'_>, ended: Ended) {
        let Ended::Done(Reply::Signer(row)) = ended else { return };
        let seed = cx.config.vault_key.as_ref().and_then(|key| vault::open(key, &row.sealed));
        let key = seed.and_then(|seed| Some(SigningKey::from_bytes(&seed.try_into().ok()?)));
        self.signer = match key.filter(|key| key.verifying_key().to_bytes() == row.public.0) {
            Some(key) => Signer::Ready(Arc::new(key)),
            None => {
                cx.note(Level::Warn, || {
                    let way_out = "start every broker of this store with the same key file";
                    Note::new(Level::Warn, "receipts refused").with("way_out", way_out)
                });
                Signer::Refused("wrong_key_file", "the key of receipts was sealed under another key file")
            }
        };
        self.resident.values_mut().for_each(|mesh| mesh.signer = self.signer.clone());
    }
}

impl Mesh {
    /// Whether a send can have the receipt that it asks for.
    pub(super) fn check_receipt(&self, cx: &Cx<'_>, wish: &Wish<'_>) -> Result<(), No> {
        let bad = |word, text| No::new(Counter::SendBad, format!("invalid: {word} {text}"));
        match &self.signer {
            _ if !wish.receipt => Ok(()),
            _ if wish.key.is_none() => Err(bad("schema", "a receipt needs a client_message_id")),
            Signer::Refused(word, text) => Err(bad(word, text)),
            Signer::Ready(_) if cx.store.history.is_some() => Ok(()),
            Signer::Ready(_) | Signer::Unknown => Err(No::busy()),
        }
    }

    /// What the receipt of a message says, under each id it may turn out to have.
    pub(super) fn drafts(
        &self,
        cx: &Cx<'_>,
        ids: &MessageIds,
        (wish, member): (&Wish<'_>, MailboxNo),
        (position, old): (Position, Option<Position>),
    ) -> Option<Box<Drafts>> {
        let (key, history) = (wish.key.as_ref().filter(|_| wish.receipt)?, cx.store.history?);
        let body = Likeness::digest(&wish.nonce, &wish.ciphertext, wish.reply_to.as_deref());
        let sender = self.roster.members.get(member)?;
        let draft = |position| {
            let content = Content {
                accepted_at: cx.now.wall.iso(),
                body_sha256: HEXLOWER.encode(&body),
                client_message_id: key.to_string(),
                message_id: ids.encode(position).to_string(),
                request_fingerprint: wish.fingerprint.as_deref().map(str::to_owned),
                sender_member_id: sender.id.as_str().to_owned(),
            };
            content.draft(&self.row.id, history.epoch)
        };
        Some(Box::new(Drafts { plain: draft(position), renamed: old.map(draft) }))
    }

    /// The receipt of a message that is stored, signed; or why there is none.
    pub(super) fn receipt_of(&mut self, row: Option<&ReceiptRow>) -> Result<Box<RawValue>, &'static str> {
        let row = row.ok_or("the message was accepted without a receipt")?;
        let key = match &self.signer {
            Signer::Ready(key) => key,
            Signer::Refused(_, text) => return Err(text),
            Signer::Unknown => return Err("the store has not told the key of receipts yet: ask again"),
        };
        let id = &self.row.id;
        let signed = self.signed.filter(|signed| signed.end == row.end);
        let signed =
            signed.unwrap_or_else(|| Signed { end: row.end, signature: receipt::sign(key, id, row) });
        self.signed = Some(signed);
        let text = receipt::write(id, row, &signed.signature);
        RawValue::from_string(text).map_err(|_| "the receipt that is kept cannot be read")
    }
}
