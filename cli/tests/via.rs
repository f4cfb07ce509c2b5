//! `send`, `inbox` and `peers` by the daemon, beside it, and when it goes away in between.

mod town;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use town::hosts::{self, await_that};
use town::{PATIENCE, Process, Ran, Town};

/// A member of `demo` on a host of its own.
struct Host<'a> {
    town: &'a Town,
    name: &'static str,
    data: String,
}

impl Host<'_> {
    fn run(&self, arguments: &[&str]) -> Ran {
        self.town.run(&[arguments, &["--data", &self.data]].concat())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        self.town.json(&[arguments, &["--data", &self.data]].concat())
    }

    /// Starts its daemon and waits until it has its broker.
    fn up(&self) -> Process {
        let daemon = self.start();
        await_that("a broker", || self.json(&["daemon", "status"])["brokers"]["demo"] == "open");
        daemon
    }

    fn start(&self) -> Process {
        let command = self.town.command(&["daemon", "up", "--foreground", "--data", &self.data]);
        let mut daemon = Process::logging(command);
        daemon.says("daemon_started");
        daemon
    }

    fn texts(&self, more: &[&str]) -> Vec<String> {
        let messages = self.json(&[&["inbox"], more].concat());
        let text = |message: &Value| message["text"].as_str().unwrap_or("(unreadable)").to_owned();
        messages.as_array().unwrap().iter().map(text).collect()
    }

    fn socket(&self) -> PathBuf {
        Path::new(&self.data).join("daemon/daemon.sock")
    }

    /// Where its daemon listens while something else stands there.
    fn hidden_socket(&self) -> PathBuf {
        self.socket().with_extension("real")
    }

    fn file(&self, name: &str) -> String {
        Path::new(&self.data).join(name).to_str().unwrap().to_owned()
    }

    fn key(&self) -> String {
        let peers = self.json(&["peers", "--via", "broker"]);
        let mut peers = peers["peers"].as_array().unwrap().iter();
        let own = peers.find(|peer| peer["displayName"] == self.name).unwrap();
        own["memberPubkey"].as_str().unwrap().to_owned()
    }
}

/// Asks the daemon at that socket, as the session of that token.
fn ask(socket: &Path, method: &str, target: &str, token: Option<&str>, body: Option<&Value>) -> (u16, Value) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = body.map(Value::to_string).unwrap_or_default();
    let shown = token.map(|token| format!("Authorization: ClaudeMesh-Session {token}\r\n"));
    let head = format!(
        "{method} {target} HTTP/1.1\r\nHost: localhost\r\n{}Content-Length: {}\r\n\r\n",
        shown.unwrap_or_default(),
        body.len()
    );
    stream.write_all(format!("{head}{body}").as_bytes()).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), serde_json::from_str(body).unwrap_or_default())
}

/// A broker, and the hosts of ann and bob.
fn two_hosts(town: &Town) -> (Process, Host<'_>, Host<'_>) {
    let (broker, ann, bob) = hosts::two_hosts(town);
    (broker, Host { town, name: "ann", data: ann }, Host { town, name: "bob", data: bob })
}

#[test]
fn with_a_daemon_messages_go_and_come_by_it_and_json_says_so() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let direct = ann.run(&["send", "bob", "before", "--json"]);
    assert!(direct.err.contains("nobody it is for is connected"), "{direct:?}");
    let direct = direct.json();
    assert_eq!((&direct["via"], &direct["status"]), (&json!("broker"), &json!("accepted")));
    assert_eq!((&direct["recipients"], &direct["online"]), (&json!(1), &json!(0)));
    let (_one, _two) = (ann.up(), bob.up());

    let sent = ann.json(&["send", "bob", "by the daemon"]);
    assert_eq!((&sent["via"], &sent["status"]), (&json!("daemon"), &json!("accepted")), "{sent}");
    assert_eq!((&sent["recipients"], &sent["online"]), (&json!(1), &json!(1)), "{sent}");
    assert!(sent["message_id"].as_str().unwrap().len() >= 8, "{sent}");
    let delivered = ann.json(&["send", "bob", "seen through", "--wait", "delivered", "--id", "k1"]);
    assert_eq!(delivered["status"], "delivered", "{delivered}");
    let again = ann.json(&["send", "bob", "seen through", "--id", "k1"]);
    let same = (&again["duplicate"], &again["message_id"]);
    assert_eq!(same, (&json!(true), &delivered["message_id"]), "{again}");
    let other = ann.run(&["send", "bob", "another text", "--id", "k1"]);
    assert!(other.code == 3 && other.err.contains("another --id"), "{other:?}");
    let forced = ann.json(&["send", "bob", "straight", "--via", "broker", "--wait", "delivered"]);
    assert_eq!(forced["via"], "broker");

    let mail = bob.json(&["inbox"]);
    let texts: Vec<&Value> = mail.as_array().unwrap().iter().map(|letter| &letter["text"]).collect();
    assert_eq!(texts, ["before", "by the daemon", "seen through", "straight"]);
    assert!(mail.as_array().unwrap().iter().all(|letter| letter["sealed"] == true), "{mail}");
    assert_eq!(bob.texts(&[]), Vec::<String>::new(), "what was shown is marked");
    ann.json(&["send", "*", "to all", "--wait", "delivered"]);
    let open = &bob.json(&["inbox"])[0];
    assert_eq!((&open["text"], &open["sealed"]), (&json!("to all"), &json!(false)));

    let peers = ann.json(&["peers"]);
    assert_eq!(peers["via"], "daemon");
    assert!(peers["peers"].as_array().unwrap().iter().any(|peer| peer["displayName"] == "bob"), "{peers}");
    assert_eq!(ann.json(&["peers", "--via", "broker"])["via"], "broker");
}

