//! What is reported to Sentry, by a server that takes the place of theirs on loopback.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use peermesh_conformance::server::free_port;
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::field::SECRET;
use crate::field::runner::Runner;
use crate::field::target::{Manner, Target, read_whole};
use crate::serve_with;
use crate::town::{PATIENCE, Town};
use crate::wait_for;

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);
const TRACE: &str = "d4cda95b652f4a1592b449d5929fda1b";
const SPAN: &str = "6e0c63257de34c92";

/// Takes envelopes and keeps what is in them.
struct Ingest {
    dsn: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Ingest {
    fn start() -> Ingest {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let dsn = format!("http://public-key@{}/7", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&requests);
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let Ok((head, body)) = read_whole(&mut stream) else { continue };
                assert!(head.starts_with("POST /api/7/envelope/ "), "{head}");
                let body = String::from_utf8(body).unwrap();
                all.lock().unwrap_or_else(PoisonError::into_inner).push(body);
                let _ =
                    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}");
            }
        });
        Ingest { dsn, requests }
    }

    fn text(&self) -> String {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Everything reported so far that is no header.
    fn items(&self) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["platform"].is_string() || line["spans"].is_array()).collect()
    }

    /// The first event, or part of a trace, of this kind.
    fn waits_for(&self, is_it: impl Fn(&Value) -> bool) -> Value {
        wait_for(|| self.items().into_iter().find(|item| is_it(item)))
    }
}

#[test]
fn what_a_person_should_hear_of_is_reported_and_nothing_that_was_said() {
    let (town, port) = (Town::new(), free_port());
    let (ingest, target) = (Ingest::start(), Target::with(&[Manner::Answers("500 Odd")]));
    let lines = format!("SENTRY_DSN={}\nSENTRY_RELEASE=1.2.3\nNODE_ENV=production\n", ingest.dsn);
    fs::write(town.dir().join(".env"), lines).unwrap();
    let variables = [("SENTRY_TRACES_SAMPLE_RATE", "1"), ("PEERMESH_LOG", "error")];
    let mut broker = serve_quietly(&town, port, &target.url, &variables);
    let mut runner = Runner::settles(PATIENCE, port, "r1");
    runner.says_text("{nonsense of hunter2").unwrap();
    let odd = ingest.waits_for(|item| item["exception"]["values"][0]["type"] == "MessageError");
    assert_eq!(odd["tags"], json!({ "runnerId": "r1", "source": "websocket_message" }));
    assert_eq!((&odd["release"], &odd["environment"]), (&json!("1.2.3"), &json!("production")));
    let crumbs = odd["breadcrumbs"]["values"].as_array().unwrap();
    assert!(crumbs.iter().any(|crumb| crumb["message"] == "Runner connected"), "{odd}");
    for absent in ["user", "request", "server_name"] {
        assert!(odd[absent].is_null(), "{odd}");
    }
    let refused = ingest.waits_for(|item| item["message"] == "Failed to forward event");
    assert_eq!(refused["tags"], json!({ "eventType": "ack", "statusCode": "500" }));
    assert_eq!(refused["level"], "warning");
    target.becomes(&[Manner::Takes]);
    runner.tells(&json!({ "type": "error", "id": "bad-1", "error": "hunter2" })).unwrap();
    let dropped = ingest.waits_for(|item| item["message"] == "Event dropped after max retry attempts");
    assert_eq!(dropped["tags"], json!({ "eventType": "error", "reason": "refused", "statusCode": "400" }));
    // A trace goes on: the target is told of the broker's own part of it.
    let traced = json!({
        "type": "log-chunk", "id": "e1", "data": "hunter2", "projectId": "p1", "commandId": "c1",
        "_sentry": { "trace": format!("{TRACE}-{SPAN}-1"), "baggage": "sentry-release=app" },
    });
    runner.tells(&traced).unwrap();
    let span = ingest.waits_for(|item| item["transaction"] == "broker.forwardEvent.log-chunk");
    let context = &span["contexts"]["trace"];
    assert_eq!((&context["trace_id"], &context["parent_span_id"]), (&json!(TRACE), &json!(SPAN)));
    assert_eq!((&context["op"], &context["status"]), (&json!("broker.event.forward"), &json!("ok")));
    for (name, wanted) in [("event.type", "log-chunk"), ("event.projectId", "p1"), ("event.commandId", "c1")]
    {
        assert_eq!(context["data"][name], wanted, "{span}");
    }
    let parent = format!("sentry-trace: {TRACE}-{}-1", context["span_id"].as_str().unwrap());
    assert!(target.heads().iter().any(|head| head.contains(&parent)), "{parent}: {:?}", target.heads());
    assert!(target.heads().iter().any(|head| head.contains("baggage: sentry-release=app")));
    broker.signal(Signal::TERM);
    drop(runner);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    let all = ingest.text();
    for secret in ["hunter2", SECRET, "127.0.0.1", "public-key@"] {
        assert!(!all.contains(secret), "{secret} is in a report:\n{all}");
    }
}

#[test]
fn a_target_that_is_away_is_reported_once_and_a_server_that_hangs_delays_nothing() {
    let (town, port) = (Town::new(), free_port());
    // Nobody ever takes a connection from it.
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let dsn = format!("http://k@{}/7", hanging.local_addr().unwrap());
    let mut broker = serve_with(&town, port, "http://127.0.0.1:9", &[("SENTRY_DSN", &dsn)]);
    let mut runner = Runner::settles(PATIENCE, port, "r1");
    for _ in 0..100 {
        runner.says_text("{nonsense").unwrap();
    }
    runner.tells(&json!({ "type": "error", "id": "e1" })).unwrap();
    broker.signal(Signal::TERM);
    drop(runner);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    let ingest = Ingest::start();
    let broker = serve_with(&town, port, "http://127.0.0.1:9", &[("SENTRY_DSN", &ingest.dsn)]);
    let away = ingest.waits_for(|item| item["exception"]["values"][0]["type"] == "ForwardError");
    assert_eq!(away["tags"]["source"], "forward_event");
    assert_eq!(away["exception"]["values"][0]["value"], "connection refused");
    wait_for(|| {
        let page = crate::field::runner::ask(port, "GET /metrics", &[], "").ok()?;
        (page.1["totalErrors"] == 1).then_some(())
    });
    drop(broker);
    assert_eq!(ingest.items().len(), 1, "{}", ingest.text());
}

#[test]
fn an_address_that_is_none_stops_the_start_and_is_not_shown() {
    let town = Town::new();
    let mut command = town.command(&["serve"]);
    let ran = crate::town::Ran::from(command.env("SENTRY_DSN", "hunter2").output().unwrap());
    assert!(ran.code == 2 && ran.err.contains("SENTRY_DSN") && !ran.err.contains("hunter2"), "{ran:?}");
}

/// Starts a broker whose log holds too little to wait for.
fn serve_quietly(town: &Town, port: u16, target: &str, more: &[(&str, &str)]) -> crate::town::Process {
    let (mesh_port, port) = (town.port.to_string(), port.to_string());
    let mut command = town.command(&["serve", "--host", "127.0.0.1", "--port", &mesh_port]);
    command
        .env("RUNNER_SHARED_SECRET", SECRET)
        .env("PORT", &port)
        .env("RUNNER_EVENT_TARGET_URL", target)
        .env("PEERMESH_RUNNER_RETRY_MS_MIN", "5")
        .env("PEERMESH_RUNNER_RETRY_MS_MAX", "20")
        .envs(more.iter().copied());
    crate::town::Process::logging(command)
}
