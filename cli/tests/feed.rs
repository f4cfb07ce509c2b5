//! Postgres as a feed of live topics: what other programs insert is published once and in order, whatever is
//! lost on the way (live protocol, section 5.3).

mod town;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::server::{Database, free_port};
use rustix::process::Signal;
use serde_json::Value;
use town::{PATIENCE, Process, Town};

const SECRET: &str = "the-secret-of-live-topics";
/// Rows of one statement: more than a topic has on their way to the store at once.
const MANY: u64 = 3_000;

/// A broker whose live topics stand at one port over all its lives, and who writes into its feed.
struct Fed {
    town: Town,
    database: Database,
    port: u16,
    written: u64,
}

impl Fed {
    fn new() -> Fed {
        Fed { town: Town::new(), database: Database::migrated(), port: free_port(), written: 0 }
    }

    fn serve(&self) -> Process {
        self.town.serve_with(&[
            ("DATABASE_URL", self.database.url()),
            ("LIVE_WS_PORT", &self.port.to_string()),
            ("LIVE_WS_HOST", "127.0.0.1"),
            ("LIVE_AUTH_SECRET", SECRET),
            ("PEERMESH_LIVE_FEED", "peermesh_live"),
            ("PEERMESH_LIVE_HISTORY_MAX", "100000"),
        ])
    }

    fn runs(&self, sql: &str) {
        self.database.client().batch_execute(sql).unwrap();
    }

    /// So many rows of one statement, whose data goes on where the last ended.
    fn inserts(&mut self, rows: u64) {
        let (from, to) = (self.written + 1, self.written + rows);
        let insert = format!(
            "INSERT INTO mesh.live_feed (topic, key, version, data)
             SELECT 'fleet', 'car' || n % 7, n, to_json(n) FROM generate_series({from}, {to}) n"
        );
        self.runs(&insert);
        self.written = to;
    }

    /// What an operator's request is answered.
    fn asks(&self, target: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let head = format!("GET {target} HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {SECRET}\r\n\r\n");
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    fn waits_until(&self, wanted: &str, holds: impl Fn(&Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        let mut topics = None;
        while Instant::now() < until {
            // Whoever asks needs the topic, and so gets it into memory.
            self.asks("/history?topic=fleet&limit=1");
            topics = self.asks("/topics");
            if topics.as_ref().is_some_and(|topics| holds(&topics["topics"][0])) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        panic!("{wanted}: {topics:?}");
    }

    fn waits_for_all(&self) {
        self.waits_until("every row is published", |topic| topic["offset"] == self.written);
    }
}

/// Rows that come while the broker is up, down, deaf or just being killed; a watcher that is there all along.
#[test]
fn rows_of_the_feed_are_published_once_each_and_in_order_whatever_is_lost_on_the_way() {
    let mut fed = Fed::new();
    let broker = fed.serve();
    let all = 5 + 5 + 5 + 5 + 2 * MANY + 5;
    let count = all.to_string();
    let mut watch = fed.town.command(&["live", "sub", "fleet", "--count", &count, "--timeout", "120s"]);
    watch.args(["--json", "--broker", &format!("http://127.0.0.1:{}", fed.port)]);
    watch.env("LIVE_AUTH_SECRET", SECRET).stdout(std::process::Stdio::piped());
    let watch = watch.stderr(std::process::Stdio::null()).spawn().unwrap();
    fed.waits_until("the watcher is there", |topic| topic["watchers"] == 1);
    fed.inserts(5);
    fed.waits_for_all();

    broker.kill();
    fed.inserts(5);
    let mut broker = fed.serve();
    fed.waits_for_all();

    // Nobody is told of these.
    fed.runs("ALTER TABLE mesh.live_feed DISABLE TRIGGER hint");
    fed.inserts(5);
    fed.waits_for_all();
    fed.runs("ALTER TABLE mesh.live_feed ENABLE TRIGGER hint");
    // The notice of these is lost with the connection that was to carry it.
    let deafen = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                  WHERE query LIKE 'LISTEN%' AND datname = current_database()";
    fed.runs(deafen);
    fed.inserts(5);
    fed.waits_for_all();

    fed.inserts(MANY);
    fed.waits_for_all();
    fed.inserts(MANY);
    broker.signal(Signal::KILL);
    broker.ends(PATIENCE);
    let mut broker = fed.serve();
    fed.waits_for_all();
    broker.signal(Signal::TERM);
    assert!(broker.ends(PATIENCE).success(), "{:?}", broker.log);
    fed.inserts(5);
    let _broker = fed.serve();

    let seen = town::Ran::from(watch.wait_with_output().unwrap());
    assert_eq!(seen.code, 0, "{}", seen.err);
    let seen = seen.json();
    let seen: Vec<_> = seen.as_array().unwrap().iter().map(|one| (&one["offset"], &one["data"])).collect();
    assert!(seen.iter().zip(1..).all(|((offset, data), n)| **offset == n && **data == n), "{seen:?}");
    assert_eq!(seen.len() as u64, all);
}

/// A row that no publication can be made of is named in the log, and those behind it are published.
#[test]
fn a_row_that_cannot_be_published_is_named_and_holds_nothing_up() {
    let mut fed = Fed::new();
    let mut broker = fed.serve();
    fed.waits_until("nothing is there", |topic| {
        fed.asks("/history?topic=fleet").is_some() && topic["topic"] == "fleet"
    });
    let odd = "INSERT INTO mesh.live_feed (topic, key, data) VALUES ('fleet', repeat('k', 5000), '1')";
    fed.runs(odd);
    fed.inserts(2);
    fed.waits_for_all();
    let record = broker.says("feed row refused");
    assert_eq!((&record["topic"], &record["row"]), (&"fleet".into(), &1.into()), "{record}");
    assert!(record["why"].as_str().unwrap().contains("key"), "{record}");
}
