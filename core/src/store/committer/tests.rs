//! The committer under virtual time.

use super::*;
use crate::ids::{Epoch, MailboxNo, MeshId, MeshNo, Position};
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
fn when_enough_has_gathered_the_next_batch_waits_for_no_spacing() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.stages(ENOUGH_OPS - 1);
    store.stores(1);
    assert!(store.flies().is_empty());
    store.stages(1);
    assert_eq!(store.flies(), [batch(2, ENOUGH_OPS)]);
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
fn f_acc_07_no_number_of_tries_makes_an_unknown_outcome_a_refusal() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    for ticket in 1..=100 {
        store.ends(ticket, Err(StoreError::Unknown("cut off".into())));
        store.jumps_to_deadline();
        assert_eq!(store.flies(), [batch(ticket + 1, 1)]);
    }
    assert!(store.released().is_empty());
}

#[test]
fn f_acc_07_a_refused_repetition_leaves_the_first_try_unknown() {
    let mut store = Desk::new();
    store.stages(1);
    store.flies();
    store.ends(1, Err(StoreError::Unknown("cut off".into())));
    let refusals = [StoreError::Full, StoreError::Unavailable("x".into()), StoreError::Busy("x".into())];
    for (ticket, refusal) in (2..).zip(refusals) {
        store.jumps_to_deadline();
        assert_eq!(store.flies(), [batch(ticket, 1)]);
        store.ends(ticket, Err(refusal));
        assert!(store.released().is_empty());
    }
    store.jumps_to_deadline();
    store.flies();
    store.stores(5);
    assert_eq!(store.released(), ["0 done"]);
}

#[test]
fn a_batch_carries_each_fence_once_in_order_and_no_mesh_under_two_epochs() {
    let mut store = Desk::new();
    for (mesh, epoch) in [(2, 1), (1, 4), (2, 1), (3, 1)] {
        store.stages_under(mesh, epoch);
    }
    store.stages(1);
    store.stages_under(1, 5);
    store.flies();
    assert_eq!(store.fences, [(1, 4), (2, 1), (3, 1)]);
    store.stores(1);
    assert_eq!(store.flies(), [batch(2, 1)]);
    assert_eq!(store.fences, [(1, 5)]);
}

#[test]
fn what_stands_under_a_lost_fence_is_refused_and_the_rest_flies_again_at_once() {
    let mut store = Desk::new();
    store.stages_under(1, 1);
    store.stages_under(2, 1);
    store.stages(1);
    store.stages_under(1, 1);
    store.flies();
    store.ends(1, Err(StoreError::Fenced(vec![MeshNo(1)])));
    let refused = "refused: another broker owns a mesh of this batch";
    assert_eq!(store.released(), [format!("0 {refused}"), format!("3 {refused}")]);
    assert_eq!(store.committer.take_lost(), [fence(1, 1)]);
    assert_eq!((store.flies(), store.fences.clone()), (vec![batch(2, 2)], vec![(2, 1)]));
    store.stores(2);
    assert_eq!(store.released(), ["1 done", "2 done"]);
    assert_eq!(store.committer.take_counts(), (2, 0));
    assert!(store.committer.take_lost().is_empty() && store.committer.is_idle());
}

#[test]
fn f_acc_07_what_is_fenced_after_an_unknown_try_stays_unknown() {
    let mut store = Desk::new();
    store.stages_under(1, 1);
    store.stages_under(2, 1);
    store.flies();
    store.ends(1, Err(StoreError::Unknown("cut off".into())));
    store.jumps_to_deadline();
    store.flies();
    store.ends(2, Err(StoreError::Fenced(vec![MeshNo(1)])));
    assert!(store.released()[0].starts_with("0 refused: the outcome of a commit is unknown"));
    assert_eq!(store.flies(), [batch(3, 1)]);
    store.ends(3, Err(StoreError::Unavailable("x".into())));
    assert!(store.released().is_empty(), "the rest may have been written by the first try too");
}

#[test]
fn a_batch_whose_meshes_are_all_lost_is_over() {
    let mut store = Desk::new();
    store.stages_under(1, 1);
    store.flies();
    store.stages(1);
    store.ends(1, Err(StoreError::Fenced(vec![MeshNo(1)])));
    assert_eq!(store.flies(), [batch(2, 1)]);
}

#[test]
fn a_fence_that_no_operation_stood_under_cannot_be_lost() {
    let mut store = Desk::new();
    store.stages_under(1, 1);
    store.flies();
    store.ends(1, Err(StoreError::Fenced(vec![MeshNo(7)])));
    assert!(store.released()[0].contains("corrupt"));
    assert!(store.committer.take_lost().is_empty());
}

#[test]
fn an_urgent_question_passes_all_others_and_keeps_nobody_waiting() {
    let mut store = Desk::with(&[("reads_in_flight_max", 1)]);
    store.asks(2);
    assert_eq!(store.flies(), ["1 read"]);
    store.committer.ask_at_once(Query::Ping { hold_ms: 0 }, 9);
    assert_eq!(store.flies(), ["2 read"]);
    store.ends(2, Ok(Answer::Found(Box::new(Found::Depth(0)))));
    assert_eq!(store.released(), ["9 found"]);
    store.committer.ask_at_once(Query::Ping { hold_ms: 0 }, 9);
    store.flies();
    for ticket in [1, 4] {
        store.ends(ticket, Ok(Answer::Found(Box::new(Found::Depth(0)))));
        store.flies();
    }
    assert!(store.committer.is_idle(), "only the urgent question is open");
}

#[test]
fn f_acc_06_a_refused_batch_is_not_tried_again_and_the_next_one_is() {
    let mut store = Desk::new();
    for (ticket, error) in [
        (1, StoreError::Unavailable("busy".into())),
        (2, StoreError::Full),
        (3, StoreError::Corrupt("x".into())),
        (4, StoreError::Busy("x".into())),
    ] {
        store.stages(1);
        store.flies();
        let wanted = format!("{} refused: {error}", ticket - 1);
        store.ends(ticket, Err(error));
        assert_eq!(store.released(), [wanted]);
    }
    assert_eq!(store.committer.take_counts(), (4, 0));
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
    store.ends(3, Ok(Answer::Found(Box::new(Found::Depth(0)))));
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
    store.ends(1, Ok(Answer::Found(Box::new(Found::Depth(0)))));
    assert_eq!(store.released(), ["0 found", "2 refused: the store is busy: too many questions wait"]);
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
    /// Of the last batch.
    fences: Vec<(i64, u64)>,
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
            fences: Vec::new(),
        }
    }

    fn stages(&mut self, count: usize) {
        for _ in 0..count {
            self.committer.stage(Op::LeasePositions { count: 1 }, None, self.named);
            self.named += 1;
        }
    }

    fn stages_under(&mut self, mesh: i64, epoch: u64) {
        let op = Op::EndPresences { ids: Vec::new(), at: Wall::from_millis(0) };
        self.committer.stage(op, Some(fence(mesh, epoch)), self.named);
        self.named += 1;
    }

    fn accepts(&mut self, count: usize) {
        for _ in 0..count {
            self.committer.stage(Op::Accept(message()), None, self.named);
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
                self.fences = written.fences.iter().map(|fence| (fence.mesh.0, fence.epoch.0)).collect();
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

fn fence(mesh: i64, epoch: u64) -> Fence {
    Fence { mesh: MeshNo(mesh), epoch: Epoch(epoch) }
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
    let (mailboxes, mentions) = (Arc::from([MailboxNo(2)]), Arc::default());
    Accept { message: Arc::new(message), mailboxes, mentions, old: None, receipt: None }
}
