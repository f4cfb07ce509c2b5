//! Listeners of several kinds, and the threads that carry requests to the event target.

use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::task::{Wake, Waker};
use std::thread;

use crate::runtime::{Lanes, Plan, Running, start};
use peermesh_core::forward::{Courier, Errand, Forward, Forwarded, Window};
use peermesh_core::ids::Ticket;
use peermesh_core::machine::{Input, Listener, Machine, Memory, Order, Output};

use crate::world::{PATIENCE, machine, rest};

/// Panics over one request, and is at a loss for another until it hears a word.
struct Odd(Option<mpsc::Receiver<()>>);

impl Courier for Odd {
    fn work(&mut self, window: &dyn Window) {
        while let Some(errands) = window.wait(1) {
            for Errand { from, forward } in errands {
                match &*forward.body {
                    "panic" => panic!("a courier found an inconsistency"),
                    "hang" => {
                        let _ = self.0.as_ref().map(mpsc::Receiver::recv);
                    }
                    _ => {}
                }
                let result = Forwarded::Answered { status: 200, retry_after: None };
                window.answer(from, forward.ticket, result);
            }
        }
    }
}

/// Does something else until a bell tells that there is a request.
struct Busy;

impl Courier for Busy {
    fn work(&mut self, window: &dyn Window) {
        window.hear(Waker::from(Arc::new(Nudge(thread::current()))));
        while let Some(errands) = window.look(usize::MAX) {
            if errands.is_empty() {
                thread::park();
            }
            for Errand { from, forward } in errands {
                window.answer(from, forward.ticket, Forwarded::Answered { status: 200, retry_after: None });
            }
        }
    }
}

struct Nudge(thread::Thread);

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Sends these bodies when it starts, and tells what came of each.
fn sending(bodies: &[&'static str], tell: mpsc::Sender<(u64, bool)>) -> Box<dyn Machine + Send> {
    let mut bodies = bodies.to_vec();
    machine(move |_, input, todo| {
        match input {
            Input::Wake => {
                for (ticket, body) in (1..).map(Ticket).zip(bodies.drain(..)) {
                    let forward = Forward { ticket, headers: Vec::new(), body: Arc::from(body) };
                    todo.push(Output::Forward(Box::new(forward)));
                }
            }
            Input::Forwarded { ticket, result } => {
                let answered = matches!(result, Forwarded::Answered { status: 200, .. });
                tell.send((ticket.0, answered)).unwrap_or_default();
            }
            Input::Opened { conn, listener, .. } => {
                todo.send_copy(conn, format!("{listener:?}").as_bytes());
                todo.push(Output::Weigh { conn });
            }
            Input::Weighed { conn, memory } => {
                todo.send_copy(conn, format!(" {}", memory.rss).as_bytes());
                todo.push(Output::Close { conn, how: peermesh_core::machine::Closing::Both });
            }
            Input::Order(Order::Drain) => todo.push(Output::Finished),
            _ => {}
        }
        None
    })
}

fn run(
    machine: Box<dyn Machine + Send>,
    couriers: Vec<Box<dyn Courier>>,
    listeners: Vec<(Listener, TcpListener)>,
) -> Running {
    start(Plan {
        listeners: listeners.into_iter().map(|(kind, listener)| (kind, listener.into())).collect(),
        shards: vec![machine],
        lanes: Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
        couriers,
        note: Arc::new(|_| ()),
        scrape: Arc::new(|_, _| bytes::Bytes::new()),
        weigh: Arc::new(|| Memory { rss: 42, heap_total: 42, heap_used: 42 }),
        fail: Arc::new(|_| ()),
        secure: None,
    })
    .unwrap()
}

#[test]
fn a_courier_that_panics_has_failed_and_goes_on_with_the_next_request() {
    let (tell, told) = mpsc::channel();
    let running = run(sending(&["panic", "fine"], tell), vec![Box::new(Odd(None))], Vec::new());
    let results = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    assert_eq!(results, [(1, false), (2, true)]);
    running.order(Order::Drain);
    running.join();
}

#[test]
fn a_courier_that_is_not_at_its_window_hears_the_bell() {
    let (tell, told) = mpsc::channel();
    let running = run(sending(&["one", "two"], tell), vec![Box::new(Busy)], Vec::new());
    let mut results = [told.recv_timeout(PATIENCE).unwrap(), told.recv_timeout(PATIENCE).unwrap()];
    results.sort_unstable();
    assert_eq!(results, [(1, true), (2, true)]);
    running.order(Order::Drain);
    running.join();
}

#[test]
fn f_lif_01_a_run_does_not_wait_for_a_courier_whose_target_says_nothing() {
    let (tell, _told) = mpsc::channel();
    let (word, awaited) = mpsc::channel();
    let running = run(sending(&["hang"], tell), vec![Box::new(Odd(Some(awaited)))], Vec::new());
    running.order(Order::Drain);
    running.join();
    drop(word);
}

#[test]
fn without_couriers_every_request_has_failed() {
    let (tell, told) = mpsc::channel();
    let running = run(sending(&["fine"], tell), Vec::new(), Vec::new());
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (1, false));
    running.order(Order::Drain);
    running.join();
}

#[test]
fn a_machine_learns_where_a_stream_came_in_and_how_much_memory_there_is() {
    let (tell, _told) = mpsc::channel();
    let bind = || TcpListener::bind("127.0.0.1:0").unwrap();
    let (mesh, runner) = (bind(), bind());
    let addresses = [mesh.local_addr().unwrap(), runner.local_addr().unwrap()];
    let listeners = vec![(Listener::Mesh, mesh), (Listener::Runner, runner)];
    let running = run(sending(&[], tell), Vec::new(), listeners);
    for (address, wanted) in addresses.into_iter().zip(["Mesh 42", "Runner 42"]) {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(String::from_utf8(rest(&mut stream)).unwrap(), wanted);
    }
    running.order(Order::Drain);
    running.join();
}
