//! `canonicalize` and `fingerprint` as processes: exactly the bytes that were promised, or none.

mod town;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use town::{Ran, Town};

/// The most that is taken.
const BYTES_MAX: usize = 16 * 1024 * 1024;

#[test]
fn the_published_pairs_come_out_to_the_byte() {
    let town = Town::new();
    for name in ["arrays", "french", "structures", "unicode", "values", "weird"] {
        let file = |folder: &str| fs::read(corpus().join(format!("{folder}/{name}.json"))).unwrap();
        let output = town.feed(&["canonicalize"], &file("input"));
        assert_eq!((output.status.code(), output.stdout), (Some(0), file("output")), "{name}");
        assert!(output.stderr.is_empty(), "{name}");
    }
}

#[test]
fn every_edge_case_comes_out_or_leaves_standard_output_empty() {
    let town = Town::new();
    let text = fs::read_to_string(corpus().join("edge-cases.jsonl")).unwrap();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let Some(input) = case["input"].as_str() else { continue };
        let ran = filtered(&town, &["canonicalize"], input.as_bytes());
        let wanted = case["expected"].as_str().or_else(|| case["expected_if_accepted"].as_str());
        assert_eq!(
            (ran.code, ran.out.as_str()),
            (i32::from(wanted.is_none()), wanted.unwrap_or("")),
            "{case}"
        );
        let said = if wanted.is_some() { 0 } else { 1 };
        assert_eq!(ran.err.lines().count(), said, "{case}: {}", ran.err);
    }
}

#[test]
fn a_refusal_names_the_place_and_what_is_wrong_with_it() {
    let town = Town::new();
    let ran = filtered(&town, &["canonicalize"], b"{\"a\": 1,\n \"\\u0061\": 2}\n");
    assert_eq!(
        (ran.code, ran.err.as_str()),
        (
            1,
            "peermesh: the input has no canonical form: a name that the object has already, at line 2, column 2 (byte 10)\n"
        )
    );
    let ran = filtered(&town, &["canonicalize", "--sha256"], b"[1e999]");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert_eq!(filtered(&town, &["canonicalize", "--json"], b"nil").json()["exit"], 1);
}

#[test]
fn the_hash_is_that_of_the_canonical_bytes_and_stands_on_a_line() {
    let town = Town::new();
    let hash = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862";
    let ran = filtered(&town, &["canonicalize", "--sha256"], b" { \"a\" : 1.0 } \n");
    assert_eq!((ran.code, ran.out), (0, format!("{hash}\n")));
    assert_eq!(filtered(&town, &["canonicalize", "--sha256", "--json"], b"{\"a\":1}").json()["sha256"], hash);
}

#[test]
fn sixteen_mebibytes_are_taken_and_not_one_byte_more() {
    let town = Town::new();
    let mut input = vec![b' '; BYTES_MAX];
    input[BYTES_MAX - 1] = b'7';
    let ran = filtered(&town, &["canonicalize"], &input);
    assert_eq!((ran.code, ran.out.as_str()), (0, "7"));
    input.push(b' ');
    let ran = filtered(&town, &["canonicalize"], &input);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.err.contains("16777216 bytes"), "{}", ran.err);
}

#[test]
fn deep_nesting_costs_no_stack() {
    let town = Town::new();
    let ran = filtered(&town, &["canonicalize"], &vec![b'['; BYTES_MAX]);
    assert!(ran.code == 1 && ran.err.contains("nested"), "{}", ran.err);
}

#[test]
fn neither_command_needs_a_home() {
    let town = Town::new();
    for arguments in [&["canonicalize"][..], &["fingerprint", "--to", "*"]] {
        let mut command = town.command(arguments);
        let mut child =
            command.env_remove("HOME").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"1").unwrap();
        assert!(child.wait().unwrap().success(), "{arguments:?}");
    }
}

#[test]
fn a_fingerprint_is_that_of_the_protocol_in_both_layouts() {
    let town = Town::new();
    let print = |arguments: &str, body: &str| {
        let arguments: Vec<&str> = ["fingerprint"].into_iter().chain(arguments.split(' ')).collect();
        let ran = filtered(&town, &arguments, body.as_bytes());
        assert_eq!(ran.code, 0, "{arguments:?}: {ran:?}");
        ran.out.trim_end().to_owned()
    };
    let raw = "9b55907cae4bc96ed4d690cba1c531b95b3ab6e31019458f5aaacfc7386f4a30";
    assert_eq!(print("--to *", "hello"), raw);
    assert_eq!(print("--kind topic --to * --priority next --layout raw", "hello"), raw);
    let hex = "1f5858ccc9c4c70fc1d3ad90d7382a32f4c6e407aedc42cbc18b79d32b93a419";
    assert_eq!(print("--to * --layout hex", "hello"), hex);
    assert_ne!(print("--to *", "hello\n"), raw, "a line end is part of the body");
    fs::write(town.dir().join("meta.json"), r#"{ "b": [true, null], "a": 1 }"#).unwrap();
    assert_eq!(
        print("--to alice --priority now --meta meta.json", "hi"),
        "a5160ca73e40a5c60426b4e47626f55224b8da1304fc4366d33ed5555d40e4d9"
    );
    assert_eq!(print("--to @ops --reply-to m1", "x"), print("--kind topic --to ops --reply-to m1", "x"));
    let ran = filtered(&town, &["fingerprint", "--to", "*", "--json"], b"hello");
    assert_eq!((&ran.json()["request_fingerprint"], &ran.json()["layout"]), (&raw.into(), &"raw".into()));
}

#[test]
fn a_fingerprint_that_cannot_be_is_refused_with_the_reason() {
    let town = Town::new();
    for (meta, reason) in [("[]", "object"), ("{\"a\":1,\"a\":2}", "column 8"), ("{", "ends too early")] {
        fs::write(town.dir().join("meta.json"), meta).unwrap();
        let ran = filtered(&town, &["fingerprint", "--to", "bob", "--meta", "meta.json"], b"x");
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{meta}");
        assert!(ran.err.contains("meta") && ran.err.contains(reason), "{}", ran.err);
    }
    let ran = filtered(&town, &["fingerprint", "--to", "bob", "--meta", "none.json"], b"x");
    assert!(ran.code == 1 && ran.err.contains("none.json"), "{ran:?}");
    for arguments in [&["fingerprint"][..], &["fingerprint", "--to", "bob", "--kind", "group"]] {
        assert_eq!(filtered(&town, arguments, b"x").code, 2, "{arguments:?}");
    }
}

fn filtered(town: &Town, arguments: &[&str], input: &[u8]) -> Ran {
    town.feed(arguments, input).into()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/jcs")
}
