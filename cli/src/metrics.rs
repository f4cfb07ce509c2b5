//! The metrics page, rendered from the latest snapshot of each shard.
//!
//! Families stand in the order of `Counter::ALL` and `Gauge::ALL`. A family that has counted nothing shows
//! one sample, `<name> 0`, so that every series exists from the start.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use peermesh_core::stats::{
    Counter, Gauge, INSTANCE_LABEL, MESH_LABEL, MeshCounter, Series, Stats, TIMING_BOUNDS_US, Timed, Timing,
};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Renders the page: `OpenMetrics` when asked, else the plain text format 0.0.4.
pub(crate) fn page(shards: &[Stats], edge: &Edge<'_>, openmetrics: bool) -> Bytes {
    let mut registry = Registry::default();
    let Edge { log_records_dropped, recorded, instance } = *edge;
    let (shards, instance) = (shards.to_vec(), instance.to_owned());
    registry.register_collector(Box::new(Snapshot { shards, log_records_dropped, recorded, instance }));
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = text::encode(&mut text, &registry);
    Bytes::from(if openmetrics { text } else { plain(&text) })
}

/// What the program around the shards counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Edge<'a> {
    /// Log records that nobody took.
    pub(crate) log_records_dropped: u64,
    /// What was recorded.
    pub(crate) recorded: Recorded,
    /// What tells this broker from others.
    pub(crate) instance: &'a str,
}

/// What recordings came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Recorded {
    /// Bytes written.
    pub(crate) bytes: u64,
    /// Recordings that ended because their disk did not keep up or refused.
    pub(crate) holes: u64,
}

/// The numbers of all shards as one collector.
#[derive(Debug)]
struct Snapshot {
    shards: Vec<Stats>,
    log_records_dropped: u64,
    recorded: Recorded,
    /// What tells this broker from others.
    instance: String,
}

/// Counters that the edge itself keeps.
const LOG_DROPPED: Series = Series {
    name: "peermesh_log_records_dropped_total",
    label: None,
    help: "Log records dropped because standard error did not take them",
};

const RECORD_BYTES: Series =
    Series { name: "peermesh_record_bytes_total", label: None, help: "Bytes written to recordings" };
const RECORD_HOLES: Series = Series {
    name: "peermesh_record_holes_total",
    label: None,
    help: "Recordings that ended early because their disk did not keep up or refused",
};

impl Collector for Snapshot {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut rows: Vec<(Series, u64)> =
            Counter::ALL.iter().map(|&counter| (counter.series(), self.counted(counter))).collect();
        rows.push((LOG_DROPPED, self.log_records_dropped));
        rows.push((RECORD_BYTES, self.recorded.bytes));
        rows.push((RECORD_HOLES, self.recorded.holes));
        for family in rows.chunk_by(|(one, _), (other, _)| one.name == other.name) {
            if family.iter().any(|(series, _)| series.is_of_instance()) {
                self.encode_of_instance(&mut encoder, family)?;
            } else {
                encode_counters(&mut encoder, family)?;
            }
        }
        for &counter in MeshCounter::ALL {
            self.encode_by_mesh(&mut encoder, counter)?;
        }
        for &gauge in Gauge::ALL {
            let series = gauge.series();
            let mut metric = encoder.encode_descriptor(series.name, series.help, None, MetricType::Gauge)?;
            let value = ConstGauge::new(self.measured(gauge));
            if series.is_of_instance() {
                let labels = [(INSTANCE_LABEL, self.instance.as_str())];
                value.encode(metric.encode_family(&labels)?)?;
            } else {
                value.encode(metric)?;
            }
        }
        Timing::ALL.iter().try_for_each(|timing| self.encode_timing(&mut encoder, *timing))
    }
}

impl Snapshot {
    fn counted(&self, counter: Counter) -> u64 {
        self.shards.iter().fold(0, |sum, stats| stats.counter(counter).saturating_add(sum))
    }

