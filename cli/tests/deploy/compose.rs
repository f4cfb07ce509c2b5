//! The broker with its Postgres.

use serde_json::Value;

use crate::town::{Ran, Town};
use crate::{assert_pinned, names, text, yaml};

fn compose() -> Value {
    yaml("compose.yaml")
}

/// A text as compose passes it on: `${NAME:-value}` is its value, `${NAME:?why}` stands for one.
fn passed(text: &str) -> String {
    let mut parts = text.split("${");
    let mut whole = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (variable, rest) = part.split_once('}').expect("a variable ends");
        match variable.split_once(":-") {
            Some((_, value)) => whole.push_str(value),
            None => {
                assert!(variable.contains(":?"), "{variable} may be missing without a word");
                whole.push_str("given");
            }
        }
        whole.push_str(rest);
    }
    whole
}

#[test]
fn the_file_has_nothing_that_compose_does_not_know() {
    let compose = compose();
    let known = |names: Vec<&str>, all: &[&str]| {
        assert!(names.iter().all(|name| all.contains(name)), "{names:?}");
    };
    known(names(&compose), &["name", "services", "volumes", "secrets"]);
    for service in names(&compose["services"]) {
        known(
            names(&compose["services"][service]),
            &[
                "build",
                "image",
                "environment",
                "secrets",
                "ports",
                "depends_on",
                "restart",
                "read_only",
                "stop_grace_period",
                "cap_drop",
                "security_opt",
                "volumes",
                "healthcheck",
            ],
        );
    }
}

#[test]
fn the_broker_understands_every_variable_it_is_given() {
    let compose = compose();
    let town = Town::new();
    let key = town.dir().join("key");
    std::fs::write(&key, [7; 32]).unwrap();
    let environment = &compose["services"]["broker"]["environment"];
    let mut command = town.command(&["config", "--json"]);
    for name in names(environment) {
        let value = match name {
            "PEERMESH_KEY_FILE" => key.display().to_string(),
            _ => passed(text(&environment[name], name)),
        };
        command.env(name, value);
    }
    let ran = Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 0, "{ran:?}");
    let settings = ran.json()["settings"].clone();
    for name in names(environment) {
        let has_source = |row: &Value| row["source"].as_str().is_some_and(|source| source.contains(name));
        assert!(settings.as_array().unwrap().iter().any(has_source), "{name} changes nothing: {settings}");
    }
}

#[test]
fn the_broker_finds_the_database_that_is_made_beside_it() {
    let compose = compose();
    let (broker, postgres) = (&compose["services"]["broker"], &compose["services"]["postgres"]);
    let url = passed(text(&broker["environment"]["DATABASE_URL"], "DATABASE_URL"));
    let made = |name: &str| passed(text(&postgres["environment"][name], name));
    let expected = format!(
        "postgres://{}:{}@postgres:5432/{}?sslmode=disable",
        made("POSTGRES_USER"),
        made("POSTGRES_PASSWORD"),
        made("POSTGRES_DB")
    );
    assert_eq!(url, expected);
    assert_eq!(broker["depends_on"]["postgres"]["condition"], "service_healthy");
    let image = text(&postgres["image"], "image");
    assert_pinned(image);
    assert!(image.starts_with("postgres:17"), "{image}");
    let check = &postgres["healthcheck"];
    let test: Vec<&str> = check["test"].as_array().unwrap().iter().map(|word| text(word, "test")).collect();
    assert_eq!(test[..2], ["CMD", "pg_isready"]);
    assert!(test.contains(&format!("--username={}", made("POSTGRES_USER")).as_str()), "{test:?}");
    for name in ["interval", "timeout", "start_period"] {
        let period = text(&check[name], name).strip_suffix('s').unwrap();
        assert!(period.parse::<u32>().is_ok(), "{name}");
    }
    assert!(check["retries"].is_u64());
}

#[test]
fn the_broker_keeps_nothing_and_may_do_little() {
    let compose = compose();
    let broker = &compose["services"]["broker"];
    assert!(broker["volumes"].is_null() && broker["build"]["context"] == ".");
    assert_eq!(broker["read_only"], true);
    assert_eq!(broker["cap_drop"][0], "ALL");
    assert_eq!(names(&broker["build"]["args"]), ["GIT_SHA"]);
    let grace = text(&broker["stop_grace_period"], "stop_grace_period").strip_suffix('s').unwrap();
    assert!(grace.parse::<u32>().unwrap() >= 10, "a broker in its end is not to be killed");
    let port = text(&broker["ports"][0], "ports");
    assert_eq!(port, "7900:7900");
}

#[test]
fn what_the_services_refer_to_is_declared() {
    let compose = compose();
    let broker = &compose["services"]["broker"];
    for secret in broker["secrets"].as_array().unwrap() {
        let name = text(secret, "a secret");
        assert!(compose["secrets"][name]["file"].is_string(), "{name}");
        let path = format!("/run/secrets/{name}");
        assert_eq!(broker["environment"]["PEERMESH_KEY_FILE"], path.as_str());
    }
    for volume in compose["services"]["postgres"]["volumes"].as_array().unwrap() {
        let name = text(volume, "a volume").split(':').next().unwrap();
        assert!(names(&compose["volumes"]).contains(&name), "{name}");
    }
    for (service, values) in compose["services"].as_object().unwrap() {
        for dependency in names(&values["depends_on"]) {
            assert!(names(&compose["services"]).contains(&dependency), "{service} needs {dependency}");
        }
    }
}
