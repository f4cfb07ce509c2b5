//! Configuration as an operator meets it: what is effective, and what is wrong with it.

mod town;

use serde_json::Value;
use town::Town;

fn setting(shown: &Value, name: &str) -> (String, String) {
    let row = shown["settings"].as_array().unwrap().iter().find(|row| row["name"] == name).unwrap();
    let text = |field: &str| row[field].as_str().unwrap().to_owned();
    (text("value"), text("source"))
}

#[test]
fn config_shows_every_value_and_where_it_comes_from() {
    let town = Town::new();
    std::fs::create_dir_all(town.data()).unwrap();
    std::fs::write(town.data().join("peermesh.toml"), "log = \"warn\"\n[limits]\nlease_ms = 5000\n").unwrap();
    let mut command = town.command(&["config", "--json", "--port", "7901"]);
    let output = command.env("HOOK_TOKEN", "hunter2").env("GIT_SHA", "abc1234").output().unwrap();
    let ran = town::Ran::from(output);
    assert!(ran.code == 0 && !ran.out.contains("hunter2"), "{ran:?}");
    let shown = ran.json();
    assert_eq!(setting(&shown, "port"), ("7901".into(), "flag --port".into()));
    assert_eq!(setting(&shown, "public_url"), ("ws://127.0.0.1:7901/ws".into(), "default".into()));
    assert_eq!(setting(&shown, "git_sha"), ("abc1234".into(), "variable GIT_SHA".into()));
    assert_eq!(setting(&shown, "hook_token"), ("(set)".into(), "variable HOOK_TOKEN".into()));
    let (lease, source) = setting(&shown, "limits.lease_ms");
    assert!(lease == "5000" && source.ends_with("peermesh.toml"), "{source}");
}

#[cfg(feature = "postgres")]
#[test]
fn f_sec_01_config_shows_the_address_of_a_database_without_its_password() {
    let town = Town::new();
    for form in [&["config"][..], &["config", "--json"]] {
        let mut command = town.command(form);
        command.env("DATABASE_URL", "postgres://mesh:hunter2@db.example:5432/mesh?sslmode=require");
        let ran = town::Ran::from(command.output().unwrap());
        assert!(ran.code == 0 && !ran.out.contains("hunter2") && !ran.err.contains("hunter2"), "{ran:?}");
        let shown = "postgres://mesh:***@db.example:5432/mesh?sslmode=require";
        assert!(ran.out.contains(shown), "{ran:?}");
    }
}

#[test]
fn f_lif_06_a_bad_configuration_stops_the_start_and_lists_every_bad_value() {
    let town = Town::new();
    std::fs::create_dir_all(town.data()).unwrap();
    std::fs::write(town.data().join("peermesh.toml"), "shard = 2\n").unwrap();
    let mut command = town.command(&["serve", "--shards", "-1"]);
    command
        .env("BROKER_PORT", "0")
        .env("MAX_MESSAGE_BYTES", "many")
        .env("DATABASE_URL", "mysql://u:secret@db/m");
    let ran = town::Ran::from(command.output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    for word in
        ["BROKER_PORT: 0", "MAX_MESSAGE_BYTES: many", "--shards: -1", "shard is not", "DATABASE_URL: (set)"]
    {
        assert!(ran.err.contains(word), "{word:?} is missing:\n{}", ran.err);
    }
    assert!(!ran.err.contains("secret"), "{}", ran.err);
    let missing = town.run(&["config", "--config", "nowhere.toml"]);
    assert!(missing.code == 2 && missing.err.contains("nowhere.toml: the file is not there"), "{missing:?}");
    assert!(!town.data().join("lock").exists(), "nothing is touched before the configuration is good");
}

#[test]
fn every_setting_is_described_in_the_manual() {
    let manual = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md")).unwrap();
    let shown = Town::new().json(&["config"]);
    for row in shown["settings"].as_array().unwrap() {
        let name = row["name"].as_str().unwrap();
        if !name.starts_with("limits.") {
            assert!(manual.contains(&format!("`{name}`")), "{name} is missing in docs/cli.md");
        }
    }
}
