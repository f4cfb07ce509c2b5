//! Hostile and odd frames, and the bound of each kind.

use peermesh_core::conn::Lapse;
use peermesh_core::fault::Fault;

use super::end::{End, close_frame, frame, limits, ms};

/// What an open server sees in these bytes, and the close code it answers.
fn reaction(bytes: &[u8]) -> (Vec<String>, Option<u16>) {
    let mut server = End::trusting(&limits(&[]));
    server.reads(bytes);
    let written = server.wrote();
    let code = written.get(2..4).map(|code| u16::from_be_bytes([code[0], code[1]]));
    (server.saw(), code)
}

fn breaks(bytes: &[u8], fault: Fault) {
    assert_eq!(reaction(bytes), (vec![format!("broken {fault:?}")], Some(fault.row().code)), "{bytes:x?}");
}

#[test]
fn s_frm_01_a_length_over_the_limit_is_refused_by_its_header() {
    for length in [65_537, 1 << 32, (1 << 63) - 1, u64::MAX] {
        let header = [&[0x81, 0xff], length.to_be_bytes().as_slice(), &[0; 4]].concat();
        breaks(&header, Fault::TooLarge);
    }
    breaks(&[0x81, 0xfe, 0, 100, 0, 0, 0, 0], Fault::ProtocolError);
}

#[test]
fn s_frm_02_endless_fragments_are_refused_by_number_and_by_total() {
    let mut bytes = frame(0x01, b"a");
    (1..32).for_each(|_| bytes.extend(frame(0x00, b"a")));
    assert_eq!(reaction(&bytes), (Vec::new(), None));
    assert_eq!(reaction(&[bytes.clone(), frame(0x80, b"a")].concat()).1, Some(1009));
    let halves = [frame(0x01, &[b'a'; 40_000]), frame(0x80, &[b'a'; 30_000])].concat();
    breaks(&halves, Fault::TooLarge);
}

#[test]
fn s_frm_02_a_fragmented_message_has_to_be_finished_in_time() {
    let mut server = End::open(&limits(&[]));
    assert_eq!(server.waits_until(ms(3_000)), None);
    server.reads(&frame(0x01, b"a"));
    assert_eq!(server.waits_until(ms(8_000)), None);
    server.reads(&frame(0x00, b"b"));
    assert_eq!(server.waits_until(ms(60_000)), Some(Lapse::Fault(Fault::FragmentTimeout)));
    assert_eq!(server.now, ms(13_000));

    let mut server = End::open(&limits(&[]));
    server.reads(&frame(0x01, b"a"));
    server.reads(&frame(0x80, b"b"));
    assert_eq!(server.waits_until(ms(60_000)), None);
}

#[test]
fn s_frm_03_a_flood_of_control_frames_ends_the_connection() {
    for kind in [0x89, 0x8a] {
        let mut server = End::open(&limits(&[]));
        (0..30).for_each(|_| server.reads(&frame(kind, b"x")));
        assert!(!server.saw().iter().any(|seen| seen.starts_with("broken")));
        assert_eq!(server.waits_until(ms(100)), None);
        server.reads(&frame(kind, b"x"));
        assert!(server.conn.is_open());
        server.saw();
        server.wrote();
        server.reads(&frame(kind, b"x"));
        assert_eq!(server.saw(), ["broken ControlFlood"]);
        assert_eq!(server.wrote(), close_frame(1008, "control_flood"));
    }
}

#[test]
fn s_frm_03_a_peer_that_does_not_read_has_one_pong_waiting_at_most() {
    let mut server = End::open(&limits(&[("send_window_bytes", 1_024)]));
    server.fluent = false;
    server.sends(&"x".repeat(2_000));
    (0..20).for_each(|n| server.reads(&frame(0x89, format!("{n}").as_bytes())));
    server.wrote();
    assert_eq!(server.conn.waiting_bytes(), 2_004 - 1_024);
    server.takes(1_024);
    assert_eq!(server.wrote(), [b"x".repeat(980).as_slice(), &[0x8a, 2, b'1', b'9']].concat());
}

