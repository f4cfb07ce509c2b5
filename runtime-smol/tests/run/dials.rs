//! Dials: where they lead, what a dialled stream can do, and how each failure is told.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;

use peermesh_core::ids::{ShardId, Ticket};
use peermesh_core::machine::{Closing, Endpoint, Envelope, Input, Machine, Memory, Order, Output};

use crate::runtime::{Lanes, Plan, Running, Secure, start};
use crate::world::{PATIENCE, machine};

/// Dials once, tells what came of it, and sends back what it hears in capitals. Run on shard 1, dialled at
/// the wish of shard 0, so that the stream must find the shard that asked.
fn dialling(to: Endpoint, told: mpsc::Sender<Result<(), String>>) -> Vec<Box<dyn Machine + Send>> {
    let mut is_first = true;
    let asking = machine(move |_, input, todo| {
        if matches!(input, Input::Wake) && std::mem::take(&mut is_first) {
            todo.push(Output::Relay { to: ShardId(1), envelope: Envelope::new(()) });
        }
        finish(&input, todo);
        None
    });
    let dialler = machine(move |_, input, todo| {
        match input {
            Input::Relayed { .. } => todo.push(Output::Dial { dial: Ticket(7), to: to.clone() }),
            Input::Dialled { dial, result } => {
                assert_eq!(dial, Ticket(7));
                if let Ok(conn) = &result {
                    todo.send_copy(*conn, b"hello ");
                    todo.push(Output::Read { conn: *conn });
                }
                told.send(result.map(|_| ())).unwrap_or_default();
            }
            Input::Received { conn, bytes } => {
                bytes.make_ascii_uppercase();
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, .. } => todo.push(Output::Close { conn, how: Closing::Both }),
            input => finish(&input, todo),
        }
        None
    });
    vec![asking, dialler]
}

fn finish(input: &Input<'_>, todo: &mut peermesh_core::machine::Outputs) {
    if matches!(input, Input::Order(Order::Drain)) {
        todo.push(Output::Finished);
    }
}

fn run(to: Endpoint, secure: Option<Arc<Secure>>) -> (Running, mpsc::Receiver<Result<(), String>>) {
    let (tell, told) = mpsc::channel();
    let running = start(Plan {
        listeners: Vec::new(),
        shards: dialling(to, tell),
        lanes: Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
        couriers: Vec::new(),
        note: Arc::new(|_| ()),
        scrape: Arc::new(|_, _| bytes::Bytes::new()),
        weigh: Arc::new(|| Memory { rss: 1, heap_total: 1, heap_used: 1 }),
        fail: Arc::new(|_| ()),
        secure,
    });
    (running.unwrap(), told)
}

fn outcome(to: Endpoint, secure: Option<Arc<Secure>>) -> Result<(), String> {
    let (running, told) = run(to, secure);
    let result = told.recv_timeout(PATIENCE * 2).expect("every dial is answered");
    running.order(Order::Drain);
    running.join();
    result
}

fn endpoint(host: &str, port: u16, tls: bool) -> Endpoint {
    Endpoint { host: host.to_owned(), port, tls }
}

#[test]
fn a_dialled_stream_is_written_read_and_closed_like_an_accepted_one() {
    for host in ["127.0.0.1", "localhost"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (running, told) = run(endpoint(host, listener.local_addr().unwrap().port(), false), None);
        let (mut server, _) = listener.accept().unwrap();
        server.set_read_timeout(Some(PATIENCE)).unwrap();
        assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(()), "{host}");
        let mut heard = [0; 11];
        server.write_all(b"world").unwrap();
        server.read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"hello WORLD");
        drop(server);
        running.order(Order::Drain);
        running.join();
    }
}

#[test]
fn a_port_where_nobody_listens_is_told_with_its_address() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let why = outcome(endpoint("127.0.0.1", port, false), None).unwrap_err();
    assert!(why.contains(&format!("127.0.0.1:{port}")) && why.contains("refused"), "{why}");
}

#[test]
fn a_run_without_tls_dials_in_clear_only() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let why = outcome(endpoint("127.0.0.1", listener.local_addr().unwrap().port(), true), None).unwrap_err();
    assert!(why.contains("no TLS"), "{why}");
}

/// Lays over a stream what turns every letter around: enough to see that the run goes through it.
fn mirror(stream: TcpStream, host: &str) -> Result<UnixStream, String> {
    if host != "localhost" {
        return Err(format!("its certificate is not for {host}"));
    }
    let (near, far) = UnixStream::pair().map_err(|error| error.to_string())?;
    let swap = |byte: &u8| byte ^ 0x20;
    let (mut inward, mut outward) = (stream.try_clone().unwrap(), far.try_clone().unwrap());
    thread::spawn(move || {
        let mut chunk = [0; 64];
        while let Ok(count @ 1..) = inward.read(&mut chunk) {
            let turned: Vec<u8> = chunk[..count].iter().map(swap).collect();
            outward.write_all(&turned).unwrap();
        }
    });
    thread::spawn(move || {
        let (mut far, mut stream, mut chunk) = (far, stream, [0; 64]);
        while let Ok(count @ 1..) = far.read(&mut chunk) {
            let turned: Vec<u8> = chunk[..count].iter().map(swap).collect();
            stream.write_all(&turned).unwrap();
        }
    });
    Ok(near)
}

#[test]
fn what_is_dialled_with_tls_goes_through_it_and_its_refusal_is_the_dials() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let secure: Arc<Secure> = Arc::new(|stream, host, _| mirror(stream, host));
    let why = outcome(endpoint("127.0.0.1", port, true), Some(Arc::clone(&secure))).unwrap_err();
    assert_eq!(why, "its certificate is not for 127.0.0.1");
    drop(listener.accept().unwrap());
    let (running, told) = run(endpoint("localhost", port, true), Some(secure));
    let (mut server, _) = listener.accept().unwrap();
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Ok(()));
    let mut heard = [0; 11];
    server.write_all(b"WoRlD").unwrap();
    server.read_exact(&mut heard).unwrap();
    assert_eq!(&heard, b"HELLO\0world");
    running.order(Order::Drain);
    running.join();
}
