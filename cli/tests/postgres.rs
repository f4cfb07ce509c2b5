//! A real broker process on a real database: what it needs, what it says, and what it refuses.

mod town;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use peermesh_conformance::server::{Database, Server};
use rustix::process::Signal;
use serde_json::Value;
use town::{PATIENCE, Ran, Town};

/// From a signal to the end of the process.
const SHUTDOWN: Duration = Duration::from_secs(6);
/// A directory that nobody can make.
const NOWHERE: &str = "/dev/null/mesh";

/// Runs a command against this database to its end.
fn run(town: &Town, url: &str, arguments: &[&str]) -> Ran {
    let port = town.port.to_string();
    let mut command = town.command(arguments);
    command.env("DATABASE_URL", url).env("BROKER_PORT", port);
    let ran = Ran::from(command.output().unwrap());
    assert!(!ran.out.contains(password(url)) && !ran.err.contains(password(url)), "{ran:?}");
    ran
}

fn password(url: &str) -> &str {
    let (credentials, _) = url.rsplit_once('@').unwrap();
    credentials.rsplit_once(':').unwrap().1
}

/// The names of the checks that did not go well.
fn worries(ran: &Ran) -> Vec<String> {
    let checks = ran.json()["checks"].as_array().unwrap().clone();
    let bad = checks.iter().filter(|check| check["finding"] == "fail");
    bad.map(|check| check["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn f_sto_07_a_broker_listens_while_its_database_is_away_and_ends_in_good_order() {
    let town = Town::new();
    let nobody = Town::new().port;
    let url = format!("postgres://mesh:hunter2@127.0.0.1:{nobody}/mesh");
    let mut broker = town.listen_with(&[("DATABASE_URL", &url)]);
    let health = run(&town, &url, &["health"]);
    assert!(health.code == 1 && health.out.contains("degraded"), "{health:?}");
    let doctor = run(&town, &url, &["doctor", "--json"]);
    assert!(doctor.code == 1 && worries(&doctor).contains(&"postgres".to_owned()), "{doctor:?}");
    let migrate = run(&town, &url, &["migrate"]);
    assert!(migrate.code == 1 && migrate.err.contains("127.0.0.1"), "{migrate:?}");
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    assert!(!broker.log.join("\n").contains("hunter2"), "{:?}", broker.log);
    assert_eq!(
        run(&town, &url, &["health"]).code,
        4,
        "a broker that is gone is told from one that is unwell"
    );
}

#[test]
fn migrate_tells_what_is_missing_applies_it_and_then_has_nothing_to_do() {
    let (town, database) = (Town::new(), Database::fresh());
    let check = ["migrate", "--check", "--json"];
    let before = run(&town, database.url(), &check);
    assert_eq!(before.code, 1, "{before:?}");
    let pending = before.json()["pending"].as_array().unwrap().clone();
    assert!(!pending.is_empty() && before.json()["applied"] == Value::Array(Vec::new()), "{before:?}");
    let applied = run(&town, database.url(), &["migrate", "--json"]);
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(applied.json()["applied"], Value::Array(pending.clone()));
    assert_eq!(applied.json()["changed"], pending.len());
    let after = run(&town, database.url(), &check);
    assert!(after.code == 0 && after.json()["pending"] == Value::Array(Vec::new()), "{after:?}");
    let again = run(&town, database.url(), &["migrate"]);
    assert!(again.code == 0 && again.out.contains("up to date"), "{again:?}");
}

#[test]
fn a_container_without_a_directory_serves_with_token_and_key_from_its_settings() {
    let (town, database) = (Town::new(), Database::fresh());
    let key = town.dir().join("shared-key");
    std::fs::write(&key, [7; 32]).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let port = town.port.to_string();
    let settings = [
        ("DATABASE_URL", database.url()),
        ("PEERMESH_DATA", NOWHERE),
        ("PEERMESH_ADMIN_TOKEN", "open-sesame"),
        ("PEERMESH_KEY_FILE", key.to_str().unwrap()),
        ("BROKER_PORT", &port),
    ];
    let broker = town.serve_with(&settings);
    let inside = |arguments: &[&str]| Ran::from(town.command(arguments).envs(settings).output().unwrap());
    assert_eq!(inside(&["mesh", "create", "demo"]).code, 0);
    assert_eq!(inside(&["invite", "demo"]).code, 0);
    let doctor = inside(&["doctor", "--json"]);
    assert_eq!((doctor.code, worries(&doctor)), (0, Vec::new()), "{doctor:?}");
    let log = broker.log.join("\n");
    assert!(log.contains("no data directory to write"), "{log}");
    assert!(!log.contains("no key file") && !log.contains("admin API closed"), "{log}");
}

#[test]
fn without_a_key_file_meshes_are_refused_with_that_reason_and_the_rest_runs() {
    let (town, database) = (Town::new(), Database::fresh());
    let settings =
        [("DATABASE_URL", database.url()), ("PEERMESH_DATA", NOWHERE), ("PEERMESH_ADMIN_TOKEN", "t")];
    let broker = town.serve_with(&settings);
    assert!(broker.log.join("\n").contains("no key file"), "{:?}", broker.log);
    let port = town.port.to_string();
    let inside = |arguments: &[&str]| {
        let mut command = town.command(arguments);
        Ran::from(command.envs(settings).env("BROKER_PORT", &port).output().unwrap())
    };
    let create = inside(&["mesh", "create", "demo"]);
    assert!(create.code != 0 && create.err.contains("key file"), "{create:?}");
    assert_eq!(inside(&["mesh", "list"]).code, 0);
}

#[test]
fn f_sto_15_tables_of_a_newer_program_end_the_broker_with_the_reason() {
    let (town, database) = (Town::new(), Database::fresh());
    assert_eq!(run(&town, database.url(), &["migrate"]).code, 0);
    let newer = "INSERT INTO mesh.schema_history (version, name, applied_on, checksum)
                 VALUES (9999, 'tomorrow', '2100-01-01T00:00:00Z', '1')";
    database.client().batch_execute(newer).unwrap();
    let mut broker = town.listen_with(&[("DATABASE_URL", database.url())]);
    let record = broker.says("store unfit");
    assert!(record["error"].as_str().unwrap().contains("9999"), "{record}");
    assert_eq!(broker.ends(PATIENCE).code(), Some(1));
    for arguments in [&["migrate"][..], &["migrate", "--check"], &["doctor"]] {
        assert_eq!(run(&town, database.url(), arguments).code, 1, "{arguments:?}");
    }
}

#[test]
fn f_sto_15_a_broker_that_must_not_migrate_only_checks() {
    let (town, database) = (Town::new(), Database::fresh());
    let settings = [("DATABASE_URL", database.url()), ("BROKER_SKIP_MIGRATE", "1")];
    let mut broker = town.listen_with(&settings);
    broker.says("store unfit");
    assert_eq!(broker.ends(PATIENCE).code(), Some(1));
    assert_eq!(run(&town, database.url(), &["migrate"]).code, 0);
    let _broker = town.serve_with(&settings);
}

#[test]
fn f_sto_09_settings_that_may_lose_what_was_accepted_need_a_word_of_the_operator() {
    let server = Server::with(&[("fsync", "off")]);
    let (town, database) = (Town::new(), server.database());
    let mut broker = town.listen_with(&[("DATABASE_URL", database.url())]);
    let record = broker.says("store unfit");
    assert!(record["error"].as_str().unwrap().contains("fsync"), "{record}");
    assert_eq!(broker.ends(PATIENCE).code(), Some(1));
    let doctor = run(&town, database.url(), &["doctor", "--json"]);
    assert!(doctor.code == 1 && doctor.out.contains("fsync"), "{doctor:?}");
    let allowed = [("DATABASE_URL", database.url()), ("PEERMESH_ALLOW_RELAXED_DURABILITY", "1")];
    let _broker = town.serve_with(&allowed);
    assert!(get(town.port, "/health").starts_with("HTTP/1.1 200"));
}

#[test]
fn a_broker_is_ready_once_the_migration_it_waits_for_was_applied() {
    let (town, database) = (Town::new(), Database::fresh());
    let ready = |expected: &str| {
        let settings = [("DATABASE_URL", database.url()), ("EXPECTED_MIGRATION", expected)];
        let _broker = town.serve_with(&settings);
        get(town.port, "/health/ready")
    };
    let missing = ready("V9999__tomorrow");
    assert!(missing.starts_with("HTTP/1.1 503") && missing.contains("migration_missing"), "{missing}");
    let applied = run(&town, database.url(), &["migrate", "--json"]).json()["applied"].clone();
    let newest = applied.as_array().unwrap().last().unwrap().as_str().unwrap();
    assert!(ready(newest).starts_with("HTTP/1.1 200"), "{newest}");
}

/// What the broker answers, head and body.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn f_lif_01_a_broker_whose_database_hangs_still_ends_in_time() {
    let server = Server::new();
    let (town, database) = (Town::new(), server.database());
    let mut broker = town.serve_with(&[("DATABASE_URL", database.url())]);
    town.settle(&["ann", "bob"]);
    server.freeze();
    let send = town.command(&["send", "bob", "soup?", "--as", "ann"]).stderr(Stdio::null()).spawn();
    let mut send = send.unwrap();
    broker.says("db ping failed");
    broker.signal(Signal::TERM);
    let status = broker.ends(SHUTDOWN);
    server.thaw();
    send.kill().unwrap();
    send.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{:?}", broker.log);
}

/// The lines of the README's section on Postgres, and after them those of its quickstart.
#[test]
fn the_readmes_way_to_postgres_serves_its_quickstart() {
    let (town, database) = (Town::new(), Database::fresh());
    let lines = town::readme("On Postgres");
    let [address, before @ .., serve] = &lines[..] else { panic!("{lines:?}") };
    assert!(address.starts_with("export DATABASE_URL=postgres://"), "{address}");
    assert_eq!(serve, "peermesh serve");
    let shell = |lines: &[String]| {
        let built = Path::new(env!("CARGO_BIN_EXE_peermesh")).parent().unwrap();
        let mut shell = Command::new("bash");
        shell.args(["-euo", "pipefail", "-c", &lines.join("\n")]).env_clear().current_dir(town.dir());
        shell.env("HOME", town.dir()).env("PATH", format!("{}:/usr/bin:/bin", built.display()));
        Ran::from(shell.env("DATABASE_URL", database.url()).output().unwrap())
    };
    let ran = shell(before);
    assert_eq!(ran.code, 0, "{ran:?}");
    let mut broker = town.serve_with(&[("DATABASE_URL", database.url())]);
    let ran = shell(&town::readme("Quickstart"));
    assert!(ran.code == 0 && ran.out.contains("the build is green"), "{ran:?}");
    broker.signal(Signal::TERM);
    assert_eq!(broker.ends(SHUTDOWN).code(), Some(0), "{:?}", broker.log);
    let broker = town.serve_with(&[("DATABASE_URL", database.url())]);
    assert!(broker.log[0].contains("\"store\":\"postgres\""), "{:?}", broker.log);
    assert_eq!(town.json(&["mesh", "list"])["meshes"].as_array().unwrap().len(), 1);
}
