//! A server and a client of ours, talking.

use peermesh_core::conn::{Chunk, Connection, Event, Lapse, Text, frame_text};
use peermesh_core::fault::Fault;
use peermesh_core::ids::ConnId;
use peermesh_core::machine::{Closing, Outputs};
use peermesh_core::time::Mono;

use super::end::{End, UPGRADE, brief, carry, frame, limits, ms};

fn couple(piece: usize) -> (End, End) {
    let limits = limits(&[]);
    let (mut client, mut server) = (End::client(&limits), End::server(&limits));
    carry(&mut client, &mut server, piece);
    assert_eq!(server.saw(), ["request GET /ws"]);
    assert_eq!(client.saw(), ["upgraded"]);
    server.does(|conn, now, _, _| conn.start_keepalive(now));
    (client, server)
}

#[test]
fn a_client_and_a_server_meet_and_talk_both_ways_however_the_wire_cuts() {
    for piece in [1, 2, 7, 100, usize::MAX] {
        let (mut client, mut server) = couple(piece);
        let long = "ö".repeat(20_000);
        for text in ["hello", "", &long] {
            client.sends(text);
            server.sends(text);
        }
        carry(&mut client, &mut server, piece);
        let all = ["hello", "", &long].map(|text| format!("message {}", brief(text)));
        assert_eq!((client.saw(), server.saw()), (all.to_vec(), all.to_vec()), "pieces of {piece}");
    }
}

#[test]
fn a_shared_frame_reads_like_one_of_its_own() {
    let (mut client, mut server) = couple(usize::MAX);
    let shared = frame_text("for all of you".as_bytes());
    server.does(|conn, now, id, todo| conn.send_shared(now, &shared, id, todo));
    carry(&mut client, &mut server, usize::MAX);
    assert_eq!(client.saw(), ["message for all of you"]);
}

#[test]
fn a_client_masks_every_frame_with_another_mask() {
    let (mut client, _server) = couple(usize::MAX);
    client.sends("same");
    let first = client.wrote();
    client.sends("same");
    assert_ne!(first, client.wrote());
}

#[test]
fn pings_are_answered_and_pongs_come_back_with_their_payload() {
    let (mut client, mut server) = couple(3);
    server.does(|conn, now, id, todo| conn.ping(now, b"are you there?", id, todo));
    server.does(|conn, now, id, todo| conn.ping(now, &[b'x'; 200], id, todo));
    carry(&mut client, &mut server, 3);
    assert_eq!(server.saw(), ["pong are you there?".to_owned(), format!("pong {}", "x".repeat(125))]);
    assert!(client.saw().is_empty());
}

#[test]
fn a_message_in_one_frame_of_the_chunk_is_lent_from_the_chunk() {
    let limits = limits(&[]);
    let (mut conn, mut todo) = (Connection::server(&limits), Outputs::new());
    let mut bytes =
        [UPGRADE.as_bytes(), &frame(0x81, b"one"), &frame(0x82, b"two"), &frame(0x81, b"three")].concat();
    let last = bytes.pop();
    let place = bytes.as_ptr_range();
    let mut chunk = Chunk::new(&mut bytes);
    let id = ConnId(1);
    let Some(Event::Request(request)) = conn.next(Mono::START, &mut chunk, id, &mut todo) else { panic!() };
    conn.accept(Mono::START, &request.upgrade.unwrap().accept, id, &mut todo);
    for expected in ["one", "two"] {
        let Some(Event::Message(Text::Lent(text))) = conn.next(Mono::START, &mut chunk, id, &mut todo) else {
            panic!("{expected} is not lent");
        };
        assert_eq!(text, expected);
        assert!(place.contains(&text.as_ptr()));
    }
    assert!(conn.next(Mono::START, &mut chunk, id, &mut todo).is_none());
    assert!(conn.has_kept());
    let mut rest = [last.unwrap()];
    let Some(Event::Message(Text::Kept(text))) =
        conn.next(Mono::START, &mut Chunk::new(&mut rest), id, &mut todo)
    else {
        panic!()
    };
    assert_eq!(text, "three");
    assert!(!conn.has_kept());
}

