//! Hosts of one town: each with a data directory of its own, as daemons need them.

use std::thread;
use std::time::{Duration, Instant};

use super::{PATIENCE, Process, Town};

/// A broker, and the data directories of ann and bob, each a host of its own.
pub(crate) fn two_hosts(town: &Town) -> (Process, String, String) {
    let broker = town.serve();
    town.json(&["mesh", "create", "demo"]);
    let invite = town.json(&["invite", "demo", "--uses", "2"]);
    let url = invite["url"].as_str().unwrap();
    let [ann, bob] = ["ann", "bob"].map(|name| {
        let data = town.dir().join(name).to_str().unwrap().to_owned();
        town.json(&["join", url, "--as", name, "--data", &data]);
        data
    });
    (broker, ann, bob)
}

/// Looks again and again until it is so.
pub(crate) fn await_that(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < until, "{what} did not happen");
        thread::sleep(Duration::from_millis(50));
    }
}
