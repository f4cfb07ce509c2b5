//! One mailbox: its lanes of waiting messages and its leases.
//!
//! *Decides* which message is next and what comes back when a lease ends. *Does not* know connections, statuses or
//! the store: `deliver.rs` does.
//!
//! *Always holds:* every pending delivery of the mailbox is in `leases`, in a lane's `items`, set `aside`, or in the
//! store beyond its lane's `tail`; a lane's items are in order of position. One whose end is being written is in
//! `ending` instead, and no page brings it back.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::ids::{MailboxNo, Position};
use crate::kit::fair::Turns;
use crate::message_id::MessageId;
use crate::store::{Message, PendingRow, Priority};
use crate::surface::SessionId;
use crate::time::Mono;

/// A message on its way to one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub message: Arc<Message>,
    /// How often it was pushed.
    pub tries: u32,
}

impl Item {
    pub(crate) fn position(&self) -> Position {
        self.message.position
    }
}

/// A message that was pushed and not acknowledged yet.
#[derive(Debug)]
pub(crate) struct Lease {
    pub item: Item,
    /// The id it was pushed under.
    id: MessageId,
    pub session: SessionId,
    pub until: Mono,
}

#[derive(Debug)]
pub(crate) struct Mailbox {
    /// Whose it is: the member's number.
    pub member: MailboxNo,
    lanes: [Lane; 3],
    turns: Turns,
    /// In the order they were lent, which is the order they end in.
    leases: VecDeque<Lease>,
    /// Messages whose only possible taker is the session that sent them.
    aside: Vec<Item>,
    /// Deliveries that have ended, although the store may not know it yet.
    ending: BTreeSet<Position>,
    /// Deliveries whose rows went while a page was on its way, which may show them still.
    gone: BTreeSet<Position>,
    /// Deliveries whose rows are not gone from the store, accepted but uncommitted ones included.
    pub queued: u64,
}

#[derive(Debug, Default)]
struct Lane {
    items: VecDeque<Item>,
    bytes: u64,
    /// Everything up to here was loaded once.
    tail: Position,
    /// The last committed message of this lane, as far as known.
    newest: Position,
    /// The store has more beyond `tail`.
    more: bool,
    /// A page was asked for.
    loading: bool,
    /// What `newest` was then: the page shows everything up to it.
    asked: Position,
    /// The last page could not be read.
    unread: bool,
}

/// How much of a lane is kept in memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub messages: u64,
    pub bytes: u64,
}

impl Mailbox {
    pub(crate) fn new(member: MailboxNo) -> Mailbox {
        Mailbox {
            member,
            lanes: Default::default(),
            turns: Turns::default(),
            leases: VecDeque::new(),
            aside: Vec::new(),
            ending: BTreeSet::new(),
            gone: BTreeSet::new(),
            queued: 0,
        }
    }

    /// The store holds this many deliveries in a lane that was never looked at.
    pub(crate) fn expect(&mut self, priority: Priority, messages: u64) {
        self.queued += messages;
        self.lane(priority).more |= messages > 0;
    }

    /// A delivery was committed. `wanted` says that somebody is there to take it soon.
    pub(crate) fn add(&mut self, message: Arc<Message>, wanted: bool, window: Window) {
        let position = message.position;
        let lane = self.lane(message.priority);
        if position <= lane.tail {
            // A page that was read in the meantime brought it already.
            return;
        }
        lane.newest = lane.newest.max(position);
        if wanted && !lane.more && !lane.loading && lane.has_room(window) {
            lane.tail = position;
            lane.push(Item { message, tries: 0 });
        } else {
            lane.more = true;
        }
    }

    /// A commit whose outcome stays unknown may have put something into this lane.
    pub(crate) fn suspect(&mut self, priority: Priority, position: Position) {
        let lane = self.lane(priority);
        lane.newest = lane.newest.max(position);
        lane.more = true;
    }

