//! A real broker process: its start, its log, its end, and what a sudden death leaves behind.

mod town;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use town::{PATIENCE, Process, Town};

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);

#[test]
fn sigterm_ends_the_broker_with_0_in_time() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob"]);
    let mut inbox = Process::logging(town.command(&["inbox", "--follow", "--as", "bob"]));
    broker.greets_follower();
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    let log = broker.log.join("\n");
    assert!(log.contains("shutdown signal") && log.contains("shutdown complete"), "{log}");
    assert!(inbox.log.is_empty() && !town.data().join("broker").exists());
    inbox.signal(Signal::TERM);
    inbox.ends(SHUTDOWN);
}

#[test]
fn f_lif_02_a_second_signal_ends_the_broker_at_once() {
    let town = Town::new();
    let minute = "60000";
    let mut broker = town.serve_with(&[
        ("PEERMESH_DRAIN_MS", minute),
        ("PEERMESH_CLOSE_MS", minute),
        ("PEERMESH_HELLO_TIMEOUT_MS", minute),
    ]);
    // It will never answer the goodbye, so draining takes its whole time.
    let _silent = upgraded(town.port);
    broker.signal(Signal::TERM);
    broker.says("shutdown signal");
    broker.signal(Signal::TERM);
    let status = broker.ends(SHUTDOWN);
    assert_ne!(status.code(), Some(0), "{:?}", broker.log);
}

#[test]
fn f_lif_05_a_log_that_nobody_reads_does_not_stop_the_broker() {
    let town = Town::new();
    let port = town.port.to_string();
    let mut command = town.command(&["serve", "--host", "127.0.0.1", "--port", &port]);
    let (unread, mut log) = std::io::pipe().unwrap();
    let room = rustix::pipe::fcntl_setpipe_size(&log, 4_096).unwrap();
    log.write_all(&vec![b'\n'; room]).unwrap();
    let mut broker = command.env("PEERMESH_LOG", "trace").stderr(log).spawn().map(Running).unwrap();
    let until = Instant::now() + PATIENCE;
    while town.run(&["health"]).code != 0 {
        assert!(Instant::now() < until && broker.0.try_wait().unwrap().is_none(), "it does not come up");
    }
    town.settle(&["ann", "bob"]);
    for text in ["one", "two", "three"] {
        town.json(&["send", "bob", text, "--as", "ann"]);
    }
    assert_eq!(town.inbox("bob"), ["one", "two", "three"]);
    kill_process(Pid::from_child(&broker.0), Signal::TERM).unwrap();
    assert_eq!(broker.0.wait().unwrap().code(), Some(0));
    drop(unread);
}

#[test]
fn every_log_line_is_one_json_object() {
    let town = Town::new();
    let mut broker = town.serve_with(&[("PEERMESH_LOG", "debug")]);
    town.settle(&["ann", "bob"]);
    assert_eq!(town.run(&["send", "bob", "soup?", "--as", "ann"]).code, 0);
    assert_eq!(town.inbox("bob"), ["soup?"]);
    broker.signal(Signal::INT);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0));
    assert!(broker.log.len() > 3);
    for line in &broker.log {
        let record: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        for field in ["ts", "level", "msg"] {
            assert!(record[field].is_string(), "{field} is missing: {line}");
        }
        assert_eq!(record["component"], "broker");
        assert!(!line.contains("soup?"), "the broker saw a sealed text: {line}");
    }
}

#[test]
fn the_first_record_tells_port_version_and_limits() {
    let town = Town::with_files();
    let port = town.port.to_string();
    let mut command = town.command(&["serve", "--host", "127.0.0.1", "--port", &port]);
    command.env("STATUS_TTL_SECONDS", "61");
    let mut broker = Process::logging(command);
    let record = broker.says("broker listening");
    assert_eq!((&record["port"], &record["ttl_seconds"]), (&town.port.into(), &61.into()));
    assert_eq!(record["store"], "sqlite");
    assert_eq!((&record["ws_path"], &record["max_message_bytes"]), (&"/ws".into(), &65_536.into()));
}

/// As secrets are mounted into a container.
#[test]
fn a_key_file_and_a_token_file_may_be_links_and_what_cannot_be_used_is_named() {
    let town = Town::new();
    let at = |name: &str| town.dir().join(name).to_str().unwrap().to_owned();
    for (name, bytes) in [("key", &[7; 32][..]), ("token", b"a-token-of-the-tests\n")] {
        std::fs::write(at(&format!("{name}.mounted")), bytes).unwrap();
        std::os::unix::fs::symlink(at(&format!("{name}.mounted")), at(name)).unwrap();
    }
    let token = ("PEERMESH_ADMIN_TOKEN", "a-token-of-the-tests");
    let broker = town.serve_with(&[("PEERMESH_KEY_FILE", &at("key")), token]);
    let url = format!("http://127.0.0.1:{}", town.port);
    let ran = town.run(&["mesh", "create", "demo", "--broker", &url, "--admin-token-file", &at("token")]);
    assert_eq!(ran.code, 0, "{ran:?}");
    broker.kill();
    for (path, why) in [(at("token"), "holds 21 bytes"), (at("nowhere"), "cannot be read")] {
        let mut command = town.command(&["serve", "--port", &town.port.to_string()]);
        let ran = town::Ran::from(command.env("PEERMESH_KEY_FILE", &path).output().unwrap());
        assert!(ran.code == 1 && ran.err.contains(&format!("PEERMESH_KEY_FILE: {path} {why}")), "{ran:?}");
    }
}

