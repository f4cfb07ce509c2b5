//! Bringing the tables up to date, with others at it, against odds, and not at all.

use std::thread;

use peermesh_conformance::proxy::{Point, Proxy};
use peermesh_conformance::server::Database;
use peermesh_core::store::{Found, Query, StoreError};
use peermesh_store::postgres::{MigrateError, migrate};

use crate::desk::{Broker, mesh, options};

#[test]
fn f_sto_15_several_brokers_that_start_at_once_on_an_empty_database_all_succeed() {
    let database = Database::fresh();
    let start = |n: usize| {
        let url = database.url().to_owned();
        thread::spawn(move || Broker::named(&format!("broker {n}"), &url))
    };
    let started: Vec<_> = (0..4).map(start).collect();
    let mut brokers: Vec<Broker> = started.into_iter().map(|thread| thread.join().unwrap()).collect();
    let names = brokers[0].pings().unwrap().migrations;
    assert_eq!(names[0], "V0001__mesh");
    for broker in &mut brokers {
        assert_eq!(broker.pings().unwrap().migrations, names);
        assert!(!broker.was_unfit());
    }
    let applied = "SELECT count(*) FROM mesh.schema_history";
    let applied: i64 = database.client().query_one(applied, &[]).unwrap().get(0);
    assert_eq!(applied, i64::try_from(names.len()).unwrap());
}

#[test]
fn a_check_names_what_is_missing_and_changes_nothing() {
    let database = Database::fresh();
    let options = options(database.url());
    let checked = migrate(&options, true).unwrap();
    assert!(checked.applied.is_empty() && checked.pending[0] == "V0001__mesh", "{checked:?}");
    assert_eq!(migrate(&options, true).unwrap(), checked);
    let done = migrate(&options, false).unwrap();
    assert_eq!((done.applied, done.pending), (checked.pending, Vec::new()));
    assert!(migrate(&options, true).unwrap().pending.is_empty());
}

#[test]
fn f_sto_15_a_step_that_was_interrupted_left_nothing_behind_and_is_applied_later() {
    let database = Database::fresh();
    let proxy = Proxy::to(database.address());
    let options = options(&database.url_by(proxy.port()));
    // The server has performed the second step, but not yet heard that it is to stay.
    let catch = proxy.lose(Point::Call, &["INSERT INTO mesh.schema_history", "VALUES (2"]);
    let cut_off = migrate(&options, false).unwrap_err();
    assert!(matches!(cut_off, MigrateError::Unavailable(_)), "{cut_off}");
    drop(catch);
    let left = migrate(&options, true).unwrap();
    assert_eq!(left.applied, ["V0001__mesh"]);
    assert!(migrate(&options, false).unwrap().pending.is_empty());
}

#[test]
fn f_sto_15_a_schema_of_a_newer_program_is_refused_and_left_alone() {
    let database = Database::migrated();
    let newer = "INSERT INTO mesh.schema_history VALUES (99, 'later', '2031-01-01T00:00:00Z', '1')";
    database.client().batch_execute(newer).unwrap();
    let refused = migrate(&options(database.url()), false).unwrap_err();
    assert!(matches!(refused, MigrateError::Newer { found: 99, .. }), "{refused}");
    let mut broker = Broker::unheard(&options(database.url()));
    assert!(matches!(broker.pings(), Err(StoreError::Unavailable(_))));
    assert!(broker.was_unfit());
    assert!(matches!(broker.write(mesh("kitchen")), Err(StoreError::Unavailable(_))));
}

#[test]
fn f_sto_15_a_step_that_was_changed_after_it_was_applied_is_refused() {
    let database = Database::migrated();
    let changed = "UPDATE mesh.schema_history SET checksum = '1' WHERE version = 2";
    database.client().batch_execute(changed).unwrap();
    let refused = migrate(&options(database.url()), false).unwrap_err();
    let MigrateError::Changed { name } = &refused else { panic!("{refused}") };
    assert!(name.starts_with("V0002"), "{name}");
}

#[test]
fn a_step_that_fails_is_undone_and_makes_the_broker_unfit() {
    let database = Database::fresh();
    database.client().batch_execute("CREATE SCHEMA mesh; CREATE TABLE mesh.mesh (x int)").unwrap();
    let refused = migrate(&options(database.url()), false).unwrap_err();
    assert!(matches!(&refused, MigrateError::Step { name, .. } if name == "V0001__mesh"), "{refused}");
    let mut broker = Broker::unheard(&options(database.url()));
    broker.pings().unwrap_err();
    assert!(broker.was_unfit());
}

#[test]
fn a_broker_that_may_not_migrate_only_serves_from_tables_that_are_up_to_date() {
    let database = Database::fresh();
    let mut careful = options(database.url());
    careful.skip_migrate = true;
    let mut broker = Broker::unheard(&careful);
    broker.pings().unwrap_err();
    assert!(broker.was_unfit());
    migrate(&careful, false).unwrap();
    let mut broker = Broker::with(&careful);
    assert_eq!(broker.asks(&Query::Depth), Ok(Found::Depth(0)));
}
