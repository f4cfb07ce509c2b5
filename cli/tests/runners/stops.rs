//! A broker that is told to stop, whatever the event target does.

use std::time::Duration;

use peermesh_conformance::server::free_port;
use rustix::process::Signal;
use serde_json::json;

use crate::field::runner::{Heard, Runner, ask};
use crate::field::target::{Manner, Target};
use crate::town::Town;
use crate::{serve_with, wait_for};

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);

#[test]
fn f_lif_01_a_target_that_hangs_does_not_keep_the_broker_and_its_event_goes_again() {
    let (town, port) = (Town::new(), free_port());
    let target = Target::with(&[Manner::Hangs]);
    // Draining may take a minute, and so may a request: neither must be waited for.
    let minute = [("PEERMESH_DRAIN_MS", "60000"), ("PEERMESH_RUNNER_FORWARD_MS", "60000")];
    let mut broker = serve_with(&town, port, &target.url, &minute);
    let mut runner = Runner::connect(port, "r1").unwrap();
    for id in ["e1", "e2"] {
        runner.tells(&json!({ "type": "error", "id": id })).unwrap();
    }
    target.waits(|target| target.met(Manner::Hangs));
    broker.signal(Signal::TERM);
    let goodbye = runner.hears_any().unwrap();
    assert_eq!(goodbye, Heard::Close { code: 1000, reason: "Server shutting down".to_owned() });
    drop(runner);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    target.becomes(&[Manner::Takes]);
    let _broker = serve_with(&town, port, &target.url, &[]);
    target.waits_for(2);
    assert_eq!(target.taken()["r1"], ["e1", "e2"]);
}

#[test]
fn f_cmd_01_a_caller_that_waits_is_told_what_is_known_when_the_broker_stops() {
    let (town, port) = (Town::new(), free_port());
    let mut broker = serve_with(&town, port, "http://127.0.0.1:9", &[]);
    let mut runner = Runner::connect(port, "r1").unwrap();
    let body = r#"{"runnerId":"r1","command":{"type":"start-build","id":"c1"}}"#;
    let caller = std::thread::spawn(move || ask(port, "POST /commands?wait=ack", &[], body));
    assert_eq!(runner.hears().unwrap()["id"], "c1");
    broker.signal(Signal::TERM);
    let (status, answer) = caller.join().unwrap().unwrap();
    assert_eq!((status, &answer["commandId"], &answer["state"]), (504, &json!("c1"), &json!("sent")));
    drop(runner);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    // Whoever asks the next one finds nobody, and learns it.
    let _broker = serve_with(&town, port, "http://127.0.0.1:9", &[]);
    let (status, answer) = wait_for(|| ask(port, "POST /commands", &[], body).ok());
    assert_eq!((status, &answer["error"]), (503, &json!("Runner not connected")));
}
