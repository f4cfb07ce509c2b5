//! Counts that a change must not move unseen: `counts.txt` holds them exactly, since they are the same on
//! every machine. A change that moves one says why, and writes them anew with
//! `PEERMESH_BLESS=1 cargo test -p peermesh-bench --test counts`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use peermesh_bench::accept::{self, Exchange};
use peermesh_bench::codec;
use peermesh_bench::fanout;
use peermesh_bench::meter::{Meter, Step, Tally};

const MESSAGES: u64 = 2_048;
/// Members of the mesh, and watchers of the topic, that hear the same.
const WATCHERS: u64 = 50;

fn weigh(work: &mut dyn FnMut()) -> Tally {
    let seen = allocation_counter::measure(work);
    Tally { allocations: seen.count_total, bytes: seen.bytes_total }
}

fn exchange(window: u64) -> Exchange {
    accept::exchange(Meter::weighing(weigh), MESSAGES, window)
}

/// All counts by name.
fn counts() -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let frames = codec::frames(Meter::weighing(weigh), MESSAGES);
    note(&mut counts, "codec", &frames.meter);
    for window in [1, 8, 32] {
        note_exchange(&mut counts, &format!("window {window}"), &exchange(window));
    }
    note_exchange(&mut counts, "refused", &accept::refuse(Meter::weighing(weigh), MESSAGES));
    note_exchange(&mut counts, "fan-out", &accept::fan_out(Meter::weighing(weigh), 256, WATCHERS));
    note_exchange(&mut counts, "resume", &accept::resume(Meter::weighing(weigh), 64, 32));
    let (live, meter) = fanout::count(Meter::weighing(weigh), WATCHERS, 256, 200).expect("enough sockets");
    note(&mut counts, "live", &meter);
    for (what, count) in
        [("encodes", live.encodes), ("deliveries", live.deliveries), ("copied bytes", live.copied_bytes)]
    {
        counts.insert(format!("live, {what}"), count);
    }
    counts
}

fn note(counts: &mut BTreeMap<String, u64>, run: &str, meter: &Meter) {
    for (step, tally) in meter.tallies().iter().filter(|(step, _)| **step != Step::Wake) {
        counts.insert(format!("{run}, {}, allocations", step.name()), tally.allocations);
    }
}

fn note_exchange(counts: &mut BTreeMap<String, u64>, run: &str, exchange: &Exchange) {
    note(counts, run, &exchange.meter);
    let carried = exchange.carried;
    for (what, count) in [
        ("messages", exchange.messages),
        ("frames sent", carried.sends),
        ("store operations", carried.ops),
        ("store requests", carried.requests),
        ("bytes received", carried.received_bytes),
        ("bytes sent from the arena", carried.arena_bytes),
        ("bytes sent from shared buffers", carried.shared_bytes),
    ] {
        counts.insert(format!("{run}, {what}"), count);
    }
}

#[test]
fn every_count_is_what_it_was() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt");
    let mut seen = String::new();
    for (name, count) in counts() {
        let _ = writeln!(seen, "{count:>9}  {name}");
    }
    if std::env::var_os("PEERMESH_BLESS").is_some() {
        std::fs::write(&path, seen).expect("the sources can be written");
        return;
    }
    let known = std::fs::read_to_string(&path).expect("the counts are there");
    let moved: Vec<String> = known
        .lines()
        .filter(|line| !seen.lines().any(|other| other == *line))
        .map(|line| format!("was {line}"))
        .chain(
            seen.lines()
                .filter(|line| !known.lines().any(|other| other == *line))
                .map(|line| format!("is  {line}")),
        )
        .collect();
    assert!(moved.is_empty(), "counts moved (see the head of this file):\n{}", moved.join("\n"));
}

#[test]
fn reading_judging_and_writing_a_frame_allocates_nothing() {
    let frames = codec::frames(Meter::weighing(weigh), 1_000);
    for step in [Step::Read, Step::Check, Step::Write] {
        assert_eq!(frames.meter.tallies().get(&step), Some(&Tally::default()), "{step:?}");
    }
}

#[test]
fn passing_on_a_shared_frame_allocates_its_handle_and_no_copy() {
    let frames = codec::frames(Meter::weighing(weigh), 1_000);
    let tally = frames.meter.tallies()[&Step::Share];
    assert!(tally.allocations <= 1_000 && tally.bytes <= 32 * 1_000, "{tally:?}");
}

#[test]
fn a_message_is_two_store_operations_and_two_frames() {
    for window in [1, 8, 32] {
        let Exchange { messages, carried, .. } = exchange(window);
        assert_eq!(messages, MESSAGES);
        assert_eq!((carried.ops, carried.sends), (2 * messages, 2 * messages), "window {window}");
    }
}

#[test]
fn messages_that_come_together_share_their_commits() {
    let Exchange { messages, carried, .. } = exchange(32);
    assert_eq!(carried.requests, 2 * messages / 32);
}

#[test]
fn what_is_sent_is_copied_once_into_the_arena_and_never_into_a_buffer_of_its_own() {
    let Exchange { carried, .. } = exchange(8);
    assert_eq!(carried.shared_bytes, 0);
}

#[test]
fn a_publication_is_written_once_and_shared_by_all_who_watch() {
    let (live, _) = fanout::count(Meter::marking(), WATCHERS, 64, 200).expect("enough sockets");
    assert_eq!((live.encodes, live.deliveries, live.copied_bytes), (64, 64 * WATCHERS, 0));
}
