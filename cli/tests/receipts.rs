//! Receipts from a real broker, kept by a sender and proved offline.

mod town;

use std::fs;
use std::path::Path;
use std::time::Duration;

use peermesh_conformance::server::Database;
use rustix::process::Signal;
use serde_json::Value;
use town::{Process, Ran, Town};

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);

/// Sends under a key and keeps the receipt.
fn sends(town: &Town, file: &Path, key: &str) -> Ran {
    let file = file.to_str().unwrap();
    town.run(&["send", "bob", key, "--id", key, "--as", "ann", "--receipt", file, "--json"])
}

fn stops(mut broker: Process) {
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
}

/// Lines of a file.
fn lines(file: &Path) -> Vec<String> {
    fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

fn proved(town: &Town, variables: &[(&str, &str)]) {
    let file = town.dir().join("receipts.jsonl");
    let broker = town.serve_with(variables);
    town.settle(&["ann", "bob"]);
    let key = town.json(&["mesh", "show", "demo"])["broker_pubkey"].as_str().unwrap().to_owned();
    let prove = |more: &[&str]| {
        let mut arguments = vec!["prove", file.to_str().unwrap(), "--broker-key", &key, "--json"];
        arguments.extend_from_slice(more);
        town.run(&arguments)
    };
    for text in ["one", "two", "three"] {
        let sent = sends(town, &file, text);
        assert_eq!((sent.code, &sent.json()["receipt"]["content"]["client_message_id"]), (0, &text.into()));
    }
    stops(broker);
    let whole = prove(&[]);
    assert_eq!(whole.code, 0, "{whole:?}");
    let capitals = ["prove", file.to_str().unwrap(), "--broker-key", &key.to_uppercase()];
    assert_eq!(town.run(&capitals).code, 0, "a key may be written in capitals");
    let chain = &whole.json()["meshes"][0];
    assert_eq!((&chain["receipts"], &chain["first"], &chain["last"]), (&3.into(), &1.into(), &3.into()));

    // Another life gives the same receipt again, byte for byte, and goes on behind it.
    let broker = town.serve_with(variables);
    assert_eq!(sends(town, &file, "two").code, 0);
    assert_eq!(sends(town, &file, "four").code, 0);
    let kept = lines(&file);
    assert_eq!((kept.len(), &kept[3]), (5, &kept[1]));
    assert_eq!(prove(&[]).json()["meshes"][0]["last"], 4);
    stops(broker);

    fs::write(&file, [&*kept[0], &kept[2]].join("\n")).unwrap();
    let gap = prove(&[]);
    assert!(gap.code == 1 && gap.err.contains("line 2: number 2"), "{gap:?}");
    assert_eq!(prove(&["--some"]).code, 0);
    fs::write(&file, [&*kept[0], &kept[1].replace("\"two\"", "\"six\"")].join("\n")).unwrap();
    let forged = prove(&["--some"]);
    assert!(forged.code == 1 && forged.err.contains("line 2"), "{forged:?}");
    let missing = town.run(&["prove", "/nowhere", "--broker-key", &key]);
    assert!(missing.code == 3 && missing.err.contains("/nowhere"), "{missing:?}");
    let odd = town.run(&["prove", file.to_str().unwrap(), "--broker-key", "abc"]);
    assert!(odd.code == 2 && odd.err.contains("--broker-key"), "{odd:?}");
}

#[test]
fn a_chain_of_receipts_is_proved_after_the_broker_is_gone() {
    proved(&Town::new(), &[]);
}

#[test]
fn a_chain_of_receipts_in_a_database_is_proved_likewise() {
    let database = Database::fresh();
    proved(&Town::new(), &[("DATABASE_URL", database.url())]);
}

#[test]
fn without_the_key_file_receipts_are_refused_with_the_reason_and_the_rest_runs() {
    let town = Town::new();
    let file = town.dir().join("receipts.jsonl");
    let broker = town.serve();
    town.settle(&["ann", "bob"]);
    assert_eq!(sends(&town, &file, "one").code, 0);
    stops(broker);
    let other = town.dir().join("other-key");
    fs::write(&other, [9; 32]).unwrap();
    let mut broker = town.serve_with(&[("PEERMESH_KEY_FILE", other.to_str().unwrap())]);
    let refused = sends(&town, &file, "two");
    assert!(refused.code == 3 && refused.err.contains("wrong_key_file"), "{refused:?}");
    assert_eq!(town.run(&["send", "bob", "plain", "--as", "ann"]).code, 0);
    // What was accepted before is answered as ever, but for the receipt.
    let known = sends(&town, &file, "one");
    assert!(known.code == 3 && known.err.contains("is accepted, but there is no receipt"), "{known:?}");
    assert_eq!(lines(&file).len(), 1);
    broker.says("receipts refused");
    assert_eq!(town.json(&["mesh", "show", "demo"])["broker_pubkey"], Value::Null);
}
