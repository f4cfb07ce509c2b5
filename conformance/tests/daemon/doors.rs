//! Who is let in, and what is answered to whoever is not.

use peermesh_core::config::DaemonLimits;
use peermesh_core::machine::Listener;
use serde_json::json;

use crate::host::{TOKEN, Town, authorization, registration, token_of};

#[test]
fn s_web_01_a_web_page_and_a_foreign_name_are_turned_away_before_anything_else() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    for listener in [Listener::Local, Listener::LocalTcp] {
        let mut asks = |headers: &[(&str, &str)], target: &str| {
            let got = town.asks_at(ann, listener, "GET", target, headers, None);
            (got.status, got.body["error"].as_str().unwrap_or_default().to_owned())
        };
        assert_eq!(asks(&[], "/v1/health?token=x"), (400, "a token does not belong into an address".into()));
        assert_eq!(asks(&[("host", "evil.test")], "/v1/health"), (403, "forbidden host".into()));
        assert_eq!(asks(&[("Origin", "http://localhost")], "/v1/health"), (403, "forbidden origin".into()));
    }
}

#[test]
fn the_loopback_wants_the_token_and_the_users_own_socket_does_not() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let mut asks = |headers: &[(&str, &str)]| {
        let got = town.asks_at(ann, Listener::LocalTcp, "GET", "/v1/version", headers, None);
        (got.status, got.body["error"].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(asks(&[]), (401, "missing bearer token".into()));
    assert_eq!(asks(&[("Authorization", "Bearer wrong")]), (401, "invalid bearer token".into()));
    assert_eq!(asks(&[("Authorization", &format!("Bearer {TOKEN}"))]).0, 200);
    assert_eq!(asks(&[("host", "[::1]:47823"), ("Authorization", &format!("bearer {TOKEN}"))]).0, 200);
    assert_eq!(town.get(ann, "/v1/version").body["ipc_api"], "v1");
}

#[test]
fn a_program_on_the_loopback_can_show_token_and_session_together() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    town.registers(ann, "one", "ann-one");
    let (bearer, session) = (format!("Bearer {TOKEN}"), authorization("one"));
    let headers = [("Authorization", bearer.as_str()), ("Authorization", session.as_str())];
    let got = town.asks_at(ann, Listener::LocalTcp, "GET", "/v1/sessions/me", &headers, None);
    assert_eq!((got.status, &got.body["session"]["sessionId"]), (200, &json!("id-one")));
}

#[test]
fn what_is_none_is_refused_with_its_reason() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    for (method, target) in
        [("GET", "/"), ("PUT", "/v1/send"), ("GET", "/v1/nothing"), ("POST", "/v1/health")]
    {
        let got = town.asks(ann, method, target, &[], None);
        assert_eq!((got.status, &got.body), (404, &json!({ "error": "not found" })), "{method} {target}");
    }
    for (body, word) in [
        (json!({}), "to is missing"),
        (json!({ "to": "bob" }), "message is missing"),
        (json!({ "to": "bob", "message": "x", "priority": "soon" }), "priority is none of now, next, low"),
        (json!({ "to": "bob", "message": "x", "client_message_id": 7 }), "client_message_id is no text"),
        (json!({ "to": ["bob"], "message": "x" }), "to is no text"),
        (json!({ "to": "bob", "message": "x", "mesh": true }), "mesh is no text"),
    ] {
        let got = town.post(ann, "/v1/send", &body);
        assert_eq!((got.status, &got.body["error"]), (400, &json!(word)));
    }
    let unknown = town.post(ann, "/v1/send", &json!({ "to": "b", "message": "x", "mesh": "other" }));
    assert_eq!((unknown.status, &unknown.body["error"]), (404, &json!("mesh_not_attached")));
}

#[test]
fn a_body_that_is_too_long_is_refused_by_its_head_and_one_that_is_no_json_by_its_text() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let long = json!({ "id": "x".repeat(5_000) });
    assert_eq!(town.post(ann, "/v1/outbox/requeue", &long).status, 413);
    let long = json!({ "to": "*", "message": "x".repeat(300_000) });
    assert_eq!(town.post(ann, "/v1/send", &long).status, 413);
    let end = town.world.connect(ann, Listener::Local);
    let text = "{\"to\":1,\"to\":2}";
    let head = format!("POST /v1/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", text.len());
    town.world.write(end, format!("{head}{text}").as_bytes());
    let got = town.ends(end);
    assert_eq!((got.status, &got.body["error"]), (400, &json!("Error: invalid_json")));
}

