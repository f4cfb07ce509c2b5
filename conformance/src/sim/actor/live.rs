//! Live topics from outside: watchers, who come back by position, and programs that publish and repeat
//! themselves until they are answered.

mod line;

use std::collections::BTreeMap;

use peermesh_core::machine::Listener;

use crate::sim::clock::MS;
use crate::sim::dice::Dice;
use crate::sim::heard::{Heard, HeardKind};
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::oracle::live::{Part, Publication};
use crate::sim::plan::Class;
use crate::sim::swarm::Mix;
use crate::sim::tap::Sight;
use crate::sim::world::{LIVE_SECRET, World};
use line::{BEAT, CONNECT, Line};

/// A topic of each kind, told apart by what becomes of watchers that do not keep up.
pub(in crate::sim) const TOPICS: [&str; 4] = ["plain", "state", "leaky", VOLATILE];
/// The one that lives in memory only.
pub(in crate::sim) const VOLATILE: &str = "brief";

/// As whom a watcher watches: some users have several connections.
pub(in crate::sim) fn user_of(watcher: usize) -> String {
    format!("u{}", watcher % 3)
}

const DEED: u8 = 1;
const AGAIN: u8 = 4;
const READ: u8 = 5;

/// How long a publisher waits for an answer before it asks again, in milliseconds.
const ANSWER_MS: u64 = 8_000;
/// Publications without an answer, at most.
const OPEN_MAX: usize = 40;

/// Somebody who watches one topic.
#[derive(Debug)]
pub(in crate::sim) struct Watcher {
    line: Line,
    topic: &'static str,
    is_slow: bool,
    is_flapping: bool,
    /// It reads a stream of events.
    is_stream: bool,
    /// It wants to know who comes and goes.
    is_curious: bool,
    /// It was given a token of its user.
    has_token: bool,
    /// Whether it asks for another one before it comes back.
    tokens: Dice,
    /// It asked to go on where it was.
    asked: bool,
    is_subscribed: bool,
}

impl Watcher {
    pub(super) fn new(place: usize, topic: usize, mix: &Mix, mut dice: Dice, tokens: Dice) -> Watcher {
        let (slow, flapping) = (dice.chance(50), dice.chance(40));
        let (is_stream, is_curious) = (dice.chance(30), dice.chance(50));
        Watcher {
            is_stream,
            is_curious,
            has_token: false,
            tokens,
            topic: TOPICS[topic % TOPICS.len()],
            is_slow: slow && mix.has(Class::Slow),
            is_flapping: flapping && mix.has(Class::Flapping),
            asked: false,
            is_subscribed: false,
            line: Line::new(place, mix, dice),
        }
    }

    pub(super) fn act(&mut self, world: &mut World, token: u8) {
        match token {
            DEED if !self.line.is_peaceful => {
                self.deed(world);
                self.line.wake_later(world, DEED);
            }
            READ => self.read_on(world),
            CONNECT | BEAT => {
                self.dress(world);
                self.line.act(world, token, Party::Watcher(self.line.place));
            }
            crate::sim::actor::Actor::BEGIN => {
                world.oracle.watches(self.line.place, self.topic);
                self.dress(world);
                self.line.begin(world, Party::Watcher(self.line.place));
                self.line.wake_later(world, DEED);
            }
            _ => {}
        }
    }

    /// Makes ready what the next connection says first. Some come back with the token that they had, which
    /// may open nothing any more.
    fn dress(&mut self, world: &mut World) {
        if self.line.link.is_some() {
            return;
        }
        let is_kept = self.has_token && !self.line.is_peaceful && self.tokens.chance(30);
        if !is_kept {
            self.has_token = true;
            self.line.token = world.token_of(&user_of(self.line.place));
            world.oracle.shows_token(self.line.place, world.wall_ms());
        }
        if !self.is_stream {
            return;
        }
        let known = world.oracle.knowledge(self.line.place).filter(|known| !known.epoch.is_empty());
        self.asked = known.is_some();
        let last = known.map(|known| format!("Last-Event-ID: {}:{}\r\n", known.epoch, known.offset));
        let target = format!("/events?topic={}", self.topic);
        self.line.request = Some((target, last.unwrap_or_default()));
    }

    fn deed(&mut self, world: &mut World) {
        let Some(link) = self.line.link else { return };
        match self.line.dice.below(100) {
            0..=11 if self.is_flapping => self.line.give_up(world),
            12..=29 if self.is_slow => {
                world.tally.mark(Mark::SlowReader);
                world.set_reading(link, false);
                let wait = self.line.dice.around(6_000);
                world.wake_actor(self.line.place, wait, READ);
            }
            _ => {}
        }
    }

