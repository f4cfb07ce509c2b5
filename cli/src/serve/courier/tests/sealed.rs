//! Targets that are reached by TLS, with certificates that are made for the test.

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::tls::tests::Authority;

const YEARS: (i32, i32) = (2020, 4000);

type Sealed = StreamOwned<ServerConnection, TcpStream>;

/// A target that takes this many requests of each connection, then ends it; it says so, and what it was sent.
struct Target {
    url: String,
    bodies: mpsc::Receiver<String>,
    ended: mpsc::Receiver<()>,
}

impl Target {
    /// With an end in good order where `bids_farewell`, and otherwise without a word.
    fn open(config: Arc<ServerConfig>, requests: Vec<usize>, bids_farewell: bool) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
        let ((tell, bodies), (end, ended)) = (mpsc::channel(), mpsc::channel());
        thread::spawn(move || {
            for requests in requests {
                let (stream, _) = listener.accept().unwrap();
                let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
                let mut stream = StreamOwned::new(connection, stream);
                for _ in 0..requests {
                    let Some(body) = body(&mut stream) else { return };
                    tell.send(body).unwrap();
                    stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
                    stream.flush().unwrap();
                }
                if bids_farewell {
                    stream.conn.send_close_notify();
                    stream.flush().unwrap();
                }
                drop(stream);
                end.send(()).unwrap();
            }
        });
        Target { url, bodies, ended }
    }

    fn next(&self) -> String {
        self.bodies.recv_timeout(PATIENCE).unwrap()
    }
}

/// The body of the next request; none where none comes.
fn body(stream: &mut Sealed) -> Option<String> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let read = stream.read(&mut chunk).ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(&chunk[..read]);
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        if rest.len() == length.parse::<usize>().unwrap() {
            return Some(rest.to_owned());
        }
    }
}

#[test]
fn events_arrive_in_order_over_one_sealed_connection_that_is_kept() {
    let authority = Authority::new("ours");
    let target = Target::open(authority.certify("localhost", YEARS), vec![20], true);
    let mut post = Post::open(PATIENCE, &target.url, Some(authority.trusted()));
    // Longer than a record, and than what a library would keep for later of its own accord.
    let large = format!("{{\"text\":\"{}\"}}", "x".repeat(300_000));
    for number in 0..20 {
        let event = if number == 7 { large.clone() } else { format!("{{\"number\":{number}}}") };
        assert_eq!(status(&post.carry(&event)), Some(200), "{number}");
        assert_eq!(target.next(), event);
    }
    target.ended.recv_timeout(PATIENCE).unwrap();
    assert!(target.bodies.try_recv().is_err(), "nothing came twice");
}

#[test]
fn a_sealed_target_that_ends_between_two_events_is_reached_again_without_loss_or_doubling() {
    let authority = Authority::new("ours");
    for bids_farewell in [true, false] {
        let target = Target::open(authority.certify("localhost", YEARS), vec![1, 2, 1], bids_farewell);
        let mut post = Post::open(PATIENCE, &target.url, Some(authority.trusted()));
        for (number, ends) in [(0, true), (1, false), (2, true), (3, true)] {
            let event = format!("{{\"number\":{number}}}");
            assert_eq!(status(&post.carry(&event)), Some(200), "{number}");
            assert_eq!(target.next(), event);
            if ends {
                target.ended.recv_timeout(PATIENCE).unwrap();
            }
        }
        assert!(target.bodies.try_recv().is_err(), "nothing came twice");
    }
}

#[test]
fn f_evt_01_a_target_that_is_not_believed_is_not_reached_and_hears_no_event() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    for config in [
        theirs.certify("localhost", YEARS),
        ours.certify("elsewhere.example", YEARS),
        ours.certify("localhost", (2020, 2021)),
    ] {
        let target = Target::open(config, vec![1], true);
        let mut post = Post::open(PATIENCE, &target.url, Some(ours.trusted()));
        let wanted = Forwarded::Failed { why: "a certificate that is not believed".to_owned() };
        assert_eq!(post.carry("{}"), wanted);
        assert!(target.bodies.recv_timeout(PATIENCE).is_err(), "its end of the connection is over");
    }
}

#[test]
fn f_evt_01_a_target_without_tls_is_not_spoken_to_in_clear() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://localhost:{}/", listener.local_addr().unwrap().port());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        heard
    });
    let mut post = Post::open(PATIENCE, &url, Some(Authority::new("ours").trusted()));
    assert_eq!(post.carry("{}"), Forwarded::Failed { why: "no TLS with the target".to_owned() });
    let heard = served.join().unwrap();
    assert!(!heard.windows(4).any(|word| word == b"POST"));
}
