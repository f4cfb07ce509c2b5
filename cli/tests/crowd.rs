//! A thousand watchers of one topic over real sockets, one of which has stopped reading for good.

mod socket;
mod town;

use std::net::{Ipv4Addr, SocketAddr, TcpStream};

use rustix::net::{AddressFamily, SocketType, sockopt};
use serde_json::{Value, json};
use socket::{Socket, ask};
use town::{Process, Town};

const SECRET: &str = "the-secret-of-live-topics";
const CROWD: u64 = 1_000;
/// Publications that everybody but one reads.
const ROUNDS: u64 = 100;
/// What may wait for one watcher.
const QUEUE_BYTES: u64 = 256 * 1_024;

#[test]
fn f_net_03_one_watcher_stalled_for_ever_among_a_thousand_is_told_and_costs_the_others_nothing_on_smol() {
    stalled_among_many("smol");
}

#[test]
fn f_net_03_one_watcher_stalled_for_ever_among_a_thousand_is_told_and_costs_the_others_nothing_on_threads() {
    stalled_among_many("threads");
}

fn stalled_among_many(runtime: &str) {
    let town = Town::new();
    let mut broker = town.serve_with(&[
        ("PEERMESH_RUNTIME", runtime),
        ("LIVE_WS_PORT", "0"),
        ("LIVE_WS_HOST", "127.0.0.1"),
        ("LIVE_AUTH_SECRET", SECRET),
        ("PEERMESH_LIVE_TOPICS", "*=disconnect:volatile"),
        ("PEERMESH_LIVE_QUEUE_BYTES_MAX", &QUEUE_BYTES.to_string()),
        ("PEERMESH_LIVE_MESSAGES_PER_MINUTE_MAX", "1000000"),
        // It is not to be closed for its silence, but for what waits for it.
        ("PEERMESH_STALL_MS", "600000"),
    ]);
    let port = port_of(&mut broker);
    let mut publisher = Socket::upgrade(port, Some(SECRET));
    assert_eq!(publisher.hears()["type"], "authorized");
    let mut stalled = Socket::over(narrow(port), Some(SECRET));
    stalled.subscribes("a");
    stalled.subscribes("heavy");
    let mut crowd: Vec<Socket> = (1..CROWD).map(|_| Socket::upgrade(port, Some(SECRET))).collect();
    crowd.iter_mut().for_each(|watcher| watcher.subscribes("a"));

    // Until nothing more goes to the stalled one.
    let mut heavy = 0;
    while waiting(port) == 0 {
        publisher.publishes("heavy", &"x".repeat(16 * 1_024));
        heavy += 1;
        assert!(heavy < 2_000, "the kernel takes no end of bytes");
    }
    let before = resident(&broker);
    for round in 1..=ROUNDS {
        publisher.publishes("a", &"x".repeat(200));
        for watcher in &mut crowd {
            let told = watcher.hears();
            assert_eq!((&told["type"], &told["offset"]), (&json!("position"), &json!(round)));
        }
        assert!(waiting(port) <= QUEUE_BYTES);
    }
    let grown = resident(&broker).saturating_sub(before);
    assert!(grown < 16 * 1_024, "{grown} KiB more after {ROUNDS} publications");
    // More than may wait for it: it is told where it stands, behind all that had left for it.
    for _ in 0..=QUEUE_BYTES / (16 * 1_024) {
        publisher.publishes("heavy", &"x".repeat(16 * 1_024));
    }
    let mut last = 0;
    let reason = loop {
        let (op, payload) = stalled.frame();
        let heard: Value =
            serde_json::from_slice(payload.get(2..).filter(|_| op == 8).unwrap_or(&payload)).unwrap();
        if op == 8 {
            assert_eq!(payload[..2], 4008_u16.to_be_bytes());
            break heard;
        }
        if heard["topic"] == "heavy" {
            assert_eq!(heard["offset"], last + 1, "in order and without a hole");
            last += 1;
        }
    };
    assert_eq!((&reason["kind"], &reason["topic"]), (&json!("slow_consumer"), &json!("heavy")), "{reason}");
    assert_eq!(reason["offset"], last, "from here it can go on");
    publisher.publishes("a", "1");
    crowd.iter_mut().for_each(|watcher| assert_eq!(watcher.hears()["offset"], ROUNDS + 1));
}

impl Socket {
    fn subscribes(&mut self, topic: &str) {
        self.says(1, json!({ "type": "subscribe", "topic": topic }).to_string().as_bytes());
        while self.hears()["type"] != "subscribed" {}
    }

    fn publishes(&mut self, topic: &str, data: &str) {
        self.says(1, json!({ "type": "publish", "topic": topic, "data": data }).to_string().as_bytes());
        assert_eq!(self.hears()["type"], "published");
    }
}

/// A connection into which the kernel puts as little as it can.
fn narrow(port: u16) -> TcpStream {
    let socket = rustix::net::socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    sockopt::set_socket_recv_buffer_size(&socket, 4_096).unwrap();
    rustix::net::connect(&socket, &SocketAddr::from((Ipv4Addr::LOCALHOST, port))).unwrap();
    socket.into()
}

/// Bytes that wait for all watchers.
fn waiting(port: u16) -> u64 {
    let body = ask(port, "GET /connections", &format!("Authorization: Bearer {SECRET}\r\n")).1;
    let body: Value = serde_json::from_str(&body).unwrap();
    body["connections"].as_array().unwrap().iter().map(|one| one["queuedBytes"].as_u64().unwrap()).sum()
}

/// What the process holds of the machine's memory, in KiB.
fn resident(broker: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", broker.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

fn port_of(broker: &mut Process) -> u16 {
    let known = broker.log.iter().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let known = known.into_iter().find(|record| record["msg"] == "live server ready");
    let record = known.unwrap_or_else(|| broker.says("live server ready"));
    record["port"].as_u64().unwrap().try_into().unwrap()
}
