//! What the README tells about runners, done as it stands there.

use std::path::Path;
use std::process::Command;

use peermesh_conformance::server::free_port;

use crate::field::runner::Runner;
use crate::serve;
use crate::town::{PATIENCE, Ran, Town, readme};

#[test]
fn the_runners_section_of_the_readme_works_as_it_stands() {
    let (town, port) = (Town::new(), free_port());
    let _broker = serve(&town, port, "http://127.0.0.1:9");
    let _runner = Runner::settles(PATIENCE, port, "test");
    let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
    let path = format!("{}:/usr/bin:/bin", built.display());
    let mut shell = Command::new("bash");
    shell.args(["-euo", "pipefail", "-c", &readme("Runners").join("\n")]);
    shell.env_clear().env("HOME", town.dir()).env("PATH", path).current_dir(town.dir());
    let ran = Ran::from(shell.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("queued") && ran.out.contains("test"), "{ran:?}");
}
