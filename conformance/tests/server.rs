//! The throw-away Postgres of the tests: it is durable as any, can be hurt, and leaves nothing behind.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::server::{Database, Server};
use postgres::{Client, NoTls};

/// How long anything that must happen may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Set for a process that is a child of a test.
const CHILD: &str = "PEERMESH_TEST_CHILD";

#[test]
fn every_test_has_a_database_of_its_own_and_commits_are_durable() {
    let (one, other) = (Database::fresh(), Database::fresh());
    one.client().batch_execute("CREATE SCHEMA mesh; CREATE TABLE mesh.soup (n int)").unwrap();
    let schema = "SELECT count(*) FROM pg_namespace WHERE nspname = 'mesh'";
    assert_eq!(other.client().query_one(schema, &[]).unwrap().get::<_, i64>(0), 0);
    for setting in ["fsync", "full_page_writes", "synchronous_commit"] {
        let value: String = one.client().query_one(&format!("SHOW {setting}"), &[]).unwrap().get(0);
        assert_eq!(value, "on", "{setting}");
    }
}

#[test]
fn a_database_goes_when_its_test_ends_whoever_is_connected() {
    let (database, witness) = (Database::fresh(), Database::fresh());
    let mut session = database.client();
    let name: String = session.query_one("SELECT current_database()", &[]).unwrap().get(0);
    drop(database);
    assert!(session.simple_query("SELECT 1").is_err());
    let left = "SELECT count(*) FROM pg_database WHERE datname = $1";
    assert_eq!(witness.client().query_one(left, &[&name]).unwrap().get::<_, i64>(0), 0);
}

#[test]
fn what_was_committed_survives_a_stop_and_a_kill() {
    let server = Server::new();
    let database = server.database();
    database.client().batch_execute("CREATE TABLE soup (n int); INSERT INTO soup VALUES (1)").unwrap();
    let mut session = database.client();
    server.restart();
    assert!(session.simple_query("SELECT 1").is_err());
    database.client().batch_execute("INSERT INTO soup VALUES (2)").unwrap();
    server.kill();
    assert!(Client::connect(database.url(), NoTls).is_err());
    server.start();
    assert_eq!(database.client().query_one("SELECT count(*) FROM soup", &[]).unwrap().get::<_, i64>(0), 2);
}

#[test]
fn a_frozen_server_answers_when_it_thaws() {
    let server = Server::new();
    let database = server.database();
    let mut session = database.client();
    server.freeze();
    let answer = thread::spawn(move || session.query_one("SELECT 1", &[]).unwrap().get::<_, i32>(0));
    // Nothing tells that an answer will not come but time.
    thread::sleep(Duration::from_millis(200));
    assert!(!answer.is_finished());
    server.thaw();
    assert_eq!(answer.join().unwrap(), 1);
    server.freeze();
}

#[test]
fn a_setting_counts_for_sessions_there_are_and_can_be_taken_back() {
    let server = Server::with(&[("max_connections", "30")]);
    let database = server.database();
    let mut session = database.client();
    assert_eq!(session.query_one("SHOW max_connections", &[]).unwrap().get::<_, String>(0), "30");
    server.set("default_transaction_read_only", "on");
    let read_only = session.batch_execute("CREATE TABLE soup (n int)").unwrap_err();
    assert_eq!(read_only.code().map(postgres::error::SqlState::code), Some("25006"));
    server.set("default_transaction_read_only", "off");
    session.batch_execute("CREATE TABLE soup (n int)").unwrap();
}

#[test]
fn the_role_of_a_database_is_no_superuser_and_needs_its_password() {
    let server = Server::new();
    let database = server.database();
    let is_super = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user";
    assert!(!database.client().query_one(is_super, &[]).unwrap().get::<_, bool>(0));
    let (before, after) = database.url().split_once("peermesh:").unwrap();
    let (_, host) = after.split_once('@').unwrap();
    assert!(Client::connect(&format!("{before}peermesh:wrong@{host}"), NoTls).is_err());
}

#[test]
fn a_server_goes_with_the_process_that_started_it_even_if_frozen() {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--ignored", "--exact", "the_child_starts_a_server", "--nocapture"]);
    let mut child = child.env(CHILD, "1").stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let told = lines.filter_map(|line| Some(line.split_once("server:")?.1.to_owned())).next().unwrap();
    let (port, folder) = told.split_once(' ').unwrap();
    let port: u16 = port.parse().unwrap();
    let folder = PathBuf::from(folder);
    assert!(folder.exists() && TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let until = Instant::now() + PATIENCE;
    while folder.exists() || TcpStream::connect(("127.0.0.1", port)).is_ok() {
        assert!(Instant::now() < until, "the server outlived its test");
        thread::sleep(Duration::from_millis(20));
    }
}

/// No test: `a_server_goes_with_the_process_that_started_it_even_if_frozen` starts it.
#[test]
#[ignore = "runs as a child of another test"]
fn the_child_starts_a_server() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let server = Server::new();
    server.freeze();
    writeln!(std::io::stdout(), "server:{} {}", server.port(), server.socket_dir().display()).unwrap();
    thread::sleep(PATIENCE * 4);
}
