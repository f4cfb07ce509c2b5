//! A crowd that says nothing, or nothing to the point, keeps nobody out (HSK-01).

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::driver::runtime::Runtime;
use peermesh_conformance::play::play;

use crate::ground::{PATIENCE, RUNTIMES, UPGRADE, allow_files, alone, connect, stage, story};

/// Sockets of the crowd.
const CROWD: usize = 5_000;
/// What the broker keeps of it: the default of `handshakes_max`.
const KEPT: usize = 256;
/// Sockets between two requests that must be answered. The answer also tells that the kernel's queue is
/// empty, so that no socket of the crowd waits for a second try.
const PACE: usize = 64;
/// Files for the crowd, for what the broker keeps of it, for the store and for whatever runs the test.
const FILES: u64 = 5_600;

const STORY: &str = r#"
story: real clients come in and talk while a crowd holds every place in the lobby
covers: mesh protocol 2; f_hsk_01; defect 20
limits hello_timeout_ms=60000

mesh garden with ann, bob
ann connects
bob.s1 connects
ann tells bob.s1 "quiet here"
ann sees ack {queued: true}
bob.s1 hears "quiet here"
http GET /health -> 200 {status: ok}
metric broker_connections_active 2
"#;

#[test]
fn f_hsk_01_five_thousand_silent_sockets_do_not_keep_a_real_client_out() {
    let _alone = alone();
    allow_files(FILES);
    for runtime in RUNTIMES {
        hold_out(runtime);
    }
}

fn hold_out(runtime: Runtime) {
    let story = story(STORY);
    let stage = stage(&story, runtime);
    let broker = stage.address();
    let mut crowd = Vec::with_capacity(CROWD);
    while crowd.len() < CROWD {
        crowd.push(stranger(broker, crowd.len()));
        if crowd.len() % PACE == 0 {
            is_let_in(broker).unwrap_or_else(|why| panic!("after {} sockets: {why}", crowd.len()));
        }
    }

    // Whoever is over the cap is sent away, the oldest first.
    for (nth, stranger) in crowd.iter_mut().take(CROWD - KEPT).enumerate() {
        assert!(ends(stranger), "socket {nth} of {CROWD} is still open");
    }
    play(&story, Box::new(stage)).unwrap_or_else(|failure| panic!("{failure}"));
}

/// A socket that says nothing, begins a request, or upgrades; and then holds on.
fn stranger(broker: SocketAddr, nth: usize) -> TcpStream {
    let words = ["", "GET /ws HTTP/1.1\r\nHost: ", UPGRADE];
    let mut stream = connect(broker);
    // It may have been sent away already.
    let _ = stream.write_all(words[nth % words.len()].as_bytes());
    stream
}

/// Whoever asks is let in, and told that all is well in the end.
fn is_let_in(broker: SocketAddr) -> Result<(), String> {
    let began = Instant::now();
    loop {
        let answer = health(broker)?;
        if answer.starts_with("HTTP/1.1 200") {
            return Ok(());
        }
        // Somebody was let in and told that the store stalls, on a busy disk say: no doing of the crowd.
        if !answer.starts_with("HTTP/1.1 503") || began.elapsed() > PATIENCE {
            return Err(format!("not told that all is well: {answer:?}"));
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn health(broker: SocketAddr) -> Result<String, String> {
    let mut stream = connect(broker);
    let mut answer = String::new();
    let asked = stream.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n");
    asked.and_then(|()| stream.read_to_string(&mut answer)).map_err(|error| format!("no answer: {error}"))?;
    Ok(answer)
}

/// True when the broker ends the stream while somebody still waits for it.
fn ends(stream: &mut TcpStream) -> bool {
    let mut heard = Vec::new();
    match stream.read_to_end(&mut heard) {
        Ok(_) => true,
        Err(error) => !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
    }
}
