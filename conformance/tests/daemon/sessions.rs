//! Several programs of one member on one host: each has its own mail, and nobody else's.

use peermesh_conformance::keys;
use peermesh_core::machine::Listener;
use serde_json::{Value, json};

use crate::host::{Town, authorization, registration, token_of};
use crate::world::Place;

/// A host of ann with two sessions, and bob.
fn two_sessions() -> (Town, Place, Place) {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    for name in ["one", "two"] {
        let got = town.registers(ann, name, &format!("ann-{name}"));
        assert_eq!((got.status, &got.body["presence_accepted"]), (200, &json!(true)));
    }
    (town, ann, bob)
}

fn messages(town: &mut Town, stream: usize) -> Vec<String> {
    let all = town.events(stream).into_iter().filter(|(kind, _)| kind == "message");
    all.map(|(_, body)| body["body"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn each_session_sees_its_own_direct_messages_and_every_broadcast_once() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("one"), "for one", "k1");
    town.send(bob, &keys::public("two"), "for two", "k2");
    town.send(bob, &keys::public("ann"), "for ann", "k3");
    town.send(bob, "*", "for all", "k4");
    town.world.wait(2_000);
    for (name, own) in [("one", "for one"), ("two", "for two")] {
        let texts = town.texts(ann, Some(name));
        assert!(
            texts.contains(&own.to_owned()) && texts.contains(&"for ann".to_owned()),
            "{name}: {texts:?}"
        );
        assert!(!texts.iter().any(|text| text.starts_with("for ")
            && ["for one", "for two"].contains(&&**text)
            && text != own));
        let items = town.inbox(ann, Some(name));
        let broadcast =
            |item: &&Value| item["body"] == "for all" && item["recipient_pubkey"] == keys::public(name);
        assert_eq!(items.iter().filter(broadcast).count(), 1, "{name}: {texts:?}");
    }
}

#[test]
fn a_stream_shows_a_session_what_is_its_own_and_what_it_missed() {
    let (mut town, ann, bob) = two_sessions();
    let shown = authorization("one");
    let headers = [("Authorization", shown.as_str())];
    let stream = town.begins(ann, Listener::Local, "GET", "/v1/events", &headers, None);
    town.world.wait(100);
    town.send(bob, &keys::public("two"), "for two", "k1");
    town.send(bob, &keys::public("one"), "for one", "k2");
    town.world.wait(1_000);
    let text = String::from_utf8(town.world.read(stream).0).unwrap();
    assert!(text.contains(": connected") && text.contains("for one") && !text.contains("for two"), "{text}");
    let last = text.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap().to_owned();
    town.world.hang_up(stream);
    town.send(bob, &keys::public("one"), "missed", "k3");
    town.world.wait(1_000);
    let headers = [("Authorization", shown.as_str()), ("Last-Event-ID", last.as_str())];
    let stream = town.begins(ann, Listener::Local, "GET", "/v1/events", &headers, None);
    town.world.wait(100);
    assert_eq!(messages(&mut town, stream), ["missed"]);
    // A place of another run is no place.
    let headers = [("Last-Event-ID", "0000000000000000-7")];
    let stream = town.begins(ann, Listener::Local, "GET", "/v1/events", &headers, None);
    town.world.wait(100);
    assert_eq!(town.events(stream)[0].0, "resync");
}

#[test]
fn a_session_sends_as_itself_also_what_waits_when_it_ends() {
    let (mut town, ann, bob) = two_sessions();
    let shown = authorization("one");
    let headers = [("Authorization", shown.as_str())];
    let body = json!({ "to": keys::public("bob"), "message": "from one", "client_message_id": "k1" });
    assert_eq!(town.asks(ann, "POST", "/v1/send", &headers, Some(&body)).status, 202);
    town.world.wait(1_000);
    assert_eq!(town.inbox(bob, None)[0]["sender_pubkey"], keys::public("one"));

    let broker = town.broker;
    town.world.kill(broker);
    let body = json!({ "to": keys::public("bob"), "message": "waits", "client_message_id": "k2" });
    town.asks(ann, "POST", "/v1/send", &headers, Some(&body));
    let target = format!("/v1/sessions/{}", token_of("one"));
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 200);
    town.world.wait(5_000);
    assert_eq!(town.status(ann, "k2"), "pending", "there is nobody to take it");
    let sessions = town.get(ann, "/v1/sessions").body;
    assert_eq!(sessions["sessions"].as_array().unwrap().len(), 1, "it is over all the same");
    assert_eq!(town.asks(ann, "GET", "/v1/inbox", &headers, None).status, 401);
    // Neither its end nor that of the daemon makes the member's socket carry it.
    town.world.kill(ann);
    town.world.start(ann);
    town.world.wait(5_000);
    town.world.start(broker);
    town.world.wait(120_000);
    let items = town.inbox(bob, None);
    assert_eq!((items.len(), &items[1]["body"]), (2, &json!("waits")));
    assert_eq!(items[1]["sender_pubkey"], keys::public("one"));
    let names = |town: &mut Town| -> Vec<Value> {
        let peers = town.get(bob, "/v1/peers").body;
        peers["peers"].as_array().unwrap().iter().map(|peer| peer["displayName"].clone()).collect()
    };
    town.world.wait(120_000);
    assert_eq!(names(&mut town), ["ann-two"], "with nothing left to send it is gone");
    town.registers(ann, "one", "ann-one");
    assert_eq!(names(&mut town).len(), 2, "and it may come back");
}