#[test]
fn only_so_many_requests_are_worked_on_at_once_however_their_bodies_come() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    town.world.slow_down(ann, 1_000);
    let text = json!({ "to": "*", "message": "x" }).to_string();
    let head = format!("POST /v1/send HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", text.len());
    let ends: Vec<usize> = (0..70).map(|_| town.world.connect(ann, Listener::Local)).collect();
    for end in &ends {
        town.world.write(*end, head.as_bytes());
    }
    town.world.wait(100);
    for end in &ends {
        town.world.write(*end, text.as_bytes());
    }
    town.world.wait(100);
    let late = town.get(ann, "/v1/health");
    assert_eq!((late.status, &late.body["error"]), (429, &json!("daemon_busy")));
    let answers: Vec<u16> = ends.into_iter().map(|end| town.ends(end).status).collect();
    let count = |status: u16| answers.iter().filter(|had| **had == status).count();
    assert_eq!((count(202), count(429)), (64, 6), "{answers:?}");
    assert_eq!(town.get(ann, "/v1/health").status, 200);
}

#[test]
fn a_session_that_asks_too_much_is_slowed_down_alone_and_sessions_have_a_bound() {
    let mut town = Town::new();
    let mut bounds = DaemonLimits::default();
    for (name, value) in [("local_requests_burst", 5), ("local_requests_per_minute", 60), ("sessions_max", 2)]
    {
        bounds.set(name, value).unwrap();
    }
    let ann = town.hosts_with("ann", &bounds, &[]);
    town.world.wait(60_000);
    town.registers(ann, "one", "ann-one");
    town.registers(ann, "two", "ann-two");
    let third = town.registers(ann, "three", "ann-three");
    assert_eq!((third.status, &third.body["error"]), (429, &json!("too_many_sessions")));
    // One that takes the place of its own former self needs no room.
    let mut anew = registration("two", "ann-two");
    anew["token"] = token_of("four").into();
    assert_eq!(town.post(ann, "/v1/sessions/register", &anew).status, 200);
    town.registers(ann, "two", "ann-two");
    let me = |town: &mut Town, name: &str| town.asks_as(ann, name, "GET", "/v1/sessions/me", None).status;
    let asked: Vec<u16> = (0..6).map(|_| me(&mut town, "one")).collect();
    assert_eq!(asked, [200, 200, 200, 200, 200, 429]);
    assert_eq!((me(&mut town, "two"), town.get(ann, "/v1/health").status), (200, 200));
    town.world.wait(1_000);
    assert_eq!((me(&mut town, "one"), me(&mut town, "one")), (200, 429));
}

#[test]
fn a_program_that_says_more_than_it_asked_is_read_no_further_until_it_is_answered() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    town.world.kill(ann);
    town.world.ail(ann, Some(peermesh_core::store::StoreError::Busy("for a while".into())));
    town.world.start(ann);
    let waits = town.begins(ann, Listener::Local, "GET", "/v1/sessions", &[], None);
    town.world.wait(10);
    let chunk = [b'x'; 65_536];
    let untaken: Vec<usize> = (0..20)
        .map(|_| {
            town.world.write(waits, &chunk);
            town.world.wait(10);
            town.world.untaken(waits)
        })
        .collect();
    assert!(untaken[19] >= 19 * chunk.len(), "{untaken:?}");
    town.world.ail(ann, None);
    assert_eq!(town.ends(waits).status, 200);
}

#[test]
fn streams_have_a_bound_and_a_program_that_says_nothing_is_not_waited_for() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    for _ in 0..32 {
        town.begins(ann, Listener::Local, "GET", "/v1/events", &[], None);
    }
    town.world.wait(100);
    assert_eq!(town.get(ann, "/v1/events").status, 429);
    let silent = town.world.connect(ann, Listener::Local);
    town.world.wait(11_000);
    let (bytes, ended) = town.world.read(silent);
    assert!(ended && bytes.starts_with(b"HTTP/1.1 408"), "{}", String::from_utf8_lossy(&bytes));
}
