//! Every row of the page of faults has a test, or a reason why not.

use std::path::Path;
use std::process::Command;

#[test]
fn every_row_of_the_page_of_faults_has_a_test_or_a_reason() {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("rows");
    let run = Command::new(&script).output().unwrap_or_else(|error| panic!("{}: {error}", script.display()));
    let (left, trouble) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success() && left.is_empty(), "\n{left}{trouble}");
}