#[test]
fn a_session_that_ends_with_nothing_to_send_leaves_at_once_and_for_good() {
    let (mut town, ann, bob) = two_sessions();
    let target = format!("/v1/sessions/{}", token_of("one"));
    let body = json!({ "to": keys::public("bob"), "message": "sent", "client_message_id": "k1" });
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
    town.world.wait(1_000);
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 200);
    // Its broker keeps a place for who may come back soon.
    town.world.wait(120_000);
    assert_eq!(town.get(bob, "/v1/peers").body["peers"].as_array().unwrap().len(), 1);
    // One that ends while nobody is there to send to is forgotten too, for nothing of it waits.
    let broker = town.broker;
    town.world.kill(broker);
    town.world.wait(1_000);
    town.asks(ann, "DELETE", &format!("/v1/sessions/{}", token_of("two")), &[], None);
    town.world.wait(120_000);
    let opened = |town: &Town| town.world.notes.iter().filter(|note| note.msg == "broker_open").count();
    let before = opened(&town);
    town.world.start(broker);
    town.world.wait(120_000);
    assert_eq!(opened(&town), before + 2, "the two members, and no session");
    town.world.kill(ann);
    town.world.start(ann);
    town.world.wait(60_000);
    assert_eq!(opened(&town), before + 3);
}

#[test]
fn a_row_of_a_session_that_nobody_can_send_any_more_is_given_up_and_told() {
    let (mut town, ann, bob) = two_sessions();
    let stream = town.listens(ann, None);
    let stranger = "7".repeat(64);
    let body = json!({ "to": stranger, "message": "x", "client_message_id": "k1" });
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
    town.world.wait(1_000);
    let dead = |town: &mut Town| -> Vec<Value> {
        let all = town.events(stream).into_iter().filter(|(kind, _)| kind == "outbox_dead");
        all.map(|(_, about)| about).collect()
    };
    let told = dead(&mut town);
    assert_eq!(
        (told.len(), &told[0]["client_message_id"], &told[0]["mesh"]),
        (1, &json!("k1"), &json!("demo"))
    );
    assert!(told[0]["error"].as_str().unwrap().contains("target_not_found"), "{told:?}");
    let sibling = town.listens(ann, Some("two"));
    town.asks(ann, "DELETE", &format!("/v1/sessions/{}", token_of("one")), &[], None);
    town.world.wait(1_000);
    // An operator puts it in line again, and nobody has the key of its session.
    let requeue = json!({ "id": town.row(ann, "k1")["id"], "new_client_message_id": "k2" });
    assert_eq!(town.post(ann, "/v1/outbox/requeue", &requeue).status, 200);
    town.world.wait(23 * 3_600_000);
    assert_eq!(town.status(ann, "k2"), "pending", "its session may come back");
    town.world.wait(2 * 3_600_000);
    let row = town.row(ann, "k2");
    assert_eq!(row["status"], "dead");
    assert!(row["last_error"].as_str().unwrap().starts_with("session_ended"), "{row}");
    let told = dead(&mut town);
    assert_eq!((told.len(), &told[0]["rows"]), (1, &json!(1)));
    assert!(!town.events(sibling).iter().any(|(kind, _)| kind == "outbox_dead"), "it is none of its own");
    assert!(town.texts(bob, None).is_empty());
}

