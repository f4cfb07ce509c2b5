//! The pages that show tables of the code show them as they are, and what pages and stories refer to is
//! there.
//!
//! `PEERMESH_BLESS=1 cargo test -p peermesh-conformance --test docs` writes the tables anew.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use peermesh_core::config::{DaemonLimits, LimitRow, Limits};
use peermesh_core::fault::{CloseRow, Fault};
use peermesh_core::stats::{Counter, Gauge, MESH_LABEL, MeshCounter, Series};

#[test]
fn the_page_of_close_codes_shows_every_fault() {
    let mut table = String::from("| Code | Reason | When | Come back |\n|---|---|---|---|\n");
    let mut rows: Vec<CloseRow> = Fault::ALL.iter().map(|fault| fault.row()).collect();
    rows.sort_by_key(|row| row.code);
    for CloseRow { code, reason, advice, when } in rows {
        let _ = writeln!(table, "| {code} | `{reason}` | {when} | {} |", advice.word());
    }
    show("docs/protocol/close-codes.md", &table);
}

#[test]
fn the_page_of_limits_shows_every_limit() {
    let mut table = String::from("| Limit | Default | From | To | Meaning |\n|---|---|---|---|---|\n");
    for LimitRow { name, default, min, max, help } in Limits::TABLE {
        let _ = writeln!(table, "| `{name}` | {} | {min} | {max} | {help} |", with_unit(name, *default));
    }
    show("docs/limits.md", &table);
}

#[test]
fn the_page_of_the_daemon_shows_every_bound_of_it() {
    let mut table = String::from("| Limit | Default | From | To | Meaning |\n|---|---|---|---|---|\n");
    for LimitRow { name, default, min, max, help } in DaemonLimits::TABLE {
        let _ = writeln!(table, "| `{name}` | {} | {min} | {max} | {help} |", with_unit(name, *default));
    }
    show("docs/protocol/daemon.md", &table);
}

#[test]
fn the_page_of_metrics_shows_every_series() {
    let mut table = String::from("| Series | Type | Labels | Meaning |\n|---|---|---|---|\n");
    let counters: Vec<Series> = Counter::ALL.iter().map(|counter| counter.series()).collect();
    for family in counters.chunk_by(|one, other| one.name == other.name) {
        write_family(&mut table, "counter", family);
    }
    for counter in MeshCounter::ALL {
        let Series { name, help, .. } = counter.series();
        let _ = writeln!(table, "| `{name}` | counter | `{MESH_LABEL}` | {help} |");
    }
    for gauge in Gauge::ALL {
        write_family(&mut table, "gauge", &[gauge.series()]);
    }
    show("docs/metrics.md", &table);
}

#[test]
fn every_section_that_a_story_covers_is_in_the_protocol() {
    let mesh = sections("docs/protocol/mesh.md");
    let runner = sections("docs/protocol/runner.md");
    let live = sections("docs/protocol/live.md");
    let daemon = sections("docs/protocol/daemon.md");
    let mut stories = Vec::new();
    collect(&root().join("conformance/cases"), "story", &mut stories);
    for story in stories {
        let text = read(&story);
        let covered =
            text.lines().filter_map(|line| line.strip_prefix("covers:")).flat_map(|list| list.split(';'));
        for item in covered.map(str::trim) {
            let cited = item.strip_prefix("mesh protocol ").map(|number| (&mesh, number));
            let cited = cited.or_else(|| Some((&runner, item.strip_prefix("runner protocol ")?)));
            let cited = cited.or_else(|| Some((&live, item.strip_prefix("live protocol ")?)));
            let cited = cited.or_else(|| Some((&daemon, item.strip_prefix("daemon protocol ")?)));
            let Some((sections, number)) = cited else { continue };
            // A row of a section's table may follow its number.
            let number = number.split(' ').next().unwrap_or_default();
            assert!(sections.contains(number), "{}: no section {number:?}", story.display());
        }
    }
}

#[test]
fn every_limit_that_a_page_names_exists() {
    let mut pages = Vec::new();
    collect(&root().join("docs"), "md", &mut pages);
    for page in pages {
        for word in read(&page).split('`').skip(1).step_by(2) {
            let looks_so = !word.starts_with('_')
                && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
                && ["_ms", "_bytes", "_max", "_us"].iter().any(|end| word.ends_with(end));
            assert!(
                !looks_so
                    || Limits::NAMES.contains(&word)
                    || DaemonLimits::NAMES.contains(&word)
                    || NO_LIMIT.contains(&word),
                "{}: `{word}`",
                page.display()
            );
        }
    }
}

/// Fields of messages and log records, and parameters of features, that are named like limits.
const NO_LIMIT: &[&str] = &[
    "last_heartbeat_age_ms",
    "last_pong_ago_ms",
    "jump_ms",
    "stack_bytes",
    "latency_ms",
    "peermesh_live_queue_bytes",
    "retry_after_ms",
    "max_message_bytes",
    "ping_interval_ms",
    "drain_timeout_ms",
    "inline_bytes",
    "blob_bytes",
    "stack_bytes",
];