#[test]
fn what_the_daemon_has_is_not_marked_as_seen_where_nobody_sees_it() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let _daemon = bob.up();
    ann.json(&["send", "bob", "soup?", "--wait", "delivered"]);
    for more in [&[][..], &["--json"], &["--follow"], &["--via", "daemon"]] {
        let ran = town.redirect(&[&["inbox", "--data", &bob.data], more].concat(), ">&-");
        assert!(ran.code == 1 && ran.err.contains("standard output"), "{more:?}: {ran:?}");
    }
    assert_eq!(bob.texts(&[]), ["soup?"]);
}

#[test]
fn f_dmn_11_a_key_is_replaced_under_a_running_daemon_and_what_was_sealed_to_the_former_one_is_opened() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let former = ann.key();
    let stolen = town.dir().join("stolen").to_str().unwrap().to_owned();
    let profile = fs::read(ann.file("profiles/ann.json")).unwrap();
    // Nobody is there to open it before the key goes.
    bob.json(&["send", "ann", "while nobody was there"]);
    let first = ann.json(&["rotate-key"]);
    assert_eq!(
        (&first["former_pubkey"], &first["daemon"]),
        (&json!(former), &json!("not running")),
        "{first}"
    );
    bob.json(&["send", &former, "to a key of yesterday"]);
    let (_one, _two) = (ann.up(), bob.up());
    let mut early = Vec::new();
    await_that("both", || {
        early.extend(ann.texts(&[]));
        early.len() == 2
    });
    assert_eq!(early, ["while nobody was there", "to a key of yesterday"]);

    // Under a running daemon. However long it takes to notice, the broker has closed its connection by then.
    let second = ann.json(&["rotate-key"]);
    assert_eq!(second["former_pubkey"], first["pubkey"], "{second}");
    await_that("the key", || ann.json(&["daemon", "version"])["meshes"][0]["pubkey"] == second["pubkey"]);
    await_that("a broker", || ann.json(&["daemon", "status"])["brokers"]["demo"] == "open");
    for to in ["ann", former.as_str(), first["pubkey"].as_str().unwrap()] {
        let sent = bob.json(&["send", to, to, "--wait", "delivered"]);
        assert_eq!(sent["status"], "delivered", "{sent}");
    }
    assert_eq!(ann.texts(&[]), ["ann", &former, first["pubkey"].as_str().unwrap()]);
    ann.json(&["send", "bob", "from the key of today", "--wait", "delivered"]);
    assert_eq!(bob.texts(&[]), ["from the key of today"]);
    assert_eq!(json!(ann.key()), second["pubkey"], "others see the key of today");

    // A copy of yesterday's profile opens nothing, and cannot take the member over.
    fs::create_dir_all(format!("{stolen}/profiles")).unwrap();
    fs::set_permissions(&stolen, fs::Permissions::from_mode(0o700)).unwrap();
    fs::set_permissions(format!("{stolen}/profiles"), fs::Permissions::from_mode(0o700)).unwrap();
    fs::write(format!("{stolen}/profiles/ann.json"), profile).unwrap();
    for command in [["peers", "--via", "broker"].as_slice(), &["rotate-key"]] {
        let ran = town.run(&[command, &["--data", &stolen]].concat());
        assert_eq!(ran.code, 3, "{ran:?}");
        assert!(ran.err.contains("another key") || ran.err.contains("rotate-key"), "{ran:?}");
    }
}

