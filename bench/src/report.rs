//! What live topics and runners came to, over several runs.

use std::error::Error;
use std::time::Duration;

use peermesh_bench::fanout as fan;
use peermesh_bench::summary::{Form, Summary};

/// What a publication costs for each watcher, beside the same bytes written without a broker.
pub(crate) fn fanout(
    watchers: &[u64],
    publications: u64,
    bytes: usize,
    runs: u32,
    form: Form,
) -> Result<(), Box<dyn Error>> {
    let mut summary = Summary::new(
        "watchers",
        &[
            ("encodes a publication", 0),
            ("bytes copied a delivery", 0),
            ("deliveries/s", 0),
            ("plain writes/s", 0),
            ("deliveries / writes", 2),
            ("CPU ns a delivery", 0),
            ("CPU ns a write", 0),
            ("CPU ns the broker adds", 0),
        ],
    );
    for _ in 0..runs {
        for &watchers in watchers {
            let run = fan::run(watchers, publications, bytes)?;
            let count = number(run.deliveries);
            let rate = |time: Duration| count / time.as_secs_f64();
            let nanos = |time: Duration| time.as_secs_f64() * 1e9 / count;
            let (broker, raw) = (nanos(run.broker_cpu), nanos(run.raw_cpu));
            summary.add(
                &watchers.to_string(),
                &[
                    number(run.encodes) / number(run.publications),
                    number(run.copied_bytes) / count,
                    rate(run.broker),
                    rate(run.raw),
                    rate(run.broker) / rate(run.raw),
                    broker,
                    raw,
                    broker - raw,
                ],
            );
        }
    }
    Ok(summary.print(form, runs)?)
}

fn number(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}
