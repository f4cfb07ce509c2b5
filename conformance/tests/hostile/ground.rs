//! What attacks share: a broker on real sockets, strangers to it, and how much the process takes.

use std::fs;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::driver::runtime::Runtime;
use peermesh_conformance::driver::sockets::Sockets;
use peermesh_conformance::keys;
use peermesh_conformance::play::town::Town;
use peermesh_conformance::story::act::Peer;
use peermesh_conformance::story::{Said, Story, Terms};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Value, json};

/// The longest wait for one thing that must happen.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n\
    Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Every attack is met by both.
pub(crate) const RUNTIMES: [Runtime; 2] = [Runtime::Smol, Runtime::Threads];

/// Taken by every test: an attack is to be met by a broker that has the machine to itself, and what one test
/// leaves in memory is not to be another's.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

pub(crate) fn story(text: &str) -> Story {
    Story::parse(Path::new("hostile"), text).unwrap_or_else(|bad| panic!("{bad}"))
}

/// The broker of a story.
pub(crate) fn stage(story: &Story, runtime: Runtime) -> Sockets {
    Sockets::new(runtime, &story.terms).unwrap_or_else(|Said(said)| panic!("{said}"))
}

/// A town on real sockets, with a mesh, and a pair of its members that are served whatever happens.
pub(crate) struct Served {
    pub(crate) town: Town,
    pub(crate) broker: SocketAddr,
    ann: Peer,
    bob: Peer,
    said: usize,
}

impl Served {
    pub(crate) fn new(runtime: Runtime, limits: &[(&str, u64)], others: &[&str]) -> Served {
        // They talk all the time.
        let limits = [&[("send_rate_per_minute", 0)], limits].concat();
        let limits = limits.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
        // On a machine that is busy with an attack the store may be late.
        let errors = vec!["db ping failed".to_owned()];
        let terms = Terms { limits, shards: 1, errors, ..Terms::default() };
        let stage = Sockets::new(runtime, &terms).unwrap_or_else(|Said(said)| panic!("{said}"));
        let broker = stage.address();
        let town = Town::on(Box::new(stage), &terms);
        let mut served =
            Served { town, broker, ann: peer("ann", None), bob: peer("bob", Some("s1")), said: 0 };
        let members = [&["ann", "bob"], others].concat();
        served.town.make_mesh("garden", &members).unwrap_or_else(|Said(said)| panic!("{said}"));
        served
    }

    /// Waits for a frame.
    fn sees(&mut self, peer: &Peer, is_it: impl Fn(&Value) -> bool) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let frames = self.town.take(peer);
            if let Some(frame) = frames.iter().find(|frame| is_it(frame)) {
                return frame.clone();
            }
            assert!(Instant::now() < until, "{peer:?} waits in vain; lately:\n{}", self.town.last_notes(20));
            self.wait(5);
        }
    }

    /// Lets an attack run its course on a thread of its own, while ann and bob talk: before, all the time,
    /// and afterwards.
    pub(crate) fn during(&mut self, attack: impl FnOnce(SocketAddr) + Send + 'static) {
        for peer in [self.ann.clone(), self.bob.clone()] {
            self.town.greet(&peer, false).unwrap_or_else(|Said(said)| panic!("{said}"));
            self.sees(&peer, |frame| frame["type"] == "hello_ack");
        }
        self.talk();
        let broker = self.broker;
        let attack = thread::spawn(move || attack(broker));
        while !attack.is_finished() {
            self.talk();
            self.wait(50);
        }
        if let Err(panic) = attack.join() {
            std::panic::resume_unwind(panic);
        }
        self.talk();
    }

    /// Ann says something and is told that it is accepted; bob hears it.
    fn talk(&mut self) {
        self.said += 1;
        let id = format!("talk-{}", self.said);
        let send = json!({"type": "send", "id": id, "client_message_id": id, "priority": "now",
            "targetSpec": keys::public("bob.s1"), "nonce": "", "ciphertext": "eHh4"});
        let (ann, bob) = (self.ann.clone(), self.bob.clone());
        // A machine that is busy with an attack may say "retry", and then the same key is sent again.
        let until = Instant::now() + PATIENCE;
        loop {
            self.town.send(&ann, &send);
            let ack = self.sees(&ann, |frame| frame["type"] == "ack" && frame["id"] == id);
            if ack["queued"] == true {
                break;
            }
            let retry = ack["error"].as_str().is_some_and(|error| error.starts_with("retry:"));
            assert!(retry && Instant::now() < until, "{ack}");
            self.wait(100);
        }
        let push = self.sees(&bob, |frame| frame["client_message_id"] == id);
        let settled = json!({"type": "client_ack", "brokerMessageId": push["messageId"]});
        self.town.send(&bob, &settled);
    }

    fn wait(&mut self, millis: u64) {
        self.town.wait(millis).unwrap_or_else(|Said(said)| panic!("{said}"));
    }
}