    /// All samples of a family, zeros included, each with the label of this broker.
    fn encode_of_instance(
        &self,
        encoder: &mut DescriptorEncoder<'_>,
        family: &[(Series, u64)],
    ) -> fmt::Result {
        let Some((series, _)) = family.first() else { return Ok(()) };
        let mut metric = describe_counter(encoder, *series)?;
        family.iter().try_for_each(|(series, count)| {
            let own = (INSTANCE_LABEL, self.instance.as_str());
            let labels: Vec<(&str, &str)> = std::iter::once(own).chain(series.label).collect();
            ConstCounter::new(*count).encode(metric.encode_family(&labels)?)
        })
    }

    fn encode_by_mesh(&self, encoder: &mut DescriptorEncoder<'_>, counter: MeshCounter) -> fmt::Result {
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for (mesh, count) in self.shards.iter().flat_map(|stats| stats.by_mesh(counter)) {
            let sum = counts.entry(mesh).or_default();
            *sum = sum.saturating_add(count);
        }
        let series = counter.series();
        let mut metric = describe_counter(encoder, series)?;
        if counts.is_empty() {
            return encode_count(series, 0, metric);
        }
        counts.into_iter().try_for_each(|(mesh, count)| {
            encode_count(series, count, metric.encode_family(&[(MESH_LABEL, mesh)])?)
        })
    }

    fn encode_timing(&self, encoder: &mut DescriptorEncoder<'_>, timing: Timing) -> fmt::Result {
        let mut all = Timed::default();
        self.shards.iter().for_each(|stats| all.merge(stats.timed(timing)));
        let Series { name, help, .. } = timing.series();
        let mut metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        let seconds = |micros: u64| Duration::from_micros(micros).as_secs_f64();
        let bounds = TIMING_BOUNDS_US.into_iter().map(seconds).chain([f64::MAX]);
        let buckets: Vec<(f64, u64)> = bounds.zip(all.counts).collect();
        let count = all.counts.iter().sum();
        metric.encode_histogram::<NoLabelSet>(seconds(all.sum_us), count, &buckets, None)
    }

    /// Shards add up, but the store is only as healthy as the shard that finds it the least so.
    fn measured(&self, gauge: Gauge) -> i64 {
        let values = self.shards.iter().map(|stats| stats.gauge(gauge));
        match gauge {
            Gauge::DbHealthy => values.min().unwrap_or(0),
            Gauge::ConnectionsActive
            | Gauge::QueueDepth
            | Gauge::RunnerConnections
            | Gauge::RunnerEventsWaiting
            | Gauge::RunnerEventsDead
            | Gauge::RunnerCommandsWaiting
            | Gauge::LiveConnections
            | Gauge::LiveSubscriptions
            | Gauge::LiveTopics
            | Gauge::LiveQueueBytes
            | Gauge::Sockets
            | Gauge::MeshesResident => values.fold(0, i64::saturating_add),
        }
    }
}

fn encode_counters(encoder: &mut DescriptorEncoder<'_>, family: &[(Series, u64)]) -> fmt::Result {
    let Some((series, _)) = family.first() else { return Ok(()) };
    let mut metric = describe_counter(encoder, *series)?;
    let mut counted = family.iter().filter(|(_, count)| *count > 0).peekable();
    match counted.peek() {
        // Nothing counted, or nothing to tell apart: one sample without labels.
        None => encode_count(*series, 0, metric),
        Some((Series { label: None, .. }, count)) => encode_count(*series, *count, metric),
        Some((Series { label: Some(_), .. }, _)) => counted.try_for_each(|(series, count)| {
            let labels: Vec<(&str, &str)> = series.label.into_iter().collect();
            encode_count(*series, *count, metric.encode_family(&labels)?)
        }),
    }
}

