//! What senders may spend (I15): what was refused after it spent stays spent.

use std::collections::VecDeque;

use super::rules::{Judged, Rule, broken};
use super::{Oracle, Said};
use crate::sim::cast::Who;
use crate::sim::clock::MS;

/// What a member has spent for sure since its mesh came into memory.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// The last charges: when the send was sent at the earliest, and what it cost.
    charges: VecDeque<(u64, u64)>,
    /// When it was told last that nothing is left.
    spent_at: Option<u64>,
}

/// Charges that are looked at together.
const CHARGES: usize = 40;

impl Oracle {
    /// The budgets of a mesh begin anew: it came into memory.
    pub(super) fn refill(&mut self, mesh: usize) {
        self.budgets.retain(|who, _| who.mesh != mesh);
    }

    /// A sender was told that nothing is left.
    pub(super) fn is_spent(&mut self, said: &Said<'_>, who: Who) {
        self.budgets.entry(who).or_default().spent_at = Some(said.at);
    }

    /// True while nothing can have come in since a sender was told that nothing is left.
    pub(super) fn has_nothing(&self, said: &Said<'_>, who: Who) -> bool {
        let spent_at = self.budgets.get(&who).and_then(|budget| budget.spent_at);
        let rate = self.limits.send_rate_per_minute();
        spent_at.is_some_and(|at| ((said.at - at) / MS).saturating_mul(rate) < 60_000)
    }

    /// A send was charged for. Each of the last charges was made between its sending and this moment, so in
    /// no stretch of them more can have been spent than there was.
    pub(super) fn charge(&mut self, said: &Said<'_>, who: Who, key: &str, cost: u64) -> Judged {
        let rate = self.limits.send_rate_per_minute();
        let Some(sent) = self.ledger.sent.get_mut(&(who, key.to_owned())) else { return Ok(()) };
        if rate == 0 || std::mem::replace(&mut sent.is_charged, true) {
            return Ok(());
        }
        let burst = self.limits.send_burst();
        let charges = &mut self.budgets.entry(who).or_default().charges;
        charges.push_back((sent.first_at, cost.clamp(1, burst.max(1))));
        if charges.len() > CHARGES {
            charges.pop_front();
        }
        let (mut spent, mut since) = (0, said.at);
        for (first_at, cost) in charges.iter().rev() {
            spent += cost;
            since = since.min(*first_at);
            let earned = ((said.at - since) / MS).saturating_mul(rate).div_ceil(60_000);
            if spent > burst + earned + 1 {
                let millis = (said.at - since) / MS;
                let text = format!("{who:?} spent {spent} in {millis} ms of {burst} and {rate} a minute");
                return broken(Rule::I15, text);
            }
        }
        Ok(())
    }
}