    /// Takes in a page of the store's that was asked for after that position, as far as the window allows.
    pub(crate) fn fill(
        &mut self,
        priority: Priority,
        after: Position,
        rows: Vec<PendingRow>,
        complete: bool,
        window: Window,
    ) {
        let (ending, gone) = (&self.ending, &self.gone);
        let has_ended = |position: &Position| ending.contains(position) || gone.contains(position);
        let lane = &mut self.lanes[usize::from(priority.rank())];
        (lane.loading, lane.unread) = (false, false);
        // After an unload these rows may no longer follow what the lane holds.
        if after == lane.tail {
            lane.fill(rows, complete, window, has_ended);
        }
        self.forget_gone();
    }

    /// A page could not be read; it will be asked for again.
    pub(crate) fn unfilled(&mut self, priority: Priority) {
        let lane = self.lane(priority);
        (lane.loading, lane.unread) = (false, true);
        self.forget_gone();
    }

    /// A page that is asked for from here on cannot show what has gone before.
    fn forget_gone(&mut self) {
        if !self.is_loading() {
            self.gone.clear();
        }
    }

    fn is_loading(&self) -> bool {
        self.lanes.iter().any(|lane| lane.loading)
    }

    /// The page to ask for next among the lanes that may be delivered, if one runs low.
    pub(crate) fn page_wanted(
        &mut self,
        open: [bool; 3],
        window: Window,
    ) -> Option<(Priority, Position, u64)> {
        for (priority, is_open) in Priority::ALL.into_iter().zip(open) {
            let lane = self.lane(priority);
            let low = (lane.items.len() as u64) < window.messages.div_ceil(2) && lane.bytes < window.bytes;
            if is_open && lane.more && !lane.loading && low {
                (lane.loading, lane.asked) = (true, lane.newest);
                return Some((priority, lane.tail, window.messages));
            }
        }
        None
    }

    /// Takes the message whose turn it is among the lanes that may be delivered. A lane whose page is on its way
    /// keeps its turn, or the others would pass it (I7).
    pub(crate) fn take(&mut self, open: [bool; 3]) -> Option<Item> {
        let waiting = [0, 1, 2].map(|lane| open[lane] && self.lanes[lane].waits());
        let mut turns = self.turns;
        let lane = turns.pick(waiting)?;
        let item = self.lanes[lane].pop()?;
        self.turns = turns;
        Some(item)
    }

    /// Puts a message back to where it came from, ahead of everything later.
    pub(crate) fn put_back(&mut self, item: Item) {
        self.lane(item.message.priority).insert(item);
    }

    pub(crate) fn set_aside(&mut self, item: Item) {
        self.aside.push(item);
    }

    /// Messages that were set aside wait in their lanes again.
    pub(crate) fn reconsider(&mut self) {
        for item in std::mem::take(&mut self.aside) {
            self.put_back(item);
        }
    }

    pub(crate) fn lend(&mut self, item: Item, id: MessageId, session: SessionId, until: Mono) {
        self.leases.push_back(Lease { item, id, session, until });
    }

    /// The message that is lent under that id. Telling this by the text costs less than resolving the id.
    pub(crate) fn lent_as(&self, id: &str) -> Option<Position> {
        self.leases.iter().find(|lease| *lease.id == *id).map(|lease| lease.item.position())
    }

    pub(crate) fn leased(&self) -> usize {
        self.leases.len()
    }

    /// When the oldest lease ends.
    pub(crate) fn lease_end(&self) -> Option<Mono> {
        self.leases.front().map(|lease| lease.until)
    }

    /// Leases that ended by time.
    pub(crate) fn lapsed(&mut self, now: Mono) -> Vec<Lease> {
        let ended = self.leases.iter().take_while(|lease| lease.until <= now).count();
        self.leases.drain(..ended).collect()
    }

    /// Leases that end because their holder's connection did, oldest first.
    pub(crate) fn released(&mut self, session: SessionId) -> Vec<Lease> {
        let (gone, kept): (Vec<Lease>, Vec<Lease>) =
            self.leases.drain(..).partition(|lease| lease.session == session);
        self.leases = kept.into();
        gone
    }

    /// Takes out what is leased to that session, the oldest that fits.
    pub(crate) fn take_leased(
        &mut self,
        session: SessionId,
        wanted: impl Fn(&Message) -> bool,
    ) -> Option<Item> {
        let at = self.leases.iter().position(|one| one.session == session && wanted(&one.item.message))?;
        self.leases.remove(at).map(|lease| lease.item)
    }

