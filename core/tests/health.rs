//! When a broker asks its store whether it lives, and what it takes for an answer.

use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Limits};
use peermesh_core::ids::{HistoryEpoch, Position, ShardId, Ticket};
use peermesh_core::machine::{Input, Machine, Order, Output, Outputs};
use peermesh_core::note::Level;
use peermesh_core::store::{
    Alive, Answer, Durability, Found, History, Query, Reply, Request, StoreError, StoreResult, Work,
};
use peermesh_core::time::{Mono, Now, Wall};

#[test]
fn only_a_store_that_is_up_may_keep_its_answer_back_and_the_next_ping_follows_it() {
    let mut watch = Watch::new(&[]);
    assert_eq!(watch.pings(), [(0, 0)]);
    watch.answers_at(10, alive());
    assert_eq!(watch.goes_on(), [(500, 500)], "not before its time");
    watch.answers_at(1_000, alive());
    assert_eq!(watch.pings(), [(1_000, 500)], "at once, after an answer that was kept back");
    watch.answers_at(1_200, refused());
    assert_eq!(watch.goes_on(), [(1_500, 0)], "nobody waits for a store that is down");
}

#[test]
fn f_sto_07_a_store_that_says_nothing_is_down_within_a_second_of_its_end_though_nobody_needs_it() {
    let mut watch = Watch::new(&[]);
    watch.pings();
    watch.answers_at(0, alive());
    assert_eq!(watch.goes_on(), [(500, 500)]);
    // It ends just now, with the ping in its hands.
    assert!(watch.goes_on().is_empty());
    assert_eq!((watch.now, watch.said()), (1_500, vec!["db healthy", "db ping failed"]));
    // Late is better than never; and no second ping was asked meanwhile.
    watch.runs_until(4_000);
    assert!(watch.pings().is_empty());
    watch.answers_at(4_000, alive());
    assert_eq!((watch.pings(), watch.said()), (vec![(4_000, 500)], vec!["db healthy"]));
}

#[test]
fn f_sto_07_a_store_that_is_down_is_asked_again_and_again_and_found_as_soon_as_it_is_back() {
    let mut watch = Watch::new(&[("health_ms", 2_000)]);
    watch.pings();
    let mut asked = 0;
    for _ in 0..5 {
        watch.answers_at(watch.now + 3, refused());
        let next = watch.goes_on();
        assert_eq!(next, [(asked + 2_000, 0)], "never more than two seconds apart");
        asked = next[0].0;
    }
    watch.answers_at(watch.now, alive());
    assert_eq!(watch.said(), ["db ping failed", "db healthy"]);
}

#[test]
fn a_ping_waits_behind_no_other_question() {
    let mut watch = Watch::new(&[("reads_in_flight_max", 1)]);
    // Another question takes the one place there is, and is never answered.
    watch.lives = true;
    watch.answers_at(0, alive());
    watch.runs_until(30_000);
    assert!(!watch.rest.is_empty());
    assert_eq!(watch.pings().len(), 61);
    assert_eq!(watch.said(), ["db healthy"]);
}

#[test]
fn f_lif_01_an_open_ping_keeps_nobody_from_ending() {
    let mut watch = Watch::new(&[]);
    watch.answers_rest();
    watch.answers_at(0, alive());
    watch.runs_until(600);
    assert!(watch.open.is_some() && !watch.finished);
    watch.tell(Input::Order(Order::Drain));
    assert!(watch.finished);
}

/// A broker, and a store that answers when the test says so.
struct Watch {
    broker: Broker,
    /// Milliseconds since the start.
    now: u64,
    deadline: Option<Mono>,
    /// The open ping.
    open: Option<Ticket>,
    pings: Vec<(u64, u64)>,
    said: Vec<&'static str>,
    finished: bool,
    /// Pings are answered at once.
    lives: bool,
    /// Everything else is, that nothing is there.
    answers_all: bool,
    /// What is not answered.
    rest: Vec<Request>,
}