/// As in a container: no word was left where the command looks, and only the port is known.
#[test]
fn health_finds_a_broker_by_its_port_alone() {
    let town = Town::new();
    let _broker = town.serve();
    let port = town.port.to_string();
    for name in ["BROKER_PORT", "PEERMESH_PORT"] {
        let mut command = town.command(&["health", "--data", "/dev/null/mesh"]);
        let ran = town::Ran::from(command.env(name, &port).output().unwrap());
        assert!(ran.code == 0 && ran.out.contains("\"status\":\"ok\""), "{ran:?}");
    }
}

#[test]
fn f_sto_05_a_second_broker_on_the_same_directory_is_refused() {
    let town = Town::with_files();
    let _broker = town.serve();
    let other = Town::new();
    let port = other.port.to_string();
    let ran = town.run(&["serve", "--host", "127.0.0.1", "--port", &port]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.err.contains("--data"), "the way out is missing: {}", ran.err);
    assert_eq!(town.run(&["health"]).code, 0, "the first broker still serves");
}

#[test]
fn a_port_that_is_taken_is_named_with_the_way_out() {
    let (town, other) = (Town::new(), Town::new());
    let _broker = town.serve();
    let port = town.port.to_string();
    let ran = other.run(&["serve", "--host", "127.0.0.1", "--port", &port]);
    assert!(ran.code == 1 && ran.err.contains(&port) && ran.err.contains("--port"), "{ran:?}");
    // Each of the three listeners has a setting of its own.
    let own = peermesh_conformance::server::free_port().to_string();
    for (setting, secret) in
        [("PEERMESH_RUNNER_PORT", "RUNNER_SHARED_SECRET"), ("LIVE_WS_PORT", "LIVE_AUTH_SECRET")]
    {
        let mut command = other.command(&["serve", "--host", "127.0.0.1", "--port", &own]);
        command.env(setting, &port).env(secret, "s3cret").env("LIVE_WS_HOST", "127.0.0.1");
        let ran = town::Ran::from(command.output().unwrap());
        let names_it = ran.err.contains(&port) && ran.err.contains(setting) && !ran.err.contains("--port");
        assert!(ran.code == 1 && names_it, "{ran:?}");
    }
    let ran = other.run(&["serve", "--host", "192.0.2.1", "--port", &own]);
    assert!(ran.code == 1 && ran.err.contains("with --host"), "{ran:?}");
}

/// The broker dies after its ack and before the recipient was ever there.
#[test]
fn f_acc_05_a_message_acked_before_a_kill_arrives_once_after_the_restart() {
    let town = Town::new();
    let broker = town.serve();
    town.settle(&["ann", "bob"]);
    let sent = town.json(&["send", "bob", "soup?", "--as", "ann", "--id", "key1"]);
    assert_eq!(sent["status"], "accepted");
    broker.kill();
    let _broker = town.serve();
    let again = town.json(&["send", "bob", "soup?", "--as", "ann", "--id", "key1"]);
    assert_eq!(again["message_id"], sent["message_id"], "the same key is the same message");
    assert_eq!((&sent["duplicate"], &again["duplicate"]), (&false.into(), &true.into()));
    let other = town.run(&["send", "bob", "fish?", "--as", "ann", "--id", "key1"]);
    assert_eq!(other.code, 3, "{other:?}");
    assert!(other.err.contains("idempotency_key_reused"), "{other:?}");
    assert_eq!(town.inbox("bob"), ["soup?"]);
    assert!(town.inbox("bob").is_empty(), "an acknowledged message comes once");
}

/// A WebSocket connection that says nothing after its upgrade.
fn upgraded(port: u16) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!(
        "GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    stream
}

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_healthy_broker_passes_health_doctor_and_metrics() {
    let town = Town::new();
    let _broker = town.serve();
    assert_eq!(town.json(&["health"])["status"], "ok");
    let doctor = town.run(&["doctor"]);
    assert_eq!(doctor.code, 0, "{doctor:?}");
    assert!(doctor.out.contains("the broker accepts the token"), "{}", doctor.out);
}
