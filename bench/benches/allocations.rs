//! What frames and messages allocate, step by step: `cargo bench -p peermesh-bench --bench allocations`.

use peermesh_bench::accept::{self, Exchange};
use peermesh_bench::codec;
use peermesh_bench::meter::{Meter, Tally};
use peermesh_bench::table::{Table, per};

const FRAMES: u64 = 10_000;
const MESSAGES: u64 = 8_192;

fn main() -> std::io::Result<()> {
    let frames = codec::frames(Meter::weighing(weigh), FRAMES);
    let mut table = Table::new(&["frames of a send", "allocations", "bytes"]);
    rows(&mut table, &frames.meter, FRAMES);
    table.print()?;
    for window in [1, 8, 32] {
        let exchange = accept::exchange(Meter::weighing(weigh), MESSAGES, window);
        let title = format!("message, window {window}");
        show(&title, &exchange)?;
    }
    show("refused send", &accept::refuse(Meter::weighing(weigh), MESSAGES))
}

fn show(title: &str, exchange: &Exchange) -> std::io::Result<()> {
    let (count, carried) = (exchange.messages, exchange.carried);
    let mut table = Table::new(&[title, "allocations", "bytes"]);
    rows(&mut table, &exchange.meter, count);
    table.print()?;
    let mut table = Table::new(&["carried", "per message"]);
    for (name, sum) in [
        ("bytes received", carried.received_bytes),
        ("bytes sent from the arena", carried.arena_bytes),
        ("bytes sent from shared buffers", carried.shared_bytes),
        ("sends", carried.sends),
        ("store requests", carried.requests),
        ("store operations", carried.ops),
    ] {
        table.row([name.to_owned(), per(sum, count, 2)]);
    }
    table.print()
}

fn rows(table: &mut Table, meter: &Meter, count: u64) {
    let mut whole = Tally::default();
    for (step, tally) in meter.tallies() {
        whole += *tally;
        table.row([step.name().to_owned(), per(tally.allocations, count, 2), per(tally.bytes, count, 0)]);
    }
    table.row(["all".to_owned(), per(whole.allocations, count, 2), per(whole.bytes, count, 0)]);
}

fn weigh(work: &mut dyn FnMut()) -> Tally {
    let seen = allocation_counter::measure(work);
    Tally { allocations: seen.count_total, bytes: seen.bytes_total }
}
