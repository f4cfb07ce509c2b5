//! The lane of pings: it waits for nobody, and nobody waits for it.

use std::sync::{Arc, mpsc};

use crate::runtime::Lanes;
use peermesh_core::ids::Ticket;
use peermesh_core::machine::{Input, Machine, Order, Output};
use peermesh_core::store::{Answer, Batch, Driver, Found, Query, Request, StoreError, StoreResult, Work};

use crate::world::{PATIENCE, World, machine};

/// Waits for a word before each answer, after it said what it was asked.
struct Holding {
    asked: mpsc::Sender<Query>,
    go: mpsc::Receiver<()>,
}

impl Driver for Holding {
    fn write(&mut self, _: &[Arc<Batch>]) -> Vec<StoreResult> {
        Vec::new()
    }

    fn read(&mut self, query: &Query) -> StoreResult {
        self.asked.send(query.clone()).unwrap_or_default();
        self.go.recv().map_err(|_| StoreError::Full)?;
        Ok(Answer::Found(Box::new(Found::Depth(1))))
    }
}

fn holding() -> (Box<dyn Driver>, mpsc::Receiver<Query>, mpsc::Sender<()>) {
    let ((asked, questions), (answer, go)) = (mpsc::channel(), mpsc::channel());
    (Box::new(Holding { asked, go }), questions, answer)
}

/// Asks these questions when it is woken, tells the tickets of the answers and finishes at the first order.
fn asking(questions: Vec<Query>, tell: mpsc::Sender<u64>) -> Box<dyn Machine + Send> {
    machine(move |_, input, todo| {
        match input {
            Input::Wake => {
                for (ticket, query) in (1..).map(Ticket).zip(&questions) {
                    todo.push(Output::Store(Request { ticket, work: Work::Read(query.clone()) }));
                }
            }
            Input::Stored { ticket, .. } => tell.send(ticket.0).unwrap_or_default(),
            Input::Order(_) => todo.push(Output::Finished),
            _ => {}
        }
        None
    })
}

#[test]
fn a_ping_waits_behind_no_question_and_no_question_behind_a_ping() {
    let (tell, told) = mpsc::channel();
    let (reader, questions, answer_question) = holding();
    let (health, pings, answer_ping) = holding();
    let lanes = Lanes { writers: Vec::new(), readers: vec![reader], health: Some(health) };
    let shard = asking(vec![Query::Depth, Query::Ping { hold_ms: 900 }], tell);
    let _world = World::with_lanes(vec![shard], lanes);
    assert!(matches!(pings.recv_timeout(PATIENCE), Ok(Query::Ping { hold_ms: 900 })));
    assert!(matches!(questions.recv_timeout(PATIENCE), Ok(Query::Depth)));
    answer_ping.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(2), "the question is still held");
    answer_question.send(()).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(1));
    assert!(questions.try_recv().is_err() && pings.try_recv().is_err(), "each was asked once");
}

#[test]
fn pings_that_wait_are_one_ping_held_as_the_most_impatient_allows() {
    let (tell, told) = mpsc::channel();
    let (health, pings, answer) = holding();
    let lanes = Lanes { writers: Vec::new(), readers: Vec::new(), health: Some(health) };
    let asks = [500, 400, 300].map(|hold_ms| Query::Ping { hold_ms }).to_vec();
    let _world = World::with_lanes(vec![asking(asks, tell)], lanes);
    // The lane takes what it finds when it wakes, so the first call may be for some or for all of them; the
    // call that has the last one has the least.
    let mut least = u64::MAX;
    while least > 300 {
        let Ok(Query::Ping { hold_ms }) = pings.recv_timeout(PATIENCE) else { panic!("no ping") };
        assert!(hold_ms < least, "a later call holds longer");
        least = hold_ms;
        answer.send(()).unwrap();
    }
    let answered: Vec<_> = (0..3).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert_eq!(answered, [1, 2, 3]);
    assert!(pings.try_recv().is_err());
}

#[test]
fn the_end_of_a_run_does_not_wait_for_a_ping_that_is_held() {
    let (tell, _told) = mpsc::channel();
    let (health, pings, _never) = holding();
    let lanes = Lanes { writers: Vec::new(), readers: Vec::new(), health: Some(health) };
    let world = World::with_lanes(vec![asking(vec![Query::Ping { hold_ms: 60_000 }], tell)], lanes);
    pings.recv_timeout(PATIENCE).unwrap();
    world.running.order(Order::Drain);
    world.running.join();
}

/// A driver that finds its own state wrong.
struct Broken;

impl Driver for Broken {
    fn write(&mut self, _: &[Arc<Batch>]) -> Vec<StoreResult> {
        Vec::new()
    }

    fn read(&mut self, _: &Query) -> StoreResult {
        panic!("the lease was lent twice")
    }
}

#[test]
fn f_lif_04_a_panic_over_a_ping_is_reported_though_nobody_joins_its_thread() {
    let (tell, _told) = mpsc::channel();
    let lanes = Lanes { writers: Vec::new(), readers: Vec::new(), health: Some(Box::new(Broken)) };
    let world = World::with_lanes(vec![asking(vec![Query::Ping { hold_ms: 0 }], tell)], lanes);
    let why = world.failures.recv_timeout(PATIENCE).unwrap();
    assert!(why.contains("store-health"), "{why}");
}
