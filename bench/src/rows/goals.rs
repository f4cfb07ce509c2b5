//! What the figures are held to.

use super::Figures;
use super::durable::{PAIRS, WINDOW};
use super::steps::{CROWD, MESHES, QUEUED, STALLED, WATCHERS};
use crate::load::outcome::float;

/// The same load on another broker for meshes, with Postgres and `fsync`: messages a second.
const FIELD_MESSAGES: f64 = 200.0;
/// What another broker of runners carries at best: commands and events a second, and the least of its µs on a
/// processor for each.
const FIELD_RUNNERS: [(f64, f64); 2] = [(5_600.0, 170.0), (4_600.0, 250.0)];

/// A limit is reached when so much of it is.
const WITHIN: f64 = 0.8;

/// One row of the table.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) figure: String,
    pub(super) beside: String,
    pub(super) ratio: String,
    pub(super) goal: String,
    pub(super) is_met: Option<bool>,
    /// The goal is not met, but what stops it is named in another row and reached within a fifth.
    pub(super) is_stopped: bool,
    pub(super) command: String,
}

/// All rows, in the order of the goals.
pub(super) fn rows(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    durable(figures, &mut rows);
    waits(figures, &mut rows);
    fanout(figures, &mut rows);
    connections(figures, &mut rows);
    runners(figures, &mut rows);
    memory_and_start(figures, &mut rows);
    growth(figures, &mut rows);
    sizes(figures, &mut rows);
    reference(figures, &mut rows);
    rows
}

/// The row that says how far a figure is from its limit: the same frames and the same store without a broker.
fn beside_bare(figures: &Figures, (ours, bare): (&str, &str), what: &str, command: &str) -> Row {
    row(
        format!("the same beside a bare post office over the same store, {what}"),
        format!("{command} --bare"),
    )
    .figure(figures.median(ours), "")
    .beside("bare post office", figures.median(bare), "")
    .against(figures.ratio(ours, bare))
}

/// A row about to be filled in. What was not measured stays a dash, and the goal undecided.
fn row(what: impl Into<String>, command: impl Into<String>) -> Row {
    let dash = || "–".to_owned();
    Row {
        what: what.into(),
        figure: dash(),
        beside: dash(),
        ratio: dash(),
        goal: String::new(),
        is_met: None,
        is_stopped: false,
        command: command.into(),
    }
}

impl Row {
    fn figure(mut self, value: Option<f64>, unit: &str) -> Row {
        self.figure = value.map_or(self.figure, |value| format!("{}{unit}", short(value)));
        self
    }

    fn beside(mut self, name: &str, value: Option<f64>, unit: &str) -> Row {
        self.beside = value.map_or(self.beside, |value| format!("{name} {}{unit}", short(value)));
        self
    }

    /// There is no goal, but the limit is near or far.
    fn against(mut self, ratio: Option<f64>) -> Row {
        self.ratio = ratio.map_or(self.ratio, |ratio| format!("{ratio:.2}"));
        self
    }

    /// The goal is at least this much of what is beside it.
    fn at_least(mut self, ratio: Option<f64>, least: f64) -> Row {
        self.ratio = ratio.map_or(self.ratio, |ratio| format!("{ratio:.2}"));
        self.goal = format!("≥ {}", short(least));
        self.is_met = ratio.map(|ratio| ratio >= least);
        self
    }

    /// The goal is at most this much of what is beside it.
    fn at_most(mut self, ratio: Option<f64>, most: f64) -> Row {
        self.ratio = ratio.map_or(self.ratio, |ratio| format!("{ratio:.2}"));
        self.goal = format!("≤ {}", short(most));
        self.is_met = ratio.map(|ratio| ratio <= most);
        self
    }

    /// The goal is a bound of the figure itself.
    fn under(mut self, value: Option<f64>, most: f64, unit: &str) -> Row {
        self.goal = format!("< {}{unit}", short(most));
        self.is_met = value.map(|value| value < most);
        self
    }

    /// The goal is a bound of the figure itself.
    fn over(mut self, value: Option<f64>, least: f64, unit: &str) -> Row {
        self.goal = format!("≥ {}{unit}", short(least));
        self.is_met = value.map(|value| value >= least);
        self
    }

    /// What stops it is reached within a fifth.
    fn unless(mut self, is_at_its_limit: Option<bool>) -> Row {
        self.is_stopped = self.is_met == Some(false) && is_at_its_limit == Some(true);
        self
    }

