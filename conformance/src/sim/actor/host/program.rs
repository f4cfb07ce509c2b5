//! Programs of a host: they send under keys, repeat themselves when they hear nothing, read what came, follow
//! events, put rows in line again, and die.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;
use peermesh_core::ids::ConnId;
use peermesh_core::machine::Ending;
use serde_json::{Value, json};

use super::wire::{Heard, HttpTap};
use super::{Deed, End, Host};
use crate::sim::cast::Identity;
use crate::sim::clock::MS;
use crate::sim::marks::Mark;
use crate::sim::oracle::ledger::AttemptId;
use crate::sim::oracle::rules::Rule;
use crate::sim::plan::Class;
use crate::sim::world::World;

/// What a program is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::sim) enum Job {
    /// Sends.
    Send,
    /// Reads the inbox.
    Read,
    /// Follows the stream of events.
    Listen,
    /// Puts rows that were given up in line again.
    Operate,
}

#[derive(Debug)]
pub(super) struct Program {
    job: Job,
    /// The place of its mesh among the host's.
    pub home: usize,
    pub session: Option<Session>,
    /// In which of the daemon's lives its session is surely known.
    pub known_in: u32,
    /// When it asked for that.
    pub known_since: u64,
    asking: Option<Asking>,
    /// What it wants sent and has no answer to.
    letter: Option<Letter>,
    /// What was taken: the last ones.
    done: Vec<Letter>,
    count: u64,
    /// The last event it saw.
    last_event: Option<String>,
    /// Events that the stream under way has shown.
    shown: BTreeSet<String>,
    /// Bytes that it has not read, while it does not read.
    unread: Option<usize>,
    is_peaceful: bool,
}

/// As whom it speaks.
#[derive(Debug)]
pub(super) struct Session {
    pub identity: Identity,
    token: String,
}

#[derive(Debug)]
struct Asking {
    conn: ConnId,
    about: About,
    since: u64,
    tap: HttpTap,
}

/// What a request is for.
#[derive(Clone, Debug, PartialEq)]
enum About {
    Register,
    Send,
    Inbox,
    Remove,
    Events,
    Dead,
    Requeue,
}

#[derive(Clone, Debug)]
pub(super) struct Letter {
    pub key: String,
    pub to: String,
    pub text: String,
    priority: &'static str,
    mesh: String,
    /// The key was used for something else before.
    pub is_other: bool,
    /// Answers so far that promise nothing.
    tries: u32,
}

/// After so long without a word a program gives its request up, in milliseconds.
const PATIENCE_MS: u64 = 60_000;

impl Session {
    pub(super) fn new(identity: Identity, token: [u8; 32]) -> Session {
        Session { identity, token: HEXLOWER.encode(&token) }
    }
}

impl Program {
    pub(super) fn new(job: Job, home: usize, session: Option<Session>) -> Program {
        Program {
            job,
            home,
            session,
            known_in: 0,
            known_since: 0,
            asking: None,
            letter: None,
            done: Vec::new(),
            count: 0,
            last_event: None,
            shown: BTreeSet::new(),
            unread: None,
            is_peaceful: false,
        }
    }

    /// Its daemon died.
    pub(super) fn is_cut_off(&mut self) {
        (self.asking, self.unread) = (None, None);
    }

    pub(super) fn make_peace(&mut self) {
        self.is_peaceful = true;
        // Whatever it was told of a registration may have been lost with the daemon.
        self.known_in = 0;
    }

    /// A key to which it has no answer.
    pub(super) fn unanswered(&self) -> Option<&str> {
        self.letter.as_ref().map(|letter| letter.key.as_str())
    }
}

impl Host {
    pub(super) fn step_soon(&mut self, world: &mut World, program: usize) {
        let pace_ms = if self.is_peaceful { 400 } else { world.mix.pace_ms };
        let wait = self.dice.around(pace_ms) * MS;
        self.put(world, wait, Deed::Step(program));
    }

