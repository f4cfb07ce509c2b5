//! What the program is built of: known licences, versions that are written down, no unsafe code of ours.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Licences of which each dependency must offer one.
const ALLOWED: [&str; 7] =
    ["Apache-2.0", "BSD-3-Clause", "CDLA-Permissive-2.0", "ISC", "MIT", "Unicode-3.0", "Zlib"];

#[test]
fn f_sup_01_every_dependency_comes_from_the_registry_under_a_licence_that_we_allow() {
    let mut wrong = Vec::new();
    let mut foreign = 0;
    for package in packages() {
        let name = format!("{} {}", text(&package, "name"), text(&package, "version"));
        let Some(source) = package["source"].as_str() else { continue };
        foreign += 1;
        if !source.starts_with("registry+") {
            wrong.push(format!("{name} comes from {source}"));
        }
        let licence = text(&package, "license");
        if !is_allowed(&licence) {
            wrong.push(format!("{name}: {licence}"));
        }
    }
    assert!(foreign > 50, "the dependencies were not found");
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn f_sup_01_no_member_has_unsafe_code_or_lints_of_its_own() {
    let members = packages().into_iter().filter(|package| package["source"].is_null());
    for manifest in members.map(|package| text(&package, "manifest_path")) {
        let manifest =
            std::fs::read_to_string(&manifest).unwrap_or_else(|error| panic!("{manifest}: {error}"));
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{manifest}");
    }
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).expect("the workspace");
    assert!(workspace.contains("\nunsafe_code = \"forbid\"\n"));
}

#[test]
fn an_expression_of_licences_is_read_as_it_is_meant() {
    for allowed in ["MIT", "MIT OR GPL-3.0", "GPL-3.0/MIT", "(MIT OR X) AND ISC", "X WITH Y OR Zlib"] {
        assert!(is_allowed(allowed), "{allowed}");
    }
    for refused in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT OR ISC) AND X", "Apache-2.0 WITH X"] {
        assert!(!is_allowed(refused), "{refused}");
    }
}

/// All of an `AND`, one of an `OR`; an exception makes another licence of one.
fn is_allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let parts = |text: &str, word: &str| -> Vec<String> {
        let (mut parts, mut depth) = (vec![String::new()], 0_i32);
        for token in text.split(' ') {
            if depth == 0 && token == word {
                parts.push(String::new());
            } else {
                depth += i32::from(token.starts_with('(')) - i32::from(token.ends_with(')'));
                parts.last_mut().expect("a part").push_str(&format!("{token} "));
            }
        }
        parts.iter().map(|part| part.trim().to_owned()).collect()
    };
    let any = parts(&expression, "OR");
    if any.len() > 1 {
        return any.iter().any(|part| is_allowed(part));
    }
    let all = parts(&expression, "AND");
    if all.len() > 1 {
        return all.iter().all(|part| is_allowed(part));
    }
    match expression.strip_prefix('(').and_then(|inner| inner.strip_suffix(')')) {
        Some(inner) => is_allowed(inner),
        None => ALLOWED.contains(&expression.as_str()),
    }
}

/// Everything that may be built here, as cargo resolves it from the versions that are written down.
fn packages() -> Vec<Value> {
    let run = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--filter-platform",
            "x86_64-unknown-linux-gnu",
        ])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(run.status.success(), "{said}");
    let metadata: Value = serde_json::from_slice(&run.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn text(package: &Value, field: &str) -> String {
    package[field].as_str().unwrap_or_default().to_owned()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace")
}