    /// A row without a goal, for comparison.
    fn and(self, rows: &mut Vec<Row>) {
        rows.push(self);
    }
}

fn durable(figures: &Figures, rows: &mut Vec<Row>) {
    for pairs in PAIRS {
        let command = format!("peermesh-load mesh --pairs {pairs} --window {WINDOW}");
        let of = |what: &str| ["durable", "jetstream", "bare"].map(|whose| format!("{whose}.{pairs}.{what}"));
        let [ours, theirs, bare] = of("rate");
        let share = figures.ratio(&ours, &bare);
        row(format!("durable messages/s, {pairs} pairs, over a filled store"), &command)
            .figure(figures.median(&ours), "")
            .beside("JetStream", figures.median(&theirs), "")
            .at_least(figures.ratio(&ours, &theirs), 1.0)
            .unless(share.map(|share| share >= WITHIN))
            .and(rows);
        beside_bare(figures, (&ours, &bare), &format!("{pairs} pairs"), &command).and(rows);
        let [ours, theirs, bare] = of("cpu");
        let times = figures.ratio(&ours, &bare);
        row(format!("server CPU µs a durable message, {pairs} pairs"), &command)
            .figure(figures.median(&ours), "")
            .beside("JetStream", figures.median(&theirs), "")
            .at_most(figures.ratio(&ours, &theirs), 0.7)
            .unless(times.map(|times| times <= 1.0 / WITHIN))
            .and(rows);
        beside_bare(figures, (&ours, &bare), &format!("CPU, {pairs} pairs"), &command).and(rows);
    }
    let rate = "postgres.50.rate";
    row("durable messages/s on Postgres, 50 pairs", "peermesh-bench all --only postgres")
        .figure(figures.median(rate), "")
        .beside("bare batches of the rows", figures.median("batches.rate"), "")
        .at_least(figures.ratio(rate, "batches.rate"), 0.7)
        .and(rows);
    let times = figures.median(rate).map(|rate| rate / FIELD_MESSAGES);
    row("the same beside the field's broker", "peermesh-bench all --only postgres")
        .figure(figures.median(rate), "")
        .beside("field", Some(FIELD_MESSAGES), "")
        .at_least(times, 100.0)
        .and(rows);
    row("broker CPU µs a message on Postgres", "peermesh-bench all --only postgres")
        .figure(figures.median("postgres.50.cpu"), "")
        .and(rows);
}

fn waits(figures: &Figures, rows: &mut Vec<Row>) {
    let times = figures.ratio("light.p50", "echo.synced.light.p50");
    row("send → push p50 at 100 messages/s, µs", "peermesh-load mesh --rate 100")
        .figure(figures.median("light.p50"), "")
        .beside("one commit at that pace", figures.median("commit.p50"), "")
        .at_most(figures.ratio("light.p50", "commit.p50"), 1.5)
        .unless(times.map(|times| times <= 1.0 / WITHIN))
        .and(rows);
    row(
        "the same beside bytes that a second thread syncs, without a broker",
        "peermesh-load limit --synced --connections 1 --rate 100",
    )
    .figure(figures.median("light.p50"), "")
    .beside("their echo", figures.median("echo.synced.light.p50"), "")
    .against(times)
    .and(rows);
    row("p99 at half of saturation, µs", "peermesh-load mesh --pairs 50 --rate HALF")
        .figure(figures.median("half.p99"), "")
        .beside("its p50", figures.median("half.p50"), "")
        .at_most(figures.ratio("half.p99", "half.p50"), 5.0)
        .and(rows);
    row("live publication → watcher p50 at 1,000/s, µs", "peermesh-load live --watchers 1 --rate 1000")
        .figure(figures.median("live.quiet.p50"), "")
        .beside("bare echo of frames", figures.median("echo.frames.quiet.p50"), "")
        .at_most(figures.ratio("live.quiet.p50", "echo.frames.quiet.p50"), 3.0)
        .and(rows);
    row("bare echo of frames, messages/s on 10 connections", "peermesh-load limit --frames --window 32")
        .figure(figures.median("echo.frames.rate"), "")
        .beside("bare echo of bytes", figures.median("echo.raw.rate"), "")
        .against(figures.ratio("echo.frames.rate", "echo.raw.rate"))
        .and(rows);
}

