//! What may be seen, given what was said: judges every frame, and in the end every message's fate.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use peermesh_conformance::story::Told;
use serde_json::Value;

use crate::chain::Chain;

/// A message by its sender's member and key.
pub(crate) type Key = (String, String);

/// A connection: whose, and the how many-th of theirs.
pub(crate) type Line = (String, u32);

/// How the id of a send begins that means something else under a key that is used.
pub(crate) const OTHER: &str = "other-";

/// What was sent under one key.
#[derive(Debug)]
pub(crate) struct Sent {
    /// The identity it is for, or a target for many.
    pub(crate) target: String,
    /// The frame, to be sent again, and another one that means something else.
    pub(crate) meanings: [Value; 2],
    /// Which of them came first.
    first: Option<usize>,
    /// The other one was sent, too.
    is_contested: bool,
    /// The identities that sent it.
    by: BTreeSet<String>,
    /// The connections that wait for answers to it, and when they sent it, in deeds.
    open: BTreeMap<Line, VecDeque<u64>>,
    /// When it was first sent and when first acknowledged, in deeds.
    first_sent: u64,
    accepted: Option<u64>,
    /// Somebody was told that it is no duplicate.
    is_confirmed: bool,
    id: Option<String>,
    /// When it was accepted, in the broker's words.
    at: Option<String>,
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
    pub(crate) chain: Chain,
    keys: BTreeMap<String, Key>,
    deeds: u64,
    conflicts: usize,
    duplicates: usize,
    refused: usize,
}

impl Oracle {
    pub(crate) fn new(ages: bool, dies: bool, sleeps: bool) -> Oracle {
        Oracle { ages, dies, sleeps, ..Oracle::default() }
    }

    /// A key is used for the first time, or may be.
    pub(crate) fn begins(&mut self, key: &Key, target: &str, meanings: [Value; 2]) {
        self.deeds += 1;
        self.sent.entry(key.clone()).or_insert_with(|| Sent {
            target: target.to_owned(),
            meanings,
            first: None,
            is_contested: false,
            by: BTreeSet::new(),
            open: BTreeMap::new(),
            first_sent: self.deeds,
            accepted: None,
            is_confirmed: false,
            id: None,
            at: None,
            seen_by: BTreeSet::new(),
            done: None,
        });
    }

    /// A frame goes out under a key; gives it, and whether it meets one that is on its way from elsewhere.
    pub(crate) fn sends(&mut self, line: Line, key: &Key, meaning: usize) -> Option<(Value, bool)> {
        let sent = self.sent.get_mut(key)?;
        let meets = sent.open.keys().any(|other| *other != line);
        sent.by.insert(line.0.clone());
        self.deeds += 1;
        sent.open.entry(line).or_default().push_back(self.deeds);
        sent.is_contested |= meaning == 1;
        Some((sent.meanings[meaning].clone(), meets))
    }

