//! Requests and responses on a server's connection.

use peermesh_core::conn::Lapse;
use peermesh_core::fault::Fault;
use peermesh_core::machine::Closing;
use peermesh_core::wire::http::Response;

use super::end::{End, UPGRADE, frame, limits, ms};

const GET: &str = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

#[test]
fn an_upgrade_is_answered_as_the_standard_shows_it() {
    let mut server = End::server(&limits(&[]));
    server.reads(UPGRADE.as_bytes());
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    assert_eq!(text(server.wrote()), answer);
    assert!(server.conn.is_open());
}

#[test]
fn a_response_is_flushed_before_our_side_ends_and_the_stream_is_dropped_after_the_peers_end() {
    let mut server = End::server(&limits(&[]));
    server.fluent = false;
    server.reads(GET.as_bytes());
    assert!(text(server.wrote()).ends_with("Content-Length: 9\r\nConnection: close\r\n\r\nnot found"));
    assert_eq!(server.ended, []);
    server.takes(server.untaken - 1);
    assert_eq!(server.ended, []);
    server.takes(1);
    assert_eq!(server.ended, [Closing::Write]);
    server.reads(b"what is read while lingering is discarded");
    assert!(!server.conn.has_kept() && server.saw() == ["request GET /health"]);
    server.loses_the_peer();
    assert_eq!(server.ended, [Closing::Write, Closing::Both]);
}

#[test]
fn a_peer_that_never_ends_is_dropped_after_the_closing_time() {
    let mut server = End::server(&limits(&[]));
    server.reads(GET.as_bytes());
    assert_eq!(server.waits_until(ms(5_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(1_000));
}

#[test]
fn a_slow_reader_gets_its_response_as_long_as_it_reads_on() {
    let mut server = End::server(&limits(&[("send_window_bytes", 1_024)]));
    server.fluent = false;
    let body = Response { status: 200, headers: Vec::new(), body: vec![b'x'; 3_000_000] };
    server.does(|conn, now, id, todo| conn.respond(now, &body, id, todo));
    for second in 1..=30 {
        assert_eq!(server.waits_until(ms(second * 9_000)), None);
        server.takes(1_024);
    }
    assert_eq!(server.waits_until(ms(500_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(280_000));
}

#[test]
fn who_ends_its_side_after_asking_still_gets_the_answer() {
    let mut server = End::server(&limits(&[]));
    server.fluent = false;
    server.reads(GET.as_bytes());
    server.loses_the_peer();
    assert_eq!(server.ended, []);
    server.takes(server.untaken);
    assert_eq!(server.ended, [Closing::Write, Closing::Both]);
}

#[test]
fn who_ends_before_asking_gets_nothing() {
    let mut server = End::server(&limits(&[]));
    server.reads(&GET.as_bytes()[..10]);
    server.loses_the_peer();
    assert_eq!((server.wrote(), server.ended.as_slice()), (Vec::new(), [Closing::Both].as_slice()));
}

#[test]
fn s_hsk_03_nothing_after_a_refusal_or_an_answer_is_read() {
    for refused in
        ["GET / HTTP/1.1\nHost: a\n\n", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"]
    {
        let mut server = End::server(&limits(&[]));
        server.reads(format!("{refused}{GET}").as_bytes());
        server.reads(GET.as_bytes());
        assert_eq!(server.saw(), ["refused 400"]);
        assert!(text(server.wrote()).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    }
    let mut server = End::server(&limits(&[]));
    server.reads(format!("{GET}{GET}").as_bytes());
    server.reads(GET.as_bytes());
    assert_eq!(server.saw(), ["request GET /health"]);
}

#[test]
fn s_hsk_03_a_request_pipelined_after_an_upgrade_is_a_broken_frame() {
    for piece in [1, 10_000] {
        let mut server = End::server(&limits(&[]));
        format!("{UPGRADE}{GET}").as_bytes().chunks(piece).for_each(|part| server.reads(part));
        assert_eq!(server.saw(), ["request GET /ws", "broken ProtocolError"]);
    }
}

#[test]
fn a_frame_sent_ahead_of_our_agreement_is_read_after_it() {
    let mut server = End::server(&limits(&[]));
    server.reads(&[UPGRADE.as_bytes(), &frame(0x81, b"eager")].concat());
    assert_eq!(server.saw(), ["request GET /ws", "message eager"]);
}

#[test]
fn a_large_body_is_refused_at_once_and_the_refusal_reaches_who_still_sends() {
    let mut server = End::server(&limits(&[]));
    server.reads(b"POST /hook/set-status HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n");
    let refusal = text(server.wrote());
    assert!(refusal.starts_with("HTTP/1.1 413 Content Too Large\r\nContent-Type: application/json\r\n"));
    assert!(refusal.ends_with("\r\n\r\n{\"ok\":false,\"error\":\"payload too large\"}"));
    server.reads(&[b'x'; 50_000]);
    assert_eq!((server.ended.as_slice(), server.conn.has_kept()), ([Closing::Write].as_slice(), false));
}

#[test]
fn a_body_may_be_as_long_as_a_message_but_a_head_only_as_what_comes_before_a_hello() {
    let mut server = End::server(&limits(&[]));
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65536\r\n\r\n";
    server.reads(format!("{head}{}", "x".repeat(65_535)).as_bytes());
    assert_eq!((server.saw().len(), server.conn.body_bytes()), (0, 65_536));
    server.reads(b"x");
    assert_eq!(server.saw(), ["request POST /"]);

    let mut server = End::server(&limits(&[("hello_bytes_max", 1_024)]));
    server.reads(format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "x".repeat(1_000)).as_bytes());
    assert_eq!(server.saw(), ["refused 431"]);
}

#[test]
fn a_peer_that_expects_a_word_gets_it_before_it_sends_its_body() {
    let mut server = End::server(&limits(&[]));
    server.reads(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    assert_eq!(text(server.wrote()), "HTTP/1.1 100 Continue\r\n\r\n");
    server.reads(b"hi");
    assert_eq!(server.saw(), ["request POST /"]);
}

#[test]
fn the_answer_to_a_head_request_has_no_body() {
    let mut server = End::server(&limits(&[]));
    server.reads(b"HEAD /health HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(text(server.wrote()).ends_with("Content-Length: 9\r\nConnection: close\r\n\r\n"));
}

#[test]
fn a_fault_before_the_upgrade_drops_the_stream() {
    let mut server = End::server(&limits(&[]));
    server.reads(b"GET /ws");
    assert!(server.conn.has_kept());
    server.does(|conn, now, id, todo| conn.close(now, Fault::HelloTimeout, id, todo));
    assert_eq!((server.wrote(), server.ended.as_slice()), (Vec::new(), [Closing::Both].as_slice()));
    assert!(server.conn.is_over() && !server.conn.has_kept());
}

#[test]
fn a_server_that_is_full_may_answer_before_it_is_asked() {
    let mut server = End::server(&limits(&[]));
    let busy = Response { status: 503, headers: vec![("Retry-After", "3".to_owned())], body: Vec::new() };
    server.does(|conn, now, id, todo| conn.respond(now, &busy, id, todo));
    server.reads(GET.as_bytes());
    let answer = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3\r\n\
        Content-Length: 0\r\nConnection: close\r\n\r\n";
    assert_eq!((text(server.wrote()).as_str(), server.saw()), (answer, Vec::new()));
}
