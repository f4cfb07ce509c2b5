//! What a run does when the process has no descriptor left. The run lives in a child process, so that its
//! limit is its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

use peermesh_core::machine::{Input, Output};

use crate::world::{PATIENCE, World, machine};

/// Descriptors the child may have.
const DESCRIPTORS: usize = 60;

#[test]
fn f_lif_03_without_descriptors_newcomers_are_refused_and_those_inside_stay() {
    let mut child = Command::new("sh")
        .args([
            "-c",
            &format!(
                "ulimit -n {DESCRIPTORS}; exec \"$0\" --ignored --exact scarcity::the_child --nocapture"
            ),
        ])
        .arg(std::env::current_exe().unwrap())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // Kept to the end, or the child could not write its last lines.
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let addr =
        lines.by_ref().map_while(Result::ok).find_map(|line| Some(line.split_once("serving ")?.1.to_owned()));
    let addr = addr.expect("the child says where it serves");
    let connect = || {
        let stream = TcpStream::connect(&addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    };

    let mut peers: Vec<_> = (0..DESCRIPTORS + 10).map(|_| connect()).collect();
    let (mut inside, mut refused) = (Vec::new(), 0);
    for mut peer in peers.drain(..) {
        if greets(&mut peer) {
            inside.push(peer);
        } else {
            refused += 1;
        }
    }
    assert!(refused >= 10 && inside.len() > DESCRIPTORS / 2, "{refused} refused, {} inside", inside.len());
    assert!(inside.iter_mut().all(greets), "those inside are not touched");

    inside.truncate(5);
    assert!((0..100).any(|_| greets(&mut connect())), "once there is room, newcomers get in again");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
}

/// True when the peer is served, false when it is turned away.
fn greets(peer: &mut TcpStream) -> bool {
    let mut answer = [0; 1];
    peer.write_all(b"?").is_ok() && matches!(peer.read(&mut answer), Ok(1))
}

#[test]
#[ignore = "serves until its standard input ends; the test above starts it with few descriptors"]
fn the_child() {
    let world = World::of(vec![machine(|_, input, todo| {
        match input {
            Input::Opened { conn, .. } => todo.push(Output::Read { conn }),
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, .. } => {
                todo.push(Output::Close { conn, how: peermesh_core::machine::Closing::Both });
            }
            _ => {}
        }
        None
    })]);
    let mut out = std::io::stdout();
    out.write_all(format!("\nserving {}\n", world.addr).as_bytes()).unwrap();
    out.flush().unwrap();
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    let complaint = world.notes.try_iter().find(|note| note.msg == "accept failed");
    assert!(complaint.is_some(), "the operator is told");
}
