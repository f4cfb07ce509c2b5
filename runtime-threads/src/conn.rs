//! One connection at the edge: its thread, its read grant, its unwritten bytes.
//!
//! *Always holds:* nothing is read without a grant. No write waits: what the kernel does not take at once is
//! left to the one thread that watches for room. An idle connection holds no bytes: chunks are read into the
//! shard's scratch, and an emptied write buffer goes back to the shard's spares.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, PipeReader, PipeWriter, Read, Write};
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use bytes::{Buf, Bytes};
use peermesh_core::ids::{ConnId, ShardId};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendFlags, recv, send, sendmsg};

use crate::shard::{Shard, Shards, at_home};
use crate::stream::Stream;

/// Shared payloads from this size on are queued by reference; below it a copy costs less than another slice.
const SHARE_FROM_BYTES: usize = 512;
/// Slices of one write. More pieces than this wait only for peers that do not keep up.
const SLICES_MAX: usize = 64;
/// Room for so many shared payloads stays with a connection that has written everything.
const PIECES_KEPT: usize = 8;
/// A larger write buffer is given back to the allocator as soon as it is empty.
const SPARE_BYTES_MAX: usize = 16 * 1_024;
/// Emptied write buffers kept for the next connection that has something to say.
const SPARES_MAX: usize = 64;
/// Between two tries to wait for room.
const PAUSE: Duration = Duration::from_millis(10);

/// The thread of a connection: lets the shard that the connection belongs to read, whenever something can be
/// read (and may be).
pub(crate) fn carry(link: &Arc<Link>, shards: &Shards) {
    while link.await_grant() {
        // An error is told only once; bytes are found again by the shard.
        let ready = link.stream.peek();
        let goes_on = at_home(shards, link, |shard| match ready {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                shard.lose(link.id);
                false
            }
            Ok(_) | Err(_) => shard.receive(link),
        });
        if !goes_on {
            return;
        }
    }
}

/// What a connection's thread and its shard share.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: ConnId,
    pub(crate) stream: Stream,
    /// The shard it belongs to. Changed only under that shard's lock.
    home: AtomicU16,
    /// The kernel took no more bytes, and its shard will be told when it does.
    watched: AtomicBool,
    gate: Mutex<Gate>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Gate {
    /// The machine granted one more chunk.
    granted: bool,
    /// No shard has the connection any more.
    over: bool,
}

impl Link {
    pub(crate) fn new(id: ConnId, stream: Stream) -> Link {
        let (home, watched) = (AtomicU16::new(0), AtomicBool::new(false));
        Link { id, stream, home, watched, gate: Mutex::default(), moved: Condvar::new() }
    }

    pub(crate) fn home(&self) -> ShardId {
        ShardId(self.home.load(Ordering::Acquire))
    }

    pub(crate) fn move_to(&self, home: ShardId) {
        self.home.store(home.0, Ordering::Release);
    }

    /// Lets the thread read one chunk.
    pub(crate) fn grant(&self) {
        let was_granted = std::mem::replace(&mut self.gate().granted, true);
        if !was_granted {
            self.moved.notify_one();
        }
    }

    /// The grant is used up.
    pub(crate) fn spend(&self) {
        self.gate().granted = false;
    }

