//! Counts that a change must not raise unseen. They are the same on every machine, so they are bounded
//! tightly; a change that lowers one lowers the bound here.

use peermesh_bench::accept::{self, Exchange};
use peermesh_bench::codec;
use peermesh_bench::meter::{Meter, Step, Tally};

const MESSAGES: u64 = 2_048;

/// Allocations come of growing buffers too, so they are counted in hundredths of a message.
fn allocations(meter: &Meter, step: Step, count: u64) -> u64 {
    meter.tallies().get(&step).map_or(0, |tally| tally.allocations * 100 / count)
}

fn weigh(work: &mut dyn FnMut()) -> Tally {
    let seen = allocation_counter::measure(work);
    Tally { allocations: seen.count_total, bytes: seen.bytes_total }
}

fn exchange(window: u64) -> Exchange {
    accept::exchange(Meter::weighing(weigh), MESSAGES, window)
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
    let Exchange { messages, carried, .. } = exchange(8);
    assert_eq!(carried.shared_bytes, 0);
    // Of these, about 100 are what an ack says of the accept: whether it is the first, when it was, and what
    // it survives.
    assert!(carried.arena_bytes <= 1_220 * messages, "{} bytes", carried.arena_bytes);
}

#[test]
fn a_message_allocates_no_more_than_it_did() {
    for (window, sends, accepted, acked, settled) in
        [(1, 1_100, 400, 220, 220), (8, 940, 240, 60, 60), (32, 920, 220, 30, 30)]
    {
        let Exchange { messages, meter, .. } = exchange(window);
        for (step, most) in
            [(Step::Send, sends), (Step::Accepted, accepted), (Step::Acked, acked), (Step::Settled, settled)]
        {
            let seen = allocations(&meter, step, messages);
            assert!(seen <= most, "window {window}, {step:?}: {seen} hundredths a message, bound {most}");
        }
    }
}

#[test]
fn a_refused_send_allocates_no_more_than_it_did() {
    let Exchange { messages, meter, .. } = accept::refuse(Meter::weighing(weigh), 1_000);
    assert!(allocations(&meter, Step::Refused, messages) <= 400);
}
