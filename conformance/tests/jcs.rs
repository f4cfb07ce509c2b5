//! The published corpus of canonical JSON (`jcs/`) against the core, and against the two scripts that other
//! people check their own implementations with.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use peermesh_core::fingerprint::{DestinationKind, FingerprintError, Layout, Request};
use peermesh_core::jcs::{Bounds, canonicalize};
use peermesh_core::store::Priority;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// SHA-256 over the first lines of the published number sequence.
const CHECKPOINTS: [(usize, &str); 5] = [
    (1_000, "be18b62b6f69cdab33a7e0dae0d9cfa869fda80ddc712221570f9f40a5878687"),
    (10_000, "b9f7a8e75ef22a835685a52ccba7f7d6bdc99e34b010992cbc5864cd12be6892"),
    (100_000, "22776e6d4b49fa294a0d0f349268e5c28808fe7e0cb2bcbe28f63894e494d4c7"),
    (1_000_000, "49415fee2c56c77864931bd3624faad425c3c577d6d74e89a83bc725506dad16"),
    (10_000_000, "b9f8a44a91d46813b21b9602e72f112613c91408db0b8341fb94603d9db135e0"),
];

#[test]
fn every_pair_comes_out_as_published() {
    for name in ["arrays", "french", "structures", "unicode", "values", "weird"] {
        let wanted = fs::read(corpus().join(format!("output/{name}.json"))).unwrap();
        assert_eq!(
            outcome(&fs::read(corpus().join(format!("input/{name}.json"))).unwrap()),
            Ok(wanted.clone())
        );
        let hex: String = text(&format!("outhex/{name}.txt")).split_whitespace().collect();
        assert_eq!(HEXLOWER.encode(&wanted), hex, "{name}");
    }
}

#[test]
fn every_edge_case_comes_out_or_is_refused_for_its_reason() {
    let cases = rows("edge-cases.jsonl");
    for case in &cases {
        let field = |name: &str| case[name].as_str();
        let input = match field("input_hex") {
            Some(hex) => HEXLOWER_PERMISSIVE.decode(hex.as_bytes()).unwrap(),
            None => field("input").unwrap().as_bytes().to_vec(),
        };
        let wanted = match (field("class").unwrap(), field("reason")) {
            ("must-refuse", Some(reason)) => Err(reason.to_owned()),
            ("must-accept", None) => Ok(field("expected").unwrap()),
            ("choice", None) => Ok(field("expected_if_accepted").unwrap()),
            (class, _) => panic!("{class}: {case}"),
        };
        let wanted = wanted.map(|text| text.as_bytes().to_vec());
        assert_eq!(outcome(&input), wanted, "{case}");
        if let Ok(canonical) = wanted {
            assert_eq!(outcome(&canonical), Ok(canonical), "{case}");
        }
    }
    assert!(cases.len() > 150, "{}", cases.len());
}

#[test]
fn every_number_of_the_table_is_printed_as_the_table_says() {
    let mut printed = 0;
    for (_, bits, expected) in table() {
        let value = f64::from_bits(bits);
        if expected.starts_with("ERROR:") {
            assert!(!value.is_finite(), "{bits:016x}");
            continue;
        }
        // Three ways to write the same double: as short as can be, with an exponent, and in full length.
        for written in [format!("{value:?}"), format!("{value:e}"), format!("{value:.1080}")] {
            assert_eq!(outcome(written.as_bytes()), Ok(expected.clone().into_bytes()), "{written}");
        }
        printed += 1;
    }
    assert_eq!(printed, 2_024);
}

#[test]
fn a_million_numbers_of_the_sequence_have_the_published_hashes() {
    the_sequence_has_the_published_hashes(1_000_000);
}

#[test]
#[ignore = "half a minute, for ./check --long"]
fn ten_million_numbers_of_the_sequence_have_the_published_hash() {
    the_sequence_has_the_published_hashes(10_000_000);
}

