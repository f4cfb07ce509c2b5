//! The limit of messages: a bare post office, which stores what comes and passes it on.
//!
//! Its frames are a broker's, by the broker's own frame layer, on as many connections; its rows are a
//! broker's, by the broker's own driver of the embedded store, on a thread of its own, as many in a commit as
//! a broker would gather. It does nothing else: it believes whoever says hello, judges no send, knows neither
//! classes nor statuses, holds nobody to a window, repeats nothing and counts nothing. What a broker costs
//! beyond it is what a broker is for.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use memchr::memmem;
use peermesh_core::config::Limits;
use peermesh_core::conn::frame_text;
use peermesh_core::ids::{MailboxNo, MeshNo, Position};
use peermesh_core::store::{
    Accept, Answer, Batch, Driver, Message, Op, Outcome, Priority, Reply, Settled, Target,
};
use peermesh_core::time::Wall;
use peermesh_store::sqlite;

use super::pool::Pool;
use super::served::Served;
use super::{Heard, Place, Speaker, Stamp, read_hex, unexpected};

/// With fewer operations waiting a commit follows the last one at once, and with so many it waits for no
/// spacing: as with a broker, whose bounds hold besides.
const LOADED_OPS: usize = 8;
const ENOUGH_OPS: usize = 256;
/// What the thread that stores says first on its connection, and rings with.
const BELL: u8 = b'!';
/// The time that all messages have. An office without a clock does not need another.
const AT: Wall = Wall::from_millis(1_700_000_000_000);
const AT_TEXT: &str = "2023-11-14T22:13:20.000Z";

/// What came in.
enum Handed {
    /// Somebody is there, under an address.
    Hello(Vec<u8>),
    /// Somebody sends to an address, or to everybody.
    Letter { to: Vec<u8>, message: Box<Message> },
    /// Somebody has the message at a position.
    Taken(u64),
}

/// What one connection hands to the office, and the office to one connection.
#[derive(Default)]
struct Hands {
    handed: VecDeque<Handed>,
    /// What is about to be said.
    said: Option<Bytes>,
}

/// A letter on its way to the disk.
struct Letter {
    message: Arc<Message>,
    from: Place,
    to: Vec<Place>,
}

struct Office {
    /// Where its positions, mailboxes and its mesh begin: nobody else's in a store that holds something.
    first: i64,
    people: BTreeMap<Vec<u8>, Place>,
    /// Of each place, what a push says of its sender.
    senders: BTreeMap<Place, String>,
    next: u64,
    staged: (VecDeque<Op>, VecDeque<Letter>),
    /// Of the commit that is under way.
    under_way: Option<Vec<Letter>>,
    /// When the last commit began, and from when on the next one may.
    began: Instant,
    open_from: Instant,
    limits: Limits,
    orders: Sender<Batch>,
    /// What is to be said, and to whom.
    says: Vec<(Place, Bytes)>,
}

/// Stores and passes on until its process ends; the store is in that folder.
///
/// # Errors
/// When it cannot listen, or the store fails.
pub fn serve(listen: SocketAddr, dir: &Path) -> io::Result<()> {
    std::fs::create_dir_all(dir)?;
    let writer = sqlite::open(dir, 0).map_err(io::Error::other)?.writer;
    let (mut pool, hands) = (Pool::new()?, Rc::new(RefCell::new(Hands::default())));
    let shared = Rc::clone(&hands);
    pool.listen_on(listen, Box::new(move || Box::new(Guest::new(Rc::clone(&shared)))))?;
    let bell = TcpStream::connect(listen)?;
    bell.set_nodelay(true)?;
    let ((orders, ordered), (dones, done)) = (channel(), channel());
    let keep = move || keep(writer, &ordered, &dones, bell);
    let keeper = thread::Builder::new().name("store-write-0".to_owned()).spawn(keep)?;
    let mut office = Office::new(orders)?;
    let mut handed = Vec::new();
    loop {
        pool.turn(office.patience(), &mut |place, _| {
            handed.extend(hands.borrow_mut().handed.pop_front().map(|one| (place, one)));
        })?;
        handed.drain(..).for_each(|(place, one)| office.take(place, one));
        match done.try_recv() {
            Ok(()) => office.pass_on(),
            Err(TryRecvError::Empty) => {}
            Err(TryRecvError::Disconnected) => {
                return keeper.join().map_err(|_| io::Error::other("the thread that stores panicked"))?;
            }
        }
        office.order()?;
        for (place, text) in office.says.drain(..) {
            hands.borrow_mut().said = Some(text);
            pool.say(place, NOBODY, place);
        }
    }
}

/// An office looks into no message for its number.
const NOBODY: Stamp = Stamp { flow: 0, number: 0 };