    /// A program's hands are free, or it waits on.
    pub(super) fn step(&mut self, world: &mut World, place: usize) {
        self.step_soon(world, place);
        self.read_on(world, place);
        let program = &self.programs[place];
        if let Some(asking) = &program.asking {
            let is_stream = asking.about == About::Events;
            let is_late = asking.since + PATIENCE_MS * MS < world.now && !is_stream;
            let conn = asking.conn;
            let dies = !self.is_peaceful && self.dice.chance(if is_stream { 4 } else { 15 });
            // Whoever wants to be sure of its session says anew who it is.
            let parts = is_stream && program.session.is_some() && program.known_in != self.life;
            if is_late || dies || parts {
                if dies {
                    world.tally.mark(Mark::ProgramDied);
                }
                self.programs[place].is_cut_off();
                self.ends(world, conn, Ending::Broken);
            }
            return;
        }
        let is_unknown = program.session.is_some() && program.known_in != self.life;
        match program.job {
            _ if is_unknown => self.register(world, place),
            Job::Send => self.send_something(world, place),
            Job::Read if !self.is_peaceful => self.read_inbox(world, place),
            Job::Listen => self.listen(world, place),
            Job::Operate if !self.is_peaceful => {
                self.ask(world, place, About::Dead, "GET", "/v1/outbox?status=dead&limit=5", None, "");
            }
            Job::Read | Job::Operate => {}
        }
    }

