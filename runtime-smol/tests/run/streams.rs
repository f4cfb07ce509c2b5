//! Streams: grants, credit, order of bytes, and every way a stream can end.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::machine::{
    Cause, Closing, Deadline, Ending, Envelope, Input, Machine, Output, Outputs, Parcel, Payload,
};
use peermesh_core::stats::Stats;

use crate::world::{PATIENCE, World, machine, rest};

/// Writes, then reads exactly as many bytes as are expected back.
fn ask(stream: &mut TcpStream, question: &[u8], answer_len: usize) -> Vec<u8> {
    stream.write_all(question).unwrap();
    let mut answer = vec![0; answer_len];
    stream.read_exact(&mut answer).unwrap();
    answer
}

/// Sends everything back; ends its side when the peer does.
fn echo() -> Box<dyn Machine + Send> {
    machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Adopted { conn, parcel } => {
                assert_eq!(parcel.open(), Some("from the lobby"));
                todo.push(Output::Read { conn });
            }
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, how: Ending::Finished } => {
                todo.push(Output::Close { conn, how: Closing::Write });
                todo.push(Output::Close { conn, how: Closing::Both });
            }
            _ => {}
        }
        None
    })
}

#[test]
fn what_many_connections_say_comes_back_to_each() {
    let world = World::of(vec![echo()]);
    let mut peers: Vec<_> = (0..200).map(|_| world.connect()).collect();
    for round in 0..5_u8 {
        for (place, peer) in peers.iter_mut().enumerate() {
            let said = format!("round {round} of peer {place}");
            assert_eq!(ask(peer, said.as_bytes(), said.len()), said.as_bytes());
        }
    }
    for mut peer in peers {
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut peer), b"");
    }
}

#[test]
fn nothing_is_read_without_a_grant() {
    let (tell, told) = mpsc::channel();
    let mut opened = None;
    let world = World::of(vec![machine(move |now, input, todo| match input {
        Input::Opened { conn, .. } => {
            opened = Some(conn);
            Some(Deadline { at: now.mono.after_millis(50), cause: Cause::Silence })
        }
        Input::Wake => {
            if let Some(conn) = opened {
                tell.send("granted").unwrap();
                todo.push(Output::Read { conn });
            }
            None
        }
        Input::Received { bytes, .. } => {
            assert_eq!(bytes, b"hello");
            tell.send("received").unwrap();
            None
        }
        _ => None,
    })]);
    let mut peer = world.connect();
    peer.write_all(b"hello").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok("granted"));
    assert_eq!(told.recv_timeout(PATIENCE), Ok("received"));
    // That grant is used up: more bytes are nobody's business.
    peer.write_all(b"again").unwrap();
    assert!(told.recv_timeout(Duration::from_millis(100)).is_err());
}

#[test]
fn a_peer_that_half_closes_is_told_once_and_still_gets_its_answer() {
    let (tell, told) = mpsc::channel();
    let world = World::of(vec![machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, .. } => todo.push(Output::Read { conn }),
            Input::Closed { conn, how } => {
                tell.send(how).unwrap();
                todo.push(Output::Read { conn });
                todo.send_copy(conn, b"bye");
                todo.push(Output::Close { conn, how: Closing::Write });
            }
            _ => {}
        }
        None
    })]);
    let mut peer = world.connect();
    peer.write_all(b"that is all").unwrap();
    peer.shutdown(Shutdown::Write).unwrap();
    assert_eq!(rest(&mut peer), b"bye");
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ending::Finished));
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn after_our_half_close_the_peer_is_still_read() {
    let (tell, told) = mpsc::channel();
    let world = World::of(vec![machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, .. } => {
                todo.send_copy(conn, b"so long");
                todo.push(Output::Close { conn, how: Closing::Write });
                todo.push(Output::Read { conn });
            }
            Input::Received { bytes, .. } => tell.send(bytes.to_vec()).unwrap(),
            _ => {}
        }
        None
    })]);
    let mut peer = world.connect();
    assert_eq!(rest(&mut peer), b"so long");
    peer.write_all(b"and thanks").unwrap();
    assert_eq!(told.recv_timeout(PATIENCE), Ok(b"and thanks".to_vec()));
}

