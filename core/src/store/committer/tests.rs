//! The committer under virtual time.

use super::*;
use crate::ids::{MailboxNo, MeshId, MeshNo, Position};
use crate::store::{Accept, Message, Priority, Target};
use crate::time::Wall;

const SPACING: u64 = 2_000_000;

#[test]
fn the_first_write_flies_at_once_and_alone() {
    let mut store = Desk::new();
    store.stages(1);
    assert_eq!(store.flies(), [batch(1, 1)]);
    assert_eq!((store.committer.staged(), store.committer.deadline()), (1, None));
    store.stores(1);
    assert_eq!(store.released(), ["0 done"]);
    assert!(store.committer.is_idle());
}

#[test]
fn writes_staged_while_a_batch_flies_gather_in_the_next_one() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.stages(2);
    assert!(store.flies().is_empty(), "two batches were in flight");
    store.stages(1);
    store.stores(1);
    assert_eq!(store.flies(), [batch(2, 3)]);
    store.stores(2);
    assert_eq!(store.released(), ["0 done", "1 done", "2 done", "3 done"]);
    assert_eq!(store.committer.take_counts(), (2, 0));
    assert_eq!(store.committer.take_counts(), (0, 0));
}

#[test]
fn under_load_batches_start_apart_and_the_deadline_says_when() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.stages(LOADED_OPS);
    store.waits(SPACING / 4);
    store.stores(1);
    assert!(store.flies().is_empty());
    assert_eq!(store.committer.deadline(), Some(Mono::from_nanos(SPACING)));
    store.waits(SPACING / 2);
    store.stages(1);
    assert!(store.flies().is_empty());
    store.waits(SPACING / 4);
    assert_eq!(store.flies(), [batch(2, LOADED_OPS + 1)]);
}

#[test]
fn a_batch_that_took_longer_than_the_spacing_is_followed_at_once() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.stages(LOADED_OPS);
    store.waits(SPACING);
    store.stores(1);
    assert_eq!(store.flies(), [batch(2, LOADED_OPS)]);
}

#[test]
fn when_little_has_gathered_the_next_batch_starts_at_once() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.stages(LOADED_OPS - 1);
    store.stores(1);
    assert_eq!(store.flies(), [batch(2, LOADED_OPS - 1)]);
}

#[test]
fn a_batch_holds_no_more_messages_than_its_bound_and_the_rest_follows_in_order() {
    let mut store = Desk::with(&[("batch_messages_max", 2), ("commit_spacing_us", 0)]);
    for _ in 0..2 {
        store.stages(1);
        store.accepts(2);
    }
    assert_eq!(store.flies(), [batch(1, 4)]);
    store.stores(1);
    assert_eq!(store.flies(), [batch(2, 2)]);
    store.stores(2);
    assert_eq!(store.released(), ["0 done", "1 done", "2 done", "3 done", "4 done", "5 done"]);
}

#[test]
fn a_batch_holds_no_more_operations_than_its_bound() {
    let mut store = Desk::with(&[("batch_ops_max", 3)]);
    store.stages(7);
    assert_eq!(store.flies(), [batch(1, 3)]);
    assert_eq!(store.committer.staged(), 7);
}

#[test]
fn f_acc_07_a_batch_of_unknown_outcome_is_tried_again_after_growing_waits() {
    let mut store = Desk::new();
    store.stages(2);
    store.flies();
    let mut waits = Vec::new();
    for ticket in 1..=7 {
        store.ends(ticket, Err(StoreError::Unknown("cut off".into())));
        assert!(store.flies().is_empty() && store.released().is_empty());
        waits.push(store.jumps_to_deadline() / 1_000_000);
        assert_eq!(store.flies(), [batch(ticket + 1, 2)]);
    }
    assert_eq!(waits, [50, 100, 200, 400, 800, 1_600, 2_000]);
    store.stores(8);
    assert_eq!(store.released(), ["0 done", "1 done"]);
    assert_eq!(store.committer.take_counts(), (1, 7));
}

#[test]
fn f_acc_07_what_is_staged_during_the_waits_does_not_join_the_unknown_batch() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.ends(1, Err(StoreError::Unknown("cut off".into())));
    store.stages(1);
    store.jumps_to_deadline();
    assert_eq!(store.flies(), [batch(2, 1)]);
    store.stores(2);
    assert_eq!(store.flies(), [batch(3, 1)]);
}

#[test]
fn f_acc_07_when_the_tries_run_out_the_waiters_are_told_that_it_is_unknown() {
    let mut store = Desk::with(&[("commit_tries_max", 2)]);
    store.stages(1);
    store.flies();
    store.ends(1, Err(StoreError::Unknown("cut off".into())));
    store.jumps_to_deadline();
    store.flies();
    store.ends(2, Err(StoreError::Unknown("cut off".into())));
    assert_eq!(store.released(), ["0 refused: the outcome of a commit is unknown: cut off"]);
    assert!(store.committer.is_idle());
}

#[test]
fn f_acc_07_a_refused_repetition_leaves_the_first_try_unknown() {
    let mut store = Desk::with(&[("commit_tries_max", 3)]);
    store.stages(1);
    store.flies();
    store.ends(1, Err(StoreError::Unknown("cut off".into())));
    store.jumps_to_deadline();
    store.flies();
    store.ends(2, Err(StoreError::Full));
    assert!(store.released().is_empty());
    store.jumps_to_deadline();
    store.flies();
    store.ends(3, Err(StoreError::Full));
    assert_eq!(store.released(), ["0 refused: the outcome of a commit is unknown: the store is full"]);
}

