//! A database that is away, slow, silent, read-only, full of others or gone in the middle of a commit.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use peermesh_conformance::proxy::{Point, Proxy};
use peermesh_conformance::server::{Database, Server, free_port};
use peermesh_core::store::{Durability, Found, Query, Reply, StoreError};

use crate::desk::{Broker, accept, enrol, existing, kitchen, mesh, options, settle};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

/// A broker behind a proxy, where the kitchen is founded.
fn behind_proxy(answer_ms: u64) -> (Broker, Proxy, Database) {
    let database = Database::migrated();
    let proxy = Proxy::to(database.address());
    let mut options = options(&database.url_by(proxy.port()));
    options.waits.answer_ms = answer_ms;
    options.waits.ping_ms = answer_ms;
    options.waits.pool_ms = 1_000;
    let mut broker = Broker::with(&options);
    broker.founds_kitchen();
    (broker, proxy, database)
}

#[test]
fn f_acc_07_a_lost_reply_leaves_a_commit_unknown_and_the_same_batch_finds_out() {
    let (mut broker, proxy, _database) = behind_proxy(10_000);
    let fence = broker.takes_kitchen();
    for (position, point) in [(1, Point::Call), (2, Point::Reply)] {
        let op = || vec![accept(position, Some("id").filter(|_| position == 2)), settle(position - 1)];
        proxy.lose(point, &["mesh.write"]);
        let lost = broker.writes_under(&[fence], op());
        assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
        let again = broker.writes_under(&[fence], op());
        assert_eq!(again, Ok(vec![Reply::Inserted, Reply::Done]));
    }
    assert_eq!(broker.write(accept(3, Some("id"))), Ok(existing(2)));
    assert_eq!(broker.lane_of_bob(), [2]);
}

#[test]
fn f_acc_07_a_commit_that_appears_after_it_was_given_up_has_still_one_winner() {
    let (mut broker, proxy, database) = behind_proxy(300);
    let held = proxy.hold(Point::Call, &["mesh.write"]);
    let lost = broker.write(accept(1, Some("id")));
    assert!(matches!(lost, Err(StoreError::Unknown(_))), "{lost:?}");
    // The connection was given up, but what was sent on it is still on its way.
    assert_eq!(broker.write(accept(1, Some("id"))), Ok(Reply::Inserted));
    held.release();
    let until = Instant::now() + PATIENCE;
    let busy = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND query LIKE '%mesh.write%' AND state = 'active' AND pid <> pg_backend_pid()";
    let mut client = database.client();
    while client.query_one(busy, &[]).unwrap().get::<_, i64>(0) > 0 && Instant::now() < until {}
    assert_eq!(broker.write(accept(2, Some("id"))), Ok(existing(1)));
    assert_eq!(broker.lane_of_bob(), [1]);
}

#[test]
fn f_acc_11_a_batch_that_the_server_refuses_does_not_touch_those_it_was_merged_with() {
    let (mut broker, database) = kitchen();
    let refuse = "ALTER TABLE mesh.message ADD CONSTRAINT odd CHECK (pos <> 2)";
    database.client().batch_execute(refuse).unwrap();
    let batches = (1..=3).map(|position| vec![accept(position, None)].into()).collect();
    let results = broker.writes_batches(batches);
    assert!(results[0].is_ok() && results[2].is_ok(), "{results:?}");
    assert!(matches!(&results[1], Err(StoreError::Unavailable(why)) if why.contains("odd")), "{results:?}");
    assert_eq!(broker.lane_of_bob(), [1, 3]);
}

#[test]
fn f_sto_11_connections_that_the_server_does_not_give_are_waited_for_and_then_refused_as_busy() {
    let server = Server::with(&[("max_connections", "4"), ("superuser_reserved_connections", "1")]);
    let database = server.database();
    let mut options = options(database.url());
    options.waits.pool_ms = 500;
    let mut broker = Broker::with(&options);
    let others = [(); 2].map(|()| database.client());
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Busy(_))));
    broker.pings().unwrap();
    drop(others);
    let until = Instant::now() + PATIENCE;
    while broker.write(accept(1, None)).is_err() {
        assert!(Instant::now() < until, "no connection came");
    }
}

#[test]
fn f_sto_12_a_server_that_says_nothing_is_given_up_in_time_and_found_again() {
    let (mut broker, proxy, _database) = behind_proxy(300);
    proxy.stall();
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Unknown(_))));
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    assert!(matches!(broker.asks(&Query::Depth), Err(StoreError::Unavailable(_) | StoreError::Busy(_))));
    proxy.flow();
    recovers(&mut broker);
    assert!(broker.write(accept(1, None)).is_ok());
    assert_eq!(broker.lane_of_bob(), [1]);
}

