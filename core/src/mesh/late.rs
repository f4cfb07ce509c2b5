//! Acknowledgements of what is not in memory: the store knows whether it still waits.
//!
//! *Decides* which copy such an acknowledgement settles.
//! *Always holds:* an answer that is older than the end of a delivery does not end it again.

use std::collections::{BTreeSet, VecDeque};

use super::{Cx, Mesh, Then};
use crate::ids::{MailboxNo, Position};
use crate::stats::Counter;
use crate::store::{Ended, Found, MessageView, Outcome, Query, Settled};
use crate::surface::{PresenceNo, SessionId};

/// What the store is asked about a message, for whom.
#[derive(Debug)]
pub(crate) struct LateAck {
    pub(super) asker: (PresenceNo, SessionId),
    position: Position,
    /// The mailboxes of the asker; what lies in the first comes first.
    mailboxes: [MailboxNo; 2],
    no: u64,
}

/// The questions that are on their way, and what ended since the oldest of them was asked: their answers may
/// show it still.
#[derive(Debug, Default)]
pub(super) struct LateAcks {
    next: u64,
    open: BTreeSet<u64>,
    /// Each with the number of the first question that was asked afterwards.
    ended: VecDeque<(u64, MailboxNo, Position)>,
}

impl LateAcks {
    fn ask(&mut self) -> u64 {
        self.next += 1;
        self.open.insert(self.next - 1);
        self.next - 1
    }

    fn answered(&mut self, no: u64) {
        self.open.remove(&no);
        let oldest = self.open.first().copied().unwrap_or(self.next);
        let outlived = self.ended.partition_point(|(after, ..)| *after <= oldest);
        self.ended.drain(..outlived);
    }

    /// The row of a delivery is gone.
    pub(super) fn end(&mut self, settled: &Settled) {
        if !self.open.is_empty() {
            self.ended.push_back((self.next, settled.mailbox, settled.position));
        }
    }

    fn has_ended(&self, mailbox: MailboxNo, position: Position) -> bool {
        self.ended.iter().any(|(_, had, ended)| (*had, *ended) == (mailbox, position))
    }
}

impl Mesh {
    /// Asks the store whether a message waits that a recipient says to have.
    pub(super) fn ask_late(
        &mut self,
        cx: &mut Cx<'_>,
        asker: (PresenceNo, SessionId),
        position: Position,
        mailboxes: [MailboxNo; 2],
    ) {
        let no = self.late_acks.ask();
        self.expect_answer(asker.0);
        let asked = LateAck { asker, position, mailboxes, no };
        self.ask(cx, Query::Message(position), Then::LateAck(Box::new(asked)));
    }

    /// The store has answered.
    pub(super) fn late_ack(&mut self, cx: &mut Cx<'_>, asked: &LateAck, ended: Ended) {
        let LateAck { position, mailboxes, no, .. } = *asked;
        let view = match ended {
            Ended::Found(found) => match *found {
                Found::Message(view) => view.filter(|view| view.message.mesh == self.no),
                _ => None,
            },
            Ended::Done(_) | Ended::Refused(_) => None,
        };
        let waits = |view: &MessageView| {
            let is_there = |no| view.pending.iter().any(|(mailbox, _)| *mailbox == no);
            let is_ending = |no| self.mailboxes.get(no).is_some_and(|waiting| waiting.is_ending(position));
            let has_ended = |no| self.late_acks.has_ended(no, position) || is_ending(no);
            mailboxes.into_iter().find(|no| is_there(*no) && !has_ended(*no))
        };
        let found = view.and_then(|view| Some((waits(&view)?, view.message)));
        self.late_acks.answered(no);
        match found {
            Some((mailbox, message)) => {
                // A page may have brought it in the meantime.
                if let Some(waiting) = self.mailboxes.get_mut(mailbox) {
                    waiting.take_out(position);
                }
                self.settle(cx, mailbox, &message, Outcome::Delivered);
            }
            None => cx.count(Counter::UnknownAck),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Priority;
    use crate::time::Wall;

    const MINE: MailboxNo = MailboxNo(7);

    fn end(late: &mut LateAcks, position: u64) {
        let (priority, at) = (Priority::Next, Wall::from_millis(0));
        let position = Position(position);
        late.end(&Settled { position, mailbox: MINE, priority, at, outcome: Outcome::Delivered });
    }

    #[test]
    fn what_ended_is_remembered_for_as_long_as_an_older_question_is_open() {
        let mut late = LateAcks::default();
        let knows = |late: &LateAcks| [1, 2, 3].map(|position| late.has_ended(MINE, Position(position)));
        end(&mut late, 1);
        assert_eq!(knows(&late), [false; 3], "nobody asks");
        let first = late.ask();
        end(&mut late, 1);
        let second = late.ask();
        end(&mut late, 2);
        assert_eq!(knows(&late), [true, true, false]);
        assert!(!late.has_ended(MailboxNo(8), Position(1)));
        let third = late.ask();
        end(&mut late, 3);
        late.answered(second);
        assert_eq!(knows(&late), [true; 3], "the first is open");
        late.answered(first);
        assert_eq!(knows(&late), [false, false, true], "the third began behind what is forgotten");
        late.answered(third);
        assert_eq!(knows(&late), [false; 3]);
    }
}