#[test]
fn every_log_record_of_the_core_is_in_the_protocol_and_every_record_there_is_in_the_code() {
    let pages = ["mesh", "runner", "live", "daemon"].map(|name| format!("docs/protocol/{name}.md"));
    let pages = pages.map(|page| read(&root().join(page)));
    let told: BTreeSet<&str> = pages
        .iter()
        .flat_map(|page| {
            let table = page.split_once("| `msg` | Level | Fields |").expect("a table of log records");
            table.1.lines()
        })
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .flat_map(|cell| cell.split('`').skip(1).step_by(2))
        .collect();
    let mut sources = Vec::new();
    for folder in ["core/src", "cli/src", "runtime-smol/src", "runtime-threads/src"] {
        collect(&root().join(folder), "rs", &mut sources);
    }
    let code: Vec<String> = sources
        .iter()
        .map(|source| read(source).split("#[cfg(test)]").next().unwrap_or("").to_owned())
        .collect();
    for text in &told {
        assert!(code.iter().any(|source| source.contains(&format!("\"{text}\""))), "nothing logs {text:?}");
    }
    for made in code.iter().flat_map(|source| source.split("Note::new(").skip(1)) {
        let text = made
            .split_once(", \"")
            .filter(|(level, _)| level.trim().starts_with("Level::") && level.len() < 40);
        let Some(text) = text.and_then(|(_, rest)| rest.split('"').next()) else { continue };
        assert!(told.contains(text), "no protocol's table of log records has {text:?}");
    }
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut pages = Vec::new();
    collect(&root().join("docs"), "md", &mut pages);
    for page in pages {
        let folder = page.parent().expect("a page lies in a folder");
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(target.exists(), "{}: {link}", page.display());
            let is_there =
                anchor.is_empty() || read(&target).lines().any(|line| heading_anchor(line) == anchor);
            assert!(is_there, "{}: no heading for {link}", page.display());
        }
    }
}

/// What links call a heading: its words in lower case, joined by hyphens, without punctuation.
fn heading_anchor(line: &str) -> String {
    let Some(title) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#').trim()) else {
        return String::new();
    };
    let kept = title.chars().filter(|letter| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_'));
    kept.flat_map(char::to_lowercase).map(|letter| if letter == ' ' { '-' } else { letter }).collect()
}

fn write_family(table: &mut String, kind: &str, family: &[Series]) {
    let Some(Series { name, help, label }) = family.first() else { return };
    let values: Vec<String> =
        family.iter().filter_map(|series| series.label).map(|(_, value)| format!("`{value}`")).collect();
    let labels =
        label.map_or_else(|| "–".to_owned(), |(label, _)| format!("`{label}`: {}", values.join(", ")));
    let _ = writeln!(table, "| `{name}` | {kind} | {labels} | {help} |");
}

/// A value with what its limit's name says it counts, and in a greater unit where that is a whole number.
fn with_unit(name: &str, value: u64) -> String {
    const TIMES: [(u64, &str); 4] = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s")];
    const SIZES: [(u64, &str); 3] = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    let (unit, greater): (&str, &[(u64, &str)]) = match name {
        _ if name.contains("_ms") => (" ms", &TIMES),
        _ if name.contains("_us") => (" µs", &[(1_000, "ms")]),
        _ if name.contains("_bytes") => (" bytes", &SIZES),
        _ => ("", &[]),
    };
    let whole = greater.iter().find(|(size, _)| value > 0 && value.is_multiple_of(*size));
    match whole {
        Some((size, greater)) => format!("{value}{unit} ({} {greater})", value / size),
        None => format!("{value}{unit}"),
    }
}

const FROM: &str = "<!-- The table is made from the code. -->\n\n";
const TO: &str = "\n<!-- End of the table. -->\n";

/// Holds a page's table to what it must be, or writes it when asked to.
fn show(page: &str, table: &str) {
    let path = root().join(page);
    let text = read(&path);
    let parts = text.split_once(FROM).and_then(|(head, rest)| Some((head, rest.split_once(TO)?)));
    let Some((head, (shown, tail))) = parts else { panic!("{page} has no place for its table") };
    if std::env::var_os("PEERMESH_BLESS").is_some() {
        fs::write(&path, [head, FROM, table, TO, tail].concat()).expect("the page can be written");
        return;
    }
    let stale = table.lines().find(|line| !shown.lines().any(|other| other == *line));
    assert!(
        shown == table,
        "{page} is not what the code says: PEERMESH_BLESS=1 writes it anew; first: {stale:?}"
    );
}

/// The numbers of all headings of a protocol: `3.10` of `### 3.10 Where a message is`.
fn sections(page: &str) -> BTreeSet<String> {
    let text = read(&root().join(page));
    let headings = text.lines().filter(|line| line.starts_with("## ") || line.starts_with("### "));
    headings
        .filter_map(|line| line.split(' ').nth(1))
        .map(|number| number.trim_end_matches('.').to_owned())
        .collect()
}

fn collect(folder: &Path, ending: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, ending, found);
        } else if path.extension().is_some_and(|have| have == ending) {
            found.push(path);
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