#[test]
fn a_name_is_its_member_and_mail_for_sessions_that_have_ended_is_the_members() {
    let (mut town, ann, bob) = two_sessions();
    town.registers(bob, "bobs", "bob");
    assert_eq!(town.send(ann, "bob", "by name", "k1").status, 202);
    assert_eq!(town.send(ann, &keys::public("bobs"), "by key", "k2").status, 202);
    town.world.wait(2_000);
    assert_eq!(town.row(ann, "k1")["to"], keys::public("bob"));
    assert_eq!(town.texts(bob, Some("bobs")), ["by name", "by key"]);
    town.asks(bob, "DELETE", &format!("/v1/sessions/{}", token_of("bobs")), &[], None);
    town.registers(bob, "later", "bob");
    assert_eq!(town.texts(bob, Some("later")), ["by name", "by key"], "whoever comes later has both");
    let ids: Vec<Value> = town.inbox(bob, None).iter().map(|item| item["id"].clone()).collect();
    let seen = json!({ "ids": ids });
    assert_eq!(town.asks_as(bob, "later", "POST", "/v1/inbox/seen", Some(&seen)).body["marked_seen"], 2);
    // Of a session that lives it has nothing, also in one of its own name.
    town.registers(bob, "bobs", "bob");
    assert_eq!(town.texts(bob, Some("later")), ["by name"]);
}

#[test]
fn a_session_marks_and_removes_only_its_own() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("two"), "for two", "k1");
    town.world.wait(1_000);
    let id = town.inbox(ann, Some("two"))[0]["id"].clone();
    let shown = authorization("one");
    let headers = [("Authorization", shown.as_str())];
    let seen = town.asks(ann, "POST", "/v1/inbox/seen", &headers, Some(&json!({ "ids": [id] })));
    assert_eq!(seen.body["marked_seen"], 0);
    assert_eq!(town.asks(ann, "DELETE", "/v1/inbox", &headers, None).body["removed"], 0);
    assert_eq!(town.texts(ann, Some("two")), ["for two"]);
}

#[test]
fn no_answer_holds_a_secret_of_a_session() {
    let (mut town, ann, _) = two_sessions();
    let secret = data_encoding::HEXLOWER.encode(&keys::pair("one").to_bytes());
    let shown = authorization("one");
    for (target, headers) in
        [("/v1/sessions", vec![]), ("/v1/sessions/me", vec![("Authorization", shown.as_str())])]
    {
        let got = town.asks(ann, "GET", target, &headers, None);
        let text = got.body.to_string();
        assert!(got.status == 200 && text.contains("id-one"), "{text}");
        assert!(!text.contains(&secret) && !text.contains(&token_of("one")), "{text}");
    }
    assert_eq!(town.get(ann, "/v1/sessions/me").status, 401);
}

