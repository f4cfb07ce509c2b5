//! One connection through the proxy: two streams, each with a thread that reads and one that writes.
//!
//! *Always holds:* each direction ends by itself. A client that goes does not take away what it had sent.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use super::Shared;
use super::catch::{Catch, Point, Verdict};
use super::wire::{self, Form, Messages, Prepared};

/// Chunks that may wait between the reader and the writer of a stream.
const QUEUE: usize = 64;

/// Bytes read at once.
const CHUNK: usize = 64 * 1024;

/// Bytes, and when they may arrive.
type Due = (Instant, Vec<u8>);

/// Starts to carry what one end says to the other.
pub(super) fn carry(shared: &Arc<Shared>, client: TcpStream, server: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let number = shared.enter([client.try_clone()?, server.try_clone()?]);
    let link = Arc::new(Link {
        shared: Arc::clone(shared),
        ends: [client.try_clone()?, server.try_clone()?],
        number,
        first_letters: AtomicU64::new(0),
        is_encrypted: AtomicBool::new(false),
        replies: Mutex::default(),
    });
    let (to_server, up) = sync_channel(QUEUE);
    let (to_client, down) = sync_channel(QUEUE);
    let (reading, writing) = (Arc::clone(&link), server.try_clone()?);
    let own = client.try_clone()?;
    thread::spawn(move || Up::new(reading).carry(own, &to_server));
    let upward = Arc::clone(shared);
    thread::spawn(move || deliver(&upward, &up, writing));
    thread::spawn(move || Down::new(link).carry(server, &to_client));
    let downward = Arc::clone(shared);
    thread::spawn(move || deliver(&downward, &down, client));
    Ok(())
}

/// What both directions of a connection know.
struct Link {
    shared: Arc<Shared>,
    /// Client and server.
    ends: [TcpStream; 2],
    number: u64,
    /// Questions about encryption that are not answered.
    first_letters: AtomicU64,
    is_encrypted: AtomicBool,
    /// Whose answers are waited for: the number of the request on this connection, and who waits.
    replies: Mutex<BTreeMap<u64, Catch>>,
}

impl Link {
    fn cut(&self) {
        for end in &self.ends {
            let _ = end.shutdown(Shutdown::Both);
        }
    }

    fn replies(&self) -> MutexGuard<'_, BTreeMap<u64, Catch>> {
        self.replies.lock().expect("no thread of the proxy panicked")
    }

    /// When what was read at this moment may arrive.
    fn due(&self, direction: usize) -> Instant {
        Instant::now() + self.shared.state().delays[direction]
    }

    /// Asks what is to become of what was caught. False: its connection is cut.
    fn passes(&self, catch: &Catch) -> bool {
        match catch.hold(self.ends[0].try_clone().ok()) {
            Verdict::Pass => true,
            Verdict::Cut => {
                self.cut();
                false
            }
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.leave(self.number);
    }
}

/// From the client to the server.
struct Up {
    link: Arc<Link>,
    prepared: Prepared,
    form: Form,
    /// Requests so far; the first one is the start of the session, which is answered like any other.
    requests: u64,
    /// The request that goes on, from the call that was caught.
    caught: Option<(Catch, Vec<u8>)>,
}

impl Up {
    fn new(link: Arc<Link>) -> Up {
        Up { link, prepared: Prepared::default(), form: Form::First, requests: 1, caught: None }
    }

    fn carry(mut self, mut client: TcpStream, on: &SyncSender<Due>) {
        let mut messages = Messages::default();
        let mut chunk = vec![0; CHUNK];
        while let Ok(length) = read(&mut client, &mut chunk) {
            messages.push(&chunk[..length]);
            let mut out = Vec::new();
            let lives = self.sort(&mut messages, &mut out);
            if length == 0 {
                out.append(&mut messages.take_rest());
            }
            if !lives || on.send((self.link.due(0), out)).is_err() || length == 0 {
                return;
            }
        }
    }

