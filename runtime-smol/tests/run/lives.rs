//! The life of a run: deadlines, store lanes, orders, and how it ends.

use std::io::Write;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use peermesh_core::ids::Ticket;
use peermesh_core::machine::{Cause, Deadline, Input, Listener, Machine, Memory, Order, Output, Outputs};
use peermesh_core::note::{Level, Note};
use peermesh_core::store::{
    Answer, Batch, Driver, Found, Query, Reply, Request, StoreError, StoreResult, Work,
};
use peermesh_core::time::Mono;

use crate::world::{PATIENCE, World, machine, rest};

#[test]
fn a_machine_is_woken_at_the_start_and_then_never_before_its_deadline() {
    let (tell, told) = mpsc::channel();
    let mut due = Mono::START;
    let _world = World::of(vec![machine(move |now, input, _| {
        if matches!(input, Input::Wake) {
            assert!(now.mono >= due, "woken too early");
            tell.send(now.wall).unwrap_or_default();
            due = now.mono.after_millis(20);
        }
        Some(Deadline { at: due, cause: Cause::Ping })
    })]);
    let stamps: Vec<_> = (0..5).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(stamps.is_sorted());
    assert!(stamps[0].as_millis() > 1_600_000_000_000, "the wall clock is Unix time");
}

#[test]
fn a_deadline_that_moves_nearer_counts_from_then_on() {
    let (tell, told) = mpsc::channel();
    let world = World::of(vec![machine(move |now, input, _| match input {
        Input::Opened { .. } => Some(Deadline { at: now.mono.after_millis(10), cause: Cause::Silence }),
        Input::Wake => {
            tell.send(()).unwrap_or_default();
            Some(Deadline { at: now.mono.after(Duration::from_secs(3_600)), cause: Cause::Retention })
        }
        _ => None,
    })]);
    told.recv_timeout(PATIENCE).unwrap();
    let _peer = world.connect();
    told.recv_timeout(PATIENCE).unwrap();
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

/// A driver whose every call waits for a word, and which says how many batches each call took.
struct Gated {
    go: mpsc::Receiver<()>,
    took: mpsc::Sender<usize>,
    drops: Arc<AtomicUsize>,
}

impl Driver for Gated {
    fn write(&mut self, batches: &[Arc<Batch>]) -> Vec<StoreResult> {
        self.go.recv().unwrap_or_default();
        self.took.send(batches.len()).unwrap_or_default();
        batches.iter().map(|_| Ok(Answer::Replies(vec![Reply::Done]))).collect()
    }

    fn read(&mut self, _: &Query) -> StoreResult {
        Err(StoreError::Full)
    }
}

impl Drop for Gated {
    fn drop(&mut self) {
        self.drops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Answers questions at once.
struct Reader;

impl Driver for Reader {
    fn write(&mut self, _: &[Arc<Batch>]) -> Vec<StoreResult> {
        Vec::new()
    }

    fn read(&mut self, _: &Query) -> StoreResult {
        Ok(Answer::Found(Box::new(Found::Depth(3))))
    }
}

fn write(ticket: u64) -> Output {
    Output::Store(Request { ticket: Ticket(ticket), work: Work::Write(Arc::new(Batch::default())) })
}

#[test]
fn a_writer_takes_all_batches_that_wait_and_each_gets_its_own_answer() {
    let (tell, told) = mpsc::channel();
    let (go, gate) = mpsc::channel();
    let (took, takes) = mpsc::channel();
    let drops = Arc::new(AtomicUsize::new(0));
    let shard = |tell: mpsc::Sender<(u64, bool)>| {
        machine(move |_, input, todo| {
            match input {
                Input::Wake => (1..=5).for_each(|ticket| todo.push(write(ticket))),
                Input::Stored { ticket, result } => tell.send((ticket.0, result.is_ok())).unwrap(),
                Input::Order(_) => todo.push(Output::Finished),
                _ => {}
            }
            None
        })
    };
    let driver = Gated { go: gate, took, drops: Arc::clone(&drops) };
    let world = World::with_store(vec![shard(tell.clone()), shard(tell)], vec![Box::new(driver)], Vec::new());
    let mut batches = 0;
    while batches < 10 {
        go.send(()).unwrap();
        batches += takes.recv_timeout(PATIENCE).unwrap();
        // While this call was under way the rest was submitted, so the next takes all of it.
        thread::sleep(Duration::from_millis(20));
    }
    assert!(takes.try_recv().is_err());
    let mut answered: Vec<_> = (0..10).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    answered.sort_unstable();
    let expected: Vec<_> = (1..=5).flat_map(|ticket| [(ticket, true); 2]).collect();
    assert_eq!(answered, expected);
    world.running.order(Order::Drain);
    world.running.join();
    assert_eq!(drops.load(Ordering::SeqCst), 1, "whoever joined can open the store again");
}

#[test]
fn questions_go_to_readers_and_a_driver_without_an_answer_counts_as_unknown() {
    let (tell, told) = mpsc::channel();
    let world = World::with_store(
        vec![machine(move |_, input, todo| {
            match input {
                Input::Wake => {
                    let question = Work::Read(Query::Depth);
                    todo.push(Output::Store(Request { ticket: Ticket(1), work: question }));
                    todo.push(write(2));
                }
                Input::Stored { ticket, result } => tell.send((ticket.0, result)).unwrap(),
                _ => {}
            }
            None
        })],
        vec![Box::new(Reader)],
        vec![Box::new(Reader), Box::new(Reader)],
    );
    let mut answers: Vec<_> = (0..2).map(|_| told.recv_timeout(PATIENCE).unwrap()).collect();
    answers.sort_by_key(|(ticket, _)| *ticket);
    assert!(matches!(&answers[0], (1, Ok(Answer::Found(found))) if **found == Found::Depth(3)));
    assert!(matches!(&answers[1], (2, Err(StoreError::Unknown(_)))));
    drop(world);
}

#[test]
fn a_store_that_does_not_answer_keeps_the_end_of_a_run_only_as_long_as_one_likes() {
    let (_go, gate) = mpsc::channel();
    let drops = Arc::new(AtomicUsize::new(0));
    let driver = Gated { go: gate, took: mpsc::channel().0, drops: Arc::clone(&drops) };
    let (tell, told) = mpsc::channel();
    let shard = machine(move |_, input, todo| {
        match input {
            Input::Wake => {
                todo.push(write(1));
                tell.send(()).unwrap_or_default();
            }
            Input::Order(_) => todo.push(Output::Finished),
            _ => {}
        }
        None
    });
    let world = World::with_store(vec![shard], vec![Box::new(driver)], Vec::new());
    told.recv_timeout(PATIENCE).unwrap();
    world.running.order(Order::Drain);
    assert!(!world.running.join_within(Duration::from_millis(20)), "nobody answered the writer");
    assert_eq!(drops.load(Ordering::SeqCst), 0);
}

#[test]
fn lanes_that_are_done_let_the_run_end_at_once() {
    let world = World::with_store(vec![finishing()], vec![Box::new(Reader)], vec![Box::new(Reader)]);
    world.running.order(Order::Drain);
    assert!(world.running.join_within(PATIENCE));
}

/// Notes the order, says goodbye to its connections and finishes.
fn finishing() -> Box<dyn Machine + Send> {
    let mut conns = Vec::new();
    machine(move |_, input, todo: &mut Outputs| {
        match input {
            Input::Opened { conn, .. } => conns.push(conn),
            Input::Order(Order::Drain) => {
                conns.iter().for_each(|conn| todo.send_copy(*conn, b"goodbye"));
                todo.push(Output::Note(Note::new(Level::Info, "shutdown complete")));
                todo.push(Output::Finished);
            }
            other => assert!(conns.is_empty() || !matches!(other, Input::Sent { .. }), "told after the end"),
        }
        None
    })
}

#[test]
fn an_order_reaches_every_shard_and_join_waits_for_all_of_them() {
    let world = World::of(vec![finishing(), finishing(), finishing()]);
    let mut peer = world.connect();
    // The connection is in the kernel's queue as soon as connect returns; the shard sees it before the order
    // or after.
    thread::sleep(Duration::from_millis(50));
    world.running.order(Order::Drain);
    world.running.join();
    assert_eq!(rest(&mut peer), b"goodbye");
    let notes: Vec<_> = world.notes.try_iter().map(|note| note.msg).collect();
    assert_eq!(notes, ["shutdown complete"; 3]);
}

#[test]
fn f_lif_04_a_panic_in_a_machine_reaches_whoever_joins() {
    let sound = machine(|_, _, _| None);
    let unsound = machine(|_, input, _| match input {
        Input::Order(_) => panic!("the machine found itself inconsistent"),
        _ => None,
    });
    let world = World::of(vec![sound, unsound]);
    world.running.order(Order::Drain);
    let end = panic::catch_unwind(AssertUnwindSafe(|| world.running.join()));
    let message = end.unwrap_err();
    assert_eq!(message.downcast_ref::<&str>(), Some(&"the machine found itself inconsistent"));
}

#[test]
fn a_panic_over_the_bytes_of_a_connection_is_not_kept_by_its_task() {
    let world = World::of(vec![machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { .. } => panic!("bytes found an inconsistency"),
            _ => {}
        }
        None
    })]);
    let mut peer = world.connect();
    peer.write_all(b"x").unwrap();
    assert_eq!(rest(&mut peer), b"", "the shard is gone, and its connections with it");
    let end = panic::catch_unwind(AssertUnwindSafe(|| world.running.join()));
    assert_eq!(end.unwrap_err().downcast_ref::<&str>(), Some(&"bytes found an inconsistency"));
}

#[test]
fn a_run_without_shards_is_refused() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let plan = crate::runtime::Plan {
        listeners: vec![(Listener::Mesh, listener.into())],
        shards: Vec::new(),
        lanes: crate::runtime::Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
        couriers: Vec::new(),
        note: Arc::new(|_| ()),
        scrape: Arc::new(|_, _| bytes::Bytes::new()),
        weigh: Arc::new(|| Memory { rss: 1, heap_total: 1, heap_used: 1 }),
        fail: Arc::new(|_| ()),
        secure: None,
    };
    assert!(crate::runtime::start(plan).is_err());
}

#[test]
fn f_sto_02_a_machine_that_cannot_go_on_is_reported_with_its_reason() {
    let broken = machine(|_, input, todo| {
        match input {
            Input::Wake => todo.push(Output::Fail { why: "the disk lies".to_owned() }),
            Input::Order(_) => todo.push(Output::Finished),
            _ => {}
        }
        None
    });
    let world = World::of(vec![broken]);
    assert_eq!(world.failures.recv_timeout(PATIENCE).as_deref(), Ok("the disk lies"));
    world.running.order(Order::Drain);
    world.running.join();
}
