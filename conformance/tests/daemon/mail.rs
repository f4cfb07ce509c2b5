//! From a program's wish to another program's inbox.

use peermesh_conformance::keys;
use peermesh_core::config::DaemonLimits;
use serde_json::{Value, json};

use crate::host::Town;

#[test]
fn what_is_queued_arrives_and_both_sides_know() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let got = town.send(ann, "bob", "soup?", "k1");
    assert_eq!((got.status, &got.body["status"]), (202, &json!("queued")));
    town.world.wait(1_000);
    assert_eq!(town.status(ann, "k1"), "done");
    let items = town.inbox(bob, None);
    assert_eq!(items.len(), 1);
    let item = &items[0];
    assert_eq!((&item["body"], &item["sender_name"]), (&json!("soup?"), &json!("ann")));
    assert_eq!((&item["recipient_kind"], &item["client_message_id"]), (&json!("member"), &json!("k1")));
    // It was acknowledged: nothing comes again once the lease has ended.
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["soup?"]);
}

#[test]
fn f_dmn_01_a_repeated_request_gets_the_first_answer_also_when_nobody_can_be_asked() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.send(ann, "bob", "soup?", "k1");
    town.world.wait(1_000);
    let (broker, nobody) = (town.broker, None);
    town.world.serve(nobody);
    town.world.kill(broker);
    let again = town.send(ann, "bob", "soup?", "k1");
    assert_eq!((again.status, &again.body["duplicate"]), (200, &json!(true)));
    let other = town.send(ann, "bob", "stew?", "k1");
    assert_eq!((other.status, &other.body["conflict"]), (409, &json!("outbox_done_fingerprint_mismatch")));
    assert_eq!(town.texts(bob, None), ["soup?"]);
}

#[test]
fn a_recipient_that_nobody_knows_uses_no_key() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let got = town.send(ann, "nobody", "hello", "k1");
    assert_eq!((got.status, &got.body["error"]), (502, &json!("route_failed")));
    assert_eq!(town.status(ann, "k1"), "none");
    let bob = town.hosts("bob");
    assert_eq!(town.send(ann, "bob", "hello", "k1").status, 202);
    town.world.wait(1_000);
    assert_eq!(town.texts(bob, None), ["hello"]);
}

#[test]
fn a_row_tells_whether_anybody_was_there_when_its_broker_took_it() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    let reached = |town: &mut Town, key: &str| {
        town.send(ann, &keys::public("bob"), "hello", key);
        town.world.wait(1_000);
        let row = town.row(ann, key);
        (row["status"].clone(), row["recipients"].clone(), row["online"].clone())
    };
    assert_eq!(reached(&mut town, "k1"), (json!("done"), json!(1), json!(1)));
    town.world.kill(bob);
    town.world.wait(300_000);
    assert_eq!(reached(&mut town, "k2"), (json!("done"), json!(1), json!(0)));
    town.world.kill(ann);
    town.world.start(ann);
    assert_eq!(town.row(ann, "k2")["online"], 0, "it is kept");
}

#[test]
fn f_dmn_06_a_broker_that_is_away_costs_no_message_and_no_order() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.send(ann, "bob", "0", "k0");
    let broker = town.broker;
    town.world.kill(broker);
    for at in 1..40 {
        // The name is known from before.
        assert_eq!(town.send(ann, "bob", &at.to_string(), &format!("k{at}")).status, 202);
        town.world.wait(30 * 60_000);
    }
    assert_eq!(town.status(ann, "k39"), "pending");
    town.world.start(broker);
    town.world.wait(120_000);
    let texts = town.texts(bob, None);
    assert_eq!(texts, (0..40).map(|at| at.to_string()).collect::<Vec<_>>());
}