impl Watch {
    fn new(set: &[(&str, u64)]) -> Watch {
        let mut limits = Limits::default();
        set.iter().for_each(|(name, value)| limits.set(name, *value).unwrap());
        let config = Config {
            limits,
            public_url: String::new(),
            version: String::new(),
            git_sha: String::new(),
            admin_token: None,
            hook_token: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            vault_key: None,
            expected_migration: None,
            log_level: Level::Info,
            runners: None,
            live: None,
        };
        let setup = Setup { shard: ShardId(0), shards: 1, config: Arc::new(config), seed: [5; 32] };
        let mut watch = Watch {
            broker: Broker::new(setup),
            now: 0,
            deadline: None,
            open: None,
            pings: Vec::new(),
            said: Vec::new(),
            finished: false,
            lives: false,
            answers_all: false,
            rest: Vec::new(),
        };
        watch.tell(Input::Wake);
        watch
    }

    fn tell(&mut self, input: Input<'_>) {
        let mono = Mono::START.after_millis(self.now);
        let wall = Wall::from_millis(1_700_000_000_000).after_millis(self.now);
        let mut todo = Outputs::new();
        let deadline = self.broker.handle(Now { mono, wall }, input, &mut todo);
        self.deadline = deadline.map(|deadline| deadline.at);
        for wish in todo.take() {
            match wish {
                Output::Store(Request { ticket, work: Work::Read(Query::Ping { hold_ms }) }) => {
                    assert!(self.open.is_none(), "two pings at once");
                    self.open = Some(ticket);
                    self.pings.push((self.now, hold_ms));
                }
                Output::Store(request) => self.rest.push(request),
                Output::Note(note) => self.said.push(note.msg),
                Output::Finished => self.finished = true,
                _ => {}
            }
        }
        if let Some(ticket) = self.open.take_if(|_| self.lives) {
            self.tell(Input::Stored { ticket, result: alive() });
        }
        if self.answers_all {
            self.answers_rest();
        }
    }

    fn answers_rest(&mut self) {
        self.answers_all = true;
        while let Some(Request { ticket, work }) = self.rest.pop() {
            self.tell(Input::Stored { ticket, result: nothing(&work) });
        }
    }

    /// Pings since the last call: when, and how long each may be kept back.
    fn pings(&mut self) -> Vec<(u64, u64)> {
        std::mem::take(&mut self.pings)
    }

    /// Records since the last call.
    fn said(&mut self) -> Vec<&'static str> {
        std::mem::take(&mut self.said)
    }

    fn answers_at(&mut self, millis: u64, result: StoreResult) {
        self.runs_until(millis);
        let ticket = self.open.take().expect("a ping is open");
        self.tell(Input::Stored { ticket, result });
    }

    /// Goes on until the next ping, or until the open one is overdue.
    fn goes_on(&mut self) -> Vec<(u64, u64)> {
        let before = self.said.len();
        while self.pings.is_empty() && self.said.len() == before {
            self.steps();
        }
        self.pings()
    }

    fn runs_until(&mut self, millis: u64) {
        while self.deadline.is_some_and(|at| at <= Mono::START.after_millis(millis)) {
            self.steps();
        }
        self.now = self.now.max(millis);
    }

    fn steps(&mut self) {
        let at = self.deadline.expect("a deadline");
        self.now = self.now.max(at.millis_since(Mono::START));
        let before = self.pings.len();
        self.tell(Input::Wake);
        assert!(self.pings.len() <= before + 1, "it spins");
    }
}

fn alive() -> StoreResult {
    let (lease_ms, durability) = (None, Durability::Synced);
    let (epoch, since, floor) = (HistoryEpoch([1; 16]), Wall::from_millis(0), Position(1));
    let history = History { epoch, since, floor };
    let alive = Alive { lease_ms, durability, history, migrations: Arc::new([]) };
    Ok(Answer::Found(Box::new(Found::Alive(alive))))
}

fn refused() -> StoreResult {
    Err(StoreError::Unavailable("the test says so".to_owned()))
}

fn nothing(work: &Work) -> StoreResult {
    match work {
        Work::Read(_) => Ok(Answer::Found(Box::new(Found::Depth(0)))),
        Work::Write(batch) => {
            let (first, secret) = (Position(1), [0; 32]);
            Ok(Answer::Replies(vec![Reply::Positions { first, count: 1 << 18, secret }; batch.ops.len()]))
        }
    }
}