#[test]
fn f_sto_07_the_end_of_the_health_connection_is_noticed_while_it_rests() {
    let (mut broker, proxy, _database) = behind_proxy(10_000);
    let asked = Instant::now();
    let rests = std::thread::scope(|scope| {
        let rests = scope.spawn(|| broker.holds(20_000));
        std::thread::sleep(Duration::from_millis(50));
        proxy.refuse();
        proxy.cut();
        rests.join().unwrap()
    });
    assert!(matches!(rests, Err(StoreError::Unavailable(_))), "{rests:?}");
    assert!(asked.elapsed() < Duration::from_secs(10), "it rested on");
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    proxy.accept();
    recovers(&mut broker);
}

#[test]
fn f_sto_07_a_server_that_was_restarted_is_found_again_under_the_same_number() {
    let server = Server::new();
    let database = server.database();
    let mut broker = Broker::named("one", database.url());
    broker.founds_kitchen();
    let fence = broker.takes_kitchen();
    broker.writes_under(&[fence], vec![accept(1, None)]).unwrap();
    server.restart();
    recovers(&mut broker);
    let written = broker.writes_under(&[fence], vec![accept(2, None)]);
    assert_eq!(written, Ok(vec![Reply::Inserted]), "what was ours is ours");
    assert_eq!(broker.lane_of_bob(), [1, 2]);
}

#[test]
fn f_sto_07_a_database_that_is_not_there_yet_is_asked_until_it_is() {
    let port = free_port();
    let mut broker = Broker::unheard(&options(&format!("postgres://x@127.0.0.1:{port}/x?sslmode=disable")));
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Unavailable(_))));
    assert!(matches!(broker.asks(&Query::Depth), Err(StoreError::Unavailable(_))));
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    assert!(!broker.was_unfit());
}

#[test]
fn f_sto_08_of_several_hosts_the_one_that_takes_writes_is_found() {
    let copy = Server::with(&[("default_transaction_read_only", "on")]);
    let server = Server::new();
    let database = server.database();
    // The copy lets the same role into the same database.
    let (before, after) = database.url().split_once("127.0.0.1:").unwrap();
    let (role, password) = before.split("://").nth(1).unwrap().trim_end_matches('@').split_once(':').unwrap();
    let name = after.split_once('/').unwrap().1.split('?').next().unwrap();
    let mut admin = copy.admin();
    admin.batch_execute(&format!("ALTER ROLE {role} PASSWORD '{password}'")).unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {name} OWNER {role}")).unwrap();
    // The kernel completes connections to it; whoever listens says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    for first in [free_port(), silent.local_addr().unwrap().port(), copy.port()] {
        let url = format!("{before}127.0.0.1:{first},127.0.0.1:{after}");
        let mut options = options(&url);
        options.waits.handshake_ms = 300;
        let mut broker = Broker::with(&options);
        assert!(broker.write(mesh(&format!("mesh-{first}"))).is_ok());
    }
    let alone = format!("{before}127.0.0.1:{}/{name}", copy.port());
    let refused = Broker::unheard(&options(&alone)).pings().unwrap_err().to_string();
    assert!(refused.contains("does not take writes"), "{refused}");
}

#[test]
fn a_server_on_this_machine_is_reached_by_its_socket() {
    let server = Server::new();
    let database = server.database();
    let (before, after) = database.url().split_once("127.0.0.1:").unwrap();
    let name = after.split_once('/').unwrap().1.split('?').next().unwrap();
    let (place, port) = (server.socket_dir().display(), server.port());
    let mut broker = Broker::named("one", &format!("{before}/{name}?host={place}&port={port}"));
    broker.founds_kitchen();
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
}

#[test]
fn f_sto_10_a_server_that_turned_read_only_is_unavailable_until_it_writes_again() {
    let server = Server::new();
    let database = server.database();
    let mut broker = Broker::named("one", database.url());
    broker.founds_kitchen();
    server.set("default_transaction_read_only", "on");
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Unavailable(_))));
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    assert!(!broker.was_unfit());
    server.set("default_transaction_read_only", "off");
    recovers(&mut broker);
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
}

#[test]
fn f_sto_09_a_server_that_may_lose_commits_is_refused_or_every_answer_says_so() {
    let server = Server::with(&[("fsync", "off")]);
    let database = server.database();
    let mut broker = Broker::unheard(&options(database.url()));
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(why)) if why.contains("fsync")));
    assert!(broker.was_unfit());
    let mut relaxed = options(database.url());
    relaxed.allow_relaxed = true;
    assert_eq!(Broker::with(&relaxed).pings().unwrap().durability, Durability::Relaxed);
}

#[test]
fn f_sto_09_a_server_that_turns_weak_is_not_written_to_until_it_is_sound_again() {
    let server = Server::new();
    let database = server.database();
    let mut broker = Broker::named("one", database.url());
    assert_eq!(broker.pings().unwrap().durability, Durability::Synced);
    server.set("synchronous_commit", "off");
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Unavailable(_))));
    assert!(!broker.was_unfit(), "it may be mended");
    server.set("synchronous_commit", "on");
    recovers(&mut broker);
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
}