fn fanout(figures: &Figures, rows: &mut Vec<Row>) {
    for watchers in WATCHERS {
        let theirs = format!("nats.fanout.{watchers}.rate");
        for (what, name, load) in
            [("live topic", "live", "live"), ("mesh broadcast after its commit", "broadcast", "broadcast")]
        {
            let ours = format!("{name}.{watchers}.rate");
            let bare = format!("bare.broadcast.{watchers}.rate");
            let share = (name == "broadcast").then(|| figures.ratio(&ours, &bare)).flatten();
            let command = format!("peermesh-load {load} --watchers {watchers} --window {WINDOW}");
            row(format!("deliveries/s, {what}, 1 → {watchers}"), &command)
                .figure(figures.median(&ours), "")
                .beside("NATS core", figures.median(&theirs), "")
                .at_least(figures.ratio(&ours, &theirs), 1.0)
                .unless(share.map(|share| share >= WITHIN))
                .and(rows);
            if name == "broadcast" {
                beside_bare(figures, (&ours, &bare), &format!("1 → {watchers}"), &command).and(rows);
            }
        }
    }
}

fn connections(figures: &Figures, rows: &mut Vec<Row>) {
    for (runtime, count, most) in [("smol", "10,000", 6.0), ("threads", "1,000", 40.0)] {
        let kib = figures.median(&format!("idle.{runtime}.kib"));
        let plain = count.replace(',', "");
        let command = format!("peermesh-load mesh --pairs 0 --idle {plain} --set PEERMESH_RUNTIME={runtime}");
        row(format!("KiB of RSS an idle connection, {runtime}, {count}"), command)
            .figure(kib, "")
            .under(kib, most, "")
            .and(rows);
    }
    let hellos = figures.median("hellos.smol");
    row("hellos/s, each checked and recorded", "peermesh-load mesh --pairs 0 --idle 10000")
        .figure(hellos, "")
        .beside("signature checks/s of one core", figures.median("signatures.rate"), "")
        .against(figures.ratio("hellos.smol", "signatures.rate"))
        .over(hellos, 3_000.0, "")
        .and(rows);
}

fn runners(figures: &Figures, rows: &mut Vec<Row>) {
    let loads = [("commands", "runner commands", ""), ("events", "events forwarded, durable", " --events")];
    for ((name, what, flag), (field, field_cpu)) in loads.into_iter().zip(FIELD_RUNNERS) {
        let (rate, cpu) = (figures.median(&format!("{name}.rate")), figures.median(&format!("{name}.cpu")));
        let command = format!("peermesh-load runner --runners 64 --callers 64{flag}");
        row(format!("{what} a second"), &command)
            .figure(rate, "")
            .beside("field", Some(field), "")
            .at_least(rate.map(|rate| rate / field), 8.0)
            .and(rows);
        row(format!("server CPU µs, {what}"), &command)
            .figure(cpu, "")
            .beside("field", Some(field_cpu), "")
            .at_most(cpu.map(|cpu| cpu / field_cpu), 0.1)
            .and(rows);
        for (what, of) in [("a second", "rate"), ("server CPU µs", "cpu")] {
            let (ours, theirs) = (format!("{name}.{of}"), format!("relay.{name}.{of}"));
            row(format!("the same beside a bare relay, {name}, {what}"), format!("{command} --relay"))
                .figure(figures.median(&ours), "")
                .beside("relay that stores nothing", figures.median(&theirs), "")
                .against(figures.ratio(&ours, &theirs))
                .and(rows);
        }
    }
    let late = figures.most("events.disordered");
    row("events out of order", "peermesh-load runner --runners 64 --events")
        .figure(late, "")
        .under(late, 1.0, "")
        .and(rows);
}

fn memory_and_start(figures: &Figures, rows: &mut Vec<Row>) {
    let peak = figures.median("durable.50.peak");
    row("MiB of RSS at saturation, 50 pairs, at most", "peermesh-load mesh --pairs 50 --window 32")
        .figure(peak, "")
        .beside("JetStream", figures.median("jetstream.50.peak"), "")
        .under(peak, 64.0, "")
        .and(rows);
    // The bound of a broker's memory: 64 MiB, 24 KiB for each connection, and what waits for those that do
    // not read.
    let formula = |connections: f64, waiting: f64| 64.0 + connections * 24.0 / 1_024.0 + waiting;
    for (what, name, bound, command) in [
        (
            format!("a stalled reader, {STALLED} of them"),
            "stalled.peak",
            formula(f64::from(STALLED), f64::from(STALLED)),
            "peermesh-bench all --only stalled",
        ),
        (
            format!("a full queue, {} messages", short(float(QUEUED[2]))),
            "queued.100000.peak",
            formula(40.0, 0.0),
            "peermesh-bench all --only queues",
        ),
        (
            format!("a storm of {} hellos", short(float(CROWD))),
            "idle.smol.peak",
            formula(float(CROWD), 0.0),
            "peermesh-bench all --only idle",
        ),
    ] {
        let peak = figures.most(name);
        row(format!("MiB of RSS at most under {what}"), command)
            .figure(peak, "")
            .under(peak, bound, "")
            .and(rows);
    }
    let start = figures.median("start.seconds");
    row("seconds from start to listening, filled store", "peermesh-bench all --only durable")
        .figure(start, "")
        .under(start, 1.0, "")
        .and(rows);
}