#[test]
fn a_connection_that_breaks_is_reported_and_forgotten() {
    let (tell, told) = mpsc::channel();
    let world = World::of(vec![machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, .. } => {
                todo.send_copy(conn, b"unread by the peer");
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, how } => {
                tell.send(how).unwrap();
                // All of these name a connection that is gone.
                todo.push(Output::Read { conn });
                todo.send_copy(conn, b"?");
                todo.push(Output::Close { conn, how: Closing::Write });
                todo.push(Output::Close { conn, how: Closing::Both });
                todo.push(Output::Handoff { conn, to: ShardId(0), parcel: Parcel::new(()) });
            }
            _ => {}
        }
        None
    })]);
    let peer = world.connect();
    thread::sleep(Duration::from_millis(20));
    // Bytes that were not read make the kernel reset the connection instead of ending it.
    drop(peer);
    assert_eq!(told.recv_timeout(PATIENCE), Ok(Ending::Broken));
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

#[test]
fn a_closed_connection_is_dropped_without_a_word_to_the_machine() {
    let (tell, told) = mpsc::channel();
    let world = World::of(vec![machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, .. } => {
                todo.push(Output::Read { conn });
                todo.send_copy(conn, b"last words");
                todo.push(Output::Close { conn, how: Closing::Both });
            }
            Input::Closed { how, .. } => tell.send(how).unwrap(),
            _ => {}
        }
        None
    })]);
    assert_eq!(rest(&mut world.connect()), b"last words");
    assert!(told.recv_timeout(Duration::from_millis(50)).is_err());
}

/// Sends `left` bytes to each peer that connects, at most `window` of them unsent, half of them as shared
/// payloads.
fn torrent(left: usize, window: usize) -> Box<dyn Machine + Send> {
    const STEP: usize = 10_000;
    let shared: Bytes = (0..STEP).map(byte).collect();
    let mut flows: HashMap<ConnId, (usize, usize)> = HashMap::new();
    machine(move |_, input, todo| {
        let (conn, back) = match input {
            Input::Opened { conn, .. } => (conn, 0),
            Input::Sent { conn, bytes } => (conn, bytes),
            _ => return None,
        };
        let (at, credit) = flows.entry(conn).or_insert((0, window));
        *credit += back;
        assert!(*credit <= window, "more was reported as sent than was given to send");
        while *credit >= STEP && *at < left {
            *credit -= STEP;
            *at += STEP;
            if (*at / STEP).is_multiple_of(2) {
                todo.push(Output::Send { conn, bytes: Payload::Shared(shared.clone()) });
            } else {
                todo.send_copy(conn, &shared);
            }
        }
        if *at >= left && *credit == window {
            todo.push(Output::Close { conn, how: Closing::Both });
        }
        None
    })
}

fn byte(place: usize) -> u8 {
    u8::try_from(place % 251).unwrap_or_default()
}

#[test]
fn a_slow_reader_gets_every_byte_in_order_and_write_credit_comes_back_exactly() {
    const TOTAL: usize = 6_000_000;
    let world = World::of(vec![torrent(TOTAL, 60_000)]);
    let mut peer = world.connect();
    let (mut got, mut buffer) = (0, vec![0; 50_000]);
    loop {
        let read = peer.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        assert!(buffer[..read].iter().enumerate().all(|(at, &found)| found == byte((got + at) % 10_000)));
        got += read;
        if got < 500_000 {
            thread::sleep(Duration::from_millis(2));
        }
    }
    assert_eq!(got, TOTAL);
}

#[test]
fn f_net_03_peers_that_never_read_keep_nobody_waiting() {
    /// More than the kernel takes for a peer that does not read.
    const WINDOW: usize = 16_000_000;
    let flood = Bytes::from(vec![b'x'; WINDOW]);
    let world = World::of(vec![machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } => {
                if bytes == b"flood" {
                    todo.push(Output::Send { conn, bytes: Payload::Shared(flood.clone()) });
                } else {
                    todo.send_copy(conn, bytes);
                }
                todo.push(Output::Read { conn });
            }
            _ => {}
        }
        None
    })]);
    let mut deaf: Vec<_> = (0..20).map(|_| world.connect()).collect();
    for peer in &mut deaf {
        peer.write_all(b"flood").unwrap();
    }
    let mut peer = world.connect();
    for _ in 0..100 {
        assert_eq!(ask(&mut peer, b"still there?", 12), b"still there?");
    }
    // A peer that listens again gets all of it, and is heard all the while.
    deaf[0].write_all(b"and this").unwrap();
    let mut flood = vec![0; WINDOW + 8];
    deaf[0].read_exact(&mut flood).unwrap();
    assert!(flood.ends_with(b"xand this"));
}

