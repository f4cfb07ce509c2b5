//! Messages on their way: closed and open loops over a pool of connections, and what becomes of each message.
//!
//! *Closed:* every flow keeps so many messages on their way; a wait is counted from when the message was
//! written. So it shows what a server can carry, and its waits are those of a full server.
//! *Open:* messages are due at fixed times, whatever became of the earlier ones; a wait is counted from when
//! the message was due, so a server that stands still for a second is charged for all who would have come in
//! that second.
//!
//! *Always holds:* every number of a flow is sent once; what arrives is looked up by it, so that lost and
//! doubled messages are counted and not guessed.

use std::collections::VecDeque;
use std::io;
use std::time::{Duration, Instant};

use super::{Course, Mark, Outcome};
use crate::process::thread_cpu;
use crate::wire::pool::Pool;
use crate::wire::{Heard, Place, Stamp};

/// From the last send to the last arrival.
const DRAIN_PATIENCE: Duration = Duration::from_secs(10);
/// The longest sleep.
const NAP: Duration = Duration::from_millis(50);
/// So long before a message is due the loop stops sleeping: a timer is that late.
const ALERT: Duration = Duration::from_micros(200);
/// Up to so many messages a second.
const ALERT_PER_SECOND_MAX: f64 = 1_000.0;

/// How messages follow each other.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many of each flow are on their way.
    Closed {
        /// Messages of a flow.
        window: u64,
    },
    /// So many are due in a second, over all flows in turn.
    Open {
        /// Messages a second.
        rate: f64,
        /// Messages of a flow that are on their way at most; those that are due meanwhile count from when
        /// they were.
        window: u64,
    },
}

/// Where a flow goes.
#[derive(Clone, Copy, Debug)]
pub enum To {
    /// To one connection, in order; or to whatever the protocol calls everybody.
    One(Place),
    /// To any of so many but the sender, by chance that is the same in every run.
    Any(Place),
}

/// Messages of one sender.
#[derive(Clone, Copy, Debug)]
pub struct Flow {
    /// The connection that says them.
    pub from: Place,
    /// Where they go.
    pub to: To,
    /// How many connections hear each.
    pub copies: u32,
    /// When one is no longer on its way.
    pub until: Until,
}

/// When a message is no longer on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// When it has arrived.
    Arrival,
    /// When it has arrived and the server has answered its sender.
    Both,
    /// When the server has answered: nobody is there to hear it.
    Answer,
}

impl Flow {
    /// Messages from one connection to one other.
    pub fn pair(from: Place, to: Place) -> Flow {
        Flow { from, to: To::One(to), copies: 1, until: Until::Arrival }
    }
}

/// All flows of a load.
pub struct Traffic {
    tracks: Vec<Track>,
    /// The flow that each connection says, if any.
    by_place: Vec<Option<usize>>,
    /// The last number that each connection heard, where many hear the same.
    last: Vec<Option<u64>>,
    origin: Instant,
    chance: u64,
    is_measuring: bool,
    outcome: Outcome,
}

/// What became of one flow.
struct Track {
    flow: Flow,
    /// What its messages are numbered from.
    base: u64,
    /// The number, less `base`, of the oldest that has not arrived everywhere.
    first: u64,
    slots: VecDeque<Slot>,
    sent: u64,
    done: u64,
    answered: u64,
    refused: u64,
    highest: u64,
    /// When those were due that could not be sent yet.
    due: VecDeque<u64>,
}

struct Slot {
    at: u64,
    left: u32,
}

impl Traffic {
    /// Flows that have said nothing yet.
    pub fn new(flows: &[Flow]) -> Traffic {
        let mut by_place = Vec::new();
        for (number, flow) in flows.iter().enumerate() {
            by_place.resize(by_place.len().max(flow.from + 1), None);
            by_place[flow.from] = Some(number);
        }
        let track = |flow: &Flow| Track {
            flow: *flow,
            base: 0,
            first: 0,
            slots: VecDeque::new(),
            sent: 0,
            done: 0,
            answered: 0,
            refused: 0,
            highest: 0,
            due: VecDeque::new(),
        };
        Traffic {
            tracks: flows.iter().map(track).collect(),
            by_place,
            last: Vec::new(),
            origin: Instant::now(),
            chance: 0x9e37_79b9_7f4a_7c15,
            is_measuring: false,
            outcome: Outcome::default(),
        }
    }

