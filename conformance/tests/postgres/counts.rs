//! What a batch asks of the server does not grow with it.

use peermesh_conformance::proxy::Proxy;
use peermesh_conformance::server::Database;
use peermesh_core::ids::Position;
use peermesh_core::store::{Batch, Op, Priority, Query};

use crate::desk::{BOB, Broker, accept, enrol, find, hello, known, prune, settle};

#[test]
fn a_batch_of_any_size_and_kind_is_one_statement_and_one_round_trip() {
    let database = Database::migrated();
    let proxy = Proxy::to(database.address());
    let mut broker = Broker::named("one", &database.url_by(proxy.port()));
    broker.founds_kitchen();
    let fence = broker.takes_kitchen();
    let tried = |position| Op::Tried {
        position: Position(position),
        mailbox: BOB,
        priority: Priority::Next,
        tries: 1,
    };
    let mut position = 0;
    for size in [1, 8, 64, 1_024] {
        let mut ops = Vec::new();
        for n in 0..size {
            position += 1;
            ops.push(accept(position, Some(&format!("id-{position}"))));
            ops.push(if n % 2 == 0 { settle(position) } else { tried(position) });
        }
        proxy.count_anew();
        broker.writes_under(&[fence], ops.clone()).unwrap();
        let counts = proxy.counts();
        assert_eq!((counts.round_trips, counts.calls_of("mesh.write")), (1, 1), "{size}: {counts:?}");
        // The same again, as after a commit whose outcome was not known.
        broker.writes_under(&[fence], ops).unwrap();
        assert_eq!(proxy.counts().round_trips, 2);
    }
    let rare = vec![enrol(3, "carl"), hello(1, 1), accept(9_000, None), prune(1, 10)];
    proxy.count_anew();
    broker.writes_under(&[fence], rare).unwrap();
    assert_eq!(proxy.counts().round_trips, 1);
}

#[test]
fn f_aut_06_a_message_that_is_not_there_costs_as_many_questions_as_one_that_is() {
    let database = Database::migrated();
    let proxy = Proxy::to(database.address());
    let mut broker = Broker::named("one", &database.url_by(proxy.port()));
    broker.founds_kitchen();
    broker.write(accept(1, None)).unwrap();
    let mut cost = |position| {
        proxy.count_anew();
        broker.asks(&Query::Message(Position(position))).unwrap();
        proxy.counts().round_trips
    };
    // The first question of its kind prepares its statements.
    cost(1);
    let (there, not_there) = (cost(1), cost(99));
    assert!(there == not_there && there > 1, "{there} and {not_there}");
}

#[test]
fn batches_of_several_shards_share_one_call() {
    let database = Database::migrated();
    let proxy = Proxy::to(database.address());
    let mut broker = Broker::named("one", &database.url_by(proxy.port()));
    broker.founds_kitchen();
    proxy.count_anew();
    let batches = (1..=3).map(|position| Batch::from(vec![accept(position, None)])).collect();
    assert!(broker.writes_batches(batches).iter().all(Result::is_ok));
    assert_eq!(proxy.counts().round_trips, 1);
}

#[test]
fn f_dos_03_resends_and_looks_are_one_round_trip_however_many_they_are() {
    let database = Database::migrated();
    let proxy = Proxy::to(database.address());
    let mut broker = Broker::named("one", &database.url_by(proxy.port()));
    broker.founds_kitchen();
    let fence = broker.takes_kitchen();
    let id = |n: u64| format!("id-{n}");
    let firsts = (1..=64).map(|n| accept(n, Some(&id(n)))).collect();
    broker.writes_under(&[fence], firsts).unwrap();
    proxy.count_anew();
    let again: Vec<Op> = (1..=64).map(|n| accept(100 + n, Some(&id(n)))).collect();
    let looks = (1..=128).map(|n| find(&id(n)));
    let replies = broker.writes_under(&[fence], again.into_iter().chain(looks).collect()).unwrap();
    assert_eq!(proxy.counts().round_trips, 1);
    let known: Vec<Option<u64>> = replies.into_iter().map(|reply| known(Ok(reply))).collect();
    let all: Vec<Option<u64>> = (1..=64).map(Some).collect();
    assert_eq!(known, [&all[..], &all, &[None; 64]].concat());
}
