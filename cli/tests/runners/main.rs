//! Real runners, a real event target that behaves badly, and a broker that is killed.

#[path = "../field/mod.rs"]
mod field;
mod hostile;
mod readme;
#[cfg(feature = "sentry")]
mod sentry;
mod stops;
#[path = "../town/mod.rs"]
mod town;

use std::thread;
use std::time::{Duration, Instant};

use field::SECRET;
use field::runner::Runner;
use field::target::Target;
use peermesh_conformance::server::free_port;
use serde_json::{Value, json};
use town::{PATIENCE, Process, Town};

/// Starts a broker that serves runners.
fn serve(town: &Town, port: u16, target: &str) -> Process {
    serve_with(town, port, target, &[])
}

/// The same with more variables.
fn serve_with(town: &Town, port: u16, target: &str, more: &[(&str, &str)]) -> Process {
    let port = port.to_string();
    let mut variables = vec![
        ("RUNNER_SHARED_SECRET", SECRET),
        ("PORT", &port),
        ("RUNNER_EVENT_TARGET_URL", target),
        ("PEERMESH_RUNNER_RETRY_MS_MIN", "5"),
        ("PEERMESH_RUNNER_RETRY_MS_MAX", "20"),
    ];
    variables.extend(more);
    town.serve_with(&variables)
}

/// Waits until something can be had.
fn wait_for<T>(look: impl Fn() -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < until, "it does not come");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_runner_is_commanded_from_the_command_line_and_its_dead_event_is_sent_again() {
    let (town, port) = (Town::new(), free_port());
    let target = Target::start();
    let _broker = serve(&town, port, &target.url);
    let health = r#"{"type":"runner-health-check"}"#;
    let away = town.run(&["runners", "send", "r9", health]);
    assert!(away.code == 4 && away.err.contains("runner r9") && away.err.contains("--queue"), "{away:?}");
    let nothing = town.run(&["runners", "send", "r9", "null"]);
    assert!(nothing.code == 3 && nothing.err.contains("Missing command payload (status 400)"), "{nothing:?}");
    let stranger = town.run(&["runners", "list", "--admin-token-file", "/nowhere/token"]);
    let names_it = stranger.err.contains("--admin-token-file") && stranger.err.contains("/nowhere/token");
    assert!(stranger.code == 2 && names_it, "{stranger:?}");
    assert_eq!(town.json(&["runners", "send", "r9", health, "--queue", "1m"])["state"], "queued");
    let mut runner = Runner::connect(port, "r9").unwrap();
    assert_eq!(runner.hears().unwrap()["type"], "runner-health-check");
    runner.tells(&json!({ "type": "error", "id": "bad-1" })).unwrap();
    let dead: Value = wait_for(|| town.json(&["runners", "dead", "r9"])["events"].get(0).cloned());
    assert_eq!((&dead["reason"], &dead["status"]), (&json!("refused"), &json!(400)));
    let seq = dead["seq"].to_string();
    // It is refused again, and dead again.
    assert_eq!(town.json(&["runners", "requeue", "r9", &seq])["ok"], true);
    let again = wait_for(|| {
        let row = town.json(&["runners", "dead", "r9"])["events"].get(0).cloned()?;
        (row["seq"] != dead["seq"]).then_some(row)
    });
    assert_eq!(again["eventId"], "bad-1");
    assert_eq!(town.run(&["runners", "requeue", "r9", &seq]).code, 3);
    let listed = town.json(&["runners", "list"]);
    assert_eq!(
        (&listed["runners"][0]["connected"], &listed["runners"][0]["dead"]),
        (&json!(true), &json!(1))
    );
}