    /// Somebody's send is answered.
    pub(crate) fn acked(&mut self, line: &Line, ack: &Value) -> Told<()> {
        self.deeds += 1;
        let id = text(ack, "id");
        let meaning = usize::from(id.starts_with(OTHER));
        let key = (member_of(&line.0).to_owned(), id.trim_start_matches(OTHER).to_owned());
        let error = text(ack, "error");
        let sent = self.sent.get_mut(&key).ok_or_else(|| format!("nobody sent {key:?}"))?;
        let asked = sent.open.get_mut(line).and_then(VecDeque::pop_front).unwrap_or(0);
        sent.open.retain(|_, asked| !asked.is_empty());
        if error.starts_with("retry: ") {
            let of_quota = error.starts_with("retry: rate_limit") || error.starts_with("retry: queue_full");
            self.refused += usize::from(of_quota);
            // What comes after its key is known is answered, whatever is spent or full (I14). One that came
            // before may be refused on one connection and heard of when another one was accepted already.
            return if of_quota && sent.accepted.is_some_and(|accepted| accepted < asked) {
                Err(format!("{key:?}: {ack}").into())
            } else {
                Ok(())
            };
        }
        let is_conflict = error.starts_with("invalid: idempotency_key_reused") && ack["queued"] == false;
        let came_first = if is_conflict { 1 - meaning } else { meaning };
        // Nothing but a conflict is wrong for good in these lives.
        if !is_conflict && (!error.is_empty() || ack["queued"] != true) {
            return Err(format!("neither accepted nor refused for a reason: {ack}").into());
        }
        if *sent.first.get_or_insert(came_first) != came_first {
            return Err(format!("{key:?} was accepted as two requests: {ack}").into());
        }
        if !is_conflict {
            let is_duplicate = ack["duplicate"] == true;
            if !is_duplicate && std::mem::replace(&mut sent.is_confirmed, true) {
                return Err(format!("{key:?} was accepted twice: {ack}").into());
            }
            let at = text(ack, "first_seen_at");
            if *sent.at.get_or_insert_with(|| at.clone()) != at {
                return Err(format!("{key:?} was first seen at two times: {ack}").into());
            }
            self.duplicates += usize::from(is_duplicate);
            if sent.wants_receipt() {
                self.chain.acked(&key, ack)?;
            }
        }
        sent.accepted.get_or_insert(self.deeds);
        self.conflicts += usize::from(is_conflict);
        self.name(&key, &text(ack, if is_conflict { "broker_message_id" } else { "messageId" }))
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
        let key = (member_of(sender).to_owned(), text(push, "client_message_id"));
        self.name(&key, &text(push, "messageId"))?;
        let Some(sent) = self.sent.get_mut(&key) else { return Ok(()) };
        if gated && text(push, "priority") != "now" {
            return Err(format!("{to} is busy and got {key:?}: {push}").into());
        }
        let is_this = |frame: &Value| {
            ["priority", "ciphertext", "replyToId"].iter().all(|field| push[*field] == frame[*field])
        };
        let meaning = sent.meanings.iter().position(is_this);
        let meaning = meaning.ok_or_else(|| format!("{key:?} was changed on its way: {push}"))?;
        if !sent.by.contains(sender) || *sent.first.get_or_insert(meaning) != meaning {
            return Err(format!("{key:?} was accepted as another request: {push}").into());
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
        let passed = self.sent.iter().find(|(_, other)| {
            let same_lane = other.by == this.by
                && other.target == this.target
                && other.meanings[0]["priority"] == this.meanings[0]["priority"];
            let earlier = other.accepted.is_some_and(|at| at < this.first_sent);
            let plain = [this, *other].iter().all(|sent| sent.by.len() == 1 && !sent.is_contested);
            same_lane && plain && this.is_direct() && earlier && other.seen_by.is_empty()
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
        for sent in self.sent.values_mut() {
            sent.done = sent.done.filter(|stored| *stored);
            sent.open.clear();
        }
    }

    /// The ids of everything that was accepted, each with the key it belongs to.
    pub(crate) fn ids(&self) -> Vec<(Key, String)> {
        let accepted = self.sent.iter().filter(|(_, sent)| sent.accepted.is_some());
        accepted.filter_map(|(key, sent)| Some((key.clone(), sent.id.clone()?))).collect()
    }

    /// The keys of all that was to have a receipt, accepted or not.
    pub(crate) fn receipted(&self) -> Vec<Key> {
        let wanted = self.sent.iter().filter(|(_, sent)| sent.wants_receipt());
        wanted.map(|(key, _)| key.clone()).collect()
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

    /// Conflicts, duplicates, and sends that were refused for want of budget or room.
    pub(crate) fn answers(&self) -> [usize; 3] {
        [self.conflicts, self.duplicates, self.refused]
    }

    /// How many messages there must be in the store: those that anybody has heard of, which are all of them
    /// where none ended unseen.
    pub(crate) fn stored(&self) -> Option<usize> {
        (!self.ages && !self.dies).then_some(self.keys.len())
    }

    pub(crate) fn delivered(&self) -> usize {
        self.sent.values().filter(|sent| sent.accepted.is_some() && !sent.seen_by.is_empty()).count()
    }
}

impl Sent {
    /// Which of the meanings was accepted.
    pub(crate) fn first(&self) -> usize {
        self.first.unwrap_or(0)
    }

    fn wants_receipt(&self) -> bool {
        self.meanings[0]["receipt"] == true
    }

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
