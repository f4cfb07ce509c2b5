//! What a peer sends, until it knows what became of it; and what it was sent, until it has said so.

use std::collections::VecDeque;
use std::rc::Rc;

use peermesh_core::store::Priority;

use super::peer::{ACK, Peer, RESEND};
use crate::sim::clock::MS;
use crate::sim::marks::Mark;
use crate::sim::oracle::ledger::{AttemptId, Meaning};
use crate::sim::swarm::PeerKind;
use crate::sim::tap::Frame;
use crate::sim::world::World;

/// What a peer sends.
#[derive(Debug)]
pub(super) struct Letters {
    /// What it is called in every run.
    no: u16,
    count: u64,
    attempts: u64,
    open: VecDeque<Letter>,
    /// Keys that are decided, with what they stood for: the last ones.
    done: VecDeque<(String, Rc<Meaning>)>,
}

#[derive(Debug)]
struct Letter {
    key: Option<String>,
    meaning: Rc<Meaning>,
    /// The attempt that waits for its answer.
    attempt: Option<u64>,
    /// When that was, or when the next one may be.
    at: u64,
}

/// Letters of one peer that wait for an answer, at most.
const OPEN_MAX: usize = 24;
const DONE_MAX: usize = 40;

impl Letters {
    pub(super) fn new(no: u16) -> Letters {
        Letters { no, count: 0, attempts: 0, open: VecDeque::new(), done: VecDeque::new() }
    }

    /// Keys without an answer.
    pub(super) fn open(&self) -> impl Iterator<Item = &str> {
        self.open.iter().map(|letter| letter.key.as_deref().unwrap_or("a letter without a key"))
    }

    fn key(&mut self, peer_time: Option<i64>) -> String {
        self.count += 1;
        match peer_time {
            // A ULID: ten digits of time, sixteen of ours.
            Some(millis) => {
                let mut time = u64::try_from(millis).unwrap_or(0);
                let mut digits = [b'0'; 26];
                for place in (0..10).rev() {
                    digits[place] = CROCKFORD[usize::try_from(time % 32).unwrap_or(0)];
                    time /= 32;
                }
                let mut rest = u64::from(self.no) << 32 | self.count;
                for place in (10..26).rev() {
                    digits[place] = CROCKFORD[usize::try_from(rest % 32).unwrap_or(0)];
                    rest /= 32;
                }
                digits.iter().map(|digit| char::from(*digit)).collect()
            }
            None => format!("k{}-{}", self.no, self.count),
        }
    }
}

