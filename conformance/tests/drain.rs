//! Who is said goodbye to first when a broker stops.

use std::sync::Arc;

use peermesh_core::broker::{Broker, Setup};
use peermesh_core::config::{Config, Limits, LiveConfig, RunnerConfig, Secret};
use peermesh_core::ids::{ConnId, ShardId};
use peermesh_core::machine::{Input, Listener, Machine, Order, Output, Outputs};
use peermesh_core::note::Level;
use peermesh_core::store::model::Model;
use peermesh_core::store::{Driver, Work};
use peermesh_core::time::{Mono, Now, Wall};

/// The close codes of these connections, in the order in which they are told.
fn goodbyes(listeners: &[Listener]) -> Vec<u16> {
    let mut town = Town::new();
    for (listener, conn) in listeners.iter().zip((1..).map(ConnId)) {
        let path = match listener {
            Listener::Mesh => "/ws",
            Listener::Runner => "/socket?runnerId=r",
            Listener::Live => "/",
            Listener::Local | Listener::LocalTcp => panic!("a broker has no local listener"),
        };
        town.tell(Input::Opened { conn, listener: *listener, remote: [127, 0, 0, 1].into() });
        let mut request = format!(
            "GET {path} HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Authorization: Bearer s\r\n\r\n"
        )
        .into_bytes();
        town.tell(Input::Received { conn, bytes: &mut request });
    }
    town.closes.clear();
    town.tell(Input::Order(Order::Drain));
    town.closes
}

#[test]
fn f_lif_01_runners_are_said_goodbye_to_before_peers_whoever_came_first() {
    assert_eq!(goodbyes(&[Listener::Mesh, Listener::Runner, Listener::Mesh]), [1000, 1001, 1001]);
    assert_eq!(goodbyes(&[Listener::Runner, Listener::Mesh]), [1000, 1001]);
}

#[test]
fn f_lif_01_watchers_are_said_goodbye_to_before_anybody_else() {
    let order = [Listener::Runner, Listener::Mesh, Listener::Live];
    assert_eq!(goodbyes(&order), [1001, 1000, 1001]);
}

/// A broker over a store in memory that answers at once.
struct Town {
    broker: Broker,
    store: Model,
    closes: Vec<u16>,
}

impl Town {
    fn new() -> Town {
        let runners =
            RunnerConfig { secrets: vec![Secret::new("s")], tokens: Vec::new(), forwards_heartbeats: true };
        let config = Config {
            limits: Limits::default(),
            public_url: "ws://127.0.0.1:7900/ws".to_owned(),
            version: "0".to_owned(),
            git_sha: "unknown".to_owned(),
            admin_token: None,
            hook_token: None,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            vault_key: None,
            expected_migration: None,
            log_level: Level::Error,
            runners: Some(runners),
            live: Some(LiveConfig::default()),
        };
        let setup = Setup { shard: ShardId(0), shards: 1, config: Arc::new(config), seed: [7; 32] };
        Town { broker: Broker::new(setup), store: Model::new([9; 32]), closes: Vec::new() }
    }

    /// Tells one fact, and whatever the store makes of it.
    fn tell(&mut self, input: Input<'_>) {
        let now = Now { mono: Mono::START, wall: Wall::from_millis(1_700_000_000_000) };
        let mut todo = Outputs::new();
        let _ = self.broker.handle(now, input, &mut todo);
        let mut wishes = todo.take();
        for wish in wishes.drain(..) {
            match wish {
                Output::Send { bytes, .. } => {
                    let bytes = todo.bytes(&bytes);
                    if let [0x88, _, high, low, ..] = bytes {
                        self.closes.push(u16::from_be_bytes([*high, *low]));
                    }
                }
                Output::Store(request) => {
                    let result = match request.work {
                        Work::Write(batch) => self.store.write(&[batch]).remove(0),
                        Work::Read(query) => self.store.read(&query),
                    };
                    self.tell(Input::Stored { ticket: request.ticket, result });
                }
                _ => {}
            }
        }
    }
}