    fn read_on(&mut self, world: &mut World) {
        if let Some(link) = self.line.link {
            world.set_reading(link, true);
        }
    }

    /// Goes on where it was, or begins.
    fn subscribe(&mut self, world: &mut World, link: LinkNo) {
        self.is_subscribed = false;
        let mut text = format!(r#"{{"type":"subscribe","topic":"{}","id":"s""#, self.topic);
        let known = world.oracle.knowledge(self.line.place).filter(|known| !known.epoch.is_empty());
        self.asked = false;
        if self.is_curious {
            text += r#","presence":true"#;
        }
        if let Some(known) = known
            && self.line.dice.chance(85)
        {
            self.asked = true;
            text += &format!(r#","recover":{{"epoch":"{}","offset":{}}}"#, known.epoch, known.offset);
        }
        text.push('}');
        world.write_text(link, &text);
    }

    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: Sight) {
        if self.line.link != Some(link) {
            return;
        }
        self.line.heard_at = world.now;
        match sight {
            Sight::Head(101) => {
                self.line.is_open = true;
                self.subscribe(world, link);
            }
            Sight::Head(200) if self.is_stream => self.line.is_open = true,
            Sight::Ping(_) if self.is_stream => {}
            Sight::Live(heard) => {
                if self.is_stream {
                    self.mark(world, &heard);
                }
                let told = world.oracle.watcher_hears(self.line.place, &heard, self.asked, &mut world.tally);
                world.judge(told);
                match heard.kind {
                    HeardKind::Subscribed => self.is_subscribed = true,
                    HeardKind::Error | HeardKind::Unsubscribed => {
                        self.line.is_refused(world, &heard.code);
                        self.is_subscribed = false;
                    }
                    _ => {}
                }
            }
            Sight::Close(code, _) => {
                match code {
                    4008 => world.tally.mark(Mark::LiveSlow),
                    4403 => world.tally.mark(Mark::LiveBarred),
                    _ => {}
                }
                self.is_subscribed = false;
                match self.is_stream {
                    true => self.line.is_open = false,
                    false => self.line.is_told_goodbye(world, link, code),
                }
            }
            other => self.line.sees(world, link, &other),
        }
    }

    fn mark(&self, world: &mut World, heard: &Heard) {
        match heard.kind {
            HeardKind::Position => world.tally.mark(Mark::LiveStreamed),
            HeardKind::Subscribed if heard.recovered == Some(true) => world.tally.mark(Mark::LiveStreamBack),
            _ => {}
        }
    }

    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo) {
        self.line.loses(world, link);
    }

    pub(super) fn make_peace(&mut self, world: &mut World) {
        self.read_on(world);
        self.line.make_peace(world);
    }

    pub(super) fn waits_for(&self, world: &World) -> Option<String> {
        if !self.line.is_open || !self.is_subscribed {
            return Some(format!("watcher {} is not shown {}", self.line.place, self.topic));
        }
        world.oracle.watcher_misses(self.line.place)
    }
}

/// Somebody who publishes to one topic.
#[derive(Debug)]
pub(in crate::sim) struct Publisher {
    line: Line,
    topic: &'static str,
    count: u64,
    /// What was not answered: when it was said last, and how.
    open: BTreeMap<String, (u64, String)>,
}

impl Publisher {
    pub(super) fn new(place: usize, topic: usize, mix: &Mix, dice: Dice) -> Publisher {
        let topic = TOPICS[topic % TOPICS.len()];
        Publisher { topic, count: 0, open: BTreeMap::new(), line: Line::new(place, mix, dice) }
    }

    pub(super) fn act(&mut self, world: &mut World, token: u8) {
        match token {
            DEED if !self.line.is_peaceful => {
                let burst = if self.line.dice.chance(10) { 12 } else { 1 };
                (0..burst).for_each(|_| self.publish(world));
                self.revoke(world);
                self.line.wake_later(world, DEED);
            }
            AGAIN => {
                self.say_again(world, ANSWER_MS);
                world.wake_actor(self.line.place, ANSWER_MS / 2, AGAIN);
            }
            CONNECT | BEAT => self.line.act(world, token, Party::Publisher),
            crate::sim::actor::Actor::BEGIN => {
                self.line.begin(world, Party::Publisher);
                self.line.wake_later(world, DEED);
                world.wake_actor(self.line.place, ANSWER_MS, AGAIN);
            }
            _ => {}
        }
    }

