//! Daemons beside brokers of the old kind, which tell of no features and refuse without saying for how long.

use peermesh_conformance::keys;
use peermesh_core::config::DaemonLimits;
use serde_json::{Value, json};

use crate::elder::{count, stands_in};
use crate::host::{Town, token_of};
use crate::world::Place;

/// What such a broker knows of state, memory and skills.
fn knows(message: &Value) -> Option<Value> {
    let state = json!({ "key": "k", "value": [1], "updatedBy": "bob", "updatedAt": "t" });
    let found = |is_there: bool, value: Value| if is_there { value } else { Value::Null };
    Some(match message["type"].as_str()? {
        "list_peers" => json!({ "type": "peers_list", "peers": [
            { "displayName": "bob", "pubkey": keys::public("bob"), "memberPubkey": keys::public("bob") },
            { "displayName": "its daemon", "peerRole": "control-plane" },
        ] }),
        "get_state" => json!({ "type": "state_value", "state": found(message["key"] == "k", state) }),
        "list_state" => json!({ "type": "state_list", "entries": [state] }),
        "recall" => {
            let found = json!({ "id": "m1", "content": message["query"] });
            json!({ "type": "memory_recall_result", "matches": [found] })
        }
        "remember" => json!({ "type": "memory_stored", "memoryId": "m2" }),
        "list_skills" => json!({ "type": "skill_list", "skills": [{ "name": "bake" }] }),
        "get_skill" => {
            let skill = json!({ "name": "bake", "instructions": "heat" });
            json!({ "type": "skill_data", "skill": found(message["name"] == "bake", skill) })
        }
        // The rest it does without a word.
        _ => return None,
    })
}

fn ann(town: &mut Town) -> Place {
    let own = town.membership("demo", "ann");
    town.starts("ann", vec![own], &DaemonLimits::default(), &[])
}

#[test]
fn what_a_mesh_knows_is_asked_and_told_by_the_routes() {
    let mut town = Town::new();
    let ann = ann(&mut town);
    let (_, heard) = stands_in(&mut town, knows);
    town.awaits_open(ann);
    assert!(town.world.notes.iter().any(|note| note.msg == "broker_without_features"));
    let state = json!({ "key": "k", "value": [1], "updatedBy": "bob", "updatedAt": "t", "mesh": "demo" });
    for (target, status, body) in [
        ("/v1/state?key=k", 200, json!({ "state": state })),
        ("/v1/state?key=x", 404, json!({ "error": "state_not_found", "key": "x" })),
        ("/v1/state", 200, json!({ "entries": [state] })),
        (
            "/v1/memory?q=so%20up",
            200,
            json!({ "matches": [{ "id": "m1", "content": "so up", "mesh": "demo" }] }),
        ),
        ("/v1/skills?query=b", 200, json!({ "skills": [{ "name": "bake", "mesh": "demo" }] })),
        (
            "/v1/skills/bake",
            200,
            json!({ "skill": { "name": "bake", "instructions": "heat", "mesh": "demo" } }),
        ),
        ("/v1/skills/fry", 404, json!({ "error": "skill_not_found", "name": "fry" })),
        ("/v1/peers?mesh=none", 404, json!({ "error": "mesh_not_attached", "mesh": "none" })),
    ] {
        let got = town.get(ann, target);
        assert_eq!((got.status, got.body), (status, body), "{target}");
    }
    let peers = town.get(ann, "/v1/peers").body;
    let names: Vec<&Value> =
        peers["peers"].as_array().unwrap().iter().map(|peer| &peer["displayName"]).collect();
    assert_eq!((names, &peers["peers"][0]["mesh"]), (vec![&json!("bob")], &json!("demo")));

    let kept = town.post(ann, "/v1/memory", &json!({ "content": "salt", "tags": ["soup"] }));
    assert_eq!((kept.status, kept.body), (200, json!({ "id": "m2", "mesh": "demo" })));
    let told = town.post(ann, "/v1/state", &json!({ "key": "k", "value": 2 }));
    let unsure = json!({ "ok": true, "key": "k", "mesh": "demo", "confirmed": false });
    assert_eq!((told.status, told.body), (200, unsure));
    let gone = town.asks(ann, "DELETE", "/v1/memory/m%32", &[], None);
    assert_eq!((gone.status, &gone.body["id"], &gone.body["ok"]), (200, &json!("m2"), &json!(true)));
    for (target, lacking) in [
        ("/v1/memory", "content is missing"),
        ("/v1/state", "key or value is missing"),
        ("/v1/outbox/requeue", "id is missing"),
        ("/v1/inbox/seen", "ids is no list of ids"),
        ("/v1/token", "token is missing"),
    ] {
        let got = town.post(ann, target, &json!({ "ids": [] }));
        assert_eq!((got.status, &got.body["error"]), (400, &json!(lacking)), "{target}");
    }
    for (kind, times) in [("set_state", 1), ("remember", 1), ("forget", 1)] {
        assert_eq!(count(&heard, kind), times, "{kind}");
    }
}

