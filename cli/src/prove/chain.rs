//! What receipts of one mesh say together.
//!
//! *Decides* whether they are one chain, and one for each history that was lost. *Does not* check a receipt
//! by itself: whoever hands them over has done that.

use std::collections::BTreeMap;

use peermesh_core::ids::{HistoryEpoch, MeshId};
use peermesh_core::time::Wall;
use serde_json::{Value, json};

use super::{Demand, Line, ProveError};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;

/// The receipts of one mesh.
pub(super) struct Chain {
    pub(super) mesh: MeshId,
    /// How many there are.
    pub(super) receipts: usize,
    /// Each history with its first and last number, in the order of the first.
    pub(super) histories: Vec<(HistoryEpoch, u64, u64)>,
}

/// Checks all of them together, mesh by mesh.
pub(super) fn judge(lines: Vec<Line>, demand: Demand) -> Result<Vec<Chain>, ProveError> {
    let mut meshes: BTreeMap<MeshId, Vec<Line>> = BTreeMap::new();
    for line in lines {
        meshes.entry(line.receipt.mesh.clone()).or_default().push(line);
    }
    meshes.into_iter().map(|(mesh, lines)| Links::new(mesh, lines)?.judge(demand)).collect()
}

/// Receipts of one mesh by their numbers, each once, with the place of the one that each follows.
struct Links {
    mesh: MeshId,
    lines: Vec<Line>,
    before: Vec<Option<usize>>,
}

impl Links {
    fn new(mesh: MeshId, mut lines: Vec<Line>) -> Result<Links, ProveError> {
        lines.sort_by_key(|Line { line, receipt }| (receipt.sequence, receipt.epoch, *line));
        for pair in lines.windows(2) {
            let [one, two] = [&pair[0], &pair[1]];
            let same_place =
                (one.receipt.sequence, one.receipt.epoch) == (two.receipt.sequence, two.receipt.epoch);
            if same_place && one.receipt.link != two.receipt.link {
                let (one, two, sequence) = (one.line, two.line, one.receipt.sequence);
                return Err(ProveError::Fork { one, two, sequence, mesh });
            }
        }
        // The same receipt may have been kept twice: a retry is answered with it again.
        lines.dedup_by_key(|line| line.receipt.link);
        let by_link: BTreeMap<[u8; 32], usize> =
            lines.iter().enumerate().map(|(place, line)| (line.receipt.link, place)).collect();
        let before = lines.iter().map(|line| by_link.get(&line.receipt.previous).copied()).collect();
        Ok(Links { mesh, lines, before })
    }

    fn judge(self, demand: Demand) -> Result<Chain, ProveError> {
        for place in 0..self.lines.len() {
            self.judge_link(place, demand.some)?;
        }
        let histories = self.judge_histories()?;
        self.judge_keys(demand.retention_days)?;
        Ok(Chain { mesh: self.mesh, receipts: self.lines.len(), histories })
    }

    /// A receipt follows the one of the number before it, of its own history or of one that was adopted.
    fn judge_link(&self, place: usize, some: bool) -> Result<(), ProveError> {
        let Line { line, receipt } = &self.lines[place];
        let (line, sequence, mesh) = (*line, receipt.sequence, self.mesh.clone());
        if sequence == 1 {
            return Ok(());
        }
        if let Some(other) = self.before[place].map(|before| &self.lines[before]) {
            let (before, last) = (other.line, other.receipt.sequence);
            let follows = last == sequence - 1;
            let skipped = ProveError::Skipped { line, before, sequence, last, mesh };
            return if follows { Ok(()) } else { Err(skipped) };
        }
        let is_before =
            |other: &&Line| other.receipt.sequence == sequence - 1 && other.receipt.epoch == receipt.epoch;
        match self.lines.iter().find(is_before) {
            Some(other) => Err(ProveError::Broken { line, before: other.line, sequence, mesh }),
            None if some => Ok(()),
            None => Err(ProveError::Gap { line, sequence, mesh }),
        }
    }

