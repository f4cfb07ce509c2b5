//! The repository checks its own manners: what a machine can check is not argued about by people.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LINES_MAX: usize = 600;
const COLUMNS_MAX: usize = 110;

/// Top-level folders, and no other without need.
const FOLDERS: [&str; 11] = [
    "core",
    "store",
    "migrations",
    "runtime-smol",
    "runtime-threads",
    "cli",
    "conformance",
    "fuzz",
    "bench",
    "docs",
    "target",
];

/// What each part of the core may name of it. A part may always name itself.
const LAYERS: [(&str, &[&str]); 18] = [
    ("kit", &["planted", "rng", "time"]),
    ("wire", &["config", "fault", "ids", "kit", "store", "time"]),
    ("jcs", &["wire"]),
    ("seal", &["config", "ids"]),
    ("fingerprint", &["jcs", "store"]),
    ("receipt", &["ids", "jcs", "store"]),
    ("conn", &["config", "fault", "ids", "kit", "machine", "rng", "time", "wire"]),
    ("store", &["config", "ids", "machine", "planted", "time"]),
    ("forward", &["ids"]),
    ("digest", &["ids", "machine", "store", "time"]),
    ("journal", &["broker", "config", "digest", "forward", "ids", "machine", "note", "store", "time"]),
    ("machine", &["forward", "ids", "note", "stats", "store", "time"]),
    ("surface", &["config", "fault", "forward", "ids", "note", "rng", "stats", "store", "time", "wire"]),
    (
        "mesh",
        &[
            "config",
            "fault",
            "fingerprint",
            "ids",
            "kit",
            "machine",
            "message_id",
            "note",
            "planted",
            "receipt",
            "rng",
            "stats",
            "store",
            "surface",
            "time",
            "wire",
        ],
    ),
    (
        "runner",
        &[
            "config", "fault", "forward", "ids", "kit", "note", "planted", "rng", "stats", "store",
            "surface", "time", "wire",
        ],
    ),
    (
        "live",
        &[
            "config", "fault", "ids", "kit", "note", "planted", "rng", "stats", "store", "surface", "time",
            "wire",
        ],
    ),
    (
        "daemon",
        &[
            "bearer",
            "config",
            "conn",
            "fault",
            "fingerprint",
            "ids",
            "kit",
            "machine",
            "note",
            "planted",
            "rng",
            "seal",
            "store",
            "time",
            "wire",
        ],
    ),
    (
        "broker",
        &[
            "config", "conn", "fault", "forward", "ids", "kit", "live", "machine", "mesh", "note", "planted",
            "rng", "runner", "stats", "store", "surface", "time", "wire",
        ],
    ),
];

/// Which member may use which other one in what it ships.
const MEMBERS: [(&str, &[&str]); 6] = [
    ("core", &[]),
    ("migrations", &[]),
    ("store", &["peermesh-core", "peermesh-migrations"]),
    ("runtime-smol", &["peermesh-core"]),
    ("runtime-threads", &["peermesh-core"]),
    // Of conformance only the simulator, behind the feature `sim`.
    (
        "cli",
        &[
            "peermesh-conformance",
            "peermesh-core",
            "peermesh-runtime-smol",
            "peermesh-runtime-threads",
            "peermesh-store",
        ],
    ),
];

