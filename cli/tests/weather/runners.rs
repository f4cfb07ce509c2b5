//! Two brokers on one database: a runner has one of them at a time, and what it sent goes on with the next.

use std::time::Duration;

use peermesh_conformance::server::free_port;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::field::SECRET;
use crate::field::runner::{Heard, Runner, ask};
use crate::field::target::{Manner, Target};
use crate::ground::Ground;
use crate::town::{PATIENCE, Process};

/// Within which another broker takes the runners of one that is gone: ten seconds, and room.
const TAKEOVER: Duration = Duration::from_secs(30);
/// Within which a broker that was killed and started again serves: two seconds, and room.
const SUCCESSION: Duration = Duration::from_secs(8);

/// A target that fails until it is told to take events, and the settings that two brokers need for it.
struct Field {
    target: Target,
    ports: [String; 2],
}

impl Field {
    fn new() -> Field {
        let ports = [free_port().to_string(), free_port().to_string()];
        Field { target: Target::with(&[Manner::Answers("503 Later")]), ports }
    }

    /// The settings of one broker.
    fn settings(&self, broker: usize) -> Vec<(&str, &str)> {
        vec![
            ("RUNNER_SHARED_SECRET", SECRET),
            ("PORT", &self.ports[broker]),
            ("RUNNER_EVENT_TARGET_URL", &self.target.url),
            ("PEERMESH_RUNNER_RETRY_MS_MIN", "5"),
            ("PEERMESH_RUNNER_RETRY_MS_MAX", "50"),
        ]
    }

    fn port(&self, broker: usize) -> u16 {
        self.ports[broker].parse().unwrap()
    }

    /// Starts the first broker.
    fn serve(&self, ground: &Ground) -> Process {
        let broker = ground.start(&ground.town, &self.settings(0));
        ground.becomes(200, PATIENCE);
        broker
    }

    /// Ids of a runner's events that the target took, but for those by which the runner showed itself.
    fn took(&self, runner: &str) -> Vec<String> {
        let taken = self.target.taken().remove(runner).unwrap_or_default();
        taken.into_iter().filter(|id| id.starts_with('e')).collect()
    }
}

fn tells(runner: &mut Runner, ids: &[&str]) {
    for id in ids {
        runner.tells(&json!({ "type": "log-chunk", "id": id })).unwrap();
    }
}

fn command(port: u16, query: &str, key: Option<&str>) -> (u16, Value) {
    let headers: Vec<(&str, &str)> = key.into_iter().map(|key| ("Idempotency-Key", key)).collect();
    let body = r#"{"runnerId":"r1","command":{"type":"start-build","id":"c1"}}"#;
    ask(port, &format!("POST /commands{query}"), &headers, body).unwrap()
}

#[test]
fn f_clu_06_a_runner_goes_on_with_the_other_broker_when_its_own_dies() {
    let (ground, field) = (Ground::new(), Field::new());
    let broker = field.serve(&ground);
    let mut runner = Runner::settles(PATIENCE, field.port(0), "r1");
    tells(&mut runner, &["e1", "e2", "e3"]);
    let (_other, _proxy, _broker_b) = ground.serve_another_with(&field.settings(1));
    // The other broker serves somebody else, and tells the truth about who is not its own.
    let mut turned_away = Runner::connect(field.port(1), "r1").unwrap();
    let close = turned_away.hears_any().unwrap();
    assert_eq!(close, Heard::Close { code: 1013, reason: "not_owner".to_owned() });
    let refused = json!({ "error": "Runner not connected" });
    assert_eq!(command(field.port(1), "", None), (503, refused));
    let elsewhere = (503, json!({ "error": "Runner not connected", "reason": "not_owner" }));
    assert_eq!(command(field.port(1), "", Some("k1")), elsewhere);
    assert_eq!(command(field.port(1), "?queue=60000", None), elsewhere);
    assert_eq!(command(field.port(0), "", None).0, 200);
    assert_eq!(runner.hears().unwrap()["id"], "c1");
    broker.kill();
    let mut at_heir = Runner::settles(TAKEOVER, field.port(1), "r1");
    tells(&mut at_heir, &["e4", "e5"]);
    field.target.becomes(&[Manner::Takes]);
    field.target.waits(|_| field.took("r1").len() == 5);
    assert_eq!(field.took("r1"), ["e1", "e2", "e3", "e4", "e5"]);
    // What was refused there was not used up.
    assert_eq!(command(field.port(1), "", Some("k1")).0, 200);
    assert_eq!(at_heir.hears().unwrap()["id"], "c1");
}

