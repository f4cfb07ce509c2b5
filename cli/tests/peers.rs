//! Peers and an administrator against a real broker: what each command prints and how it fails.

mod town;

use std::fs::File;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use town::{PATIENCE, Process, Ran, Town};

#[test]
fn json_of_create_invite_and_join_has_the_promised_names() {
    let town = Town::new();
    let _broker = town.serve();
    let mesh = town.json(&["mesh", "create", "Team Blue", "--slug", "blue"]);
    assert!(mesh["mesh_id"].is_string() && mesh["slug"] == "blue", "{mesh}");
    let invite = town.json(&["invite", "blue"]);
    assert!(invite["invite_token"].is_string() && invite["invite_payload"].is_object(), "{invite}");
    assert!(invite["url"].as_str().unwrap().starts_with("peermesh:join:"), "{invite}");
    let joined = town.json(&["join", invite["url"].as_str().unwrap(), "--as", "ann"]);
    assert_eq!(joined["mesh_id"], mesh["mesh_id"]);
    assert!(joined["member_id"].is_string() && joined["pubkey"].as_str().unwrap().len() == 64, "{joined}");
    let meshes = town.json(&["mesh", "list"]);
    assert_eq!((&meshes["meshes"][0]["slug"], &meshes["meshes"][0]["members"]), (&"blue".into(), &1.into()));
    assert_eq!(town.run(&["mesh", "create", "Blue", "--slug", "blue"]).code, 3);
    assert_eq!(town.run(&["mesh", "show", "green"]).code, 3);
}

#[test]
fn a_mesh_that_was_made_by_flags_tells_the_next_command_with_them() {
    let town = Town::new();
    let _broker = town.serve();
    let data = town.data();
    let data = data.to_str().unwrap();
    let ran = town.run(&["mesh", "create", "demo", "--data", data]);
    let (_, typed) = ran.out.trim_end().split_once("invite peers with: peermesh ").expect(&ran.out);
    assert_eq!(typed, format!("invite demo --data {data}"));
    let mut elsewhere = town.command(&typed.split(' ').collect::<Vec<_>>());
    let ran = Ran::from(elsewhere.env("HOME", "/nowhere").output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let ran = town.run(&["mesh", "create", "other"]);
    assert!(ran.out.trim_end().ends_with("peermesh invite other"), "{ran:?}");
}

#[test]
fn joining_again_with_the_same_profile_spends_no_use() {
    let town = Town::new();
    let _broker = town.serve();
    town.json(&["mesh", "create", "demo"]);
    let invite = town.json(&["invite", "demo"]);
    let url = invite["url"].as_str().unwrap();
    let first = town.json(&["join", url, "--as", "ann"]);
    let again = town.json(&["join", url, "--as", "ann"]);
    assert_eq!((&again["member_id"], &again["already_member"]), (&first["member_id"], &true.into()));
    let ran = town.run(&["join", url, "--as", "bob"]);
    assert!(ran.code == 3 && ran.err.contains("invite_exhausted"), "{ran:?}");
    assert_eq!(town.run(&["peers"]).code, 0, "the failed join left no second profile");
}

#[test]
fn an_invite_for_this_machine_only_comes_with_a_warning() {
    let town = Town::new();
    let _broker = town.serve();
    town.json(&["mesh", "create", "demo"]);
    let ran = town.run(&["invite", "demo"]);
    assert!(ran.code == 0 && ran.err.contains("--public-url"), "{ran:?}");
    assert_eq!(ran.out.lines().count(), 1, "standard output carries the link alone: {ran:?}");
}

#[test]
fn an_unknown_name_is_refused_with_the_candidates() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob"]);
    let ran = town.run(&["send", "bop", "x", "--as", "ann"]);
    assert!(ran.code == 3 && ran.err.contains("ann, bob"), "{ran:?}");
    let ran = town.run(&["send", "bob", "x"]);
    assert!(ran.code == 2 && ran.err.contains("--as"), "{ran:?}");
}

#[test]
fn a_send_to_a_broker_that_says_nothing_keeps_its_time() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob"]);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let broker = format!("ws://{}/ws", silent.local_addr().unwrap());
    let began = Instant::now();
    let ran = town.run(&["send", "bob", "hi", "--as", "ann", "--timeout", "1s", "--broker", &broker]);
    assert!(ran.code == 5 && ran.err.contains("did not answer in time"), "{ran:?}");
    // A connection by itself may take ten seconds.
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn a_send_that_waits_returns_when_the_follower_has_it() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob"]);
    let ran = town.run(&["send", "bob", "early", "--as", "ann", "--wait", "delivered", "--timeout", "1s"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let _inbox = Process::logging(town.command(&["inbox", "--follow", "--as", "bob"]));
    broker.greets_follower();
    let sent = town.json(&["send", "bob", "late", "--as", "ann", "--wait", "delivered"]);
    assert_eq!(sent["status"], "delivered");
    let peers = town.json(&["peers", "--as", "ann"]);
    let bob = |peer: &&serde_json::Value| peer["displayName"] == "bob" && peer["online"] != false;
    assert_eq!(peers["peers"].as_array().unwrap().iter().filter(bob).count(), 1, "{peers}");
}

#[test]
fn a_text_from_standard_input_is_sent_whole_or_not_at_all() {
    let town = Town::new();
    let _broker = town.serve_with(&[("MAX_MESSAGE_BYTES", "8388608")]);
    town.settle(&["ann", "bob"]);
    let send = ["send", "bob", "-", "--as", "ann"];
    let fed = |input: &[u8]| Ran::from(town.feed(&send, input));
    let long = "x".repeat(1_500_000);
    let sent = fed(format!("{long}\n\n").as_bytes());
    assert_eq!(sent.code, 0, "{sent:?}");

    let endless = fed(&vec![b'x'; 64 * 1024 * 1024 + 1]);
    assert!(endless.code == 1 && endless.err.contains("longer than 67108864 bytes"), "{endless:?}");
    let bytes = fed(b"good\xff");
    assert!(bytes.code == 1 && bytes.err.contains("not UTF-8 after 4 bytes"), "{bytes:?}");
    let mut command = town.command(&send);
    let folder = Ran::from(command.stdin(File::open(town.dir()).unwrap()).output().unwrap());
    assert!(folder.code == 1 && folder.err.contains("cannot read standard input"), "{folder:?}");
    assert_eq!(town.inbox("bob"), [long]);
}

#[test]
fn mail_is_not_acknowledged_where_nobody_sees_it() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob"]);
    town.json(&["send", "bob", "soup?", "--as", "ann"]);
    for streams in [">&-", "1<>/dev/null", "1</dev/zero"] {
        for more in [&[][..], &["--json"], &["--follow"], &["--via", "broker"]] {
            let ran = town.redirect(&[&["inbox", "--as", "bob"], more].concat(), streams);
            assert!(ran.code == 1 && ran.err.contains("standard output"), "{streams} {more:?}: {ran:?}");
        }
    }
    assert_eq!(town.inbox("bob"), ["soup?"]);
    town.json(&["send", "bob", "salad?", "--as", "ann"]);
    let thrown_away = town.redirect(&["inbox", "--as", "bob"], ">/dev/null");
    assert_eq!(thrown_away.code, 0, "{thrown_away:?}");
    assert!(town.inbox("bob").is_empty());
}

