//! A mailbox by itself.

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
    positions.into_iter().map(|at| PendingRow { tries: 0, message: message(at, Priority::Next) }).collect()
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
fn what_was_pushed_and_came_back_can_be_found_by_what_it_is_called() {
    let mut mailbox = Mailbox::new(MailboxNo(2));
    mailbox.add(message(1, Priority::Now), true, WINDOW);
    mailbox.add(message(2, Priority::Now), true, WINDOW);
    assert!(mailbox.take_pushed(|_| true).is_none());
    let mut item = mailbox.take(OPEN).unwrap();
    item.pushed = true;
    mailbox.put_back(item);
    assert!(mailbox.take_pushed(|message| message.position == Position(2)).is_none());
    assert!(mailbox.take_pushed(|_| true).is_some_and(|item| item.position() == Position(1)));
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
