//! The limit of a durable message that comes alone: bytes come in, another thread appends them to a file and
//! syncs it, and they go out again.
//!
//! As in a broker, what reads and writes sockets is not what waits for the disk: a disk that takes long must
//! not keep others waiting. So every message wakes four threads, one after the other: the one that reads, the one
//! that syncs, the first again, and the one that called.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::event::{PollFd, PollFlags, poll};

/// Bytes read at once.
const CHUNK_BYTES: usize = 64 * 1_024;

/// Serves one connection after the other until the process ends.
pub(super) fn serve(listen: SocketAddr, dir: &Path) -> io::Result<()> {
    let listener = TcpListener::bind(listen)?;
    loop {
        let stream = listener.accept()?.0;
        // Whoever only looked whether somebody listens has gone already.
        let _ = carry(stream, tempfile::tempfile_in(dir)?);
    }
}

fn carry(mut stream: TcpStream, file: File) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut bell, ring) = UnixStream::pair()?;
    let ((asks, asked), (answers, answered)) = (channel(), channel());
    let syncs = thread::spawn(move || keep(file, &asked, &answers, ring));
    let mut chunk = vec![0; CHUNK_BYTES];
    loop {
        let mut ready = [PollFd::new(&stream, PollFlags::IN), PollFd::new(&bell, PollFlags::IN)];
        poll(&mut ready, None)?;
        let [can_read, is_kept] = ready.map(|fd| !fd.revents().is_empty());
        if is_kept {
            let _ = bell.read(&mut [0; 64])?;
            for bytes in answered.try_iter() {
                let bytes: Vec<u8> = bytes;
                stream.write_all(&bytes)?;
            }
        }
        if can_read {
            match stream.read(&mut chunk)? {
                0 => break,
                length => asks.send(chunk[..length].to_vec()).map_err(io::Error::other)?,
            }
        }
    }
    drop(asks);
    syncs.join().map_err(|_| io::Error::other("the thread that syncs panicked"))?
}

/// Appends and syncs what comes, and gives it back.
fn keep(
    mut file: File,
    asked: &Receiver<Vec<u8>>,
    answers: &Sender<Vec<u8>>,
    mut ring: UnixStream,
) -> io::Result<()> {
    while let Ok(bytes) = asked.recv() {
        file.write_all(&bytes)?;
        file.sync_data()?;
        if answers.send(bytes).is_err() {
            return Ok(());
        }
        ring.write_all(b"!")?;
    }
    Ok(())
}
