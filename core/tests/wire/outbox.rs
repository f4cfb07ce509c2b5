//! Peers that read slowly, or not at all.

use peermesh_core::conn::Lapse;
use peermesh_core::fault::Fault;
use peermesh_core::machine::Closing;

use super::end::{End, close_frame, limits, ms};

const SLOW: Option<Lapse> = Some(Lapse::Fault(Fault::SlowConsumer));

#[test]
fn s_net_03_a_peer_that_takes_nothing_for_the_stall_time_is_a_slow_consumer() {
    let mut server = End::open(&limits(&[]));
    server.fluent = false;
    assert_eq!(server.waits_until(ms(50_000)), None);
    server.sends("hello");
    assert_eq!(server.waits_until(ms(55_000)), None);
    server.sends("still there?");
    server.takes(1);
    assert_eq!(server.waits_until(ms(90_000)), SLOW);
    assert_eq!(server.now, ms(65_000));
}

#[test]
fn s_net_03_a_closed_stalled_peer_is_not_waited_for_longer_than_the_closing_time() {
    let mut server = End::open(&limits(&[("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(1_030));
    (0..100).for_each(|_| server.sends(&"y".repeat(1_000)));
    server.wrote();
    assert_eq!(server.waits_until(ms(90_000)), SLOW);
    server.does(|conn, now, id, todo| conn.close(now, Fault::SlowConsumer, id, todo));
    assert_eq!(
        server.conn.waiting_bytes(),
        10 + 17,
        "the rest of the frame in progress, and the close frame"
    );
    assert_eq!(server.waits_until(ms(90_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(11_000));
}

#[test]
fn s_net_03_a_peer_that_wakes_up_while_it_is_closed_reads_why() {
    let mut server = End::open(&limits(&[("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(1_030));
    server.sends("lost");
    server.wrote();
    server.does(|conn, now, id, todo| conn.close(now, Fault::SlowConsumer, id, todo));
    server.takes(1_024);
    let rest = [b"x".repeat(10).as_slice(), &close_frame(4008, "slow_consumer")].concat();
    assert_eq!(server.wrote(), rest);
    server.takes(server.untaken);
    assert_eq!(server.ended, [], "its own close frame is awaited");
    server.loses_the_peer();
    assert_eq!(server.ended, [Closing::Write, Closing::Both]);
}

#[test]
fn s_net_03_a_queue_over_its_bound_is_a_slow_consumer_at_once() {
    for (text, times) in [("z".repeat(10_000), 200), ("z".to_owned(), 30_000)] {
        let mut server = End::open(&limits(&[]));
        server.fluent = false;
        for _ in 0..times {
            server.sends(&text);
            assert!(server.conn.waiting_bytes() <= 1_048_576);
        }
        assert!(server.conn.is_full());
        assert_eq!(server.waits_until(ms(1)), SLOW);
        assert_eq!(server.now, ms(0));
    }
}

#[test]
fn an_outbox_is_full_from_half_of_its_bound_on() {
    let mut server = End::open(&limits(&[("outbox_bytes_max", 65_536), ("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(32_768 + 1_020));
    assert!(!server.conn.is_full());
    server.sends("x");
    assert!(server.conn.is_full());
    server.takes(1_024);
    assert!(!server.conn.is_full());

    let mut server = End::open(&limits(&[("outbox_frames_max", 16), ("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(1_020));
    (0..8).for_each(|_| server.sends("x"));
    assert!(!server.conn.is_full());
    server.sends("x");
    assert!(server.conn.is_full());
}
