//! A broker on threads: what it says of its room, what a connection costs it, and that its small stacks are
//! deep enough.

#![cfg(feature = "threads")]

#[allow(dead_code, reason = "each test file uses its own part of a peer")]
#[path = "weather/peer.rs"]
mod peer;
mod town;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use peer::{Identity, Peer};
use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use serde_json::Value;
use town::{PATIENCE, Process, Town};

/// The deepest JSON that a broker can be told to read.
const DEPTH: usize = 128;
/// Connections that say nothing.
const IDLE: usize = 1_000;
/// Members that stay connected until their stacks are looked at.
const PEERS: [&str; 4] = ["ann", "bob", "cleo", "dan"];

/// Starts a broker on threads; the record that tells its room, and the broker.
fn serve(town: &Town) -> (Value, Process) {
    let depth = DEPTH.to_string();
    let mut broker = town.listen_with(&[
        ("PEERMESH_RUNTIME", "threads"),
        ("PEERMESH_LOG", "trace"),
        ("PEERMESH_JSON_DEPTH_MAX", &depth),
    ]);
    let room = broker.says("room for connections");
    broker.says("db healthy");
    (room, broker)
}

#[test]
fn a_broker_on_threads_says_how_many_connections_it_has_room_for() {
    let town = Town::new();
    let (room, _broker) = serve(&town);
    let number = |name: &str| room[name].as_u64().unwrap_or_else(|| panic!("{name}: {room}"));
    let connections = number("connections");
    assert!(connections > 0 && number("descriptors") >= connections, "{room}");
    assert_eq!(number(room["bound_by"].as_str().unwrap()), connections, "{room}");
    assert_eq!(town.run(&["health"]).code, 0);
}

/// As on a host that grants little: the room follows, and the operator is warned.
#[test]
fn f_lif_03_a_broker_with_few_descriptors_counts_on_no_more() {
    let town = Town::new();
    let port = town.port.to_string();
    let serve = town.command(&["serve", "--runtime", "threads", "--host", "127.0.0.1", "--port", &port]);
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "ulimit -n 100; exec \"$0\" \"$@\""]).arg(serve.get_program()).args(serve.get_args());
    command.env_clear().envs(serve.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.current_dir(town.dir());
    let mut broker = Process::logging(command);
    let room = broker.says("room for connections");
    assert_eq!((&room["level"], &room["bound_by"]), (&"warn".into(), &"descriptors".into()), "{room}");
    assert!(room["connections"].as_u64().unwrap() < 100 && room["way_out"].is_string(), "{room}");
}

#[test]
fn the_setting_can_be_given_in_every_way_and_a_runtime_that_is_none_is_refused() {
    let town = Town::new();
    std::fs::create_dir_all(town.data()).unwrap();
    std::fs::write(town.data().join("peermesh.toml"), "runtime = \"threads\"\n").unwrap();
    let shown = |arguments: &[&str]| {
        let rows = town.json(&[&["config"], arguments].concat());
        let rows = rows["settings"].as_array().unwrap().clone();
        rows.into_iter().find(|row| row["name"] == "runtime").unwrap()["value"].clone()
    };
    if std::env::var_os("PEERMESH_RUNTIME").is_none() {
        assert_eq!(shown(&[]), "threads");
    }
    assert_eq!(shown(&["--runtime", "threads"]), "threads");
    let ran = town.run(&["serve", "--runtime", "fibres"]);
    assert!(ran.code == 2 && ran.err.contains("--runtime: fibres") && ran.err.contains("threads"), "{ran:?}");
}