#[test]
fn f_dmn_06_a_broker_that_is_away_for_three_days_gets_all_that_is_not_too_old_in_the_order_of_each_lane() {
    // Keys are known for so long that a message may be tried for two days.
    let mut town = Town::with(&[("dedupe_retention_ms", 3 * 24 * 3_600_000)]);
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    for session in ["one", "two"] {
        town.registers(ann, session, session);
    }
    let key = keys::public("bob");
    town.send(ann, &key, "before", "k0");
    town.world.wait(1_000);
    let broker = town.broker;
    town.world.kill(broker);
    for hour in 0..72 {
        for lane in ["ann", "one", "two"] {
            let id = format!("{lane}-{hour}");
            let body = json!({ "to": key, "message": id, "client_message_id": id });
            let got = match lane {
                "ann" => town.post(ann, "/v1/send", &body),
                session => town.asks_as(ann, session, "POST", "/v1/send", Some(&body)),
            };
            assert_eq!(got.status, 202, "{id}: {got:?}");
        }
        town.world.wait(3_600_000);
    }
    town.world.start(broker);
    town.world.wait(600_000);
    let all = town.get(bob, "/v1/inbox?mark_seen=false&limit=1000").body;
    let items = all["items"].as_array().unwrap().iter().rev();
    let texts: Vec<&str> = items.map(|item| item["body"].as_str().unwrap()).collect();
    for lane in ["ann", "one", "two"] {
        let came: Vec<&&str> = texts.iter().filter(|text| text.starts_with(lane)).collect();
        let young: Vec<String> = (25..72).map(|hour| format!("{lane}-{hour}")).collect();
        assert!(came.iter().rev().zip(young.iter().rev()).all(|(came, young)| **came == young), "{came:?}");
        // Whether the one at the very edge is too old depends on when it was looked at.
        assert!((47..=48).contains(&came.len()), "{lane}: {}", came.len());
        let old = town.row(ann, &format!("{lane}-23"));
        assert_eq!(old["status"], "dead", "{old}");
        assert!(old["last_error"].as_str().unwrap().starts_with("max_age"), "{old}");
    }
}

#[test]
fn f_dmn_06_only_age_gives_up_what_could_not_be_sent() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    town.send(ann, "bob", "before", "k0");
    town.world.wait(1_000);
    let broker = town.broker;
    town.world.kill(broker);
    // Keys are known for seven days, so that a message may be tried for six.
    town.send(ann, "bob", "too old", "k1");
    town.world.wait(5 * 24 * 3_600_000);
    town.send(ann, "bob", "young", "k2");
    assert_eq!(town.status(ann, "k1"), "pending");
    town.world.wait(25 * 3_600_000);
    let row = town.row(ann, "k1");
    assert_eq!(row["status"], "dead");
    assert!(row["last_error"].as_str().unwrap().starts_with("max_age"), "{row}");
    town.world.start(broker);
    town.world.wait(120_000);
    assert_eq!(town.texts(bob, None), ["before", "young"]);
}

#[test]
fn f_dmn_07_a_final_refusal_is_listed_with_its_reason_and_a_requeue_keeps_everything_but_the_key() {
    let mut town = Town::new();
    let ann = town.hosts("ann");
    let stranger = "7".repeat(64);
    assert_eq!(town.send(ann, &stranger, "hello", "k1").status, 202);
    town.world.wait(1_000);
    let row = town.row(ann, "k1");
    assert_eq!((&row["status"], &row["attempts"]), (&json!("dead"), &json!(1)));
    assert!(row["last_error"].as_str().unwrap().contains("target_not_found"), "{row}");
    assert_eq!(town.send(ann, &stranger, "hello", "k1").body["conflict"], "outbox_dead_fingerprint_match");

    let body = json!({ "id": row["id"], "new_client_message_id": "k2" });
    let requeued = town.post(ann, "/v1/outbox/requeue", &body);
    assert_eq!((requeued.status, &requeued.body["new_client_message_id"]), (200, &json!("k2")));
    town.world.wait(1_000);
    let (old, new) = (town.row(ann, "k1"), town.row(ann, "k2"));
    assert_eq!((&old["status"], &old["superseded_by"]), (&json!("aborted"), &new["id"]));
    // It went to the very same recipient, who is still nobody, and not to everybody.
    assert_eq!((&new["to"], &new["status"]), (&json!(stranger), &json!("dead")));
    assert_eq!(town.post(ann, "/v1/outbox/requeue", &body).status, 409, "once is enough");
}

#[test]
fn priorities_and_groups_and_everybody_reach_their_recipients() {
    let mut town = Town::new();
    let (ann, bob, cid) = (town.hosts("ann"), town.hosts("bob"), town.hosts("cid"));
    let body = json!({ "to": "*", "message": "lunch", "priority": "now" });
    assert_eq!(town.post(ann, "/v1/send", &body).status, 202);
    town.world.wait(1_000);
    for other in [bob, cid] {
        assert_eq!(town.texts(other, None), ["lunch"]);
        assert_eq!(town.inbox(other, None)[0]["priority"], "now");
    }
    assert!(town.texts(ann, None).is_empty());
}