#[test]
fn a_connection_that_moves_with_every_chunk_loses_and_reorders_nothing() {
    const SHARDS: u16 = 3;
    const TOTAL: usize = 2_000_000;
    let hopping = |own: u16| {
        let next = ShardId((own + 1) % SHARDS);
        machine(move |_, input, todo| {
            match input {
                Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
                Input::Received { conn, bytes } => {
                    todo.send_copy(conn, bytes);
                    // The grant goes along, and so does what is not written yet.
                    todo.push(Output::Read { conn });
                    todo.push(Output::Handoff { conn, to: next, parcel: Parcel::new(()) });
                }
                _ => {}
            }
            None
        })
    };
    let world = World::of((0..SHARDS).map(hopping).collect());
    let mut peer = world.connect();
    let mut speaking = peer.try_clone().unwrap();
    let said: Vec<u8> = (0..TOTAL).map(byte).collect();
    let speaker = thread::spawn(move || {
        for piece in said.chunks(10_007) {
            speaking.write_all(piece).unwrap();
        }
    });
    let mut heard = vec![0; TOTAL];
    peer.read_exact(&mut heard).unwrap();
    speaker.join().unwrap();
    assert!(heard.iter().enumerate().all(|(at, &found)| found == byte(at)));
}

#[test]
fn a_connection_moves_to_another_shard_and_goes_on_there() {
    let lobby = machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                let parcel = Parcel::new("from the lobby");
                todo.push(Output::Handoff { conn, to: ShardId(1), parcel });
            }
            _ => {}
        }
        None
    });
    let world = World::of(vec![lobby, echo()]);
    let mut peers: Vec<_> = (0..20).map(|_| world.connect()).collect();
    for said in [&b"in the lobby"[..], b"in the room", b"still in the room"] {
        for peer in &mut peers {
            assert_eq!(ask(peer, said, said.len()), said);
        }
    }
    for mut peer in peers {
        peer.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(&mut peer), b"");
    }
}

#[test]
fn what_a_shard_says_to_another_arrives_with_its_name() {
    let asking = machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => {
                todo.push(Output::Relay { to: ShardId(1), envelope: Envelope::new(conn) });
            }
            Input::Relayed { from: ShardId(1), envelope } => {
                let (conn, words) = envelope.open::<(ConnId, &str)>().unwrap();
                todo.send_copy(conn, words.as_bytes());
                todo.push(Output::Close { conn, how: Closing::Both });
            }
            _ => {}
        }
        None
    });
    let asked = machine(|_, input, todo| {
        if let Input::Relayed { from, envelope } = input {
            let conn: ConnId = envelope.open().unwrap();
            todo.push(Output::Relay { to: from, envelope: Envelope::new((conn, "from next door")) });
        }
        None
    });
    let world = World::of(vec![asking, asked]);
    assert_eq!(rest(&mut world.connect()), b"from next door");
}

#[test]
fn the_metrics_page_is_made_of_one_snapshot_for_each_shard() {
    let page = machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => {
                todo.push(Output::Stats(Box::<Stats>::default()));
                todo.push(Output::Scrape { conn, openmetrics: true });
            }
            Input::Scraped { conn, page } => {
                todo.push(Output::Send { conn, bytes: Payload::Shared(page) });
                todo.push(Output::Close { conn, how: Closing::Both });
            }
            _ => {}
        }
        None
    });
    let world = World::of(vec![page, echo()]);
    assert_eq!(rest(&mut world.connect()), b"2 true");
}

#[test]
fn connections_are_served_while_a_machine_pages_through_long_work() {
    let mut pages = 0_u64;
    let world = World::of(vec![machine(move |now, input, todo: &mut Outputs| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Wake => pages += 1,
            _ => {}
        }
        (pages < 3_000_000).then_some(Deadline { at: now.mono, cause: Cause::Continue })
    })]);
    let mut peer = world.connect();
    for _ in 0..10 {
        assert_eq!(ask(&mut peer, b"still there?", 12), b"still there?");
    }
}