#[test]
fn a_follower_comes_back_when_the_broker_does_and_shows_each_message_once() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob"]);
    let mut inbox = Process::printing(town.command(&["inbox", "--follow", "--as", "bob", "--json"]));
    broker.greets_follower();
    town.json(&["send", "bob", "one", "--as", "ann", "--wait", "delivered"]);
    assert_eq!(inbox.prints()["text"], "one");
    broker.kill();
    let mut broker = town.serve();
    town.json(&["send", "bob", "two", "--as", "ann"]);
    assert_eq!(inbox.prints()["text"], "two");
    broker.signal(Signal::TERM);
    broker.ends(PATIENCE);
}

#[test]
fn the_newer_of_two_followers_takes_over_for_good() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob"]);
    let mut older = Process::logging(town.command(&["inbox", "--follow", "--as", "bob"]));
    broker.greets_follower();
    let mut newer = Process::printing(town.command(&["inbox", "--follow", "--as", "bob", "--json"]));
    assert_eq!(older.ends(PATIENCE).code(), Some(3), "{:?}", older.log);
    assert!(older.log.join(" ").contains("took over"), "{:?}", older.log);
    town.json(&["send", "bob", "soup?", "--as", "ann"]);
    assert_eq!(newer.prints()["text"], "soup?");
}

#[test]
fn a_status_needs_a_session_and_is_shown() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob"]);
    let ran = town.run(&["status", "dnd", "--as", "bob"]);
    assert!(ran.code == 3 && ran.err.contains("inbox --follow --as bob"), "{ran:?}");
    let _inbox = Process::logging(town.command(&["inbox", "--follow", "--as", "bob"]));
    broker.greets_follower();
    assert_eq!(town.json(&["status", "dnd", "--as", "bob"])["status"], "dnd");
    assert_eq!(town.json(&["status", "--as", "bob"])["sessions"][0]["status"], "dnd");
}

#[test]
fn a_group_message_is_not_sealed_and_the_command_says_so() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob"]);
    let ran = town.run(&["send", "*", "lunch", "--as", "ann"]);
    assert!(ran.code == 0 && ran.err.contains("not sealed"), "{ran:?}");
    let messages = town.json(&["inbox", "--as", "bob"]);
    assert_eq!((&messages[0]["text"], &messages[0]["sealed"]), (&"lunch".into(), &false.into()));
}

#[test]
fn a_removed_member_is_refused_for_good() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob"]);
    let members = town.json(&["member", "list", "demo"]);
    assert_eq!(members["members"].as_array().unwrap().len(), 2);
    town.json(&["member", "remove", "demo", "bob"]);
    let ran = town.run(&["send", "ann", "x", "--as", "bob"]);
    assert!(ran.code == 3 && ran.err.contains("removed"), "{ran:?}");
    let ran = town.run(&["member", "remove", "demo", "nobody"]);
    assert!(ran.code == 3 && ran.err.contains("see: peermesh member list demo"), "{ran:?}");
}

#[test]
fn a_wrong_token_is_refused() {
    let town = Town::new();
    let _broker = town.serve();
    let mut command = town.command(&["mesh", "list"]);
    let ran = Ran::from(command.env("PEERMESH_ADMIN_TOKEN", "wrong").output().unwrap());
    assert!(ran.code == 3 && ran.err.contains("token"), "{ran:?}");
}

/// Defect 33 of brokers before: owner and root keys in clear in the database.
#[test]
fn f_sec_01_the_keys_of_a_mesh_are_of_no_use_without_the_key_file_they_were_sealed_under() {
    let town = Town::new();
    let mut broker = town.serve();
    town.json(&["mesh", "create", "demo"]);
    town.json(&["invite", "demo"]);
    broker.signal(Signal::TERM);
    broker.ends(PATIENCE);
    let other = town.dir().join("other-key");
    std::fs::write(&other, [7; 32]).unwrap();
    let _broker = town.serve_with(&[("PEERMESH_KEY_FILE", other.to_str().unwrap())]);
    let refused = town.run(&["invite", "demo"]);
    assert!(refused.code != 0 && refused.err.contains("key file"), "{refused:?}");
}