    /// A history begins once, behind a receipt of another one or with number 1, and has nothing before that.
    fn judge_histories(&self) -> Result<Vec<(HistoryEpoch, u64, u64)>, ProveError> {
        let mut known: Vec<(HistoryEpoch, u64, u64)> = Vec::new();
        let mut first_lines = Vec::new();
        for (place, Line { line, receipt }) in self.lines.iter().enumerate() {
            let (epoch, sequence) = (receipt.epoch, receipt.sequence);
            let is_other = |before: usize| self.lines[before].receipt.epoch != epoch;
            let begins = sequence == 1 || self.before[place].is_some_and(is_other);
            match known.iter().position(|(known, ..)| *known == epoch) {
                None => {
                    known.push((epoch, sequence, sequence));
                    first_lines.push(*line);
                }
                Some(of) if begins => {
                    let (one, two, mesh) = (first_lines[of], *line, self.mesh.clone());
                    return Err(ProveError::Reentered { one, two, epoch, mesh });
                }
                Some(of) => known[of].2 = sequence,
            }
        }
        Ok(known)
    }

    /// A key is accepted once in one history, and once along every chain that leads from one to the next.
    /// What was lost with a history may be accepted again in another one, and what is forgotten by age too.
    fn judge_keys(&self, retention_days: Option<u32>) -> Result<(), ProveError> {
        let mut seen: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
        for (place, Line { receipt, .. }) in self.lines.iter().enumerate() {
            let (member, key) = (&*receipt.content.sender_member_id, &*receipt.content.client_message_id);
            let known = seen.entry((member, key)).or_default();
            let is_twice = |first: &&usize| {
                self.leads_to(**first, place) && !self.is_forgotten(**first, place, retention_days)
            };
            if let Some(first) = known.iter().find(is_twice) {
                let [one, two] = [*first, place].map(|place| &self.lines[place]);
                return Err(ProveError::KeyTwice {
                    one: one.line,
                    two: two.line,
                    key: key.to_owned(),
                    member: member.to_owned(),
                    first: one.receipt.content.accepted_at.clone(),
                    last: two.receipt.content.accepted_at.clone(),
                });
            }
            known.push(place);
        }
        Ok(())
    }

    fn leads_to(&self, first: usize, mut last: usize) -> bool {
        if self.lines[first].receipt.epoch == self.lines[last].receipt.epoch {
            return true;
        }
        while let Some(before) = self.before[last].filter(|_| last > first) {
            last = before;
        }
        last == first
    }

    /// So long after the first one its key may come again.
    fn is_forgotten(&self, first: usize, last: usize, retention_days: Option<u32>) -> bool {
        let [first, last] =
            [first, last].map(|place| Wall::from_iso(&self.lines[place].receipt.content.accepted_at));
        match (first, last, retention_days) {
            (Some(first), Some(last), Some(days)) => first.after_millis(u64::from(days) * DAY_MS) <= last,
            _ => false,
        }
    }
}

impl Chain {
    pub(super) fn first(&self) -> u64 {
        self.histories.iter().map(|(_, first, _)| *first).min().unwrap_or(0)
    }

    pub(super) fn last(&self) -> u64 {
        self.histories.iter().map(|(.., last)| *last).max().unwrap_or(0)
    }

    /// For programs.
    pub(super) fn json(&self) -> Value {
        let histories: Vec<Value> = self
            .histories
            .iter()
            .map(|(epoch, first, last)| json!({ "history_epoch": epoch.hex(), "first": first, "last": last }))
            .collect();
        json!({
            "mesh_id": self.mesh.as_str(),
            "receipts": self.receipts,
            "first": self.first(),
            "last": self.last(),
            "histories": histories,
        })
    }

    /// For people, line by line.
    pub(super) fn told(&self, some: bool) -> Vec<String> {
        let (first, last) = (self.first(), self.last());
        let whole = if some { "all of them sound" } else { "no gap" };
        let mut told = vec![format!(
            "mesh {}: {} receipts from {first} to {last}, {whole}, no key twice",
            self.mesh, self.receipts
        )];
        if let [_, others @ ..] = &*self.histories {
            told.extend(others.iter().map(|(epoch, first, _)| {
                format!(
                    "  from {first} on another history ({epoch}): the store was restored from an older copy"
                )
            }));
        }
        told
    }
}
