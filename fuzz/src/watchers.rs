//! Watchers of live topics, and what each of them may count on: after a subscription every offset once and in
//! order, or a word that something is missing.

use std::collections::BTreeMap;

use peermesh_core::ids::ConnId;
use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::talk::{Heard, Talk};
use crate::world::World;

/// What opens everything behind the gate.
pub const LIVE_SECRET: &str = "live";

/// Watchers of one life.
const WATCHERS: usize = 3;
/// Two of them conflate and leave gaps; see the ground's rules.
const TOPICS: [&str; 4] = ["plain", "fleet.cars", "logs.all", "tmp.x"];

/// All watchers, with what they know of each topic.
#[derive(Debug, Default)]
pub struct Watchers {
    seats: BTreeMap<usize, Watcher>,
    /// Numbers keys of idempotency.
    published: u32,
}

#[derive(Debug)]
struct Watcher {
    talk: Talk,
    /// Where each of its subscriptions is.
    at: BTreeMap<String, Place>,
}

#[derive(Debug, Default)]
struct Place {
    /// The last offset.
    offset: u64,
    /// The last of each entity.
    entities: BTreeMap<String, u64>,
}

impl Watchers {
    /// Somebody begins to watch, in place of its connection before.
    pub fn opens(&mut self, world: &mut World, who: u8) {
        let request = format!(
            "GET /live HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {LIVE_SECRET}\r\n\r\n"
        );
        let talk = Talk::begin(world, Listener::Live, request.as_bytes());
        self.seats.insert(usize::from(who) % WATCHERS, Watcher { talk, at: BTreeMap::new() });
    }

    /// A subscription, or its end.
    pub fn asks(&self, world: &mut World, who: u8, topic: u8, subscribes: bool) {
        let kind = if subscribes { "subscribe" } else { "unsubscribe" };
        self.says(world, who, &json!({"type": kind, "topic": name_of(topic)}).to_string());
    }

    /// Any text.
    pub fn says(&self, world: &mut World, who: u8, text: &str) {
        if let Some(watcher) = self.seats.get(&(usize::from(who) % WATCHERS)) {
            watcher.talk.says(world, text);
        }
    }

    /// Somebody publishes: about an entity or not, under a key of idempotency that may be known.
    pub fn publish(&mut self, world: &mut World, topic: u8, about: u8, body: u8) {
        self.published += 1;
        let mut publication = json!({"topic": name_of(topic), "data": "x".repeat(usize::from(body) * 8)});
        if about % 4 > 0 {
            publication["key"] = json!(format!("e{}", about % 4));
        }
        if about >= 128 {
            publication["idempotency_key"] = json!(format!("k{}", about % 8));
        }
        let text = publication.to_string();
        let request = format!(
            "POST /publish HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {LIVE_SECRET}\r\n\
             Content-Length: {}\r\n\r\n{text}",
            text.len()
        );
        let conn = world.dial(Listener::Live);
        world.write(conn, request.as_bytes());
    }

    /// Stops or begins to take bytes.
    pub fn sticks(&self, world: &mut World, who: u8, stuck: bool) {
        if let Some(conn) = self.conn(who) {
            world.set_stuck(conn, stuck);
        }
    }

    /// Its stream is gone.
    pub fn drops(&mut self, world: &mut World, who: u8) {
        if let Some(watcher) = self.seats.remove(&(usize::from(who) % WATCHERS)) {
            world.cut(watcher.talk.conn);
        }
    }

    /// The broker is gone, and all streams with it.
    pub fn clear(&mut self) {
        self.seats.clear();
    }

    /// Looks at everything that arrived.
    ///
    /// # Panics
    /// When an offset is missing, or comes twice.
    pub fn look(&mut self, world: &mut World) {
        for watcher in self.seats.values_mut() {
            for heard in watcher.talk.hears(world) {
                if let Heard::Message(message, text) = heard {
                    watcher.hears(&message, &text);
                }
            }
        }
    }

    fn conn(&self, who: u8) -> Option<ConnId> {
        self.seats.get(&(usize::from(who) % WATCHERS)).map(|watcher| watcher.talk.conn)
    }
}

impl Watcher {
    fn hears(&mut self, message: &Value, text: &str) {
        let topic = message["topic"].as_str().unwrap_or_default();
        let number = |name: &str| message[name].as_u64().unwrap_or_else(|| panic!("no {name}: {text}"));
        let kind = message["type"].as_str().unwrap_or_default();
        if kind == "subscribed" {
            let place = Place { offset: number("offset"), entities: BTreeMap::new() };
            assert!(self.at.insert(topic.to_owned(), place).is_none(), "watched already: {text}");
        } else if kind == "unsubscribed" {
            self.at.remove(topic);
        } else if kind == "gap" {
            let place = self.place(topic, text);
            assert_eq!(number("from"), place.offset + 1, "a gap begins behind the last offset: {text}");
            place.offset = number("to");
        } else if kind == "position" {
            let (offset, conflates) = (number("offset"), topic.starts_with("fleet."));
            let place = self.place(topic, text);
            if conflates {
                // The newest of an entity has the place of an older one that nobody took.
                let entity = message["key"].as_str().unwrap_or_default().to_owned();
                let last = place.entities.entry(entity).or_insert(place.offset);
                assert!(offset > *last, "{last} is followed by {text}");
                *last = offset;
            } else {
                assert_eq!(offset, place.offset + 1, "{} is followed by {text}", place.offset);
                place.offset = offset;
            }
        }
    }

    fn place(&mut self, topic: &str, text: &str) -> &mut Place {
        self.at.get_mut(topic).unwrap_or_else(|| panic!("nobody watches: {text}"))
    }
}

fn name_of(topic: u8) -> &'static str {
    TOPICS[usize::from(topic) % TOPICS.len()]
}