fn describe_counter<'a>(
    encoder: &'a mut DescriptorEncoder<'_>,
    Series { name, help, .. }: Series,
) -> Result<MetricEncoder<'a>, fmt::Error> {
    // The encoder adds the ending of counters itself; `OpenMetrics` knows no counters without it.
    match name.strip_suffix(TOTAL) {
        Some(stem) => encoder.encode_descriptor(stem, help, None, MetricType::Counter),
        None => encoder.encode_descriptor(name, help, None, MetricType::Unknown),
    }
}

const TOTAL: &str = "_total";

fn encode_count(series: Series, count: u64, metric: MetricEncoder<'_>) -> fmt::Result {
    if series.name.ends_with(TOTAL) {
        return ConstCounter::new(count).encode(metric);
    }
    ConstGauge::new(i64::try_from(count).unwrap_or(i64::MAX)).encode(metric)
}

/// `OpenMetrics` text in the older format: counters are described under their full name, and no end is
/// marked.
fn plain(openmetrics: &str) -> String {
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(openmetrics.len() + 1024);
    for line in openmetrics.lines().filter(|line| *line != "# EOF") {
        match described(line).filter(|(_, name, _)| counters.contains(name)) {
            Some((keyword, name, rest)) => text.push_str(&format!("{keyword}{name}_total {rest}")),
            None => match line.strip_suffix(" unknown").filter(|line| line.starts_with("# TYPE ")) {
                Some(described) => text.push_str(&format!("{described} counter")),
                None => text.push_str(line),
            },
        }
        text.push('\n');
    }
    text
}

