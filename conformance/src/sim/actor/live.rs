//! Live topics from outside: watchers, who come back by position, and programs that publish and repeat
//! themselves until they are answered.

mod line;

use std::collections::BTreeMap;

use crate::sim::clock::MS;
use crate::sim::dice::Dice;
use crate::sim::heard::HeardKind;
use crate::sim::link::LinkNo;
use crate::sim::marks::Mark;
use crate::sim::oracle::Party;
use crate::sim::oracle::live::Publication;
use crate::sim::plan::Class;
use crate::sim::swarm::Mix;
use crate::sim::tap::Sight;
use crate::sim::world::World;
use line::{BEAT, CONNECT, Line};

/// A topic of each kind, told apart by what becomes of watchers that do not keep up.
pub(in crate::sim) const TOPICS: [&str; 3] = ["plain", "state", "leaky"];

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
    /// It asked to go on where it was.
    asked: bool,
    is_subscribed: bool,
}

impl Watcher {
    pub(super) fn new(place: usize, topic: usize, mix: &Mix, mut dice: Dice) -> Watcher {
        let (slow, flapping) = (dice.chance(50), dice.chance(40));
        Watcher {
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
            CONNECT | BEAT => self.line.act(world, token, Party::Watcher(self.line.place)),
            crate::sim::actor::Actor::BEGIN => {
                world.oracle.watches(self.line.place, self.topic);
                self.line.begin(world, Party::Watcher(self.line.place));
                self.line.wake_later(world, DEED);
            }
            _ => {}
        }
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
            Sight::Live(heard) => {
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
                if code == 4008 {
                    world.tally.mark(Mark::LiveSlow);
                }
                self.line.is_told_goodbye(world, link, code);
            }
            other => self.line.sees(world, link, &other),
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
        let dice = &mut self.line.dice;
        let key = dice.chance(75).then(|| format!("e{}", dice.below(3)));
        let version = (key.is_some() && dice.chance(50)).then(|| dice.below(self.count + 5));
        let removes = key.is_some() && dice.chance(15);
        let pad = "x".repeat(usize::try_from(*dice.pick(&[0, 20, 700])).unwrap_or(0));
        let data = if removes { "null".to_owned() } else { format!(r#""{id} {pad}""#) };
        let mut text =
            format!(r#"{{"type":"publish","topic":"{}","id":"{id}","idempotency_key":"{id}""#, self.topic);
        if let Some(key) = &key {
            text += &format!(r#","key":"{key}""#);
        }
        if let Some(version) = version {
            text += &format!(r#","version":{version}"#);
        }
        text += &format!(r#","data":{data}}}"#);
        let what = Publication { topic: self.topic.to_owned(), key, version, text: data };
        world.oracle.publishes(&id, what);
        if let (Some(link), true) = (self.line.link, self.line.is_open) {
            let times = if self.line.dice.chance(10) { 2 } else { 1 };
            (0..times).for_each(|_| world.write_text(link, &text));
        }
        self.open.insert(id, (world.now, text));
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