    /// Waits until there is a grant; false when there will be none.
    fn await_grant(&self) -> bool {
        let mut gate = self.gate();
        while !gate.granted && !gate.over {
            gate = self.moved.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        !gate.over
    }

    fn end(&self) {
        self.gate().over = true;
        self.moved.notify_one();
        // A thread that reads would otherwise go on until the peer says something.
        let _ = self.stream.shutdown(Shutdown::Both);
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a stream, and its thread, when it is dropped.
#[derive(Debug)]
pub(crate) struct Hold(pub(crate) Arc<Link>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// What a shard knows of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    /// Dropped with the connection, which ends the thread.
    hold: Hold,
    pub(crate) unwritten: Unwritten,
    /// It stands in the shard's list of connections to write.
    pub(crate) dirty: bool,
    /// Bytes wait because the kernel took no more.
    pub(crate) blocked: bool,
    /// The peer's side ended: there is nothing to read any more.
    pub(crate) ended: bool,
    /// Our side ends once everything is written.
    pub(crate) closing: bool,
}

impl Conn {
    pub(crate) fn new(parts: Parts) -> Conn {
        Conn {
            dirty: false,
            blocked: parts.hold.0.watched.load(Ordering::Acquire),
            hold: parts.hold,
            unwritten: parts.unwritten,
            ended: parts.ended,
            closing: parts.closing,
        }
    }

    pub(crate) fn link(&self) -> &Arc<Link> {
        &self.hold.0
    }

    /// Writes what the kernel takes at once; says how many bytes that were.
    pub(crate) fn flush(&mut self, spares: &mut Spares, watch: &Watch) -> io::Result<usize> {
        let mut stream = Hasty(&self.hold.0.stream);
        let mut written = 0;
        while !self.unwritten.is_empty() && !self.blocked {
            match self.unwritten.write(&mut stream) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.blocked = true;
                    watch.add(&self.hold.0);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.unwritten.is_empty() {
            spares.keep(std::mem::take(&mut self.unwritten.tail));
            // A burst must not hold its memory for ever.
            self.unwritten.pieces.shrink_to(PIECES_KEPT);
            if self.closing {
                self.closing = false;
                stream.0.shutdown(Shutdown::Write)?;
            }
        }
        Ok(written)
    }

    /// Takes it apart for its way to another shard.
    pub(crate) fn into_parts(self) -> Parts {
        Parts { hold: self.hold, unwritten: self.unwritten, ended: self.ended, closing: self.closing }
    }
}

/// A connection on its way to a shard.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) hold: Hold,
    pub(crate) unwritten: Unwritten,
    pub(crate) ended: bool,
    pub(crate) closing: bool,
}

/// A stream that never waits, though others may wait for what it brings.
pub(crate) struct Hasty<'a>(pub(crate) &'a Stream);

impl Read for Hasty<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, bytes, RecvFlags::DONTWAIT)?.0)
    }
}

impl Write for Hasty<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL)?)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        Ok(sendmsg(self.0, slices, &mut SendAncillaryBuffer::default(), flags)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where shards leave connections that the kernel took no more bytes of. When it is gone, its thread ends.
#[derive(Debug)]
pub(crate) struct Watch {
    blocked: Blocked,
    bell: PipeWriter,
}

type Blocked = Arc<Mutex<Vec<Arc<Link>>>>;

impl Watch {
    /// A watch, and what its thread hears.
    pub(crate) fn open() -> io::Result<(Watch, PipeReader)> {
        let (heard, bell) = io::pipe()?;
        Ok((Watch { blocked: Blocked::default(), bell }, heard))
    }

    /// The work of its thread: tells the shard of each connection when the kernel takes bytes of it again.
    pub(crate) fn work(&self, heard: PipeReader, shards: Weak<[Mutex<Shard>]>) -> impl FnOnce() + use<> {
        let blocked = Arc::clone(&self.blocked);
        move || watch(&blocked, heard, &shards)
    }

    fn add(&self, link: &Arc<Link>) {
        if link.watched.swap(true, Ordering::AcqRel) {
            return;
        }
        let mut blocked = self.blocked.lock().unwrap_or_else(PoisonError::into_inner);
        blocked.push(Arc::clone(link));
        if blocked.len() == 1 {
            // One byte at a time, so there is room; and who hears it lives as long as this.
            let _ = (&self.bell).write(&[0]);
        }
    }
}

fn watch(blocked: &Blocked, mut heard: PipeReader, shards: &Weak<[Mutex<Shard>]>) {
    let mut waiting: Vec<Arc<Link>> = Vec::new();
    loop {
        let bell = PollFd::new(&heard, PollFlags::IN);
        let streams = waiting.iter().map(|link| PollFd::new(&link.stream, PollFlags::OUT));
        let mut wanted: Vec<_> = [bell].into_iter().chain(streams).collect();
        if let Err(error) = poll(&mut wanted, None) {
            if error != Errno::INTR {
                // The kernel is short of memory.
                thread::sleep(PAUSE);
            }
            continue;
        }
        let mut ready = wanted.iter().map(|wanted| !wanted.revents().is_empty());
        let rung = ready.next().unwrap_or(false);
        let ready: Vec<bool> = ready.collect();
        let Some(shards) = shards.upgrade() else { return };
        for (link, _) in waiting.iter().zip(&ready).filter(|(_, ready)| **ready) {
            // A shard that it comes to from here on tries for itself; one that has it is told.
            link.watched.store(false, Ordering::Release);
            at_home(&shards, link, |shard| shard.writable(link.id));
        }
        let mut ready = ready.into_iter();
        waiting.retain(|_| !ready.next().unwrap_or(false));
        if rung {
            if !matches!(heard.read(&mut [0; 64]), Ok(1..)) {
                return;
            }
            waiting.append(&mut blocked.lock().unwrap_or_else(PoisonError::into_inner));
        }
    }
}

/// Bytes the kernel has not taken yet; never more than the machine's send window.
#[derive(Debug, Default)]
pub(crate) struct Unwritten {
    /// What goes out before the tail.
    pieces: VecDeque<Bytes>,
    /// Small payloads, one after the other.
    tail: Vec<u8>,
    /// Bytes of the tail that are written.
    taken: usize,
}

impl Unwritten {
    pub(crate) fn is_empty(&self) -> bool {
        self.pieces.is_empty() && self.tail.len() == self.taken
    }

    /// Appends a copy.
    pub(crate) fn copy(&mut self, bytes: &[u8], spares: &mut Spares) {
        if self.tail.capacity() == 0 {
            self.tail = spares.take();
        }
        self.tail.extend_from_slice(bytes);
    }

    /// Appends a shared payload: by reference when it is large or the peer does not keep up, else as a copy.
    pub(crate) fn share(&mut self, bytes: &Bytes, blocked: bool, spares: &mut Spares) {
        if !blocked && bytes.len() < SHARE_FROM_BYTES {
            return self.copy(bytes, spares);
        }
        if self.tail.len() > self.taken {
            let mut tail = Bytes::from(std::mem::take(&mut self.tail));
            tail.advance(std::mem::take(&mut self.taken));
            self.pieces.push_back(tail);
        }
        self.pieces.push_back(bytes.clone());
    }

    /// One write of as much as there is.
    fn write(&mut self, stream: &mut impl Write) -> io::Result<usize> {
        let tail = &self.tail[self.taken..];
        let written = if self.pieces.is_empty() {
            stream.write(tail)?
        } else {
            let mut slices = [IoSlice::new(&[]); SLICES_MAX];
            let pieces = self.pieces.iter().map(|piece| &piece[..]).chain([tail]);
            for (slice, piece) in slices.iter_mut().zip(pieces) {
                *slice = IoSlice::new(piece);
            }
            stream.write_vectored(&slices)?
        };
        if written == 0 {
            return Err(ErrorKind::WriteZero.into());
        }
        self.advance(written);
        Ok(written)
    }

    fn advance(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let step = written.min(piece.len());
            piece.advance(step);
            written -= step;
            if piece.has_remaining() {
                return;
            }
            self.pieces.pop_front();
        }
        self.taken += written;
        if self.taken == self.tail.len() {
            self.taken = 0;
            self.tail.clear();
        }
    }
}