#[test]
fn sessions_outlive_the_daemon_and_so_do_their_mail_and_their_bounds() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("one"), "before", "k1");
    town.world.wait(1_000);
    let target = format!("/v1/sessions/{}", token_of("two"));
    town.asks(ann, "DELETE", &target, &[], None);
    town.world.kill(ann);
    town.send(bob, &keys::public("one"), "meanwhile", "k2");
    town.world.start(ann);
    town.world.wait(120_000);
    assert_eq!(town.texts(ann, Some("one")), ["before", "meanwhile"]);
    let all = town.get(ann, "/v1/sessions").body;
    let ids: Vec<&Value> = all["sessions"].as_array().unwrap().iter().map(|one| &one["sessionId"]).collect();
    assert_eq!(ids, ["id-one"], "who has left stays away");
    let shown = authorization("one");
    let body = json!({ "to": keys::public("bob"), "message": "as one", "client_message_id": "k3" });
    town.asks(ann, "POST", "/v1/send", &[("Authorization", shown.as_str())], Some(&body));
    town.world.wait(1_000);
    assert_eq!(town.inbox(bob, None)[0]["sender_pubkey"], keys::public("one"));
}

#[test]
fn peers_are_listed_without_daemons_unless_all_are_asked_for() {
    let (mut town, ann, _) = two_sessions();
    let names = |body: &Value| -> Vec<String> {
        let peers = body["peers"].as_array().unwrap();
        peers.iter().map(|peer| peer["displayName"].as_str().unwrap().to_owned()).collect()
    };
    let few = town.get(ann, "/v1/peers").body;
    assert_eq!(
        (names(&few), &few["peers"][0]["mesh"]),
        (vec!["ann-one".into(), "ann-two".into()], &json!("demo"))
    );
    let all = names(&town.get(ann, "/v1/peers?all=true").body);
    assert!(all.contains(&"bob".to_owned()) && all.len() == 4, "{all:?}");
}

#[test]
fn a_session_is_vouched_for_anew_at_every_connect() {
    let (mut town, ann, bob) = two_sessions();
    let broker = town.broker;
    // Longer than any word of its member is good for.
    for _ in 0..26 {
        town.world.wait(3_600_000);
        town.asks_as(ann, "one", "GET", "/v1/sessions/me", None);
    }
    town.world.kill(broker);
    town.world.start(broker);
    town.world.wait(120_000);
    town.send(bob, &keys::public("one"), "still there?", "k1");
    town.world.wait(2_000);
    assert!(town.texts(ann, Some("one")).contains(&"still there?".to_owned()));
}

/// Everything that one session sees or does differently from another.
const SCOPED: [(&str, &str); 14] = [
    ("GET", "/v1/inbox"),
    ("DELETE", "/v1/inbox"),
    ("DELETE", "/v1/inbox/x"),
    ("POST", "/v1/inbox/seen"),
    ("POST", "/v1/send"),
    ("GET", "/v1/events"),
    ("GET", "/v1/sessions/me"),
    ("GET", "/v1/peers"),
    ("GET", "/v1/state"),
    ("POST", "/v1/state"),
    ("GET", "/v1/memory"),
    ("POST", "/v1/profile"),
    ("GET", "/v1/skills"),
    ("GET", "/v1/outbox"),
];

#[test]
fn a_session_that_has_ended_sees_and_does_nothing_instead_of_everything() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("two"), "for two", "k1");
    town.world.wait(1_000);
    let target = format!("/v1/sessions/{}", token_of("one"));
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 200);
    let body = json!({ "to": "*", "message": "as nobody", "ids": ["x"], "key": "k", "value": 1 });
    for shown in
        [&*authorization("one"), "ClaudeMesh-Session", "ClaudeMesh-Session 12", "claudemesh-session  "]
    {
        for (method, target) in SCOPED {
            let body = (method == "POST").then_some(&body);
            let got = town.asks(ann, method, target, &[("Authorization", shown)], body);
            let refused = (401, &json!({ "error": "unknown session" }));
            assert_eq!((got.status, &got.body), refused, "{shown}: {method} {target}");
        }
        let both = [("Authorization", shown), ("Authorization", &authorization("two"))];
        assert_eq!(town.asks(ann, "GET", "/v1/inbox", &both, None).status, 401, "{shown} and a good one");
        for target in ["/v1/health", "/v1/version", "/v1/sessions"] {
            assert_eq!(town.asks(ann, "GET", target, &[("Authorization", shown)], None).status, 200);
        }
    }
    assert_eq!(town.texts(ann, Some("two")), ["for two"]);
    assert_eq!(town.get(ann, "/v1/inbox").status, 200, "who shows nothing is the host");
}

