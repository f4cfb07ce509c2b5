//! The bound of recordings, what becomes of full ones, and disks that refuse.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use serde_json::json;

use super::town::PATIENCE;
use super::{RUNTIMES, Studio, ends, passes, serve_with_short_files, two};

/// Bytes of recordings that are kept in these tests.
const RING: &str = "524288";

#[test]
fn a_full_recording_gives_way_to_another_and_nothing_is_lost() {
    for runtime in RUNTIMES {
        let studio = Studio::new();
        let variables = [
            ("PEERMESH_RECORD_BYTES_MAX", RING),
            ("PEERMESH_RECORD_RENEW_MS_MIN", "1500"),
            ("PEERMESH_SHARDS", "2"),
            ("PEERMESH_SEND_RATE_PER_MINUTE", "0"),
        ];
        let mut broker = studio.serve(runtime, &variables);
        studio.town.settle(&["ann", "bob"]);
        for round in 0..2 {
            let keys: Vec<String> = (0..4).map(|nth| format!("r{round}-{nth}")).collect();
            let ((mut ann, _), (bob, bobs)) = two(&studio.town);
            keys.iter().for_each(|key| ann.sends(&bobs.pubkey, key, "x"));
            for nth in 0..14 {
                // Refused, and so in the recording alone.
                ann.sends("nobody", &format!("n{round}-{nth}"), &"x".repeat(20_000));
            }
            let ended = broker.says("recording ended");
            assert_eq!(ended["why"], "full", "{ended}");
            let renewed = broker.says("recording");
            assert!(renewed["file"].is_string(), "{renewed}");
            drop((ann, bob));

            // Whoever was cut short asks again; each message is there once.
            let ((mut ann, _), (mut bob, _)) = two(&studio.town);
            let mut sent = BTreeSet::new();
            for key in &keys {
                ann.sends(&bobs.pubkey, key, "x");
                let ack = ann.hears_ack_of(key);
                sent.insert(ack["messageId"].as_str().unwrap_or_else(|| panic!("{ack}")).to_owned());
            }
            let mut came = BTreeSet::new();
            for _ in &keys {
                let push = bob.hears_push();
                bob.acks(&push);
                came.insert(push["messageId"].as_str().unwrap().to_owned());
            }
            assert_eq!((sent.len(), sent), (keys.len(), came), "{runtime}");
            assert!(bob.hears_no_push_for(Duration::from_millis(200)));
        }
        let ended = ends(&mut broker);
        let files = studio.recordings();
        let bytes: u64 = files.iter().map(|file| fs::metadata(file).unwrap().len()).sum();
        assert!(files.len() >= 2 && bytes <= RING.parse().unwrap(), "{} files, {bytes} bytes", files.len());
        for file in &files {
            let relived = studio.relived(file);
            let is_last = ended["file"] == file.to_str().unwrap();
            assert_eq!(relived["state_hash"] == ended["state_hash"], is_last, "{relived}");
        }
    }
}

#[test]
fn a_full_recording_stays_the_last_where_nothing_is_to_be_renewed() {
    let studio = Studio::new();
    let variables = [
        ("PEERMESH_RECORD_BYTES_MAX", RING),
        ("PEERMESH_RECORD_RENEW_MS_MIN", "1000"),
        ("PEERMESH_RECORD_RENEW", "never"),
    ];
    let mut broker = studio.serve(RUNTIMES[0], &variables);
    studio.town.settle(&["ann", "bob"]);
    let ((mut ann, _), (mut bob, bobs)) = two(&studio.town);
    for nth in 0..14 {
        passes(&mut ann, &mut bob, &bobs, &format!("k{nth}"), &"x".repeat(20_000));
    }
    let ended = broker.says("recording ended");
    for nth in 0..5 {
        passes(&mut ann, &mut bob, &bobs, &format!("after-{nth}"), "still served");
    }
    broker.signal(rustix::process::Signal::TERM);
    broker.says("shutdown complete");
    assert!(broker.ends(PATIENCE).success());
    let files = studio.recordings();
    assert_eq!(files.len(), 1);
    let relived = studio.relived(&files[0]);
    assert_eq!((&relived["ended"], &relived["state_hash"]), (&"full".into(), &ended["state_hash"]));
}

/// The broker goes on, the log and the metrics say what happened, and what was written is lived again.
#[test]
fn a_disk_that_refuses_ends_the_recording_and_nothing_else() {
    // In the middle of a page, of a block and of what is written at once.
    for sectors in [2_048, 2_051, 3_001] {
        refuses_after(sectors);
    }
}

fn refuses_after(sectors: u32) {
    let studio = Studio::new();
    let variables = [("PEERMESH_BAD_MESSAGES_PER_MINUTE_MAX", "10000")];
    let mut broker = serve_with_short_files(&studio, sectors, &variables);
    studio.town.settle(&["ann", "bob"]);
    let ((mut ann, _), (mut bob, bobs)) = two(&studio.town);
    for _ in 0..40 {
        ann.says(&json!({ "type": "no such thing", "filling": "x".repeat(50_000) }));
    }
    let ended = broker.says("recording ended");
    assert_eq!((&ended["why"], &ended["level"]), (&"refused".into(), &"warn".into()), "{ended}");
    assert!(ended["way_out"].is_string() && ended["error"].is_string(), "{ended}");
    passes(&mut ann, &mut bob, &bobs, "after", "still served");
    let metrics = studio.town.run(&["health"]);
    assert_eq!(metrics.code, 0);
    let page = page(studio.town.port);
    assert!(page.contains("peermesh_record_holes_total 1"), "{page}");
    drop(broker);
    let relived = studio.relived(&studio.recordings()[0]);
    assert_eq!(relived["state_hash"], ended["state_hash"], "{relived}");
    assert!(["refused", "cut off"].contains(&relived["ended"].as_str().unwrap()));
}

fn page(port: u16) -> String {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    page
}