#[test]
fn while_the_broker_is_away_the_daemon_keeps_what_is_sent() {
    let town = Town::new();
    let (broker, ann, bob) = two_hosts(&town);
    let key = bob.key();
    let _daemon = ann.up();
    broker.kill();
    await_that("a loss", || ann.json(&["daemon", "status"])["brokers"]["demo"] != "open");
    let sent = ann.run(&["send", &key, "later", "--json"]);
    assert_eq!((sent.code, &sent.json()["status"]), (0, &json!("queued")), "{sent:?}");
    assert!(sent.json()["message_id"].is_null() && sent.err.contains("goes on trying"), "{sent:?}");
    let id = sent.json()["client_message_id"].as_str().unwrap().to_owned();
    let waited = ann.run(&["send", &key, "later", "--id", &id, "--wait", "accepted", "--timeout", "1s"]);
    assert!(waited.code == 5 && waited.err.contains(&id), "{waited:?}");
    let peers = ann.run(&["peers", "--via", "daemon"]);
    assert!(peers.code == 4 && peers.err.contains("away"), "{peers:?}");
    let direct = ann.run(&["send", &key, "now", "--via", "broker"]);
    assert_eq!(direct.code, 4, "{direct:?}");
    let inbox = ann.run(&["inbox"]);
    assert!(inbox.code == 0 && inbox.err.contains("away"), "{inbox:?}");

    let _broker = town.serve();
    let waited = ann.json(&["send", &key, "later", "--id", &id, "--wait", "accepted"]);
    assert_eq!(waited["status"], "accepted", "{waited}");
    assert_eq!(bob.texts(&[]), ["later"]);
}

#[test]
fn what_the_daemon_cannot_do_goes_straight_unless_the_daemon_was_demanded() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let absent = ann.run(&["send", "bob", "x", "--via", "daemon"]);
    assert!(absent.code == 4 && absent.err.contains("peermesh daemon up"), "{absent:?}");
    let _daemon = ann.up();
    let receipt = ann.file("receipts");
    let run = |more: &[&str]| ann.run(&[&["send", "bob", "x"], more].concat());
    for flag in [["--receipt", &receipt], ["--mention", "bob"], ["--broker", "http://127.0.0.1:1"]] {
        let refused = run(&[&flag[..], &["--via", "daemon"]].concat());
        assert!(refused.code == 2 && refused.err.contains(flag[0]), "{refused:?}");
    }
    let mentioned = ann.json(&["send", "bob", "hello", "--mention", "bob"]);
    assert_eq!(mentioned["via"], "broker");
    let unknown = ann.run(&["send", "bop", "x"]);
    assert!(unknown.code == 3 && unknown.err.contains("ann, bob"), "{unknown:?}");
    let unknown = ann.run(&["send", "bop", "x", "--via", "daemon"]);
    assert!(unknown.code == 3 && unknown.err.contains("nobody in this mesh is called bop"), "{unknown:?}");
    let long = "x".repeat(70_000);
    for way in ["auto", "daemon", "broker"] {
        let refused = ann.run(&["send", "bob", &long, "--via", way]);
        assert!(refused.code == 3 && refused.err.contains("too"), "{way}: {refused:?}");
    }
    assert_eq!(ann.json(&["send", "bob", "still there"])["status"], "accepted");
    assert_eq!(bob.texts(&[]), ["hello", "still there"]);
}

#[test]
fn a_profile_that_the_daemon_does_not_serve_is_never_spoken_for_by_another() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let _daemon = ann.up();
    let invite = town.json(&["invite", "demo"]);
    ann.json(&["join", invite["url"].as_str().unwrap(), "--as", "cleo"]);
    // Joined after the start: either it is served under its own name, or not at all.
    let sent = ann.run(&["send", "bob", "from cleo", "--as", "cleo", "--json"]);
    assert_eq!(sent.code, 0, "{sent:?}");
    let mail = bob.json(&["inbox"]);
    assert_eq!((&mail[0]["from"], &mail[0]["text"]), (&json!("cleo"), &json!("from cleo")));
}

