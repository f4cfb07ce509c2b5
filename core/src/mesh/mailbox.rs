//! One mailbox: its lanes of waiting messages and its leases.
//!
//! *Decides* which message is next and what comes back when a lease ends. *Does not* know connections,
//! statuses or the store: `deliver.rs` does.
//!
//! *Always holds:* every pending delivery of the mailbox is in `leases`, in a lane's `items`, set `aside`, or
//! in the store beyond its lane's `tail`; a lane's items are in order of position. One whose end is being
//! written is in `ending` instead, and no page brings it back.

mod place;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use crate::ids::{MailboxNo, Position};
use crate::kit::fair::Turns;
use crate::message_id::MessageId;
use crate::planted::planted;
use crate::store::{Message, PendingRow, Priority};
use crate::surface::SessionId;
use crate::time::Mono;

pub(crate) use place::Place;

/// A message on its way to one mailbox.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub message: Arc<Message>,
    /// How often it was pushed and may have failed for its own sake.
    pub tries: u32,
    /// It was pushed at all, so it may be acknowledged by its sender's id.
    pub pushed: bool,
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
            lane.push(Item { message, tries: 0, pushed: false });
        } else {
            lane.more = true;
        }
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

    /// Takes the message whose turn it is among the lanes that may be delivered. A lane whose page is on its
    /// way keeps its turn, or the others would pass it (I7).
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

    /// Takes out what was pushed before and waits again, the oldest that fits.
    pub(crate) fn take_pushed(&mut self, wanted: impl Fn(&Message) -> bool) -> Option<Item> {
        let position = self.lanes.iter().find_map(|lane| {
            // What was pushed waits at the front.
            let mut pushed = lane.items.iter().take_while(|item| item.pushed);
            pushed.find(|item| wanted(&item.message)).map(Item::position)
        })?;
        self.take_out(position)
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

    /// True when something may be pushed from here, or a page asked for.
    pub(crate) fn waits(&self) -> bool {
        self.lanes.iter().any(|lane| lane.more || !lane.items.is_empty())
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
        let leased = leased && !planted("expiry_while_leased");
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
                self.more = !planted("page_forgets_the_rest");
                return;
            }
            self.tail = row.message.position;
            if !has_ended(&self.tail) {
                self.push(Item { message: row.message, tries: row.tries, pushed: row.tries > 0 });
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
        let at = if planted("lane_overtaken_on_return") { self.items.len() } else { at };
        self.items.insert(at, item);
    }
}

#[cfg(test)]
mod tests;
