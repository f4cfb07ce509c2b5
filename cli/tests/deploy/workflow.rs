//! What runs on every push.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::dockerfile::stages;
use crate::{assert_pinned, names, read, root, text, yaml};

fn job(name: &str) -> Value {
    yaml(".github/workflows/ci.yml")["jobs"][name].clone()
}

/// The commands of a job.
fn commands(job: &Value) -> Vec<String> {
    let steps = job["steps"].as_array().expect("steps").iter();
    steps.filter_map(|step| step["run"].as_str()).map(|run| run.trim().to_owned()).collect()
}

#[test]
fn every_push_and_every_request_is_checked_with_no_more_rights_than_to_read() {
    let workflow = yaml(".github/workflows/ci.yml");
    assert_eq!(names(&workflow["on"]), ["pull_request", "push"]);
    assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}));
    for name in names(&workflow["jobs"]) {
        let job = job(name);
        assert!(job["timeout-minutes"].is_u64() && job["runs-on"].is_string(), "{name}");
        for step in job["steps"].as_array().unwrap() {
            assert_ne!(step["uses"].is_string(), step["run"].is_string(), "{step}");
            assert!(step["uses"].as_str().is_none_or(|action| action.contains("@v")), "{step}");
        }
    }
}

#[test]
fn the_check_is_the_one_that_everybody_runs() {
    let commands = commands(&job("check"));
    assert_eq!(commands.last().map(String::as_str), Some(".ci/run"));
    for script in [".ci/run", "check"] {
        let mode = root().join(script).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script} can be run");
    }
    assert!(read(".ci/run").contains("check"));
    let toolchain = stages()[0].image.strip_prefix("rust:").unwrap().split('-').next().unwrap().to_owned();
    assert!(commands.iter().any(|run| run.contains(&format!("rustup toolchain install {toolchain} "))));
    assert!(commands.iter().any(|run| run.contains("install -qy --no-install-recommends postgresql")));
}

#[test]
fn the_check_is_given_the_database_of_its_service() {
    let job = job("check");
    let service = &job["services"]["postgres"];
    assert_pinned(text(&service["image"], "image"));
    let made = |name: &str| text(&service["env"][name], name);
    let (outer, inner) = text(&service["ports"][0], "ports").split_once(':').unwrap();
    assert_eq!(inner, "5432");
    let url = format!(
        "postgres://{}:{}@127.0.0.1:{outer}/{}",
        made("POSTGRES_USER"),
        made("POSTGRES_PASSWORD"),
        made("POSTGRES_DB")
    );
    assert_eq!(job["env"]["DATABASE_URL_TEST"], url.as_str());
    assert!(text(&service["options"], "options").contains("--health-cmd \"pg_isready "));
}

#[test]
fn the_image_is_built_with_its_commit() {
    let commands = commands(&job("image"));
    assert!(
        commands[0].starts_with("docker build --build-arg \"GIT_SHA=${GITHUB_SHA:0:7}\""),
        "{commands:?}"
    );
}