#[test]
fn a_page_of_the_inbox_has_a_bound_in_bytes_and_says_that_there_is_more() {
    let mut town = Town::new();
    let mut bounds = DaemonLimits::default();
    bounds.set("local_page_bytes_max", 80_000).unwrap();
    let (ann, bob) = (town.hosts("ann"), town.hosts_with("bob", &bounds, &[]));
    town.awaits_open(bob);
    for at in 0..9 {
        town.send(ann, &keys::public("bob"), &format!("{at}{}", "\n".repeat(12_000)), &format!("k{at}"));
        town.world.wait(1_000);
    }
    let first = |item: &Value| item["body"].as_str().unwrap()[..1].to_owned();
    let mut seen = Vec::new();
    for (wanted, is_more) in [(3, true), (3, true), (3, false)] {
        let page = town.get(bob, "/v1/inbox?unread_only=true&limit=1000").body;
        let items = page["items"].as_array().unwrap();
        assert_eq!(
            (items.len(), &page["marked_seen"], &page["more"]),
            (wanted, &json!(wanted), &json!(is_more))
        );
        seen.extend(items.iter().map(first));
    }
    assert_eq!(seen.concat(), "876543210", "what was left off is not marked");
    let page = town.get(bob, "/v1/inbox?mark_seen=false&limit=3").body;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["more"]), (3, &json!(true)));
    // One row is always shown, however long it is.
    bounds.set("local_page_bytes_max", 4_096).unwrap();
    let cid = town.hosts_with("cid", &bounds, &[]);
    town.awaits_open(cid);
    town.send(ann, &keys::public("cid"), &"x".repeat(40_000), "long");
    town.world.wait(1_000);
    let page = town.get(cid, "/v1/inbox").body;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["more"]), (1, &json!(false)));
}

#[test]
fn what_its_broker_could_never_take_is_refused_before_it_is_queued() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    // Sealed, the longest of these fit into what the broker takes; the message around them does not.
    for (at, length) in [48_800, 48_860, 48_960, 49_060, 49_200].into_iter().enumerate() {
        let got = town.send(ann, &keys::public("bob"), &"x".repeat(length), &format!("k{at}"));
        match got.status {
            202 => {}
            413 => {
                assert_eq!(got.body["error"], "payload_too_large");
                assert_eq!(town.status(ann, &format!("k{at}")), "none", "its key is free");
            }
            status => panic!("{status}: {}", got.body),
        }
        town.world.wait(5_000);
        assert!(matches!(&*town.status(ann, &format!("k{at}")), "done" | "none"), "{length}");
    }
    let cut = |note: &&peermesh_core::note::Note| note.msg == "broker_lost";
    assert_eq!(town.world.notes.iter().find(cut).map(|note| note.msg), None, "no connection ended over it");
    assert!(!town.texts(bob, None).is_empty());
    assert_eq!(town.send(ann, "*", &"x".repeat(49_060), "open").status, 413);
}

#[test]
fn reading_marks_what_it_shows_and_peeking_does_not() {
    let mut town = Town::new();
    let (ann, bob) = (town.hosts("ann"), town.hosts("bob"));
    for key in ["k1", "k2"] {
        town.send(ann, "bob", key, key);
    }
    town.world.wait(1_000);
    assert_eq!(town.get(bob, "/v1/inbox?mark_seen=false").body["marked_seen"], 0);
    let first = town.get(bob, "/v1/inbox?limit=1").body;
    assert_eq!((&first["marked_seen"], first["items"][0]["seen_at"].is_null()), (&json!(1), true));
    let unread = town.get(bob, "/v1/inbox?unread_only=true&mark_seen=false").body;
    let ids: Vec<_> = unread["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    assert_eq!(ids.len(), 1);
    assert_eq!(town.post(bob, "/v1/inbox/seen", &json!({ "ids": ids })).body["marked_seen"], 1);
    assert_eq!(town.post(bob, "/v1/inbox/seen", &json!({ "ids": ids })).body["marked_seen"], 0);
    let target = format!("/v1/inbox/{}", ids[0].as_str().unwrap());
    assert_eq!(town.asks(bob, "DELETE", &target, &[], None).body["removed"], 1);
    assert_eq!(town.asks(bob, "DELETE", &target, &[], None).status, 404);
    assert_eq!(town.texts(bob, None).len(), 1);
}