#[test]
fn a_stream_ends_with_its_session_and_others_go_on() {
    let (mut town, ann, bob) = two_sessions();
    let (one, two) = (town.listens(ann, Some("one")), town.listens(ann, Some("two")));
    let target = format!("/v1/sessions/{}", token_of("one"));
    town.asks(ann, "DELETE", &target, &[], None);
    town.send(bob, "*", "for all", "k1");
    town.world.wait(1_000);
    let (bytes, ended) = town.world.read(one);
    assert!(ended && !String::from_utf8(bytes).unwrap().contains("for all"));
    assert!(messages(&mut town, two).contains(&"for all".to_owned()));
    // Whoever takes the place of a session under another token ends the streams of that one.
    let body = json!({
        "token": "7".repeat(64), "session_id": "id-two", "mesh": "demo", "display_name": "two", "pid": 71,
    });
    town.post(ann, "/v1/sessions/register", &body);
    town.world.wait(100);
    assert!(town.world.read(two).1);
}

#[test]
fn who_listens_is_there_though_it_asks_nothing() {
    let (mut town, ann, bob) = two_sessions();
    let stream = town.listens(ann, Some("one"));
    town.world.wait(49 * 3_600_000);
    let ids = town.get(ann, "/v1/sessions").body["sessions"].as_array().unwrap().len();
    assert_eq!(ids, 1, "who neither listens nor asks is forgotten");
    town.world.read(stream);
    town.send(bob, &keys::public("one"), "still there?", "k1");
    town.world.wait(1_000);
    assert_eq!(messages(&mut town, stream), ["still there?"]);
}

#[test]
fn a_request_that_comes_before_sessions_are_known_waits_until_they_are() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("one"), "for one", "k1");
    town.send(bob, &keys::public("two"), "for two", "k2");
    town.world.wait(1_000);
    town.world.kill(ann);
    town.world.ail(ann, Some(peermesh_core::store::StoreError::Busy("for a while".into())));
    town.world.start(ann);
    let asks = |town: &mut Town, name: &str| {
        let shown = authorization(name);
        let target = "/v1/inbox?mark_seen=false";
        town.begins(ann, Listener::Local, "GET", target, &[("Authorization", &shown)], None)
    };
    let (one, nobody) = (asks(&mut town, "one"), asks(&mut town, "nobody"));
    let listed = town.begins(ann, Listener::Local, "GET", "/v1/sessions", &[], None);
    let target = format!("/v1/sessions/{}", token_of("two"));
    let ended = town.begins(ann, Listener::Local, "DELETE", &target, &[], None);
    town.world.wait(5_000);
    for waits in [one, nobody, listed, ended] {
        assert!(town.world.read(waits).0.is_empty());
    }
    town.world.ail(ann, None);
    let (listed, ended) = (town.ends(listed), town.ends(ended));
    assert_eq!((listed.body["sessions"].as_array().unwrap().len(), ended.status), (2, 200));
    let (one, nobody) = (town.ends(one), town.ends(nobody));
    assert_eq!(one.body["items"][0]["body"], "for one", "{one:?}");
    assert_eq!((one.body["items"].as_array().unwrap().len(), nobody.status), (1, 401));
}

