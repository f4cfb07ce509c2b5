//! A daemon as a process: started, asked, killed and started again.

mod town;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use town::hosts::{await_that, two_hosts};
use town::{PATIENCE, Process, Town};

/// Starts the daemon in the foreground and waits until it says so.
fn up(town: &Town, data: &str) -> Process {
    let mut daemon = Process::logging(town.command(&["daemon", "up", "--foreground", "--data", data]));
    daemon.says("daemon_started");
    daemon
}

/// Asks the daemon on that data directory, by its socket.
fn ask(data: &str, method: &str, target: &str, body: Option<&Value>) -> (u16, Value) {
    let mut stream = UnixStream::connect(format!("{data}/daemon/daemon.sock")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let head =
        format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or_default())
}

fn send(data: &str, text: &str, key: &str) -> u16 {
    let body = json!({ "to": "bob", "message": text, "client_message_id": key });
    ask(data, "POST", "/v1/send", Some(&body)).0
}

fn texts(data: &str) -> Vec<String> {
    let (_, page) = ask(data, "GET", "/v1/inbox?mark_seen=false&limit=1000", None);
    let items = page["items"].as_array().unwrap();
    items.iter().rev().map(|item| item["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn f_dmn_01_a_daemon_that_is_killed_while_it_sends_and_receives_loses_and_doubles_nothing() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let (mut sender, mut recipient) = (up(&town, &ann), up(&town, &bob));
    await_that("a broker", || ask(&ann, "GET", "/v1/health", None).1["brokers"]["demo"] == "open");
    let mut wanted = Vec::new();
    for round in 0..5 {
        for at in 0..6 {
            let key = format!("{round}.{at}");
            await_that("an acceptance", || send(&ann, &key, &key) == 202);
            wanted.push(key);
        }
        // In the middle of whatever they do.
        sender.kill();
        recipient.kill();
        (sender, recipient) = (up(&town, &ann), up(&town, &bob));
        // Whoever did not hear the answer asks again; the key was used, so that nothing is sent twice.
        let last = wanted.last().unwrap().clone();
        assert!(matches!(send(&ann, &last, &last), 200 | 202));
    }
    await_that("the last message", || texts(&bob).len() >= wanted.len());
    assert_eq!(texts(&bob), wanted);
    let (_, page) = ask(&ann, "GET", "/v1/outbox?limit=500", None);
    await_that("the last answer", || {
        let (_, page) = ask(&ann, "GET", "/v1/outbox?limit=500&status=done", None);
        page["items"].as_array().unwrap().len() == wanted.len()
    });
    assert_eq!(page["items"].as_array().unwrap().len(), wanted.len());
}

#[test]
fn a_mesh_that_is_joined_while_the_daemon_runs_is_taken_up_and_one_that_is_left_let_go() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let (_sender, _recipient) = (up(&town, &ann), up(&town, &bob));
    town.json(&["mesh", "create", "other"]);
    let invite = town.json(&["invite", "other", "--uses", "3"]);
    let url = invite["url"].as_str().unwrap();
    for (name, data) in [("ann-too", &ann), ("bob-too", &bob)] {
        assert_eq!(town.json(&["join", url, "--as", name, "--data", data])["daemon"], "taken up");
    }
    // A second identity in a mesh takes no name away from the first, under which messages may wait.
    assert_eq!(town.json(&["join", url, "--as", "ann-again", "--data", &ann])["daemon"], "taken up");
    let brokers = || ask(&ann, "GET", "/v1/health", None).1["brokers"].clone();
    let all_open = json!({ "demo": "open", "other": "open", "other.ann-again": "open" });
    await_that("three sockets", || brokers() == all_open);
    let body = json!({ "to": "bob-too", "message": "hello", "client_message_id": "k1", "mesh": "other" });
    await_that("an acceptance", || ask(&ann, "POST", "/v1/send", Some(&body)).0 == 202);
    await_that("the message", || texts(&bob) == ["hello"]);

    fs::remove_file(format!("{ann}/profiles/ann-again.json")).unwrap();
    town.json(&["daemon", "reload", "--data", &ann]);
    await_that("its end", || brokers() == json!({ "demo": "open", "other": "open" }));
    assert_eq!(town.run(&["daemon", "reload", "--data", town.dir().join("none").to_str().unwrap()]).code, 1);
}

#[test]
fn a_daemon_is_started_asked_and_stopped_by_its_commands() {
    let town = Town::new();
    let (_broker, ann, _) = two_hosts(&town);
    let run = |arguments: &[&str]| town.run(&[arguments, &["--data", &ann]].concat());
    let json = |arguments: &[&str]| town.json(&[arguments, &["--data", &ann]].concat());
    assert_eq!(run(&["daemon", "status"]).code, 1);
    let none = town.dir().join("none");
    let unjoined = town.run(&["daemon", "up", "--data", none.to_str().unwrap()]);
    assert!(unjoined.code == 2 && unjoined.err.contains("peermesh join"), "{unjoined:?}");

    let long = town.dir().join("d".repeat(120));
    let unnamed = town.run(&["daemon", "up", "--data", long.to_str().unwrap()]);
    assert!(unnamed.code == 1 && unnamed.err.contains("a shorter data directory"), "{unnamed:?}");
    assert!(!long.exists(), "nothing is begun that cannot be done");

    let started = json(&["daemon", "up"]);
    assert!(started["pid"].as_u64().is_some());
    let twice = run(&["daemon", "up", "--foreground"]);
    assert!(twice.code == 1 && twice.err.contains("runs already"), "{twice:?}");
    let mode =
        |name: &str| fs::metadata(format!("{ann}/daemon/{name}")).unwrap().permissions().mode() & 0o777;
    for name in ["daemon.sock", "outbox.db", "inbox.db"] {
        assert_eq!(mode(name), 0o600, "{name}");
    }
    await_that("a broker", || json(&["daemon", "status"])["brokers"]["demo"] == "open");
    assert_eq!(json(&["daemon", "version"])["ipc_api"], "v1");

    let nobody = "7".repeat(64);
    let body = json!({ "to": nobody, "message": "hello", "client_message_id": "k1" });
    assert_eq!(ask(&ann, "POST", "/v1/send", Some(&body)).0, 202);
    let failed = || json(&["daemon", "outbox", "list", "--only", "failed"])["items"].clone();
    await_that("a refusal", || failed().as_array().unwrap().len() == 1);
    let id = failed()[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(json(&["daemon", "outbox", "inspect", &id])["to"], nobody.as_str());
    let requeued = json(&["daemon", "outbox", "requeue", &id]);
    assert_eq!(requeued["aborted_row_id"], id.as_str());
    assert_eq!(run(&["daemon", "outbox", "requeue", &id]).code, 3);
    assert_eq!(run(&["daemon", "outbox", "inspect", "none"]).code, 3);

    assert_eq!(json(&["daemon", "down"])["stopped"], true);
    assert_eq!(json(&["daemon", "down"])["stopped"], false);
    assert!(!std::path::Path::new(&format!("{ann}/daemon/daemon.sock")).exists());
}

#[test]
fn a_session_ends_with_its_process() {
    let town = Town::new();
    let (_broker, ann, _) = two_hosts(&town);
    let _daemon = up(&town, &ann);
    let mut program = Command::new("/bin/cat").stdin(Stdio::piped()).spawn().unwrap();
    let register = |token: &str, pid: u32| {
        let body = json!({
            "token": token.repeat(64), "session_id": token, "mesh": "demo", "display_name": token, "pid": pid,
        });
        assert_eq!(ask(&ann, "POST", "/v1/sessions/register", Some(&body)).0, 200);
    };
    register("a", program.id());
    register("b", std::process::id());
    let sessions = || ask(&ann, "GET", "/v1/sessions", None).1["sessions"].as_array().unwrap().clone();
    await_that("a look", || sessions().iter().all(|session| session["startTime"].is_string()));
    program.kill().unwrap();
    program.wait().unwrap();
    await_that("an end", || sessions().len() == 1);
    assert_eq!(sessions()[0]["sessionId"], "b");
}

#[test]
fn f_dmn_10_on_another_host_a_daemon_does_what_its_policy_says() {
    let town = Town::new();
    let (_broker, ann, _) = two_hosts(&town);
    let on = |host: &str, policy: &[&str]| {
        let mut command = town.command(&[&["daemon", "up", "--foreground", "--data", &ann], policy].concat());
        command.env("PEERMESH_HOST_ID", host);
        Process::logging(command)
    };
    on("one", &[]).says("daemon_started");
    let mut refused = on("two", &[]);
    assert_eq!(refused.ends(PATIENCE).code(), Some(4), "{:?}", refused.log);
    assert!(refused.log.join(" ").contains("accept-host"), "{:?}", refused.log);
    let mut warned = on("two", &["--host-policy", "warn"]);
    let warning = warned.says("fingerprint_mismatch");
    assert_eq!((&warning["stored"], &warning["current"]), (&json!("given:one"), &json!("given:two")));
    warned.says("daemon_started");
    drop(warned);
    let mut allowed = on("two", &["--host-policy", "allow"]);
    allowed.says("daemon_started");
    assert!(!allowed.log.join(" ").contains("mismatch"), "{:?}", allowed.log);
    drop(allowed);
    let mut refused = on("two", &["--host-policy", "refuse"]);
    assert_eq!(refused.ends(PATIENCE).code(), Some(4), "neither policy makes the other host the one");
}