    /// Takes out a delivery wherever it is in memory. Whoever knows a message's id has it.
    pub(crate) fn take_out(&mut self, position: Position) -> Option<Item> {
        if let Some(at) = self.leases.iter().position(|lease| lease.item.position() == position) {
            return self.leases.remove(at).map(|lease| lease.item);
        }
        if let Some(at) = self.aside.iter().position(|item| item.position() == position) {
            return Some(self.aside.remove(at));
        }
        self.lanes.iter_mut().find_map(|lane| {
            let at = lane.items.binary_search_by_key(&position, Item::position).ok()?;
            lane.remove(at)
        })
    }

    /// True when a delivery may wait in the store without being in memory.
    pub(crate) fn is_partly_stored(&self) -> bool {
        self.lanes.iter().any(|lane| lane.more)
    }

    /// A delivery ended: its row is to go. False when it is going already.
    pub(crate) fn begin_end(&mut self, position: Position) -> bool {
        self.ending.insert(position)
    }

    /// True for a delivery that has ended and whose row is to go.
    pub(crate) fn is_ending(&self, position: Position) -> bool {
        self.ending.contains(&position)
    }

    /// The row of a delivery is gone.
    pub(crate) fn ended(&mut self, position: Position) {
        self.ending.remove(&position);
        if self.is_loading() {
            self.gone.insert(position);
        }
        self.queued = self.queued.saturating_sub(1);
    }

    /// Removes a delivery that waits too long. False when it is leased, and may still be acknowledged.
    pub(crate) fn expire(&mut self, position: Position) -> bool {
        let leased = self.leases.iter().any(|lease| lease.item.position() == position);
        if !leased {
            self.take_out(position);
        }
        !leased
    }

    /// Forgets messages that only fill memory while nobody is there to take them; the store has them.
    pub(crate) fn unload(&mut self) {
        self.reconsider();
        for lane in &mut self.lanes {
            if let (Some(first), Some(last)) = (lane.items.front(), lane.items.back()) {
                lane.newest = lane.newest.max(last.position());
                lane.tail = Position(first.position().0.saturating_sub(1));
                lane.more = true;
                lane.items = VecDeque::new();
                lane.bytes = 0;
            }
        }
    }

    /// True when nothing would be lost with it: it holds nothing, and nothing is on its way to or from it.
    pub(crate) fn is_void(&self) -> bool {
        let lanes = self.lanes.iter().all(|lane| lane.items.is_empty() && !lane.more && !lane.loading);
        lanes && self.queued == 0 && self.leases.is_empty() && self.aside.is_empty() && self.ending.is_empty()
    }

    /// Takes out everything that is in memory, leased or not.
    pub(crate) fn empty(&mut self) -> Vec<Item> {
        self.reconsider();
        let mut items: Vec<Item> = self.leases.drain(..).map(|lease| lease.item).collect();
        for lane in &mut self.lanes {
            items.extend(lane.items.drain(..));
            lane.bytes = 0;
        }
        items
    }

    fn lane(&mut self, priority: Priority) -> &mut Lane {
        &mut self.lanes[usize::from(priority.rank())]
    }
}

impl Lane {
    /// True when something is there, or about to be.
    fn waits(&self) -> bool {
        !self.items.is_empty() || self.loading && !self.unread
    }

    fn has_room(&self, window: Window) -> bool {
        (self.items.len() as u64) < window.messages && self.bytes < window.bytes
    }

    fn fill(
        &mut self,
        rows: Vec<PendingRow>,
        complete: bool,
        window: Window,
        has_ended: impl Fn(&Position) -> bool,
    ) {
        for row in rows {
            if !self.items.is_empty() && !self.has_room(window) {
                self.more = true;
                return;
            }
            self.tail = row.message.position;
            if !has_ended(&self.tail) {
                self.push(Item { message: row.message, tries: row.tries });
            }
        }
        if complete {
            // Whatever else was expected up to there has ended in the store.
            self.tail = self.tail.max(self.asked);
        }
        self.more = !complete || self.newest > self.tail;
    }

    fn push(&mut self, item: Item) {
        self.bytes += item.message.queued_bytes();
        self.items.push_back(item);
    }