#[test]
fn a_session_that_comes_back_before_the_others_are_known_touches_nothing_of_theirs() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("one"), "for one", "k1");
    town.send(bob, &keys::public("two"), "for two", "k2");
    town.world.wait(1_000);
    let comes_back_and_asks = |town: &mut Town, method, target| {
        town.world.kill(ann);
        // What an earlier run kept is read in a while.
        town.world.ail(ann, Some(peermesh_core::store::StoreError::Busy("for a moment".into())));
        town.world.start(ann);
        town.world.wait(10);
        town.world.ail(ann, None);
        let body = registration("two", "ann-two");
        let back = town.begins(ann, Listener::Local, "POST", "/v1/sessions/register", &[], Some(&body));
        let shown = authorization("two");
        let asked = town.begins(ann, Listener::Local, method, target, &[("Authorization", &shown)], None);
        assert_eq!(town.ends(back).status, 200);
        town.ends(asked)
    };
    let shown = comes_back_and_asks(&mut town, "GET", "/v1/inbox?mark_seen=false").body;
    let texts: Vec<&Value> = shown["items"].as_array().unwrap().iter().map(|item| &item["body"]).collect();
    assert_eq!(texts, ["for two"]);
    assert_eq!(comes_back_and_asks(&mut town, "DELETE", "/v1/inbox").status, 200);
    assert_eq!(
        (town.texts(ann, Some("one")), town.texts(ann, Some("two"))),
        (vec!["for one".into()], vec![])
    );
}

#[test]
fn a_session_that_comes_back_under_another_token_keeps_it_and_the_old_one_is_nobodys() {
    let (mut town, ann, bob) = two_sessions();
    town.send(bob, &keys::public("two"), "for two", "k1");
    town.world.wait(1_000);
    let mut body = registration("two", "ann-two");
    body["token"] = token_of("three").into();
    for _ in 0..2 {
        town.world.kill(ann);
        town.world.ail(ann, Some(peermesh_core::store::StoreError::Busy("for a moment".into())));
        town.world.start(ann);
        town.world.wait(10);
        town.world.ail(ann, None);
        // What an earlier run kept is known before the new row is on disk.
        town.world.slow_down(ann, 5_000);
        let back = town.begins(ann, Listener::Local, "POST", "/v1/sessions/register", &[], Some(&body));
        assert_eq!(town.ends(back).status, 200);
        town.world.slow_down(ann, 0);
        assert_eq!(town.texts(ann, Some("three")), ["for two"]);
        let old = town.asks_as(ann, "two", "GET", "/v1/sessions/me", None);
        assert_eq!((old.status, old.body), (401, json!({ "error": "unknown session" })));
        assert_eq!(town.get(ann, "/v1/sessions").body["sessions"].as_array().unwrap().len(), 2);
    }
}

/// The broker goes away, and the first session sends something to bob.
fn sends_to_nobody(town: &mut Town, ann: Place) {
    let broker = town.broker;
    town.world.kill(broker);
    let body = json!({ "to": keys::public("bob"), "message": "waits", "client_message_id": "k1" });
    assert_eq!(town.asks_as(ann, "one", "POST", "/v1/send", Some(&body)).status, 202);
}

/// The broker comes back, and bob gets it from that session.
fn arrives_as_its_own(town: &mut Town, bob: Place) {
    let broker = town.broker;
    town.world.start(broker);
    town.world.wait(120_000);
    let items = town.inbox(bob, None);
    assert_eq!((items.len(), &items[0]["sender_pubkey"]), (1, &json!(keys::public("one"))));
}

#[test]
fn what_a_session_left_unsent_leaves_though_it_comes_back_with_another_key_while_the_daemon_starts() {
    for token in ["one", "three"] {
        let (mut town, ann, bob) = two_sessions();
        sends_to_nobody(&mut town, ann);
        town.world.kill(ann);
        town.world.ail(ann, Some(peermesh_core::store::StoreError::Busy("for a moment".into())));
        town.world.start(ann);
        town.world.wait(10);
        town.world.ail(ann, None);
        let mut anew = registration("one", "ann-one");
        anew["token"] = token_of(token).into();
        anew["presence"] = registration("another", "ann-one")["presence"].clone();
        let back = town.begins(ann, Listener::Local, "POST", "/v1/sessions/register", &[], Some(&anew));
        assert_eq!(town.ends(back).status, 200);
        arrives_as_its_own(&mut town, bob);
    }
}

