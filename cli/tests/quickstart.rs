//! The quickstart of the README, executed line by line as a reader would type it.

mod town;

use std::path::Path;
use std::process::Command;

use town::{Ran, Town, readme};

#[test]
fn the_quickstart_is_short_enough_to_type() {
    assert!((4..10).contains(&readme("Quickstart").len()), "{:?}", readme("Quickstart"));
}

#[test]
fn the_quickstart_of_the_readme_delivers_its_message() {
    let town = Town::new();
    let _broker = town.serve();
    let ran = typed(&town, &readme("Quickstart"));
    let last = ran.out.lines().last().unwrap_or_default();
    assert!(last.contains("ann: ") && last.contains("the build is green"), "{ran:?}");
}

#[test]
fn the_daemon_of_the_readme_takes_and_shows_a_message() {
    let town = Town::new();
    let _broker = town.serve();
    typed(&town, &readme("Quickstart"));
    // Whatever happens, no daemon is left.
    let trap = vec!["trap 'peermesh daemon down >/dev/null' EXIT".to_owned()];
    let ran = typed(&town, &[trap, readme("The daemon, and agents")].concat());
    assert!(ran.out.contains("ann: whenever you are back"), "{ran:?}");
    assert!(ran.out.contains("the daemon is up") && ran.out.contains("the daemon has stopped"), "{ran:?}");
}

/// Types these lines into a shell; all of them must succeed.
fn typed(town: &Town, lines: &[String]) -> Ran {
    let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", built.display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &lines.join("\n")]);
    shell.env_clear().env("HOME", town.dir()).env("PATH", path).current_dir(town.dir());
    let ran = Ran::from(shell.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    ran
}
