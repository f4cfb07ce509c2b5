//! Real runners, a real event target that behaves badly, and a broker that is killed.

mod town;

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::server::free_port;
use serde_json::{Value, json};
use town::{PATIENCE, Process, Ran, Town, readme};

const SECRET: &str = "the-secret-of-runners";
/// Events of each runner.
const EVENTS: usize = 40;
const RUNNERS: [&str; 2] = ["r1", "r2"];

#[test]
fn f_evt_01_every_accepted_event_reaches_a_hostile_target_in_order_though_the_broker_is_killed() {
    let (town, port) = (Town::new(), free_port());
    let target = Target::start();
    let serve = || serve(&town, port, &target.url);
    let mut broker = Some(serve());
    let senders: Vec<_> =
        RUNNERS.into_iter().map(|runner| thread::spawn(move || sends_all(port, runner))).collect();
    for taken in [10, 25, 50] {
        target.waits_for(taken);
        broker.take().unwrap().kill();
        broker = Some(serve());
    }
    senders.into_iter().for_each(|sender| sender.join().unwrap());
    target.waits_for(RUNNERS.len() * EVENTS);
    for (runner, taken) in target.taken() {
        let wanted: Vec<String> = (1..=EVENTS).map(|n| format!("{runner}-{n}")).collect();
        assert_eq!(taken, wanted, "{runner}: once each by its id, and in order");
    }
    // Nothing is left over, neither waiting nor dead.
    let until = Instant::now() + PATIENCE;
    loop {
        let listed = town.json(&["runners", "list"]);
        let rows = listed["runners"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["dead"] == 0), "{listed}");
        if rows.iter().all(|row| row["events"] == 0) {
            break;
        }
        assert!(Instant::now() < until, "{listed}");
        thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_runner_is_commanded_from_the_command_line_and_its_dead_event_is_sent_again() {
    let (town, port) = (Town::new(), free_port());
    let target = Target::start();
    target.refuses("r9-1");
    let _broker = serve(&town, port, &target.url);
    let health = r#"{"type":"runner-health-check"}"#;
    assert_eq!(town.run(&["runners", "send", "r9", health]).code, 4);
    assert_eq!(town.json(&["runners", "send", "r9", health, "--queue", "1m"])["state"], "queued");
    let mut runner = Runner::connect(port, "r9").unwrap();
    assert_eq!(runner.hears().unwrap()["type"], "runner-health-check");
    runner.says(&json!({ "type": "error", "id": "r9-1" })).unwrap();
    assert_eq!(runner.hears().unwrap()["eventId"], "r9-1");
    let until = Instant::now() + PATIENCE;
    let dead = loop {
        let dead = town.json(&["runners", "dead", "r9"]);
        if let Some(row) = dead["events"].get(0) {
            break row.clone();
        }
        assert!(Instant::now() < until);
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!((&dead["reason"], &dead["status"]), (&json!("refused"), &json!(422)));
    target.refuses("nothing");
    let seq = dead["seq"].to_string();
    assert_eq!(town.json(&["runners", "requeue", "r9", &seq])["ok"], true);
    target.waits_for(1);
    assert_eq!(town.run(&["runners", "requeue", "r9", &seq]).code, 3);
    let listed = town.json(&["runners", "list"]);
    assert_eq!(
        (&listed["runners"][0]["connected"], &listed["runners"][0]["dead"]),
        (&json!(true), &json!(0))
    );
}

#[test]
fn the_runners_section_of_the_readme_works_as_it_stands() {
    let (town, port) = (Town::new(), free_port());
    let _broker = serve(&town, port, "http://127.0.0.1:9");
    let mut runner = None;
    // Once its event is acknowledged, the store knows the runner.
    sends_one(port, "test", "test-1", &mut runner).unwrap();
    let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", built.display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &readme("Runners").join("\n")]);
    shell.env_clear().env("HOME", town.dir()).env("PATH", path).current_dir(town.dir());
    let ran = Ran::from(shell.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("queued") && ran.out.contains("test"), "{ran:?}");
}

fn serve(town: &Town, port: u16, target: &str) -> Process {
    let port = port.to_string();
    town.serve_with(&[
        ("RUNNER_SHARED_SECRET", SECRET),
        ("PORT", &port),
        ("RUNNER_EVENT_TARGET_URL", target),
        ("PEERMESH_RUNNER_RETRY_MS_MIN", "5"),
        ("PEERMESH_RUNNER_RETRY_MS_MAX", "20"),
    ])
}

/// Sends every event until it is acknowledged, over as many connections as that takes.
fn sends_all(port: u16, name: &str) {
    let until = Instant::now() + 3 * PATIENCE;
    let mut runner = None;
    for n in 1..=EVENTS {
        let id = format!("{name}-{n}");
        while sends_one(port, name, &id, &mut runner).is_err() {
            assert!(Instant::now() < until, "{id} was never acknowledged");
            runner = None;
            thread::sleep(Duration::from_millis(20));
        }
    }
}

fn sends_one(port: u16, name: &str, id: &str, runner: &mut Option<Runner>) -> io::Result<()> {
    if runner.is_none() {
        *runner = Some(Runner::connect(port, name)?);
    }
    let Some(runner) = runner else { return Err(io::ErrorKind::NotConnected.into()) };
    runner.says(&json!({ "type": "log-chunk", "id": id, "data": "x" }))?;
    while runner.hears()?["eventId"] != id {}
    Ok(())
}

/// A runner's connection, as a program would have it that knows no more than the protocol.
struct Runner(TcpStream);

impl Runner {
    fn connect(port: u16, id: &str) -> io::Result<Runner> {
        let mut stream = TcpStream::connect(("127.0.0.1", port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(
            stream,
            "GET /socket?runnerId={id} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer {SECRET}\r\n\r\n"
        )?;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
        Ok(Runner(stream))
    }

    /// Sends one text under a mask of zeros.
    fn says(&mut self, message: &Value) -> io::Result<()> {
        let text = message.to_string();
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short text");
        let frame = [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat();
        self.0.write_all(&frame)
    }

    /// The next text.
    fn hears(&mut self) -> io::Result<Value> {
        loop {
            let mut head = [0; 2];
            self.0.read_exact(&mut head)?;
            let mut payload = vec![0; usize::from(head[1])];
            self.0.read_exact(&mut payload)?;
            match head[0] {
                0x81 => return Ok(serde_json::from_slice(&payload)?),
                0x88 => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
    }
}

/// An event target that fails, hangs up, hangs, asks for patience and loses its replies, in turn; and takes
/// what it has not refused.
struct Target {
    url: String,
    seen: Arc<Mutex<Seen>>,
}

#[derive(Default)]
struct Seen {
    requests: usize,
    /// Ids that were taken, each once, by runner.
    taken: BTreeMap<String, Vec<String>>,
    refused: String,
}

impl Target {
    fn start() -> Target {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Seen::default()));
        let all = Arc::clone(&seen);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&all);
                thread::spawn(move || {
                    // A connection that breaks is the broker's matter.
                    let _ = answer(stream, &seen);
                });
            }
        });
        Target { url, seen }
    }

    fn refuses(&self, id: &str) {
        id.clone_into(&mut lock(&self.seen).refused);
    }

    fn taken(&self) -> BTreeMap<String, Vec<String>> {
        lock(&self.seen).taken.clone()
    }

    fn waits_for(&self, count: usize) {
        let until = Instant::now() + 3 * PATIENCE;
        loop {
            let taken: usize = self.taken().values().map(Vec::len).sum();
            if taken >= count {
                return;
            }
            assert!(Instant::now() < until, "{taken} of {count} events came");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// One request, answered after the manner whose turn it is; the connection ends with it.
fn answer(mut stream: TcpStream, seen: &Mutex<Seen>) -> io::Result<()> {
    let (head, _) = request(&mut stream)?;
    let header = |name: &str| {
        let line =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix(name).map(str::to_owned));
        line.unwrap_or_default().trim().to_owned()
    };
    let (runner, id) = (header("x-runner-id:"), header("x-event-id:"));
    assert!(header("authorization:") == format!("bearer {SECRET}"), "{head}");
    let turn = {
        let mut seen = lock(seen);
        seen.requests += 1;
        if seen.refused == id { 8 } else { seen.requests % 8 }
    };
    let status = match turn {
        1 => "500 Odd",
        2 => "429 Patience\r\nRetry-After: 0",
        // The stream ends before anything was done.
        3 => return Ok(()),
        4 => {
            thread::sleep(Duration::from_millis(30));
            "503 Odd"
        }
        8 => "422 Never",
        _ => {
            let mut seen = lock(seen);
            let taken = seen.taken.entry(runner).or_default();
            if !taken.contains(&id) {
                taken.push(id);
            }
            // It was taken, and nobody learns of it.
            if turn == 5 {
                return Ok(());
            }
            "200 OK"
        }
    };
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}

fn request(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4_096];
    loop {
        let read = stream.read(&mut chunk)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes.extend_from_slice(&chunk[..read]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
        let lower = head.to_ascii_lowercase();
        let length = lower.lines().find_map(|line| line.strip_prefix("content-length:"));
        let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
        if bytes.len() >= end + 4 + length {
            return Ok((head, bytes[end + 4..].to_vec()));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