#[test]
fn an_owner_can_stop_at_any_message_and_go_on_later() {
    let limits = limits(&[]);
    let mut end = End::open(&limits);
    let bytes: Vec<u8> = (0..5).flat_map(|n| frame(0x81, format!("{n}").as_bytes())).collect();
    let (mut front, back) = (bytes[..24].to_vec(), &bytes[24..]);
    let mut first = String::new();
    end.does(|conn, now, id, todo| {
        let mut chunk = Chunk::new(&mut front);
        if let Some(Event::Message(text)) = conn.next(now, &mut chunk, id, todo) {
            first = text.to_string();
        }
        conn.keep(chunk);
        assert!(conn.has_kept());
        conn.keep(Chunk::new(&mut back.to_vec()));
    });
    assert_eq!(first, "0");
    end.reads(&[]);
    assert_eq!(end.saw(), ["message 1", "message 2", "message 3", "message 4"]);
    assert!(!end.conn.has_kept());
}

#[test]
fn a_client_takes_a_refusal_for_what_it_is() {
    for (answer, expected) in [
        ("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nnot found", "declined 404"),
        ("HTTP/1.1 503 Service Unavailable\r\n\r\n", "declined 503"),
        ("HTTP/1.1 101 Switching Protocols\r\n\r\n", "broken ProtocolError"),
        ("HTTP/1.1 200 OK\n\n", "broken ProtocolError"),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", "broken ProtocolError"),
    ] {
        let mut client = End::client(&limits(&[]));
        client.reads(answer.as_bytes());
        assert_eq!(client.saw(), [expected], "{answer}");
        client.sends("nobody listens");
        assert!(client.wrote().ends_with(b"\r\n\r\n"), "only the request was written");
        client.loses_the_peer();
        assert!(client.conn.is_over());
    }
}

#[test]
fn s_frm_05_a_client_refuses_masked_frames() {
    let (mut client, _server) = couple(usize::MAX);
    client.reads(&frame(0x81, b"masked"));
    assert_eq!(client.saw(), ["broken ProtocolError"]);
}

#[test]
fn keepalive_pings_a_living_peer_and_gives_up_on_a_dead_one() {
    let (mut client, mut server) = couple(usize::MAX);
    for round in 1..=10 {
        assert_eq!(server.waits_until(ms(round * 30_000)), None);
        carry(&mut client, &mut server, 1);
        assert_eq!(server.saw(), ["pong "]);
        assert_eq!(server.conn.last_pong(), ms(round * 30_000));
    }
    assert_eq!(server.waits_until(ms(900_000)), Some(Lapse::Dead));
    assert_eq!(server.now, ms(300_000 + 75_000));
    server.does(|conn, _, id, todo| conn.abort(id, todo));
    assert_eq!(server.ended, [Closing::Both]);
    assert!(server.conn.is_over());
}

#[test]
fn an_idle_connection_is_small_and_wants_no_more_than_its_next_ping() {
    assert!(size_of::<Connection>() < 512, "{} bytes", size_of::<Connection>());
    let (client, server) = couple(5);
    for end in [&client, &server] {
        assert_eq!((end.conn.has_kept(), end.conn.waiting_bytes()), (false, 0));
    }
    assert_eq!((client.conn.deadline(), server.conn.deadline()), (None, Some(ms(30_000))));
}

#[test]
fn closing_is_said_once_and_both_sides_end() {
    let (mut client, mut server) = couple(1);
    server.does(|conn, now, id, todo| conn.close(now, Fault::SessionReplaced, id, todo));
    server.does(|conn, now, id, todo| conn.close(now, Fault::Banned, id, todo));
    server.sends("too late");
    assert!(!server.conn.is_open());
    carry(&mut client, &mut server, 1);
    assert_eq!(client.saw(), ["goodbye 1000 session_replaced"]);
    assert_eq!((server.saw(), &server.ended), (Vec::new(), &vec![Closing::Write]));
    assert_eq!(client.ended, [Closing::Write]);
    for end in [&mut client, &mut server] {
        end.loses_the_peer();
        assert!(end.conn.is_over());
        assert_eq!(end.ended, [Closing::Write, Closing::Both]);
    }
}
