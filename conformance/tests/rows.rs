//! Every row of the page of faults has a test, or a reason why not; tests that a list names are there.

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

#[test]
fn every_test_that_the_list_of_the_daemon_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let list = fs::read_to_string(root.join("DAEMON.md")).unwrap();
    let rows = list.lines().filter(|line| line.starts_with("| ")).filter_map(|line| line.rsplit('|').nth(1));
    let named: BTreeSet<&str> = rows.flat_map(|tests| tests.split('`').skip(1).step_by(2)).collect();
    assert!(named.len() > 40, "{}", named.len());
    let mut there = BTreeSet::new();
    for folder in ["conformance/tests", "core/src", "store/src", "cli/src", "cli/tests"] {
        collect(&root.join("..").join(folder), &mut there);
    }
    let missing: Vec<&&str> = named.iter().filter(|name| !there.contains(**name)).collect();
    assert!(missing.is_empty(), "DAEMON.md names tests that are not there: {missing:?}");
}

/// The names of all functions without arguments below a folder.
fn collect(folder: &Path, there: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, there);
        } else if path.extension().is_some_and(|end| end == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let names =
                text.lines().filter_map(|line| line.trim_start().strip_prefix("fn ")?.split_once("()"));
            there.extend(names.map(|(name, _)| name.to_owned()));
        }
    }
}