#[test]
fn f_clu_06_what_a_runner_left_with_a_broker_that_died_goes_on_though_the_runner_stays_away() {
    let (ground, field) = (Ground::new(), Field::new());
    let broker = field.serve(&ground);
    tells(&mut Runner::settles(PATIENCE, field.port(0), "r1"), &["e1", "e2"]);
    let quick = [field.settings(1), vec![("PEERMESH_RUNNER_SWEEP_MS", "500")]].concat();
    let (_other, _proxy, _broker_b) = ground.serve_another_with(&quick);
    broker.kill();
    field.target.becomes(&[Manner::Takes]);
    field.target.waits(|_| field.took("r1").len() == 2);
    assert_eq!(field.took("r1"), ["e1", "e2"]);
}

#[test]
fn f_lif_01_a_broker_that_ends_in_good_order_leaves_its_runners_to_the_other_at_once() {
    let (ground, field) = (Ground::new(), Field::new());
    let mut broker = field.serve(&ground);
    let mut runner = Runner::settles(PATIENCE, field.port(0), "r1");
    tells(&mut runner, &["e1"]);
    let (_other, _proxy, _broker_b) = ground.serve_another_with(&field.settings(1));
    broker.signal(Signal::TERM);
    drop(runner);
    assert_eq!(broker.ends(PATIENCE).code(), Some(0));
    let mut at_heir = Runner::settles(SUCCESSION, field.port(1), "r1");
    tells(&mut at_heir, &["e2"]);
    field.target.becomes(&[Manner::Takes]);
    field.target.waits(|_| field.took("r1").len() == 2);
    assert_eq!(field.took("r1"), ["e1", "e2"]);
}

/// The last write, which gives the runner up, is never made: the other broker waits for the lease.
#[test]
fn f_lif_01_a_drain_that_ran_out_of_time_leaves_the_runner_to_the_other_after_the_lease() {
    let (ground, field) = (Ground::new(), Field::new());
    let mut broker = field.serve(&ground);
    let mut runner = Runner::settles(PATIENCE, field.port(0), "r1");
    tells(&mut runner, &["e1", "e2"]);
    let (_other, _proxy, _broker_b) = ground.serve_another_with(&field.settings(1));
    ground.proxy.stall();
    broker.signal(Signal::TERM);
    drop(runner);
    let status = broker.ends(PATIENCE);
    assert_eq!(status.code(), Some(0), "{:?}", broker.log);
    let complete = broker.log.iter().find(|line| line.contains("shutdown complete")).unwrap();
    assert!(complete.contains("\"store_answered\":false"), "{complete}");
    let mut at_heir = Runner::settles(TAKEOVER, field.port(1), "r1");
    tells(&mut at_heir, &["e3"]);
    field.target.becomes(&[Manner::Takes]);
    field.target.waits(|_| field.took("r1").len() == 3);
    assert_eq!(field.took("r1"), ["e1", "e2", "e3"]);
}

/// SIGSTOP is the worst death: the owner comes back and knows nothing of it.
#[test]
fn f_clu_04_an_owner_that_slept_through_its_lease_sends_nothing_of_a_runner_that_is_another_s() {
    let (ground, field) = (Ground::new(), Field::new());
    let sleeper = field.serve(&ground);
    let mut at_sleeper = Runner::settles(PATIENCE, field.port(0), "r1");
    tells(&mut at_sleeper, &["e1"]);
    let (_other, _proxy, _broker_b) = ground.serve_another_with(&field.settings(1));
    sleeper.freeze();
    // It will be the first that the sleeper reads.
    at_sleeper.says(&json!({ "type": "error", "id": "e9" })).unwrap();
    let mut at_heir = Runner::settles(TAKEOVER, field.port(1), "r1");
    tells(&mut at_heir, &["e2"]);
    sleeper.thaw();
    let told = loop {
        match at_sleeper.hears_any() {
            Ok(Heard::Text(text)) => {
                assert_ne!(text["eventId"], "e9", "it was acknowledged by nobody's broker");
            }
            Ok(close) => break close,
            Err(error) => panic!("the sleeper says nothing: {error}"),
        }
    };
    assert_eq!(told, Heard::Close { code: 1013, reason: "not_owner".to_owned() });
    field.target.becomes(&[Manner::Takes]);
    field.target.waits(|_| field.took("r1").len() == 2);
    tells(&mut at_heir, &["e3"]);
    field.target.waits(|_| field.took("r1").len() == 3);
    assert_eq!(field.took("r1"), ["e1", "e2", "e3"]);
}
