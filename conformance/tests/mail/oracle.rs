//! What may be seen, given what was said: judges every frame, and in the end every message's fate.

use std::collections::{BTreeMap, BTreeSet};

use peermesh_conformance::story::Told;
use serde_json::Value;

/// A message by its sender's identity and key.
pub(crate) type Key = (String, String);

/// What was sent once.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The identity it is for, or a target for many.
    pub(crate) target: String,
    pub(crate) priority: &'static str,
    /// The frame, to be sent again.
    pub(crate) frame: Value,
    /// When it was first sent and when first acknowledged, in deeds.
    first_sent: u64,
    accepted: Option<u64>,
    id: Option<String>,
    /// Who received it, by identity.
    seen_by: BTreeSet<String>,
    /// Its acknowledgement by the recipient was taken: into the store (true), or while that failed.
    done: Option<bool>,
}

#[derive(Debug, Default)]
pub(crate) struct Oracle {
    /// Mail may expire.
    ages: bool,
    /// Mail may die before anybody has seen it.
    dies: bool,
    /// Mail may be under way to somebody who does not look at it.
    pub(crate) sleeps: bool,
    pub(crate) sent: BTreeMap<Key, Sent>,
    keys: BTreeMap<String, Key>,
    deeds: u64,
}

impl Oracle {
    pub(crate) fn new(ages: bool, dies: bool, sleeps: bool) -> Oracle {
        Oracle { ages, dies, sleeps, ..Oracle::default() }
    }

    /// A message goes out, for the first time or again.
    pub(crate) fn sends(&mut self, key: Key, target: &str, priority: &'static str, frame: &Value) {
        self.deeds += 1;
        self.sent.entry(key).or_insert_with(|| Sent {
            target: target.to_owned(),
            priority,
            frame: frame.clone(),
            first_sent: self.deeds,
            accepted: None,
            id: None,
            seen_by: BTreeSet::new(),
            done: None,
        });
    }

    /// Its sender is answered.
    pub(crate) fn acked(&mut self, sender: &str, ack: &Value) -> Told<()> {
        self.deeds += 1;
        let key = (sender.to_owned(), text(ack, "id"));
        if ack.get("error").is_some() {
            let error = text(ack, "error");
            // Nothing in these lives is wrong for good.
            return if error.starts_with("retry: ") { Ok(()) } else { Err(error.into()) };
        }
        if ack["queued"] != true {
            return Err(format!("neither accepted nor refused: {ack}").into());
        }
        self.name(&key, &text(ack, "messageId"))?;
        let deeds = self.deeds;
        if let Some(sent) = self.sent.get_mut(&key) {
            sent.accepted.get_or_insert(deeds);
        }
        Ok(())
    }

    /// One key has one message id, and one id one key (I2).
    fn name(&mut self, key: &Key, id: &str) -> Told<()> {
        let sent = self.sent.get_mut(key).ok_or_else(|| format!("nobody sent {key:?}"))?;
        let known = sent.id.get_or_insert_with(|| id.to_owned());
        if known != id {
            return Err(format!("{key:?} is {known} and {id}").into());
        }
        let owner = self.keys.entry(id.to_owned()).or_insert_with(|| key.clone());
        if owner != key { Err(format!("{id} is {owner:?} and {key:?}").into()) } else { Ok(()) }
    }

    /// A peer receives a push. `gated` says that it is known to be busy.
    pub(crate) fn pushed(&mut self, to: &str, gated: bool, sender: &str, push: &Value) -> Told<()> {
        let key = (sender.to_owned(), text(push, "client_message_id"));
        self.name(&key, &text(push, "messageId"))?;
        let Some(sent) = self.sent.get_mut(&key) else { return Ok(()) };
        if gated && sent.priority != "now" {
            return Err(format!("{to} is busy and got {key:?} of class {}", sent.priority).into());
        }
        if text(push, "priority") != sent.priority || push["ciphertext"] != sent.frame["ciphertext"] {
            return Err(format!("{key:?} was changed on its way: {push}").into());
        }
        if sent.done.is_some() {
            return Err(format!("{to} got {key:?} again after its acknowledgement").into());
        }
        let first = sent.seen_by.insert(to.to_owned()) && sent.seen_by.len() == 1;
        // Past what expired, died or went out unseen a later one may go; nothing tells when that was.
        if first && !self.ages && !self.dies && !self.sleeps {
            self.check_order(&key)?;
        }
        Ok(())
    }

    /// First deliveries of a lane follow the order of acceptance (I4).
    fn check_order(&self, key: &Key) -> Told<()> {
        let this = &self.sent[key];
        let passed = self.sent.iter().find(|((sender, _), other)| {
            let same_lane =
                *sender == key.0 && other.target == this.target && other.priority == this.priority;
            let earlier = other.accepted.is_some_and(|at| at < this.first_sent);
            same_lane && this.is_direct() && earlier && other.seen_by.is_empty()
        });
        passed.map_or(Ok(()), |(other, _)| Err(format!("{key:?} came before {other:?}").into()))
    }

    /// A recipient acknowledged this message and was understood; `stored` while the store is well.
    pub(crate) fn done(&mut self, id: &str, stored: bool) {
        let Some(sent) = self.keys.get(id).and_then(|key| self.sent.get_mut(key)) else { return };
        if sent.is_direct() {
            sent.done = Some(stored || sent.done == Some(true));
        }
    }

    /// The broker ended: what was not stored is forgotten.
    pub(crate) fn broker_ended(&mut self) {
        self.sent.values_mut().for_each(|sent| sent.done = sent.done.filter(|stored| *stored));
    }

    /// The ids of everything that was accepted, each with the key it belongs to.
    pub(crate) fn ids(&self) -> Vec<(Key, String)> {
        let accepted = self.sent.iter().filter(|(_, sent)| sent.accepted.is_some());
        accepted.filter_map(|(key, sent)| Some((key.clone(), sent.id.clone()?))).collect()
    }

    /// In the end each delivery is over, and what counts as delivered was seen (I1, I12).
    pub(crate) fn judge(&self, key: &Key, status: &Value, identities: &BTreeMap<String, String>) -> Told<()> {
        let sent = &self.sent[key];
        for recipient in status["recipients"].as_array().into_iter().flatten() {
            let (word, pubkey) = (text(recipient, "status"), text(recipient, "pubkey"));
            let identity = identities.get(&pubkey).ok_or_else(|| format!("{key:?} went to {pubkey}"))?;
            let seen = sent.seen_by.iter().any(|by| member_of(by) == member_of(identity));
            match word.as_str() {
                "delivered" if seen => {}
                "dead" if seen || self.dies => {}
                "expired" if self.ages => {}
                _ => return Err(format!("{key:?} for {identity} is {word}, seen: {seen}").into()),
            }
        }
        Ok(())
    }

    pub(crate) fn accepted(&self) -> usize {
        self.sent.values().filter(|sent| sent.accepted.is_some()).count()
    }

    pub(crate) fn delivered(&self) -> usize {
        self.sent.values().filter(|sent| sent.accepted.is_some() && !sent.seen_by.is_empty()).count()
    }
}

impl Sent {
    fn is_direct(&self) -> bool {
        !self.target.starts_with(['*', '@'])
    }
}

/// The member an identity belongs to.
pub(crate) fn member_of(identity: &str) -> &str {
    identity.split('.').next().unwrap_or(identity)
}

pub(crate) fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}