/// Emptied write buffers.
#[derive(Debug, Default)]
pub(crate) struct Spares(Vec<Vec<u8>>);

impl Spares {
    fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_default()
    }

    fn keep(&mut self, buffer: Vec<u8>) {
        if (1..=SPARE_BYTES_MAX).contains(&buffer.capacity()) && self.0.len() < SPARES_MAX {
            self.0.push(buffer);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes a few bytes at a time, as a full kernel buffer does.
    struct Sip {
        at_once: usize,
        got: Vec<u8>,
    }

    impl Write for Sip {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let taken = bytes.len().min(self.at_once);
            self.got.extend_from_slice(&bytes[..taken]);
            Ok(taken)
        }

        fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
            let bytes = slices.iter().flat_map(|slice| slice.iter()).take(self.at_once);
            let before = self.got.len();
            self.got.extend(bytes);
            Ok(self.got.len() - before)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn copies_and_shared_payloads_keep_their_order_however_little_the_kernel_takes() {
        for at_once in [1, 3, 7, 5_000, 100_000] {
            let (mut unwritten, mut spares) = (Unwritten::default(), Spares::default());
            let mut sip = Sip { at_once, got: Vec::new() };
            let mut sent = Vec::new();
            for round in 0..40_u8 {
                let payload = Bytes::from(vec![round; usize::from(round) * 150]);
                sent.extend_from_slice(&payload);
                match round % 3 {
                    0 => unwritten.copy(&payload, &mut spares),
                    1 => unwritten.share(&payload, false, &mut spares),
                    _ => unwritten.share(&payload, true, &mut spares),
                }
                if round % 7 == 3 {
                    let _ = unwritten.write(&mut sip).unwrap();
                }
            }
            while !unwritten.is_empty() {
                let _ = unwritten.write(&mut sip).unwrap();
            }
            assert_eq!(sip.got, sent, "with {at_once} bytes at once");
        }
    }

    #[test]
    fn an_emptied_buffer_serves_the_next_connection_unless_it_grew_too_large() {
        let mut spares = Spares::default();
        spares.keep(Vec::with_capacity(100));
        assert!(spares.take().capacity() >= 100);
        spares.keep(Vec::with_capacity(SPARE_BYTES_MAX + 1));
        assert_eq!(spares.take().capacity(), 0);
    }
}