/// Commits what is ordered, and rings when it is done.
fn keep(
    mut writer: Box<dyn Driver>,
    ordered: &Receiver<Batch>,
    dones: &Sender<()>,
    mut bell: TcpStream,
) -> io::Result<()> {
    let mut next = None;
    while let Some(batch) = next.take().or_else(|| ordered.recv().ok()) {
        for result in writer.write(&[Arc::new(batch)]) {
            let answer = result.map_err(io::Error::other)?;
            let is_new = |reply: &Reply| matches!(reply, Reply::Inserted | Reply::Done);
            if !matches!(&answer, Answer::Replies(replies) if replies.iter().all(is_new)) {
                return Err(io::Error::other(format!("a letter was known before: {answer:?}")));
            }
        }
        if dones.send(()).is_err() {
            return Ok(());
        }
        bell.write_all(&[BELL])?;
        while next.is_none() && writer.rest() {
            next = ordered.try_recv().ok();
        }
    }
    Ok(())
}

impl Office {
    fn new(orders: Sender<Batch>) -> io::Result<Office> {
        // A microsecond brings less than one letter.
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let first = i64::try_from(since.as_micros()).map_err(io::Error::other)?;
        let now = Instant::now();
        Ok(Office {
            first,
            people: BTreeMap::new(),
            senders: BTreeMap::new(),
            next: first.unsigned_abs(),
            staged: Default::default(),
            under_way: None,
            began: now,
            open_from: now,
            limits: Limits::default(),
            orders,
            says: Vec::new(),
        })
    }

    /// Until a commit may begin that others wait for.
    fn patience(&self) -> Duration {
        if self.under_way.is_some() || self.staged.0.is_empty() {
            return Duration::from_secs(3_600);
        }
        self.open_from.saturating_duration_since(Instant::now())
    }

    fn mailbox(&self, place: Place) -> MailboxNo {
        MailboxNo(self.first + i64::try_from(place).unwrap_or(0))
    }

