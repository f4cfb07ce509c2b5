//! `peermesh mcp`, spoken to as an agent's program does: JSON-RPC, a message a line.

#![cfg(feature = "mcp")]

mod town;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use town::hosts::{await_that, two_hosts};
use town::{PATIENCE, Process, Town};

/// The revision of the protocol that most agents speak.
const REVISION: &str = "2025-06-18";

/// An agent and the server that its program started.
struct Agent {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
    count: u64,
}

impl Agent {
    /// Starts the server, and says who we are.
    fn start(town: &Town, data: &str, more: &[&str]) -> Agent {
        let mut command = town.command(&[&["mcp", "--data", data], more].concat());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        let (tell, lines) = channel();
        thread::spawn(move || {
            let lines = BufReader::new(output).lines().map_while(Result::ok);
            // Nothing else may stand on standard output.
            lines.map(|line| serde_json::from_str(&line).unwrap()).try_for_each(|value| tell.send(value))
        });
        let mut agent = Agent { child, input, lines, count: 0 };
        let hello = json!({
            "protocolVersion": REVISION, "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let told = agent.asks("initialize", &hello);
        assert_eq!(told["result"]["serverInfo"]["name"], "peermesh", "{told}");
        assert_eq!(told["result"]["protocolVersion"], REVISION, "{told}");
        // Agents ask; nothing is told them by notifications, whose fields clients read as texts alone.
        assert_eq!(told["result"]["capabilities"], json!({ "tools": {} }), "{told}");
        assert!(told["result"]["instructions"].as_str().unwrap().contains("receive_messages"), "{told}");
        agent.says(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        agent
    }

    fn says(&mut self, message: &Value) {
        writeln!(self.input.as_mut().unwrap(), "{message}").unwrap();
    }

    fn begins(&mut self, method: &str, params: &Value) -> u64 {
        self.count += 1;
        let id = self.count;
        self.says(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        id
    }

    fn answer(&self, id: u64) -> Value {
        loop {
            let said = self.lines.recv_timeout(PATIENCE).expect("an answer");
            if said["id"] == id {
                return said;
            }
        }
    }

    fn asks(&mut self, method: &str, params: &Value) -> Value {
        let id = self.begins(method, params);
        self.answer(id)
    }

    /// Calls a tool, which must succeed.
    fn calls(&mut self, tool: &str, arguments: &Value) -> Value {
        let told = self.asks("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let result = &told["result"];
        assert!(result["isError"] != true, "{tool}: {told}");
        let text: Value = serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text, result["structuredContent"], "both forms say the same");
        text
    }

    /// Calls a tool, which must be refused with these words.
    fn is_refused(&mut self, tool: &str, arguments: &Value, words: &str) {
        let told = self.asks("tools/call", &json!({ "name": tool, "arguments": arguments }));
        let text = told["result"]["content"][0]["text"].as_str().unwrap_or_default().to_owned();
        assert!(told["result"]["isError"] == true && text.contains(words), "{tool}: {told}");
    }

    fn receives(&mut self) -> Vec<String> {
        let got = self.calls("receive_messages", &json!({ "wait_seconds": 10 }));
        texts(&got)
    }

    /// Its input ends, as when the agent's program does.
    fn leaves(mut self) {
        drop(self.input.take());
        let until = Instant::now() + PATIENCE;
        while self.child.try_wait().unwrap().is_none() {
            assert!(Instant::now() < until, "the server goes on without its agent");
            thread::sleep(Duration::from_millis(20));
        }
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn texts(got: &Value) -> Vec<String> {
    let messages = got["messages"].as_array().unwrap().iter();
    messages.map(|message| message["text"].as_str().unwrap().to_owned()).collect()
}

fn up(town: &Town, data: &str) -> Process {
    let mut daemon = Process::logging(town.command(&["daemon", "up", "--foreground", "--data", data]));
    daemon.says("daemon_started");
    await_that("a broker", || town.json(&["daemon", "status", "--data", data])["brokers"]["demo"] == "open");
    daemon
}

fn sessions(town: &Town, data: &str) -> u64 {
    town.json(&["daemon", "status", "--data", data])["sessions"].as_u64().unwrap()
}

#[test]
fn two_agents_see_each_other_and_talk() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let (_one, _two) = (up(&town, &ann), up(&town, &bob));
    let mut reviewer = Agent::start(&town, &ann, &["--name", "reviewer"]);
    let mut builder = Agent::start(&town, &bob, &["--name", "builder"]);

    let told = reviewer.asks("tools/list", &json!({}));
    let tools = told["result"]["tools"].as_array().unwrap().clone();
    let names: Vec<&Value> = tools.iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["list_peers", "send_message", "receive_messages"]);
    for tool in &tools {
        let schema = &tool["inputSchema"];
        assert_eq!((&schema["type"], &schema["additionalProperties"]), (&json!("object"), &json!(false)));
        assert!(tool["description"].as_str().unwrap().len() > 40, "{tool}");
    }

    let is_there = |agent: &mut Agent, name: &str| {
        let listed = agent.calls("list_peers", &json!({}));
        listed["peers"].as_array().unwrap().iter().any(|peer| peer["name"] == name)
    };
    await_that("the builder", || is_there(&mut reviewer, "builder"));
    let you = reviewer.calls("list_peers", &json!({}))["you"].clone();
    assert_eq!((&you["name"], &you["mesh"]), (&json!("reviewer"), &json!("demo")));

    let question = json!({ "to": "builder", "text": "is it green?", "priority": "now", "key": "q1" });
    let sent = reviewer.calls("send_message", &question);
    assert_eq!(sent["status"], "accepted", "{sent}");
    assert_eq!(reviewer.calls("send_message", &question)["duplicate"], true);
    let got = builder.calls("receive_messages", &json!({ "wait_seconds": 10 }));
    let message = &got["messages"][0];
    assert_eq!((&message["text"], &message["from"]), (&json!("is it green?"), &json!("reviewer")), "{got}");
    assert_eq!((&message["from_pubkey"], &message["sealed"]), (&you["key"], &json!(true)), "{got}");

    // Waiting begins before the answer is sent.
    let waiting = reviewer
        .begins("tools/call", &json!({ "name": "receive_messages", "arguments": { "wait_seconds": 20 } }));
    let answer = json!({ "to": you["key"], "text": "it is", "reply_to": message["message_id"] });
    builder.calls("send_message", &answer);
    let got = reviewer.answer(waiting)["result"]["structuredContent"].clone();
    assert_eq!(texts(&got), ["it is"]);
    assert_eq!(got["messages"][0]["reply_to"], message["message_id"], "{got}");

    builder.calls("send_message", &json!({ "to": "*", "text": "lunch" }));
    assert_eq!(reviewer.receives(), ["lunch"], "once, though it came for the member and for the session");
    let none = reviewer.calls("receive_messages", &json!({}));
    assert_eq!(none, json!({ "messages": [], "more": 0 }));
}

#[test]
fn a_session_begins_and_ends_with_its_agent_and_mail_waits_for_the_next() {
    let town = Town::new();
    let (_broker, ann, bob) = two_hosts(&town);
    let (_one, _two) = (up(&town, &ann), up(&town, &bob));
    let tell = |text: &str| {
        town.json(&["send", "bob", text, "--data", &ann, "--wait", "delivered"]);
    };
    tell("while nobody was there");
    let mut agent = Agent::start(&town, &bob, &["--name", "builder"]);
    assert_eq!(agent.receives(), ["while nobody was there"]);
    assert_eq!(sessions(&town, &bob), 1);
    tell("second");
    assert_eq!(agent.receives(), ["second"]);
    agent.leaves();
    assert_eq!(sessions(&town, &bob), 0);
    let left = town.json(&["inbox", "--data", &bob]);
    assert_eq!(left, json!([]), "what the agent was given is seen");

    let mut agent = Agent::start(&town, &bob, &["--name", "builder"]);
    tell("cut off");
    assert_eq!(agent.receives(), ["cut off"]);
    // Killed before it came back: nobody knows whether it was read.
    drop(agent);
    let mut agent = Agent::start(&town, &bob, &["--name", "builder"]);
    assert_eq!(agent.receives(), ["cut off"]);
    await_that("the end of the one that was killed", || sessions(&town, &bob) == 1);
    let limited = json!({ "limit": 1, "wait_seconds": 10 });
    (0..3).for_each(|n| tell(&n.to_string()));
    assert_eq!(texts(&agent.calls("receive_messages", &limited)), ["0"]);
    assert_eq!(texts(&agent.calls("receive_messages", &limited)), ["1"]);
}

#[test]
fn what_is_wrong_with_a_call_is_told_to_the_agent() {
    let town = Town::new();
    let (broker, ann, _) = two_hosts(&town);
    let unheard = town.redirect(&["mcp", "--data", &ann], ">&-");
    assert!(unheard.code == 1 && unheard.err.contains("standard output"), "{unheard:?}");
    let mut agent = Agent::start(&town, &ann, &[]);
    agent.is_refused("list_peers", &json!({}), "peermesh daemon up");
    agent.is_refused("send_message", &json!({ "to": "bob", "text": "x" }), "peermesh daemon up");
    let daemon = up(&town, &ann);
    agent.is_refused("send_message", &json!({ "to": "bob" }), "text is missing");
    agent.is_refused("send_message", &json!({ "to": "bob", "text": "x", "when": "now" }), "to");
    agent.is_refused("send_message", &json!({ "to": "bob", "text": "x".repeat(70_000) }), "shorten");
    agent.is_refused(
        "send_message",
        &json!({ "to": "bop", "text": "x" }),
        "nobody in this mesh is called bop",
    );
    let first = json!({ "to": "bob", "text": "one", "key": "k" });
    assert_eq!(agent.calls("send_message", &first)["key"], "k");
    let other = json!({ "to": "bob", "text": "two", "key": "k" });
    agent.is_refused("send_message", &other, "call again with another key");
    agent.is_refused("receive_messages", &json!({ "wait_seconds": -1 }), "from 0 to 300");
    agent.is_refused("recieve", &json!({}), "there is: list_peers");
    assert_eq!(agent.calls("send_message", &json!({ "to": "bob", "text": "x" }))["status"], "accepted");
    let unknown = agent.asks("resources/list", &json!({}));
    assert!(unknown["error"].is_object() || unknown["result"].is_object(), "{unknown}");

    broker.kill();
    await_that("a loss", || town.json(&["daemon", "status", "--data", &ann])["brokers"]["demo"] != "open");
    let sent = agent.calls("send_message", &json!({ "to": "bob", "text": "later" }));
    assert!(sent["status"] == "queued" && sent["waits"].is_string(), "{sent}");
    agent.is_refused("list_peers", &json!({}), "away");
    drop(daemon);
    agent.is_refused("list_peers", &json!({}), "peermesh daemon up");
    let _daemon = Process::logging(town.command(&["daemon", "up", "--foreground", "--data", &ann]));
    await_that("the daemon", || town.run(&["daemon", "status", "--data", &ann]).code == 0);
    assert_eq!(agent.calls("receive_messages", &json!({ "wait_seconds": 5 }))["messages"], json!([]));
    agent.leaves();
}

#[test]
fn without_a_profile_the_server_does_not_start_and_says_why() {
    let town = Town::new();
    let ran = town.run(&["mcp"]);
    assert!(ran.code == 3 && ran.err.contains("peermesh join") && ran.out.is_empty(), "{ran:?}");
}
