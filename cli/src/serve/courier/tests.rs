//! A courier and targets of every kind.

mod sealed;

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Mutex, mpsc};
use std::thread;

use peermesh_core::forward::Forward;

use super::*;

/// No test waits that long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

/// A courier at work, and the window that it is handed requests from.
struct Post {
    desk: Arc<Desk>,
    told: mpsc::Receiver<(Ticket, Forwarded)>,
    tickets: u64,
}

struct Desk {
    errands: Mutex<Option<VecDeque<Errand>>>,
    bell: Mutex<Option<Waker>>,
    tell: mpsc::Sender<(Ticket, Forwarded)>,
}

impl Window for Desk {
    fn wait(&self, _: usize) -> Option<Vec<Errand>> {
        panic!("this courier never waits at its window")
    }

    fn look(&self, _: usize) -> Option<Vec<Errand>> {
        self.errands.lock().unwrap().as_mut().map(|errands| errands.drain(..).collect())
    }

    fn hear(&self, bell: Waker) {
        *self.bell.lock().unwrap() = Some(bell);
    }

    fn answer(&self, _: ShardId, ticket: Ticket, result: Forwarded) {
        let _ = self.tell.send((ticket, result));
    }
}

impl Post {
    /// One that posts to this address, and trusts these authorities.
    fn open(patience: Duration, url: &str, trusted: Option<Arc<ClientConfig>>) -> Post {
        let (tell, told) = mpsc::channel();
        let errands = Mutex::new(Some(VecDeque::new()));
        let desk = Arc::new(Desk { errands, bell: Mutex::default(), tell });
        let target =
            Target { url: url.to_owned(), secret: b"s".to_vec(), patience, answer_bytes_max: 65_536 };
        let trusted = || trusted.ok_or_else(|| io::Error::other("nobody is trusted"));
        let mut carrier = Carrier::new(&target, trusted, Reports::start(None).unwrap()).unwrap();
        let window = Arc::clone(&desk);
        thread::spawn(move || carrier.work(&*window));
        Post { desk, told, tickets: 0 }
    }

    /// Hands out a request, and gives its name.
    fn submit(&mut self, headers: Vec<(&'static str, String)>, body: &str) -> Ticket {
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        let forward = Box::new(Forward { ticket, headers, body: Arc::from(body) });
        self.desk.errands.lock().unwrap().as_mut().unwrap().push_back(Errand { from: ShardId(0), forward });
        self.ring();
        ticket
    }

    /// Has one request made.
    fn carry(&mut self, body: &str) -> Forwarded {
        let ticket = self.submit(Vec::new(), body);
        let (answered, result) = self.told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(answered, ticket);
        result
    }

    fn ring(&self) {
        let bell = self.desk.bell.lock().unwrap().clone();
        bell.into_iter().for_each(Waker::wake);
    }
}

impl Drop for Post {
    fn drop(&mut self) {
        *self.desk.errands.lock().unwrap() = None;
        self.ring();
    }
}

/// Posts one event to a target that behaves so, and gives what came of it.
fn posted(patience: Duration, target: impl FnOnce(TcpStream, String) + Send + 'static) -> Forwarded {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/api/runner/events", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        let mut chunk = [0; 1_024];
        while !request.ends_with(b"{}") {
            let read = stream.read(&mut chunk).unwrap();
            request.extend_from_slice(&chunk[..read]);
        }
        target(stream, String::from_utf8(request).unwrap());
    });
    let mut post = Post::open(patience, &url, None);
    let ticket = post.submit(vec![("X-Event-Id", "e1".to_owned())], "{}");
    let (answered, result) = post.told.recv_timeout(PATIENCE).unwrap();
    assert_eq!(answered, ticket);
    drop(post);
    served.join().unwrap();
    result
}