#[test]
fn what_a_broker_could_not_be_asked_is_not_said_to_be_missing() {
    let mut town = Town::new();
    let ann = ann(&mut town);
    town.awaits_open(ann);
    let asks = |town: &mut Town, target: &str| {
        let got = town.get(ann, target);
        (got.status, got.body["error"].as_str().unwrap_or_default().to_owned(), got.body)
    };
    // The town's own broker knows nothing of either, and says so.
    for target in ["/v1/state?key=k", "/v1/skills/bake"] {
        let (status, error, _) = asks(&mut town, target);
        assert_eq!((status, error.as_str()), (502, "not_supported"), "{target}");
    }
    let refused = town.post(ann, "/v1/memory", &json!({ "content": "salt" }));
    assert_eq!((refused.status, &refused.body["error"]), (502, &json!("not_supported")));
    assert_eq!(asks(&mut town, "/v1/skills").2["unanswered"], json!({ "demo": "not_supported" }));
    assert!(asks(&mut town, "/v1/peers").2.get("unanswered").is_none());

    let broker = town.broker;
    town.world.deafen(broker, true);
    for _ in ["silent", "away"] {
        for target in ["/v1/state?key=k", "/v1/skills/bake"] {
            let (status, error, _) = asks(&mut town, target);
            assert_eq!((status, error.as_str()), (502, "broker_unreachable"), "{target}");
        }
        for target in ["/v1/peers", "/v1/state", "/v1/memory?q=x", "/v1/skills"] {
            let (status, _, body) = asks(&mut town, target);
            let unanswered = json!({ "demo": "broker_unreachable" });
            assert_eq!((status, &body["unanswered"]), (200, &unanswered), "{target}");
        }
        let kept = town.post(ann, "/v1/memory", &json!({ "content": "salt" }));
        assert_eq!((kept.status, &kept.body["error"]), (502, &json!("remember_timeout")));
        town.world.kill(broker);
        town.world.wait(100);
    }
}

#[test]
fn only_refusals_that_say_nothing_are_counted_and_the_twenty_fifth_gives_up() {
    let mut town = Town::new();
    let ann = ann(&mut town);
    let (broker, heard) = stands_in(&mut town, |message| {
        (message["type"] == "send").then(|| {
            let error = match message["targetSpec"].as_str() {
                Some("@busy") => "retry: busy",
                _ => "no connected peer for target",
            };
            json!({ "type": "ack", "id": message["id"], "queued": false, "error": error })
        })
    });
    town.awaits_open(ann);
    town.send(ann, "@nobody", "hello", "k1");
    town.world.wait(60_000);
    let tried = count(&heard, "send");
    assert!((5..25).contains(&tried), "{tried}");
    // A time without a broker costs no try that counts.
    town.world.kill(broker);
    town.world.wait(3 * 3_600_000);
    assert_eq!(town.status(ann, "k1"), "pending");
    town.world.start(broker);
    town.world.wait(3_600_000);
    let row = town.row(ann, "k1");
    assert_eq!(count(&heard, "send"), 25, "{row}");
    assert_eq!(
        (&row["status"], &row["last_error"]),
        (&json!("dead"), &json!("max_attempts: no connected peer for target"))
    );
    // One that says that it passes is never counted.
    town.send(ann, "@busy", "hello", "k2");
    town.world.wait(24 * 3_600_000);
    assert!(count(&heard, "send") > 1_000);
    assert_eq!(town.status(ann, "k2"), "pending");
}

#[test]
fn a_broker_that_knows_no_sessions_is_asked_once_and_its_sends_never_leave_as_the_members() {
    let mut town = Town::new();
    let ann = ann(&mut town);
    let (_, heard) = stands_in(&mut town, |message| {
        let unknown = json!({ "type": "error", "code": "unknown_message_type", "message": "what?" });
        (message["type"] == "session_hello").then_some(unknown)
    });
    town.awaits_open(ann);
    assert_eq!(town.registers(ann, "one", "ann-one").body["presence_accepted"], true);
    let body = json!({ "to": "*", "message": "as one", "client_message_id": "k1" });
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
    town.world.wait(3_600_000);
    assert_eq!((count(&heard, "session_hello"), count(&heard, "send")), (1, 0));
    let row = town.row(ann, "k1");
    assert_eq!(
        (&row["status"], &row["sender_session_pubkey"]),
        (&json!("pending"), &json!(keys::public("one")))
    );
    assert_eq!(town.get(ann, "/v1/health").body["brokers"]["demo"], "open");
    let target = format!("/v1/sessions/{}", token_of("one"));
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 200);
}
