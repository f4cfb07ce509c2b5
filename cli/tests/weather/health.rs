//! What `peermesh health` and `/health` say of a broker whose database is there, gone, and back.

use std::time::Duration;

use crate::ground::{Ground, health};
use crate::town::{PATIENCE, Ran, Town};

#[test]
fn health_tells_a_broker_that_is_well_from_one_that_is_degraded_and_one_that_is_absent() {
    let ground = Ground::new();
    let broker = ground.serve();
    let well = ground.town.run(&["health"]);
    assert!(well.code == 0 && well.out.contains("\"db\":\"up\""), "{well:?}");
    ground.proxy.refuse();
    ground.proxy.cut();
    ground.becomes(503, PATIENCE);
    let degraded = ground.town.run(&["health"]);
    assert!(degraded.code == 1 && degraded.out.contains("\"status\":\"degraded\""), "{degraded:?}");
    assert!(degraded.out.contains("\"db\":\"down\""), "{degraded:?}");
    broker.kill();
    let absent = ground.town.run(&["health"]);
    assert!(absent.code == 4 && absent.out.is_empty(), "{absent:?}");
}

/// As the image does it: no data directory, everything from the environment.
#[test]
fn health_finds_a_broker_without_a_data_directory_by_its_port() {
    let ground = Ground::new();
    // A directory that cannot be made, whoever runs the test.
    let nowhere = [("PEERMESH_DATA", "/dev/null/peermesh"), ("PEERMESH_ADMIN_TOKEN", "a-token-of-the-tests")];
    let _broker = ground.start(&ground.town, &nowhere);
    ground.becomes(200, PATIENCE);
    let port = ground.town.port.to_string();
    let other = Town::new();
    let mut command = other.command(&["health"]);
    command.env("PEERMESH_DATA", "/dev/null/peermesh").env("BROKER_PORT", &port);
    let ran = Ran::from(command.output().unwrap());
    assert!(ran.code == 0 && ran.out.contains("\"status\":\"ok\""), "{ran:?}");
}

/// The contract names a second and five seconds.
#[test]
fn f_sto_07_an_idle_broker_tells_within_a_second_that_its_store_is_gone_and_within_five_that_it_is_back() {
    let ground = Ground::new();
    let mut broker = ground.serve();
    ground.proxy.refuse();
    ground.proxy.cut();
    ground.becomes(503, Duration::from_secs(3));
    ground.proxy.accept();
    ground.becomes(200, Duration::from_secs(10));
    broker.says("db healthy");
}

/// Nothing ends: no byte comes any more. Only a time-out can tell.
#[test]
fn f_sto_07_a_store_that_falls_silent_is_noticed_too() {
    let ground = Ground::new();
    let _broker = ground.serve();
    ground.proxy.stall();
    ground.becomes(503, PATIENCE);
    ground.proxy.flow();
    ground.becomes(200, PATIENCE);
}

#[test]
fn a_broker_listens_while_its_database_is_not_there_and_serves_when_it_comes() {
    let ground = Ground::new();
    ground.proxy.refuse();
    let _broker = ground.start(&ground.town, &[]);
    assert_eq!(health(ground.town.port), Some(503));
    ground.proxy.accept();
    ground.becomes(200, Duration::from_secs(10));
    let (ann, bob) = ground.settles();
    let mut peer = crate::peer::Peer::joins(ground.town.port, &ann).unwrap();
    peer.sends(&bob.pubkey, "first-1", "soup?");
    assert_eq!(peer.hears_ack_of("first-1")["queued"], true);
}
