//! A shard's machine with its scribe: writes down what it is told before it is told it, and begins it anew
//! when another recording shall begin.
//!
//! To begin anew, the machine drains as for the end of the process: it finishes what is in flight, says
//! goodbye, gives up what is its own. Once all shards have, fresh machines take their places. Answers to
//! requests of earlier machines are kept from them.

use std::cell::Cell;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use peermesh_core::broker::Broker;
use peermesh_core::journal::Scribe;
use peermesh_core::machine::{Cause, Closing, Deadline, Input, Machine, Order, Output, Outputs};
use peermesh_core::stats::Gauge;
use peermesh_core::time::Now;

use super::reel::{BLOCK_BYTES, Reel, Word, locked};

/// How often a shard that has finished looks whether the others have, in milliseconds.
const LOOK_MS: u64 = 5;

thread_local! {
    /// The shard whose machine this thread is in.
    static WITHIN: Cell<Option<usize>> = const { Cell::new(None) };
}

/// A shard's machine with its scribe.
pub(super) struct Recorded {
    shard: usize,
    machine: Broker,
    scribe: Arc<Mutex<Scribe>>,
    reel: Arc<Reel>,
    /// The recording this machine belongs to.
    take: u64,
    phase: Phase,
    is_recording: bool,
    /// The process is to end.
    is_stopping: bool,
    /// Tickets up to this one are an earlier machine's.
    earlier: u64,
    /// The highest ticket so far.
    latest: u64,
    deadline: Option<Deadline>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Serving,
    /// The machine drains, so that another can take its place.
    Renewing,
    /// It has; the other shards have not yet.
    Waiting,
}

impl Recorded {
    pub(super) fn new(shard: usize, machine: Broker, reel: Arc<Reel>) -> Recorded {
        Recorded {
            shard,
            machine,
            scribe: Arc::clone(&reel.scribes[shard]),
            take: reel.take.load(Ordering::Acquire),
            phase: Phase::Serving,
            is_recording: !reel.is_over.load(Ordering::Relaxed),
            is_stopping: false,
            earlier: 0,
            latest: 0,
            deadline: None,
            reel,
        }
    }

    /// Lets the machine live one turn, and writes it down.
    fn live(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) {
        let earlier = todo.list().len();
        if self.is_recording && self.reel.is_over.load(Ordering::Relaxed) {
            self.is_recording = false;
        }
        if self.is_recording {
            let mut scribe = locked(&self.scribe);
            if let Input::Adopted { conn, .. } = &input
                && let Some(stream) = self.reel.arrival(*conn)
            {
                scribe.arrives(*conn, stream);
            }
            scribe.told(now, &input);
        }
        WITHIN.set(Some(self.shard));
        self.deadline = self.machine.handle(now, input, todo);
        WITHIN.set(None);
        if self.is_recording {
            let mut scribe = locked(&self.scribe);
            scribe.said(todo, earlier, self.deadline);
            self.reel.departs(scribe.departed());
            if scribe.len() >= BLOCK_BYTES {
                self.reel.hand_over(self.shard, self.take, &mut scribe);
            }
        }
        if self.look_through(todo, earlier) {
            self.finish(now, todo);
        }
    }

    /// Sees what matters here among the latest wishes; true when the machine has finished.
    fn look_through(&mut self, todo: &Outputs, earlier: usize) -> bool {
        let mut has_finished = false;
        for wish in todo.list().get(earlier..).unwrap_or_default() {
            match wish {
                Output::Store(request) => self.latest = self.latest.max(request.ticket.0),
                Output::Forward(forward) => self.latest = self.latest.max(forward.ticket.0),
                Output::Dial { dial, .. } => self.latest = self.latest.max(dial.0),
                Output::Stats(stats) => {
                    self.reel.sockets[self.shard].store(stats.gauge(Gauge::Sockets), Ordering::Relaxed);
                }
                Output::Finished => has_finished = true,
                Output::Read { .. }
                | Output::Send { .. }
                | Output::Close { .. }
                | Output::Relay { .. }
                | Output::Handoff { .. }
                | Output::Scrape { .. }
                | Output::Weigh { .. }
                | Output::Note(_)
                | Output::Fail { .. } => {}
            }
        }
        has_finished
    }