    /// The same with other numbers, where a flow's messages must not be taken for those of another load.
    #[must_use]
    pub fn from_number(mut self, first: u64) -> Traffic {
        self.tracks.iter_mut().for_each(|track| track.base = first);
        self
    }

    /// Warms up, measures, and waits for what is on its way. `mark` tells the server's counters.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn measure(
        &mut self,
        pool: &mut Pool,
        course: Course,
        mark: &mut dyn FnMut() -> io::Result<Mark>,
    ) -> io::Result<Outcome> {
        self.carry(pool, course.pace, course.time / 3, u64::MAX)?;
        let before = mark()?;
        self.is_measuring = true;
        let (began, spent, arrivals) = (Instant::now(), thread_cpu(), self.outcome.arrivals);
        self.carry(pool, course.pace, course.time, u64::MAX)?;
        self.is_measuring = false;
        self.outcome.elapsed = began.elapsed();
        self.outcome.generator_cpu = thread_cpu().saturating_sub(spent);
        self.outcome.messages = self.outcome.arrivals - arrivals;
        self.outcome.add_marks(before, mark()?);
        self.drain(pool, DRAIN_PATIENCE)?;
        Ok(self.account())
    }

    /// Every flow sends so many, at a closed pace; the time runs from the first send to the last arrival.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn exhaust(
        &mut self,
        pool: &mut Pool,
        window: u64,
        each: u64,
        patience: Duration,
        mark: &mut dyn FnMut() -> io::Result<Mark>,
    ) -> io::Result<Outcome> {
        let before = mark()?;
        self.is_measuring = true;
        let (began, spent) = (Instant::now(), thread_cpu());
        self.carry(pool, Pace::Closed { window }, patience, each)?;
        self.outcome.elapsed = began.elapsed();
        self.outcome.generator_cpu = thread_cpu().saturating_sub(spent);
        self.outcome.messages = self.outcome.arrivals;
        self.outcome.add_marks(before, mark()?);
        let unsent: u64 = self.tracks.iter().map(|track| each.saturating_sub(track.sent)).sum();
        let outcome = self.account();
        // What the patience did not last for is owed like what did not arrive.
        Ok(Outcome { lost: outcome.lost + unsent, ..outcome })
    }

    /// Lets everybody hear what comes for a while: who joined, and pings.
    ///
    /// # Errors
    /// When a connection ends.
    pub fn listen(&mut self, pool: &mut Pool, time: Duration) -> io::Result<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            pool.turn(NAP, &mut |place, heard| self.hear(place, heard))?;
        }
        Ok(())
    }

    /// Keeps the pace for a time, or until every flow has sent `each` and all of it has arrived.
    fn carry(&mut self, pool: &mut Pool, pace: Pace, time: Duration, each: u64) -> io::Result<()> {
        let (began, mut due) = (Instant::now(), 0_u32);
        let until = began + time;
        loop {
            let now = Instant::now();
            if now >= until || each < u64::MAX && self.is_done(each) {
                self.charge(pace, now);
                return Ok(());
            }
            let mut wait = (until - now).min(NAP);
            match pace {
                Pace::Closed { window } => self.fill(pool, window, each, now),
                Pace::Open { rate, window } => {
                    let next = self.schedule(began, now, rate, &mut due);
                    self.send_due(pool, window);
                    // At high rates that would be always, and take the core from the server.
                    let alert = if rate > ALERT_PER_SECOND_MAX { Duration::ZERO } else { ALERT };
                    wait = wait.min(next.saturating_sub(alert));
                }
            }
            pool.turn(wait, &mut |place, heard| self.hear(place, heard))?;
        }
    }

    /// Of an open loop, what is due or on its way at the end has waited until then at least, and counts so: a
    /// server that stood still to the end must not look quick for it.
    fn charge(&mut self, pace: Pace, now: Instant) {
        let now = self.nanos(now);
        for track in &mut self.tracks {
            let open = track.slots.iter().filter(|slot| slot.left > 0).map(|slot| slot.at);
            if self.is_measuring && matches!(pace, Pace::Open { .. }) {
                for at in open.chain(track.due.iter().copied()) {
                    self.outcome.waits.saturating_record(now.saturating_sub(at));
                }
            }
            track.due.clear();
        }
    }

    /// Sends what the windows of a closed loop have room for.
    fn fill(&mut self, pool: &mut Pool, window: u64, each: u64, now: Instant) {
        let now = self.nanos(now);
        for number in 0..self.tracks.len() {
            while self.tracks[number].has_room(window) && self.tracks[number].sent < each {
                self.send(pool, number, now);
            }
        }
    }

    /// Notes what has become due, and gives the time until the next will.
    fn schedule(&mut self, began: Instant, now: Instant, rate: f64, due: &mut u32) -> Duration {
        loop {
            let at = began + Duration::from_secs_f64(f64::from(*due) / rate);
            if at > now {
                return at - now;
            }
            let flow = usize::try_from(*due).unwrap_or(0) % self.tracks.len();
            let at = self.nanos(at);
            self.tracks[flow].due.push_back(at);
            *due += 1;
        }
    }

    fn send_due(&mut self, pool: &mut Pool, window: u64) {
        for number in 0..self.tracks.len() {
            while self.tracks[number].has_room(window) {
                let Some(at) = self.tracks[number].due.pop_front() else { break };
                self.send(pool, number, at);
            }
        }
    }

    fn send(&mut self, pool: &mut Pool, number: usize, at: u64) {
        let Flow { from, to, copies, .. } = self.tracks[number].flow;
        let to = match to {
            To::One(place) => place,
            To::Any(among) => self.other_than(from, among),
        };
        let track = &mut self.tracks[number];
        let flow = u32::try_from(number).unwrap_or(u32::MAX);
        pool.say(from, Stamp { flow, number: track.base + track.sent }, to);
        track.slots.push_back(Slot { at, left: copies });
        track.sent += 1;
    }

    fn other_than(&mut self, me: Place, among: Place) -> Place {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        let step = Place::try_from(self.chance % (among as u64 - 1).max(1)).unwrap_or(0);
        (me + 1 + step) % among
    }

    fn hear(&mut self, place: Place, heard: Heard) {
        let own = self.by_place.get(place).copied().flatten();
        match heard {
            Heard::Arrived(stamp) => self.arrive(place, stamp),
            Heard::Accepted => {
                self.outcome.accepted += 1;
                own.into_iter().for_each(|flow| self.tracks[flow].answered += 1);
            }
            Heard::Refused => {
                // Its place in the window is free again; which message it was does not matter.
                self.outcome.refused += 1;
                own.into_iter().for_each(|flow| self.tracks[flow].refused += 1);
            }
            Heard::Ready => {}
        }
    }

    fn arrive(&mut self, place: Place, Stamp { flow, number }: Stamp) {
        let now = self.nanos(Instant::now());
        let Some(track) = self.tracks.get_mut(flow as usize) else {
            self.outcome.doubled += 1;
            return;
        };
        let at = number.checked_sub(track.base + track.first).and_then(|at| usize::try_from(at).ok());
        let Some(slot) = at.and_then(|at| track.slots.get_mut(at)).filter(|slot| slot.left > 0) else {
            self.outcome.doubled += 1;
            return;
        };
        if track.flow.copies > 1 {
            self.last.resize(self.last.len().max(place + 1), None);
            let is_late = self.last[place].replace(number).is_some_and(|last| last >= number);
            self.outcome.disordered += u64::from(is_late);
        } else if let To::One(_) = track.flow.to {
            self.outcome.disordered += u64::from(number < track.highest);
            track.highest = track.highest.max(number);
        }
        slot.left -= 1;
        if self.is_measuring {
            self.outcome.waits.saturating_record(now.saturating_sub(slot.at));
        }
        self.outcome.arrivals += 1;
        track.done += u64::from(slot.left == 0);
        while track.slots.front().is_some_and(|slot| slot.left == 0) {
            track.slots.pop_front();
            track.first += 1;
        }
    }

    fn is_done(&self, each: u64) -> bool {
        self.tracks.iter().all(|track| track.sent >= each && track.over() + track.refused >= track.sent)
    }

    fn drain(&mut self, pool: &mut Pool, patience: Duration) -> io::Result<()> {
        let until = Instant::now() + patience;
        while !self.is_done(0) && Instant::now() < until {
            pool.turn(Duration::from_millis(20), &mut |place, heard| self.hear(place, heard))?;
        }
        Ok(())
    }

    fn account(&mut self) -> Outcome {
        let sum = |count: fn(&Track) -> u64| self.tracks.iter().map(count).sum::<u64>();
        let settled = sum(Track::settled) + sum(|track| track.refused);
        let lost = sum(|track| track.sent).saturating_sub(settled);
        self.outcome.sent = sum(|track| track.sent);
        self.outcome.lost = lost;
        std::mem::take(&mut self.outcome)
    }

    fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.origin).as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Track {
    fn has_room(&self, window: u64) -> bool {
        self.sent.saturating_sub(self.over() + self.refused) < window
    }

    /// Messages that came to their end: arrived everywhere, or were answered where nobody hears them.
    fn settled(&self) -> u64 {
        if self.flow.until == Until::Answer { self.answered } else { self.done }
    }

    /// Messages that are no longer on their way, refused ones apart.
    fn over(&self) -> u64 {
        match self.flow.until {
            Until::Arrival => self.done,
            Until::Both => self.done.min(self.answered),
            Until::Answer => self.answered,
        }
    }
}

