//! The ways a WebSocket connection ends.

use peermesh_core::conn::Lapse;
use peermesh_core::fault::Fault;
use peermesh_core::machine::Closing;

use super::end::{End, close_frame, frame, limits, ms};

#[test]
fn a_peers_close_is_echoed_and_then_the_server_ends_the_stream() {
    for (payload, echo, seen) in [
        (b"\x03\xe9bye".as_slice(), vec![0x88, 2, 0x03, 0xe9], "goodbye 1001 bye"),
        (b"", vec![0x88, 0], "goodbye 0 "),
    ] {
        let mut server = End::open(&limits(&[]));
        server.fluent = false;
        server.reads(&[frame(0x88, payload), frame(0x81, b"after the end")].concat());
        assert_eq!((server.saw(), server.wrote()), (vec![seen.to_owned()], echo));
        assert_eq!(server.ended, []);
        server.sends("too late");
        server.takes(server.untaken);
        assert_eq!((server.wrote(), server.ended.as_slice()), (Vec::new(), [Closing::Write].as_slice()));
        server.loses_the_peer();
        assert_eq!(server.ended, [Closing::Write, Closing::Both]);
    }
}

#[test]
fn what_was_sent_before_the_close_frame_goes_before_it() {
    let mut server = End::open(&limits(&[("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(3_000));
    server.sends("last words");
    server.does(|conn, now, id, todo| conn.close(now, Fault::ShuttingDown, id, todo));
    server.reads(&frame(0x89, b"a ping that gets no pong"));
    while server.untaken > 0 {
        server.takes(server.untaken);
    }
    let written = server.wrote();
    let end = [b"\x81\x0alast words".as_slice(), &close_frame(1001, "shutting down")].concat();
    assert!(written.ends_with(&end));
    assert_eq!(written.len(), 3_004 + end.len());
}

#[test]
fn while_the_peers_close_is_awaited_its_messages_are_dropped() {
    let mut server = End::open(&limits(&[]));
    server.does(|conn, now, id, todo| conn.close(now, Fault::SessionReplaced, id, todo));
    assert_eq!(server.wrote(), close_frame(1000, "session_replaced"));
    server.reads(&[frame(0x81, b"dropped"), frame(0x89, b"x"), frame(0x01, b"part")].concat());
    assert_eq!((server.saw(), server.ended.as_slice()), (Vec::new(), [].as_slice()));
    server.reads(&frame(0x88, b"\x03\xe8"));
    assert_eq!((server.wrote(), server.ended.as_slice()), (Vec::new(), [Closing::Write].as_slice()));
}

#[test]
fn a_peer_that_breaks_the_protocol_while_its_close_is_awaited_is_not_read_on() {
    let mut server = End::open(&limits(&[]));
    server.does(|conn, now, id, todo| conn.close(now, Fault::SessionReplaced, id, todo));
    server.reads(&frame(0x83, b""));
    assert_eq!((server.saw(), server.ended.as_slice()), (Vec::new(), [Closing::Write].as_slice()));
}

#[test]
fn a_peer_that_does_not_say_goodbye_is_dropped_after_the_closing_time() {
    let mut server = End::open(&limits(&[]));
    server.now = ms(5_000);
    server.does(|conn, now, id, todo| conn.close(now, Fault::Capacity, id, todo));
    assert_eq!(server.waits_until(ms(5_999)), None);
    assert_eq!(server.waits_until(ms(9_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(6_000));
    server.does(|conn, _, id, todo| conn.abort(id, todo));
    server.does(|conn, _, id, todo| conn.abort(id, todo));
    assert_eq!(server.ended, [Closing::Both]);
    assert_eq!(server.conn.deadline(), None);
}

#[test]
fn a_fault_is_told_to_who_is_still_sending() {
    let mut server = End::open(&limits(&[]));
    server.fluent = false;
    server.reads(&[0x81, 0xff, 0, 0, 0, 0, 0, 0x10, 0, 0, 0, 0, 0, 0]);
    assert_eq!(server.wrote(), close_frame(1009, "too_large"));
    server.reads(&[b'x'; 50_000]);
    server.takes(server.untaken);
    assert_eq!(server.ended, [Closing::Write], "the close frame is out, so our side ends");
    server.reads(&[b'x'; 50_000]);
    server.loses_the_peer();
    assert_eq!(server.ended, [Closing::Write, Closing::Both]);
}

#[test]
fn a_peer_that_leaves_without_a_word_still_gets_what_is_on_its_way() {
    let mut server = End::open(&limits(&[]));
    server.fluent = false;
    server.sends("on its way");
    server.loses_the_peer();
    assert!(!server.conn.is_open() && server.ended.is_empty());
    server.takes(server.untaken);
    assert!(server.conn.is_over());

    let mut server = End::open(&limits(&[]));
    server.fluent = false;
    server.sends("never taken");
    server.loses_the_peer();
    assert_eq!(server.waits_until(ms(60_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(1_000));
}

#[test]
fn a_peer_that_leaves_while_nothing_is_on_its_way_ends_the_connection() {
    let mut server = End::open(&limits(&[]));
    server.loses_the_peer();
    assert!(server.conn.is_over());
    server.does(|conn, now, id, todo| conn.close(now, Fault::ShuttingDown, id, todo));
    server.sends("nobody");
    server.does(|conn, now, id, todo| conn.sent(now, 5, id, todo));
    assert_eq!(server.ended.last(), Some(&Closing::Both));
    assert!(server.wrote().is_empty());
}