/// A thread for each of them costs little, and an end in good order waits for none of them.
#[cfg(target_os = "linux")]
#[test]
fn a_thousand_idle_connections_take_less_than_40_kib_each_and_hold_up_no_end() {
    allow_files(IDLE as u64 + 200);
    let town = Town::new();
    let mut broker = town.serve_with(&[
        ("PEERMESH_RUNTIME", "threads"),
        ("PEERMESH_HANDSHAKES_MAX", "2000"),
        ("PEERMESH_HELLO_TIMEOUT_MS", "120000"),
        ("PEERMESH_DRAIN_MS", "500"),
    ]);
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", broker.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap()
    };
    let before = resident();
    let mut idle: Vec<TcpStream> = (0..IDLE).map(|_| upgraded(town.port)).collect();
    let grown = resident().saturating_sub(before);
    assert!(grown < 40 * IDLE, "{grown} KiB for {IDLE} connections");
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(PATIENCE).code(), Some(0), "{:?}", broker.log);
    // Each heard the goodbye before its stream ended, and none answered it.
    for stream in &mut idle {
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).unwrap();
        assert_eq!(heard.first(), Some(&0x88), "{heard:?}");
    }
}

/// A WebSocket connection that says nothing after its upgrade.
fn upgraded(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// Raises the soft limit of open files as far as is needed.
fn allow_files(needed: u64) {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let maximum = limit.maximum;
        setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum }).unwrap_or_else(|error| {
            panic!(
                "this test needs {needed} open files, and the hard limit is {maximum:?}: raise it ({error})"
            )
        });
    }
}

/// Goes the deepest ways there are, with connections that stay, and then looks how much of each stack was
/// ever touched. The frames of a build for tests are larger than those of a shipped one.
#[cfg(target_os = "linux")]
#[test]
fn no_connection_uses_more_than_half_of_its_stack() {
    let town = Town::new();
    let (room, broker) = serve(&town);
    town.settle(&PEERS);
    let mut peers = PEERS.map(|name| Peer::joins(town.port, &Identity::of(&town, name)).unwrap());
    let recipient = Identity::of(&town, PEERS[0]).pubkey;
    let deep = "[".repeat(DEPTH - 2) + &"]".repeat(DEPTH - 2);
    let deep: Value = serde_json::from_str(&deep).unwrap();
    let sender = &mut peers[1];
    sender.says(&serde_json::json!({ "type": "send", "id": "x", "anything": deep, "targetSpec": recipient }));
    for nth in 0..40 {
        let key = format!("k{nth}");
        sender.sends(&recipient, &key, &"x".repeat(30_000));
        assert!(sender.hears_ack_of(&key)["error"].is_null());
    }
    let push = peers[0].hears_push();
    peers[0].acks(&push);
    // The page of metrics is rendered on the stack of whoever asks; the answer stays unread on this one.
    let mut asking = TcpStream::connect(("127.0.0.1", town.port)).unwrap();
    asking.set_read_timeout(Some(PATIENCE)).unwrap();
    asking.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert_eq!(asking.read(&mut [0]).unwrap(), 1);

    let stack = room["stack_bytes"].as_u64().unwrap();
    let touched = touched_stacks(broker.id(), stack);
    assert!(touched.len() > PEERS.len(), "{touched:?}");
    let most = touched.iter().max().copied().unwrap_or(0);
    assert!(most > 0 && most <= stack / 2, "{most} of {stack} bytes: {touched:?}");
}

/// How many bytes of each stack of that size are resident, in a process. A stack is known by the page below
/// it that nobody may touch.
fn touched_stacks(pid: u32, stack_bytes: u64) -> Vec<u64> {
    let maps = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("smaps")).unwrap();
    let mut touched = Vec::new();
    let (mut guarded_from, mut is_stack) = (None, false);
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (first, second) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let bounds = first.split_once('-').map(|(from, to)| [from, to].map(|at| u64::from_str_radix(at, 16)));
        if let Some([Ok(from), Ok(to)]) = bounds {
            is_stack = guarded_from == Some(from) && second == "rw-p" && to - from == stack_bytes;
            guarded_from = (second == "---p").then_some(to);
        } else if is_stack && first == "Rss:" {
            touched.extend(second.parse::<u64>().map(|kibibytes| kibibytes * 1_024));
        }
    }
    touched
}
