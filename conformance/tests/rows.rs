//! Every row of the page of faults, and every section of two contracts, has a test or a reason why not; tests
//! that the list of the daemon names are there.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

#[test]
fn every_row_of_the_page_of_faults_has_a_test_or_a_reason() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rows");
    let run = Command::new(&script).output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let (left, trouble) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && left.is_empty(), "\n{left}{trouble}");
}

/// Sections that say nothing of their own: their statements stand below them, or are lists of records that
/// `docs.rs` compares with the code.
const EMPTY: &[&str] = &["1", "2", "3", "4", "5", "6", "7"];

#[test]
fn every_section_of_runners_and_live_topics_has_a_line_that_says_what_proves_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = read(&here.join("CONTRACTS.md"));
    let mut code = String::new();
    for folder in ["core", "cli", "store", "conformance/src", "conformance/tests"] {
        gather(&here.join("..").join(folder), &mut code);
    }
    for (part, page) in [("## Runners", "runner"), ("## Live topics", "live")] {
        let part = text.split(part).nth(1).and_then(|rest| rest.split("\n## ").next()).expect("a part");
        let rows: Vec<Vec<&str>> = part
            .lines()
            .filter(|line| line.starts_with("| "))
            .map(|line| line.split(" | ").collect())
            .collect();
        let told = read(&here.join(format!("../docs/protocol/{page}.md")));
        let headings = told.lines().filter(|line| line.starts_with('#'));
        let headings = headings.filter_map(|line| line.trim_start_matches('#').trim().split_once(' '));
        for (section, _) in
            headings.filter(|(number, _)| number.starts_with(|first: char| first.is_ascii_digit()))
        {
            let section = section.trim_end_matches('.');
            let has_line = rows.iter().any(|row| row[0].trim_start_matches("| ") == section);
            assert!(has_line || EMPTY.contains(&section), "{page}.md, {section}: CONTRACTS.md has no line");
        }
    }
    for named in
        text.lines().filter(|line| line.starts_with("| ")).flat_map(|line| line.split('`').skip(1).step_by(2))
    {
        let is_there = match named.strip_prefix("fn ") {
            Some(name) => code.contains(&format!("fn {name}(")),
            None if named.starts_with("runner/") || named.starts_with("live/") => {
                here.join(format!("cases/{named}.story")).exists()
            }
            // Words of the contract.
            None => true,
        };
        assert!(is_there, "CONTRACTS.md names {named}, which is not there");
    }
}

#[test]
fn every_test_that_the_list_of_the_daemon_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = read(&root.join("DAEMON.md"));
    let rows = list.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let named: BTreeSet<&str> = rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 40, "{}", named.len());
    let mut code = String::new();
    for folder in ["conformance/tests", "core/src", "store/src", "cli"] {
        gather(&root.join("..").join(folder), &mut code);
    }
    let missing: Vec<&&str> = named.iter().filter(|name| !code.contains(&format!("fn {name}()"))).collect();
    assert!(missing.is_empty(), "DAEMON.md names tests that are not there: {missing:?}");
}

fn gather(folder: &Path, into: &mut String) {
    for entry in fs::read_dir(folder).expect("a folder of this repository") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            gather(&path, into);
        } else if path.extension().is_some_and(|kind| kind == "rs") {
            into.push_str(&read(&path));
        }
    }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