const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl Peer {
    /// A letter of its own making.
    pub(super) fn write_letter(&mut self, world: &mut World) {
        if self.letters.open.len() >= OPEN_MAX {
            return;
        }
        let Some(target) = self.some_target(world) else { return };
        let carries_time = self.dice.chance(8);
        let time = carries_time.then(|| world.wall_ms());
        let key = (!self.dice.chance(3)).then(|| self.letters.key(time));
        let priority = *self.dice.pick(&[Priority::Now, Priority::Next, Priority::Next, Priority::Low]);
        let long = world.mix.has(crate::sim::plan::Class::Long) && self.dice.chance(25);
        let most = world.config.limits.message_bytes_max().min(24_000) - 200;
        let length =
            if long { self.dice.between(2_000, most.max(2_001) / 2) } else { self.dice.between(8, 300) };
        let fingerprint = self.dice.chance(25).then(|| format!("{:064x}", self.letters.count));
        let meaning = Meaning {
            target,
            priority,
            ciphertext: sealed(&format!("{}x{}", self.letters.no, self.letters.count), length),
            reply_to: self.dice.chance(10).then(|| "another".to_owned()),
            fingerprint,
        };
        let letter = Letter { key, meaning: Rc::new(meaning), attempt: None, at: world.now };
        self.letters.open.push_back(letter);
        let last = self.letters.open.len() - 1;
        self.transmit(world, last);
    }

    /// Uses a key again that is decided: for the same, or for something else.
    pub(super) fn repeat_letter(&mut self, world: &mut World) {
        if self.letters.done.is_empty() || self.letters.open.len() >= OPEN_MAX {
            return;
        }
        let place = self.dice.place(self.letters.done.len());
        let (key, meaning) = self.letters.done[place].clone();
        let meaning = match self.dice.below(if self.role.is_lying { 3 } else { 8 }) {
            // Sealed again, it is the same request if its fingerprint says so.
            0 => Rc::new(Meaning { ciphertext: sealed("again", 40), ..(*meaning).clone() }),
            1 => Rc::new(Meaning { priority: another(meaning.priority), ..(*meaning).clone() }),
            _ => meaning,
        };
        let times = 1 + self.dice.below(3);
        for _ in 0..times {
            let (key, meaning, at) = (Some(key.clone()), Rc::clone(&meaning), world.now);
            self.letters.open.push_back(Letter { key, meaning, attempt: None, at });
            let last = self.letters.open.len() - 1;
            self.transmit(world, last);
        }
    }

    /// Uses a key of somebody else: it is its own all the same.
    pub(super) fn borrow_key(&mut self, world: &mut World) {
        let Some(target) = self.some_target(world) else { return };
        let Some(key) = world.oracle.some_key(&mut self.dice) else { return };
        let meaning = Meaning {
            target,
            priority: Priority::Next,
            ciphertext: sealed("borrowed", 30),
            reply_to: None,
            fingerprint: None,
        };
        let (meaning, at) = (Rc::new(meaning), world.now);
        self.letters.open.push_back(Letter { key: Some(key), meaning, attempt: None, at });
        let last = self.letters.open.len() - 1;
        self.transmit(world, last);
    }

    /// Somebody to write to.
    fn some_target(&mut self, world: &World) -> Option<String> {
        let drawn = self.dice.below(100);
        if drawn < 10 {
            return Some("*".to_owned());
        }
        if drawn < 16 {
            return Some((*self.dice.pick(&["@team", "@team/ui", "@all"])).to_owned());
        }
        if drawn < 19 {
            return Some(crate::sim::cast::stranger());
        }
        if drawn < 22 && world.cast.meshes.len() > 1 {
            // Somebody of another mesh is nobody here.
            let other = (self.who.who.mesh + 1) % world.cast.meshes.len();
            return Some(world.cast.meshes[other].members[0].key.hex());
        }
        let known = world.oracle.keys_of(self.who.who.mesh);
        // What a session writes to its own member waits for another connection of that, and there may be
        // none.
        let own = [self.who.hex.as_str(), self.who.member_hex()];
        known.pick(&mut self.dice, |key| !own.contains(&world.cast.called(key))).map(str::to_owned)
    }

    /// Sends everything that has no answer: a connection is new.
    pub(super) fn send_all(&mut self, world: &mut World) {
        for place in 0..self.letters.open.len() {
            self.transmit(world, place);
        }
    }

    /// Sends what may be tried again, and what was not answered for too long.
    pub(super) fn send_due(&mut self, world: &mut World) {
        let patience = (world.config.limits.ack_deadline_ms() + 20_000) * MS;
        for place in 0..self.letters.open.len() {
            let letter = &self.letters.open[place];
            let is_due = match letter.attempt {
                None => letter.at <= world.now,
                Some(_) => letter.at + patience <= world.now,
            };
            if is_due {
                self.transmit(world, place);
            }
        }
    }

    fn transmit(&mut self, world: &mut World, place: usize) {
        let Some(link) = self.speaking() else { return };
        self.letters.attempts += 1;
        let attempt = self.letters.attempts;
        let letter = &mut self.letters.open[place];
        (letter.attempt, letter.at) = (Some(attempt), world.now);
        let id = AttemptId { actor: self.place, no: attempt };
        let (key, meaning) = (letter.key.clone(), Rc::clone(&letter.meaning));
        let text = text_of(id, key.as_deref(), &meaning);
        let model = &world.disk.model;
        world.oracle.sends(world.now, model, &world.cast, self.who.who, id, key.as_deref(), meaning);
        if let Some(key) = &key {
            world.oracle.seals(world.links[link.0].conn, self.who.who, key);
        }
        world.write_text(link, &text);
        let patience = world.config.limits.ack_deadline_ms() + 20_100;
        world.wake_actor(self.place, patience, RESEND);
    }

    /// A send is answered.
    pub(super) fn is_answered(&mut self, world: &mut World, ack: &Frame) {
        let Some(id) = AttemptId::parse(&ack.id) else { return };
        let place = self.letters.open.iter().position(|letter| letter.attempt == Some(id.no));
        let Some(place) = place else { return };
        let error = ack.error.as_deref().unwrap_or("");
        if error.starts_with("retry: ") {
            let wait = match ack.retry_after_ms {
                Some(wait) => wait + self.dice.between(20, 1_500),
                None => self.dice.around(2_000),
            };
            let letter = &mut self.letters.open[place];
            (letter.attempt, letter.at) = (None, world.now + wait * MS);
            return world.wake_actor(self.place, wait, RESEND);
        }
        let Some(letter) = self.letters.open.remove(place) else { return };
        if let Some(key) = letter.key.filter(|_| error.is_empty()) {
            self.letters.done.push_back((key, letter.meaning));
            if self.letters.done.len() > DONE_MAX {
                self.letters.done.pop_front();
            }
        }
    }
}

/// What stands for a sealed text. It must never be seen in a log.
fn sealed(what: &str, length: u64) -> String {
    let mut text = format!("{}{what}", crate::sim::oracle::SEALED);
    while (text.len() as u64) < length {
        text.push_str("eHh4");
    }
    text
}

fn another(priority: Priority) -> Priority {
    match priority {
        Priority::Now => Priority::Low,
        Priority::Next | Priority::Low => Priority::Now,
    }
}