#[test]
fn f_jsn_04_every_fingerprint_is_as_published() {
    let cases = rows("fingerprints.jsonl");
    for case in &cases {
        let field = |name: &str| case[name].as_str().unwrap();
        let layout = Layout::ALL.into_iter().find(|layout| layout.word() == field("layout"));
        let kind = DestinationKind::ALL.into_iter().find(|kind| kind.word() == field("destination_kind"));
        let priority = Priority::ALL.into_iter().find(|priority| priority.word() == field("priority"));
        let request = Request {
            envelope_version: u32::try_from(case["envelope_version"].as_u64().unwrap()).unwrap(),
            destination_kind: kind.unwrap(),
            destination_ref: field("destination_ref"),
            reply_to_id: Some(field("reply_to_id")),
            priority: priority.unwrap(),
            meta: case["meta"].as_str().map(str::as_bytes),
            body: field("body").as_bytes(),
        };
        let got = request.fingerprint(layout.unwrap()).map(|fingerprint| fingerprint.to_string());
        let got = got.map_err(|error| match error {
            FingerprintError::Nul { .. } => "nul",
            FingerprintError::Meta(refusal) => refusal.flaw.word(),
            FingerprintError::MetaNoObject => "no_object",
        });
        let wanted = case["fingerprint"].as_str().map(str::to_owned);
        assert_eq!(got, wanted.ok_or_else(|| field("reason")), "{case}");
    }
    assert!(cases.len() > 50, "{}", cases.len());
}

#[test]
#[ignore = "needs python3 and node, for ./check --long; says so and passes where one is missing"]
fn f_jsn_04_two_independent_implementations_agree_with_the_corpus() {
    for (program, script) in [("python3", "check.py"), ("node", "check.mjs")] {
        if Command::new(program).arg("--version").output().is_err() {
            // Not by a macro, whose output a passing test would swallow.
            let _ = writeln!(io::stderr(), "skipped {script}: there is no {program} here");
            continue;
        }
        let ran = Command::new(program).arg(corpus().join(script)).arg("1000000").output().unwrap();
        let said = String::from_utf8_lossy(&ran.stdout);
        let _ = write!(io::stderr(), "{said}");
        assert!(ran.status.success(), "{script}: {said}{}", String::from_utf8_lossy(&ran.stderr));
    }
}

/// The canonical form, or the word for the refusal.
fn outcome(text: &[u8]) -> Result<Vec<u8>, String> {
    canonicalize(text, Bounds::TOOLS).map_err(|refusal| refusal.flaw.word().to_owned())
}

fn the_sequence_has_the_published_hashes(lines: usize) {
    const AT_ONCE: usize = 10_000;
    let mut hash = Sha256::new();
    let mut sequence = sequence();
    let mut page = Vec::with_capacity(AT_ONCE);
    for count in 1..=lines {
        page.push(sequence.next().unwrap());
        let checkpoint = CHECKPOINTS.iter().find(|(at, _)| *at == count);
        if page.len() < AT_ONCE && checkpoint.is_none() {
            continue;
        }
        let written: Vec<String> = page.iter().map(|&bits| format!("{:e}", f64::from_bits(bits))).collect();
        let printed = outcome(format!("[{}]", written.join(",")).as_bytes()).unwrap();
        let printed = String::from_utf8(printed).unwrap();
        for (bits, text) in page.drain(..).zip(printed.trim_matches(['[', ']']).split(',')) {
            hash.update(format!("{bits:x},{text}\n"));
        }
        if let Some((_, wanted)) = checkpoint {
            assert_eq!(HEXLOWER.encode(&hash.clone().finalize()), *wanted, "the first {count} numbers");
        }
    }
}

/// The bit patterns of the published sequence.
fn sequence() -> impl Iterator<Item = u64> {
    const FIXED: usize = 168;
    const LEAST_NORMAL: u64 = 0x0010_0000_0000_0000;
    let fixed: Vec<u64> = table()
        .into_iter()
        .filter(|(section, ..)| section == "es6-sequence")
        .map(|(_, bits, _)| bits)
        .collect();
    let mut block = [0; 32];
    let drawn = std::iter::repeat_with(move || {
        block = Sha256::digest(block).into();
        let (quarters, _) = block.as_chunks::<8>();
        quarters.iter().map(|quarter| u64::from_le_bytes(*quarter)).collect::<Vec<u64>>()
    });
    let drawn = drawn.flatten().filter(|&bits| {
        let value = f64::from_bits(bits);
        value.is_finite() && value != 0.0
    });
    fixed.into_iter().take(FIXED).chain(LEAST_NORMAL..LEAST_NORMAL + 2_000).chain(drawn)
}

/// Section, bit pattern and expected text of every number.
fn table() -> Vec<(String, u64, String)> {
    let text = text("numbers.csv");
    let rows = text.lines().skip(1).map(|line| {
        let [section, _, bits, expected] = line.split(',').collect::<Vec<_>>()[..] else { panic!("{line}") };
        (section.to_owned(), u64::from_str_radix(bits, 16).unwrap(), expected.to_owned())
    });
    rows.collect()
}

fn rows(name: &str) -> Vec<Value> {
    text(name).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn text(name: &str) -> String {
    fs::read_to_string(corpus().join(name)).unwrap()
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("jcs")
}
