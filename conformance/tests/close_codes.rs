//! The one table of close codes: published as a file, and lived through by stories.
//!
//! `PEERMESH_BLESS=1 cargo test -p peermesh-conformance --test close_codes` writes the file anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use peermesh_conformance::story::Story;
use peermesh_conformance::story::act::{Act, Deed, Sight};
use peermesh_core::fault::{Advice, CloseRow, Fault};
use serde_json::{Value, json};

/// Rows that no story reaches, and why.
const UNREACHED: &[(u16, &str, &str)] = &[];

#[test]
fn the_published_table_is_that_of_the_code() {
    let path = folder("close-codes").join("close-codes.json");
    let table = published();
    if std::env::var_os("PEERMESH_BLESS").is_some() {
        fs::write(&path, &table).unwrap();
        return;
    }
    let shown = fs::read_to_string(&path).unwrap_or_default();
    assert!(shown == table, "{} is not what the code says: PEERMESH_BLESS=1 writes it anew", path.display());
}

#[test]
fn the_published_table_is_json_with_every_row_once_and_the_advice_of_the_page() {
    let table: Value = serde_json::from_str(&published()).unwrap();
    let page = fs::read_to_string(folder("../docs/protocol/close-codes.md")).unwrap();
    for (word, meaning) in table["advice"].as_object().unwrap() {
        assert!(page.contains(&format!("| {word} | {} |", meaning.as_str().unwrap())), "{word}: {meaning}");
    }
    let rows = table["close_codes"].as_array().unwrap();
    assert_eq!(rows.len(), Fault::ALL.len());
    let keys: BTreeSet<(u64, &str)> =
        rows.iter().map(|row| (row["code"].as_u64().unwrap(), row["reason"].as_str().unwrap())).collect();
    assert_eq!(keys.len(), rows.len());
    for row in rows {
        assert!(table["advice"][row["advice"].as_str().unwrap()].is_string(), "{row}");
        assert!(!row["when"].as_str().unwrap().is_empty(), "{row}");
    }
}

#[test]
fn every_close_that_a_story_expects_is_in_the_table() {
    for (path, code, reason) in expected() {
        let known = rows()
            .iter()
            .any(|row| row.code == code && reason.as_deref().is_none_or(|reason| reason == row.reason));
        assert!(known, "{}: no row for {code} {}", path.display(), reason.unwrap_or_default());
    }
}

#[test]
fn every_row_of_the_table_is_reached_by_a_story_or_says_why_not() {
    let reached: BTreeSet<(u16, String)> =
        expected().into_iter().filter_map(|(_, code, reason)| Some((code, reason?))).collect();
    let mut wrong = Vec::new();
    for CloseRow { code, reason, .. } in rows() {
        let is_reached = reached.contains(&(code, reason.to_owned()));
        let is_excused = UNREACHED.iter().any(|(other, word, _)| (*other, *word) == (code, reason));
        if is_reached == is_excused {
            let what = if is_reached { "is reached, and excused all the same" } else { "is not reached" };
            wrong.push(format!("{code} {reason} {what}"));
        }
    }
    for (code, reason, _) in UNREACHED {
        if !rows().iter().any(|row| (row.code, row.reason) == (*code, *reason)) {
            wrong.push(format!("{code} {reason} is excused, but no row"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The table as it is published: one row a line, by code.
fn published() -> String {
    let advice = |advice: Advice| match advice {
        Advice::Resume => "connect again at once; nothing is lost",
        Advice::Later => "connect again after a while, with growing waits",
        Advice::Never => "the same connection would end the same way: change something first",
    };
    let words = [Advice::Resume, Advice::Later, Advice::Never]
        .map(|word| format!("    {}: {}", json!(word.word()), json!(advice(word))));
    let rows: Vec<String> = rows()
        .into_iter()
        .map(|CloseRow { code, reason, advice, when }| {
            let [reason, when, advice] = [reason, when, advice.word()].map(|text| json!(text));
            format!(r#"    {{"code": {code}, "reason": {reason}, "advice": {advice}, "when": {when}}}"#)
        })
        .collect();
    format!(
        "{{\n  \"advice\": {{\n{}\n  }},\n  \"close_codes\": [\n{}\n  ]\n}}\n",
        words.join(",\n"),
        rows.join(",\n")
    )
}

fn rows() -> Vec<CloseRow> {
    let mut rows: Vec<CloseRow> = Fault::ALL.iter().map(|fault| fault.row()).collect();
    rows.sort_by_key(|row| row.code);
    rows
}

/// Every close that a story expects: its story, its code, the word of its reason.
fn expected() -> Vec<(PathBuf, u16, Option<String>)> {
    let mut paths = Vec::new();
    collect(&folder("cases"), &mut paths);
    let mut closes = Vec::new();
    for path in paths {
        let story =
            Story::parse(&path, &fs::read_to_string(&path).unwrap()).unwrap_or_else(|bad| panic!("{bad}"));
        for step in story.steps {
            if let Act::Peer(_, Deed::Sees(_, Sight::Close(code, reason))) = step.act {
                closes.push((path.clone(), code, reason.and_then(|reason| reason.word())));
            }
        }
    }
    assert!(closes.len() > 100, "the stories were not found");
    closes
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|ending| ending == "story") {
            paths.push(path);
        }
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}
