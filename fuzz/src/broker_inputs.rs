//! A structured life of a broker: what its peers, its store and its clock do, in any order.
//!
//! Input: one byte of switches (bit 0: the life is not judged at its end; bits 1 to 3, all clear: it is lived
//! twice), then a list of deeds in the form of the crate `arbitrary`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arbitrary::{Arbitrary, Unstructured};
use peermesh_core::config::Limits;
use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::end::{UPGRADE, limits};
use crate::ground::Who;
use crate::talk::{Heard, Talk};
use crate::watchers::Watchers;
use crate::world::{Mood, World};

/// Tiny, so that every bound is met.
static LIMITS: LazyLock<Arc<Limits>> = LazyLock::new(|| {
    limits(&[
        ("lane_messages_max", 2),
        ("lane_bytes_max", 1_024),
        ("unacked_sends_max", 3),
        ("unacked_pushes_max", 3),
        ("queued_per_mailbox_max", 12),
        ("batch_messages_max", 3),
        ("batch_ops_max", 5),
        ("reads_in_flight_max", 2),
        ("reads_waiting_max", 8),
        ("send_window_bytes", 1_024),
        ("message_bytes_max", 4_096),
        ("outbox_bytes_max", 65_536),
        ("outbox_frames_max", 64),
        ("handshakes_max", 4),
        ("connections_per_mesh_max", 7),
        ("deliveries_max", 1_000),
        ("replacements_max", 1_000),
        ("send_rate_per_minute", 600),
        ("negotiated_features_max", 4),
        ("runner_commands_max", 2),
        ("runner_callers_max", 4),
        ("live_queue_frames_max", 4),
        ("live_history_max", 4),
        ("live_subscriptions_max", 2),
        ("live_topics_max", 3),
        // What only repeats itself is to cost little.
        ("stats_ms", 600_000),
        ("health_ms", 2_000),
        ("hook_sweep_ms", 60_000),
        ("depth_ms", 600_000),
    ])
});

/// Deeds of one life.
const DEEDS_MAX: usize = 200;

