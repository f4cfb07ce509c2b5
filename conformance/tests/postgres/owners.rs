//! Several brokers at one database.

use std::time::{Duration, Instant};

use peermesh_conformance::server::Database;
use peermesh_core::ids::{Epoch, MeshId, PresenceId, TopicId};
use peermesh_core::store::{Batch, Claimant, Fence, LiveFence, LiveOp, LiveReply, Op, Reply, StoreError};
use peermesh_core::time::Wall;

use crate::desk::{Broker, MESH, accept, fence, hello, kitchen, mesh, options};

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn f_clu_03_two_brokers_cannot_both_own_a_mesh() {
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    let ours = one.takes_kitchen();
    assert_eq!(one.takes_kitchen(), ours, "what is ours stays so, under its epoch");
    assert_eq!(two.claims("kitchen"), Reply::OwnedElsewhere);
    let theirs = two.writes_under(&[ours], vec![accept(1, None)]);
    assert_eq!(theirs, Err(StoreError::Fenced(vec![MESH])), "a fence is its owner's alone");
    assert_eq!(one.writes_under(&[ours], vec![accept(2, None)]), Ok(vec![Reply::Inserted]));
    assert_eq!(one.lane_of_bob(), [2]);
}

#[test]
fn f_aut_03_a_proof_that_one_broker_took_is_used_up_for_all() {
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    let prove = |proof: u8, by| Op::Prove { proof: [proof; 32], by, until: Wall::from_millis(1_000) };
    assert_eq!(one.write(prove(7, 1)), Ok(Reply::Done));
    assert_eq!(two.write(prove(7, 2)), Ok(Reply::Replayed));
    assert_eq!(one.write(prove(7, 1)), Ok(Reply::Done), "its own write again");
    // Hellos and requests share one record.
    assert_eq!(two.write(prove(1, 2)), Ok(Reply::Done));
    assert_eq!(one.write(hello(1, 1)), Ok(Reply::Replayed));
}

#[test]
fn f_clu_03_who_lost_a_mesh_writes_nothing_more_to_it_and_goes_on_with_the_others() {
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    one.write(mesh("cellar")).unwrap();
    let kitchen = one.takes_kitchen();
    let Reply::Owned { epoch, .. } = one.claims("cellar") else { panic!() };
    let cellar = Fence { mesh: peermesh_core::ids::MeshNo(2), epoch };
    one.write(Op::Release(vec![kitchen])).unwrap();
    assert_eq!(two.takes_kitchen(), fence(kitchen.epoch.0 + 1));

    let batch = |fences: &[Fence], op| Batch { ops: vec![op], fences: fences.to_vec() };
    let results = one.writes_batches(vec![
        batch(&[cellar], accept(1, None)),
        batch(&[kitchen, cellar], accept(2, None)),
        batch(&[kitchen], hello(1, 1)),
        batch(&[], accept(3, None)),
    ]);
    let fenced = || Err(StoreError::Fenced(vec![MESH]));
    let written = || Ok(vec![Reply::Inserted]);
    assert_eq!(results, [written(), fenced(), fenced(), written()]);
    assert_eq!(one.lane_of_bob(), [1, 3]);
}

#[test]
fn a_mesh_that_was_given_up_is_anybodys_and_giving_it_up_again_takes_it_from_nobody() {
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    let first = one.takes_kitchen();
    one.write(Op::Release(vec![first])).unwrap();
    let second = two.takes_kitchen();
    one.write(Op::Release(vec![first, second])).unwrap();
    assert_eq!(one.claims("kitchen"), Reply::OwnedElsewhere);
    assert_eq!(two.writes_under(&[second], vec![accept(1, None)]), Ok(vec![Reply::Inserted]));
}