#[test]
fn what_the_server_says_is_told_apart() {
    let (mut broker, database) = kitchen();
    let says = "CREATE TABLE mesh.says (code text); \
        CREATE FUNCTION mesh.say() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            RAISE EXCEPTION 'as told' USING ERRCODE = (SELECT code FROM mesh.says); END $$; \
        CREATE TRIGGER say BEFORE INSERT ON mesh.message FOR EACH ROW EXECUTE FUNCTION mesh.say()";
    let mut client = database.client();
    client.batch_execute(says).unwrap();
    let text = |code: &str| format!("as told (SQLSTATE {code})");
    for (code, wanted) in [
        ("53100", StoreError::Full),
        ("XX001", StoreError::Corrupt(text("XX001"))),
        ("XX002", StoreError::Corrupt(text("XX002"))),
        ("53400", StoreError::Busy(text("53400"))),
        ("57014", StoreError::Busy(text("57014"))),
        ("40001", StoreError::Busy(text("40001"))),
        ("53200", StoreError::Unavailable(text("53200"))),
        ("25006", StoreError::Unavailable(text("25006"))),
        ("57P01", StoreError::Unknown(text("57P01"))),
        ("08006", StoreError::Unknown(text("08006"))),
    ] {
        client
            .batch_execute(&format!("TRUNCATE mesh.says; INSERT INTO mesh.says VALUES ('{code}')"))
            .unwrap();
        assert_eq!(broker.write(accept(1, None)), Err(wanted));
    }
    client.batch_execute("DROP TRIGGER say ON mesh.message").unwrap();
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
}

#[test]
fn f_sto_13_a_transaction_that_is_pushed_aside_is_tried_again() {
    let (mut broker, database) = kitchen();
    // Fails as a deadlock would, as often as it is told.
    let trouble = "CREATE SEQUENCE mesh.trouble; \
        CREATE FUNCTION mesh.stumble() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
            IF nextval('mesh.trouble') <= 3 THEN RAISE deadlock_detected; END IF; RETURN NEW; END $$; \
        CREATE TRIGGER stumble BEFORE INSERT ON mesh.message FOR EACH ROW EXECUTE FUNCTION mesh.stumble()";
    database.client().batch_execute(trouble).unwrap();
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
    database
        .client()
        .batch_execute("ALTER SEQUENCE mesh.trouble RESTART INCREMENT -1 MINVALUE -100")
        .unwrap();
    assert!(matches!(broker.write(accept(2, None)), Err(StoreError::Busy(_))));
    assert_eq!(broker.lane_of_bob(), [1]);
}

#[test]
fn f_sto_13_of_two_transactions_in_a_deadlock_one_is_pushed_aside_and_both_get_through() {
    let (mut broker, database) = kitchen();
    // The one has a position and wants the numbers, the other has the numbers and wants the position.
    let mut other = database.client();
    let has = "BEGIN; INSERT INTO mesh.message (pos, at, mesh, sender, session, prio, nonce, cipher) \
        VALUES (1, 1, 1, 1, 1, 1, '', '')";
    other.batch_execute(has).unwrap();
    let wants = std::thread::spawn(move || {
        let written = broker.writes(vec![accept(1, None), enrol(3, "carl")]);
        (written, broker)
    });
    let waits = "SELECT count(*) FROM pg_stat_activity \
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let until = Instant::now() + PATIENCE;
    while database.client().query_one(waits, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < until, "the broker does not wait");
    }
    // Whichever of the two the server ends, the position is free afterwards.
    let _ = other.batch_execute("SELECT pg_advisory_xact_lock(1886221162, 0)");
    other.batch_execute("ROLLBACK").unwrap();
    let (written, mut broker) = wants.join().unwrap();
    assert!(matches!(written.as_deref(), Ok([Reply::Inserted, Reply::Enrolled { .. }])), "{written:?}");
    assert_eq!(broker.lane_of_bob(), [1]);
}

#[test]
fn a_statement_that_the_server_gives_up_is_refused_as_busy() {
    let (broker, database) = kitchen();
    drop(broker);
    let mut hasty = options(database.url());
    hasty.waits.lock_ms = 100;
    let mut broker = Broker::with(&hasty);
    let mut other = database.client();
    other.batch_execute("BEGIN; LOCK TABLE mesh.message").unwrap();
    assert!(matches!(broker.write(accept(1, None)), Err(StoreError::Busy(_))));
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(broker.write(accept(1, None)), Ok(Reply::Inserted));
}

#[test]
fn s_errors_name_no_password() {
    let database = Database::fresh();
    let (before, after) = database.url().split_once('@').unwrap();
    let user = before.split("://").nth(1).unwrap().split(':').next().unwrap();
    let mut broker = Broker::unheard(&options(&format!("postgres://{user}:gravy-soup@{after}")));
    let refused = broker.pings().unwrap_err().to_string();
    assert!(!refused.contains("gravy-soup"), "{refused}");
}

/// Pings until the database is back.
fn recovers(broker: &mut Broker) {
    let until = Instant::now() + PATIENCE;
    while let Err(error) = broker.pings() {
        assert!(Instant::now() < until, "{error}");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(matches!(broker.asks(&Query::Depth), Ok(Found::Depth(_))));
}
