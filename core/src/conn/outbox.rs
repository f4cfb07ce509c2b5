//! What goes out: a window of bytes with the runtime, and a bounded queue behind it.
//!
//! *Decides* what may leave at once and what waits, and whether the peer reads too slowly.
//! *Always holds:* at most the window is out; a frame that left in part is finished before anything else; at
//! most one pong waits, and it goes ahead of whole frames.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;

use crate::config::{Limits, size};
use crate::ids::ConnId;
use crate::machine::{Output, Outputs, Payload};
use crate::time::Mono;

/// Where the bytes of one turn go.
pub(crate) struct Line<'t> {
    pub(crate) now: Mono,
    pub(crate) conn: ConnId,
    pub(crate) todo: &'t mut Outputs,
}

/// Everything of one connection that has not left for good.
#[derive(Debug)]
pub(crate) struct Outbox {
    limits: Arc<Limits>,
    /// Bytes with the runtime.
    out_bytes: usize,
    queue: VecDeque<Bytes>,
    waiting_bytes: usize,
    /// The first of the queue is the rest of a frame that left in part.
    cut: bool,
    /// The newest pong that could not leave, framed.
    pong: Option<Bytes>,
    /// When the kernel last took bytes, or there began to be some to take.
    progress: Mono,
    /// When the queue's bound was hit. What came after is lost, so the connection has to end.
    overflow: Option<Mono>,
}

impl Outbox {
    /// An empty outbox within the limits' window and bounds.
    pub(crate) fn new(limits: Arc<Limits>) -> Outbox {
        Outbox {
            limits,
            out_bytes: 0,
            queue: VecDeque::new(),
            waiting_bytes: 0,
            cut: false,
            pong: None,
            progress: Mono::START,
            overflow: None,
        }
    }