/// Stands where the daemon's socket was: hands every request on and every answer back, until a send. That one
/// is handed on, too, and answered by the daemon; but then comes what the test wants, and nobody hears the
/// answer.
fn interpose(host: &Host<'_>, instead: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
    let (front, behind) = (host.socket(), host.hidden_socket());
    fs::rename(&front, &behind).unwrap();
    let listener = UnixListener::bind(&front).unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = vec![0; 64 * 1024];
            let count = stream.read(&mut request).unwrap();
            let mut daemon = UnixStream::connect(&behind).unwrap();
            daemon.write_all(&request[..count]).unwrap();
            let mut answer = Vec::new();
            daemon.read_to_end(&mut answer).unwrap();
            if request.starts_with(b"POST /v1/send ") {
                assert!(answer.starts_with(b"HTTP/1.1 202 "), "{}", String::from_utf8_lossy(&answer));
                fs::remove_file(&front).unwrap();
                return instead();
            }
            stream.write_all(&answer).unwrap();
        }
    })
}

#[test]
fn f_dmn_01_a_daemon_that_dies_between_its_acceptance_and_its_answer_doubles_nothing() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let daemon = ann.up();
    let pid = Pid::from_raw(i32::try_from(daemon.id()).unwrap()).unwrap();
    let between = interpose(&ann, move || kill_process(pid, Signal::KILL).unwrap());
    let sent = ann.run(&["send", "bob", "once", "--json"]);
    between.join().unwrap();
    let value = sent.json();
    assert_eq!((sent.code, &value["via"]), (0, &json!("broker")), "{sent:?}");
    let id = value["client_message_id"].as_str().unwrap();
    assert!(sent.err.contains("under the same key") && sent.err.contains(id), "{sent:?}");

    let _daemon = ann.up();
    let row = || ask(&ann.socket(), "GET", &format!("/v1/outbox?key={id}"), None, None).1["items"][0].clone();
    await_that("the daemon's own try", || row()["status"] == "done");
    assert_eq!(row()["broker_message_id"], value["message_id"], "to the broker it is one message");
    assert_eq!(bob.texts(&[]), ["once"]);
}

#[test]
fn f_dmn_01_an_answer_that_got_lost_is_found_again_by_its_key() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let _daemon = ann.up();
    let behind = ann.hidden_socket();
    let done = move || ask(&behind, "GET", "/v1/outbox?status=done", None, None).1["items"][0].is_object();
    let between = interpose(&ann, move || await_that("the daemon's send", done));
    let sent = ann.run(&["send", "bob", "once", "--json"]);
    between.join().unwrap();
    // The daemon sent it meanwhile, so the broker says that it has it.
    let value = sent.json();
    let way = (sent.code, &value["via"], &value["duplicate"]);
    assert_eq!(way, (0, &json!("broker"), &json!(true)), "{sent:?}");
    fs::rename(ann.hidden_socket(), ann.socket()).unwrap();
    let again = ann.json(&["send", "bob", "once", "--id", value["client_message_id"].as_str().unwrap()]);
    assert_eq!((&again["via"], &again["message_id"]), (&json!("daemon"), &value["message_id"]), "{again}");
    assert_eq!(bob.texts(&[]), ["once"]);
}

#[test]
fn mail_of_a_session_is_left_to_it_until_it_has_ended() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let (_one, _two) = (ann.up(), bob.up());
    let token = "5".repeat(64);
    let secret = ed25519_key(7);
    let body = json!({
        "token": token, "session_id": "s1", "mesh": "demo", "display_name": "bob's helper",
        "pid": std::process::id(),
        "presence": { "session_pubkey": &secret[64..], "session_secret_key": secret },
    });
    assert_eq!(
        ask(&bob.socket(), "POST", "/v1/sessions/register", None, Some(&body)).1["presence_accepted"],
        true
    );
    let there = |peers: &Value| peers.to_string().contains(&secret[64..]);
    await_that("the session", || there(&ann.json(&["peers"])));
    for (to, text) in [(&secret[64..], "for the helper"), (&bob.key(), "for bob"), ("*", "for all")] {
        ann.json(&["send", to, text, "--wait", "delivered"]);
    }
    assert_eq!(bob.texts(&["--via", "daemon"]), ["for bob", "for all"]);
    let file = town.dir().join("token");
    fs::write(&file, &token).unwrap();
    let as_session = |arguments: &[&str]| {
        let mut command = town.command(&[arguments, &["--data", &bob.data, "--json"]].concat());
        Ran::from(command.env("PEERMESH_SESSION_TOKEN_FILE", &file).output().unwrap())
    };
    let mail = as_session(&["inbox"]).json();
    let texts: Vec<&Value> = mail.as_array().unwrap().iter().map(|letter| &letter["text"]).collect();
    assert_eq!(texts, ["for the helper", "for all"], "its own, and its own copy of what is for all");
    let sent = as_session(&["send", "ann", "from the helper"]);
    assert_eq!(sent.json()["status"], "accepted", "{sent:?}");
    assert_eq!(ann.json(&["inbox"])[0]["from_pubkey"], secret[64..]);

    ann.json(&["send", &secret[64..], "too late", "--wait", "delivered"]);
    assert_eq!(ask(&bob.socket(), "DELETE", &format!("/v1/sessions/{token}"), None, None).0, 200);
    let over = as_session(&["inbox"]);
    assert!(over.code == 3 && over.err.contains("has ended"), "{over:?}");
    assert_eq!(bob.texts(&[]), ["too late"], "what nobody else can read is the member's");
}