fn growth(figures: &Figures, rows: &mut Vec<Row>) {
    let lists = [
        ("queued", "messages queued", "--meshes 1 --queued", QUEUED),
        ("meshes", "meshes", "--meshes", MESHES),
    ];
    for (name, what, flag, counts) in lists {
        let base = format!("{name}.{}.cpu", counts[0]);
        for count in counts {
            let own = format!("{name}.{count}.cpu");
            let line = row(
                format!("server CPU µs a message, {count} {what}"),
                format!("peermesh-load mesh --pairs 20 {flag} {count}"),
            )
            .figure(figures.median(&own), "");
            let line = if count == counts[0] {
                line
            } else {
                line.beside(&format!("with {}", counts[0]), figures.median(&base), "")
                    .at_most(figures.ratio(&own, &base), 1.2)
            };
            line.and(rows);
        }
    }
}

fn sizes(figures: &Figures, rows: &mut Vec<Row>) {
    for (name, what, most) in [
        ("size.all", "all features", 20.0),
        ("size.small", "threads and the embedded store only, profile `small`", 8.0),
    ] {
        let size = figures.median(name);
        row(format!("MiB of the program, {what}"), "bench/all")
            .figure(size, "")
            .under(size, most, "")
            .and(rows);
    }
}

fn reference(figures: &Figures, rows: &mut Vec<Row>) {
    for store in ["sqlite", "postgres"] {
        for runtime in ["smol", "threads"] {
            let name = format!("reference.{store}.{runtime}");
            let median = |what: &str| figures.median(&format!("{name}.{what}"));
            let mut line = row(
                format!("reference test, 100 peers × 1,000, {store}, {runtime}: seconds"),
                "peermesh-load reference".to_owned(),
            )
            .figure(median("seconds"), "");
            if let (Some(p50), Some(p99), Some(rss)) = (median("p50"), median("p99"), median("peak")) {
                line.beside =
                    format!("p50 {} ms, p99 {} ms, {} MiB", short(p50 / 1e3), short(p99 / 1e3), short(rss));
            }
            let astray = ["lost", "doubled", "refused"].map(|what| figures.most(&format!("{name}.{what}")));
            line.goal = "100 % delivered, once".to_owned();
            let clean: Option<Vec<bool>> =
                astray.into_iter().map(|count| count.map(|count| count < 0.5)).collect();
            line.is_met = clean.map(|clean| clean.into_iter().all(|is_clean| is_clean));
            line.and(rows);
        }
    }
}

/// Three digits at least, with commas.
pub(super) fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => 0,
        middle if middle >= 10.0 => 1,
        0.0 => 0,
        _ => 2,
    };
    let text = format!("{value:.digits$}");
    let (whole, rest) =
        text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let mut grouped = String::new();
    for (place, digit) in whole.chars().enumerate() {
        let left = whole.len() - place;
        if place > 0 && left % 3 == 0 && !grouped.ends_with('-') {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    let rest = rest.map(|rest| rest.trim_end_matches('0')).filter(|rest| !rest.is_empty());
    rest.map_or(grouped.clone(), |rest| format!("{grouped}.{rest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_three_digits() {
        assert_eq!(
            (short(1_234_567.8), short(12.34), short(0.5)),
            ("1,234,568".into(), "12.3".into(), "0.5".into())
        );
        assert_eq!((short(0.0), short(8.0), short(123.0)), ("0".into(), "8".into(), "123".into()));
    }

    #[test]
    fn a_goal_is_undecided_until_both_sides_are_measured() {
        let mut figures = Figures::default();
        figures.begin_run();
        figures.put("light.p50", 900.0);
        let of =
            |figures: &Figures| rows(figures).into_iter().find(|row| row.what.contains("100 messages/s"));
        assert_eq!(of(&figures).unwrap().is_met, None);
        figures.put("commit.p50", 700.0);
        assert_eq!(of(&figures).unwrap().is_met, Some(true));
    }
}
