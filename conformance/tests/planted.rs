//! Every defect that can be planted is found.
//!
//! `cargo test -p peermesh-conformance --no-default-features --features planted --test planted -- \
//! --include-ignored --nocapture` prints the table; with `PEERMESH_BLESS=1` it writes `MUTANTS.md`.
//! `PEERMESH_MUTANT=part` plants only those whose names contain that part, and `PEERMESH_LINES` says how much
//! is shown of what led to each.
#![cfg(feature = "planted")]
#![allow(clippy::print_stdout, reason = "the table is for whoever runs this")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use peermesh_conformance::sim::mutants::{Mutant, hunt, table};
use peermesh_core::planted::DEFECTS;

/// Seeds within which each must be found.
const SEEDS: u64 = 1_000;

#[test]
#[ignore = "minutes; ./check --long runs it"]
fn every_planted_defect_is_found_within_a_thousand_seeds() {
    let wanted = std::env::var("PEERMESH_MUTANT").unwrap_or_default();
    let lines = std::env::var("PEERMESH_LINES").ok().and_then(|number| number.parse().ok()).unwrap_or(0);
    let tell = |mutant: &Mutant| match &mutant.caught {
        Some((seed, violation)) => println!("{}{}: seed {seed}: {violation}", mutant.trace, mutant.name),
        None => println!("{}: MISSED", mutant.name),
    };
    let mutants = hunt(&wanted, SEEDS, lines, &tell);
    let table = table(&mutants);
    println!("\n{table}");
    if wanted.is_empty() && std::env::var_os("PEERMESH_BLESS").is_some() {
        let page = page();
        let text = fs::read_to_string(&page).expect("the page is there");
        let head = text.split("\n| Defect").next().unwrap_or_default();
        fs::write(&page, format!("{head}\n{table}")).expect("the page can be written");
    }
    let missed: Vec<_> = mutants.iter().filter(|mutant| mutant.caught.is_none()).collect();
    assert!(missed.is_empty() && !mutants.is_empty(), "missed: {missed:?}");
}

#[test]
fn every_defect_of_the_list_is_planted_somewhere_and_no_other() {
    let mut planted = BTreeSet::new();
    let mut folders = vec![root().join("core/src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of this repository") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("planted.rs") {
                let text = fs::read_to_string(&path).expect("a source");
                let names = text.split("planted(\"").skip(1).filter_map(|rest| rest.split('"').next());
                planted.extend(names.map(str::to_owned));
            }
        }
    }
    let listed: BTreeSet<String> = DEFECTS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(planted, listed);
    assert!(listed.len() >= 25 && listed.len() == DEFECTS.len());
}

#[test]
fn the_page_shows_every_defect_as_caught() {
    let page = fs::read_to_string(page()).expect("the page is there");
    for (name, what) in DEFECTS {
        let row = page.lines().find(|line| line.starts_with(&format!("| `{name}` | {what} |")));
        assert!(
            row.is_some_and(|row| row.contains("| caught |")),
            "MUTANTS.md does not show {name} as caught"
        );
    }
}

fn page() -> PathBuf {
    root().join("conformance/MUTANTS.md")
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
