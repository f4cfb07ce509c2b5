//! One connection at the edge: its task, its read grant, its unwritten bytes.
//!
//! *Always holds:* nothing is read without a grant. An idle connection holds no bytes: chunks are read into
//! the shard's scratch, and an emptied write buffer goes back to the shard's spares.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};
use std::net::Shutdown;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use bytes::{Buf, Bytes};
use futures_lite::future::poll_fn;
use peermesh_core::ids::ConnId;
use smol::Task;

use crate::shard::Shard;
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

/// The task of a connection: tells the shard when the stream can be read (and may be) or written (and must
/// be).
pub(crate) async fn carry(id: ConnId, link: Rc<Link>, shard: Weak<RefCell<Shard>>) {
    loop {
        let ready = poll_fn(|cx| link.poll(cx)).await;
        let Some(shard) = shard.upgrade() else { return };
        match ready {
            Ready::Read => shard.borrow_mut().receive(id, &link),
            Ready::Write => shard.borrow_mut().writable(id),
            Ready::Broken => shard.borrow_mut().lose(id),
        }
    }
}

/// What a connection's task waits for.
enum Ready {
    Read,
    Write,
    Broken,
}

/// What a connection's task and its shard share.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) stream: Arc<Async<Stream>>,
    /// The machine granted one more chunk.
    granted: Cell<bool>,
    /// The last chunk filled the scratch, so there is more for sure: read before asking the reactor.
    pub(crate) filled: Cell<bool>,
    /// Bytes wait because the kernel took no more.
    blocked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Link {
    pub(crate) fn new(stream: Arc<Async<Stream>>, granted: bool) -> Link {
        Link {
            stream,
            granted: Cell::new(granted),
            filled: Cell::new(false),
            blocked: Cell::new(false),
            waker: RefCell::new(None),
        }
    }

    pub(crate) fn is_granted(&self) -> bool {
        self.granted.get()
    }

    /// Lets the task read one chunk.
    pub(crate) fn grant(&self) {
        if !self.granted.replace(true) {
            self.wake();
        }
    }

    /// The grant is used up.
    pub(crate) fn spend(&self) {
        self.granted.set(false);
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked.get()
    }

    /// Lets the task wait until the kernel takes bytes again.
    pub(crate) fn block(&self) {
        if !self.blocked.replace(true) {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(waker) = self.waker.borrow().as_ref() {
            waker.wake_by_ref();
        }
    }

    fn poll(&self, cx: &mut Context<'_>) -> Poll<Ready> {
        if self.blocked.get()
            && let Poll::Ready(ready) = self.stream.poll_writable(cx)
        {
            self.blocked.set(false);
            return Poll::Ready(if ready.is_ok() { Ready::Write } else { Ready::Broken });
        }
        if self.granted.get() {
            if self.filled.replace(false) {
                return Poll::Ready(Ready::Read);
            }
            if let Poll::Ready(ready) = self.stream.poll_readable(cx) {
                return Poll::Ready(if ready.is_ok() { Ready::Read } else { Ready::Broken });
            }
        }
        let mut waker = self.waker.borrow_mut();
        if waker.as_ref().is_none_or(|waker| !waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        Poll::Pending
    }
}

/// What a shard knows of a connection.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(crate) link: Rc<Link>,
    pub(crate) unwritten: Unwritten,
    /// It stands in the shard's list of connections to write.
    pub(crate) dirty: bool,
    /// The peer's side ended: there is nothing to read any more.
    pub(crate) ended: bool,
    /// Our side ends once everything is written.
    pub(crate) closing: bool,
    /// Dropped with the connection, which ends the task.
    _task: Task<()>,
}

impl Conn {
    pub(crate) fn new(parts: Parts, link: Rc<Link>, task: Task<()>) -> Conn {
        Conn {
            link,
            dirty: false,
            unwritten: parts.unwritten,
            ended: parts.ended,
            closing: parts.closing,
            _task: task,
        }
    }

    /// Writes what the kernel takes at once; says how many bytes that were.
    pub(crate) fn flush(&mut self, spares: &mut Spares) -> io::Result<usize> {
        let mut stream = self.link.stream.get_ref();
        let mut written = 0;
        while !self.unwritten.is_empty() && !self.link.is_blocked() {
            match self.unwritten.write(&mut stream) {
                Ok(bytes) => written += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.link.block(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        if self.unwritten.is_empty() {
            spares.keep(std::mem::take(&mut self.unwritten.tail));
            // A burst must not hold its memory for ever.
            self.unwritten.pieces.shrink_to(PIECES_KEPT);
            if self.closing {
                self.closing = false;
                stream.shutdown(Shutdown::Write)?;
            }
        }
        Ok(written)
    }

    /// Takes it apart for its way to another shard.
    pub(crate) fn into_parts(self, id: ConnId) -> Parts {
        Parts {
            id,
            stream: Arc::clone(&self.link.stream),
            granted: self.link.is_granted(),
            unwritten: self.unwritten,
            ended: self.ended,
            closing: self.closing,
        }
    }
}

/// A connection without its task, fit to change threads.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) id: ConnId,
    pub(crate) stream: Arc<Async<Stream>>,
    pub(crate) granted: bool,
    pub(crate) unwritten: Unwritten,
    pub(crate) ended: bool,
    pub(crate) closing: bool,
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
            return Err(io::ErrorKind::WriteZero.into());
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
