//! A shard's machine with its scribe: writes down what it is told before it is told it, and begins it anew
//! when another recording shall begin.
//!
//! To begin anew, the machine drains as for the end of the process: it finishes what is in flight, says
//! goodbye, gives up what is its own. Once all shards have, fresh machines take their places. Answers to
//! requests of earlier machines, what these said to each other and connections that they let go are kept
//! from them; what fresh ones say to each other is not, also where a shard has not looked yet.

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
    /// Words that machines here sent to each shard.
    sent: Vec<u64>,
    /// Words that came here from each shard.
    heard: Vec<u64>,
    /// Words up to this one from each shard are an earlier machine's.
    heard_earlier: Vec<u64>,
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
            sent: vec![0; reel.shards()],
            heard: vec![0; reel.shards()],
            heard_earlier: vec![0; reel.shards()],
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
                Output::Relay { to, .. } => self.sent[usize::from(to.0)] += 1,
                Output::Handoff { conn, .. } => self.reel.lets_go(*conn),
                Output::Finished => has_finished = true,
                Output::Read { .. }
                | Output::Send { .. }
                | Output::Close { .. }
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
        for (sent, to) in self.reel.sent[self.shard].iter().zip(&self.sent) {
            sent.store(*to, Ordering::Relaxed);
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
        self.deadline = Some(next_look(now));
        match input {
            Input::Opened { conn, .. } | Input::Adopted { conn, .. } => {
                todo.push(Output::Close { conn: *conn, how: Closing::Both });
            }
            Input::Order(Order::Drain) => {
                let _ = self.reel.words.send(Word::Leaves { take: self.take });
                self.deadline = None;
                todo.push(Output::Finished);
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
            | Input::Order(Order::Feed)
            | Input::Wake => {}
        }
    }

    /// Lets another machine take the place of the one that has finished, once all shards have: true then.
    fn begin(&mut self, now: Now, todo: &mut Outputs) -> bool {
        let take = self.reel.take.load(Ordering::Acquire);
        if take == self.take {
            return false;
        }
        let header = Arc::clone(&locked(&self.reel.header));
        let Some(machine) = header.machines().into_iter().nth(self.shard) else { return false };
        (self.machine, self.take, self.phase) = (machine, take, Phase::Serving);
        (self.earlier, self.latest) = (header.last_ticket, header.last_ticket);
        self.heard_earlier = self.reel.sent_to(self.shard);
        self.is_recording = !self.reel.is_over.load(Ordering::Relaxed);
        // As a runtime does: a machine's first turn tells it the time.
        self.live(now, Input::Wake, todo);
        true
    }

    /// True for what is meant for a machine that was here before.
    fn is_late(&mut self, input: &Input<'_>) -> bool {
        match input {
            Input::Stored { ticket, .. } | Input::Forwarded { ticket, .. } => ticket.0 <= self.earlier,
            Input::Relayed { from, .. } => {
                let from = usize::from(from.0);
                self.heard[from] <= self.heard_earlier[from]
            }
            Input::Adopted { conn, .. } => !self.reel.takes_up(*conn),
            Input::Opened { .. }
            | Input::Received { .. }
            | Input::Sent { .. }
            | Input::Closed { .. }
            | Input::Scraped { .. }
            | Input::Weighed { .. }
            | Input::Dialled { .. }
            | Input::Order(_)
            | Input::Wake => false,
        }
    }
}

fn next_look(now: Now) -> Deadline {
    Deadline { at: now.mono.after_millis(LOOK_MS), cause: Cause::Drain }
}

impl Machine for Recorded {
    fn handle(&mut self, now: Now, input: Input<'_>, todo: &mut Outputs) -> Option<Deadline> {
        match &input {
            Input::Relayed { from, .. } => self.heard[usize::from(from.0)] += 1,
            Input::Order(Order::Drain) => self.is_stopping = true,
            _ => {}
        }
        let is_renewing = !self.is_stopping && self.reel.is_renewing.load(Ordering::Relaxed);
        if self.phase == Phase::Serving && is_renewing {
            self.phase = Phase::Renewing;
            self.live(now, Input::Order(Order::Drain), todo);
        }
        // It may have finished at once.
        if self.phase == Phase::Waiting && !self.begin(now, todo) {
            self.wait(now, &input, todo);
        } else if self.is_late(&input) {
            if let Input::Adopted { conn, .. } = input {
                todo.push(Output::Close { conn, how: Closing::Both });
            }
        } else {
            self.live(now, input, todo);
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
