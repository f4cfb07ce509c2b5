//! Those who take their time (HSK-01), and those who never finish (FRM-02).

use std::net::SocketAddr;

use crate::ground::{
    RUNTIMES, Served, Stranger, UPGRADE, allow_files, alone, frame, resident_bytes, until_all_ended,
};

const DRIPS: usize = 200;
const ATTACKERS: usize = 1_000;
const WAVES: usize = 2;
/// How much more memory a later wave may find in use than the first one did: fragments that stayed would be
/// ten times as much.
const GROWTH_BYTES: u64 = 16 << 20;

#[test]
fn f_hsk_01_whoever_drips_is_sent_away_at_the_deadline_whatever_drips() {
    let _alone = alone();
    for runtime in RUNTIMES {
        Served::new(runtime, &[("hello_timeout_ms", 1_500)], &[]).during(drip);
    }
}

fn drip(broker: SocketAddr) {
    let mut hello = UPGRADE.as_bytes().to_vec();
    hello.extend(frame(0x81, &[b' '; 1_000]));
    let pinged: Vec<u8> = UPGRADE.bytes().chain(frame(0x89, b"x").repeat(20)).collect();
    let head = UPGRADE.replace("Host: x", &format!("Host: {}", "x".repeat(1_000)));
    let body = format!("POST /join HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{}", " ".repeat(900));
    let streams = [head.into_bytes(), body.into_bytes(), hello, pinged];
    // All of the request but its last drops come at once, where what drips stands behind it.
    let begins = [0, 60, UPGRADE.len(), UPGRADE.len()];
    let mut places = vec![0; DRIPS];
    let mut strangers: Vec<Stranger> = (0..DRIPS).map(|_| Stranger::new(broker)).collect();
    until_all_ended(&mut strangers, |nth, stranger| {
        let (stream, place) = (&streams[nth % streams.len()], &mut places[nth]);
        let next = if *place == 0 { begins[nth % begins.len()].max(1) } else { *place + 1 };
        if let Some(drop) = stream.get(*place..next) {
            stranger.says(drop);
            *place = next;
        }
    });
    for (nth, stranger) in strangers.iter().enumerate() {
        let told = stranger.was_told(b"HTTP/1.1 408") || stranger.was_told(b"\x03\xf0hello_timeout");
        assert!(told, "stranger {nth}: {:?}", String::from_utf8_lossy(&stranger.heard));
    }
}

#[test]
fn f_frm_02_a_thousand_strangers_with_endless_fragments_leave_nothing_in_memory() {
    let _alone = alone();
    allow_files(2 * ATTACKERS as u64 + 200);
    for runtime in RUNTIMES {
        let limits = [("handshakes_max", 2_000), ("hello_timeout_ms", 60_000)];
        Served::new(runtime, &limits, &[]).during(fragment);
    }
}

fn fragment(broker: SocketAddr) {
    let mut found = Vec::new();
    for wave in 0..WAVES {
        let mut strangers: Vec<Stranger> = (0..ATTACKERS).map(|_| Stranger::new(broker)).collect();
        let mut rounds = vec![0_u32; ATTACKERS];
        until_all_ended(&mut strangers, |nth, stranger| {
            match (rounds[nth], nth % 3) {
                (0, _) => stranger.says(UPGRADE.as_bytes()),
                // Fragments of one byte, without end.
                (1, 0) => stranger.says(&frame(0x01, b"x")),
                (_, 0) => stranger.says(&frame(0x00, b"x")),
                // Fragments that are large together.
                (1, 1) => stranger.says(&frame(0x01, &[b'x'; 1_000])),
                (_, 1) => stranger.says(&frame(0x00, &[b'x'; 1_000])),
                // A message that is never finished.
                (1, _) => stranger.says(&frame(0x81, &[b'x'; 10_000])[..5_000]),
                (5, _) => stranger.leaves(),
                _ => {}
            }
            rounds[nth] += 1;
        });
        for (nth, stranger) in strangers.iter().enumerate() {
            let told = stranger.was_told(b"\x03\xf1too_large");
            assert_eq!(told, nth % 3 < 2, "wave {wave}, stranger {nth}: {:?}", stranger.heard);
        }
        found.push(resident_bytes());
    }
    let grown = found[WAVES - 1].saturating_sub(found[0]);
    assert!(grown < GROWTH_BYTES, "{found:?}");
}
