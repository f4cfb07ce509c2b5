//! Those who send more than anybody can want: pings (FRM-03), hellos that somebody must verify (AUT-05).

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use peermesh_conformance::keys;

use crate::ground::{RUNTIMES, Served, Stranger, UPGRADE, alone, frame, until_all_ended};

const FLOODS: usize = 200;
const ROUNDS: usize = 3;

#[test]
fn f_frm_03_strangers_that_ping_without_end_are_sent_away_and_others_talk() {
    flooded(|_, _| frame(0x89, b"are you there?").repeat(100), b"\x03\xf0control_flood");
}

#[test]
fn f_aut_05_hellos_with_bad_signatures_cost_one_connection_each_and_others_talk() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_millis();
    let hello = move |round: usize, nth: usize| {
        let key = keys::public("nobody");
        let hello = format!(
            r#"{{"type":"hello","meshId":"m","memberId":"{round}-{nth}","pubkey":"{key}","sessionId":"s",
               "pid":1,"cwd":"/","timestamp":{now},"signature":"{}"}}"#,
            "0".repeat(128)
        );
        // What comes behind the first is not even looked at.
        frame(0x81, hello.as_bytes()).repeat(3)
    };
    flooded(hello, br#""code":"bad_signature""#);
}

/// Waves of strangers that say their piece at once, each of which must be told why it is sent away, while
/// real clients talk.
fn flooded(piece: impl Fn(usize, usize) -> Vec<u8> + Copy + Send + 'static, told: &'static [u8]) {
    let _alone = alone();
    for runtime in RUNTIMES {
        Served::new(runtime, &[], &[]).during(move |broker| {
            for round in 0..ROUNDS {
                wave(broker, |nth| piece(round, nth), told);
            }
        });
    }
}

fn wave(broker: SocketAddr, piece: impl Fn(usize) -> Vec<u8>, told: &[u8]) {
    let mut strangers: Vec<Stranger> = (0..FLOODS).map(|_| Stranger::new(broker)).collect();
    for (nth, stranger) in strangers.iter_mut().enumerate() {
        stranger.says(&[UPGRADE.as_bytes(), &piece(nth)].concat());
    }
    until_all_ended(&mut strangers, |_, _| ());
    for (nth, stranger) in strangers.iter().enumerate() {
        let times = stranger.heard.windows(told.len()).filter(|window| *window == told).count();
        assert_eq!(times, 1, "stranger {nth}: {:?}", String::from_utf8_lossy(&stranger.heard));
    }
}