#[test]
fn f_clu_06_a_broker_that_is_started_again_owns_its_meshes_at_once() {
    let (mut one, database) = kitchen();
    let fence = one.takes_kitchen();
    let mut two = Broker::named("two", database.url());
    // As when it is killed: nothing is said, its sessions end.
    database.hang_up();
    std::mem::forget(one);
    let mut again = Broker::named("one", database.url());
    let Reply::Owned { epoch, .. } = again.claims("kitchen") else { panic!() };
    assert_eq!(epoch, Epoch(fence.epoch.0 + 1));
    two.pings().unwrap_err();
    two.pings().unwrap();
    assert_eq!(two.claims("kitchen"), Reply::OwnedElsewhere);
}

#[test]
fn f_clu_06_another_broker_takes_over_when_the_lease_of_a_dead_one_has_run_out() {
    let (one, database) = kitchen();
    drop(one);
    let mut brief = options(database.url());
    brief.waits.lease_ms = 600;
    let mut one = Broker::with(&brief);
    let fence = one.takes_kitchen();
    one.writes_under(&[fence], vec![hello(1, 1)]).unwrap();
    let mut two = Broker::named("two", database.url());
    assert_eq!(two.claims("kitchen"), Reply::OwnedElsewhere);
    let until = Instant::now() + PATIENCE;
    while two.claims("kitchen") == Reply::OwnedElsewhere {
        assert!(Instant::now() < until, "the lease does not run out");
        std::thread::sleep(Duration::from_millis(20));
    }
    // It was only silent, and what it says after that is not heard.
    assert_eq!(one.writes_under(&[fence], vec![accept(1, None)]), Err(StoreError::Fenced(vec![MESH])));
    let open = "SELECT count(*) FROM mesh.presence WHERE disconnected_at IS NULL";
    assert_eq!(database.client().query_one(open, &[]).unwrap().get::<_, i64>(0), 0);
    drop(one);
}

#[test]
fn f_tim_02_no_clock_of_a_broker_takes_a_mesh_from_a_living_one_or_keeps_it_from_the_next() {
    const TEN_YEARS_MS: i64 = 10 * 365 * 86_400_000;
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    let ours = one.takes_kitchen();
    for clock in [0, TEN_YEARS_MS, 100 * TEN_YEARS_MS] {
        assert_eq!(two.claims_at("kitchen", clock), Reply::OwnedElsewhere);
    }
    one.write(Op::Release(vec![ours])).unwrap();
    // The next owner lives in the past.
    let Reply::Owned { epoch, .. } = two.claims_at("kitchen", 0) else { panic!("it is free") };
    assert_eq!(epoch, Epoch(ours.epoch.0 + 1));
    assert_eq!(one.claims_at("kitchen", 100 * TEN_YEARS_MS), Reply::OwnedElsewhere);
}

#[test]
fn f_clu_04_a_takeover_waits_for_the_batch_that_is_half_way() {
    let (mut one, database) = kitchen();
    let fence = one.takes_kitchen();
    // A batch of the first broker has begun: it holds its lock and has looked at its fences.
    let mut half_way = database.client();
    half_way
        .batch_execute("BEGIN; SELECT pg_advisory_xact_lock_shared(1886221163, owner) FROM mesh.scope")
        .unwrap();
    let mut gone = database.client();
    gone.batch_execute("UPDATE mesh.broker SET ended_at = now()").unwrap();
    let mut two = Broker::named("two", database.url());
    let taker = std::thread::spawn(move || (two.takes_kitchen(), two));
    let until = Instant::now() + PATIENCE;
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while gone.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < until && !taker.is_finished(), "the takeover did not wait");
    }
    half_way.batch_execute("COMMIT").unwrap();
    let (taken, _two) = taker.join().unwrap();
    assert_eq!(taken.epoch.0, fence.epoch.0 + 1);
    assert_eq!(one.writes_under(&[fence], vec![accept(1, None)]), Err(StoreError::Fenced(vec![MESH])));
}

