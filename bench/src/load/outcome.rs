//! What a run came to.

use std::time::Duration;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::process::{Cpu, Usage};

/// Waits are kept from a microsecond on, to three digits.
const WAIT_NANOS_MIN: u64 = 1_000;
/// Longer waits count as two minutes.
const WAIT_NANOS_MAX: u64 = 120_000_000_000;
const WAIT_DIGITS: u8 = 3;

/// A server's counters at one moment.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mark {
    /// What the system says of it.
    pub usage: Usage,
    /// Its commits.
    pub commits: u64,
    /// Statements that its shared store was asked to run, pings included.
    pub statements: u64,
    /// Times it waited for its shared store.
    pub round_trips: u64,
    /// Transactions that its shared store committed, by that store's own count.
    pub transactions: u64,
}

/// What a run came to. Counts without another word are of the measured time.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Messages that arrived; where many hear the same, every arrival counts.
    pub messages: u64,
    /// The measured time.
    pub elapsed: Duration,
    /// From when a message was sent, or due, until it arrived, in nanoseconds.
    pub waits: Histogram<u64>,
    /// Messages that were sent, over the whole run.
    pub sent: u64,
    /// Arrivals, over the whole run.
    pub arrivals: u64,
    /// Answers of the server that it took a message, over the whole run.
    pub accepted: u64,
    /// Messages that were refused, over the whole run.
    pub refused: u64,
    /// Messages that were not refused and did not arrive everywhere, over the whole run.
    pub lost: u64,
    /// Arrivals too many, over the whole run.
    pub doubled: u64,
    /// Arrivals behind a later message of the same flow, over the whole run.
    pub disordered: u64,
    /// The server's time on a processor.
    pub cpu: Cpu,
    /// The generator's.
    pub generator_cpu: Duration,
    /// The server's memory at the end, in bytes.
    pub rss_bytes: u64,
    /// The most that it was since the server began, in bytes.
    pub rss_peak_bytes: u64,
    /// Bytes that the server handed to the disk.
    pub disk_bytes: u64,
    /// Times that its threads went to sleep.
    pub switches: u64,
    /// Its commits.
    pub commits: u64,
    /// Statements that its shared store was asked to run.
    pub statements: u64,
    /// Times it waited for its shared store.
    pub round_trips: u64,
    /// Transactions that its shared store committed.
    pub transactions: u64,
}

impl Default for Outcome {
    fn default() -> Outcome {
        let waits = Histogram::new_with_bounds(WAIT_NANOS_MIN, WAIT_NANOS_MAX, WAIT_DIGITS);
        Outcome {
            messages: 0,
            elapsed: Duration::ZERO,
            waits: waits.expect("the bounds are in order"),
            sent: 0,
            arrivals: 0,
            accepted: 0,
            refused: 0,
            lost: 0,
            doubled: 0,
            disordered: 0,
            cpu: Cpu::default(),
            generator_cpu: Duration::ZERO,
            rss_bytes: 0,
            rss_peak_bytes: 0,
            disk_bytes: 0,
            switches: 0,
            commits: 0,
            statements: 0,
            round_trips: 0,
            transactions: 0,
        }
    }
}

impl Outcome {
    /// Takes the server's counters from before and after the measured time.
    pub fn add_marks(&mut self, before: Mark, after: Mark) {
        self.cpu = after.usage.cpu.since(before.usage.cpu);
        self.rss_bytes = after.usage.rss_bytes;
        self.rss_peak_bytes = after.usage.rss_peak_bytes;
        self.disk_bytes = after.usage.disk_bytes.saturating_sub(before.usage.disk_bytes);
        self.switches = after.usage.switches.saturating_sub(before.usage.switches);
        self.commits = after.commits.saturating_sub(before.commits);
        self.statements = after.statements.saturating_sub(before.statements);
        self.round_trips = after.round_trips.saturating_sub(before.round_trips);
        self.transactions = after.transactions.saturating_sub(before.transactions);
    }

    /// Messages a second.
    pub fn rate(&self) -> f64 {
        float(self.messages) / self.elapsed.as_secs_f64().max(1e-9)
    }

    /// The server's time on a processor for each message, in microseconds: seconds for a million.
    pub fn cpu_us(&self) -> f64 {
        self.each(self.cpu.whole)
    }

    /// Some of that time for each message, in microseconds.
    pub fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / float(self.messages.max(1))
    }

    /// A wait that so many of a hundred are no longer than, in microseconds.
    pub fn wait_us(&self, percentile: f64) -> f64 {
        float(self.waits.value_at_percentile(percentile)) / 1e3
    }

    /// Whether every message arrived once and none was refused.
    pub fn is_whole(&self) -> bool {
        self.lost == 0 && self.doubled == 0 && self.refused == 0
    }

    /// All of it, with units in the names.
    pub fn json(&self) -> Value {
        let waits: Vec<Value> = [50.0, 75.0, 90.0, 95.0, 99.0, 99.9, 99.99, 100.0]
            .into_iter()
            .map(|percentile| json!({ "percentile": percentile, "us": self.wait_us(percentile) }))
            .collect();
        json!({
            "messages": self.messages,
            "seconds": self.elapsed.as_secs_f64(),
            "messages_per_second": self.rate(),
            "waits": waits,
            "sent": self.sent,
            "arrivals": self.arrivals,
            "accepted": self.accepted,
            "refused": self.refused,
            "lost": self.lost,
            "doubled": self.doubled,
            "disordered": self.disordered,
            "server_cpu_seconds_per_1000": self.cpu_us() / 1e3,
            "server_cpu_us": {
                "all": self.cpu_us(),
                "kernel": self.each(self.cpu.kernel),
                "shards": self.each(self.cpu.shards),
                "store": self.each(self.cpu.store),
                "couriers": self.each(self.cpu.couriers),
            },
            "generator_cpu_us": self.each(self.generator_cpu),
            "server_rss_bytes": self.rss_bytes,
            "server_rss_peak_bytes": self.rss_peak_bytes,
            "server_disk_bytes": self.disk_bytes,
            "server_switches": self.switches,
            "commits": self.commits,
            "statements": self.statements,
            "round_trips": self.round_trips,
            "transactions": self.transactions,
        })
    }
}

/// A count as a factor. Counts here are far below where that would lose digits.
pub fn float(count: u64) -> f64 {
    let (high, low) = (count >> 32, count & 0xffff_ffff);
    let part = |bits: u64| f64::from(u32::try_from(bits).unwrap_or(u32::MAX));
    part(high) * 4_294_967_296.0 + part(low)
}
