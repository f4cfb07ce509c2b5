//! What a batch asks of the server does not grow with it.

use peermesh_conformance::proxy::Proxy;
use peermesh_conformance::server::Database;
use peermesh_core::ids::Position;
use peermesh_core::store::{Batch, Op, Priority};

use crate::desk::{BOB, Broker, accept, enrol, hello, prune, settle};

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