/// What a second broker is told that wants something of the first, whose time was over and which comes back
/// while its last batch is awaited.
fn comes_back(one: &mut Broker, database: &Database, of: &str, claim: Op) -> Reply {
    let mut half_way = database.client();
    half_way
        .batch_execute(&format!(
            "BEGIN; SELECT pg_advisory_xact_lock_shared(1886221163, owner) FROM mesh.{of}"
        ))
        .unwrap();
    let mut watch = database.client();
    let mut two = Broker::named("two", database.url());
    // Its time is over, and somebody has seen that and waits for its last batch.
    let over = "UPDATE mesh.broker SET alive_until = now() - interval '1 hour' WHERE name <> 'two'";
    watch.batch_execute(over).unwrap();
    let taker = std::thread::spawn(move || (two.write(claim).unwrap(), two));
    let until = Instant::now() + PATIENCE;
    let waits = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while watch.query_one(waits, &[]).unwrap().get::<_, i64>(0) == 0 {
        assert!(Instant::now() < until && !taker.is_finished(), "the takeover did not wait");
    }
    one.pings().unwrap();
    half_way.batch_execute("COMMIT").unwrap();
    taker.join().unwrap().0
}

#[test]
fn f_clu_03_a_broker_that_comes_back_while_it_is_being_taken_from_keeps_its_mesh() {
    let (mut one, database) = kitchen();
    let fence = one.takes_kitchen();
    let claim = Op::Claim { mesh: MeshId::new("kitchen"), by: Claimant::Broker, at: Wall::from_millis(5) };
    let said = comes_back(&mut one, &database, "scope", claim);
    assert_eq!(said, Reply::OwnedElsewhere, "it lives, and counts on what it was told is its own");
    assert_eq!(one.writes_under(&[fence], vec![accept(1, None)]), Ok(vec![Reply::Inserted]));
}

#[test]
fn f_clu_03_a_broker_that_comes_back_while_it_is_being_taken_from_keeps_its_live_topics() {
    let (mut one, database) = kitchen();
    let topic = TopicId::new("fleet");
    let claim = Op::Live(LiveOp::Claim { topic, stream: "s".into(), at: Wall::from_millis(5) });
    let Ok(Reply::Live(LiveReply::Owned(load))) = one.write(claim.clone()) else { panic!("it is free") };
    let said = comes_back(&mut one, &database, "live_topic", claim);
    assert_eq!(said, Reply::Live(LiveReply::OwnedElsewhere));
    let fence = LiveFence { topic: load.no, epoch: load.epoch };
    let trim = one.write(Op::Live(LiveOp::Trim { fence, through: 0 }));
    assert_eq!(trim, Ok(Reply::Live(LiveReply::Done)));
}

#[test]
fn s_a_proof_that_was_shown_to_one_broker_is_a_replay_at_another() {
    let (mut one, database) = kitchen();
    let mut two = Broker::named("two", database.url());
    assert!(matches!(one.write(hello(1, 1)), Ok(Reply::Welcome { .. })));
    assert_eq!(two.write(hello(1, 2)), Ok(Reply::Replayed));
    assert!(matches!(two.write(hello(1, 1)), Ok(Reply::Welcome { .. })), "the same write again");
}

#[test]
fn brokers_that_write_at_once_draw_different_numbers() {
    let (one, database) = kitchen();
    let two = Broker::named("two", database.url());
    let lease = |mut broker: Broker| {
        std::thread::spawn(move || {
            let leases = (0..50).map(|_| match broker.write(Op::LeasePositions { count: 10 }) {
                Ok(Reply::Positions { first, .. }) => first.0,
                other => panic!("{other:?}"),
            });
            leases.collect::<Vec<u64>>()
        })
    };
    let threads = [one, two].map(lease);
    let mut firsts: Vec<u64> = threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
    firsts.sort_unstable();
    assert_eq!(firsts, (0..100).map(|n| n * 10 + 1).collect::<Vec<u64>>());
}

#[test]
fn an_orderly_end_is_told_so_that_nobody_waits() {
    let (mut one, database) = kitchen();
    one.takes_kitchen();
    let mut two = Broker::named("two", database.url());
    let ends = |broker: &mut Broker| {
        broker.write(Op::EndPresences { ids: vec![PresenceId::new("x")], at: Wall::from_millis(1) })
    };
    ends(&mut one).unwrap();
    drop(one);
    assert!(matches!(two.claims("kitchen"), Reply::Owned { .. }));
}