    /// The machine has finished. Unless the process is to end, nobody else learns of it.
    fn finish(&mut self, now: Now, todo: &mut Outputs) {
        if self.is_recording {
            self.reel.hand_over(self.shard, self.take, &mut locked(&self.scribe));
        }
        let _ = self.reel.words.send(Word::Over { last: self.latest, is_stopping: self.is_stopping });
        if !self.is_stopping {
            for wish in todo.take() {
                if !matches!(wish, Output::Finished) {
                    todo.push(wish);
                }
            }
            self.phase = Phase::Waiting;
            self.deadline = Some(next_look(now));
        }
    }

    /// Nothing is served here until all shards can begin anew.
    fn wait(&mut self, now: Now, input: &Input<'_>, todo: &mut Outputs) {
        let take = self.reel.take.load(Ordering::Acquire);
        let begins = take != self.take;
        match input {
            Input::Opened { conn, .. } | Input::Adopted { conn, .. } => {
                todo.push(Output::Close { conn: *conn, how: Closing::Both });
            }
            Input::Order(Order::Drain) if !begins => {
                self.deadline = None;
                return todo.push(Output::Finished);
            }
            Input::Received { .. }
            | Input::Sent { .. }
            | Input::Closed { .. }
            | Input::Stored { .. }
            | Input::Relayed { .. }
            | Input::Scraped { .. }
            | Input::Weighed { .. }
            | Input::Forwarded { .. }
            | Input::Dialled { .. }
            | Input::Order(Order::Feed | Order::Drain)
            | Input::Wake => {}
        }
        if !begins {
            self.deadline = Some(next_look(now));
            return;
        }
        let header = Arc::clone(&locked(&self.reel.header));
        let Some(machine) = header.machines().into_iter().nth(self.shard) else { return };
        (self.machine, self.take, self.phase) = (machine, take, Phase::Serving);
        (self.earlier, self.latest) = (header.last_ticket, header.last_ticket);
        self.is_recording = !self.reel.is_over.load(Ordering::Relaxed);
        self.live(now, Input::Wake, todo);
        if let Input::Order(order) = input {
            self.live(now, Input::Order(*order), todo);
        }
    }
}

fn next_look(now: Now) -> Deadline {
    Deadline { at: now.mono.after_millis(LOOK_MS), cause: Cause::Drain }
}

impl Machine for Recorded {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        if matches!(input, Input::Order(Order::Drain)) {
            self.is_stopping = true;
        }
        if self.phase == Phase::Waiting {
            self.wait(now, &input, todo);
            return self.deadline;
        }
        if self.phase == Phase::Serving && !self.is_stopping && self.reel.is_renewing.load(Ordering::Relaxed)
        {
            self.phase = Phase::Renewing;
            self.live(now, Input::Order(Order::Drain), todo);
        }
        match input {
            Input::Stored { ticket, .. } | Input::Forwarded { ticket, .. } if ticket.0 <= self.earlier => {}
            // It may have finished at once.
            _ if self.phase == Phase::Waiting => self.wait(now, &input, todo),
            input => self.live(now, input, todo),
        }
        self.deadline
    }
}

/// Writes the turn down that this thread panicked in, if it was in one, and waits until it is written.
pub(super) fn rescue(reel: &Reel) {
    const PATIENCE: std::time::Duration = std::time::Duration::from_secs(2);
    let Some(shard) = WITHIN.get() else { return };
    let take = reel.take.load(Ordering::Acquire);
    reel.hand_over(shard, take, &mut locked(&reel.scribes[shard]));
    let (done, written) = std::sync::mpsc::channel();
    if reel.words.send(Word::Failed(done)).is_ok() {
        let _ = written.recv_timeout(PATIENCE);
    }
}