    fn publish(&mut self, world: &mut World) {
        if self.open.len() >= OPEN_MAX {
            return;
        }
        self.count += 1;
        let id = format!("p{}-{}", self.line.place, self.count);
        let batch = self.line.dice.chance(20).then(|| 1 + self.line.dice.below(4));
        let parts: Vec<Part> = (0..batch.unwrap_or(1)).map(|_| self.part(&id)).collect();
        let mut text =
            format!(r#"{{"type":"publish","topic":"{}","id":"{id}","idempotency_key":"{id}","#, self.topic);
        let fields: Vec<String> = parts.iter().map(fields).collect();
        match batch {
            Some(_) => text += &format!(r#""batch":[{{{}}}]}}"#, fields.join("},{")),
            None => text += &format!("{}}}", fields.join(",")),
        }
        world.oracle.publishes(&id, Publication { topic: self.topic.to_owned(), parts });
        if let (Some(link), true) = (self.line.link, self.line.is_open) {
            let times = if self.line.dice.chance(10) { 2 } else { 1 };
            (0..times).for_each(|_| world.write_text(link, &text));
        }
        self.open.insert(id, (world.now, text));
    }

    /// Takes the rights of a user back, now and then. Its next token is good again, but where clocks are not:
    /// there nobody could say which tokens came later.
    fn revoke(&mut self, world: &mut World) {
        if !self.line.dice.chance(1) || world.mix.has(Class::Jumps) {
            return;
        }
        let user = user_of(self.line.dice.place(3));
        let body = format!(r#"{{"user":"{user}"}}"#);
        let node = self.line.dice.place(world.nodes.len());
        let Some(link) = world.dial(self.line.place, node, Listener::Live) else { return };
        let asked_ms = world.wall_ms();
        world.oracle.opens(world.links[link.0].conn, node, Party::Revoker { user, asked_ms });
        let request = format!(
            "POST /revoke HTTP/1.1\r\nHost: broker.test\r\nAuthorization: Bearer {LIVE_SECRET}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        world.write(link, request.into_bytes(), 0);
    }

    fn part(&mut self, id: &str) -> Part {
        let dice = &mut self.line.dice;
        let key = dice.chance(75).then(|| format!("e{}", dice.below(3)));
        let version = (key.is_some() && dice.chance(50)).then(|| dice.below(self.count + 5));
        let removes = key.is_some() && dice.chance(15);
        let pad = "x".repeat(usize::try_from(*dice.pick(&[0, 20, 700])).unwrap_or(0));
        let text = if removes { "null".to_owned() } else { format!(r#""{id} {pad}""#) };
        Part { key, version, text }
    }

    /// Says again what was not answered for so many milliseconds.
    fn say_again(&mut self, world: &mut World, since_ms: u64) {
        let (Some(link), true) = (self.line.link, self.line.is_open) else { return };
        let now = world.now;
        for (said_at, text) in self.open.values_mut().filter(|(at, _)| at + since_ms * MS <= now) {
            *said_at = now;
            world.write_text(link, text);
        }
    }

    pub(super) fn sees(&mut self, world: &mut World, link: LinkNo, sight: Sight) {
        if self.line.link != Some(link) {
            return;
        }
        self.line.heard_at = world.now;
        match sight {
            Sight::Head(101) => {
                self.line.is_open = true;
                self.say_again(world, 0);
            }
            Sight::Live(heard) => match heard.kind {
                HeardKind::Published => _ = self.open.remove(&heard.id),
                HeardKind::Error => self.line.is_refused(world, &heard.code),
                _ => {}
            },
            Sight::Close(code, _) => self.line.is_told_goodbye(world, link, code),
            other => self.line.sees(world, link, &other),
        }
    }

    pub(super) fn loses(&mut self, world: &mut World, link: LinkNo) {
        self.line.loses(world, link);
    }

    pub(super) fn make_peace(&mut self, world: &mut World) {
        self.line.make_peace(world);
    }

    pub(super) fn waits_for(&self) -> Option<String> {
        self.open.keys().next().map(|id| format!("publication {id} is not answered"))
    }
}

/// The fields of a publication, as they stand in a message.
fn fields(Part { key, version, text }: &Part) -> String {
    let key = key.as_ref().map_or(String::new(), |key| format!(r#""key":"{key}","#));
    let version = version.map_or(String::new(), |version| format!(r#""version":{version},"#));
    format!(r#"{key}{version}"data":{text}"#)
}