#[derive(Debug, Arbitrary)]
enum Deed<'a> {
    /// Somebody connects, in place of its connection before.
    Connects(u8),
    /// Its stream is gone.
    Drops(u8),
    HangsUp(u8),
    /// It stops or begins to take bytes.
    Sticks(u8, bool),
    Takes(u8, u16),
    Sends {
        from: u8,
        to: u8,
        key: u8,
        urgent: u8,
        body: u8,
    },
    /// It acknowledges what it heard last, or something it heard before.
    Acks(u8, u8),
    SetsStatus(u8, u8),
    /// It says any text.
    Says(u8, &'a str),
    /// It sends any bytes.
    Writes(u8, &'a [u8]),
    /// A stream of its own with any bytes, upgraded or not, for peers or runners.
    Stranger {
        runner: bool,
        upgraded: bool,
        bytes: &'a [u8],
    },
    /// A request to administer, to command a runner, or to look at something.
    Asks {
        which: u8,
        body: &'a [u8],
    },
    /// Somebody begins to watch live topics.
    Watches(u8),
    /// A watcher subscribes to a topic, or ends that.
    Subscribes(u8, u8, bool),
    WatcherSays(u8, &'a str),
    WatcherSticks(u8, bool),
    WatcherDrops(u8),
    Publishes {
        topic: u8,
        about: u8,
        body: u8,
    },
    Waits(u16),
    WaitsLong(u8),
    Jumps(i32),
    Store(u8),
    Drains,
    Dies,
}

/// Lives the life, heals the world and looks whether everything was kept.
///
/// # Panics
/// When the broker breaks a promise.
pub fn run(bytes: &[u8]) {
    let Some((&switches, rest)) = bytes.split_first() else { return };
    let is_judged = switches & 1 == 0;
    let trace = live(rest, is_judged);
    if switches & 0b1110 == 0 {
        assert_eq!(live(rest, is_judged), trace, "the same life took another course");
    }
}

fn live(bytes: &[u8], is_judged: bool) -> u64 {
    let mut input = Unstructured::new(bytes);
    let mut life = Life {
        world: World::new(&LIMITS),
        watchers: Watchers::default(),
        talks: BTreeMap::new(),
        kept: Kept::default(),
    };
    // A session that was never there has no mailbox.
    for who in [Who { member: 0, session: false }, Who { member: 1, session: true }] {
        life.connects(who);
        life.look();
    }
    for _ in 0..DEEDS_MAX {
        let Ok(deed) = Deed::arbitrary(&mut input) else { break };
        life.lives(&deed);
        life.look();
        if input.is_empty() {
            break;
        }
    }
    if is_judged {
        life.judge();
    }
    life.world.trace()
}

struct Life {
    world: World,
    watchers: Watchers,
    talks: BTreeMap<Who, Talk>,
    kept: Kept,
}

/// What peers remember.
#[derive(Debug, Default)]
struct Kept {
    /// The message id that each key (of a member) was accepted under.
    accepted: BTreeMap<(usize, String), String>,
    /// What each member was sent and may acknowledge.
    heard: BTreeMap<Who, Vec<String>>,
    /// Message ids that were pushed.
    pushed: BTreeSet<String>,
}

impl Life {
    fn lives(&mut self, deed: &Deed<'_>) {
        match *deed {
            Deed::Connects(who) => self.connects(Who::of(who)),
            Deed::Drops(who) => {
                if let Some(talk) = self.talks.remove(&Who::of(who)) {
                    self.world.cut(talk.conn);
                }
            }
            Deed::HangsUp(who) => self.with(who, |world, talk| world.hang_up(talk.conn)),
            Deed::Sticks(who, stuck) => self.with(who, |world, talk| world.set_stuck(talk.conn, stuck)),
            Deed::Takes(who, bytes) => self.with(who, |world, talk| world.take(talk.conn, bytes.into())),
            Deed::Sends { from, to, key, urgent, body } => self.sends(from, to, (key, urgent, body)),
            Deed::Acks(who, which) => self.acks(who, which),
            Deed::SetsStatus(who, status) => {
                let status = ["idle", "working", "dnd"][usize::from(status % 3)];
                self.says(who, &json!({"type": "set_status", "status": status}).to_string());
            }
            Deed::Says(who, text) => self.says(who, text),
            Deed::Writes(who, bytes) => self.with(who, |world, talk| world.write(talk.conn, bytes)),
            Deed::Stranger { runner, upgraded, bytes } => {
                let conn = self.world.dial(if runner { Listener::Runner } else { Listener::Mesh });
                if upgraded {
                    self.world.write(conn, if runner { RUNNER_UPGRADE } else { UPGRADE });
                }
                self.world.write(conn, bytes);
            }
            Deed::Asks { which, body } => self.asks(which, body),
            Deed::Watches(who) => self.watchers.opens(&mut self.world, who),
            Deed::Subscribes(who, topic, on) => self.watchers.asks(&mut self.world, who, topic, on),
            Deed::WatcherSays(who, text) => self.watchers.says(&mut self.world, who, text),
            Deed::WatcherSticks(who, stuck) => self.watchers.sticks(&mut self.world, who, stuck),
            Deed::WatcherDrops(who) => self.watchers.drops(&mut self.world, who),
            Deed::Publishes { topic, about, body } => {
                self.watchers.publish(&mut self.world, topic, about, body);
            }
            Deed::Waits(millis) => self.world.wait(millis.into()),
            Deed::WaitsLong(seconds) => self.world.wait(u64::from(seconds) * 1_000),
            Deed::Jumps(seconds) => self.world.jump(i64::from(seconds) * 1_000),
            Deed::Store(mood) => {
                let moods = [
                    Mood::Well,
                    Mood::Silent,
                    Mood::Unavailable,
                    Mood::Full,
                    Mood::ForgetsReplies,
                    Mood::LosesCommits,
                ];
                self.world.set_mood(moods[usize::from(mood) % moods.len()]);
            }
            Deed::Drains => self.world.drain(),
            Deed::Dies => self.restarts(),
        }
        self.world.settle();
        if self.world.is_over() {
            self.restarts();
        }
    }

    fn restarts(&mut self) {
        self.world.restart();
        self.talks.clear();
        self.watchers.clear();
    }

    fn with(&mut self, who: u8, act: impl FnOnce(&mut World, &Talk)) {
        if let Some(talk) = self.talks.get(&Who::of(who)) {
            act(&mut self.world, talk);
        }
    }

    fn connects(&mut self, who: Who) {
        let talk = Talk::greet(&mut self.world, who);
        self.talks.insert(who, talk);
    }

    fn says(&mut self, who: u8, text: &str) {
        self.with(who, |world, talk| talk.says(world, text));
    }

    fn sends(&mut self, from: u8, to: u8, (key, urgent, body): (u8, u8, u8)) {
        let target = match to {
            0..=9 => "*".to_owned(),
            _ => Who::of(to).key(),
        };
        // What a key stands for follows from it, but for a few that are used for something else.
        let body = if body < 240 { key } else { body };
        let priority = ["now", "next", "low"][usize::from(urgent % 3)];
        let id = format!("m{key}");
        let send = json!({"type": "send", "id": id, "client_message_id": id, "targetSpec": target,
            "priority": priority, "nonce": "", "ciphertext": "x".repeat(usize::from(body) * 4)});
        self.says(from, &send.to_string());
    }

    fn acks(&mut self, who: u8, which: u8) {
        let who = Who::of(who);
        let Some(heard) = self.kept.heard.get_mut(&who).filter(|heard| !heard.is_empty()) else { return };
        let id = heard[usize::from(which) % heard.len()].clone();
        if let Some(talk) = self.talks.get(&who) {
            talk.says(&mut self.world, &json!({"type": "client_ack", "brokerMessageId": id}).to_string());
        }
    }

    fn asks(&mut self, which: u8, body: &[u8]) {
        let (listener, head) = ASKED[usize::from(which) % ASKED.len()];
        let conn = self.world.dial(listener);
        self.world.write(conn, head.replace("N", &body.len().to_string()).as_bytes());
        self.world.write(conn, body);
    }

    /// Looks at everything that arrived.
    fn look(&mut self) {
        let mut talks = std::mem::take(&mut self.talks);
        for (who, talk) in &mut talks {
            for heard in talk.hears(&mut self.world) {
                if let Heard::Message(message, _) = heard {
                    self.kept.hears(*who, &message);
                }
            }
        }
        self.talks = talks;
        self.watchers.look(&mut self.world);
    }

    /// The world heals, everybody comes and takes what there is: nothing may be left over.
    fn judge(&mut self) {
        self.world.set_mood(Mood::Well);
        // What is on its way arrives. Whom memory holds down, and what was spent, is forgotten with it.
        self.world.wait(3_000);
        self.look();
        self.restarts();
        self.world.settle();
        for round in 0..40 {
            for who in Who::all() {
                if self.talks.get(&who).is_none_or(|talk| !self.world.is_open(talk.conn)) {
                    self.connects(who);
                    self.world.settle();
                    self.says_of(who, "{\"type\":\"set_status\",\"status\":\"idle\"}");
                }
            }
            self.world.settle();
            self.look();
            self.settle_all();
            if self.world.store().pending() == 0 && round > 0 {
                return;
            }
            self.world.wait(10_000);
        }
        panic!("{} deliveries are left over", self.world.store().pending());
    }

    fn says_of(&mut self, who: Who, text: &str) {
        if let Some(talk) = self.talks.get(&who) {
            talk.says(&mut self.world, text);
        }
    }

    fn settle_all(&mut self) {
        for (who, ids) in std::mem::take(&mut self.kept.heard) {
            for id in ids {
                self.says_of(who, &json!({"type": "client_ack", "brokerMessageId": id}).to_string());
            }
        }
        self.world.settle();
    }
}

impl Kept {
    fn hears(&mut self, who: Who, message: &Value) {
        let text = |name: &str| message[name].as_str().unwrap_or_default().to_owned();
        match message["type"].as_str() {
            Some("ack") if message["queued"] == true => {
                let (key, id) = ((who.member, text("id")), text("messageId"));
                if key.1.starts_with('m') {
                    let first = self.accepted.entry(key).or_insert_with(|| id.clone());
                    assert_eq!(*first, id, "a key has one message");
                }
            }
            Some("push") if message["subtype"] != "system" => {
                self.pushed.insert(text("messageId"));
                let heard = self.heard.entry(who).or_default();
                heard.push(text("messageId"));
            }
            _ => {}
        }
    }
}

const RUNNER_UPGRADE: &[u8] = b"GET /socket?runnerId=r HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Authorization: Bearer runner\r\n\r\n";

/// Requests; `N` stands for the length of the body.
const ASKED: &[(Listener, &str)] = &[
    (Listener::Mesh, "POST /hook/set-status HTTP/1.1\r\nHost: a\r\nContent-Length: N\r\n\r\n"),
    (Listener::Mesh, "POST /join HTTP/1.1\r\nHost: a\r\nContent-Length: N\r\n\r\n"),
    (Listener::Mesh, "GET /health HTTP/1.1\r\nHost: a\r\nContent-Length: N\r\n\r\n"),
    (Listener::Mesh, "GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"),
    (
        Listener::Mesh,
        "POST /admin/meshes HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\nContent-Length: N\r\n\r\n",
    ),
    (
        Listener::Mesh,
        "GET /admin/meshes/garden/members HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer admin\r\n\r\n",
    ),
    (
        Listener::Runner,
        "POST /commands HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer runner\r\nContent-Length: N\r\n\r\n",
    ),
    (Listener::Runner, "GET /status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer runner\r\n\r\n"),
];