#[test]
fn what_a_session_left_unsent_leaves_though_its_end_was_refused_at_first() {
    let (mut town, ann, bob) = two_sessions();
    sends_to_nobody(&mut town, ann);
    let target = format!("/v1/sessions/{}", token_of("one"));
    town.world.ail(ann, Some(peermesh_core::store::StoreError::Full));
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 507);
    town.world.ail(ann, None);
    assert_eq!(town.asks(ann, "DELETE", &target, &[], None).status, 404);
    town.world.kill(ann);
    town.world.start(ann);
    arrives_as_its_own(&mut town, bob);
}

#[test]
fn what_a_session_left_unsent_leaves_though_the_store_was_asked_before_it_was_there() {
    let (mut town, ann, bob) = two_sessions();
    let broker = town.broker;
    town.world.kill(broker);
    town.world.wait(1_000);
    town.world.slow_down(ann, 1_000);
    let shown = authorization("one");
    let headers = [("Authorization", shown.as_str())];
    let body = json!({ "to": keys::public("bob"), "message": "waits", "client_message_id": "k1" });
    let sent = town.begins(ann, Listener::Local, "POST", "/v1/send", &headers, Some(&body));
    town.world.wait(10);
    town.world.answer_late(ann, 2_000);
    let target = format!("/v1/sessions/{}", token_of("one"));
    let ended = town.begins(ann, Listener::Local, "DELETE", &target, &[], None);
    assert_eq!((town.ends(sent).status, town.ends(ended).status), (202, 200));
    town.world.wait(5_000);
    town.world.slow_down(ann, 0);
    town.world.answer_late(ann, 0);
    arrives_as_its_own(&mut town, bob);
}

#[test]
fn a_session_that_came_back_while_its_disk_was_full_keeps_its_socket_in_the_next_run() {
    let (mut town, ann, bob) = two_sessions();
    sends_to_nobody(&mut town, ann);
    assert_eq!(town.asks(ann, "DELETE", &format!("/v1/sessions/{}", token_of("one")), &[], None).status, 200);
    town.world.ail(ann, Some(peermesh_core::store::StoreError::Full));
    assert_eq!(town.registers(ann, "one", "ann-one").body["kept"], false);
    town.world.ail(ann, None);
    assert_eq!(town.registers(ann, "one", "ann-one").body["kept"], true);
    town.world.kill(ann);
    town.world.start(ann);
    arrives_as_its_own(&mut town, bob);
    town.send(bob, &keys::public("one"), "for one", "k2");
    town.world.wait(1_000);
    assert_eq!(town.texts(ann, Some("one")), ["for one"]);
}

#[test]
fn a_session_that_is_said_to_be_over_does_not_come_back_with_the_next_run() {
    let (mut town, ann, _) = two_sessions();
    let is_known =
        |town: &mut Town, name: &str| town.asks_as(ann, name, "GET", "/v1/sessions/me", None).status == 200;
    town.world.slow_down(ann, 1_000);
    let target = |name: &str| format!("/v1/sessions/{}", token_of(name));
    let unanswered = town.begins(ann, Listener::Local, "DELETE", &target("one"), &[], None);
    town.world.wait(500);
    assert!(town.world.read(unanswered).0.is_empty(), "it is not on disk");
    assert_eq!(town.asks(ann, "DELETE", &target("two"), &[], None).status, 200);
    town.world.kill(ann);
    town.world.slow_down(ann, 0);
    town.world.start(ann);
    assert!(!is_known(&mut town, "two"));
    assert_eq!(town.asks(ann, "DELETE", &target("two"), &[], None).status, 404);
    town.world.ail(ann, Some(peermesh_core::store::StoreError::Full));
    town.registers(ann, "one", "ann-one");
    let refused = town.asks(ann, "DELETE", &target("one"), &[], None);
    assert_eq!(refused.status, 507, "nobody can say that it is over for good");
    town.world.ail(ann, None);
    assert_eq!(town.asks(ann, "DELETE", &target("one"), &[], None).status, 404, "asked again it is sure");
    town.world.kill(ann);
    town.world.start(ann);
    assert!(!is_known(&mut town, "one"));
}