fn text_of(id: AttemptId, key: Option<&str>, meaning: &Meaning) -> String {
    let Meaning { target, priority, ciphertext, reply_to, fingerprint } = meaning;
    let mut text = format!(
        r#"{{"type":"send","id":"{id}","targetSpec":"{target}","priority":"{}","nonce":"","ciphertext":"{ciphertext}""#,
        priority.word()
    );
    let optional = [
        ("client_message_id", key),
        ("replyToId", reply_to.as_deref()),
        ("request_fingerprint", fingerprint.as_deref()),
    ];
    for (name, value) in optional.into_iter().filter_map(|(name, value)| Some((name, value?))) {
        text.push_str(&format!(r#","{name}":"{value}""#));
    }
    text.push('}');
    text
}

/// What a peer was sent and has not acknowledged.
#[derive(Debug, Default)]
pub(super) struct Mailbag {
    waiting: Vec<Push>,
    /// What was acknowledged: the last ones.
    done: VecDeque<String>,
}

#[derive(Debug)]
struct Push {
    id: String,
    key: Option<String>,
    /// When it will be acknowledged; none for never.
    due: Option<u64>,
}

impl Mailbag {
    /// Everything is acknowledged at once.
    pub(super) fn hurry(&mut self, now: u64) {
        self.waiting.iter_mut().for_each(|push| push.due = Some(now));
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

impl Peer {
    /// A message for it, or for its member.
    pub(super) fn receives(&mut self, world: &mut World, link: crate::sim::link::LinkNo, push: &Frame) {
        let lease_ms = world.config.limits.lease_ms();
        if self.who.kind == PeerKind::SendOnly {
            return;
        }
        let delay = match (self.is_peaceful, self.dice.below(100)) {
            (true, _) => Some(1),
            (false, 0..=19) if self.role.is_mute => {
                // It dies of it, and is started again.
                world.leave(link);
                return self.fail(world);
            }
            (false, 20..=79) if self.role.is_mute => None,
            (false, drawn) if self.role.is_slow && drawn < 40 => Some(self.dice.between(1, lease_ms * 2)),
            (false, 0..=69) => Some(self.dice.between(0, 40)),
            (false, _) => Some(self.dice.between(0, lease_ms / 2)),
        };
        let due = delay.map(|delay| world.now + delay * MS);
        let is_known = self.bag.waiting.iter_mut().find(|known| known.id == push.message_id);
        match is_known {
            Some(known) => known.due = due.or(known.due),
            None => {
                let (id, key) = (push.message_id.clone(), push.client_message_id.clone());
                self.bag.waiting.push(Push { id, key, due });
            }
        }
        if let Some(delay) = delay {
            world.wake_actor(self.place, delay, ACK);
        }
    }

    /// Acknowledges what is due.
    pub(super) fn ack_due(&mut self, world: &mut World) {
        let Some(link) = self.speaking() else { return };
        if matches!(self.who.kind, PeerKind::Legacy(_)) {
            // Its pongs do that.
            return self.bag.waiting.clear();
        }
        let now = world.now;
        let is_due = |push: &mut Push| push.due.is_some_and(|due| due <= now);
        let due: Vec<Push> = self.bag.waiting.extract_if(.., is_due).collect();
        for Push { id, key, .. } in due {
            self.acknowledge(world, link, &id, key.as_deref());
            self.bag.done.push_back(id);
            if self.bag.done.len() > DONE_MAX {
                self.bag.done.pop_front();
            }
        }
    }

    fn acknowledge(
        &mut self,
        world: &mut World,
        link: crate::sim::link::LinkNo,
        id: &str,
        key: Option<&str>,
    ) {
        let (id, key) = match (self.dice.below(4), key) {
            (0, Some(key)) if !self.is_peaceful => (None, Some(key)),
            (1, Some(key)) => (Some(id), Some(key)),
            _ => (Some(id), None),
        };
        world.oracle.acks(&world.disk.model, &world.cast, &self.who, id, key);
        let mut text = r#"{"type":"client_ack""#.to_owned();
        for (name, value) in [("brokerMessageId", id), ("clientMessageId", key)] {
            if let Some(value) = value {
                text.push_str(&format!(r#","{name}":"{value}""#));
            }
        }
        text.push('}');
        world.write_text(link, &text);
    }

    /// Acknowledges something a second time, or something that is not its own.
    pub(super) fn ack_falsely(&mut self, world: &mut World) {
        let Some(link) = self.speaking() else { return };
        if !self.bag.done.is_empty() && self.dice.chance(50) {
            let place = self.dice.place(self.bag.done.len());
            let id = self.bag.done[place].clone();
            world.tally.mark(Mark::AckTwice);
            return self.acknowledge(world, link, &id, None);
        }
        if let Some(id) = world.oracle.some_message_id(&mut self.dice) {
            world.tally.mark(Mark::ForeignAck);
            self.acknowledge(world, link, &id, None);
        }
    }
}