    /// Moves what may go on to `out`. False: the connection was cut.
    fn sort(&mut self, messages: &mut Messages, out: &mut Vec<u8>) -> bool {
        if self.link.is_encrypted.load(Ordering::SeqCst) {
            out.append(&mut messages.take_rest());
            return true;
        }
        while let Some(message) = messages.next(self.form) {
            if self.form == Form::First {
                if wire::asks_for_encryption(&message) {
                    self.link.first_letters.fetch_add(1, Ordering::SeqCst);
                } else {
                    self.form = Form::Lettered;
                }
                out.extend(message);
            } else if !self.pass(message, out) {
                return false;
            }
        }
        true
    }

    fn pass(&mut self, message: Vec<u8>, out: &mut Vec<u8>) -> bool {
        if let Some(call) = self.prepared.call_in(&message)
            && let Some(catch) = self.link.shared.count_call(&call)
        {
            match catch.point() {
                Point::Call if self.caught.is_none() => self.caught = Some((catch, Vec::new())),
                Point::Call | Point::Reply => drop(self.link.replies().insert(self.requests + 1, catch)),
            }
        }
        let ends = wire::ends_request(&message);
        match &mut self.caught {
            Some((_, held)) => held.extend(message),
            None => out.extend(message),
        }
        if !ends {
            return true;
        }
        self.requests += 1;
        self.link.shared.count_round_trip();
        let Some((catch, held)) = self.caught.take() else { return true };
        let passes = self.link.passes(&catch);
        if passes {
            self.link.replies().insert(self.requests, catch);
        }
        out.extend(held);
        passes
    }
}

/// From the server to the client.
struct Down {
    link: Arc<Link>,
    /// Requests that were answered.
    answered: u64,
}

impl Down {
    fn new(link: Arc<Link>) -> Down {
        Down { link, answered: 0 }
    }

    fn carry(mut self, mut server: TcpStream, on: &SyncSender<Due>) {
        let mut messages = Messages::default();
        let mut chunk = vec![0; CHUNK];
        let mut held = Vec::new();
        while let Ok(length) = read(&mut server, &mut chunk) {
            messages.push(&chunk[..length]);
            let mut out = Vec::new();
            let lives = self.sort(&mut messages, &mut held, &mut out);
            if length == 0 {
                out.append(&mut messages.take_rest());
            }
            if !lives || on.send((self.link.due(1), out)).is_err() || length == 0 {
                return;
            }
        }
    }

    /// Moves what may go on to `out`, and what waits for its answer's end to `held`. False: cut.
    fn sort(&mut self, messages: &mut Messages, held: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
        loop {
            if self.link.is_encrypted.load(Ordering::SeqCst) {
                out.append(&mut messages.take_rest());
                return true;
            }
            let is_letter = self.link.first_letters.load(Ordering::SeqCst) > 0;
            let form = if is_letter { Form::Letter } else { Form::Lettered };
            let Some(message) = messages.next(form) else { return true };
            if is_letter {
                self.link.first_letters.fetch_sub(1, Ordering::SeqCst);
                self.link.is_encrypted.store(matches!(message[0], b'S' | b'G'), Ordering::SeqCst);
                out.extend(message);
            } else if !self.pass(message, held, out) {
                return false;
            }
        }
    }

    fn pass(&mut self, message: Vec<u8>, held: &mut Vec<u8>, out: &mut Vec<u8>) -> bool {
        let ends = wire::ends_answer(&message);
        self.answered += u64::from(ends);
        let request = self.answered + u64::from(!ends);
        let catch = self.link.replies().get(&request).cloned();
        let Some(catch) = catch else {
            out.extend(message);
            return true;
        };
        held.extend(message);
        if !ends {
            return true;
        }
        self.link.replies().remove(&request);
        catch.was_answered();
        let passes = catch.point() == Point::Call || self.link.passes(&catch);
        out.append(held);
        passes
    }
}

/// The next bytes; none where the stream has ended.
fn read(from: &mut TcpStream, chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

/// Writes what comes when it is due, then ends the stream. What cannot be written is dropped, so that the
/// other end is never stopped by it.
fn deliver(shared: &Shared, queue: &Receiver<Due>, mut to: TcpStream) {
    let mut lives = true;
    for (due, bytes) in queue {
        thread::sleep(due.saturating_duration_since(Instant::now()));
        shared.wait_for_flow();
        lives = lives && to.write_all(&bytes).is_ok();
    }
    let _ = to.shutdown(Shutdown::Write);
}
