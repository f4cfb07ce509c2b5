//! Every input of the corpora goes through its target, on any compiler and without a fuzzer.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use peermesh_fuzz::TARGETS;

#[test]
fn every_input_of_the_corpora_keeps_its_promises() {
    let mut broken = Vec::new();
    for (name, target) in TARGETS {
        let inputs = inputs(name);
        assert!(inputs.len() >= 10, "{name} has no corpus to speak of");
        for input in inputs {
            let bytes = fs::read(&input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
            if catch_unwind(|| target(&bytes)).is_err() {
                broken.push(input);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_corpus_has_its_target_and_is_small() {
    let mut bytes = 0;
    for folder in fs::read_dir(corpora()).expect("the corpora").map(|entry| entry.expect("an entry").path()) {
        let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "no target is called {name}");
        bytes += inputs(&name).iter().map(|input| fs::metadata(input).expect("an input").len()).sum::<u64>();
    }
    assert!(bytes < 1 << 20, "{bytes} bytes of corpora");
}

fn inputs(target: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(corpora().join(target)).into_iter().flatten();
    let mut inputs: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    inputs.sort();
    inputs
}

fn corpora() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}
