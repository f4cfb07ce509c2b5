//! Nothing vanishes, whatever the target does and however often the broker dies (I15).

use std::collections::BTreeSet;
use std::thread;

use peermesh_conformance::server::{Database, free_port};
use serde_json::Value;

use crate::field::runner::sends_all;
use crate::field::target::{BAD, HOSTILE, Manner, Target};
use crate::town::{PATIENCE, Town};
use crate::{serve_with, wait_for};

/// Events of each runner, every tenth of them bad.
const EVENTS: usize = 40;
const RUNNERS: [&str; 2] = ["r1", "r2"];

#[test]
fn f_evt_01_every_accepted_event_reaches_a_hostile_target_in_order_though_the_broker_is_killed() {
    survives(&[]);
}

#[test]
fn f_evt_01_the_same_holds_on_postgres() {
    let database = Database::fresh();
    survives(&[("DATABASE_URL", database.url())]);
}

fn survives(store: &[(&str, &str)]) {
    let (town, port) = (Town::new(), free_port());
    let target = Target::with(&HOSTILE);
    let variables =
        [store, &[("PEERMESH_RUNNER_FORWARD_MS", "200"), ("PEERMESH_RUNNER_EVENTS_MAX", "4")]].concat();
    let serve = || serve_with(&town, port, &target.url, &variables);
    let mut broker = Some(serve());
    let send =
        |runner: &'static str| thread::spawn(move || sends_all(3 * PATIENCE, port, runner, &ids(runner)));
    let senders: Vec<_> = RUNNERS.into_iter().map(send).collect();
    for taken in [10, 25, 50] {
        target.waits_for(taken);
        broker.take().unwrap().kill();
        broker = Some(serve());
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    let good = |runner: &str| ids(runner).into_iter().filter(|id| !id.starts_with(BAD)).collect::<Vec<_>>();
    target.waits_for(RUNNERS.iter().map(|runner| good(runner).len()).sum());
    for (runner, taken) in target.taken() {
        assert_eq!(taken, good(&runner), "{runner}: once each by its id, and in order");
    }
    for manner in HOSTILE.into_iter().chain([Manner::Answers("400 Never")]) {
        assert!(target.met(manner), "{manner:?} was never tried");
    }
    // What was refused is told, and nothing else is left over.
    wait_for(|| {
        let listed = town.json(&["runners", "list"]);
        listed["runners"].as_array()?.iter().all(|row| row["events"] == 0).then_some(())
    });
    for runner in RUNNERS {
        let dead = town.json(&["runners", "dead", runner]);
        let rows = dead["events"].as_array().unwrap();
        let told = |row: &Value| row["eventId"].as_str().unwrap().to_owned();
        assert!(rows.iter().all(|row| row["status"] == 400 && row["reason"] == "refused"), "{dead}");
        let bad: BTreeSet<String> = ids(runner).into_iter().filter(|id| id.starts_with(BAD)).collect();
        assert_eq!(rows.iter().map(told).collect::<BTreeSet<_>>(), bad);
        assert_eq!(rows.len(), bad.len(), "each once");
    }
}

fn ids(runner: &str) -> Vec<String> {
    let id = |n: usize| format!("{}{runner}-{n}", if n.is_multiple_of(10) { BAD } else { "" });
    (1..=EVENTS).map(id).collect()
}
