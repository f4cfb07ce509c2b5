//! The last judgement: everything has settled, and the books agree with the store.

use std::collections::BTreeSet;

use peermesh_core::store::model::{Fate, Model};

use super::Oracle;
use super::rules::{Judged, Rule, broken};

impl Oracle {
    /// True while some copy waits.
    pub(in crate::sim) fn waiting(&self) -> usize {
        self.ledger.waiting.values().map(BTreeSet::len).sum()
    }

    /// The books agree with the store (I1, I15).
    pub(in crate::sim) fn close_books(&self, model: &Model) -> Judged {
        for (position, mail) in &self.ledger.mail {
            for (mailbox, copy) in &mail.copies {
                let fate = model.fate(&mail.message, *mailbox);
                let told = copy.ended.map_or(Fate::Pending, Fate::Ended);
                if fate != Some(told) {
                    let text = format!("{position} in mailbox {mailbox} is {fate:?}, and was {told:?}");
                    return broken(Rule::I1, text);
                }
            }
        }
        let ledger = &self.ledger;
        let waiting = self.waiting() as u64;
        let sum = waiting + ledger.ended_copies;
        if ledger.accepted_copies != sum || model.pending() as u64 != waiting {
            let text = format!(
                "{} copies were accepted, {waiting} wait, {} ended; the store has {} that wait",
                ledger.accepted_copies,
                ledger.ended_copies,
                model.pending()
            );
            return broken(Rule::I15, text);
        }
        Ok(())
    }

    /// What still waits, for a person.
    pub(in crate::sim) fn first_waiting(&self) -> Option<String> {
        let (mailbox, waiting) = self.ledger.waiting.iter().find(|(_, waiting)| !waiting.is_empty())?;
        let position = waiting.first()?;
        let mail = self.ledger.mail.get(position)?;
        let copy = mail.copies.get(mailbox)?;
        Some(format!("{position} ({:?}) waits in mailbox {mailbox}: {copy:?}", mail.message.priority))
    }
}
