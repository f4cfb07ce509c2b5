//! What a run does when there is no thread for another connection: because it may have no more, or because
//! the system grants none. The latter run lives in a child process, so that its limit is its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use peermesh_core::machine::{Closing, Input, Listener, Machine, Memory, Order, Output};
use peermesh_core::note::Note;
use peermesh_runtime_threads::{Lanes, Plan, Running, STACK_BYTES, start};

use crate::world::{PATIENCE, machine};

/// Connections of the runs that may have only few.
const SEATS: usize = 8;
/// Of the child.
const HEAP_MIB: usize = 32;

/// Answers every chunk with itself, but drops a connection that says `!`.
fn echo() -> Box<dyn Machine + Send> {
    machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } if bytes == b"!" => {
                todo.push(Output::Close { conn, how: Closing::Both });
            }
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, .. } => todo.push(Output::Close { conn, how: Closing::Both }),
            Input::Order(Order::Drain) => todo.push(Output::Finished),
            _ => {}
        }
        None
    })
}

fn run(seats: usize) -> (Running, String, mpsc::Receiver<Note>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let (note, notes) = mpsc::channel();
    let plan = Plan {
        listeners: vec![(Listener::Mesh, listener.into())],
        shards: vec![echo()],
        lanes: Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
        couriers: Vec::new(),
        note: Arc::new(move |record| note.send(record).unwrap_or_default()),
        scrape: Arc::new(|_, _| Bytes::new()),
        weigh: Arc::new(|| Memory { rss: 1, heap_total: 1, heap_used: 1 }),
        fail: Arc::new(|why| panic!("{why}")),
        secure: None,
    };
    (start(plan, seats).unwrap(), addr, notes)
}

fn connect(addr: &str) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// True when the peer is served, false when it is turned away.
fn greets(peer: &mut TcpStream) -> bool {
    peer.write_all(b"?").is_ok() && matches!(peer.read(&mut [0]), Ok(1))
}

#[test]
fn f_lif_03_without_a_seat_newcomers_are_refused_and_those_inside_stay() {
    let (running, addr, notes) = run(SEATS);
    let mut inside: Vec<_> = (0..SEATS).map(|_| connect(&addr)).collect();
    assert!(inside.iter_mut().all(greets));
    let mut outside: Vec<_> = (0..SEATS).map(|_| connect(&addr)).collect();
    assert!(!outside.iter_mut().any(greets), "there is no room for more");
    assert!(inside.iter_mut().all(greets), "those inside are not touched");
    let complaint = notes.try_iter().find(|note| note.msg == "accept failed");
    assert!(complaint.is_some(), "the operator is told");
    running.order(Order::Drain);
    running.join();
}

#[test]
fn the_thread_of_a_connection_that_ends_in_any_way_is_free_for_another() {
    let (running, addr, _notes) = run(SEATS);
    for round in 0..10 {
        let seated = || {
            let served = |_: &u32| {
                let mut peer = connect(&addr);
                greets(&mut peer).then_some(peer)
            };
            (0..100).find_map(|nth| served(&nth)).expect("a seat")
        };
        let mut peers: Vec<_> = (0..SEATS).map(|_| seated()).collect();
        for (nth, peer) in peers.iter_mut().enumerate() {
            if (round + nth) % 2 == 0 {
                // Dropped by the machine while the peer stays.
                peer.write_all(b"!").unwrap();
                assert!(matches!(peer.read(&mut [0]), Ok(0) | Err(_)));
            }
        }
    }
    running.order(Order::Drain);
    running.join();
}

#[test]
fn f_lif_03_threads_that_the_system_does_not_grant_cost_their_connections_alone() {
    // Room for the test, its heap, and some dozens of stacks.
    let kibibytes = (100 + HEAP_MIB) * 1_024 + 60 * STACK_BYTES / 1_024;
    let limited = format!(
        "ulimit -v {kibibytes}; exec \"$0\" --ignored --exact seats::the_child --nocapture --test-threads=1"
    );
    let mut child = Command::new("sh")
        .args(["-c", &limited])
        .arg(std::env::current_exe().unwrap())
        // The heap is taken before the stacks are: memory that runs out would end any program.
        .env("MALLOC_ARENA_MAX", "1")
        .env("MALLOC_TOP_PAD_", (HEAP_MIB << 20).to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept to the end, or the child could not write its last lines.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addr =
        lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once("serving ")?.1.to_owned()));
    let addr = addr.expect("the child says where it serves");
    let mut inside = Vec::new();
    let mut refused = 0;
    while refused < 5 {
        let mut peer = connect(&addr);
        if greets(&mut peer) {
            inside.push(peer);
        } else {
            refused += 1;
        }
        assert!(inside.len() < 10_000, "the limit does not bind");
    }
    assert!(inside.len() > 20, "{} inside", inside.len());
    assert!(inside.iter_mut().all(greets), "those inside are not touched");
    inside.truncate(5);
    let comes_in = |_: u32| {
        thread::sleep(Duration::from_millis(10));
        greets(&mut connect(&addr))
    };
    assert!((0..500).any(comes_in), "once there is room, newcomers get in again");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

#[test]
#[ignore = "serves until its standard input ends; the test above starts it with little address space"]
fn the_child() {
    let (_running, addr, notes) = run(100_000);
    let mut out = std::io::stdout();
    out.write_all(format!("\nserving {addr}\n").as_bytes()).unwrap();
    out.flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let complaint = notes.try_iter().find(|note| note.msg == "accept failed");
    assert!(complaint.is_some(), "the operator is told");
}
