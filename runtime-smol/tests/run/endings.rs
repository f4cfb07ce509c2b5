//! Endings: of our half of a stream whose peer does not read, and of a run with everybody still there.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, RecvTimeoutError};

use bytes::Bytes;
use peermesh_core::machine::{Closing, Input, Machine, Order, Output, Payload};

use crate::world::{PATIENCE, World, machine, rest};

/// More than the kernel takes for a peer that does not read.
const FLOOD_BYTES: usize = 16_000_000;
/// Connections of each manner when the run ends.
const EACH: usize = 50;

/// Answers `flood` with more than can be written, `bye` with the same and the end of our side, `mute` with
/// nothing and no further grant, and everything else with itself. It lives as long as `held`.
fn flooding(held: mpsc::Sender<()>) -> Box<dyn Machine + Send> {
    let flood = Bytes::from(vec![b'x'; FLOOD_BYTES]);
    machine(move |_, input, todo| {
        let _held = &held;
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { bytes, .. } if bytes == b"mute" => {}
            Input::Received { conn, bytes } => {
                match &*bytes {
                    b"flood" => todo.push(Output::Send { conn, bytes: Payload::Shared(flood.clone()) }),
                    b"bye" => {
                        todo.push(Output::Send { conn, bytes: Payload::Shared(flood.clone()) });
                        todo.push(Output::Close { conn, how: Closing::Write });
                    }
                    bytes => todo.send_copy(conn, bytes),
                }
                todo.push(Output::Read { conn });
            }
            Input::Order(Order::Drain) => todo.push(Output::Finished),
            _ => {}
        }
        None
    })
}

fn echoes(peer: &mut TcpStream) -> bool {
    let mut answer = [0; 5];
    peer.write_all(b"hello").and_then(|()| peer.read_exact(&mut answer)).is_ok() && &answer == b"hello"
}

#[test]
fn our_half_close_waits_for_a_peer_that_does_not_read_and_nobody_else_does() {
    let (held, _) = mpsc::channel();
    let world = World::of(vec![flooding(held)]);
    let mut deaf: Vec<_> = (0..10).map(|_| world.connect()).collect();
    for peer in &mut deaf {
        peer.write_all(b"bye").unwrap();
    }
    let mut other = world.connect();
    assert!((0..100).all(|_| echoes(&mut other)));
    // All of it comes before the end, however late somebody listens.
    for mut peer in deaf.drain(..5) {
        assert_eq!(rest(&mut peer).len(), FLOOD_BYTES);
    }
    drop(deaf);
    assert!((0..100).all(|_| echoes(&mut other)), "those who left without reading are nobody's trouble");
}

#[test]
fn a_run_ends_at_once_whatever_its_connections_are_at_and_lets_go_of_everything() {
    let (held, gone) = mpsc::channel();
    let world = World::of(vec![flooding(held)]);
    let mut peers = Vec::new();
    for said in [&b""[..], b"mute", b"flood", b"bye", b"left"] {
        for _ in 0..EACH {
            let mut peer = world.connect();
            assert!(echoes(&mut peer));
            peer.write_all(said).unwrap();
            if said == b"left" {
                peer.shutdown(Shutdown::Write).unwrap();
            }
            peers.push(peer);
        }
    }
    world.running.order(Order::Drain);
    assert!(world.running.join_within(PATIENCE));
    // Whoever still carried a connection would hold the machine.
    assert_eq!(gone.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    for mut peer in peers {
        let mut heard = Vec::new();
        // Those whose last words were not read hear a reset.
        let _ = peer.read_to_end(&mut heard);
        assert!(heard.len() < FLOOD_BYTES, "nobody waited for a peer that does not read");
    }
}