#[test]
fn every_source_file_says_what_it_is_and_stays_small() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.display();
        if !text.starts_with("//!") && !text.starts_with("#!") {
            wrong.push(format!("{name}: does not open with what it is for (//!)"));
        }
        if text.lines().count() > LINES_MAX {
            wrong.push(format!("{name}: more than {LINES_MAX} lines"));
        }
        for (number, line) in text.lines().enumerate() {
            let is_data = line.trim_start().starts_with(['"', 'r']) && line.contains('"');
            if line.chars().count() > COLUMNS_MAX && !is_data && !line.contains("signature:") {
                wrong.push(format!("{name}:{}: more than {COLUMNS_MAX} columns", number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn nothing_unfinished_is_left_in_the_code() {
    // Put together here, so that this file does not find itself.
    let leftovers = ["to", "un", "db", "FI", "XX", "TO"].into_iter().zip([
        "do!(",
        "implemented!(",
        "g!(",
        "XME",
        "X:",
        "DO:",
    ]);
    let leftovers: Vec<String> = leftovers.map(|(head, tail)| format!("{head}{tail}")).collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        for (number, line) in text.lines().enumerate() {
            if let Some(found) = leftovers.iter().find(|leftover| line.contains(leftover.as_str())) {
                wrong.push(format!("{}:{}: {found}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_core_keeps_its_layers() {
    let mut wrong = Vec::new();
    let core = root().join("core/src");
    for (layer, may_name) in LAYERS {
        let files = [files_below(&core.join(layer)), vec![core.join(format!("{layer}.rs"))]].concat();
        for path in files {
            let Ok(text) = fs::read_to_string(&path) else { continue };
            for (number, line) in text.lines().enumerate() {
                let named = line.split("crate::").skip(1).map(|rest| {
                    rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_').next().unwrap_or("")
                });
                for name in named.filter(|name| *name != layer && !may_name.contains(name)) {
                    wrong.push(format!("{}:{}: {layer} names {name}", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn members_use_only_what_lies_below_them() {
    let mut wrong = Vec::new();
    for (member, may_use) in MEMBERS {
        let manifest = fs::read_to_string(root().join(member).join("Cargo.toml")).unwrap();
        let shipped = manifest.split("[dev-dependencies]").next().unwrap_or("");
        let used = shipped.lines().filter_map(|line| line.split(['.', ' ', '=']).next());
        for other in used.filter(|name| name.starts_with("peermesh-") && !may_use.contains(name)) {
            wrong.push(format!("{member} uses {other}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_build_for_threads_and_the_embedded_store_contains_no_async_executor() {
    let mut tree = Command::new(env!("CARGO"));
    tree.args(["tree", "--locked", "--offline", "--edges", "normal,build", "--prefix", "none"])
        .args(["-p", "peermesh-cli", "--no-default-features", "--features", "threads,sqlite"])
        .current_dir(root());
    let told = tree.output().unwrap();
    assert!(told.status.success(), "{}", String::from_utf8_lossy(&told.stderr));
    let told = String::from_utf8(told.stdout).unwrap();
    let names: BTreeSet<&str> = told.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(names.contains("peermesh-runtime-threads") && names.contains("rusqlite"), "{names:?}");
    let is_async = |name: &&&str| {
        ["tokio", "smol", "polling", "blocking", "mio"].contains(name)
            || ["async-", "futures-", "tokio-", "smol-"].iter().any(|start| name.starts_with(start))
    };
    assert_eq!(names.iter().find(is_async), None);
}

/// The same files, the same offers but for the stack of a connection's thread, and whatever both have in the
/// same order.
#[test]
fn the_runtimes_can_be_read_side_by_side() {
    let files = |runtime: &str| -> BTreeSet<PathBuf> {
        let own = root().join(runtime).join("src");
        files_below(&own).iter().map(|path| path.strip_prefix(&own).unwrap().to_owned()).collect()
    };
    let names = files("runtime-smol");
    assert_eq!(names, files("runtime-threads"));
    let mut wrong = Vec::new();
    for name in names {
        let [smol, threads] = ["runtime-smol", "runtime-threads"].map(|runtime| {
            let text = fs::read_to_string(root().join(runtime).join("src").join(&name)).unwrap();
            text.lines().filter_map(item).collect::<Vec<_>>()
        });
        let offers = |items: &[(bool, String)]| -> BTreeSet<String> {
            let public = items.iter().filter(|(is_public, _)| *is_public).map(|(_, item)| item.clone());
            public.filter(|item| item != "const STACK_BYTES").collect()
        };
        if offers(&smol) != offers(&threads) {
            wrong.push(format!("{}: {:?} and {:?}", name.display(), offers(&smol), offers(&threads)));
        }
        // Where there are several of a name, their order says nothing.
        let once =
            |item: &str, of: &[(bool, String)]| of.iter().filter(|(_, other)| other == item).count() == 1;
        let shared = |of: &[(bool, String)]| -> Vec<String> {
            let names = of.iter().map(|(_, item)| item.clone());
            names.filter(|item| once(item, &smol) && once(item, &threads)).collect()
        };
        if let Some((mine, other)) = shared(&smol).iter().zip(&shared(&threads)).find(|(a, b)| a != b) {
            wrong.push(format!("{}: {mine} stands where the other has {other}", name.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The item or field that a line begins, and whether it is public: `fn open`, of `pub(crate) fn open(&self)`.
fn item(line: &str) -> Option<(bool, String)> {
    let line = line.trim_start();
    let (is_public, rest) = match line.strip_prefix("pub ") {
        Some(rest) => (true, rest),
        None => (false, line.strip_prefix("pub(crate) ").unwrap_or(line)),
    };
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    let mut words = rest.split(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let (kind, name) = (words.next()?, words.next().unwrap_or_default());
    let is_item = ["fn", "struct", "enum", "type", "const"].contains(&kind);
    match (is_item, is_public) {
        (true, _) => Some((is_public, format!("{kind} {name}"))),
        (false, true) => Some((true, kind.to_owned())),
        (false, false) => None,
    }
}

#[test]
fn every_dependency_has_its_line_in_the_architecture() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let architecture = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = architecture.split("## Dependencies").nth(1).unwrap();
    let section = manifest.split("[workspace.dependencies]").nth(1).unwrap().split("\n[").next().unwrap();
    let crates = section.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name);
    let explained = |name: &str| {
        let cells = table.lines().filter_map(|line| line.split('|').nth(1));
        cells.flat_map(|cell| cell.split(',')).any(|cell| cell.trim() == name)
    };
    let missing: Vec<&str> =
        crates.filter(|name| !name.starts_with("peermesh-") && !explained(name)).collect();
    assert!(missing.is_empty(), "without a reason: {missing:?}");
}

#[test]
fn every_source_file_is_part_of_its_crate() {
    let mut wrong = Vec::new();
    for (path, _) in
        sources().into_iter().filter(|(path, _)| path.components().any(|part| part.as_os_str() == "src"))
    {
        let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or("");
        let (folder, name) = match stem {
            "lib" | "main" => continue,
            "mod" => {
                let own = path.parent().unwrap();
                (own.parent().unwrap(), own.file_name().unwrap().to_str().unwrap())
            }
            _ => (path.parent().unwrap(), stem),
        };
        let beside = folder.with_extension("rs");
        let parents = [folder.join("mod.rs"), folder.join("lib.rs"), folder.join("main.rs"), beside];
        let declared = parents.iter().filter_map(|parent| fs::read_to_string(parent).ok()).any(|text| {
            text.lines().any(|line| {
                let line = line.trim();
                let item = line.split_once("mod ").map(|(_, item)| item);
                line.starts_with(['m', 'p']) && item == Some(&format!("{name};"))
            })
        });
        let is_binary = path.components().any(|part| part.as_os_str() == "bin");
        if !declared && !is_binary {
            wrong.push(format!("{}: no module declares it", path.display()));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_top_level_has_no_folder_beyond_the_plan() {
    let folders = fs::read_dir(root()).unwrap().filter_map(Result::ok).filter(|entry| entry.path().is_dir());
    let names: Vec<String> = folders.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    let unplanned = |name: &&String| !name.starts_with('.') && !FOLDERS.contains(&name.as_str());
    assert_eq!(names.iter().find(unplanned), None);
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn sources() -> Vec<(PathBuf, String)> {
    let members = [
        "core",
        "store",
        "migrations",
        "runtime-smol",
        "runtime-threads",
        "cli",
        "conformance",
        "fuzz",
        "bench",
    ];
    let files = members.into_iter().flat_map(|member| files_below(&root().join(member)));
    let sources = files.filter(|path| path.extension().is_some_and(|ending| ending == "rs"));
    let mut sources: Vec<PathBuf> = sources.collect();
    sources.sort();
    assert!(sources.len() > 50, "the sources were not found");
    sources.into_iter().map(|path| (path.clone(), fs::read_to_string(&path).unwrap())).collect()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.filter_map(Result::ok).map(|entry| entry.path());
    let shipped = entries.filter(|path| !path.ends_with("target"));
    shipped.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
