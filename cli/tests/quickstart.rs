//! The quickstart of the README, executed line by line as a reader would type it.

mod town;

use std::path::Path;
use std::process::Command;

use town::{Ran, Town};

/// The lines of the first shell block under the heading.
fn quickstart() -> Vec<String> {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md")).unwrap();
    let (_, section) = readme.split_once("\n## Quickstart\n").expect("the README has a quickstart");
    let (_, block) = section.split_once("```sh\n").expect("the quickstart has a shell block");
    let (lines, _) = block.split_once("```").expect("the block ends");
    lines.lines().filter(|line| !line.trim().is_empty()).map(str::to_owned).collect()
}

#[test]
fn the_quickstart_is_short_enough_to_type() {
    assert!((4..10).contains(&quickstart().len()), "{:?}", quickstart());
}

#[test]
fn the_quickstart_of_the_readme_delivers_its_message() {
    let town = Town::new();
    let _broker = town.serve();
    let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", built.display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &quickstart().join("\n")]);
    shell.env_clear().env("HOME", town.dir()).env("PATH", path).current_dir(town.dir());
    let ran = Ran::from(shell.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let last = ran.out.lines().last().unwrap_or_default();
    assert!(last.contains("ann: ") && last.contains("the build is green"), "{ran:?}");
}