pub(crate) fn peer(name: &str, session: Option<&str>) -> Peer {
    Peer { name: name.to_owned(), session: session.map(str::to_owned), number: 1 }
}

pub(crate) fn connect(broker: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect_timeout(&broker, PATIENCE).expect("a place in the backlog");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    stream
}

/// A frame of a client, whose mask changes nothing.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length @ 0..=125) => bytes.push(0x80 | length),
        _ => {
            bytes.push(0x80 | 126);
            bytes.extend(u16::try_from(payload.len()).expect("a short message").to_be_bytes());
        }
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Somebody who never waits for an answer, and remembers all of them.
#[derive(Debug)]
pub(crate) struct Stranger {
    stream: TcpStream,
    /// What it heard.
    pub(crate) heard: Vec<u8>,
    /// The broker ended the stream.
    pub(crate) ended: bool,
}

impl Stranger {
    pub(crate) fn new(broker: SocketAddr) -> Stranger {
        let stream = connect(broker);
        stream.set_nonblocking(true).expect("a mode");
        Stranger { stream, heard: Vec::new(), ended: false }
    }

    /// Says something, as far as anybody takes it.
    pub(crate) fn says(&mut self, bytes: &[u8]) {
        // That it was sent away, or is not read, shows when it listens.
        let _ = self.stream.write(bytes);
    }

    /// Goes without a word.
    pub(crate) fn leaves(&mut self) {
        // Perhaps the broker went first.
        let _ = self.stream.shutdown(Shutdown::Both);
        self.ended = true;
    }

    /// Takes what there is.
    pub(crate) fn listens(&mut self) {
        let mut buffer = [0; 4_096];
        while !self.ended {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.ended = true,
                Ok(bytes) => self.heard.extend_from_slice(&buffer[..bytes]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => self.ended = true,
            }
        }
    }

    /// True when it heard these words, after its upgrade or before.
    pub(crate) fn was_told(&self, words: &[u8]) -> bool {
        self.heard.windows(words.len()).any(|window| window == words)
    }
}

/// Lets strangers go on until all of them were sent away.
pub(crate) fn until_all_ended(strangers: &mut [Stranger], mut goes_on: impl FnMut(usize, &mut Stranger)) {
    let until = Instant::now() + PATIENCE;
    while strangers.iter().any(|stranger| !stranger.ended) {
        for (nth, stranger) in strangers.iter_mut().enumerate().filter(|(_, stranger)| !stranger.ended) {
            goes_on(nth, stranger);
            stranger.listens();
        }
        let left = strangers.iter().filter(|stranger| !stranger.ended).count();
        assert!(Instant::now() < until, "{left} strangers are still there");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What this process has in memory, in bytes.
pub(crate) fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("a Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line for it");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1_024
}

/// Raises the soft limit of open files as far as is needed.
pub(crate) fn allow_files(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let maximum = limit.maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).unwrap_or_else(|error| {
            panic!(
                "this test needs {needed} open files, and the hard limit is {maximum:?}: raise it ({error})"
            )
        });
    }
}
