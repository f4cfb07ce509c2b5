//! The proxy that stands in front of a Postgres in tests: what it loses is lost, and what it counts was
//! there.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use peermesh_conformance::proxy::{Point, Proxy};
use peermesh_conformance::server::Database;
use postgres::{Client, NoTls};

const INSERT: &str = "INSERT INTO soup VALUES ($1)";

/// A database with a table, a proxy before it, and a session through the proxy.
fn table() -> (Database, Proxy, Client) {
    let database = Database::fresh();
    database.client().batch_execute("CREATE TABLE soup (n int)").unwrap();
    let proxy = Proxy::to(database.address());
    let session = Client::connect(&database.url_by(proxy.port()), NoTls).unwrap();
    (database, proxy, session)
}

fn rows(database: &Database) -> i64 {
    database.client().query_one("SELECT count(*) FROM soup", &[]).unwrap().get(0)
}

#[test]
fn calls_and_round_trips_are_counted_by_what_they_execute() {
    let (database, proxy, mut session) = table();
    let insert = session.prepare(INSERT).unwrap();
    proxy.count_anew();
    for n in 0..5 {
        session.execute(&insert, &[&n]).unwrap();
    }
    let counts = proxy.counts();
    assert_eq!((counts.round_trips, counts.calls_of("INTO soup")), (5, 5), "{counts:?}");
    session.batch_execute("BEGIN; COMMIT").unwrap();
    assert_eq!((proxy.counts().round_trips, proxy.counts().calls_of("BEGIN")), (6, 1));
    assert_eq!(rows(&database), 5);
}

#[test]
fn a_call_that_is_lost_never_happens() {
    let (database, proxy, mut session) = table();
    let lost = proxy.lose(Point::Call, &["INTO soup"]);
    assert!(session.execute(INSERT, &[&1]).unwrap_err().is_closed());
    lost.wait();
    drop(proxy);
    assert_eq!(rows(&database), 0);
}

#[test]
fn a_reply_that_is_lost_belongs_to_a_call_that_happened() {
    let (database, proxy, mut session) = table();
    let lost = proxy.lose(Point::Reply, &["INTO soup"]);
    session.simple_query("SELECT 1").unwrap();
    assert!(!lost.has_happened());
    assert!(session.execute(INSERT, &[&1]).unwrap_err().is_closed());
    lost.wait();
    assert_eq!(rows(&database), 1);
    let mut session = Client::connect(&database.url_by(proxy.port()), NoTls).unwrap();
    session.execute(INSERT, &[&2]).unwrap();
    assert_eq!(rows(&database), 2, "only one reply was to be lost");
}

#[test]
fn a_held_reply_comes_when_it_is_released() {
    let (database, proxy, mut session) = table();
    let held = proxy.hold(Point::Reply, &["INTO soup"]);
    let call = thread::spawn(move || session.execute(INSERT, &[&1]));
    held.wait();
    assert!(rows(&database) == 1 && !call.is_finished());
    held.release();
    assert_eq!(call.join().unwrap().unwrap(), 1);
}

#[test]
fn a_held_call_can_arrive_after_its_client_has_given_it_up() {
    let (database, proxy, mut session) = table();
    let held = proxy.hold(Point::Call, &["INTO soup"]);
    let call = thread::spawn(move || session.execute(INSERT, &[&1]));
    held.wait();
    held.cut_client();
    assert!(call.join().unwrap().unwrap_err().is_closed());
    assert_eq!(rows(&database), 0);
    held.release();
    held.wait_for_answer();
    assert_eq!(rows(&database), 1);
}

#[test]
fn a_cut_ends_sessions_and_a_refusal_those_that_would_come() {
    let (database, proxy, mut session) = table();
    proxy.refuse();
    let refused = TcpStream::connect(("127.0.0.1", proxy.port())).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    session.simple_query("SELECT 1").unwrap();
    proxy.cut();
    assert!(session.simple_query("SELECT 1").unwrap_err().is_closed());
    proxy.accept();
    Client::connect(&database.url_by(proxy.port()), NoTls).unwrap().simple_query("SELECT 1").unwrap();
}

#[test]
fn a_stalled_proxy_says_nothing_and_forgets_nothing() {
    let (database, proxy, mut session) = table();
    proxy.stall();
    let call = thread::spawn(move || session.execute(INSERT, &[&1]));
    // Nothing tells that an answer will not come but time.
    thread::sleep(Duration::from_millis(100));
    assert!(rows(&database) == 0 && !call.is_finished());
    proxy.flow();
    assert_eq!(call.join().unwrap().unwrap(), 1);
}

#[test]
fn latency_is_added_in_each_direction() {
    let (_database, proxy, mut session) = table();
    proxy.delay(Duration::from_millis(60), Duration::from_millis(40));
    let begun = Instant::now();
    session.simple_query("SELECT 1").unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(100), "{:?}", begun.elapsed());
}
