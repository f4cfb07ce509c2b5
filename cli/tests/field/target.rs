//! An event target that fails in every way there is, one after the other, and takes what it has not refused.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::SECRET;
use crate::town::PATIENCE;

/// What the target does with one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    Takes,
    /// It takes the event, and nobody learns of it.
    LosesReply,
    /// It answers with this line and takes nothing.
    Answers(&'static str),
    /// It answers 503, and takes its time.
    Dawdles,
    /// It says nothing until the broker has had enough.
    Hangs,
    /// The stream ends before anything was done.
    HangsUp,
    /// The stream is reset before anything was done.
    Resets,
}

/// Every way to fail, with successes in between.
pub(crate) const HOSTILE: [Manner; 10] = [
    Manner::Answers("500 Odd"),
    Manner::Takes,
    Manner::Answers("429 Patience\r\nRetry-After: 0"),
    Manner::HangsUp,
    Manner::LosesReply,
    Manner::Dawdles,
    Manner::Takes,
    Manner::Resets,
    Manner::Hangs,
    Manner::Takes,
];

/// Ids of events that begin so are answered 400.
pub(crate) const BAD: &str = "bad-";

/// See the module's own words.
pub(crate) struct Target {
    pub(crate) url: String,
    seen: Arc<Mutex<Seen>>,
}

struct Seen {
    manners: Vec<Manner>,
    requests: usize,
    /// Ids that were taken, each once, by runner.
    taken: BTreeMap<String, Vec<String>>,
    /// How often each manner was met.
    met: Vec<Manner>,
    heads: Vec<String>,
}

impl Target {
    /// A target that takes everything but bad events.
    pub(crate) fn start() -> Target {
        Target::with(&[Manner::Takes])
    }

    /// A target whose manners take turns.
    pub(crate) fn with(manners: &[Manner]) -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen {
            manners: manners.to_vec(),
            requests: 0,
            taken: BTreeMap::new(),
            met: Vec::new(),
            heads: Vec::new(),
        }));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&all);
                thread::spawn(move || {
                    // A connection that breaks is the broker's matter.
                    let _ = answer(stream, &seen);
                });
            }
        });
        Target { url, seen }
    }

    /// From here on it behaves so.
    pub(crate) fn becomes(&self, manners: &[Manner]) {
        self.lock().manners = manners.to_vec();
    }

    /// Ids that were taken, each once and in order, by runner.
    pub(crate) fn taken(&self) -> BTreeMap<String, Vec<String>> {
        self.lock().taken.clone()
    }

    /// True when a request was met in this manner.
    pub(crate) fn met(&self, manner: Manner) -> bool {
        self.lock().met.contains(&manner)
    }

    /// Heads of all requests, as they came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.lock().heads.clone()
    }

    /// Waits until so many events were taken.
    pub(crate) fn waits_for(&self, count: usize) {
        self.waits(|target| target.taken().values().map(Vec::len).sum::<usize>() >= count);
    }

    /// Waits until something is so.
    pub(crate) fn waits(&self, is_so: impl Fn(&Target) -> bool) {
        let until = Instant::now() + 3 * PATIENCE;
        while !is_so(self) {
            assert!(Instant::now() < until, "the target took only {:?}", self.taken());
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        lock(&self.seen)
    }
}

/// One request, answered after the manner whose turn it is; the connection ends with it.
fn answer(mut stream: TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    let head = read_request(&mut stream)?;
    let lines: Vec<(String, &str)> = head
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    let header = |name: &str| {
        let line = lines.iter().find(|(have, _)| have == name);
        line.map_or(String::new(), |(_, value)| (*value).to_owned())
    };
    let (runner, id) = (header("x-runner-id"), header("x-event-id"));
    assert!(header("authorization") == format!("Bearer {SECRET}"), "{head}");
    assert!(header("content-type") == "application/json", "{head}");
    assert!(head.starts_with("POST /api/runner/events HTTP/1.1"), "{head}");
    let manner = {
        let mut seen = lock(seen);
        seen.requests += 1;
        seen.heads.push(head);
        let turn = seen.requests % seen.manners.len();
        let manner = if id.starts_with(BAD) { Manner::Answers("400 Never") } else { seen.manners[turn] };
        seen.met.push(manner);
        if matches!(manner, Manner::Takes | Manner::LosesReply) {
            let taken = seen.taken.entry(runner).or_default();
            if !taken.contains(&id) {
                taken.push(id);
            }
        }
        manner
    };
    let status = match manner {
        Manner::Takes => "200 OK",
        Manner::Answers(status) => status,
        Manner::Dawdles => {
            thread::sleep(Duration::from_millis(30));
            "503 Odd"
        }
        Manner::LosesReply | Manner::HangsUp => return Ok(()),
        // Ends when the broker has had enough.
        Manner::Hangs => return stream.read(&mut [0]).map(|_| ()),
        Manner::Resets => {
            return Ok(rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO))?);
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

/// Reads one request and gives its head.
pub(crate) fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let (head, _) = read_whole(stream)?;
    Ok(head)
}

/// Reads one request and gives its head and its body.
pub(crate) fn read_whole(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Ok((head, bytes.split_off(end + 4)));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
