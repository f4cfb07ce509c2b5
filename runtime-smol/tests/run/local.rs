//! The local socket: who may come in, and that it carries what any other does.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, mpsc};

use peermesh_core::machine::{Closing, Input, Listener, Memory, Order, Output};
use peermesh_core::note::Note;

use crate::runtime::{Lanes, Plan, Running, start};
use crate::world::{PATIENCE, machine};

/// Nobody in particular, by the number that most systems give to nobody.
const NOBODY: u32 = 65_534;

/// A folder of this test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("peermesh-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Greets whoever comes in, sends everything back, and tells where each came in.
fn run(socket: &Path) -> (Running, mpsc::Receiver<Listener>, mpsc::Receiver<Note>) {
    let ((tell, told), (note, notes)) = (mpsc::channel(), mpsc::channel());
    let greeting = machine(move |_, input, todo| {
        match input {
            Input::Opened { conn, listener, remote } => {
                assert!(remote.is_loopback());
                tell.send(listener).unwrap_or_default();
                todo.send_copy(conn, b"hello ");
                todo.push(Output::Read { conn });
            }
            Input::Received { conn, bytes } => {
                todo.send_copy(conn, bytes);
                todo.push(Output::Read { conn });
            }
            Input::Closed { conn, .. } => todo.push(Output::Close { conn, how: Closing::Write }),
            Input::Order(Order::Drain) => todo.push(Output::Finished),
            _ => {}
        }
        None
    });
    let running = start(Plan {
        listeners: vec![(Listener::Local, UnixListener::bind(socket).unwrap().into())],
        shards: vec![greeting],
        lanes: Lanes { writers: Vec::new(), readers: Vec::new(), health: None },
        couriers: Vec::new(),
        note: Arc::new(move |record| note.send(record).unwrap_or_default()),
        scrape: Arc::new(|_, _| bytes::Bytes::new()),
        weigh: Arc::new(|| Memory { rss: 1, heap_total: 1, heap_used: 1 }),
        fail: Arc::new(|_| ()),
        secure: None,
    });
    (running.unwrap(), told, notes)
}

#[test]
fn a_program_of_the_same_user_is_served_by_the_local_socket() {
    let folder = Folder::new("same-user");
    let socket = folder.0.join("daemon.sock");
    let (running, told, _notes) = run(&socket);
    let mut peer = UnixStream::connect(&socket).unwrap();
    peer.set_read_timeout(Some(PATIENCE)).unwrap();
    let large = vec![b'x'; 1_000_000];
    let (mut writing, said) = (peer.try_clone().unwrap(), large.clone());
    let writer = std::thread::spawn(move || {
        writing.write_all(&said).unwrap();
        writing.shutdown(std::net::Shutdown::Write).unwrap();
    });
    let mut heard = Vec::new();
    peer.read_to_end(&mut heard).unwrap();
    writer.join().unwrap();
    assert!(heard == [b"hello ".as_slice(), &large].concat(), "{} bytes came back", heard.len());
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), Listener::Local);
    running.order(Order::Drain);
    running.join();
}

#[test]
fn s_loc_01_a_program_of_another_user_is_turned_away_before_the_machine_knows_and_counted() {
    // Only the superuser can be somebody else; and only Linux tells who is at the other end.
    if !cfg!(target_os = "linux") || fs::metadata("/proc/self").is_ok_and(|about| !is_root(&about)) {
        return;
    }
    let folder = Folder::new("other-user");
    let socket = folder.0.join("daemon.sock");
    let (running, told, notes) = run(&socket);
    // Everything that otherwise keeps others out is open.
    fs::set_permissions(&folder.0, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let program = folder.0.join("stranger");
    fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for round in 1..=2_u64 {
        let stranger = Command::new(&program)
            .args(["--ignored", "--exact", "local::the_child"])
            .env("PEERMESH_TEST_SOCKET", &socket)
            .uid(NOBODY)
            .output()
            .unwrap();
        assert!(stranger.status.success(), "{}", String::from_utf8_lossy(&stranger.stdout));
        let note = notes.recv_timeout(PATIENCE).unwrap();
        assert!(note.msg.contains("another user"), "{note:?}");
        let field = |name: &str| note.fields.iter().find(|(field, _)| *field == name).cloned();
        assert_eq!(field("uid"), Some(("uid", NOBODY.into())));
        assert_eq!(field("refused"), Some(("refused", round.into())));
    }
    assert!(told.try_recv().is_err(), "the machine was told");
    running.order(Order::Drain);
    running.join();
}

fn is_root(about: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    about.uid() == 0
}

#[test]
#[ignore = "the test above runs it as another user"]
fn the_child() {
    let socket = std::env::var_os("PEERMESH_TEST_SOCKET").unwrap();
    let mut stream = UnixStream::connect(socket).unwrap();
    let mut heard = Vec::new();
    let _ = stream.read_to_end(&mut heard);
    assert_eq!(heard, b"");
}