impl std::fmt::Debug for Traffic {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Traffic").field("flows", &self.tracks.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(number: u64) -> Stamp {
        Stamp { flow: 0, number }
    }

    #[test]
    fn what_arrives_twice_or_late_or_not_at_all_is_counted() {
        let mut traffic = Traffic::new(&[Flow::pair(0, 1)]);
        let mut pool = Pool::new().unwrap();
        for at in 0..4 {
            let track = &mut traffic.tracks[0];
            track.slots.push_back(Slot { at, left: 1 });
            track.sent += 1;
        }
        for number in [0, 2, 1, 1] {
            traffic.hear(1, Heard::Arrived(stamp(number)));
        }
        traffic.drain(&mut pool, Duration::ZERO).unwrap();
        let outcome = traffic.account();
        assert_eq!((outcome.lost, outcome.doubled, outcome.disordered), (1, 1, 1));
        assert_eq!(outcome.sent, 4);
    }

    #[test]
    fn what_many_hear_is_done_when_all_have_heard_it() {
        let flow = Flow { copies: 2, ..Flow::pair(0, 1) };
        let mut traffic = Traffic::new(&[flow]);
        traffic.tracks[0].slots.push_back(Slot { at: 0, left: 2 });
        traffic.tracks[0].sent = 1;
        traffic.hear(1, Heard::Arrived(stamp(0)));
        assert!(!traffic.tracks[0].has_room(1));
        traffic.hear(2, Heard::Arrived(stamp(0)));
        assert!(traffic.tracks[0].has_room(1));
        assert_eq!(traffic.account().lost, 0);
    }

    #[test]
    fn messages_of_an_open_loop_are_due_at_their_times_whatever_happens() {
        let mut traffic = Traffic::new(&[Flow::pair(0, 1), Flow::pair(1, 0)]);
        let began = traffic.origin;
        let next = traffic.schedule(began, began + Duration::from_millis(25), 100.0, &mut 0);
        assert_eq!(next, Duration::from_millis(5));
        let due: Vec<usize> = traffic.tracks.iter().map(|track| track.due.len()).collect();
        assert_eq!(due, [2, 1], "at 0, 10 and 20 ms");
    }

    #[test]
    fn what_an_open_loop_still_owes_at_its_end_has_waited_until_then() {
        let mut traffic = Traffic::new(&[Flow::pair(0, 1)]);
        traffic.is_measuring = true;
        traffic.tracks[0].slots.push_back(Slot { at: 0, left: 1 });
        traffic.tracks[0].due.push_back(40_000_000);
        let end = traffic.origin + Duration::from_millis(50);
        traffic.charge(Pace::Open { rate: 1.0, window: 1 }, end);
        let waits = &traffic.outcome.waits;
        let near = |seen: u64, meant: u64| seen.abs_diff(meant) * 1_000 <= meant;
        assert_eq!(waits.len(), 2);
        assert!(near(waits.max(), 50_000_000) && near(waits.min(), 10_000_000), "{waits:?}");
    }

    #[test]
    fn a_caller_waits_for_its_answer_too() {
        let mut traffic = Traffic::new(&[Flow { until: Until::Both, ..Flow::pair(0, 1) }]);
        traffic.tracks[0].slots.push_back(Slot { at: 0, left: 1 });
        traffic.tracks[0].sent = 1;
        traffic.hear(1, Heard::Arrived(stamp(0)));
        assert!(!traffic.tracks[0].has_room(1));
        traffic.hear(0, Heard::Accepted);
        assert!(traffic.tracks[0].has_room(1));
    }
}
