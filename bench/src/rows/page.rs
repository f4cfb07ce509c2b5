//! The page of results: the part that is made from figures, between two marks of the file.

use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::thread;

use super::goals::{self, short};
use super::{Figures, Plan, steps};
use crate::load::{live, mesh};

/// Between these the page is made; what stands outside stays.
const BEGIN: &str = "<!-- Made by `peermesh-bench all`. -->";
const END: &str = "<!-- End of what is made. -->";

/// Puts the figures into the page.
///
/// # Errors
/// When the page cannot be read or written, or lacks its marks.
pub(super) fn write(page: &Path, plan: &Plan, figures: &Figures) -> Result<(), Box<dyn Error>> {
    let text = fs::read_to_string(page).map_err(|error| format!("{}: {error}", page.display()))?;
    let marks = text.find(BEGIN).zip(text.find(END)).filter(|(begin, end)| begin < end);
    let (begin, end) = marks.ok_or_else(|| format!("{}: {BEGIN} and {END} are missing", page.display()))?;
    let whole = format!("{}{}\n\n{}{}", &text[..begin], BEGIN, made(plan, figures), &text[end..]);
    Ok(fs::write(page, whole)?)
}

fn made(plan: &Plan, figures: &Figures) -> String {
    let rows = goals::rows(figures);
    let [met, missed] = [true, false].map(|met| rows.iter().filter(|row| row.is_met == Some(met)).count());
    let stopped = rows.iter().filter(|row| row.is_stopped).count();
    let mut text = format!(
        "{}. Runs: {}, of which medians are shown; {} s a load; {} messages in the store before durable \
         ones were measured. {met} goals met; of {missed} that are not, {stopped} are within a fifth of the \
         limit that the next row names.\n\n",
        machine(),
        figures.runs(),
        plan.time.as_secs_f64(),
        short(crate::load::outcome::float(plan.stored)),
    );
    if plan.divisor > 1 {
        let _ = writeln!(
            text,
            "**A quick run: crowds and queues are a {}th of what the rows say.**\n",
            plan.divisor
        );
    }
    text.push_str(
        "| What | Figure | Beside it, in the same run | Ratio | Goal | Met |\n|---|---|---|---|---|---|\n",
    );
    for row in &rows {
        let met = match row.is_met {
            _ if row.goal.is_empty() => "",
            Some(true) => "yes",
            Some(false) if row.is_stopped => "at its limit",
            Some(false) => "**no**",
            None => "not measured",
        };
        let _ = writeln!(
            text,
            "| {} | {} | {} | {} | {} | {met} |",
            row.what, row.figure, row.beside, row.ratio, row.goal
        );
    }
    let [lost, doubled, refused] =
        ["lost", "doubled", "refused"].map(|what| figures.sum_of(&format!(".{what}")));
    let _ = writeln!(
        text,
        "\nOver all loads of all runs: {lost} messages lost, {doubled} doubled, {refused} refused.\n"
    );
    rivals(&mut text, figures);
    parts(&mut text, figures);
    for (what, why) in figures.skipped() {
        let _ = writeln!(text, "Left out: {what}, because {why}.\n");
    }
    settings(&mut text);
    text.push_str("One row alone, all but the comparison:\n\n");
    let mut shown = Vec::new();
    for row in &rows {
        if !shown.contains(&&row.command) {
            let _ = writeln!(text, "    {}", row.command);
            shown.push(&row.command);
        }
    }
    text.push('\n');
    text
}

/// What else carried 50 pairs.
fn rivals(text: &mut String, figures: &Figures) {
    text.push_str(
        "| 50 pairs, 256 bytes | messages/s | server CPU µs | p50 ms | p99 ms | RSS MiB at most |\n\
         |---|---|---|---|---|---|\n",
    );
    for (name, shown) in [
        ("durable.50", "peermesh, embedded store, synced"),
        ("postgres.50", "peermesh, Postgres, synced (the broker alone)"),
        ("jetstream.50", "NATS JetStream, file, acknowledged before it is synced"),
        ("mosquitto.50", "Mosquitto, QoS 1, memory"),
        ("redis.50", "Redis stream, append synced, nothing delivered"),
        ("nats.50", "NATS core, nothing stored"),
    ] {
        let cell = |what: &str, over: f64| {
            figures.median(&format!("{name}.{what}")).map_or("–".to_owned(), |value| short(value / over))
        };
        let [rate, cpu, p50, p99, peak] =
            [cell("rate", 1.0), cell("cpu", 1.0), cell("p50", 1e3), cell("p99", 1e3), cell("peak", 1.0)];
        let _ = writeln!(text, "| {shown} | {rate} | {cpu} | {p50} | {p99} | {peak} |");
    }
    text.push('\n');
}

/// Where the time of a durable message goes, and what the store does alone.
fn parts(text: &mut String, figures: &Figures) {
    let cell = |name: &str| figures.median(name).map_or("–".to_owned(), short);
    let spread = figures
        .spread("durable.50.rate")
        .map_or("–".to_owned(), |spread| format!("{:.0} %", spread * 100.0));
    let _ = writeln!(
        text,
        "Of {} µs a durable message at 50 pairs, {} were the shard's thread, {} the store's; {} inside the \
         kernel. The generator took {} µs. The runs' rates differed by {spread} of their median.\n",
        cell("durable.50.cpu"),
        cell("durable.50.cpu.shards"),
        cell("durable.50.cpu.store"),
        cell("durable.50.cpu.kernel"),
        cell("durable.50.generator"),
    );
    let _ = writeln!(
        text,
        "The embedded store alone accepts and settles {} messages/s at 256 a commit ({} µs of CPU); a plain \
         file takes the same bytes with as many syncs at {} messages/s, a sync of them takes {} µs.\n",
        cell("store.rate"),
        cell("store.cpu"),
        cell("file.rate"),
        cell("file.sync.us"),
    );
}

/// What brokers under measurement had besides their defaults.
fn settings(text: &mut String) {
    let shown = |settings: &[(&str, &str)]| {
        settings.iter().map(|(name, value)| format!("`{name}={value}`")).collect::<Vec<_>>().join(", ")
    };
    let _ = writeln!(
        text,
        "Settings besides the defaults: of loads on a mesh {}; of large meshes and queues {}; \
         of live topics {}; of events `PEERMESH_RUNNER_FORWARDS_MAX` as many as runners; \
         of all `PEERMESH_STATS_MS=20` and `PEERMESH_LOG=error`.\n",
        shown(mesh::MORE),
        shown(steps::LARGE_MESH),
        shown(live::MORE),
    );
}

/// The machine, by what can be compared.
fn machine() -> String {
    let cores = thread::available_parallelism().map_or(0, usize::from);
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = memory.split_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    format!(
        "{cores} cores, {} GiB of memory, loopback; the generator on the same machine",
        kib.div_ceil(1 << 20)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let page = dir.path().join("RESULTS.md");
        fs::write(&page, format!("# Results\n\n{BEGIN}\nold\n{END}\n\n## Counts\n")).unwrap();
        let plan = Plan {
            program: "p".into(),
            small: None,
            dir: dir.path().into(),
            runs: 1,
            time: std::time::Duration::from_secs(1),
            stored: 10,
            divisor: 1,
            only: Vec::new(),
        };
        write(&page, &plan, &Figures::default()).unwrap();
        let text = fs::read_to_string(&page).unwrap();
        assert!(text.starts_with("# Results\n\n") && text.ends_with(&format!("{END}\n\n## Counts\n")));
        assert!(!text.contains("old") && text.contains("| durable messages/s, 10 pairs"));
    }
}