#[test]
fn f_acc_06_a_refused_batch_is_not_tried_again_and_the_next_one_is() {
    let mut store = Desk::new();
    for (ticket, error) in [
        (1, StoreError::Unavailable("busy".into())),
        (2, StoreError::Full),
        (3, StoreError::Corrupt("x".into())),
    ] {
        store.stages(1);
        store.flies();
        let wanted = format!("{} refused: {error}", ticket - 1);
        store.ends(ticket, Err(error));
        assert_eq!(store.released(), [wanted]);
    }
    assert_eq!(store.committer.take_counts(), (3, 0));
}

#[test]
fn an_answer_of_another_shape_is_refused_as_corrupt() {
    let mut store = Desk::new();
    store.stages(2);
    store.flies();
    store.ends(1, Ok(Answer::Replies(vec![Reply::Done])));
    store.asks(1);
    store.flies();
    store.ends(2, Ok(Answer::Replies(Vec::new())));
    assert!(store.released().iter().all(|line| line.contains("corrupt")));
}

#[test]
fn questions_fly_at_once_while_a_batch_is_in_flight() {
    let mut store = Desk::new();
    store.stages(1);
    store.asks(1);
    assert_eq!(store.flies(), [batch(1, 1), "2 read".to_owned()]);
    store.asks(1);
    assert_eq!(store.flies(), ["3 read"]);
    store.ends(3, Ok(Answer::Found(Box::new(Found::Alive))));
    store.ends(2, Err(StoreError::Unavailable("busy".into())));
    assert_eq!(store.released(), ["2 found", "1 refused: the store is unavailable: busy"]);
    assert!(!store.committer.is_idle());
}

#[test]
fn questions_beyond_the_bound_wait_and_beyond_that_are_refused() {
    let mut store = Desk::with(&[("reads_in_flight_max", 1), ("reads_waiting_max", 1)]);
    store.asks(3);
    assert_eq!(store.flies(), ["1 read"]);
    assert!(!store.committer.is_idle());
    store.ends(1, Ok(Answer::Found(Box::new(Found::Alive))));
    assert_eq!(store.released(), ["0 found", "2 refused: the store is unavailable: too many questions wait"]);
    assert_eq!(store.flies(), ["2 read"]);
}

/// A committer with a store that answers when the test says so. Continuations are numbered from 0 as they are
/// staged.
struct Desk {
    committer: Committer<u32>,
    now: Mono,
    named: u32,
    released: Vec<(u32, Ended)>,
    sizes: BTreeMap<u64, usize>,
}

impl Desk {
    fn new() -> Desk {
        Desk::with(&[])
    }

    fn with(set: &[(&str, u64)]) -> Desk {
        let mut limits = Limits::default();
        for (name, value) in set {
            limits.set(name, *value).unwrap();
        }
        Desk {
            committer: Committer::new(&limits),
            now: Mono::START,
            named: 0,
            released: Vec::new(),
            sizes: BTreeMap::new(),
        }
    }

    fn stages(&mut self, count: usize) {
        for _ in 0..count {
            self.committer.stage(Op::LeasePositions { count: 1 }, self.named);
            self.named += 1;
        }
    }

    fn accepts(&mut self, count: usize) {
        for _ in 0..count {
            self.committer.stage(Op::Accept(message()), self.named);
            self.named += 1;
        }
    }

    fn asks(&mut self, count: usize) {
        for _ in 0..count {
            self.committer.ask(Query::Mesh(MeshId::new("m")), self.named);
            self.named += 1;
        }
    }

    fn waits(&mut self, nanos: u64) {
        self.now = Mono::from_nanos(self.now.as_nanos() + nanos);
    }

    fn jumps_to_deadline(&mut self) -> u64 {
        let until = self.committer.deadline().expect("a deadline");
        let waited = until.as_nanos() - self.now.as_nanos();
        self.now = until;
        waited
    }

    fn flies(&mut self) -> Vec<String> {
        let mut todo = Outputs::new();
        self.committer.flush(self.now, &mut todo);
        todo.take().into_iter().map(|output| self.describe(output)).collect()
    }

    fn describe(&mut self, output: Output) -> String {
        let Output::Store(Request { ticket, work }) = output else { panic!("{output:?}") };
        match work {
            Work::Write(written) => {
                self.sizes.insert(ticket.0, written.ops.len());
                batch(ticket.0, written.ops.len())
            }
            Work::Read(_) => format!("{} read", ticket.0),
        }
    }

    fn stores(&mut self, ticket: u64) {
        self.ends(ticket, Ok(Answer::Replies(vec![Reply::Done; self.sizes[&ticket]])));
    }

    fn ends(&mut self, ticket: u64, result: StoreResult) {
        self.committer.stored(self.now, Ticket(ticket), result, &mut self.released);
    }

    fn released(&mut self) -> Vec<String> {
        self.released
            .drain(..)
            .map(|(after, ended)| match ended {
                Ended::Done(_) => format!("{after} done"),
                Ended::Found(_) => format!("{after} found"),
                Ended::Refused(error) => format!("{after} refused: {error}"),
            })
            .collect()
    }
}

fn batch(ticket: u64, ops: usize) -> String {
    format!("{ticket} batch of {ops}")
}

fn message() -> Accept {
    let message = Message {
        position: Position(1),
        mesh: MeshNo(1),
        sender: MailboxNo(1),
        session: MailboxNo(1),
        target: Target::Mailbox(MailboxNo(2)),
        priority: Priority::Next,
        at: Wall::from_millis(0),
        nonce: "".into(),
        ciphertext: "".into(),
        client_message_id: None,
        request_fingerprint: None,
        reply_to: None,
    };
    Accept { message: Arc::new(message), mailboxes: Arc::from([MailboxNo(2)]) }
}