    /// Sends a frame of that length, at once or when the window has room. Over the bound of the queue the
    /// frame is dropped and the outbox overdue.
    pub(crate) fn put(&mut self, line: &mut Line<'_>, length: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        if self.overflow.is_none() {
            self.put_unbounded(line, length, encode);
            self.bound(line.now);
        }
    }

    /// Sends a frame that is shared with other connections.
    pub(crate) fn put_shared(&mut self, line: &mut Line<'_>, frame: &Bytes) {
        if self.overflow.is_none() {
            self.await_progress(line.now);
            if self.queue.is_empty() && frame.len() <= self.room() {
                self.leave(line, frame.clone());
            } else {
                self.wait(line, frame.clone());
                self.bound(line.now);
            }
        }
    }

    /// Sends the last bytes of a connection, which no bound keeps back and no pong may follow.
    pub(crate) fn put_last(&mut self, line: &mut Line<'_>, length: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        self.pong = None;
        self.put_unbounded(line, length, encode);
    }

    /// Sends a pong, or keeps the newest one until it can leave.
    pub(crate) fn put_pong(&mut self, line: &mut Line<'_>, frame: Bytes) {
        self.await_progress(line.now);
        self.pong = Some(frame);
        self.fill_window(line);
    }

    /// The kernel took bytes: what waits moves up.
    pub(crate) fn sent(&mut self, line: &mut Line<'_>, bytes: usize) {
        self.out_bytes = self.out_bytes.saturating_sub(bytes);
        if bytes > 0 {
            self.progress = line.now;
        }
        self.fill_window(line);
    }

    /// Drops what waits, but for the rest of a frame that left in part: without it nothing could follow. True
    /// when there is such a rest.
    pub(crate) fn drop_waiting(&mut self) -> bool {
        self.queue.truncate(usize::from(self.cut));
        self.waiting_bytes = self.queue.iter().map(Bytes::len).sum();
        self.pong = None;
        self.overflow = None;
        self.cut
    }

    /// True when nothing is out and nothing waits.
    pub(crate) fn is_idle(&self) -> bool {
        self.out_bytes == 0 && self.queue.is_empty() && self.pong.is_none()
    }

    /// True above the high mark: half of either bound.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting_bytes > size(self.limits.outbox_bytes_max()) / 2
            || self.queue.len() > size(self.limits.outbox_frames_max()) / 2
    }

    /// Bytes that wait outside the window.
    pub(crate) fn waiting_bytes(&self) -> usize {
        self.waiting_bytes
    }

    /// Bytes that the kernel has not taken.
    pub(crate) fn unsent_bytes(&self) -> usize {
        self.out_bytes + self.waiting_bytes
    }

    /// When the peer counts as too slow if nothing changes.
    pub(crate) fn deadline(&self) -> Option<Mono> {
        let stalled = self.progress.after_millis(self.limits.stall_ms());
        self.overflow.or(if self.is_idle() { None } else { Some(stalled) })
    }

    fn put_unbounded(&mut self, line: &mut Line<'_>, length: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        self.await_progress(line.now);
        if self.queue.is_empty() && length <= self.room() {
            self.out_bytes += length;
            line.todo.send_with(line.conn, encode);
        } else {
            let mut bytes = Vec::with_capacity(length);
            encode(&mut bytes);
            self.wait(line, bytes.into());
        }
    }

    /// The stall clock runs from the first byte that waits for the kernel.
    fn await_progress(&mut self, now: Mono) {
        if self.is_idle() {
            self.progress = now;
        }
    }

    fn wait(&mut self, line: &mut Line<'_>, frame: Bytes) {
        self.waiting_bytes += frame.len();
        self.queue.push_back(frame);
        self.fill_window(line);
    }

    /// Notices the bound of the queue. A frame that waits alone is within it, whatever its length.
    fn bound(&mut self, now: Mono) {
        let (bytes, frames) = (size(self.limits.outbox_bytes_max()), size(self.limits.outbox_frames_max()));
        if self.queue.len() > frames || self.queue.len() > 1 && self.waiting_bytes > bytes {
            let dropped = self.queue.pop_back();
            self.waiting_bytes -= dropped.map_or(0, |frame| frame.len());
            self.overflow = Some(now);
        }
    }

    fn fill_window(&mut self, line: &mut Line<'_>) {
        loop {
            let room = self.room();
            if !self.cut
                && let Some(pong) = self.pong.take()
            {
                if pong.len() > room {
                    self.pong = Some(pong);
                    return;
                }
                self.leave(line, pong);
                continue;
            }
            let Some(front) = self.queue.front_mut() else { break };
            if room == 0 {
                return;
            }
            self.cut = front.len() > room;
            let piece = if self.cut { front.split_to(room) } else { std::mem::take(front) };
            if !self.cut {
                self.queue.pop_front();
            }
            self.waiting_bytes -= piece.len();
            self.leave(line, piece);
        }
        // An idle connection holds no buffer.
        self.queue = VecDeque::new();
    }

    fn leave(&mut self, line: &mut Line<'_>, bytes: Bytes) {
        self.out_bytes += bytes.len();
        line.todo.push(Output::Send { conn: line.conn, bytes: Payload::Shared(bytes) });
    }

    fn room(&self) -> usize {
        size(self.limits.send_window_bytes()).saturating_sub(self.out_bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: usize = 1_024;

    struct Bench {
        outbox: Outbox,
        todo: Outputs,
        now: Mono,
    }

    impl Bench {
        fn new() -> Bench {
            let mut limits = Limits::default();
            limits.set("send_window_bytes", WINDOW.try_into().unwrap()).unwrap();
            limits.set("outbox_bytes_max", 65_536).unwrap();
            limits.set("outbox_frames_max", 16).unwrap();
            Bench { outbox: Outbox::new(Arc::new(limits)), todo: Outputs::new(), now: Mono::START }
        }

        fn with<R>(&mut self, act: impl FnOnce(&mut Outbox, &mut Line<'_>) -> R) -> R {
            let mut line = Line { now: self.now, conn: ConnId(1), todo: &mut self.todo };
            act(&mut self.outbox, &mut line)
        }

        fn puts(&mut self, letter: u8, length: usize) {
            self.with(|outbox, line| outbox.put(line, length, |out| out.resize(out.len() + length, letter)));
        }

        fn pongs(&mut self, letter: u8) {
            self.with(|outbox, line| outbox.put_pong(line, Bytes::from(vec![letter; 100])));
        }

        fn takes(&mut self, bytes: usize) {
            self.with(|outbox, line| outbox.sent(line, bytes));
        }

        /// What went to the runtime since the last look, as runs of letters.
        fn left(&mut self) -> Vec<(char, usize)> {
            let mut runs: Vec<(char, usize)> = Vec::new();
            for output in self.todo.list() {
                let Output::Send { bytes, .. } = output else { panic!("{output:?}") };
                for letter in self.todo.bytes(bytes).iter().map(|byte| char::from(*byte)) {
                    match runs.last_mut() {
                        Some((last, count)) if *last == letter => *count += 1,
                        _ => runs.push((letter, 1)),
                    }
                }
            }
            let spent = self.todo.take();
            self.todo.clear(spent);
            runs
        }
    }

    #[test]
    fn within_the_window_frames_leave_at_once_and_beyond_it_they_wait_in_order() {
        let mut bench = Bench::new();
        bench.puts(b'a', 1_000);
        bench.puts(b'b', 100);
        bench.puts(b'c', 10);
        assert_eq!(bench.left(), [('a', 1_000), ('b', 24)]);
        assert_eq!(bench.outbox.waiting_bytes(), 86);
        bench.takes(80);
        assert_eq!(bench.left(), [('b', 76), ('c', 4)]);
        bench.takes(1_024);
        assert_eq!(bench.left(), [('c', 6)]);
        bench.takes(6);
        assert!(bench.outbox.is_idle() && bench.outbox.queue.capacity() == 0);
    }

    #[test]
    fn a_frame_larger_than_the_window_leaves_in_pieces_and_never_more_than_the_window_is_out() {
        let mut bench = Bench::new();
        bench.puts(b'a', 70_000);
        let mut seen = 0;
        while !bench.outbox.is_idle() {
            let more: usize = bench.left().iter().map(|(_, count)| count).sum();
            assert!(bench.outbox.out_bytes <= WINDOW && more > 0);
            seen += more;
            bench.takes(more);
        }
        assert_eq!(seen, 70_000);
        assert_eq!(bench.outbox.overflow, None);
    }

    #[test]
    fn a_shared_frame_leaves_as_itself() {
        let mut bench = Bench::new();
        let frame = Bytes::from_static(b"shared");
        bench.with(|outbox, line| outbox.put_shared(line, &frame));
        let [Output::Send { bytes: Payload::Shared(bytes), .. }] = bench.todo.list() else { panic!() };
        assert_eq!(bytes.as_ptr(), frame.as_ptr());
    }

    #[test]
    fn s_frm_03_only_the_newest_pong_waits_and_it_goes_ahead_of_whole_frames() {
        let mut bench = Bench::new();
        bench.puts(b'a', 2_000);
        bench.puts(b'b', 50);
        bench.left();
        for letter in [b'1', b'2', b'3'] {
            bench.pongs(letter);
        }
        assert_eq!(bench.left(), []);
        bench.takes(WINDOW);
        assert_eq!(bench.left(), [('a', 976)]);
        bench.takes(976);
        assert_eq!(bench.left(), [('3', 100), ('b', 50)]);
    }

    #[test]
    fn s_frm_03_a_waiting_pong_never_follows_the_last_bytes() {
        let mut bench = Bench::new();
        bench.puts(b'a', 1_000);
        bench.pongs(b'1');
        bench.with(|outbox, line| outbox.put_last(line, 9, |out| out.resize(out.len() + 9, b'z')));
        bench.takes(1_009);
        assert_eq!(bench.left(), [('a', 1_000), ('z', 9)]);
        assert!(bench.outbox.is_idle());
    }

    #[test]
    fn f_net_03_a_queue_over_its_bound_in_bytes_or_frames_is_overdue_at_once() {
        let mut bench = Bench::new();
        bench.puts(b'a', WINDOW + 65_000);
        assert!(bench.outbox.is_full());
        bench.puts(b'b', 536);
        assert_eq!(bench.outbox.overflow, None);
        bench.puts(b'c', 1);
        assert_eq!(bench.outbox.deadline(), Some(bench.now));
        bench.puts(b'd', 1);
        assert_eq!(bench.outbox.waiting_bytes(), 65_536, "nothing is stored beyond the bound");

        let mut bench = Bench::new();
        bench.puts(b'a', WINDOW);
        (0..16).for_each(|_| bench.puts(b'b', 1));
        assert_eq!(bench.outbox.overflow, None);
        bench.puts(b'c', 1);
        assert_eq!(bench.outbox.deadline(), Some(bench.now));
    }

    #[test]
    fn f_net_03_the_stall_clock_starts_anew_with_every_byte_the_kernel_takes() {
        let mut bench = Bench::new();
        assert_eq!(bench.outbox.deadline(), None);
        let at = |millis: u64| Mono::START.after_millis(millis);
        bench.now = at(500);
        bench.puts(b'a', 100);
        bench.now = at(700);
        bench.puts(b'b', 100);
        assert_eq!(bench.outbox.deadline(), Some(at(10_500)));
        bench.takes(1);
        assert_eq!(bench.outbox.deadline(), Some(at(10_700)));
        bench.now = at(900);
        bench.takes(0);
        assert_eq!(bench.outbox.deadline(), Some(at(10_700)));
        bench.takes(199);
        assert_eq!(bench.outbox.deadline(), None);
    }

    #[test]
    fn what_is_dropped_leaves_the_rest_of_a_begun_frame_and_room_for_a_last_word() {
        let mut bench = Bench::new();
        bench.puts(b'a', 1_030);
        bench.puts(b'b', 60_000);
        bench.pongs(b'1');
        assert!(bench.outbox.drop_waiting());
        assert_eq!(bench.outbox.waiting_bytes(), 6);
        bench.with(|outbox, line| outbox.put_last(line, 9, |out| out.resize(out.len() + 9, b'z')));
        bench.left();
        bench.takes(WINDOW);
        assert_eq!(bench.left(), [('a', 6), ('z', 9)]);
    }
}