fn described(line: &str) -> Option<(&str, &str, &str)> {
    let keyword = ["# HELP ", "# TYPE "].into_iter().find(|keyword| line.starts_with(keyword))?;
    let (name, rest) = line.get(keyword.len()..)?.split_once(' ')?;
    Some((keyword, name, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(shards: &[Stats], openmetrics: bool) -> String {
        let recorded = Recorded { bytes: 7, holes: 1 };
        let edge = Edge { log_records_dropped: 3, recorded, instance: "here" };
        String::from_utf8(page(shards, &edge, openmetrics).to_vec()).unwrap()
    }

    fn two_shards() -> [Stats; 2] {
        let (mut one, mut two) = (Stats::default(), Stats::default());
        one.add(Counter::RoutedNow, 2);
        two.add(Counter::RoutedNow, 3);
        two.count(Counter::RoutedLow);
        one.set(Gauge::ConnectionsActive, 4);
        two.set(Gauge::ConnectionsActive, 5);
        one.set(Gauge::DbHealthy, 1);
        [one, two]
    }

    #[test]
    fn the_plain_page_describes_counters_by_their_full_name() {
        let page = shown(&two_shards(), false);
        let wanted = "# HELP broker_messages_routed_total Pushes written by priority\n\
                      # TYPE broker_messages_routed_total counter\n\
                      broker_messages_routed_total{priority=\"now\"} 5\n\
                      broker_messages_routed_total{priority=\"low\"} 1\n";
        assert!(page.contains(wanted), "{page}");
        assert!(!page.contains("# EOF"));
    }

    #[test]
    fn every_series_without_samples_shows_a_zero() {
        let page = shown(&[], false);
        for counter in Counter::ALL.iter().filter(|counter| !counter.series().is_of_instance()) {
            let name = counter.series().name;
            assert!(page.contains(&format!("# TYPE {name} counter\n{name} 0\n")), "{name}\n{page}");
        }
        for counter in MeshCounter::ALL {
            let name = counter.series().name;
            assert!(page.contains(&format!("# TYPE {name} counter\n{name} 0\n")), "{name}\n{page}");
        }
        for gauge in Gauge::ALL.iter().filter(|gauge| !gauge.series().is_of_instance()) {
            let name = gauge.series().name;
            assert!(page.contains(&format!("# TYPE {name} gauge\n{name} 0\n")), "{name}\n{page}");
        }
        assert!(page.contains("peermesh_log_records_dropped_total 3\n"));
    }

    #[test]
    fn the_series_of_live_topics_say_whose_they_are_and_show_every_type() {
        let mut shards = two_shards();
        shards[1].add(Counter::LiveSubscribe, 7);
        shards[0].set(Gauge::LiveConnections, 3);
        let page = shown(&shards, false);
        for line in [
            "# TYPE processor_live_messages_inbound_total counter",
            "processor_live_messages_inbound_total{instance_id=\"here\",type=\"subscribe\"} 7",
            "processor_live_messages_inbound_total{instance_id=\"here\",type=\"invalid\"} 0",
            "processor_live_messages_outbound_total{instance_id=\"here\",type=\"error\"} 0",
            "processor_live_connections{instance_id=\"here\"} 3",
            "processor_live_subscriptions{instance_id=\"here\"} 0",
        ] {
            assert!(page.lines().any(|have| have == line), "{line}\n{page}");
        }
    }

    #[test]
    fn gauges_add_up_and_the_least_healthy_shard_speaks_for_the_store() {
        let page = shown(&two_shards(), false);
        assert!(page.contains("\nbroker_connections_active 9\n"), "{page}");
        assert!(page.contains("\nbroker_db_healthy 0\n"), "{page}");
    }

    #[test]
    fn counts_of_one_mesh_add_up_over_shards_and_meshes_are_told_apart() {
        let mut shards = two_shards();
        for (shard, mesh) in [(0, "m1"), (1, "m1"), (1, "m2")] {
            shards[shard].count_of(MeshCounter::FingerprintMismatch, mesh);
        }
        let page = shown(&shards, false);
        let wanted = "# TYPE cm_broker_dedupe_fingerprint_mismatch_total counter\n\
                      cm_broker_dedupe_fingerprint_mismatch_total{mesh_id=\"m1\"} 2\n\
                      cm_broker_dedupe_fingerprint_mismatch_total{mesh_id=\"m2\"} 1\n";
        assert!(page.contains(wanted), "{page}");
    }

    #[test]
    fn counters_without_the_usual_ending_keep_their_name_in_both_formats() {
        let mut shards = two_shards();
        shards[1].count_of(MeshCounter::Orphans, "m1");
        let sample = "cm_broker_dedupe_orphan_found{mesh_id=\"m1\"} 1\n";
        let page = shown(&shards, false);
        assert!(page.contains(&format!("# TYPE cm_broker_dedupe_orphan_found counter\n{sample}")), "{page}");
        let page = shown(&shards, true);
        assert!(page.contains(&format!("# TYPE cm_broker_dedupe_orphan_found unknown\n{sample}")), "{page}");
        assert!(page.contains("\ncm_broker_atomicity_violation_found 0\n"), "{page}");
    }

    #[test]
    fn openmetrics_names_families_without_their_ending_and_marks_its_end() {
        let page = shown(&two_shards(), true);
        assert!(page.contains("# TYPE broker_messages_routed counter\n"), "{page}");
        assert!(page.contains("broker_messages_routed_total{priority=\"now\"} 5\n"), "{page}");
        assert!(page.contains("broker_hook_requests_total 0\n") && page.ends_with("# EOF\n"), "{page}");
    }

    #[test]
    fn families_stand_together_in_the_order_of_the_table() {
        let page = shown(&two_shards(), false);
        let described: Vec<&str> =
            page.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
        let mut wanted: Vec<&str> = Counter::ALL.iter().map(|counter| counter.series().name).collect();
        wanted.dedup();
        wanted.extend([LOG_DROPPED, RECORD_BYTES, RECORD_HOLES].map(|series| series.name));
        wanted.extend(MeshCounter::ALL.iter().map(|counter| counter.series().name));
        wanted.extend(Gauge::ALL.iter().map(|gauge| gauge.series().name));
        wanted.extend(Timing::ALL.iter().map(|timing| timing.series().name));
        assert_eq!(described, wanted);
    }
}
