//! The limit of runners: a bare relay, which passes commands on and events back and does nothing else.
//!
//! It speaks the same bytes as a broker on the same number of connections, in a process of its own with one
//! thread. It stores nothing, asks nobody for a secret, acknowledges no event and repeats none; of one runner
//! one event is on its way to the target at a time, as it is with the broker.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::mem;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use super::pool::Pool;
use super::runner::Message;
use super::served::Served;
use super::{Heard, Place, Speaker, Stamp, unexpected};

/// What one connection hands to another.
#[derive(Default)]
struct Hands {
    /// Texts that were heard and not yet passed on.
    heard: VecDeque<Vec<u8>>,
    /// The runner that connected, or that a command is for.
    name: Vec<u8>,
    /// What is about to be said.
    said: Vec<u8>,
}

type Shared = Rc<RefCell<Hands>>;

/// Relays until its process ends: events on so many connections to the target.
///
/// # Errors
/// When it cannot listen, or a connection to the target ends.
pub fn serve(listen: SocketAddr, target: SocketAddr, posts: usize) -> io::Result<()> {
    let (mut pool, hands) = (Pool::new()?, Shared::default());
    let post = |_| Box::new(Post { hands: Rc::clone(&hands), waiting: None }) as Box<dyn Speaker>;
    pool.join(target, (0..posts).map(post).collect())?;
    let shared = Rc::clone(&hands);
    pool.listen_on(listen, Box::new(move || Box::new(Guest::new(Rc::clone(&shared)))))?;
    let mut runners: BTreeMap<Vec<u8>, Place> = BTreeMap::new();
    let mut moves: Vec<(Place, Vec<u8>)> = Vec::new();
    loop {
        pool.turn(Duration::from_secs(3_600), &mut |place, heard| {
            let mut hands = hands.borrow_mut();
            match heard {
                Heard::Ready => {
                    runners.insert(mem::take(&mut hands.name), place);
                }
                // An event: each runner has a connection to the target.
                Heard::Arrived(_) => moves.extend(hands.heard.pop_front().map(|text| (place % posts, text))),
                // A command.
                Heard::Accepted => {
                    let to = runners.get(&mem::take(&mut hands.name)).copied();
                    moves.extend(to.zip(hands.heard.pop_front()));
                }
                Heard::Refused => {}
            }
        })?;
        for (to, text) in moves.drain(..) {
            hands.borrow_mut().said = text;
            pool.say(to, NOBODY, to);
        }
    }
}

/// A relay looks into nothing that it passes on.
const NOBODY: Stamp = Stamp { flow: 0, number: 0 };

/// Who came in: a runner or a caller, which its first bytes tell.
struct Guest {
    hands: Shared,
    /// Of a runner.
    socket: Option<Served>,
}

impl Guest {
    fn new(hands: Shared) -> Guest {
        Guest { hands, socket: None }
    }

    fn hear_runner(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        let Guest { hands, socket } = self;
        let name = memchr::memmem::find(bytes, b"runnerId=").map(|at| {
            let name = bytes[at + 9..].split(|byte| *byte == b' ');
            name.take(1).flatten().copied().collect::<Vec<u8>>()
        });
        socket.get_or_insert_with(Served::new).hear(bytes, out, &mut |_, text| {
            let mut hands = hands.borrow_mut();
            let is_open = !text.is_empty();
            if is_open {
                hands.heard.push_back(text.to_vec());
            } else {
                hands.name = name.clone().unwrap_or_default();
            }
            drop(hands);
            tell(if is_open { Heard::Arrived(NOBODY) } else { Heard::Ready });
            Ok(())
        })
    }

    fn hear_caller(&mut self, bytes: &[u8], out: &mut Vec<u8>, tell: &mut dyn FnMut(Heard)) -> usize {
        let mut at = 0;
        while let Some(message) = Message::read(&bytes[at..]) {
            let body = &bytes[at + message.body..at + message.end];
            let mut hands = self.hands.borrow_mut();
            hands.name = between(body, b"\"runnerId\":\"", b"\"").to_vec();
            // The command is the last of the body's fields, as callers of a load write it.
            hands
                .heard
                .push_back(between(body, b"\"command\":", b"").strip_suffix(b"}").unwrap_or(b"").to_vec());
            drop(hands);
            tell(Heard::Accepted);
            out.extend_from_slice(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n");
            out.extend_from_slice(b"Content-Length: 11\r\n\r\n{\"ok\":true}");
            at += message.end;
        }
        at
    }
}

impl Speaker for Guest {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn hear(
        &mut self,
        bytes: &mut [u8],
        out: &mut Vec<u8>,
        tell: &mut dyn FnMut(Heard),
    ) -> io::Result<usize> {
        if self.socket.is_some() || bytes.starts_with(b"GET ") {
            return self.hear_runner(bytes, out, tell);
        }
        Ok(self.hear_caller(bytes, out, tell))
    }