    fn take(&mut self, place: Place, handed: Handed) {
        match handed {
            Handed::Hello(address) => {
                let key = String::from_utf8_lossy(&address).into_owned();
                let sender = [
                    format!(r#""meshId":"{:026}","senderPubkey":"{key}","#, 0),
                    format!(r#""senderMemberPubkey":"{key}","senderMemberId":"{place:026}","#),
                    format!(r#""senderName":"peer-{place}","priority":"now""#),
                ];
                let sender = sender.concat();
                self.senders.insert(place, sender);
                self.people.insert(address, place);
                self.says.push((place, frame_text(br#"{"type":"hello_ack"}"#)));
            }
            Handed::Letter { to, mut message } => {
                let others = || self.people.values().copied().filter(|other| *other != place).collect();
                let to = self.people.get(&to).map_or_else(others, |to| vec![*to]);
                message.position = Position(self.next);
                message.mesh = MeshNo(self.first);
                (message.sender, message.session) = (self.mailbox(place), self.mailbox(place));
                if let [only] = *to {
                    message.target = Target::Mailbox(self.mailbox(only));
                }
                self.next += 1;
                let message = Arc::from(message);
                let accept = Accept {
                    message: Arc::clone(&message),
                    mailboxes: to.iter().map(|to| self.mailbox(*to)).collect(),
                    mentions: Arc::default(),
                    old: None,
                    receipt: None,
                };
                self.staged.0.push_back(Op::Accept(accept));
                self.staged.1.push_back(Letter { message, from: place, to });
            }
            Handed::Taken(position) => self.staged.0.push_back(Op::Settle(Settled {
                position: Position(position),
                mailbox: self.mailbox(place),
                priority: Priority::Now,
                at: AT,
                outcome: Outcome::Delivered,
            })),
        }
    }

    /// Orders the next commit, when it is time and none is under way.
    fn order(&mut self) -> io::Result<()> {
        let now = Instant::now();
        let (ops, letters) = &mut self.staged;
        let is_time = self.open_from <= now || ops.len() >= ENOUGH_OPS;
        if self.under_way.is_some() || ops.is_empty() || !is_time {
            return Ok(());
        }
        let is_letter = |op: &Op| matches!(op, Op::Accept(_));
        let mut messages = 0;
        let (ops_max, messages_max) = (self.limits.batch_ops_max(), self.limits.batch_messages_max());
        let most = ops.len().min(usize::try_from(ops_max).unwrap_or(usize::MAX));
        let over = ops.iter().take(most).position(|op| {
            messages += u64::from(is_letter(op));
            messages > messages_max
        });
        let ops: Vec<Op> = ops.drain(..over.unwrap_or(most)).collect();
        let accepted = ops.iter().filter(|op| is_letter(op)).count();
        self.under_way = Some(letters.drain(..accepted).collect());
        self.began = now;
        self.orders.send(Batch::from(ops)).map_err(io::Error::other)
    }

    /// The commit is done: tells senders so, and passes their letters on.
    fn pass_on(&mut self) {
        let is_loaded = self.staged.0.len() >= LOADED_OPS;
        let spacing = if is_loaded { self.limits.commit_spacing_us() } else { 0 };
        self.open_from = self.began + Duration::from_micros(spacing);
        for Letter { message, from, to } in self.under_way.take().unwrap_or_default() {
            // As long as a broker's.
            let id = format!("{:026x}", message.position.0);
            let key = message.client_message_id.as_deref().unwrap_or_default();
            let count = to.len();
            let ack = [
                r#"{"type":"ack","id":""#,
                key,
                r#"","messageId":""#,
                &id,
                r#"","queued":true,"recipients":"#,
                &count.to_string(),
                r#","online":"#,
                &count.to_string(),
                r#","duplicate":false,"history_available":true,"first_seen_at":""#,
                AT_TEXT,
                r#"","durability":"synced"}"#,
            ];
            self.says.push((from, frame_text(ack.concat().as_bytes())));
            let push = [
                r#"{"type":"push","messageId":""#,
                &id,
                r#"","#,
                self.senders.get(&from).map_or("", String::as_str),
                r#","nonce":""#,
                &message.nonce,
                r#"","ciphertext":""#,
                &message.ciphertext,
                r#"","createdAt":""#,
                AT_TEXT,
                r#"","client_message_id":""#,
                key,
                r#"","request_fingerprint":""#,
                message.request_fingerprint.as_deref().unwrap_or_default(),
                r#""}"#,
            ];
            let push = frame_text(push.concat().as_bytes());
            self.says.extend(to.into_iter().map(|place| (place, push.clone())));
        }
    }
}

/// Who came in: a peer, or the bell.
struct Guest {
    hands: Rc<RefCell<Hands>>,
    /// Whether it is the bell, once it said something.
    rings: Option<bool>,
    served: Served,
}

impl Guest {
    fn new(hands: Rc<RefCell<Hands>>) -> Guest {
        Guest { hands, rings: None, served: Served::new() }
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
        if *self.rings.get_or_insert(bytes.first() == Some(&BELL)) {
            return Ok(bytes.len());
        }
        let Guest { hands, served, .. } = self;
        served.hear(bytes, out, &mut |_, text| {
            if !text.is_empty() {
                let handed = read(text).ok_or_else(|| unexpected("a peer", text))?;
                hands.borrow_mut().handed.push_back(handed);
                tell(Heard::Ready);
            }
            Ok(())
        })
    }

    fn say(&mut self, _: Stamp, _: Place, out: &mut Vec<u8>) {
        if let Some(frame) = self.hands.borrow_mut().said.take() {
            self.served.say_shared(&frame);
            self.served.write(out);
        }
    }
}

/// What a peer of a load says.
fn read(text: &[u8]) -> Option<Handed> {
    let field = |label: &[u8]| {
        let rest = &text[memmem::find(text, label)? + label.len()..];
        Some(&rest[..memchr::memchr(b'"', rest)?])
    };
    let word = |label: &[u8]| Some(Box::from(std::str::from_utf8(field(label)?).ok()?));
    Some(match field(b"\"type\":\"")? {
        b"hello" => Handed::Hello(field(b"\"pubkey\":\"")?.to_vec()),
        b"client_ack" => Handed::Taken(read_hex(field(b"\"brokerMessageId\":\"")?)?),
        b"send" => Handed::Letter {
            to: field(b"\"targetSpec\":\"")?.to_vec(),
            message: Box::new(Message {
                position: Position::ZERO,
                at: AT,
                mesh: MeshNo(0),
                sender: MailboxNo(0),
                session: MailboxNo(0),
                target: Target::Spec("*".into()),
                priority: Priority::Now,
                nonce: word(b"\"nonce\":\"")?,
                ciphertext: word(b"\"ciphertext\":\"")?,
                client_message_id: word(b"\"client_message_id\":\""),
                request_fingerprint: word(b"\"request_fingerprint\":\""),
                reply_to: None,
            }),
        },
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::traffic::{Flow, To, Traffic, Until};
    use crate::peer::Identity;
    use crate::process::{await_port, free_addr};
    use crate::wire::mesh::{EVERYBODY, Peer};

    #[test]
    fn what_is_sent_to_one_or_to_all_is_stored_and_arrives_once() {
        let (dir, addr) = (tempfile::tempdir().unwrap(), free_addr().unwrap());
        let home = dir.path().to_owned();
        // It serves for as long as the tests run.
        thread::spawn(move || serve(addr, &home));
        await_port(addr).unwrap();
        let people = (0..3).map(|place| Identity::new(String::new(), String::new(), place)).collect();
        let mut pool = Pool::new().unwrap();
        pool.join(addr, Peer::all(people, 3)).unwrap();
        let flows = [(0, To::One(1), 1), (2, To::One(EVERYBODY), 2)];
        let flows = flows.map(|(from, to, copies)| Flow { from, to, copies, until: Until::Both });
        let patience = Duration::from_secs(60);
        let mut traffic = Traffic::new(&flows);
        let outcome = traffic.exhaust(&mut pool, 8, 50, patience, &mut || Ok(Default::default())).unwrap();
        assert_eq!((outcome.accepted, outcome.arrivals), (100, 150));
        assert_eq!((outcome.lost, outcome.doubled, outcome.disordered), (0, 0, 0));
        let store = rusqlite::Connection::open(dir.path().join("peermesh.db")).unwrap();
        let stored: i64 = store.query_row("SELECT count(*) FROM message", (), |row| row.get(0)).unwrap();
        assert_eq!(stored, 100);
    }
}
