//! `why` and `mentions` against a real broker: what they print, and how they fail.

mod town;

use town::{Process, Town};

#[test]
fn why_tells_the_way_of_a_message_to_its_sender_and_its_recipient() {
    let town = Town::new();
    let mut broker = town.serve();
    town.settle(&["ann", "bob", "carl"]);
    let sent = town.json(&["send", "bob", "the build is green", "--as", "ann"]);
    let id = sent["message_id"].as_str().unwrap();
    let told = town.json(&["why", id, "--as", "ann"]);
    assert_eq!((&told["messageId"], &told["role"]), (&id.into(), &"sender".into()));
    let bob = &told["recipients"][0];
    assert!(bob["state"] == "queued" && bob["reason"] == "offline", "{told}");
    let ran = town.run(&["why", &id[..8], "--as", "bob"]);
    assert!(ran.code == 0 && ran.out.contains(&format!("message {id} from ann to bob")), "{ran:?}");
    assert!(
        ran.out.contains("no connection of bob is there") && ran.out.contains("peermesh inbox"),
        "{ran:?}"
    );

    // Busy: the reason is the status, and the story has the way out.
    let _inbox = Process::logging(town.command(&["inbox", "--follow", "--as", "bob"]));
    broker.greets_follower();
    town.json(&["status", "working", "--as", "bob"]);
    let sent = town.json(&["send", "bob", "later", "--as", "ann"]);
    let later = sent["message_id"].as_str().unwrap();
    let ran = town.run(&["why", later, "--as", "ann"]);
    assert!(
        ran.code == 0 && ran.out.contains("bob is `working`") && ran.out.contains("--priority now"),
        "{ran:?}"
    );
    town.json(&["status", "idle", "--as", "bob"]);
    town.json(&["send", "bob", "over", "--as", "ann", "--wait", "delivered"]);
    let told = town.json(&["why", later, "--as", "ann"]);
    assert_eq!(told["recipients"][0]["state"], "delivered", "{told}");

    // Nobody else's business, and ids that are none.
    let ran = town.run(&["why", id, "--as", "carl"]);
    assert!(ran.code == 3 && ran.err.contains("by age"), "{ran:?}");
    assert_eq!(town.run(&["why", "0000000000000000", "--as", "ann"]).code, 3);
    let ran = town.run(&["why", "short", "--as", "ann"]);
    assert!(ran.code == 2 && ran.err.contains("8 to 32"), "{ran:?}");
}

#[test]
fn mentions_lists_what_mentions_us_and_goes_on_where_it_stopped() {
    let town = Town::new();
    let _broker = town.serve();
    town.settle(&["ann", "bob", "carl"]);
    let send = |to, text, whom: &[&str]| {
        let mut line = vec!["send", to, text, "--as", "ann"];
        whom.iter().for_each(|who| line.extend(["--mention", who]));
        town.json(&line)["message_id"].as_str().unwrap().to_owned()
    };
    let first = send("bob", "one", &["bob", "@carl"]);
    let second = send("*", "two", &["carl"]);
    let told = town.json(&["mentions", "--as", "carl", "--limit", "1"]);
    assert_eq!((&told["mentions"][0]["messageId"], &told["more"]), (&first.as_str().into(), &true.into()));
    assert!(told["mentions"][0].get("targetSpec").is_none(), "it was not for her: {told}");
    let next = told["next"].as_str().unwrap();
    let told = town.json(&["mentions", "--as", "carl", "--after", next]);
    assert_eq!((&told["mentions"][0]["messageId"], &told["more"]), (&second.as_str().into(), &false.into()));
    let end = told["next"].as_str().unwrap();
    let ran = town.run(&["mentions", "--as", "carl", "--after", end]);
    assert!(ran.code == 0 && ran.out.is_empty() && ran.err.contains("there are no more"), "{ran:?}");
    let ran = town.run(&["mentions", "--as", "carl"]);
    assert_eq!((ran.code, ran.out.lines().count()), (0, 2), "{ran:?}");
    assert!(ran.out.contains(&format!("ann mentions you in {second} (next, to *)")), "{ran:?}");
    let ran = town.run(&["mentions", "--as", "ann"]);
    assert!(ran.code == 0 && ran.out.is_empty() && ran.err.contains("nobody"), "{ran:?}");
    // A cursor is its owner's, and a mention must mean somebody.
    assert_eq!(town.run(&["mentions", "--as", "bob", "--after", next]).code, 2);
    let ran = town.run(&["send", "bob", "x", "--as", "ann", "--mention", "dora"]);
    assert!(ran.code == 3 && ran.err.contains("ann, bob, carl"), "{ran:?}");
}

#[test]
fn a_broker_that_is_not_there_is_asked_in_vain() {
    let town = Town::new();
    let broker = town.serve();
    town.settle(&["ann"]);
    town.json(&["mentions", "--as", "ann"]);
    broker.kill();
    assert_eq!(town.run(&["mentions", "--as", "ann"]).code, 4);
    assert_eq!(town.run(&["why", "00000000", "--as", "ann"]).code, 4);
}