    fn pop(&mut self) -> Option<Item> {
        self.remove(0)
    }

    fn remove(&mut self, at: usize) -> Option<Item> {
        let item = self.items.remove(at)?;
        self.bytes = self.bytes.saturating_sub(item.message.queued_bytes());
        Some(item)
    }

    fn insert(&mut self, item: Item) {
        self.bytes += item.message.queued_bytes();
        let at = self.items.partition_point(|other| other.position() < item.position());
        self.items.insert(at, item);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnId, MeshNo};
    use crate::message_id::MessageIds;
    use crate::store::Target;
    use crate::time::Wall;

    const WINDOW: Window = Window { messages: 4, bytes: 1_000 };
    const SESSION: SessionId = SessionId(ConnId(1));
    const OPEN: [bool; 3] = [true; 3];

    fn message(position: u64, priority: Priority) -> Arc<Message> {
        Arc::new(Message {
            position: Position(position),
            mesh: MeshNo(1),
            sender: MailboxNo(1),
            session: MailboxNo(1),
            target: Target::Mailbox(MailboxNo(2)),
            priority,
            at: Wall::from_millis(0),
            nonce: "".into(),
            ciphertext: "YQ==".into(),
            client_message_id: None,
            request_fingerprint: None,
            reply_to: None,
        })
    }

    fn rows(positions: impl IntoIterator<Item = u64>) -> Vec<PendingRow> {
        positions
            .into_iter()
            .map(|at| PendingRow { tries: 0, message: message(at, Priority::Next) })
            .collect()
    }

    fn taken(mailbox: &mut Mailbox) -> Vec<u64> {
        std::iter::from_fn(|| mailbox.take(OPEN)).map(|item| item.position().0).collect()
    }

