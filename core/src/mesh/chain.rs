//! How deep answers to answers go: agents that answer each other without end are stopped.
//!
//! *Decides* whether an answer may be sent. A chain of answers, each within `reply_hop_ms` of what it
//! answers, is cut when it gets longer than `reply_hops_max`; from then on, and for as long, nothing that
//! hangs on its first message is taken, whatever it answers there (DEL-09). *Does not* know of chains from
//! before the mesh came into memory: a loop runs once more then. *Always holds:* whoever is refused is told
//! so.

use std::collections::BTreeMap;

use super::acks::No;
use super::wish::Wish;
use super::{Cx, Mesh, Positions};
use crate::config::{Limits, size};
use crate::ids::Position;
use crate::note::{Level, Note};
use crate::stats::Counter;
use crate::time::Mono;

/// Answers of one mesh that may be answered in turn.
#[derive(Debug, Default)]
pub(super) struct Chains {
    links: BTreeMap<Position, Link>,
    /// First messages of chains that were cut, and until when: as many as answers at most.
    cut: BTreeMap<Position, Mono>,
}

/// An answer's place in its chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// The message that answers nothing.
    first: Position,
    /// How many answers there are between it and that, itself included.
    hops: u64,
    at: Mono,
}

/// Why an answer is refused.
#[derive(Debug, PartialEq, Eq)]
struct Cut {
    first: Position,
    /// It is this answer that makes the chain too long.
    is_new: bool,
    wait_ms: u64,
}

impl Chains {
    /// The place of an answer to the message at `answered`.
    fn follow(&mut self, limits: &Limits, now: Mono, answered: Position) -> Result<Link, Cut> {
        let hop_ms = limits.reply_hop_ms();
        let known = self.links.get(&answered).filter(|link| now < link.at.after_millis(hop_ms));
        let (first, hops) = known.map_or((answered, 1), |link| (link.first, link.hops + 1));
        self.cut.retain(|_, until| now < *until);
        if let Some(until) = self.cut.get(&first) {
            return Err(Cut { first, is_new: false, wait_ms: until.millis_since(now) });
        }
        if hops > limits.reply_hops_max() {
            self.cut.insert(first, now.after_millis(hop_ms));
            while self.cut.len() > size(limits.reply_links_per_mesh_max()) {
                self.cut.pop_first();
            }
            return Err(Cut { first, is_new: true, wait_ms: hop_ms });
        }
        Ok(Link { first, hops, at: now })
    }

    /// An answer has its position. Of too many the oldest is forgotten, and with it where its chain began.
    pub(super) fn add(&mut self, limits: &Limits, position: Position, link: Link) {
        self.links.insert(position, link);
        while self.links.len() > size(limits.reply_links_per_mesh_max()) {
            self.links.pop_first();
        }
    }
}

impl Mesh {
    /// The place that a send has among answers to answers, if it answers something.
    pub(super) fn link(
        &mut self,
        cx: &mut Cx<'_>,
        positions: &Positions,
        wish: &Wish<'_>,
    ) -> Result<Option<Link>, No> {
        let limits = &cx.config.limits;
        let Some(answered) = wish.reply_to.as_deref().filter(|_| limits.reply_hops_max() > 0) else {
            return Ok(None);
        };
        let Some(ids) = &positions.ids else { return Ok(None) };
        // What is no id of a message is the sender's own affair, as it always was.
        let Some(answered) = self.names.resolve(ids, answered) else { return Ok(None) };
        self.chains.follow(limits, cx.now.mono, answered).map(Some).map_err(|cut| {
            let first = self.names.encode(ids, cut.first);
            let hops = limits.reply_hops_max();
            if cut.is_new {
                cx.note(Level::Warn, || {
                    let note = Note::new(Level::Warn, "reply chain cut");
                    let note = note.with("mesh_id", self.row.id.as_str());
                    note.with("message_id", &*first).with("hops", hops)
                });
            }
            let text = format!(
                "invalid: reply_chain more than {hops} answers to answers hang on message {}; answer nothing \
                 in that chain for {} ms, or send a message that answers none",
                &*first, cut.wait_ms
            );
            No::new(Counter::SendReplyChain, text)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits() -> Limits {
        let mut limits = Limits::default();
        let bounds = [("reply_hops_max", 2), ("reply_hop_ms", 1_000), ("reply_links_per_mesh_max", 2)];
        for (name, value) in bounds {
            limits.set(name, value).expect("a bound within its range");
        }
        limits
    }

    fn add(chains: &mut Chains, at: Mono, answered: u64, position: u64) -> Result<u64, Cut> {
        let link = chains.follow(&limits(), at, Position(answered))?;
        chains.add(&limits(), Position(position), link);
        Ok(link.hops)
    }

    #[test]
    fn f_del_09_a_chain_of_answers_is_cut_and_so_is_every_branch_of_it() {
        let (mut chains, at) = (Chains::default(), Mono::START.after_millis(5));
        assert_eq!(add(&mut chains, at, 1, 2), Ok(1));
        assert_eq!(add(&mut chains, at, 2, 3), Ok(2));
        let cut = |is_new| Err(Cut { first: Position(1), is_new, wait_ms: 1_000 });
        assert_eq!(add(&mut chains, at, 3, 4), cut(true));
        assert_eq!(add(&mut chains, at, 1, 4), cut(false));
        assert_eq!(add(&mut chains, at, 7, 8), Ok(1));
        let later = at.after_millis(1_000);
        assert_eq!(add(&mut chains, later, 1, 9), Ok(1));
    }

    #[test]
    fn an_answer_after_a_while_begins_anew() {
        let (mut chains, at) = (Chains::default(), Mono::START.after_millis(5));
        assert_eq!(add(&mut chains, at, 1, 2), Ok(1));
        assert_eq!(add(&mut chains, at.after_millis(999), 2, 3), Ok(2));
        assert_eq!(add(&mut chains, at.after_millis(1_999), 3, 4), Ok(1));
    }

    #[test]
    fn so_many_answers_are_remembered() {
        let (mut chains, at) = (Chains::default(), Mono::START.after_millis(5));
        for (answered, position) in [(1, 2), (7, 8), (7, 9), (7, 10)] {
            assert_eq!(add(&mut chains, at, answered, position), Ok(1));
        }
        assert_eq!(chains.links.len(), 2);
        assert_eq!(add(&mut chains, at, 2, 11), Ok(1));
    }

    #[test]
    fn so_many_chains_are_remembered_as_cut() {
        let (mut chains, at) = (Chains::default(), Mono::START.after_millis(5));
        for first in (10..60).step_by(10) {
            assert_eq!(add(&mut chains, at, first, first + 1), Ok(1));
            assert_eq!(add(&mut chains, at, first + 1, first + 2), Ok(2));
            assert!(add(&mut chains, at, first + 2, first + 3).is_err());
        }
        assert_eq!(chains.cut.len(), 2);
        assert!(add(&mut chains, at, 50, 61).is_err(), "the last is still cut");
    }
}