#[test]
fn s_frm_04_the_compression_bit_is_refused_because_nothing_was_agreed() {
    breaks(&frame(0xc1, b"x"), Fault::ProtocolError);
}

#[test]
fn s_frm_05_what_breaks_the_standard_is_answered_with_1002() {
    let unmasked = [0x81, 1, b'x'];
    let data_inside = [frame(0x01, b"a"), frame(0x81, b"b")].concat();
    let all = [
        frame(0xa1, b"x"),
        frame(0x91, b"x"),
        frame(0x83, b"x"),
        frame(0x8b, b"x"),
        frame(0x80, b"x"),
        frame(0x00, b"x"),
        frame(0x09, b"x"),
        frame(0x89, &[b'x'; 126]),
        frame(0x88, b"x"),
        frame(0x88, &1005_u16.to_be_bytes()),
        frame(0x88, &999_u16.to_be_bytes()),
        unmasked.to_vec(),
    ];
    all.iter().for_each(|bytes| breaks(bytes, Fault::ProtocolError));
    breaks(&data_inside, Fault::ProtocolError);
}

#[test]
fn s_frm_05_what_is_not_utf_8_is_answered_with_1007() {
    let split = [frame(0x01, b"gr\xc3"), frame(0x80, b"x")].concat();
    let cut_off = [frame(0x01, b"gr"), frame(0x80, b"\xc3")].concat();
    let reason = frame(0x88, b"\x03\xe8\xff");
    for bytes in
        [frame(0x81, b"\xff"), frame(0x82, b"\xc0\xaf"), frame(0x81, b"\xed\xa0\x80"), split, cut_off, reason]
    {
        breaks(&bytes, Fault::BadUtf8);
    }
}

#[test]
fn s_frm_05_bad_utf_8_is_answered_before_its_frame_is_complete() {
    let whole = frame(0x81, b"good until here \xf4\x90\x80\x80 and so on");
    let mut server = End::open(&limits(&[]));
    server.reads(&whole[..23]);
    assert!(server.saw().is_empty());
    server.reads(&whole[23..24]);
    assert_eq!(server.saw(), ["broken BadUtf8"]);
}

#[test]
fn s_frm_06_binary_and_empty_messages_are_messages() {
    let bytes = [frame(0x82, "größe".as_bytes()), frame(0x81, b""), frame(0x82, b"")].concat();
    assert_eq!(
        reaction(&bytes),
        (["message größe", "message ", "message "].map(str::to_owned).to_vec(), None)
    );
}

#[test]
fn after_a_fault_nothing_is_read_and_the_fault_is_said_once() {
    let bytes = [frame(0x83, b""), frame(0x81, b"ignored"), frame(0x88, b"")].concat();
    let mut server = End::open(&limits(&[]));
    server.reads(&bytes);
    server.reads(&bytes);
    assert_eq!(server.saw(), ["broken ProtocolError"]);
    assert_eq!(server.wrote(), close_frame(1002, "protocol_error"));
    assert!(!server.conn.has_kept());
}

#[test]
fn s_hsk_01_a_stranger_may_send_no_more_than_the_bytes_before_a_hello() {
    let bounds = limits(&[("hello_bytes_max", 1_024)]);
    let mut server = End::open(&bounds);
    server.reads(&frame(0x81, &[b'x'; 600]));
    assert_eq!(server.saw().len(), 1);
    server.reads(&frame(0x81, &[b'x'; 600])[..8]);
    assert_eq!(server.saw(), ["broken TooLarge"]);

    let mut server = End::open(&bounds);
    server.reads(&frame(0x81, &[b'x'; 600]));
    server.does(|conn, now, _, _| conn.start_keepalive(now));
    server.reads(&frame(0x81, &[b'x'; 60_000]));
    assert_eq!(server.saw().len(), 2);
    assert!(server.conn.is_open());
}