    /// Passes a command on.
    fn say(&mut self, _: Stamp, _: Place, out: &mut Vec<u8>) {
        if let Some(served) = &mut self.socket {
            served.say(&mem::take(&mut self.hands.borrow_mut().said));
            served.write(out);
        }
    }
}

/// A connection to the target of events.
struct Post {
    hands: Shared,
    /// While one is on its way, those that follow.
    waiting: Option<VecDeque<Vec<u8>>>,
}

impl Speaker for Post {
    fn greet(&mut self, _: &mut Vec<u8>) {}

    fn is_ready_at_once(&self) -> bool {
        true
    }

    fn hear(&mut self, bytes: &mut [u8], out: &mut Vec<u8>, _: &mut dyn FnMut(Heard)) -> io::Result<usize> {
        let Some(answer) = Message::read(bytes) else { return Ok(0) };
        if !bytes.starts_with(b"HTTP/1.1 200") || bytes.len() > answer.end {
            return Err(unexpected("the target", bytes));
        }
        match self.waiting.as_mut().and_then(VecDeque::pop_front) {
            Some(next) => put_event(out, &next),
            None => self.waiting = None,
        }
        Ok(answer.end)
    }

    /// Posts an event, as soon as the one before it is answered.
    fn say(&mut self, _: Stamp, _: Place, out: &mut Vec<u8>) {
        let text = mem::take(&mut self.hands.borrow_mut().said);
        match &mut self.waiting {
            Some(waiting) => waiting.push_back(text),
            None => {
                self.waiting = Some(VecDeque::new());
                put_event(out, &text);
            }
        }
    }
}

/// The request with an event, of the length that a broker's has.
fn put_event(out: &mut Vec<u8>, text: &[u8]) {
    out.extend_from_slice(
        b"POST /api/runner/events HTTP/1.1\r\nHost: 127.0.0.1:3000\r\nContent-Type: application/json\r\n\
          Authorization: Bearer the-secret-of-the-bench\r\nX-Runner-Id: r1\r\n\
          X-Event-Id: ~0000000000000000000000000\r\nX-Event-Seq: 1000000\r\nX-Event-Attempt: 1\r\n\
          User-Agent: bench\r\nAccept: */*\r\n",
    );
    out.extend_from_slice(format!("Content-Length: {}\r\n\r\n", text.len()).as_bytes());
    out.extend_from_slice(text);
}

/// What stands between two marks; up to the end where there is no second one.
fn between<'a>(bytes: &'a [u8], first: &[u8], second: &[u8]) -> &'a [u8] {
    let Some(at) = memchr::memmem::find(bytes, first) else { return &[] };
    let rest = &bytes[at + first.len()..];
    let end = if second.is_empty() { None } else { memchr::memmem::find(rest, second) };
    &rest[..end.unwrap_or(rest.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_taken_out_of_its_request() {
        let (hands, mut heard, mut out) = (Shared::default(), Vec::new(), Vec::new());
        let mut guest = Guest::new(Rc::clone(&hands));
        let body = "{\"runnerId\":\"r7\",\"command\":{\"type\":\"x\",\"payload\":{}}}";
        let request = format!("POST /commands HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut bytes = request.into_bytes();
        let taken = guest.hear(&mut bytes, &mut out, &mut |one| heard.push(one)).unwrap();
        assert_eq!((taken, heard), (bytes.len(), vec![Heard::Accepted]));
        let hands = hands.borrow();
        assert_eq!((hands.name.as_slice(), hands.heard.len()), (b"r7".as_slice(), 1));
        assert_eq!(hands.heard[0], b"{\"type\":\"x\",\"payload\":{}}");
        assert!(out.starts_with(b"HTTP/1.1 200"));
    }

    #[test]
    fn of_one_runner_one_event_is_on_its_way_at_a_time() {
        let hands = Shared::default();
        let mut post = Post { hands: Rc::clone(&hands), waiting: None };
        let mut out = Vec::new();
        for text in ["one", "two"] {
            hands.borrow_mut().said = text.as_bytes().to_vec();
            post.say(NOBODY, 0, &mut out);
        }
        assert!(out.ends_with(b"\r\n\r\none"));
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
        assert_eq!(post.hear(&mut answer.to_vec(), &mut out, &mut |_| ()).unwrap(), answer.len());
        assert!(out.ends_with(b"\r\n\r\ntwo"));
    }
}
