//! What the README tells about runners, done as it stands there.

use std::path::Path;
use std::process::Command;

use peermesh_conformance::server::free_port;

use crate::field::SECRET;
use crate::field::runner::Runner;
use crate::serve;
use crate::town::{PATIENCE, Process, Ran, Town, readme};

/// Does what stands under this heading, with the secret and the port of a test in place of the README's.
fn does(town: &Town, port: u16, heading: &str, secret: &str) -> Ran {
    let block = readme(heading).join("\n").replace("s3cret", secret);
    let block = block.replace("localhost:4000", &format!("localhost:{port}"));
    let script = format!("{}\nset -euo pipefail\n{block}", include_str!("tools.sh"));
    let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", built.display());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]);
    shell.env_clear().env("HOME", town.dir()).env("PATH", path).current_dir(town.dir());
    Ran::from(shell.output().unwrap())
}

fn start() -> (Town, u16, Process) {
    let (town, port) = (Town::new(), free_port());
    let broker = serve(&town, port, "http://127.0.0.1:9");
    (town, port, broker)
}

#[test]
fn the_runners_section_works_as_it_stands() {
    let (town, port, _broker) = start();
    let _runner = Runner::settles(PATIENCE, port, "test");
    let ran = does(&town, port, "Runners", SECRET);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("queued") && ran.out.contains("test"), "{ran:?}");
}

#[test]
fn the_steps_for_a_runner_that_does_not_arrive_show_what_they_should() {
    let (town, port, _broker) = start();
    let _runner = Runner::settles(PATIENCE, port, "silent");
    let ran = does(&town, port, "When a runner or its events do not arrive", SECRET);
    assert_eq!(ran.code, 0, "{ran:?}");
    for shown in [
        "\"status\":\"healthy\"",
        "{\"type\":\"event-ack\",\"eventId\":\"hello\",",
        "\"runnerId\":\"silent\"",
        "\"lastHeartbeatAge\":",
        "\"failedEventQueueSize\":2",
        "runner-status",
        "REASON",
    ] {
        assert!(ran.out.contains(shown), "{shown}: {ran:?}");
    }
}

#[test]
fn the_same_steps_show_that_the_secret_is_wrong() {
    let (town, port, _broker) = start();
    let ran = does(&town, port, "When a runner or its events do not arrive", "another");
    assert_ne!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("healthy") && !ran.out.contains("event-ack"), "{ran:?}");
    assert!(ran.out.contains("Disconnected (code: 1008, reason: \"Unauthorized\")"), "{ran:?}");
}