    /// Opens a stream to the daemon with one request on it.
    #[allow(clippy::too_many_arguments, reason = "one request, by all that it holds")]
    fn ask(
        &mut self,
        world: &mut World,
        place: usize,
        about: About,
        method: &str,
        target: &str,
        body: Option<&Value>,
        header: &str,
    ) {
        if self.process.is_none() {
            return;
        }
        let mut head = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n{header}");
        if let Some(session) = &self.programs[place].session {
            head += &format!("Authorization: ClaudeMesh-Session {}\r\n", session.token);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        let request = format!("{head}\r\n{body}");
        let conn = self.add_socket(End::Program(place));
        if let Some(socket) = self.socket(conn) {
            socket.kernel = request.into_bytes();
        }
        let asking = Asking { conn, about, since: world.now, tap: HttpTap::default() };
        self.programs[place].asking = Some(asking);
        let life = self.life;
        self.put(world, 20_000, Deed::Opened(life, conn));
    }

    fn register(&mut self, world: &mut World, place: usize) {
        let program = &self.programs[place];
        let Some(Session { identity, token }) = &program.session else { return };
        let body = json!({
            "token": token, "session_id": format!("of-{}", identity.name()),
            "mesh": self.homes[program.home].slug, "display_name": identity.name(), "pid": 7,
            "presence": { "session_pubkey": identity.hex, "session_secret_key": identity.secret_hex() },
        });
        self.ask(world, place, About::Register, "POST", "/v1/sessions/register", Some(&body), "");
    }

    fn send_something(&mut self, world: &mut World, place: usize) {
        if self.programs[place].letter.is_none() && !self.is_peaceful {
            self.programs[place].letter = self.some_letter(world, place);
        }
        let Some(letter) = self.programs[place].letter.clone() else { return };
        let Letter { key, to, text, priority, mesh, .. } = &letter;
        let mut body = json!({ "to": to, "message": text, "priority": priority, "mesh": mesh });
        let in_header = key.len().is_multiple_of(2);
        let header = if in_header { format!("Idempotency-Key: {key}\r\n") } else { String::new() };
        if !in_header {
            body["client_message_id"] = json!(key);
        }
        self.ask(world, place, About::Send, "POST", "/v1/send", Some(&body), &header);
    }

    /// A letter of its own making, or one whose key was used before.
    fn some_letter(&mut self, world: &World, place: usize) -> Option<Letter> {
        let program = &mut self.programs[place];
        if !program.done.is_empty() && self.dice.chance(25) {
            let at = self.dice.place(program.done.len());
            let mut letter = program.done[at].clone();
            if self.dice.chance(30) {
                (letter.is_other, letter.text) = (true, "something else".to_owned());
            }
            return Some(letter);
        }
        program.count += 1;
        let no = u64::try_from(place).unwrap_or(0) << 32 | program.count;
        let key = AttemptId { actor: self.place, no }.to_string();
        let home = &self.homes[program.home];
        let mesh = home.identity.who.mesh;
        let own = &self.homes;
        let drawn = self.dice.below(100);
        let to = match drawn {
            0..=9 => "*".to_owned(),
            10..=15 => (*self.dice.pick(&["@team", "@all"])).to_owned(),
            // Who is meant is asked of the broker.
            16..=21 => (*self.dice.pick(&["ann", "bob", "nobody"])).to_owned() + &format!(".{mesh}"),
            22..=26 if world.cast.meshes.len() > 1 => {
                // Somebody of another mesh is nobody here.
                let other = (mesh + 1) % world.cast.meshes.len();
                world.cast.meshes[other].members[0].key.hex()
            }
            _ => {
                // What its own sessions send comes back to their member as an echo.
                let is_own = |key: &str| own.iter().any(|home| home.identity.hex == key);
                world.oracle.keys_of(mesh).pick(&mut self.dice, |key| !is_own(key))?.to_owned()
            }
        };
        let length = if world.mix.has(Class::Long) && self.dice.chance(20) { 1_500 } else { 30 };
        let text = format!("{key} says {}", "x".repeat(length));
        let priority = *self.dice.pick(&["now", "next", "next", "low"]);
        let slug = home.slug.clone();
        Some(Letter { key, to, text, priority, mesh: slug, is_other: false, tries: 0 })
    }

    fn read_inbox(&mut self, world: &mut World, place: usize) {
        let drawn = self.dice.below(10);
        let (about, method, target) = match drawn {
            0 => (About::Remove, "DELETE", "/v1/inbox"),
            1..=3 => (About::Inbox, "GET", "/v1/inbox?unread_only=true&limit=20"),
            4..=5 => (About::Inbox, "GET", "/v1/inbox?mark_seen=false"),
            _ => (About::Inbox, "GET", "/v1/inbox?limit=40"),
        };
        self.ask(world, place, about, method, target, None, "");
    }

    fn listen(&mut self, world: &mut World, place: usize) {
        let last = self.programs[place].last_event.clone().filter(|_| self.dice.chance(60));
        let header = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
        self.programs[place].shown.clear();
        self.ask(world, place, About::Events, "GET", "/v1/events", None, &header);
    }

    /// A program reads again what it had let lie.
    fn read_on(&mut self, world: &mut World, place: usize) {
        let Some(bytes) = self.programs[place].unread.take() else { return };
        if let Some(asking) = &self.programs[place].asking {
            let (life, conn) = (self.life, asking.conn);
            self.put(world, 1_000, Deed::Sent(life, conn, bytes));
        }
    }

    /// The daemon writes to a program; false when the program takes nothing for now.
    pub(super) fn hears(&mut self, world: &mut World, place: usize, conn: ConnId, bytes: &[u8]) -> bool {
        let Some(asking) = self.programs[place].asking.as_mut().filter(|asking| asking.conn == conn) else {
            return true;
        };
        let (about, is_stream) = (asking.about.clone(), asking.about == About::Events);
        for heard in asking.tap.feed(bytes) {
            match heard {
                Heard::Answer(status, body) => self.is_answered(world, place, &about, status, &body),
                Heard::Event(id, kind, data) => self.follows(world, place, id, &kind, &data),
            }
        }
        let is_slow = is_stream && world.mix.has(Class::Slow) && !self.is_peaceful;
        let program = &mut self.programs[place];
        if let Some(unread) = &mut program.unread {
            *unread += bytes.len();
            return false;
        }
        if is_slow && self.dice.chance(10) {
            program.unread = Some(bytes.len());
            return false;
        }
        true
    }

    /// The daemon ended a program's stream.
    pub(super) fn hung_up(&mut self, world: &mut World, place: usize, conn: ConnId) {
        let program = &mut self.programs[place];
        if program.asking.as_ref().is_some_and(|asking| asking.conn == conn) {
            if program.unread.is_some() {
                world.tally.mark(Mark::StreamSlow);
            }
            program.is_cut_off();
        }
    }

    fn is_answered(&mut self, world: &mut World, place: usize, about: &About, status: u16, body: &Value) {
        let (at, host) = (world.now, self.place);
        world.trace.add(at, || format!("  program {place} of host {host}: {about:?} {status}"));
        let program = &mut self.programs[place];
        let since = program.asking.take().map_or(at, |asking| asking.since);
        match (about, status) {
            (About::Register, 200) => (program.known_in, program.known_since) = (self.life, since),
            (About::Send, _) => self.send_answered(world, place, status, body),
            (About::Inbox, 200) => self.judge_list(world, place, body, since),
            (About::Dead, 200) => {
                let dead = body["items"].as_array().and_then(|items| items.first());
                if let Some(id) = dead.and_then(|row| row["id"].as_str())
                    && self.dice.chance(60)
                {
                    let body = json!({ "id": id });
                    self.ask(world, place, About::Requeue, "POST", "/v1/outbox/requeue", Some(&body), "");
                }
            }
            (About::Requeue, 200) => world.tally.mark(Mark::OutboxRequeued),
            (About::Remove, 200) => {}
            // It had no time, no room or no store for it, or somebody else was first.
            (_, 408 | 409 | 429 | 500..) => {}
            _ => {
                let text = format!("a program of host {host} asks for {about:?} and hears {status}: {body}");
                world.breaks(Rule::Other, text);
            }
        }
    }

    fn send_answered(&mut self, world: &mut World, place: usize, status: u16, body: &Value) {
        let Some(mut letter) = self.programs[place].letter.take() else { return };
        match status {
            200 | 202 | 409 => {
                self.judge_answer(world, place, &letter, status, body);
                if !letter.is_other && status != 409 {
                    letter.tries = 0;
                    let done = &mut self.programs[place].done;
                    done.push(letter);
                    if done.len() > 20 {
                        done.remove(0);
                    }
                }
            }
            // Nobody is known by that name, or the broker is away: somebody else is written to.
            502 if letter.tries >= 2 => {}
            408 | 429 | 500..=599 => {
                if status == 507 {
                    world.tally.mark(Mark::OutboxFull);
                }
                letter.tries += 1;
                self.programs[place].letter = Some(letter);
            }
            _ => {
                let text = format!("{} of host {} is answered {status}: {body}", letter.key, self.place);
                world.breaks(Rule::Other, text);
            }
        }
    }

    /// A program sees an event.
    fn follows(&mut self, world: &mut World, place: usize, id: String, kind: &str, data: &Value) {
        if kind == "resync" {
            world.tally.mark(Mark::StreamLost);
        } else if self.programs[place].last_event.is_some() && self.programs[place].shown.is_empty() {
            world.tally.mark(Mark::StreamResumed);
        }
        if kind == "message" {
            world.tally.mark(Mark::StreamHeard);
            self.judge_event(world, place, data);
        }
        let program = &mut self.programs[place];
        // A word that a place is lost stands at the place of what was told last.
        if !program.shown.insert(id.clone()) && kind != "resync" {
            let text = format!("a program of host {} is told of {id} twice on one stream", self.place);
            world.breaks(Rule::I16, text);
        }
        self.programs[place].last_event = Some(id);
    }

    /// The keys whose messages a program may be shown, if its session is surely known.
    pub(super) fn own_keys(&self, place: usize) -> Option<[String; 2]> {
        let program = &self.programs[place];
        let session = program.session.as_ref().filter(|_| program.known_in == self.life)?;
        Some([session.identity.hex.clone(), session.identity.member_hex().to_owned()])
    }
}