    #[test]
    fn messages_leave_in_the_order_they_were_accepted() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        for at in 1..=3 {
            mailbox.add(message(at, Priority::Next), true, WINDOW);
        }
        assert_eq!(taken(&mut mailbox), [1, 2, 3]);
    }

    #[test]
    fn what_does_not_fit_in_memory_is_read_from_the_store_without_gap_or_repeat() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        for at in 1..=6 {
            mailbox.add(message(at, Priority::Next), true, WINDOW);
        }
        assert_eq!(taken(&mut mailbox), [1, 2, 3, 4]);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(4), 4)));
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), None, "one page at a time");
        // The page was read before 7 was committed, and 7 was committed before the page came.
        mailbox.add(message(7, Priority::Next), true, WINDOW);
        mailbox.fill(Priority::Next, Position(4), rows(5..=6), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [5, 6]);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(6), 4)));
        mailbox.fill(Priority::Next, Position(6), rows(7..=8), true, WINDOW);
        // The page saw 8 before its commit was reported.
        mailbox.add(message(8, Priority::Next), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [7, 8]);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), None);
    }

    #[test]
    fn what_comes_back_goes_ahead_of_what_is_later() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        for at in 1..=3 {
            mailbox.add(message(at, Priority::Next), true, WINDOW);
        }
        let (one, two) = (mailbox.take(OPEN).unwrap(), mailbox.take(OPEN).unwrap());
        mailbox.put_back(two);
        mailbox.put_back(one);
        assert_eq!(taken(&mut mailbox), [1, 2, 3]);
    }

    #[test]
    fn a_mailbox_that_was_unloaded_is_read_again_from_its_first_waiting_message() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        for at in 4..=6 {
            mailbox.add(message(at, Priority::Next), true, WINDOW);
        }
        let first = mailbox.take(OPEN).unwrap();
        mailbox.put_back(first);
        mailbox.unload();
        assert_eq!(taken(&mut mailbox), [0; 0]);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(3), 4)));
        mailbox.fill(Priority::Next, Position(3), rows(4..=6), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [4, 5, 6]);
    }

    #[test]
    fn a_page_that_was_on_its_way_while_the_mailbox_was_unloaded_leaves_no_gap() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        for at in 1..=6 {
            mailbox.add(message(at, Priority::Next), true, WINDOW);
        }
        let kept: Vec<Item> = (0..3).filter_map(|_| mailbox.take(OPEN)).collect();
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(4), 4)));
        kept.into_iter().for_each(|item| mailbox.put_back(item));
        mailbox.unload();
        mailbox.fill(Priority::Next, Position(4), rows(5..=6), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [0; 0]);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(0), 4)));
    }

    #[test]
    fn a_page_leaves_out_what_has_ended_and_what_does_not_fit() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        mailbox.expect(Priority::Next, 6);
        let small = Window { messages: 2, bytes: 1_000 };
        assert_eq!(mailbox.page_wanted(OPEN, small), Some((Priority::Next, Position(0), 2)));
        assert!(mailbox.begin_end(Position(1)) && !mailbox.begin_end(Position(1)));
        mailbox.fill(Priority::Next, Position(0), rows(1..=6), true, small);
        assert_eq!(taken(&mut mailbox), [2, 3]);
        assert_eq!(mailbox.page_wanted(OPEN, small), Some((Priority::Next, Position(3), 2)));
    }

    #[test]
    fn a_page_that_was_read_before_a_row_went_does_not_bring_it_back() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        mailbox.expect(Priority::Next, 3);
        assert!(mailbox.begin_end(Position(2)));
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(0), 4)));
        // The store read the page, then the row went, then the page came.
        mailbox.ended(Position(2));
        mailbox.fill(Priority::Next, Position(0), rows(1..=3), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [1, 3]);
        assert_eq!(mailbox.queued, 2);
        assert!(mailbox.gone.is_empty(), "what is gone is remembered only while a page is on its way");
    }

    #[test]
    fn a_mailbox_is_void_only_when_nothing_is_in_it_or_on_its_way() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        assert!(mailbox.is_void());
        // Reserved for a commit, in a lane, leased, ending, gone.
        mailbox.queued += 1;
        assert!(!mailbox.is_void());
        mailbox.add(message(1, Priority::Next), true, WINDOW);
        let item = mailbox.take(OPEN).unwrap();
        let id = MessageIds::new([9; 32]).encode(Position(1));
        mailbox.lend(item, id, SESSION, Mono::from_nanos(5));
        assert!(!mailbox.is_void());
        assert!(mailbox.take_out(Position(1)).is_some() && mailbox.begin_end(Position(1)));
        assert!(!mailbox.is_void());
        mailbox.ended(Position(1));
        assert!(mailbox.is_void());
    }

    #[test]
    fn what_ended_in_the_store_is_not_asked_for_again() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        mailbox.add(message(1, Priority::Next), false, WINDOW);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), Some((Priority::Next, Position(0), 4)));
        mailbox.fill(Priority::Next, Position(0), rows(0..0), true, WINDOW);
        assert_eq!(mailbox.page_wanted(OPEN, WINDOW), None);
        mailbox.add(message(2, Priority::Next), true, WINDOW);
        assert_eq!(taken(&mut mailbox), [2]);
    }

    #[test]
    fn f_del_01_an_acknowledgement_counts_while_leased_and_after_the_lease() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        mailbox.add(message(1, Priority::Now), true, WINDOW);
        let item = mailbox.take(OPEN).unwrap();
        let id = MessageIds::new([9; 32]).encode(Position(1));
        mailbox.lend(item, id, SESSION, Mono::from_nanos(5));
        assert_eq!((mailbox.lent_as(&id), mailbox.lent_as(&id[..31])), (Some(Position(1)), None));
        let lapsed = mailbox.lapsed(Mono::from_nanos(5));
        mailbox.put_back(lapsed.into_iter().next().unwrap().item);
        assert!(mailbox.take_leased(SESSION, |_| true).is_none());
        assert!(mailbox.take_out(Position(1)).is_some());
        assert!(mailbox.take_out(Position(1)).is_none());
    }

    #[test]
    fn a_closed_lane_holds_its_messages_and_the_others_go_on() {
        let mut mailbox = Mailbox::new(MailboxNo(2));
        mailbox.add(message(1, Priority::Low), true, WINDOW);
        mailbox.add(message(2, Priority::Now), true, WINDOW);
        let urgent = [true, false, false];
        assert_eq!(mailbox.take(urgent).map(|item| item.position().0), Some(2));
        assert!(mailbox.take(urgent).is_none());
        assert_eq!(taken(&mut mailbox), [1]);
    }
}