fn answers(head: &'static str) -> impl FnOnce(TcpStream, String) + Send + 'static {
    move |mut stream, _| stream.write_all(head.as_bytes()).unwrap()
}

fn status(result: &Forwarded) -> Option<u16> {
    match result {
        Forwarded::Answered { status, .. } => Some(*status),
        Forwarded::Failed { .. } => None,
    }
}

#[test]
fn a_request_has_the_headers_of_the_contract() {
    let result = posted(PATIENCE, |mut stream, request| {
        let lower = request.to_ascii_lowercase();
        assert!(lower.starts_with("post /api/runner/events http/1.1"), "{request}");
        for wanted in ["content-type: application/json", "authorization: bearer s", "x-event-id: e1"] {
            assert!(lower.contains(wanted), "{wanted}: {request}");
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
    });
    assert_eq!(result, Forwarded::Answered { status: 200, retry_after: None });
}

/// Both halves of a request come with one read, and the next one on the same connection.
#[test]
fn a_request_leaves_as_one_and_a_connection_that_ended_is_not_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let (ended, is_ended) = mpsc::channel();
    let served = thread::spawn(move || {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        for requests in [2, 1] {
            let (mut stream, _) = listener.accept().unwrap();
            for _ in 0..requests {
                let mut chunk = [0; 4_096];
                let read = stream.read(&mut chunk).unwrap();
                assert!(chunk[..read].starts_with(b"POST /") && chunk[..read].ends_with(b"\r\n\r\n{}"));
                stream.write_all(answer).unwrap();
            }
            drop(stream);
            ended.send(()).unwrap();
        }
    });
    let mut post = Post::open(PATIENCE, &url, None);
    assert_eq!(status(&post.carry("{}")), Some(200));
    assert_eq!(status(&post.carry("{}")), Some(200));
    is_ended.recv_timeout(PATIENCE).unwrap();
    assert_eq!(status(&post.carry("{}")), Some(200));
    served.join().unwrap();
}

#[test]
fn f_evt_02_a_redirect_is_an_answer_and_is_not_followed() {
    let head = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    assert_eq!(status(&posted(PATIENCE, answers(head))), Some(302));
}

#[test]
fn an_answer_tells_when_to_come_back() {
    let head = "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n";
    let wanted = Forwarded::Answered { status: 503, retry_after: Some("7".to_owned()) };
    assert_eq!(posted(PATIENCE, answers(head)), wanted);
}

#[test]
fn f_evt_02_an_endless_answer_is_read_no_further_than_its_bound() {
    let result = posted(PATIENCE, |mut stream, _| {
        stream.write_all(b"HTTP/1.1 400 Odd\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        let chunk = [b"4000\r\n".as_slice(), &[b'x'; 0x4000], b"\r\n"].concat();
        // Ends when the other side has had enough.
        while stream.write_all(&chunk).is_ok() {}
    });
    assert_eq!(status(&result), Some(400));
}

#[test]
fn f_evt_01_a_target_that_says_nothing_is_given_up() {
    let result = posted(Duration::from_millis(100), |mut stream, _| {
        let _ = stream.read(&mut [0]);
    });
    assert!(matches!(result, Forwarded::Failed { .. }), "{result:?}");
}

#[test]
fn f_evt_01_a_target_that_hangs_up_or_is_not_there_is_told_apart_from_an_answer() {
    assert!(matches!(posted(PATIENCE, |stream, _| drop(stream)), Forwarded::Failed { .. }));
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{nobody}/");
    let mut post = Post::open(PATIENCE, &url, None);
    let Forwarded::Failed { why } = post.carry("{}") else { panic!() };
    assert!(!why.contains("127.0.0.1") && !why.is_empty(), "{why}");
    let nowhere = format!("http://{}/", "x".repeat(300));
    let mut post = Post::open(PATIENCE, &nowhere, None);
    assert_eq!(post.carry("{}"), Forwarded::Failed { why: "host not found".to_owned() });
}

/// One request hangs; others are answered meanwhile, in the order in which the target likes to.
#[test]
fn f_evt_01_requests_do_not_wait_for_each_other() {
    const OTHERS: u64 = 40;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://localhost:{}/", listener.local_addr().unwrap().port());
    let (release, released) = mpsc::channel::<()>();
    let served = thread::spawn(move || {
        let mut streams: Vec<TcpStream> =
            listener.incoming().take(usize::try_from(OTHERS).unwrap() + 1).map(Result::unwrap).collect();
        let mut hanging = None;
        for mut stream in streams.drain(..).rev() {
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                let mut chunk = [0; 1_024];
                let read = stream.read(&mut chunk).unwrap();
                request.extend_from_slice(&chunk[..read]);
            }
            if request.ends_with(b"{\"hang\":1}") {
                hanging = Some(stream);
            } else {
                // An answer in pieces, behind one that is none yet.
                for piece in ["HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 2", "00 OK\r\n", CHUNKED] {
                    stream.write_all(piece.as_bytes()).unwrap();
                }
            }
        }
        released.recv_timeout(PATIENCE).unwrap();
        hanging.unwrap().write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    });
    let mut post = Post::open(PATIENCE, &url, None);
    let hanging = post.submit(Vec::new(), "{\"hang\":1}");
    let mut others: Vec<Ticket> = (0..OTHERS).map(|_| post.submit(Vec::new(), "{}")).collect();
    while !others.is_empty() {
        let (ticket, result) = post.told.recv_timeout(PATIENCE).unwrap();
        assert_eq!(status(&result), Some(200));
        others.retain(|other| *other != ticket);
    }
    release.send(()).unwrap();
    let (ticket, result) = post.told.recv_timeout(PATIENCE).unwrap();
    assert_eq!((ticket, status(&result)), (hanging, Some(204)));
    served.join().unwrap();
}

const CHUNKED: &str = "Transfer-Encoding: chunked\r\n\r\n3\r\nyes\r\n0\r\n\r\n";

#[test]
fn an_answer_whose_body_breaks_off_is_an_answer() {
    let head = "HTTP/1.1 400 Odd\r\nContent-Length: 10\r\n\r\nfour";
    assert_eq!(status(&posted(PATIENCE, answers(head))), Some(400));
    let nonsense = posted(PATIENCE, answers("SSH-2.0-OpenSSH_9.2\r\n\r\n"));
    assert_eq!(nonsense, Forwarded::Failed { why: "no answer that could be read".to_owned() });
}

/// A web app that knows from the head that it will not take the event, and reads no more of it.
#[test]
fn an_answer_that_comes_before_all_was_said_is_an_answer() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let served = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let _ = stream.read(&mut [0; 1_024]).unwrap();
        stream.write_all(b"HTTP/1.1 413 Too Long\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        // It hangs up on what it has not read, so the rest is refused.
    });
    let mut post = Post::open(PATIENCE, &url, None);
    assert_eq!(status(&post.carry(&"x".repeat(16 * 1_024 * 1_024))), Some(413));
    served.join().unwrap();
}
