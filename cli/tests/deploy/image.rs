//! The image: what it is built from, and what runs in it.

use std::path::Path;

use crate::dockerfile::{Stage, stages};
use crate::town::Town;
use crate::{assert_pinned, read, root};

fn shipped() -> Stage {
    stages().pop().expect("a stage")
}

#[test]
fn every_stage_stands_on_a_pinned_image_and_the_last_one_is_not_the_one_that_builds() {
    let stages = stages();
    for stage in &stages {
        assert_pinned(&stage.image);
    }
    let toolchain = read("Cargo.toml");
    let (_, version) = toolchain.split_once("rust-version = \"").unwrap();
    let version = version.split('"').next().unwrap();
    assert!(stages[0].image.starts_with(&format!("rust:{version}-")), "{}", stages[0].image);
    assert!(stages.len() == 2 && stages[1].image.starts_with("debian:"), "{}", stages[1].image);
}

#[test]
fn everything_that_is_copied_is_there_and_is_not_ignored() {
    let stages = stages();
    let sent: Vec<String> =
        read(".dockerignore").lines().filter_map(|line| line.strip_prefix('!').map(str::to_owned)).collect();
    assert!(read(".dockerignore").lines().any(|line| line == "*"), "all else is ignored");
    for copy in stages.iter().flat_map(|stage| stage.all("COPY")) {
        let words = copy.words();
        let (_, sources) = words.split_last().unwrap();
        assert!(!sources.is_empty(), "{copy:?}");
        if let Some(from) = copy.flag("from") {
            assert!(stages.iter().any(|stage| stage.name.as_deref() == Some(from)), "{copy:?}");
            continue;
        }
        for source in sources {
            assert!(root().join(source).exists(), "{copy:?}");
            assert!(sent.iter().any(|path| path == source), "{source} is ignored");
        }
    }
    for path in &sent {
        assert!(root().join(path).exists(), "{path} is sent but not there");
    }
}

#[test]
fn every_member_of_the_workspace_is_copied() {
    let manifest = read("Cargo.toml");
    let (_, members) = manifest.split_once("members = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let stages = stages();
    let copied: Vec<&str> = stages[0].all("COPY").iter().flat_map(|copy| copy.words()).collect();
    for member in members.split(',').map(|member| member.trim().trim_matches('"')) {
        assert!(copied.contains(&member), "{member} is not copied");
    }
}

#[test]
fn the_program_that_is_built_is_the_one_that_is_shipped() {
    let build = &stages()[0];
    let run = build.one("RUN");
    for part in ["cargo build", "--release", "--locked", "--package peermesh-cli"] {
        assert!(run.rest.contains(part), "{run:?}");
    }
    let source = format!("{}/target/release/peermesh", build.one("WORKDIR").rest);
    let shipped = shipped();
    let copy = shipped.one("COPY");
    assert_eq!(copy.words()[0], source);
    let path = Path::new(copy.words()[1]);
    assert_eq!(path.parent(), Some(Path::new("/usr/local/bin")), "it is found by its name");
}

#[test]
fn the_image_runs_as_nobody_in_particular_and_keeps_nothing() {
    let shipped = shipped();
    let user = shipped.one("USER").rest.clone();
    let number: u32 =
        user.split(':').next().unwrap().parse().expect("a number, which orchestrators can check");
    assert_ne!(number, 0);
    let order = |word: &str| shipped.instructions.iter().position(|other| other.word == word);
    assert!(order("USER") < order("ENTRYPOINT") && order("RUN") < order("USER"));
    for stage in stages() {
        assert!(stage.all("VOLUME").is_empty());
        for given in stage.all("ENV").into_iter().chain(stage.all("ARG")) {
            let name = given.rest.to_uppercase();
            let secret = ["TOKEN", "PASSWORD", "SECRET", "KEY", "DATABASE_URL"];
            assert!(secret.iter().all(|part| !name.contains(part)), "a secret in the image: {given:?}");
        }
    }
}

#[test]
fn the_commit_comes_in_by_an_argument_and_is_told_to_the_broker() {
    let shipped = shipped();
    assert_eq!(shipped.one("ARG").rest, "GIT_SHA");
    assert_eq!(shipped.one("ENV").rest, "GIT_SHA=$GIT_SHA");
    let town = Town::new();
    let mut command = town.command(&["config", "--json"]);
    let shown = crate::town::Ran::from(command.env("GIT_SHA", "84e14ff").output().unwrap()).json();
    let row = shown["settings"].as_array().unwrap().iter().find(|row| row["name"] == "git_sha").unwrap();
    assert_eq!(row["value"], "84e14ff");
}

#[test]
fn the_health_check_has_the_periods_of_the_deployment_contract_and_asks_the_program() {
    let shipped = shipped();
    let check = shipped.one("HEALTHCHECK");
    let periods = [("interval", "15s"), ("timeout", "5s"), ("start-period", "10s"), ("retries", "3")];
    for (name, value) in periods {
        assert_eq!(check.flag(name), Some(value), "{name}");
    }
    assert_eq!(check.flags.len(), periods.len());
    assert_eq!(check.list(), ["peermesh", "health"]);
}

#[test]
fn the_image_serves_on_the_port_it_exposes_and_ends_by_the_signal_it_names() {
    let shipped = shipped();
    assert_eq!(shipped.one("STOPSIGNAL").rest, "SIGTERM");
    assert_eq!([shipped.one("ENTRYPOINT").list(), shipped.one("CMD").list()].concat(), ["peermesh", "serve"]);
    let shown = Town::new().json(&["config"]);
    let row = shown["settings"].as_array().unwrap().iter().find(|row| row["name"] == "port").unwrap();
    assert_eq!(row["value"].to_string().trim_matches('"'), shipped.one("EXPOSE").rest);
}