#[test]
fn a_program_of_a_session_never_speaks_as_its_member_unless_it_is_told_to() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let daemon = ann.up();
    let (token, secret) = ("6".repeat(64), ed25519_key(8));
    let body = json!({
        "token": token, "session_id": "s1", "mesh": "demo", "display_name": "ann's helper",
        "pid": std::process::id(),
        "presence": { "session_pubkey": &secret[64..], "session_secret_key": secret },
    });
    assert_eq!(ask(&ann.socket(), "POST", "/v1/sessions/register", None, Some(&body)).0, 200);
    let file = town.dir().join("token");
    fs::write(&file, &token).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = town.command(&[arguments, &["--data", &ann.data]].concat());
        Ran::from(command.env("CLAUDEMESH_IPC_TOKEN_FILE", &file).output().unwrap())
    };
    for flag in [&["--mention", "bob"][..], &["--broker", "http://127.0.0.1:1"]] {
        let refused = run(&[&["send", "bob", "x"], flag].concat());
        let says = |word: &str| refused.err.contains(word);
        assert!(refused.code == 2 && says(flag[0]) && says("CLAUDEMESH_IPC_TOKEN_FILE"), "{refused:?}");
    }
    let told = run(&["send", "bob", "as ann", "--via", "broker"]);
    assert!(told.code == 0 && told.err.contains("as the member ann"), "{told:?}");

    daemon.kill();
    for command in [&["send", "bob", "as nobody"][..], &["inbox"], &["peers"]] {
        let refused = run(command);
        let says = |word: &str| refused.err.contains(word);
        assert!(refused.code == 4 && says("peermesh daemon up") && says("--via broker"), "{refused:?}");
    }
    assert!(!ann.socket().with_file_name("daemon.log").exists(), "no command starts a daemon by itself");
    fs::remove_file(&file).unwrap();
    let over = run(&["send", "bob", "as nobody"]);
    assert!(over.code == 3 && over.err.contains("has ended"), "{over:?}");
    let mail = bob.json(&["inbox"]);
    let texts: Vec<&Value> = mail.as_array().unwrap().iter().map(|letter| &letter["text"]).collect();
    assert_eq!((texts, &mail[0]["from"]), (vec![&json!("as ann")], &json!("ann")));
}

/// Secret and public key of a seed, as 128 digits.
fn ed25519_key(byte: u8) -> String {
    let pair = ed25519_dalek::SigningKey::from_bytes(&[byte; 32]).to_keypair_bytes();
    data_encoding::HEXLOWER.encode(&pair)
}

#[test]
fn a_follower_hears_by_the_daemon_and_finds_it_again() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let daemon = bob.up();
    ann.json(&["send", "bob", "zero", "--wait", "delivered"]);
    let follow = town.command(&["inbox", "--follow", "--json", "--data", &bob.data]);
    let mut inbox = Process::printing(follow);
    assert_eq!(inbox.prints()["text"], "zero");
    ann.json(&["send", "bob", "one", "--wait", "delivered"]);
    assert_eq!(inbox.prints()["text"], "one");
    daemon.kill();
    ann.json(&["send", "bob", "two"]);
    let _daemon = bob.up();
    assert_eq!(inbox.prints()["text"], "two");
    ann.json(&["send", "bob", "three", "--wait", "delivered"]);
    assert_eq!(inbox.prints()["text"], "three");
    assert_eq!(bob.texts(&["--via", "daemon"]), Vec::<String>::new());
}
